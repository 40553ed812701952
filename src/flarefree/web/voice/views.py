"""Hooks of the telephone's provider.  Each is signed; without a right signature there is nothing here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from flarefree.web.clock import now
from flarefree.web.voice import neutral, twiml
from flarefree.web.voice.calls import Began, Event, HungUp, Keyed, Silent
from flarefree.web.voice.doing import do
from flarefree.web.voice.line import VoiceLine
from flarefree.web.voice.opening import LineSettings, line_of_trial, settings_in_force
from flarefree.web.voice.prompts import Prompt
from flarefree.web.voice.texts import text_of

__all__ = ["hear_json", "hear_twilio", "hear_twilio_status"]

_log = logging.getLogger(__name__)
_ENDED = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_LONGEST_KEYS = 40


@csrf_exempt
@require_POST
def hear_twilio(request: HttpRequest) -> HttpResponse:
    """The line's address: the first hook has no turn, the others name the prompt that they answer."""
    settings = settings_in_force()
    form = _form(request)
    if settings is None or not _is_twilio(settings, request, form):
        return _nothing()
    fields = dict(form)
    event = _event(request.GET.get("turn"), fields.get("Digits"))
    if event is None:
        return _nothing()
    prompt = _heard(settings, fields.get("CallSid", ""), event)
    action = settings.public_url + reverse("voice:twilio")
    return _kept_by_nobody(HttpResponse(
        twiml.render_twiml(prompt, action=action, language=settings.language), content_type="text/xml"
    ))  # fmt: skip


@csrf_exempt
@require_POST
def hear_twilio_status(request: HttpRequest) -> HttpResponse:
    """The call's end, as the provider tells it."""
    settings = settings_in_force()
    form = _form(request)
    if settings is None or not _is_twilio(settings, request, form):
        return _nothing()
    fields = dict(form)
    if fields.get("CallStatus") in _ENDED:
        _heard(settings, fields.get("CallSid", ""), HungUp(now()))
    return _kept_by_nobody(HttpResponse(status=204))


@csrf_exempt
@require_POST
def hear_json(request: HttpRequest) -> HttpResponse:
    """The same in JSON: `{"call": "...", "event": "began|keys|silence|hung_up", "turn": 3, "keys": "1"}`."""
    settings = settings_in_force()
    signature = request.headers.get("X-Flarefree-Signature", "")
    stamp = request.headers.get("X-Flarefree-Time", "")
    if settings is None or not neutral.is_signed(settings.secret, stamp, request.body, signature, now()):
        return _nothing()
    told = _object(request.body)
    event = _json_event(told)
    if event is None:
        return _nothing()
    prompt = _heard(settings, str(told.get("call", "")), event)
    return _kept_by_nobody(
        HttpResponse(json.dumps(neutral.render_json(prompt)), content_type="application/json")
    )


def _heard(settings: LineSettings, call_id: str, event: Event) -> Prompt:
    """What stands after the event.  Where something breaks, the caller is told how to hear the truth."""
    try:
        return VoiceLine(line_of_trial(), do, settings.language).hear(call_id, event)
    except Exception as error:
        _log.error("voice line: a hook failed: %s", type(error).__name__)
        return Prompt(0, (text_of("trouble", {}, settings.language),), is_last=True)


def _is_twilio(settings: LineSettings, request: HttpRequest, form: list[tuple[str, str]]) -> bool:
    address = settings.public_url + request.get_full_path()
    return twiml.is_signed(settings.secret, address, form, request.headers.get("X-Twilio-Signature", ""))


def _form(request: HttpRequest) -> list[tuple[str, str]]:
    """Every field, also those without a value: the signature is over all of them."""
    try:
        return parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=False)
    except UnicodeDecodeError:
        return []


def _event(turn: str | None, keys: str | None) -> Event | None:
    if turn is None:
        return Began(now())
    if not turn.isascii() or not turn.isdigit() or len(turn) > 6 or len(keys or "") > _LONGEST_KEYS:
        return None
    return Keyed(int(turn), keys, now()) if keys else Silent(int(turn), now())


def _json_event(told: dict[str, Any]) -> Event | None:
    turn, keys = told.get("turn"), told.get("keys", "")
    makers: dict[Any, Callable[[], Event | None]] = {
        "began": lambda: Began(now()),
        "hung_up": lambda: HungUp(now()),
        "keys": lambda: _event(str(turn), keys) if isinstance(keys, str) else None,
        "silence": lambda: _event(str(turn), ""),
    }
    name = told.get("event")
    make = makers.get(name) if isinstance(name, str) else None
    return make() if make is not None else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _nothing() -> HttpResponse:
    """As if there were no line."""
    return _kept_by_nobody(HttpResponse(status=404))


def _kept_by_nobody(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
