"""The sealed lists in the vault: put there once, read by allocations, told of without an arm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.db.models import Count

from flarefree.conduct.audit import Change
from flarefree.conduct.randomization.lists import ListSet, load_lists
from flarefree.conduct.randomization.plan import plan_of
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.vault.chain import add_entry, ask, begin_chain, vault_transaction
from flarefree.web.vault.guarding import Known, Witness, note_on_host
from flarefree.web.vault.keys import make_key, open_bytes, seal_bytes
from flarefree.web.vault.models import Allocation, Lists

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = [
    "InstalledLists",
    "ListUse",
    "ListsStatus",
    "current_lists",
    "emergency_codes",
    "install_lists",
    "installed_lists",
    "list_uses",
    "number_of_list",
]

_PURPOSE = "lists"


@dataclass(frozen=True, slots=True)
class InstalledLists:
    """What may be said of the lists."""

    trial: str
    sha256: str
    protocol_digest: str
    scheme_hash: str
    public_key: str


@dataclass(frozen=True, slots=True)
class ListsStatus:
    """What gates ask: whether lists are there, which, and whether the scheme's report was signed.

    Attributes
    ----------
    is_sealed : bool
    scheme_hash, sha256, protocol_digest : str
        Empty without lists.
    has_signed_report : bool
    """

    is_sealed: bool
    scheme_hash: str = ""
    sha256: str = ""
    protocol_digest: str = ""
    has_signed_report: bool = False


@dataclass(frozen=True, slots=True)
class ListUse:
    """How far a list is used."""

    stratum: tuple[str, ...]
    use: str
    length: int
    used: int

    @property
    def left(self) -> int:
        """Slots to come."""
        return self.length - self.used


def install_lists(
    data: bytes,
    *,
    protocol: LoadedProtocol,
    public_key: bytes,
    published_sha256: str,
    by: Actor,
    request: str,
    at: datetime,
) -> InstalledLists:
    """Put a trial's sealed lists into the vault, once.

    Parameters
    ----------
    data : bytes
        The sealed file, decrypted.
    protocol : LoadedProtocol
        That the trial is run by: lists of another trial, protocol or scheme are refused.
    public_key : bytes
        Of the unblinded statistician who sealed them.
    published_sha256 : str
    by, request, at
        Who, the request's identifier, when (UTC).

    Raises
    ------
    ConductError
        They are not exactly what was published, or there are other lists already.
    """
    plan = plan_of(protocol)
    lists = load_lists(
        data,
        trial=plan.trial,
        protocol_digest=protocol.digest,
        scheme_hash=plan.scheme_hash,
        public_key=public_key,
        published_sha256=published_sha256,
    )
    installed = InstalledLists(plan.trial, lists.sha256, protocol.digest, plan.scheme_hash, public_key.hex())
    make_key()
    with vault_transaction():
        before = Lists.objects.first()
        if before is not None:
            if _told(before) == installed:
                return installed
            raise ConductError(
                "the vault holds lists already",
                where="lists",
                found=f"SHA-256 {before.sha256}",
                expected="none; lists are installed once and never exchanged",
            )
        entry = add_entry(
            begin_chain(plan.trial),
            at,
            who=by.person,
            role=by.role,
            action="draw",
            about="vault/lists",
            reason_code="as_planned",
            protocol=protocol.digest,
            request=f"install/{request}",
            changes=(Change("vault/lists/sha256", "scheme.hash", None, lists.sha256),),
        )
        try:
            Lists.objects.create(
                number=1,
                sha256=installed.sha256,
                trial=installed.trial,
                protocol_digest=installed.protocol_digest,
                scheme_hash=installed.scheme_hash,
                public_key=installed.public_key,
                sealed=seal_bytes(data, purpose=f"{_PURPOSE} {lists.sha256}"),
            )
        except IntegrityError:
            raise ConductError("the vault holds lists already", where="lists") from None
    note_on_host(entry.chain, Witness(0))
    return installed


def _told(row: Lists) -> InstalledLists:
    return InstalledLists(row.trial, row.sha256, row.protocol_digest, row.scheme_hash, row.public_key)


def current_lists(known: Known | None = None) -> ListSet:
    """The lists, opened; kept in memory by their digest, since opening them takes longer than an allocation.

    Raises
    ------
    ConductError
        There are none, they do not open, or are not those that the trial's record knows.
    """
    rows = ask("SELECT sha256 FROM vault_lists")
    sha256 = str(rows[0][0]) if rows else None
    if sha256 is None:
        raise ConductError("the vault holds no lists", try_="install the sealed lists before going live")
    if known is not None and known.lists_sha256 and known.lists_sha256 != sha256:
        raise ConductError(
            "the vault holds other lists than those the trial went live with",
            where="vault",
            found=f"SHA-256 {sha256}",
            expected=known.lists_sha256,
        )
    return _open(sha256)


@lru_cache(maxsize=2)
def _open(sha256: str) -> ListSet:
    row = Lists.objects.get(sha256=sha256)
    return load_lists(
        open_bytes(bytes(row.sealed), purpose=f"{_PURPOSE} {sha256}"),
        trial=row.trial,
        protocol_digest=row.protocol_digest,
        scheme_hash=row.scheme_hash,
        public_key=bytes.fromhex(row.public_key),
        published_sha256=sha256,
    )


def number_of_list(lists: ListSet, cell: tuple[str, ...], use: str) -> int | None:
    """Place of a list among all, from 0; None if there is no such list."""
    wanted = cell if lists.plan.has_lists else ()
    return next((i for i, one in enumerate(lists.lists) if (one.cell, one.use) == (wanted, use)), None)


def installed_lists() -> InstalledLists | None:
    """What is in the vault; None before lists were installed."""
    row = Lists.objects.defer("sealed").first()
    return None if row is None else _told(row)


def list_uses() -> tuple[ListUse, ...]:
    """How far each list is used: for the unblinded role, who is told before one ends."""
    used = dict(Allocation.objects.values_list("list_number").annotate(Count("sequence")))
    return tuple(
        ListUse(one.cell, one.use, len(one.codes), used.get(i, 0))
        for i, one in enumerate(current_lists().lists)
    )


def emergency_codes() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Each stratum with the codes of its emergency list that are still to be given, in their order.

    For the list on paper: codes are drawn apart from arms and tell nothing.
    """
    used = {use.stratum: use.used for use in list_uses() if use.use == "emergency"}
    lists = (one for one in current_lists().lists if one.use == "emergency")
    return tuple((one.cell, one.codes[used[one.cell] :]) for one in lists)
