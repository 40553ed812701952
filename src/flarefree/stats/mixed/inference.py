"""Standard errors, degrees of freedom and tests of a marginal fit.

Letters are those of docs/methods/mmrm.md, 4 and 5: Phi the covariance of the coefficients were the
covariance parameters known, W the covariance of those parameters, P, Q, R of Kenward and Roger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.mixed.algebra import Floats, solve
from flarefree.stats.mixed.fitting import MarginalFit

__all__ = ["DF_METHODS", "DfMethod", "FTest", "Inference", "adjusted_covariance"]

DfMethod = Literal["kenward-roger", "kenward-roger-linear", "satterthwaite"]
DF_METHODS: tuple[DfMethod, ...] = ("kenward-roger", "kenward-roger-linear", "satterthwaite")


@dataclass(frozen=True)
class FTest:
    """A test that several combinations of coefficients are zero together."""

    statistic: float
    num_df: int
    den_df: float
    p_value: float


@dataclass(frozen=True)
class Inference:
    """A fit, with the method of its degrees of freedom."""

    fit: MarginalFit
    df_method: DfMethod

    @property
    def is_kenward_roger(self) -> bool:
        return self.df_method != "satterthwaite"

    @cached_property
    def P(self) -> Floats:
        """Derivatives of the information of the coefficients, (k, q, q); columns scaled."""
        return -self.fit.likelihood.information_change(self.fit.state)

    @cached_property
    def scaled_covariance(self) -> Floats:
        """Covariance of the coefficients of scaled columns, adjusted where the method asks for it."""
        if not self.is_kenward_roger:
            return self.fit.state.phi
        return adjusted_covariance(self.fit, self.P, linear=self.df_method == "kenward-roger-linear")

    @property
    def covariance(self) -> Floats:
        """Covariance of the coefficients, (q, q), in the design's own units."""
        return self.scaled_covariance / np.outer(self.fit.scale, self.fit.scale)

    def degrees_of_freedom(self, contrasts: Floats) -> Floats:
        """Of each row of `contrasts` (c, q).

        For one combination, the Kenward-Roger value equals Satterthwaite's; both rest on the
        unadjusted covariance.
        """
        L = np.atleast_2d(contrasts) / self.fit.scale
        turned = L @ self.fit.state.phi
        variance = np.einsum("cq,cq->c", turned, L)
        slopes = np.einsum("cq,hqr,cr->ch", turned, self.P, turned, optimize=True)
        spread = np.einsum("ch,hj,cj->c", slopes, self.fit.W, slopes)
        with np.errstate(divide="ignore"):
            return 2.0 * variance**2 / spread

    def estimates(self, contrasts: Floats) -> tuple[Floats, Floats, Floats]:
        """Estimate, standard error and degrees of freedom of each row of `contrasts`."""
        contrasts = np.atleast_2d(contrasts)
        L = contrasts / self.fit.scale
        variance = np.einsum("cq,qr,cr->c", L, self.scaled_covariance, L)
        return L @ self.fit.state.beta, np.sqrt(variance), self.degrees_of_freedom(contrasts)

    def f_test(self, contrasts: Floats) -> FTest:
        """Whether all rows of `contrasts` (c, q) are zero; dependent rows are dropped."""
        from scipy.special import fdtrc

        L = _independent(np.atleast_2d(np.asarray(contrasts, dtype=float)) / self.fit.scale)
        statistic, den_df = self._kenward_roger_f(L) if self.is_kenward_roger else self._satterthwaite_f(L)
        p = float(fdtrc(len(L), den_df, statistic))
        return FTest(float(statistic), len(L), float(den_df), p)

    def _satterthwaite_f(self, L: Floats) -> tuple[float, float]:
        """Fai and Cornelius: uncorrelated combinations, each with its own degrees of freedom."""
        phi, beta = self.fit.state.phi, self.fit.state.beta
        values, vectors = np.linalg.eigh(L @ phi @ L.T)
        apart = vectors.T @ L
        t_squared = (apart @ beta) ** 2 / values
        df = self.degrees_of_freedom(apart * self.fit.scale)
        return float(t_squared.mean()), _joint_df(df)

    def _kenward_roger_f(self, L: Floats) -> tuple[float, float]:
        """Kenward and Roger (1997), section 3: a scaled F, its moments matched."""
        phi, W, beta = self.fit.state.phi, self.fit.W, self.fit.state.beta
        c = len(L)
        estimate = L @ beta
        F = float(estimate @ solve(L @ self.scaled_covariance @ L.T, estimate)) / c
        if c == 1:
            return F, float(self.degrees_of_freedom(L * self.fit.scale)[0])
        T: Floats = np.asarray(np.linalg.cholesky(L @ phi @ L.T), dtype=np.float64)
        Z = solve(T, L @ phi)
        bends = Z @ self.P @ Z.T
        traces = np.trace(bends, axis1=1, axis2=2)
        flat = bends.reshape(len(W), -1)
        A1 = float(traces @ W @ traces)
        A2 = float(np.sum((W @ flat) * flat))
        B = (A1 + 6.0 * A2) / (2.0 * c)
        g = ((c + 1) * A1 - (c + 4) * A2) / ((c + 2) * A2)
        below = 3.0 * c + 2.0 * (1.0 - g)
        c1, c2, c3 = g / below, (c - g) / below, (c + 2 - g) / below
        E = 1.0 / (1.0 - A2 / c)
        V = 2.0 / c * (1.0 + c1 * B) / ((1.0 - c2 * B) ** 2 * (1.0 - c3 * B))
        rho = V / (2.0 * E**2)
        m = 4.0 + (c + 2) / (c * rho - 1.0)
        return m / (E * (m - 2.0)) * F, m


