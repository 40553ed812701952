"""Who may judge which case: members, their sites, conflicts and leave; assignment by lot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol, TypeVar

from flarefree.errors import ConductError

__all__ = ["Chance", "Committee", "Conflict", "Member"]

T = TypeVar("T")


class Chance(Protocol):
    """Where lots come from: `random.SystemRandom()` in a trial, a seeded `random.Random` in tests."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def shuffle(self, x: list[T], /) -> None:
        """Put a list in random order."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A declared conflict of interest: with a site, a patient, or a component.

    Empty parts mean any; a conflict with nothing named bars its member from every case.
    """

    why: str
    site: str = ""
    subject: str = ""
    endpoint: str = ""

    def touches(self, subject: str, site: str, endpoint: str) -> bool:
        """Whether a case falls under it."""
        said = ((self.subject, subject), (self.site, site), (self.endpoint, endpoint))
        return all(not named or named == value for named, value in said)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the committee.

    Attributes
    ----------
    id : str
    sites : tuple of str
        Where the member works: never judges their patients.
    is_chair : bool
        One chair; `is_deputy` stands in where the chair may not judge.
    conflicts : tuple of Conflict
    leave : tuple of (first, last) dates, both counted
    """

    id: str
    sites: tuple[str, ...] = ()
    is_chair: bool = False
    is_deputy: bool = False
    conflicts: tuple[Conflict, ...] = ()
    leave: tuple[tuple[date, date], ...] = ()

    def barred(self, subject: str, site: str, endpoint: str) -> str:
        """Why this member may never judge a case; empty if they may."""
        if site in self.sites:
            return "a patient of the member's own site"
        for conflict in self.conflicts:
            if conflict.touches(subject, site, endpoint):
                return f"conflict of interest: {conflict.why}"
        return ""

    def is_away(self, on: date) -> bool:
        """Whether the member is on leave that day."""
        return any(first <= on <= last for first, last in self.leave)


@dataclass(frozen=True, slots=True)
class Committee:
    """The members, by their ids."""

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        ids = [member.id for member in self.members]
        if len(set(ids)) != len(ids):
            raise ConductError("two members have one id", where="committee", found=", ".join(sorted(ids)))
        if sum(member.is_chair for member in self.members) != 1:
            raise ConductError(
                "the committee has one chair",
                where="committee",
                found=f"{sum(member.is_chair for member in self.members)} of them",
            )

    def member(self, id_: str) -> Member:
        """One member.

        Raises
        ------
        ConductError
            Nobody of that id.
        """
        for member in self.members:
            if member.id == id_:
                return member
        raise ConductError(
            "no such member of the committee", where="committee", found=id_, expected="a member's id"
        )

    def with_member(self, member: Member) -> Committee:
        """A committee in which this member is as given: a new conflict, a new leave."""
        self.member(member.id)
        return replace(self, members=tuple(member if m.id == member.id else m for m in self.members))

    def eligible(self, subject: str, site: str, endpoint: str, on: date) -> tuple[Member, ...]:
        """Who may judge a case on a day."""
        return tuple(m for m in self.members if not m.barred(subject, site, endpoint) and not m.is_away(on))

    def assign(
        self,
        n: int,
        subject: str,
        site: str,
        endpoint: str,
        on: date,
        chance: Chance,
        *,
        load: Mapping[str, int],
        but: Collection[str] = (),
    ) -> tuple[str, ...]:
        """`n` members for a case: those with the fewest open cases, by lot among equals.

        The chair is taken only where nobody else is left: the chair decides where others differ.

        Raises
        ------
        ConductError
            There are not enough.
        """
        able = [m for m in self.eligible(subject, site, endpoint, on) if m.id not in but]
        if len(able) < n:
            raise ConductError(
                "too few members may judge this case",
                where="committee",
                found=f"{len(able)} of {len(self.members)}",
                expected=f"{n} who are neither of its site, nor in conflict, nor on leave",
                try_="appoint another member, or wait for one to return",
            )
        chance.shuffle(able)
        able.sort(key=lambda m: (m.is_chair, load.get(m.id, 0)))
        return tuple(m.id for m in able[:n])

    def presiding(self, subject: str, site: str, endpoint: str, on: date) -> Member:
        """The chair, or the deputy where the chair may not judge.

        Raises
        ------
        ConductError
            Neither may.
        """
        able = self.eligible(subject, site, endpoint, on)
        for member in sorted(able, key=lambda m: not m.is_chair):
            if member.is_chair or member.is_deputy:
                return member
        raise ConductError(
            "neither the chair nor a deputy may judge this case",
            where="committee",
            try_="name a deputy (`is_deputy`) of another site",
        )

    def require_quorum(
        self, present: Sequence[str], quorum: int, subject: str, site: str, endpoint: str, on: date
    ) -> tuple[str, ...]:
        """Those present, if they may judge the case together.

        Raises
        ------
        ConductError
            Someone may not, too few are left, or nobody presides.
        """
        for id_ in present:
            why = self.member(id_).barred(subject, site, endpoint)
            if why:
                raise ConductError(
                    "a member who may not judge this case takes part",
                    where="quorum",
                    found=f"{id_}: {why}",
                    try_="let the member leave the room",
                )
        if len(set(present)) < quorum:
            raise ConductError(
                "there is no quorum",
                where="quorum",
                found=f"{len(set(present))} present",
                expected=f"at least {quorum}",
            )
        chair = self.presiding(subject, site, endpoint, on)
        if chair.id not in present:
            raise ConductError(
                "nobody presides", where="quorum", found=", ".join(present), expected=f"{chair.id} among them"
            )
        return tuple(dict.fromkeys(present))
