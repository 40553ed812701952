"""The exact conditional likelihood: given a study's total of events, how they fell among its arms.

The study's baseline drops out, so that single studies without events in an arm do no harm.  The distribution
is Fisher's noncentral hypergeometric in several arms; its normalizing sum and moments come from convolving
the arms' terms [stijnen2010].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError
from flarefree.evidence.networks.counts.arms import CountStudy

__all__ = ["conditional_moments", "fit_conditional"]

Floats = NDArray[np.float64]
MOST_STEPS = 100
SETTLED = 1e-11


def fit_conditional(
    studies: Sequence[CountStudy], n_treatments: int, others: Sequence[int]
) -> tuple[Floats, Floats, float]:
    """Log odds ratios against the treatment that is not among `others`, covariance, log likelihood.

    Newton's method; the likelihood is concave.  A treatment without any event, or with nothing else,
    has no finite estimate: `ConvergenceError`.
    """
    theta = np.zeros(n_treatments)
    value, score, information = _derivatives(studies, theta)
    for _ in range(MOST_STEPS):
        step = np.zeros(n_treatments)
        try:
            step[others] = np.linalg.solve(information[np.ix_(others, others)], score[others])
        except np.linalg.LinAlgError:
            break
        for _ in range(50):
            new = _derivatives(studies, theta + step)
            if new[0] >= value - 1e-12 * abs(value):
                break
            step /= 2
        theta, (value, score, information) = theta + step, new
        if np.abs(theta).max() > 30:
            break
        if np.abs(step).max() < SETTLED:
            covariance = np.asarray(np.linalg.inv(information[np.ix_(others, others)]))
            return theta[others], covariance, value
    raise ConvergenceError(
        "the conditional likelihood has no finite maximum",
        where="network: method NCH",
        found=f"a log odds ratio of {np.abs(theta).max():.3g} and rising",
        expected="every treatment with events, and with patients who had none, in studies that say so",
        try_="method='MH', or leave the treatment without events out",
    )


def _derivatives(studies: Sequence[CountStudy], theta: Floats) -> tuple[float, Floats, Floats]:
    n = len(theta)
    value, score, information = 0.0, np.zeros(n), np.zeros((n, n))
    for study in studies:
        log_p, mean, covariance = conditional_moments(study.events, study.size, theta[study.arms])
        value += log_p
        score[study.arms] += study.events - mean
        information[np.ix_(study.arms, study.arms)] += covariance
    return value, score, information


def conditional_moments(events: Floats, size: Floats, theta: Floats) -> tuple[float, Floats, Floats]:
    """Log probability of `events` given their sum, and mean and covariance of the arms' events."""
    from scipy.special import expit

    total = round(float(events.sum()))
    # A common shift of the log odds cancels; the one whose binomials expect the total avoids underflow.
    logit = theta + _shift(size, theta, total)
    logs = [_log_binomial(int(n), float(t), total) for n, t in zip(size, logit)]
    terms = [np.exp(log) for log in logs]
    counts = np.arange(total + 1, dtype=float)
    m = len(terms)
    scale = _convolve(terms, total)[total]
    log_p = sum(float(log[round(r)]) for log, r in zip(logs, events.tolist())) - float(np.log(scale))
    center = size * expit(logit)  # moments about it keep their digits
    mean, second = np.empty(m), np.empty((m, m))
    for i in range(m):
        share = terms[i] * _convolve(terms[:i] + terms[i + 1 :], total)[::-1] / scale
        off = counts - center[i]
        mean[i], second[i, i] = off @ share, off**2 @ share
        for j in range(i):
            others = terms[:j] + terms[j + 1 : i] + terms[i + 1 :]
            pair = np.convolve(off * terms[i], (counts - center[j]) * terms[j])[: total + 1]
            second[i, j] = second[j, i] = pair @ _convolve(others, total)[::-1] / scale
    return log_p, mean + center, second - np.outer(mean, mean)


def _shift(size: Floats, theta: Floats, total: int) -> float:
    """The common shift at which the arms together expect `total` events."""
    from scipy.special import expit, logit

    shift = float(logit(total / size.sum())) - float(size @ theta / size.sum())
    for _ in range(100):
        p = expit(theta + shift)
        step = (total - float(size @ p)) / float(size @ (p * (1 - p)))
        shift += min(max(step, -2.0), 2.0)
        if abs(step) < 1e-10:
            break
    return shift


def _log_binomial(n: int, logit: float, total: int) -> Floats:
    """Log of the binomial probabilities of 0..total events; minus infinity beyond n."""
    from scipy.special import gammaln, log_expit

    r = np.arange(min(n, total) + 1)
    out = np.full(total + 1, -np.inf)
    choose = gammaln(n + 1) - gammaln(r + 1) - gammaln(n - r + 1)
    out[: len(r)] = choose + r * log_expit(logit) + (n - r) * log_expit(-logit)
    return out


def _convolve(terms: Sequence[Floats], total: int) -> Floats:
    """Coefficients 0..total of the product of the terms; of no terms, 1."""
    out = np.zeros(total + 1)
    out[0] = 1.0
    for term in terms:
        out = np.convolve(out, term)[: total + 1]
    return out
