"""Patients who took each drug, each once a row, by class and drug; the most frequent first.

Which records count is a sentence about them; a drug that stands in several classes counts in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.adverse_events import ANY, NOT_CODED, fisher_rows
from flarefree.analysis.cells import n_percent, p_value
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.records_where import records_where
from flarefree.analysis.trial import TOTAL, Cohort, Trial
from flarefree.protocol.schema import Medications
from flarefree.results import AnalysisResult, Cell, Column, Row, Table

__all__ = ["analyze_medications"]


@dataclass(frozen=True, slots=True)
class _Line:
    """One row: patients by group."""

    label: str
    term: str
    level: str
    patients: dict[str, int]
    indent: int = 0
    is_header: bool = False


def analyze_medications(trial: Trial, name: str, spec: Medications) -> AnalysisResult:
    """Count patients by class and drug, and compare arms where the protocol asks."""
    cohort = trial.require_cohort(spec.population)
    if trial.study["medications"].height == 0:
        raise NotComputableError("The data hold no medications.")
    taken = cohort.of(records_where(trial, "medications", f"analyses.{name}.where")).select(
        "subject", "group", pl.col("drug_class").fill_null(NOT_CODED), pl.col("drug").fill_null(NOT_CODED)
    )
    lines = list(_lines(cohort, spec, taken))
    tested = bool(spec.test and trial.comparisons)
    columns: list[Column] = [*cohort.columns(), *((cohort.total_column(),) if spec.show_total else ())]
    method = "Fisher's exact test, two-sided" if tested else ""
    table = Table(
        name,
        spec.title,
        (*columns, *(trial.comparison_columns("P value") if tested else ())),
        tuple(_rows(trial, cohort, spec, lines)),
        stub="Medication — no. of patients (%)",
        population=spec.population,
        method=method,
        footnotes=("Each patient is counted once in a row.",),
    )
    return finish(
        name,
        spec,
        tables=[table],
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
        methods=[method] if method else [],
    )


def _lines(cohort: Cohort, spec: Medications, taken: pl.DataFrame) -> Iterator[_Line]:
    yield _line(cohort, spec.any_label, ANY, "", taken)
    if "drug_class" not in spec.by:
        yield from _drugs(cohort, spec, taken, "", 0)
        return
    for label in _in_order(taken, "drug_class", spec.order):
        mine = taken.filter(pl.col("drug_class") == label)
        yield _line(cohort, label, ANY, label, mine, is_header="drug" in spec.by)
        yield from _drugs(cohort, spec, mine, label, 1)


def _drugs(
    cohort: Cohort, spec: Medications, taken: pl.DataFrame, level: str, indent: int
) -> Iterator[_Line]:
    if "drug" in spec.by:
        for drug in _in_order(taken, "drug", spec.order):
            yield _line(cohort, drug, drug, level, taken.filter(pl.col("drug") == drug), indent)


def _in_order(taken: pl.DataFrame, column: str, order: str) -> list[str]:
    """Labels by how many patients of all arms took them, most first, or alphabetically."""
    counted = taken.group_by(column).agg(patients=pl.col("subject").n_unique())
    by = ["patients", column] if order == "frequency" else [column]
    return counted.sort(by, descending=[c == "patients" for c in by]).get_column(column).to_list()


def _line(
    cohort: Cohort,
    label: str,
    term: str,
    level: str,
    taken: pl.DataFrame,
    indent: int = 0,
    is_header: bool = False,
) -> _Line:
    counted = dict(taken.group_by("group").agg(pl.col("subject").n_unique()).iter_rows())
    patients = {g.key: counted.get(g.key, 0) for g in cohort.groups}
    return _Line(label, term, level, patients, indent, is_header)


def _rows(trial: Trial, cohort: Cohort, spec: Medications, lines: list[_Line]) -> Iterator[Row]:
    sizes = cohort.sizes
    tested = fisher_rows(trial, [line.patients for line in lines], sizes) if spec.test else {}
    for i, line in enumerate(lines):
        cells: dict[str, Cell] = {g: n_percent(n, sizes[g]) for g, n in line.patients.items()}
        if spec.show_total:
            cells[TOTAL] = n_percent(sum(line.patients.values()), cohort.subjects.height)
        cells |= {key: p_value(found[i]) for key, found in tested.items()}
        yield Row(line.label, cells, line.term, line.level, line.indent, line.is_header)
