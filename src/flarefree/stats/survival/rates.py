"""Incidence rates per person-time with their limits, and rate ratios.

Formulas: docs/methods/survival_rates.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._numbers import normal_quantile, require_level, two_sided_p

__all__ = ["IncidenceRate", "RateRatio", "incidence_rate", "rate_ratio"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_METHODS = {
    "exact": "exact (Garwood) limits",
    "byar": "Byar's limits",
    "breslow-day": "Byar's limits after Breslow and Day",
    "normal": "normal limits",
    "log-normal": "normal limits on the log scale",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IncidenceRate:
    """Incidence rates.

    Attributes
    ----------
    events, person_time : float or array
        As given.
    rate, conf_low, conf_high : float or array
        Per `per` units of person-time; NaN where nobody was at risk.
    std_error : float or array
        sqrt(events) / person_time * per.
    per, method, level : the conventions
    """

    events: Any
    person_time: Any
    rate: Any
    std_error: Any
    conf_low: Any
    conf_high: Any
    per: float
    method: str
    level: float

    def tidy(self) -> pl.DataFrame:
        """One row a rate: events, person_time, estimate, std_error, conf_low, conf_high."""
        names = {
            "events": self.events,
            "person_time": self.person_time,
            "estimate": self.rate,
            "std_error": self.std_error,
            "conf_low": self.conf_low,
            "conf_high": self.conf_high,
        }
        return pl.DataFrame(
            [
                pl.Series(k, np.atleast_1d(np.asarray(v, dtype=float)), nan_to_null=True)
                for k, v in names.items()
            ]
        )

    def glance(self) -> pl.DataFrame:
        """One row: per, method, level."""
        return pl.DataFrame({"per": [self.per], "method": [self.method], "level": [self.level]})

    def __repr__(self) -> str:
        rows = self.tidy().iter_rows()
        lines = [
            f"{d:g} events in {t:g}: {_show(r)} ({_show(low)} to {_show(high)})"
            for d, t, r, _, low, high in rows
        ]
        return "\n".join([f"Rate per {self.per:g}, {100 * self.level:g}% {_METHODS[self.method]}", *lines])


def incidence_rate(
    events: Any, person_time: Any, *, per: float = 100, method: str = "exact", level: float = 0.95
) -> IncidenceRate:
    """Events per `per` units of person-time, with limits.

    Parameters
    ----------
    events : int or (k,) int
        Numbers of events; zero or more.
    person_time : float or (k,) float
        Time at risk, in the unit that `per` counts; zero or more.
    per : float
        100 for a rate per 100 person-years, where `person_time` is in years.
    method : {"exact", "byar", "breslow-day", "normal", "log-normal"}
        Garwood's exact Poisson limits; Byar's approximation at d + 1/2, as R's epitools and tern; the same
        at d below and d + 1 above; rate -+ z sqrt(events), whose lower limit may be negative; the same on
        the log scale (none for 0 events).
    level : float
        Level of the limits.

    Returns
    -------
    IncidenceRate
        Scalars where scalars came in, else arrays.

    References
    ----------
    [garwood1936]; [rothman2002]; [breslow1987] p. 69.
    """
    level = require_level(level)
    _require_method(method)
    d, t = _require_counts(events, "events"), _require_amounts(person_time, "person_time")
    d, t = np.broadcast_arrays(d, t)
    if not per > 0:
        raise StatsError("not an amount of person-time", where="per", found=repr(per), expected="such as 100")
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _count_limits(d, method, level)
        columns = [np.where(t > 0, value / t * per, np.nan) for value in (d, np.sqrt(d), low, high)]
    rate, error, below, above = (_plain(column) for column in columns)
    return IncidenceRate(_plain(d), _plain(t), rate, error, below, above, float(per), method, level)


def _plain(column: Floats) -> Any:
    """A number where the array has no axis; otherwise a copy that is nobody else's."""
    return float(column) if column.ndim == 0 else column.copy()


