"""Emergency code breaks: ordered and registered here, answered by the vault, assessed by somebody else.

The order of things is that of `flarefree.conduct.codebreak`: judged, logged, told of, and only then is the
vault asked.  Nothing that is written here holds an arm; the answer is given to who asked and kept nowhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import read_time, time_text
from flarefree.conduct.codebreak import (
    Answer,
    BreakReason,
    BreakRequest,
    Channel,
    CodeBreak,
    Identified,
    Impact,
    assess_impact,
    notices_of,
    order_code_break,
    unusual_pattern,
)
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.executing import execute
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import NOTHING_HERE, Key, SubjectKey, Text, writes_of
from flarefree.web.commands.rights import require_right
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import Item, read_thing, read_things
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = [
    "AssessCodeBreak",
    "NoteIdentification",
    "NoteTold",
    "OrderCodeBreak",
    "hear_answer",
    "register_of",
]

_REGISTER, _ANSWER = "code_breaks.register", "code_breaks.answer"
_HEARD_FOR = timedelta(hours=24)
"""How long who asked may hear the answer again under the same code break; a choice of ours."""

ReasonName = Literal["EMERGENCY", "OVERDOSE", "PREGNANCY", "SAFETY_REPORT"]
ImpactName = Literal["ASKER_ONLY", "TREATING_TEAM", "ASSESSORS"]


class NoteIdentification(Command):
    """That somebody proved who they are by two factors: noted by page or voice line, which checked them."""

    name: ClassVar[str] = "note_identification"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    person: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    factors: Annotated[tuple[Literal["password", "device", "pin", "call_back"], ...], Field(min_length=2)]

    def plan(self, asked: Asked) -> Plan:
        """Who, how, when."""
        key = new_key(asked.request)
        told = {
            "person": self.person,
            "factors": " ".join(sorted(set(self.factors))),
            "at": time_text(asked.at),
        }
        writes = writes_of("identification", key, "accounts.register", told, is_consequence=True)
        return Plan(f"identification/{key}", writes=writes, result={"identification": key})


class OrderCodeBreak(Command):
    """Ask for one patient's treatment in an emergency; once this stands, `hear_answer` tells it.

    Attributes
    ----------
    subject : str
    identification : str
        Key of the note that the asker proved who they are, some moments ago.
    reason : name of a `BreakReason`
    explanation : str
        In words; told to nobody but readers of the log's reasons.
    impact : name of an `Impact`, optional
        Needed unless the reason is planned.
    """

    name: ClassVar[str] = "order_code_break"
    verb: ClassVar[str] = "break_code"
    subject: SubjectKey
    identification: Key
    reason: ReasonName
    explanation: Annotated[Text, Field(min_length=3)]
    impact: ImpactName | None = None

    def plan(self, asked: Asked) -> Plan:
        """An entry of the register, and the notices; no arm is known to anybody yet."""
        assert asked.actor is not None
        trial = running_trial()
        subject = read_thing("subject", self.subject)
        is_randomized = subject is not None and subject["kit"] is not None
        require_right(asked, "break_code", _ANSWER, site=subject.site if subject is not None else "")
        broken = order_code_break(
            trial.matrix,
            self._request(asked, asked.actor),
            site=subject.site if subject is not None and is_randomized else None,
            phase=trial.phase,
        )
        key = new_key(asked.request)
        told = _told(broken, self.identification)
        writes = (
            Write("code_break", key, "subject", _REGISTER, self.subject, is_consequence=True),
            Write("code_break", key, "site", _REGISTER, broken.site, is_consequence=True),
            *writes_of("code_break", key, _REGISTER, told, is_consequence=True),
            *_notices(key, broken),
        )
        return Plan(
            f"subject/{self.subject}",
            broken.site,
            writes=writes,
            needs=(Need("break_code", _ANSWER, broken.site),),
            reason_code=self.reason.lower(),
            reason=self.explanation,
            result={"code_break": key, "subject": self.subject},
        )

    def _request(self, asked: Asked, actor: Actor) -> BreakRequest:
        return BreakRequest(
            request=asked.request,
            actor=actor,
            identified=_identified(self.identification),
            subject=self.subject,
            reason=BreakReason[self.reason],
            explanation=self.explanation,
            impact=None if self.impact is None else Impact[self.impact],
            channel=Channel.VOICE if asked.channel == "voice" else Channel.WEB,
            at=asked.at,
        )


def _identified(key: str) -> Identified:
    thing = read_thing("identification", key)
    if thing is None:
        raise ConductError("who asks is not proven", where="identification", try_="identify again")
    factors = frozenset(str(thing["factors"]).split())
    return Identified(str(thing["person"]), factors, read_time(str(thing["at"])))


def _told(broken: CodeBreak, identification: str) -> dict[str, str | None]:
    asked = broken.request
    return {
        "ordered_by": asked.actor.person,
        "role": asked.actor.role,
        "ordered_at": time_text(asked.at),
        "request": asked.request,
        "reason": asked.reason.name,
        "impact": None if asked.impact is None else asked.impact.name,
        "channel": asked.channel.value,
        "identification": identification,
    }


def _notices(key: str, broken: CodeBreak) -> tuple[Write, ...]:
    return tuple(
        Write("notice", f"{key}.{notice.role}", name, _REGISTER, value, is_consequence=True)
        for notice in notices_of(broken)
        for name, value in {
            "subject": broken.request.subject,
            "site": broken.site,
            "to_role": notice.role,
            "text": notice.text,
            "at": time_text(broken.request.at),
        }.items()
    )


# The answer --------------------------------------------------------------------------------------


class NoteTold(Command):
    """That the answer to a code break is being given now: logged before the vault is asked."""

    name: ClassVar[str] = "note_told"
    verb: ClassVar[str] = "see"
    is_machine: ClassVar[bool] = True
    code_break: Key

    def plan(self, asked: Asked) -> Plan:
        """When it was first answered; each hearing is an entry."""
        thing = read_thing("code_break", self.code_break)
        if thing is None:
            raise ConductError(NOTHING_HERE)
        writes: tuple[Write, ...] = ()
        if thing["answered_at"] is None:
            told = {"answered_at": time_text(asked.at)}
            writes = writes_of("code_break", thing.key, _REGISTER, told, is_consequence=True)
        return Plan(f"code_break/{thing.key}", thing.site, writes=writes, reason_code="answered")


def hear_answer(code_break: str, asked: Asked) -> Answer:
    """The treatment of the one patient, for who ordered the code break and for nobody else.

    Not a command: what commands answer is kept with their entry.  The answer's text is for the page or the
    voice that asked; its `repr` says nothing.

    Raises
    ------
    ConductError
        It is not the asker's own code break, or too old to be heard again.
    """
    thing = read_thing("code_break", code_break)
    if thing is None or asked.actor is None or thing["ordered_by"] != asked.actor.person:
        raise ConductError(NOTHING_HERE)
    # The right is asked for again: it may have been taken since the code was broken (M4).
    require_right(asked, "break_code", _ANSWER, site=thing.site)
    broken = _code_break_of(thing)
    if not timedelta(0) <= asked.at - broken.request.at <= _HEARD_FOR:
        raise ConductError(
            "this answer is not told again", where="code_break", try_="order another code break"
        )
    execute(NoteTold(code_break=code_break), Asked(None, f"told/{asked.request}", asked.at, "machine"))
    entry = LogRow.objects.get(number=thing.facts["ordered_at"].entry).to_entry()
    _ring_if_unusual(asked.at)
    return service.open_code(
        broken, entry, at=asked.at, request=asked.request, protocol=running_trial().protocol_digest
    )


def _code_break_of(thing: Item) -> CodeBreak:
    person, answered = str(thing["ordered_by"]), thing["answered_at"]
    at = read_time(str(thing["ordered_at"]))
    identified = _identified(str(thing["identification"]))
    request = BreakRequest(
        request=str(thing["request"]),
        actor=Actor(person, str(thing["role"]), frozenset({thing.site})),
        identified=identified,
        subject=thing.subject,
        reason=BreakReason[str(thing["reason"])],
        explanation="",
        impact=None if thing["impact"] is None else Impact[str(thing["impact"])],
        channel=Channel(str(thing["channel"])),
        at=at,
    )
    return CodeBreak(
        request,
        thing.site,
        None if answered is None else read_time(str(answered)),
        str(thing["assessed_by"] or ""),
        str(thing["assessment"] or ""),
    )


def register_of(subject: str = "") -> tuple[CodeBreak, ...]:
    """All code breaks, or a subject's, the earliest first."""
    return tuple(_code_break_of(thing) for thing in read_things("code_break", subject=subject))


