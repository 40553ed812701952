"""Shared frailty: a random effect a center (or a family, a patient) in Cox's model.

Decides the likelihood that the frailty variance maximizes, where it is searched, its limits and its
test; the inner Newton steps for a given variance are in `_frailty_inner`.
Formulas: docs/methods/survival_frailty.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._cox_data import CoxRows
from flarefree.stats.survival._cox_steps import martingale_residuals
from flarefree.stats.survival._frailty_inner import Inner, Penalized, solve_inner
from flarefree.stats.survival._frailty_kernels import log_determinant
from flarefree.stats.survival._inputs import Coded
from flarefree.stats.survival._numbers import chi_square_p
from flarefree.stats.survival._search import find_maximum, find_root, find_sign_change
from flarefree.stats.survival.cox_fit import ChiSquareTest, CoxFit, chi_square
from flarefree.stats.survival.frailty_term import FrailtyTerm

__all__ = ["fit_frailty"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

SPELLINGS = {
    "gamma": ("gamma", "em"),
    "lognormal": ("lognormal", "laplace"),
    "log-normal": ("lognormal", "laplace"),
    # As R's coxph spells it, and with coxph's estimator:
    "gaussian": ("lognormal", "reml"),
    "gauss": ("lognormal", "reml"),
}
METHODS = {"gamma": ("em",), "lognormal": ("laplace", "reml")}
SMALLEST, LARGEST = 1e-6, 1e3  # of the variance; a hazard ratio of 1.001, and of 10^13, for one deviation


@dataclass(frozen=True, slots=True)
class _Request:
    distribution: str
    method: str
    variance: float | None
    dense: bool


def fit_frailty(
    rows: CoxRows,
    plain: CoxFit,
    group: Coded,
    *,
    name: str,
    distribution: str = "gamma",
    method: str | None = None,
    variance: float | None = None,
    sparse: bool | None = None,
    ties: str = "efron",
) -> CoxFit:
    """Add a shared frailty to a Cox model that was fitted without it.

    Parameters
    ----------
    rows, plain : CoxRows, CoxFit
        The rows and the fit without frailty.
    group : Coded
        Group of each given row.
    name : str
        What the groups are called.
    distribution : {"gamma", "lognormal", "gaussian"}
        `gaussian` is log-normal with coxph's estimator (REML); `lognormal` is with coxme's (Laplace).
    method : {"em", "laplace", "reml"}, optional
        The estimator of the variance, if not the usual one of `distribution`.
    variance : float, optional
        A variance that is not to be estimated.
    sparse : bool, optional
        Whether to ignore the information between groups, as R's coxph does with more than 5 groups.
    ties : {"efron", "breslow"}
        How tied event times are treated.
    """
    request = _require_request(distribution, method, variance, sparse, len(group.labels), ties)
    problem = Penalized(
        rows,
        group.codes[rows.order],
        len(group.labels),
        ties == "efron",
        request.distribution,
        needs_block=request.dense or request.method == "laplace",
    )
    profile = _Profile(problem, plain, request, ties)
    theta = profile.maximize() if request.variance is None else request.variance
    inner = profile.inner(theta)
    term = _term(name, group, profile, request, theta, inner, plain)
    return _with_frailty(plain, inner, term, problem.group)


class _Profile:
    """The integrated log likelihood as a function of the variance, with warm starts."""

    def __init__(self, problem: Penalized, plain: CoxFit, request: _Request, ties: str) -> None:
        self.problem = problem
        self.request = request
        self.at_zero = plain.loglik
        self.known: dict[float, Inner] = {}
        beta = plain.coef * problem.rows.scale
        residuals = martingale_residuals(problem.rows, beta, ties)
        excess = np.bincount(problem.group, weights=residuals, minlength=problem.n_groups)
        expected = problem.n_events - excess
        squares = float((excess**2).sum())
        self.slope_at_zero = 0.5 * (squares - float(problem.n_events.sum()))
        """Of the gamma likelihood by the variance (methods/survival_frailty, section 3)."""
        # Moments: a Poisson count with mean E and frailty variance theta has variance E + theta E^2.
        moment = (squares - float(expected.sum())) / float((expected**2).sum())
        self.first = min(max(moment, 0.05), 2.0)
        frailty = (problem.n_events + 1 / self.first) / (expected + 1 / self.first)
        self.start = np.concatenate((problem.recenter(np.log(frailty)), beta))

    def inner(self, theta: float) -> Inner:
        """The penalized fit at a variance."""
        if theta not in self.known:
            self.known[theta] = solve_inner(self.problem, theta, self._guess(theta))
        return self.known[theta]

    def _guess(self, theta: float) -> Floats:
        """The line through the two nearest known solutions, by log variance; or the nearest."""
        known = (
            sorted((t for t in self.known if t > 0), key=lambda t: abs(math.log(t / theta)))
            if theta > 0
            else []
        )
        if not known:
            return self.start
        first = self.known[known[0]].solution
        for other in known[1:]:
            distance = math.log(other / known[0])
            if 0.01 < abs(distance) < 1.5:
                share = math.log(theta / known[0]) / distance
                return first + min(max(share, -1.0), 2.0) * (self.known[other].solution - first)
        return first

    def loglik(self, theta: float) -> float:
        """Integrated log likelihood; at zero that of the model without frailty."""
        if theta <= 0:
            return self.at_zero
        return integrated_loglik(self.problem, theta, self.inner(theta))

    def slope(self, theta: float) -> float:
        """Its derivative by log(theta); for REML, how far the fixed point lies above theta."""
        if self.request.distribution == "gamma":
            return gamma_slope(self.problem.n_events, theta, self.inner(theta).effects)
        if self.request.method == "reml":
            return reml_residual(theta, self.inner(theta), self.problem.n_groups, self.request.dense)
        step = 1e-4
        return (self.loglik(theta * (1 + step)) - self.loglik(theta / (1 + step))) / (2 * math.log1p(step))

    def maximize(self) -> float:
        """The variance with the largest likelihood; zero where that is the boundary."""
        if self.request.method == "reml":
            return self._root_of_slope() or 0.0
        best = self._root_of_slope() if self.request.distribution == "gamma" else self._best_of_grid()
        return best if best is not None and self.loglik(best) > self.at_zero else 0.0

    def _root_of_slope(self) -> float | None:
        # Where the gamma likelihood falls at zero and at the first guess, it has its maximum at zero.
        rises = self.request.distribution != "gamma" or self.slope_at_zero > 0
        lowest = SMALLEST if rises else self.first
        bracket = find_sign_change(self.slope, self.first, lowest, LARGEST)
        if bracket is None:
            return None
        return math.exp(find_root(lambda u: self.slope(math.exp(u)), *bracket, tolerance=1e-7))

    def _best_of_grid(self) -> float | None:
        grid = [math.log(10.0) * k for k in (-4, -3, -2, -1, -0.5, 0, 0.5, 1)]
        best = find_maximum(lambda u: self.loglik(math.exp(u)), grid, math.log(SMALLEST))
        return None if best is None else math.exp(best)

    def limits(self, theta: float, level: float) -> tuple[float, float]:
        """Where twice the likelihood has fallen by the chi-square quantile."""
        if self.request.variance is not None or self.request.method == "reml":
            return math.nan, math.nan
        from flarefree.stats.survival._numbers import normal_quantile

        floor = self.loglik(theta) - normal_quantile(level) ** 2 / 2.0
        return self._lower(theta, floor), self._upper(theta, floor)

    def _lower(self, theta: float, floor: float) -> float:
        if theta <= 0 or self.at_zero >= floor:
            return 0.0
        return math.exp(
            find_root(lambda u: self.loglik(math.exp(u)) - floor, math.log(SMALLEST), math.log(theta))
        )

    def _upper(self, theta: float, floor: float) -> float:
        above = max(theta, 1e-3)
        while self.loglik(above) > floor:
            if above > LARGEST:
                return math.inf
            above *= 2.0
        below = max(theta, above / 2.0, SMALLEST) if theta > 0 else SMALLEST
        return math.exp(
            find_root(lambda u: self.loglik(math.exp(u)) - floor, math.log(below), math.log(above))
        )


def integrated_loglik(problem: Penalized, theta: float, inner: Inner) -> float:
    """The frailties integrated out: exactly (gamma, up to the ties) or by Laplace (log-normal)."""
    if problem.distribution == "gamma":
        nu = 1.0 / theta
        return inner.loglik + nu * float(inner.effects.sum()) + gamma_correction(problem.n_events, nu)
    # methods/survival_frailty, section 3: PL - b'b / (2 theta) - log det(theta H + I) / 2
    log_det = log_determinant(theta * inner.block + np.eye(problem.n_groups))
    return inner.loglik - float(inner.effects @ inner.effects) / (2 * theta) - float(log_det) / 2.0


def gamma_correction(d: Floats, nu: float) -> float:
    """What integration adds to the penalized likelihood (methods/survival_frailty, section 3)."""
    from scipy.special import gammaln

    # log(nu / (nu + d)) as log1p, and the ratio of gammas against (nu + d)^d: both vanish as nu grows
    first = d + nu * np.log1p(-d / (nu + d))
    return float((first + gammaln(nu + d) - gammaln(nu) - d * np.log(nu + d)).sum())


def gamma_slope(d: Floats, theta: float, effects: Floats) -> float:
    """Derivative of the integrated gamma likelihood by log(theta), the inner fit being at its maximum."""
    from scipy.special import digamma

    nu = 1.0 / theta
    by_nu = effects + np.log1p(-d / (nu + d)) + d / (nu + d) + digamma(nu + d) - digamma(nu) - d / (nu + d)
    return -nu * float(by_nu.sum())


def reml_residual(theta: float, inner: Inner, n_groups: int, dense: bool) -> float:
    """The fixed point (sum of b^2) / (J - trace / theta) less theta, over theta."""
    trace = float(inner.effect_variances(dense).sum())
    free = n_groups - trace / theta
    return float(inner.effects @ inner.effects) / free / theta - 1.0 if free > 0 else math.inf


def _require_request(
    distribution: str,
    method: str | None,
    variance: float | None,
    sparse: bool | None,
    n_groups: int,
    ties: str,
) -> _Request:
    if distribution not in SPELLINGS:
        raise StatsError(
            "no such frailty", where="distribution", found=repr(distribution), expected=", ".join(SPELLINGS)
        )
    if ties == "exact":
        raise StatsError("frailty needs Efron's or Breslow's ties", where="ties", found="exact")
    if n_groups < 2:
        raise StatsError(
            "one group only: its frailty cannot be told from the baseline hazard",
            where="frailty",
            found=f"{n_groups} group",
            expected="two or more groups",
        )
    if variance is not None and not 0 <= variance < math.inf:
        raise StatsError("not a variance", where="frailty", found=repr(variance), expected="zero or more")
    family, usual = SPELLINGS[distribution]
    chosen = method or usual
    if chosen not in METHODS[family]:
        raise StatsError(
            "no such estimator of the variance",
            where="method",
            found=repr(method),
            expected=", ".join(METHODS[family]),
        )
    coxph_like = family == "gamma" or chosen == "reml"
    dense = not sparse if sparse is not None else not (coxph_like and n_groups > 5)
    return _Request(family, chosen, variance, dense)


def _term(
    name: str, group: Coded, profile: _Profile, request: _Request, theta: float, inner: Inner, plain: CoxFit
) -> FrailtyTerm:
    loglik = profile.loglik(theta)
    gain = max(2.0 * (loglik - plain.loglik), 0.0)
    test = ChiSquareTest(gain, 1.0, chi_square_p(gain, 1) / 2.0 if theta > 0 else 1.0)
    if request.method == "reml":
        test = ChiSquareTest(math.nan, 1.0, math.nan)
    variances = inner.effect_variances(request.dense) if theta > 0 else np.zeros(len(group.labels))
    wald, df = inner.effect_test(request.dense) if theta > 0 else (0.0, 0.0)
    return FrailtyTerm(
        name=name,
        distribution=request.distribution,
        method="fixed" if request.variance is not None else request.method,
        variance=theta,
        loglik=loglik,
        loglik_without=plain.loglik,
        loglik_penalized=inner.penalized,
        test=test,
        groups=group.labels,
        n=np.bincount(group.codes, minlength=len(group.labels)),
        n_events=profile.problem.n_events,
        values=inner.effects,
        std_error=np.sqrt(variances),
        wald=wald,
        effective_df=df,
        is_dense=request.dense,
        level=plain.level,
        profile=profile,
    )


def _with_frailty(plain: CoxFit, inner: Inner, term: FrailtyTerm, group: Any) -> CoxFit:
    if term.variance == 0.0:
        note = "the frailty variance is zero: the model is the one without frailty"
        return replace(plain, frailty=term, warnings=(*plain.warnings, note))
    rows = _with_effects(plain.rows, inner.effects, group)
    scale = rows.scale
    covariance = inner.covariance(term.is_dense) / scale[:, None] / scale[None, :]
    coef = inner.coefficients / scale
    p = coef.size
    wald = chi_square(float(coef @ np.linalg.solve(covariance, coef)), p) if p else plain.wald
    return replace(
        plain,
        coef=coef,
        covariance=covariance,
        naive_covariance=covariance,
        loglik=term.loglik,
        likelihood_ratio=chi_square(2.0 * (term.loglik - plain.loglik_null), p + 1),
        wald=wald,
        robust_score=None,
        iterations=inner.iterations,
        frailty=term,
        rows=rows,
    )


def _with_effects(rows: CoxRows, effects: Floats, group: Any) -> CoxRows:
    """The rows with their log frailties in the offset: hazards and residuals are then given them."""
    own = effects[group]
    return replace(rows, offset=own if rows.offset is None else rows.offset + own)
