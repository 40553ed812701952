"""Percentages against counts and numbers of patients (docs/methods/audit.md, section Percentages)."""

from __future__ import annotations

from collections.abc import Iterable

from flarefree.evidence.auditing.attainable import (
    attainable_counts,
    can_fail,
    cut_off_counts,
    nearest_denominators,
)
from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.names import is_estimated, is_everybody
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, arm_key, grouped, key_of

__all__ = ["check_attainable_percentages", "check_percentages_of_counts"]

ATTAINABLE = "percentage attainable"
AGREES = "percentage of its count"


def check_attainable_percentages(sheet: Sheet) -> Checked:
    """Percentages without a count: does any count out of n print so?"""
    cells = [r for r in sheet.cells if r.events is None and _has_percent(r) and not is_estimated(r.kind)]
    able = [row for row in cells if can_fail(row.percent, row.n)]  # type: ignore[arg-type]
    findings = [_not_attainable(row, sheet) for row in able if not attainable_counts(row.percent, row.n)]  # type: ignore[arg-type]
    return Checked(ATTAINABLE, len(cells), len(able), tuple(findings))


def _has_percent(row: PrintedRow) -> bool:
    return bool(row.n) and row.percent is not None and row.percent.is_exact and row.counts_patients


def _not_attainable(row: PrintedRow, sheet: Sheet) -> Finding:
    percent, n = row.percent, row.n
    assert percent is not None and n is not None  # only rows with both come here
    elsewhere = _printed_as_estimate(row, sheet)
    below = int(percent.value * n / 100)
    neighbors = " and ".join(f"{k}/{n} = {_percent(k, n, percent)}%" for k in (below, below + 1) if k <= n)
    if elsewhere is not None:
        certainty, because = "possible", f"{elsewhere.place} prints it as an estimate ({elsewhere.kind})"
    elif is_estimated(row.outcome):
        certainty, because = (
            "possible",
            "the label speaks of an estimate, which need not be a share of patients",
        )
    elif row.n_elsewhere:
        certainty, because = "likely", f"{n} is the size of the arm, and not printed beside the figure"
    else:
        certainty, because = (
            "certain",
            f"exact arithmetic, if {percent}% is a plain share of these {n} patients",
        )
    return finding_at(
        row,
        "percent",
        ATTAINABLE,
        f"{percent}% is not attainable over {n}",
        why=f"{neighbors}; no whole number of {n} patients prints as {percent}%, by either rule for halves",
        certainty=certainty,  # type: ignore[arg-type]
        because=because,
        reconcile=_other_readings(row, percent, n, sheet),
    )


def _printed_as_estimate(row: PrintedRow, sheet: Sheet) -> PrintedRow | None:
    """The row, of another document, that says how this same figure was estimated."""
    for other in sheet.cells:
        same = (arm_key(other), key_of(other)) == (arm_key(row), key_of(row))
        if same and is_estimated(other.kind) and str(other.percent) == str(row.percent):
            return other
    return None


def _percent(k: int, n: int, like: Printed) -> str:
    return f"{100 * k / n:.{max(like.decimals, 0) + 1}f}"


def _other_readings(row: PrintedRow, percent: Printed, n: int, sheet: Sheet) -> str:
    """Which n, or which way of printing, would make it right."""
    ways = [f"{k}/{m} would print as {percent}%" for m, k in nearest_denominators(percent, n)]
    if cut := cut_off_counts(percent, n):
        ways.insert(0, f"{cut[0]}/{n}, with digits cut off and not rounded")
    for other in _denominators_beside(row, sheet):
        if counts := attainable_counts(percent, other):
            ways.insert(0, f"{counts[0]}/{other}, the number of patients in another arm of the study")
    ways.append("or it is an estimate (Kaplan-Meier, model, imputed), which the print does not say")
    return "; ".join(ways)


def _denominators_beside(row: PrintedRow, sheet: Sheet) -> list[int]:
    others = [r for r in sheet.cells if r.study == row.study and r.arm and r.arm != row.arm]
    n = row.n or 0
    numbers = [r.n for r in others if r.n and n < 2 * r.n < 4 * n and r.n != n and not is_everybody(r.arm)]
    return list(dict.fromkeys(numbers))[:2]


