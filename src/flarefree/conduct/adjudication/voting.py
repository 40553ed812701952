"""Sealed votes on one question, and what follows from them.

A ballot is closed by its commitment: SHA-256 of what it says and of a secret number.  The commitment is
written into the history when the vote is cast; what the ballot says is written when the last one is in,
and must fit.  So nobody, the keeper of the records included, can change a vote after seeing another.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flarefree.errors import ConductError

__all__ = ["Answer", "Ballot", "Verdict", "VerdictBy", "agreed", "majority", "seal"]


class Answer(StrEnum):
    """What a member, or the committee, says of a suspected event."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDABLE = "undecidable"


class VerdictBy(StrEnum):
    """How a verdict came about."""

    AGREEMENT = "agreement"
    THIRD = "third vote"
    CONSENSUS = "consensus"
    CHAIR = "chair"


@dataclass(frozen=True, slots=True)
class Ballot:
    """One member's vote; what it says is not shown by `repr`.

    Attributes
    ----------
    case : str
        The number that the member knows the case by.
    round : int
    member : str
    at : datetime
    commitment : str
        SHA-256 of all of the above and below; made by `seal`.
    answer : Answer
    event_day : int or None
        Study day of the event, if confirmed.
    reason : str
    nonce : str
        Secret until the votes are opened.
    """

    case: str
    round: int
    member: str
    at: datetime
    commitment: str
    answer: Answer = field(repr=False)
    event_day: int | None = field(repr=False)
    reason: str = field(repr=False)
    nonce: str = field(repr=False)

    def __post_init__(self) -> None:
        if (self.answer is Answer.CONFIRMED) != (self.event_day is not None) or self.event_day == 0:
            raise ConductError(
                "a confirmed event has a date, and no other answer has one",
                where=f"case {self.case}",
                found="no day, or a day 0, or a day without an event",
                expected="the study day of a confirmed event, and none otherwise",
            )
        if self.commitment != _commitment(self):
            raise ConductError(
                "the ballot does not fit its commitment",
                where=f"case {self.case}, round {self.round}, {self.member}",
                expected="a ballot as it was sealed",
                try_="treat the records as tampered with",
            )


def seal(
    case: str,
    round_: int,
    member: str,
    at: datetime,
    answer: Answer,
    event_day: int | None = None,
    reason: str = "",
    *,
    nonce: str = "",
) -> Ballot:
    """A ballot, closed.  The nonce is drawn from the operating system unless it is given."""
    nonce = nonce or secrets.token_hex(16)
    commitment = _digest(case, round_, member, at, answer, event_day, reason, nonce)
    return Ballot(case, round_, member, at, commitment, Answer(answer), event_day, reason, nonce)


def _commitment(ballot: Ballot) -> str:
    return _digest(
        ballot.case, ballot.round, ballot.member, ballot.at,
        ballot.answer, ballot.event_day, ballot.reason, ballot.nonce,
    )  # fmt: skip


def _digest(
    case: str,
    round_: int,
    member: str,
    at: datetime,
    answer: Answer,
    event_day: int | None,
    reason: str,
    nonce: str,
) -> str:
    said = [case, round_, member, at.isoformat(), str(answer), event_day, reason, nonce]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a round came to.

    Attributes
    ----------
    answer : Answer
    event_day : int or None
    by : VerdictBy
    members : tuple of str
        Who took part.
    at : datetime
    reason : str
        Of a consensus or of the chair; votes keep their own.
    """

    answer: Answer
    event_day: int | None
    by: VerdictBy
    members: tuple[str, ...]
    at: datetime
    reason: str = ""


def agreed(ballots: Sequence[Ballot], dates_within: int = 0) -> Verdict | None:
    """What the members agree on, None if they differ.

    Confirmations agree if all lie within `dates_within` days of each other; the earliest date counts.
    """
    answers = {ballot.answer for ballot in ballots}
    if len(answers) != 1:
        return None
    days = sorted(_count(ballot.event_day) for ballot in ballots if ballot.event_day is not None)
    if days and days[-1] - days[0] > dates_within:
        return None
    return _verdict(ballots, VerdictBy.AGREEMENT)


def majority(ballots: Sequence[Ballot], dates_within: int = 0) -> Verdict | None:
    """What more than half agree on, dates included; None if nothing is."""
    needed = len(ballots) // 2 + 1
    for answer, n in Counter(ballot.answer for ballot in ballots).most_common():
        same = sorted((b for b in ballots if b.answer is answer), key=lambda b: _count(b.event_day or 1))
        if n < needed:
            continue
        for first in range(len(same) - needed + 1):
            group = same[first : first + needed]
            if agreed(group, dates_within) is not None:
                return _verdict(group, VerdictBy.THIRD)
    return None


def _verdict(ballots: Sequence[Ballot], by: VerdictBy) -> Verdict:
    days = [ballot.event_day for ballot in ballots if ballot.event_day is not None]
    members = tuple(ballot.member for ballot in ballots)
    at = max(ballot.at for ballot in ballots)
    return Verdict(ballots[0].answer, min(days, default=None), by, members, at)


def _count(day: int) -> int:
    """Study days in a row without a gap at 0."""
    return day - 1 if day > 0 else day
