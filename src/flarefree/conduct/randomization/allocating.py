"""The rule of one allocation: what is known in, a decision out; a database stores it and decides nothing.

Decides whether a patient may be randomized and which slot comes next.  There is no verb to undo, exchange,
edit or free: a slot once given stays given, and `randomized in error` is a flag beside it.  Refusals say
nothing that depends on an arm.  Only this package sees an `Allocation`; everybody else gets its `receipt`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Literal

import numpy as np

from flarefree.conduct.randomization.drawing import choose
from flarefree.conduct.randomization.lists import ListSet, Use
from flarefree.conduct.randomization.minimization import Margins, PocockSimon
from flarefree.conduct.randomization.plan import Cell, canonical
from flarefree.errors import ConductError

__all__ = [
    "Allocated",
    "Allocation",
    "Channel",
    "Decision",
    "Reason",
    "Receipt",
    "Refused",
    "Repeated",
    "Request",
    "State",
    "View",
    "decide",
]

Channel = Literal["web", "api", "voice", "emergency"]


class Reason(Enum):
    """Why a patient was not randomized.  None of them depends on an arm."""

    TRIAL_NOT_OPEN = "the trial is not open to randomization"
    REQUEST_REUSED = "this request id was used before with other inputs"
    SUBJECT_KNOWN = "this patient was randomized before, with other inputs"
    NO_CONSENT = "consent is not recorded"
    NOT_ELIGIBLE = "eligibility is not established from data"
    STRATUM_MISSING = "a stratification factor is missing"
    STRATUM_UNKNOWN = "a stratification factor has a value that the protocol does not know"
    LIST_EXHAUSTED = "this stratum's list is at its end"
    NO_EMERGENCY_LIST = "no list was set apart for an outage"
    NO_REASON = "an allocation from the emergency list needs its reason"
    CODE_NOT_NEXT = "the code on paper is not that of the next slot of the emergency list"


_ALARMS = frozenset({Reason.LIST_EXHAUSTED, Reason.NO_EMERGENCY_LIST})


@dataclass(frozen=True)
class Request:
    """What is asked, and what is known of the patient.

    Attributes
    ----------
    id : str
        Of the request: asked again with the same id, the same answer.
    subject, site, asked_by : str
    strata : mapping of str to str or None
        Level of each factor; None where it is not known.
    has_consent, is_eligible : bool or None
        None is not known, which is not yes.
    channel : "web", "api", "voice" or "emergency"
    time : str
        UTC, ISO 8601; given, for rules have no clock.  Not part of what must agree when asked again.
    code, reason : str
        Of the emergency channel: the code given on paper, which must be that of the next slot, and why.
    """

    id: str
    subject: str
    site: str
    strata: Mapping[str, str | None]
    has_consent: bool | None
    is_eligible: bool | None
    asked_by: str = ""
    channel: Channel = "web"
    time: str = ""
    code: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strata", MappingProxyType(dict(self.strata)))
        for name in ("id", "subject", "site"):
            if not getattr(self, name).strip():
                raise ConductError(f"a request to randomize needs its {name}", where=f"request.{name}")

    @property
    def inputs(self) -> str:
        """Digest of what decides: patient, site, strata, consent, eligibility, and which lists."""
        told = {
            "subject": self.subject,
            "site": self.site,
            "strata": dict(self.strata),
            "has_consent": self.has_consent,
            "is_eligible": self.is_eligible,
            "emergency": self.channel == "emergency",
            "code": self.code,
        }
        return hashlib.sha256(b"flarefree request 1\n" + canonical(told)).hexdigest()

    @property
    def of_patient(self) -> tuple[str, tuple[tuple[str, str | None], ...]]:
        """What must agree when another request asks for a patient randomized before."""
        return self.site, tuple(sorted(self.strata.items()))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What may be told of an allocation to those who must not know the arm."""

    request_id: str
    subject: str
    site: str
    code: str
    stratum_used: Cell
    channel: Channel
    time: str


@dataclass(frozen=True)
class Allocation:
    """A slot given to a patient.  Stays in the vault: it holds the arm (not shown by `repr`)."""

    request: Request = field(repr=False)
    stratum_used: Cell
    use: Use
    slot: int
    """From 1 within its list."""
    sequence: int
    """From 1 within the trial, in order of commitment."""
    code: str
    arm: int = field(repr=False)

    @property
    def receipt(self) -> Receipt:
        """What may leave the vault."""
        r = self.request
        return Receipt(r.id, r.subject, r.site, self.code, self.stratum_used, r.channel, r.time)


@dataclass(frozen=True, slots=True)
class Allocated:
    """A slot is given: store it, whole, in the transaction in which the view was read."""

    allocation: Allocation


