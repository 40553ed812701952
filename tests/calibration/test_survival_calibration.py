"""Error rates of survival tests and limits at trial sizes, with Monte Carlo error: slow, on a schedule."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from flarefree.errors import FlarefreeError
from flarefree.stats.survival import (
    batch_trials,
    cox,
    fine_gray,
    fit_cox,
    gray,
    incidence_rate,
    kaplan_meier,
    mean_cumulative_function,
    rmst,
    win_ratio,
)
from flarefree.stats.survival.win import TimeToEvent

LEVEL = 0.05


def assert_rate(
    hits: float, n: int, *, expected: float = LEVEL, slack: float = 0.005, z: float = 3.5
) -> None:
    """A rate within `slack` of the expected one, give or take z Monte Carlo errors."""
    error = z * np.sqrt(expected * (1 - expected) / n)
    assert abs(hits / n - expected) <= slack + error, (
        f"{hits / n:.4f} in {n}; Monte Carlo error {error / z:.4f}"
    )


def null_trials(rng, trials, n, *, ties: bool, months: float = 36.0):
    """Two arms alike, a fifth to a half with events by the end."""
    failure = rng.exponential(60, (trials, n))
    end = rng.uniform(12, months, (trials, n))
    time, event = np.minimum(failure, end), failure <= end
    return (np.ceil(time) if ties else time), event


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [60, 228])
@pytest.mark.parametrize("strata", [1, 6])
def test_logrank_and_cox_reject_at_their_level(n, ties, strata):
    """100 000 trials: Monte Carlo error 0.0007."""
    rng = np.random.default_rng([1, n, ties, strata])
    trials = 100_000
    time, event = null_trials(rng, trials, n, ties=ties)
    batch = batch_trials(time, event, np.arange(n) % 2, strata=(np.arange(n) // 2) % strata)
    tests, fits = batch.compare()
    assert_rate((np.abs(tests.z) > 1.959964).sum(), trials, slack=0.004)
    # Wald's test is a little too careful in small trials
    assert_rate((np.abs(fits.z) > 1.959964).sum(), trials, slack=0.012 if n == 60 else 0.006)
    for rho, gamma in ((1.0, 0.0), (0.0, 1.0)):
        weighted = batch.logrank(rho=rho, gamma=gamma)
        assert_rate((np.abs(weighted.z) > 1.959964).sum(), trials, slack=0.008)


@pytest.mark.slow
@pytest.mark.parametrize("hazard_ratio", [0.5, 1.0])
def test_hazard_ratio_limits_cover(hazard_ratio):
    rng = np.random.default_rng(2)
    trials, n = 100_000, 228
    arm = np.arange(n) % 2
    failure = rng.exponential(60, (trials, n)) / np.where(arm == 1, hazard_ratio, 1.0)
    end = rng.uniform(12, 36, (trials, n))
    fits = batch_trials(np.minimum(failure, end), failure <= end, arm).cox()
    missed = np.abs(fits.coef - np.log(hazard_ratio)) > 1.959964 * fits.std_error
    assert_rate(missed.sum(), trials, slack=0.004)


@pytest.mark.slow
def test_kaplan_meier_limits_cover():
    """Log-log limits at 24 months in arms of 114, true survival exp(-24/60)."""
    rng = np.random.default_rng(3)
    missed = total = 0
    for _ in range(4000):
        time, event = null_trials(rng, 1, 114, ties=False)
        row = kaplan_meier(time[0], event[0]).at([24.0]).row(0, named=True)
        total += 1
        missed += not row["conf_low"] <= np.exp(-24 / 60) <= row["conf_high"]
    assert_rate(missed, total, slack=0.006)


@pytest.mark.slow
def test_restricted_mean_difference_rejects_at_its_level():
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(4000):
        time, event = null_trials(rng, 1, 228, ties=False)
        found = rmst(time[0], event[0], np.arange(228) % 2, tau=30.0)
        rejected += found.difference()["p_value"][0] < LEVEL
    assert_rate(rejected, 4000, slack=0.006)


@pytest.mark.slow
def test_exact_limits_of_a_rate_cover_at_least_so_often():
    rng = np.random.default_rng(5)
    for mean in (0.5, 3.0, 12.0):
        events = rng.poisson(mean, 50_000)
        found = incidence_rate(events, 1.0, per=1)
        covered = ((found.conf_low <= mean) & (mean <= found.conf_high)).mean()
        assert covered >= 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 50_000)


@pytest.mark.slow
def test_gray_and_fine_gray_reject_at_their_level():
    rng = np.random.default_rng(6)
    n, trials = 150, 2000
    arm = np.arange(n) % 2
    by_gray = by_model = 0
    for _ in range(trials):
        flare, death, end = rng.exponential(50, n), rng.exponential(80, n), rng.uniform(12, 60, n)
        time = np.minimum(np.minimum(flare, death), end)
        cause = np.where(time == end, 0, np.where(time == flare, 1, 2))
        by_gray += gray(time, cause, arm).p_value[0] < LEVEL
        by_model += fine_gray(time, cause, arm.astype(float)).p_value[0] < LEVEL
    assert_rate(by_gray, trials, slack=0.008)
    assert_rate(by_model, trials, slack=0.01)


@pytest.mark.slow
def test_cox_with_frailty_where_centers_differ():
    """20 centers with gamma frailty 0.3: the arm's limits cover; without centers it would be diluted."""
    rng = np.random.default_rng(7)
    missed = total = 0
    variances = []
    for _ in range(1000):
        center = rng.integers(0, 20, 300)
        arm = rng.integers(0, 2, 300)
        hazard = rng.gamma(1 / 0.3, 0.3, 20)[center] * np.exp(-0.5 * arm) / 40
        failure, end = rng.exponential(1 / hazard), rng.uniform(12, 60, 300)
        data = {"t": np.minimum(failure, end), "e": failure <= end, "arm": arm, "center": center}
        try:
            fit = cox("Surv(t, e) ~ arm + frailty(center)", data)
        except FlarefreeError:
            continue
        total += 1
        missed += abs(fit.coef[0] + 0.5) > 1.959964 * fit.std_error[0]
        variances.append(fit.frailty.variance)
    assert total >= 995
    assert_rate(missed, total, slack=0.01)
    assert abs(np.mean(variances) - 0.3) < 0.04  # maximum likelihood is a little low


