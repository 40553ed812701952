"""The least and the greatest U^2 / V over all placements, by the corners of the (U, V) pairs they attain.

U^2 / V is convex: over any set of pairs it is greatest at a corner of their convex hull, and its least
over the hull is a bound below every placement.  Corners are asked for one by one, each where it could
still matter.  Equations: docs/methods/curve-reconstruction.md, section 6.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np

from flarefree.errors import EvidenceError
from flarefree.evidence.curves.placement_search import least_of_all
from flarefree.evidence.curves.placements import Placement, Placements, Point, statistic

__all__ = ["Hull"]

TOLERANCE = 1e-7  # share of the statistic
MOST_CORNERS = 500
NEAR = 6  # corners that the descent to a least placement begins at
STARTS = 40
ROUNDS = 200
NO_VARIANCE = 1e-12
CLOSE = 1e-6  # of least and bound: nearer than anybody prints

Support = tuple[Point, Point]
"""A direction, and the corner farthest in it."""


class Hull:
    """The hull of the attainable pairs, known corner by corner."""

    def __init__(self, placements: Placements) -> None:
        self.placements = placements
        self.corners: dict[Point, Placement] = {}
        # Counterclockwise; the last makes sure that no point looked at has less than the least variance.
        self.sides = [self._ask(d) for d in ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))]

    def _ask(self, direction: Point) -> Support:
        size = math.hypot(*direction)
        direction = (direction[0] / size, direction[1] / size)
        found = self.placements.best(*direction)
        corner = (found.U, found.V)
        self.corners.setdefault(corner, found)
        return direction, corner

    def _with_variance(self) -> list[Placement]:
        """Corners that have a statistic: not where one arm is gone, or nobody is left beside the events."""
        found = [placement for placement in self.corners.values() if placement.V > NO_VARIANCE]
        if not found:
            raise EvidenceError(
                "no order of these events has a log-rank statistic",
                where="risk_table",
                found="a variance of zero in every placement",
                expected="events while both arms are at risk",
            )
        return found

    # Greatest ------------------------------------------------------------------------------------

    def greatest(self) -> tuple[Placement, float]:
        """The placement with the greatest statistic, and a bound that none passes.

        Between two neighboring corners the hull stays within the triangle that they and the meeting point
        of their supporting lines make; its greatest value is at a corner of that triangle.
        """
        queue = [(-_reach(*span), *span) for span in pairwise([*self.sides, self.sides[0]])]
        heapq.heapify(queue)
        best = max(map(statistic, self.corners))
        bound = best
        while queue:
            reach, first, second = heapq.heappop(queue)
            bound = max(best, -reach)
            if -reach <= best * (1.0 + TOLERANCE) or len(self.corners) >= MOST_CORNERS:
                break
            middle = self._ask(_normal(first[1], second[1]))
            best = max(best, statistic(middle[1]))
            bound = best
            if _beyond(middle, first[1]):
                for span in ((first, middle), (middle, second)):
                    heapq.heappush(queue, (-_reach(*span), *span))
        winner = max(self._with_variance(), key=lambda placement: placement.statistic)
        return winner, max(bound, winner.statistic)

    # Least ---------------------------------------------------------------------------------------

    def least(self) -> tuple[Placement, float]:
        """A placement with the least statistic that was found, and a bound that none passes.

        The bound is that of the hull, by steps toward its nearest point: the tangent at the best mixture
        of known corners bounds the convex statistic from below.
        """
        bound = 0.0
        while len(self.corners) < MOST_CORNERS:
            (U, V), value = _least_mixture(list(self.corners))
            if value <= 0.0:
                break
            gradient = (2.0 * U / V, -(U * U) / (V * V))
            _, corner = self._ask((-gradient[0], -gradient[1]))
            slack = gradient[0] * (corner[0] - U) + gradient[1] * (corner[1] - V)
            bound = max(bound, value + slack)
            if slack >= -TOLERANCE * value:
                break
        found = self._descend()
        if found.statistic - bound > CLOSE:
            listed = least_of_all(self.placements)
            if listed is not None:
                return listed, listed.statistic
        return found, min(bound, found.statistic)

    def _descend(self) -> Placement:
        """From the best corners and their crossings down to an order that no swap of neighbors improves."""
        from flarefree.evidence.curves._log_rank_kernels import improve_by_swaps

        known = sorted(self._with_variance(), key=lambda placement: placement.statistic)
        sides = [self.corners[c] for _, c in self.sides if c[1] > 0]
        near = list({id(p): p for p in (*known[:NEAR], *sides)}.values())
        crossed = [child for a, b in permutations(near, 2) for child in _crossings(a, b)]
        starts = near + [child for child in crossed if child.V > NO_VARIANCE]
        starts.sort(key=lambda placement: placement.statistic)
        best = starts[0]
        for start in starts[:STARTS]:
            kind, x1, x2 = start.kind.copy(), start.x1.copy(), start.x2.copy()
            improve_by_swaps(kind, x1, x2, start.interval, start.is_at_end, *start.n, ROUNDS)
            found = self.placements.placed(kind, x1, x2, start.interval, start.is_at_end)
            if found.statistic < best.statistic:
                best = found
        return best


# Geometry ----------------------------------------------------------------------------------------


def _reach(first: Support, second: Support) -> float:
    """The greatest statistic that a corner between two known ones could have; -1 if there is none."""
    (d1, c1), (d2, c2) = first, second
    if c1 == c2:
        return -1.0
    h1, h2 = d1[0] * c1[0] + d1[1] * c1[1], d2[0] * c2[0] + d2[1] * c2[1]
    cross = d1[0] * d2[1] - d1[1] * d2[0]
    if abs(cross) < 1e-15:
        return -1.0
    meeting = ((h1 * d2[1] - h2 * d1[1]) / cross, (d1[0] * h2 - d2[0] * h1) / cross)
    return statistic(meeting)


def _normal(first: Point, second: Point) -> Point:
    """Outward from the edge between two corners, which stand counterclockwise."""
    return second[1] - first[1], first[0] - second[0]


def _beyond(support: Support, known: Point) -> bool:
    """Whether the corner lies beyond the edge through `known`, and not on it."""
    (d, c) = support
    return d[0] * (c[0] - known[0]) + d[1] * (c[1] - known[1]) > 1e-10


def _least_mixture(corners: list[Point]) -> tuple[Point, float]:
    """The least U^2 / V of mixtures of two corners: the least of their hull, if it stays off U = 0."""
    best = min(corners, key=statistic)
    value = statistic(best)
    for (U1, V1), (U2, V2) in combinations(corners, 2):
        if U1 * U2 <= 0.0:
            return (0.0, max(V1, V2)), 0.0
        dU, dV = U2 - U1, V2 - V1
        # d/dt of U^2 / V is zero where 2 U' V = U V', linear in t.
        slope = dU * dV
        if slope == 0.0:
            continue
        share = (U1 * dV - 2.0 * dU * V1) / slope
        if 0.0 < share < 1.0:
            point = (U1 + share * dU, V1 + share * dV)
            if statistic(point) < value:
                best, value = point, statistic(point)
    return best, value


# Crossings ---------------------------------------------------------------------------------------


def _states(placement: Placement) -> dict[tuple[int, ...], int]:
    """Before each move: interval, left in the arms, events so far in the interval; with the move's place."""
    found: dict[tuple[int, ...], int] = {}
    m1, m2 = placement.n
    i1 = i2 = interval = 0
    for j, k in enumerate(placement.interval):
        if k != interval:
            i1 = i2 = 0
            interval = int(k)
        found[(interval, m1, m2, i1, i2)] = j
        x1, x2 = int(placement.x1[j]), int(placement.x2[j])
        m1, m2 = m1 - x1, m2 - x2
        if placement.kind[j]:
            i1, i2 = i1 + x1, i2 + x2
    return found


