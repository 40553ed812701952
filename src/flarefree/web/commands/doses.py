"""Doses of the double dummy: what changes them, what the patient is told, what is handed out.

The engine is `flarefree.conduct.dosing`, which knows no arm; a patient's state is the fold of their commands,
kept as things of kind `dose`, and the instruction is made from it anew at each command.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from flarefree.conduct import dosing
from flarefree.errors import ConductError
from flarefree.studytime import study_day
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.doses_standing import doses_of, plan_in_force, state_of
from flarefree.web.commands.parts import (
    Number,
    Reason,
    SubjectKey,
    day_one_of,
    moved_to,
    require_day,
    status_of,
    subject_for,
    writes_of,
)
from flarefree.web.record.reading import Item, read_things

__all__ = [
    "ApproveResumption",
    "DispenseKit",
    "EndDoses",
    "InterruptDoses",
    "ResumeDoses",
    "SetDoseStep",
    "StartDoses",
    "TitrateDose",
    "WeighPatient",
]

_REQUEST, _INSTRUCTION, _DISPENSING = "doses.request", "doses.instruction", "dispensing.record"
_LONGEST = 91
"""Days of an instruction where none are asked for: from one quarterly visit to the next."""

_FARTHEST = timedelta(days=366)
"""A choice of ours: what is told beyond it was mistyped."""

StepReasonName = Literal["INTOLERANCE", "ADVERSE_EVENT", "LABORATORY", "LOW_WEIGHT", "RECOVERED", "OTHER"]


class _Dose(Command):
    """One command to the dose engine, of a date at the site.

    Attributes
    ----------
    subject : str
    on : date
        From this day on.
    until : date, optional
        Last day that the instruction is to cover; three months if not said.
    """

    verb: ClassVar[str] = "record"
    subject: SubjectKey
    on: date
    until: date | None = None

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """As the engine takes it."""
        raise NotImplementedError

    def plan(self, asked: Asked) -> Plan:
        """The command kept, and the instruction that follows from it."""
        subject = subject_for(asked, self.subject, "record", _REQUEST)
        day_one = day_one_of(subject)
        if day_one is None:
            raise ConductError("doses begin after randomization", where=subject.key)
        require_day(asked, subject, self.on, "on")
        if self.until is not None and not self.on <= self.until <= self.on + _FARTHEST:
            raise ConductError(
                "no instruction covers this",
                where="until",
                found=self.until.isoformat(),
                expected=f"from {self.on.isoformat()} to {(self.on + _FARTHEST).isoformat()}",
            )
        day = study_day(self.on, day_one)
        engine, before = plan_in_force(asked.at), state_of(subject.key)
        command = self.told(subject, day, asked.request)
        after = dosing.next_state(engine, before, command)
        number = 1 + len(before.log)
        key = f"{subject.key}.{number}"
        told = {"what": type(command).__name__, "on": self.on.isoformat(), **_plain(command)}
        writes = writes_of("dose", key, _REQUEST, told, subject=subject)
        text = _instruction(engine, after, command, day, day_one, self.until)
        shown: dict[str, Any] = {"text": text, "from": self.on.isoformat(), "number": number}
        writes += writes_of("instruction", key, _INSTRUCTION, shown, subject=subject, is_consequence=True)
        return Plan(subject.name, subject.site, writes=writes, result={"dose": key, "instruction": text})


def _plain(command: dosing.Command) -> dict[str, Any]:
    """A command's values as the log keeps them: exact numbers as text."""
    found: dict[str, Any] = {}
    for name in ("day", "step", "temporary", "by", "request", "approved_by"):
        if hasattr(command, name):
            found[name] = getattr(command, name)
    if hasattr(command, "weight_kg"):
        found["weight_kg"] = str(command.weight_kg)
    if hasattr(command, "reason"):
        found["reason"] = command.reason.name
    return found


def _instruction(
    engine: dosing.DosePlan,
    state: dosing.DoseState,
    command: dosing.Command,
    day: int,
    day_one: date,
    until: date | None,
) -> str:
    if isinstance(command, dosing.End):
        return "Study drug ends: no tablets from this day on."
    last = day + _LONGEST - 1 if until is None else study_day(until, day_one)
    clock = dosing.clock_of(engine, state, day)
    if clock is not None and clock.last_allowed_day is not None and until is None:
        last = min(last, clock.last_allowed_day)
    return dosing.instruct(engine, state, day, last).text


class StartDoses(_Dose):
    """The first dose; on a lower step only for low weight."""

    name: ClassVar[str] = "start_doses"
    weight_kg: Number
    step: Annotated[int, Field(ge=0, le=20)] = 0

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Begins."""
        return dosing.Start(request, day, Fraction(self.weight_kg), self.step)


class WeighPatient(_Dose):
    """A new weight, which doses by weight follow from this day on."""

    name: ClassVar[str] = "weigh_patient"
    weight_kg: Number

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Weighed."""
        return dosing.Weigh(request, day, Fraction(self.weight_kg))


