"""A risk table with events by interval: read, checked, mended in a stated way where it contradicts itself.

An event column says how many had the event since the column before, up to and at its own time.  A number
at risk may be of those followed beyond its time (`after`), or of those followed up to it (`before`: an
event at that very time still counts as at risk).  Which, the reader of a paper seldom knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from flarefree.errors import EvidenceError
from flarefree.evidence.curves.input_tables import read_frame

__all__ = ["EventTable", "mend", "read_event_table"]

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """Two arms' numbers at risk and events.

    Attributes
    ----------
    labels : tuple of str
    time : (columns,) float
    at_risk, events : (2, columns) int
    """

    labels: tuple[str, str]
    time: Floats
    at_risk: Ints
    events: Ints

    @property
    def leaving(self) -> Ints:
        """How many leave between columns, (2, columns - 1)."""
        return -np.diff(self.at_risk, axis=1)

    def contradictions(self) -> list[tuple[int, int]]:
        """Arm and column with more events than patients who left since the column before."""
        return [(int(a), int(k) + 1) for a, k in np.argwhere(self.events[:, 1:] > self.leaving)]

    def say(self, arm: int, column: int) -> str:
        """A column in words: its events and how many left."""
        return (
            f"{self.labels[arm]}, column {column + 1} (time {self.time[column]:g}): "
            f"{self.events[arm, column]} events, but {self.at_risk[arm, column - 1]} less "
            f"{self.at_risk[arm, column]} at risk leaves {self.leaving[arm, column - 1]}"
        )


def read_event_table(risk_table: Any) -> EventTable:
    """Rows arm, time, at_risk, events; or a mapping of two arms to at_risk and events (and time)."""
    if isinstance(risk_table, Mapping) and all(isinstance(v, Mapping) for v in risk_table.values()):
        frames = [_arm_frame(str(label), columns) for label, columns in risk_table.items()]
        frame = pl.concat(frames) if frames else pl.DataFrame()
    else:
        frame = read_frame(risk_table, where="risk_table")
    if not {"arm", "time", "at_risk", "events"} <= set(frame.columns):
        raise EvidenceError(
            "the table has not the columns that the range needs",
            where="risk_table",
            found=", ".join(frame.columns),
            expected="arm, time, at_risk, events; or a mapping of arm to at_risk and events",
        )
    labels = [str(label) for label in frame["arm"].cast(pl.String).unique(maintain_order=True)]
    if len(labels) != 2:
        raise EvidenceError(
            "the test compares two arms", where="risk_table", found=", ".join(labels), expected="two arms"
        )
    parts = [frame.filter(pl.col("arm").cast(pl.String) == label) for label in labels]
    times = [part["time"].cast(pl.Float64).to_numpy() for part in parts]
    if times[0].size != times[1].size or (times[0] != times[1]).any() or (np.diff(times[0]) <= 0).any():
        raise EvidenceError(
            "the arms' columns are not of the same increasing times",
            where="risk_table",
            found="; ".join(", ".join(f"{t:g}" for t in time) for time in times),
            expected="the same times in both arms",
        )
    table = EventTable(
        (labels[0], labels[1]),
        times[0].astype(np.float64),
        _counts(parts, "at_risk", labels),
        _counts(parts, "events", labels),
    )
    _check(table)
    return table


def _arm_frame(label: str, columns: Mapping[str, Any]) -> pl.DataFrame:
    if not {"at_risk", "events"} <= set(columns) or len(columns["at_risk"]) != len(columns["events"]):
        raise EvidenceError(
            "an arm without its two rows of equal length",
            where=f"risk_table, arm {label!r}",
            found=", ".join(f"{k} ({len(v)})" for k, v in columns.items()),
            expected="at_risk and events, a number a column",
        )
    size = len(columns["at_risk"])
    return pl.DataFrame(
        {
            "arm": [label] * size,
            "time": [float(t) for t in columns.get("time", range(size))],
            "at_risk": pl.Series(list(columns["at_risk"]), strict=False).cast(pl.Float64, strict=False),
            "events": pl.Series(list(columns["events"]), strict=False).cast(pl.Float64, strict=False),
        }
    )


def _counts(parts: list[pl.DataFrame], name: str, labels: list[str]) -> Ints:
    rows = []
    for label, part in zip(labels, parts):
        values = part[name].cast(pl.Float64, strict=False)
        for column, value in enumerate(values):
            if value is None or value != value or value < 0 or value != int(value):
                raise EvidenceError(
                    "not a count",
                    where=f"risk_table, arm {label!r}, {name}, column {column + 1}",
                    found=repr(part[name][column]),
                    expected="a whole number, zero or more",
                )
        rows.append(values.to_numpy().astype(np.int64))
    return np.array(rows)


def _check(table: EventTable) -> None:
    for a, label in enumerate(table.labels):
        if (table.leaving[a] < 0).any():
            k = int(np.flatnonzero(table.leaving[a] < 0)[0])
            raise EvidenceError(
                "the number at risk rises",
                where=f"risk_table, arm {label!r}, column {k + 2}",
                found=f"{table.at_risk[a, k]}, then {table.at_risk[a, k + 1]}",
                expected="numbers that fall or stay",
            )
        if table.events[a, 0]:
            raise EvidenceError(
                "events before the first interval",
                where=f"risk_table, arm {label!r}, column 1",
                found=str(table.events[a, 0]),
                expected="0: a column's events are those since the column before",
                try_="put events of an interval under the time that ends it",
            )
    if table.events.sum() == 0:
        raise EvidenceError(
            "nobody had the event",
            where="risk_table, events",
            found="0",
            expected="events in at least one arm",
        )


def mend(table: EventTable, repair: str | None) -> tuple[EventTable, tuple[str, ...]]:
    """The table without contradictions, and in words what was changed.

    `events`: events beyond those who left are set aside.  `at_risk`: numbers at risk are lowered where
    events ask for it, as few and as late as that goes.
    """
    wrong = table.contradictions()
    if not wrong:
        return table, ()
    told = "\n".join(table.say(a, k) for a, k in wrong)
    if repair is None:
        raise EvidenceError(
            "the table contradicts itself",
            where="risk_table",
            found=told,
            expected="no more events than patients who left the risk set",
            try_="at_risk_means='before' (an event at a column's own time is still at risk there), "
            "repair='at_risk' or repair='events'",
        )
    if repair == "events":
        events = table.events.copy()
        events[:, 1:] = np.minimum(events[:, 1:], table.leaving)
        changed = replace(table, events=events)
        notes = tuple(
            f"{table.labels[a]}, column {k + 1}: {table.events[a, k]} events taken as {events[a, k]}"
            for a, k in wrong
        )
        return changed, notes
    if repair != "at_risk":
        raise EvidenceError(
            "no such repair", where="repair", found=repr(repair), expected="None, 'events', 'at_risk'"
        )
    return _lower_at_risk(table)


def _lower_at_risk(table: EventTable) -> tuple[EventTable, tuple[str, ...]]:
    risk, notes = table.at_risk.copy(), []
    for a, label in enumerate(table.labels):
        for k in range(1, risk.shape[1]):
            most = risk[a, k - 1] - table.events[a, k]
            if most < 0:
                raise EvidenceError(
                    "more events than patients",
                    where=f"risk_table, arm {label!r}, column {k + 1}",
                    found=f"{table.events[a, k]} events of {risk[a, k - 1]} at risk",
                    expected="at most those at risk",
                )
            if risk[a, k] > most:
                notes.append(f"{label}, column {k + 1}: {risk[a, k]} at risk taken as {most}")
                risk[a, k] = most
    return replace(table, at_risk=risk), tuple(notes)
