"""What the paper printed, in columns beside ours.

Published numbers keep the text of their print and never enter our results; a table gets a published
column only where something was printed for one of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flarefree.protocol.published import Published, PublishedCell
from flarefree.results import AnalysisResult, Cell, Column, Row, Table

__all__ = ["beside_published"]


def beside_published(result: AnalysisResult, published: Published) -> AnalysisResult:
    """The same result, its tables with the published columns that there are."""
    tables = tuple(_beside(table, result, published) for table in result.tables)
    return result.with_tables(*tables)


def _beside(table: Table, result: AnalysisResult, published: Published) -> Table:
    printed = {column.key: dict(_printed(table, column, result, published)) for column in table.columns}
    if not any(printed.values()):
        return table
    columns = tuple(c for column in table.columns for c in _columns(column, bool(printed[column.key])))
    rows = tuple(_row(row, i, printed) for i, row in enumerate(table.rows))
    places = dict.fromkeys(cell.place for cells in printed.values() for cell in cells.values() if cell.place)
    notes = dict.fromkeys(cell.note for cells in printed.values() for cell in cells.values() if cell.note)
    source = f"As published: {published.citation}; {'; '.join(places)}."
    return replace(table, columns=columns, rows=rows, footnotes=(*table.footnotes, source, *notes))


def _columns(column: Column, is_printed: bool) -> Iterator[Column]:
    yield column
    if is_printed:
        yield Column(_key(column.key), column.label, published=True)


def _key(key: str) -> str:
    return f"{key}__published"


def _printed(
    table: Table, column: Column, result: AnalysisResult, published: Published
) -> Iterator[tuple[int, PublishedCell]]:
    """Rows of a column, by their place, for which something was printed."""
    for i, row in enumerate(table.rows):
        ours = row.cells.get(column.key)
        if ours is None or ours.display in ("blank", "text"):
            continue
        found = _find(row, table, column, result, published)
        if found is not None and found.text(ours.display):
            yield i, found


def _find(
    row: Row, table: Table, column: Column, result: AnalysisResult, published: Published
) -> PublishedCell | None:
    endpoint = row.endpoint or table.endpoint
    # Papers list preferred terms without their body systems, which are the levels of our rows.
    levels = (row.level, "") if result.kind == "adverse_events" and row.term != "any" else (row.level,)
    for level in dict.fromkeys(levels):
        found = published.cell(
            result.id, column.group or column.key, term=row.term, level=level, endpoint=endpoint
        )
        if found is not None:
            return found
    return None


def _row(row: Row, place: int, printed: Mapping[str, Mapping[int, PublishedCell]]) -> Row:
    cells = dict(row.cells)
    for key, column in printed.items():
        if place in column:
            text = column[place].text(row.cells[key].display)
            cells[_key(key)] = Cell("text", {"text": _with_unit(text, column[place], row)})
    return replace(row, cells=cells)


def _with_unit(text: str, cell: PublishedCell, row: Row) -> str:
    return f"{text} {cell.unit}" if cell.unit not in ("", row.unit) else text
