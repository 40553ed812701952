"""Hooks of a provider over HTTP: signed or not there, TwiML and JSON, a call from greeting to kit."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode
from xml.etree.ElementTree import fromstring

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.insert(0, str(Path(__file__).parent))

from web_calling import give_role, make_clock

SECRET = "0123456789abcdef0123456789abcdef"
ADDRESS = "https://trial.example.org"


@pytest.fixture
def installed(databases: None, tmp_path):
    """A live trial with a line, Ada's PIN, and the keys that randomize."""
    from flarefree.web.checks.live_trial import BEGIN, STRATA, live_trial
    from flarefree.web.clock import clock_set_to
    from flarefree.web.voice.opening import line_of_trial, settings_in_force
    from flarefree.web.voice.pins import issue_pin

    with live_trial(tmp_path / "trial", subjects=2, list_length=4) as trial:
        folder = trial.config.data / "voice"
        folder.mkdir(parents=True)
        (folder / "secret").write_text(SECRET + "\n")
        (folder / "secret").chmod(0o600)
        (folder / "line.json").write_text(json.dumps({"public_url": ADDRESS}))
        settings_in_force.cache_clear()
        give_role("ada", "investigator", "001", at=BEGIN)
        issued = issue_pin("ada", BEGIN)
        levels = zip(line_of_trial().strata, STRATA[0], strict=True)
        chosen = [str(question.levels.index(level) + 1) for question, level in levels]
        with clock_set_to(make_clock(BEGIN + timedelta(hours=1))):
            yield (issued.account, issued.pin, "1", "001", "0001", *chosen, "1")
    settings_in_force.cache_clear()


def twilio(path: str, form: dict[str, str], signature: str | None = None):
    from django.test import Client

    from flarefree.web.voice.twiml import signature_of

    signed = signature_of(SECRET, ADDRESS + path, form.items()) if signature is None else signature
    return Client().post(
        path,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signed},
    )


def test_a_call_over_twilio_from_greeting_to_kit(installed):
    from flarefree.web.vault import service

    base = {"CallSid": "CA77", "From": "+49 30 1234", "AccountSid": "AC1", "Empty": ""}
    answer = twilio("/voice/twilio/", base)
    for keys in installed:
        assert answer.status_code == 200 and answer["Content-Type"].startswith("text/xml")
        gather = fromstring(answer.content).find("Gather")
        path = gather.get("action").removeprefix(ADDRESS)
        answer = twilio(path, base | {"Digits": keys})
    words = " ".join(say.text for say in fromstring(answer.content).iter("Say"))
    kit = service.receipts_since()[0].receipt.code
    assert words.count(f"{' '.join(kit[:4])}, {' '.join(kit[4:])}") == 2
    assert answer["Cache-Control"] == "no-store" and "ETag" not in answer
    assert twilio("/voice/twilio/status/", base | {"CallStatus": "completed"}).status_code == 204
    late = fromstring(twilio(path, base | {"Digits": "1"}).content)
    assert late.find("Hangup") is not None
    assert len(service.receipts_since()) == 1


def test_what_is_not_signed_is_not_there(installed):
    form = {"CallSid": "CA1"}
    answers = [
        twilio("/voice/twilio/", form, signature="AAAA"),
        twilio("/voice/twilio/", form, signature=""),
        twilio("/voice/twilio/status/", form, signature="AAAA"),
        twilio("/voice/twilio/?turn=x", form),
    ]
    assert {(a.status_code, a.content) for a in answers} == {(404, b"")}


def test_without_a_secret_there_is_no_line(databases, tmp_path):
    from flarefree.web.checks.live_trial import live_trial
    from flarefree.web.voice.opening import settings_in_force

    with live_trial(tmp_path / "trial", subjects=1, list_length=4):
        settings_in_force.cache_clear()
        assert twilio("/voice/twilio/", {"CallSid": "CA1"}).status_code == 404
    settings_in_force.cache_clear()


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    from flarefree.errors import ConductError
    from flarefree.web.voice.opening import read_line_settings

    folder = tmp_path / "voice"
    folder.mkdir()
    (folder / "line.json").write_text(json.dumps({"public_url": ADDRESS}))
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o644)
    with pytest.raises(ConductError, match="can be read by others"):
        read_line_settings(tmp_path)
    (folder / "secret").chmod(0o600)
    found = read_line_settings(tmp_path)
    assert SECRET not in repr(found)
    (folder / "secret").write_text("short")
    with pytest.raises(ConductError, match="not complete"):
        read_line_settings(tmp_path)


def test_the_same_call_in_json(installed):
    from django.test import Client

    from flarefree.web.clock import now
    from flarefree.web.voice.neutral import signature_of

    def send(told: dict[str, object], signature: str | None = None):
        body, stamp = json.dumps(told).encode(), str(int(now().timestamp()))
        signed = signature_of(SECRET, stamp, body) if signature is None else signature
        headers = {"X-Flarefree-Signature": signed, "X-Flarefree-Time": stamp}
        return Client().post("/voice/json/", body, content_type="application/json", headers=headers)

    told = send({"call": "J1", "event": "began"}).json()
    assert told["turn"] == 0 and told["keys"] == {"most": 6, "end": "#", "seconds": 20}
    for keys in installed:
        told = send({"call": "J1", "event": "keys", "turn": told["turn"], "keys": keys}).json()
    assert "kit code" in " ".join(told["say"])
    assert send({"call": "J1", "event": "hung_up"}).json()["hang_up"] is True
    assert send({"call": "J1", "event": "began"}, signature="0").status_code == 404
    assert send({"call": "J1", "event": ["keys"]}).status_code == 404
    assert send({"call": "J1", "event": "keys", "turn": 1, "keys": 5}).status_code == 404


def test_a_hook_that_fails_tells_how_to_hear_the_truth_and_logs_no_key(installed, caplog, monkeypatch):
    from flarefree.web.voice import views

    def broken(*told: object) -> None:
        raise RuntimeError(f"pin {installed[1]}")

    monkeypatch.setattr(views, "line_of_trial", broken)
    answer = twilio("/voice/twilio/", {"CallSid": "CA1", "Digits": installed[1]})
    words = " ".join(say.text for say in fromstring(answer.content).iter("Say"))
    assert "press 2" in words
    assert installed[1] not in caplog.text and "RuntimeError" in caplog.text
