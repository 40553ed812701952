"""The one commit of a call that breaks a code, and the words of its answer.

Ordered, logged and told of first; only then is the vault asked, at each hearing anew.  The treatment passes
through to the provider's words and is kept nowhere here.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.base import Asked
from flarefree.web.commands.code_breaks import NoteIdentification, OrderCodeBreak, hear_answer
from flarefree.web.commands.executing import execute
from flarefree.web.voice.calls import BreakCode, Reply
from flarefree.web.voice.committing import request_of
from flarefree.web.voice.devices import device_shows
from flarefree.web.voice.texts import text_of

__all__ = ["break_code", "prove"]


def prove(person: str, code: str, at: datetime) -> Reply:
    """Whether the code is that of the person's device; PIN and device together prove who asks."""
    if not device_shows(person, code):
        return Reply(False, because="not_proven")
    asked = Asked(None, f"identification-{secrets.token_hex(16)}", at, "machine")
    outcome = execute(NoteIdentification(person=person, factors=("pin", "device")), asked)
    return Reply(True, {"identification": str(outcome.result["identification"])})


def break_code(ask: BreakCode, actor: Actor, at: datetime) -> Reply:
    """Order the code break that was read back, and hear its answer; asked again, the same.

    Raises
    ------
    ConductError
        A rule refuses it; nothing was told.
    """
    request = request_of(ask.request)
    order = OrderCodeBreak(
        subject=ask.subject,
        identification=ask.identification,
        reason=ask.reason.upper(),
        # A telephone has no words; who assesses the impact asks for them.
        explanation=f"by telephone, reason keyed: {text_of(ask.reason, {})}",
        impact=ask.impact.upper() or None,
    )
    outcome = execute(order, Asked(actor, request, at, "voice"))
    hearing = Asked(actor, f"{request}.{ask.turn}", at, "voice")
    answer = hear_answer(str(outcome.result["code_break"]), hearing)
    return Reply(True, {"treatment": answer.treatment})
