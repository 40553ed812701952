"""Breaking the code of one patient in an emergency: who may, what must be said, who hears what.

The order of things makes the arm unreachable where it must not be: the request is judged, logged, and its
notices are written before the vault is asked.  Notices are made of the request alone and so cannot hold an
arm; the answer goes to who asked, about one subject, and to nobody else.  A request that the log has not
taken gets no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flarefree.conduct.audit.entries import Draft, Entry
from flarefree.conduct.roles.matrix import Matrix
from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError

__all__ = [
    "ANSWER_WITHIN",
    "Answer",
    "BreakReason",
    "BreakRequest",
    "Channel",
    "CodeBreak",
    "Identified",
    "Impact",
    "Notice",
    "answer_code_break",
    "assess_impact",
    "draft_of",
    "may_still_judge",
    "notices_of",
    "order_code_break",
    "unusual_pattern",
]

ANSWER_WITHIN = timedelta(minutes=2)
"""From request to answer, at any hour (check B9)."""

ASSESS_WITHIN = timedelta(days=7)
"""An unplanned code break is assessed for its impact within this; a choice of ours."""

IDENTITY_VALID_FOR = timedelta(minutes=5)
"""How old the proof of identity may be; a choice of ours."""


_LEAST_LETTERS = 4  # in an emergency `coma` is reason enough; `x` or `...` is none


class BreakReason(StrEnum):
    """Why; a closed list, read by everybody who hears of it."""

    EMERGENCY = "medical emergency: treatment depends on the study drug"
    OVERDOSE = "overdose or poisoning, also of somebody who is not a patient"
    PREGNANCY = "pregnancy: care depends on the study drug"
    SAFETY_REPORT = "report of a suspected unexpected serious reaction to an authority"

    @property
    def is_planned(self) -> bool:
        """Whether the protocol foresees it; all others are assessed for their impact."""
        return self is BreakReason.SAFETY_REPORT


class Channel(StrEnum):
    """How it was asked."""

    WEB = "web"
    VOICE = "voice"


class Impact(StrEnum):
    """What the one who asks expects of it, said before the answer is given."""

    ASKER_ONLY = "only the one who asks will know"
    TREATING_TEAM = "those who treat the patient will know; assessors of the trial will not"
    ASSESSORS = "somebody who assesses the patient for the trial will know"


@dataclass(frozen=True, slots=True)
class Identified:
    """Proof of who asks: two things of different kinds, checked moments ago by whoever can check them.

    Attributes
    ----------
    person : str
    factors : frozenset of str
        Kinds: `password`, `device`, `pin`, `call_back`.
    at : datetime
    """

    person: str
    factors: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakRequest:
    """What is asked for.

    Attributes
    ----------
    request : str
        Identifier; the same one gives the same answer, and another subject or person is refused.
    actor : Actor
    identified : Identified
    subject : str
        One.
    reason : BreakReason
    explanation : str
        In words.
    impact : Impact, optional
        Needed unless the reason is planned.
    channel : Channel
    at : datetime
        When it was asked, in coordinated universal time.
    """

    request: str
    actor: Actor
    identified: Identified
    subject: str
    reason: BreakReason
    explanation: str
    impact: Impact | None
    channel: Channel
    at: datetime


@dataclass(frozen=True, slots=True)
class CodeBreak:
    """A code break that the rules allow: what goes into the register.  It holds no arm.

    Attributes
    ----------
    request : BreakRequest
    site : str
        The subject's.
    answered_at : datetime, optional
    assessed_by, assessment : str
        Who judged its impact, and how; empty until then.
    """

    request: BreakRequest
    site: str
    answered_at: datetime | None = None
    assessed_by: str = ""
    assessment: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its impact is still to be assessed."""
        return not self.request.reason.is_planned and not self.assessment

    @property
    def seconds(self) -> float | None:
        """From request to answer."""
        return None if self.answered_at is None else (self.answered_at - self.request.at).total_seconds()

    @property
    def is_late(self) -> bool:
        """Whether the answer took longer than it may."""
        return self.answered_at is not None and self.answered_at - self.request.at > ANSWER_WITHIN

    def is_overdue(self, now: datetime) -> bool:
        """Whether its assessment should have been made."""
        return self.is_open and now - self.request.at > ASSESS_WITHIN


@dataclass(frozen=True, slots=True)
class Notice:
    """What others hear of it."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What the one who asked hears; not shown by `repr`, so that no log of errors has it."""

    to: str
    subject: str
    treatment: str

    def __repr__(self) -> str:
        return f"<answer to {self.to} about {self.subject}>"

    @property
    def text(self) -> str:
        """As it is shown, or spoken."""
        return f"Subject {self.subject}: {self.treatment}"


def order_code_break(
    matrix: Matrix,
    request: BreakRequest,
    *,
    site: str | None,
    phase: str,
    register: Iterable[CodeBreak] = (),
) -> CodeBreak:
    """Judge a request; what comes back may be logged, told of and answered.

    Parameters
    ----------
    matrix : Matrix
    request : BreakRequest
    site : str or None
        Of the subject; None if there is no such subject, or nobody was allocated under this number.
    phase : str
    register : iterable of CodeBreak
        Earlier ones.

    Returns
    -------
    CodeBreak
        The earlier one, if this request was judged before.

    Raises
    ------
    ConductError
        The identity is not proven, the role may not, the subject is another site's or does not exist (in
        the same words), the explanation or impact is missing, or the request was used for something else.
    """
    _require_identity(request)
    target = Target(site or "")
    allowed = decide(matrix, request.actor, "break_code", "code_breaks.answer", phase, target).is_allowed
    if site is None or not allowed:
        raise ConductError("no code can be broken for this subject by you", where="subject")
    earlier = next((b for b in register if b.request.request == request.request), None)
    if earlier is not None:
        return _same_again(earlier, request)
    _require_words(request)
    return CodeBreak(request, site)


