"""Where a patient's dose stands: the fold of the commands in the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from flarefree.conduct import dosing
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial

__all__ = ["doses_of", "plan_in_force", "state_of", "states_of"]


def plan_in_force(at: datetime) -> dosing.DosePlan:
    """The protocol's products; none of it knows an arm.

    Raises
    ------
    DesignError
        The protocol has no products of a double dummy.
    """
    return _plan_of(running_trial().standing(at).protocol_digest)


@lru_cache(maxsize=8)
def _plan_of(digest: str) -> dosing.DosePlan:
    return dosing.dose_plan(running_trial().protocol_of(digest).spec)


def doses_of(subject: str) -> tuple[Item, ...]:
    """A patient's commands, as the record has them, in their order."""
    return tuple(item for item in read_things("dose", subject=subject) if item["what"] is not None)


def state_of(subject: str) -> dosing.DoseState:
    """A patient's dose now: each command was checked when it was given, and is replayed as it stands."""
    states = [state for _, _, state in states_of(doses_of(subject))]
    return states[-1] if states else dosing.DoseState()


def states_of(items: Iterable[Item]) -> Iterator[tuple[Item, dosing.DosePlan, dosing.DoseState]]:
    """A patient's commands in their order, each with the dose that it led to."""
    state, plan = dosing.DoseState(), None
    for item in items:
        # The plan that the command was given under is that of its day; states hold no dose, only steps.
        plan = plan or _plan_of(running_trial().protocol_digest)
        state = dosing.next_state(plan, state, _command_of(item))
        yield item, plan, state


def _command_of(item: Item) -> dosing.Command:
    return _MAKERS[str(item["what"])](item)


def _told(item: Item, *names: str) -> dict[str, Any]:
    found: dict[str, Any] = {"request": str(item["request"]), "day": item["day"]}
    for name in names:
        value: Any = item[name]
        if name == "weight_kg":
            value = Fraction(str(value))
        elif name == "reason":
            value = dosing.StepReason[str(value)]
        elif name == "approved_by":
            value = str(value or "")
        found[name] = value
    return found


_MAKERS: Mapping[str, Callable[[Item], dosing.Command]] = MappingProxyType(
    {
        "Start": lambda item: dosing.Start(**_told(item, "weight_kg", "step")),
        "Weigh": lambda item: dosing.Weigh(**_told(item, "weight_kg")),
        "SetStep": lambda item: dosing.SetStep(**_told(item, "step", "reason")),
        "Interrupt": lambda item: dosing.Interrupt(**_told(item, "temporary", "reason")),
        "Resume": lambda item: dosing.Resume(**_told(item, "step", "approved_by")),
        "Titrate": lambda item: dosing.Titrate(**_told(item, "by")),
        "End": lambda item: dosing.End(**_told(item)),
    }
)
