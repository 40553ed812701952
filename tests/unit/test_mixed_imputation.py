"""Reference-based imputation: the distributions by hand, and what holds of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.errors import StatsError
from flarefree.stats.mixed import mmrm, pool, reference_based_imputation
from flarefree.stats.mixed.reference_based import conditional_moments, draw_missing, strategy_moments

TRIAL = Path(__file__).resolve().parents[1] / "reference" / "mixed" / "trial.csv"
FORMULA = "change ~ baseline*visit + arm*visit + us(visit | subject)"

OWN, REFERENCE = np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 60.0])
S_OWN = np.array([[4.0, 2.0, 1.0], [2.0, 9.0, 3.0], [1.0, 3.0, 16.0]])
S_REFERENCE = np.array([[1.0, 0.5, 0.2], [0.5, 2.0, 0.6], [0.2, 0.6, 3.0]])


@pytest.fixture(scope="module")
def trial():
    return pl.read_csv(TRIAL)


def _impute(data, strategy="jump-to-reference", **options):
    settings = {
        "arm": "arm",
        "reference": "AZA",
        "strategy": strategy,
        "imputations": 20,
        "seed": 7,
        "draws": "normal",
    }
    return reference_based_imputation(FORMULA, data, **{**settings, **options})


# -- the distribution that missing visits are drawn from ------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "deviation", "expected"),
    [
        ("mar", 1, [1, 2, 3]),
        ("jump-to-reference", 1, [1, 30, 60]),
        ("jump-to-reference", 2, [1, 2, 60]),
        ("copy-increments", 1, [1, 1 + 20, 1 + 50]),  # own first visit, then the reference's steps
        ("copy-increments", 2, [1, 2, 2 + 30]),
        ("copy-reference", 2, [10, 30, 60]),
        ("copy-increments", 0, [10, 30, 60]),  # nothing of its own to stand on
        ("jump-to-reference", 3, [1, 2, 3]),  # no deviation
    ],
)
def test_means_of_each_strategy(strategy, deviation, expected):
    mean, _ = strategy_moments(strategy, OWN, REFERENCE, S_OWN, S_OWN, deviation)
    np.testing.assert_allclose(mean, expected)


def test_with_one_covariance_for_all_the_strategies_keep_it():
    for strategy in ("mar", "jump-to-reference", "copy-increments", "copy-reference"):
        for deviation in range(4):
            _, covariance = strategy_moments(strategy, OWN, REFERENCE, S_OWN, S_OWN, deviation)
            np.testing.assert_allclose(covariance, S_OWN, rtol=1e-12)


def test_with_one_covariance_an_arm_the_references_regression_takes_over():
    """Own variance before the deviation; slope and scatter afterwards are the reference's."""
    _, joined = strategy_moments("jump-to-reference", OWN, REFERENCE, S_OWN, S_REFERENCE, 1)
    assert joined[0, 0] == 4.0
    slope = np.array([0.5, 0.2])  # of visits 2 and 3 on visit 1 in the reference, whose variance is 1
    np.testing.assert_allclose(joined[1:, 0], slope * 4.0)
    scatter = S_REFERENCE[1:, 1:] - np.outer(slope, slope)
    np.testing.assert_allclose(joined[1:, 1:] - np.outer(slope, slope) * 4.0, scatter)
    assert np.linalg.eigvalsh(joined)[0] > 0


def test_conditional_moments_by_hand():
    """Second visit seen at 5, three above its mean: the others move by 2/9 and 3/9 of it."""
    is_missing = np.array([True, False, True])
    mean, covariance = conditional_moments(OWN, S_OWN, np.array([np.nan, 5.0, np.nan]), is_missing)
    np.testing.assert_allclose(mean, [1 + 2 / 9 * 3, 3 + 3 / 9 * 3])
    np.testing.assert_allclose(covariance, [[4 - 4 / 9, 1 - 6 / 9], [1 - 6 / 9, 16 - 1]])


