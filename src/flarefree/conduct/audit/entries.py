"""An entry of the log: what it says, how it is hashed, and how the next one follows.

An entry has three layers, each kept by a hash of the one below: items (old and new values, the reason's
words), content (who, when, where, which request, under which protocol) and link (which log, which number,
after which entry).  Items and content hold random salts, so that a layer can be withheld from a reader
without breaking the chain, and cannot be guessed from its hash.  Equations: `docs/methods/audit-chain.md`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flarefree.errors import ConductError

__all__ = [
    "GENESIS",
    "Change",
    "Draft",
    "Entry",
    "Head",
    "Value",
    "append_entry",
    "begin_log",
    "canonical",
    "hash_of",
    "time_text",
]

Value = str | int | bool | None
"""What a field may hold.  No floating-point number: a value is kept as it was written, `132.4` as text."""

GENESIS = "0" * 64
"""What the first entry follows."""

_SALT_BYTES = 16
_LARGEST_WHOLE = 2**53 - 1  # beyond it a reader in another language may read another number
_HEX64 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one record, before and after; `None` is absent.

    Attributes
    ----------
    record : str
        `subject/017-004`, `visit/017-004/month-9`.
    field : str
        As the role matrix names it.
    old, new : text, whole number, truth value or None
    """

    record: str
    field: str
    old: Value
    new: Value

    def __post_init__(self) -> None:
        for name in ("record", "field"):
            _require_words(getattr(self, name), f"change.{name}")
        for name in ("old", "new"):
            _require_value(getattr(self, name), f"{self.record}.{self.field}", name)
        if _same(self.old, self.new):
            raise ConductError(
                "a change changes something", where=f"{self.record}.{self.field}", found=repr(self.new)
            )

    @property
    def is_correction(self) -> bool:
        """Whether an earlier value is replaced."""
        return self.old is not None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be logged, before it has its place.

    Attributes
    ----------
    who, role : str
        Account, and the role in which it acted.
    at : datetime
        Coordinated universal time.
    zone : str
        Time zone of the site, as the IANA names it.
    action : str
        A verb of the role matrix.
    about : str
        The record that it is mainly about.
    reason_code : str
        From a closed list; readable by everybody who may read the log.
    reason : str
        In words; needed where an earlier value is replaced.  Withheld where its writer knew more than its
        reader may.
    protocol : str
        SHA-256 of the protocol in force, in hexadecimal.
    request : str
        Identifier of the request: one request, one entry.
    changes : tuple of Change
        None for what only looked, or only asked.
    """

    who: str
    role: str
    at: datetime
    zone: str
    action: str
    about: str
    reason_code: str
    protocol: str
    request: str
    reason: str = ""
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        for name in ("who", "role", "action", "about", "reason_code", "request"):
            _require_words(getattr(self, name), f"entry.{name}")
        _require_utc(self.at)
        _require_zone(self.zone)
        if not _HEX64.match(self.protocol):
            raise ConductError(
                "not the digest of a protocol",
                where="entry.protocol",
                found=repr(self.protocol)[:80],
                expected="SHA-256 in 64 hexadecimal digits",
            )
        self._require_reason()
        self._require_each_once()

    def _require_reason(self) -> None:
        corrected = [change for change in self.changes if change.is_correction]
        if corrected and not self.reason.strip():
            raise ConductError(
                "a value that replaces another needs its reason",
                where=f"{corrected[0].record}.{corrected[0].field}",
                found="no reason",
                expected="a reason in words",
            )

    def _require_each_once(self) -> None:
        fields = Counter((change.record, change.field) for change in self.changes)
        twice = next((pair for pair, times in fields.items() if times > 1), None)
        if twice is not None:
            raise ConductError("a field is changed twice in one entry", where=".".join(twice))


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: all that is needed to write its next entry.

    Attributes
    ----------
    chain : str
        The log's name, which no other log has.
    length : int
        Entries so far.
    hash : str
        Of the last entry; `GENESIS` of an empty log.
    at : datetime, optional
        Time of the last entry.
    """

    chain: str
    length: int = 0
    hash: str = GENESIS
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in its place.

    Attributes
    ----------
    chain, number, previous : str, int, str
        Its link: which log, its place from 0, hash of the entry before.
    content : mapping
        Who, role, time, zone, action, record, reason code, protocol, request, salt, and the hashes of its
        items.
    items : tuple of mapping
        Changes and the reason in words, each with its salt.
    content_sha256, hash : str
    """

    chain: str
    number: int
    previous: str
    content: Mapping[str, Any]
    items: tuple[Mapping[str, Any], ...]
    content_sha256: str
    hash: str

    @property
    def head(self) -> Head:
        """The log's head once this entry is its last."""
        return Head(self.chain, self.number + 1, self.hash, read_time(self.content["at"]))

    @property
    def receipt(self) -> str:
        """What the one who acted may keep: `41:9f…`; the verifier takes it as a witness."""
        return f"{self.number}:{self.hash}"

    @property
    def changes(self) -> tuple[Change, ...]:
        """What it changed."""
        return tuple(
            Change(item["record"], item["field"], item["old"], item["new"])
            for item in self.items
            if item["kind"] == "change"
        )

    @property
    def reason(self) -> str:
        """The reason in words."""
        return next((str(item["text"]) for item in self.items if item["kind"] == "reason"), "")


