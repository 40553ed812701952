"""Pointwise limits of a survival probability on five scales.

`log_se` is the standard error of log S(t): the square root of Greenwood's sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flarefree.errors import StatsError
from flarefree.stats.survival._numbers import normal_quantile

__all__ = ["CONF_TYPES", "compute_survival_limits", "require_conf_type"]

CONF_TYPES = ("log-log", "log", "plain", "arcsin", "logit")
_OTHER_NAMES = {"arcsine": "arcsin", "loglog": "log-log", "linear": "plain"}

Floats = np.ndarray[Any, np.dtype[np.float64]]


def compute_survival_limits(
    survival: Floats, log_se: Floats, conf_type: str, level: float
) -> tuple[Floats, Floats]:
    """Lower and upper limits, shape (k,); NaN where the scale has none (S of 0; S of 1 too but
    for plain and log).

    Source: docs/methods/survival_curves.md, "Limits"; R's `survfit` with the same `conf.type`.
    """
    z = normal_quantile(level)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        match conf_type:
            case "plain":
                return _plain(survival, log_se, z)
            case "log":
                return _log(survival, log_se, z)
            case "log-log":
                return _log_log(survival, log_se, z)
            case "arcsin":
                return _arcsin(survival, log_se, z)
            case _:
                return _logit(survival, log_se, z)


def require_conf_type(conf_type: str) -> str:
    """The kind of limits by its usual name; a StatsError if there is none."""
    name = _OTHER_NAMES.get(conf_type, conf_type)
    if name not in CONF_TYPES:
        raise StatsError(
            "no such kind of confidence limits",
            where="conf_type",
            found=repr(conf_type),
            expected=", ".join(CONF_TYPES),
        )
    return name


def _plain(s: Floats, se: Floats, z: float) -> tuple[Floats, Floats]:
    half = z * se * s
    return np.maximum(s - half, 0.0), np.minimum(s + half, 1.0)


def _log(s: Floats, se: Floats, z: float) -> tuple[Floats, Floats]:
    x = np.where(s == 0.0, np.nan, s)
    factor = np.exp(z * se)
    return x / factor, np.minimum(x * factor, 1.0)


def _log_log(s: Floats, se: Floats, z: float) -> tuple[Floats, Floats]:
    log_s = np.log(np.where((s == 0.0) | (s == 1.0), np.nan, s))
    factor = np.exp(z * se / log_s)  # below 1, for log S is negative
    return np.exp(log_s / factor), np.exp(log_s * factor)


def _arcsin(s: Floats, se: Floats, z: float) -> tuple[Floats, Floats]:
    x = np.where((s == 0.0) | (s == 1.0), np.nan, s)
    angle = np.arcsin(np.sqrt(x))
    half = 0.5 * z * se * np.sqrt(x / (1.0 - x))
    return np.sin(np.maximum(0.0, angle - half)) ** 2, np.sin(np.minimum(np.pi / 2, angle + half)) ** 2


def _logit(s: Floats, se: Floats, z: float) -> tuple[Floats, Floats]:
    x = np.where((s == 0.0) | (s == 1.0), np.nan, s)
    logit = np.log(x / (1.0 - x))
    half = z * se * (1.0 + x / (1.0 - x))
    return 1.0 - 1.0 / (1.0 + np.exp(logit - half)), 1.0 - 1.0 / (1.0 + np.exp(logit + half))
