"""Who holds which role when: grants and revocations, all kept, and what no person may hold together.

A grant is asked about at each request, with the time of the request: a revocation is in force from its own
moment on, in old sessions too.  History is never shortened; what somebody was once shown they know for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from flarefree.conduct.roles.matrix import Matrix
from flarefree.conduct.taint import forbidden_of
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError

__all__ = ["Grant", "Grants", "require_other_person"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One person in one role, from a moment on, perhaps to another.

    Attributes
    ----------
    person, role : str
    sites : frozenset of str
        Where; empty for roles that are of the whole trial.
    begin, end : datetime
        In force from `begin` on, and from `end` on no more; None while it lasts.
    granted_by, revoked_by : str
    reason : str
        Of the grant; that of the revocation stands in the log.
    """

    person: str
    role: str
    begin: datetime
    granted_by: str
    reason: str
    sites: frozenset[str] = frozenset()
    end: datetime | None = None
    revoked_by: str = ""

    def is_in_force(self, at: datetime) -> bool:
        """Whether it holds at a time: [begin, end)."""
        return self.begin <= at and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Grants:
    """The whole history of grants, in the order in which they were made."""

    history: tuple[Grant, ...] = ()

    def roles_at(self, person: str, at: datetime) -> tuple[str, ...]:
        """The roles that somebody holds at a time, in the order in which they were given."""
        found = (g.role for g in self.history if g.person == person and g.is_in_force(at))
        return tuple(dict.fromkeys(found))

    def actor_at(self, person: str, role: str, at: datetime) -> Actor:
        """Somebody in one of their roles, at the time of a request.

        Raises
        ------
        ConductError
            They do not hold it then: never did, not yet, or no more.
        """
        held = [g for g in self.history if (g.person, g.role) == (person, role) and g.is_in_force(at)]
        if not held:
            raise ConductError("this role is not held", where=person, found=role)
        return Actor(person, role, frozenset().union(*(grant.sites for grant in held)))

    def with_grant(self, matrix: Matrix, grant: Grant) -> Grants:
        """The history with one more grant.

        Raises
        ------
        ConductError
            The role is not known, is given by its receiver or without reason, has sites where it must have
            none or the other way, ends as it begins, is dated before what was done last, or would give
            somebody two things that must stay apart.
        """
        self._require_form(matrix, grant)
        self._require_apart(matrix, grant)
        return Grants((*self.history, grant))

    def with_revocation(self, person: str, role: str, *, at: datetime, by: str) -> Grants:
        """The history with somebody's role taken, at all sites, from a moment on.

        Raises
        ------
        ConductError
            They do not hold it then.
        """
        self.actor_at(person, role, at)
        self._require_later(at)
        return Grants(
            tuple(
                replace(g, end=at, revoked_by=by)
                if (g.person, g.role) == (person, role) and g.is_in_force(at)
                else g
                for g in self.history
            )
        )

    def _require_form(self, matrix: Matrix, grant: Grant) -> None:
        where = f"{grant.person} as {grant.role}"
        if grant.role not in matrix.roles:
            raise ConductError("there is no such role", where=where, expected=", ".join(matrix.roles))
        if grant.granted_by == grant.person or not grant.granted_by:
            raise ConductError("nobody gives a role to themselves", where=where, found=grant.granted_by)
        if not grant.reason.strip():
            raise ConductError("a role is given for a reason", where=where)
        is_local = matrix.roles[grant.role].scope == "own_site"
        if is_local and not grant.sites:
            raise ConductError("this role is held at sites", where=where, found="no site")
        if grant.end is not None or grant.revoked_by:
            raise ConductError("a grant begins; a revocation ends it", where=where)
        self._require_later(grant.begin)

    def _require_later(self, at: datetime) -> None:
        last = max((t for g in self.history for t in (g.begin, g.end) if t is not None), default=at)
        if at < last:
            raise ConductError(
                "roles are not given or taken for the past",
                where="grants",
                found=at.isoformat(),
                expected=f"{last.isoformat()} or later",
            )

    def _require_apart(self, matrix: Matrix, grant: Grant) -> None:
        now = {*self.roles_at(grant.person, grant.begin), grant.role}
        ever = {g.role for g in self.history if g.person == grant.person} | {grant.role}
        _require_one_side(matrix, grant, now, ever)
        # Each role alone was found free of pairs when the matrix was loaded.
        for pair, one, other in forbidden_of(matrix, ever):
            if pair.for_ever or _holds_both(matrix, now, pair.name):
                raise ConductError(
                    "one person would have what must stay apart",
                    where=f"{grant.person} as {grant.role}",
                    found=f"{pair.name}: {one.verb} {one.field} ({one.role}), "
                    f"{other.verb} {other.field} ({other.role})",
                    expected="two persons" if pair.for_ever else "two persons, or the other role given back",
                )


def _require_one_side(matrix: Matrix, grant: Grant, now: set[str], ever: set[str]) -> None:
    """Blinded people may join the other side, giving back all that they were; nobody comes back."""
    blinded = set(matrix.blinded_roles)
    mixed_now = now & blinded and now - blinded
    if mixed_now or (grant.role in blinded and ever - blinded):
        raise ConductError(
            "one person would be blinded and not blinded",
            where=f"{grant.person} as {grant.role}",
            found=", ".join(sorted(ever)),
            expected="blinded roles only, or none",
            try_="two persons; who has seen arms stays on that side",
        )


def _holds_both(matrix: Matrix, roles: set[str], pair: str) -> bool:
    return any(found.name == pair for found, _, _ in forbidden_of(matrix, roles))


def require_other_person(author: str, approver: str, what: str) -> None:
    """Nobody approves their own change, in whatever role.

    Raises
    ------
    ConductError
    """
    if author == approver or not author or not approver:
        raise ConductError(
            "a change is approved by somebody else", where=what, found=approver, expected=f"not {author}"
        )
