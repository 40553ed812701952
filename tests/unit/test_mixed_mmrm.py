"""`mmrm`: what it accepts, what it refuses, what it reports."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.errors import ConvergenceError, SingularDesignError, StatsError
from flarefree.stats.mixed import mmrm

TRIAL = Path(__file__).resolve().parents[1] / "reference" / "mixed" / "trial.csv"
FORMULA = "change ~ baseline + center + arm*visit + us(visit | subject)"


@pytest.fixture(scope="module")
def trial():
    return pl.read_csv(TRIAL)


@pytest.fixture(scope="module")
def fit(trial):
    return mmrm(FORMULA, trial)


def test_tidy_has_the_fields_columns(fit):
    frame = fit.tidy()
    assert frame.columns == [
        "term",
        "estimate",
        "std_error",
        "statistic",
        "df",
        "p_value",
        "conf_low",
        "conf_high",
    ]
    assert frame["term"][0] == "(Intercept)"
    np.testing.assert_allclose(frame["estimate"], list(fit.coefficients.values()), rtol=1e-12)
    middle = (frame["conf_low"] + frame["conf_high"]) / 2
    np.testing.assert_allclose(middle, frame["estimate"], rtol=1e-12)


def test_glance_is_one_row_with_the_fits_figures(fit):
    row = fit.glance().row(0, named=True)
    assert row["n_subjects"] == 90
    assert row["n_observations"] == 358
    assert row["structure"] == "us"
    assert row["n_covariance_parameters"] == 15
    assert row["aic"] == pytest.approx(row["deviance"] + 30)
    assert row["bic"] == pytest.approx(row["deviance"] + 15 * np.log(90))


def test_a_fit_is_frozen(fit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.level = 0.9


def test_the_repr_names_every_convention(fit):
    text = repr(fit)
    for word in (
        "358 observations of 90 subjects",
        "unstructured",
        "REML",
        "Kenward-Roger",
        "armMMF:visitW36",
    ):
        assert word in text


def test_pandas_and_columns_are_as_good_as_polars(trial, fit):
    pandas = pytest.importorskip("pandas")
    for data in (pandas.read_csv(TRIAL), trial.to_dict(as_series=False), trial.lazy()):
        assert mmrm(FORMULA, data).log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)


def test_rows_with_missing_values_are_left_out_and_counted(trial, fit):
    more = pl.concat(
        [trial, trial.head(3).with_columns(subject=pl.lit("new"), change=pl.lit(None, pl.Float64))]
    )
    with_missing = mmrm(FORMULA, more)
    assert with_missing.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)
    assert with_missing.glance()["n_left_out"][0] == 3
    assert "3 of 361 rows left out" in repr(with_missing)


def test_a_visit_twice_names_subject_and_visit(trial):
    twice = pl.concat([trial, trial.filter(subject="S003", visit="W12")])
    with pytest.raises(StatsError, match="S003, visit W12: 2 rows"):
        mmrm(FORMULA, twice)


def test_a_singular_design_names_the_columns(trial):
    twin = trial.with_columns(twin=2 * pl.col("baseline") + 1)
    with pytest.raises(SingularDesignError, match="rank 13; combinations of others: twin"):
        mmrm("change ~ baseline + twin + center + arm*visit + us(visit | subject)", twin)


def test_an_empty_cell_is_named(trial):
    """Nobody on MMF came at week 36: that coefficient does not exist."""
    holed = trial.filter(~((pl.col("arm") == "MMF") & (pl.col("visit") == "W36")))
    with pytest.raises(SingularDesignError, match="armMMF:visitW36"):
        mmrm(FORMULA, holed)


def test_a_subject_in_two_groups_is_refused(trial):
    switched = trial.with_columns(
        group=pl.when(pl.col("visit") == "W04").then(pl.lit("x")).otherwise(pl.lit("y"))
    )
    with pytest.raises(StatsError, match="two covariance groups"):
        mmrm("change ~ arm*visit + us(visit | group / subject)", switched)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("change ~ arm*visit", "no covariance structure"),
        ("change ~ arm*visit + adh(visit | subject)", "no such choice"),
        ("arm ~ visit + us(visit | subject)", "must be a number"),
        ("change ~ arm + us(visit | subject) + (1 | center)", "does not know"),
    ],
)
def test_formulas_that_are_no_such_model_are_refused(trial, formula, message):
    with pytest.raises(StatsError, match=message):
        mmrm(formula, trial)


def test_a_choice_of_degrees_of_freedom_must_exist(trial):
    with pytest.raises(StatsError, match="satterthwaite"):
        mmrm(FORMULA, trial, df="between-within")
    with pytest.raises(StatsError, match="between 0 and 1"):
        mmrm(FORMULA, trial, level=95)


def test_maximum_likelihood_uses_satterthwaite_and_says_so(trial):
    fit = mmrm(FORMULA, trial, reml=False)
    assert fit.df_method == "satterthwaite"
    assert any("restricted likelihood" in warning for warning in fit.warnings)
    assert fit.tidy().equals(mmrm(FORMULA, trial, reml=False, df="satterthwaite").tidy())


# -- structures that cannot be fitted --------------------------------------------------------------------


@pytest.fixture(scope="module")
def never_together(trial):
    """Nobody has both week 4 and week 36, so their covariance cannot be known."""
    return trial.filter(
        ~(pl.col("visit").is_in(["W04"]) & (pl.col("subject").str.slice(1).cast(pl.Int64) % 2 == 0))
        & ~(pl.col("visit").is_in(["W36"]) & (pl.col("subject").str.slice(1).cast(pl.Int64) % 2 == 1))
    )


def test_what_was_tried_is_said_when_nothing_converges(never_together):
    with pytest.raises(ConvergenceError) as caught:
        mmrm("change ~ visit + us(visit | subject)", never_together)
    assert "Newton from moments" in caught.value.found
    assert "L-BFGS" in caught.value.found
    assert "fallback" in caught.value.try_


def test_the_declared_fallback_is_taken_in_order_and_reported(never_together):
    fit = mmrm("change ~ visit + us(visit | subject)", never_together, fallback=("us", "csh", "cs"))
    assert fit.structure == "csh"
    assert {trial.structure for trial in fit.trials[:-1]} == {"us"}
    assert "us could not be fitted; csh was used" in fit.warnings
    assert "csh" in repr(fit)
    alone = mmrm("change ~ visit + csh(visit | subject)", never_together)
    assert alone.tidy().equals(fit.tidy())


def test_fallback_is_not_taken_where_it_is_not_needed(trial, fit):
    same = mmrm(FORMULA, trial, fallback=("cs",))
    assert same.structure == "us"
    assert same.tidy().equals(fit.tidy())


def test_an_unknown_fallback_is_refused_before_fitting(trial):
    with pytest.raises(StatsError, match="'sp'"):
        mmrm(FORMULA, trial, fallback=("sp",))


def test_one_visit_a_subject_leaves_correlations_unknown(trial):
    single = trial.group_by("subject", maintain_order=True).first()
    with pytest.raises(ConvergenceError, match="identified"):
        mmrm("change ~ arm + cs(visit | subject)", single.with_columns(visit=pl.col("visit")))


# -- means, contrasts, tests -----------------------------------------------------------------------------


def test_contrasts_are_differences_of_means(fit):
    means = fit.ls_means(("arm", "visit"))
    frame, differences = means.tidy(), means.contrasts("arm").tidy()
    assert frame["visit"].to_list()[:5] == ["W04", "W08", "W12", "W24", "W36"]
    aza, mmf = (frame.filter(arm=arm)["estimate"].to_numpy() for arm in ("AZA", "MMF"))
    np.testing.assert_allclose(differences["estimate"], mmf - aza, rtol=1e-10)
    assert differences["contrast"][0] == "MMF - AZA"
    assert fit.contrasts("arm", by="visit").tidy().equals(differences)


def test_the_reference_can_be_chosen_and_reverses_the_sign(fit):
    one = fit.contrasts("arm", by="visit", reference="AZA").tidy()
    other = fit.contrasts("arm", by="visit", reference="MMF").tidy()
    np.testing.assert_allclose(one["estimate"], -other["estimate"].to_numpy(), rtol=1e-12)
    np.testing.assert_allclose(one["conf_low"], -other["conf_high"].to_numpy(), rtol=1e-12)
    with pytest.raises(StatsError, match="not a level"):
        fit.contrasts("arm", by="visit", reference="placebo")


def test_means_can_be_held_at_values(fit):
    at_two, at_three = (fit.ls_means("arm", at={"baseline": b}).tidy()["estimate"] for b in (2.0, 3.0))
    np.testing.assert_allclose(at_three - at_two, fit.coefficients["baseline"], rtol=1e-9)


def test_proportional_weights_follow_the_sample(trial, fit):
    """With weights by frequency, the mean over centers is that of the sample's centers."""
    equal = fit.ls_means("visit", weights="equal").tidy()["estimate"]
    shares = fit.ls_means("visit", weights="proportional").tidy()["estimate"]
    assert abs(equal[0] - shares[0]) > 1e-3


