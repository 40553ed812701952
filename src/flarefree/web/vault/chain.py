"""The vault's transaction: one after another, each with its entry in the vault's own log, or nothing at all.

Nothing points to the log's head: the last row is the head, read under the lock.  Entries name no arm; where a
sealed value is kept, its entry holds the value's digest, so that an exchanged one is found.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction

from flarefree.conduct.audit import Change, Draft, Entry, Head, append_entry, begin_log
from flarefree.conduct.audit.entries import read_time
from flarefree.errors import ConductError
from flarefree.web.crashing import step
from flarefree.web.vault.models import VaultLogRow

__all__ = [
    "ALIAS",
    "add_entry",
    "ask",
    "begin_chain",
    "insert",
    "read_chain",
    "sealed_change",
    "vault_transaction",
]

ALIAS = "vault"
_LOCK = 0x666C617265  # "flare": PostgreSQL's advisory locks are numbers
_LONGEST_WAIT = timedelta(minutes=2)


@contextmanager
def vault_transaction() -> Iterator[None]:
    """Alone in the vault; committed, and on the disk, when it ends.

    SQLite takes its write lock as the transaction begins (`BEGIN IMMEDIATE`, from the settings).

    Raises
    ------
    RuntimeError
        Within another transaction of the vault, whose end would decide about this one.
    """
    with transaction.atomic(using=ALIAS, durable=True):
        connection = connections[ALIAS]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        step("vault: locked")
        yield
        step("vault: before commit")
    step("vault: committed")


def read_chain() -> Head:
    """The head of the vault's log.

    Raises
    ------
    ConductError
        No lists were installed, so there is no log.
    """
    rows = ask("SELECT chain, number, hash, content FROM vault_vaultlogrow ORDER BY number DESC LIMIT 1")
    if not rows:
        raise ConductError("the vault holds no lists", try_="install the sealed lists before going live")
    chain, number, last, content = rows[0]
    return Head(chain, number + 1, last, read_time(json.loads(content)["at"]))


def ask(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of the vault; statements are written out where an allocation comes by."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(statement, list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def insert(table: str, values: Mapping[str, Any]) -> None:
    """Add one row to a table of the vault; names of table and columns are this program's own."""
    places = ", ".join(["%s"] * len(values))
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", list(values.values()))


def begin_chain(trial: str) -> Head:
    """A new log; its name is its own for all time."""
    return begin_log(f"{trial}/vault/{secrets.token_hex(8)}")


def sealed_change(record: str, field: str, sealed: bytes) -> Change:
    """That a sealed value was kept: its digest, which a fresh nonce makes different each time."""
    return Change(record, field, None, f"sealed {hashlib.sha256(sealed).hexdigest()}")


def add_entry(head: Head, at: datetime, **told: Any) -> Entry:
    """The next entry, stored.

    A request that waited for its turn is dated by its turn, not before the entry that went first.

    Raises
    ------
    ConductError
        The clock went back by more than anybody waits.
    """
    if head.at is not None and timedelta(0) < head.at - at <= _LONGEST_WAIT:
        at = head.at
    entry = append_entry(head, Draft(at=at, zone="UTC", **told))
    step("vault: before entry")
    row = VaultLogRow.of(entry)
    insert(
        "vault_vaultlogrow",
        {
            "number": row.number,
            "chain": row.chain,
            "previous": row.previous,
            "hash": row.hash,
            "content": row.content,
            "items": row.items,
            "request": row.request,
            "about": row.about,
        },
    )
    step("vault: after entry")
    return entry
