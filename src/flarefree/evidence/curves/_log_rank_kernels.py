"""The placement of events and censorings that makes w_u U + w_v V greatest, by dynamic programming.

U is observed less expected events of the first arm, V its hypergeometric variance.  Within an interval of
the risk table a state is how many of each arm are still to leave and how many events each arm has had;
docs/methods/curve-reconstruction.md, section 6, has the recursion.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "ANY_TIES",
    "CENSORED",
    "EVENT",
    "NO_TIES",
    "ONE_INSTANT",
    "improve_by_swaps",
    "interval_values",
    "score_moves",
    "trace_interval",
]

CENSORED, EVENT = 0, 1
NO_TIES, ANY_TIES, ONE_INSTANT = 0, 1, 2
NEVER = -1e300


@njit(cache=True, inline="always")
def _moment(m1: int, m2: int, x1: int, x2: int) -> tuple[float, float]:
    """What x1 and x2 events at one instant add to U and V, with m1 and m2 at risk."""
    n, d = m1 + m2, x1 + x2
    u = x1 - d * m1 / n
    v = d * m1 * m2 * (n - d) / (n * n * (n - 1.0)) if n > 1 else 0.0
    return u, v


@njit(cache=True)
def _best_from(
    values: np.ndarray,
    end: np.ndarray,
    to: np.ndarray,
    events: np.ndarray,
    l1: int,
    i1: int,
    l2: int,
    i2: int,
    ties: int,
    wu: float,
    wv: float,
) -> tuple[float, int, int, int]:
    """Best value from a state, and the move that gives it: kind, x1, x2 (kind -1: the interval ends)."""
    best, kind, b1, b2 = NEVER, -1, 0, 0
    if l1 == 0 and l2 == 0:
        return end[i1, i2], -1, 0, 0
    if l1 > 0 and values[l1 - 1, i1, l2, i2] > best:
        best, kind, b1, b2 = values[l1 - 1, i1, l2, i2], CENSORED, 1, 0
    if l2 > 0 and values[l1, i1, l2 - 1, i2] > best:
        best, kind, b1, b2 = values[l1, i1, l2 - 1, i2], CENSORED, 0, 1
    m1, m2 = to[0] + l1, to[1] + l2
    n = m1 + m2
    share = m1 / n
    spread = m1 * m2 / (n * n * (n - 1.0)) if n > 1 else 0.0
    most1, most2 = min(l1, events[0] - i1), min(l2, events[1] - i2)
    for x1 in range(most1 + 1):
        for x2 in range(most2 + 1):
            d = x1 + x2
            if d == 0:
                continue
            if ties == NO_TIES and d > 1:
                break
            if ties == ONE_INSTANT and (x1 < events[0] - i1 or x2 < events[1] - i2):
                continue
            after = values[l1 - x1, i1 + x1, l2 - x2, i2 + x2]
            value = after + wu * (x1 - d * share) + wv * spread * d * (n - d)
            if value > best:
                best, kind, b1, b2 = value, EVENT, x1, x2
    return best, kind, b1, b2


@njit(cache=True)
def interval_values(
    end: np.ndarray,
    start: np.ndarray,
    to: np.ndarray,
    events: np.ndarray,
    most_at_end: np.ndarray,
    ties: int,
    wu: float,
    wv: float,
) -> np.ndarray:
    """Best value to go from every state of an interval, (L1 + 1, e1 + 1, L2 + 1, e2 + 1).

    `start` and `to` (2,) are at risk at its begin and end, `events` (2,) what may happen within,
    `most_at_end` (2,) how many of these may be left to the end's own instant; `end[i1, i2]` is the value
    of ending with these events.
    """
    L1, L2 = start[0] - to[0], start[1] - to[1]
    values = np.full((L1 + 1, events[0] + 1, L2 + 1, events[1] + 1), NEVER)
    for l1 in range(L1 + 1):
        for i1 in range(max(events[0] - most_at_end[0] - l1, 0), min(events[0], L1 - l1) + 1):
            for l2 in range(L2 + 1):
                for i2 in range(max(events[1] - most_at_end[1] - l2, 0), min(events[1], L2 - l2) + 1):
                    best, _, _, _ = _best_from(values, end, to, events, l1, i1, l2, i2, ties, wu, wv)
                    values[l1, i1, l2, i2] = best
    return values


@njit(cache=True)
def trace_interval(
    values: np.ndarray,
    end: np.ndarray,
    to: np.ndarray,
    events: np.ndarray,
    l1: int,
    l2: int,
    ties: int,
    wu: float,
    wv: float,
) -> np.ndarray:
    """The best moves from a state without events so far: rows kind, x1, x2."""
    moves = np.empty((l1 + l2, 3), dtype=np.int64)
    i1, i2, row = 0, 0, 0
    while l1 > 0 or l2 > 0:
        _, kind, x1, x2 = _best_from(values, end, to, events, l1, i1, l2, i2, ties, wu, wv)
        moves[row, 0], moves[row, 1], moves[row, 2] = kind, x1, x2
        row += 1
        l1 -= x1
        l2 -= x2
        if kind == EVENT:
            i1 += x1
            i2 += x2
    return moves[:row]


@njit(cache=True)
def score_moves(kinds: np.ndarray, x1: np.ndarray, x2: np.ndarray, n1: int, n2: int) -> tuple[float, float]:
    """U and V of a whole sequence of moves."""
    U, V = 0.0, 0.0
    for j in range(kinds.size):
        if kinds[j] == EVENT:
            u, v = _moment(n1, n2, x1[j], x2[j])
            U += u
            V += v
        n1 -= x1[j]
        n2 -= x2[j]
    return U, V


@njit(cache=True)
def improve_by_swaps(
    kinds: np.ndarray,
    x1: np.ndarray,
    x2: np.ndarray,
    interval: np.ndarray,
    is_fixed: np.ndarray,
    n1: int,
    n2: int,
    rounds: int,
) -> float:
    """Lower U^2 / V by swapping neighbors of one interval, in place, until no swap helps.

    Instants at the table's own times (`is_fixed`) stay where they are.
    """
    U, V = score_moves(kinds, x1, x2, n1, n2)
    best = U * U / V
    for _ in range(rounds):
        improved = False
        m1, m2 = n1, n2
        for j in range(kinds.size - 1):
            k = j + 1
            if interval[j] == interval[k] and not is_fixed[j] and not is_fixed[k]:
                dU, dV = 0.0, 0.0
                if kinds[j] == EVENT:
                    u, v = _moment(m1, m2, x1[j], x2[j])
                    dU -= u
                    dV -= v
                    u, v = _moment(m1 - x1[k], m2 - x2[k], x1[j], x2[j])
                    dU += u
                    dV += v
                if kinds[k] == EVENT:
                    u, v = _moment(m1 - x1[j], m2 - x2[j], x1[k], x2[k])
                    dU -= u
                    dV -= v
                    u, v = _moment(m1, m2, x1[k], x2[k])
                    dU += u
                    dV += v
                value = (U + dU) ** 2 / (V + dV) if V + dV > 1e-12 else best
                if value < best - 1e-13:
                    best, U, V, improved = value, U + dU, V + dV, True
                    kinds[j], kinds[k] = kinds[k], kinds[j]
                    x1[j], x1[k] = x1[k], x1[j]
                    x2[j], x2[k] = x2[k], x2[j]
            m1 -= x1[j]
            m2 -= x2[j]
        if not improved:
            break
    return best
