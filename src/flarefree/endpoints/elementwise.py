"""Kleene's logic and tolerant comparison, element by element, as fused kernels.

Verdicts are FALSE, TRUE or UNKNOWN; on which day each rests is found afterwards, and only where it is
asked (`flarefree.endpoints.dating`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from flarefree.endpoints.kernels import FALSE, TRUE, UNKNOWN
from flarefree.protocol.language.nodes import ComparisonOperator

__all__ = [
    "TOLERANCE",
    "Bound",
    "as_verdicts",
    "compare",
    "compare_by_patient",
    "compare_count",
    "compare_numbers",
    "compare_together",
    "compare_whole",
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


def _compare(code: int, left: Floats, right: Floats, verdicts: Ints8) -> None:
    if left.size == 1 and verdicts.size > 1:
        code, left, right = _MIRRORED_CODES[code], right, left
    if right.size == 1 and (left.size > 1 or verdicts.size == 1) and math.isfinite(right[0]):
        _compare_with(code, left, *near_to(float(right[0])), verdicts)
    else:
        _compare_each(code, left, right, verdicts, int(left.size > 1), int(right.size > 1))


_MIRRORED_CODES = (2, 3, 0, 1, 4, 5)


@lru_cache(maxsize=4096)
def near_to(bound: float) -> tuple[float, float]:
    """The least and the greatest number that is equal to a finite one within `TOLERANCE`."""

    def is_near(a: float) -> bool:
        return abs(a - bound) <= TOLERANCE * max(abs(a), abs(bound)) or a == bound

    ends = []
    for away in (-math.inf, math.inf):
        end = bound + math.copysign(TOLERANCE * abs(bound), away)
        while not is_near(end):
            end = math.nextafter(end, -away)
        while is_near(further := math.nextafter(end, away)):
            end = further
        ends.append(end)
    return ends[0], ends[1]


@njit(cache=True, nogil=True, inline="always")
def _verdict(is_so: bool, a: float, b: float) -> Any:
    return np.int8(is_so) if (a == a) & (b == b) else UNKNOWN


@njit(cache=True, nogil=True, inline="always")
def _near(a: float, b: float) -> bool:
    return (abs(a - b) <= 1e-9 * max(abs(a), abs(b))) | (a == b)


@njit(cache=True, nogil=True)
def _compare_with(code: int, left: Floats, low: float, high: float, verdicts: Ints8) -> None:
    """Compare with the number around which `low` to `high` are equal to it.

    Branches only around the loops, so that a processor takes several assessments at once.
    """
    if code == 0:
        for j in range(verdicts.size):
            verdicts[j] = _verdict(left[j] >= low, left[j], low)
    elif code == 1:
        for j in range(verdicts.size):
            verdicts[j] = _verdict(left[j] > high, left[j], low)
    elif code == 2:
        for j in range(verdicts.size):
            verdicts[j] = _verdict(left[j] <= high, left[j], low)
    elif code == 3:
        for j in range(verdicts.size):
            verdicts[j] = _verdict(left[j] < low, left[j], low)
    elif code == 4:
        for j in range(verdicts.size):
            verdicts[j] = _verdict((left[j] >= low) & (left[j] <= high), left[j], low)
    else:
        for j in range(verdicts.size):
            verdicts[j] = _verdict((left[j] < low) | (left[j] > high), left[j], low)


def compare_whole(operator: ComparisonOperator, left: Ints8, bound: float) -> Ints8:
    """Compare small whole numbers, all of them known, with a finite one: (n,)."""
    verdicts = np.empty(left.size, np.int8)
    low, high = near_to(bound)
    first, last = math.ceil(low), math.floor(high)  # of the whole numbers that are equal to the bound
    least, most = {
        ComparisonOperator.GE: (first, 127),
        ComparisonOperator.GT: (last + 1, 127),
        ComparisonOperator.LE: (-128, last),
        ComparisonOperator.LT: (-128, first - 1),
    }.get(operator, (first, last))
    if least > most or least > 127 or most < -128:
        verdicts[:] = FALSE
    else:
        _is_between(left, np.int8(max(least, -128)), np.int8(min(most, 127)), verdicts)
    return negate(verdicts) if operator is ComparisonOperator.NE else verdicts


@njit(cache=True, nogil=True)
def _is_between(left: Ints8, least: Any, most: Any, verdicts: Ints8) -> None:
    for j in range(left.size):
        verdicts[j] = np.int8((left[j] >= least) & (left[j] <= most))


@njit(cache=True, nogil=True)
def _compare_each(
    code: int, left: Floats, right: Floats, verdicts: Ints8, left_step: int, right_step: int
) -> None:
    if left_step == right_step == 1:
        _compare_along(code, left, right, verdicts)
        return
    for j in range(verdicts.size):
        a, b = left[j * left_step], right[j * right_step]
        near, more, less = _near(a, b), a > b, a < b
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


@njit(cache=True, nogil=True)
def _compare_along(code: int, left: Floats, right: Floats, verdicts: Ints8) -> None:
    if code == 0:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict(_near(a, b) | (a > b), a, b)
    elif code == 1:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict((not _near(a, b)) & (a > b), a, b)
    elif code == 2:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict(_near(a, b) | (a < b), a, b)
    elif code == 3:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict((not _near(a, b)) & (a < b), a, b)
    elif code == 4:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict(_near(a, b), a, b)
    else:
        for j in range(verdicts.size):
            a, b = left[j], right[j]
            verdicts[j] = _verdict(not _near(a, b), a, b)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a measure is compared with: a number, (1,), or one of each patient, (n_subjects,)."""

    operator: ComparisonOperator
    values: Floats


