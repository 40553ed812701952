"""Rows put in order of stratum and time, with times that differ only by rounding made equal.

Months that are days divided by 30.4375 differ in their last bits although the days are tied; R's
`aeqSurv` joins times closer than the square root of the machine's precision, and so do we.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["close_times", "group_starts", "sort_within"]

TIE_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@nb.njit(cache=True, error_model="numpy")
def _has_close(times: Any, tolerance: float) -> Any:
    """Whether neighbors in ascending `times` differ by rounding only; and the mean distinct time."""
    total = times[0]
    distinct = 1
    smallest = np.inf
    for i in range(1, times.size):
        gap = times[i] - times[i - 1]
        if gap > 0.0:
            distinct += 1
            total += times[i]
            if gap < smallest:
                smallest = gap
    mean = total / distinct
    return smallest <= tolerance or smallest <= tolerance * mean, mean


@nb.njit(cache=True, error_model="numpy")
def _join_close(times: Any, tolerance: float, mean: float) -> Any:
    """The joined value for every entry of ascending `times`: the first of its run of neighbors."""
    joined = times.copy()
    current = times[0]
    for i in range(1, times.size):
        gap = times[i] - times[i - 1]
        if gap > tolerance and gap > tolerance * mean:
            current = times[i]
        joined[i] = current
    return joined


@nb.njit(cache=True, error_model="numpy")
def _split(order: Any, code: Any, n_groups: int) -> Any:
    """A stable counting sort: `order` group by group, keeping the order within each."""
    starts = np.zeros(n_groups + 1, dtype=np.int64)
    for i in range(code.size):
        starts[code[i] + 1] += 1
    for g in range(n_groups):
        starts[g + 1] += starts[g]
    place = starts[:-1].copy()
    result = np.empty(order.size, dtype=np.int64)
    for i in range(order.size):
        row = order[i]
        g = code[row]
        result[place[g]] = row
        place[g] += 1
    return result, starts


def sort_within(values: Floats, code: Ints | None, n_groups: int) -> tuple[Ints, Ints]:
    """Row numbers by group and ascending value, shape (n,), and where each group starts, (groups + 1,)."""
    order = np.argsort(values)
    if code is None or n_groups == 1:
        return order, np.array([0, values.size], dtype=np.int64)
    return _split(order, code, n_groups)


def group_starts(code: Ints, n_groups: int) -> Ints:
    """Where each group starts once rows are sorted by group, shape (n_groups + 1,)."""
    return np.concatenate(([0], np.cumsum(np.bincount(code, minlength=n_groups)))).astype(np.int64)


def close_times(time: Floats, entry: Floats | None) -> tuple[Floats, Floats | None, Ints]:
    """`time` and `entry` with near ties joined, and the ascending order of `time`.

    The first two are the arrays given, untouched, where nothing had to be joined.
    """
    order = np.argsort(time)
    ascending = time[order]
    if entry is None:
        found, mean = _has_close(ascending, TIE_TOLERANCE)
        if not found:
            return time, None, order
        joined = np.empty_like(time)
        joined[order] = _join_close(ascending, TIE_TOLERANCE, mean)
        return joined, None, order
    both = np.concatenate((time, entry))
    both_order = np.argsort(both)
    ascending = both[both_order]
    found, mean = _has_close(ascending, TIE_TOLERANCE)
    if not found:
        return time, entry, order
    joined = np.empty_like(both)
    joined[both_order] = _join_close(ascending, TIE_TOLERANCE, mean)
    # Entry and end of a short row may have been joined: such a row is at risk of nothing.
    return joined[: time.size], joined[time.size :], order
