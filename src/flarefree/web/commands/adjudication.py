"""What members and the chair do: vote, decide where votes differ, decline a case, ask about its dossier."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.committee import Committee, Conflict
from flarefree.conduct.adjudication.voting import Answer, seal
from flarefree.errors import ConductError
from flarefree.web.chance import lots, secret
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.naming import new_key
from flarefree.web.committee_people import read_committee, voters_of
from flarefree.web.committee_store import Stored, read_queue, read_whole_queue
from flarefree.web.committee_writes import writes_of
from flarefree.web.record.reading import read_thing

__all__ = [
    "AskAboutDossier",
    "CastVote",
    "DecideAsChair",
    "DecideTogether",
    "DeclineCase",
    "Number",
    "Words",
    "case_of",
    "require_unlocked",
]

Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,9}$")]
"""What members know a case by."""
Words = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Day = Annotated[int, Field(ge=-36_500, le=36_500)]
Said = Literal["confirmed", "refuted", "undecidable"]

_NOTHING = "there is nothing here for you"


def case_of(number: str, person: str = "") -> tuple[Stored, Case]:
    """The cases of the patient of a showing, and the one that is shown.

    Parameters
    ----------
    number : str
    person : str
        Who must have it on the desk; anybody if empty.

    Raises
    ------
    ConductError
        No such case, or not on that desk: in the same words.
    """
    shown = read_thing("case", number)
    if shown is None or not shown.subject:
        raise ConductError(_NOTHING)
    if person and person not in str(shown["assigned_to"] or "").split():
        raise ConductError(_NOTHING)
    stored = read_queue([shown.subject])
    if not any(case.number == number for case in stored.queue.cases):
        raise ConductError(_NOTHING)
    return stored, stored.queue.case(number)


def require_unlocked() -> None:
    """Refuse once adjudication is locked.

    Raises
    ------
    ConductError
    """
    lock = read_thing("adjudication_lock", "this")
    if lock is not None and lock["is_in_force"] is True:
        raise ConductError("adjudication is locked", where="adjudication", found=f"locked {lock['at']}")


class CastVote(Command):
    """A member's sealed vote on one case.

    Attributes
    ----------
    case : str
        Its number.
    answer : str
        `confirmed`, `refuted` or `undecidable`.
    event_day : int, optional
        Study day of a confirmed event.
    reason : str
        What the member would say of it.
    """

    name: ClassVar[str] = "cast_vote"
    verb: ClassVar[str] = "vote"
    case: Number
    answer: Said
    event_day: Day | None = None
    reason: Words

    def plan(self, asked: Asked) -> Plan:
        """The vote; with the last one of a round, what it came to."""
        assert asked.actor is not None  # no machine votes
        person = asked.actor.person
        require_unlocked()
        stored, case = case_of(self.case, person)
        if person not in case.round.assigned:
            raise ConductError(_NOTHING)
        ballot = seal(
            self.case, case.round.number, person, asked.at,
            Answer(self.answer), self.event_day, self.reason, nonce=secret(),
        )  # fmt: skip
        after = stored.queue.cast(ballot)
        writes = writes_of(stored, after, read_committee(asked.at), asked.request, asked.at)
        return Plan(
            f"case/{self.case}",
            case.site,
            frozenset({person}),
            tuple(_asked_for(w, f"{self.case}.{person}", "answer") for w in writes),
            (Need("vote", "votes.own"),),
            reason="a vote was cast",
            result={"case": self.case},  # not whether it was the last vote: that would tell of the others
        )


def _asked_for(write: Write, key: str, attribute: str) -> Write:
    """The value that the person writes, among those that follow from it."""
    if write.kind not in ("vote", "decision") or (write.key, write.attribute) != (key, attribute):
        return write
    return Write(write.kind, write.key, write.attribute, write.field, write.value)


class DecideTogether(Command):
    """The committee's consensus on a case whose votes differ, entered by who presides.

    Attributes
    ----------
    case, answer, event_day, reason
        As in a vote.
    present : tuple of str
        Members who took part, the chair among them.
    """

    name: ClassVar[str] = "decide_together"
    verb: ClassVar[str] = "decide"
    case: Number
    answer: Said
    event_day: Day | None = None
    reason: Words
    present: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)]

    def plan(self, asked: Asked) -> Plan:
        """The decision and what follows from it."""
        person, stored, case, committee = _deciding(self.case, asked)
        chair = committee.presiding(case.subject, case.site, case.endpoint, asked.at.date())
        if chair.id != person:
            raise ConductError(_NOTHING)
        away = [name for name in self.present if committee.member(name).is_away(asked.at.date())]
        if away:
            raise ConductError("a member on leave takes part", where="present", found=", ".join(away))
        after = stored.queue.decide_together(
            self.case, self.present, committee, Answer(self.answer), self.event_day, self.reason, asked.at
        )
        return _decision(case, person, writes_of(stored, after, committee, asked.request, asked.at))


class DecideAsChair(Command):
    """The chair's decision on a case whose votes differ, where the protocol leaves it to the chair.

    Attributes
    ----------
    case, answer, event_day, reason
        As in a vote.
    """

    name: ClassVar[str] = "decide_as_chair"
    verb: ClassVar[str] = "decide"
    case: Number
    answer: Said
    event_day: Day | None = None
    reason: Words

    def plan(self, asked: Asked) -> Plan:
        """The decision and what follows from it."""
        person, stored, case, committee = _deciding(self.case, asked)
        after = stored.queue.decide_by_chair(
            self.case, person, committee, Answer(self.answer), self.event_day, self.reason, asked.at
        )
        return _decision(case, person, writes_of(stored, after, committee, asked.request, asked.at))


def _deciding(number: str, asked: Asked) -> tuple[str, Stored, Case, Committee]:
    assert asked.actor is not None  # no machine decides
    require_unlocked()
    stored, case = case_of(number, asked.actor.person)
    return asked.actor.person, stored, case, read_committee(asked.at)


def _decision(case: Case, person: str, writes: tuple[Write, ...]) -> Plan:
    return Plan(
        f"case/{case.number}",
        case.site,
        frozenset({person}),
        tuple(_asked_for(w, case.number, "answer") for w in writes),
        (Need("decide", "decisions.record"),),
        reason="votes differed",
        result={"case": case.number},
    )


class DeclineCase(Command):
    """A member may not judge a case: another votes instead, and in all cases that the conflict touches.

    Attributes
    ----------
    case : str
    why : str
        The conflict of interest, in words.
    extent : str
        Whether it is about this patient, all patients of this one's site, or everything; the member need
        not be told which patient or site that is.
    """

    name: ClassVar[str] = "decline_case"
    verb: ClassVar[str] = "vote"
    case: Number
    why: Words
    extent: Literal["patient", "site", "everything"] = "patient"

    def plan(self, asked: Asked) -> Plan:
        """The conflict, and the cases that change hands."""
        assert asked.actor is not None  # no machine has interests
        require_unlocked()
        person = asked.actor.person
        _, case = case_of(self.case, person)
        told = {
            "member": person,
            "why": self.why,
            "about_site": case.site if self.extent == "site" else "",
            "about_subject": case.subject if self.extent == "patient" else "",
            "about_endpoint": "",
        }
        key = new_key(asked.request)
        conflict = tuple(Write("conflict", key, n, "cases.queue", v, True) for n, v in told.items())
        committee = with_conflict(read_committee(asked.at), person, told)
        return Plan(
            f"case/{self.case}",
            case.site,
            frozenset({person}),
            (*conflict, *restaffed(committee, asked)),
            (Need("vote", "votes.own"),),
            reason=self.why,
            result={"case": self.case},
        )


def with_conflict(committee: Committee, person: str, told: dict[str, str]) -> Committee:
    """The committee with one conflict of interest more."""
    member = committee.member(person)
    conflict = Conflict(told["why"], told["about_site"], told["about_subject"], told["about_endpoint"])
    return committee.with_member(replace(member, conflicts=(*member.conflicts, conflict)))


def restaffed(committee: Committee, asked: Asked) -> tuple[Write, ...]:
    """Others vote for members who are away or may not judge."""
    who = asked.actor.person if asked.actor else "system"
    stored = read_whole_queue()
    after = stored.queue.restaffed(voters_of(committee), lots(), asked.at, who)
    return writes_of(stored, after, committee, asked.request, asked.at)


class AskAboutDossier(Command):
    """A member asks the coordinator about what a dossier shows, or lacks.

    Attributes
    ----------
    case : str
    text : str
    """

    name: ClassVar[str] = "ask_about_dossier"
    verb: ClassVar[str] = "query"
    case: Number
    text: Words

    def plan(self, asked: Asked) -> Plan:
        """The question, for the coordinator; other members do not see it."""
        assert asked.actor is not None  # no machine asks
        person = asked.actor.person
        _, case = case_of(self.case, person)
        key = new_key(asked.request)
        told = {"case": self.case, "member": person, "text": self.text, "at": asked.at.isoformat()}
        writes = [Write("dossier_query", key, n, "cases.dossier", v) for n, v in told.items()]
        writes.append(Write("dossier_query", key, "assigned_to", "cases.dossier", person, True))
        return Plan(f"case/{self.case}", case.site, frozenset({person}), tuple(writes), result={"query": key})
