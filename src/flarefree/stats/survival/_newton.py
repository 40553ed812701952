"""Newton's method for a log likelihood with gradient and information, and what to say when it fails.

Decides when an iteration has settled, when a likelihood is monotone (a coefficient runs to infinity),
and which covariates are to blame for a singular design.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flarefree.errors import ConvergenceError, SingularDesignError

__all__ = ["Evaluate", "Maximum", "maximize", "require_identified"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Evaluate = Callable[[Floats], tuple[float, Floats, Floats]]

MAX_HALVINGS = 40
FALLING_CURVATURE = 0.7
"""A monotone likelihood loses two thirds of its curvature a step; a settling one keeps it."""


@dataclass(frozen=True, slots=True, eq=False)
class Maximum:
    """Where a log likelihood is largest.

    `null` is the evaluation at zero (log likelihood, score, information), or None if it was not needed;
    `information` belongs to the last point evaluated, so close to `beta` that it no longer changes.
    """

    beta: Floats
    loglik: float
    information: Floats
    null: tuple[float, Floats, Floats] | None
    iterations: int
    diverging: np.ndarray[Any, np.dtype[np.bool_]]
    """Coefficients that were still moving when the likelihood was not: infinite."""


def maximize(
    evaluate: Evaluate,
    start: Floats,
    names: Sequence[str],
    *,
    spread: Callable[[], Floats],
    n_events: int,
    at_zero: float = -np.inf,
    max_iterations: int = 60,
) -> Maximum:
    """Climb from zero, or from `start` if it is better, until the next step would gain nothing.

    Parameters
    ----------
    evaluate : function of beta
        Gives log likelihood, score and information.
    start : (p,) float
        Zero, or a guess from data that identify the coefficients.
    names : (p,) str
        Terms, for messages.
    spread : function giving (p,) float
        Largest minus smallest value of each covariate: turns a step into a change of the log hazard.
        Asked for only if the curvature falls.
    at_zero : float
        The log likelihood at zero: a guess must be better.
    n_events : int
        The more events, the earlier the information stops changing.
    max_iterations : int
        Steps before giving up.

    Raises
    ------
    SingularDesignError
        Some covariates are constant, or combinations of others, in every risk set.
    ConvergenceError
        The likelihood still rises after `max_iterations` steps.
    """
    # A gain of 1e-15 an event leaves the log hazard within some 1e-7: the information no longer changes.
    tolerance = 1e-15 * max(1.0, n_events)
    null: tuple[float, Floats, Floats] | None = None
    beta = start
    loglik, score, information = evaluate(start)
    if start.any() and not loglik > at_zero:
        beta = np.zeros_like(start)
        loglik, score, information = evaluate(beta)
    if not beta.any():
        null = loglik, score, information
        require_identified(information, names, n_events)
    nothing = np.zeros(start.size, dtype=bool)
    diverging = nothing
    falling = 0
    for iteration in range(1, max_iterations + 1):
        step = _solve(information, score)
        if step is None:  # curvature has run out on the way to infinity
            blamed = diverging if diverging.any() else ~nothing
            return Maximum(beta, loglik, information, null, iteration, blamed)
        gain = float(score @ step)
        if gain < tolerance:
            return Maximum(beta + step, loglik + gain / 2.0, information, null, iteration, nothing)
        beta_new, (loglik_new, score_new, information_new) = _climb(evaluate, beta, step, loglik)
        with np.errstate(invalid="ignore"):  # overflowing hazards leave no curvature to speak of
            ratio = (step @ information_new @ step) / gain
        diverging = nothing
        if ratio < FALLING_CURVATURE:
            diverging = np.abs(beta_new - beta) * spread() > 0.1
        falling = falling + 1 if diverging.any() else 0
        settled = abs(loglik_new - loglik) < 1e-9 * max(1.0, abs(loglik_new))
        stuck = bool(np.array_equal(beta_new, beta))
        beta, loglik, score, information = beta_new, loglik_new, score_new, information_new
        if falling >= 4 and settled:
            return Maximum(beta, loglik, information, null, iteration, diverging)
        if stuck:  # no representable step climbs any further
            return Maximum(beta, loglik, information, null, iteration, nothing)
    raise ConvergenceError(
        "the likelihood still rises",
        where="Cox model",
        found=f"a gain of {gain:.2g} after {max_iterations} Newton steps with halving, at "
        + ", ".join(f"{name} {value:.3g}" for name, value in zip(names, beta)),
        expected="a maximum",
        try_="fewer covariates, or firth=True",
    )


def _solve(information: Floats, score: Floats) -> Floats | None:
    try:
        step: Floats = np.linalg.solve(information, score).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() and float(score @ step) >= 0 else None


def _climb(
    evaluate: Evaluate, beta: Floats, step: Floats, loglik: float
) -> tuple[Floats, tuple[float, Floats, Floats]]:
    """The first of beta + step, beta + step / 2, ... whose likelihood is not lower (but for rounding)."""
    slack = 1e-12 * max(1.0, abs(loglik))
    for _ in range(MAX_HALVINGS):
        candidate = beta + step
        found = evaluate(candidate)
        if np.isfinite(found[0]) and found[0] >= loglik - slack:
            return candidate, found
        step = step / 2.0
    return beta, evaluate(beta)


def require_identified(information: Floats, names: Sequence[str], n_events: int) -> None:
    """Raise and name the covariates that the risk sets cannot tell apart.

    `information` is for covariates of spread 1, so a diagonal element is at most of the order of the
    events; what is a trillionth of that is rounding.
    """
    constant = [
        name for name, value in zip(names, np.diag(information)) if not value > 1e-12 * max(n_events, 1)
    ]
    if constant:
        raise SingularDesignError(
            "a covariate is the same for everybody at risk, at every event",
            where="covariates",
            found=", ".join(constant),
            expected="covariates that differ within risk sets (and within strata)",
            try_="leave it out",
        )
    scale = 1.0 / np.sqrt(np.diag(information))
    correlation = information * scale[:, None] * scale[None, :]
    values, vectors = np.linalg.eigh(correlation)
    if values[0] > 1e-11:
        return
    members = [name for name, share in zip(names, np.abs(vectors[:, 0])) if share > 1e-4]
    raise SingularDesignError(
        "covariates that are combinations of each other",
        where="covariates",
        found=", ".join(members),
        expected="columns that the risk sets can tell apart",
        try_="leave one of them out",
    )
