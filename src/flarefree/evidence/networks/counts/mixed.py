"""Binomial and Poisson models of networks: a baseline for each study, treatments' effects, random or not.

logit p_ik (or log rate) = a_i + d_treatment + u_ik.  The u of a study's m arms are a sum of m - 1 orthonormal
contrasts, each normal with variance tau2 / 2: differences between arms then have variance tau2 and share
half of it, and baselines stay fixed (with two arms, metafor's UM.FS).  Integrals by adaptive Gauss-Hermite
quadrature; score and information by Louis' identities; Newton's steps with the baselines eliminated
[methods/network, eqs 12 to 14].  Begin reading at `fit_mixed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError
from flarefree.evidence.networks.counts.arms import CountStudy
from flarefree.evidence.networks.rows import helmert

__all__ = ["MixedFit", "fit_mixed"]

Floats = NDArray[np.float64]
MOST_STEPS = 200
SETTLED = 1e-10
LARGEST_EFFECT = 30.0
AS_ZERO = 1e-5  # a standard deviation this small is a variance of zero


@dataclass(frozen=True, slots=True, eq=False)
class MixedFit:
    """Coefficients (without the reference), covariance, tau2 and the log likelihood."""

    coefficient: Floats
    covariance: Floats
    tau2: float
    log_likelihood: float
    n_parameters: int


@dataclass(slots=True, eq=False)
class _Group:
    """Studies with the same number of arms m, as arrays over (study, arm)."""

    at: NDArray[np.int64]
    y: Floats
    size: Floats
    x: Floats  # (study, arm, coefficient)
    contrast: Floats  # (m - 1, m)
    mode: Floats  # (study, m - 1), kept from step to step


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Log likelihood, score and information at one point; baselines apart from the rest."""

    value: float
    score_a: Floats
    score: Floats
    info_a: Floats
    cross: Floats
    info: Floats


def fit_mixed(
    studies: Sequence[CountStudy],
    n_treatments: int,
    others: Sequence[int],
    *,
    is_rate: bool,
    is_random: bool,
    points: int,
) -> MixedFit:
    """Maximum likelihood; `others` are the treatments besides the reference.

    Raises
    ------
    ConvergenceError
        An effect is infinite: a treatment without events, or with nothing else.
    """
    groups = _groups(studies, n_treatments, others)
    a = _baselines(studies, is_rate)
    a, d, state = _newton(groups, a, np.zeros(len(others)), None, is_rate, 1)
    common = MixedFit(d, _covariance(state), 0.0, state.value, len(a) + len(d))
    if not is_random:
        return common
    best = common
    for start in (0.2, 0.7):
        a_r, both, state = _newton(groups, a.copy(), d.copy(), start, is_rate, points)
        s = abs(float(both[-1]))
        if s > AS_ZERO and state.value > best.log_likelihood + 1e-9:
            covariance = _covariance(state)[:-1, :-1]
            best = MixedFit(both[:-1], covariance, 2 * s * s, state.value, len(a_r) + len(both))
    return best


def _groups(studies: Sequence[CountStudy], n_treatments: int, others: Sequence[int]) -> list[_Group]:
    sizes = np.array([len(study.arms) for study in studies])
    columns = np.eye(n_treatments)[:, list(others)]
    groups = []
    for m in np.unique(sizes):
        at = np.flatnonzero(sizes == m)
        members = [studies[s] for s in at.tolist()]
        groups.append(
            _Group(
                at,
                np.array([study.events for study in members]),
                np.array([study.size for study in members]),
                np.array([columns[study.arms] for study in members]),
                helmert(int(m)),
                np.zeros((len(at), int(m) - 1)),
            )
        )
    return groups


def _baselines(studies: Sequence[CountStudy], is_rate: bool) -> Floats:
    rate = np.array([(s.events.sum() + 0.5) / (s.size.sum() + (0 if is_rate else 1)) for s in studies])
    return np.log(rate) if is_rate else np.log(rate / (1 - rate))


