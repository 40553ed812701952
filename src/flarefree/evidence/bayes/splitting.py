"""Node splits: the direct and the indirect effect of a comparison, sampled together, and their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.evidence.bayes.convergence import Diagnostics

__all__ = ["NodeSplit", "bayesian_p"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class NodeSplit:
    """One comparison, split [dias2010].

    Attributes
    ----------
    treatment_1, treatment_2 : str
        Effect of the first relative to the second; log scale for ratios.
    n_studies : int
        Studies that have both.
    direct, indirect : (n_draws,) float
    p_value : float
        Bayesian: twice the smaller posterior probability of direct above or below indirect.
    tau_median, total_deviance, dic : float
        Of the model with this comparison split; tau is 0 for common effects.
    """

    treatment_1: str
    treatment_2: str
    n_studies: int
    direct: Floats
    indirect: Floats
    p_value: float
    tau_median: float
    total_deviance: float
    dic: float
    diagnostics: Diagnostics

    @property
    def difference(self) -> Floats:
        """(n_draws,): direct less indirect."""
        return self.direct - self.indirect


def bayesian_p(difference: Floats) -> float:
    """Twice the smaller of the posterior probabilities on either side of zero."""
    above = float((difference > 0).mean())
    return 2 * min(above, 1 - above)
