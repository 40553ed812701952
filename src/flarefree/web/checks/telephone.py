"""F-1, F-2 and B9 by telephone, over the installed databases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.web.checks.callers import (
    Clock,
    Telephone,
    give_role,
    keys_to_break,
    keys_to_randomize,
    voice_line,
)
from flarefree.web.checks.live_trial import BEGIN, SITES, live_trial, randomize
from flarefree.web.clock import clock_set_to
from flarefree.web.commands.code_breaks import register_of
from flarefree.web.queries.requests import outcome_of
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_things
from flarefree.web.trial import running_trial
from flarefree.web.vault import service
from flarefree.web.voice.committing import request_of
from flarefree.web.voice.keeping import read_call
from flarefree.web.voice.models import VoiceCall

__all__ = ["CHECKS"]

_SEED = 20261120


def check_calls(quick: bool) -> Iterator[Evidence]:
    """F-1: calls that drop, hooks sent twice, late and out of order, two calls for one patient."""
    calls = 12 if quick else 300
    rng = random.Random(_SEED)
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=calls, list_length=calls) as trial:
        clock = Clock(BEGIN + timedelta(hours=1))
        with clock_set_to(clock):
            for site in SITES:
                give_role(f"caller-{site}", "investigator", site, at=BEGIN)
            told = [_torn_calls(rng, subject, n, clock) for n, subject in enumerate(trial.subjects)]
        given = {one.receipt.subject: one.receipt.code for one in service.receipts_since()}
        confirmed = sum(times > 0 for times, _, _ in told)
        words = " ".join(_without_strata(word) for _, _, said in told for word in said)
        true = sum(kit == given.get(s, "") for s, (_, kit, _) in zip(trial.subjects, told, strict=True))
        yield _row(f"{calls} patients, two torn calls each: allocations", confirmed, len(given))
        yield _row("the earlier request's number tells the kit, or that nothing was done", calls, true)
        yield _row("arms in what was said", 0, _arms_in(words))
        commits = sum(row.to_entry().content["action"] == "randomize" for row in _voice_rows())
        yield _row("commits: one for each call that was confirmed", sum(t for t, _, _ in told), commits)


def _torn_calls(rng: random.Random, subject: str, n: int, clock: Clock) -> tuple[int, str, list[str]]:
    """Two calls for a patient, torn; how many were confirmed, what a third is told, all that was said."""
    person = f"caller-{subject.partition('-')[0]}"
    keys = keys_to_randomize(person, subject, clock.at)
    calls = [Telephone(voice_line(), clock, f"C{n}-{i}") for i in range(2)]
    ends = [len(keys) if rng.random() < 0.4 else rng.randrange(len(keys)) for _ in calls]
    steps = [i for i, end in enumerate(ends) for _ in range(end)]
    rng.shuffle(steps)
    place = [0, 0]
    for call in calls:
        call.begin()
    for i in steps:
        calls[i].key(keys[place[i]], place[i])
        place[i] += 1
        _disturb(rng, calls[i], keys, place[i])
    for call in calls:
        call.hang_up()
        call.key("1", len(keys) - 1)  # a hook that comes after the end
    done = [end == len(keys) for end in ends]
    number = read_call(calls[done.index(True) if any(done) else 0].call).request
    again = Telephone(voice_line(), clock, f"C{n}-again")
    again.keys(keys[0], keys[1], "2", number)
    kit = read_call(again.call).values.get("kit", "")
    return sum(done), kit, [word for call in (*calls, again) for word in call.said]


def _disturb(rng: random.Random, call: Telephone, keys: tuple[str, ...], place: int) -> None:
    """Hooks of earlier and later prompts, sent again or too soon."""
    turn = call.turn
    for _ in range(rng.randrange(3)):
        other = rng.choice([place - 1, rng.randrange(len(keys)), len(keys) - 1])
        if other != place:
            call.key(keys[other], other)
    call.turn = turn


def check_outcomes(quick: bool) -> Iterator[Evidence]:
    """F-2: by its request id, each request is told as it is: done with its answer, or not done."""
    patients = 6 if quick else 60
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=patients) as trial:
        answers = {s: dict(randomize(s, f"request {s}").result) for s in trial.subjects[::2]}
        right = 0
        for subject in trial.subjects:
            person = f"investigator-{subject.partition('-')[0]}"
            outcome = outcome_of(person, f"request {subject}")
            right += outcome.is_done == (subject in answers)
            right += dict(outcome.result) == answers.get(subject, {})
        yield _row(f"{patients} requests, half of them done: told as they are", 2 * patients, right)
        stranger = outcome_of("somebody else", f"request {trial.subjects[0]}")
        yield _row("another's request is told as not done", False, stranger.is_done)


def check_code_break(quick: bool) -> Iterator[Evidence]:
    """B9 by telephone: two factors, reason, impact; one answer, told to nobody else and kept nowhere."""
    from django.core.cache import cache

    patients = 3 if quick else 12
    cache.clear()  # codes that were used in another check's databases
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=patients) as trial:
        clock = Clock(BEGIN + timedelta(hours=2))
        longest, told = 0.0, 0
        with clock_set_to(clock):
            for n, subject in enumerate(trial.subjects):
                person = f"caller-{n}"
                give_role(person, "investigator", subject.partition("-")[0], at=clock.at)
                randomize(subject, at=clock.at)
                call, begun = Telephone(voice_line(), clock, f"B{n}"), clock.at
                words = " ".join(call.keys(*keys_to_break(person, subject, clock.at)).say)
                told += _arms_in(words) == 1 and " ".join(subject.partition("-")[2]) in words
                longest = max(longest, (clock.at - begun).total_seconds())
        yield _row("code breaks that told one treatment of the one patient", patients, told)
        yield Evidence(
            "seconds from the call's begin to its answer, five a key", "<= 120", longest, longest <= 120
        )
        yield _row("entries of the register", patients, len(register_of()))
        notices = read_things("notice")
        yield _row("notices", 3 * patients, len(notices))
        yield _row("arms in notices", 0, sum(_arms_in(str(item["text"])) for item in notices))
        kept = " ".join(VoiceCall.objects.values_list("state", flat=True))
        yield _row("arms in what is kept of the calls", 0, _arms_in(kept))


def _voice_rows() -> Iterator[LogRow]:
    numbers = VoiceCall.objects.values_list("request", flat=True)
    yield from LogRow.objects.filter(request__in=[request_of(number) for number in numbers])


def _arms_in(words: str) -> int:
    """How many arms are named."""
    return sum(arm.label in words for arm in running_trial().protocol.spec.arms.values())


def _without_strata(sentence: str) -> str:
    """A sentence without the levels that it offers or reads back: one of them is called like an arm."""
    for covariate in running_trial().protocol.spec.covariates.values():
        for level in covariate.levels:
            sentence = sentence.replace(f": {level}.", "").replace(f"For {level},", "")
    return sentence


def _row(what: str, expected: int | bool, found: int | bool) -> Evidence:
    return Evidence(what, expected, found, expected == found)


CHECKS = (
    Check("F-1", "Torn calls over the databases", check_calls),
    Check("F-2", "Outcomes by request id", check_outcomes),
    Check("B9", "Code breaks by telephone", check_code_break),
)
