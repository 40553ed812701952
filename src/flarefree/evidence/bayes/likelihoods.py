"""Likelihoods and residual deviances of units, given the linear predictor; for NumPy and JAX alike.

Constants that hold no parameter are left out of the log likelihood, as they are out of deviances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["deviance", "inverse_link", "log_likelihood", "scores"]

Floats = NDArray[np.float64]
LEAST_HAZARD = 1e-300


def log_likelihood(xp: Any, family: str, theta: Any, y: Any, size: Any, exposure: Any) -> Any:
    """Of each unit; `xp` is numpy or jax.numpy.

    `logit`: y events of size.  `cloglog`: the same with follow-up `exposure`, hazard exp(theta).
    `poisson`: y events in person-time size.  `normal`: y with variance size.
    """
    match family:
        case "logit":
            return y * theta - size * xp.logaddexp(0.0, theta)
        case "cloglog":
            hazard = xp.maximum(exposure * xp.exp(theta), LEAST_HAZARD)
            return y * xp.log(-xp.expm1(-hazard)) - (size - y) * hazard
        case "poisson":
            return y * theta - size * xp.exp(theta)
        case _:
            return -0.5 * (y - theta) ** 2 / size


def scores(family: str, theta: Floats, y: Floats, size: Floats, exposure: Floats) -> tuple[Floats, Floats]:
    """First derivative of each unit's log likelihood, and its expected information."""
    match family:
        case "logit":
            p = inverse_link("logit", theta)
            return y - size * p, size * p * (1 - p)
        case "cloglog":
            hazard = np.clip(exposure * np.exp(np.minimum(theta, 300.0)), LEAST_HAZARD, 500.0)
            survival, risk = np.exp(-hazard), -np.expm1(-hazard)
            odds = survival / risk * hazard
            return y * odds - (size - y) * hazard, size * hazard * odds
        case "poisson":
            expected = size * np.exp(np.minimum(theta, 300.0))
            return y - expected, expected
        case _:
            return (y - theta) / size, np.broadcast_to(1 / size, np.shape(theta))


def deviance(family: str, theta: Floats, y: Floats, size: Floats, exposure: Floats) -> Floats:
    """Residual deviance of each unit: twice the saturated log likelihood less that at `theta`."""
    fitted = log_likelihood(np, family, theta, y, size, exposure)
    return np.asarray(2 * (_saturated(family, y, size) - fitted))


def _saturated(family: str, y: Floats, size: Floats) -> Floats:
    """The log likelihood where each unit is fitted perfectly, with the same constants left out."""
    from scipy.special import xlogy

    match family:
        case "logit" | "cloglog":
            return np.asarray(xlogy(y, y / size) + xlogy(size - y, 1 - y / size))
        case "poisson":
            return np.asarray(xlogy(y, y / size) - y)
        case _:
            return np.zeros_like(y)


def inverse_link(family: str, theta: Floats, exposure: float = 1.0) -> Floats:
    """Risk, rate or mean of a linear predictor."""
    from scipy.special import expit

    match family:
        case "logit":
            return np.asarray(expit(theta))
        case "cloglog":
            return np.asarray(-np.expm1(-exposure * np.exp(theta)))
        case "poisson":
            return np.exp(theta)
        case _:
            return theta
