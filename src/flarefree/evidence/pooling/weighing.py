"""Weighted least squares in few sums: the quadratic forms and traces that every tau2 estimator is made of.

With W = diag(w), X the design and P = W - W X (X'WX)^-1 X'W, all that the estimators need are Y'PY, Y'PPY
and traces of P, PP, PV and PVPV.  Each is a handful of sums over studies, never a matrix of studies by
studies.  Without moderators X is a column of ones and the sums are plain numbers: `Constant`.
Formulas: docs/methods/pairwise.md, section 4.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import SingularDesignError

__all__ = ["Constant", "Design", "Moderated"]

Floats = NDArray[np.float64]


class Design(Protocol):
    """What the studies' effects are regressed on."""

    n_columns: int

    def residual(self, y: Floats, w: Floats) -> Floats:
        """What the weighted fit of y leaves."""

    def traces(self, w: Floats) -> tuple[float, float]:
        """Traces of P and of PP."""

    def weighted_traces(self, w: Floats, v: Floats) -> tuple[float, float, float]:
        """Traces of PV, of PVP and of PVPV, where V = diag(v)."""

    def projected(self, a: Floats, w: Floats) -> float:
        """The quadratic form a'Pa."""

    def log_determinant(self, w: Floats) -> float:
        """Log of the determinant of X'WX."""

    def coefficients(self, y: Floats, w: Floats) -> tuple[Floats, NDArray[np.float64]]:
        """The weighted fit and (X'WX)^-1."""


class Constant:
    """No moderators: one mean."""

    n_columns = 1

    def residual(self, y: Floats, w: Floats) -> Floats:
        return y - float(w @ y) / float(w.sum())

    def traces(self, w: Floats) -> tuple[float, float]:
        one, two = float(w.sum()), float(w @ w)
        three = float(w @ (w * w))
        return one - two / one, two - 2.0 * three / one + (two / one) ** 2

    def weighted_traces(self, w: Floats, v: Floats) -> tuple[float, float, float]:
        s = float(w.sum())
        wv = w * v
        a, b = float(w @ wv), float(w @ w)
        pv = float(wv.sum()) - a / s
        pvp = float(w @ wv) - 2.0 * float(w @ (w * wv)) / s + a * b / s**2
        pvpv = float(wv @ wv) - 2.0 * float((w * wv) @ wv) / s + (a / s) ** 2
        return pv, pvp, pvpv

    def projected(self, a: Floats, w: Floats) -> float:
        r = self.residual(a, w)
        return float(w @ (r * r))

    def log_determinant(self, w: Floats) -> float:
        return float(np.log(w.sum()))

    def coefficients(self, y: Floats, w: Floats) -> tuple[Floats, Floats]:
        total = float(w.sum())
        return np.array([float(w @ y) / total]), np.array([[1.0 / total]])


class Moderated:
    """A design with moderators: `matrix` is (k, p), its columns independent.

    Columns are put on one scale inside, so that a year and a share may stand beside each other.
    """

    def __init__(self, matrix: Floats) -> None:
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        self.n_columns = self.matrix.shape[1]
        if np.linalg.matrix_rank(self.matrix / np.linalg.norm(self.matrix, axis=0)) < self.n_columns:
            raise SingularDesignError(
                "the moderators do not identify their coefficients",
                where="moderators",
                found="columns that are combinations of others",
                expected=f"{self.n_columns} independent columns",
            )
        # An orthonormal basis in place of the columns: the fit is the same, and years far from 0 do not
        # cost digits.
        self._basis, self._mixing = np.linalg.qr(self.matrix)

    def residual(self, y: Floats, w: Floats) -> Floats:
        root = np.sqrt(w)
        q, _ = np.linalg.qr(self._basis * root[:, None])
        scaled = root * y
        left: Floats = (scaled - q @ (q.T @ scaled)) / root
        return left

    def traces(self, w: Floats) -> tuple[float, float]:
        a = np.linalg.inv(self._gram(w))
        b = a @ self._gram(w * w)
        one = float(w.sum()) - float(np.trace(b))
        three = float(np.trace(a @ self._gram(w**3)))
        return one, float(w @ w) - 2.0 * three + float(np.sum(b * b.T))

    def weighted_traces(self, w: Floats, v: Floats) -> tuple[float, float, float]:
        a = np.linalg.inv(self._gram(w))
        wv = w * v
        b, bv = a @ self._gram(w * w), a @ self._gram(w * wv)
        pv = float(wv.sum()) - float(np.trace(bv))
        pvp = float(w @ wv) - 2.0 * float(np.trace(a @ self._gram(w * w * wv))) + float(np.sum(bv * b.T))
        cross = float(np.trace(a @ self._gram(w * wv * wv)))
        return pv, pvp, float(wv @ wv) - 2.0 * cross + float(np.sum(bv * bv.T))

    def projected(self, a: Floats, w: Floats) -> float:
        r = self.residual(a, w)
        return float(w @ (r * r))

    def log_determinant(self, w: Floats) -> float:
        inner = float(np.linalg.slogdet(self._gram(w))[1])
        return inner + 2.0 * float(np.log(np.abs(np.diag(self._mixing))).sum())

    def coefficients(self, y: Floats, w: Floats) -> tuple[Floats, Floats]:
        covariance = np.linalg.inv(self._gram(w))
        inner = covariance @ (self._basis.T @ (w * y))
        back = np.linalg.inv(self._mixing)
        return back @ inner, back @ covariance @ back.T

    def _gram(self, weight: Floats) -> Floats:
        product: Floats = self._basis.T @ (weight[:, None] * self._basis)
        return product
