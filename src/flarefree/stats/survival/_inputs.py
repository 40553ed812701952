"""Checks of the arrays that a survival statistic is given, each with an error that says how to mend them.

Decides what counts as a time, an event, a weight and a group; every other module of
`flarefree.stats.survival` trusts what comes out of here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from flarefree.errors import NoEventsError, StatsError

__all__ = [
    "Coded",
    "encode_groups",
    "require_entry",
    "require_events",
    "require_finite",
    "require_length",
    "require_some_events",
    "require_times",
    "require_weights",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


class Coded(NamedTuple):
    """Groups that are codes already: `codes` (n,) are places in `labels`, each of which somebody has."""

    codes: Ints
    labels: tuple[Any, ...]


def require_finite(values: Any, name: str) -> Floats:
    """`values` as a one-dimensional float array without missing or infinite numbers."""
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise StatsError(
            "not an array of numbers", where=name, found=_show(values), expected="numbers, one a row"
        ) from None
    if array.ndim != 1:
        raise StatsError("not one-dimensional", where=name, found=f"shape {array.shape}", expected="(n,)")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise StatsError(
            "a missing or infinite value",
            where=name,
            found=f"{array[row]} in row {row} (and {int((~np.isfinite(array)).sum()) - 1} more)",
            expected="finite numbers",
            try_="leave out the rows without a value, and say how many",
        )
    return array


def require_times(values: Any, name: str = "time") -> Floats:
    """`values` as finite times, none of them negative."""
    array = require_finite(values, name)
    if array.size == 0:
        raise StatsError("no rows", where=name, found="an empty array", expected="at least one row")
    if array.min() < 0:
        row = int(np.flatnonzero(array < 0)[0])
        raise StatsError(
            "a negative time",
            where=name,
            found=f"{array[row]:g} in row {row}",
            expected="time since randomization, zero or more",
            try_="look for an event dated before randomization",
        )
    return array


def require_events(values: Any, name: str = "event") -> Bools:
    """`values` as booleans; only 0 and 1, or false and true, are understood."""
    array = np.asarray(values)
    if array.dtype == np.bool_:
        flags = array
    else:
        numbers = require_finite(values, name)
        flags = numbers == 1.0
        if not np.logical_or(flags, numbers == 0.0).all():
            odd = numbers[~(flags | (numbers == 0.0))]
            raise StatsError(
                "an event is 0 or 1",
                where=name,
                found=", ".join(f"{value:g}" for value in np.unique(odd)[:5]),
                expected="0 (censored) or 1 (event)",
                try_=f"{name} == {int(numbers.max())}, if that code means the event"
                if numbers.max() == np.floor(numbers.max())
                else "",
            )
    if flags.ndim != 1:
        raise StatsError("not one-dimensional", where=name, found=f"shape {flags.shape}", expected="(n,)")
    return np.ascontiguousarray(flags)


def require_weights(values: Any, n: int, name: str = "weights") -> Floats:
    """`values` as finite weights, none of them negative."""
    array = require_finite(values, name)
    require_length(array, n, name)
    if (array < 0).any():
        raise StatsError("a negative weight", where=name, found=f"{array.min():g}", expected="zero or more")
    return array


def require_length(array: np.ndarray, n: int, name: str) -> None:
    """Raise unless `array` has as many rows as there are times."""
    if array.shape[0] != n:
        raise StatsError(
            "arrays of unequal length",
            where=name,
            found=f"{array.shape[0]} rows",
            expected=f"{n}, as many as there are times",
        )


def require_entry(values: Any, time: Floats, name: str = "entry") -> Floats:
    """`values` as times of entry, each before its row's end."""
    entry = require_times(values, name)
    require_length(entry, time.size, name)
    if (entry >= time).any():
        row = int(np.flatnonzero(entry >= time)[0])
        raise StatsError(
            "a row ends before it begins",
            where=name,
            found=f"({entry[row]:g}, {time[row]:g}] in row {row}",
            expected="entry earlier than time: intervals are (entry, time]",
            try_="leave out rows of no length",
        )
    return entry


