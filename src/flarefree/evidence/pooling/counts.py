"""Pooling from the counts themselves: Mantel-Haenszel, Peto, and the exact conditional odds ratio.

Trials with an empty cell need no correction here; those without events in either arm add nothing to a ratio.
Cochran's Q is about the effects that `measures` computes.  Formulas: docs/methods/pairwise.md, section 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from flarefree.errors import EvidenceError
from flarefree.evidence.pooling.inverse_variance import Fit
from flarefree.evidence.pooling.measures import Tables
from flarefree.stats.conditional import ConditionalCount, of_strata, of_sum

__all__ = ["ExactLimits", "fit_exact", "fit_mantel_haenszel", "fit_peto"]

Floats = NDArray[np.float64]


def fit_mantel_haenszel(tables: Tables, measure: str, y: Floats, v: Floats) -> Fit:
    """Mantel and Haenszel's pooled ratio or difference over all `tables`.

    Variances: Robins, Breslow and Greenland for odds ratios, Greenland and Robins for risk and rate
    ratios, Sato for risk differences [robins1986], [greenland1985], [sato1989].  `y`, `v` are the effects
    that Q is about.
    """
    b, variance, weight = _BY_MEASURE[measure](tables)
    if not (math.isfinite(b) and math.isfinite(variance)):
        raise EvidenceError(
            "the Mantel-Haenszel estimate does not exist",
            where="method",
            found="an arm without events (or without others) in every trial",
            expected="events in both arms, over all trials together",
            try_='measure="RD", or method="exact", whose limits exist',
        )
    q = float(((y - b) ** 2 / v).sum())
    return Fit(np.array([b]), np.array([[variance]]), math.inf, 0.0, weight / weight.sum(), q, len(y) - 1)


def _odds_ratio(t: Tables) -> tuple[float, float, Floats]:
    a, c = t.events[:, 0], t.events[:, 1]
    b, d, n = t.n[:, 0] - a, t.n[:, 1] - c, t.n.sum(axis=1)
    R, S, P, Q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    r, s = float(R.sum()), float(S.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = 0.5 * (
            float(P @ R) / np.float64(r) ** 2
            + (float(P @ S) + float(Q @ R)) / (np.float64(r) * s)
            + float(Q @ S) / np.float64(s) ** 2
        )
        return float(np.log(np.float64(r) / s)), float(variance), S


def _risk_ratio(t: Tables) -> tuple[float, float, Floats]:
    a, c, n1, n2, n = *t.events.T, *t.n.T, t.n.sum(axis=1)
    above, below = a * n2 / n, c * n1 / n
    r, s = np.float64(above.sum()), np.float64(below.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = float(((n1 * n2 * (a + c) - a * c * n) / n**2).sum())
        return float(np.log(r / s)), float(spread / (r * s)), below


def _risk_difference(t: Tables) -> tuple[float, float, Floats]:
    a, c, n1, n2, n = *t.events.T, *t.n.T, t.n.sum(axis=1)
    weight = n1 * n2 / n
    total = float(weight.sum())
    b = float((a * n2 / n - c * n1 / n).sum()) / total
    P = (n1 / n) ** 2 * c - (n2 / n) ** 2 * a + n1 * n2 * (n2 - n1) / (2.0 * n**2)
    Q = (a * (n2 - c) + c * (n1 - a)) / (2.0 * n)
    return b, (b * float(P.sum()) + float(Q.sum())) / total**2, weight


def _rate_ratio(t: Tables) -> tuple[float, float, Floats]:
    a, c, t1, t2 = *t.events.T, *t.person_time.T
    total = t1 + t2
    r, s = np.float64((a * t2 / total).sum()), np.float64((c * t1 / total).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = float((t1 * t2 / total**2 * (a + c)).sum())
        return float(np.log(r / s)), float(spread / (r * s)), c * t1 / total


def _rate_difference(t: Tables) -> tuple[float, float, Floats]:
    a, c, t1, t2 = *t.events.T, *t.person_time.T
    weight = t1 * t2 / (t1 + t2)
    total = float(weight.sum())
    b = float((weight * (a / t1 - c / t2)).sum()) / total
    return b, float((weight**2 * (a / t1**2 + c / t2**2)).sum()) / total**2, weight


_BY_MEASURE = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "RD": _risk_difference,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
}


def fit_peto(tables: Tables) -> Fit:
    """Peto's one-step odds ratio: the sum of O - E over the sum of V [yusuf1985]."""
    events, n = tables.events.sum(axis=1), tables.n.sum(axis=1)
    excess = tables.events[:, 0] - events * tables.n[:, 0] / n
    with np.errstate(divide="ignore", invalid="ignore"):
        V = tables.n[:, 0] * tables.n[:, 1] * (events / n) * (n - events) / n / (n - 1.0)
    V = np.where(np.isfinite(V), V, 0.0)
    total = float(V.sum())
    if total == 0.0:
        raise EvidenceError(
            "no trial tells anything of the odds ratio",
            where="method",
            found="nobody, or everybody, had the event in each trial",
            expected="a trial with both",
        )
    b = float(excess.sum()) / total
    used = V > 0.0
    q = float((excess[used] ** 2 / V[used]).sum()) - b * b * total
    return Fit(
        np.array([b]), np.array([[1.0 / total]]), math.inf, 0.0, V / total, max(q, 0.0), int(used.sum()) - 1
    )


