"""A state by visit: patients in it, of those assessed, compared by Fisher's exact test."""

from __future__ import annotations

import polars as pl

from flarefree.analysis.cells import n_percent, p_value
from flarefree.analysis.comparing import fisher_of_counts
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.unmeasured import require_decidable
from flarefree.analysis.visits import at_visits, chosen_visits
from flarefree.protocol.schema import ResponseByVisit, Visit
from flarefree.results import AnalysisResult, Cell, Figure, Row, Table

__all__ = ["analyze_responses"]

BARS_SCHEMA = {
    "group": pl.String,
    "label": pl.String,
    "visit": pl.String,
    "x": pl.Float64,
    "n": pl.Int64,
    "total": pl.Int64,
    "percent": pl.Float64,
}


def analyze_responses(trial: Trial, name: str, spec: ResponseByVisit) -> AnalysisResult:
    """One row a visit."""
    cohort = trial.require_cohort(spec.population)
    require_decidable(trial, spec.endpoint)
    states = trial.derivation.states.filter(pl.col("endpoint") == spec.endpoint)
    known = cohort.of(states.filter(pl.col("holds").is_not_null()))
    if known.height == 0:
        label = trial.spec.endpoints[spec.endpoint].label
        raise NotComputableError(f"No patient of “{cohort.label}” could be assessed for “{label}”.")
    visits = chosen_visits(trial, spec.visits)
    assessed = at_visits(known, visits)
    rows, bars = [], []
    for visit in visits:
        mine = assessed.filter(pl.col("visit") == visit.name)
        if mine.height:
            counts, totals = _counts(cohort, mine)
            rows.append(_row(trial, spec, visit, counts, totals))
            bars += _bars(cohort, visit, counts, totals)
    table = Table(
        name,
        spec.title,
        (*cohort.columns(with_n=True), *(trial.comparison_columns("P value") if spec.test else ())),
        tuple(rows),
        stub="Visit — no. of patients (% of those assessed)",
        endpoint=spec.endpoint,
        population=spec.population,
        method="Fisher's exact test, two-sided" if spec.test and trial.comparisons else "",
    )
    figure = Figure(
        name,
        spec.title,
        "bars",
        {"main": pl.DataFrame(bars, schema=BARS_SCHEMA, orient="row")},
        x_label="Visit",
        y_label="Patients (%)",
        endpoint=spec.endpoint,
        population=spec.population,
    )
    return finish(
        name,
        spec,
        tables=[table],
        figures=[figure],
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
        methods=[table.method] if table.method else [],
    )


def _counts(cohort: Cohort, mine: pl.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    found = {
        g: (int(n), int(total))
        for g, n, total in mine.group_by("group").agg(pl.col("holds").sum(), pl.len()).iter_rows()
    }
    keys = [group.key for group in cohort.groups]
    return {k: found.get(k, (0, 0))[0] for k in keys}, {k: found.get(k, (0, 0))[1] for k in keys}


def _row(
    trial: Trial, spec: ResponseByVisit, visit: Visit, counts: dict[str, int], totals: dict[str, int]
) -> Row:
    cells: dict[str, Cell] = {key: n_percent(n, totals[key]) for key, n in counts.items()}
    for comparison in trial.comparisons if spec.test else ():
        pair = (comparison.arm, comparison.reference)
        compared = fisher_of_counts([counts[arm] for arm in pair], [totals[arm] for arm in pair])
        cells[comparison.key] = p_value(compared.p_value)
    return Row(visit.name, cells, term="in_state", level=visit.name)


def _bars(
    cohort: Cohort, visit: Visit, counts: dict[str, int], totals: dict[str, int]
) -> list[tuple[object, ...]]:
    x = visit.month if visit.month is not None else visit.number
    return [
        (g.key, g.label, visit.name, x, counts[g.key], totals[g.key], 100.0 * counts[g.key] / totals[g.key])
        for g in cohort.groups
        if totals[g.key]
    ]
