"""Doses taken, from exposure records: disjoint stretches of days on a drug, and what was asked of them.

A day on which two records of a drug overlap has the sum of both doses, and counts once.  A record
without an end lasts to the end of follow-up.  Days are counted with both ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.trial import Cohort, Trial
from flarefree.protocol.schema import Regimen
from flarefree.units import conversion_factor

__all__ = [
    "Target",
    "active_regimens",
    "drug_names",
    "parse_target",
    "patient_doses",
    "records_of",
    "target_totals",
    "totals_under_target",
]

_TARGET = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Target:
    """A daily dose that the protocol asks for: `2 g/day`, or `2 mg/kg/day` by weight."""

    amount: float
    unit: str
    """Of the dose itself, without the weight: `g/day`, `mg/day`."""
    is_per_kg: bool


def parse_target(written: str) -> Target | None:
    """A daily dose as a protocol writes it; None where it has none."""
    match = _TARGET.fullmatch(written)
    if match is None:
        return None
    unit = match[2]
    per_kg = "/kg/" in unit
    return Target(float(match[1]), unit.replace("/kg/", "/"), per_kg)


def drug_names(regimens: Iterable[Regimen]) -> list[str]:
    """How exposure records may name a drug, in lower case."""
    names = {text.casefold() for r in regimens for text in (r.drug, *r.codes)}
    return sorted(names)


def active_regimens(trial: Trial, arm: str) -> dict[str, list[Regimen]]:
    """Regimens of an arm by drug; placebos only where the arm has nothing else."""
    regimens = trial.spec.arms[arm].regimens
    active = [r for r in regimens if not r.is_placebo] or list(regimens)
    found: dict[str, list[Regimen]] = {}
    for regimen in active:
        found.setdefault(regimen.drug, []).append(regimen)
    return found


def records_of(trial: Trial, cohort: Cohort, group: str, regimens: list[Regimen], unit: str) -> pl.DataFrame:
    """Exposure records of one drug in one group: subject, start, end (ordinal days), dose in `unit`.

    Records whose dose or unit cannot be read have a null dose.
    """
    mine = cohort.of(trial.study["exposures"], "follow_up_end_day", "last_dose_day").filter(
        (pl.col("group") == group)
        & pl.col("drug").str.to_lowercase().is_in(drug_names(regimens))
        & pl.col("start_day").is_not_null()
    )
    last = pl.coalesce("end_day", "follow_up_end_day", "last_dose_day", "start_day")
    return (
        mine.with_columns(_dose_in(mine, unit))
        .select(
            "subject",
            start=_ordinal(pl.col("start_day")),
            end=_ordinal(pl.max_horizontal(last, "start_day")),
            dose=pl.col("dose_in_unit"),
        )
        .sort("subject", "start", "end", maintain_order=True)
    )


def _ordinal(day: pl.Expr) -> pl.Expr:
    """Study days without the missing day 0, so that differences are calendar days."""
    return pl.when(day > 0).then(day - 1).otherwise(day).cast(pl.Int64)


def _dose_in(records: pl.DataFrame, unit: str) -> pl.Expr:
    """The daily dose in `unit`; a record without a frequency is taken as a day's dose."""
    factors: dict[str | None, float] = {}
    for written in records.get_column("unit").unique().to_list():
        factor = conversion_factor(f"{written or ''}/day", unit) if unit else None
        if factor is not None:
            factors[written] = factor.value
        elif not unit or written is None:
            factors[written] = 1.0
    daily = pl.coalesce("daily_dose", "dose")
    factor_of = pl.col("unit").replace_strict(factors, default=None, return_dtype=pl.Float64)
    return (daily * factor_of).alias("dose_in_unit")


