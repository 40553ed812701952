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

__all__ = ["TOLERANCE", "compare", "compare_count", "join_all", "join_any", "negate"]

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


def compare_count(
    operator: ComparisonOperator, verdicts: Ints8, days: Ints32, bound: Floats, bound_days: Ints32
) -> tuple[Ints8, Ints32]:
    """Compare how many of some conditions are true with a number.

    With unknown ones the count lies in a range, and the answer is known where all of it agrees.  Where
    `count >= k` is true it rests on the earliest day by which k were true; else on the latest of all.

    Parameters
    ----------
    operator : ComparisonOperator
    verdicts, days : (n_conditions, n_assessments)
    bound, bound_days : (n_assessments,) or (1,)
    """
    return _compare_count(_CODES[operator], verdicts, days, bound, bound_days)


@njit(cache=True)
def _compare_count(
    code: int, verdicts: Ints8, days: Ints32, bound: Floats, bound_days: Ints32
) -> tuple[Ints8, Ints32]:
    m, n = verdicts.shape
    answers = np.empty(n, np.int8)
    resting = np.empty(n, np.int32)
    true_days = np.empty(m, np.int32)
    for j in range(n):
        b = bound[j] if bound.size > 1 else bound[0]
        b_day = bound_days[j] if bound_days.size > 1 else bound_days[0]
        answers[j] = UNKNOWN
        resting[j] = NO_DAY
        n_true = 0
        n_unknown = 0
        latest = NO_DAY
        for i in range(m):
            if verdicts[i, j] == UNKNOWN:
                n_unknown += 1
                continue
            latest = max(latest, days[i, j])
            if verdicts[i, j] == TRUE:
                true_days[n_true] = days[i, j]
                n_true += 1
        agree = 0
        for count in range(n_true, n_true + n_unknown + 1):
            agree += 1 if _holds(code, float(count), b) else 0
        if np.isnan(b) or (agree != 0 and agree != n_unknown + 1):
            continue
        answers[j] = TRUE if agree else FALSE
        resting[j] = max(latest, b_day)
        if agree and code <= 1:
            needed = 0
            while not _holds(code, float(needed), b):
                needed += 1
            reached = NO_DAY
            if needed:
                reached = np.sort(true_days[:n_true])[needed - 1]
            resting[j] = max(reached, b_day)
    return answers, resting


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