def test_draws_have_these_moments():
    rng = np.random.default_rng(1)
    y, is_missing = np.array([np.nan, 5.0, np.nan]), np.array([True, False, True])
    draws = np.array([draw_missing(OWN, S_OWN, y, is_missing, rng) for _ in range(20_000)])
    mean, covariance = conditional_moments(OWN, S_OWN, y, is_missing)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * np.sqrt(np.diag(covariance) / 20_000).max())
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.35)


# -- the whole -------------------------------------------------------------------------------------------


def test_with_nothing_missing_it_is_the_analysis_of_each_visit(trial):
    complete = trial.filter(pl.len().over("subject") == 5)
    result = _impute(complete).tidy().filter(visit="W36")
    X = np.column_stack(
        [np.ones(44), complete.filter(visit="W36")["arm"] == "MMF", complete.filter(visit="W36")["baseline"]]
    ).astype(float)
    y = complete.filter(visit="W36")["change"].to_numpy()
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    variance = ((y - X @ beta) ** 2).sum() / 41 * np.linalg.inv(X.T @ X)[1, 1]
    assert result["estimate"][0] == pytest.approx(beta[1], rel=1e-10)
    assert result["std_error"][0] == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert result["missing_information"][0] == pytest.approx(0.0, abs=1e-15)
    assert result["df"][0] == pytest.approx(41 * 42 / 44, rel=1e-12)  # Barnard and Rubin with nothing missing


def test_missing_at_random_agrees_with_the_mixed_model(trial):
    """The same assumption by two ways: they differ by Monte Carlo error and by the analysis model."""
    result = _impute(trial, "mar", imputations=400, draws="bootstrap").tidy().filter(visit="W36")
    direct = mmrm(FORMULA, trial).contrasts("arm", by="visit").tidy().filter(visit="W36")
    assert result["estimate"][0] == pytest.approx(direct["estimate"][0], abs=0.25 * direct["std_error"][0])
    assert result["std_error"][0] == pytest.approx(direct["std_error"][0], rel=0.15)


def test_reference_based_estimates_lie_between_no_effect_and_missing_at_random(trial):
    found = {
        strategy: _impute(trial, strategy, imputations=200).tidy().filter(visit="W36")["estimate"][0]
        for strategy in ("mar", "copy-increments", "copy-reference", "jump-to-reference")
    }
    assert found["mar"] < found["copy-increments"] < found["jump-to-reference"] < 0
    assert found["mar"] < found["copy-reference"] < 0


def test_observed_responses_stay_and_missing_ones_differ_between_data_sets(trial):
    result = _impute(trial)
    seen = ~np.isnan(result.trial.y)
    assert (~seen).sum() == 90 * 5 - 358
    for completed in result.completed:
        np.testing.assert_array_equal(completed[seen], result.trial.y[seen])
    assert (result.completed[:, ~seen].std(axis=0) > 0.05).all()


