"""Two-arm exponential trials, a tile at a time: random numbers to patients' rows.

A row is a patient who fails, drops out or is cut off: one 64-bit number, the bits of the time with its two
lowest replaced by (censored, arm), so that plain numbers sort into time order.  Patient 2 j + arm is the
j-th of an arm.  `_two_arm_fits` takes the rows, sorted.  Nothing is carried from one trial to the next.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import (
    float_of,
    int_of,
    log,
    philox,
    uniform32,
    uniform52,
    word52,
)

__all__ = ["LANES", "draw_all", "draw_failures", "patient_times"]

CODE = np.int64(3)
EMPTY = np.int64(np.float64(np.inf).view(np.int64))  # sorts behind every row
LANES = 32  # rows are filled up to a multiple of this, so that loops over them have no ragged end


@nb.njit(error_model="numpy")
def _draw(n: Any, trial: Any, stream: Any, k0: Any, k1: Any, fails: Any) -> Any:
    """52 bits for the failure of each patient of a trial."""
    zero = np.uint64(0)
    for p in range(n):
        a, b, _, _ = philox(zero, np.uint64(p), trial, stream, k0, k1)
        fails[p] = word52(a, b)


@nb.njit(error_model="numpy")
def _draw_three(
    n: Any, trial: Any, stream: Any, k0: Any, k1: Any, fails: Any, drops: Any, enters: Any
) -> Any:
    """The same, and 32 bits each for drop-out and entry."""
    zero = np.uint64(0)
    for p in range(n):
        a, b, c, d = philox(zero, np.uint64(p), trial, stream, k0, k1)
        fails[p] = word52(a, b)
        drops[p] = c
        enters[p] = d


@nb.njit(error_model="numpy")
def _gather(fails: Any, n: Any, limit0: Any, limit1: Any, row: Any) -> Any:
    """Keep those who may fail before the end, without a branch; a place is written again unless kept."""
    m = 0
    for j in range(n):
        k = fails[2 * j]
        row[m] = k << 1
        m += k < limit0
        k = fails[2 * j + 1]
        row[m] = (k << 1) | 1
        m += k < limit1
    return m


@nb.njit(error_model="numpy")
def _failure_rows(row: Any, m: Any, mean0: Any, mean1: Any, end: Any) -> Any:
    """Turn the kept draws of a trial into rows."""
    for j in range(m):
        kept = row[j]
        arm = kept & 1
        t = -log(1.0 - uniform52(kept >> 1)) * (mean1 if arm else mean0)
        row[j] = (int_of(min(t, end)) & ~CODE) | (arm if t <= end else arm | 2)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_failures(
    first: Any,
    n: Any,
    stream: Any,
    k0: Any,
    k1: Any,
    limits: Any,
    means: Any,
    end: Any,
    rows: Any,
    count: Any,
) -> Any:
    """Trials without drop-out, all followed to `end`: rows (trials, 2 n + LANES) and how many each has.
    Gives the largest of those; rows are filled to it, for the sort.

    Those who do not fail by `end` get no row: they are at risk at every failure.  `limits` lie a little
    above the draws that fail, so that the comparison of times decides, as in `patient_times`.
    """
    fails = np.empty(-(-2 * n // 8) * 8, np.int64)
    for i in range(count.size):
        _draw(fails.size, np.uint64(first + i), stream, k0, k1, fails)
        count[i] = _gather(fails, n, limits[0], limits[1], rows[i])
    widest = count.max()
    for i in range(count.size):
        m = count[i]
        full = -(-m // LANES) * LANES
        rows[i, m:full] = 0
        _failure_rows(rows[i], full, means[0], means[1], end)
        rows[i, m:widest] = EMPTY
    return widest


@nb.njit(error_model="numpy")
def _all_rows(
    fails: Any,
    drops: Any,
    enters: Any,
    n: Any,
    means: Any,
    drop_means: Any,
    accrual: Any,
    close: Any,
    row: Any,
) -> Any:
    """Rows of all patients of a trial, each followed from entry to the close of the study."""
    mean0, mean1, drop0, drop1 = means[0], means[1], drop_means[0], drop_means[1]
    for p in range(2 * n):
        arm = np.int64(p & 1)
        t = -log(1.0 - uniform52(fails[p])) * (mean1 if arm else mean0)
        d = -log(1.0 - uniform32(drops[p])) * (drop1 if arm else drop0)
        end = min(d, close - accrual * uniform32(enters[p]))
        row[p] = (int_of(min(t, end)) & ~CODE) | (arm if t <= end else arm | 2)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_all(
    first: Any, n: Any, stream: Any, k0: Any, k1: Any, limits: Any, means: Any, drop_limits: Any,
    drop_means: Any, accrual: Any, close: Any, rows: Any, count: Any,
) -> Any:  # fmt: skip
    """Trials with drop-out, accrual or both; where follow-up is fixed, those who reach its end get no row."""
    size = -(-2 * n // 8) * 8
    fails = np.empty(size, np.int64)
    drops = np.empty(size, np.uint64)
    enters = np.empty(size, np.uint64)
    for i in range(count.size):
        _draw_three(size, np.uint64(first + i), stream, k0, k1, fails, drops, enters)
        m = 2 * n
        if accrual == 0.0:
            m = _gather_leavers(fails, drops, n, limits, drop_limits)
            _leaver_rows(fails, drops, m, means, drop_means, close, rows[i])
        else:
            _all_rows(fails, drops, enters, n, means, drop_means, accrual, close, rows[i])
        count[i] = m
    widest = count.max()
    for i in range(count.size):
        rows[i, count[i] : widest] = EMPTY
    return widest


@nb.njit(error_model="numpy")
def _gather_leavers(fails: Any, drops: Any, n: Any, limits: Any, drop_limits: Any) -> Any:
    """Move to the front those who may fail or drop out before the end; the arm becomes the lowest bit."""
    m = 0
    for p in range(2 * n):
        k = fails[p]
        d = np.int64(drops[p])
        arm = np.int64(p & 1)
        fails[m] = (k << 1) | arm
        drops[m] = drops[p]
        m += (k < limits[arm]) | (d < drop_limits[arm])
    return m


@nb.njit(error_model="numpy")
def _leaver_rows(fails: Any, drops: Any, m: Any, means: Any, drop_means: Any, close: Any, row: Any) -> Any:
    mean0, mean1, drop0, drop1 = means[0], means[1], drop_means[0], drop_means[1]
    for j in range(m):
        arm = fails[j] & 1
        t = -log(1.0 - uniform52(fails[j] >> 1)) * (mean1 if arm else mean0)
        d = -log(1.0 - uniform32(drops[j])) * (drop1 if arm else drop0)
        end = min(d, close)
        row[j] = (int_of(min(t, end)) & ~CODE) | (arm if t <= end else arm | 2)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def patient_times(
    words: Any, patient: Any, means: Any, drop_means: Any, accrual: Any, close: Any, out: Any
) -> Any:
    """Patients one by one, from their blocks of words: entry, time from entry, whether it is a failure."""
    for i in range(patient.size):
        arm = np.int64(patient[i] & 1)
        t = -log(1.0 - uniform52(word52(np.uint64(words[i, 0]), np.uint64(words[i, 1])))) * means[arm]
        d = -log(1.0 - uniform32(np.uint64(words[i, 2]))) * drop_means[arm]
        entry = accrual * uniform32(np.uint64(words[i, 3])) if accrual > 0.0 else 0.0
        end = min(d, close - entry)
        out[i, 0] = entry
        out[i, 1] = float_of(int_of(min(t, end)) & ~CODE)
        out[i, 2] = 1.0 if t <= end else 0.0
