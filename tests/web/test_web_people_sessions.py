"""Log-ins: a link once, a second factor always, one session for an account; what is taken is gone at once."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from flarefree.errors import ConductError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PASSWORD = "a long enough sentence"


@pytest.fixture
def clock():
    """A clock that tests move: `clock.at += timedelta(...)`."""
    from flarefree.web.clock import clock_set_to

    class Clock:
        at = NOON

    with clock_set_to(lambda: Clock.at):
        yield Clock


@pytest.fixture
def people(record, clock):
    """`ada` administers; `ben` is to be the sponsor."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.accounts import BeginAdministration, GrantRole, OpenAccount, RevokeRole
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    ada = Actor("ada", "administrator")
    execute(BeginAdministration(person="ada", full_name="Ada"), Asked(None, "begin", clock.at))
    execute(OpenAccount(person="ben", full_name="Ben"), Asked(ada, "open-ben", clock.at))
    execute(GrantRole(person="ben", role="sponsor", reason="leads"), Asked(ada, "grant-ben", clock.at))

    class People:
        admin = ada

        @staticmethod
        def revoke(person, role):
            asked = Asked(ada, f"revoke-{person}-{role}", clock.at)
            execute(RevokeRole(person=person, role=role, reason="left"), asked)

        @staticmethod
        def grant(person, role):
            asked = Asked(ada, f"grant-{person}-{role}", clock.at)
            execute(GrantRole(person=person, role=role, reason="needed"), asked)

        @staticmethod
        def link(person, request="invite", **told):
            from flarefree.web.people.links import invite

            return invite(Asked(ada, request, clock.at), person, **told).path

        @classmethod
        def with_password(cls, person):
            from flarefree.web.people.links import use_link

            return use_link(cls.link(person).rstrip("/").split("/")[-1], PASSWORD)

        @classmethod
        def ready(cls, person):
            """An account with password and second factor; its secret."""
            from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

            secret = generate_totp_secret()
            TOTP.activate(cls.with_password(person), secret)
            return secret

    return People


def code_of(secret: str) -> str:
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def log_in(client, person: str, secret: str, password: str = PASSWORD):
    """Name and password, then the code; waits where the half minute is about to end."""
    if time.time() % 30 > 28:
        time.sleep(30 - time.time() % 30)
    client.post("/accounts/login/", {"login": person, "password": password})
    return client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})


def is_in(client) -> bool:
    """Whether a page that needs a log-in is shown rather than the way to the log-in."""
    answer = client.get("/accounts/password/change/")
    return answer.status_code == 200


def ends_of(person: str) -> list[str]:
    from flarefree.web.record.reading import read_things

    return [str(item["end"]) for item in read_things("login") if item["person"] == person]


