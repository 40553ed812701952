"""Check tables of counts where they come in, and log factorials for what is computed from them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

__all__ = ["TIE", "log_factorial", "require_count", "require_counts", "require_strata", "require_table"]

TIE = 1e-7
"""Tables whose probabilities differ by less than this, relatively, are equally probable (as in R)."""

Ints = NDArray[np.int64]


def require_counts(values: Any, where: str) -> Ints:
    """An array of whole numbers that are not negative."""
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or array.size == 0:
        raise StatsError(
            "counts must be numbers", where=where, found=repr(values)[:80], expected="whole numbers from 0 up"
        )
    numbers = array.astype(np.float64)
    bad = ~((numbers >= 0) & (numbers == np.floor(numbers)) & np.isfinite(numbers))
    if bad.any():
        raise StatsError(
            "counts must be whole numbers from 0 up",
            where=where,
            found=f"{numbers[bad].flat[0]:g}",
            expected="0, 1, 2, ...",
        )
    return numbers.astype(np.int64)


def require_count(value: Any, where: str) -> int:
    """One whole number that is not negative."""
    return int(require_counts(np.atleast_1d(value), where)[0])


def require_table(table: Any, *, where: str = "table") -> Ints:
    """A table of counts, at least 2 x 2, with somebody in it."""
    counts = require_counts(table, where)
    if counts.ndim != 2 or min(counts.shape) < 2:
        raise StatsError(
            "a table has rows and columns, two at least of each",
            where=where,
            found=f"shape {counts.shape}",
            expected="[[a, b], [c, d]] or larger",
        )
    if counts.sum() == 0:
        raise StatsError("the table is empty", where=where, found="0 observations")
    return counts


def require_strata(tables: Any, *, where: str = "tables") -> Ints:
    """Tables of counts of one shape, one a stratum: (k, rows, columns)."""
    try:
        counts = require_counts(tables, where)
    except ValueError as error:
        if isinstance(error, StatsError):
            raise
        raise StatsError("the strata's tables differ in shape", where=where) from None
    if counts.ndim == 2:
        counts = counts[None]
    if counts.ndim != 3 or min(counts.shape[1:]) < 2:
        raise StatsError(
            "tables must be one a stratum",
            where=where,
            found=f"shape {counts.shape}",
            expected="shape (strata, rows, columns), two rows and columns at least",
        )
    return counts


def log_factorial(n: int) -> NDArray[np.longdouble]:
    """log(0!), ..., log(n!) at least; extended precision where the machine has it."""
    return _log_factorial(1 << max(8, int(n).bit_length()))


@lru_cache(maxsize=8)
def _log_factorial(size: int) -> NDArray[np.longdouble]:
    terms = np.zeros(size + 1, dtype=np.longdouble)
    terms[1:] = np.log(np.arange(1, size + 1, dtype=np.longdouble))
    table = np.cumsum(terms)
    table.setflags(write=False)
    return table
