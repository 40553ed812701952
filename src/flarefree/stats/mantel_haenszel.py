"""Mantel-Haenszel estimates over 2 x 2 tables in strata, and whether the strata agree.

Tables are (k, 2, 2) with a row a group and the events in the first column.  Formulas:
docs/methods/tables.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.counts import require_strata
from flarefree.stats.distributions import chi_square_tail, normal_quantile
from flarefree.stats.frames import TestResult

__all__ = ["breslow_day", "odds_ratio", "ratio_limits", "risk_difference", "risk_ratio"]

Floats = NDArray[np.float64]


def odds_ratio(table: Floats, n: Floats) -> tuple[float, float]:
    """Mantel and Haenszel's odds ratio and the standard error of its log [robins1986]."""
    a, b, c, d = table[:, 0, 0], table[:, 0, 1], table[:, 1, 0], table[:, 1, 1]
    R, S = a * d / n, b * c / n
    P, Q = (a + d) / n, (b + c) / n
    sum_r, sum_s = float(R.sum()), float(S.sum())
    if sum_r == 0 or sum_s == 0:
        return (math.nan if sum_r == sum_s else 0.0 if sum_r == 0 else math.inf), math.nan
    variance = (
        (P * R).sum() / (2 * sum_r**2)
        + (P * S + Q * R).sum() / (2 * sum_r * sum_s)
        + (Q * S).sum() / (2 * sum_s**2)
    )
    return sum_r / sum_s, math.sqrt(float(variance))


def ratio_limits(ratio: float, log_se: float, level: float, alternative: str) -> tuple[float, float]:
    if math.isnan(log_se):
        return math.nan, math.nan
    out = 1 - level
    z = normal_quantile(1 - (out / 2 if alternative == "two-sided" else out))
    low = 0.0 if alternative == "less" else ratio * math.exp(-z * log_se)
    high = math.inf if alternative == "greater" else ratio * math.exp(z * log_se)
    return low, high


def risk_ratio(table: Floats, n: Floats, level: float) -> TestResult:
    """Mantel-Haenszel risk ratio of the first column, first row over second [greenland1985]."""
    a, c = table[:, 0, 0], table[:, 1, 0]
    n1, n2, events = table[:, 0].sum(axis=1), table[:, 1].sum(axis=1), a + c
    above, below = float((a * n2 / n).sum()), float((c * n1 / n).sum())
    conventions = ("Mantel-Haenszel weights; limits: Greenland-Robins, on the log scale",)
    if above == 0 or below == 0:
        return TestResult("Mantel-Haenszel risk ratio", "risk ratio", level=level, conventions=conventions)
    variance = float(((n1 * n2 * events - a * c * n) / n**2).sum()) / (above * below)
    ratio, log_se = above / below, math.sqrt(variance)
    z = normal_quantile(1 - (1 - level) / 2)
    return TestResult(
        "Mantel-Haenszel risk ratio",
        "risk ratio",
        estimate=ratio,
        std_error=log_se,
        conf_low=ratio * math.exp(-z * log_se),
        conf_high=ratio * math.exp(z * log_se),
        level=level,
        n=int(n.sum()),
        conventions=conventions,
    )


def risk_difference(table: Floats, n: Floats, level: float) -> TestResult:
    """Mantel-Haenszel risk difference with Sato's variance, for few or many strata [sato1989]."""
    a, c = table[:, 0, 0], table[:, 1, 0]
    b, d = table[:, 0, 1], table[:, 1, 1]
    n1, n2 = a + b, c + d
    use = (n1 > 0) & (n2 > 0)
    a, c, b, d, n1, n2, n = (v[use] for v in (a, c, b, d, n1, n2, n))
    conventions = ("Mantel-Haenszel weights; limits: Sato's variance",)
    weight = float((n1 * n2 / n).sum())
    if weight == 0:
        return TestResult("Mantel-Haenszel risk difference", "risk difference", level=level)
    difference = float(((a * n2 - c * n1) / n).sum()) / weight
    P = (n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2) / n**2
    Q = (a * d + c * b) / (2 * n)
    variance = (difference * float(P.sum()) + float(Q.sum())) / weight**2
    se = math.sqrt(max(0.0, variance))
    z = normal_quantile(1 - (1 - level) / 2)
    return TestResult(
        "Mantel-Haenszel risk difference",
        "risk difference",
        estimate=difference,
        std_error=se,
        conf_low=max(-1.0, difference - z * se),
        conf_high=min(1.0, difference + z * se),
        level=level,
        n=int(n.sum()),
        conventions=conventions,
    )


def breslow_day(tables: Any, *, tarone: bool = True) -> TestResult:
    """Test whether the strata of 2 x 2 tables share one odds ratio [breslow1980], [tarone1985].

    Each stratum's first cell is compared with its fitted value under the Mantel-Haenszel odds ratio.
    """
    counts = require_strata(tables)
    if counts.shape[1:] != (2, 2):
        raise StatsError("homogeneity is tested in 2 x 2 strata", where="tables", found=f"{counts.shape}")
    table = counts.astype(np.float64)
    informative = (table.sum(axis=2).min(axis=1) > 0) & (table.sum(axis=1).min(axis=1) > 0)
    table = table[informative]
    method = "Breslow-Day test of homogeneity" + (" with Tarone's correction" if tarone else "")
    n = table.sum(axis=(1, 2))
    ratio = odds_ratio(table, n)[0] if len(table) else math.nan
    if len(table) < 2 or not 0 < ratio < math.inf:
        return TestResult(method, "homogeneity", warnings=("the common odds ratio does not exist",))
    m1, t = table[:, 0].sum(axis=1), table[:, :, 0].sum(axis=1)
    fitted = _fitted_cell(ratio, m1, n - m1, t)
    variance = 1 / (1 / fitted + 1 / (m1 - fitted) + 1 / (t - fitted) + 1 / (n - m1 - t + fitted))
    difference = table[:, 0, 0] - fitted
    statistic = float((difference**2 / variance).sum())
    if tarone:
        statistic -= float(difference.sum() ** 2 / variance.sum())
    df = float(len(table) - 1)
    left_out = int((~informative).sum())
    return TestResult(
        method,
        "homogeneity",
        statistic=statistic,
        df=df,
        p_value=chi_square_tail(statistic, df),
        statistic_name="chi-square",
        n=int(n.sum()),
        conventions=("fitted under the Mantel-Haenszel odds ratio",),
        warnings=(f"{left_out} strata with an empty row or column say nothing",) if left_out else (),
    )


def _fitted_cell(ratio: float, m1: Floats, m2: Floats, t: Floats) -> Floats:
    """First cells whose tables have the odds ratio `ratio` and these margins: the root of a quadratic."""
    if ratio == 1.0:
        return m1 * t / (m1 + m2)
    linear = m2 - t + ratio * (m1 + t)
    root = np.sqrt(linear**2 - 4 * (ratio - 1) * ratio * m1 * t)
    return 2 * ratio * m1 * t / (linear + root)  # the stable form of (linear - root) / (2 (ratio - 1))
