"""The P values that a two-by-two table, or a larger one, can print: one number a test.

Fisher's exact P sums the tables no more probable than the one observed; doubled, it is twice the smaller
tail; mid-P counts half of the observed table and of those as probable as it.  Chi-square, without and with
Yates's correction, and times (N-1)/N; the likelihood ratio G.  Boschloo's and Barnard's are slow, and are
asked for only when none of the others prints so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain

from flarefree.stats.counts import TIE
from flarefree.stats.distributions import chi_square_tail

__all__ = ["QUICK_TESTS", "SLOW_TESTS", "larger_p_values", "quick_p_values", "slow_p_values"]

Counts = tuple[tuple[int, int], ...]

QUICK_TESTS = ("Fisher", "Fisher doubled", "chi-square", "Yates", "N-1 chi-square", "mid-P", "G")
SLOW_TESTS = ("Boschloo", "Barnard")
MOST_FOR_SLOW = 90_000  # n1 x n2: beyond, exact unconditional tests take longer than a reader waits
MOST_FOR_EXACT = 4_000  # patients, for Fisher's test of larger tables


def quick_p_values(counts: Counts) -> dict[str, float]:
    """P values of (events, n) in each arm by the tests that take microseconds; none without variation."""
    events, total = sum(e for e, _ in counts), sum(n for _, n in counts)
    if events in (0, total):
        return dict.fromkeys(QUICK_TESTS, 1.0)
    return dict(_two(counts) if len(counts) == 2 else _several(counts))


@lru_cache(maxsize=8192)
def _two(counts: Counts) -> Mapping[str, float]:
    (a, n1), (c, n2) = counts
    exact, doubled, middle = _exact(a, n1, c, n2)
    table = ((a, n1 - a), (c, n2 - c))
    chi2 = _pearson(table)
    total = n1 + n2
    yates = max(abs(a * (n2 - c) - (n1 - a) * c) - total / 2, 0.0) ** 2 * total
    yates /= n1 * n2 * (a + c) * (total - a - c)
    return {
        "Fisher": exact,
        "Fisher doubled": doubled,
        "chi-square": chi_square_tail(chi2, 1),
        "Yates": chi_square_tail(yates, 1),
        "N-1 chi-square": chi_square_tail(chi2 * (total - 1) / total, 1),
        "mid-P": middle,
        "G": chi_square_tail(_likelihood_ratio(table), 1),
    }


def _exact(a: int, n1: int, c: int, n2: int) -> tuple[float, float, float]:
    """Fisher's P (sum of smaller), twice the smaller tail, and mid-P: the hypergeometric distribution."""
    m = a + c
    low, high = max(0, m - n2), min(m, n1)
    logs = [
        _log_choose(n1, x) + _log_choose(n2, m - x) - _log_choose(n1 + n2, m) for x in range(low, high + 1)
    ]
    p = [math.exp(value) for value in logs]
    here = p[a - low]
    exact = min(1.0, math.fsum(x for x in p if x <= here * (1 + TIE)))
    tail = min(math.fsum(p[: a - low + 1]), math.fsum(p[a - low :]))
    as_probable = math.fsum(x for x in p if abs(x - here) <= here * TIE)
    return exact, min(1.0, 2 * tail), exact - as_probable / 2


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _several(counts: Counts) -> Mapping[str, float]:
    """Tests of more than two arms (events v others): Fisher-Freeman-Halton, chi-square, G."""
    return larger_p_values(tuple((e, n - e) for e, n in counts))


def larger_p_values(table: Sequence[Sequence[int]]) -> dict[str, float]:
    """Tests of a table with any number of rows and columns."""
    df = (len(table) - 1) * (len(table[0]) - 1)
    total = sum(map(sum, table))
    chi2 = _pearson(table)
    found = {
        "chi-square": chi_square_tail(chi2, df),
        "N-1 chi-square": chi_square_tail(chi2 * (total - 1) / total, df),
        "G": chi_square_tail(_likelihood_ratio(table), df),
    }
    exact = _fisher_of_larger(table, total)
    return {"Fisher": exact} | found if exact is not None else found


def _fisher_of_larger(table: Sequence[Sequence[int]], total: int) -> float | None:
    from flarefree.errors import StatsError
    from flarefree.stats.fisher import fisher_exact

    if total > MOST_FOR_EXACT:
        return None
    try:
        return fisher_exact([list(row) for row in table]).p_value
    except StatsError:  # too many tables to sum
        return None


def _expected(table: Sequence[Sequence[int]]) -> list[list[float]]:
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    return [[r * c / sum(rows) for c in columns] for r in rows]


def _pearson(table: Sequence[Sequence[int]]) -> float:
    pairs = zip(chain(*table), chain(*_expected(table)), strict=True)
    return math.fsum((o - e) ** 2 / e for o, e in pairs if e > 0)


def _likelihood_ratio(table: Sequence[Sequence[int]]) -> float:
    pairs = zip(chain(*table), chain(*_expected(table)), strict=True)
    return 2 * math.fsum(o * math.log(o / e) for o, e in pairs if o > 0)


@lru_cache(maxsize=1024)
def slow_p_values(counts: Counts) -> Mapping[str, float]:
    """Boschloo's and Barnard's P for two arms; empty for more, and for tables too large."""
    from flarefree.stats.unconditional import barnard, boschloo

    if len(counts) != 2 or counts[0][1] * counts[1][1] > MOST_FOR_SLOW or sum(e for e, _ in counts) == 0:
        return {}
    table = [[e, n - e] for e, n in counts]
    tests = {"Boschloo": boschloo(table), "Barnard": barnard(table)}
    return {name: test.p_value for name, test in tests.items() if test.p_value is not None}
