"""Dashboards: recruitment against plan with a forecast, completeness, contacts to make, a site's page."""

from __future__ import annotations

from datetime import date

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.pages.asking import show
from flarefree.web.pages.plots import Level, Line, Plot, Point, draw_plot
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.queries.dashboards import (
    Completeness,
    Recruitment,
    completeness,
    recruitment,
    site_dashboard,
)
from flarefree.web.queries.overdue import coming_up, overdue
from flarefree.web.trial import running_trial

__all__ = ["completeness_page", "contacts", "recruitment_page", "site_page"]

_DAYS_A_MONTH = 30.4375


def recruitment_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """How many patients, against the plan, and when the target will be reached."""
    found = recruitment(actor)
    rows = [
        (
            Cell(site.site, note=site.title),
            Cell(state="open" if site.is_open else "closed to new patients"),
            site.planned, site.screened, site.failed, site.in_screening, site.randomized,
            day(site.last),
        )
        for site in found.sites
    ]  # fmt: skip
    head = ("Site", "State", "Planned", "Screened", "Failed", "In screening", "Randomized", "Last")
    told = {
        "found": found,
        "table": table_of("Recruitment by site", head, rows, empty="No site has joined."),
        "plot": _recruitment_plot(found),
    }
    return show(request, "recruitment", told)


def _recruitment_plot(found: Recruitment) -> Plot | None:
    """Patients so far by month, and the forecast from now to the target."""
    if not found.by_month:
        return None
    total, points = 0, [Point(0.0, 0.0)]
    for n, (month, count) in enumerate(found.by_month, 1):
        total += count
        points.append(Point(float(n), float(total), f"{month}: {total} in all, {count} in the month"))
    lines = [Line(tuple(points), label=f"{total} so far")]
    now = Point(float(len(found.by_month)), float(total))
    ends = _forecast_ends(found, now)
    band = None
    if ends is not None:
        earliest, median, latest = ends
        lines.append(Line((now, Point(median, float(found.target))), "plan", has_dots=False))
        band = _band(now, earliest, latest, float(found.target))
    levels = (Level(float(found.target), f"target {found.target}", "threshold"),) if found.target else ()
    return draw_plot("recruitment", "Patients randomized", lines, x_label="Month", levels=levels, band=band)


def _forecast_ends(found: Recruitment, now: Point) -> tuple[float, float, float] | None:
    """Months until the target: early, middle, late."""
    forecast = found.forecast
    if forecast is None or forecast.median is None or forecast.earliest is None or forecast.latest is None:
        return None
    first = date.fromisoformat(f"{found.by_month[0][0]}-01")
    dates = (forecast.earliest, forecast.median, forecast.latest)
    early, middle, late = (max(now.x, (when - first).days / _DAYS_A_MONTH) for when in dates)
    return early, middle, late


def _band(
    now: Point, early: float, late: float, target: float
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    return (now, Point(late, target)), (now, Point(early, target))


def completeness_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """How complete the data of each site are."""
    found = completeness(actor)
    rows = [
        (
            Cell(one.site, reverse("site_page", args=[one.site])),
            one.randomized, one.due, _of(one.entered, one), _of(one.signed, one), _of(one.verified, one),
            one.missed, one.overdue, one.open_queries,
        )
        for one in found
    ]  # fmt: skip
    head = (
        "Site",
        "Randomized",
        "Visits due",
        "Entered",
        "Signed",
        "Verified",
        "Missed",
        "Overdue",
        "Open queries",
    )
    measures = running_trial().protocol.spec.measures
    by_measure = [
        (
            Cell(measures[name].label if name in measures else name),
            *(Cell(f"{one.measures.get(name, 0.0):.0%}", is_number=True) for one in found),
        )
        for name in (found[0].measures if found else ())
    ]
    told = {
        "table": table_of("Completeness by site", head, rows, empty="No site has a patient."),
        "measures": table_of(
            "Results for each visit that was entered", ("Measure", *(one.site for one in found)), by_measure,
            empty="No visit was entered.",
        ),
    }  # fmt: skip
    return show(request, "completeness", told)


def _of(count: int, one: Completeness) -> Cell:
    share = f"{count / one.due:.0%}" if one.due else ""
    return Cell(f"{count:,}", note=share, is_number=True)


def site_page(request: HttpRequest, actor: Actor, site: str) -> HttpResponseBase:
    """One site: what it has to do, and how it stands."""
    found = site_dashboard(actor, site)
    late = [
        (
            Cell(one.subject, reverse("subject", args=[one.subject])),
            one.due.name,
            day(one.due.last),
            one.days_late,
        )
        for one in found.overdue
    ]
    soon = [
        (Cell(one.subject, reverse("subject", args=[one.subject])), one.due.name, day(one.due.last))
        for one in found.coming
    ]
    told = {
        "found": found,
        "late": table_of(
            "Overdue", ("Subject", "What", "Was due by", "Days late"), late, empty="Nothing is overdue."
        ),
        "soon": table_of("May be done now", ("Subject", "What", "Until"), soon, empty="Nothing is due."),
        "statuses": tuple(found.by_status.items()),
    }
    return show(request, "site_page", told)


def contacts(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Whom to call: late contacts first."""
    rows = [
        (
            Cell(one.subject, reverse("subject", args=[one.subject])),
            one.due.name,
            day(one.due.last),
            Cell(state="overdue"),
            Cell("Record", reverse("planned_contact", args=[one.subject, one.due.name])),
        )
        for one in overdue(actor)
        if one.due.kind == "contact"
    ]
    rows += [
        (
            Cell(one.subject, reverse("subject", args=[one.subject])),
            one.due.name,
            day(one.due.last),
            Cell(state="due"),
            Cell("Record", reverse("planned_contact", args=[one.subject, one.due.name])),
        )
        for one in coming_up(actor)
        if one.due.kind == "contact"
    ]
    head = ("Subject", "Contact", "By", "State", "To do")
    table = table_of("Contacts to make", head, rows, empty="Nobody is to be called.")
    return show(request, "list", {"title": "Contacts to make", "table": table})
