"""The effects of every treatment against every other, from the coefficients of one fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Effects", "effects_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Effects of the treatment of the row relative to the treatment of the column.

    Attributes
    ----------
    treatments : tuple of str
    estimate, std_error, conf_low, conf_high : (n, n) float
        On the log scale for ratios; 0 on the diagonal.
    statistic, p_value : (n, n) float
        Wald's; NaN on the diagonal.
    coefficient : (n,) float
        Effects relative to the reference.
    covariance : (n, n) float
        Of `coefficient`; zero in the reference's row and column.
    tau2 : float
        The between-study variance used; 0 in a common-effect model.
    df : float
        Degrees of freedom of the limits; infinite for normal ones.
    """

    treatments: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    conf_low: Floats
    conf_high: Floats
    statistic: Floats
    p_value: Floats
    coefficient: Floats
    covariance: Floats
    tau2: float
    df: float = math.inf

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Floats:
        return np.array(self.estimate, dtype=dtype)  # type: ignore[call-overload]

    def __getitem__(self, pair: tuple[str, str]) -> float:
        """The estimate of one treatment relative to another: `effects["MMF", "AZA"]`."""
        from flarefree.evidence.networks.connection import place_of

        i, j = (place_of(name, self.treatments, "treatment") for name in pair)
        return float(self.estimate[i, j])


def effects_of(
    treatments: tuple[str, ...],
    coefficient: Floats,
    covariance: Floats,
    *,
    conf_level: float,
    tau2: float = 0.0,
    df: float = math.inf,
) -> Effects:
    """All pairs from coefficients against the reference (whose own entries are zero)."""
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    spread = np.diag(covariance)
    estimate = coefficient[:, None] - coefficient[None, :]
    variance = spread[:, None] + spread[None, :] - 2 * covariance
    std_error = np.sqrt(np.maximum(variance, 0.0))
    np.fill_diagonal(std_error, 0.0)
    upper = 0.5 + conf_level / 2
    width = float(ndtri(upper)) if math.isinf(df) else float(stdtrit(df, upper))
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = estimate / std_error
    np.fill_diagonal(statistic, np.nan)
    below = ndtr(-np.abs(statistic)) if math.isinf(df) else stdtr(df, -np.abs(statistic))
    return Effects(
        treatments,
        estimate,
        std_error,
        estimate - width * std_error,
        estimate + width * std_error,
        statistic,
        2 * below,
        coefficient,
        covariance,
        tau2,
        df,
    )
