"""Rows of a Cox model, checked once, sorted once, centered and scaled once.

Decides what the kernels may rely on: sorted by stratum and ascending time, near ties joined, covariates
with mean 0 and spread 1, and no row that is at risk at no event (their long empty stretches are what
once overflowed an exponential).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_kernels import rows_seen_by_events
from flarefree.stats.survival._inputs import (
    require_entry,
    require_events,
    require_finite,
    require_length,
    require_some_events,
    require_times,
    require_weights,
)
from flarefree.stats.survival._order import sort_entries, sort_times
from flarefree.stats.survival.logrank_tests import encode_strata

__all__ = ["CoxRows", "prepare_rows", "require_covariates"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
_NONE = np.empty(0)
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class CoxRows:
    """Rows as the kernels want them, m of the n that were given.

    `order[i]` is the given row behind sorted row i; x = (given x - center) / scale.
    """

    n: int
    order: Ints
    time: Floats
    event: np.ndarray[Any, np.dtype[np.bool_]]
    weight: Floats
    offset: Floats | None
    x: Floats
    center: Floats
    scale: Floats
    starts: Ints
    strata: tuple[Any, ...]
    entry: Floats
    entry_order: Ints
    is_weighted: bool
    offset_mean: float
    """What was taken from the offset to center it."""
    dropped_weightless: Ints
    """Given rows left out because their weight is zero."""
    all_time: Floats
    all_event: np.ndarray[Any, np.dtype[np.bool_]]
    all_entry: Floats
    """All rows as given (near ties joined), those too that the kernels do not need."""

    @property
    def n_events(self) -> int:
        return int(self.event.sum())

    def linear_predictor(self, beta: Floats) -> Floats:
        """The sum x beta + offset for scaled coefficients, by sorted row."""
        eta = np.empty(self.time.size)
        _multiply(self.x, beta, eta)
        return eta if self.offset is None else eta + self.offset


def prepare_rows(
    time: Any, event: Any, x: Any, *, entry: Any, strata: Any, weights: Any, offset: Any
) -> CoxRows:
    """Check and sort what `fit_cox` is given."""
    times = require_times(time)
    n = times.size
    events = require_events(event)
    require_length(events, n, "event")
    require_some_events(events)
    covariates = require_covariates(x, n)
    entries = None if entry is None else require_entry(entry, times)
    weight = None if weights is None else require_weights(weights, n)
    shift = None if offset is None else _require_offset(offset, n)
    offset_mean = 0.0 if shift is None else float(shift.mean())
    code, labels = encode_strata(strata, n)
    times, entries, order, sorted_time, starts = sort_times(times, entries, code, len(labels))
    if entries is not None or (weight is not None and (weight == 0).any()):
        order, starts = _drop_unseen(order, starts, times, events, entries, weight)
        sorted_time = times[order]
    entry_rows, entry_order = sort_entries(entries, order, starts)
    w = np.ones(order.size) if weight is None else weight[order]
    center, scale = _center_and_scale(covariates, order)
    sorted_x, sorted_event = np.take(covariates, order, axis=0), events[order]
    _standardize(sorted_x, center, 1.0 / scale)
    require_some_events(sorted_event)
    return CoxRows(
        n=n,
        order=order,
        time=sorted_time,
        event=sorted_event,
        weight=w,
        offset=None if shift is None else shift[order] - offset_mean,
        x=sorted_x,
        center=center,
        scale=scale,
        starts=starts,
        strata=labels,
        entry=entry_rows,
        entry_order=entry_order,
        is_weighted=weight is not None,
        offset_mean=offset_mean,
        dropped_weightless=_NO_ROWS if weight is None else np.flatnonzero(weight == 0),
        all_time=times,
        all_event=events,
        all_entry=_NONE if entries is None else entries,
    )


def require_covariates(x: Any, n: int) -> Floats:
    """Covariates as a finite (n, p) array; one covariate may come as (n,)."""
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise StatsError(
            "covariates that are no numbers",
            where="x",
            expected="a numeric array (n, p)",
            try_="a formula: flarefree.stats.cox codes categories itself",
        ) from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise StatsError("not a table", where="x", found=f"shape {array.shape}", expected="(n, p)")
    require_length(array, n, "x")
    array = np.ascontiguousarray(array)
    # A sum is finite only if all of its terms are; only then is the slow look worth while.
    if not np.isfinite(array.sum()) and not np.isfinite(array).all():
        row, column = (int(place[0]) for place in np.nonzero(~np.isfinite(array)))
        raise StatsError(
            "a missing or infinite covariate",
            where="x",
            found=f"{array[row, column]} in row {row}, column {column}",
            expected="finite numbers",
            try_="leave out the rows without a value, and say how many",
        )
    return array


def _require_offset(offset: Any, n: int) -> Floats:
    values = require_finite(offset, "offset")
    require_length(values, n, "offset")
    return values


def _drop_unseen(
    order: Ints, starts: Ints, time: Floats, event: Any, entry: Floats | None, weight: Floats | None
) -> tuple[Ints, Ints]:
    """Without rows that no event sees, and rows of weight zero."""
    keep = np.ones(order.size, dtype=bool)
    if entry is not None:
        keep &= rows_seen_by_events(time[order], event[order], entry[order], starts)
    if weight is not None:
        keep &= weight[order] > 0
    kept_before = np.concatenate(([0], np.cumsum(keep)))
    return order[keep], kept_before[starts].astype(np.int64)


def _center_and_scale(x: Floats, order: Ints) -> tuple[Floats, Floats]:
    """Mean and spread of each covariate over the kept rows; scale 1 where there is no spread."""
    kept = x if order.size == x.shape[0] else x[order]
    n = max(kept.shape[0], 1)
    center, squares = _moments(kept)
    center /= n
    with np.errstate(over="ignore", invalid="ignore"):  # huge covariates overflow; the fit says so
        moments = squares / n - center**2
        scale = np.sqrt(np.maximum(moments, 0.0))
        lost = np.flatnonzero(moments <= 1e-6 * center**2)  # the difference has lost its digits
        for column in lost:
            scale[column] = float(np.std(kept[:, column]))
    # A covariate without spread keeps its own scale: the information will show that it is constant.
    return center, np.where(scale <= 1e-12 * np.abs(center), 1.0, scale)


@nb.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _moments(x: Any) -> Any:
    """Sums of each column and of its squares."""
    n, p = x.shape
    sums = np.zeros(p)
    squares = np.zeros(p)
    for i in range(n):
        for a in range(p):
            sums[a] += x[i, a]
            squares[a] += x[i, a] * x[i, a]
    return sums, squares


@nb.njit(cache=True, error_model="numpy")
def _multiply(x: Any, beta: Any, out: Any) -> Any:
    """The product x beta on one core, whatever BLAS does."""
    n, p = x.shape
    for i in range(n):
        total = 0.0
        for a in range(p):
            total += x[i, a] * beta[a]
        out[i] = total


@nb.njit(cache=True, error_model="numpy")
def _standardize(x: Any, center: Any, inverse_scale: Any) -> Any:
    """Center and scale the columns in place."""
    for i in range(x.shape[0]):
        for a in range(x.shape[1]):
            x[i, a] = (x[i, a] - center[a]) * inverse_scale[a]
