"""An explanation as data: the sentence as a tree of clauses, each with its value, verdict and rows.

Frozen, and plain enough to be written as JSON (`to_dict`) or as text (`render_text`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Clause", "EventLine", "Explanation", "Reading", "RecordReading", "SourceRow", "Verdict"]

Verdict = Literal["true", "false", "unknown"]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a file that a value or an event stands in.

    Attributes
    ----------
    place : str
        `lb.csv row 1203 (line 1204)`.
    file, row, table : str, int, str
        The same in parts; `row` counts data rows from 1.
    what : str
        The test, drug, term ... as the row has it.
    written : str
        The result and its unit as written: `132.4 mg/mmol`.
    value, unit
        As used, in the protocol's unit.
    day, date, visit
    superseded : bool
        Another row of the same assessment counted instead.
    """

    place: str
    file: str
    row: int
    table: str
    what: str = ""
    written: str = ""
    value: float | None = None
    unit: str = ""
    day: int | None = None
    date: str = ""
    visit: str = ""
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence at one assessment.

    Attributes
    ----------
    text : str
        As the sentence has it.
    verdict : `true`, `false`, `unknown` or None
        Of a condition; None for a value.
    value : float, str or None
        Of a value; None where it is not known.
    shown : str
        The value as a reader wants it: with its unit, or as the grade's name.
    day : int or None
        What dates it.
    note : str
        What a reader should know: not recorded, confirmed on which day.
    rows : tuple of SourceRow
    parts : tuple of Clause
    """

    text: str
    verdict: Verdict | None = None
    value: float | str | None = None
    shown: str = ""
    day: int | None = None
    note: str = ""
    rows: tuple[SourceRow, ...] = ()
    parts: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The sentence as it was read at one assessment.

    `why` names the clauses that decided: those that failed or were unknown, with their values; `rows`
    are the rows that these values were read from.
    """

    day: int
    visit: str
    verdict: Verdict
    why: tuple[str, ...]
    clause: Clause
    rows: tuple[SourceRow, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordReading:
    """A record (a procedure, a medication ...) as the sentence was read of it.

    `why` names the tests that it failed, or that are unknown of it, with what it says.
    """

    row: SourceRow
    verdict: Verdict
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventLine:
    """One candidate event, used or not."""

    endpoint: str
    day: int
    date: str
    origin: str
    is_used: bool
    reason: str = ""
    confirmed_day: int | None = None
    rows: tuple[SourceRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a patient had an endpoint, or had not.

    Attributes
    ----------
    subject, endpoint, label, kind : str
        `kind` is `event`, `composite`, `state` or `value`.
    sentence, place, note : str
        The protocol's sentence, where it stands, and what the protocol says was chosen.
    conclusion : str
        The answer, in a sentence.
    day : int or None
        Of the event.
    reading : Reading or None
        The sentence at the assessment that made the event.
    readings : tuple of Reading
        At every assessment: of states, and of events that did not happen.
    records : tuple of RecordReading
        The patient's records that a sentence about records was read of.
    events : tuple of EventLine
        All candidates, those that were not used too, with the reason.
    decisions : tuple of SourceRow
        What the investigator and the committee said of it.
    components : tuple of Explanation
        Of a composite.
    """

    subject: str
    endpoint: str
    label: str
    kind: str
    sentence: str
    place: str
    conclusion: str
    note: str = ""
    day: int | None = None
    reading: Reading | None = None
    readings: tuple[Reading, ...] = ()
    records: tuple[RecordReading, ...] = ()
    events: tuple[EventLine, ...] = ()
    decisions: tuple[SourceRow, ...] = ()
    components: tuple[Explanation, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """For JSON: nested mappings and lists, nothing left out."""
        return asdict(self)
