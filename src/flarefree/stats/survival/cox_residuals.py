"""Residuals of a Cox model, by row as the rows were given.

Formulas: docs/methods/survival_cox.md, "Residuals".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_steps import martingale_residuals, schoenfeld_residuals, score_residuals
from flarefree.stats.survival.cox_fit import CoxFit

__all__ = ["RESIDUALS", "cox_residuals", "schoenfeld"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
RESIDUALS = ("martingale", "deviance", "score", "dfbeta", "dfbetas")


def cox_residuals(fit: CoxFit, kind: str = "martingale") -> Floats:
    """Residuals of each given row; as in R, only `dfbeta` and `dfbetas` carry the row's weight.

    Parameters
    ----------
    fit : CoxFit
        A fitted model.
    kind : {"martingale", "deviance", "score", "dfbeta", "dfbetas"}
        `score` and `dfbeta` have shape (n, p): what a row adds to the score, and what leaving it out
        would change, roughly, in each coefficient (`dfbetas`: in standard errors).

    Notes
    -----
    A row that no event sees has residuals of zero; a row of weight zero has none (NaN).
    """
    if fit.ties == "exact":
        raise StatsError("residuals are defined for Efron's and Breslow's ties", where="ties", found="exact")
    beta = fit.coef * fit.rows.scale
    match kind:
        case "martingale":
            return _to_given(fit, martingale_residuals(fit.rows, beta, fit.ties) / fit.rows.weight)
        case "deviance":
            return _deviance(fit, beta)
        case "score" | "dfbeta" | "dfbetas":
            score = score_residuals(fit.rows, beta, fit.ties) * fit.rows.scale
            if kind == "score":
                return _to_given(fit, score / fit.rows.weight[:, None])
            change = score @ fit.naive_covariance
            return _to_given(fit, change if kind == "dfbeta" else change / fit.std_error)
        case _:
            raise StatsError(
                "no such residuals", where="kind", found=repr(kind), expected=", ".join(RESIDUALS)
            )


def _deviance(fit: CoxFit, beta: Floats) -> Floats:
    rows = fit.rows
    martingale = martingale_residuals(rows, beta, fit.ties) / rows.weight
    event = rows.event.astype(float)
    # log(1 - M) as log1p, for residuals close to zero
    log_expected = np.where(rows.event, np.log1p(np.where(rows.event, -martingale, 0.0)), 0.0)
    inside = np.maximum(-2.0 * (martingale + event * log_expected), 0.0)
    return _to_given(fit, np.sign(martingale) * np.sqrt(inside))


def _to_given(fit: CoxFit, values: Floats) -> Floats:
    """Residuals of the kept rows put back where the rows were given."""
    rows = fit.rows
    found = np.zeros((rows.n, *values.shape[1:]))
    found[rows.dropped_weightless] = np.nan
    found[rows.order] = values
    return found


def schoenfeld(fit: CoxFit, *, scaled: bool = False) -> pl.DataFrame:
    """Schoenfeld residuals: one row an event, by stratum and time, one column a term.

    The covariates of the event less their mean in its risk set; `scaled` by Grambsch and Therneau:
    events times covariance times residual, plus the coefficient.
    """
    if fit.ties == "exact":
        raise StatsError("residuals are defined for Efron's and Breslow's ties", where="ties", found="exact")
    residual, time = schoenfeld_residuals(fit.rows, fit.coef * fit.rows.scale, fit.ties)
    residual = residual * fit.rows.scale
    if scaled:
        residual = residual @ fit.naive_covariance * fit.n_events + fit.coef
    stratum = np.repeat(np.arange(len(fit.strata)), np.diff(fit.rows.starts))[fit.rows.event]
    labels = [str(label) for label in fit.strata]
    columns: dict[str, Any] = {"stratum": [labels[code] for code in stratum.tolist()], "time": time}
    columns |= {term: residual[:, i] for i, term in enumerate(fit.terms)}
    return pl.DataFrame(columns)
