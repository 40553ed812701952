"""Log-ins and tokens as entries of the log (A6): who, when, with which end; no password, code or address."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, StringConstraints

from flarefree.conduct.audit.entries import Value, time_text
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.commands.accounts import AccountName, Reason
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.rights import require_right
from flarefree.web.record.reading import read_thing

__all__ = ["NoteLogin", "NoteToken", "RevokeToken"]

End = Literal[
    "admitted",
    "refused",
    "second_factor_refused",
    "logged_out",
    "password_set",
    "second_factor_set",
    "second_factor_removed",
    "recovery_codes_made",
]
_FIELD = "accounts.register"


class NoteLogin(Command):
    """Somebody logged in, or tried to, or changed what they log in by.

    Attributes
    ----------
    person : str
        Empty where no account has the name that was typed: it may have been a password.
    ended_another : bool
        Whether another session of the account was open, which this one ended.
    """

    name: ClassVar[str] = "note_login"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    person: AccountName | Literal[""]
    end: End
    ended_another: bool = False

    def plan(self, asked: Asked) -> Plan:
        """What happened, as a thing of its own."""
        told: dict[str, Value] = {"person": self.person, "end": self.end, "at": time_text(asked.at)}
        if self.ended_another:
            told["ended_another"] = True
        key = new_key(asked.request)
        writes = tuple(Write("login", key, name, _FIELD, value) for name, value in told.items())
        return Plan(f"account/{self.person or 'unknown'}", writes=writes, reason_code=self.end)

    @classmethod
    def password_set(cls, person: str) -> NoteLogin:
        """A link was used."""
        return cls(person=person, end="password_set")

    @staticmethod
    def asked(of: str) -> Asked:
        """Asked for by the application itself, now; each time is another request."""
        return Asked(None, f"{of}-{secrets.token_hex(16)}", now(), "machine")


class NoteToken(Command):
    """A token for programs was made by its person for one of their roles; the token is never logged."""

    name: ClassVar[str] = "note_token"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{12}$")]
    person: AccountName
    role: str
    label: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    expires_at: AwareDatetime

    def plan(self, asked: Asked) -> Plan:
        """Whose, for which role, until when."""
        told: dict[str, Value] = {
            "person": self.person,
            "role": self.role,
            "label": self.label,
            "expires_at": time_text(self.expires_at),
        }
        writes = tuple(Write("token", self.key, name, _FIELD, value) for name, value in told.items())
        return Plan(f"account/{self.person}", writes=writes, reason_code="token_made")


class RevokeToken(Command):
    """A token is good no more."""

    name: ClassVar[str] = "revoke_token"
    verb: ClassVar[str] = "grant"
    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{12}$")]
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """When it ended."""
        require_right(asked, "grant", _FIELD)
        return revocation(self.token, self.reason, asked.at)


class DropToken(Command):
    """A person's own token is good no more, at their own wish."""

    name: ClassVar[str] = "drop_token"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{12}$")]
    person: AccountName

    def plan(self, asked: Asked) -> Plan:
        """When it ended."""
        item = read_thing("token", self.token)
        if item is None or item["person"] != self.person:
            raise ConductError("there is no such token", where="token", found=self.token)
        return revocation(self.token, "its person's wish", asked.at)


def revocation(token: str, reason: str, at: datetime) -> Plan:
    """The end of a token."""
    item = read_thing("token", token)
    if item is None or item["revoked_at"] is not None:
        raise ConductError("there is no such token", where="token", found=token)
    return Plan(
        f"account/{item['person']}",
        writes=(Write("token", token, "revoked_at", _FIELD, time_text(at)),),
        needs=(Need("grant", _FIELD),),
        reason=reason,
        reason_code="token_revoked",
    )
