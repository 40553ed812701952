"""Follow-up: telephone contacts, vital status, and how participation ends: drug, study and consent apart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.schedule import dues_of
from flarefree.conduct.withdrawals import LOST, Ending, EndingEntry, add_ending
from flarefree.errors import ConductError
from flarefree.protocol.schema import Protocol
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.endings import attempts_of, endings_from, participation_from
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import (
    Day,
    Key,
    Line,
    Reason,
    SubjectKey,
    Text,
    day_one_of,
    moved_to,
    require_day,
    status_of,
    subject_for,
    today_at,
    writes_of,
)
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "CompleteStudy",
    "CorrectEnding",
    "LeaveStudy",
    "RecordContact",
    "RecordVitalStatus",
    "StopDrug",
]

_ENDINGS = "withdrawals.record"


class RecordContact(Command):
    """A telephone call or another contact that is no visit; also one that was tried in vain.

    Attributes
    ----------
    contact : str
        As the schedule names it (`Telephone 3`); empty for one that nobody planned.
    reached : bool
    how : str
        Telephone, letter, relatives, family doctor.
    """

    name: ClassVar[str] = "record_contact"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    contact: Annotated[str, Field(max_length=80)] = ""
    date: Day
    reached: bool
    how: Line = "telephone"
    words: Text = ""

    def plan(self, asked: Asked) -> Plan:
        """Nobody calls somebody who withdrew consent."""
        field = "contacts.record"
        subject = subject_for(asked, self.subject, "record", field)
        require_day(asked, subject, self.date)
        items = read_things(subject=subject.key)
        silent = participation_from(items).silent_from
        if silent is not None and self.date >= silent:
            raise ConductError(
                "nobody calls this patient any more: consent was withdrawn, or they died",
                where="date",
                found=self.date.isoformat(),
                expected=f"before {silent.isoformat()}",
            )
        self._require_planned(subject, items)
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "contact": self.contact or None,
            "date": self.date.isoformat(),
            "reached": self.reached,
            "how": self.how,
            "by": asked.actor.person if asked.actor else "",
        }
        writes = (
            *writes_of("contact", key, field, told, subject=subject),
            *writes_of("contact", key, "free_text.site", {"words": self.words or None}),
            *(moved_to(asked, subject, "find_again", is_optional=True) if self.reached else ()),
        )
        return Plan(
            f"contact/{key}",
            site=subject.site,
            writes=writes,
            reason="the patient was reached" if self.reached else "",
            result={"contact": key},
        )

    def _require_planned(self, subject: Item, items: tuple[Item, ...]) -> None:
        day_one = day_one_of(subject)
        if not self.contact:
            return
        dues = () if day_one is None else dues_of(_spec(), day_one, participation_from(items))
        names = [due.name for due in dues if due.kind == "contact"]
        if self.contact not in names:
            raise ConductError(
                "no such contact is planned for this patient",
                where="contact",
                found=self.contact,
                expected=", ".join(names[:40]) or "none",
                try_="leave it empty for a contact that nobody planned",
            )


class RecordVitalStatus(Command):
    """Whether a patient lives: asked every year of those who left, and told whenever it becomes known.

    A death ends everything else; it is dated when it took place, not when it was heard of.
    """

    name: ClassVar[str] = "record_vital_status"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    date: Day
    status: Literal["alive", "dead", "unknown"]
    death_date: Day | None = None
    cause: Annotated[str, Field(max_length=300)] = ""
    source: Line = "the patient"
    contact: Annotated[str, Field(max_length=80)] = ""

    def plan(self, asked: Asked) -> Plan:
        """What is known, from when; a death as an ending too."""
        field = "vital_status.record"
        subject = subject_for(asked, self.subject, "record", field)
        require_day(asked, subject, self.date)
        if (self.status == "dead") != (self.death_date is not None):
            raise ConductError(
                "a death has its date, and nothing else has", where="death_date", found=str(self.death_date)
            )
        if self.death_date is not None:
            require_day(asked, subject, self.death_date, "death_date")
            if self.death_date > self.date:
                raise ConductError(
                    "this is after it was told", where="death_date", found=str(self.death_date)
                )
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "date": self.date.isoformat(),
            "status": self.status,
            "death_date": self.death_date.isoformat() if self.death_date else None,
            "cause": self.cause or None,
            "source": self.source,
            "contact": self.contact or None,
        }
        writes = [*writes_of("vital_status", key, field, told, subject=subject)]
        if self.contact and self.status != "unknown":
            writes += _contact_met(asked, subject, self)
        if self.death_date is not None:
            writes += _ended(asked, subject, Ending.DEATH, self.death_date)
            writes += moved_to(asked, subject, "die", is_optional=True)
        return Plan(
            f"vital_status/{key}",
            site=subject.site,
            writes=tuple(writes),
            reason="the vital status became known",
            result={"vital_status": key},
        )


def _contact_met(asked: Asked, subject: Item, told: RecordVitalStatus) -> tuple[Write, ...]:
    """The planned inquiry took place."""
    met: dict[str, Value] = {"contact": told.contact, "date": told.date.isoformat(), "reached": True}
    key = new_key(asked.request, 1)
    return writes_of("contact", key, "contacts.record", met, subject=subject, is_consequence=True)


# Endings ------------------------------------------------------------------------------------------


class StopDrug(Command):
    """Study drug is stopped for good; visits go on."""

    name: ClassVar[str] = "stop_drug"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    date: Day
    reason: Reason
    """One of the protocol's list."""
    words: Text = ""

    def plan(self, asked: Asked) -> Plan:
        """The drug alone ends."""
        subject = subject_for(asked, self.subject, "record", _ENDINGS)
        writes = (
            *_ended(asked, subject, Ending.DRUG, self.date, self.reason, words=self.words),
            *moved_to(asked, subject, "stop_drug", reason=self.reason, is_optional=True),
        )
        return _plan(asked, subject, writes, self.reason)


