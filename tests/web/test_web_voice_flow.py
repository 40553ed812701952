"""F-1 on the call as a state machine: a caller who drops, repeats, delays and reorders commits at most once.

The outside is simulated: a vault that allocates a subject once and remembers requests.  The same line over
real databases is tested in test_web_voice_line.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("django", reason="the extra `web` is not installed")

from flarefree.web.voice.calls import (
    Ask,
    Began,
    BreakCode,
    Call,
    CheckDevice,
    Event,
    FindSubject,
    HungUp,
    Identify,
    Keyed,
    Line,
    Place,
    Question,
    Randomize,
    Recall,
    Reply,
    Silent,
    Step,
)
from flarefree.web.voice.flow import begin, resume, take
from flarefree.web.voice.prompts import Prompt, prompt_of
from flarefree.web.voice.texts import ENGLISH, LANGUAGES, grouped, text_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LINE = Line(
    "the trial",
    (Question("induction", "Induction therapy", ("Cyclophosphamide", "Mycophenolate")),
     Question("race", "Race", ("Asian", "White", "Other"))),
)  # fmt: skip
ARMS = ("ARM-ONE", "ARM-TWO")


@dataclass
class Outside:
    """Accounts, subjects and a vault, as small as they can be."""

    by_subject: dict[str, str] = field(default_factory=dict)
    by_request: dict[str, tuple[str, str]] = field(default_factory=dict)
    commits: list[tuple[str, str, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def do(self, ask: Ask) -> Reply:
        match ask:
            case Identify(account="123456", pin="654321"):
                return Reply(True, {"person": "ada"})
            case Identify():
                return Reply(False, because="not_identified")
            case CheckDevice():
                return Reply(ask.code == "111222", {"identification": "proof"}, "not_proven")
            case FindSubject(site="017", number="004"):
                return Reply(True, {"site": "017", "subject": "017-004"})
            case FindSubject():
                return Reply(False, because="nothing_here")
            case Randomize():
                return self._randomize(ask)
            case Recall():
                known = self.by_request.get(ask.request)
                if known is None:
                    return Reply(False, because="nothing_done")
                values = {"request": ask.request, "subject": known[0], "kit": known[1]}
                return Reply(True, values, "recalled_kit")
            case BreakCode():
                self.broken.append(ask.request)
                return Reply(True, {"treatment": ARMS[0]})

    def _randomize(self, ask: Randomize) -> Reply:
        if ask.request not in self.by_request:
            self.commits.append((ask.request, ask.subject, ask.strata))
            kit = self.by_subject.setdefault(ask.subject, f"7654{len(self.by_subject):04d}")
            self.by_request[ask.request] = (ask.subject, kit)
        return Reply(True, {"kit": self.by_request[ask.request][1]})


@dataclass
class Phone:
    """One call, as the application keeps it."""

    outside: Outside
    call: Call
    spoken: list[str] = field(default_factory=list)
    confirmed_after_read_back: bool = False

    def hear(self, event: Event) -> Prompt:
        before = self.call
        step = take(LINE, before, event)
        while step.ask is not None:
            if isinstance(step.ask, Randomize | BreakCode) and before.place is not Place.TREATMENT:
                # Whatever came before: it was read back, and `1` was the answer to just that prompt.
                assert before.place is Place.READ_BACK
                assert isinstance(event, Keyed) and event.keys == "1" and event.turn == before.turn
            step = resume(LINE, step.call, step.ask, self.outside.do(step.ask), event.at)
        self.call = step.call
        prompt = prompt_of(LINE, step.call, step.aside)
        self.spoken.extend(prompt.say)
        return prompt

    def key(self, *keys: str, at: datetime = NOON) -> Prompt:
        prompt = self.hear(Began(at))
        for one in keys:
            prompt = self.hear(Keyed(self.call.turn, one, at))
        return prompt


def phone(outside: Outside | None = None, request: str = "123456789") -> Phone:
    return Phone(outside or Outside(), begin(f"call-{request}", request))


RANDOMIZING = ("123456", "654321", "1", "017", "004", "2", "3", "1")


def test_a_patient_is_randomized_after_all_of_it_was_read_back():
    """Ada keys in patient 017-004, hears all of it and the request's number, and confirms."""
    one = phone()
    read_back = " ".join(one.key(*RANDOMIZING[:-1]).say)
    for part in ("0 1 7", "0 1 7, 0 0 4", "Mycophenolate", "Other", "1 2 3, 4 5 6, 7 8 9"):
        assert part in read_back
    assert not one.outside.commits
    said = " ".join(one.hear(Keyed(one.call.turn, "1", NOON)).say)
    assert said.count("7 6 5 4, 0 0 0 0") == 2  # twice, digit by digit
    assert one.outside.commits == [
        ("123456789", "017-004", (("induction", "Mycophenolate"), ("race", "Other")))
    ]


