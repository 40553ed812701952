"""Log-rank tests of one trial at several calendar days: counts by day of follow-up, no sorting."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["looks_of_trials"]


@nb.njit(cache=True, error_model="numpy", nogil=True)
def _look(time: Any, event: Any, group: Any, entry: Any, close: Any, leaves: Any, fails: Any) -> Any:
    """Test of group 1 against 0 on what is known on day `close` of the calendar; events, and patients."""
    leaves[:] = 0
    fails[:] = 0
    at_risk = np.zeros(2, np.int64)
    for i in range(time.size):
        g = group[i]
        if entry[i] > close or g < 0:
            continue
        at_risk[g] += 1
        seen = min(time[i], close - entry[i] + 1)
        leaves[g, seen] += 1
        if event[i] and time[i] == seen:
            fails[g, seen] += 1
    enrolled = at_risk[0] + at_risk[1]
    observed, expected, variance, events = 0.0, 0.0, 0.0, 0
    for day in range(leaves.shape[1]):
        d = fails[0, day] + fails[1, day]
        n = at_risk[0] + at_risk[1]
        if d > 0 and n > 0:
            events += d
            observed += fails[1, day]
            share = at_risk[1] / n
            expected += d * share
            if n > 1:
                variance += d * share * (1.0 - share) * (n - d) / (n - 1)
        at_risk[0] -= leaves[0, day]
        at_risk[1] -= leaves[1, day]
    z = (observed - expected) / np.sqrt(variance) if variance > 0.0 else np.nan
    return z, events, enrolled


@nb.njit(cache=True, error_model="numpy", nogil=True)
def looks_of_trials(
    time: Any, event: Any, group: Any, entry: Any, wanted: Any, out_z: Any, out_events: Any, out_day: Any,
    out_n: Any,
) -> Any:  # fmt: skip
    """Each trial's looks, (trials, looks): at the day on which so many events are known; the last at the end.

    `group` is 1 for the arm compared, 0 for the reference, -1 for others.  A look whose events are not
    reached before the end is left out: z is NaN, the rest 0.
    """
    trials, n = time.shape
    looks = wanted.size
    longest = 1
    for i in range(trials):
        for j in range(n):
            longest = max(longest, time[i, j])
    leaves = np.empty((2, longest + 1), np.int64)
    fails = np.empty((2, longest + 1), np.int64)
    known = np.empty(n, np.int64)
    for i in range(trials):
        m = 0
        end = 0
        for j in range(n):
            if group[j] < 0:
                continue
            end = max(end, entry[i, j] + time[i, j] - 1)
            if event[i, j]:
                known[m] = entry[i, j] + time[i, j] - 1
                m += 1
        days = np.sort(known[:m])
        for k in range(looks):
            last = k == looks - 1
            if not last and wanted[k] >= m:
                out_z[i, k] = np.nan
                out_events[i, k] = 0
                out_day[i, k] = 0
                out_n[i, k] = 0
                continue
            close = end if last else days[wanted[k] - 1]
            z, events, enrolled = _look(time[i], event[i], group, entry[i], close, leaves, fails)
            out_z[i, k] = z
            out_events[i, k] = events
            out_day[i, k] = close
            out_n[i, k] = enrolled
