"""What a likelihood takes: units (arms, or independent rows of contrasts) by study, with their numbers.

`reading.py` makes it; everything after knows no rows but these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows
from flarefree.evidence.networks.studies import Study

__all__ = ["NetworkData", "study_values"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkData:
    """Units by study, and what each was.

    Attributes
    ----------
    treatments : tuple of str
        The reference first; the order decides the base arm of each study.
    studies : tuple of str
    arm_study, arm_treatment : (n_arms,) int
        Arms by study, in the order of treatments within.
    unit_study : (n_units,) int
    rotation : (n_units, n_arms) float, optional
        For contrasts: units are independent combinations of arms (`networks.rows`).  None: units are arms.
    y, size, exposure : (n_units,) float
        Events, patients and follow-up; events and person-time; mean (or contrast) and its variance in `size`.
    center, variance : (n_units,) float
        Of the normal distribution near the likelihood of the linear predictor.
    labels : tuple of str
        A unit's treatment, or `contrast 1`.
    covariate_rows : (n_arms,) int
        The input's row of each arm (of a row of its study, for contrasts).
    """

    treatments: tuple[str, ...]
    studies: tuple[str, ...]
    arm_study: Ints
    arm_treatment: Ints
    unit_study: Ints
    rotation: Floats | None
    y: Floats
    size: Floats
    exposure: Floats
    center: Floats
    variance: Floats
    labels: tuple[str, ...]
    family: str
    measure: str
    covariate_rows: Ints
    totals: dict[str, float]
    notes: tuple[str, ...]

    @property
    def is_arms(self) -> bool:
        """Whether units are arms, so that each study has a level of its own."""
        return self.rotation is None

    @property
    def base_arm(self) -> Ints:
        """(n_studies,) the first arm of each study."""
        return np.searchsorted(self.arm_study, np.arange(len(self.studies)))

    def studies_with(self, *treatments: int) -> NDArray[np.bool_]:
        """(n_studies,) bool: those that have all of these treatments."""
        has = np.ones(len(self.studies), np.bool_)
        for treatment in treatments:
            has &= np.bincount(self.arm_study[self.arm_treatment == treatment], minlength=len(has)) > 0
        return has

    def as_studies(self) -> tuple[Study, ...]:
        """The studies as the graph sees them; their effects are no numbers."""
        return tuple(
            Study(name, arms, np.full(len(arms), np.nan), np.full((len(arms),) * 2, np.nan))
            for name, arms in zip(self.studies, self._arms_by_study())
        )

    def _arms_by_study(self) -> list[Ints]:
        return np.split(self.arm_treatment, self.base_arm[1:])


def study_values(rows: ArmRows | ContrastRows, data: NetworkData, column: str) -> Floats:
    """(n_studies,) a covariate's mean in each study, arms weighted by their patients.

    Raises
    ------
    EvidenceError
        No such column; a value that is missing or no number.
    """
    values: Any = rows.extra.get(column)
    if values is None:
        raise EvidenceError(
            f"there is no column {column!r}",
            where=f"{rows.where}: covariate",
            found=", ".join(rows.extra) or "no further columns",
            expected="a column with each study's covariate, or 'baseline'",
        )
    try:
        numbers = np.array(values, dtype=float)
    except (TypeError, ValueError):
        numbers = np.full(len(rows), np.nan)
    taken = numbers[data.covariate_rows]
    bad = np.flatnonzero(~np.isfinite(taken))
    if len(bad):
        i = int(data.covariate_rows[bad[0]])
        raise EvidenceError(
            f"{column} is missing or no number",
            where=rows.place(i, column),
            found=str(values[i]),
            expected="the study's mean",
            try_="leave out the study, or give its mean",
        )
    sizes = rows.n[data.covariate_rows] if isinstance(rows, ArmRows) else np.ones(len(taken))
    sizes = np.where(np.isnan(sizes), 1.0, sizes)
    total = np.bincount(data.arm_study, sizes)
    return np.asarray(np.bincount(data.arm_study, sizes * taken) / total)
