"""A row of scratch memory: some virtual patients, all their days one after another.

Its length is that of a small part of a processor's nearest memory, and of many of its longest steps.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._quantiles import exp9, normal32

__all__ = ["ROW", "address", "as_reported", "elapsed", "log_normal", "patients_at_once", "spread"]

ROW = 1024
MOST_PATIENTS = 64


@nb.njit(inline="always")
def elapsed(day: Any) -> Any:
    """Days since day 1; there is no day 0."""
    return float(day) - (1.0 if day > 0 else 0.0)


@nb.njit(inline="always")
def patients_at_once(v: Any) -> Any:
    """How many patients' days fill a row of scratch memory."""
    patients = min(max(ROW // max(v, 1), 1), MOST_PATIENTS)
    return patients - patients % 8 if patients > 8 else patients


@nb.njit(error_model="numpy")
def address(
    i0: Any, m: Any, days: Any, trial: Any, patient: Any, t: Any, day: Any, who: Any, where: Any
) -> Any:
    """The days of `m` patients from `i0`, one after another: elapsed time, and words of their addresses.

    Tells whether these are the days of the patients before, so that what was made of those stands; `t`
    begins with NaN before the first.
    """
    v = days.shape[1]
    count = m * v
    flat = days.reshape(-1)[i0 * v : i0 * v + count]
    spread(i0, m, v, patient, who)
    spread(i0, m, v, trial, where)
    if t[0] == t[0]:
        others = 0
        for e in range(count):
            others += 1 if np.uint32(flat[e]) != day[e] else 0
        if others == 0:
            return True
    for e in range(count):
        t[e] = elapsed(flat[e])
        day[e] = np.uint32(flat[e])
    return False


@nb.njit(error_model="numpy")
def spread(i0: Any, m: Any, v: Any, row: Any, out: Any) -> Any:
    """A number of each patient, on each of its days."""
    for lane in range(m):
        e = lane * v
        for j in range(v):
            out[e + j] = row[i0 + lane]


@nb.njit(error_model="numpy")
def log_normal(count: Any, level: Any, sd: Any, word: Any, out: Any) -> Any:
    """A measurement whose logarithm errs with this SD."""
    for e in range(count):  # a loop of its own: fetching from the table and computing get on better apart
        out[e] = normal32(word[e])
    for e in range(count):
        out[e] = exp9(level[e] + sd * out[e])


@nb.njit(error_model="numpy")
def as_reported(count: Any, report: Any, out: Any) -> Any:
    """As a laboratory reports it: times a factor, to the nearest 1 / scale (unless 0), up to the most."""
    factor, scale, most = report[0], report[1], report[2]
    if scale > 0.0:
        for e in range(count):
            out[e] = min(np.rint(out[e] * factor * scale) / scale, most)
    elif factor != 1.0 or most != np.inf:
        for e in range(count):
            out[e] = min(out[e] * factor, most)