def _ring_if_unusual(at: datetime) -> None:
    """More code breaks of a person or a site than usual: the unblinded role hears; nobody is refused."""
    digest = running_trial().protocol_digest
    for who, count in unusual_pattern(register_of(), at):
        text = f"{count} code breaks within 30 days: {who}"
        service.ring("code_breaks", text, key=f"code_breaks/{who}/{count}", at=at, protocol=digest)


# Afterwards --------------------------------------------------------------------------------------


class AssessCodeBreak(Command):
    """The medical monitor's judgment of what an unplanned code break did to blinding."""

    name: ClassVar[str] = "assess_code_break"
    verb: ClassVar[str] = "record"
    code_break: Key
    assessment: Annotated[Text, Field(min_length=3)]

    def plan(self, asked: Asked) -> Plan:
        """Assessed once, by another person than broke the code."""
        thing = read_thing("code_break", self.code_break)
        if thing is None or asked.actor is None:
            raise ConductError(NOTHING_HERE)
        require_right(asked, "record", _REGISTER, site=thing.site)
        trial = running_trial()
        judged = assess_impact(
            trial.matrix, _code_break_of(thing), asked.actor, self.assessment, phase=trial.phase
        )
        told = {
            "assessed_by": judged.assessed_by,
            "assessment": judged.assessment,
            "assessed_at": time_text(asked.at),
        }
        writes = writes_of("code_break", thing.key, _REGISTER, told)
        return Plan(f"code_break/{thing.key}", thing.site, writes=writes, result={"code_break": thing.key})
