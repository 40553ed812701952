"""`partial_likelihood` for many rows without left truncation, compiled for each number of covariates.

With the number known, the loops over covariates unroll and vectorize: two to four times faster than the
general kernel from some ten thousand rows on, and not worth its compilation for fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba as nb
import numpy as np

from flarefree.stats.survival._cox_kernels import tied_sums

__all__ = ["MAX_COVARIATES", "WORTHWHILE_ROWS", "wide_likelihood"]

MAX_COVARIATES = 8
WORTHWHILE_ROWS = 20_000
REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums may be taken in another order; NaN keeps its meaning


@cache
def wide_likelihood(p: int) -> Callable[..., Any]:
    """The kernel for `p` covariates: log likelihood, score (p,), lower triangle of the information (p, p)."""

    @nb.njit(cache=True, error_model="numpy", fastmath=REASSOCIATE)
    def kernel(
        time: Any, event: Any, weight: Any, eta: Any, risk: Any, x: Any, starts: Any, efron: Any
    ) -> Any:
        loglik = 0.0
        product = 1.0
        score = np.zeros(p)
        information = np.zeros((p, p))
        s1 = np.zeros(p)
        s2 = np.zeros((p, p))
        s1d = np.zeros(p)
        s2d = np.zeros((p, p))
        for stratum in range(starts.size - 1):
            first = starts[stratum]
            s0 = 0.0
            s1[:] = 0.0
            s2[:] = 0.0
            i = starts[stratum + 1] - 1
            while i >= first:
                t = time[i]
                last = i
                deaths = 0
                while True:
                    r = risk[i]
                    s0 += r
                    for a in range(p):
                        ra = r * x[i, a]
                        s1[a] += ra
                        for b in range(a + 1):
                            s2[a, b] += ra * x[i, b]
                    deaths += 1 if event[i] else 0
                    i -= 1
                    if i < first or time[i] != t:
                        break
                if deaths == 0:
                    continue
                if deaths == 1 and last == i + 1:
                    w = weight[last]
                    q = 1.0 / s0
                    loglik += w * eta[last]
                    if w == 1.0:  # one logarithm for dozens of factors
                        product *= s0
                        if product > 1e200 or product < 1e-200:
                            loglik -= np.log(product)
                            product = 1.0
                    else:
                        loglik -= w * np.log(s0)
                    for a in range(p):
                        mean = s1[a] * q
                        score[a] += w * (x[last, a] - mean)
                        for b in range(a + 1):
                            information[a, b] += w * (s2[a, b] * q - mean * (s1[b] * q))
                    continue
                s0d = 0.0
                wd = 0.0
                s1d[:] = 0.0
                s2d[:] = 0.0
                for j in range(i + 1, last + 1):
                    if not event[j]:
                        continue
                    w = weight[j]
                    r = risk[j]
                    wd += w
                    s0d += r
                    loglik += w * eta[j]
                    for a in range(p):
                        score[a] += w * x[j, a]
                        ra = r * x[j, a]
                        s1d[a] += ra
                        for b in range(a + 1):
                            s2d[a, b] += ra * x[j, b]
                log_sum, q0, q1, q00, q01, q11 = tied_sums(s0, s0d, deaths, efron)
                w = wd / deaths
                loglik -= w * log_sum
                for a in range(p):
                    score[a] -= w * (s1[a] * q0 - s1d[a] * q1)
                    for b in range(a + 1):
                        information[a, b] += w * (
                            s2[a, b] * q0
                            - s2d[a, b] * q1
                            - s1[a] * s1[b] * q00
                            + (s1[a] * s1d[b] + s1d[a] * s1[b]) * q01
                            - s1d[a] * s1d[b] * q11
                        )
        return loglik - np.log(product), score, information

    return kernel
