"""Results carried to other patients: overlap, methods, what is refused and what is called extrapolated."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from flarefree.errors import EvidenceError, NoEventsError, NotFoundError
from flarefree.evidence import Population, compare_populations, transport
from flarefree.evidence.populations.balancing import balance, effective_sample_size, outside_hull
from flarefree.evidence.populations.between import default_population_factor
from flarefree.evidence.populations.integration import integration_points
from flarefree.stats.copula import Categorical, LogNormal, TruncatedNormal


def multitarget():
    """Every patient of the multitarget maintenance trial, by remission at its start.

    [zhang2017] supplemental table 2; "conducted only in a Chinese population" (its discussion).
    """
    counts = {
        ("multitarget", 1): (3, 69),
        ("AZA", 1): (2, 40),
        ("multitarget", 0): (3, 47),
        ("AZA", 0): (4, 50),
    }
    rows = [
        {"arm": arm, "complete_remission": cr, "black": 0, "relapse": int(i < events)}
        for (arm, cr), (events, n) in counts.items()
        for i in range(n)
    ]
    return Population.from_patients(
        pl.DataFrame(rows), ["complete_remission", "black"], name="multitarget trial"
    )


def carry_multitarget(target, **options):
    asked = {"outcome": "relapse", "treatment": "arm", "experimental": "multitarget", "reference": "AZA"}
    return transport(multitarget(), target, **(asked | options))


ALMS_LIKE = Population.from_margins({"complete_remission": 0.083}, name="ALMS-like")
HALF_BLACK = Population.from_margins(
    {"complete_remission": 0.083, "black": 0.5}, name="half African American"
)


def trial(n=400, seed=5):
    """A trial whose effect depends on proteinuria, as virtual patients: Ana and 399 others."""
    rng = np.random.default_rng(seed)
    up = rng.lognormal(0.0, 0.5, n)
    arm = rng.integers(0, 2, n)
    eta = -1.0 + 0.6 * up + arm * (0.2 - 0.6 * up)
    time = rng.exponential(2 * np.exp(-eta))
    return pl.DataFrame(
        {
            "proteinuria": up,
            "age": rng.normal(31, 10, n),
            "race": rng.choice(["Asian", "Black", "White"], n, p=[0.4, 0.2, 0.4]),
            "arm": np.where(arm == 1, "MMF", "AZA"),
            "flare": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int),
            "time": np.minimum(time, 3.0),
            "event": (time < 3.0).astype(int),
            "score": 2 * up - arm + rng.normal(0, 1, n),
        }
    )


TARGET = {"proteinuria": LogNormal.from_moments(1.5, 0.7), "age": (36.0, 11.0)}


def carry(target=TARGET, data=None, **options):
    asked = {"outcome": "flare", "treatment": "arm"}
    return transport(trial() if data is None else data, target, **(asked | options))


# The papers' own example -----------------------------------------------------------------------


def test_multitarget_carried_to_alms_like_patients_by_hand():
    """Weighted by arm, the risks are those of the two strata mixed 8.3 to 91.7."""
    found = carry_multitarget(ALMS_LIKE, method="maic", by_arm=True)
    mixed = [0.083 * 3 / 69 + 0.917 * 3 / 47, 0.083 * 2 / 40 + 0.917 * 4 / 50]
    assert found.means == pytest.approx(mixed, abs=1e-12)
    assert found.estimate == pytest.approx(mixed[0] / mixed[1])
    variances = [
        (0.083 / 69) ** 2 * 69 * (3 / 69) * (66 / 69) + (0.917 / 47) ** 2 * 47 * (3 / 47) * (44 / 47),
        (0.083 / 40) ** 2 * 40 * (2 / 40) * (38 / 40) + (0.917 / 50) ** 2 * 50 * (4 / 50) * (46 / 50),
    ]
    by_hand = math.sqrt(sum(v / p**2 for v, p in zip(variances, mixed)))
    assert found.adjusted.std_error == pytest.approx(by_hand, rel=1e-9)
    assert not found.is_extrapolated


def test_outcome_model_with_every_interaction_gives_the_same_mixture():
    """One binary covariate and its interaction: the logistic model is saturated."""
    found = carry_multitarget(ALMS_LIKE, method="stc", points=4096)
    assert found.means == pytest.approx(
        [0.083 * 3 / 69 + 0.917 * 3 / 47, 0.083 * 2 / 40 + 0.917 * 4 / 50], abs=1e-5
    )


def test_effective_sample_size_of_two_strata_by_hand():
    overlap = compare_populations(multitarget(), ALMS_LIKE)
    share = 109 / 206
    w1, w0 = 0.083 / share, 0.917 / (1 - share)
    assert overlap.ess == pytest.approx(206 / (w1**2 * share + w0**2 * (1 - share)))
    assert overlap.largest_weight == pytest.approx(max(w0, w1))


def test_half_african_american_patients_are_extrapolated():
    found = carry_multitarget(HALF_BLACK)
    assert found.is_extrapolated
    assert found.overlap.coefficient == 0.0
    text = repr(found)
    assert "EXTRAPOLATED: black: none of the 206 patients, 50% of the target" in text
    assert "not adjusted for black" in text
    assert found.tidy().filter(pl.col("term") != "source")["extrapolated"].all()


@pytest.mark.parametrize("method", ["maic", "stc"])
def test_a_method_asked_for_by_name_refuses_what_nobody_can_tell(method):
    with pytest.raises(EvidenceError, match="covariates, black"):
        carry_multitarget(HALF_BLACK, method=method)


def test_maic_goes_on_without_the_covariate_when_told_to():
    found = carry_multitarget(HALF_BLACK, method="maic", outside="extrapolate")
    assert found.estimate == pytest.approx(carry_multitarget(ALMS_LIKE, method="maic").estimate)
    assert found.is_extrapolated


def test_default_population_factor_is_that_of_two_azathioprine_arms():
    """Flares 26 in 221.0 patient-years (ALMS), 5.34 per 100 (multitarget): 0.45 times."""
    factor = default_population_factor()
    d = math.log(0.0534 / (26 / 221.0))
    assert math.exp(d) == pytest.approx(0.45, abs=0.005)
    assert factor.sd == pytest.approx(math.sqrt((d * d - 1 / 26 - 1 / 6) / 2), abs=0.006)
    assert "0.45 times" in factor.reason


def test_population_factor_widens_the_limits_and_nothing_else():
    plain, wide = carry(population_factor_sd=0.0), carry(population_factor_sd=0.3)
    assert plain.estimate == wide.estimate
    assert plain.with_factor.std_error == plain.adjusted.std_error
    assert wide.with_factor.std_error == pytest.approx(math.hypot(plain.adjusted.std_error, 0.3))
    assert wide.conf_low < plain.conf_low < plain.conf_high < wide.conf_high


def test_population_factor_of_a_risk_difference_moves_both_arms_hazards():
    """Against arms' hazards drawn with SD 0.1 and correlation 0.5."""
    found = carry(effect="RD", population_factor_sd=0.1)
    rng = np.random.default_rng(1)
    z = rng.multivariate_normal([0, 0], [[0.01, 0.005], [0.005, 0.01]], 400_000)
    risks = 1 - np.exp(np.log1p(-np.array(found.means)) * np.exp(z))
    extra = found.with_factor.std_error**2 - found.adjusted.std_error**2
    assert extra == pytest.approx((risks[:, 0] - risks[:, 1]).var(), rel=0.03)


