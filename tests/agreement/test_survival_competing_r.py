"""Cumulative incidence, Gray's test and Fine-Gray agree with R's survival and cmprsk.

See tests/reference/survival_competing.R for the source of the numbers (versions are in its output).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import cumulative_incidence, fine_gray, gray

REFERENCE = Path(__file__).resolve().parent.parent / "reference"


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "survival_competing.json").read_text())


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "survival_awkward.csv")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("plain", {"group": "arm"}),
        ("log", {"group": "arm", "conf_type": "log"}),
        ("weights", {"group": "arm", "weights": "fractional"}),
        ("truncated", {"entry": "entry"}),
    ],
)
def test_incidence_with_jackknife_variance(r, trial, name, arguments):
    columns = {k: trial[v] if k != "conf_type" else v for k, v in arguments.items()}
    found = cumulative_incidence(trial["day"], trial["cause"], **columns)
    expected = r[name]
    for cause, label in ((1, "flare"), (2, "death")):
        frame = found.tidy().filter(pl.col("cause") == cause)
        np.testing.assert_allclose(frame["time"], expected["time"])
        if name != "weights":  # R counts rows there, we their weights
            np.testing.assert_allclose(frame["n_risk"], expected["n_risk"], rtol=1e-10)
        np.testing.assert_allclose(frame["estimate"], expected[label], rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(frame["std_error"], expected[f"{label}_se"], rtol=1e-8, atol=1e-14)
        if cause == 1:
            for ours, theirs in (("conf_low", "flare_low"), ("conf_high", "flare_high")):
                limits = np.array(expected[theirs], dtype=float)
                np.testing.assert_allclose(frame[ours].fill_null(np.nan), limits, rtol=1e-8)


def test_aalens_variance(r, trial):
    found = cumulative_incidence(trial["day"], trial["cause"], trial["arm"], variance="aalen")
    expected = r["cuminc"]
    at = found.at(expected["times"], extend=True)
    for row, name in enumerate(expected["rows"]):  # "arm cause"
        arm, cause = map(int, name.split())
        ours = at.filter(pl.col("group") == arm, pl.col("cause") == cause)
        np.testing.assert_allclose(ours["estimate"], expected["est"][row], rtol=1e-8)
        np.testing.assert_allclose(ours["std_error"] ** 2, expected["var"][row], rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "group", "arguments"),
    [
        ("arm", pl.col("arm"), {}),
        ("center", pl.col("center"), {}),
        ("strata", pl.col("arm"), {"strata": "stratum"}),
        ("rho", pl.col("arm"), {"rho": 1.0}),
        ("center_strata", pl.col("center") // 4, {"strata": "arm"}),
    ],
)
def test_gray(r, trial, name, group, arguments):
    arguments = {k: trial[v] if k == "strata" else v for k, v in arguments.items()}
    found = gray(trial["day"], trial["cause"], trial.select(group).to_series(), **arguments)
    expected = r["gray"][name]
    np.testing.assert_allclose(found.statistic, expected["stat"], rtol=1e-8)
    np.testing.assert_allclose(found.p_value, expected["pv"], rtol=1e-8)
    assert list(found.df) == expected["df"]


@pytest.mark.parametrize(("name", "interest"), [("flare", 1), ("death", 2)])
def test_fine_gray(r, trial, name, interest):
    x = trial.select("arm", "age", "marker").to_numpy()
    found = fine_gray(trial["day"], trial["cause"], x, interest=interest)
    expected = r["crr"][name]
    np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(found.std_error, expected["se"], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(found.naive_covariance)), expected["naive"], rtol=1e-6)
    np.testing.assert_allclose([found.loglik_null, found.loglik], [expected["null"], expected["loglik"]])
    np.testing.assert_allclose(found.time, expected["times"])
    np.testing.assert_allclose(found.hazard, expected["hazard"], rtol=1e-6)


def test_fine_gray_with_censoring_groups(r, trial):
    """Coefficients agree; the variance differs in the third digit, as the methods page explains."""
    x = trial.select("arm", "age", "marker").to_numpy()
    found = fine_gray(trial["day"], trial["cause"], x, censoring_group=trial["arm"])
    np.testing.assert_allclose(found.coef, r["crr"]["groups"]["coef"], rtol=1e-6)
    np.testing.assert_allclose(found.std_error, r["crr"]["groups"]["se"], rtol=5e-3)


def test_fine_gray_by_formula_is_the_same(trial):
    x = trial.select("arm", "age", "marker").to_numpy()
    by_array = fine_gray(trial["day"], trial["cause"], x)
    by_formula = fine_gray("Surv(day, cause) ~ arm + age + marker", trial)
    np.testing.assert_array_equal(by_array.coef, by_formula.coef)
    labelled = trial.with_columns(
        state=pl.col("cause").replace_strict({0: "none", 1: "flare", 2: "death"}, return_dtype=pl.String)
    )
    by_label = fine_gray("Surv(day, state) ~ arm + age + marker", labelled, interest="flare", censored="none")
    np.testing.assert_array_equal(by_array.covariance, by_label.covariance)
