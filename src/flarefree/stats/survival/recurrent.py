"""Recurrent events: the mean cumulative function with a robust variance.

The Andersen-Gill model of recurrent events is `cox("Surv(start, stop, event) ~ ...", cluster=id)`.
Formulas: docs/methods/survival_recurrent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numba as nb
import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._inputs import (
    encode_groups,
    require_events,
    require_finite,
    require_length,
    require_times,
)
from flarefree.stats.survival._numbers import normal_quantile, require_level
from flarefree.stats.survival._order import TIE_TOLERANCE, join_close_times

__all__ = ["MeanCumulativeCurve", "MeanCumulativeFunction", "mean_cumulative_function"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class MeanCumulativeCurve:
    """The mean number of events per subject in one group, at each time with an event."""

    group: Any
    n_subjects: int
    time: Floats = field(repr=False)
    n_risk: Floats = field(repr=False)
    n_event: Floats = field(repr=False)
    estimate: Floats = field(repr=False)
    std_error: Floats = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MeanCumulativeFunction:
    """Mean cumulative functions by group, after Nelson, with Lawless and Nadeau's robust variance."""

    curves: tuple[MeanCumulativeCurve, ...]
    level: float
    is_grouped: bool

    def tidy(self) -> pl.DataFrame:
        """One row a time: time, n_risk, n_event, estimate, std_error, conf_low, conf_high, group."""
        return pl.concat([self._frame(curve, slice(None)) for curve in self.curves])

    def at(self, times: Any) -> pl.DataFrame:
        """Means at given times; zero before the first event."""
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        frames = []
        for curve in self.curves:
            place = np.searchsorted(curve.time, wanted * (1 + TIE_TOLERANCE), side="right") - 1
            frame = self._frame(curve, np.maximum(place, 0))
            zero = pl.Series(place < 0)
            frames.append(
                frame.with_columns(
                    pl.Series("time", wanted),
                    *(
                        pl.when(zero).then(0.0).otherwise(pl.col(name)).alias(name)
                        for name in ("estimate", "std_error", "conf_low", "conf_high", "n_event")
                    ),
                ).drop("n_risk", "n_event")
            )
        return pl.concat(frames)

    def _frame(self, curve: MeanCumulativeCurve, part: Any) -> pl.DataFrame:
        estimate, error = curve.estimate[part], curve.std_error[part]
        half = normal_quantile(self.level) * error
        group = pl.lit(curve.group) if self.is_grouped else pl.lit(None, dtype=pl.String)
        return pl.DataFrame(
            {
                "time": curve.time[part],
                "n_risk": curve.n_risk[part],
                "n_event": curve.n_event[part],
                "estimate": estimate,
                "std_error": error,
                "conf_low": np.maximum(estimate - half, 0.0),
                "conf_high": estimate + half,
            }
        ).with_columns(group.alias("group"))

    def glance(self) -> pl.DataFrame:
        """One row: n_subjects, n_event, n_groups, level, variance."""
        return pl.DataFrame(
            {
                "n_subjects": [sum(curve.n_subjects for curve in self.curves)],
                "n_event": [sum(float(curve.n_event.sum()) for curve in self.curves)],
                "n_groups": [len(self.curves)],
                "level": [self.level],
                "variance": ["robust (Lawless-Nadeau)"],
            }
        )

    def __repr__(self) -> str:
        lines = ["Mean cumulative function (Nelson; robust variance, Lawless-Nadeau), plain limits"]
        for curve in self.curves:
            label = str(curve.group) if self.is_grouped else "all"
            if not curve.time.size:
                lines.append(f"{label}: no events in {curve.n_subjects} subjects")
                continue
            lines.append(
                f"{label}: {curve.n_event.sum():g} events in {curve.n_subjects} subjects; mean "
                f"{curve.estimate[-1]:.4g} (se {curve.std_error[-1]:.3g}) by {curve.time[-1]:g}"
            )
        return "\n".join(lines)