def test_the_kit_is_heard_again_and_then_goodbye():
    one = phone()
    one.key(*RANDOMIZING)
    assert "7 6 5 4" in " ".join(one.hear(Keyed(one.call.turn, "1", NOON)).say)
    assert one.hear(Silent(one.call.turn, NOON)).is_last
    assert len(one.outside.commits) == 1


def test_two_at_the_read_back_changes_everything_and_commits_nothing():
    one = phone()
    one.key(*RANDOMIZING[:-1], "2")
    assert (one.call.place, one.call.strata, one.call.subject) == (Place.SITE, (), "")
    assert not one.outside.commits


def test_star_leads_back_to_the_choice_of_a_task():
    one = phone()
    one.key(*RANDOMIZING[:5], "*")
    assert (one.call.place, one.call.task, one.call.site) == (Place.TASK, None, "")


@pytest.mark.parametrize("upto", range(len(RANDOMIZING) + 1))
def test_a_call_dropped_at_a_prompt_commits_only_if_it_was_confirmed(upto):
    """Then it is heard again by its number; if it was dropped before, nothing was done and that is said."""
    one = phone()
    one.key(*RANDOMIZING[:upto])
    one.hear(HungUp(NOON))
    late = one.hear(Keyed(upto, "1", NOON))
    assert late.is_last
    assert len(one.outside.commits) == (upto == len(RANDOMIZING))
    again = phone(one.outside, "999999999")
    said = " ".join(again.key("123456", "654321", "2", "123456789").say)
    assert ("7 6 5 4, 0 0 0 0" in said) == (upto == len(RANDOMIZING))
    assert ("Nothing was done" in said) == (upto < len(RANDOMIZING))


@pytest.mark.parametrize("upto", range(len(RANDOMIZING)))
@pytest.mark.parametrize("keys", ["", "0", "99999999999", "##", "ab"])
def test_wrong_or_missing_keys_three_times_lead_to_a_person(upto, keys):
    """A site's and a patient's number are keyed as one; wrong together, both are asked for again."""
    one = phone()
    prompt = one.key(*RANDOMIZING[:upto])
    wrong = 0
    while not prompt.is_last:
        prompt = one.hear(Keyed(one.call.turn, keys, NOON))
        wrong += 1
    assert wrong in ({5, 6} if upto in {3, 4} and keys.isdigit() else {3})
    assert ENGLISH["operator"] in prompt.say
    assert not one.outside.commits


@pytest.mark.parametrize("upto", range(len(RANDOMIZING)))
def test_silence_three_times_leads_to_a_person(upto):
    one = phone()
    prompt = one.key(*RANDOMIZING[:upto])
    for _ in range(3):
        prompt = one.hear(Silent(one.call.turn, NOON))
    assert prompt.is_last
    assert ENGLISH["operator"] in prompt.say


def test_an_account_that_does_not_exist_hears_the_same_as_a_wrong_pin():
    told = [phone().key(account, "000000").say for account in ("123456", "000001")]
    assert told[0] == told[1]


def test_a_call_that_takes_too_long_ends_uncommitted():
    one = phone()
    one.key(*RANDOMIZING[:-1])
    prompt = one.hear(Keyed(one.call.turn, "1", NOON + timedelta(minutes=16)))
    assert prompt.is_last
    assert not one.outside.commits
    early = phone()
    early.key(*RANDOMIZING[:-1])
    assert early.hear(Keyed(early.call.turn, "1", NOON - timedelta(days=1))).is_last  # a clock set back


BREAKING = ("123456", "654321", "3", "111222", "017", "004", "1", "2", "1")


def test_a_code_break_is_said_and_kept_nowhere():
    """B9: identity by PIN and device, reason, impact; the treatment is in the words and not in the call."""
    one = phone()
    read_back = " ".join(one.key(*BREAKING[:-1]).say)
    assert "0 1 7, 0 0 4" in read_back
    assert "medical emergency" in read_back and "those who treat" in read_back
    assert not one.outside.broken
    said = " ".join(one.hear(Keyed(one.call.turn, "1", NOON)).say)
    assert said.count(ARMS[0]) == 2
    assert ARMS[0] not in repr(one.call)
    assert ARMS[0] not in repr(Prompt(1, (ARMS[0],)))
    assert ARMS[0] not in repr(Step(one.call, aside={"treatment": ARMS[0]}))
    assert set(one.outside.broken) == {"123456789"}


def test_a_code_break_needs_its_second_factor_to_be_fresh():
    one = phone()
    one.key(*BREAKING[:-1])
    prompt = one.hear(Keyed(one.call.turn, "1", NOON + timedelta(minutes=6)))
    assert one.call.place is Place.DEVICE
    assert not one.outside.broken
    assert not prompt.is_last


def test_a_planned_code_break_has_no_impact_to_tell():
    one = phone()
    one.key(*BREAKING[:6], "4")
    assert (one.call.place, one.call.reason) == (Place.READ_BACK, "safety_report")


