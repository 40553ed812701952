"""The partial likelihood with one random effect a group, its gradient, and its information in blocks.

Rows as in `_cox_kernels`; group columns are never laid out: each row belongs to one group.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.stats.survival._cox_kernels import tied_sums

__all__ = ["frailty_likelihood", "frailty_shares", "gram", "log_determinant"]


@nb.njit(cache=True, error_model="numpy")
def frailty_likelihood(
    time: Any,
    event: Any,
    weight: Any,
    eta: Any,
    risk: Any,
    x: Any,
    group: Any,
    n_groups: Any,
    starts: Any,
    entry: Any,
    entry_order: Any,
    efron: Any,
) -> Any:
    """Log partial likelihood, score and information for (group effects, covariates).

    Returns
    -------
    loglik : float
    score : (groups + p,)
    block : (groups, 1), the diagonal only
    cross : (groups, p)
    corner : (p, p)
    """
    p = x.shape[1]
    loglik = 0.0
    score = np.zeros(n_groups + p)
    block = np.zeros((n_groups, 1))
    cross = np.zeros((n_groups, p))
    corner = np.zeros((p, p))
    g0 = np.zeros(n_groups)  # risk by group, and its covariate sums
    g1 = np.zeros((n_groups, p))
    g0d = np.zeros(n_groups)
    g1d = np.zeros((n_groups, p))
    s1 = np.zeros(p)
    s2 = np.zeros((p, p))
    s1d = np.zeros(p)
    s2d = np.zeros((p, p))
    truncated = entry.size > 0
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        g0[:] = 0.0
        g1[:] = 0.0
        s0 = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        peak = 0.0
        i = starts[stratum + 1] - 1
        leaving = i
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            s0d = 0.0
            last = i
            while i >= first and time[i] == t:
                r = risk[i]
                g = group[i]
                s0 += r
                g0[g] += r
                for a in range(p):
                    ra = r * x[i, a]
                    s1[a] += ra
                    g1[g, a] += ra
                    for b in range(a + 1):
                        s2[a, b] += ra * x[i, b]
                if event[i]:
                    deaths += 1
                i -= 1
            if deaths == 0:
                continue
            if truncated:
                peak = max(peak, s0)
                while leaving >= first and entry[entry_order[leaving]] >= t:
                    j = entry_order[leaving]
                    r = risk[j]
                    g = group[j]
                    s0 -= r
                    g0[g] -= r
                    for a in range(p):
                        ra = r * x[j, a]
                        s1[a] -= ra
                        g1[g, a] -= ra
                        for b in range(a + 1):
                            s2[a, b] -= ra * x[j, b]
                    leaving -= 1
                if s0 < 1e-7 * peak:
                    s0 = 0.0
                    s1[:] = 0.0
                    s2[:] = 0.0
                    g0[:] = 0.0
                    g1[:] = 0.0
                    for j in range(i + 1, starts[stratum + 1]):
                        if entry[j] < t:
                            r = risk[j]
                            g = group[j]
                            s0 += r
                            g0[g] += r
                            for a in range(p):
                                ra = r * x[j, a]
                                s1[a] += ra
                                g1[g, a] += ra
                                for b in range(a + 1):
                                    s2[a, b] += ra * x[j, b]
                    peak = s0
            s1d[:] = 0.0
            s2d[:] = 0.0
            for j in range(i + 1, last + 1):
                if not event[j]:
                    continue
                w = weight[j]
                g = group[j]
                r = risk[j]
                wd += w
                s0d += r
                loglik += w * eta[j]
                score[g] += w
                for a in range(p):
                    score[n_groups + a] += w * x[j, a]
                if deaths > 1:
                    g0d[g] += r
                    for a in range(p):
                        ra = r * x[j, a]
                        s1d[a] += ra
                        g1d[g, a] += ra
                        for b in range(a + 1):
                            s2d[a, b] += ra * x[j, b]
            if wd > 0.0:
                log_sum, q0, q1, q00, q01, q11 = tied_sums(s0, s0d, deaths, efron)
                w = wd / deaths
                loglik -= w * log_sum
                for a in range(p):
                    score[n_groups + a] -= w * (s1[a] * q0 - s1d[a] * q1)
                    for b in range(a + 1):
                        corner[a, b] += w * (
                            s2[a, b] * q0
                            - s2d[a, b] * q1
                            - s1[a] * s1[b] * q00
                            + (s1[a] * s1d[b] + s1d[a] * s1[b]) * q01
                            - s1d[a] * s1d[b] * q11
                        )
                for g in range(n_groups):
                    r = g0[g]
                    if r == 0.0:
                        continue
                    rd = g0d[g]
                    mean = r * q0 - rd * q1
                    score[g] -= w * mean
                    own = r * q00 - rd * q01
                    tied = r * q01 - rd * q11
                    for a in range(p):
                        cross[g, a] += w * (g1[g, a] * q0 - g1d[g, a] * q1 - own * s1[a] + tied * s1d[a])
                    block[g, 0] += w * (mean - own * r + tied * rd)
            if deaths > 1:
                for j in range(i + 1, last + 1):
                    g0d[group[j]] = 0.0
                    g1d[group[j]] = 0.0
    for a in range(p):
        for b in range(a):
            corner[b, a] = corner[a, b]
    return loglik, score, block, cross, corner


@nb.njit(cache=True, error_model="numpy")
def frailty_shares(
    time: Any,
    event: Any,
    weight: Any,
    eta: Any,
    risk: Any,
    x: Any,
    group: Any,
    n_groups: Any,
    starts: Any,
    entry: Any,
    entry_order: Any,
    efron: Any,
    table: Any,
    roots: Any,
) -> Any:
    """The same with one row an event: each group's share of the risk, and the mean covariates.

    Fills `table` (groups + p, events): shares, then means, times the root of the event's weight, which goes
    to `roots` (events,).  The information is then made of products of the table's rows (`gram`).

    Returns
    -------
    loglik, covariates' score (p,), and uncentered second moments: cross (groups, p), corner (p, p; lower).
    """
    p = x.shape[1]
    loglik = 0.0
    score = np.zeros(p)
    cross = np.zeros((n_groups, p))
    corner = np.zeros((p, p))
    g0 = np.zeros(n_groups)
    g1 = np.zeros((p, n_groups))
    g0d = np.zeros(n_groups)
    g1d = np.zeros((p, n_groups))
    across = np.zeros((p, n_groups))
    s1 = np.zeros(p)
    s2 = np.zeros((p, p))
    s1d = np.zeros(p)
    s2d = np.zeros((p, p))
    truncated = entry.size > 0
    row = 0
    for stratum in range(starts.size - 1):
        first = starts[stratum]
        g0[:] = 0.0
        g1[:] = 0.0
        s0 = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        peak = 0.0
        i = starts[stratum + 1] - 1
        leaving = i
        while i >= first:
            t = time[i]
            deaths = 0
            wd = 0.0
            s0d = 0.0
            last = i
            while i >= first and time[i] == t:
                r = risk[i]
                s0 += r
                g0[group[i]] += r
                for a in range(p):
                    ra = r * x[i, a]
                    s1[a] += ra
                    g1[a, group[i]] += ra
                    for b in range(a + 1):
                        s2[a, b] += ra * x[i, b]
                deaths += 1 if event[i] else 0
                i -= 1
            if deaths == 0:
                continue
            if truncated:
                peak = max(peak, s0)
                while leaving >= first and entry[entry_order[leaving]] >= t:
                    j = entry_order[leaving]
                    r = risk[j]
                    s0 -= r
                    g0[group[j]] -= r
                    for a in range(p):
                        ra = r * x[j, a]
                        s1[a] -= ra
                        g1[a, group[j]] -= ra
                        for b in range(a + 1):
                            s2[a, b] -= ra * x[j, b]
                    leaving -= 1
                if s0 < 1e-7 * peak:
                    s0 = 0.0
                    s1[:] = 0.0
                    s2[:] = 0.0
                    g0[:] = 0.0
                    g1[:] = 0.0
                    for j in range(i + 1, starts[stratum + 1]):
                        if entry[j] < t:
                            r = risk[j]
                            s0 += r
                            g0[group[j]] += r
                            for a in range(p):
                                ra = r * x[j, a]
                                s1[a] += ra
                                g1[a, group[j]] += ra
                                for b in range(a + 1):
                                    s2[a, b] += ra * x[j, b]
                    peak = s0
            s1d[:] = 0.0
            s2d[:] = 0.0
            for j in range(i + 1, last + 1):
                if event[j]:
                    r = risk[j]
                    wd += weight[j]
                    s0d += r
                    loglik += weight[j] * eta[j]
                    for a in range(p):
                        score[a] += weight[j] * x[j, a]
                    if deaths > 1:
                        g0d[group[j]] += r
                        for a in range(p):
                            ra = r * x[j, a]
                            s1d[a] += ra
                            g1d[a, group[j]] += ra
                            for b in range(a + 1):
                                s2d[a, b] += ra * x[j, b]
            w = wd / deaths
            root = np.sqrt(w)
            for k in range(deaths):
                f = k / deaths if efron else 0.0
                total = s0 - f * s0d
                inverse = root / total
                loglik -= w * np.log(total)
                roots[row] = root
                for g in range(n_groups):
                    table[g, row] = (g0[g] - f * g0d[g]) * inverse
                for a in range(p):
                    mean = (s1[a] - f * s1d[a]) * inverse
                    table[n_groups + a, row] = mean
                    score[a] -= root * mean
                    for b in range(a + 1):
                        corner[a, b] += root * inverse * (s2[a, b] - f * s2d[a, b])
                    for g in range(n_groups):
                        across[a, g] += root * inverse * (g1[a, g] - f * g1d[a, g])
                row += 1
            if deaths > 1:
                for j in range(i + 1, last + 1):
                    g0d[group[j]] = 0.0
                    g1d[:, group[j]] = 0.0
    for a in range(p):
        for g in range(n_groups):
            cross[g, a] = across[a, g]
    return loglik, score, cross, corner


@nb.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def gram(table: Any, roots: Any) -> Any:
    """Products of all pairs of rows, (m, m), and of each row with `roots`; on one core whatever BLAS does."""
    m, n = table.shape
    products = np.empty((m, m))
    sums = np.empty(m)
    for a in range(m):
        total = 0.0
        for k in range(n):
            total += table[a, k] * roots[k]
        sums[a] = total
        for b in range(a + 1):
            total = 0.0
            for k in range(n):
                total += table[a, k] * table[b, k]
            products[a, b] = total
            products[b, a] = total
    return products, sums


@nb.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def log_determinant(matrix: Any) -> Any:
    """Log determinant of a positive definite matrix by Cholesky, on one core; NaN if it is not."""
    n = matrix.shape[0]
    lower = np.empty((n, n))
    total = 0.0
    for a in range(n):
        for b in range(a + 1):
            rest = matrix[a, b]
            for k in range(b):
                rest -= lower[a, k] * lower[b, k]
            if a == b:
                if not rest > 0.0:
                    return np.nan
                lower[a, a] = np.sqrt(rest)
                total += np.log(rest)
            else:
                lower[a, b] = rest / lower[b, b]
    return total
