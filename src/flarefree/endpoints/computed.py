"""Measures that are computed from others at the same assessment: eGFR by a named equation, scores.

The equation takes a measure called `creatinine` and the patient's age, sex and race; a score takes the
descriptors that `flarefree.endpoints.scores` names.  Where a score's total was recorded too, it fills the
assessments at which a descriptor is missing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.covariates import is_black
from flarefree.endpoints.equations import EGFR_UNIT, Equation, compute_egfr
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.endpoints.scores import PREFIX, Score, compute_score, descriptor_measures
from flarefree.protocol.schema import MeasureSpec, Protocol
from flarefree.units import convert

__all__ = ["compute_measures"]

CREATININE = "creatinine"


def compute_measures(panel: Panel, spec: Protocol) -> Panel:
    """A panel with the protocol's computed measures."""
    added: dict[str, PanelColumn] = {}
    for name, measure in spec.measures.items():
        column = None
        if measure.equation:
            column = _egfr(panel, measure, spec)
        elif measure.score:
            column = _score(panel, name, measure)
        if column is not None:
            added[name] = column
    return panel.with_columns(added) if added else panel


def _egfr(panel: Panel, measure: MeasureSpec, spec: Protocol) -> PanelColumn | None:
    creatinine = panel.columns.get(CREATININE)
    if creatinine is None or CREATININE not in spec.measures:
        return None
    counts = np.diff(panel.offsets)
    sex = panel.covariates["sex"]
    is_female = np.array([{"F": 1.0, "M": 0.0}.get(text, np.nan) for text in sex.tolist()])
    per_patient = (np.asarray(panel.covariates["age_years"], dtype=np.float64), is_female, is_black(_objects(panel, "race")))
    age, female, black = (np.repeat(values, counts) for values in per_patient)
    in_mg_per_dl = convert(creatinine.values, spec.measures[CREATININE].unit, "mg/dL", CREATININE)
    egfr = compute_egfr(in_mg_per_dl, age, female, black, measure.equation)
    if measure.unit:
        egfr = convert(egfr, EGFR_UNIT, measure.unit)
    return PanelColumn(
        egfr,
        creatinine.days,
        np.full(egfr.size, -1, dtype=np.int64),
        flagged=creatinine.flagged,
        inputs=(CREATININE,),
        method=Equation(measure.equation).label,
    )


def _objects(panel: Panel, covariate: str) -> npt.NDArray[np.object_]:
    return panel.covariates[covariate].astype(object)


def _score(panel: Panel, name: str, measure: MeasureSpec) -> PanelColumn | None:
    recorded = panel.columns.get(name)
    score = Score(measure.score)
    inputs = descriptor_measures(score)
    if not all(descriptor in panel.columns for descriptor in inputs):
        return recorded
    parts = [panel.columns[descriptor] for descriptor in inputs]
    total = compute_score(score, {d.removeprefix(PREFIX): c.values for d, c in zip(inputs, parts, strict=True)})
    days = np.maximum.reduce([np.where(np.isnan(c.values), -(2**31), c.days) for c in parts]).astype(np.int32)
    rows = np.full(total.size, -1, dtype=np.int64)
    if recorded is not None:
        is_incomplete = np.isnan(total)
        total = np.where(is_incomplete, recorded.values, total)
        days = np.where(is_incomplete, recorded.days, days)
        rows = np.where(is_incomplete, recorded.rows, rows)
    flagged = np.logical_or.reduce([c.flagged for c in parts if c.flagged is not None] or [np.zeros(total.size, bool)])
    return PanelColumn(total, days, rows, flagged=flagged, inputs=inputs, method=score.label)
