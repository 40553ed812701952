"""Ranks: Wilcoxon's rank-sum and signed-rank tests with Hodges and Lehmann's estimate, Kruskal-Wallis.

Tests as R's `wilcox.test`: exact below 50 a group where there are no ties (and no zeros), else normal with
continuity correction and the variance for ties.  The estimate is the median of the differences (or of
Walsh's averages), and limits are the differences at which the test turns; docs/methods/continuous.md says
where R's root finder gives something slightly different.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.distributions import (
    chi_square_tail,
    normal_p,
    normal_quantile,
    require_alternative,
    require_level,
)
from flarefree.stats.frames import TestResult
from flarefree.stats.order_statistics import Sums, pairwise_differences, walsh_averages
from flarefree.stats.samples import grouped, missing_note, paired, sample

__all__ = ["kruskal_wallis", "midranks", "signed_rank", "wilcoxon"]

Floats = NDArray[np.float64]

_EXACT_BELOW = 50  # as R's wilcox.test
_MEDIAN, _LIMITS = "estimate: median of all ", "limits: "


def midranks(values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Ranks, ties sharing their mean, and the sizes of the groups of ties."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[place], counts


def wilcoxon(
    x: Any,
    y: Any,
    *,
    shift: float = 0.0,
    exact: bool | None = None,
    correct: bool = True,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Wilcoxon's rank-sum test (Mann and Whitney's) of two samples.

    Parameters
    ----------
    x, y : (n,), (m,) float
        Missing values are left out and counted.
    shift : float
        How much larger x is than y under the null.
    exact : bool, optional
        By default below 50 values in each group and without ties.  True with ties gives the exact
        permutation distribution of the midranks, which R's `wilcox.test` does not have.
    correct : bool
        Continuity correction of half a rank in the normal approximation.
    alternative : str
        `two-sided`; `greater` if x tends to be larger, or `less`.

    Returns
    -------
    TestResult
        `statistic` W, the number of pairs with x > y (ties count half); `estimate` Hodges and Lehmann's
        shift of x against y with its limits; `details["probability"]` is W / (n m).

    References
    ----------
    [hollander1999] ch. 4; conventions of `wilcox.test` of R.
    """
    level, alternative = require_level(level), require_alternative(alternative)
    (first, missing_x), (second, missing_y) = sample(x, "x"), sample(y, "y")
    n, m = first.size, second.size
    ranks, ties = midranks(np.concatenate([first - shift, second]))
    statistic = float(ranks[:n].sum()) - n * (n + 1) / 2
    tied = bool((ties > 1).any())
    is_exact = (n < _EXACT_BELOW and m < _EXACT_BELOW and not tied) if exact is None else exact
    counts = _rank_sum_counts(n, m) if is_exact and not tied else None
    spread = _rank_sum_sd(n, m, ties)
    if is_exact:
        p = _exact_p(_midrank_sums(ranks, n) if tied else counts, statistic, alternative, tied)
    else:
        p = _normal_p(statistic - n * m / 2, spread, correct, alternative)
    differences = pairwise_differences(first, second)
    # Away from the differences themselves only values within a sample are tied.
    within = np.concatenate([midranks(first)[1], midranks(second)[1]])
    low, high, used, short = _limits(
        differences, counts, n * m / 2, _rank_sum_sd(n, m, within), correct, alternative, level
    )
    return TestResult(
        method=f"Wilcoxon rank-sum test, {'exact' if is_exact else 'normal approximation'}",
        term="shift",
        estimate=differences.median(),
        statistic=statistic,
        p_value=p,
        conf_low=low,
        conf_high=high,
        statistic_name="W",
        alternative=alternative,
        level=level,
        n=n + m,
        conventions=(
            *_conventions(is_exact, correct, tied),
            f"{_MEDIAN}differences x - y (Hodges-Lehmann); {_LIMITS}{used}",
        ),
        warnings=missing_note(missing_x + missing_y) + short,
        details={"probability": statistic / (n * m), "n_x": n, "n_y": m},
    )


