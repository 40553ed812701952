"""What a report is made of: results, and everything that a reader may want to walk back to.

The caller fills a `ReportContent` (`ReportContent.of` takes most of it from the study); `write_report`
makes the files.  Nothing here is computed from patients' values: rows are named, not evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

import polars as pl

from flarefree.lineage import Source
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.findings import Finding
from flarefree.records.study import Study
from flarefree.results import AnalysisResult

__all__ = ["REPORT_EVENTS_SCHEMA", "REPORT_TIMES_SCHEMA", "Dataset", "DatasetLike", "ReportContent"]

REPORT_EVENTS_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "arm": pl.String,  # the protocol's arm key; null where arms are masked
    "endpoint": pl.String,
    "episode": pl.Int32,
    "day": pl.Int32,
    "confirmed_day": pl.Int32,
    "visit": pl.String,
    "origin": pl.String,  # derived, investigator, committee
    "is_used": pl.Boolean,
    "reason": pl.String,  # why not used
    "places": pl.List(pl.String),  # `lb.csv row 1203 (line 1204): UPCR 132.4 mg/mmol`
}
"""Candidate events as the report lists them, one row each."""

REPORT_TIMES_SCHEMA: dict[str, Any] = {
    "subject": pl.String,
    "arm": pl.String,
    "endpoint": pl.String,
    "stop_day": pl.Int32,
    "is_event": pl.Boolean,
    "component": pl.String,
    "origin": pl.String,
    "event_index": pl.UInt32,  # row of the events; null if censored
}
"""Time to event as the report lists it, one row a patient and endpoint."""

_WORDS = {
    "observations": ("test", "original_value", "original_unit"),
    "exposures": ("drug",),
    "adverse_events": ("term",),
    "medications": ("drug",),
    "procedures": ("name",),
    "clinical_events": ("name",),
    "dispositions": ("status",),
    "medical_history": ("term",),
    "decisions": ("endpoint", "reader"),
}
"""What is said of a row beside its place, by table."""


class DatasetLike(Protocol):
    """What a dataset needs to be written; those of `flarefree.analysis.datasets` have it."""

    @property
    def frame(self) -> pl.DataFrame:
        """Its rows."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of its columns."""

    @property
    def label(self) -> str:
        """Its own."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that tell rows apart."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that is to be written."""

    frame: pl.DataFrame
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything that a report shows.

    Attributes
    ----------
    protocol : LoadedProtocol
    study : str
        The study's name.
    results : tuple of AnalysisResult
        In the order in which they are shown within their sections.
    is_virtual : bool
        The patients are simulated: every page says so.
    findings : tuple of Finding
        What is odd in the data, all of it.
    datasets : mapping of str to DatasetLike
        By name (`ADTTE`): written under `adam/` in four formats.
    events, times : DataFrame
        As `REPORT_EVENTS_SCHEMA` and `REPORT_TIMES_SCHEMA` say.
    populations : mapping of str to set of str
        The subjects of each population, by its name in the protocol, where they are known: a list of
        events then says who of it a table did not count.
    sources : tuple of Source
        The data files, with their digests.
    row_counts : mapping of str to int
        Rows of each table of records.
    explanations : mapping of (subject, endpoint) to str
        Why an event was found, or was not, as text already laid out.
    notes : tuple of str
        Sentences for the head of the report, such as that arms are masked.
    """

    protocol: LoadedProtocol
    study: str
    results: tuple[AnalysisResult, ...]
    is_virtual: bool = False
    findings: tuple[Finding, ...] = ()
    datasets: Mapping[str, DatasetLike] = field(default_factory=dict)
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REPORT_EVENTS_SCHEMA))
    times: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REPORT_TIMES_SCHEMA))
    populations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    row_counts: Mapping[str, int] = field(default_factory=dict)
    explanations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        study: Study,
        protocol: LoadedProtocol,
        results: tuple[AnalysisResult, ...],
        *,
        events: pl.DataFrame | None = None,
        time_to_event: pl.DataFrame | None = None,
        subjects: pl.DataFrame | None = None,
        findings: tuple[Finding, ...] = (),
        datasets: Mapping[str, DatasetLike] = MappingProxyType({}),
        explanations: Mapping[tuple[str, str], str] = MappingProxyType({}),
        notes: tuple[str, ...] = (),
        masked: bool = False,
    ) -> ReportContent:
        """The content for a study's results.

        `events`, `time_to_event` and `subjects` are those of `Derivation`; `findings` come after the
        study's own.
        With `masked`, no event and no finding tells its patient's arm.
        """
        told = (*study.findings, *findings)
        arms = study["subjects"].select("subject", pl.lit(None, pl.String).alias("arm") if masked else "arm")
        return cls(
            protocol=protocol,
            study=study.name,
            results=results,
            is_virtual=study.is_virtual,
            findings=_without_arms(told, study.sources) if masked else told,
            datasets=datasets,
            events=_in_schema(
                None if events is None else with_places(events, study), arms, REPORT_EVENTS_SCHEMA
            ),
            times=_in_schema(time_to_event, arms, REPORT_TIMES_SCHEMA),
            populations={} if subjects is None else _members(subjects),
            sources=study.sources,
            row_counts={name: frame.height for name, frame in study.tables.items() if frame.height},
            explanations=explanations,
            notes=notes,
        )


_ARM_COLUMNS = frozenset(
    (
        "arm",
        "actual_arm",
        "armcd",
        "actarm",
        "actarmcd",
        "trt01p",
        "trt01a",
        "drug",
        "dose",
        "extrt",
        "exdose",
    )
)
"""What findings call the columns, ours and CDISC's, in which a patient's arm or drug stands."""


def _without_arms(findings: tuple[Finding, ...], sources: tuple[Source, ...]) -> tuple[Finding, ...]:
    """The findings, but for what was found where it would tell a patient's arm: arms, drugs, doses."""
    of_doses = {source.path for source in sources if source.table.casefold() in ("exposures", "ex", "ec")}
    return tuple(
        replace(f, found="(masked)")
        if f.found and (f.column.casefold() in _ARM_COLUMNS or f.file in of_doses)
        else f
        for f in findings
    )


