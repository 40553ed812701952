"""A count's distribution given the margins, as a family in the odds ratio.

One 2 x 2 table gives the noncentral hypergeometric distribution of its first cell; several strata with
a common odds ratio give that of the sum of their first cells.  Both are exponential families in the log
odds ratio with finite support, which is all that exact tests, estimates and limits need [fisher1935],
[gart1970].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.stats.counts import TIE, log_factorial
from flarefree.stats.roots import find_root

__all__ = ["ConditionalCount", "of_strata", "of_sum", "of_table"]

Floats = NDArray[np.float64]

LEAST_SURE = 1e-290  # below, sums of products have lost digits
LOG_NOTHING = -1e300


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalCount:
    """The distribution of a count on `low`, ..., `low + len(log_weight) - 1`.

    `log_weight` holds the logs of the weights at odds ratio 1, up to a constant.
    """

    low: int
    log_weight: Floats

    @property
    def high(self) -> int:
        return self.low + self.log_weight.size - 1

    def pmf(self, log_odds: float = 0.0) -> Floats:
        """Probabilities over the support at a log odds ratio."""
        shifted = (
            self.log_weight + log_odds * np.arange(self.log_weight.size) if log_odds else self.log_weight
        )
        weight = np.exp(shifted - shifted.max())
        return weight / weight.sum()

    def p_value(self, x: int, alternative: str, log_odds: float = 0.0) -> float:
        """Exact p; two-sided, the probability of all counts no more probable than x."""
        place = x - self.low
        if alternative == "less":
            if log_odds == -math.inf:
                return 1.0
            return 1.0 if x == self.high else float(self.pmf(log_odds)[: place + 1].sum())
        if alternative == "greater":
            return 1.0 if x == self.low else float(self.pmf(log_odds)[place:].sum())
        pmf = self.pmf(log_odds)
        return min(1.0, float(pmf[pmf <= pmf[place] * (1.0 + TIE)].sum()))

    def log_odds(self, x: int) -> float:
        """Conditional maximum-likelihood estimate: where the mean is x."""
        if self.low == self.high:
            return math.nan
        if x in (self.low, self.high):
            return -math.inf if x == self.low else math.inf
        steps = np.arange(self.log_weight.size)
        target = x - self.low
        return find_increasing(lambda t: float(self.pmf(t) @ steps) - target)

    def limits(self, x: int, level: float, alternative: str) -> tuple[float, float]:
        """Limits of the log odds ratio: where a tail from x has the probability that is left out."""
        out = (1.0 - level) / (2.0 if alternative == "two-sided" else 1.0)
        place = x - self.low
        lower, upper = -math.inf, math.inf
        if alternative != "less" and x > self.low:
            lower = find_increasing(lambda t: self._log_share(t, slice(place, None)) - math.log(out))
        if alternative != "greater" and x < self.high:
            upper = find_increasing(lambda t: math.log(out) - self._log_share(t, slice(place + 1)))
        return lower, upper

    def _log_share(self, log_odds: float, part: slice) -> float:
        """The log of a tail's probability, which itself may be too small for a number."""
        shifted = self.log_weight + log_odds * np.arange(self.log_weight.size)
        return _log_sum(shifted[part]) - _log_sum(shifted)


def find_increasing(f: Callable[[float], float]) -> float:
    """The root of an increasing function of the log odds ratio; the bracket grows until it holds one."""
    reach = 1.0
    low = high = 0.0
    while f(low) > 0:
        low, high = low - reach, low
        reach *= 2.0
    while f(high) < 0:
        low, high = high, high + reach
        reach *= 2.0
    return find_root(f, low, high)


def of_table(row: int, other_row: int, column: int) -> ConditionalCount:
    """The first cell of a 2 x 2 table with these margins: its row's total, the other row's, its column's."""
    low, high = max(0, column - other_row), min(row, column)
    lf = log_factorial(row + other_row)
    x = np.arange(low, high + 1)
    log_weight = -(lf[x] + lf[row - x] + lf[column - x] + lf[other_row - column + x])
    return ConditionalCount(low, np.asarray(log_weight - log_weight.max(), dtype=np.float64))


def of_strata(margins: NDArray[np.int64], near: int | None = None) -> ConditionalCount:
    """The sum of the strata's first cells; `margins` (k, 3) and `near` as for `of_table` and `of_sum`."""
    return of_sum([of_table(int(a), int(b), int(column)) for a, b, column in margins], near)


def of_sum(parts: Sequence[ConditionalCount], near: int | None = None) -> ConditionalCount:
    """The sum of independent counts with a common odds ratio.

    Weights at odds ratio 1 span more than a float does where strata are many or large: 20 tables of 4,000
    have 10**-4000 at their ends.  They are therefore summed tilted to the odds ratio under which `near`, the
    sum observed, is expected, too; each weight is taken from where it did not vanish.
    """
    if len(parts) == 1:
        return parts[0]
    low = sum(part.low for part in parts)
    tilts = [0.0]
    if near is not None and low < near < sum(part.high for part in parts):
        expected = _log_odds_of_mean(parts, near)
        tilts += [expected / 2, expected] if expected else []
    whole = _convolved(parts, tilts[0])
    for tilt in tilts[1:]:
        whole = np.maximum(whole, _convolved(parts, tilt))
    return ConditionalCount(low, whole - whole.max())


def _convolved(parts: Sequence[ConditionalCount], tilt: float) -> Floats:
    """Logs of the sum's weights at odds ratio 1, by way of those at the log odds `tilt`."""
    weight, scale = np.ones(1), 0.0
    for part in parts:
        own = part.log_weight + tilt * np.arange(part.log_weight.size)
        weight = np.convolve(weight, np.exp(own - own.max()))
        top = weight.max()
        weight, scale = weight / top, scale + float(own.max()) + math.log(top)
    weight[weight < LEAST_SURE] = 0.0
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weight) + scale - tilt * np.arange(weight.size))


def _log_odds_of_mean(parts: Sequence[ConditionalCount], x: int) -> float:
    """The log odds ratio under which the sum's mean is `x`: its conditional maximum-likelihood estimate."""

    def excess(log_odds: float) -> float:
        return (
            sum(part.low + float(part.pmf(log_odds) @ np.arange(part.log_weight.size)) for part in parts) - x
        )

    return find_increasing(excess)


def _log_sum(logs: Floats) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum())) if math.isfinite(top) else LOG_NOTHING
