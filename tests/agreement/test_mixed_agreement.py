"""Agreement with R, and with SAS where R's mmrm quotes it.

R's side is made by the programs in tests/reference/mixed (versions are in their output).  Tolerances:
1e-6 relative for coefficients and standard errors, 1e-4 for degrees of freedom; mostly it is far closer.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.mixed import gee, logistic_mixed, mmrm

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "mixed"
NAIVE = json.loads((REFERENCE / "mmrm_naive.json").read_text())
LOGISTIC = json.loads((REFERENCE / "logistic_glmer.json").read_text())
TERMS = "change ~ baseline + center + arm*visit + "


@pytest.fixture(scope="module")
def trial():
    return pl.read_csv(REFERENCE / "trial.csv")


def _formula(case):
    return f"{TERMS}{case['structure']}(visit | {'arm / ' if case['grouped'] else ''}subject)"


def _id(case):
    return f"{case['structure']}-{'reml' if case['reml'] else 'ml'}{'-by-arm' if case['grouped'] else ''}"


# -- repeated measures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", NAIVE["fits"], ids=_id)
def test_coefficients_errors_and_satterthwaite(trial, case):
    """tests/reference/mixed/mmrm_naive.R: definitions with numerical derivatives."""
    fit = mmrm(_formula(case), trial, df="satterthwaite", reml=case["reml"])
    frame = fit.tidy()
    assert list(fit.coefficients) == NAIVE["terms"]
    assert fit.fit.deviance == pytest.approx(case["deviance"], abs=1e-9)
    np.testing.assert_allclose(frame["estimate"], case["beta"], rtol=1e-6)
    np.testing.assert_allclose(frame["std_error"], case["se"], rtol=1e-6)
    np.testing.assert_allclose(frame["df"], case["df"], rtol=1e-5)
    for ours, theirs in zip(fit.visit_covariances.values(), case["sigma"]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in NAIVE["fits"] if c["reml"]], ids=_id)
def test_kenward_roger(trial, case):
    full, linear = (mmrm(_formula(case), trial, df=f"kenward-roger{x}") for x in ("", "-linear"))
    np.testing.assert_allclose(full.tidy()["std_error"], case["se_kr"], rtol=1e-6)
    np.testing.assert_allclose(linear.tidy()["std_error"], case["se_kr_linear"], rtol=1e-6)
    np.testing.assert_allclose(full.tidy()["df"], case["df"], rtol=1e-5)
    columns = list(full.coefficients)
    test = full.f_test(np.eye(len(columns))[[i for i, name in enumerate(columns) if ":" in name]])
    assert test.statistic == pytest.approx(case["f_kr"], rel=1e-6)
    assert test.den_df == pytest.approx(case["f_kr_df"], rel=1e-5)


@pytest.mark.parametrize("name", list(NAIVE["gls"]))
def test_nlme_comes_to_the_same_maximum(trial, name):
    """gls stops a little short of it, so its coefficients agree to fewer digits than its deviance."""
    structure, method = name.split("_")
    fit = mmrm(f"{TERMS}{structure}(visit | subject)", trial, df="satterthwaite", reml=method == "reml")
    assert fit.fit.deviance == pytest.approx(NAIVE["gls"][name]["deviance"], abs=1e-6)
    assert fit.fit.deviance <= NAIVE["gls"][name]["deviance"] + 1e-9
    np.testing.assert_allclose(fit.tidy()["estimate"], NAIVE["gls"][name]["beta"], rtol=5e-5)


def test_lmertest_has_the_same_satterthwaite_for_a_random_intercept(trial):
    frame = mmrm(f"{TERMS}cs(visit | subject)", trial, df="satterthwaite").tidy()
    theirs = NAIVE["lmerTest_cs"]
    np.testing.assert_allclose(frame["estimate"], theirs["beta"], rtol=1e-6)
    np.testing.assert_allclose(frame["std_error"], theirs["se"], rtol=1e-6)
    np.testing.assert_allclose(frame["df"], theirs["df"], rtol=1e-4)


# -- logistic mixed models, estimating equations ---------------------------------------------------------


@pytest.mark.parametrize("case", LOGISTIC["fits"], ids=lambda case: f"{case['points']}-points")
def test_glmer(trial, case):
    """tests/reference/mixed/logistic_glmer.R: lme4's own deviance function, minimized to the last digits."""
    fit = logistic_mixed(
        "remission ~ baseline + arm*visit + (1 | subject)", trial, quadrature_points=case["points"]
    )
    assert list(fit.coefficients) == LOGISTIC["terms"]
    assert fit.log_likelihood == pytest.approx(case["log_likelihood"], abs=1e-8)
    assert fit.subject_sd == pytest.approx(case["sd"], rel=1e-6)
    np.testing.assert_allclose(fit.tidy()["estimate"], case["beta"], rtol=1e-6)
    np.testing.assert_allclose(fit.tidy()["std_error"], case["se"], rtol=1e-6)
    assert fit.glance()["subject_sd_std_error"][0] == pytest.approx(case["sd_se"], rel=1e-6)


