"""Maximizing a marginal likelihood: Newton's method, and what else is tried before giving up.

The covariance structures are tried in the order declared; the first that converges to a maximum at
which all its parameters are identified is used, and why the others were not is kept with the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from flarefree.errors import ConvergenceError
from flarefree.stats.mixed.algebra import Floats, invert
from flarefree.stats.mixed.likelihood import Likelihood, State
from flarefree.stats.mixed.panel import Panel
from flarefree.stats.mixed.structures import make_structure

__all__ = ["MarginalFit", "Trial", "fit_marginal"]


MAX_STEPS = 100
LONGEST_STEP = 3.0  # on the scale of log standard deviations: a factor of 20
SETTLED = 1e-9  # half the decrease that Newton's model promises; one more full step follows
CONDITION = 1e-9  # smallest eigenvalue of the scaled curvature, of the scaled covariance
NEAR_SINGULAR = 1e-3  # an eigenvalue of correlations this small after all steps is on its way to zero
SEEN_SINGULAR = "the covariance matrix tends to a singular one"


@dataclass(frozen=True)
class Trial:
    """One attempt at a structure: what was begun from, and how it ended."""

    structure: str
    method: str
    outcome: str
    steps: int

    def __str__(self) -> str:
        return f"{self.structure}, {self.method}: {self.outcome} ({self.steps} steps)"


@dataclass(frozen=True)
class MarginalFit:
    """A likelihood at its maximum.

    Attributes
    ----------
    state : State
        The maximum; its design columns are scaled by `scale`.
    hessian : (k, k) float
        Second derivatives of the deviance in theta; `W` is twice its inverse.
    scale : (q,) float
        Lengths by which the design's columns were divided.
    trials : tuple of Trial
        All attempts, the successful one last.
    """

    likelihood: Likelihood
    state: State
    hessian: Floats
    W: Floats
    scale: Floats
    trials: tuple[Trial, ...]

    @property
    def beta(self) -> Floats:
        """Coefficients, in the design's own units."""
        return self.state.beta / self.scale

    @property
    def deviance(self) -> float:
        """Minus twice the (restricted) log-likelihood, in the design's own units."""
        own_units = 2.0 * float(np.log(self.scale).sum()) if self.likelihood.reml else 0.0
        return self.state.deviance + own_units


@dataclass(frozen=True)
class _Ascent:
    state: State | None
    hessian: Floats
    outcome: str
    steps: int

    @property
    def converged(self) -> bool:
        return self.outcome == "converged"


def fit_marginal(
    panel: Panel, structures: Sequence[str], *, reml: bool = True, start: Floats | None = None
) -> MarginalFit:
    """Fit the first of `structures` that can be fitted.

    `start` is a first guess of the first structure's theta, from a fit to similar data.

    Raises
    ------
    ConvergenceError
        None could; `found` lists every attempt.
    """
    scale = np.sqrt(np.einsum("ijk,ijk->k", panel.X, panel.X))
    scale = np.where(scale > 0, scale, 1.0) / np.sqrt(max(panel.n_observations, 1))
    scaled = replace(panel, X=panel.X / scale)
    moments = _moments(scaled)
    trials: list[Trial] = []
    for name in structures:
        likelihood = Likelihood(scaled, make_structure(name, panel.n_visits), reml)
        starts = _starts(likelihood, moments)
        if start is not None and name == structures[0]:
            starts = [("Newton from the given start", start), *starts]
        for method, theta in starts:
            ascent = (
                _polished(likelihood, theta)
                if method == "L-BFGS, then Newton"
                else _newton(likelihood, theta)
            )
            trials.append(Trial(name, method, ascent.outcome, ascent.steps))
            if ascent.converged and ascent.state is not None:
                W = 2.0 * invert(ascent.hessian)
                return MarginalFit(likelihood, ascent.state, ascent.hessian, W, scale, tuple(trials))
    raise ConvergenceError(
        "no covariance structure could be fitted" if len(structures) > 1 else "the fit did not converge",
        where="mmrm",
        found="\n".join(map(str, trials)),
        expected="a maximum at which every covariance parameter is identified",
        try_="a structure with fewer parameters, such as fallback=('toeph', 'ar1h', 'cs')"
        if len(structures) == 1
        else "visits merged, or a structure with fewer parameters",
    )


def _starts(likelihood: Likelihood, moments: Floats) -> list[tuple[str, Floats]]:
    """Where to begin, in order; the last is handed to another optimizer first."""
    start = likelihood.structure.start
    near = np.concatenate([start(matrix) for matrix in moments])
    apart = np.concatenate([start(np.diag(np.diag(matrix))) for matrix in moments])
    return [
        ("Newton from moments of residuals", near),
        ("Newton from independence", apart),
        ("L-BFGS, then Newton", apart),
    ]


def _moments(panel: Panel) -> Floats:
    """A positive definite covariance matrix a group from least squares residuals."""
    X, y = panel.X.reshape(-1, panel.n_coefficients), panel.y.reshape(-1)
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    there = panel.observed[panel.pattern]
    residual = (panel.y - panel.X @ beta) * there
    pooled = _pairwise(residual, there)
    matrices = []
    for g in range(panel.n_groups):
        mine = panel.group[panel.pattern] == g
        matrix = _pairwise(residual[mine], there[mine])
        enough = (there[mine].T @ there[mine]) >= 3
        matrices.append(_definite(np.where(enough, matrix, pooled)))
    return np.array(matrices)


