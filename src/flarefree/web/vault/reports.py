"""The signed simulation of the scheme: kept in the vault, since it names block sizes and limits.

Going live asks whether there is one; the answer is yes or no.
"""

from __future__ import annotations

from datetime import datetime

from flarefree.conduct.randomization.reporting import require_signed_report
from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.vault.chain import add_entry, read_chain, sealed_change, vault_transaction
from flarefree.web.vault.keys import open_bytes, seal_bytes
from flarefree.web.vault.lists import InstalledLists, ListsStatus, installed_lists
from flarefree.web.vault.models import Kept

__all__ = ["keep_report", "lists_status"]

_KIND = "scheme_report"


def keep_report(data: bytes, *, by: Actor, request: str, at: datetime) -> None:
    """Keep the signed report of the scheme's simulation, without which no trial goes live (check F-7).

    Raises
    ------
    ConductError
        There are no lists, or it is no report of exactly their scheme and protocol, signed by whoever sealed
        them.
    """
    installed = installed_lists()
    if installed is None:
        raise ConductError("the vault holds no lists", try_="install the sealed lists first")
    _require(data, installed)
    with vault_transaction():
        if Kept.objects.filter(kind=_KIND, key=installed.sha256).exists():
            return
        head = read_chain()
        sealed = seal_bytes(data, purpose=_purpose(installed))
        Kept.objects.create(kind=_KIND, key=installed.sha256, subject="", sealed=sealed, entry=head.length)
        add_entry(
            head,
            at,
            who=by.person,
            role=by.role,
            action="draw",
            about="vault/report",
            reason_code="as_planned",
            protocol=installed.protocol_digest,
            request=f"report/{request}",
            changes=(sealed_change("vault/report", "scheme.report", sealed),),
        )


def lists_status() -> ListsStatus:
    """Whether the trial may go live by its lists; a report is verified anew each time."""
    installed = installed_lists()
    if installed is None:
        return ListsStatus(is_sealed=False)
    has_report = _has_report(installed)
    return ListsStatus(True, installed.scheme_hash, installed.sha256, installed.protocol_digest, has_report)


def _has_report(installed: InstalledLists) -> bool:
    row = Kept.objects.filter(kind=_KIND, key=installed.sha256).first()
    if row is None:
        return False
    try:
        _require(open_bytes(bytes(row.sealed), purpose=_purpose(installed)), installed)
    except ConductError:
        return False
    return True


def _require(data: bytes, installed: InstalledLists) -> None:
    require_signed_report(
        installed.scheme_hash,
        data,
        public_key=bytes.fromhex(installed.public_key),
        trial=installed.trial,
        protocol_digest=installed.protocol_digest,
    )


def _purpose(installed: InstalledLists) -> str:
    return f"{_KIND} {installed.sha256}"
