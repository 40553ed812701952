"""Quantiles and tail areas of the normal and chi-square distributions, without `scipy.stats`.

`scipy.stats` takes a second to import; `scipy.special` a quarter of that, and only where more than
one degree of freedom asks for it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from flarefree.errors import StatsError

__all__ = ["chi_square_p", "invert_information", "normal_quantile", "require_level", "two_sided_p"]


@lru_cache(maxsize=64)
def normal_quantile(level: float) -> float:
    """The z of a two-sided interval: 1.959964 for `level` 0.95."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(1.0 - (1.0 - level) / 2.0)


def require_level(level: float) -> float:
    """`level` itself, if it is a confidence level."""
    if not 0.0 < level < 1.0:
        raise StatsError(
            "a confidence level lies between 0 and 1",
            where="level",
            found=repr(level),
            expected="a number such as 0.95",
        )
    return float(level)


def two_sided_p(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2.0)) if not math.isnan(z) else math.nan


def chi_square_p(statistic: float, df: float) -> float:
    """Upper tail of the chi-square distribution; `df` may be fractional."""
    if math.isnan(statistic) or df <= 0:
        return math.nan
    if df == 1:
        return math.erfc(math.sqrt(max(statistic, 0.0) / 2.0))
    from scipy.special import chdtrc

    return float(chdtrc(df, max(statistic, 0.0)))


def invert_information(information: np.ndarray) -> np.ndarray | None:
    """Inverse of a symmetric positive definite matrix, or None where it is singular.

    The matrix is scaled to a unit diagonal first, so that units of the covariates do not decide.
    """
    diagonal = np.diag(information)
    if not np.all(diagonal > 0) or not np.all(np.isfinite(information)):
        return None
    scale = 1.0 / np.sqrt(diagonal)
    scaled = information * scale[:, None] * scale[None, :]
    try:
        inverse = np.linalg.inv(np.linalg.cholesky(scaled))
    except np.linalg.LinAlgError:
        return None
    return (inverse.T @ inverse) * scale[:, None] * scale[None, :]
