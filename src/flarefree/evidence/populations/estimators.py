"""The methods on patients, each from one task to an `Estimated`: weighting, or an outcome model.

Decides which covariates each uses.  The mathematics is in `weighting.py`, `effects.py`, `outcome_model.py`
and `hazards.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, FlarefreeError
from flarefree.evidence.populations.balancing import outside_range
from flarefree.evidence.populations.effects import (
    ArmMeans,
    Effect,
    Estimated,
    effect_of_means,
    weighted_arm_means,
)
from flarefree.evidence.populations.hazards import marginal_hazard_ratio, weighted_hazard_ratio
from flarefree.evidence.populations.indirect import Comparison, link
from flarefree.evidence.populations.integration import integration_points
from flarefree.evidence.populations.outcome_model import (
    FAMILY,
    fit_outcome_model,
    marginal_means,
    model_design,
)
from flarefree.evidence.populations.patients import Patients
from flarefree.evidence.populations.population import Population
from flarefree.evidence.populations.terms import Term, columns_for
from flarefree.evidence.populations.weighting import Weighting, equal_weights, matching_weights, odds_weights

__all__ = ["Task", "bootstrap_error", "estimate_by"]

Floats = NDArray[np.float64]
MOST_FAILURES = 0.1  # of bootstrap samples, before the error is called unknown


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is to be carried where.

    `x` (n, n_terms) holds the patients' numbers for `terms`; `dropped` names terms left unadjusted.
    """

    patients: Patients
    x: Floats
    terms: tuple[Term, ...]
    target: Population
    effect: Effect
    dropped: tuple[str, ...]
    modifiers: tuple[str, ...]
    points: int
    horizon: float
    ties: str
    seed: int
    by_arm: bool = False
    comparison: Comparison | None = None
    target_x: Floats | None = None
    """The target's numbers for the terms; made once and kept through the bootstrap."""

    @property
    def is_single_arm(self) -> bool:
        """Whether the source has the experimental arm only."""
        return self.patients.names[1] == ""

    def kept(self, *, squares: bool = True) -> list[int]:
        """Indices of the terms adjusted for."""
        return [
            j
            for j, t in enumerate(self.terms)
            if not t.is_reference and t.label not in self.dropped and (squares or t.power == 1)
        ]

    def overlap_dropped(self) -> set[str]:
        """Labels whose target mean the patients do not enclose."""
        beyond = outside_range(self.x, np.array([t.mean for t in self.terms]))
        return {t.label for t, b in zip(self.terms, beyond) if b}

    def target_points(self) -> Floats:
        """(n_points, n_terms): the target's patients, or points of its margins."""
        if self.target_x is not None:
            return self.target_x
        names = tuple(dict.fromkeys(t.covariate for t in self.terms))
        made = integration_points(self.target, self.points, covariates=names, seed=self.seed)
        return columns_for(self.terms, made.columns, where=self.target.name)


def estimate_by(method: str, task: Task) -> tuple[Estimated, Floats | None]:
    """The effect in the target, and the patients' weights where the method has any."""
    if method == "stc":
        return _by_outcome_model(task), None
    weighting = _weighting(method, task)
    return _by_weights(task, weighting), (None if method == "none" else weighting.weights)


def _weighting(method: str, task: Task) -> Weighting:
    if method == "none":
        return equal_weights(len(task.patients))
    kept = task.kept()
    labels = [task.terms[j].label for j in kept]
    if method == "maic":
        goal = np.array([task.terms[j].mean for j in kept])
        arm = task.patients.is_experimental if task.by_arm else np.zeros(len(task.x), dtype=bool)
        return matching_weights(task.x[:, kept], goal, labels, arm)
    return odds_weights(task.x[:, kept], task.target_points()[:, kept], labels)


def _by_weights(task: Task, weighting: Weighting) -> Estimated:
    people = task.patients
    if task.effect == "HR":
        if task.is_single_arm:
            raise EvidenceError(
                "a hazard ratio without patients in the other arm",
                where="comparison",
                try_="reconstruct the other arm's patients from its curve (flarefree.evidence.reconstruct)",
            )
        return weighted_hazard_ratio(
            people.exposure, people.outcome > 0, people.is_experimental, weighting, ties=task.ties
        )
    arms = weighted_arm_means(
        people.outcome,
        people.exposure,
        people.is_experimental,
        weighting.weights,
        weighting.gradient,
        weighting.influence,
    )
    return _effect(arms, task)


