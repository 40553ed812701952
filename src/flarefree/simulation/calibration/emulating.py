"""A posterior by way of an emulator: means as quadratics of the parameters, walked through, then checked.

Explored points teach one quadratic a number; chains walk through the posterior that these give, at next to
no cost.  Points of the chains are then simulated, and weighted by how the true likelihood differs from the
emulated one, so the emulator decides where to look and not what is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.calibration.likelihood import Evaluated, Problem
from flarefree.simulation.calibration.sampling import Sampled, weights_of

__all__ = ["Emulator", "Walk", "fit_emulator", "refine", "walk"]

Floats = npt.NDArray[np.float64]
Evaluate = Callable[[Problem, Floats], list[Evaluated]]
Report = Callable[[str, int, int], None]

RIDGE = 1e-2
"""Of the curvature's coefficients, in units of one point."""
CHAINS = 48


@dataclass(frozen=True)
class Emulator:
    """Means of the fitted numbers as quadratics.

    Attributes
    ----------
    middle, lower : (k,), (k, k) float
        Points are first placed by these, so that explored ones are spherical.
    coefficients : (features, m) float
    is_share : (m,) bool
        Numbers that are a share of `whole`, and emulated as its logit.
    whole : (m,) float
    errors : (m,) float
        Root mean squared error of each number where it was explored, in SDs of one trial.
    """

    middle: Floats
    lower: Floats
    coefficients: Floats
    is_share: npt.NDArray[np.bool_]
    whole: Floats
    errors: Floats

    def means(self, points: Floats) -> Floats:
        """Of some points, (n, m)."""
        seen = _features(self._placed(points)) @ self.coefficients
        share = 1.0 / (1.0 + np.exp(-np.clip(seen, -30.0, 30.0)))
        return np.where(self.is_share, share * (self.whole + 0.5) - 0.25, seen)

    def _placed(self, points: Floats) -> Floats:
        return np.asarray(np.linalg.solve(self.lower, (points - self.middle).T).T)


@dataclass(frozen=True)
class Walk:
    """Points of the emulated posterior.

    Attributes
    ----------
    points : (n, k) float
        Far enough apart in their chains to be nearly independent.
    accepted : float
        Share of steps.
    r_hat : float
        The largest, over parameters, of chains' potential scale reduction [gelman1992].
    """

    points: Floats
    accepted: float
    r_hat: float


def fit_emulator(problem: Problem, sampled: Sampled) -> Emulator:
    """Teach an emulator all explored points; those near the middle of the weight count most."""
    known = np.isfinite(sampled.means).all(axis=1)
    points, means = sampled.points[known], sampled.means[known]
    middle, covariance = _gathered(sampled)
    lower = np.asarray(np.linalg.cholesky(covariance + 1e-9 * np.eye(points.shape[1])), dtype=np.float64)
    whole, is_share = problem.wholes()
    placed = np.asarray(np.linalg.solve(lower, (points - middle).T).T, dtype=np.float64)
    share = (np.clip(means, 0.0, whole) + 0.25) / (whole + 0.5)
    wanted = np.where(is_share, np.log(share / (1.0 - share)), means)
    design = _features(placed)
    # Points farther out than the posterior reaches bend quadratics for nothing.
    count = np.exp(-0.5 * np.maximum((placed**2).sum(axis=1) / placed.shape[1] - 1.0, 0.0))
    straight = 1 + placed.shape[1]
    penalty = np.diag([0.0] * straight + [RIDGE * len(points)] * (design.shape[1] - straight))
    weighted = design * count[:, None]
    coefficients = np.linalg.solve(design.T @ weighted + penalty, weighted.T @ wanted)
    emulator = Emulator(middle, lower, coefficients, is_share, whole, np.zeros(len(whole)))
    away = (emulator.means(points) - means) / np.stack([problem.sds(row) for row in means])
    errors = np.sqrt((count[:, None] * away**2).sum(axis=0) / count.sum())
    return Emulator(middle, lower, coefficients, is_share, whole, errors)


def _gathered(sampled: Sampled) -> tuple[Floats, Floats]:
    """Middle and covariance of the weighted points, with weights flattened until they carry one."""
    k = sampled.points.shape[1]
    flat = sampled.weights
    for power in (1.0, 0.7, 0.5, 0.35, 0.25, 0.15):
        flat = sampled.weights**power
        flat = flat / flat.sum()
        if 1.0 / (flat**2).sum() > 4 * k:
            break
    middle = flat @ sampled.points
    away = sampled.points - middle
    return middle, (away * flat[:, None]).T @ away


def _features(x: Floats) -> Floats:
    """1, each coordinate, and all products of two: (n, 1 + k + k (k + 1) / 2)."""
    first, second = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), x, x[:, first] * x[:, second]], axis=1)


def walk(problem: Problem, emulator: Emulator, count: int, rng: np.random.Generator, *, steps: int) -> Walk:
    """Metropolis chains through the emulated posterior, side by side; a third of the steps finds it."""
    burn = steps // 3
    k = len(emulator.middle)
    start = emulator.middle + 0.5 * rng.standard_normal((CHAINS, k)) @ emulator.lower.T
    now, at = start, _log_posterior(problem, emulator, start)
    scale, accepted = 2.38 / np.sqrt(k), 0
    kept: list[Floats] = []
    for step in range(steps):
        moved = now + scale * rng.standard_normal((CHAINS, k)) @ emulator.lower.T
        there = _log_posterior(problem, emulator, moved)
        takes = np.log(rng.random(CHAINS)) < there - at
        now, at = np.where(takes[:, None], moved, now), np.where(takes, there, at)
        if step < burn:
            scale *= np.exp(0.05 * (takes.mean() - 0.25))
        else:
            accepted += int(takes.sum())
            kept.append(now)
    chains = np.stack(kept)  # (steps, chains, k)
    spaced = chains[:: max(1, len(chains) * CHAINS // (2 * count))].reshape(-1, k)
    places = rng.permutation(len(spaced))[:count]
    return Walk(spaced[places], accepted / (len(chains) * CHAINS), _r_hat(chains))


def _log_posterior(problem: Problem, emulator: Emulator, points: Floats) -> Floats:
    return problem.log_likelihoods(emulator.means(points)) - 0.5 * (points**2).sum(axis=1)


def _r_hat(chains: Floats) -> float:
    """The largest ratio of the SD of all to that within chains, each chain split in two."""
    half = len(chains) // 2
    split = np.concatenate([chains[:half], chains[half : 2 * half]], axis=1)
    within = split.var(axis=0, ddof=1).mean(axis=0)
    between = split.mean(axis=0).var(axis=0, ddof=1)
    return float(np.sqrt((within * (half - 1) / half + between) / within).max())


def refine(
    problem: Problem,
    emulator: Emulator,
    found: Walk,
    evaluate: Evaluate,
    *,
    report: Report | None = None,
) -> Sampled:
    """Simulate the chains' points, and weigh them by true against emulated likelihood."""
    seen = evaluate(problem, found.points)
    if report is not None:
        report("Posterior, checked", len(found.points), len(found.points))
    true = np.array([one.log_likelihood for one in seen])
    emulated = problem.log_likelihoods(emulator.means(found.points))
    weights = weights_of(true - emulated)
    effective = float(1.0 / (weights**2).sum())
    means = np.stack([one.means for one in seen])
    return Sampled(found.points, means, weights, effective, (effective,), int((true < -1e200).sum()))
