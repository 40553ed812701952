"""When a patient is to be seen and called, in dates at the site; and who is overdue.

Dates are the site's: day 1 is the date there when the patient was randomized, and it stays, whatever zone
the site is in later.  Visits are on study days, as the protocol numbers them.  A contact `every` so many
days counts days; one `every_months` counts calendar months, and falls on the last day of a month that is
too short.  A window is open from the first midnight of its first date at the site to the end of its last.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flarefree.conduct.withdrawals import Participation
from flarefree.errors import ConductError
from flarefree.protocol.schema import Protocol
from flarefree.protocol.schema_dosing import Contact
from flarefree.studytime import study_day

__all__ = [
    "Due",
    "Happened",
    "Overdue",
    "SafetyWindow",
    "SiteZones",
    "add_months",
    "date_of_day",
    "dues_of",
    "instants_of",
    "overdue_of",
    "safety_window",
    "study_day_at",
    "to_row",
]


@dataclass(frozen=True, slots=True)
class SiteZones:
    """A site's time zones: the first from the beginning, others from an instant on.

    Attributes
    ----------
    first : str
        Name of the zone: `America/Toronto`.
    moves : tuple of (datetime, str)
        In order; from this instant on, the zone is this.
    """

    first: str
    moves: tuple[tuple[datetime, str], ...] = ()

    def zone_at(self, instant: datetime) -> ZoneInfo:
        """The zone in force at an instant, which must have a zone of its own."""
        _require_aware(instant)
        name = self.first
        for since, later in self.moves:
            if instant >= since:
                name = later
        return _zone(name)

    def date_at(self, instant: datetime) -> date:
        """The date at the site at an instant."""
        return instant.astimezone(self.zone_at(instant)).date()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConductError(
            "there is no such time zone", where="zone", found=name, expected="a name such as Europe/Paris"
        ) from None


def _require_aware(instant: datetime) -> None:
    if instant.tzinfo is None:
        raise ConductError(
            "an instant needs its zone", where="instant", found=instant.isoformat(), expected="one in UTC"
        )


def instants_of(first: date, last: date, zones: SiteZones) -> tuple[datetime, datetime]:
    """When a window of dates opens and closes, in UTC; the closing instant is outside it.

    A date may have 23 or 25 hours, begin at one o'clock where clocks change at midnight, or, where a country
    moved across the date line, not be at all: then it has no instants, and opens where the next one does.
    """
    return _beginning(first, zones), _beginning(last + timedelta(days=1), zones)


_LONGEST_OFFSET = timedelta(hours=16)


def _beginning(day: date, zones: SiteZones) -> datetime:
    """The first instant, to the second, from which on the site's date is this or a later one.

    Dates at a site do not run back but for an hour at a change of clocks, or where it moves westward: the
    first time counts.  So the search is in steps that no such hour hides, then by halves.
    """
    low = datetime.combine(day, time(), UTC) - _LONGEST_OFFSET
    step = timedelta(minutes=15)
    while zones.date_at(low + step) < day:
        low += step
    high = low + step
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if zones.date_at(middle) < day else (low, middle)
    return high


def date_of_day(day_one: date, day: int) -> date:
    """The date of a study day; there is no day 0."""
    if day == 0:
        raise ConductError(
            "there is no day 0", where="day", found="0", expected="1 or later, or -1 or earlier"
        )
    return day_one + timedelta(days=day - 1 if day > 0 else day)


def add_months(begin: date, months: int) -> date:
    """The same day of a later month, or that month's last: a month after January 31 is February 28 or 29.

    Counted from `begin` each time, so that a short month does not move those after it.
    """
    years, month = divmod(begin.month - 1 + months, 12)
    year, month = begin.year + years, month + 1
    return date(year, month, min(begin.day, monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class Due:
    """Something planned.

    Attributes
    ----------
    kind : str
        `visit` or `contact`.
    name : str
        As the protocol has it; of contacts with their number: `Telephone 3`.
    due, first, last : date
        The target, and the window, both ends counted; it is overdue from the day after `last`.
    met_by_visit : bool
        Whether a visit makes it needless.
    since : date
        From when a visit does.
    closes : date, optional
        From when on it is no longer asked for: the patient left, withdrew consent, died.
    """

    kind: str
    name: str
    due: date
    first: date
    last: date
    met_by_visit: bool = False
    since: date | None = None
    closes: date | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """What took place: the name as planned, the date at the site."""

    name: str
    date: date


def dues_of(spec: Protocol, day_one: date, participation: Participation) -> tuple[Due, ...]:
    """All that is planned for a patient who stands so, in the order of dates, then of the protocol.

    Nothing is due after death, nor after consent was withdrawn; visits and `on_study` contacts end with
    participation, while those `of: stopped` go on.  A stop of the drug alone ends no visit.
    """
    dues = [*_visits(spec, day_one, participation)]
    for contact in spec.schedule.contacts:
        dues += _contacts(contact, day_one, participation)
    end = participation.silent_from
    kept = (replace(due, closes=_earlier(due.closes, end)) for due in dues if end is None or due.due < end)
    return tuple(sorted(kept, key=lambda due: due.due))


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day is not None), default=None)


def _visits(spec: Protocol, day_one: date, participation: Participation) -> Iterator[Due]:
    end = participation.visits_end
    for visit in spec.schedule.visits:
        due = date_of_day(day_one, visit.day)
        first = visit.day if visit.first_day is None else visit.first_day
        last = visit.day if visit.last_day is None else visit.last_day
        if end is None or due < end:
            opens, ends = date_of_day(day_one, first), date_of_day(day_one, last)
            yield Due("visit", visit.name, due, opens, ends, closes=end)


def _contacts(contact: Contact, day_one: date, participation: Participation) -> Iterator[Due]:
    begin, end = _span(contact, participation)
    before = day_one
    for name, due in _rhythm(contact, day_one, participation):
        if begin is not None and begin <= due and (end is None or due < end):
            last = due + timedelta(days=contact.window)
            since = before + timedelta(days=1)
            yield Due("contact", name, due, due, last, contact.met_by_visit, since, end)
        before = due


def _span(contact: Contact, participation: Participation) -> tuple[date | None, date | None]:
    """From which date on, and before which, this contact is made; (None, None) if it is not."""
    beginning = date.min
    match contact.of:
        case "on_study":
            return beginning, participation.visits_end
        case "completed":
            return (beginning if participation.has_completed else None), None
        case "stopped":
            return participation.stopped_on, None
        case "everybody":
            return beginning, None


def _rhythm(contact: Contact, day_one: date, participation: Participation) -> Iterator[tuple[str, date]]:
    if contact.after_last_visit is not None:
        last = participation.last_visit
        if last is not None and participation.visits_end is not None:
            yield contact.name, last + timedelta(days=contact.after_last_visit)
        return
    for k in range(1, _times(contact) + 1):
        due = (
            add_months(day_one, k * contact.every_months)
            if contact.every_months is not None
            else day_one + timedelta(days=k * (contact.every or 0))
        )
        if contact.until is None or (due - day_one).days <= contact.until:
            yield f"{contact.name} {k}", due


def _times(contact: Contact) -> int:
    """An upper bound of how often; a contact without an end is made for ten years."""
    until = contact.until if contact.until is not None else 3653
    shortest = contact.every if contact.every is not None else (contact.every_months or 0) * 28
    return until // shortest if shortest else 0


# Overdue ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Overdue:
    """Something that should have taken place."""

    subject: str
    site: str
    due: Due
    days_late: int


def overdue_of(
    subject: str, site: str, dues: Iterable[Due], happened: Iterable[Happened], today: date
) -> tuple[Overdue, ...]:
    """What is overdue on a date at the site; not on the last date of its window, but the day after.

    A visit that took place outside its window took place.  What was missed by somebody who has left is no
    longer asked for, and after withdrawal of consent nothing is: the list is of what can still be done.
    """
    done = [one for one in happened if one.date <= today]
    waiting = tuple(dues)
    names = {one.name for one in done}
    planned = {due.name for due in waiting if due.kind == "visit"}
    visits = [one.date for one in done if one.name in planned]
    late = (
        due
        for due in waiting
        if due.last < today
        and (due.closes is None or today < due.closes)
        and due.name not in names
        and not _is_met(due, visits)
    )
    return tuple(Overdue(subject, site, due, (today - due.last).days) for due in late)


def _is_met(due: Due, visits: list[date]) -> bool:
    if not due.met_by_visit or due.since is None:
        return False
    return any(due.since <= visit <= due.last for visit in visits)


@dataclass(frozen=True, slots=True)
class SafetyWindow:
    """In which adverse events are still collected after the last visit: both dates are counted."""

    first: date
    last: date

    def holds(self, onset: date) -> bool:
        """Whether an event that began on this date is collected."""
        return self.first <= onset <= self.last


def safety_window(spec: Protocol, last_visit: date) -> SafetyWindow:
    """From the last visit to the date of the safety follow-up, 30 days after it in ALMS.

    Raises
    ------
    ConductError
        The protocol has no contact after the last visit.
    """
    days = [c.after_last_visit for c in spec.schedule.contacts if c.after_last_visit is not None]
    if not days:
        raise ConductError(
            "this protocol collects nothing after the last visit",
            where="schedule.contacts",
            expected="a contact with after_last_visit",
        )
    return SafetyWindow(last_visit, last_visit + timedelta(days=max(days)))


def study_day_at(instant: datetime, day_one: date, zones: SiteZones) -> int:
    """The study day at the site at an instant."""
    return study_day(zones.date_at(instant), day_one)


def to_row(overdue: Overdue) -> dict[str, Any]:
    """For lists and files."""
    return {
        "subject": overdue.subject,
        "site": overdue.site,
        "kind": overdue.due.kind,
        "name": overdue.due.name,
        "due": overdue.due.due.isoformat(),
        "last": overdue.due.last.isoformat(),
        "days_late": overdue.days_late,
    }
