"""F-3 over the installed databases: codes given on paper, entered afterwards, compared with the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flarefree.conduct.audit.entries import time_text
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.checks.live_trial import BEGIN, LiveTrial, live_trial, randomize
from flarefree.web.commands.base import Asked
from flarefree.web.commands.executing import execute
from flarefree.web.commands.randomizing import EnterEmergencyAllocation
from flarefree.web.queries.outages import differences, emergency_sheet
from flarefree.web.record.reading import Item, read_thing
from flarefree.web.vault import service

__all__ = ["CHECKS"]

_MANAGER = Actor("dora", "data_manager")


def check_outage(quick: bool) -> Iterator[Evidence]:
    """F-3: an outage on paper, entered, reconciled; what is missing, doubled or other is found."""
    patients = 6 if quick else 15
    with TemporaryDirectory() as folder, live_trial(Path(folder), subjects=patients + 2) as trial:
        before, after = trial.subjects[:1], trial.subjects[patients:]
        for subject in before:
            randomize(subject)
        on_paper = trial.subjects[1:patients]
        codes = service.emergency_codes()[0][1]
        times = [BEGIN + timedelta(hours=2, minutes=n) for n in range(len(on_paper))]
        slips = [(c, s, _site(s), time_text(at)) for c, s, at in zip(codes, on_paper, times, strict=False)]
        yield _row("slips not entered yet", len(slips), _kinds(slips).count("not entered"))
        yield _row("a code out of its order", "refused", _enter(on_paper[0], codes[1], times[0]))
        entered = [_enter(s, c, at) for c, s, at in zip(codes, on_paper, times, strict=False)]
        yield _row("slips entered", ["entered"] * len(slips), entered)
        yield _row("entered twice, the same", "entered", _enter(on_paper[0], codes[0], times[0]))
        yield _row("paper and record agree", [], _kinds(slips))
        marked = [read_thing("subject", s) for s in on_paper]
        yield _row("marked as given over the emergency list", len(slips), _marked(marked))
        yield from _found(slips, after[0])
        yield _row("the routine list goes on at its second slot", _second(trial), _next(after[1]))
        yield _row("the list on paper, once live", "refused", _printed())


def _found(slips: list[tuple[str, str, str, str]], other: str) -> Iterator[Evidence]:
    """Planted errors of paper, each named."""
    code, subject, site, at = slips[0]
    planted = {
        "not on paper": slips[1:],
        "code twice on paper": [*slips, (code, subject, site, at)],
        "not entered": [*slips, ("99999999", other, _site(other), at)],
        "entered otherwise": [(code, subject, site, time_text(BEGIN)), *slips[1:]],
    }
    for kind, told in planted.items():
        yield _row(f"planted: {kind}", True, kind in _kinds(told))


def _enter(subject: str, code: str, given_at: datetime) -> str:
    site = _site(subject)
    actor = Actor(f"investigator-{site}", "investigator", frozenset({site}))
    command = EnterEmergencyAllocation(
        subject=subject, code=code, given_at=given_at, reason="the data center was without power"
    )
    asked = Asked(actor, f"slip {code} {subject}", BEGIN + timedelta(hours=6), "web")
    try:
        execute(command, asked)
    except ConductError:
        return "refused"
    return "entered"


def _kinds(slips: list[tuple[str, str, str, str]]) -> list[str]:
    return [one.kind for one in differences(_MANAGER, slips)]


def _marked(subjects: Iterable[Item | None]) -> int:
    return sum(s is not None and s["channel"] == "emergency" and bool(s["kit"]) for s in subjects)


def _second(trial: LiveTrial) -> str:
    cell = ("Intravenous cyclophosphamide", "White", "III or III+V")
    own = trial.lists.list_of(cell)
    return own.codes[1] if own is not None else ""


def _next(subject: str) -> str:
    return str(randomize(subject, at=BEGIN + timedelta(hours=7)).result["kit"])


def _printed() -> str:
    """A live trial's list cannot be printed anew: it was, and was sealed, before."""
    asked = Asked(Actor("ulla", "unblinded_statistician"), "print", BEGIN + timedelta(hours=8), "web")
    try:
        emergency_sheet(asked)
    except ConductError:
        return "refused"
    return "shown"


def _site(subject: str) -> str:
    return subject.partition("-")[0]


def _row(what: str, expected: object, found: object) -> Evidence:
    return Evidence(what, str(expected), str(found), expected == found)


CHECKS = (Check("F-3", "An outage on paper", check_outage),)
