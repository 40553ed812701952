"""Survival curves as data: what can be asked of them, as frames.

Computes nothing but look-ups and quantiles; `kaplan_meier` makes the curves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._inputs import require_finite
from flarefree.stats.survival._order import TIE_TOLERANCE

__all__ = ["KaplanMeier", "KaplanMeierCurve"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class KaplanMeierCurve:
    """The curve of one group, at each of its distinct times.

    Attributes
    ----------
    group : label, or None where there is one curve only
    n : int
        Rows in the group.
    time, n_risk, n_event, n_censor : (k,) float
        Ascending distinct times of events and censorings; weighted numbers at risk just before each,
        of events and of censorings at it.
    estimate, std_error, conf_low, conf_high : (k,) float
        Survival just after each time, its standard error and pointwise limits.
    cumulative_hazard, cumulative_hazard_std_error : (k,) float
        Nelson and Aalen's sum.
    """

    group: Any
    n: int
    time: Floats = field(repr=False)
    n_risk: Floats = field(repr=False)
    n_event: Floats = field(repr=False)
    n_censor: Floats = field(repr=False)
    estimate: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    conf_low: Floats = field(repr=False)
    conf_high: Floats = field(repr=False)
    cumulative_hazard: Floats = field(repr=False)
    cumulative_hazard_std_error: Floats = field(repr=False)

    @property
    def n_events(self) -> float:
        """Weighted number of events."""
        return float(self.n_event.sum())

    def quantile(self, p: float) -> tuple[float, float, float]:
        """The time by which a share `p` had the event, and its limits; NaN where not reached.

        The limits are where the curve's own limits cross 1 - p (Brookmeyer and Crowley).  Where the
        curve runs level at exactly 1 - p, the middle of the level stretch.
        """
        return (
            _crossing(self.time, self.estimate, 1.0 - p),
            _crossing(self.time, self.conf_low, 1.0 - p),
            _crossing(self.time, self.conf_high, 1.0 - p),
        )

    def places(self, times: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
        """For each of `times` the last place of the curve at or before it; -1 before the first."""
        return np.searchsorted(self.time, times * (1.0 + TIE_TOLERANCE), side="right") - 1


def _crossing(time: Floats, curve: Floats, level: float) -> float:
    below = np.flatnonzero(curve < level + TIE_TOLERANCE)
    if below.size == 0:
        return math.nan
    first = int(below[0])
    if abs(curve[first] - level) < TIE_TOLERANCE:
        lower = below[curve[below] < curve[first]]
        if lower.size:
            return float(time[first] + time[int(lower[0])]) / 2.0
    return float(time[first])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KaplanMeier:
    """Kaplan-Meier curves by group.

    Attributes
    ----------
    curves : tuple of KaplanMeierCurve
        One a group, in the order of their labels.
    conf_type : str
        Scale of the limits.
    level : float
        Level of the limits.
    variance : str
        `Greenwood`, or `infinitesimal jackknife` for weights that are no whole numbers.
    """

    curves: tuple[KaplanMeierCurve, ...]
    conf_type: str
    level: float
    variance: str
    is_grouped: bool

    @property
    def groups(self) -> tuple[Any, ...]:
        """Labels of the curves; (None,) for a single curve without a label."""
        return tuple(curve.group for curve in self.curves)

    def __getitem__(self, group: Any) -> KaplanMeierCurve:
        for curve in self.curves:
            if curve.group == group:
                return curve
        raise StatsError(
            "no curve of that group",
            where="group",
            found=repr(group),
            expected=", ".join(map(repr, self.groups)),
        )

    def median(self) -> pl.DataFrame:
        """Median times by group: group, n, n_event, median, conf_low, conf_high; null if not reached."""
        return self.quantile(0.5).rename({"estimate": "median"}).drop("probability")

    def quantile(self, p: float) -> pl.DataFrame:
        """Times by which a share `p` had the event, by group, with limits; null if not reached."""
        if not 0.0 < p < 1.0:
            raise StatsError(
                "a share lies between 0 and 1", where="p", found=repr(p), expected="such as 0.25"
            )
        rows = [
            (curve.group, curve.n, curve.n_events, p, *(_none_if_nan(v) for v in curve.quantile(p)))
            for curve in self.curves
        ]
        return _frame(rows, ("group", "n", "n_event", "probability", "estimate", "conf_low", "conf_high"))

    def at(self, times: Any, *, extend: bool = False) -> pl.DataFrame:
        """Survival at given times, by group.

        Parameters
        ----------
        times : (m,) float, or one number
            In the unit of the curve.
        extend : bool
            Whether a curve is carried on level after its last observation; otherwise it is null there.

        Returns
        -------
        polars.DataFrame
            group, time, n_risk (just before the time), n_event (up to it), estimate, std_error,
            conf_low, conf_high.
        """
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        frames = [self._at(curve, wanted, extend) for curve in self.curves]
        return pl.concat(frames)

    def n_at_risk(self, times: Any) -> pl.DataFrame:
        """Numbers at risk just before given times, and events and censorings up to and with them."""
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        frames = []
        for curve in self.curves:
            events, censorings = np.cumsum(curve.n_event), np.cumsum(curve.n_censor)
            place = curve.places(wanted)
            frames.append(
                self._labelled(
                    curve,
                    {
                        "time": wanted,
                        "n_risk": _n_risk_at(curve, wanted),
                        "n_event": np.where(place >= 0, events[place], 0.0),
                        "n_censor": np.where(place >= 0, censorings[place], 0.0),
                    },
                )
            )
        return pl.concat(frames)

    def _at(self, curve: KaplanMeierCurve, wanted: Floats, extend: bool) -> pl.DataFrame:
        place = curve.places(wanted)
        before = place < 0
        after = np.zeros(wanted.size, dtype=bool) if extend else wanted > curve.time[-1] * (1 + TIE_TOLERANCE)

        def take(values: Floats, at_start: float) -> Floats:
            return np.where(after, np.nan, np.where(before, at_start, values[place]))

        no_limit = 1.0 if self.conf_type in ("plain", "log") else math.nan
        return self._labelled(
            curve,
            {
                "time": wanted,
                "n_risk": _n_risk_at(curve, wanted),
                "n_event": np.where(before, 0.0, np.cumsum(curve.n_event)[place]),
                "estimate": take(curve.estimate, 1.0),
                "std_error": take(curve.std_error, 0.0),
                "conf_low": take(curve.conf_low, no_limit),
                "conf_high": take(curve.conf_high, no_limit),
            },
        )

    def tidy(self) -> pl.DataFrame:
        """One row a time: time, n_risk, n_event, n_censor, estimate, std_error, limits, group."""
        names = ("time", "n_risk", "n_event", "n_censor", "estimate", "std_error", "conf_low", "conf_high")
        frames = [
            self._labelled(curve, {name: getattr(curve, name) for name in names}).select(*names, "group")
            for curve in self.curves
        ]
        return pl.concat(frames)

    def nelson_aalen(self) -> pl.DataFrame:
        """One row a time: time, n_risk, n_event, n_censor, estimate (cumulative hazard), std_error, group."""
        frames = [
            self._labelled(
                curve,
                {
                    "time": curve.time,
                    "n_risk": curve.n_risk,
                    "n_event": curve.n_event,
                    "n_censor": curve.n_censor,
                    "estimate": curve.cumulative_hazard,
                    "std_error": curve.cumulative_hazard_std_error,
                },
            ).select("time", "n_risk", "n_event", "n_censor", "estimate", "std_error", "group")
            for curve in self.curves
        ]
        return pl.concat(frames)

    def glance(self) -> pl.DataFrame:
        """One row: n, n_event, n_groups, conf_type, level, variance."""
        return pl.DataFrame(
            {
                "n": [sum(curve.n for curve in self.curves)],
                "n_event": [sum(curve.n_events for curve in self.curves)],
                "n_groups": [len(self.curves)],
                "conf_type": [self.conf_type],
                "level": [self.level],
                "variance": [self.variance],
            }
        )

    def _labelled(self, curve: KaplanMeierCurve, columns: dict[str, Floats]) -> pl.DataFrame:
        frame = pl.DataFrame(
            {name: pl.Series(name, values, nan_to_null=True) for name, values in columns.items()}
        )
        return frame.select(pl.lit(curve.group).alias("group") if self.is_grouped else _no_group(), *columns)

    def __repr__(self) -> str:
        width = max(len(str(group)) for group in self.groups) if self.is_grouped else 3
        head = f"{'':<{width}} {'n':>7} {'events':>8} {'median':>10}  {100 * self.level:g}% limits"
        lines = [
            f"Kaplan-Meier ({self.conf_type} limits, {self.variance} variance)",
            head,
            *(_line(curve, width, self.is_grouped) for curve in self.curves),
        ]
        return "\n".join(lines)


def _no_group() -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias("group")


def _n_risk_at(curve: KaplanMeierCurve, wanted: Floats) -> Floats:
    """At risk just before each time: the count at the next time of the curve that is not earlier.

    With left truncation this counts those who enter before that next time.
    """
    place = np.searchsorted(curve.time, wanted * (1.0 - TIE_TOLERANCE), side="left")
    counts = np.append(curve.n_risk, 0.0)
    return counts[place]


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _frame(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> pl.DataFrame:
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    series = [
        pl.Series(name, values) if name == "group" else pl.Series(name, values, dtype=_kind(name))
        for name, values in columns.items()
    ]
    frame = pl.DataFrame(series)
    return frame.with_columns(_no_group()) if frame["group"].dtype == pl.Null else frame


def _kind(name: str) -> Any:
    return pl.Int64 if name == "n" else pl.Float64


def _line(curve: KaplanMeierCurve, width: int, is_grouped: bool) -> str:
    middle, low, high = (_print(value) for value in curve.quantile(0.5))
    label = str(curve.group) if is_grouped else "all"
    return f"{label:<{width}} {curve.n:>7} {curve.n_events:>8g} {middle:>10}  {low} to {high}"


def _print(value: float) -> str:
    return "—" if math.isnan(value) else f"{value:.6g}"
