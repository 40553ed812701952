"""`logistic_mixed`: the integral, its derivatives, what is refused, what is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from flarefree.errors import ConvergenceError, SingularDesignError, StatsError
from flarefree.stats.mixed import logistic_mixed
from flarefree.stats.mixed.quadrature import Clusters, Integral, hermite_points

TRIAL = Path(__file__).resolve().parents[1] / "reference" / "mixed" / "trial.csv"
FORMULA = "remission ~ baseline + arm*visit + (1 | subject)"


@pytest.fixture(scope="module")
def trial():
    return pl.read_csv(TRIAL)


@pytest.fixture(scope="module")
def fit(trial):
    return logistic_mixed(FORMULA, trial)


def _clusters(weighted=False, seed=8):
    rng = np.random.default_rng(seed)
    subject = np.concatenate([np.repeat(np.arange(12), 4), [12]])
    X = np.column_stack([np.ones(49), rng.normal(size=49)])
    yes = (rng.uniform(size=49) < 0.6).astype(float)
    yes[:4] = 1.0  # a subject that always says yes
    weight = rng.integers(1, 5, 49).astype(float) if weighted else None
    shuffled = rng.permutation(49)
    offset = rng.normal(size=49) if weighted else None
    pick = [None if v is None else v[shuffled] for v in (weight, offset)]
    return Clusters.sorted_from(X[shuffled], yes[shuffled], subject[shuffled], *pick)


def test_many_points_give_the_integral_itself():
    """Against SciPy's adaptive integration of each subject's likelihood."""
    clusters, beta, sd = _clusters(), np.array([0.4, -0.7]), 1.7
    total = 0.0
    eta = clusters.X @ beta
    for i in range(clusters.n_subjects):
        rows = clusters.of == i

        def integrand(b, rows=rows):
            signed = clusters.sign[rows] * (eta[rows] + sd * b)
            return np.prod(1 / (1 + np.exp(-signed))) * norm.pdf(b)

        total += np.log(quad(integrand, -12, 12, epsabs=1e-14, epsrel=1e-12, limit=400)[0])
    assert Integral.at(clusters, beta, sd, 41).log_likelihood == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("points", [1, 2, 5, 15])
@pytest.mark.parametrize("sd", [0.3, 2.5, -1.1])
def test_the_gradient_is_that_of_the_approximation(points, sd, weighted):
    """Also where the approximation is crude: the points move with the parameters."""
    clusters, beta, h = _clusters(weighted), np.array([0.4, -0.7]), 1e-5
    here = Integral.at(clusters, beta, sd, points)
    numeric = [
        (here.moved(step).log_likelihood - here.moved(-step).log_likelihood) / (2 * h)
        for step in h * np.eye(3)
    ]
    np.testing.assert_allclose(here.gradient, numeric, atol=2e-8, rtol=1e-7)


def test_the_curvature_is_near_the_true_one_with_many_points():
    here = Integral.at(_clusters(), np.array([0.4, -0.7]), 1.2, 25)
    np.testing.assert_allclose(-here.hessian(np.full(3, 0.5)), here.curvature, rtol=2e-3, atol=1e-3)


def test_modes_are_found_where_all_outcomes_agree_and_the_spread_is_large():
    clusters = _clusters()
    for sd in (0.5, 5.0, 40.0):
        here = Integral.at(clusters, np.array([-3.0, 2.0]), sd, 3)
        eta = clusters.X @ here.beta + sd * here.mode[clusters.of]
        slope = sd * clusters.total(clusters.sign / (1 + np.exp(clusters.sign * eta))) - here.mode
        assert np.abs(slope).max() < 1e-9


def test_the_likelihood_is_the_same_on_either_side_of_no_spread():
    clusters, beta = _clusters(), np.array([0.4, -0.7])
    one, other = (Integral.at(clusters, beta, sd, 9) for sd in (1.3, -1.3))
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-13)
    np.testing.assert_allclose(one.gradient, other.gradient * [1, 1, -1], rtol=1e-10)


def test_hermite_points_integrate_polynomials():
    z, log_weight = hermite_points(5)
    weight = np.exp(log_weight - z**2) / np.sqrt(np.pi)
    moments = [np.sum(weight * (np.sqrt(2) * z) ** k) for k in (0, 2, 4, 8)]
    np.testing.assert_allclose(moments, [1, 1, 3, 105], rtol=1e-12)


# -- results ---------------------------------------------------------------------------------------------


def test_tidy_and_odds_ratios(fit):
    frame, ratios = fit.tidy(), fit.tidy(odds_ratios=True)
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
    assert frame["df"].is_infinite().all()
    np.testing.assert_allclose(ratios["estimate"], np.exp(frame["estimate"]))
    np.testing.assert_allclose(ratios["conf_low"], np.exp(frame["conf_low"]))
    np.testing.assert_allclose(ratios["std_error"], np.exp(frame["estimate"]) * frame["std_error"])
    assert ratios["p_value"].equals(frame["p_value"])


def test_the_repr_names_the_points_and_the_spread(fit):
    text = repr(fit)
    assert "15 points" in text
    assert f"{fit.subject_sd:.4f}" in text
    assert "Laplace" in repr(logistic_mixed(FORMULA, pl.read_csv(TRIAL), quadrature_points=1))


def test_marginal_probabilities_are_integrals_over_the_population(fit):
    conditional = fit.ls_means(("arm", "visit"), scale="log-odds").tidy()
    marginal = fit.ls_means(("arm", "visit"), kind="marginal").tidy()
    for eta, p in zip(conditional["estimate"], marginal["estimate"]):
        expected = quad(lambda b, eta=eta: norm.pdf(b) / (1 + np.exp(-eta - fit.subject_sd * b)), -10, 10)[0]
        assert p == pytest.approx(expected, rel=1e-7)
    assert (abs(marginal["estimate"] - 0.5) < abs(1 / (1 + np.exp(-conditional["estimate"])) - 0.5)).all()
    assert ((marginal["conf_low"] > 0) & (marginal["conf_high"] < 1)).all()


def test_shares_of_the_population_average_probabilities_over_the_subjects(trial):
    """Half of the log odds is not half of the share: everybody counts with their own stratum."""
    numbers = trial["subject"].rank("dense").to_numpy()
    mixed = trial.with_columns(stratum=pl.Series(np.where(numbers % 3 == 0, "b", "a")))
    hard = mixed.with_columns(
        pl.when((pl.col("stratum") == "b") & (pl.Series(np.arange(len(numbers)) % 5) > 0))
        .then(0)
        .otherwise("remission")
        .alias("remission")
    )
    fit = logistic_mixed("remission ~ arm + stratum + baseline + (1 | subject)", hard)
    people = hard.unique("subject", keep="first")
    beta = fit.coefficients
    for row in fit.population_shares("arm").tidy().iter_rows(named=True):
        total = 0.0
        for one in people.iter_rows(named=True):
            eta = beta["(Intercept)"] + beta["baseline"] * one["baseline"]
            eta += beta["armMMF"] * (row["arm"] == "MMF") + beta["stratumb"] * (one["stratum"] == "b")
            total += quad(lambda b, e=eta: norm.pdf(b) / (1 + np.exp(-e - fit.subject_sd * b)), -10, 10)[0]
        assert row["estimate"] == pytest.approx(total / people.height, rel=1e-7)
        assert row["conf_low"] < row["estimate"] < row["conf_high"]
    apart = fit.ls_means("arm", kind="marginal", weights="proportional").tidy()["estimate"]
    assert (abs(apart - fit.population_shares("arm").tidy()["estimate"]) > 1e-3).any()


def test_shares_of_a_population_alike_in_everything_else_are_its_marginal_means(trial):
    fit = logistic_mixed("remission ~ arm + (1 | subject)", trial)
    ours, means = fit.population_shares("arm").tidy(), fit.ls_means("arm", kind="marginal").tidy()
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(ours[name], means[name], rtol=1e-10)


def test_errors_of_marginal_probabilities_are_those_of_the_delta_method(fit):
    """Numerically: move each parameter and see the probability move."""
    means = fit.ls_means(("arm", "visit"))
    L = means.matrix[3]

    def probability(parameters):
        eta = L @ parameters[:-1]
        return quad(lambda b: norm.pdf(b) / (1 + np.exp(-eta - parameters[-1] * b)), -10, 10, epsabs=1e-12)[0]

    at = np.append(fit.fit.beta, fit.subject_sd)
    h = 1e-5
    slope = np.array([(probability(at + s) - probability(at - s)) / (2 * h) for s in h * np.eye(len(at))])
    expected = np.sqrt(slope @ fit.fit.covariance @ slope)
    marginal = fit.ls_means(("arm", "visit"), kind="marginal").tidy()
    assert marginal["std_error"][3] == pytest.approx(expected, rel=1e-5)


def test_contrasts_of_probabilities_are_odds_ratios_and_differences_are_differences(fit):
    conditional = fit.ls_means(("arm", "visit")).contrasts("arm").tidy()
    log_odds = fit.ls_means(("arm", "visit"), scale="log-odds").contrasts("arm").tidy()
    assert conditional["contrast"][0] == "MMF / AZA"
    np.testing.assert_allclose(conditional["estimate"], np.exp(log_odds["estimate"]))
    marginal = fit.ls_means(("arm", "visit"), kind="marginal").tidy()
    p = {arm: marginal.filter(arm=arm)["estimate"].to_numpy() for arm in ("AZA", "MMF")}
    differences = fit.risk_differences("arm", by="visit").tidy()
    np.testing.assert_allclose(differences["estimate"], p["MMF"] - p["AZA"], rtol=1e-10)
    with pytest.raises(StatsError, match="no such kind"):
        fit.ls_means("arm", kind="typical")


def test_counts_are_as_good_as_rows(trial):
    rows = logistic_mixed("remission ~ arm + baseline + (1 | subject)", trial)
    counts = trial.group_by("subject", "arm", "baseline", maintain_order=True).agg(
        yes=pl.col("remission").sum(), no=(1 - pl.col("remission")).sum()
    )
    grouped = logistic_mixed("cbind(yes, no) ~ arm + baseline + (1 | subject)", counts)
    np.testing.assert_allclose(grouped.tidy()["estimate"], rows.tidy()["estimate"], rtol=1e-7)
    np.testing.assert_allclose(grouped.tidy()["std_error"], rows.tidy()["std_error"], rtol=1e-6)
    assert grouped.log_likelihood == pytest.approx(rows.log_likelihood, rel=1e-11)


def test_texts_and_booleans_are_as_good_as_numbers(trial, fit):
    words = trial.with_columns(
        remission=pl.when(pl.col("remission") == 1).then(pl.lit("yes")).otherwise(pl.lit("no"))
    )
    assert logistic_mixed(FORMULA, words).log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)
    assert logistic_mixed(FORMULA, words).conventions["yes"] == "yes"
    truth = trial.with_columns(remission=pl.col("remission") == 1)
    assert logistic_mixed(FORMULA, truth).log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)


def test_no_spread_at_all_is_the_ordinary_logistic_model():
    """Each subject has one yes and one no: intercepts are more alike than chance, and the spread is zero."""
    n = 40
    data = {
        "subject": np.repeat(np.arange(n), 2),
        "y": np.tile([0, 1], n),
        "x": np.tile([0.0, 0.0, 1.0, 1.0, 1.0, 0.0], 2 * n)[: 2 * n],
    }
    fit = logistic_mixed("y ~ x + (1 | subject)", data)
    assert fit.subject_sd == 0.0
    assert "no spread" in fit.warnings[0]
    assert fit.spread_test() == (0.0, 1.0)
    x, y = data["x"], data["y"]
    odds = [y[x == v].mean() / (1 - y[x == v].mean()) for v in (0.0, 1.0)]
    assert fit.coefficients["x"] == pytest.approx(np.log(odds[1] / odds[0]), rel=1e-9)
    cells = [np.sum((x == a) & (y == b)) for a in (0, 1) for b in (0, 1)]
    assert fit.tidy()["std_error"][1] == pytest.approx(np.sqrt(sum(1 / c for c in cells)), rel=1e-9)
    assert fit.glance()["subject_sd_std_error"][0] is None
    # without spread, the population's probability is that of the middle subject
    overall = [
        fit.ls_means([], kind=kind, at={"x": 1.0}).tidy()["estimate"][0]
        for kind in ("conditional", "marginal")
    ]
    assert overall[1] == pytest.approx(overall[0], rel=1e-12)


def test_the_spread_test_is_half_a_chi_square(fit):
    statistic, p = fit.spread_test()
    assert statistic == pytest.approx(2 * (fit.log_likelihood - fit.log_likelihood_alone))
    assert 0 < p < 1e-10


# -- what is refused -------------------------------------------------------------------------------------


def test_quasi_separation_names_the_column(trial):
    """Everybody on MMF is in remission at week 36, so that odds ratio is infinite."""
    split = trial.with_columns(
        remission=pl.when((pl.col("arm") == "MMF") & (pl.col("visit") == "W36"))
        .then(1)
        .otherwise(pl.col("remission"))
    )
    with pytest.raises(StatsError, match=r"found +armMMF:visitW36 foretell the outcome of 25 of 358 rows"):
        logistic_mixed(FORMULA, split)


def test_complete_separation_by_a_covariate_is_found(trial):
    split = trial.with_columns(score=pl.col("remission") * 2.0 + pl.col("baseline") / 10)
    with pytest.raises(StatsError, match="score"):
        logistic_mixed("remission ~ score + (1 | subject)", split)


def test_all_outcomes_the_same_is_separation(trial):
    with pytest.raises(StatsError, match=r"\(Intercept\)"):
        logistic_mixed(FORMULA, trial.with_columns(remission=pl.lit(1)))


def test_a_large_but_finite_effect_is_no_separation():
    """99 of 100 against 1 of 100: the log odds ratio is 9.2, and that is an answer."""
    y = np.concatenate([np.ones(99), [0], np.zeros(99), [1]])
    data = {"y": y, "x": np.repeat([1, 0], 100) * 40.0, "subject": np.tile(np.arange(50), 4)}
    fit = logistic_mixed("y ~ x + (1 | subject)", data)
    assert 40 * fit.coefficients["x"] >= 2 * np.log(99) - 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"remission": pl.col("remission") + 1}, "must be 0 or 1"),
        ({"remission": pl.col("visit")}, "two levels"),
        ({"remission": pl.col("baseline")}, "must be 0 or 1"),
    ],
)
def test_responses_that_are_not_yes_and_no_are_refused(trial, change, message):
    with pytest.raises(StatsError, match=message):
        logistic_mixed(FORMULA, trial.with_columns(**change))


def test_subjects_seen_once_cannot_have_intercepts(trial):
    with pytest.raises(StatsError, match="every subject has one row"):
        logistic_mixed("remission ~ arm + (1 | subject)", trial.group_by("subject").first())


def test_subjects_that_never_change_leave_the_spread_without_limit(trial):
    constant = trial.with_columns(remission=pl.col("remission").first().over("subject"))
    with pytest.raises(StatsError, match="ever differs between visits"):
        logistic_mixed("remission ~ arm + (1 | subject)", constant)


def test_a_spread_that_grows_without_limit_is_said():
    """Of 60 subjects 59 never change; the one that does holds the spread only loosely."""
    y = np.repeat(np.tile([0, 1], 30), 6)
    y[0] = 1
    data = {"y": y, "subject": np.repeat(np.arange(60), 6), "x": np.tile(np.arange(6.0), 60)}
    try:
        fit = logistic_mixed("y ~ 1 + (1 | subject)", data)
    except ConvergenceError as error:
        assert "spread" in str(error)
    else:
        assert fit.subject_sd > 5


def test_other_terms_and_points_are_refused(trial):
    for formula in (
        "remission ~ arm",
        "remission ~ arm + (1 + baseline | subject)",
        "remission ~ us(visit | subject)",
    ):
        with pytest.raises(StatsError, match="one random intercept"):
            logistic_mixed(formula, trial)
    for points in (0, 102, 7.5):
        with pytest.raises(StatsError, match="Laplace"):
            logistic_mixed(FORMULA, trial, quadrature_points=points)
    with pytest.raises(SingularDesignError, match="twin"):
        logistic_mixed(
            "remission ~ baseline + twin + (1 | subject)", trial.with_columns(twin=pl.col("baseline") * 2)
        )


@pytest.mark.parametrize(("seed", "sd", "points"), [(1, 8.0, 15), (2, 8.0, 1), (9, 8.0, 15), (13, 8.0, 1)])
def test_hard_searches_end_at_a_maximum(seed, sd, points):
    """Large spreads or a crude approximation: Louis's curvature alone went to and fro for ever here."""
    rng = np.random.default_rng(seed)
    n, m = 60, 4
    subject, visit = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    eta = 0.3 * visit + sd * rng.normal(size=n)[subject]
    data = {
        "y": (rng.uniform(size=n * m) < 1 / (1 + np.exp(-eta))).astype(int),
        "visit": [f"v{v}" for v in visit],
        "subject": subject,
    }
    fit = logistic_mixed("y ~ visit + (1 | subject)", data, quadrature_points=points)
    assert fit.fit.gradient_size < 1e-6
