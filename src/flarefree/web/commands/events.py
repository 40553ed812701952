"""What happens to patients: adverse events, procedures, biopsies, events that investigators suspect."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.endings import participation_from, require_participating
from flarefree.web.commands.gates import stands
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import (
    Day,
    Key,
    Line,
    PartialDate,
    Reason,
    SubjectKey,
    Text,
    earliest_of,
    require_day,
    row_for,
    subject_for,
    writes_of,
)
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "CorrectAdverseEvent",
    "RecordAdverseEvent",
    "RecordBiopsy",
    "RecordProcedure",
    "RecordVerdict",
]

_AE, _NARRATIVE = "adverse_events.record", "adverse_events.narrative"

Severity = Literal["mild", "moderate", "severe", "life-threatening", "fatal"]
"""Grades 1 to 5 of the common terminology criteria, in words."""
Relation = Literal["not related", "unlikely", "possible", "probable", "definite", "not assessed"]
Outcome = Literal["recovered", "recovering", "not recovered", "recovered with sequelae", "fatal", "unknown"]
Action = Literal["none", "dose reduced", "drug interrupted", "drug stopped", "not applicable", "unknown"]
Criterion = Literal[
    "death", "life-threatening", "hospitalization", "disability", "congenital anomaly", "medically important"
]
"""What makes an event serious (ICH E2A)."""


class RecordAdverseEvent(Command):
    """Something untoward, whatever caused it.

    Attributes
    ----------
    verbatim : str
        As the patient or the site says it.
    term, body_system : str
        As it was coded, where it was.
    serious_because : tuple
        Criteria of seriousness; none for an event that is not serious.
    """

    name: ClassVar[str] = "record_adverse_event"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    verbatim: Line
    start: PartialDate
    end: PartialDate | None = None
    term: Annotated[str, Field(max_length=200)] = ""
    body_system: Annotated[str, Field(max_length=200)] = ""
    severity: Severity
    serious_because: tuple[Criterion, ...] = ()
    relation: Relation = "not assessed"
    action: Action = "none"
    outcome: Outcome = "unknown"
    caused_withdrawal: bool = False
    narrative: Text = ""

    def plan(self, asked: Asked) -> Plan:
        """Collected from consent to the end of the safety window."""
        subject = subject_for(asked, self.subject, "record", _AE)
        _require_span(asked, subject, self.start, self.end)
        _require_agreement(self.severity, self.outcome, self.serious_because)
        _require_collected(subject, earliest_of(self.start), bool(self.serious_because))
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "verbatim": self.verbatim,
            "term": self.term or None,
            "body_system": self.body_system or None,
            "start": self.start,
            "end": self.end,
            "severity": self.severity,
            "is_serious": bool(self.serious_because),
            "serious_because": ", ".join(self.serious_because) or None,
            "relation": self.relation,
            "action": self.action,
            "outcome": self.outcome,
            "caused_withdrawal": self.caused_withdrawal,
        }
        writes = (
            *writes_of("adverse_event", key, _AE, told, subject=subject),
            *writes_of("adverse_event", key, _NARRATIVE, {"narrative": self.narrative or None}),
        )
        return Plan(f"adverse_event/{key}", site=subject.site, writes=writes, result={"adverse_event": key})


def _require_span(asked: Asked, subject: Item, start: str, end: str | None) -> None:
    require_day(asked, subject, earliest_of(start), "start")
    if end is None:
        return
    require_day(asked, subject, earliest_of(end), "end")
    # Of partial dates only what both of them say can be compared.
    shared = min(len(start), len(end))
    if end[:shared] < start[:shared]:
        raise ConductError("this ends before it begins", where="end", found=f"{start} to {end}")


def _require_agreement(severity: str, outcome: str, criteria: tuple[str, ...]) -> None:
    """A fatal event has a fatal outcome and is serious by death."""
    is_fatal = {
        "severity": severity == "fatal",
        "outcome": outcome == "fatal",
        "serious": "death" in criteria,
    }
    if len(set(is_fatal.values())) > 1:
        said = ", ".join(f"{name} {'says' if yes else 'does not say'} so" for name, yes in is_fatal.items())
        raise ConductError("is it fatal or not?", where="outcome", found=said, expected="all three to agree")


def _require_collected(subject: Item, onset: date, is_serious: bool) -> None:
    """What begins after the safety window is not collected; serious ones are, whenever they are heard of."""
    from flarefree.conduct.schedule import safety_window

    spec = running_trial().protocol.spec
    standing = participation_from(read_things(subject=subject.key))
    has_ended = standing.visits_end is not None
    has_window = any(contact.after_last_visit is not None for contact in spec.schedule.contacts)
    if is_serious or not has_ended or standing.last_visit is None or not has_window:
        return
    window = safety_window(spec, standing.last_visit)
    if onset > window.last:
        raise ConductError(
            "this began after adverse events are collected",
            where="start",
            found=onset.isoformat(),
            expected=f"{window.last.isoformat()} or earlier; a serious event at any time",
        )


class CorrectAdverseEvent(Command):
    """An adverse event's description is replaced, or completed: what is not given stays."""

    name: ClassVar[str] = "correct_adverse_event"
    verb: ClassVar[str] = "correct"
    key: Key
    verbatim: Line | None = None
    start: PartialDate | None = None
    end: PartialDate | None = None
    term: Annotated[str, Field(max_length=200)] | None = None
    body_system: Annotated[str, Field(max_length=200)] | None = None
    severity: Severity | None = None
    serious_because: tuple[Criterion, ...] | None = None
    relation: Relation | None = None
    action: Action | None = None
    outcome: Outcome | None = None
    caused_withdrawal: bool | None = None
    narrative: Text | None = None
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The whole must agree as when it was first recorded."""
        row = row_for(asked, "adverse_event", self.key, "correct")
        subject = read_thing("subject", row.subject)
        if subject is None or not stands(row):
            raise ConductError("this row was entered in error", where="key", found=self.key)
        told: dict[str, Value] = self.model_dump(
            exclude_none=True, exclude={"key", "reason", "narrative", "serious_because"}
        )
        if self.serious_because is not None:
            told |= {
                "is_serious": bool(self.serious_because),
                "serious_because": ", ".join(self.serious_because) or "none",
            }
        whole = {name: row[name] for name in row.facts} | told
        _require_span(asked, subject, str(whole["start"]), str(whole["end"]) if whole.get("end") else None)
        criteria = tuple(str(whole.get("serious_because") or "").split(", "))
        _require_agreement(str(whole["severity"]), str(whole["outcome"]), criteria)
        writes = (
            *writes_of("adverse_event", row.key, _AE, told),
            *writes_of("adverse_event", row.key, _NARRATIVE, {"narrative": self.narrative}),
        )
        return Plan(
            row.name, site=row.site, writes=writes, reason=self.reason, result={"adverse_event": row.key}
        )


class RecordProcedure(Command):
    """Something done to a patient: dialysis, a transplantation, plasmapheresis."""

    name: ClassVar[str] = "record_procedure"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    procedure: Line
    start: PartialDate
    end: PartialDate | None = None
    category: Annotated[str, Field(max_length=100)] = ""
    indication: Annotated[str, Field(max_length=200)] = ""

    def plan(self, asked: Asked) -> Plan:
        """A row beside the drugs, whose field it shares."""
        field = "medications.record"
        subject = subject_for(asked, self.subject, "record", field)
        _require_span(asked, subject, self.start, self.end)
        require_participating(read_things(subject=subject.key), earliest_of(self.start))
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "name": self.procedure,
            "start": self.start,
            "end": self.end,
            "category": self.category or None,
            "indication": self.indication or None,
        }
        writes = writes_of("procedure", key, field, told, subject=subject)
        return Plan(f"procedure/{key}", site=subject.site, writes=writes, result={"procedure": key})


class RecordBiopsy(Command):
    """A biopsy's reading: each finding is a row, all under one specimen."""

    name: ClassVar[str] = "record_biopsy"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    date: Day
    findings: Annotated[dict[Line, Line], Field(min_length=1, max_length=30)]

    def plan(self, asked: Asked) -> Plan:
        """`CLASS`, `ACTIVITY`, `CHRONICITY` and whatever else was read."""
        field = "biopsies.record"
        subject = subject_for(asked, self.subject, "record", field)
        require_day(asked, subject, self.date)
        require_participating(read_things(subject=subject.key), self.date)
        specimen = new_key(asked.request)
        writes: list[Write] = []
        for n, (test, value) in enumerate(self.findings.items()):
            told: dict[str, Value] = {
                "specimen": "KIDNEY",
                "accession": specimen,
                "date": self.date.isoformat(),
                "test": test.upper(),
                "value": value,
            }
            writes += writes_of("biopsy", new_key(asked.request, n), field, told, subject=subject)
        return Plan(
            f"biopsy/{specimen}", site=subject.site, writes=tuple(writes), result={"biopsy": specimen}
        )


