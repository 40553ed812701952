"""Frailty checked the long way: Laplace's approximation from its definition, and against quadrature."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import integrate, optimize

from flarefree.errors import FlarefreeError
from flarefree.stats.survival import cox


@pytest.fixture(scope="module")
def small() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    center = np.repeat(np.arange(4), 15)
    arm = rng.integers(0, 2, n)
    time = np.ceil(rng.exponential(np.exp(0.5 * arm - np.array([-0.8, 0.0, 0.3, 0.9])[center])) * 20)
    event = rng.random(n) < 0.7
    return pl.DataFrame({"time": time, "event": event, "arm": arm, "center": center})


def breslow_loglik(data: pl.DataFrame, eta: np.ndarray) -> float:
    """Breslow's log partial likelihood, patient by patient."""
    time, event = data["time"].to_numpy(), data["event"].to_numpy()
    return sum(eta[i] - math.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event))


def laplace(data: pl.DataFrame, theta: float) -> float:
    """The integrated likelihood from its definition: maximum, then the numerical Hessian of the effects."""
    arm, center = data["arm"].to_numpy(), data["center"].to_numpy()

    def penalized(v):
        return -(breslow_loglik(data, v[0] * arm + v[1:][center]) - v[1:] @ v[1:] / (2 * theta))

    best = optimize.minimize(penalized, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    step = 1e-4
    hessian = np.empty((4, 4))
    for a in range(4):
        for b in range(4):
            da, db = np.eye(5)[a + 1] * step, np.eye(5)[b + 1] * step
            hessian[a, b] = (
                penalized(best.x + da + db)
                - penalized(best.x + da - db)
                - penalized(best.x - da + db)
                + penalized(best.x - da - db)
            ) / (4 * step * step)
    return -best.fun - np.linalg.slogdet(hessian)[1] / 2 - 4 * math.log(theta) / 2


@pytest.mark.parametrize("theta", [0.05, 0.4, 2.0])
@pytest.mark.filterwarnings("ignore:.*precision loss")
def test_laplace_likelihood_from_its_definition(small, theta):
    found = cox(
        f"Surv(time, event) ~ arm + frailty(center, distribution = lognormal, theta = {theta})",
        small,
        ties="breslow",
    )
    assert found.frailty.loglik == pytest.approx(laplace(small, theta), abs=1e-5)


@pytest.mark.filterwarnings("ignore:.*precision loss")
def test_laplace_variance_is_where_that_likelihood_is_largest(small):
    found = cox("Surv(time, event) ~ arm + frailty(center, distribution = lognormal)", small, ties="breslow")
    assert found.frailty.variance > 0
    here = laplace(small, found.frailty.variance)
    assert here > laplace(small, found.frailty.variance * 1.05)
    assert here > laplace(small, found.frailty.variance / 1.05)


def test_gamma_likelihood_is_the_integral_over_the_frailties(small):
    """With the baseline hazard held at the fit's, each center's frailty is integrated by quadrature."""
    theta = 0.5
    found = cox(f"Surv(time, event) ~ arm + frailty(center, theta = {theta})", small, ties="breslow")
    without = cox("Surv(time, event) ~ arm + frailty(center, theta = 0)", small, ties="breslow")

    def marginal(fit, variance):
        arm, center = small["arm"].to_numpy(), small["center"].to_numpy()
        time, event = small["time"].to_numpy(), small["event"].to_numpy()
        base = fit.baseline_hazard()
        jump = np.diff(np.concatenate(([0.0], base["hazard"].to_numpy())))
        times = base["time"].to_numpy()
        total = 0.0
        for c in range(4):
            mine = center == c
            risk = np.exp(fit.coef[0] * arm[mine])
            expected = sum(r * jump[times <= t].sum() for r, t in zip(risk, time[mine]))
            d = int(event[mine].sum())
            own = sum(
                math.log(r * jump[times == t][0]) for r, t, e in zip(risk, time[mine], event[mine]) if e
            )
            if variance == 0:
                total += own - expected
                continue
            nu = 1 / variance
            log_gamma = nu * math.log(nu) - math.lgamma(nu)

            def integrand(w, d=d, expected=expected, nu=nu, log_gamma=log_gamma):
                return math.exp((d + nu - 1) * math.log(w) - w * (expected + nu) + log_gamma)

            value, _ = integrate.quad(integrand, 0, 60, limit=500, points=[0.5, 1, 2, 5])
            total += own + math.log(value)
        return total

    # Full likelihoods differ from partial ones by the same constant with and without frailty.
    difference = marginal(found, theta) - marginal(without, 0)
    assert found.frailty.loglik - without.loglik == pytest.approx(difference, abs=1e-6)


def test_profile_limits_are_where_twice_the_likelihood_fell_by_the_quantile(small):
    for distribution in ("gamma", "lognormal"):
        formula = f"Surv(time, event) ~ arm + frailty(center, distribution = {distribution}"
        found = cox(f"{formula})", small)
        for limit in (found.frailty.conf_low, found.frailty.conf_high):
            if limit == 0:
                continue
            there = cox(f"{formula}, theta = {limit!r})", small)
            assert 2 * (found.frailty.loglik - there.frailty.loglik) == pytest.approx(3.841459, abs=1e-5)


def test_the_frailties_average_to_one_and_the_repr_names_the_conventions(small):
    found = cox("Surv(time, event) ~ arm + frailty(center)", small)
    assert np.exp(found.frailty.values).mean() == pytest.approx(1.0, abs=1e-9)
    assert "gamma frailty by center (marginal likelihood" in repr(found)
    assert found.frailty.tidy().columns == ["group", "n", "n_event", "estimate", "std_error", "frailty"]
    assert found.glance()["frailty_variance"][0] == found.frailty.variance


@pytest.mark.parametrize(
    "term",
    [
        "frailty(center, distribution = weibull)",
        "frailty(center, method = reml)",
        "frailty(center, shape = 2)",
        "frailty(one)",
        "frailty(center, theta = -1)",
    ],
)
def test_frailties_that_do_not_exist_are_refused(small, term):
    data = small.with_columns(one=pl.lit(1))
    with pytest.raises(FlarefreeError):
        cox(f"Surv(time, event) ~ arm + {term}", data)


def test_the_slope_at_a_variance_of_zero(small):
    """The likelihood at a small variance, less that without frailty, over the variance."""
    found = cox("Surv(time, event) ~ arm + frailty(center)", small)
    tiny = cox("Surv(time, event) ~ arm + frailty(center, theta = 1e-4)", small)
    difference = (tiny.frailty.loglik - tiny.frailty.loglik_without) / 1e-4
    assert found.frailty.profile.slope_at_zero == pytest.approx(difference, rel=1e-2)


def test_centers_that_do_not_differ_have_a_variance_of_zero():
    """Each center has just the events that are expected of it."""
    rng = np.random.default_rng(1)
    time, center = rng.exponential(10, 400), np.arange(400) % 20
    order = np.argsort(time)
    center = center[np.argsort(order)]  # events come round robin
    data = pl.DataFrame(
        {"time": time, "event": np.ones(400), "arm": rng.integers(0, 2, 400), "center": center}
    )
    for distribution in ("gamma", "lognormal", "gaussian"):
        found = cox(f"Surv(time, event) ~ arm + frailty(center, distribution = {distribution})", data)
        assert found.frailty.variance == 0.0
        assert found.frailty.is_boundary
        assert "variance is zero" in found.warnings[-1]


@pytest.mark.parametrize("seed", [7, 119])
def test_two_events_of_one_arm_have_no_maximum_and_say_so(seed):
    """Forty patients in twelve centers, two events under one treatment: hazards run off to infinity."""
    rng = np.random.default_rng(seed)
    center, arm, x = rng.integers(0, 12, 40), np.repeat([0, 1], 20), rng.integers(0, 2, 40)
    protein, time = rng.lognormal(-1, 1, 40), rng.integers(100, 549, 40).astype(float)
    event = np.zeros(40, dtype=bool)
    event[rng.choice(20, 2, replace=False)] = True
    data = pl.DataFrame(
        {"time": time, "event": event, "arm": arm, "x": x, "protein": protein, "center": center}
    )
    with pytest.raises(FlarefreeError, match="still rises"):
        cox("Surv(time, event) ~ arm + x + protein + frailty(center)", data)
