"""Generalized mixed models of counts: trials' effects normal on the log scale, counts as they are.

`CM.EL` and `CM.AL` are conditional on each trial's events, `UM.FS` has a fixed level for each trial,
`UM.RS` a random one.  Integrals over what is random are adaptive Gauss-Hermite with enough points to be
exact for practical purposes; maxima are found by Newton's steps on exact derivatives.  Formulas:
docs/methods/pairwise.md, section 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError, EvidenceError
from flarefree.evidence.pooling.inverse_variance import Fit
from flarefree.evidence.pooling.measures import Tables
from flarefree.evidence.pooling.question import Question
from flarefree.evidence.pooling.trial_likelihoods import (
    Likelihood,
    Slopes,
    approximate_conditional,
    exact_conditional,
    two_binomials,
    two_poissons,
)

__all__ = ["fit_mixed_counts"]

Floats = NDArray[np.float64]

POINTS = 41  # of Gauss-Hermite quadrature in one dimension
POINTS_2D = 17  # in each of two
MOST_STEPS = 200
CLOSE = 1e-10
HALF_NEAR_ZERO = 1e-5  # a spread below this is none


@dataclass(frozen=True, slots=True)
class Model:
    """Which parameters there are: theta and tau always; levels none, one a trial, or mean and spread."""

    likelihood: Likelihood
    k: int
    levels: str  # "none", "fixed", "random"

    @property
    def size(self) -> int:
        return {"none": 2, "fixed": 2 + self.k, "random": 4}[self.levels]


def fit_mixed_counts(tables: Tables, question: Question) -> Fit:
    """The pooled log ratio and tau2 by maximum likelihood.

    `Fit.q` is the likelihood-ratio statistic of trials that agree against trials that do not; NaN with a
    random level, beside which the latter has no plain form.
    Trials where nobody, or everybody, had the event say nothing of a ratio and are left out.
    """
    size = len(tables.events)
    tables = _informative(tables, question)
    model = _model(tables, question)
    start = _start(tables, question, model)
    common = _climb(model, start, spread=False)
    best = _best_of_spreads(model, common)
    value, _, hessian = _derivatives(model, best)
    tau = abs(float(best[1]))
    theta_variance, tau_error = _errors(model, best, hessian)
    q = _agreement_statistic(model, common, tables, question)
    k = len(tables.n)
    return Fit(
        np.array([float(best[0])]),
        np.array([[theta_variance]]),
        math.inf,
        tau * tau,
        np.full(size, math.nan),
        q,
        k - 1,
        loglik=value,
        tau2_std_error=2.0 * tau * tau_error,
        n_trials=k,
    )


def _informative(tables: Tables, question: Question) -> Tables:
    useless = tables.without_events
    if question.measure.key == "OR":
        useless = useless | tables.all_events
    kept = tables.take(~useless)
    if not len(kept.events):
        raise EvidenceError(
            f"no trial tells anything of the {question.measure.label}",
            where="method",
            found="nobody, or everybody, had the event in each trial",
            expected="a trial with both",
        )
    if (kept.events[:, 0] == 0).all() or (kept.events[:, 1] == 0).all():
        raise EvidenceError(
            "the pooled ratio is not finite",
            where="method",
            found="no event in one of the treatments in any trial",
            expected="events in both, over all trials together",
            try_='method="EXACT", whose other limit exists, or measure="RD"',
        )
    return kept


def _model(tables: Tables, question: Question) -> Model:
    is_rate, k = question.measure.key == "IRR", len(tables.events)
    size = tables.person_time if is_rate else tables.n
    match question.method:
        case "CM.EL" if not is_rate:
            return Model(exact_conditional(tables), k, "none")
        case "CM.EL" | "CM.AL":
            offset = np.log(size[:, 0]) - np.log(size[:, 1])
            return Model(approximate_conditional(tables.events, offset), k, "none")
        case "UM.FS":
            return Model(two_poissons(tables) if is_rate else two_binomials(tables), k, "fixed")
        case _:
            return Model(two_poissons(tables) if is_rate else two_binomials(tables), k, "random")


def _start(tables: Tables, question: Question, model: Model) -> Floats:
    is_rate = question.measure.key == "IRR"
    events = tables.events + 0.5
    level = np.log(events / (tables.person_time if is_rate else tables.n - tables.events + 0.5))
    weight = 1.0 / (1.0 / events).sum(axis=1)
    theta = float(weight @ (level[:, 0] - level[:, 1]) / weight.sum())
    middle = level.mean(axis=1)
    match model.levels:
        case "none":
            return np.array([theta, 0.0])
        case "fixed":
            return np.array([theta, 0.0, *middle])
        case _:
            return np.array([theta, 0.0, float(middle.mean()), max(float(middle.std()), 0.1)])


def _best_of_spreads(model: Model, common: Floats) -> Floats:
    """The highest maximum met from several spreads, no spread among them."""
    found = [common]
    for tau in (0.2, 0.7, 2.0):
        start = common.copy()
        start[1] = tau
        found.append(_climb(model, start, spread=True))
    values = [_derivatives(model, place)[0] for place in found]
    best = found[int(np.argmax(values))]
    # No spread, unless some spread is truly better than none.
    return common if max(values) - values[0] < 1e-9 or abs(best[1]) < HALF_NEAR_ZERO else best


def _errors(model: Model, place: Floats, hessian: Floats) -> tuple[float, float]:
    free = np.ones(model.size, bool)
    if place[1] == 0.0:
        free[1] = False  # at the edge tau tells nothing of theta: the cross derivative is 0
    if model.levels == "random" and abs(place[3]) < HALF_NEAR_ZERO:
        free[3] = False
    covariance = np.linalg.inv(-hessian[np.ix_(free, free)])
    return float(covariance[0, 0]), math.sqrt(max(float(covariance[1, 1]), 0.0)) if free[1] else math.nan


# Maxima ---------------------------------------------------------------------------------------------------


def _climb(model: Model, start: Floats, *, spread: bool) -> Floats:
    """Newton's steps, damped until each raises the likelihood; without `spread` tau stays 0."""
    place, free = start.copy(), np.ones(model.size, bool)
    free[1] = spread
    if not spread:
        place[1] = 0.0
    value, gradient, hessian = _derivatives(model, place)
    damping = 0.0
    for _ in range(MOST_STEPS):
        step = _step(gradient[free], hessian[np.ix_(free, free)], damping)
        after = place.copy()
        after[free] += np.clip(step, -2.0, 2.0)
        new_value, new_gradient, new_hessian = _derivatives(model, after)
        if not new_value >= value - 1e-9 * (1.0 + abs(value)):
            damping = max(4.0 * damping, 1e-3)
            if damping > 1e12:
                break
            continue
        settled = float(np.abs(after - place).max()) < CLOSE * (1.0 + float(np.abs(place).max()))
        place, value, gradient, hessian = after, new_value, new_gradient, new_hessian
        damping = 0.0 if damping < 1e-3 else damping / 8.0
        if settled:
            return place
    if float(np.abs(gradient[free]).max()) < 1e-6:
        return place
    raise ConvergenceError(
        "the likelihood's maximum was not reached",
        where="method",
        found=f"slope {float(np.abs(gradient[free]).max()):.2g} after {MOST_STEPS} steps",
        try_='another method, such as "MH" or "CM.EL"',
    )


