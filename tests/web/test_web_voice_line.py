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

from web_calling import Clock, Telephone, give_role

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
    clock = Clock(BEGIN + timedelta(hours=1))

    def telephone(call: str = "CA1") -> Telephone:
        return Telephone(VoiceLine(line, do, patience=0.4), clock, call)

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
