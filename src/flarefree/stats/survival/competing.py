"""Competing risks: cumulative incidence by Aalen and Johansen, and Gray's test.

Formulas: docs/methods/survival_competing.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import NoEventsError, StatsError
from flarefree.stats.survival._competing_kernels import aalen_variances, count_incidence, sum_gray
from flarefree.stats.survival._inputs import (
    encode_groups,
    require_entry,
    require_finite,
    require_length,
    require_times,
    require_weights,
)
from flarefree.stats.survival._limits import compute_survival_limits, require_conf_type
from flarefree.stats.survival._numbers import chi_square_p, require_level
from flarefree.stats.survival._order import TIE_TOLERANCE, sort_entries, sort_times
from flarefree.stats.survival.logrank_tests import encode_strata

__all__ = [
    "CumulativeIncidence",
    "GrayTest",
    "IncidenceCurve",
    "cumulative_incidence",
    "encode_causes",
    "gray",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]
VARIANCES = {"jackknife": "infinitesimal jackknife", "aalen": "Aalen"}


@dataclass(frozen=True, slots=True, eq=False)
class IncidenceCurve:
    """The cumulative incidence of one cause in one group, at each distinct time of the group.

    `n_risk` is just before each time, `n_event` of this cause, `n_other` of the others; `estimate`,
    `std_error` and limits just after it.
    """

    group: Any
    cause: Any
    n: int
    time: Floats = field(repr=False)
    n_risk: Floats = field(repr=False)
    n_event: Floats = field(repr=False)
    n_other: Floats = field(repr=False)
    n_censor: Floats = field(repr=False)
    estimate: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    conf_low: Floats = field(repr=False)
    conf_high: Floats = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CumulativeIncidence:
    """Cumulative incidences by group and cause.

    Attributes
    ----------
    curves : tuple of IncidenceCurve
        Group by group, cause by cause, in the order of their labels.
    variance : {"jackknife", "aalen"}
    conf_type, level : conventions of the limits
    """

    curves: tuple[IncidenceCurve, ...]
    causes: tuple[Any, ...]
    variance: str
    conf_type: str
    level: float
    is_grouped: bool

    def curve(self, cause: Any, group: Any = None) -> IncidenceCurve:
        """The curve of one cause in one group."""
        for curve in self.curves:
            if curve.cause == cause and (not self.is_grouped or curve.group == group):
                return curve
        raise StatsError(
            "no such curve",
            where="cause",
            found=f"cause {cause!r}, group {group!r}",
            expected=", ".join(f"({c.cause!r}, {c.group!r})" for c in self.curves),
        )

    def at(self, times: Any, *, extend: bool = False) -> pl.DataFrame:
        """Incidences at given times: group, cause, time, n_risk, estimate, std_error, limits.

        Null after the last observation unless a curve is to be carried on level (`extend`).
        """
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        return pl.concat([self._at(curve, wanted, extend) for curve in self.curves])

    def _at(self, curve: IncidenceCurve, wanted: Floats, extend: bool) -> pl.DataFrame:
        place = np.searchsorted(curve.time, wanted * (1 + TIE_TOLERANCE), side="right") - 1
        following = np.searchsorted(curve.time, wanted * (1 - TIE_TOLERANCE), side="left")
        after = np.zeros(wanted.size, dtype=bool) if extend else wanted > curve.time[-1] * (1 + TIE_TOLERANCE)

        def take(values: Floats, at_start: float) -> pl.Series:
            found = np.where(after, np.nan, np.where(place < 0, at_start, values[place]))
            return pl.Series(found, nan_to_null=True)

        return self._labelled(
            curve,
            {
                "time": wanted,
                "n_risk": np.append(curve.n_risk, 0.0)[following],
                "n_event": np.where(place < 0, 0.0, np.cumsum(curve.n_event)[place]),
                "estimate": take(curve.estimate, 0.0),
                "std_error": take(curve.std_error, 0.0),
                "conf_low": take(curve.conf_low, math.nan),
                "conf_high": take(curve.conf_high, math.nan),
            },
        )

    def tidy(self) -> pl.DataFrame:
        """One row a time: time, n_risk, n_event, n_censor, estimate, std_error, limits, group, cause."""
        names = ("time", "n_risk", "n_event", "n_censor", "estimate", "std_error", "conf_low", "conf_high")
        return pl.concat(
            [
                self._labelled(
                    curve, {name: pl.Series(getattr(curve, name), nan_to_null=True) for name in names}
                ).select(*names, "group", "cause")
                for curve in self.curves
            ]
        )

    def glance(self) -> pl.DataFrame:
        """One row: n, n_groups, n_causes, variance, conf_type, level."""
        n = sum(curve.n for curve in self.curves) // max(len(self.causes), 1)
        return pl.DataFrame(
            {
                "n": [n],
                "n_groups": [len(self.curves) // max(len(self.causes), 1)],
                "n_causes": [len(self.causes)],
                "variance": [VARIANCES[self.variance]],
                "conf_type": [self.conf_type],
                "level": [self.level],
            }
        )

    def _labelled(self, curve: IncidenceCurve, columns: dict[str, Any]) -> pl.DataFrame:
        group = pl.lit(curve.group) if self.is_grouped else pl.lit(None, dtype=pl.String)
        return pl.DataFrame(columns).select(
            group.alias("group"), pl.lit(curve.cause).alias("cause"), *columns
        )

    def __repr__(self) -> str:
        head = (
            f"Cumulative incidence (Aalen-Johansen, {VARIANCES[self.variance]} variance, "
            f"{100 * self.level:g}% {self.conf_type} limits), at the last time of each group"
        )
        lines = []
        for c in self.curves:
            label = f"{c.group}, " if self.is_grouped else ""
            lines.append(
                f"{label}cause {c.cause}: {c.n_event.sum():g} of {c.n}, {c.estimate[-1]:.4g} "
                f"({c.conf_low[-1]:.4g} to {c.conf_high[-1]:.4g}) at {c.time[-1]:g}"
            )
        return "\n".join([head, *lines])


def cumulative_incidence(
    time: Any,
    cause: Any,
    group: Any = None,
    *,
    censored: Any = 0,
    entry: Any = None,
    weights: Any = None,
    variance: str = "jackknife",
    conf_type: str = "log-log",
    level: float = 0.95,
) -> CumulativeIncidence:
    """Estimate the cumulative incidence of each cause in each group.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened.
    cause : (n,) labels
        What happened; `censored` for nothing.
    group : (n,), optional
        A label for each row.
    censored : label
        The cause that stands for censoring.
    entry : (n,) float, optional
        Left truncation: at risk in (entry, time].
    weights : (n,) float, optional
        Case weights.
    variance : {"jackknife", "aalen"}
        The infinitesimal jackknife, as R's survival, or Aalen's formula, as cmprsk's `cuminc` (no
        weights, no truncation).
    conf_type, level
        Scale and level of the limits; log-log is on log(-log F).

    References
    ----------
    [aalen1978], [gray1988]
    """
    level = require_level(level)
    conf_type = require_conf_type(conf_type)
    if variance not in VARIANCES or (variance == "aalen" and not (entry is None and weights is None)):
        raise StatsError(
            "no such variance",
            where="variance",
            found=repr(variance),
            expected="jackknife, or aalen without weights and truncation",
        )
    times = require_times(time)
    code, causes = encode_causes(cause, times.size, censored)
    entries = None if entry is None else require_entry(entry, times)
    weight = np.ones(times.size) if weights is None else require_weights(weights, times.size)
    group_code, labels = (None, (None,)) if group is None else encode_groups(group, times.size)
    _, entries, order, sorted_time, starts = sort_times(times, entries, group_code, len(labels))
    entry_rows, entry_order = sort_entries(entries, order, starts)
    curve_starts, scalars, events, incidence, squares = count_incidence(
        sorted_time, code[order], weight[order], starts, len(causes), entry_rows, entry_order
    )
    if variance == "aalen":
        squares = aalen_variances(curve_starts, scalars[:, 1].copy(), events, incidence)
    error = np.sqrt(squares)
    curves = []
    for g, label in enumerate(labels):
        part = slice(int(curve_starts[g]), int(curve_starts[g + 1]))
        n = int(starts[g + 1] - starts[g])
        for c, name in enumerate(causes):
            f, se = incidence[part, c], error[part, c]
            with np.errstate(divide="ignore", invalid="ignore"):
                low, high = compute_survival_limits(f, se / f, conf_type, level)
            others = events[part].sum(axis=1) - events[part, c]
            curves.append(
                IncidenceCurve(
                    label,
                    name,
                    n,
                    scalars[part, 0],
                    scalars[part, 1],
                    events[part, c],
                    others,
                    scalars[part, 2],
                    f,
                    se,
                    low,
                    high,
                )
            )
    return CumulativeIncidence(tuple(curves), causes, variance, conf_type, level, group is not None)


def encode_causes(cause: Any, n: int, censored: Any) -> tuple[Any, tuple[Any, ...]]:
    """Causes as 0 (censored), 1, 2, ... and the labels of 1, 2, ..."""
    code, labels = encode_groups(cause, n, "cause")
    causes = tuple(label for label in labels if label != censored)
    if not causes:
        raise NoEventsError(
            "nobody had an event of any cause",
            where="cause",
            found=", ".join(map(repr, labels)),
            expected=f"causes other than {censored!r}, which means censored",
        )
    new = np.array([0 if label == censored else causes.index(label) + 1 for label in labels], dtype=np.int64)
    return new[code], causes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GrayTest:
    """Gray's test of equal cumulative incidence, cause by cause.

    Attributes
    ----------
    causes : tuple
        Labels.
    statistic, df, p_value : tuples, one entry a cause
    score, variance : (causes, groups), (causes, groups, groups)
        Weighted observed less expected events, and their covariance.
    """

    causes: tuple[Any, ...]
    statistic: tuple[float, ...]
    df: tuple[int, ...]
    p_value: tuple[float, ...]
    groups: tuple[Any, ...]
    score: Floats
    variance: Floats
    rho: float
    n_strata: int

    def tidy(self) -> pl.DataFrame:
        """One row a cause: cause, statistic, df, p_value."""
        return pl.DataFrame(
            {
                "cause": list(self.causes),
                "statistic": list(self.statistic),
                "df": list(self.df),
                "p_value": list(self.p_value),
            }
        )

    def glance(self) -> pl.DataFrame:
        """One row: n_groups, n_strata, rho."""
        return pl.DataFrame({"n_groups": [len(self.groups)], "n_strata": [self.n_strata], "rho": [self.rho]})

    def __repr__(self) -> str:
        rows = [
            f"cause {cause}: chi-square {s:.4g} on {df} df, p = {p:.4g}"
            for cause, s, df, p in zip(self.causes, self.statistic, self.df, self.p_value)
        ]
        strata = f", {self.n_strata} strata" if self.n_strata > 1 else ""
        return "\n".join([f"Gray's test, rho {self.rho:g}, {len(self.groups)} groups{strata}", *rows])


def gray(
    time: Any, cause: Any, group: Any, *, strata: Any = None, rho: float = 0.0, censored: Any = 0
) -> GrayTest:
    """Compare cumulative incidences between groups by Gray's test, for each cause.

    Parameters
    ----------
    time, cause, group : (n,)
        As in `cumulative_incidence`.
    strata : (n,) or list of (n,), optional
        Scores are made within strata and summed.
    rho : float
        Weight (1 - F(t-))^rho with the pooled incidence.
    censored : label
        The cause that stands for censoring.

    References
    ----------
    [gray1988]; agrees with `cuminc` of R's cmprsk.
    """
    times = require_times(time)
    code, causes = encode_causes(cause, times.size, censored)
    group_code, groups = encode_groups(group, times.size)
    require_length(group_code, times.size, "group")
    if len(groups) < 2:
        raise StatsError(
            "one group only: there is nothing to compare", where="group", expected="two or more groups"
        )
    stratum, strata_labels = encode_strata(strata, times.size)
    _, _, order, sorted_time, starts = sort_times(times, None, stratum, len(strata_labels))
    arrays = (sorted_time, code[order], group_code[order], len(groups), starts)
    sums = [sum_gray(*arrays, place + 1, float(rho)) for place in range(len(causes))]
    tests = [_chi_square(score[:-1], v[:-1, :-1]) for score, v in sums]
    return GrayTest(
        causes,
        tuple(value for value, _ in tests),
        tuple(df for _, df in tests),
        tuple(chi_square_p(value, df) for value, df in tests),
        groups,
        np.stack([score for score, _ in sums]),
        np.stack([v for _, v in sums]),
        float(rho),
        len(strata_labels),
    )


def _chi_square(score: Floats, variance: Floats) -> tuple[float, int]:
    """The quadratic form on as many degrees of freedom as the covariance has."""
    rank = int(np.linalg.matrix_rank(variance))
    if rank == 0:
        return math.nan, 0
    return float(score @ np.linalg.pinv(variance, hermitian=True) @ score), rank
