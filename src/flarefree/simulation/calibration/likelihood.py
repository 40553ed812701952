"""How likely the published numbers are under some parameters: a synthetic likelihood [wood2010].

Means of the fitted numbers come from virtual trials under those parameters, always with the same random
numbers, so they move smoothly.  Numbers of many patients are jointly normal, with correlations from one
long run and variances that follow the means; those of few patients are binomial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation.calibration.predicting import predict, recipe_for, with_parameters
from flarefree.simulation.calibration.priors import PRIORS, Prior, parameters_at
from flarefree.simulation.calibration.targets import Target, TrialTargets, load_targets
from flarefree.simulation.parameters import Parameters
from flarefree.simulation.recipes import Recipe

__all__ = ["Evaluated", "Problem", "Spread", "problem_of"]

Floats = npt.NDArray[np.float64]

FEW = 15
"""Numbers of no more patients than this, both arms together, are binomial."""
_REFUSED = -1e300


@dataclass(frozen=True)
class Spread:
    """How the fitted numbers of trials of the published size vary about their means.

    Attributes
    ----------
    mean : (m,) float
        At the reference.
    sd : (m,) float
    correlation : (m, m) float
        Of the normal ones; the identity elsewhere.  Trials are independent of each other.
    """

    mean: Floats
    sd: Floats
    correlation: Floats


@dataclass(frozen=True)
class Evaluated:
    """Some parameters, looked at.

    Attributes
    ----------
    means : (m,) float
        Of the fitted numbers.
    log_likelihood : float
    """

    means: Floats
    log_likelihood: float


@dataclass(frozen=True)
class Problem:
    """What is fitted to what; travels to other processes.

    Attributes
    ----------
    targets : tuple of Target
        The fitted ones, trial after trial.
    sizes : (m,) int
        Patients of each target's arm.
    is_few : (m,) bool
    recipes : tuple of Recipe
        One a trial.
    trials : int
        Virtual trials behind the means at one point.
    base : Parameters
        For what is not fitted.
    priors : tuple of Prior
    spread : Spread or None
        From the reference; without it there is no likelihood yet.
    points : (n, k) float
        Points to be looked at by workers.
    """

    targets: tuple[Target, ...]
    sizes: npt.NDArray[np.int64]
    is_few: npt.NDArray[np.bool_]
    recipes: tuple[Recipe, ...]
    trials: int
    base: Parameters
    priors: tuple[Prior, ...]
    spread: Spread | None = None
    points: Floats | None = None

    @property
    def observed(self) -> Floats:
        """The published numbers, (m,)."""
        return np.array([target.value for target in self.targets])

    def means(self, z: Floats, trials: int | None = None) -> Floats:
        """Means of the fitted numbers at a point, (m,)."""
        return np.array([column.mean() for column in self.simulated(z, trials or self.trials)])

    def simulated(self, z: Floats, trials: int) -> list[Floats]:
        """The fitted numbers of every virtual trial at a point, each (trials,)."""
        parameters = parameters_at(z, self.base, self.priors)
        found: list[Floats] = []
        for recipe in self.recipes:
            own = [t.key for t in self.targets if t.trial == _name(recipe, self.targets)]
            given = predict(with_parameters(recipe, parameters), own, trials)
            found += [given[key] for key in own]
        return found

    def evaluate(self, z: Floats) -> Evaluated:
        """Means and log-likelihood at a point; a point that the model refuses has next to none."""
        try:
            means = self.means(z)
        except DesignError:
            return Evaluated(np.full(len(self.targets), np.nan), _REFUSED)
        return Evaluated(means, self.log_likelihood(means))

    def log_likelihood(self, means: Floats) -> float:
        """Of the published numbers, where virtual trials have some means."""
        return float(self.log_likelihoods(means[None])[0])

    def log_likelihoods(self, means: Floats) -> Floats:
        """The same of many points, (n, m) to (n,)."""
        assert self.spread is not None
        few, many = self.is_few, ~self.is_few
        events = np.clip(means[:, few], 0.0, self.sizes[few])
        share = (events * self.trials + 0.5) / (self.sizes[few] * self.trials + 1.0)
        seen = self.observed[few]
        binomial = seen * np.log(share) + (self.sizes[few] - seen) * np.log1p(-share)
        sd = self.sds(means)[:, many]
        z = (self.observed[many] - means[:, many]) / sd
        correlation = self.spread.correlation[np.ix_(many, many)]
        # Means of finitely many trials: their own error widens the likelihood [price2018].
        inflate = 1.0 + 1.0 / self.trials
        quadratic = (z * np.linalg.solve(correlation, z.T).T).sum(axis=1) / inflate
        return np.asarray(binomial.sum(axis=1) - 0.5 * quadratic - np.log(sd).sum(axis=1))

    def wholes(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """What each number is a share of (patients, or 100), and whether it is one at all."""
        counts = np.array([t.is_count for t in self.targets])
        percent = np.array([t.statistic.startswith("in_state_percent") for t in self.targets])
        return np.where(counts, self.sizes.astype(np.float64), 100.0), counts | percent

    def sds(self, means: Floats) -> Floats:
        """Standard deviations of one trial's numbers, (m,) or (n, m): a share's follow its mean."""
        assert self.spread is not None
        whole, is_share = self.wholes()
        ratio = np.sqrt(_binomial(means, whole) / _binomial(self.spread.mean, whole))
        return np.asarray(self.spread.sd * np.where(is_share, ratio, 1.0))

    def at_reference(self, z: Floats, trials: int) -> Problem:
        """The same with the spread found at a point."""
        values = np.stack(self.simulated(z, trials))
        correlation = np.eye(len(self.targets))
        for name in dict.fromkeys(t.trial for t in self.targets):
            own = np.array([t.trial == name for t in self.targets]) & ~self.is_few
            correlation[np.ix_(own, own)] = np.corrcoef(values[own])
        sd = np.maximum(values.std(axis=1, ddof=1), 0.3)
        return replace(self, spread=Spread(values.mean(axis=1), sd, correlation))


def _binomial(mean: Floats, whole: Floats) -> Floats:
    inside = np.clip(mean, 0.5, np.maximum(whole - 0.5, 0.5))
    return np.asarray(inside * (1.0 - inside / whole))


def _name(recipe: Recipe, targets: Sequence[Target]) -> str:
    """Which trial's targets a recipe gives."""
    from pathlib import Path

    stem = Path(recipe.definitions[0].file).stem
    return next(t.trial for t in targets if t.trial == stem)


def problem_of(
    *,
    seed: int,
    trials: int,
    base: Parameters | None = None,
    priors: Sequence[Prior] = PRIORS,
    targets: Mapping[str, TrialTargets] | None = None,
) -> Problem:
    """The problem of fitting the model to the published trials that come with this version."""
    given = load_targets() if targets is None else targets
    used = base or Parameters()
    fitted = tuple(t for trial in given.values() for t in trial.fitted)
    sizes = np.array([given[t.trial].sizes[t.arm] for t in fitted], dtype=np.int64)
    totals: dict[tuple[str, str], float] = {}
    for t in fitted:
        totals[t.trial, t.id] = totals.get((t.trial, t.id), 0.0) + t.value
    few = np.array([t.is_count and totals[t.trial, t.id] <= FEW for t in fitted])
    recipes = tuple(
        recipe_for(name, [t.key for t in trial.fitted], seed=seed, parameters=used)
        for name, trial in given.items()
    )
    return Problem(fitted, sizes, few, recipes, trials, used, tuple(priors))


def evaluate_points(problem: Any, first: int, stop: int, tile: int | None = None) -> list[Evaluated]:
    """Some of a problem's points: what a worker does."""
    return [problem.evaluate(z) for z in problem.points[first:stop]]
