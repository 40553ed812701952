"""Models of repeated measures: means by arm and visit, and their differences, from `flarefree.stats.mixed`.

The protocol's formula may name `value`, `change`, `baseline`, `visit`, `arm`, `subject`, `response` (of a
state) and covariates.  A structure or a random intercept that it leaves out is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from flarefree.analysis.baseline import characteristic
from flarefree.analysis.cells import estimate, p_value, percent_ci
from flarefree.analysis.courses import COURSE_SCHEMA
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.visits import at_visits, chosen_visits, visit_x
from flarefree.analysis.windowed import baselines, windowed_values
from flarefree.errors import StatsError
from flarefree.protocol.schema import LogisticMixedModel, MixedModel, Visit
from flarefree.results import AnalysisResult, Cell, Figure, Row, Table

if TYPE_CHECKING:
    from flarefree.stats.mixed.logistic import LogisticMixed
    from flarefree.stats.mixed.repeated_measures import MMRM

__all__ = ["analyze_logistic_mixed_model", "analyze_mixed_model"]

MASKED_REASON = "Arms are masked: a model with treatment waits until the key is released."
ALL_VISITS = "All visits"


def analyze_mixed_model(trial: Trial, name: str, spec: MixedModel) -> AnalysisResult:
    """A mixed model for repeated measures of each measure: least-squares means by arm and visit."""
    cohort = _require_comparable(trial, spec.population)
    visits = [v for v in chosen_visits(trial, spec.visits) if v.day > 1]
    tables, panels, methods, missing = [], [], [], []
    for measure in spec.measures:
        try:
            fit = _fit_mmrm(trial, cohort, spec, measure, visits)
        except NotComputableError as reason:
            missing.append(f"{_label(trial, measure)}: {reason}")
            continue
        methods.append(_mmrm_method(fit))
        tables.append(_mmrm_table(trial, cohort, name, spec, measure, fit))
        panels += _panel(
            trial, cohort, _title(trial, measure), _means(fit.ls_means(("arm", "visit"))), visits
        )
        missing += [f"{_label(trial, measure)}: {warning}." for warning in fit.warnings]
    if not tables:
        raise NotComputableError(" ".join(missing))
    figure = _figure(name, spec, "Least-squares mean", panels, visits)
    return finish(
        name,
        spec,
        tables=tables,
        figures=[figure],
        warnings=[*unplaced_warning(cohort.label, cohort.unplaced), *missing],
        methods=methods,
    )


def analyze_logistic_mixed_model(trial: Trial, name: str, spec: LogisticMixedModel) -> AnalysisResult:
    """A logistic mixed model of a state: the share of patients in it by arm and visit, and odds ratios."""
    cohort = _require_comparable(trial, spec.population)
    visits = [v for v in chosen_visits(trial, spec.visits) if v.day > 1]
    fit = _fit_logistic(trial, cohort, spec, visits)
    table = _logistic_table(trial, cohort, name, spec, fit)
    means = _means(fit.population_shares(("arm", "visit")))
    percent = {
        key: {k: None if v is None else 100.0 * v for k, v in row.items()} for key, row in means.items()
    }
    panels = _panel(trial, cohort, trial.spec.endpoints[spec.endpoint].label, percent, visits)
    return finish(
        name,
        spec,
        tables=[table],
        figures=[_figure(name, spec, "Patients (%)", panels, visits)],
        warnings=[*unplaced_warning(cohort.label, cohort.unplaced), *(f"{w}." for w in fit.warnings)],
        methods=[table.method],
    )


def _require_comparable(trial: Trial, population: str) -> Cohort:
    if not trial.comparisons:
        raise NotComputableError(MASKED_REASON)
    cohort = trial.require_cohort(population)
    if len(cohort.occupied) < 2:
        raise NotComputableError("Only one arm has patients: there is nothing to compare it with.")
    return cohort


def _label(trial: Trial, measure: str) -> str:
    known = trial.spec.measures.get(measure) or trial.spec.endpoints.get(measure)
    return known.label if known else measure


def _title(trial: Trial, measure: str) -> str:
    known = trial.spec.measures.get(measure) or trial.spec.endpoints.get(measure)
    return f"{known.label}, {known.unit}" if known and known.unit else _label(trial, measure)


# Fits ----------------------------------------------------------------------------------------------


def _fit_mmrm(trial: Trial, cohort: Cohort, spec: MixedModel, measure: str, visits: list[Visit]) -> MMRM:
    from flarefree.stats.mixed import mmrm

    data = _values(trial, cohort, measure, visits)
    if data.height == 0:
        raise NotComputableError("the data hold no values after baseline.")
    wanted = list(spec.covariance)
    formula = spec.formula
    if "|" not in formula:
        formula += f" + {wanted[0]}(visit | subject)"
    try:
        return mmrm(
            formula, _typed(trial, cohort, data, visits, formula), df=spec.df, fallback=tuple(wanted[1:])
        )
    except StatsError as trouble:
        raise NotComputableError(f"the model could not be fitted: {trouble.what}.") from None


def _fit_logistic(
    trial: Trial, cohort: Cohort, spec: LogisticMixedModel, visits: list[Visit]
) -> LogisticMixed:
    from flarefree.stats.mixed import logistic_mixed

    known = trial.derivation.states.filter(
        (pl.col("endpoint") == spec.endpoint) & pl.col("holds").is_not_null()
    )
    data = at_visits(cohort.of(known), visits).with_columns(response=pl.col("holds").cast(pl.Float64))
    if data.height == 0:
        label = trial.spec.endpoints[spec.endpoint].label
        raise NotComputableError(f"No patient could be assessed for “{label}”.")
    formula = spec.formula if "|" in spec.formula else f"{spec.formula} + (1 | subject)"
    try:
        return logistic_mixed(formula, _typed(trial, cohort, data, visits, formula))
    except StatsError as trouble:
        raise NotComputableError(f"The model could not be fitted: {trouble.what}.") from None


def _values(trial: Trial, cohort: Cohort, measure: str, visits: list[Visit]) -> pl.DataFrame:
    """One row a patient and visit after baseline: subject, group, visit, value, baseline, change."""
    rows = windowed_values(trial, measure)
    later = rows.filter((pl.col("day") > 1) & ~pl.col("is_baseline")).drop("baseline")
    return (
        cohort.of(at_visits(later, visits))
        .join(baselines(rows), on="subject", how="left", maintain_order="left")
        .with_columns(change=pl.col("value") - pl.col("baseline"))
    )


def _typed(
    trial: Trial, cohort: Cohort, data: pl.DataFrame, visits: Sequence[Visit], formula: str
) -> pl.DataFrame:
    """The rows with factors in their order (reference arm first), and the formula's covariates."""
    present = set(data.get_column("visit").to_list())
    arms = [trial.spec.reference_arm, *(g.key for g in cohort.occupied if g.key != trial.spec.reference_arm)]
    typed = data.with_columns(
        pl.col("visit").cast(pl.Enum([v.name for v in visits if v.name in present])),
        arm=pl.col("group").cast(pl.Enum(arms)),
    )
    named = set(re.findall(r"[A-Za-z_]\w*", formula))
    for name in trial.spec.covariates:
        if name in named and name not in typed.columns:
            known = characteristic(trial, cohort, name)
            column = cohort.subjects.select("subject").with_columns(known.values.alias(name))
            typed = typed.join(column, on="subject", how="left", maintain_order="left")
    for name in ("site", "region", "country"):
        if name in named and name not in typed.columns:
            typed = typed.join(
                cohort.subjects.select("subject", name), on="subject", how="left", maintain_order="left"
            )
    return typed


