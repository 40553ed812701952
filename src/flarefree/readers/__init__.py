"""Files in: from CSV, Parquet, SAS transport, sas7bdat and Dataset-JSON to the tables of a study.

Takes a study folder (or one file, or frames in Python) and a protocol; gives a `flarefree.records.Study`
whose rows know their file and line, with every oddity as a finding.  Also writes XPT and Dataset-JSON.
Two steps: a file becomes a `RawTable` (`raw.py`, one module a format), then `study_folder.py` maps raw
tables to ours by `flarefree.records.cdisc` or by the maps of `study.yaml`.  Begin at `study_folder.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.readers.dataset_json import read_dataset_json, write_dataset_json
    from flarefree.readers.delimited import read_delimited
    from flarefree.readers.files import read_table
    from flarefree.readers.frames import from_frames
    from flarefree.readers.parquet import read_parquet
    from flarefree.readers.raw import RawTable
    from flarefree.readers.study_folder import read_study
    from flarefree.readers.xport import read_xport
    from flarefree.readers.xport_writer import write_xport

__all__ = [
    "RawTable",
    "from_frames",
    "read_dataset_json",
    "read_delimited",
    "read_parquet",
    "read_study",
    "read_table",
    "read_xport",
    "write_dataset_json",
    "write_xport",
]

_HOME = {
    "RawTable": "raw",
    "from_frames": "frames",
    "read_dataset_json": "dataset_json",
    "read_delimited": "delimited",
    "read_parquet": "parquet",
    "read_study": "study_folder",
    "read_table": "files",
    "read_xport": "xport",
    "write_dataset_json": "dataset_json",
    "write_xport": "xport_writer",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.readers.{_HOME[name]}"), name)
    raise AttributeError(f"module 'flarefree.readers' has no attribute {name!r}")
