"""CSV files as people save them: byte order marks, semicolons, tabs, decimal commas, blank lines at the end.

Gives a header and rows of text with their lines; what the text means is for the caller.  A file that is no
text, a column that stands twice, a row of another length are refused, since a reader that guesses there moves
numbers into other columns.  Begin reading at `read_delimited`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Delimited", "read_delimited", "read_typed"]

SEPARATORS = (",", ";", "\t", "|")
ABSENT = frozenset({"", "NA", "<NA>"})
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_COMMA_NUMBER = re.compile(r"^[<>≤≥=]?\s*[-+−]?\d+,\d+\s*%?$")
_POINT_NUMBER = re.compile(r"^[<>≤≥=]?\s*[-+−]?\d+\.\d+\s*%?$")
_INNER_COMMA = re.compile(r"(?<=\d),(?=\d)")
_STARTS_AS_NUMBER = re.compile(r"^[<>≤≥=\[(]?\s*[-+−]?\d")


@dataclass(frozen=True, slots=True)
class Delimited:
    """A header and rows of stripped text.

    Attributes
    ----------
    name : str
        The file's name.
    header : tuple of str
    rows : tuple of tuple of str
        Each as long as the header; rows without any text are left out.
    lines : tuple of int
        Line of the file on which each row ends, from 1.
    separator : str
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    separator: str


def read_delimited(path: Path) -> Delimited:
    """Read a CSV file; the separator is the one that its header has most of (a tab in `.tsv`).

    In a file that is not separated by commas, `0,56` is 0.56 if no number in it has a point.

    Raises
    ------
    EvidenceError
        It is not there, no text, empty, or has rows that do not fit its header; names the line.
    """
    text = _text_of(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise EvidenceError("the file is empty", where=path.name, expected="a header, then rows")
    separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else max(SEPARATORS, key=first.count)
    read = _rows_of(text, separator, path.name)
    return _with_points(read) if separator != "," else read


def read_typed(path: Path, *, texts: Sequence[str] = ()) -> pl.DataFrame:
    """The file as a frame: columns of numbers as numbers, `NA` and nothing as null, `texts` as they stand."""
    import polars as pl

    read = read_delimited(path)
    columns: dict[str, Any] = {}
    for i, name in enumerate(read.header):
        cells = [None if row[i] in ABSENT else row[i] for row in read.rows]
        columns[name] = pl.Series(name, cells if name in texts else _typed(cells), strict=False)
    return pl.DataFrame(columns)


def _typed(cells: list[str | None]) -> list[Any]:
    """Whole numbers, numbers or text, whichever all cells are."""
    for kind in (int, float):
        try:
            return [None if cell is None else kind(cell) for cell in cells]
        except ValueError:
            continue
    return list(cells)


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise EvidenceError("this is a folder", where=str(path), expected="a CSV file") from None
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise EvidenceError("the file cannot be read", where=str(path), found=reason) from None
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8-sig")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text(
            path, f"a byte that is no {encoding.removesuffix('-sig').upper()}, at offset {error.start}"
        ) from None
    if found := _BINARY.search(text):
        raise _no_text(path, f"the control character {found[0]!r}, at offset {found.start()}")
    return text


def _no_text(path: Path, found: str) -> EvidenceError:
    return EvidenceError(
        "the file is not text",
        where=str(path),
        found=found,
        expected="UTF-8",
        try_='save it as "CSV UTF-8" (Excel has this among its formats)',
    )


def _rows_of(text: str, separator: str, name: str) -> Delimited:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    header: tuple[str, ...] = ()
    rows, lines = [], []
    try:
        for cells in reader:
            values = tuple(cell.strip() for cell in cells)
            if not any(values):
                continue
            if not header:
                header = _checked_header(values, name)
                continue
            if len(values) != len(header):
                raise EvidenceError(
                    "a row does not fit the header",
                    where=f"{name}:{reader.line_num}",
                    found=f"{len(values)} cells",
                    expected=f"{len(header)}",
                )
            rows.append(values)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise EvidenceError(
            "a row cannot be taken apart",
            where=f"{name}:{reader.line_num}",
            found=str(error),
            expected='cells with a separator in them in "quotation marks", each closed',
        ) from None
    return Delimited(name, header, tuple(rows), tuple(lines), separator)


def _checked_header(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    named = [column for column in names if column]
    if len(set(named)) < len(named):
        twice = next(column for column in named if named.count(column) > 1)
        raise EvidenceError("a column stands twice", where=f"{name}:1", found=twice)
    # Row names of R and the index of pandas have no header.
    return tuple(column or f"column {i}" for i, column in enumerate(names, 1))


def _with_points(read: Delimited) -> Delimited:
    """Decimal commas as points, where the file has the one and not the other."""
    cells = [cell for row in read.rows for cell in row]
    if any(_POINT_NUMBER.match(cell) for cell in cells) or not any(_COMMA_NUMBER.match(c) for c in cells):
        return read
    return replace(read, rows=tuple(tuple(_pointed(cell) for cell in row) for row in read.rows))


def _pointed(cell: str) -> str:
    return _INNER_COMMA.sub(".", cell) if _STARTS_AS_NUMBER.match(cell) else cell
