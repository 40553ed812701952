"""Where the sampler starts, and in which coordinates it moves: a normal network near the posterior.

The coefficients' posterior is nearly normal once heterogeneity is given; a network on the normal
distributions near the units' likelihoods tells its center and shape.  Sampling in these coordinates takes
few steps; the posterior is the same in all [methods/bayesian-network, section 4].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.priors import HalfNormal, LogNormal, Priors, Uniform

__all__ = ["Start", "identified", "start_near"]

Floats = NDArray[np.float64]
SHARES = np.linspace(0.02, 0.98, 25)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Coefficients are `center + root @ u`, u about standard normal; `tau` is likely."""

    center: Floats
    root: Floats
    tau: float


def start_near(x: Floats, data: NetworkData, priors: Priors, prior_sd: Floats, *, is_random: bool) -> Start:
    """The best of a grid of heterogeneities, by restricted likelihood and prior.

    Parameters
    ----------
    x : (n_units, n_columns) float
    prior_sd : (n_columns,) float
    """
    grid = _grid(priors) if is_random else np.zeros(1)
    fits = [_fit(x, data, prior_sd, tau) for tau in grid]
    best = int(np.argmax([score for score, _, _ in fits]))
    _, center, covariance = fits[best]
    return Start(center, np.asarray(np.linalg.cholesky(covariance)), float(grid[best]))


def identified(x: Floats, data: NetworkData) -> NDArray[np.bool_]:
    """(n_columns,) bool: whether the studies, not the prior alone, tell each coefficient."""
    left = _within_studies(x, data, np.ones(len(x)))
    rank = np.linalg.matrix_rank(left)
    return np.array(
        [np.linalg.matrix_rank(np.delete(left, j, axis=1)) < rank for j in range(x.shape[1])], np.bool_
    )


def _fit(x: Floats, data: NetworkData, prior_sd: Floats, tau: float) -> tuple[float, Floats, Floats]:
    weight = 1 / (data.variance + tau**2 / 2)
    left, y = _within_studies(x, data, weight), _within_studies(data.center[:, None], data, weight)[:, 0]
    precision = (left * weight[:, None]).T @ left + np.diag(prior_sd**-2.0)
    covariance = np.linalg.inv(precision)
    covariance = (covariance + covariance.T) / 2
    center = covariance @ (left.T @ (weight * y))
    residual = y - left @ center
    level = np.log(np.bincount(data.unit_study, weight)).sum() if data.is_arms else 0.0
    score = (
        np.log(weight).sum() - level - np.linalg.slogdet(precision)[1] - (weight * residual**2).sum()
    ) / 2
    return float(score), center, covariance


def _within_studies(x: Floats, data: NetworkData, weight: Floats) -> Floats:
    """What a study's own level leaves of the columns; contrasts have no level."""
    if not data.is_arms:
        return x
    total = np.bincount(data.unit_study, weight)
    means = (
        np.column_stack([np.bincount(data.unit_study, weight * column) for column in x.T]) / total[:, None]
    )
    return np.asarray(x - means[data.unit_study])


def _grid(priors: Priors) -> Floats:
    """Values of tau at equal shares of its prior."""
    from scipy.special import ndtri

    match priors.heterogeneity:
        case Uniform(high=high):
            return high * SHARES**2  # more of them near zero
        case HalfNormal(sd=sd):
            return np.asarray(sd * ndtri(0.5 + SHARES / 2))
        case LogNormal(mean=mean, sd=sd):
            return np.asarray(np.exp((mean + sd * ndtri(SHARES)) / 2))
