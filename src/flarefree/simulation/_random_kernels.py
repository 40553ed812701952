"""Philox 4x32-10, and what its words become: uniform, exponential and normal numbers.

Everything here is made of whole-number operations and of +, -, *, / and square roots of doubles, which IEEE
754 fixes to the last bit: the same words and numbers on every machine, in loops that a compiler may or may
not turn into vectors.  No function of the C library is called, for those differ from one to the next.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numba as nb
import numpy as np
from numba import types
from numba.extending import intrinsic

__all__ = [
    "exp",
    "fill_exponentials",
    "fill_normals",
    "fill_uniforms",
    "fill_words",
    "float_of",
    "int_of",
    "log",
    "philox",
    "uniform32",
    "uniform52",
    "word52",
]

# [salmon2011] table 2 and section 3.3: multipliers, and the steps of the key from round to round.
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)
ROUNDS = 10


@nb.njit(inline="always")
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four 32-bit words (held as uint64) from a counter of four and a key of two."""
    for _ in range(ROUNDS):
        p0 = M0 * (c0 & LOW)
        p1 = M1 * (c2 & LOW)
        c0 = (p1 >> HALF_WORD) ^ c1 ^ k0
        c1 = p1 & LOW
        c2 = (p0 >> HALF_WORD) ^ c3 ^ k1
        c3 = p0 & LOW
        k0 = (k0 + W0) & LOW
        k1 = (k1 + W1) & LOW
    return c0 & LOW, c1, c2 & LOW, c3


def _to_int(typing: Any, x: Any) -> Any:
    """The bits of a double."""
    return types.int64(types.float64), _same_bits


def _to_float(typing: Any, x: Any) -> Any:
    """The double of these bits."""
    return types.float64(types.int64), _same_bits


