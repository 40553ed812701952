"""Patients with a laboratory value beyond normal after day 1, by test, compared by Fisher's exact test.

Normal is what the laboratory said with each value; a value without limits is not judged.
"""

from __future__ import annotations

import polars as pl

from flarefree.analysis.cells import count, n_percent, p_value
from flarefree.analysis.comparing import fisher_many, fisher_of_counts
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import OVERALL, Cohort, Trial
from flarefree.analysis.visits import visit_names
from flarefree.protocol.schema import LaboratoryAbnormalities
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_laboratory", "judged_values"]

KINDS = {"low": "Below normal", "high": "Above normal", "abnormal": "Beyond normal at least once"}


def analyze_laboratory(trial: Trial, name: str, spec: LaboratoryAbnormalities) -> AnalysisResult:
    """For each test: patients assessed, below, above and beyond normal at least once."""
    cohort = trial.require_cohort(spec.population)
    judged = cohort.of(judged_values(trial, spec))
    if judged.height == 0:
        raise NotComputableError("No laboratory value after day 1 has limits of normal.")
    ever = judged.group_by("subject", "group", "measure").agg(pl.col(*KINDS).any())
    measures = [
        m for m in (spec.measures or tuple(trial.spec.measures)) if (ever.get_column("measure") == m).any()
    ]
    rows: list[Row] = []
    for measure in measures:
        rows += _rows(trial, cohort, ever.filter(pl.col("measure") == measure), measure)
    several = len(trial.comparisons) > 1
    table = Table(
        name,
        spec.title,
        (
            *cohort.columns(),
            *trial.comparison_columns("P value"),
            *(trial.overall_column("P value, all arms") if several else ()),
        ),
        tuple(rows),
        stub="Test — no. of patients (% of those with a judged value)",
        population=spec.population,
        method="Fisher's exact test, two-sided" if trial.comparisons else "",
        footnotes=("A patient may have had values both below and above normal.",),
    )
    return finish(
        name,
        spec,
        tables=[table],
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
        methods=[table.method] if table.method else [],
    )


def judged_values(trial: Trial, spec: LaboratoryAbnormalities) -> pl.DataFrame:
    """Observed values after day 1 that have limits of normal: subject, measure, low, high, abnormal."""
    wanted = (
        pl.col("measure").is_in(list(spec.measures)) if spec.measures else pl.col("measure").is_not_null()
    )
    visits = sorted(visit_names(trial, spec.visits))
    scheduled = pl.col("visit").str.to_lowercase().is_in(visits) if visits else pl.lit(True)
    low, high = pl.col("value") < pl.col("lower_limit"), pl.col("value") > pl.col("upper_limit")
    has_limits = pl.col("lower_limit").is_not_null() | pl.col("upper_limit").is_not_null()
    return (
        trial.study["observations"]
        .filter(
            wanted
            & scheduled
            & (pl.col("day") > 1)
            & pl.col("value").is_not_null()
            & pl.col("derivation").is_null()
            & has_limits
        )
        .select("subject", "measure", low=low.fill_null(False), high=high.fill_null(False))
        .with_columns(abnormal=pl.col("low") | pl.col("high"))
    )


def _rows(trial: Trial, cohort: Cohort, ever: pl.DataFrame, measure: str) -> list[Row]:
    label = trial.spec.measures[measure].label
    by_group = {g.key: ever.filter(pl.col("group") == g.key) for g in cohort.groups}
    totals = {key: part.height for key, part in by_group.items()}
    header = Row(
        label, {k: count(n) for k, n in totals.items()}, "assessed", endpoint=measure, is_header=True
    )
    rows = [header]
    for kind, words in KINDS.items():
        counts = {key: int(part.get_column(kind).sum()) for key, part in by_group.items()}
        cells: dict[str, Cell] = {key: n_percent(n, totals[key]) for key, n in counts.items()}
        if kind == "abnormal":
            cells |= _tests(trial, counts, totals)
        rows.append(Row(words, cells, kind, endpoint=measure, indent=1))
    return rows


def _tests(trial: Trial, counts: dict[str, int], totals: dict[str, int]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for c in trial.comparisons:
        p = fisher_many([counts[c.arm]], totals[c.arm], [counts[c.reference]], totals[c.reference])[0]
        cells[c.key] = p_value(p)
    if len(trial.comparisons) > 1:
        cells[OVERALL] = p_value(fisher_of_counts(list(counts.values()), list(totals.values())).p_value)
    return cells
