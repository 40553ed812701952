"""Comparing arms: one place that hands counts and values to `flarefree.stats` and keeps what comes back.

A comparison that does not exist (an empty arm, nobody measured) has no P value; it is never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.analysis.outcome import NotComputableError
from flarefree.errors import StatsError

if TYPE_CHECKING:
    from flarefree.stats.frames import TestResult

__all__ = [
    "Compared",
    "association_in_strata",
    "compare_categories",
    "compare_numbers",
    "fisher_many",
    "fisher_of_counts",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compared:
    """A P value (None where the test does not exist), its statistic, and the test in words."""

    p_value: float | None
    statistic: float | None = None
    method: str = ""
    df: float | None = None


def fisher_of_counts(counts: Sequence[int], totals: Sequence[int]) -> Compared:
    """Fisher's exact test of how many had something, in two or more groups; empty groups are left out.

    Two-sided: the sum of the probabilities of all tables no more probable than the one observed.
    """
    from flarefree.stats.fisher import fisher_exact

    method = "Fisher's exact test, two-sided"
    occupied = [(n, total) for n, total in zip(counts, totals, strict=True) if total]
    if len(occupied) < 2:
        return Compared(None, method=method)
    table = [[n for n, _ in occupied], [total - n for n, total in occupied]]
    return Compared(fisher_exact(table).p_value, method=method)


def fisher_many(n1: Any, total1: int, n2: Any, total2: int) -> list[float | None]:
    """Two-sided Fisher P values of many rows of two groups at once; none where a group is empty."""
    from flarefree.stats.fisher import fisher_exact_many

    if not total1 or not total2:
        return [None] * len(n1)
    found = fisher_exact_many(np.asarray(n1), total1, np.asarray(n2), total2)
    return [float(p) for p in found]


def compare_categories(test: str, counts: Sequence[Sequence[int]]) -> Compared:
    """Compare a category between groups: `counts` has a row a level and a column a group.

    Levels and groups without patients are left out; Pearson's chi-square has no continuity correction.
    """
    table = np.asarray(counts, dtype=np.int64)
    table = table[table.any(axis=1)][:, table.any(axis=0)] if table.size else table
    if table.ndim != 2 or min(table.shape) < 2:
        return Compared(None)
    try:
        if test == "fisher":
            from flarefree.stats.fisher import fisher_exact

            return Compared(fisher_exact(table).p_value, method="Fisher's exact test, two-sided")
        from flarefree.stats.tables import chi_square

        found = chi_square(table, correct=False)
    except StatsError as trouble:
        return Compared(None, method=f"{test}: {trouble.what}")
    return Compared(found.p_value, found.statistic, found.method)


def association_in_strata(strata: Sequence[Sequence[Sequence[int]]]) -> Compared:
    """Cochran, Mantel and Haenszel's test of general association of groups and levels within strata.

    Parameters
    ----------
    strata : (k, groups, levels) counts
        Groups and levels that nobody has in any stratum are left out.  No continuity correction.

    Returns
    -------
    Compared
        Without a P value where no stratum says anything: one group, or one level.
    """
    from flarefree.stats.stratified import cochran_mantel_haenszel

    method = "Cochran-Mantel-Haenszel test of general association"
    tables = np.asarray(strata, dtype=np.int64)
    if tables.size:
        tables = tables[:, tables.any(axis=(0, 2))][:, :, tables.any(axis=(0, 1))]
    if tables.ndim != 3 or min(tables.shape[1:]) < 2:
        return Compared(None, method=method)
    try:
        found = cochran_mantel_haenszel(tables, correct=False)
    except StatsError as trouble:
        return Compared(None, method=f"{method}: {trouble.what}")
    return Compared(found.p_value, found.statistic, method, found.df)


def compare_numbers(test: str, groups: Sequence[Floats]) -> Compared:
    """Compare a number between groups: `anova`, `kruskal_wallis`, `t` (Welch's) or `wilcoxon`.

    Groups without values are left out; `t` and `wilcoxon` become their forms for several groups where
    more than two are left.
    """
    occupied = [np.asarray(values, dtype=np.float64) for values in groups if len(values)]
    if len(occupied) < 2:
        return Compared(None)
    try:
        found = _compare(test, occupied)
    except StatsError as trouble:
        return Compared(None, method=f"No test: {trouble.what}")
    return Compared(found.p_value, found.statistic, found.method)


def _compare(test: str, groups: list[Floats]) -> TestResult:
    values = np.concatenate(groups)
    labels = np.repeat(np.arange(len(groups)), [g.size for g in groups])
    if test == "t" and len(groups) == 2:
        from flarefree.stats.continuous import t_test

        return t_test(*groups)
    if test in ("t", "anova"):
        from flarefree.stats.continuous import one_way_anova

        return one_way_anova(values, labels)
    if test == "wilcoxon" and len(groups) == 2:
        from flarefree.stats.ranks import wilcoxon

        return wilcoxon(*groups)
    if test in ("wilcoxon", "kruskal_wallis"):
        from flarefree.stats.ranks import kruskal_wallis

        return kruskal_wallis(values, labels)
    raise NotComputableError(f"A number cannot be compared by “{test}”.")
