"""One figure with two meanings: the same count out of the same n under two names."""

from __future__ import annotations

from itertools import combinations

from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, arm_key, grouped, key_of

__all__ = ["check_figures_with_two_meanings"]

CHECK = "figure with two meanings"
MANY_EVENTS, MANY_PATIENTS = 10, 30
MANY_PATIENTS_APART = 50  # of two studies: small trials of one size are common


def check_figures_with_two_meanings(sheet: Sheet) -> Checked:
    """The same events out of the same n, or the same percentage, under two labels in two documents.

    Within one document two outcomes may well be as frequent.  Where a second document repeats a figure
    under another label, one of the two labels is often a slip of transcription.
    """
    cells = [row for row in sheet.cells if row.outcome and row.counts_patients]
    counts = [r for r in cells if r.n and r.events and r.events >= MANY_EVENTS and r.n >= MANY_PATIENTS]
    counts = [r for r in counts if r.n != r.events and r.parts != "complete"]
    found, examined = [], 0
    for rows in grouped(counts, lambda r: (r.events, r.n)).values():
        for first, second in combinations(rows, 2):
            if first.source == second.source or key_of(first) == key_of(second):
                continue
            examined += 1
            if arm_key(first) == arm_key(second):
                if first.period == second.period and _may_coincide(first, second):
                    found.append(_two_labels(first, second))
            elif arm_key(first)[0] != arm_key(second)[0] and (first.n or 0) >= MANY_PATIENTS_APART:
                found.append(_two_studies(first, second))
    more, looked = _percentages(cells)
    once = {(f.what.split(" is ")[0], f.study, f.check, f.outcome): f for f in reversed([*found, *more])}
    return Checked(CHECK, examined + looked, examined + looked, tuple(reversed(once.values())))


def _may_coincide(first: PrintedRow, second: PrintedRow) -> bool:
    """Not where one label is a narrower form of the other: `relapse`, `renal relapse`."""
    one, two = set(key_of(first).split()), set(key_of(second).split())
    return not (one < two or two < one)


def _two_labels(first: PrintedRow, second: PrintedRow) -> Finding:
    return finding_at(
        second,
        "events",
        CHECK,
        f"{second.events}/{second.n} is {second.outcome!r} here and {first.outcome!r} in {first.source}",
        why="the same figure for the same patients under two labels in two documents",
        certainty="possible",
        because="two outcomes can be as frequent by chance",
        reconcile="one of the two labels",
        others=[first],
    )


def _two_studies(first: PrintedRow, second: PrintedRow) -> Finding:
    return finding_at(
        second,
        "events",
        CHECK,
        f"{second.events}/{second.n} is {second.outcome!r} in {second.study} "
        f"and {first.outcome!r} in {first.study}",
        why="the same figure in two studies, for two outcomes",
        certainty="possible",
        because="a coincidence, most likely; a mix-up in extraction would look the same",
        reconcile="nothing, if each was read in its own paper",
        others=[first],
    )


def _percentages(cells: list[PrintedRow]) -> tuple[list[Finding], int]:
    """A percentage quoted without a count in one document, that another gives to another outcome."""
    quoted = [r for r in cells if r.percent is not None and r.percent.decimals >= 1 and float(r.percent) >= 5]
    found, examined = [], 0
    for rows in grouped(quoted, lambda r: (*arm_key(r), str(r.percent))).values():
        for first, second in combinations(rows, 2):
            bare = first.events is None or second.events is None
            same_time = first.period == second.period or not (first.period and second.period)
            if first.source == second.source or not (bare and same_time) or key_of(first) == key_of(second):
                continue
            examined += 1
            told, other = (first, second) if first.events is None else (second, first)
            found.append(_quoted_otherwise(told, other, cells))
    return found, examined


def _quoted_otherwise(told: PrintedRow, other: PrintedRow, cells: list[PrintedRow]) -> Finding:
    """A quoted percentage under another label; surer where the other document has its own figure for that."""
    own = [
        r
        for r in cells
        if (r.source, arm_key(r), key_of(r)) == (other.source, arm_key(told), key_of(told)) and r.percent
    ]
    said = f"; {other.source} gives {own[0].outcome!r} {own[0].percent}%" if own else ""
    return finding_at(
        told,
        "percent",
        CHECK,
        f"{told.percent}% is {told.outcome!r} here and {other.outcome!r} in {other.source}",
        why=f"the same arm, the same figure, two labels ({other.place}){said}",
        certainty="likely" if own else "possible",
        because="a figure quoted without its count, which its own paper gives to another outcome",
        reconcile=f"{other.outcome!r}, as the other document says",
        others=[other, *own[:1]],
    )
