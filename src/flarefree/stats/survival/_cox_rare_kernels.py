"""Two likelihoods that are asked for rarely: exact ties, and the derivative that Firth's penalty needs.

Rows as in `_cox_kernels`.  Formulas: docs/methods/survival_cox.md, "Exact ties" and "Firth".
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["exact_likelihood", "information_slopes"]


@nb.njit(cache=True, error_model="numpy")
def exact_likelihood(time: Any, event: Any, eta: Any, risk: Any, x: Any, starts: Any, entry: Any) -> Any:
    """Conditional (discrete) log likelihood, score and information.

    At each event time with d deaths among m at risk, the sum over all d-subsets is the probability that
    m independent coins with odds risk_i / c show d heads, up to a factor: a recursion over the rows that
    can neither over- nor underflow where it matters.  c makes d the expected number of heads.
    """
    n, p = x.shape
    loglik = 0.0
    score = np.zeros(p)
    information = np.zeros((p, p))
    truncated = entry.size > 0
    at_risk = np.empty(n, dtype=np.int64)
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        i = starts[stratum + 1] - 1
        while i >= first:
            t = time[i]
            d = 0
            last = i
            while i >= first and time[i] == t:
                if event[i]:
                    d += 1
                i -= 1
            if d == 0:
                continue
            for j in range(i + 1, last + 1):
                if event[j]:
                    loglik += eta[j]
                    for a in range(p):
                        score[a] += x[j, a]
            m = 0
            for j in range(i + 1, starts[stratum + 1]):
                if not truncated or entry[j] < t:
                    at_risk[m] = j
                    m += 1
            if m == d:  # nobody else could have had the event: a certainty
                for k in range(m):
                    loglik -= eta[at_risk[k]]
                    for a in range(p):
                        score[a] -= x[at_risk[k], a]
                continue
            c = _tilt(risk, at_risk, m, d)
            chance = np.zeros(d + 1)
            slope = np.zeros((d + 1, p))
            bend = np.zeros((d + 1, p, p))
            chance[0] = 1.0
            log_factor = d * np.log(c)
            for k in range(m):
                j = at_risk[k]
                odds = risk[j] / c
                heads = odds / (1.0 + odds)
                tails = 1.0 / (1.0 + odds)
                log_factor += np.log1p(odds)
                for s in range(min(k + 1, d), 0, -1):
                    for a in range(p):
                        for b in range(a + 1):
                            bend[s, a, b] = tails * bend[s, a, b] + heads * (
                                bend[s - 1, a, b]
                                + x[j, a] * slope[s - 1, b]
                                + slope[s - 1, a] * x[j, b]
                                + x[j, a] * x[j, b] * chance[s - 1]
                            )
                    for a in range(p):
                        slope[s, a] = tails * slope[s, a] + heads * (
                            slope[s - 1, a] + x[j, a] * chance[s - 1]
                        )
                    chance[s] = tails * chance[s] + heads * chance[s - 1]
                chance[0] *= tails
            loglik -= np.log(chance[d]) + log_factor
            for a in range(p):
                mean = slope[d, a] / chance[d]
                score[a] -= mean
                for b in range(a + 1):
                    information[a, b] += bend[d, a, b] / chance[d] - mean * slope[d, b] / chance[d]
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return loglik, score, information


@nb.njit(cache=True, error_model="numpy")
def _tilt(risk: Any, at_risk: Any, m: Any, d: Any) -> Any:
    """The c for which the sum of risk / (c + risk) is d, by bisection of its logarithm; roughly."""
    low = 1e300
    high = 0.0
    for k in range(m):
        r = risk[at_risk[k]]
        low = min(low, r)
        high = max(high, r)
    low = np.log(low) + np.log((m - d) / d)
    high = np.log(high) + np.log((m - d) / d)
    for _ in range(40):
        middle = 0.5 * (low + high)
        c = np.exp(middle)
        heads = 0.0
        for k in range(m):
            r = risk[at_risk[k]]
            heads += r / (c + r)
        if heads > d:
            low = middle
        else:
            high = middle
        if high - low < 0.1:
            break
    return np.exp(0.5 * (low + high))


@nb.njit(cache=True, error_model="numpy")
def _add_row(sums: Any, r: Any, row: Any) -> Any:
    """Add one row to (s0, s1, s2, s3), kept in one vector of 1 + p + p^2 + p^3."""
    p = row.size
    sums[0] += r
    for a in range(p):
        ra = r * row[a]
        sums[1 + a] += ra
        for b in range(p):
            rab = ra * row[b]
            sums[1 + p + a * p + b] += rab
            for c in range(p):
                sums[1 + p + p * p + (a * p + b) * p + c] += rab * row[c]


@nb.njit(cache=True, error_model="numpy")
def information_slopes(
    time: Any, event: Any, weight: Any, eta: Any, risk: Any, x: Any, starts: Any, entry: Any, efron: Any
) -> Any:
    """Log partial likelihood, score, information (p, p) and its derivatives (p, p, p; last by beta)."""
    p = x.shape[1]
    size = 1 + p + p * p + p * p * p
    loglik = 0.0
    score = np.zeros(p)
    information = np.zeros((p, p))
    slopes = np.zeros((p, p, p))
    truncated = entry.size > 0
    sums = np.zeros(size)
    dying = np.zeros(size)
    mixed = np.zeros(size)
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        sums[:] = 0.0
        i = starts[stratum + 1] - 1
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            dying[:] = 0.0
            while i >= first and time[i] == t:
                if not truncated:
                    _add_row(sums, risk[i], x[i])
                if event[i]:
                    deaths += 1
                    wd += weight[i]
                    loglik += weight[i] * eta[i]
                    for a in range(p):
                        score[a] += weight[i] * x[i, a]
                    _add_row(dying, risk[i], x[i])
                i -= 1
            if deaths == 0 or wd == 0.0:
                continue
            if truncated:
                sums[:] = 0.0
                for j in range(i + 1, starts[stratum + 1]):
                    if entry[j] < t:
                        _add_row(sums, risk[j], x[j])
            w = wd / deaths
            for k in range(deaths):
                f = k / deaths if efron else 0.0
                for q in range(size):
                    mixed[q] = sums[q] - f * dying[q]
                s0 = mixed[0]
                loglik -= w * np.log(s0)
                for q in range(1, size):
                    mixed[q] /= s0
                for a in range(p):
                    ma = mixed[1 + a]
                    score[a] -= w * ma
                    for b in range(p):
                        mb = mixed[1 + b]
                        mab = mixed[1 + p + a * p + b]
                        information[a, b] += w * (mab - ma * mb)
                        for c in range(p):
                            mc = mixed[1 + c]
                            slopes[a, b, c] += w * (
                                mixed[1 + p + p * p + (a * p + b) * p + c]
                                - mab * mc
                                - mixed[1 + p + a * p + c] * mb
                                - mixed[1 + p + b * p + c] * ma
                                + 2.0 * ma * mb * mc
                            )
    return loglik, score, information, slopes
