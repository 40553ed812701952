"""Who the virtual patients are at entry: populations by their margins, and what depends on what.

Margins are those of Table 1 of [dooley2011], both arms together; the multitarget trial's Table 1 is on
pages that our copy of [zhang2017] lacks, so that population rests on its text and on assumptions.  What a
paper does not say about correlation is assumed, and stated in `docs/methods/virtual-patients.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation._quantiles import fill_blocks, normal32
from flarefree.simulation._random_kernels import exp, log, uniform32

__all__ = [
    "CORRELATED",
    "POPULATIONS",
    "Cell",
    "Population",
    "assumed_factor",
    "correlations",
    "draw_baseline",
    "lower_factor",
    "thresholds",
]

Floats = npt.NDArray[np.float64]

CORRELATED = (
    "proteinuria", "upcr", "c3", "c4", "anti_dsdna", "creatinine", "age", "biopsy_class", "weight",
    "nephritis_years", "lupus_years",
)  # fmt: skip
"""The copula's coordinates, in order."""

CREATININE, AGE = CORRELATED.index("creatinine"), CORRELATED.index("age")
ROW = 512

_ASSUMED = {
    ("proteinuria", "biopsy_class"): 0.20,
    ("proteinuria", "creatinine"): 0.15,
    ("creatinine", "age"): 0.15,
    ("c3", "c4"): 0.60,
    ("c3", "anti_dsdna"): -0.35,
    ("c4", "anti_dsdna"): -0.25,
    ("proteinuria", "c3"): -0.10,
    ("age", "weight"): 0.20,
    ("age", "nephritis_years"): 0.30,
    ("age", "lupus_years"): 0.30,
}


def correlations() -> Floats:
    """Correlations of the normals under the margins, shape (11, 11)."""
    matrix = np.eye(len(CORRELATED))
    for (first, second), rho in _ASSUMED.items():
        i, j = CORRELATED.index(first), CORRELATED.index(second)
        matrix[i, j] = matrix[j, i] = rho
    return matrix


def lower_factor(matrix: Floats) -> Floats:
    """Cholesky's lower factor in plain arithmetic, so that it is the same on every machine.

    Raises
    ------
    DesignError
        The correlations contradict each other.
    """
    size = len(matrix)
    factor = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            rest = float(matrix[i, j])
            for k in range(j):
                rest -= float(factor[i, k]) * float(factor[j, k])
            if i == j and rest <= 1e-9:
                raise DesignError(
                    "these correlations contradict each other",
                    where="correlations",
                    found=CORRELATED[i],
                    expected="a positive definite matrix",
                )
            factor[i, j] = math.sqrt(rest) if i == j else rest / float(factor[j, j])
    return factor


@cache
def assumed_factor() -> Floats:
    """Cholesky's factor of the assumed correlations."""
    factor = lower_factor(correlations())
    factor.setflags(write=False)
    return factor


@dataclass(frozen=True, slots=True)
class Cell:
    """Patients of one race, region and ethnic group."""

    race: str
    region: str
    is_hispanic: bool
    count: int


@dataclass(frozen=True, slots=True)
class Population:
    """Whom a trial enrolled; log-normal margins as mean and SD of logarithms.

    Attributes
    ----------
    cells : tuple of Cell
        Race, region and ethnic group, jointly.
    classes : mapping of biopsy class to share
        From low to high proteinuria.
    up_log, upcr_log, c3_log, c4_log, dsdna_log : (mean, SD)
        As measured at entry: g/day, mg/mg, mg/dL, mg/dL, IU/mL.
    creatinine : (location, male, scale, skew)
        ln creatinine (mg/dL) = location + male [man] + scale (exp(skew z) - 1) / skew.
    sediment : float
        Share whose sediment is truly active at entry.
    openings : mapping of region to (part, centers)
        Part of the accrual period that is over when the region's centers open, and how many they are.
    complete_by_arm : mapping of treatment name to (shift of log proteinuria, sediment share)
        For arms that were not randomized.
    factor_of : str
        The field of `Parameters` with the trial's factor of the flare hazard; empty for 1.
    fields : mapping of a field of `Parameters` to the one that this population has in its place
    other_reasons : tuple of float
        Among withdrawals for other than adverse events: the subject's wish, lost, protocol, physician.
    """

    name: str
    cells: tuple[Cell, ...]
    male: float
    age_log: tuple[float, float]
    age_limits: tuple[float, float]
    weight: tuple[float, float, float]
    classes: Mapping[str, float]
    induction: Mapping[str, float]
    nephritis_log: tuple[float, float]
    lupus_more_log: tuple[float, float]
    up_log: tuple[float, float]
    upcr_log: tuple[float, float]
    c3_log: tuple[float, float]
    c4_log: tuple[float, float]
    dsdna_log: tuple[float, float]
    creatinine: tuple[float, float, float, float]
    sediment: float
    accrual_days: float
    openings: Mapping[str, tuple[float, int]]
    complete_by_arm: Mapping[str, tuple[float, float]]
    factor_of: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    other_reasons: tuple[float, float, float, float] = (0.45, 0.27, 0.15, 0.13)

    def field_of(self, name: str) -> str:
        """The field of `Parameters` that stands for `name` here."""
        return self.fields.get(name, name)