def _newton(
    groups: list[_Group], a: Floats, d: Floats, s: float | None, is_rate: bool, points: int
) -> tuple[Floats, Floats, _State]:
    """Newton's steps from (a, d) and, with random effects, their scale `s` = tau / sqrt(2), appended to d."""
    rest = d if s is None else np.append(d, s)
    n_effects = len(d)
    state = _evaluate(groups, a, rest, n_effects, is_rate, points)
    for _ in range(MOST_STEPS):
        step_a, step = _step(state)
        for _ in range(40):
            new = _evaluate(groups, a + step_a, rest + step, n_effects, is_rate, points)
            if new.value >= state.value - 1e-10 * (1 + abs(state.value)):
                break
            step_a, step = step_a / 2, step / 2
        a, rest, state = a + step_a, rest + step, new
        if np.abs(rest[:n_effects]).max() > LARGEST_EFFECT or np.abs(a).max() > 2 * LARGEST_EFFECT:
            break
        if max(np.abs(step_a).max(), np.abs(step).max()) < SETTLED:
            return a, rest, state
        if len(rest) > n_effects and abs(rest[-1]) < AS_ZERO:
            return a, rest, state  # on its way to no heterogeneity
    raise ConvergenceError(
        "the likelihood of the counts has no finite maximum",
        where="network: method GLMM",
        found=f"an effect of {np.abs(rest[:n_effects]).max():.3g} and rising",
        expected="every treatment with events, and with patients who had none, in studies that say so",
        try_="leave the treatment without events out, or method='DL' with its continuity correction",
    )


def _step(state: _State) -> tuple[Floats, Floats]:
    """Solve for the step with the baselines eliminated; uphill even where the likelihood is not concave."""
    info_a = np.where(state.info_a > 0, state.info_a, 1.0)
    schur = state.info - (state.cross.T / info_a) @ state.cross
    wanted = state.score - state.cross.T @ (state.score_a / info_a)
    values, vectors = np.linalg.eigh(schur)
    least = 1e-8 * max(float(np.abs(values).max()), 1e-12)
    step = vectors @ ((vectors.T @ wanted) / np.maximum(np.abs(values), least))
    step = np.clip(step, -2.0, 2.0)
    return np.clip((state.score_a - state.cross @ step) / info_a, -3.0, 3.0), step


def _covariance(state: _State) -> Floats:
    return np.asarray(np.linalg.inv(state.info - (state.cross.T / state.info_a) @ state.cross))


# Likelihood ----------------------------------------------------------------------------------------


def _evaluate(
    groups: list[_Group], a: Floats, rest: Floats, n_effects: int, is_rate: bool, points: int
) -> _State:
    p = len(rest)
    value = 0.0
    score_a, info_a, cross = np.zeros(len(a)), np.zeros(len(a)), np.zeros((len(a), p))
    score, info = np.zeros(p), np.zeros((p, p))
    for group in groups:
        fixed = a[group.at][:, None] + group.x @ rest[:n_effects]
        if p == n_effects:
            w, log_weight = np.zeros((len(group.at), 1, len(group.contrast))), np.zeros((len(group.at), 1))
            s = 0.0
        else:
            s = float(rest[-1])
            w, log_weight = _nodes(group, fixed, s, is_rate, points)
        spread = w @ group.contrast  # (study, node, arm)
        eta = fixed[:, None, :] + s * spread
        log_f, mean, variance = _family(group, eta, is_rate)
        log_joint = log_f + log_weight
        top = log_joint.max(axis=1, keepdims=True)
        share = np.exp(log_joint - top)
        total = share.sum(axis=1, keepdims=True)
        value += float((np.log(total) + top).sum())
        share /= total
        left = group.y[:, None, :] - mean
        # the complete-data score: baseline first, then effects, then the scale of the random effects
        parts = [left.sum(axis=2)[:, :, None], left @ group.x]
        jacobian = [np.ones((*left.shape, 1)), np.broadcast_to(group.x[:, None], (*left.shape, n_effects))]
        if p > n_effects:
            parts.append((left * spread).sum(axis=2)[:, :, None])
            jacobian.append(spread[..., None])
        complete = np.concatenate(parts, axis=2)
        J = np.concatenate(jacobian, axis=3)
        g = np.einsum("sq,sqp->sp", share, complete)
        weighted = np.einsum("sq,sqk->sqk", share, variance)
        curvature = np.einsum("sqkp,sqk,sqkr->spr", J, weighted, J, optimize=True)
        scatter = np.einsum("sq,sqp,sqr->spr", share, complete, complete, optimize=True)
        H = curvature - scatter + g[:, :, None] * g[:, None, :]
        score_a[group.at], info_a[group.at], cross[group.at] = g[:, 0], H[:, 0, 0], H[:, 0, 1:]
        score += g[:, 1:].sum(axis=0)
        info += H[:, 1:, 1:].sum(axis=0)
    return _State(value, score_a, score, info_a, cross, info)


