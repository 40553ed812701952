"""A table by which one 32-bit word becomes one normal number, in a dozen operations and no branch.

The distance of a uniform number from the nearer end of (0, 1) is a double whose exponent and first three
bits choose one of 256 bins; in each, the normal quantile is a polynomial of degree four in the bits that
follow.  The worst error is below 3e-7, and the largest number 6.3 (a test measures both).
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import fill_normals, float_of, int_of

__all__ = ["normal32"]

DEGREE = 4
BINS_PER_OCTAVE = 8
OCTAVES = 32


def _fit_table() -> Any:
    """Coefficients, shape (bins * (DEGREE + 1),), by Newton's divided differences at Chebyshev's nodes.

    Only +, -, * and / of doubles, element by element: the same table on every machine.
    """
    nodes = np.array([0.0244717418524232, 0.2061073738537635, 0.5, 0.7938926261462365, 0.9755282581475768])
    bins = np.arange(OCTAVES * BINS_PER_OCTAVE)
    octave, part = bins // BINS_PER_OCTAVE, bins % BINS_PER_OCTAVE
    start = 2.0 ** (octave - 33.0)
    q = start[:, None] * (1.0 + (part[:, None] + nodes) / BINS_PER_OCTAVE)
    values = np.empty(q.size)
    fill_normals(q.ravel(), values)
    d = -values.reshape(q.shape)
    for order in range(1, DEGREE + 1):
        for k in range(DEGREE, order - 1, -1):
            d[:, k] = (d[:, k] - d[:, k - 1]) / (nodes[k] - nodes[k - order])
    power = np.zeros_like(d)
    power[:, 0] = d[:, DEGREE]
    for k in range(DEGREE - 1, -1, -1):  # Horner: power <- power * (t - node) + d
        shifted = np.zeros_like(power)
        shifted[:, 1:] = power[:, :-1]
        power = shifted - nodes[k] * power
        power[:, 0] += d[:, k]
    return power.ravel()


TABLE = _fit_table()
_ONE = np.int64(np.float64(1.0).view(np.int64))
_FIRST_BIN = np.int64(np.float64(0.5).view(np.int64)) >> np.int64(49)
_FINE = np.int64((1 << 49) - 1)


@nb.njit(inline="always")
def normal32(word: Any) -> Any:
    """The standard normal quantile of (word + 1/2) / 2^32, odd about one half; `word` is uint64."""
    upper = np.int64(word) >> np.int64(31)
    near = (np.int64(word) ^ -upper) & np.int64(0x7FFFFFFF)  # counts from the nearer end
    bits = int_of(float(near) + 0.5)
    at = ((bits >> np.int64(49)) - _FIRST_BIN) * np.int64(5)
    t = float_of(_ONE | ((bits & _FINE) << np.int64(3))) - 1.0
    p = TABLE[at + 3] + t * TABLE[at + 4]
    p = TABLE[at + 2] + t * p
    p = TABLE[at + 1] + t * p
    p = TABLE[at] + t * p
    return p * float(2 * upper - 1)
