"""Direct and indirect evidence: pooled head-to-head, back-calculated, and the test of their difference.

The network's estimate of a comparison is a weighted mean of its direct estimate and of the rest; the share
of the direct one is the ratio of variances, and the indirect estimate is what is left [dias2010; koenig2013].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.effects import Effects
from flarefree.evidence.networks.studies import Study

__all__ = ["DirectEvidence", "Split", "direct_evidence", "split_nodes"]

Floats = NDArray[np.float64]
ONLY_DIRECT = 5e-4  # as netmeta's tol.direct: a share this near 1 leaves no indirect evidence


@dataclass(frozen=True, slots=True, eq=False)
class DirectEvidence:
    """Head-to-head evidence of every pair; NaN where no study compares the two.

    Attributes
    ----------
    estimate, std_error : (n, n) float
        Inverse-variance means over the studies with both treatments, with the network's tau2.
    n_studies : (n, n) int
    q : (n, n) float
        Cochran's Q of the pair's studies, without tau2.
    """

    estimate: Floats
    std_error: Floats
    n_studies: NDArray[np.int64]
    q: Floats


@dataclass(frozen=True, slots=True)
class Split:
    """One comparison: the network's estimate, the direct and the indirect one, and their difference."""

    treatment_1: str
    treatment_2: str
    n_studies: int
    direct_share: float
    estimate: float
    std_error: float
    direct: float
    direct_std_error: float
    indirect: float
    indirect_std_error: float
    difference: float
    difference_std_error: float
    statistic: float
    p_value: float


def direct_evidence(studies: Sequence[Study], n_treatments: int, tau2: float) -> DirectEvidence:
    """Pool the head-to-head differences of every pair with one tau2 for all."""
    shape = (n_treatments, n_treatments)
    weight, plain, sums, plain_sums, squares = (np.zeros(shape) for _ in range(5))
    count = np.zeros(shape, np.int64)
    for study in studies:
        at = np.ix_(study.arms, study.arms)
        difference = study.effect[:, None] - study.effect[None, :]
        with np.errstate(divide="ignore"):
            w, w0 = 1 / (study.variance + tau2), 1 / study.variance
        np.fill_diagonal(w, 0.0)
        np.fill_diagonal(w0, 0.0)
        weight[at] += w
        sums[at] += w * difference
        plain[at] += w0
        plain_sums[at] += w0 * difference
        squares[at] += w0 * difference**2
        count[at] += 1 - np.eye(len(study.arms), dtype=np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(count > 1, squares - plain_sums**2 / plain, 0.0)
        estimate, std_error = sums / weight, 1 / np.sqrt(weight)
    has_none = count == 0
    for matrix in (estimate, std_error, q):
        matrix[has_none] = np.nan
    return DirectEvidence(estimate, std_error, count, np.maximum(q, 0.0))


def split_nodes(effects: Effects, evidence: DirectEvidence, reference: int) -> tuple[Split, ...]:
    """Every pair, in the order of treatments; against the reference where it takes part."""
    pairs = combinations(range(len(effects.treatments)), 2)
    return tuple(_split(effects, evidence, *((j, i) if i == reference else (i, j))) for i, j in pairs)


def _split(effects: Effects, evidence: DirectEvidence, i: int, j: int) -> Split:
    from scipy.special import ndtr

    estimate, error = float(effects.estimate[i, j]), float(effects.std_error[i, j])
    direct, direct_error = float(evidence.estimate[i, j]), float(evidence.std_error[i, j])
    has_direct = not math.isnan(direct)
    share = min(error**2 / direct_error**2, 1.0) if has_direct else 0.0
    indirect = indirect_error = difference = difference_error = statistic = p_value = math.nan
    if share < 1 - ONLY_DIRECT:
        indirect = (estimate - share * direct) / (1 - share) if has_direct else estimate
        indirect_error = error / math.sqrt(1 - share)
    if has_direct and not math.isnan(indirect):
        difference = direct - indirect
        difference_error = math.hypot(direct_error, indirect_error)
        statistic = difference / difference_error
        p_value = float(2 * ndtr(-abs(statistic)))
    names = effects.treatments
    return Split(
        names[i],
        names[j],
        int(evidence.n_studies[i, j]),
        share,
        estimate,
        error,
        direct,
        direct_error,
        indirect,
        indirect_error,
        difference,
        difference_error,
        statistic,
        p_value,
    )
