"""Pearson's chi-square test of a table of counts.

Exact tests are in `fisher.py` and `unconditional.py`, strata in `stratified.py`, single proportions and
their differences in `proportions.py`.  Formulas: docs/methods/tables.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.counts import require_table
from flarefree.stats.distributions import chi_square_tail
from flarefree.stats.frames import TestResult

__all__ = ["chi_square"]


def chi_square(table: Any, *, correct: bool | None = None) -> TestResult:
    """Pearson's chi-square test of independence.

    Parameters
    ----------
    table : (r, c) int
        Counts, r and c at least 2.
    correct : bool, optional
        Yates's continuity correction, for 2 x 2 tables: half a count, or as much as all cells can bear.
        By default as R's `chisq.test`: for 2 x 2 tables, and only there.

    Returns
    -------
    TestResult
        `statistic`, `df`, `p_value`; `details` hold `expected` and `residuals` (r, c).

    Raises
    ------
    StatsError
        A row or a column is empty, so that its expected counts are zero.
    """
    counts = require_table(table)
    is_two_by_two = counts.shape == (2, 2)
    if correct and not is_two_by_two:
        raise StatsError(
            "Yates's correction is for 2 x 2 tables", where="correct", found=f"a table {counts.shape}"
        )
    total = int(counts.sum())
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    if not (expected > 0).all():
        raise StatsError(
            "a row or a column of the table is empty",
            where="table",
            found=f"rows {counts.sum(axis=1).tolist()}, columns {counts.sum(axis=0).tolist()}",
            try_="leave it out",
        )
    corrected = is_two_by_two if correct is None else correct
    distance = np.abs(counts - expected)
    yates = min(0.5, float(distance.min())) if corrected else 0.0
    statistic = float(((distance - yates) ** 2 / expected).sum())
    df = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    small = int((expected < 5).sum())
    warnings = (f"{small} of {expected.size} expected counts are below 5",) if small else ()
    return TestResult(
        method="Pearson's chi-square test" + (" with Yates's correction" if corrected else ""),
        term="association",
        statistic=statistic,
        df=float(df),
        p_value=chi_square_tail(statistic, df),
        statistic_name="chi-square",
        n=total,
        conventions=(f"continuity correction {yates:g}" if corrected else "no continuity correction",),
        warnings=warnings,
        details={"expected": expected, "residuals": (counts - expected) / np.sqrt(expected)},
    )
