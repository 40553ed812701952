"""`calibrate`: from published numbers and priors to a posterior sample, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.simulation.calibration.emulating import Emulator, Walk, fit_emulator, refine, walk
from flarefree.simulation.calibration.likelihood import (
    Evaluated,
    Problem,
    evaluate_points,
    problem_of,
)
from flarefree.simulation.calibration.posterior import Posterior
from flarefree.simulation.calibration.priors import PRIORS
from flarefree.simulation.calibration.sampling import Sampled, draw_from, explore
from flarefree.simulation.calibration.smm import Nearest, find_nearest
from flarefree.simulation.calibration.targets import targets_digest
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.streams import require_whole

__all__ = ["CALIBRATION_SEED", "FULL", "QUICK", "Calibration", "Effort", "calibrate", "provenance_digests"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str, int, int], None]

CALIBRATION_SEED = 20110401


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is computed.

    Attributes
    ----------
    trials : int
        Virtual trials of each kind behind the means at one point.
    steps : int
        Of Gauss and Newton, at most.
    reference_trials : int
        Behind the spread of the numbers.
    particles, rounds : int
        Points of a round of exploring, and rounds; as many are simulated of the chains at the end.
    walk : int
        Steps of the chains through the emulated posterior.
    draws : int
        Of the posterior that are kept.
    """

    trials: int
    steps: int
    reference_trials: int
    particles: int
    rounds: int
    walk: int
    draws: int


FULL = Effort(trials=96, steps=12, reference_trials=1000, particles=800, rounds=2, walk=6000, draws=400)
QUICK = Effort(trials=8, steps=2, reference_trials=64, particles=60, rounds=1, walk=600, draws=40)
"""Goes the whole way in under a minute, and is worth nothing but to show that the way is open."""


@dataclass(frozen=True)
class Calibration:
    """A calibration, done.

    Attributes
    ----------
    posterior : Posterior
    nearest : Nearest
        Of simulated moments.
    sampled : Sampled
        The chains' points, weighted.
    """

    posterior: Posterior
    nearest: Nearest
    sampled: Sampled


def calibrate(
    *,
    seed: int = CALIBRATION_SEED,
    particles: int | None = None,
    effort: Effort = FULL,
    workers: int = 1,
    progress: Report | None = None,
) -> Calibration:
    """Fit the virtual patients to the published trials.

    Parameters
    ----------
    seed : int
        Of virtual patients and of points; the same one gives the same posterior, byte for byte.
    particles : int, optional
        Points of a round; those of `effort` without it.
    effort : Effort
    workers : int
        Processes.  The numbers do not depend on it.
    progress : callable, optional
        Called with a title, how much is done, and how much there is.

    Returns
    -------
    Calibration

    Notes
    -----
    Method: docs/methods/calibration.md.
    """
    require_whole(seed, "seed", 0, 2**64 - 1)
    require_whole(workers, "workers", 1, 1024)
    used = effort if particles is None else replace(effort, particles=particles)
    require_whole(used.particles, "particles", 2 * len(PRIORS), 10**7)
    evaluate = _Evaluate(workers)
    problem = problem_of(seed=seed, trials=used.trials)
    nearest = find_nearest(
        problem, evaluate, steps=used.steps, reference_trials=used.reference_trials, report=progress
    )
    rng = np.random.default_rng([seed, 1])
    problem = nearest.problem
    explored = explore(
        problem, nearest.z, nearest.covariance, evaluate,
        rng=rng, particles=used.particles, rounds=used.rounds, report=progress,
    )  # fmt: skip
    emulator = fit_emulator(problem, explored)
    chains = walk(problem, emulator, used.particles, rng, steps=used.walk)
    sampled = refine(problem, emulator, chains, evaluate, report=progress)
    kept = sampled.points[draw_from(sampled, used.draws, rng)]
    values = np.array([[p.value(z) for p, z in zip(PRIORS, row, strict=True)] for row in kept.tolist()])
    rounded = np.array([[float(f"{x:.6g}") for x in row] for row in values.tolist()])
    provenance = _provenance(seed, used, nearest, explored, emulator, chains, sampled, kept)
    posterior = Posterior(tuple(p.name for p in PRIORS), rounded, provenance)
    return Calibration(posterior, nearest, sampled)


@dataclass(frozen=True, slots=True)
class _Evaluate:
    """Looks at points, here or on processes of our own."""

    workers: int

    def __call__(self, problem: Problem, points: Floats) -> list[Evaluated]:
        asked = replace(problem, points=points)
        if self.workers == 1 or len(points) < 2 * self.workers:
            return evaluate_points(asked, 0, len(points))
        from flarefree.simulation.workers import run_on_workers

        size = max(1, len(points) // (8 * self.workers))
        parts = [(a, min(a + size, len(points))) for a in range(0, len(points), size)]
        task: Any = evaluate_points
        recipe: Any = asked
        found: dict[int, list[Evaluated]] = dict(run_on_workers(task, recipe, parts, None, self.workers))
        return [one for place in range(len(parts)) for one in found[place]]


def _provenance(
    seed: int,
    effort: Effort,
    nearest: Nearest,
    explored: Sampled,
    emulator: Emulator,
    chains: Walk,
    sampled: Sampled,
    kept: Floats,
) -> dict[str, Any]:
    from flarefree._version import __version__

    distinct = len(np.unique(kept, axis=0))
    is_full = effort == replace(FULL, particles=effort.particles)
    words = f"flarefree simulate calibrate --seed {seed} --particles {effort.particles}"
    return {
        "program": f"flarefree {__version__}",
        "command": words + ("" if is_full else " --quick"),
        "seed": seed,
        "effort": asdict(effort),
        **provenance_digests(),
        "fitted_numbers": len(nearest.problem.targets),
        "simulated_moments": {
            "objective": round(nearest.objective, 4),
            "of_priors": round(nearest.of_priors, 4),
            "steps": nearest.steps,
            "converged": nearest.has_converged,
            "points": nearest.evaluations,
        },
        "exploring": {
            "points": len(explored.points),
            "effective_points_by_round": [round(x, 1) for x in explored.effective_by_round],
            "refused": explored.refused,
        },
        "emulator": {
            "median_error": round(float(np.median(emulator.errors)), 4),
            "largest_error": round(float(emulator.errors.max()), 4),
            "accepted": round(chains.accepted, 4),
            "r_hat": round(chains.r_hat, 4),
        },
        "posterior": {
            "points": len(sampled.points),
            "effective_points": round(sampled.effective, 1),
            "largest_weight": round(float(sampled.weights.max()), 5),
            "refused": sampled.refused,
            "draws": len(kept),
            "distinct_draws": distinct,
        },
    }


def provenance_digests() -> dict[str, str]:
    """What a posterior belongs to: published numbers, priors, and parameters that are not fitted."""
    return {
        "targets_sha256": targets_digest(),
        "priors_sha256": _digest(repr(PRIORS)),
        "fixed_parameters_sha256": _digest(repr(_fixed())),
    }


def _fixed() -> dict[str, float]:
    """What is not fitted stays as it is: the posterior belongs to it."""
    fitted = {p.name for p in PRIORS}
    return {name: value for name, value in asdict(Parameters()).items() if name not in fitted}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
