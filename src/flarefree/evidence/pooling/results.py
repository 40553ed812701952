"""`Pairwise`: a pooled estimate with its trials, its heterogeneity, and what can be asked of it further."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.pooling.heterogeneity import (
    ESTIMATORS,
    compute_q_profile,
    compute_typical_variance,
    tau2_std_error,
)
from flarefree.evidence.pooling.inverse_variance import Fit, limits_of
from flarefree.evidence.pooling.measures import Measure
from flarefree.evidence.pooling.printing import describe_pairwise
from flarefree.evidence.pooling.question import Question
from flarefree.evidence.pooling.trials import Trials
from flarefree.evidence.pooling.weighing import Constant, Design, Moderated
from flarefree.stats.distributions import chi_square_tail, f_tail, normal_p, t_p

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.pooling.asymmetry import AsymmetryTest, TrimAndFill
    from flarefree.evidence.pooling.counts import ExactLimits
    from flarefree.evidence.pooling.moderators import ModeratorTerms
    from flarefree.evidence.pooling.repeated import RepeatedPooling, Subgroups
    from flarefree.evidence.pooling.sequential import SequentialAnalysis
    from flarefree.results import Figure

__all__ = ["Pairwise", "Prediction"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the regression expects of trials with given moderators, as printed (ratios, not logs)."""

    estimate: float
    conf_low: float
    conf_high: float
    prediction_low: float
    prediction_high: float


