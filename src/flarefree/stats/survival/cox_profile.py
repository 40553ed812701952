"""Profile-likelihood limits of Cox coefficients: the ones to trust with few events or Firth's penalty.

Formulas: docs/methods/survival_cox.md, "Profile limits".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.survival._newton import Evaluate
from flarefree.stats.survival._numbers import chi_square_p, normal_quantile
from flarefree.stats.survival._search import find_root
from flarefree.stats.survival.cox_array import likelihood
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["profile_limits"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
FARTHEST = 60.0  # of a log hazard ratio across a covariate's spread: infinity for every purpose


def profile_limits(fit: CoxFit) -> pl.DataFrame:
    """Limits where twice the (penalized) log likelihood falls by the chi-square quantile.

    Returns
    -------
    polars.DataFrame
        term, estimate, conf_low, conf_high, statistic and p_value of the likelihood-ratio test of zero,
        hazard_ratio, hr_conf_low, hr_conf_high; limits are infinite where the likelihood is flat.
    """
    if fit.frailty is not None or fit.n_clusters is not None:
        raise StatsError(
            "profile limits need a likelihood of independent rows",
            where="fit",
            found=fit.method,
            expected="a model without frailty and clusters",
        )
    evaluate = likelihood(fit.rows, fit.ties, fit.firth)
    rows = [_profile(fit, evaluate, j) for j in range(fit.coef.size)]
    names = ("estimate", "conf_low", "conf_high", "statistic", "p_value")
    columns: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    with np.errstate(over="ignore"):
        ratios = {
            "hazard_ratio": np.exp(columns["estimate"]),
            "hr_conf_low": np.exp(columns["conf_low"]),
            "hr_conf_high": np.exp(columns["conf_high"]),
        }
    return pl.DataFrame({"term": list(fit.terms), **columns, **ratios})


def _profile(fit: CoxFit, evaluate: Evaluate, j: int) -> tuple[float, float, float, float, float]:
    scale = float(fit.rows.scale[j])
    beta = fit.coef * fit.rows.scale
    spread = float(np.ptp(fit.rows.x[:, j]))
    floor = fit.loglik - normal_quantile(fit.level) ** 2 / 2.0
    limits = []
    for side in (-1.0, 1.0):
        limits.append(_limit(evaluate, beta, j, side, floor, spread, float(fit.std_error[j]) * scale) / scale)
    statistic = max(2.0 * (fit.loglik - _constrained(evaluate, beta, j, 0.0)[0]), 0.0)
    return float(fit.coef[j]), limits[0], limits[1], statistic, chi_square_p(statistic, 1)


def _limit(
    evaluate: Evaluate, beta: Floats, j: int, side: float, floor: float, spread: float, error: float
) -> float:
    """Where the profile crosses `floor` on one side of the estimate; infinite if it never does."""
    start = beta

    def above(value: float) -> float:
        nonlocal start
        loglik, start = _constrained(evaluate, start, j, value)
        return loglik - floor

    step = error if math.isfinite(error) and error * spread < 5.0 else 1.0 / spread
    inner = float(beta[j])
    outer = inner + side * 2.0 * step
    while above(outer) > 0:
        inner = outer
        if abs(outer - beta[j]) * spread > FARTHEST:
            return side * math.inf
        step *= 1.5
        outer = outer + side * step
    return find_root(above, inner, outer, tolerance=1e-10)


def _constrained(evaluate: Evaluate, start: Floats, j: int, value: float) -> tuple[float, Floats]:
    """The largest likelihood with coefficient j held at a value, and where the others are then."""
    beta = start.copy()
    beta[j] = value
    others = np.delete(np.arange(beta.size), j)
    loglik, score, information = evaluate(beta)
    for _ in range(100):
        if not others.size:
            return loglik, beta
        step = np.linalg.solve(information[np.ix_(others, others)], score[others])
        gain = float(score[others] @ step)
        if gain < 1e-14:
            return loglik + gain / 2.0, beta
        for _ in range(40):
            candidate = beta.copy()
            candidate[others] += step
            found = evaluate(candidate)
            if found[0] >= loglik - 1e-12 * max(1.0, abs(loglik)):
                break
            step = step / 2.0
        beta = candidate
        loglik, score, information = found
    raise ConvergenceError(
        "the profile likelihood did not settle", where="profile limits", found=f"100 steps at {value:.3g}"
    )
