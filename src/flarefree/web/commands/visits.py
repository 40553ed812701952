"""Visits: entered with all their values at once, missed, signed, verified."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from flarefree.conduct.audit.entries import Value, time_text
from flarefree.conduct.schedule import Due, dues_of
from flarefree.conduct.visibility import Target
from flarefree.conduct.workflow import require_transition
from flarefree.errors import ConductError
from flarefree.web.commands.asking import closed_for, raised_for
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.endings import participation_from, require_participating
from flarefree.web.commands.gates import stands
from flarefree.web.commands.parts import (
    VISIT,
    Day,
    Line,
    Number,
    Reason,
    SubjectKey,
    Text,
    day_one_of,
    require_day,
    slug_of,
    status_of,
    subject_for,
    today_at,
    writes_of,
)
from flarefree.web.commands.results import Incoming, earlier_values, kept, last_before, results_among
from flarefree.web.forms.checking import Checked, check_result, oddities_of
from flarefree.web.forms.forms import UNSCHEDULED, visit_names
from flarefree.web.forms.meanings import field_of
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial

__all__ = ["MissVisit", "RecordVisit", "ResultIn", "SignVisit", "VerifyVisit", "visit_key"]

_FIELD = "visits.record"


class ResultIn(BaseModel):
    """One result on a visit's form.

    Attributes
    ----------
    measure : str
        The protocol's name of it.
    value, unit : str
        As written; without a unit, the protocol's.
    low, high : str
        Of normal, in the result's unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    measure: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    value: Line
    unit: Annotated[str, Field(max_length=40)] = ""
    low: Number | None = None
    high: Number | None = None


def visit_key(subject: str, visit: str, on: date | None = None) -> str:
    """`017-004.month-3`; of a visit that nobody planned with its date."""
    slug = slug_of(visit)
    return f"{subject}.{slug}-{on.isoformat()}" if visit == UNSCHEDULED and on else f"{subject}.{slug}"


class RecordVisit(Command):
    """A visit took place, with everything that was measured at it.

    Given again for a visit that was entered, values that differ replace the earlier ones, with a reason, and
    new ones are added; the form is then to be signed anew.

    Attributes
    ----------
    subject, visit : str
        The visit as the protocol names it, or `Unscheduled`.
    date : date
        At the site.
    values : tuple of ResultIn
    words : str
        Free text; screened before anybody of the committee sees it.
    reason : str
        Where an earlier value is replaced.
    """

    name: ClassVar[str] = "record_visit"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    visit: Line
    date: Day
    values: Annotated[tuple[ResultIn, ...], Field(max_length=200)] = ()
    words: Text = ""
    reason: Annotated[str, Field(max_length=1000)] = ""

    def plan(self, asked: Asked) -> Plan:
        """The visit, its values, what is odd about them."""
        subject = subject_for(asked, self.subject, "record", _FIELD)
        _require_visit(self.visit)
        require_day(asked, subject, self.date)
        items = read_things(subject=subject.key)
        _require_in_study(subject, items, self.date, self.visit)
        results = self._checked()
        key = visit_key(subject.key, self.visit, self.date)
        visit = next((item for item in items if item.kind == "visit" and item.key == key), None)
        today = today_at(subject.site, asked)
        status = self._status(asked, subject, visit)
        told: dict[str, Value] = {
            "visit": self.visit,
            "date": self.date.isoformat(),
        }
        by_measure = _rows_of_visit(items, self.visit, visit)
        changed, fresh = self._split(results, by_measure)
        writes = [
            *writes_of("visit", key, _FIELD, told, subject=subject),
            Write("visit", key, "status", _FIELD, status, is_consequence=True),
            *(writes_of("visit", key, "free_text.site", {"words": self.words}) if self.words else ()),
            *self._moved(visit, by_measure),
        ]
        for n, (row, result) in enumerate(changed):
            writes += _replaced(asked.request, 50_000 + n, subject, row, result, items, today)
        more, questions = kept(asked.request, subject, fresh, items, today)
        return Plan(
            f"visit/{key}",
            site=subject.site,
            writes=(*writes, *more),
            reason=self.reason or ("" if visit is not None and visit["date"] else "the visit was entered"),
            result={"visit": key, "status": status, "questions": list(questions)},
        )

    def _checked(self) -> list[tuple[ResultIn, Checked]]:
        protocol = running_trial().protocol
        names = [one.measure for one in self.values]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise ConductError("a measure stands twice on the form", where="values", found=twice)
        return [(one, check_result(protocol, one.measure, one.value, one.unit)) for one in self.values]

    def _status(self, asked: Asked, subject: Item, visit: Item | None) -> str:
        """`entered`, by the transition of the table that leads there."""
        before = str(visit["status"]) if visit is not None and visit["status"] else "due"
        name = {"missed": "enter_late"}.get(before, "enter" if before == "due" else "correct")
        trial = running_trial()
        is_the_same = visit is not None and visit["date"] == self.date.isoformat() and name == "correct"
        return require_transition(
            trial.matrix,
            VISIT,
            name,
            state=before,
            phase=trial.phase,
            actor=asked.actor,
            target=Target(subject.site),
            reason=self.reason or ("values were added" if is_the_same else ""),
        )

    def _split(
        self, results: list[tuple[ResultIn, Checked]], rows: dict[str, Item]
    ) -> tuple[list[tuple[Item, tuple[ResultIn, Checked]]], list[Incoming]]:
        """Results that replace an earlier one, and new ones; the same again are neither."""
        changed, fresh = [], []
        for one, result in results:
            row = rows.get(one.measure)
            if row is None:
                fresh.append(Incoming(result, self.date, self.visit, one.low or "", one.high or ""))
            elif (row["value"], row["unit"] or "") != (result.value, result.unit):
                changed.append((row, (one, result)))
        return changed, fresh

    def _moved(self, visit: Item | None, rows: dict[str, Item]) -> list[Write]:
        """Values that had the visit's earlier date have its new one."""
        if visit is None or visit["date"] in (None, self.date.isoformat()):
            return []
        protocol = running_trial().protocol
        return [
            Write(row.kind, row.key, "date", field_of(protocol, measure), self.date.isoformat())
            for measure, row in rows.items()
            if row["date"] == visit["date"]
        ]


