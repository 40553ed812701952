"""Trials of exchangeable patients as counts by visit: exact, and a thousand times as fast.

Where a test needs only how many patients of each arm end in each cell (visit, and what happened there), and
patients of an arm are drawn alike, those counts are multinomial.  The cells' probabilities come from a bank
of very many patients of the full engine, run through the same sentences; what the bank's size leaves
uncertain is told with the result.  Method: docs/methods/virtual-trials-engine.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from flarefree.errors import DesignError
from flarefree.simulation._counts_kernels import alias_tables, trials_of_counts
from flarefree.simulation.engine import ask_trials, run_parts, tile_size
from flarefree.simulation.recipes import Recipe, compiled
from flarefree.simulation.streams import Purpose, Streams
from flarefree.simulation.summaries import count_type, grouped_times

__all__ = ["BANK_PATIENTS", "Bank", "Reduced", "build_bank", "draw_reduced", "is_reducible"]

BANK_PATIENTS = 5_000_000
"""Patients of each arm."""
BANK_FIRST = 1 << 31
"""Number of the bank's first trial: no simulated trial is in the bank of another."""

_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Bank:
    """How many patients ended in each cell.

    Attributes
    ----------
    counts : (arms, visits, kinds) int64
        Kind 0 is the end of follow-up, the others are the endpoint's components.
    components : tuple of str
    """

    counts: np.ndarray[Any, np.dtype[np.int64]]
    components: tuple[str, ...]

    @property
    def patients(self) -> int:
        """Patients of the smallest arm."""
        return int(self.counts.sum(axis=(1, 2)).min())

    @property
    def events(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """By arm."""
        return self.counts[:, :, 1:].sum(axis=(1, 2))

    @property
    def shares(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Probabilities of cells, visit by visit: (arms, visits * kinds)."""
        flat = self.counts.reshape(self.counts.shape[0], -1).astype(np.float64)
        return flat / flat.sum(axis=1, keepdims=True)


@dataclass(frozen=True, slots=True)
class Reduced:
    """Trials drawn as counts; arrays begin with the trial.

    Attributes
    ----------
    z, log_hr, log_hr_error : (trials, comparisons) float64
    events : (trials, 1 + components, arms) int16, or int32 of large arms
        All, then by component.
    survival : (trials, arms) float32
    """

    z: np.ndarray[Any, np.dtype[np.float64]]
    log_hr: np.ndarray[Any, np.dtype[np.float64]]
    log_hr_error: np.ndarray[Any, np.dtype[np.float64]]
    events: np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
    survival: np.ndarray[Any, np.dtype[np.float32]]


def is_reducible(recipe: Recipe) -> bool:
    """Whether counts by visit are all that is asked, and patients of an arm are alike."""
    return (
        recipe.analysis == "grouped log-rank"
        and len(recipe.definitions) == 1
        and len(recipe.draws) == 1
        and not recipe.fractions
        and not recipe.design.shared_patients
    )


def require_reducible(recipe: Recipe) -> None:
    """Raises where `is_reducible` says no, and says why."""
    if is_reducible(recipe):
        return
    if recipe.analysis != "grouped log-rank":
        raise DesignError(
            "only a test that needs counts by visit reduces to them",
            where="reduce",
            found=recipe.analysis,
            expected="grouped log-rank",
            try_="--analysis 'grouped log-rank'",
        )
    raise DesignError(
        "trials reduce to counts with one definition, one set of parameters, no looks, and different people "
        "in each arm",
        where="reduce",
    )


def build_bank(
    recipe: Recipe,
    patients: int = BANK_PATIENTS,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Bank:
    """Run a bank of patients of each arm through the protocol's sentences.

    Parameters
    ----------
    recipe : Recipe
    patients : int
        Of each arm, at least.
    workers, scheduler, report
        As in `run_recipe`.
    """
    require_reducible(recipe)
    question = compiled(recipe.definitions)[0]
    components = tuple(question.plans[question.primary].spec.first_of) or (question.primary,)
    trials = math.ceil(patients / min(recipe.design.sizes))
    shape = (len(recipe.design.arms), len(recipe.design.visit_days), 1 + len(components))
    total = np.zeros(shape, dtype=np.int64)

    def take(first: int, counts: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        np.add(total, counts, out=total)

    run_parts(
        count_cells,
        recipe,
        trials,
        BANK_FIRST,
        workers=workers,
        scheduler=scheduler,
        report=report,
        take=take,
    )
    return Bank(total, components)


def count_cells(recipe: Recipe, first: int, stop: int, tile: int | None = None) -> Any:
    """Patients by arm, visit and kind, of some trials."""
    question, design = compiled(recipe.definitions)[0], recipe.design
    kinds = 1 + max(1, len(question.plans[question.primary].spec.first_of))
    visits, arms = len(design.visit_days), len(design.arms)
    total = np.zeros(arms * visits * kinds, dtype=np.int64)
    for trials, done in ask_trials(recipe, first, stop, tile or tile_size(recipe)):
        times = done.outcomes[0].times[question.primary]
        visit = grouped_times(times.times, times.is_event, design.visit_days)
        kind = np.where(times.is_event, 1 + np.maximum(times.components, 0), 0)
        arm = np.tile(design.arm_of_patients(), len(trials)).astype(np.int64)
        total += np.bincount((arm * visits + visit) * kinds + kind, minlength=total.size)
    return total.reshape(arms, visits, kinds)


def draw_reduced(recipe: Recipe, bank: Bank, trials: int, *, first_trial: int = 0) -> Reduced:
    """Trials as counts of cells, with the grouped log-rank test of each.

    Parameters
    ----------
    recipe : Recipe
    bank : Bank
    trials : int
    first_trial : int
    """
    design = recipe.design
    arms, kinds = len(design.arms), bank.counts.shape[2]
    thresholds, aliases, bits = alias_tables(_padded(bank))
    tests = np.empty((trials, arms - 1, 3))
    events = np.empty((trials, kinds, arms), dtype=count_type(design.sizes))
    survival = np.empty((trials, arms), dtype=np.float32)
    sizes = np.array(design.sizes, dtype=np.int64)
    for start in range(0, trials, _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, trials))
        trials_of_counts(
            first_trial + start, sizes, design.reference, kinds, thresholds, aliases, np.uint64(bits),
            np.uint64(Purpose.COUNTS), *Streams(recipe.seed).key, tests[part], events[part], survival[part],
        )  # fmt: skip
    columns = [np.ascontiguousarray(tests[:, :, k]) for k in range(3)]
    return Reduced(columns[0], columns[1], columns[2], events, survival)


def _padded(bank: Bank) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Shares of cells, with empty visits behind them up to a power of two."""
    arms, visits, kinds = bank.counts.shape
    size = 1 << max(1, (visits * kinds - 1).bit_length())
    wide = np.zeros((arms, size))
    wide[:, : visits * kinds] = bank.shares
    return wide


def bank_error(bank: Bank, reduced: Reduced, reference: int, level: float) -> tuple[float, float]:
    """What the bank's size leaves uncertain: of the log hazard ratio, and of the power."""
    events = bank.events
    others = [k for k in range(events.size) if k != reference]
    of_log_hr = math.sqrt(1.0 / max(events[reference], 1) + 1.0 / max(events[others[0]], 1))
    z, error = reduced.z[:, 0], reduced.log_hr_error[:, 0]
    known = np.isfinite(z) & np.isfinite(error)
    if not known.any():
        return of_log_hr, math.nan
    center, spread = float(np.mean(z[known])), max(float(np.std(z[known])), 1e-9)
    normal = NormalDist()
    critical = normal.inv_cdf(1.0 - level / 2.0)
    slope = (
        normal.pdf((abs(center) - critical) / spread) - normal.pdf((abs(center) + critical) / spread)
    ) / spread
    return of_log_hr, slope * of_log_hr / float(np.mean(error[known]))
