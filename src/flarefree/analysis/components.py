"""Each of several endpoints on a line: events by arm, hazard ratio with limits, P value.

A state counts a patient who was in it at any assessment after day 1, and is compared by Fisher's test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from flarefree.analysis.cells import estimate, n_percent, p_value
from flarefree.analysis.comparing import fisher_of_counts
from flarefree.analysis.effects import Effects, compute_effects
from flarefree.analysis.hazards import Times, times_to, untimed_warning
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.unmeasured import require_decidable
from flarefree.lineage import events_anchor
from flarefree.protocol.schema import Components
from flarefree.results import AnalysisResult, Cell, Row, Table

__all__ = ["analyze_components", "ever_in_state"]

P_SUFFIX = "_p"


def analyze_components(trial: Trial, name: str, spec: Components) -> AnalysisResult:
    """One row an endpoint."""
    cohort = trial.require_cohort(spec.population)
    rows, warnings, methods = [], list(unplaced_warning(cohort.label, cohort.unplaced)), []
    for endpoint in spec.endpoints:
        row, said = _row(trial, cohort, endpoint, spec.p_value)
        rows.append(row)
        warnings += said
        methods.append(row.method)
    table = Table(
        name,
        spec.title,
        (
            *cohort.columns(),
            *trial.comparison_columns("Hazard ratio (95% CI)"),
            *trial.comparison_columns("P value", P_SUFFIX),
        ),
        tuple(rows),
        stub="End point — no. of patients (%)",
        population=spec.population,
        footnotes=(
            "Where an arm had no events the hazard ratio has no estimate, and P is the log-rank test's.",
            *_as_derived(trial, spec.endpoints),
        ),
    )
    return finish(name, spec, tables=[table], warnings=warnings, methods=[m for m in methods if m])


def _as_derived(trial: Trial, endpoints: Sequence[str]) -> Iterator[str]:
    """Kinds of an adjudicated event are shown as the rule finds them: decisions are about the event."""
    spec = trial.spec.endpoints
    for whole in endpoints:
        kinds = [e for e in endpoints if e in spec[whole].first_of and not spec[e].adjudicated]
        if spec[whole].adjudicated and kinds:
            names = " and ".join(spec[kind].label.lower() for kind in kinds)
            yield (
                f"{spec[whole].label} is as adjudicated; {names} are as derived from the data, "
                "those that the committee refuted included."
            )


def _row(trial: Trial, cohort: Cohort, endpoint: str, p: str) -> tuple[Row, list[str]]:
    label = trial.spec.endpoints[endpoint].label
    try:
        if trial.spec.endpoints[endpoint].kind == "state":
            require_decidable(trial, endpoint)
            return _state_row(trial, cohort, endpoint), []
        times = times_to(trial, cohort, endpoint)
    except NotComputableError as reason:
        return Row(label, term="time_to_event", endpoint=endpoint), [str(reason)]
    effects = compute_effects(trial, times)
    cells: dict[str, Cell] = dict(_event_cells(times))
    for comparison in trial.comparisons:
        ratio = effects.models[0].by_comparison[comparison.key] if effects.models else {}
        limits = {k: ratio.get(k) for k in ("estimate", "conf_low", "conf_high", "std_error")}
        cells[comparison.key] = estimate(limits, 2)
        cells[comparison.key + P_SUFFIX] = _p_cell(effects, comparison.key, p)
    return Row(label, cells, term="time_to_event", endpoint=endpoint, method=_method(effects, p)), [
        *untimed_warning(times),
        *(f"{label}: {warning}" for warning in effects.warnings if "leaves no estimate" not in warning),
    ]


def _event_cells(times: Times) -> Iterator[tuple[str, Cell]]:
    for group in times.cohort.groups:
        link = events_anchor(times.endpoint, group.key)
        yield group.key, n_percent(times.events(group.key), times.size(group.key), link=link)


def _p_cell(effects: Effects, key: str, p: str) -> Cell:
    """The P value asked for; the log-rank test's where there is no hazard ratio."""
    by_model = effects.models[0].by_comparison[key]["p_value"] if effects.models else None
    test = effects.tests.get(key)
    by_test = test.p_value if test else None
    return p_value(by_model if p == "wald" and by_model is not None else by_test)


def _method(effects: Effects, p: str) -> str:
    shown = "Wald P" if p == "wald" else "log-rank P"
    return f"{effects.models[0].method}; {shown}" if effects.models else ""


def _state_row(trial: Trial, cohort: Cohort, endpoint: str) -> Row:
    ever = ever_in_state(trial, cohort, endpoint)
    sizes = cohort.sizes
    counts = {g.key: ever.get(g.key, 0) for g in cohort.groups}
    cells: dict[str, Cell] = {key: n_percent(n, sizes[key]) for key, n in counts.items()}
    for comparison in trial.comparisons:
        compared = fisher_of_counts(*_pick(counts, sizes, (comparison.arm, comparison.reference)))
        cells[comparison.key + P_SUFFIX] = p_value(compared.p_value)
    method = "Fisher's exact test" if trial.comparisons else ""
    return Row(
        trial.spec.endpoints[endpoint].label, cells, term="ever_in_state", endpoint=endpoint, method=method
    )


def _pick(counts: dict[str, int], sizes: dict[str, int], arms: Sequence[str]) -> tuple[list[int], list[int]]:
    return [counts[arm] for arm in arms], [sizes[arm] for arm in arms]


def ever_in_state(trial: Trial, cohort: Cohort, endpoint: str) -> dict[str, int]:
    """Patients of each group who were in a state at any assessment after day 1."""
    held = trial.derivation.states.filter(
        (pl.col("endpoint") == endpoint) & (pl.col("day") > 1) & pl.col("holds").fill_null(False)
    ).unique("subject")
    return dict(cohort.of(held.select("subject")).group_by("group").len().iter_rows())
