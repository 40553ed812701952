"""Each patient's baseline and value of a measure at one visit, carried forward where asked."""

from __future__ import annotations

from typing import Protocol

import polars as pl

from flarefree.analysis.outcome import NotComputableError
from flarefree.analysis.trial import Cohort, Trial
from flarefree.analysis.visits import at_visits, chosen_visits
from flarefree.protocol.schema import Visit

__all__ = ["AtVisit", "baselines", "values_at", "windowed_values"]


class AtVisit(Protocol):
    """Which value of which measure is asked for; `ChangeFromBaseline` is one."""

    @property
    def measure(self) -> str: ...
    @property
    def visit(self) -> str: ...
    @property
    def baseline_visit(self) -> str: ...
    @property
    def imputation(self) -> str: ...


def values_at(trial: Trial, cohort: Cohort, spec: AtVisit) -> pl.DataFrame:
    """One row a patient of the cohort, in its order: subject, group, baseline, value, derivation.

    `value` is null where there is none; `derivation` is LOCF where it was carried forward.

    Raises
    ------
    NotComputableError
        The data hold nothing of the measure, or the protocol no such visit.
    """
    rows = windowed_values(trial, spec.measure)
    if rows.height == 0:
        known = trial.spec.measures.get(spec.measure)
        raise NotComputableError(f"The data hold no “{known.label if known else spec.measure}”.")
    visits = chosen_visits(trial)
    place = next((i for i, v in enumerate(visits) if _is(v, spec.visit)), None)
    if place is None:
        raise NotComputableError(f"The schedule has no visit “{spec.visit}”.")
    chosen = _carried(rows, visits, place) if spec.imputation == "locf" else _observed(rows, visits[place])
    base = baselines(rows, next((v for v in visits if _is(v, spec.baseline_visit)), None))
    return (
        cohort.subjects.select("subject", "group")
        .join(base, on="subject", how="left", maintain_order="left")
        .join(chosen, on="subject", how="left", maintain_order="left")
    )


def _is(visit: Visit, name: str) -> bool:
    return name.casefold() in {visit.name.casefold(), *(code.casefold() for code in visit.codes)}


def windowed_values(trial: Trial, measure: str) -> pl.DataFrame:
    """Values of a measure by visit of the schedule: subject, visit, day, value, is_baseline, baseline.

    Rows of an analysis dataset keep its own visit; what it carried forward itself is left out.
    """
    found = trial.study["observations"].filter(
        (pl.col("measure") == measure)
        & pl.col("analysis_visit").is_not_null()
        & pl.col("value").is_not_null()
    )
    if found.height:
        names = {n.casefold(): v.name for v in chosen_visits(trial) for n in (v.name, *v.codes)}
        observed = found.filter(pl.col("derivation").fill_null("") != "LOCF")
        # The dataset may say which of several rows of a window is the one to use.
        flagged = pl.col("is_analysis_record").fill_null(False)
        is_used = flagged | ~flagged.any().over("subject", "analysis_visit")
        return observed.filter(is_used).select(
            "subject",
            pl.col("analysis_visit")
            .str.to_lowercase()
            .replace_strict(names, default=None, return_dtype=pl.String)
            .alias("visit"),
            "day",
            "value",
            pl.col("is_baseline").fill_null(False),
            baseline=pl.lit(None, dtype=pl.Float64),
        )
    return trial.derivation.values.filter(
        (pl.col("measure") == measure) & pl.col("value").is_not_null()
    ).select("subject", "visit", "day", "value", pl.col("is_baseline").fill_null(False), "baseline")


def baselines(rows: pl.DataFrame, visit: Visit | None = None) -> pl.DataFrame:
    """Each patient's baseline: the flagged value; else what the derivation took; else that of `visit`."""
    at_visit = pl.col("visit") == visit.name if visit is not None else pl.lit(False)
    ranked = rows.with_columns(
        known=pl.coalesce(pl.when("is_baseline").then("value"), "baseline", pl.when(at_visit).then("value")),
        rank=pl.when("is_baseline").then(0).when(pl.col("baseline").is_not_null()).then(1).otherwise(2),
    ).filter(pl.col("known").is_not_null())
    first = ranked.sort("subject", "rank", "day", maintain_order=True).unique(
        "subject", keep="first", maintain_order=True
    )
    return first.select("subject", baseline="known")


def _observed(rows: pl.DataFrame, visit: Visit) -> pl.DataFrame:
    """The value at the visit itself; a visit planned after day 1 takes nothing from before it."""
    return at_visits(_after_baseline(rows, visit), [visit]).select(
        "subject", "value", derivation=pl.lit(None, dtype=pl.String)
    )


def _after_baseline(rows: pl.DataFrame, visit: Visit) -> pl.DataFrame:
    return rows.filter(~pl.col("is_baseline")) if visit.day > 1 else rows


def _carried(rows: pl.DataFrame, visits: list[Visit], place: int) -> pl.DataFrame:
    """The value at the visit, else that of the latest earlier visit after baseline."""
    upto = [v for v in visits[: place + 1] if v.day > 1]
    order = pl.DataFrame(
        {"visit": [v.name for v in upto], "place": list(range(len(upto)))},
        schema={"visit": pl.String, "place": pl.Int32},
    )
    at = at_visits(_after_baseline(rows, visits[place]), upto).join(order, on="visit", how="inner")
    last = at.sort("subject", "place", maintain_order=True).unique(
        "subject", keep="last", maintain_order=True
    )
    carried = pl.col("place") < len(upto) - 1
    return last.select(
        "subject",
        "value",
        derivation=pl.when(carried).then(pl.lit("LOCF")).otherwise(pl.lit(None, dtype=pl.String)),
    )
