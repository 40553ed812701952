"""Shifts: patients by status at baseline and on treatment, of laboratory tests and of states.

A test's status is low, normal or high by thresholds on its limits of normal; a state's is no or yes.  On
treatment stands the most extreme value of the visits (a state at any of them), or each visit by itself.
Arms are compared by a Cochran-Mantel-Haenszel test, stratified by status at baseline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.cells import count, n_percent, p_value
from flarefree.analysis.comparing import Compared, association_in_strata
from flarefree.analysis.limits import STATUSES, scheduled_values, values_at_baseline, with_status
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.visits import at_visits, chosen_visits
from flarefree.protocol.schema import Shifts
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_shifts"]

YES_NO = {"no": "No", "yes": "Yes"}

TREATMENT = ""
"""The visit of a row about the whole treatment."""

Counts = dict[tuple[str, str, str, str, str], int]
"""Patients by item, visit, status at baseline, status on treatment, group."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A test or a state, and the statuses that it can have."""

    name: str
    label: str
    statuses: dict[str, str]


def analyze_shifts(trial: Trial, name: str, spec: Shifts) -> AnalysisResult:
    """Count shifts of every test and state, and compare the arms."""
    cohort = trial.require_cohort(spec.population)
    shifted = cohort.of(pl.concat([_test_shifts(trial, spec), _state_shifts(trial, spec)]))
    if shifted.height == 0:
        raise NotComputableError("No patient has a status both at baseline and after day 1.")
    by = ("item", "visit", "baseline", "status", "group")
    counts: Counts = {
        key: n for *parts, n in shifted.group_by(by).len().iter_rows() for key in [tuple(parts)]
    }
    found = set(shifted.get_column("item").unique())
    visits = (
        [v.name for v in chosen_visits(trial, spec.visits) if v.day > 1] if spec.by_visit else [TREATMENT]
    )
    rows = [
        row
        for item in _items(trial, spec)
        if item.name in found
        for row in _rows(trial, cohort, spec, item, visits, counts)
    ]
    tested = bool(spec.test and trial.overall_key)
    method = "Cochran-Mantel-Haenszel test of general association, stratified by status at baseline"
    table = Table(
        name,
        spec.title,
        (*cohort.columns(), *(trial.overall_column() if tested else ())),
        tuple(rows),
        stub="Status at baseline and on treatment — no. of patients (% of those so at baseline)",
        population=spec.population,
        method=method if tested else "",
        footnotes=_footnotes(spec),
    )
    return finish(
        name,
        spec,
        tables=[table],
        warnings=unplaced_warning(cohort.label, cohort.unplaced),
        methods=[method] if tested else [],
    )


def _items(trial: Trial, spec: Shifts) -> Iterator[_Item]:
    for name in spec.measures:
        yield _Item(name, trial.spec.measures[name].label, STATUSES)
    for name in spec.endpoints:
        yield _Item(name, trial.spec.endpoints[name].label, YES_NO)


def _footnotes(spec: Shifts) -> tuple[str, ...]:
    notes = [
        "Patients with a known status at baseline and on treatment; shifts that nobody made are left out."
    ]
    if spec.measures:
        notes.append(
            f"Low: below {spec.times_lower:g} times the lower limit of normal; "
            f"high: above {spec.times_upper:g} times the upper limit."
        )
    if spec.measures and not spec.by_visit:
        notes.append("On treatment: the value of all visits that is farthest beyond its threshold.")
    if spec.endpoints and not spec.by_visit:
        notes.append("On treatment: yes if it was so at any of the visits.")
    return tuple(notes)


# Statuses ------------------------------------------------------------------------------------------

_SHIFTED = ("subject", "item", "visit", "baseline", "status")


def _test_shifts(trial: Trial, spec: Shifts) -> pl.DataFrame:
    """Each patient's status of each test: subject, item, visit, baseline, status."""
    factors = (spec.times_lower, spec.times_upper)
    at_start = with_status(values_at_baseline(trial, spec.measures), *factors)
    later = with_status(scheduled_values(trial, spec.measures, spec.visits), *factors)
    if not spec.by_visit:
        # Of two equally extreme values the earlier, which the order of visits has put first.
        later = later.sort("excess", descending=True, maintain_order=True).unique(
            ["subject", "measure"], keep="first", maintain_order=True
        )
    return _joined(
        at_start.select("subject", item="measure", baseline="status"),
        later.select(
            "subject",
            "status",
            item="measure",
            visit="visit" if spec.by_visit else pl.lit(TREATMENT),
        ),
    )


