"""How well a model fits, and how many parameters it spent: residual deviance, leverage, DIC.

As in [dias2011]: deviances at the posterior mean of each unit's linear predictor, which is what WinBUGS' pD
comes to.  Nothing here needs the extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.bayes.likelihoods import deviance

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ModelFit", "measure_fit"]

Floats = NDArray[np.float64]
IN_PARTS = 2000  # draws at a time: a deviance of all draws and units need not be held at once


@dataclass(frozen=True, slots=True, eq=False)
class ModelFit:
    """Of each unit (an arm, or a row of a study's contrasts), and in all.

    Attributes
    ----------
    study, unit : tuple of str
    deviance : (n_units,) float
        Posterior mean of the residual deviance: about 1 where the model fits.
    leverage : (n_units,) float
        Its part of pD.
    sign : (n_units,) float
        Of observed less fitted.
    """

    study: tuple[str, ...]
    unit: tuple[str, ...]
    deviance: Floats
    leverage: Floats
    sign: Floats

    @property
    def n_units(self) -> int:
        """What the total deviance is compared with."""
        return len(self.unit)

    @property
    def total_deviance(self) -> float:
        """Posterior mean of the total residual deviance."""
        return float(self.deviance.sum())

    @property
    def pd(self) -> float:
        """Effective number of parameters."""
        return float(self.leverage.sum())

    @property
    def dic(self) -> float:
        """Deviance information criterion."""
        return self.total_deviance + self.pd

    def tidy(self) -> pl.DataFrame:
        """A row a unit."""
        import polars as pl

        return pl.DataFrame(
            {
                "study": list(self.study),
                "unit": list(self.unit),
                "deviance": self.deviance,
                "leverage": self.leverage,
                "dic": self.deviance + self.leverage,
                "sign": self.sign,
            }
        )

    def __repr__(self) -> str:
        return (
            f"residual deviance {self.total_deviance:.1f} on {self.n_units} data points, "
            f"pD {self.pd:.1f}, DIC {self.dic:.1f}"
        )


def measure_fit(data: NetworkData, theta: Floats) -> ModelFit:
    """From (n_draws, n_units) linear predictors."""
    numbers = (data.y, data.size, data.exposure)
    total = np.zeros(len(data.y))
    for start in range(0, len(theta), IN_PARTS):
        total += deviance(data.family, theta[start : start + IN_PARTS], *numbers).sum(axis=0)
    mean = total / len(theta)
    center = theta.mean(axis=0)
    at_mean = deviance(data.family, center, *numbers)
    studies = tuple(data.studies[s] for s in data.unit_study)
    return ModelFit(studies, data.labels, mean, mean - at_mean, np.sign(data.center - center))
