"""Pooling agrees with metafor 3.8-1 (R 4.2.2): tests/reference/meta_analysis/pairwise.R and its output.

Tolerance 1e-6 absolute and relative, as issue 5 asks; iterated estimates of tau2 were run there with a
threshold of 1e-12.  metafor's effects `yi`, `vi` are pooled here as contrast rows, so that the estimators are
pinned without the data sets; a test marked `shared` makes the same effects from the counts.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.pooling import pairwise

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "meta_analysis"
REFERENCE = json.loads((FOLDER / "pairwise.json").read_text())
CLOSE = {"rel": 1e-6, "abs": 1e-6}
COUNTS = {"bcg": None, "collins_pre": None, "collins_ped": None, "collins_stb": None, "made": None}


def contrasts(yi, vi, **extra):
    """metafor's effects as contrast rows; those that it could not compute, or without variance, left out."""
    keep = [i for i in range(len(yi)) if yi[i] is not None and vi[i] is not None and vi[i] > 0]
    rows = {
        "study": [f"trial {i + 1}" for i in keep],
        "treatment_1": ["new"] * len(keep),
        "treatment_2": ["control"] * len(keep),
        "estimate": [yi[i] for i in keep],
        "std_error": [math.sqrt(vi[i]) for i in keep],
    }
    return rows | {name: [values[i] for i in keep] for name, values in extra.items()}


def made(*columns: str) -> list[dict]:
    """The made data as arm rows with these columns."""
    names = {
        "events": ("ai", "ci"),
        "n": ("n1i", "n2i"),
        "person_time": ("t1i", "t2i"),
        "mean": ("m1i", "m2i"),
        "sd": ("sd1i", "sd2i"),
    }
    return [
        {"study": r["study"], "treatment": arm, "year": r["year"], "site": r["site"]}
        | {c: r[names[c][i]] for c in columns}
        for r in pl.read_csv(FOLDER / "pairwise_made.csv").iter_rows(named=True)
        for i, arm in enumerate(("new", "control"))
    ]


def shared_counts(shared: Path, name: str) -> list[dict]:
    folder = shared / "data" / "meta_analysis"
    if name == "bcg":
        table = pl.read_csv(folder / "dat.bcg.csv")
        arms = {"new": ("tpos", ("tpos", "tneg")), "control": ("cpos", ("cpos", "cneg"))}
        key = "trial"
    else:
        table = pl.read_csv(folder / "dat.collins1985b.csv", null_values="NA")
        kind = name.removeprefix("collins_")
        sizes = "pre" if kind == "pre" else "fup"
        arms = {"new": (f"{kind}.xti", (f"{sizes}.nti",)), "control": (f"{kind}.xci", (f"{sizes}.nci",))}
        key = "id"
    rows = []
    for r in table.iter_rows(named=True):
        if any(r[c] is None for events, n in arms.values() for c in (events, *n)):
            continue
        for arm, (events, n) in arms.items():
            rows.append(
                {"study": f"trial {r[key]}", "treatment": arm, "events": r[events], "n": sum(r[c] for c in n)}
            )
    return rows


def same(ours: float, theirs: object) -> None:
    if theirs is None:
        assert math.isnan(ours)
    else:
        value = theirs[0] if isinstance(theirs, list) else theirs
        assert ours == pytest.approx(float(value), **CLOSE)


UNI = [(data, key) for data, fits in REFERENCE["uni"].items() for key in fits if key not in ("yi", "vi")]


