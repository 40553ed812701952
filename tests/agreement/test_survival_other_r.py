"""Rates, restricted means, recurrent events, piecewise rates and trend agree with R.

See tests/reference/survival_other.R for the source of the numbers (versions are in its output).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import (
    incidence_rate,
    logrank_trend,
    mean_cumulative_function,
    piecewise_exponential,
    rate_ratio,
    rmst,
)

REFERENCE = Path(__file__).resolve().parent.parent / "reference"


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "survival_other.json").read_text())


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "survival_awkward.csv")


def test_exact_limits_of_rates(r):
    known = r["rates"]
    found = incidence_rate(known["events"], known["time"], per=1)
    np.testing.assert_allclose(found.conf_low, known["exact_low"], rtol=1e-8)
    np.testing.assert_allclose(found.conf_high, known["exact_high"], rtol=1e-8)
    ninety = incidence_rate(known["events"], known["time"], per=1, level=0.9)
    np.testing.assert_allclose(
        np.column_stack((ninety.conf_low, ninety.conf_high)), known["exact90"], rtol=1e-8
    )


def test_byars_limits(r):
    known = r["rates"]
    found = incidence_rate(known["events"], known["time"], per=1, method="byar")
    np.testing.assert_allclose(found.conf_high, known["byar_high"], rtol=1e-8)
    np.testing.assert_allclose(found.conf_low[1:], known["byar_low"][1:], rtol=1e-8)
    assert found.conf_low[0] == 0  # epitools has -0.0001 for no events: no rate is below zero


def test_breslow_and_days_limits_are_close_to_the_exact_ones(r):
    known = r["rates"]
    exact = incidence_rate(known["events"], known["time"], per=1)
    found = incidence_rate(known["events"], known["time"], per=1, method="breslow-day")
    np.testing.assert_allclose(found.conf_low[3:], exact.conf_low[3:], rtol=0.01)
    np.testing.assert_allclose(found.conf_high[2:], exact.conf_high[2:], rtol=0.01)


def test_exact_limits_of_a_rate_ratio(r):
    found = rate_ratio((12, 5), (100, 110))
    assert found.ratio == pytest.approx(r["ratio"]["estimate"], rel=1e-12)
    np.testing.assert_allclose([found.conf_low, found.conf_high], r["ratio"]["limits"], rtol=1e-8)
    nobody = rate_ratio((4, 0), (60, 50))
    assert nobody.ratio == 0
    np.testing.assert_allclose([nobody.conf_low, nobody.conf_high], r["ratio"]["zero"], rtol=1e-8)
    assert nobody.warnings


@pytest.mark.parametrize(("place", "tau"), [(0, 50), (1, 100), (2, 140)])
def test_restricted_means(r, trial, place, tau):
    found = rmst(trial["day"], trial["event"], trial["arm"], tau=tau)
    ours = np.column_stack((found.estimate, found.std_error))
    np.testing.assert_allclose(ours, r["rmst"][place], rtol=1e-8)


@pytest.mark.shared
def test_mean_cumulative_function(r, shared):
    data = pl.read_csv(shared / "data/survival_r/bladder2.csv")
    found = mean_cumulative_function(data["stop"], data["event"], data["id"], data["rx"], start=data["start"])
    expected = r["mcf"]
    tidy = found.tidy()
    assert tidy["group"].to_list() == expected["rx"]
    for ours, theirs in (("time", "time"), ("n_risk", "n_risk"), ("estimate", "cumhaz"), ("std_error", "se")):
        np.testing.assert_allclose(tidy[ours], expected[theirs], rtol=1e-8)


def test_piecewise_exponential_is_poisson_regression(r, trial):
    x = trial.select("arm", "age").to_numpy()
    found = piecewise_exponential(trial["day"], trial["event"], x, cuts=(30, 60), names=["arm", "age"])
    expected = r["piecewise"]
    np.testing.assert_allclose(np.log(found.rate), expected["coef"][:3], rtol=1e-8)
    np.testing.assert_allclose(found.log_rate_error, expected["se"][:3], rtol=1e-6)
    np.testing.assert_allclose(found.coef, expected["coef"][3:], rtol=1e-8)
    np.testing.assert_allclose(found.std_error, expected["se"][3:], rtol=1e-6)
    assert found.likelihood_ratio.statistic == pytest.approx(expected["lr"], rel=1e-8)


def test_trend(r, trial):
    data = trial.with_row_index().with_columns(later=pl.col("day") + (pl.col("index") + 1) / 1000)
    found = logrank_trend(data["later"], data["event"], data["center"] % 4, scores=[0, 1, 2, 3])
    assert found.statistic == pytest.approx(r["trend"], rel=1e-8)
    default = logrank_trend(data["later"], data["event"], data["center"] % 4)
    assert default.statistic == pytest.approx(found.statistic, rel=1e-10)