def test_the_reference_arm_is_drawn_alike_under_every_strategy(trial):
    """With the same seed, up to the draws of others: here the other arm misses nothing."""
    partial = trial.filter((pl.len().over("subject") == 5) | (pl.col("arm") == "AZA"))
    one, other = (_impute(partial, strategy).completed for strategy in ("mar", "jump-to-reference"))
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("draws", ["bootstrap", "normal"])
def test_the_same_seed_gives_the_same_numbers(trial, draws):
    one, again, other = (_impute(trial, draws=draws, imputations=5, seed=s).tidy() for s in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_rows_missing_or_missing_values_are_the_same(trial):
    grid = trial.select("subject", "arm", "center", "baseline").unique(maintain_order=True)
    visits = trial.select("visit").unique().sort("visit")
    full = grid.join(visits, how="cross").join(
        trial.select("subject", "visit", "change"), on=["subject", "visit"], how="left", maintain_order="left"
    )
    assert full["change"].null_count() == 92
    np.testing.assert_allclose(_impute(full).tidy()["estimate"], _impute(trial).tidy()["estimate"], rtol=1e-7)


def test_covariances_by_arm_are_taken_from_the_arm(trial):
    by_arm = "change ~ baseline*visit + arm*visit + us(visit | arm / subject)"
    result = reference_based_imputation(by_arm, trial, arm="arm", reference="AZA", imputations=5, seed=1)
    assert set(result.trial.group_own) == {0, 1}
    assert set(result.trial.group_reference) == {0}


def test_responses_after_a_stated_deviation_are_set_aside(trial):
    stated = trial.with_columns(
        left=pl.when(pl.col("subject").is_in(["S002", "S004"])).then(pl.lit("W24")).otherwise(None)
    )
    n_after = stated.filter(pl.col("left").is_not_null() & pl.col("visit").is_in(["W24", "W36"])).height
    result = _impute(stated, deviation="left")
    assert result.trial.n_set_aside == n_after > 0
    assert f"{n_after} responses" in repr(result)
    place = result.trial.subjects.index("S002")
    assert np.isnan(result.trial.y[place, 3:]).all()
    assert result.trial.deviation[place] == 3
    at_random = _impute(stated, "mar", deviation="left")
    assert at_random.trial.n_set_aside == 0


def test_a_delta_moves_imputed_responses_and_no_others(trial):
    result = _impute(trial)
    moved = result.with_delta(1.0)
    last = np.isnan(result.trial.y[:, -1]) & (result.trial.arm == 1)
    X = result.trial.X_analysis
    shift = np.linalg.lstsq(X, last.astype(float), rcond=None)[0]
    change = moved.tidy()["estimate"][-1] - result.tidy()["estimate"][-1]
    assert change == pytest.approx(float(result.trial.contrasts[0] @ shift), rel=1e-9)
    assert "MMF +1" in repr(moved)
    assert result.delta == {"MMF": 0.0}


def test_the_tipping_point_is_where_p_reaches_alpha(trial):
    result = _impute(trial, "mar", imputations=50)
    path = result.tipping_point([0.0, 0.5, 1.0, 3.0])
    assert path["is_tipped"].to_list()[0] is False
    assert path["is_tipped"].to_list()[-1] is True
    assert path["estimate"].is_sorted()
    tipping = result.tipping_delta(3.0)
    assert result.tipping_point([tipping])["p_value"][0] == pytest.approx(0.05, abs=1e-8)
    assert result.tipping_delta(-3.0) is None
    assert result.with_delta(3.0).tipping_delta(3.0, visit="W36") is not None


def test_three_arms_are_each_compared_with_the_reference(trial):
    number = pl.col("subject").str.slice(1).cast(pl.Int64)
    three = trial.with_columns(arm=pl.when(number % 3 == 0).then(pl.lit("TAC")).otherwise(pl.col("arm")))
    result = _impute(three, imputations=3)
    assert result.tidy()["term"].unique(maintain_order=True).to_list() == ["MMF - AZA", "TAC - AZA"]
    assert result.glance()["n_missing"][0] == 92


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "placebo"}, "not an arm"),
        ({"arm": "center"}, "the arm is not in the formula"),
        ({"strategy": "last-mean"}, "no such strategy"),
        ({"draws": "exact"}, "no such kind of draws"),
        ({"imputations": 1}, "two imputations"),
        ({"delta": {"placebo": 1.0}}, "no such arm"),
        ({"analysis": "change ~ baseline"}, "not a factor of the analysis"),
    ],
)
def test_choices_that_do_not_exist_are_refused(trial, options, message):
    with pytest.raises(StatsError, match=message):
        _impute(trial, **options)


def test_covariates_that_change_or_are_missing_are_refused(trial):
    drifting = trial.with_columns(
        baseline=pl.col("baseline") + ((pl.col("visit") == "W24") & (pl.col("subject") == "S001"))
    )
    with pytest.raises(StatsError, match="S001"):
        _impute(drifting)
    absent = trial.with_columns(baseline=pl.when(pl.col("subject") != "S005").then(pl.col("baseline")))
    with pytest.raises(StatsError, match="1 subjects"):
        _impute(absent)
    with pytest.raises(StatsError, match="not at a visit"):
        _impute(trial.with_columns(left=pl.lit("W99")), deviation="left")


def test_pooling_one_data_set_is_refused():
    with pytest.raises(StatsError, match="two imputations"):
        pool([[1.0]], [[1.0]])
