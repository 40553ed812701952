"""Landmark analysis: those still event-free and followed at a time, with time counted from it.

Decides who is in and how many are not; what is then estimated is `kaplan_meier`, `logrank` or `fit_cox`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._inputs import require_events, require_finite, require_length, require_times
from flarefree.stats.survival._order import TIE_TOLERANCE
from flarefree.stats.survival.curves import KaplanMeier
from flarefree.stats.survival.logrank_tests import LogrankTest

__all__ = ["Landmark", "landmark"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Landmark:
    """Patients at risk at a landmark.

    Attributes
    ----------
    at : float
        The landmark.
    rows : (m,) int
        Places of the patients who are in, among those given.
    time, event : (m,)
        Time since the landmark, and whether it ended in the event.
    n_events_before, n_censored_before : int
        Who is not in, and why; an event or censoring at the landmark itself counts as before.
    """

    at: float
    rows: np.ndarray[Any, np.dtype[np.int64]] = field(repr=False)
    time: Floats = field(repr=False)
    event: np.ndarray[Any, np.dtype[np.bool_]] = field(repr=False)
    n_events_before: int
    n_censored_before: int

    def take(self, values: Any) -> np.ndarray:
        """A variable of all patients, for those who are in."""
        array = np.asarray(values)
        return array[self.rows]

    def kaplan_meier(self, group: Any = None, **arguments: Any) -> KaplanMeier:
        """Curves since the landmark; `group` is given for all patients, as known at the landmark."""
        from flarefree.stats.survival.product_limit import kaplan_meier

        return kaplan_meier(self.time, self.event, None if group is None else self.take(group), **arguments)

    def logrank(self, group: Any, **arguments: Any) -> LogrankTest:
        """Log-rank test since the landmark."""
        from flarefree.stats.survival.logrank_tests import logrank

        if arguments.get("strata") is not None:
            arguments["strata"] = self.take(arguments["strata"])
        return logrank(self.time, self.event, self.take(group), **arguments)

    def glance(self) -> pl.DataFrame:
        """One row: at, n, n_event, n_events_before, n_censored_before."""
        return pl.DataFrame(
            {
                "at": [self.at],
                "n": [int(self.rows.size)],
                "n_event": [int(self.event.sum())],
                "n_events_before": [self.n_events_before],
                "n_censored_before": [self.n_censored_before],
            }
        )

    def tidy(self) -> pl.DataFrame:
        """One row a patient who is in: row, time, event."""
        return pl.DataFrame({"row": self.rows, "time": self.time, "event": self.event})

    def __repr__(self) -> str:
        return (
            f"Landmark at {self.at:g}: {self.rows.size} at risk, {int(self.event.sum())} events after it; "
            f"left out: {self.n_events_before} with an event and {self.n_censored_before} censored by then"
        )


def landmark(time: Any, event: Any, at: float) -> Landmark:
    """Those at risk just after a landmark, with time counted from it.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    at : float
        The landmark, in the unit of `time`.

    References
    ----------
    [anderson1983]
    """
    times = require_times(time)
    events = require_events(event)
    require_length(events, times.size, "event")
    moment = float(require_finite(np.atleast_1d(np.asarray(at, dtype=np.float64)), "at")[0])
    if moment < 0:
        raise StatsError("a negative time", where="at", found=f"{moment:g}", expected="zero or more")
    stays = times > moment * (1.0 + TIE_TOLERANCE)
    if not stays.any():
        raise StatsError(
            "nobody was at risk after the landmark",
            where="at",
            found=f"{moment:g}; the last observation is at {times.max():g}",
            expected="an earlier landmark",
        )
    rows = np.flatnonzero(stays)
    return Landmark(
        moment,
        rows,
        times[rows] - moment,
        events[rows],
        int((events & ~stays).sum()),
        int((~events & ~stays).sum()),
    )