# Weights ---------------------------------------------------------------------------------------


def test_weights_give_the_targets_means_and_are_the_least_departure_from_equal():
    rng = np.random.default_rng(2)
    x, goal = rng.normal(size=(60, 3)), np.array([0.3, -0.4, 0.2])
    w = balance(x, goal, "abc").weights
    np.testing.assert_allclose(w @ x / w.sum(), goal, atol=1e-9)
    # any other weights with these means are farther from equal ones
    null = np.linalg.svd(np.column_stack([np.ones(60), x]).T)[2][4:]
    entropy = (w * np.log(w)).sum()
    for direction in null[:10]:
        other = w + 1e-3 * direction
        assert (other * np.log(other)).sum() > entropy


def test_redundant_covariates_change_nothing():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 2))
    again = np.column_stack([x, x @ [1.0, 2.0]])
    goal = np.array([0.2, 0.1])
    one, two = (
        balance(x, goal, "ab").weights,
        balance(again, np.append(goal, goal @ [1.0, 2.0]), "abc").weights,
    )
    np.testing.assert_allclose(one, two, atol=1e-7)


def test_target_inside_every_range_but_outside_the_hull():
    """Old patients have much proteinuria: no weighting makes them young with much."""
    x = np.array([[a, a + d] for a in range(10) for d in (-0.5, 0.5)], dtype=float)
    goal = np.array([2.0, 7.0])
    assert outside_hull(x, goal)
    with pytest.raises(EvidenceError, match="outside the hull") as error:
        balance(x, goal, ["age", "proteinuria"])
    assert "without age" in error.value.try_


