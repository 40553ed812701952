"""The posterior explored by adaptive importance sampling [cornuet2012].

Points are drawn from Student's t about the nearest point, weighted by likelihood and prior against the
mixture of all proposals so far, and the next proposal is fitted to the weighted points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.calibration.likelihood import Evaluated, Problem

__all__ = ["Sampled", "draw_from", "explore", "weights_of"]

Floats = npt.NDArray[np.float64]
Evaluate = Callable[[Problem, Floats], list[Evaluated]]
Report = Callable[[str, int, int], None]

FREEDOM = 9.0
WIDER = 1.15
"""Proposals are this much wider than what they are fitted to, in standard deviations."""


@dataclass(frozen=True)
class Sampled:
    """Weighted points.

    Attributes
    ----------
    points : (n, k) float
    means : (n, m) float
        Of the fitted numbers; NaN where the model refuses a point.
    weights : (n,) float
        Add up to 1.
    effective : float
        How many independent points they are worth.
    effective_by_round : tuple of float
        After each round.
    refused : int
        Points that the model refuses.
    """

    points: Floats
    means: Floats
    weights: Floats
    effective: float
    effective_by_round: tuple[float, ...]
    refused: int


def explore(
    problem: Problem,
    middle: Floats,
    covariance: Floats,
    evaluate: Evaluate,
    *,
    rng: np.random.Generator,
    particles: int,
    rounds: int,
    report: Report | None = None,
) -> Sampled:
    """Draw, weigh, adapt, and draw again.

    Parameters
    ----------
    problem : Problem
        With its spread.
    middle, covariance : (k,), (k, k) float
        Of the first proposal.
    evaluate : callable
    rng : numpy.random.Generator
    particles, rounds : int
        Points of a round, and rounds.
    """
    proposals = [_Proposal.about(middle, covariance)]
    points, means = np.empty((0, len(middle))), np.empty((0, len(problem.targets)))
    targets = np.empty(0)
    effective: list[float] = []
    weights = np.empty(0)
    for number in range(rounds):
        drawn = proposals[-1].draw(rng, particles)
        seen = evaluate(problem, drawn)
        points = np.concatenate([points, drawn])
        means = np.concatenate([means, np.stack([one.means for one in seen])])
        own = np.array([one.log_likelihood for one in seen]) - 0.5 * (drawn**2).sum(axis=1)
        targets = np.concatenate([targets, own])
        mixture = np.logaddexp.reduce([p.log_density(points) for p in proposals]) - math.log(len(proposals))
        weights = weights_of(targets - mixture)
        effective.append(float(1.0 / (weights**2).sum()))
        if report is not None:
            report("Exploring", (number + 1) * particles, rounds * particles)
        if number + 1 < rounds:
            proposals.append(_next(points, weights, proposals[-1], effective[-1]))
    return Sampled(points, means, weights, effective[-1], tuple(effective), int((targets < -1e200).sum()))


def draw_from(sampled: Sampled, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places of points, as many as are asked, in proportion to their weights (systematic), in mixed order."""
    ends = np.cumsum(sampled.weights)
    at = (np.arange(count) + rng.random()) / count
    places = np.minimum(np.searchsorted(ends, at * ends[-1], side="right"), len(ends) - 1)
    return rng.permutation(places)


def weights_of(log_weights: Floats) -> Floats:
    """Weights that add up to 1."""
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


def _next(points: Floats, weights: Floats, last: _Proposal, effective: float) -> _Proposal:
    """A proposal fitted to the weighted points, as far as they can carry one; the last one fills in."""
    k = points.shape[1]
    middle = weights @ points
    away = points - middle
    own = (away * weights[:, None]).T @ away
    trust = effective / (effective + k)
    covariance = trust * own + (1.0 - trust) * last.covariance
    return _Proposal.about(trust * middle + (1.0 - trust) * last.middle, covariance)


@dataclass(frozen=True)
class _Proposal:
    """Student's t of several variables."""

    middle: Floats
    covariance: Floats
    lower: Floats

    @staticmethod
    def about(middle: Floats, covariance: Floats) -> _Proposal:
        symmetric = 0.5 * (covariance + covariance.T)
        scale = symmetric * WIDER**2 * (FREEDOM - 2.0) / FREEDOM
        lower = np.asarray(np.linalg.cholesky(scale + 1e-9 * np.eye(len(middle))), dtype=np.float64)
        return _Proposal(middle, symmetric, lower)

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        normal = rng.standard_normal((count, len(self.middle)))
        wide = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, count))
        return np.asarray(self.middle + (normal @ self.lower.T) * wide[:, None])

    def log_density(self, points: Floats) -> Floats:
        k = len(self.middle)
        away = np.linalg.solve(self.lower, (points - self.middle).T)
        squares = (away**2).sum(axis=0)
        constant = (
            math.lgamma((FREEDOM + k) / 2) - math.lgamma(FREEDOM / 2) - 0.5 * k * math.log(FREEDOM * math.pi)
        )
        constant -= float(np.log(np.diag(self.lower)).sum())
        return np.asarray(constant - 0.5 * (FREEDOM + k) * np.log1p(squares / FREEDOM))
