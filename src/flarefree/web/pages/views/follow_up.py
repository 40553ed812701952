"""What happens to a patient between visits: contacts, harms, drugs, deaths, the end of participation."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.conduct.withdrawals import Ending, reasons_of
from flarefree.web import clock
from flarefree.web.commands.adjudication_closing import SendNote
from flarefree.web.commands.base import Command
from flarefree.web.commands.events import (
    CorrectAdverseEvent,
    RecordAdverseEvent,
    RecordBiopsy,
    RecordProcedure,
    RecordVerdict,
)
from flarefree.web.commands.follow_up import (
    CompleteStudy,
    LeaveStudy,
    RecordContact,
    RecordVitalStatus,
    StopDrug,
)
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.medications import ApproveMedication, CorrectMedication, RecordMedication
from flarefree.web.pages.asking import ask_page
from flarefree.web.pages.forms import AskForm, Input, form_of
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.queries.seeing import see_thing
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = [
    "adverse_event", "approve_medication", "biopsy", "complete", "contact", "correct_event",
    "correct_medication",
    "leave_study", "medication", "note", "procedure", "stop_drug", "verdict", "vital_status",
]  # fmt: skip

_PARTIAL = "As much as is known: 2026-03-14, or 2026-03, or 2026"
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")
_SEVERITY = tuple((v, v.capitalize()) for v in ("mild", "moderate", "severe", "life-threatening", "fatal"))
_SERIOUS = tuple(
    (v, v.capitalize())
    for v in (
        "death",
        "life-threatening",
        "hospitalization",
        "disability",
        "congenital anomaly",
        "medically important",
    )
)
_RELATION = tuple(
    (v, v.capitalize())
    for v in ("not related", "unlikely", "possible", "probable", "definite", "not assessed")
)
_ACTION = tuple(
    (v, v.capitalize())
    for v in ("none", "dose reduced", "drug interrupted", "drug stopped", "not applicable", "unknown")
)
_OUTCOME = tuple(
    (v, v.capitalize())
    for v in ("recovered", "recovering", "not recovered", "recovered with sequelae", "fatal", "unknown")
)


def _page(
    request: HttpRequest,
    actor: Actor,
    subject: str,
    form: AskForm,
    title: str,
    button: str = "Save",
    **told: Any,
) -> HttpResponseBase:
    return ask_page(
        request, actor, form, title=title, button=button, then=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject), **told,
    )  # fmt: skip


def _today(thing: Item) -> Any:
    return date_at_site(thing.site, clock.now())


def contact(request: HttpRequest, actor: Actor, subject: str, contact: str = "") -> HttpResponseBase:
    """A telephone call, also one in vain."""
    thing = subject_seen(actor, subject)
    form = form_of(
        RecordContact,
        Input(
            "contact",
            "Which planned contact",
            is_required=False,
            value=contact,
            hint="Empty for one that nobody planned.",
        ),
        Input("date", "Date", "date", is_short=True),
        Input(
            "reached",
            "Was the patient reached?",
            "radio",
            choices=(("true", "Yes"), ("false", "No, tried in vain")),
        ),
        Input(
            "how",
            "How",
            "choice",
            value="telephone",
            choices=tuple((v, v.capitalize()) for v in ("telephone", "letter", "relatives", "family doctor")),
        ),
        Input("words", "What was said", "long", is_required=False),
        fixed={"subject": subject},
        initial={"date": _today(thing)},
    )
    return _page(request, actor, subject, form, f"A contact with {subject}")


def vital_status(request: HttpRequest, actor: Actor, subject: str, contact: str = "") -> HttpResponseBase:
    """Whether a patient lives."""
    thing = subject_seen(actor, subject)
    form = form_of(
        RecordVitalStatus,
        Input("date", "Known on", "date", is_short=True),
        Input(
            "status",
            "The patient is",
            "radio",
            choices=(("alive", "Alive"), ("dead", "Dead"), ("unknown", "Not known")),
        ),
        Input("death_date", "Died on", "date", is_short=True, is_required=False),
        Input("cause", "Cause of death", is_required=False),
        Input("source", "Who said it", value="the patient"),
        fixed={"subject": subject, "contact": contact},
        initial={"date": _today(thing)},
    )
    return _page(request, actor, subject, form, f"Vital status of {subject}")


def adverse_event(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """A harm, in the patient's words and in the field's."""
    subject_seen(actor, subject)
    form = form_of(RecordAdverseEvent, *_event_inputs(), fixed={"subject": subject})
    return _page(request, actor, subject, form, f"An adverse event of {subject}")


def correct_event(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """Completed or corrected; what stood stays in the log."""
    row = _row(actor, "adverse_event", key)
    optional = tuple(_optional(given) for given in _event_inputs())
    initial = {given.name: row[given.name] for given in optional}
    initial["serious_because"] = "\n".join(_criteria(row))
    form = form_of(CorrectAdverseEvent, *optional, _WHY, fixed={"key": key}, initial=initial)
    return _page(request, actor, row.subject, form, f"An adverse event of {row.subject}")


def _criteria(row: Item) -> list[str]:
    told = str(row["serious_because"] or "")
    return [value for value, _ in _SERIOUS if value in told]


def _event_inputs() -> tuple[Input, ...]:
    return (
        Input("verbatim", "What happened", hint="In the words of who reports it."),
        Input("term", "Coded term", is_required=False),
        Input("body_system", "Body system", is_required=False),
        Input("start", "Began", hint=_PARTIAL, is_short=True),
        Input("end", "Ended", hint="Empty while it goes on.", is_short=True, is_required=False),
        Input("severity", "Severity", "radio", choices=_SEVERITY),
        Input(
            "serious_because",
            "Serious because of",
            "checks",
            choices=_SERIOUS,
            is_required=False,
            hint="None ticked: not serious.",
        ),
        Input("relation", "Related to a study drug", "choice", choices=_RELATION, value="not assessed"),
        Input("action", "What was done with the study drug", "choice", choices=_ACTION, value="none"),
        Input("outcome", "Outcome", "choice", choices=_OUTCOME, value="unknown"),
        Input("caused_withdrawal", "The patient stopped the drug or left because of it", "check"),
        Input("narrative", "Narrative", "long", is_required=False),
    )


def _optional(given: Input) -> Input:
    from dataclasses import replace

    return replace(given, is_required=False)


def medication(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """A drug beside the study drug; what the protocol forbids or what interacts is flagged at once."""
    thing = subject_seen(actor, subject)
    form = form_of(
        RecordMedication, *_drug_inputs(), fixed={"subject": subject}, initial={"start": _today(thing)}
    )
    return _page(request, actor, subject, form, f"A drug of {subject}")


def correct_medication(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """Ended, or entered better."""
    row = _row(actor, "medication", key)
    optional = tuple(_optional(given) for given in _drug_inputs())
    initial = {given.name: row[given.name] for given in optional}
    form = form_of(CorrectMedication, *optional, _WHY, fixed={"key": key}, initial=initial)
    return _page(request, actor, row.subject, form, f"{row['drug']} of {row.subject}")


def _drug_inputs() -> tuple[Input, ...]:
    return (
        Input("drug", "Drug", hint="Brand or generic name"),
        Input("dose", "Dose", "number", is_short=True, is_required=False),
        Input("unit", "Unit", is_short=True, is_required=False, hint="As mg/day"),
        Input("route", "Route", is_short=True, is_required=False),
        Input("frequency", "How often", is_short=True, is_required=False),
        Input("indication", "What for", is_required=False),
        Input("start", "Begun", hint=_PARTIAL, is_short=True),
        Input("end", "Ended", hint="Empty while it goes on.", is_short=True, is_required=False),
        Input(
            "prednisone_mg",
            "As prednisone",
            "number",
            unit="mg/day",
            is_short=True,
            is_required=False,
            hint="Of a glucocorticoid",
        ),
    )


def approve_medication(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """The medical monitor's word on a drug that needs it."""
    row = _row(actor, "medication", key)
    form = form_of(ApproveMedication, _WHY, fixed={"key": key})
    return _page(request, actor, row.subject, form, f"Approve {row['drug']} for {row.subject}", "Approve")


