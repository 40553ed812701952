"""A measure at one visit: summaries by arm, and analysis of covariance with its dose response and pairs.

Where the data are an analysis dataset, its windowed visits are used; else the schedule's.  A missing
visit is carried forward from the last windowed value after baseline, where the protocol asks for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.analysis.baseline import characteristic
from flarefree.analysis.cells import estimate, p_value, summary
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.records_where import patients_where
from flarefree.analysis.trial import Cohort, Comparison, Trial
from flarefree.analysis.windowed import values_at
from flarefree.errors import StatsError
from flarefree.protocol.schema import ChangeFromBaseline
from flarefree.results import AnalysisResult, Cell, Column, Row, Table

if TYPE_CHECKING:
    from flarefree.stats.linear import LinearModel

__all__ = ["analyze_change"]

Floats = npt.NDArray[np.float64]

DOSE_RESPONSE = "dose_response"


@dataclass(frozen=True, slots=True)
class _Models:
    """The two fits: treatment as a factor, and its dose as a number (where the protocol gives doses)."""

    by_arm: LinearModel | None
    by_dose: LinearModel | None
    method: str
    missing: tuple[str, ...] = ()


def analyze_change(trial: Trial, name: str, spec: ChangeFromBaseline) -> AnalysisResult:
    """Summaries at baseline, at the visit and of the change; then the model."""
    cohort = _cohort(trial, name, spec)
    frame = values_at(trial, cohort, spec)
    response = _response(frame, spec)
    known = frame.filter(pl.Series(~np.isnan(response)))
    if known.height == 0:
        raise NotComputableError(f"No patient of “{cohort.label}” has {_label(trial, spec)} at {spec.visit}.")
    models = _fit(trial, cohort, spec, frame, response)
    pairs = list(trial.pairs()) if spec.pairwise else list(trial.comparisons)
    table = Table(
        name,
        spec.title,
        (*cohort.columns(), *(Column(p.key, p.label) for p in pairs), *_dose_column(trial, models)),
        (*_summary_rows(trial, cohort, spec, frame), *_model_rows(trial, cohort, spec, models, pairs)),
        stub=_stub(trial, spec),
        endpoint=spec.measure,
        population=spec.population,
        method=models.method,
        footnotes=models.missing,
    )
    carried = frame.filter(pl.col("derivation") == "LOCF").height
    notes = [f"{carried} of {known.height} values at {spec.visit} were carried forward."] if carried else []
    return finish(
        name,
        spec,
        tables=[table],
        notes=notes,
        warnings=[*unplaced_warning(cohort.label, cohort.unplaced), *_warnings(models)],
        methods=[models.method] if models.method else [],
    )


def _cohort(trial: Trial, name: str, spec: ChangeFromBaseline) -> Cohort:
    cohort = trial.require_cohort(spec.population)
    if not spec.only:
        return cohort
    chosen = cohort.restricted(
        pl.col("subject").is_in(patients_where(trial, f"analyses.{name}.only").implode())
    )
    if chosen.subjects.height == 0:
        raise NotComputableError(f"No patient of “{cohort.label}” is of the subgroup.")
    return chosen


def _label(trial: Trial, spec: ChangeFromBaseline) -> str:
    known = trial.spec.measures.get(spec.measure) or trial.spec.endpoints.get(spec.measure)
    return known.label if known else spec.measure


def _stub(trial: Trial, spec: ChangeFromBaseline) -> str:
    known = trial.spec.measures.get(spec.measure) or trial.spec.endpoints.get(spec.measure)
    unit = known.unit if known else ""
    return f"{_label(trial, spec)}{f' — {unit}' if unit else ''}"


def _response(frame: pl.DataFrame, spec: ChangeFromBaseline) -> Floats:
    value = frame.get_column("value").fill_null(np.nan).to_numpy()
    if spec.response == "value":
        return value
    return value - frame.get_column("baseline").fill_null(np.nan).to_numpy()


# Models --------------------------------------------------------------------------------------------


def _fit(
    trial: Trial, cohort: Cohort, spec: ChangeFromBaseline, frame: pl.DataFrame, response: Floats
) -> _Models:
    if not trial.comparisons:
        return _Models(None, None, "", ("Arms are masked: nothing is compared until the key is released.",))
    data: dict[str, Any] = {
        "response": response,
        "arm": pl.Series("arm", frame.get_column("group").to_list(), dtype=pl.Enum(_arms(trial))),
        "baseline": frame.get_column("baseline").fill_null(np.nan).to_numpy(),
    }
    terms = ["baseline"] if spec.adjust_for_baseline else []
    for factor in spec.factors:
        known = characteristic(trial, cohort, factor)
        data[factor] = known.values
        terms.append(f"C({factor})" if known.is_category else factor)
    missing: list[str] = []
    by_arm = _attempt("response ~ " + " + ".join(["arm", *terms]), data, missing)
    by_dose = None
    if spec.dose:
        data["dose"] = np.array([spec.dose[group] for group in frame.get_column("group")], dtype=np.float64)
        by_dose = _attempt("response ~ " + " + ".join(["dose", *terms]), data, missing)
    kind = "Analysis of covariance" if spec.adjust_for_baseline else "Analysis of variance"
    labels = (["baseline value"] if spec.adjust_for_baseline else []) + [
        _factor(trial, f) for f in spec.factors
    ]
    method = f"{kind} with treatment" + (f", {', '.join(labels)}" if labels else "")
    method += "; LS means weigh the levels of factors equally"
    return _Models(by_arm, by_dose, method, tuple(missing))


def _arms(trial: Trial) -> list[str]:
    """Arms with the reference first, as models code them."""
    reference = trial.spec.reference_arm
    return [reference, *(g.key for g in trial.groups if g.key != reference)]


def _factor(trial: Trial, name: str) -> str:
    known = trial.spec.covariates.get(name) or trial.spec.measures.get(name)
    return known.label.lower() if known else name.replace("_", " ")


def _attempt(formula: str, data: dict[str, Any], missing: list[str]) -> LinearModel | None:
    from flarefree.stats.linear import linear_model

    try:
        return linear_model(formula, data)
    except StatsError as trouble:
        missing.append(f"The model could not be fitted: {trouble.what}.")
        return None


def _warnings(models: _Models) -> Iterator[str]:
    for model in (models.by_arm, models.by_dose):
        if model is not None:
            yield from model.warnings


# Rows ----------------------------------------------------------------------------------------------


def _dose_column(trial: Trial, models: _Models) -> tuple[Column, ...]:
    return (
        (Column(DOSE_RESPONSE, "Dose response"),) if models.by_dose is not None and trial.comparisons else ()
    )


def _summary_rows(
    trial: Trial, cohort: Cohort, spec: ChangeFromBaseline, frame: pl.DataFrame
) -> Iterator[Row]:
    """N, mean (SD) and median (range) at baseline, at the visit, and of the change."""
    known = trial.spec.measures.get(spec.measure)
    digits, unit = (known.digits, known.unit) if known else (None, "")
    change = pl.col("value") - pl.col("baseline")
    parts = [("Baseline", "baseline", pl.col("baseline")), (spec.visit, "value", pl.col("value"))]
    if not spec.adjust_for_baseline and spec.response == "value":
        parts = parts[1:]
    else:
        parts.append(("Change from baseline", "change", change))
    analyzed = frame.filter(pl.col("value").is_not_null())
    for label, term, column in parts:
        values = {
            g.key: analyzed.filter(pl.col("group") == g.key)
            .select(column.fill_null(np.nan))
            .to_series()
            .to_numpy()
            for g in cohort.groups
        }
        level = spec.visit if term != "baseline" else spec.baseline_visit
        cells = {key: summary(of, "n") for key, of in values.items()}
        yield Row(f"{label} — no. of patients", cells, term, level)
        for show, words in (("mean_sd", "Mean ± SD"), ("median_range", "Median (range)")):
            shown = {key: summary(of, show, digits, with_n=False) for key, of in values.items()}
            yield Row(words, shown, term, level, indent=1, unit=unit)


def _model_rows(
    trial: Trial, cohort: Cohort, spec: ChangeFromBaseline, models: _Models, pairs: list[Comparison]
) -> Iterator[Row]:
    if models.by_dose is not None:
        slope = next(r for r in models.by_dose.coefficient_table().rows() if r["term"] == "dose")
        cells = {
            DOSE_RESPONSE: p_value(slope["p_value"], estimate=slope["estimate"], std_error=slope["std_error"])
        }
        method = models.method.replace("treatment", "dose as a number", 1)
        yield Row("Dose response — P value", cells, DOSE_RESPONSE, spec.visit, method=method)
    if models.by_arm is None:
        return
    means = {row["arm"]: row for row in models.by_arm.ls_means("arm").rows()}
    cells = {g.key: _mean_cell(means.get(g.key)) for g in cohort.groups}
    yield Row("Least-squares mean ± SE", cells, "ls_mean", spec.visit)
    found = {pair.key: _difference(models.by_arm, pair) for pair in pairs}
    known = {key: row for key, row in found.items() if row}
    limits = {key: estimate({k: row[k] for k in _LIMITS}) for key, row in known.items()}
    yield Row("Difference of least-squares means (95% CI)", limits, "ls_mean_difference", spec.visit)
    tests = {key: p_value(row["p_value"]) for key, row in known.items()}
    yield Row("P value", tests, "ls_mean_difference", spec.visit, indent=1)


_LIMITS = ("estimate", "conf_low", "conf_high", "std_error")


def _mean_cell(row: dict[str, Any] | None) -> Cell:
    return Cell(
        "mean_se", {"mean": row["estimate"] if row else None, "std_error": row["std_error"] if row else None}
    )


def _difference(model: LinearModel, pair: Comparison) -> dict[str, Any]:
    """The difference of a pair's LS means; empty where an arm of it has no patients."""
    try:
        rows = model.differences("arm", reference=pair.reference).rows()
    except StatsError:
        return {}
    return next((row for row in rows if row["term"] == f"{pair.arm} - {pair.reference}"), {})
