"""Derived endpoints as frames: events, time to event, states, values, assessability, agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.derivation import (
    AGREEMENT_SCHEMA,
    ASSESSABILITY_SCHEMA,
    EVENTS_SCHEMA,
    STATES_SCHEMA,
    TIME_TO_EVENT_SCHEMA,
    VALUES_SCHEMA,
)
from flarefree.endpoints.evaluate import Evaluator
from flarefree.endpoints.events import Candidates
from flarefree.endpoints.kernels import NO_DAY, UNKNOWN
from flarefree.endpoints.panel import Panel
from flarefree.endpoints.standing import Block, EndpointEvents, Outcome, reasons_not_used
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import Schedule
from flarefree.records.tables import TABLES

__all__ = [
    "agreement_frame",
    "assessability_frame",
    "events_frame",
    "states_frame",
    "time_to_event_frame",
    "values_frame",
]

Ints32 = npt.NDArray[np.int32]
Ints64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_TABLE_NAMES = pl.Series(tuple(TABLES), dtype=pl.String)


class Labels:
    """Subjects, visits and dates by index, as columns."""

    def __init__(self, panel: Panel, schedule: Schedule, day_one: pl.Series) -> None:
        self._subjects = pl.Series(panel.subjects.tolist(), dtype=pl.String)
        self._visits = pl.Series([visit.name for visit in schedule.visits], dtype=pl.String)
        self._numbers = pl.Series([visit.number for visit in schedule.visits], dtype=pl.Float64)
        self._day_one = day_one

    def subjects(self, index: npt.NDArray[Any]) -> pl.Series:
        """Identifiers."""
        return self._subjects.gather(index.astype(np.int64))

    def visits(self, index: npt.NDArray[Any]) -> pl.Series:
        """Names of scheduled visits, null for -1."""
        return _gathered(self._visits, index)

    def numbers(self, index: npt.NDArray[Any]) -> pl.Series:
        """Numbers of scheduled visits, null for -1."""
        return _gathered(self._numbers, index)

    def dates(self, subjects: npt.NDArray[Any], days: Ints32) -> pl.Series:
        """Calendar dates of study days."""
        one = self._day_one.gather(subjects.astype(np.int64)).cast(pl.Int32)
        after = pl.Series(np.where(days > 0, days - 1, days), dtype=pl.Int32)
        return (one + after).cast(pl.Date)


def _gathered(values: pl.Series, index: npt.NDArray[Any]) -> pl.Series:
    with_nothing = pl.concat([values, pl.Series([None], dtype=values.dtype)])
    return with_nothing.gather(np.where(index < 0, len(values), index).astype(np.int64))


def _nullable(values: npt.NDArray[Any], nothing: int) -> pl.Series:
    """Whole numbers, null where they are `nothing`."""
    known = np.where(values == nothing, np.nan, values)
    return pl.Series(known, nan_to_null=True).cast(pl.Int32)


# Events -------------------------------------------------------------------------------------------


def events_frame(
    found: EndpointEvents, protocol: LoadedProtocol, panel: Panel, labels: Labels
) -> tuple[pl.DataFrame, Ints64]:
    """Every candidate event, by endpoint, patient and day; and the row that each event's number became."""
    place = {name: i for i, name in enumerate(protocol.spec.endpoints)}
    told = [one for one in reasons_not_used(found, protocol) if len(one[0].candidates)]
    if not told:
        return pl.DataFrame(schema=EVENTS_SCHEMA), np.empty(0, dtype=np.int64)
    told.sort(key=lambda one: place[one[0].endpoint])
    blocks = [block for block, _, _ in told]
    endpoint = _each(blocks, [place[block.endpoint] for block in blocks])
    ids = np.concatenate([block.ids for block in blocks])
    candidates = Candidates.one_after_another([block.candidates for block in blocks])
    order = np.lexsort((ids, candidates.days, candidates.subjects, endpoint))
    c = candidates.take(order)
    at = c.assessments
    visits = np.where(at >= 0, panel.visits[np.maximum(at, 0)], -1) if panel.n_assessments else at
    origin = _each(blocks, list(range(len(blocks))))
    origins = pl.Series([str(block.origin) for block in blocks], dtype=pl.String)
    reasons = np.concatenate([reasons for _, _, reasons in told])
    frame = pl.DataFrame(
        {
            "subject": labels.subjects(c.subjects),
            "endpoint": pl.Series(list(place), dtype=pl.String).gather(endpoint[order]),
            "episode": pl.Series(_episodes(endpoint[order], c.subjects), dtype=pl.Int32),
            "day": c.days,
            "date": labels.dates(c.subjects, c.days),
            "confirmed_day": _nullable(c.confirmed_days, int(NO_DAY)),
            "assessment": _nullable(at, -1),
            "visit": labels.visits(visits),
            "origin": origins.gather(origin[order]),
            "is_used": np.concatenate([used for _, used, _ in told])[order],
            "reason": pl.Series(reasons[order].tolist(), dtype=pl.String),
            "rows": _row_lists(c.row_starts, c.row_tables, c.row_indices),
        }
    )
    row_of = np.empty(found.n_events, dtype=np.int64)
    row_of[ids[order]] = np.arange(order.size)
    return frame.cast(EVENTS_SCHEMA), row_of  # type: ignore[arg-type]


