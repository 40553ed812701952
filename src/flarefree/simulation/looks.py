"""Interim looks: the test on what is known when so many events have been seen, in calendar time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from flarefree.errors import DesignError
from flarefree.simulation._looks_kernels import looks_of_trials
from flarefree.simulation.asking import Question
from flarefree.simulation.recipes import Recipe
from flarefree.simulation.summaries import Summaries
from flarefree.simulation.tiles import Tile
from flarefree.stats.group_sequential import Boundaries, compute_boundaries, last_boundary
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["LookResults", "Looks", "look_at", "parse_looks", "stop_at_looks"]

_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Looks:
    """Which looks are planned.

    Attributes
    ----------
    fractions : tuple of float
        Of the planned events; the last is 1, the final analysis.
    spending : str
        `obrien-fleming`, `pocock` or `haybittle-peto`.
    """

    fractions: tuple[float, ...]
    spending: str = "obrien-fleming"


@dataclass(frozen=True, slots=True)
class LookResults:
    """What looking did.

    Attributes
    ----------
    boundaries : Boundaries
        As planned; the last one is found anew for the events that each trial ends with.
    planned_events : int
    power : float
        Part of the trials that crossed, at any look.
    stops : tuple of float
        Part that stopped at each look; the last is the final analysis, whether crossed or not.
    crosses : tuple of float
        Part that crossed first at each look.
    expected_events, expected_patients, expected_months : float
        When trials stopped; months of calendar time since the first could enter.
    """

    boundaries: Boundaries
    planned_events: int
    power: float
    stops: tuple[float, ...]
    crosses: tuple[float, ...]
    expected_events: float
    expected_patients: float
    expected_months: float


def parse_looks(given: Any) -> Looks | None:
    """Looks as a command or a caller gives them: `0.5,0.75`, `3` (evenly), `0.5,0.75:pocock`."""
    if given is None or isinstance(given, Looks):
        return given
    spending = "obrien-fleming"
    if isinstance(given, str):
        numbers, _, rule = given.partition(":")
        spending = rule.strip() or spending
        try:
            given = [float(part) for part in numbers.replace(" ", "").split(",") if part]
        except ValueError:
            raise _not_looks(given) from None
    values = [float(given)] if isinstance(given, (int, float)) else [float(one) for one in given]
    if len(values) == 1 and values[0] >= 1 and values[0] == int(values[0]):
        count = int(values[0])
        values = [(k + 1) / count for k in range(count)]
    if not values:
        raise _not_looks(given)
    if values[-1] != 1.0:
        values.append(1.0)
    rising = all(a < b for a, b in zip([0.0, *values], values, strict=False))
    if not rising or len(values) > _LONGEST:
        raise _not_looks(given)
    compute_boundaries(values, spending=spending)
    return Looks(tuple(values), spending)


def _not_looks(given: Any) -> DesignError:
    return DesignError(
        "not looks",
        where="looks",
        found=str(given)[:60],
        expected=f"fractions of the events between 0 and 1, rising, or their number up to {_LONGEST}",
        try_="--looks 0.5,0.75:obrien-fleming",
    )


def look_at(recipe: Recipe, question: Question, tile: Tile, trials: int) -> tuple[Any, Any, Any, Any]:
    """z, events, calendar day and patients enrolled at each look: (trials, looks)."""
    looks = len(recipe.fractions)
    z, counts = np.empty((trials, looks)), [np.zeros((trials, looks), np.int32) for _ in range(3)]
    if looks:
        design = recipe.design
        times = tile.outcomes[0].times[question.primary]
        arm = design.arm_of_patients()
        compared = next(k for k in range(len(design.arms)) if k != design.reference)
        group = np.where(arm == compared, 1, np.where(arm == design.reference, 0, -1)).astype(np.int8)
        wanted = [max(1, math.ceil(f * recipe.planned_events - 1e-9)) for f in recipe.fractions]
        looks_of_trials(
            times.times.reshape(trials, -1),
            times.is_event.reshape(trials, -1),
            group,
            entry_days(recipe, tile).reshape(trials, -1),
            np.array(wanted, dtype=np.int64),
            z,
            *counts,
        )
    return z.astype(np.float32), counts[0], counts[1], counts[2]


def entry_days(recipe: Recipe, tile: Tile) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Calendar day of each patient's entry, stretched to the accrual that is asked for."""
    months = recipe.design.accrual_months
    if months is None:
        return tile.cohort.entry_day
    usual = tile.cohort.population.accrual_days
    return np.floor(tile.cohort.entry_day * (months * DAYS_PER_MONTH / usual)).astype(np.int32)


def stop_at_looks(summaries: Summaries, looks: Looks, planned_events: int, alpha: float) -> LookResults:
    """Where each trial stops, and what that saves."""
    planned = compute_boundaries(looks.fractions, alpha=alpha, spending=looks.spending)
    z, events = summaries.look_z.astype(np.float64), summaries.look_events
    n, last = z.shape[0], z.shape[1] - 1
    bounds = np.tile(np.array(planned.z), (n, 1))
    bounds[:, last] = _last_bounds(events, planned, planned_events, alpha)
    crossed = np.abs(z) >= bounds  # NaN, where a look was not reached, crosses nothing
    where = np.where(crossed.any(axis=1), crossed.argmax(axis=1), last)
    rows = np.arange(n)
    has_crossed = crossed[rows, where]
    return LookResults(
        planned,
        planned_events,
        float(has_crossed.mean()),
        tuple(float((where == k).mean()) for k in range(last + 1)),
        tuple(float(((where == k) & has_crossed).mean()) for k in range(last + 1)),
        float(events[rows, where].mean()),
        float(summaries.look_n[rows, where].mean()),
        float((summaries.look_day[rows, where] + 1).mean() / DAYS_PER_MONTH),
    )


def _last_bounds(
    events: np.ndarray[Any, np.dtype[np.int32]], planned: Boundaries, planned_events: int, alpha: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The final boundary of each trial, for the events that it ended with."""
    found = np.full(events.shape[0], planned.z[-1])
    finals, which = np.unique(events, axis=0, return_inverse=True)
    for k, row in enumerate(finals.tolist()):
        *interim, total = row
        reached = [(d / total, z) for d, z in zip(interim, planned.z, strict=False) if 0 < d < total]
        if total == 0 or (total == planned_events and len(reached) == len(interim)):
            continue
        at = [fraction for fraction, _ in reached]
        rising = all(a < b for a, b in zip([0.0, *at], at, strict=False))
        if rising:
            found[which.ravel() == k] = last_boundary([*at, 1.0], [z for _, z in reached], alpha=alpha)
    return found
