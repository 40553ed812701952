"""Subjects: the list with search and filter, and the page of one with all that its reader may see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.conduct.workflow import SUBJECT
from flarefree.web import clock
from flarefree.web.commands.gates import date_at_site, stands
from flarefree.web.commands.parts import day_one_of
from flarefree.web.pages.asking import may, sees, show
from flarefree.web.pages.patient import contacts_due, courses_of, moments_of, values_table, visits_of
from flarefree.web.pages.tables import Cell, Table, table_of
from flarefree.web.pages.views.queries_asked import CLOSE, query_rows
from flarefree.web.pages.views.screening import subject_seen
from flarefree.web.queries.seeing import see_things
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = ["subject", "subjects"]

SCREEN = (("record", "subject.number"),)
_MOST = 200


def subjects(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The reader's subjects, by number; a search reads numbers, a filter states and sites."""
    wanted, state, site = (request.GET.get(name, "").strip() for name in ("q", "state", "site"))
    seen = see_things(
        actor, "subject", attributes=("status", "screened_on", "randomized_at", "site", "subject")
    )
    found = [
        item
        for item in sorted(seen, key=lambda item: item.key)
        if wanted.lower() in item.key.lower()
        and (not state or item["status"] == state)
        and (not site or item.site == site)
    ]
    rows = [
        (
            Cell(item.key, reverse("subject", args=[item.key])),
            item.site,
            Cell(state=str(item["status"] or "")),
            str(item["screened_on"] or ""),
            str(item["randomized_at"] or "")[:10],
        )
        for item in found[:_MOST]
    ]
    head = ("Subject", "Site", "State", "Screened", "Randomized")
    told = {
        "table": table_of("Subjects", head, rows, empty="No subject fits."),
        "found": len(found),
        "shown": len(rows),
        "q": wanted,
        "state": state,
        "site": site,
        "states": SUBJECT.states,
        "sites": sorted({item.site for item in seen}),
        "can_screen": may(actor, SCREEN),
    }
    template = "parts/subjects_found" if request.headers.get("HX-Request") else "subjects"
    return show(request, template, told)


def subject(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """One subject: what is due, what happened, every value."""
    thing = subject_seen(actor, subject)
    seen = see_things(actor, subject=subject)
    protocol, site = running_trial().protocol, thing.site
    today, day_one = date_at_site(site, clock.now()), day_one_of(thing)
    queries = tuple(i for i in seen if i.kind == "query" and i["status"] != "closed")
    told = {
        "subject": thing,
        "status": str(thing["status"] or ""),
        "facts": _facts(thing),
        "moments": moments_of(seen),
        "queries": table_of(
            "Open queries", ("Subject", "Question", "Raised", "State", "To do"), query_rows(actor, queries),
            empty="No query is open.",
        ),
        "has_queries": bool(queries),
        "can": {name: sees(actor, field, site, verb) for name, (verb, field) in _ACTS.items()},
    }  # fmt: skip
    if sees(actor, "visits.record", site):
        told["visits"] = visits_of(protocol, seen, day_one, today)
        told["contacts"] = contacts_due(protocol, seen, day_one, today)
    if sees(actor, "labs.efficacy", site):
        told["plots"] = courses_of(protocol, seen, day_one, str(thing["sex"] or ""))
        told["values"] = values_table(
            protocol, seen, can_correct=sees(actor, "labs.efficacy", site, "correct"), can_ask=may(actor, CLOSE)
        )
    told["events"] = _events(seen, told["can"]["correct_event"])  # type: ignore[index]
    told["drugs"] = _drugs(seen, told["can"])  # type: ignore[arg-type]
    told["sees_events"] = sees(actor, "adverse_events.record", site)
    told["sees_drugs"] = sees(actor, "medications.record", site)
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
    "break": ("break_code", "code_breaks.answer"),
    "ask": ("query", "visits.record"),
}
"""What the page offers, each with the right that it takes."""


def _facts(thing: Item) -> tuple[tuple[str, str], ...]:
    """What the subject is, in words; what its reader does not see is not among it."""
    covariates = running_trial().protocol.spec.covariates
    words = {"sex": {"F": "female", "M": "male"}}
    found = [("Site", thing.site)]
    for name, label in (("sex", "Sex"), ("birth_year", "Born"), *((n, c.label) for n, c in covariates.items())):
        value = thing[name]
        if value is not None and label not in dict(found):
            found.append((label, words.get(name, {}).get(str(value), str(value))))
    found += [("Stratum used: " + _label(n), str(thing[n])) for n in thing.facts if n.startswith("stratum.")]
    found += [("Stratum in fact: " + _label(n), str(thing[n])) for n in thing.facts if n.startswith("stratum_actual.")]
    if thing["randomized_at"]:
        found.append(("Randomized", str(thing["randomized_at"])[:10]))
    return tuple(found)


def _label(name: str) -> str:
    factor = name.partition(".")[2]
    covariates = running_trial().protocol.spec.covariates
    return (covariates[factor].label if factor in covariates else factor.replace("_", " ")).lower()


def _events(seen: tuple[Item, ...], can_correct: bool) -> Table:
    rows = [
        (
            Cell(
                str(item["verbatim"] or item["term"] or ""),
                reverse("correct_event", args=[item.key]) if can_correct else "",
                state="serious" if item["serious_because"] else "",
            ),
            str(item["severity"] or ""), str(item["relation"] or ""),
            f"{item['start'] or ''} to {item['end'] or 'now'}", str(item["outcome"] or ""),
        )
        for item in seen
        if item.kind == "adverse_event" and stands(item)
    ]  # fmt: skip
    head = ("What happened", "Severity", "Related", "When", "Outcome")
    return table_of("Adverse events", head, rows, empty="None was entered.")


def _drugs(seen: tuple[Item, ...], can: dict[str, bool]) -> Table:
    flags = [item for item in seen if item.kind in {"flag", "finding"} and item["status"] not in {"closed", "void"}]
    rows = []
    for item in seen:
        if item.kind != "medication" or not stands(item):
            continue
        said = [str(flag["message"] or "") for flag in flags if str(flag["about"] or "") == item.name]
        act = Cell("Approve", reverse("approve_medication", args=[item.key])) if said and can["approve_drug"] else Cell()
        drug = Cell(
            str(item["drug"] or ""), reverse("correct_medication", args=[item.key]) if can["correct_drug"] else "",
            state="flagged" if said else "", note=" ".join(said),
        )  # fmt: skip
        dose = f"{item['dose'] or ''} {item['unit'] or ''}".strip()
        rows.append((drug, dose, str(item["indication"] or ""), f"{item['start'] or ''} to {item['end'] or 'now'}", act))
    return table_of("Drugs", ("Drug", "Dose", "What for", "When", "To do"), rows, empty="None was entered.")
