"""A table as a page shows it: on a phone each row becomes a card, its first cell the card's heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flarefree.results import Table as ResultTable

__all__ = ["Cell", "Table", "result_table", "table_of"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place.

    Attributes
    ----------
    text : str
    url : str
        Where it leads.
    state : str
        A word shown as a badge, by which it is colored too.
    note : str
        Smaller, below.
    is_number : bool
        Set to the right.
    """

    text: str = ""
    url: str = ""
    state: str = ""
    note: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their heads.

    Attributes
    ----------
    caption : str
    head : tuple of str
    rows : tuple of tuple of (head, Cell)
        Each cell with its head, by which a card names it.
    empty : str
        Said where there is no row.
    is_caption_hidden : bool
        Where a heading above says the same.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[tuple[str, Cell], ...], ...]
    empty: str
    is_caption_hidden: bool = True

    @property
    def is_wide(self) -> bool:
        """Whether it may have to be scrolled sideways, which a keyboard must be able to do."""
        return len(self.head) > 7

    @property
    def are_figures(self) -> bool:
        """Whether it is of counts above all: those are compared down their columns, on a phone too."""
        heads = self.heads
        return len(heads) > 4 and sum(is_number for _, is_number in heads) * 2 > len(heads)

    @property
    def heads(self) -> tuple[tuple[str, bool], ...]:
        """Each head, and whether numbers stand below it."""
        first = [cell.is_number for _, cell in self.rows[0]] if self.rows else [False] * len(self.head)
        return tuple(zip(self.head, first, strict=True))


def table_of(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Cell | object]],
    *,
    empty: str,
    is_caption_hidden: bool = True,
) -> Table:
    """A table; what is no cell is shown as its words."""
    names = tuple(head)
    made = tuple(tuple(zip(names, map(_cell, row), strict=True)) for row in rows)
    return Table(caption, names, made, empty, is_caption_hidden)


def result_table(table: ResultTable) -> Table:
    """A table of results, its cells as the report prints them."""
    from flarefree.reports.formatting import NumberStyle, format_cell

    style = NumberStyle()
    head = (table.stub or "Characteristic", *(column.label for column in table.columns))
    rows = [
        (
            row.label,
            *(format_cell(row.cells[c.key], style) if c.key in row.cells else "" for c in table.columns),
        )
        for row in table.rows
    ]
    return table_of(table.title, head, rows, empty="Nothing to show.", is_caption_hidden=False)


def _cell(value: Cell | object) -> Cell:
    if isinstance(value, Cell):
        return value
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return Cell(f"{value:,}", is_number=True)
    return Cell("" if value is None else str(value))
