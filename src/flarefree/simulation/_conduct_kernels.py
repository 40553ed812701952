"""Loops behind what people do about virtual patients, and behind first events."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import philox, uniform32

__all__ = ["are_known_by", "draw_conduct", "earliest", "end_first", "keep_known", "study_days"]


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_conduct(trial: Any, patient: Any, day: Any, stream: Any, k0: Any, k1: Any, out: Any) -> Any:
    """Four uniform numbers of each address: `out` is (n, 4)."""
    for i in range(trial.size):
        visit = np.uint64(np.int64(day[i]) & 0xFFFFFFFF)
        a, b, c, d = philox(visit, np.uint64(patient[i]), np.uint64(trial[i]), stream, k0, k1)
        out[i, 0] = uniform32(a)
        out[i, 1] = uniform32(b)
        out[i, 2] = uniform32(c)
        out[i, 3] = uniform32(d)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def study_days(elapsed: Any, never: Any, no_day: Any, out: Any) -> Any:
    """Study days of times since day 1 began: what happens during day 1 is on day 1; none from `never` on."""
    for i in range(elapsed.size):
        is_never = elapsed[i] >= never
        day = np.floor(0.0 if is_never else elapsed[i]) + 1.0
        out[i] = no_day if is_never else np.int32(day)


@nb.njit(cache=True, nogil=True)
def are_known_by(subjects: Any, days: Any, last: Any, out: Any) -> Any:
    """Which events are of a day up to each patient's last."""
    for k in range(subjects.size):
        out[k] = days[k] <= last[subjects[k]]


@nb.njit(cache=True, nogil=True)
def keep_known(
    subjects: Any, days: Any, known: Any, places: Any, last: Any, to_subjects: Any, to_days: Any,
    to_known: Any, to_places: Any,
) -> Any:  # fmt: skip
    """Lays events that are known up to each patient's last day one after another; tells how many."""
    n = 0
    for k in range(subjects.size):
        to_subjects[n] = subjects[k]
        to_days[n] = days[k]
        to_known[n] = known[k]
        to_places[n] = places[k]
        n += 1 if known[k] <= last[subjects[k]] else 0
    return n


@nb.njit(cache=True, nogil=True)
def end_first(days: Any, kind: Any, end: Any, ended_by: Any) -> Any:
    """Lets what happens on `days` end participation that has not ended before, in place."""
    for i in range(days.size):
        is_first = days[i] <= end[i]
        end[i] = days[i] if is_first else end[i]
        ended_by[i] = kind if is_first else ended_by[i]


@nb.njit(cache=True, nogil=True)
def earliest(subjects: Any, days: Any, keep: Any, first: Any) -> Any:
    """Takes some patients' days into everybody's earliest, in place."""
    for i in range(subjects.size):
        if keep[i] and days[i] < first[subjects[i]]:
            first[subjects[i]] = days[i]
