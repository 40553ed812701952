"""Pooling by the inverse of variances: common effect, random effects, regression on moderators.

`fit_inverse_variance` is the whole method; Hartung-Knapp's variance and its floor are a factor at its end.
Formulas: docs/methods/pairwise.md, sections 3 and 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.pooling.heterogeneity import estimate_tau2
from flarefree.evidence.pooling.weighing import Design
from flarefree.stats.distributions import normal_quantile, t_quantile

__all__ = ["Fit", "fit_inverse_variance", "limits_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Coefficients on the scale of analysis, and what is needed to speak of them.

    Attributes
    ----------
    b, covariance : (p,), (p, p) float
        With Hartung-Knapp's factor in the covariance, where it was asked for.
    df : float
        Of the t distribution that tests and limits use; infinite for the normal.
    tau2 : float
    weight : (k,) float
        What each trial's effect counted; sums to 1.
    q, q_df : float
        Cochran's Q about the weighted fit without tau2, and its degrees of freedom.
    factor : float
        Hartung-Knapp's factor, before its floor; NaN where not used.
    loglik : float
        Log likelihood of methods by likelihood; NaN otherwise.
    tau2_std_error : float
        Where the method itself gives one.
    """

    b: Floats
    covariance: Floats
    df: float
    tau2: float
    weight: Floats
    q: float
    q_df: int
    factor: float = math.nan
    loglik: float = math.nan
    tau2_std_error: float = math.nan
    n_trials: int | None = None
    """Trials that tell something, where they are fewer than the tables."""

    @property
    def std_error(self) -> Floats:
        """(p,) standard errors."""
        return np.sqrt(np.diag(self.covariance))


def fit_inverse_variance(
    y: Floats,
    v: Floats,
    design: Design,
    method: str,
    *,
    hartung_knapp: bool = False,
    ad_hoc_floor: bool = False,
    tau2: float | None = None,
) -> Fit:
    """Weighted least squares with weights 1 / (v + tau2).

    Parameters
    ----------
    y, v : (k,) float
        Effects and their sampling variances.
    method : str
        `common` (tau2 = 0), or one of `heterogeneity.ESTIMATORS`.
    hartung_knapp : bool
        Variance by the weighted residuals and t with k - p degrees of freedom [hartung2001a].
    ad_hoc_floor : bool
        Never let that make the variance smaller: its factor is 1 at least [knapp2003].
    tau2 : float, optional
        Taken as known.
    """
    k, p = len(y), design.n_columns
    w0 = 1.0 / v
    q = design.projected(y, w0) if k > p else 0.0
    if tau2 is None:
        tau2 = 0.0 if method == "common" or k <= p else estimate_tau2(y, v, design, method)
    w = 1.0 / (v + tau2)
    b, covariance = design.coefficients(y, w)
    df, factor = math.inf, math.nan
    if hartung_knapp and k > p:
        df = float(k - p)
        factor = design.projected(y, w) / df
        covariance = covariance * (max(1.0, factor) if ad_hoc_floor else factor)
    return Fit(b, covariance, df, tau2, w / w.sum(), q, k - p, factor)


def limits_of(
    estimate: Floats | float, std_error: Floats | float, df: float, level: float
) -> tuple[Floats | float, Floats | float]:
    """Symmetric limits by the t distribution, or the normal for infinite `df`."""
    tail = 1.0 - (1.0 - level) / 2.0
    reach = (normal_quantile(tail) if math.isinf(df) else t_quantile(tail, df)) * std_error
    return estimate - reach, estimate + reach
