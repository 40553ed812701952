"""O'Brien-Fleming-type boundaries for looks that come when they come, by spending alpha [lan1983].

The crossing probabilities are found by carrying the density of the score process from look to look
[armitage1969]; only information fractions are needed, so trials that arrive one by one need no plan of looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flarefree.stats.distributions import normal_p, normal_quantile
from flarefree.stats.roots import find_root

__all__ = ["compute_boundaries", "spend_alpha"]

Floats = NDArray[np.float64]

LEAST_SPENT = 1e-13  # an increment of alpha below this cannot be told from rounding: no boundary there
POINTS_A_STEP = 12.0  # of the grid within one standard deviation of an increment
FEWEST_POINTS, MOST_POINTS = 401, 3001


def spend_alpha(fraction: float, alpha: float) -> float:
    """The two-sided alpha spent by an information fraction: 4 (1 - Phi(z(1 - alpha/4) / sqrt(t)))."""
    t = min(fraction, 1.0)
    return 2.0 * normal_p(normal_quantile(1.0 - alpha / 4.0) / math.sqrt(t)) if t > 0 else 0.0


def compute_boundaries(fractions: Sequence[float], alpha: float) -> Floats:
    """Two-sided critical z at each information fraction, which must increase.

    Returns
    -------
    (looks,) float
        Infinite where too little alpha is spent to have a boundary; beyond fraction 1, where alpha is
        spent, NaN.
    """
    critical = np.full(len(fractions), math.nan)
    grid, mass, before, spent = np.zeros(1), np.ones(1), 0.0, 0.0
    for i, fraction in enumerate(fractions):
        t = min(fraction, 1.0)
        if before >= 1.0:
            break
        spread = math.sqrt(t - before)
        to_spend = spend_alpha(t, alpha) - spent
        if to_spend < LEAST_SPENT:
            critical[i] = math.inf
        else:
            critical[i] = _critical(grid, mass, spread, to_spend, math.sqrt(t))
            spent += to_spend
        ahead = min(fractions[i + 1], 1.0) - t if i + 1 < len(fractions) else 1.0
        if ahead > 0.0:
            grid, mass = _carried(grid, mass, spread, min(critical[i], 12.0) * math.sqrt(t), math.sqrt(ahead))
        before = t
    return critical


def _critical(grid: Floats, mass: Floats, spread: float, to_spend: float, scale: float) -> float:
    """The z beyond which, on both sides together, the wanted probability lies."""
    from scipy.special import ndtr

    def excess(z: float) -> float:
        c = z * scale
        beyond = float(mass @ (ndtr((grid - c) / spread) + ndtr((-c - grid) / spread)))
        return math.log(max(beyond, 1e-300) / to_spend)

    return find_root(excess, 0.0, 12.0)


def _carried(
    grid: Floats, mass: Floats, spread: float, edge: float, next_spread: float
) -> tuple[Floats, Floats]:
    """The process among those that did not cross: places within the edge, and the probability at each."""
    wanted = 2.0 * edge / (min(spread, next_spread) / POINTS_A_STEP)
    size = int(min(max(wanted, FEWEST_POINTS), MOST_POINTS)) | 1
    places = np.linspace(-edge, edge, size)
    weights = np.full(size, 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    weights *= (places[1] - places[0]) / 3.0  # Simpson
    distance = (places[:, None] - grid[None, :]) / spread
    density = np.exp(-0.5 * distance**2) @ mass / (spread * math.sqrt(2.0 * math.pi))
    return places, density * weights
