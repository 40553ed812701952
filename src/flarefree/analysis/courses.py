"""Measures by visit: summaries, change from baseline, the last value carried forward, and a figure.

Geometric means are of the values themselves; their change is the geometric mean of each patient's
ratio to baseline.  A measure below or at zero has no geometric mean, and the cell is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.analysis.cells import count, geometric_mean_of, sd, std_error, summary
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.visits import at_visits, chosen_visits, visit_x
from flarefree.analysis.windowed import baselines, windowed_values
from flarefree.protocol.schema import Course, Visit
from flarefree.results import AnalysisResult, Cell, Figure, Row, Table

__all__ = ["analyze_course"]

Floats = npt.NDArray[np.float64]

BASELINE = "Baseline"
LAST = "Last visit (LOCF)"

SHOWN = {"mean": "mean_sd", "geometric_mean": "geometric_mean_sd", "median": "median_iqr"}
WORDS = {"mean": "mean ± SD", "geometric_mean": "geometric mean ± SD", "median": "median (IQR)"}

COURSE_SCHEMA = {
    "panel": pl.String,
    "group": pl.String,
    "label": pl.String,
    "visit": pl.String,
    "x": pl.Float64,
    "n": pl.Int64,
    "estimate": pl.Float64,
    "conf_low": pl.Float64,
    "conf_high": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class _Point:
    """Values of one measure at one visit, with each patient's baseline."""

    visit: str
    x: float
    frame: pl.DataFrame  # subject, group, value, baseline


def analyze_course(trial: Trial, name: str, spec: Course) -> AnalysisResult:
    """A table a measure, and one figure with a panel a measure."""
    cohort = trial.require_cohort(spec.population)
    tables, panels, warnings = [], [], unplaced_warning(cohort.label, cohort.unplaced)
    for measure in spec.measures:
        points = _points(trial, cohort, spec, measure)
        if not points:
            warnings.append(f"The data hold no “{_label(trial, measure)}”; its table is left out.")
            continue
        tables.append(_table(trial, cohort, name, spec, measure, points))
        panels += _panel(trial, cohort, spec, measure, points)
    if not tables:
        labels = ", ".join(_label(trial, m) for m in spec.measures)
        raise NotComputableError(f"The data hold none of: {labels}.")
    figures = [_figure(trial, name, spec, panels)] if spec.figure else []
    return finish(name, spec, tables=tables, figures=figures, warnings=warnings, methods=_methods(spec))


def _label(trial: Trial, measure: str) -> str:
    known = trial.spec.measures.get(measure) or trial.spec.endpoints.get(measure)
    return known.label if known else measure


def _unit(trial: Trial, measure: str) -> str:
    known = trial.spec.measures.get(measure) or trial.spec.endpoints.get(measure)
    return known.unit if known else ""


def _points(trial: Trial, cohort: Cohort, spec: Course, measure: str) -> list[_Point]:
    """Baseline, then each visit after it that has values."""
    rows = windowed_values(trial, measure)
    base = baselines(rows)
    mine = cohort.of(rows.drop("baseline").join(base, on="subject", how="left", maintain_order="left"))
    if mine.height == 0:
        return []
    visits = [v for v in chosen_visits(trial, spec.visits) if v.day > 1]
    points = [_Point(BASELINE, 0.0, cohort.of(base).with_columns(value=pl.col("baseline")))]
    later = mine.filter((pl.col("day") > 1) & ~pl.col("is_baseline"))
    at = at_visits(later, visits)
    points += [_Point(v.name, visit_x(v), at.filter(pl.col("visit") == v.name)) for v in visits]
    if spec.locf and visits:
        points.append(_Point(LAST, _last_x(visits), _last_values(trial, later, visits)))
    return [point for point in points if point.frame.height]


def _last_x(visits: list[Visit]) -> float:
    return max((visit_x(v) for v in visits), default=0.0)


def _last_values(trial: Trial, later: pl.DataFrame, visits: list[Visit]) -> pl.DataFrame:
    """Each patient's last value after baseline, up to the last of `visits`.

    A value of a visit counts if that visit is planned no later; one of no visit, if its day is no later.
    """
    end = max(visits, key=lambda v: (v.day, v.number))
    planned = [v.name for v in chosen_visits(trial) if v.day <= end.day and v.number <= end.number]
    by_visit = pl.col("visit").is_in(planned)
    by_day = pl.col("visit").is_null() & (pl.col("day") <= (end.last_day or end.day))
    within = later.filter(by_visit | by_day)
    return within.sort("subject", "day", maintain_order=True).unique(
        "subject", keep="last", maintain_order=True
    )


def _table(
    trial: Trial, cohort: Cohort, name: str, spec: Course, measure: str, points: list[_Point]
) -> Table:
    unit = _unit(trial, measure)
    return Table(
        f"{name}_{measure}",
        f"{_label(trial, measure)}{f' ({unit})' if unit else ''}",
        cohort.columns(),
        tuple(row for point in points for row in _rows(trial, cohort, spec, measure, point)),
        stub="Visit",
        endpoint=measure,
        population=spec.population,
        method=_methods(spec)[0],
        footnotes=("LOCF: the last value after baseline carried forward.",) if spec.locf else (),
    )


