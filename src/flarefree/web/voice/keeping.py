"""Calls between two hooks: read, claimed, written where nobody was quicker."""

from __future__ import annotations

import json
import secrets
from dataclasses import fields
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from flarefree.errors import ConductError
from flarefree.web.voice.calls import Call, Place, Task
from flarefree.web.voice.flow import REQUEST_DIGITS, begin
from flarefree.web.voice.models import VoiceCall

__all__ = ["claim_turn", "find_call", "keep_call", "read_call"]

_TIMES = ("identified_at", "device_at")


def find_call(call_id: str, at: datetime) -> Call:
    """The call of a provider's identifier, begun if nobody spoke of it before.

    Raises
    ------
    ConductError
        Not an identifier.
    """
    if not 1 <= len(call_id) <= 80 or not call_id.isascii() or not call_id.isprintable():
        raise ConductError("not the identifier of a call", where="call", expected="1 to 80 characters")
    for _ in range(20):
        row = VoiceCall.objects.filter(call=call_id).first()
        if row is not None:
            return _call_of(row.state)
        fresh = begin(call_id, f"{secrets.randbelow(10**REQUEST_DIGITS):0{REQUEST_DIGITS}d}")
        try:
            with transaction.atomic():
                VoiceCall.objects.create(
                    call=call_id, request=fresh.request, state=_state_of(fresh), began_at=at
                )
        except IntegrityError:
            continue  # another process began it, or the digits are another call's
        return fresh
    raise ConductError("the call cannot be kept", where="call")


def read_call(call_id: str) -> Call:
    """A call as it stands."""
    return _call_of(VoiceCall.objects.values_list("state", flat=True).get(call=call_id))


def claim_turn(call: Call) -> bool:
    """Take a turn's keys as ours to act on; not if another process did."""
    rows = VoiceCall.objects.filter(call=call.id, turn=call.turn, claimed__lt=call.turn)
    return rows.update(claimed=call.turn) == 1


def keep_call(before: Call, after: Call, at: datetime) -> bool:
    """Make `after` stand where `before` still does; not if another process was quicker."""
    told: dict[str, Any] = {"turn": after.turn, "state": _state_of(after), "person": after.person}
    if after.is_over and not before.is_over:
        told["ended_at"] = at
    return VoiceCall.objects.filter(call=before.id, turn=before.turn).update(**told) == 1


def _state_of(call: Call) -> str:
    told: dict[str, Any] = {f.name: getattr(call, f.name) for f in fields(call)}
    told["values"] = dict(call.values)
    for name in _TIMES:
        told[name] = told[name].isoformat() if told[name] else None
    return json.dumps(told, sort_keys=True)


def _call_of(state: str) -> Call:
    told = json.loads(state)
    for name in _TIMES:
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    told["place"] = Place(told["place"])
    told["task"] = Task(told["task"]) if told["task"] else None
    told["strata"] = tuple(told["strata"])
    return Call(**told)
