"""Whether a scheme can give a sequence of arms: what is signed by mistake is found here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.schemes import PermutedBlocks, Progress, Scheme

__all__ = ["first_impossible"]

Arms = npt.NDArray[np.integer[Any]]


def first_impossible(scheme: Scheme, arms: Arms) -> int | None:
    """Place (from 0) of the first arm that the scheme cannot give there; None if it can give them all.

    Parameters
    ----------
    scheme : Scheme
    arms : (n,) int
        One list, from its beginning.
    """
    if isinstance(scheme, PermutedBlocks):
        return _first_outside_blocks(scheme, arms)
    progress = Progress.begin(1, scheme.n_arms)
    for place in range(arms.size):
        if scheme.probabilities(progress)[0, arms[place]] <= 0.0:
            return place
        scheme.take(progress, arms[place : place + 1])
    return None


def _first_outside_blocks(scheme: PermutedBlocks, arms: Arms) -> int | None:
    """Blocks of some sizes cover the list, the last perhaps in part: where can each block begin?"""
    n, whole = arms.size, sum(scheme.ratio)
    before = np.zeros((n + 1, scheme.n_arms), dtype=np.int64)  # counts of the first i
    before[1:] = np.cumsum(np.eye(scheme.n_arms, dtype=np.int64)[arms], axis=0)
    begins = np.zeros(n + 1, dtype=bool)
    begins[0] = True
    reached = 0
    for start in range(n):
        if not begins[start]:
            continue
        for size in scheme.sizes:
            room = size // whole * np.array(scheme.ratio)
            stop = min(start + size, n)
            fits = (before[start : stop + 1] - before[start] <= room).all(axis=1)
            good = int(fits.argmin()) - 1 if not fits.all() else stop - start
            reached = max(reached, start + good)
            if good == size:
                begins[stop] = True
    return reached if reached < n else None
