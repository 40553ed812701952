"""F-1 over real databases: the line, its calls, PINs and commits."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")
sys.path.insert(0, str(Path(__file__).parent))

from web_calling import give_role, make_clock, make_telephone

STRATA_KEYS = ("1", "3", "1")


@pytest.fixture
def trial(databases: None, tmp_path):
    from flarefree.web.checks.live_trial import live_trial

    with live_trial(tmp_path / "trial", subjects=6, list_length=4) as told:
        yield told


@pytest.fixture
def caller(trial):
    """Ada of site 001, who has a PIN; the keys that randomize the site's first patient, for its stratum."""
    from flarefree.web.checks.live_trial import BEGIN, STRATA
    from flarefree.web.clock import clock_set_to
    from flarefree.web.voice.doing import do
    from flarefree.web.voice.line import VoiceLine
    from flarefree.web.voice.opening import line_of_trial
    from flarefree.web.voice.pins import issue_pin

    give_role("ada", "investigator", "001", at=BEGIN)
    issued = issue_pin("ada", BEGIN)
    line = line_of_trial()
    chosen = [str(q.levels.index(level) + 1) for q, level in zip(line.strata, STRATA[0], strict=True)]
    keys = (issued.account, issued.pin, "1", "001", "0001", *chosen, "1")
    clock = make_clock(BEGIN + timedelta(hours=1))

    def telephone(call: str = "CA1"):
        return make_telephone(VoiceLine(line, do, patience=0.4), clock, call)

    with clock_set_to(clock):
        yield telephone, keys


def kits() -> list[str]:
    from flarefree.web.vault import service

    return [given.receipt.code for given in service.receipts_since()]


def test_a_patient_is_randomized_by_telephone(trial, caller):
    from flarefree.web.record.reading import read_thing

    telephone, keys = caller
    said = " ".join(telephone().keys(*keys).say)
    subject = read_thing("subject", "001-0001")
    kit = str(subject["kit"])
    assert said.count(f"{' '.join(kit[:4])}, {' '.join(kit[4:])}") == 2
    assert (subject["channel"], subject["status"], subject["randomized_by"]) == ("voice", "randomized", "ada")
    assert kits() == [kit]


@pytest.mark.parametrize("drop", [3, 8, 9])
def test_a_dropped_call_is_heard_again_by_its_number(caller, drop):
    from flarefree.web.voice.models import VoiceCall

    telephone, keys = caller
    first = telephone()
    first.keys(*keys[:drop])
    first.hang_up()
    assert first.key("1").is_last  # a hook that comes late
    number = VoiceCall.objects.get(call="CA1").request
    said = " ".join(telephone("CA2").keys(keys[0], keys[1], "2", number).say)
    assert len(kits()) == (drop == len(keys))
    assert ("Nothing was done" in said) == (drop < len(keys))
    if drop == len(keys):
        assert " ".join(kits()[0][:4]) in said


def test_strata_that_are_recorded_otherwise_are_refused_and_nothing_is_consumed(caller):
    telephone, keys = caller
    wrong = (*keys[:5], "2" if keys[5] == "1" else "1", *keys[6:])
    said = " ".join(telephone().keys(*wrong).say)
    assert "is recorded otherwise" in said
    assert kits() == []


def test_a_patient_of_another_site_is_as_one_who_is_not_there(caller):
    telephone, keys = caller
    other = telephone().keys(*keys[:3], "002", "0001").say
    nobody = telephone("CA2").keys(*keys[:3], "001", "0999").say
    nowhere = telephone("CA3").keys(*keys[:3], "777", "0001").say
    assert other == nobody == nowhere


def test_hooks_sent_twice_at_once_allocate_once_and_say_the_same(caller):
    """Both arrive while the first is worked on; the second waits and then says what stands."""
    from django.db import connections

    telephone, keys = caller
    first = telephone()
    first.keys(*keys[:-1])
    prompts = []

    def send() -> None:
        try:
            again = telephone()
            again.turn = first.turn
            prompts.append(again.key("1", first.turn))
        finally:
            connections.close_all()

    threads = [Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kits()) == 1
    assert len({prompt.say for prompt in prompts}) == 1 and len(prompts) == 4


def test_a_hook_whose_first_worker_died_is_taken_up(caller):
    """It was claimed and never answered: the second waits, then acts; the request is the same."""
    from flarefree.web.voice.keeping import claim_turn, read_call

    telephone, keys = caller
    one = telephone()
    one.keys(*keys[:-1])
    assert claim_turn(read_call("CA1"))
    said = " ".join(one.key("1").say)
    assert len(kits()) == 1 and "kit code" in said


def test_wrong_pins_close_the_account_to_the_telephone_and_are_logged(caller):
    from flarefree.web.record.reading import read_things

    telephone, keys = caller
    wrong = "000000" if keys[1] != "000000" else "000001"
    for n in range(2):
        telephone(f"CX{n}").keys(keys[0], wrong, keys[0], wrong, keys[0], wrong)
    prompt = telephone("CA9").keys(*keys[:2])
    assert "do not belong together" in " ".join(prompt.say)
    later = telephone("CA10")
    later.clock.go_on(minutes=31)
    assert "To randomize" in " ".join(later.keys(*keys[:2]).say)
    ends = [item["end"] for item in read_things("login")]
    assert ends.count("refused_by_telephone") == 7 and ends[-1] == "admitted_by_telephone"