def mean_cumulative_function(
    stop: Any, event: Any, subject: Any, group: Any = None, *, start: Any = None, level: float = 0.95
) -> MeanCumulativeFunction:
    """Mean cumulative number of recurrent events per subject, by group.

    Parameters
    ----------
    stop : (n,) float
        End of each row's interval (start, stop].
    event : (n,) bool or 0/1
        Whether an event happened at `stop`.
    subject : (n,) labels
        Whose row it is; rows of a subject must not overlap.
    group : (n,), optional
        A label for each row, the same for all rows of a subject.
    start : (n,) float, optional
        Beginning of each interval; zero unless given.
    level : float
        Level of the limits.

    References
    ----------
    [nelson1988], [lawless1995]; agrees with R's `survfit(..., cluster=id)$cumhaz`.
    """
    level = require_level(level)
    stops = require_times(stop, "stop")
    events = require_events(event)
    require_length(events, stops.size, "event")
    starts = np.zeros(stops.size) if start is None else require_times(start, "start")
    require_length(starts, stops.size, "start")
    if (starts > stops).any():
        row = int(np.flatnonzero(starts > stops)[0])
        raise StatsError(
            "a row ends before it begins",
            where="start",
            found=f"({starts[row]:g}, {stops[row]:g}] in row {row}",
        )
    subjects, names = encode_groups(subject, stops.size, "subject")
    code, labels = (np.zeros(stops.size, dtype=np.int64), (None,))
    if group is not None:
        code, labels = encode_groups(group, stops.size)
    stops, starts = join_close_times(stops, starts)
    _require_apart(starts, stops, subjects, names)
    curves = []
    for g, label in enumerate(labels):
        mine = np.flatnonzero(code == g)
        _, dense = np.unique(subjects[mine], return_inverse=True)
        order = np.argsort(stops[mine], kind="stable")
        begin = np.argsort(starts[mine], kind="stable")
        found = _mean_and_variance(
            starts[mine], stops[mine], events[mine], dense, int(dense.max()) + 1, order, begin
        )
        time, n_risk, n_event, mean, variance = (column.copy() for column in found)
        curves.append(
            MeanCumulativeCurve(label, int(dense.max()) + 1, time, n_risk, n_event, mean, np.sqrt(variance))
        )
    return MeanCumulativeFunction(tuple(curves), level, group is not None)


def _require_apart(start: Floats, stop: Floats, subject: Any, names: tuple[Any, ...]) -> None:
    order = np.lexsort((stop, start, subject))
    same = subject[order][1:] == subject[order][:-1]
    overlap = same & (start[order][1:] < stop[order][:-1])
    if overlap.any():
        row = order[1:][np.flatnonzero(overlap)[0]]
        raise StatsError(
            "rows of a subject overlap",
            where="subject",
            found=f"{names[subject[row]]!r}, at ({start[row]:g}, {stop[row]:g}]",
            expected="intervals that follow each other",
        )


@nb.njit(cache=True, error_model="numpy")
def _mean_and_variance(
    start: Any, stop: Any, event: Any, subject: Any, n_subjects: Any, by_stop: Any, by_start: Any
) -> Any:
    """Times with events, numbers at risk and of events, mean, robust variance: (5, k).

    Subject i's influence at t is c_i - r_i B(t), with r_i its rows at risk and B the sum of d / Y^2;
    sums of c^2, c r and r^2 are kept as rows come, go and have events.
    """
    n = stop.size
    out = np.zeros((5, n))
    c = np.zeros(n_subjects)
    r = np.zeros(n_subjects)
    cc = 0.0
    cr = 0.0
    rr = 0.0
    b = 0.0
    mean = 0.0
    at_risk = 0.0
    entered = 0
    k = 0
    i = 0
    while i < n:
        t = stop[by_stop[i]]
        while entered < n and start[by_start[entered]] < t:
            row = by_start[entered]
            entered += 1
            if stop[row] <= start[row]:
                continue  # nobody is at risk for no time
            s = subject[row]
            cr += (c[s] + b) * (r[s] + 1.0) - c[s] * r[s]
            cc += (c[s] + b) ** 2 - c[s] ** 2
            rr += 2.0 * r[s] + 1.0
            c[s] += b
            r[s] += 1.0
            at_risk += 1.0
        first = i
        d = 0.0
        while i < n and stop[by_stop[i]] == t:
            row = by_stop[i]
            if event[row] and stop[row] > start[row]:
                d += 1.0
            i += 1
        if d > 0.0:
            b += d / (at_risk * at_risk)
            mean += d / at_risk
            for j in range(first, i):
                row = by_stop[j]
                if event[row] and stop[row] > start[row]:
                    s = subject[row]
                    more = 1.0 / at_risk
                    cc += 2.0 * c[s] * more + more * more
                    cr += r[s] * more
                    c[s] += more
            out[0, k] = t
            out[1, k] = at_risk
            out[2, k] = d
            out[3, k] = mean
            out[4, k] = max(cc - 2.0 * b * cr + b * b * rr, 0.0)
            k += 1
        for j in range(first, i):
            row = by_stop[j]
            if stop[row] <= start[row]:
                continue
            s = subject[row]
            cr += (c[s] - b) * (r[s] - 1.0) - c[s] * r[s]
            cc += (c[s] - b) ** 2 - c[s] ** 2
            rr += 1.0 - 2.0 * r[s]
            c[s] -= b
            r[s] -= 1.0
            at_risk -= 1.0
    return out[:, :k]
