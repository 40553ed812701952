"""Roots and maxima of smooth functions of one variable, each evaluation of which is a whole fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["find_maximum", "find_root", "find_sign_change"]

Function = Callable[[float], float]


def find_sign_change(
    slope: Function, start: float, smallest: float, largest: float
) -> tuple[float, float] | None:
    """Logarithms of two arguments between which a slope turns from positive to negative.

    Searched in growing steps upward from `start` where the slope is positive there, else downward; None
    where it is negative down to `smallest`: the maximum is then the lower boundary.
    """
    factor = 2.0
    if slope(start) > 0:
        low = start
        while low < largest:
            high = min(low * factor, largest)
            if slope(high) <= 0:
                return math.log(low), math.log(high)
            low, factor = high, factor * 1.5
        return math.log(low), math.log(largest)
    high = start
    while high > smallest:
        low = max(high / factor, smallest)
        if slope(low) > 0:
            return math.log(low), math.log(high)
        high, factor = low, factor * 1.5
    return None


def find_root(function: Function, low: float, high: float, *, tolerance: float = 1e-10) -> float:
    """A root between two arguments of opposite sign, by inverse quadratic steps held in the bracket.

    Chandrupatla's method [chandrupatla1997]; where the signs agree, the end with the smaller value.
    """
    a, b = low, high
    fa, fb = function(a), function(b)
    if fa * fb > 0:
        return a if abs(fa) < abs(fb) else b
    c, fc = a, fa
    share = 0.5
    for _ in range(100):
        x = a + share * (b - a)
        fx = function(x)
        if (fx > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, b, fc, fb = b, a, fb, fa
        a, fa = x, fx
        best = a if abs(fa) < abs(fb) else b
        width = abs(b - a)
        if min(abs(fa), abs(fb)) == 0.0 or width < 2 * tolerance:
            return best
        share = _share(a, b, c, fa, fb, fc, tolerance / width)
    return best


def _share(a: float, b: float, c: float, fa: float, fb: float, fc: float, least: float) -> float:
    xi = (a - b) / (c - b)
    phi = (fa - fb) / (fc - fb)
    share = 0.5
    if phi**2 < xi and (1 - phi) ** 2 < 1 - xi:
        share = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return min(max(share, least), 1 - least)


def find_maximum(
    function: Function, grid: Sequence[float], lowest: float, *, tolerance: float = 1e-6
) -> float | None:
    """Where a function is largest: the best point of a grid, refined by Brent's method.

    None where the function only falls from the lowest argument.
    """
    points = [lowest, *grid]
    values = [function(point) for point in points]
    best = max(range(len(points)), key=values.__getitem__)
    if best == 0:
        return None
    low = points[best - 1]
    high = points[best + 1] if best + 1 < len(points) else points[best] + 3.0
    return _brent_maximum(function, low, high, points[best], values[best], tolerance)


def _brent_maximum(
    function: Function, low: float, high: float, x: float, fx: float, tolerance: float
) -> float:
    """Brent's parabolic search [brent1973] ch. 5, begun at the best point known."""
    golden = (3.0 - math.sqrt(5.0)) / 2.0
    w = v = x
    fw = fv = fx
    step = last = 0.0
    for _ in range(200):
        middle = (low + high) / 2.0
        if abs(x - middle) <= 2 * tolerance - (high - low) / 2.0:
            return x
        parabola = False
        if abs(last) > tolerance:
            r = (x - w) * (fx - fv)
            q = (x - v) * (fx - fw)
            p = (x - v) * q - (x - w) * r
            q = 2.0 * (q - r)
            p = -p if q > 0 else p
            q = abs(q)
            before, last = last, step
            parabola = abs(p) < abs(q * before / 2.0) and q * (low - x) < p < q * (high - x)
            if parabola:
                step = p / q
        if not parabola:
            last = (high if x < middle else low) - x
            step = golden * last
        u = x + (step if abs(step) >= tolerance else math.copysign(tolerance, step))
        fu = function(u)
        if fu >= fx:
            low, high = (x, high) if u >= x else (low, x)
            v, fv, w, fw, x, fx = w, fw, x, fx, u, fu
        else:
            low, high = (u, high) if u < x else (low, u)
            if fu >= fw or w == x:
                v, fv, w, fw = w, fw, u, fu
            elif fu >= fv or v in (x, w):
                v, fv = u, fu
    return x