def _each(blocks: Sequence[Block], values: Sequence[int]) -> Ints64:
    """A value for each event of each block."""
    return np.repeat(np.array(values, dtype=np.int64), [len(block.candidates) for block in blocks])


def _episodes(endpoint: Ints64, subjects: Ints32) -> Ints64:
    """1, 2 ... within each patient and endpoint, which follow each other."""
    is_first = np.ones(subjects.size, dtype=np.bool_)
    is_first[1:] = (subjects[1:] != subjects[:-1]) | (endpoint[1:] != endpoint[:-1])
    place = np.arange(subjects.size)
    return place - np.maximum.accumulate(np.where(is_first, place, 0)) + 1


def _row_lists(starts: Ints64, tables: npt.NDArray[np.int8], indices: Ints64) -> pl.Series:
    """A list of (table, index) for each event.

    Lists of one length are made together: there are few lengths, and hundreds of thousands of events.
    """
    names = _TABLE_NAMES.gather(tables.astype(np.int64))
    flat = pl.DataFrame({"table": names, "index": pl.Series(indices).cast(pl.UInt32)}).to_struct("row")
    lengths = np.diff(starts)
    parts, places = [], []
    for length in np.unique(lengths).tolist():
        which = np.flatnonzero(lengths == length)
        places.append(which)
        if length == 0:
            parts.append(pl.Series([[]] * which.size, dtype=EVENTS_SCHEMA["rows"]))
            continue
        each = (starts[which][:, None] + np.arange(length)).reshape(-1)
        parts.append(flat.gather(each).reshape((which.size, length)).arr.to_list())
    if not parts:
        return pl.Series([], dtype=EVENTS_SCHEMA["rows"])
    place = np.empty(lengths.size, dtype=np.int64)
    place[np.concatenate(places)] = np.arange(lengths.size)
    return pl.concat([part.rename("rows") for part in parts]).gather(place)


def time_to_event_frame(
    found: EndpointEvents, protocol: LoadedProtocol, labels: Labels, row_of: Ints64
) -> pl.DataFrame:
    """One row a patient and an event or composite endpoint; patients without a day of origin have none."""
    names = [name for name, spec in protocol.spec.endpoints.items() if spec.kind in ("event", "composite")]
    if not names:
        return pl.DataFrame(schema=TIME_TO_EVENT_SCHEMA)
    words = pl.Series([*protocol.spec.endpoints, "end of follow-up"], dtype=pl.String)
    code = {name: i for i, name in enumerate(words.to_list())}
    parts = [_times(name, found.outcomes[name], protocol, code) for name in names]
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    is_event, event = columns["is_event"], columns["event"]
    origin = np.full(found.n_events + 1, len(found.blocks), dtype=np.int64)
    for place, block in enumerate(found.blocks):
        origin[block.ids] = place
    origins = pl.Series([*(str(block.origin) for block in found.blocks), "derived"], dtype=pl.String)
    rows = pl.Series(row_of[event] if row_of.size else np.zeros(event.size), dtype=pl.Int64)
    frame = pl.DataFrame(
        {
            "subject": labels.subjects(columns["who"]),
            "endpoint": words.gather(columns["endpoint"]),
            "start_day": columns["start_day"],
            "stop_day": columns["stop_day"],
            "time": columns["time"],
            "is_event": is_event,
            "component": _gathered(words, np.where(is_event, columns["component"], -1)),
            "censored_by": _gathered(words, np.where(is_event, -1, columns["by"])),
            "origin": origins.gather(origin[event]),
            "event_index": rows.set(pl.Series(~is_event), None),
        }
    )
    return frame.cast(TIME_TO_EVENT_SCHEMA)  # type: ignore[arg-type]


