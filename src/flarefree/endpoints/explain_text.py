"""An explanation as text, for a terminal and for the report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from flarefree.endpoints.explanation import Clause, EventLine, Explanation, Reading, RecordReading, SourceRow

__all__ = ["render_text"]

_MOST_RECORDS = 20

# The protocol has the whole of a long sentence; here it is repeated for every event.
_LONGEST_SENTENCE = 2000
_LONGEST_CLAUSE = 400

_MARKS = {"true": "true   ", "false": "false  ", "unknown": "unknown"}


def render_text(explanation: Explanation, width: int = 100) -> str:
    """The explanation, line by line.

    Parameters
    ----------
    explanation : Explanation
    width : int
        Where sentences and notes are folded; source rows are never broken.

    Returns
    -------
    str
        No trailing spaces, no color; the same on every machine.
    """
    return "\n".join(line.rstrip() for line in _lines(explanation, width))


def _lines(e: Explanation, width: int) -> Iterator[str]:
    yield f"{e.subject}: {e.label} ({e.endpoint})"
    yield e.conclusion
    yield ""
    yield from _folded(e.sentence, width, "  ")
    yield f"  — {e.place}"
    if e.note:
        yield from _folded(f"Note: {e.note}", width, "  ")
    if e.reading is not None:
        yield ""
        yield f"At day {e.reading.day}, {e.reading.visit}:"
        yield from _tree(e.reading.clause, width, "  ", "  ")
    if e.readings:
        yield ""
        yield _title(e)
        for reading in e.readings:
            yield from _reading(reading, width)
            for row in reading.rows:
                yield f"             {_row(row)}"
    if e.records and e.day is None:
        yield ""
        yield "Records that it was read of:"
        yield from _records(e.records)
    yield from _events(e)
    if e.decisions:
        yield ""
        yield "Decisions:"
        for row in e.decisions:
            yield f"  {_row(row)}"
    for component in e.components:
        yield ""
        yield f"── {component.endpoint}: {component.conclusion}"
        yield from _component(component, width)


def _title(e: Explanation) -> str:
    return {"state": "At each assessment:", "value": "At each assessment:"}.get(
        e.kind, "Why not, at each assessment after day 1:"
    )


def _component(e: Explanation, width: int) -> Iterator[str]:
    """A component, without what its composite has said already."""
    yield from _folded(e.sentence, width, "   ")
    if e.reading is not None:
        yield f"   At day {e.reading.day}, {e.reading.visit}:"
        yield from _tree(e.reading.clause, width, "     ", "     ")
    for reading in e.readings:
        yield from (f"   {line}" for line in _reading(reading, width))
    if e.day is None:
        yield from (f"   {line}" for line in _records(e.records))
    for component in e.components:
        yield f"   ── {component.endpoint}: {component.conclusion}"
        yield from (f"   {line}" for line in _component(component, width))


def _reading(reading: Reading, width: int) -> Iterator[str]:
    head = f"  day {reading.day:>5}  {reading.visit:<12} {_MARKS[reading.verdict]}  "
    why = "; ".join(_clipped(reason, _LONGEST_CLAUSE) for reason in reading.why)
    lines = textwrap.wrap(why, max(40, width - len(head))) or [""]
    yield head + lines[0]
    for line in lines[1:]:
        yield " " * len(head) + line


def _records(records: tuple[RecordReading, ...]) -> Iterator[str]:
    for record in records[:_MOST_RECORDS]:
        why = f": {'; '.join(record.why)}" if record.why else ""
        yield f"  {_MARKS[record.verdict]}  {_row(record.row)}{why}"
    if len(records) > _MOST_RECORDS:
        yield f"  and {len(records) - _MOST_RECORDS} more"


def _events(e: Explanation) -> Iterator[str]:
    if not e.events:
        return
    yield ""
    yield "Candidate events:"
    for line in e.events:
        yield from _event(line)


def _event(line: EventLine) -> Iterator[str]:
    use = "used" if line.is_used else f"not used: {line.reason}"
    confirmed = f", borne out on day {line.confirmed_day}" if line.confirmed_day is not None else ""
    yield f"  day {line.day:>5}  {line.date}  {line.endpoint} ({line.origin}){confirmed}: {use}"
    for row in line.rows:
        yield f"             {_row(row)}"


def _tree(clause: Clause, width: int, first: str, rest: str) -> Iterator[str]:
    """A clause and its parts, as a tree."""
    yield from _clause(clause, width, first, rest)
    for row in clause.rows:
        yield f"{rest}     {_row(row)}"
    for i, part in enumerate(clause.parts):
        is_last = i == len(clause.parts) - 1
        yield from _tree(
            part, width, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  ")
        )


def _clause(clause: Clause, width: int, first: str, rest: str) -> Iterator[str]:
    if clause.verdict is not None:
        head, tail = f"{_MARKS[clause.verdict].strip()}  ", ""
    else:
        head, tail = "", f" = {clause.shown}" if clause.shown else " = not known"
        if clause.shown == clause.text:
            tail = ""
    note = f"  [{clause.note}]" if clause.note else ""
    day = f" (day {clause.day})" if clause.verdict is None and clause.day is not None else ""
    text = f"{head}{_clipped(clause.text, _LONGEST_CLAUSE)}{tail}{day}{note}"
    lines = textwrap.wrap(text, max(40, width - len(first))) or [""]
    yield first + lines[0]
    for line in lines[1:]:
        yield f"{rest}   {line}"


def _row(row: SourceRow) -> str:
    written = f": {row.what} {row.written}".rstrip() if row.what or row.written else ""
    used = ""
    if row.value is not None and f"{row.value:.6g} {row.unit}".strip() != row.written.strip():
        used = f" → {row.value:.6g} {row.unit}".rstrip()
    when = "" if row.day is None else f", day {row.day}"
    visit = f", {row.visit}" if row.visit else ""
    aside = " (superseded)" if row.superseded else ""
    return f"{row.place}{written}{used}{when}{visit}{aside}"


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 4] + " ..."


def _folded(text: str, width: int, indent: str) -> list[str]:
    text = _clipped(text, _LONGEST_SENTENCE)
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
