"""Simulated moments: the point at which virtual trials' means come nearest to the published numbers.

Gauss-Newton on common random numbers [gourieroux1996]: residuals are the numbers' distances, whitened by
their simulated covariance, and the priors' as further residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.simulation.calibration.likelihood import Evaluated, Problem

__all__ = ["Nearest", "find_nearest"]

Floats = npt.NDArray[np.float64]
Evaluate = Callable[[Problem, Floats], list[Evaluated]]
Report = Callable[[str, int, int], None]

STEP = 0.3
"""Of finite differences, in prior standard deviations: wide, since counts of finitely many trials are."""
CLOSE = 0.02
"""Converged where the objective falls by less than this part of itself."""


@dataclass(frozen=True)
class Nearest:
    """Where the distance is least.

    Attributes
    ----------
    z : (k,) float
    covariance : (k, k) float
        Of the posterior, were the means straight in the parameters.
    objective : float
        Sum of squared residuals, the priors' included; `of_priors` is their part.
    has_converged : bool
    steps, evaluations : int
    """

    z: Floats
    covariance: Floats
    objective: float
    of_priors: float
    has_converged: bool
    steps: int
    evaluations: int
    problem: Problem


def find_nearest(
    problem: Problem,
    evaluate: Evaluate,
    *,
    steps: int = 12,
    reference_trials: int = 1000,
    report: Report | None = None,
) -> Nearest:
    """Walk from the priors' middle to the nearest point.

    Parameters
    ----------
    problem : Problem
        Its spread is found on the way, and once more at the end.
    evaluate : callable
        Looks at some points, on however many processes.
    steps : int
        At most.
    reference_trials : int
        Behind the spread.
    """
    z = np.zeros(len(problem.priors))
    problem = problem.at_reference(z, reference_trials)
    now = _residuals(problem, z, evaluate(problem, z[None])[0].means)
    evaluations, has_converged, taken = 1, False, 0
    for taken in range(1, steps + 1):
        if taken in (4, 8):  # far from the middle the numbers spread otherwise than there
            problem = problem.at_reference(z, reference_trials)
            now = _residuals(problem, z, evaluate(problem, z[None])[0].means)
        jacobian = _jacobian(problem, z, evaluate, now)
        better, tried = _line_search(problem, z, now, jacobian, evaluate)
        evaluations += len(z) * 2 + tried
        before = float(now @ now)
        if better is None:
            has_converged = True
            break
        z, now = better
        if report is not None:
            report("Moments", taken, steps)
        if before - float(now @ now) < CLOSE * before and taken > 4:
            has_converged = True
            break
    problem = problem.at_reference(z, reference_trials * 2)
    now = _residuals(problem, z, evaluate(problem, z[None])[0].means)
    jacobian = _jacobian(problem, z, evaluate, now)
    covariance = np.asarray(np.linalg.inv(jacobian.T @ jacobian), dtype=np.float64)
    return Nearest(
        z, covariance, float(now @ now), float(z @ z), has_converged, taken,
        evaluations + 2 * len(z) + 1, problem,
    )  # fmt: skip


def _residuals(problem: Problem, z: Floats, means: Floats) -> Floats:
    """Whitened distances of the published numbers, then the priors'."""
    assert problem.spread is not None
    sds = problem.sds(means)
    # A count near nothing has next to no spread where its mean is; that of half a patient more is used.
    few = np.sqrt(np.maximum(means, problem.observed) + 0.5)
    distance = (problem.observed - means) / np.where(problem.is_few, few, sds)
    lower = np.linalg.cholesky(problem.spread.correlation)
    return np.concatenate([np.linalg.solve(lower, distance), z])


def _jacobian(problem: Problem, z: Floats, evaluate: Evaluate, now: Floats) -> Floats:
    """Central differences of the residuals, (m + k, k)."""
    k = len(z)
    points = np.concatenate([z + STEP * np.eye(k), z - STEP * np.eye(k)])
    seen = evaluate(problem, points)
    rows = [
        _residuals(problem, point, one.means) if np.isfinite(one.means).all() else now
        for point, one in zip(points, seen, strict=True)
    ]
    return (np.stack(rows[:k]) - np.stack(rows[k:])).T / (2.0 * STEP)


def _line_search(
    problem: Problem, z: Floats, now: Floats, jacobian: Floats, evaluate: Evaluate
) -> tuple[tuple[Floats, Floats] | None, int]:
    """The best of some parts of Gauss and Newton's step, or None where none is better."""
    step = -np.linalg.solve(jacobian.T @ jacobian, jacobian.T @ now)
    parts = np.array([1.0, 0.6, 0.35, 0.15])
    points = z + parts[:, None] * step
    seen = evaluate(problem, points)
    tried = [
        _residuals(problem, point, one.means) if np.isfinite(one.means).all() else now * 1e3
        for point, one in zip(points, seen, strict=True)
    ]
    objectives = [float(r @ r) for r in tried]
    best = int(np.argmin(objectives))
    if objectives[best] >= float(now @ now):
        return None, len(parts)
    return (points[best], tried[best]), len(parts)
