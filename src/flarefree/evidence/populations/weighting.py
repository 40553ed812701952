"""Weights for a study's patients: from the target's means (MAIC) or from its patients (inverse odds).

Decides what the influence of each person on the weights is, so that limits allow for their estimation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.balancing import balance

__all__ = ["Weighting", "equal_weights", "matching_weights", "odds_weights"]

Floats = NDArray[np.float64]
MOST_STEPS = 60
STEEPEST = 30.0  # of a log odds of membership: beyond it the two populations are told apart without error


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """Weights of the source's patients.

    Attributes
    ----------
    weights : (n,) float
        With mean 1.
    gradient : (n, p) float
        Derivative of the log weights by their parameters.
    influence : (m, p) float
        Of each person on those parameters, m = n, or n and the target's patients after them.
    """

    weights: Floats
    gradient: Floats
    influence: Floats


def equal_weights(n: int) -> Weighting:
    """Everybody counts once: the source as it is."""
    return Weighting(np.ones(n), np.zeros((n, 0)), np.zeros((n, 0)))


def matching_weights(x: Floats, target: Floats, labels: Sequence[str], arm: NDArray[np.bool_]) -> Weighting:
    """MAIC: weights under which each arm's means are the target's, which are taken as known exactly.

    `arm` is the same for all where the patients are weighted together.
    """
    n = len(x)
    weights = np.ones(n)
    gradients, influences = [], []
    for value in np.unique(arm):
        members = np.flatnonzero(arm == value)
        found = balance(x[members], target, labels)
        weights[members] = found.weights
        gradient = np.zeros((n, found.x.shape[1]))
        gradient[members] = found.x
        scores = gradient * weights[:, None]
        gradients.append(gradient)
        influences.append(-scores @ np.linalg.pinv(found.hessian, hermitian=True))
    return Weighting(weights, np.hstack(gradients), np.hstack(influences))


def odds_weights(x: Floats, target_x: Floats, labels: Sequence[str]) -> Weighting:
    """Inverse odds of being in the source, from a logistic model of membership ([westreich2017]).

    Raises
    ------
    EvidenceError
        A covariate tells the two populations apart without error: there is nothing to weight.
    """
    n = len(x)
    both = np.vstack([x, target_x])
    spread = both.std(axis=0)
    varies = spread > 0
    z = np.column_stack([np.ones(len(both)), (both[:, varies] - both.mean(axis=0)[varies]) / spread[varies]])
    in_source = np.arange(len(both)) < n
    beta, probability = _fit_membership(z, in_source, [name for name, v in zip(labels, varies) if v])
    weights = np.exp(-z[:n] @ beta)
    scale = n / weights.sum()
    hessian = (z * (probability * (1 - probability))[:, None]).T @ z
    scores = z * (in_source - probability)[:, None]
    return Weighting(weights * scale, -z[:n], scores @ np.linalg.pinv(hessian, hermitian=True))


def _fit_membership(z: Floats, in_source: NDArray[np.bool_], labels: Sequence[str]) -> tuple[Floats, Floats]:
    """Maximum likelihood by Newton's method."""
    beta = np.zeros(z.shape[1])
    for _ in range(MOST_STEPS):
        eta = np.clip(z @ beta, -500, 500)
        probability = 1 / (1 + np.exp(-eta))
        gradient = z.T @ (in_source - probability)
        hessian = (z * (probability * (1 - probability))[:, None]).T @ z
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(beta[1:]).max(initial=0.0) > STEEPEST:
            worst = labels[int(np.argmax(np.abs(beta[1:])))]
            raise EvidenceError(
                "no weights exist: the covariates tell source and target apart without error",
                where=f"covariates, {worst}",
                found=f"log odds of membership without bound in {worst}",
                expected="patients of both populations all over the covariates",
                try_=f"without {worst}, or method='stc' (which extrapolates)",
            )
        if np.abs(step).max() < 1e-10:
            break
    return beta, 1 / (1 + np.exp(-z @ beta))
