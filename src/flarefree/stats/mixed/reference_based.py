"""What missing visits might have been: the normal distribution that each strategy draws them from.

Before a subject's deviation its own arm rules.  From there on, the reference arm may take over: at once
(jump to reference), from the start (copy reference), or in its increments (copy increments).  Then the
missing visits are drawn given the observed ones (docs/methods/reference_based_imputation.md, 2).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["STRATEGIES", "Strategy", "conditional_moments", "draw_missing", "strategy_moments"]

Floats = NDArray[np.float64]
Strategy = Literal["mar", "jump-to-reference", "copy-increments", "copy-reference"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def strategy_moments(
    strategy: Strategy,
    own_mean: Floats,
    reference_mean: Floats,
    own_covariance: Floats,
    reference_covariance: Floats,
    deviation: int,
) -> tuple[Floats, Floats]:
    """Mean (m,) and covariance (m, m) of a subject's visits under a strategy.

    Parameters
    ----------
    own_mean, reference_mean : (m,) float
        Means with the subject's covariates, in its own and in the reference arm.
    own_covariance, reference_covariance : (m, m) float
        Of the visits in either arm; equal unless the model has one a group.
    deviation : int
        The first visit that the strategy rules, 0 .. m; m if there is none.

    References
    ----------
    [carpenter2013], section 3
    """
    m = len(own_mean)
    if strategy == "mar" or deviation >= m:
        return own_mean, own_covariance
    if strategy == "copy-reference" or deviation == 0:
        return reference_mean, reference_covariance
    mean = own_mean.copy()
    after = slice(deviation, m)
    mean[after] = reference_mean[after]
    if strategy == "copy-increments":
        mean[after] += own_mean[deviation - 1] - reference_mean[deviation - 1]
    return mean, _joined(own_covariance, reference_covariance, deviation)


def _joined(own: Floats, reference: Floats, deviation: int) -> Floats:
    """Own covariance before the deviation, the reference's regression on it afterwards."""
    before, after = slice(0, deviation), slice(deviation, len(own))
    slope = np.linalg.solve(reference[before, before], reference[before, after]).T
    joined = np.empty_like(own)
    joined[before, before] = own[before, before]
    joined[after, before] = slope @ own[before, before]
    joined[before, after] = joined[after, before].T
    joined[after, after] = (
        reference[after, after] - slope @ (reference[before, before] - own[before, before]) @ slope.T
    )
    return joined


def conditional_moments(
    mean: Floats, covariance: Floats, y: Floats, is_missing: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Mean and covariance of the missing visits given the observed ones."""
    there = ~is_missing
    if not there.any():
        return mean[is_missing], covariance[np.ix_(is_missing, is_missing)]
    across = covariance[np.ix_(is_missing, there)]
    slope = np.linalg.solve(covariance[np.ix_(there, there)], across.T).T
    expected = mean[is_missing] + slope @ (y[there] - mean[there])
    return expected, covariance[np.ix_(is_missing, is_missing)] - slope @ across.T


def draw_missing(
    mean: Floats, covariance: Floats, y: Floats, is_missing: NDArray[np.bool_], rng: np.random.Generator
) -> Floats:
    """One draw of the missing visits given the observed ones."""
    expected, spread = conditional_moments(mean, covariance, y, is_missing)
    # a Cholesky factor, not eigenvectors: their signs would turn with the last digit of the covariance
    root = np.linalg.cholesky((spread + spread.T) / 2.0)
    return np.asarray(expected + root @ rng.standard_normal(len(expected)), dtype=np.float64)
