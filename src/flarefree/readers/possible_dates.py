"""Dates that cannot be: one mistyped year would add thousands of years of follow-up.

A date is not used, with an error, where it is

1. before 1900;
2. more than a hundred years from the middle of the study, the median of the subjects' first days;
   histories, births and what began before the study may lie as far before it as they like (but see 1);
3. lonely: more than twenty years after every other date of the study, where those beyond the gap are
   of one subject, and five or more others have dates on this side of it; for dates of the study
   itself (day 1, doses, visits, dispositions), more than twenty years before every other, too.
   The dates of the study are those of subjects, doses, dispositions, visits and results.

Real follow-up, however long, has visits of that patient or of others on the way, and so no such gap.
Study days that a file gives without dates are only told of (`far-date`, in `records.checking`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from flarefree.readers.maps import day_name, text_name
from flarefree.records.findings import Collector, Severity

__all__ = ["Horizon", "horizon_of", "without_impossible_dates"]

_EARLIEST = date(1900, 1, 1)
_HUNDRED_YEARS = timedelta(days=36525)
_GAP = timedelta(days=7305)  # twenty years
_OTHERS = 5  # subjects on this side of a gap: with fewer, nothing is known of how long the study is
_FEW = 5  # first days: with fewer, one slip moves their median, and all dates of the study are taken

_HISTORIES = ("adverse_events", "medications", "procedures", "clinical_events", "medical_history")
_OLD = ("birth_date",)  # of subjects; may lie long before the study
_FIRST_DAYS = ("randomization_date", "reference_start_date", "first_dose_date")


@dataclass(slots=True)
class Horizon:
    """The middle of a study, and the gaps that dates beyond it must not leap; found when first needed.

    Attributes
    ----------
    middle : date, optional
        The median of the first days; None if the study has no dates.
    gather : callable
        Gives `subject` and `date` of every date of the study; called once, and only where a date lies
        twenty years from the middle.
    """

    middle: date | None
    gather: Callable[[], pl.DataFrame]
    _reach: tuple[date, date] | None = field(default=None, init=False)

    def reach(self) -> tuple[date, date]:
        """The first and the last date of the study, lonely ones left out."""
        if self._reach is None:
            assert self.middle is not None
            self._reach = _reach(self.gather(), self.middle)
        return self._reach


def horizon_of(people: list[pl.DataFrame], gather: Callable[[], pl.DataFrame]) -> Horizon:
    """The horizon of a study, from its shaped tables of subjects and, if these say little, all its dates."""
    days = pl.concat([_first_days(rows) for rows in people]) if people else pl.Series(dtype=pl.Date)
    days = days.filter((days >= _EARLIEST).fill_null(False))
    if len(days) < _FEW:
        days = gather()["date"].drop_nulls()
        days = days.filter(days >= _EARLIEST)
    middle = days.sort()[(len(days) - 1) // 2] if len(days) else None
    return Horizon(middle, gather)


def _first_days(rows: pl.DataFrame) -> pl.Series:
    known = [name for name in _FIRST_DAYS if name in rows.columns]
    if not known:
        return pl.Series("day", dtype=pl.Date)
    return rows.select(pl.coalesce(known).alias("day"))["day"]


def without_impossible_dates(
    rows: pl.DataFrame, table: str, horizon: Horizon, findings: Collector
) -> pl.DataFrame:
    """Rows of a shaped table; an impossible date, its text and its day are null, with a finding."""
    for name in [name for name, kind in rows.schema.items() if kind == pl.Date and _is_own(name)]:
        column = rows[name]
        first, last = column.min(), column.max()
        if not isinstance(first, date) or not isinstance(last, date):
            continue
        is_study_date = table not in (*_HISTORIES, "observations") and name not in _OLD
        for is_odd, why, expected in _rules(column, first, last, is_study_date, horizon):
            if is_odd.any():
                rows = _forgotten(rows, name, is_odd, why, expected, findings)
    return rows


def _is_own(name: str) -> bool:
    return not name.endswith("_latest")


def _rules(
    column: pl.Series, first: date, last: date, is_study_date: bool, horizon: Horizon
) -> list[tuple[pl.Series, str, str]]:
    """Which dates each rule refuses, why, and what was expected instead."""
    odd: list[tuple[pl.Series, str, str]] = []
    if first < _EARLIEST:
        odd.append((column < _EARLIEST, "a date before 1900; not used", f"{_EARLIEST} or later"))
    middle = horizon.middle
    if middle is None:
        return odd
    # Written so that no date before year 1 or after year 9999 is made.
    far = pl.repeat(False, len(column), dtype=pl.Boolean, eager=True)
    if last - middle > _HUNDRED_YEARS:
        far |= (column - middle) > _HUNDRED_YEARS
    if is_study_date and middle - first > _HUNDRED_YEARS:
        far |= ((pl.Series([middle]) - column) > _HUNDRED_YEARS) & (column >= _EARLIEST)
    odd.append(
        (
            far,
            "more than a hundred years from the middle of the study; not used",
            f"a date nearer to {middle}",
        )
    )
    if last - middle > _GAP or (is_study_date and middle - first > _GAP):
        start, end = horizon.reach()
        lonely = ((column - end) > _GAP) & ~far
        if is_study_date:
            lonely |= ((pl.Series([start]) - column) > _GAP) & (column >= _EARLIEST) & ~far
        why = "more than twenty years from every other date of the study; not used"
        odd.append((lonely, why, f"{start} to {end}"))
    return odd


def _forgotten(
    rows: pl.DataFrame, name: str, is_odd: pl.Series, why: str, expected: str, findings: Collector
) -> pl.DataFrame:
    is_odd = is_odd.fill_null(False)
    known = [c for c in ("source", "row", "subject") if c in rows.columns]
    findings.list_rows(
        rows.select(*known, found=pl.col(name).cast(pl.String)).filter(is_odd),
        "impossible-date",
        Severity.ERROR,
        why,
        column=name,
        expected=expected,
    )
    beside = (name, text_name(name), day_name(name), f"{name}_latest")
    return rows.with_columns(
        pl.when(is_odd).then(None).otherwise(pl.col(c)).alias(c) for c in beside if c in rows.columns
    )


# Lonely dates --------------------------------------------------------------------------------------


def _reach(dates: pl.DataFrame, middle: date) -> tuple[date, date]:
    known = dates.drop_nulls().unique().sort("date", "subject")
    known = known.filter(
        (pl.col("date") >= _EARLIEST)
        & ((pl.col("date") - middle) <= _HUNDRED_YEARS)
        & ((middle - pl.col("date")) <= _HUNDRED_YEARS)
    )
    if known.is_empty():
        return middle, middle
    later = _without_lonely(known.filter(pl.col("date") >= middle), known)
    earlier = _without_lonely(known.filter(pl.col("date") <= middle).reverse(), known)
    return (
        earlier["date"][-1] if earlier.height else middle,
        later["date"][-1] if later.height else middle,
    )


def _without_lonely(outward: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Dates in order from the middle outwards, without those of one subject beyond a gap."""
    while True:
        step = outward["date"].diff().abs()
        leaps = (step > _GAP).arg_true()
        if not len(leaps):
            return outward
        beyond = outward[int(leaps[-1]) :]
        within = known.join(beyond, on=["subject", "date"], how="anti")
        others = within.filter(~pl.col("subject").is_in(beyond["subject"].unique().implode()))
        if beyond["subject"].n_unique() > 1 or others["subject"].n_unique() < _OTHERS:
            return outward
        outward = outward[: int(leaps[-1])]
