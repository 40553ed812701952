"""Figures of pooled results as data: which rows, in which order, with which words.

`flarefree.reports.figures` draws them (`meta_forest`, `funnel`, `sequential`); its frames are described in
docs/reference/figures.md.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.pooling.tidying import trial_rows
from flarefree.results import Figure

if TYPE_CHECKING:
    from flarefree.evidence.pooling.repeated import RepeatedPooling, Subgroups
    from flarefree.evidence.pooling.results import Pairwise
    from flarefree.evidence.pooling.sequential import SequentialAnalysis

__all__ = ["figure_of", "repeated_figure", "sequential_figure", "subgroup_figure"]

KINDS = ("forest", "funnel", "bubble", "cumulative", "leave_one_out", "sequential", "subgroups")
TRIAL_COLUMNS = ("estimate", "conf_low", "conf_high", "weight_percent", "corrected")
CONTOURS = (0.1, 0.05, 0.01)  # P values whose borders a contour-enhanced funnel shows [peters2008]


def figure_of(result: Pairwise, kind: str, **options: Any) -> Figure:
    """The figure of that kind; `options` go to what makes it (`order`, `by`, `effect`)."""
    match kind:
        case "forest":
            return forest_figure(result, **options)
        case "funnel":
            return funnel_figure(result, **options)
        case "bubble":
            return bubble_figure(result, **options)
        case "cumulative":
            return repeated_figure(result.cumulative(**options))
        case "leave_one_out":
            return repeated_figure(result.leave_one_out(**options))
        case "sequential":
            if "effect" not in options:
                raise EvidenceError(
                    "a sequential analysis asks for the effect that the trials should find",
                    where="kind: sequential",
                    found="no effect",
                    expected=f"effect=, as {result.measure.label}",
                    try_='plot("sequential", effect=0.8)',
                )
            return sequential_figure(result.sequential(**options))
        case "subgroups":
            return subgroup_figure(result.subgroups(**options))
    raise EvidenceError("no such figure", where="kind", found=repr(kind), expected=", ".join(KINDS))


# Forests ------------------------------------------------------------------------------------------------


def forest_figure(result: Pairwise, *, sort: str | None = None) -> Figure:
    """Trials, pooled estimate and prediction interval; `sort="weight"` or `"estimate"` orders the trials."""
    if result.terms is not None:
        raise EvidenceError(
            "a regression has no forest of its own", where="kind", found="forest", try_='kind="bubble"'
        )
    rows = [*_trials(result, sort), *_pooled(result)]
    return _forest(result, rows, [_heterogeneity(result, "")])


def subgroup_figure(groups: Subgroups) -> Figure:
    """Trials under their groups, a diamond a group, the whole below."""
    rows: list[dict[str, Any]] = []
    notes = []
    # Weights are those of the whole, so that squares can be compared across groups.
    weights = {row["label"]: row["weight_percent"] for row in _trials(groups.whole, None)}
    for name, result in groups.groups:
        rows.append({"kind": "header", "label": name})
        trials = _trials(result, None)
        rows += [row | {"indent": 1, "weight_percent": weights[row["label"]]} for row in trials]
        share = sum(weights[row["label"]] for row in trials)
        rows.append(_pooled(result)[0] | {"indent": 1, "label": "Subtotal", "weight_percent": share})
        notes.append(_heterogeneity(result, name))
    rows += [{"kind": "header", "label": "All trials"}, *_pooled(groups.whole)]
    notes.append(_heterogeneity(groups.whole, "all trials"))
    notes.append(
        {
            "group": "Between groups",
            "q": groups.q_between,
            "q_df": groups.df_between,
            "q_p_value": groups.p_between,
        }
    )
    return _forest(groups.whole, rows, notes)


def repeated_figure(runs: RepeatedPooling) -> Figure:
    """A forest of runs: estimates without each trial, or after each."""
    sign = "Without " if runs.kind == "leave_one_out" else "+ "
    rows: list[dict[str, Any]] = []
    for row in runs.rows():
        keep = {name: row[name] for name in ("estimate", "conf_low", "conf_high", "p_value", "i2")}
        rows.append({"kind": "run", "label": sign + row["term"], "weight_percent": None} | keep)
    if runs.kind == "leave_one_out":
        whole = _pooled(runs.whole)[0] | {"i2": runs.whole.i2, "weight_percent": None}
        rows.append({k: v for k, v in whole.items() if not k.endswith(("_treatment", "_reference"))})
    stub = "Trial left out" if runs.kind == "leave_one_out" else "Trial added"
    return _forest(runs.whole, rows, [], stub=stub, kind=runs.kind)


def _forest(
    result: Pairwise,
    rows: list[dict[str, Any]],
    heterogeneity: list[dict[str, Any]],
    *,
    stub: str = "Trial",
    kind: str = "forest",
) -> Figure:
    percent = f"{100 * result.conf_level:g}%"
    label = result.measure.label
    notes = [f"No effect: {study} ({why})." for study, why in result.trials.left_out]
    return Figure(
        id=f"{kind}-{result.measure.key.lower()}",
        title=f"{label[0].upper()}{label[1:]}, {result.treatment} v {result.reference}",
        kind="meta_forest",
        data={"main": _frame(rows), "heterogeneity": _frame(heterogeneity)},
        x_label=f"{label[0].upper()}{label[1:]} ({percent} CI)",
        footnotes=(*notes, *_spoken(result)),
        options={
            "null": result.measure.null,
            "stub": stub,
            "arms": (result.treatment, result.reference),
            "digits": 2 if result.measure.is_ratio else None,
        },
    )


def _spoken(result: Pairwise) -> list[str]:
    """Notes of the result that its reader needs beside the picture, as sentences."""
    notes = [note for note in result.notes if "is the reference" not in note]
    notes = [re.sub(r" \([a-z_]+=[^)]*\)", "", note) for note in notes]  # how to ask otherwise: not here
    return [f"{note[0].upper()}{note[1:]}." for note in notes]


def _trials(result: Pairwise, sort: str | None) -> list[dict[str, Any]]:
    arms = {f"{column}_{arm}" for column in result.measure.needs for arm in ("treatment", "reference")}
    rows = [
        {"kind": "trial", "label": row["term"]}
        | {k: v for k, v in row.items() if k in arms or k in TRIAL_COLUMNS}
        for row in trial_rows(result)
    ]
    if sort is not None:
        column = {"weight": "weight_percent", "estimate": "estimate"}.get(sort)
        if column is None:
            raise EvidenceError(
                "trials are not sorted by this", where="sort", found=repr(sort), expected="weight, estimate"
            )
        rows.sort(key=lambda row: row.get(column, math.inf), reverse=sort == "weight")
    return rows


def _pooled(result: Pairwise) -> list[dict[str, Any]]:
    """The diamond's row, with the arms' totals, and the prediction interval's."""
    row: dict[str, Any] = {
        "kind": "pooled",
        "label": _short(result),
        "estimate": result.estimate,
        "conf_low": result.conf_low,
        "conf_high": result.conf_high,
        "p_value": result.p_value,
        "weight_percent": 100.0,
    }
    tables = result.trials.all_tables if result.question.uses_counts else result.trials.tables
    if tables is not None:
        for column in (name for name in result.measure.needs if name not in ("mean", "sd")):
            for arm, label in enumerate(("treatment", "reference")):
                total = float(getattr(tables, column)[:, arm].sum())
                if not math.isnan(total):
                    row[f"{column}_{label}"] = total
    if math.isnan(result.prediction_low):
        return [row]
    interval = {
        "kind": "prediction",
        "label": "Prediction interval",
        "conf_low": result.prediction_low,
        "conf_high": result.prediction_high,
    }
    return [row, interval]


