"""The record looked through from its first entry: does the chain hold, and do the tables say what it says?

It runs at each start and before randomization goes on after a halt.  It is no substitute for the verifier
outside, which knows the anchors: here a log that was rewritten as a whole looks well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from flarefree.conduct.audit import Entry, Head, rebuild_state
from flarefree.conduct.audit.entries import Value, hash_of
from flarefree.conduct.audit.rebuilding import State, compare_states
from flarefree.errors import ConductError
from flarefree.web.record import models
from flarefree.web.record.reading import read_head

__all__ = ["Verified", "verify_record"]

_SHOWN = 20


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes
    ----------
    entries : int
        Looked through.
    differences : tuple of str
        In words, the first twenty; they name records and entries, and no value of a patient.
    """

    entries: int
    differences: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def verify_record() -> Verified:
    """Compare log, history and what stands, entry by entry."""
    walk = _Walk()
    try:
        state = rebuild_state(walk.entries())
    except ConductError as error:
        return Verified(walk.seen, (f"{error.where}: {error.what}",))
    found = [*walk.differences, *_of_head(walk), *_of_tables(state)]
    return Verified(walk.seen, tuple(found[:_SHOWN]))


class _Walk:
    """The log's entries, each compared with its own hashes and with the history that it made."""

    def __init__(self) -> None:
        self.seen = 0
        self.last: Entry | None = None
        self.differences: list[str] = []

    def entries(self) -> Iterator[Entry]:
        history = _history()
        entry_of_history, kept = next(history, (None, {}))
        for row in models.LogRow.objects.order_by("number").iterator(chunk_size=500):
            entry = row.to_entry()
            self._compare_hashes(row, entry)
            is_here = entry_of_history == entry.number
            self._compare_history(entry, kept if is_here else {})
            if is_here:
                entry_of_history, kept = next(history, (None, {}))
            self.seen, self.last = self.seen + 1, entry
            yield entry
        if entry_of_history is not None:
            self.differences.append(
                f"the history has values of entry {entry_of_history}, which the log has not"
            )

    def _compare_hashes(self, row: models.LogRow, entry: Entry) -> None:
        items = [hash_of("item", item) for item in entry.items]
        is_whole = row.hash == entry.hash and items == entry.content["items"]
        if not is_whole or (row.request, row.about) != (entry.content["request"], entry.content["about"]):
            self.differences.append(f"entry {entry.number} is not what its hashes say")

    def _compare_history(self, entry: Entry, kept: dict[str, tuple[str, str]]) -> None:
        told = {change.record: (change.field, json.dumps(change.new)) for change in entry.changes}
        self.differences += [
            f"{record}: the history differs from entry {entry.number}"
            for record in sorted({*told, *kept})
            if told.get(record) != kept.get(record)
        ]


def _history() -> Iterator[tuple[int, dict[str, tuple[str, str]]]]:
    """Values by the entry that set them; they were written in the order of the entries."""
    rows = models.Value.objects.order_by("entry", "id").values_list(
        "entry", "thing__kind", "thing__key", "attribute", "field", "value"
    )
    for entry, group in groupby(rows.iterator(chunk_size=2000), key=lambda row: row[0]):
        yield entry, {f"{kind}/{key}/{name}": (field, value) for _, kind, key, name, field, value in group}


def _of_head(walk: _Walk) -> Iterator[str]:
    head = read_head()
    if head is None:
        if walk.seen:
            yield "the log has entries and no head"
        return
    expected = walk.last.head if walk.last is not None else Head(head.chain)
    if (head.chain, head.length, head.hash) != (expected.chain, expected.length, expected.hash):
        yield f"the log's head says {head.length} entries, the log has {walk.seen}"


def _of_tables(rebuilt: State) -> Iterator[str]:
    """Records that differ, without their values: who reads this may not be allowed to see them."""
    kept: dict[str, dict[str, Value]] = {}
    places: dict[tuple[str, str], list[str]] = {}
    rows = models.Latest.objects.values_list(
        "thing__kind", "thing__key", "attribute", "field", "value", "thing__subject", "thing__site"
    )
    for kind, key, attribute, field, value, subject, site in rows.iterator(chunk_size=2000):
        places[kind, key] = [subject, site]
        told = json.loads(value)
        if told is not None:
            kept.setdefault(f"{kind}/{key}/{attribute}", {})[field] = told
    for line in compare_states(rebuilt, kept):
        yield line.split(": the log says")[0] + ": the log and the table differ"
    yield from _of_places(places, kept)


def _of_places(places: dict[tuple[str, str], list[str]], kept: dict[str, dict[str, Value]]) -> Iterator[str]:
    """Subject and site stand beside a thing too, so that rows are found by them."""
    for (kind, key), (subject, site) in places.items():
        for name, beside in (("subject", subject), ("site", site)):
            told = next(iter(kept.get(f"{kind}/{key}/{name}", {}).values()), "")
            if str(told) != beside:
                yield f"{kind}/{key}/{name}: the value and the thing differ"
