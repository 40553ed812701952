"""Dataset-JSON 1.1 in and out: `.json`, `.ndjson`, and `.dsjc` (NDJSON compressed with zlib).

Facts: CDISC Dataset-JSON Specification 1.1 (5 December 2024) and Compressed Dataset-JSON 1.1
(19 June 2025).  The standard asks for a zlib stream in `.dsjc`; CDISC's own example files are gzip,
so both are read and zlib is written.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flarefree.errors import OutputError, ReadError
from flarefree.readers.raw import RawTable, blank_to_null, read_bytes, relative_name, source_of
from flarefree.records.findings import Finding, Severity, list_findings

__all__ = ["is_dataset_json", "read_dataset_json", "write_dataset_json"]

_REQUIRED = (
    "datasetJSONCreationDateTime",
    "datasetJSONVersion",
    "itemGroupOID",
    "records",
    "name",
    "label",
    "columns",
)
_COLUMN_REQUIRED = ("itemOID", "name", "label", "dataType")
_TYPES = ("string", "integer", "decimal", "float", "double", "boolean", "datetime", "date", "time", "URI")
_NUMBERS = ("integer", "decimal", "float", "double")
_TIMES = {"date": pl.Date, "datetime": pl.Datetime("us"), "time": pl.Time}


# In ------------------------------------------------------------------------------------------------


def is_dataset_json(head: bytes) -> bool:
    """Whether a JSON file's first bytes speak of Dataset-JSON."""
    return b'"datasetJSON' in head


def read_dataset_json(path: Path | str, *, root: Path | None = None) -> RawTable:
    """Read a Dataset-JSON 1.1 file in any of its three forms.

    Numbers are Float64, as in XPT.  A date, datetime or time is one only where its
    `targetDataType` is `integer` (a SAS date in ADaM); else it is text as SDTM writes it, perhaps partial.

    Raises
    ------
    ReadError
        Not Dataset-JSON 1.1, a required attribute is missing, `records` is not the number of rows, a
        row has another number of values than there are columns.
    """
    path = Path(path)
    where = relative_name(path, root)
    packed = read_bytes(path, root)
    text = _inflated(packed, where)
    meta, rows = _lined(text, where) if _is_lined(path) else _whole(text, where)
    _require_attributes(meta, where)
    _require_rows(meta, rows, where)
    frame, findings = _frame(meta["columns"], rows, where)
    return RawTable(
        meta["name"],
        blank_to_null(frame),
        {column["name"]: column["label"] for column in meta["columns"]},
        source_of(path, root, "dataset-json", len(rows), packed),
        label=meta["label"],
        findings=findings,
    )


def _is_lined(path: Path) -> bool:
    return any(ending in path.name.lower() for ending in (".ndjson", ".dsjc"))


def _inflated(content: bytes, where: str) -> bytes:
    if content[:2] != b"\x1f\x8b" and content[:1] != b"\x78":
        return content
    unpacker = zlib.decompressobj(wbits=47)  # 32 + 15: zlib and gzip alike
    try:
        text = unpacker.decompress(content) + unpacker.flush()
    except zlib.error as error:
        raise ReadError("this compressed file is damaged", where=where, found=str(error)) from None
    if not unpacker.eof:
        raise ReadError(
            "this compressed file was cut short", where=where, try_="copy it again from where it came"
        )
    return text


def _whole(text: bytes, where: str) -> tuple[dict[str, Any], list[Any]]:
    content = _json(text, where)
    if not isinstance(content, dict):
        raise _not_dataset_json(where)
    rows = content.pop("rows", None)
    return content, [] if rows is None else rows


def _lined(text: bytes, where: str) -> tuple[dict[str, Any], list[Any]]:
    lines = [line for line in text.split(b"\n") if line.strip()]
    if not lines:
        raise ReadError("this file is empty", where=where)
    meta = _json(lines[0], f"{where} line 1")
    if not isinstance(meta, dict):
        raise _not_dataset_json(where)
    try:
        return meta, json.loads(b"[" + b",".join(lines[1:]) + b"]")
    except ValueError:
        for number, line in enumerate(lines[1:], start=2):
            _json(line, f"{where} line {number}")
        raise


