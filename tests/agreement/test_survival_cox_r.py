"""Cox models agree with R's survival: coefficients and standard errors to 1e-6, likelihoods to 1e-8.

See tests/reference/survival_cox.R for the source of the numbers (versions are in its output).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.stats.survival import cox, fit_cox

REFERENCE = Path(__file__).resolve().parent.parent / "reference"

RIGHT = "Surv(day, event) ~ arm + age + marker"
LEFT = "Surv(entry, day, event) ~ arm + age + marker + strata(stratum)"
MODELS = {
    "plain": (RIGHT, {}),
    "strata": (f"{RIGHT} + strata(stratum)", {}),
    "truncated": (LEFT, {}),
    "weights": (RIGHT, {"weights": "whole"}),
    "offset": (f"{RIGHT} + offset(offset)", {}),
    "fractional_truncated_offset": (
        f"{LEFT} + offset(offset)",
        {"weights": "fractional", "robust": False},
    ),
}
ALL = [f"{ties}_{name}" for ties in ("efron", "breslow") for name in MODELS]


@pytest.fixture(scope="module")
def r() -> dict:
    return json.loads((REFERENCE / "survival_cox.json").read_text())


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    return pl.read_csv(REFERENCE / "survival_awkward.csv")


def fit(trial, name):
    ties, _, model = name.partition("_")
    formula, arguments = MODELS[model]
    return cox(formula, trial, ties=ties, **arguments)


def assert_fit(found, expected: dict) -> None:
    np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(found.std_error, expected["se"], rtol=1e-6)
    np.testing.assert_allclose(found.naive_std_error, expected["naive"], rtol=1e-6)
    np.testing.assert_allclose([found.loglik_null, found.loglik], expected["loglik"], rtol=1e-9)
    assert (found.n, found.n_events) == (expected["n"], expected["nevent"])
    np.testing.assert_allclose(found.likelihood_ratio.statistic, expected["lr"], rtol=1e-6)
    np.testing.assert_allclose(found.score.statistic, expected["score"], rtol=1e-6)
    np.testing.assert_allclose(found.wald.statistic, expected["wald"], rtol=1e-6)
    if expected["robust_score"] is not None:
        np.testing.assert_allclose(found.robust_score.statistic, expected["robust_score"], rtol=1e-6)
    assert found.converged


@pytest.mark.parametrize("name", ALL)
def test_coefficients_and_tests(r, trial, name):
    assert_fit(fit(trial, name), r["fits"][name])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["martingale", "deviance", "score", "dfbeta", "dfbetas"])
def test_residuals(r, trial, name, kind):
    ours = fit(trial, name).residuals(kind)
    theirs = np.array(r["fits"][name]["resid"][kind], dtype=float)
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_schoenfeld_residuals(r, trial, name):
    found = fit(trial, name)
    expected = r["fits"][name]
    plain = found.schoenfeld().select(found.terms).to_numpy()
    scaled = found.schoenfeld(scaled=True).select(found.terms).to_numpy()
    # Within a tied time R keeps another order: compare each time's rows in sorted order.
    order = np.lexsort((*plain.T, found.schoenfeld()["time"].to_numpy()))
    theirs = np.array(expected["schoenfeld"])
    their_order = np.lexsort((*theirs.T, expected["schoenfeld_time"]))
    np.testing.assert_allclose(plain[order], theirs[their_order], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(scaled[order], np.array(expected["scaled"])[their_order], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("transform", ["km", "rank", "identity", "log"])
def test_proportional_hazards(r, trial, name, transform):
    found = fit(trial, name).zph(transform)
    np.testing.assert_allclose(found.statistic, r["fits"][name]["zph"][transform], rtol=1e-6)


def test_proportional_hazards_of_a_factor_are_tested_together(r, trial):
    data = trial.with_columns(block=(pl.col("center") // 4).cast(pl.String))
    found = cox("Surv(day, event) ~ arm + block + age", data)
    assert_fit(found, r["fits"]["efron_factor"])
    expected = np.array(r["zph_factor"])
    np.testing.assert_allclose(found.zph().statistic, expected[:, 0], rtol=1e-6)
    assert list(found.zph().df) == expected[:, 1].tolist()
    np.testing.assert_allclose(found.zph().p_value, expected[:, 2], rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_concordance(r, trial, name):
    found = fit(trial, name).concordance()
    expected = r["fits"][name]
    np.testing.assert_allclose(found.estimate, expected["concordance"], rtol=1e-8)
    np.testing.assert_allclose(found.std_error, expected["concordance_se"], rtol=1e-6)
    pairs = [found.concordant, found.discordant, found.tied_risk]
    np.testing.assert_allclose(pairs, expected["pairs"][:3], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_baseline_hazard(r, trial, name):
    found = fit(trial, name)
    expected = r["fits"][name]
    ours = found.baseline_hazard()
    # R lists censoring times too: the hazard is looked up at our event times, stratum by stratum.
    times, hazards = np.array(expected["base_time"]), np.array(expected["base"])
    if name.endswith("offset"):  # ours is at offset zero, R's at the offset's (weighted) mean
        weights = trial["fractional"] if "fractional" in name else None
        hazards = hazards / np.exp(np.average(trial["offset"], weights=weights))
    cuts = np.flatnonzero(np.diff(times) <= 0) + 1
    blocks = [block for block in zip(np.split(times, cuts), np.split(hazards, cuts)) if block[1][-1] > 0]
    groups = list(ours.group_by("stratum", maintain_order=True))
    assert len(groups) == len(blocks)
    for (_, group), (time, hazard) in zip(groups, blocks):
        place = np.searchsorted(time, group["time"].to_numpy(), side="right") - 1
        np.testing.assert_allclose(group["hazard"].to_numpy(), hazard[place], rtol=1e-6)


def test_centered_baseline_is_the_curve_at_the_means(trial):
    found = fit(trial, "efron_strata")
    means = trial.select("arm", "age", "marker").to_numpy().mean(axis=0)
    expected = found.predict_survival(means).frame["cumulative_hazard"]
    np.testing.assert_allclose(found.baseline_hazard(centered=True)["hazard"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "conf_type"),
    [
        ("efron_plain", "log-log"),
        ("breslow_plain", "log"),
        ("efron_strata", "plain"),
        ("efron_truncated", "log-log"),
    ],
)
def test_predicted_curves(r, trial, name, conf_type):
    new = pl.DataFrame({"arm": [0, 1], "age": [30.0, 45.0], "marker": [0.5, 2.0]})
    found = fit(trial, name).predict_survival(new, conf_type=conf_type)
    expected = r["curves"][name]
    times, lengths = np.array(expected["time"]), expected["strata"]
    ends = np.cumsum([len(times)] if lengths is None else lengths)
    starts = np.concatenate(([0], ends[:-1]))
    labels = found.frame["stratum"].unique(maintain_order=True).to_list()
    spans = [s for s in zip(starts, ends) if np.array(expected["cumhaz"])[s[0] : s[1]].max() > 0]
    for label, (start, end) in zip(labels, spans):
        for pattern in (0, 1):
            ours = found.frame.filter(pl.col("pattern") == pattern, pl.col("stratum") == label)
            place = start + np.searchsorted(times[start:end], ours["time"].to_numpy(), side="right") - 1
            for name_ours, name_theirs in (
                ("estimate", "surv"),
                ("std_error_hazard", "se"),
                ("cumulative_hazard", "cumhaz"),
                ("conf_low", "low"),
                ("conf_high", "high"),
            ):
                theirs = np.array(expected[name_theirs], dtype=float)[place, pattern]
                np.testing.assert_allclose(ours[name_ours].to_numpy(), theirs, rtol=1e-6, err_msg=name_ours)


@pytest.mark.parametrize(
    ("name", "formula", "arguments"),
    [
        ("efron_months", "Surv(month, event) ~ arm + age + marker", {}),
        ("efron_cluster", RIGHT, {"cluster": "center"}),
        ("efron_cluster_weights", LEFT, {"cluster": "center", "weights": "fractional"}),
        ("efron_fractional", RIGHT, {"weights": "fractional"}),
        ("breslow_cluster", RIGHT, {"cluster": "center", "ties": "breslow"}),
        ("exact_plain", RIGHT, {"ties": "exact"}),
        ("exact_strata", f"{RIGHT} + strata(stratum)", {"ties": "exact"}),
    ],
)
def test_other_models(r, trial, name, formula, arguments):
    assert_fit(cox(formula, trial, **arguments), r["fits"][name])


def test_exact_ties_with_left_truncation(r, trial):
    found = cox(LEFT, trial, ties="exact")
    expected = r["fits"]["exact_truncated"]
    np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-6)
    np.testing.assert_allclose(found.std_error, expected["se"], rtol=1e-6)
    np.testing.assert_allclose([found.loglik_null, found.loglik], expected["loglik"], rtol=1e-9)


def test_arrays_and_formula_are_the_same_fit(trial):
    x = trial.select("arm", "age", "marker").to_numpy()
    by_array = fit_cox(trial["day"], trial["event"], x, strata=trial["stratum"], entry=trial["entry"])
    by_formula = cox(LEFT, trial)
    np.testing.assert_array_equal(by_array.coef, by_formula.coef)
    np.testing.assert_array_equal(by_array.std_error, by_formula.std_error)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "formula", "arguments"),
    [
        ("kidney", "survival_r/kidney.csv", "Surv(time, status) ~ age + sex", {"cluster": "id"}),
        (
            "bladder",
            "survival_r/bladder2.csv",
            "Surv(start, stop, event) ~ rx + size + number",
            {"cluster": "id"},
        ),
        (
            "bladder_pwp",
            "survival_r/bladder2.csv",
            "Surv(start, stop, event) ~ rx + size + number + strata(enum)",
            {"cluster": "id"},
        ),
        ("retinopathy", "survival_r/retinopathy.csv", "Surv(futime, status) ~ trt + type", {"cluster": "id"}),
        ("veteran", "survival_r/veteran.csv", "Surv(time, status) ~ trt + karno + age + celltype", {}),
        ("actg", "actg175/ACTG175.csv", "Surv(days, cens) ~ factor(arms) + strata(strat)", {}),
    ],
)
def test_real_trials(r, shared, name, file, formula, arguments):
    data = pl.read_csv(shared / "data" / file, null_values="", infer_schema_length=None)
    found = cox(formula, data, **arguments)
    assert_fit(found, r["shared"][name])
    if name == "veteran":
        expected = np.array(r["shared"]["veteran"]["zph"])
        np.testing.assert_allclose(found.zph().statistic, expected[:, 0], rtol=1e-6)


@pytest.mark.shared
def test_gap_times_and_exact_ties_of_real_trials(r, shared):
    bladder = pl.read_csv(shared / "data/survival_r/bladder2.csv").filter(pl.col("stop") > pl.col("start"))
    gap = bladder.with_columns(gap=pl.col("stop") - pl.col("start"))
    found = cox("Surv(gap, event) ~ rx + size + number + strata(enum)", gap, cluster="id")
    assert_fit(found, r["shared"]["bladder_gap"])
    lung = pl.read_csv(shared / "data/survival_r/lung.csv", null_values="")
    lung = lung.with_columns(dead=pl.col("status") == 2)
    found = cox("Surv(time, dead) ~ sex + age + ph.ecog", lung, ties="exact")
    assert found.omitted == 1
    assert_fit(found, r["shared"]["lung_exact"])