def _short(result: Pairwise) -> str:
    label = result.question.label
    return label[0].upper() + label[1:]


def _heterogeneity(result: Pairwise, group: str) -> dict[str, Any]:
    random = result.question.is_random and result.q_df > 0
    low, high = result.i2_limits if random else (math.nan, math.nan)
    return {
        "group": group,
        "q": result.q if result.q_df > 0 else None,
        "q_df": result.q_df,
        "q_p_value": result.q_p_value,
        "tau2": result.tau2 if random else None,
        "i2": result.i2,
        "i2_low": low,
        "i2_high": high,
    }


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: [_finite(row.get(name)) for row in rows] for name in names}, strict=False)


def _finite(value: Any) -> Any:
    """NaN as null; infinities stay, they are limits."""
    return None if isinstance(value, float) and math.isnan(value) else value


# Scatter --------------------------------------------------------------------------------------------------


def funnel_figure(result: Pairwise, *, contours: bool = False, filled: bool = False) -> Figure:
    """Effects against standard errors; `contours` shows where P would be 0.1, 0.05 and 0.01.

    `filled` adds the trials that trim and fill puts in.
    """
    y, error = result.trials.y, np.sqrt(result.trials.v)
    points = {
        "label": list(result.trials.names),
        "effect": y.tolist(),
        "std_error": error.tolist(),
        "filled": [False] * len(y),
    }
    center = result.log_estimate if result.terms is None else math.nan
    if filled:
        added = result.trim_and_fill()
        points["label"] += [f"filled {i + 1}" for i in range(added.missing)]
        points["effect"] += added.filled_y.tolist()
        points["std_error"] += np.sqrt(added.filled_v).tolist()
        points["filled"] += [True] * added.missing
        center = added.adjusted.log_estimate
    label = result.measure.label
    return Figure(
        id=f"funnel-{result.measure.key.lower()}",
        title=f"Funnel plot, {result.treatment} v {result.reference}",
        kind="funnel",
        data={"main": pl.DataFrame(points, strict=False)},
        x_label=f"{label[0].upper()}{label[1:]}",
        y_label=f"Standard error (log {label})" if result.measure.is_ratio else "Standard error",
        options={
            "center": center,
            "is_ratio": result.measure.is_ratio,
            "conf_level": result.conf_level,
            "contours": _contours() if contours else (),
            "reach": _normal_reach(result.conf_level),
        },
    )