_W, _B, _A, _O = "WHITE", "BLACK OR AFRICAN AMERICAN", "ASIAN", "OTHER"

# Margins: races 99, 23, 76, 29 and 77 Hispanic ([dooley2011] Table 1); regions 72, 60, 47, 40, 5, 3
# (its Figure 3 and supplement).  The cells between them are ours.
_ALMS_CELLS = (
    Cell(_A, "Asia", False, 70), Cell(_O, "Asia", False, 2),
    Cell(_W, "Latin America", True, 34), Cell(_W, "Latin America", False, 1),
    Cell(_B, "Latin America", True, 1), Cell(_B, "Latin America", False, 3),
    Cell(_O, "Latin America", True, 21),
    Cell(_W, "North America", True, 12), Cell(_W, "North America", False, 11),
    Cell(_B, "North America", False, 14), Cell(_A, "North America", False, 4),
    Cell(_O, "North America", True, 5), Cell(_O, "North America", False, 1),
    Cell(_W, "Europe", True, 4), Cell(_W, "Europe", False, 33), Cell(_B, "Europe", False, 2),
    Cell(_A, "Europe", False, 1),
    Cell(_W, "South Africa", False, 2), Cell(_B, "South Africa", False, 3),
    Cell(_W, "Australia", False, 2), Cell(_A, "Australia", False, 1),
)  # fmt: skip

_ALMS = Population(
    name="ALMS",
    cells=_ALMS_CELLS,
    male=32 / 227,
    age_log=(3.3914, 0.3345),
    age_limits=(12.0, 75.0),
    weight=(63.0, 9.6, 16.06),
    classes={"III or III+V": 29 / 227, "IV or IV+V": 163 / 227, "V": 35 / 227},
    induction={"MMF": 0.51, "IVC": 0.49},
    nephritis_log=(0.5195, 1.0757),
    lupus_more_log=(0.1592, 1.1831),
    up_log=(-0.4503, 0.7797),
    upcr_log=(-0.6700, 1.0214),
    c3_log=(4.5454, 0.2703),
    c4_log=(2.9392, 0.4587),
    dsdna_log=(4.0943, 0.6445),
    creatinine=(-0.2617, 0.20, 0.3177, 0.1387),
    sediment=0.6435,
    accrual_days=418.0,
    openings={
        "Asia": (0.10, 20),
        "Latin America": (0.05, 16),
        "North America": (0.0, 20),
        "Europe": (0.05, 12),
        "South Africa": (0.20, 2),
        "Australia": (0.15, 2),
    },
    complete_by_arm={},
)

_MULTITARGET = Population(
    name="multitarget",
    cells=(Cell(_A, "China", False, 1),),
    male=0.09,
    age_log=(3.42, 0.30),
    age_limits=(18.0, 65.0),
    weight=(55.0, 10.0, 8.5),
    classes={"III or III+V": 0.14, "IV or IV+V": 0.67, "V": 0.19},
    induction={"MT": 0.563, "IVC": 0.437},
    nephritis_log=(-0.6, 1.0),
    lupus_more_log=(-0.2, 1.1),
    up_log=(-1.30, 0.85),
    upcr_log=(-1.40, 1.00),
    c3_log=(4.52, 0.26),
    c4_log=(2.85, 0.40),
    dsdna_log=(3.4, 0.60),
    creatinine=(-0.40, 0.22, 0.22, 0.35),
    sediment=0.30,
    accrual_days=730.0,
    openings={"China": (0.0, 19)},
    complete_by_arm={"MT": (0.0, 0.043), "AZA": (0.28, 0.14)},
    factor_of="h_multitarget",
    fields={
        name: f"{name}_multitarget"
        for name in (
            "d_aza",
            "leukopenia_aza",
            "extrarenal",
            "bilag_b",
            "ae_label_other",
            "ae_label_failure",
            "xi_mean",
            "high_dose",
        )
    },
    other_reasons=(0.0, 17 / 19, 2 / 19, 0.0),
)

