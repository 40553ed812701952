"""The one place that writes the record: an entry with its changes, all or nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable

from django.db import transaction

from flarefree.conduct.audit import Change, Draft, Entry, Head, append_entry, begin_log
from flarefree.conduct.audit.entries import canonical
from flarefree.errors import ConductError
from flarefree.web.record import models
from flarefree.web.record.reading import read_head

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
    """Make what the log says stand; also how the tables are made again from the log."""
    for change in changes:
        kind, key, attribute = split_record(change.record)
        thing, _ = models.Thing.objects.get_or_create(kind=kind, key=key, defaults={"since": number})
        if attribute in {"subject", "site"}:
            setattr(thing, attribute, str(change.new or ""))
            thing.save(update_fields=[attribute])
        value = json.dumps(change.new)
        models.Latest.objects.update_or_create(
            thing=thing,
            attribute=attribute,
            defaults={"field": change.field, "value": value, "entry": number},
        )
        models.Value.objects.create(
            thing=thing, attribute=attribute, field=change.field, value=value, entry=number
        )
