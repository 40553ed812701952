"""After an outage: the paper of the central emergency list beside what was entered from it.

Each paper slip names a treatment code, a patient, a site and a time.  Entered later, a slip becomes a
request over the channel `emergency` with its code; what is missing on either side, stands twice or says
something else is named here.  Neither side knows an arm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flarefree.conduct.randomization.allocating import Receipt

__all__ = ["Slip", "Unreconciled", "reconcile"]

Kind = Literal[
    "code twice on paper", "patient twice on paper", "not entered", "not on paper", "entered otherwise"
]


@dataclass(frozen=True, slots=True)
class Slip:
    """One allocation on paper."""

    code: str
    subject: str
    site: str
    time: str


@dataclass(frozen=True, slots=True)
class Unreconciled:
    """One thing that does not agree; `code` finds the slip, the receipt or both."""

    kind: Kind
    code: str
    detail: str = ""


def reconcile(paper: Sequence[Slip], receipts: Sequence[Receipt]) -> tuple[Unreconciled, ...]:
    """What does not agree between the paper and the allocations entered over `emergency`; empty if all does.

    Parameters
    ----------
    paper : sequence of Slip
        Of the whole outage, in their order.
    receipts : sequence of Receipt
        Of the whole trial; those of other channels are looked at only for patients who are on paper too.
    """
    entered = {one.code: one for one in receipts if one.channel == "emergency"}
    elsewhere = {one.subject: one for one in receipts if one.channel != "emergency"}
    found = [Unreconciled("code twice on paper", code) for code in _repeated([s.code for s in paper])]
    for subject in _repeated([s.subject for s in paper]):
        codes = dict.fromkeys(s.code for s in paper if s.subject == subject)
        if len(codes) > 1:
            found.append(Unreconciled("patient twice on paper", next(iter(codes)), subject))
    for slip in paper:
        one = entered.get(slip.code)
        if one is None:
            other = elsewhere.get(slip.subject)
            detail = f"{slip.subject} has {other.code} over {other.channel}" if other else slip.subject
            found.append(Unreconciled("not entered", slip.code, detail))
            continue
        for name in ("subject", "site", "time"):
            told, read = getattr(one, name), getattr(slip, name)
            if told != read:
                found.append(Unreconciled("entered otherwise", slip.code, f"{name}: {told}, on paper {read}"))
    on_paper = {slip.code for slip in paper}
    found += [Unreconciled("not on paper", c, one.subject) for c, one in entered.items() if c not in on_paper]
    return tuple(found)


def _repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
