"""Anchors: somebody outside signs how long a log is and where its chain stands.

The keeper of anchors holds a key that the writer of the log has not, gets the links since the last anchor
(hashes only, no content), sees for themselves that they extend what was anchored before, and signs log,
length, head and time together.  A rewritten, shortened or forked log finds no signature.  Anchors follow
each other by hash, so that one cannot be taken out of the middle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from flarefree.conduct.audit.entries import GENESIS, Entry, canonical, hash_of, read_time, time_text
from flarefree.errors import ConductError, MissingExtraError

__all__ = ["Anchor", "Link", "anchor_log", "anchors_file", "links_of", "public_key_of", "read_anchors"]

_KEY_BYTES = 32
_FIELDS = ("at", "chain", "head", "length", "number", "previous", "signature")


@dataclass(frozen=True, slots=True)
class Link:
    """What the keeper of anchors gets of an entry: nothing that it says."""

    number: int
    previous: str
    content_sha256: str

    def hash_in(self, chain: str) -> str:
        """The entry's hash, computed rather than believed."""
        return hash_of(
            "link",
            {
                "chain": chain,
                "content_sha256": self.content_sha256,
                "number": self.number,
                "previous": self.previous,
            },
        )


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed statement: at this time, this log had this length and this head.

    Attributes
    ----------
    chain, length, head : str, int, str
        The log, its number of entries, and the hash of the last.
    at : str
        By the keeper's clock.
    number, previous : int, str
        Its place among the log's anchors, and the hash of the anchor before.
    signature : str
        Ed25519 over all of these, in hexadecimal.
    """

    chain: str
    length: int
    head: str
    at: str
    number: int
    previous: str
    signature: str

    def to_dict(self) -> dict[str, str | int]:
        """For JSON."""
        return {name: getattr(self, name) for name in _FIELDS}

    @property
    def hash(self) -> str:
        """What the next anchor names."""
        return hashlib.sha256(b"flarefree audit anchor hash 1\n" + canonical(self.to_dict())).hexdigest()

    @property
    def message(self) -> bytes:
        """What its signature covers: all but the signature."""
        return _message({name: value for name, value in self.to_dict().items() if name != "signature"})


def links_of(entries: Iterable[Entry]) -> tuple[Link, ...]:
    """What is sent to the keeper of anchors."""
    return tuple(Link(entry.number, entry.previous, entry.content_sha256) for entry in entries)


def anchor_log(
    chain: str, last: Anchor | None, links: Iterable[Link], *, at: datetime, signing_key: bytes
) -> Anchor:
    """Sign where a log stands, after seeing that it extends what was signed before.

    Parameters
    ----------
    chain : str
        The log's name.
    last : Anchor or None
        The last one that the keeper signed for this log, from their own records.
    links : iterable of Link
        All entries since; none to say that nothing was added.
    at : datetime
        By the keeper's clock, in coordinated universal time.
    signing_key : bytes
        32 bytes, held by the keeper alone.

    Raises
    ------
    ConductError
        The links do not extend the last anchor, the anchor is another log's, or the clock went back.
    """
    length, head, number, previous = _where_it_stood(chain, last, at)
    for link in links:
        if (link.number, link.previous) != (length, head):
            raise ConductError(
                "the log does not extend what was anchored",
                where=f"{chain}, entry {link.number}",
                found=f"after {link.previous[:16]}…",
                expected=f"entry {length} after {head[:16]}…",
                try_="do not sign; have the log verified against the anchors kept so far",
            )
        length, head = length + 1, link.hash_in(chain)
    body: dict[str, Any] = {
        "at": time_text(at),
        "chain": chain,
        "head": head,
        "length": length,
        "number": number,
        "previous": previous,
    }
    private = _ed25519().Ed25519PrivateKey.from_private_bytes(_require_key(signing_key))
    return Anchor(signature=private.sign(_message(body)).hex(), **body)


def _where_it_stood(chain: str, last: Anchor | None, at: datetime) -> tuple[int, str, int, str]:
    if last is None:
        return 0, GENESIS, 0, GENESIS
    if last.chain != chain:
        raise ConductError(
            "the last anchor is another log's", where="chain", found=last.chain, expected=chain
        )
    if at < read_time(last.at):
        raise ConductError("the keeper's clock went back", where=chain, found=time_text(at), expected=last.at)
    return last.length, last.head, last.number + 1, last.hash


def _message(body: dict[str, Any]) -> bytes:
    return b"flarefree audit anchor 1\n" + canonical(body)


def public_key_of(signing_key: bytes) -> str:
    """The key that verifies, in hexadecimal: published before the first entry is written."""
    private = _ed25519().Ed25519PrivateKey.from_private_bytes(_require_key(signing_key))
    return str(private.public_key().public_bytes_raw().hex())


def anchors_file(anchors: Iterable[Anchor], public_key: str) -> bytes:
    """The file that the keeper gives out: anchors and the public key, as JSON."""
    told = {"anchors": [anchor.to_dict() for anchor in anchors], "public_key": public_key}
    return json.dumps(told, sort_keys=True, indent=1).encode() + b"\n"


def read_anchors(data: bytes) -> tuple[Anchor, ...]:
    """The anchors of a file, unverified: `verify_audit.py` verifies.

    Raises
    ------
    ConductError
        It is no such file.
    """
    try:
        return tuple(Anchor(**{name: told[name] for name in _FIELDS}) for told in json.loads(data)["anchors"])
    except (ValueError, TypeError, KeyError):
        raise ConductError("not a file of anchors", where="anchors", found=f"{len(data)} bytes") from None


def _require_key(key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise ConductError(
            "not a signing key",
            where="signing_key",
            found=f"{len(key)} bytes",
            expected=f"{_KEY_BYTES} bytes",
        )
    return key


def _ed25519() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError:
        raise MissingExtraError(
            "signing anchors needs the package cryptography",
            where="anchor_log",
            try_="pip install 'flarefree[web]'",
        ) from None