def _step(gradient: Floats, hessian: Floats, damping: float) -> Floats:
    """Newton's step, in directions of negative curvature turned uphill."""
    values, vectors = np.linalg.eigh(-hessian)
    scale = np.maximum(np.abs(values), 1e-8 * max(1.0, float(np.abs(values).max()))) + damping
    step: Floats = vectors @ ((vectors.T @ gradient) / scale)
    return step


def _agreement_statistic(model: Model, common: Floats, tables: Tables, question: Question) -> float:
    if model.levels == "random":
        return math.nan
    return max(0.0, 2.0 * (_saturated(model, tables, question) - _derivatives(model, common)[0]))


def _saturated(model: Model, tables: Tables, question: Question) -> float:
    """The likelihood when every trial has an effect (and level) of its own."""
    one = tables.events[:, 0]
    if model.levels != "none":
        return _saturated_arms(model, tables, question)
    total = tables.events.sum(axis=1)
    if question.method == "CM.EL" and question.measure.key == "OR":
        low, high = np.maximum(0.0, total - tables.n[:, 1]), np.minimum(total, tables.n[:, 0])
    else:
        low, high = np.zeros_like(total), total
    inside = (one > low) & (one < high)  # at an end of the range the best likelihood is 1
    x = np.zeros((len(one), 1))
    for _ in range(MOST_STEPS):
        slopes = model.likelihood(x, x)
        step = np.clip(-slopes.x / np.where(slopes.xx < -1e-12, slopes.xx, -1e-12), -1.0, 1.0)
        x = x + np.where(inside[:, None], step, 0.0)
        if float(np.abs(step[inside]).max(initial=0.0)) < 1e-12:
            break
    return float(model.likelihood(x, x).value[inside].sum())