def _effect(arms: ArmMeans, task: Task) -> Estimated:
    if not task.is_single_arm:
        return effect_of_means(arms, task.effect, task.patients.names)
    value, slope = link(arms.means[0], task.effect, task.patients.names[0])
    return Estimated(value, abs(slope) * math.sqrt(float(arms.covariance[0, 0])), arms.means)


def _by_outcome_model(task: Task) -> Estimated:
    kept = task.kept(squares=False)
    center = np.array([task.terms[j].mean for j in kept])
    x = task.x[:, kept] - center
    target = task.target_points()[:, kept] - center
    modifiers = [k for k, j in enumerate(kept) if task.terms[j].covariate in task.modifiers]
    if task.effect == "HR":
        return _hazard_model(task, x, target, modifiers)
    people = task.patients
    labels = [task.terms[j].label for j in kept]
    family = FAMILY[task.effect]
    if task.is_single_arm:
        design, one = np.column_stack([np.ones(len(x)), x]), np.column_stack([np.ones(len(target)), target])
        both = (one, one)
    else:
        design = model_design(x, people.is_experimental.astype(float), modifiers)
        both = (
            model_design(target, np.ones(len(target)), modifiers),
            model_design(target, np.zeros(len(target)), modifiers),
        )
    beta, influence = fit_outcome_model(design, people.outcome, people.exposure, family, labels)
    found = _effect(marginal_means(beta, influence, both, family), task)
    return found if task.is_single_arm else replace(found, conditional=float(beta[1]))


def _hazard_model(task: Task, x: Floats, target: Floats, modifiers: list[int]) -> Estimated:
    people = task.patients
    if task.is_single_arm:
        raise EvidenceError("a hazard ratio without patients in the other arm", where="comparison")
    design = model_design(x, people.is_experimental.astype(float), modifiers, intercept=False)
    both = tuple(
        model_design(target, np.full(len(target), a), modifiers, intercept=False) for a in (1.0, 0.0)
    )
    estimate, means, conditional = marginal_hazard_ratio(
        people.exposure, people.outcome > 0, design, (both[0], both[1]), task.horizon, ties=task.ties
    )
    return Estimated(estimate, math.nan, means, conditional)


def bootstrap_error(method: str, task: Task, replicates: int) -> tuple[float, tuple[str, ...]]:
    """SD of the estimate over samples of patients, drawn within arms and weighted or fitted anew.

    The target is drawn anew where its patients enter the weights (`iow`).
    """
    if replicates < 20:
        raise EvidenceError(
            "too few samples", where="replicates", found=str(replicates), expected="20 or more"
        )
    rng = np.random.default_rng(task.seed)
    arms = [np.flatnonzero(task.patients.is_experimental == a) for a in (True, False)]
    given = task.target_points() if method != "maic" else None
    found, failures = [], 0
    for _ in range(replicates):
        at = np.concatenate([rng.choice(arm, len(arm)) for arm in arms if len(arm)])
        again = given
        if method == "iow" and given is not None:
            again = given[rng.integers(0, len(given), len(given))]
        sample = replace(task, patients=task.patients.take(at), x=task.x[at], target_x=again)
        try:
            found.append(estimate_by(method, sample)[0].estimate)
        except FlarefreeError:  # a sample without events, or one that the target lies outside of
            failures += 1
    if failures > MOST_FAILURES * replicates:
        raise EvidenceError(
            "too many bootstrap samples have no estimate",
            where="std_error",
            found=f"{failures} of {replicates}",
            expected=f"at most {100 * MOST_FAILURES:.0f}%",
            try_="fewer covariates, or std_error='sandwich'",
        )
    told = (f"{failures} of {replicates} bootstrap samples had no estimate",) if failures else ()
    return float(np.std(found, ddof=1)), told
