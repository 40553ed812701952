"""The log partial likelihood of Cox's model, its gradient and its information, in one backward pass.

Rows are sorted by stratum and ascending time and read from the end, so that a risk set only grows;
with left truncation those who enter later are taken out again.  Ties after Efron or Breslow.
Formulas and letters: docs/methods/survival_cox.md, "The likelihood in one pass".
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["null_loglik", "partial_likelihood", "rows_seen_by_events", "tied_sums"]

REBUILD_BELOW = 1e-7  # of the largest sum since the last rebuild: subtraction has lost half the digits


@nb.njit(cache=True, error_model="numpy", inline="always")
def tied_sums(s0: Any, s0d: Any, deaths: Any, efron: Any) -> Any:
    """Sums over the tied deaths k = 0 .. d-1 with share f = k/d and denominator D = s0 - f s0d.

    Returns sums of log D, 1/D, f/D, 1/D^2, f/D^2, f^2/D^2.  With Breslow's rule every f is 0.
    """
    if not efron or deaths == 1:
        inverse = 1.0 / s0
        return (
            deaths * np.log(s0),
            deaths * inverse,
            0.0,
            deaths * inverse * inverse,
            0.0,
            0.0,
        )
    log_sum = 0.0
    q0 = 0.0
    q1 = 0.0
    q00 = 0.0
    q01 = 0.0
    q11 = 0.0
    for k in range(deaths):
        f = k / deaths
        denominator = s0 - f * s0d
        inverse = 1.0 / denominator
        log_sum += np.log(denominator)
        q0 += inverse
        q1 += f * inverse
        q00 += inverse * inverse
        q01 += f * inverse * inverse
        q11 += f * f * inverse * inverse
    return log_sum, q0, q1, q00, q01, q11


@nb.njit(cache=True, error_model="numpy")
def partial_likelihood(
    time: Any,
    event: Any,
    weight: Any,
    eta: Any,
    risk: Any,
    x: Any,
    starts: Any,
    entry: Any,
    entry_order: Any,
    efron: Any,
) -> Any:
    """Log partial likelihood, score (p,) and information (p, p).

    Parameters
    ----------
    time, event, weight, eta : (n,)
        By stratum and ascending time; `eta` is the linear predictor up to a constant.
    risk : (n,)
        weight * exp(eta).
    x : (n, p)
        Covariates, centered.
    starts : (strata + 1,)
        Where each stratum starts.
    entry, entry_order : (n,) or (0,)
        Entry of each row, and rows of each stratum by ascending entry; empty without left truncation.
    efron : bool
        Efron's rule for ties, otherwise Breslow's.
    """
    p = x.shape[1]
    loglik = 0.0
    score = np.zeros(p)
    information = np.zeros((p, p))
    s1 = np.zeros(p)
    s2 = np.zeros((p, p))
    s1d = np.zeros(p)
    s2d = np.zeros((p, p))
    xd = np.zeros(p)
    truncated = entry.size > 0
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        s0 = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        peak = 0.0
        i = starts[stratum + 1] - 1
        leaving = starts[stratum + 1] - 1
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            s0d = 0.0
            last = i
            while i >= first and time[i] == t:
                r = risk[i]
                s0 += r
                for a in range(p):
                    ra = r * x[i, a]
                    s1[a] += ra
                    for b in range(a + 1):
                        s2[a, b] += ra * x[i, b]
                if event[i]:
                    deaths += 1
                i -= 1
            if deaths == 0:
                continue
            s1d[:] = 0.0
            s2d[:] = 0.0
            xd[:] = 0.0
            for j in range(i + 1, last + 1):
                if event[j]:
                    wd += weight[j]
                    r = risk[j]
                    s0d += r
                    loglik += weight[j] * eta[j]
                    for a in range(p):
                        xd[a] += weight[j] * x[j, a]
                    if deaths > 1:
                        for a in range(p):
                            ra = r * x[j, a]
                            s1d[a] += ra
                            for b in range(a + 1):
                                s2d[a, b] += ra * x[j, b]
            if truncated:
                peak = max(peak, s0)
                while leaving >= first and entry[entry_order[leaving]] >= t:
                    j = entry_order[leaving]
                    r = risk[j]
                    s0 -= r
                    for a in range(p):
                        ra = r * x[j, a]
                        s1[a] -= ra
                        for b in range(a + 1):
                            s2[a, b] -= ra * x[j, b]
                    leaving -= 1
                if s0 < REBUILD_BELOW * peak:
                    s0 = 0.0
                    s1[:] = 0.0
                    s2[:] = 0.0
                    for j in range(i + 1, starts[stratum + 1]):
                        if entry[j] < t:
                            r = risk[j]
                            s0 += r
                            for a in range(p):
                                ra = r * x[j, a]
                                s1[a] += ra
                                for b in range(a + 1):
                                    s2[a, b] += ra * x[j, b]
                    peak = s0
            if wd == 0.0:
                continue
            log_sum, q0, q1, q00, q01, q11 = tied_sums(s0, s0d, deaths, efron)
            mean_weight = wd / deaths
            loglik -= mean_weight * log_sum
            for a in range(p):
                score[a] += xd[a] - mean_weight * (s1[a] * q0 - s1d[a] * q1)
                for b in range(a + 1):
                    information[a, b] += mean_weight * (
                        s2[a, b] * q0
                        - s2d[a, b] * q1
                        - s1[a] * s1[b] * q00
                        + (s1[a] * s1d[b] + s1d[a] * s1[b]) * q01
                        - s1d[a] * s1d[b] * q11
                    )
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return loglik, score, information


@nb.njit(cache=True, error_model="numpy")
def null_loglik(time: Any, event: Any, weight: Any, starts: Any, efron: Any) -> Any:
    """The log partial likelihood without covariates, offset and left truncation."""
    loglik = 0.0
    product = 1.0
    for stratum in range(starts.size - 1):
        total = 0.0
        i = starts[stratum + 1] - 1
        while i >= starts[stratum]:
            t = time[i]
            deaths = 0
            dying = 0.0
            while i >= starts[stratum] and time[i] == t:
                total += weight[i]
                if event[i]:
                    deaths += 1
                    dying += weight[i]
                i -= 1
            if dying == 1.0 and deaths == 1:  # one logarithm for dozens of factors
                product *= total
                if product > 1e200:
                    loglik -= np.log(product)
                    product = 1.0
            elif deaths > 0:
                loglik -= dying / deaths * tied_sums(total, dying, deaths, efron)[0]
    return loglik - np.log(product)


@nb.njit(cache=True, error_model="numpy")
def rows_seen_by_events(time: Any, event: Any, entry: Any, starts: Any) -> Any:
    """Whether (entry, time] of each row holds a time at which an event of its stratum happened."""
    seen = np.zeros(time.size, dtype=np.bool_)
    for stratum in range(starts.size - 1):
        latest = -np.inf
        i = starts[stratum]
        while i < starts[stratum + 1]:
            t = time[i]
            j = i
            while j < starts[stratum + 1] and time[j] == t:
                if event[j]:
                    latest = t
                j += 1
            for k in range(i, j):
                seen[k] = entry[k] < latest
            i = j
    return seen
