"""Which counts make a printed percentage, and over which numbers of patients: exact arithmetic, no rounding.

A percentage of k in n patients is 100 k / n; "25.6" can stand for any value from 25.55 to 25.65.  So k must
lie in [25.55 n / 100, 25.65 n / 100], which may hold no whole number.  This is the GRIM test
[brown2017] for a mean of zeros and ones; both rules for rounding a half are let pass.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from flarefree.evidence.auditing.printed import Printed

__all__ = [
    "attainable_counts",
    "attainable_totals",
    "can_fail",
    "cut_off_counts",
    "nearest_denominators",
    "splits",
]


def attainable_counts(percent: Printed, n: int) -> range:
    """The counts out of n that print as `percent`."""
    return _whole(percent.low * n / 100, percent.high * n / 100, n)


def cut_off_counts(percent: Printed, n: int) -> range:
    """The counts out of n that print as `percent` where digits are cut off, not rounded."""
    top = percent.value + 2 * percent.half_unit
    counts = _whole(percent.value * n / 100, top * n / 100, n)
    return range(counts.start, counts.stop - 1) if counts and 100 * counts[-1] == top * n else counts


def _whole(low: Fraction, high: Fraction, n: int) -> range:
    return range(max(ceil(low), 0), min(floor(high), n) + 1)


def attainable_totals(mean: Printed, n: int) -> range:
    """The totals of n whole numbers whose mean prints as `mean`."""
    return range(ceil(mean.low * n), floor(mean.high * n) + 1)


def can_fail(printed: Printed, n: int, unit: int = 100) -> bool:
    """Whether some number with these decimals is not attainable over n: beyond, the test has no power."""
    return printed.is_exact and 2 * printed.half_unit * n < unit


def nearest_denominators(
    percent: Printed, n: int, *, most: int = 3, reach: int = 60
) -> list[tuple[int, int]]:
    """The numbers of patients nearest to n over which the percentage is attainable, with the count."""
    found: list[tuple[int, int]] = []
    for step in range(1, reach + 1):
        for m in (n - step, n + step):
            if m > 0 and (counts := attainable_counts(percent, m)):
                found.append((m, counts[0]))
    return found[:most]


def splits(total: int, percents: tuple[Printed, Printed]) -> list[tuple[int, int]]:
    """The ways to part `total` patients into two arms over which both percentages are attainable."""
    first, second = percents
    return [
        (m, total - m)
        for m in range(1, total)
        if attainable_counts(first, m) and attainable_counts(second, total - m)
    ]
