"""B7: doses of a double dummy do not depend on the arm, are never below the minimum, and keep their days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any

from flarefree.conduct.checks.blinded_trial import alms_spec, blinded_multitarget, swapped_arms
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import that_is, that_refuses
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
from flarefree.conduct.dosing.instructions import Instruction, instruct
from flarefree.conduct.dosing.plan import DosePlan, PlannedProduct, dose_plan
from flarefree.conduct.dosing.states import DoseState, clock_of, next_state
from flarefree.errors import ConductError
from flarefree.protocol.schema import Protocol, Regimen

__all__ = ["CHECKS"]

WEIGHTS = tuple(map(Fraction, ("24.5", "49.9", "50", "62.5", "118")))
DAYS = 20  # of an instruction: longer than an interruption, across the taper of day 184


def b7(quick: bool) -> Iterator[Evidence]:
    """Every reachable state to some depth, in the trial and in the trial with its arms exchanged."""
    for name, spec in (("ALMS", alms_spec()), ("blinded multitarget", blinded_multitarget())):
        yield from _same_in_each_arm(name, spec, 3, WEIGHTS[::2] if quick else WEIGHTS)
    yield from _minimum_by_hand()
    yield from _clock()
    yield from _taper()
    yield from _refusals()
    yield from _types()


def _same_in_each_arm(
    name: str, spec: Protocol, depth: int, weights: tuple[Fraction, ...]
) -> Iterator[Evidence]:
    plan, other = dose_plan(spec), dose_plan(swapped_arms(spec))
    states = different = below = alone = unlike = 0
    refused = refusals_differ = 0
    reached = {DoseState(): DoseState()}
    known: set[DoseState] = set()
    for _ in range(depth):
        following: dict[DoseState, DoseState] = {}
        for state, twin in reached.items():
            for command in _commands(plan, state, weights):
                one, two = _try(plan, state, command), _try(other, twin, command)
                if isinstance(one, str) or isinstance(two, str):
                    refused += 1
                    refusals_differ += one != two
                elif (stands := _standing(one)) not in known:
                    known.add(stands)
                    following[one] = two
        for state, twin in following.items():
            states += 1
            told, told_twin = _told(plan, state), _told(other, twin)
            different += str(told) != str(told_twin)
            if isinstance(told, Instruction):
                alone += not _has_every_product(plan, told)
                below += _is_below(plan, state, told)
                unlike += _is_not_as_computed(plan, state, told)
        reached = following
    yield Evidence(
        f"{name}: {states} states: instructions that differ with arms exchanged", 0, different, different == 0
    )
    differ = refusals_differ
    yield Evidence(f"{name}: {refused} refusals that differ with arms exchanged", 0, differ, differ == 0)
    yield Evidence(f"{name}: instructions that leave a product out", 0, alone, alone == 0)
    yield Evidence(f"{name}: lasting doses below the minimum", 0, below, below == 0)
    yield Evidence(f"{name}: doses that a second computation has otherwise", 0, unlike, unlike == 0)
    yield Evidence(f"{name}: states were reached", "more than 200", states, states > 200)


def _standing(state: DoseState) -> DoseState:
    """The state by all that later doses can depend on: of its log, the last command's day."""
    return replace(state, log=(End("", state.day or 0),))


def _commands(plan: DosePlan, state: DoseState, weights: tuple[Fraction, ...]) -> Iterator[Command]:
    request = f"request {len(state.log)}"
    if not state.log:
        yield from (Start(request, 1, weight, step) for weight in weights for step in range(len(plan.steps)))
        return
    assert state.day is not None
    yield from (SetStep(request, state.day, step, StepReason.LOW_WEIGHT) for step in range(len(plan.steps)))
    for day in (state.day + 14, state.day + 15, 177):
        yield from (SetStep(request, day, step, StepReason.OTHER) for step in range(len(plan.steps)))
        for temporary in range(len(plan.temporary_steps)):
            yield Interrupt(request, day, temporary, StepReason.LABORATORY)
        yield from (Resume(request, day, step) for step in range(len(plan.steps)))
        yield Resume(request, day, state.step, approved_by="monitor")
        yield from (Titrate(request, day, by) for by in (-1, 1))
        yield Weigh(request, day, Fraction("41.5"))
        yield End(request, day)


