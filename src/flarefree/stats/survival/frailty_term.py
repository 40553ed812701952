"""What a shared frailty gives: its variance with limits and test, and the effect of each group."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from flarefree.stats.survival.cox_fit import ChiSquareTest

__all__ = ["FrailtyTerm"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, repr=False)
class FrailtyTerm:
    """The frailty of a fit.

    Attributes
    ----------
    name : str
        The grouping variable.
    distribution : {"gamma", "lognormal"}
    method : {"em", "laplace", "reml", "fixed"}
        Marginal likelihood of the gamma frailty; Laplace's approximation, as coxme; approximate REML, as
        coxph's gaussian; or a variance that was given.
    variance : float
        Of the frailty (gamma, mean 1), or of its logarithm (log-normal).  Zero if the likelihood falls
        from there: `is_boundary`.
    conf_low, conf_high : float
        Profile-likelihood limits of the variance, found when first asked for; NaN for REML, which has no
        likelihood to profile.
    loglik : float
        Integrated log likelihood at the maximum; `loglik_without` is that of the model without frailty.
    test : ChiSquareTest
        Likelihood-ratio test of variance zero; half the chi-square tail, for zero is a boundary.
    groups : tuple
        Labels.
    n, n_events : (groups,)
        Rows and events.
    values, std_error : (groups,)
        Log frailties and their standard errors given the variance.
    wald, effective_df : float
        The chi-square that coxph prints for the term, and its degrees of freedom.
    is_dense : bool
        Whether the information between groups was used; otherwise, as in coxph, its diagonal.
    """

    name: str
    distribution: str
    method: str
    variance: float
    loglik: float
    loglik_without: float
    loglik_penalized: float
    test: ChiSquareTest
    groups: tuple[Any, ...]
    n: Any = field(repr=False)
    n_events: Floats = field(repr=False)
    values: Floats = field(repr=False)
    std_error: Floats = field(repr=False)
    wald: float
    effective_df: float
    is_dense: bool
    level: float
    profile: Any = field(repr=False)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Profile-likelihood limits of the variance."""
        low, high = self.profile.limits(self.variance, self.level)
        return float(low), float(high)

    @property
    def conf_low(self) -> float:
        return self.limits[0]

    @property
    def conf_high(self) -> float:
        return self.limits[1]

    @property
    def is_boundary(self) -> bool:
        """Whether the variance is zero: the data show no more heterogeneity than chance."""
        return self.variance == 0.0

    @property
    def conventions(self) -> str:
        """Distribution and estimator in words."""
        how = {
            "em": "marginal likelihood",
            "laplace": "Laplace approximation",
            "reml": "approximate REML",
            "fixed": "variance given",
        }[self.method]
        kind = "gamma" if self.distribution == "gamma" else "log-normal"
        block = "full information" if self.is_dense else "diagonal frailty information"
        return f"{kind} frailty by {self.name} ({how}, {block})"

    def tidy(self) -> pl.DataFrame:
        """One row a group: group, n, n_event, estimate (log frailty), std_error, frailty."""
        return pl.DataFrame(
            {
                "group": list(self.groups),
                "n": self.n,
                "n_event": self.n_events,
                "estimate": self.values,
                "std_error": self.std_error,
                "frailty": np.exp(self.values),
            }
        )

    def __repr__(self) -> str:
        text = f"{self.conventions}: variance {self.variance:.5g}"
        if not math.isnan(self.conf_high):
            text += f" (profile {100 * self.level:g}% limits {self.conf_low:.4g} to {self.conf_high:.4g})"
        if self.is_boundary:
            text += ", on the boundary: no heterogeneity beyond chance"
        if not math.isnan(self.test.p_value):
            text += f"; test of zero {self.test.statistic:.4g}, p = {self.test.p_value:.4g}"
        return text
