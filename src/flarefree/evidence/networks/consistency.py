"""Do the designs agree?  Q within and between designs, designs detached one by one, the net heat matrix.

A design is the set of treatments that a study compares.  Each design's studies give a direct estimate; the
network's effects are then fitted to those [krahn2013; higgins2012].  Begin reading at `decompose`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.connection import is_connected
from flarefree.evidence.networks.rows import Rows
from flarefree.evidence.networks.studies import Study

__all__ = ["Consistency", "DesignQ", "NetHeat", "decompose", "net_heat"]

Floats = NDArray[np.float64]
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class DesignQ:
    """One design: its studies, their heterogeneity, its part in the inconsistency.

    Attributes
    ----------
    treatments : tuple of str
    n_studies : int
    q, df, p_value : float
        Heterogeneity within the design; P is NaN with no degrees of freedom.
    q_between : float
        The design's contribution to the Q between designs.
    q_detached, df_detached, p_detached : float
        Q between designs once this design has effects of its own; NaN where that would part the network
        or leave nothing to compare.
    """

    treatments: tuple[str, ...]
    n_studies: int
    q: float
    df: int
    p_value: float
    q_between: float
    q_detached: float
    df_detached: int
    p_detached: float


@dataclass(frozen=True, slots=True)
class Consistency:
    """Cochran's Q of the whole network, within designs, and between them.

    `q_between_random` is the test between designs under the full design-by-treatment interaction model:
    heterogeneity `tau2_within` is estimated within designs only, and so holds no inconsistency.
    """

    q_total: float
    df_total: int
    p_total: float
    q_within: float
    df_within: int
    p_within: float
    q_between: float
    df_between: int
    p_between: float
    tau2_within: float
    q_between_random: float
    p_between_random: float
    designs: tuple[DesignQ, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NetHeat:
    """The net heat matrix [krahn2013].

    Attributes
    ----------
    labels : tuple of str
        A contrast of a design each: `A v B`, or `A v B (A, B, C)` in designs of several arms.
    heat : (n, n) float
        On the diagonal the contribution of the row's design to Q between designs; elsewhere how much less
        the row contributes once the column's design is detached.  Positive where the column drives the
        row's inconsistency; NaN where the column cannot be detached.
    share : (n, n) float
        The hat matrix: how much the column's direct estimate enters the network's estimate of the row.
    """

    labels: tuple[str, ...]
    heat: Floats
    share: Floats
    tau2: float


def _p(q: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, max(q, 0.0))) if df > 0 else math.nan


# Two stages: designs, then the network ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """Direct estimates of all designs, stacked: contrasts against each design's first treatment."""

    arms: list[tuple[int, ...]]
    counts: list[int]
    y: Floats
    x: Floats
    precision: Floats  # a block a design
    design: NDArray[np.int64]
    q: Floats
    df: NDArray[np.int64]

    @property
    def q_within(self) -> float:
        return float(self.q.sum())


def _designs_of(studies: Sequence[Study]) -> dict[tuple[int, ...], list[int]]:
    designs: dict[tuple[int, ...], list[int]] = {}
    for s, study in enumerate(studies):
        designs.setdefault(tuple(study.arms.tolist()), []).append(s)
    return dict(sorted(designs.items()))


def _first_stage(rows: Rows, studies: Sequence[Study], tau2: float) -> _Stage:
    """`rows.x` has a column for every treatment here."""
    designs = _designs_of(studies)
    n = sum(len(arms) - 1 for arms in designs)
    y, precision, x = np.empty(n), np.zeros((n, n)), np.zeros((n, rows.x.shape[1]))
    owner = np.empty(n, np.int64)
    q, df = np.empty(len(designs)), np.empty(len(designs), np.int64)
    start = 0
    for d, (arms, members) in enumerate(designs.items()):
        here = slice(start, start + len(arms) - 1)
        at = np.isin(rows.study, members)
        z = rows.x[at][:, list(arms[1:])]  # contrasts against the first arm carry all of its information
        weight = 1 / (rows.v[at] + tau2 / 2)
        information = z.T @ (z * weight[:, None])
        y[here] = np.linalg.solve(information, z.T @ (weight * rows.y[at]))
        precision[here, here] = information
        left = rows.y[at] - z @ y[here]
        q[d], df[d] = float(weight @ left**2), int(at.sum()) - len(arms) + 1
        x[here, arms[0]] = -1.0
        x[np.arange(start, here.stop), arms[1:]] = 1.0
        owner[here] = d
        start = here.stop
    q[df == 0] = 0.0
    return _Stage(list(designs), [len(m) for m in designs.values()], y, x, precision, owner, q, df)


def _moments_within(rows: Rows, studies: Sequence[Study]) -> float:
    """DerSimonian and Laird's tau2 with every design's effects free."""
    total = df = trace = 0.0
    for arms, members in _designs_of(studies).items():
        at = np.isin(rows.study, members)
        z, weight = rows.x[at][:, list(arms[1:])], 1 / rows.v[at]
        inverse = np.linalg.inv(z.T @ (z * weight[:, None]))
        left = rows.y[at] - z @ (inverse @ (z.T @ (weight * rows.y[at])))
        total += float(weight @ left**2)
        df += int(at.sum()) - len(arms) + 1
        trace += float(weight.sum() - np.trace(inverse @ (z.T @ (z * (weight**2)[:, None]))))
    return 2 * max((total - df) / trace, 0.0) if df else math.nan