def _try(plan: DosePlan, state: DoseState, command: Command) -> Any:
    try:
        return next_state(plan, state, command)
    except ConductError as refusal:
        return str(refusal)


def _told(plan: DosePlan, state: DoseState) -> Instruction | str:
    assert state.day is not None
    clock = clock_of(plan, state, state.day)
    last = state.day + DAYS
    if clock is not None and clock.last_allowed_day is not None:
        last = max(state.day, clock.last_allowed_day)
    try:
        return instruct(plan, state, state.day, last)
    except ConductError as refusal:
        return str(refusal)


def _has_every_product(plan: DosePlan, told: Instruction) -> bool:
    labels = {product.label for product in plan.products}
    return all({intake.product for intake in segment.intakes} == labels for segment in told.segments)


def _mg_by_day(plan: DosePlan, told: Instruction) -> Iterator[tuple[PlannedProduct, int, Fraction]]:
    """Milligrams as the tablets of the instruction add up, by product, at both ends of a segment."""
    for segment in told.segments:
        for product in plan.products:
            taken = [intake for intake in segment.intakes if intake.product == product.label]
            total = sum((mg * n for intake in taken for mg, n in intake.tablets), Fraction(0))
            for day in sorted({segment.first_day, segment.last_day}):
                yield product, day, total


def _is_below(plan: DosePlan, state: DoseState, told: Instruction) -> bool:
    if state.temporary is not None or state.ended_on is not None:
        return False
    stages = ((product.stage_on(day), mg) for product, day, mg in _mg_by_day(plan, told))
    return any(stage is not None and mg < stage.minimum_mg for stage, mg in stages)


