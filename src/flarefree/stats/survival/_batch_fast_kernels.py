"""Log-rank and Cox together for trials without ties: branch-free passes that vectorize.

A trial with a tie is marked and left to the kernels of `_batch_kernels`, which know ties.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.stats.survival._batch_kernels import _TOLERANCE

__all__ = ["fast_two_groups"]

REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums may be taken in another order; NaN keeps its meaning
COX_GAIN = 1e-16


@nb.njit(cache=True, error_model="numpy", fastmath=REASSOCIATE)
def _has_tie(key: Any) -> Any:
    total = 0.0
    smallest = np.inf
    for j in range(1, key.size):
        gap = key[j] - key[j - 1]
        smallest = gap if gap < smallest else smallest
        total += key[j]
    mean = (total + key[0]) / key.size
    return smallest <= _TOLERANCE * max(1.0, mean)


@nb.njit(cache=True, error_model="numpy")
def _event_sets(bits: Any, n_strata: Any, zero: Any, one: Any, own: Any, n_all: Any, n_one: Any) -> Any:
    """At each event, in time order: others at risk in its stratum by group, and its group; how many."""
    n = bits.size
    m = 0
    if n_strata == 1:
        ones = 0
        for j in range(n):
            ones += (bits[j] >> 1) & 1
        for j in range(n):
            b = bits[j]
            group = (b >> 1) & 1
            zero[m] = n - j - ones
            one[m] = ones
            own[m] = group
            m += b & 1  # the place is written again unless this row is an event
            ones -= group
        return m
    n_all[:] = 0.0
    n_one[:] = 0.0
    for j in range(n):
        s = (bits[j] >> 3) & 63
        n_all[s] += 1.0
        n_one[s] += (bits[j] >> 1) & 1
    for j in range(n):
        b = bits[j]
        s = (b >> 3) & 63
        group = (b >> 1) & 1
        zero[m] = n_all[s] - n_one[s]
        one[m] = n_one[s]
        own[m] = group
        m += b & 1
        n_all[s] -= 1.0
        n_one[s] -= group
    return m


@nb.njit(cache=True, error_model="numpy", fastmath=REASSOCIATE)
def _score(zero: Any, one: Any, m: Any, theta: Any) -> Any:
    """Sum over events of the second group's share of the risk, and of share times one less share."""
    shares = 0.0
    spread = 0.0
    for k in range(m):
        risk = one[k] * theta
        share = risk / (zero[k] + risk)
        shares += share
        spread += share - share * share
    return shares, spread


@nb.njit(cache=True, error_model="numpy")
def _log_totals(zero: Any, one: Any, m: Any, theta: Any) -> Any:
    """Sum of the logarithms of the risk totals, a logarithm for each dozen of factors."""
    total = 0.0
    product = 1.0
    for k in range(m):
        product *= zero[k] + one[k] * theta
        if product > 1e200 or product < 1e-200:
            total += np.log(product)
            product = 1.0
    return total + np.log(product)


@nb.njit(cache=True, error_model="numpy")
def fast_two_groups(keys: Any, bits: Any, n_strata: Any, with_cox: Any, logrank: Any, cox: Any) -> Any:
    """Fill log-rank sums (trials, 3) and Cox fits (trials, 5); `logrank[i, 0]` is -1 where a tie was met."""
    trials, n = keys.shape
    zero = np.empty(n + 1)
    one = np.empty(n + 1)
    own = np.empty(n + 1)
    n_all = np.empty(n_strata)
    n_one = np.empty(n_strata)
    for i in range(trials):
        if _has_tie(keys[i]):
            logrank[i, 0] = -1.0
            continue
        m = _event_sets(bits[i], n_strata, zero, one, own, n_all, n_one)
        observed = 0.0
        least = 0.0  # events of the second group that were certain, none of the first being at risk
        most = 0.0
        for k in range(m):
            observed += own[k]
            least += 1.0 if zero[k] == 0.0 else 0.0
            most += 1.0 if one[k] > 0.0 else 0.0
        shares, spread = _score(zero, one, m, 1.0)
        logrank[i, 0] = observed
        logrank[i, 1] = shares
        logrank[i, 2] = spread
        if not with_cox:
            continue
        cox[i, 0] = np.nan
        cox[i, 1] = np.nan
        cox[i, 4] = 0.0
        null = -_log_totals(zero, one, m, 1.0)
        cox[i, 2] = null
        cox[i, 3] = null
        if spread <= 0.0:
            continue
        if observed <= least or observed >= most:
            cox[i, 0] = -np.inf if observed <= least else np.inf
            cox[i, 1] = np.inf
            continue
        beta = 0.0
        low = -np.inf
        high = np.inf
        for _ in range(100):
            score = observed - shares
            if score > 0.0:
                low = beta
            else:
                high = beta
            step = score / spread
            if score * step < COX_GAIN:
                beta += step
                break
            beta += step
            if beta <= low or beta >= high:  # the score falls with beta: halve what is left of the bracket
                beta = 0.5 * (low + high)
            shares, spread = _score(zero, one, m, np.exp(beta))
        cox[i, 0] = beta
        cox[i, 1] = 1.0 / np.sqrt(spread)
        cox[i, 3] = observed * beta - _log_totals(zero, one, m, np.exp(beta))
        cox[i, 4] = 1.0
