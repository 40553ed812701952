"""Piecewise exponential model: rates that are constant within intervals, with proportional covariates.

Formulas: docs/methods/survival_rates.md, "Piecewise exponential".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._coefficients import Coefficients
from flarefree.stats.survival._cox_data import require_covariates
from flarefree.stats.survival._inputs import (
    require_entry,
    require_events,
    require_finite,
    require_length,
    require_some_events,
    require_times,
)
from flarefree.stats.survival._newton import maximize
from flarefree.stats.survival._numbers import normal_quantile, require_level
from flarefree.stats.survival.cox_fit import ChiSquareTest, chi_square

__all__ = ["PiecewiseExponential", "piecewise_exponential"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PiecewiseExponential(Coefficients):
    """A fitted piecewise exponential model.

    Attributes
    ----------
    cuts : (intervals - 1,) float
        Where the rate changes; the last interval has no end.
    rate, log_rate_error : (intervals,) float
        Baseline rate (covariates zero) within each interval, and the standard error of its logarithm; no
        error where nobody had an event.
    events, person_time : (intervals,) float
        Of all rows.
    terms, coef, covariance
        Log rate ratios of the covariates.
    """

    terms: tuple[str, ...]
    coef: Floats
    covariance: Floats
    cuts: Floats
    rate: Floats
    log_rate_error: Floats
    events: Floats
    person_time: Floats
    loglik_null: float
    loglik: float
    likelihood_ratio: ChiSquareTest
    n: int
    level: float
    converged: bool
    start: float = field(default=0.0)

    @property
    def method(self) -> str:
        """The model in words."""
        return f"Piecewise exponential model, {self.rate.size} intervals, maximum likelihood"

    def rates(self) -> pl.DataFrame:
        """One row an interval: start, stop, events, person_time, rate, std_error (of the log), limits."""
        with np.errstate(over="ignore", invalid="ignore"):
            factor = np.exp(normal_quantile(self.level) * self.log_rate_error)
        return pl.DataFrame(
            {
                "start": np.concatenate(([0.0], self.cuts)),
                "stop": pl.Series([*self.cuts.tolist(), None], dtype=pl.Float64),
                "events": self.events,
                "person_time": self.person_time,
                "rate": pl.Series(self.rate, nan_to_null=True),
                "std_error": pl.Series(self.log_rate_error, nan_to_null=True),
                "conf_low": pl.Series(self.rate / factor, nan_to_null=True),
                "conf_high": pl.Series(self.rate * factor, nan_to_null=True),
            }
        )

    def survival(self, times: Any, x: Any = None) -> pl.DataFrame:
        """Survival at given times for one pattern of covariates (zeros unless given): time, estimate."""
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        eta = 0.0 if x is None else float(np.asarray(x, dtype=np.float64) @ self.coef)
        exposure = _exposure(np.zeros(wanted.size), wanted, self.cuts)
        return pl.DataFrame({"time": wanted, "estimate": np.exp(-(exposure @ self.rate) * math.exp(eta))})

    def tidy(self) -> pl.DataFrame:
        """One row a covariate, as for a Cox model, with `rate_ratio`, `rr_conf_low`, `rr_conf_high`."""
        return self._tidy("rate_ratio", "rr")

    def glance(self) -> pl.DataFrame:
        """One row: counts, log likelihoods, likelihood-ratio test."""
        return pl.DataFrame(
            {
                "n": [self.n],
                "n_event": [float(self.events.sum())],
                "n_intervals": [self.rate.size],
                "loglik_null": [self.loglik_null],
                "loglik": [self.loglik],
                "lr_statistic": [self.likelihood_ratio.statistic],
                "df": [self.likelihood_ratio.df],
                "lr_p_value": [self.likelihood_ratio.p_value],
                "level": [self.level],
                "method": [self.method],
            }
        )

    def __repr__(self) -> str:
        lines = [self.method, f"{self.n} rows, {self.events.sum():g} events"]
        for start, stop, d, t, rate, _, low, high in self.rates().fill_null(math.nan).iter_rows():
            end = "" if math.isnan(stop) else f"{stop:g}"
            lines.append(
                f"({start:g}, {end or 'end'}]  {d:g} in {t:.6g}: rate {rate:.4g} ({low:.4g} to {high:.4g})"
            )
        return "\n".join(lines + (self._table("RR") if self.terms else []))


def piecewise_exponential(
    time: Any,
    event: Any,
    x: Any = None,
    *,
    cuts: Any = (),
    entry: Any = None,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> PiecewiseExponential:
    """Fit rates that are constant between cuts, with proportional effects of covariates.

    Parameters
    ----------
    time : (n,) float
        When the event or the censoring happened.
    event : (n,) bool or 0/1
        Whether the event was seen at `time`.
    x : (n, p) float, optional
        Covariates.
    cuts : sequence of float
        Times at which the rate may change, ascending; none for the exponential model.
    entry : (n,) float, optional
        Left truncation.
    names : (p,) str, optional
        Terms.
    level : float
        Level of the limits.

    References
    ----------
    [holford1980]; equals Poisson regression of the split rows with the log of person-time as offset.
    """
    level = require_level(level)
    times = require_times(time)
    events = require_events(event)
    require_length(events, times.size, "event")
    require_some_events(events)
    borders = _require_cuts(cuts)
    begin = np.zeros(times.size) if entry is None else require_entry(entry, times)
    covariates = np.empty((times.size, 0)) if x is None else require_covariates(x, times.size)
    terms = tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(covariates.shape[1]))
    exposure = _exposure(begin, times, borders)
    interval = np.searchsorted(borders, times, side="left")
    d = np.bincount(interval[events], minlength=borders.size + 1).astype(np.float64)
    return _fit(covariates, terms, events, exposure, d, borders, level)


def _fit(
    x: Floats, terms: tuple[str, ...], event: Any, exposure: Floats, d: Floats, cuts: Floats, level: float
) -> PiecewiseExponential:
    center = x.mean(axis=0)
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    scaled = (x - center) / scale
    p = x.shape[1]
    own = scaled[event].sum(axis=0)

    def evaluate(beta: Floats) -> tuple[float, Floats, Floats]:
        """The likelihood with each interval's rate at its maximum given beta."""
        risk = np.exp(scaled @ beta)
        expected = risk @ exposure
        share = np.where(d > 0, d / np.where(expected > 0, expected, 1.0), 0.0)
        weight = risk * (exposure @ share)
        by_interval = (scaled * risk[:, None]).T @ exposure
        loglik = float(
            own @ beta + np.where(d > 0, d * np.log(np.where(d > 0, share, 1.0)), 0.0).sum() - d.sum()
        )
        gradient = own - scaled.T @ weight
        # What the rates take of the information: d / E^2 of each interval's covariate sums.
        taken = (
            by_interval * np.where(d > 0, share / np.where(expected > 0, expected, 1.0), 0.0)
        ) @ by_interval.T
        return loglik, gradient, (scaled * weight[:, None]).T @ scaled - taken

    beta = np.zeros(p)
    null = loglik = evaluate(beta)[0]
    covariance = np.zeros((p, p))
    converged = True
    if p:
        found = maximize(evaluate, beta, terms, spread=lambda: np.ptp(scaled, axis=0), n_events=int(d.sum()))
        beta, loglik, converged = found.beta, found.loglik, not bool(found.diverging.any())
        covariance = np.linalg.inv(found.information) / np.outer(scale, scale)
    coef = beta / scale
    risk = np.exp(scaled @ beta)
    expected = (risk @ exposure) * math.exp(float(center @ coef))  # at covariates of zero
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(expected > 0, d / expected, np.nan)
        moved = (x * risk[:, None]).T @ exposure / (risk @ exposure)
        error = np.sqrt(1.0 / d + np.einsum("aj,ab,bj->j", moved, covariance, moved))
    return PiecewiseExponential(
        terms=terms,
        coef=coef,
        covariance=covariance,
        cuts=cuts,
        rate=rate,
        log_rate_error=np.where(d > 0, error, np.nan),
        events=d,
        person_time=exposure.sum(axis=0),
        loglik_null=null,
        loglik=loglik,
        likelihood_ratio=chi_square(2.0 * (loglik - null), p),
        n=x.shape[0],
        level=level,
        converged=converged,
    )


def _exposure(begin: Floats, end: Floats, cuts: Floats) -> Floats:
    """Time of each row within each interval, (n, intervals)."""
    low = np.concatenate(([0.0], cuts))
    high = np.concatenate((cuts, [np.inf]))
    return np.maximum(np.minimum(end[:, None], high) - np.maximum(begin[:, None], low), 0.0)


def _require_cuts(cuts: Any) -> Floats:
    borders = require_finite(np.asarray(cuts, dtype=np.float64).reshape(-1), "cuts")
    if (np.diff(borders) <= 0).any() or (borders <= 0).any():
        raise StatsError(
            "cuts that do not ascend from above zero",
            where="cuts",
            found=", ".join(f"{cut:g}" for cut in borders),
            expected="such as (6, 12, 24)",
        )
    return borders
