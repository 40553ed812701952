"""A subject's page: courses as plots and values as a table, of what its reader sees.

Takes what `queries.subjects` gave; gives plots and tables.  Nothing is read or computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.urls import reverse

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.web.commands.asking import is_open
from flarefree.web.commands.parts import slug_of
from flarefree.web.pages.measures import key_measures
from flarefree.web.pages.plots import SMALL, Line, Plot, Point, draw_plot
from flarefree.web.pages.tables import Cell, Table, table_of
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.pages.wording import calm
from flarefree.web.queries.courses import Point as SeriesPoint
from flarefree.web.queries.courses import Series
from flarefree.web.queries.subjects import SubjectPage, VisitRow

__all__ = ["Ahead", "ahead_of", "courses_of", "events_table", "medications_table", "slugged", "split_visits"]

_MOST_VISITS = 3


def courses_of(protocol: LoadedProtocol, series: Iterable[Series]) -> tuple[Plot, ...]:
    """A small plot for each measure that end points rest on and that has two values or more.

    All have the same days, so that what happened together lies together.
    """
    wanted = set(key_measures(protocol))
    shown = [one for one in series if one.measure in wanted and len(one.points) > 1]
    if not shown:
        return ()
    first = min(one.points[0].date for one in shown)
    days = [_day(point, first) for one in shown for point in one.points]
    return tuple(_plot(one, first, (min(days), max(days))) for one in shown)


def _day(point: SeriesPoint, first: date) -> float:
    return float(point.day if point.day is not None else (point.date - first).days)


def _plot(series: Series, first: date, days: tuple[float, float]) -> Plot:
    points = tuple(
        Point(
            x=_day(point, first),
            y=point.value,
            said=f"{point.date.isoformat()}: {point.written}"
            + (f" ({point.visit})" if point.visit else "")
            + (", asked about" if point.is_asked_about else ""),
            is_out=_is_out(point.value, series),
        )
        for point in series.points
    )
    last = series.points[-1]
    return draw_plot(
        series.measure.replace("_", "-"),
        f"{series.label}, computed" if series.is_computed else series.label,
        (Line(points),),
        unit=series.unit,
        x_label="day",
        x_range=days,
        normal=(series.lower, series.upper),
        size=SMALL,
        latest=last.written.removesuffix(f" {series.unit}"),
    )


def _is_out(value: float, series: Series) -> bool:
    return (series.upper is not None and value > series.upper) or (
        series.lower is not None and value < series.lower
    )


def events_table(page: SubjectPage, *, can_correct: bool) -> Table:
    """Adverse events that stand."""
    rows = [
        (
            Cell(
                calm(str(item["verbatim"] or item["term"] or "")),
                reverse("correct_event", args=[item.key]) if can_correct else "",
                state="serious" if item["is_serious"] else "",
            ),
            str(item["severity"] or ""),
            str(item["relation"] or ""),
            f"{day(str(item['start'] or ''))} to {day(str(item['end'] or '')) or 'now'}",
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
            calm(str(item["drug"] or "")),
            reverse("correct_medication", args=[item.key]) if can_correct else "",
            state="flagged" if said else "",
            note=" ".join(said),
        )
        rows.append(
            (
                drug,
                f"{item['dose'] or ''} {item['unit'] or ''}".strip(),
                str(item["indication"] or ""),
                f"{day(str(item['start'] or ''))} to {day(str(item['end'] or '')) or 'now'}",
                Cell("Approve", reverse("approve_medication", args=[item.key])) if approve else "",
            )
        )
    head = ("Drug", "Dose", "What for", "When", "To do")
    return table_of("Drugs", head, rows, empty="None was entered.")


# What is ahead ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a patient's page shows first.

    Attributes
    ----------
    visits : tuple of VisitRow
        Overdue, then due: to be entered.
    coming : VisitRow or None
        The next one that is planned.
    late_contacts, due_contacts : tuple of VisitRow
        The earliest first.
    flags : tuple of str
        Open drug flags, in words.
    """

    visits: tuple[VisitRow, ...]
    coming: VisitRow | None
    late_contacts: tuple[VisitRow, ...]
    due_contacts: tuple[VisitRow, ...]
    flags: tuple[str, ...]

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits."""
        return not (self.visits or self.late_contacts or self.due_contacts or self.flags)


def ahead_of(page: SubjectPage) -> Ahead:
    """What waits, the latest first; many calls that were not made are one line."""
    late = [row for row in page.visits if row.status == "overdue"]
    due = [row for row in page.visits if row.status == "due"]
    planned = (row for row in page.visits if row.status == "planned")
    flags = (flag for flag in page.of("drug_flag") if is_open(flag))
    return Ahead(
        visits=(*late, *due),
        coming=next(planned, None),
        late_contacts=tuple(row for row in page.contacts if row.status == "overdue"),
        due_contacts=tuple(row for row in page.contacts if row.status == "due"),
        flags=tuple(dict.fromkeys(str(flag["message"] or "") for flag in flags)),
    )


def split_visits(rows: Sequence[VisitRow]) -> tuple[tuple[VisitRow, ...], tuple[VisitRow, ...]]:
    """Visits that ask for something or were the last, and the others."""
    done = [row for row in rows if row.date is not None]
    near = {row.name for row in done[-_MOST_VISITS:]}
    near |= {row.name for row in rows if row.status in {"due", "overdue"} or row.open_queries}
    near |= {row.name for row in [row for row in rows if row.status == "planned"][:1]}
    return tuple(r for r in rows if r.name in near), tuple(r for r in rows if r.name not in near)


def slugged(rows: Iterable[VisitRow]) -> tuple[tuple[VisitRow, str], ...]:
    """Visits with the word that stands for each in an address."""
    return tuple((row, slug_of(row.name)) for row in rows)
