"""Results as data: what analyses give and reports show.

An analysis gives an `AnalysisResult` of tables and figures.  A table's cell holds numbers under the
names of its statistics and the way it is to be printed; a figure holds the frames it is drawn from.
Nothing here is rounded or formatted: `flarefree.reports` does that, and computes nothing.  `tidy`
turns any number of results into one row a statistic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import polars as pl

from flarefree.errors import OutputError

__all__ = [
    "AnalysisResult",
    "Cell",
    "Column",
    "Display",
    "Figure",
    "FigureKind",
    "Row",
    "Sentence",
    "Status",
    "Table",
    "tidy",
]

Display = Literal[
    "blank",
    "text",  # stats: text
    "count",  # stats: n
    "n_percent",  # stats: n, percent (of N, in `total`)
    "n_of_total",  # stats: n, total
    "n_percent_events",  # stats: n, percent, events
    "number",  # stats: value
    "mean_sd",  # stats: mean, sd
    "mean_se",  # stats: mean, std_error
    "geometric_mean_sd",  # stats: geometric_mean, sd
    "median_iqr",  # stats: median, q1, q3
    "median_range",  # stats: median, min, max
    "estimate_ci",  # stats: estimate, conf_low, conf_high
    "percent_ci",  # stats: percent, conf_low, conf_high (all in percent)
    "rate",  # stats: rate
    "p_value",  # stats: p_value
]
"""How a cell is to be printed, and the statistics that it must hold for that."""

FigureKind = Literal[
    "bars",
    "bubble",
    "course",
    "flow",
    "forest",
    "funnel",
    "kaplan_meier",
    "league",
    "leverage",
    "meta_forest",
    "net_heat",
    "network_plot",
    "overlap",
    "predictive",
    "profile",
    "rankogram",
    "reconstruction",
    "sequential",
    "statistic_range",
    "subject_course",
    "trace",
    "weights",
]

Status = Literal["computed", "not_yet_computed", "not_computable"]

Stat = float | int | str | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the protocol, and where it stands: the reason why a number is shown."""

    text: str
    place: str
    """File and line, and the path within the protocol: `alms-maintenance.yaml:61 endpoints.renal_flare`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    display : Display
        How it is to be printed.
    stats : mapping of str to number or text
        Unrounded statistics by their names; None where one does not exist (`—` in print).
    digits : int, optional
        Decimals for the main statistic, where the measure asks for other than the table's usual.
    link : str
        The anchor, in the report, of the rows behind the number; empty if there is none.
    note : str
        A footnote for this cell alone.
    """

    display: Display
    stats: Mapping[str, Stat] = field(default_factory=dict)
    digits: int | None = None
    link: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stats", MappingProxyType({k: _plain(v) for k, v in self.stats.items()}))


def _plain(value: Any) -> Stat:
    """A NumPy scalar as Python's own number, and NaN as None: a statistic that does not exist."""
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and number != number else number


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: an arm, a comparison, or the published result beside ours.

    `key` is what rows' cells are keyed by.  `n` is printed as (N=116) under the label.  A `published`
    column holds printed text of the paper, never ours.  `group` names it in tidy results, where that
    is not the key: an arm's counts and its rates stand in two columns, and are one group.
    """

    key: str
    label: str
    n: int | None = None
    published: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.  `term` and `level` identify it in tidy results; `label` is printed."""

    label: str
    cells: Mapping[str, Cell] = field(default_factory=dict)
    term: str = ""
    level: str = ""
    indent: int = 0
    is_header: bool = False
    unit: str = ""
    endpoint: str = ""
    """Only where the row is about another endpoint than the table (each component, say)."""
    method: str = ""
    """Only where the row's numbers were made otherwise than the table's `method` says."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", MappingProxyType(dict(self.cells)))


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a journal prints it: title, columns, rows, footnotes."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    stub: str = ""
    """Heading of the leftmost column, such as `Characteristic`."""
    footnotes: tuple[str, ...] = ()
    endpoint: str = ""
    population: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's data and words; `flarefree.reports.figures` draws it.

    `data` holds frames by name; each kind's frames and columns are listed in
    `docs/reference/figures.md`.  The frame named `main` is what `figures/NAME.csv` holds.
    """

    id: str
    title: str
    kind: FigureKind
    data: Mapping[str, pl.DataFrame]
    x_label: str = ""
    y_label: str = ""
    annotations: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    endpoint: str = ""
    population: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def _repr_svg_(self) -> str:
        """The drawing, for notebooks: they call this method by its name."""
        # By name: this floor knows no drawing, and who only computes loads none.
        drawing = import_module("flarefree.reports.figures")
        return str(drawing.render_figure(self, drawing.Palette()))

    def save(self, path: str | Path) -> Path:
        """Write the drawing: an SVG file, or a page of HTML that holds it, by the path's suffix.

        Raises
        ------
        OutputError
            The suffix is another, or the file cannot be written.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".svg":
                text = self._repr_svg_()
            case ".html" | ".htm":
                text = _PAGE.format(title=escape(self.title or self.id), svg=self._repr_svg_())
            case other:
                raise OutputError(
                    "a figure is not written in this format",
                    where=str(path),
                    found=other or "no suffix",
                    expected=".svg or .html",
                )
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError("the figure cannot be written", where=str(path), found=str(error)) from None
        return path


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<figure>
{svg}</figure>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What one analysis of the protocol gave.

    Attributes
    ----------
    id : str
        The analysis's name in the protocol.
    section : str
        Heading of the report's section it belongs to.
    sentences : tuple of Sentence
        The protocol's sentences that asked for it.
    status : Status
        `not_yet_computed` keeps the place of an analysis that this version cannot do;
        `not_computable` says that the data do not allow it (no events, say); `reason` says why.
    """

    id: str
    title: str
    kind: str
    section: str
    population: str = ""
    endpoint: str = ""
    sentences: tuple[Sentence, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    status: Status = "computed"
    reason: str = ""
    methods: tuple[str, ...] = ()

    def with_tables(self, *tables: Table) -> AnalysisResult:
        """A copy with these tables instead."""
        return replace(self, tables=tables)


TIDY_SCHEMA: dict[str, Any] = {
    "analysis": pl.String,
    "endpoint": pl.String,
    "population": pl.String,
    "group": pl.String,
    "level": pl.String,
    "term": pl.String,
    "stat": pl.String,
    "value": pl.String,
    "unit": pl.String,
    "method": pl.String,
}


def tidy(results: Iterable[AnalysisResult]) -> pl.DataFrame:
    """One row a statistic, of all the tables of `results`, in their order.

    `value` is text: a number as Python's `repr`, which loses nothing; empty where there is none.
    Published columns are left out: they are not ours.
    """
    rows = list(_tidy_rows(results))
    return pl.DataFrame(rows, schema=TIDY_SCHEMA, orient="row")


def _tidy_rows(results: Iterable[AnalysisResult]) -> Iterator[tuple[str, ...]]:
    for result in results:
        for table in result.tables:
            ours = [column for column in table.columns if not column.published]
            for row in table.rows:
                for column in ours:
                    cell = row.cells.get(column.key)
                    if cell is None:
                        continue
                    for stat, value in cell.stats.items():
                        yield (
                            result.id,
                            row.endpoint or table.endpoint,
                            table.population or result.population,
                            column.group or column.key,
                            row.level,
                            row.term,
                            stat,
                            "" if value is None else value if isinstance(value, str) else repr(value),
                            row.unit,
                            row.method or table.method,
                        )