def check_percentages_of_counts(sheet: Sheet) -> Checked:
    """Percentages beside a count: is it 100 events / n?  A table that cuts digits off is told once."""
    cells = [r for r in sheet.cells if r.events is not None and _has_percent(r) and r.events <= (r.n or 0)]
    counted = [row for row in cells if not is_estimated(row.kind)]
    findings: list[Finding] = []
    for here in grouped(counted, lambda row: (row.study, row.source, row.table)).values():
        wrong = [row for row in here if not _agrees(row)]
        findings += _cut_off_table(here, wrong) or [_disagrees(row, here) for row in wrong]
    findings += [_below_crude(row) for row in cells if is_estimated(row.kind) and _is_below_crude(row)]
    return Checked(AGREES, len(cells), len(cells), tuple(findings))


def _agrees(row: PrintedRow) -> bool:
    return row.events in attainable_counts(row.percent, row.n)  # type: ignore[arg-type]


def _is_cut_off(row: PrintedRow) -> bool:
    return row.events in cut_off_counts(row.percent, row.n)  # type: ignore[arg-type]


def _cut_off_table(rows: Iterable[PrintedRow], wrong: list[PrintedRow]) -> list[Finding]:
    """One finding for a table whose every percentage has its digits cut off."""
    if len(wrong) < 2 or not all(_is_cut_off(row) for row in rows):
        return []
    first = wrong[0]
    return [
        finding_at(
            first,
            "percent",
            AGREES,
            f"percentages are cut off, not rounded, in {len(wrong)} cells of this table",
            why=f"{first.events}/{first.n} = {100 * first.events / first.n:.3f}%, printed {first.percent}%; "  # type: ignore[operator]
            "every percentage of the table agrees with its count if digits are cut off",
            certainty="possible",
            because="a way of printing, which the whole table follows",
            reconcile="round instead",
            others=wrong[1:],
        )
    ]


def _disagrees(row: PrintedRow, table: tuple[PrintedRow, ...]) -> Finding:
    percent, n, events = row.percent, row.n, row.events
    assert percent is not None and n is not None and events is not None  # only such rows come here
    ways = []
    if counts := attainable_counts(percent, n):
        ways.append(f"{counts[0]}/{n} would print as {percent}%")
    for m in dict.fromkeys(other.n for other in table if other.n and other.n != n):
        if events in attainable_counts(percent, m):
            ways.append(f"{events}/{m} would, with the {m} patients of another cell of this table")
    if events and not any("/" in way and way.startswith(f"{events}/") for way in ways):
        ways += [f"{events}/{m} would" for m in _totals_for(events, percent, n)]
    if cut_off := _is_cut_off(row):
        ways.append(f"digits cut off and not rounded ({_percent(events, n, percent)}%)")
    estimated = is_estimated(row.outcome)
    if not estimated:
        either = "or " if ways else ""
        ways.append(f"{either}the percentage is an estimate (Kaplan-Meier, model), not a share")
    near = abs(100 * events / n - float(percent)) <= 2.5 * float(percent.half_unit)
    return finding_at(
        row,
        "percent",
        AGREES,
        f"{events}/{n} is {_percent(events, n, percent)}%, printed {percent}%",
        why=f"100 x {events} / {n} = {100 * events / n:.4f}, "
        f"outside {float(percent.low):g} to {float(percent.high):g}",
        certainty="possible" if estimated or cut_off or near else "certain",
        because=(
            "the label speaks of an estimate"
            if estimated
            else "the last digit cut off or rounded twice explains it"
            if cut_off or near
            else "exact arithmetic: count, number of patients and percentage cannot all three be right"
        ),
        reconcile="; ".join(ways),
    )


def _totals_for(events: int, percent: Printed, n: int) -> list[int]:
    """Numbers of patients, the two nearest to n, over which `events` prints as `percent`."""
    if percent.value <= 0:
        return []
    about = round(100 * events / float(percent))
    fits = [
        m for m in range(max(events, about - 40), about + 41) if m and events in attainable_counts(percent, m)
    ]
    return sorted(fits, key=lambda m: (abs(m - n), m))[:2]


def _is_below_crude(row: PrintedRow) -> bool:
    return float(row.percent.high) < 100 * row.events / row.n  # type: ignore[union-attr, operator]


def _below_crude(row: PrintedRow) -> Finding:
    return finding_at(
        row,
        "percent",
        AGREES,
        f"a cumulative percentage of {row.percent}% is below the crude {row.events}/{row.n}",
        why=f"{row.events}/{row.n} = {100 * (row.events or 0) / (row.n or 1):.2f}%; "
        "censoring can only raise 1 - S(t) above events / n by the end of follow-up",
        certainty="likely",
        because="Kaplan-Meier weighs each event by 1 / at risk, which is never less than 1 / n",
        reconcile="an earlier time point than the count's, competing risks, or another count",
    )
