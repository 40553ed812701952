"""The beta-binomial model of rare events: arms' risks vary about a mean by treatment [kuss2015].

Trials without events take part as they are.  The model compares arms over trials, not within them: trials of
unequal allocation and unequal risk pull on it, which the result's note says.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, expit, gammaln

from flarefree.errors import ConvergenceError, EvidenceError
from flarefree.evidence.pooling.inverse_variance import Fit
from flarefree.evidence.pooling.measures import Tables

__all__ = ["fit_beta_binomial"]

Floats = NDArray[np.float64]

MOST_STEPS = 200
NO_CORRELATION = -14.0  # a logit of rho below this is no correlation at all
STEP = 1e-5


def fit_beta_binomial(tables: Tables, measure: str) -> tuple[Fit, float]:
    """The pooled effect by maximum likelihood, and the correlation rho within arms.

    Standard errors of the effect are by the delta method from the observed information.
    """
    events, n = tables.events, tables.n
    totals = events.sum(axis=0)
    if (totals == 0).any() or (totals == n.sum(axis=0)).any():
        raise EvidenceError(
            "the beta-binomial estimate is not finite",
            where="method",
            found=f"{totals[0]:.0f} and {totals[1]:.0f} events in all",
            expected="some, and not all, in both treatments",
            try_='method="EXACT", whose other limit exists, or measure="RD"',
        )
    start = np.log(totals / (n.sum(axis=0) - totals))
    place, hessian = _climb(events, n, np.array([*start, -3.0]))
    risk = expit(place[:2])
    free = 3 if place[2] > NO_CORRELATION else 2
    covariance = np.linalg.inv(-hessian[:free, :free])[:2, :2]
    effect, slope = _effect(measure, risk, place[:2])
    variance = float(slope @ covariance @ slope)
    k = len(events)
    fit = Fit(
        np.array([effect]),
        np.array([[variance]]),
        math.inf,
        math.nan,
        np.full(k, math.nan),
        math.nan,
        k - 1,
        loglik=_log_likelihood(events, n, place),
    )
    return fit, float(expit(place[2])) if free == 3 else 0.0


def _effect(measure: str, risk: Floats, logit: Floats) -> tuple[float, Floats]:
    """The effect on the scale of analysis and its slope by the two logits."""
    spread = risk * (1.0 - risk)
    match measure:
        case "OR":
            return float(logit[0] - logit[1]), np.array([1.0, -1.0])
        case "RR":
            return math.log(risk[0] / risk[1]), np.array([1.0 - risk[0], risk[1] - 1.0])
        case _:
            return float(risk[0] - risk[1]), np.array([spread[0], -spread[1]])


def _shapes(place: Floats) -> tuple[Floats, float]:
    mu, size = expit(place[:2]), math.exp(-float(place[2]))  # size = (1 - rho) / rho
    return mu, size


def _log_likelihood(events: Floats, n: Floats, place: Floats) -> float:
    mu, size = _shapes(place)
    choose = gammaln(n + 1) - gammaln(events + 1) - gammaln(n - events + 1)
    a, b = mu * size, (1.0 - mu) * size
    return float((choose + betaln(events + a, n - events + b) - betaln(a, b)).sum())


def _gradient(events: Floats, n: Floats, place: Floats) -> Floats:
    mu, size = _shapes(place)
    a, b = mu * size, (1.0 - mu) * size
    by_a = digamma(events + a) - digamma(a) - digamma(n + size) + digamma(size)
    by_b = digamma(n - events + b) - digamma(b) - digamma(n + size) + digamma(size)
    by_logit = ((by_a - by_b) * size * mu * (1.0 - mu)).sum(axis=0)
    by_size = (by_a * mu + by_b * (1.0 - mu)).sum()
    return np.array([*by_logit, -size * by_size])


def _hessian(events: Floats, n: Floats, place: Floats) -> Floats:
    """Differences of the exact gradient, by four points."""
    out = np.empty((3, 3))
    for i in range(3):
        h = np.zeros(3)
        h[i] = STEP * max(1.0, abs(float(place[i])))
        near = _gradient(events, n, place + h) - _gradient(events, n, place - h)
        far = _gradient(events, n, place + 2.0 * h) - _gradient(events, n, place - 2.0 * h)
        out[i] = (8.0 * near - far) / (12.0 * h[i])
    return 0.5 * (out + out.T)


def _climb(events: Floats, n: Floats, place: Floats) -> tuple[Floats, Floats]:
    value, damping = _log_likelihood(events, n, place), 0.0
    for _ in range(MOST_STEPS):
        gradient, hessian = _gradient(events, n, place), _hessian(events, n, place)
        if place[2] <= NO_CORRELATION:  # down to a plain binomial: the rest is settled by it
            return place, hessian
        values, vectors = np.linalg.eigh(-hessian)
        scale = np.maximum(np.abs(values), 1e-9) + damping
        step = np.clip(vectors @ ((vectors.T @ gradient) / scale), -2.0, 2.0)
        after = place + step
        new_value = _log_likelihood(events, n, after)
        if not new_value >= value - 1e-10 * (1.0 + abs(value)):
            damping = max(4.0 * damping, 1e-3)
            continue
        place, value, damping = after, new_value, damping / 8.0 if damping > 1e-3 else 0.0
        if float(np.abs(step).max()) < 1e-10:
            return place, hessian
    raise ConvergenceError(
        "the beta-binomial likelihood's maximum was not reached",
        where="method",
        found=f"{MOST_STEPS} steps",
        try_='method="MH" or "UM.FS"',
    )