def test_effective_sample_size_is_n_of_equal_weights():
    assert effective_sample_size(np.full(17, 3.0)) == pytest.approx(17)


def test_inverse_odds_of_one_yes_or_no_covariate_are_the_ratios_of_shares():
    """Saturated membership model: weights are target share over source share."""
    source = pl.DataFrame({"x": [1] * 30 + [0] * 70, "arm": [0, 1] * 50, "y": ([1, 0, 0, 1] * 25)})
    target = pl.DataFrame({"x": [1] * 120 + [0] * 80})
    found = transport(source, target, outcome="y", treatment="arm", covariates=["x"], method="iow")
    np.testing.assert_allclose(found.weights[:30], 0.6 / 0.3, rtol=1e-9)
    np.testing.assert_allclose(found.weights[30:], 0.4 / 0.7, rtol=1e-9)


# Methods among themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("effect", ["RR", "OR", "RD", "MD", "HR"])
def test_carried_to_itself_a_result_stays_what_it_was(effect):
    data = trial()
    outcome = {"HR": ("time", "event"), "MD": "score"}.get(effect, "flare")
    found = transport(
        data,
        data,
        outcome=outcome,
        treatment="arm",
        covariates=["proteinuria", "age"],
        effect=effect,
        method="iow",
    )
    assert found.adjusted.estimate == pytest.approx(found.unadjusted.estimate, abs=1e-9)
    np.testing.assert_allclose(found.weights, 1.0, atol=1e-8)


def test_auto_chooses_by_what_is_at_hand():
    data = trial()
    assert carry().method == "maic"
    assert carry(data.head(200).select("proteinuria", "age")).method == "iow"
    assert carry({"age": (58.0, 5.0)}).method == "stc"


def test_bootstrap_and_sandwich_agree():
    robust, resampled = carry(effect="OR"), carry(effect="OR", std_error="bootstrap", replicates=400)
    assert resampled.adjusted.std_error == pytest.approx(robust.adjusted.std_error, rel=0.12)
    assert "bootstrap, 400 samples, seed 1" in repr(resampled)


def test_same_seed_same_answer():
    one, two = (carry(effect="HR", outcome=("time", "event"), method="stc", replicates=30) for _ in range(2))
    assert one.std_error == two.std_error and repr(one) == repr(two)


def test_marginal_and_conditional_are_told_apart():
    found = carry(effect="OR", method="stc")
    assert found.conditional is not None
    assert abs(found.adjusted.estimate - found.conditional) > 1e-3  # an odds ratio does not collapse
    assert "marginal odds ratio" in repr(found) and "conditional" in repr(found)


def test_categories_are_matched_level_by_level():
    found = carry({"race": {"Asian": 0.1, "Black": 0.5, "White": 0.4}})
    race = trial()["race"].to_numpy()
    shares = [
        found.weights[race == level].sum() / found.weights.sum() for level in ("Asian", "Black", "White")
    ]
    assert shares == pytest.approx([0.1, 0.5, 0.4])


def test_a_level_that_no_patient_has_is_extrapolated():
    found = carry({"race": {"Asian": 0.1, "Black": 0.4, "White": 0.4, "Other": 0.1}})
    assert any("race: Other: none of the 400 patients" in reason for reason in found.overlap.reasons)


@pytest.mark.parametrize("absent", ["Asian", "White"])  # the first level of a category, and another
def test_patients_of_whom_the_target_has_none_have_no_weight(absent):
    """A target without White patients is no lack of overlap: the trial has all that the target has."""
    shares = {"Asian": 0.5, "Black": 0.5, "White": 0.5} | {absent: 0.0}
    found = carry({"race": shares}, method="maic")
    race = trial()["race"].to_numpy()
    assert (found.weights[race == absent] == 0).all() and found.weights.mean() == pytest.approx(1)
    alone = carry({"race": shares}, data=trial().filter(pl.col("race") != absent), method="maic")
    assert found.adjusted.estimate == pytest.approx(alone.adjusted.estimate, abs=1e-9)
    assert found.adjusted.std_error == pytest.approx(alone.adjusted.std_error, abs=1e-9)
    assert not found.is_extrapolated
    assert f"{(race == absent).sum()} of 400 patients have no weight" in repr(found)
    assert found.overlap.ess == pytest.approx(found.ess)


