"""Two-arm trials, a tile at a time: sorted rows to log-rank tests and hazard ratios, and these to tallies.

Each step is done for a group of trials before the next: a trial's own steps wait on one another, those of
different trials do not.  Nothing is carried from one trial to the next.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from flarefree.simulation._random_kernels import exp, log
from flarefree.simulation._two_arm_draws import LANES

__all__ = ["FIXED_POINT", "fit_tile", "tally_tile"]

GROUP = 16  # trials analyzed together
ENOUGH = 2e-4  # a step of fourth order this short leaves less than 1e-15
REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums may be taken in another order
FIXED_POINT = 2.0**32


@nb.njit(error_model="numpy", fastmath=REASSOCIATE)
def _power_sums(one: Any, g: Any, both: Any, b: Any, m: Any, theta: Any) -> Any:
    """Sums over failures of the treatment group's share of the risk, of its square, cube and fourth power."""
    s1 = 0.0
    s2 = 0.0
    s3 = 0.0
    s4 = 0.0
    for j in range(m):
        risk = float(one[g, j]) * theta
        share = risk / (float(both[b, j] - one[g, j]) + risk)
        square = share * share
        s1 += share
        s2 += square
        s3 += share * square
        s4 += square * square
    return s1, s2, s3, s4


@nb.njit(error_model="numpy")
def _risk_sets(rows: Any, i: Any, m: Any, n: Any, plain: Any, one: Any, g: Any, both: Any, b: Any) -> Any:
    """Numbers at risk at each failure while both arms have any; where `plain`, `both` is there already.

    Gives how many such failures there are, how many of these and of all failures the treatment arm had,
    and all failures.
    """
    left = n
    e = 0
    treated = 0
    if plain:
        for j in range(m):
            one[g, j] = np.int32(left)
            left -= rows[i, j] & 1
        e = m
        treated = n - left
    else:
        for j in range(m):
            bits = rows[i, j]
            one[g, e] = np.int32(left)
            both[b, e] = np.int32(2 * n - j)
            event = 1 - ((bits >> 1) & 1)
            e += event  # the place is written again unless this row is a failure
            treated += event & bits
            left -= bits & 1
    failures = e
    mine = treated
    if left == 0 or 2 * n - m - left == 0:  # an arm has been emptied: what came later tells nothing
        while e > 0 and (one[g, e - 1] == 0 or one[g, e - 1] == both[b, e - 1]):
            e -= 1
            mine -= one[g, e] > 0
    for j in range(e, e + LANES):
        one[g, j] = 0
    if not plain:
        for j in range(e, e + LANES):
            both[b, j] = 1
    return e, mine, treated, failures


@nb.njit(error_model="numpy")
def _is_plain(rows: Any, i: Any, m: Any) -> Any:
    """Whether all rows are failures, as where nobody drops out: then `both` counts down from 2 n."""
    censored = 0
    for j in range(m):
        censored += rows[i, j] & 2
    return censored == 0


@nb.njit(inline="always")
def _step(o: Any, d: Any, s1: Any, s2: Any, s3: Any, s4: Any) -> Any:
    """Step towards the root of logit(E(beta) / d) = logit(o / d), of fourth order, and the information there.

    E is the expected number of failures of the treatment arm.  Were its share of the risk the same at all
    failures, logit(E / d) would be a straight line in beta; it nearly is, so that a step goes far.
    """
    e1 = s1 - s2  # derivatives of E
    e2 = s1 - 3.0 * s2 + 2.0 * s3
    e3 = e1 - 6.0 * (s2 - 2.0 * s3 + s4)
    q = s1 / d
    w = s1 * (1.0 - q)
    w1 = e1 * (1.0 - 2.0 * q)
    w2 = e2 * (1.0 - 2.0 * q) - 2.0 * e1 * e1 / d
    g1 = e1 / w  # derivatives of logit(E / d)
    g2 = (e2 - w1 * g1) / w
    g3 = (e3 - 2.0 * w1 * g2 - w2 * g1) / w
    gap = log(o * (d - s1) / ((d - o) * s1))
    step = gap / g1
    step = gap / (g1 + 0.5 * g2 * step)
    step = gap / (g1 + step * (0.5 * g2 + step * g3 / 6.0))
    return step, e1 + step * (e2 + 0.5 * step * e3)


@nb.njit(error_model="numpy")
def _careful(o: Any, one: Any, g: Any, both: Any, b: Any, m: Any) -> Any:
    """Newton's steps held in a bracket: the score falls with beta, so halving what is left always ends."""
    beta = 0.0
    low = -40.0
    high = 40.0
    information = 0.0
    for _ in range(200):
        s1, s2, _, _ = _power_sums(one, g, both, b, m, exp(beta))
        score = o - s1
        information = s1 - s2
        if score > 0.0:
            low = beta
        else:
            high = beta
        step = score / information
        if abs(step) < 1e-12:
            return beta + step, information
        beta += step
        if not low < beta < high:
            beta = 0.5 * (low + high)
    return beta, information


