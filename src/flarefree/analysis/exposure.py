"""Exposure and compliance: doses taken, the share at 80% of target, duration, prednisone under its ceiling.

A patient's mean daily dose is the total dose over the days on the drug.  Compliance holds that total
against what the protocol asked on the same days: by weight where the target is per kilogram, and by
its own window where the target changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from flarefree.analysis.baseline import baseline_values
from flarefree.analysis.cells import n_percent, summary
from flarefree.analysis.dosing import (
    active_regimens,
    covered_stretches,
    parse_target,
    patient_doses,
    records_of,
    target_totals,
    totals_under_target,
)
from flarefree.analysis.glucocorticoids import at_or_under_ceiling
from flarefree.analysis.outcome import NotComputableError, finish, plain
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Group, Trial
from flarefree.protocol.schema import Exposure, Regimen
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_exposure"]


@dataclass(frozen=True, slots=True)
class _Taken:
    """One drug of one group: each patient's doses beside what was asked."""

    group: Group
    drug: str
    unit: str
    frame: pl.DataFrame  # subject, total, days, first, last, mean, asked


def analyze_exposure(trial: Trial, name: str, spec: Exposure) -> AnalysisResult:
    """Doses by drug and arm, and glucocorticoids under the ceiling."""
    if trial.is_masked:
        raise NotComputableError("Arms are masked: doses would tell them apart.")
    whole = trial.require_cohort(spec.population)
    cohort = _among_events(trial, whole, spec)
    taken = [t for group in cohort.groups for t in _taken(trial, cohort, group)]
    if not any(t.frame.height for t in taken):
        raise NotComputableError("The data hold no doses of the drugs of this protocol.")
    rows: list[Row] = []
    for show in spec.show:
        rows += _ROWS[show](trial, cohort, spec, taken)
    table = Table(
        name,
        spec.title,
        cohort.columns(),
        tuple(rows),
        stub="Exposure",
        endpoint=spec.among_events_of,
        population=spec.population,
        method="Mean daily dose: total dose over days on the drug",
    )
    return finish(
        name,
        spec,
        tables=[table],
        warnings=[*unplaced_warning(whole.label, whole.unplaced), *_weightless(taken)],
    )


def _among_events(trial: Trial, cohort: Cohort, spec: Exposure) -> Cohort:
    if not spec.among_events_of:
        return cohort
    label = trial.spec.endpoints[spec.among_events_of].label
    had = trial.derivation.time_to_event.filter(
        (pl.col("endpoint") == spec.among_events_of) & pl.col("is_event").fill_null(False)
    ).get_column("subject")
    among = cohort.restricted(pl.col("subject").is_in(had.implode()), f"{cohort.label} with {label}")
    if among.subjects.height == 0:
        raise NotComputableError(f"Nobody had the event “{label}”.")
    return among


def _taken(trial: Trial, cohort: Cohort, group: Group) -> Iterator[_Taken]:
    for drug, regimens in active_regimens(trial, group.key).items():
        unit = _unit_of(regimens)
        records = records_of(trial, cohort, group.key, regimens, unit)
        doses = patient_doses(records)
        stretches = covered_stretches(records.filter(pl.col("dose") > 0))
        asked = target_totals(stretches, regimens, _weights(trial, cohort))
        under = totals_under_target(records, regimens)
        frame = doses.join(asked, on="subject", how="left").join(under, on="subject", how="left")
        yield _Taken(group, drug, unit, frame)


def _unit_of(regimens: list[Regimen]) -> str:
    targets = [target for r in regimens if (target := parse_target(r.target)) is not None]
    return targets[0].unit if targets else ""


def _weights(trial: Trial, cohort: Cohort) -> pl.DataFrame:
    """Weight at baseline in kilograms: a covariate, or a measure; null where neither is known."""
    subjects = cohort.subjects
    for name, covariate in trial.spec.covariates.items():
        if covariate.unit == "kg" and name in subjects.columns and subjects.schema[name].is_numeric():
            return subjects.select("subject", weight=pl.col(name).cast(pl.Float64))
    for name, measure in trial.spec.measures.items():
        if measure.unit == "kg":
            return subjects.select("subject").with_columns(
                baseline_values(trial, cohort, name).alias("weight")
            )
    return subjects.select("subject", weight=pl.lit(None, dtype=pl.Float64))