def test_glmmtmb_has_the_same_laplace_approximation(trial):
    fit = logistic_mixed("remission ~ baseline + arm*visit + (1 | subject)", trial, quadrature_points=1)
    assert fit.log_likelihood == pytest.approx(LOGISTIC["glmmTMB"]["log_likelihood"], abs=1e-8)
    np.testing.assert_allclose(fit.tidy()["estimate"], LOGISTIC["glmmTMB"]["beta"], rtol=1e-5)
    np.testing.assert_allclose(fit.tidy()["std_error"], LOGISTIC["glmmTMB"]["se"], rtol=1e-6)


def test_emmeans_of_glmer(trial):
    """glmer's own optimum and differences, hence fewer digits."""
    fit = logistic_mixed("remission ~ baseline + arm*visit + (1 | subject)", trial)
    ours = fit.ls_means(("arm", "visit")).tidy().sort("visit", "arm")
    theirs = pl.DataFrame(LOGISTIC["emmeans"]).sort("visit", "arm")
    np.testing.assert_allclose(ours["estimate"], theirs["prob"], rtol=2e-4)
    np.testing.assert_allclose(ours["std_error"], theirs["SE"], rtol=1e-3)
    np.testing.assert_allclose(ours["conf_low"], theirs["asymp.LCL"], rtol=1e-3)
    np.testing.assert_allclose(ours["conf_high"], theirs["asymp.UCL"], rtol=1e-3)


@pytest.mark.parametrize("case", LOGISTIC["gee"], ids=lambda case: f"{case['family']}-{case['corstr']}")
def test_geepack(trial, case):
    data = trial.with_columns(count=pl.col("remission") * 3 + pl.col("change").abs().round().cast(pl.Int64))
    response = {"binomial": "remission", "gaussian": "change", "poisson": "count"}[case["family"]]
    fit = gee(
        f"{response} ~ baseline + arm*visit",
        data,
        family=case["family"],
        correlation=case["corstr"],
        subject="subject",
        visit="visit",
    )
    np.testing.assert_allclose(fit.beta, case["beta"], rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.robust_covariance)), case["se"], rtol=1e-10)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.model_covariance)), case["naive_se"], rtol=1e-10)
    np.testing.assert_allclose(fit.alpha, np.atleast_1d(case["alpha"] or []), rtol=1e-10)
    assert fit.phi == pytest.approx(case["phi"], rel=1e-10)


# -- real data -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fev(shared):
    return pl.read_csv(shared / "data" / "mmrm" / "fev_data.csv", null_values=["", "NA"])


