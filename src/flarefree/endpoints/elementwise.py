"""Kleene's logic and tolerant comparison, element by element, as fused kernels.

Verdicts are FALSE, TRUE or UNKNOWN; on which day each rests is found afterwards, and only where it is
asked (`flarefree.endpoints.dating`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from flarefree.endpoints.kernels import FALSE, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import ComparisonOperator

__all__ = [
    "TOLERANCE",
    "as_verdicts",
    "compare",
    "compare_by_patient",
    "compare_count",
    "compare_numbers",
    "join_all",
    "join_any",
    "negate",
]

Ints8 = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Ints64 = npt.NDArray[np.int64]

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
    """Branches only around the loops, so that a processor takes several assessments at once."""
    if left.size == 1 and verdicts.size > 1:
        if right.size == 1:
            _compare_each(code, left, right, verdicts, 0, 0)
        else:
            _compare_with(_MIRRORED_CODES[code], right, left[0], verdicts)
    elif right.size == 1:
        _compare_with(code, left, right[0], verdicts)
    else:
        _compare_each(code, left, right, verdicts, 1, 1)


_MIRRORED_CODES = (2, 3, 0, 1, 4, 5)


@njit(cache=True, nogil=True, inline="always")
def _verdict(is_so: bool, a: float, b: float) -> Any:
    return np.int8(is_so) if (a == a) & (b == b) else UNKNOWN


@njit(cache=True, nogil=True, inline="always")
def _near(a: float, b: float) -> bool:
    return (abs(a - b) <= 1e-9 * max(abs(a), abs(b))) | (a == b)


@njit(cache=True, nogil=True, inline="always")
def _at_least(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict(_near(a, b) | (a > b), a, b)


@njit(cache=True, nogil=True, inline="always")
def _more(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict((not _near(a, b)) & (a > b), a, b)


@njit(cache=True, nogil=True, inline="always")
def _at_most(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict(_near(a, b) | (a < b), a, b)


@njit(cache=True, nogil=True, inline="always")
def _less(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict((not _near(a, b)) & (a < b), a, b)


@njit(cache=True, nogil=True, inline="always")
def _same(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict(_near(a, b), a, b)


@njit(cache=True, nogil=True, inline="always")
def _other(left: Floats, b: float, verdicts: Ints8) -> None:
    for j in range(verdicts.size):
        a = left[j]
        verdicts[j] = _verdict(not _near(a, b), a, b)


@njit(cache=True, nogil=True)
def _compare_with(code: int, left: Floats, b: float, verdicts: Ints8) -> None:
    if code == 0:
        _at_least(left, b, verdicts)
    elif code == 1:
        _more(left, b, verdicts)
    elif code == 2:
        _at_most(left, b, verdicts)
    elif code == 3:
        _less(left, b, verdicts)
    elif code == 4:
        _same(left, b, verdicts)
    else:
        _other(left, b, verdicts)


@njit(cache=True, nogil=True)
def _compare_each(
    code: int, left: Floats, right: Floats, verdicts: Ints8, left_step: int, right_step: int
) -> None:
    for j in range(verdicts.size):
        a = left[j * left_step]
        b = right[j * right_step]
        near = _near(a, b)
        more = a > b
        less = a < b
        if code == 0:
            is_so = near | more
        elif code == 1:
            is_so = (not near) & more
        elif code == 2:
            is_so = near | less
        elif code == 3:
            is_so = (not near) & less
        elif code == 4:
            is_so = near
        else:
            is_so = not near
        verdicts[j] = _verdict(is_so, a, b)


def compare_by_patient(operator: ComparisonOperator, left: Floats, right: Floats, offsets: Ints64) -> Ints8:
    """Compare a value at each assessment with one of each patient: (n,) with (n_subjects,)."""
    verdicts = np.empty(left.size, np.int8)
    _compare_by_patient(_CODES[operator], left, right, offsets, verdicts)
    return verdicts


@njit(cache=True, nogil=True)
def _compare_by_patient(code: int, left: Floats, right: Floats, offsets: Ints64, verdicts: Ints8) -> None:
    """Branches outside, and slices of their own: a compiler then sees that they run along together."""
    n = right.size
    if code == 0:
        for i in range(n):
            _at_least(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])
    elif code == 1:
        for i in range(n):
            _more(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])
    elif code == 2:
        for i in range(n):
            _at_most(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])
    elif code == 3:
        for i in range(n):
            _less(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])
    elif code == 4:
        for i in range(n):
            _same(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])
    else:
        for i in range(n):
            _other(left[offsets[i] : offsets[i + 1]], right[i], verdicts[offsets[i] : offsets[i + 1]])


def compare_count(operator: ComparisonOperator, verdicts: Sequence[Ints8], bound: Floats) -> Ints8:
    """Compare how many of some conditions are true with a number.

    With unknown ones the count lies in a range, and the answer is known where all of it agrees.

    Parameters
    ----------
    operator : ComparisonOperator
    verdicts : (n_assessments,) each
    bound : (n_assessments,) or (1,)
    """
    m, n = len(verdicts), verdicts[0].size
    tally = np.zeros(n, np.int32)  # (m + 1) for each that is true, and 1 for each that is unknown
    for one in verdicts:
        _tally(one, m + 1, tally)
    answers = np.empty(n, np.int8)
    if bound.size == 1:
        table = _answers(operator, m, float(bound[0]))
        _look_up(tally, table, answers)
        return answers
    for b in np.unique(bound[~np.isnan(bound)]).tolist():
        at = bound == b
        answers[at] = _answers(operator, m, b)[tally[at]]
    answers[np.isnan(bound)] = UNKNOWN
    return answers


@lru_cache(maxsize=256)
def _answers(operator: ComparisonOperator, m: int, bound: float) -> Ints8:
    """What a count of m conditions says, by its tally."""
    found = np.full((m + 1) * (m + 1), UNKNOWN, np.int8)
    for n_true in range(m + 1):
        for n_unknown in range(m + 1 - n_true):
            counts = range(n_true, n_true + n_unknown + 1)
            said = {compare_numbers(operator, float(count), bound) for count in counts}
            if len(said) == 1 and bound == bound:
                found[n_true * (m + 1) + n_unknown] = TRUE if said.pop() else FALSE
    return found


@njit(cache=True, nogil=True)
def _tally(verdicts: Ints8, step: int, tally: Any) -> None:
    for j in range(verdicts.size):
        tally[j] += (step if verdicts[j] == TRUE else 0) + (1 if verdicts[j] == UNKNOWN else 0)


@njit(cache=True, nogil=True)
def _look_up(tally: Any, table: Ints8, answers: Ints8) -> None:
    for j in range(tally.size):
        answers[j] = table[tally[j]]


@njit(cache=True, nogil=True)
def join_all(verdicts: Ints8, other: Ints8) -> None:
    """`and`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        a, b = verdicts[j], other[j]
        known = UNKNOWN if (a == UNKNOWN) | (b == UNKNOWN) else TRUE
        verdicts[j] = FALSE if (a == FALSE) | (b == FALSE) else known


