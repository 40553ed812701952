"""What a patient is told to take: every product, tablet by tablet, in words that are the same in each arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from flarefree.conduct.dosing.plan import DosePlan, PlannedProduct
from flarefree.conduct.dosing.states import DoseState, clock_of
from flarefree.errors import ConductError

__all__ = ["Instruction", "Intake", "Segment", "instruct"]

TIMES = {
    1: ("morning",),
    2: ("morning", "evening"),
    3: ("morning", "noon", "evening"),
    4: ("morning", "noon", "evening", "night"),
}


@dataclass(frozen=True, slots=True)
class Intake:
    """What is taken at one time of the day of one product: strength in mg and how many tablets of it."""

    product: str
    time: str
    tablets: tuple[tuple[Fraction, int], ...]

    @property
    def count(self) -> int:
        """Tablets in all."""
        return sum(number for _, number in self.tablets)


@dataclass(frozen=True, slots=True)
class Segment:
    """Days on which the same is taken, both ends counted."""

    first_day: int
    last_day: int
    intakes: tuple[Intake, ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction for a stretch of days; as many segments as the doses of the plan change in it."""

    segments: tuple[Segment, ...]

    def tablets_needed(self) -> dict[tuple[str, Fraction], int]:
        """Tablets for all of its days, by product and strength in mg."""
        needed: dict[tuple[str, Fraction], int] = {}
        for segment in self.segments:
            days = segment.last_day - segment.first_day + 1
            for intake in segment.intakes:
                for strength, number in intake.tablets:
                    key = (intake.product, strength)
                    needed[key] = needed.get(key, 0) + number * days
        return needed

    @property
    def text(self) -> str:
        """As it is printed: for each stretch of days each product, each time of the day."""
        return "\n".join(line for segment in self.segments for line in _lines(segment))


def instruct(plan: DosePlan, state: DoseState, first_day: int, last_day: int) -> Instruction:
    """What to take from one study day to another, both counted.

    Raises
    ------
    ConductError
        There was no first dose, the days lie before the last change, or they go beyond the last day that
        an interruption may have.
    """
    if state.weight_kg is None or state.day is None:
        raise ConductError("this patient has had no first dose", where="state")
    if not state.day <= first_day <= last_day:
        raise ConductError(
            "an instruction is for days from the last change on",
            where="first_day, last_day",
            found=f"{first_day} to {last_day}",
            expected=f"from day {state.day} on, the earlier day first",
        )
    clock = clock_of(plan, state, last_day)
    if clock is not None and clock.is_exceeded:
        raise ConductError(
            "the interruption would be too long",
            where="last_day",
            found=f"day {clock.days} below the minimum",
            expected=f"until study day {clock.last_allowed_day}",
            try_="resume, or end the study drug",
        )
    return Instruction(tuple(_segments(plan, state, first_day, last_day)))


def _segments(plan: DosePlan, state: DoseState, first: int, last: int) -> Iterator[Segment]:
    cuts = plan.boundaries() | ({state.ended_on} if state.ended_on is not None else set())
    begins = sorted({first} | {day for day in cuts if first < day <= last})
    pending: Segment | None = None
    for begin, end in zip(begins, [*(day - 1 for day in begins[1:]), last], strict=True):
        intakes = tuple(
            intake for product in plan.products for intake in _intakes(plan, state, product, begin)
        )
        if pending is not None and pending.intakes == intakes:
            pending = Segment(pending.first_day, end, intakes)
            continue
        if pending is not None:
            yield pending
        pending = Segment(begin, end, intakes)
    if pending is not None:
        yield pending


def _intakes(plan: DosePlan, state: DoseState, product: PlannedProduct, day: int) -> Iterator[Intake]:
    times = TIMES[product.times_per_day]
    least, more = divmod(state.daily_units(plan, product, day), len(times))
    for i, time in enumerate(times):
        # Where tablets do not divide, the earlier intake of the day has one more.
        yield Intake(product.label, time, tuple(_counted(product, least + (i < more))))


def _counted(product: PlannedProduct, units: int) -> Iterator[tuple[Fraction, int]]:
    """The fewest tablets: each strength divides the next larger one."""
    for strength in product.strengths_mg:
        size = strength / product.smallest_mg
        number, units = divmod(units, int(size))
        yield strength, number


def _lines(segment: Segment) -> Iterator[str]:
    yield f"Study days {segment.first_day} to {segment.last_day}"
    for intake in segment.intakes:
        counts = " and ".join(_plural(number, strength, intake) for strength, number in intake.tablets)
        yield f"  {intake.product}, {intake.time}: {counts}"


def _plural(number: int, strength: Fraction, intake: Intake) -> str:
    of = f" of {float(strength):g} mg" if len(intake.tablets) > 1 else ""
    return f"{number or 'no'} tablet{'' if number == 1 else 's'}{of}"
