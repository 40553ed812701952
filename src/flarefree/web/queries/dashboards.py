"""Dashboards: recruitment against plan with a forecast, completeness, open queries, a site at a glance.

Nothing here reads an arm, and no count is of anything that depends on one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from flarefree.conduct.recruiting import Forecast, SiteRecord, forecast_recruitment
from flarefree.conduct.schedule import Overdue
from flarefree.conduct.visibility import Actor
from flarefree.web.clock import now
from flarefree.web.commands.asking import is_open
from flarefree.web.commands.gates import date_at_site
from flarefree.web.forms.meanings import entered_measures
from flarefree.web.queries.board import Patient, board_now
from flarefree.web.queries.overdue import Coming, coming_up, overdue
from flarefree.web.queries.scopes import Sight, Today, require_seen
from flarefree.web.record.models import LogRow, Value
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "Completeness",
    "OpenQuery",
    "Recruitment",
    "SiteDashboard",
    "SiteRecruitment",
    "completeness",
    "open_queries",
    "recruitment",
    "site_dashboard",
]

_NOT_COUNTED = frozenset({"screening", "consented", "eligible", "screen_failed"})


# Recruitment --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SiteRecruitment:
    """One site's; `planned` is 0 where nothing was planned for it.

    `days_open` are those on which it was open to new patients of a live trial: a site that joined long before
    the trial began, or has been closed since, is not a slow one.
    """

    site: str
    title: str
    planned: int
    screened: int
    failed: int
    in_screening: int
    randomized: int
    last: date | None
    is_open: bool
    days_open: int


@dataclass(frozen=True)
class Recruitment:
    """Recruitment of the whole trial.

    Attributes
    ----------
    target : int
        The protocol's planned size, else the sum of what sites planned.
    sites : tuple of SiteRecruitment
        By code.
    by_month : tuple of (str, int)
        `2026-03`, patients randomized in it; every month from the first to this.
    forecast : Forecast or None
    """

    target: int
    sites: tuple[SiteRecruitment, ...]
    by_month: tuple[tuple[str, int], ...]
    forecast: Forecast | None

    @property
    def randomized(self) -> int:
        """Patients so far."""
        return sum(site.randomized for site in self.sites)

    @property
    def screened(self) -> int:
        """Patients who were considered."""
        return sum(site.screened for site in self.sites)


def recruitment(actor: Actor, at: datetime | None = None) -> Recruitment:
    """Recruitment against plan, by site.

    Raises
    ------
    ConductError
        Not for the actor's role.
    """
    require_seen(actor, "recruitment.dashboard")
    when = at or now()
    board = board_now()
    patients: dict[str, list[Patient]] = {}
    for one in board.patients.values():
        patients.setdefault(one.site, []).append(one)
    sites = [item for item in read_things("site") if item.key]
    spans = _spans_open()
    rows = tuple(
        _of_site(item, patients.get(item.key, []), spans.get(item.key, []), when)
        for item in sorted(sites, key=lambda item: item.key)
    )
    size = running_trial().protocol.spec.design.planned_size
    target = size or sum(row.planned for row in rows)
    today = when.date()
    records = [SiteRecord(row.site, row.randomized, row.days_open, row.is_open) for row in rows]
    days = sorted(one.day_one for one in board.patients.values() if one.day_one is not None)
    forecast = forecast_recruitment(records, target, today) if target else None
    return Recruitment(target, rows, _by_month(days, today), forecast)


Spans = list[tuple[date, date]]
"""From a date up to another."""


def _spans_open() -> dict[str, Spans]:
    """When each site was open to new patients of a live trial."""
    told = Value.objects.filter(thing__kind__in=("site", "trial"), attribute__in=("is_open", "phase"))
    values = list(told.order_by("entry").values_list("thing__kind", "thing__key", "value", "entry"))
    rows = LogRow.objects.filter(number__in={entry for *_, entry in values})
    dates = {row.number: date.fromisoformat(str(row.to_entry().content["at"])[:10]) for row in rows}
    marks: dict[tuple[str, str], list[tuple[date, bool]]] = {}
    for kind, key, value, entry in values:
        marks.setdefault((kind, key), []).append((dates[entry], value in ("true", '"live"')))
    live = _spans(marks.get(("trial", "this"), []))
    return {key: _both(_spans(own), live) for (kind, key), own in marks.items() if kind == "site"}


def _spans(marks: list[tuple[date, bool]]) -> Spans:
    ends = [day for day, _ in marks[1:]] + [date.max]
    return [(day, end) for (day, holds), end in zip(marks, ends, strict=True) if holds]


def _both(one: Spans, other: Spans) -> Spans:
    return [(max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) < min(b, d)]


def _of_site(item: Item, patients: list[Patient], spans: Spans, at: datetime) -> SiteRecruitment:
    statuses = [str(one.subject["status"] or "screening") for one in patients]
    days = [one.day_one for one in patients if one.day_one is not None]
    today = date_at_site(item.key, at)
    return SiteRecruitment(
        site=item.key,
        title=str(item["title"] or item.key),
        planned=int(item["planned"] or 0),
        screened=len(patients),
        failed=statuses.count("screen_failed"),
        in_screening=sum(status in _NOT_COUNTED - {"screen_failed"} for status in statuses),
        randomized=len(days),
        last=max(days, default=None),
        is_open=item["is_open"] is not False,
        days_open=max(1, sum(max(0, (min(end, today) - begin).days) for begin, end in spans)),
    )


def _by_month(days: list[date], today: date) -> tuple[tuple[str, int], ...]:
    if not days:
        return ()
    counts = Counter(day.strftime("%Y-%m") for day in days)
    # A site east of here may have a patient in the month that begins tomorrow.
    first, last = (day.year * 12 + day.month - 1 for day in (days[0], max(days[-1], today)))
    months = [f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(first, last + 1)]
    return tuple((month, counts.get(month, 0)) for month in months)


# Completeness -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Completeness:
    """How complete a site's data are.

    Attributes
    ----------
    site : str
    randomized : int
    due : int
        Visits whose window has closed, or that took place.
    entered, missed, overdue, signed, verified : int
        Of them; what is verified is signed too, what is signed entered.
    measures : mapping of str to float
        By measure, results for each visit that was entered: 1 where every visit has one.
    open_queries : int
    """

    site: str
    randomized: int
    due: int
    entered: int
    missed: int
    overdue: int
    signed: int
    verified: int
    measures: Mapping[str, float] = field(repr=False)
    open_queries: int = 0

    @property
    def share_entered(self) -> float:
        """Of the visits that are due; 1 where none is."""
        return self.entered / self.due if self.due else 1.0


def completeness(actor: Actor, at: datetime | None = None, *, site: str = "") -> tuple[Completeness, ...]:
    """Completeness by site, of the sites whose visits the actor sees."""
    sight, when = Sight(actor), at or now()
    by_site: dict[str, list[Patient]] = {}
    for one in board_now().of_site(site):
        if sight.sees("visits.record", one.site):
            by_site.setdefault(one.site, []).append(one)
    measures = entered_measures(running_trial().protocol)
    return tuple(
        _complete(code, patients, date_at_site(code, when), measures, sight)
        for code, patients in sorted(by_site.items())
    )


def _complete(
    site: str, patients: list[Patient], today: date, measures: tuple[str, ...], sight: Sight
) -> Completeness:
    counts: Counter[str] = Counter()
    results: Counter[str] = Counter()
    for one in patients:
        counts.update(_visits(one, today))
        results.update(one.results)
    entered = counts["entered"]
    return Completeness(
        site=site,
        randomized=sum(one.day_one is not None for one in patients),
        due=counts["due"],
        entered=entered,
        missed=counts["missed"],
        overdue=counts["overdue"],
        signed=counts["signed"],
        verified=counts["verified"],
        measures={name: min(1.0, results[name] / entered) if entered else 0.0 for name in measures},
        open_queries=sum(is_open(q) for one in patients for q in one.of_kind("query"))
        if sight.sees("queries.record", site)
        else 0,
    )


_STEPS: Mapping[str, tuple[str, ...]] = {
    "entered": ("due", "entered"),
    "signed": ("due", "entered", "signed"),
    "verified": ("due", "entered", "signed", "verified"),
    "missed": ("due", "missed"),
}


def _visits(one: Patient, today: date) -> dict[str, int]:
    late = sum(late.due.kind == "visit" for late in one.overdue(today))
    counts = {"due": late, "overdue": late}
    for status, number in one.visit_statuses.items():
        for step in _STEPS.get(status, ("due",)):
            counts[step] = counts.get(step, 0) + number
    return counts


# Queries ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """A query that is not closed."""

    key: str
    subject: str
    site: str
    about: str
    visit: str
    question: str
    answer: str
    status: str
    raised_by: str
    raised_on: str
    days: int


def open_queries(
    actor: Actor, at: datetime | None = None, *, site: str = "", status: str = ""
) -> tuple[OpenQuery, ...]:
    """Queries that wait for an answer or to be closed, the oldest first."""
    sight, today = Sight(actor), Today(at or now())
    found = [
        _query(item, today(one.site))
        for one in board_now().of_site(site)
        if sight.sees("queries.record", one.site)
        for item in one.of_kind("query")
        if is_open(item) and (not status or item["status"] == status)
    ]
    return tuple(sorted(found, key=lambda query: (query.raised_on, query.subject, query.key)))


def _query(item: Item, today: date) -> OpenQuery:
    raised = str(item["raised_on"] or today.isoformat())
    told = {
        name: str(item[name] or "")
        for name in ("about", "visit", "question", "answer", "status", "raised_by")
    }
    days = (today - date.fromisoformat(raised)).days
    return OpenQuery(item.key, item.subject, item.site, **told, raised_on=raised, days=days)


# A site at a glance -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SiteDashboard:
    """What a site has to do, and how it stands."""

    site: str
    by_status: Mapping[str, int]
    overdue: tuple[Overdue, ...]
    coming: tuple[Coming, ...]
    queries: tuple[OpenQuery, ...]
    completeness: Completeness | None


def site_dashboard(actor: Actor, site: str, at: datetime | None = None) -> SiteDashboard:
    """One site's.

    Raises
    ------
    ConductError
        Not for the actor.
    """
    require_seen(actor, "site.dashboard", site)
    statuses = Counter(str(one.subject["status"] or "screening") for one in board_now().of_site(site))
    complete = completeness(actor, at, site=site)
    return SiteDashboard(
        site=site,
        by_status=dict(sorted(statuses.items())),
        overdue=overdue(actor, at, site=site),
        coming=coming_up(actor, at, site=site),
        queries=open_queries(actor, at, site=site),
        completeness=complete[0] if complete else None,
    )