def _require_visit(visit: str) -> None:
    names = visit_names(running_trial().protocol)
    if visit not in names:
        raise ConductError(
            "the protocol has no such visit", where="visit", found=visit[:60], expected=", ".join(names)
        )


def _require_in_study(subject: Item, items: tuple[Item, ...], when: date, visit: str) -> None:
    """Before randomization only what belongs to screening; nothing from after consent or life ended."""
    day_one = day_one_of(subject)
    planned = {v.name: v for v in running_trial().protocol.spec.schedule.visits}.get(visit)
    if day_one is None and (planned is None or planned.day > 1) and visit != UNSCHEDULED:
        raise ConductError(
            "this visit comes after randomization",
            where="visit",
            found=visit,
            expected="a visit of screening",
        )
    if status_of(subject) == "screen_failed":
        raise ConductError("this patient did not enter the trial", where="subject", found=subject.key)
    if day_one is not None and planned is not None and planned.day > 1 and when < day_one:
        raise ConductError(
            "this visit comes after randomization",
            where="date",
            found=when.isoformat(),
            expected=f"{day_one.isoformat()} or later",
        )
    require_participating(items, when)


def _rows_of_visit(items: tuple[Item, ...], visit: str, thing: Item | None) -> dict[str, Item]:
    """Results that were entered at a visit, the last of each measure; imported ones are the laboratory's."""
    if thing is None:
        return {}
    return {
        str(item["measure"]): item
        for item in results_among(items)
        if item["visit"] == visit
        and not item["source"]
        and (visit != UNSCHEDULED or item["date"] == thing["date"])
    }


def _replaced(
    request: str,
    ordinal: int,
    subject: Item,
    row: Item,
    result: tuple[ResultIn, Checked],
    items: tuple[Item, ...],
    today: date,
) -> list[Write]:
    """One result in place of another: the earlier one stays in its history."""
    written, checked = result
    told: dict[str, Value] = {
        "value": checked.value,
        "unit": checked.unit or None,
        "low": written.low,
        "high": written.high,
    }
    protocol = running_trial().protocol
    when = date.fromisoformat(str(row["date"]))
    others = [item for item in items if item.name != row.name]
    last = last_before(earlier_values(others).get(checked.measure, ()), when)
    odd = oddities_of(protocol, checked, last)
    known = [item for item in items if item.kind == "finding"]
    return [
        *writes_of(row.kind, row.key, field_of(protocol, checked.measure), told),
        *closed_for(subject, row.name, {oddity.code for oddity in odd}, today),
        *raised_for(
            request, ordinal, subject, row.name, odd, today, visit=str(row["visit"] or ""), known=known
        ),
    ]


# Missed, signed, verified -------------------------------------------------------------------------


