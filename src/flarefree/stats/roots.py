"""Where a function crosses zero, without importing `scipy.optimize` for it."""

from __future__ import annotations

from collections.abc import Callable

from flarefree.errors import ConvergenceError

__all__ = ["find_root"]

_MOST_STEPS = 200


def find_root(f: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-13) -> float:
    """A root of `f` between `low` and `high`, where it has opposite signs (Brent's method).

    The bracket shrinks to `tolerance`, relative to the root's size beyond 1.  Inverse quadratic or
    secant steps are taken while they shrink it fast enough, else it is halved [brent1973, ch. 4].
    """
    a, b = low, high
    fa, fb = f(a), f(b)
    if fa == 0.0:
        return a
    if fb == 0.0:
        return b
    if (fa > 0) == (fb > 0):
        raise ConvergenceError(
            "the equation has no root in the interval searched",
            found=f"{fa:.6g} at {a:.6g} and {fb:.6g} at {b:.6g}",
            expected="opposite signs",
        )
    c, fc = a, fa
    step = last = b - a
    for _ in range(_MOST_STEPS):
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        close = 2e-16 * abs(b) + 0.5 * tolerance * max(1.0, abs(b))
        middle = 0.5 * (c - b)
        if abs(middle) <= close or fb == 0.0:
            return b
        if abs(last) >= close and abs(fa) > abs(fb):
            p, q = _interpolated(a, b, c, fa, fb, fc, middle)
            if 2.0 * p < min(3.0 * middle * q - abs(close * q), abs(last * q)):
                last, step = step, p / q
            else:
                step = last = middle
        else:
            step = last = middle
        a, fa = b, fb
        b += step if abs(step) > close else (close if middle > 0 else -close)
        fb = f(b)
        if (fb > 0) == (fc > 0):
            c, fc = a, fa
            step = last = b - a
    raise ConvergenceError("root finding did not settle", found=f"{b!r} after {_MOST_STEPS} steps")


def _interpolated(
    a: float, b: float, c: float, fa: float, fb: float, fc: float, middle: float
) -> tuple[float, float]:
    """Numerator and denominator of the step: secant with two points, inverse quadratic with three."""
    s = fb / fa
    if a == c:
        p, q = 2.0 * middle * s, 1.0 - s
    else:
        q, r = fa / fc, fb / fc
        p = s * (2.0 * middle * q * (q - r) - (b - a) * (r - 1.0))
        q = (q - 1.0) * (r - 1.0) * (s - 1.0)
    return (p, -q) if p > 0 else (-p, q)
