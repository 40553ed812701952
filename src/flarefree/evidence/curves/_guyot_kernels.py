"""Guyot's algorithm on flat arrays, one pseudo data set after another.

Equations: docs/methods/curve-reconstruction.md, sections 2 and 3 (`eq.` below).  A draw differs from the
published algorithm in two things alone: where censorings fall within their interval, and, if an error of
digitization is declared, the curve itself.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "fill_patients",
    "last_count",
    "perturb_curves",
    "place_censorings",
    "pool_violators",
    "reconstruct_draws",
]

MOST_ROUNDS = 200  # of an interval's count of censorings; published data settle within five


@njit(cache=True)
def pool_violators(survival: np.ndarray) -> None:
    """Least-squares non-increasing fit, in place (pool adjacent violators, equal weights)."""
    n = survival.size
    mean = np.empty(n)
    size = np.empty(n, dtype=np.int64)
    blocks = 0
    for i in range(n):
        mean[blocks] = survival[i]
        size[blocks] = 1
        blocks += 1
        while blocks > 1 and mean[blocks - 1] > mean[blocks - 2]:
            total = size[blocks - 1] + size[blocks - 2]
            mean[blocks - 2] = (
                mean[blocks - 1] * size[blocks - 1] + mean[blocks - 2] * size[blocks - 2]
            ) / total
            size[blocks - 2] = total
            blocks -= 1
    i = 0
    for block in range(blocks):
        for _ in range(size[block]):
            survival[i] = mean[block]
            i += 1


@njit(cache=True)
def place_censorings(
    count: int,
    begin: float,
    end: float,
    uniform: np.ndarray,
    is_even: bool,
    when: np.ndarray,
    first: int,
    last: int,
    time: np.ndarray,
    censored: np.ndarray,
) -> None:
    """Censoring times of one interval in `when[:count]`, and their counts in [t_k, t_k+1) (eq. 3)."""
    for j in range(count):
        share = (j + 1) / (count + 1) if is_even else uniform[j]
        when[j] = begin + share * (end - begin)
    if not is_even:
        when[:count].sort()
    j = 0
    for k in range(first, last + 1):
        censored[k] = 0
        while j < count and (k == last or when[j] < time[k + 1]):
            censored[k] += 1
            j += 1


@njit(cache=True)
def _walk(
    first: int,
    last: int,
    start: int,
    km: float,
    survival: np.ndarray,
    censored: np.ndarray,
    events: np.ndarray,
    fitted: np.ndarray,
    at_risk: np.ndarray,
) -> tuple[int, float]:
    """Events at each point by eq. 4; gives the number left after the last point, and the curve there."""
    left = start
    for k in range(first, last + 1):
        at_risk[k] = left
        events[k] = 0
        if left > 0 and km > 0.0 and k > 0:
            # Half up, not NumPy's half to even: R's sums of counts do not decide by parity either way.
            wanted = int(np.floor(left * (1.0 - survival[k] / km) + 0.5))
            events[k] = min(max(wanted, 0), left)
            km *= 1.0 - events[k] / left
        fitted[k] = km
        left -= events[k]
        if censored[k] > left:
            censored[k] = left
        left -= censored[k]
    return left, km


@njit(cache=True)
def last_count(previous: int, ratio: float, most: int, u: float, is_even: bool) -> int:
    """Censorings of the last interval: the rate of those before it (eq. 6), or a draw about it (eq. 7)."""
    if is_even:
        return min(int(np.floor(previous * ratio + 0.5)), most)
    size = previous + 0.5
    chance = ratio / (1.0 + ratio)
    log_term = -size * np.log1p(ratio)
    total = np.exp(log_term)
    k = 0
    while total < u and k < most:
        log_term += np.log((k + size) / (k + 1.0) * chance)
        total += np.exp(log_term)
        k += 1
    return k


@njit(cache=True)
def _one(
    time: np.ndarray,
    survival: np.ndarray,
    lower: np.ndarray,
    risk: np.ndarray,
    total_events: int,
    uniform: np.ndarray,
    u_last: float,
    is_even: bool,
    censored: np.ndarray,
    events: np.ndarray,
    fitted: np.ndarray,
    at_risk: np.ndarray,
    when: np.ndarray,
    counts: np.ndarray,
) -> int:
    """One pseudo data set; gives the number still followed at the last point."""
    intervals = lower.size
    start, km = risk[0], 1.0
    for i in range(intervals - 1):
        first, last = lower[i], lower[i + 1] - 1
        begin, end = time[first], time[last + 1]
        count = 0
        if survival[first] > 0.0:
            count = int(np.floor(start * survival[last + 1] / survival[first] - risk[i + 1] + 0.5))  # eq. 2
        best, best_gap = max(count, 0), -1
        for _ in range(MOST_ROUNDS):
            count = min(max(count, 0), start)
            place_censorings(count, begin, end, uniform[i], is_even, when[i], first, last, time, censored)
            left, _ = _walk(first, last, start, km, survival, censored, events, fitted, at_risk)
            gap = left - risk[i + 1]
            if best_gap < 0 or abs(gap) < best_gap:
                best, best_gap = count, abs(gap)
            if gap == 0 or (gap < 0 and count == 0):
                break
            count += gap  # eq. 5
        if best_gap != abs(gap):  # it went round in circles: take the best that was met
            count = best
            place_censorings(count, begin, end, uniform[i], is_even, when[i], first, last, time, censored)
        start, km = _walk(first, last, start, km, survival, censored, events, fitted, at_risk)
        counts[i] = 0
        for k in range(first, last + 1):
            counts[i] += censored[k]
    return _last_interval(
        time,
        survival,
        lower,
        total_events,
        uniform,
        u_last,
        is_even,
        censored,
        events,
        fitted,
        at_risk,
        when,
        counts,
        start,
        km,
    )


@njit(cache=True)
def _last_interval(
    time: np.ndarray,
    survival: np.ndarray,
    lower: np.ndarray,
    total_events: int,
    uniform: np.ndarray,
    u_last: float,
    is_even: bool,
    censored: np.ndarray,
    events: np.ndarray,
    fitted: np.ndarray,
    at_risk: np.ndarray,
    when: np.ndarray,
    counts: np.ndarray,
    start: int,
    km: float,
) -> int:
    i = lower.size - 1
    first, last = lower[i], time.size - 1
    begin, end = time[first], time[last]
    previous, seen = 0, 0
    for j in range(i):
        previous += counts[j]
    for k in range(first):
        seen += events[k]
    count = 0
    if i > 0 and end > begin and begin > time[0]:
        ratio = (end - begin) / (begin - time[0])
        count = last_count(previous, ratio, start, u_last, is_even)
    elif i == 0 and total_events < 0 and not is_even:
        count = int(u_last * (start + 1))  # nothing is known of censoring: any number is as likely
    if total_events >= 0 and seen >= total_events:
        # All events are spent: nothing more happens, and those left are censored at the curve's end.
        for k in range(first, last + 1):
            censored[k], events[k], fitted[k], at_risk[k] = 0, 0, km, start
        counts[i] = 0
        return start
    best, best_gap, gap, left = count, -1, 0, start
    for _ in range(MOST_ROUNDS):
        count = min(max(count, 0), start)
        place_censorings(count, begin, end, uniform[i], is_even, when[i], first, last, time, censored)
        left, _ = _walk(first, last, start, km, survival, censored, events, fitted, at_risk)
        if total_events < 0:
            break
        gap = seen - total_events
        for k in range(first, last + 1):
            gap += events[k]
        if best_gap < 0 or abs(gap) < best_gap:
            best, best_gap = count, abs(gap)
        if gap == 0 or (gap < 0 and count == 0):
            break
        count += gap  # eq. 8
    if total_events >= 0 and best_gap != abs(gap):
        count = best
        place_censorings(count, begin, end, uniform[i], is_even, when[i], first, last, time, censored)
        left, _ = _walk(first, last, start, km, survival, censored, events, fitted, at_risk)
    counts[i] = 0
    for k in range(first, last + 1):
        counts[i] += censored[k]
    return left


@njit(cache=True)
def fill_patients(
    time: np.ndarray,
    lower: np.ndarray,
    censored: np.ndarray,
    events: np.ndarray,
    when: np.ndarray,
    left: int,
    out_time: np.ndarray,
    out_event: np.ndarray,
) -> None:
    """One row a patient: events at their points, censorings at their times, the rest at the curve's end."""
    row = 0
    intervals = lower.size
    for i in range(intervals):
        last = lower[i + 1] - 1 if i + 1 < intervals else time.size - 1
        taken = 0
        for k in range(lower[i], last + 1):
            for _ in range(events[k]):
                out_time[row], out_event[row] = time[k], True
                row += 1
            for _ in range(censored[k]):
                # Never before an event at the same point: at ties events come first.
                out_time[row], out_event[row] = max(when[i, taken], time[k]), False
                taken += 1
                row += 1
    for _ in range(left):
        out_time[row], out_event[row] = time[time.size - 1], False
        row += 1