def _times(
    name: str, outcome: Outcome, protocol: LoadedProtocol, code: dict[str, int]
) -> dict[str, npt.NDArray[Any]]:
    """One endpoint's lines as arrays; names are codes, `event` is -1 where there was none."""
    spec, times = protocol.spec.endpoints[name], outcome.times
    who = np.flatnonzero(outcome.follow_up.start_days != NO_DAY)
    # Index -1 is the last: the endpoint's own name, and the end of follow-up.
    components = np.array([*(code[part] for part in spec.first_of), code[name]], dtype=np.int64)
    enders = np.array([*(code[other] for other in spec.censor_at), code["end of follow-up"]], dtype=np.int64)
    component = times.components[who] if spec.first_of else np.full(who.size, -1, dtype=np.int32)
    return {
        "who": who,
        "endpoint": np.full(who.size, code[name], dtype=np.int64),
        "start_day": outcome.follow_up.start_days[who],
        "stop_day": times.stop_days[who],
        "time": times.times[who],
        "is_event": times.is_event[who],
        "component": components[component],
        "by": enders[outcome.follow_up.censored_by[who]],
        "event": times.events[who],
    }


# States and values --------------------------------------------------------------------------------


def states_frame(
    found: EndpointEvents, protocol: LoadedProtocol, evaluator: Evaluator, in_trial: Flags, labels: Labels
) -> pl.DataFrame:
    """One row a patient, a state and an assessment."""
    panel = evaluator.panel
    at = np.flatnonzero(in_trial[evaluator.subject])
    parts = []
    for name in protocol.spec.endpoints:
        if name not in found.states:
            continue
        verdicts = found.states[name][at]
        parts.append(
            pl.DataFrame(
                {
                    "subject": labels.subjects(evaluator.subject[at]),
                    "endpoint": pl.repeat(name, at.size, dtype=pl.String, eager=True),
                    "assessment": at,
                    "day": panel.days[at],
                    "visit": labels.visits(panel.visits[at]),
                    "visit_number": labels.numbers(panel.visits[at]),
                    "holds": pl.Series(verdicts).replace(int(UNKNOWN), None).cast(pl.Boolean),
                }
            )
        )
    if not parts:
        return pl.DataFrame(schema=STATES_SCHEMA)
    return pl.concat(parts).cast(STATES_SCHEMA)  # type: ignore[arg-type]


def values_frame(
    protocol: LoadedProtocol, evaluator: Evaluator, in_trial: Flags, labels: Labels
) -> pl.DataFrame:
    """One row a patient, a measure or value endpoint, and an assessment at which it is known."""
    spec = protocol.spec
    parts = []
    for name, measure in spec.measures.items():
        column = evaluator.panel.columns.get(name)
        if column is None:
            continue
        at = np.flatnonzero(~np.isnan(column.values) & in_trial[evaluator.subject])
        base = evaluator.baseline_of(name)[evaluator.subject[at]]
        rows = column.rows[at]
        part = _values(name, measure.unit, column.values[at], column.days[at], at, evaluator, labels)
        parts.append(
            part.with_columns(
                is_baseline=pl.Series(base == at),
                baseline=pl.Series(np.where(base >= 0, column.values[base], np.nan), nan_to_null=True),
                observation=pl.Series(rows, dtype=pl.Int64).replace(-1, None),
                method=pl.Series(np.where(rows < 0, column.method, "").tolist(), dtype=pl.String).replace(
                    "", None
                ),
            )
        )
    for name, endpoint in spec.endpoints.items():
        if endpoint.kind == "value":
            parts.append(_value_endpoint(name, endpoint.unit, evaluator, in_trial, labels))
    if not parts:
        return pl.DataFrame(schema=VALUES_SCHEMA)
    return pl.concat(parts, how="diagonal_relaxed").select(list(VALUES_SCHEMA)).cast(VALUES_SCHEMA)  # type: ignore[arg-type]