# Tables --------------------------------------------------------------------------------------------


Means = dict[tuple[str, str], dict[str, float | None]]


def _means(found: Any) -> Means:
    """Means or contrasts by (arm or contrast, visit)."""
    rows = found.tidy().iter_rows(named=True)
    numbers = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")
    first, *rest = found.names
    return {(row[first], row[rest[0]] if rest else ALL_VISITS): {k: row[k] for k in numbers} for row in rows}


def _mmrm_method(fit: MMRM) -> str:
    conventions = fit.conventions
    return "Mixed model for repeated measures: " + "; ".join(f"{k}: {v}" for k, v in conventions.items())


def _mmrm_table(trial: Trial, cohort: Cohort, name: str, spec: MixedModel, measure: str, fit: MMRM) -> Table:
    means = _means(fit.ls_means(("arm", "visit")))
    apart = _means(fit.contrasts("arm", by="visit", reference=trial.spec.reference_arm))
    apart |= _means(fit.contrasts("arm", reference=trial.spec.reference_arm))
    known = trial.spec.measures.get(measure)
    unit, digits = (known.unit, known.digits) if known else ("", None)
    rows: list[Row] = []
    for visit in fit.visits:
        cells = {g.key: _mean_se(means.get((g.key, visit)), digits) for g in cohort.groups}
        rows.append(Row(f"{visit} — least-squares mean ± SE", cells, "ls_mean", visit, unit=unit))
        rows += _difference_rows(trial, apart, visit, unit, digits)
    rows += _difference_rows(trial, apart, ALL_VISITS, unit, digits, f"{ALL_VISITS}, equally weighted")
    for test in fit.term_tests().iter_rows(named=True):
        if ":" in test["term"]:
            cells = {
                trial.overall_key: p_value(test["p_value"], statistic=test["statistic"], df=test["num_df"])
            }
            rows.append(
                Row(
                    f"Interaction {test['term'].replace(':', ' by ')} — P value",
                    cells,
                    "interaction",
                    test["term"],
                )
            )
    return Table(
        f"{name}_{measure}",
        _title(trial, measure),
        (*cohort.columns(), *trial.comparison_columns("Difference (95% CI)"), *_more(trial)),
        tuple(rows),
        stub="Visit",
        endpoint=measure,
        population=spec.population,
        method=_mmrm_method(fit),
    )


