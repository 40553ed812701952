"""The signed simulation of the scheme: kept in the vault, since it names block sizes and limits.

Going live asks whether there is one, of exactly the scheme and protocol that would go live, signed by whoever
sealed the lists; the answer is yes or no.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from flarefree.conduct.audit import Change
from flarefree.conduct.randomization.plan import plan_of
from flarefree.conduct.randomization.reporting import require_signed_report
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.vault.chain import add_entry, read_chain, vault_transaction
from flarefree.web.vault.keys import open_bytes, seal_bytes
from flarefree.web.vault.lists import installed_lists
from flarefree.web.vault.models import Kept

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["has_signed_report", "install_report"]

_KIND = "scheme_report"
_LARGEST = 4_000_000


def install_report(data: bytes, *, protocol: LoadedProtocol, by: Actor, request: str, at: datetime) -> str:
    """Keep the signed report, once it was found to be of exactly this scheme; gives the scheme's hash.

    Raises
    ------
    ConductError
        There are no lists yet, or the report is of another scheme, trial or protocol, rests on too few
        trials, or was signed by another than sealed the lists.
    """
    if len(data) > _LARGEST:
        raise ConductError("too large for a report", where="report", found=f"{len(data)} bytes")
    lists = installed_lists()
    if lists is None:
        raise ConductError("the lists come first", where="report", try_="install the sealed lists")
    _require(data, protocol, lists.public_key)
    key = _key(lists.scheme_hash, protocol)
    with vault_transaction():
        if not Kept.objects.filter(kind=_KIND, key=key).exists():
            entry = add_entry(
                read_chain(),
                at,
                who=by.person,
                role=by.role,
                action="draw",
                about="vault/scheme_report",
                reason_code="as_planned",
                protocol=protocol.digest,
                request=f"report/{request}",
                changes=(Change("vault/scheme_report", "scheme.hash", None, lists.scheme_hash),),
            )
            sealed = seal_bytes(data, purpose=_purpose(key))
            Kept.objects.create(kind=_KIND, key=key, subject="", sealed=sealed, entry=entry.number)
    return lists.scheme_hash


def has_signed_report(protocol: LoadedProtocol) -> bool:
    """Whether the vault keeps a report of exactly what would go live; it is verified anew each time."""
    lists = installed_lists()
    if lists is None:
        return False
    key = _key(lists.scheme_hash, protocol)
    row = Kept.objects.filter(kind=_KIND, key=key).first()
    if row is None:
        return False
    try:
        _require(open_bytes(bytes(row.sealed), purpose=_purpose(key)), protocol, lists.public_key)
    except ConductError:
        return False
    return True


def _require(data: bytes, protocol: LoadedProtocol, public_key: str) -> None:
    plan = plan_of(protocol)
    require_signed_report(
        plan.scheme_hash,
        data,
        public_key=bytes.fromhex(public_key),
        trial=plan.trial,
        protocol_digest=protocol.digest,
    )


def _key(scheme_hash: str, protocol: LoadedProtocol) -> str:
    return hashlib.sha256(f"{scheme_hash} {protocol.digest}".encode()).hexdigest()


def _purpose(key: str) -> str:
    return f"{_KIND} {key}"
