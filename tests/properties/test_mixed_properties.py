"""What always holds of repeated measures: order and names of rows do not matter, units carry over."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flarefree.errors import FlarefreeError
from flarefree.stats.mixed import gee, logistic_mixed, mmrm

STRUCTURES = ("us", "toeph", "ar1h", "csh", "toep", "ar1", "cs")
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _trial(seed, n=36, m=3, miss=0.15):
    """A small trial with visits missing at random; everybody has at least one."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    scale = 1 + 0.3 * np.arange(m)
    values = rng.multivariate_normal(
        np.zeros(m), 0.6**lag * np.outer(scale, scale), size=n
    ) + 0.5 * np.arange(m)
    there = rng.uniform(size=(n, m)) >= miss
    there[~there.any(axis=1), 0] = True
    subject, visit = np.nonzero(there)
    base = rng.normal(size=n)
    return pl.DataFrame(
        {
            "subject": [f"p{s:02d}" for s in subject],
            "visit": [f"v{v}" for v in visit],
            "arm": [("A", "B")[s % 2] for s in subject],
            "base": base[subject],
            "y": values[there] + 0.4 * base[subject],
            "yes": (values[there] + rng.normal(size=len(visit)) > 0.4).astype(int),
        }
    )


def _mmrm(data, structure="us", **options):
    return mmrm(f"y ~ base + arm*visit + {structure}(visit | subject)", data, **options)


def _close(one, other, rtol=1e-6):
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(one[column], other[column], rtol=rtol, atol=1e-8)


@quick
@given(seed=st.integers(0, 10_000), order=st.integers(0, 1_000), structure=st.sampled_from(STRUCTURES))
def test_the_order_of_rows_does_not_matter(seed, order, structure):
    data = _trial(seed)
    try:
        fit = _mmrm(data, structure)
    except FlarefreeError:
        assume(False)
    shuffled = _mmrm(data.sample(fraction=1.0, shuffle=True, seed=order), structure)
    assert shuffled.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-10)
    _close(shuffled.tidy(), fit.tidy())


@quick
@given(seed=st.integers(0, 10_000), structure=st.sampled_from(STRUCTURES))
def test_names_of_subjects_and_visits_do_not_matter(seed, structure):
    """Names that sort the other way for subjects, and in the same order for visits."""
    data = _trial(seed)
    renamed = data.with_columns(
        subject=pl.format("q{}", 99 - pl.col("subject").str.slice(1).cast(pl.Int64)),
        visit=pl.col("visit").replace({"v0": "screening", "v1": "then", "v2": "will end"}),
    )
    try:
        fit = _mmrm(data, structure)
    except FlarefreeError:
        assume(False)
    _close(_mmrm(renamed, structure).tidy(), fit.tidy())


@quick
@given(
    seed=st.integers(0, 10_000),
    shift=st.floats(-50, 50),
    factor=st.floats(0.01, 100),
    structure=st.sampled_from(STRUCTURES),
    df=st.sampled_from(("kenward-roger", "kenward-roger-linear", "satterthwaite")),
)
def test_shifting_and_scaling_the_response_carries_over(seed, shift, factor, structure, df):
    data = _trial(seed)
    try:
        fit = _mmrm(data, structure, df=df).tidy()
    except FlarefreeError:
        assume(False)
    moved = _mmrm(data.with_columns(y=factor * pl.col("y") + shift), structure, df=df).tidy()
    expected = fit["estimate"].to_numpy() * factor
    expected[0] += shift
    np.testing.assert_allclose(moved["estimate"], expected, rtol=1e-5, atol=1e-6 * factor)
    np.testing.assert_allclose(moved["std_error"], factor * fit["std_error"].to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(moved["df"], fit["df"], rtol=1e-4)


@quick
@given(seed=st.integers(0, 10_000))
def test_swapping_the_arms_turns_the_sign(seed):
    data = _trial(seed)
    try:
        one = _mmrm(data).contrasts("arm", by="visit").tidy()
    except FlarefreeError:
        assume(False)
    swapped = data.with_columns(arm=pl.when(pl.col("arm") == "A").then(pl.lit("B")).otherwise(pl.lit("A")))
    other = _mmrm(swapped).contrasts("arm", by="visit").tidy()
    np.testing.assert_allclose(one["estimate"], -other["estimate"].to_numpy(), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(one["p_value"], other["p_value"], rtol=1e-4)


@quick
@given(seed=st.integers(0, 10_000))
def test_means_do_not_depend_on_how_arms_are_coded(seed):
    """With or without an intercept, and whichever arm is the reference."""
    data = _trial(seed)
    try:
        one = _mmrm(data).ls_means(("arm", "visit")).tidy()
    except FlarefreeError:
        assume(False)
    recoded = data.with_columns(pl.col("arm").cast(pl.Enum(["B", "A"])))
    other = mmrm("y ~ 0 + arm:visit + base + us(visit | subject)", recoded).ls_means(("arm", "visit")).tidy()
    _close(one, other.sort("arm", "visit").with_columns(pl.col("arm").cast(pl.String)), rtol=1e-5)


@quick
@given(seed=st.integers(0, 10_000))
def test_a_richer_structure_is_never_less_likely(seed):
    data = _trial(seed)
    nested = (("cs", "toep"), ("ar1", "toep"), ("toep", "toeph"), ("cs", "csh"), ("toeph", "us"))
    found = {}
    for name in STRUCTURES:
        try:
            found[name] = _mmrm(data, name).log_likelihood
        except FlarefreeError:
            assume(False)
    for small, large in nested:
        assert found[large] >= found[small] - 1e-6


@quick
@given(seed=st.integers(0, 10_000), order=st.integers(0, 1_000), points=st.sampled_from((1, 7, 15)))
def test_logistic_models_do_not_depend_on_order_or_units(seed, order, points):
    data = _trial(seed)
    formula = "yes ~ base + arm + visit + (1 | subject)"
    try:
        fit = logistic_mixed(formula, data, quadrature_points=points)
    except FlarefreeError:
        assume(False)
    shuffled = data.sample(fraction=1.0, shuffle=True, seed=order).with_columns(base=10 * pl.col("base"))
    again = logistic_mixed(formula, shuffled, quadrature_points=points)
    assert again.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-8)
    assert again.subject_sd == pytest.approx(fit.subject_sd, rel=1e-4, abs=1e-5)
    scale = np.where(np.array(list(fit.coefficients)) == "base", 10.0, 1.0)
    np.testing.assert_allclose(again.tidy()["estimate"] * scale, fit.tidy()["estimate"], rtol=1e-4, atol=1e-5)


@quick
@given(seed=st.integers(0, 10_000))
def test_swapping_yes_and_no_turns_the_sign(seed):
    data = _trial(seed)
    formula = "yes ~ base + arm + visit + (1 | subject)"
    try:
        fit, equations = logistic_mixed(formula, data), gee(formula, data)
    except FlarefreeError:
        assume(False)
    swapped = data.with_columns(yes=1 - pl.col("yes"))
    other = logistic_mixed(formula, swapped)
    np.testing.assert_allclose(
        other.tidy()["estimate"], -fit.tidy()["estimate"].to_numpy(), rtol=1e-4, atol=1e-5
    )
    assert other.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(gee(formula, swapped).beta, -equations.beta, rtol=1e-8, atol=1e-10)
