"""What a digitized figure may be like: repaired and told, or refused with the arm and the row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import EvidenceError, NotFoundError

TIME = [0.0, 2, 4, 6, 8, 10, 12]
CURVE = [1.0, 0.95, 0.9, 0.8, 0.75, 0.7, 0.65]
RISK = {"time": [0, 6, 12], "at_risk": [100, 78, 40]}


def made(survival=CURVE, time=TIME, at_risk=RISK, **choices):
    return ff.evidence.reconstruct({"time": time, "survival": survival}, at_risk=at_risk, **choices)


def said(found) -> list[str]:
    return [finding.what for finding in found.findings]


def test_a_clean_curve_has_no_findings():
    assert said(made()) == []


def test_points_out_of_order_are_sorted_and_told():
    order = [0, 3, 1, 2, 4, 6, 5]
    found = made([CURVE[i] for i in order], [TIME[i] for i in order])
    assert said(found) == ["points out of order"]
    np.testing.assert_array_equal(found.pseudo[0].central_time, made().pseudo[0].central_time)


def test_a_small_rise_is_smoothed_and_told_with_its_tolerance():
    found = made([1.0, 0.95, 0.9, 0.8, 0.81, 0.7, 0.65])
    assert said(found) == ["survival rises"] and "tolerance 0.05" in found.findings[0].done
    assert found.arms[0].survival[3] == found.arms[0].survival[4] == pytest.approx(0.805)
    assert (np.diff(found.arms[0].survival) <= 1e-12).all()


def test_a_great_rise_is_refused_with_its_time():
    with pytest.raises(EvidenceError, match="time 8") as caught:
        made([1.0, 0.95, 0.9, 0.7, 0.8, 0.7, 0.65])
    assert "incidence" in caught.value.try_
    assert made([1.0, 0.95, 0.9, 0.7, 0.8, 0.7, 0.65], rise_tolerance=0.2) is not None


def test_cumulative_incidence_is_one_minus_survival():
    incidence = {"time": TIME, "incidence": [1 - s for s in CURVE]}
    found = ff.evidence.reconstruct(incidence, at_risk=RISK)
    np.testing.assert_array_equal(found.pseudo[0].central_time, made().pseudo[0].central_time)


def test_percentages_are_taken_as_such_and_never_guessed():
    percent = [100 * s for s in CURVE]
    with pytest.raises(EvidenceError, match="beyond 0 to 1") as caught:
        made(percent)
    assert caught.value.try_ == "unit='percent'" and "row 1" in caught.value.where
    np.testing.assert_array_equal(
        made(percent, unit="percent").pseudo[0].central_time, made().pseudo[0].central_time
    )
    with pytest.raises(EvidenceError, match="percentages that are proportions"):
        made(unit="percent")


def test_a_hair_beyond_one_is_set_to_one_and_told():
    found = made([1.01, *CURVE[1:]])
    assert "values beyond 0 to 1" in said(found)
    with pytest.raises(EvidenceError, match=r"1\.2"):
        made([1.2, *CURVE[1:]])


def test_top_and_foot_of_a_step_count_as_its_foot():
    found = made([1.0, 1.0, 0.9, 0.9, 0.8, 0.8], [0, 4, 4, 8, 8, 12])
    assert said(found) == []
    events = found.patients().filter(pl.col("event"))["time"].unique().sort().to_list()
    assert events == [4.0, 8.0]


def test_a_table_in_either_shape_and_from_a_file(tmp_path):
    long = pl.DataFrame(
        {"arm": ["a"] * 3 + ["b"] * 3, "time": [0, 6, 12] * 2, "at_risk": [100, 78, 40, 90, 75, 50]}
    )
    wide = {"time": [0, 6, 12], "a": [100, 78, 40], "b": [90, 75, 50]}
    points = pl.DataFrame({"arm": ["a"] * 7 + ["b"] * 7, "time": TIME * 2, "survival": CURVE * 2})
    file = tmp_path / "points.csv"
    points.write_csv(file)
    first = ff.evidence.reconstruct(points, at_risk=long)
    for other in (
        ff.evidence.reconstruct(points.to_pandas(), at_risk=wide),
        ff.evidence.reconstruct(str(file), at_risk=long.to_dicts()),
        ff.evidence.reconstruct(points.rename({"arm": "Group"}), at_risk=wide, arm="Group"),
    ):
        assert other.labels == ("a", "b")
        assert other.patients().equals(first.patients())


def test_a_table_that_begins_late_takes_n():
    late = {"time": [6, 12], "at_risk": [78, 40]}
    assert made(at_risk=late, n=100).patients().equals(made().patients())
    with pytest.raises(EvidenceError, match="n of at least 78"):
        made(at_risk=late, n=70)


def test_a_table_beyond_the_curve_is_told_or_refused():
    assert "the risk table runs beyond the curve" in said(
        made(at_risk={"time": [0, 6, 12, 15], "at_risk": [100, 78, 40, 10]})
    )
    with pytest.raises(EvidenceError, match="far beyond the curve"):
        made(at_risk={"time": [0, 180, 360], "at_risk": [100, 78, 40]})


def test_a_curve_that_the_table_does_not_allow_is_told():
    found = made(at_risk={"time": [0, 6, 12], "at_risk": [100, 97, 96]})
    assert "curve and risk table disagree" in said(found) and "note:" in repr(found)


def test_events_that_the_curve_does_not_allow_are_told():
    found = made(events=2)
    assert "curve and number of events disagree" in said(found)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"at_risk": {"time": [0, 6, 12], "at_risk": [100, 78, 80]}}, "time 12"),
        ({"at_risk": {"time": [0, 6, 12], "at_risk": [100, 78.5, 40]}}, "not a number of patients"),
        ({"at_risk": {"time": [0, 6, 6], "at_risk": [100, 78, 40]}}, "do not increase"),
        ({"at_risk": {"time": [0, 6], "risk": [100, 78]}}, "not the columns"),
        ({"n": 90}, "fewer patients than were at risk"),
        ({"n": 120}, "not the number at risk at time 0"),
        ({"at_risk": None}, "how many patients"),
        ({"at_risk": None, "n": 0}, "no patients"),
        ({"events": 101}, "more events than patients"),
        ({"events": 3.5}, "not a count"),
        ({"events": {"x": 3}}, "an unknown arm"),
        ({"time": [-1.0, *TIME[1:]]}, "row 1"),
        ({"survival": [1.0, float("nan"), *CURVE[2:]]}, "row 2"),
        ({"survival": ["1", "x", *map(str, CURVE[2:])]}, "row 2"),
        ({"draws": 0}, "not a number of draws"),
        ({"draws": "many"}, "not a number of draws"),
        ({"seed": -1}, "not a seed"),
        ({"method": "spline"}, "'guyot' or 'closest'"),
        ({"digitization_sd": 0.5}, "0 to 0.2"),
        ({"unit": "fraction"}, "no such unit"),
    ],
)
def test_what_cannot_be_is_refused_in_words(choices, words):
    with pytest.raises(EvidenceError) as caught:
        made(**choices)
    assert words in str(caught.value) and caught.value.where


def test_arms_of_points_and_table_must_be_the_same():
    points = {"arm": ["a", "a", "b", "b"], "time": [0, 6, 0, 6], "survival": [1, 0.8, 1, 0.7]}
    with pytest.raises(EvidenceError, match="of other arms"):
        ff.evidence.reconstruct(points, at_risk={"arm": ["a", "c"], "time": [0, 0], "at_risk": [9, 9]})
    with pytest.raises(EvidenceError, match="whose numbers"):
        ff.evidence.reconstruct(points, at_risk=RISK)
    with pytest.raises(EvidenceError, match="one number for several arms"):
        ff.evidence.reconstruct(points, n=100)
    found = ff.evidence.reconstruct(points, n={"a": 50, "b": 40})
    with pytest.raises(NotFoundError, match="no such arm"):
        found.pooled_hazard_ratio("c")
    with pytest.raises(EvidenceError, match="against itself"):
        found.pooled_hazard_ratio("a", "a")


def test_what_is_no_table_is_refused():
    for data in (3, "no-such-file.csv", [1, 2]):
        with pytest.raises(EvidenceError):
            ff.evidence.reconstruct(data, n=10)
    with pytest.raises(EvidenceError, match="0 rows"):
        ff.evidence.reconstruct({"time": [], "survival": []}, n=10)


def test_events_by_interval_are_told_to_be_unused():
    found = made(at_risk=RISK | {"events": [0, 20, 12]})
    assert said(found) == ["the risk table has events by interval"]
    assert found.patients().equals(made().patients())
