"""R1, R2, R3: many ask at once, in processes of their own, over the installed database."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flarefree.conduct.checks.result import Check, Evidence
from flarefree.errors import ConductError
from flarefree.web.checks.crowd import Answered, ask_at_once
from flarefree.web.checks.live_trial import BEGIN, STRATA, LiveTrial, live_trial, randomize
from flarefree.web.vault import service

__all__ = ["CHECKS"]


def check_race(quick: bool) -> Iterator[Evidence]:
    """R1: every slot given once, in order, none skipped, none doubled."""
    processes, each, repeats = (8, 10, 1) if quick else (64, 50, 20)
    for repeat in range(repeats):
        yield from _race(processes, each, STRATA[:1], f"repeat {repeat + 1}, one stratum")
    yield from _race(processes, each, STRATA, "18 strata at once")


def _race(processes: int, each: int, strata: tuple[tuple[str, ...], ...], what: str) -> Iterator[Evidence]:
    count = processes * each
    with (
        TemporaryDirectory() as folder,
        live_trial(Path(folder), subjects=count, strata=strata, list_length=count) as trial,
    ):
        shuffled = list(trial.subjects)
        random.Random(count).shuffle(shuffled)
        batches = [[(s, f"r {s}") for s in shuffled[i::processes]] for i in range(processes)]
        answers = ask_at_once(trial.config, batches)
        yield from _each_slot_once(trial, answers, count, what)


def _each_slot_once(
    trial: LiveTrial, answers: tuple[Answered, ...], count: int, what: str
) -> Iterator[Evidence]:
    refused = [one.refusal for one in answers if not one.kit]
    yield Evidence(f"{what}: refused of {count:,}", 0, len(refused), not refused)
    kits = {one.kit for one in answers}
    yield Evidence(f"{what}: different codes", count, len(kits), len(kits) == count)
    given = service.receipts_since()
    sequence = [one.sequence for one in given]
    in_order = sequence == list(range(1, count + 1))
    yield Evidence(f"{what}: numbers 1 to {count:,} in order", True, in_order, in_order)
    wrong = sum(_codes_in_order(trial, given).values())
    yield Evidence(f"{what}: slots out of their list's order", 0, wrong, wrong == 0)
    told = {one.subject: one.kit for one in answers}
    same = sum(told.get(one.receipt.subject) == one.receipt.code for one in given)
    yield Evidence(f"{what}: answers that are the vault's own", count, same, same == count)


def _codes_in_order(trial: LiveTrial, given: tuple[service.Given, ...]) -> Counter[tuple[str, ...]]:
    """Slots of each stratum that are not the next of its list."""
    by_stratum: dict[tuple[str, ...], list[str]] = {}
    for one in given:
        by_stratum.setdefault(one.receipt.stratum_used, []).append(one.receipt.code)
    wrong: Counter[tuple[str, ...]] = Counter()
    for stratum, codes in by_stratum.items():
        own = trial.lists.list_of(stratum)
        expected = () if own is None else own.codes
        wrong[stratum] += sum(a != b for a, b in zip(codes, expected, strict=False))
    return wrong


def check_clicks(quick: bool) -> Iterator[Evidence]:
    """R2: one patient, many clicks: one allocation; the same answer for ever; other content refused."""
    clicks = 20 if quick else 100
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=3) as trial:
        who, other = trial.subjects[:2]
        processes = 4 if quick else 10
        batches = [[(who, f"click {i}") for i in range(clicks)][n::processes] for n in range(processes)]
        answers = ask_at_once(trial.config, batches)
        kits = Counter(one.kit for one in answers)
        alike = len(kits) == 1 and "" not in kits
        yield Evidence(f"{clicks} clicks at once: different answers", 1, len(kits), alike)
        yield Evidence("allocations", 1, len(service.receipts_since()), len(service.receipts_since()) == 1)
        late = randomize(who, "click 0", at=BEGIN + timedelta(days=30))
        yield Evidence(
            "replayed 30 days later", next(iter(kits)), str(late.result["kit"]), late.result["kit"] in kits
        )
        refusal = _refusal(other, "click 0")
        yield Evidence("the same id for another patient", "refused", refusal, "used before" in refusal)
        same = [randomize(who, "r", at=BEGIN + timedelta(days=30 + n)).receipt for n in range(2)]
        yield Evidence("the same id twice: one entry", same[0], same[1], same[0] == same[1])


def _refusal(subject: str, request: str) -> str:
    try:
        randomize(subject, request, at=BEGIN + timedelta(days=30))
    except ConductError as error:
        return error.what
    return "accepted"


def check_channels(quick: bool) -> Iterator[Evidence]:
    """R3: web, API and voice ask for the same patients at once: one allocation each."""
    patients = 6 if quick else 60
    channels = ("web", "api", "voice")
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=patients) as trial:
        batches = [[(s, f"{channel} {s}") for s in trial.subjects] for channel in channels]
        answers = ask_at_once(trial.config, batches, channels=channels)
        kits: dict[str, set[str]] = {}
        for one in answers:
            kits.setdefault(one.subject, set()).add(one.kit)
        single = sum(len(found) == 1 and "" not in found for found in kits.values())
        yield Evidence(
            f"{patients} patients over three channels: one answer each", patients, single, single == patients
        )
        given = len(service.receipts_since())
        yield Evidence("allocations", patients, given, given == patients)


_COMMANDS = (
    "channels meet at the application's commands; the pages' and the line's own races are their checks"
)
CHECKS = (
    Check("R1", "Many processes, one list", check_race),
    Check("R2", "One patient, many clicks", check_clicks),
    Check("R3", "Three channels, one patient", check_channels, _COMMANDS),
)
