"""Parquet: types as they are stored, only the columns that are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from flarefree.errors import ReadError
from flarefree.readers.raw import RawTable, read_bytes, relative_name, source_of

__all__ = ["read_parquet"]

_MARK = b"PAR1"


def read_parquet(
    path: Path | str, *, root: Path | None = None, keep: Callable[[str], bool] | None = None
) -> RawTable:
    """Read a Parquet file.

    Parameters
    ----------
    path, root : path
        The file, and the study folder that findings name it relative to.
    keep : callable, optional
        Says of a column's name whether it is needed; the others are never read.

    Raises
    ------
    ReadError
        The file is missing, empty, cut short, or no Parquet.
    """
    path = Path(path)
    where = relative_name(path, root)
    content = read_bytes(path, root)
    _require_ends(content, where)
    source = source_of(path, root, "parquet", 0, content)
    del content  # a file of gigabytes need not be held twice
    try:
        with _without_panics_told():
            columns = list(pl.read_parquet_schema(path))
            wanted = [name for name in columns if keep is None or keep(name)]
            frame = pl.DataFrame([_column(path, name) for name in wanted or columns])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        # Polars panics, instead of raising, over some damaged footers.
        raise ReadError(
            "this is no Parquet file, or it was cut short",
            where=where,
            found=str(error).split("\n")[0],
            try_="copy it again from where it came",
        ) from None
    source = type(source)(source.path, source.kind, frame.height, source.digest)
    return RawTable(path.name.split(".")[0], _plain_types(frame), {}, source)


def _require_ends(content: bytes, where: str) -> None:
    """Refuse what is damaged at its ends, over which Polars may panic: both marks and the footer's length.

    A Parquet file is PAR1, data, footer, the footer's length (4 bytes, little-endian), PAR1.
    """
    length = int.from_bytes(content[-8:-4], "little")
    has_marks = len(content) >= 12 and content[:4] == content[-4:] == _MARK
    if has_marks and 0 < length <= len(content) - 12:
        return
    raise ReadError(
        "this is no Parquet file, or it was cut short",
        where=where,
        found="a footer of no possible length" if has_marks else "no PAR1 at its beginning and end",
        try_="copy it again from where it came",
    )


@contextmanager
def _without_panics_told() -> Iterator[None]:
    """Keep Rust's own report of a panic off the terminal: what is wrong is told by a `ReadError`.

    The report goes to file descriptor 2 itself, past `sys.stderr`; nothing else is done meanwhile.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no such descriptor: nothing can be printed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _column(path: Path, name: str) -> pl.Series:
    """One column in one piece: columns in unequal pieces would be aligned, and copied, at every step."""
    return pl.read_parquet(path, columns=[name], glob=False)[name].rechunk()


def _plain_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Dictionary-encoded text as text."""
    coded = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return frame.with_columns(pl.col(coded).cast(pl.String)) if coded else frame