class LeaveStudy(Command):
    """A patient leaves: no more visits, vital status is asked on.  Lost only after attempts were made.

    The attempts are the contacts that the record says were tried in vain.
    """

    name: ClassVar[str] = "leave_study"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    date: Day
    reason: Reason
    words: Text = ""

    def plan(self, asked: Asked) -> Plan:
        """`withdrawn`, or `lost`."""
        subject = subject_for(asked, self.subject, "record", _ENDINGS)
        is_lost = LOST in _spec().withdrawals.reasons.get(self.reason, ())
        ended = _ended(asked, subject, Ending.STUDY, self.date, self.reason, words=self.words)
        if is_lost and status_of(subject) != "lost":
            gates = {"contacts_tried"}  # `add_ending` refused if there were too few
            moved = moved_to(asked, subject, "lose", open_gates=gates, reason=self.reason)
        else:
            moved = moved_to(asked, subject, "withdraw", reason=self.reason)
        return _plan(asked, subject, (*ended, *moved), self.reason)


class CompleteStudy(Command):
    """The last planned visit took place: the patient completed the study."""

    name: ClassVar[str] = "complete_study"
    verb: ClassVar[str] = "sign"
    subject: SubjectKey

    def plan(self, asked: Asked) -> Plan:
        """Dated by the last visit."""
        subject = subject_for(asked, self.subject, "sign", "visits.record")
        items = read_things(subject=subject.key)
        last = _spec().schedule.visits[-1].name
        visit = next((v for v in items if v.kind == "visit" and v["visit"] == last and v["date"]), None)
        if visit is None or visit["status"] == "missed":
            raise ConductError("the last visit was not entered", where="subject", expected=last)
        when = date.fromisoformat(str(visit["date"]))
        ended = _ended(asked, subject, Ending.COMPLETED, when)
        if status_of(subject) == "randomized":
            raise ConductError("this patient was never given study drug", where="subject", found=subject.key)
        moved = moved_to(asked, subject, "complete", open_gates={"last_visit_done"})
        ended_ = tuple(
            Write(w.kind, w.key, w.attribute, w.field, w.value, is_consequence=True) for w in ended
        )
        plan = _plan(asked, subject, (*ended_, *moved), "the last visit took place")
        return replace(plan, needs=(Need("sign", "visits.record"),))


class CorrectEnding(Command):
    """An entry about an ending is replaced by another, or voided; the first stays, and says by what.

    Status follows the entries in force where the workflow's table lets it.
    """

    name: ClassVar[str] = "correct_ending"
    verb: ClassVar[str] = "correct"
    subject: SubjectKey
    supersedes: Key
    date: Day | None = None
    reason: Annotated[str, Field(max_length=200)] = ""
    is_void: bool = False
    why: Reason

    def plan(self, asked: Asked) -> Plan:
        """A new entry that points to the one that it corrects."""
        subject = subject_for(asked, self.subject, "correct", _ENDINGS)
        earlier = read_thing("withdrawal", self.supersedes)
        if earlier is None or earlier.subject != subject.key:
            raise ConductError("there is no such entry to correct", where="supersedes", found=self.supersedes)
        when = self.date or date.fromisoformat(str(earlier["date"]))
        writes = _ended(
            asked,
            subject,
            Ending(str(earlier["what"])),
            when,
            self.reason or str(earlier["reason"] or ""),
            supersedes=self.supersedes,
            why=self.why,
            is_void=self.is_void,
        )
        return _plan(asked, subject, writes, self.why)


def _plan(asked: Asked, subject: Item, writes: tuple[Write, ...], reason: str) -> Plan:
    status = next((str(w.value) for w in writes if w.attribute == "status"), status_of(subject))
    key = next((w.key for w in writes if w.kind == "withdrawal"), "")
    return Plan(
        f"subject/{subject.key}",
        site=subject.site,
        writes=writes,
        reason=reason,
        result={"subject": subject.key, "ending": key, "status": status},
    )


def _ended(
    asked: Asked,
    subject: Item,
    what: Ending,
    when: date,
    reason: str = "",
    *,
    words: str = "",
    supersedes: str = "",
    why: str = "",
    is_void: bool = False,
) -> tuple[Write, ...]:
    """One entry, under the rules of endings; of somebody who was not randomized there is none."""
    require_day(asked, subject, when)
    day_one = day_one_of(subject)
    if day_one is None:
        if what is Ending.DEATH:
            return ()
        raise ConductError(
            "this patient was not randomized",
            where="subject",
            found=subject.key,
            try_="fail_screening, or withdraw_consent",
        )
    items = read_things(subject=subject.key)
    attempts = attempts_of(items) if what is Ending.STUDY and not is_void else ()
    entry = EndingEntry(new_key(asked.request, 7), what, when, reason, attempts, supersedes, why, is_void)
    add_ending(_spec(), endings_from(items), entry, day_one, today_at(subject.site, asked))
    told: dict[str, Value] = {
        "what": what.value,
        "date": when.isoformat(),
        "reason": reason or None,
        "attempts": json.dumps([[a.date.isoformat(), a.by, a.how] for a in attempts]) if attempts else None,
        "supersedes": supersedes or None,
        "why": why or None,
        "is_void": True if is_void else None,
    }
    is_consequence = what is Ending.DEATH
    return (
        *writes_of("withdrawal", entry.id, _ENDINGS, told, subject=subject, is_consequence=is_consequence),
        *writes_of("withdrawal", entry.id, "free_text.site", {"words": words or None}),
    )


def _spec() -> Protocol:
    return running_trial().protocol.spec
