"""Attacks on who asks: a stolen token on a page, a right taken after a code break, a secret that is gone."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.append(str(Path(__file__).resolve().parents[1] / "browser"))
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def test_a_stolen_token_opens_no_page_in_somebody_elses_session(record):
    """With an administrator's token and any session, a page handed out a link to any account."""
    import web_scene
    from django.test import Client
    from web_browsing import Trial

    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import clock_set_to
    from flarefree.web.people.tokens import make_token
    from flarefree.web.record.reading import read_things

    web_scene.make_trial()
    with clock_set_to(lambda: web_scene.NOW):
        admin = next(str(g["person"]) for g in read_things("grant") if g["role"] == "administrator")
        secret = make_token(Actor(admin, "administrator"), label="script").secret
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        client.cookies["sessionid"] = Trial("", {}).cookie("nora")
        pages = (
            "/accounts-of-the-trial/",
            "/accounts-of-the-trial/ines/link/",
            "/accounts-of-the-trial/open/",
        )
        assert [client.get(page).status_code for page in pages] == [404, 404, 404]
        assert client.get("/api/v1/me").json()["person"] == admin, "what the token is for"


def test_the_code_that_set_up_a_second_factor_is_used_up(record):
    """It was good for another log-in in the same half minute, for who had looked over the shoulder."""
    import time

    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
    from django.test import Client

    from flarefree.conduct.visibility import Actor
    from flarefree.web.clock import now
    from flarefree.web.commands.accounts import BeginAdministration, OpenAccount
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.people.links import invite, use_link

    ada, password = Actor("ada", "administrator"), "a long enough sentence"
    execute(BeginAdministration(person="ada", full_name="Ada"), Asked(None, "begin", now()))
    execute(OpenAccount(person="ben", full_name="Ben"), Asked(ada, "open", now()))
    use_link(invite(Asked(ada, "invite", now()), "ben").path.rstrip("/").split("/")[-1], password)
    own = Client()
    own.post("/accounts/login/", {"login": "ben", "password": password})
    if time.time() % 30 > 25:
        time.sleep(30 - time.time() % 30)
    own.get("/accounts/2fa/totp/activate/")
    secret = own.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    assert own.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    thief = Client()
    asked = thief.post("/accounts/login/", {"login": "ben", "password": password})
    assert asked["Location"] == "/accounts/2fa/authenticate/"
    assert b"ncorrect" in thief.post("/accounts/2fa/authenticate/", {"code": code}).content
    assert "_auth_user_id" not in thief.session


def test_who_may_not_see_codes_of_kits_finds_none_in_the_names_of_things(databases, tmp_path):
    """Things of kind `allocation` are named by the code; the sponsor read them in their order."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.randomizing import RandomizeSubject
    from flarefree.web.queries.seeing import see_things
    from flarefree.web.trial import running_trial

    with live_trial(tmp_path / "trial", subjects=2, list_length=4) as trial:
        ida = Actor("ida", "investigator", frozenset({"001"}))
        asked = Asked(ida, "randomize", BEGIN + timedelta(hours=1))
        kit = str(execute(RandomizeSubject(subject=trial.subjects[0]), asked).result["kit"])
        matrix = running_trial().matrix
        blind = [r for r in matrix.roles if not matrix.allows(r, "see", "allocation.kit", "live")]
        assert "sponsor" in blind and "safety_board" in blind
        for role in blind:
            for item in see_things(Actor("someone", role, frozenset({"001"}))):
                told = [item.key, *(str(fact.value) for fact in item.facts.values())]
                assert not any(kit in text for text in told), (role, item.name)


def test_the_answer_of_a_code_break_is_not_told_once_the_right_is_gone(databases, tmp_path):
    from flarefree.conduct.visibility import Actor
    from flarefree.errors import ConductError
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.code_breaks import NoteIdentification, OrderCodeBreak, hear_answer
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.randomizing import RandomizeSubject

    at = BEGIN + timedelta(hours=2)
    with live_trial(tmp_path / "trial", subjects=2, list_length=4) as trial:
        who = trial.subjects[0]
        ida = Actor("ida", "investigator", frozenset({"001"}))
        execute(RandomizeSubject(subject=who), Asked(ida, "randomize", at))
        noted = execute(
            NoteIdentification(person="ida", factors=("password", "device")), Asked(None, "id", at, "machine")
        )
        order = OrderCodeBreak(
            subject=who, identification=str(noted.result["identification"]), reason="EMERGENCY",
            explanation="bleeding, marrow failing", impact="ASKER_ONLY",
        )  # fmt: skip
        key = str(execute(order, Asked(ida, "break", at)).result["code_break"])
        assert hear_answer(key, Asked(ida, "hear-1", at)).treatment
        for now_is in (
            Actor("ida", "investigator", frozenset({"002"})),
            Actor("ida", "site_staff", ida.sites),
        ):
            with pytest.raises(ConductError, match="nothing here"):
                hear_answer(key, Asked(now_is, f"hear-{now_is.role}", at))


def test_a_telephone_finds_a_patient_where_two_countries_sites_have_the_same_digits(record):
    """`USA01` and `GBR01` are both keyed 01: nobody could be randomized, nor a code broken, by telephone."""
    from datetime import UTC, datetime

    from web_planting import plant

    from flarefree.web.voice.calls import Began, FindSubject, Task
    from flarefree.web.voice.doing import do

    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    plant("t", ("trial", "this", "configuration", {"phase": "live"}), request="live", at=at)
    for site in ("USA01", "GBR01"):
        plant(site, ("site", site, "sites.register", {"title": site, "zone": "UTC"}), request=site, at=at)
        told = {"subject": f"{site}-004", "site": site, "number": 4}
        plant(
            told["subject"], ("subject", told["subject"], "subject.number", told), request=f"s{site}", at=at
        )
    from web_calling import give_role

    give_role("ann", "investigator", "USA01", at=at)
    give_role("max", "medical_monitor", at=at)
    later = at + timedelta(hours=1)

    def find(person, task=Task.BREAK_CODE):
        return do(FindSubject(person, task, "01", "4"), Began(later))

    assert find("ann").values == {"site": "USA01", "subject": "USA01-004"}
    assert find("ann", Task.RANDOMIZE).is_good
    assert not find("max").is_good, "of two patients neither is guessed"


# The installation's secret -------------------------------------------------------------------------


def serve(data: Path) -> str:
    """What it says where it does not start."""
    command = [
        sys.executable,
        "-c",
        "from flarefree.cli import main; main()",
        "serve",
        "--port",
        "0",
        "--data",
    ]
    done = subprocess.run([*command, str(data)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr[-500:])
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder in which a trial was begun."""
    data = tmp_path_factory.mktemp("attacked") / "trial"
    told = (
        "from pathlib import Path; from flarefree.web.config import WebConfig; "
        "from flarefree.web.starting import prepare; "
        f"prepare(WebConfig(data=Path({str(data)!r})))"
    )
    subprocess.run([sys.executable, "-c", told], check=True, timeout=120)
    return data


