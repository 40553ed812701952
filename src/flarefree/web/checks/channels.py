"""R3 over the wire: a page, the API and a telephone ask for one patient at once, of three servers."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from typing import Any
from urllib.parse import urlencode

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.web.checks.callers import device_code, give_role, keys_to_randomize, share_secret_key
from flarefree.web.checks.live_trial import BEGIN, SITES, LiveTrial, live_trial
from flarefree.web.checks.scratch import environment_of
from flarefree.web.clock import clock_set_to
from flarefree.web.people.acting import digest_of_secret
from flarefree.web.people.models import Account
from flarefree.web.people.tokens import make_token
from flarefree.web.rehearsal.clocks import SharedClock
from flarefree.web.rehearsal.serving import server_running
from flarefree.web.vault import service
from flarefree.web.voice.neutral import signature_of

__all__ = ["CHECKS"]

Place = tuple[str, int]
_AT = BEGIN + timedelta(hours=1)
_SECRET = "a secret of a check, not of a trial"
_HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')


def check_channels_over_http(quick: bool) -> Iterator[Evidence]:
    """R3: three servers, three channels, one patient after another: one allocation each, and one kit told."""
    patients = 4 if quick else 40
    with TemporaryDirectory() as place, live_trial(Path(place) / "trial", subjects=patients) as trial:
        _open_line(trial)
        clock = Path(place) / "clock"
        SharedClock(clock).set_to(_AT)
        with clock_set_to(lambda: _AT), ExitStack() as servers:
            for site in SITES:
                give_role(f"ida-{site}", "investigator", site, at=BEGIN)
                device_code(f"ida-{site}")
            places = [
                servers.enter_context(
                    server_running(clock, environment_of(trial.config), Path(place) / f"server-{n}.log")
                )
                for n in range(3)
            ]
            told = [_race(subject, places) for subject in trial.subjects]
        yield _row("answers", 3 * patients, sum(kit != "" for kits in told for kit in kits))
        yield _row(
            "patients who were told one kit over all channels", patients, sum(len({*k}) == 1 for k in told)
        )
        given = {one.receipt.subject: one.receipt.code for one in service.receipts_since()}
        yield _row("allocations", patients, len(given))
        yield _row(
            "kits told that are the vault's", patients,
            sum(given[s] == kits[0] for s, kits in zip(trial.subjects, told, strict=True)),
        )  # fmt: skip


def _race(subject: str, places: list[Place]) -> list[str]:
    """Each channel comes up to its last step, waits for the others, and takes it; the kits that they hear."""
    last_steps = [
        _by_page(subject, places[0]),
        _by_program(subject, places[1]),
        _by_telephone(subject, places[2]),
    ]
    barrier, told = Barrier(len(last_steps)), [""] * len(last_steps)

    def take(n: int) -> None:
        barrier.wait()
        told[n] = last_steps[n]()

    threads = [Thread(target=take, args=(n,)) for n in range(len(last_steps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _by_program(subject: str, place: Place) -> Callable[[], str]:
    site = subject.partition("-")[0]
    secret = make_token(Actor(f"ida-{site}", "investigator", frozenset({site})), label="race").secret
    body = json.dumps({"request_id": f"program-{subject}", "command": {"subject": subject}})
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def ask() -> str:
        status, text, _ = _send(place, "POST", "/api/v1/commands/randomize_subject", body, headers)
        return str(json.loads(text)["result"]["kit"]) if status == 200 else ""

    return ask


def _by_telephone(subject: str, place: Place) -> Callable[[], str]:
    *keys, last = keys_to_randomize(f"ida-{subject.partition('-')[0]}", subject, _AT)
    turn = _hook(place, subject, {"event": "began"})["turn"]
    for one in keys:
        turn = _hook(place, subject, {"event": "keys", "turn": turn, "keys": one})["turn"]

    def confirm() -> str:
        said = " ".join(_hook(place, subject, {"event": "keys", "turn": turn, "keys": last})["say"])
        found = re.search(r"kit code is: ([\d ,]+)\.", said)
        return re.sub(r"\D", "", found[1]) if found else ""

    return confirm


def _by_page(subject: str, place: Place) -> Callable[[], str]:
    """The confirming page is open in a browser; its button is pressed."""
    cookie = f"sessionid={_session(f'ida-{subject.partition(chr(45))[0]}')}"
    address = f"/subjects/{subject}/randomize/"
    _, page, cookies = _send(place, "GET", address, None, {"Cookie": cookie})
    fields = dict(_hidden(page))
    headers = {
        "Cookie": "; ".join([cookie, *cookies]),
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"http://{place[0]}:{place[1]}",
    }

    def press() -> str:
        status, _, _ = _send(place, "POST", address, urlencode(fields), headers)
        if status != 302:
            return ""
        _, page, _ = _send(place, "GET", f"/subjects/{subject}/kit/", None, {"Cookie": cookie})
        found = re.search(r'class="kit">([\d\s  ]+)<', page)
        return re.sub(r"\D", "", found[1]) if found else ""

    return press


def _hidden(page: str) -> Iterator[tuple[str, str]]:
    for tag in _HIDDEN.findall(page):
        name, value = (re.search(rf'{what}="([^"]*)"', tag) for what in ("name", "value"))
        if name:
            yield unescape(name[1]), unescape(value[1]) if value else ""


def _session(person: str) -> str:
    """A session as a log-in with password and second factor leaves it."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    account = Account.objects.get(name=person)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    at = _AT.isoformat()
    session.update(
        {
            SESSION_KEY: str(account.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: account.get_session_auth_hash(),
            "mark": f"mark of {person}",
            "seen": at,
            "began": at,
        }
    )
    session.create()
    digest = digest_of_secret(f"mark of {person}")[:40]
    Account.objects.filter(pk=account.pk).update(session_key=digest, session_seen_at=_AT)
    return str(session.session_key)


def _hook(place: Place, subject: str, told: dict[str, object]) -> Any:
    body = json.dumps({"call": f"race-{subject}", **told})
    stamp = str(int(_AT.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Flarefree-Time": stamp,
        "X-Flarefree-Signature": signature_of(_SECRET, stamp, body.encode()),
    }
    return json.loads(_send(place, "POST", "/voice/json/", body, headers)[1])


def _send(
    place: Place, method: str, path: str, body: str | None, headers: dict[str, str]
) -> tuple[int, str, list[str]]:
    with closing(http.client.HTTPConnection(*place, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", [])]
        return answer.status, answer.read().decode(), cookies


def _open_line(trial: LiveTrial) -> None:
    """A line with a secret; and sessions made here are good there."""
    share_secret_key(trial.config)
    folder = trial.config.data / "voice"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text(_SECRET)
    (folder / "secret").chmod(0o600)
    (folder / "line.json").write_text(json.dumps({"public_url": "https://trial.example.org"}))


def _row(what: str, expected: int, found: int) -> Evidence:
    return Evidence(what, expected, found, expected == found)


CHECKS = (Check("R3", "A page, a program and a telephone at once", check_channels_over_http),)
