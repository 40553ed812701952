"""What a member of the committee sees of the queue: own cases, own vote, and others' votes once all are in.

Nothing here says why a case was shown, who else has it before the votes are open, or that a case was
there before under another number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flarefree.conduct.adjudication.cases import Case, CaseState
from flarefree.conduct.adjudication.committee import Committee
from flarefree.conduct.adjudication.queue import Queue
from flarefree.conduct.adjudication.voting import Answer, Ballot
from flarefree.errors import ConductError

__all__ = ["DeskCase", "SeenVote", "desk_case", "desk_list"]


@dataclass(frozen=True, slots=True)
class SeenVote:
    """A vote as a member may see it."""

    member: str
    answer: Answer
    event_day: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class DeskCase:
    """One case on a member's desk.

    Attributes
    ----------
    number, endpoint : str
    day : int
    state : str
        `to vote`, `voted`, `to decide` (differing votes, where the member takes part), `done`.
    own_vote : SeenVote or None
    votes : tuple of SeenVote
        Of others too; empty until every vote of the round is in, and while a third is asked.
    verdict : str
        In words, once there is one.
    """

    number: str
    endpoint: str
    day: int
    state: str
    own_vote: SeenVote | None
    votes: tuple[SeenVote, ...] = ()
    verdict: str = ""


def desk_list(queue: Queue, member: str, committee: Committee, at: datetime) -> tuple[DeskCase, ...]:
    """Every case on a member's desk, by number."""
    committee.member(member)
    mine = [case for case in queue.cases if _part(case, queue, member, committee, at)]
    return tuple(_seen(c, queue, member, committee, at) for c in sorted(mine, key=lambda c: c.number))


def desk_case(queue: Queue, number: str, member: str, committee: Committee, at: datetime) -> DeskCase:
    """One case as a member sees it.

    Raises
    ------
    ConductError
        The case is not on the member's desk.  It is the same error where there is no such case.
    """
    committee.member(member)
    for case in queue.cases:
        if number and case.number == number and _part(case, queue, member, committee, at):
            return _seen(case, queue, member, committee, at)
    raise ConductError("the case is not on this desk", where="case", found=number)


def _part(case: Case, queue: Queue, member: str, committee: Committee, at: datetime) -> bool:
    """Whether a member has a part in a case: a vote, or a say where votes differ."""
    if not case.number or case.state in (CaseState.WAITING, CaseState.VOID):
        return False
    if committee.member(member).barred(case.subject, case.site, case.endpoint):
        return False
    return member in case.round.assigned or _has_say(case, queue, member, committee, at)


def _has_say(case: Case, queue: Queue, member: str, committee: Committee, at: datetime) -> bool:
    about = (case.subject, case.site, case.endpoint)
    match case.needs(queue.rules):
        case "consensus":
            return any(m.id == member for m in committee.eligible(*about, at.date()))
        case "chair":
            return committee.presiding(*about, at.date()).id == member
    verdict = case.verdict
    return verdict is not None and member in verdict.members


def _seen(case: Case, queue: Queue, member: str, committee: Committee, at: datetime) -> DeskCase:
    own = next((ballot for ballot in case.round.ballots if ballot.member == member), None)
    needs = case.needs(queue.rules)
    has_say = _has_say(case, queue, member, committee, at)
    is_open = case.state is CaseState.DECIDED or needs in ("consensus", "chair")
    # Where the chair alone decides, the voters have given theirs, and see no more until it is done.
    sees_all = is_open and (case.state is CaseState.DECIDED or has_say)
    verdict = case.verdict
    if case.state is CaseState.DECIDED:
        state = "done"
    elif has_say:
        state = "to decide"
    else:
        state = "to vote" if own is None else "voted"
    return DeskCase(
        case.number,
        case.endpoint,
        case.day,
        state,
        None if own is None else _vote(own),
        tuple(_vote(b) for b in sorted(case.round.ballots, key=lambda b: b.member)) if sees_all else (),
        "" if verdict is None else _words(verdict.answer, verdict.event_day),
    )


def _vote(ballot: Ballot) -> SeenVote:
    return SeenVote(ballot.member, ballot.answer, ballot.event_day, ballot.reason)


def _words(answer: Answer, day: int | None) -> str:
    return str(answer) if day is None else f"{answer}, day {day}"
