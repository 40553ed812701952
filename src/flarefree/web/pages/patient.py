"""A subject's page: courses as plots and values as a table, of what its reader sees.

Takes what `queries.subjects` gave; gives plots and tables.  Nothing is read or computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.urls import reverse

from flarefree.web.commands.parts import slug_of
from flarefree.web.pages.plots import Level, Line, Plot, Point, draw_plot
from flarefree.web.pages.tables import Cell, Table, table_of
from flarefree.web.queries.courses import Series
from flarefree.web.queries.subjects import SubjectPage, VisitRow

__all__ = ["courses_of", "events_table", "medications_table", "slugged", "values_table"]

_DAYS = 28


def courses_of(series: Iterable[Series]) -> tuple[Plot, ...]:
    """A plot for each measure with two values or more, in the protocol's order and unit."""
    return tuple(_plot(one) for one in series if len(one.points) > 1)


def _plot(series: Series) -> Plot:
    first = series.points[0].date
    points = tuple(
        Point(
            x=float(point.day if point.day is not None else (point.date - first).days),
            y=point.value,
            said=f"{point.date.isoformat()}: {point.written}"
            + (f" ({point.visit})" if point.visit else "")
            + (", asked about" if point.is_asked_about else ""),
            is_out=_is_out(point.value, series),
        )
        for point in series.points
    )
    levels = [Level(series.upper, "upper limit of normal")] if series.upper is not None else []
    levels += [Level(series.lower, "lower limit of normal")] if series.lower else []
    title = f"{series.label}, computed" if series.is_computed else series.label
    name = series.measure.replace("_", "-")
    return draw_plot(name, title, (Line(points),), unit=series.unit, levels=levels)


def _is_out(value: float, series: Series) -> bool:
    return (series.upper is not None and value > series.upper) or (
        series.lower is not None and value < series.lower
    )


def values_table(series: Sequence[Series], subject: str, *, can_correct: bool, can_ask: bool) -> Table:
    """Every result, the latest first, with what may be done about it."""
    found = [(point, one) for one in series for point in one.points if point.key]
    found.sort(key=lambda pair: pair[0].date, reverse=True)
    rows = []
    for point, one in found:
        act: Cell | str = ""
        if can_correct:
            act = Cell("Correct, or see its history", reverse("correct_value", args=[one.section, point.key]))
        elif can_ask:
            act = Cell("Ask", reverse("raise_query", args=[subject, one.section, point.key]))
        state = "asked about" if point.is_asked_about else "implausible" if point.is_beyond else ""
        rows.append((one.label, Cell(point.written, state=state), point.date.isoformat(), point.visit, act))
    head = ("Measure", "Value", "Date", "Visit", "To do")
    return table_of("Values", head, rows, empty="No value was entered.")


def events_table(page: SubjectPage, *, can_correct: bool) -> Table:
    """Adverse events that stand."""
    rows = [
        (
            Cell(
                str(item["verbatim"] or item["term"] or ""),
                reverse("correct_event", args=[item.key]) if can_correct else "",
                state="serious" if item["is_serious"] else "",
            ),
            str(item["severity"] or ""),
            str(item["relation"] or ""),
            f"{item['start'] or ''} to {item['end'] or 'now'}",
            str(item["outcome"] or ""),
        )
        for item in page.of("adverse_event")
        if item["void"] is not True
    ]
    head = ("What happened", "Severity", "Related", "When", "Outcome")
    return table_of("Adverse events", head, rows, empty="None was entered.")


def medications_table(page: SubjectPage, *, can_correct: bool, can_approve: bool) -> Table:
    """Drugs beside the study drug, with what was flagged about them."""
    flags = [flag for flag in page.of("drug_flag") if flag["status"] != "closed"]
    rows = []
    for item in page.of("medication"):
        if item["void"] is True:
            continue
        said = [str(flag["message"] or "") for flag in flags if flag["medication"] == item.key]
        approve = said and can_approve and not item["approved_by"]
        drug = Cell(
            str(item["drug"] or ""),
            reverse("correct_medication", args=[item.key]) if can_correct else "",
            state="flagged" if said else "",
            note=" ".join(said),
        )
        rows.append(
            (
                drug,
                f"{item['dose'] or ''} {item['unit'] or ''}".strip(),
                str(item["indication"] or ""),
                f"{item['start'] or ''} to {item['end'] or 'now'}",
                Cell("Approve", reverse("approve_medication", args=[item.key])) if approve else "",
            )
        )
    head = ("Drug", "Dose", "What for", "When", "To do")
    return table_of("Drugs", head, rows, empty="None was entered.")


def slugged(rows: Iterable[VisitRow]) -> tuple[tuple[VisitRow, str], ...]:
    """Visits with the word that stands for each in an address."""
    return tuple((row, slug_of(row.name)) for row in rows)