def _state_shifts(trial: Trial, spec: Shifts) -> pl.DataFrame:
    """Each patient's state of each endpoint, in the columns of `_test_shifts`."""
    known = trial.derivation.states.filter(
        pl.col("endpoint").is_in(list(spec.endpoints)) & pl.col("holds").is_not_null() & (pl.col("day") > 1)
    )
    later = at_visits(known, [v for v in chosen_visits(trial, spec.visits) if v.day > 1])
    if not spec.by_visit:
        later = (
            later.group_by("subject", "endpoint", maintain_order=True)
            .agg(pl.col("holds").any())
            .with_columns(visit=pl.lit(TREATMENT))
        )
    return _joined(
        _states_at_baseline(trial, spec),
        later.select("subject", "visit", item="endpoint", status=_in_words(pl.col("holds"))),
    )


def _states_at_baseline(trial: Trial, spec: Shifts) -> pl.DataFrame:
    """Each state read of the patients' baseline values: subject, item, baseline."""
    from flarefree.endpoints.context import Context
    from flarefree.endpoints.covariates import baseline_panel
    from flarefree.endpoints.evaluate import Evaluator
    from flarefree.endpoints.kernels import TRUE, UNKNOWN

    schema = {"subject": pl.String, "item": pl.String, "baseline": pl.String}
    if not spec.endpoints:
        return pl.DataFrame(schema=schema)
    derivation = trial.derivation
    context = Context.of(derivation.protocol)
    evaluator = Evaluator(baseline_panel(Evaluator(derivation.panel, context)), context)
    rows = []
    for endpoint in spec.endpoints:
        verdicts = evaluator.condition(derivation.protocol.sentences[f"endpoints.{endpoint}.state"]).verdicts
        rows += [
            (subject, endpoint, "yes" if verdict == TRUE else "no")
            for subject, verdict in zip(derivation.panel.subjects.tolist(), verdicts, strict=True)
            if verdict != UNKNOWN
        ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _in_words(holds: pl.Expr) -> pl.Expr:
    return pl.when(holds).then(pl.lit("yes")).otherwise(pl.lit("no"))


def _joined(at_start: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    return later.join(at_start, on=["subject", "item"], how="inner", maintain_order="left").select(_SHIFTED)


# Rows ----------------------------------------------------------------------------------------------


def _rows(
    trial: Trial, cohort: Cohort, spec: Shifts, item: _Item, visits: list[str], counts: Counts
) -> Iterator[Row]:
    """A line for the test; where visits stand by themselves, one a visit under it; then the shifts."""
    groups = [group.key for group in cohort.groups]
    made = {(b, s) for name, _, b, s, _ in counts if name == item.name}
    shifts = [(b, s) for b in item.statuses for s in item.statuses if (b, s) in made]
    if spec.by_visit:
        yield Row(item.label, {}, endpoint=item.name, is_header=True)
    for visit in visits:
        here = {(b, s): {g: counts.get((item.name, visit, b, s, g), 0) for g in groups} for b, s in shifts}
        assessed = {g: sum(by_group[g] for by_group in here.values()) for g in groups}
        if not any(assessed.values()):
            continue
        cells = {g: count(n) for g, n in assessed.items()} | _tested(trial, cohort, spec, item, here)
        label, indent = (visit, 1) if spec.by_visit else (item.label, 0)
        yield Row(label, cells, "assessed", visit, indent, is_header=True, endpoint=item.name)
        for (b, s), by_group in here.items():
            totals = {
                g: sum(here[b, other][g] for other in item.statuses if (b, other) in here) for g in groups
            }
            words = f"{item.statuses[b]} at baseline, {item.statuses[s].lower()} on treatment"
            shares = {g: n_percent(n, totals[g]) for g, n in by_group.items()}
            yield Row(words, shares, f"{b}_to_{s}", visit, indent + 1, endpoint=item.name)


def _tested(
    trial: Trial, cohort: Cohort, spec: Shifts, item: _Item, here: dict[tuple[str, str], dict[str, int]]
) -> dict[str, Cell]:
    """The P value of all arms, in the one column that it has."""
    if not spec.test or not trial.overall_key:
        return {}
    nobody: dict[str, int] = {}
    strata = [
        [[here.get((b, s), nobody).get(g.key, 0) for s in item.statuses] for g in cohort.groups]
        for b in item.statuses
    ]
    found: Compared = association_in_strata(strata)
    return {trial.overall_key: p_value(found.p_value, statistic=found.statistic, df=found.df)}
