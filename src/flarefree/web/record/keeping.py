"""The one place that writes the record: an entry with its changes, all or nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.db import transaction

from flarefree.conduct.audit import Change, Draft, Entry, Head, append_entry, begin_log
from flarefree.conduct.audit.entries import canonical
from flarefree.errors import ConductError
from flarefree.web.record import models
from flarefree.web.record.reading import batched, read_head

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
        (things[kind, key], attribute, change.field, json.dumps(change.new))
        for kind, key, attribute, change in told
    ]
    models.Latest.objects.bulk_create(
        [
            models.Latest(thing=thing, attribute=attribute, field=field, value=value, entry=number)
            for thing, attribute, field, value in rows
        ],
        update_conflicts=True,
        unique_fields=["thing", "attribute"],
        update_fields=["field", "value", "entry"],
    )
    models.Value.objects.bulk_create(
        models.Value(thing=thing, attribute=attribute, field=field, value=value, entry=number)
        for thing, attribute, field, value in rows
    )


def _things(number: int, told: Sequence[tuple[str, str, str, Change]]) -> dict[tuple[str, str], models.Thing]:
    """The things that changes are about, new ones made; each with the subject and site that it now has."""
    names = list(dict.fromkeys((kind, key) for kind, key, _, _ in told))
    found = {(t.kind, t.key): t for t in _of_names(names)}
    places = {
        (kind, key, attribute): str(change.new or "")
        for kind, key, attribute, change in told
        if attribute in {"subject", "site"}
    }
    new = [models.Thing(kind=kind, key=key, since=number) for kind, key in names if (kind, key) not in found]
    for thing in [*new, *found.values()]:
        thing.subject = places.get((thing.kind, thing.key, "subject"), thing.subject)
        thing.site = places.get((thing.kind, thing.key, "site"), thing.site)
    moved = [t for name, t in found.items() if (*name, "subject") in places or (*name, "site") in places]
    models.Thing.objects.bulk_update(moved, ["subject", "site"])
    made = models.Thing.objects.bulk_create(new)
    return found | {(t.kind, t.key): t for t in made}


def _of_names(names: Sequence[tuple[str, str]]) -> Iterator[models.Thing]:
    for some in batched(names):
        pairs = ", ".join(["(%s, %s)"] * len(some))
        statement = f"SELECT * FROM record_thing WHERE (kind, key) IN (VALUES {pairs})"
        yield from models.Thing.objects.raw(statement, [word for name in some for word in name])
