"""The marginal likelihood of a logistic model with a random intercept, by adaptive quadrature.

Each subject's integral over its intercept is taken at Gauss-Hermite points placed by that subject's own
mode and curvature (docs/methods/logistic_mixed.md, 2).  One point is Laplace's approximation.  The
gradient is that of the approximation itself: it follows the points as they move with the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clusters", "Integral", "hermite_points"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

FEWEST_FOR_CURVATURE = 9  # with fewer points, the curvature that guides the search is taken at this many


@lru_cache(maxsize=32)
def hermite_points(n: int) -> tuple[Floats, Floats]:
    """Points z and weights w exp(z^2) of Gauss-Hermite quadrature, as logarithms of the weights."""
    from numpy.polynomial.hermite import hermgauss

    z, w = hermgauss(n)
    return z, np.log(w) + z**2


@dataclass(frozen=True)
class Clusters:
    """Rows of yes and no, sorted by subject.

    Attributes
    ----------
    X : (n, q) float
    sign : (n,) float
        1 for yes, -1 for no.
    weight : (n,) float or None
        How often the row stands for itself.
    offset : (n,) float or None
    starts : (n_subjects,) int
        The first row of each subject.
    of : (n,) int
        The subject of each row.
    """

    X: Floats
    sign: Floats
    weight: Floats | None
    offset: Floats | None
    starts: Ints
    of: Ints

    @classmethod
    def sorted_from(
        cls, X: Floats, yes: Floats, subject: Ints, weight: Floats | None, offset: Floats | None
    ) -> Clusters:
        """Rows in any order; subjects are numbers from 0, each with at least one row."""
        order = np.argsort(subject, kind="stable")
        of = np.asarray(subject, dtype=np.intp)[order]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(of) > 0]))
        return cls(
            X=np.ascontiguousarray(X[order]),
            sign=np.where(yes[order] > 0.5, 1.0, -1.0),
            weight=None if weight is None else weight[order],
            offset=None if offset is None else offset[order],
            starts=starts,
            of=np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(of)))),
        )

    @property
    def n_subjects(self) -> int:
        return len(self.starts)

    def total(self, rows: Floats) -> Floats:
        """Sums over each subject's rows, along the first axis."""
        return np.add.reduceat(rows, self.starts, axis=0)

    def fixed(self, beta: Floats) -> Floats:
        """The linear predictor without the intercepts."""
        eta = self.X @ beta
        return eta if self.offset is None else eta + self.offset

    def weighted(self, rows: Floats) -> Floats:
        if self.weight is None:
            return rows
        return rows * (self.weight if rows.ndim == 1 else self.weight[:, None])


def _miss(sign: Floats, eta: Floats) -> tuple[Floats, Floats]:
    """Log of the probability of what was seen, and 1 minus that probability."""
    odds_against = np.exp(np.minimum(-sign * eta, 700.0))
    return -np.log1p(odds_against), odds_against / (1.0 + odds_against)


