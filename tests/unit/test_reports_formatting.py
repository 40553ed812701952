"""Numbers as a journal prints them."""

from __future__ import annotations

import math

import pytest

from flarefree.reports.formatting import (
    NumberStyle,
    format_cell,
    format_number,
    format_p_value,
    format_percent,
    format_stat,
)
from flarefree.results import Cell

STYLE = NumberStyle()


@pytest.mark.parametrize(
    ("value", "digits", "printed"),
    [
        (2.675, 2, "2.68"),  # half away from zero on the written digits, not on the binary ones
        (-2.675, 2, "−2.68"),
        (0.125, 2, "0.13"),
        (1e-9, 1, "0.0"),
        (-0.04, 1, "0.0"),  # no minus before a zero
        (-0.0, 0, "0"),
        (1000, 0, "1000"),
        (9999.5, 0, "10,000"),
        (10000, 0, "10,000"),
        (-1234567.25, 1, "−1,234,567.3"),
        (1e300, 0, f"{10**300:,}"),
        (math.inf, 1, "∞"),
        (-math.inf, 1, "−∞"),
        (None, 1, "—"),
    ],
)
def test_numbers_are_rounded_half_away_from_zero_with_a_true_minus(value, digits, printed):
    assert format_number(value, digits) == printed


@pytest.mark.parametrize(
    ("p", "printed"),
    [
        (0.68, "0.68"),
        (0.00312, "0.003"),
        (0.0096, "0.01"),  # three decimals would print 0.010
        (0.0094, "0.009"),
        (0.01, "0.01"),
        (0.001, "0.001"),
        (0.00099, "<0.001"),
        (0.0, "<0.001"),
        (0.0471, "0.047"),  # 0.05 would hide that it is below the level
        (0.0525, "0.053"),
        (0.04996, "<0.05"),  # four decimals would print the level itself
        (0.0496, "0.0496"),
        (0.05, "0.05"),
        (0.0449, "0.04"),
        (0.0551, "0.06"),
        (1.0, "1.00"),
        (0.9999999999999, "1.00"),  # a sum of probabilities that is 1 but for rounding
        (0.997, ">0.99"),
        (0.994, "0.99"),
        (None, "—"),
    ],
)
def test_p_values_are_printed_as_in_medical_journals(p, printed):
    assert format_p_value(p) == printed


@pytest.mark.parametrize(
    ("p", "digits", "printed"),
    [(0.7214, 3, "0.721"), (0.00004, 4, "<0.0001"), (0.0001, 4, "0.0001"), (0.9996, 3, ">0.999")],
)
def test_a_table_may_ask_for_a_fixed_number_of_decimals_of_p(p, digits, printed):
    assert format_p_value(p, digits=digits) == printed


def test_the_level_beside_which_p_gets_a_third_decimal_is_the_protocols():
    assert format_p_value(0.0121, significance=0.01) == "0.012"
    assert format_p_value(0.047, significance=0.01) == "0.05"


@pytest.mark.parametrize(
    ("percent", "printed"),
    [
        (98.26086956, "98.3"),
        (100.0, "100"),
        (0.0, "0"),
        (0.04, "<0.1"),
        (99.96, ">99.9"),
        (99.94, "99.9"),
        (None, "—"),
    ],
)
def test_a_percentage_is_never_rounded_onto_0_or_100_that_it_is_not(percent, printed):
    assert format_percent(percent, 1) == printed


NB, THIN = "\u00a0", "\u2009"


