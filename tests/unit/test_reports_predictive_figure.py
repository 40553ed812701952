"""The figure of published numbers over predicted intervals: where each stands, and what is said of it."""

from __future__ import annotations

import re

import polars as pl
import pytest

from flarefree.reports.figures import Palette, describe_figure, render_figure
from flarefree.results import Figure


def figure(**changes: object) -> Figure:
    row = {
        "label": "Treatment failure", "group": "MMF", "value": 19.0, "mean": 20.0, "low": 10.0, "high": 30.0,
        "value_text": "19", "interval_text": "10 to 30", "is_open": False, "pit": 0.4,
    }  # fmt: skip
    frame = pl.DataFrame([{**row, **changes}])
    return Figure("f", "Numbers", "predictive", {"main": frame}, x_label="Place")


def disc(of: Figure) -> float:
    """Where the disc of the one row is; the key's own come before it."""
    svg = render_figure(of, Palette({"MMF": "#1d5a96"}))
    found = re.findall(
        r'<circle cx="([\d.]+)" cy="[\d.]+" r="[\d.]+" fill="(?:#1d5a96|#ffffff)" stroke="#1d5a96"', svg
    )
    assert len(found) == 1
    return float(found[0])


def test_a_number_stands_by_its_place_in_its_own_interval() -> None:
    """Half-way is at 0, the ends at -1 and 1: the same for counts and for ratios."""
    middle, high = disc(figure(value=20.0)), disc(figure(value=30.0))
    low = disc(figure(value=10.0))
    assert high - middle == pytest.approx(middle - low, abs=0.05) and high > middle
    assert disc(figure(value=0.5, low=0.0, high=1.0)) == pytest.approx(middle, abs=0.01)


def test_a_number_beyond_twice_the_interval_is_an_arrow_that_points_there() -> None:
    svg = render_figure(figure(value=60.0), Palette({"MMF": "#1d5a96"}))
    assert svg.count("<polygon") == 1 and svg.count('fill="#1d5a96" stroke="#1d5a96"') == 1


def test_an_interval_without_an_end_places_its_number_by_the_part_below_it() -> None:
    assert disc(figure(high=float("inf"), pit=0.5)) == pytest.approx(disc(figure(value=20.0)), abs=0.01)
    assert disc(figure(high=float("inf"), pit=1.0)) == pytest.approx(disc(figure(value=30.0)), abs=0.01)


def test_the_words_count_what_is_inside_and_name_what_is_not() -> None:
    assert describe_figure(figure()).startswith("1 of 1 published numbers lie within")
    words = describe_figure(figure(value=31.0))
    assert words.startswith("0 of 1") and "Outside: Treatment failure MMF." in words


def test_only_the_marks_that_are_used_are_in_the_key() -> None:
    assert "published, not fitted" not in render_figure(figure(), Palette())
    assert "published, fitted" not in render_figure(figure(is_open=True), Palette())
