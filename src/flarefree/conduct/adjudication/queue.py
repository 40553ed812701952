"""The committee's queue: what the detector finds becomes cases, data that change open or close them.

`reconcile` lays what the detector finds now beside the cases; doing it twice changes nothing.  Cases are
put before members by `releasing.release`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState, Round
from flarefree.conduct.adjudication.committee import Chance, Committee
from flarefree.conduct.adjudication.voting import Answer, Ballot, VerdictBy
from flarefree.conduct.detecting import Candidate, Detection
from flarefree.endpoints.adjudication import SAME_EVENT_DAYS
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import AdjudicationRules

__all__ = ["Batch", "Queue", "days_apart", "reconcile"]


@dataclass(frozen=True, slots=True)
class Batch:
    """How many cases were put before the committee together, by why; known to the keeper alone."""

    at: datetime
    suspected: int
    controls: int
    duplicates: int
    missing_controls: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """All cases of a trial.

    Attributes
    ----------
    rules : AdjudicationRules
    same_event_days : int
        A date further than this from the day in question is another event's.
    cases : tuple of Case
    batches : tuple of Batch
    """

    rules: AdjudicationRules
    same_event_days: int = SAME_EVENT_DAYS
    cases: tuple[Case, ...] = ()
    batches: tuple[Batch, ...] = ()

    @staticmethod
    def of(protocol: LoadedProtocol) -> Queue:
        """An empty queue by a protocol's rules."""
        same = protocol.spec.parameters.get("same_event_days", SAME_EVENT_DAYS)
        return Queue(protocol.spec.adjudication, int(same))

    def case(self, number: str) -> Case:
        """The case that members know by this number.

        Raises
        ------
        ConductError
            There is none now: a case that comes again has a new number.
        """
        for case in self.cases:
            if number and case.number == number:
                return case
        raise ConductError("no case has this number", where="case", found=number)

    def with_case(self, case: Case) -> Queue:
        """The same queue with this case in its place, or added."""
        if any(known.id == case.id for known in self.cases):
            return replace(self, cases=tuple(case if c.id == case.id else c for c in self.cases))
        return replace(self, cases=(*self.cases, case))

    @property
    def suspected(self) -> tuple[Case, ...]:
        """Cases that are neither controls nor duplicates: those whose verdicts count."""
        return tuple(case for case in self.cases if case.kind is CaseKind.SUSPECTED)

    @property
    def load(self) -> Counter[str]:
        """How many votes each member still has to give."""
        return Counter(m for c in self.cases if c.state is CaseState.VOTING for m in c.round.outstanding)

    # Acts of members -------------------------------------------------------------------------------

    def cast(self, ballot: Ballot) -> Queue:
        """Put in a vote; see `Case.cast`.

        A control that the committee confirms is an event that the rule missed: it becomes a case of its
        own, and is judged again like any other.

        Raises
        ------
        ConductError
            The vote is not allowed, or its date is another event's.
        """
        case = self.case(ballot.case)
        self._require_own_day(case, ballot.event_day)
        return self._settled(case.cast(ballot, self.rules))

    def third(self, number: str, committee: Committee, chance: Chance, at: datetime, who: str) -> Queue:
        """Ask a third member, where the protocol asks for one."""
        case = self._needing(number, "third")
        members = committee.assign(
            1, case.subject, case.site, case.endpoint, at.date(), chance,
            load=self.load, but=case.round.assigned,
        )  # fmt: skip
        return self.with_case(case.third(members[0], at, who))

    def decide_together(
        self,
        number: str,
        present: Sequence[str],
        committee: Committee,
        answer: Answer,
        event_day: int | None,
        reason: str,
        at: datetime,
    ) -> Queue:
        """The committee's consensus on a case whose votes differ, with a quorum and its chair."""
        case = self._needing(number, "consensus")
        members = committee.require_quorum(
            present, self.rules.quorum, case.subject, case.site, case.endpoint, at.date()
        )
        self._require_own_day(case, event_day)
        return self._settled(case.decide(VerdictBy.CONSENSUS, members, answer, event_day, reason, at))

    def decide_by_chair(
        self,
        number: str,
        chair: str,
        committee: Committee,
        answer: Answer,
        event_day: int | None,
        reason: str,
        at: datetime,
    ) -> Queue:
        """The chair's decision on a case whose votes differ."""
        case = self._needing(number, "chair")
        presiding = committee.presiding(case.subject, case.site, case.endpoint, at.date())
        if presiding.id != chair:
            raise ConductError(
                "this member does not preside over the case",
                where=f"case {number}",
                found=chair,
                expected=presiding.id,
            )
        self._require_own_day(case, event_day)
        return self._settled(case.decide(VerdictBy.CHAIR, (chair,), answer, event_day, reason, at))

    def restaffed(self, committee: Committee, chance: Chance, at: datetime, who: str) -> Queue:
        """After a change of the committee: others vote for those who are away or may not judge.

        A vote that was cast by a member who now declares a conflict spoils its round, unless the case
        is decided: then it is for the keeper to open it again, with a reason.
        """
        queue = self
        for case in self.cases:
            if case.state not in (CaseState.VOTING, CaseState.DISAGREED):
                continue
            about = (case.subject, case.site, case.endpoint)
            voted = [b.member for b in case.round.ballots if committee.member(b.member).barred(*about)]
            if voted:
                queue = queue.with_case(case.renewed("a member's conflict became known", at, who))
                continue
            for leaving in case.round.outstanding:
                member = committee.member(leaving)
                why = member.barred(*about) or ("on leave" if member.is_away(at.date()) else "")
                if why:
                    coming = committee.assign(
                        1, *about, at.date(), chance, load=queue.load, but=case.round.assigned
                    )
                    case = case.replaced(leaving, coming[0], why, at, who)
                    queue = queue.with_case(case)
        return queue

    def reopen(self, id_: str, why: str, at: datetime, who: str) -> Queue:
        """Open a decided case again for a reason of the keeper's; its verdict stays in its history."""
        if not why.strip():
            raise ConductError("a case is opened again for a reason", where="why", expected="a sentence")
        for case in self.cases:
            if case.id == id_:
                return self.with_case(case.reopened(why, at, who))
        raise ConductError("no such case", where="id", found=id_)

    # Pieces ----------------------------------------------------------------------------------------

    def _needing(self, number: str, way: str) -> Case:
        case = self.case(number)
        needs = case.needs(self.rules)
        if needs != way:
            raise ConductError(
                f"the case is not one for {way}",
                where=f"case {number}",
                found=str(case.state),
                expected=f"differing votes, and next: {needs}" if needs else "votes that differ",
            )
        return case

    def _settled(self, case: Case) -> Queue:
        queue = self.with_case(case)
        verdict = case.verdict
        if case.kind is not CaseKind.CONTROL or verdict is None or verdict.event_day is None:
            return queue
        why = "an event that the rule did not find, seen in a case shown as a control"
        id_ = queue.new_id(case.endpoint, case.subject)
        missed = Case(
            id_, case.subject, case.site, case.endpoint, verdict.event_day, case.last_day, "",
            rounds=(Round(1, "", why),),
        )  # fmt: skip
        return queue.with_case(missed.with_entry(verdict.at, "committee", "opened", why))

    def new_id(self, endpoint: str, subject: str) -> str:
        """The keeper's name for a further case of this patient and endpoint."""
        n = sum(c.endpoint == endpoint and c.subject == subject for c in self.cases)
        return f"{subject}/{endpoint}/{n + 1}"

    def _require_own_day(self, case: Case, day: int | None) -> None:
        """A date belongs to the event in question: the analysis lays a decision on the nearest candidate."""
        if day is None:
            return
        apart = days_apart(day, case.day)
        others = [
            days_apart(day, other.day)
            for other in self.suspected
            if other.subject == case.subject
            and other.endpoint == case.endpoint
            and other.id not in (case.id, case.copy_of)
            and other.state is not CaseState.VOID
        ]
        if apart > self.same_event_days or (others and min(others) <= apart):
            raise ConductError(
                "the date is another event's",
                where=f"case {case.number}",
                found=f"day {day}",
                expected=f"within {self.same_event_days} days of day {case.day}, and nearest to it",
                try_="refute this one, and say in the reason on which day there was an event",
            )


