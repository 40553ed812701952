"""What each arm's linear predictor is made of: the columns of consistency, of unrelated means, of a split.

Every model is the same arithmetic on other columns: an arm's predictor is its study's level, plus the columns
times their coefficients, plus a normal deviation with variance tau2 / 2 [methods/bayesian-network, eq. 2].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.bayes.data import NetworkData

__all__ = ["Design", "consistent", "split", "splittable", "unrelated", "with_covariate"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Columns of the arms.

    Attributes
    ----------
    x : (n_arms, n_columns) float
    pairs : tuple of (int, int)
        What each column is the effect of: treatment, and what it is relative to.
    n_slopes : int
        The last columns are slopes of a covariate.
    slope_labels : tuple of str
    """

    x: Floats
    pairs: tuple[tuple[int, int], ...]
    n_slopes: int = 0
    slope_labels: tuple[str, ...] = ()

    def of_units(self, data: NetworkData) -> Floats:
        """(n_units, n_columns): the arms' columns, or their combinations for contrasts."""
        return self.x if data.rotation is None else data.rotation @ self.x


def consistent(data: NetworkData) -> Design:
    """A column each treatment but the reference."""
    others = np.arange(1, len(data.treatments))
    x = (data.arm_treatment[:, None] == others).astype(float)
    return Design(x, tuple((int(k), 0) for k in others))


def unrelated(data: NetworkData) -> Design:
    """A column each comparison with a study's base arm: nothing is borrowed along loops."""
    base = data.arm_treatment[data.base_arm][data.arm_study]
    seen = sorted({(int(b), int(t)) for b, t in zip(base, data.arm_treatment) if b != t})
    x = np.array([[(b, t) == pair for pair in seen] for b, t in zip(base, data.arm_treatment)], float)
    return Design(x, tuple((t, b) for b, t in seen))


def split(data: NetworkData, a: int, b: int) -> Design:
    """Columns of consistency, and last the direct effect of `b` relative to `a`.

    In studies that have both, arm `b` lies the direct effect above arm `a`, and both lie about the mean of
    what is consistent: of a study with three arms, each of the two takes half of the inconsistency, so that
    the order of treatments does not matter (the symmetric form of [white2015]; with two arms that of
    [dias2010]).
    """
    plain = consistent(data)
    has_both = data.studies_with(a, b)[data.arm_study]
    x = np.column_stack([plain.x, np.zeros(len(plain.x))])
    mean = np.zeros(x.shape[1])
    for k in (a, b):
        if k:  # the reference has no column
            mean[k - 1] = 0.5
    for k, sign in ((a, -0.5), (b, 0.5)):
        arms = has_both & (data.arm_treatment == k)
        x[arms] = mean
        x[arms, -1] = sign
    return Design(x, (*plain.pairs, (b, a)))


def splittable(data: NetworkData) -> list[tuple[int, int]]:
    """Pairs with direct evidence that stay connected without the studies that have both [vanvalkenhoef2016].

    A loop that only studies with several arms close cannot be inconsistent, and is not asked.
    """
    arms = np.split(data.arm_treatment, data.base_arm[1:])
    pairs = []
    for a, b in combinations(range(len(data.treatments)), 2):
        both = data.studies_with(a, b)
        if both.any() and _is_joined(a, b, [arms[s] for s in np.flatnonzero(~both)]):
            pairs.append((a, b))
    return pairs


def _is_joined(a: int, b: int, studies: list[NDArray[np.int64]]) -> bool:
    reached, grew = {a}, True
    while grew:
        grew = False
        for arms in studies:
            members = set(arms.tolist())
            if members & reached and not members <= reached:
                reached |= members
                grew = True
    return b in reached


def with_covariate(design: Design, data: NetworkData, centered: Floats, name: str, common: bool) -> Design:
    """Slopes of a study's covariate: one for all treatments against the reference, or one each.

    With one slope it cancels between two treatments that are not the reference [dias2013].
    """
    active = (data.arm_treatment[:, None] == np.arange(1, len(data.treatments))).astype(float)
    columns = active * centered[data.arm_study][:, None]
    labels = tuple(f"{name}: {t}" for t in data.treatments[1:])
    if common:
        columns, labels = columns.sum(axis=1, keepdims=True), (name,)
    return Design(np.column_stack([design.x, columns]), design.pairs, columns.shape[1], labels)
