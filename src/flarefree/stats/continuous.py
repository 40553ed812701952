"""Means: t tests, one-way analysis of variance, geometric means.

Ranks are in `ranks.py`, models with covariates in `linear.py`.  Formulas: docs/methods/continuous.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.distributions import (
    f_tail,
    require_alternative,
    require_level,
    t_p,
    t_quantile,
)
from flarefree.stats.frames import TestResult
from flarefree.stats.samples import group_labels, grouped, missing_note, paired, sample

__all__ = ["geometric_mean", "geometric_mean_ratio", "mean", "one_way_anova", "paired_t_test", "t_test"]

Floats = NDArray[np.float64]


def mean(x: Any, *, level: float = 0.95) -> TestResult:
    """A mean with its t limits; `details` hold `sd`, `minimum`, `median`, `maximum`."""
    values, missing = sample(x, "x")
    n, average = values.size, float(values.mean())
    sd = float(values.std(ddof=1)) if n > 1 else math.nan
    low, high = _t_limits(average, sd / math.sqrt(n), n - 1, require_level(level), "two-sided")
    return TestResult(
        "Mean",
        "mean",
        estimate=average,
        std_error=sd / math.sqrt(n),
        df=float(n - 1),
        conf_low=low,
        conf_high=high,
        level=level,
        n=n,
        warnings=missing_note(missing),
        details={
            "sd": sd,
            "minimum": float(values.min()),
            "median": float(np.median(values)),
            "maximum": float(values.max()),
        },
    )


def t_test(
    x: Any,
    y: Any = None,
    *,
    difference: float = 0.0,
    equal_variances: bool = False,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """Student's or Welch's t test of two samples, or of one sample's mean.

    Parameters
    ----------
    x : (n,) float
    y : (m,) float, optional
        Without it, the mean of x is compared with `difference`.
    difference : float
        The mean of x less that of y under the null.
    equal_variances : bool
        True pools the variances (Student); False is Welch's test with Satterthwaite's degrees of freedom,
        the default as in R.
    alternative : str
        `two-sided`; `greater` if the mean of x is larger, or `less`.

    Returns
    -------
    TestResult
        `estimate` is the mean of x less the mean of y.

    Raises
    ------
    StatsError
        A sample has too few values, or all values are equal.
    """
    level, alternative = require_level(level), require_alternative(alternative)
    if y is None:
        values, missing = sample(x, "x", at_least=2)
        return _one_sample(values, difference, alternative, level, "One-sample t test", "mean", missing)
    first, missing_x = sample(x, "x", at_least=1 if equal_variances else 2)
    second, missing_y = sample(y, "y", at_least=1 if equal_variances else 2)
    n, m = first.size, second.size
    if n + m < 3:
        raise StatsError("too few values", where="x, y", found=f"{n} and {m}", expected="3 in all")
    if equal_variances:
        squares = ((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()
        df = float(n + m - 2)
        se = math.sqrt(float(squares) / df * (1 / n + 1 / m))
        method, convention = "Student's t test", "pooled variance"
    else:
        u, v = float(first.var(ddof=1)) / n, float(second.var(ddof=1)) / m
        se = math.sqrt(u + v)
        df = (u + v) ** 2 / (u**2 / (n - 1) + v**2 / (m - 1)) if se > 0 else math.nan
        method, convention = "Welch's t test", "separate variances, Satterthwaite's degrees of freedom"
    estimate = float(first.mean() - second.mean())
    return _t_result(
        method, "difference of means", estimate, se, df, difference, alternative, level, n + m, (convention,),
        missing_x + missing_y,
        {"mean_x": float(first.mean()), "mean_y": float(second.mean()), "n_x": n, "n_y": m},
    )  # fmt: skip


def paired_t_test(
    x: Any, y: Any, *, difference: float = 0.0, alternative: str = "two-sided", level: float = 0.95
) -> TestResult:
    """The t test of pairs: of the mean of x - y, over pairs of which both values are known."""
    level, alternative = require_level(level), require_alternative(alternative)
    first, second, missing = paired(x, y, at_least=2)
    return _one_sample(
        first - second, difference, alternative, level, "Paired t test", "mean difference", missing
    )


def _one_sample(
    values: Floats, null: float, alternative: str, level: float, method: str, term: str, missing: int
) -> TestResult:
    n = values.size
    se = float(values.std(ddof=1)) / math.sqrt(n)
    return _t_result(
        method, term, float(values.mean()), se, float(n - 1), null, alternative, level, n, (), missing, {}
    )


def _t_result(
    method: str,
    term: str,
    estimate: float,
    se: float,
    df: float,
    null: float,
    alternative: str,
    level: float,
    n: int,
    conventions: tuple[str, ...],
    missing: int,
    details: dict[str, Any],
) -> TestResult:
    # Rounding leaves a trace of spread in equal values: as R, call less than 10 units of it none.
    if not se > 10 * np.finfo(float).eps * max(
        abs(details.get("mean_x", estimate)), abs(details.get("mean_y", 0.0))
    ):
        raise StatsError(
            "all values are equal: there is no spread to test against",
            where="x",
            found=f"standard error {se:g}",
        )
    t = (estimate - null) / se
    low, high = _t_limits(estimate, se, df, level, alternative)
    return TestResult(
        method,
        term,
        estimate=estimate,
        std_error=se,
        statistic=t,
        df=df,
        p_value=t_p(t, df, alternative),
        conf_low=low,
        conf_high=high,
        statistic_name="t",
        alternative=alternative,
        level=level,
        n=n,
        conventions=conventions,
        warnings=missing_note(missing),
        details=details,
    )


def _t_limits(estimate: float, se: float, df: float, level: float, alternative: str) -> tuple[float, float]:
    out = (1 - level) / (2 if alternative == "two-sided" else 1)
    reach = t_quantile(1 - out, df) * se
    low = -math.inf if alternative == "less" else estimate - reach
    high = math.inf if alternative == "greater" else estimate + reach
    return low, high


def one_way_anova(values: Any, group: Any, *, equal_variances: bool = True) -> TestResult:
    """One-way analysis of variance: are the means of all groups equal?

    Parameters
    ----------
    values : (n,) float
    group : (n,) labels
        Rows where either is missing are left out.
    equal_variances : bool
        False gives Welch's test [welch1951], as `oneway.test` of R does by default.

    Returns
    -------
    TestResult
        `statistic` is F with `df` and `df_denominator`; `details` hold `means`, `sizes`, `labels`, and
        `residual_variance`.
    """
    numbers, codes, labels, missing = grouped(values, group)
    sizes: NDArray[np.int64] = np.bincount(codes)
    means: Floats = np.bincount(codes, weights=numbers) / sizes
    squares = np.asarray(np.bincount(codes, weights=(numbers - means[codes]) ** 2), dtype=np.float64)
    k, n = len(labels), numbers.size
    if equal_variances:
        statistic, df2 = _fisher_f(numbers, means, sizes, squares)
    else:
        statistic, df2 = _welch_f(means, sizes, squares, labels)
    return TestResult(
        "One-way analysis of variance" if equal_variances else "Welch's one-way analysis of variance",
        "group",
        statistic=statistic,
        df=float(k - 1),
        df_denominator=df2,
        p_value=f_tail(statistic, k - 1, df2),
        statistic_name="F",
        n=n,
        conventions=("pooled variance" if equal_variances else "separate variances",),
        warnings=missing_note(missing),
        details={
            "labels": labels,
            "means": means,
            "sizes": sizes,
            "residual_variance": float(squares.sum()) / (n - k) if n > k else math.nan,
        },
    )


def _fisher_f(
    numbers: Floats, means: Floats, sizes: NDArray[np.int64], squares: Floats
) -> tuple[float, float]:
    k, n = means.size, numbers.size
    within = float(squares.sum())
    if n <= k or not within > 0:
        raise StatsError(
            "there is no spread within the groups to test against",
            where="values",
            found=f"{n} values in {k} groups",
        )
    between = float((sizes * (means - numbers.mean()) ** 2).sum())
    return (between / (k - 1)) / (within / (n - k)), float(n - k)


def _welch_f(
    means: Floats, sizes: NDArray[np.int64], squares: Floats, labels: tuple[str, ...]
) -> tuple[float, float]:
    if (sizes < 2).any() or not (squares > 0).all():
        raise StatsError(
            "Welch's test needs spread in every group", where="group", found=group_labels(labels, sizes)
        )
    k = means.size
    weight = sizes * (sizes - 1) / squares
    total = weight.sum()
    center = float((weight * means).sum() / total)
    spread = float(((1 - weight / total) ** 2 / (sizes - 1)).sum()) / (k**2 - 1)
    between = float((weight * (means - center) ** 2).sum()) / (k - 1)
    return between / (1 + 2 * (k - 2) * spread), 1 / (3 * spread)


# -- geometric means -------------------------------------------------------------------------------------


def geometric_mean(x: Any, *, offset: float = 0.0, level: float = 0.95) -> TestResult:
    """The geometric mean, exp of the mean log, with limits.

    Parameters
    ----------
    x : (n,) float, positive
    offset : float
        Added before the log and subtracted after it, where values of zero are to be kept; it changes the
        estimate and is named in the result.

    Returns
    -------
    TestResult
        `estimate`, `conf_low`, `conf_high` on the original scale; `std_error` is of the mean log;
        `details` hold `geometric_sd` (exp of the log's SD), `geometric_cv` and `sd` (of the values).

    Raises
    ------
    StatsError
        A value is zero or negative: the geometric mean does not exist.
    """
    values, missing = sample(x, "x")
    logs = _logs(values, offset, "x")
    n = values.size
    center, sd = float(logs.mean()), float(logs.std(ddof=1)) if n > 1 else math.nan
    low, high = _t_limits(center, sd / math.sqrt(n), n - 1, require_level(level), "two-sided")
    return TestResult(
        "Geometric mean",
        "geometric mean",
        estimate=math.exp(center) - offset,
        std_error=sd / math.sqrt(n),
        df=float(n - 1),
        conf_low=math.exp(low) - offset,
        conf_high=math.exp(high) - offset,
        level=level,
        n=n,
        conventions=("exp of the mean of logs; t limits of the mean log", *_offset_note(offset)),
        warnings=missing_note(missing),
        details={
            "geometric_sd": math.exp(sd),
            "geometric_cv": math.sqrt(math.expm1(sd**2)),
            "sd": float(values.std(ddof=1)) if n > 1 else math.nan,
        },
    )


def geometric_mean_ratio(
    x: Any,
    y: Any,
    *,
    paired_values: bool = False,
    equal_variances: bool = False,
    offset: float = 0.0,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> TestResult:
    """The ratio of two geometric means: a t test on the logs, shown as a ratio.

    Parameters
    ----------
    x, y : (n,), (m,) float, positive
    paired_values : bool
        Whether x and y are pairs (the geometric mean of x / y).
    equal_variances : bool
        Whether the logs' variances are pooled.
    offset : float
        Added to both before the log; see `geometric_mean`.

    Returns
    -------
    TestResult
        `estimate` and limits are ratios; `std_error` is of the log ratio.
    """
    if paired_values:
        first, second, missing = paired(x, y, at_least=2)
        logs = _logs(first, offset, "x"), _logs(second, offset, "y")
        test = paired_t_test(*logs, alternative=alternative, level=level)
    else:
        (first, missing_x), (second, missing_y) = sample(x, "x"), sample(y, "y")
        logs = _logs(first, offset, "x"), _logs(second, offset, "y")
        missing = missing_x + missing_y
        test = t_test(*logs, equal_variances=equal_variances, alternative=alternative, level=level)
    assert test.estimate is not None and test.conf_low is not None and test.conf_high is not None
    return TestResult(
        f"{test.method} of logs",
        "ratio of geometric means",
        estimate=math.exp(test.estimate),
        std_error=test.std_error,
        statistic=test.statistic,
        df=test.df,
        p_value=test.p_value,
        conf_low=math.exp(test.conf_low),
        conf_high=math.exp(test.conf_high),
        statistic_name="t",
        alternative=test.alternative,
        level=level,
        n=test.n,
        conventions=(*test.conventions, *_offset_note(offset)),
        warnings=missing_note(missing),
        details={
            "geometric_mean_x": math.exp(float(logs[0].mean())) - offset,
            "geometric_mean_y": math.exp(float(logs[1].mean())) - offset,
        },
    )


def _logs(values: Floats, offset: float, where: str) -> Floats:
    shifted = values + offset
    bad = int((shifted <= 0).sum())
    if bad:
        raise StatsError(
            "a geometric mean needs positive values",
            where=where,
            found=f"{bad} of {values.size} at or below {-offset:g}",
            expected="values above zero",
            try_="offset=..., a small amount added before the log and named in the result",
        )
    logs: Floats = np.log(shifted)
    return logs


def _offset_note(offset: float) -> tuple[str, ...]:
    return (f"{offset:g} added before the log and subtracted after",) if offset else ()
