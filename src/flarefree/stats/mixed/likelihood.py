"""The (restricted) likelihood of a marginal normal model, with exact first and second derivatives.

All sums over subjects are taken in two stages: first over entries of covariance matrices, which needs
neither the structure nor its parameters, then by the chain rule through the structure's derivatives.
So one evaluation is a handful of matrix products, whatever the structure (docs/methods/mmrm.md, 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flarefree.stats.mixed.algebra import Floats, invert
from flarefree.stats.mixed.panel import Panel
from flarefree.stats.mixed.structures import Structure

__all__ = ["Likelihood", "State"]


@dataclass(frozen=True)
class State:
    """What a value of theta makes of the data.

    Attributes
    ----------
    deviance : float
        Minus twice the log-likelihood, restricted or not, all constants included.
    beta : (q,) float
        Generalized least squares coefficients.
    phi : (q, q) float
        Their covariance matrix were theta known, (X' V^-1 X)^-1.
    sigma : (n_groups, m, m) float
        The covariance matrix of each group.
    inverse : (n_patterns, m, m) float
        Inverse covariance of each pattern; zero at missing visits.
    Z : (n_subjects, m, q) float
        V^-1 X.
    e : (n_subjects, m) float
        V^-1 (y - X beta).
    """

    theta: Floats
    deviance: float
    beta: Floats
    phi: Floats
    sigma: Floats
    inverse: Floats
    Z: Floats
    e: Floats


@dataclass(frozen=True)
class Likelihood:
    """A panel, a structure, and whether the likelihood is restricted."""

    panel: Panel
    structure: Structure
    reml: bool = True

    @property
    def n_parameters(self) -> int:
        return self.panel.n_groups * self.structure.n_parameters

    def thetas(self, theta: Floats) -> list[Floats]:
        """Each group's part of theta."""
        return np.split(theta, self.panel.n_groups)

    def at(self, theta: Floats) -> State | None:
        """The state at `theta`; None where the covariance matrix is not positive definite."""
        panel, m, q = self.panel, self.panel.n_visits, self.panel.n_coefficients
        with np.errstate(over="ignore", invalid="ignore"):
            sigma = np.array([self.structure.covariance(part) for part in self.thetas(theta)])
        if not np.isfinite(sigma).all():
            return None
        there = panel.observed[:, :, None] * panel.observed[:, None, :]
        padded = sigma[panel.group] * there
        padded[:, np.arange(m), np.arange(m)] += 1.0 - panel.observed
        try:
            diagonal = np.linalg.cholesky(padded).diagonal(axis1=1, axis2=2)
            inverse = invert(padded) * there
            log_v = 2.0 * np.log(diagonal).sum(axis=1) @ panel.count
            Z = inverse[panel.pattern] @ panel.X
            A = panel.X.reshape(-1, q).T @ Z.reshape(-1, q)
            factor = np.linalg.cholesky(A)
            phi = invert(A)
        except np.linalg.LinAlgError:
            return None
        beta = phi @ (Z.reshape(-1, q).T @ panel.y.reshape(-1))
        there_rows = panel.observed[panel.pattern]
        residual = (panel.y - panel.X @ beta) * there_rows
        e = np.einsum("iab,ib->ia", inverse[panel.pattern], residual)
        n_free = panel.n_observations - (q if self.reml else 0)
        deviance = log_v + np.vdot(residual, e) + n_free * np.log(2.0 * np.pi) - panel.log_weight
        if self.reml:
            deviance += 2.0 * np.log(np.diag(factor)).sum()
        if not np.isfinite(deviance):
            return None
        return State(theta, float(deviance), beta, phi, sigma, inverse, Z, e)

    def gradient(self, state: State) -> Floats:
        """First derivatives of the deviance in theta."""
        spread = self._spread(state)
        parts = []
        for g, theta in enumerate(self.thetas(state.theta)):
            parts.append(np.tensordot(self.structure.first(theta), self._pull(state, spread, g), axes=2))
        return np.concatenate(parts)

    def derivatives(self, state: State) -> tuple[Floats, Floats]:
        """First and second derivatives of the deviance in theta, (k,) and (k, k)."""
        spread = self._spread(state)
        k = self.structure.n_parameters
        gradient, hessian = np.empty(self.n_parameters), np.zeros((self.n_parameters,) * 2)
        P, u = np.empty((self.n_parameters, *state.phi.shape)), np.empty((self.n_parameters, len(state.beta)))
        for g, theta in enumerate(self.thetas(state.theta)):
            mine = slice(g * k, (g + 1) * k)
            first = self.structure.first(theta)
            pull = self._pull(state, spread, g)
            gradient[mine] = np.tensordot(first, pull, axes=2)
            hessian[mine, mine] = self._curvature(state, spread, g, first)
            hessian[mine, mine] += self.structure.second_traces(theta, pull)
            P[mine], u[mine] = self._bends(state, g, first)
        hessian -= 2.0 * u @ state.phi @ u.T
        if self.reml:
            root = np.linalg.cholesky(state.phi)
            turned = (root.T @ P @ root).reshape(self.n_parameters, -1)
            hessian -= turned @ turned.T
        return gradient, (hessian + hessian.T) / 2.0

    def information_change(self, state: State) -> Floats:
        """X' V^-1 (dV / dtheta_i) V^-1 X, (k, q, q): minus the derivative of the information of beta."""
        parts = [
            self._bends(state, g, self.structure.first(theta))[0]
            for g, theta in enumerate(self.thetas(state.theta))
        ]
        return np.concatenate(parts)

    def _spread(self, state: State) -> Floats:
        """Sum over each pattern's subjects of V^-1 (r r' + X phi X') V^-1, (n_patterns, m, m)."""
        each = state.e[:, :, None] * state.e[:, None, :]
        if self.reml:
            each += (state.Z @ state.phi) @ state.Z.transpose(0, 2, 1)
        starts = np.concatenate([[0], np.cumsum(self.panel.count[:-1])]).astype(np.intp)
        return np.add.reduceat(each, starts, axis=0)

    def _pull(self, state: State, spread: Floats, g: int) -> Floats:
        """The derivative of the deviance in the entries of one group's covariance matrix."""
        mine = self.panel.group == g
        return np.tensordot(self.panel.count[mine], state.inverse[mine], axes=1) - spread[mine].sum(axis=0)

    def _curvature(self, state: State, spread: Floats, g: int, first: Floats) -> Floats:
        """-tr(V^-1 Vi V^-1 Vj) + 2 tr(S Vi V^-1 Vj), with S the spread, summed over patterns."""
        mine = self.panel.group == g
        m = self.panel.n_visits
        flat = state.inverse[mine].reshape(-1, m * m)
        left = 2.0 * spread[mine] - self.panel.count[mine, None, None] * state.inverse[mine]
        # [(d, a), (b, c)] -> [(a, b), (c, d)]: tr(S Vi G Vj) = sum S_da Vi_ab G_bc Vj_cd
        entries = (left.reshape(-1, m * m).T @ flat).reshape(m, m, m, m)
        square = entries.transpose(1, 2, 3, 0).reshape(m * m, m * m)
        flat_first = first.reshape(-1, m * m)
        return flat_first @ square @ flat_first.T

    def _bends(self, state: State, g: int, first: Floats) -> tuple[Floats, Floats]:
        """Z' Vi Z, (k, q, q), and Z' Vi e, (k, q), over the subjects of one group."""
        m, q = self.panel.n_visits, self.panel.n_coefficients
        subjects = self.panel.group[self.panel.pattern] == g
        Z = state.Z[subjects].reshape(-1, m * q)
        products = (Z.T @ Z).reshape(m, q, m, q).transpose(0, 2, 1, 3).reshape(m * m, q * q)
        crossed = (Z.T @ state.e[subjects]).reshape(m, q, m).transpose(0, 2, 1).reshape(m * m, q)
        flat = first.reshape(-1, m * m)
        return (flat @ products).reshape(-1, q, q), flat @ crossed
