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
    "batch_curves",
    "batch_logrank_sums",
    "batch_two_groups",
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
def batch_two_groups(
    keys: Any, bits: Any, n_strata: Any, efron: Any, with_cox: Any, logrank: Any, cox: Any
) -> Any:
    """Log-rank sums (trials, 3) and Cox fits (trials, 5) of the second of two groups, with ties.

    With one 0/1 covariate a risk set is two counts, so Newton's steps go over event times only.
    """
    trials, n = keys.shape
    counts = np.zeros((n_strata, 6))  # at risk, of the second group; dying, of it; leaving, of it
    sets = np.empty((4, n))  # at risk in each group, deaths, deaths in the second group
    for i in range(trials):
        m = _risk_sets(keys[i], bits[i], n_strata, counts, sets)
        observed = 0.0
        expected = 0.0
        variance = 0.0
        for k in range(m):
            zero, one, d = sets[0, k], sets[1, k], sets[2, k]
            total = zero + one
            share = one / total
            observed += sets[3, k]
            expected += d * share
            if total > 1.0:
                variance += d * (total - d) / (total - 1.0) * share * (1.0 - share)
        logrank[i, 0] = observed
        logrank[i, 1] = expected
        logrank[i, 2] = variance
        if with_cox:
            _fit_binary(sets, m, efron, observed, cox[i])


@nb.njit(cache=True, error_model="numpy")
def _risk_sets(key: Any, bits: Any, n_strata: Any, counts: Any, sets: Any) -> Any:
    """Fill `sets` with the risk set of each event time of each stratum; how many there are."""
    n = key.size
    counts[:] = 0.0
    for j in range(n):
        s = (bits[j] >> 3) & 63
        counts[s, 0] += 1.0
        counts[s, 1] += (bits[j] >> 1) & 3
    gap = _tie_gap(key)
    if n_strata == 1:
        return _risk_sets_of_one(key, bits, gap, counts[0, 1], sets)
    m = 0
    j = 0
    while j < n:
        first = j
        j += 1
        while j < n and key[j] - key[j - 1] <= gap:
            j += 1
        for k in range(first, j):
            b = bits[k]
            event = b & 1
            one = (b >> 1) & 3
            own = counts[(b >> 3) & 63]
            own[2] += event
            own[3] += event * one
            own[4] += 1.0
            own[5] += one
        for k in range(first, j):
            own = counts[(bits[k] >> 3) & 63]
            if own[4] == 0.0:
                continue  # done with an earlier row of the tie
            if own[2] > 0.0:
                sets[0, m] = own[0] - own[1]
                sets[1, m] = own[1]
                sets[2, m] = own[2]
                sets[3, m] = own[3]
                m += 1
            own[0] -= own[4]
            own[1] -= own[5]
            own[2:] = 0.0
    return m


@nb.njit(cache=True, error_model="numpy")
def _risk_sets_of_one(key: Any, bits: Any, gap: Any, ones: Any, sets: Any) -> Any:
    """The same where there is one stratum."""
    n = key.size
    m = 0
    j = 0
    while j < n:
        all_before = n - j
        ones_before = ones
        d = 0
        d1 = 0
        t = key[j]
        while True:
            b = bits[j]
            event = b & 1
            one = (b >> 1) & 3
            d += event
            d1 += event * one
            ones -= one
            t = key[j]
            j += 1
            if j == n or key[j] - t > gap:
                break
        sets[0, m] = all_before - ones_before
        sets[1, m] = ones_before
        sets[2, m] = d
        sets[3, m] = d1
        m += 1 if d > 0 else 0
    return m


@nb.njit(cache=True, error_model="numpy")
def _score_binary(sets: Any, m: Any, efron: Any, theta: Any) -> Any:
    """Expected events of the second group under hazard ratio theta, and the information."""
    expected = 0.0
    information = 0.0
    for k in range(m):
        zero, one, d, d1 = sets[0, k], sets[1, k] * theta, sets[2, k], sets[3, k]
        if d == 1.0 or not efron:
            share = one / (zero + one)
            expected += d * share
            information += d * share * (1.0 - share)
        else:
            zero_step = (d - d1) / d
            one_step = d1 * theta / d
            for _ in range(int(d)):
                share = one / (zero + one)
                expected += share
                information += share * (1.0 - share)
                zero -= zero_step
                one -= one_step
    return expected, information


@nb.njit(cache=True, error_model="numpy")
def _log_totals_binary(sets: Any, m: Any, efron: Any, theta: Any) -> Any:
    """Sum of the logarithms of the risk totals, a logarithm for dozens of factors."""
    total = 0.0
    product = 1.0
    for k in range(m):
        zero, one, d, d1 = sets[0, k], sets[1, k] * theta, sets[2, k], sets[3, k]
        zero_step = (d - d1) / d if efron else 0.0
        one_step = d1 * theta / d if efron else 0.0
        for _ in range(int(d)):
            product *= zero + one
            zero -= zero_step
            one -= one_step
            if product > 1e200 or product < 1e-200:
                total += np.log(product)
                product = 1.0
    return total + np.log(product)


@nb.njit(cache=True, error_model="numpy")
def _fit_binary(sets: Any, m: Any, efron: Any, observed: Any, out: Any) -> Any:
    """Newton's method held in a bracket; infinite where one group has all events it could have, or none."""
    out[0] = np.nan
    out[1] = np.nan
    null = -_log_totals_binary(sets, m, efron, 1.0)
    out[2] = null
    out[3] = null
    out[4] = 0.0
    expected, information = _score_binary(sets, m, efron, 1.0)
    if information <= 0.0:
        return
    # Expected events run from `least` to `most` as beta goes from minus to plus infinity.
    least = 0.0
    most = 0.0
    for k in range(m):
        zero, one, d, d1 = sets[0, k], sets[1, k], sets[2, k], sets[3, k]
        if d == 1.0 or not efron:
            least += d if zero == 0.0 else 0.0
            most += d if one > 0.0 else 0.0
        else:
            for q in range(int(d)):
                f = q / d
                least += 1.0 if zero - f * (d - d1) <= 1e-9 else 0.0
                most += 1.0 if one - f * d1 > 1e-9 else 0.0
    if observed <= least + 1e-9 or observed >= most - 1e-9:
        out[0] = -np.inf if observed <= least + 1e-9 else np.inf
        out[1] = np.inf
        return
    beta = 0.0
    low = -np.inf
    high = np.inf
    for _ in range(100):
        score = observed - expected
        if score > 0.0:
            low = beta
        else:
            high = beta
        step = score / information
        beta += step
        if score * step < 1e-16:
            break
        if beta <= low or beta >= high:
            beta = 0.5 * (low + high)
        expected, information = _score_binary(sets, m, efron, np.exp(beta))
    out[0] = beta
    out[1] = 1.0 / np.sqrt(information)
    out[3] = observed * beta - _log_totals_binary(sets, m, efron, np.exp(beta))
    out[4] = 1.0


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