@dataclass(frozen=True, slots=True)
class Repeated:
    """A slot was given before; nothing changes and the answer is the same."""

    allocation: Allocation


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is given and nothing consumed.

    `raises_alarm` asks for a notice to the unblinded role; the words say which factor or list, never an arm.
    """

    reason: Reason
    detail: str = ""
    raises_alarm: bool = False

    def __str__(self) -> str:
        return f"{self.reason.value}{f': {self.detail}' if self.detail else ''}"


Decision = Allocated | Repeated | Refused


@dataclass(frozen=True, slots=True)
class View:
    """What must be read, under the lock that the allocation is written under, to decide on a request.

    Attributes
    ----------
    is_open : bool
        Whether the trial is live.
    by_request, by_subject : Allocation or None
        What that request id, and that patient, were given.
    used : int
        Slots of the stratum's list (routine or emergency, as asked) already given; of minimization, of
        the one list.
    total : int
        Allocations of the trial.
    margins : tuple of tuple of int
        Of minimization: allocations by level (all factors, one after another) and arm.
    """

    is_open: bool
    by_request: Allocation | None
    by_subject: Allocation | None
    used: int
    total: int
    margins: tuple[tuple[int, ...], ...] = ()


def decide(lists: ListSet, request: Request, view: View) -> Decision:
    """Decide on one request to randomize.

    Parameters
    ----------
    lists : ListSet
        As loaded from the vault.
    request : Request
    view : View
        The state that matters, read under a write lock.

    Returns
    -------
    Allocated, Repeated or Refused
    """
    before = _asked_before(request, view)
    if before is not None:
        return before
    refusal = _gates(lists, request, view)
    if refusal is not None:
        return refusal
    cell = tuple(str(request.strata[f.name]) for f in lists.plan.factors)
    use: Use = "emergency" if request.channel == "emergency" else "routine"
    own = lists.list_of(cell, use)
    if own is None:
        return _refuse(Reason.NO_EMERGENCY_LIST, " / ".join(cell))
    if not 0 <= view.used < len(own.entries):  # never around to the first slot, never from another list
        return _refuse(Reason.LIST_EXHAUSTED, " / ".join(cell))
    if request.code and request.code != own.codes[view.used]:
        return _refuse(Reason.CODE_NOT_NEXT, " / ".join(cell))
    arm = own.entries[view.used] if lists.plan.has_lists else _minimized(lists, cell, own.entries, view)
    return Allocated(Allocation(request, cell, use, view.used + 1, view.total + 1, own.codes[view.used], arm))


def _asked_before(request: Request, view: View) -> Decision | None:
    known = view.by_request
    if known is not None:
        if known.request.inputs == request.inputs:
            return Repeated(known)
        return _refuse(Reason.REQUEST_REUSED)
    known = view.by_subject
    if known is not None:
        if known.request.of_patient == request.of_patient:
            return Repeated(known)
        return _refuse(Reason.SUBJECT_KNOWN)
    return None


def _gates(lists: ListSet, request: Request, view: View) -> Refused | None:
    """Every gate in its order; what is unknown is not passed, and no value is mapped to another."""
    if not view.is_open:
        return _refuse(Reason.TRIAL_NOT_OPEN)
    if request.has_consent is not True:
        return _refuse(Reason.NO_CONSENT)
    if request.is_eligible is not True:
        return _refuse(Reason.NOT_ELIGIBLE)
    if request.channel == "emergency" and not request.reason.strip():
        return _refuse(Reason.NO_REASON)
    for factor in lists.plan.factors:
        level = request.strata.get(factor.name)
        if level is None or level == "":
            return _refuse(Reason.STRATUM_MISSING, factor.name)
        if level not in factor.levels:
            return _refuse(Reason.STRATUM_UNKNOWN, factor.name)
    extra = sorted(set(request.strata) - {factor.name for factor in lists.plan.factors})
    return _refuse(Reason.STRATUM_UNKNOWN, extra[0]) if extra else None


def _refuse(reason: Reason, detail: str = "") -> Refused:
    return Refused(reason, detail, reason in _ALARMS)


def _minimized(lists: ListSet, cell: Cell, draws: tuple[int, ...], view: View) -> int:
    scheme = lists.plan.scheme
    assert isinstance(scheme, PocockSimon)
    levels = [factor.levels.index(level) for factor, level in zip(lists.plan.factors, cell, strict=True)]
    margins = Margins(np.array(view.margins, dtype=np.int64)[None])
    places = scheme.places(np.array([levels], dtype=np.int64))
    u = np.array([draws[view.used] / 2.0**53])
    return int(choose(scheme.probabilities(margins, places), u)[0])


# A state in memory -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """All allocations of a trial, in order; for replay, simulation and tests.

    "Changing" it gives another.  A database keeps the same in tables and reads a `View` from them.
    """

    lists: ListSet
    allocations: tuple[Allocation, ...] = ()
    is_open: bool = True

    def view(self, request: Request) -> View:
        """What `decide` needs to know for this request."""
        use = "emergency" if request.channel == "emergency" else "routine"
        cell = tuple(request.strata.get(f.name) for f in self.lists.plan.factors)
        has_lists = self.lists.plan.has_lists
        used = sum(a.use == use and (not has_lists or a.stratum_used == cell) for a in self.allocations)
        return View(
            is_open=self.is_open,
            by_request=next((a for a in self.allocations if a.request.id == request.id), None),
            by_subject=next((a for a in self.allocations if a.request.subject == request.subject), None),
            used=used,
            total=len(self.allocations),
            margins=() if has_lists else self.margins(),
        )

    def margins(self) -> tuple[tuple[int, ...], ...]:
        """Allocations by level and arm, as minimization counts them."""
        plan = self.lists.plan
        rows = [[0] * plan.scheme.n_arms for factor in plan.factors for _ in factor.levels]
        starts = np.cumsum([0, *(len(factor.levels) for factor in plan.factors)])
        for a in self.allocations:
            for factor, start, level in zip(plan.factors, starts, a.stratum_used, strict=False):
                rows[int(start) + factor.levels.index(level)][a.arm] += 1
        return tuple(tuple(row) for row in rows)

    def ask(self, request: Request) -> tuple[State, Decision]:
        """Decide, and the state after it."""
        decision = decide(self.lists, request, self.view(request))
        if isinstance(decision, Allocated):
            return replace(self, allocations=(*self.allocations, decision.allocation)), decision
        return self, decision
