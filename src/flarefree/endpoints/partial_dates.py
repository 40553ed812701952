"""The days that a partial date allows: `2013-05` may be any day of May."""

from __future__ import annotations

import polars as pl

__all__ = ["latest_day", "ordinal"]


def ordinal(day: pl.Expr) -> pl.Expr:
    """Study days without the gap at 0, so that they can be subtracted: day 1 is 0, day -1 is -1."""
    return pl.when(day > 0).then(day - 1).otherwise(day)


def latest_day(text: str, date: str, day: str) -> pl.Expr:
    """The latest day, as an ordinal, that a date allows: from its text, its earliest date and that day.

    A year alone reaches to the 31st of December, a year and month to the end of the month; a text that
    is neither, or none, is the day itself.
    """
    written = pl.col(text).str.strip_chars().str.replace_all(r"-+$", "")
    year_end = (written.str.extract(r"^(\d{4})$", 1) + "-12-31").str.to_date(strict=False)
    month_end = (written.str.extract(r"^(\d{4}-\d{2})$", 1) + "-01").str.to_date(strict=False).dt.month_end()
    latest = pl.coalesce(year_end, month_end, pl.col(date))
    later_by = (latest - pl.col(date)).dt.total_days()
    return ordinal(pl.col(day)) + later_by.fill_null(0).cast(pl.Int32)
