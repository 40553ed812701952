"""Placements of a risk table's events and censorings: which there are, and the best in one direction.

`Placements` puts the table before the dynamic program, interval by interval from the last, and walks its
answer forward to one order of all happenings.  `placement_hull.py` decides which directions to ask in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.curves.risk_tables import EventTable

__all__ = ["Placement", "Placements", "instant", "statistic"]

Ints = np.ndarray[Any, np.dtype[np.int64]]
Point = tuple[float, float]

IMPOSSIBLE = -1e299


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """One order of all happenings.

    Attributes
    ----------
    kind, x1, x2 : (moves,) int
        Event or censoring, and how many of each arm at that instant.
    interval : (moves,) int
        From 1; the number of the column that ends it.
    is_at_end : (moves,) bool
        At the column's own time.
    n : tuple of int
        Patients of each arm.
    U, V : float
        Observed less expected events of the first arm, and the variance.
    """

    kind: Ints
    x1: Ints
    x2: Ints
    interval: Ints
    is_at_end: np.ndarray[Any, np.dtype[np.bool_]]
    time: np.ndarray[Any, np.dtype[np.float64]]
    n: tuple[int, int]
    U: float
    V: float

    @property
    def statistic(self) -> float:
        """The log-rank chi-square."""
        return statistic((self.U, self.V))

    def patients(self, labels: tuple[str, str]) -> pl.DataFrame:
        """One row a patient: arm, time, event; instants are spread evenly over their interval."""
        when = np.empty(self.kind.size)
        for k in range(1, self.time.size):
            own = np.flatnonzero((self.interval == k) & ~self.is_at_end)
            share = np.arange(1, own.size + 1) / (own.size + 1)
            when[own] = self.time[k - 1] + share * (self.time[k] - self.time[k - 1])
            when[(self.interval == k) & self.is_at_end] = self.time[k]
        frames = []
        after = 2 * self.time[-1] - self.time[-2]
        for label, x, n in zip(labels, (self.x1, self.x2), self.n):
            left = n - int(x.sum())
            time = np.append(np.repeat(when, x), [after] * left)
            event = np.append(np.repeat(self.kind == 1, x), [False] * left)
            frames.append(pl.DataFrame({"arm": [label] * n, "time": time, "event": event.astype(bool)}))
        return pl.concat(frames)


def statistic(point: Point) -> float:
    """U^2 / V; infinite where the variance is zero and U is not."""
    U, V = point
    if V > 0:
        return U * U / V
    return 0.0 if U == 0 else math.inf


class Placements:
    """All placements that a table allows; answers which is best in a direction of (U, V)."""

    def __init__(self, table: EventTable, *, is_before: bool, ties: int) -> None:
        self.table = table
        self.is_before = is_before
        self.ties = ties
        self.columns = table.time.size
        self.most_at_end = self._limits_at_end()
        for a in range(2):
            self.fewest_at_end(a)  # refuses what no reading can mend

    def _limits_at_end(self) -> Ints:
        """How many events of each column may fall on its own time, (2, columns)."""
        table = self.table
        if not self.is_before:
            return np.zeros_like(table.events)
        leave_next = np.concatenate([table.leaving, table.at_risk[:, -1:]], axis=1)
        return np.minimum(table.events, leave_next)

    def fewest_at_end(self, arm: int) -> Ints:
        """The fewest events of each column that must fall on its own time, (columns,)."""
        table, fewest = self.table, np.zeros(self.columns, dtype=np.int64)
        for k in range(1, self.columns):
            room = table.leaving[arm, k - 1] - fewest[k - 1]
            fewest[k] = max(table.events[arm, k] - room, 0)
            if fewest[k] > self.most_at_end[arm, k]:
                raise EvidenceError(
                    "the table contradicts itself in every reading",
                    where="risk_table",
                    found=table.say(arm, k),
                    expected="no more events than patients who left up to the next column",
                    try_="at_risk_means='after' with repair='at_risk' or repair='events'",
                )
        return fewest

    def may_tie(self, x1: int, x2: int, left1: int, left2: int) -> bool:
        """Whether these events may share an instant within an interval that still has `left` to come."""
        if x1 + x2 == 0:
            return False
        if self.ties == 0:
            return x1 + x2 == 1
        return self.ties == 1 or (x1, x2) == (left1, left2)

    def best(self, wu: float, wv: float) -> Placement:
        """The placement with the greatest wu U + wv V."""
        from flarefree.evidence.curves._log_rank_kernels import interval_values

        ends: list[Any] = [None] * self.columns
        values: list[Any] = [None] * self.columns
        for k in range(self.columns - 1, 0, -1):
            ends[k] = self._end_values(k, values[k + 1] if k + 1 < self.columns else None, wu, wv)
            risk, events = self.table.at_risk, self.table.events
            values[k] = interval_values(
                ends[k],
                risk[:, k - 1].copy(),
                risk[:, k].copy(),
                events[:, k].copy(),
                self.most_at_end[:, k].copy(),
                self.ties,
                wu,
                wv,
            )
        return self._trace(ends, values, wu, wv)

    def _end_values(self, k: int, following: Any, wu: float, wv: float) -> Any:
        """Value of ending interval k with i1, i2 events within it: the rest fall on its end."""
        from flarefree.evidence.curves._log_rank_kernels import NEVER

        (e1, e2), (n1, n2) = self.table.events[:, k], self.table.at_risk[:, k]
        most1, most2 = self.most_at_end[:, k]
        end = np.full((e1 + 1, e2 + 1), NEVER)
        for b1 in range(most1 + 1):
            for b2 in range(most2 + 1):
                u, v = instant(int(n1), int(n2), b1, b2)
                then = 0.0
                if following is not None:
                    then = following[self._left(0, k, b1), 0, self._left(1, k, b2), 0]
                if then > IMPOSSIBLE:
                    end[e1 - b1, e2 - b2] = wu * u + wv * v + then
        return end

    def _left(self, arm: int, k: int, at_end: int) -> int:
        """How many are still to leave in the interval after column k."""
        return int(self.table.leaving[arm, k]) - at_end

    def _trace(self, ends: list[Any], values: list[Any], wu: float, wv: float) -> Placement:
        from flarefree.evidence.curves._log_rank_kernels import EVENT, trace_interval

        rows: list[tuple[int, int, int, int, bool]] = []
        b1 = b2 = 0
        for k in range(1, self.columns):
            moves = trace_interval(
                values[k],
                ends[k],
                self.table.at_risk[:, k].copy(),
                self.table.events[:, k].copy(),
                self._left(0, k - 1, b1),
                self._left(1, k - 1, b2),
                self.ties,
                wu,
                wv,
            )
            rows += [(int(kind), int(x1), int(x2), k, False) for kind, x1, x2 in moves]
            happened = moves[moves[:, 0] == EVENT, 1:].sum(axis=0)
            b1, b2 = (int(v) for v in self.table.events[:, k] - happened)
            if b1 or b2:
                rows.append((EVENT, b1, b2, k, True))
        columns = [np.array(column, dtype=np.int64) for column in zip(*rows)]
        return self.placed(columns[0], columns[1], columns[2], columns[3], columns[4].astype(bool))

    def placed(self, kind: Ints, x1: Ints, x2: Ints, interval: Ints, is_at_end: Any) -> Placement:
        """A placement with its U and V."""
        from flarefree.evidence.curves._log_rank_kernels import score_moves

        n = (int(self.table.at_risk[0, 0]), int(self.table.at_risk[1, 0]))
        U, V = score_moves(kind, x1, x2, *n)
        return Placement(kind, x1, x2, interval, is_at_end, self.table.time, n, U, V)


def instant(n1: int, n2: int, x1: int, x2: int) -> Point:
    """What x1 and x2 events at one instant add to U and V, with n1 and n2 at risk."""
    n, d = n1 + n2, x1 + x2
    if d == 0:
        return 0.0, 0.0
    v = d * n1 * n2 * (n - d) / (n * n * (n - 1.0)) if n > 1 else 0.0
    return x1 - d * n1 / n, v