def _same_again(earlier: CodeBreak, request: BreakRequest) -> CodeBreak:
    before = earlier.request
    if (before.actor.person, before.subject, before.reason) != (
        request.actor.person,
        request.subject,
        request.reason,
    ):
        raise ConductError(
            "this request was used for something else",
            where="request",
            found=request.request,
            try_="a new one",
        )
    return earlier


def _require_identity(request: BreakRequest) -> None:
    proof = request.identified
    age = request.at - proof.at
    if (
        proof.person != request.actor.person
        or len(proof.factors) < 2
        or not timedelta(0) <= age <= IDENTITY_VALID_FOR
    ):
        raise ConductError(
            "who asks is not proven",
            where="identity",
            expected=f"two factors of the one who asks, not older than {IDENTITY_VALID_FOR}",
            try_="identify again",
        )


def _require_words(request: BreakRequest) -> None:
    if sum(letter.isalpha() for letter in request.explanation) < _LEAST_LETTERS:
        raise ConductError(
            "a code is broken for a reason in words",
            where="explanation",
            found=request.explanation,
            expected="what is wrong with the patient, in a word or two",
        )
    if request.impact is None and not request.reason.is_planned:
        raise ConductError(
            "an unplanned code break says what it does to blinding",
            where="impact",
            found="nothing",
            expected="; ".join(impact.value for impact in Impact),
        )


def draft_of(broken: CodeBreak, *, zone: str, protocol: str) -> Draft:
    """The entry of the log, to be written before anything is answered."""
    asked = broken.request
    return Draft(
        who=asked.actor.person,
        role=asked.actor.role,
        at=asked.at,
        zone=zone,
        action="break_code",
        about=f"subject/{asked.subject}",
        reason_code=asked.reason.name.lower(),
        reason=asked.explanation,
        protocol=protocol,
        request=asked.request,
    )


NOTIFIED = ("sponsor", "medical_monitor", "safety_officer")


def notices_of(broken: CodeBreak) -> tuple[Notice, ...]:
    """What others hear: who, when, why, and which impact; made before the arm is known to anybody.

    The explanation is not in it: its writer may know, or guess, more than its readers may.
    """
    asked = broken.request
    impact = asked.impact.value if asked.impact is not None else "planned"
    text = (
        f"Code broken for subject {asked.subject}, site {broken.site}, by {asked.actor.person} "
        f"({asked.actor.role}, {asked.channel.value}) at {asked.at:%Y-%m-%d %H:%M} UTC.  "
        f"Reason: {asked.reason.value}.  Impact: {impact}."
    )
    return tuple(Notice(role, text) for role in NOTIFIED)


def answer_code_break(
    broken: CodeBreak, entry: Entry, *, ask_vault: Callable[[str], str], at: datetime
) -> tuple[Answer, CodeBreak]:
    """Ask the vault, once the request stands in the log.

    Parameters
    ----------
    broken : CodeBreak
    entry : Entry
        Of this very request, stored.
    ask_vault : callable
        Subject to treatment; called once, for one subject.
    at : datetime
        When the answer is given.

    Returns
    -------
    answer : Answer
    broken : CodeBreak
        With the time of the answer, for the register.

    Raises
    ------
    ConductError
        The entry is not this request's.
    """
    asked = broken.request
    content = entry.content
    told = (content["request"], content["who"], content["about"], content["action"])
    if told != (asked.request, asked.actor.person, f"subject/{asked.subject}", "break_code"):
        raise ConductError(
            "a code break is answered once it is logged",
            where=f"entry {entry.number}",
            found=f"the entry of request {content['request']}",
            expected=asked.request,
        )
    answer = Answer(asked.actor.person, asked.subject, ask_vault(asked.subject))
    first = broken.answered_at or at
    return answer, CodeBreak(asked, broken.site, first, broken.assessed_by, broken.assessment)


def assess_impact(
    matrix: Matrix, broken: CodeBreak, actor: Actor, assessment: str, *, phase: str
) -> CodeBreak:
    """Close an unplanned code break by somebody else's judgment of what it did to blinding.

    Raises
    ------
    ConductError
        The role may not, the person broke the code themselves, or nothing is said.
    """
    allowed = decide(matrix, actor, "record", "code_breaks.register", phase, Target(broken.site)).is_allowed
    if not allowed or actor.person == broken.request.actor.person:
        raise ConductError("an impact is assessed by the medical monitor, who did not break the code")
    if not assessment.strip() or broken.assessment:
        raise ConductError(
            "an impact is assessed once, in words", where="assessment", found=broken.assessment or "nothing"
        )
    return CodeBreak(broken.request, broken.site, broken.answered_at, actor.person, assessment)


def may_still_judge(register: Iterable[CodeBreak], person: str, subject: str) -> bool:
    """Whether somebody may still assess or adjudicate a subject: not if they learned the arm."""
    return not any(
        b.answered_at is not None and (b.request.actor.person, b.request.subject) == (person, subject)
        for b in register
    )


def unusual_pattern(
    register: Iterable[CodeBreak], now: datetime, *, most: int = 3, within: timedelta = timedelta(days=30)
) -> tuple[tuple[str, int], ...]:
    """Persons, and sites, with more code breaks than usual: to be looked into, not refused.

    An emergency is never refused for being the fourth.
    """
    counts: dict[str, int] = {}
    for broken in register:
        if timedelta(0) <= now - broken.request.at <= within:
            for key in (f"person {broken.request.actor.person}", f"site {broken.site}"):
                counts[key] = counts.get(key, 0) + 1
    return tuple(sorted((key, n) for key, n in counts.items() if n > most))
