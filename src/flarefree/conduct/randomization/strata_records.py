"""A patient's stratum as it was used and as it really is: both are kept, and neither changes the slot.

A wrong stratum found later is corrected beside the allocation, never in it: `stratum_used` is what the list
was chosen by, `stratum_actual` what the patient is.  Which of them an analysis reads is the plan's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from flarefree.conduct.randomization.allocating import Receipt
from flarefree.conduct.randomization.plan import Cell, RandomizationPlan
from flarefree.errors import ConductError

__all__ = ["Correction", "StratumRecord", "correct_stratum", "flag_randomized_in_error", "record_of"]


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction: from what to what, by whom, when, why."""

    before: Cell
    after: Cell
    by: str
    time: str
    reason: str


@dataclass(frozen=True, slots=True)
class StratumRecord:
    """What is exported of a patient's stratum, beside the receipt, which holds no arm.

    Attributes
    ----------
    receipt : Receipt
    stratum_actual : tuple of str
        As last corrected.
    corrections : tuple of Correction
        The earliest first.
    randomized_in_error : str
        The reason, if the patient should not have been randomized; it changes nothing else.
    """

    receipt: Receipt
    stratum_actual: Cell
    corrections: tuple[Correction, ...] = ()
    randomized_in_error: str = ""

    @property
    def stratum_used(self) -> Cell:
        """By which the list was chosen; it never changes."""
        return self.receipt.stratum_used

    @property
    def is_misstratified(self) -> bool:
        """Whether the patient is in another stratum than the one used."""
        return self.stratum_actual != self.stratum_used

    def stratum(self, which: Literal["used", "actual"]) -> Cell:
        """The one that the analysis plan names."""
        return self.stratum_used if which == "used" else self.stratum_actual


def record_of(receipt: Receipt) -> StratumRecord:
    """The record of a patient just randomized."""
    return StratumRecord(receipt, receipt.stratum_used)


def correct_stratum(
    record: StratumRecord,
    plan: RandomizationPlan,
    actual: Mapping[str, str],
    *,
    by: str,
    time: str,
    reason: str,
) -> StratumRecord:
    """Note which stratum a patient is really in; slot, code and stratum used stay as they are.

    Raises
    ------
    ConductError
        A factor or level that the plan does not know, nothing to correct, or no reason.
    """
    names = [factor.name for factor in plan.factors]
    if set(actual) != set(names):
        raise ConductError(
            "a stratum has a level of every factor",
            where="actual",
            found=", ".join(sorted(actual)),
            expected=", ".join(names),
        )
    for factor in plan.factors:
        if actual[factor.name] not in factor.levels:
            raise ConductError(
                "the factor has no such level",
                where=factor.name,
                found=actual[factor.name],
                expected=", ".join(factor.levels),
            )
    after = tuple(actual[name] for name in names)
    if not reason.strip():
        raise ConductError("a correction needs its reason", where="reason")
    if after == record.stratum_actual:
        raise ConductError("there is nothing to correct", where="actual", found=" / ".join(after))
    done = Correction(record.stratum_actual, after, by, time, reason)
    return replace(record, stratum_actual=after, corrections=(*record.corrections, done))


def flag_randomized_in_error(record: StratumRecord, reason: str) -> StratumRecord:
    """Note that a patient should not have been randomized; the allocation stands."""
    if not reason.strip():
        raise ConductError("the flag needs its reason", where="reason")
    return replace(record, randomized_in_error=reason)
