"""What a subject's page shows, made of what its reader sees: visits with windows, courses, values, timeline.

Takes the things of one subject as a query gave them; gives tables and plots.  A value that its reader does
not see is not among the things, and so nowhere on the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from django.urls import reverse

from flarefree.conduct.schedule import Due, dues_of
from flarefree.studytime import study_day
from flarefree.web.commands.endings import Followed, followed_of
from flarefree.web.commands.gates import stands
from flarefree.web.commands.parts import slug_of
from flarefree.web.commands.results import results_among
from flarefree.web.forms.meanings import Written, values_of
from flarefree.web.pages.plots import Level, Line, Plot, Point, draw_plot
from flarefree.web.pages.tables import Cell, Table, table_of

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.web.record.reading import Item

__all__ = ["Moment", "PlannedVisit", "contacts_due", "courses_of", "moments_of", "values_table", "visits_of"]

_NOT_DONE = frozenset({"", "planned", "due", "overdue"})


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit with its window and its state today; `is_next` is the one to do."""

    name: str
    slug: str
    due: date | None
    first: date | None
    last: date | None
    state: str
    on: str = ""
    is_next: bool = False


def visits_of(
    protocol: LoadedProtocol, seen: Sequence[Item], day_one: date | None, today: date
) -> tuple[PlannedVisit, ...]:
    """Every planned visit, and those that were entered beside them."""
    followed = followed_of(seen)
    dues = () if day_one is None else dues_of(protocol.spec, day_one, followed.participation)
    planned = [due for due in dues if due.kind == "visit"]
    rows = [_planned(due, followed, today) for due in planned]
    names = {row.name for row in rows}
    others = [_entered(item) for name, item in followed.visits.items() if name not in names]
    if day_one is None:
        first = protocol.spec.schedule.visits[0].name
        if first not in followed.visits:
            others.insert(0, PlannedVisit(first, slug_of(first), None, None, None, "due", is_next=True))
    waiting = next((n for n, row in enumerate(rows) if row.state in {"due", "overdue"}), None)
    if waiting is not None:
        rows[waiting] = _as_next(rows[waiting])
    return (*others, *rows)


def _planned(due: Due, followed: Followed, today: date) -> PlannedVisit:
    item = followed.visits.get(due.name)
    state = str(item["status"] or "") if item is not None else ""
    if state in _NOT_DONE:
        state = "planned" if today < due.first else "due" if today <= due.last else "overdue"
        if due.closes is not None and today >= due.closes:
            state = "not_needed"
    on = str(item["date"] or "") if item is not None else ""
    return PlannedVisit(due.name, slug_of(due.name), due.due, due.first, due.last, state, on)


def _entered(item: Item) -> PlannedVisit:
    name = str(item["visit"])
    return PlannedVisit(name, slug_of(name), None, None, None, str(item["status"] or ""), str(item["date"] or ""))


def _as_next(row: PlannedVisit) -> PlannedVisit:
    return PlannedVisit(row.name, row.slug, row.due, row.first, row.last, row.state, row.on, True)


def contacts_due(
    protocol: LoadedProtocol, seen: Sequence[Item], day_one: date | None, today: date
) -> tuple[tuple[Due, str], ...]:
    """Planned contacts that are due or overdue, and were not made."""
    if day_one is None:
        return ()
    followed = followed_of(seen)
    done = {one.name for one in followed.happened}
    visited = [one.date for one in followed.happened if one.name in followed.visits]
    found = []
    for due in dues_of(protocol.spec, day_one, followed.participation):
        is_met = due.met_by_visit and due.since is not None and any(due.since <= on <= due.last for on in visited)
        is_closed = due.closes is not None and today >= due.closes
        if due.kind == "contact" and due.name not in done and due.first <= today and not is_met and not is_closed:
            found.append((due, "due" if today <= due.last else "overdue"))
    return tuple(found)


# Courses ------------------------------------------------------------------------------------------


