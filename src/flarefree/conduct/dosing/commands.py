"""What may be asked of a patient's dose.  A command names no drug or placebo, and no arm."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

__all__ = ["Command", "End", "Interrupt", "Resume", "SetStep", "Start", "StepReason", "Titrate", "Weigh"]


class StepReason(StrEnum):
    """Why a step is changed; a closed list."""

    INTOLERANCE = "the target is not tolerated"
    ADVERSE_EVENT = "adverse event"
    LABORATORY = "laboratory finding"
    LOW_WEIGHT = "low weight"
    RECOVERED = "recovered"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Start:
    """The first dose, on this study day; on a lower step only for low weight."""

    request: str
    day: int
    weight_kg: Fraction
    step: int = 0


@dataclass(frozen=True, slots=True)
class Weigh:
    """A new weight: doses by weight follow it from this day on."""

    request: str
    day: int
    weight_kg: Fraction


@dataclass(frozen=True, slots=True)
class SetStep:
    """Cut the dose to a step, or raise it by one step; all products together."""

    request: str
    day: int
    step: int
    reason: StepReason


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Go below the minimum, or stop, from this day on: `temporary` counts the plan's temporary steps."""

    request: str
    day: int
    temporary: int
    reason: StepReason


@dataclass(frozen=True, slots=True)
class Resume:
    """Take the minimum or more again from this day on.

    After a longer interruption than the protocol allows the medical monitor's approval is named in
    `approved_by`, and the departure is kept.
    """

    request: str
    day: int
    step: int
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class Titrate:
    """Follow a trough as it was shown: one tablet of the smallest strength more or less a day."""

    request: str
    day: int
    by: int


@dataclass(frozen=True, slots=True)
class End:
    """Study drug ends: this day is the first without it."""

    request: str
    day: int


Command = Start | Weigh | SetStep | Interrupt | Resume | Titrate | End
