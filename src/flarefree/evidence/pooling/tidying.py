"""A pooled result as rows: one a trial, one for the pooled estimate, one for the prediction interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from flarefree.evidence.pooling.inverse_variance import limits_of

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.pooling.results import Pairwise

__all__ = ["glance_of", "rows_of", "trial_rows"]


def rows_of(result: Pairwise) -> list[dict[str, Any]]:
    pooled = {
        "term": "pooled",
        "kind": "pooled",
        "estimate": result.estimate,
        "std_error": result.std_error,
        "statistic": result.statistic,
        "df": None if math.isinf(result.df) else result.df,
        "p_value": result.p_value,
        "conf_low": result.conf_low,
        "conf_high": result.conf_high,
        "log_estimate": result.log_estimate,
        "weight_percent": 100.0,
    }
    rows = [*trial_rows(result), pooled]
    if not math.isnan(result.prediction_low):
        rows.append(
            {
                "term": "prediction interval",
                "kind": "prediction",
                "estimate": result.estimate,
                "conf_low": result.prediction_low,
                "conf_high": result.prediction_high,
                "df": None if math.isinf(result.prediction_df) else result.prediction_df,
            }
        )
    return rows


def trial_rows(result: Pairwise) -> list[dict[str, Any]]:
    """One mapping a trial, also those that only the pooled counts know."""
    trials = result.trials
    by_name = {name: i for i, name in enumerate(trials.names)}
    names = trials.all_names if result.question.uses_counts else trials.names
    low, high = limits_of(trials.y, np.sqrt(trials.v), math.inf, result.conf_level)
    show = np.exp if result.measure.is_ratio else np.asarray
    rows = []
    for place, name in enumerate(names):
        row: dict[str, Any] = {"term": name, "kind": "trial"}
        i = by_name.get(name)
        if i is not None:
            row |= {
                "estimate": float(show(trials.y[i])),
                "std_error": math.sqrt(float(trials.v[i])),
                "conf_low": float(show(np.asarray(low)[i])),
                "conf_high": float(show(np.asarray(high)[i])),
                "log_estimate": float(trials.y[i]),
                "corrected": bool(trials.corrected[i]),
            }
        row["weight_percent"] = 100.0 * float(result.fit.weight[place])
        row |= _table_row(result, name)
        rows.append(row)
    return rows


def _table_row(result: Pairwise, name: str) -> dict[str, Any]:
    tables = result.trials.all_tables
    if tables is None:
        return {}
    i = result.trials.all_names.index(name)
    row = {}
    for column in ("events", "n", "mean", "sd", "person_time"):
        for arm, label in enumerate(("treatment", "reference")):
            value = float(getattr(tables, column)[i, arm])
            if not math.isnan(value):
                row[f"{column}_{label}"] = value
    return row


def glance_of(result: Pairwise) -> pl.DataFrame:
    from flarefree.stats.frames import one_row

    tau_low, tau_high = result.tau2_limits
    statistic, m, _, p = result.moderator_test
    row: dict[str, Any] = {
        "measure": result.measure.key,
        "method": result.question.label,
        "treatment": result.treatment,
        "reference": result.reference,
        "k": result.k,
        "tau2": result.tau2,
        "tau2_std_error": result.tau2_std_error,
        "tau2_conf_low": tau_low if result.question.is_random else None,
        "tau2_conf_high": tau_high if result.question.is_random else None,
        "i2": result.i2,
        "h2": result.h2,
        "q": result.q,
        "q_df": result.q_df,
        "q_p_value": result.q_p_value,
        "moderators_statistic": statistic,
        "moderators_df": m or None,
        "moderators_p_value": p,
        "r2": result.r2,
        "conf_level": result.conf_level,
    }
    return one_row(row)
