"""One pass through rows sorted by stratum and time: weighted log-rank sums for any number of groups."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["sum_logrank"]


@nb.njit(cache=True, error_model="numpy")
def sum_logrank(time: Any, event: Any, group: Any, n_groups: Any, starts: Any, rho: Any, gamma: Any) -> Any:
    """Observed, expected and their variance under one common hazard, stratum by stratum.

    Parameters
    ----------
    time, event, group : (n,)
        Sorted by stratum, then by ascending time; groups are 0, 1, ...
    n_groups : int
        How many groups.
    starts : (strata + 1,)
        Where each stratum starts.
    rho, gamma : float
        Weight S(t-)^rho (1 - S(t-))^gamma with the stratum's pooled Kaplan-Meier curve.

    Returns
    -------
    observed, expected : (strata, groups); variance : (groups, groups), summed over strata.
    """
    strata = starts.size - 1
    observed = np.zeros((strata, n_groups))
    expected = np.zeros((strata, n_groups))
    variance = np.zeros((n_groups, n_groups))
    at_risk = np.zeros(n_groups)
    ending = np.zeros(n_groups)
    weighted = rho != 0.0 or gamma != 0.0
    for s in range(strata):
        at_risk[:] = 0.0
        for i in range(starts[s], starts[s + 1]):
            at_risk[group[i]] += 1.0
        n = float(starts[s + 1] - starts[s])
        survival = 1.0
        i = starts[s]
        while i < starts[s + 1]:
            t = time[i]
            d = 0.0
            w = 1.0
            if weighted:
                w = survival**rho * (1.0 - survival) ** gamma
            ended = 0
            while i < starts[s + 1] and time[i] == t:
                g = group[i]
                if event[i]:
                    d += 1.0
                    observed[s, g] += w
                ending[g] += 1.0
                ended += 1
                i += 1
            if d > 0.0:
                for a in range(n_groups):
                    expected[s, a] += w * d * at_risk[a] / n
                if n > 1.0:
                    c = w * w * d * (n - d) / (n - 1.0)
                    for a in range(n_groups):
                        p = at_risk[a] / n
                        variance[a, a] += c * p * (1.0 - p)
                        for b in range(a):
                            variance[a, b] -= c * p * at_risk[b] / n
                survival *= 1.0 - d / n
            for a in range(n_groups):
                at_risk[a] -= ending[a]
                ending[a] = 0.0
            n -= ended
    for a in range(n_groups):
        for b in range(a):
            variance[b, a] = variance[a, b]
    return observed, expected, variance
