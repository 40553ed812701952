"""SAS transport files (XPT) and SAS datasets (sas7bdat), read with pyreadstat.

pyreadstat reads a transport file that was cut short without a word, so its layout is checked first.
Text is tried as UTF-8 and then as Windows-1252, in which SAS on Windows writes a curly apostrophe.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from flarefree.errors import ReadError
from flarefree.readers.raw import RawTable, blank_to_null, read_bytes, relative_name, source_of, unpack
from flarefree.readers.xport_layout import is_transport, is_version_5, read_layout
from flarefree.records.findings import Finding, Severity

__all__ = ["read_sas7bdat", "read_xport"]


def read_xport(path: Path | str, *, root: Path | None = None) -> RawTable:
    """Read a SAS transport file; numbers are Float64, formatted dates and times are such.

    Raises
    ------
    ReadError
        The file is missing, empty, no transport file, cut short, or holds several datasets.
    """
    path = Path(path)
    where = relative_name(path, root)
    packed = read_bytes(path, root)
    content = unpack(packed, where)
    if not is_transport(content):
        raise ReadError(
            "this is no SAS transport file",
            where=where,
            found=repr(content[:20]),
            expected="a file that begins with HEADER RECORD",
        )
    layout = read_layout(content, where) if is_version_5(content) else None
    frame, meta, findings = _read(content, "read_xport", where)
    labels = {name: label for name, label in meta.column_names_to_labels.items() if label}
    return RawTable(
        (layout.name if layout else meta.table_name) or path.name.split(".")[0].upper(),
        _normal_types(frame, meta),
        labels,
        source_of(path, root, "xpt", frame.height, packed),
        label=layout.label if layout else meta.file_label or "",
        findings=findings,
    )


def read_sas7bdat(path: Path | str, *, root: Path | None = None) -> RawTable:
    """Read a SAS dataset; types as in `read_xport`."""
    path = Path(path)
    where = relative_name(path, root)
    packed = read_bytes(path, root)
    frame, meta, findings = _read(unpack(packed, where), "read_sas7bdat", where)
    labels = {name: label for name, label in meta.column_names_to_labels.items() if label}
    return RawTable(
        (meta.table_name or path.name.split(".")[0]).upper(),
        _normal_types(frame, meta),
        labels,
        source_of(path, root, "sas7bdat", frame.height, packed),
        label=meta.file_label or "",
        findings=findings,
    )


def _read(content: bytes, reader: str, where: str) -> tuple[pl.DataFrame, Any, tuple[Finding, ...]]:
    import pyreadstat

    read = getattr(pyreadstat, reader)
    try:
        frame, meta = read(io.BytesIO(content), output_format="polars")
        return frame, meta, ()
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}"
        note = Finding(
            "encoding",
            Severity.NOTE,
            "not written in UTF-8; read as Windows-1252",
            where,
            found=found,
            expected="UTF-8",
        )
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OverflowError) as error:
        raise ReadError(
            "this SAS file cannot be read",
            where=where,
            found=str(error),
            try_="copy it again from where it came",
        ) from None
    try:
        frame, meta = read(io.BytesIO(content), output_format="polars", encoding="windows-1252")
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError) as error:
        raise ReadError("this SAS file cannot be read", where=where, found=str(error)) from None
    return frame, meta, (note,)


def _normal_types(frame: pl.DataFrame, meta: Any) -> pl.DataFrame:
    """The types that the file declares; pyreadstat gives none to columns without a single value."""
    kinds = {name: _declared(name, meta) for name in frame.columns}
    casts = [
        pl.col(name).cast(kind, strict=False).fill_nan(None)
        if kind == pl.Float64
        else pl.col(name).cast(kind, strict=False)
        for name, kind in kinds.items()
    ]
    return blank_to_null(frame.select(casts))


def _declared(name: str, meta: Any) -> Any:
    if meta.readstat_variable_types[name] == "string":
        return pl.String
    form = (meta.original_variable_types.get(name) or "").rstrip("0123456789.")
    if form in _DATETIMES:
        return pl.Datetime("us")
    if form in _DATES:
        return pl.Date
    return pl.Time if form in _TIMES else pl.Float64


_DATES = frozenset({
    "DATE", "DDMMYY", "DDMMYYB", "DDMMYYC", "DDMMYYD", "DDMMYYN", "DDMMYYP", "DDMMYYS", "E8601DA", "B8601DA",
    "MMDDYY", "MMDDYYB", "MMDDYYC", "MMDDYYD", "MMDDYYN", "MMDDYYP", "MMDDYYS", "WEEKDATE", "WORDDATE",
    "YYMMDD", "YYMMDDB", "YYMMDDC", "YYMMDDD", "YYMMDDN", "YYMMDDP", "YYMMDDS",
})  # fmt: skip
_DATETIMES = frozenset({"DATETIME", "E8601DT", "B8601DT", "MDYAMPM", "DATEAMPM"})
_TIMES = frozenset({"TIME", "HHMM", "TOD", "E8601TM", "B8601TM"})
