"""What stands in the record, as plain values.  Who may see it is the business of `queries`, not of this.

A record's name in the log is `kind/key/attribute`: `lab/7k3f/value`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from flarefree.conduct.audit import Head
from flarefree.conduct.audit.entries import Value
from flarefree.web.record import models

__all__ = [
    "Fact",
    "Item",
    "batched",
    "facts_of",
    "history_of",
    "named",
    "read_ahead",
    "read_head",
    "read_standing",
    "read_thing",
    "read_things",
    "reading_once",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that stands, the field of the role matrix that it belongs to, and the entry that set it."""

    value: Value
    field: str
    entry: int


@dataclass(frozen=True, slots=True)
class Item:
    """A thing with all that is known of it now.

    Attributes
    ----------
    kind, key : str
    subject, site : str
        Empty where it belongs to none.
    facts : mapping of str to Fact
        By attribute.
    since : int
        Entry that first spoke of it: the order in which things came.
    """

    kind: str
    key: str
    subject: str
    site: str
    facts: Mapping[str, Fact]
    since: int

    def __getitem__(self, attribute: str) -> Value:
        """The value that stands, None if there is none."""
        fact = self.facts.get(attribute)
        return None if fact is None else fact.value

    @property
    def name(self) -> str:
        """As the log says it: `kind/key`."""
        return f"{self.kind}/{self.key}"


def read_thing(kind: str, key: str) -> Item | None:
    """One thing, None if nobody ever spoke of it."""
    return next(iter(_remembered(("thing", kind, key), lambda: _items(kind=kind, key=key))), None)


def read_things(
    kind: str = "", *, subject: str = "", site: str = "", attributes: tuple[str, ...] = ()
) -> tuple[Item, ...]:
    """Things of a kind, of a subject or of a site, in the order in which they came.

    Parameters
    ----------
    attributes : tuple of str
        Only these, for lists over many subjects; all if empty.
    """
    given = {"kind": kind, "subject": subject, "site": site}
    which = {name: value for name, value in given.items() if value}
    key = ("things", kind, subject, site, attributes)
    return _remembered(key, lambda: _items(attributes, **which))


# What a command reads is read once ----------------------------------------------------------------

_read: ContextVar[dict[tuple[object, ...], tuple[Item, ...]] | None] = ContextVar("read", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within the block what was read is not asked of the database again: for what is read under a lock.

    The block ends before anything is written.
    """
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def read_ahead(subject: str) -> None:
    """Read all that is known of a subject at once, where a command will ask for most of it; under a lock."""
    read = _read.get()
    if read is None:
        return
    items = read_things(subject=subject)
    kinds: dict[str, list[Item]] = {}
    for item in items:
        read["thing", item.kind, item.key] = (item,)
        kinds.setdefault(item.kind, []).append(item)
    read["subject", subject] = ()
    for kind, found in kinds.items():
        read["things", kind, subject, "", ()] = tuple(found)


def _remembered(key: tuple[object, ...], ask: Callable[[], Iterable[Item]]) -> tuple[Item, ...]:
    read = _read.get()
    if read is None:
        return tuple(ask())
    if key not in read:
        is_known = key[0] == "things" and key[3:] == ("", ()) and ("subject", key[2]) in read
        read[key] = () if is_known else tuple(ask())
    return read[key]


# Statements are written out: Django takes longer to put them together than the database to answer.
_STANDING = (
    "SELECT t.id, t.kind, t.key, t.subject, t.site, t.since, l.attribute, l.value, l.field, l.entry "
    "FROM record_thing t JOIN record_latest l ON l.thing_id = t.id WHERE "
)


def _items(attributes: tuple[str, ...] = (), **which: str) -> Iterator[Item]:
    asked = [f"t.{name} = %s" for name in which]
    values: list[str] = list(which.values())
    if attributes:
        asked.append(f"l.attribute IN ({', '.join(['%s'] * len(attributes))})")
        values += attributes
    where = " AND ".join(asked) or "1 = 1"
    place: tuple[int, str, str, str, str, int] | None = None
    facts: dict[str, Fact] = {}
    for *told, attribute, value, field, entry in _ask(
        f"{_STANDING}{where} ORDER BY t.since, t.id, l.id", values
    ):
        thing, kind, key, subject, site, since = told
        if place is not None and place[0] != thing:
            yield Item(*place[1:5], MappingProxyType(facts), place[5])
            facts = {}
        place = (thing, kind, key, subject, site, since)
        facts[attribute] = Fact(json.loads(value), field, entry)
    if place is not None:
        yield Item(*place[1:5], MappingProxyType(facts), place[5])


def _ask(statement: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def read_standing(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str, str], Value]:
    """The values that stand of some things, by kind, key and attribute."""
    found: dict[tuple[str, str, str], Value] = {}
    for some in batched(dict.fromkeys(names)):
        where, values = named(some, "t.")
        for row in _ask(f"{_STANDING}{where}", values):
            found[row[1], row[2], row[6]] = json.loads(row[7])
    return found


def named(names: Sequence[tuple[str, str]], table: str = "") -> tuple[str, list[str]]:
    """A condition on kind and key, kind by kind, so that the index is used; and its values."""
    by_kind: dict[str, list[str]] = {}
    for kind, key in names:
        by_kind.setdefault(kind, []).append(key)
    where = " OR ".join(
        f"({table}kind = %s AND {table}key IN ({', '.join(['%s'] * len(keys))}))" for keys in by_kind.values()
    )
    return where, [word for kind, keys in by_kind.items() for word in (kind, *keys)]


def batched(names: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """So many names at once as a statement can have."""
    rest = list(names)
    while rest:
        yield rest[:_MOST_NAMES]
        del rest[:_MOST_NAMES]


_MOST_NAMES = 400


def facts_of(kind: str, attribute: str) -> dict[str, Value]:
    """One attribute of all things of a kind, by key."""
    statement = (
        "SELECT t.key, l.value FROM record_thing t JOIN record_latest l ON l.thing_id = t.id "
        "WHERE t.kind = %s AND l.attribute = %s ORDER BY t.id"
    )
    return {key: json.loads(value) for key, value in _ask(statement, (kind, attribute))}


def history_of(kind: str, key: str, attribute: str) -> tuple[Fact, ...]:
    """Every value that stood, in order."""
    rows = models.Value.objects.filter(thing__kind=kind, thing__key=key, attribute=attribute)
    told = rows.order_by("entry").values_list("value", "field", "entry")
    return tuple(Fact(json.loads(value), field, entry) for value, field, entry in told)


def read_head(*, for_update: bool = False) -> Head | None:
    """Where the log stands, None before the first start.

    `for_update` locks it until the transaction's end: entries are added one after another.
    """
    rows = models.LogHead.objects.select_for_update() if for_update else models.LogHead.objects
    row = rows.first()
    return None if row is None else Head(row.chain, row.length, row.hash, row.at)
