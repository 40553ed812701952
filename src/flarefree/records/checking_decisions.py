"""Checks of decisions on events: readers that there are not, events before day 1, one event decided twice."""

from __future__ import annotations

import polars as pl

from flarefree.records.findings import Collector, Severity

__all__ = ["READERS", "check_decisions"]

READERS = ("investigator", "committee")
"""Whose decisions count; the committee's go before the investigator's."""

_ORIGIN = ("source", "row", "subject")


def check_decisions(decisions: pl.DataFrame, findings: Collector) -> None:
    """Decisions that would pass unused, or that say two things of one event.

    Parameters
    ----------
    decisions : DataFrame
        The table `decisions`, with `event_day`.
    findings : Collector
    """
    if decisions.is_empty():
        return
    reader = pl.col("reader").str.strip_chars().str.to_lowercase()
    findings.list_rows(
        decisions.filter(~reader.is_in(READERS).fill_null(False)),
        "unknown-reader",
        Severity.ERROR,
        "there is no such reader; the decision is not used",
        column="reader",
        found=pl.col("reader").fill_null(""),
        expected=" or ".join(READERS),
    )
    findings.list_rows(
        decisions.filter(pl.col("is_confirmed") & (pl.col("event_day") < 1)),
        "event-before-day-one",
        Severity.WARNING,
        "the event that was confirmed lies before day 1",
        column="event_date",
        found=pl.col("event_date").cast(pl.String),
        expected="day 1 or later",
    )
    _check_contradictions(decisions.with_columns(reader=reader), findings)


def _check_contradictions(decisions: pl.DataFrame, findings: Collector) -> None:
    one_event = ["subject", "endpoint", "reader", "event_date"]
    says = pl.col("is_confirmed")
    odd = decisions.filter(says.is_not_null()).filter(says.n_unique().over(one_event) > 1)
    word = pl.when(says).then(pl.lit("confirmed")).otherwise(pl.lit("refuted"))
    findings.list_rows(
        odd.select(*_ORIGIN, "endpoint", "is_confirmed"),
        "contradictory-decisions",
        Severity.WARNING,
        "this reader both confirmed and refuted the same event",
        column="is_confirmed",
        found=pl.format("{} {}", "endpoint", word),
        expected="one decision",
    )