POPULATIONS: Mapping[str, Population] = {"ALMS": _ALMS, "multitarget": _MULTITARGET}


def thresholds(shares: Mapping[str, float]) -> Floats:
    """Where the normal underneath passes from one level to the next."""
    from statistics import NormalDist

    ends = np.cumsum(list(shares.values()))[:-1]
    return np.array([NormalDist().inv_cdf(min(max(float(e), 1e-12), 1 - 1e-12)) for e in ends])


@nb.njit(error_model="numpy")
def _margins(
    m: Any, i0: Any, age_log: Any, age_limits: Any, creatinine: Any, z: Any, is_male: Any, age: Any, out: Any
) -> Any:
    """Age, and ln creatinine at entry."""
    for i in range(i0, i0 + m):
        age[i] = min(max(exp(age_log[0] + age_log[1] * z[AGE, i]), age_limits[0]), age_limits[1])
    for i in range(i0, i0 + m):
        skewed = (exp(creatinine[3] * z[CREATININE, i]) - 1.0) / creatinine[3]
        out[i] = creatinine[0] + (creatinine[1] if is_male[i] else 0.0) + creatinine[2] * skewed


@nb.njit(error_model="numpy")
def _add(m: Any, weight: Any, own: Any, out: Any) -> Any:
    for e in range(m):
        out[e] += weight * own[e]


@nb.njit(cache=True, error_model="numpy", nogil=True)
def draw_baseline(
    trial: Any, patient: Any, factor: Any, cell_ends: Any, cell_black: Any, male: Any, age_log: Any,
    age_limits: Any, creatinine: Any, stream: Any, key: Any, z: Any, cell: Any, is_male: Any,
    age: Any, log_creatinine: Any, limit: Any, esrd_egfr: Any, esrd_rise: Any,
) -> Any:  # fmt: skip
    """Correlated normals `z` (11, n), cell, sex, age, ln creatinine, and where the kidney fails.

    `factor` is the lower Cholesky factor of the correlations; blocks 0 to 3 of the patient's words.
    """
    n, most = trial.size, log(esrd_rise)
    block, words, own = np.empty(ROW, np.uint32), np.empty((4, ROW), np.uint32), np.empty((12, ROW))
    for i0 in range(0, n, ROW):
        m = min(ROW, n - i0)
        who, where = patient[i0 : i0 + m], trial[i0 : i0 + m]
        for b in range(3):
            block[:] = b
            fill_blocks(m, block, who, where, stream, key, words)
            for k in range(4):
                row, word = own[4 * b + k], words[k]
                for e in range(m):
                    row[e] = normal32(word[e])
        for r in range(11):
            z[r, i0 : i0 + m] = 0.0
            for c in range(r + 1):
                if factor[r, c] != 0.0:
                    _add(m, factor[r, c], own[c], z[r, i0 : i0 + m])
        block[:] = 3
        fill_blocks(m, block, who, where, stream, key, words)
        for e in range(m):
            u = uniform32(np.uint64(words[0, e]))
            k = 0
            while k < cell_ends.size - 1 and u >= cell_ends[k]:
                k += 1
            cell[i0 + e] = k
            is_male[i0 + e] = uniform32(np.uint64(words[1, e])) < male
        _margins(m, i0, age_log, age_limits, creatinine, z, is_male, age, log_creatinine)
        # MDRD, 186 [levey2000]: creatinine at which eGFR falls to the limit.
        for i in range(i0, i0 + m):
            scale = (186.0 / esrd_egfr) * (1.0 if is_male[i] else 0.742)
            scale *= 1.212 if cell_black[cell[i]] else 1.0
            at = (log(scale) - 0.203 * log(age[i])) / 1.154
            limit[i] = min(max(at, log_creatinine[i] + 0.3), log_creatinine[i] + most)
