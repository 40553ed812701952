"""Kleene's logic and tolerant comparison, element by element, as fused kernels.

Verdicts are FALSE, TRUE or UNKNOWN; on which day each rests is found afterwards, and only where it is
asked (`flarefree.endpoints.dating`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from flarefree.endpoints.kernels import FALSE, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import ComparisonOperator

__all__ = ["TOLERANCE", "compare", "compare_count", "compare_numbers", "join_all", "join_any", "negate"]

Ints8 = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-9
"""Relative.  Values that differ by less are equal: 141.44 umol/L comes back from its unit as a number that
is 1.6 mg/dL but for its last bit, and is exactly twofold 0.8 mg/dL."""

_CODES = {
    ComparisonOperator.GE: 0,
    ComparisonOperator.GT: 1,
    ComparisonOperator.LE: 2,
    ComparisonOperator.LT: 3,
    ComparisonOperator.EQ: 4,
    ComparisonOperator.NE: 5,
}


@njit(cache=True, nogil=True, inline="always")
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


def compare_numbers(operator: ComparisonOperator, a: float, b: float) -> bool:
    """Compare two numbers as a sentence does."""
    return bool(_holds(_CODES[operator], a, b))


def compare(operator: ComparisonOperator, left: Floats, right: Floats, n: int) -> Ints8:
    """Compare two values at each of `n` assessments; each has shape (n,) or (1,)."""
    verdicts = np.empty(n, np.int8)
    _compare(_CODES[operator], left, right, verdicts)
    return verdicts


@njit(cache=True, nogil=True)
def _compare(code: int, left: Floats, right: Floats, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j] if left.size > 1 else left[0]
        b = right[j] if right.size > 1 else right[0]
        if np.isnan(a) or np.isnan(b):
            verdicts[j] = UNKNOWN
        else:
            verdicts[j] = TRUE if _holds(code, a, b) else FALSE


def compare_count(operator: ComparisonOperator, verdicts: Ints8, bound: Floats) -> Ints8:
    """Compare how many of some conditions are true with a number.

    With unknown ones the count lies in a range, and the answer is known where all of it agrees.

    Parameters
    ----------
    operator : ComparisonOperator
    verdicts : (n_conditions, n_assessments)
    bound : (n_assessments,) or (1,)
    """
    answers = np.empty(verdicts.shape[1], np.int8)
    _compare_count(_CODES[operator], verdicts, bound, answers)
    return answers


@njit(cache=True, nogil=True)
def _compare_count(code: int, verdicts: Ints8, bound: Floats, answers: Ints8) -> None:
    m, n = verdicts.shape
    for j in range(n):
        b = bound[j] if bound.size > 1 else bound[0]
        n_true = 0
        n_unknown = 0
        for i in range(m):
            n_true += 1 if verdicts[i, j] == TRUE else 0
            n_unknown += 1 if verdicts[i, j] == UNKNOWN else 0
        agree = 0
        for count in range(n_true, n_true + n_unknown + 1):
            agree += 1 if _holds(code, float(count), b) else 0
        if np.isnan(b) or (agree != 0 and agree != n_unknown + 1):
            answers[j] = UNKNOWN
        else:
            answers[j] = TRUE if agree else FALSE


@njit(cache=True, nogil=True)
def join_all(verdicts: Ints8, other: Ints8) -> None:
    """`and`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        if other[j] == FALSE or verdicts[j] == FALSE:
            verdicts[j] = FALSE
        elif other[j] == UNKNOWN:
            verdicts[j] = UNKNOWN


@njit(cache=True, nogil=True)
def join_any(verdicts: Ints8, other: Ints8) -> None:
    """`or`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        if other[j] == TRUE or verdicts[j] == TRUE:
            verdicts[j] = TRUE
        elif other[j] == UNKNOWN:
            verdicts[j] = UNKNOWN


def negate(verdicts: Ints8) -> Ints8:
    """`not`: unknown stays unknown."""
    return np.array([1, 0, 2], dtype=np.int8)[verdicts]
