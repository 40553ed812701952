"""Weighted least squares by Householder's QR, with columns that others determine left out in order.

Which columns are left out, and when, is as in R's `lm`: the later of two columns that say the same, if
what remains of it after the earlier ones is below 1e-7 of its length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fit", "estimable", "fit_least_squares", "residual_squares", "wald_f"]

Floats = NDArray[np.float64]

_SAME = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Coefficients of the kept columns and the inverse of their cross products.

    Attributes
    ----------
    kept : (q,) int64
        Columns of the matrix that have a coefficient.
    coefficients : (q,) float64
    unscaled : (q, q) float64
        (X'WX)^-1.
    residuals : (n,) float64
        y - Xb, on the scale of y.
    squares : float
        Weighted sum of squared residuals.
    """

    kept: NDArray[np.int64]
    coefficients: Floats
    unscaled: Floats
    residuals: Floats
    squares: float


def fit_least_squares(X: Floats, y: Floats, weights: Floats | None = None) -> Fit:
    """Least squares of y on the columns of X that earlier columns do not determine."""
    root = None if weights is None else np.sqrt(weights)
    scaled, target = (X, y) if root is None else (X * root[:, None], y * root)
    kept, Q, R = _independent(scaled)
    coefficients: Floats = np.asarray(np.linalg.solve(R, Q.T @ target) if kept.size else np.empty(0))
    inverse = np.linalg.solve(R, np.eye(kept.size)) if kept.size else np.empty((0, 0))
    residuals = y - X[:, kept] @ coefficients
    weighted = residuals if root is None else residuals * root
    return Fit(kept, coefficients, inverse @ inverse.T, residuals, float(weighted @ weighted))


def _independent(X: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    kept = np.arange(X.shape[1])
    length = np.sqrt((X**2).sum(axis=0))
    while True:
        Q, R = np.linalg.qr(X[:, kept])
        rest = np.abs(np.diag(R)) if kept.size else np.empty(0)
        # With fewer rows than columns R has no diagonal beyond the rows.
        rest = np.concatenate([rest, np.zeros(kept.size - rest.size)])
        same = np.flatnonzero(rest <= _SAME * length[kept])
        if not same.size:
            return kept, Q, R
        # One at a time: behind a column left in by mistake, the others' remainders mean nothing.
        kept = np.delete(kept, same[0])


def residual_squares(X: Floats, y: Floats, weights: Floats | None = None) -> tuple[float, int]:
    """Residual sum of squares and rank."""
    fit = fit_least_squares(X, y, weights)
    return fit.squares, fit.kept.size


def wald_f(coefficients: Floats, unscaled: Floats, variance: float) -> float:
    """F of the hypothesis that all of some coefficients are zero."""
    return float(coefficients @ np.linalg.solve(unscaled, coefficients)) / (coefficients.size * variance)


def estimable(L: Floats, X: Floats, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of L are combinations of rows of X, where X lacks full rank."""
    if kept.size == X.shape[1]:
        return np.ones(len(L), dtype=bool)
    # Every column left out is a combination of kept ones: a row of L must repeat that combination.
    out = np.setdiff1d(np.arange(X.shape[1]), kept)
    combination = np.linalg.lstsq(X[:, kept], X[:, out], rcond=None)[0]
    difference = np.abs(L[:, kept] @ combination - L[:, out])
    return np.asarray(
        (difference <= 1e-8 * np.maximum(1.0, np.abs(L).max(axis=1, keepdims=True))).all(axis=1)
    )
