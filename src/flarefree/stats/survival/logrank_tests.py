"""Log-rank tests: stratified, weighted after Fleming and Harrington, for k groups, and for trend.

Formulas: docs/methods/survival_logrank.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._inputs import (
    Coded,
    encode_groups,
    require_events,
    require_finite,
    require_length,
    require_some_events,
    require_times,
)
from flarefree.stats.survival._logrank_kernels import sum_logrank
from flarefree.stats.survival._numbers import chi_square_p
from flarefree.stats.survival._order import sort_times

__all__ = ["LogrankTest", "logrank", "logrank_trend"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LogrankTest:
    """A log-rank test.

    Attributes
    ----------
    statistic, df, p_value : float
        Chi-square statistic, its degrees of freedom, and the p-value (two-sided).
    z : float
        For two groups, or for trend: the signed root.  Positive where the last group (the higher
        scores) had more events than expected.  NaN for more groups.
    groups : tuple
        Labels, sorted.
    n, observed, expected : (groups,)
        Rows, weighted observed and expected events, summed over strata.
    variance : (groups, groups)
        Hypergeometric covariance of `observed`.
    observed_by_stratum, expected_by_stratum : (strata, groups)
    """

    statistic: float
    df: int
    p_value: float
    z: float
    groups: tuple[Any, ...]
    n: np.ndarray[Any, np.dtype[np.int64]]
    observed: Floats
    expected: Floats
    variance: Floats
    strata: tuple[Any, ...]
    observed_by_stratum: Floats
    expected_by_stratum: Floats
    rho: float
    gamma: float
    scores: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The test in words, with its conventions."""
        name = "Log-rank test"
        if self.rho or self.gamma:
            name = f"Fleming-Harrington weighted log-rank test, rho {self.rho:g}, gamma {self.gamma:g}"
        if self.scores is not None:
            name += ", trend over scores " + ", ".join(f"{score:g}" for score in self.scores)
        if len(self.strata) > 1:
            name += f", stratified ({len(self.strata)} strata)"
        return name + "; hypergeometric variance"

    def tidy(self) -> pl.DataFrame:
        """One row a group: group, n, observed, expected."""
        return pl.DataFrame(
            {"group": list(self.groups), "n": self.n, "observed": self.observed, "expected": self.expected}
        )

    def glance(self) -> pl.DataFrame:
        """One row: statistic, df, p_value, z, n, n_event, n_strata, method."""
        return pl.DataFrame(
            {
                "statistic": [self.statistic],
                "df": [self.df],
                "p_value": [self.p_value],
                "z": [None if math.isnan(self.z) else self.z],
                "n": [int(self.n.sum())],
                "n_strata": [len(self.strata)],
                "rho": [self.rho],
                "gamma": [self.gamma],
                "method": [self.method],
            },
            schema_overrides={"z": pl.Float64},
        )

    def __repr__(self) -> str:
        width = max(len(str(group)) for group in self.groups)
        rows = [
            f"{group!s:<{width}} {n:>7} {o:>10.5g} {e:>10.5g}"
            for group, n, o, e in zip(self.groups, self.n, self.observed, self.expected)
        ]
        tail = f"chi-square {self.statistic:.4g} on {self.df} df, p = {self.p_value:.4g}"
        if not math.isnan(self.z):
            tail += f" (z = {self.z:.4g})"
        head = f"{'':<{width}} {'n':>7} {'observed':>10} {'expected':>10}"
        return "\n".join([self.method, head, *rows, tail, *(f"note: {w}" for w in self.warnings)])


@dataclass(frozen=True, slots=True)
class _Sums:
    groups: tuple[Any, ...]
    strata: tuple[Any, ...]
    n: Any
    observed: Floats
    expected: Floats
    variance: Floats


def logrank(
    time: Any, event: Any, group: Any, *, strata: Any = None, rho: float = 0.0, gamma: float = 0.0
) -> LogrankTest:
    """Compare two or more groups by a log-rank test.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened; zero or more.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    group : (n,)
        Labels of the groups; for two of them a positive `z` says that the second had more events.
    strata : (n,) or list of (n,), optional
        Risk sets stay within a stratum; several factors are crossed.
    rho, gamma : float
        Fleming-Harrington weight S(t-)^rho (1 - S(t-))^gamma, with the stratum's pooled curve;
        both zero is the log-rank test.

    Returns
    -------
    LogrankTest

    Raises
    ------
    NoEventsError
        Nobody had the event.
    StatsError
        One group only, or input that cannot be used.

    Notes
    -----
    At tied times events come before censorings.  Variance is hypergeometric.  A group that never was
    at risk at an event is left out of the degrees of freedom.

    References
    ----------
    [mantel1966], [fleming1991] ch. 7; agrees with R's `survdiff`.
    """
    sums = _sum(time, event, group, strata, rho, gamma)
    difference = sums.observed.sum(axis=0) - sums.expected.sum(axis=0)
    used = sums.expected.sum(axis=0) > 0
    df = int(used.sum()) - 1
    statistic = _quadratic_form(difference[used], sums.variance[np.ix_(used, used)])
    z = math.nan
    if len(sums.groups) == 2 and sums.variance[1, 1] > 0:
        z = float(difference[1] / math.sqrt(sums.variance[1, 1]))
        statistic = z * z
    return _result(sums, statistic, df, z, rho, gamma, None)


