"""Thousands of trials in one call: log-rank, Cox and Kaplan-Meier for simulated trials of equal size.

Gives what `logrank`, `fit_cox` and `kaplan_meier` would give trial by trial, without their checks of each
and their results' trimmings.  Trials are sorted once, in blocks that stay in the cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._batch_fast_kernels import fast_two_groups
from flarefree.stats.survival._batch_kernels import (
    MAX_GROUPS,
    MAX_STRATA,
    batch_curves,
    batch_logrank_sums,
    batch_two_groups,
    pack,
)
from flarefree.stats.survival._inputs import require_finite

__all__ = ["BatchCox", "BatchCurves", "BatchLogrank", "BatchTrials", "batch_trials"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
BLOCK = 1 << 20  # rows sorted at a time


@dataclass(frozen=True, slots=True, eq=False)
class BatchLogrank:
    """Log-rank tests of two groups, one a trial.

    `observed`, `expected` and `variance` are of the second group, (trials,); a positive `z` says that it
    had more events than expected.
    """

    observed: Floats
    expected: Floats
    variance: Floats

    @property
    def z(self) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.observed - self.expected) / np.sqrt(self.variance)

    @property
    def p_value(self) -> Floats:
        """Two-sided."""
        from scipy.special import erfc

        return np.asarray(erfc(np.abs(self.z) / math.sqrt(2.0)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class BatchCox:
    """Cox models, one a trial.

    Attributes
    ----------
    coef, std_error : (trials,) float
        Infinite where the likelihood is monotone, NaN where nothing can be estimated.
    loglik_null, loglik : (trials,) float
    converged : (trials,) bool
    """

    coef: Floats
    std_error: Floats
    loglik_null: Floats
    loglik: Floats
    converged: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def z(self) -> Floats:
        """Wald's statistic; zero where the coefficient is infinite, for so is its error."""
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(self.std_error), 0.0, self.coef / self.std_error)


@dataclass(frozen=True, slots=True, eq=False)
class BatchCurves:
    """Kaplan-Meier curves, by trial, group and time.

    Attributes
    ----------
    times : (m,) float
    estimate, std_error, n_risk : (trials, groups, m) float
        Survival at each time (carried on level after a group's last row), Greenwood's error, and numbers
        at risk just before it.
    median : (trials, groups) float
        NaN where the curve stays above one half.
    """

    times: Floats
    estimate: Floats
    std_error: Floats
    n_risk: Floats
    median: Floats


