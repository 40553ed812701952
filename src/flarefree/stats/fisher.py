"""Fisher's exact test: of one table, 2 x 2 or larger, and of hundreds of 2 x 2 tables in one call.

The two-sided p is the probability of all tables with the observed margins that are no more probable
than the observed one, with R's tolerance for ties.  Odds ratio and limits are conditional and exact.
Formulas: docs/methods/tables.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.conditional import of_table
from flarefree.stats.counts import TIE, log_factorial, require_counts, require_table
from flarefree.stats.distributions import require_alternative, require_level
from flarefree.stats.frames import TestResult

__all__ = ["fisher_exact", "fisher_exact_many"]

_TWO_SIDED = "two-sided p sums the probabilities of all tables no more probable than the observed one"
_LIMITS = "odds ratio: conditional maximum likelihood; limits: exact, tails of equal size"


def fisher_exact(
    table: Any,
    *,
    odds_ratio: float = 1.0,
    alternative: str = "two-sided",
    level: float = 0.95,
    simulate: int | None = None,
    seed: int = 0,
) -> TestResult:
    """Fisher's exact test of a table of counts.

    Parameters
    ----------
    table : (r, c) int
        Counts, r and c at least 2.  The odds ratio of [[a, b], [c, d]] estimates ad / bc.
    odds_ratio : float
        The odds ratio to test, for 2 x 2 tables.
    alternative : str
        `two-sided`, `less` or `greater`, for 2 x 2 tables.
    level : float
        Of the odds ratio's limits.
    simulate : int, optional
        For large tables: so many random tables with the same margins instead of all of them.
    seed : int
        Of the random tables.

    Returns
    -------
    TestResult
        `p_value`; for 2 x 2 `estimate` (conditional odds ratio), `conf_low`, `conf_high`.

    Raises
    ------
    StatsError
        No table of counts, or one too large to enumerate without `simulate`.

    References
    ----------
    [fisher1935]; two-sided rule and tolerance as `fisher.test` of R.
    """
    counts = require_table(table)
    level, alternative = require_level(level), require_alternative(alternative)
    if counts.shape == (2, 2):
        if not odds_ratio > 0 or math.isinf(odds_ratio):
            raise StatsError("an odds ratio is positive", where="odds_ratio", found=repr(odds_ratio))
        return _two_by_two(counts, math.log(odds_ratio), alternative, level)
    if alternative != "two-sided" or odds_ratio != 1.0:
        raise StatsError(
            "a table larger than 2 x 2 has no direction", where="alternative", try_='alternative="two-sided"'
        )
    from flarefree.stats.fisher_larger import exact_p, simulated_p

    conventions: tuple[str, ...] = (_TWO_SIDED,)
    if simulate is None:
        p = exact_p(counts)
    else:
        p = simulated_p(counts, simulate, seed)
        conventions += (f"p from {simulate} random tables with the same margins, seed {seed}",)
    return TestResult(
        method="Fisher's exact test",
        term="association",
        p_value=p,
        alternative="two-sided",
        n=int(counts.sum()),
        conventions=conventions,
    )


def _two_by_two(counts: NDArray[np.int64], log_null: float, alternative: str, level: float) -> TestResult:
    (a, b), (c, d) = counts.tolist()
    family = of_table(a + b, c + d, a + c)
    degenerate = family.low == family.high
    low, high = family.limits(a, level, alternative)
    warnings = (
        ("a row or a column is empty: the table says nothing about the odds ratio",) if degenerate else ()
    )
    return TestResult(
        method="Fisher's exact test",
        term="odds ratio",
        estimate=None if degenerate else math.exp(family.log_odds(a)),
        p_value=family.p_value(a, alternative, log_null),
        conf_low=math.exp(low),
        conf_high=math.exp(high),
        alternative=alternative,
        level=level,
        n=a + b + c + d,
        conventions=(*((_TWO_SIDED,) if alternative == "two-sided" else ()), _LIMITS),
        warnings=warnings,
        details={"sample_odds_ratio": _ratio(a * d, b * c), "null_odds_ratio": math.exp(log_null)},
    )


def _ratio(above: int, below: int) -> float:
    return above / below if below else math.inf if above else math.nan


def fisher_exact_many(
    a: Any, n1: Any, b: Any, n2: Any, *, alternative: str = "two-sided"
) -> NDArray[np.float64]:
    """P-values of Fisher's exact test for many pairs of proportions at once.

    Parameters
    ----------
    a, n1 : (k,) int, or one number
        Patients with the event and patients in the first group, one pair a table.
    b, n2 : (k,) int, or one number
        The same in the second group.
    alternative : str
        `two-sided`; `greater` if the first group's odds are larger, or `less`.

    Returns
    -------
    (k,) float64
        Equal to `fisher_exact([[a, n1 - a], [b, n2 - b]]).p_value`, table by table.
    """
    alternative = require_alternative(alternative)
    arrays = [
        np.atleast_1d(require_counts(v, name)) for v, name in ((a, "a"), (n1, "n1"), (b, "b"), (n2, "n2"))
    ]
    x, first, y, second = np.broadcast_arrays(*arrays)
    for events, group, name in ((x, first, "a"), (y, second, "b")):
        if (events > group).any():
            place = int(np.flatnonzero(events > group)[0])
            raise StatsError(
                "more events than patients",
                where=f"{name}[{place}]",
                found=f"{events[place]} of {group[place]}",
                expected=f"at most {group[place]}",
            )
    if x.ndim != 1:
        raise StatsError("counts must be lists", where="a", found=f"shape {x.shape}", expected="shape (k,)")
    return _p_values(x, first, y, second, alternative)


def _p_values(
    x: NDArray[np.int64],
    first: NDArray[np.int64],
    y: NDArray[np.int64],
    second: NDArray[np.int64],
    alternative: str,
) -> NDArray[np.float64]:
    """All supports end to end in one array; `reduceat` sums each table's part."""
    events = x + y
    low, high = np.maximum(0, events - second), np.minimum(first, events)
    size = high - low + 1
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    table = np.repeat(np.arange(x.size), size)
    count = np.arange(size.sum()) - start[table] + low[table]
    lf = log_factorial(int((first + second).max()))

    def log_weight(cell: NDArray[np.int64], of: NDArray[np.int64] | slice) -> NDArray[np.longdouble]:
        return -(lf[cell] + lf[first[of] - cell] + lf[events[of] - cell] + lf[second[of] - events[of] + cell])

    observed = log_weight(x, slice(None))
    relative = np.asarray(log_weight(count, table) - observed[table], dtype=np.float64)
    top = np.maximum.reduceat(relative, start)
    weight = np.exp(relative - top[table])
    if alternative == "two-sided":
        extreme = relative <= math.log1p(TIE)
    else:
        extreme = count >= x[table] if alternative == "greater" else count <= x[table]
    p = np.add.reduceat(np.where(extreme, weight, 0.0), start) / np.add.reduceat(weight, start)
    return np.minimum(p, 1.0)
