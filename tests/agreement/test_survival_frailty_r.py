"""Shared frailty agrees with R's coxph: the same likelihood, its maximum, coefficients, errors, frailties.

See tests/reference/survival_frailty.R for the source of the numbers (versions are in its output).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import cox

REFERENCE = Path(__file__).resolve().parent.parent / "reference"
AWKWARD = "Surv(day, event) ~ arm + age + frailty(center{})"
TRUNCATED = "Surv(entry, day, event) ~ arm + age + strata(stratum) + frailty(center{})"


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "survival_frailty.json").read_text())


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "survival_awkward.csv")


def assert_frailty(found, expected, *, variance_rtol=1e-6, rtol=1e-6) -> None:
    np.testing.assert_allclose(found.frailty.variance, expected["theta"], rtol=variance_rtol)
    np.testing.assert_allclose(found.coef, np.atleast_1d(expected["coef"]), rtol=rtol)
    np.testing.assert_allclose(found.std_error, np.atleast_1d(expected["se"]), rtol=rtol)
    np.testing.assert_allclose(found.frailty.values, expected["frail"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.frailty.std_error, expected["frail_se"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "formula", "options", "ties"),
    [
        ("awkward", AWKWARD, "", "efron"),
        ("awkward_dense", AWKWARD, ", sparse = FALSE", "efron"),
        ("awkward_breslow", AWKWARD, "", "breslow"),
        ("truncated", TRUNCATED, "", "efron"),
    ],
)
def test_gamma_frailty_is_at_the_maximum_of_coxphs_likelihood(r, trial, name, formula, options, ties):
    found = cox(formula.format(options), trial, ties=ties)
    # R's optimize() finds an argument to about the square root of the precision of its values.
    assert_frailty(found, r["gamma"][name], variance_rtol=1e-5)
    np.testing.assert_allclose(found.frailty.loglik, r["gamma"][name]["c_loglik"], rtol=1e-10)


@pytest.mark.parametrize("theta", [0.05, 0.5, 2])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gamma", "distribution = gamma"),
        ("gaussian", "distribution = gaussian"),
        ("gaussian_dense", "distribution = gaussian, sparse = FALSE"),
    ],
)
def test_frailty_of_a_given_variance(r, trial, name, options, theta):
    found = cox(AWKWARD.format(f", {options}, theta = {theta}"), trial)
    expected = r["fixed"][f"{name}_{theta}"]
    assert_frailty(found, expected)
    assert found.frailty.method == "fixed"
    if name == "gamma":
        np.testing.assert_allclose(found.frailty.loglik, expected["c_loglik"], rtol=1e-10)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("gamma", "kidney", ""),
        ("gamma", "kidney_dense", ", sparse = FALSE"),
        ("gamma", "eortc", ""),
        ("reml", "kidney", ", distribution = gaussian"),
        ("reml", "kidney_dense", ", distribution = gaussian, sparse = FALSE"),
        ("reml", "eortc", ", distribution = gaussian"),
        ("reml", "eortc_dense", ", distribution = gaussian, sparse = FALSE"),
    ],
)
def test_real_trials(r, shared, kind, name, options):
    if name.startswith("kidney"):
        data = pl.read_csv(shared / "data/survival_r/kidney.csv")
        found = cox(f"Surv(time, status) ~ age + sex + frailty(id{options})", data)
    else:
        data = pl.read_csv(shared / "data/survival_r/eortc_multicentre.csv")
        found = cox(f"Surv(y, uncens) ~ trt + frailty(center{options})", data)
    # age's coefficient in kidney is a hundredth of its error: its relative precision follows the variance
    assert_frailty(found, r[kind][name], variance_rtol=1e-5, rtol=1e-5)


@pytest.mark.shared
def test_the_variance_of_kidney_with_disease_is_zero(shared):
    """In coxph too it collapses to the boundary (5e-9)."""
    data = pl.read_csv(shared / "data/survival_r/kidney.csv")
    data = data.with_columns(pl.col("disease").cast(pl.Enum(["Other", "AN", "GN", "PKD"])))
    found = cox("Surv(time, status) ~ age + sex + disease + frailty(id)", data)
    without = cox("Surv(time, status) ~ age + sex + disease", data)
    assert found.frailty.is_boundary
    assert found.frailty.variance == 0.0
    assert found.frailty.conf_low == 0.0
    assert 0 < found.frailty.conf_high < 2
    assert found.frailty.test.p_value == 1.0
    np.testing.assert_array_equal(found.coef, without.coef)
    expected = [0.0031807, -1.48313761, 0.35079421, 0.08795671, -1.43110731]
    np.testing.assert_allclose(found.coef, expected, rtol=1e-5)
