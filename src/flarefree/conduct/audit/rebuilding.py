"""The trial's current state from its log alone, and no change without an entry.

If the log says what happened, replaying it gives the database; where the two differ, one of them is wrong,
and `compare_states` names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from flarefree.conduct.audit.entries import Draft, Entry, Head, Value, append_entry
from flarefree.errors import ConductError

__all__ = ["State", "compare_states", "perform_audited", "rebuild_state"]

State = dict[str, dict[str, Value]]
"""Fields by record; an absent value has no key."""

T = TypeVar("T")


def rebuild_state(entries: Iterable[Entry]) -> State:
    """Replay a log.

    Raises
    ------
    ConductError
        An entry does not follow the one before, changes from a value that was not there, or answers a
        request that another entry has answered.
    """
    state: State = {}
    head: Head | None = None
    requests: dict[str, int] = {}
    for entry in entries:
        _require_next(entry, head)
        _require_new_request(entry, requests)
        for change in entry.changes:
            fields = state.setdefault(change.record, {})
            _require_old(entry, change.field, fields.get(change.field), change.old)
            if change.new is None:
                del fields[change.field]
            else:
                fields[change.field] = change.new
        head = entry.head
    return {record: fields for record, fields in state.items() if fields}


def compare_states(
    rebuilt: Mapping[str, Mapping[str, Value]], kept: Mapping[str, Mapping[str, Value]]
) -> tuple[str, ...]:
    """Where the log and a database differ: `subject/017-004.status: log says ..., database ...`; sorted."""
    lines = []
    for record in sorted({*rebuilt, *kept}):
        log, database = rebuilt.get(record, {}), kept.get(record, {})
        for field in sorted({*log, *database}):
            ours, theirs = log.get(field), database.get(field)
            if type(ours) is not type(theirs) or ours != theirs:
                lines.append(f"{record}.{field}: the log says {ours!r}, the database {theirs!r}")
    return tuple(lines)


def perform_audited(
    head: Head,
    draft: Draft,
    *,
    store: Callable[[Entry], None],
    apply: Callable[[Entry], T],
    append: Callable[[Head, Draft], Entry] = append_entry,
) -> tuple[Entry, T]:
    """Log first, then do; what cannot be logged is not done.

    Parameters
    ----------
    store : callable
        Keeps the entry, in the transaction that `apply` works in; whatever it raises stops the action.
    apply : callable
        Makes the change.  If it raises, the transaction with the entry is undone by the caller's database.

    Raises
    ------
    ConductError
        The entry could not be kept: the log is full, read-only or out of reach.
    """
    entry = append(head, draft)
    try:
        store(entry)
    except ConductError:
        raise
    except Exception as error:
        raise ConductError(
            "the audit trail cannot be written, so nothing was changed",
            where=f"{head.chain}, entry {entry.number}",
            found=type(error).__name__,
            try_="make room for the log, or bring its storage back; then ask again with the same request",
        ) from error
    return entry, apply(entry)


def _require_next(entry: Entry, head: Head | None) -> None:
    expected = head or Head(entry.chain)
    if (entry.chain, entry.number, entry.previous) != (expected.chain, expected.length, expected.hash):
        raise ConductError(
            "an entry does not follow the one before",
            where=f"{entry.chain}, entry {entry.number}",
            found=f"after {entry.previous[:16]}…",
            expected=f"entry {expected.length} after {expected.hash[:16]}…",
        )


def _require_new_request(entry: Entry, requests: dict[str, int]) -> None:
    request = str(entry.content["request"])
    if request in requests:
        raise ConductError(
            "one request has two entries",
            where=f"{entry.chain}, entry {entry.number}",
            found=f"request {request}, as in entry {requests[request]}",
        )
    requests[request] = entry.number


def _require_old(entry: Entry, field: str, kept: Value, told: Value) -> None:
    if type(kept) is not type(told) or kept != told:
        raise ConductError(
            "an entry changes a value that was not there",
            where=f"{entry.chain}, entry {entry.number}, {field}",
            found=repr(told)[:80],
            expected=repr(kept)[:80],
        )
