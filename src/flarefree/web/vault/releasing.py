"""The release of arms to the analysis: two holders sign the same file, each with a share that only they have.

The body is made anew at each step from the lists and allocations of a locked trial, and so is the same at
both.  What is kept between the two steps is the first holder's signature; no share is kept, and without both
nobody, not even whoever runs this machine, can make a key file that the analysis takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flarefree.conduct.randomization.sealing import public_key_of, seal
from flarefree.errors import ConductError
from flarefree.readers.release_key import KIND, is_signed, render_release_key
from flarefree.web.vault.allocations import receipts_since
from flarefree.web.vault.arms import arms_of
from flarefree.web.vault.chain import add_entry, read_chain, sealed_change, vault_transaction
from flarefree.web.vault.keys import open_value, seal_value
from flarefree.web.vault.lists import current_lists
from flarefree.web.vault.models import Kept

__all__ = ["is_released", "key_file", "present_share", "signed_by"]

_SIGNATURE = "release_signature"


def present_share(
    share: bytes, *, public_key: str, person: str, request: str, at: datetime, protocol: str
) -> None:
    """Sign the key file with a holder's share; the share itself is forgotten.

    Parameters
    ----------
    share : bytes
        32 bytes.
    public_key : str
        As registered before the trial went live.
    person : str
        Who presents it.
    protocol : str
        Digest of the one in force, which the key will name.

    Raises
    ------
    ConductError
        It is not the share of that key.
    """
    if public_key_of(share).hex() != public_key:
        raise ConductError(
            "this is not the share that was registered",
            where="share",
            expected=f"the share whose public key begins {public_key[:16]}…",
        )
    with vault_transaction():
        if Kept.objects.filter(kind=_SIGNATURE, key=public_key).exists():
            return
        head = read_chain()
        signature = seal(KIND, _body(protocol), share).signature
        sealed = seal_value(signature, purpose=f"{_SIGNATURE} {public_key}")
        Kept.objects.create(kind=_SIGNATURE, key=public_key, subject="", sealed=sealed, entry=head.length)
        add_entry(
            head,
            at,
            who=person,
            role="key_holder",
            action="release",
            about="vault/release",
            reason_code="ceremony",
            protocol=protocol,
            request=f"share/{request}",
            changes=(sealed_change(f"release/{public_key}", "release.key_share", sealed),),
        )


def _body(protocol: str) -> dict[str, Any]:
    lists = current_lists()
    return {
        "allocations": arms_of(given.receipt.subject for given in receipts_since()),
        "lists_sha256": lists.sha256,
        "protocol_digest": protocol,
        "trial": lists.plan.trial,
    }


def signed_by() -> tuple[str, ...]:
    """Public keys of the shares that were presented."""
    return tuple(Kept.objects.filter(kind=_SIGNATURE).order_by("id").values_list("key", flat=True))


def is_released(holders: Sequence[str] = ()) -> bool:
    """Whether both holders have signed; those that the trial's record names unless told otherwise."""
    holders = holders or _registered()
    return len(set(holders)) == 2 and set(holders) <= set(signed_by())


def _registered() -> tuple[str, ...]:
    from flarefree.web.trial import running_trial

    facts = running_trial().standing().facts
    return tuple(str(facts[name]) for name in ("release_key_1", "release_key_2") if facts.get(name))


def key_file(*, who: str, role: str, request: str, at: datetime, protocol: str) -> bytes:
    """The file that `flarefree analyze --key` takes; that it was fetched is an entry of the vault's log.

    Raises
    ------
    ConductError
        Not both holders have signed, or something changed between their signatures.
    """
    holders = _registered()
    if not is_released(holders):
        raise ConductError("the key is not released", where="release", expected="shares of both key holders")
    with vault_transaction():
        rows = Kept.objects.filter(kind=_SIGNATURE, key__in=holders)
        signatures = {
            row.key: str(open_value(bytes(row.sealed), purpose=f"{_SIGNATURE} {row.key}")) for row in rows
        }
        add_entry(
            read_chain(),
            at,
            who=who,
            role=role,
            action="export",
            about="vault/release",
            reason_code="ceremony",
            protocol=protocol,
            request=f"key/{request}",
        )
        body = _body(protocol)
        if not all(is_signed(body, holder, signature) for holder, signature in signatures.items()):
            raise ConductError(
                "something changed between the two signatures",
                where="release",
                try_="have the vault's log verified; the ceremony is void",
            )
        return render_release_key(body, signatures)
