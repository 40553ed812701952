"""Dates as they are written, and the earliest day that a partial one allows."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarefree.readers.dates import read_dates, without_imputed_parts


@pytest.mark.parametrize(
    ("written", "expected", "is_partial"),
    [
        ("2014-03-02", date(2014, 3, 2), False),
        ("2014-03-02T23:59", date(2014, 3, 2), False),
        ("2014-03-02 08:15:00", date(2014, 3, 2), False),
        ("2014-3-2", date(2014, 3, 2), False),
        ("02MAR2014", date(2014, 3, 2), False),
        ("02-Mar-2014", date(2014, 3, 2), False),
        ("20140302", date(2014, 3, 2), False),
        ("2014-03", date(2014, 3, 1), True),
        ("2014", date(2014, 1, 1), True),
        ("2014---15", date(2014, 1, 15), True),  # the month is not known
        ("2014-UN-UN", date(2014, 1, 1), True),
        ("2014-03-UNK", date(2014, 3, 1), True),
        ("2012-02-29", date(2012, 2, 29), False),
    ],
)
def test_what_a_date_says(written: str, expected: date, is_partial: bool) -> None:
    dates = read_dates(pl.Series([written]))
    assert (dates.date[0], dates.is_partial[0], dates.is_unreadable[0]) == (expected, is_partial, False)
    assert dates.text is not None and dates.text[0] == written


@pytest.mark.parametrize(
    "written",
    [
        "2014-02-30",
        "2013-02-29",
        "2014-13-01",
        "--03-15",
        "UNK",
        "soon",
        "01/03/2014",
        "2014-03-02x",
        "19725",
    ],
)
def test_what_is_no_date(written: str) -> None:
    dates = read_dates(pl.Series([written]))
    assert (dates.date[0], dates.is_partial[0], dates.is_unreadable[0]) == (None, False, True)


def test_a_date_format_that_is_told_goes_first_and_iso_is_still_read() -> None:
    dates = read_dates(pl.Series(["02/03/2014", "31/02/2014", "2014-03-05", "2014-03", None]), "%d/%m/%Y")
    assert dates.date.to_list() == [date(2014, 3, 2), None, date(2014, 3, 5), date(2014, 3, 1), None]
    assert dates.is_unreadable.to_list() == [False, True, False, False, False]


def test_dates_as_such_and_as_sas_counts_them() -> None:
    as_such = read_dates(pl.Series([datetime(2014, 1, 2, 13), None]))
    assert as_such.date.to_list() == [date(2014, 1, 2), None]
    counted = read_dates(pl.Series([19725.0, -1.0, None]), counts_from_1960=True)
    assert counted.date.to_list() == [date(2014, 1, 2), date(1959, 12, 31), None]


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31)), st.sampled_from([4, 7, 10]))
def test_a_partial_date_is_never_later_than_any_date_it_allows(day: date, length: int) -> None:
    dates = read_dates(pl.Series([day.isoformat()[:length]]))
    assert dates.date[0] <= day
    assert dates.date[0].isoformat()[:length] == day.isoformat()[:length]
    assert dates.is_partial[0] == (length < 10)


def test_what_analysis_data_imputed_is_taken_back() -> None:
    rows = pl.DataFrame({
        "start_date": [date(2014, 3, 17)] * 4,
        "start_imputed": [None, "D", "M", "Y"],
        "start_text": ["2014-03-17"] * 4,
    })  # fmt: skip
    made = without_imputed_parts(rows, "start")
    assert made["start_text"].to_list() == ["2014-03-17", "2014-03", "2014", None]
    assert made["start_date"].to_list() == [date(2014, 3, 17), date(2014, 3, 1), date(2014, 1, 1), None]