@pytest.mark.parametrize("data", sorted(REFERENCE["uni"]))
def test_inverse_variance_with_every_estimator_and_test(data: str) -> None:
    fits = REFERENCE["uni"][data]
    is_ratio = not data.endswith("RD")
    rows = contrasts(fits["yi"], fits["vi"])
    for key, r in fits.items():
        if key in ("yi", "vi"):
            continue
        method, test = key.split()
        ours = pairwise(
            rows,
            measure="OR" if is_ratio else "RD",
            method="common" if method == "EE" else method,
            hartung_knapp=test != "z",
            ad_hoc_floor=test == "adhoc",
            prediction="normal" if test == "z" else "k-1",
        )
        where = f"{data} {key}"
        assert ours.k == r["k"], where
        for name, theirs in (
            (ours.log_estimate, r["b"]),
            (ours.std_error, r["se"]),
            (ours.statistic, r["statistic"]),
            (ours.p_value, r["p"]),
            (ours.log_limits[0], r["ci"][0][0]),
            (ours.log_limits[1], r["ci"][0][1]),
            (ours.tau2, r["tau2"]),
            (ours.i2, r["I2"]),
            (ours.h2, r["H2"]),
            (ours.q, r["QE"]),
            (ours.q_p_value, r["QEp"]),
        ):
            assert name == pytest.approx(float(theirs[0] if isinstance(theirs, list) else theirs), **CLOSE), (
                where
            )
        if method != "EE":
            assert ours.tau2_std_error == pytest.approx(r["se_tau2"], **CLOSE), where
            assert ours.log_prediction_limits == pytest.approx(tuple(r["pi"]), **CLOSE), where
        if "profile" in r:
            limits = (ours.tau2_limits, ours.i2_limits, ours.h2_limits)
            for mine, theirs in zip(limits, r["profile"]):
                assert mine == pytest.approx(tuple(theirs), **CLOSE), where


@pytest.mark.parametrize("key", sorted(REFERENCE["zero"]))
def test_corrections_of_empty_cells(key: str) -> None:
    measure, to, drop = key.split()
    ours = pairwise(made("events", "n"), measure=measure, zero_cells=to, both_zero=drop)
    theirs = REFERENCE["zero"][key]
    rows = contrasts(theirs["yi"], theirs["vi"])
    assert ours.trials.y.tolist() == pytest.approx(rows["estimate"], **CLOSE)
    assert np.sqrt(ours.trials.v).tolist() == pytest.approx(rows["std_error"], **CLOSE)
    assert len(ours.trials.y) + len(ours.trials.left_out) == 10


def test_rates_means_standardized_means_and_ratios_of_means() -> None:
    for measure, columns, hartung_knapp in (
        ("IRR", ("events", "person_time"), False),
        ("MD", ("mean", "sd", "n"), True),
        ("SMD", ("mean", "sd", "n"), True),
        ("ROM", ("mean", "sd", "n"), True),
    ):
        theirs = REFERENCE["irr" if measure == "IRR" else measure]
        ours = pairwise(made(*columns), measure=measure, hartung_knapp=hartung_knapp)
        assert ours.trials.y.tolist() == pytest.approx(theirs["yi"], **CLOSE)
        assert ours.trials.v.tolist() == pytest.approx(theirs["vi"], **CLOSE)
        same(ours.log_estimate, theirs["REML"]["b"])
        same(ours.std_error, theirs["REML"]["se"])
        same(ours.tau2, theirs["REML"]["tau2"])


def test_mantel_haenszel_and_peto_of_made_trials() -> None:
    for key in ("made RR", "made OR", "made RD", "made IRR", "made IRD"):
        measure = key.split()[1]
        columns = ("events", "person_time") if measure in ("IRR", "IRD") else ("events", "n")
        check_mantel_haenszel(pairwise(made(*columns), measure=measure, method="MH"), REFERENCE["mh"][key])
    check_peto(made("events", "n"), REFERENCE["peto"]["made"])


def check_mantel_haenszel(ours, theirs) -> None:
    same(ours.log_estimate, theirs["b"])
    same(ours.std_error, theirs["se"])
    same(ours.p_value, theirs["p"])
    same(ours.q, theirs["QE"])
    same(ours.i2, theirs["I2"])


def check_peto(rows, theirs) -> None:
    ours = pairwise(rows, measure="OR", method="PETO")
    same(ours.log_estimate, theirs["b"])
    same(ours.std_error, theirs["se"])
    same(ours.p_value, theirs["p"])
    same(ours.q, theirs["QE"])
    by_effects = pairwise(rows, measure="PETO", method="common")
    same(by_effects.log_estimate, theirs["b"])


def test_the_exact_conditional_odds_ratio_of_made_trials() -> None:
    check_exact(made("events", "n"), REFERENCE["exact"]["made"])


