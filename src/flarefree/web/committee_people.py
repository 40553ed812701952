"""The committee as grants, conflicts and leaves of the record make it.

Who holds the role of the chair presides and never votes; a second one is the deputy.  Members who gave
their role back keep the votes that they cast, and others vote in their place where they had not.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from flarefree.conduct.adjudication.committee import Committee, Conflict, Member
from flarefree.web.people.grants import read_grants
from flarefree.web.record.reading import Item, read_things

__all__ = ["CHAIR", "MEMBER", "read_committee", "voters_of"]

MEMBER, CHAIR = "committee_member", "committee_chair"
_ALWAYS = ((date.min, date.max),)


def read_committee(at: datetime) -> Committee:
    """The committee at a time.

    Raises
    ------
    ConductError
        It has no chair.
    """
    conflicts = _by_member("conflict")
    leaves = _by_member("leave")
    members: dict[str, Member] = {}
    has_chair = False
    for grant in read_grants().history:
        if grant.role not in (MEMBER, CHAIR) or grant.begin > at:
            continue
        is_chair = grant.role == CHAIR and grant.is_in_force(at)
        known = members.get(grant.person)
        sites = set(grant.sites) | (set(known.sites) if known else set())
        members[grant.person] = Member(
            grant.person,
            tuple(sorted(sites)),
            is_chair=is_chair and not has_chair,
            is_deputy=is_chair and has_chair,
            conflicts=tuple(_conflict(item) for item in conflicts.get(grant.person, ())),
            leave=_leave(leaves.get(grant.person, ())) if grant.is_in_force(at) else _ALWAYS,
        )
        has_chair = has_chair or is_chair
    return Committee(tuple(members.values()))


def voters_of(committee: Committee) -> Committee:
    """The same committee for drawing voters: chair and deputies have none to give."""
    away = tuple(replace(m, leave=_ALWAYS) if m.is_chair or m.is_deputy else m for m in committee.members)
    return replace(committee, members=away)


def _by_member(kind: str) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in read_things(kind):
        if item["void"] is not True:
            found.setdefault(str(item["member"]), []).append(item)
    return found


def _conflict(item: Item) -> Conflict:
    named = {name: str(item[f"about_{name}"] or "") for name in ("site", "subject", "endpoint")}
    return Conflict(str(item["why"]), **named)


def _leave(items: list[Item] | tuple[()]) -> tuple[tuple[date, date], ...]:
    return tuple(
        (date.fromisoformat(str(item["first"])), date.fromisoformat(str(item["last"]))) for item in items
    )
