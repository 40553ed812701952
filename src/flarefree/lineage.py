"""Where a value came from: files, and row numbers in them.

Lineage is row numbers, not copies.  A record keeps `source`, an index into `Study.sources`, and
`row`, its 1-based place among the file's data rows (a header line is not counted).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file that records were read from.

    Attributes
    ----------
    path : str
        Relative to the study folder, with forward slashes; the same on every machine.
    kind : str
        `csv`, `parquet`, `xpt`, `sas7bdat`, `dataset-json`, or `memory` for frames given in Python.
    rows : int
        How many data rows the file holds.
    digest : str
        SHA-256 of the file's bytes, hexadecimal.
    table : str
        The table its rows went to, such as `observations`; its domain for SDTM (`LB`).
    """

    path: str
    kind: str
    rows: int
    digest: str
    table: str = ""

    def place(self, row: int) -> str:
        """`lb.csv row 1203 (line 1204)`: what a reader opens to see the row for themselves."""
        line = f" (line {row + 1})" if self.kind == "csv" else ""
        return f"{self.path} row {row}{line}"


@dataclass(frozen=True, slots=True)
class Place:
    """One row of one file."""

    source: int
    row: int