def _contours() -> tuple[tuple[float, float], ...]:
    """P value, and the multiple of the standard error that has it."""
    return tuple((p, _normal_reach(1.0 - p)) for p in CONTOURS)


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _normal_reach(level: float) -> float:
    from flarefree.stats.distributions import normal_quantile

    return normal_quantile(1.0 - (1.0 - level) / 2.0)


def bubble_figure(result: Pairwise, *, points: int = 61) -> Figure:
    """Effects against the one numeric moderator, areas by weight, with the regression's line and limits."""
    terms = result.terms
    if terms is None or len(terms.names) != 2 or terms.formula not in result.trials.extra or terms.factors:
        raise EvidenceError(
            "a bubble plot shows a regression on one numeric moderator",
            where="kind",
            found="no moderators" if terms is None else terms.formula,
            try_='pairwise(data, moderators="dose").plot("bubble")',
        )
    x = terms.matrix[:, 1]
    show = np.exp if result.measure.is_ratio else np.asarray
    main = pl.DataFrame(
        {
            "label": list(result.trials.names),
            "x": x.tolist(),
            "estimate": show(result.trials.y).tolist(),
            "weight_percent": (100.0 * result.fit.weight).tolist(),
        }
    )
    grid = np.linspace(float(x.min()), float(x.max()), points)
    lines = [result.predict(**{terms.formula: float(value)}) for value in grid]
    line = {"x": grid.tolist()} | {
        name: [getattr(p, name) for p in lines] for name in ("estimate", "conf_low", "conf_high")
    }
    label = result.measure.label
    return Figure(
        id=f"bubble-{terms.formula}",
        title=f"{label[0].upper()}{label[1:]} by {terms.formula}, {result.treatment} v {result.reference}",
        kind="bubble",
        data={"main": main, "line": pl.DataFrame(line)},
        x_label=terms.formula,
        y_label=f"{label[0].upper()}{label[1:]}",
        options={"is_ratio": result.measure.is_ratio, "null": result.measure.null},
    )


def sequential_figure(analysis: SequentialAnalysis) -> Figure:
    """The z curve beside its boundaries, over the share of the required information."""
    whole = analysis.runs.whole
    low = analysis.z.min() < 0 and abs(analysis.z.min()) >= abs(analysis.z.max())
    patients = analysis.required_patients
    size = "" if math.isnan(patients) else f" (some {patients:,.0f} patients)"
    return Figure(
        id="sequential",
        title=f"Sequential analysis, {whole.treatment} v {whole.reference}",
        kind="sequential",
        data={"main": _frame(analysis.rows())},
        x_label="Share of the required information",
        y_label="z",
        annotations=(analysis.conclusion,),
        footnotes=(
            f"Required to find {_article(whole.measure.label)} of {analysis.effect:g} with two-sided alpha "
            f"{analysis.alpha:g} and power {analysis.power:g}, diversity "
            f"{100 * analysis.diversity:.0f}%{size}. Boundaries: O'Brien-Fleming-type alpha spending.",
        ),
        options={
            "ends_low": bool(low),
            "arms": (whole.treatment, whole.reference),
            "critical": _normal_reach(1.0 - analysis.alpha),
            "final_boundary": analysis.final_boundary,
        },
    )
