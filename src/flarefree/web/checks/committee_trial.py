"""A trial with planted patients and a committee at work: where checks of end points begin.

Patients are those of `conduct.checks`, whose true events a second, naive way has found; members, chair,
coordinator and safety ask for all that they do by commands, each as the person it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState
from flarefree.conduct.adjudication.queue import Queue
from flarefree.conduct.checks.cohort import Cohort, plant_cohort
from flarefree.conduct.checks.planted import Planted
from flarefree.conduct.visibility import Actor
from flarefree.web.chance import lots_drawn_from
from flarefree.web.checks.live_trial import Arrange
from flarefree.web.checks.planting import things_of
from flarefree.web.checks.scratch import fresh_databases, installed_here
from flarefree.web.commands.adjudication import CastVote, DecideTogether, Said
from flarefree.web.commands.adjudication_keeping import ReleaseCases
from flarefree.web.commands.base import Asked, Command, Outcome
from flarefree.web.commands.executing import execute
from flarefree.web.committee_people import read_committee
from flarefree.web.committee_store import read_whole_queue
from flarefree.web.record.keeping import begin_record
from flarefree.web.trial import running_trial

__all__ = [
    "CHAIR",
    "KEEPER",
    "MANAGER",
    "MEMBERS",
    "OFFICER",
    "PLANTED",
    "SEED",
    "START",
    "STATISTICIAN",
    "Answer",
    "appoint",
    "ask",
    "committee_trial",
    "judge",
    "member",
    "plant",
    "plant_patients",
    "queue_now",
    "release_cases",
    "settle",
    "vote",
]

PLANTED = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = PLANTED + timedelta(hours=1)
SEED = 20_260_312
MEMBERS = {"ben": "01", "cleo": "02", "dan": "", "eva": "", "finn": ""}
"""Two of the members work at a site."""
KEEPER = Actor("kim", "committee_coordinator")
CHAIR = Actor("ada", "committee_chair")
MANAGER = Actor("mia", "data_manager")
OFFICER = Actor("olga", "safety_officer")
STATISTICIAN = Actor("stan", "blinded_statistician")
Answer = Callable[[Case, int], Said]
"""What the member at a place among the case's readers says of it."""

_number = count()
_WHY = "as the rows show"


def member(name: str) -> Actor:
    """A member, with the site of theirs."""
    return Actor(name, "committee_member", frozenset(MEMBERS[name].split()))


def ask(actor: Actor | None, command: Command, *, days: float = 0, request: str = "") -> Outcome:
    """Ask for something, so many days after the start."""
    at = START + timedelta(days=days)
    return execute(command, Asked(actor, request or f"committee {next(_number)}", at))


@contextmanager
def committee_trial(
    folder: Path, *, patients: int = 0, protocol: str = "alms-maintenance", seed: int = SEED
) -> Iterator[Cohort]:
    """A live trial in fresh databases, its committee appointed, its patients' data entered.

    Parameters
    ----------
    folder : Path
    patients : int
        Of the planted cohort of `alms-maintenance`.
    protocol : str
        A name or a file.
    seed : int
        Of the patients and of the committee's lots.
    """
    with (
        fresh_databases(folder / "installation") as fresh,
        installed_here(replace(fresh, protocol=protocol)),
        lots_drawn_from(random.Random(seed)),
    ):
        begin_record("check")
        plant("trial", ("trial", "this", "configuration", {"phase": "live"}), request="go live")
        appoint()
        cohort = plant_cohort(running_trial().protocol, patients, seed) if patients else None
        if cohort is not None:
            plant_patients(cohort.planted)
        yield cohort or Cohort(Planted(running_trial().protocol))


def appoint() -> None:
    """The chair and five members."""
    roles = {CHAIR.person: CHAIR.role, **dict.fromkeys(MEMBERS, "committee_member")}
    for name, role in roles.items():
        values = {
            "person": name, "role": role, "sites": MEMBERS.get(name, ""),
            "begin": "2026-01-01T00:00:00.000000Z", "granted_by": "root", "reason": "appointed",
        }  # fmt: skip
        plant(name, ("grant", f"{name}.1", "permissions.history", values), request=f"grant {name}")


def plant(
    subject: str, *things: tuple[str, str, str, Mapping[str, Any]], request: str, at: datetime = PLANTED
) -> Outcome:
    """Write things of a patient in one entry: (kind, key, field, values)."""
    told = tuple(
        (kind, key, name, field, value)
        for kind, key, field, values in things
        for name, value in values.items()
    )
    return execute(Arrange(about=f"subject/{subject}", values=told), Asked(None, request, at))


def plant_patients(planted: Planted) -> None:
    """All patients of a planted study, one entry each; the detector looks after each.

    A test's second value of one day is a correction of the first, in an entry of its own.
    """
    for row in planted.rows["subjects"]:
        name = row["subject"]
        first: dict[tuple[str, str], str] = {}
        things, corrections = [], []
        for thing in things_of(planted, row):
            kind, key, field, values = thing
            known = first.setdefault((values["test"], values["date"]), key) if kind == "lab" else key
            if known == key:
                things.append(thing)
            else:
                corrections.append((kind, known, field, {n: values[n] for n in ("value", "unit")}))
        plant(name, *things, request=f"plant {name}")
        for n, correction in enumerate(corrections):
            plant(name, correction, request=f"correct {name} {n}")


# What the committee does ----------------------------------------------------------------------------


def queue_now() -> Queue:
    """All cases, as the keeper's files have them."""
    return read_whole_queue().queue


def release_cases(days: float = 0) -> Outcome:
    """The coordinator puts waiting cases before members."""
    return ask(KEEPER, ReleaseCases(), days=days)


def vote(number: str, name: str, answer: Said, day: int | None = None, *, days: float = 1) -> Outcome:
    """A member votes."""
    return ask(member(name), CastVote(case=number, answer=answer, event_day=day, reason=_WHY), days=days)


def suspected_are_events(case: Case, place: int) -> Said:
    """Members confirm what was suspected, and nothing else."""
    return "confirmed" if case.kind is CaseKind.SUSPECTED else "refuted"


def judge(answer: Answer = suspected_are_events, *, days: float = 1) -> None:
    """Everybody votes on all that lies on desks."""
    for case in queue_now().cases:
        if case.state is CaseState.VOTING:
            for place, name in enumerate(case.round.outstanding):
                said = answer(case, place)
                vote(case.number, name, said, case.day if said == "confirmed" else None, days=days)


def settle(answer: Said = "refuted", *, days: float = 2) -> int:
    """The chair and the quorum decide what members differ on; how many that were."""
    differing = [case for case in queue_now().cases if case.state is CaseState.DISAGREED]
    committee = read_committee(START)
    for case in differing:
        able = committee.eligible(case.subject, case.site, case.endpoint, START.date())
        others = [one.id for one in able if one.id != CHAIR.person]
        present = (CHAIR.person, *others[: running_trial().protocol.spec.adjudication.quorum - 1])
        day = case.day if answer == "confirmed" else None
        command = DecideTogether(case=case.number, answer=answer, event_day=day, reason=_WHY, present=present)
        ask(CHAIR, command, days=days)
    return len(differing)