hooks = st.lists(
    st.tuples(
        st.integers(0, 2),  # which call
        st.sampled_from(["next", "next", "next", "again", "older", "ahead", "silent", "hang up", "began"]),
        st.sampled_from([*RANDOMIZING, "2", "0", "*", ""]),
        st.integers(0, 40),  # seconds that pass
    ),
    max_size=80,
)
SCRIPTS = (RANDOMIZING, RANDOMIZING, BREAKING)


@given(hooks, st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_hooks_come_one_allocation_and_no_arm(script, is_steady):
    """Three calls at once for one patient; hooks are lost, repeated, late, early, out of order."""
    outside = Outside()
    calls = [phone(outside, f"{n}" * 9) for n in (1, 2, 3)]
    at = NOON
    for which, how, keys, seconds in script:
        at += timedelta(seconds=seconds)
        one = calls[which]
        turn = one.call.turn
        if is_steady and how == "next" and turn < len(SCRIPTS[which]):
            keys = SCRIPTS[which][turn]
        event: Event
        match how:
            case "hang up":
                event = HungUp(at)
            case "began":
                event = Began(at)
            case "silent":
                event = Silent(turn, at)
            case _:
                shift = {"next": 0, "again": -1, "older": -3, "ahead": 2}[how]
                event = Keyed(turn + shift, keys, at)
        before = one.call
        one.hear(event)
        if isinstance(event, Keyed) and event.turn != before.turn:
            assert one.call == before
    assert len(set(outside.by_subject)) <= 1
    requests = [request for request, _, _ in outside.commits]
    assert len(requests) == len(set(requests))
    for one in calls:
        words = " ".join(one.spoken)
        assert not re.search("|".join(ARMS), words) or one.call.request in outside.broken
        if one.call.request in requests and one.call.place is Place.KIT:
            assert one.call.kit == outside.by_subject["017-004"]


def test_two_calls_for_one_patient_hear_one_kit():
    outside = Outside()
    first, second = phone(outside, "111111111"), phone(outside, "222222222")
    first.key(*RANDOMIZING[:-1])
    second.key(*RANDOMIZING)
    first.hear(Keyed(first.call.turn, "1", NOON))
    assert first.call.kit == second.call.kit
    assert len(outside.by_subject) == 1


def test_every_language_says_the_same_things():
    fields = {key: set(re.findall(r"{(\w+)}", text)) for key, text in ENGLISH.items()}
    for table in LANGUAGES.values():
        assert {key: set(re.findall(r"{(\w+)}", text)) for key, text in table.items()} == fields


def test_digits_are_read_one_by_one_in_groups():
    assert grouped("12345674") == "1 2 3 4, 5 6 7 4"
    assert grouped("123456789") == "1 2 3, 4 5 6, 7 8 9"
    assert grouped("017-004") == "0 1 7, 0 0 4"
    with pytest.raises(KeyError):
        text_of("kit", {})


# TwiML and JSON ----------------------------------------------------------------------------------


def test_twiml_is_escaped_and_names_its_turn():
    from xml.etree.ElementTree import fromstring

    from flarefree.web.voice.twiml import render_twiml

    words = ('Race: <Asian> & "other"',)
    gather = fromstring(render_twiml(Prompt(7, words, 0, 20), action="https://x.example/voice/twilio/"))
    assert gather.tag == "Response"
    asked = gather.find("Gather")
    assert asked.get("action") == "https://x.example/voice/twilio/?turn=7"
    assert (asked.get("numDigits"), asked.get("finishOnKey"), asked.get("timeout")) == (None, "#", "20")
    assert [say.text for say in asked.findall("Say")] == list(words)
    assert gather.find("Redirect").text == asked.get("action")
    last = fromstring(render_twiml(Prompt(8, ("Goodbye.",), is_last=True), action="https://x.example/"))
    assert [child.tag for child in last] == ["Say", "Hangup"]


def test_a_twilio_signature_is_the_published_one():
    """The example in the provider's documentation of its signatures, token 12345."""
    from flarefree.web.voice.twiml import is_signed, signature_of

    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"),
            ("From", "+14158675309"), ("To", "+18005551212")]  # fmt: skip
    assert signature_of("12345", url, form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert is_signed("12345", url, reversed(form), "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not is_signed("12345", url + "&x=1", form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not is_signed("12345", url, form, "é")


def test_a_json_hook_is_signed_and_fresh():
    from flarefree.web.voice.neutral import is_signed, render_json, signature_of

    stamp = str(int(NOON.timestamp()))
    signed = signature_of("s" * 16, stamp, b"{}")
    assert is_signed("s" * 16, stamp, b"{}", signed, NOON + timedelta(minutes=4))
    assert not is_signed("s" * 16, stamp, b"{}", signed, NOON + timedelta(minutes=6))
    assert not is_signed("s" * 16, stamp, b"{ }", signed, NOON)
    assert not is_signed("s" * 16, "now", b"{}", signature_of("s" * 16, "now", b"{}"), NOON)
    assert render_json(Prompt(3, ("Hello.",), 6, 20)) == {
        "turn": 3, "say": ["Hello."], "hang_up": False, "keys": {"most": 6, "end": "#", "seconds": 20},
    }  # fmt: skip
