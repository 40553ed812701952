"""Baseline hazards and survival curves that a Cox model predicts.

Formulas: docs/methods/survival_cox.md, "Baseline hazard and predicted curves".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_data import require_covariates
from flarefree.stats.survival._cox_steps import Steps, compute_steps
from flarefree.stats.survival._inputs import require_finite
from flarefree.stats.survival._limits import compute_survival_limits
from flarefree.stats.survival._order import TIE_TOLERANCE
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["CoxCurves", "baseline_hazard", "predict_curves"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoxCurves:
    """Predicted curves: one for each pattern of covariates and each stratum.

    Attributes
    ----------
    frame : polars.DataFrame
        pattern (row of the covariates given), stratum, time, n_risk, n_event, cumulative_hazard,
        std_error_hazard, estimate (survival), std_error, conf_low, conf_high.
    """

    frame: pl.DataFrame = field(repr=False)
    conf_type: str
    level: float
    estimator: str

    def tidy(self) -> pl.DataFrame:
        """One row a pattern, stratum and event time."""
        return self.frame

    def glance(self) -> pl.DataFrame:
        """One row: patterns, strata, and the conventions."""
        return pl.DataFrame(
            {
                "n_patterns": [self.frame["pattern"].n_unique()],
                "n_strata": [self.frame["stratum"].n_unique()],
                "conf_type": [self.conf_type],
                "level": [self.level],
                "estimator": [self.estimator],
            }
        )

    def at(self, times: Any) -> pl.DataFrame:
        """The curves at given times: the step at or before each; survival 1 before the first event."""
        wanted = require_finite(np.atleast_1d(np.asarray(times, dtype=np.float64)), "times")
        frames = [
            _look_up(group, key, wanted)
            for key, group in self.frame.group_by(["pattern", "stratum"], maintain_order=True)
        ]
        return pl.concat(frames)

    def __repr__(self) -> str:
        patterns, strata = self.frame["pattern"].n_unique(), self.frame["stratum"].n_unique()
        return (
            f"{patterns} predicted survival curve{'s' * (patterns != 1)} in {strata} strat"
            f"{'a' if strata != 1 else 'um'}, {self.estimator} estimator, "
            f"{100 * self.level:g}% {self.conf_type} limits"
        )


def _look_up(group: pl.DataFrame, key: tuple[Any, ...], wanted: Floats) -> pl.DataFrame:
    place = np.searchsorted(group["time"].to_numpy(), wanted * (1 + TIE_TOLERANCE), side="right") - 1
    first = {"cumulative_hazard": 0.0, "std_error_hazard": 0.0, "estimate": 1.0, "std_error": 0.0}
    columns: dict[str, Any] = {"pattern": [key[0]] * wanted.size, "stratum": [key[1]] * wanted.size}
    columns["time"] = wanted
    for name in (*first, "conf_low", "conf_high"):
        values = group[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        columns[name] = pl.Series(
            np.where(place < 0, first.get(name, np.nan), values[place]), nan_to_null=True
        )
    return pl.DataFrame(columns)


def baseline_hazard(fit: CoxFit, *, centered: bool = False) -> pl.DataFrame:
    """Cumulative baseline hazard by stratum: stratum, time, n_risk, n_event, hazard, std_error.

    For covariates that are all zero, or `centered` for their means; offset zero.
    """
    x = fit.rows.center[None, :] if centered else np.zeros((1, fit.coef.size))
    frame = predict_curves(fit, x).frame
    return frame.select(
        "stratum", "time", "n_risk", "n_event", hazard="cumulative_hazard", std_error="std_error_hazard"
    )


def predict_curves(
    fit: CoxFit, x: Any, *, conf_type: str = "log-log", level: float | None = None
) -> CoxCurves:
    """Survival curves for given covariates.

    Parameters
    ----------
    fit : CoxFit
        A fitted model.
    x : (m, p) float
        Covariates of m patterns, in the order of `fit.terms`.
    conf_type, level
        Of the limits; the fit's level unless given.

    Notes
    -----
    Survival is exp(-cumulative hazard); the hazard is Breslow's, or Efron's version of it for Efron's
    ties.  Variance after Tsiatis, with the uncertainty of the coefficients [tsiatis1981]; given the
    frailties, in a model that has them.
    """
    if fit.ties == "exact":
        raise StatsError("curves are defined for Efron's and Breslow's ties", where="ties", found="exact")
    patterns = np.atleast_2d(np.asarray(x, dtype=np.float64))
    patterns = require_covariates(patterns, patterns.shape[0])
    if patterns.shape[1] != fit.coef.size:
        raise StatsError(
            "not one value a term",
            where="x",
            found=f"{patterns.shape[1]} columns",
            expected=f"{fit.coef.size}: {', '.join(fit.terms)}",
        )
    steps = compute_steps(fit.rows, fit.coef * fit.rows.scale, fit.ties)
    chosen = fit.level if level is None else level
    frames = [
        _curve(fit, steps, s, i, pattern, conf_type, chosen)
        for i, pattern in enumerate(patterns)
        for s in range(len(fit.strata))
    ]
    return CoxCurves(pl.concat(frames), conf_type, chosen, "Breslow" if fit.ties == "breslow" else "Efron")


def _curve(
    fit: CoxFit, steps: Steps, s: int, i: int, pattern: Floats, conf_type: str, level: float
) -> pl.DataFrame:
    part = slice(int(steps.starts[s]), int(steps.starts[s + 1]))
    scaled = (pattern - fit.rows.center) / fit.rows.scale
    eta = float(scaled @ (fit.coef * fit.rows.scale)) - fit.rows.offset_mean
    risk = np.exp(eta - steps.shift)
    hazard = np.cumsum(steps.hazard[part]) * risk
    own = np.cumsum(steps.hazard_variance[part])
    moved = (
        np.cumsum(steps.hazard[part])[:, None] * scaled - np.cumsum(steps.moved[part], axis=0)
    ) * fit.rows.scale
    error = risk * np.sqrt(own + np.einsum("ka,ab,kb->k", moved, fit.covariance, moved))
    survival = np.exp(-hazard)
    low, high = compute_survival_limits(survival, error, conf_type, level)
    return pl.DataFrame(
        {
            "pattern": np.full(hazard.size, i),
            "stratum": [str(fit.strata[s])] * hazard.size,
            "time": steps.time[part],
            "n_risk": steps.n_risk[part],
            "n_event": steps.weight[part],
            "cumulative_hazard": hazard,
            "std_error_hazard": error,
            "estimate": survival,
            "std_error": survival * error,
            "conf_low": pl.Series(low, nan_to_null=True),
            "conf_high": pl.Series(high, nan_to_null=True),
        }
    )
