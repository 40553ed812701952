"""Means, standard deviations, and t tests (docs/methods/audit.md, section Means).

GRIM [brown2017]: n whole numbers have a whole total, so not every mean is attainable.  GRIMMER [anaya2016],
[allard2018]: their sum of squares is whole too, and even or odd as the total is.
"""

from __future__ import annotations

import math
from fractions import Fraction

from flarefree.evidence.auditing.attainable import attainable_totals, can_fail
from flarefree.evidence.auditing.findings import Checked, Finding, PValue, finding_at
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.rows import PrintedRow
from flarefree.evidence.auditing.sheet import Comparison, Sheet
from flarefree.stats.distributions import t_p

__all__ = ["check_integer_means", "check_integer_sds", "check_p_values_of_means", "check_possible_sds"]

GRIM, GRIMMER, BOUND, T_TEST = (
    "mean of whole numbers",
    "SD of whole numbers",
    "SD possible",
    "P value of means",
)


def check_integer_means(sheet: Sheet) -> Checked:
    """Means of whole numbers: is there a total of n whole numbers with this mean?"""
    cells = [row for row in sheet.cells if row.whole and row.n and row.mean is not None and row.mean.is_exact]
    able = [row for row in cells if can_fail(row.mean, row.n, 1)]  # type: ignore[arg-type]
    wrong = [row for row in able if not attainable_totals(row.mean, row.n)]  # type: ignore[arg-type]
    return Checked(GRIM, len(cells), len(able), tuple(_no_total(row) for row in wrong))


def _no_total(row: PrintedRow) -> Finding:
    mean, n = row.mean, row.n
    assert mean is not None and n is not None  # only rows with both come here
    below = math.floor(mean.value * n)
    digits = max(mean.decimals, 0) + 2
    near = [m for step in range(1, 40) for m in (n - step, n + step) if m > 0 and attainable_totals(mean, m)][
        :3
    ]
    return finding_at(
        row,
        "mean",
        GRIM,
        f"a mean of {mean} is not attainable with {n} whole numbers",
        why=f"{below}/{n} = {below / n:.{digits}f} and {below + 1}/{n} = {(below + 1) / n:.{digits}f}",
        certainty="certain",
        because="exact arithmetic, if each patient's value is a whole number and nobody is missing",
        reconcile="n = " + " or ".join(map(str, near)) if near else "another number of patients",
    )


def check_integer_sds(sheet: Sheet) -> Checked:
    """Standard deviations of whole numbers: is there a whole sum of squares, even or odd as the total?"""
    cells = [row for row in sheet.cells if row.whole and row.n and row.n > 1 and row.mean and row.sd]
    able = [row for row in cells if row.mean.is_exact and row.sd.is_exact]  # type: ignore[union-attr]
    wrong = [row for row in able if attainable_totals(row.mean, row.n) and not _has_squares(row)]  # type: ignore[arg-type]
    findings = [
        finding_at(
            row,
            "sd",
            GRIMMER,
            f"an SD of {row.sd} is not attainable with {row.n} whole numbers of mean {row.mean}",
            why="no whole sum of squares, of the parity of the total, gives an SD that prints so",
            certainty="certain",
            because="exact arithmetic, if values are whole numbers and the SD has the divisor n - 1 or n",
            reconcile="another n, mean or SD; or values that are not whole",
        )
        for row in wrong
    ]
    return Checked(GRIMMER, len(cells), len(able), tuple(findings))


def _has_squares(row: PrintedRow) -> bool:
    """Whether sum of squares Q, total S: Q >= S^2/n, Q even or odd as S, and the SD prints as printed."""
    mean, sd, n = row.mean, row.sd, row.n
    assert mean is not None and sd is not None and n is not None  # only rows with all three come here
    low, high = max(sd.low, Fraction(0)) ** 2, sd.high**2
    for total in attainable_totals(mean, n):
        center = Fraction(total * total, n)
        for divisor in (n - 1, n):
            least, most = math.ceil(center + divisor * low), math.floor(center + divisor * high)
            least += (least - total) % 2
            if least <= most:
                return True
    return False


def check_possible_sds(sheet: Sheet) -> Checked:
    """Standard deviations against the range of possible values, where minimum and maximum are known."""
    cells = [r for r in sheet.cells if r.mean is not None and r.n and r.n > 1 and r.minimum is not None]
    findings = [finding for row in cells for finding in _outside_range(row)]
    return Checked(BOUND, len(cells), len(cells), tuple(findings))


def _outside_range(row: PrintedRow) -> list[Finding]:
    mean, sd, n, low, high = row.mean, row.sd, row.n, row.minimum, row.maximum
    assert mean is not None and n is not None and low is not None  # only such rows come here
    if float(mean.high) < low or (high is not None and float(mean.low) > high):
        return [
            finding_at(
                row,
                "mean",
                BOUND,
                f"a mean of {mean} is outside the scale, {low:g} to {high if high is not None else '...'}",
                why="a mean lies between the least and the largest value",
                certainty="certain",
                because="no values on the scale have such a mean",
                reconcile="another scale, or a change from baseline",
            )
        ]
    if sd is None:
        return []
    most = _largest_sd(mean, n, low, high)
    if float(sd.low) <= most * (1 + 1e-9):
        return []
    bound = f"from {low:g} up" if high is None else f"from {low:g} to {high:g}"
    return [
        finding_at(
            row,
            "sd",
            BOUND,
            f"an SD of {sd} is larger than {n} values {bound} with mean {mean} allow",
            why=f"the largest possible is {most:.4g}",
            certainty="certain",
            because="the SD is largest when all values stand at the ends of the scale",
            reconcile="a standard error for an SD, another scale, or another unit",
        )
    ]


