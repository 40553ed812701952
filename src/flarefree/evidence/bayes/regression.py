"""How effects move with a study's covariate, or with its own level: what that adds to the columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.data import NetworkData, study_values
from flarefree.evidence.bayes.designs import Design, with_covariate
from flarefree.evidence.bayes.starting import identified
from flarefree.evidence.inputs import ArmRows, ContrastRows

__all__ = ["BaselineSlope", "Regression", "regression_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BaselineSlope:
    """A regression on the study's own level: which arms move, and the level that effects stand for."""

    active: Floats
    center: float


@dataclass(frozen=True, slots=True)
class Regression:
    design: Design
    baseline: BaselineSlope | None = None
    at: float = math.nan
    notes: tuple[str, ...] = ()


def regression_of(
    rows: ArmRows | ContrastRows,
    data: NetworkData,
    base: Design,
    covariate: str | None,
    at: float | None,
    interactions: str,
) -> Regression:
    if covariate is None:
        return Regression(base)
    if covariate == "baseline" and "baseline" not in rows.extra:
        return _on_baseline(rows, data, base, at, interactions)
    values = study_values(rows, data, covariate)
    where = float(values.mean()) if at is None else float(at)
    design = with_covariate(base, data, values - where, covariate, interactions == "common")
    told = identified(design.of_units(data), data)[len(base.pairs) :]
    if not told.all():
        unknown = ", ".join(label for label, known in zip(design.slope_labels, told) if not known)
        raise EvidenceError(
            "the studies do not tell how the effects move with the covariate",
            where="bayesian_network: covariate",
            found=f"no variation among the studies of: {unknown}",
            expected="studies of a treatment against the reference that differ in the covariate",
            try_="interactions='common'" if interactions == "independent" else "another covariate",
        )
    return Regression(design, None, where)


def _on_baseline(
    rows: ArmRows | ContrastRows, data: NetworkData, base: Design, at: float | None, interactions: str
) -> Regression:
    """Slope of the effects by the level of a study's first arm [dias2013, section 5]."""
    first = data.arm_treatment[data.base_arm]
    if not data.is_arms or interactions != "common" or not (first == 0).any():
        found = "contrast rows" if not data.is_arms else f"interactions={interactions!r}"
        if data.is_arms and interactions == "common":
            found = f"no study has {data.treatments[0]}"
        raise EvidenceError(
            "a regression on the baseline needs arms with the reference, and one slope",
            where="bayesian_network: covariate='baseline'",
            found=found,
        )
    levels = data.center[data.base_arm][first == 0]
    where = float(levels.mean()) if at is None else float(at)
    active = (data.arm_treatment > 0).astype(float) - (first > 0)[data.arm_study]
    silent = int((first > 0).sum())
    note = f"{silent} studies without {data.treatments[0]} tell nothing of the slope by baseline"
    return Regression(base, BaselineSlope(active, where), where, (note,) if silent else ())
