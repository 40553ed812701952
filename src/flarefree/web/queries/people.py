"""Who is in the trial, in which role: for the first page of a virtual one."""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.demonstration import is_demonstration
from flarefree.web.people.grants import grant_of
from flarefree.web.record.reading import facts_of, read_things

__all__ = ["PersonInRole", "everybody_in_roles"]


@dataclass(frozen=True, slots=True)
class PersonInRole:
    """Somebody, what they are called, and a role that they hold now."""

    person: str
    full_name: str
    role: str
    sites: tuple[str, ...]


def everybody_in_roles() -> tuple[PersonInRole, ...]:
    """All open accounts with the roles that they hold, for anybody who looks at a virtual trial.

    Raises
    ------
    ConductError
        It is no virtual trial.
    """
    if not is_demonstration():
        raise ConductError("there is nothing here for you")
    names, is_open, at = facts_of("account", "full_name"), facts_of("account", "is_active"), now()
    grants = [grant for grant in map(grant_of, read_things("grant")) if grant.is_in_force(at)]
    return tuple(
        PersonInRole(one.person, str(names.get(one.person) or one.person), one.role, tuple(sorted(one.sites)))
        for one in grants
        if is_open.get(one.person) is True
    )
