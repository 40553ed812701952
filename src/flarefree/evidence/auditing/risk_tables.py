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
    curves = grouped(columns, lambda r: (r.study, r.source, r.table, r.outcome, r.arm, r.period))
    findings: list[Finding] = []
    for rows in curves.values():
        ordered = sorted(rows, key=lambda r: float(r.time or 0))
        findings += _rising(ordered)
        findings += _against_n(ordered)
        findings += _against_events(ordered)
    return Checked(CHECK, len(columns), len(columns), tuple(findings))


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


def _against_events(rows: Sequence[PrintedRow]) -> list[Finding]:
    """Columns whose fall in numbers at risk is smaller than their events."""
    if any(row.events is None for row in rows):
        return []
    short = [i for i in range(1, len(rows)) if rows[i].events > _fall(rows, i)]  # type: ignore[operator]
    if not short:
        return []
    ahead = [i for i in range(1, len(rows)) if rows[i - 1].events > _fall(rows, i)]  # type: ignore[operator]
    if not ahead and rows[0].events:
        return []  # the table prints events of the interval that begins at the column: consistent so
    at_times = _events_at_column_times(rows)
    return [_fall_too_small(rows, i, len(short), len(ahead), at_times) for i in short]


def _fall(rows: Sequence[PrintedRow], i: int) -> int:
    return _risk(rows[i - 1]) - _risk(rows[i])


def _events_at_column_times(rows: Sequence[PrintedRow]) -> list[int] | None:
    """The fewest events, column by column, that must fall exactly on the column's time if the table counts
    who is at risk just before; None where even that does not make it hold.
    """
    at_time = [0]
    for i in range(1, len(rows)):
        events = rows[i].events or 0
        here = max(0, at_time[-1] + events - _fall(rows, i))
        if here > events:
            return None
        at_time.append(here)
    return at_time


def _fall_too_small(
    rows: Sequence[PrintedRow], i: int, columns: int, ahead: int, at_times: list[int] | None
) -> Finding:
    before, row = rows[i - 1], rows[i]
    fall, events = _fall(rows, i), row.events or 0
    certainty: Certainty = "certain" if at_times is None else "likely"
    if at_times is None:
        because = "no rule of who is at risk at a column's time makes the row hold"
        reconcile = "another count, or events of another curve"
    else:
        because = (
            "it holds only if events fell exactly on the column's time, and are counted as at risk there"
        )
        reconcile = f"{at_times[i]} of the {events} events exactly at {row.time}, still counted at risk there"
    shifted = f"; taken for events after the column's time, it contradicts {ahead}" if ahead else ""
    return finding_at(
        row,
        "at_risk",
        CHECK,
        f"at risk falls from {_risk(before)} to {_risk(row)} with {events} events",
        why=f"{_risk(before)} - {_risk(row)} = {fall} < {events} between {before.time} and {row.time}; "
        f"column {i + 1} of {len(rows)}, {columns} such in the arm{shifted}",
        certainty=certainty,
        because=because,
        reconcile=reconcile,
        others=[before],
    )