@dataclass(frozen=True, eq=False, repr=False)
class Pairwise:
    """A pooled comparison of two treatments.

    Numbers without `log_` are as printed: a ratio is a ratio.  `std_error`, `tau2` and everything named
    `log_...` are on the scale of analysis, the log for ratios.  With moderators there is no one pooled
    estimate (NaN); `coefficients` holds the regression's.

    Attributes
    ----------
    question : Question
        Measure, method and conventions.
    trials : Trials
        Effects `y` with variances `v`, the tables, who was left out.
    fit : Fit
    notes : tuple of str
        What was decided or must be known.
    terms : ModeratorTerms or None
    tau2_without : float or None
        tau2 without the moderators.
    """

    question: Question
    trials: Trials
    fit: Fit
    notes: tuple[str, ...] = ()
    terms: ModeratorTerms | None = None
    tau2_without: float | None = None
    exact: ExactLimits | None = None

    # What was asked -----------------------------------------------------------------------------

    @property
    def measure(self) -> Measure:
        return self.question.measure

    @property
    def method(self) -> str:
        return self.question.method

    @property
    def conf_level(self) -> float:
        return self.question.conf_level

    @property
    def treatment(self) -> str:
        return self.trials.treatment

    @property
    def reference(self) -> str:
        return self.trials.reference

    @property
    def k(self) -> int:
        """Trials that the estimate is made of."""
        return len(self.fit.weight) if self.fit.n_trials is None else self.fit.n_trials

    # The estimate -------------------------------------------------------------------------------

    @property
    def log_estimate(self) -> float:
        """The pooled effect on the scale of analysis."""
        return float(self.fit.b[0]) if self.terms is None else math.nan

    @property
    def estimate(self) -> float:
        return self.printed(self.log_estimate)

    @property
    def std_error(self) -> float:
        """On the scale of analysis."""
        return math.sqrt(float(self.fit.covariance[0, 0])) if self.terms is None else math.nan

    @property
    def df(self) -> float:
        """Of the t distribution; infinite for the normal."""
        return self.fit.df

    @property
    def statistic(self) -> float:
        """The z or t of no difference."""
        return _ratio(self.log_estimate, self.std_error)

    @property
    def p_value(self) -> float:
        """Two-sided."""
        if self.exact is not None:
            return self.exact.p_value
        return _p(self.statistic, self.df)

    @cached_property
    def log_limits(self) -> tuple[float, float]:
        """Confidence limits on the scale of analysis."""
        if self.exact is not None:
            return self.exact.low, self.exact.high
        low, high = limits_of(self.log_estimate, self.std_error, self.df, self.conf_level)
        return float(low), float(high)

    @property
    def conf_low(self) -> float:
        return self.printed(self.log_limits[0])

    @property
    def conf_high(self) -> float:
        return self.printed(self.log_limits[1])

    # Heterogeneity ------------------------------------------------------------------------------

    @property
    def tau2(self) -> float:
        """Variance between trials, on the scale of analysis."""
        return self.fit.tau2

    @property
    def tau(self) -> float:
        return math.sqrt(self.tau2)

    @property
    def tau2_std_error(self) -> float:
        if self.method in ESTIMATORS and self.fit.q_df > 0:
            return tau2_std_error(self.tau2, self.trials.y, self.trials.v, self.design, self.method)
        return self.fit.tau2_std_error

    @cached_property
    def tau2_limits(self) -> tuple[float, float]:
        """Q-profile limits of tau2 [viechtbauer2007]; NaN for too few trials, or methods on counts."""
        if len(self.trials) <= self.design.n_columns or self.question.uses_counts:
            return math.nan, math.nan
        return compute_q_profile(self.trials.y, self.trials.v, self.design, self.conf_level)

    @property
    def q(self) -> float:
        """Cochran's Q (with moderators, of what they leave)."""
        return self.fit.q

    @property
    def q_df(self) -> int:
        return self.fit.q_df

    @property
    def q_p_value(self) -> float:
        return chi_square_tail(self.q, self.q_df)

    @property
    def i2(self) -> float:
        """Percent of the variation that chance does not explain [higgins2002].

        By tau2 beside the typical sampling variance; with a common effect, by Q beside its degrees of
        freedom.
        """
        if self.q_df < 1 or (math.isnan(self.q) and not self.question.is_random):
            return math.nan
        if self.question.is_random:
            return _i2(self.tau2, self._typical_variance)
        return 100.0 * max(0.0, 1.0 - self.q_df / self.q) if self.q > 0 else 0.0

    @property
    def i2_limits(self) -> tuple[float, float]:
        """From the limits of tau2."""
        low, high = self.tau2_limits
        return _i2(low, self._typical_variance), _i2(high, self._typical_variance)

    @property
    def h2(self) -> float:
        """Total variation beside sampling variation."""
        if self.q_df < 1:
            return math.nan
        if self.question.is_random:
            return 1.0 + self.tau2 / self._typical_variance
        return self.q / self.q_df

    @property
    def h2_limits(self) -> tuple[float, float]:
        low, high = self.tau2_limits
        return 1.0 + low / self._typical_variance, 1.0 + high / self._typical_variance

    @cached_property
    def _typical_variance(self) -> float:
        return compute_typical_variance(self.trials.v, self.design)

    @cached_property
    def prediction_df(self) -> float:
        """Degrees of freedom of the prediction interval: k - 2, k - 1, or infinite."""
        spare = self.k - (1 if self.terms is None else len(self.terms.names))
        return {"k-2": spare - 1.0, "k-1": float(spare), "normal": math.inf}[self.question.prediction]

    @cached_property
    def log_prediction_limits(self) -> tuple[float, float]:
        """Where the effect of a new trial is expected; NaN without random effects or enough trials."""
        if not self.question.is_random or self.terms is not None or self.prediction_df <= 0:
            return math.nan, math.nan
        spread = math.sqrt(self.std_error**2 + self.tau2)
        low, high = limits_of(self.log_estimate, spread, self.prediction_df, self.conf_level)
        return float(low), float(high)

    @property
    def prediction_low(self) -> float:
        return self.printed(self.log_prediction_limits[0])

    @property
    def prediction_high(self) -> float:
        return self.printed(self.log_prediction_limits[1])

    # Regression ---------------------------------------------------------------------------------

    @cached_property
    def design(self) -> Design:
        return Constant() if self.terms is None else Moderated(self.terms.matrix)

    @property
    def moderator_test(self) -> tuple[float, int, float, float]:
        """Omnibus test of the moderators: statistic, its df, the df below (infinite: chi-square), P.

        Q_M by the normal distribution; F with Hartung-Knapp.
        """
        if self.terms is None:
            return math.nan, 0, math.inf, math.nan
        chosen = self.terms.moderating
        b, covariance = self.fit.b[chosen], self.fit.covariance[np.ix_(chosen, chosen)]
        m = int(chosen.sum())
        statistic = float(b @ np.linalg.solve(covariance, b)) if m else math.nan
        if math.isinf(self.df):
            return statistic, m, math.inf, chi_square_tail(statistic, m)
        return statistic / m, m, self.df, f_tail(statistic / m, m, self.df)

    @property
    def r2(self) -> float:
        """Percent of tau2 that the moderators explain; NaN where there was none."""
        if self.tau2_without is None or not self.tau2_without > 0:
            return math.nan
        return 100.0 * max(0.0, 1.0 - self.tau2 / self.tau2_without)

    @property
    def coefficients(self) -> list[dict[str, Any]]:
        """One mapping a coefficient, on the scale of analysis."""
        names = ("pooled",) if self.terms is None else self.terms.names
        low, high = limits_of(self.fit.b, self.fit.std_error, self.df, self.conf_level)
        rows = []
        for i, name in enumerate(names):
            estimate, error = float(self.fit.b[i]), float(self.fit.std_error[i])
            statistic = _ratio(estimate, error)
            rows.append(
                {
                    "term": name,
                    "estimate": estimate,
                    "std_error": error,
                    "statistic": statistic,
                    "df": self.df,
                    "p_value": _p(statistic, self.df),
                    "conf_low": float(np.asarray(low)[i]),
                    "conf_high": float(np.asarray(high)[i]),
                }
            )
        return rows

    def predict(self, **moderators: Any) -> Prediction:
        """The effect that the regression expects at these moderators: `predict(ablat=33)`."""
        row = np.ones(1) if self.terms is None else self.terms.row_for(moderators)
        middle, variance = float(row @ self.fit.b), float(row @ self.fit.covariance @ row)
        low, high = limits_of(middle, math.sqrt(variance), self.df, self.conf_level)
        wide = (math.nan, math.nan)
        if self.question.is_random and self.prediction_df > 0:
            spread = math.sqrt(variance + self.tau2)
            wide = limits_of(middle, spread, self.prediction_df, self.conf_level)  # type: ignore[assignment]
        return Prediction(*(self.printed(float(x)) for x in (middle, low, high, *wide)))

    # Further questions --------------------------------------------------------------------------

    def leave_one_out(self) -> RepeatedPooling:
        """The pooled estimate without each trial in turn."""
        from flarefree.evidence.pooling.repeated import leave_one_out

        return leave_one_out(self)

    def cumulative(self, order: str | Sequence[Any] | None = None) -> RepeatedPooling:
        """The pooled estimate after each trial, in the order of a column (`"year"`) or of values given."""
        from flarefree.evidence.pooling.repeated import pool_cumulatively

        return pool_cumulatively(self, order)

    def subgroups(self, by: str, *, common_tau2: bool = False) -> Subgroups:
        """Pooled within each level of a column, and whether levels differ."""
        from flarefree.evidence.pooling.repeated import pool_subgroups

        return pool_subgroups(self, by, common_tau2=common_tau2)

    def egger(self, *, model: str = "regression") -> AsymmetryTest:
        """Egger's test: weighted regression on the standard error, or a mixed `meta_regression` on it."""
        from flarefree.evidence.pooling.asymmetry import egger

        return egger(self, model=model)

    def begg(self) -> AsymmetryTest:
        """Begg and Mazumdar's rank correlation test."""
        from flarefree.evidence.pooling.asymmetry import begg

        return begg(self)

    def trim_and_fill(self, *, side: str | None = None, estimator: str = "L0") -> TrimAndFill:
        """Duval and Tweedie's estimate of missing trials, and the estimate with them filled in."""
        from flarefree.evidence.pooling.asymmetry import trim_and_fill

        return trim_and_fill(self, side=side, estimator=estimator)

    def sequential(self, **options: Any) -> SequentialAnalysis:
        """Cumulative z against O'Brien-Fleming-type boundaries; see `sequential.analyze_sequentially`."""
        from flarefree.evidence.pooling.sequential import analyze_sequentially

        if "effect" not in options:
            raise EvidenceError(
                "a sequential analysis needs the effect to look for",
                where="sequential",
                found=", ".join(options) or "nothing",
                expected="effect",
                try_=f".sequential(effect={'0.8' if self.measure.is_ratio else '5'})",
            )
        return analyze_sequentially(self, **options)

    # Shown --------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a trial, then the pooled one and the prediction interval; what `tidy` frames."""
        from flarefree.evidence.pooling.tidying import rows_of

        return rows_of(self)

    def tidy(self) -> pl.DataFrame:
        """A row a trial and the pooled row (and prediction interval); a regression's coefficients instead.

        `estimate` and limits as printed, `log_estimate` and `std_error` on the scale of analysis.
        """
        from flarefree.stats.frames import tidy_frame

        return tidy_frame(self.rows() if self.terms is None else self.coefficients)

    def glance(self) -> pl.DataFrame:
        """One row: what was done, and the heterogeneity."""
        from flarefree.evidence.pooling.tidying import glance_of

        return glance_of(self)

    def plot(self, kind: str = "forest", **options: Any) -> Figure:
        """A figure: `forest`, `funnel`, `cumulative`, `leave_one_out`, `bubble` or `sequential`."""
        from flarefree.evidence.pooling.figures import figure_of

        return figure_of(self, kind, **options)

    def __repr__(self) -> str:
        return describe_pairwise(self)

    def printed(self, value: float) -> float:
        """From the scale of analysis to the one that is printed."""
        return _exp(value) if self.measure.is_ratio else value


def _exp(value: float) -> float:
    return math.inf if value > 709.0 else math.exp(value)


def _ratio(estimate: float, error: float) -> float:
    if error > 0:
        return estimate / error
    return math.nan if estimate == 0 or math.isnan(error) else math.copysign(math.inf, estimate)


def _p(statistic: float, df: float) -> float:
    return normal_p(statistic) if math.isinf(df) else t_p(statistic, df)


def _i2(tau2: float, typical: float) -> float:
    return 100.0 * tau2 / (tau2 + typical)
