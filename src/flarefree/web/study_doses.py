"""Doses of the double dummy as rows of EX: which step from which day to which, and nothing of what is in it.

Active drug and placebo change together, so a step is the same in each arm: the drug is coded, the dose a
share of the full one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from flarefree.web.commands.doses_standing import states_of

if TYPE_CHECKING:
    from flarefree.conduct.dosing import DosePlan, DoseState
    from flarefree.web.record.reading import Item

__all__ = ["CODED", "DoseSpan", "dose_spans"]

CODED = "STUDY DRUG (CODED)"


@dataclass(frozen=True, slots=True)
class DoseSpan:
    """Days on one step.

    Attributes
    ----------
    item : Item
        The command that began it.
    entry : int
        The last entry of the log that it rests on: that of the command which ended it, if one did.
    first, last : date
        Both counted; the last is None while it goes on.
    percent : str
        Of the full dose, as the protocol has it for the patient's weight and day.
    regimen : str
        `STEP 1`, `TEMPORARY STEP 0`; with what titration by troughs added, in smallest tablets a day.
    reason : str
        Why the dose was changed; empty if it was not.
    """

    item: Item
    entry: int
    first: date
    last: date | None
    percent: str
    regimen: str
    reason: str

    def to_row(self) -> dict[str, str | None]:
        """As EX has it."""
        return {
            "USUBJID": self.item.subject,
            "EXTRT": CODED,
            "EXDOSE": self.percent,
            "EXDOSU": "% of the full dose",
            "EXDOSRGM": self.regimen,
            "EXADJ": self.reason or None,
            "EXSTDTC": self.first.isoformat(),
            "EXENDTC": None if self.last is None else self.last.isoformat(),
        }


def dose_spans(items: Iterable[Item]) -> Iterator[DoseSpan]:
    """Spans of one patient's dose, from their commands in order; a weight alone begins none."""
    open_: DoseSpan | None = None
    for item, plan, state in states_of(items):
        on = date.fromisoformat(str(item["on"]))
        entry = max(fact.entry for fact in item.facts.values())
        percent, regimen = _told(plan, state)
        if open_ is not None:
            if state.ended_on is None and (percent, regimen) == (open_.percent, open_.regimen):
                continue
            if on > open_.first:  # another command of the same day replaced it
                yield replace(open_, last=on - timedelta(days=1), entry=max(open_.entry, entry))
        reason = str(item["reason"] or "")
        open_ = (
            None if state.ended_on is not None else DoseSpan(item, entry, on, None, percent, regimen, reason)
        )
    if open_ is not None:
        yield open_


def _told(plan: DosePlan, state: DoseState) -> tuple[str, str]:
    if state.temporary is not None:
        share, regimen = plan.temporary_steps[state.temporary], f"TEMPORARY STEP {state.temporary}"
    else:
        share, regimen = plan.steps[state.step], f"STEP {state.step}"
    if state.offset:
        regimen += f", TITRATED {state.offset:+d}"
    return f"{float(share * 100):.6g}", regimen
