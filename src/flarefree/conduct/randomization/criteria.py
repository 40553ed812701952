"""What a scheme is judged by: the error rate of a t test under biases, its power, desirability.

Equations and sources: `docs/methods/randomization.md`.  Arrays in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.columns import highest, lowest

__all__ = [
    "CRITERIA",
    "Criterion",
    "compute_desirability",
    "compute_rejection",
    "detectable_difference",
    "imbalance",
]

Floats = npt.NDArray[np.float64]
Arms = npt.NDArray[np.integer[Any]]
_NORMAL_DF = 30  # from here on the normal approximation of the noncentral t is good to 1e-4


@dataclass(frozen=True, slots=True)
class Criterion:
    """One figure that schemes are compared by, the smaller the better.

    Attributes
    ----------
    key, label : str
    target, limit : float
        Desirability is 1 at or below the target, 0 at or above the limit [derringer1980].
    weight : float
        In the weighted geometric mean; 0 is shown and not weighed.
    """

    key: str
    label: str
    target: float
    limit: float
    weight: float = 1.0


CRITERIA = (
    Criterion("guess_rate", "Right guesses", 0.5, 0.75, 2.0),
    Criterion("determined", "Determined in advance", 0.0, 0.4, 1.0),
    Criterion("overall_p95", "Overall imbalance, 95th percentile", 1.0, 30.0, 1.0),
    Criterion("stratum_mean", "Largest imbalance in a stratum", 1.0, 9.0, 1.0),
    Criterion("margin_mean", "Largest imbalance in a margin", 1.0, 17.0, 1.0),
    Criterion("selection_error", "Type I error under selection bias", 0.05, 0.10, 1.0),
    Criterion("trend_error", "Type I error under a trend", 0.05, 0.10, 1.0),
)
"""Targets are what the best schemes reach, limits what complete randomization or blocks of two give for
some 230 patients and 18 strata: a choice of ours, to be changed openly where a trial is another."""


def compute_desirability(
    figures: Mapping[str, float | None], criteria: Sequence[Criterion] = CRITERIA
) -> float:
    """Derringer and Suich's weighted geometric mean of the criteria that exist; 0 if one is at its limit."""
    used = [(c, figures.get(c.key)) for c in criteria if c.weight > 0]
    known = [(c, value) for c, value in used if value is not None]
    weights = sum(c.weight for c, _ in known)
    total = 0.0
    for c, value in known:
        d = min(max((c.limit - value) / (c.limit - c.target), 0.0), 1.0)
        if d == 0.0:
            return 0.0
        total += c.weight * math.log(d)
    return math.exp(total / weights) if weights else math.nan


def detectable_difference(n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The difference of two means, in SDs, that n patients, half in each arm, show with this power."""
    from scipy.special import ndtri

    return float((ndtri(1.0 - alpha / 2.0) + ndtri(power)) * 2.0 / math.sqrt(n))


def imbalance(counts: npt.NDArray[np.int64], ratio: Sequence[int]) -> Floats:
    """Range of the arms' counts, each over its part of the ratio: (..., n_arms) to (...)."""
    scaled = counts / np.array(ratio)
    return np.asarray(highest(scaled) - lowest(scaled))


def compute_rejection(arms: Arms, shift: Floats, *, difference: float = 0.0, alpha: float = 0.05) -> Floats:
    """Probability that a two-sided t test rejects, given who got which of two arms and each patient's shift.

    Parameters
    ----------
    arms : (n_trials, n) int
        0 or 1; -1 for a patient who was not randomized.
    shift : (n_trials, n) or (n,) float
        What is added to each patient's expected response, in SDs, whatever the arm.
    difference : float
        The true difference of the arms, in SDs; 0 gives the type I error.

    Returns
    -------
    (n_trials,) float
        NaN where an arm is empty or fewer than three patients are left.

    Notes
    -----
    The statistic is doubly noncentral t: numerator from the difference of the arms' mean shifts,
    denominator from the shifts' spread within arms, for which Patnaik's chi-square stands [patnaik1949].
    """
    in_first, in_second = (arms == 0).astype(float), (arms == 1).astype(float)
    n1, n2 = in_first.sum(axis=1), in_second.sum(axis=1)
    fine = (n1 > 0) & (n2 > 0) & (n1 + n2 > 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        m1, m2 = _sum_of(in_first, shift) / n1, _sum_of(in_second, shift) / n2
        spread = _sum_of(in_first + in_second, shift**2) - n1 * m1**2 - n2 * m2**2
        theta = (m1 - m2 + difference) / np.sqrt(1.0 / n1 + 1.0 / n2)
    out = np.full(arms.shape[0], np.nan)
    out[fine] = _beyond(theta[fine], np.maximum(spread[fine], 0.0), (n1 + n2 - 2.0)[fine], alpha)
    return out


def _sum_of(chosen: Floats, values: Floats) -> Floats:
    """Sum of the chosen patients' values in each trial."""
    return np.asarray(chosen @ values if values.ndim == 1 else np.einsum("ij,ij->i", chosen, values))


def _beyond(theta: Floats, spread: Floats, df: Floats, alpha: float) -> Floats:
    """P(|T| > critical value), T doubly noncentral with numerator theta and denominator spread."""
    from scipy.special import nctdtr, ndtr, stdtrit

    critical = stdtrit(df, 1.0 - alpha / 2.0) * np.sqrt((df + spread) / df)
    df = (df + spread) ** 2 / (df + 2.0 * spread)
    if df.min(initial=np.inf) < _NORMAL_DF:
        return np.asarray(1.0 - nctdtr(df, theta, critical) + nctdtr(df, theta, -critical))
    # Abramowitz and Stegun 26.7.10
    near, far = critical * (1.0 - 1.0 / (4.0 * df)), np.sqrt(1.0 + critical**2 / (2.0 * df))
    return np.asarray(ndtr((theta - near) / far) + ndtr((-theta - near) / far))
