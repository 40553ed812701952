"""Events of each interval nearest to the points by least squares, with the risk table kept exactly.

Within an interval, for a given number of censorings, dynamic programming chooses whole-numbered events
point by point; the number of censorings is the one that fits best.
Equations: docs/methods/curve-reconstruction.md, section 4.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flarefree.evidence.curves._guyot_kernels import fill_patients, last_count, place_censorings

__all__ = ["closest_draws"]

FAR = 1e300


@njit(cache=True)
def _fit(
    first: int,
    last: int,
    start: int,
    km: float,
    wanted: int,
    survival: np.ndarray,
    censored: np.ndarray,
    events: np.ndarray,
    cost: np.ndarray,
    curve: np.ndarray,
    choice: np.ndarray,
) -> float:
    """Events at points first to last that sum to `wanted` (any sum if negative) and fit best; gives the fit.

    `cost[k, m]` is the least sum of squares of points up to k with m events so far, `curve[k, m]` the curve
    that goes with it.  Censoring makes the curve depend on the way, not on m alone; the best way to each
    m is kept, which is exact without censoring and near it with.
    """
    most = start if wanted < 0 else wanted
    size = last - first + 1
    for m in range(most + 1):
        cost[0, m] = FAR
    cost[0, 0], curve[0, 0] = 0.0, km
    before = 0
    for j in range(size):
        k = first + j
        for m in range(most + 1):
            cost[j + 1, m] = FAR
        for m in range(most + 1):
            if cost[j, m] >= FAR:
                continue
            left = start - m - before
            if left < 0:
                continue
            for d in range(min(most - m, left) + 1):
                if d > 0 and (k == 0 or left == 0):
                    break
                level = curve[j, m] * (1.0 - d / left) if left > 0 else curve[j, m]
                if left - d < censored[k]:
                    break
                value = cost[j, m] + (level - survival[k]) ** 2
                if value < cost[j + 1, m + d]:
                    cost[j + 1, m + d], curve[j + 1, m + d], choice[j + 1, m + d] = value, level, d
                elif level < survival[k] and value - cost[j, m] > 0.04:
                    break  # far below the curve already: more events only lead farther
        before += censored[k]
    m = most
    if wanted < 0:
        for other in range(most + 1):
            if cost[size, other] < cost[size, m]:
                m = other
    best = cost[size, m]
    if best < FAR:
        for j in range(size, 0, -1):
            events[first + j - 1] = choice[j, m]
            m -= choice[j, m]
    else:  # no way: nothing happens here, and the caller sees the fit
        for k in range(first, last + 1):
            events[k] = 0
    return best


@njit(cache=True)
def _interval(
    first: int,
    last: int,
    begin: float,
    end: float,
    start: int,
    km: float,
    leaving: int,
    guess: int,
    time: np.ndarray,
    survival: np.ndarray,
    uniform: np.ndarray,
    is_even: bool,
    when: np.ndarray,
    censored: np.ndarray,
    events: np.ndarray,
    cost: np.ndarray,
    curve: np.ndarray,
    choice: np.ndarray,
) -> int:
    """The number of censorings that fits best, sought from a guess in both directions; fills the points."""
    best_count, best = -1, FAR
    for direction in (1, -1):
        count = min(max(guess, 0), leaving) + (0 if direction == 1 else -1)
        worse = 0
        while 0 <= count <= leaving and worse < 2:
            place_censorings(count, begin, end, uniform, is_even, when, first, last, time, censored)
            value = _fit(
                first, last, start, km, leaving - count, survival, censored, events, cost, curve, choice
            )
            if value < best - 1e-15:
                best, best_count, worse = value, count, 0
            else:
                worse += 1
            count += direction
    if best_count < 0:  # no number of censorings leaves room for the events: all leave censored
        best_count = leaving
        place_censorings(best_count, begin, end, uniform, is_even, when, first, last, time, censored)
        for k in range(first, last + 1):
            events[k] = 0
        return best_count
    place_censorings(best_count, begin, end, uniform, is_even, when, first, last, time, censored)
    _fit(first, last, start, km, leaving - best_count, survival, censored, events, cost, curve, choice)
    return best_count


@njit(cache=True)
def _last(
    most: int,
    first: int,
    last: int,
    start: int,
    km: float,
    wanted: int,
    time: np.ndarray,
    survival: np.ndarray,
    uniform: np.ndarray,
    is_even: bool,
    when: np.ndarray,
    censored: np.ndarray,
    events: np.ndarray,
    cost: np.ndarray,
    curve: np.ndarray,
    choice: np.ndarray,
) -> None:
    """The last interval: the most censorings, up to `most`, that still let the curve fall as it was drawn.

    Nothing is printed at its end, and too many censorings would leave nobody to have the events.  A fit
    within half a patient a point of the best is as good as it.
    """
    begin, end = time[first], time[last]
    fits = np.full(most + 1, FAR)
    least = FAR
    for count in range(most, -1, -1):
        place_censorings(count, begin, end, uniform, is_even, when, first, last, time, censored)
        fits[count] = _fit(first, last, start, km, wanted, survival, censored, events, cost, curve, choice)
        least = min(least, fits[count])
    near = least + (last - first + 1) * (0.5 * km / max(start, 1)) ** 2
    chosen = most
    while chosen > 0 and fits[chosen] > near:
        chosen -= 1
    place_censorings(chosen, begin, end, uniform, is_even, when, first, last, time, censored)
    _fit(first, last, start, km, wanted, survival, censored, events, cost, curve, choice)


@njit(cache=True)
def _carry(
    first: int,
    last: int,
    start: int,
    km: float,
    censored: np.ndarray,
    events: np.ndarray,
    fitted: np.ndarray,
    at_risk: np.ndarray,
) -> tuple[int, float]:
    """Numbers at risk and the curve that the chosen events and censorings make."""
    left = start
    for k in range(first, last + 1):
        at_risk[k] = left
        if events[k] > 0:
            km *= 1.0 - events[k] / left
        fitted[k] = km
        left -= events[k] + censored[k]
    return left, km


@njit(cache=True)
def closest_draws(
    time: np.ndarray,
    curves: np.ndarray,
    lower: np.ndarray,
    risk: np.ndarray,
    total_events: int,
    uniforms: np.ndarray,
    last_uniforms: np.ndarray,
    is_even: bool,
    out_time: np.ndarray,
    out_event: np.ndarray,
    out_fitted: np.ndarray,
    out_risk: np.ndarray,
) -> None:
    """Fill pseudo data sets; arguments are those of `reconstruct_draws`."""
    draws, points = curves.shape
    intervals, n = lower.size, out_time.shape[1]
    censored, events = np.zeros(points, dtype=np.int64), np.zeros(points, dtype=np.int64)
    fitted, at_risk = np.empty(points), np.zeros(points, dtype=np.int64)
    when = np.empty((intervals, n))
    cost, curve = np.empty((points + 1, n + 1)), np.empty((points + 1, n + 1))
    choice = np.zeros((points + 1, n + 1), dtype=np.int64)
    for b in range(draws):
        survival = curves[b]
        start, km, gone, seen = risk[0], 1.0, 0, 0
        for i in range(intervals - 1):
            first, last = lower[i], lower[i + 1] - 1
            guess = 0
            if survival[first] > 0.0:
                guess = int(np.floor(start * survival[last + 1] / survival[first] - risk[i + 1] + 0.5))
            gone += _interval(
                first,
                last,
                time[first],
                time[last + 1],
                start,
                km,
                start - risk[i + 1],
                guess,
                time,
                survival,
                uniforms[b, i],
                is_even,
                when[i],
                censored,
                events,
                cost,
                curve,
                choice,
            )
            start, km = _carry(first, last, start, km, censored, events, fitted, at_risk)
        first, last = lower[intervals - 1], points - 1
        for k in range(first):
            seen += events[k]
        begin, end = time[first], time[last]
        count = 0
        if intervals > 1 and end > begin:
            count = last_count(gone, (end - begin) / begin, start, last_uniforms[b], is_even)
        elif intervals == 1 and total_events < 0 and not is_even:
            count = int(last_uniforms[b] * (start + 1))
        elif intervals == 1 and total_events >= 0:
            count = start - min(total_events, start)
        wanted = -1
        if total_events >= 0:
            wanted = min(max(total_events - seen, 0), start)
            count = min(count, start - wanted)
        _last(
            count,
            first,
            last,
            start,
            km,
            wanted,
            time,
            survival,
            uniforms[b, intervals - 1],
            is_even,
            when[intervals - 1],
            censored,
            events,
            cost,
            curve,
            choice,
        )
        left, km = _carry(first, last, start, km, censored, events, fitted, at_risk)
        fill_patients(time, lower, censored, events, when, left, out_time[b], out_event[b])
        for k in range(points):
            out_fitted[b, k] = fitted[k]
        for i in range(intervals):
            out_risk[b, i] = at_risk[lower[i]]
