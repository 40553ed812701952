"""Patients as an actor sees them: the list, and one patient with all that a page needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from flarefree.conduct.schedule import Overdue
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.studytime import study_day
from flarefree.web.clock import now
from flarefree.web.commands.asking import is_open
from flarefree.web.commands.gates import date_at_site, stands
from flarefree.web.commands.parts import day_one_of
from flarefree.web.queries.board import Patient, board_now
from flarefree.web.queries.courses import Series, series_of
from flarefree.web.queries.scopes import Sight, Today
from flarefree.web.queries.seeing import see
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial

__all__ = ["SubjectPage", "SubjectRow", "TimelineEntry", "VisitRow", "subject_list", "subject_page"]


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """One line of the list; None and 0 where the actor does not see it.

    Attributes
    ----------
    subject, site, status : str
    screened_on, day_one, last_visit : date or None
    next_name : str
    next_due : date or None
        The next planned visit or call.
    overdue, open_queries, open_flags : int
    """

    subject: str
    site: str
    status: str
    screened_on: date | None
    day_one: date | None
    last_visit: date | None
    next_name: str
    next_due: date | None
    overdue: int
    open_queries: int
    open_flags: int


def subject_list(
    actor: Actor, at: datetime | None = None, *, site: str = "", status: str = "", search: str = ""
) -> tuple[SubjectRow, ...]:
    """Patients whom the actor sees, by number.

    Parameters
    ----------
    search : str
        Any part of the number.
    """
    sight, when = Sight(actor), at or now()
    wanted = search.casefold().strip()
    today = Today(when)
    rows = []
    for patient in board_now().of_site(site):
        if not sight.sees("subject.number", patient.site) or wanted not in patient.key.casefold():
            continue
        row = _row(sight, patient, today(patient.site))
        if not status or row.status == status:
            rows.append(row)
    return tuple(rows)


def _row(sight: Sight, patient: Patient, today: date) -> SubjectRow:
    site, item = patient.site, patient.subject
    sees_visits = sight.sees("visits.record", site)
    coming = _next(patient, today) if sees_visits else None
    return SubjectRow(
        subject=patient.key,
        site=site,
        status=str(item["status"] or "") if sight.sees("subject.status", site) else "",
        screened_on=_date(item["screened_on"]),
        day_one=patient.day_one if sight.sees("allocation.request", site) else None,
        last_visit=patient.followed.participation.last_visit if sees_visits else None,
        next_name=coming[0] if coming else "",
        next_due=coming[1] if coming else None,
        overdue=len(patient.overdue(today)) if sees_visits else 0,
        open_queries=_open(patient, "query") if sight.sees("queries.record", site) else 0,
        open_flags=_open(patient, "drug_flag") if sight.sees("findings.record", site) else 0,
    )


def _next(patient: Patient, today: date) -> tuple[str, date] | None:
    done = {one.name for one in patient.followed.happened}
    for due in patient.dues:
        if due.last >= today and due.name not in done and (due.closes is None or today < due.closes):
            return due.name, due.due
    return None


def _open(patient: Patient, kind: str) -> int:
    return sum(1 for item in patient.of_kind(kind) if is_open(item))


def _date(written: object) -> date | None:
    return date.fromisoformat(str(written)[:10]) if written else None


# One patient --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A visit of the schedule, or one that took place besides.

    Attributes
    ----------
    name : str
    kind : "visit" or "contact"
    due, first, last : date or None
        Target and window.
    date : date or None
        When it took place.
    status : str
        Of the workflow's table: `planned`, `due`, `overdue`, `entered` ...
    key : str
        Of the visit's thing, if there is one.
    results, open_queries : int
    is_outside : bool
        It took place outside its window.
    """

    name: str
    kind: str
    due: date | None
    first: date | None
    last: date | None
    date: date | None
    status: str
    key: str = ""
    results: int = 0
    open_queries: int = 0
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something with a date; `name` leads to its row."""

    date: str
    kind: str
    words: str
    name: str


@dataclass(frozen=True)
class SubjectPage:
    """All that a patient's page shows, of what the actor sees.

    Attributes
    ----------
    subject : Item
    status : str
    day_one : date or None
    study_day : int or None
        Today's.
    visits, contacts : tuple of VisitRow
    overdue : tuple of Overdue
    series : tuple of Series
        By measure, the protocol's order; eGFR is computed beside creatinine.
    things : mapping of str to tuple of Item
        By kind, in the order in which they came: `adverse_event`, `medication`, `drug_flag`, `query`,
        `finding`, `withdrawal`, `consent`, `eligibility`, `procedure`, `biopsy`, `verdict`, and all other
        kinds that belong to the patient.
    timeline : tuple of TimelineEntry
        The latest first.
    """

    subject: Item
    status: str
    day_one: date | None
    study_day: int | None
    visits: tuple[VisitRow, ...]
    contacts: tuple[VisitRow, ...]
    overdue: tuple[Overdue, ...]
    series: tuple[Series, ...]
    things: Mapping[str, tuple[Item, ...]] = field(repr=False)
    timeline: tuple[TimelineEntry, ...] = field(repr=False)

    def of(self, kind: str) -> tuple[Item, ...]:
        """Things of a kind; none if there are none."""
        return self.things.get(kind, ())


def subject_page(actor: Actor, subject: str, at: datetime | None = None) -> SubjectPage:
    """One patient's page.

    Raises
    ------
    ConductError
        There is none, or not for the actor: the same words.
    """
    when = at or now()
    items = see(actor, read_things(subject=subject))
    thing = next((item for item in items if item.kind == "subject"), None)
    if thing is None or thing["subject"] is None:
        raise ConductError("there is nothing here for you")
    things: dict[str, list[Item]] = {}
    for item in items:
        things.setdefault(item.kind, []).append(item)
    patient = Patient(thing, items)
    today = date_at_site(thing.site, when)
    rows = tuple(_visit_rows(patient, items, today))
    sees_visits = Sight(actor).sees("visits.record", thing.site)
    day_one = patient.day_one
    return SubjectPage(
        subject=thing,
        status=str(thing["status"] or ""),
        day_one=day_one,
        study_day=None if day_one is None else study_day(today, day_one),
        visits=tuple(row for row in rows if row.kind == "visit") if sees_visits else (),
        contacts=tuple(row for row in rows if row.kind == "contact") if sees_visits else (),
        overdue=patient.overdue(today) if sees_visits else (),
        series=series_of(running_trial().protocol, thing, items, day_one),
        things={kind: tuple(found) for kind, found in sorted(things.items())},
        timeline=tuple(_timeline(items)),
    )


def _visit_rows(patient: Patient, items: Iterable[Item], today: date) -> Iterator[VisitRow]:
    kept = tuple(items)
    counts: dict[str, int] = {}
    for item in kept:
        if item.kind in {"lab", "score"} and stands(item) and item["visit"]:
            counts[str(item["visit"])] = counts.get(str(item["visit"]), 0) + 1
    asked: dict[str, int] = {}
    for item in kept:
        if item.kind == "query" and is_open(item) and item["visit"]:
            asked[str(item["visit"])] = asked.get(str(item["visit"]), 0) + 1
    planned = set()
    contacts = {one.name: one.date for one in patient.followed.happened}
    for due in patient.dues:
        planned.add(due.name)
        visit = patient.followed.visits.get(due.name) if due.kind == "visit" else None
        took = _date(visit["date"]) if visit is not None else contacts.get(due.name)
        status = str(visit["status"]) if visit is not None and visit["status"] else ""
        yield VisitRow(
            name=due.name,
            kind=due.kind,
            due=due.due,
            first=due.first,
            last=due.last,
            date=took,
            status=status or _status(due.first, due.last, took, today),
            key=visit.key if visit is not None else "",
            results=counts.get(due.name, 0),
            open_queries=asked.get(due.name, 0),
            is_outside=took is not None and not due.first <= took <= due.last,
        )
    for item in kept:
        if item.kind == "visit" and str(item["visit"]) not in planned:
            name = str(item["visit"])
            yield VisitRow(
                name, "visit", None, None, None, _date(item["date"]), str(item["status"] or ""), item.key,
                counts.get(name, 0), asked.get(name, 0),
            )  # fmt: skip


def _status(first: date, last: date, took: date | None, today: date) -> str:
    if took is not None:
        return "done"
    return "planned" if today < first else "due" if today <= last else "overdue"


# Timeline -----------------------------------------------------------------------------------------

_TOLD: Mapping[str, tuple[str, str]] = {
    "visit": ("date", "{visit}"),
    "contact": ("date", "{contact}"),
    "consent": ("given_on", "Consent, version {version}"),
    "adverse_event": ("start", "{verbatim}"),
    "medication": ("start", "{drug}"),
    "procedure": ("start", "{name}"),
    "biopsy": ("date", "Biopsy: {test} {value}"),
    "verdict": ("date", "Investigator: {endpoint} {says}"),
    "withdrawal": ("date", "End of {what}: {reason}"),
    "vital_status": ("date", "Vital status: {status}"),
    "screen_failure": ("date", "Screening failed: {reason}"),
    "dispensing": ("date", "Study drug handed out"),
}
"""Kinds on the timeline: the attribute that dates them, and their words."""


def _timeline(items: Iterable[Item]) -> list[TimelineEntry]:
    found: list[TimelineEntry] = []
    for item in items:
        if item.kind == "subject":
            found += _of_subject(item)
        elif item.kind in _TOLD and stands(item):
            dated, words = _TOLD[item.kind]
            if item[dated]:
                found.append(TimelineEntry(str(item[dated]), item.kind, _words(words, item), item.name))
            if item.kind == "consent" and item["withdrawn_on"]:
                when = str(item["withdrawn_on"])
                found.append(TimelineEntry(when, "consent", "Consent withdrawn", item.name))
    return sorted(found, key=lambda entry: entry.date, reverse=True)


def _of_subject(item: Item) -> Iterator[TimelineEntry]:
    if item["screened_on"]:
        yield TimelineEntry(str(item["screened_on"]), "subject", "Screened", item.name)
    day_one = day_one_of(item)
    if day_one is not None:
        yield TimelineEntry(day_one.isoformat(), "subject", "Randomized", item.name)


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _words(words: str, item: Item) -> str:
    told = _Known({name: str(fact.value) for name, fact in item.facts.items() if fact.value is not None})
    return words.format_map(told).rstrip(": ")
