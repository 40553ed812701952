"""Risk tables under Kaplan-Meier curves: numbers at risk against each other and against events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from flarefree.evidence.auditing.findings import Certainty, Checked, Finding, finding_at
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, grouped

__all__ = ["check_risk_tables"]

CHECK = "risk table"


def check_risk_tables(sheet: Sheet) -> Checked:
    """At risk never rises, begins with n at most, and falls from column to column by the events at least.

    Events of a column are those since the column before.  Those who had one are no longer at risk, unless
    it fell on the column's own time and the table counts who is at risk just before.
    """
    columns = [row for row in sheet.rows if row.is_risk_table]
    findings: list[Finding] = []
    for table in grouped(columns, lambda r: (r.study, r.source, r.table, r.outcome, r.period)).values():
        arms = [sorted(rows, key=_time) for rows in grouped(table, lambda r: r.arm).values()]
        for rows in arms:
            findings += _rising(rows)
            findings += _against_n(rows)
        findings += _against_events([rows for rows in arms if all(r.events is not None for r in rows)])
    return Checked(CHECK, len(columns), len(columns), tuple(findings))


def _time(row: PrintedRow) -> float:
    return float(row.time or 0)


def _risk(row: PrintedRow) -> int:
    return row.at_risk or 0


def _rising(rows: Sequence[PrintedRow]) -> list[Finding]:
    return [
        finding_at(
            row,
            "at_risk",
            CHECK,
            f"{_risk(row)} at risk at {row.time}, after {_risk(before)} at {before.time}",
            why=f"{_risk(row)} > {_risk(before)}",
            certainty="certain",
            because="nobody comes back under observation, unless entry is delayed",
            reconcile="two columns exchanged, or a digit",
            others=[before],
        )
        for before, row in pairwise(rows)
        if _risk(row) > _risk(before)
    ]


def _against_n(rows: Sequence[PrintedRow]) -> list[Finding]:
    first, n = rows[0], next((row.n for row in rows if row.n), None)
    events = sum(row.events or 0 for row in rows)
    start = max(filter(None, (n, _risk(first))), default=0)
    found = []
    if n is not None and _risk(first) > n:
        found.append(
            _more(first, f"{_risk(first)} at risk at the start, of {n} patients", f"{_risk(first)} > {n}")
        )
    if start and events > start:
        found.append(_more(first, f"{events} first events in {start} patients", f"{events} > {start}"))
    return found


def _more(row: PrintedRow, what: str, why: str) -> Finding:
    return finding_at(
        row,
        "at_risk",
        CHECK,
        what,
        why=why,
        certainty="certain",
        because="a patient is at risk once, and has a first event once",
        reconcile="events that are not first events, or another number of patients",
    )


def _against_events(arms: Sequence[Sequence[PrintedRow]]) -> list[Finding]:
    """Columns whose fall in numbers at risk is smaller than their events.

    A table may count who is at risk just before a column's time and have its events on these times (visits),
    or print the events that follow a column.  Then the fall to the next column answers to a column's events;
    a table that holds so throughout, in all its arms, is sound.
    """
    short = [(rows, i) for rows in arms for i in _short_of_own(rows)]
    ahead = [(rows, i) for rows in arms for i in _short_of_former(rows)]
    if not short or not ahead:
        return []
    return [_fall_too_small(rows, i, len(short), ahead) for rows, i in short]


def _short_of_own(rows: Sequence[PrintedRow]) -> list[int]:
    return [i for i in range(1, len(rows)) if _events(rows[i]) > _fall(rows, i) >= 0]


def _short_of_former(rows: Sequence[PrintedRow]) -> list[int]:
    return [i for i in range(1, len(rows)) if _events(rows[i - 1]) > _fall(rows, i) >= 0]


def _events(row: PrintedRow) -> int:
    return row.events or 0


def _fall(rows: Sequence[PrintedRow], i: int) -> int:
    return _risk(rows[i - 1]) - _risk(rows[i])


def _events_at_column_times(rows: Sequence[PrintedRow]) -> list[int] | None:
    """The fewest events of each column that must fall exactly on its time, and be counted as at risk there.

    None where the rows cannot hold even so.
    """
    at_time = [0]
    for i in range(1, len(rows)):
        here = max(0, at_time[-1] + _events(rows[i]) - _fall(rows, i))
        if here > _events(rows[i]):
            return None
        at_time.append(here)
    return at_time


def _fall_too_small(
    rows: Sequence[PrintedRow], i: int, columns: int, ahead: Sequence[tuple[Sequence[PrintedRow], int]]
) -> Finding:
    before, row = rows[i - 1], rows[i]
    fall, events = _fall(rows, i), _events(row)
    at_times = _events_at_column_times(rows)
    certainty: Certainty = "certain" if at_times is None else "likely"
    if at_times is None:
        because = "no rule of who is at risk at a column's time makes the row hold"
        reconcile = "another count, or events of another curve"
    else:
        because = "it holds only if some events, not all, fell on columns' times, still counted at risk"
        reconcile = f"{at_times[i]} of the {events} events exactly at {row.time}, still counted at risk there"
    others, k = ahead[0]
    shifted = (
        f"taken for events on the columns' own times or after them, {_events(others[k - 1])} > "
        f"{_fall(others, k)} contradicts in {others[k].arm or 'the row'} at {others[k].time}"
    )
    return finding_at(
        row,
        "at_risk",
        CHECK,
        f"at risk falls from {_risk(before)} to {_risk(row)} with {events} events",
        why=f"{_risk(before)} - {_risk(row)} = {fall} < {events} between {before.time} and {row.time} "
        f"(column {i + 1} of {len(rows)}; {columns} such in the table); {shifted}",
        certainty=certainty,
        because=because,
        reconcile=reconcile,
        others=[before],
    )
