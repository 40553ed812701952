"""Patients at whom the end-point detector could not look: an alarm for whoever closes the data.

That a look failed says nothing of an arm, and not whether there is an event: the detector reads no arm, and
fails before it finds anything.  Sites are not told, since nobody is to learn of cases from an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.conduct.visibility import Actor
from flarefree.web.queries.seeing import see_things

__all__ = ["LostLook", "lost_looks"]


@dataclass(frozen=True, slots=True)
class LostLook:
    """A look that broke off and was not made up for yet.

    Attributes
    ----------
    subject, site : str
    since : str
        When it broke off.
    error : str
        The error's sort; the system's log has the rest.
    """

    subject: str
    site: str
    since: str
    error: str


def lost_looks(actor: Actor) -> tuple[LostLook, ...]:
    """Open ones, the oldest first; none for who may not see decisions."""
    found = (item for item in see_things(actor, "lost_look") if item["is_open"] is True)
    told = (LostLook(i.subject, i.site, str(i["since"]), str(i["error"])) for i in found)
    return tuple(sorted(told, key=lambda one: (one.since, one.subject)))