def _weightless(taken: list[_Taken]) -> list[str]:
    unjudged = sum(t.frame.filter(pl.col("asked").is_null() & (pl.col("total") > 0)).height for t in taken)
    if not unjudged:
        return []
    return [f"{unjudged} patients have no target dose (no weight, or none in the protocol): not judged."]


def _per_drug(
    taken: list[_Taken], label: str, term: str, column: pl.Expr, show: str, unit: str = ""
) -> Iterator[Row]:
    """One row a drug: a summary of `column` in the arms that take it."""
    for drug in dict.fromkeys(t.drug for t in taken):
        mine = [t for t in taken if t.drug == drug]
        cells: dict[str, Cell] = {}
        for t in mine:
            values = t.frame.select(column.cast(pl.Float64).fill_null(np.nan)).to_series().to_numpy()
            cells[t.group.key] = summary(values, show)
        of = unit or mine[0].unit
        yield Row(f"{label}, {drug} — {of}" if of else f"{label}, {drug}", cells, term, drug, unit=of)


def _daily_dose(trial: Trial, cohort: Cohort, spec: Exposure, taken: list[_Taken]) -> Iterator[Row]:
    yield from _per_drug(taken, "Mean daily dose", "daily_dose", pl.col("mean"), "mean_sd")


def _cumulative(trial: Trial, cohort: Cohort, spec: Exposure, taken: list[_Taken]) -> Iterator[Row]:
    for row in _per_drug(taken, "Cumulative dose", "cumulative_dose", pl.col("total"), "mean_sd"):
        unit = row.unit.removesuffix("/day")
        yield Row(
            row.label.replace(row.unit, unit) if unit else row.label,
            row.cells,
            row.term,
            row.level,
            unit=unit,
        )


def _duration(trial: Trial, cohort: Cohort, spec: Exposure, taken: list[_Taken]) -> Iterator[Row]:
    """From the first dose of any of the arm's drugs to the last, interruptions included."""
    cells: dict[str, Cell] = {}
    for group in cohort.groups:
        frames = [t.frame.select("subject", "first", "last") for t in taken if t.group.key == group.key]
        days = (
            pl.concat(frames)
            .group_by("subject")
            .agg(days=pl.col("last").max() - pl.col("first").min() + 1)
            .sort("subject")
            if frames
            else pl.DataFrame(schema={"days": pl.Int64})
        )
        cells[group.key] = summary(days.get_column("days").cast(pl.Float64).to_numpy(), "mean_sd", 1)
    yield Row("Duration of treatment — days", cells, "duration", unit="days")


def _adherence(trial: Trial, cohort: Cohort, spec: Exposure, taken: list[_Taken]) -> Iterator[Row]:
    share = plain(100 * spec.adherence_threshold)
    for drug in dict.fromkeys(t.drug for t in taken):
        cells: dict[str, Cell] = {}
        for t in taken:
            judged = t.frame.filter(pl.col("asked").is_not_null())
            if t.drug == drug and judged.height:
                # A ratio of sums: 1e-9 keeps a patient who took exactly 80% on the right side of rounding.
                reached = judged.filter(
                    pl.col("under_target") >= (spec.adherence_threshold - 1e-9) * pl.col("asked")
                )
                cells[t.group.key] = n_percent(reached.height, judged.height)
        if cells:
            yield Row(f"At least {share}% of target dose, {drug} — no. (%)", cells, "adherence", drug)


def _prednisone(trial: Trial, cohort: Cohort, spec: Exposure, taken: list[_Taken]) -> Iterator[Row]:
    ceiling = trial.spec.dosing.prednisone_ceiling
    judged = at_or_under_ceiling(trial, cohort) if ceiling else None
    if judged is None:
        return
    sizes = cohort.sizes
    counted = dict(judged.filter("is_under").group_by("group").len().iter_rows())
    cells = {g.key: n_percent(counted.get(g.key, 0), sizes[g.key]) for g in cohort.groups}
    yield Row(
        f"Prednisone or equivalent at most {ceiling} throughout — no. (%)",
        cells,
        "prednisone_at_or_under_ceiling",
    )


_ROWS = {
    "daily_dose": _daily_dose,
    "adherence": _adherence,
    "duration": _duration,
    "prednisone": _prednisone,
    "cumulative_dose": _cumulative,
}