def test_a_link_sets_a_password_once_and_is_nowhere_kept(people, client):
    from flarefree.web.people.models import Link
    from flarefree.web.record.models import LogRow

    path = people.link("ben")
    assert client.get(path).status_code == 200
    weak = client.post(path, {"password": "password1234", "again": "password1234"})
    assert weak.status_code == 200 and b"too common" in weak.content
    done = client.post(path, {"password": PASSWORD, "again": PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/accounts/login/")
    assert client.get(path).status_code == 404
    secret = path.split("/")[-2]
    kept = [*LogRow.objects.values_list("content", "items", "answer"), *Link.objects.values_list()]
    assert secret not in str(kept)


def test_another_link_makes_the_earlier_one_useless_and_so_does_time(people, client, clock):
    first, second = people.link("ben", "one"), people.link("ben", "two")
    assert (client.get(first).status_code, client.get(second).status_code) == (404, 200)
    assert people.link("ben", "two") == ""  # asked before: it was shown then
    clock.at += timedelta(hours=73)
    assert client.get(second).status_code == 404


def test_without_a_second_factor_there_is_nothing_but_setting_it_up(people, client):
    people.with_password("ben")
    client.post("/accounts/login/", {"login": "ben", "password": PASSWORD})
    for path in ("/", "/sites/", "/accounts/password/change/", "/api/v1/openapi.json"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/totp/activate/"), path
    page = client.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    secret = client.session["mfa.totp.secret"]
    assert secret.encode() in page.content
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert is_in(client)
    assert ends_of("ben") == ["password_set", "admitted", "second_factor_set", "recovery_codes_made"]


def test_a_code_is_good_once(people, client, client_of_another):
    secret = people.ready("ben")
    log_in(client, "ben", secret)
    assert is_in(client)
    log_in(client_of_another, "ben", secret)
    assert not is_in(client_of_another)
    assert ends_of("ben")[-1] == "second_factor_refused"


@pytest.fixture
def client():
    from django.test import Client

    return Client()


@pytest.fixture
def client_of_another():
    from django.test import Client

    return Client()


def test_a_second_log_in_ends_the_first_and_is_told(people, client, client_of_another):
    from flarefree.web.people.models import Account, CacheRow

    secret = people.ready("ben")
    log_in(client, "ben", secret)
    copied = dict(client.cookies)
    CacheRow.objects.all().delete()  # as if the next half minute had come
    log_in(client_of_another, "ben", secret)
    assert is_in(client_of_another)
    first = client.get("/accounts/password/change/", follow=True)
    assert b"logged in with this account elsewhere" in first.content
    assert not is_in(client)
    client.cookies.update(copied)
    assert not is_in(client), "a replayed cookie of the session that was ended"
    assert is_in(client_of_another)
    assert Account.objects.get(name="ben").session_key


def test_a_session_that_ended_is_not_replayed(people, client):
    secret = people.ready("ben")
    log_in(client, "ben", secret)
    cookie = client.cookies["sessionid"].value
    client.post("/accounts/logout/")
    client.cookies["sessionid"] = cookie
    assert not is_in(client)
    assert ends_of("ben")[-1] == "logged_out"


def test_an_idle_session_ends_and_so_does_a_long_one(people, client, clock):
    from flarefree.web.people.models import CacheRow

    secret = people.ready("ben")
    log_in(client, "ben", secret)
    for _ in range(3):
        clock.at += timedelta(minutes=29)
        assert is_in(client)
    clock.at += timedelta(minutes=31)
    assert b"idle for too long" in client.get("/accounts/password/change/", follow=True).content
    CacheRow.objects.all().delete()
    log_in(client, "ben", secret)
    assert is_in(client)
    for _ in range(25):
        clock.at += timedelta(minutes=29)
        is_in(client)
    assert not is_in(client)


def test_a_closed_account_is_out_at_the_next_request(people, client, clock):
    from flarefree.web.commands.accounts import CloseAccount
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    secret = people.ready("ben")
    log_in(client, "ben", secret)
    execute(CloseAccount(person="ben", reason="left"), Asked(people.admin, "close", clock.at))
    assert not is_in(client)
    from flarefree.web.people.models import CacheRow

    CacheRow.objects.all().delete()
    log_in(client, "ben", secret)
    assert not is_in(client)


def test_log_ins_are_throttled_and_failures_are_logged_without_what_was_typed(people, client):
    from flarefree.web.record.models import LogRow

    people.ready("ben")
    for _ in range(8):
        client.post("/accounts/login/", {"login": "ben", "password": "guessed-secret-word"})
    assert ends_of("ben").count("refused") == 5
    refused = client.post("/accounts/login/", {"login": "ben", "password": PASSWORD})
    assert b"Too many failed login attempts" in refused.content
    client.post("/accounts/login/", {"login": "my-password-by-mistake", "password": "x"})
    assert ends_of("") == ["refused"]
    log = str(list(LogRow.objects.values_list("content", "items", "answer")))
    assert "guessed-secret-word" not in log and "my-password-by-mistake" not in log


def test_nobody_signs_up_or_resets_a_password_by_themselves(people, client):
    for path in ("signup/", "password/reset/", "email/", "password/set/", "login/code/confirm/"):
        assert client.get(f"/accounts/{path}").status_code == 404, path


def test_the_role_is_found_anew_at_each_request(people, client, clock):
    from django.test import RequestFactory

    from flarefree.web.people.acting import actor_of, choose_role, roles_of
    from flarefree.web.people.models import Account

    user = people.with_password("ben")

    def request(session=None):
        made = RequestFactory().get("/")
        made.user, made.session = Account.objects.get(pk=user.pk), {} if session is None else session
        return made

    assert actor_of(request()).role == "sponsor"
    people.grant("ben", "audit_reviewer")
    assert actor_of(request()) is None, "two roles, none chosen"
    session: dict[str, str] = {}
    choose_role(request(session), "audit_reviewer")
    assert actor_of(request(session)).role == "audit_reviewer"
    clock.at += timedelta(seconds=1)
    people.revoke("ben", "audit_reviewer")
    assert actor_of(request(session)).role == "sponsor"
    people.revoke("ben", "sponsor")
    assert (actor_of(request(session)), roles_of(request(session))) == (None, ())
    with pytest.raises(ConductError, match="this role is not held"):
        choose_role(request(session), "sponsor")


def test_a_token_is_one_persons_in_one_role_and_ends_with_either(people, clock):
    from django.test import RequestFactory

    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.base import Asked
    from flarefree.web.people.acting import actor_of, actor_of_program
    from flarefree.web.people.models import ApiToken
    from flarefree.web.people.tokens import make_token, revoke_token
    from flarefree.web.record.models import LogRow

    people.with_password("ben")
    made = make_token(Actor("ben", "sponsor"), label="dashboard")

    def who(header):
        request = RequestFactory().get("/", headers={"Authorization": header})
        assert actor_of(request) is None, "a token opens no page"
        return actor_of_program(request)

    assert who(f"Bearer {made.secret}") == Actor("ben", "sponsor")
    assert who(f"Basic {made.secret}") is None and who(made.secret) is None
    assert who(f"Bearer {made.secret[:-1]}") is None
    kept = str([*LogRow.objects.values_list("content", "items"), *ApiToken.objects.values_list()])
    assert made.secret not in kept and made.secret not in repr(made)
    clock.at += timedelta(days=89)
    assert who(f"Bearer {made.secret}") is not None
    other = make_token(Actor("ben", "sponsor"), label="another")
    revoke_token(Asked(people.admin, "revoke-token", clock.at), made.key, "lost")
    assert who(f"Bearer {made.secret}") is None
    people.revoke("ben", "sponsor")
    clock.at += timedelta(seconds=1)
    assert who(f"Bearer {other.secret}") is None


def test_every_answer_has_strict_headers_and_no_page_has_inline_script(people, client):
    for path in ("/accounts/login/", "/no-such-page/", "/healthz", people.link("ben")):
        answer = client.get(path)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer["X-Content-Type-Options"] == "nosniff" and answer["X-Frame-Options"] == "DENY"
        assert "no-store" in answer["Cache-Control"]
        assert not re.search(rb"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.content), path


def test_health_says_nothing_of_the_trial(people, client):
    assert client.get("/healthz").content == b"ok\n"


def test_the_servers_log_never_has_a_link_or_a_token():
    import logging

    from flarefree.web.logs import NoSecrets

    record = logging.LogRecord(
        "django.request", 30, "", 0, "Forbidden: %s %s", ("/accounts/begin/AbC-12_x/", "ff_" + "a" * 43), None
    )
    NoSecrets().filter(record)
    assert record.getMessage() == "Forbidden: /accounts/begin/…/ ff_…"
