"""A patient's candidate events and records, as an endpoint sees them: which counts, and why not others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from flarefree.endpoints.context import Context
from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.explanation import EventLine, RecordReading, Verdict
from flarefree.endpoints.frames import Labels, events_frame
from flarefree.endpoints.record_sentences import TABLE_NAME, RecordReader
from flarefree.endpoints.source_rows import SourceRows
from flarefree.endpoints.standing import EndpointEvents
from flarefree.protocol.language.nodes import (
    And,
    FieldTest,
    InWindow,
    Node,
    Not,
    Or,
    Records,
    RecordTable,
)
from flarefree.protocol.language.printing import print_node, print_number

__all__ = ["EventHistory", "RecordHistory"]


class EventHistory:
    """Candidate events of a derivation, by patient."""

    def __init__(self, derivation: Derivation, found: EndpointEvents, rows: SourceRows) -> None:
        self._spec = derivation.protocol.spec
        self._found = found
        self._rows = rows
        day_one = derivation.subjects.get_column("randomization_date")
        labels = Labels(derivation.panel, self._spec.schedule, day_one)
        _, row_of = events_frame(found, derivation.protocol, derivation.panel, labels)
        event_of = np.empty(row_of.size, dtype=np.int64)
        event_of[row_of] = np.arange(row_of.size)
        self._mine: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for event, row in zip(event_of.tolist(), derivation.events.iter_rows(named=True), strict=True):
            self._mine.setdefault(row["subject"], []).append((event, row))

    def event(self, subject: str, event: int) -> dict[str, Any]:
        """The row of the events' frame that an event's number became."""
        return next(row for number, row in self._mine[subject] if number == event)

    def lines(self, subject: str, index: int, endpoint: str) -> tuple[EventLine, ...]:
        """Every candidate of an endpoint and its components, in order of day."""
        names = list(self._parts(endpoint))
        mine = [(event, row) for event, row in self._mine.get(subject, ()) if row["endpoint"] in names]
        mine.sort(key=lambda one: (one[1]["day"], names.index(one[1]["endpoint"])))
        return tuple(self._line(index, endpoint, event, row) for event, row in mine)

    def _parts(self, endpoint: str) -> Iterator[str]:
        yield endpoint
        for component in self._spec.endpoints[endpoint].first_of:
            yield from self._parts(component)

    def _line(self, index: int, endpoint: str, event: int, row: dict[str, Any]) -> EventLine:
        is_used = int(self._found.outcomes[endpoint].times.events[index]) == event
        return EventLine(
            row["endpoint"],
            row["day"],
            str(row["date"] or ""),
            row["origin"],
            is_used,
            "" if is_used else self._why_not(index, endpoint, event, row),
            row["confirmed_day"],
            self._rows.of_rows((r["table"], r["index"]) for r in row["rows"]),
        )

    def _why_not(self, index: int, endpoint: str, event: int, row: dict[str, Any]) -> str:
        for part in self._parts(endpoint):
            if (part, event) in self._found.put_aside:
                return self._found.put_aside[part, event]
        if event in self._found.reasons:
            return self._found.reasons[event]
        outcome, spec, day = self._found.outcomes[endpoint], self._spec.endpoints[endpoint], row["day"]
        stop = int(outcome.times.stop_days[index])
        if day < outcome.follow_up.start_days[index]:
            return "before the origin"
        if outcome.times.is_event[index] and day >= stop:
            component = int(outcome.times.components[index])
            by = spec.first_of[component] if spec.first_of and component >= 0 else ""
            return f"pre-empted by {by} on day {stop}" if by else "later than the first"
        by_censoring = int(outcome.follow_up.censored_by[index])
        if day > stop:
            return f"after {spec.censor_at[by_censoring] if by_censoring >= 0 else 'the end of follow-up'}"
        return row["reason"] or "outside the days that count"


class RecordHistory:
    """Records of a patient that a sentence about records was read of, and what each test made of them."""

    def __init__(self, reader: RecordReader, context: Context, rows: SourceRows) -> None:
        self._reader = reader
        self._context = context
        self._rows = rows
        self._of_subject: dict[RecordTable, dict[str, list[tuple[int, dict[str, Any]]]]] = {}
        self._tested: dict[tuple[RecordTable, FieldTest], list[bool | None]] = {}

    def read(self, subject: str, node: Node) -> tuple[RecordReading, ...]:
        """Of a part that has days of its own: records, perhaps within a window, perhaps several kinds."""
        match node:
            case Records():
                return tuple(self._records(subject, node, ()))
            case InWindow(operand=Records() as records):
                return tuple(self._records(subject, records, (node,)))
            case InWindow(operand=operand):
                return self.read(subject, operand)
            case Or(operands=operands):
                return tuple(reading for part in operands for reading in self.read(subject, part))
        return ()

    def _records(self, subject: str, node: Records, windows: tuple[InWindow, ...]) -> Iterator[RecordReading]:
        for place, record in self._mine(node.table, subject):
            verdict, why = (True, ()) if node.where is None else self._test(node, node.where, place, record)
            for window in windows:
                if verdict and not self._is_within(window, record["onset_day"]):
                    verdict, why = False, (f"day {record['onset_day']} is not in the window",)
            row = self._rows.of_row(TABLE_NAME[node.table], record["index"])
            yield RecordReading(row, _VERDICTS[verdict], () if verdict else why)

    def _mine(self, table: RecordTable, subject: str) -> list[tuple[int, dict[str, Any]]]:
        """A patient's records, each with its place in the reader's table."""
        if table not in self._of_subject:
            everyone = self._of_subject[table] = {}
            for place, record in enumerate(self._reader.table(table).iter_rows(named=True)):
                everyone.setdefault(record["subject"], []).append((place, record))
        return self._of_subject[table].get(subject, [])

    def _verdict(self, table: RecordTable, test: FieldTest, place: int) -> bool | None:
        """What a test makes of a record; read of the whole table once, for reports ask of hundreds."""
        if (table, test) not in self._tested:
            frame = self._reader.table(table)
            verdicts = frame.select(self._reader.test(test, frame)).to_series()
            self._tested[table, test] = verdicts.cast(pl.Boolean).to_list()
        return self._tested[table, test][place]

    def _test(
        self, records: Records, node: Node, place: int, record: dict[str, Any]
    ) -> tuple[bool | None, tuple[str, ...]]:
        """A record's verdict, and the tests that decided it."""
        match node:
            case And(operands=operands) | Or(operands=operands):
                parts = [self._test(records, part, place, record) for part in operands]
                verdicts = [verdict for verdict, _ in parts]
                decides = isinstance(node, Or)
                verdict = decides if decides in verdicts else None if None in verdicts else not decides
                return verdict, tuple(text for own, why in parts if own is verdict for text in why)
            case Not(operand=operand):
                verdict, why = self._test(records, operand, place, record)
                return (None if verdict is None else not verdict), tuple(f"not {text}" for text in why)
            case FieldTest(field=field):
                verdict = self._verdict(records.table, node, place)
                value = record.get(field, record.get(f"is_{field}"))
                said = "not recorded" if value is None else _said(value)
                return verdict, (f"{print_node(node)} ({said})",)
        return None, (print_node(node),)

    def _is_within(self, window: InWindow, day: int | None) -> bool:
        if day is None:
            return False
        first, last = window.first_day, window.last_day
        if window.epoch:
            first, last = self._context.epochs[window.epoch]
        return (first is None or day >= first) and (last is None or day <= last)


_VERDICTS: dict[bool | None, Verdict] = {True: "true", False: "false", None: "unknown"}


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return print_number(value) if isinstance(value, int | float) else str(value)
