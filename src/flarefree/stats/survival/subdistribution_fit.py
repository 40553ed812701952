"""What a Fine-Gray model gives: subdistribution hazard ratios and predicted incidences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._coefficients import Coefficients
from flarefree.stats.survival.cox_fit import ChiSquareTest

__all__ = ["FineGrayFit"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FineGrayFit(Coefficients):
    """A fitted subdistribution hazards model.

    Attributes
    ----------
    terms, coef, covariance
        Log subdistribution hazard ratios; the covariance is Fine and Gray's sandwich.
    naive_covariance : (p, p) float
        Inverse information.
    loglik_null, loglik : float
        Log pseudo-likelihood: its differences have no chi-square distribution.
    wald : ChiSquareTest
    time, hazard : (k,) float
        Event times of the cause, and the rises of its baseline cumulative subdistribution hazard
        (covariates zero).
    """

    terms: tuple[str, ...]
    coef: Floats
    covariance: Floats
    naive_covariance: Floats
    loglik_null: float
    loglik: float
    wald: ChiSquareTest
    cause: Any
    n: int
    n_events: int
    n_competing: int
    n_censoring_groups: int
    level: float
    iterations: int
    converged: bool
    warnings: tuple[str, ...]
    time: Floats = field(repr=False)
    hazard: Floats = field(repr=False)
    formula: str = ""
    omitted: int = 0
    design: Any = field(default=None, repr=False)

    @property
    def method(self) -> str:
        """The model in words, with its conventions."""
        words = f"Fine-Gray model of cause {self.cause}, Breslow ties, sandwich variance"
        if self.n_censoring_groups > 1:
            words += f", censoring weights in {self.n_censoring_groups} groups"
        return words

    def tidy(self) -> pl.DataFrame:
        """One row a term, as for a Cox model, with `subhazard_ratio`, `shr_conf_low`, `shr_conf_high`."""
        return self._tidy("subhazard_ratio", "shr")

    def glance(self) -> pl.DataFrame:
        """One row: counts, log likelihoods, Wald's test, conventions."""
        return pl.DataFrame(
            {
                "n": [self.n],
                "n_event": [self.n_events],
                "n_competing": [self.n_competing],
                "loglik_null": [self.loglik_null],
                "loglik": [self.loglik],
                "wald_statistic": [self.wald.statistic],
                "df": [self.wald.df],
                "wald_p_value": [self.wald.p_value],
                "level": [self.level],
                "converged": [self.converged],
                "omitted": [self.omitted],
                "method": [self.method],
            }
        )

    def predict_incidence(self, x: Any) -> pl.DataFrame:
        """Cumulative incidence for covariates (m, p), or for a frame: pattern, time, estimate.

        1 - exp(-cumulative hazard * exp(x beta)).
        """
        if self.design is not None and not isinstance(x, np.ndarray):
            x = self.design.matrix_for(x)
        patterns = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if patterns.shape[1] != self.coef.size:
            raise StatsError(
                "not one value a term",
                where="x",
                found=f"{patterns.shape[1]} columns",
                expected=", ".join(self.terms),
            )
        cumulative = np.cumsum(self.hazard)
        frames = [
            pl.DataFrame(
                {
                    "pattern": np.full(cumulative.size, i),
                    "time": self.time,
                    "estimate": -np.expm1(-cumulative * np.exp(float(row @ self.coef))),
                }
            )
            for i, row in enumerate(patterns)
        ]
        return pl.concat(frames)

    def __repr__(self) -> str:
        lines = [self.method]
        if self.formula:
            lines.append(f"formula   {self.formula}")
        left = f"; {self.omitted} rows left out for missing values" if self.omitted else ""
        lines.append(f"{self.n} rows, {self.n_events} events, {self.n_competing} competing{left}")
        lines += self._table("SHR")
        lines.append(
            f"Wald test {self.wald.statistic:.4g} on {self.wald.df:g} df, p = {self.wald.p_value:.4g}"
        )
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])
