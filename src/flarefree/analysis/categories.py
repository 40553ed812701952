"""A measure with few values as categories by visit: patients in each, compared within strata.

A value that is none of the categories counts as not known, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.baseline import stratum
from flarefree.analysis.cells import count, n_percent, p_value
from flarefree.analysis.comparing import association_in_strata
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.windowed import values_at
from flarefree.protocol.schema import CategoriesByVisit
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_categories"]

METHOD = "Cochran-Mantel-Haenszel test of general association"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One visit of the analysis, as `values_at` asks for it."""

    measure: str
    visit: str
    imputation: str
    baseline_visit: str = ""


def analyze_categories(trial: Trial, name: str, spec: CategoriesByVisit) -> AnalysisResult:
    """One block of rows a visit: patients known, then those in each category."""
    cohort = trial.require_cohort(spec.population)
    strata = _strata(trial, cohort, spec)
    warnings = unplaced_warning(cohort.label, cohort.unplaced)
    labels = {value: label for label, value in spec.categories.items()}
    rows: list[Row] = []
    for visit in spec.visits:
        known = values_at(trial, cohort, _Asked(spec.measure, visit, spec.imputation)).with_columns(strata)
        placed = known.filter(pl.col("value").is_in(list(labels)))
        other = known.get_column("value").drop_nulls().len() - placed.height
        if other:
            what = "1 value is" if other == 1 else f"{other} values are"
            warnings.append(f"{visit}: {what} none of the categories and left out.")
        rows += _rows(trial, cohort, spec, visit, placed)
    if not any(row.term == "assessed" and _anybody(row) for row in rows):
        raise NotComputableError("No patient has a value that is one of the categories.")
    tested = bool(spec.test and trial.overall_key)
    within = ", ".join(_label(trial, key) for key in spec.strata)
    method = METHOD + (f", stratified by {within}" if within else "")
    table = Table(
        name,
        spec.title,
        (*cohort.columns(), *(trial.overall_column() if tested else ())),
        tuple(rows),
        stub="Visit — no. of patients (% of those with a value)",
        endpoint=spec.measure,
        population=spec.population,
        method=method if tested else "",
    )
    return finish(name, spec, tables=[table], warnings=warnings, methods=[method] if tested else [])


def _strata(trial: Trial, cohort: Cohort, spec: CategoriesByVisit) -> pl.Series:
    """The stratum of every patient of the cohort, in its order; null where a covariate is not known."""
    parts = [stratum(trial, cohort, key) for key in spec.strata]
    if not parts:
        return pl.repeat("", cohort.subjects.height, dtype=pl.String, eager=True).alias("stratum")
    return pl.select(stratum=pl.concat_str([pl.lit(part) for part in parts], separator="\x1f")).to_series()


def _label(trial: Trial, key: str) -> str:
    known = trial.spec.covariates.get(key)
    return (known.label if known else key).lower()


def _anybody(row: Row) -> bool:
    return any(cell.stats.get("n") for cell in row.cells.values())


def _rows(
    trial: Trial, cohort: Cohort, spec: CategoriesByVisit, visit: str, placed: pl.DataFrame
) -> Iterator[Row]:
    by_value = {(group, value): n for group, value, n in placed.group_by("group", "value").len().iter_rows()}
    totals = {
        g.key: sum(by_value.get((g.key, value), 0) for value in spec.categories.values())
        for g in cohort.groups
    }
    cells: dict[str, Cell] = {key: count(n) for key, n in totals.items()}
    if spec.test and trial.overall_key:
        cells[trial.overall_key] = _tested(cohort, spec, placed)
    yield Row(visit, cells, "assessed", visit, is_header=True)
    for label, value in spec.categories.items():
        shares = {key: n_percent(by_value.get((key, value), 0), total) for key, total in totals.items()}
        yield Row(label, shares, label, visit, indent=1)


def _tested(cohort: Cohort, spec: CategoriesByVisit, placed: pl.DataFrame) -> Cell:
    known = placed.filter(pl.col("stratum").is_not_null())
    counts = {
        (stratum, group, value): n
        for stratum, group, value, n in known.group_by("stratum", "group", "value").len().iter_rows()
    }
    tables = [
        [[counts.get((stratum, g.key, v), 0) for v in spec.categories.values()] for g in cohort.groups]
        for stratum in sorted(known.get_column("stratum").unique())
    ]
    found = association_in_strata(tables)
    return p_value(found.p_value, statistic=found.statistic, df=found.df)