class MissVisit(Command):
    """A visit did not take place, and why."""

    name: ClassVar[str] = "miss_visit"
    verb: ClassVar[str] = "record"
    subject: SubjectKey
    visit: Line
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Only what was due can be missed."""
        subject = subject_for(asked, self.subject, "record", _FIELD)
        _require_visit(self.visit)
        items = read_things(subject=subject.key)
        key = visit_key(subject.key, self.visit)
        visit = next((item for item in items if item.kind == "visit" and item.key == key), None)
        state = _state(subject, items, visit, self.visit, today_at(subject.site, asked))
        status = _transition(asked, subject, "miss", state, self.reason)
        told: dict[str, Value] = {"visit": self.visit, "missed_because": self.reason}
        return Plan(
            f"visit/{key}",
            site=subject.site,
            writes=(
                *writes_of("visit", key, _FIELD, told, subject=subject),
                Write("visit", key, "status", _FIELD, status, is_consequence=True),
            ),
            reason=self.reason,
            result={"visit": key, "status": status},
        )


def _state(subject: Item, items: tuple[Item, ...], visit: Item | None, name: str, today: date) -> str:
    """A visit's state: what the record says, or what the schedule does."""
    if visit is not None and visit["status"]:
        return str(visit["status"])
    due = _due(subject, items, name)
    if due is None:
        return "not_needed"
    return "planned" if today < due.first else "due" if today <= due.last else "overdue"


def _due(subject: Item, items: tuple[Item, ...], name: str) -> Due | None:
    day_one = day_one_of(subject)
    if day_one is None:
        return None
    dues = dues_of(running_trial().protocol.spec, day_one, participation_from(items))
    return next((due for due in dues if due.kind == "visit" and due.name == name), None)


def _transition(
    asked: Asked, subject: Item, name: str, state: str, reason: str = "", gates: frozenset[str] = frozenset()
) -> str:
    trial = running_trial()
    return require_transition(
        trial.matrix,
        VISIT,
        name,
        state=state,
        phase=trial.phase,
        actor=asked.actor,
        target=Target(subject.site),
        open_gates=gates,
        reason=reason,
    )


class SignVisit(Command):
    """The investigator vouches for a visit's form."""

    name: ClassVar[str] = "sign_visit"
    verb: ClassVar[str] = "sign"
    subject: SubjectKey
    visit: Line
    date: Day | None = None

    def plan(self, asked: Asked) -> Plan:
        """Queries of the visit are answered first."""
        subject, visit, items = _entered(self, asked)
        own = {item.name for item in results_among(items) if _is_of(item, visit)} | {visit.name}
        waiting = [q for q in items if q.kind == "query" and str(q["about"]) in own and q["status"] == "open"]
        gates = frozenset() if waiting else frozenset({"queries_of_visit_answered"})
        status = _transition(asked, subject, "sign", str(visit["status"]), gates=gates)
        return _marked(asked, subject, visit, status, "signed")


class VerifyVisit(Command):
    """The monitor says that a visit's form is what the source says."""

    name: ClassVar[str] = "verify_visit"
    verb: ClassVar[str] = "verify"
    subject: SubjectKey
    visit: Line
    date: Day | None = None

    def plan(self, asked: Asked) -> Plan:
        """Of a signed form."""
        subject, visit, _ = _entered(self, asked)
        status = _transition(asked, subject, "verify", str(visit["status"]))
        return _marked(asked, subject, visit, status, "verified")


def _entered(command: SignVisit | VerifyVisit, asked: Asked) -> tuple[Item, Item, tuple[Item, ...]]:
    subject = subject_for(asked, command.subject, command.verb, _FIELD)
    items = read_things(subject=subject.key)
    key = visit_key(subject.key, command.visit, command.date)
    visit = next((item for item in items if item.kind == "visit" and item.key == key), None)
    if visit is None or not visit["status"] or not stands(visit):
        raise ConductError("this visit was not entered", where="visit", found=command.visit[:60])
    return subject, visit, items


def _is_of(item: Item, visit: Item) -> bool:
    return item["visit"] == visit["visit"] and (
        visit["visit"] != UNSCHEDULED or item["date"] == visit["date"]
    )


def _marked(asked: Asked, subject: Item, visit: Item, status: str, word: str) -> Plan:
    person = asked.actor.person if asked.actor else ""
    told: dict[str, Value] = {f"{word}_by": person, f"{word}_at": time_text(asked.at)}
    return Plan(
        visit.name,
        site=subject.site,
        writes=(
            *writes_of("visit", visit.key, _FIELD, told),
            Write("visit", visit.key, "status", _FIELD, status, is_consequence=True),
        ),
        reason=f"the form was {word}",
        result={"visit": visit.key, "status": status},
    )
