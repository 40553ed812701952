"""From a value or an event back to the rows of the files it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.endpoints.explanation import SourceRow
from flarefree.endpoints.gathering import assessments_of
from flarefree.endpoints.long_rows import read_rows
from flarefree.endpoints.panel import Panel
from flarefree.protocol.schema import Protocol
from flarefree.records.study import Study

__all__ = ["SourceRows"]

_WHAT = ("test", "drug", "term", "name", "status", "endpoint", "verbatim")
_DAYS = ("day", "start_day", "event_day", "death_day")


@dataclass(slots=True)
class SourceRows:
    """Reads back rows of a study."""

    study: Study
    spec: Protocol
    panel: Panel
    _superseded: dict[str, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)

    def of_value(self, measure: str, at: int) -> tuple[SourceRow, ...]:
        """The row of a measure's value at an assessment, those it superseded, or its inputs' rows."""
        column = self.panel.columns.get(measure)
        if column is None or np.isnan(column.values[at]):
            return ()
        row = int(column.rows[at])
        if row < 0:
            return tuple(found for part in column.inputs for found in self.of_value(part, at))
        subject = str(self.panel.subjects[np.searchsorted(self.panel.offsets, at, side="right") - 1])
        others = self._superseded_by(subject).get(row, ())
        return (self.of_row("observations", row), *(self._set_aside(other) for other in others))

    def of_row(self, table: str, index: int) -> SourceRow:
        """Any row of any table, in words."""
        values = self.study[table].row(index, named=True)
        source, row = values.get("source"), int(values.get("row") or 0)
        origin = (
            self.study.sources[source] if source is not None and source < len(self.study.sources) else None
        )
        day = next((values[name] for name in _DAYS if values.get(name) is not None), None)
        date = next((values[n.replace("day", "date")] for n in _DAYS if values.get(n) is not None), None)
        return SourceRow(
            place=f"{table} row {row}" if origin is None else origin.place(row),
            file=table if origin is None else origin.path,
            row=row,
            table=table,
            what=_what(table, values),
            written=_written(table, values),
            value=values.get("value") if table == "observations" else None,
            unit=str(values.get("unit") or "") if table == "observations" else "",
            day=day,
            date="" if date is None else str(date),
            visit=_visit(values),
        )

    def of_rows(self, rows: Iterable[tuple[str, int]]) -> tuple[SourceRow, ...]:
        """Several rows."""
        return tuple(self.of_row(table, index) for table, index in rows)

    def _set_aside(self, index: int) -> SourceRow:
        return replace(self.of_row("observations", index), superseded=True)

    def _superseded_by(self, subject: str) -> Mapping[int, tuple[int, ...]]:
        """Rows of a patient that another row of the same assessment counted instead of, by that row."""
        if subject not in self._superseded:
            self._superseded[subject] = self._find_superseded(subject)
        return self._superseded[subject]

    def _find_superseded(self, subject: str) -> dict[int, tuple[int, ...]]:
        mine = self.study["observations"].with_row_index("index").filter(pl.col("subject") == subject)
        rows = read_rows(mine.drop("index"), self.spec, pl.Series([subject]))
        numbers, groups = assessments_of(rows, 1, self.spec.schedule)
        index = mine.get_column("index").to_numpy()
        picked = self._picked(subject)
        together: dict[tuple[int, int], list[int]] = {}
        for number, group in zip(numbers.tolist(), groups.tolist(), strict=True):
            if group >= 0:
                key = (group, int(rows.measures[number]))
                together.setdefault(key, []).append(int(index[number]))
        found = {}
        for same in together.values():
            winner = next((row for row in same if row in picked), None)
            if winner is not None and len(same) > 1:
                found[winner] = tuple(row for row in same if row != winner)
        return found

    def _picked(self, subject: str) -> set[int]:
        i = int(np.flatnonzero(self.panel.subjects == subject)[0])
        span = slice(int(self.panel.offsets[i]), int(self.panel.offsets[i + 1]))
        rows: list[npt.NDArray[np.int64]] = [column.rows[span] for column in self.panel.columns.values()]
        return set(np.concatenate(rows).tolist()) if rows else set()


def _what(table: str, values: Mapping[str, Any]) -> str:
    if table == "subjects":
        return "death"
    return next((str(values[name]) for name in _WHAT if values.get(name)), "")


def _written(table: str, values: Mapping[str, Any]) -> str:
    parts: tuple[Any, ...]
    match table:
        case "observations":
            parts = (values.get("original_value") or values.get("text"), values.get("original_unit"))
        case "decisions":
            verdict = {True: "confirmed", False: "refuted", None: "could not be decided"}
            parts = (values.get("reader"), verdict[values.get("is_confirmed")])
        case "medications":
            dose = values.get("dose")
            parts = (None if dose is None else f"{dose:g}", values.get("unit"), values.get("indication"))
        case "dispositions":
            parts = (values.get("reason"),)
        case "procedures":
            parts = (values.get("indication"),)
        case "adverse_events":
            parts = (values.get("severity"),)
        case _:
            parts = ()
    return " ".join(str(part) for part in parts if part)


def _visit(values: Mapping[str, Any]) -> str:
    if values.get("visit"):
        return str(values["visit"])
    number = values.get("visit_number")
    return "" if number is None else f"visit {number:g}"
