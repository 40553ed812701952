"""Accounts and roles: opened, closed, given, taken; by whom and why stands in the log, secrets do not.

An account is a name to log in by.  What it may do are grants: each has a person, a role, perhaps sites, a
begin and perhaps an end.  A grant is never changed but by its end.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import Value, time_text
from flarefree.conduct.roles.persons import Grant
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.rights import require_right
from flarefree.web.commands.sites import SiteCode
from flarefree.web.people.grants import GRANT, grants_in_force, read_grants
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "AccountName",
    "BeginAdministration",
    "CloseAccount",
    "GrantRole",
    "InviteAccount",
    "InviteFirstAdministrator",
    "OpenAccount",
    "Reason",
    "RevokeRole",
    "is_waiting_for",
]

AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9._-]{1,39}$")]
"""What somebody logs in by, and what the log names them by."""
FullName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]

_REGISTER = "accounts.register"
_HISTORY = "permissions.history"
_MAY_GRANT = (Need("grant", _REGISTER),)


class OpenAccount(Command):
    """Somebody gets an account, with no role as yet; the way in is a link (`flarefree.web.people.links`)."""

    name: ClassVar[str] = "open_account"
    verb: ClassVar[str] = "grant"
    person: AccountName
    full_name: FullName
    reason: Reason = "joins the trial"

    def plan(self, asked: Asked) -> Plan:
        """A name that nobody had."""
        require_right(asked, "grant", _REGISTER)
        if self.person == "system" or read_thing("account", self.person) is not None:
            raise ConductError(
                "there is an account of this name",
                where="person",
                found=self.person,
                expected="a name that nobody ever had: the log names people by it",
            )
        return Plan(
            f"account/{self.person}",
            writes=_opened(self.person, self.full_name),
            needs=_MAY_GRANT,
            reason=self.reason,
            result={"person": self.person},
        )


class InviteAccount(Command):
    """A link by which somebody sets their password, once; the link itself is never logged."""

    name: ClassVar[str] = "invite_account"
    verb: ClassVar[str] = "grant"
    person: AccountName
    resets_second_factor: bool = False
    """Whether the second factor is set up anew too: the telephone was lost."""
    reason: Reason = "first log-in"

    def plan(self, asked: Asked) -> Plan:
        """That a link was made, when and for what."""
        require_right(asked, "grant", _REGISTER)
        account = _require_open(self.person)
        if asked.actor is not None and asked.actor.person == self.person:
            raise ConductError("nobody invites themselves", where="person", found=self.person)
        what = "password and second factor" if self.resets_second_factor else "password"
        writes = (
            Write("account", account.key, "invited_at", _REGISTER, time_text(asked.at)),
            Write("account", account.key, "invited_to_set", _REGISTER, what),
        )
        return Plan(
            f"account/{self.person}",
            writes=writes,
            needs=_MAY_GRANT,
            reason=self.reason,
            result={"person": self.person},
        )


class CloseAccount(Command):
    """Somebody leaves: their account is closed and their roles end, in sessions that are open too."""

    name: ClassVar[str] = "close_account"
    verb: ClassVar[str] = "grant"
    person: AccountName
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Closed, with all grants that hold."""
        require_right(asked, "grant", _REGISTER)
        account = _require_open(self.person)
        who = _asker(asked)
        if who == self.person:
            raise ConductError("nobody closes their own account", where="person", found=self.person)
        held = grants_in_force(self.person, asked.at)
        _require_administrators_left(held, asked)
        writes = (
            Write("account", account.key, "is_active", _REGISTER, False),
            *(write for grant in held for write in _ended(grant, asked, who)),
        )
        return Plan(
            f"account/{self.person}",
            writes=writes,
            needs=_MAY_GRANT,
            reason=self.reason,
            result={"person": self.person, "roles_ended": len(held)},
        )


class GrantRole(Command):
    """Somebody gets a role, at sites where the role is held at sites, from now on."""

    name: ClassVar[str] = "grant_role"
    verb: ClassVar[str] = "grant"
    person: AccountName
    role: str
    sites: Annotated[tuple[SiteCode, ...], Field(max_length=500)] = ()
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """A grant that the rules of `flarefree.conduct.roles.persons` let through (M2)."""
        require_right(asked, "grant", _REGISTER)
        _require_open(self.person)
        _require_sites(self.sites)
        grant = Grant(self.person, self.role, asked.at, _asker(asked), self.reason, frozenset(self.sites))
        read_grants().with_grant(running_trial().matrix, grant)
        key = new_key(asked.request)
        return Plan(
            f"grant/{key}",
            writes=_granted(key, grant),
            needs=_MAY_GRANT,
            reason=self.reason,
            result={"grant": key},
        )


