"""Tables as they are printed.

Takes `flarefree.results.Table`; gives `PrintedTable`: text, footnote marks, places to align on, the same
for HTML and PDF.  Computes nothing.  Read `layout.py`; numbers become text in
`flarefree.reports.formatting`.
"""

from flarefree.reports.tables.layout import (
    Note,
    PrintedCell,
    PrintedColumn,
    PrintedRow,
    PrintedTable,
    lay_out_table,
)

__all__ = ["Note", "PrintedCell", "PrintedColumn", "PrintedRow", "PrintedTable", "lay_out_table"]