@nb.njit(cache=True, error_model="numpy", nogil=True)
def fit_tile(rows: Any, count: Any, n: Any, out: Any, failures: Any) -> Any:
    """Sorted rows to log-rank z, log hazard ratio and its error (trials, 3), and failures by arm (trials, 2).

    NaN where no failure had both arms at risk; an infinite log hazard ratio where those were all in one arm.
    """
    width = rows.shape[1] + LANES
    one = np.empty((GROUP, width), np.int32)
    both = np.empty((GROUP + 1, width), np.int32)
    both[GROUP] = np.maximum(2 * n - np.arange(width), 1)
    place = np.empty(GROUP, np.int64)
    told = np.empty(GROUP, np.int64)
    mine = np.empty(GROUP)
    sums = np.empty((GROUP, 4))
    beta = np.empty(GROUP)
    theta = np.empty(GROUP)
    step = np.empty(GROUP)
    information = np.empty(GROUP)
    for start in range(0, count.size, GROUP):
        size = min(GROUP, count.size - start)
        for g in range(size):
            i = start + g
            plain = _is_plain(rows, i, count[i])
            place[g] = GROUP if plain else g
            e, o, treated, all_failures = _risk_sets(rows, i, count[i], n, plain, one, g, both, place[g])
            told[g] = e
            mine[g] = o
            failures[i, 0] = all_failures - treated
            failures[i, 1] = treated
        for g in range(size):
            full = -(-told[g] // LANES) * LANES
            sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3] = _power_sums(one, g, both, place[g], full, 1.0)
        for g in range(size):
            s1, s2, s3, s4 = sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3]
            out[start + g, 0] = (mine[g] - s1) / np.sqrt(s1 - s2)
            step[g], information[g] = _step(mine[g], float(told[g]), s1, s2, s3, s4)
            beta[g] = step[g] if abs(step[g]) < 40.0 else 0.0  # not so where a careful fit will be asked for
            theta[g] = exp(beta[g])
        for g in range(size):
            full = -(-told[g] // LANES) * LANES
            sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3] = _power_sums(
                one, g, both, place[g], full, theta[g]
            )
        for g in range(size):
            step[g], information[g] = _step(
                mine[g], float(told[g]), sums[g, 0], sums[g, 1], sums[g, 2], sums[g, 3]
            )
            out[start + g, 1] = beta[g] + step[g]
            out[start + g, 2] = 1.0 / np.sqrt(information[g])
        for g in range(size):
            i = start + g
            if told[g] == 0:
                out[i, :] = np.nan
            elif mine[g] == 0 or mine[g] == told[g]:
                out[i, 1] = -np.inf if mine[g] == 0 else np.inf
                out[i, 2] = np.inf
            elif not abs(step[g]) < ENOUGH:
                full = -(-told[g] // LANES) * LANES
                out[i, 1], found = _careful(mine[g], one, g, both, place[g], full)
                out[i, 2] = 1.0 / np.sqrt(found)


@nb.njit(error_model="numpy")
def _bin(value: Any, half: Any, bins: Any) -> Any:
    place = int(np.floor((value + half) * (0.5 * bins / half)))
    return min(max(place, 0), bins - 1)


@nb.njit(cache=True, error_model="numpy", nogil=True)
def tally_tile(
    out: Any, failures: Any, critical: Any, halves: Any, totals: Any, squares: Any, extremes: Any,
    histograms: Any, events: Any, counts: Any,
) -> Any:  # fmt: skip
    """Add trials to whole-number tallies, which come out the same in any order.

    `totals`, `squares`: z and log hazard ratio in units of 2^-32, from zero; `extremes` (2, 2); `histograms`
    (2, bins); `events` (3, 2 n + 1) of control, treatment and both; `counts`: rejected, of these in favor of
    treatment, z undefined, log hazard ratio infinite.
    """
    bins = histograms.shape[1]
    for i in range(out.shape[0]):
        c, t = failures[i, 0], failures[i, 1]
        events[0, c] += 1
        events[1, t] += 1
        events[2, c + t] += 1
        if np.isnan(out[i, 0]):
            counts[2] += 1
            continue
        rejected = abs(out[i, 0]) >= critical
        counts[0] += rejected
        counts[1] += rejected and out[i, 0] < 0.0
        for k in range(2):
            value = out[i, k]
            if np.isinf(value):
                counts[3] += 1
                continue
            totals[k] += np.int64(np.rint(value * FIXED_POINT))
            squares[k] += np.int64(np.rint(value * value * FIXED_POINT))
            extremes[k, 0] = min(extremes[k, 0], value)
            extremes[k, 1] = max(extremes[k, 1], value)
            histograms[k, _bin(value, halves[k], bins)] += 1