class RevokeRole(Command):
    """Somebody's role is taken, at all sites, from this moment on (M4)."""

    name: ClassVar[str] = "revoke_role"
    verb: ClassVar[str] = "grant"
    person: AccountName
    role: str
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The end of each grant of the role that holds."""
        require_right(asked, "grant", _REGISTER)
        who = _asker(asked)
        read_grants().with_revocation(self.person, self.role, at=asked.at, by=who)
        held = tuple(g for g in grants_in_force(self.person, asked.at) if g["role"] == self.role)
        _require_administrators_left(held, asked)
        return Plan(
            f"account/{self.person}",
            writes=tuple(write for grant in held for write in _ended(grant, asked, who)),
            needs=_MAY_GRANT,
            reason=self.reason,
            result={"person": self.person, "role": self.role},
        )


class BeginAdministration(Command):
    """The first administrator, on the first start: somebody has to let the others in."""

    name: ClassVar[str] = "begin_administration"
    verb: ClassVar[str] = "grant"
    is_machine: ClassVar[bool] = True
    person: AccountName = "administrator"
    full_name: FullName = "First administrator"

    def plan(self, asked: Asked) -> Plan:
        """An account and its role, if there was never an account."""
        if read_things("account", attributes=("is_active",)):
            raise ConductError("there are accounts already", where="begin_administration")
        grant = Grant(self.person, "administrator", asked.at, "system", "first start")
        read_grants().with_grant(running_trial().matrix, grant)
        key = new_key(asked.request)
        writes = (*_opened(self.person, self.full_name), *_granted(key, grant))
        return Plan(
            f"account/{self.person}", writes=writes, reason="first start", result={"person": self.person}
        )


class InviteFirstAdministrator(Command):
    """The first administrator's link, made at a start, as long as nobody else was ever let in."""

    name: ClassVar[str] = "invite_first_administrator"
    verb: ClassVar[str] = "grant"
    is_machine: ClassVar[bool] = True
    person: AccountName

    def plan(self, asked: Asked) -> Plan:
        """That a link was made."""
        if not is_waiting_for(self.person):
            raise ConductError(
                "the first administrator was let in already", where="person", found=self.person
            )
        writes = (
            Write("account", self.person, "invited_at", _REGISTER, time_text(asked.at)),
            Write("account", self.person, "invited_to_set", _REGISTER, "password"),
        )
        return Plan(f"account/{self.person}", writes=writes, reason="first log-in")


def is_waiting_for(person: str) -> bool:
    """Whether an account is the only one, and was never logged in with."""
    accounts = read_things("account", attributes=("is_active",))
    ends = read_things("login", attributes=("end",))
    is_only = [account.key for account in accounts] == [person]
    return is_only and all(item["end"] not in {"admitted", "password_set"} for item in ends)


# Parts of plans ------------------------------------------------------------------------------------


def _opened(person: str, full_name: str) -> tuple[Write, ...]:
    told: dict[str, Value] = {"full_name": full_name, "is_active": True}
    return tuple(Write("account", person, name, _REGISTER, value) for name, value in told.items())


def _granted(key: str, grant: Grant) -> tuple[Write, ...]:
    """The values of a grant: they follow from the right to grant, which `needs` asks for."""
    told: dict[str, Value] = {
        "person": grant.person,
        "role": grant.role,
        "sites": " ".join(sorted(grant.sites)),
        "begin": time_text(grant.begin),
        "granted_by": grant.granted_by,
        "reason": grant.reason,
    }
    return tuple(
        Write(GRANT, key, name, _HISTORY, value, is_consequence=True) for name, value in told.items()
    )


def _ended(grant: Item, asked: Asked, who: str) -> tuple[Write, ...]:
    told = {"end": time_text(asked.at), "revoked_by": who}
    return tuple(
        Write(GRANT, grant.key, name, _HISTORY, value, is_consequence=True) for name, value in told.items()
    )


def _asker(asked: Asked) -> str:
    return asked.actor.person if asked.actor else "system"


def _require_open(person: str) -> Item:
    account = read_thing("account", person)
    if account is None or account["is_active"] is not True:
        raise ConductError("there is no open account of this name", where="person", found=person)
    return account


def _require_sites(sites: tuple[str, ...]) -> None:
    known = {item.key for item in read_things("site", attributes=("is_open",))}
    unknown = sorted(set(sites) - known)
    if unknown:
        raise ConductError("there is no such site", where="sites", found=", ".join(unknown))


def _require_administrators_left(ending: tuple[Item, ...], asked: Asked) -> None:
    """Without an administrator nobody could let anybody in again, and there is no back door."""
    if all(grant["role"] != "administrator" for grant in ending):
        return
    gone = {grant.key for grant in ending}
    held = (item for item in read_things(GRANT) if item["role"] == "administrator" and item.key not in gone)
    if all(item["end"] is not None for item in held):
        raise ConductError(
            "the last administrator stays",
            where="role",
            expected="another administrator",
            try_="give the role to somebody else first",
        )
