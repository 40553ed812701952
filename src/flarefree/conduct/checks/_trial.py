"""A small trial for checks of allocation: plan, lists, requests that pass every gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flarefree.conduct.checks.result import Evidence
from flarefree.conduct.randomization.allocating import Request, State
from flarefree.conduct.randomization.lists import ListSet, StratumList, draw_lists
from flarefree.conduct.randomization.plan import Factor, RandomizationPlan
from flarefree.conduct.randomization.schemes import BigStick
from flarefree.errors import ConductError

__all__ = [
    "DIGEST",
    "FACTORS",
    "KEY",
    "OTHER_KEY",
    "OTHER_SEED",
    "SEED",
    "lists_of",
    "plan_with",
    "refusal",
    "request",
    "row",
    "run",
    "swap_arms",
]

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEY, OTHER_KEY = bytes([7]) * 32, bytes([8]) * 32
DIGEST = "ab" * 32
FACTORS = (
    Factor("induction_drug", ("IVC", "MMF")),
    Factor("race", ("White", "Black", "Asian", "Other")),
    Factor("biopsy_class", ("III", "IV", "V")),
)


def plan_with(length: int = 24, scheme: Any = None) -> RandomizationPlan:
    """The trial's plan, with lists of this length and, if given, another scheme than a big stick."""
    return RandomizationPlan("Check trial", ("A", "B"), FACTORS, scheme or BigStick(limit=2), length, 4)


def lists_of(plan: RandomizationPlan | None = None) -> ListSet:
    """Its lists from the fixed seed."""
    return draw_lists(plan or plan_with(), protocol_digest=DIGEST, seed=SEED)


def request(number: int, **changed: Any) -> Request:
    """A request that passes every gate; strata differ from one to the next."""
    turns = zip(FACTORS, (1, 2, 8), strict=True)
    told: dict[str, Any] = {
        "id": f"request {number}",
        "subject": f"subject {number}",
        "site": f"{number % 5:02d}",
        "strata": {f.name: f.levels[(number // k) % len(f.levels)] for f, k in turns},
        "has_consent": True,
        "is_eligible": True,
        "time": f"2026-01-01T00:{number % 60:02d}Z",
    }
    if changed.get("channel") == "emergency":
        told["reason"] = "the network is down"
    return Request(**(told | changed))


def run(lists: ListSet, requests: list[Request]) -> State:
    """The state after these requests."""
    state = State(lists)
    for one in requests:
        state, _ = state.ask(one)
    return state


def swap_arms(lists: ListSet) -> ListSet:
    """The same lists with the two arms exchanged."""

    def swapped(one: StratumList) -> StratumList:
        return replace(one, entries=tuple(1 - entry for entry in one.entries))

    return replace(lists, lists=tuple(map(swapped, lists.lists)))


def row(what: str, holds: bool, found: Any = None, expected: Any = True) -> Evidence:
    """Evidence of a claim that holds or not."""
    return Evidence(what, expected, holds if found is None else found, holds)


def refusal(what: str, act: Callable[..., object], *arguments: Any, **named: Any) -> Evidence:
    """Evidence that an act is refused with a `ConductError`; any other error is a defect and is raised."""
    try:
        act(*arguments, **named)
    except ConductError as error:
        return Evidence(what, "refused", f"refused: {error.what}", True)
    return Evidence(what, "refused", "accepted", False)
