"""Weights that give a study's patients the target's means: the method of moments, or entropy balancing.

Decides whether such weights exist; where they do not, says which covariate is to blame.  With x
measured from the target's means, w = exp(x a) and a minimizes sum(w) [signorovitch2010]: the same weights
come from asking for the least departure from equal weights in Kullback-Leibler distance [hainmueller2012],
as [phillippo2020] shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError

__all__ = ["Balance", "balance", "effective_sample_size", "outside_hull", "outside_range"]

Floats = NDArray[np.float64]
MOST_STEPS = 200
BALANCED = 1e-10  # standard deviations between weighted and target means
LARGEST_EXPONENT = 400.0
RESOLVED = 1e-12  # of the level, which is a logarithm of a sum and about 5
SMALLEST_STEP = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Balance:
    """Weights, and what is needed to carry their uncertainty along.

    Attributes
    ----------
    weights : (n,) float
        With mean 1 over the patients.
    x : (n, p) float
        Covariates from the target's means, in the source's standard deviations.
    hessian : (p, p) float
        Of sum(w), with these weights.
    """

    weights: Floats
    x: Floats
    hessian: Floats


def balance(x: Floats, target: Floats, labels: Sequence[str]) -> Balance:
    """Weights under which the means of `x` are `target`.

    Parameters
    ----------
    x : (n, p) float
    target : (p,) float
    labels : (p,) str
        For the words of errors.

    Raises
    ------
    EvidenceError
        No weights exist: the target lies outside what the patients span; the covariate is named.
    """
    n = len(x)
    if x.shape[1] == 0:
        return Balance(np.ones(n), np.zeros((n, 0)), np.zeros((0, 0)))
    _require_range(x, target, labels)
    spread = x.std(axis=0)
    varies = spread > 0
    if not varies.any():  # all alike, and like the target
        return Balance(np.ones(n), np.zeros((n, 0)), np.zeros((0, 0)))
    z = (x - target) / np.where(varies, spread, 1.0)
    alpha = _minimize(z[:, varies])
    if alpha is None:
        raise _no_weights(x, target, labels)
    weights = np.exp(z[:, varies] @ alpha)
    weights *= n / weights.sum()
    z = z[:, varies]
    return Balance(weights, z, (z * weights[:, None]).T @ z)


def effective_sample_size(weights: Floats) -> float:
    """Kish's: (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def outside_range(x: Floats, target: Floats) -> NDArray[np.bool_]:
    """Which target means lie on or beyond the patients' extremes, where weights would be degenerate.

    A covariate that does not vary is outside unless the target has the same value.
    """
    low, high = x.min(axis=0), x.max(axis=0)
    constant = low == high
    beyond = (target <= low) | (target >= high)
    return np.where(constant, np.abs(target - low) > 1e-12, beyond)


def outside_hull(x: Floats, target: Floats) -> bool:
    """Whether no weights at all give these means, by a linear program."""
    from scipy.optimize import linprog

    n = len(x)
    found = linprog(
        np.zeros(n), A_eq=np.vstack([x.T, np.ones(n)]), b_eq=np.append(target, 1.0), method="highs"
    )
    return bool(found.status == 2)


def _minimize(z: Floats) -> Floats | None:
    """Newton's method with halving on log(sum(exp(z a))), which has the same minimum and is scale-free."""
    alpha = np.zeros(z.shape[1])
    level, share = _log_sum(z @ alpha)
    for _ in range(MOST_STEPS):
        gradient = share @ z
        if np.abs(gradient).max() < BALANCED:
            return alpha
        hessian = (z * share[:, None]).T @ z - np.outer(gradient, gradient)
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]  # redundant covariates do no harm
        promised = float(gradient @ step)
        size = 1.0
        while size > SMALLEST_STEP:
            tried = alpha - size * step
            tried_level, tried_share = _log_sum(z @ tried)
            # Near the minimum the level cannot be told from its rounding: the step is trusted there.
            if promised < RESOLVED or tried_level <= level - 1e-4 * size * promised:
                break
            size /= 2
        if size <= SMALLEST_STEP or np.abs(z @ tried).max() > LARGEST_EXPONENT:
            return None
        alpha, level, share = tried, tried_level, tried_share
    return None


def _log_sum(eta: Floats) -> tuple[float, Floats]:
    top = eta.max()
    e = np.exp(eta - top)
    total = e.sum()
    return float(top + np.log(total)), e / total


def _require_range(x: Floats, target: Floats, labels: Sequence[str]) -> None:
    beyond = [int(j) for j in np.flatnonzero(outside_range(x, target))]
    if not beyond:
        return
    found = "; ".join(
        f"{labels[j]}: target mean {target[j]:.4g}, patients "
        + (f"all {x[0, j]:.4g}" if np.ptp(x[:, j]) == 0 else f"{x[:, j].min():.4g} to {x[:, j].max():.4g}")
        for j in beyond
    )
    raise EvidenceError(
        "no weights exist: the target's mean lies outside what the patients span",
        where=f"covariates, {labels[beyond[0]]}",
        found=found,
        expected="target means strictly within the patients' range",
        try_='outside="extrapolate", which leaves such a covariate unadjusted and says so'
        + ("" if any(np.ptp(x[:, j]) == 0 for j in beyond) else '; or method="stc"'),
    )


def _no_weights(x: Floats, target: Floats, labels: Sequence[str]) -> EvidenceError:
    """Each mean is within its range, but not all together: find covariates without which weights exist."""
    blamed = [
        labels[j]
        for j in range(len(labels))
        if not outside_hull(np.delete(x, j, axis=1), np.delete(target, j))
    ]
    if blamed and not outside_hull(x, target):
        blamed = []
    return EvidenceError(
        "no weights exist: the target's means lie outside the hull of the patients",
        where="covariates" + (f", {blamed[0]}" if blamed else ""),
        found=f"{len(x)} patients, {len(labels)} means to match: {', '.join(labels)}",
        expected="some weighting of the patients with all these means at once",
        try_=f"without {' or without '.join(blamed)}" if blamed else "fewer covariates",
    )
