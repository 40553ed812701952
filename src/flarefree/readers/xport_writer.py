"""SAS transport files (XPORT version 5) out: the same table gives the same bytes.

pyreadstat writes the clock into the header, so this is a writer of our own.  Numbers are IBM
hexadecimal floating point; every double of a usual size is exact in it (56 bits against 53).
Layout: `xport_layout.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.errors import OutputError
from flarefree.readers.xport_layout import NAMESTR, RECORD, Variable, header
from flarefree.records.findings import Finding, Severity

__all__ = ["compute_ibm_floats", "write_xport"]

_LONGEST_TEXT = 200  # of a character variable, in version 5
_DAYS_1960_TO_1970 = 3653
_MISSING = b"\x2e" + b"\0" * 7  # the SAS missing value "."
_TOO_LARGE, _TOO_SMALL = 16.0**63, 16.0**-65  # of IBM floating point
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write_xport(
    frame: pl.DataFrame,
    path: Path | str,
    *,
    name: str,
    label: str = "",
    labels: Mapping[str, str] | None = None,
    created: datetime = datetime(1960, 1, 1),
) -> tuple[Finding, ...]:
    """Write a table as a SAS transport file, version 5.

    Parameters
    ----------
    frame : DataFrame
        Numbers, text, dates (as SAS days with DATE9.), datetimes (DATETIME20.), times (TIME8.), and
        booleans (as Y and N).  A null is a SAS missing value, or empty text.
    path : path
        Where to.
    name : str
        Of the dataset: at most 8 characters, letters, digits and underscores.
    label, labels : str, mapping of str to str
        Of the dataset and of its columns: at most 40 bytes each.
    created : datetime
        What the header states: passed in, so that the same table gives the same bytes.

    Returns
    -------
    tuple of Finding
        A note for each column with numbers that the format cannot hold (from about 7.2e75 on, and other
        than zero below 5.4e-79): they are missing in the file.

    Raises
    ------
    OutputError
        A name, label or text that is too long for the format, two columns of the same name, or a file
        that cannot be written.
    """
    path = Path(path)
    where = path.name
    _require_name(name, f"{where} dataset")
    _require_label(label, f"{where} dataset")
    frame, notes = _within_range(frame, where)
    variables, pieces = _columns(frame, labels or {}, where)
    parts = [
        _library_headers(created),
        _member_headers(name, label, created, len(variables)),
        _filled(b"".join(v.packed(number) for number, v in enumerate(variables, start=1))),
        header("OBS"),
        _filled(_rows(pieces, frame.height)),
    ]
    try:
        path.write_bytes(b"".join(parts))
    except OSError as error:
        raise OutputError("this file cannot be written", where=str(path), found=str(error)) from None
    return notes


def _within_range(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """The table without numbers that IBM floating point cannot hold, and a note for each column with such."""
    kept: list[pl.Series] = []
    notes: list[Finding] = []
    for column in frame.get_columns():
        if column.dtype.is_float():
            size = column.abs().fill_nan(None)
            odd = ((size >= _TOO_LARGE) | ((size < _TOO_SMALL) & (size > 0))).fill_null(False)
            if odd.any():
                notes.append(_out_of_range(column.filter(odd), int(odd.arg_true()[0]) + 1, where))
                column = column.to_frame().select(pl.when(~odd).then(pl.first()))[column.name]
        kept.append(column)
    return (frame.with_columns(kept) if notes else frame), tuple(notes)


def _out_of_range(odd: pl.Series, row: int, where: str) -> Finding:
    return Finding(
        "beyond-transport",
        Severity.NOTE,
        "numbers that a transport file cannot hold; missing there, as computed in the other formats",
        where,
        row,
        odd.name,
        found=f"{odd[0]:g}",
        expected="0, or 5.4e-79 to 7.2e75",
        count=len(odd),
    )


# Headers -------------------------------------------------------------------------------------------


def _library_headers(created: datetime) -> bytes:
    stamp = _stamp(created)
    system = f"{'SAS':<8}{'SAS':<8}{'SASLIB':<8}{'9.4':<8}{'flarefre':<8}{'':24}{stamp}"
    return header("LIBRARY") + _line(system) + _line(stamp)


def _member_headers(name: str, label: str, created: datetime, n_variables: int) -> bytes:
    stamp = _stamp(created)
    described = f"{'SAS':<8}{name.upper():<8}{'SASDATA':<8}{'9.4':<8}{'flarefre':<8}{'':24}{stamp}"
    titled = f"{stamp}{'':16}".encode() + label.encode().ljust(40) + b" " * 8
    return b"".join(
        [
            header("MEMBER", f"{'0' * 17}16{'0' * 8}{NAMESTR}"),
            header("DSCRPTR"),
            _line(described),
            titled,
            header("NAMESTR", f"{'0' * 6}{n_variables:04d}{'0' * 20}"),
        ]
    )


def _stamp(when: datetime) -> str:
    return f"{when.day:02d}{_MONTHS[when.month - 1]}{when.year % 100:02d}:{when:%H:%M:%S}"


def _line(text: str) -> bytes:
    return text.encode("ascii").ljust(RECORD)


def _filled(content: bytes) -> bytes:
    return content + b" " * (-len(content) % RECORD)


# Columns -------------------------------------------------------------------------------------------


def _columns(
    frame: pl.DataFrame, labels: Mapping[str, str], where: str
) -> tuple[list[Variable], list[npt.NDArray[np.void]]]:
    seen: set[str] = set()
    variables: list[Variable] = []
    pieces: list[npt.NDArray[np.void]] = []
    offset = 0
    for column in frame.get_columns():
        place = f"{where} column {column.name}"
        _require_name(column.name, place)
        if column.name.upper() in seen:
            raise OutputError(
                "two columns have the same name", where=place, expected="a name for each column"
            )
        seen.add(column.name.upper())
        label = labels.get(column.name, "")
        _require_label(label, place)
        values, is_numeric, form, form_width = _encoded(column, place)
        width = values.dtype.itemsize
        variables.append(Variable(column.name.upper(), label, is_numeric, width, offset, form, form_width))
        pieces.append(values)
        offset += width
    return variables, pieces


def _encoded(column: pl.Series, where: str) -> tuple[npt.NDArray[np.void], bool, str, int]:
    """The column's bytes, shape (n_rows,), whether it is numeric, and its SAS format with width."""
    kind = column.dtype
    if kind == pl.Date:
        days = column.cast(pl.Int32).cast(pl.Float64) + _DAYS_1960_TO_1970
        return _numbers(days), True, "DATE", 9
    if kind == pl.Datetime:
        seconds = column.dt.epoch("us").cast(pl.Float64) / 1e6 + _DAYS_1960_TO_1970 * 86400.0
        return _numbers(seconds), True, "DATETIME", 20
    if kind == pl.Time:
        return _numbers(column.cast(pl.Int64).cast(pl.Float64) / 1e9), True, "TIME", 8
    if kind == pl.Boolean:
        return (
            _texts(column.replace_strict({True: "Y", False: "N"}, return_dtype=pl.String), where),
            False,
            "",
            0,
        )
    if kind.is_numeric():
        return _numbers(column.cast(pl.Float64)), True, "", 0
    if kind in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return _texts(column.cast(pl.String), where), False, "", 0
    raise OutputError(
        "this column's type has no place in a transport file",
        where=where,
        found=str(kind),
        expected="numbers, text, dates or times",
    )


