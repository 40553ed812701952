"""Treatment effect by subgroup: events, rates, hazard ratios, interaction; a forest plot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from flarefree.analysis.baseline import Characteristic, characteristic
from flarefree.analysis.cells import estimate, n_of_total, p_value, percent_ci
from flarefree.analysis.effects import Effects, compute_effects
from flarefree.analysis.hazards import Times, interaction_p, times_to, untimed_warning
from flarefree.analysis.outcome import NotComputableError, finish, plain
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.rates import rate_cell
from flarefree.analysis.trial import Trial
from flarefree.lineage import events_anchor
from flarefree.protocol.schema import Subgroups
from flarefree.results import AnalysisResult, Cell, Column, Figure, Row, Table
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["analyze_subgroups"]

RATE, CUMULATIVE, P = "_rate", "_cumulative", "_p"
ALL_PATIENTS = "All patients"


@dataclass(frozen=True, slots=True)
class _Level:
    """One line of the forest: patients of one level of one covariate."""

    covariate: str
    level: str
    label: str
    times: Times
    effects: Effects


@dataclass(frozen=True, slots=True)
class _Heading:
    """A covariate's line above its levels, with the test of interaction."""

    covariate: str
    label: str
    interaction: float | None


def analyze_subgroups(trial: Trial, name: str, spec: Subgroups) -> AnalysisResult:
    """One endpoint within every level of the covariates `spec.by`."""
    cohort = trial.require_cohort(spec.population)
    times = times_to(trial, cohort, spec.endpoint)
    lines, missing = _lines(trial, times, spec)
    rows = [row for line in lines for row in _rows(trial, line, spec)]
    levels = [line for line in lines if isinstance(line, _Level)]
    methods = list(dict.fromkeys(m for line in levels for m in line.effects.methods))
    table = Table(
        name,
        spec.title,
        _columns(trial, times, spec),
        tuple(rows),
        stub="Subgroup",
        endpoint=spec.endpoint,
        population=spec.population,
        method="; ".join(methods[:2]),
        footnotes=_footnotes(trial, levels),
    )
    figure = Figure(
        name,
        spec.title,
        "forest",
        {"main": _forest(trial, lines)},
        x_label="Hazard ratio (95% CI)",
        endpoint=spec.endpoint,
        population=spec.population,
        options={
            "arms": {g.key: g.label for g in times.cohort.groups},
            "comparisons": {c.key: c.label for c in trial.comparisons},
            "favors": {c.key: _favors(trial, c.arm, c.reference) for c in trial.comparisons},
        },
    )
    return finish(
        name,
        spec,
        tables=[table],
        figures=[figure],
        warnings=[*unplaced_warning(cohort.label, cohort.unplaced), *untimed_warning(times), *missing],
        methods=[*methods, *(["Interaction: likelihood-ratio test"] if trial.comparisons else [])],
    )


def _favors(trial: Trial, arm: str, reference: str) -> tuple[str, str]:
    """What a hazard ratio below 1 and above 1 speaks for."""
    return trial.spec.arms[arm].label, trial.spec.arms[reference].label


def _lines(trial: Trial, times: Times, spec: Subgroups) -> tuple[list[_Level | _Heading], list[str]]:
    whole = _Level("all", "", ALL_PATIENTS, times, compute_effects(trial, times, spec.models))
    lines: list[_Level | _Heading] = [whole]
    missing: list[str] = []
    for name in spec.by:
        try:
            known = characteristic(trial, times.cohort, name)
        except NotComputableError as reason:
            missing.append(f"{reason} Its subgroups are left out.")
            continue
        lines.append(_Heading(name, known.label, _interaction(trial, times, known)))
        for level, label in known.levels.items():
            mine = (known.values == level).fill_null(False)
            if mine.any():
                within = times.within(mine, label)
                lines.append(_Level(name, level, label, within, compute_effects(trial, within, spec.models)))
        if known.values.null_count():
            missing.append(f"{known.label} is not known of {known.values.null_count()} patients.")
    return lines, missing


def _interaction(trial: Trial, times: Times, known: Characteristic) -> float | None:
    try:
        return interaction_p(trial, times, known.values)
    except NotComputableError:
        return None


def _columns(trial: Trial, times: Times, spec: Subgroups) -> tuple[Column, ...]:
    cohort = times.cohort
    month = spec.cumulative_at_months
    cumulative = (
        cohort.columns(CUMULATIVE, f"with event by month {plain(month)}, % (95% CI)", with_n=False)
        if month
        else ()
    )
    return (
        *cohort.columns(),
        *cohort.columns(RATE, "per 100 person-years", with_n=False),
        *cumulative,
        *trial.comparison_columns("Hazard ratio (95% CI)"),
        *trial.comparison_columns("P value", P),
    )


def _footnotes(trial: Trial, levels: list[_Level]) -> tuple[str, ...]:
    if not trial.comparisons:
        return ()
    reasons = dict.fromkeys(f"{line.label}: {note}" for line in levels for note in line.effects.footnotes)
    return (
        "P in a heading is for interaction (likelihood-ratio test); on a line it is the log-rank test's.",
        *reasons,
    )