def test_a_target_of_one_kind_of_patient_takes_those_patients():
    data = pl.DataFrame(
        {"a": [0, 1] * 20, "b": [0, 0, 1, 1] * 10, "arm": [0] * 20 + [1] * 20, "y": [0, 1, 1, 0, 0] * 8}
    )
    found = transport(
        data, {"a": 1.0, "b": 0.0}, outcome="y", treatment="arm", effect="RD", method="maic", reference="0"
    )
    assert set(found.weights) == {0.0, 4.0}


def test_a_target_like_none_of_the_patients_is_refused():
    data = pl.DataFrame({"a": [0, 1] * 20, "b": [0, 1] * 20, "arm": [0, 0, 1, 1] * 10, "y": [0, 1] * 20})
    with pytest.raises(EvidenceError, match="is like the target's"):
        transport(data, {"a": 1.0, "b": 0.0}, outcome="y", treatment="arm", effect="RD", method="maic")


def test_standard_deviations_are_matched_on_request():
    found = carry({"age": (33.0, 6.0)}, method="maic", moments=2)
    age = trial()["age"].to_numpy()
    mean = np.average(age, weights=found.weights)
    assert mean == pytest.approx(33.0)
    assert math.sqrt(np.average((age - mean) ** 2, weights=found.weights)) == pytest.approx(6.0)


# Indirect comparison -------------------------------------------------------------------------------


def test_anchored_comparison_subtracts_the_targets_own_result():
    alone = carry(effect="OR", population_factor_sd=0)
    other = {"treatment": "TAC", "reference": "AZA", "estimate": -0.3, "std_error": 0.4}
    found = carry(effect="OR", population_factor_sd=0, comparison=other)
    assert found.adjusted.estimate == pytest.approx(alone.adjusted.estimate + 0.3)
    assert found.adjusted.std_error == pytest.approx(math.hypot(alone.adjusted.std_error, 0.4))
    assert (found.treatment, found.reference) == ("MMF", "TAC")


def test_unanchored_comparison_of_one_arm_says_what_it_assumes():
    arm = trial().filter(pl.col("arm") == "MMF")
    found = carry(data=arm, effect="OR", comparison={"treatment": "TAC", "events": 30, "n": 100})
    risk = np.average(arm["flare"].to_numpy(), weights=found.weights)
    expected = math.log(risk / (1 - risk)) - math.log(0.3 / 0.7)
    assert found.adjusted.estimate == pytest.approx(expected)
    assert "unanchored: right only if every prognostic covariate" in repr(found)


def test_anchored_comparison_needs_the_same_reference():
    with pytest.raises(EvidenceError, match="another reference"):
        carry(comparison={"treatment": "TAC", "reference": "CYC", "estimate": 0.0, "std_error": 0.2})


# Published rows --------------------------------------------------------------------------------------


def studies(**changes):
    rows = {
        "study": ["A", "B", "C", "D", "E"],
        "treatment_1": ["MMF"] * 5,
        "treatment_2": ["AZA"] * 5,
        "estimate": [-0.9, -0.7, -0.5, -0.3, -0.1],
        "std_error": [0.2] * 5,
        "black": [0.0, 0.1, 0.2, 0.3, 0.4],
    }
    return rows | changes


def test_meta_regression_on_a_straight_line_reads_it_off():
    found = transport(studies(), {"black": 0.25}, effect="HR", experimental="MMF", reference="AZA")
    assert found.adjusted.estimate == pytest.approx(-0.4)
    x = np.array([0.0, 0.1, 0.2, 0.3, 0.4]) - 0.25
    X = np.column_stack([np.ones(5), x])
    assert found.adjusted.std_error == pytest.approx(0.2 * math.sqrt(np.linalg.inv(X.T @ X)[0, 0]))


