"""Proof of who sits at the browser, by password and device, for what must not be done on an open session."""

from __future__ import annotations

from django.http import HttpRequest

from flarefree.errors import ConductError
from flarefree.web import clock
from flarefree.web.commands.base import Asked
from flarefree.web.commands.code_breaks import NoteIdentification
from flarefree.web.commands.executing import execute
from flarefree.web.demonstration import is_demonstration
from flarefree.web.queries.requests import outcome_of
from flarefree.web.record.reading import read_thing

__all__ = ["identified", "needs_proof"]


def needs_proof() -> bool:
    """Whether a password and a code are asked for: always, but of those who play with virtual patients."""
    return not is_demonstration()


def identified(request: HttpRequest, request_id: str, password: str, code: str) -> str:
    """The key of the note that both were right; empty if they were not.

    A page sent twice has its note already, and a code that was used is not asked for again.
    """
    at = clock.now()
    person = request.user.get_username()
    before = _noted(person, request_id)
    if before:
        return before
    if needs_proof() and not _is_proven(request, password, code):
        return ""
    note = NoteIdentification(person=person, factors=("password", "device"))
    try:
        outcome = execute(note, Asked(None, f"identified/{request_id}", at, "machine"))
    except ConductError:
        return ""
    return str(outcome.result["identification"])


def _noted(person: str, request_id: str) -> str:
    told = outcome_of("system", f"identified/{request_id}")
    key = str(told.result.get("identification", "")) if told.is_done else ""
    note = read_thing("identification", key) if key else None
    return key if note is not None and note["person"] == person else ""


def _is_proven(request: HttpRequest, password: str, code: str) -> bool:
    """Throttled as a log-in is; both are looked at, so that the time taken does not tell which was wrong."""
    from allauth.core import ratelimit
    from allauth.mfa.models import Authenticator

    if not ratelimit.consume(request, action="reauthenticate", user=request.user):
        return False
    is_password = request.user.check_password(password)
    device = Authenticator.objects.filter(user_id=request.user.pk, type=Authenticator.Type.TOTP).first()
    is_code = device is not None and device.wrap().validate_code(code)
    return bool(is_password and is_code)
