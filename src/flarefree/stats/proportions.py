"""Proportions with their limits: Clopper-Pearson, Wilson, Jeffreys, Agresti-Coull, Wald.

Differences and ratios of two proportions are in `proportion_differences.py`.  Formulas:
docs/methods/tables.md.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from flarefree.errors import StatsError
from flarefree.stats.counts import require_count
from flarefree.stats.distributions import (
    beta_quantile,
    normal_quantile,
    require_alternative,
    require_level,
)
from flarefree.stats.frames import TestResult

__all__ = [
    "ProportionMethod",
    "binomial_test",
    "clopper_pearson",
    "jeffreys",
    "proportion",
    "wilson",
    "wilson_limits",
]

ProportionMethod = Literal[
    "clopper-pearson", "wilson", "wilson-continuity", "jeffreys", "agresti-coull", "wald", "wald-continuity"
]

_NAMED = {
    "clopper-pearson": "exact limits (Clopper-Pearson)",
    "wilson": "score limits (Wilson)",
    "wilson-continuity": "score limits with continuity correction",
    "jeffreys": "Jeffreys limits: quantiles of Beta(x + 1/2, n - x + 1/2), 0 at x = 0 and 1 at x = n",
    "agresti-coull": "Agresti-Coull limits",
    "wald": "Wald limits",
    "wald-continuity": "Wald limits with continuity correction, 1 / 2n",
}


def proportion(
    events: Any, n: Any, *, method: ProportionMethod = "clopper-pearson", level: float = 0.95
) -> TestResult:
    """A proportion with limits.

    Parameters
    ----------
    events, n : int
        Patients with the event, and patients.
    method : str
        Of the limits: `clopper-pearson` (exact), `wilson`, `wilson-continuity`, `jeffreys`,
        `agresti-coull`, `wald` or `wald-continuity`.

    Raises
    ------
    StatsError
        Nobody, or more events than patients.
    """
    x, total = require_share(events, n)
    level = require_level(level)
    low, high = _limits(x, total, method, level)
    p = x / total
    return TestResult(
        "Proportion",
        "proportion",
        estimate=p,
        std_error=math.sqrt(p * (1 - p) / total),
        conf_low=low,
        conf_high=high,
        level=level,
        n=total,
        conventions=(_NAMED[method],),
        details={"events": x},
    )


def clopper_pearson(events: Any, n: Any, *, level: float = 0.95) -> TestResult:
    """A proportion with exact limits [clopper1934]."""
    return proportion(events, n, method="clopper-pearson", level=level)


def wilson(events: Any, n: Any, *, continuity: bool = False, level: float = 0.95) -> TestResult:
    """A proportion with Wilson's score limits [wilson1927]."""
    return proportion(events, n, method="wilson-continuity" if continuity else "wilson", level=level)


def jeffreys(events: Any, n: Any, *, level: float = 0.95) -> TestResult:
    """A proportion with Jeffreys's limits [brown2001]."""
    return proportion(events, n, method="jeffreys", level=level)


def require_share(events: Any, n: Any, *, where: str = "events") -> tuple[int, int]:
    """Events and patients, if there can be so many."""
    x, total = require_count(events, where), require_count(n, "n")
    if total == 0 or x > total:
        raise StatsError(
            "events are a part of the patients",
            where=where,
            found=f"{x} of {total}",
            expected="0 <= events <= n, n > 0",
        )
    return x, total


def _limits(x: int, n: int, method: str, level: float) -> tuple[float, float]:
    p, z, out = x / n, normal_quantile(1 - (1 - level) / 2), (1 - level) / 2
    match method:
        case "clopper-pearson":
            low = 0.0 if x == 0 else beta_quantile(out, x, n - x + 1)
            high = 1.0 if x == n else beta_quantile(1 - out, x + 1, n - x)
        case "wilson":
            low, high = wilson_limits(x, n, level)
        case "wilson-continuity":
            low, high = wilson_limits(x, n, level, continuity=True)
        case "jeffreys":
            low = 0.0 if x == 0 else beta_quantile(out, x + 0.5, n - x + 0.5)
            high = 1.0 if x == n else beta_quantile(1 - out, x + 0.5, n - x + 0.5)
        case "agresti-coull":
            total = n + z**2
            center = (x + z**2 / 2) / total
            reach = z * math.sqrt(center * (1 - center) / total)
            low, high = max(0.0, center - reach), min(1.0, center + reach)
        case "wald" | "wald-continuity":
            reach = z * math.sqrt(p * (1 - p) / n) + (0.5 / n if method == "wald-continuity" else 0.0)
            low, high = max(0.0, p - reach), min(1.0, p + reach)
        case _:
            raise StatsError(
                "unknown method",
                where="method",
                found=repr(method),
                expected=", ".join(get_args(ProportionMethod)),
            )
    return low, high


def wilson_limits(x: int, n: int, level: float, *, continuity: bool = False) -> tuple[float, float]:
    """Wilson's limits, the roots of (p - x/n)^2 = z^2 p (1 - p) / n; by half a patient wider if asked."""
    z, p, q = normal_quantile(1 - (1 - level) / 2), x / n, 1 - x / n
    if not continuity:
        center, reach = 2 * x + z**2, z * math.sqrt(z**2 + 4 * x * q)
        scale = 2 * (n + z**2)
        return (0.0 if x == 0 else (center - reach) / scale, 1.0 if x == n else (center + reach) / scale)
    # [newcombe1998a] method 4.
    scale = 2 * (n + z**2)
    below = z * math.sqrt(z**2 - 2 - 1 / n + 4 * p * (n * q + 1)) if x else 0.0
    above = z * math.sqrt(z**2 + 2 - 1 / n + 4 * p * (n * q - 1)) if x < n else 0.0
    low = 0.0 if x == 0 else max(0.0, (2 * x + z**2 - 1 - below) / scale)
    high = 1.0 if x == n else min(1.0, (2 * x + z**2 + 1 + above) / scale)
    return low, high


def binomial_test(
    events: Any, n: Any, *, probability: float = 0.5, alternative: str = "two-sided", level: float = 0.95
) -> TestResult:
    """The exact test of one proportion, with Clopper-Pearson limits.

    The two-sided p sums the probabilities of all counts no more probable than the observed, as R's
    `binom.test`.
    """
    from flarefree.stats.conditional import ConditionalCount
    from flarefree.stats.counts import log_factorial

    x, total = require_share(events, n)
    alternative, level = require_alternative(alternative), require_level(level)
    if not 0 < probability < 1:
        raise StatsError("a probability lies between 0 and 1", where="probability", found=repr(probability))
    import numpy as np

    lf, k = log_factorial(total), np.arange(total + 1)
    family = ConditionalCount(0, np.asarray(lf[total] - lf[k] - lf[total - k], dtype=np.float64))
    odds = math.log(probability / (1 - probability))
    limits = proportion(x, total, level=level)
    low, high = limits.conf_low, limits.conf_high
    if alternative != "two-sided":
        wide = proportion(x, total, level=2 * level - 1) if level > 0.5 else limits
        low, high = (0.0, wide.conf_high) if alternative == "less" else (wide.conf_low, 1.0)
    return TestResult(
        "Exact binomial test",
        "proportion",
        estimate=x / total,
        p_value=family.p_value(x, alternative, odds),
        conf_low=low,
        conf_high=high,
        alternative=alternative,
        level=level,
        n=total,
        conventions=(f"null probability {probability:g}", _NAMED["clopper-pearson"]),
    )