class RecordVerdict(Command):
    """What the investigator thinks of an end point: suspected on a date, or looked at and not so.

    A suspicion opens a case before the committee, whatever the laboratory says.
    """

    name: ClassVar[str] = "record_verdict"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    endpoint: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    date: Day
    says: Literal["suspected", "no event"] = "suspected"

    def plan(self, asked: Asked) -> Plan:
        """The verdict; where the protocol reads suspicions as clinical events, that event too."""
        field = "investigator.verdict"
        subject = subject_for(asked, self.subject, "record", field)
        spec = running_trial().protocol.spec
        known = [name for name, endpoint in spec.endpoints.items() if endpoint.adjudicated]
        if self.endpoint not in known:
            raise ConductError(
                "the committee judges no such end point",
                where="endpoint",
                found=self.endpoint,
                expected=", ".join(known),
            )
        require_day(asked, subject, self.date)
        require_participating(read_things(subject=subject.key), self.date)
        key, label = new_key(asked.request), spec.endpoints[self.endpoint].label
        told: dict[str, Value] = {
            "endpoint": self.endpoint,
            "date": self.date.isoformat(),
            "says": self.says,
        }
        event: dict[str, Value] = {"name": label, "date": self.date.isoformat()}
        is_event = self.says == "suspected" and "clinical_event" in spec.endpoints[self.endpoint].when
        writes = (
            *writes_of("verdict", key, field, told, subject=subject),
            *(writes_of("clinical_event", key, field, event, subject=subject) if is_event else ()),
        )
        return Plan(f"verdict/{key}", site=subject.site, writes=writes, result={"verdict": key})