def procedure(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """Dialysis, transplantation, plasmapheresis, another procedure."""
    subject_seen(actor, subject)
    form = form_of(
        RecordProcedure,
        Input("procedure", "Procedure"),
        Input("start", "Begun", hint=_PARTIAL, is_short=True),
        Input("end", "Ended", is_short=True, is_required=False),
        Input("category", "Sort", is_required=False),
        Input("indication", "What for", is_required=False),
        fixed={"subject": subject},
    )
    return _page(request, actor, subject, form, f"A procedure of {subject}")


def biopsy(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """What the pathologist found."""
    thing = subject_seen(actor, subject)
    form = form_of(
        RecordBiopsy,
        Input("date", "Date of the biopsy", "date", is_short=True),
        Input("findings.class", "Class (ISN/RPS)", is_short=True),
        Input("findings.activity_index", "Activity index", "number", is_short=True, is_required=False),
        Input("findings.chronicity_index", "Chronicity index", "number", is_short=True, is_required=False),
        fixed={"subject": subject},
        initial={"date": _today(thing)},
    )
    return _page(request, actor, subject, form, f"A biopsy of {subject}")


def verdict(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """What the investigator thinks of a suspected end point; the committee does not see it."""
    thing = subject_seen(actor, subject)
    endpoints = running_trial().protocol.spec.endpoints
    choices = tuple((name, e.label) for name, e in endpoints.items() if e.adjudicated)
    form = form_of(
        RecordVerdict,
        Input("endpoint", "Which end point", "choice", choices=choices),
        Input("date", "On which date", "date", is_short=True),
        Input(
            "says",
            "You think",
            "radio",
            choices=(("suspected", "It may have happened"), ("no event", "It did not")),
        ),
        fixed={"subject": subject},
        initial={"date": _today(thing)},
    )
    return _page(request, actor, subject, form, f"A suspected end point of {subject}")


def note(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """A text for the committee; it is screened for words that tell the arm."""
    thing = subject_seen(actor, subject)
    form = form_of(
        SendNote,
        Input("title", "What it is", hint="Biopsy report, letter of discharge"),
        Input("on", "Of which date", "date", is_short=True),
        Input("text", "Text", "long", hint="Without names, and without study drugs."),
        fixed={"subject": subject},
        initial={"on": _today(thing)},
    )
    return _page(request, actor, subject, form, f"A text about {subject} for the committee", "Send")


# Endings ------------------------------------------------------------------------------------------


def stop_drug(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The drug stops; the patient stays in the study."""
    return _ending(
        request, actor, subject, StopDrug, Ending.DRUG, f"{subject} stops the study drug",
        "Visits and contacts go on as planned: only the drug stops.",
    )  # fmt: skip


def leave_study(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The patient leaves the study; vital status is still asked every year."""
    return _ending(
        request, actor, subject, LeaveStudy, Ending.STUDY, f"{subject} leaves the study",
        "Visits end. Vital status is asked every year, unless consent is withdrawn.",
    )  # fmt: skip


def _ending(
    request: HttpRequest,
    actor: Actor,
    subject: str,
    command: type[Command],
    what: Ending,
    title: str,
    lead: str,
) -> HttpResponseBase:
    thing = subject_seen(actor, subject)
    reasons = reasons_of(running_trial().protocol.spec, what)
    form = form_of(
        command,
        Input("date", "From which date", "date", is_short=True),
        Input("reason", "Main reason", "radio", choices=tuple((r, r) for r in reasons)),
        Input("words", "In words", "long", is_required=False),
        fixed={"subject": subject},
        initial={"date": _today(thing)},
    )
    return _page(request, actor, subject, form, title, "Record it", lead=lead, is_grave=True)


def complete(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """The last visit is done."""
    subject_seen(actor, subject)
    form = form_of(CompleteStudy, fixed={"subject": subject})
    return _page(
        request, actor, subject, form, f"{subject} completes the study", "Record it",
        lead="The last planned visit is entered. The safety contact after it remains.",
    )  # fmt: skip


def _row(actor: Actor, kind: str, key: str) -> Item:
    row = see_thing(actor, kind, key)
    if row is None:
        raise Http404
    return row
