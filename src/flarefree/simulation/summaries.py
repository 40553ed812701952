"""What is kept of every virtual trial: counts, one test of each definition, and where the trial stopped.

A few dozen bytes a trial; everything else of a tile is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.time_to_event import Times
from flarefree.simulation.design import Design
from flarefree.stats.survival.batch import batch_trials

__all__ = ["ANALYSES", "Room", "Summaries", "compare_arms", "count_type", "grouped_times", "joined"]

ANALYSES = ("log-rank", "cox", "grouped log-rank")

Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summaries:
    """Trials in a row; arrays begin with the trial.

    Attributes
    ----------
    events : (trials, endpoints, arms) int16, or int32 of large arms
        Events of every endpoint asked, definition after definition.
    z, log_hr, log_hr_error : (trials, definitions, comparisons) float64
        Of the primary endpoint, each arm against the reference; `z` below 0 favors the arm.
    survival : (trials, definitions, arms) float32
        Kaplan-Meier estimate of being free of the primary endpoint at the horizon.
    days : (trials, definitions, arms) int64
        Person-days of treatment and follow-up.
    completed : (trials, definitions, arms) int32
    look_z : (trials, looks) float32
        The test at each look; empty without looks.
    look_events, look_day, look_n : (trials, looks) int32
        Events, calendar day and patients enrolled at each look.
    """

    events: npt.NDArray[np.signedinteger[Any]]
    z: Floats
    log_hr: Floats
    log_hr_error: Floats
    survival: npt.NDArray[np.float32]
    days: npt.NDArray[np.int64]
    completed: Ints32
    look_z: npt.NDArray[np.float32]
    look_events: Ints32
    look_day: Ints32
    look_n: Ints32

    @property
    def trials(self) -> int:
        """How many."""
        return int(self.events.shape[0])


def joined(parts: Sequence[Summaries]) -> Summaries:
    """Parts one after another."""
    if len(parts) == 1:
        return parts[0]
    arrays: list[Any] = [np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Summaries)]
    return Summaries(*arrays)


class Room:
    """Summaries of a run's trials, filled part by part, in whatever order they come.

    Parameters
    ----------
    trials, first_trial : int
    """

    def __init__(self, trials: int, first_trial: int) -> None:
        self._trials = trials
        self._first = first_trial
        self._arrays: dict[str, Any] = {}

    def take(self, first: int, part: Summaries) -> None:
        """Put a part where it belongs."""
        where = slice(first - self._first, first - self._first + part.trials)
        for f in fields(Summaries):
            own = getattr(part, f.name)
            if f.name not in self._arrays:
                self._arrays[f.name] = np.empty((self._trials, *own.shape[1:]), dtype=own.dtype)
            self._arrays[f.name][where] = own

    def filled(self) -> Summaries:
        """All of them."""
        return Summaries(**self._arrays)


def count_type(sizes: Sequence[int]) -> Any:
    """The smallest type that counts patients of such arms."""
    return np.int16 if max(sizes) < 2**15 else np.int32


def compare_arms(
    times: Times, design: Design, trials: int, analysis: str
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.float32]]:
    """z, log hazard ratio and its error by comparison, and survival at the horizon by arm."""
    arm = design.arm_of_patients()
    days = times.times.reshape(trials, -1)
    event = times.is_event.reshape(trials, -1)
    is_grouped = analysis == "grouped log-rank"
    time = (grouped_times(days, event, design.visit_days) if is_grouped else days).astype(np.float64)
    shape = (trials, len(design.arms) - 1)
    z, log_hr, error = np.empty(shape), np.empty(shape), np.empty(shape)
    others = [k for k in range(len(design.arms)) if k != design.reference]
    for c, k in enumerate(others):
        if len(others) == 1:
            batch = batch_trials(time, event, (arm == k).astype(np.int8))
        else:
            of = np.flatnonzero((arm == k) | (arm == design.reference))
            batch = batch_trials(time[:, of], event[:, of], (arm[of] == k).astype(np.int8))
        log_rank, cox = batch.compare(ties="breslow" if is_grouped else "efron")
        z[:, c] = cox.z if analysis == "cox" else log_rank.z
        log_hr[:, c], error[:, c] = cox.coef, cox.std_error
    group_of = np.arange(len(design.arms))
    if len(others) == 1:  # the same batch, whose group 1 is the arm compared
        group_of = (group_of != design.reference).astype(np.int64)
    else:
        batch = batch_trials(time, event, arm, n_groups=len(design.arms))
    horizon = len(design.visit_days) if is_grouped else design.horizon_day
    estimate = batch.kaplan_meier([float(horizon)]).estimate[:, :, 0]
    return z, log_hr, error, estimate[:, group_of].astype(np.float32)


def grouped_times(time: npt.NDArray[Any], event: npt.NDArray[Any], visits: Sequence[int]) -> Ints32:
    """Times as the number of the visit: of the one that ends an event's interval, or of the last one reached.

    An event on a visit's day, or after the visit before, is that visit's; who is censored between two
    visits was last at risk at the first of them.
    """
    days = np.asarray(visits)
    return np.where(
        event, np.searchsorted(days, time, side="left"), np.searchsorted(days, time, side="right") - 1
    ).astype(np.int32)
