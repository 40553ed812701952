"""A table by which one 32-bit word becomes one normal number, in a dozen operations and no branch.

The distance of a uniform number from the nearer end of (0, 1) is a double whose exponent and first three
bits choose one of 256 bins; in each, the normal quantile is a cubic in the bits that follow.  Coefficients
are whole numbers of 2^-28, two to a 64-bit word, since fetching is what costs.  The worst error is below
2e-7, and the largest number 6.34 (a test measures both).
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import exp, fill_normals, float_of, int_of, philox

__all__ = ["exp9", "fill_blocks", "fill_exp", "normal32"]

BINS_PER_OCTAVE = 8
OCTAVES = 32
UNIT = 2.0**-28
_NODES = (0.03806023374435663, 0.3086582838174551, 0.6913417161825449, 0.9619397662556434)  # Chebyshev's


def _fit_table() -> Any:
    """Packed coefficients, shape (2 * bins,) int64, by Newton's divided differences.

    Only +, -, * and / of doubles, element by element, then rounding: the same table on every machine.
    """
    nodes = np.array(_NODES)
    bins = np.arange(OCTAVES * BINS_PER_OCTAVE)
    octave, part = bins // BINS_PER_OCTAVE, bins % BINS_PER_OCTAVE
    q = 2.0 ** (octave[:, None] - 33.0) * (1.0 + (part[:, None] + nodes) / BINS_PER_OCTAVE)
    values = np.empty(q.size)
    fill_normals(q.ravel(), values)
    d = -values.reshape(q.shape)
    for order in range(1, 4):
        for k in range(3, order - 1, -1):
            d[:, k] = (d[:, k] - d[:, k - 1]) / (nodes[k] - nodes[k - order])
    cubic = np.zeros_like(d)
    cubic[:, 0] = d[:, 3]
    for k in (2, 1, 0):  # cubic <- cubic * (t - node) + d
        shifted = np.zeros_like(cubic)
        shifted[:, 1:] = cubic[:, :-1]
        cubic = shifted - nodes[k] * cubic
        cubic[:, 0] += d[:, k]
    whole = np.round(cubic / UNIT).astype(np.int64)
    low = np.int64(0xFFFFFFFF)
    packed = np.empty((len(bins), 2), dtype=np.int64)
    packed[:, 0] = (whole[:, 0] << 32) | (whole[:, 1] & low)
    packed[:, 1] = (whole[:, 2] << 32) | (whole[:, 3] & low)
    return packed.ravel()


TABLE = _fit_table()
_ONE = np.int64(np.float64(1.0).view(np.int64))
_FIRST_BIN = np.int64(np.float64(0.5).view(np.int64)) >> np.int64(49)
_FINE = np.int64((1 << 49) - 1)
_HALF = np.int64(32)


@nb.njit(inline="always")
def normal32(word: Any) -> Any:
    """The standard normal quantile of (word + 1/2) / 2^32, odd about one half."""
    upper = np.int64(word) >> np.int64(31)
    near = (np.int64(word) ^ -upper) & np.int64(0x7FFFFFFF)  # counts from the nearer end
    bits = int_of(float(near) + 0.5)
    at = np.uint64(((bits >> np.int64(49)) - _FIRST_BIN) << np.int64(1))  # unsigned: none is below 0
    t = float_of(_ONE | ((bits & _FINE) << np.int64(3))) - 1.0
    a, b = TABLE[at], TABLE[at + np.uint64(1)]
    p = float(b >> _HALF) + t * float((b << _HALF) >> _HALF)
    p = float((a << _HALF) >> _HALF) + t * p
    p = float(a >> _HALF) + t * p
    return p * (float(2 * upper - 1) * UNIT)


_PER_LN2 = 1.4426950408889634
_LN2 = 0.6931471805599453
_ROUND = 6755399441055744.0  # 1.5 * 2^52: added and taken away again, it rounds to a whole number
_E2, _E3, _E4, _E5, _E6, _E7, _E8 = (1.0 / factorial(k) for k in range(2, 9))


@nb.njit(inline="always")
def exp9(x: Any) -> Any:
    """Exponential of |x| < 700 to nine digits, which is more than a laboratory's: Taylor's series, cut."""
    k = (x * _PER_LN2 + _ROUND) - _ROUND
    r = x - k * _LN2
    p = _E7 + r * _E8
    p = _E6 + r * p
    p = _E5 + r * p
    p = _E4 + r * p
    p = _E3 + r * p
    p = _E2 + r * p
    return (1.0 + (r + r * r * p)) * float_of((np.int64(k) + np.int64(1023)) << np.int64(52))


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fill_exp(x: Any, out: Any) -> Any:
    """Exponentials, the same on every machine."""
    for i in range(x.size):
        out[i] = exp(x[i])


@nb.njit(error_model="numpy")
def fill_blocks(count: Any, visit: Any, patient: Any, trial: Any, stream: Any, key: Any, out: Any) -> Any:
    """`count` blocks of words, of visits, patients and trials (uint32): `out` (4, count) uint32."""
    k0, k1, c3 = key[0], key[1], np.uint64(stream)
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for e in range(count):
        a, b, c, d = philox(np.uint64(visit[e]), np.uint64(patient[e]), np.uint64(trial[e]), c3, k0, k1)
        o0[e] = np.uint32(a)
        o1[e] = np.uint32(b)
        o2[e] = np.uint32(c)
        o3[e] = np.uint32(d)