@dataclass(frozen=True, slots=True)
class ExactLimits:
    """Limits and P of the conditional distribution, on the log scale; infinite at an end of the range."""

    low: float
    high: float
    p_value: float


def fit_exact(tables: Tables, measure: str, y: Floats, v: Floats, level: float) -> tuple[Fit, ExactLimits]:
    """The conditional maximum-likelihood ratio given all margins, with exact limits and P [gart1970].

    The standard error is that of the conditional information at the estimate; infinite estimates have none.
    """
    x = int(np.rint(tables.events[:, 0].sum()))
    count = _strata(tables, x) if measure == "OR" else _rates(tables, x)
    if count.low == count.high:
        raise EvidenceError(
            f"no trial tells anything of the {'odds' if measure == 'OR' else 'rate'} ratio",
            where="method",
            found="nobody, or everybody, had the event in each trial",
            expected="a trial with both",
        )
    b = count.log_odds(x)
    low, high = count.limits(x, level, "two-sided")
    information = math.nan
    if math.isfinite(b):
        steps, pmf = np.arange(count.log_weight.size), count.pmf(b)
        information = float(pmf @ steps**2) - float(pmf @ steps) ** 2
    informative = _informative(tables, measure)
    q = float(((y - b) ** 2 / v).sum()) if math.isfinite(b) else math.nan
    weight = informative / informative.sum()
    fit = Fit(np.array([b]), np.array([[1.0 / information]]), math.inf, 0.0, weight, q, len(y) - 1)
    return fit, ExactLimits(low, high, count.p_value(x, "two-sided"))


def _strata(tables: Tables, x: int) -> ConditionalCount:
    margins = np.column_stack([tables.n, tables.events.sum(axis=1)])
    return of_strata(np.rint(margins).astype(np.int64), x)


def _rates(tables: Tables, x: int) -> ConditionalCount:
    """Events of the first arms given all events: sums of binomials with odds ratio x time 1 / time 2."""
    parts = []
    for (one, two), (time_1, time_2) in zip(tables.events, tables.person_time):
        total = int(np.rint(one + two))
        first = np.arange(total + 1)
        log_choose = gammaln(total + 1) - gammaln(first + 1) - gammaln(total - first + 1)
        log_weight = log_choose + first * (math.log(time_1) - math.log(time_2))
        parts.append(ConditionalCount(0, np.asarray(log_weight - log_weight.max(), dtype=np.float64)))
    return of_sum(parts, x)


def _informative(tables: Tables, measure: str) -> Floats:
    """Each trial's information about the ratio at no difference."""
    events, size = tables.events.sum(axis=1), tables.n if measure == "OR" else tables.person_time
    share = size[:, 0] / size.sum(axis=1)
    spread = events * share * (1.0 - share)
    if measure == "OR":
        total = size.sum(axis=1)
        spread = spread * (total - events) / (total - 1.0)
    return np.asarray(spread, dtype=np.float64)
