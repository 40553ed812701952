"""Who a patient is: kept apart under a key of their own, read with an entry in the log, erased for good."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from django.db import transaction
from pydantic import Field

from flarefree.conduct.audit.entries import time_text
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.parts import Reason, SubjectKey, Text, subject_for
from flarefree.web.identity import concealed, destroy_key, fingerprint_of_identity, make_key
from flarefree.web.record.reading import Item, read_thing

__all__ = ["EraseIdentity", "ReadIdentity", "RecordIdentity"]

_NAME, _CONTACT = "identity.name", "identity.contact"


class RecordIdentity(Command):
    """A patient's name and how to reach them.  Each is replaced as a whole; the log holds no word of it."""

    name: ClassVar[str] = "record_identity"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    full_name: Annotated[Text, Field(min_length=1)]
    contact: Text = ""
    reason: Annotated[str, Field(max_length=1000)] = ""

    @property
    def fingerprint(self) -> str:
        """Under the patient's key: a hash of a name in the log would outlive its erasure."""
        if read_thing("subject", self.subject) is None or _erased(self.subject):
            return super().fingerprint
        make_key(self.subject)
        told = json.dumps({"command": self.name, **self.model_dump(mode="json")}, sort_keys=True)
        return fingerprint_of_identity(self.subject, told.encode())

    def plan(self, asked: Asked) -> Plan:
        """Concealed before it is written."""
        subject = subject_for(asked, self.subject, "record", _NAME)
        if _erased(subject.key):
            raise ConductError("this identity was erased, and is not recorded again", where=subject.key)
        make_key(subject.key)
        told = {"name": (_NAME, self.full_name), "contact": (_CONTACT, self.contact)}
        writes = tuple(
            Write("identity", subject.key, name, field, concealed(subject.key, field, text))
            for name, (field, text) in told.items()
            if text
        )
        place = (
            Write("identity", subject.key, "subject", _NAME, subject.key),
            Write("identity", subject.key, "site", _NAME, subject.site),
        )
        return Plan(
            f"identity/{subject.key}",
            site=subject.site,
            writes=(*place, *writes),
            reason=self.reason,
            result={"subject": subject.key},
        )


def _erased(subject: str) -> bool:
    item = read_thing("identity", subject)
    return item is not None and item["erased_at"] is not None


class ReadIdentity(Command):
    """That somebody read who a patient is: reads of identities are entries of the log."""

    name: ClassVar[str] = "read_identity"
    verb: ClassVar[str] = "see"
    subject: SubjectKey

    def plan(self, asked: Asked) -> Plan:
        """Nothing changes; `queries.identities` shows it once this is logged."""
        subject = subject_for(asked, self.subject, "see", _NAME)
        if _require_identity(subject)["erased_at"]:
            raise ConductError("this identity was erased", where=subject.key)
        return Plan(
            f"identity/{subject.key}",
            site=subject.site,
            needs=(Need("see", _NAME),),
            result={"subject": subject.key},
        )


class EraseIdentity(Command):
    """The key of a patient's identity is destroyed; their record stays, under its number."""

    name: ClassVar[str] = "erase_identity"
    verb: ClassVar[str] = "erase"
    subject: SubjectKey
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The entry first, then the key: what a crash leaves between is repaired at start-up."""
        subject = subject_for(asked, self.subject, "erase", _NAME)
        if _require_identity(subject)["erased_at"]:
            raise ConductError("this identity was erased before", where=subject.key)
        transaction.on_commit(lambda: destroy_key(subject.key))
        return Plan(
            f"identity/{subject.key}",
            site=subject.site,
            writes=(Write("identity", subject.key, "erased_at", _NAME, time_text(asked.at)),),
            needs=(Need("erase", _CONTACT),),
            reason=self.reason,
            result={"subject": subject.key},
        )


def _require_identity(subject: Item) -> Item:
    item = read_thing("identity", subject.key)
    if item is None:
        raise ConductError("no identity is kept", where=subject.key)
    return item
