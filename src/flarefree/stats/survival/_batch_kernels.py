"""Many trials at once: sorted packed rows to log-rank sums, Cox fits and Kaplan-Meier curves.

A row is one float64: its time, with event, group and stratum in the lowest bits of the mantissa.  One
sort of plain numbers then puts a whole trial in order; the bits change a time by one part in 10^13.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = [
    "BITS",
    "MAX_GROUPS",
    "MAX_STRATA",
    "batch_cox_binary",
    "batch_curves",
    "batch_logrank_sums",
    "pack",
]

GROUP_BITS = 2
STRATUM_BITS = 6
BITS = 1 + GROUP_BITS + STRATUM_BITS
MAX_GROUPS = 1 << GROUP_BITS
MAX_STRATA = 1 << STRATUM_BITS
_MASK = (1 << BITS) - 1
_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


@nb.njit(cache=True, error_model="numpy")
def pack(time_bits: Any, event: Any, group: Any, stratum: Any, out: Any) -> Any:
    """Rows (trials, n) as integers; `group` and `stratum` may have one row for all trials."""
    trials, n = time_bits.shape
    for i in range(trials):
        g = i if group.shape[0] > 1 else 0
        s = i if stratum.shape[0] > 1 else 0
        for j in range(n):
            code = np.int64(event[i, j]) | (np.int64(group[g, j]) << 1)
            code |= np.int64(stratum[s, j]) << (1 + GROUP_BITS)
            out[i, j] = (time_bits[i, j] & ~np.int64(_MASK)) | code


@nb.njit(cache=True, error_model="numpy")
def _tie_gap(key: Any) -> Any:
    """The largest gap between times that counts as a tie in one sorted trial."""
    total = key[0]
    distinct = 1
    for j in range(1, key.size):
        if key[j] - key[j - 1] > 1e-12 * key[j]:
            total += key[j]
            distinct += 1
    return _TOLERANCE * max(1.0, total / distinct)


@nb.njit(cache=True, error_model="numpy")
def batch_logrank_sums(keys: Any, bits: Any, n_strata: Any, rho: Any, gamma: Any, out: Any) -> Any:
    """Observed and expected events of the second of two groups, and their variance, by trial: (trials, 3)."""
    trials, n = keys.shape
    n_all = np.zeros(n_strata)
    n_one = np.zeros(n_strata)
    d_all = np.zeros(n_strata)
    d_one = np.zeros(n_strata)
    gone = np.zeros(n_strata)
    gone_one = np.zeros(n_strata)
    survival = np.ones(n_strata)
    weighted = rho != 0.0 or gamma != 0.0
    for i in range(trials):
        n_all[:] = 0.0
        n_one[:] = 0.0
        survival[:] = 1.0
        for j in range(n):
            s = (bits[i, j] >> 3) & 63
            n_all[s] += 1.0
            n_one[s] += (bits[i, j] >> 1) & 3
        gap = _tie_gap(keys[i])
        observed = 0.0
        expected = 0.0
        variance = 0.0
        j = 0
        while j < n:
            first = j
            j += 1
            while j < n and keys[i, j] - keys[i, j - 1] <= gap:
                j += 1
            for k in range(first, j):
                b = bits[i, k]
                s = (b >> 3) & 63
                event = b & 1
                one = (b >> 1) & 3
                d_all[s] += event
                d_one[s] += event * one
                gone[s] += 1.0
                gone_one[s] += one
            for k in range(first, j):
                s = (bits[i, k] >> 3) & 63
                if gone[s] == 0.0:
                    continue  # done with an earlier row of the tie
                d = d_all[s]
                if d > 0.0:
                    m = n_all[s]
                    share = n_one[s] / m
                    w = 1.0
                    if weighted:
                        w = survival[s] ** rho * (1.0 - survival[s]) ** gamma
                        survival[s] *= 1.0 - d / m
                    observed += w * d_one[s]
                    expected += w * d * share
                    if m > 1.0:
                        variance += w * w * d * (m - d) / (m - 1.0) * share * (1.0 - share)
                n_all[s] -= gone[s]
                n_one[s] -= gone_one[s]
                d_all[s] = 0.0
                d_one[s] = 0.0
                gone[s] = 0.0
                gone_one[s] = 0.0
        out[i, 0] = observed
        out[i, 1] = expected
        out[i, 2] = variance


@nb.njit(cache=True, error_model="numpy")
def batch_cox_binary(keys: Any, bits: Any, n_strata: Any, efron: Any, out: Any) -> Any:
    """Log hazard ratio of the second of two groups, its standard error, log likelihoods: (trials, 5).

    With one 0/1 covariate each risk set is two counts, so Newton's steps go over event times only.
    """
    trials, n = keys.shape
    n_all = np.zeros(n_strata)
    n_one = np.zeros(n_strata)
    d_all = np.zeros(n_strata)
    d_one = np.zeros(n_strata)
    gone = np.zeros(n_strata)
    gone_one = np.zeros(n_strata)
    sets = np.empty((n, 4))  # at risk in each group, deaths, deaths in the second group
    for i in range(trials):
        n_all[:] = 0.0
        n_one[:] = 0.0
        for j in range(n):
            s = (bits[i, j] >> 3) & 63
            n_all[s] += 1.0
            n_one[s] += (bits[i, j] >> 1) & 3
        gap = _tie_gap(keys[i])
        m = 0
        j = 0
        while j < n:
            first = j
            j += 1
            while j < n and keys[i, j] - keys[i, j - 1] <= gap:
                j += 1
            for k in range(first, j):
                b = bits[i, k]
                s = (b >> 3) & 63
                event = b & 1
                one = (b >> 1) & 3
                d_all[s] += event
                d_one[s] += event * one
                gone[s] += 1.0
                gone_one[s] += one
            for k in range(first, j):
                s = (bits[i, k] >> 3) & 63
                if gone[s] == 0.0:
                    continue
                if d_all[s] > 0.0:
                    sets[m, 0] = n_all[s] - n_one[s]
                    sets[m, 1] = n_one[s]
                    sets[m, 2] = d_all[s]
                    sets[m, 3] = d_one[s]
                    m += 1
                n_all[s] -= gone[s]
                n_one[s] -= gone_one[s]
                d_all[s] = 0.0
                d_one[s] = 0.0
                gone[s] = 0.0
                gone_one[s] = 0.0
        _fit_binary(sets, m, efron, out[i])


@nb.njit(cache=True, error_model="numpy")
def _evaluate_binary(sets: Any, m: Any, efron: Any, beta: Any) -> Any:
    """Log likelihood, score and information of a 0/1 covariate."""
    theta = np.exp(beta)
    loglik = 0.0
    score = 0.0
    information = 0.0
    for k in range(m):
        zero, one, d, d1 = sets[k, 0], sets[k, 1], sets[k, 2], sets[k, 3]
        score += d1
        loglik += d1 * beta
        if d == 1.0:
            total = zero + one * theta
            share = one * theta / total
            loglik -= np.log(total)
            score -= share
            information += share * (1.0 - share)
        else:
            for q in range(int(d)):
                f = q / d if efron else 0.0
                risk = (one - f * d1) * theta
                total = zero - f * (d - d1) + risk
                share = risk / total
                loglik -= np.log(total)
                score -= share
                information += share * (1.0 - share)
    return loglik, score, information


@nb.njit(cache=True, error_model="numpy")
def _fit_binary(sets: Any, m: Any, efron: Any, out: Any) -> Any:
    """Newton's method; infinite where all events in mixed risk sets fall to one group."""
    out[0] = np.nan
    out[1] = np.nan
    loglik, score, information = _evaluate_binary(sets, m, efron, 0.0)
    out[2] = loglik
    out[3] = loglik
    out[4] = 0.0
    if information <= 0.0:
        return
    # The score tends to its bounds as beta does to infinity: a bound of zero has no maximum.
    low = 0.0
    high = 0.0
    for k in range(m):
        zero, one, d, d1 = sets[k, 0], sets[k, 1], sets[k, 2], sets[k, 3]
        high += d1
        low += d1
        for q in range(int(d)):
            f = q / d if efron else 0.0
            if zero - f * (d - d1) <= 1e-9:
                high -= 1.0  # only the second group is left: it has the event whatever beta is
            if one - f * d1 > 1e-9:
                low -= 1.0
    if high <= 1e-9 or low >= -1e-9:
        out[0] = -np.inf if high <= 1e-9 else np.inf
        out[1] = np.inf
        return
    beta = 0.0
    for _ in range(60):
        step = score / information
        if score * step < 1e-16:
            out[0] = beta + step
            out[1] = 1.0 / np.sqrt(information)
            out[3] = loglik + score * step / 2.0
            out[4] = 1.0
            return
        for _ in range(40):
            new_loglik, new_score, new_information = _evaluate_binary(sets, m, efron, beta + step)
            if new_loglik >= loglik - 1e-12 * abs(loglik):
                break
            step /= 2.0
        beta += step
        loglik, score, information = new_loglik, new_score, new_information
    out[0] = beta
    out[1] = 1.0 / np.sqrt(information)
    out[3] = loglik


