"""Sites: opened, described, closed to new patients.  A site is never deleted."""

from __future__ import annotations

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import Value
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.rights import require_right
from flarefree.web.record.reading import read_thing, read_things

__all__ = ["AddSite", "ChangeSite", "SiteCode"]

SiteCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,12}$")]
"""Stands first in the numbers of a site's patients: `017` in 017-004."""

_FIELD = "sites.register"


class AddSite(Command):
    """A site joins the trial.

    Attributes
    ----------
    site : str
        Its code.
    title, country : str
    zone : str
        Time zone as the IANA names it; its days are reckoned by it.
    planned : int
        Patients that it is to enroll.
    """

    name: ClassVar[str] = "add_site"
    verb: ClassVar[str] = "configure"
    site: SiteCode
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    country: Annotated[str, StringConstraints(min_length=2, max_length=60)]
    zone: str
    planned: Annotated[int, Field(ge=0, le=100_000)] = 0

    def plan(self, asked: Asked) -> Plan:
        """Its first description."""
        require_right(asked, "configure", _FIELD)
        _require_zone(self.zone)
        # `usa01` beside `USA01` would be taken for one another on paper, on the telephone and in file names.
        if self.site.casefold() in {item.key.casefold() for item in read_things("site")}:
            raise ConductError(
                "there is a site of this code",
                where="site",
                found=self.site,
                try_="change_site, or another code",
            )
        told: dict[str, Value] = {
            "title": self.title,
            "country": self.country,
            "zone": self.zone,
            "planned": self.planned,
            "is_open": True,
        }
        return _plan(self.site, told, "")


class ChangeSite(Command):
    """A site's description is replaced, or the site is closed to new patients or opened again.

    What is not given stays as it is.  A site that moves to another zone keeps the dates that it wrote.
    """

    name: ClassVar[str] = "change_site"
    verb: ClassVar[str] = "configure"
    site: SiteCode
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    country: Annotated[str, StringConstraints(min_length=2, max_length=60)] | None = None
    zone: str | None = None
    planned: Annotated[int, Field(ge=0, le=100_000)] | None = None
    is_open: bool | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]

    def plan(self, asked: Asked) -> Plan:
        """What is given replaces what stood."""
        require_right(asked, "configure", _FIELD)
        if self.zone is not None:
            _require_zone(self.zone)
        if read_thing("site", self.site) is None:
            raise ConductError("there is no site of this code", where="site", found=self.site)
        told = self.model_dump(exclude_none=True, exclude={"site", "reason"})
        return _plan(self.site, told, self.reason)


def _plan(site: str, told: dict[str, Value], reason: str) -> Plan:
    writes = tuple(Write("site", site, name, _FIELD, value) for name, value in told.items())
    return Plan(f"site/{site}", site=site, writes=writes, reason=reason, result={"site": site})


def _require_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConductError(
            "not a time zone", where="zone", found=zone[:60], expected="a name such as Europe/Berlin"
        ) from None