def test_consecutive_and_pairwise_contrasts(fit):
    means = fit.ls_means("visit")
    assert len(means.contrasts(method="pairwise").tidy()) == 10
    assert means.contrasts(method="consecutive").tidy()["contrast"].to_list()[0] == "W08 - W04"
    with pytest.raises(StatsError, match="no such factor"):
        means.contrasts("arm")


def test_one_coefficients_f_is_its_squared_t(fit):
    columns = list(fit.coefficients)
    row = np.eye(len(columns))[columns.index("baseline")]
    t = fit.tidy().filter(term="baseline").row(0, named=True)
    test = fit.f_test(row)
    assert test.statistic == pytest.approx(t["statistic"] ** 2, rel=1e-10)
    assert test.p_value == pytest.approx(t["p_value"], rel=1e-9)
    assert fit.combine(row).tidy()["estimate"][0] == pytest.approx(t["estimate"])


def test_an_f_test_does_not_depend_on_how_the_hypothesis_is_written(fit):
    columns = list(fit.coefficients)
    rows = np.eye(len(columns))[[i for i, name in enumerate(columns) if ":" in name]]
    mixed = np.array([[1, 2, 0, 0], [0, 1, 0, 1], [0, 0, 3, 1], [1, 0, 0, 1.0]]) @ rows
    for df in ("kenward-roger", "satterthwaite"):
        again = dataclasses.replace(fit, inference=dataclasses.replace(fit.inference, df_method=df))
        one, other = again.f_test(rows), again.f_test(np.vstack([mixed, mixed[:1]]))
        assert one.num_df == other.num_df == 4
        assert one.statistic == pytest.approx(other.statistic, rel=1e-8)
        if df == "kenward-roger":
            assert one.den_df == pytest.approx(other.den_df, rel=1e-8)


