"""What is overdue, and what is to be done soon (V2): visits, calls, yearly vital status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flarefree.conduct.schedule import Due, Overdue
from flarefree.conduct.visibility import Actor
from flarefree.web.clock import now
from flarefree.web.queries.board import Patient, board_now
from flarefree.web.queries.scopes import Sight, Today

__all__ = ["Coming", "coming_up", "overdue"]

_FIELD = {"visit": "visits.record", "contact": "contacts.record"}


@dataclass(frozen=True, slots=True)
class Coming:
    """Something whose window is open, or opens soon."""

    subject: str
    site: str
    due: Due


def overdue(actor: Actor, at: datetime | None = None, *, site: str = "") -> tuple[Overdue, ...]:
    """What should have taken place and did not, the longest late first.

    Parameters
    ----------
    actor : Actor
        Only what they see of: their sites, and visits or contacts as the matrix says.
    at : datetime, optional
        Now, if not given; each site has its own date.
    site : str
        Only this one.
    """
    sight, when = Sight(actor), at or now()
    today = Today(when)
    found = [
        one
        for patient in board_now().of_site(site)
        if _is_seen(sight, patient)
        for one in patient.overdue(today(patient.site))
        if sight.sees(_FIELD[one.due.kind], patient.site)
    ]
    return tuple(sorted(found, key=lambda one: (-one.days_late, one.subject)))


def coming_up(
    actor: Actor, at: datetime | None = None, *, site: str = "", days: int = 14
) -> tuple[Coming, ...]:
    """What may be done now, or within so many days, the most urgent first."""
    sight, when = Sight(actor), at or now()
    today = Today(when)
    found: list[Coming] = []
    for patient in board_now().of_site(site):
        if patient.day_one is None or not _is_seen(sight, patient):
            continue
        on = today(patient.site)
        until = on + timedelta(days=days)
        done = {one.name for one in patient.followed.happened}
        done |= {name for name, visit in patient.followed.visits.items() if visit["status"] == "missed"}
        found += [
            Coming(patient.key, patient.site, due)
            for due in patient.dues
            if due.first <= until
            and on <= due.last
            and (due.closes is None or on < due.closes)
            and due.name not in done
            and sight.sees(_FIELD[due.kind], patient.site)
        ]
    return tuple(sorted(found, key=lambda one: (one.due.last, one.due.due, one.subject)))


def _is_seen(sight: Sight, patient: Patient) -> bool:
    return sight.sees("subject.number", patient.site)
