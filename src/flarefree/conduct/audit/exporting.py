"""A log as lines of JSON, whole or with what its reader must not see withheld; and read back.

A withheld layer is `null`; its hash stays, so the verifier still checks every link.  Blinded reviewers get
`tell_who_when_why`, which holds no hash at all: a hash over an arm differs where the arm does, even though
nobody can read it from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flarefree.conduct.audit.entries import Entry, canonical, hash_of, place_entry
from flarefree.errors import ConductError

__all__ = ["Redaction", "export_log", "read_export", "tell_who_when_why"]


class OpenEntry(Protocol):
    """An entry as far as a blinded reviewer sees it: no item, and no hash that would have to be computed."""

    @property
    def number(self) -> int:
        """Its place in the log."""

    @property
    def content(self) -> Mapping[str, Any]:
        """Who, when, what for."""


_OPEN_COLUMNS = ("at", "zone", "who", "role", "action", "about", "reason_code", "protocol", "request")


def _all(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Redaction:
    """What the reader of an export may see; everything, unless said otherwise.

    Attributes
    ----------
    sees_content : callable
        Entry to truth: who, when, why.
    sees_item : callable
        Entry and item to truth: a change's old and new values, or the reason's words.
    """

    sees_content: Callable[[Entry], bool] = _all
    sees_item: Callable[[Entry, Mapping[str, Any]], bool] = lambda _entry, _item: True

    def line(self, entry: Entry) -> dict[str, Any]:
        """An entry as this reader gets it."""
        shown = self.sees_content(entry)
        return {
            "chain": entry.chain,
            "content": dict(entry.content) if shown else None,
            "content_sha256": entry.content_sha256,
            "hash": entry.hash,
            "items": [dict(i) if shown and self.sees_item(entry, i) else None for i in entry.items],
            "number": entry.number,
            "previous": entry.previous,
        }


EVERYTHING = Redaction()


def export_log(entries: Iterable[Entry], redaction: Redaction = EVERYTHING) -> Iterator[bytes]:
    """Lines of an export, each with its newline."""
    for entry in entries:
        yield canonical(redaction.line(entry)) + b"\n"


def read_export(data: bytes, name: str = "export") -> tuple[Entry, ...]:
    """Entries of a whole export, hashes computed anew.

    Raises
    ------
    ConductError
        It is empty, cannot be read, something was withheld from it, or an entry is not what its hashes say.
        What was done to a log is told by `verify_audit.py`; here the first thing wrong stops.
    """
    if not data.strip():
        raise ConductError("the export is empty", where=name, expected="one line an entry")
    return tuple(_read_line(line, f"{name}:{i}") for i, line in enumerate(data.splitlines(), 1))


def _read_line(line: bytes, where: str) -> Entry:
    try:
        told = json.loads(line)
        entry = place_entry(
            told["chain"], told["number"], told["previous"], told["content"], tuple(told["items"])
        )
        is_true = EVERYTHING.line(entry) == told
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConductError(
            "not a whole entry", where=where, expected="an entry with its content and items"
        ) from None
    if not is_true or [hash_of("item", item) for item in entry.items] != entry.content["items"]:
        raise ConductError(
            "an entry is not what its hashes say", where=where, try_="run verify_audit.py on the export"
        )
    return entry


def tell_who_when_why(entries: Iterable[OpenEntry]) -> tuple[dict[str, str | int], ...]:
    """What a blinded reviewer of the log sees: who, role, when, where, what was done to which record, why.

    No value, no reason in words, no salt and no hash.  How many items an entry has is told neither.
    """
    return tuple(
        {"number": entry.number} | {name: entry.content[name] for name in _OPEN_COLUMNS} for entry in entries
    )
