"""Corrections of rows that stand: a result replaced with its reason, a row that was entered in error."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.errors import ConductError
from flarefree.web.commands.asking import closed_for, raised_for
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.endings import require_participating
from flarefree.web.commands.gates import stands
from flarefree.web.commands.parts import (
    NOTHING_HERE,
    Day,
    Key,
    Line,
    Number,
    Reason,
    require_day,
    row_for,
    today_at,
    writes_of,
)
from flarefree.web.commands.results import earlier_values, last_before
from flarefree.web.forms.checking import check_result, oddities_of
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial

__all__ = ["CorrectValue", "MarkEnteredInError", "opened_again"]


class CorrectValue(Command):
    """A result is replaced: value, unit, date or limits of normal.  What stood stays in its history.

    A visit that was signed is to be signed anew.
    """

    name: ClassVar[str] = "correct_value"
    verb: ClassVar[str] = "correct"
    kind: Literal["lab", "score"] = "lab"
    key: Key
    value: Line
    unit: Annotated[str, Field(max_length=40)] = ""
    date: Day | None = None
    low: Number | None = None
    high: Number | None = None
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """Checked as when it was first entered; what was asked about the old value is closed."""
        row = row_for(asked, self.kind, self.key, "correct")
        subject = _subject_of(row)
        if not stands(row):
            raise ConductError("this row was entered in error", where="key", found=self.key)
        protocol, measure = running_trial().protocol, str(row["measure"])
        checked = check_result(protocol, measure, self.value, self.unit or str(row["unit"] or ""))
        when = self.date or date.fromisoformat(str(row["date"]))
        require_day(asked, subject, when)
        if self.date is not None:
            require_participating(read_things(subject=subject.key), when)
        told: dict[str, Value] = {
            "value": checked.value,
            "unit": checked.unit or None,
            "date": when.isoformat(),
            "low": self.low,
            "high": self.high,
        }
        if all(value is None or row[name] == value for name, value in told.items()):
            raise ConductError("there is nothing to correct", where="value", found=self.value)
        items = read_things(subject=subject.key)
        today = today_at(subject.site, asked)
        others = [item for item in items if item.name != row.name]
        odd = oddities_of(protocol, checked, last_before(earlier_values(others).get(measure, ()), when))
        known = [item for item in items if item.kind == "finding"]
        visit = str(row["visit"] or "")
        writes = (
            *writes_of(row.kind, row.key, _field_of(row), told),
            *closed_for(subject, row.name, {oddity.code for oddity in odd}, today),
            *raised_for(asked.request, 0, subject, row.name, odd, today, visit=visit, known=known),
            *opened_again(items, row),
        )
        return Plan(
            row.name,
            site=row.site,
            writes=writes,
            reason=self.reason,
            result={row.kind: row.key, "questions": [oddity.question for oddity in odd]},
        )


def _subject_of(row: Item) -> Item:
    subject = read_thing("subject", row.subject)
    if subject is None:
        raise ConductError(NOTHING_HERE)
    return subject


def _field_of(row: Item) -> str:
    return row.facts["value"].field


def opened_again(items: Iterable[Item], row: Item) -> tuple[Write, ...]:
    """A signed form of which a value changed is `entered` once more."""
    return tuple(
        Write("visit", item.key, "status", "visits.record", "entered", is_consequence=True)
        for item in items
        if item.kind == "visit"
        and row["visit"]
        and item["visit"] == row["visit"]
        and item["status"] in {"signed", "verified"}
    )


class MarkEnteredInError(Command):
    """A row should not be there: another patient's, or twice.  It stays, is marked, and counts no more."""

    name: ClassVar[str] = "mark_entered_in_error"
    verb: ClassVar[str] = "correct"
    kind: Literal[
        "lab", "score", "biopsy", "adverse_event", "medication", "procedure", "clinical_event", "contact",
        "verdict",
    ]  # fmt: skip
    key: Key
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """The mark, and the findings of the row closed."""
        row = row_for(asked, self.kind, self.key, "correct")
        if not stands(row):
            raise ConductError("this row was marked before", where="key", found=self.key)
        subject, today = _subject_of(row), today_at(row.site, asked)
        field = next(fact.field for name, fact in row.facts.items() if name not in {"subject", "site"})
        writes = (
            *writes_of(row.kind, row.key, field, {"void": True, "void_because": self.reason}),
            *closed_for(subject, row.name, (), today, because="the row was entered in error"),
            *opened_again(read_things("visit", subject=row.subject), row),
        )
        return Plan(row.name, site=row.site, writes=writes, reason=self.reason, result={row.kind: row.key})
