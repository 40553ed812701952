"""Loops behind what people do about virtual patients, and behind first events."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import philox, uniform32

__all__ = ["draw_conduct", "earliest"]


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


@nb.njit(cache=True, nogil=True)
def earliest(subjects: Any, days: Any, keep: Any, first: Any) -> Any:
    """Takes some patients' days into everybody's earliest, in place."""
    for i in range(subjects.size):
        if keep[i] and days[i] < first[subjects[i]]:
            first[subjects[i]] = days[i]
