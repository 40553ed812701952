"""Follow-up in person-years, crude rates in percent and rates per 100 person-years.

The crude rate of an event is the share of patients who had it; its rate per 100 person-years is the
number of those patients over all the follow-up of their arm, before the event and after it.
"""

from __future__ import annotations

import math

import polars as pl

from flarefree.analysis.trial import Cohort
from flarefree.results import Cell
from flarefree.studytime import DAYS_PER_YEAR

__all__ = ["follow_up_days", "person_years", "rate_cell"]

PER = 100.0


def follow_up_days() -> pl.Expr:
    """Days from day 1 to the last day of follow-up, both counted; null where that day is not known."""
    return pl.col("follow_up_end_day").clip(lower_bound=0).cast(pl.Float64)


def person_years(cohort: Cohort) -> dict[str, float]:
    """Person-years of follow-up of each group."""
    summed = dict(cohort.subjects.group_by("group").agg(follow_up_days().sum()).iter_rows())
    return {g.key: (summed.get(g.key) or 0.0) / DAYS_PER_YEAR for g in cohort.groups}


def rate_cell(events: int, years: float) -> Cell:
    """Events per 100 person-years, with exact limits; empty where nobody was followed."""
    from flarefree.stats.survival import incidence_rate

    found = incidence_rate(events, years, per=PER)
    return Cell(
        "rate",
        {
            "rate": _known(found.rate),
            "conf_low": _known(found.conf_low),
            "conf_high": _known(found.conf_high),
            "person_years": years,
        },
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