def _crossings(first: Placement, second: Placement) -> Iterator[Placement]:
    """The best orders that begin as `first` and, from a state that both pass, go on as `second`."""
    there = _states(second)
    partial = [_sums(first), _sums(second)]
    options = []
    for state, j in _states(first).items():
        k = there.get(state)
        if k is not None:
            U, V = partial[0][j] + partial[1][-1] - partial[1][k]
            options.append((statistic((float(U), float(V))), j, k, float(U), float(V)))
    for _, j, k, U, V in sorted(options)[:2]:

        def joined(name: str, j: int = j, k: int = k) -> Any:
            return np.concatenate([getattr(first, name)[:j], getattr(second, name)[k:]])

        yield Placement(
            joined("kind"),
            joined("x1"),
            joined("x2"),
            joined("interval"),
            joined("is_at_end"),
            first.time,
            first.n,
            U,
            V,
        )


def _sums(placement: Placement) -> Any:
    """U and V before each move and after the last, (moves + 1, 2)."""
    from flarefree.evidence.curves._log_rank_kernels import EVENT, score_moves

    n1, n2 = placement.n
    sums = np.zeros((placement.kind.size + 1, 2))
    for j in range(placement.kind.size):
        one = slice(j, j + 1)
        gain = (0.0, 0.0)
        if placement.kind[j] == EVENT:
            gain = score_moves(placement.kind[one], placement.x1[one], placement.x2[one], n1, n2)
        sums[j + 1] = sums[j] + gain
        n1, n2 = n1 - placement.x1[j], n2 - placement.x2[j]
    return sums