@pytest.mark.parametrize(
    ("cell", "printed"),
    [
        (Cell("blank"), ""),
        (Cell("text", {"text": "≥90"}), "≥90"),
        (Cell("text", {"text": None}), ""),
        (Cell("count", {"n": 12345}), "12,345"),
        (Cell("count", {"n": None}), "—"),
        (Cell("n_percent", {"n": 17, "percent": 14.655, "total": 116}), f"17{NB}(14.7)"),
        (Cell("n_percent", {"n": 0, "percent": 0.0, "total": 116}), "0"),
        (Cell("n_percent", {"n": 0, "percent": None, "total": 0}), "—"),
        (Cell("n_percent", {"n": 116, "percent": 100.0, "total": 116}), f"116{NB}(100)"),
        (Cell("n_percent", {"n": 17, "percent": 15.4545, "total": 110}), f"17/110{NB}(15.5)"),
        (Cell("n_percent", {"n": 1, "percent": 33.333333}, digits=2), f"1{NB}(33.33)"),
        (
            Cell("n_percent_events", {"n": 3, "percent": 2.586, "total": 116, "events": 5}),
            f"3{NB}(2.6){NB}[5]",
        ),
        (Cell("n_of_total", {"n": 19, "total": 116}), "19/116"),
        (Cell("number", {"value": 834.35}), "834.4"),
        (Cell("number", {"value": 2.0}, digits=0), "2"),
        (Cell("mean_sd", {"mean": 31.8, "sd": 10.59}), f"31.8{THIN}±{THIN}10.6"),
        (Cell("mean_sd", {"mean": 31.8, "sd": None}), "31.8"),
        (Cell("mean_sd", {"mean": None, "sd": None}), "—"),
        (Cell("mean_se", {"mean": -1.25, "std_error": 0.3}), f"−1.3{THIN}±{THIN}0.3"),
        (Cell("geometric_mean_sd", {"geometric_mean": 95.1, "sd": 25.13}), f"95.1{THIN}±{THIN}25.1"),
        (Cell("median_iqr", {"median": 12, "q1": 6, "q3": 12}, digits=0), f"12{NB}(6–12)"),
        (Cell("median_range", {"median": -1.0, "min": -3.0, "max": 2.0}), f"−1.0{NB}(−3.0{NB}to{NB}2.0)"),
        (
            Cell("estimate_ci", {"estimate": 0.4396, "conf_low": 0.25, "conf_high": 0.7702}),
            f"0.44{NB}(0.25{NB}to{NB}0.77)",
        ),
        (
            Cell("estimate_ci", {"estimate": 0.18, "conf_low": 0.02, "conf_high": None}),
            f"0.18{NB}(0.02{NB}to{NB}NE)",
        ),
        (Cell("estimate_ci", {"estimate": 0.18, "conf_low": None, "conf_high": None}), "0.18"),
        (Cell("estimate_ci", {"estimate": None, "conf_low": None, "conf_high": None}), "—"),
        (
            Cell("estimate_ci", {"estimate": 0.003, "conf_low": 0.0, "conf_high": 2345.6}),
            f"<0.01{NB}(0.00{NB}to{NB}2346)",
        ),
        (
            Cell("estimate_ci", {"estimate": -0.004, "conf_low": -1.0, "conf_high": 1.0}),
            f"0.00{NB}(−1.00{NB}to{NB}1.00)",
        ),
        (
            Cell("percent_ci", {"percent": 4.55, "conf_low": 1.49, "conf_high": 13.43}, digits=2),
            f"4.55{NB}(1.49{NB}to{NB}13.43)",
        ),
        (Cell("rate", {"rate": 9.1519}, digits=2), "9.15"),
        (Cell("rate", {"rate": 0.02}), "<0.1"),
        (Cell("rate", {"rate": 0.0}), "0.0"),
        (Cell("p_value", {"p_value": 0.0004}), "<0.001"),
        (Cell("p_value", {"p_value": math.nan}), "—"),
    ],
)
def test_every_display_is_printed(cell, printed):
    assert format_cell(cell, STYLE, column_n=116) == printed


def test_the_decimals_of_percentages_are_the_protocols():
    cell = Cell("n_percent", {"n": 17, "percent": 14.655, "total": 116})
    assert format_cell(cell, NumberStyle(percent_digits=0)) == f"17{NB}(15)"


def test_each_statistic_can_be_printed_alone_for_the_results_standard():
    cell = Cell("n_percent", {"n": 17, "percent": 14.655, "total": 116})
    assert [format_stat(k, v, cell, STYLE) for k, v in cell.stats.items()] == ["17", "14.7", "116"]
    ratio = Cell("estimate_ci", {"estimate": 0.4396, "conf_low": None, "p_value": 0.0031})
    assert [format_stat(k, v, ratio, STYLE) for k, v in ratio.stats.items()] == ["0.44", "—", "0.003"]
