"""Check samples of numbers where they come in: finite, missing values left out and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.formula.columns import as_column

__all__ = ["group_labels", "grouped", "missing_note", "paired", "sample"]

Floats = NDArray[np.float64]


def _numbers(values: Any, where: str) -> Floats:
    numbers = as_column(values, where).numbers()
    if numbers is None:
        raise StatsError("numbers are needed", where=where, found="texts")
    if np.isinf(numbers).any():
        raise StatsError("values must be finite", where=where, found="infinity")
    return numbers


def sample(values: Any, where: str, *, at_least: int = 1) -> tuple[Floats, int]:
    """The values that are not missing, and how many are."""
    numbers = _numbers(values, where)
    kept = numbers[~np.isnan(numbers)]
    if kept.size < at_least:
        raise StatsError(
            "too few values",
            where=where,
            found=f"{kept.size} that are not missing",
            expected=f"{at_least} or more",
        )
    return kept, numbers.size - kept.size


def paired(x: Any, y: Any, *, at_least: int = 1) -> tuple[Floats, Floats, int]:
    """Pairs of which both values are known, and how many are not."""
    first, second = _numbers(x, "x"), _numbers(y, "y")
    if first.size != second.size:
        raise StatsError(
            "pairs differ in length", where="x, y", found=f"{first.size} and {second.size} values"
        )
    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < at_least:
        raise StatsError(
            "too few pairs", where="x, y", found=str(int(known.sum())), expected=f"{at_least} or more"
        )
    return first[known], second[known], int((~known).sum())


def grouped(values: Any, group: Any) -> tuple[Floats, NDArray[np.int64], tuple[str, ...], int]:
    """Values, codes and labels of their groups, without rows in which one is missing."""
    numbers, labels = _numbers(values, "values"), as_column(group, "group").categories()
    if numbers.size != len(labels):
        raise StatsError(
            "values and groups differ in length", where="group", found=f"{numbers.size} and {len(labels)}"
        )
    known = ~np.isnan(numbers) & (labels.place >= 0)
    kept = labels.take(np.flatnonzero(known)).used()
    if len(kept.levels) < 2:
        raise StatsError(
            "a comparison needs two groups",
            where="group",
            found=", ".join(kept.levels) or "none",
            expected="two or more",
        )
    return numbers[known], kept.place, kept.levels, int((~known).sum())


def group_labels(labels: tuple[str, ...], sizes: NDArray[np.int64]) -> str:
    """Groups with their sizes, for a message."""
    return ", ".join(f"{label} {size}" for label, size in zip(labels, sizes.tolist(), strict=True))


def missing_note(count: int) -> tuple[str, ...]:
    """A warning that so many values were missing, if any were."""
    return (f"{count} missing left out",) if count else ()
