"""An outage: the list on paper, entry of what was given from it, and what does not agree."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web import clock
from flarefree.web.commands.base import Asked
from flarefree.web.commands.randomizing import EnterEmergencyAllocation
from flarefree.web.pages.asking import ask_page, show
from flarefree.web.pages.forms import Input, form_of, new_request_id
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.queries.outages import differences, emergency_sheet

__all__ = ["back_entry", "emergency_list", "outage"]


def emergency_list(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """For the keeper: asked for by a button, since each printing is an entry of the log."""
    if request.method != "POST":
        return show(request, "emergency_list", {"request_id": new_request_id()})
    told = {"request_id": new_request_id()}
    try:
        asked = Asked(actor, request.POST.get("request_id", "") or new_request_id(), clock.now(), "web")
        return show(request, "emergency_list", {**told, "sheet": emergency_sheet(asked)})
    except ConductError as error:
        return show(request, "emergency_list", {**told, "wrong": error.what, "try": error.try_}, status=422)


def back_entry(request: HttpRequest, actor: Actor, subject: str) -> HttpResponseBase:
    """What a patient was given from the list on paper."""
    subject_seen(actor, subject)
    form = form_of(
        EnterEmergencyAllocation,
        Input("code", "Code on the slip", hint="Eight digits, as they stand on paper.", is_short=True),
        Input("given_at", "When it was given", hint="In UTC, as 2026-01-05T12:30Z.", is_short=True),
        Input("reason", "Why the system could not be asked", "long", hint="Stays in the log."),
        fixed={"subject": subject},
    )
    return ask_page(
        request, actor, form, title=f"Enter the emergency allocation of {subject}", button="Enter it",
        lead="Slips are entered in the order in which the codes were given.",
        then=reverse("kit", args=[subject]), said="Entered.", back=reverse("subject", args=[subject]),
        crumbs=crumbs_of(subject), is_grave=True,
    )  # fmt: skip


def outage(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Slips beside the record: one a line, code, patient, site and time, divided by spaces or commas."""
    told: dict[str, object] = {"slips": "", "was_asked": request.method == "POST"}
    status = 200
    if request.method == "POST":
        text = request.POST.get("slips", "")[:100_000]
        told["slips"] = text
        rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
        wrong = next((n for n, row in enumerate(rows, 1) if len(row) != 4), None)
        if wrong is not None:
            told["wrong"] = f"Line {wrong}: write code, patient, site and time, for example"
            status = 422
        else:
            told["found"] = differences(actor, [(row[0], row[1], row[2], row[3]) for row in rows])
    return show(request, "outage", told, status=status)