def _more(trial: Trial) -> tuple[Any, ...]:
    return trial.overall_column() if len(trial.comparisons) > 1 else ()


def _mean_se(row: dict[str, float | None] | None, digits: int | None) -> Cell:
    found = row or {}
    limits = {k: found.get(k) for k in ("conf_low", "conf_high")}
    shown = {"mean": found.get("estimate"), "std_error": found.get("std_error"), **limits}
    return Cell("mean_se", shown, digits)


def _difference_rows(
    trial: Trial, apart: Means, visit: str, unit: str, digits: int | None, heading: str = ""
) -> Iterator[Row]:
    found = {c.key: apart.get((f"{c.arm} - {c.reference}", visit)) for c in trial.comparisons}
    known = {key: row for key, row in found.items() if row is not None}
    label = f"{heading}: difference (95% CI)" if heading else "Difference (95% CI)"
    limits = {
        key: estimate({k: row[k] for k in ("estimate", "conf_low", "conf_high", "std_error", "df")}, digits)
        for key, row in known.items()
    }
    yield Row(label, limits, "ls_mean_difference", visit, indent=1, unit=unit)
    yield Row(
        "P value",
        {key: p_value(row["p_value"]) for key, row in known.items()},
        "ls_mean_difference",
        visit,
        indent=1,
    )


def _logistic_table(
    trial: Trial, cohort: Cohort, name: str, spec: LogisticMixedModel, fit: LogisticMixed
) -> Table:
    means = _means(fit.population_shares(("arm", "visit")))
    ratios = _means(
        fit.ls_means(("arm", "visit"), scale="probability").contrasts(
            "arm", reference=trial.spec.reference_arm
        )
    )
    visits = list(dict.fromkeys(visit for _, visit in means))
    rows = []
    for visit in visits:
        cells = {g.key: _share(means.get((g.key, visit))) for g in cohort.groups}
        rows.append(Row(f"{visit} — % (95% CI)", cells, "modeled_share", visit, unit="%"))
        found = {c.key: ratios.get((f"{c.arm} / {c.reference}", visit)) for c in trial.comparisons}
        known = {key: row for key, row in found.items() if row is not None}
        limits = {
            key: estimate({k: row[k] for k in ("estimate", "conf_low", "conf_high")}, 2)
            for key, row in known.items()
        }
        rows.append(Row("Odds ratio (95% CI)", limits, "odds_ratio", visit, indent=1))
        tests = {key: p_value(row["p_value"]) for key, row in known.items()}
        rows.append(Row("P value", tests, "odds_ratio", visit, indent=1))
    conventions = "; ".join(f"{k}: {v}" for k, v in fit.conventions.items())
    return Table(
        name,
        spec.title,
        (*cohort.columns(), *trial.comparison_columns("Odds ratio (95% CI)")),
        tuple(rows),
        stub="Visit",
        endpoint=spec.endpoint,
        population=spec.population,
        method=f"Logistic mixed model: {conventions}",
        footnotes=(
            "Shares are of all patients of the model, each with their own covariates, were they in the arm; "
            "intercepts integrated out.  Odds ratios are for one patient.",
        ),
    )


def _share(row: dict[str, float | None] | None) -> Cell:
    shown = [
        None if (v := (row or {}).get(k)) is None else 100.0 * v
        for k in ("estimate", "conf_low", "conf_high")
    ]
    return percent_ci(shown[0], shown[1], shown[2])


# Figure --------------------------------------------------------------------------------------------


def _panel(
    trial: Trial, cohort: Cohort, title: str, means: Means, visits: Sequence[Visit]
) -> list[tuple[Any, ...]]:
    rows = []
    for group in cohort.groups:
        for visit in visits:
            row = means.get((group.key, visit.name))
            if row is not None:
                shown = (row["estimate"], row["conf_low"], row["conf_high"])
                rows.append((title, group.key, group.label, visit.name, visit_x(visit), None, *shown))
    return rows


def _figure(
    name: str,
    spec: MixedModel | LogisticMixedModel,
    y: str,
    panels: list[tuple[Any, ...]],
    visits: list[Visit],
) -> Figure:
    return Figure(
        name,
        spec.title,
        "course",
        {"main": pl.DataFrame(panels, schema=COURSE_SCHEMA, orient="row")},
        x_label="Months" if all(v.month is not None for v in visits) else "Study day",
        y_label=y,
        footnotes=("Bars are 95% confidence limits.",),
        endpoint=getattr(spec, "endpoint", ""),
        population=spec.population,
        options={"show_n": False},
    )
