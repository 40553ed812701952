"""Rubin's rules: one estimate from the same analysis of several completed data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

__all__ = ["Pooled", "pool"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """Pooled estimates, each figure (c,).

    Attributes
    ----------
    within, between : (c,) float
        Mean of the variances, and variance of the estimates.
    missing_information : (c,) float
        Share of the information that is missing, (1 + 1/D) between / total.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    within: Floats
    between: Floats
    missing_information: Floats
    n_imputations: int


def pool(estimates: Any, variances: Any, *, complete_df: float = np.inf) -> Pooled:
    """Pool analyses of completed data sets.

    Parameters
    ----------
    estimates, variances : (n_imputations, c) float
        Of each completed data set.
    complete_df : float
        Degrees of freedom of the analysis were nothing missing.

    Notes
    -----
    Degrees of freedom are Barnard and Rubin's (1999), which never exceed `complete_df`.

    References
    ----------
    [rubin1987], ch. 3; [barnard1999]
    """
    estimates = np.atleast_2d(np.asarray(estimates, dtype=float))
    variances = np.atleast_2d(np.asarray(variances, dtype=float))
    D = len(estimates)
    if D < 2:
        raise StatsError("pooling needs two imputations or more", where="estimates", found=str(D), try_="100")
    within, between = variances.mean(axis=0), estimates.var(axis=0, ddof=1)
    total = within + (1.0 + 1.0 / D) * between
    missing = (1.0 + 1.0 / D) * between / total
    with np.errstate(divide="ignore"):
        df_old = np.where(missing > 0, (D - 1) / np.maximum(missing, 1e-300) ** 2, np.inf)
    df = df_old
    if np.isfinite(complete_df):
        observed = (complete_df + 1.0) / (complete_df + 3.0) * complete_df * (1.0 - missing)
        df = 1.0 / (1.0 / df_old + 1.0 / observed)
    return Pooled(estimates.mean(axis=0), np.sqrt(total), df, within, between, missing, D)