def _is_not_as_computed(plan: DosePlan, state: DoseState, told: Instruction) -> bool:
    """Whether a dose is another than the nearest one possible, found by trying every number of tablets."""
    if state.ended_on is not None:
        return any(mg for _, _, mg in _mg_by_day(plan, told))
    lasting = state.temporary is None
    share = plan.steps[state.step] if state.temporary is None else plan.temporary_steps[state.temporary]
    assert state.weight_kg is not None
    for product, day, mg in _mg_by_day(plan, told):
        stage = product.stage_on(day)
        if stage is None:
            if mg:
                return True
            continue
        target = stage.target.mg * (state.weight_kg if stage.target.is_per_kg else 1) * share
        unit = product.strengths_mg[-1]
        nearest = _nearest(target, unit)
        if product.drug == plan.titrated and share:
            nearest = max(Fraction(0), nearest + state.offset * unit)
        if product.highest_mg is not None:
            nearest = min(nearest, product.highest_mg // unit * unit)
        least = _least(stage.minimum_mg, unit)
        if mg != (max(nearest, least) if lasting else nearest):
            return True
    return False


@cache
def _nearest(target: Fraction, unit: Fraction) -> Fraction:
    return min((n * unit for n in range(400)), key=lambda dose: (abs(dose - target), dose))


@cache
def _least(minimum: Fraction, unit: Fraction) -> Fraction:
    return next(n * unit for n in range(400) if n * unit >= minimum)


def _minimum_by_hand() -> Iterator[Evidence]:
    """Doses of ALMS at some weights, worked by hand: mycophenolate by 500 mg, azathioprine by 25 mg."""
    plan = dose_plan(alms_spec())
    table = {
        ("62", 0): (2000, 125),  # 124 mg is 4.96 tablets
        ("62", 1): (1500, 100),  # 93 mg is 3.72
        ("62", 2): (1000, 50),  # 62 mg is 2.48
        ("24", 2): (1000, 50),  # 24 mg is one tablet, below the minimum
        ("118", 0): (2000, 200),  # 236 mg is above the highest
        ("56.25", 0): (2000, 100),  # 112.5 mg is half-way: the lower
    }
    for (weight, step), expected in table.items():
        state = next_state(plan, DoseState(), Start("a", 1, Fraction(weight)))
        if step:
            state = next_state(plan, state, SetStep("b", 2, step, StepReason.INTOLERANCE))
        day = state.day or 1
        found = tuple(int(mg) for _, _, mg in _mg_by_day(plan, instruct(plan, state, day, day)))
        yield that_is(f"{weight} kg at step {step}, mg of M and A", str(expected), str(found))
    low = Start("a", 1, Fraction("49.9"), step=2)
    yield that_is("49.9 kg may begin at the lowest step", 2, next_state(plan, DoseState(), low).step)
    heavy = Start("a", 1, Fraction(50), step=2)
    yield that_refuses("50.0 kg may not", lambda: next_state(plan, DoseState(), heavy))


def _clock() -> Iterator[Evidence]:
    plan = dose_plan(alms_spec())
    begun = next_state(plan, DoseState(), Start("a", 1, Fraction(60)))
    paused = next_state(plan, begun, Interrupt("b", 100, 1, StepReason.ADVERSE_EVENT))
    for day, exceeded in ((113, False), (114, True)):
        clock = clock_of(plan, paused, day)
        found = None if clock is None else clock.is_exceeded
        yield that_is(f"day {day - 99} of an interruption is one too many", exceeded, bool(found))
    yield that_is("it may be told to day 14", 113, instruct(plan, paused, 100, 113).segments[-1].last_day)
    yield that_refuses("day 15 cannot be told", lambda: instruct(plan, paused, 100, 114))
    resumed = next_state(plan, paused, Resume("c", 114, 0))
    yield that_is("after 14 days without: resumed, no departure", 0, len(resumed.departures))
    yield that_refuses("after 15: refused", lambda: next_state(plan, paused, Resume("c", 115, 0)))
    approved = next_state(plan, paused, Resume("c", 115, 0, approved_by="medical monitor"))
    yield that_is("with approval: resumed, a departure", 1, len(approved.departures))
    less = next_state(plan, begun, Interrupt("b", 100, 0, StepReason.ADVERSE_EVENT))
    none = next_state(plan, less, Interrupt("c", 110, 1, StepReason.ADVERSE_EVENT))
    clock = clock_of(plan, none, 114)
    yield that_is("a quarter, then none: one clock", True, clock is not None and clock.is_exceeded)
    again = next_state(plan, resumed, Interrupt("d", 115, 1, StepReason.OTHER))
    clock = clock_of(plan, again, 115)
    yield that_is("a new interruption begins at 1", 1, 0 if clock is None else clock.days)


def _taper() -> Iterator[Evidence]:
    """Mycophenolate 0.75 to 0.5 g, tacrolimus 3 to 2 mg, both on day 184 and in every arm."""
    plan = dose_plan(blinded_multitarget())
    state = next_state(plan, DoseState(), Start("a", 1, Fraction(60)))
    told = instruct(plan, state, 170, 200)
    days = [(segment.first_day, segment.last_day) for segment in told.segments]
    yield that_is("segments across the taper", "[(170, 183), (184, 200)]", str(days))
    doses = {(p.drug, day): float(mg) for p, day, mg in _mg_by_day(plan, told)}
    for drug, before, after in (("mycophenolate mofetil", 750, 500), ("tacrolimus", 3, 2)):
        yield that_is(f"{drug} on day 183, mg", float(before), doses[drug, 183])
        yield that_is(f"{drug} on day 184, mg", float(after), doses[drug, 184])
    last = instruct(plan, state, 548, 549)
    ends = {(p.drug, day): float(mg) for p, day, mg in _mg_by_day(plan, last)}
    yield that_is("tacrolimus on day 548, the last, and on 549, mg", "2.0, 0.0", _two(ends, "tacrolimus"))


def _two(doses: dict[tuple[str, int], float], drug: str) -> str:
    return f"{doses[drug, 548]}, {doses[drug, 549]}"


def _refusals() -> Iterator[Evidence]:
    plan = dose_plan(alms_spec())
    begun = next_state(plan, DoseState(), Start("a", 10, Fraction(60)))
    cut = next_state(plan, begun, SetStep("b", 12, 2, StepReason.INTOLERANCE))
    ended = next_state(plan, cut, End("c", 20))
    ways: dict[str, tuple[DoseState, Command]] = {
        "a change before the first dose": (DoseState(), SetStep("x", 1, 1, StepReason.OTHER)),
        "a second first dose": (begun, Start("x", 11, Fraction(60))),
        "a change in the past": (cut, SetStep("x", 11, 1, StepReason.RECOVERED)),
        "two steps up at once": (cut, SetStep("x", 13, 0, StepReason.RECOVERED)),
        "a change after the end": (ended, Resume("x", 21, 0)),
        "an id that was used": (cut, SetStep("b", 12, 1, StepReason.INTOLERANCE)),
        "a weight in pounds of a giant": (begun, Weigh("x", 11, Fraction(420))),
        "low weight at 60 kg": (begun, SetStep("x", 11, 1, StepReason.LOW_WEIGHT)),
        "titration without a trough": (begun, Titrate("x", 11, 1)),
        "a step that is not": (begun, SetStep("x", 11, 9, StepReason.OTHER)),
        "day 0": (DoseState(), Start("x", 0, Fraction(60))),
    }
    for what, (state, command) in ways.items():
        yield that_refuses(what, lambda s=state, c=command: next_state(plan, s, c))  # type: ignore[misc]
    same = next_state(plan, cut, SetStep("b", 12, 2, StepReason.INTOLERANCE))
    yield that_is("the same command again: the same state", True, same is cut)
    spec = alms_spec()
    arm = spec.arms["AZA"].model_copy(update={"regimens": spec.arms["AZA"].regimens[:1]})
    half = spec.model_copy(update={"arms": {**spec.arms, "AZA": arm}})
    yield that_refuses("a plan in which an arm lacks a placebo", lambda: dose_plan(half))
    more = spec.arms["MMF"].regimens[0].model_copy(update={"target": "3 g/day"})
    doubled = spec.arms["AZA"].model_copy(update={"regimens": (spec.arms["AZA"].regimens[0], more)})
    two_doses = spec.model_copy(update={"arms": {**spec.arms, "AZA": doubled}})
    yield that_refuses("a plan in which the dose tells the arm", lambda: dose_plan(two_doses))
    third = Regimen(drug="tacrolimus", target="3 mg/day")
    beside = spec.arms["AZA"].model_copy(update={"regimens": (*spec.arms["AZA"].regimens, third)})
    three = spec.model_copy(update={"arms": {**spec.arms, "AZA": beside}})
    yield that_refuses(
        "a plan in which one arm takes a drug that has no look-alike", lambda: dose_plan(three)
    )


def _types() -> Iterator[Evidence]:
    """No type of the dose engine has a place for an arm, and none of its modules reaches allocations."""
    named = []
    reaching = []
    for name in ("commands", "instructions", "plan", "states"):
        module = import_module(f"flarefree.conduct.dosing.{name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.__name__:
                words = {"arm", "allocation", "placebo", "active", "treatment", "is_placebo"}
                named += [f"{thing.__name__}.{f.name}" for f in fields(thing) if f.name in words]
        reaching += [
            k for k, v in vars(module).items() if "randomization" in str(getattr(v, "__module__", ""))
        ]
    yield that_is("fields of its types that could hold an arm", "", ", ".join(named))
    yield that_is("what its modules take from the allocations", "", ", ".join(reaching))


CHECKS = (Check("B7", "Doses are the same in each arm, keep the minimum, the 14 days and the taper", b7),)
