"""A case: one suspected event of one patient and component, through its rounds to a verdict.

Nothing is overwritten: a case that is opened again has a new round, and its earlier verdicts stay.  What a
case allows is a table, `TRANSITIONS`; every step adds a line to its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from flarefree.conduct.adjudication.voting import Answer, Ballot, Verdict, VerdictBy, agreed, majority
from flarefree.conduct.detecting import Candidate, Level, require_zone
from flarefree.errors import ConductError
from flarefree.protocol.schema import AdjudicationRules

__all__ = ["TRANSITIONS", "Case", "CaseKind", "CaseState", "Entry", "Round"]


class CaseKind(StrEnum):
    """Why a case was put before the committee: known to its keeper, never to a member."""

    SUSPECTED = "suspected"
    CONTROL = "control"
    DUPLICATE = "duplicate"


class CaseState(StrEnum):
    """Where a case stands."""

    WAITING = "waiting"  # found, not yet before the committee
    VOTING = "voting"
    DISAGREED = "disagreed"
    DECIDED = "decided"
    VOID = "void"  # withdrawn before it was decided: the data no longer ask


TRANSITIONS: Mapping[tuple[CaseState, str], tuple[CaseState, ...]] = MappingProxyType(
    {
        (CaseState.WAITING, "assign"): (CaseState.VOTING,),
        (CaseState.WAITING, "renew"): (CaseState.WAITING,),
        (CaseState.WAITING, "withdraw"): (CaseState.VOID,),
        (CaseState.VOTING, "cast"): (CaseState.VOTING, CaseState.DISAGREED, CaseState.DECIDED),
        (CaseState.VOTING, "replace"): (CaseState.VOTING,),
        (CaseState.VOTING, "renew"): (CaseState.VOTING, CaseState.WAITING),
        (CaseState.VOTING, "withdraw"): (CaseState.VOID,),
        (CaseState.DISAGREED, "third"): (CaseState.VOTING,),
        (CaseState.DISAGREED, "decide"): (CaseState.DECIDED,),
        (CaseState.DISAGREED, "renew"): (CaseState.WAITING,),
        (CaseState.DISAGREED, "withdraw"): (CaseState.VOID,),
        (CaseState.DECIDED, "reopen"): (CaseState.WAITING,),
        (CaseState.DECIDED, "note"): (CaseState.DECIDED,),
        (CaseState.VOID, "reopen"): (CaseState.WAITING,),
    }
)
"""What may be done to a case in each state, and where that may lead; all else is refused."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's history: who did what, when, and what was said of it.

    A vote's line has its commitment alone; the line that opens the votes has what they said.
    """

    at: datetime
    who: str
    what: str
    round: int
    said: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """One judging of a case, on one state of the data.

    Attributes
    ----------
    number : int
        From 1.
    basis : str
        Digest of what the rule found when the round began; empty where it finds nothing any more.
    why : str
        Why there is this round.
    assigned : tuple of str
        Members who are to vote.
    ballots : tuple of Ballot
    verdict : Verdict or None
    is_spoilt : bool
        The data changed under it, and it goes on in the next.
    """

    number: int
    basis: str
    why: str = field(repr=False)
    assigned: tuple[str, ...] = ()
    ballots: tuple[Ballot, ...] = field(default=(), repr=False)
    verdict: Verdict | None = None
    is_spoilt: bool = False

    @property
    def outstanding(self) -> tuple[str, ...]:
        """Who has not voted yet."""
        voted = {ballot.member for ballot in self.ballots}
        return tuple(member for member in self.assigned if member not in voted)


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the committee: did this patient have this event, and when?

    Attributes
    ----------
    id : str
        The keeper's name for it.
    number : str
        What members know it by: drawn anew each time it is put before them, since a number that came
        back would tell that the case is no control; empty until then.
    kind : CaseKind
        Sealed from members; not shown by `repr`.
    subject, site, endpoint : str
    day : int
        The day in question.
    last_day : int
        The last day of which its dossier tells.
    level : Level or None
        What the rule finds now; None where it finds nothing (a control, or data that changed).
    basis : str
        Digest of what the rule finds now.
    state : CaseState
    rounds : tuple of Round
    history : tuple of Entry
    copy_of : str
        Of a duplicate: the id of the case that it shows again.
    """

    id: str
    subject: str
    site: str
    endpoint: str
    day: int
    last_day: int
    basis: str
    kind: CaseKind = field(default=CaseKind.SUSPECTED, repr=False)
    level: Level | None = field(default=None, repr=False)
    number: str = ""
    state: CaseState = CaseState.WAITING
    rounds: tuple[Round, ...] = ()
    history: tuple[Entry, ...] = field(default=(), repr=False)
    copy_of: str = field(default="", repr=False)

    # What it says of itself ------------------------------------------------------------------------

    @property
    def round(self) -> Round:
        """The present round."""
        return self.rounds[-1]

    @property
    def verdict(self) -> Verdict | None:
        """What counts: the last round's verdict, while the case is decided."""
        return self.round.verdict if self.state is CaseState.DECIDED else None

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict there ever was, oldest first."""
        return tuple(one.verdict for one in self.rounds if one.verdict is not None)

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in (CaseState.WAITING, CaseState.VOTING, CaseState.DISAGREED)

    # Opening ---------------------------------------------------------------------------------------

    @staticmethod
    def opened(id_: str, candidate: Candidate, who: str = "detector") -> Case:
        """The case of a candidate that the detector found."""
        case = Case(
            id_, candidate.subject, candidate.site, candidate.endpoint, candidate.day, candidate.last_day,
            candidate.basis, level=candidate.level,
            rounds=(Round(1, candidate.basis, "found by the rule"),),
        )  # fmt: skip
        said = f"{candidate.level}: {', '.join(candidate.components)}; {len(candidate.cited)} rows; "
        return case.with_entry(
            candidate.found_at, who, "opened", said + f"protocol {candidate.rule.digest[:12]}"
        )

    def assign(self, number: str, members: Iterable[str], at: datetime, who: str) -> Case:
        """Put it before members, under a new number."""
        assigned = tuple(members)
        moved = self._moved("assign", CaseState.VOTING, at)
        moved = replace(moved, number=number)._round(assigned=assigned)
        return moved.with_entry(at, who, "assigned", f"as {number} to {', '.join(assigned)}")

    def replaced(self, leaving: str, coming: str, why: str, at: datetime, who: str) -> Case:
        """Another member votes in place of one who may not, or is away."""
        if leaving not in self.round.outstanding:
            raise self._refusal("this member has no vote to give up", found=leaving)
        if coming in self.round.assigned:
            raise self._refusal("this member votes on the case already", found=coming)
        assigned = tuple(coming if m == leaving else m for m in self.round.assigned)
        moved = self._moved("replace", CaseState.VOTING, at)._round(assigned=assigned)
        return moved.with_entry(at, who, "replaced", f"{leaving} by {coming}: {why}")

    # Voting ----------------------------------------------------------------------------------------

    def cast(self, ballot: Ballot, rules: AdjudicationRules) -> Case:
        """Put in a sealed vote; with the last one the votes are opened and compared.

        Raises
        ------
        ConductError
            The member has no vote in this round, or has voted, or the ballot is another case's.
        """
        if ballot.case != self.number or ballot.round != self.round.number:
            raise self._refusal("a ballot of another case or round", found=f"{ballot.case}, {ballot.round}")
        if ballot.member in {b.member for b in self.round.ballots}:
            raise self._refusal(
                "a vote is cast once",
                found=ballot.member,
                try_="ask the committee's keeper to open the case again",
            )
        if ballot.member not in self.round.assigned:
            raise self._refusal("this member has no vote on the case", found=ballot.member)
        ballots = (*self.round.ballots, ballot)
        is_last = len(ballots) == len(self.round.assigned)
        verdict = self._verdict(ballots, rules) if is_last else None
        state = CaseState.VOTING
        if is_last:
            state = CaseState.DISAGREED if verdict is None else CaseState.DECIDED
        moved = self._moved("cast", state, ballot.at)._round(ballots=ballots, verdict=verdict)
        moved = moved.with_entry(ballot.at, ballot.member, "voted", ballot.commitment)
        return moved._opened_votes(ballot.at) if is_last else moved

    def _verdict(self, ballots: tuple[Ballot, ...], rules: AdjudicationRules) -> Verdict | None:
        if len(ballots) > rules.votes:
            return majority(ballots, rules.dates_within)
        return agreed(ballots, rules.dates_within)

    def _opened_votes(self, at: datetime) -> Case:
        """The votes are said, each with its secret, so that anyone can check the commitments."""
        case = self
        for ballot in sorted(self.round.ballots, key=lambda b: b.member):
            day = "" if ballot.event_day is None else f" on day {ballot.event_day}"
            case = case.with_entry(at, ballot.member, "opened vote", f"{ballot.answer}{day} [{ballot.nonce}]")
        verdict = self.round.verdict
        return case if verdict is None else case.with_entry(at, "committee", "decided", _words(verdict))

    def needs(self, rules: AdjudicationRules) -> str:
        """Who is to act where votes differ: `third`, `consensus` or `chair`; empty if nobody."""
        if self.state is not CaseState.DISAGREED:
            return ""
        if rules.on_disagreement == "third" and len(self.round.ballots) > rules.votes:
            return "chair"  # three votes, and still no two alike
        return rules.on_disagreement

    def third(self, member: str, at: datetime, who: str) -> Case:
        """Ask a third member, who sees neither vote."""
        if member in self.round.assigned:
            raise self._refusal("this member has voted on the case", found=member)
        moved = self._moved("third", CaseState.VOTING, at)
        moved = moved._round(assigned=(*self.round.assigned, member))
        return moved.with_entry(at, who, "third vote asked", member)

    def decide(
        self,
        by: VerdictBy,
        members: tuple[str, ...],
        answer: Answer,
        event_day: int | None,
        reason: str,
        at: datetime,
    ) -> Case:
        """The committee's consensus, or the chair's decision, where votes differ."""
        if (answer is Answer.CONFIRMED) != (event_day is not None):
            raise self._refusal("a confirmed event has a date, and no other answer has one")
        if not reason.strip():
            raise self._refusal("a decision on differing votes has its reason", try_="say why, in a sentence")
        verdict = Verdict(Answer(answer), event_day, by, members, at, reason)
        moved = self._moved("decide", CaseState.DECIDED, at)._round(verdict=verdict)
        return moved.with_entry(at, ", ".join(members), "decided", _words(verdict))

    # When data change ------------------------------------------------------------------------------

    def found(self, candidate: Candidate | None) -> Case:
        """The same case with what the rule finds now; its state is settled by who calls."""
        if candidate is None:
            return replace(self, level=None, basis="")
        return replace(
            self,
            day=candidate.day,
            last_day=max(self.last_day, candidate.last_day),
            level=candidate.level,
            basis=candidate.basis,
        )

    def renewed(self, why: str, at: datetime, who: str) -> Case:
        """Data changed while it was open: votes already cast are kept as they are, and it begins again."""
        if not self.round.ballots:
            moved = self._moved("renew", self.state, at)._round(basis=self.basis)
            return moved.with_entry(at, who, "data changed", why)
        moved = self._moved("renew", CaseState.WAITING, at)._round(is_spoilt=True)
        return moved._next_round(why).with_entry(at, who, "data changed", f"{why}; a new round")

    def reopened(self, why: str, at: datetime, who: str) -> Case:
        """Open a decided or withdrawn case again; its verdicts stay."""
        moved = self._moved("reopen", CaseState.WAITING, at)
        return moved._next_round(why).with_entry(at, who, "opened again", why)

    def withdrawn(self, why: str, at: datetime, who: str) -> Case:
        """Close an undecided case that the data no longer ask about."""
        return self._moved("withdraw", CaseState.VOID, at).with_entry(at, who, "withdrawn", why)

    def noted(self, why: str, at: datetime, who: str) -> Case:
        """Say something of a decided case that changes nothing."""
        return self._moved("note", CaseState.DECIDED, at).with_entry(at, who, "noted", why)

    # Pieces ----------------------------------------------------------------------------------------

    def _next_round(self, why: str) -> Case:
        return replace(self, rounds=(*self.rounds, Round(len(self.rounds) + 1, self.basis, why)))

    def _round(self, **changes: object) -> Case:
        return replace(self, rounds=(*self.rounds[:-1], replace(self.round, **changes)))  # type: ignore[arg-type]

    def _moved(self, verb: str, to: CaseState, at: datetime) -> Case:
        require_zone(at)
        allowed = TRANSITIONS.get((self.state, verb), ())
        if to not in allowed:
            verbs = [v for state, v in TRANSITIONS if state is self.state]
            raise self._refusal(
                f"a case that is {self.state} does not allow this",
                found=verb,
                try_=f"now: {', '.join(verbs)}" if verbs else "",
            )
        return replace(self, state=to)

    def with_entry(self, at: datetime, who: str, what: str, said: str = "") -> Case:
        """A further line of history."""
        return replace(self, history=(*self.history, Entry(at, who, what, len(self.rounds), said)))

    def _refusal(self, what: str, *, found: str = "", try_: str = "") -> ConductError:
        return ConductError(what, where=f"case {self.number or self.id}", found=found, try_=try_)


def _words(verdict: Verdict) -> str:
    day = "" if verdict.event_day is None else f" on day {verdict.event_day}"
    reason = f": {verdict.reason}" if verdict.reason else ""
    return f"{verdict.answer}{day}, by {verdict.by}{reason}"
