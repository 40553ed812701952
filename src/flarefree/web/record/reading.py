"""What stands in the record, as plain values.  Who may see it is the business of `queries`, not of this.

A record's name in the log is `kind/key/attribute`: `lab/7k3f/value`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flarefree.conduct.audit import Head
from flarefree.conduct.audit.entries import Value
from flarefree.web.record import models

__all__ = [
    "Fact",
    "Item",
    "facts_of",
    "history_of",
    "read_head",
    "read_standing",
    "read_thing",
    "read_things",
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
    return next(_items(kind=kind, key=key), None)


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
    return tuple(_items(attributes, **{name: value for name, value in given.items() if value}))


def _items(attributes: tuple[str, ...] = (), **which: str) -> Iterator[Item]:
    rows = models.Latest.objects.filter(**{f"thing__{name}": value for name, value in which.items()})
    if attributes:
        rows = rows.filter(attribute__in=attributes)
    told = rows.order_by("thing__since", "thing_id", "id").values_list(
        "thing_id", "thing__kind", "thing__key", "thing__subject", "thing__site", "thing__since",
        "attribute", "value", "field", "entry",
    )  # fmt: skip
    place: tuple[int, str, str, str, str, int] | None = None
    facts: dict[str, Fact] = {}
    for thing, kind, key, subject, site, since, attribute, value, field, entry in told.iterator():
        if place is not None and place[0] != thing:
            yield Item(*place[1:5], MappingProxyType(facts), place[5])
            facts = {}
        place = (thing, kind, key, subject, site, since)
        facts[attribute] = Fact(json.loads(value), field, entry)
    if place is not None:
        yield Item(*place[1:5], MappingProxyType(facts), place[5])


def read_standing(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str, str], Value]:
    """The values that stand of some things, by kind, key and attribute; a query for each kind."""
    by_kind: dict[str, set[str]] = {}
    for kind, key in names:
        by_kind.setdefault(kind, set()).add(key)
    found: dict[tuple[str, str, str], Value] = {}
    for kind, keys in by_kind.items():
        rows = models.Latest.objects.filter(thing__kind=kind, thing__key__in=keys)
        for key, attribute, value in rows.values_list("thing__key", "attribute", "value"):
            found[kind, key, attribute] = json.loads(value)
    return found


def facts_of(kind: str, attribute: str) -> dict[str, Value]:
    """One attribute of all things of a kind, by key."""
    rows = models.Latest.objects.filter(thing__kind=kind, attribute=attribute)
    return {key: json.loads(value) for key, value in rows.values_list("thing__key", "value")}


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
