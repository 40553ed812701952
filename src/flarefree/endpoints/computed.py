"""Measures that are computed from others at the same assessment: eGFR by a named equation, scores.

The equation takes a measure called `creatinine` and the patient's age, sex and race; a score takes the
descriptors that `flarefree.endpoints.scores` names.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.covariates import by_word, is_black
from flarefree.endpoints.equations import EGFR_UNIT, Equation, compute_egfr
from flarefree.endpoints.kernels import NO_DAY, repeated
from flarefree.endpoints.panel import Panel, PanelColumn
from flarefree.endpoints.scores import PREFIX, Score, compute_score, descriptor_measures
from flarefree.errors import ProtocolError
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
            column = _score(panel, name, measure, spec)
        if column is not None:
            added[name] = column
    return panel.with_columns(added) if added else panel


def _egfr(panel: Panel, measure: MeasureSpec, spec: Protocol) -> PanelColumn | None:
    creatinine = panel.columns.get(CREATININE)
    if creatinine is None or CREATININE not in spec.measures:
        return None
    counts = np.diff(panel.offsets)
    subject = repeated(np.arange(counts.size, dtype=np.int32), counts)
    sex = panel.covariates["sex"]
    is_female = by_word(sex.astype(object), _says_female, np.nan).astype(np.float64)
    per_patient = (
        np.asarray(panel.covariates["age_years"], dtype=np.float64),
        is_female,
        is_black(_objects(panel, "race")),
    )
    age, female, black = (values[subject] for values in per_patient)
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


def _says_female(sex: str) -> float:
    """As data and protocols spell it: F, female, woman; M, male, man."""
    return {"F": 1.0, "W": 1.0, "M": 0.0}.get(sex.strip()[:1].upper(), np.nan)


def _objects(panel: Panel, covariate: str) -> npt.NDArray[np.object_]:
    return panel.covariates[covariate].astype(object)


def _score(panel: Panel, name: str, measure: MeasureSpec, spec: Protocol) -> PanelColumn | None:
    score = Score(measure.score)
    inputs = descriptor_measures(score)
    unknown = [descriptor for descriptor in inputs if descriptor not in spec.measures]
    if unknown:
        raise ProtocolError(
            f"{score.label} is computed from {len(inputs)} yes/no measures, and some are not in the protocol",
            where=f"measures.{name}.score",
            found="no " + ", ".join(unknown),
        )
    if not all(descriptor in panel.columns for descriptor in inputs):
        return None
    parts = [panel.columns[descriptor] for descriptor in inputs]
    total = compute_score(
        score, {d.removeprefix(PREFIX): c.values for d, c in zip(inputs, parts, strict=True)}
    )
    flags = [c.flagged for c in parts if c.flagged is not None]
    return PanelColumn(
        total,
        np.maximum.reduce([np.where(np.isnan(c.values), NO_DAY, c.days) for c in parts]).astype(np.int32),
        np.full(total.size, -1, dtype=np.int64),
        flagged=np.logical_or.reduce(flags) if flags else None,
        inputs=inputs,
        method=score.label,
    )
