"""Points that stand for a population: quasi-Monte Carlo draws of its copula.

An outcome model is averaged over these points to give what the population would show (`outcome_model.py`).

For multilevel network meta-regression (ML-NMR [phillippo2020b]) the same points serve: a study j known only
by its counts r_jk of n_jk has the likelihood r_jk ~ Binomial(n_jk, p_jk) with

    p_jk = mean over q of expit(mu_j + x_jq b1 + x_jq b2_k + d_k),    x_jq the points of study j's population,

patients at hand contribute their own Bernoulli terms with the same coefficients, and the effect in a target
is the mean over the target's points.  A sampler needs of this module `integration_points(population, n)` once
a study, before sampling (points are data, not parameters); whether n suffices is seen by `check`ing against
twice as many points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.populations.population import Population
from flarefree.stats.copula import GaussianCopula
from flarefree.stats.margins import Categorical

__all__ = ["IntegrationPoints", "integration_points"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class IntegrationPoints:
    """Equally weighted points.

    Attributes
    ----------
    columns : mapping of str to (n,) array
        A value a covariate; labels of a category.
    n : int
    method : str
        How they were made, for the reader of the result.
    """

    columns: Mapping[str, NDArray[Any]]
    n: int
    method: str

    def check(self, other: IntegrationPoints) -> float:
        """Largest difference of two sets' means of numeric covariates, in standard deviations."""
        gaps = [0.0]
        for name, values in self.columns.items():
            if values.dtype == object:
                continue
            mine, theirs = values.astype(float), other.columns[name].astype(float)
            gaps.append(abs(float(mine.mean() - theirs.mean())) / (float(mine.std()) or 1.0))
        return max(gaps)


def integration_points(
    population: Population, n: int = 64, *, covariates: Sequence[str] = (), seed: int = 1
) -> IntegrationPoints:
    """Points of a population: its patients, where they are at hand, else Sobol points of its copula.

    Parameters
    ----------
    population : Population
    n : int
        A power of two (Sobol points are balanced at those); ignored for patients.
    covariates : sequence of str, optional
        Which; all unless given.
    seed : int
        Of Owen's scrambling.
    """
    names = tuple(covariates) or population.covariates()
    if population.columns is not None:
        columns = {name: population.columns[name] for name in names}
        return IntegrationPoints(columns, len(columns[names[0]]), f"the {population.n} patients themselves")
    if n < 2 or n & (n - 1):
        raise EvidenceError("not a power of two", where="points", found=str(n), expected="64, 128, 1024, ...")
    copula = GaussianCopula(population.margins, population.correlation, kind=population.kind)
    values = copula.transform(_sobol_normals(n, len(copula.names), seed))
    columns = {name: _labelled(population, name, values[name]) for name in names}
    return IntegrationPoints(columns, n, f"{n} scrambled Sobol points of a Gaussian copula, seed {seed}")


def _sobol_normals(n: int, d: int, seed: int) -> Floats:
    from scipy.special import ndtri
    from scipy.stats import qmc  # a second to import: only here

    points = qmc.Sobol(d, scramble=True, seed=seed).random(n)
    return np.asarray(ndtri(np.clip(points, 1e-12, 1 - 1e-12)))


def _labelled(population: Population, name: str, values: NDArray[Any]) -> NDArray[Any]:
    margin = population.margins[name]
    return margin.labels(values) if isinstance(margin, Categorical) else values