def _value_endpoint(
    name: str, unit: str, evaluator: Evaluator, in_trial: Flags, labels: Labels
) -> pl.DataFrame:
    numbers = evaluator.value(evaluator.context.values[name])
    n = evaluator.panel.n_assessments
    values, days = np.broadcast_to(numbers.values, n), np.broadcast_to(numbers.days, n)
    at = np.flatnonzero(~np.isnan(values) & in_trial[evaluator.subject])
    dated = np.where(days[at] == NO_DAY, evaluator.panel.days[at], days[at]).astype(np.int32)
    frame = _values(name, unit, values[at], dated, at, evaluator, labels)
    last_day = evaluator.context.baseline.last_day
    last = (
        frame.with_row_index("place")
        .filter(pl.col("day") <= last_day)
        .group_by("subject", maintain_order=True)
        .agg(pl.col("place").last(), pl.col("value").last().alias("baseline"))
    )
    is_last = pl.Series(np.isin(np.arange(frame.height), last.get_column("place").to_numpy()))
    return frame.join(last.drop("place"), on="subject", how="left", maintain_order="left").with_columns(
        is_baseline=is_last, observation=pl.lit(None, dtype=pl.Int64), method=pl.lit(None, dtype=pl.String)
    )


def _values(
    name: str,
    unit: str,
    values: npt.NDArray[np.float64],
    days: Ints32,
    at: Ints64,
    evaluator: Evaluator,
    labels: Labels,
) -> pl.DataFrame:
    visits = evaluator.panel.visits[at]
    return pl.DataFrame(
        {
            "subject": labels.subjects(evaluator.subject[at]),
            "measure": pl.repeat(name, at.size, dtype=pl.String, eager=True),
            "assessment": at,
            "day": days,
            "visit": labels.visits(visits),
            "visit_number": labels.numbers(visits),
            "value": values,
            "unit": pl.repeat(unit, at.size, dtype=pl.String, eager=True),
        }
    )


# What could be assessed, and how readers agree ----------------------------------------------------


def assessability_frame(
    protocol: LoadedProtocol, evaluator: Evaluator, in_trial: Flags, labels: Labels
) -> pl.DataFrame:
    """At how many assessments after day 1 each sentence was known, and unknown.

    Endpoints that rest on records alone are always known and are left out.
    """
    after = evaluator.panel.days > 1
    who = np.flatnonzero(in_trial)
    parts = []
    for name, spec in protocol.spec.endpoints.items():
        node = protocol.sentences.get(f"endpoints.{name}.{'when' if spec.kind == 'event' else 'state'}")
        node = None if node is None else about_assessments(node, evaluator)
        if node is None:
            continue
        unknown = evaluator.verdicts(node) == UNKNOWN
        counts = [
            np.bincount(evaluator.subject[which & after], minlength=in_trial.size)[who]
            for which in (~unknown, unknown)
        ]
        parts.append(
            pl.DataFrame(
                {
                    "subject": labels.subjects(who),
                    "endpoint": pl.repeat(name, who.size, dtype=pl.String, eager=True),
                    "known": counts[0],
                    "unknown": counts[1],
                }
            )
        )
    if not parts:
        return pl.DataFrame(schema=ASSESSABILITY_SCHEMA)
    return pl.concat(parts).cast(ASSESSABILITY_SCHEMA)  # type: ignore[arg-type]


def about_assessments(node: Any, evaluator: Evaluator) -> Any:
    """The part of a sentence that is read at assessments; None if there is none."""
    from flarefree.endpoints.events import split_sentence

    return split_sentence(node, evaluator.begun)[1]


def agreement_frame(
    found: EndpointEvents, protocol: LoadedProtocol, panel: Panel, in_trial: Flags, labels: Labels
) -> pl.DataFrame:
    """What the rule, the investigator and the committee say of each patient and adjudicated endpoint."""
    parts = []
    who = np.flatnonzero(in_trial)
    for name in protocol.spec.endpoints:
        if name not in found.derived_days:
            continue
        decided = pl.DataFrame([r for r in found.agreement if r["endpoint"] == name], schema=AGREEMENT_SCHEMA)
        base = pl.DataFrame(
            {
                "subject": labels.subjects(who),
                "derived_day": _nullable(found.derived_days[name][who], int(NO_DAY)),
            }
        )
        undecided = base.join(decided, on="subject", how="anti", maintain_order="left").with_columns(
            endpoint=pl.lit(name),
            derived=pl.col("derived_day").is_not_null(),
            final=pl.col("derived_day").is_not_null(),
            final_from=pl.lit("derived"),
        )
        both = pl.concat([decided, undecided], how="diagonal_relaxed").select(list(AGREEMENT_SCHEMA))
        parts.append(base.select("subject").join(both, on="subject", how="left", maintain_order="left"))
    if not parts:
        return pl.DataFrame(schema=AGREEMENT_SCHEMA)
    return pl.concat(parts, how="vertical_relaxed").select(list(AGREEMENT_SCHEMA)).cast(AGREEMENT_SCHEMA)  # type: ignore[arg-type]
