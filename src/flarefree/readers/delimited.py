"""Delimited text (CSV, TSV), plain or gzipped: all columns as text, every row of the right length.

Decides the encoding (a byte order mark, else UTF-8, else Windows-1252, which is noted) and checks what
a CSV reader would pass over: a wrong delimiter, rows that are too long or too short, a quotation mark
that never closes.  What the text means is decided by the column map, not here.
"""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.errors import ReadError
from flarefree.readers.quotes import require_around_fields, require_closed, shortened
from flarefree.readers.raw import RawTable, blank_to_null, read_bytes, relative_name, source_of, unpack
from flarefree.records.findings import Finding, Severity, list_findings

__all__ = ["read_delimited"]

_NAMES = {
    ",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", "^": "caret", "~": "tilde", " ": "blank"
}  # fmt: skip
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),  # before UTF-16, whose mark it begins with
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_QUOTE, _NEWLINE, _RETURN = (ord(c) for c in '"\n\r')
_LINE_FEED = b"\n"
_TOO_RAGGED = 0.2  # more than this share of ragged rows, and it is the file that is wrong


def read_delimited(
    path: Path | str,
    *,
    root: Path | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> RawTable:
    r"""Read a delimited file; every column is text, null where nothing was written.

    Parameters
    ----------
    path : path
        `.csv`, `.tsv`, `.txt`, or one of these with `.gz`.
    root : path, optional
        The study folder, which findings name the file relative to.
    delimiter : str, optional
        One character; a tab for `.tsv` and a comma for all others if not given.
    encoding : str, optional
        Such as `latin-1`; found out if not given.

    Raises
    ------
    ReadError
        The file is missing, empty, not text, cut short, or separated by another delimiter.
    """
    path = Path(path)
    where = relative_name(path, root)
    packed = read_bytes(path, root)
    text, notes = _decoded(unpack(packed, where), encoding, where)
    separator = delimiter or ("\t" if ".tsv" in path.name.lower() else ",")
    _require_header(text, separator, delimiter is not None, where)
    shape = _Shape.of(text, separator, where)
    kept, ragged = shape.without_ragged_rows(text, where)
    frame = blank_to_null(_parsed(kept, separator, where))
    frame, rows, blank = _without_blank_rows(frame, shape.kept_rows(), where)
    kind = "delimited" if shape.has_inner_newlines else "csv"
    return RawTable(
        _stem(path),
        frame,
        {},
        source_of(path, root, kind, shape.n_rows, packed),
        rows=rows,
        findings=(*notes, *ragged, *blank),
    )


def _without_blank_rows(
    frame: pl.DataFrame, rows: pl.Series | None, where: str
) -> tuple[pl.DataFrame, pl.Series | None, tuple[Finding, ...]]:
    """The table without rows that hold delimiters alone, as spreadsheets leave them, and a note of them."""
    some_column = frame.get_columns()[0]
    if not some_column.null_count():
        return frame, rows, ()
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not blank.any():
        return frame, rows, ()
    numbers = rows if rows is not None else pl.int_range(1, frame.height + 1, dtype=pl.UInt32, eager=True)
    note = Finding(
        "blank-row",
        Severity.NOTE,
        "rows that hold delimiters and nothing else; left out",
        where,
        int(numbers.filter(blank)[0]),
        count=int(blank.sum()),
    )
    return frame.filter(~blank), numbers.filter(~blank).alias("row"), (note,)


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


# Encoding ----------------------------------------------------------------------------------------


def _decoded(content: bytes, encoding: str | None, where: str) -> tuple[bytes, tuple[Finding, ...]]:
    """The content as UTF-8 without byte order mark, ending with a newline."""
    notes: tuple[Finding, ...] = ()
    if encoding is not None:
        text = _decode(content, encoding, where)
    else:
        for mark, name in _MARKS:
            if content.startswith(mark):
                text = _decode(content[len(mark) :], name, where)
                break
        else:
            _require_text(content, where)
            try:
                content.decode("utf-8")
                text = content
            except UnicodeDecodeError as error:
                text = _decode(content, "windows-1252", where)
                notes = (_encoding_note(content, error.start, where),)
    if not text.strip():
        raise ReadError("this file holds no text", where=where, expected="a header line and rows")
    _require_no_zero_bytes(text, where)
    text = _with_line_feeds(text)
    return (text if text.endswith(b"\n") else text + b"\n"), notes


def _require_no_zero_bytes(text: bytes, where: str) -> None:
    """A zero byte would stay within a value unseen, and make another value of it."""
    place = text.find(b"\x00")
    if place < 0:
        return
    raise ReadError(
        "this file holds a zero byte, which no text has",
        where=f"{where} line {text.count(_LINE_FEED, 0, place) + 1}",
        found=f"byte 0x00 at place {place}",
        expected="a table as text (CSV)",
        try_="export it again, or copy it again from where it came: it may be damaged",
    )


def _with_line_feeds(text: bytes) -> bytes:
    """Carriage returns that alone end a line, as old spreadsheets on a Mac write them, as line feeds."""
    if b"\r" not in text:
        return text
    data = np.frombuffer(text, dtype=np.uint8)
    alone = (data == _RETURN) & (np.append(data[1:], 0) != _NEWLINE)
    if not alone.any():
        return text
    alone &= ~np.logical_xor.accumulate(data == _QUOTE)  # within quotes it is part of the text
    return np.where(alone, np.uint8(_NEWLINE), data).tobytes()


def _decode(content: bytes, encoding: str, where: str) -> bytes:
    try:
        return content.decode(encoding).encode("utf-8")
    except LookupError:
        raise ReadError(
            "there is no such encoding", where=where, found=encoding, expected="utf-8, latin-1 ..."
        ) from None
    except UnicodeDecodeError as error:
        raise ReadError(
            f"this file is not written in {encoding}",
            where=where,
            found=f"byte 0x{content[error.start]:02x} at place {error.start}",
            try_="encoding: with the right name, in study.yaml",
        ) from None


def _require_text(content: bytes, where: str) -> None:
    """Control characters other than tab and line ends occur in binary files, not in tables."""
    head = np.frombuffer(content[:65536], dtype=np.uint8)
    odd = (head < 32) & (head != 9) & (head != _NEWLINE) & (head != _RETURN) & (head != 12)
    if odd.any():
        raise ReadError(
            "this is no text file",
            where=where,
            found=f"byte 0x{head[odd][0]:02x} at place {int(np.flatnonzero(odd)[0])}",
            expected="a table as text (CSV), or the suffix of what it is (.parquet, .xpt ...)",
        )


def _encoding_note(content: bytes, place: int, where: str) -> Finding:
    line = content.count(b"\n", 0, place)
    return Finding(
        "encoding",
        Severity.NOTE,
        "not written in UTF-8; read as Windows-1252",
        where,
        max(line, 0),
        found=f"byte 0x{content[place]:02x}",
        expected="UTF-8",
    )


# Delimiter and shape -------------------------------------------------------------------------------


def _require_header(text: bytes, separator: str, was_given: bool, where: str) -> None:
    """A header line in which another delimiter separates, and this one does not, is the wrong delimiter."""
    header = text.split(b"\n", 1)[0].decode("utf-8")
    if separator in header:
        return
    others = {other: header.count(other) for other in _NAMES if other not in (separator, " ")}
    if not any(others.values()) and _is_in_every_line(text, " "):
        others[" "] = header.strip().count(" ")
    best = max(others, key=lambda other: others[other])
    if not others[best]:
        return
    how = f"delimiter: {best!r} in study.yaml" if not was_given else f"delimiter: {best!r} instead"
    raise ReadError(
        f"the columns of this file are not separated by a {_NAMES.get(separator, repr(separator))}",
        where=f"{where} line 1",
        found=f"{shortened(header)}  (one column, with {others[best]} of the character {_NAMES[best]})",
        expected=f"columns separated by a {_NAMES.get(separator, repr(separator))}",
        try_=how,
    )


def _is_in_every_line(text: bytes, separator: str, looked_at: int = 20) -> bool:
    """Whether it stands as often in each of the first lines: words of one column's name do not."""
    lines = [line.strip() for line in text.split(b"\n", looked_at)[:looked_at] if line.strip()]
    counts = {line.count(separator.encode()) for line in lines}
    return len(lines) > 1 and len(counts) == 1 and counts != {0}


class _Shape:
    """Where the rows of a delimited text begin and end, and how many fields each has."""

    def __init__(
        self,
        ends: npt.NDArray[np.int64],
        fields: npt.NDArray[np.int64],
        blank: npt.NDArray[np.bool_],
        has_inner_newlines: bool,
    ) -> None:
        self.ends = ends  # offset just after each record, header first
        self.fields = fields
        self.blank = blank
        self.has_inner_newlines = has_inner_newlines

    @classmethod
    def of(cls, text: bytes, separator: str, where: str) -> _Shape:
        data = np.frombuffer(text, dtype=np.uint8)
        newline = data == _NEWLINE
        delimiter = data == ord(separator)
        inner = False
        if (quotes := data == _QUOTE).any():
            # A character is within quotes after an odd number of them; a doubled quote keeps the parity.
            within = np.logical_xor.accumulate(quotes)
            inner = bool((newline & within).any())
            require_closed(text, data, within, quotes, delimiter | newline, where)
            require_around_fields(data, within, quotes, delimiter | newline, where)
            newline &= ~within
            delimiter &= ~within
        ends = np.flatnonzero(newline) + 1
        fields = np.diff(np.searchsorted(np.flatnonzero(delimiter), ends), prepend=0) + 1
        starts = np.concatenate(([0], ends[:-1]))
        lengths = ends - starts
        blank = (lengths == 1) | ((lengths == 2) & (data[starts] == _RETURN))
        return cls(ends, fields, blank, inner)

    @property
    def n_rows(self) -> int:
        """Data rows, blank lines within the table counted, so that a row leads to its line."""
        used = np.flatnonzero(~self.blank)
        return int(used[-1]) if used.size else 0

    def is_good(self) -> npt.NDArray[np.bool_]:
        return (self.fields == self.fields[0]) & ~self.blank

    def kept_rows(self) -> pl.Series | None:
        good = self.is_good()[1:]
        if good.all():
            return None
        return pl.Series("row", np.flatnonzero(good) + 1, dtype=pl.UInt32)

    def without_ragged_rows(self, text: bytes, where: str) -> tuple[bytes, tuple[Finding, ...]]:
        """The text without blank lines and rows of another length, and a finding for each of the latter."""
        good = self.is_good()
        good[0] = True
        ragged = np.flatnonzero(~good & ~self.blank)
        if good.all():
            return text, ()
        n_data = int((~self.blank[1:]).sum())
        if ragged.size > max(1, _TOO_RAGGED * n_data):
            raise ReadError(
                "the rows of this file do not have as many fields as its header",
                where=f"{where} line {ragged[0] + 1}",
                found=f"{self.fields[ragged[0]]} fields, and so in {ragged.size:,} of {n_data:,} rows",
                expected=f"{self.fields[0]} fields",
                try_="another delimiter, or quotation marks around texts that hold the delimiter",
            )
        starts = np.concatenate(([0], self.ends[:-1]))
        kept = b"".join(text[a:b] for a, b in _runs(starts, self.ends, good))
        rows = pl.DataFrame(
            {
                "source": pl.zeros(ragged.size, dtype=pl.UInt16, eager=True),
                "row": pl.Series(ragged, dtype=pl.UInt32),
                "found": [f"{n} fields" for n in self.fields[ragged]],
            }
        )
        return kept, list_findings(
            rows,
            "ragged-row",
            Severity.ERROR,
            "this row has another number of fields than the header; left out",
            files=[where],
            expected=f"{self.fields[0]} fields",
        )


def _runs(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], good: npt.NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Stretches of bytes that hold consecutive good records."""
    edges = np.diff(np.concatenate(([False], good, [False])).astype(np.int8))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return [(int(starts[a]), int(ends[b])) for a, b in zip(first, last)]


def _parsed(text: bytes, separator: str, where: str) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            io.BytesIO(text),
            separator=separator,
            infer_schema_length=0,
            has_header=False,
            truncate_ragged_lines=False,
        )
    except pl.exceptions.PolarsError as error:
        raise ReadError(
            "this file cannot be read as delimited text", where=where, found=str(error).split("\n")[0]
        ) from None
    header = [str(name or "").strip() for name in frame.row(0)]
    names = [name or f"column_{place}" for place, name in enumerate(header, start=1)]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ReadError(
            "two columns have the same name",
            where=f"{where} line 1",
            found=", ".join(twice),
            expected="a name for each column",
        )
    return frame.slice(1).rename(dict(zip(frame.columns, names)))
