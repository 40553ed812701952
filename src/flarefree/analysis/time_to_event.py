"""Time to an event: Kaplan-Meier curves with numbers at risk, log-rank tests, hazard ratios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flarefree.analysis.cells import estimate, n_percent, number, percent_ci
from flarefree.analysis.effects import Effects, compute_effects, effects_frame
from flarefree.analysis.hazards import DAYS_PER, Times, times_to, untimed_warning
from flarefree.analysis.outcome import finish, plain
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.rates import rate_cell
from flarefree.analysis.trial import Trial
from flarefree.lineage import events_anchor
from flarefree.protocol.schema import TimeToEvent
from flarefree.results import AnalysisResult, Cell, Figure, Row, Table
from flarefree.studytime import DAYS_PER_MONTH

if TYPE_CHECKING:
    from flarefree.stats.survival.curves import KaplanMeier

__all__ = ["analyze_time_to_event"]


def analyze_time_to_event(trial: Trial, name: str, spec: TimeToEvent) -> AnalysisResult:
    """One endpoint's curve by arm, its log-rank test and hazard ratios."""
    cohort = trial.require_cohort(spec.population)
    times = times_to(trial, cohort, spec.endpoint)
    curves = _curves(times, spec)
    effects = compute_effects(trial, times, spec.models, spec.strata)
    tests = trial.overall_column() if len(trial.comparisons) > 1 else ()
    table = Table(
        name,
        spec.title,
        (*times.cohort.columns(), *trial.comparison_columns(), *tests),
        (*_count_rows(trial, times), *_curve_rows(times, curves, spec), *effects.rows()),
        stub="Outcome",
        endpoint=spec.endpoint,
        population=spec.population,
        method=f"Kaplan-Meier, {spec.conf_type} limits, Greenwood's variance",
        footnotes=effects.footnotes,
    )
    figures = [_figure(trial, name, spec, times, curves, effects)] if spec.curve else []
    return finish(
        name,
        spec,
        tables=[table],
        figures=figures,
        warnings=[
            *unplaced_warning(cohort.label, cohort.unplaced),
            *untimed_warning(times),
            *effects.warnings,
        ],
        methods=[table.method, *effects.methods],
    )


def _curves(times: Times, spec: TimeToEvent) -> KaplanMeier:
    from flarefree.stats.survival import kaplan_meier

    return kaplan_meier(
        times.frame.get_column("days").to_numpy() / DAYS_PER[spec.time_unit],
        times.frame.get_column("is_event").to_numpy(),
        times.frame.get_column("group").to_numpy().astype(str),
        conf_type=spec.conf_type,
    )


# Counts --------------------------------------------------------------------------------------------


def _count_rows(trial: Trial, times: Times) -> Iterator[Row]:
    groups = [g.key for g in times.cohort.groups]
    sizes = {g: times.size(g) for g in groups}
    link = {g: events_anchor(times.endpoint, g) for g in groups}
    cells = {g: n_percent(times.events(g), sizes[g], link=link[g]) for g in groups}
    yield Row("Patients with the event — no. (%)", cells, term="events")
    events = times.frame.filter("is_event")
    for component in _components(trial, times.endpoint, events):
        label = f"First: {trial.spec.endpoints[component].label}"
        yield _share_row(label, "first_event", component, events, "component", sizes)
    if (
        trial.spec.endpoints[times.endpoint].first_of
        and (events.get_column("component") == times.endpoint).any()
    ):
        label = "Decided as a whole, without a component that was derived"
        yield _share_row(label, "first_event", times.endpoint, events, "component", sizes)
    yield Row(
        "Censored — no. (%)",
        {g: n_percent(sizes[g] - times.events(g), sizes[g]) for g in groups},
        term="censored",
    )
    censored = times.frame.filter(~pl.col("is_event"))
    for cause in sorted(set(censored.get_column("censored_by").drop_nulls().to_list())):
        yield _share_row(_capital(cause), "censored", cause, censored, "censored_by", sizes)
    yield Row(
        "Person-years at risk",
        {g: number(times.person_years(g), 1) for g in groups},
        term="person_years",
        unit="years",
    )
    rates = {g: rate_cell(times.events(g), times.person_years(g)) for g in groups}
    yield Row(
        "Events per 100 person-years",
        rates,
        term="rate",
        unit="per 100 person-years",
        method="Exact (Garwood) limits",
    )


def _components(trial: Trial, endpoint: str, events: pl.DataFrame) -> list[str]:
    """Components that came first for somebody, in the protocol's order; none where there are none."""
    found = set(events.get_column("component").drop_nulls().to_list()) - {endpoint}
    listed = [name for name in trial.spec.endpoints[endpoint].first_of if name in found]
    return [*listed, *sorted(found - set(listed))]


def _share_row(
    label: str, term: str, level: str, frame: pl.DataFrame, column: str, sizes: dict[str, int]
) -> Row:
    counted = dict(frame.filter(pl.col(column) == level).group_by("group").len().iter_rows())
    cells = {g: n_percent(counted.get(g, 0), n) for g, n in sizes.items()}
    return Row(label, cells, term=term, level=level, indent=1)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Curves --------------------------------------------------------------------------------------------