def _family(group: _Group, eta: Floats, is_rate: bool) -> tuple[Floats, Floats, Floats]:
    """Log probability summed over arms, mean and variance of the arms' events; axes (study, node, arm)."""
    from scipy.special import expit, gammaln, log_expit

    y, size = group.y[:, None, :], group.size[:, None, :]
    if is_rate:
        mean = size * np.exp(np.minimum(eta, 700.0))
        log_f = y * (eta + np.log(size)) - mean - gammaln(y + 1)
        return log_f.sum(axis=2), mean, mean
    p = expit(eta)
    choose = gammaln(size + 1) - gammaln(y + 1) - gammaln(size - y + 1)
    log_f = choose + y * log_expit(eta) + (size - y) * log_expit(-eta)
    return log_f.sum(axis=2), size * p, size * p * (1 - p)


def _nodes(group: _Group, fixed: Floats, s: float, is_rate: bool, points: int) -> tuple[Floats, Floats]:
    """Quadrature nodes around each study's mode, and the log of their weights times the prior density."""
    k = len(group.contrast)
    precision = _find_modes(group, fixed, s, is_rate)
    root = np.linalg.inv(np.linalg.cholesky(precision))  # its transpose is a root of the inverse
    t, weight = np.polynomial.hermite.hermgauss(points)
    grid = np.stack([g.ravel() for g in np.meshgrid(*[t] * k, indexing="ij")], axis=1)
    log_grid = sum(g.ravel() for g in np.meshgrid(*[np.log(weight)] * k, indexing="ij")) + (grid**2).sum(
        axis=1
    )
    w = group.mode[:, None, :] + math.sqrt(2) * grid[None] @ root
    log_det = np.log(np.abs(np.einsum("skk->sk", root))).sum(axis=1)
    # normal density's constant and the change of variables: (2 pi)^(-k/2) 2^(k/2)
    log_weight = log_grid[None] + log_det[:, None] - 0.5 * (w**2).sum(axis=2) - 0.5 * k * math.log(math.pi)
    return w, log_weight


def _find_modes(group: _Group, fixed: Floats, s: float, is_rate: bool) -> Floats:
    """Newton for the most likely random effects of each study; gives minus the second derivative there."""
    eye = np.eye(len(group.contrast))

    def joint(w: Floats) -> tuple[Floats, Floats, Floats]:
        eta = fixed + s * (w @ group.contrast)
        log_f, mean, variance = _family(group, eta[:, None, :], is_rate)
        gradient = s * ((group.y - mean[:, 0]) @ group.contrast.T) - w
        precision = eye + s * s * np.einsum("ik,sk,jk->sij", group.contrast, variance[:, 0], group.contrast)
        return log_f[:, 0] - 0.5 * (w**2).sum(axis=1), gradient, precision

    value, gradient, precision = joint(group.mode)
    for _ in range(100):
        step = np.linalg.solve(precision, gradient[:, :, None])[:, :, 0]
        if np.abs(step).max() < 1e-9:
            break
        for _ in range(30):
            new = joint(group.mode + step)
            worse = new[0] < value - 1e-12 * (1 + np.abs(value))
            if not worse.any():
                break
            step[worse] /= 2
        group.mode = group.mode + step
        value, gradient, precision = new
    return precision