@njit(cache=True, nogil=True)
def join_any(verdicts: Ints8, other: Ints8) -> None:
    """`or`: takes another part into the first, in place."""
    for j in range(verdicts.size):
        a, b = verdicts[j], other[j]
        known = UNKNOWN if (a == UNKNOWN) | (b == UNKNOWN) else FALSE
        verdicts[j] = TRUE if (a == TRUE) | (b == TRUE) else known


def negate(verdicts: Ints8) -> Ints8:
    """`not`: unknown stays unknown."""
    negated = np.empty_like(verdicts)
    _negate(verdicts, negated)
    return negated


@njit(cache=True, nogil=True)
def _negate(verdicts: Ints8, negated: Ints8) -> None:
    for j in range(verdicts.size):
        negated[j] = UNKNOWN if verdicts[j] == UNKNOWN else TRUE - verdicts[j]


def as_verdicts(values: Floats) -> Ints8:
    """Numbers as verdicts: false for 0, unknown for NaN, else true."""
    verdicts = np.empty(values.size, np.int8)
    _as_verdicts(values, verdicts)
    return verdicts


@njit(cache=True, nogil=True)
def _as_verdicts(values: Floats, verdicts: Ints8) -> None:
    for j in range(values.size):
        verdicts[j] = np.int8(values[j] != 0.0) if values[j] == values[j] else UNKNOWN