def _same_bits(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.bitcast(args[0], context.get_value_type(signature.return_type))


int_of: Any = intrinsic(_to_int)
float_of: Any = intrinsic(_to_float)

_ONE = np.int64(np.float64(1.0).view(np.int64))
_HALF_STEP = 2.0**-53


@nb.njit(inline="always")
def word52(high: Any, low: Any) -> Any:
    """52 random bits of two words: all of the first, the upper 20 of the second."""
    return np.int64((high << np.uint64(20)) | (low >> np.uint64(12)))


@nb.njit(inline="always")
def uniform52(k: Any) -> Any:
    """(k + 1/2) / 2^52, exact; from 2^-53 to 1 - 2^-53, symmetric about one half."""
    return (float_of(_ONE | k) - 1.0) + _HALF_STEP


@nb.njit(inline="always")
def uniform32(word: Any) -> Any:
    """(word + 1/2) / 2^32, exact."""
    return (float_of(_ONE | np.int64(word << np.uint64(20))) - 1.0) + 2.0**-33


_ROOT_HALF = np.int64(np.sqrt(np.float64(0.5)).view(np.int64))
_MANTISSA = np.int64(52)
_LN2_HIGH = float.fromhex("0x1.62e42fefa3800p-1")  # ln 2 to 41 bits: its product with an exponent is exact
_LN2_LOW = 5.497923018708371e-14  # the rest of it
_L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9, _L10 = (1.0 / (2 * k + 1) for k in range(1, 11))


@nb.njit(inline="always")
def log(x: Any) -> Any:
    """Natural logarithm of a positive normal double, to 2 units in the last place.

    x = m 2^e with m within sqrt(1/2) and sqrt(2); ln m = 2 artanh(s) with s = (m - 1)/(m + 1), whose
    series in s^2 < 0.0295 is cut where terms fall below 1e-17.
    """
    bits = int_of(x)
    e = (bits - _ROOT_HALF) >> _MANTISSA
    m = float_of(bits - (e << _MANTISSA))
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = _L9 + z * _L10
    p = _L8 + z * p
    p = _L7 + z * p
    p = _L6 + z * p
    p = _L5 + z * p
    p = _L4 + z * p
    p = _L3 + z * p
    p = _L2 + z * p
    p = _L1 + z * p
    twice = 2.0 * s
    power = float(e)
    return power * _LN2_HIGH + (twice + (twice * (z * p) + power * _LN2_LOW))


_PER_LN2 = 1.4426950408889634
_E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13 = (1.0 / factorial(k) for k in range(2, 14))
_ROUND = 6755399441055744.0  # 1.5 * 2^52: added and taken away again, it rounds to a whole number


@nb.njit(inline="always")
def exp(x: Any) -> Any:
    """Exponential of |x| < 700, to 2 units in the last place: 2^k times Taylor's series on |r| < 0.35."""
    k = (x * _PER_LN2 + _ROUND) - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _E12 + r * _E13
    p = _E11 + r * p
    p = _E10 + r * p
    p = _E9 + r * p
    p = _E8 + r * p
    p = _E7 + r * p
    p = _E6 + r * p
    p = _E5 + r * p
    p = _E4 + r * p
    p = _E3 + r * p
    p = _E2 + r * p
    return (1.0 + (r + r * r * p)) * float_of((np.int64(k) + np.int64(1023)) << _MANTISSA)


@nb.njit(inline="always")
def _normal_middle(q: Any) -> Any:
    """Normal quantile of 1/2 + q for |q| <= 0.425; [wichura1988] PPND16."""
    r = 0.180625 - q * q
    a = 2.5090809287301226727e3
    a = a * r + 3.3430575583588128105e4
    a = a * r + 6.7265770927008700853e4
    a = a * r + 4.5921953931549871457e4
    a = a * r + 1.3731693765509461125e4
    a = a * r + 1.9715909503065514427e3
    a = a * r + 1.3314166789178437745e2
    a = a * r + 3.3871328727963666080e0
    b = 5.2264952788528545610e3
    b = b * r + 2.8729085735721942674e4
    b = b * r + 3.9307895800092710610e4
    b = b * r + 2.1213794301586595867e4
    b = b * r + 5.3941960214247511077e3
    b = b * r + 6.8718700749205790830e2
    b = b * r + 4.2313330701600911252e1
    b = b * r + 1.0
    return q * a / b


@nb.njit
def _normal_tail(u: Any) -> Any:
    """Normal quantile of u outside 0.075 to 0.925; [wichura1988] PPND16."""
    r = np.sqrt(-log(min(u, 1.0 - u)))
    if r <= 5.0:
        r -= 1.6
        a = 7.74545014278341407640e-4
        a = a * r + 2.27238449892691845833e-2
        a = a * r + 2.41780725177450611770e-1
        a = a * r + 1.27045825245236838258e0
        a = a * r + 3.64784832476320460504e0
        a = a * r + 5.76949722146069140550e0
        a = a * r + 4.63033784615654529590e0
        a = a * r + 1.42343711074968357734e0
        b = 1.05075007164441684324e-9
        b = b * r + 5.47593808499534494600e-4
        b = b * r + 1.51986665636164571966e-2
        b = b * r + 1.48103976427480074590e-1
        b = b * r + 6.89767334985100004550e-1
        b = b * r + 1.67638483018380384940e0
        b = b * r + 2.05319162663775882187e0
        b = b * r + 1.0
    else:
        r -= 5.0
        a = 2.01033439929228813265e-7
        a = a * r + 2.71155556874348757815e-5
        a = a * r + 1.24266094738807843860e-3
        a = a * r + 2.65321895265761230930e-2
        a = a * r + 2.96560571828504891230e-1
        a = a * r + 1.78482653991729133580e0
        a = a * r + 5.46378491116411436990e0
        a = a * r + 6.65790464350110377720e0
        b = 2.04426310338993978564e-15
        b = b * r + 1.42151175831644588870e-7
        b = b * r + 1.84631831751005468180e-5
        b = b * r + 7.86869131145613259100e-4
        b = b * r + 1.48753612908506148525e-2
        b = b * r + 1.36929880922735805310e-1
        b = b * r + 5.99832206555887937690e-1
        b = b * r + 1.0
    return a / b if u > 0.5 else -a / b


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fill_words(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any, out: Any) -> Any:
    """A block of four words for each counter: `out` is (n, 4) uint32."""
    for i in range(c0.size):
        a, b, c, d = philox(c0[i], c1[i], c2[i], c3[i], k0, k1)
        out[i, 0] = np.uint32(a)
        out[i, 1] = np.uint32(b)
        out[i, 2] = np.uint32(c)
        out[i, 3] = np.uint32(d)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fill_uniforms(words: Any, out: Any) -> Any:
    """Two uniform numbers of each block: (n, 4) uint32 to (n, 2)."""
    for i in range(words.shape[0]):
        out[i, 0] = uniform52(word52(np.uint64(words[i, 0]), np.uint64(words[i, 1])))
        out[i, 1] = uniform52(word52(np.uint64(words[i, 2]), np.uint64(words[i, 3])))


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fill_normals(u: Any, out: Any) -> Any:
    """Normal quantiles: a pass for the middle, which vectorizes, and one that mends the tails."""
    for i in range(u.size):
        out[i] = _normal_middle(u[i] - 0.5)
    for i in range(u.size):
        if abs(u[i] - 0.5) > 0.425:
            out[i] = _normal_tail(u[i])


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fill_exponentials(u: Any, out: Any) -> Any:
    """Exponential numbers of mean 1: -ln(1 - u), small for small u."""
    for i in range(u.size):
        out[i] = -log(1.0 - u[i])
