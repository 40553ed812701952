"""What a Cox model gives: coefficients, limits, three tests, and the way to everything derived from it.

Decides how a fit is shown; `cox_array` makes it, and residuals, curves, tests of proportional hazards
and concordance are each in their own module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from flarefree.stats.survival._coefficients import Coefficients
from flarefree.stats.survival._cox_data import CoxRows
from flarefree.stats.survival._numbers import chi_square_p, require_level

if TYPE_CHECKING:
    from flarefree.stats.formula import Design
    from flarefree.stats.survival.cox_concordance import Concordance
    from flarefree.stats.survival.cox_curves import CoxCurves
    from flarefree.stats.survival.cox_zph import ProportionalHazardsTest
    from flarefree.stats.survival.frailty_term import FrailtyTerm

__all__ = ["ChiSquareTest", "CoxFit"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


class ChiSquareTest(NamedTuple):
    """A chi-square statistic, its degrees of freedom and its p-value."""

    statistic: float
    df: float
    p_value: float


def chi_square(statistic: float, df: float) -> ChiSquareTest:
    return ChiSquareTest(statistic, df, chi_square_p(statistic, df))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoxFit(Coefficients):
    """A fitted proportional hazards model.

    Attributes
    ----------
    terms : tuple of str
        Names of the coefficients.
    coef, std_error : (p,) float
        Log hazard ratios and their standard errors: the robust ones where there are clusters.
    covariance, naive_covariance : (p, p) float
        As used for `std_error`; inverse information.
    loglik_null, loglik : float
        Log partial likelihood at zero and at `coef` (penalized, if `firth`).
    likelihood_ratio, wald, score : ChiSquareTest
        Tests of all coefficients together.  Wald's is robust where there are clusters; `robust_score`
        too.
    n, n_events : int
        Rows, and rows with an event.
    ties : str
        `efron`, `breslow` or `exact`.
    converged : bool
        False where the likelihood is monotone; `warnings` says which coefficient runs away.
    """

    terms: tuple[str, ...]
    coef: Floats
    covariance: Floats
    naive_covariance: Floats
    loglik_null: float
    loglik: float
    likelihood_ratio: ChiSquareTest
    wald: ChiSquareTest
    robust_score: ChiSquareTest | None
    n: int
    n_events: int
    n_clusters: int | None
    ties: str
    firth: bool
    level: float
    iterations: int
    converged: bool
    warnings: tuple[str, ...]
    rows: CoxRows = field(repr=False)
    score_at_zero: tuple[Floats, Floats] | None = field(default=None, repr=False)
    """Score and information at zero, of scaled covariates, where the fit has met them."""
    formula: str = ""
    omitted: int = 0
    """Rows left out because a value was missing."""
    frailty: FrailtyTerm | None = None
    """The shared frailty, if the model has one; `loglik` is then the integrated one."""
    design: Design | None = field(default=None, repr=False)
    """The formula's design, if there is one: it codes new data as the fit's."""
    assign: tuple[tuple[str, int, int], ...] = ()
    """Terms of the formula with their columns' start and stop; one a coefficient without a formula."""

    @property
    def score(self) -> ChiSquareTest:
        """Score test of all coefficients together; with very many rows it is computed when asked for."""
        p = self.coef.size
        if self.frailty is not None and self.frailty.variance > 0:
            return ChiSquareTest(math.nan, p, math.nan)
        if not p:
            return chi_square(0.0, 0)
        u, information = self.score_at_zero or self._evaluate_at_zero()
        return chi_square(float(u @ np.linalg.solve(information, u)), p)

    def _evaluate_at_zero(self) -> tuple[Floats, Floats]:
        from flarefree.stats.survival.cox_array import likelihood

        _, u, information = likelihood(self.rows, self.ties, self.firth)(np.zeros(self.coef.size))
        return u, information

    @property
    def naive_std_error(self) -> Floats:
        """Standard errors from the information alone."""
        return np.sqrt(np.diag(self.naive_covariance))

    @property
    def hr(self) -> Floats:
        """Hazard ratios, (p,)."""
        return np.exp(self.coef)

    @property
    def hr_low(self) -> Floats:
        """Lower limits of the hazard ratios."""
        return self.ratio_low

    @property
    def hr_high(self) -> Floats:
        """Upper limits of the hazard ratios."""
        return self.ratio_high

    @property
    def strata(self) -> tuple[Any, ...]:
        """Labels of the strata."""
        return self.rows.strata

    @property
    def method(self) -> str:
        """The model in words, with its conventions."""
        words = [f"Cox model, {self.ties} ties"]
        if self.firth:
            words.append("Firth's penalty")
        if len(self.strata) > 1:
            words.append(f"{len(self.strata)} strata")
        if self.rows.entry.size:
            words.append("left truncation, intervals (entry, time]")
        if self.rows.is_weighted:
            words.append("case weights")
        if self.n_clusters is not None:
            rows = self.n_clusters == self.n
            words.append("robust variance" + (" of rows" if rows else f" over {self.n_clusters} clusters"))
        if self.frailty is not None:
            words.append(self.frailty.conventions)
        return ", ".join(words)

    def residuals(self, kind: str = "martingale") -> Floats:
        """Residuals by given row; see `cox_residuals`."""
        from flarefree.stats.survival.cox_residuals import cox_residuals

        return cox_residuals(self, kind)

    def schoenfeld(self, *, scaled: bool = False) -> pl.DataFrame:
        """Schoenfeld residuals, one row an event."""
        from flarefree.stats.survival.cox_residuals import schoenfeld

        return schoenfeld(self, scaled=scaled)

    def profile_limits(self) -> pl.DataFrame:
        """Profile-likelihood limits and tests of each coefficient; see `profile_limits`."""
        from flarefree.stats.survival.cox_profile import profile_limits

        return profile_limits(self)

    def zph(self, transform: Any = "km") -> ProportionalHazardsTest:
        """Test of proportional hazards; see `proportional_hazards`."""
        from flarefree.stats.survival.cox_zph import proportional_hazards

        return proportional_hazards(self, transform)

    def concordance(self) -> Concordance:
        """Harrell's concordance of the linear predictor."""
        from flarefree.stats.survival.cox_concordance import concordance

        return concordance(self)

    def baseline_hazard(self, *, centered: bool = False) -> pl.DataFrame:
        """Cumulative baseline hazard by stratum."""
        from flarefree.stats.survival.cox_curves import baseline_hazard

        return baseline_hazard(self, centered=centered)

    def predict_survival(self, x: Any, *, conf_type: str = "log-log") -> CoxCurves:
        """Survival curves for covariates (m, p) in the order of `terms`, or a frame for a formula's fit."""
        from flarefree.stats.survival.cox_curves import predict_curves

        values = self.design.matrix_for(x) if self.design is not None and not isinstance(x, np.ndarray) else x
        return predict_curves(self, values, conf_type=conf_type)

    def with_level(self, level: float) -> CoxFit:
        """The same fit with limits of another level."""
        return replace(self, level=require_level(level))

    def tidy(self) -> pl.DataFrame:
        """One row a term: estimate and limits of the log hazard ratio, then of the hazard ratio.

        Columns term, estimate, std_error, statistic (z), p_value, conf_low, conf_high, hazard_ratio,
        hr_conf_low, hr_conf_high.
        """
        return self._tidy("hazard_ratio", "hr")

    def glance(self) -> pl.DataFrame:
        """One row: counts, log likelihoods, the three tests, and every convention."""
        row: dict[str, Any] = {"n": self.n, "n_event": self.n_events}
        row |= {"loglik_null": self.loglik_null, "loglik": self.loglik}
        tests = {"lr": self.likelihood_ratio, "wald": self.wald, "score": self.score}
        if self.robust_score is not None:
            tests["robust_score"] = self.robust_score
        for name, test in tests.items():
            row |= {f"{name}_statistic": test.statistic, f"{name}_p_value": test.p_value}
        row |= {"df": self.likelihood_ratio.df, "ties": self.ties, "n_strata": len(self.strata)}
        row |= {"n_clusters": self.n_clusters, "iterations": self.iterations, "level": self.level}
        if self.frailty is not None:
            row |= {"frailty_variance": self.frailty.variance, "frailty_conf_low": self.frailty.conf_low}
            row |= {"frailty_conf_high": self.frailty.conf_high, "frailty_p_value": self.frailty.test.p_value}
        row |= {"converged": self.converged, "omitted": self.omitted, "method": self.method}
        return pl.DataFrame({name: [value] for name, value in row.items()})

    def __repr__(self) -> str:
        lines = [self.method]
        if self.formula:
            lines.append(f"formula   {self.formula}")
        lines.append(f"{self.n} rows, {self.n_events} events" + self._left_out())
        lines += self._table("HR") if self.terms else [f"no covariates; log likelihood {self.loglik:.6g}"]
        if self.frailty is not None:
            lines.append(repr(self.frailty))
        lines += self._tests()
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    def _left_out(self) -> str:
        return f"; {self.omitted} rows left out for missing values" if self.omitted else ""

    def _tests(self) -> list[str]:
        if not self.terms:
            return []
        tests = [("likelihood ratio", self.likelihood_ratio), ("Wald", self.wald), ("score", self.score)]
        if self.robust_score is not None:
            tests.append(("robust score", self.robust_score))
        return [
            f"{name + ' test':<21} {test.statistic:.4g} on {test.df:g} df, p = {test.p_value:.4g}"
            for name, test in tests
            if not math.isnan(test.statistic)
        ]
