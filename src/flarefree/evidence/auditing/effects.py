"""Risk ratios, odds ratios and risk differences against the counts beside them."""

from __future__ import annotations

import math

from flarefree.evidence.auditing.findings import Checked, Finding, finding_at
from flarefree.evidence.auditing.printed import Printed
from flarefree.evidence.auditing.sheet import Comparison, Sheet
from flarefree.stats.distributions import normal_quantile

__all__ = ["check_effects_of_counts"]

CHECK = "effect of counts"
NARROW, WIDE = 0.85, 1.3  # of the Wald standard error: score, exact and profile limits stay within
MANY = 5  # events in each cell, below which Wald's standard error is no measure for other limits


def check_effects_of_counts(sheet: Sheet) -> Checked:
    """Recompute RR, OR and RD, in either direction, and the standard error behind their limits."""
    cells = [c for c in sheet.comparisons if _is_asked(c)]
    findings = [finding for c in cells if (finding := _differs(c) or _limits_differ(c)) is not None]
    return Checked(CHECK, len(cells), len(cells), tuple(findings))


def _is_asked(c: Comparison) -> bool:
    estimate = c.anchor.estimate
    plain = (
        c.measure in ("RR", "OR", "RD") and not c.is_adjusted and estimate is not None and estimate.is_exact
    )
    return plain and c.counts is not None and len(c.counts) == 2


def _four(c: Comparison) -> tuple[int, int, int, int]:
    (a, n1), (b, n2) = c.counts or ((0, 1), (0, 1))
    return a, n1, b, n2


def _readings(c: Comparison) -> dict[str, float]:
    """The effect in both directions, with half an event added where a cell is empty (a known convention)."""
    a, n1, b, n2 = _four(c)
    found: dict[str, float] = {}
    for way, half in (("", 0.0), (" with 1/2 added to each cell", 0.5)):
        if half and min(a, b, n1 - a, n2 - b) > 0:
            continue
        x, y, m, n = a + half, b + half, n1 + 2 * half, n2 + 2 * half
        if c.measure == "RD":
            found |= {f"arm 1 - arm 2{way}": x / m - y / n, f"arm 2 - arm 1{way}": y / n - x / m}
            continue
        top, bottom = (x / m, y / n) if c.measure == "RR" else (x * (n - y), y * (m - x))
        found |= {f"arm 1 / arm 2{way}": top / bottom} if bottom else {}
        found |= {f"arm 2 / arm 1{way}": bottom / top} if top else {}
    return found


def _in_unit(c: Comparison, value: float) -> tuple[float, ...]:
    """A risk difference may be printed as a fraction or in percentage points."""
    return (value, 100 * value) if c.measure == "RD" else (value,)


def _differs(c: Comparison) -> Finding | None:
    estimate = c.anchor.estimate
    assert estimate is not None  # as in `_is_asked`
    readings = _readings(c)
    if not readings or any(estimate.admits(x) for value in readings.values() for x in _in_unit(c, value)):
        return None
    nearest = min(
        (x for v in readings.values() for x in _in_unit(c, v)), key=lambda x: abs(x - float(estimate))
    )
    a, n1, b, n2 = _four(c)
    return finding_at(
        c.anchor,
        "estimate",
        CHECK,
        f"{a}/{n1} v {b}/{n2} gives {c.measure} {nearest:.{estimate.decimals + 1}f}, printed {estimate}",
        why=f"{c.measure} from the counts is {', '.join(f'{v:.4g} ({k})' for k, v in readings.items())}",
        certainty="likely" if _is_far(estimate, nearest) and "unadjusted" in c.anchor.kind else "possible",
        because="the ratio may be pooled, stratified or adjusted, which the print does not say",
        reconcile="other counts, or an adjusted estimate",
        others=c.arms,
    )


def _is_far(estimate: Printed, value: float) -> bool:
    return abs(value - float(estimate)) > 0.15 * max(abs(value), abs(float(estimate)))


def _limits_differ(c: Comparison) -> Finding | None:
    """Limits much narrower or wider than counts allow; only where no cell is small."""
    row = c.anchor
    a, n1, b, n2 = _four(c)
    if row.lower is None or row.upper is None or min(a, b, n1 - a, n2 - b) < MANY:
        return None
    low, high = (float(row.lower.low), float(row.upper.high)), (float(row.lower.high), float(row.upper.low))
    if c.measure != "RD" and low[0] <= 0:
        return None
    per = 100 if c.measure == "RD" and max(abs(float(row.upper)), abs(float(row.lower))) > 1 else 1

    def se(lower: float, upper: float) -> float:
        width = (upper - lower) / per if c.measure == "RD" else math.log(upper / lower)
        return width / (2 * normal_quantile((1 + row.level) / 2))

    wald, most, least = _wald(c), se(*low), se(*high)
    if most >= NARROW * wald and least <= WIDE * wald:
        return None
    narrow = most < NARROW * wald
    return finding_at(
        row,
        "lower",
        CHECK,
        f"{c.measure} {row.estimate} ({row.lower} to {row.upper}): "
        f"limits too {'narrow' if narrow else 'wide'} for {a}/{n1} v {b}/{n2}",
        why=f"they imply a standard error of {least:.3f} to {most:.3f}; the counts give {wald:.3f}",
        certainty="likely" if narrow else "possible",
        because="methods of limits differ by less for counts of this size",
        reconcile="other counts, another level, or a model (adjusted, clustered, pooled)",
        others=c.arms,
    )


def _wald(c: Comparison) -> float:
    """Standard error of RD, log RR (Katz) or log OR (Woolf)."""
    a, n1, b, n2 = _four(c)
    if c.measure == "RD":
        return math.sqrt(a * (n1 - a) / n1**3 + b * (n2 - b) / n2**3)
    if c.measure == "RR":
        return math.sqrt(1 / a - 1 / n1 + 1 / b - 1 / n2)
    return math.sqrt(1 / a + 1 / (n1 - a) + 1 / b + 1 / (n2 - b))
