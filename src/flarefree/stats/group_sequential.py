"""Boundaries for looking at a trial while it runs, and how often they are crossed.

The test statistics of several looks are jointly normal with independent increments; the density of those
that have not crossed is carried from look to look by numerical integration [armitage1969], Simpson's rule on
a grid fine enough for the narrowest step.  Boundaries spend the error as a function of information
[lan1983].  Method: docs/methods/virtual-trials-engine.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from flarefree.errors import StatsError

__all__ = ["SPENDING", "Boundaries", "compute_boundaries", "crossing_probabilities", "last_boundary"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_NORMAL = NormalDist()
_FARTHEST = 8.0  # beyond it a normal number does not come
_HAYBITTLE_PETO = 3.0


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Two-sided, symmetric boundaries.

    Attributes
    ----------
    fractions : tuple of float
        Information at each look, of what there is at the last.
    z : tuple of float
        A look stops the trial where |z| is at least this.
    spent : tuple of float
        Two-sided error spent by each look.
    spending : str
        Which function spends it.
    alpha : float
    """

    fractions: tuple[float, ...]
    z: tuple[float, ...]
    spent: tuple[float, ...]
    spending: str
    alpha: float

    @property
    def p(self) -> tuple[float, ...]:
        """Nominal two-sided P values at the boundaries."""
        return tuple(math.erfc(z / math.sqrt(2.0)) for z in self.z)


def _obrien_fleming(t: float, alpha: float) -> float:
    return 4.0 * (1.0 - _NORMAL.cdf(_NORMAL.inv_cdf(1.0 - alpha / 4.0) / math.sqrt(t)))


def _pocock(t: float, alpha: float) -> float:
    return alpha * math.log(1.0 + (math.e - 1.0) * t)


SPENDING: dict[str, Callable[[float, float], float]] = {
    "obrien-fleming": _obrien_fleming,
    "pocock": _pocock,
}
"""Two-sided error spent by a fraction of the information; `haybittle-peto` is a rule of its own."""


def compute_boundaries(
    fractions: Sequence[float], *, alpha: float = 0.05, spending: str = "obrien-fleming"
) -> Boundaries:
    """Boundaries that keep the two-sided error of all looks together at `alpha`.

    Parameters
    ----------
    fractions : sequence of float
        Information at the looks, rising, the last 1.
    alpha : float
        Two-sided; each side spends half.
    spending : str
        `obrien-fleming` or `pocock`, as Lan and DeMets spend it; `haybittle-peto`: 3 standard errors at
        every interim look, and at the last what then keeps the error.

    Returns
    -------
    Boundaries

    Raises
    ------
    StatsError
        The fractions do not rise to 1, or no such function spends error.

    References
    ----------
    [lan1983], [demets1994], [haybittle1971], [peto1976]
    """
    at = _require_fractions(fractions)
    if not 0.0 < alpha < 1.0:
        raise StatsError("not an error rate", where="alpha", found=str(alpha), expected="between 0 and 1")
    rules = (*SPENDING, "haybittle-peto")
    if spending not in rules:
        raise StatsError(
            "no such way to spend error", where="spending", found=spending, expected=", ".join(rules)
        )
    walk, z, spent = _Walk(0.0), list[float](), list[float]()
    for k, t in enumerate(at):
        last = k == len(at) - 1
        used = spent[-1] if spent else 0.0
        if spending == "haybittle-peto" and not last:
            bound = _HAYBITTLE_PETO
        else:
            target = alpha if last else min(SPENDING[spending](t, alpha), alpha)
            bound = walk.bound(t, target - used)
        crossed = sum(walk.crossing(t, bound))
        walk.pass_by(t, bound)
        z.append(bound)
        spent.append(used + crossed)
    return Boundaries(at, tuple(z), tuple(spent), spending, alpha)


