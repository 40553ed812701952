"""Mantel-Haenszel for networks: odds ratios by design, without increments, joined by least squares.

Within a design the odds ratios are pooled over its studies [mantel1959], made to agree with one another
[mickey1985], with covariances that hold for sparse strata and for large ones [greenland1989]; the designs'
odds ratios are then a network of their own [efthimiou2019].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.counts.arms import CountStudy
from flarefree.evidence.networks.rows import Rows, helmert
from flarefree.evidence.networks.studies import Study

__all__ = ["DesignOdds", "design_odds", "rows_of_designs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DesignOdds:
    """A design's pooled log odds of its arms (up to a constant) and their covariance (of contrasts)."""

    arms: tuple[int, ...]
    n_studies: int
    effect: Floats
    covariance: Floats

    def as_study(self, treatments: tuple[str, ...]) -> Study:
        """The design as one study, as the graph sees it."""
        name = " v ".join(treatments[i] for i in self.arms)
        return Study(name, np.array(self.arms, np.int64), self.effect, self.covariance)


def design_odds(
    studies: Sequence[CountStudy], treatments: tuple[str, ...]
) -> tuple[list[DesignOdds], list[str]]:
    """Pooled odds ratios of every design, and notes on arms that had to be left out of one."""
    grouped: dict[tuple[int, ...], list[CountStudy]] = {}
    for study in studies:
        grouped.setdefault(tuple(study.arms.tolist()), []).append(study)
    designs, notes = [], []
    for arms, members in sorted(grouped.items()):
        events = np.array([study.events for study in members])
        others = np.array([study.size for study in members]) - events
        kept = (events.sum(axis=0) > 0) & (others.sum(axis=0) > 0)
        if not kept.all():
            dropped = ", ".join(treatments[arm] for arm, keep in zip(arms, kept) if not keep)
            design = " v ".join(treatments[arm] for arm in arms)
            notes.append(
                f"no odds of {dropped} in the design {design} (no events, or nothing else): left out there"
            )
        if kept.sum() < 2:
            continue
        found = _pool(events[:, kept], others[:, kept])
        if found is not None:
            left = tuple(arm for arm, keep in zip(arms, kept) if keep)
            designs.append(DesignOdds(left, len(members), *found))
    return designs, notes


def _pool(a: Floats, b: Floats) -> tuple[Floats, Floats] | None:
    """Log odds of m arms from events `a` and others `b`, shape (studies, m).

    In the letters of [greenland1989]: c_xy = a_x b_y / N, C its sum over studies, L_xy = log C_xy / C_yx;
    the averaged estimate of x against y is (L_x+ - L_y+) / m.  None if some pair has no odds ratio.
    """
    m = a.shape[1]
    N = (a + b).sum(axis=1)
    c = a[:, :, None] * b[:, None, :] / N[:, None, None]
    C = c.sum(axis=0)
    apart = ~np.eye(m, dtype=bool)
    if (C[apart] <= 0).any():
        return None
    L = np.where(apart, np.log(np.where(apart, C, 1.0)) - np.log(np.where(apart, C.T, 1.0)), 0.0)
    cov = _covariances(a, b, N, c, C)
    # L_x+ = sum over y of L_xy; cov[x, y, z] = cov(L_xy, L_xz), and L_yx = -L_xy
    plus = np.zeros((m, m))
    for x in range(m):
        plus[x, x] = cov[x].sum()
        for z in range(m):
            if z != x:
                # cov(L_xy, L_zw) is zero unless an arm is shared: y = w, y = z, w = x, and the pair itself
                plus[x, z] = (
                    sum(cov[y, x, z] for y in range(m) if y not in (x, z))
                    - sum(cov[z, x, w] for w in range(m) if w not in (x, z))
                    - sum(cov[x, y, z] for y in range(m) if y not in (x, z))
                    - cov[x, z, z]
                )
    return L.sum(axis=1) / m, plus / m**2


def _covariances(a: Floats, b: Floats, N: Floats, c: Floats, C: Floats) -> Floats:
    """cov(L_xy, L_xz), shape (m, m, m); for y = z the variance of [robins1986]."""
    m = a.shape[1]
    n = a + b
    d = (a[:, :, None] + b[:, None, :]) / N[:, None, None]
    out = np.zeros((m, m, m))
    for x in range(m):
        for y in range(m):
            for z in range(m):
                if x in (y, z):
                    continue
                if y == z:
                    cxy, cyx, dxy, dyx = c[:, x, y], c[:, y, x], d[:, x, y], d[:, y, x]
                    out[x, y, y] = (
                        (cxy * dxy).sum() / (2 * C[x, y] ** 2)
                        + (cxy * dyx + cyx * dxy).sum() / (2 * C[x, y] * C[y, x])
                        + (cyx * dyx).sum() / (2 * C[y, x] ** 2)
                    )
                else:
                    out[x, y, z] = (
                        (a[:, x] * b[:, y] * b[:, z] / N**2).sum() / (C[x, y] * C[x, z])
                        + (n[:, x] * b[:, y] * a[:, z] / N**2).sum() / (C[x, y] * C[z, x])
                        + (n[:, x] * a[:, y] * b[:, z] / N**2).sum() / (C[y, x] * C[x, z])
                        + (b[:, x] * a[:, y] * a[:, z] / N**2).sum() / (C[y, x] * C[z, x])
                    ) / 3
    return out


def rows_of_designs(designs: Sequence[DesignOdds], n_treatments: int) -> Rows:
    """Independent rows, one study a design."""
    y, v, x, owner = [], [], [], []
    for k, design in enumerate(designs):
        contrast = helmert(len(design.arms))
        values, vectors = np.linalg.eigh(contrast @ design.covariance @ contrast.T)
        combination = vectors.T @ contrast
        whole = np.zeros((len(values), n_treatments))
        whole[:, list(design.arms)] = combination
        y.append(combination @ design.effect)
        v.append(values)
        x.append(whole)
        owner.append(np.full(len(values), k))
    return Rows(np.concatenate(y), np.vstack(x), np.concatenate(v), np.concatenate(owner).astype(np.int64))
