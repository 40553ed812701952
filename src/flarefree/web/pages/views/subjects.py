"""Subjects: the list with search and filter, and the page of one with all that its reader may see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.conduct.workflow import SUBJECT
from flarefree.web.pages.asking import may, sees, show
from flarefree.web.pages.flowsheets import flowsheet_of
from flarefree.web.pages.patient import (
    ahead_of,
    courses_of,
    events_table,
    medications_table,
    slugged,
    split_visits,
)
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.pages.views.queries_asked import CLOSE, query_rows
from flarefree.web.pages.wording import in_words
from flarefree.web.queries.subjects import SubjectRow, subject_list, subject_page
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = ["subject", "subjects"]

SCREEN = (("record", "subject.number"),)
_MOST = 200
_MOMENTS = 8


def subjects(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The reader's subjects, by number; a search reads numbers, a filter states and sites."""
    wanted, state, site = (request.GET.get(name, "").strip() for name in ("q", "state", "site"))
    everybody = subject_list(actor)
    found = [
        row
        for row in everybody
        if wanted.casefold() in row.subject.casefold()
        and state in ("", row.status)
        and site in ("", row.site)
    ]
    head = ("Subject", "Site", "State", "Next", "To see to")
    told = {
        "table": table_of("Subjects", head, map(_row, found[:_MOST]), empty="No subject fits."),
        "found": len(found),
        "shown": min(len(found), _MOST),
        "q": wanted,
        "state": state,
        "site": site,
        "states": SUBJECT.states,
        "sites": sorted({row.site for row in everybody}),
        "can_screen": may(actor, SCREEN),
    }
    template = "parts/subjects_found" if request.headers.get("HX-Request") else "subjects"
    return show(request, template, told)


def _row(row: SubjectRow) -> tuple[object, ...]:
    counts = (
        (row.overdue, "overdue"),
        (row.open_queries, "query" if row.open_queries == 1 else "queries"),
        (row.open_flags, "drug flag" if row.open_flags == 1 else "drug flags"),
    )
    coming = f"{row.next_name}, {day(row.next_due)}" if row.next_due else ""
    return (
        Cell(row.subject, reverse("subject", args=[row.subject])),
        row.site,
        Cell(state=row.status),
        coming,
        ", ".join(f"{count} {what}" for count, what in counts if count),
    )


def subject(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """One subject: what is due, what happened, every value."""
    page = subject_page(actor, subject)
    site, protocol = page.subject.site, running_trial().protocol
    near, others = split_visits(page.visits)
    can = {name: sees(actor, field, site, verb) for name, (verb, field) in _ACTS.items()}
    queries = tuple(item for item in page.of("query") if item["status"] != "closed")
    head = ("Subject", "Question", "Raised", "State", "To do")
    told = {
        "page_of": page,
        "subject": page.subject,
        "status": page.status,
        "facts": _facts(page.subject, page.study_day),
        "queries": table_of("Open queries", head, query_rows(actor, queries), empty="No query is open."),
        "has_queries": bool(queries),
        "can": can,
        "sees_visits": sees(actor, "visits.record", site),
        "ahead": ahead_of(page),
        "visits": slugged(near),
        "other_visits": slugged(others),
        "first_visit": protocol.spec.schedule.visits[0].name,
        "plots": courses_of(protocol, page.series),
        "sheet": flowsheet_of(
            protocol,
            page.series,
            subject,
            can_correct=sees(actor, "labs.efficacy", site, "correct"),
            can_ask=may(actor, CLOSE),
        ),
        "sees_values": sees(actor, "labs.efficacy", site),
        "sees_events": sees(actor, "adverse_events.record", site),
        "events": events_table(page, can_correct=can["correct_event"]),
        "moments": page.timeline[:_MOMENTS],
        "earlier": page.timeline[_MOMENTS:],
        "held": tuple(n for n in page.of("note") if n["is_held"] is True) if can["note"] else (),
        "endings": page.of("withdrawal") if sees(actor, "withdrawals.record", site, "correct") else (),
        "sees_drugs": sees(actor, "medications.record", site),
        "drugs": medications_table(page, can_correct=can["correct_drug"], can_approve=can["approve_drug"]),
    }
    return show(request, "subject", told)


_ACTS = {
    "record": ("record", "visits.record"),
    "sign": ("sign", "visits.record"),
    "verify": ("verify", "visits.record"),
    "consent": ("record", "consent.record"),
    "describe": ("record", "subject.characteristics"),
    "judge": ("record", "eligibility.record"),
    "randomize": ("randomize", "allocation.request"),
    "stratum": ("correct", "strata.actual"),
    "kit": ("see", "allocation.kit"),
    "dose": ("see", "doses.instruction"),
    "contact": ("record", "contacts.record"),
    "event": ("record", "adverse_events.record"),
    "correct_event": ("correct", "adverse_events.record"),
    "drug": ("record", "medications.record"),
    "correct_drug": ("correct", "medications.record"),
    "approve_drug": ("approve", "medications.record"),
    "end": ("record", "withdrawals.record"),
    "verdict": ("record", "investigator.verdict"),
    "note": ("record", "free_text.site"),
    "biopsy": ("record", "biopsies.record"),
    "vital": ("record", "vital_status.record"),
    "identity": ("record", "identity.name"),
    "guess": ("record", "site.guess"),
    "erase": ("erase", "identity.name"),
    "break": ("break_code", "code_breaks.answer"),
    "ask": ("query", "visits.record"),
}
"""What the page offers, each with the right that it takes."""


def _facts(thing: Item, study_day: int | None) -> tuple[tuple[str, str], ...]:
    """What the subject is, in words; what its reader does not see is not among it.

    A stratum is named where it is not what stands beside it anyway.
    """
    covariates = running_trial().protocol.spec.covariates
    words = {"sex": {"F": "female", "M": "male"}}
    found = []
    if thing["randomized_at"]:
        found.append(("Randomized", day(str(thing["randomized_at"]))))
        if study_day is not None:
            found.append(("Study day", str(study_day)))
    found.append(("Site", thing.site))
    for name, label in (
        ("sex", "Sex"),
        ("birth_year", "Born"),
        *((n, c.label) for n, c in covariates.items()),
    ):
        value = thing[name]
        if value is not None and label not in dict(found):
            unit = covariates[name].unit if name in covariates else ""
            said = words.get(name, {}).get(str(value), str(value))
            found.append((label, in_words(said, unit) if unit and name != "age" else said))
    for kind, label in (("stratum", "Stratum used"), ("stratum_actual", "Stratum in fact")):
        for attribute in thing.facts:
            name = attribute.removeprefix(f"{kind}.")
            if name != attribute and str(thing[attribute]) != str(thing[name]):
                found.append((f"{label}: {_label(attribute)}", str(thing[attribute])))
    return tuple(found)


def _label(name: str) -> str:
    factor = name.partition(".")[2]
    covariates = running_trial().protocol.spec.covariates
    return (covariates[factor].label if factor in covariates else factor.replace("_", " ")).lower()
