"""Results as text, and the numbers they mean."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flarefree.readers.values import beyond_limits, code_texts, read_numbers


@pytest.mark.parametrize(
    ("written", "number", "form", "unit"),
    [
        ("1.50", 1.5, "plain", None),
        (" -3 ", -3.0, "plain", None),
        ("1e3", 1000.0, "plain", None),
        (".5", 0.5, "plain", None),
        ("5 /hpf", 5.0, "plain", "/hpf"),
        ("12%", 12.0, "plain", "%"),
        ("4.5 10^9/L", 4.5, "plain", "10^9/L"),
        ("<0.1", 0.1, "below", None),
        ("≥ 5 mg/dL", 5.0, "at_limit", "mg/dL"),
        (">1000", 1000.0, "above", None),
        ("0-2/hpf", 1.0, "range", "/hpf"),
        ("5 to 10", 7.5, "range", None),
        ("-3--1", -2.0, "range", None),
        ("n.d.", None, None, None),
        ("inf", None, None, None),
        ("NaN", None, None, None),
        ("1e400", None, None, None),
        ("1e300", None, None, None),  # finite, but its square is not, and no transport file holds it
        ("1,5", None, None, None),
        ("2+", None, None, None),
        ("", None, None, None),
    ],
)
def test_what_a_result_means(written: str, number: float | None, form: str | None, unit: str | None) -> None:
    assert read_numbers(pl.Series([written])).row(0) == (number, form, unit)


def test_decimal_commas() -> None:
    assert read_numbers(pl.Series(["1.234,5", "0,5", "<0,1"]), decimal=",")["number"].to_list() == [
        1234.5,
        0.5,
        0.1,
    ]


@given(st.floats(-1e59, 1e59).filter(lambda x: x == 0 or abs(x) >= 1e-60))
def test_every_number_is_read_as_python_writes_it(number: float) -> None:
    assert read_numbers(pl.Series([repr(number)]))["number"][0] == number


def test_beyond_a_limit_by_the_least_that_a_number_can() -> None:
    forms = pl.Series(["below", "above", "at_limit", "plain", None])
    values = beyond_limits(pl.Series([1.0, 1.0, 1.0, 1.0, None]), forms).to_list()
    assert values == [math.nextafter(1, 0), math.nextafter(1, 2), 1.0, 1.0, None]


def test_words_mean_numbers_whatever_their_case_and_blanks() -> None:
    made = code_texts(
        pl.Series(["none  SEEN", " Few ", "2+", "many", None]), {"None seen": 0, "few": 1, "2+": 2}
    )
    assert made.to_list() == [0.0, 1.0, 2.0, None, None]