def test_a_record_whose_secret_is_gone_is_not_served_under_a_new_one(installed):
    secret = installed / "secret-key"
    kept = secret.read_text("ascii")
    secret.unlink()
    try:
        for _ in range(2):  # nor at the second try
            assert "the secret under which these data were made is not here" in serve(installed)
            assert not secret.exists()
    finally:
        secret.write_text(kept, "ascii")


@pytest.mark.parametrize("text", ["", "x\n", "Z" * 64, "a" * 63])
def test_a_secret_that_was_cut_short_is_not_used(installed, text):
    secret = installed / "secret-key"
    kept = secret.read_text("ascii")
    secret.write_text(text, "ascii")
    try:
        assert "not the secret that was made here" in serve(installed)
    finally:
        secret.write_text(kept, "ascii")


def test_the_chair_reads_a_decision_and_not_whose_it_is(record):
    """The API's list of decisions told the chair the patients of cases that come without one."""
    from datetime import UTC, datetime
    from types import SimpleNamespace as Some

    from flarefree.web.committee_writes import _decided
    from flarefree.web.trial import running_trial

    at = datetime(2026, 1, 5, tzinfo=UTC)
    verdict = Some(answer="confirmed", event_day=31, by="votes", at=at, reason="so it is", members=("vera",))
    case = Some(
        number="00001", subject="017-004", site="017", endpoint="flare", verdict=verdict, state="decided",
        round=Some(assigned=("vera",)),
    )  # fmt: skip
    writes = tuple(_decided(case, None, None, at))
    matrix = running_trial().matrix
    seen = {w.attribute for w in writes if matrix.allows("committee_chair", "see", w.field, "live")}
    assert {"answer", "reason"} <= seen and not {"subject", "site"} & seen
    for role in ("data_manager", "blinded_statistician"):
        assert all(matrix.allows(role, "see", w.field, "live") for w in writes)


def test_a_vault_that_was_lost_is_told_at_the_start(databases, tmp_path):
    """Its file gone, a new one was made, and the server said nothing until a code had to be broken."""
    from django.core.management import call_command
    from django.db import connections

    from flarefree.conduct.visibility import Actor
    from flarefree.errors import ConductError
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.commands.allocated import repair_allocations
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.randomizing import RandomizeSubject

    if connections["vault"].vendor != "sqlite":
        pytest.skip("the vault's file is lost, which PostgreSQL has not")
    with live_trial(tmp_path / "trial", subjects=2, list_length=4) as trial:
        ida = Actor("ida", "investigator", frozenset({"001"}))
        execute(RandomizeSubject(subject=trial.subjects[0]), Asked(ida, "r", BEGIN + timedelta(hours=1)))
        assert repair_allocations() == ()
        connections["vault"].close()
        connections["vault"].settings_dict["NAME"] = str(tmp_path / "another.sqlite3")
        call_command("migrate", database="vault", verbosity=0)
        with pytest.raises(ConductError, match="the vault is empty"):
            repair_allocations()