def _saturated_arms(model: Model, tables: Tables, question: Question) -> float:
    from scipy.special import gammaln, xlogy

    e = tables.events
    if question.measure.key == "IRR":
        return float((xlogy(e, e) - e - gammaln(e + 1)).sum())
    n = tables.n
    constant = gammaln(n + 1) - gammaln(e + 1) - gammaln(n - e + 1)
    return float((constant + xlogy(e, e / n) + xlogy(n - e, 1.0 - e / n)).sum())


# Integrals ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """Places of what is random, their log weights beside the normal density, (k, J)."""

    z: Floats
    b: Floats
    log_weight: Floats


def _derivatives(model: Model, place: Floats) -> tuple[float, Floats, Floats]:
    """The log likelihood, its gradient and its Hessian in (theta, tau, levels)."""
    theta, tau = float(place[0]), float(place[1])
    if model.levels == "fixed":
        level, sigma = place[2:][:, None], 0.0
    elif model.levels == "random":
        level, sigma = np.full((model.k, 1), place[2]), float(place[3])
    else:
        level, sigma = np.zeros((model.k, 1)), 0.0
    nodes = _nodes(model, theta, tau, level, sigma)
    s = model.likelihood(theta + tau * nodes.z, level + sigma * nodes.b)
    log_term = s.value + nodes.log_weight
    top = log_term.max(axis=1, keepdims=True)
    weight = np.exp(log_term - top)
    total = weight.sum(axis=1, keepdims=True)
    value = float((top + np.log(total)).sum())
    posterior = weight / total
    first, second = _scores(model, s, nodes)
    return value, *_assemble(model, posterior, first, second)


def _scores(model: Model, s: Slopes, nodes: _Nodes) -> tuple[list[Floats], list[list[Floats]]]:
    """By parameter, of one trial: first and second derivatives of its log likelihood at each node."""
    z, b = nodes.z, nodes.b
    first, factors, kinds = [s.x, z * s.x], [np.ones_like(z), z], ["x", "x"]
    if model.levels == "fixed":
        first, factors, kinds = [*first, s.a], [*factors, np.ones_like(z)], [*kinds, "a"]
    elif model.levels == "random":
        first, factors = [*first, s.a, b * s.a], [*factors, np.ones_like(z), b]
        kinds += ["a", "a"]
    by_kind = {("x", "x"): s.xx, ("a", "a"): s.aa, ("a", "x"): s.ax, ("x", "a"): s.ax}
    second = [
        [by_kind[kinds[i], kinds[j]] * factors[i] * factors[j] for j in range(len(first))]
        for i in range(len(first))
    ]
    return first, second


