"""Small-study effects across a network: the comparison-adjusted funnel and Egger's regression on it.

Each study's difference is centered on the pooled direct estimate of its own comparison, so that all
comparisons share one funnel; treatments must be ordered by what small studies would favor (newest first,
say), for otherwise asymmetries cancel [chaimani2013].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.splitting import direct_evidence
from flarefree.evidence.networks.studies import Study

__all__ = ["AdjustedFunnel", "adjusted_funnel"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AdjustedFunnel:
    """Differences of all studies around their comparison's pooled estimate.

    Attributes
    ----------
    study, treatment_1, treatment_2 : tuple of str
        `treatment_1` comes first in the given order.
    estimate, std_error, adjusted : (n,) float
        The study's difference, its error, and the difference minus the comparison's pooled one.
    intercept, intercept_error, statistic, df, p_value : float
        Egger's regression of adjusted difference / error on 1 / error, t on n - 2; NaN with fewer than 3.
    """

    study: tuple[str, ...]
    treatment_1: tuple[str, ...]
    treatment_2: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    adjusted: Floats
    intercept: float
    intercept_error: float
    statistic: float
    df: int
    p_value: float


def adjusted_funnel(
    studies: Sequence[Study], treatments: Sequence[str], order: Sequence[int], tau2: float
) -> AdjustedFunnel:
    """All pairs of all studies; `order` lists treatments by their place."""
    direct = direct_evidence(studies, len(treatments), tau2).estimate
    rank = {treatment: r for r, treatment in enumerate(order)}
    points: list[tuple[str, int, int, float, float]] = []
    for study in studies:
        m = len(study.arms)
        for i in range(m):
            for j in range(i + 1, m):
                a, b = (i, j) if rank[int(study.arms[i])] < rank[int(study.arms[j])] else (j, i)
                difference = float(study.effect[a] - study.effect[b])
                error = math.sqrt(study.variance[a, b])
                points.append((study.name, int(study.arms[a]), int(study.arms[b]), difference, error))
    names, first, second, estimate, error_ = zip(*points)
    differences, errors = np.array(estimate), np.array(error_)
    adjusted = differences - direct[np.array(first), np.array(second)]
    return AdjustedFunnel(
        tuple(names),
        tuple(treatments[i] for i in first),
        tuple(treatments[i] for i in second),
        differences,
        errors,
        adjusted,
        *_egger(adjusted, errors),
    )


def _egger(adjusted: Floats, errors: Floats) -> tuple[float, float, float, int, float]:
    """Intercept of adjusted / error on 1 / error by least squares [egger1997]."""
    from scipy.special import stdtr

    n = len(adjusted)
    if n < 3 or np.ptp(errors) <= 1e-12 * errors.max():
        return math.nan, math.nan, math.nan, max(n - 2, 0), math.nan
    x = np.column_stack([np.ones(n), 1 / errors])
    y = adjusted / errors
    inverse = np.linalg.inv(x.T @ x)
    coefficient = inverse @ (x.T @ y)
    left = y - x @ coefficient
    error = math.sqrt(float(left @ left) / (n - 2) * inverse[0, 0])
    if error == 0:
        return float(coefficient[0]), 0.0, math.nan, n - 2, math.nan
    t = float(coefficient[0]) / error
    return float(coefficient[0]), error, t, n - 2, float(2 * stdtr(n - 2, -abs(t)))
