"""P values against the counts beside them: which test prints so, and which are printed by none.

docs/methods/audit.md, section P values.  A P value of a time-to-event analysis, or an adjusted one, cannot be
recomputed from counts; it is listed as such and accused of nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flarefree.evidence.auditing.findings import (
    Certainty,
    Checked,
    Finding,
    PValue,
    finding_at,
    tests_by_table,
)
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.sheet import Comparison, Sheet
from flarefree.evidence.auditing.two_by_two import larger_p_values, quick_p_values, slow_p_values

__all__ = ["check_p_values_of_counts"]

CHECK = "P value of counts"
MOST_SLOW = 10  # comparisons of one audit that may wait for the unconditional exact tests
ENOUGH = 3  # P values that show a table's habit
MOSTLY = 0.6
OF_TIMES = "of a time-to-event analysis (log-rank, Cox)"
NAMED = {
    "fisher": "Fisher", "exact": "Fisher", "yates": "Yates", "continuity": "Yates",
    "n-1": "N-1 chi-square", "mid": "mid-P", "likelihood": "G", "chi": "chi-square", "χ": "chi-square",
}  # fmt: skip


def check_p_values_of_counts(sheet: Sheet) -> Checked:
    """Recompute every P value that has counts beside it, and find the test that prints so."""
    asked = [(c, c.counts) for c in sheet.comparisons if c.p is not None and len(c.arms) > 1]
    judged = [(c, _judge(c, counts, sheet)) for c, counts in asked if counts is not None]
    judged = _with_slow_tests(_without_followers(judged))
    habits = tests_by_table([p for _, p in judged])
    findings: list[Finding] = []
    values: list[PValue] = []
    for comparison, value in judged:
        best = _habit(habits.get((value.study, value.table), {}))
        value = _against_habit(value, best)
        values.append(value)
        if value.verdict == "not reproduced":
            findings.append(_not_reproduced(comparison, value, best))
        elif value.verdict == "reproduced by another test":
            findings.append(_other_test(comparison, value, best))
    could = sum(not v.verdict.startswith("not recomputable") for v in values)
    return Checked(CHECK, len(values), could, tuple(findings), tuple(values))


def _judge(comparison: Comparison, counts: tuple[tuple[int, int], ...], sheet: Sheet) -> PValue:
    """The tests of one comparison, and whether its P value can be theirs."""
    row, p = comparison.anchor, comparison.p
    assert p is not None  # only comparisons with a P value come here
    tests = quick_p_values(counts)
    reason = _not_of_counts(comparison)
    hits = tuple(name for name, value in tests.items() if p.admits(value))
    if not reason and not hits and (levels := _levels(comparison, sheet)):
        larger = larger_p_values(levels)
        tests |= {f"{name} of all levels": value for name, value in larger.items()}
        hits = tuple(name for name, value in tests.items() if p.admits(value))
    verdict = "not recomputable" if reason else "reproduced" if hits else "not reproduced"
    return PValue(
        row=row.row,
        study=row.study,
        table=row.place,
        outcome=row.outcome,
        arms=tuple(arm.arm for arm in comparison.arms),
        counts=" v ".join(f"{e}/{n}" for e, n in counts),
        printed=str(p),
        tests=tests,
        reproduced_by=() if reason else hits,
        verdict=verdict,
        reason=reason,
    )


def _not_of_counts(comparison: Comparison) -> str:
    """Why counts alone cannot give this P value; empty where they should."""
    if comparison.is_time_to_event:
        return f"{OF_TIMES}, as the print says; counts without times do not give it"
    if comparison.is_adjusted:
        return "of an adjusted analysis; counts do not give it"
    return ""


def _levels(comparison: Comparison, sheet: Sheet) -> list[list[int]]:
    """Counts of all exclusive parts of one characteristic (race, class), a row a level; empty where none.

    A paper prints one P value for all levels together, on the first of them.
    """
    row = comparison.anchor
    if not row.part_of or row.parts not in ("exclusive", "complete"):
        return []
    table = []
    for rows in sheet.outcomes.values():
        first = rows[0]
        same = (first.study, first.source, first.table) == (row.study, row.source, row.table)
        if same and first.part_of == row.part_of and first.parts == row.parts:
            table.append(
                [next((r.events or 0 for r in rows if r.arm == arm.arm), 0) for arm in comparison.arms]
            )
    kept = [level for level in table if sum(level)]
    return kept if len(kept) > 1 and all(map(sum, zip(*kept, strict=True))) else []


def _without_followers(judged: Sequence[tuple[Comparison, PValue]]) -> list[tuple[Comparison, PValue]]:
    """Those beside hazard ratios: of times to events too, unless one test of counts prints them all alike."""
    tables: dict[tuple[str, str], list[PValue]] = {}
    for comparison, value in judged:
        if comparison.follows and not comparison.anchor.test and value.verdict != "not recomputable":
            tables.setdefault((value.study, value.table), []).append(value)
    timed = {value.row for values in tables.values() if not _are_of_counts(values) for value in values}
    reason = f"{OF_TIMES}, as its neighbors with hazard ratios are; counts without times do not give it"
    return [(c, _silent(v, reason) if v.row in timed else v) for c, v in judged]


def _silent(value: PValue, reason: str) -> PValue:
    return replace(value, verdict="not recomputable", reason=reason, reproduced_by=())


def _are_of_counts(values: Sequence[PValue]) -> bool:
    """Whether Fisher's test prints all of them, or any one test all of three, or three quarters of four."""
    hits = Counter(test for value in values for test in value.reproduced_by)
    most = max(hits.values(), default=0)
    if most == len(values):
        return hits["Fisher"] == most or most >= ENOUGH
    return len(values) > ENOUGH and most >= 0.75 * len(values)