def compare_by_patient(operator: ComparisonOperator, left: Floats, right: Floats, offsets: Ints64) -> Ints8:
    """Compare a value at each assessment with one of each patient: (n,) with (n_subjects,)."""
    return compare_together(left, [Bound(operator, right)], offsets)[0]


def compare_together(left: Floats, bounds: Sequence[Bound], offsets: Ints64) -> Ints8:
    """Compare a value at each assessment with several bounds: (n_bounds, n); numbers among them are finite.

    A measure's values are fetched once for all; fetching takes longer than comparing.
    """
    codes = np.array([_CODES[bound.operator] for bound in bounds])
    by_patient = np.empty((len(bounds), offsets.size - 1))
    ends = np.full((len(bounds), 2), np.nan)
    for k, bound in enumerate(bounds):
        if bound.values.size == 1 and offsets.size != 2:
            ends[k] = near_to(float(bound.values[0]))
        else:
            by_patient[k] = bound.values
    verdicts = np.empty((len(bounds), left.size), np.int8)
    _compare_together(codes, left, by_patient, ends, offsets, verdicts)
    return verdicts


_CHUNK = 1024


@njit(cache=True, nogil=True)
def _compare_together(
    codes: Ints64, left: Floats, by_patient: Floats, ends: Floats, offsets: Ints64, verdicts: Ints8
) -> None:
    """Some patients at a time: one patient's assessments are too few to be taken several at once."""
    n, longest = offsets.size - 1, 0
    for i in range(n):
        longest = max(longest, offsets[i + 1] - offsets[i])
    spread = np.empty(max(_CHUNK, longest))
    first = 0
    while first < n:
        start, last = offsets[first], first + 1
        while last < n and offsets[last + 1] - start <= _CHUNK:
            last += 1
        stop = offsets[last]
        for k in range(codes.size):
            if ends[k, 0] == ends[k, 0]:
                _compare_with(codes[k], left[start:stop], ends[k, 0], ends[k, 1], verdicts[k, start:stop])
                continue
            for i in range(first, last):
                bound, own = by_patient[k, i], spread[offsets[i] - start : offsets[i + 1] - start]
                for j in range(own.size):
                    own[j] = bound
            _compare_along(codes[k], left[start:stop], spread, verdicts[k, start:stop])
        first = last


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
    tally = np.zeros(
        n, np.uint8 if m < 15 else np.int32
    )  # (m + 1) for each that is true, and 1 for each that is unknown
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
    says = np.array([compare_numbers(operator, float(count), bound) for count in range(m + 1)])
    found = np.full((m + 1, m + 1), UNKNOWN, np.int8)
    if math.isnan(bound):
        return found.reshape(-1)
    # With unknown ones the count may be any from n_true on: how far on is one and the same thing said?
    changes = np.flatnonzero(np.diff(says))
    for n_true in range(m + 1):
        later = changes[np.searchsorted(changes, n_true) :]
        agree_to = later[0] if later.size else m
        found[n_true, : agree_to - n_true + 1] = TRUE if says[n_true] else FALSE
        found[n_true, m - n_true + 1 :] = UNKNOWN
    return found.reshape(-1)


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
