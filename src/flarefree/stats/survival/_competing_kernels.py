"""One pass through sorted rows: cumulative incidence by Aalen and Johansen, and Gray's test.

Rows come sorted by group (or stratum) and ascending time; causes are 0 (censored), 1, 2, ...
Formulas: docs/methods/survival_competing.md.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

__all__ = ["aalen_variances", "count_incidence", "sum_gray"]


@nb.njit(cache=True, error_model="numpy")
def count_incidence(
    time: Any, cause: Any, weight: Any, starts: Any, n_causes: Any, entry: Any, entry_order: Any
) -> Any:
    """Counts, incidences and their infinitesimal-jackknife variances at every distinct time.

    `entry` is by sorted row and `entry_order` the sorted rows of each group by ascending entry; both are
    empty without left truncation.

    Returns
    -------
    curve_starts (groups + 1,), scalars (k, 3): time, n_risk, n_censor; events, incidence and variance,
    each (k, n_causes).
    """
    n = time.size
    truncated = entry.size > 0
    curve_starts = np.zeros(starts.size, dtype=np.int64)
    scalars = np.zeros((n, 3))
    events = np.zeros((n, n_causes))
    incidence = np.zeros((n, n_causes))
    variance = np.zeros((n, n_causes))
    # For row i at risk since e: influence on F is  u_i + P - A_e F,  with u_i = A_e F(e) - P(e);
    # once it has left: a_i + q_i F.  Sums of squares of both kinds make the variance.
    a_entry = np.zeros(n)
    u_entry = np.zeros((n, n_causes))
    f = np.zeros(n_causes)
    p_sum = np.zeros(n_causes)
    k = 0
    for g in range(starts.size - 1):
        first, stop = starts[g], starts[g + 1]
        f[:] = 0.0
        p_sum[:] = 0.0
        a = 0.0
        survival = 1.0
        at_risk = 0.0
        w0 = 0.0
        wa = 0.0
        waa = 0.0
        wu = np.zeros(n_causes)
        wuu = np.zeros(n_causes)
        wua = np.zeros(n_causes)
        gone_aa = np.zeros(n_causes)
        gone_aq = np.zeros(n_causes)
        gone_qq = 0.0
        if not truncated:
            for i in range(first, stop):
                at_risk += weight[i]
                w0 += weight[i] * weight[i]
        entered = first
        i = first
        n_rows = 0 if truncated else stop - first
        while i < stop:
            t = time[i]
            if truncated:
                if n_rows == 0:
                    at_risk = 0.0
                while entered < stop and entry[entry_order[entered]] < t:
                    j = entry_order[entered]
                    w = weight[j] * weight[j]
                    at_risk += weight[j]
                    a_entry[j] = a
                    w0 += w
                    wa += w * a
                    waa += w * a * a
                    for c in range(n_causes):
                        u = a * f[c] - p_sum[c]
                        u_entry[j, c] = u
                        wu[c] += w * u
                        wuu[c] += w * u * u
                        wua[c] += w * u * a
                    entered += 1
                    n_rows += 1
            begin = i
            d = 0.0
            censored = 0.0
            for c in range(n_causes):
                events[k, c] = 0.0
            while i < stop and time[i] == t:
                if cause[i] > 0:
                    d += weight[i]
                    events[k, cause[i] - 1] += weight[i]
                else:
                    censored += weight[i]
                i += 1
            left = at_risk - d
            last = d > 0.0 and censored == 0.0 and n_rows == i - begin
            if d > 0.0:
                for c in range(n_causes):
                    h = events[k, c] / at_risk
                    p_sum[c] += survival * (a * h - h / at_risk)
                    f[c] += survival * h
            before = survival
            if d > 0.0:
                if last:
                    survival = 0.0
                else:
                    survival *= 1.0 - d / at_risk
                    a += d / (at_risk * left)
            for j in range(begin, i):
                w = weight[j] * weight[j]
                q = 0.0 if last else a - a_entry[j]
                if cause[j] > 0 and not last:
                    q -= 1.0 / left
                w0 -= w
                wa -= w * a_entry[j]
                waa -= w * a_entry[j] * a_entry[j]
                gone_qq += w * q * q
                for c in range(n_causes):
                    own = u_entry[j, c] + p_sum[c] - a_entry[j] * f[c]
                    if cause[j] == c + 1:
                        own += before / at_risk
                    rest = own - q * f[c]
                    gone_aa[c] += w * rest * rest
                    gone_aq[c] += w * rest * q
                    u = u_entry[j, c]
                    wu[c] -= w * u
                    wuu[c] -= w * u * u
                    wua[c] -= w * u * a_entry[j]
            for c in range(n_causes):
                fc = f[c]
                p = p_sum[c]
                staying = wuu[c] + w0 * p * p + waa * fc * fc + 2.0 * (wu[c] * p - wua[c] * fc - wa * p * fc)
                gone = gone_aa[c] + 2.0 * gone_aq[c] * fc + gone_qq * fc * fc
                incidence[k, c] = fc
                variance[k, c] = max(staying + gone, 0.0)
            scalars[k, 0] = t
            scalars[k, 1] = at_risk
            scalars[k, 2] = censored
            k += 1
            at_risk -= d + censored
            n_rows -= i - begin
        curve_starts[g + 1] = k
    return curve_starts, scalars[:k], events[:k], incidence[:k], variance[:k]


@nb.njit(cache=True, error_model="numpy")
def aalen_variances(curve_starts: Any, n_risk: Any, events: Any, incidence: Any) -> Any:
    """Aalen's variance of each incidence, with cmprsk's correction for ties: (k, n_causes).

    Var F = v1 + F^2 v3 - 2 F v2, sums over event times of squared weights (docs, eq. 5).
    """
    k_total, n_causes = events.shape
    variance = np.zeros((k_total, n_causes))
    for g in range(curve_starts.size - 1):
        for c in range(n_causes):
            v1 = 0.0
            v2 = 0.0
            v3 = 0.0
            survival = 1.0
            for k in range(curve_starts[g], curve_starts[g + 1]):
                n = n_risk[k]
                own = events[k, c]
                d = 0.0
                for b in range(n_causes):
                    d += events[k, b]
                other = d - own
                f = incidence[k, c]
                after = survival * (n - d) / n
                if other > 0.0 and after > 0.0:
                    tied = 1.0 - (other - 1.0) / (n - 1.0) if other > 1.0 else 1.0
                    x = survival * survival * tied * other / (n * n)
                    v1 += x * (f / after) ** 2
                    v2 += x * f / (after * after)
                    v3 += x / (after * after)
                if own > 0.0:
                    tied = 1.0 - (own - 1.0) / (n - 1.0) if own > 1.0 else 1.0
                    x = survival * survival * tied * own / (n * n)
                    inverse = 1.0 / after if after > 0.0 else 0.0
                    y = 1.0 + inverse * f
                    v1 += x * y * y
                    v2 += x * y * inverse
                    v3 += x * inverse * inverse
                variance[k, c] = max(v1 + f * f * v3 - 2.0 * f * v2, 0.0)
                survival = after
    return variance


@nb.njit(cache=True, error_model="numpy")
def sum_gray(time: Any, cause: Any, group: Any, n_groups: Any, starts: Any, interest: Any, rho: Any) -> Any:
    """Gray's scores (n_groups,) and their covariance for one cause, summed over strata.

    Letters as in [gray1988]: h_k = Y_k / S_k(t-), R_k = h_k (1 - F_k(t-)), weight (1 - F(t-))^rho.
    """
    total_score = np.zeros(n_groups)
    total_v = np.zeros((n_groups, n_groups))
    y = np.zeros(n_groups)
    d1 = np.zeros(n_groups)
    d2 = np.zeros(n_groups)
    gone = np.zeros(n_groups)
    a = np.zeros((n_groups, n_groups))
    for stratum in range(starts.size - 1):
        y[:] = 0.0
        for i in range(starts[stratum], starts[stratum + 1]):
            y[group[i]] += 1.0
        s_before = np.ones(n_groups)
        f_before = np.zeros(n_groups)
        s_after = np.ones(n_groups)
        f_after = np.zeros(n_groups)
        c = np.zeros((n_groups, n_groups))
        v = np.zeros((n_groups, n_groups))
        v2 = np.zeros((n_groups, n_groups))
        v3 = np.zeros(n_groups)
        pooled = 0.0
        i = starts[stratum]
        while i < starts[stratum + 1]:
            t = time[i]
            d1[:] = 0.0
            d2[:] = 0.0
            gone[:] = 0.0
            while i < starts[stratum + 1] and time[i] == t:
                g = group[i]
                gone[g] += 1.0
                if cause[i] == interest:
                    d1[g] += 1.0
                elif cause[i] > 0:
                    d2[g] += 1.0
                i += 1
            n1 = d1.sum()
            if n1 + d2.sum() > 0.0:
                h_sum = 0.0
                r_sum = 0.0
                for k in range(n_groups):
                    if y[k] > 0.0:
                        s_after[k] = s_before[k] * (y[k] - d1[k] - d2[k]) / y[k]
                        f_after[k] = f_before[k] + s_before[k] * d1[k] / y[k]
                        h_sum += y[k] / s_before[k]
                        r_sum += y[k] * (1.0 - f_before[k]) / s_before[k]
                pooled_after = pooled + n1 / h_sum
                w = (1.0 - pooled) ** rho
                for k in range(n_groups):
                    h = y[k] / s_before[k] if y[k] > 0.0 else 0.0
                    for m in range(n_groups):
                        hm = y[m] / s_before[m] if y[m] > 0.0 else 0.0
                        a[k, m] = w * h * ((1.0 if k == m else 0.0) - hm / h_sum)
                        c[k, m] += a[k, m] * n1 / (h_sum * (1.0 - pooled))
                    if y[k] > 0.0:
                        total_score[k] += w * (d1[k] - n1 * h * (1.0 - f_before[k]) / r_sum)
                if n1 > 0.0:
                    for k in range(n_groups):
                        if y[k] <= 0.0:
                            continue
                        x = 1.0 - (1.0 - pooled_after) / s_after[k] if s_after[k] > 0.0 else 1.0
                        tied = 1.0 - (n1 - 1.0) / (h_sum * s_before[k] - 1.0) if n1 > 1.0 else 1.0
                        z = tied * s_before[k] * n1 / (h_sum * y[k])
                        v3[k] += x * x * z
                        for g in range(n_groups):
                            u = a[g, k] - x * c[g, k]
                            v2[g, k] += u * x * z
                            for m in range(n_groups):
                                v[g, m] += u * (a[m, k] - x * c[m, k]) * z
                for k in range(n_groups):
                    if d2[k] <= 0.0 or s_after[k] <= 0.0:
                        continue
                    x = (1.0 - pooled_after) / s_after[k]
                    tied = 1.0 - (d2[k] - 1.0) / (y[k] - 1.0) if d2[k] > 1.0 else 1.0
                    z = tied * s_before[k] * s_before[k] * d2[k] / (y[k] * y[k])
                    v3[k] += x * x * z
                    for g in range(n_groups):
                        u = x * c[g, k]
                        v2[g, k] -= u * x * z
                        for m in range(n_groups):
                            v[g, m] += u * x * c[m, k] * z
                pooled = pooled_after
            for k in range(n_groups):
                y[k] -= gone[k]
                s_before[k] = s_after[k]
                f_before[k] = f_after[k]
        for g in range(n_groups):
            for m in range(n_groups):
                total_v[g, m] += v[g, m]
                for k in range(n_groups):
                    total_v[g, m] += c[g, k] * c[m, k] * v3[k] + c[g, k] * v2[m, k] + c[m, k] * v2[g, k]
    return total_score, total_v
