"""The panel: flat arrays that endpoint sentences are evaluated on.

Patients one after another, assessments in time order, one column per measure, with the row of every
value's source.  Real data give a ragged panel; virtual trials a regular one, thousands of trials long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Panel", "PanelColumn"]


@dataclass(frozen=True, slots=True)
class PanelColumn:
    """One measure of a panel; all arrays have shape (n_assessments,).

    Attributes
    ----------
    values : float64
        In the measure's unit; yes/no is 1 and 0; NaN where not known.
    days : int32
        The day of each value itself (an assessment gathers values of nearby days).
    rows : int64
        Row in the study's `observations`; -1 where there is none.
    upper_limits, lower_limits : float64 or None
        Limits of normal of that value's laboratory.
    """

    values: npt.NDArray[np.float64]
    days: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    upper_limits: npt.NDArray[np.float64] | None = None
    lower_limits: npt.NDArray[np.float64] | None = None


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
    covariates: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.object_]]
