"""One allocation: everything is read, decided, written and logged in one transaction of the vault.

The rule is `conduct.randomization.decide`; here are its tables.  A request answered before gets its answer
again, whatever happened since; a refusal changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import Count, Max

from flarefree.conduct.audit import Change, Head
from flarefree.conduct.audit.entries import canonical
from flarefree.conduct.randomization.allocating import (
    Allocated,
    Allocation,
    Receipt,
    Refused,
    Repeated,
    Request,
    View,
    decide,
)
from flarefree.conduct.randomization.lists import ListSet
from flarefree.errors import ConductError
from flarefree.web.crashing import step
from flarefree.web.vault import models
from flarefree.web.vault.chain import add_entry, ask, insert, read_chain, sealed_change, vault_transaction
from flarefree.web.vault.guarding import Known, Unreconciled, Witness, note_on_host, require_reconciled
from flarefree.web.vault.keys import open_value, seal_value
from flarefree.web.vault.lists import current_lists, number_of_list

__all__ = ["Given", "allocate", "arm_of", "is_reconciled", "receipt_of", "receipts_since", "store_known"]

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Given:
    """What may be told of an allocation.  It has no arm, nor anything made from one.

    Attributes
    ----------
    receipt : Receipt
    sequence : int
        From 1 within the trial.
    is_repeated : bool
        Whether it was given before.
    asked_by : str
        Who asked for it then.
    """

    receipt: Receipt
    sequence: int
    is_repeated: bool = False
    asked_by: str = ""

    @property
    def witness(self) -> Witness:
        """What the record keeps of it, to know later where the vault stood."""
        return Witness(self.sequence, self.receipt.code)


def allocate(
    request: Request, *, is_open: bool, known: Known, at: datetime, protocol: str
) -> Given | Refused:
    """Decide on one request to randomize, and keep what was decided.

    Parameters
    ----------
    request : Request
    is_open : bool
        Whether the trial is live and randomization not halted.
    known : Known
        What the trial's record knows of the vault.
    at : datetime
        UTC.
    protocol : str
        Digest of the one in force.

    Returns
    -------
    Given or Refused
        Of a request answered before, or a patient randomized before, what was given then.

    Raises
    ------
    Unreconciled
        The vault was brought back from an older backup.
    ConductError
        There are no lists, or they are not the trial's; the clock went back; the log cannot be written.
    """
    _require_names(request)
    with vault_transaction():
        head = read_chain()
        lists = current_lists(known)
        last = _last()
        view = _view(lists, request, last, is_open)
        if view.by_request is None and view.by_subject is None:
            require_reconciled(head.chain, known, _witness(last))
        decision = decide(lists, request, view)
        match decision:
            case Allocated(allocation):
                _store(lists, allocation, head, last, at, protocol)
                given = Given(allocation.receipt, allocation.sequence, False, request.asked_by)
            case Repeated(allocation):
                return Given(allocation.receipt, allocation.sequence, True, allocation.request.asked_by)
            case Refused():
                return decision
    note_on_host(head.chain, given.witness)
    return given


def _require_names(request: Request) -> None:
    for name in ("id", "subject", "site"):
        if len(getattr(request, name)) > _LONGEST_NAME:
            raise ConductError("a name is too long", where=name, expected=f"at most {_LONGEST_NAME} letters")


# Reading -----------------------------------------------------------------------------------------


def _last() -> models.Allocation | None:
    statement = "SELECT * FROM vault_allocation ORDER BY sequence DESC LIMIT 1"
    return next(iter(models.Allocation.objects.raw(statement)), None)


def _witness(last: models.Allocation | None) -> Witness:
    return Witness(0) if last is None else Witness(last.sequence, last.code)


def _view(lists: ListSet, request: Request, last: models.Allocation | None, is_open: bool) -> View:
    statement = "SELECT * FROM vault_allocation WHERE request = %s OR subject = %s"
    rows = models.Allocation.objects.raw(statement, [request.id, request.subject])
    found = [(row, _read(lists, row)) for row in rows]
    return View(
        is_open=is_open,
        by_request=next((a for row, a in found if row.request == request.id), None),
        by_subject=next((a for row, a in found if row.subject == request.subject), None),
        used=_used(lists, request),
        total=0 if last is None else last.sequence,
        margins=() if lists.plan.has_lists else _margins(lists, last),
    )


def _used(lists: ListSet, request: Request) -> int:
    """Slots given of the list that the request would take from; 0 where there is none, which is refused."""
    cell = tuple(str(request.strata.get(f.name)) for f in lists.plan.factors)
    number = number_of_list(lists, cell, "emergency" if request.channel == "emergency" else "routine")
    if number is None:
        return 0
    rows = ask("SELECT max(slot) FROM vault_allocation WHERE list_number = %s", [number])
    return int(rows[0][0] or 0)


def _margins(lists: ListSet, last: models.Allocation | None) -> tuple[tuple[int, ...], ...]:
    """Counts by level and arm after the last allocation, which keeps them sealed."""
    if last is None:
        levels = sum(len(factor.levels) for factor in lists.plan.factors)
        return ((0,) * lists.plan.scheme.n_arms,) * levels
    return tuple(tuple(row) for row in _opened(last)["margins"])


def _opened(row: models.Allocation) -> dict[str, Any]:
    return dict(open_value(bytes(row.sealed), purpose=_purpose(row.sequence, row.subject, row.code)))


def _purpose(sequence: int, subject: str, code: str) -> str:
    return f"allocation {sequence} {subject} {code}"


def _read(lists: ListSet, row: models.Allocation) -> Allocation:
    own = lists.lists[row.list_number]
    request = _request_of(row)
    return Allocation(
        request=request,
        stratum_used=tuple(str(request.strata[f.name]) for f in lists.plan.factors),
        use=own.use,
        slot=row.slot,
        sequence=row.sequence,
        code=row.code,
        arm=_opened(row)["arm"],
    )


def _request_of(row: models.Allocation) -> Request:
    return Request(**json.loads(row.asked))


# Writing -----------------------------------------------------------------------------------------


def _store(
    lists: ListSet,
    given: Allocation,
    head: Head,
    last: models.Allocation | None,
    at: datetime,
    protocol: str,
) -> None:
    number = number_of_list(lists, given.stratum_used, given.use)
    assert number is not None  # `decide` took the slot from it
    request = given.request
    told = {"arm": given.arm, "margins": () if lists.plan.has_lists else _margins_after(lists, given, last)}
    sealed = seal_value(told, purpose=_purpose(given.sequence, request.subject, given.code))
    step("vault: before allocation")
    insert(
        "vault_allocation",
        {
            "sequence": given.sequence,
            "request": request.id,
            "subject": request.subject,
            "site": request.site,
            "list_number": number,
            "slot": given.slot,
            "code": given.code,
            "asked": canonical(_plain(request)).decode(),
            "sealed": sealed,
            "entry": head.length,
        },
    )
    step("vault: after allocation")
    name = f"allocation/{request.subject}"
    add_entry(
        head,
        at,
        who=request.asked_by or "system",
        role="vault",
        action="randomize",
        about=f"subject/{request.subject}",
        reason_code=request.channel,
        reason=request.reason,
        protocol=protocol,
        request=f"allocate/{request.id}",
        changes=(
            Change(f"{name}/sequence", "allocation.request", None, given.sequence),
            Change(f"{name}/code", "allocation.kit", None, given.code),
            sealed_change(f"{name}/arm", "allocation.arm", sealed),
        ),
    )


def _plain(request: Request) -> dict[str, Any]:
    return {f.name: getattr(request, f.name) for f in fields(request)} | {"strata": dict(request.strata)}


def _margins_after(
    lists: ListSet, given: Allocation, last: models.Allocation | None
) -> tuple[tuple[int, ...], ...]:
    rows = [list(row) for row in _margins(lists, last)]
    start = 0
    for factor, level in zip(lists.plan.factors, given.stratum_used, strict=True):
        rows[start + factor.levels.index(level)][given.arm] += 1
        start += len(factor.levels)
    return tuple(tuple(row) for row in rows)


# What others read --------------------------------------------------------------------------------


def receipts_since(sequence: int = 0) -> tuple[Given, ...]:
    """All allocations after one, in order: what the record must have too, and is given where it has not."""
    rows = models.Allocation.objects.filter(sequence__gt=sequence).order_by("sequence").defer("sealed")
    factors = tuple(f.name for f in current_lists().plan.factors) if rows else ()
    return tuple(_given(row, factors) for row in rows)


def receipt_of(subject: str) -> Given | None:
    """What a patient was given; None if they were not randomized."""
    row = models.Allocation.objects.filter(subject=subject).defer("sealed").first()
    return None if row is None else _given(row, tuple(f.name for f in current_lists().plan.factors))


def _given(row: models.Allocation, factors: tuple[str, ...]) -> Given:
    asked = _request_of(row)
    cell = tuple(str(asked.strata[name]) for name in factors)
    receipt = Receipt(row.request, row.subject, row.site, row.code, cell, asked.channel, asked.time)
    return Given(receipt, row.sequence, True, asked.asked_by)


def arm_of(subject: str) -> str:
    """The arm's key in the protocol.  Only for other modules of the vault.

    Raises
    ------
    ConductError
        The patient was not randomized.
    """
    row = models.Allocation.objects.filter(subject=subject).first()
    if row is None:
        raise ConductError("this patient was not randomized", where="vault")
    return current_lists().plan.arms[_opened(row)["arm"]]


def logged_allocations() -> tuple[str, ...]:
    """Patients whose allocation has an entry in the vault's log, in their order."""
    rows = models.VaultLogRow.objects.filter(request__startswith="allocate/").order_by("number")
    return tuple(about.partition("/")[2] for about in rows.values_list("about", flat=True))