def test_a_role_taken_a_moment_ago_is_gone_at_the_confirmation(caller):
    from flarefree.conduct.audit.entries import time_text
    from flarefree.web.checks.live_trial import BEGIN, Arrange
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    telephone, keys = caller
    one = telephone()
    one.keys(*keys[:-1])
    ended = time_text(BEGIN + timedelta(hours=1))
    values = (("grant", "ada-investigator", "end", "permissions.history", ended),)
    execute(Arrange(about="account/ada", values=values), Asked(None, "ended", one.clock.at, "machine"))
    assert "Nothing was done" in " ".join(one.key("1").say)
    assert kits() == []


def test_what_is_kept_of_a_call_has_no_pin_and_no_arm(trial, caller):
    from flarefree.web.record.models import LogRow
    from flarefree.web.voice.models import VoiceCall, VoicePin

    telephone, keys = caller
    one = telephone()
    one.keys(*keys)
    states = " ".join(VoiceCall.objects.values_list("state", flat=True))
    logs = " ".join(f"{row.content} {row.items} {row.answer}" for row in LogRow.objects.all())
    for kept in (states, logs):
        assert f'"{keys[1]}"' not in kept
    assert VoicePin.objects.get().hash.startswith("argon2")
    words = " ".join(one.said)
    for arm in ("MMF", "AZA", "Azathioprine"):
        assert arm not in words and arm not in states
    assert json.loads(VoiceCall.objects.get().state)["kit"] in logs


def test_each_person_has_a_number_of_their_own_and_a_new_pin_ends_the_old(caller):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.voice.pins import issue_pin, try_pin

    _, keys = caller
    again = issue_pin("ada", BEGIN + timedelta(minutes=1))
    assert again.account == keys[0]
    assert not try_pin(keys[0], keys[1], BEGIN).is_admitted or again.pin == keys[1]
    assert try_pin(again.account, again.pin, BEGIN).is_admitted
    assert again.pin not in repr(again)


# Code break by telephone (B9) --------------------------------------------------------------------


def device_of(person: str, at) -> str:
    """The six digits that a person's authenticator shows; it is set up if they have none."""
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal import auth

    from flarefree.web.people.models import Account

    user = Account.objects.get(name=person)
    device = Authenticator.objects.filter(user=user, type="totp").first()
    if device is None:
        device = auth.TOTP.activate(user, auth.generate_totp_secret()).instance
    secret = auth.decrypt(device.data["secret"])
    return auth.format_hotp_value(auth.hotp_value(secret, next(iter(auth.yield_hotp_counters_from_time()))))


@pytest.fixture
def broken(trial, caller):
    """A patient who is randomized, and the keys that break their code."""
    from django.core.cache import cache

    from flarefree.web.checks.live_trial import randomize

    cache.clear()
    telephone, keys = caller
    randomize("001-0001")
    clock = telephone().clock
    return telephone, (keys[0], keys[1], "3", device_of("ada", clock.at), "001", "0001", "1", "2", "1")


def test_a_code_is_broken_by_telephone_within_two_minutes(broken):
    """B9: two factors, reason, impact; one answer; notices and register hold no arm; nothing kept has one."""
    from flarefree.web.commands.code_breaks import register_of
    from flarefree.web.record.models import LogRow
    from flarefree.web.record.reading import read_things
    from flarefree.web.voice.models import VoiceCall

    telephone, keys = broken
    one = telephone()
    begun = one.clock.at
    said = " ".join(one.keys(*keys).say)
    arms = [arm for arm in ("Mycophenolate mofetil", "Azathioprine") if arm in said]
    assert len(arms) == 1
    assert (one.clock.at - begun).total_seconds() < 120
    (entry,) = register_of("001-0001")
    assert (entry.request.actor.person, entry.request.channel.value) == ("ada", "voice")
    assert {item["to_role"] for item in read_things("notice")} == {
        "sponsor",
        "medical_monitor",
        "safety_officer",
    }
    kept = " ".join(VoiceCall.objects.values_list("state", flat=True))
    kept += " ".join(
        f"{r.content} {r.items} {r.answer}" for r in LogRow.objects.filter(about__contains="001-0001")
    )
    kept = kept.replace("Intravenous cyclophosphamide", "")
    assert arms[0] not in kept
    again = " ".join(one.key("1").say)
    assert arms[0] in again
    assert len(register_of()) == 1


def test_a_code_break_needs_the_device_and_a_code_is_good_once(broken):
    from flarefree.web.commands.code_breaks import register_of

    telephone, keys = broken
    wrong = "000000" if keys[3] != "000000" else "000001"
    assert "not right" in " ".join(telephone().keys(*keys[:3], wrong).say)
    telephone("CA2").keys(*keys[:4])
    assert "not right" in " ".join(telephone("CA3").keys(*keys[:4]).say)
    assert register_of() == ()


def test_the_same_patient_is_not_told_to_an_investigator_of_another_site(broken):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.code_breaks import register_of
    from flarefree.web.voice.pins import issue_pin

    telephone, _ = broken
    give_role("bob", "investigator", "002", at=telephone().clock.at)
    issued = issue_pin("bob", telephone().clock.at)
    code = device_of("bob", BEGIN)
    said = " ".join(telephone("CB").keys(issued.account, issued.pin, "3", code, "001", "0001").say)
    assert "no such subject" in said
    assert register_of() == ()


def test_a_dropped_code_break_is_not_told_by_its_number(broken):
    from flarefree.web.voice.models import VoiceCall

    telephone, keys = broken
    one = telephone()
    one.keys(*keys)
    one.hang_up()
    number = VoiceCall.objects.get(call="CA1").request
    said = " ".join(telephone("CA2").keys(keys[0], keys[1], "2", number).say)
    assert "was broken" in said and "Mycophenolate" not in said and "Azathioprine" not in said
