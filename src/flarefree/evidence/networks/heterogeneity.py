"""How much true effects differ between studies: estimators of tau2, limits, I2.

All work on independent rows (`rows.py`), whose variance is `v + u` with u = tau2 / 2; the estimators are
those of meta-regression in u.  Begin reading at `estimate_tau2`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.rows import Rows, fit

__all__ = ["Heterogeneity", "TauMethod", "describe_heterogeneity", "estimate_tau2", "log_likelihood"]

Floats = NDArray[np.float64]
TauMethod = Literal["DL", "REML", "ML", "PM"]

MOST_ITERATIONS = 200
STARTS = (0.0, 0.2, 1.0, 5.0)  # times the moment estimate: the likelihood of tau2 may have two peaks


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Between-study variance and what it rests on.

    Attributes
    ----------
    tau2, tau : float
        Variance and standard deviation of true effects between studies; NaN with no degrees of freedom.
    tau2_low, tau2_high : float
        Limits by the Q profile [viechtbauer2007], at the network's confidence level.
    q, df, p_value : float
        Cochran's Q of the common-effect model: heterogeneity within and inconsistency between designs.
    i2, i2_low, i2_high, h : float
        I2 as a share of 1; test-based limits [higgins2002].
    method : str
    """

    tau2: float
    tau: float
    tau2_low: float
    tau2_high: float
    q: float
    df: int
    p_value: float
    i2: float
    i2_low: float
    i2_high: float
    h: float
    method: str


def estimate_tau2(rows: Rows, method: TauMethod = "DL") -> float:
    """The between-study variance; NaN if the rows leave no degrees of freedom.

    `DL`: the moment estimator for contrasts with any number of arms [jackson2012; ruecker2012].
    `PM`: the value at which Q meets its degrees of freedom.  `REML`, `ML`: the highest likelihood.
    """
    if len(rows) <= rows.x.shape[1]:
        return math.nan
    match method:
        case "DL":
            return 2 * max(_moments(rows), 0.0)
        case "PM":
            return 2 * _where_q_is(rows, len(rows) - rows.x.shape[1])
        case _:
            return 2 * _highest_likelihood(rows, is_restricted=method == "REML")


def _moments(rows: Rows) -> float:
    """E[Q] = df + u tr(P), so u = (Q - df) / tr(P); may be negative."""
    weight = 1 / rows.v
    result = fit(rows)
    squared = rows.x.T @ (rows.x * (weight**2)[:, None])
    return float((result.q - result.df) / (weight.sum() - np.trace(result.covariance @ squared)))


def _where_q_is(rows: Rows, wanted: float) -> float:
    """U at which Q(u) is `wanted`; 0 if it is less already at u = 0.  Q falls in u."""
    if fit(rows).q <= wanted:
        return 0.0
    low, high = 0.0, float(np.mean(rows.v))
    while fit(rows, 2 * high).q > wanted:
        low, high = high, high * 4
        if high > 1e30:
            return math.inf
    from scipy.optimize import brentq

    return float(brentq(lambda u: fit(rows, 2 * u).q - wanted, low, high, xtol=1e-15, rtol=1e-13))


def log_likelihood(rows: Rows, tau2: float, *, is_restricted: bool = True) -> float:
    """Log likelihood of tau2 on the rows, the coefficients profiled out; without constants of the data."""
    whole = rows.v + tau2 / 2
    result = fit(rows, tau2)
    value = -0.5 * (np.log(whole).sum() + result.q)
    if is_restricted:
        value += 0.5 * np.linalg.slogdet(result.covariance)[1]
    return float(value)


def _highest_likelihood(rows: Rows, *, is_restricted: bool) -> float:
    """Fisher scoring from several starts; steps are halved until the likelihood rises."""
    around = max(_moments(rows), 0.05 * float(np.median(rows.v)))
    peaks = {0.0: log_likelihood(rows, 0.0, is_restricted=is_restricted)}
    for start in STARTS:
        u = _climb(rows, start * around, is_restricted)
        peaks[u] = log_likelihood(rows, 2 * u, is_restricted=is_restricted)
    return max(peaks, key=lambda u: (peaks[u], -u))


def _climb(rows: Rows, u: float, is_restricted: bool) -> float:
    value = log_likelihood(rows, 2 * u, is_restricted=is_restricted)
    for _ in range(MOST_ITERATIONS):
        step = _scoring_step(rows, u, is_restricted)
        new = max(u + step, 0.0)
        for _ in range(40):
            reached = log_likelihood(rows, 2 * new, is_restricted=is_restricted)
            if reached >= value - 1e-13 * abs(value):
                break
            new = (u + new) / 2
        if abs(new - u) <= 1e-12 * (u + 1e-12) or (new == 0.0 and u == 0.0):
            return new
        u, value = new, reached
    return u


def _scoring_step(rows: Rows, u: float, is_restricted: bool) -> float:
    """Score over information for u [methods/network, eq. 5]."""
    weight = 1 / (rows.v + u)
    result = fit(rows, 2 * u)
    left = rows.y - rows.x @ result.coefficient
    lever = result.covariance @ (rows.x.T @ (rows.x * (weight**2)[:, None]))
    squares = float((weight * left) @ (weight * left))
    if not is_restricted:
        return (squares - float(weight.sum())) / float((weight**2).sum())
    cubed = result.covariance @ (rows.x.T @ (rows.x * (weight**3)[:, None]))
    trace = float(weight.sum() - np.trace(lever))
    information = float((weight**2).sum() - 2 * np.trace(cubed) + (lever * lever.T).sum())
    return (squares - trace) / information


# Description ----------------------------------------------------------------------------------------


def describe_heterogeneity(rows: Rows, tau2: float, method: str, conf_level: float) -> Heterogeneity:
    """Q, I2 and limits, beside a tau2 already estimated."""
    from scipy.special import chdtrc, chdtri

    result = fit(rows)
    q, df = max(result.q, 0.0), result.df
    p_value = float(chdtrc(df, q)) if df else math.nan
    low = high = math.nan
    if df:
        tail = (1 - conf_level) / 2
        low = 2 * _where_q_is(rows, float(chdtri(df, tail)))
        high = 2 * _where_q_is(rows, float(chdtri(df, 1 - tail)))
    h, h_low, h_high = _h(q, df, conf_level)
    return Heterogeneity(
        tau2, math.sqrt(tau2), low, high, q, df, p_value, _i2(h), _i2(h_low), _i2(h_high), h, method
    )


def _i2(h: float) -> float:
    return max(0.0, 1 - 1 / h**2) if h and not math.isnan(h) else (0.0 if h == 0 else math.nan)


def _h(q: float, df: int, conf_level: float) -> tuple[float, float, float]:
    """H = sqrt(Q / df) with test-based limits on its logarithm [higgins2002, p. 1545]; at least 1."""
    from scipy.special import ndtri

    if df == 0:
        return math.nan, math.nan, math.nan
    h = math.sqrt(max(q / df, 1.0))
    if q > df + 1:
        error = 0.5 * (math.log(q) - math.log(df)) / (math.sqrt(2 * q) - math.sqrt(2 * df - 1))
    elif df > 1:
        error = math.sqrt(1 / (2 * (df - 1)) * (1 - 1 / (3 * (df - 1) ** 2)))
    else:
        return h, math.nan, math.nan
    z = float(ndtri(0.5 + conf_level / 2))
    return h, max(math.exp(math.log(h) - z * error), 1.0), math.exp(math.log(h) + z * error)
