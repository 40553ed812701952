"""Reading a figure's frames: rows as plain values, optional columns as empty ones.

`docs/reference/figures.md` lists what each kind of figure expects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from flarefree.errors import FlarefreeError
from flarefree.results import Figure

__all__ = ["Series", "number_of", "require_columns", "rows_of", "series_of", "text_of"]


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of one group, in their order."""

    group: str
    label: str
    rows: tuple[Mapping[str, Any], ...]

    def numbers(self, column: str) -> list[float | None]:
        """A column's numbers; None where there is none."""
        return [number_of(row, column) for row in self.rows]


def require_columns(figure: Figure, frame: str, *columns: str) -> pl.DataFrame:
    """The frame of that name, which must be there and have these columns."""
    found = figure.data.get(frame)
    if found is None or not set(columns) <= set(found.columns):
        raise FlarefreeError(
            f"the figure {figure.id!r} cannot be drawn",
            where=f"frame {frame!r} of a {figure.kind} figure",
            found="no such frame" if found is None else ", ".join(found.columns),
            expected=", ".join(columns),
        )
    return found


def rows_of(figure: Figure, frame: str) -> list[dict[str, Any]]:
    """A frame's rows; none if the figure has no such frame."""
    found = figure.data.get(frame)
    return [] if found is None else list(found.iter_rows(named=True))


def series_of(rows: list[dict[str, Any]], order: Iterable[str] = ()) -> list[Series]:
    """Rows by their `group`: the groups named in `order` first, then others as they appear."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(text_of(row, "group"), []).append(row)
    names = dict.fromkeys([*(group for group in order if group in grouped), *grouped])
    return [
        Series(group, text_of(grouped[group][0], "label") or group, tuple(grouped[group])) for group in names
    ]


def number_of(row: Mapping[str, Any], column: str) -> float | None:
    """A finite or infinite number; None for null, NaN, or a column that is not there."""
    value = row.get(column)
    if value is None or isinstance(value, str) or math.isnan(value):
        return None
    return float(value)


def text_of(row: Mapping[str, Any], column: str) -> str:
    """Text; empty for null or a column that is not there."""
    value = row.get(column)
    return "" if value is None else str(value)
