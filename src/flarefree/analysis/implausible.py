"""Events that rest on a value which is hardly possible: a slip of the pen must not pass for a result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from flarefree.analysis.trial import Trial

__all__ = ["implausible_warning"]

_SHOWN = 3


def implausible_warning(trial: Trial, endpoints: Iterable[str]) -> tuple[str, ...]:
    """What to say where an event that counts rests on a value outside its measure's plausible range."""
    found = _resting_on_them(trial, tuple(dict.fromkeys(_components(trial, endpoints))))
    if found.is_empty():
        return ()
    n = found.get_column("subject").n_unique()
    said = [
        f"{subject}, day {day}: {trial.spec.measures[measure].label.lower()} {value:g} {unit or ''}".rstrip()
        for subject, day, measure, value, unit in found.head(_SHOWN).rows()
    ]
    more = f" and {found.height - _SHOWN} more" if found.height > _SHOWN else ""
    whose = "The event of one patient rests" if n == 1 else f"Events of {n} patients rest"
    return (f"{whose} on a value that is hardly possible ({'; '.join(said)}{more}): see the findings.",)


def _components(trial: Trial, endpoints: Iterable[str]) -> Iterator[str]:
    for endpoint in endpoints:
        if endpoint in trial.spec.endpoints:
            yield endpoint
            yield from _components(trial, trial.spec.endpoints[endpoint].first_of)


def _resting_on_them(trial: Trial, endpoints: tuple[str, ...]) -> pl.DataFrame:
    """Subject, day of the event, measure, value and unit of each such value behind an event that counts."""
    ranges = pl.DataFrame(
        [
            (name, *spec.plausible)
            for name, spec in trial.spec.measures.items()
            if spec.plausible != (None, None)
        ],
        schema={"measure": pl.String, "low": pl.Float64, "high": pl.Float64},
        orient="row",
    )
    used = trial.derivation.events.filter(pl.col("is_used") & pl.col("endpoint").is_in(endpoints))
    rows = (
        used.select("subject", "day", "rows")
        .explode("rows")
        .drop_nulls("rows")
        .unnest("rows")
        .filter(pl.col("table") == "observations")
        .unique(maintain_order=True)
    )
    observed = trial.study["observations"].with_row_index("index").select("index", "measure", "value", "unit")
    outside = (pl.col("value") < pl.col("low")) | (pl.col("value") > pl.col("high"))
    return (
        rows.join(observed, on="index", how="inner", maintain_order="left")
        .join(ranges, on="measure", how="inner", maintain_order="left")
        .filter(outside.fill_null(False))
        .select("subject", "day", "measure", "value", "unit")
        .sort("subject", "day", "measure")
    )