class SetDoseStep(_Dose):
    """Cut the dose to a step, or raise it by one; active drug and placebo together."""

    name: ClassVar[str] = "set_dose_step"
    step: Annotated[int, Field(ge=0, le=20)]
    why: StepReasonName

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Stepped."""
        return dosing.SetStep(request, day, self.step, dosing.StepReason[self.why])


class InterruptDoses(_Dose):
    """Go below the minimum, or stop, for as long as the protocol allows."""

    name: ClassVar[str] = "interrupt_doses"
    temporary: Annotated[int, Field(ge=0, le=20)]
    why: StepReasonName

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Interrupted."""
        return dosing.Interrupt(request, day, self.temporary, dosing.StepReason[self.why])


class ResumeDoses(_Dose):
    """Take the minimum or more again; after too long an interruption with the medical monitor's approval."""

    name: ClassVar[str] = "resume_doses"
    step: Annotated[int, Field(ge=0, le=20)]

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Resumed; an approval counts if it was given during this interruption."""
        return dosing.Resume(request, day, self.step, _approval_of(subject.key))


def _approval_of(subject: str) -> str:
    doses = doses_of(subject)
    since = doses[-1].since if doses else 0
    given = [item for item in read_things("dose_approval", subject=subject) if item.since > since]
    return str(given[-1]["approved_by"]) if given else ""


class TitrateDose(_Dose):
    """Follow a trough as it was shown: one smallest tablet a day more or less."""

    name: ClassVar[str] = "titrate_dose"
    by: Literal[-1, 1]

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Titrated."""
        return dosing.Titrate(request, day, self.by)


class EndDoses(_Dose):
    """Study drug ends: this day is the first without it.  The patient stays in follow-up."""

    name: ClassVar[str] = "end_doses"

    def told(self, subject: Item, day: int, request: str) -> dosing.Command:
        """Ended."""
        return dosing.End(request, day)


class ApproveResumption(Command):
    """The medical monitor lets a patient resume after a longer interruption than the protocol allows."""

    name: ClassVar[str] = "approve_resumption"
    verb: ClassVar[str] = "approve"
    subject: SubjectKey
    reason: Reason

    def plan(self, asked: Asked) -> Plan:
        """For the interruption under way only."""
        subject = subject_for(asked, self.subject, "approve", _REQUEST)
        assert asked.actor is not None
        if state_of(subject.key).interrupted_on is None:
            raise ConductError("nothing is interrupted", where=subject.key)
        key = f"{subject.key}.{1 + len(read_things('dose_approval', subject=subject.key))}"
        told = {"approved_by": asked.actor.person, "why": self.reason}
        writes = writes_of("dose_approval", key, _REQUEST, told, subject=subject)
        return Plan(subject.name, subject.site, writes=writes, reason=self.reason, result={"approval": key})


# Handing out -------------------------------------------------------------------------------------


class DispenseKit(Command):
    """Hand out the patient's own kit.

    Attributes
    ----------
    kit : str
        As read from the box: it must be the code that the patient was allocated.
    dispensed_on : date
    tablets : tuple of int
        How many of each product, in the protocol's order of products.
    reason : str
        Where study drug is resumed after a stop.
    """

    name: ClassVar[str] = "dispense_kit"
    verb: ClassVar[str] = "dispense"
    subject: SubjectKey
    kit: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
    dispensed_on: date
    tablets: Annotated[tuple[Annotated[int, Field(ge=0, le=10_000)], ...], Field(max_length=20)] = ()
    reason: str = ""

    def plan(self, asked: Asked) -> Plan:
        """Another patient's kit is not handed out, whatever is in it."""
        subject = subject_for(asked, self.subject, "dispense", _DISPENSING)
        if subject["kit"] is None or self.kit != subject["kit"]:
            raise ConductError(
                "this kit is not this patient's",
                where="kit",
                found=self.kit,
                expected="the code on the patient's own boxes",
                try_="look at the patient's page; nothing was handed out",
            )
        require_day(asked, subject, self.dispensed_on, "dispensed_on")
        key = f"{subject.key}.{1 + len(read_things('dispensing', subject=subject.key))}"
        told: dict[str, Any] = {"kit": self.kit, "date": self.dispensed_on.isoformat()}
        told |= {f"tablets.{n}": count for n, count in enumerate(self.tablets, 1)}
        writes = writes_of("dispensing", key, _DISPENSING, told, subject=subject)
        writes += self._status(asked, subject)
        need = Need("dispense", _DISPENSING, subject.site)
        return Plan(
            subject.name,
            subject.site,
            writes=writes,
            needs=(need,),
            reason=self.reason or "dispensed",
            result={"dispensing": key},
        )

    def _status(self, asked: Asked, subject: Item) -> tuple[Write, ...]:
        gates = {"kit_is_the_subjects"}
        if status_of(subject) == "randomized":
            return moved_to(asked, subject, "begin_treatment", open_gates=gates)
        if status_of(subject) != "off_treatment":
            return ()
        if not _is_too_long(subject, asked, self.dispensed_on):
            gates.add("interruption_not_too_long")
        return moved_to(asked, subject, "resume_drug", open_gates=gates, reason=self.reason)


def _is_too_long(subject: Item, asked: Asked, on: date) -> bool:
    """Whether study drug has been away for longer than the protocol lets a patient resume after."""
    engine, state, day_one = plan_in_force(asked.at), state_of(subject.key), day_one_of(subject)
    longest = engine.longest_interruption
    if day_one is None or longest is None:
        return False
    stopped = state.ended_on if state.ended_on is not None else state.interrupted_on
    return stopped is not None and study_day(on - timedelta(days=longest), day_one) > stopped
