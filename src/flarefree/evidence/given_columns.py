"""Columns of whatever the caller has: frames, mappings, rows, CSV files; as numbers, or as names.

Decides what is the same name and what is a number; what a trial can have is for `inputs.py`.  Begin reading
at `columns_of`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.delimited import read_typed

__all__ = ["columns_of", "name_text", "numbers_of", "texts_of"]

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

NAMES = ("study", "treatment", "treatment_1", "treatment_2")
# Soft hyphen, zero-width space, word joiner, byte order mark.
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")


def columns_of(data: Any, where: str) -> dict[str, Any]:
    """Columns by name: arrays or lists, in the input's order."""
    if isinstance(data, str | Path):
        data = read_typed(Path(data), texts=NAMES)
    if isinstance(data, Mapping):
        return {str(name): _plain_column(values, name, where) for name, values in data.items()}
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        return {str(name): [row.get(name) for row in data] for name in names}
    if isinstance(data, Sequence) and any(isinstance(row, Mapping) for row in data):
        i = next(i for i, row in enumerate(data) if not isinstance(row, Mapping))
        raise EvidenceError(
            "a row is no mapping of columns to cells",
            where=f"{where}: row {i + 1}",
            found=repr(data[i])[:80],
            expected='{"study": ..., "treatment": ..., "n": ..., "events": ...}',
        )
    return _columns_of_frame(data, where)


def _columns_of_frame(frame: Any, where: str) -> dict[str, Any]:
    if type(frame).__module__.startswith("polars") and hasattr(frame, "get_columns"):
        return {column.name: _polars_column(column) for column in frame.get_columns()}
    import narwhals as nw

    try:
        known = nw.from_native(frame)
    except TypeError:
        raise EvidenceError(
            "these data cannot be read",
            where=where,
            found=type(frame).__name__,
            expected="a frame, a list of mappings, a mapping of columns, or the path of a CSV file",
        ) from None
    eager = known.collect() if isinstance(known, nw.LazyFrame) else known
    return {str(column.name): _plain_column(column, column.name, where) for column in eager.iter_columns()}


def _polars_column(column: Any) -> Any:
    """Straight from Polars: a small frame is read in half the time that the detour takes."""
    if column.dtype.is_numeric() and not column.dtype.is_decimal() and not column.null_count():
        return column.to_numpy()
    return column.to_list()


def _plain_column(values: Any, name: object, where: str) -> Any:
    """A column as a NumPy array of numbers, or a list."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise EvidenceError(f"column {name} is not one-dimensional", where=where, found=str(values.shape))
        return values if values.dtype.kind in "fiu" else values.tolist()
    if isinstance(values, list | tuple):
        return list(values)
    if hasattr(values, "to_list"):
        return values.to_list()
    if hasattr(values, "tolist"):
        return values.tolist()
    raise EvidenceError(
        f"column {name} is no column", where=where, found=type(values).__name__, expected="a list or an array"
    )


def texts_of(values: Any, name: str, where: str) -> Texts:
    texts = values if _all_clean(values) else [name_text(value) for value in values]
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    if "" in texts:
        raise EvidenceError(
            f"no {name} in row {texts.index('') + 1}", where=where, found="nothing", expected=f"a {name}"
        )
    return out


def _all_clean(values: Any) -> bool:
    if not isinstance(values, list) or set(map(type, values)) != {str}:
        return False
    return all(map(_is_clean, set(values)))


def _is_clean(text: str) -> bool:
    return text.isascii() and text.isprintable() and text[:1] > " " < text[-1] and "  " not in text


def name_text(value: Any) -> str:
    """A study's or a treatment's name as text, so that what looks alike is alike.

    `12` for 12.0, which is what a frame makes of whole numbers beside a gap; any white space is one blank;
    accents are composed; characters without width are gone.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", str(value))).replace("\0", "")
    return " ".join(text.split())


def numbers_of(values: Any, name: str, study: Texts, where: str) -> Floats:
    """A column as floats, NaN where nothing is given."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    if bool in set(map(type, values)):  # which NumPy would count as 0 and 1
        return _numbers_one_by_one(values, name, study, where)
    try:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        return _numbers_one_by_one(values, name, study, where)


def _numbers_one_by_one(values: Sequence[Any], name: str, study: Texts, where: str) -> Floats:
    out = np.full(len(values), math.nan)
    for i, value in enumerate(values):
        text = "" if value is None else str(value).strip()
        if text in ("", "NA", "<NA>", "nan"):  # pandas' NA prints itself so
            continue
        try:
            if isinstance(value, bool):
                raise TypeError
            out[i] = float(value)
        except (TypeError, ValueError, OverflowError):
            raise EvidenceError(
                "this is no number",
                where=f"{where}: study {study[i]} (row {i + 1}), column {name}",
                found=repr(value)[:80],
                expected="a number",
                try_=_as_number(text),
            ) from None
    return out


def _as_number(text: str) -> str:
    """How the number would be written that somebody may have meant."""
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+", text):
        return text.replace(",", "")
    if re.fullmatch(r"-?\d+,\d+", text):
        return text.replace(",", ".")
    return "the number of patients, not their share" if text.endswith("%") else ""
