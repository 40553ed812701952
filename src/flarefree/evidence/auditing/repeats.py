"""The same thing printed twice: in two tables, in two papers, in a phase and in the whole trial."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from flarefree.evidence.auditing.findings import Certainty, Checked, Finding, finding_at
from flarefree.evidence.auditing.names import is_estimated, period_parts
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Sheet, arm_key, grouped, key_of

__all__ = ["check_periods", "check_repeated_outcomes"]

REPEATED, PERIODS = "same outcome in two places", "a phase and the whole"
UNLIKELY = 0.05
ENOUGH = 5


def _place(row: PrintedRow) -> tuple[str, str]:
    return row.source, row.table


# Two places -------------------------------------------------------------------------------------------


def check_repeated_outcomes(sheet: Sheet) -> Checked:
    """One outcome of the same patients in two places: counts, percentages, estimates should be the same."""
    cells = [row for row in sheet.cells if row.outcome]
    same = grouped(
        cells, lambda r: (*arm_key(r), key_of(r), r.period, r.population, r.unit, str(r.time), r.measure)
    )
    findings: list[Finding] = []
    examined = 0
    for rows in same.values():
        pairs = [(rows[0], row) for row in rows[1:] if _place(row) != _place(rows[0])]
        examined += len(pairs)
        found = [
            f for first, second in pairs if first.versus == second.versus for f in _differences(first, second)
        ]
        findings += {(f.column, f.value): f for f in reversed(found)}.values()
    return Checked(REPEATED, examined, examined, tuple(findings))


def _differences(first: PrintedRow, second: PrintedRow) -> Iterator[Finding]:
    if first.events is not None and second.events is not None:
        if first.n == second.n and first.events != second.events:
            yield _differs(
                first, second, "events", "likely", "the same patients, and the same name of the outcome"
            )
        return
    for column in ("percent", "estimate", "lower", "upper"):
        one, two = getattr(first, column), getattr(second, column)
        if one is None or two is None or not (one.is_exact and two.is_exact):
            continue
        if max(one.low, two.low) > min(one.high, two.high):
            estimated = any(is_estimated(r.kind, r.outcome) for r in (first, second))
            because = "one of them is an estimate" if estimated else "another analysis may have the same name"
            yield _differs(first, second, column, "possible", because)
            return


def _differs(
    first: PrintedRow, second: PrintedRow, column: str, certainty: Certainty, because: str
) -> Finding:
    one, two = getattr(first, column), getattr(second, column)
    over = f"/{first.n}" if column == "events" and first.n else "%" if column == "percent" else ""
    return finding_at(
        second,
        column,
        REPEATED,
        f"{second.outcome}: {two}{over} here, {one}{over} in {first.place or f'row {first.row}'}",
        why=f"row {first.row} and row {second.row} name the same outcome, patients and period",
        certainty=certainty,
        because=because,
        reconcile="another definition, time point or analysis set in one of the two places; or a misprint",
        others=[first],
    )


# Phases -----------------------------------------------------------------------------------------------


def check_periods(sheet: Sheet) -> Checked:
    """Patients with an event in one phase are among those with it in the whole."""
    cells = [r for r in sheet.cells if r.period and r.events is not None and r.outcome and r.counts_patients]
    findings, examined = [], 0
    for rows in grouped(cells, lambda r: (*arm_key(r), key_of(r))).values():
        for whole in rows:
            inside = [r for r in rows if period_parts(r.period) < period_parts(whole.period)]
            examined += len(inside)
            parts = list({(r.period.lower(), r.events): r for r in reversed(inside)}.values())
            findings += [_part_above(part, whole, sheet) for part in parts if _count(part) > _count(whole)]
            findings += _of_two_phases(parts, whole)
            findings += [
                f for p in parts if len(parts) == 1 and (f := _nobody_else(p, whole, cells)) is not None
            ]
    return Checked(PERIODS, examined, examined, tuple(findings))


def _count(row: PrintedRow) -> int:
    return row.events or 0


def _part_above(part: PrintedRow, whole: PrintedRow, sheet: Sheet) -> Finding:
    twins = [
        r
        for r in sheet.cells
        if _count(r) >= ENOUGH
        and (r.events, r.n, arm_key(r)) == (part.events, part.n, arm_key(part))
        and key_of(r) != key_of(part)
    ]
    also = "; ".join(f"{r.events}/{r.n} stands as {r.outcome!r} in {r.place}" for r in twins[:2])
    by_id = bool(part.outcome_id) and part.outcome_id == whole.outcome_id
    return finding_at(
        part if twins else whole,
        "events",
        PERIODS,
        f"{part.outcome}: {part.events} in {part.period} alone, {whole.events} in {whole.period}",
        why=f"{part.events} > {whole.events}: whoever had it in a phase had it in the whole "
        f"({part.place}; {whole.place})",
        certainty="certain" if by_id or not twins else "likely",
        because="the phase lies within the whole, and the patients are the same",
        reconcile=f"another outcome under this label: {also}"
        if also
        else "another definition in one of the tables, or an omission",
        others=[part, whole, *twins[:2]],
    )


def _of_two_phases(parts: list[PrintedRow], whole: PrintedRow) -> Iterator[Finding]:
    """Two phases that make up the whole: their sum bounds it; a whole equal to one of them is improbable."""
    for first, second in combinations(parts, 2):
        periods = period_parts(first.period), period_parts(second.period)
        if periods[0] & periods[1] or periods[0] | periods[1] != period_parts(whole.period):
            continue
        one, two, all_ = _count(first), _count(second), _count(whole)
        if all_ > one + two:
            yield finding_at(
                whole,
                "events",
                PERIODS,
                f"{whole.outcome}: {all_} in {whole.period}, {one} and {two} in its phases",
                why=f"{all_} > {one} + {two}",
                certainty="certain",
                because="the phases make up the whole",
                reconcile="another definition in one of the tables",
                others=[first, second],
            )
        elif all_ == max(one, two) and min(one, two) > 0 and whole.n:
            chance = _chance_within(min(one, two), max(one, two), whole.n)
            if chance < UNLIKELY:
                yield _same_patients(first, second, whole, chance)


def _chance_within(few: int, many: int, n: int) -> float:
    """The chance that `few` patients of n all lie among `many` others, if the phases are independent."""
    return math.comb(many, few) / math.comb(n, few) if few <= many <= n else 0.0


def _same_patients(first: PrintedRow, second: PrintedRow, whole: PrintedRow, chance: float) -> Finding:
    few, many = sorted((first, second), key=_count)
    return finding_at(
        whole,
        "events",
        PERIODS,
        f"{whole.outcome}: {whole.events} in {whole.period}, though {many.events} in {many.period} and "
        f"{few.events} in {few.period}",
        why=f"it holds only if all {few.events} of the one phase were among the {many.events} of the other: "
        f"by chance {chance:.3f}",
        certainty="possible",
        because="the same patients may fall ill twice",
        reconcile=f"a whole of {_count(few) + _count(many)}, or a phase counted for the whole",
        others=[first, second],
    )


def _nobody_else(part: PrintedRow, whole: PrintedRow, cells: list[PrintedRow]) -> Finding | None:
    """A whole equal to one phase, where in the other arm a good share fell outside that phase."""
    if part.events != whole.events or _count(whole) < ENOUGH:
        return None
    for other in cells:
        same_table = (_place(other), other.study, other.period) == (_place(whole), whole.study, whole.period)
        if not same_table or arm_key(other) == arm_key(whole) or key_of(other) != key_of(whole):
            continue
        counts = {
            _count(r): r
            for r in cells
            if arm_key(r) == arm_key(other) and key_of(r) == key_of(whole) and r.period == part.period
        }
        twin = list(counts.values())
        if len(twin) == 1 and 0 < _count(twin[0]) < _count(other):
            inside = _count(twin[0]) / _count(other)
            chance = inside ** _count(whole)
            if chance < UNLIKELY:
                return _all_in_one_phase(part, whole, other, twin[0], chance)
    return None


def _all_in_one_phase(
    part: PrintedRow, whole: PrintedRow, other: PrintedRow, twin: PrintedRow, chance: float
) -> Finding:
    outside = _count(other) - _count(twin)
    return finding_at(
        whole,
        "events",
        PERIODS,
        f"{whole.outcome}: {whole.events} in {whole.period}, and {part.events} in {part.period} alone",
        why=f"so none fell outside {part.period}; in the other arm {outside} of {other.events} did, "
        f"and with that share none of {whole.events} would by chance {chance:.3f}",
        certainty="possible",
        because="the treatments may differ in when they cause it",
        reconcile="a phase counted for the whole",
        others=[part, other, twin],
    )