def test_meta_regression_beyond_the_studies_is_extrapolated_or_refused():
    found = transport(studies(), {"black": 0.5}, effect="HR", experimental="MMF", reference="AZA")
    assert "EXTRAPOLATED: black: 0.5 in target, the studies' means from 0 to 0.4" in repr(found)
    with pytest.raises(EvidenceError, match="lies outside the studies"):
        transport(studies(), {"black": 0.5}, effect="HR", method="nmr", experimental="MMF", reference="AZA")


def test_meta_regression_needs_studies_that_differ():
    two = {name: values[:2] for name, values in studies(treatment_1=["MMF", "TAC"]).items()}
    with pytest.raises(EvidenceError, match="do not identify how the effect moves"):
        transport(two, {"black": 0.05}, effect="HR", experimental="MMF", reference="AZA")


def test_slopes_of_two_treatments_against_the_reference_cancel_between_them():
    rows = {
        "study": list("ABCDEFGH"),
        "treatment_1": ["MMF"] * 3 + ["TAC"] * 3 + ["TAC"] * 2,
        "treatment_2": ["AZA"] * 6 + ["MMF"] * 2,
        "estimate": [-0.5, -0.3, -0.1, -0.9, -0.7, -0.5, -0.4, -0.4],
        "std_error": [0.1] * 8,
        "black": [0.0, 0.2, 0.4, 0.0, 0.2, 0.4, 0.0, 0.4],
    }
    here, there = (
        transport(
            rows,
            {"black": x},
            effect="HR",
            experimental="TAC",
            reference="MMF",
            interactions_against="AZA",
        )
        for x in (0.1, 0.3)
    )
    assert here.details["fit"].tau2 == pytest.approx(0, abs=1e-8)
    assert here.adjusted.estimate == pytest.approx(-0.4) and there.adjusted.estimate == pytest.approx(-0.4)
    low, high = (
        transport(rows, {"black": x}, effect="HR", experimental="TAC", reference="AZA") for x in (0.1, 0.3)
    )
    assert low.adjusted.estimate == pytest.approx(-0.8) and high.adjusted.estimate == pytest.approx(-0.6)


def test_exchangeable_slopes_are_wider_than_common_ones():
    rows = {
        "study": list("ABCDEFGHI"),
        "treatment_1": ["MMF"] * 3 + ["TAC"] * 3 + ["CYC"] * 3,
        "treatment_2": ["AZA"] * 9,
        "estimate": [-0.5, -0.3, -0.1, -0.9, -0.2, 0.5, -0.4, -0.5, -0.6],
        "std_error": [0.05] * 9,
        "black": [0.0, 0.2, 0.4] * 3,
    }
    asked = {"effect": "HR", "experimental": "MMF", "reference": "AZA"}
    common = transport(rows, {"black": 0.35}, **asked)
    own = transport(rows, {"black": 0.35}, interactions="exchangeable", **asked)
    assert own.details["fit"].slope_variance > 0
    assert abs(own.adjusted.estimate - (-0.15)) < abs(common.adjusted.estimate - (-0.15)) + 0.2
    assert "slopes between treatments" in repr(own)


def test_arm_rows_with_an_empty_cell_say_what_was_added():
    rows = {
        "study": ["A", "A", "B", "B", "C", "C"],
        "treatment": ["AZA", "MMF"] * 3,
        "n": [50] * 6,
        "events": [10, 5, 8, 0, 12, 9],
        "black": [0.1, 0.1, 0.2, 0.2, 0.3, 0.3],
    }
    found = transport(rows, {"black": 0.2}, effect="OR")
    assert "B: half an event added to each arm" in repr(found)


# Points ----------------------------------------------------------------------------------------------


def test_integration_points_have_the_populations_moments():
    population = Population.from_margins(
        {
            "age": TruncatedNormal.from_moments(31, 10, 12, 75),
            "proteinuria": LogNormal.from_moments(0.9, 0.8),
            "class": Categorical(("III", "IV", "V"), (0.15, 0.7, 0.15)),
        },
        correlation={("age", "proteinuria"): 0.3},
    )
    points = integration_points(population, 4096)
    assert points.columns["age"].mean() == pytest.approx(31, rel=1e-3)
    assert points.columns["proteinuria"].mean() == pytest.approx(0.9, rel=5e-3)
    assert (points.columns["class"] == "IV").mean() == pytest.approx(0.7, abs=2e-3)
    assert points.check(integration_points(population, 8192)) < 0.01
    found = np.corrcoef(points.columns["age"], points.columns["proteinuria"])[0, 1]
    assert found == pytest.approx(0.3, abs=0.02)