def _joint_df(df: Floats) -> float:
    """One denominator for several t statistics, so that the F has the right expectation."""
    if len(df) == 1 or np.ptp(df) < 1e-8 * df.mean():
        return float(df.mean())
    if df.min() <= 2.0:
        return 2.0
    expectation = float(np.sum(df / (df - 2.0)))
    return 2.0 * expectation / (expectation - len(df))


def _independent(L: Floats) -> Floats:
    """An orthonormal basis of the rows of L."""
    _, values, rows = np.linalg.svd(L, full_matrices=False)
    rank = int(np.sum(values > 1e-9 * values.max(initial=0.0))) if values.size else 0
    if rank == 0:
        raise StatsError(
            "a contrast is zero", where="contrasts", expected="at least one number that is not 0"
        )
    return L if rank == len(L) else rows[:rank]


def adjusted_covariance(fit: MarginalFit, P: Floats, *, linear: bool) -> Floats:
    """Kenward and Roger's covariance of the coefficients (scaled columns).

    Phi + 2 Phi {sum_ij W_ij (Q_ij - P_i Phi P_j - R_ij / 4)} Phi, without R if `linear`.  The sums over
    i and j are taken inside the matrices, so that no Q_ij or R_ij is ever formed.
    """
    likelihood, state, W = fit.likelihood, fit.state, fit.W
    panel, m = likelihood.panel, likelihood.panel.n_visits
    k, q = likelihood.structure.n_parameters, panel.n_coefficients
    inner = np.zeros((q, q))
    for g, theta in enumerate(likelihood.thetas(state.theta)):
        W_g = W[g * k : (g + 1) * k, g * k : (g + 1) * k]
        flat = likelihood.structure.first(theta).reshape(k, m * m)
        entries = (flat.T @ W_g @ flat).reshape(m, m, m, m)  # [a, b, c, d]
        mine = np.flatnonzero(panel.group == g)
        between = np.einsum("abcd,pbc->pad", entries, state.inverse[mine], optimize=True)
        if not linear:
            between = between - likelihood.structure.second_sum(theta, W_g) / 4.0
        subjects = np.flatnonzero(panel.group[panel.pattern] == g)
        place = np.searchsorted(mine, panel.pattern[subjects])
        Z = state.Z[subjects]
        inner += Z.reshape(-1, q).T @ (between[place] @ Z).reshape(-1, q)
    values, vectors = np.linalg.eigh(W)
    mixed = np.tensordot((vectors * np.sqrt(np.maximum(values, 0.0))).T, P, axes=1)
    inner -= np.einsum("iqr,rs,ist->qt", mixed, state.phi, mixed, optimize=True)
    adjusted = state.phi + 2.0 * state.phi @ inner @ state.phi
    return (adjusted + adjusted.T) / 2.0