def _second_stage(stage: _Stage) -> Floats:
    """The network's coefficients as a map from `stage.y`, shape (n_treatments - 1, n)."""
    x = stage.x[:, 1:]
    weighted = x.T @ stage.precision
    return np.asarray(np.linalg.solve(weighted @ x, weighted))


def decompose(rows: Rows, studies: Sequence[Study], treatments: tuple[str, ...]) -> Consistency:
    """Q in parts; `rows.x` has a column for every treatment.

    Returns
    -------
    Consistency
        The parts under the common-effect model, and the random-effects test between designs.
    """
    stage = _first_stage(rows, studies, 0.0)
    q_between, _ = _between(stage)
    df_between = len(stage.y) - rows.x.shape[1] + 1
    df_within = int(stage.df.sum())
    tau2_within = _moments_within(rows, studies)
    q_random = math.nan
    if not math.isnan(tau2_within) and df_between:
        q_random, _ = _between(_first_stage(rows, studies, tau2_within))
    q_total, df_total = stage.q_within + q_between, df_within + df_between
    return Consistency(
        q_total,
        df_total,
        _p(q_total, df_total),
        stage.q_within,
        df_within,
        _p(stage.q_within, df_within),
        q_between,
        df_between,
        _p(q_between, df_between),
        tau2_within,
        q_random,
        _p(q_random, df_between) if not math.isnan(q_random) else math.nan,
        _each_design(stage, treatments, df_between),
    )


def _between(stage: _Stage) -> tuple[float, Floats]:
    """Q between designs, and each stacked contrast's part in it."""
    left = stage.y - stage.x[:, 1:] @ (_second_stage(stage) @ stage.y)
    parts = left * (stage.precision @ left)
    if len(stage.y) == stage.x.shape[1] - 1:
        return 0.0, np.zeros_like(parts)  # a tree: nothing to disagree, only rounding
    return float(parts.sum()), parts


def _each_design(stage: _Stage, treatments: tuple[str, ...], df_between: int) -> tuple[DesignQ, ...]:
    _, parts = _between(stage)
    out = []
    for d, arms in enumerate(stage.arms):
        q_detached, df_detached = math.nan, df_between - (len(arms) - 1)
        residuals = _detached_residuals(stage, d) if df_detached >= 0 else None
        if residuals is not None:
            q_detached = float(residuals @ stage.precision @ residuals) if df_detached else 0.0
        out.append(
            DesignQ(
                tuple(treatments[i] for i in arms),
                stage.counts[d],
                float(stage.q[d]),
                int(stage.df[d]),
                _p(float(stage.q[d]), int(stage.df[d])),
                float(parts[stage.design == d].sum()),
                q_detached,
                max(df_detached, 0),
                _p(q_detached, df_detached) if not math.isnan(q_detached) else math.nan,
            )
        )
    return tuple(out)


def _detached_residuals(stage: _Stage, d: int) -> Floats | None:
    """Direct minus network estimates when design `d` no longer informs the network; its own are 0."""
    others = [arms for k, arms in enumerate(stage.arms) if k != d]
    if not is_connected(others, stage.x.shape[1]):
        return None
    own = stage.design == d
    x, y = stage.x[:, 1:], np.where(own, 0.0, stage.y)
    weight = stage.precision * ~own  # a design's block stands alone: its columns are its rows
    weighted = x.T @ weight
    residuals = y - x @ np.linalg.solve(weighted @ x, weighted @ y)
    residuals[own] = 0.0
    return np.asarray(residuals)


def net_heat(rows: Rows, studies: Sequence[Study], treatments: tuple[str, ...], tau2: float = 0.0) -> NetHeat:
    """The net heat matrix; designs that take no part in the inconsistency are left out."""
    stage = _first_stage(rows, studies, tau2)
    _, parts = _between(stage)
    share = stage.x[:, 1:] @ _second_stage(stage)
    n = len(stage.y)
    heat = np.full((n, n), np.nan)
    for d in range(len(stage.arms)):
        residuals = _detached_residuals(stage, d)
        if residuals is not None:
            heat[:, stage.design == d] = (parts - residuals * (stage.precision @ residuals))[:, None]
    takes_part = np.array([np.abs(parts[stage.design == d]).max() > TINY for d in stage.design])
    kept = np.flatnonzero(takes_part & ~np.isnan(heat).all(axis=0))
    labels = _contrast_labels(stage, treatments)
    return NetHeat(tuple(labels[i] for i in kept), heat[np.ix_(kept, kept)], share[np.ix_(kept, kept)], tau2)


def _contrast_labels(stage: _Stage, treatments: tuple[str, ...]) -> list[str]:
    labels = []
    for arms in stage.arms:
        names = [treatments[i] for i in arms]
        suffix = f" ({', '.join(names)})" if len(arms) > 2 else ""
        labels += [f"{name} v {names[0]}{suffix}" for name in names[1:]]
    return labels
