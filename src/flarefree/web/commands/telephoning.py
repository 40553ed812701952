"""Log-ins by telephone as entries of the log (A6): who was admitted or refused; never what was keyed."""

from __future__ import annotations

from typing import ClassVar, Literal

from flarefree.conduct.audit.entries import time_text
from flarefree.web.commands.accounts import AccountName
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.naming import new_key

__all__ = ["End", "NoteTelephone"]

End = Literal["admitted_by_telephone", "refused_by_telephone", "telephone_pin_set"]


class NoteTelephone(Command):
    """Somebody identified themselves to the voice line, or tried to, or was given a PIN.

    Attributes
    ----------
    person : str
        Empty where the number that was keyed is nobody's.
    """

    name: ClassVar[str] = "note_telephone"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    person: AccountName | Literal[""]
    end: End

    def plan(self, asked: Asked) -> Plan:
        """What happened, as a thing of its own, beside the log-ins on pages."""
        told = {"person": self.person, "end": self.end, "at": time_text(asked.at)}
        key = new_key(asked.request)
        writes = tuple(Write("login", key, name, "accounts.register", value) for name, value in told.items())
        return Plan(f"account/{self.person or 'unknown'}", writes=writes, reason_code=self.end)
