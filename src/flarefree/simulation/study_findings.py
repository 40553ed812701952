"""What was measured of a virtual trial's patients, as tables of SDTM (LB, VS, QS).

A value is written as the laboratory rounded it, so that what is read from the file is the very number that
the engine's sentences saw.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.protocol.schema import MeasureSpec
from flarefree.simulation.recording import SI_UNIT, in_whole_si_units
from flarefree.simulation.study_tables import assessments, dates, identified, visit_columns
from flarefree.simulation.virtual_trial import VirtualTrial

__all__ = ["findings", "measured_rows"]

_VITAL_SIGNS = frozenset({"weight"})
_MANIFESTATIONS = frozenset(
    {
        "skin_erythema", "vasculitis", "joint_pain", "hemolytic_anemia", "neurologic_symptoms", "myocarditis",
        "pneumonitis", "serositis",
    }
)  # fmt: skip


def findings(trial: VirtualTrial, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """LB, VS and QS, of rows as `measured_rows` gives them; a domain without rows is left out."""
    of = rows.get_column("measure").to_list()
    domain = pl.Series("domain", [_domain(name) for name in of], dtype=pl.String)
    found = {}
    for code in ("LB", "VS", "QS"):
        own = rows.filter(domain == code)
        if own.height:
            found[code] = _table(trial, own, code)
    return found


def _domain(measure: str) -> str:
    if measure in _VITAL_SIGNS:
        return "VS"
    return "QS" if measure.startswith("bilag_") or measure == "sledai" or measure in _MANIFESTATIONS else "LB"


def measured_rows(trial: VirtualTrial) -> pl.DataFrame:
    """All values of the assessments that were made, in the order of files.

    Returns
    -------
    polars.DataFrame
        `patient`, `day`, `code` (of the visit), `measure`, `text`, `unit`.
    """
    panel, spec = trial.outcomes.panel, trial.protocol.spec.measures
    base = assessments(trial)
    place, late = base.get_column("place").to_numpy(), base.get_column("is_late").to_numpy()
    in_si = trial.recording.in_si_units(trial.cohort)[base.get_column("patient").to_numpy()]
    base = base.drop("place", "is_late")
    parts = []
    for order, (name, one) in enumerate(spec.items()):
        if name not in panel.columns or one.equation or one.score:
            continue
        values = panel.columns[name].values[place]
        seen = ~np.isnan(values) if name == "creatinine" else ~np.isnan(values) & ~late
        texts, units = _written(name, one, values, in_si)
        own = base.with_columns(
            pl.lit(name).alias("measure"),
            pl.lit(order, pl.Int32).alias("order"),
            pl.Series("text", texts, dtype=pl.String),
            pl.Series("unit", units, dtype=pl.String),
        )
        parts.append(own.filter(pl.Series(seen)))
    return trial.enrolled.ordered(pl.concat(parts), "day", "order").drop("order")


def _written(
    name: str, spec: MeasureSpec, values: npt.NDArray[np.float64], in_si: npt.NDArray[np.bool_]
) -> tuple[list[str], list[str]]:
    """Results and units as files have them."""
    text = _text_of(spec)
    texts = [text(x) if x == x else "" for x in values.tolist()]
    units = [spec.unit] * len(texts)
    if name == "creatinine" and in_si.any():
        whole = in_whole_si_units(values, spec.unit)
        for k in np.flatnonzero(in_si & ~np.isnan(values)).tolist():
            texts[k], units[k] = f"{whole[k]:.0f}", SI_UNIT
    return texts, units


def _text_of(spec: MeasureSpec) -> Callable[[float], str]:
    if spec.type == "yes_no":
        return lambda x: "PRESENT" if x else "ABSENT"
    if spec.type == "grade":
        named = {float(grade): text for text, grade in spec.grades.items()}  # of several, the last: `1+`
        return lambda x: named.get(x, f"{x:g}")
    if spec.digits:
        return lambda x: f"{x:.{spec.digits}f}".rstrip("0").rstrip(".")
    return (lambda x: f"{x:.0f}") if spec.digits == 0 else repr


def _table(trial: VirtualTrial, rows: pl.DataFrame, domain: str) -> pl.DataFrame:
    spec = trial.protocol.spec.measures
    names = rows.get_column("measure").to_list()
    columns = {
        f"{domain}TESTCD": [spec[m].tests[0] if spec[m].tests else m for m in names],
        f"{domain}TEST": [spec[m].label for m in names],
        f"{domain}CAT": [spec[m].category or _category(m) for m in names],
        f"{domain}ORRES": rows.get_column("text"),
        f"{domain}ORRESU": rows.get_column("unit"),
        **visit_columns(trial, rows),
        f"{domain}DTC": dates(trial, rows, "day"),
    }
    return identified(trial, rows, domain, columns)


def _category(measure: str) -> str:
    if measure.startswith("bilag_"):
        return "BILAG-2004"
    if measure == "sledai":
        return "SLEDAI-2K"
    return "MANIFESTATIONS" if measure in _MANIFESTATIONS else ""
