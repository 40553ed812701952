"""Which value of a patient counts at a visit, and how a missing one is carried forward.

A visit's value is the one nearest the visit's target day, the earlier of two equally near.  Carrying
forward never fills a visit before the first value after baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flarefree.analysis.trial import Trial
from flarefree.protocol.schema import Visit

__all__ = ["at_visits", "carried_forward", "chosen_visits", "visit_names", "visit_x"]


def chosen_visits(trial: Trial, names: Sequence[str] = ()) -> list[Visit]:
    """Visits of the schedule by name, in its order; all of them if none is named."""
    wanted = {name.casefold() for name in names}
    return [v for v in trial.spec.schedule.visits if not wanted or v.name.casefold() in wanted]


def visit_x(visit: Visit) -> float:
    """Where a visit stands on a time axis: its month if it has one, else its target day."""
    return visit.month if visit.month is not None else float(visit.day)


def at_visits(rows: pl.DataFrame, visits: Sequence[Visit]) -> pl.DataFrame:
    """One row a patient and visit of `rows` (subject, visit, day, ...): the one nearest the target day."""
    targets = pl.DataFrame(
        {"visit": [v.name for v in visits], "target": [v.day for v in visits]},
        schema={"visit": pl.String, "target": pl.Int32},
    )
    keys = [c for c in ("subject", "measure", "endpoint", "visit") if c in rows.columns]
    return (
        rows.join(targets, on="visit", how="inner", maintain_order="left")
        .with_columns(distance=(pl.col("day") - pl.col("target")).abs())
        .sort([*keys, "distance", "day"], nulls_last=True, maintain_order=True)
        .unique(keys, keep="first", maintain_order=True)
        .drop("target", "distance")
    )


def carried_forward(rows: pl.DataFrame, visits: Sequence[Visit]) -> pl.DataFrame:
    """`rows` (one a patient and visit) with a row for each later visit that has none, as last observed.

    Only values after baseline are carried; the column `derivation` says `LOCF` where one was.
    """
    order = {v.name: i for i, v in enumerate(visits)}
    planned = pl.DataFrame(
        {"visit": list(order), "place": list(order.values())}, schema={"visit": pl.String, "place": pl.Int32}
    )
    after = rows.filter(pl.col("day") > 1).join(planned, on="visit", how="inner")
    others = [c for c in rows.columns if c != "visit"]
    grid = (
        after.select("subject")
        .unique(maintain_order=True)
        .join(planned, how="cross")
        .join(after.with_columns(observed=pl.lit(True)), on=["subject", "visit", "place"], how="left")
        .sort("subject", "place")
        .with_columns(pl.col([c for c in others if c != "subject"]).forward_fill().over("subject"))
        .filter(pl.col("day").is_not_null())
    )
    return grid.with_columns(
        derivation=pl.when(pl.col("observed").is_null())
        .then(pl.lit("LOCF"))
        .otherwise(pl.lit(None, dtype=pl.String))
    ).select(*rows.columns, *(() if "derivation" in rows.columns else ("derivation",)))


def visit_names(trial: Trial, names: Sequence[str]) -> set[str]:
    """Every way in which data may name these visits, in lower case; empty if none is named."""
    if not names:
        return set()
    found = {name.casefold() for name in names}
    for visit in chosen_visits(trial, names):
        found |= {visit.name.casefold(), *(code.casefold() for code in visit.codes)}
    return found