def _texts(column: pl.Series, where: str) -> npt.NDArray[np.void]:
    width = max([1, *column.str.len_bytes().drop_nulls().unique().to_list()])
    if width > _LONGEST_TEXT:
        longest = column.filter(column.str.len_bytes() == width)[0]
        raise OutputError(
            "this text is too long for a transport file",
            where=where,
            found=f"{width} bytes: {longest[:60]}...",
            expected=f"at most {_LONGEST_TEXT} bytes",
            try_="write Parquet or Dataset-JSON",
        )
    texts = column.fill_null("")
    encoded = {text: text.encode().ljust(width) for text in texts.unique().to_list()}
    return np.frombuffer(b"".join(map(encoded.__getitem__, texts.to_list())), dtype=f"V{width}")


def _numbers(column: pl.Series) -> npt.NDArray[np.void]:
    return compute_ibm_floats(column.fill_null(np.nan).to_numpy())


def compute_ibm_floats(values: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    """IBM hexadecimal floating point, 8 bytes a number; NaN becomes the SAS missing value.

    A value is 0.f x 16**(p - 64) with a 56-bit fraction f of which at least the first hexadecimal digit
    is not 0.  A double is m x 2**e with m in [1/2, 1) of 53 bits, so p - 64 = ceil(e / 4), and the
    fraction is m shifted right by 0 to 3 bits: exact.
    """
    fraction, exponent = np.frexp(np.where(np.isnan(values), 0.0, np.abs(values)))
    power = -(-exponent // 4)
    bits = (fraction * 2.0**53).astype(np.uint64) << np.uint64(3)
    bits >>= (4 * power - exponent).astype(np.uint64)
    is_zero = (bits == 0) | (power < -64)
    words = bits | ((power + 64).astype(np.uint64) << np.uint64(56))
    words |= np.signbit(values).astype(np.uint64) << np.uint64(63)
    words[is_zero] = 0
    words[np.isnan(values)] = int.from_bytes(_MISSING, "big")
    return words.astype(">u8").view("V8")


def _rows(pieces: list[npt.NDArray[np.void]], n_rows: int) -> bytes:
    if not pieces or not n_rows:
        return b""
    table = np.empty(n_rows, dtype=[(f"c{i}", piece.dtype) for i, piece in enumerate(pieces)])
    for i, piece in enumerate(pieces):
        table[f"c{i}"] = piece
    return table.tobytes()


def _require_name(name: str, where: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,7}", name):
        raise OutputError(
            "this name has no place in a transport file",
            where=where,
            found=repr(name),
            expected="at most 8 letters, digits and underscores, no digit first",
        )


def _require_label(label: str, where: str) -> None:
    if len(label.encode()) > 40:
        raise OutputError(
            "this label is too long for a transport file",
            where=where,
            found=f"{len(label.encode())} bytes: {label}",
            expected="at most 40 bytes",
        )
