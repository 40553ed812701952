"""What is recorded of virtual patients at entry, each characteristic made when it is first asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flarefree.simulation._quantiles import fill_exp
from flarefree.simulation.baseline import CORRELATED, thresholds

if TYPE_CHECKING:
    from flarefree.simulation.cohort import Cohort

__all__ = ["Covariates"]

Floats = npt.NDArray[np.float64]


class Covariates(Mapping[str, npt.NDArray[Any]]):
    """What is recorded of virtual patients at entry; texts as data files have them."""

    NAMES = (
        "sex", "age", "race", "ethnicity", "region", "site", "induction_drug", "biopsy_class", "weight",
        "nephritis_years", "lupus_years", "remission_status",
    )  # fmt: skip

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort

    def __iter__(self) -> Iterator[str]:
        return iter(self.NAMES)

    def __len__(self) -> int:
        return len(self.NAMES)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self.NAMES:
            raise KeyError(name)
        return self._cohort._keep(f"covariate {name}", getattr(self, f"_{name}"))

    def _sex(self) -> npt.NDArray[np.str_]:
        return np.array(["F", "M"])[self._cohort.is_male.astype(int)]

    def _age(self) -> Floats:
        return np.rint(self._cohort.age)  # whole years, as they are recorded; printed means are of those

    def _race(self) -> npt.NDArray[np.str_]:
        return np.array([c.race for c in self._cohort.population.cells])[self._cohort.cell]

    def _ethnicity(self) -> npt.NDArray[np.str_]:
        names = ("NOT HISPANIC OR LATINO", "HISPANIC OR LATINO")
        return np.array([names[c.is_hispanic] for c in self._cohort.population.cells])[self._cohort.cell]

    def _region(self) -> npt.NDArray[np.str_]:
        return np.array([c.region for c in self._cohort.population.cells])[self._cohort.cell]

    def _site(self) -> npt.NDArray[np.str_]:
        return np.char.zfill(self._cohort.site.astype(str), 3)

    def _induction_drug(self) -> npt.NDArray[np.str_]:
        population, cohort = self._cohort.population, self._cohort
        names = np.array(list(population.induction))
        if population.complete_by_arm:  # nobody was randomized again: the arm is what went on
            followed = np.array([t.cni for t in cohort.treatments])[cohort.arm]
            return np.where(followed, names[0], names[-1])
        ends = np.cumsum(list(population.induction.values()))[:-1]
        return names[np.searchsorted(ends, cohort._uniforms(3)[:, 2], side="right")]

    def _biopsy_class(self) -> npt.NDArray[np.str_]:
        classes = self._cohort.population.classes
        return np.array(list(classes))[np.searchsorted(thresholds(classes), self._normal("biopsy_class"))]

    def _weight(self) -> Floats:
        female, more, sd = self._cohort.population.weight
        means = (female, female + more)
        variances = np.array([math.log1p((sd / mean) ** 2) for mean in means])[
            self._cohort.is_male.astype(int)
        ]
        mean = np.array(means)[self._cohort.is_male.astype(int)]
        return mean * _exp(np.sqrt(variances) * self._normal("weight") - variances / 2)

    def _nephritis_years(self) -> Floats:
        mean, sd = self._cohort.population.nephritis_log
        return _exp(mean + sd * self._normal("nephritis_years"))

    def _lupus_years(self) -> Floats:
        mean, sd = self._cohort.population.lupus_more_log
        return self["nephritis_years"] + _exp(mean + sd * self._normal("lupus_years"))

    def _remission_status(self) -> npt.NDArray[np.str_]:
        from flarefree.simulation.measuring import measure

        days = np.ones((len(self._cohort), 1), dtype=np.int32)
        names = ("proteinuria", "albumin", "creatinine", "red_cells", "white_cells", "red_cell_casts")
        seen = {k: x[:, 0] for k, x in measure(self._cohort, days, names).items()}
        quiet = (seen["red_cells"] <= 5) & (seen["white_cells"] <= 5) & (seen["red_cell_casts"] == 0)
        complete = (
            (seen["proteinuria"] <= 0.4) & quiet & (seen["albumin"] >= 3.5) & (seen["creatinine"] <= 1.4)
        )
        return np.where(complete, "CR", "PR")

    def _normal(self, name: str) -> Floats:
        return self._cohort.z[CORRELATED.index(name)]


def _exp(x: Floats) -> Floats:
    out = np.empty(len(x))
    fill_exp(x, out)
    return out