def _largest_sd(mean: Printed, n: int, low: float, high: float | None) -> float:
    """Bhatia-Davis: sd^2 <= (high - m)(m - low) n/(n-1); without an upper end sd <= (m - low) sqrt(n)."""
    values = (float(mean.low), float(mean.value), float(mean.high))
    if high is None:
        return max(m - low for m in values) * math.sqrt(n)
    middle = (low + high) / 2
    best = min(max(values[0], middle), values[2]) if values[0] <= middle <= values[2] else None
    candidates = [*values, *([best] if best is not None else [])]
    return math.sqrt(max(max((high - m) * (m - low), 0.0) for m in candidates) * n / (n - 1))


def check_p_values_of_means(sheet: Sheet) -> Checked:
    """P values beside two means with SD and n: can a t test, pooled or Welch's, print so?"""
    asked = [c for c in sheet.comparisons if c.p is not None and _has_means(c)]
    judged = [(c, _t_tests(c)) for c in asked]
    findings = [_t_differs(c, value) for c, value in judged if value.verdict == "not reproduced"]
    could = sum(not v.verdict.startswith("not recomputable") for _, v in judged)
    return Checked(T_TEST, len(asked), could, tuple(findings), tuple(value for _, value in judged))


def _has_means(c: Comparison) -> bool:
    whole = [
        arm.mean and arm.sd and arm.n and arm.n > 1 and arm.mean.is_exact and arm.sd.is_exact
        for arm in c.arms
    ]
    return len(c.arms) == 2 and all(whole)


def _t_tests(comparison: Comparison) -> PValue:
    p, row = comparison.p, comparison.anchor
    assert p is not None  # only comparisons with a P value come here
    ranges = {name: _t_range(comparison, pooled=name == "t") for name in ("t", "Welch")}
    reason = "of an adjusted analysis; means and SDs do not give it" if comparison.is_adjusted else ""
    hits = () if reason else tuple(name for name, r in ranges.items() if _overlaps(p, r))
    verdict = "not recomputable" if reason else "reproduced" if hits else "not reproduced"
    return PValue(
        row=row.row,
        study=row.study,
        table=row.place,
        outcome=row.outcome,
        arms=tuple(arm.arm for arm in comparison.arms),
        counts=" v ".join(f"{arm.mean} ± {arm.sd} ({arm.n})" for arm in comparison.arms),
        printed=str(p),
        tests={name: middle for name, (_, middle, _) in ranges.items()},
        reproduced_by=hits,
        verdict=verdict,
        reason=reason,
    )


def _t_range(comparison: Comparison, *, pooled: bool) -> tuple[float, float, float]:
    """Least, printed and largest P value that the rounding of means and SDs lets through."""
    one, two = comparison.arms
    assert one.mean and two.mean and one.sd and two.sd and one.n and two.n  # as in `_has_means`
    gap = abs(float(one.mean) - float(two.mean))
    slack = float(one.mean.half_unit + two.mean.half_unit)
    n = (one.n, two.n)

    def p_of(difference: float, sds: tuple[Fraction, Fraction]) -> float:
        v1, v2 = (max(float(sd), 0.0) ** 2 for sd in sds)
        if pooled:
            df = float(n[0] + n[1] - 2)
            variance = ((n[0] - 1) * v1 + (n[1] - 1) * v2) / df * (1 / n[0] + 1 / n[1])
        else:
            variance = v1 / n[0] + v2 / n[1]
            spread = (v1 / n[0]) ** 2 / (n[0] - 1) + (v2 / n[1]) ** 2 / (n[1] - 1)
            df = variance**2 / spread if spread else 1.0
        if variance == 0:
            return 1.0 if difference == 0 else 0.0
        return t_p(difference / math.sqrt(variance), df)

    return (
        p_of(gap + slack, (one.sd.low, two.sd.low)),
        p_of(gap, (one.sd.value, two.sd.value)),
        p_of(max(gap - slack, 0.0), (one.sd.high, two.sd.high)),
    )


def _overlaps(p: Printed, between: tuple[float, float, float]) -> bool:
    low, _, high = between
    if p.relation == "<":
        return low < float(p.value)
    if p.relation == ">":
        return high > float(p.value)
    return float(p.low) <= high * (1 + 1e-9) and float(p.high) >= low * (1 - 1e-9)


def _t_differs(comparison: Comparison, value: PValue) -> Finding:
    low, _, high = _t_range(comparison, pooled=False)
    return finding_at(
        comparison.anchor,
        "p",
        T_TEST,
        f"a t test of {value.counts} does not give P = {value.printed}",
        why=f"t test P = {value.tests['t']:.3f}, Welch P = {value.tests['Welch']:.3f} "
        f"(with rounding {low:.3f} to {high:.3f})",
        certainty="possible",
        because="a rank-sum, paired or adjusted test may have been used",
        reconcile="the test's name; or a standard error printed as an SD",
        others=comparison.arms,
    )
