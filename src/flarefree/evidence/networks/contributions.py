"""How much each direct comparison contributes to each estimate of the network.

A network behaves as an electric one: the hat matrix of a comparison is a unit current from one treatment to
the other, and the current through each direct comparison is its flow of evidence [ruecker2012].  Streams
along paths turn flows into proportions: by the random walk whose transitions follow the flow [davies2022],
or by taking shortest paths until nothing flows [papakonstantinou2018].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.rows import Rows, helmert
from flarefree.evidence.networks.studies import Study

__all__ = ["Contributions", "contributions", "edge_weights", "flow_matrix", "study_shares"]

Floats = NDArray[np.float64]
Pair = tuple[int, int]
NOTHING = 1e-10

Streams = Literal["random_walk", "shortest_path"]


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Contribution of direct comparisons (columns) to network estimates (rows).

    Attributes
    ----------
    rows, columns : tuple of (str, str)
        Comparisons; columns are those that some study makes.
    flow : (n_rows, n_columns) float
        The hat matrix aggregated by comparison: signed flow of evidence, first named to second.
    share : (n_rows, n_columns) float
        Proportions; every row sums to 1.
    streams : str
        How flows were divided into streams.
    """

    rows: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    flow: Floats
    share: Floats
    streams: str


def _laplacian(rows: Rows, tau2: float) -> Floats:
    """Weighted graph of all treatments: off the diagonal, minus the weight of the direct comparison."""
    weight = 1 / (rows.v + tau2 / 2)
    return np.asarray(rows.x.T @ (rows.x * weight[:, None]))


def flow_matrix(rows: Rows, tau2: float) -> tuple[list[Pair], list[Pair], Floats]:
    """All comparisons, the direct ones, and the flow through each; `rows.x` holds every treatment.

    The weights between two arms of a study with several are the reduced ones of [ruecker2012].
    """
    laplacian = _laplacian(rows, tau2)
    n = len(laplacian)
    upper = [(i, j) for i in range(n) for j in range(i + 1, n)]
    direct = [pair for pair in upper if abs(laplacian[pair]) > NOTHING * laplacian.max()]
    potential = np.linalg.pinv(laplacian, hermitian=True)
    a, b = np.array(upper).T
    c, d = np.array(direct).T
    drop = (
        potential[a[:, None], c]
        - potential[b[:, None], c]
        - potential[a[:, None], d]
        + potential[b[:, None], d]
    )
    return upper, direct, -laplacian[c, d] * drop