def courses_of(
    protocol: LoadedProtocol, seen: Sequence[Item], day_one: date | None, sex: str = ""
) -> tuple[Plot, ...]:
    """A plot for each measure with two values or more, in the protocol's order and unit."""
    rows = [row for row in results_among(seen) if row["date"]]
    numbers = values_of(
        protocol, [Written(str(r["measure"]), str(r["value"] or ""), str(r["unit"] or "")) for r in rows]
    )
    origin = day_one or min((date.fromisoformat(str(row["date"])) for row in rows), default=date.min)
    by_measure: dict[str, list[Point]] = {}
    for row, number in zip(rows, numbers, strict=True):
        if number is None:
            continue
        on = date.fromisoformat(str(row["date"]))
        day = study_day(on, origin)
        said = f"{on.isoformat()} (day {day}): {row['value']} {row['unit'] or ''}".rstrip()
        is_out = _is_out(protocol, str(row["measure"]), number, sex)
        by_measure.setdefault(str(row["measure"]), []).append(Point(float(day), number, said, is_out))
    plots = (
        _plot(protocol, name, sorted(points, key=lambda p: p.x), sex)
        for name, points in ((n, by_measure.get(n, [])) for n in protocol.spec.measures)
        if len(points) > 1 and protocol.spec.measures[name].type == "number"
    )
    return tuple(plots)


def _normal(protocol: LoadedProtocol, measure: str, sex: str) -> tuple[float | None, float | None]:
    spec = protocol.spec.measures[measure]
    return spec.normal_by_sex.get(sex, spec.normal)  # type: ignore[call-overload, no-any-return]


def _is_out(protocol: LoadedProtocol, measure: str, number: float, sex: str) -> bool:
    if measure not in protocol.spec.measures:
        return False
    low, high = _normal(protocol, measure, sex)
    return (low is not None and number < low) or (high is not None and number > high)


def _plot(protocol: LoadedProtocol, measure: str, points: Sequence[Point], sex: str) -> Plot:
    spec = protocol.spec.measures[measure]
    low, high = _normal(protocol, measure, sex)
    levels = [Level(high, "upper limit of normal")] if high is not None else []
    levels += [Level(low, "lower limit of normal")] if low is not None and low > 0 else []
    return draw_plot(measure.replace("_", "-"), spec.label, (Line(tuple(points)),), unit=spec.unit, levels=levels)


# Values and what happened -------------------------------------------------------------------------


def values_table(protocol: LoadedProtocol, seen: Sequence[Item], *, can_correct: bool, can_ask: bool) -> Table:
    """Every result, the latest first, with what may be done about it."""
    open_about = {str(item["about"]) for item in seen if item.kind == "query" and item["status"] != "closed"}
    rows = []
    for row in sorted(results_among(seen), key=lambda r: (str(r["date"]), r.since), reverse=True):
        act: Cell | str = ""
        if can_correct:
            act = Cell("Correct or see its history", reverse("correct_value", args=[row.kind, row.key]))
        elif can_ask:
            act = Cell("Ask", reverse("raise_query", args=[row.subject, row.kind, row.key]))
        value = Cell(
            f"{row['value']} {row['unit'] or ''}".rstrip(), state="open query" if row.name in open_about else ""
        )
        rows.append((_label(protocol, str(row["measure"])), value, str(row["date"]), str(row["visit"] or ""), act))
    return table_of("Values", ("Measure", "Value", "Date", "Visit", "To do"), rows, empty="No value was entered.")


def _label(protocol: LoadedProtocol, measure: str) -> str:
    spec = protocol.spec.measures.get(measure)
    return spec.label if spec is not None else measure.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline."""

    on: str
    text: str


def moments_of(seen: Sequence[Item]) -> tuple[Moment, ...]:
    """What happened, the latest first."""
    found = [moment for item in seen if stands(item) for moment in _moments(item)]
    return tuple(sorted(found, key=lambda moment: moment.on, reverse=True))


def _moments(item: Item) -> Iterator[Moment]:
    def told(attribute: str) -> str:
        return str(item[attribute] or "")

    texts: Mapping[str, tuple[str, str]] = {
        "subject": ("screened_on", "Screened"),
        "consent": ("given_on", f"Consent, version {told('version')}"),
        "visit": ("date", f"{told('visit')}"),
        "adverse_event": ("start", f"Adverse event: {told('verbatim')}, {told('severity')}"),
        "medication": ("start", f"{told('drug')} begun"),
        "procedure": ("start", f"{told('procedure') or told('name')}"),
        "biopsy": ("date", "Biopsy"),
        "contact": ("date", "Reached by " + told("how") if item["reached"] else "Contact tried in vain"),
        "dispensing": ("date", "Kit handed out"),
        "withdrawal": ("date", f"Ended: {told('what')}, {told('reason')}".rstrip(", ")),
        "vital_status": ("date", f"Vital status: {told('status')}"),
        "code_break": ("ordered_at", "Code broken"),
    }
    if item.kind in texts:
        attribute, text = texts[item.kind]
        if item[attribute]:
            yield Moment(told(attribute)[:10], text)
    if item.kind == "subject" and item["randomized_at"]:
        yield Moment(told("randomized_at")[:10], "Randomized")
