"""Where a value came from: files, and row numbers in them.

Lineage is row numbers, not copies.  A record keeps `source`, an index into `Study.sources`, and
`row`, its 1-based place among the file's data rows (a header line is not counted).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Place", "Source", "event_anchor", "events_anchor"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file that records were read from.

    Attributes
    ----------
    path : str
        Relative to the study folder, with forward slashes; the same on every machine.
    kind : str
        `csv`, `parquet`, `xpt`, `sas7bdat`, `dataset-json`, `memory` for frames given in Python, or
        `record` for a kind of things of a trial's record, whose rows are numbered by the log's entries.
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
        if self.kind == "record":
            return f"{self.path}, entry {row} of the log"
        line = f" (line {row + 1})" if self.kind == "csv" else ""
        return f"{self.path} row {row}{line}"


@dataclass(frozen=True, slots=True)
class Place:
    """One row of one file."""

    source: int
    row: int


def events_anchor(endpoint: str, group: str = "") -> str:
    """Where the report lists the events of an endpoint, in one group or in all: what `Cell.link` holds.

    Composites have a list too, one line a patient, each leading to its component's event.
    """
    return _anchor("events", endpoint, group)


def event_anchor(endpoint: str, subject: str, episode: int = 1) -> str:
    """Where the report shows one event of one patient, with the rows it rests on."""
    return _anchor("event", endpoint, subject, str(episode))


def _anchor(*parts: str) -> str:
    return "-".join(_UNSAFE.sub(_escaped, part) for part in parts if part)


_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def _escaped(unsafe: re.Match[str]) -> str:
    """Two subjects never share an anchor: what an address cannot hold is written as its code point."""
    return f"~{ord(unsafe[0]):x}~"