def has_no_gaps() -> bool:
    """Whether each list was given from its first slot on, without one left out."""
    counts = models.Allocation.objects.values_list("list_number").annotate(Max("slot"), Count("slot"))
    return all(last == count for _, last, count in counts)


def opened_arms() -> dict[str, int]:
    """Every patient's arm by its number.  Only for other modules of the vault."""
    rows = models.Allocation.objects.order_by("sequence")
    return {row.subject: int(_opened(row)["arm"]) for row in rows}


def is_reconciled(known: Known | None = None) -> bool:
    """Whether the vault has every allocation that this host or the trial's record knows of."""
    from flarefree.web.trial import running_trial

    known = Known.of(running_trial().standing().facts) if known is None else known
    try:
        require_reconciled(read_chain().chain, known, _witness(_last()))
    except Unreconciled:
        return False
    return True


# After a restore ---------------------------------------------------------------------------------


def store_known(
    known: Sequence[tuple[Request, Witness]], *, last: Witness, by: str, at: datetime, protocol: str
) -> int:
    """Bring a vault that was restored from a backup to where it is known to have stood.

    Each allocation that it lacks is decided again, in the order in which it was: the lists give the same slot
    and so the same code, or nothing is kept.

    Parameters
    ----------
    known : sequence of (Request, Witness)
        What the trial's record has, all of it or what comes after the backup.
    last : Witness
        Where the vault stood, as is known from outside: the record's last allocation, or a later one that a
        site has on paper.
    by : str
        Who answers for it.

    Returns
    -------
    int
        How many were brought back.

    Raises
    ------
    Unreconciled
        One is missing between them, or the lists give another code than the one that is known.
    """
    with vault_transaction():
        head = read_chain()
        lists = current_lists()
        back = 0
        for request, witness in sorted(known, key=lambda pair: pair[1].sequence):
            before = _last()
            if before is not None and witness.sequence <= before.sequence:
                _require_same(witness)
                continue
            decision = decide(lists, request, _view(lists, request, before, is_open=True))
            if not isinstance(decision, Allocated):
                raise Unreconciled(
                    "an allocation cannot be brought back", where=request.subject, found=str(decision)
                )
            found = Witness(decision.allocation.sequence, decision.allocation.code)
            if found != witness:
                raise Unreconciled(
                    "the lists give another slot than the one that is known",
                    where=request.subject,
                    found=str(found),
                    expected=str(witness),
                    try_="find the allocations that are missing before it",
                )
            _store(lists, decision.allocation, head, before, at, protocol)
            head, back = read_chain(), back + 1
        stands = _witness(_last())
        if last.sequence > stands.sequence or (last.sequence == stands.sequence and last != stands):
            raise Unreconciled(
                "an allocation is still missing", where="vault", found=str(stands), expected=str(last)
            )
        add_entry(
            head,
            at,
            who=by,
            role="vault",
            action="approve",
            about="vault/standing",
            reason_code="reconciled",
            protocol=protocol,
            request=f"reconcile/{head.length}",
            changes=(Change("vault/standing", "allocation.request", None, str(stands)),),
        )
    note_on_host(head.chain, stands)
    return back


def _require_same(witness: Witness) -> None:
    code = models.Allocation.objects.values_list("code", flat=True).get(sequence=witness.sequence)
    if code != witness.code:
        raise Unreconciled(
            "the vault and the record know different allocations",
            where=f"allocation {witness.sequence}",
            found=code,
            expected=witness.code,
        )
