"""Patients with adverse events, each once a row: by body system and preferred term, or by groups.

Which events count is a sentence of the protocol about records, evaluated by `flarefree.endpoints`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.cells import n_percent, p_value
from flarefree.analysis.comparing import fisher_many
from flarefree.analysis.outcome import finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.rates import person_years, rate_cell
from flarefree.analysis.records_where import records_where
from flarefree.analysis.trial import Cohort, Trial
from flarefree.protocol.schema import AdverseEvents
from flarefree.results import AnalysisResult, Cell, Column, Row, Table

__all__ = ["ANY", "NOT_CODED", "analyze_adverse_events", "fisher_rows"]

ANY = "any"
"""The term of a row that counts any event: of the whole table, or of a body system."""

NOT_CODED = "NOT CODED"
RATE = "_rate"


@dataclass(frozen=True, slots=True)
class _Line:
    """One row: patients and events by group."""

    label: str
    term: str
    level: str
    patients: dict[str, int]
    events: dict[str, int]
    indent: int = 0
    is_header: bool = False


def analyze_adverse_events(trial: Trial, name: str, spec: AdverseEvents) -> AnalysisResult:
    """Count patients with events, and compare each arm with the reference arm row by row."""
    cohort = trial.require_cohort(spec.population)
    events = _events(trial, cohort, f"analyses.{name}.where")
    lines = list(
        _group_lines(trial, cohort, name, spec, events) if spec.groups else _term_lines(cohort, spec, events)
    )
    columns: list[Column] = list(cohort.columns())
    if spec.rates:
        columns += cohort.columns(RATE, "rate per 100 person-years", with_n=False)
    if spec.test:
        columns += trial.comparison_columns("P value")
    table = Table(
        name,
        spec.title,
        tuple(columns),
        tuple(_rows(trial, cohort, spec, lines)),
        stub="Adverse event — no. of patients (%)" + (" [events]" if spec.show_events else ""),
        population=spec.population,
        method="Fisher's exact test, two-sided" if spec.test and trial.comparisons else "",
        footnotes=("Each patient is counted once in a row.",),
    )
    return finish(
        name,
        spec,
        tables=[table],
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
        methods=[table.method] if table.method else [],
    )


def _events(trial: Trial, cohort: Cohort, path: str) -> pl.DataFrame:
    """The events that count, of these patients: subject, group, body_system, term, index."""
    chosen = records_where(trial, "adverse_events", path)
    return cohort.of(chosen).select(
        "subject",
        "group",
        pl.col("body_system").fill_null(NOT_CODED),
        pl.coalesce("term", "verbatim").fill_null(NOT_CODED).alias("term"),
        "index",
    )


# Lines ---------------------------------------------------------------------------------------------


def _term_lines(cohort: Cohort, spec: AdverseEvents, events: pl.DataFrame) -> Iterator[_Line]:
    yield _line(cohort, spec.any_label, ANY, "", events)
    if "body_system" not in spec.by:
        yield from _terms(cohort, spec, events, "", 0)
        return
    for system in _in_order(events, "body_system", spec.order):
        mine = events.filter(pl.col("body_system") == system)
        yield _line(cohort, system, ANY, system, mine, is_header="term" in spec.by)
        if "term" in spec.by:
            yield from _terms(cohort, spec, mine, system, 1)


def _terms(
    cohort: Cohort, spec: AdverseEvents, events: pl.DataFrame, level: str, indent: int
) -> Iterator[_Line]:
    if "term" not in spec.by:
        return
    by_term = {
        key[0]: part for key, part in events.partition_by("term", as_dict=True, maintain_order=True).items()
    }
    for term in _in_order(events, "term", spec.order):
        yield _line(cohort, term, term, level, by_term[term], indent)


def _group_lines(
    trial: Trial, cohort: Cohort, name: str, spec: AdverseEvents, events: pl.DataFrame
) -> Iterator[_Line]:
    """The lines that the protocol lists, each a sentence about the events that count."""
    for i, group in enumerate(spec.groups):
        mine = events
        if group.where:
            chosen = records_where(trial, "adverse_events", f"analyses.{name}.groups.{i}.where")
            mine = events.filter(pl.col("index").is_in(chosen.get_column("index").implode()))
        yield _line(cohort, group.label, group.label, "", mine, group.indent)


def _in_order(events: pl.DataFrame, column: str, order: str) -> list[str]:
    """Labels alphabetically, or by how many patients had them, most first."""
    counted = events.group_by(column).agg(pl.col("subject").n_unique().alias("patients"))
    by = ["patients", column] if order == "frequency" else [column]
    return counted.sort(by, descending=[c == "patients" for c in by]).get_column(column).to_list()


def _line(
    cohort: Cohort,
    label: str,
    term: str,
    level: str,
    events: pl.DataFrame,
    indent: int = 0,
    is_header: bool = False,
) -> _Line:
    counted = {
        g: (patients, n)
        for g, patients, n in events.group_by("group").agg(pl.col("subject").n_unique(), pl.len()).iter_rows()
    }
    patients = {g.key: counted.get(g.key, (0, 0))[0] for g in cohort.groups}
    return _Line(
        label,
        term,
        level,
        patients,
        {g.key: counted.get(g.key, (0, 0))[1] for g in cohort.groups},
        indent,
        is_header,
    )


# Rows ----------------------------------------------------------------------------------------------


def fisher_rows(
    trial: Trial, patients: Sequence[dict[str, int]], sizes: dict[str, int]
) -> dict[str, list[float | None]]:
    """Fisher's P of every row by comparison: each arm's patients against the reference arm's."""
    return {
        c.key: fisher_many(
            [row[c.arm] for row in patients],
            sizes[c.arm],
            [row[c.reference] for row in patients],
            sizes[c.reference],
        )
        for c in trial.comparisons
    }


def _rows(trial: Trial, cohort: Cohort, spec: AdverseEvents, lines: list[_Line]) -> Iterator[Row]:
    sizes = cohort.sizes
    years = person_years(cohort) if spec.rates else {}
    tested = fisher_rows(trial, [line.patients for line in lines], sizes) if spec.test else {}
    for i, line in enumerate(lines):
        cells: dict[str, Cell] = {
            g: n_percent(n, sizes[g], line.events[g] if spec.show_events else None)
            for g, n in line.patients.items()
        }
        cells |= {g + RATE: rate_cell(n, years[g]) for g, n in line.patients.items() if spec.rates}
        cells |= {key: p_value(found[i]) for key, found in tested.items()}
        yield Row(line.label, cells, line.term, line.level, line.indent, line.is_header)
