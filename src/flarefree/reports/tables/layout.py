"""A table of results as it is printed: text in every cell, footnote marks, places to align on.

Decides marks and alignment, once for HTML and PDF.  A cell's text is cut in two at the end of its
first whole number, `31|.8 ± 10.6` or `113| (98.3)`; renderers set the first part flush right and the
second flush left, and so align a column on its decimal points.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from flarefree.reports.formatting import ABSENT, NOT_ESTIMABLE, NumberStyle, format_cell
from flarefree.reports.text import typeset
from flarefree.results import Cell, Column, Row, Table

__all__ = ["Note", "PrintedCell", "PrintedColumn", "PrintedRow", "PrintedTable", "lay_out_table"]

MARKS = ("*", "†", "‡", "§", "¶", "‖")

_LEADING_NUMBER = re.compile(r"[<>≤≥]?\s?−?(?:\d{1,3}(?:,\d{3})+|\d+)")
LONGEST_CENTERED_TEXT = 24


@dataclass(frozen=True, slots=True)
class Note:
    """A footnote and its mark."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class PrintedCell:
    """A cell's text, whole (`text`) or cut at its decimal point (`before`, `after`)."""

    text: str = ""
    before: str = ""
    after: str = ""
    is_number: bool = False
    mark: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class PrintedColumn:
    """A column's heading, and how its cells are set."""

    label: str
    n: str = ""
    published: bool = False
    align: str = "center"
    """`decimal`, `center` or `left`."""
    repeats: bool = False
    """Published, right of our column of the same label, which need not be said twice."""


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A row; `spans` says that its label stands alone across the table."""

    label: str
    cells: tuple[PrintedCell, ...] = ()
    indent: int = 0
    is_header: bool = False
    spans: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A whole table, ready to be set."""

    id: str
    number: int
    title: str
    mark: str
    stub: str
    columns: tuple[PrintedColumn, ...]
    groups: tuple[tuple[PrintedRow, ...], ...]
    notes: tuple[Note, ...] = ()
    population: str = ""

    @property
    def rows(self) -> tuple[PrintedRow, ...]:
        """Every row, in order."""
        return tuple(row for group in self.groups for row in group)


@dataclass(slots=True)
class _Marks:
    """Marks given out in the order in which a reader meets them; equal notes share one."""

    given: dict[str, str] = field(default_factory=dict)

    def of(self, text: str) -> str:
        if not text:
            return ""
        if text not in self.given:
            turn, place = divmod(len(self.given), len(MARKS))
            self.given[text] = MARKS[place] * (turn + 1)
        return self.given[text]

    def notes(self) -> tuple[Note, ...]:
        return tuple(Note(mark, typeset(text)) for text, mark in self.given.items())


def lay_out_table(
    table: Table, number: int, style: NumberStyle, *, anchors: Collection[str] = (), population: str = ""
) -> PrintedTable:
    """Lay a table out for print.

    `anchors` are those that the report has; a cell's link to any other is left out, since a link that
    leads nowhere is worse than none.
    """
    marks = _Marks()
    title_mark = marks.of(" ".join(_general_notes(table)))
    displays = _all_displays(table)
    rows = [_lay_out_row(row, table, displays, style, marks, anchors) for row in table.rows]
    return PrintedTable(
        id=table.id,
        number=number,
        title=typeset(table.title),
        mark=title_mark,
        stub=typeset(table.stub),
        columns=tuple(
            _lay_out_column(
                column, table.columns[i - 1] if i else None, [row.cells[i] for row in rows if not row.spans]
            )
            for i, column in enumerate(table.columns)
        ),
        groups=_grouped(rows),
        notes=marks.notes(),
        population=population,
    )


def _lay_out_row(
    row: Row, table: Table, displays: set[str], style: NumberStyle, marks: _Marks, anchors: Collection[str]
) -> PrintedRow:
    cells = [row.cells.get(column.key) for column in table.columns]
    spans = all(cell is None or cell.display == "blank" for cell in cells)
    mark = marks.of(_row_note(cells, displays))
    printed = tuple(
        _lay_out_cell(cell, column, style, marks, anchors) for cell, column in zip(cells, table.columns)
    )
    return PrintedRow(typeset(row.label), printed, row.indent, row.is_header, spans, mark)