def _assemble(
    model: Model, posterior: Floats, first: list[Floats], second: list[list[Floats]]
) -> tuple[Floats, Floats]:
    """Sums over trials of moments over nodes; a fixed level is a parameter of one trial alone."""
    m = len(first)
    means = [(posterior * f).sum(axis=1) for f in first]
    gradient, hessian = np.zeros(model.size), np.zeros((model.size, model.size))
    own = model.levels == "fixed"
    for i in range(m):
        if own and i == 2:
            gradient[2:] = means[2]
        else:
            gradient[i] = means[i].sum()
        for j in range(i, m):
            moment = (posterior * (second[i][j] + first[i] * first[j])).sum(axis=1) - means[i] * means[j]
            if own and i == 2:
                hessian[np.arange(2, model.size), np.arange(2, model.size)] = moment
            elif own and j == 2:
                hessian[i, 2:] = hessian[2:, i] = moment
            else:
                hessian[i, j] = hessian[j, i] = moment.sum()
    return gradient, hessian


def _nodes(model: Model, theta: float, tau: float, level: Floats, sigma: float) -> _Nodes:
    k = model.k
    if tau == 0.0 and sigma == 0.0:
        nothing = np.zeros((k, 1))
        return _Nodes(nothing, nothing, nothing)
    if sigma == 0.0:
        return _nodes_1d(model, theta, tau, level)
    return _nodes_2d(model, theta, tau, level, sigma)


def _nodes_1d(model: Model, theta: float, tau: float, level: Floats) -> _Nodes:
    """Gauss-Hermite points about each trial's own mode, as wide as its curvature there [liu1994]."""
    z = np.zeros((model.k, 1))
    for _ in range(60):
        s = model.likelihood(theta + tau * z, level)
        step = np.clip((tau * s.x - z) / (1.0 - tau * tau * s.xx), -1.5, 1.5)
        z = z + step
        if float(np.abs(step).max()) < 1e-9:
            break
    width = 1.0 / np.sqrt(1.0 - tau * tau * model.likelihood(theta + tau * z, level).xx)
    points, log_w = _hermite(POINTS)
    places = z + math.sqrt(2.0) * width * points
    log_weight = log_w + points**2 - 0.5 * places**2 + np.log(width) - 0.5 * math.log(math.pi)
    return _Nodes(places, np.zeros_like(places), log_weight)


def _nodes_2d(model: Model, theta: float, tau: float, level: Floats, sigma: float) -> _Nodes:
    """The same in the plane of effect and level: points turned and stretched by the Hessian at the mode."""
    k = model.k
    u = np.zeros((k, 2))  # z, b
    scale = np.array([tau, sigma])

    def at(u: Floats) -> tuple[Floats, Floats]:
        s = model.likelihood(theta + tau * u[:, :1], level + sigma * u[:, 1:])
        gradient = np.column_stack([s.x[:, 0], s.a[:, 0]]) * scale - u
        curvature = np.empty((k, 2, 2))
        curvature[:, 0, 0], curvature[:, 1, 1] = s.xx[:, 0], s.aa[:, 0]
        curvature[:, 0, 1] = curvature[:, 1, 0] = s.ax[:, 0]
        return gradient, np.eye(2) - curvature * np.outer(scale, scale)

    for _ in range(60):
        gradient, precision = at(u)
        step = np.clip(np.linalg.solve(precision, gradient[:, :, None])[:, :, 0], -1.5, 1.5)
        u = u + step
        if float(np.abs(step).max()) < 1e-9:
            break
    root = np.linalg.cholesky(np.linalg.inv(at(u)[1]))
    points, log_w = _hermite(POINTS_2D)
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2)
    log_grid = (log_w[:, None] + log_w[None, :]).ravel() + (grid**2).sum(axis=1)
    places = u[:, None, :] + math.sqrt(2.0) * grid @ np.swapaxes(root, 1, 2)
    spread = np.log(root[:, 0, 0] * root[:, 1, 1])[:, None]
    log_weight = log_grid - 0.5 * (places**2).sum(axis=2) + spread - math.log(math.pi)
    return _Nodes(places[:, :, 0], places[:, :, 1], log_weight)


def _hermite(points: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.hermite.hermgauss(points)
    return x, np.log(w)