@dataclass(frozen=True, eq=False)
class BatchTrials:
    """Trials of n patients each, sorted; made by `batch_trials`."""

    keys: Floats = field(repr=False)
    n_trials: int
    n: int
    n_groups: int
    n_strata: int

    @cached_property
    def _bits(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self.keys.view(np.int64)

    def logrank(self, *, rho: float = 0.0, gamma: float = 0.0) -> BatchLogrank:
        """Log-rank test of two groups in each trial, within strata if there are any."""
        self._require_two()
        sums = np.empty((self.n_trials, 3))
        if rho or gamma:
            batch_logrank_sums(self.keys, self._bits, self.n_strata, float(rho), float(gamma), sums)
        else:
            fast_two_groups(self.keys, self._bits, self.n_strata, False, sums, np.empty((0, 5)))
            self._redo_tied(sums, None)
        return _logrank(sums)

    def cox(self, *, ties: str = "efron") -> BatchCox:
        """Hazard ratio of two groups in each trial, within strata if there are any."""
        return self.compare(ties=ties)[1]

    def compare(self, *, ties: str = "efron") -> tuple[BatchLogrank, BatchCox]:
        """Log-rank test and hazard ratio of each trial in one pass."""
        self._require_two()
        if ties not in ("efron", "breslow"):
            raise StatsError(
                "no such rule for ties", where="ties", found=repr(ties), expected="efron, breslow"
            )
        sums, fits = np.empty((self.n_trials, 3)), np.empty((self.n_trials, 5))
        fast_two_groups(self.keys, self._bits, self.n_strata, True, sums, fits)
        self._redo_tied(sums, fits, ties == "efron")
        columns = [column.copy() for column in fits.T]
        return _logrank(sums), BatchCox(columns[0], columns[1], columns[2], columns[3], columns[4] == 1.0)

    def _redo_tied(self, sums: Floats, fits: Floats | None, efron: bool = True) -> None:
        """Do the trials with ties, which the fast pass has marked, by the kernels that know ties."""
        tied = np.flatnonzero(sums[:, 0] < 0)
        if not tied.size:
            return
        every = tied.size == self.n_trials
        keys = self.keys if every else self.keys[tied]
        bits = keys.view(np.int64)
        own_sums, own_fits = np.empty((tied.size, 3)), np.empty((tied.size, 5))
        batch_two_groups(keys, bits, self.n_strata, efron, fits is not None, own_sums, own_fits)
        sums[tied] = own_sums
        if fits is not None:
            fits[tied] = own_fits

    def kaplan_meier(self, at: Any) -> BatchCurves:
        """Survival by group at given times in each trial, and medians; strata are ignored."""
        times = np.sort(require_finite(np.atleast_1d(np.asarray(at, dtype=np.float64)), "at"))
        shape = (self.n_trials, self.n_groups, times.size)
        estimate, error, at_risk = np.empty(shape), np.empty(shape), np.zeros(shape)
        median = np.empty((self.n_trials, self.n_groups))
        batch_curves(self.keys, self._bits, self.n_groups, times, estimate, error, at_risk, median)
        return BatchCurves(times, estimate, error, at_risk, median)

    def _require_two(self) -> None:
        if self.n_groups != 2:
            raise StatsError(
                "the batched test compares two groups", where="group", found=f"{self.n_groups}", expected="2"
            )


def _logrank(sums: Floats) -> BatchLogrank:
    return BatchLogrank(sums[:, 0].copy(), sums[:, 1].copy(), sums[:, 2].copy())


def batch_trials(
    time: Any, event: Any, group: Any, *, strata: Any = None, n_groups: int | None = None
) -> BatchTrials:
    """Sort trials for batched analyses.

    Parameters
    ----------
    time : (trials, n) float
        When the event or the censoring happened; zero or more.
    event : (trials, n) bool
        Whether the event was seen at `time`.
    group : (n,) or (trials, n) int
        0, 1, ... (at most 4 groups); the same for all trials, or trial by trial.
    strata : (n,) or (trials, n) int, optional
        0, 1, ... (at most 64).
    n_groups : int, optional
        Number of groups, if the codes do not show it.
    """
    times = np.ascontiguousarray(time, dtype=np.float64)
    if times.ndim != 2:
        raise StatsError(
            "not trials by patients", where="time", found=f"shape {times.shape}", expected="(trials, n)"
        )
    if not np.isfinite(times).all() or (times < 0).any():
        raise StatsError("negative, missing or infinite times", where="time", expected="zero or more")
    events = np.asarray(event)
    if events.shape != times.shape or (events.dtype != np.bool_ and not np.isin(events, (0, 1)).all()):
        raise StatsError("an event is 0 or 1, one a row", where="event", expected=f"shape {times.shape}")
    groups = _codes(group, times.shape, "group", MAX_GROUPS)
    stratum = _codes(0 if strata is None else strata, times.shape, "strata", MAX_STRATA)
    keys = np.empty_like(times)
    _pack_and_sort(times, events.astype(np.int8, copy=False), groups, stratum, keys)
    found = int(groups.max()) + 1
    return BatchTrials(
        keys, times.shape[0], times.shape[1], max(found, n_groups or 2), int(stratum.max()) + 1
    )


def _codes(values: Any, shape: tuple[int, ...], name: str, limit: int) -> np.ndarray:
    codes = np.asarray(values)
    if codes.ndim == 0:
        codes = np.broadcast_to(codes, (1, shape[1]))
    codes = np.atleast_2d(codes)
    if codes.shape not in ((1, shape[1]), shape):
        raise StatsError("codes of another shape", where=name, found=str(codes.shape), expected=str(shape))
    if codes.size and (codes.dtype.kind not in "biu" or codes.min() < 0 or codes.max() >= limit):
        raise StatsError("not codes", where=name, expected=f"whole numbers from 0 to {limit - 1}")
    return np.ascontiguousarray(codes, dtype=np.int8)


def _pack_and_sort(
    time: Floats, event: np.ndarray, group: np.ndarray, stratum: np.ndarray, keys: Floats
) -> None:
    """Fill `keys` block by block; a block of trials is packed and sorted while it is in the cache."""
    step = max(1, BLOCK // max(time.shape[1], 1))
    for first in range(0, time.shape[0], step):
        part = slice(first, first + step)
        own_group = group[part] if group.shape[0] > 1 else group
        own_stratum = stratum[part] if stratum.shape[0] > 1 else stratum
        block = keys[part]
        pack(time[part].view(np.int64), event[part], own_group, own_stratum, block.view(np.int64))
        block.sort(axis=1)
