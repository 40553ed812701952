"""Covariance structures of repeated measures: parameters to matrix, and its derivatives.

A structure is made for a number of visits.  Its parameters theta are free over the whole line, and are
those of R's mmrm, because the full Kenward-Roger adjustment depends on them (docs/methods/mmrm.md, 2):
logarithms of standard deviations, then correlations; for the unstructured matrix, the logarithms of the
diagonal of its Cholesky factor and the rows of the factor's unit lower triangle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

__all__ = ["STRUCTURES", "Structure", "make_structure"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Structure(ABC):
    """One covariance structure for `n_visits` visits.

    `name` is what formulas write (`us(visit | subject)`), `label` what results print.
    """

    n_visits: int
    name: ClassVar[str]
    label: ClassVar[str]

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """How many parameters theta has."""

    @abstractmethod
    def covariance(self, theta: Floats) -> Floats:
        """The covariance matrix, (m, m)."""

    @abstractmethod
    def first(self, theta: Floats) -> Floats:
        """Its first derivatives, (k, m, m)."""

    @abstractmethod
    def second_traces(self, theta: Floats, weight: Floats) -> Floats:
        """tr(weight @ second derivative i, j), (k, k); `weight` is symmetric, (m, m)."""

    @abstractmethod
    def second_sum(self, theta: Floats, weight: Floats) -> Floats:
        """The second derivatives i, j summed with `weight`, (k, k), to one matrix, (m, m)."""

    @abstractmethod
    def start(self, covariance: Floats) -> Floats:
        """Parameters near a positive definite `covariance`, from which a fit may begin."""


class Unstructured(Structure):
    """Every variance and covariance free: k = m (m + 1) / 2.

    The matrix is L L' with L = diag(d) T, T unit lower triangular; theta is log d, then T by rows.
    """

    name = "us"
    label = "unstructured"

    @property
    def n_parameters(self) -> int:
        return self.n_visits * (self.n_visits + 1) // 2

    @cached_property
    def _below(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return np.tril_indices(self.n_visits, -1)

    @cached_property
    def _row(self) -> NDArray[np.intp]:
        """The row of L that each parameter moves."""
        return np.concatenate([np.arange(self.n_visits), self._below[0]])

    def _factor(self, theta: Floats) -> Floats:
        m = self.n_visits
        unit = np.eye(m)
        unit[self._below] = theta[m:]
        return np.exp(theta[:m])[:, None] * unit

    def _moves(self, theta: Floats, factor: Floats) -> Floats:
        """How each parameter moves its row of L, (k, m): dL/dtheta_i is zero in all other rows."""
        m = self.n_visits
        moves = np.zeros((self.n_parameters, m))
        moves[:m] = factor
        moves[np.arange(m, self.n_parameters), self._below[1]] = np.exp(theta[:m])[self._below[0]]
        return moves

    def covariance(self, theta: Floats) -> Floats:
        factor = self._factor(theta)
        return factor @ factor.T

    def first(self, theta: Floats) -> Floats:
        factor = self._factor(theta)
        half = np.zeros((self.n_parameters, self.n_visits, self.n_visits))
        half[np.arange(self.n_parameters), self._row] = self._moves(theta, factor) @ factor.T
        return half + half.transpose(0, 2, 1)

    def _second_rows(self, theta: Floats, factor: Floats) -> list[tuple[int, int, Floats]]:
        """Where d2L is not zero: (i, j, the row that it moves), each pair once in each order."""
        m = self.n_visits
        moves = self._moves(theta, factor)
        found = [(a, a, factor[a]) for a in range(m)]
        for i in range(m, self.n_parameters):
            a = int(self._row[i])
            found += [(a, i, moves[i]), (i, a, moves[i])]
        return found

    def second_traces(self, theta: Floats, weight: Floats) -> Floats:
        factor = self._factor(theta)
        moves = self._moves(theta, factor)
        traces = 2.0 * weight[np.ix_(self._row, self._row)] * (moves @ moves.T)
        pull = 2.0 * weight @ factor
        for i, j, row in self._second_rows(theta, factor):
            traces[i, j] += pull[self._row[max(i, j)]] @ row
        return traces

    def second_sum(self, theta: Floats, weight: Floats) -> Floats:
        m = self.n_visits
        factor = self._factor(theta)
        moves = self._moves(theta, factor)
        in_row = np.zeros((self.n_parameters, m))
        in_row[np.arange(self.n_parameters), self._row] = 1.0
        crossed = 2.0 * in_row.T @ (weight * (moves @ moves.T)) @ in_row
        bent = np.zeros((m, m))
        for i, j, row in self._second_rows(theta, factor):
            bent[self._row[max(i, j)]] += weight[i, j] * row
        half = bent @ factor.T
        return crossed + half + half.T

    def start(self, covariance: Floats) -> Floats:
        factor = np.linalg.cholesky(covariance)
        d = np.diag(factor)
        return np.concatenate([np.log(d), (factor / d[:, None])[self._below]])


class _Correlated(Structure):
    """Standard deviations (one, or one a visit) and a correlation matrix with a few parameters."""

    heterogeneous: ClassVar[bool]

    @property
    def n_scales(self) -> int:
        return self.n_visits if self.heterogeneous else 1

    @property
    def n_correlations(self) -> int:
        return min(1, self.n_visits - 1)

    @property
    def n_parameters(self) -> int:
        return self.n_scales + self.n_correlations

    @abstractmethod
    def _correlation(self, phi: Floats) -> tuple[Floats, Floats, Floats]:
        """The matrix (m, m) and its first (c, m, m) and second (c, c, m, m) derivatives."""

    @abstractmethod
    def _from_lags(self, lags: Floats) -> Floats:
        """Correlation parameters from mean correlations at lags 1 .. m - 1."""

    @cached_property
    def _lag(self) -> NDArray[np.intp]:
        visits = np.arange(self.n_visits)
        return np.abs(visits[:, None] - visits[None, :])

    @cached_property
    def _scaling(self) -> Floats:
        """How often each standard deviation stands in each entry, (s, m, m)."""
        if not self.heterogeneous:
            return np.full((1, self.n_visits, self.n_visits), 2.0)
        mine = np.eye(self.n_visits)
        return mine[:, :, None] + mine[:, None, :]

    def _scales(self, theta: Floats) -> Floats:
        sd = np.broadcast_to(np.exp(theta[: self.n_scales]), (self.n_visits,))
        return np.outer(sd, sd)

    def covariance(self, theta: Floats) -> Floats:
        return self._scales(theta) * self._correlation(theta[self.n_scales :])[0]

    def first(self, theta: Floats) -> Floats:
        scales = self._scales(theta)
        rho, d_rho, _ = self._correlation(theta[self.n_scales :])
        return np.concatenate([self._scaling * (scales * rho), scales * d_rho])

    def _second(self, theta: Floats) -> Floats:
        scales, s, k = self._scales(theta), self.n_scales, self.n_parameters
        rho, d_rho, d2_rho = self._correlation(theta[s:])
        second = np.empty((k, k, self.n_visits, self.n_visits))
        second[:s, :s] = self._scaling[:, None] * self._scaling[None, :] * (scales * rho)
        second[:s, s:] = self._scaling[:, None] * (scales * d_rho)[None, :]
        second[s:, :s] = second[:s, s:].transpose(1, 0, 2, 3)
        second[s:, s:] = scales * d2_rho
        return second

    def second_traces(self, theta: Floats, weight: Floats) -> Floats:
        return np.tensordot(self._second(theta), weight, axes=2)

    def second_sum(self, theta: Floats, weight: Floats) -> Floats:
        return np.tensordot(weight, self._second(theta), axes=2)

    def start(self, covariance: Floats) -> Floats:
        sd = np.sqrt(np.diag(covariance))
        rho = covariance / np.outer(sd, sd)
        lags = np.array([rho[self._lag == lag].mean() for lag in range(1, self.n_visits)])
        scales = sd if self.heterogeneous else np.sqrt(np.mean(sd**2, keepdims=True))
        return np.concatenate([np.log(scales), self._from_lags(lags)])


def _bounded(phi: Any) -> tuple[Any, Any, Any]:
    """A correlation in (-1, 1) from a number on the line, phi / sqrt(1 + phi^2), with derivatives."""
    root = np.sqrt(1.0 + phi**2)
    return phi / root, root**-3, -3.0 * phi * root**-5


def _unbounded(rho: Any) -> Any:
    rho = np.clip(rho, -0.95, 0.95)
    return rho / np.sqrt(1.0 - rho**2)


class _Toeplitz(_Correlated):
    """One correlation a lag, equal along each diagonal."""

    @property
    def n_correlations(self) -> int:
        return self.n_visits - 1

    def _correlation(self, phi: Floats) -> tuple[Floats, Floats, Floats]:
        rho, slope, bend = _bounded(phi)
        at = (self._lag[None] == np.arange(1, self.n_visits)[:, None, None]).astype(float)
        second = np.zeros((len(phi), len(phi), self.n_visits, self.n_visits))
        second[np.arange(len(phi)), np.arange(len(phi))] = bend[:, None, None] * at
        return np.concatenate([[1.0], rho])[self._lag], slope[:, None, None] * at, second

    def _from_lags(self, lags: Floats) -> Floats:
        return _unbounded(lags)


class _Autoregressive(_Correlated):
    """Correlation rho to the power of the lag, counted in visits."""

    def _correlation(self, phi: Floats) -> tuple[Floats, Floats, Floats]:
        m = self.n_visits
        if m == 1:
            return np.ones((1, 1)), np.zeros((0, 1, 1)), np.zeros((0, 0, 1, 1))
        rho, slope, bend = _bounded(phi[0])
        lag = self._lag.astype(float)
        power = rho**lag
        by_rho = lag * rho ** np.maximum(lag - 1.0, 0.0)
        by_rho2 = lag * (lag - 1.0) * rho ** np.maximum(lag - 2.0, 0.0)
        second = by_rho2 * slope**2 + by_rho * bend
        return power, (by_rho * slope)[None], second[None, None]

    def _from_lags(self, lags: Floats) -> Floats:
        return np.atleast_1d(_unbounded(lags[0])) if len(lags) else np.zeros(0)


class _CompoundSymmetry(_Correlated):
    """One correlation between any two visits, in (-1 / (m - 1), 1) where the matrix is definite.

    rho = (1 + a) / (1 + exp(-phi)) - a with a = 1 / (m - 1).
    """

    def _correlation(self, phi: Floats) -> tuple[Floats, Floats, Floats]:
        m = self.n_visits
        if m == 1:
            return np.ones((1, 1)), np.zeros((0, 1, 1)), np.zeros((0, 0, 1, 1))
        a = 1.0 / (m - 1)
        share = 1.0 / (1.0 + np.exp(-phi[0]))
        rho = (1.0 + a) * share - a
        slope = (1.0 + a) * share * (1.0 - share)
        off = 1.0 - np.eye(m)
        bend = slope * (1.0 - 2.0 * share)
        return np.eye(m) + rho * off, slope * off[None], bend * off[None, None]

    def _from_lags(self, lags: Floats) -> Floats:
        if not len(lags):
            return np.zeros(0)
        a = 1.0 / len(lags)
        counts = np.arange(len(lags), 0, -1)
        rho = float(np.average(lags, weights=counts))
        share = np.clip((rho + a) / (1.0 + a), 0.02, 0.98)
        return np.atleast_1d(np.log(share / (1.0 - share)))


class Toeplitz(_Toeplitz):
    name, label, heterogeneous = "toep", "homogeneous Toeplitz", False


class HeterogeneousToeplitz(_Toeplitz):
    name, label, heterogeneous = "toeph", "heterogeneous Toeplitz", True


class Autoregressive(_Autoregressive):
    name, label, heterogeneous = "ar1", "first-order autoregressive", False


class HeterogeneousAutoregressive(_Autoregressive):
    name, label, heterogeneous = "ar1h", "heterogeneous first-order autoregressive", True


class CompoundSymmetry(_CompoundSymmetry):
    name, label, heterogeneous = "cs", "compound symmetry", False


class HeterogeneousCompoundSymmetry(_CompoundSymmetry):
    name, label, heterogeneous = "csh", "heterogeneous compound symmetry", True


STRUCTURES: dict[str, type[Structure]] = {
    kind.name: kind
    for kind in (
        Unstructured,
        Toeplitz,
        HeterogeneousToeplitz,
        Autoregressive,
        HeterogeneousAutoregressive,
        CompoundSymmetry,
        HeterogeneousCompoundSymmetry,
    )
}


def make_structure(name: str, n_visits: int) -> Structure:
    """The structure that formulas write as `name`."""
    if name not in STRUCTURES:
        raise StatsError(
            "there is no such covariance structure",
            where="covariance",
            found=repr(name),
            expected=", ".join(STRUCTURES),
            try_="us(visit | subject)",
        )
    return STRUCTURES[name](n_visits)
