"""Rows and columns that stand twice, and the last digits of many numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable
from itertools import combinations, pairwise

from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, grouped
from flarefree.stats.distributions import chi_square_tail

__all__ = ["check_duplicate_columns", "check_duplicate_rows", "check_terminal_digits"]

ROWS, COLUMNS, DIGITS = "rows that stand twice", "columns that are equal", "last digits"
CHANCE_OF_COLUMNS = 1e-4
ENOUGH_ROWS = 5
ENOUGH_DIGITS = 100
CHANCE_OF_DIGITS = 1e-4
FIGURES = ("n", "events", "percent", "mean", "sd", "estimate", "lower", "upper", "p", "person_time", "rate")


def check_duplicate_rows(sheet: Sheet) -> Checked:
    """One outcome of one arm twice in one table: the same figures, or others."""
    cells = [row for row in sheet.cells if row.outcome]
    findings = []
    for rows in grouped(cells, _identity).values():
        for first, second in pairwise(rows):
            findings.append(_twice(first, second))
    return Checked(ROWS, len(cells), len(cells), tuple(findings))


def _identity(row: PrintedRow) -> Hashable:
    place = (row.study, row.source, row.table, row.outcome, row.part_of, row.outcome_id, row.arm, row.versus)
    return (*place, row.period, row.population, row.unit, row.measure, row.kind, str(row.time))


def _figures(row: PrintedRow) -> tuple[str, ...]:
    return tuple(str(getattr(row, name)) for name in FIGURES)


def _twice(first: PrintedRow, second: PrintedRow) -> Finding:
    same = _figures(first) == _figures(second)
    different = [n for n, a, b in zip(FIGURES, _figures(first), _figures(second), strict=True) if a != b]
    column = different[0] if different else "outcome"
    return finding_at(
        second,
        column,
        ROWS,
        f"{second.outcome} stands twice in this table" + ("" if same else ", with different figures"),
        why=f"rows {first.row} and {second.row}"
        + (
            ""
            if same
            else f" differ in {', '.join(different)}: {getattr(first, column)} and {getattr(second, column)}"
        ),
        certainty="possible",
        because="two rows may share a label and mean different things",
        reconcile="one of the rows, or a label that tells them apart",
        others=[first],
    )


def check_duplicate_columns(sheet: Sheet) -> Checked:
    """Two arms of one table with the same count in every row: by chance, or a column copied."""
    cells = [row for row in sheet.cells if row.arm and row.events is not None and row.n]
    findings, examined = [], 0
    for rows in grouped(cells, lambda r: (r.study, r.source, r.table)).values():
        arms = grouped(rows, lambda r: r.arm)
        for one, two in combinations(arms, 2):
            pairs = _pairs(arms[one], arms[two])
            if len(pairs) < ENOUGH_ROWS:
                continue
            examined += len(pairs)
            if all(a.events == b.events for a, b in pairs):
                chance = math.prod(_chance_equal(a) for a, _ in pairs)
                if chance < CHANCE_OF_COLUMNS:
                    findings.append(_equal_columns(pairs, chance))
    return Checked(COLUMNS, examined, examined, tuple(findings))


def _pairs(one: tuple[PrintedRow, ...], two: tuple[PrintedRow, ...]) -> list[tuple[PrintedRow, PrintedRow]]:
    beside = {(r.outcome, r.part_of, r.period, str(r.time)): r for r in two}
    found = [(r, beside.get((r.outcome, r.part_of, r.period, str(r.time)))) for r in one]
    return [(a, b) for a, b in found if b is not None]


def _chance_equal(row: PrintedRow) -> float:
    """The chance that two independent binomial counts of this size are equal (Gaussian approximation)."""
    p = (row.events or 0) / (row.n or 1)
    variance = (row.n or 1) * p * (1 - p)
    return min(1.0, 1 / math.sqrt(4 * math.pi * variance)) if variance > 0 else 1.0


def _equal_columns(pairs: list[tuple[PrintedRow, PrintedRow]], chance: float) -> Finding:
    first, second = pairs[0]
    return finding_at(
        second,
        "events",
        COLUMNS,
        f"{first.arm} and {second.arm} have the same count in all {len(pairs)} rows",
        why=f"with independent patients the chance is about {chance:.1g}",
        certainty="likely",
        because="no two arms agree so by chance, but outcomes of one table are not independent",
        reconcile="a column copied",
        others=[row for pair in pairs for row in pair],
    )


def check_terminal_digits(sheet: Sheet) -> Checked:
    """Last digits of means and SDs: about evenly spread, where there are enough of them to tell.

    A zero may have been lost where numbers came as numbers; a table without any zero is judged by the
    other nine digits.
    """
    numbers = [x for row in sheet.cells for x in (row.mean, row.sd) if x is not None and _tells(x)]
    if len(numbers) < ENOUGH_DIGITS:
        return Checked(DIGITS, len(numbers), 0)
    counts = Counter(int(abs(x.value) * 10**x.decimals) % 10 for x in numbers)
    digits = [d for d in range(10) if d or counts[0]]
    expected = sum(counts[d] for d in digits) / len(digits)
    chi2 = sum((counts[d] - expected) ** 2 / expected for d in digits)
    p = chi_square_tail(chi2, len(digits) - 1)
    findings: tuple[Finding, ...] = ()
    if p < CHANCE_OF_DIGITS:
        findings = (_uneven_digits(sheet, counts, p, len(numbers)),)
    return Checked(DIGITS, len(numbers), len(numbers), findings)


def _tells(x: Printed) -> bool:
    """Whether the last digit is near chance: three significant digits at least."""
    return x.is_exact and x.decimals >= 1 and abs(x.value) * 10**x.decimals >= 100


def _uneven_digits(sheet: Sheet, counts: Counter[int], p: float, total: int) -> Finding:
    row = next(r for r in sheet.cells if r.mean is not None or r.sd is not None)
    listed = ", ".join(f"{d}: {counts[d]}" for d in range(10))
    return finding_at(
        row,
        "mean",
        DIGITS,
        f"the last digits of {total} means and SDs are uneven",
        why=f"{listed}; chi-square P = {p:.1g}",
        certainty="possible",
        because="values rounded to halves or fives before averaging, or few patients, do this too",
        reconcile="the precision of the measurements",
    )