def _with_slow_tests(judged: Sequence[tuple[Comparison, PValue]]) -> list[tuple[Comparison, PValue]]:
    """Those that no quick test gives, tried with Boschloo's and Barnard's: the first few only."""
    tried, found = 0, []
    for comparison, value in judged:
        if value.verdict == "not reproduced" and tried < MOST_SLOW and comparison.counts and comparison.p:
            tried += 1
            slow = slow_p_values(comparison.counts)
            hits = tuple(name for name, p in slow.items() if comparison.p.admits(p))
            verdict = "reproduced" if hits else value.verdict
            value = replace(value, tests={**value.tests, **slow}, reproduced_by=hits, verdict=verdict)
        found.append((comparison, value))
    return found


def _habit(tests: dict[str, tuple[int, int]]) -> tuple[str, int, int]:
    """The test that reproduces most of a table's P values, with how many, of how many."""
    for name, (hits, of) in tests.items():
        return name, hits, of
    return "", 0, 0


def _against_habit(value: PValue, habit: tuple[str, int, int]) -> PValue:
    """`reproduced by another test` where one test prints all the table's other P values, but not this."""
    name, hits, of = habit
    alone = value.verdict == "reproduced" and name not in value.reproduced_by
    if (
        alone
        and hits >= ENOUGH
        and hits >= of - 1
        and not any(t.endswith("levels") for t in value.reproduced_by)
    ):
        return replace(value, verdict="reproduced by another test")
    return value


def _not_reproduced(comparison: Comparison, value: PValue, habit: tuple[str, int, int]) -> Finding:
    name, hits, of = habit
    p = comparison.p
    assert p is not None  # as in `_judge`
    listed = ", ".join(f"{test} {_p(v)}" for test, v in value.tests.items() if not test.endswith("levels"))
    cut = [test for test, v in value.tests.items() if p.cut_off_admits(v)]
    table_has_habit = hits >= ENOUGH and hits >= MOSTLY * of
    certainty: Certainty = "likely" if table_has_habit and not cut else "possible"
    named = _named_test(comparison.anchor.test)
    crossing = _crosses(p, value.tests.get(named or name or "Fisher"))
    return finding_at(
        comparison.anchor,
        "p",
        CHECK,
        f"no test of {value.counts} gives P = {p}"
        if p.is_exact
        else f"no test of {value.counts} gives P {p}",
        why=f"{listed}{crossing}",
        certainty=certainty,
        because=(
            f"{name} reproduces {hits} of the {of} P values of this table"
            if table_has_habit
            else "it may come from an analysis that the print does not name (adjusted, stratified, of times)"
        ),
        reconcile=(f"digits cut off and not rounded ({', '.join(cut)}); " if cut else "")
        + _counts_that_would(comparison, named or name or "Fisher"),
        others=comparison.arms,
    )


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _named_test(text: str) -> str:
    low = text.lower()
    return next((test for word, test in NAMED.items() if word in low), "")


def _crosses(p: Printed, recomputed: float | None) -> str:
    """Words where print and recomputation stand on two sides of 0.05."""
    if recomputed is None:
        return ""
    printed_below = float(p.value) <= 0.05 if p.relation == "<" else p.is_exact and float(p.value) < 0.05
    return "; they stand on two sides of 0.05" if printed_below != (recomputed < 0.05) else ""


def _counts_that_would(comparison: Comparison, test: str) -> str:
    """A decimal place, or the nearest counts, one arm changed by one or two, whose P by `test` prints so."""
    counts, p = comparison.counts, comparison.p
    if counts is not None and p is not None and p.is_exact:
        for power in (0.1, 10.0):
            if p.admits(quick_p_values(counts).get(test, math.nan) / power):
                return f"{test} gives it but for a decimal place: {float(p) * power:g}"
    if counts is None or p is None or len(counts) != 2:
        return "another analysis than a test of these counts"
    for step in (1, 2):
        for arm, change in ((0, step), (0, -step), (1, step), (1, -step)):
            tried = [list(pair) for pair in counts]
            tried[arm][0] += change
            if not 0 <= tried[arm][0] <= tried[arm][1]:
                continue
            value = quick_p_values(tuple((e, n) for e, n in tried)).get(test)
            if value is not None and p.admits(value):
                text = " v ".join(f"{e}/{n}" for e, n in tried)
                return f"{test} gives it for {text}; or another analysis than a test of counts"
    return "another analysis than a test of these counts"


def _other_test(comparison: Comparison, value: PValue, habit: tuple[str, int, int]) -> Finding:
    name, hits, of = habit
    return finding_at(
        comparison.anchor,
        "p",
        CHECK,
        f"P = {value.printed} is by {' or '.join(value.reproduced_by)}; the rest of the table is by {name}",
        why=f"{name} gives {_p(value.tests.get(name, float('nan')))} for {value.counts}",
        certainty="possible",
        because=f"{name} reproduces {hits} of the {of} P values of this table; a second test may be meant",
        reconcile=_counts_that_would(comparison, name),
        others=comparison.arms,
    )
