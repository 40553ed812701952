"""Doses of a double-dummy trial: one command changes a drug and its look-alike placebo together.

Takes the protocol's plan of products, a patient's state and a command; gives the next state and the
instruction.  Nothing here knows an arm: every patient takes every product.  Begin reading at `plan.py`,
then `states.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from flarefree.conduct.dosing.plan import DosePlan, dose_plan
    from flarefree.conduct.dosing.states import Clock, DoseState, clock_of, next_state

__all__ = [
    "Clock",
    "Command",
    "DosePlan",
    "DoseState",
    "End",
    "Instruction",
    "Interrupt",
    "Resume",
    "SetStep",
    "Start",
    "StepReason",
    "Titrate",
    "Weigh",
    "clock_of",
    "dose_plan",
    "instruct",
    "next_state",
]

_HOME = {
    "commands": (
        "Command",
        "End",
        "Interrupt",
        "Resume",
        "SetStep",
        "Start",
        "StepReason",
        "Titrate",
        "Weigh",
    ),
    "instructions": ("Instruction", "instruct"),
    "plan": ("DosePlan", "dose_plan"),
    "states": ("Clock", "DoseState", "clock_of", "next_state"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        return getattr(import_module(f"flarefree.conduct.dosing.{_MODULE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
