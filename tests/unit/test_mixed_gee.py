"""`gee`: simple cases by another way, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.mixed import gee

TRIAL = Path(__file__).resolve().parents[1] / "reference" / "mixed" / "trial.csv"


@pytest.fixture(scope="module")
def trial():
    return pl.read_csv(TRIAL)


def test_independence_is_least_squares_with_a_clustered_sandwich(trial):
    fit = gee(
        "change ~ baseline + arm", trial, family="gaussian", correlation="independence", subject="subject"
    )
    X = np.column_stack([np.ones(len(trial)), trial["baseline"], trial["arm"] == "MMF"]).astype(float)
    y = trial["change"].to_numpy()
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    meat = np.zeros((3, 3))
    for subject in trial["subject"].unique():
        mine = (trial["subject"] == subject).to_numpy()
        score = X[mine].T @ (y[mine] - X[mine] @ beta)
        meat += np.outer(score, score)
    bread = np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(fit.beta, beta, rtol=1e-10)
    np.testing.assert_allclose(fit.covariance, bread @ meat @ bread, rtol=1e-9)


def test_the_formula_of_the_mixed_model_means_an_exchangeable_correlation(trial):
    one = gee("remission ~ arm*visit + (1 | subject)", trial)
    for other in (
        gee("remission ~ arm*visit + cs(visit | subject)", trial),
        gee("remission ~ arm*visit", trial, subject="subject"),
        gee("remission ~ arm*visit + cluster(subject)", trial, correlation="exchangeable"),
    ):
        assert other.correlation == one.correlation == "exchangeable"
        np.testing.assert_allclose(other.tidy()["std_error"], one.tidy()["std_error"], rtol=1e-10)


def test_rows_without_a_visit_count_in_their_order(trial):
    by_order = gee("change ~ arm", trial, family="gaussian", correlation="ar1", subject="subject")
    numbered = trial.with_columns(wave=pl.int_range(pl.len()).over("subject"))
    by_wave = gee(
        "change ~ arm", numbered, family="gaussian", correlation="ar1", subject="subject", visit="wave"
    )
    by_visit = gee("change ~ arm + ar1(visit | subject)", trial, family="gaussian")
    assert by_order.tidy().equals(by_wave.tidy())
    assert abs(by_order.alpha[0] - by_visit.alpha[0]) > 1e-3  # a missed visit is a longer lag


def test_means_are_on_the_scale_of_the_response(trial):
    fit = gee("remission ~ arm*visit + (1 | subject)", trial)
    means = fit.ls_means(("arm", "visit")).tidy()
    assert means["estimate"].is_between(0, 1).all()
    odds = fit.ls_means(("arm", "visit")).contrasts("arm").tidy()
    assert odds["estimate"][0] == pytest.approx(np.exp(fit.coefficients["armMMF"]))


def test_a_saturated_model_gives_the_observed_proportions(trial):
    fit = gee("remission ~ arm*visit", trial, correlation="independence", subject="subject")
    means = fit.ls_means(("arm", "visit")).tidy()
    seen = trial.group_by("arm", "visit").agg(p=pl.col("remission").mean()).sort("arm", "visit")
    np.testing.assert_allclose(means["estimate"], seen["p"], rtol=1e-10)


def test_the_repr_names_the_conventions(trial):
    text = repr(gee("remission ~ arm + (1 | subject)", trial))
    for word in ("logit", "exchangeable", "sandwich", "90 subjects"):
        assert word in text


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("remission ~ arm", {}, "who the rows belong to"),
        ("remission ~ arm + (1 | subject)", {"family": "gamma"}, "no such family"),
        ("remission ~ arm + (1 | subject)", {"correlation": "toeplitz"}, "no such working correlation"),
        ("remission ~ arm + toeph(visit | subject)", {}, "no such working correlation"),
        ("change ~ arm + (1 | subject)", {}, "must be 0 or 1"),
        ("change ~ arm + (1 | subject)", {"family": "poisson"}, "cannot be negative"),
        ("arm ~ visit + (1 | subject)", {"family": "gaussian"}, "must be a number"),
    ],
)
def test_what_is_no_such_model_is_refused(trial, formula, options, message):
    with pytest.raises(StatsError, match=message):
        gee(formula, trial, **options)


def test_a_visit_twice_names_subject_and_visit(trial):
    twice = pl.concat([trial, trial.filter(subject="S003", visit="W12")])
    with pytest.raises(StatsError, match="S003, visit W12"):
        gee("remission ~ arm + us(visit | subject)", twice)


def test_separation_is_refused(trial):
    split = trial.with_columns(
        remission=pl.when(pl.col("visit") == "W36").then(1).otherwise(pl.col("remission"))
    )
    with pytest.raises(StatsError, match="visitW36"):
        gee("remission ~ visit + (1 | subject)", split)


def test_a_correlation_matrix_that_is_none_is_refused():
    """Pairs of visits that contradict each other: 1 with 2 and 2 with 3 alike, 1 with 3 opposed."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(90):
        a, b = [(1, 2), (2, 3), (1, 3)][i % 3]
        z = rng.normal()
        for visit, y in ((a, z), (b, -z if (a, b) == (1, 3) else z)):
            rows.append({"subject": i, "visit": visit, "y": y + 0.05 * rng.normal()})
    data = pl.DataFrame(rows)
    with pytest.raises(ConvergenceError, match="exchangeable"):
        gee("y ~ 1 + us(visit | subject)", data, family="gaussian")
    with pytest.raises(StatsError, match="never occur in one subject"):
        gee(
            "y ~ 1 + us(visit | subject)",
            data.filter(~((pl.col("visit") == 1) & (pl.col("subject") % 3 == 2))),
            family="gaussian",
        )
