"""The director of a rehearsal: lets time pass, has people do what the script says, improvises the rest.

What the application asks for is improvised: queries about odd values are answered and closed, flagged drugs
are approved, cases come before the committee, whose members disagree now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from flarefree.errors import ConductError, FlarefreeError
from flarefree.web.rehearsal.people import Person
from flarefree.web.rehearsal.script import HOUR, Enrolled, Ref, Step, lot, truths_of
from flarefree.web.rehearsal.seeding import begin_draw

if TYPE_CHECKING:
    from flarefree.conduct.adjudication.cases import Case
    from flarefree.web.rehearsal.clocks import SharedClock
    from flarefree.web.rehearsal.doors import Door

__all__ = ["Director", "RehearsalError"]

MEETS_EVERY = timedelta(days=28)
DISAGREES = 0.15
"""Share of votes in which a member errs, so that the committee has to settle it."""
_SITE_PEOPLE = {"investigator": "dr", "site_staff": "nurse", "pharmacist": "pharmacy"}


class RehearsalError(ConductError):
    """Something in a rehearsal did not go as it must."""


@dataclass
class Director:
    """Runs a script against a trial that is live.

    Attributes
    ----------
    door : Door
    clock : SharedClock
    people : mapping of str to Person
    enrolled : sequence of Enrolled
    seed : int
        Of the members' errors.
    moved : function of title, done and total
        Progress.
    before_meeting : function of the director
        Called before each meeting of the committee.
    """

    door: Door
    clock: SharedClock
    people: Mapping[str, Person]
    enrolled: Sequence[Enrolled]
    seed: int
    moved: Callable[[str, int, int], None] = lambda title, done, total: None
    before_meeting: Callable[[Director], None] = lambda director: None
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))
    _next_meeting: date | None = None

    def __post_init__(self) -> None:
        self._by_subject = {one.subject: one for one in self.enrolled}
        self._truths = {one.subject: truths_of(one) for one in self.enrolled}

    # The script -------------------------------------------------------------------------------------

    def run(self, steps: Sequence[Step]) -> None:
        """All steps, in their order, with the committee's meetings between them."""
        for done, step in enumerate(steps):
            self._pass_time_to(step.day)
            self.moved(f"{step.day.isoformat()}  {_WORDS.get(step.command, step.command)}", done, len(steps))
            self._do(step)
        self.meet()

    def _pass_time_to(self, day: date) -> None:
        if self._next_meeting is None:
            self._next_meeting = day + MEETS_EVERY
        while self._next_meeting <= day:
            self.clock.set_to(datetime.combine(self._next_meeting, HOUR))
            self.meet()
            self._next_meeting += MEETS_EVERY
        self.clock.set_to(datetime.combine(day, HOUR))

    def _do(self, step: Step) -> None:
        person = self._person_for(step)
        content = {name: self._resolved(value) for name, value in step.content.items()}
        try:
            result = self.ask(person, step.command, content, step.id)
        except FlarefreeError as error:
            raise RehearsalError(
                "a step of the rehearsal was refused",
                where=f"{step.day.isoformat()}, {person.name} ({person.role}), {step.command}",
                found=str(error),
                expected="what the script says can be done",
            ) from error
        self.results[step.id] = result
        self._check(step, result)
        self._answer_to(step, result)

    def _resolved(self, value: Any) -> Any:
        return self.results[value.step][value.name] if isinstance(value, Ref) else value

    def _person_for(self, step: Step) -> Person:
        prefix = _SITE_PEOPLE.get(step.role)
        if prefix is not None:
            return self.people[f"{prefix}.{step.site.lower()}"]
        return self.of_role(step.role)

    def of_role(self, role: str) -> Person:
        """The first who has a role."""
        return next(person for person in self.people.values() if person.role == role)

    def ask(
        self, person: Person, command: str, content: Mapping[str, Any], request: str = ""
    ) -> dict[str, Any]:
        """One command, a second after the last."""
        self.clock.tick()
        self.counts[command] = self.counts.get(command, 0) + 1
        request = request or f"improvised-{next(self._numbers)}"
        begin_draw(request)
        return self.door.ask(person, command, content, request)

    def _check(self, step: Step, result: Mapping[str, Any]) -> None:
        """Numbers and codes are those that the script foresaw: sites count, lists are given in order."""
        if step.command == "screen_subject" and result["subject"] != step.subject:
            raise RehearsalError(
                "a patient got another number", where=step.id, found=result["subject"], expected=step.subject
            )
        if step.command == "randomize_subject":
            meant = self._by_subject[step.subject].kit
            if result["kit"] != meant:
                raise RehearsalError(
                    "a patient got another slot's code", where=step.id, found=result["kit"], expected=meant
                )

    # Improvised -------------------------------------------------------------------------------------

    def _answer_to(self, step: Step, result: Mapping[str, Any]) -> None:
        if step.command == "record_visit" and result.get("questions"):
            self._settle_queries(step)
        if any("approv" in str(flag).casefold() for flag in result.get("flags", ())):
            self.ask(
                self.people["mats"], "approve_medication",
                {"key": result["medication"], "reason": "taken before, on a stable dose"},
            )  # fmt: skip

    def _settle_queries(self, step: Step) -> None:
        site, manager = self._person_for(step), self.people["dario"]
        for item in self.door.look(site, f"things/query?subject={step.subject}&limit=500")["items"]:
            if item["facts"]["status"]["value"] != "open":
                continue
            answer = {"query": item["key"], "answer": "Looked at the source: it is as written."}
            self.ask(site, "answer_query", answer)
            self.ask(manager, "close_query", {"query": item["key"], "words": "Answered."})

    # The committee ----------------------------------------------------------------------------------

    def meet(self) -> None:
        """Waiting cases are put before members; all vote; where they differ, the committee settles it."""
        from flarefree.web.committee_store import read_whole_queue

        self.before_meeting(self)
        cases = read_whole_queue().queue.cases
        if not any(case.state == "waiting" for case in cases):
            return
        self.ask(self.people["cora"], "release_cases", {})
        for case in read_whole_queue().queue.cases:
            if case.state == "voting":
                self._vote_on(case)
        for case in read_whole_queue().queue.cases:
            if case.state == "disagreed":
                self._settle(case)
        self._acknowledge()

    def truth_of(self, case: Case) -> tuple[str, int | None]:
        """What a committee that sees all would say; of what the virtual one judged, the same."""
        said = self._truths[case.subject].get((case.endpoint, case.day))
        is_suspected = case.kind == "suspected"
        if said is None:
            said = is_suspected and case.level is not None and case.level == "met"
        return ("confirmed", case.day) if said and is_suspected else ("refuted", None)

    def _vote_on(self, case: Case) -> None:
        for n, name in enumerate(case.round.outstanding):
            answer, day = self.truth_of(case)
            errs = lot(self.seed, "vote", case.subject, case.endpoint, str(case.day), str(n)) < DISAGREES
            if errs and n == 0:
                answer, day = ("refuted", None) if answer == "confirmed" else ("confirmed", case.day)
            told = {"case": case.number, "answer": answer, "event_day": day, "reason": _REASONS[answer]}
            self.ask(self.people[name], "cast_vote", told)

    def _settle(self, case: Case) -> None:
        answer, day = self.truth_of(case)
        chair = self.people["chandra"]
        present = [chair.name, *(name for name in case.round.assigned if name != chair.name)]
        self.ask(
            chair, "decide_together",
            {"case": case.number, "answer": answer, "event_day": day, "reason": _REASONS[answer],
             "present": present},
        )  # fmt: skip

    def _acknowledge(self) -> None:
        """Safety reads of suspicions that were judged to be none."""
        from flarefree.web.record.reading import read_things

        for item in read_things("referral"):
            if item["acknowledged_at"] is None:
                told = {"referral": item.key, "outcome": "no report needed"}
                self.ask(self.people["saskia"], "acknowledge_referral", told)


_REASONS = {
    "confirmed": "The rows cited bear it out.",
    "refuted": "The course before and after speaks against it.",
}
_WORDS = {
    "record_visit": "visits",
    "record_contact": "telephone",
    "randomize_subject": "randomization",
    "record_adverse_event": "adverse events",
}


def days_of(steps: Iterable[Step]) -> tuple[date, date]:
    """The first and the last day of a script."""
    days = [step.day for step in steps]
    return min(days), max(days)