def days_apart(a: int, b: int) -> int:
    """Days between two study days; there is no day 0."""
    return abs((a - 1 if a > 0 else a) - (b - 1 if b > 0 else b))


# When data change ---------------------------------------------------------------------------------


def reconcile(queue: Queue, detection: Detection, at: datetime, who: str = "detector") -> Queue:
    """The queue after a look at some patients' data.

    Parameters
    ----------
    queue : Queue
    detection : Detection
        Of the patients whose data changed; cases of others are left as they are.
    at : datetime
    who : str
        Whom the history names.

    Returns
    -------
    Queue
        New suspicions wait; cases whose rows changed begin a new round; undecided ones that the rule no
        longer finds are withdrawn; decided ones are opened again, unless they were refuted.

    Notes
    -----
    A case and a candidate of one patient and endpoint are the same event if no more than
    `same_event_days` lie between them; the nearest pairs first.
    """
    found: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in detection.candidates:
        found.setdefault((candidate.subject, candidate.endpoint), []).append(candidate)
    looked_at = set(detection.subjects)
    of_patients: dict[tuple[str, str], list[Case]] = {}
    for case in queue.suspected:
        if case.subject in looked_at:
            of_patients.setdefault((case.subject, case.endpoint), []).append(case)
    for key in dict.fromkeys([*of_patients, *found]):
        cases, candidates = of_patients.get(key, []), found.get(key, [])
        pairs = _pairs(cases, candidates, queue.same_event_days)
        for case in cases:
            queue = queue.with_case(_updated(case, pairs.get(case.id), at, who))
        taken = {id(candidate) for candidate in pairs.values()}
        for candidate in candidates:
            if id(candidate) not in taken:
                queue = queue.with_case(Case.opened(queue.new_id(key[1], key[0]), candidate, who))
    return _without_stale_copies(queue, detection, at, who)


