"""Rows put in order of stratum and time, with times that differ only by rounding made equal.

Months that are days divided by 30.4375 differ in their last bits although the days are tied; R's
`aeqSurv` joins times closer than the square root of the machine's precision, and so do we.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from flarefree.errors import StatsError

__all__ = ["TIE_TOLERANCE", "Sorted", "ascending", "join_close_times", "sort_entries", "sort_times"]

# Large arrays are allocated by NumPy and filled by kernels: NumPy asks for huge pages, numba does not, and
# touching ten thousand small ones costs more than most kernels do.
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
def _pack(bits: Any, index_bits: Any, keys: Any) -> Any:
    """Times with their lowest bits replaced by row numbers."""
    mask = (np.int64(1) << index_bits) - 1
    for i in range(bits.size):
        keys[i] = (bits[i] & ~mask) | i


@nb.njit(cache=True, error_model="numpy")
def _unpack(keys: Any, index_bits: Any, values: Any, order: Any, ascending: Any) -> Any:
    """Row numbers in ascending order of their values, and those; neighbors out of order are swapped."""
    n = keys.size
    mask = (np.int64(1) << index_bits) - 1
    for i in range(n):
        row = keys[i] & mask
        value = values[row]
        j = i
        while j > 0 and ascending[j - 1] > value:
            ascending[j] = ascending[j - 1]
            order[j] = order[j - 1]
            j -= 1
        ascending[j] = value
        order[j] = row


@nb.njit(cache=True, error_model="numpy")
def _split(order: Any, ascending: Any, code: Any, n_groups: Any, rows: Any, values: Any) -> Any:
    """A stable counting sort by group of rows and their values."""
    starts = np.zeros(n_groups + 1, dtype=np.int64)
    for i in range(code.size):
        starts[code[i] + 1] += 1
    for g in range(n_groups):
        starts[g + 1] += starts[g]
    place = starts[:-1].copy()
    for i in range(order.size):
        g = code[order[i]]
        rows[place[g]] = order[i]
        values[place[g]] = ascending[i]
        place[g] += 1
    return starts


def ascending(values: Floats) -> tuple[Ints, Floats]:
    """Row numbers in ascending order of their values (zero or more), and the values in that order.

    Long arrays are sorted as plain numbers whose lowest bits hold the row: twice as fast as an argsort.
    """
    n = values.size
    if n < 4096:
        order = values.argsort(kind="stable")
        return order, values[order]
    index_bits = int(n).bit_length()
    keys = np.empty(n, dtype=np.int64)
    _pack(values.view(np.int64), index_bits, keys)
    keys.sort()
    order, in_order = np.empty(n, dtype=np.int64), np.empty(n)
    _unpack(keys, index_bits, values, order, in_order)
    return order, in_order


class Sorted(NamedTuple):
    """Times with near ties joined, and their order.

    `time` and `entry` are by given row (the arrays given, where nothing had to be joined); `order` holds
    given rows, and `sorted_time` their times, by group (from `starts`) and ascending time.
    """

    time: Floats
    entry: Floats | None
    order: Ints
    sorted_time: Floats
    starts: Ints


def sort_times(time: Floats, entry: Floats | None, code: Ints | None, n_groups: int) -> Sorted:
    """Join near ties and sort rows by group and ascending time.

    Raises
    ------
    StatsError
        A row that is no longer than rounding.
    """
    order, values = ascending(time)
    found, mean = _has_close(
        values if entry is None else np.sort(np.concatenate((time, entry))), TIE_TOLERANCE
    )
    if found and entry is None:
        values = _join_close(values, TIE_TOLERANCE, mean)
        joined = np.empty_like(time)
        joined[order] = values
        time = joined
    elif found and entry is not None:
        time, entry = _join_both(time, entry)
        values = time[order]
    starts = np.array([0, time.size], dtype=np.int64)
    if code is not None and n_groups > 1:
        rows, by_group = np.empty_like(order), np.empty_like(values)
        starts = _split(order, values, code, n_groups, rows, by_group)
        order, values = rows, by_group
    return Sorted(time, entry, order, values, starts)


def _join_both(time: Floats, entry: Floats) -> tuple[Floats, Floats]:
    stop, start = join_close_times(time, entry)
    if (start >= stop).any():
        row = int(np.flatnonzero(start >= stop)[0])
        raise StatsError(
            "a row that is no longer than rounding",
            where="entry",
            found=f"({entry[row]!r}, {time[row]!r}] in row {row}",
            expected="intervals longer than a hundred-millionth of the mean time",
            try_="leave out rows of no length",
        )
    return stop, start


def join_close_times(time: Floats, entry: Floats) -> tuple[Floats, Floats]:
    """Times and entries with near ties between any of them joined."""
    both = np.concatenate((time, entry))
    order, values = ascending(both)
    _, mean = _has_close(values, TIE_TOLERANCE)
    joined = np.empty_like(both)
    joined[order] = _join_close(values, TIE_TOLERANCE, mean)
    return joined[: time.size], joined[time.size :]


def sort_entries(entry: Floats | None, order: Ints, starts: Ints) -> tuple[Floats, Ints]:
    """Entry of each sorted row, and the sorted rows of each group by ascending entry; empty without."""
    if entry is None:
        return np.empty(0), np.empty(0, dtype=np.int64)
    by_row = entry[order]
    group = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    return by_row, np.lexsort((by_row, group)).astype(np.int64)