def signed_rank(
    x: Any,
    y: Any = None,
    *,
    center: float = 0.0,
    exact: bool | None = None,
    correct: bool = True,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Wilcoxon's signed-rank test of one sample, or of pairs.

    Parameters
    ----------
    x : (n,) float
    y : (n,) float, optional
        With it, the differences x - y are tested.
    center : float
        The center of symmetry under the null.  Values equal to it are left out, as R does, and counted.
    exact, correct, alternative, level
        As for `wilcoxon`.

    Returns
    -------
    TestResult
        `statistic` V, the sum of the ranks of positive values; `estimate` the median of Walsh's averages.
    """
    level, alternative = require_level(level), require_alternative(alternative)
    if y is None:
        values, missing = sample(x, "x")
    else:
        first, second, missing = paired(x, y)
        values = first - second
    centered = values - center
    zeros = int((centered == 0).sum())
    centered = centered[centered != 0]
    n = centered.size
    if n == 0:
        raise StatsError("every value equals the center", where="x", found=f"{zeros} values of {center:g}")
    ranks, ties = midranks(np.abs(centered))
    statistic = float(ranks[centered > 0].sum())
    tied = bool((ties > 1).any())
    is_exact = (n < _EXACT_BELOW and not tied and not zeros) if exact is None else exact
    counts = _signed_rank_counts(n) if is_exact and not tied and not zeros else None
    if is_exact:
        p = _exact_p(
            _signed_midrank_sums(ranks) if tied else _signed_rank_counts(n), statistic, alternative, tied
        )
    else:
        p = _normal_p(statistic - n * (n + 1) / 4, _signed_rank_sd(n, ties), correct, alternative)
    averages = walsh_averages(centered + center)
    within = midranks(centered)[1]
    low, high, used, short = _limits(
        averages, counts, n * (n + 1) / 4, _signed_rank_sd(n, within), correct, alternative, level
    )
    warnings = missing_note(missing) + short
    if zeros:
        warnings += (f"{zeros} values equal to {center:g} left out",)
    return TestResult(
        method=f"Wilcoxon signed-rank test, {'exact' if is_exact else 'normal approximation'}",
        term="center",
        estimate=averages.median(),
        statistic=statistic,
        p_value=p,
        conf_low=low,
        conf_high=high,
        statistic_name="V",
        alternative=alternative,
        level=level,
        n=n,
        conventions=(
            *_conventions(is_exact, correct, tied),
            f"{_MEDIAN}Walsh averages (Hodges-Lehmann); {_LIMITS}{used}",
        ),
        warnings=warnings,
    )


def kruskal_wallis(values: Any, group: Any) -> TestResult:
    """Kruskal and Wallis's rank test of several groups, with the correction for ties."""
    numbers, codes, labels, missing = grouped(values, group)
    ranks, ties = midranks(numbers)
    n = numbers.size
    sizes = np.bincount(codes)
    sums = np.bincount(codes, weights=ranks)
    correction = 1 - float((ties**3 - ties).sum()) / (n**3 - n)
    if correction <= 0:
        raise StatsError("all values are equal", where="values", found=f"{n} values of {numbers[0]:g}")
    statistic = (12 * float((sums**2 / sizes).sum()) / (n * (n + 1)) - 3 * (n + 1)) / correction
    df = float(len(labels) - 1)
    return TestResult(
        "Kruskal-Wallis rank test",
        "group",
        statistic=statistic,
        df=df,
        p_value=chi_square_tail(statistic, df),
        statistic_name="chi-square",
        n=n,
        conventions=("corrected for ties",),
        warnings=missing_note(missing),
        details={"labels": labels, "sizes": sizes, "mean_ranks": sums / sizes},
    )


# -- distributions ---------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _rank_sum_counts(n: int, m: int) -> Floats:
    """Share of the orders of n and m values with W = 0, 1, ..., n m."""
    few, many = min(n, m), max(n, m)
    # One row for each number of small-group values so far; a value is added above `step` of the others.
    counts = np.zeros((few + 1, few * many + 1))
    counts[0, 0] = 1.0
    for size in range(1, few + many + 1):
        for chosen in range(min(size, few), 0, -1):
            above = size - chosen
            if above <= many:
                counts[chosen, above:] += counts[chosen - 1, : counts.shape[1] - above]
    return _cumulative(counts[few])


@lru_cache(maxsize=64)
def _signed_rank_counts(n: int) -> Floats:
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1.0
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    return _cumulative(counts)


def _midrank_sums(ranks: Floats, n: int) -> Floats:
    """Distribution of twice W when the ranks at hand are dealt at random: exact with ties."""
    doubled = np.rint(2 * ranks).astype(np.int64)
    most = int(np.sort(doubled)[-n:].sum())
    counts = np.zeros((n + 1, most + 1))
    counts[0, 0] = 1.0
    for rank in doubled.tolist():
        for chosen in range(n, 0, -1):
            counts[chosen, rank:] += counts[chosen - 1, : most + 1 - rank]
    return _cumulative(counts[n][n * (n + 1) :])


def _signed_midrank_sums(ranks: Floats) -> Floats:
    doubled = np.rint(2 * ranks).astype(np.int64)
    counts = np.zeros(int(doubled.sum()) + 1)
    counts[0] = 1.0
    for rank in doubled.tolist():
        counts[rank:] += counts[:-rank].copy()
    return _cumulative(counts)


def _cumulative(counts: Floats) -> Floats:
    total: Floats = np.cumsum(counts)
    return total / total[-1]


def _exact_p(cumulative: Floats | None, statistic: float, alternative: str, tied: bool) -> float:
    assert cumulative is not None
    place = round(2 * statistic if tied else statistic)
    less = float(cumulative[place])
    # The distribution without ties is symmetric: the upper tail is read as a lower one, which keeps digits.
    if tied:
        greater = 1.0 - float(cumulative[place - 1]) if place else 1.0
    else:
        greater = float(cumulative[cumulative.size - 1 - place])
    if alternative == "two-sided":
        return min(1.0, 2 * min(less, greater))
    return greater if alternative == "greater" else less


def _rank_sum_sd(n: int, m: int, ties: NDArray[np.int64]) -> float:
    total = n + m
    excess = float((ties**3 - ties).sum()) / (total * (total - 1)) if total > 1 else 0.0
    return math.sqrt(n * m / 12 * max(0.0, total + 1 - excess))


def _signed_rank_sd(n: int, ties: NDArray[np.int64]) -> float:
    return math.sqrt(n * (n + 1) * (2 * n + 1) / 24 - float((ties**3 - ties).sum()) / 48)


def _normal_p(distance: float, sd: float, correct: bool, alternative: str) -> float:
    if sd == 0:
        return math.nan
    half = 0.5 if correct else 0.0
    if alternative == "two-sided":
        return normal_p((distance - math.copysign(half, distance) * (distance != 0)) / sd)
    return normal_p((distance - (half if alternative == "greater" else -half)) / sd, alternative)


# -- limits ----------------------------------------------------------------------------------------------


def _limits(
    sums: Sums,
    cumulative: Floats | None,
    center: float,
    sd: float,
    correct: bool,
    alternative: str,
    level: float,
) -> tuple[float, float, str, tuple[str, ...]]:
    """The differences at which the test turns: order statistics, counted from both ends.

    Also how they were found, and a warning where so few values allow no limits of the level asked for.
    """
    out = (1 - level) / (2 if alternative == "two-sided" else 1)
    warnings: tuple[str, ...] = ()
    if cumulative is not None:
        # The smallest count whose tail reaches `out`, with R's allowance for rounding.
        place = int(np.searchsorted(cumulative, out * (1 - 4 * np.finfo(float).eps)))
        used = "exact"
        if place == 0:
            best = 1 - float(cumulative[0]) * (2 if alternative == "two-sided" else 1)
            warnings = (f"so few values allow limits of {100 * best:.3g}% at most; these are they",)
    else:
        place = math.ceil(center - normal_quantile(1 - out) * sd - (0.5 if correct else 0.0))
        used = "normal approximation" + (" with continuity correction" if correct else "")
        if place < 1:
            warnings = ("so few values allow no limits of this level; these are the extremes",)
    place = min(max(1, place), sums.size)
    low = -math.inf if alternative == "less" else sums.smallest(place)
    high = math.inf if alternative == "greater" else sums.smallest(sums.size + 1 - place)
    return low, high, used, warnings


def _conventions(exact: bool, correct: bool, tied: bool) -> tuple[str, ...]:
    if exact:
        return ("exact permutation distribution of midranks, smaller tail doubled",) if tied else (
            "exact distribution, smaller tail doubled",
        )  # fmt: skip
    return ("normal approximation " + ("with" if correct else "without") + " continuity correction"
            + ("; variance for ties" if tied else ""),)  # fmt: skip