@dataclass(frozen=True)
class Integral:
    """The log-likelihood at one value of the parameters, with what its derivatives need.

    Attributes
    ----------
    beta : (q,) float
    sd : float
        Standard deviation of the intercepts; its sign does not matter.
    mode, tau : (n_subjects,) float
        Mode of each subject's standardized intercept, and the spread around it.
    points : (n_subjects, n_points) float
        Where the integrand is evaluated.
    share : (n_subjects, n_points) float
        What each point contributes to its subject's integral, summing to 1.
    residual : (n, n_points) float
        Derivative of each row's log-probability in its linear predictor, at each point, weighted.
    log_likelihood : float
    """

    clusters: Clusters
    beta: Floats
    sd: float
    mode: Floats
    tau: Floats
    points: Floats
    share: Floats
    residual: Floats
    log_likelihood: float

    @classmethod
    def at(
        cls, clusters: Clusters, beta: Floats, sd: float, n_points: int, mode: Floats | None = None
    ) -> Integral:
        """Integrate at `beta` and `sd`; `mode` is where to look for the modes first."""
        fixed = clusters.fixed(beta)
        mode, curvature = _modes(clusters, fixed, sd, mode)
        tau = 1.0 / np.sqrt(curvature)
        z, log_weight = hermite_points(n_points)
        points = mode[:, None] + np.sqrt(2.0) * tau[:, None] * z
        eta = fixed[:, None] + sd * points[clusters.of]
        sign = clusters.sign[:, None]
        log_p, miss = _miss(sign, eta)
        exponent = clusters.total(clusters.weighted(log_p)) - points**2 / 2.0 + log_weight
        highest = exponent.max(axis=1)
        part = np.exp(exponent - highest[:, None])
        whole = part.sum(axis=1)
        each = np.log(tau) + highest + np.log(whole)
        return cls(
            clusters,
            beta,
            sd,
            mode,
            tau,
            points,
            part / whole[:, None],
            clusters.weighted(sign * miss),
            float(each.sum()) - 0.5 * clusters.n_subjects * np.log(np.pi),
        )

    @cached_property
    def gradient(self) -> Floats:
        """Derivatives in beta and sd, the points moving along."""
        c, sd, tau = self.clusters, self.sd, self.tau
        z, _ = hermite_points(self.points.shape[1])
        share = self.share[c.of]
        expected = np.einsum("nk,nk->n", share, self.residual)
        by_sd = np.einsum("nk,nk,nk->n", share, self.residual, self.points[c.of])
        pull = sd * c.total(self.residual) - self.points  # of the integrand's exponent, along the intercept
        along_mode = np.einsum("ik,ik->i", self.share, pull)
        along_tau = np.sqrt(2.0) * np.einsum("ik,ik,k->i", self.share, pull, z) + 1.0 / tau
        eta = c.fixed(self.beta) + sd * self.mode[c.of]
        _, miss = _miss(c.sign, eta)
        variance = c.weighted(miss * (1.0 - miss))
        skew = variance * c.sign * (2.0 * miss - 1.0)  # V (1 - 2 p): p is miss for no, 1 - miss for yes
        sum_v, sum_skew = c.total(variance), c.total(skew)
        widen = along_tau * tau**3 / 2.0
        # the mode moves by tau^2 d2h/db dpsi; -h_bb moves with each row's predictor and with the mode
        shift = along_mode * tau**2 - widen * sd**3 * sum_skew * tau**2
        rows = expected - (sd * shift)[c.of] * variance - (widen * sd**2)[c.of] * skew
        mode_by_sd = c.total(c.weighted(c.sign * miss)) - sd * self.mode * sum_v
        in_sd = by_sd.sum() + shift @ mode_by_sd - widen @ (2.0 * sd * sum_v + sd**2 * sum_skew * self.mode)
        return np.append(c.X.T @ rows, in_sd)

    @cached_property
    def curvature(self) -> Floats:
        """Minus the second derivatives as they would be if the points stood still (Louis's formula)."""
        if self.points.shape[1] < FEWEST_FOR_CURVATURE:
            return Integral.at(self.clusters, self.beta, self.sd, FEWEST_FOR_CURVATURE, self.mode).curvature
        c = self.clusters
        q = c.X.shape[1]
        share, points = self.share[c.of], self.points[c.of]
        unweighted = self.residual if c.weight is None else self.residual / c.weight[:, None]
        miss = np.abs(unweighted)
        variance = c.weighted(miss * (1.0 - miss)) * share
        found = np.empty((q + 1, q + 1))
        found[:q, :q] = c.X.T @ (variance.sum(axis=1)[:, None] * c.X)
        with_point = variance * points
        found[:q, q] = found[q, :q] = c.X.T @ with_point.sum(axis=1)
        found[q, q] = np.vdot(with_point, points)
        scores = np.empty((c.n_subjects, self.points.shape[1], q + 1))
        for j in range(q):
            scores[:, :, j] = c.total(c.X[:, j, None] * self.residual)
        scores[:, :, q] = c.total(self.residual) * self.points
        mean = np.einsum("ik,ikq->iq", self.share, scores)
        scores *= np.sqrt(self.share)[:, :, None]
        flat = scores.reshape(-1, q + 1)
        return found - flat.T @ flat + mean.T @ mean

    def moved(self, step: Floats) -> Integral:
        """The integral after a step in beta and sd."""
        return Integral.at(
            self.clusters, self.beta + step[:-1], self.sd + float(step[-1]), self.points.shape[1], self.mode
        )

    def hessian(self, scale: Floats) -> Floats:
        """Second derivatives by differences of the exact gradient, with steps of `scale` / 1000."""
        k = len(self.beta) + 1
        found = np.empty((k, k))
        for j in range(k):
            step = np.zeros(k)
            step[j] = 1e-3 * scale[j]
            found[j] = (self.moved(step).gradient - self.moved(-step).gradient) / (2.0 * step[j])
        return (found + found.T) / 2.0


def _modes(clusters: Clusters, fixed: Floats, sd: float, start: Floats | None) -> tuple[Floats, Floats]:
    """Each subject's mode and the curvature there.

    Newton's method between brackets: the slope falls all along the line, but where all outcomes agree
    the curvature may vanish and a step fly off or swing to and fro; then the bracket is halved.
    """
    weight = 1.0 if clusters.weight is None else clusters.weight
    count = clusters.total(np.broadcast_to(weight, clusters.sign.shape))
    high = np.abs(sd) * count  # the mode is sd times a sum of terms between -1 and 1
    low = -high
    mode = np.zeros(clusters.n_subjects) if start is None else np.clip(start, low, high)
    curvature = np.ones_like(mode)
    for _ in range(100):
        _, miss = _miss(clusters.sign, fixed + sd * mode[clusters.of])
        slope = sd * clusters.total(weight * clusters.sign * miss) - mode
        curvature = 1.0 + sd**2 * clusters.total(weight * miss * (1.0 - miss))
        low = np.where(slope >= 0.0, mode, low)
        high = np.where(slope <= 0.0, mode, high)
        step = slope / curvature
        if np.abs(step).max() < 1e-12 * (1.0 + np.abs(mode).max()):
            break
        tried = mode + step
        is_inside = (tried > low) & (tried < high)
        is_lost = np.abs(step) < 1e-13 * (1.0 + np.abs(mode))  # in rounding: halving would undo the work
        mode = np.where(is_inside | is_lost, tried, (low + high) / 2.0)
    return mode, curvature
