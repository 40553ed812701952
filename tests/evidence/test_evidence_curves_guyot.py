"""Reconstruction from digitized curves: against an R program of the algorithm, and against known patients.

See tests/reference/curve_reconstruction (guyot.R, make_cases.py) for the source of R's numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.curves._guyot_kernels import pool_violators
from flarefree.stats.survival import kaplan_meier

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "curve_reconstruction"
CASES = ("plain", "total", "small", "heavy", "untabled")
METHODS = ("guyot", "closest")


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "guyot.json").read_text())


def case(name: str) -> tuple[pl.DataFrame, pl.DataFrame, int | None]:
    points = pl.read_csv(REFERENCE / "points.csv").filter(case=name)
    risk = pl.read_csv(REFERENCE / "risk.csv").filter(case=name)
    return points.select("time", "survival"), risk.select("time", "at_risk"), risk["events"][0]


def reconstructed(name: str, **choices):
    points, risk, events = case(name)
    return ff.evidence.reconstruct(points, at_risk=risk, events=events, **choices)


@pytest.mark.parametrize("name", CASES)
def test_the_algorithm_agrees_with_r_patient_by_patient(r, name):
    points, risk, _ = case(name)
    found, known = reconstructed(name), r[name]
    own = found.pseudo[0]
    assert own.central_event.sum() == known["total"] and own.central_time.size == known["rows"]
    np.testing.assert_allclose(own.central_curve, known["fitted"], atol=1e-12)
    np.testing.assert_allclose(own.central_time.sum(), known["exposure"], rtol=1e-12)
    times, counts = np.unique(own.central_time[own.central_event], return_counts=True)
    theirs = {t: d for t, d in zip(points["time"], known["events"]) if d}
    assert dict(zip(times, counts)) == theirs
    starts = np.searchsorted(points["time"].to_numpy(), risk["time"].to_numpy())
    assert [known["at_risk"][i] for i in starts] == own.central_at_risk.tolist()


@pytest.mark.parametrize("name", CASES)
def test_the_curve_of_the_patients_is_what_kaplan_meier_makes_of_them(r, name):
    """`fitted` is carried along while events are chosen; here it is computed anew, here and in R."""
    points, *_ = case(name)
    found = reconstructed(name)
    rows = found.patients()
    time, event = rows["time"].to_numpy(), rows["event"].to_numpy()
    at = points["time"].to_numpy()
    steps = np.unique(time[event])
    curve = np.ones(at.size)
    for t in steps:
        curve[at >= t] *= 1 - ((time == t) & event).sum() / (time >= t).sum()
    np.testing.assert_allclose(found.pseudo[0].central_curve, curve, atol=1e-12)
    np.testing.assert_allclose(r[name]["km"], curve, atol=1e-9)
    assert kaplan_meier(time, event) is not None


def patients(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    failure, censoring = rng.exponential(20, n), rng.uniform(6, 40, n)
    return np.minimum(failure, censoring), failure <= censoring


def curve_of(time: np.ndarray, event: np.ndarray, at: np.ndarray) -> np.ndarray:
    order = np.argsort(time)
    n = time.size
    steps = np.concatenate([[1.0], np.cumprod(1 - event[order] / (n - np.arange(n)))])
    return steps[np.searchsorted(time[order], at, side="right")]


@pytest.mark.parametrize("method", METHODS)
def test_a_whole_curve_with_a_dense_table_gives_back_the_very_events(method):
    """With a click at each event and the number at risk at each, nothing but censoring times is unknown."""
    time, event = patients(3, 60)
    at = np.unique(np.append(time[event], [0.0, time.max()]))
    table = {"time": at, "at_risk": [(time >= t).sum() for t in at]}
    found = ff.evidence.reconstruct(
        {"time": at, "survival": curve_of(time, event, at)}, at_risk=table, method=method
    )
    rows = found.patients()
    np.testing.assert_allclose(np.sort(rows.filter(pl.col("event"))["time"].to_numpy()), np.sort(time[event]))
    assert found.tidy()["max_distance"][0] < 1e-12 and found.tidy()["max_at_risk_residual"][0] == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_reconstructed_curves_stay_near_true_ones_and_keep_the_table(method, seed):
    time, event = patients(seed)
    at = np.linspace(0, time.max(), 100)
    grid = np.arange(0, time.max(), 6.0)
    table = {"time": grid, "at_risk": [(time >= t).sum() for t in grid]}
    points = {"time": at, "survival": np.round(curve_of(time, event, at), 3)}
    found = ff.evidence.reconstruct(points, at_risk=table, method=method, draws=10, seed=seed)
    row = found.errors().row(0, named=True)
    assert row["max_at_risk_residual"] <= 1 and row["rms_distance"] < 0.015  # under two patients of 120
    assert abs(row["events"] - event.sum()) <= 4
    assert all(p.time.shape == (10, 120) for p in found.pseudo)
    for b in range(10):
        rows = found.patients(b)
        assert rows.height == 120 and rows["time"].max() <= time.max() + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_events_in_all_are_kept_if_the_curve_allows_it(method):
    found = reconstructed("total", method=method)
    assert found.errors()["events_residual"][0] == 0


def test_least_squares_is_never_farther_from_the_points_where_both_keep_the_table():
    nearer = 0
    for seed in range(20):
        time, event = patients(seed, 50)
        at = np.linspace(0, time.max(), 60)
        grid = np.arange(0, time.max(), 8.0)
        table = {"time": grid, "at_risk": [(time >= t).sum() for t in grid]}
        points = {"time": at, "survival": curve_of(time, event, at)}
        rows = [
            ff.evidence.reconstruct(points, at_risk=table, method=method).errors().row(0, named=True)
            for method in METHODS
        ]
        assert rows[1]["max_at_risk_residual"] == 0
        nearer += rows[1]["rms_distance"] < rows[0]["rms_distance"] - 1e-6
        nearer -= rows[1]["rms_distance"] > rows[0]["rms_distance"] + 1e-6
    assert nearer >= 2


# Draws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_more_draws_leave_earlier_ones_as_they_were(method):
    few = reconstructed("plain", draws=5, seed=9, digitization_sd=0.004, method=method)
    many = reconstructed("plain", draws=12, seed=9, digitization_sd=0.004, method=method)
    np.testing.assert_array_equal(few.pseudo[0].time, many.pseudo[0].time[:5])
    other = reconstructed("plain", draws=5, seed=10, digitization_sd=0.004, method=method)
    assert (few.pseudo[0].time != other.pseudo[0].time).any()


def test_blocks_of_random_numbers_change_nothing(monkeypatch):
    whole = reconstructed("small", draws=9, digitization_sd=0.003)
    monkeypatch.setattr("flarefree.evidence.curves.reconstructing.BLOCK", 1)
    np.testing.assert_array_equal(
        whole.pseudo[0].time, reconstructed("small", draws=9, digitization_sd=0.003).pseudo[0].time
    )


def test_draws_differ_in_censoring_times_and_with_an_error_of_digitizing_in_events_too():
    exact = reconstructed("plain", draws=30).pseudo[0]
    shaken = reconstructed("plain", draws=30, digitization_sd=0.01).pseudo[0]
    assert np.unique(exact.time.sum(axis=1)).size > 20
    assert shaken.event.sum(axis=1).std() > exact.event.sum(axis=1).std()
    assert shaken.curve.std(axis=0).max() > 0.005


def test_without_table_and_events_draws_take_any_number_of_censorings():
    points, _, _ = case("plain")
    found = ff.evidence.reconstruct(points, n=200, draws=200)
    assert found.pseudo[0].central_event.sum() == round(200 * (1 - points["survival"][-1]))
    row = found.errors().row(0, named=True)
    assert row["events_low"] < 70 and row["events_high"] > 115
    assert any(finding.what == "no risk table" for finding in found.findings)


def test_units_of_time_scale_the_patients_and_nothing_else():
    points, risk, _ = case("plain")
    months = ff.evidence.reconstruct(points, at_risk=risk, draws=4)
    days = ff.evidence.reconstruct(
        points.with_columns(pl.col("time") * 32), at_risk=risk.with_columns(pl.col("time") * 32), draws=4
    )
    np.testing.assert_allclose(days.pseudo[0].time, 32 * months.pseudo[0].time, rtol=1e-12)


def test_the_monotone_fit_is_the_least_squares_one():
    """Against the minimax formula of isotonic regression, computed plainly."""
    values = np.random.default_rng(2).normal(size=40) - np.linspace(0, 3, 40)
    fitted = values.copy()
    pool_violators(fitted)
    plain = [
        min(max(values[a : b + 1].mean() for b in range(i, 40)) for a in range(i + 1)) for i in range(40)
    ]
    np.testing.assert_allclose(fitted, plain, atol=1e-12)
    assert (np.diff(fitted) <= 1e-12).all()


def test_patients_of_a_draw_that_is_not_there_are_not_given():
    found = reconstructed("small", draws=2)
    with pytest.raises(NotFoundError, match="no such draw"):
        found.patients(2)
    assert found.all_patients().height == 80
    assert found.all_patients().columns == ["draw", "arm", "time", "event"]


def test_one_arm_has_a_rate_but_no_ratio():
    found = reconstructed("small", draws="auto")
    assert found.draws >= 20
    with pytest.raises(EvidenceError, match="one arm has no comparison"):
        found.pooled_hazard_ratio()
    assert "21" in repr(found) and "guyot" in repr(found)