def _members(subjects: pl.DataFrame) -> dict[str, frozenset[str]]:
    """Who is in each population: the columns `in_NAME`."""
    flags = [column for column in subjects.columns if column.startswith("in_")]
    return {
        flag.removeprefix("in_"): frozenset(subjects.filter(pl.col(flag)).get_column("subject").to_list())
        for flag in flags
        if subjects.schema[flag] == pl.Boolean
    }


def _in_schema(frame: pl.DataFrame | None, arms: pl.DataFrame, schema: dict[str, Any]) -> pl.DataFrame:
    """The columns of `schema`, with each patient's arm."""
    if frame is None:
        return pl.DataFrame(schema=schema)
    joined = frame.join(arms, on="subject", how="left", maintain_order="left")
    return joined.select(pl.col(name).cast(kind) for name, kind in schema.items())


def with_places(events: pl.DataFrame, study: Study) -> pl.DataFrame:
    """`events` with `places`: each row an event rests on, as a file, a row in it, and what it says."""
    numbered = events.with_row_index("event")
    rests_on = (
        numbered.select("event", "rows")
        .explode("rows")
        .drop_nulls("rows")
        .with_row_index("order")
        .unnest("rows")
        .select("event", "order", "table", pl.col("index").cast(pl.UInt32))
    )
    parts = [_places(rests_on.filter(pl.col("table") == table), study, table) for table in _tables(rests_on)]
    if not parts:
        return events.with_columns(places=pl.lit([], pl.List(pl.String)))
    by_event = (
        pl.concat(parts).sort("event", "order").group_by("event", maintain_order=True).agg(places="place")
    )
    return (
        numbered.join(by_event, on="event", how="left", maintain_order="left")
        .with_columns(pl.col("places").fill_null([]))
        .drop("event")
    )


def _tables(rests_on: pl.DataFrame) -> list[str]:
    return rests_on.get_column("table").unique(maintain_order=True).to_list()


def _places(rests_on: pl.DataFrame, study: Study, table: str) -> pl.DataFrame:
    """Event, order and place of the rows of one table."""
    words = [pl.col(name) for name in _WORDS.get(table, ()) if name in study[table].columns]
    said = pl.concat_str(words, separator=" ", ignore_nulls=True) if words else pl.lit("")
    rows = study[table].with_row_index("index").select("index", "source", "row", said.alias("said"))
    found = rests_on.join(rows, on="index", how="left", maintain_order="left")
    places = [
        f"{study.place(source, row)}{f': {text}' if text else ''}"
        if source is not None
        else f"{table} row {index}"
        for index, source, row, text in found.select("index", "source", "row", "said").iter_rows()
    ]
    return found.select("event", "order").with_columns(place=pl.Series(places, dtype=pl.String))
