"""A file's table as it stands: columns and labels as written, types as the format declares them.

Readers of every format give a `RawTable`; nothing is renamed, converted or judged here.  Numbers of
XPT, sas7bdat and Dataset-JSON are Float64 (SAS has one kind of number), text without content is null
(SAS has no other missing text), trailing blanks are no content.  Delimited files hold only text.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import polars as pl

from flarefree.errors import ReadError
from flarefree.lineage import Source
from flarefree.records.findings import Finding

__all__ = ["RawTable", "blank_to_null", "read_bytes", "relative_name", "source_of"]


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """One table of one file.

    Attributes
    ----------
    name : str
        Of the dataset (`ADSL`), as the file says; the file's stem where it says nothing.
    frame : DataFrame
        The rows; column names as written.
    labels : mapping of str to str
        Label of every column that has one.
    source : Source
        The file, with its digest and number of data rows.
    label : str
        Of the dataset.
    rows : Series of UInt32, optional
        1-based data row of each row of `frame`, where some rows were left out; None if all are there.
    findings : tuple of Finding
        Oddities of the file itself: ragged rows, an unexpected encoding.
    """

    name: str
    frame: pl.DataFrame
    labels: Mapping[str, str]
    source: Source
    label: str = ""
    rows: pl.Series | None = None
    findings: tuple[Finding, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))

    def row_numbers(self) -> pl.Series:
        """1-based data rows of the file, one a row of `frame`."""
        if self.rows is not None:
            return self.rows
        return pl.int_range(1, self.frame.height + 1, dtype=pl.UInt32, eager=True).alias("row")

    def column(self, name: str) -> str | None:
        """The file's spelling of a column, whatever its case; None if there is no such column."""
        if name in self.frame.columns:
            return name
        wanted = name.casefold()
        return next((c for c in self.frame.columns if c.casefold() == wanted), None)

    def equals(self, other: RawTable) -> bool:
        """Whether both hold the same rows, types, labels and names, whatever the format."""
        return (
            self.name == other.name
            and self.label == other.label
            and dict(self.labels) == dict(other.labels)
            and self.frame.schema == other.frame.schema
            and self.frame.equals(other.frame)
        )


def relative_name(path: Path, root: Path | None) -> str:
    """The path as findings print it: relative to the study folder, with forward slashes."""
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.name


def read_bytes(path: Path, root: Path | None = None) -> bytes:
    """A file's bytes, or a `ReadError` that says why there are none."""
    where = relative_name(path, root)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ReadError("there is no such file", where=str(path)) from None
    except IsADirectoryError:
        raise ReadError("this is a folder, not a file", where=str(path)) from None
    except PermissionError:
        raise ReadError(
            "this file may not be read", where=where, try_=f"chmod u+r {path.name}, or ask its owner"
        ) from None
    except OSError as error:
        raise ReadError("this file cannot be read", where=where, found=str(error)) from None
    if not content:
        raise ReadError("this file is empty", where=where, found="0 bytes", expected="a table")
    return content


def unpack(content: bytes, where: str) -> bytes:
    """The content of a gzip file, or the bytes themselves if they are no gzip."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        unpacked = gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ReadError(
            "this gzip file is damaged or was cut short",
            where=where,
            found=str(error),
            try_="copy it again from where it came",
        ) from None
    if not unpacked:
        raise ReadError("this file is empty", where=where, found="0 bytes once unpacked", expected="a table")
    return unpacked


def source_of(path: Path, root: Path | None, kind: str, rows: int, content: bytes) -> Source:
    """The lineage's note of a file whose bytes are `content`."""
    return Source(relative_name(path, root), kind, rows, hashlib.sha256(content).hexdigest())


def blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Text without trailing blanks, and null where nothing is left."""
    text = [name for name, kind in frame.schema.items() if kind == pl.String]
    if not text:
        return frame
    stripped = pl.col(text).str.strip_chars_end(" ")
    return frame.with_columns(pl.when(stripped != "").then(stripped).otherwise(None).name.keep())
