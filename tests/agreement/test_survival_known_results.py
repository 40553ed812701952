"""R's results that come with the shared data (known_results_R.json: eight decimals), read in place."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import cox, kaplan_meier, logrank, rmst

pytestmark = pytest.mark.shared
DECIMALS = 6e-9  # half of the last printed one, and a little


@pytest.fixture(scope="module")
def known(shared) -> dict:
    return json.loads((shared / "data/survival_r/known_results_R.json").read_text())


@pytest.fixture(scope="module")
def read(shared):
    def reader(name: str) -> pl.DataFrame:
        return pl.read_csv(shared / f"data/survival_r/{name}.csv", null_values="", infer_schema_length=None)

    return reader


@pytest.fixture(scope="module")
def colon(read) -> pl.DataFrame:
    arms = pl.Enum(["Obs", "Lev", "Lev+5FU"])
    return read("colon").with_columns(pl.col("rx").cast(arms))


def assert_cox(fit, expected: dict) -> None:
    np.testing.assert_allclose(fit.coef, [row["coef"] for row in expected["coef"]], atol=DECIMALS)
    errors = [row.get("robust se", row["se(coef)"]) for row in expected["coef"]]
    np.testing.assert_allclose(fit.std_error, errors, atol=DECIMALS)
    np.testing.assert_allclose(fit.naive_std_error, [r["se(coef)"] for r in expected["coef"]], atol=DECIMALS)
    np.testing.assert_allclose([fit.loglik_null, fit.loglik], expected["loglik"], atol=DECIMALS)
    assert (fit.n, fit.n_events) == (expected["n"], expected["nevent"])


def assert_test(found, expected: dict) -> None:
    assert found.statistic == pytest.approx(expected["chisq"], abs=DECIMALS)
    assert found.p_value == pytest.approx(expected["p"], abs=DECIMALS)
    observed, expectation = np.array(expected["obs"]), np.array(expected["exp"])
    if observed.ndim == 2:
        np.testing.assert_allclose(found.observed_by_stratum.T, observed, atol=DECIMALS)
        np.testing.assert_allclose(found.expected_by_stratum.T, expectation, atol=DECIMALS)
    else:
        np.testing.assert_allclose(found.observed, observed, atol=DECIMALS)
        np.testing.assert_allclose(found.expected, expectation, atol=DECIMALS)


def assert_curves(found, expected: dict, means) -> None:
    medians = found.median()
    for i, row in enumerate(expected["table"]):
        assert medians["n"][i] == row["records"]
        assert medians["n_event"][i] == row["events"]
        assert medians["median"][i] == row["median"]
        assert (medians["conf_low"][i], medians["conf_high"][i]) == (row["0.95LCL"], row["0.95UCL"])
        if means is not None:
            assert means.estimate[i] == pytest.approx(row["rmean"], abs=DECIMALS)
            assert means.std_error[i] == pytest.approx(row["se(rmean)"], abs=DECIMALS)
    times = sorted({row["t"] for row in expected["at"]})
    at = found.at(times)
    for name, key in (
        ("n_risk", "n_risk"),
        ("estimate", "surv"),
        ("std_error", "se"),
        ("conf_low", "lo"),
        ("conf_high", "hi"),
    ):
        np.testing.assert_allclose(at[name], [row[key] for row in expected["at"]], atol=DECIMALS)


def test_kidney(known, read):
    data = read("kidney")
    assert_cox(cox("Surv(time, status) ~ age + sex", data, cluster="id"), known["kidney_robust"])
    fit = cox("Surv(time, status) ~ age + sex + frailty(id)", data)
    # coxph stops its search at 0.407796: the maximum of its likelihood is at 0.407770
    expected = known["kidney_gamma_agesex"]
    assert fit.frailty.variance == pytest.approx(expected["theta"], rel=1e-4)
    assert fit.frailty.loglik == pytest.approx(expected["cloglik"], abs=2e-4)
    assert fit.frailty.loglik >= expected["cloglik"]
    disease = pl.Enum(["Other", "AN", "GN", "PKD"])
    zero = cox(
        "Surv(time, status) ~ age + sex + disease + frailty(id)",
        data.with_columns(pl.col("disease").cast(disease)),
    )
    assert zero.frailty.variance == pytest.approx(known["kidney_gamma"]["theta"], abs=1e-8)
    np.testing.assert_allclose(zero.coef, list(known["kidney_gamma"]["coef"].values()), atol=1e-6)


def test_recurrent_bladder_tumors(known, read):
    data = read("bladder2")
    formula = "Surv(start, stop, event) ~ rx + size + number"
    assert_cox(cox(formula, data, cluster="id"), known["bladder2_AG"])
    assert_cox(cox(f"{formula} + strata(enum)", data, cluster="id"), known["bladder2_PWP_total"])
    gap = data.with_columns(gap=pl.col("stop") - pl.col("start"))
    found = cox("Surv(gap, event) ~ rx + size + number + strata(enum)", gap, cluster="id")
    assert_cox(found, known["bladder2_PWP_gap"])


def test_colon(known, colon):
    death, recurrence = colon.filter(pl.col("etype") == 2), colon.filter(pl.col("etype") == 1)
    assert_test(logrank(death["time"], death["status"], death["rx"]), known["colon_death_logrank"])
    means = rmst(death["time"], death["status"], death["rx"], tau=None)
    curves = kaplan_meier(death["time"], death["status"], death["rx"])
    longest = max(curve.time[-1] for curve in curves.curves)
    # R's default mean runs to the last time of any group; ours only as far as every group was observed
    assert means.tau < longest
    assert_curves(curves, known["colon_death_km"], None)
    assert_cox(cox("Surv(time, status) ~ rx", recurrence), known["colon_rec_cox"])


def test_veteran_lung_and_myeloid(known, read):
    v, lung, m = read("veteran"), read("lung").with_columns(dead=pl.col("status") == 2), read("myeloid")
    assert_test(logrank(v["time"], v["status"], v["trt"]), known["veteran_logrank"])
    assert_test(logrank(v["time"], v["status"], v["trt"], strata=v["celltype"]), known["veteran_strat"])
    assert_test(logrank(lung["time"], lung["dead"], lung["sex"]), known["lung_sex_logrank"])
    assert_test(logrank(lung["time"], lung["dead"], lung["sex"], rho=1), known["lung_fh_rho1"])
    curves = kaplan_meier(lung["time"], lung["dead"], lung["sex"], conf_type="log")
    assert_curves(curves, known["lung_km"], None)
    assert_test(logrank(m["futime"], m["death"], m["trt"]), known["myeloid_logrank"])


def test_retinopathy_and_the_multicenter_trial(known, read):
    data = read("retinopathy")
    assert_cox(cox("Surv(futime, status) ~ trt + type", data, cluster="id"), known["retinopathy_cluster"])
    trial = read("eortc_multicentre")
    assert_cox(cox("Surv(y, uncens) ~ trt + strata(center)", trial), known["eortc_strat"])
    fit = cox("Surv(y, uncens) ~ trt + frailty(center, distribution = gaussian)", trial)
    expected = known["eortc_frailty_center_gauss"]
    assert fit.frailty.variance == pytest.approx(expected["theta"], rel=1e-5)
    assert fit.coef[0] == pytest.approx(expected["coef"], rel=1e-5)


def test_actg175(shared):
    known = json.loads((shared / "data/actg175/known_results_R.json").read_text())
    data = pl.read_csv(shared / "data/actg175/ACTG175.csv")
    assert_test(logrank(data["days"], data["cens"], data["arms"]), known["logrank_arms"])
    assert_cox(cox("Surv(days, cens) ~ factor(arms)", data), known["cox_arms"])
    assert_cox(cox("Surv(days, cens) ~ factor(arms) + strata(str2)", data), known["cox_strat"])
    assert_curves(kaplan_meier(data["days"], data["cens"], data["arms"]), known["km"], None)
