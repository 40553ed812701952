"""One pass through sorted rows: Kaplan-Meier and Nelson-Aalen with their variances.

Rows come sorted by group and ascending time; intervals are (entry, time].  At a tied time events come
before censorings.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["count_curves", "robust_variances"]


def count_curves(
    time: Any, event: Any, weight: Any, starts: Any, entry: Any, entry_weight: Any
) -> tuple[Any, Any]:
    """Counts and estimates at every distinct time of each group.

    Parameters
    ----------
    time, event, weight : (n,)
        Sorted by group, then by ascending time.
    starts : (groups + 1,)
        Where each group starts.
    entry, entry_weight : (n,) or (0,)
        Times of entry sorted by group and ascending entry, each with its row's weight; empty where
        everybody is at risk from the beginning.

    Returns
    -------
    curve_starts : (groups + 1,), and per distinct time: time, n_risk, n_event, n_censor, survival,
    greenwood (sum of d / (n (n - d))), cumulative hazard (sum of d / n), its variance (sum of d / n^2).
    """
    out = np.empty((8, time.size))
    curve_starts = _count_curves(time, event, weight, starts, entry, entry_weight, out)
    return curve_starts, out[:, : curve_starts[-1]]


@nb.njit(cache=True, error_model="numpy")
def _count_curves(
    time: Any, event: Any, weight: Any, starts: Any, entry: Any, entry_weight: Any, out: Any
) -> Any:
    """Fill `out` (8, n) as `count_curves` says; where each curve starts in it."""
    groups = starts.size - 1
    curve_starts = np.zeros(groups + 1, dtype=np.int64)
    has_entry = entry.size > 0
    k = 0
    for g in range(groups):
        at_risk = 0.0
        if not has_entry:
            for i in range(starts[g], starts[g + 1]):
                at_risk += weight[i]
        survival = 1.0
        greenwood = 0.0
        hazard = 0.0
        hazard_variance = 0.0
        entered = starts[g]
        i = starts[g]
        n_rows_at_risk = 0 if has_entry else starts[g + 1] - starts[g]
        while i < starts[g + 1]:
            t = time[i]
            if has_entry:
                if n_rows_at_risk == 0:
                    at_risk = 0.0  # nothing of the rounding of earlier sums is carried over
                while entered < starts[g + 1] and entry[entered] < t:
                    at_risk += entry_weight[entered]
                    entered += 1
                    n_rows_at_risk += 1
            d = 0.0
            c = 0.0
            ended = 0
            while i < starts[g + 1] and time[i] == t:
                if event[i]:
                    d += weight[i]
                else:
                    c += weight[i]
                ended += 1
                i += 1
            if d > 0.0:
                if n_rows_at_risk == ended and c == 0.0:
                    survival = 0.0  # everybody left had the event: exactly zero
                    greenwood = np.inf
                else:
                    survival *= 1.0 - d / at_risk
                    greenwood += d / (at_risk * (at_risk - d))
                hazard += d / at_risk
                hazard_variance += d / (at_risk * at_risk)
            out[0, k] = t
            out[1, k] = at_risk
            out[2, k] = d
            out[3, k] = c
            out[4, k] = survival
            out[5, k] = greenwood
            out[6, k] = hazard
            out[7, k] = hazard_variance
            k += 1
            at_risk -= d + c
            n_rows_at_risk -= ended
        curve_starts[g + 1] = k
    return curve_starts


@nb.njit(cache=True, error_model="numpy")
def robust_variances(
    time: Any,
    event: Any,
    weight: Any,
    starts: Any,
    entry_order: Any,
    entry: Any,
    curve_starts: Any,
    n_risk: Any,
    n_event: Any,
) -> Any:
    """Infinitesimal-jackknife variances of log survival and of the cumulative hazard, each (k,).

    Row i moves log S(t) by w_i (A(min(t, t_i)) - A(entry_i) - [event by t] / (n - d)), where
    A(t) sums d / (n (n - d)); the hazard likewise with d / n^2 and 1 / n.  `entry_order` holds places
    in the sorted rows by ascending entry (empty without entry); `entry` is by sorted row.
    """
    size = n_risk.size
    of_log = np.empty(size)
    of_hazard = np.empty(size)
    has_entry = entry_order.size > 0
    a_entry = np.zeros(time.size)
    b_entry = np.zeros(time.size)
    for g in range(starts.size - 1):
        a = 0.0
        b = 0.0
        gone_a = 0.0  # squares of those who have left
        gone_b = 0.0
        w0 = 0.0  # of those at risk: sums of w^2, w^2 A(entry), w^2 A(entry)^2
        wa1 = 0.0
        wa2 = 0.0
        wb1 = 0.0
        wb2 = 0.0
        if not has_entry:
            for i in range(starts[g], starts[g + 1]):
                w0 += weight[i] * weight[i]
        entered = starts[g]
        i = starts[g]
        for k in range(curve_starts[g], curve_starts[g + 1]):
            t = time[i]
            if has_entry:
                while entered < starts[g + 1] and entry[entry_order[entered]] < t:
                    row = entry_order[entered]
                    w = weight[row] * weight[row]
                    a_entry[row] = a
                    b_entry[row] = b
                    w0 += w
                    wa1 += w * a
                    wa2 += w * a * a
                    wb1 += w * b
                    wb2 += w * b * b
                    entered += 1
            n = n_risk[k]
            d = n_event[k]
            left = n - d
            if d > 0.0:
                a += d / (n * left) if left > 0.0 else np.inf
                b += d / (n * n)
            while i < starts[g + 1] and time[i] == t:
                w = weight[i] * weight[i]
                u = a - a_entry[i]
                v = b - b_entry[i]
                if event[i]:
                    u -= 1.0 / left if left > 0.0 else np.inf
                    v -= 1.0 / n
                gone_a += w * u * u
                gone_b += w * v * v
                w0 -= w
                wa1 -= w * a_entry[i]
                wa2 -= w * a_entry[i] * a_entry[i]
                wb1 -= w * b_entry[i]
                wb2 -= w * b_entry[i] * b_entry[i]
                i += 1
            of_log[k] = max(gone_a + w0 * a * a - 2.0 * a * wa1 + wa2, 0.0)
            of_hazard[k] = max(gone_b + w0 * b * b - 2.0 * b * wb1 + wb2, 0.0)
    return of_log, of_hazard