def logrank_trend(
    time: Any,
    event: Any,
    group: Any,
    *,
    scores: Any = None,
    strata: Any = None,
    rho: float = 0.0,
    gamma: float = 0.0,
) -> LogrankTest:
    """Test for a trend of the hazard over ordered groups.

    `scores` has one number a group, in the order of the sorted labels: 1, 2, ... unless given.
    Everything else is as in `logrank`; one degree of freedom.  Source: [tarone1975].
    """
    sums = _sum(time, event, group, strata, rho, gamma)
    k = len(sums.groups)
    weight = np.arange(1.0, k + 1.0) if scores is None else require_finite(scores, "scores")
    require_length(weight, k, "scores")
    difference = sums.observed.sum(axis=0) - sums.expected.sum(axis=0)
    variance = float(weight @ sums.variance @ weight)
    if variance <= 0:
        raise StatsError(
            "the trend has no variance",
            where="scores",
            found=", ".join(f"{score:g}" for score in weight),
            expected="scores that differ, and groups at risk together",
        )
    z = float(weight @ difference) / math.sqrt(variance)
    return _result(sums, z * z, 1, z, rho, gamma, tuple(weight.tolist()))


def encode_strata(strata: Any, n: int) -> tuple[Any, tuple[Any, ...]]:
    """Codes and labels of strata; a list or tuple of arrays, or a frame, is crossed."""
    if strata is None:
        return None, ("all",)
    if isinstance(strata, Coded):
        return encode_groups(strata, n, "strata")
    columns = _columns(strata)
    if len(columns) == 1:
        return encode_groups(columns[0], n, "strata")
    coded = [encode_groups(column, n, f"strata[{i}]") for i, column in enumerate(columns)]
    crossed = coded[0][0]
    for code, labels in coded[1:]:
        crossed = crossed * len(labels) + code
    present, code = np.unique(crossed, return_inverse=True)
    return code.astype(np.int64), tuple(_crossed_label(int(value), coded) for value in present)


def _columns(strata: Any) -> list[Any]:
    if hasattr(strata, "columns") and hasattr(strata, "shape"):
        return [strata[name] for name in strata.columns]
    if (
        isinstance(strata, (list, tuple))
        and strata
        and hasattr(strata[0], "__len__")
        and not isinstance(strata[0], str)
    ):
        return list(strata)
    return [strata]


def _crossed_label(value: int, coded: list[tuple[Any, tuple[Any, ...]]]) -> tuple[Any, ...]:
    parts = []
    for _, labels in reversed(coded):
        value, place = divmod(value, len(labels))
        parts.append(labels[place])
    return tuple(reversed(parts))


def _sum(time: Any, event: Any, group: Any, strata: Any, rho: float, gamma: float) -> _Sums:
    times = require_times(time)
    events = require_events(event)
    require_length(events, times.size, "event")
    require_some_events(events)
    code, groups = encode_groups(group, times.size)
    _require_two(groups)
    stratum, labels = encode_strata(strata, times.size)
    _, _, order, sorted_time, starts = sort_times(times, None, stratum, len(labels))
    observed, expected, variance = sum_logrank(
        sorted_time, events[order], code[order], len(groups), starts, float(rho), float(gamma)
    )
    return _Sums(groups, labels, np.bincount(code, minlength=len(groups)), observed, expected, variance)


def _require_two(groups: tuple[Any, ...]) -> None:
    if len(groups) < 2:
        raise StatsError(
            "one group only: there is nothing to compare",
            where="group",
            found=repr(groups[0]) if groups else "none",
            expected="two or more groups",
        )


def _quadratic_form(difference: Floats, variance: Floats) -> float:
    """(O - E)' V^- (O - E), leaving out one group, for the differences sum to zero."""
    if difference.size < 2:
        return math.nan
    try:
        solved = np.linalg.solve(variance[:-1, :-1], difference[:-1])
    except np.linalg.LinAlgError:
        solved = np.linalg.pinv(variance[:-1, :-1]) @ difference[:-1]
    return float(difference[:-1] @ solved)


def _result(
    sums: _Sums,
    statistic: float,
    df: int,
    z: float,
    rho: float,
    gamma: float,
    scores: tuple[float, ...] | None,
) -> LogrankTest:
    warnings: tuple[str, ...] = ()
    if not math.isfinite(statistic):
        warnings = ("the groups were never at risk together at an event, so there is no test",)
    return LogrankTest(
        statistic=statistic,
        df=df,
        p_value=chi_square_p(statistic, df),
        z=z,
        groups=sums.groups,
        n=sums.n,
        observed=sums.observed.sum(axis=0),
        expected=sums.expected.sum(axis=0),
        variance=sums.variance,
        strata=sums.strata,
        observed_by_stratum=sums.observed,
        expected_by_stratum=sums.expected,
        rho=rho,
        gamma=gamma,
        scores=scores,
        warnings=warnings,
    )
