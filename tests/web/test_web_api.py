"""The API: the same rules as everywhere, done once by request id, refused in one form, kept by nobody."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.insert(0, str(Path(__file__).parent))

from web_calling import give_role, make_clock

NOTHING = {"title": "not found", "status": 404, "detail": "there is nothing here for you"}


class Program:
    """A client with a token of a person in a role."""

    def __init__(self, person: str, role: str, *sites: str) -> None:
        from flarefree.conduct.visibility import Actor
        from flarefree.web.people.tokens import make_token

        made = make_token(Actor(person, role, frozenset(sites)), label="a test")
        self.key, self.secret = made.key, made.secret

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def get(self, path: str, **query: Any) -> Any:
        from django.test import Client

        return Client().get(f"/api/v1{path}", query, headers=self._headers())

    def ask(self, name: str, request: str, **command: Any) -> Any:
        return self.post(name, json.dumps({"request_id": request, "command": command}))

    def post(self, name: str, body: str, content_type: str = "application/json") -> Any:
        from django.test import Client

        path = f"/api/v1/commands/{name}"
        return Client().post(path, body, content_type=content_type, headers=self._headers())


@pytest.fixture
def clock(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.clock import clock_set_to

    with live_trial(tmp_path / "trial", subjects=6, list_length=4):
        give_role("ada", "investigator", "001", at=BEGIN)
        give_role("bob", "investigator", "002", at=BEGIN)
        ticking = make_clock(BEGIN + timedelta(hours=1))
        with clock_set_to(ticking):
            yield ticking


@pytest.fixture
def ada(clock):
    return Program("ada", "investigator", "001")


def test_a_patient_is_randomized_once_by_request_id(ada):
    first = ada.ask("randomize_subject", "request-1", subject="001-0001")
    again = ada.ask("randomize_subject", "request-1", subject="001-0001")
    assert first.status_code == again.status_code == 200
    assert (first.json()["is_repeated"], again.json()["is_repeated"]) == (False, True)
    assert first.json()["result"] == again.json()["result"]
    assert first.json()["receipt"] == again.json()["receipt"]
    other = ada.ask("randomize_subject", "request-1", subject="001-0002")
    assert other.status_code == 409
    assert "used before" in other.json()["detail"]


def test_the_outcome_of_a_request_is_the_logs_own_word(ada, clock):
    """F-2: who lost the answer asks; whose request it is not hears the same as if there were none."""
    before = ada.get("/requests/request-1").json()
    assert before == {"request_id": "request-1", "is_done": False, "receipt": "", "done_at": None,
                      "action": "", "about": "", "result": {}}  # fmt: skip
    done = ada.ask("randomize_subject", "request-1", subject="001-0001").json()
    after = ada.get("/requests/request-1").json()
    assert (after["is_done"], after["receipt"], after["result"]) == (True, done["receipt"], done["result"])
    bob = Program("bob", "investigator", "002")
    assert bob.get("/requests/request-1").json() == before
    refused = ada.ask("randomize_subject", "request-2", subject="001-9999")
    assert refused.status_code == 404
    assert ada.get("/requests/request-2").json()["is_done"] is False


def test_forbidden_and_missing_are_one_answer(ada):
    answers = [
        ada.ask("randomize_subject", "request-1", subject="002-0001"),
        ada.ask("randomize_subject", "request-2", subject="002-0999"),
        ada.ask("grant_role", "request-3", person="bob", role="sponsor", reason="why not"),
        ada.get("/things/subject/002-0001"),
        ada.get("/things/subject/002-0999"),
        ada.get("/things/allocation/x"),
    ]
    assert [(a.status_code, a.json()) for a in answers] == [(404, NOTHING)] * len(answers)
    assert len({a.content for a in answers}) == 1
    assert len({tuple(sorted((k, v) for k, v in a.items())) for a in answers}) == 1


def test_lists_hold_what_one_sees_and_no_count_of_the_rest(ada):
    everything = ada.get("/things/subject").json()
    assert [item["key"] for item in everything["items"]] == ["001-0001", "001-0002"]
    assert set(everything) == {"items", "next"}
    first = ada.get("/things/subject", limit=1).json()
    assert (len(first["items"]), first["next"]) == (1, "001-0001")
    second = ada.get("/things/subject", limit=1, after=first["next"]).json()
    assert ([item["key"] for item in second["items"]], second["next"]) == (["001-0002"], None)
    assert ada.get("/things/subject", after="002-0001").json()["items"] == []
    assert ada.get("/things/subject", site="002").json()["items"] == []
    assert ada.get("/things/no_such_kind").json() == {"items": [], "next": None}


def test_views_of_the_pages_queries_hold_what_one_sees(ada, clock):
    subjects = ada.get("/views/subjects").json()["view"]
    assert [row["subject"] for row in subjects] == ["001-0001", "001-0002"]
    page = ada.get("/views/subjects/001-0001")
    assert page.status_code == 200 and "001-0001" in page.content.decode()
    assert ada.get("/views/subjects/002-0001").json() == ada.get("/views/subjects/009-0001").json() == NOTHING
    for name in ("overdue", "coming_up", "completeness", "open_queries", "desk"):
        assert ada.get(f"/views/{name}").status_code in {200, 404}, name
    for path in ("/views/overdue", "/views/completeness", "/views/open_queries"):
        assert "002-" not in ada.get(path).content.decode()
        assert ada.get(path, site="002").content.decode() in ('{"view": []}', json.dumps(NOTHING)), path
    assert ada.get("/views/history/lab/001-0001.1/value").json()["view"]
    assert ada.get("/views/history/lab/002-0001.1/value").json().get("view", []) == []


def test_answers_are_kept_by_nobody_and_have_no_tag(ada):
    answers = [ada.get("/me"), ada.get("/things/subject"), ada.get("/things/subject/x"),
               ada.ask("randomize_subject", "request-1", subject="001-0001")]  # fmt: skip
    for answer in answers:
        assert "no-store" in answer["Cache-Control"]
        assert "ETag" not in answer and "Last-Modified" not in answer


def test_without_a_good_token_there_is_only_401(ada, clock):
    from django.test import Client

    from flarefree.web.people.models import ApiToken

    for header in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": ada.secret},
        {"Authorization": "Basic eA=="},
    ):
        answer = Client().get("/api/v1/me", headers=header)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert answer["WWW-Authenticate"] == "Bearer"
    assert ada.get("/me").json()["person"] == "ada"
    ApiToken.objects.filter(key=ada.key).update(revoked_at=clock.at)
    assert ada.get("/me").status_code == 401


def test_a_token_revoked_through_the_api_is_good_no_more(ada, clock):
    give_role("anna", "administrator", at=clock.at)
    anna = Program("anna", "administrator")
    assert anna.ask("revoke_token", "request-1", token=ada.key, reason="lost").status_code == 200
    assert ada.get("/me").status_code == 401


def test_what_is_not_as_expected_says_where(ada):
    wrong = ada.ask("randomize_subject", "request-1", subject=5)
    assert (wrong.status_code, wrong.json()["where"]) == (422, "command.subject")
    assert ada.ask("randomize_subject", "short", subject="001-0001").status_code == 422
    assert ada.ask("randomize_subject", "request-1", subject="001-0001", arm="A").status_code == 422
    assert ada.post("randomize_subject", "{").status_code == 422
    assert ada.post("randomize_subject", "[]").status_code == 422
    assert ada.post("randomize_subject", "{}", "text/plain").status_code == 415
    assert ada.ask("randomize_subject", "request-1", subject=" 001-0001").status_code == 422
    assert ada.ask("randomize_subject", "request-1", subject="001\u0000-0001").status_code == 422
    assert ada.get("/things/subject", limit="many").status_code == 422


def test_every_command_of_people_has_an_operation_and_no_machines_has(clock):
    from flarefree.web.api.application import openapi_document
    from flarefree.web.commands.registry import all_commands

    document = openapi_document()
    offered = {p.rpartition("/")[2] for p in document["paths"] if "/commands/" in p}
    of_people = {name for name, command in all_commands().items() if not command.is_machine}
    assert offered == of_people - {"invite_account"}  # a link in, shown to a person
    assert document["openapi"] == "3.1.0"
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"] and {"401", "404", "422"} <= set(operation["responses"])
    for verb in ("delete", "undo", "swap", "free", "edit"):
        assert not any(verb in name for name in offered)


def test_a_defect_is_told_without_its_words(ada, monkeypatch, caplog):
    from flarefree.web.api import reading

    def broken(*told: object, **more: object) -> None:
        raise RuntimeError("creatinine 1240 of 001-0001")

    monkeypatch.setattr(reading, "see_things", broken)
    answer = ada.get("/things/subject")
    assert answer.status_code == 500
    assert "1240" not in answer.content.decode() and "1240" not in caplog.text
    assert "RuntimeError" in caplog.text


def test_no_secret_in_logs(ada, caplog):
    """Every log of every level while a program works, fails and is refused: no token, no digest of one."""
    import logging

    from flarefree.web.people.acting import digest_of_secret

    caplog.set_level(logging.DEBUG)
    ada.ask("randomize_subject", "request-1", subject="001-0001")
    ada.ask("randomize_subject", "request-2", subject="002-0001")
    ada.post("randomize_subject", "{")
    ada.get("/me")
    assert ada.secret not in caplog.text and digest_of_secret(ada.secret) not in caplog.text
    assert "001-0001" not in caplog.text
