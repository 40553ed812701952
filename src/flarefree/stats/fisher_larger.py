"""Fisher's exact test beyond 2 x 2: the probability of all tables no more probable than the observed.

Tables are built column by column.  What matters for the rest is only how much of each row is left (a
node) and the probability so far; partial tables that agree in both are merged, those whose every
completion is improbable enough are added up in closed form, and the last two columns are read off a
sorted list.  This is Mehta and Patel's network [mehta1983] with a bound that needs no search: by
Lagrangian duality no completion is more probable than the product of its cells' best at the means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError
from flarefree.stats.counts import TIE, log_factorial

__all__ = ["exact_p", "simulated_p"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_PARTIAL_TABLES = 4_000_000
_MOST_WAYS = 300_000
_MOST_STEPS = 1_000_000_000  # some ten seconds; a step adds one way to one partial table
_WAY_COST, _MERGE_COST = 8, 15  # in steps: laying out a way, sorting a partial table
_CHUNK = 500_000
_GRAIN = 1e9  # log probabilities that agree to 1e-9 belong to tables of one probability


def exact_p(table: Ints) -> float:
    """The exact p-value of an r x c table."""
    counts = _without_empty_margins(table)
    if min(counts.shape) < 2:
        return 1.0
    if counts.shape[0] > counts.shape[1]:
        counts = counts.T
    columns = np.sort(counts.sum(axis=0))
    return _Network(counts.sum(axis=1), columns, _log_probability(counts)).p_value()


def _without_empty_margins(table: Ints) -> Ints:
    counts = table[table.sum(axis=1) > 0]
    return counts[:, counts.sum(axis=0) > 0]


def _log_probability(counts: Ints) -> float:
    """Up to the margins' constant: minus the sum of the cells' log factorials."""
    return -float(log_factorial(int(counts.sum()))[counts].sum())


class _Network:
    """Partial tables, grouped by what is left of each row."""

    def __init__(self, rows: Ints, columns: Ints, observed: float) -> None:
        self.columns = columns
        self.lf: Floats = np.asarray(log_factorial(int(rows.sum())), dtype=np.float64)
        self.threshold = observed + math.log1p(TIE)
        self.log_total = float(self._log_sum(rows[None], columns)[0])
        self.radix = _radix(np.sort(rows)[::-1])
        self.nodes: Ints = np.sort(rows)[None, ::-1]
        self.past: list[Floats] = [np.zeros(1)]
        self.multiplicity: list[Floats] = [np.ones(1)]
        self.p = 0.0
        self.budget = _Budget()

    def p_value(self) -> float:
        for stage in range(len(self.columns) - 2):
            self._advance(stage)
        for node, past, many in zip(self.nodes, self.past, self.multiplicity, strict=True):
            self.p += self._last_two_columns(node, past, many)
        return min(1.0, self.p)

    def _log_sum(self, nodes: Ints, columns: Ints) -> Floats:
        """Log of the sum over all completions of prod 1 / n_ij!, in closed form."""
        total = int(columns.sum())
        return self.lf[total] - self.lf[nodes].sum(axis=1) - self.lf[columns].sum()

    def _log_most(self, nodes: Ints, columns: Ints) -> Floats:
        """An upper bound of log prod 1 / n_ij! over all completions (docs/methods/tables.md, Bound)."""
        most = np.zeros(len(nodes))
        for share in columns / columns.sum():
            mean = nodes * share
            floor = np.floor(mean).astype(np.int64)
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = np.where(mean > 0, (mean - floor) * np.log(mean), 0.0)
            most -= (self.lf[floor] + slope).sum(axis=1)
        return most + 1e-9

    def _advance(self, stage: int) -> None:
        """Fill one column in every way; settle or keep what comes of it."""
        rest = self.columns[stage + 1 :]
        kept = _Partial(self.radix, self.budget)
        for node, past, many in zip(self.nodes, self.past, self.multiplicity, strict=True):
            ways = _ways_to_fill(node, int(self.columns[stage]))
            self.budget.spend((past.size + _WAY_COST) * len(ways))
            after = -np.sort(-(node - ways), axis=1)
            gain = -self.lf[ways].sum(axis=1)
            key = after @ self.radix
            most, total = self._log_most(after, rest), self._log_sum(after, rest)
            for part in _chunks(past.size, gain.size):
                so_far = past[part, None] + gain
                settled = so_far + most <= self.threshold
                weight = np.where(settled, np.exp(so_far + total - self.log_total), 0.0)
                self.p += float(many[part] @ weight.sum(axis=1))
                row, way = np.nonzero(~settled)
                kept.add(key[way], so_far[row, way], many[part][row])
        self.nodes, self.past, self.multiplicity = kept.by_node()

    def _last_two_columns(self, node: Ints, past: Floats, many: Floats) -> float:
        """With two columns left, one way to fill the first is one table: sort them, and look up each past."""
        ways = _ways_to_fill(node, int(self.columns[-2]))
        self.budget.spend(_WAY_COST * len(ways))
        log_rest = np.sort(-(self.lf[ways] + self.lf[node - ways]).sum(axis=1))
        below = np.concatenate([[0.0], np.cumsum(np.exp(log_rest - log_rest[-1]))])
        place = np.searchsorted(log_rest, self.threshold - past, side="right")
        return float(many @ (np.exp(past + log_rest[-1] - self.log_total) * below[place]))


def _chunks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _ways_to_fill(node: Ints, total: int) -> Ints:
    """All ways (ways, rows) to put `total` into the rows, none getting more than it has left."""
    if math.prod(min(room, total) + 1 for room in node[:-1].tolist()) > _MOST_WAYS:
        _require_feasible(_number_of_ways(node, total), _MOST_WAYS)
    ways = np.zeros((1, 0), dtype=np.int64)
    left = np.array([total])
    behind = int(node.sum())
    for room in node[:-1].tolist():
        behind -= room
        fewest, most = np.maximum(0, left - behind), np.minimum(room, left)
        choices = most - fewest + 1
        origin = np.repeat(np.arange(left.size), choices)
        step = np.arange(origin.size) - np.repeat(np.cumsum(choices) - choices, choices)
        taken = fewest[origin] + step
        ways = np.column_stack([ways[origin], taken])
        left = left[origin] - taken
    return np.column_stack([ways, left])


def _number_of_ways(node: Ints, total: int) -> float:
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for room in node.tolist():
        summed = np.cumsum(ways)
        if room < total:
            summed[room + 1 :] -= summed[: total - room].copy()
        ways = summed
    return float(ways[total])


def _radix(rows: Ints) -> Ints:
    """Weights that make one number of a node; rows in descending order, as all nodes are."""
    base = int(rows[0]) + 1
    if base ** len(rows) >= 2**62:
        _require_feasible(math.inf, _MOST_PARTIAL_TABLES)
    return base ** np.arange(len(rows) - 1, -1, -1, dtype=np.int64)


class _Budget:
    """How much has been computed: a table that is too large must say so in seconds."""

    def __init__(self) -> None:
        self.steps = 0

    def spend(self, steps: int) -> None:
        self.steps += steps
        _require_feasible(self.steps, _MOST_STEPS)


class _Partial:
    """Partial tables; those with the same node and the same probability are one, with their number."""

    def __init__(self, radix: Ints, budget: _Budget) -> None:
        self.radix = radix
        self.budget = budget
        self.parts: list[tuple[Ints, Floats, Floats]] = []
        self.size = 0
        self.merge_at = _CHUNK

    def add(self, key: Ints, past: Floats, many: Floats) -> None:
        self.parts.append((key, past, many))
        self.size += past.size
        if self.size > self.merge_at:
            self._merge()
            self.merge_at = max(_CHUNK, 2 * self.size)  # so that merging costs no more than adding

    def _merge(self) -> None:
        if not self.size:
            return
        self.budget.spend(_MERGE_COST * self.size)
        key, past, many = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        grain = np.rint(past * _GRAIN).astype(np.int64)
        order = np.lexsort((grain, key))
        key, grain = key[order], grain[order]
        new = np.ones(key.size, dtype=bool)
        new[1:] = (key[1:] != key[:-1]) | (grain[1:] - grain[:-1] > 1)
        first = np.flatnonzero(new)
        self.parts = [(key[first], past[order][first], np.add.reduceat(many[order], first))]
        self.size = first.size
        _require_feasible(self.size, _MOST_PARTIAL_TABLES)

    def by_node(self) -> tuple[Ints, list[Floats], list[Floats]]:
        """The nodes (k, rows), and for each its probabilities so far with their numbers."""
        self._merge()
        if not self.size:
            return np.empty((0, self.radix.size), dtype=np.int64), [], []
        ((key, past, many),) = self.parts
        change = np.flatnonzero(np.diff(key)) + 1
        nodes = key[np.concatenate([[0], change])][:, None] // self.radix
        if self.radix.size > 1:
            nodes[:, 1:] %= self.radix[0] // self.radix[1]
        return nodes, np.split(past, change), np.split(many, change)


def _require_feasible(size: float, most: int) -> None:
    if size > most:
        raise StatsError(
            "the table is too large to enumerate",
            where="table",
            found=f"more than {most:,} partial tables to look at".replace(",", " "),
            try_="simulate=100000 for a p-value from random tables, or chi_square(table)",
        )


def simulated_p(table: Ints, replicates: int, seed: int) -> float:
    """(1 + tables no more probable than the observed) / (1 + replicates), as R's `fisher.test` counts."""
    if replicates < 1:
        raise StatsError("random tables are counted from 1", where="simulate", found=repr(replicates))
    counts = _without_empty_margins(table)
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(counts.shape[0]), counts.sum(axis=1))
    columns = np.repeat(np.arange(counts.shape[1]), counts.sum(axis=0))
    lf: Floats = np.asarray(log_factorial(rows.size), dtype=np.float64)
    threshold = _log_probability(counts) + math.log1p(TIE)
    extreme = 0
    step = max(1, _CHUNK // rows.size)
    for start in range(0, replicates, step):
        many = min(step, replicates - start)
        shuffled = rng.permuted(np.tile(columns, (many, 1)), axis=1)
        cell = (np.arange(many)[:, None] * counts.shape[0] + rows) * counts.shape[1] + shuffled
        tables = np.bincount(cell.ravel(), minlength=many * counts.size).reshape(many, counts.size)
        extreme += int((-lf[tables].sum(axis=1) <= threshold).sum())
    return (1 + extreme) / (1 + replicates)
