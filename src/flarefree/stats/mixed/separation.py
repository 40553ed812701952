"""Whether some columns split the yes from the no, so that a logistic coefficient has no finite value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import ConvergenceError, StatsError
from flarefree.stats.mixed.algebra import probability

__all__ = ["fit_logistic", "require_overlap"]

Floats = NDArray[np.float64]

SUSPICIOUS = 12.0  # a linear predictor this large says that a probability is within 1e-5 of 0 or 1


def fit_logistic(X: Floats, y: Floats, weight: Floats | None, offset: Floats | None) -> Floats:
    """Coefficients of the logistic model without intercepts of subjects, by iterated least squares.

    It stops where probabilities come near 0 or 1; whether they belong there, `require_overlap` tells.
    """
    w = np.ones(len(y)) if weight is None else weight
    base = np.zeros(len(y)) if offset is None else offset
    beta = np.zeros(X.shape[1])
    for _ in range(30):
        eta = base + X @ beta
        p = probability(eta)
        score = X.T @ (w * (y - p))
        information = X.T @ ((w * p * (1.0 - p))[:, None] * X)
        step = np.linalg.lstsq(information, score, rcond=None)[0]
        beta = beta + step / max(1.0, float(np.abs(X @ step).max()) / 5.0)
        if score @ step < 1e-12 or np.abs(X @ beta).max() > 2.0 * SUSPICIOUS:
            break
    return beta


def require_overlap(X: Floats, y: Floats, names: Sequence[str], beta: Floats) -> None:
    """Raise where a combination of columns separates the outcomes, wholly or in part.

    A random intercept does not help: the likelihood rises along the same direction for any intercepts.
    The certificate is a linear program [albert1984, konis2007]: a direction d, not zero, with
    (2 y - 1) x'd >= 0 for every row and > 0 for some.
    """
    if np.abs(X @ beta).max(initial=0.0) < SUSPICIOUS:
        return
    direction = _separating_direction(X, y)
    if direction is None:
        return
    size = np.abs(direction)
    guilty = [name for name, s in zip(names, size) if s > 1e-6 * size.max()]
    sure = int(np.sum(np.abs(X @ direction) > 1e-6))
    raise StatsError(
        "the outcomes are separated: a coefficient grows without limit",
        where="formula",
        found=f"{', '.join(guilty)} foretell the outcome of {sure} of {len(y)} rows with certainty",
        expected="both outcomes at every level of a factor and throughout the range of a covariate",
        try_="merge levels, or leave out visits, at which all subjects have the same outcome",
    )


def _separating_direction(X: Floats, y: Floats) -> Floats | None:
    from scipy.optimize import linprog

    signed = np.where(y > 0.5, 1.0, -1.0)[:, None] * X
    signed = np.unique(signed, axis=0)
    length = np.abs(signed).max()
    found = linprog(
        -signed.sum(axis=0) / length,
        A_ub=-signed / length,
        b_ub=np.zeros(len(signed)),
        bounds=[(-1.0, 1.0)] * X.shape[1],
        method="highs",
    )
    if found.status != 0:
        raise ConvergenceError(
            "whether the outcomes are separated could not be decided",
            where="formula",
            found=str(found.message),
        )
    return np.asarray(found.x) if -found.fun > 1e-7 else None