def require_some_events(event: Bools) -> None:
    """Raise unless somebody had the event."""
    if not event.any():
        raise NoEventsError(
            "nobody had the event, so the statistic does not exist",
            where="event",
            found=f"0 events in {event.size} rows",
            expected="at least one event",
        )


def encode_groups(values: Any, n: int, name: str = "group") -> tuple[Ints, tuple[Any, ...]]:
    """Codes 0, 1, ... and the labels they stand for, sorted (categoricals keep their own order).

    Levels of a categorical without rows are left out.

    Raises
    ------
    StatsError
        A label is missing, or there are not `n` of them.
    """
    if isinstance(values, Coded):
        require_length(values.codes, n, name)
        return values
    array = _as_array(values)
    if array is not None and array.dtype.kind in "biu" and array.ndim == 1 and array.size:
        require_length(array, n, name)
        codes = _encode_small_integers(array)
        if codes is not None:
            return codes
    return _encode_with_polars(values, n, name)


def _as_array(values: Any) -> np.ndarray | None:
    if isinstance(values, np.ndarray):
        return values
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        return np.asarray(values) if isinstance(values, Sequence) else None
    text = str(dtype)
    if text.lower().startswith(("int", "uint", "bool")):
        return np.asarray(values)
    return None


def _encode_small_integers(array: np.ndarray) -> tuple[Ints, tuple[Any, ...]] | None:
    """Codes by counting, where the labels lie close together; None where they do not."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
        labels: list[Any] = [False, True]
        low = 0
        span = 1
    else:
        low = int(array.min())
        span = int(array.max()) - low
        if span > 1_000_000:
            return None
        labels = list(range(low, low + span + 1))
    shifted = np.ascontiguousarray(array).astype(np.int64) - low
    present = np.bincount(shifted, minlength=span + 1) > 0
    if present.all():
        return shifted, tuple(labels)
    new_code = np.cumsum(present) - 1
    return new_code[shifted].astype(np.int64), tuple(
        label for label, kept in zip(labels, present.tolist()) if kept
    )


def _encode_with_polars(values: Any, n: int, name: str) -> tuple[Ints, tuple[Any, ...]]:
    import polars as pl

    try:
        series = values if isinstance(values, pl.Series) else _to_series(values)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        raise StatsError(
            "labels of mixed kinds",
            where=name,
            found=_show(values),
            expected="one label a row, all of a kind",
        ) from None
    if series.len() != n:
        raise StatsError(
            "arrays of unequal length",
            where=name,
            found=f"{series.len()} rows",
            expected=f"{n}, as many as there are times",
        )
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise StatsError(
            "a missing label",
            where=name,
            found=f"nothing in row {row} (and {series.null_count() - 1} more)",
            expected="a label in every row",
            try_="leave out the rows without one, and say how many",
        )
    if isinstance(series.dtype, pl.Enum):
        order = {label: code for code, label in enumerate(series.dtype.categories)}
        levels = sorted(series.unique().to_list(), key=order.__getitem__)
    else:
        if isinstance(series.dtype, pl.Categorical):
            series = series.cast(pl.String)
        levels = series.unique().sort().to_list()
    codes = series.replace_strict(levels, range(len(levels)), return_dtype=pl.Int64)
    return codes.to_numpy().astype(np.int64, copy=False), tuple(levels)


def _to_series(values: Any) -> Any:
    import polars as pl

    categories = getattr(getattr(values, "cat", None), "categories", None)
    if categories is not None:  # a pandas categorical: its own order is kept
        return pl.Series(
            [None if v != v else str(v) for v in values], dtype=pl.Enum([str(c) for c in categories])
        )
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        return pl.Series(values.tolist())
    if hasattr(values, "to_numpy") and not isinstance(values, np.ndarray):
        return pl.Series(list(values.to_numpy()))
    return pl.Series(values)


def _show(values: Any) -> str:
    text = repr(values)
    return text if len(text) <= 60 else text[:57] + "..."
