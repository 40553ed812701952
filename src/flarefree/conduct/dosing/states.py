"""A patient's dose as it stands, and how a command changes it; the clock of interruptions.

A state is the fold of its commands, so that it can be rebuilt from the log and nothing in it was set by
hand.  What the rules refuse changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from flarefree.conduct.dosing.commands import (
    Command,
    End,
    Interrupt,
    Resume,
    SetStep,
    Start,
    StepReason,
    Titrate,
    Weigh,
)
from flarefree.conduct.dosing.plan import DosePlan, PlannedProduct
from flarefree.errors import ConductError

__all__ = ["Clock", "DoseState", "clock_of", "next_state"]

POSSIBLE_KG = (Fraction(10), Fraction(350))


@dataclass(frozen=True, slots=True)
class DoseState:
    """Where a patient's dose stands.

    Attributes
    ----------
    log : tuple of Command
        All that led here, in order.
    weight_kg : Fraction or None
        None before the first dose.
    step : int
        Of the plan's steps; during an interruption the one that it left.
    temporary : int or None
        Of the plan's temporary steps; None if the dose is a lasting one.
    interrupted_on : int or None
        First study day below the minimum.
    raised_on : int or None
        Study day of the last step upwards.
    offset : int
        Smallest tablets a day that titration added or took away.
    ended_on : int or None
        First study day without study drug.
    departures : tuple of str
        Interruptions that lasted too long and were resumed with approval.
    """

    log: tuple[Command, ...] = ()
    weight_kg: Fraction | None = None
    step: int = 0
    temporary: int | None = None
    interrupted_on: int | None = None
    raised_on: int | None = None
    offset: int = 0
    ended_on: int | None = None
    departures: tuple[str, ...] = ()

    @property
    def day(self) -> int | None:
        """The study day of the last command."""
        return self.log[-1].day if self.log else None

    def daily_units(self, plan: DosePlan, product: PlannedProduct, day: int) -> int:
        """Smallest tablets of a product on a study day, if nothing changes until then."""
        stage = product.stage_on(day)
        if stage is None or self.weight_kg is None or (self.ended_on is not None and day >= self.ended_on):
            return 0
        is_lasting = self.temporary is None
        share = plan.steps[self.step] if self.temporary is None else plan.temporary_steps[self.temporary]
        offset = self.offset if product.drug == plan.titrated else 0
        return product.units(stage, self.weight_kg, share, offset, is_lasting)


@dataclass(frozen=True, slots=True)
class Clock:
    """How long a patient has been below the minimum.

    Attributes
    ----------
    days : int
        With both ends; the first day below it is day 1.
    last_allowed_day : int or None
        The study day until which it may go on; None without a limit.
    """

    days: int
    last_allowed_day: int | None
    is_exceeded: bool


def clock_of(plan: DosePlan, state: DoseState, day: int) -> Clock | None:
    """The clock on a study day; None where there is no interruption.

    Day 14 of 14 is allowed; from day 15 on `is_exceeded`.
    """
    if state.interrupted_on is None or day < state.interrupted_on or state.ended_on is not None:
        return None
    longest = plan.longest_interruption
    days = day - state.interrupted_on + 1
    last = None if longest is None else state.interrupted_on + longest - 1
    return Clock(days, last, longest is not None and days > longest)


def next_state(plan: DosePlan, state: DoseState, command: Command) -> DoseState:
    """The state after a command; the same state for a command that it holds already.

    Raises
    ------
    ConductError
        The command is before the last one, before the first dose, after the end, or against the rules;
        or its request was used for something else.
    """
    for earlier in state.log:
        if earlier.request == command.request:
            if earlier == command:
                return state
            raise ConductError(
                "this request was used for something else",
                where="request",
                found=command.request,
                try_="a new one",
            )
    _require_order(state, command)
    match command:
        case Start():
            after = _started(plan, state, command)
        case Weigh():
            after = replace(state, weight_kg=_possible(command.weight_kg))
        case SetStep():
            after = _stepped(plan, state, command)
        case Interrupt():
            after = _interrupted(plan, state, command)
        case Resume():
            after = _resumed(plan, state, command)
        case Titrate():
            after = _titrated(plan, state, command)
        case End():
            after = replace(state, ended_on=command.day, temporary=None, interrupted_on=None)
    return replace(after, log=(*state.log, command))


def _require_order(state: DoseState, command: Command) -> None:
    if command.day < 1:
        raise ConductError(
            "study drug is dosed from day 1", where="day", found=str(command.day), expected="1 or later"
        )
    if isinstance(command, Start) == bool(state.log):
        what = "this patient has begun already" if state.log else "this patient has had no first dose"
        raise ConductError(what, where="command", found=type(command).__name__)
    if state.ended_on is not None:
        raise ConductError(
            "study drug has ended",
            where="command",
            found=f"on day {state.ended_on}",
            expected="no more doses",
        )
    if state.day is not None and command.day < state.day:
        raise ConductError(
            "a dose is not changed in the past",
            where="day",
            found=f"day {command.day}, after a change on day {state.day}",
            expected=f"day {state.day} or later",
        )


def _started(plan: DosePlan, state: DoseState, command: Start) -> DoseState:
    weight = _possible(command.weight_kg)
    _require_step(plan, command.step)
    if command.step and (plan.low_weight_kg is None or weight >= plan.low_weight_kg):
        raise ConductError(
            "a first dose below the target is for low weight",
            where="step",
            found=f"step {command.step} at {float(weight):g} kg",
            expected="step 0"
            + (f", or under {float(plan.low_weight_kg):g} kg" if plan.low_weight_kg is not None else ""),
        )
    return replace(state, weight_kg=weight, step=command.step)


def _possible(weight: Fraction) -> Fraction:
    low, high = POSSIBLE_KG
    if not low <= weight <= high:
        raise ConductError(
            "this weight cannot be",
            where="weight_kg",
            found=f"{float(weight):g}",
            expected=f"{low} to {high} kg",
            try_="look whether it is in pounds",
        )
    return weight


def _require_step(plan: DosePlan, step: int) -> None:
    if not 0 <= step < len(plan.steps):
        raise ConductError(
            "there is no such step", where="step", found=str(step), expected=f"0 to {len(plan.steps) - 1}"
        )


def _stepped(plan: DosePlan, state: DoseState, command: SetStep) -> DoseState:
    _require_step(plan, command.step)
    if state.temporary is not None:
        raise ConductError(
            "the dose is interrupted", where="step", found=f"since day {state.interrupted_on}", try_="resume"
        )
    if command.step == state.step:
        raise ConductError("this is the step already", where="step", found=str(command.step))
    if command.reason is StepReason.LOW_WEIGHT:
        _require_low_weight(plan, state)
    if command.step > state.step:
        return replace(state, step=command.step)
    _require_climb(plan, state, command.step, command.day)
    return replace(state, step=command.step, raised_on=command.day)


def _require_low_weight(plan: DosePlan, state: DoseState) -> None:
    limit, weight = plan.low_weight_kg, state.weight_kg
    if limit is None or weight is None or weight >= limit:
        found = "unknown" if weight is None else f"{float(weight):g} kg"
        expected = "a trial with a rule for low weight" if limit is None else f"under {float(limit):g} kg"
        raise ConductError("this weight is not low", where="reason", found=found, expected=expected)


def _require_climb(plan: DosePlan, state: DoseState, step: int, day: int) -> None:
    if state.step - step > 1:
        raise ConductError(
            "a dose is raised one step at a time",
            where="step",
            found=f"from step {state.step} to {step}",
            expected=f"step {state.step - 1}",
        )
    if state.raised_on is not None and day - state.raised_on < plan.escalate_after:
        raise ConductError(
            "the last step upwards is too recent",
            where="day",
            found=f"day {day}, {day - state.raised_on} days after it",
            expected=f"day {state.raised_on + plan.escalate_after} or later",
        )


def _interrupted(plan: DosePlan, state: DoseState, command: Interrupt) -> DoseState:
    if not 0 <= command.temporary < len(plan.temporary_steps):
        last = len(plan.temporary_steps) - 1
        raise ConductError(
            "there is no such temporary step",
            where="temporary",
            found=str(command.temporary),
            expected=f"0 to {last}",
        )
    if command.temporary == state.temporary:
        raise ConductError(
            "this is the temporary step already", where="temporary", found=str(state.temporary)
        )
    since = command.day if state.interrupted_on is None else state.interrupted_on
    # From a quarter of the dose to none, and back, is one interruption: its clock runs on.
    return replace(state, temporary=command.temporary, interrupted_on=since)


def _resumed(plan: DosePlan, state: DoseState, command: Resume) -> DoseState:
    _require_step(plan, command.step)
    if state.interrupted_on is None:
        raise ConductError("nothing is interrupted", where="command", found="Resume")
    if command.step < state.step:
        raise ConductError(
            "a dose is resumed on the step it left, or a lower one",
            where="step",
            found=str(command.step),
            expected=f"step {state.step} or lower doses",
            try_="resume, and raise it by a step later",
        )
    days, longest = command.day - state.interrupted_on, plan.longest_interruption
    departures = state.departures
    if longest is not None and days > longest:
        if not command.approved_by.strip():
            raise ConductError(
                "the interruption was too long",
                where="day",
                found=f"{days} days below the minimum",
                expected=f"at most {longest}",
                try_="end the study drug, or name the medical monitor's approval",
            )
        departures = (*departures, f"{days} days below the minimum, to day {command.day - 1}")
    return replace(state, step=command.step, temporary=None, interrupted_on=None, departures=departures)


def _titrated(plan: DosePlan, state: DoseState, command: Titrate) -> DoseState:
    product = next((p for p in plan.products if p.drug == plan.titrated), None)
    if product is None:
        raise ConductError("no product of this trial follows a trough", where="command", found="Titrate")
    if command.by not in (-1, 1):
        raise ConductError("one tablet at a time", where="by", found=str(command.by), expected="-1 or 1")
    if state.temporary is not None:
        raise ConductError("the dose is interrupted", where="command", found="Titrate", try_="resume")
    after = replace(state, offset=state.offset + command.by)
    before_units = state.daily_units(plan, product, command.day)
    if after.daily_units(plan, product, command.day) == before_units:
        end = "highest" if command.by > 0 else "lowest"
        raise ConductError(
            f"the dose is the {end} already",
            where="by",
            found=f"{before_units} of the smallest tablets a day",
        )
    return after
