"""A person's own PIN for the voice line: made anew when they ask, shown once."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase

from flarefree.conduct.visibility import Actor
from flarefree.web import clock
from flarefree.web.pages.asking import show
from flarefree.web.voice.pins import issue_pin

__all__ = ["telephone_pin"]


def telephone_pin(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Who is logged in with their second factor gets a new PIN; the earlier one is good no more."""
    issued = issue_pin(actor.person, clock.now()) if request.method == "POST" else None
    return show(request, "telephone_pin", {"issued": issued})
