"""Columns of whatever frame the data are in: numbers, or codes with their levels.

A mapping of arrays and Polars are read directly, every other frame (pandas, Arrow, ...) through
narwhals; only columns that the formula names are touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

__all__ = ["Column", "as_column", "columns_available", "read_column", "row_count"]

_FEW = 4096  # below this many rows a dictionary encodes texts faster than Polars


@dataclass(frozen=True, slots=True)
class Column:
    """One variable's values, one a row.

    Attributes
    ----------
    values : (n,) float64 or None
        Numbers; NaN where missing.  None for a categorical variable.
    codes : (n,) int64 or None
        Places in `levels`; -1 where missing.  None for a number.
    levels : tuple of str
        In sorted order for texts; in their own order for Polars Enum and pandas Categorical.
    is_bool : bool
        Levels are FALSE and TRUE; also counts as 0 and 1 where a number is needed.
    """

    values: NDArray[np.float64] | None = None
    codes: NDArray[np.int64] | None = None
    levels: tuple[str, ...] = ()
    is_bool: bool = False

    @property
    def is_categorical(self) -> bool:
        return self.codes is not None

    def __len__(self) -> int:
        return len(self.codes if self.values is None else self.values)  # type: ignore[arg-type]

    @property
    def place(self) -> NDArray[np.int64]:
        """The codes of a categorical variable, which are places in `levels`."""
        assert self.codes is not None
        return self.codes

    def is_complete(self) -> bool:
        """Whether every row has a value, and a finite one."""
        return bool((self.place >= 0).all() if self.values is None else np.isfinite(self.values).all())

    def missing(self) -> NDArray[np.bool_] | None:
        """Which rows have no value; None if all have one."""
        gone: NDArray[np.bool_] = self.place < 0 if self.values is None else np.isnan(self.values)
        return gone if gone.any() else None

    def infinite(self) -> int:
        """How many values are infinite."""
        return 0 if self.values is None else int(np.isinf(self.values).sum())

    def take(self, rows: NDArray[np.int64]) -> Column:
        """These rows only, with the levels as they are."""
        if self.values is None:
            return replace(self, codes=self.codes[rows])  # type: ignore[index]
        return replace(self, values=self.values[rows])

    def used(self) -> Column:
        """Without levels that nobody has; no row may be missing."""
        if self.codes is None or not self.levels:
            return self
        counts = np.bincount(self.codes, minlength=len(self.levels))
        if counts.all():
            return self
        kept = np.flatnonzero(counts)
        place = np.full(len(self.levels), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        return replace(self, codes=place[self.codes], levels=tuple(self.levels[i] for i in kept))

    def numbers(self) -> NDArray[np.float64] | None:
        """As numbers: booleans are 0 and 1; None for other categories."""
        if self.values is not None:
            return self.values
        if not self.is_bool or self.codes is None:
            return None
        return np.where(self.codes < 0, np.nan, self.codes)

    def categories(self) -> Column:
        """As categories: a number's levels are its distinct values in ascending order."""
        if self.values is None:
            return self
        return _levels_of_numbers(self.values)


def columns_available(data: Any) -> list[str]:
    """The names of the data's columns."""
    if isinstance(data, Mapping):
        return [str(name) for name in data]
    if type(data).__name__ == "LazyFrame" and hasattr(data, "collect_schema"):
        return list(data.collect_schema().names())
    return [str(name) for name in getattr(data, "columns", ())]


def row_count(data: Any) -> int:
    """How many rows the data have."""
    if isinstance(data, Mapping):
        return len(next(iter(data.values()))) if data else 0
    return len(data)


def read_column(data: Any, name: str) -> Column:
    """One column by name; KeyError where there is none."""
    if isinstance(data, Mapping):
        return as_column(data[name], name)
    if type(data).__module__.startswith("polars"):
        if name not in data.columns:
            raise KeyError(name)
        return _from_polars(data.get_column(name), name)
    if type(data).__module__.startswith("pandas"):
        if name not in data.columns:
            raise KeyError(name)
        return _from_pandas(data[name], name)
    import narwhals as nw

    frame = nw.from_native(data, eager_only=True)
    if name not in frame.columns:
        raise KeyError(name)
    return _from_narwhals(frame.get_column(name), name)


def as_column(values: Any, name: str = "values") -> Column:
    """An array, a list or a series as a column."""
    if isinstance(values, Column):
        return values
    if isinstance(values, np.ndarray):
        return _from_array(values, name)
    module = type(values).__module__
    if module.startswith("polars"):
        return _from_polars(values, name)
    if module.startswith("pandas"):
        return _from_pandas(values, name)
    if module.startswith(("pyarrow", "narwhals")):
        import narwhals as nw

        return _from_narwhals(nw.from_native(values, series_only=True), name)
    if isinstance(values, (list, tuple, range)):
        return _from_array(_array_of(values), name)
    return _from_array(np.asarray(values), name)


def _array_of(values: Iterable[Any]) -> NDArray[Any]:
    rows = list(values)
    if any(value is None or isinstance(value, str) for value in rows):
        found = np.empty(len(rows), dtype=object)
        found[:] = rows
        return found
    return np.asarray(rows)


