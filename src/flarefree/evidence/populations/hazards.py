"""Hazard ratios in the target: a weighted Cox model, or one with covariates averaged over the target.

Decides which hazard ratio a model with covariates means once averaged: log S1 / log S0 at a horizon, as
averaged hazards are not proportional.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NoEventsError
from flarefree.evidence.populations.effects import Estimated
from flarefree.evidence.populations.weighting import Weighting

__all__ = ["marginal_hazard_ratio", "weighted_hazard_ratio"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def weighted_hazard_ratio(
    time: Floats, event: Bools, is_experimental: Bools, weighting: Weighting, *, ties: str = "efron"
) -> Estimated:
    """Cox's model of the treatment alone, weighted; its robust variance allows for estimated weights.

    Notes
    -----
    With L the score residuals of unit weight, the score is sum(w L): a parameter a of the weights moves the
    coefficient by I^-1 sum(w L dlog w/da).
    """
    from flarefree.stats.survival import fit_cox
    from flarefree.stats.survival.cox_residuals import cox_residuals

    for members, words in ((is_experimental, "experimental"), (~is_experimental, "reference")):
        if not event[members].any():
            raise NoEventsError(
                f"nobody in the {words} arm had the event, so the hazard ratio does not exist",
                where="outcome",
                found="0 events",
            )
    # Weights far below any other would upset the kernel's scaling and change nothing.
    weights = np.maximum(weighting.weights, 1e-12 * weighting.weights.max())
    fit = fit_cox(time, event, is_experimental.astype(float), weights=weights, ties=ties, robust=True)
    score = weights * cox_residuals(fit, "score")[:, 0]
    information = float(fit.naive_covariance[0, 0])
    influence = np.zeros(len(weighting.influence))
    influence[: len(time)] = score
    influence += weighting.influence @ (weighting.gradient.T @ score)
    return Estimated(float(fit.coef[0]), information * math.sqrt(float(influence @ influence)))


def marginal_hazard_ratio(
    time: Floats,
    event: Bools,
    design: Floats,
    points: tuple[Floats, Floats],
    horizon: float,
    *,
    ties: str = "efron",
) -> tuple[float, tuple[float, float], float]:
    """Log marginal hazard ratio up to `horizon`, the two risks there, and the conditional log ratio.

    Parameters
    ----------
    design : (n, p) float
        Treatment first, covariates measured from the target's means, interactions.
    points : two (n_points, p) float
        The target's designs under the experimental treatment and under the reference.
    """
    from flarefree.stats.survival import fit_cox

    fit = fit_cox(time, event, design, ties=ties)
    if not fit.converged:
        raise EvidenceError(
            "the outcome model does not settle: too few events for its covariates",
            where="covariates",
            found=f"{int(event.sum())} events, {design.shape[1]} coefficients",
            try_="fewer covariates or modifiers",
        )
    beta = np.asarray(fit.coef)
    hazard = _cumulative_hazard(time, event, np.exp(design @ beta), horizon)
    survival = [float(np.exp(-hazard * np.exp(x @ beta)).mean()) for x in points]
    if min(survival) <= 0 or max(survival) >= 1:
        raise NoEventsError(
            "the averaged survival is 0 or 1 at the horizon, so no hazard ratio exists there",
            where="horizon",
            found=f"{horizon:g}",
        )
    marginal = math.log(math.log(survival[0]) / math.log(survival[1]))
    return marginal, (1 - survival[0], 1 - survival[1]), float(beta[0])


def _cumulative_hazard(time: Floats, event: Bools, risk: Floats, horizon: float) -> float:
    """Breslow's estimate at the horizon, for a patient of relative hazard 1."""
    order = np.argsort(time, kind="stable")
    time, event, risk = time[order], event[order], risk[order]
    at_risk = np.cumsum(risk[::-1])[::-1]
    first = np.searchsorted(time, time, side="left")  # everybody whose time ties is at risk
    seen = event & (time <= horizon)
    return float((1.0 / at_risk[first[seen]]).sum())
