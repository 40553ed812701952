"""What always holds of survival statistics: permuting patients, changing units, swapping arms, splitting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flarefree.errors import SingularDesignError
from flarefree.stats.survival import (
    batch_trials,
    cumulative_incidence,
    fine_gray,
    fit_cox,
    gray,
    kaplan_meier,
    logrank,
    mean_cumulative_function,
    rmst,
)

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@st.composite
def trials(draw, *, smallest: int = 12, largest: int = 40):
    """Whole days with ties, events, two arms, three strata, a covariate; both arms have an event early."""
    n = draw(st.integers(smallest, largest))
    time = draw(hnp.arrays(np.int64, n, elements=st.integers(2, 30))).astype(float)
    event = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 1)))
    arm = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 1)))
    stratum = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    covariate = draw(hnp.arrays(np.int64, n, elements=st.integers(-5, 5))).astype(float)
    # Two early events among both arms, and both arms followed to the end, keep estimates finite.
    time[:4], event[:4], arm[:4], stratum[:4] = [3, 3, 31, 31], [1, 1, 0, 0], [0, 1, 0, 1], 0
    covariate[:4] = [2, -1, -2, 3]
    return time, event, arm, stratum, covariate


def fitted(time, event, x, **arguments):
    try:
        fit = fit_cox(time, event, x, **arguments)
    except SingularDesignError:
        assume(False)
    assume(fit.converged)
    return fit


@FEW
@given(trials(), st.randoms(use_true_random=False))
def test_permuting_patients_changes_nothing(trial, random):
    time, event, arm, stratum, covariate = trial
    order = np.arange(time.size)
    random.shuffle(order)
    x = np.column_stack((arm, covariate))
    for ties in ("efron", "breslow"):
        a = fitted(time, event, x, strata=stratum, ties=ties)
        b = fitted(time[order], event[order], x[order], strata=stratum[order], ties=ties)
        np.testing.assert_allclose(a.coef, b.coef, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(a.std_error, b.std_error, rtol=1e-7)
        np.testing.assert_allclose(a.residuals()[order], b.residuals(), rtol=1e-6, atol=1e-8)
    test_a = logrank(time, event, arm, strata=stratum)
    test_b = logrank(time[order], event[order], arm[order], strata=stratum[order])
    np.testing.assert_allclose(test_a.statistic, test_b.statistic, rtol=1e-10)
    km_a, km_b = kaplan_meier(time, event, arm), kaplan_meier(time[order], event[order], arm[order])
    assert km_a.tidy().equals(km_b.tidy())


@FEW
@given(trials(), st.sampled_from([1 / 30.4375, 1 / 365.25, 24.0, 1e-3]))
def test_the_unit_of_time_changes_times_only(trial, unit):
    time, event, arm, stratum, covariate = trial
    x = np.column_stack((arm, covariate))
    a, b = fitted(time, event, x), fitted(time * unit, event, x)
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-9)
    np.testing.assert_allclose(a.loglik, b.loglik, rtol=1e-12)
    np.testing.assert_allclose(
        logrank(time, event, arm, strata=stratum).z, logrank(time * unit, event, arm, strata=stratum).z
    )
    ours, theirs = kaplan_meier(time, event).curves[0], kaplan_meier(time * unit, event).curves[0]
    np.testing.assert_allclose(ours.estimate, theirs.estimate, rtol=1e-12)
    np.testing.assert_allclose(ours.time * unit, theirs.time, rtol=1e-7)
    np.testing.assert_allclose(
        rmst(time, event).estimate * unit, rmst(time * unit, event).estimate, rtol=1e-7
    )


@FEW
@given(trials(), st.sampled_from(["efron", "breslow", "exact"]))
def test_swapping_arms_inverts_the_hazard_ratio(trial, ties):
    time, event, arm, stratum, covariate = trial
    a = fitted(time, event, np.column_stack((arm, covariate)), strata=stratum, ties=ties)
    b = fitted(time, event, np.column_stack((1 - arm, covariate)), strata=stratum, ties=ties)
    np.testing.assert_allclose(a.hr[0], 1 / b.hr[0], rtol=1e-8)
    np.testing.assert_allclose([a.hr_low[0], a.hr_high[0]], [1 / b.hr_high[0], 1 / b.hr_low[0]], rtol=1e-7)
    np.testing.assert_allclose(a.coef[1], b.coef[1], rtol=1e-7, atol=1e-9)
    x, y = logrank(time, event, arm), logrank(time, event, 1 - arm)
    np.testing.assert_allclose(x.z, -y.z, rtol=1e-9, atol=1e-12)


@FEW
@given(trials(), st.data())
def test_splitting_follow_up_into_intervals_changes_nothing(trial, data):
    time, event, arm, stratum, covariate = trial
    cut = data.draw(hnp.arrays(np.float64, time.size, elements=st.floats(0.5, 29.5))).round(1)
    split = cut < time - 0.25
    start = np.concatenate((np.zeros(time.size), cut[split]))
    stop = np.concatenate((np.where(split, cut, time), time[split]))
    happened = np.concatenate((np.where(split, 0, event), event[split]))
    double = lambda values: np.concatenate((values, values[split]))  # noqa: E731
    x = np.column_stack((arm, covariate))
    for ties in ("efron", "breslow", "exact"):
        whole = fitted(time, event, x, strata=stratum, ties=ties)
        parts = fitted(stop, happened, double(x), entry=start, strata=double(stratum), ties=ties)
        np.testing.assert_allclose(whole.coef, parts.coef, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(whole.std_error, parts.std_error, rtol=1e-6)
        np.testing.assert_allclose(whole.loglik, parts.loglik, rtol=1e-10)
    at = np.unique(time[event == 1])
    one = kaplan_meier(time, event, arm).at(at, extend=True)
    two = kaplan_meier(stop, happened, double(arm), entry=start).at(at, extend=True)
    np.testing.assert_allclose(one["estimate"], two["estimate"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one["n_risk"], two["n_risk"], rtol=1e-12)


@FEW
@given(trials())
def test_a_stratum_without_events_adds_nothing(trial):
    time, event, arm, stratum, covariate = trial
    x = np.column_stack((arm, covariate))
    more = lambda values, extra: np.concatenate((values, extra))  # noqa: E731
    t, e = more(time, [5.0, 9.0, 40.0]), more(event, [0, 0, 0])
    s, z = more(stratum, [9, 9, 9]), np.vstack((x, [[1, 4], [0, 2], [1, -3]]))
    a, b = fitted(time, event, x, strata=stratum), fitted(t, e, z, strata=s)
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(a.std_error, b.std_error, rtol=1e-7)
    np.testing.assert_allclose(
        logrank(time, event, arm, strata=stratum).statistic, logrank(t, e, z[:, 0], strata=s).statistic
    )


@FEW
@given(trials(), st.integers(2, 3))
def test_whole_weights_are_copies(trial, times):
    time, event, arm, _, covariate = trial
    weights = 1 + (np.arange(time.size) % times)
    copies = np.repeat(np.arange(time.size), weights)
    x = np.column_stack((arm, covariate))
    a = fitted(time, event, x, weights=weights, ties="breslow")
    b = fitted(time[copies], event[copies], x[copies], ties="breslow")
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(a.std_error, b.std_error, rtol=1e-7)
    one, two = kaplan_meier(time, event, weights=weights), kaplan_meier(time[copies], event[copies])
    np.testing.assert_allclose(one.curves[0].estimate, two.curves[0].estimate, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(one.curves[0].std_error, two.curves[0].std_error, rtol=1e-9)


@FEW
@given(trials())
def test_residuals_sum_to_zero_within_strata(trial):
    time, event, arm, stratum, covariate = trial
    fit = fitted(time, event, np.column_stack((arm, covariate)), strata=stratum)
    martingale = fit.residuals()
    for s in np.unique(stratum):
        assert martingale[stratum == s].sum() == pytest.approx(0, abs=1e-8)
    np.testing.assert_allclose(fit.residuals("score").sum(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(fit.schoenfeld().select(fit.terms).sum().to_numpy(), 0, atol=1e-6)
    away = np.abs(martingale) > 1e-7
    assert (np.sign(fit.residuals("deviance")) == np.sign(martingale))[away].all()


@FEW
@given(trials())
def test_without_ties_the_three_rules_agree(trial):
    time, event, arm, _, covariate = trial
    time = time + np.arange(time.size) / 1000
    x = np.column_stack((arm, covariate))
    efron, breslow, exact = (fitted(time, event, x, ties=t) for t in ("efron", "breslow", "exact"))
    np.testing.assert_allclose(efron.coef, breslow.coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(efron.coef, exact.coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(efron.std_error, exact.std_error, rtol=1e-7)


@FEW
@given(trials())
def test_incidences_and_survival_add_to_one(trial):
    time, event, arm, stratum, _ = trial
    cause = event * (1 + stratum % 2)
    found = cumulative_incidence(time, cause, arm)
    km = kaplan_meier(time, event, arm)
    for curve in km.curves:
        total = sum(found.curve(cause, curve.group).estimate for cause in found.causes)
        np.testing.assert_allclose(total + curve.estimate, 1, rtol=1e-12)


@FEW
@given(trials())
def test_one_cause_is_kaplan_meier_and_fine_gray_is_cox(trial):
    time, event, arm, _, covariate = trial
    only = cumulative_incidence(time, event).curves[0]
    curve = kaplan_meier(time, event).curves[0]
    np.testing.assert_allclose(only.estimate, 1 - curve.estimate, rtol=1e-10, atol=1e-14)
    inside = curve.estimate > 0
    np.testing.assert_allclose(only.std_error[inside], curve.std_error[inside], rtol=1e-8)
    x = np.column_stack((arm, covariate))
    cox = fitted(time, event, x, ties="breslow", cluster=np.arange(time.size))
    subdistribution = fine_gray(time, event, x)
    np.testing.assert_allclose(subdistribution.coef, cox.coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(subdistribution.std_error, cox.std_error, rtol=1e-6)


@FEW
@given(trials(), st.integers(0, 1))
def test_gray_does_not_mind_which_group_is_first(trial, shift):
    time, event, _, stratum, _ = trial
    cause = event * (1 + (stratum + shift) % 2)
    assume((cause == 1).any() and (cause == 2).any())
    a = gray(time, cause, stratum)
    b = gray(time, cause, 2 - stratum)
    np.testing.assert_allclose(a.statistic, b.statistic, rtol=1e-6, atol=1e-9)


@FEW
@given(trials())
def test_one_event_each_makes_the_mean_function_nelson_and_aalens(trial):
    time, event, arm, _, _ = trial
    found = mean_cumulative_function(time, event, np.arange(time.size), arm)
    km = kaplan_meier(time, event, arm).nelson_aalen()
    for curve in found.curves:
        theirs = km.filter((km["group"] == curve.group) & (km["n_event"] > 0))
        np.testing.assert_allclose(curve.estimate, theirs["estimate"], rtol=1e-12)


@FEW
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_batched_trials_equal_trials_one_by_one(seed, tied, stratified):
    rng = np.random.default_rng(seed)
    shape = (5, int(rng.integers(6, 60)))
    time = rng.exponential(10, shape)
    time = np.ceil(time) if tied else time
    event = rng.random(shape) < 0.7
    arm = rng.integers(0, 2, shape)
    arm[:, :2] = (0, 1)
    event[:, 0] = True
    strata = rng.integers(0, 3, shape) if stratified else None
    batch = batch_trials(time, event, arm, strata=strata)
    tests, fits = batch.compare()
    weighted = batch.logrank(rho=1, gamma=0.5)
    curves = batch.kaplan_meier([3.0, 7.0, 20.0])
    for i in range(shape[0]):
        s = None if strata is None else strata[i]
        one = logrank(time[i], event[i], arm[i], strata=s)
        if one.variance[1, 1] > 0:
            assert tests.z[i] == pytest.approx(one.z, rel=1e-9, abs=1e-9)
        other = logrank(time[i], event[i], arm[i], strata=s, rho=1, gamma=0.5)
        if other.variance[1, 1] > 1e-12:
            assert weighted.z[i] == pytest.approx(other.z, rel=1e-9, abs=1e-9)
        frame = kaplan_meier(time[i], event[i], arm[i]).at([3.0, 7.0, 20.0], extend=True)
        np.testing.assert_allclose(curves.estimate[i].ravel(), frame["estimate"], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(curves.n_risk[i].ravel(), frame["n_risk"])
        median = kaplan_meier(time[i], event[i], arm[i]).median()["median"].fill_null(np.nan)
        np.testing.assert_allclose(curves.median[i], median)
        try:
            fit = fit_cox(time[i], event[i], arm[i], strata=s)
        except SingularDesignError:
            assert np.isnan(fits.coef[i])
            continue
        if fit.converged:
            assert fits.converged[i]
            assert fits.coef[i] == pytest.approx(fit.coef[0], rel=1e-7, abs=1e-8)
            assert fits.std_error[i] == pytest.approx(fit.std_error[0], rel=1e-7)
            assert fits.loglik[i] == pytest.approx(fit.loglik, rel=1e-10)
        else:
            assert np.isinf(fits.coef[i])
            assert np.sign(fits.coef[i]) == np.sign(fit.coef[0])
