"""Restricted mean survival time, by group, with difference and ratio.

Formulas: docs/methods/survival_curves.md, "Restricted means".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._numbers import normal_quantile, require_level, two_sided_p
from flarefree.stats.survival.curves import KaplanMeierCurve
from flarefree.stats.survival.product_limit import kaplan_meier

__all__ = ["RestrictedMean", "rmst"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RestrictedMean:
    """Mean survival time up to `tau`, by group.

    Attributes
    ----------
    groups : tuple
        Labels; the first is the reference of the contrasts.
    tau : float
        Where the means are cut off.
    estimate, std_error, conf_low, conf_high : (groups,) float
    n, n_events : (groups,)
        Rows, and events up to `tau`.
    """

    groups: tuple[Any, ...]
    tau: float
    n: np.ndarray[Any, np.dtype[np.int64]] = field(repr=False)
    n_events: Floats = field(repr=False)
    estimate: Floats
    std_error: Floats
    level: float
    is_grouped: bool

    @property
    def conf_low(self) -> Floats:
        return self.estimate - normal_quantile(self.level) * self.std_error

    @property
    def conf_high(self) -> Floats:
        return self.estimate + normal_quantile(self.level) * self.std_error

    def difference(self) -> pl.DataFrame:
        """Each group's mean less the first group's: term, estimate, std_error, statistic, p_value, limits."""
        rows = []
        for i in range(1, len(self.groups)):
            error = math.hypot(self.std_error[i], self.std_error[0])
            rows.append(self._contrast(i, float(self.estimate[i] - self.estimate[0]), error))
        return _contrasts(rows)

    def ratio(self) -> pl.DataFrame:
        """Each group's mean over the first group's; `std_error` and `statistic` are of its logarithm."""
        return self._ratios(self.estimate)

    def time_lost_ratio(self) -> pl.DataFrame:
        """The same for the time lost up to tau: tau less the mean."""
        return self._ratios(self.tau - self.estimate)

    def _ratios(self, values: Floats) -> pl.DataFrame:
        rows = []
        for i in range(1, len(self.groups)):
            with np.errstate(divide="ignore", invalid="ignore"):
                log_ratio = float(np.log(values[i] / values[0]))
                error = float(np.hypot(self.std_error[i] / values[i], self.std_error[0] / values[0]))
            term, estimate, error, z, p, low, high = self._contrast(i, log_ratio, error)
            rows.append((term, math.exp(estimate), error, z, p, math.exp(low), math.exp(high)))
        return _contrasts(rows)

    def _contrast(self, i: int, estimate: float, error: float) -> tuple[Any, ...]:
        z = estimate / error if error > 0 else math.nan
        half = normal_quantile(self.level) * error
        term = f"{self.groups[i]} vs {self.groups[0]}"
        return (term, estimate, error, z, two_sided_p(z), estimate - half, estimate + half)

    def tidy(self) -> pl.DataFrame:
        """One row a group: group, n, n_event, estimate, std_error, conf_low, conf_high."""
        groups = list(self.groups) if self.is_grouped else pl.Series([None], dtype=pl.String)
        return pl.DataFrame(
            {
                "group": groups,
                "n": self.n,
                "n_event": self.n_events,
                "estimate": self.estimate,
                "std_error": self.std_error,
                "conf_low": self.conf_low,
                "conf_high": self.conf_high,
            }
        )

    def glance(self) -> pl.DataFrame:
        """One row: tau, level, variance."""
        return pl.DataFrame({"tau": [self.tau], "level": [self.level], "variance": ["Greenwood"]})

    def __repr__(self) -> str:
        lines = [f"Restricted mean survival time to {self.tau:g}, {100 * self.level:g}% limits"]
        for label, mean, low, high in zip(self.groups, self.estimate, self.conf_low, self.conf_high):
            name = str(label) if self.is_grouped else "all"
            lines.append(f"{name}: {mean:.5g} ({low:.5g} to {high:.5g})")
        if len(self.groups) > 1:
            for name, frame in (("difference", self.difference()), ("ratio", self.ratio())):
                for term, estimate, _, _, p, low, high in frame.iter_rows():
                    lines.append(f"{name}, {term}: {estimate:.4g} ({low:.4g} to {high:.4g}), p = {p:.4g}")
        return "\n".join(lines)


def rmst(
    time: Any,
    event: Any,
    group: Any = None,
    *,
    tau: float | None = None,
    entry: Any = None,
    level: float = 0.95,
) -> RestrictedMean:
    """Area under the Kaplan-Meier curve up to `tau`, by group.

    Parameters
    ----------
    time, event, group : (n,)
        As in `kaplan_meier`.
    tau : float, optional
        Where the means are cut off; the smallest of the groups' last observed times unless given.
    entry : (n,) float, optional
        Left truncation.
    level : float
        Level of the limits.

    Raises
    ------
    StatsError
        `tau` lies beyond the last observation of a group whose curve has not reached zero.

    References
    ----------
    [uno2014]; agrees with R's survRM2 (and with `print(survfit, rmean=)`).
    """
    level = require_level(level)
    curves = kaplan_meier(time, event, group, entry=entry, level=level).curves
    ends = [math.inf if curve.estimate[-1] == 0 else float(curve.time[-1]) for curve in curves]
    chosen = min(float(curve.time[-1]) for curve in curves) if tau is None else float(tau)
    if not 0 < chosen < math.inf:
        raise StatsError("not a time", where="tau", found=repr(tau), expected="a positive number")
    if chosen > min(ends) * (1 + 1e-12):
        short = curves[int(np.argmin(ends))]
        raise StatsError(
            "tau lies beyond the last observation of a group",
            where="tau",
            found=f"{chosen:g}; group {short.group!r} was observed until {min(ends):g}",
            expected=f"at most {min(ends):g}",
        )
    areas = [_area(curve, chosen) for curve in curves]
    return RestrictedMean(
        tuple(curve.group for curve in curves),
        chosen,
        np.array([curve.n for curve in curves]),
        np.array([float(curve.n_event[curve.time <= chosen].sum()) for curve in curves]),
        np.array([area for area, _ in areas]),
        np.array([error for _, error in areas]),
        level,
        group is not None,
    )


def _area(curve: KaplanMeierCurve, tau: float) -> tuple[float, float]:
    """The area to tau, and its error: over event times, (area still to come)^2 d / (n (n - d))."""
    inside = curve.time < tau
    corners = np.concatenate(([0.0], curve.time[inside], [tau]))
    heights = np.concatenate(([1.0], curve.estimate[inside]))
    pieces = heights * np.diff(corners)
    to_come = np.cumsum(pieces[::-1])[::-1][1:]
    n, d = curve.n_risk[inside], curve.n_event[inside]
    spread = np.where(n > d, d / (n * np.maximum(n - d, 1e-300)), 0.0)
    return float(pieces.sum()), float(np.sqrt((to_come**2 * spread).sum()))


def _contrasts(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = ("term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
    return pl.DataFrame(
        [
            pl.Series(
                name, [row[i] for row in rows], dtype=pl.String if i == 0 else pl.Float64, nan_to_null=i > 0
            )
            for i, name in enumerate(names)
        ]
    )
