"""What is odd in the data: one finding a row, each with its place.  Nothing here raises.

Data are allowed to be odd; they are reported all together, and no row is dropped in silence.  A kind
of oddity that a file has thousands of is listed `LISTED` times and then counted, so that a million
findings cost no more than a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import polars as pl

__all__ = ["LISTED", "Collector", "Finding", "Severity", "findings_frame", "in_file_order", "list_findings"]

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
            found_here.append(_the_rest(found_here[-1], count - listed))
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


class Collector:
    """Gathers findings while a study is read: lists the first of each kind and file, counts the rest.

    Parameters
    ----------
    files : sequence of str
        The file of every `source` number; may grow while reading.
    listed : int
        How many findings of one kind are listed for one file.
    """

    def __init__(self, files: Sequence[str], listed: int = LISTED) -> None:
        self._files = files
        self._listed = listed
        self._single: list[Finding] = []
        self._lists: dict[tuple[str, int, str], tuple[list[Finding], int]] = {}
        self._counts: dict[tuple[str, int, tuple[object, ...]], Finding] = {}

    def place(self, source: pl.Expr, row: pl.Expr) -> pl.Expr:
        """Rows in words, for findings that speak of another row: `row 12 of lb.csv`."""
        names = pl.lit(pl.Series([*self._files, None], dtype=pl.String))
        return pl.format("row {} of {}", row, names.gather(source.cast(pl.UInt32)))

    def add(self, *findings: Finding) -> None:
        """Keep findings as they are."""
        self._single.extend(findings)

    def list_rows(
        self,
        rows: pl.DataFrame,
        code: str,
        severity: Severity,
        message: str,
        *,
        column: str = "",
        found: str | pl.Expr = "",
        expected: str | pl.Expr = "",
    ) -> None:
        """One finding a row (see `list_findings`), for oddities that somebody must look at one by one.

        `found` and `expected` may be expressions: they are worked out for the listed rows alone.
        """
        if rows.is_empty():
            return
        told = {n: e for n, e in (("found", found), ("expected", expected)) if isinstance(e, pl.Expr)}
        for source, count in rows.group_by("source").len().sort("source").iter_rows():
            kept, total = self._lists.get((code, source, column), ([], 0))
            room = self._listed - len(kept)
            if room > 0:
                of_file = rows.filter(pl.col("source") == source) if count < rows.height else rows
                first = of_file.bottom_k(room, by="row").sort("row").with_columns(**told)
                kept += list_findings(
                    first,
                    code,
                    severity,
                    message,
                    files=self._files,
                    column=column,
                    found=found if isinstance(found, str) else "",
                    expected=expected if isinstance(expected, str) else "",
                )
            self._lists[code, source, column] = (kept, total + count)

    def count_rows(
        self,
        rows: pl.DataFrame,
        code: str,
        severity: Severity,
        message: str,
        *,
        by: Sequence[str] = (),
        column: str = "",
        found: str = "",
        expected: str = "",
    ) -> None:
        """One finding a file, and a value of the columns `by`, with the first row and how many there are."""
        if rows.is_empty():
            return
        keys = ["source", *by]
        others = [name for name in rows.columns if name not in (*keys, "row")]
        first = pl.col("row").arg_min()
        grouped = rows.group_by(keys).agg(
            pl.len().alias("count"), pl.col("row").min(), pl.col(others).gather(first).first()
        )
        for record in grouped.sort("source", "row").to_dicts():
            key = (code, record["source"], (column, *(record[name] for name in by)))
            known = self._counts.get(key)
            if known is not None:
                self._counts[key] = replace(known, count=known.count + record["count"])
                continue
            self._counts[key] = Finding(
                code,
                severity,
                record.get("message") or message,
                self._files[record["source"]],
                record["row"],
                record.get("column") or column,
                record.get("subject") or "",
                _text(record.get("found"), found),
                _text(record.get("expected"), expected),
                record["count"],
            )

    def findings(self) -> tuple[Finding, ...]:
        """All of them, by file and row."""
        gathered = [*self._single, *self._counted(), *self._listed_ones()]
        return in_file_order(gathered, self._files)

    def _listed_ones(self) -> Iterable[Finding]:
        for kept, total in self._lists.values():
            yield from kept
            if total > len(kept):
                yield _the_rest(kept[0], total - len(kept))

    def _counted(self) -> Iterable[Finding]:
        """Counts by group; where there are groups without end, the first of them and one for the rest."""
        by_file: dict[tuple[str, str], list[Finding]] = {}
        for finding in self._counts.values():
            by_file.setdefault((finding.code, finding.file), []).append(finding)
        for group in by_file.values():
            yield from group[: self._listed]
            rest = group[self._listed :]
            if rest:
                yield _the_rest(rest[0], sum(finding.count for finding in rest))


def _the_rest(example: Finding, count: int) -> Finding:
    return Finding(
        example.code,
        example.severity,
        f"{_MORE}{count:,} more rows with this finding",
        example.file,
        column=example.column,
        count=count,
    )
