"""The panel: flat arrays that endpoint sentences are evaluated on.

Patients one after another, assessments in time order, one column per measure, with the row of every
value's source.  Real data give a ragged panel (`flarefree.endpoints.gathering`); virtual trials a
regular one, thousands of trials long (`regular_panel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.records.study import Study

__all__ = ["Panel", "PanelColumn", "build_panel", "regular_panel"]


@dataclass(frozen=True, slots=True)
class PanelColumn:
    """One measure of a panel; all arrays have shape (n_assessments,).

    Attributes
    ----------
    values : float64, or int8
        In the measure's unit; yes/no is 1 and 0; NaN where not known.  Grades and findings that are all
        known may be small whole numbers, as those of virtual patients are.
    days : int32
        The day of each value itself (an assessment gathers values of nearby days).
    rows : int64
        Row in the study's `observations`; -1 where there is none.
    upper_limits, lower_limits : float64 or None
        Limits of normal of that value's laboratory.
    flagged : bool or None
        Where the file flags the value as the baseline.
    inputs : tuple of str
        Measures that a computed value was made from, at the same assessment.
    method : str
        The equation or score that computed it; empty for what was observed.
    texts : tuple of str
        For measures that are words: `values` are indices into these.
    """

    values: npt.NDArray[Any]
    days: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    upper_limits: npt.NDArray[np.float64] | None = None
    lower_limits: npt.NDArray[np.float64] | None = None
    flagged: npt.NDArray[np.bool_] | None = None
    inputs: tuple[str, ...] = ()
    method: str = ""
    texts: tuple[str, ...] = ()

    def slice(self, start: int, stop: int) -> PanelColumn:
        """The column of some assessments only."""

        def cut(array: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
            return None if array is None else array[start:stop]

        flagged = None if self.flagged is None else self.flagged[start:stop]
        return PanelColumn(
            self.values[start:stop],
            self.days[start:stop],
            self.rows[start:stop],
            cut(self.upper_limits),
            cut(self.lower_limits),
            flagged,
            self.inputs,
            self.method,
            self.texts,
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """Assessments of many patients, flat.

    Attributes
    ----------
    subjects : (n_subjects,) object
        Identifiers, in the order of the arrays.
    offsets : (n_subjects + 1,) int64
        Patient i has assessments `offsets[i]:offsets[i + 1]`, in time order.
    days : (n_assessments,) int32
        Study day of the assessment: the latest of its values' days.
    visits : (n_assessments,) int32
        Index into the protocol's visits; -1 for an unscheduled assessment.
    columns : mapping of str to PanelColumn
    covariates : mapping of str to array
        Per patient: float64 for numbers, object (text or None) for categories.
    """

    subjects: npt.NDArray[np.object_]
    offsets: npt.NDArray[np.int64]
    days: npt.NDArray[np.int32]
    visits: npt.NDArray[np.int32]
    columns: Mapping[str, PanelColumn]
    covariates: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.object_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))
        object.__setattr__(self, "covariates", MappingProxyType(dict(self.covariates)))

    @property
    def n_subjects(self) -> int:
        """How many patients, those without assessments too."""
        return int(self.offsets.size - 1)

    @property
    def n_assessments(self) -> int:
        """How many assessments, of all patients."""
        return int(self.days.size)

    def __repr__(self) -> str:
        size = f"{self.n_subjects:,} patients, {self.n_assessments:,} assessments"
        return f"<panel: {size}, {len(self.columns)} measures>"

    def of_subject(self, index: int) -> Panel:
        """The panel of one patient, by index."""
        start, stop = int(self.offsets[index]), int(self.offsets[index + 1])
        return Panel(
            self.subjects[index : index + 1],
            np.array([0, stop - start], dtype=np.int64),
            self.days[start:stop],
            self.visits[start:stop],
            {name: column.slice(start, stop) for name, column in self.columns.items()},
            {name: array[index : index + 1] for name, array in self.covariates.items()},
        )

    def with_columns(self, columns: Mapping[str, PanelColumn]) -> Panel:
        """A copy with further columns."""
        return Panel(
            self.subjects, self.offsets, self.days, self.visits, {**self.columns, **columns}, self.covariates
        )

    def with_covariates(
        self, covariates: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.object_]]
    ) -> Panel:
        """A copy with further covariates."""
        merged = {**self.covariates, **covariates}
        return Panel(self.subjects, self.offsets, self.days, self.visits, self.columns, merged)


def regular_panel(
    days: npt.ArrayLike,
    measures: Mapping[str, npt.NDArray[np.float64]],
    *,
    visits: npt.ArrayLike | None = None,
    covariates: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.object_]] | None = None,
) -> Panel:
    """Lay out virtual patients who all have the same visits.

    Parameters
    ----------
    days : (n_visits,) int
        Study day of each visit, rising.
    measures : mapping of str to (n_patients, n_visits) float
        Values by patient and visit; NaN where missing.
    visits : (n_visits,) int, optional
        Index of each into the protocol's visits; counted from 0 if not given.
    covariates : mapping of str to (n_patients,) array, optional

    Returns
    -------
    Panel
        Subjects are numbered `0`, `1` ...; nothing is copied that is laid out patient by patient.
    """
    when = np.asarray(days, dtype=np.int32)
    n_patients = next(iter(measures.values())).shape[0]
    which = np.arange(when.size) if visits is None else np.asarray(visits)
    all_days = np.tile(when, n_patients)
    no_rows = np.full(all_days.size, -1, dtype=np.int64)
    columns = {
        name: PanelColumn(np.ascontiguousarray(values, dtype=np.float64).reshape(-1), all_days, no_rows)
        for name, values in measures.items()
    }
    return Panel(
        np.arange(n_patients).astype(object),
        np.arange(n_patients + 1, dtype=np.int64) * when.size,
        all_days,
        np.tile(which.astype(np.int32), n_patients),
        columns,
        covariates or {},
    )


def build_panel(study: Study, protocol: LoadedProtocol) -> Panel:
    """Gather a study's observations into assessments; see `flarefree.endpoints.gathering`."""
    from flarefree.endpoints.gathering import gather_panel

    return gather_panel(study, protocol)