def begin_log(chain: str) -> Head:
    """The head of an empty log.

    A log's name must be its own for all time, with something random in it: anchors are bound to it.
    """
    _require_words(chain, "chain")
    return Head(chain)


def append_entry(head: Head, draft: Draft, *, entropy: Callable[[int], bytes] = secrets.token_bytes) -> Entry:
    """The next entry of a log.

    Parameters
    ----------
    head : Head
        Read under the lock that the new entry is stored under.
    draft : Draft
    entropy : callable
        Gives so many secret random bytes, for salts; the operating system's unless a test needs others.

    Raises
    ------
    ConductError
        The entry is dated before the last one: the clock went back, and nothing may be logged until it is
        right.
    """
    if head.at is not None and draft.at < head.at:
        raise ConductError(
            "the clock went back",
            where=f"{head.chain}, entry {head.length}",
            found=time_text(draft.at),
            expected=f"{time_text(head.at)}, the time of the last entry, or later",
            try_="set the server's clock; nothing was changed",
        )
    items = tuple(_salted(item, entropy) for item in _items(draft))
    content = {
        "about": draft.about,
        "action": draft.action,
        "at": time_text(draft.at),
        "items": [hash_of("item", item) for item in items],
        "protocol": draft.protocol,
        "reason_code": draft.reason_code,
        "request": draft.request,
        "role": draft.role,
        "salt": entropy(_SALT_BYTES).hex(),
        "who": draft.who,
        "zone": draft.zone,
    }
    return place_entry(head.chain, head.length, head.hash, content, items)


def place_entry(
    chain: str, number: int, previous: str, content: Mapping[str, Any], items: tuple[Mapping[str, Any], ...]
) -> Entry:
    """An entry with its hashes."""
    content_sha256 = hash_of("content", content)
    link = {"chain": chain, "content_sha256": content_sha256, "number": number, "previous": previous}
    return Entry(
        chain,
        number,
        previous,
        MappingProxyType(dict(content)),
        tuple(MappingProxyType(dict(item)) for item in items),
        content_sha256,
        hash_of("link", link),
    )


def _items(draft: Draft) -> list[dict[str, Value]]:
    found: list[dict[str, Value]] = [
        {"field": c.field, "kind": "change", "new": c.new, "old": c.old, "record": c.record}
        for c in draft.changes
    ]
    if draft.reason.strip():
        found.append({"kind": "reason", "text": draft.reason})
    return found


def _salted(item: dict[str, Value], entropy: Callable[[int], bytes]) -> dict[str, Value]:
    return item | {"salt": entropy(_SALT_BYTES).hex()}


# Bytes and hashes --------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """JSON with sorted names, no spaces, ASCII only: the one spelling of a value."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def hash_of(layer: str, value: Mapping[str, Any]) -> str:
    """SHA-256 of a layer; its name stands before it, so that no layer passes for another."""
    return hashlib.sha256(f"flarefree audit {layer} 1\n".encode() + canonical(dict(value))).hexdigest()


def time_text(at: datetime) -> str:
    """`2026-11-20T15:31:00.000000Z`: always so long, so that times sort as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """The time that `time_text` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


# What cannot be logged ---------------------------------------------------------------------------


def _same(one: Value, other: Value) -> bool:
    return type(one) is type(other) and one == other  # True is not 1 here


def _require_words(text: object, where: str) -> None:
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise ConductError(
            "an entry says this", where=where, found=repr(text)[:80], expected="printable text"
        )


def _require_value(value: object, where: str, name: str) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int) and abs(value) <= _LARGEST_WHOLE:
        return
    raise ConductError(
        "a value is logged as it was written",
        where=where,
        found=f"{name} is {type(value).__name__}",
        expected="text, a whole number below 2^53, a truth value, or nothing",
        try_="keep the text that was entered: '132.4', not 132.4",
    )


def _require_utc(at: datetime) -> None:
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        raise ConductError(
            "entries are dated in coordinated universal time",
            where="entry.at",
            found=at.isoformat(),
            expected="a time in UTC; the site's zone stands beside it",
        )


def _require_zone(zone: str) -> None:
    if zone == "UTC":
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise ConductError(
            "not a time zone",
            where="entry.zone",
            found=repr(zone)[:80],
            expected="a name such as Europe/Berlin",
        ) from None
