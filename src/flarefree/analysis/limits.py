"""Values with their limits of normal: where each stands, and how far beyond a threshold it is.

Limits are those of the value's own laboratory; a side that it does not give is the protocol's, by sex
where the protocol has it so.  A value without any limit has no status.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flarefree.analysis.trial import Trial
from flarefree.analysis.visits import at_visits, chosen_visits
from flarefree.endpoints.elementwise import TOLERANCE

__all__ = ["STATUSES", "exceeds", "planned_limits", "scheduled_values", "values_at_baseline", "with_status"]

STATUSES = {"low": "Low", "normal": "Normal", "high": "High"}
"""Where a value stands, in print order."""

_COLUMNS = ("subject", "measure", "visit", "day", "value", "lower_limit", "upper_limit")


def scheduled_values(trial: Trial, measures: Sequence[str], visits: Sequence[str] = ()) -> pl.DataFrame:
    """One row a patient, measure and visit after day 1, with limits of normal, in order of the visits.

    Columns are subject, measure, visit, day, value, lower_limit, upper_limit; values of unscheduled
    visits are not among them.  All visits if none is named.
    """
    chosen = [visit for visit in chosen_visits(trial, visits) if visit.day > 1]
    known = _known(trial, measures).filter((pl.col("day") > 1) & pl.col("visit").is_not_null())
    place = {visit.name: i for i, visit in enumerate(chosen)}
    return (
        _limited(trial, at_visits(known, chosen))
        .sort(
            "subject",
            "measure",
            pl.col("visit").replace_strict(place, default=None, return_dtype=pl.Int32),
            maintain_order=True,
        )
        .select(_COLUMNS)
    )


def values_at_baseline(trial: Trial, measures: Sequence[str]) -> pl.DataFrame:
    """Each patient's baseline value of each measure with its limits, in the columns of `scheduled_values`."""
    found = _known(trial, measures).filter(pl.col("is_baseline").fill_null(False))
    return _limited(trial, found.unique(["subject", "measure"], keep="last", maintain_order=True)).select(
        _COLUMNS
    )


def with_status(rows: pl.DataFrame, times_lower: float, times_upper: float) -> pl.DataFrame:
    """Values that have a limit, with `status` (low, normal, high) and `excess`.

    `excess` is how far a value is beyond the nearer threshold, in its own unit; negative within them.
    """
    low, high = times_lower * pl.col("lower_limit"), times_upper * pl.col("upper_limit")
    value = pl.col("value")
    status = (
        pl.when(exceeds(value, high))
        .then(pl.lit("high"))
        .when(exceeds(low, value))
        .then(pl.lit("low"))
        .otherwise(pl.lit("normal"))
    )
    return rows.with_columns(excess=pl.max_horizontal(low - value, value - high), status=status).filter(
        pl.col("excess").is_not_null()
    )


def exceeds(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Whether `a` is above `b` as sentences compare: 1.05 is not above 1.5 times 0.7, whatever floats say."""
    return a - b > TOLERANCE * pl.max_horizontal(a.abs(), b.abs())


def _known(trial: Trial, measures: Sequence[str]) -> pl.DataFrame:
    wanted = pl.col("measure").is_in(list(measures)) & pl.col("value").is_not_null()
    return trial.derivation.values.filter(wanted)


def _limited(trial: Trial, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `values` with the limits of the observations behind them."""
    limits = trial.study["observations"].select("lower_limit", "upper_limit").with_row_index("observation")
    return planned_limits(trial, rows.join(limits, on="observation", how="left", maintain_order="left"))


def planned_limits(trial: Trial, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (subject, measure, lower_limit, upper_limit) with the protocol's limits where one is missing."""
    planned = _planned(trial)
    if planned.height == 0:
        return rows
    sexes = trial.derivation.subjects.select("subject", "sex")
    return (
        rows.join(sexes, on="subject", how="left", maintain_order="left")
        .join(planned, on=["measure", "sex"], how="left", maintain_order="left", nulls_equal=True)
        .with_columns(
            lower_limit=pl.coalesce("lower_limit", "planned_lower"),
            upper_limit=pl.coalesce("upper_limit", "planned_upper"),
        )
        .drop("sex", "planned_lower", "planned_upper")
    )


def _planned(trial: Trial) -> pl.DataFrame:
    """The protocol's limits by measure and sex (null: not known)."""
    rows = [
        (name, sex, *(measure.normal_by_sex.get(sex, measure.normal) if sex else measure.normal))
        for name, measure in trial.spec.measures.items()
        if measure.normal != (None, None) or measure.normal_by_sex
        for sex in ("F", "M", None)
    ]
    schema = {
        "measure": pl.String,
        "sex": pl.String,
        "planned_lower": pl.Float64,
        "planned_upper": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
