"""The demonstration: a virtual trial half-way through, made on the first start of `flarefree serve --demo`.

The rehearsal's script is acted straight into the record, up to today: patients who are followed, flares
before the committee in every state, queries, a dose that is interrupted, a code that was broken, patients
who wait to be randomized.  Time is set while it is made, and by nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flarefree.errors import ConductError, FlarefreeError
from flarefree.web.config import WebConfig

if TYPE_CHECKING:
    from flarefree.conduct.adjudication.cases import Case
    from flarefree.web.rehearsal.acted import Acted
    from flarefree.web.rehearsal.people import Person
    from flarefree.web.rehearsal.rehearsing import Director
    from flarefree.web.rehearsal.script import Step
    from flarefree.web.starting import Prepared

__all__ = ["DemoAccount", "accounts", "prepare"]

PATIENTS, SITES, SEED = 96, 12, 6
_DAYS, _ACCRUAL_DAYS = 400, 760
"""Half of those who are to come have come: the trial enrolls over twice the time that is acted."""
_READY = 2  # patients who wait to be randomized
_NO_CALLS_BEFORE_DAYS = 75
_LATE_DAYS = 40
_UNSETTLED_DAYS = 30
_INTERRUPTED_DAYS = 11  # so that today is day 12 of the interruption
_MADE = "demonstration-made"


@dataclass(frozen=True)
class DemoAccount:
    """Somebody whom a visitor may act as."""

    name: str
    full_name: str
    role: str
    sites: tuple[str, ...]


def accounts() -> tuple[DemoAccount, ...]:
    """Everybody of the virtual trial, those first who do most."""
    from flarefree.web.queries.people import everybody_in_roles

    return tuple(
        DemoAccount(one.person, one.full_name, one.role, tuple(one.sites)) for one in everybody_in_roles()
    )


def prepare(
    config: WebConfig, progress: Callable[[str, int, int], None] = lambda title, done, total: None
) -> Prepared:
    """Make the installation ready, and on its first start the virtual trial in it.

    Raises
    ------
    ConductError
        The data folder holds a trial that is no demonstration, or one that was begun and not finished.
    """
    from flarefree.web import starting

    if not config.is_demo:
        raise ConductError("this is no demonstration", where="demo")
    made = config.data / _MADE
    if made.exists():
        return starting.prepare(config)
    _make(config, progress)
    made.touch()
    return starting.prepare(config)


def _make(config: WebConfig, progress: Callable[[str, int, int], None]) -> None:
    from flarefree.web import starting
    from flarefree.web.clock import clock_set_to
    from flarefree.web.rehearsal.acted import Play, acted, begin_of

    progress("Drawing virtual patients", 0, 1)
    play = Play(PATIENTS, SITES, SEED, days=_DAYS, accrual_days=_ACCRUAL_DAYS, ends_on=_yesterday())
    begin = begin_of(play, config.protocol)
    # What a start writes is older than anything that happens in the trial.
    with clock_set_to(lambda: begin):
        starting.prepare(config)
        _require_fresh(config)
    told: dict[str, Any] = {"change": _changed, "progress": progress, "before_meeting": _look}
    with _bulk(), acted(config.data, play, protocol=config.protocol, **told) as trial:
        _Finishing(trial).run()
    (config.data / "clock").unlink(missing_ok=True)


def _require_fresh(config: WebConfig) -> None:
    from flarefree.web.record.reading import read_things

    people = read_things("account", attributes=("is_active",))
    if people:
        raise ConductError(
            "the demonstration wants a folder of its own",
            where="--data",
            found=f"{config.data}, where {len(people)} people have accounts",
            try_="another folder; delete this one if the making of a demonstration was broken off in it",
        )


def _yesterday() -> date:
    from flarefree.web.clock import now

    return now().date() - timedelta(days=1)


# While it is made ---------------------------------------------------------------------------------


@contextmanager
def _bulk() -> Iterator[None]:
    """The detector looks before the committee meets, not after each value; SQLite does not wait for the disk.

    What is made so can be made again: nothing else may be lost.
    """
    import importlib

    from django.db import connections

    executing: Any = importlib.import_module("flarefree.web.commands.executing")
    aliases = [alias for alias in ("default", "vault") if connections[alias].vendor == "sqlite"]
    before = executing.after_commit
    _synchronous(aliases, "OFF")
    executing.after_commit = lambda *told: None
    try:
        yield
    finally:
        executing.after_commit = before
        _synchronous(aliases, "FULL")


def _look(director: Director) -> None:
    from flarefree.web.commands.detecting import repair_cases

    repair_cases(director.clock.tick())


def _synchronous(aliases: Sequence[str], how: str) -> None:
    from django.db import connections

    for alias in aliases:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"PRAGMA synchronous={how}")


def _changed(steps: Sequence[Step], last: date) -> Sequence[Step]:
    """The script with gaps: calls of long ago, late visits, patients who are not randomized yet."""
    waiting = _last_eligible(steps)
    late = {subject for n, subject in enumerate(dict.fromkeys(s.subject for s in steps)) if n % 6 == 3}
    return [step for step in steps if not _is_left_out(step, last, waiting, late)]


def _last_eligible(steps: Sequence[Step]) -> set[str]:
    given = [step.subject for step in steps if step.command == "randomize_subject"]
    return set(given[-_READY:])


_BEFORE_ALLOCATION = frozenset({"screen_subject", "record_identity", "record_consent", "record_eligibility"})


def _is_left_out(step: Step, last: date, waiting: set[str], late: set[str]) -> bool:
    if step.subject in waiting:
        is_first = step.command == "record_visit" and step.content["visit"] == "Month 0"
        return not (is_first or step.command in _BEFORE_ALLOCATION)
    age = (last - step.day).days
    if step.command == "record_contact" and step.content.get("reached", True):
        return age > _NO_CALLS_BEFORE_DAYS
    if step.command == "verify_visit":
        return age > 2 * _NO_CALLS_BEFORE_DAYS
    if step.subject in late and step.command in ("record_visit", "sign_visit", "dispense_kit"):
        is_first = step.content.get("visit") == "Month 0" or step.id.endswith(step.day.isoformat())
        return age <= _LATE_DAYS and not is_first
    return False


# What a visitor finds -----------------------------------------------------------------------------


class _Finishing:
    """The last touches: everything that a newcomer is to find once, whatever the lots gave."""

    def __init__(self, trial: Acted) -> None:
        self.trial, self.director, self.people = trial, trial.director, trial.people

    def run(self) -> None:
        self._log_ins()
        self._ask_questions()
        self._interrupt()
        self._break_a_code()
        self._open_cases()

    def _log_ins(self) -> None:
        from flarefree.web.clock import now
        from flarefree.web.people.models import Account

        for person in self.people.values():
            told = {"full_name": person.full_name, "made_at": now(), "password": "!"}
            Account.objects.get_or_create(name=person.name, defaults=told)

    def _try(self, person: Person, command: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What the lots of this seed do not allow is left out; everything else stands."""
        try:
            return self.director.ask(person, command, content)
        except FlarefreeError:
            return None

    def _ask_questions(self) -> None:
        from flarefree.web.record.reading import read_things

        asked = 0
        for item in reversed(read_things("adverse_event")):
            told = {
                "subject": item.subject,
                "about": item.name,
                "attribute": "severity",
                "question": "Graded moderate, with hospitalization: please look at the severity again.",
            }
            asked += self._try(self.people["mats"], "raise_query", told) is not None
            if asked == 3:
                return

    def _interrupt(self) -> None:
        """Somebody is on day 12 of an interruption of at most 14."""
        on = self.director.clock.read().date() - timedelta(days=_INTERRUPTED_DAYS)
        for one in reversed(self.trial.randomized):
            doctor = self.people[f"dr.{one.candidate.site.lower()}"]
            told = {"subject": one.subject, "on": on.isoformat(), "temporary": 1, "why": "LABORATORY"}
            if one.candidate.day_one < on and self._try(doctor, "interrupt_doses", told) is not None:
                return

    def _break_a_code(self) -> None:
        from flarefree.web.commands.base import Asked
        from flarefree.web.commands.code_breaks import NoteIdentification
        from flarefree.web.commands.executing import execute

        one = self.trial.randomized[0]
        doctor = self.people[f"dr.{one.candidate.site.lower()}"]
        note = NoteIdentification(person=doctor.name, factors=("password", "device"))
        at = self.director.clock.tick()
        proof = execute(note, Asked(None, "demonstration-identification", at, "machine")).result
        told = {
            "subject": one.subject,
            "identification": proof["identification"],
            "reason": "EMERGENCY",
            "explanation": "Admitted elsewhere with fever and low white cells; the ward must know.",
            "impact": "TREATING_TEAM",
        }
        self._try(doctor, "order_code_break", told)

    def _open_cases(self) -> None:
        """Cases in every state: one waits, one has one vote, on one two members differ."""
        from flarefree.web.commands.detecting import repair_cases
        from flarefree.web.committee_store import read_whole_queue

        self._suspect(first=3)
        repair_cases(self.director.clock.tick())
        self.director.ask(self.people["cora"], "release_cases", {})
        voting = [case for case in read_whole_queue().queue.cases if case.state == "voting"]
        suspected = [case for case in voting if case.kind == "suspected"]
        for case in suspected[:2]:
            self._differ(case)
        for case in suspected[2:3]:
            self._vote(case, case.round.outstanding[0], "confirmed")
        self._suspect(first=4)
        repair_cases(self.director.clock.tick())

    def _suspect(self, first: int) -> None:
        """Investigators suspect flares, so that there is something to judge."""
        suspected = 0
        for one in self.trial.randomized[first::5]:
            doctor = self.people[f"dr.{one.candidate.site.lower()}"]
            on = self.director.clock.read().date() - timedelta(days=5)
            told = {"subject": one.subject, "endpoint": "suspected_renal_flare", "date": on.isoformat()}
            suspected += self._try(doctor, "record_verdict", told) is not None
            if suspected == 4:
                return

    def _differ(self, case: Case) -> None:
        for member, answer in zip(case.round.outstanding, ("confirmed", "refuted"), strict=False):
            self._vote(case, member, answer)

    def _vote(self, case: Case, member: str, answer: str) -> None:
        told = {
            "case": case.number,
            "answer": answer,
            "event_day": case.day if answer == "confirmed" else None,
            "reason": "The rise is clear." if answer == "confirmed" else "An infection explains it.",
        }
        self._try(self.people[member], "cast_vote", told)