@njit(cache=True)
def reconstruct_draws(
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
    """Fill pseudo data sets.

    `curves` (draws, points) are survivals that never rise; `uniforms` (draws, intervals, n);
    `out_time`, `out_event` (draws, n); `out_fitted` (draws, points): the curve of the pseudo patients;
    `out_risk` (draws, intervals): their numbers at risk at the table's times.
    """
    draws, points = curves.shape
    intervals, n = lower.size, out_time.shape[1]
    censored, events = np.zeros(points, dtype=np.int64), np.zeros(points, dtype=np.int64)
    fitted, at_risk = np.empty(points), np.zeros(points, dtype=np.int64)
    when, counts = np.empty((intervals, n)), np.zeros(intervals, dtype=np.int64)
    for b in range(draws):
        left = _one(
            time,
            curves[b],
            lower,
            risk,
            total_events,
            uniforms[b],
            last_uniforms[b],
            is_even,
            censored,
            events,
            fitted,
            at_risk,
            when,
            counts,
        )
        fill_patients(time, lower, censored, events, when, left, out_time[b], out_event[b])
        for k in range(points):
            out_fitted[b, k] = fitted[k]
        for i in range(intervals):
            out_risk[b, i] = at_risk[lower[i]]


@njit(cache=True)
def perturb_curves(
    given: np.ndarray, place: np.ndarray, noise: np.ndarray, is_start: np.ndarray, out: np.ndarray
) -> None:
    """Curves as they may have been before they were digitized: points shifted by `noise`, made monotone.

    `given` (m,) are the digitized survivals, `noise` (draws, m), `place` (points,) the digitized point
    that each point of the grid carries on (-1: none before it, so survival is 1).
    """
    draws, m = noise.shape
    own = np.empty(m + 1)
    for b in range(draws):
        own[0] = 1.0
        for j in range(m):
            own[j + 1] = min(max(given[j] + noise[b, j], 0.0), 1.0)
        pool_violators(own[1:])
        for k in range(place.size):
            out[b, k] = 1.0 if is_start[k] else own[place[k] + 1]
