"""The weighted partial likelihood of Fine and Gray, and what its variance needs, in one backward pass.

Rows are sorted by ascending time; status 0 censored, 1 the event of interest, 2 another event.  After
another event a row stays at risk with weight G(t-) / G(T-), G the censoring curve of its group.
Letters: docs/methods/survival_competing.md, "Fine and Gray".
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["subdistribution_likelihood"]


@nb.njit(cache=True, error_model="numpy")
def _add(sums: Any, r: Any, row: Any) -> Any:
    p = row.size
    sums[0] += r
    for a in range(p):
        sums[1 + a] += r * row[a]
        for b in range(a + 1):
            sums[1 + p + a * p + b] += r * row[a] * row[b]


@nb.njit(cache=True, error_model="numpy")
def subdistribution_likelihood(
    time: Any,
    status: Any,
    eta: Any,
    x: Any,
    group: Any,
    own_censoring: Any,
    step_censoring: Any,
    n_steps: Any,
) -> Any:
    """Log likelihood, score, information; and per event time d, S0 and the mean covariates.

    `own_censoring` (n,) is G(T-) of each row in its group; `step_censoring` (groups, steps) is G(t-) of
    each group at each event time, ascending.
    """
    n, p = x.shape
    groups = step_censoring.shape[0]
    size = 1 + p + p * p
    loglik = 0.0
    score = np.zeros(p)
    information = np.zeros((p, p))
    deaths = np.zeros(n_steps)
    s0 = np.zeros(n_steps)
    mean = np.zeros((n_steps, p))
    at_risk = np.zeros(size)
    gone = np.zeros((groups, size))  # those with another event before now, divided by their own G
    for i in range(n):
        if status[i] == 2:
            _add(gone[group[i]], np.exp(eta[i]) / own_censoring[i], x[i])
    sums = np.zeros(size)
    k = n_steps
    i = n - 1
    while i >= 0:
        t = time[i]
        d = 0.0
        while i >= 0 and time[i] == t:
            r = np.exp(eta[i])
            _add(at_risk, r, x[i])
            if status[i] == 2:
                _add(gone[group[i]], -r / own_censoring[i], x[i])
            elif status[i] == 1:
                d += 1.0
                loglik += eta[i]
                for a in range(p):
                    score[a] += x[i, a]
            i -= 1
        if d == 0.0:
            continue
        k -= 1
        for q in range(size):
            sums[q] = at_risk[q]
            for g in range(groups):
                sums[q] += step_censoring[g, k] * gone[g, q]
        loglik -= d * np.log(sums[0])
        deaths[k] = d
        s0[k] = sums[0]
        for a in range(p):
            mean[k, a] = sums[1 + a] / sums[0]
            score[a] -= d * mean[k, a]
        for a in range(p):
            for b in range(a + 1):
                information[a, b] += d * (sums[1 + p + a * p + b] / sums[0] - mean[k, a] * mean[k, b])
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return loglik, score, information, deaths, s0, mean