def contributions(
    rows: Rows, treatments: tuple[str, ...], tau2: float, streams: Streams = "random_walk"
) -> Contributions:
    """Proportions that every direct comparison contributes to every network estimate."""
    if streams not in ("random_walk", "shortest_path"):
        raise EvidenceError(
            "no such way to divide flows",
            where="contributions: streams",
            found=repr(streams),
            expected="random_walk, shortest_path",
        )
    upper, direct, flow = flow_matrix(rows, tau2)
    divide = _random_walk if streams == "random_walk" else _shortest_paths
    n = len(treatments)
    downhill = [_downhill(line, direct, n) for line in flow]
    if _has_negative_weight(rows, tau2):
        downhill = [_without_loops(one) for one in downhill]
    share = np.array([divide(one, direct, pair) for one, pair in zip(downhill, upper)]).reshape(
        len(upper), len(direct)
    )

    def names(pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
        return tuple((treatments[i], treatments[j]) for i, j in pairs)

    return Contributions(names(upper), names(direct), flow, share, streams)


def _downhill(line: Floats, direct: list[Pair], n: int) -> Floats:
    """Flow from treatment to treatment, shape (n, n), none of it negative."""
    flow = np.zeros((n, n))
    for (i, j), f in zip(direct, line):
        if f > NOTHING:
            flow[i, j] = f
        elif f < -NOTHING:
            flow[j, i] = -f
    return flow


def _has_negative_weight(rows: Rows, tau2: float) -> bool:
    """Whether a reduced weight is negative: so where arms of a study are strongly correlated.

    Current then runs uphill through that comparison, and the flow may run in loops.
    """
    laplacian = _laplacian(rows, tau2)
    return bool((laplacian - np.diag(np.diag(laplacian)) > NOTHING * laplacian.max()).any())


def _without_loops(flow: Floats) -> Floats:
    """The flow without what runs in loops, which carries nothing from the one treatment to the other."""
    flow = flow.copy()
    while loop := _loop_of(flow):
        edges = list(pairwise([*loop, loop[0]]))
        least = min(flow[edge] for edge in edges)
        for edge in edges:
            flow[edge] = flow[edge] - least if flow[edge] - least > NOTHING else 0.0
    return flow


def _loop_of(flow: Floats) -> list[int]:
    """Treatments of a loop, in its direction; empty if there is none."""
    done: set[int] = set()

    def walk(i: int, way: list[int]) -> list[int]:
        if i in way:
            return way[way.index(i) :]
        for j in np.flatnonzero(flow[i] > 0).tolist() if i not in done else ():
            if loop := walk(j, [*way, i]):
                return loop
        done.add(i)
        return []

    return next((loop for i in range(len(flow)) if (loop := walk(i, []))), [])


def _random_walk(flow: Floats, direct: list[Pair], pair: Pair) -> Floats:
    """Expected share of each comparison among the steps of a walker that follows the flow.

    A walk of k steps gives 1/k of its probability to each of its comparisons.  Flows run downhill, so no
    walk turns back: lengths of the way to a comparison and from it onward are added up exactly.
    """
    n = len(flow)
    out = flow.sum(axis=1, keepdims=True)
    step = np.divide(flow, out, out=np.zeros_like(flow), where=out > 0)
    start, end = pair
    step[end] = 0.0  # the walk is over
    reach, onward = np.zeros((n, n)), np.zeros((n, n))  # (number of steps, treatment)
    reach[0, start] = onward[0, end] = 1.0
    for k in range(1, n):
        reach[k] = reach[k - 1] @ step
        onward[k] = step @ onward[k - 1]
    steps = np.arange(n)
    length = 1.0 / (steps[:, None] + steps[None, :] + 1)
    share = (reach.T @ length @ onward) * step
    return np.array([share[i, j] + share[j, i] for i, j in direct])


def _shortest_paths(flow: Floats, direct: list[Pair], pair: Pair) -> Floats:
    """Shortest paths, each with the least flow along it, until nothing flows; ties by order of treatments."""
    flow, share = flow.copy(), np.zeros_like(flow)
    while (path := _shortest(flow, pair)) is not None:
        edges = list(pairwise(path))
        least = min(flow[edge] for edge in edges)
        for edge in edges:
            flow[edge] = flow[edge] - least if flow[edge] - least > NOTHING else 0.0
            share[edge] += least / len(edges)
    return np.array([share[i, j] + share[j, i] for i, j in direct])


def _shortest(flow: Floats, pair: Pair) -> list[int] | None:
    start, end = pair
    came_from = {start: start}
    wave = [start]
    while wave and end not in came_from:
        ahead = []
        for i in wave:
            for j in np.flatnonzero(flow[i] > 0).tolist():
                if j not in came_from:
                    came_from[j] = i
                    ahead.append(j)
        wave = ahead
    if end not in came_from:
        return None
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def study_shares(
    found: Contributions, weights: dict[tuple[str, str], dict[str, float]], studies: Sequence[str]
) -> Floats:
    """Contribution of each study to each estimate, shape (n_rows, n_studies).

    A direct comparison's share is divided among its studies in proportion to their weights in it, taken
    without sign.
    """
    place = {name: i for i, name in enumerate(studies)}
    out = np.zeros((len(found.rows), len(studies)))
    for c, pair in enumerate(found.columns):
        total = sum(map(abs, weights[pair].values()))
        for name, weight in weights[pair].items():
            out[:, place[name]] += found.share[:, c] * abs(weight) / total
    return out


def edge_weights(
    studies: Sequence[Study], treatments: Sequence[str], tau2: float
) -> dict[tuple[str, str], dict[str, float]]:
    """For every direct comparison, the weight of each of its studies: the reduced one of [ruecker2012]."""
    out: dict[tuple[str, str], dict[str, float]] = {}
    for study in studies:
        contrast = helmert(len(study.arms))
        whole = -0.5 * contrast @ study.variance @ contrast.T + tau2 / 2 * np.eye(len(contrast))
        laplacian = contrast.T @ np.linalg.solve(whole, contrast)
        for i in range(len(study.arms)):
            for j in range(i + 1, len(study.arms)):
                pair = (treatments[study.arms[i]], treatments[study.arms[j]])
                out.setdefault(pair, {})[study.name] = -float(laplacian[i, j])
    return out
