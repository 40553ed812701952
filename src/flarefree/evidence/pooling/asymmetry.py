"""Do small trials differ from large ones?  Egger's and Begg's tests, and Duval and Tweedie's trim and fill.

All three speak of small-study effects; whether unpublished trials are behind them is for the reader.
Formulas: docs/methods/pairwise.md, section 9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.pooling.inverse_variance import fit_inverse_variance, limits_of
from flarefree.evidence.pooling.results import Pairwise
from flarefree.evidence.pooling.weighing import Constant, Moderated
from flarefree.stats.distributions import normal_p, t_p
from flarefree.stats.frames import number, p_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AsymmetryTest", "TrimAndFill", "begg", "egger", "trim_and_fill"]

Floats = NDArray[np.float64]

FEWEST = 3
FEW = 10  # below which these tests say little [sterne2011]


@dataclass(frozen=True, slots=True, repr=False)
class AsymmetryTest:
    """A test for small-study effects.

    Attributes
    ----------
    test : str
    statistic, df, p_value : float
        `df` is infinite for a normal statistic.
    slope, slope_std_error : float
        Of the effect on the standard error (Egger's "bias"); Kendall's tau for the rank test.
    limit, limit_low, limit_high : float
        The effect that the regression expects where the standard error is 0, as printed; NaN for ranks.
    """

    test: str
    statistic: float
    df: float
    p_value: float
    slope: float
    slope_std_error: float
    limit: float
    limit_low: float
    limit_high: float
    note: str = ""

    def tidy(self) -> pl.DataFrame:
        """One row."""
        from flarefree.stats.frames import one_row

        return one_row({name: getattr(self, name) for name in self.__slots__ if name != "note"})

    def __repr__(self) -> str:
        name = "tau" if math.isnan(self.slope_std_error) else "slope"
        on = "" if math.isinf(self.df) else f" on {self.df:g} df"
        told = f"statistic {number(self.statistic, 4)}{on}, p = {p_text(self.p_value)}"
        lines = [self.test, f"  {name} {number(self.slope)}, {told}"]
        if not math.isnan(self.limit):
            lines.append(
                f"  expected at a standard error of 0: {number(self.limit, 4)} "
                f"({number(self.limit_low, 4)} to {number(self.limit_high, 4)})"
            )
        return "\n".join([*lines, *([f"  {self.note}"] if self.note else [])])


def egger(result: Pairwise, *, model: str = "regression") -> AsymmetryTest:
    """Egger's test of the effect against its standard error.

    `regression` weights by 1/v and lets the residual variance scale the errors [egger1997];
    `meta_regression` has the result's own tau2 method and test [sterne2005].
    """
    y, v = _effects(result)
    error = np.sqrt(v)
    if float(np.ptp(error)) <= 1e-12 * float(error.max()):
        raise EvidenceError(
            "all trials have the same standard error", where="egger", found=number(float(error[0]))
        )
    design = Moderated(np.column_stack([np.ones(len(y)), error]))
    if model == "regression":
        fit = fit_inverse_variance(y, v, design, "common", hartung_knapp=True)
        title = "Egger's test: weighted regression on the standard error"
    elif model == "meta_regression":
        q = result.question
        method = "common" if q.uses_counts else q.method
        fit = fit_inverse_variance(
            y, v, design, method, hartung_knapp=q.hartung_knapp, ad_hoc_floor=q.ad_hoc_floor
        )
        title = f"Egger's test: meta-regression on the standard error ({q.label})"
    else:
        raise EvidenceError(
            "unknown form of Egger's test",
            where="model",
            found=repr(model),
            expected="regression, meta_regression",
        )
    slope, slope_error = float(fit.b[1]), float(fit.std_error[1])
    statistic = slope / slope_error if slope_error > 0 else math.nan
    low, high = limits_of(float(fit.b[0]), float(fit.std_error[0]), fit.df, result.conf_level)
    limit, limit_low, limit_high = (result.printed(float(x)) for x in (fit.b[0], low, high))
    p = normal_p(statistic) if math.isinf(fit.df) else t_p(statistic, fit.df)
    return AsymmetryTest(
        title, statistic, fit.df, p, slope, slope_error, limit, limit_low, limit_high, _few(len(y))
    )


def begg(result: Pairwise) -> AsymmetryTest:
    """Kendall's tau between standardized effects and variances; exact P without ties [begg1994]."""
    y, v = _effects(result)
    w = 1.0 / v
    z = (y - w @ y / w.sum()) / np.sqrt(v - 1.0 / w.sum())
    i, j = np.triu_indices(len(y), 1)
    score = int((np.sign(z[i] - z[j]) * np.sign(v[i] - v[j])).sum())
    ties = [np.unique(x, return_counts=True)[1] for x in (z, v)]
    pairs = len(y) * (len(y) - 1) / 2.0
    free = [pairs - float((t * (t - 1)).sum()) / 2.0 for t in ties]
    if min(free) == 0.0:
        raise EvidenceError("all trials have the same variance", where="begg", found=number(float(v[0])))
    tau = score / math.sqrt(free[0] * free[1])
    if all((t == 1).all() for t in ties) and len(y) < EXACT_RANKS_BELOW:
        statistic, p = math.nan, _exact_kendall(score, len(y))
    else:
        statistic = score / math.sqrt(_kendall_variance(len(y), *ties))
        p = normal_p(statistic)
    title = "Begg and Mazumdar's rank correlation test" + (" (exact)" if math.isnan(statistic) else "")
    return AsymmetryTest(
        title, statistic, math.inf, p, tau, math.nan, math.nan, math.nan, math.nan, _few(len(y))
    )


EXACT_RANKS_BELOW = 101


def _exact_kendall(score: int, n: int) -> float:
    """Two-sided: twice the smaller tail of the number of inversions of a random order."""
    ways = np.ones(1)
    for size in range(2, n + 1):
        ways = np.convolve(ways, np.full(size, 1.0 / size))
    pairs = n * (n - 1) // 2
    inversions = (pairs - abs(score)) // 2
    return min(1.0, 2.0 * float(ways[: inversions + 1].sum()))


def _kendall_variance(n: int, *ties: NDArray[np.int64]) -> float:
    """Of the score, with ties [kendall1970]."""

    def sums(t: NDArray[np.int64]) -> tuple[float, float, float]:
        return (
            float((t * (t - 1) * (2 * t + 5)).sum()),
            float((t * (t - 1)).sum()),
            float((t * (t - 1) * (t - 2)).sum()),
        )

    (a5, a1, a2), (b5, b1, b2) = (sums(t) for t in ties)
    variance = (n * (n - 1) * (2 * n + 5) - a5 - b5) / 18.0
    variance += a1 * b1 / (2.0 * n * (n - 1))
    return variance + (a2 * b2 / (9.0 * n * (n - 1) * (n - 2)) if n > 2 else 0.0)


def _effects(result: Pairwise) -> tuple[Floats, Floats]:
    y, v = result.trials.y, result.trials.v
    if len(y) < FEWEST:
        raise EvidenceError(
            "too few trials to see whether small ones differ",
            where="trials",
            found=str(len(y)),
            expected=f"{FEWEST} or more",
        )
    return y, v


def _few(k: int) -> str:
    return f"{k} trials: below {FEW} this test says little" if k < FEW else ""


# Trim and fill ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class TrimAndFill:
    """Trials thought missing, and the estimate with them.

    Attributes
    ----------
    missing : int
    std_error : float
        Of the number missing.
    side : str
        `left` or `right`: where trials are thought missing.
    filled_y, filled_v : (missing,) float
        The mirror images put in.
    adjusted : Pairwise
    whole : Pairwise
    """

    missing: int
    std_error: float
    side: str
    estimator: str
    filled_y: Floats
    filled_v: Floats
    adjusted: Pairwise
    whole: Pairwise

    def tidy(self) -> pl.DataFrame:
        """Two rows: as observed, and with the missing trials filled in."""
        from flarefree.stats.frames import tidy_frame

        names = (
            "estimate",
            "std_error",
            "statistic",
            "p_value",
            "conf_low",
            "conf_high",
            "log_estimate",
            "tau2",
            "k",
        )
        return tidy_frame(
            [
                {"term": term} | {name: getattr(r, name) for name in names}
                for term, r in (("observed", self.whole), ("filled", self.adjusted))
            ]
        )

    def __repr__(self) -> str:
        error = "" if math.isnan(self.std_error) else f" (SE {number(self.std_error, 3)})"
        head = f"Trim and fill ({self.estimator}): {self.missing} trials thought missing on the {self.side}"
        lines = [
            f"  {term} {r.measure.key} {number(r.estimate, 4)} "
            f"({number(r.conf_low, 4)} to {number(r.conf_high, 4)})"
            for term, r in (("observed", self.whole), ("filled  ", self.adjusted))
        ]
        return "\n".join([head + error, *lines])


def trim_and_fill(result: Pairwise, *, side: str | None = None, estimator: str = "L0") -> TrimAndFill:
    """Duval and Tweedie's iteration with L0, R0 or Q0 [duval2000].

    Unless given, the side is the one that Egger's regression points away from.
    """
    if result.question.uses_counts or result.terms is not None:
        raise EvidenceError(
            "trim and fill works on pooling by inverse variance",
            where="method",
            found=result.method,
            try_='method="common" or "REML"',
        )
    if estimator not in ("L0", "R0", "Q0"):
        raise EvidenceError(
            "unknown estimator", where="estimator", found=repr(estimator), expected="L0, R0, Q0"
        )
    y, v = _effects(result)
    if side is None:
        design = Moderated(np.column_stack([np.ones(len(y)), np.sqrt(v)]))
        q = result.question
        side = "right" if float(fit_inverse_variance(y, v, design, q.method).b[1]) < 0 else "left"
    if side not in ("left", "right"):
        raise EvidenceError("unknown side", where="side", found=repr(side), expected="left, right")
    # Missing on the right is missing on the left of the mirror image.
    sign = 1.0 if side == "left" else -1.0
    order = np.argsort(sign * y, kind="stable")
    y, v = sign * y[order], v[order]
    missing, raw, center = _trim(y, v, result, estimator)
    k = len(y)
    extreme = slice(k - missing, k)
    filled_y, filled_v = sign * (2.0 * center - y[extreme]), v[extreme]
    adjusted = _with_filled(result, filled_y, filled_v)
    error = _missing_error(raw, k, estimator)
    return TrimAndFill(missing, error, side, estimator, filled_y, filled_v, adjusted, result)


def _trim(y: Floats, v: Floats, result: Pairwise, estimator: str) -> tuple[int, float, float]:
    """How many of the largest effects lack a counterpart, the same unrounded, and the center without them."""
    k, missing, raw, center = len(y), 0, 0.0, 0.0
    for _ in range(100):
        kept = k - missing
        if kept < 1:
            break
        fit = fit_inverse_variance(y[:kept], v[:kept], Constant(), result.method)
        center = float(fit.b[0])
        raw = _missing_count(_signed_ranks(y - center), k, estimator)
        count = min(max(0, round(raw)), k - 1)  # halves to even, as R does
        if count == missing:
            break
        missing = count
    return missing, raw, center


def _signed_ranks(distance: Floats) -> Floats:
    """Ranks of the distances, first come first where tied, with their signs."""
    ranks = np.empty(len(distance))
    ranks[np.argsort(np.abs(distance), kind="stable")] = np.arange(1.0, len(distance) + 1.0)
    return np.sign(distance) * ranks


def _missing_count(ranks: Floats, k: int, estimator: str) -> float:
    if estimator == "R0":
        return k + float(ranks[ranks < 0].min(initial=0.0)) - 1.0
    positive = float(ranks[ranks > 0].sum())
    if estimator == "L0":
        return (4.0 * positive - k * (k + 1)) / (2 * k - 1)
    return k - 0.5 - math.sqrt(max(2 * k * k - 4.0 * positive + 0.25, 0.0))


def _missing_error(missing: float, k: int, estimator: str) -> float:
    """By Duval and Tweedie's variances; NaN where they are negative."""
    if estimator == "R0":
        return math.sqrt(2.0 * max(0.0, missing) + 2.0)
    n, m = float(k), missing
    spread = (
        n * (n + 1) * (2 * n + 1) + 10 * m**3 + 27 * m**2 + 17 * m - 18 * n * m**2 - 18 * n * m + 6 * n**2 * m
    ) / 24.0
    if spread < 0:
        return math.nan
    if estimator == "L0":
        return 4.0 * math.sqrt(spread) / (2 * n - 1)
    return 2.0 * math.sqrt(spread) / math.sqrt((n - 0.5) ** 2 - m * (2 * n - m - 1))


def _with_filled(result: Pairwise, filled_y: Floats, filled_v: Floats) -> Pairwise:
    from flarefree.evidence.pooling.call import fit_trials

    t, count = result.trials, len(filled_y)
    names = tuple(f"filled {i + 1}" for i in range(count))
    trials = replace(
        t,
        names=t.names + names,
        y=np.concatenate([t.y, filled_y]),
        v=np.concatenate([t.v, filled_v]),
        tables=None,
        corrected=np.concatenate([t.corrected, np.zeros(count, bool)]),
        extra={},
        all_tables=None,
        all_names=t.names + names,
    )
    return fit_trials(trials, result.question)