def _curve_rows(times: Times, curves: KaplanMeier, spec: TimeToEvent) -> Iterator[Row]:
    medians = {
        str(group): values
        for group, *values in curves.median().select("group", "median", "conf_low", "conf_high").iter_rows()
    }
    keys = ("estimate", "conf_low", "conf_high")
    cells = {g: estimate(dict(zip(keys, values, strict=True)), 1) for g, values in medians.items()}
    yield Row(f"Median time (95% CI) — {spec.time_unit}", cells, term="median", unit=spec.time_unit)
    cumulative = spec.curve_shows == "cumulative"
    for month in spec.at_months:
        at = curves.at(month * DAYS_PER_MONTH / DAYS_PER[spec.time_unit], extend=True)
        found = {
            str(row["group"]): _percent(
                row["estimate"], row["conf_low"], row["conf_high"], cumulative, row["n_risk"]
            )
            for row in at.iter_rows(named=True)
        }
        what = "With the event by" if cumulative else "Free of the event at"
        yield Row(
            f"{what} month {plain(month)} — % (95% CI)",
            found,
            term="cumulative_incidence" if cumulative else "survival",
            level=f"{plain(month)} months",
            unit="%",
        )


def _percent(
    survival: float | None, low: float | None, high: float | None, cumulative: bool, n_risk: float
) -> Cell:
    shown = [None if v is None else 100.0 * v for v in (survival, low, high)]
    if cumulative:
        shown = [None if v is None else 100.0 - v for v in (shown[0], shown[2], shown[1])]
    return percent_ci(shown[0], shown[1], shown[2], n_at_risk=round(n_risk))


def _figure(
    trial: Trial, name: str, spec: TimeToEvent, times: Times, curves: KaplanMeier, effects: Effects
) -> Figure:
    labels = {g.key: g.label for g in times.cohort.groups}
    cumulative = spec.curve_shows == "cumulative"
    share = "with" if cumulative else "without"
    return Figure(
        name,
        spec.title,
        "kaplan_meier",
        {
            "main": _drawn(curves, labels, cumulative),
            "censored": _censored(curves, labels, cumulative),
            "at_risk": _at_risk(curves, labels, times, spec),
            "effects": effects_frame(trial, effects, spec.p_value),
        },
        x_label=f"{_capital(spec.time_unit)} since {_origin(trial, spec)}",
        y_label=f"Proportion {share} {times.label[:1].lower() + times.label[1:]}",
        endpoint=spec.endpoint,
        population=spec.population,
        options={
            "curve_shows": spec.curve_shows,
            "conf_type": spec.conf_type,
            "time_unit": spec.time_unit,
            "tick_every": spec.tick_every,
            "colors": {g.key: g.color for g in times.cohort.groups if g.color},
        },
    )


def _origin(trial: Trial, spec: TimeToEvent) -> str:
    if trial.spec.endpoints[spec.endpoint].origin == "first_dose":
        return "first dose"
    return "randomization" if trial.spec.randomization is not None else "day 1"


def _drawn(curves: KaplanMeier, labels: dict[str, str], cumulative: bool) -> pl.DataFrame:
    """The curves as they are drawn, each from time 0."""
    parts = []
    for curve in curves.curves:
        key = str(curve.group)
        n = float(curve.n)
        start = {"time": 0.0, "n_risk": n, "n_event": 0.0, "n_censor": 0.0, "estimate": 1.0}
        names = ("time", "n_risk", "n_event", "n_censor", "estimate")
        columns = {c: np.concatenate(([start[c]], getattr(curve, c))) for c in names}
        limits = {c: np.concatenate(([np.nan], getattr(curve, c))) for c in ("conf_low", "conf_high")}
        if curve.time.size and curve.time[0] == 0.0:
            columns = {c: v[1:] for c, v in columns.items()}
            limits = {c: v[1:] for c, v in limits.items()}
        if cumulative:
            columns["estimate"] = 1.0 - columns["estimate"]
            limits = {"conf_low": 1.0 - limits["conf_high"], "conf_high": 1.0 - limits["conf_low"]}
        height = columns["time"].size
        words = {"group": [key] * height, "label": [labels[key]] * height}
        parts.append(pl.DataFrame({**words, **columns, **limits}, nan_to_null=True))
    return pl.concat(parts)


def _censored(curves: KaplanMeier, labels: dict[str, str], cumulative: bool) -> pl.DataFrame:
    drawn = _drawn(curves, labels, cumulative)
    return drawn.filter(pl.col("n_censor") > 0).select("group", "label", "time", "estimate")


def _at_risk(curves: KaplanMeier, labels: dict[str, str], times: Times, spec: TimeToEvent) -> pl.DataFrame:
    last = float(times.frame.get_column("days").max() or 0) / DAYS_PER[spec.time_unit]  # type: ignore[arg-type]
    ticks = np.arange(0.0, last + 1e-9, spec.tick_every)
    found = curves.n_at_risk(ticks)
    return found.select(
        pl.col("group").cast(pl.String),
        pl.col("group").cast(pl.String).replace_strict(labels, return_dtype=pl.String).alias("label"),
        "time",
        pl.col("n_risk").round().cast(pl.Int64).alias("n"),
    )
