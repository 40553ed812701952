"""STC by g-computation: a model of the outcome on the patients, averaged over the target's covariates.

Decides the model (binomial with logit, Poisson with log and person-time, linear; Cox in `hazards.py`) and
that the effect given is the marginal one, the difference it makes to the target as a whole; the
conditional one, of a patient at the target's means, is kept beside it ([remiro2022]).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.effects import ArmMeans

__all__ = ["FAMILY", "fit_outcome_model", "marginal_means", "model_design"]

Floats = NDArray[np.float64]
Family = Literal["binomial", "poisson", "linear"]
FAMILY: dict[str, Family] = {
    "RR": "binomial",
    "OR": "binomial",
    "RD": "binomial",
    "IRR": "poisson",
    "MD": "linear",
}
MOST_STEPS = 100
STEEPEST = 25.0  # of a linear predictor, in fits: beyond it the model separates the outcomes


def model_design(x: Floats, treated: Floats, modifiers: Sequence[int], *, intercept: bool = True) -> Floats:
    """Columns 1, treatment, covariates, treatment by each modifier (indices of covariates)."""
    parts = [np.ones(len(x))] if intercept else []
    return np.column_stack([*parts, treated, x, x[:, list(modifiers)] * treated[:, None]])


def fit_outcome_model(
    design: Floats, outcome: Floats, exposure: Floats, family: Family, labels: Sequence[str]
) -> tuple[Floats, Floats]:
    """Coefficients by maximum likelihood, and each patient's influence on them, (n, p).

    Raises
    ------
    EvidenceError
        Covariates that do not identify the model, or that separate the outcomes.
    """
    rank = np.linalg.matrix_rank(design)
    if rank < design.shape[1]:
        raise EvidenceError(
            "the patients do not identify the outcome model",
            where="covariates",
            found=f"{design.shape[1]} coefficients, {rank} of them identified: {', '.join(labels)}",
            expected="covariates that vary in both arms, none a combination of others",
            try_="fewer covariates or modifiers",
        )
    beta = _fit(design, outcome, exposure, family, labels)
    mean, slope = _mean(design @ beta, family)
    hessian = (design * (slope * exposure)[:, None]).T @ design
    scores = design * (outcome - mean * exposure)[:, None]
    return beta, scores @ np.linalg.inv(hessian)


def marginal_means(
    beta: Floats, influence: Floats, points: tuple[Floats, Floats], family: Family
) -> ArmMeans:
    """Mean outcome of the target's points under either treatment, with its sandwich covariance."""
    means, moved = [], []
    for design in points:
        mean, slope = _mean(design @ beta, family)
        means.append(float(mean.mean()))
        moved.append(influence @ (design * slope[:, None]).mean(axis=0))
    influences = np.column_stack(moved)
    return ArmMeans((means[0], means[1]), influences.T @ influences)


def _fit(design: Floats, outcome: Floats, exposure: Floats, family: Family, labels: Sequence[str]) -> Floats:
    if family == "linear":
        return np.asarray(np.linalg.lstsq(design, outcome, rcond=None)[0])
    beta = np.zeros(design.shape[1])
    level = float(outcome.sum() / exposure.sum())
    beta[0] = np.log(level / (1 - level)) if family == "binomial" and level < 1 else np.log(level or 1.0)
    likelihood = _log_likelihood(design @ beta, outcome, exposure, family)
    for _ in range(MOST_STEPS):
        mean, slope = _mean(design @ beta, family)
        gradient = design.T @ (outcome - mean * exposure)
        step = np.linalg.lstsq((design * (slope * exposure)[:, None]).T @ design, gradient, rcond=1e-13)[0]
        size = 1.0
        while size > 1e-8:
            tried = beta + size * step
            reached = _log_likelihood(design @ tried, outcome, exposure, family)
            if reached >= likelihood - 1e-12 * abs(likelihood):
                break
            size /= 2
        beta, likelihood = tried, reached
        if np.abs(design @ beta).max() > STEEPEST + abs(np.log(level or 1.0)):
            break
        if np.abs(size * step).max() < 1e-10:
            return beta
    raise EvidenceError(
        "the outcome model does not settle: some covariate tells the outcomes apart without error",
        where="covariates",
        found=f"{outcome.sum():g} events among {len(outcome)} patients, {len(labels)} coefficients",
        expected="some ten events a coefficient",
        try_="fewer covariates or modifiers",
    )


def _mean(eta: Floats, family: Family) -> tuple[Floats, Floats]:
    """Mean, and its derivative by the linear predictor."""
    if family == "binomial":
        p = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        return p, p * (1 - p)
    if family == "poisson":
        rate = np.exp(np.clip(eta, -500, 500))
        return rate, rate
    return eta, np.ones_like(eta)


def _log_likelihood(eta: Floats, outcome: Floats, exposure: Floats, family: Family) -> float:
    if family == "binomial":
        return float(outcome @ eta - np.logaddexp(0.0, eta).sum())
    return float(outcome @ eta - exposure @ np.exp(np.clip(eta, -500, 500)))
