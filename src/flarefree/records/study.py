"""A study: its tables together, immutable, with the files they came from and what is odd in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from flarefree.lineage import Source
from flarefree.records.findings import Finding
from flarefree.records.tables import TABLES, empty_table, whole_table

__all__ = ["Study"]


@dataclass(frozen=True, slots=True)
class Study:
    """Patients' rows, read once.

    Attributes
    ----------
    name : str
        Of the study, as its folder or its data say.
    protocol : str
        Name or path of its protocol, as `study.yaml` or the caller says; empty if neither does.
    tables : mapping of str to DataFrame
        Every table of `flarefree.records.tables.TABLES`; those without data are empty.
    sources : tuple of Source
        The files; a record's `source` is an index into it.
    findings : tuple of Finding
        All that is odd in the data, in the order of files and rows.
    is_virtual : bool
        The patients are simulated; every page that shows them says so.
    """

    name: str
    protocol: str = ""
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    findings: tuple[Finding, ...] = ()
    is_virtual: bool = False

    def __post_init__(self) -> None:
        whole = {
            name: whole_table(name, self.tables[name]) if name in self.tables else empty_table(name)
            for name in TABLES
        }
        object.__setattr__(self, "tables", MappingProxyType(whole))

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.tables[table]

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {frame.height:,}" for name, frame in self.tables.items() if frame.height)
        label = "virtual study" if self.is_virtual else "study"
        return f"<{label} {self.name}: {rows or 'no rows'}; {len(self.findings)} findings>"

    def place(self, source: int, row: int) -> str:
        """Where a record stands, in words: `lb.csv row 1203 (line 1204)`."""
        return self.sources[source].place(row)
