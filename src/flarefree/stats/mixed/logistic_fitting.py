"""Maximizing the likelihood of a logistic model with a random intercept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flarefree.errors import ConvergenceError
from flarefree.stats.mixed.algebra import Floats, invert, solve
from flarefree.stats.mixed.quadrature import Clusters, Integral

__all__ = ["LogisticFit", "fit_intercepts"]


MAX_STEPS = 100
LOUIS_STEPS = 10  # with Louis's curvature, before the true one is worth its price
SETTLED = 1e-13  # half the gain that the model of the surface promises: parameters to 5e-7 standard errors
LARGEST_SD = 60.0  # of intercepts on the scale of log odds; beyond, probabilities are 0 or 1
SMALLEST_SD = 1e-3  # below, the likelihood cannot be told from that at zero


@dataclass(frozen=True)
class LogisticFit:
    """A maximum of the likelihood.

    Attributes
    ----------
    beta : (q,) float
        Coefficients, log odds given the intercept.
    sd : float
        Standard deviation of the intercepts; zero at the boundary.
    covariance : (q + 1, q + 1) float
        Of `beta` and `sd`, the inverse of the observed information; NaN for `sd` at the boundary.
    gradient_size : float
        Largest derivative left, in standard errors.
    """

    beta: Floats
    sd: float
    covariance: Floats
    log_likelihood: float
    steps: int
    gradient_size: float

    @property
    def is_boundary(self) -> bool:
        return self.sd == 0.0


def fit_intercepts(clusters: Clusters, beta: Floats, n_points: int) -> LogisticFit:
    """Search from `beta` (of the model without intercepts) and a moderate spread.

    Raises
    ------
    ConvergenceError
        The spread of the intercepts grows without limit, or the search does not settle.
    """
    # a marginal coefficient is closer to zero by about sqrt(1 + 0.346 sd^2) [zeger1988]
    here = Integral.at(clusters, beta * np.sqrt(1.346), 1.0, n_points)
    here, steps = _climbed(here)
    if abs(here.sd) < SMALLEST_SD:
        return _at_boundary(here, steps)
    if here.sd < 0:  # the likelihood is the same on either side of zero
        here = Integral.at(clusters, here.beta, -here.sd, n_points)
    scale = np.sqrt(np.diag(invert(_definite(here.curvature))))
    information = -here.hessian(scale)
    values = np.linalg.eigvalsh(
        information / np.outer(np.sqrt(np.diag(information)), np.sqrt(np.diag(information)))
    )
    if not (np.diag(information) > 0).all() or values[0] < 1e-9:
        raise _unsettled(
            "the likelihood is flat at its maximum: the spread of intercepts is not identified", steps
        )
    covariance = invert(information)
    # one step with the true curvature removes what the approximate one left
    moved = here.moved(covariance @ here.gradient)
    best = moved if moved.log_likelihood >= here.log_likelihood - 1e-9 else here
    left = np.abs(best.gradient) * np.sqrt(np.diag(covariance))
    return LogisticFit(best.beta, best.sd, covariance, best.log_likelihood, steps, float(left.max()))


def _climbed(here: Integral) -> tuple[Integral, int]:
    """Newton's method; steps are halved until the likelihood rises.

    Louis's curvature costs one look at the points, and is close where they are many for the spread.
    Where it is not, steps shrink too slowly, and the true curvature takes over.
    """
    for step_number in range(MAX_STEPS):
        gradient = here.gradient
        curvature = _definite(here.curvature)
        if step_number >= LOUIS_STEPS:
            curvature = _definite(-here.hessian(np.sqrt(np.diag(invert(curvature)))))
        step = solve(curvature, gradient)
        promised = float(gradient @ step) / 2.0
        if (
            promised < SETTLED * max(1.0, 1e-3 * abs(here.log_likelihood))
            or abs(here.sd) < SMALLEST_SD / 10.0
        ):
            return here, step_number
        longest = max(
            abs(float(step[-1])) / (1.0 + abs(here.sd)),
            float(np.abs(here.clusters.X @ step[:-1]).max()) / 5.0,
        )
        step = step / max(1.0, longest)
        moved = _risen(here, step, float(gradient @ step))
        if moved is None:
            if promised < 1e-8:  # rounding hides what is left to gain
                return here, step_number
            raise _unsettled("no further rise was found", step_number)
        here = moved
        if abs(here.sd) > LARGEST_SD:
            raise _unsettled(
                f"the spread of the intercepts exceeds {LARGEST_SD:g} on the log odds scale", step_number
            )
    raise _unsettled("the search did not settle", MAX_STEPS)


def _risen(here: Integral, step: Floats, slope: float) -> Integral | None:
    share = 1.0
    for _ in range(40):
        tried = here.moved(share * step)
        if tried.log_likelihood >= here.log_likelihood + 1e-4 * share * slope:
            return tried
        share /= 2.0
    return None


def _definite(matrix: Floats) -> Floats:
    """The matrix with eigenvalues made positive, in the scale of its diagonal."""
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if values[0] > 1e-6:
        return matrix
    values = np.maximum(np.abs(values), 1e-6)
    return (vectors * values) @ vectors.T * np.outer(size, size)


def _at_boundary(here: Integral, steps: int) -> LogisticFit:
    """No spread at all: the ordinary logistic model."""
    n_points = here.points.shape[1]
    here = Integral.at(here.clusters, here.beta, 0.0, n_points)
    for _ in range(50):
        information = here.curvature[:-1, :-1]
        step = solve(information, here.gradient[:-1])
        here = Integral.at(here.clusters, here.beta + step, 0.0, n_points)
        if float(step @ information @ step) < 1e-20:
            break
    q = len(here.beta)
    covariance = np.full((q + 1, q + 1), np.nan)
    covariance[:q, :q] = invert(here.curvature[:-1, :-1])
    left = np.abs(here.gradient[:-1]) * np.sqrt(np.diag(covariance)[:-1])
    return LogisticFit(here.beta, 0.0, covariance, here.log_likelihood, steps, float(left.max()))


def _unsettled(what: str, steps: int) -> ConvergenceError:
    return ConvergenceError(
        "the logistic mixed model could not be fitted",
        where="logistic_mixed",
        found=f"{what} (Newton's method with halved steps, {steps} steps, from the model without intercepts)",
        expected="a maximum at finite values",
        try_="subjects with more than one visit and with differing outcomes are needed; "
        "else gee(..., correlation='exchangeable')",
    )
