"""`from_frames`: data that are already in Python become a `Study`, as files would."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flarefree.errors import StudyError
from flarefree.lineage import Source
from flarefree.readers.assembling import Reading, assemble
from flarefree.readers.covariates import covariate_names
from flarefree.readers.expectations import Expectations, protocol_of
from flarefree.readers.maps import ColumnMap, inside_name, known_names
from flarefree.readers.raw import RawTable
from flarefree.readers.recognizing import Recognized, recognize
from flarefree.records.tables import TABLES

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.schema import Protocol
    from flarefree.records.study import Study

__all__ = ["from_frames"]


def from_frames(
    frames: Mapping[str, Any],
    protocol: LoadedProtocol | Protocol | str | Path | None = None,
    *,
    name: str = "study",
    is_virtual: bool = False,
) -> Study:
    """Make a study of frames.

    Parameters
    ----------
    frames : mapping of str to frame
        Polars or pandas frames (or any that narwhals knows).  A frame under the name of one of our tables
        (`observations`, `subjects` ...) has our columns, in which `measure` may stand for `test`; under
        any other name it is a dataset of SDTM or ADaM (`lb`, `adsl`).
    protocol : LoadedProtocol, Protocol, str or path, optional
        As in `read_study`.
    name : str
        Of the study.
    is_virtual : bool
        The patients are simulated.

    Raises
    ------
    StudyError
        A frame is no dataset that flarefree knows, or lacks what it cannot do without.
    """
    spec, reference = protocol_of(protocol)
    expected = Expectations.of(spec)
    readings = [_reading(key, _polars(frame, key), expected) for key, frame in frames.items()]
    return assemble(readings, expected, name=name, protocol=reference, is_virtual=is_virtual)


def _polars(frame: Any, key: str) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    import narwhals

    try:
        return narwhals.from_native(frame, eager_only=True).to_polars()
    except TypeError as error:
        raise StudyError(
            "this is no frame", where=key, found=type(frame).__name__, expected=str(error)
        ) from None


def _reading(key: str, frame: pl.DataFrame, expected: Expectations) -> Reading:
    source = Source(key, "memory", frame.height, _digest(frame))
    raw = RawTable(key, frame, {}, source)
    if key in TABLES:
        return Reading(raw, Recognized(_own_map(key, frame, expected)))
    what = recognize(raw)
    if what.how is None and not what.is_for_covariates:
        raise StudyError(
            "this frame is no dataset of SDTM or ADaM that flarefree reads",
            where=key,
            found=what.why_not,
            expected=f"a name such as dm, lb, adsl, or one of ours: {', '.join(TABLES)}",
        )
    return Reading(raw, what)


def _own_map(table: str, frame: pl.DataFrame, expected: Expectations) -> ColumnMap:
    known = (*known_names(table), *(covariate_names(expected) if table == "subjects" else ()))
    columns = {inside_name(table, name): (name,) for name in known if name in frame.columns}
    if table == "observations" and "measure" in frame.columns and "test" not in frame.columns:
        columns["test"] = ("measure",)
    return ColumnMap(table, columns)


def _digest(frame: pl.DataFrame) -> str:
    """SHA-256 of the frame's names, types and rows."""
    digest = hashlib.sha256(str(frame.schema).encode())
    digest.update(frame.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()
