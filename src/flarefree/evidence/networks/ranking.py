"""Which treatment is best, and how sure that is: P-scores, SUCRA, rank probabilities and limits of ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.arguments import require_whole
from flarefree.evidence.networks.effects import Effects

__all__ = ["Ranking", "SmallValues", "p_scores", "rank_treatments"]

Floats = NDArray[np.float64]
SmallValues = Literal["good", "bad"]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Treatments ranked; rank 1 is best.

    Attributes
    ----------
    treatments : tuple of str
    p_score : (n,) float
        Mean certainty that the treatment is better than another [ruecker2015]; needs no resampling.
    sucra : (n,) float
        Surface under the cumulative ranking curve, from resampled effects [salanti2011].
    sucra_error : (n,) float
        Monte Carlo standard error of `sucra`.
    sucra_low, sucra_high : (n,) float
        The share of other treatments beaten at the limits of the rank.
    mean_rank, median_rank, rank_low, rank_high : (n,) float
        Of the resampled ranks, limits at the network's confidence level.
    probability : (n, n) float
        Of treatment (row) having rank 1, 2, ... (column).
    n_draws, seed : int
    small_values : "good" or "bad"
    """

    treatments: tuple[str, ...]
    p_score: Floats
    sucra: Floats
    sucra_error: Floats
    sucra_low: Floats
    sucra_high: Floats
    mean_rank: Floats
    median_rank: Floats
    rank_low: Floats
    rank_high: Floats
    probability: Floats
    n_draws: int
    seed: int
    small_values: SmallValues

    def order(self) -> list[int]:
        """Places of the treatments, best first, by P-score."""
        return sorted(range(len(self.treatments)), key=lambda i: (-self.p_score[i], i))


def p_scores(effects: Effects, small_values: SmallValues) -> Floats:
    """The mean over the other treatments of the one-sided certainty of being better."""
    from scipy.special import ndtr

    sign = -1.0 if small_values == "good" else 1.0
    certainty = np.nan_to_num(ndtr(sign * effects.statistic), nan=0.5)  # no difference, no error: a tie
    np.fill_diagonal(certainty, 0.0)
    return np.asarray(certainty.sum(axis=1) / (len(certainty) - 1))


def rank_treatments(
    effects: Effects, small_values: SmallValues, *, n_draws: int, seed: int, conf_level: float
) -> Ranking:
    """Resample the effects from their multivariate normal distribution and rank every draw."""
    require_whole("ranks: n_draws", n_draws, 2, 10_000_000)
    require_whole("ranks: seed", seed, 0, 2**63)
    n = len(effects.treatments)
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(effects.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = effects.coefficient + rng.standard_normal((n_draws, n)) @ root.T
    sign = 1.0 if small_values == "good" else -1.0
    rank = np.argsort(np.argsort(sign * draws, axis=1, kind="stable"), axis=1, kind="stable") + 1
    probability = np.array([np.bincount(rank[:, i], minlength=n + 1)[1:] for i in range(n)]) / n_draws
    tail = (1 - conf_level) / 2
    low, median, high = np.quantile(rank, [tail, 0.5, 1 - tail], axis=0, method="inverted_cdf")
    mean = rank.mean(axis=0)
    others = n - 1
    return Ranking(
        effects.treatments,
        p_scores(effects, small_values),
        (n - mean) / others,
        rank.std(axis=0, ddof=1) / others / np.sqrt(n_draws),
        (n - high) / others,
        (n - low) / others,
        mean,
        median.astype(float),
        low.astype(float),
        high.astype(float),
        probability,
        n_draws,
        seed,
        small_values,
    )