def check_exact(rows, theirs) -> None:
    ours = pairwise(rows, measure="OR", method="EXACT")
    # mantelhaen.test(exact = TRUE) finds its roots to R's default tolerance, 1e-4 of the interval
    assert ours.estimate == pytest.approx(theirs["or"], rel=2e-4)
    assert (ours.conf_low, ours.conf_high) == pytest.approx(tuple(theirs["ci"]), rel=2e-4)
    assert ours.p_value == pytest.approx(theirs["p"], rel=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bcg", "collins_pre", "collins_ped", "collins_stb"])
def test_real_counts_give_the_same_effects_and_the_same_pooled_counts(shared: Path, name: str) -> None:
    rows = shared_counts(shared, name)
    # metafor corrects empty cells for PETO's single effects too; ours never (docs/methods/pairwise.md)
    for measure in ("RR", "OR", "RD", *(("PETO",) if name in ("bcg", "collins_pre") else ())):
        theirs = REFERENCE["uni"][f"{name} {measure}"]
        ours = pairwise(rows, measure=measure)
        expected = contrasts(theirs["yi"], theirs["vi"])
        assert ours.trials.y.tolist() == pytest.approx(expected["estimate"], **CLOSE)
        assert np.sqrt(ours.trials.v).tolist() == pytest.approx(expected["std_error"], **CLOSE)
        same(ours.tau2, theirs["REML z"]["tau2"])
        same(ours.log_estimate, theirs["REML z"]["b"])
    for measure in ("RR", "OR", "RD"):
        check_mantel_haenszel(
            pairwise(rows, measure=measure, method="MH"), REFERENCE["mh"][f"{name} {measure}"]
        )
    check_peto(rows, REFERENCE["peto"][name])
    if name in REFERENCE["exact"]:
        check_exact(rows, REFERENCE["exact"][name])


@pytest.mark.shared
def test_the_known_results_that_come_with_the_data(shared: Path) -> None:
    expected = json.loads((shared / "data/meta_analysis/expected_bcg.json").read_text())["bcg_rr"]
    rows = shared_counts(shared, "bcg")
    for key in ("DL", "REML", "REML_HK"):
        ours = pairwise(rows, method=key.removesuffix("_HK"), hartung_knapp=key.endswith("_HK"))
        r = expected[key]
        assert ours.log_estimate == pytest.approx(r["b"], abs=5e-8)
        assert ours.std_error == pytest.approx(r["se"], abs=5e-8)
        assert ours.log_limits == pytest.approx(tuple(r["ci"]), abs=1e-7)
        assert ours.p_value == pytest.approx(r["p"], abs=1e-8)
        assert ours.tau2 == pytest.approx(r["tau2"], abs=2e-7)  # at metafor's own threshold, 1e-5
        assert ours.i2 == pytest.approx(r["I2"], abs=5e-6)
        assert ours.q == pytest.approx(r["Q"], abs=2e-8)


# Regression, subgroups, runs, small-study tests: on BCG's effects, its moderators given here as numbers ---


ABLAT = [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33]
ALLOC = [
    "random",
    "random",
    "random",
    "random",
    "alternate",
    "alternate",
    "random",
    "random",
    "random",
    "systematic",
    "systematic",
    "systematic",
    "systematic",
]
YEAR = [1948, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976]


def bcg() -> dict:
    effects = REFERENCE["uni"]["bcg RR"]
    return contrasts(effects["yi"], effects["vi"], ablat=ABLAT, alloc=ALLOC, year=YEAR)


@pytest.mark.parametrize("key", [k for k in REFERENCE["regression"] if k != "predicted"])
def test_regression_on_moderators(key: str) -> None:
    *names, method, test = key.split("_")
    theirs = REFERENCE["regression"][key]
    ours = pairwise(
        bcg(),
        moderators=names,
        method="common" if method == "EE" else method,
        hartung_knapp=test != "z",
        ad_hoc_floor=test == "adhoc",
    )
    assert [c["estimate"] for c in ours.coefficients] == pytest.approx(theirs["b"], **CLOSE)
    assert [c["std_error"] for c in ours.coefficients] == pytest.approx(theirs["se"], **CLOSE)
    assert [c["p_value"] for c in ours.coefficients] == pytest.approx(theirs["p"], **CLOSE)
    assert [[c["conf_low"], c["conf_high"]] for c in ours.coefficients] == [
        pytest.approx(pair, **CLOSE) for pair in theirs["ci"]
    ]
    for mine, name in (
        (ours.tau2, "tau2"),
        (ours.i2, "I2"),
        (ours.h2, "H2"),
        (ours.q, "QE"),
        (ours.q_p_value, "QEp"),
        (ours.moderator_test[0], "QM"),
        (ours.moderator_test[3], "QMp"),
    ):
        same(mine, theirs[name])
    if theirs["R2"] is not None and method != "EE":
        same(ours.r2, theirs["R2"])
    if "profile" in theirs:
        assert ours.tau2_limits == pytest.approx(tuple(theirs["profile"][0]), **CLOSE)
    if method != "EE":
        same(ours.tau2_std_error, theirs["se_tau2"])


def test_predictions_of_a_regression() -> None:
    ours, theirs = (
        pairwise(bcg(), moderators="ablat", prediction="normal"),
        REFERENCE["regression"]["predicted"],
    )
    for i, latitude in enumerate((10, 33, 55)):
        p = ours.predict(ablat=latitude)
        assert math.log(p.estimate) == pytest.approx(theirs["pred"][i], **CLOSE)
        assert [math.log(p.conf_low), math.log(p.conf_high)] == pytest.approx(theirs["ci"][i], **CLOSE)
        assert [math.log(p.prediction_low), math.log(p.prediction_high)] == pytest.approx(
            theirs["pi"][i], **CLOSE
        )


def test_subgroups_and_the_test_between_them() -> None:
    ours = pairwise(bcg()).subgroups("alloc")
    for name, result in ours.groups:
        theirs = REFERENCE["subgroups"][name]
        same(result.log_estimate, theirs["b"])
        same(result.std_error, theirs["se"])
        same(result.tau2, theirs["tau2"])
    same(ours.q_between, REFERENCE["between"]["Q"])
    same(ours.p_between, REFERENCE["between"]["p"])


def test_a_common_tau2_of_subgroups_is_that_of_the_regression_on_them() -> None:
    ours = pairwise(bcg()).subgroups("alloc", common_tau2=True)
    regression = pairwise(bcg(), moderators="alloc")
    assert {r.tau2 for _, r in ours.groups} == {regression.tau2}
    # Q between is then the regression's omnibus test
    assert ours.q_between == pytest.approx(regression.moderator_test[0], rel=1e-9)


def test_each_trial_left_out() -> None:
    rows, theirs = pairwise(bcg()).leave_one_out().rows(), REFERENCE["leave1out"]
    for ours, name in (
        ("log_estimate", "b"),
        ("std_error", "se"),
        ("tau2", "tau2"),
        ("i2", "I2"),
        ("q", "Q"),
    ):
        assert [row[ours] for row in rows] == pytest.approx(theirs[name], **CLOSE)


def test_trials_added_in_the_order_of_their_years() -> None:
    runs, theirs = pairwise(bcg()).cumulative("year"), REFERENCE["cumul"]
    assert runs.names == tuple(f"trial {i}" for i in theirs["order"])
    for ours, name in (("log_estimate", "b"), ("std_error", "se"), ("tau2", "tau2")):
        assert [row[ours] for row in runs.rows()] == pytest.approx(theirs[name], **CLOSE)


def test_both_forms_of_eggers_test() -> None:
    result = pairwise(bcg())
    for ours, theirs in (
        (result.egger(), REFERENCE["egger_lm"]),
        (result.egger(model="meta_regression"), REFERENCE["egger_rma"]),
    ):
        same(ours.statistic, theirs["statistic"])
        same(ours.p_value, theirs["p"])
        same(math.log(ours.limit), theirs["est"])
        assert [math.log(ours.limit_low), math.log(ours.limit_high)] == pytest.approx(theirs["ci"], **CLOSE)


def test_the_rank_test_exactly_and_with_ties() -> None:
    ours = pairwise(bcg()).begg()
    same(ours.slope, REFERENCE["rank"]["tau"])
    same(ours.p_value, REFERENCE["rank"]["p"])
    trials = pairwise(made("events", "n"), measure="OR").trials
    y, v = [trials.y[0], *trials.y], [trials.v[0], *trials.v]
    tied = pairwise(contrasts(y, v), measure="OR").begg()
    same(tied.slope, REFERENCE["rank_ties"]["tau"])
    same(tied.p_value, REFERENCE["rank_ties"]["p"])


@pytest.mark.parametrize("key", sorted(REFERENCE["trimfill"]))
def test_trim_and_fill(key: str) -> None:
    estimator, side, method = key.split()
    theirs = REFERENCE["trimfill"][key]
    result = pairwise(bcg(), method="common" if method == "EE" else method)
    ours = result.trim_and_fill(side=side, estimator=estimator)
    assert ours.missing == theirs["k0"]
    same(ours.std_error, theirs["se_k0"])
    same(ours.adjusted.log_estimate, theirs["b"])
    same(ours.adjusted.std_error, theirs["se"])
    same(ours.adjusted.tau2, theirs["tau2"])


def test_trim_and_fill_finds_its_side() -> None:
    ours = pairwise(made("mean", "sd", "n"), measure="MD", method="common").trim_and_fill()
    theirs = REFERENCE["trimfill_side"]
    assert (ours.side, ours.missing) == (theirs["side"], theirs["k0"])
    same(ours.adjusted.log_estimate, theirs["b"])


# Mixed models of counts ------------------------------------------


def test_mixed_models_of_made_rates() -> None:
    for method in ("UM.FS", "CM.EL"):
        check_mixed(made("events", "person_time"), "IRR", method, REFERENCE["glmm"][f"made {method}"], 2e-5)
    # metafor's is Laplace's approximation here; ours integrates
    check_mixed(made("events", "person_time"), "IRR", "UM.RS", REFERENCE["glmm"]["made UM.RS"], 0.03)


def check_mixed(rows, measure: str, method: str, theirs, tolerance: float) -> None:
    """glmer stops at its optimizer's tolerance; 50 quadrature points where it can."""
    ours = pairwise(rows, measure=measure, method=method)
    assert ours.log_estimate == pytest.approx(theirs["b"], abs=tolerance)
    assert ours.std_error == pytest.approx(theirs["se"], rel=max(5 * tolerance, 5e-5))
    assert ours.tau2 == pytest.approx(theirs["tau2"], abs=5 * tolerance)
    if method != "UM.RS":
        assert ours.q == pytest.approx(theirs["LRT"], abs=1e-5)
    assert ours.k == theirs["k"] or method == "UM.RS" or ours.k <= theirs["k"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bcg", "collins_pre", "collins_ped"])
def test_mixed_models_of_real_counts(shared: Path, name: str) -> None:
    rows = shared_counts(shared, name)
    for method, tolerance in (("UM.FS", 5e-6), ("CM.AL", 5e-6), ("UM.RS", 3e-3)):
        check_mixed(rows, "OR", method, REFERENCE["glmm"][f"{name} {method}"], tolerance)


def test_the_exact_conditional_model_of_made_trials() -> None:
    check_conditional(made("events", "n"), REFERENCE["conditional"]["made"])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bcg", "collins_pre"])
def test_the_exact_conditional_model_of_real_counts(shared: Path, name: str) -> None:
    check_conditional(shared_counts(shared, name), REFERENCE["conditional"][name])


def check_conditional(rows, theirs) -> None:
    """R by plain integration and optim with difference quotients: 1e-6 in estimates, less in curvature."""
    ours = pairwise(rows, measure="OR", method="CM.EL")
    same(ours.log_estimate, theirs["b"])
    same(ours.tau2, theirs["tau2"])
    same(ours.fit.loglik, theirs["loglik"])
    assert ours.std_error == pytest.approx(theirs["se"], rel=1e-6)


def test_the_beta_binomial_of_made_trials() -> None:
    ours, theirs = (
        pairwise(made("events", "n"), measure="OR", method="BB"),
        REFERENCE["beta_binomial"]["made"],
    )
    same(ours.log_estimate, theirs["b"])
    same(ours.std_error, theirs["se"])
    same(ours.fit.loglik, theirs["loglik"])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bcg", "collins_stb"])
def test_the_beta_binomial_of_real_counts(shared: Path, name: str) -> None:
    ours = pairwise(shared_counts(shared, name), measure="OR", method="BB")
    theirs = REFERENCE["beta_binomial"][name]
    # R's optimizer stops on the way to a correlation of 0
    tolerance = 1e-6 if name == "bcg" else 5e-4
    assert ours.log_estimate == pytest.approx(theirs["b"], abs=tolerance)
    assert ours.std_error == pytest.approx(theirs["se"], abs=tolerance)