def test_number_of_points_is_a_power_of_two():
    with pytest.raises(EvidenceError, match="power of two"):
        integration_points(Population.from_margins({"age": (31, 10)}), 100)


# Refused ---------------------------------------------------------------------------------------------


def with_gap():
    return trial().with_columns(age=pl.when(pl.int_range(400) == 6).then(None).otherwise(pl.col("age")))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: carry(covariates=["weight"]), EvidenceError, "no covariate 'weight'"),
        (lambda: carry(covariates=["race"]), EvidenceError, "no covariate 'race'"),
        (lambda: carry(data=with_gap()), EvidenceError, "row 7"),
        (lambda: carry({"age": (90.0, 5.0)}, method="maic"), EvidenceError, "covariates, age"),
        (lambda: carry(experimental="TAC"), NotFoundError, "nobody had this treatment"),
        (lambda: carry(treatment="drug"), EvidenceError, "no column 'drug'"),
        (lambda: carry(outcome="relapse"), EvidenceError, "no column 'relapse'"),
        (lambda: carry(outcome="score"), EvidenceError, "holds what cannot be"),
        (lambda: carry(effect="HR"), EvidenceError, "needs 2 columns"),
        (lambda: carry(effect="XX"), EvidenceError, "no such effect"),
        (lambda: carry(method="magic"), EvidenceError, "no such choice"),
        (lambda: carry(method="iow"), EvidenceError, "need the target's patients"),
        (lambda: carry(modifiers=["race"]), EvidenceError, "one of the covariates"),
        (lambda: carry(data=trial().filter(pl.col("arm") == "MMF")), EvidenceError, "one treatment"),
        (lambda: carry(population_factor_sd=-1), EvidenceError, "no standard deviation"),
        (lambda: carry({"age": "young"}), EvidenceError, "no margin"),
        (lambda: carry({"race": 0.3}), EvidenceError, "a category in one population"),
        (lambda: carry(data=trial().with_columns(flare=0)), NoEventsError, "nobody had the event"),
        (lambda: transport(3, TARGET, outcome="flare"), EvidenceError, "cannot be read"),
        (lambda: carry().plot("pie"), EvidenceError, "no such figure"),
        (
            lambda: transport(studies(), {"black": 0.2}, effect="HR", experimental="TAC", reference="AZA"),
            NotFoundError,
            "no study has this treatment",
        ),
        (
            lambda: transport(studies(), {"age": 0.2}, effect="HR", covariates=["age"]),
            EvidenceError,
            "no covariate 'age'",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_populations_told_apart_without_error_have_no_odds():
    target = pl.DataFrame({"age": np.linspace(80, 95, 60)})
    with pytest.raises(EvidenceError, match="tell source and target apart"):
        carry(target, method="iow")


# As it is shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["overlap", "weights", "effect"])
def test_figures_are_drawn_and_described(kind):
    from flarefree.reports.figures import Palette, describe_figure, render_figure

    figure = carry(effect="OR").plot(kind)
    svg = render_figure(figure, Palette())
    assert svg == render_figure(figure, Palette()) and svg.startswith("<svg")
    assert len(describe_figure(figure)) > 20


def test_figure_of_no_overlap_says_extrapolated():
    from flarefree.reports.figures import Palette, render_figure

    found = carry_multitarget(HALF_BLACK)
    assert "Extrapolated: black" in render_figure(found.plot("overlap"), Palette())


def test_tidy_holds_source_target_and_factor():
    frame = carry(effect="OR").tidy()
    assert frame["term"].to_list() == ["source", "target", "target with population factor"]
    assert (frame["conf_low"] < frame["estimate"]).all() and (frame["estimate"] < frame["conf_high"]).all()


def test_pandas_and_polars_and_columns_give_the_same():
    data = trial()
    columns = {name: data[name].to_list() for name in data.columns}
    one, two, three = (carry(data=d).adjusted.estimate for d in (data, data.to_pandas(), columns))
    assert one == two == three


def test_order_of_patients_does_not_matter():
    data = trial()
    shuffled = data.sample(fraction=1.0, shuffle=True, seed=3)
    assert carry(data=data).adjusted.estimate == pytest.approx(
        carry(data=shuffled).adjusted.estimate, abs=1e-9
    )
