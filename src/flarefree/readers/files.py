"""Which files of a folder may hold data, and which reader reads each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flarefree.errors import ReadError
from flarefree.readers.raw import RawTable, relative_name

__all__ = ["SUFFIXES", "data_files", "read_table", "suffix_of"]

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xpt", ".sas7bdat", ".json", ".ndjson", ".dsjc")
"""What data files may end in; `.gz` may follow any of them."""

_PACKED = ".gz"


def suffix_of(path: Path) -> str:
    """The suffix that tells the format (`.csv` for `lb.csv.gz`), lower case."""
    name = path.name.lower()
    return Path(name.removesuffix(_PACKED)).suffix


def data_files(folder: Path) -> tuple[Path, ...]:
    """Every file below a folder that may hold data, in the order of their paths.

    Hidden files and folders are passed over, and so are folders that flarefree wrote a report into
    (they hold a `manifest.json`).
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_refuse):
        here = Path(place)
        folders[:] = sorted(
            f for f in folders if not f.startswith((".", "__")) and not (here / f / "manifest.json").exists()
        )
        found.extend(
            here / name for name in names if not name.startswith(".") and suffix_of(Path(name)) in SUFFIXES
        )
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).as_posix()))


def _refuse(error: OSError) -> None:
    raise ReadError(
        "this folder may not be read",
        where=str(error.filename),
        found=str(error.strerror),
        try_="chmod u+rx on the folder, or ask its owner",
    )


def read_table(
    path: Path | str,
    *,
    root: Path | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    keep: Callable[[str], bool] | None = None,
) -> RawTable:
    """Read one file of any known format, which its suffix tells.

    Parameters
    ----------
    path, root : path
        The file, and the study folder that findings name it relative to.
    delimiter, encoding : str, optional
        Of delimited text; found out if not given.
    keep : callable, optional
        Says which columns of a Parquet file are needed.

    Raises
    ------
    ReadError
        There is no such format, or the file is not what its suffix says.
    """
    path = Path(path)
    match suffix_of(path):
        case ".csv" | ".tsv" | ".txt":
            from flarefree.readers.delimited import read_delimited

            return read_delimited(path, root=root, delimiter=delimiter, encoding=encoding)
        case ".parquet":
            from flarefree.readers.parquet import read_parquet

            return read_parquet(path, root=root, keep=keep)
        case ".xpt":
            from flarefree.readers.xport import read_xport

            return read_xport(path, root=root)
        case ".sas7bdat":
            from flarefree.readers.xport import read_sas7bdat

            return read_sas7bdat(path, root=root)
        case ".json" | ".ndjson" | ".dsjc":
            from flarefree.readers.dataset_json import read_dataset_json

            return read_dataset_json(path, root=root)
    raise ReadError(
        "this is no data file that flarefree reads",
        where=relative_name(path, root),
        found=path.suffix or "no suffix",
        expected=", ".join(SUFFIXES),
    )