@pytest.mark.shared
def test_fev_data_against_gls(shared, fev):
    """nlme stops some 1e-5 standard errors before the maximum: ours is higher by 1e-7."""
    known = json.loads((shared / "data" / "mmrm" / "known_results_R.json").read_text())
    fit = mmrm("FEV1 ~ RACE + SEX + ARMCD*AVISIT + us(AVISIT | USUBJID)", fev, df="satterthwaite")
    assert fit.log_likelihood == pytest.approx(known["reml_loglik"], abs=1e-6)
    assert fit.log_likelihood >= known["reml_loglik"]
    se = [row["Std.Error"] for row in known["coef"]]
    error = (fit.tidy()["estimate"] - pl.Series([row["Value"] for row in known["coef"]])) / pl.Series(se)
    assert error.abs().max() < 1e-4
    np.testing.assert_allclose(fit.tidy()["std_error"], se, rtol=3e-5)
    means = fit.ls_means(("ARMCD", "AVISIT")).tidy().sort("AVISIT", "ARMCD")
    np.testing.assert_allclose(means["estimate"], [row["emmean"] for row in known["lsm"]], rtol=1e-6)
    np.testing.assert_allclose(means["std_error"], [row["SE"] for row in known["lsm"]], rtol=2e-5)
    contrasts = fit.contrasts("ARMCD", by="AVISIT").tidy()
    np.testing.assert_allclose(contrasts["estimate"], [row["estimate"] for row in known["diff"]], rtol=1e-5)
    np.testing.assert_allclose(contrasts["std_error"], [row["SE"] for row in known["diff"]], rtol=2e-5)


# -2 residual log-likelihoods and standard errors as SAS printed them (openpharma/mmrm, design/SAS), and
# degrees of freedom and Kenward-Roger-linear errors of ARMCD quoted in tests/testthat/test-kenwardroger.R.
SAS_DEVIANCES = {
    ("toep", True): 3856.68995273,
    ("toep", False): 3857.00777313,
    ("toeph", True): 3722.38018329,
    ("toeph", False): 3722.29178558,
    ("ar1", True): 3875.49945459,
    ("ar1", False): 3875.95352406,
    ("ar1h", True): 3739.96835012,
    ("ar1h", False): 3739.94416707,
    ("us", True): 3700.94648570,
    ("us", False): 3700.68707570,
}
SAS_KENWARD_ROGER = {
    "ar1": (0.96058142305176, 188.46934887972, 1e-4),
    "ar1h": (0.75924807546934, 188.225339095373, 1e-3),
    "cs": (0.7964696053595, 177.038485931223, 1e-4),
    "csh": (0.67403858183242, 190.737701349941, 1e-3),
    "toep": (0.87839805519623, 160.027408337368, 1e-3),
    "toeph": (0.72537324518435, 180.062730071701, 1e-3),
    "us": (0.66124382270307, 160.73326640376, 1e-3),
}


@pytest.mark.shared
@pytest.mark.parametrize(("structure", "reml"), list(SAS_DEVIANCES))
def test_fev_data_against_sas_deviances(fev, structure, reml):
    fit = mmrm(f"FEV1 ~ 1 + {structure}(AVISIT | USUBJID)", fev, reml=reml, df="satterthwaite")
    assert fit.fit.deviance == pytest.approx(SAS_DEVIANCES[structure, reml], abs=2e-5)


@pytest.mark.shared
@pytest.mark.parametrize("structure", list(SAS_KENWARD_ROGER))
def test_fev_data_against_sas_kenward_roger(fev, structure):
    """SAS stops early (tolerances are mmrm's own for the same comparison)."""
    se, df, tolerance = SAS_KENWARD_ROGER[structure]
    fit = mmrm(f"FEV1 ~ ARMCD + {structure}(AVISIT | USUBJID)", fev, df="kenward-roger-linear")
    row = fit.tidy().row(1, named=True)
    assert row["std_error"] == pytest.approx(se, rel=tolerance)
    assert row["df"] == pytest.approx(df, rel=tolerance)


@pytest.mark.shared
def test_fev_data_against_mmrms_own_f_test(fev):
    """mmrm's test of both coefficients, AR(1): F 3913.72 on 2 and 188.65 degrees of freedom, p 2.576e-154."""
    fit = mmrm("FEV1 ~ ARMCD + ar1(AVISIT | USUBJID)", fev)
    test = fit.f_test(np.eye(2))
    assert test.den_df == pytest.approx(188.65, abs=0.005)
    assert test.statistic == pytest.approx(3913.72, abs=0.005)
    assert test.p_value == pytest.approx(2.576e-154, rel=2e-4)


