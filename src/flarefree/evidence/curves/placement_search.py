"""Every pair (U, V) of a small table, one by one: where few patients leave gaps that a descent cannot cross.

The least U^2 / V of a large table is as good as its bound; that of a small one may lie well above it, for
the attainable pairs are few.  They are listed from the last interval backward, each with the move that
begins it, until there are more than `MOST_PAIRS`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flarefree.evidence.curves.placements import Placement, Placements, Point, instant, statistic

__all__ = ["least_of_all"]

MOST_PAIRS = 200_000
DIGITS = 12

State = tuple[int, int, int, int, int]
"""Column, at risk in both arms, events of the column still to come in both."""
Move = tuple[int, int, int, bool]
"""Event (1) or censoring (0), how many of each arm, and whether at the column's own time."""
Pairs = dict[Point, tuple[Move | None, State | None, Point]]


class _TooManyError(Exception):
    """More pairs than are worth listing."""


def least_of_all(placements: Placements) -> Placement | None:
    """The placement with the least statistic, by listing all pairs; None if there are too many."""
    listing = _Listing(placements)
    table = placements.table
    start: State = (1, *_two(table.at_risk[:, 0]), *_two(table.events[:, 1]))
    try:
        pairs = listing.pairs(start)
    except (_TooManyError, RecursionError):
        return None
    usable = [pair for pair in pairs if pair[1] > 1e-12]
    if not usable:
        return None
    return listing.follow(start, min(usable, key=lambda pair: (statistic(pair), pair)))


def _two(column: np.ndarray) -> tuple[int, int]:
    return int(column[0]), int(column[1])


class _Listing:
    def __init__(self, placements: Placements) -> None:
        self.placements = placements
        self.known: dict[State, Pairs] = {}
        self.count = 0

    def pairs(self, state: State) -> Pairs:
        """All pairs from a state on, each with the move and the rest that make it."""
        if state in self.known:
            return self.known[state]
        found: Pairs = {}
        for move, following in self._moves(state):
            if following is None:
                rest: Pairs = {(0.0, 0.0): (None, None, (0.0, 0.0))}
            else:
                rest = self.pairs(following)
            u, v = instant(state[1], state[2], move[1], move[2]) if move[0] else (0.0, 0.0)
            for pair in rest:
                total = (round(u + pair[0], DIGITS), round(v + pair[1], DIGITS))
                found.setdefault(total, (move, following, pair))
        self.count += len(found)
        if self.count > MOST_PAIRS:
            raise _TooManyError
        self.known[state] = found
        return found

    def _moves(self, state: State) -> Iterator[tuple[Move, State | None]]:
        k, n1, n2, e1, e2 = state
        to1, to2 = _two(self.placements.table.at_risk[:, k])
        if (n1, n2) == (to1, to2):
            yield from self._end(state)
        if n1 > to1:
            yield (0, 1, 0, False), (k, n1 - 1, n2, e1, e2)
        if n2 > to2:
            yield (0, 0, 1, False), (k, n1, n2 - 1, e1, e2)
        for x1 in range(min(e1, n1 - to1) + 1):
            for x2 in range(min(e2, n2 - to2) + 1):
                if self.placements.may_tie(x1, x2, e1, e2):
                    yield (1, x1, x2, False), (k, n1 - x1, n2 - x2, e1 - x1, e2 - x2)

    def _end(self, state: State) -> Iterator[tuple[Move, State | None]]:
        """What is left of the column's events falls on its own time, if that may be."""
        k, n1, n2, e1, e2 = state
        placements = self.placements
        if e1 > placements.most_at_end[0, k] or e2 > placements.most_at_end[1, k]:
            return
        following: State | None = None
        if k + 1 < placements.columns:
            events = _two(placements.table.events[:, k + 1])
            following = (k + 1, n1 - e1, n2 - e2, *events)
        yield (1, e1, e2, True), following

    def follow(self, state: State, pair: Point) -> Placement:
        """The order of happenings that makes a pair."""
        rows = []
        at: State | None = state
        while at is not None:
            move, following, rest = self.known[at][pair]
            assert move is not None
            if move[1] or move[2]:
                rows.append((move[0], move[1], move[2], at[0], move[3]))
            at, pair = following, rest
        columns = [np.array(column, dtype=np.int64) for column in zip(*rows)]
        return self.placements.placed(columns[0], columns[1], columns[2], columns[3], columns[4].astype(bool))
