"""Independent rows: a network as one meta-regression.

A study of m arms tells m - 1 things.  Taken as contrasts that are orthonormal (Helmert's), their
heterogeneity is tau2/2 times the identity, so that the eigenvectors of the sampling covariance make them
independent for every tau2.  Each becomes a row with an effect, a combination of treatments (`x`, summing to
zero) and a sampling variance; its whole variance is `v + tau2 / 2`.  All estimators of heterogeneity are
then those of an ordinary meta-regression, without blocks [methods/network, eq. 3].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.networks.studies import Study

__all__ = ["Rows", "fit", "helmert", "rotate"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that are independent given tau2.

    Attributes
    ----------
    y : (n_rows,) float
    x : (n_rows, n_columns) float
        What each row estimates, as a combination of the columns.
    v : (n_rows,) float
        Sampling variances; tau2 / 2 is to be added.
    study : (n_rows,) int
    """

    y: Floats
    x: Floats
    v: Floats
    study: Ints

    def __len__(self) -> int:
        return len(self.y)

    def where(self, kept: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        return Rows(self.y[kept], self.x[kept], self.v[kept], self.study[kept])

    def of(self, columns: Floats) -> Rows:
        """The same rows with other columns: `x @ columns`."""
        return Rows(self.y, self.x @ columns, self.v, self.study)


@lru_cache(maxsize=64)
def helmert(m: int) -> Floats:
    """Orthonormal contrasts of m arms, shape (m - 1, m)."""
    out = np.zeros((m - 1, m))
    for k in range(1, m):
        out[k - 1, :k] = -1.0
        out[k - 1, k] = k
        out[k - 1] /= np.sqrt(k * (k + 1.0))
    out.setflags(write=False)
    return out


def rotate(studies: Sequence[Study], n_treatments: int) -> Rows:
    """The independent rows of these studies, in their order."""
    sizes = np.array([len(study.arms) for study in studies])
    first = np.concatenate([[0], np.cumsum(sizes - 1)])
    n_rows = int(first[-1])
    y, v, x = np.empty(n_rows), np.empty(n_rows), np.zeros((n_rows, n_treatments))
    for m in np.unique(sizes):
        at = np.flatnonzero(sizes == m)
        members = [studies[s] for s in at.tolist()]
        effect = np.array([study.effect for study in members])
        variance = np.array([study.variance for study in members])
        arms = np.array([study.arms for study in members])
        contrast = helmert(int(m))
        values, vectors = np.linalg.eigh(-0.5 * contrast @ variance @ contrast.T)
        combination = np.swapaxes(vectors, 1, 2) @ contrast  # (studies, m - 1, m)
        rows = first[at][:, None] + np.arange(m - 1)
        y[rows] = (combination @ effect[:, :, None])[:, :, 0]
        v[rows] = values
        x[rows[:, :, None], arms[:, None, :]] = combination
    return Rows(y, x, v, np.repeat(np.arange(len(studies)), sizes - 1))


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Weighted least squares: coefficients, their covariance, and the quadratic form of what is left."""

    coefficient: Floats
    covariance: Floats
    q: float
    df: int


def fit(rows: Rows, tau2: float = 0.0) -> Fit:
    """Coefficients of `rows.x`, whose columns must be independent, given tau2."""
    weight = 1 / (rows.v + tau2 / 2)
    weighted = rows.x * weight[:, None]
    covariance = np.asarray(np.linalg.inv(weighted.T @ rows.x))
    coefficient = covariance @ (weighted.T @ rows.y)
    left = rows.y - rows.x @ coefficient
    return Fit(coefficient, covariance, float(weight @ left**2), len(rows) - rows.x.shape[1])
