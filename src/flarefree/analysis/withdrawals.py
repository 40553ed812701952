"""Who completed and who did not, and why: counts, crude rates, rates per 100 person-years, Fisher's P."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from flarefree.analysis.cells import n_percent, p_value, summary
from flarefree.analysis.comparing import fisher_of_counts
from flarefree.analysis.flow import NOT_RECORDED, reasons_of
from flarefree.analysis.outcome import finish
from flarefree.analysis.populations import unplaced_warning
from flarefree.analysis.rates import follow_up_days, person_years, rate_cell
from flarefree.analysis.trial import TOTAL, Cohort, Trial
from flarefree.lineage import events_anchor
from flarefree.protocol.schema import WithdrawalsTable
from flarefree.results import AnalysisResult, Cell, Column, Row, Table
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["RATE", "CountedLine", "analyze_withdrawals", "counted_row"]

RATE = "_rate"


@dataclass(frozen=True, slots=True)
class CountedLine:
    """One line of a table of patients: how many of each group, and under which names."""

    label: str
    term: str
    level: str
    counts: dict[str, int]
    indent: int = 0
    endpoint: str = ""
    links: dict[str, str] = field(default_factory=dict)


def counted_row(
    trial: Trial,
    line: CountedLine,
    sizes: dict[str, int],
    years: dict[str, float] | None,
    *,
    test: bool,
    total: bool,
) -> Row:
    """A line's counts and crude rates, its rates per 100 person-years, and Fisher's P over all arms."""
    cells: dict[str, Cell] = {
        key: n_percent(n, sizes[key], link=line.links.get(key, "")) for key, n in line.counts.items()
    }
    if years is not None and line.term in ("withdrawn", "event"):
        cells |= {key + RATE: rate_cell(n, years[key]) for key, n in line.counts.items()}
    if total:
        cells[TOTAL] = n_percent(sum(line.counts.values()), sum(sizes.values()))
    if test and trial.overall_key:
        compared = fisher_of_counts(list(line.counts.values()), [sizes[key] for key in line.counts])
        cells[trial.overall_key] = p_value(compared.p_value)
    return Row(line.label, cells, line.term, line.level, line.indent, endpoint=line.endpoint)


def analyze_withdrawals(trial: Trial, name: str, spec: WithdrawalsTable) -> AnalysisResult:
    """Completion, withdrawal by reason, and the events listed with them."""
    cohort = trial.require_cohort(spec.population)
    sizes = cohort.sizes
    years = person_years(cohort) if spec.rates else None
    lines = [*_disposition(trial, cohort), *_events(trial, cohort, spec)]
    rows = [
        counted_row(trial, line, sizes, years, test=_is_tested(line, spec), total=spec.show_total)
        for line in lines
    ]
    rows += _follow_up(cohort, spec.show_total)
    columns: list[Column] = list(cohort.columns())
    if years is not None:
        columns += cohort.columns(RATE, "rate per 100 person-years", with_n=False)
    if spec.show_total:
        columns.append(cohort.total_column())
    if spec.test:
        columns += trial.overall_column()
    table = Table(
        name,
        spec.title,
        tuple(columns),
        tuple(rows),
        stub="Disposition — no. of patients (%)",
        population=spec.population,
        method="Fisher's exact test, two-sided" if spec.test and trial.overall_key else "",
        footnotes=_footnotes(years, cohort),
    )
    unknown = cohort.subjects.get_column("follow_up_end_day").null_count() if years is not None else 0
    return finish(
        name,
        spec,
        tables=[table],
        warnings=[
            *unplaced_warning(cohort.label, cohort.unplaced),
            *(
                [f"The end of follow-up is not known of {unknown} patients; they add no time."]
                if unknown
                else []
            ),
        ],
        methods=[table.method, *(["Rates: exact (Garwood) limits"] if years is not None else [])],
    )


def _footnotes(years: dict[str, float] | None, cohort: Cohort) -> tuple[str, ...]:
    if years is None:
        return ()
    parts = [f"{group.label} {years[group.key]:.1f}" for group in cohort.groups]
    return (
        f"Person-years of follow-up: {', '.join(parts)}. "
        "The rate is the number of patients over all the follow-up of their arm.",
    )


def _is_tested(line: CountedLine, spec: WithdrawalsTable) -> bool:
    if spec.test != "fisher":
        return False
    wanted = {text.casefold() for text in spec.test_reasons}
    return not wanted or bool(
        {line.label.casefold(), line.level.casefold(), line.term.casefold()} & wanted - {""}
    )


def _disposition(trial: Trial, cohort: Cohort) -> Iterator[CountedLine]:
    yield CountedLine("Completed", "completed", "", _counts(cohort, pl.col("status") == "completed"))
    withdrawn = pl.col("status") == "withdrawn"
    yield CountedLine("Did not complete", "withdrawn", "", _counts(cohort, withdrawn))
    for reason in reasons_of(trial, cohort.subjects):
        mine = pl.col("reason").is_null() if reason == NOT_RECORDED else pl.col("reason") == reason
        yield CountedLine(reason, "withdrawn", reason, _counts(cohort, withdrawn & mine), 1)
    ongoing = _counts(cohort, pl.col("status") == "ongoing")
    if any(ongoing.values()):
        yield CountedLine("Still in the trial", "ongoing", "", ongoing)


def _counts(cohort: Cohort, condition: pl.Expr) -> dict[str, int]:
    return cohort.restricted(condition.fill_null(False)).sizes


def _events(trial: Trial, cohort: Cohort, spec: WithdrawalsTable) -> Iterator[CountedLine]:
    for endpoint in spec.events:
        had = trial.derivation.time_to_event.filter(
            (pl.col("endpoint") == endpoint) & pl.col("is_event").fill_null(False)
        )
        members = pl.col("subject").is_in(had.get_column("subject").implode())
        links = {group.key: events_anchor(endpoint, group.key) for group in cohort.groups}
        label = trial.spec.endpoints[endpoint].label
        yield CountedLine(label, "event", endpoint, _counts(cohort, members), endpoint=endpoint, links=links)


def _follow_up(cohort: Cohort, total: bool) -> Iterator[Row]:
    """Months of follow-up of those who did not complete."""
    withdrawn = cohort.subjects.filter(pl.col("status") == "withdrawn")
    if withdrawn.height == 0:
        return
    months = withdrawn.select("group", months=follow_up_days() / DAYS_PER_MONTH)
    parts = {g.key: months.filter(pl.col("group") == g.key) for g in cohort.groups}
    parts |= {TOTAL: months} if total else {}
    cells = {
        key: summary(part.get_column("months").fill_null(np.nan).to_numpy(), "median_iqr", 1)
        for key, part in parts.items()
    }
    label = "Months of follow-up of those who did not complete — median (IQR)"
    yield Row(
        label, cells, term="follow_up", level="withdrawn", unit="months", method="Quantiles are R's type 7"
    )
