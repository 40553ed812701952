"""Kleene's logic and tolerant comparison, element by element, as fused kernels.

A condition is known as two arrays: verdicts (FALSE, TRUE, UNKNOWN) and the day each rests on.  The
day of a conjunction that is true is the latest of its parts' days, of a disjunction the earliest of
its true parts'; for what is false it is the other way round; an unknown has none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from flarefree.endpoints.kernels import FALSE, NO_DAY, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import ComparisonOperator

__all__ = ["TOLERANCE", "compare", "compare_range", "join_all", "join_any", "negate"]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-9
"""Relative.  Values that differ by less are equal: 2 x 0.7 mg/mg is exactly twofold though 79.17 mg/mmol
came back from its unit as 0.6999999999999999."""

_CODES = {
    ComparisonOperator.GE: 0,
    ComparisonOperator.GT: 1,
    ComparisonOperator.LE: 2,
    ComparisonOperator.LT: 3,
    ComparisonOperator.EQ: 4,
    ComparisonOperator.NE: 5,
}


@njit(cache=True, inline="always")
def _holds(code: int, a: float, b: float) -> bool:
    near = abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    if code == 0:
        return near or a > b
    if code == 1:
        return not near and a > b
    if code == 2:
        return near or a < b
    if code == 3:
        return not near and a < b
    if code == 4:
        return near or a == b
    return not (near or a == b)


def compare(
    operator: ComparisonOperator, left: Floats, right: Floats, left_days: Ints32, right_days: Ints32, n: int
) -> tuple[Ints8, Ints32]:
    """Compare two values at each of `n` assessments; every array has shape (n,) or (1,)."""
    return _compare(_CODES[operator], left, right, left_days, right_days, n)


@njit(cache=True)
def _compare(
    code: int, left: Floats, right: Floats, left_days: Ints32, right_days: Ints32, n: int
) -> tuple[Ints8, Ints32]:
    verdicts = np.empty(n, np.int8)
    days = np.empty(n, np.int32)
    for j in range(n):
        a = left[j] if left.size > 1 else left[0]
        b = right[j] if right.size > 1 else right[0]
        if np.isnan(a) or np.isnan(b):
            verdicts[j] = UNKNOWN
            days[j] = NO_DAY
            continue
        verdicts[j] = TRUE if _holds(code, a, b) else FALSE
        a_day = left_days[j] if left_days.size > 1 else left_days[0]
        b_day = right_days[j] if right_days.size > 1 else right_days[0]
        days[j] = max(a_day, b_day)
    return verdicts, days


def compare_range(operator: ComparisonOperator, low: Floats, high: Floats, right: Floats, n: int) -> Ints8:
    """Compare what lies somewhere in `low` to `high`: known only where every number there agrees."""
    return _compare_range(_CODES[operator], low, high, right, n)


@njit(cache=True)
def _compare_range(code: int, low: Floats, high: Floats, right: Floats, n: int) -> Ints8:
    verdicts = np.empty(n, np.int8)
    for j in range(n):
        b = right[j] if right.size > 1 else right[0]
        if np.isnan(b):
            verdicts[j] = UNKNOWN
            continue
        n_true = 0
        n_all = 0
        whole = low[j]
        while whole <= high[j]:
            n_true += 1 if _holds(code, whole, b) else 0
            n_all += 1
            whole += 1.0
        verdicts[j] = TRUE if n_true == n_all else (FALSE if n_true == 0 else UNKNOWN)
    return verdicts


@njit(cache=True)
def join_all(verdicts: Ints8, days: Ints32, other: Ints8, other_days: Ints32) -> None:
    """`and`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        if other[j] == FALSE:
            days[j] = min(days[j], other_days[j]) if verdicts[j] == FALSE else other_days[j]
            verdicts[j] = FALSE
        elif verdicts[j] == FALSE:
            continue
        elif other[j] == UNKNOWN or verdicts[j] == UNKNOWN:
            verdicts[j] = UNKNOWN
            days[j] = NO_DAY
        else:
            days[j] = max(days[j], other_days[j])


@njit(cache=True)
def join_any(verdicts: Ints8, days: Ints32, other: Ints8, other_days: Ints32) -> None:
    """`or`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        if other[j] == TRUE:
            days[j] = min(days[j], other_days[j]) if verdicts[j] == TRUE else other_days[j]
            verdicts[j] = TRUE
        elif verdicts[j] == TRUE:
            continue
        elif other[j] == UNKNOWN or verdicts[j] == UNKNOWN:
            verdicts[j] = UNKNOWN
            days[j] = NO_DAY
        else:
            days[j] = max(days[j], other_days[j])


def negate(verdicts: Ints8) -> Ints8:
    """`not`: unknown stays unknown."""
    return np.array([1, 0, 2], dtype=np.int8)[verdicts]