def test_term_tests_have_one_row_a_term(fit):
    assert fit.term_tests()["term"].to_list() == ["baseline", "center", "arm", "visit", "arm:visit"]


def test_combinations_of_the_wrong_length_are_refused(fit):
    with pytest.raises(StatsError, match="one number a coefficient"):
        fit.combine([1.0, 2.0])
    with pytest.raises(StatsError, match="a contrast is zero"):
        fit.f_test(np.zeros(len(fit.coefficients)))


def test_visits_stand_in_the_order_of_an_enum(trial):
    """Week 36 first: an autoregressive structure then has other neighbors."""
    order = ["W36", "W04", "W08", "W12", "W24"]
    shuffled = trial.with_columns(pl.col("visit").cast(pl.Enum(order)))
    fit = mmrm("change ~ arm + ar1(visit | subject)", shuffled)
    assert fit.visits == tuple(order)
    plain = mmrm("change ~ arm + ar1(visit | subject)", trial)
    assert abs(fit.log_likelihood - plain.log_likelihood) > 1


def test_visits_sorted_as_texts_are_warned_of_where_neighbors_matter(trial):
    """Week 12 sorts before week 4 when the zero is missing."""
    bare = trial.with_columns(visit=pl.format("week {}", pl.col("visit").str.slice(1).cast(pl.Int64)))
    assert (
        "week 12, week 24, week 36, week 4, week 8"
        in mmrm("change ~ arm + ar1(visit | subject)", bare).warnings[0]
    )
    assert mmrm("change ~ arm + cs(visit | subject)", bare).warnings == ()
    order = [f"week {w}" for w in (4, 8, 12, 24, 36)]
    stated = bare.with_columns(pl.col("visit").cast(pl.Enum(order)))
    assert mmrm("change ~ arm + ar1(visit | subject)", stated).warnings == ()
    assert mmrm("change ~ arm + ar1(visit | subject)", trial).warnings == ()


def test_weights_divide_the_variance(trial):
    doubled = mmrm(FORMULA, trial.with_columns(w=pl.lit(4.0)), weights="w")
    plain = mmrm(FORMULA, trial)
    np.testing.assert_allclose(doubled.visit_covariances[""], 4 * plain.visit_covariances[""], rtol=1e-6)
    np.testing.assert_allclose(doubled.tidy()["std_error"], plain.tidy()["std_error"], rtol=1e-7)
    assert doubled.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-10)
    with pytest.raises(StatsError, match="positive"):
        mmrm(FORMULA, trial, weights=np.zeros(len(trial)))


def test_an_offset_is_taken_off_the_response(trial, fit):
    shifted = trial.with_columns(change=pl.col("change") + 3 * pl.col("baseline"))
    with_offset = mmrm(FORMULA + " + offset(I(3 * baseline))", shifted)
    np.testing.assert_allclose(with_offset.tidy()["estimate"], fit.tidy()["estimate"], rtol=1e-7, atol=1e-9)


def test_covariates_of_very_different_size_do_not_disturb(trial, fit):
    large = mmrm(
        "change ~ baseline + center + arm*visit + us(visit | subject)",
        trial.with_columns(baseline=pl.col("baseline") * 1e7),
    )
    assert large.coefficients["baseline"] == pytest.approx(fit.coefficients["baseline"] / 1e7, rel=1e-8)
    np.testing.assert_allclose(large.tidy()["df"], fit.tidy()["df"], rtol=1e-7)


def test_importing_the_package_loads_no_heavy_module():
    heavy = "('scipy', 'numba', 'polars')"
    code = f"import sys, flarefree.stats.mixed; print(*(m for m in {heavy} if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
