"""Unconditional exact tests of two proportions: Barnard's and Boschloo's.

Only the group sizes are given; the p-value is the largest, over the common probability, of the chance of
a table at least as extreme.  Barnard's test orders tables by the pooled (score) z statistic, Boschloo's by
Fisher's p-value, which makes it uniformly more powerful than Fisher's.  Formulas: docs/methods/tables.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.counts import TIE, log_factorial, require_table
from flarefree.stats.distributions import require_alternative
from flarefree.stats.fisher import fisher_exact, fisher_exact_many
from flarefree.stats.frames import TestResult

__all__ = ["barnard", "boschloo"]

Floats = NDArray[np.float64]

_GRID = 1024
_SHRINK = 40  # golden-section steps: the place of the maximum to 1e-8 of a grid's cell
_LARGEST = 4_000_000


def barnard(table: Any, *, alternative: str = "two-sided") -> TestResult:
    """Barnard's test of a 2 x 2 table, with the pooled z statistic.

    Parameters
    ----------
    table : (2, 2) int
        A row a group: events, and the others.
    alternative : str
        `two-sided`; `greater` if the first group's probability is larger, or `less`.

    Returns
    -------
    TestResult
        `statistic` (z), `p_value`; `details["nuisance"]` is the probability at which p is largest.

    References
    ----------
    [barnard1947], [suissa1985]
    """
    (a, b), (c, d), alternative = _require(table, alternative)
    n1, n2 = a + b, c + d
    x, y = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    pooled = (x + y) / (n1 + n2)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    z = np.divide(x / n1 - y / n2, spread, out=np.zeros(spread.shape), where=spread > 0)
    order = np.abs(z) if alternative == "two-sided" else z if alternative == "greater" else -z
    extreme = order >= order[a, c] - TIE * max(1.0, abs(float(order[a, c])))
    p, nuisance = _largest_probability(extreme)
    return _result(
        "Barnard's unconditional exact test",
        float(z[a, c]),
        "z",
        p,
        nuisance,
        alternative,
        n1 + n2,
        "pooled z",
    )


def boschloo(table: Any, *, alternative: str = "two-sided") -> TestResult:
    """Boschloo's test of a 2 x 2 table: unconditional, ordered by Fisher's p-value.

    Two-sided, tables are ordered by the two-sided p of `fisher_exact` (SciPy doubles a one-sided test
    instead).

    References
    ----------
    [boschloo1970]
    """
    (a, b), (c, d), alternative = _require(table, alternative)
    n1, n2 = a + b, c + d
    x, y = np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij")
    fisher = fisher_exact_many(x.ravel(), n1, y.ravel(), n2, alternative=alternative).reshape(x.shape)
    extreme = fisher <= fisher[a, c] * (1 + TIE)
    p, nuisance = _largest_probability(extreme)
    own = fisher_exact([[a, b], [c, d]], alternative=alternative).p_value
    return _result(
        "Boschloo's unconditional exact test",
        own,
        "Fisher's p",
        p,
        nuisance,
        alternative,
        n1 + n2,
        "Fisher's p",
    )


def _require(table: Any, alternative: str) -> tuple[list[int], list[int], str]:
    counts = require_table(table)
    if counts.shape != (2, 2):
        raise StatsError("the test is for 2 x 2 tables", where="table", found=f"shape {counts.shape}")
    n1, n2 = counts.sum(axis=1).tolist()
    if n1 == 0 or n2 == 0:
        raise StatsError("a group is empty", where="table", found=f"groups of {n1} and {n2}")
    if (n1 + 1) * (n2 + 1) > _LARGEST:
        raise StatsError(
            "the groups are too large for an unconditional test",
            where="table",
            found=f"groups of {n1} and {n2}",
            try_="fisher_exact or chi_square",
        )
    return counts[0].tolist(), counts[1].tolist(), require_alternative(alternative)


def _result(
    method: str, statistic: float | None, name: str, p: float, at: float, alternative: str, n: int, order: str
) -> TestResult:
    return TestResult(
        method,
        "difference of proportions",
        statistic=statistic,
        p_value=p,
        statistic_name=name,
        alternative=alternative,
        n=n,
        conventions=(
            f"tables ordered by {order}; largest over the common probability",
            f"largest at {at:.6g}",
        ),
        details={"nuisance": at},
    )


def _largest_probability(extreme: NDArray[np.bool_]) -> tuple[float, float]:
    """The largest probability of a set of tables over the common probability, and where it is."""
    grid = np.linspace(0.0, 1.0, _GRID + 1)
    values = _probabilities(extreme, grid)
    # The function is a polynomial with several local maxima: refine each that could win.
    peaks = np.flatnonzero(
        (values >= np.roll(values, 1)) & (values >= np.roll(values, -1)) & (values >= 0.95 * values.max())
    )
    low, high = grid[np.maximum(peaks - 1, 0)], grid[np.minimum(peaks + 1, _GRID)]
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(_SHRINK):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        smaller = _probabilities(extreme, left) < _probabilities(extreme, right)
        low, high = np.where(smaller, left, low), np.where(smaller, high, right)
    places = np.concatenate([grid[peaks], (low + high) / 2])
    found = _probabilities(extreme, places)
    best = int(found.argmax())
    return min(1.0, float(found[best])), float(places[best])


def _probabilities(extreme: NDArray[np.bool_], at: Floats) -> Floats:
    """The probability of the set of tables at each common probability."""
    first, second = (_binomial(size - 1, at) for size in extreme.shape)
    return np.einsum("gi,gi->g", first @ extreme, second)


def _binomial(n: int, at: Floats) -> Floats:
    """Binomial probabilities (grid, n + 1)."""
    lf = log_factorial(n)
    x = np.arange(n + 1)
    log_choose = np.asarray(lf[n] - lf[x] - lf[n - x], dtype=np.float64)
    inside = np.clip(at, 1e-300, 1 - 1e-16)[:, None]
    return np.exp(log_choose + x * np.log(inside) + (n - x) * np.log1p(-inside))