def _methods(spec: Course) -> list[str]:
    words = {
        "mean": "Arithmetic mean and SD",
        "geometric_mean": "Geometric mean; SD of the values themselves; change as ratio to baseline",
        "median": "Median and quartiles (R's type 7)",
    }
    return [words[spec.summary] + "; the value nearest the visit's target day"]


def _rows(trial: Trial, cohort: Cohort, spec: Course, measure: str, point: _Point) -> Iterator[Row]:
    unit, digits = _unit(trial, measure), _digits(trial, measure)
    parts = {g.key: point.frame.filter(pl.col("group") == g.key) for g in cohort.groups}
    values = {key: _summary(_array(part, "value"), spec, digits, with_n=False) for key, part in parts.items()}
    patients = {key: count(int((~np.isnan(_array(part, "value"))).sum())) for key, part in parts.items()}
    yield Row(f"{point.visit} — no. of patients", patients, "value", point.visit)
    yield Row(_capital(WORDS[spec.summary]), values, "value", point.visit, indent=1, unit=unit)
    if spec.change and point.visit != BASELINE:
        is_ratio = spec.summary == "geometric_mean"
        cells = {key: _change(part, spec, digits) for key, part in parts.items()}
        label = "Ratio to baseline" if is_ratio else "Change from baseline"
        term = "ratio_to_baseline" if is_ratio else "change"
        yield Row(label, cells, term, point.visit, indent=1, unit="" if is_ratio else unit)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _summary(values: Floats, spec: Course, digits: int | None, *, with_n: bool = True) -> Cell:
    """The summary asked for; beside a mean its tidy results keep the median and the range."""
    cell = summary(values, SHOWN[spec.summary], digits, with_n=with_n)
    if spec.summary != "mean":
        return cell
    more = summary(values, "median_range", with_n=False).stats
    return Cell(cell.display, {**cell.stats, **more}, digits)


def _digits(trial: Trial, measure: str) -> int | None:
    known = trial.spec.measures.get(measure)
    return known.digits if known else None


def _array(part: pl.DataFrame, column: str) -> Floats:
    return part.get_column(column).cast(pl.Float64).fill_null(np.nan).to_numpy()


def _change(part: pl.DataFrame, spec: Course, digits: int | None) -> Cell:
    value, base = _array(part, "value"), _array(part, "baseline")
    if spec.summary != "geometric_mean":
        return _summary(value - base, spec, digits)
    known = ~np.isnan(base)
    positive = bool(known.any() and (base[known] > 0).all() and (value[known] > 0).all())
    ratio = geometric_mean_of(value[known] / base[known]) if positive else None
    return Cell("number", {"value": ratio, "n": int(known.sum())}, 2)


# Figure --------------------------------------------------------------------------------------------


def _panel(
    trial: Trial, cohort: Cohort, spec: Course, measure: str, points: list[_Point]
) -> list[tuple[Any, ...]]:
    unit = _unit(trial, measure)
    title = f"{_label(trial, measure)}, {unit}" if unit else _label(trial, measure)
    rows = []
    for group in cohort.groups:
        for point in points:
            values = _array(point.frame.filter(pl.col("group") == group.key), "value")
            if point.visit != LAST and values.size:
                drawn = _estimate(values, spec)
                rows.append((title, group.key, group.label, point.visit, point.x, int(values.size), *drawn))
    return rows


def _estimate(values: Floats, spec: Course) -> tuple[float | None, float | None, float | None]:
    """What is drawn at a visit, and the ends of its bar."""
    if spec.summary == "median":
        q1, middle, q3 = np.quantile(values, (0.25, 0.5, 0.75))
        return float(middle), float(q1), float(q3)
    if spec.summary == "geometric_mean":
        if values.min() <= 0:
            return None, None, None
        logs = np.log(values)
        center, low, high = _around(logs, spec.spread)
        return np.exp(center), None if low is None else np.exp(low), None if high is None else np.exp(high)
    return _around(values, spec.spread)


def _around(values: Floats, spread: str) -> tuple[float, float | None, float | None]:
    """The mean of some values, and the ends of its bar (none for a single value)."""
    center, half = float(values.mean()), _half_width(values, spread)
    return (center, None, None) if half is None else (center, center - half, center + half)


def _half_width(values: Floats, spread: str) -> float | None:
    if spread == "sd":
        return sd(values)
    error = std_error(values)
    if spread == "se" or error is None:
        return error
    from flarefree.stats.distributions import t_quantile

    return error * t_quantile(0.975, values.size - 1)


def _figure(trial: Trial, name: str, spec: Course, panels: list[tuple[Any, ...]]) -> Figure:
    bars = {"se": "standard errors", "sd": "standard deviations", "ci": "95% confidence limits"}[spec.spread]
    shown = "quartiles" if spec.summary == "median" else bars
    months = all(v.month is not None for v in chosen_visits(trial, spec.visits))
    return Figure(
        name,
        spec.title,
        "course",
        {"main": pl.DataFrame(panels, schema=COURSE_SCHEMA, orient="row")},
        x_label="Months" if months else "Study day",
        y_label=WORDS[spec.summary].split(" (")[0].split(" ±")[0].capitalize(),
        footnotes=(f"Bars are {shown}.",),
        population=spec.population,
        options={
            "summary": spec.summary,
            "spread": spec.spread,
            "colors": {g.key: g.color for g in trial.groups if g.color},
        },
    )