def _json(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise ReadError("this is no text file", where=where, found=str(error)) from None
    except ValueError as error:
        raise ReadError("this is not JSON, or it was cut short", where=where, found=str(error)) from None


def _not_dataset_json(where: str) -> ReadError:
    return ReadError(
        "this JSON file is no Dataset-JSON",
        where=where,
        expected="an object with datasetJSONVersion, columns and rows (Dataset-JSON 1.1)",
    )


def _require_attributes(meta: dict[str, Any], where: str) -> None:
    if "datasetJSONVersion" not in meta:
        raise _not_dataset_json(where)
    version = str(meta["datasetJSONVersion"])
    if not version.startswith("1.1"):
        raise ReadError("another version of Dataset-JSON", where=where, found=version, expected="1.1")
    missing = [name for name in _REQUIRED if name not in meta]
    if missing:
        raise ReadError(
            "a required attribute is missing",
            where=where,
            found=f"no {', '.join(missing)}",
            expected=", ".join(_REQUIRED),
        )
    if not isinstance(meta["columns"], list) or not meta["columns"]:
        raise ReadError("`columns` lists no columns", where=where, expected="one object a column")
    for place, column in enumerate(meta["columns"], start=1):
        _require_column(column, f"{where} columns[{place}]")


def _require_column(column: Any, where: str) -> None:
    missing = [name for name in _COLUMN_REQUIRED if name not in column]
    if missing:
        raise ReadError(
            "a required attribute of a column is missing",
            where=where,
            found=f"no {', '.join(missing)}",
            expected=", ".join(_COLUMN_REQUIRED),
        )
    if column["dataType"] not in _TYPES:
        raise ReadError(
            "no such data type", where=where, found=str(column["dataType"]), expected=", ".join(_TYPES)
        )


def _require_rows(meta: dict[str, Any], rows: list[Any], where: str) -> None:
    if meta["records"] != len(rows):
        raise ReadError(
            "`records` is not the number of rows",
            where=where,
            found=f"{len(rows):,} rows",
            expected=f"{meta['records']:,}" if isinstance(meta["records"], int) else str(meta["records"]),
            try_="copy the file again: it may have been cut short",
        )
    n_columns = len(meta["columns"])
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != n_columns:
            size = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
            raise ReadError(
                "a row has another number of values than there are columns",
                where=f"{where} row {number}",
                found=size,
                expected=f"{n_columns} values",
            )


def _frame(
    columns: Sequence[Mapping[str, Any]], rows: list[list[Any]], where: str
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    values = list(zip(*rows)) if rows else [() for _ in columns]
    series: list[pl.Series] = []
    findings: list[Finding] = []
    for column, written in zip(columns, values):
        made, odd = _series(column, written, where)
        series.append(made)
        findings.extend(odd)
    return pl.DataFrame(series), tuple(findings)


def _series(
    column: Mapping[str, Any], written: Sequence[Any], where: str
) -> tuple[pl.Series, tuple[Finding, ...]]:
    name, kind = column["name"], column["dataType"]
    if kind in _NUMBERS:
        try:
            return pl.Series(name, written, dtype=pl.Float64, strict=True), ()
        except (TypeError, pl.exceptions.PolarsError):
            text = _as_text(name, written)
            return _converted(text, text.cast(pl.Float64, strict=False), kind, where)
    if kind == "boolean":
        text = _as_text(name, written).str.to_lowercase()
        known = {"true": True, "false": False, "1": True, "0": False}
        return _converted(
            text, text.replace_strict(known, default=None, return_dtype=pl.Boolean), kind, where
        )
    text = _as_text(name, written)
    if kind in _TIMES and column.get("targetDataType") == "integer":
        return _converted(text, _timely(text, kind), kind, where)
    return text, ()


def _as_text(name: str, written: Sequence[Any]) -> pl.Series:
    texts = [None if v is None or v == "" else v if isinstance(v, str) else json.dumps(v) for v in written]
    return pl.Series(name, texts, dtype=pl.String)


def _timely(text: pl.Series, kind: str) -> pl.Series:
    if kind == "date":
        return text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if kind == "time":
        return text.str.to_time("%H:%M:%S%.f", strict=False)
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)


def _converted(
    text: pl.Series, made: pl.Series, kind: str, where: str
) -> tuple[pl.Series, tuple[Finding, ...]]:
    """The converted series; a finding for every text that is not of its declared type."""
    odd = text.is_not_null() & made.is_null()
    if not odd.any():
        return made, ()
    rows = pl.DataFrame(
        {"row": pl.int_range(1, len(text) + 1, dtype=pl.UInt32, eager=True), "found": text}
    ).filter(odd)
    rows = rows.with_columns(source=pl.lit(0, pl.UInt16))
    found = list_findings(
        rows,
        "wrong-type",
        Severity.ERROR,
        "this value is not of its column's declared type; not used",
        files=[where],
        column=text.name,
        expected=kind,
    )
    return made, found


# Out -----------------------------------------------------------------------------------------------


def write_dataset_json(
    frame: pl.DataFrame,
    path: Path | str,
    *,
    name: str,
    label: str = "",
    labels: Mapping[str, str] | None = None,
    created: datetime | str = "1970-01-01T00:00:00",
    keys: Sequence[str] = (),
    study: str = "",
    originator: str = "",
    system: Mapping[str, str] | None = None,
) -> None:
    """Write a table as Dataset-JSON 1.1; the path's suffix (.json, .ndjson, .dsjc) says in which form.

    Parameters
    ----------
    frame : DataFrame
        Dates and datetimes are written with `targetDataType` integer, as ADaM's numeric dates are.
    path : path
        Ends in `.json`, `.ndjson` or `.dsjc`.
    name, label : str
        Of the dataset.
    labels : mapping of str to str, optional
        Label of each column; its name where there is none.
    created : datetime or str
        What to state as the time of creation: passed in, so that the same table gives the same bytes.
    keys : sequence of str, optional
        The columns that identify a row, in order.
    study, originator, system : optional
        `studyOID`, `originator`, and `sourceSystem` (its `name` and `version`).

    Raises
    ------
    OutputError
        The suffix is none of the three, a value has no place in JSON (NaN, infinity), or the file cannot
        be written.
    """
    path = Path(path)
    if path.suffix not in (".json", ".ndjson", ".dsjc"):
        raise OutputError(
            "this suffix names no form of Dataset-JSON", where=str(path), expected=".json, .ndjson or .dsjc"
        )
    meta = {
        "datasetJSONCreationDateTime": created if isinstance(created, str) else created.isoformat(),
        "datasetJSONVersion": "1.1.0",
        **({"originator": originator} if originator else {}),
        **({"sourceSystem": dict(system)} if system else {}),
        **({"studyOID": study} if study else {}),
        "itemGroupOID": f"IG.{name}",
        "records": frame.height,
        "name": name,
        "label": label or name,
        "columns": [_column(frame, column, name, labels or {}, keys) for column in frame.columns],
    }
    try:
        path.write_bytes(_packed(path.suffix, meta, _json_rows(frame)))
    except OSError as error:
        raise OutputError("this file cannot be written", where=str(path), found=str(error)) from None
    except ValueError as error:
        raise OutputError("a value has no place in JSON", where=str(path), found=str(error)) from None


def _column(
    frame: pl.DataFrame, column: str, name: str, labels: Mapping[str, str], keys: Sequence[str]
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "itemOID": f"IT.{name}.{column}",
        "name": column,
        "label": labels.get(column, column),
    }
    kind = frame.schema[column]
    if kind.is_integer():
        made["dataType"] = "integer"
    elif kind.is_float():
        made["dataType"] = "float"
    elif kind == pl.Boolean:
        made["dataType"] = "boolean"
    elif kind == pl.Date:
        made |= {"dataType": "date", "targetDataType": "integer", "displayFormat": "E8601DA."}
    elif kind == pl.Datetime:
        made |= {"dataType": "datetime", "targetDataType": "integer", "displayFormat": "E8601DT."}
    elif kind == pl.Time:
        made |= {"dataType": "time", "targetDataType": "integer", "displayFormat": "E8601TM."}
    else:
        lengths = frame[column].cast(pl.String).str.len_chars()
        made |= {"dataType": "string", "length": max([1, *lengths.drop_nulls().to_list()])}
    if column in keys:
        made["keySequence"] = list(keys).index(column) + 1
    return made


def _json_rows(frame: pl.DataFrame) -> list[list[Any]]:
    columns = [_json_values(column) for column in frame.iter_columns()]
    return [list(row) for row in zip(*columns, strict=True)]


def _json_values(column: pl.Series) -> list[Any]:
    """A column's values as JSON has them: dates in ISO 8601, whole numbers without decimals."""
    values = column.to_list()
    if column.dtype == pl.String:
        return ["" if value is None else value for value in values]
    if column.dtype.is_float():
        return [int(v) if v is not None and v.is_integer() and abs(v) < 2**53 else v for v in values]
    if column.dtype.is_temporal():
        return [None if value is None else value.isoformat() for value in values]
    return values


def _packed(suffix: str, meta: dict[str, Any], rows: list[list[Any]]) -> bytes:
    written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    if suffix == ".json":
        head = written(meta)[:-1]
        body = ",\n".join(map(written, rows))
        return f'{head},"rows":[\n{body}\n]}}\n'.encode()
    lines = "\n".join([written(meta), *map(written, rows)]) + "\n"
    return lines.encode() if suffix == ".ndjson" else zlib.compress(lines.encode(), 9)
