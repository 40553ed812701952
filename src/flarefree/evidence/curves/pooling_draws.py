"""Rubin's rules over draws: what is uncertain because of few patients, and what because of the figure.

Equations: docs/methods/curve-reconstruction.md, section 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

__all__ = ["PooledEstimate", "PooledHazardRatio", "draws_that_suffice", "pool_by_rubin"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class PooledEstimate:
    """An estimate over draws [rubin1987].

    Attributes
    ----------
    estimate, std_error : float
        Mean of the draws' estimates, and the root of the total variance.
    within, between : float
        Mean of the draws' variances; variance of their estimates.
    df : float
        Degrees of freedom of the limits; infinite where all draws agree.
    missing_information : float
        Share of the information lost because the figure does not say all (0 to 1).
    conf_low, conf_high, level : float
    draws : int
    lowest, highest : float
        Of the draws' estimates: the whole spread, which no rule summarizes.
    """

    estimate: float
    std_error: float
    within: float
    between: float
    df: float
    missing_information: float
    conf_low: float
    conf_high: float
    level: float
    draws: int
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, repr=False)
class PooledHazardRatio:
    """A hazard ratio over draws; `log` holds the pooled logarithm."""

    treatment: str
    reference: str
    log: PooledEstimate

    @property
    def estimate(self) -> float:
        return math.exp(self.log.estimate)

    @property
    def conf_low(self) -> float:
        return math.exp(self.log.conf_low)

    @property
    def conf_high(self) -> float:
        return math.exp(self.log.conf_high)

    def tidy(self) -> pl.DataFrame:
        """One row: the ratio with its limits, then the pooled logarithm's parts."""
        log = self.log
        return pl.DataFrame(
            {
                "treatment": [self.treatment],
                "reference": [self.reference],
                "hazard_ratio": [self.estimate],
                "conf_low": [self.conf_low],
                "conf_high": [self.conf_high],
                "log_estimate": [log.estimate],
                "std_error": [log.std_error],
                "within": [log.within],
                "between": [log.between],
                "df": [log.df],
                "missing_information": [log.missing_information],
                "draws": [log.draws],
            }
        )

    def __repr__(self) -> str:
        log = self.log
        head = (
            f"Hazard ratio, {self.treatment} to {self.reference}: {self.estimate:.3f} "
            f"({100 * log.level:g}% CI {self.conf_low:.3f} to {self.conf_high:.3f})"
        )
        if log.draws == 1:
            return f"{head}\none draw: the limits leave out what the figure does not say"
        return (
            f"{head}\nlog {log.estimate:.4f}, standard error {log.std_error:.4f} "
            f"(within {log.within:.3g}, between {log.between:.3g}), {log.draws} draws "
            f"from {math.exp(log.lowest):.3f} to {math.exp(log.highest):.3f}, "
            f"missing information {100 * log.missing_information:.1f}%"
        )


def pool_by_rubin(estimates: Floats, variances: Floats, *, level: float) -> PooledEstimate:
    """Rubin's rules for one number.

    Parameters
    ----------
    estimates, variances : (draws,) float
    level : float
        Of the limits.
    """
    from scipy.special import ndtri, stdtrit

    m = estimates.size
    mean, within = float(estimates.mean()), float(variances.mean())
    between = float(estimates.var(ddof=1)) if m > 1 else 0.0
    inflated = (1.0 + 1.0 / m) * between
    total = within + inflated
    if inflated <= 1e-14 * total:
        df, missing = math.inf, 0.0
        quantile = float(ndtri(0.5 + level / 2.0))
    else:
        df = (m - 1) * (total / inflated) ** 2
        ratio = inflated / within
        missing = (ratio + 2.0 / (df + 3.0)) / (ratio + 1.0)
        quantile = float(stdtrit(df, 0.5 + level / 2.0))
    error = math.sqrt(total)
    return PooledEstimate(
        mean,
        error,
        within,
        between,
        df,
        missing,
        mean - quantile * error,
        mean + quantile * error,
        level,
        m,
        float(estimates.min()),
        float(estimates.max()),
    )


def draws_that_suffice(pooled: PooledEstimate, relative_error: float) -> int:
    """Draws for a standard error reproducible to `relative_error`: 1 + (g / error)^2 / 2 [vonhippel2020].

    g is the upper 95% limit of the fraction of missing information, on the logit scale with standard
    error sqrt(2 / draws).
    """
    g = pooled.missing_information
    if g <= 0.0:
        return 2
    g = min(g, 1.0 - 1e-9)
    upper = math.log(g / (1.0 - g)) + 1.959964 * math.sqrt(2.0 / pooled.draws)
    g = 1.0 / (1.0 + math.exp(-upper))
    return max(2, math.ceil(1.0 + 0.5 * (g / relative_error) ** 2))
