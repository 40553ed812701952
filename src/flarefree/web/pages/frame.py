"""What every page has around it: the trial, who acts in which role, menu, banner of virtual patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.config import WebConfig
from flarefree.web.trial import RunningTrial, running_trial

__all__ = ["Entry", "Frame", "Group", "frame_of"]

PHASES = {
    "before_go_live": "being set up",
    "live": "live",
    "locked": "data locked",
    "unblinded": "unblinded",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu."""

    text: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of the menu that belong together."""

    name: str
    entries: tuple[Entry, ...]


class Frame:
    """Read once for a request, and only what its template asks for."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def _config(self) -> WebConfig:
        return WebConfig.from_environment()

    @cached_property
    def _trial(self) -> RunningTrial:
        return running_trial()

    @cached_property
    def actor(self) -> Actor | None:
        """Who acts; nobody on the pages around the log-in."""
        user = getattr(self._request, "user", None)
        if user is None or not user.is_authenticated:
            return None
        from flarefree.web.people.acting import actor_of

        return actor_of(self._request)

    @property
    def is_demo(self) -> bool:
        """Whether the patients are virtual."""
        return self._config.is_demo

    @property
    def trial_name(self) -> str:
        """As the protocol names it."""
        return self._trial.protocol.spec.name

    @property
    def trial_title(self) -> str:
        """In a line."""
        return self._trial.protocol.spec.title

    @property
    def protocol_digest(self) -> str:
        """Of the version in force."""
        return self._trial.protocol_digest

    @cached_property
    def phase(self) -> str:
        """Where the trial stands."""
        return self._trial.phase

    @property
    def phase_title(self) -> str:
        """In words."""
        return PHASES.get(self.phase, self.phase)

    @property
    def person(self) -> str:
        """The account; empty if nobody is logged in."""
        user = getattr(self._request, "user", None)
        return user.get_username() if user is not None and user.is_authenticated else ""

    @property
    def full_name(self) -> str:
        """Of who is logged in."""
        return getattr(self._request.user, "full_name", "") if self.person else ""

    @property
    def role_title(self) -> str:
        """Of the role acted in, without what it is for."""
        return self._trial.matrix.roles[self.actor.role].title.split(";")[0] if self.actor else ""

    @property
    def sites(self) -> tuple[str, ...]:
        """Of the role acted in."""
        return tuple(sorted(self.actor.sites)) if self.actor else ()

    @cached_property
    def has_several_roles(self) -> bool:
        """Whether there is another to choose."""
        if self.actor is None:
            return False
        from flarefree.web.people.acting import roles_of

        return len(roles_of(self._request)) > 1

    @cached_property
    def menu(self) -> tuple[Group, ...]:
        """The pages that the role opens in this phase."""
        return tuple(self._groups()) if self.actor else ()

    def _groups(self) -> Iterator[Group]:
        from flarefree.web.pages.asking import may
        from flarefree.web.pages.urls import ROUTES

        assert self.actor is not None
        found: dict[str, list[Entry]] = {}
        here = "" if getattr(self._request, "_is_lost", False) else self._request.path
        for route in ROUTES:
            if route.menu and may(self.actor, route.rights, self.phase):
                url = reverse(route.name)
                is_current = here == url or (url != "/" and here.startswith(url))
                found.setdefault(route.group, []).append(Entry(route.menu, url, is_current))
        for name, entries in found.items():
            yield Group(name, tuple(entries))


def frame_of(request: HttpRequest) -> dict[str, Frame]:
    """Django's context processor: `page` in each template."""
    frame = getattr(request, "_frame", None)
    if frame is None:
        frame = Frame(request)
        request._frame = frame  # type: ignore[attr-defined]
    return {"page": frame}
