"""Pages on the server: who opens which, one answer for what is not theirs, nothing inline or kept."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
sys.path.append(str(Path(__file__).resolve().parents[1] / "browser"))


def make_scene() -> dict[str, str]:
    """A small trial with patients, made once for this module."""
    import web_scene

    from flarefree.web.record.keeping import begin_record
    from flarefree.web.trial import running_trial

    running_trial.cache_clear()
    begin_record("test-trial")
    web_scene.make_trial()
    return web_scene.make_patients()


@pytest.fixture
def trial(scene: dict[str, str]):
    """A small trial, and a way to ask for pages as anybody in it."""
    import web_scene
    from django.test import Client

    from flarefree.web.clock import clock_set_to
    from flarefree.web.people import acting

    class Served:
        patients: dict[str, str]

        @staticmethod
        def get(person: str, address: str, **told):
            return _as(person).get(address, **told)

        @staticmethod
        def post(person: str, address: str, form: dict[str, str]):
            return _as(person).post(address, form)

    def _as(person: str) -> Client:
        from web_browsing import Trial

        client = Client()
        client.cookies["sessionid"] = Trial("", {}).cookie(person)
        return client

    Served.patients = scene
    assert acting.roles_of  # pages ask it at each request
    with clock_set_to(lambda: web_scene.NOW):
        yield Served


def test_a_page_says_no_more_of_what_is_forbidden_than_of_what_is_not_there(trial):
    """403 and 404 are one: another site's patient, another role's page, nothing at all."""
    asked = (
        ("ines", f"/subjects/{trial.patients['elsewhere']}/"),
        ("ines", "/subjects/017-999/"),
        ("ines", "/board/"),
        ("ines", "/never-there/"),
        ("nora", f"/subjects/{trial.patients['ready']}/randomize/"),
    )
    bodies = {}
    for person, address in asked:
        answer = trial.get(person, address)
        assert answer.status_code == 404
        bodies.setdefault(person, set()).add(re.sub(rb'value="[A-Za-z0-9]{64}"', b"", answer.content))
    for said in bodies.values():
        first, *others = sorted(said)
        for other in others:
            assert other.decode().splitlines() == first.decode().splitlines()


def test_every_route_asks_for_rights_that_the_matrix_knows(template):
    """A page without a right to it cannot be added, but for the one that every role has."""
    from flarefree.conduct.roles import load_matrix
    from flarefree.web.pages.urls import ROUTES

    matrix = load_matrix()
    for route in ROUTES:
        assert route.rights or route.name == "home", route.name
        for verb, field in route.rights:
            assert verb in matrix.verbs and field in matrix.fields, (route.name, verb, field)
            assert any((c.verb, c.field) == (verb, field) for c in matrix.listed), (route.name, verb, field)


def test_each_page_opens_for_each_role_that_has_a_right_and_for_no_other(trial):
    """Every address without a part to fill in, asked for by everybody."""
    import web_scene

    from flarefree.web.pages.asking import may
    from flarefree.web.pages.urls import ROUTES

    plain = [route for route in ROUTES if "<" not in route.address and route.name != "review"]
    for name in ("ines", "phil", "mona", "dana", "kim", "ben", "ada", "sam", "rita", "ida", "theo", "dora"):
        actor = web_scene.actor(name)
        client_get = trial.get
        for route in plain:
            status = client_get(name, f"/{route.address}").status_code
            assert status == (200 if may(actor, route.rights) else 404), (name, route.name, status)


def test_nothing_is_inline_and_nothing_is_kept(trial):
    """The security policy has no exception: no script or style within a page; no cache, no ETag."""
    for person, address in (
        ("ines", "/"), ("ines", f"/subjects/{trial.patients['flaring']}/"), ("ben", "/desk/"),
        ("nora", f"/subjects/{trial.patients['quiet']}/visits/month-6/"), ("sam", "/recruitment/"),
    ):  # fmt: skip
        answer = trial.get(person, address)
        text = answer.content.decode()
        assert answer.status_code == 200
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
        assert not re.search(r"(src|href|action)=\"(https?:)?//", text)
        assert "no-store" in answer["Cache-Control"] and "ETag" not in answer
        assert "Last-Modified" not in answer


def test_nobody_is_sent_to_the_log_in(trial):
    from django.test import Client

    for address in ("/", "/subjects/", "/break-a-code/", "/log/"):
        answer = Client().get(address)
        assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


def test_the_protocol_s_page_does_not_tell_how_lists_are_made(trial):
    """SPIRIT 2025, item 21b: who enrolls must not know block sizes and limits."""
    text = trial.get("ines", "/protocol/").content.decode()
    assert "Proteinuric" in text and not re.search(r"big.?stick|list_length|block", text, re.IGNORECASE)


def test_a_demonstration_is_none_unless_the_log_says_so(trial, monkeypatch):
    """B10: a setting alone opens no door."""
    from django.test import Client

    monkeypatch.setenv("FLAREFREE_WEB_IS_DEMO", "yes")
    assert Client().get("/demo/").status_code == 404
    assert Client().post("/demo/act-as/", {"person": "ines"}).status_code == 404


def test_in_a_virtual_trial_one_click_acts_as_anybody_under_a_banner(databases, monkeypatch):
    import web_scene
    from django.test import Client

    from flarefree.web.clock import clock_set_to
    from flarefree.web.demonstration import DEMO
    from flarefree.web.record.keeping import begin_record
    from flarefree.web.trial import running_trial

    running_trial.cache_clear()
    begin_record(DEMO)
    web_scene.make_trial()
    monkeypatch.setenv("FLAREFREE_WEB_IS_DEMO", "yes")
    with clock_set_to(lambda: web_scene.NOW):
        front = Client().get("/demo/").content.decode()
        assert "Ines Albrecht" in front and "Virtual patients" in front
        client = Client(raise_request_exception=False)
        assert client.get("/")["Location"] == "/demo/"
        assert client.post("/demo/act-as/", {"person": "nobody"}).status_code == 404
        assert client.post("/demo/act-as/", {"person": "ines"}).status_code == 302
        for address in ("/", "/subjects/", "/nothing-here/"):
            assert "Virtual patients" in client.get(address).content.decode()


def test_a_plot_s_ticks_are_round_and_its_labels_apart(template):
    from flarefree.web.pages.plots import Level, Line, Point, draw_plot, nice_ticks

    assert nice_ticks(0, 0.9) == (0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0)
    assert nice_ticks(3, 3) == (3,)
    levels = (Level(1.0, "a"), Level(1.01, "b"), Level(0.99, "c"))
    plot = draw_plot("x", "X", (Line((Point(1, 1.0), Point(30, 2.0))),), levels=levels)
    places = sorted(level.label_y for level in plot.levels)
    assert all(b - a >= 13 for a, b in pairwise(places))


def test_a_form_s_several_parts_become_the_command_s_fields(template):
    """`characteristics.race` is of a mapping, `tablets.0` of a list, boxes ticked together are several."""
    from flarefree.web.commands.doses import DispenseKit
    from flarefree.web.commands.events import RecordAdverseEvent
    from flarefree.web.pages.forms import Input, form_of

    told = {"kit": "12345678", "tablets.0": "10", "tablets.1": "20"}
    inputs = (Input("kit"), Input("tablets.0"), Input("tablets.1"))
    form = form_of(
        DispenseKit, *inputs, fixed={"subject": "017-001", "dispensed_on": "2026-01-01", "reason": ""}
    )
    assert form.filled(told).content()["tablets"] == ["10", "20"]
    ticked = form_of(RecordAdverseEvent, Input("serious_because", kind="checks"))
    assert ticked.filled({"serious_because": "death\ndisability"}).content()["serious_because"] == [
        "death",
        "disability",
    ]


# What is sent ---------------------------------------------------------------------------------------


def sent(trial, person: str, address: str, **typed: str):
    """A form filled and sent, as the browser would: with the request id of the page."""
    page = trial.get(person, address)
    assert page.status_code == 200, (person, address, page.status_code)
    found = re.search(r'name="request_id" value="([^"]+)"', page.content.decode())
    return trial.post(person, address, {"request_id": found.group(1) if found else "", **typed})


def test_a_laboratory_file_is_judged_then_confirmed_and_kept_in_no_session(trial):
    from django.contrib.sessions.models import Session
    from django.core.files.uploadedfile import SimpleUploadedFile

    from flarefree.web.record.reading import read_things

    subject = trial.patients["quiet"]
    text = (
        "subject,test,value,unit,collected\n"
        f"{subject},CREAT,0.97,mg/dL,2026-05-02\n"
        "017-999,CREAT,1.0,mg/dL,2026-05-02\n"
    )
    upload = SimpleUploadedFile("may.csv", text.encode(), content_type="text/csv")
    page = trial.post("dana", "/import/", {"step": "look", "file": upload})
    shown = page.content.decode()
    assert page.status_code == 200, shown[:2000]
    assert "Row" in shown and "Take the good rows only" in shown
    before = len(read_things("lab", subject=subject))
    told = {
        "step": "confirm",
        "choice": "good",
        "file_name": "may.csv",
        "text": text,
        "request_id": "import-1",
    }
    for _ in range(2):
        assert trial.post("dana", "/import/", told).status_code == 302
    assert len(read_things("lab", subject=subject)) == before + 1
    assert not any("CREAT" in str(session.get_decoded()) for session in Session.objects.all())


def test_the_study_goes_out_as_one_file_that_is_the_same_again(trial):
    import io
    import zipfile

    first, second = (sent(trial, "dana", "/export/") for _ in range(2))
    assert first["Content-Type"] == "application/zip" and "attachment" in first["Content-Disposition"]
    names = zipfile.ZipFile(io.BytesIO(first.content)).namelist()
    assert "study/manifest.json" in names and "study/study.yaml" in names
    data = [name for name in names if name.endswith(".csv")]
    one, other = (zipfile.ZipFile(io.BytesIO(answer.content)) for answer in (first, second))
    assert data and all(one.read(name) == other.read(name) for name in data)
    assert trial.get("ines", "/export/").status_code == 404


def test_a_blinded_review_has_one_column(trial):
    page = trial.post("stan", "/review/", {})
    assert page.status_code == 200
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)', page.content.decode())
    assert heads and not any(
        arm in head for head in heads for arm in ("Mycophenolate", "Azathioprine", "MMF", "AZA")
    )


def test_what_a_form_refuses_is_said_with_nothing_lost(trial):
    answer = sent(
        trial, "nora", f"/subjects/{trial.patients['quiet']}/medication/", dose="ten", start="2026-05-01"
    )
    text = answer.content.decode()
    assert answer.status_code == 422 and "Enter: Drug" in text and 'value="ten"' in text


def test_visits_are_signed_and_verified_doses_changed_names_read(trial):
    """One after another, each by whom it belongs to."""
    subject = trial.patients["flaring"]
    of = f"/subjects/{subject}/"
    step = {"on": "2026-06-15", "step": "1", "why": "INTOLERANCE"}
    form = {"version": "2.0", "title": "Version 2", "approved_on": "2026-06-01"}
    site = {"title": "Charité Mitte", "country": "Germany", "zone": "Europe/Berlin", "planned": "20"}
    role = {"role": "monitor", "sites": "018 104", "reason": "helps"}
    steps: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("ines", f"{of}visits/month-1/sign/", {}),
        ("mona", f"{of}visits/month-1/verify/", {}),
        ("ines", f"{of}dose/step/", step),
        ("nora", f"{of}identity/", {"full_name": "Maria Muster", "contact": "030 1234"}),
        ("ines", f"{of}guess/", {"guess": "unknown", "certainty": "1"}),
        ("ines", f"{of}in-error/", {"reason": "class II on a second reading of the biopsy"}),
        ("ines", f"{of}stop-drug/", {"date": "2026-06-15", "reason": "Pregnancy"}),
        ("sam", "/consent-forms/approve/", form),
        ("administrator", "/sites/017/", {**site, "is_open": "true", "reason": "moved"}),
        ("administrator", "/accounts-of-the-trial/theo/role/", role),
    )
    for person, address, typed in steps:
        answer = sent(trial, person, address, **typed)
        assert answer.status_code == 302, (
            address,
            re.findall(r"<li>(.*?)</li>", answer.content.decode(), re.S)[-6:],
        )
    shown = sent(trial, "nora", f"{of}who/")
    assert "Maria Muster" in shown.content.decode()
    assert "Maria" not in trial.get("mona", of).content.decode()
