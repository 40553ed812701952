"""What is odd in the data: one finding a row, each with its place.  Nothing here raises.

Data are allowed to be odd; they are reported all together, and no row is dropped in silence.  A kind
of oddity that a file has thousands of is listed `LISTED` times and then counted, so that a million
findings cost no more than a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl

__all__ = ["LISTED", "Finding", "Severity", "findings_frame", "in_file_order", "list_findings"]

LISTED = 500
"""How many findings of one kind are listed for one file; the rest are counted in one more."""


class Severity(StrEnum):
    """What a finding means for an analysis."""

    NOTE = "note"  # used as it is; the reader should know
    WARNING = "warning"  # used, but doubtful
    ERROR = "error"  # the value or the row could not be used


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity: where it stands, what was found there, and what was expected instead.

    `code` names the kind (`unknown-unit`, `duplicate-row` ...); each has a line in
    `docs/reference/findings.md`.  `row` 0 is about the file or the study as a whole.  `count` is how
    many rows the finding stands for.
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
    count: int = 1


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
    "count": pl.UInt32,
}

_MORE = "and "


def findings_frame(findings: tuple[Finding, ...]) -> pl.DataFrame:
    """Findings as a table, one a row, in their order: what `findings.csv` holds."""
    columns = {
        name: [str(getattr(f, name)) if name == "severity" else getattr(f, name) for f in findings]
        for name in FINDINGS_SCHEMA
    }
    return pl.DataFrame(columns, schema=FINDINGS_SCHEMA)


def list_findings(
    rows: pl.DataFrame,
    code: str,
    severity: Severity,
    message: str,
    *,
    files: Sequence[str],
    column: str = "",
    found: str = "",
    expected: str = "",
    listed: int = LISTED,
) -> tuple[Finding, ...]:
    """One finding for each of some odd rows; past `listed` of a file, one that counts the rest.

    Parameters
    ----------
    rows : DataFrame
        The odd rows: `source` and `row`, and where they differ by row `subject`, `column`, `found`,
        `expected`, `message` (text), which win over the arguments of the same name.
    code, severity, message, column, found, expected
        As in `Finding`.
    files : sequence of str
        The file of every `source`.
    listed : int
        How many are listed for each file.
    """
    if rows.is_empty():
        return ()
    found_here: list[Finding] = []
    counts = rows.group_by("source").len().sort("source")
    for source, count in counts.iter_rows():
        of_file = rows.filter(pl.col("source") == source).sort("row", maintain_order=True).head(listed)
        for record in of_file.to_dicts():
            found_here.append(
                Finding(
                    code,
                    severity,
                    record.get("message") or message,
                    files[source],
                    record["row"],
                    record.get("column") or column,
                    record.get("subject") or "",
                    _text(record.get("found"), found),
                    _text(record.get("expected"), expected),
                )
            )
        if count > listed:
            rest = count - listed
            found_here.append(
                Finding(
                    code,
                    severity,
                    f"{_MORE}{rest:,} more rows with this finding",
                    files[source],
                    column=column,
                    count=rest,
                )
            )
    return tuple(found_here)


def _text(value: Any, otherwise: str) -> str:
    if value is None:
        return otherwise
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_file_order(findings: Sequence[Finding], files: Sequence[str]) -> tuple[Finding, ...]:
    """Findings by file and row: about the whole study first, about a whole file before its rows."""
    position = {name: place for place, name in enumerate(files)}

    def key(finding: Finding) -> tuple[int, bool, int]:
        counts_the_rest = finding.row == 0 and finding.message.startswith(_MORE)
        return (position.get(finding.file, -1), counts_the_rest, finding.row)

    return tuple(sorted(findings, key=key))
