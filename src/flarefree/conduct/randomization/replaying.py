"""Replay: from the sealed seed and the logged inputs, every list and every assignment again.

Whoever holds the seed shows, years later, that the lists were drawn as said and that every patient got
what list and rules gave; where they did not, the first row that differs is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flarefree.conduct.randomization.allocating import Allocated, Allocation, State
from flarefree.conduct.randomization.lists import ListSet, draw_lists, seed_commitment

__all__ = ["Difference", "Replay", "replay"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as replayed.

    `row` is that of the log, from 1; 0 if it is in the lists.  `found` and `expected` say nothing of arms.
    """

    row: int
    what: str
    found: str = ""
    expected: str = ""

    def __str__(self) -> str:
        place = f"row {self.row} of the log" if self.row else "lists"
        told = f" (found {self.found}, expected {self.expected})" if self.found or self.expected else ""
        return f"{place}: {self.what}{told}"


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    slots: int
    rows: int
    difference: Difference | None

    @property
    def is_identical(self) -> bool:
        """Whether all lists and all assignments came out again."""
        return self.difference is None


def replay(seed: bytes, lists: ListSet, log: Sequence[Allocation] = ()) -> Replay:
    """Draw the lists again from the seed and decide every logged request again.

    Parameters
    ----------
    seed : bytes
        The sealed seed.
    lists : ListSet
        As loaded from the vault.
    log : sequence of Allocation
        In order of commitment.
    """
    slots = sum(len(one.entries) for one in lists.lists)
    found = _difference_of_lists(seed, lists) or _difference_of_log(lists, log)
    return Replay(slots, len(log), found)


def _difference_of_lists(seed: bytes, lists: ListSet) -> Difference | None:
    commitment = seed_commitment(seed)
    if commitment != lists.seed_commitment:
        return Difference(
            0, "another seed than the one committed to", commitment[:16], lists.seed_commitment[:16]
        )
    again = draw_lists(lists.plan, protocol_digest=lists.protocol_digest, seed=seed)
    if len(again.lists) != len(lists.lists):
        return Difference(0, "how many lists there are", str(len(lists.lists)), str(len(again.lists)))
    for theirs, ours in zip(lists.lists, again.lists, strict=True):
        place = f"{ours.use} list of {' / '.join(ours.cell) or 'the trial'}"
        if (theirs.cell, theirs.use, len(theirs.entries)) != (ours.cell, ours.use, len(ours.entries)):
            return Difference(0, f"{place}: its stratum, use or length")
        for i in range(len(ours.entries)):
            if theirs.entries[i] != ours.entries[i]:
                return Difference(0, f"{place}, slot {i + 1}: its assignment")
            if theirs.codes[i] != ours.codes[i]:
                return Difference(0, f"{place}, slot {i + 1}: its code", theirs.codes[i], ours.codes[i])
    return None


def _difference_of_log(lists: ListSet, log: Sequence[Allocation]) -> Difference | None:
    state = State(lists)
    for row, logged in enumerate(log, 1):
        state, decision = state.ask(logged.request)
        if not isinstance(decision, Allocated):
            return Difference(row, "the rules would not have given a slot here", str(decision)[:120])
        ours = decision.allocation
        for name in ("stratum_used", "use", "slot", "sequence", "code"):
            theirs = getattr(logged, name)
            if theirs != getattr(ours, name):
                return Difference(row, name.replace("_", " "), str(theirs), str(getattr(ours, name)))
        if logged.arm != ours.arm:
            return Difference(row, "the assignment itself")
    return None