@pytest.mark.slow
def test_the_test_of_a_frailty_variance_of_zero_rejects_at_its_level():
    rng = np.random.default_rng(8)
    rejected = 0
    trials = 1000
    for _ in range(trials):
        time, event = null_trials(rng, 1, 300, ties=False, months=60)
        data = {"t": time[0], "e": event[0], "center": rng.integers(0, 20, 300), "arm": np.arange(300) % 2}
        rejected += cox("Surv(t, e) ~ arm + frailty(center)", data).frailty.test.p_value < LEVEL
    assert_rate(rejected, trials, slack=0.015)


@pytest.mark.slow
def test_firth_limits_with_six_events():
    """Profile limits of the penalized likelihood cover where Wald's of the plain one often do not exist."""
    rng = np.random.default_rng(9)
    missed = total = 0
    for _ in range(1500):
        arm = np.arange(40) % 2
        failure, end = rng.exponential(200 / np.exp(0.8 * arm)), np.full(40, 20.0)
        event = failure <= end
        if event.sum() < 2:
            continue
        fit = fit_cox(np.minimum(failure, end), event, arm.astype(float), firth=True)
        low, high = fit.profile_limits().select("conf_low", "conf_high").row(0)
        total += 1
        missed += not low <= 0.8 <= high
    assert_rate(missed, total, slack=0.02)


@pytest.mark.slow
def test_robust_errors_of_recurrent_events():
    """Flares that come in bunches in some patients: the mean function's limits cover, the naive would not."""
    rng = np.random.default_rng(10)
    missed = 0
    trials = 1500
    for _ in range(trials):
        rate = rng.gamma(1.0, 1.0, 100) * 0.05
        rows = []
        for i in range(100):
            t = np.cumsum(rng.exponential(1 / rate[i], 40))
            times = [0.0, *t[t < 36.0].tolist(), 36.0]
            rows += [(i, a, b, b < 36.0) for a, b in pairwise(times)]
        subject, start, stop, event = (np.array(column) for column in zip(*rows))
        found = mean_cumulative_function(stop, event, subject, start=start).at([30.0]).row(0, named=True)
        missed += abs(found["estimate"] - 30 * 0.05) > 1.959964 * found["std_error"]
    assert_rate(missed, trials, slack=0.02)


@pytest.mark.slow
def test_win_ratio_rejects_at_its_level():
    rng = np.random.default_rng(11)
    rejected = 0
    trials = 3000
    for _ in range(trials):
        time, event = null_trials(rng, 2, 120, ties=True)
        outcomes = [TimeToEvent(time[0], event[0]), TimeToEvent(time[1], event[1])]
        rejected += win_ratio(np.arange(120) % 2, outcomes).tidy()["p_value"][0] < LEVEL
    assert_rate(rejected, trials, slack=0.008)
