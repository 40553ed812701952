"""Patients with an abnormal laboratory value after day 1, by test, compared by Fisher's exact test.

Abnormal is beyond the limits of normal (times a factor), or a large change since the previous scheduled
visit.  Limits are those of the value's laboratory, else the protocol's; a value without is not judged.
"""

from __future__ import annotations

import polars as pl

from flarefree.analysis.cells import count, n_percent, p_value
from flarefree.analysis.comparing import fisher_many, fisher_of_counts
from flarefree.analysis.limits import exceeds, planned_limits, scheduled_values, values_at_baseline
from flarefree.analysis.outcome import NotComputableError, finish, plain
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import OVERALL, Cohort, Trial
from flarefree.analysis.visits import visit_names
from flarefree.protocol.schema import LaboratoryAbnormalities
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_laboratory", "judged_changes", "judged_values"]

Words = dict[str, str]
"""Labels of `low`, `high` and `abnormal`."""


def analyze_laboratory(trial: Trial, name: str, spec: LaboratoryAbnormalities) -> AnalysisResult:
    """For each test: patients assessed, with low, high and any abnormal values at least once."""
    cohort = trial.require_cohort(spec.population)
    is_change = spec.abnormal == "change"
    words = _words(spec)
    judged = cohort.of(judged_changes(trial, spec) if is_change else judged_values(trial, spec))
    if judged.height == 0:
        raise NotComputableError("No laboratory value after day 1 has limits of normal.")
    ever = judged.group_by("subject", "group", "measure").agg(pl.col(*words).any())
    measures = [
        m for m in (spec.measures or tuple(trial.spec.measures)) if (ever.get_column("measure") == m).any()
    ]
    rows: list[Row] = []
    for measure in measures:
        rows += _rows(trial, cohort, ever.filter(pl.col("measure") == measure), measure, words)
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
        footnotes=_footnotes(spec),
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
    visits = sorted(visit_names(trial, spec.visits))
    scheduled = pl.col("visit").str.to_lowercase().is_in(visits) if visits else pl.lit(True)
    observed = trial.study["observations"].filter(
        pl.col("measure").is_in(_measures(trial, spec))
        & scheduled
        & (pl.col("day") > 1)
        & pl.col("value").is_not_null()
        & pl.col("derivation").is_null()
    )
    limited = planned_limits(
        trial, observed.select("subject", "measure", "value", "lower_limit", "upper_limit")
    )
    low = exceeds(spec.times_lower * pl.col("lower_limit"), pl.col("value"))
    high = exceeds(pl.col("value"), spec.times_upper * pl.col("upper_limit"))
    has_limits = pl.col("lower_limit").is_not_null() | pl.col("upper_limit").is_not_null()
    return (
        limited.filter(has_limits)
        .select("subject", "measure", low=low.fill_null(False), high=high.fill_null(False))
        .with_columns(abnormal=pl.col("low") | pl.col("high"))
    )


def judged_changes(trial: Trial, spec: LaboratoryAbnormalities) -> pl.DataFrame:
    """Changes since the previous scheduled visit, in the columns of `judged_values`.

    The first visit is held against the baseline, one after a missed visit against the last before it.
    A change is judged by both limits of the later value.
    """
    measures = _measures(trial, spec)
    # In order: the baseline, then the visits as scheduled.
    course = pl.concat([values_at_baseline(trial, measures), scheduled_values(trial, measures, spec.visits)])
    change = pl.col("value") - pl.col("value").shift(1).over("subject", "measure")
    large = spec.share_of_range * (pl.col("upper_limit") - pl.col("lower_limit"))
    return (
        course.with_columns(change=change, large=large)
        .filter(pl.col("change").is_not_null() & pl.col("large").is_not_null())
        .select(
            "subject",
            "measure",
            low=exceeds(-pl.col("change"), pl.col("large")),
            high=exceeds(pl.col("change"), pl.col("large")),
        )
        .with_columns(abnormal=pl.col("low") | pl.col("high"))
    )


def _measures(trial: Trial, spec: LaboratoryAbnormalities) -> list[str]:
    return list(spec.measures or trial.spec.measures)


def _words(spec: LaboratoryAbnormalities) -> Words:
    if spec.abnormal == "change":
        return {"low": "Large fall", "high": "Large rise", "abnormal": "Large change at least once"}
    if (spec.times_lower, spec.times_upper) == (1.0, 1.0):
        return {"low": "Below normal", "high": "Above normal", "abnormal": "Beyond normal at least once"}
    return {"low": "Low", "high": "High", "abnormal": "Beyond a threshold at least once"}


def _footnotes(spec: LaboratoryAbnormalities) -> tuple[str, ...]:
    if spec.abnormal == "change":
        return (
            f"Large: more than {plain(100 * spec.share_of_range)}% of the normal range (upper less lower "
            "limit), between a scheduled visit and the one before it.",
            "A patient may have had both falls and rises.",
        )
    notes = ["A patient may have had values both below and above normal."]
    if (spec.times_lower, spec.times_upper) != (1.0, 1.0):
        notes = [
            f"Low: below {plain(spec.times_lower)} times the lower limit of normal; high: above "
            f"{plain(spec.times_upper)} times the upper limit.  A patient may have had both."
        ]
    return tuple(notes)


def _rows(trial: Trial, cohort: Cohort, ever: pl.DataFrame, measure: str, words: Words) -> list[Row]:
    label = trial.spec.measures[measure].label
    by_group = {g.key: ever.filter(pl.col("group") == g.key) for g in cohort.groups}
    totals = {key: part.height for key, part in by_group.items()}
    header = Row(
        label, {k: count(n) for k, n in totals.items()}, "assessed", endpoint=measure, is_header=True
    )
    rows = [header]
    for kind, label_of_kind in words.items():
        counts = {key: int(part.get_column(kind).sum()) for key, part in by_group.items()}
        cells: dict[str, Cell] = {key: n_percent(n, totals[key]) for key, n in counts.items()}
        if kind == "abnormal":
            cells |= _tests(trial, counts, totals)
        rows.append(Row(label_of_kind, cells, kind, endpoint=measure, indent=1))
    return rows


def _tests(trial: Trial, counts: dict[str, int], totals: dict[str, int]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for c in trial.comparisons:
        p = fisher_many([counts[c.arm]], totals[c.arm], [counts[c.reference]], totals[c.reference])[0]
        cells[c.key] = p_value(p)
    if len(trial.comparisons) > 1:
        cells[OVERALL] = p_value(fisher_of_counts(list(counts.values()), list(totals.values())).p_value)
    return cells
