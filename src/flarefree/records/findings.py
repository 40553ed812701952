"""What is odd in the data: one finding a row, each with its place.  Nothing here raises.

Data are allowed to be odd; they are reported all together, and no row is dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

__all__ = ["Finding", "Severity", "findings_frame"]


class Severity(StrEnum):
    """What a finding means for an analysis."""

    NOTE = "note"  # used as it is; the reader should know
    WARNING = "warning"  # used, but doubtful
    ERROR = "error"  # the value or the row could not be used


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity: where it stands, what was found there, and what was expected instead.

    `code` names the kind (`unknown-unit`, `duplicate-row` ...); each has a line in
    `docs/reference/findings.md`.  `row` 0 is about the file or the study as a whole.
    """

    code: str
    severity: Severity
    message: str
    file: str = ""
    row: int = 0
    column: str = ""
    subject: str = ""
    found: str = ""
    expected: str = ""


FINDINGS_SCHEMA: dict[str, Any] = {
    "severity": pl.String,
    "code": pl.String,
    "file": pl.String,
    "row": pl.UInt32,
    "column": pl.String,
    "subject": pl.String,
    "found": pl.String,
    "expected": pl.String,
    "message": pl.String,
}


def findings_frame(findings: tuple[Finding, ...]) -> pl.DataFrame:
    """Findings as a table, one a row, in their order: what `findings.csv` holds."""
    columns = {name: [str(getattr(f, name)) if name == "severity" else getattr(f, name) for f in findings]
               for name in FINDINGS_SCHEMA}
    return pl.DataFrame(columns, schema=FINDINGS_SCHEMA)