def _lay_out_cell(
    cell: Cell | None, column: Column, style: NumberStyle, marks: _Marks, anchors: Collection[str]
) -> PrintedCell:
    if cell is None:
        return PrintedCell()
    text = format_cell(cell, style, column_n=column.n)
    found = _LEADING_NUMBER.match(text)
    cut = found.end() if found else 0
    return PrintedCell(
        text=text,
        before=text[:cut],
        after=text[cut:],
        is_number=found is not None,
        mark=marks.of(cell.note),
        href=cell.link if cell.link in anchors else "",
    )


def _lay_out_column(column: Column, before: Column | None, cells: list[PrintedCell]) -> PrintedColumn:
    texts = [cell for cell in cells if cell.text and cell.text != ABSENT]
    numbers = sum(cell.is_number for cell in texts)
    if numbers and numbers * 2 >= len(texts):
        align = "decimal"
    else:
        align = "left" if any(len(cell.text) > LONGEST_CENTERED_TEXT for cell in texts) else "center"
    n = "" if column.n is None else f"(N={column.n})"
    repeats = column.published and before is not None and before.label == column.label
    return PrintedColumn(typeset(column.label), n, column.published, align, repeats)


def _grouped(rows: list[PrintedRow]) -> tuple[tuple[PrintedRow, ...], ...]:
    """Rows under their outermost heading: what a screen reader announces as one group."""
    groups: list[list[PrintedRow]] = []
    for row in rows:
        if not groups or (row.is_header and row.indent == 0):
            groups.append([])
        groups[-1].append(row)
    return tuple(tuple(group) for group in groups)


# Notes that follow from how numbers are shown ----------------------------------------------------


def _displays(cells: Iterable[Cell | None]) -> set[str]:
    return {cell.display for cell in cells if cell is not None and cell.display != "blank"}


def _all_displays(table: Table) -> set[str]:
    return {d for row in table.rows for d in _displays(_our_cells(row, table))}


def _our_cells(row: Row, table: Table) -> list[Cell | None]:
    return [row.cells.get(column.key) for column in table.columns if not column.published]


def _general_notes(table: Table) -> list[str]:
    """The table's own footnotes, and those that its signs need unless its own explain them."""
    own = list(table.footnotes)
    said = " ".join(own).lower()
    displays = _all_displays(table)
    notes: list[str] = []
    if "plus–minus" not in said and "plus-minus" not in said and "±" not in said:
        notes += _plus_minus_note(displays)
    if _has_open_limit(table) and not re.search(rf"\b{NOT_ESTIMABLE}\b", " ".join(own)):
        notes.append(f"{NOT_ESTIMABLE} denotes could not be estimated.")
    return [*notes, *own]


def _plus_minus_note(displays: set[str]) -> list[str]:
    if "mean_sd" in displays:
        return (
            ["Plus–minus values are means ± SD unless marked otherwise."]
            if (displays & {"mean_se", "geometric_mean_sd"})
            else ["Plus–minus values are means ± SD."]
        )
    if "mean_se" in displays:
        return ["Plus–minus values are means ± SE."]
    return ["Plus–minus values are geometric means ± SD."] if "geometric_mean_sd" in displays else []


def _row_note(cells: list[Cell | None], of_table: set[str]) -> str:
    """Where a table mixes kinds of ±, each row that is not mean ± SD says what it is."""
    of_row = _displays(cells)
    if "mean_sd" not in of_table and not {"mean_se", "geometric_mean_sd"} <= of_table:
        return ""
    if "geometric_mean_sd" in of_row and "mean_sd" not in of_row:
        return "Values are geometric means ± SD."
    if "mean_se" in of_row and "mean_sd" not in of_row:
        return "Values are means ± SE."
    return ""


def _has_open_limit(table: Table) -> bool:
    return any(
        cell is not None
        and cell.display in {"estimate_ci", "percent_ci"}
        and cell.stats.get("estimate" if cell.display == "estimate_ci" else "percent") is not None
        and (cell.stats.get("conf_low") is None) != (cell.stats.get("conf_high") is None)
        for row in table.rows
        for cell in _our_cells(row, table)
    )