def _pairwise(residual: Floats, there: Floats) -> Floats:
    return residual.T @ residual / np.maximum(there.T @ there, 1.0)


def _definite(matrix: Floats) -> Floats:
    """The matrix with its correlations' small and negative eigenvalues raised."""
    variance = np.diag(matrix)
    floor = 1e-4 * variance.mean()
    sd = np.sqrt(np.where(variance > floor, variance, floor if floor > 0 else 1.0))
    correlation = matrix / np.outer(sd, sd)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    raised = (vectors * np.maximum(values, 0.05)) @ vectors.T
    size = np.sqrt(np.diag(raised))
    return raised / np.outer(size, size) * np.outer(sd, sd)


def _newton(likelihood: Likelihood, theta: Floats) -> _Ascent:
    """Newton's method with curvature made positive, and steps halved until the deviance falls."""
    state = likelihood.at(theta)
    nothing = np.empty((0, 0))
    if state is None:
        return _Ascent(None, nothing, "cannot begin: the covariance matrix is not definite", 0)
    is_last = False
    for step_number in range(MAX_STEPS):
        try:
            gradient, hessian = likelihood.derivatives(state)
            values, vectors = np.linalg.eigh(hessian)
        except np.linalg.LinAlgError:
            return _Ascent(None, nothing, SEEN_SINGULAR, step_number)
        if is_last:
            return _Ascent(state, hessian, _judged(likelihood, state, hessian), step_number)
        size = np.maximum(np.abs(values), 1e-8 * max(float(np.abs(values).max()), 1e-300))
        step = -vectors @ ((vectors.T @ gradient) / size)
        promised = -float(gradient @ step) / 2.0
        is_last = promised < SETTLED * max(1.0, abs(state.deviance) * 1e-3) and values[0] > 0
        longest = float(np.abs(step).max())
        if longest > LONGEST_STEP:
            step *= LONGEST_STEP / longest
        moved = _searched(likelihood, state, step, float(gradient @ step), is_last)
        if moved is None:
            if promised < 1e-6:  # the deviance's own rounding hides what is left to gain
                return _Ascent(state, hessian, _judged(likelihood, state, hessian), step_number)
            return _Ascent(None, nothing, "no further decrease was found", step_number)
        state = moved
        if _is_singular(state.sigma):
            return _Ascent(None, nothing, SEEN_SINGULAR, step_number)
    smallest = float(_correlation_eigenvalues(state.sigma).min())
    outcome = SEEN_SINGULAR if smallest < NEAR_SINGULAR else "not settled"
    return _Ascent(None, nothing, f"{outcome}; smallest eigenvalue of correlations {smallest:.2g}", MAX_STEPS)


def _searched(likelihood: Likelihood, state: State, step: Floats, slope: float, accept: bool) -> State | None:
    """The state after the step, halved until the deviance falls enough; the last step is not judged."""
    share = 1.0
    for _ in range(40):
        tried = likelihood.at(state.theta + share * step)
        if tried is not None and (accept or tried.deviance <= state.deviance + 1e-4 * share * slope):
            return tried
        share /= 2.0
    return None


def _is_singular(sigma: Floats) -> bool:
    sd = np.sqrt(np.diagonal(sigma, axis1=1, axis2=2))
    if sd.min() < 1e-8 * sd.max():
        return True
    return bool(_correlation_eigenvalues(sigma).min() < CONDITION)


def _correlation_eigenvalues(sigma: Floats) -> Floats:
    sd = np.sqrt(np.diagonal(sigma, axis1=1, axis2=2))
    return np.linalg.eigvalsh(sigma / (sd[:, :, None] * sd[:, None, :]))


def _judged(likelihood: Likelihood, state: State, hessian: Floats) -> str:
    """Whether a settled fit is a maximum at which every parameter is identified."""
    diagonal = np.diag(hessian)
    if diagonal.min() <= 0:
        return "a covariance parameter is not identified"
    scaled = hessian / np.sqrt(np.outer(diagonal, diagonal))
    if np.linalg.eigvalsh(scaled)[0] < CONDITION:
        return "covariance parameters are not identified apart"
    return SEEN_SINGULAR if _is_singular(state.sigma) else "converged"


def _polished(likelihood: Likelihood, theta: Floats) -> _Ascent:
    """A quasi-Newton run from far away, then Newton's method from where it ends."""
    from scipy.optimize import minimize

    def deviance_and_gradient(at: Floats) -> tuple[float, Floats]:
        state = likelihood.at(at)
        if state is None:
            return 1e300, np.zeros_like(at)
        return state.deviance, likelihood.gradient(state)

    found = minimize(deviance_and_gradient, theta, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    ascent = _newton(likelihood, np.asarray(found.x, dtype=float))
    return replace(ascent, steps=ascent.steps + int(found.nit))
