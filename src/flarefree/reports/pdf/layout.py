"""How wide a table's columns are on paper, in which type size, and whether its page lies on its side.

Decided here from the widths of letters, so that the PDF engine has nothing left to balance: a column is
as wide as its widest number or its heading's longest word, and the labels take what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.reports.figures.type_widths import tabular_width, text_width
from flarefree.reports.tables.layout import PrintedColumn, PrintedTable

__all__ = ["ColumnOnPaper", "TableOnPaper", "fit_table"]

UPRIGHT = 482.0  # points between the margins of an A4 page
SIDEWAYS = 728.0
SIZES = (8.5, 7.5, 6.5)
INSET = 4.0  # left and right in a cell
WIDEST_TEXT = 120.0
WIDEST_HEADING = 66.0
NARROWEST_STUB = 84.0
MARK_ROOM = 4.0


@dataclass(frozen=True, slots=True)
class ColumnOnPaper:
    """Widths in points: of the column, and of its numbers left and right of their point."""

    width: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class TableOnPaper:
    """Type size, direction of the page, widths; `stub` 0 gives labels what is left."""

    size: float
    sideways: bool
    stub: float
    columns: tuple[ColumnOnPaper, ...]


def fit_table(table: PrintedTable) -> TableOnPaper:
    """The largest type in which the table fits upright, else sideways, else the smallest sideways."""
    for page, sideways in ((UPRIGHT, False), (SIDEWAYS, True)):
        for size in SIZES:
            columns = _columns(table, size)
            left = page - sum(column.width for column in columns)
            wanted = _stub_width(table, size)
            if left >= min(wanted, max(NARROWEST_STUB, wanted * 0.55)):
                return TableOnPaper(size, sideways, _stub(wanted, left, columns), columns)
    return TableOnPaper(SIZES[-1], True, NARROWEST_STUB, _columns(table, SIZES[-1]))


def _stub(wanted: float, left: float, columns: tuple[ColumnOnPaper, ...]) -> float:
    """Few columns do not spread over the page: the eye must find the number of its row."""
    if len(columns) <= 2 and left > wanted + 120:
        return wanted + 60
    return 0.0


def _columns(table: PrintedTable, size: float) -> tuple[ColumnOnPaper, ...]:
    fitted = []
    for i, column in enumerate(table.columns):
        cells = [row.cells[i] for row in table.rows if not row.spans]
        numbers = [cell for cell in cells if cell.is_number] if column.align == "decimal" else []
        before = max((tabular_width(cell.before, size) for cell in numbers), default=0.0)
        after = max((tabular_width(cell.after, size) for cell in numbers), default=0.0)
        after += MARK_ROOM if any(cell.mark for cell in numbers) else 0.0
        words = [cell for cell in cells if not (cell.is_number and column.align == "decimal")]
        texts = max((min(tabular_width(cell.text, size), WIDEST_TEXT) for cell in words), default=0.0)
        width = max(before + after, texts, _heading_width(_heading(column), column.n, size)) + 2 * INSET + 1
        fitted.append(ColumnOnPaper(round(width, 2), round(before + 0.3, 2), round(after + 0.3, 2)))
    return tuple(fitted)


def _heading(column: PrintedColumn) -> str:
    return "as published" if column.repeats else column.label


def _heading_width(label: str, n: str, size: float) -> float:
    """Room for its longest word, and for the whole if that is short."""
    longest = max((text_width(word, size, bold=True) for word in label.split()), default=0.0)
    whole = text_width(label, size, bold=True)
    return max(longest, min(whole, WIDEST_HEADING), text_width(n, size))


def _stub_width(table: PrintedTable, size: float) -> float:
    labels = [
        text_width(row.label, size, bold=row.is_header) + 9.0 * row.indent
        for row in table.rows
        if not row.spans or row.indent
    ]
    return max([*labels, text_width(table.stub, size, bold=True)], default=0.0) + INSET + 4
