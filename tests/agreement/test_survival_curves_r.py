"""Kaplan-Meier curves and log-rank tests agree with R's survival to 1e-8.

See tests/reference/survival_curves.R for the source of the numbers (versions are in its output).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import kaplan_meier, logrank

REFERENCE = Path(__file__).resolve().parent.parent / "reference"


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "survival_curves.json").read_text())


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "survival_awkward.csv")


def numbers(values: list) -> np.ndarray:
    return np.array([np.nan if v in (None, "NA", "NaN", "Inf") else v for v in values], dtype=float)


def assert_curve(found, expected: dict, *, limits: bool = True, only_events: bool = False) -> None:
    tidy = found.tidy()
    labels = tidy["group"].fill_null("all").cast(pl.String).to_list()
    assert labels == expected["group"]
    names = ["time", "n_risk", "n_event", "n_censor", "estimate", "std_error"]
    names += ["conf_low", "conf_high"] if limits else []
    # With nobody left R's log-scale standard error is infinite and ours does not exist.
    gone = tidy["estimate"].to_numpy() == 0
    for name in names:
        ours = tidy[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        theirs = numbers(expected[name])
        if name in ("std_error", "conf_low", "conf_high"):
            ours, theirs = ours[~gone], theirs[~gone]
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12, err_msg=name)
    hazard = found.nelson_aalen()
    np.testing.assert_allclose(hazard["estimate"], numbers(expected["cumhaz"]), rtol=1e-8)
    np.testing.assert_allclose(hazard["std_error"], numbers(expected["std_chaz"]), rtol=1e-8)


@pytest.mark.parametrize("conf_type", ["log-log", "log", "plain", "arcsin", "logit"])
def test_limits_of_every_type(r, trial, conf_type):
    found = kaplan_meier(trial["day"], trial["event"], trial["arm"], conf_type=conf_type)
    assert_curve(found, r["conf_type"][conf_type])


def test_one_curve_and_another_level(r, trial):
    assert_curve(kaplan_meier(trial["day"], trial["event"]), r["single"])
    assert_curve(kaplan_meier(trial["day"], trial["event"], level=0.9), r["level90"])


def test_months_that_are_tied_but_for_rounding_are_tied(r, trial):
    assert_curve(kaplan_meier(trial["month"], trial["event"], trial["arm"]), r["months"])


def test_left_truncation(r, trial):
    found = kaplan_meier(trial["day"], trial["event"], trial["arm"], entry=trial["entry"])
    assert_curve(found, r["truncated"])


def test_whole_weights_are_counts_and_others_get_the_jackknife(r, trial):
    whole = kaplan_meier(trial["day"], trial["event"], trial["arm"], weights=trial["whole"])
    assert whole.variance == "Greenwood"
    assert_curve(whole, r["whole"])
    fractional = kaplan_meier(trial["day"], trial["event"], trial["arm"], weights=trial["fractional"])
    assert fractional.variance == "infinitesimal jackknife"
    assert_curve(fractional, r["fractional"])


def test_fractional_weights_with_left_truncation(r, trial):
    found = kaplan_meier(
        trial["day"], trial["event"], trial["arm"], weights=trial["fractional"], entry=trial["entry"]
    )
    assert_curve(found, r["fractional_truncated"])


def test_a_stratum_of_one_and_one_without_events(r, trial):
    assert_curve(kaplan_meier(trial["day"], trial["event"], trial["stratum"]), r["strata"])


def test_quantiles(r, trial):
    found = kaplan_meier(trial["day"], trial["event"], trial["arm"])
    for i, p in enumerate((0.1, 0.25, 0.5, 0.75)):
        frame = found.quantile(p)
        for name, theirs in (("estimate", "estimate"), ("conf_low", "low"), ("conf_high", "high")):
            ours = frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
            np.testing.assert_allclose(ours, [numbers(row)[i] for row in r["quantiles"][theirs]])


def assert_test(found, expected: dict) -> None:
    np.testing.assert_allclose(found.statistic, expected["chisq"], rtol=1e-8)
    np.testing.assert_allclose(found.observed, expected["obs"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.expected, expected["exp"], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.variance, expected["var"], rtol=1e-8, atol=1e-12)
    assert found.df == expected["df"]


@pytest.mark.parametrize(
    ("name", "group", "arguments"),
    [
        ("plain", "arm", {}),
        ("stratified", "arm", {"strata": "stratum"}),
        ("by_center", "arm", {"strata": "center"}),
        ("rho1", "arm", {"rho": 1.0}),
        ("rho_half_stratified", "arm", {"rho": 0.5, "strata": "stratum"}),
        ("groups", "center", {}),
        ("groups_stratified", "stratum", {"strata": "arm"}),
    ],
)
def test_logrank(r, trial, name, group, arguments):
    arguments = {k: trial[v] if k == "strata" else v for k, v in arguments.items()}
    assert_test(logrank(trial["day"], trial["event"], trial[group], **arguments), r["logrank"][name])


def test_logrank_in_months(r, trial):
    assert_test(logrank(trial["month"], trial["event"], trial["arm"]), r["logrank"]["months"])


@pytest.mark.shared
def test_real_trials(r, shared):
    colon = pl.read_csv(shared / "data/survival_r/colon.csv", null_values="").filter(pl.col("etype") == 2)
    colon = colon.with_columns(pl.col("rx").cast(pl.Enum(["Lev", "Lev+5FU", "Obs"])))
    assert_test(logrank(colon["time"], colon["status"], colon["rx"]), r["shared"]["colon"])
    assert_curve(kaplan_meier(colon["time"], colon["status"], colon["rx"]), r["shared"]["colon_km"])
    actg = pl.read_csv(shared / "data/actg175/ACTG175.csv")
    assert_test(logrank(actg["days"], actg["cens"], actg["arms"]), r["shared"]["actg"])
