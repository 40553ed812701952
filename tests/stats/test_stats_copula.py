"""Correlated characteristics: margins, correlations above and below, impossible ones refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from flarefree.errors import StatsError
from flarefree.stats.copula import (
    Bernoulli,
    Categorical,
    Fixed,
    GaussianCopula,
    LogNormal,
    Normal,
    TruncatedNormal,
    latent_correlation,
    nearest_correlation,
    observed_correlation,
)

AGE = TruncatedNormal.from_moments(31.4, 10.7, 12, 75)  # ALMS maintenance: 12 to 75 years eligible
PROTEINURIA = LogNormal.from_moments(906, 820)
BLACK = Bernoulli(0.101)
CLASS = Categorical(("III", "IV", "V"), (0.15, 0.70, 0.15))
KINDS = [Normal(2.0, 3.0), AGE, PROTEINURIA, BLACK, CLASS]


def standard_normals(n, d, seed=1):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("margin", KINDS, ids=lambda m: type(m).__name__)
def test_values_have_the_margins_mean_and_sd(margin):
    p = (np.arange(400_000) + 0.5) / 400_000
    values = margin.values(scipy_stats.norm.ppf(p)).astype(float)
    assert values.mean() == pytest.approx(margin.mean, rel=1e-3, abs=1e-5)
    assert values.std() == pytest.approx(margin.sd, rel=2e-3)


def test_truncated_normal_is_that_of_scipy_and_stays_within_its_limits():
    margin = TruncatedNormal(1.0, 2.0, 4.0, 9.0)
    frozen = scipy_stats.truncnorm(1.5, 4.0, loc=1.0, scale=2.0)
    p = np.array([1e-9, 0.01, 0.5, 0.99, 1 - 1e-9])
    np.testing.assert_allclose(margin.values(scipy_stats.norm.ppf(p)), frozen.ppf(p), rtol=1e-8)
    assert margin.mean == pytest.approx(frozen.mean(), rel=1e-9)
    assert margin.sd == pytest.approx(frozen.std(), rel=1e-7)
    extreme = margin.values(np.array([-40.0, 40.0]))
    assert extreme.min() >= 4.0 and extreme.max() <= 9.0


def test_far_tail_keeps_its_digits():
    margin = TruncatedNormal(0.0, 1.0, 12.0)
    values = margin.values(np.array([-1.0, 0.0, 1.0]))
    assert values == pytest.approx(
        scipy_stats.truncnorm(12, np.inf).ppf([scipy_stats.norm.cdf(-1), 0.5, scipy_stats.norm.cdf(1)]),
        rel=1e-9,
    )


def test_moments_after_the_cut_are_the_asked_ones():
    margin = TruncatedNormal.from_moments(31.4, 10.7, 12, 75)
    assert (margin.mean, margin.sd) == (pytest.approx(31.4), pytest.approx(10.7))
    assert margin.location < 31.4  # the cut at 12 took the young


def test_log_normal_by_mean_and_sd():
    assert PROTEINURIA.mean == pytest.approx(906)
    assert PROTEINURIA.sd == pytest.approx(820)
    assert PROTEINURIA.median == pytest.approx(906 / math.sqrt(1 + (820 / 906) ** 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TruncatedNormal.from_moments(80, 10, 12, 75), "no truncated normal has this mean"),
        (lambda: TruncatedNormal.from_moments(40, 60, 12, 75), "no truncated normal has this mean"),
        (lambda: LogNormal(1.0, 0.9), "above 1"),
        (lambda: Normal(0.0, -1.0), "sd: not a positive number"),
        (lambda: Bernoulli(1.1), "not a probability"),
        (lambda: Categorical(("a", "b"), (0.5, 0.6)), "together 1.1"),
        (lambda: Categorical(("a", "a"), (0.5, 0.5)), "different levels"),
    ],
)
def test_impossible_margins_are_refused(make, words):
    with pytest.raises(StatsError, match=words):
        make()


def test_two_binary_characteristics_against_the_bivariate_normal():
    """P(both) is an orthant of the bivariate normal; scipy integrates it another way."""
    first, second, rho = Bernoulli(0.3), Bernoulli(0.1), 0.6
    a, b = scipy_stats.norm.ppf(0.3), scipy_stats.norm.ppf(0.1)
    both = scipy_stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([a, b])
    expected = (both - 0.03) / math.sqrt(0.3 * 0.7 * 0.1 * 0.9)
    assert observed_correlation(first, second, rho) == pytest.approx(expected, abs=1e-6)


def test_closed_forms_of_observed_correlations():
    """Two log-normals; normal and binary (point-biserial): both have formulas."""
    one, two, rho = LogNormal(1.0, math.exp(0.8)), LogNormal(3.0, math.exp(0.5)), 0.4
    expected = math.expm1(rho * 0.8 * 0.5) / math.sqrt(math.expm1(0.64) * math.expm1(0.25))
    assert observed_correlation(one, two, rho) == pytest.approx(expected, rel=1e-9)
    cut = scipy_stats.norm.ppf(0.8)
    expected = rho * scipy_stats.norm.pdf(cut) / math.sqrt(0.2 * 0.8)
    assert observed_correlation(Normal(5, 2), Bernoulli(0.2), rho) == pytest.approx(expected, rel=1e-9)
    assert observed_correlation(Bernoulli(0.2), Normal(5, 2), rho) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(i=st.integers(0, 4), j=st.integers(0, 4), share=st.floats(-0.98, 0.98))
def test_latent_and_observed_are_inverse(i, j, share):
    first, second = KINDS[i], KINDS[j]
    end = observed_correlation(first, second, math.copysign(1.0, share))
    asked = abs(share) * end
    latent = latent_correlation(first, second, asked)
    assert abs(latent) <= 1
    assert observed_correlation(first, second, latent) == pytest.approx(asked, abs=1e-8)


def test_patients_realize_the_observed_correlations_asked_for():
    asked = {("age", "uprot"): 0.25, ("uprot", "black"): 0.15, ("age", "class"): -0.2}
    copula = GaussianCopula(
        {"age": AGE, "uprot": PROTEINURIA, "black": BLACK, "class": CLASS}, asked, kind="observed"
    )
    drawn = copula.transform(standard_normals(400_000, 4))
    realized = np.corrcoef(np.stack([drawn[n].astype(float) for n in copula.names]))
    np.testing.assert_allclose(realized, copula.observed(), atol=0.012)
    assert copula.observed()[0, 1] == pytest.approx(0.25, abs=1e-8)
    assert drawn["black"].dtype == bool and drawn["class"].dtype == np.int64
    assert set(CLASS.labels(drawn["class"][:1000])) == {"III", "IV", "V"}


def test_same_normals_same_patients_and_a_fixed_margin_changes_nobody():
    z = standard_normals(50, 3)
    copula = GaussianCopula(
        {"age": AGE, "weight": Fixed(60.0), "uprot": PROTEINURIA}, {("age", "uprot"): 0.5}
    )
    one, two = copula.transform(z), copula.transform(z[:20])
    np.testing.assert_array_equal(one["uprot"][:20], two["uprot"])
    assert set(one["weight"]) == {60.0}


def test_standard_deviations_from_the_mean():
    copula = GaussianCopula({"age": AGE})
    assert copula.standardized("age", np.array([31.4, 31.4 + 10.7])) == pytest.approx([0.0, 1.0])


def test_unattainable_observed_correlation_names_the_pair_and_the_range():
    with pytest.raises(StatsError, match=r"correlation\[black, uprot\]: these two margins cannot") as error:
        GaussianCopula({"black": BLACK, "uprot": PROTEINURIA}, {("black", "uprot"): 0.9}, kind="observed")
    assert "between" in error.value.expected


def test_contradictory_correlations_are_refused_and_repaired_only_on_request():
    kinds = {name: Normal(0, 1) for name in "abc"}
    pairs = {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}
    with pytest.raises(StatsError, match="not positive definite"):
        GaussianCopula(kinds, pairs)
    repaired = GaussianCopula(kinds, pairs, repair=True)
    assert repaired.repaired_by > 0.1
    assert np.linalg.eigvalsh(repaired.latent)[0] > 0


def test_nearest_correlation_of_highams_example():
    """[higham2002] p. 334: A = [[1,1,0],[1,1,1],[0,1,1]] goes to off-diagonals 0.7607 and 0.1573."""
    nearest = nearest_correlation(np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]]))
    assert nearest[0, 1] == pytest.approx(0.7607, abs=5e-5)
    assert nearest[0, 2] == pytest.approx(0.1573, abs=5e-5)


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        ({("age", "weight"): 0.2}, "weight"),
        ({("age", "age"): 0.2}, "two different margins"),
        ({("age", "uprot"): 1.2}, "not a correlation"),
        (np.eye(3), "another size"),
        (np.array([[1.0, 0.2], [0.3, 1.0]]), "not a correlation"),
    ],
)
def test_wrong_correlations_are_named(correlation, words):
    with pytest.raises(StatsError, match=words):
        GaussianCopula({"age": AGE, "uprot": PROTEINURIA}, correlation)


def test_wrong_shape_of_normals():
    with pytest.raises(StatsError, match="one column of standard normals"):
        GaussianCopula({"age": AGE}).transform(np.zeros((3, 2)))
