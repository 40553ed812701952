"""Dates as they are written: whole, partial, with times, or as SAS counts them.

A partial date is kept as text, and its date is the earliest that it allows: `2014-03` is 1 March 2014.
What a protocol makes of a partial date (`adverse_events.partial_dates`) is decided by the analysis; what
is made of a patient's own (day 1, death, end) by `subject_dates.py`, from the earliest and the latest day.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["Dates", "latest_days", "read_dates", "without_imputed_parts"]

_SAS_EPOCH = pl.date(1960, 1, 1)
_UNKNOWN_PART = r"\d{2}|-|UN|UNK|NK|XX"
_ISO_PARTIAL = rf"^(\d{{4}})(?:-({_UNKNOWN_PART})(?:-({_UNKNOWN_PART}))?)?(?:[T ].*)?$"
_OTHER_FORMS = ("%d%b%Y", "%d-%b-%Y", "%d %b %Y", "%Y%m%d")  # 02JAN2014, 20140102: no doubt about the month


@dataclass(frozen=True, slots=True)
class Dates:
    """Dates of one column, row by row.

    Attributes
    ----------
    date : Series of Date
        The earliest day that each allows; null where nothing, or nothing readable, was written.
    text : Series of String, or None
        As written; None where the file holds dates as such, which cannot be partial.
    is_partial, is_unreadable : Series of Boolean
    """

    date: pl.Series
    text: pl.Series | None
    is_partial: pl.Series
    is_unreadable: pl.Series


def read_dates(column: pl.Series, form: str | None = None, *, counts_from_1960: bool = False) -> Dates:
    """Dates of a column of any type.

    Parameters
    ----------
    column : Series
        Dates, datetimes, text, or SAS day numbers.
    form : str, optional
        How text is written (`%d/%m/%Y`); ISO 8601, whole or partial, if not given.
    counts_from_1960 : bool
        Numbers are SAS days.
    """
    never = pl.repeat(False, len(column), dtype=pl.Boolean, eager=True)
    if column.dtype == pl.Date:
        return Dates(column, None, never, never)
    if column.dtype == pl.Datetime:
        return Dates(column.dt.date(), None, never, never)
    if column.dtype.is_numeric() and counts_from_1960:
        days = column.cast(pl.Int32, strict=False)
        made = pl.select(_SAS_EPOCH + pl.duration(days=pl.lit(days))).to_series()
        return Dates(made, None, never, column.is_not_null() & made.is_null())
    return _from_text(column.cast(pl.String).str.strip_chars(), form)


def _from_text(text: pl.Series, form: str | None) -> Dates:
    whole = _whole(text, form)
    left = text.is_not_null() & whole.is_null()
    if not left.any():
        return Dates(whole, text, left, left)
    rest = text.filter(left)
    positions = left.arg_true()
    in_full = _other_forms(rest) if form is None else _whole(rest, None)
    partial = _partial(rest).zip_with(in_full.is_null(), pl.Series([None], dtype=pl.Date))
    date = whole.scatter(positions, in_full.fill_null(partial))
    never = pl.repeat(False, len(text), dtype=pl.Boolean, eager=True)
    is_partial = never.scatter(positions, partial.is_not_null())
    return Dates(date, text, is_partial, text.is_not_null() & date.is_null())


def _whole(text: pl.Series, form: str | None) -> pl.Series:
    """Dates written in full; what follows an ISO date must be a time."""
    if form is not None:
        return text.str.to_date(form, strict=False, exact=True)
    length = text.str.len_chars()
    after = text.str.slice(10, 1)
    has_only_time_after = (length == 10) | (after == "T") | (after == " ")
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    # chrono takes 2014-1-5 for a date of this format; as ISO 8601 it is none, but nobody can mistake it.
    return day.zip_with(
        (has_only_time_after | (length < 10)).fill_null(False), pl.Series([None], dtype=pl.Date)
    )


def _partial(text: pl.Series) -> pl.Series:
    parts = text.str.to_uppercase().str.extract_groups(_ISO_PARTIAL).struct.unnest()
    year, month, day = parts.get_columns()
    iso = year + "-" + _known_or_01(month) + "-" + _known_or_01(day)
    return iso.str.to_date("%Y-%m-%d", strict=False)


def latest_days(text: pl.Series) -> pl.Series:
    """The latest day that each ISO date allows: `2014-03` is 31 March 2014; null for other texts."""
    parts = text.str.strip_chars().str.to_uppercase().str.extract_groups(_ISO_PARTIAL).struct.unnest()
    year, month, day = parts.get_columns()
    known_month = month.str.contains(r"^\d{2}$").fill_null(False)
    known_day = day.str.contains(r"^\d{2}$").fill_null(False)
    in_month = year + "-" + month.zip_with(known_month, pl.Series(["12"])) + "-"
    first = (in_month + "01").str.to_date("%Y-%m-%d", strict=False)
    whole = (in_month + day.fill_null("")).str.to_date("%Y-%m-%d", strict=False)
    return whole.zip_with(known_day, first.dt.month_end())


def _known_or_01(part: pl.Series) -> pl.Series:
    is_known = part.str.contains(r"^\d{2}$").fill_null(False)
    return part.zip_with(is_known, pl.Series(["01"]))


def _other_forms(text: pl.Series) -> pl.Series:
    made = pl.Series(text.name, [None], dtype=pl.Date).new_from_index(0, len(text))
    for form in _OTHER_FORMS:
        made = made.fill_null(text.str.to_date(form, strict=False, exact=True))
    return made


def without_imputed_parts(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Take back what an analysis dataset made up of its dates: a date of which the day is imputed is partial.

    `name` is `start` or `end`; `start_imputed` holds ADaM's flag (D the day, M also the month, Y all).
    """
    date, text, flag = f"{name}_date", f"{name}_text", f"{name}_imputed"
    if flag not in rows.columns or date not in rows.columns:
        return rows
    written = pl.col(date).cast(pl.String)
    known = (
        pl.when(pl.col(flag) == "D")
        .then(written.str.slice(0, 7))
        .when(pl.col(flag) == "M")
        .then(written.str.slice(0, 4))
        .when(pl.col(flag).is_null())
        .then(pl.col(text) if text in rows.columns else written)
    )
    first = pl.when(known.str.len_chars() == 4).then(known + "-01-01").otherwise(known + "-01")
    earliest = first.str.to_date("%Y-%m-%d", strict=False)
    made = pl.when(pl.col(flag).is_null()).then(pl.col(date)).otherwise(earliest)
    return rows.with_columns(known.alias(text), made.alias(date))