@nb.njit(cache=True, error_model="numpy")
def batch_curves(
    keys: Any, bits: Any, n_groups: Any, at: Any, estimate: Any, std_error: Any, at_risk: Any, median: Any
) -> Any:
    """Kaplan-Meier by group at given ascending times (trials, groups, m), and medians (trials, groups).

    After a group's last row its curve is carried on level.
    """
    trials, n = keys.shape
    left = np.zeros(n_groups)
    dead = np.zeros(n_groups)
    gone = np.zeros(n_groups)
    survival = np.ones(n_groups)
    greenwood = np.zeros(n_groups)
    flat = np.zeros(n_groups)
    counted = np.zeros(at.size, dtype=np.bool_)
    for i in range(trials):
        left[:] = 0.0
        survival[:] = 1.0
        greenwood[:] = 0.0
        flat[:] = np.nan
        counted[:] = False
        for g in range(n_groups):
            median[i, g] = np.nan
        for j in range(n):
            left[(bits[i, j] >> 1) & 3] += 1.0
        gap = _tie_gap(keys[i])
        m = 0
        j = 0
        while j <= n:
            t = keys[i, j] if j < n else np.inf
            while m < at.size and at[m] * (1.0 + 1e-9) < t:
                for g in range(n_groups):
                    estimate[i, g, m] = survival[g]
                    std_error[i, g, m] = survival[g] * np.sqrt(greenwood[g])
                    if not counted[m]:
                        at_risk[i, g, m] = left[g]
                m += 1
            if j == n:
                break
            if m < at.size and at[m] * (1.0 - 1e-9) <= t and not counted[m]:
                for g in range(n_groups):  # at the very time: those at risk just before it
                    at_risk[i, g, m] = left[g]
                counted[m] = True
            first = j
            j += 1
            while j < n and keys[i, j] - keys[i, j - 1] <= gap:
                j += 1
            for k in range(first, j):
                g = (bits[i, k] >> 1) & 3
                dead[g] += bits[i, k] & 1
                gone[g] += 1.0
            for g in range(n_groups):
                d = dead[g]
                if d > 0.0:
                    if d < left[g]:
                        survival[g] *= 1.0 - d / left[g]
                        greenwood[g] += d / (left[g] * (left[g] - d))
                    else:
                        survival[g] = 0.0
                        greenwood[g] = np.nan
                    if not np.isnan(flat[g]):  # the curve ran level at one half until now
                        median[i, g] = 0.5 * (flat[g] + t)
                        flat[g] = np.nan
                    elif np.isnan(median[i, g]) and survival[g] < 0.5 + _TOLERANCE:
                        median[i, g] = t
                        if abs(survival[g] - 0.5) < _TOLERANCE:
                            flat[g] = t
                left[g] -= gone[g]
                dead[g] = 0.0
                gone[g] = 0.0
