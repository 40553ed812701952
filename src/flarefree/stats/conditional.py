"""A count's distribution given the margins, as a family in the odds ratio.

One 2 x 2 table gives the noncentral hypergeometric distribution of its first cell; several strata with
a common odds ratio give that of the sum of their first cells.  Both are exponential families in the log
odds ratio with finite support, which is all that exact tests, estimates and limits need [fisher1935],
[gart1970].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.stats.counts import TIE, log_factorial
from flarefree.stats.roots import find_root

__all__ = ["ConditionalCount", "of_strata", "of_table"]

Floats = NDArray[np.float64]


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
        return self._solve(lambda t: float(self.pmf(t) @ steps) - target)

    def limits(self, x: int, level: float, alternative: str) -> tuple[float, float]:
        """Limits of the log odds ratio: where a tail from x has the probability that is left out."""
        out = (1.0 - level) / (2.0 if alternative == "two-sided" else 1.0)
        place = x - self.low
        lower, upper = -math.inf, math.inf
        if alternative != "less" and x > self.low:
            lower = self._solve(lambda t: math.log(self.pmf(t)[place:].sum() / out))
        if alternative != "greater" and x < self.high:
            upper = self._solve(lambda t: math.log(out / self.pmf(t)[: place + 1].sum()))
        return lower, upper

    def _solve(self, increasing) -> float:  # type: ignore[no-untyped-def]
        """The root of an increasing function of the log odds ratio; the bracket grows until it holds one."""
        reach = 1.0
        low = high = 0.0
        while increasing(low) > 0:
            low, high = low - reach, low
            reach *= 2.0
        while increasing(high) < 0:
            low, high = high, high + reach
            reach *= 2.0
        return find_root(increasing, low, high)


def of_table(row: int, other_row: int, column: int) -> ConditionalCount:
    """The first cell of a 2 x 2 table with these margins: its row's total, the other row's, its column's."""
    low, high = max(0, column - other_row), min(row, column)
    lf = log_factorial(row + other_row)
    x = np.arange(low, high + 1)
    log_weight = -(lf[x] + lf[row - x] + lf[column - x] + lf[other_row - column + x])
    return ConditionalCount(low, np.asarray(log_weight - log_weight.max(), dtype=np.float64))


def of_strata(margins: NDArray[np.int64]) -> ConditionalCount:
    """The sum of the strata's first cells; `margins` (k, 3) as for `of_table`."""
    low, weight, scale = 0, np.ones(1), 0.0
    for row, other_row, column in margins:
        one = of_table(int(row), int(other_row), int(column))
        low += one.low
        weight = np.convolve(weight, np.exp(one.log_weight))
        top = weight.max()
        weight, scale = weight / top, scale + math.log(top)
    with np.errstate(divide="ignore"):
        return ConditionalCount(low, np.log(weight))
