"""A tile of virtual trials as trials: what became of patients, by trial and arm.

Endpoints, states and baseline values come from the engine, which asks the protocol's own sentences; here
they are only counted, averaged and compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.kernels import TRUE
from flarefree.errors import DesignError
from flarefree.simulation.asking import Question
from flarefree.simulation.design import Design
from flarefree.simulation.outcomes import Outcomes
from flarefree.simulation.tiles import Tile
from flarefree.stats.survival.batch import batch_trials
from flarefree.studytime import month_day

__all__ = ["View"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """Some virtual trials of one design.

    Attributes
    ----------
    tile : Tile
    question : Question
        The protocol's own definition.
    design : Design
    trials : int
    """

    tile: Tile
    question: Question
    design: Design
    trials: int

    @property
    def outcomes(self) -> Outcomes:
        """What became of every patient."""
        return self.tile.outcomes[0]

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First patient of each arm within a trial."""
        return np.concatenate([[0], np.cumsum(self.design.sizes)[:-1]]).astype(np.int64)

    @cached_property
    def days(self) -> npt.NDArray[np.int32]:
        """Last day of each patient's treatment and follow-up, flat."""
        return self.outcomes.consequences.end_days

    @cached_property
    def evaluator(self) -> Evaluator:
        """Asks the protocol's states of the panel."""
        return Evaluator(self.tile.panel, self.question.context)

    def count(self, flags: Flags) -> Floats:
        """Patients of each trial and arm, (trials, arms)."""
        return self.total(flags.astype(np.float64))

    def total(self, values: npt.NDArray[Any]) -> Floats:
        """Sums by trial and arm, (trials, arms)."""
        return np.add.reduceat(values.reshape(self.trials, -1), self.starts, axis=1, dtype=np.float64)

    def by_arm(self, values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Each arm's patients, (trials, n of the arm)."""
        return np.split(values.reshape(self.trials, -1), self.starts[1:], axis=1)

    def visit(self, month: float) -> int:
        """Place of the scheduled visit of a month."""
        day = month_day(month)
        if day not in self.design.visit_days:
            raise DesignError("no visit in this month", where="statistic", found=f"month {month:g}")
        return self.design.visit_days.index(day)

    def attends(self, visit: int) -> Flags:
        """Who is still in the trial at a visit, flat."""
        return self.days >= self.design.visit_days[visit]

    def measured(self, measure: str, visit: int) -> Floats:
        """A measure at a scheduled visit, flat, in the protocol's unit."""
        grid = self.tile.panel.columns[measure].values.reshape(self.days.size, -1)
        return np.ascontiguousarray(grid[:, visit])

    def in_state(self, state: str, visit: int) -> Flags:
        """Who is in a state of the protocol at a scheduled visit, flat."""
        verdicts = self.evaluator.verdicts(self.question.context.states[state])
        return (verdicts == TRUE).reshape(self.days.size, -1)[:, visit]

    def compared(self, endpoint: str, keep: Flags | None = None) -> tuple[Floats, Floats, Floats]:
        """Log-rank P, log hazard ratio and its error of each trial, first other arm against the reference.

        Patients who are not kept are out at once, and so in nobody's risk set.
        """
        times = self.outcomes.times[endpoint]
        time, event = times.times.astype(np.float64), times.is_event
        if keep is not None:
            time, event = np.where(keep, time, 0.5), event & keep
        other = next(k for k in range(len(self.design.arms)) if k != self.design.reference)
        arm = (self.design.arm_of_patients() == other).astype(np.int8)
        shape = (self.trials, -1)
        log_rank, cox = batch_trials(time.reshape(shape), event.reshape(shape), arm).compare()
        return log_rank.p_value, cox.coef, cox.std_error

    def incidence(self, endpoint: str, month: float, keep: Flags | None = None) -> Floats:
        """Kaplan-Meier's cumulative percentage by trial and arm, (trials, arms)."""
        times = self.outcomes.times[endpoint]
        time, event = times.times.astype(np.float64), times.is_event
        if keep is not None:
            time, event = np.where(keep, time, 0.5), event & keep
        shape = (self.trials, -1)
        arms = self.design.arm_of_patients()
        batch = batch_trials(time.reshape(shape), event.reshape(shape), arms, n_groups=len(self.design.arms))
        at = float(month_day(month))
        return 100.0 * (1.0 - batch.kaplan_meier([at]).estimate[:, :, 0])
