"""From two arms' weighted means to an effect, with the variance that their influence functions give.

Decides how RR, OR, RD, MD and the rate ratio follow from two means; hazard ratios are in `hazards.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NoEventsError

__all__ = ["EFFECTS", "IS_RATIO", "ArmMeans", "Effect", "Estimated", "effect_of_means", "weighted_arm_means"]

Floats = NDArray[np.float64]
Effect = Literal["RR", "OR", "RD", "HR", "IRR", "MD"]
EFFECTS: dict[str, str] = {
    "RR": "risk ratio",
    "OR": "odds ratio",
    "RD": "risk difference",
    "HR": "hazard ratio",
    "IRR": "rate ratio",
    "MD": "mean difference",
}
IS_RATIO = {"RR": True, "OR": True, "RD": False, "HR": True, "IRR": True, "MD": False}


@dataclass(frozen=True, slots=True, eq=False)
class ArmMeans:
    """Mean outcome (risk, rate, mean) of experimental and reference arm, and their covariance."""

    means: tuple[float, float]
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """An effect on its own scale (log for ratios), its standard error, and the arms' means if it has any."""

    estimate: float
    std_error: float
    means: tuple[float, float] | None = None
    conditional: float | None = None
    """Effect at the target's mean covariates, of an outcome model."""
    warnings: tuple[str, ...] = ()


def weighted_arm_means(
    outcome: Floats,
    exposure: Floats,
    is_experimental: NDArray[np.bool_],
    weights: Floats,
    weight_gradient: Floats,
    weight_influence: Floats,
) -> ArmMeans:
    """Weighted means by arm, their variance allowing for estimated weights.

    Parameters
    ----------
    outcome, exposure, weights : (n,) float
        `exposure` is 1 except for rates (person-time): mean = sum(w y) / sum(w t).
    weight_gradient : (n, p) float
        Derivative of the log weight by the parameters of the weights.
    weight_influence : (m, p) float
        Influence of each person on those parameters; the first n are the source's patients.

    Notes
    -----
    Stacked estimating equations: docs/methods/transport.md, eq. 3 to 5.
    """
    influence = np.zeros((len(weight_influence), 2))
    means = []
    for arm, members in enumerate((is_experimental, ~is_experimental)):
        if not members.any():  # a source of one arm
            means.append(math.nan)
            continue
        w = np.where(members, weights, 0.0)
        total = float(w @ exposure)
        mean = float(w @ outcome) / total
        residual = w * (outcome - mean * exposure) / total
        influence[: len(outcome), arm] += residual
        influence[:, arm] += weight_influence @ (weight_gradient.T @ residual)
        means.append(mean)
    return ArmMeans((means[0], means[1]), influence.T @ influence)


def effect_of_means(arms: ArmMeans, effect: Effect, names: tuple[str, str]) -> Estimated:
    """An effect of two arms' means and its standard error by the delta method.

    Raises
    ------
    NoEventsError
        An arm without events (or with nothing but events, for odds) has no logarithm.
    """
    first, second = arms.means
    if effect in ("RD", "MD"):
        gradient = np.array([1.0, -1.0])
        estimate = first - second
    else:
        for mean, name in zip(arms.means, names):
            _require_ratio(mean, name, effect)
        odds = effect == "OR"
        gradient = np.array([1 / (p * (1 - p)) if odds else 1 / p for p in arms.means]) * [1.0, -1.0]
        logs = [math.log(p / (1 - p)) if odds else math.log(p) for p in arms.means]
        estimate = logs[0] - logs[1]
    return Estimated(estimate, math.sqrt(float(gradient @ arms.covariance @ gradient)), arms.means)


def _require_ratio(mean: float, name: str, effect: Effect) -> None:
    if mean <= 0 or (effect == "OR" and mean >= 1):
        words = "nobody had the event" if mean <= 0 else "everybody had the event"
        raise NoEventsError(
            f"{words} in arm {name}, so the {EFFECTS[effect]} does not exist",
            where="outcome",
            found=f"{100 * mean:g}%",
            try_='effect="RD"',
        )


def require_effect(effect: str) -> Effect:
    """The effect as asked, or an error with those that there are."""
    if effect not in EFFECTS:
        raise EvidenceError("no such effect", where="effect", found=repr(effect), expected=", ".join(EFFECTS))
    return effect  # type: ignore[return-value]