def patient_doses(records: pl.DataFrame) -> pl.DataFrame:
    """One row a patient: total dose, days on drug, first and last day (ordinal), mean daily dose.

    Days on drug are those with a dose above zero; for a drug that is never above zero (placebo), those
    with a record.
    """
    known = records.filter(pl.col("dose").is_not_null())
    if known.height == 0:
        return pl.DataFrame(schema=_DOSES)
    taken = known.filter(pl.col("dose") > 0) if bool((known.get_column("dose") > 0).any()) else known
    days = covered_stretches(taken).group_by("subject").agg(days=(pl.col("end") - pl.col("start") + 1).sum())
    totals = known.group_by("subject").agg(
        total=(pl.col("dose") * (pl.col("end") - pl.col("start") + 1)).sum(),
        first=pl.col("start").min(),
        last=pl.col("end").max(),
    )
    return (
        totals.join(days, on="subject", how="left")
        .with_columns(mean=pl.col("total") / pl.col("days"))
        .select(*_DOSES)
        .sort("subject")
    )


_DOSES = {
    "subject": pl.String,
    "total": pl.Float64,
    "days": pl.Int64,
    "first": pl.Int64,
    "last": pl.Int64,
    "mean": pl.Float64,
}


def covered_stretches(records: pl.DataFrame) -> pl.DataFrame:
    """Disjoint stretches (subject, start, end) that cover the same days as the records."""
    ordered = records.sort("subject", "start", "end", maintain_order=True)
    before = pl.col("end").cum_max().shift(1).over("subject")
    return (
        ordered.with_columns(start=pl.max_horizontal("start", before.fill_null(pl.col("start") - 1) + 1))
        .filter(pl.col("end") >= pl.col("start"))
        .select("subject", "start", "end")
    )


def target_totals(stretches: pl.DataFrame, regimens: list[Regimen], weights: pl.DataFrame) -> pl.DataFrame:
    """What the protocol asks of each patient on the days of `stretches`: subject, asked.

    `weights` has subject and weight; a target by weight is null where the weight is not known.
    """
    parts = []
    for regimen in regimens:
        target = parse_target(regimen.target)
        if target is None:
            continue
        inside = _days_within(*_window(regimen))
        weight = pl.col("weight") if target.is_per_kg else pl.lit(1.0)
        parts.append(
            stretches.join(weights, on="subject", how="left").select(
                "subject",
                asked=inside * target.amount * weight,
                is_known=weight.is_not_null(),
            )
        )
    if not parts:
        return pl.DataFrame(schema={"subject": pl.String, "asked": pl.Float64})
    summed = pl.concat(parts).group_by("subject").agg(pl.col("asked").sum(), pl.col("is_known").all())
    return summed.select(
        "subject", asked=pl.when(pl.col("is_known") & (pl.col("asked") > 0)).then(pl.col("asked"))
    ).sort("subject")


def totals_under_target(records: pl.DataFrame, regimens: list[Regimen]) -> pl.DataFrame:
    """What each patient took on the days for which the protocol has a target: subject, under_target.

    Doses after the last day of the regimen, or between two, are held against nothing.
    """
    windows: list[tuple[int, int]] = []
    for first, last in sorted(_window(r) for r in regimens if parse_target(r.target) is not None):
        if windows and first <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(windows[-1][1], last))
        else:
            windows.append((first, last))
    days = pl.sum_horizontal([pl.lit(0, dtype=pl.Int64), *(_days_within(*w) for w in windows)])
    return (
        records.group_by("subject")
        .agg(under_target=(pl.col("dose").fill_null(0.0) * days).sum())
        .sort("subject")
    )


def _window(regimen: Regimen) -> tuple[int, int]:
    """First and last day of a regimen, ordinal."""
    return regimen.from_day - 1, (regimen.until - 1) if regimen.until is not None else 10**6


def _days_within(first: int, last: int) -> pl.Expr:
    """How many days of a stretch or record (start, end) are from one day to another, both counted."""
    begins = pl.max_horizontal(pl.col("start"), pl.lit(first, dtype=pl.Int64))
    ends = pl.min_horizontal(pl.col("end"), pl.lit(last, dtype=pl.Int64))
    return (ends - begins + 1).clip(lower_bound=0)