def last_boundary(fractions: Sequence[float], z: Sequence[float], *, alpha: float = 0.05) -> float:
    """The last boundary that keeps the error at `alpha`, given those of the looks before it.

    Parameters
    ----------
    fractions : sequence of float
        Information at all looks, the last 1.
    z : sequence of float
        Boundaries at all of them but the last.
    alpha : float
        Two-sided.
    """
    at = _require_fractions(fractions)
    walk, used = _Walk(0.0), 0.0
    for t, bound in zip(at[:-1], z, strict=True):
        used += sum(walk.crossing(t, bound))
        walk.pass_by(t, bound)
    return walk.bound(1.0, alpha - used)


def crossing_probabilities(
    fractions: Sequence[float], z: Sequence[float], *, drift: float = 0.0
) -> tuple[Floats, Floats]:
    """How often each look is the first to cross, above and below.

    Parameters
    ----------
    fractions : sequence of float
    z : sequence of float
        Symmetric boundaries.
    drift : float
        Expected z at full information.

    Returns
    -------
    upper, lower : (looks,) float
    """
    at = _require_fractions(fractions)
    walk, crossings = _Walk(drift), []
    for t, bound in zip(at, z, strict=True):
        crossings.append(walk.crossing(t, bound))
        walk.pass_by(t, bound)
    upper, lower = zip(*crossings, strict=True)
    return np.array(upper), np.array(lower)


class _Walk:
    """The density of z at the last look of trials that have not crossed, and steps onwards from it."""

    def __init__(self, drift: float) -> None:
        self.drift = drift
        self.t = 0.0
        self.points = np.zeros(1)
        self.mass = np.ones(1)  # density times the weight of Simpson's rule

    def crossing(self, t: float, bound: float) -> tuple[float, float]:
        """Probability of crossing above and below at information t."""
        from scipy.special import ndtr

        center, width = self._step(t)
        upper = float(self.mass @ ndtr((center - bound) / width))
        return upper, float(self.mass @ ndtr((-bound - center) / width))

    def bound(self, t: float, error: float) -> float:
        """The boundary at information t that is crossed with this probability, both sides together."""
        from scipy.optimize import brentq

        if error <= 1e-14:
            return _FARTHEST
        if sum(self.crossing(t, _FARTHEST)) >= error:
            return _FARTHEST
        return float(brentq(lambda c: sum(self.crossing(t, c)) - error, 0.0, _FARTHEST, xtol=1e-12))

    def pass_by(self, t: float, bound: float) -> None:
        """Go on with the trials that are within the boundary at information t."""
        center, width = self._step(t)
        peak = self.drift * math.sqrt(t)
        low, high = max(-bound, peak - _FARTHEST), min(bound, peak + _FARTHEST)
        if high <= low:
            self.points, self.mass, self.t = np.zeros(1), np.zeros(1), t
            return
        n = 2 * max(200, math.ceil((high - low) / width * 8)) + 1
        points = np.linspace(low, high, n)
        weights = np.full(n, 2.0)
        weights[1::2] = 4.0
        weights[0] = weights[-1] = 1.0
        weights *= (high - low) / (n - 1) / 3.0
        density = np.exp(-0.5 * ((points[:, None] - center[None, :]) / width) ** 2) @ self.mass
        self.mass = density * weights / (width * math.sqrt(2.0 * math.pi))
        self.points, self.t = points, t

    def _step(self, t: float) -> tuple[Floats, float]:
        """Mean and SD of z at information t, given z now: (points,) and one number."""
        more = (t - self.t) / t
        return self.points * math.sqrt(self.t / t) + self.drift * more * math.sqrt(t), math.sqrt(more)


def _require_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    at = tuple(float(t) for t in fractions)
    rising = all(a < b for a, b in zip((0.0, *at), at, strict=False))
    if not at or not rising or abs(at[-1] - 1.0) > 1e-12 or not all(map(math.isfinite, at)):
        raise StatsError(
            "looks are fractions of the information that rise to 1",
            where="fractions",
            found=", ".join(f"{t:g}" for t in at) or "none",
            expected="as in 0.5, 0.75, 1",
        )
    return at
