"""Working correlations of estimating equations, and how their parameters are estimated."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.mixed.algebra import Floats, invert

__all__ = ["CorrelationName", "correlate", "invert_correlation"]

CorrelationName = Literal["independence", "exchangeable", "ar1", "unstructured"]


def correlate(
    e: Floats, there: NDArray[np.bool_], phi: float, structure: CorrelationName
) -> tuple[Floats, Floats]:
    """Correlation parameters and their matrix from products of residuals."""
    m = e.shape[1]
    lag = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    above = np.triu_indices(m, 1)
    sums = (e.T @ e / phi)[above]
    counts = (there.T.astype(float) @ there)[above]
    if structure == "independence" or not counts.sum():
        return np.empty(0), np.eye(m)
    if structure == "exchangeable":
        alpha = np.atleast_1d(sums.sum() / counts.sum())
        return alpha, np.where(lag == 0, 1.0, alpha[0])
    if structure == "ar1":
        rho = _solve_ar1(sums, counts, lag[above])
        return np.atleast_1d(rho), rho ** lag.astype(float)
    if (counts == 0).any():
        raise StatsError(
            "two visits never occur in one subject, so their correlation is unknown",
            where="correlation",
            found="unstructured",
            try_="correlation='exchangeable'",
        )
    R = np.eye(m)
    R[above] = sums / counts
    return R[above], R + R.T - np.eye(m)


def _solve_ar1(sums: Floats, counts: Floats, lag: NDArray[np.intp]) -> float:
    """The root of sum_jk lag rho^(lag - 1) (z_jk - rho^lag) in (-1, 1)."""
    from scipy.optimize import brentq

    def equation(rho: float) -> float:
        return float(np.sum(lag * rho ** (lag - 1.0) * (sums - counts * rho**lag)))

    adjacent = lag == 1
    start = float(np.clip(sums[adjacent].sum() / max(counts[adjacent].sum(), 1.0), -0.9, 0.9))
    low, high = max(start - 0.1, -0.999), min(start + 0.1, 0.999)
    while equation(low) < 0 and low > -0.999:
        low = max(low - 0.1, -0.999)
    while equation(high) > 0 and high < 0.999:
        high = min(high + 0.1, 0.999)
    if equation(low) * equation(high) > 0:
        return low if abs(equation(low)) < abs(equation(high)) else high
    return float(brentq(equation, low, high, xtol=1e-15, rtol=1e-14))


def invert_correlation(R: Floats, observed: Floats) -> Floats:
    """Inverse correlations of each pattern of visits; zero at missing visits."""
    there = observed[:, :, None] * observed[:, None, :]
    padded = R * there
    m = len(R)
    padded[:, np.arange(m), np.arange(m)] = 1.0
    try:
        np.linalg.cholesky(padded)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "the working correlation matrix is not positive definite",
            where="gee",
            found=np.array2string(R, precision=3),
            try_="correlation='exchangeable' or 'independence'",
        ) from None
    return invert(padded) * there