def _from_array(values: NDArray[Any], name: str) -> Column:
    if values.ndim != 1:
        raise StatsError(
            f"{name} must have one value a row",
            found=f"an array of shape {values.shape}",
            expected="shape (n,)",
        )
    kind = values.dtype.kind
    if kind == "f" or kind in "iu":
        return Column(values=values.astype(np.float64, copy=False))
    if kind == "b":
        return _boolean(values.astype(np.int64))
    if kind in "UT":
        return _texts(values.tolist())
    if kind == "m":
        raise _durations(name)
    if kind == "O":
        return _from_objects(values, name)
    raise StatsError(f"{name} has values of a kind that no model takes", found=str(values.dtype))


def _from_objects(values: NDArray[Any], name: str) -> Column:
    known = [value for value in values.tolist() if value is not None and value == value]
    if all(isinstance(value, (bool, np.bool_)) for value in known) and known:
        return _boolean(
            np.array([-1 if v is None or v != v else int(v) for v in values.tolist()], dtype=np.int64)
        )
    if all(isinstance(value, str) for value in known) and known:
        return _texts([value if isinstance(value, str) else None for value in values.tolist()])
    try:
        return Column(values=np.array([np.nan if v is None else float(v) for v in values.tolist()]))
    except (TypeError, ValueError):
        raise StatsError(
            f"{name} mixes numbers and texts",
            found=repr(known[:3])[1:-1],
            expected="numbers only, or texts only",
        ) from None


def _durations(name: str) -> StatsError:
    return StatsError(
        f"{name} holds durations or dates", expected="numbers in a unit that you name", try_="days as numbers"
    )


def _boolean(codes: NDArray[np.int64]) -> Column:
    return Column(codes=codes, levels=("FALSE", "TRUE"), is_bool=True)


def _texts(rows: list[str | None]) -> Column:
    if len(rows) > _FEW:
        import polars as pl

        return _from_polars(pl.Series(rows, dtype=pl.String), "texts")
    levels = sorted({row for row in rows if row is not None})
    place: dict[str | None, int] = {level: i for i, level in enumerate(levels)}
    place[None] = -1
    return Column(codes=np.array([place[row] for row in rows], dtype=np.int64), levels=tuple(levels))


def _levels_of_numbers(values: NDArray[np.float64]) -> Column:
    missing = np.isnan(values)
    distinct, codes = np.unique(values[~missing] if missing.any() else values, return_inverse=True)
    placed = np.full(len(values), -1, dtype=np.int64)
    placed[~missing] = codes
    return Column(codes=placed, levels=tuple(f"{value:.15g}" for value in distinct))


def _from_polars(series: Any, name: str) -> Column:
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric():
        if series.null_count():
            series = series.cast(pl.Float64)
        return Column(values=series.to_numpy().astype(np.float64, copy=False))
    if dtype == pl.Boolean:
        return _boolean(series.cast(pl.Int64).fill_null(-1).to_numpy())
    if dtype == pl.String:
        if len(series) <= _FEW:
            return _texts(series.to_list())
        return _polars_codes(series, series.drop_nulls().unique().sort().to_list())
    if dtype == pl.Enum:
        codes = series.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        return Column(codes=codes, levels=tuple(dtype.categories.to_list()))
    if dtype == pl.Categorical:
        # The levels' own order is that of first appearance; codes of one column need not begin at 0.
        return _polars_codes(
            series, series.drop_nulls().unique(maintain_order=True).cast(pl.String).to_list()
        )
    if dtype in (pl.Date, pl.Datetime, pl.Duration, pl.Time):
        raise _durations(name)
    if dtype == pl.Null:
        return Column(values=np.full(len(series), np.nan))
    raise StatsError(f"{name} has values of a kind that no model takes", found=str(dtype))


def _polars_codes(series: Any, levels: list[str]) -> Column:
    import polars as pl

    coded = series.cast(pl.String).cast(pl.Enum(levels)) if levels else None
    if coded is None:
        return Column(codes=np.full(len(series), -1, dtype=np.int64))
    return Column(codes=coded.to_physical().cast(pl.Int64).fill_null(-1).to_numpy(), levels=tuple(levels))


def _from_pandas(series: Any, name: str) -> Column:
    """NumPy's kinds and texts directly, ten times faster than narwhals on a small frame."""
    if isinstance(series.dtype, np.dtype):
        return _from_array(series.to_numpy(), name)
    if series.dtype.name in ("str", "string"):
        return _from_objects(series.to_numpy(dtype=object, na_value=None), name)
    if series.dtype.name == "category":
        levels = tuple(str(level) for level in series.cat.categories)
        return Column(codes=series.cat.codes.to_numpy().astype(np.int64), levels=levels)
    import narwhals as nw

    return _from_narwhals(nw.from_native(series, series_only=True), name)


def _from_narwhals(series: Any, name: str) -> Column:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric():
        return Column(values=np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64))
    if dtype == nw.Boolean:
        return _boolean(np.array([-1 if v is None else int(v) for v in series.to_list()], dtype=np.int64))
    if isinstance(dtype, nw.Categorical) or dtype == nw.Categorical or dtype == nw.Enum:
        levels = [str(level) for level in series.cat.get_categories().to_list()]
        place = {level: i for i, level in enumerate(levels)}
        codes = [-1 if v is None or v != v else place[str(v)] for v in series.to_list()]
        return Column(codes=np.array(codes, dtype=np.int64), levels=tuple(levels))
    if dtype.is_temporal():
        raise _durations(name)
    return _from_objects(_array_of([None if v != v else v for v in series.to_list()]), name)