def _pairs(cases: Iterable[Case], candidates: Sequence[Candidate], within: int) -> dict[str, Candidate]:
    """Which candidate each case is about, by the case's id; nearest first, the earlier of two as near."""
    near = sorted(
        (days_apart(case.day, candidate.day), candidate.day, case.id, place)
        for case in cases
        for place, candidate in enumerate(candidates)
        if days_apart(case.day, candidate.day) <= within
    )
    pairs: dict[str, Candidate] = {}
    taken: set[int] = set()
    for _, _, id_, place in near:
        if id_ not in pairs and place not in taken:
            pairs[id_] = candidates[place]
            taken.add(place)
    return pairs


def _updated(case: Case, candidate: Candidate | None, at: datetime, who: str) -> Case:
    """A case beside what the rule finds of it now."""
    basis = "" if candidate is None else candidate.basis
    now = case.found(candidate)
    if case.state is CaseState.VOID:
        return case if candidate is None else now.reopened("found again", at, who)
    if basis == case.round.basis:
        if case.basis != basis and case.state is CaseState.DECIDED:
            return now.noted("found again, as it was decided on", at, who)
        # Later data of the patient may be shown, until members have the case before them.
        return now if case.state is CaseState.WAITING else replace(now, last_day=case.last_day)
    gone = "the data changed: the rule no longer finds it"
    if case.state is CaseState.DECIDED:
        verdict = case.verdict
        if candidate is None and verdict is not None and verdict.answer is Answer.REFUTED:
            return case if case.basis == "" else now.noted(f"{gone}; it was refuted", at, who)
        return now.reopened(_what_changed(case, candidate) or gone, at, who)
    if candidate is None and not case.verdicts:
        return now.withdrawn(gone, at, who)
    return now.renewed(_what_changed(case, candidate) or gone, at, who)


def _what_changed(case: Case, candidate: Candidate | None) -> str:
    if candidate is None:
        return ""
    said = []
    if case.day != candidate.day:
        said.append(f"day {case.day} is now day {candidate.day}")
    if case.level != candidate.level:
        said.append(f"{case.level or 'not found'} is now {candidate.level}")
    rows = ", ".join(row.place for row in candidate.cited)
    return f"the data changed: {'; '.join(said) or 'rows that it rests on'} ({rows})"


def _without_stale_copies(queue: Queue, detection: Detection, at: datetime, who: str) -> Queue:
    """Withdraw open copies of cases that are open again, and open controls near which something was found."""
    by_id = {case.id: case for case in queue.cases}
    for case in queue.cases:
        if not case.is_open:
            continue
        if case.kind is CaseKind.DUPLICATE and by_id[case.copy_of].round.basis != case.basis:
            queue = queue.with_case(case.withdrawn("the data changed", at, who))
        if case.kind is CaseKind.CONTROL and any(
            c.subject == case.subject
            and c.endpoint == case.endpoint
            and days_apart(c.day, case.day) <= queue.same_event_days
            for c in detection.candidates
        ):
            queue = queue.with_case(case.withdrawn("the data changed", at, who))
    return queue
