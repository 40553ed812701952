"""The one place that writes the record: an entry with its changes, all or nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from flarefree.conduct.audit import Change, Draft, Entry, Head, append_entry, begin_log
from flarefree.conduct.audit.entries import canonical
from flarefree.errors import ConductError
from flarefree.web.record import models
from flarefree.web.record.reading import batched, named, read_head

__all__ = ["apply_changes", "begin_record", "keep_entry", "split_record"]


def begin_record(trial: str) -> Head:
    """The log of a trial, begun on the first start and found again on later ones."""
    with transaction.atomic():
        head = read_head(for_update=True)
        if head is None:
            head = begin_log(f"{trial}/record/{secrets.token_hex(8)}")
            models.LogHead.objects.create(chain=head.chain, hash=head.hash)
    return head


def keep_entry(
    draft: Draft, *, fingerprint: str, answer: Callable[[Entry], object], head: Head | None = None
) -> Entry:
    """Add an entry and make its changes; called within a transaction, with the head locked.

    Raises
    ------
    ConductError
        The trial's log was never begun, or cannot be written.
    """
    head = head or read_head(for_update=True)
    if head is None:
        raise ConductError("the trial's log was not begun", try_="start the application by `flarefree serve`")
    entry = append_entry(head, draft)
    row = models.LogRow.of(entry)
    row.fingerprint, row.answer = fingerprint, canonical(answer(entry)).decode()
    row.save(force_insert=True)
    after = entry.head
    models.LogHead.objects.filter(chain=head.chain).update(length=after.length, hash=after.hash, at=after.at)
    apply_changes(entry.number, draft.changes)
    return entry


def split_record(record: str) -> tuple[str, str, str]:
    """`lab/7k3f/value` as kind, key and attribute."""
    kind, key, attribute = record.split("/")
    return kind, key, attribute


def apply_changes(number: int, changes: Iterable[Change]) -> None:
    """Make what the log says stand; also how the tables are made again from the log.

    Four statements, however many changes there are: a visit has a hundred.
    """
    told = [(*split_record(change.record), change) for change in changes]
    things = _things(number, told)
    rows = [
        (things[kind, key], attribute, change.field, json.dumps(change.new), number)
        for kind, key, attribute, change in told
    ]
    insert_rows(f"INSERT INTO record_latest {_COLUMNS} VALUES", rows, _STANDS_NOW)
    insert_rows(f"INSERT INTO record_value {_COLUMNS} VALUES", rows)


# Statements are written out: Django takes longer to put them together than the database to carry them out.
_COLUMNS = "(thing_id, attribute, field, value, entry)"
_STANDS_NOW = (
    "ON CONFLICT (thing_id, attribute) DO UPDATE "
    "SET field = excluded.field, value = excluded.value, entry = excluded.entry"
)
_MOST_ROWS = 500

Row = tuple[str | int, ...]


def insert_rows(into: str, rows: Sequence[Row], then: str = "") -> list[Row]:
    """Add rows, so many in a statement; what it returns, if it returns anything."""
    found: list[Row] = []
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        places = ", ".join([f"({', '.join(['%s'] * len(some[0]))})"] * len(some))
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(f"{into} {places} {then}", [value for row in some for value in row])
            if "RETURNING" in then:
                found += cursor.fetchall()
    return found


def _things(number: int, told: Sequence[tuple[str, str, str, Change]]) -> dict[tuple[str, str], int]:
    """Numbers of the things that changes are about, new ones made; each with its subject and site."""
    names = list(dict.fromkeys((kind, key) for kind, key, _, _ in told))
    found = {(t.kind, t.key): t for t in _of_names(names)}
    places = {
        (kind, key, attribute): str(change.new or "")
        for kind, key, attribute, change in told
        if attribute in {"subject", "site"}
    }
    for thing in found.values():
        thing.subject = places.get((thing.kind, thing.key, "subject"), thing.subject)
        thing.site = places.get((thing.kind, thing.key, "site"), thing.site)
    moved = [t for name, t in found.items() if (*name, "subject") in places or (*name, "site") in places]
    models.Thing.objects.bulk_update(moved, ["subject", "site"])
    new = [
        (kind, key, places.get((kind, key, "subject"), ""), places.get((kind, key, "site"), ""), number)
        for kind, key in names
        if (kind, key) not in found
    ]
    into = "INSERT INTO record_thing (kind, key, subject, site, since) VALUES"
    made = insert_rows(into, new, "RETURNING id, kind, key")
    return {name: t.pk for name, t in found.items()} | {(str(k), str(n)): int(i) for i, k, n in made}


def _of_names(names: Sequence[tuple[str, str]]) -> Iterator[models.Thing]:
    for some in batched(names):
        where, values = named(some)
        yield from models.Thing.objects.raw(f"SELECT * FROM record_thing WHERE {where}", values)
