"""Dose of a drug and its trough by visit.

The dose of a visit is the one taken up to it, on the day before (on day 1 at baseline): a visit is
where the next dose is set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from flarefree.analysis.cells import summary
from flarefree.analysis.dosing import active_regimens, parse_target, records_of
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.visits import at_visits, chosen_visits
from flarefree.protocol.schema import DoseByVisit, Regimen, Visit
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_doses"]


def analyze_doses(trial: Trial, name: str, spec: DoseByVisit) -> AnalysisResult:
    """Mean dose and mean trough at each visit, in the arms that take the drug."""
    if trial.is_masked:
        raise NotComputableError("Arms are masked: doses would tell them apart.")
    cohort = trial.require_cohort(spec.population)
    arms = _arms(trial, cohort, spec)
    visits = chosen_visits(trial, spec.visits)
    doses = {arm: _doses(trial, cohort, arm, regimens, visits) for arm, regimens in arms.items()}
    rows = list(_dose_rows(spec, visits, doses, _unit(arms)))
    if spec.trough:
        rows += _trough_rows(trial, cohort, spec, visits, list(arms))
    if not any(cell.stats.get("n") for row in rows for cell in row.cells.values()):
        raise NotComputableError(
            f"The data hold no doses of {spec.drug}" + (" and no troughs." if spec.trough else ".")
        )
    table = Table(
        name,
        spec.title,
        tuple(column for column in cohort.columns() if column.key in arms),
        tuple(rows),
        stub="Visit — mean ± SD",
        endpoint=spec.trough,
        population=spec.population,
        method="Dose on the day before the visit; trough nearest the visit's target day",
    )
    return finish(name, spec, tables=[table], warnings=unplaced_warning(cohort.label, cohort.unplaced))


def _arms(trial: Trial, cohort: Cohort, spec: DoseByVisit) -> dict[str, list[Regimen]]:
    """The drug's regimens in each arm that takes it."""
    found = {}
    for group in cohort.groups:
        if spec.arm in ("", group.key):
            by_drug = {drug.casefold(): r for drug, r in active_regimens(trial, group.key).items()}
            mine = by_drug.get(spec.drug.casefold(), [])
            named = [
                r
                for rs in by_drug.values()
                for r in rs
                if spec.drug.casefold() in {c.casefold() for c in r.codes}
            ]
            if mine or named:
                found[group.key] = mine or named
    if not found:
        raise NotComputableError(f"No arm of the protocol takes {spec.drug}.")
    return found


def _unit(arms: dict[str, list[Regimen]]) -> str:
    for regimens in arms.values():
        for regimen in regimens:
            target = parse_target(regimen.target)
            if target is not None:
                return target.unit
    return ""


def _doses(
    trial: Trial, cohort: Cohort, arm: str, regimens: list[Regimen], visits: list[Visit]
) -> pl.DataFrame:
    """Dose of each patient on the drug at each visit: visit, dose."""
    records = records_of(trial, cohort, arm, regimens, _unit({arm: regimens})).filter(pl.col("dose") > 0)
    days = pl.DataFrame(
        {"visit": [v.name for v in visits], "day": [max(v.day - 2, 0) for v in visits]},
        schema={"visit": pl.String, "day": pl.Int64},
    )
    return (
        records.join(days, how="cross")
        .filter((pl.col("start") <= pl.col("day")) & (pl.col("end") >= pl.col("day")))
        .group_by("visit", "subject")
        .agg(pl.col("dose").sum())
        .sort("visit", "subject")
    )


def _dose_rows(
    spec: DoseByVisit, visits: list[Visit], doses: dict[str, pl.DataFrame], unit: str
) -> Iterator[Row]:
    yield Row(f"Dose of {spec.drug}" + (f" — {unit}" if unit else ""), {}, "dose", is_header=True, unit=unit)
    for visit in visits:
        cells: dict[str, Cell] = {}
        for arm, frame in doses.items():
            values = frame.filter(pl.col("visit") == visit.name).get_column("dose").to_numpy()
            cells[arm] = summary(values, "mean_sd")
        yield Row(visit.name, cells, "dose", visit.name, indent=1, unit=unit)


def _trough_rows(
    trial: Trial, cohort: Cohort, spec: DoseByVisit, visits: list[Visit], arms: list[str]
) -> Iterator[Row]:
    measure = trial.spec.measures[spec.trough]
    known = trial.derivation.values.filter((pl.col("measure") == spec.trough) & pl.col("value").is_not_null())
    at = at_visits(cohort.of(known).select("subject", "group", "visit", "day", "value"), visits)
    heading = f"{measure.label} — {measure.unit}" if measure.unit else measure.label
    yield Row(heading, {}, "trough", is_header=True, unit=measure.unit)
    for visit in visits:
        mine = at.filter(pl.col("visit") == visit.name)
        cells = {
            arm: summary(
                mine.filter(pl.col("group") == arm)
                .get_column("value")
                .cast(pl.Float64)
                .fill_null(np.nan)
                .to_numpy(),
                "mean_sd",
                measure.digits,
            )
            for arm in arms
        }
        yield Row(visit.name, cells, "trough", visit.name, indent=1, unit=measure.unit)
