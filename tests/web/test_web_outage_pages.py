"""Pages of the other ways in: a PIN shown once, the list on paper, entry from it, paper beside the record."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.insert(0, str(Path(__file__).parent))

from web_calling import give_role, make_clock


@pytest.fixture
def browser(databases: None, tmp_path):
    """A logged-in browser for a person in a role."""
    from django.test import Client

    from flarefree.web.checks.callers import device_code
    from flarefree.web.checks.channels import _session
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.clock import clock_set_to

    def logged_in(person: str, role: str, *sites: str) -> Client:
        give_role(person, role, *sites, at=BEGIN + timedelta(hours=1))
        device_code(person)
        client = Client()
        client.cookies["sessionid"] = _session(person)
        return client

    clock = make_clock(BEGIN + timedelta(hours=1))
    with live_trial(tmp_path / "trial", subjects=2, list_length=4), clock_set_to(clock):
        yield logged_in


def test_a_pin_is_shown_once_and_opens_the_line(browser):
    from flarefree.web.clock import now
    from flarefree.web.voice.pins import try_pin

    ada = browser("ada", "investigator", "001")
    assert "shown this once" not in ada.get("/telephone-pin/").content.decode()
    page = ada.post("/telephone-pin/")
    account, pin = re.findall(r'<dd class="code">(\d{6})</dd>', page.content.decode())
    assert try_pin(account, pin, now()).person == "ada"
    assert "no-store" in page["Cache-Control"]
    assert pin not in ada.get("/telephone-pin/").content.decode()
    assert browser("mona", "monitor", "001").get("/telephone-pin/").status_code == 404


def test_what_was_given_on_paper_is_entered_and_agrees(browser):
    from flarefree.web.vault import service

    code = service.emergency_codes()[0][1][0]
    ada, dora = browser("ada", "investigator", "001"), browser("dora", "data_manager")
    slip = f"{code} 001-0001 001 2026-01-05T12:30:00.000000Z"
    assert "not entered" in dora.post("/outage/", {"slips": slip}).content.decode()
    assert dora.post("/outage/", {"slips": "one two"}).status_code == 422
    page = ada.get("/subjects/001-0001/emergency-entry/").content.decode()
    request = re.search(r'name="request_id" value="(\w+)"', page)[1]
    told = {"request_id": request, "code": code, "given_at": "2026-01-05T12:30Z", "reason": "no network"}
    done = ada.post("/subjects/001-0001/emergency-entry/", told)
    assert done.status_code == 302, done.content.decode()[-3000:]
    assert "Paper and record agree" in dora.post("/outage/", {"slips": slip}).content.decode()


def test_the_list_on_paper_is_the_unblinded_statisticians_before_going_live(browser):
    from flarefree.web.checks.live_trial import Arrange
    from flarefree.web.clock import now
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.vault import service

    ulla = browser("ulla", "unblinded_statistician")
    assert ulla.get("/emergency-list/").status_code == 404
    values = (("trial", "this", "phase", "configuration", "before_go_live"),)
    execute(Arrange(about="trial/this", values=values), Asked(None, "back", now(), "machine"))
    code = service.emergency_codes()[0][1][0]
    assert code[:4] not in ulla.get("/emergency-list/").content.decode()
    page = ulla.post("/emergency-list/", {"request_id": "a" * 32}).content.decode()
    assert re.sub(r"\D", "", page).count(code) >= 1
    for arm in ("Azathioprine", "AZA", "MMF"):
        assert arm not in page
    assert browser("ada", "investigator", "001").post("/emergency-list/", {}).status_code == 404
