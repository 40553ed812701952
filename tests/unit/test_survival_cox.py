"""Cox models where they are difficult: monotone likelihoods, Firth, singular designs, extreme covariates."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import optimize

from flarefree.errors import FormulaError, NoEventsError, SingularDesignError, StatsError
from flarefree.stats.survival import cox, fit_cox
from flarefree.stats.survival.cox_array import likelihood


@pytest.fixture(scope="module")
def trial() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    n = 60
    arm = rng.integers(0, 2, n).astype(float)
    age = rng.normal(35, 9, n)
    time = np.ceil(rng.exponential(np.exp(0.7 * arm - 0.02 * (age - 35))) * 12)
    return {"time": time, "event": (rng.random(n) < 0.7) * 1, "arm": arm, "age": age}


@pytest.fixture(scope="module")
def x(trial) -> np.ndarray:
    return np.column_stack((trial["arm"], trial["age"]))


def test_all_flares_in_one_arm_come_first():
    """Nobody of arm 0 flares before all of arm 1 have: the coefficient runs to infinity, and is said to."""
    fit = fit_cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0], names=["arm"])
    assert not fit.converged
    assert fit.coef[0] > 10
    assert "arm runs to +infinity" in fit.warnings[0]
    assert "warning: monotone likelihood" in repr(fit)
    # the supremum of the likelihood: each of arm 1's events certain among arm 1
    assert fit.loglik == pytest.approx(-math.log(3) - math.log(2) - math.log(3), abs=1e-6)


def test_only_the_culprit_is_named(trial, x):
    """Nobody else is blamed for a covariate that only one patient has, who never had the event."""
    never = np.column_stack((x, (np.arange(60) == 7).astype(float)))
    event = trial["event"].copy()
    event[7] = 0  # patient 7 never has the event
    time = trial["time"].copy()
    time[7] = time.max()
    fit = fit_cox(time, event, never, names=["arm", "age", "only_patient_7"])
    assert [text.split(" of ")[1].split(" ")[0] for text in fit.warnings] == ["only_patient_7"]
    assert "-infinity" in fit.warnings[0]
    others = fit_cox(np.delete(time, 7), np.delete(event, 7), np.delete(x, 7, axis=0))
    np.testing.assert_allclose(fit.coef[:2], others.coef, rtol=1e-5)


def test_firth_is_where_the_penalized_likelihood_is_largest(trial, x):
    """Maximized once more by a general optimizer, the information taken from numerical derivatives."""
    time, event = trial["time"], trial["event"]
    order = [i for i in range(60) if event[i]]

    def loglik(beta):
        eta = x @ beta
        return sum(eta[i] - math.log(np.exp(eta[time >= time[i]]).sum()) for i in order)

    def information(beta):
        steps = np.array([1e-3, 1e-4])
        found = np.empty((2, 2))
        for a in range(2):
            for b in range(2):
                da, db = np.eye(2)[a] * steps[a], np.eye(2)[b] * steps[b]
                found[a, b] = -(
                    loglik(beta + da + db)
                    - loglik(beta + da - db)
                    - loglik(beta - da + db)
                    + loglik(beta - da - db)
                ) / (4 * steps[a] * steps[b])
        return found

    def penalized(beta):
        return -(loglik(beta) + math.log(np.linalg.det(information(beta))) / 2)

    best = optimize.minimize(
        penalized, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
    )
    fit = fit_cox(time, event, x, ties="breslow", firth=True)
    np.testing.assert_allclose(fit.coef, best.x, atol=2e-5)
    assert fit.loglik == pytest.approx(-best.fun, abs=1e-5)


def test_firth_is_finite_where_the_likelihood_is_monotone():
    fit = fit_cox([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0], firth=True)
    assert fit.converged
    assert 0 < fit.coef[0] < 5
    limits = fit.profile_limits()
    assert limits["conf_low"][0] < fit.coef[0] < limits["conf_high"][0]


def test_firths_gradient_is_the_slope_of_its_likelihood(trial, x):
    from flarefree.stats.survival._cox_data import prepare_rows

    for ties in ("efron", "breslow"):
        rows = prepare_rows(
            trial["time"], trial["event"], x, entry=None, strata=None, weights=None, offset=None
        )
        evaluate = likelihood(rows, ties, firth=True)
        beta = np.array([0.3, -0.4])
        step = 1e-6
        slope = [(evaluate(beta + d)[0] - evaluate(beta - d)[0]) / (2 * step) for d in np.eye(2) * step]
        np.testing.assert_allclose(evaluate(beta)[1], slope, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
def test_score_and_information_are_derivatives(trial, x, ties):
    from flarefree.stats.survival._cox_data import prepare_rows

    entry = np.where(np.arange(60) % 3 == 0, trial["time"] / 3, 0.0)
    rows = prepare_rows(
        trial["time"], trial["event"], x, entry=entry, strata=np.arange(60) % 2, weights=None, offset=None
    )
    evaluate = likelihood(rows, ties)
    beta = np.array([0.4, -0.2])
    loglik, score, information = evaluate(beta)
    step = 1e-5
    for a in range(2):
        d = np.eye(2)[a] * step
        up, down = evaluate(beta + d), evaluate(beta - d)
        assert score[a] == pytest.approx((up[0] - down[0]) / (2 * step), rel=1e-6)
        np.testing.assert_allclose(information[a], -(up[1] - down[1]) / (2 * step), rtol=1e-6)
    assert np.isfinite(loglik)


def test_profile_limits_are_where_the_likelihood_fell(trial, x):
    fit = fit_cox(trial["time"], trial["event"], x, names=["arm", "age"])
    limits = fit.profile_limits()
    for low_or_high in ("conf_low", "conf_high"):
        held = limits[low_or_high][0]
        there = fit_cox(trial["time"], trial["event"], trial["age"], offset=held * trial["arm"])
        assert 2 * (fit.loglik - there.loglik) == pytest.approx(3.841459, abs=1e-5)
    without = fit_cox(trial["time"], trial["event"], trial["age"])
    assert limits["statistic"][0] == pytest.approx(2 * (fit.loglik - without.loglik), rel=1e-8)


def test_redundant_covariates_are_named(trial):
    data = pl.DataFrame(trial).with_columns(twice=2 * pl.col("age") + 1, one=pl.lit(3.0))
    with pytest.raises(SingularDesignError, match=r"age, twice") as caught:
        cox("Surv(time, event) ~ arm + age + twice", data)
    assert "leave one of them out" in str(caught.value)
    with pytest.raises(SingularDesignError, match="one"):
        cox("Surv(time, event) ~ arm + one", data)
    with pytest.raises(SingularDesignError, match="arm"):
        cox("Surv(time, event) ~ arm + strata(arm)", data)


def test_large_and_distant_covariates_do_not_overflow(trial):
    """A date in seconds and a marker in its smallest unit give the same model."""
    fit = fit_cox(trial["time"], trial["event"], trial["age"])
    shifted = fit_cox(trial["time"], trial["event"], trial["age"] * 1e6 + 1.7e9)
    assert shifted.coef[0] * 1e6 == pytest.approx(fit.coef[0], rel=1e-6)
    assert shifted.std_error[0] * 1e6 == pytest.approx(fit.std_error[0], rel=1e-6)
    wide = trial["age"].copy()
    wide[0] = 40_000.0  # a slip of the pen
    assert np.isfinite(fit_cox(trial["time"], trial["event"], wide).coef).all()


def test_a_long_empty_stretch_after_the_last_event(trial, x):
    """Rows at risk at no event add nothing, however far out their covariates are."""
    fit = fit_cox(trial["time"], trial["event"], x)
    last = trial["time"][trial["event"] == 1].max()
    more = fit_cox(
        np.append(trial["time"], [last + 900, last + 800]),
        np.append(trial["event"], [0, 0]),
        np.vstack((x, [[1, 9_000], [0, -9_000]])),
        entry=np.append(np.zeros(60), [last + 1, last + 2]),
    )
    np.testing.assert_allclose(more.coef, fit.coef, rtol=1e-7)
    np.testing.assert_allclose(more.std_error, fit.std_error, rtol=1e-7)
    assert more.n == 62


def test_truncation_that_empties_the_risk_set_keeps_its_precision():
    """A crowd with huge risks leaves before a small cohort enters: subtraction must not ruin the latter."""
    rng = np.random.default_rng(2)
    crowd_time, crowd_x = np.full(50, 100.0) + np.arange(50), np.full(50, 12.0) + rng.normal(size=50)
    time = np.concatenate(([5, 7, 9, 11, 13], crowd_time))
    entry = np.concatenate((np.zeros(5), np.full(50, 50.0)))
    event = np.concatenate(([1, 1, 0, 1, 1], np.ones(50)))
    x = np.concatenate(([0.0, 1.0, 0.5, -1.0, 0.3], crowd_x))
    both = fit_cox(time, event, x, entry=entry)
    strata = fit_cox(time, event, x, strata=entry > 0)
    np.testing.assert_allclose(both.coef, strata.coef, rtol=1e-8)
    np.testing.assert_allclose(both.std_error, strata.std_error, rtol=1e-8)
    np.testing.assert_allclose(both.loglik, strata.loglik, rtol=1e-10)


def test_many_rows_take_the_compiled_kernel_and_give_the_same(monkeypatch):
    """Ties, strata and weights, on either side of the number of rows where kernels change."""
    import flarefree.stats.survival.cox_array as module

    rng = np.random.default_rng(4)
    n = 30_000
    x = rng.normal(size=(n, 3))
    time = np.ceil(rng.exponential(np.exp(-0.3 * x[:, 0])) * 50)
    event = rng.random(n) < 0.5
    weights = rng.integers(1, 3, n)
    arguments = {"strata": rng.integers(0, 4, n), "weights": weights}
    for ties in ("efron", "breslow"):
        wide = fit_cox(time, event, x, ties=ties, **arguments)
        monkeypatch.setattr(module, "WORTHWHILE_ROWS", 10**9)
        narrow = fit_cox(time, event, x, ties=ties, **arguments)
        monkeypatch.undo()
        np.testing.assert_allclose(wide.coef, narrow.coef, rtol=1e-9)
        np.testing.assert_allclose(wide.std_error, narrow.std_error, rtol=1e-9)
        np.testing.assert_allclose(wide.loglik, narrow.loglik, rtol=1e-12)
    monkeypatch.setattr(module, "WORTHWHILE_ROWS", 1_000)  # the first guess comes from every sixteenth row
    guessed = fit_cox(time, event, x, **arguments)
    monkeypatch.undo()
    whole = fit_cox(time, event, x, **arguments)
    np.testing.assert_allclose(guessed.coef, whole.coef, rtol=1e-8)
    np.testing.assert_allclose(guessed.score.statistic, whole.score.statistic, rtol=1e-10)


def test_what_cannot_be_fitted_says_why(trial, x):
    time, event = trial["time"], trial["event"]
    with pytest.raises(NoEventsError, match="nobody had the event"):
        fit_cox(time, np.zeros(60), x)
    with pytest.raises(StatsError, match="0 or 1"):
        fit_cox(time, event + 1, x)
    with pytest.raises(StatsError, match="negative time"):
        fit_cox(-time, event, x)
    with pytest.raises(StatsError, match=r"covariate[\s\S]*row 3, column 1"):
        fit_cox(time, event, np.where(np.indices(x.shape)[0] * 2 + np.indices(x.shape)[1] == 7, np.nan, x))
    with pytest.raises(StatsError, match="unequal length"):
        fit_cox(time, event[:50], x)
    with pytest.raises(StatsError, match="ends before it begins"):
        fit_cox(time, event, x, entry=time)
    with pytest.raises(StatsError, match="no such rule for ties"):
        fit_cox(time, event, x, ties="average")
    with pytest.raises(StatsError, match="no weights"):
        fit_cox(time, event, x, ties="exact", weights=np.ones(60))
    with pytest.raises(StatsError, match="confidence level"):
        fit_cox(time, event, x, level=95)
    with pytest.raises(FormulaError):
        cox("Surv(time, event) ~ arm + no_such_column", trial)
    with pytest.raises(StatsError, match="left of ~"):
        cox("time ~ arm", trial)


def test_rows_with_missing_values_are_left_out_and_counted(trial):
    data = pl.DataFrame(trial).with_columns(
        age=pl.when(pl.col("age") > 50).then(None).otherwise(pl.col("age"))
    )
    fit = cox("Surv(time, event) ~ arm + age", data)
    assert fit.omitted == data["age"].null_count() > 0
    assert f"{fit.omitted} rows left out for missing values" in repr(fit)
    kept = data.drop_nulls()
    np.testing.assert_array_equal(fit.coef, cox("Surv(time, event) ~ arm + age", kept).coef)


def test_polars_pandas_and_mappings_give_the_same(trial):
    pandas = pytest.importorskip("pandas")
    formula = "Surv(time, event) ~ arm + age"
    expected = cox(formula, trial).coef
    np.testing.assert_array_equal(cox(formula, pl.DataFrame(trial)).coef, expected)
    np.testing.assert_array_equal(cox(formula, pandas.DataFrame(trial)).coef, expected)


def test_the_result_names_every_convention(trial):
    data = pl.DataFrame(trial).with_columns(center=pl.Series(np.arange(60) % 5))
    fit = cox("Surv(time, event) ~ arm + strata(center)", data, cluster="center", ties="breslow", level=0.9)
    assert fit.method == "Cox model, breslow ties, 5 strata, robust variance over 5 clusters"
    text = repr(fit)
    assert "90% limits" in text
    assert "robust score test" in text
    tidy = fit.tidy()
    assert tidy.columns[:7] == [
        "term",
        "estimate",
        "std_error",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]
    glance = fit.glance().row(0, named=True)
    assert (glance["n"], glance["ties"], glance["n_strata"], glance["n_clusters"]) == (60, "breslow", 5, 5)
    with pytest.raises(AttributeError):
        fit.level = 0.5  # type: ignore[misc]
    assert fit.with_level(0.95).level == 0.95
    assert fit.level == 0.9


def test_a_model_without_covariates_has_a_likelihood(trial):
    fit = cox("Surv(time, event) ~ strata(arm)", trial)
    assert fit.terms == ()
    assert fit.loglik == fit.loglik_null < 0
    assert "no covariates" in repr(fit)
    assert fit.tidy().height == 0
