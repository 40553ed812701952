"""Subjects: the list with search and filter, and the page of one with all that its reader may see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.conduct.workflow import SUBJECT
from flarefree.web.pages.asking import may, sees, show
from flarefree.web.pages.patient import courses_of, events_table, medications_table, slugged, values_table
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.views.queries_asked import CLOSE, query_rows
from flarefree.web.queries.subjects import SubjectRow, subject_list, subject_page
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = ["subject", "subjects"]

SCREEN = (("record", "subject.number"),)
_MOST = 200


def subjects(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The reader's subjects, by number; a search reads numbers, a filter states and sites."""
    wanted, state, site = (request.GET.get(name, "").strip() for name in ("q", "state", "site"))
    found = subject_list(actor, search=wanted, status=state, site=site)
    head = ("Subject", "Site", "State", "Next", "To see to")
    told = {
        "table": table_of("Subjects", head, map(_row, found[:_MOST]), empty="No subject fits."),
        "found": len(found),
        "shown": min(len(found), _MOST),
        "q": wanted,
        "state": state,
        "site": site,
        "states": SUBJECT.states,
        "sites": sorted({row.site for row in subject_list(actor)}),
        "can_screen": may(actor, SCREEN),
    }
    template = "parts/subjects_found" if request.headers.get("HX-Request") else "subjects"
    return show(request, template, told)


def _row(row: SubjectRow) -> tuple[object, ...]:
    counts = ((row.overdue, "overdue"), (row.open_queries, "queries"), (row.open_flags, "drug flags"))
    coming = f"{row.next_name}, {row.next_due.isoformat()}" if row.next_due else ""
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
    site = page.subject.site
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
        "visits": slugged(page.visits),
        "first_visit": running_trial().protocol.spec.schedule.visits[0].name,
        "contacts": tuple(row for row in page.contacts if row.status in {"due", "overdue"}),
        "plots": courses_of(page.series),
        "values": values_table(
            page.series,
            subject,
            can_correct=sees(actor, "labs.efficacy", site, "correct"),
            can_ask=may(actor, CLOSE),
        ),
        "sees_values": sees(actor, "labs.efficacy", site),
        "sees_events": sees(actor, "adverse_events.record", site),
        "events": events_table(page, can_correct=can["correct_event"]),
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
    """What the subject is, in words; what its reader does not see is not among it."""
    covariates = running_trial().protocol.spec.covariates
    words = {"sex": {"F": "female", "M": "male"}}
    found = [("Site", thing.site)]
    for name, label in (
        ("sex", "Sex"),
        ("birth_year", "Born"),
        *((n, c.label) for n, c in covariates.items()),
    ):
        value = thing[name]
        if value is not None and label not in dict(found):
            found.append((label, words.get(name, {}).get(str(value), str(value))))
    found += [("Stratum used: " + _label(n), str(thing[n])) for n in thing.facts if n.startswith("stratum.")]
    found += [
        ("Stratum in fact: " + _label(n), str(thing[n]))
        for n in thing.facts
        if n.startswith("stratum_actual.")
    ]
    if thing["randomized_at"]:
        found.append(("Randomized", str(thing["randomized_at"])[:10]))
    if study_day is not None and thing["randomized_at"]:
        found.append(("Study day", str(study_day)))
    return tuple(found)


def _label(name: str) -> str:
    factor = name.partition(".")[2]
    covariates = running_trial().protocol.spec.covariates
    return (covariates[factor].label if factor in covariates else factor.replace("_", " ")).lower()
