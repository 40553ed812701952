"""What could be done to a log by somebody who may write its storage, and where the verifier must see it.

An attacker has the export and everything that makes hashes, and lacks the keeper's signing key.  Each attack
gives the export and the anchors as somebody would receive them, and the entries within which it must be
located.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from flarefree.conduct.audit import (
    Change,
    Draft,
    Entry,
    Redaction,
    anchor_log,
    anchors_file,
    append_entry,
    begin_log,
    export_log,
    public_key_of,
)
from flarefree.conduct.audit.anchors import Anchor, links_of
from flarefree.conduct.audit.entries import Head, hash_of, place_entry, time_text

__all__ = ["Attack", "Log", "attacks", "edited_bytes", "honest_log"]

EVERY = 8
"""Entries from one anchor to the next."""

KEEPER = b"the keeper of anchors, not us.  "
ATTACKER = b"a key that nobody has published."
PROTOCOL = "5" * 64
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Log:
    """A log with its anchors, as an honest application and an honest keeper made them."""

    entries: tuple[Entry, ...]
    anchors: tuple[Anchor, ...]

    @property
    def export(self) -> bytes:
        """As a stranger gets it."""
        return b"".join(export_log(self.entries))

    @property
    def anchors_file(self) -> bytes:
        """From the keeper."""
        return anchors_file(self.anchors, public_key_of(KEEPER))


@dataclass(frozen=True, slots=True)
class Attack:
    """What a stranger receives after an attack.

    Attributes
    ----------
    name : str
    export, anchors : bytes
    first, last : int, optional
        The entries of which one must be named, within a stretch no wider than between two anchors; None
        where it is the anchors that were attacked.
    anchor : int, optional
        The anchor that must be named.
    receipts : tuple
        What honest users kept.
    widest : int
        Entries that the stretch may have.
    whole : bool
        Whether the stranger was promised everything.
    since : str
        When the stranger knows that the keeper has signed.
    """

    name: str
    export: bytes
    anchors: bytes
    first: int | None = None
    last: int | None = None
    anchor: int | None = None
    receipts: tuple[tuple[int, str], ...] = ()
    widest: int = EVERY
    whole: bool = False
    since: str = ""


def honest_log(chain: str, length: int, *, seed: int) -> Log:
    """A log of a trial, anchored once `EVERY` entries; the same seed gives the same bytes."""
    rng = random.Random(seed)
    entries: list[Entry] = []
    anchors: list[Anchor] = []
    state: dict[str, str] = {}
    head, last = begin_log(chain), None
    for i in range(length):
        entry = append_entry(head, _draft(i, rng, state), entropy=rng.randbytes)
        entries.append(entry)
        head = entry.head
        if (i + 1) % EVERY == 0:
            at = BEGIN + timedelta(minutes=i, seconds=30)
            last = anchor_log(chain, last, links_of(entries[-EVERY:]), at=at, signing_key=KEEPER)
            anchors.append(last)
    return Log(tuple(entries), tuple(anchors))


def _draft(i: int, rng: random.Random, state: dict[str, str]) -> Draft:
    subject = f"subject/{1 + rng.randrange(5):03d}"
    old, new = state.get(subject), f"{rng.randrange(40, 300)}.{i}"
    state[subject] = new
    return Draft(
        who=f"u-{rng.randrange(4)}",
        role="investigator",
        at=BEGIN + timedelta(minutes=i),
        zone="Europe/Berlin",
        action="record",
        about=subject,
        reason_code="first entry" if old is None else "transcription",
        reason="" if old is None else f"read again from the laboratory's sheet {i}",
        protocol=PROTOCOL,
        request=f"request-{i}",
        changes=(Change(subject, "creatinine", old, new),),
    )


# What an attacker makes --------------------------------------------------------------------------


def _export(entries: Sequence[Entry]) -> bytes:
    return b"".join(export_log(entries))


def _relinked(entries: Sequence[Entry], chain: str | None = None) -> list[Entry]:
    """Numbers and hashes made right again from the first entry on: all that needs no key."""
    out: list[Entry] = []
    head = Head(chain or entries[0].chain)
    for entry in entries:
        content = dict(entry.content) | {"items": [hash_of("item", item) for item in entry.items]}
        placed = place_entry(head.chain, head.length, head.hash, content, entry.items)
        out.append(placed)
        head = placed.head
    return out


def _with_value(entry: Entry, value: str) -> Entry:
    items = tuple(dict(i) | {"new": value} if i["kind"] == "change" else dict(i) for i in entry.items)
    return replace(entry, items=items)


def _with_time(entry: Entry, minutes: int) -> Entry:
    at = datetime.strptime(entry.content["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return replace(entry, content=dict(entry.content) | {"at": time_text(at - timedelta(minutes=minutes))})


def _with_request(entry: Entry, request: str) -> Entry:
    return replace(entry, content=dict(entry.content) | {"request": request})


def _at(entries: Sequence[Entry], n: int, make: Callable[[Entry], Entry]) -> list[Entry]:
    return [make(entry) if i == n else entry for i, entry in enumerate(entries)]


def _rehashed_alone(entry: Entry) -> Entry:
    content = dict(entry.content) | {"items": [hash_of("item", item) for item in entry.items]}
    return place_entry(entry.chain, entry.number, entry.previous, content, entry.items)


# The attacks -------------------------------------------------------------------------------------


def edited_bytes(log: Log, step: int) -> Iterator[Attack]:
    """Every `step`-th byte of the export turned into another, one at a time."""
    export, anchors = log.export, log.anchors_file
    line = 0
    for i, byte in enumerate(export):
        if i % step == 0:
            changed = export[:i] + bytes([byte ^ 1]) + export[i + 1 :]
            yield Attack(f"byte {i} of line {line + 1} edited", changed, anchors, line, line)
        line += byte == 10  # a newline belongs to the line that it ends


def attacks(log: Log, other: Log, n: int) -> Iterator[Attack]:
    """The attack set at entry `n`: each by somebody careless, and by somebody who mends all hashes."""
    yield from _edits(log, n)
    yield from _deletions(log, n)
    yield from _additions(log, n)
    yield from _whole_logs(log, other, n)
    yield from _anchors(log, other, n)


def _edits(log: Log, n: int) -> Iterator[Attack]:
    entries, anchors = log.entries, log.anchors_file
    value = _at(entries, n, lambda e: _with_value(e, "88.0"))
    yield Attack("edit value", _export(value), anchors, n, n)
    alone = [_rehashed_alone(e) if i == n else e for i, e in enumerate(value)]
    yield Attack("edit value, its own hashes mended", _export(alone), anchors, n, n)
    yield Attack("edit value, all hashes mended", _export(_relinked(value)), anchors, n, n)
    yield Attack("edit time", _export(_at(entries, n, lambda e: _with_time(e, 1))), anchors, n, n)
    late = _relinked(_at(entries, n, lambda e: _with_time(e, 1)))
    yield Attack("edit time, all hashes mended", _export(late), anchors, n, n)
    who = _at(entries, n, lambda e: replace(e, content=dict(e.content) | {"who": "u-9"}))
    yield Attack("edit who", _export(who), anchors, n, n)
    lines = log.export.splitlines(keepends=True)
    lines[n] = next(export_log([entries[n]], Redaction(sees_item=lambda _e, _i: False)))
    yield Attack("withhold a value from a whole export", b"".join(lines), anchors, n, n, whole=True)


def _deletions(log: Log, n: int) -> Iterator[Attack]:
    entries, anchors = log.entries, log.anchors_file
    rest = [*entries[:n], *entries[n + 1 :]]
    yield Attack("delete middle", _export(rest), anchors, n, n)
    yield Attack("delete middle, all hashes mended", _export(_relinked(rest)), anchors, n, n)
    length = len(entries)
    yield Attack("delete tail", _export(entries[:n]), anchors, n, n, widest=length)
    tail = (len(entries) // EVERY) * EVERY
    if tail < length:
        kept = entries[-1]
        yield Attack(
            "delete tail after the last anchor, against a receipt",
            _export(entries[:tail]),
            anchors,
            tail,
            length - 1,
            receipts=((kept.number, kept.hash),),
        )
    yield Attack("cut within a line", log.export[: len(_export(entries[: n + 1])) - 9], anchors, n, n)


def _additions(log: Log, n: int) -> Iterator[Attack]:
    entries, anchors = log.entries, log.anchors_file
    false = _with_request(_with_value(entries[n], "77.0"), "request-false")
    longer = [*entries[: n + 1], false, *entries[n + 1 :]]
    careless = [*entries[: n + 1], _rehashed_alone(_after(entries[n], false)), *entries[n + 1 :]]
    yield Attack("insert", _export(careless), anchors, n + 1, n + 1)
    yield Attack("insert, all hashes mended", _export(_relinked(longer)), anchors, n + 1, n + 1)
    yield Attack("repeat", _export([*entries[: n + 1], entries[n], *entries[n + 1 :]]), anchors, n, n)
    swapped = [*entries[:n], entries[n + 1], entries[n], *entries[n + 2 :]]
    yield Attack("reorder", _export(swapped), anchors, n, n + 1)
    yield Attack("reorder, all hashes mended", _export(_relinked(swapped)), anchors, n, n + 1)
    again = _relinked([*entries[:n], *(_with_value(e, "66.0") for e in entries[n:])])
    yield Attack("truncate and re-append", _export(again), anchors, n, n)


def _after(entry: Entry, false: Entry) -> Entry:
    return replace(false, number=entry.number + 1, previous=entry.hash)


def _whole_logs(log: Log, other: Log, n: int) -> Iterator[Attack]:
    anchors = log.anchors_file
    yield Attack("swap two logs", other.export, anchors, 0, 0)
    renamed = _export(_relinked(other.entries, log.entries[0].chain))
    yield Attack("swap two logs, renamed, all hashes mended", renamed, anchors, 0, 0)
    mixed = [*log.entries[:n], other.entries[n], *log.entries[n + 1 :]]
    yield Attack("an entry of another log", _export(mixed), anchors, n, n)
    rewritten = _export(_relinked([_with_value(e, "55.0") for e in log.entries]))
    yield Attack("full rewrite from genesis", rewritten, anchors, 0, 0)
    length = len(log.entries)
    yield Attack("replaced by an old backup", _export(log.entries[:n]), anchors, n, n, widest=length)
    grown = _relinked(
        [*log.entries[:n], *(_with_request(e, f"b-{i}") for i, e in enumerate(log.entries[n:]))]
    )
    yield Attack("old backup that went on", _export(grown), anchors, n, n)
    yield Attack("emptied but for the first entry", _export(log.entries[:1]), anchors, 1, 1, widest=length)


def _anchors(log: Log, other: Log, n: int) -> Iterator[Attack]:
    own, k = public_key_of(KEEPER), n // EVERY
    rewritten = _relinked([_with_value(e, "44.0") for e in log.entries])
    forged = _signed_by_attacker(rewritten, log.anchors)
    yield Attack("forge all anchors", _export(rewritten), anchors_file(forged, own), 0, 0, anchor=k)
    theirs = anchors_file(forged, public_key_of(ATTACKER))
    yield Attack("forge all anchors and name the forger's key", _export(rewritten), theirs, 0, 0, anchor=k)
    for name, changed in (
        ("length", replace(log.anchors[k], length=log.anchors[k].length + 1)),
        ("time", replace(log.anchors[k], at=time_text(BEGIN))),
        ("signature", replace(log.anchors[k], signature=log.anchors[k].signature[::-1])),
    ):
        set_in = [changed if i == k else a for i, a in enumerate(log.anchors)]
        yield Attack(f"edit the {name} of an anchor", log.export, anchors_file(set_in, own), anchor=k)
    foreign = [other.anchors[k] if i == k else a for i, a in enumerate(log.anchors)]
    yield Attack("another log's valid anchor", log.export, anchors_file(foreign, own), anchor=k)
    yield Attack("another log's anchors", log.export, other.anchors_file, 0, 0)
    if k:
        old = anchors_file(log.anchors[:k], own)
        length = log.anchors[k - 1].length
        backup = _export(log.entries[:length])
        yield Attack("old backup with its old anchors", backup, old, length, length, since=log.anchors[k].at)
    if k + 1 < len(log.anchors):
        fewer = [a for i, a in enumerate(log.anchors) if i != k]
        yield Attack("take an anchor out", log.export, anchors_file(fewer, own), anchor=k)


def _signed_by_attacker(entries: Sequence[Entry], anchors: Sequence[Anchor]) -> list[Anchor]:
    made: list[Anchor] = []
    last, begin = None, 0
    for anchor in anchors:
        at = datetime.strptime(anchor.at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        links = links_of(entries[begin : anchor.length])
        last = anchor_log(anchor.chain, last, links, at=at, signing_key=ATTACKER)
        made.append(last)
        begin = anchor.length
    return made
