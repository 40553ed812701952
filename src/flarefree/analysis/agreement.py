"""How derived events, investigators and the committee agree on each adjudicated endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import polars as pl

from flarefree.analysis.cells import count, n_percent, number
from flarefree.analysis.outcome import NotComputableError, finish
from flarefree.analysis.trial import Trial
from flarefree.protocol.schema import Agreement
from flarefree.results import AnalysisResult, Column, Row, Table

__all__ = ["analyze_agreement"]

SOURCES = {"derived": "Derived", "investigator": "Investigator", "committee": "Committee"}
SINGLE = "patients"


def analyze_agreement(trial: Trial, name: str, spec: Agreement) -> AnalysisResult:
    """For each endpoint: who says yes, how pairs of sources agree, and which decided in the end."""
    cohort = trial.require_cohort(spec.population)
    members = cohort.subjects.get_column("subject").implode()
    found = trial.derivation.agreement.filter(
        pl.col("endpoint").is_in(list(spec.endpoints)) & pl.col("subject").is_in(members)
    )
    if found.height == 0:
        raise NotComputableError("No end point of this table was adjudicated: the data hold no decisions.")
    rows: list[Row] = []
    for endpoint in spec.endpoints:
        mine = found.filter(pl.col("endpoint") == endpoint)
        label = trial.spec.endpoints[endpoint].label
        rows.append(Row(label, {}, endpoint=endpoint, is_header=True))
        rows += (
            _rows(mine, endpoint) if mine.height else [Row("No decisions", {}, endpoint=endpoint, indent=1)]
        )
    table = Table(
        name,
        spec.title,
        (Column(SINGLE, "Patients", cohort.subjects.height),),
        tuple(rows),
        stub="End point and source",
        population=spec.population,
        method="Counts; percent agreement among patients on whom both sources decided",
    )
    return finish(name, spec, tables=[table])


def _rows(mine: pl.DataFrame, endpoint: str) -> Iterator[Row]:
    for source, label in SOURCES.items():
        said = mine.get_column(source).drop_nulls()
        if said.len():
            cells = {SINGLE: n_percent(int(said.sum()), said.len())}
            yield Row(f"{label}: event", cells, "event", source, 1, endpoint=endpoint)
    for first, second in combinations(SOURCES, 2):
        yield from _pair(mine, first, second, endpoint)
    final = mine.get_column("final").drop_nulls()
    yield Row(
        "Final: event",
        {SINGLE: n_percent(int(final.sum()), final.len())},
        "event",
        "final",
        1,
        endpoint=endpoint,
    )
    for source, label in SOURCES.items():
        decided = int((mine.get_column("final_from") == source).sum())
        yield Row(
            f"Decided by: {label.lower()}",
            {SINGLE: count(decided)},
            "decided_by",
            source,
            1,
            endpoint=endpoint,
        )


def _pair(mine: pl.DataFrame, first: str, second: str, endpoint: str) -> Iterator[Row]:
    both = mine.select(first, second, f"{first}_day", f"{second}_day").drop_nulls([first, second])
    if both.height == 0:
        return
    a, b = both.get_column(first), both.get_column(second)
    level = f"{first} and {second}"
    words = f"{SOURCES[first]} and {SOURCES[second].lower()}"
    agreed = int((a == b).sum())
    yield Row(
        f"{words}: agree", {SINGLE: n_percent(agreed, both.height)}, "agree", level, 1, endpoint=endpoint
    )
    for says_first, says_second in ((True, True), (True, False), (False, True), (False, False)):
        n = int(((a == says_first) & (b == says_second)).sum())
        term = f"{'yes' if says_first else 'no'}_{'yes' if says_second else 'no'}"
        label = f"{'event' if says_first else 'no event'}, {'event' if says_second else 'no event'}"
        yield Row(label, {SINGLE: count(n)}, term, level, 2, endpoint=endpoint)
    apart = both.filter(a & b).select(
        (pl.col(f"{second}_day").cast(pl.Float64) - pl.col(f"{first}_day").cast(pl.Float64)).abs()
    )
    days = apart.to_series().drop_nulls()
    if days.len():
        median = float(days.median() or 0.0)  # type: ignore[arg-type]
        yield Row(
            "Days between their dates — median",
            {SINGLE: number(median, 0)},
            "days_apart",
            level,
            2,
            unit="days",
            endpoint=endpoint,
        )