def _rows(trial: Trial, line: _Level | _Heading, spec: Subgroups) -> Iterator[Row]:
    if isinstance(line, _Heading):
        key = trial.comparisons[0].key + P if trial.comparisons else ""
        cells = {key: p_value(line.interaction)} if key else {}
        yield Row(
            line.label, cells, line.covariate, "interaction", is_header=True, method="Likelihood-ratio test"
        )
        return
    indent = 0 if line.covariate == "all" else 1
    yield Row(line.label, _level_cells(trial, line, spec), line.covariate, line.level, indent=indent)
    for model in line.effects.models[1:]:
        cells = {key: _ratio_cell(ratio) for key, ratio in model.by_comparison.items()}
        tests = {key + P: p_value(ratio["p_value"]) for key, ratio in model.by_comparison.items()}
        term = f"{line.covariate}: {model.label}"
        yield Row(model.label, {**cells, **tests}, term, line.level, indent=indent + 1, method=model.method)


def _ratio_cell(ratio: dict[str, float | None]) -> Cell:
    return estimate({k: ratio.get(k) for k in ("estimate", "conf_low", "conf_high", "std_error")}, 2)


def _level_cells(trial: Trial, line: _Level, spec: Subgroups) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for group in line.times.cohort.groups:
        key, events = group.key, line.times.events(group.key)
        link = events_anchor(spec.endpoint, key) if line.covariate == "all" else ""
        cells[key] = Cell("n_of_total", n_of_total(events, line.times.size(key)).stats, link=link)
        cells[key + RATE] = rate_cell(events, line.times.person_years(key))
    if spec.cumulative_at_months:
        cells |= _cumulative_cells(line.times, spec.cumulative_at_months)
    for comparison in trial.comparisons:
        ratio = line.effects.models[0].by_comparison[comparison.key] if line.effects.models else {}
        test = line.effects.tests.get(comparison.key)
        cells[comparison.key] = _ratio_cell(ratio)
        cells[comparison.key + P] = p_value(test.p_value if test else None)
    return cells


def _cumulative_cells(times: Times, month: float) -> dict[str, Cell]:
    """Share with the event by `month`, from Kaplan-Meier curves with log-log limits."""
    from flarefree.stats.survival import kaplan_meier

    curves = kaplan_meier(
        times.frame.get_column("days").to_numpy() / DAYS_PER_MONTH,
        times.frame.get_column("is_event").to_numpy(),
        times.frame.get_column("group").to_numpy().astype(str),
    )
    cells = {}
    for row in curves.at(month, extend=True).iter_rows(named=True):
        shown = [
            None if v is None else 100.0 * (1.0 - v)
            for v in (row["estimate"], row["conf_high"], row["conf_low"])
        ]
        cells[str(row["group"]) + CUMULATIVE] = percent_ci(shown[0], shown[1], shown[2])
    return cells


def _forest(trial: Trial, lines: list[_Level | _Heading]) -> pl.DataFrame:
    """One row a line (and comparison): the first model's hazard ratio, and what stands beside it."""
    rows: list[dict[str, object]] = []
    for comparison in trial.comparisons:
        for line in lines:
            row: dict[str, object] = {
                "comparison": comparison.key,
                "term": line.covariate,
                "label": line.label,
                "is_header": isinstance(line, _Heading),
            }
            if isinstance(line, _Heading):
                row |= {"level": "", "indent": 0, "p_interaction": line.interaction}
            else:
                row |= {"level": line.level, "indent": 0 if line.covariate == "all" else 1}
                row |= _forest_numbers(line, comparison.key)
            rows.append(row)
    return pl.DataFrame(rows, schema=_forest_schema(trial))


def _forest_numbers(line: _Level, comparison: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for group in line.times.cohort.groups:
        events = line.times.events(group.key)
        found[f"events_{group.key}"] = events
        found[f"n_{group.key}"] = line.times.size(group.key)
        found[f"rate_{group.key}"] = rate_cell(events, line.times.person_years(group.key)).stats["rate"]
    ratio = line.effects.models[0].by_comparison[comparison] if line.effects.models else {}
    return found | {k: ratio.get(k) for k in ("estimate", "conf_low", "conf_high")}


def _forest_schema(trial: Trial) -> dict[str, pl.DataType]:
    words = {"comparison": pl.String(), "term": pl.String(), "level": pl.String(), "label": pl.String()}
    arms: dict[str, pl.DataType] = {}
    for group in trial.groups:
        arms |= {
            f"events_{group.key}": pl.Int64(),
            f"n_{group.key}": pl.Int64(),
            f"rate_{group.key}": pl.Float64(),
        }
    numbers = {name: pl.Float64() for name in ("estimate", "conf_low", "conf_high", "p_interaction")}
    return {**words, "indent": pl.Int64(), "is_header": pl.Boolean(), **arms, **numbers}
