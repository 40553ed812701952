"""Anchors as the record keeps them: what the keeper outside signed, and how much of the log that covers."""

from __future__ import annotations

import json
from typing import Any

from flarefree.conduct.audit import Anchor
from flarefree.conduct.audit.entries import GENESIS
from flarefree.errors import ConductError
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import read_things
from flarefree.web.trial import Standing

__all__ = ["ANCHOR", "is_anchored", "read_anchors", "require_anchor"]

ANCHOR = "anchor"
"""Kind; the key is the anchor's number."""
_NAMES = ("at", "chain", "head", "previous", "signature")


def read_anchors() -> tuple[Anchor, ...]:
    """All that were brought back, in order."""
    found = []
    for item in read_things(ANCHOR):
        told: dict[str, Any] = {name: str(item[name]) for name in _NAMES}
        found.append(Anchor(length=int(str(item["length"])), number=int(item.key), **told))
    return tuple(sorted(found, key=lambda anchor: anchor.number))


def is_anchored(standing: Standing) -> bool:
    """Whether nothing about any patient or case was logged since the last anchor.

    Log-ins and the anchor's own entry come after it; they change no datum of the trial.
    """
    anchors = read_anchors()
    if not anchors:
        return False
    later = LogRow.objects.filter(number__gte=anchors[-1].length)
    return not any(_is_of_data(row) for row in later.values_list("items", flat=True).iterator())


def _is_of_data(items: str) -> bool:
    records = (item["record"] for item in json.loads(items) if item["kind"] == "change")
    return any(record.split("/")[0] not in _NOT_DATA for record in records)


_NOT_DATA = frozenset(
    {"account", "anchor", "grant", "login", "matrix", "protocol", "reading", "site", "token", "trial"}
)


def require_anchor(anchor: Anchor, public_key: str) -> None:
    """Refuse an anchor that the keeper did not sign, or that is not one of this log.

    Raises
    ------
    ConductError
    """
    anchors = read_anchors()
    number, previous = (anchors[-1].number + 1, anchors[-1].hash) if anchors else (0, GENESIS)
    if (anchor.number, anchor.previous) != (number, previous):
        raise ConductError(
            "the anchor does not follow the last one",
            where="anchor",
            found=f"number {anchor.number} after {anchor.previous[:16]}…",
            expected=f"number {number} after {previous[:16]}…",
        )
    row = LogRow.objects.filter(number=anchor.length - 1).first()
    if row is None or (row.chain, row.hash) != (anchor.chain, anchor.head):
        raise ConductError(
            "the anchor is of another log, or this log is not what was anchored",
            where="anchor",
            found=f"{anchor.chain}, {anchor.length} entries, {anchor.head[:16]}…",
            try_="have the log verified by verify_audit.py before anything else",
        )
    if not _is_signed(anchor, public_key):
        raise ConductError(
            "the anchor is not signed by the keeper whose key was published",
            where="anchor",
            found=f"signature {anchor.signature[:16]}…",
            expected=f"one by the key {public_key[:16]}…",
        )


def _is_signed(anchor: Anchor, public_key: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(anchor.signature), anchor.message)
    except (InvalidSignature, ValueError):
        return False
    return True
