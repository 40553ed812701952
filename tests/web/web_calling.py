"""People who call, for tests of the lines: those of `flarefree.web.checks.callers`, imported when used.

That module needs the application set up, which a fixture does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from flarefree.web.checks.callers import Clock, Telephone

__all__ = ["give_role", "make_clock", "make_telephone"]


def give_role(person: str, role: str, *sites: str, at: datetime) -> None:
    from flarefree.web.checks import callers

    callers.give_role(person, role, *sites, at=at)


def make_clock(at: datetime) -> Clock:
    from flarefree.web.checks import callers

    return callers.Clock(at)


def make_telephone(line: Any, clock: Clock, call: str) -> Telephone:
    from flarefree.web.checks import callers

    return callers.Telephone(line, clock, call)