@pytest.mark.shared
def test_fev_data_means_against_sas(fev):
    """LS means, errors and rounded Satterthwaite df of SAS (mmrm, design/SAS/sas_log_reml.txt)."""
    fit = mmrm("FEV1 ~ RACE + SEX + ARMCD*AVISIT + us(AVISIT | USUBJID)", fev, df="satterthwaite")
    means = fit.ls_means(("AVISIT", "ARMCD")).tidy()
    printed = [33.3318, 37.1063, 38.1715, 41.9037, 43.6740, 46.7546, 48.3855, 52.7841]
    np.testing.assert_allclose(means["estimate"], printed, atol=2e-4)
    errors = [0.7554, 0.7626, 0.6117, 0.6023, 0.4617, 0.5086, 1.1886, 1.1877]
    np.testing.assert_allclose(means["std_error"], errors, atol=1.5e-4)
    np.testing.assert_allclose(means["df"], [148, 143, 147, 144, 130, 130, 134, 133], atol=0.6)


@pytest.mark.shared
def test_toenail_and_respiratory_data_against_glmer_and_geepack(shared):
    """glmer's default optimizers stop early (4e-4 of a standard error); the maximum is ours or higher."""
    folder = shared / "data" / "longitudinal_r"
    known = json.loads((folder / "known_results_R.json").read_text())
    toenail = pl.read_csv(folder / "toenail.csv").with_columns(pl.col("outcome") == "moderate or severe")
    respiratory = pl.read_csv(folder / "respiratory_2centres.csv").with_columns(
        id=pl.format("{}-{}", "center", "id")
    )
    cases = [
        (
            toenail,
            "outcome ~ treatment*time + (1 | patientID)",
            20,
            "toenail_glmer_agq20",
            "toenail_gee_exch",
        ),
        (
            respiratory,
            "outcome ~ center + sex + age + baseline + treat + (1 | id)",
            15,
            "respiratory_glmer_agq15",
            "respiratory_gee_exch",
        ),
    ]
    for data, formula, points, mixed, marginal in cases:
        fit = logistic_mixed(formula, data, quadrature_points=points).tidy()
        estimates, errors = ([row[c] for row in known[mixed]] for c in ("Estimate", "Std. Error"))
        assert ((fit["estimate"] - pl.Series(estimates)) / pl.Series(errors)).abs().max() < 5e-4
        np.testing.assert_allclose(fit["std_error"], errors, rtol=5e-4)
        equations = gee(formula, data).tidy()
        np.testing.assert_allclose(equations["estimate"], [r["Estimate"] for r in known[marginal]], atol=2e-6)
        np.testing.assert_allclose(equations["std_error"], [r["Std.err"] for r in known[marginal]], rtol=1e-5)


CDYSTONIA = json.loads((REFERENCE / "cdystonia_gls.json").read_text())


@pytest.mark.shared
@pytest.mark.parametrize(
    "case", CDYSTONIA["fits"], ids=lambda c: f"{c['structure']}-{'reml' if c['reml'] else 'ml'}"
)
def test_cervical_dystonia_trial_against_gls(shared, case):
    """tests/reference/mixed/cdystonia_gls.R; gls with weights stops short of the maximum by 1e-7."""
    rows = pl.read_csv(shared / "data" / "medicaldata" / "cdystonia.csv").with_columns(
        pid=pl.format("{} {}", "site", "id")
    )
    start = rows.filter(week=0).select("pid", base="twstrs")
    data = rows.filter(pl.col("week") > 0).join(start, on="pid", how="left")
    fit = mmrm(
        f"twstrs ~ base + C(treat)*C(week) + {case['structure']}(week | pid)",
        data,
        reml=case["reml"],
        df="satterthwaite",
    )
    assert fit.visits == ("2", "4", "8", "12", "16")
    assert fit.n_observations == case["n"]
    assert fit.fit.deviance == pytest.approx(case["deviance"], abs=1e-6)
    error = (fit.tidy()["estimate"] - pl.Series(case["beta"])) / fit.tidy()["std_error"]
    assert error.abs().max() < (1e-6 if case["structure"] in ("cs", "ar1") else 1e-3)
    if case["reml"]:  # of full likelihood, gls scales its errors by N / (N - q)
        np.testing.assert_allclose(fit.tidy()["std_error"], case["se"], rtol=2e-4)
