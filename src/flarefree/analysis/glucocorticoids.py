"""Who stayed at or under the ceiling of prednisone or its equivalent throughout.

A patient's dose on a day is the sum of all glucocorticoids taken that day, as prednisone.  The highest
sum is met on a day on which some record begins, so only those days are looked at.
"""

from __future__ import annotations

import polars as pl

from flarefree.analysis.dosing import parse_target
from flarefree.analysis.trial import Cohort, Trial
from flarefree.units import conversion_factor

__all__ = ["PREDNISONE_PER_MG", "at_or_under_ceiling", "highest_daily_dose"]

PREDNISONE_PER_MG = {
    "cortisone": 5 / 25,
    "hydrocortisone": 5 / 20,
    "prednisone": 1.0,
    "prednisolone": 1.0,
    "methylprednisolone": 5 / 4,
    "triamcinolone": 5 / 4,
    "deflazacort": 5 / 6,
    "betamethasone": 5 / 0.6,
    "dexamethasone": 5 / 0.75,
}
"""Milligrams of prednisone for one of each: the usual table of equal anti-inflammatory doses."""

HIGHEST_ORDINAL = 10**6


def at_or_under_ceiling(trial: Trial, cohort: Cohort) -> pl.DataFrame | None:
    """Whether each patient stayed at or under the protocol's ceiling: subject, group, is_under.

    None where the protocol has no ceiling, or the data hold no glucocorticoid at all.  A patient
    without a record took none.  A record without a dose is above no ceiling.
    """
    ceiling = parse_target(trial.spec.dosing.prednisone_ceiling)
    doses = highest_daily_dose(trial, cohort)
    if ceiling is None or doses is None:
        return None
    factor = conversion_factor(ceiling.unit, "mg/day")
    allowed = ceiling.amount * (factor.value if factor else 1.0)
    joined = cohort.subjects.select("subject", "group").join(
        doses, on="subject", how="left", maintain_order="left"
    )
    return joined.with_columns(is_under=pl.col("highest").fill_null(0.0) <= allowed + 1e-9)


def highest_daily_dose(trial: Trial, cohort: Cohort) -> pl.DataFrame | None:
    """The highest dose of prednisone or equivalent on one day after day 1, mg: subject, highest."""
    records = _records(trial, cohort)
    if records.height == 0:
        return None
    days = records.select("subject", day=pl.max_horizontal("start", pl.lit(0))).unique(maintain_order=True)
    return (
        days.join(records, on="subject", how="inner")
        .filter((pl.col("start") <= pl.col("day")) & (pl.col("end") >= pl.col("day")))
        .group_by("subject", "day")
        .agg(pl.col("mg").sum())
        .group_by("subject")
        .agg(highest=pl.col("mg").max())
        .sort("subject")
    )


def _records(trial: Trial, cohort: Cohort) -> pl.DataFrame:
    """Glucocorticoids taken on day 1 or later, from medications and exposures: subject, start, end, mg."""
    named = {name.casefold() for name in trial.spec.dosing.glucocorticoids} or set(PREDNISONE_PER_MG)
    medications = trial.study["medications"].with_columns(daily=pl.col("dose"))
    exposures = trial.study["exposures"].with_columns(daily=pl.coalesce("daily_dose", "dose"))
    columns = ["subject", "drug", "unit", "daily", "start_day", "end_day"]
    both = pl.concat([medications.select(columns), exposures.select(columns)])
    drug = pl.col("drug").str.to_lowercase()
    mine = cohort.of(both.filter(drug.is_in(sorted(named)) & pl.col("start_day").is_not_null()))
    mg = pl.col("daily") * drug.replace_strict(_strengths(named), return_dtype=pl.Float64) * _in_mg(mine)
    return mine.select(
        "subject",
        start=_ordinal("start_day"),
        end=_ordinal("end_day").fill_null(HIGHEST_ORDINAL),
        mg=mg.fill_null(0.0),
    ).filter(pl.col("end") >= 0)


def _strengths(named: set[str]) -> dict[str, float]:
    """Prednisone for a milligram of each named drug; one whose strength is not known counts as prednisone."""
    found = {}
    for name in sorted(named):
        matches = [base for base in PREDNISONE_PER_MG if base in name]
        found[name] = PREDNISONE_PER_MG[max(matches, key=len)] if matches else 1.0
    return found


def _in_mg(records: pl.DataFrame) -> pl.Expr:
    units = records.get_column("unit").unique().to_list()
    factors = {
        u: f.value for u in units if (f := conversion_factor(f"{u or 'mg'}/day", "mg/day")) is not None
    }
    return pl.col("unit").replace_strict(factors, default=1.0, return_dtype=pl.Float64)


def _ordinal(column: str) -> pl.Expr:
    day = pl.col(column)
    return pl.when(day > 0).then(day - 1).otherwise(day).cast(pl.Int64)
