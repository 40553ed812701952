"""Arms drawn from a scheme: many lists side by side, from uniform numbers that the caller owns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flarefree.conduct.randomization.columns import highest, total
from flarefree.conduct.randomization.schemes import Progress, Scheme

__all__ = ["choose", "draw_arms", "draw_steps"]

Floats = npt.NDArray[np.float64]
Arms = npt.NDArray[np.int8]


def choose(probabilities: Floats, uniforms: Floats) -> Arms:
    """One arm a row: the first whose cumulative probability passes the uniform number.

    An arm of probability 0 is never chosen, whatever rounding does to the sums.
    """
    whole = uniforms * total(probabilities)
    reached = np.zeros(uniforms.size)
    arms = np.zeros(uniforms.size, dtype=np.int8)
    last = probabilities.shape[1] - 1
    for arm in range(last):
        reached = reached + probabilities[:, arm]
        arms += (whole >= reached) & (highest(probabilities[:, arm + 1 :]) > 0.0)
    return arms


def draw_arms(scheme: Scheme, uniforms: Floats) -> Arms:
    """Lists of arms.

    Parameters
    ----------
    scheme : Scheme
    uniforms : (n_lists, length, 2) float64
        In [0, 1): the first of each pair chooses the arm, the second the size of a block that opens.

    Returns
    -------
    (n_lists, length) int8
        Arms by number.
    """
    return draw_steps(scheme, uniforms)[0]


def draw_steps(scheme: Scheme, uniforms: Floats) -> tuple[Arms, Floats]:
    """As `draw_arms`, and the probability that each drawn arm had: (n_lists, length)."""
    n_lists, length, _ = uniforms.shape
    progress = Progress.begin(n_lists, scheme.n_arms)
    arms = np.empty((n_lists, length), dtype=np.int8)
    given = np.empty((n_lists, length))
    rows = np.arange(n_lists)
    for place in range(length):
        scheme.open(progress, uniforms[:, place, 1])
        probabilities = scheme.probabilities(progress)
        arms[:, place] = choose(probabilities, uniforms[:, place, 0])
        given[:, place] = probabilities[rows, arms[:, place]]
        scheme.take(progress, arms[:, place])
    return arms, given
