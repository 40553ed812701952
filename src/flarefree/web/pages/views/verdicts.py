"""What follows from verdicts: negative ones told to safety, and how the committee agrees."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.adjudication_closing import AcknowledgeReferral
from flarefree.web.pages.asking import ask_page, show
from flarefree.web.pages.forms import Input, form_of
from flarefree.web.pages.tables import Cell, result_table, table_of
from flarefree.web.pages.views.committee import endpoint_label
from flarefree.web.queries.committee import agreement, referrals

__all__ = ["acknowledge_referral", "agreement_page", "referrals_page"]


def referrals_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Suspected events that were judged to be none: does one need a safety report?"""
    rows = [
        (
            one.subject, endpoint_label(one.endpoint), f"Day {one.day}", one.answer, one.decided_at[:10],
            Cell(one.outcome)
            if one.outcome
            else Cell("Answer", reverse("acknowledge_referral", args=[one.key])),
        )
        for one in referrals(actor)
    ]  # fmt: skip
    head = ("Subject", "Suspected", "Time", "Verdict", "Decided", "What was done")
    table = table_of("Judged to be no event", head, rows, empty="None so far.")
    return show(request, "list", {"title": "Judged to be no event", "table": table})


def acknowledge_referral(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """What safety did about it."""
    outcomes = ("reported as an adverse event", "asked the site", "no report needed")
    form = form_of(
        AcknowledgeReferral,
        Input("outcome", "What was done", "radio", choices=tuple((o, o.capitalize()) for o in outcomes)),
        fixed={"referral": key},
    )
    return ask_page(request, actor, form, title="A verdict of “no event”", then=reverse("referrals"))


def agreement_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """How the committee agrees, and how much the rule misses."""
    found = agreement(actor)
    return show(request, "agreement", {"found": found, "tables": tuple(map(result_table, found.tables))})
