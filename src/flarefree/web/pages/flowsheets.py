"""All values of a patient in one table: a row for each measure, a column for each visit, the latest first.

Takes courses that a query gave; gives cells.  Numbers stand as they were written, with their unit where it is
not the row's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.urls import reverse

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.pages.measures import GROUPS, group_of
from flarefree.web.pages.wording import calm
from flarefree.web.queries.courses import Point, Series

__all__ = ["Column", "Flowsheet", "Row", "Value", "flowsheet_of"]


@dataclass(frozen=True, slots=True)
class Column:
    """A visit, a date on which values were taken without one, or a study day of a dossier."""

    name: str
    date: date | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What stands in one cell.

    Attributes
    ----------
    text, url : str
    side : str
        `above` or `below` its range, or empty.
    note : str
        `asked about`, `implausible`, or empty.
    more : int
        Other values of the same measure in the same column, which the measure's history shows.
    """

    text: str
    url: str = ""
    side: str = ""
    note: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A measure, and its value in each column; None where there is none."""

    label: str
    unit: str
    values: tuple[Value | None, ...]


@dataclass(frozen=True, slots=True)
class Flowsheet:
    """The table: groups of rows under the same columns."""

    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]

    @property
    def span(self) -> int:
        """Cells in a row, its head with them."""
        return len(self.columns) + 1


def flowsheet_of(
    protocol: LoadedProtocol, series: Sequence[Series], subject: str, *, can_correct: bool, can_ask: bool
) -> Flowsheet:
    """Every value that stands, with where it is corrected or asked about."""
    columns = _columns(series)
    places = {column: n for n, column in enumerate(columns)}
    rows: dict[str, list[Row]] = {name: [] for name in GROUPS}
    for one in series:
        links = _links(one, subject, can_correct, can_ask)
        cells = tuple(_cells(one, places, links))
        label = f"{one.label}, computed" if one.is_computed else one.label
        rows[group_of(protocol, one.measure)].append(Row(label, one.unit, cells))
    return Flowsheet(columns, tuple((name, tuple(found)) for name, found in rows.items() if found))


def _columns(series: Iterable[Series]) -> tuple[Column, ...]:
    """A column for each visit; its date is that of most of its values."""
    dates: dict[str, dict[date, int]] = {}
    apart: set[Column] = set()
    for one in series:
        for point in one.points:
            if point.visit and point.visit != _UNPLANNED:
                found = dates.setdefault(point.visit, {})
                found[point.date] = found.get(point.date, 0) + 1
            else:
                apart.add(_column_of(point))
    named = {Column(name, max(found, key=lambda on: (found[on], on))) for name, found in dates.items()}
    return tuple(sorted(named | apart, key=lambda c: (c.date or date.min, c.name), reverse=True))


_UNPLANNED = "Unscheduled"


def _column_of(point: Point) -> Column:
    return Column(point.visit, point.date)


def _cells(series: Series, places: Mapping[Column, int], links: Mapping[str, str]) -> Iterator[Value | None]:
    of_visit = {c.name: n for c, n in places.items() if c.name and c.name != _UNPLANNED}
    found: dict[int, list[Point]] = {}
    for point in series.points:
        at = of_visit.get(point.visit)
        found.setdefault(places[_column_of(point)] if at is None else at, []).append(point)
    for n in range(len(places)):
        points = found.get(n)
        yield _value(points, series, links) if points else None


def _value(points: Sequence[Point], series: Series, links: Mapping[str, str]) -> Value:
    point = points[-1]
    text = calm(point.written.removesuffix(f" {series.unit}") if series.unit else point.written)
    high = point.high if point.high is not None else series.upper
    low = point.low if point.low is not None else series.lower
    side = "above" if high is not None and point.value > high else ""
    side = "below" if low is not None and point.value < low else side
    note = "asked about" if point.is_asked_about else "implausible" if point.is_beyond else ""
    return Value(text, links.get(point.key, ""), side, note, len(points) - 1)


def _links(series: Series, subject: str, can_correct: bool, can_ask: bool) -> dict[str, str]:
    if can_correct:
        found = {
            p.key: reverse("correct_value", args=[series.section, p.key]) for p in series.points if p.key
        }
    elif can_ask:
        told = {p.key: [subject, series.section, p.key] for p in series.points if p.key}
        found = {key: reverse("raise_query", args=args) for key, args in told.items()}
    else:
        found = {}
    return found