def _count_limits(d: Floats, method: str, level: float) -> tuple[Floats, Floats]:
    z = normal_quantile(level)
    tail = (1.0 - level) / 2.0
    match method:
        case "exact":
            from scipy.special import gammaincinv

            low = np.where(d > 0, gammaincinv(np.where(d > 0, d, 1.0), tail), 0.0)
            return low, gammaincinv(d + 1.0, 1.0 - tail)
        case "byar":  # one formula at d + 1/2 [rothman2002], as in R's epitools and tern
            more = d + 0.5
            low = more * (1 - 1 / (9 * more) - z / (3 * np.sqrt(more))) ** 3
            return np.where(d > 0, low, 0.0), more * (1 - 1 / (9 * more) + z / (3 * np.sqrt(more))) ** 3
        case "breslow-day":  # d below, d + 1 above, which stays close to the exact limits
            safe, more = np.where(d > 0, d, 1.0), d + 1.0
            low = safe * (1 - 1 / (9 * safe) - z / (3 * np.sqrt(safe))) ** 3
            high = more * (1 - 1 / (9 * more) + z / (3 * np.sqrt(more))) ** 3
            return np.where(d > 0, low, 0.0), high
        case "normal":
            return d - z * np.sqrt(d), d + z * np.sqrt(d)
        case _:
            factor = np.exp(z / np.sqrt(d))
            return np.where(d > 0, d / factor, np.nan), np.where(d > 0, d * factor, np.nan)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RateRatio:
    """The ratio of two incidence rates, second group over first.

    `p_value` tests a ratio of 1: by the conditional binomial distribution of the events (exact, doubling
    the smaller tail as the limits do), or by the normal statistic of the log ratio.
    """

    events: tuple[float, float]
    person_time: tuple[float, float]
    ratio: float
    std_error: float
    """Of the log ratio."""
    conf_low: float
    conf_high: float
    p_value: float
    method: str
    level: float
    warnings: tuple[str, ...] = field(default=())

    def tidy(self) -> pl.DataFrame:
        """One row: term, estimate, std_error (of the log), p_value, conf_low, conf_high."""
        values = (self.ratio, self.std_error, self.p_value, self.conf_low, self.conf_high)
        names = ("estimate", "std_error", "p_value", "conf_low", "conf_high")
        columns = {n: [v if math.isfinite(v) else None] for n, v in zip(names, values)}
        return pl.DataFrame({"term": ["rate ratio"], **columns})

    def glance(self) -> pl.DataFrame:
        """One row: events and person-time of both groups, method, level."""
        return pl.DataFrame(
            {
                "events_first": [self.events[0]],
                "person_time_first": [self.person_time[0]],
                "events_second": [self.events[1]],
                "person_time_second": [self.person_time[1]],
                "method": [self.method],
                "level": [self.level],
            }
        )

    def __repr__(self) -> str:
        return (
            f"Rate ratio {_show(self.ratio)} ({100 * self.level:g}% limits {_show(self.conf_low)} to "
            f"{_show(self.conf_high)}), p = {_show(self.p_value)}; {self.method} method, second over first"
        )


def rate_ratio(
    events: tuple[int, int], person_time: tuple[float, float], *, method: str = "exact", level: float = 0.95
) -> RateRatio:
    """Ratio of the second group's incidence rate to the first's.

    Parameters
    ----------
    events, person_time : pairs
        Of the first (reference) and of the second group.
    method : {"exact", "log-normal"}
        Exact limits come from Clopper and Pearson's for the second group's share of all events;
        the normal ones from exp(log ratio -+ z sqrt(1/d1 + 1/d2)).
    level : float
        Level of the limits.

    References
    ----------
    [breslow1987] ch. 3; [przyborowski1940]; `exact` agrees with R's `poisson.test` limits.
    """
    level = require_level(level)
    d, t = _require_counts(events, "events"), _require_amounts(person_time, "person_time")
    if d.shape != (2,) or t.shape != (2,):
        raise StatsError(
            "not two groups", where="events", found=f"{d.size} and {t.size}", expected="two of each"
        )
    if (t <= 0).any():
        raise StatsError(
            "nobody was at risk", where="person_time", found=f"{t.min():g}", expected="above zero"
        )
    if method not in ("exact", "log-normal"):
        raise StatsError("no such method", where="method", found=repr(method), expected="exact, log-normal")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float((d[1] / t[1]) / (d[0] / t[0]))
        error = float(np.sqrt((1 / d).sum()))
    if method == "exact":
        low, high, p = _exact_ratio(d, t, level)
    else:
        factor = math.exp(normal_quantile(level) * error) if math.isfinite(error) else math.nan
        low, high = ratio / factor, ratio * factor
        p = two_sided_p(math.log(ratio) / error) if math.isfinite(error) else math.nan
    warnings = () if d.all() else ("a group without events: the ratio is zero or has no bound",)
    pair, times = (float(d[0]), float(d[1])), (float(t[0]), float(t[1]))
    return RateRatio(pair, times, ratio, error, low, high, p, method, level, warnings)


def _exact_ratio(d: Floats, t: Floats, level: float) -> tuple[float, float, float]:
    """Limits and p-value from the share of events that fall to the second group, given their total."""
    from scipy.special import bdtr, bdtrc, betaincinv

    total, second = float(d.sum()), float(d[1])
    if total == 0:
        return 0.0, math.inf, 1.0
    tail = (1.0 - level) / 2.0
    low = betaincinv(second, total - second + 1, tail) if second > 0 else 0.0
    high = betaincinv(second + 1, total - second, 1 - tail) if second < total else 1.0
    share = t[1] / t.sum()
    lower, upper = (
        bdtr(second, int(total), share),
        bdtrc(second - 1, int(total), share) if second > 0 else 1.0,
    )
    odds = t[0] / t[1]
    bound = math.inf if high >= 1 else float(high / (1 - high) * odds)
    return float(low / (1 - low) * odds), bound, min(1.0, 2 * float(min(lower, upper)))


def _require_method(method: str) -> None:
    if method not in _METHODS:
        raise StatsError(
            "no such kind of limits", where="method", found=repr(method), expected=", ".join(_METHODS)
        )


def _require_counts(values: Any, name: str) -> Floats:
    array = _require_amounts(values, name)
    if (array != np.floor(array)).any():
        raise StatsError("not a count", where=name, found=f"{array}", expected="whole numbers of events")
    return array


def _require_amounts(values: Any, name: str) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise StatsError("not a number", where=name, found=repr(values), expected="numbers") from None
    if not np.isfinite(array).all() or (array < 0).any():
        raise StatsError(
            "missing or negative", where=name, found=f"{array}", expected="finite numbers, zero or more"
        )
    return array


def _show(value: float | None) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.4g}"
