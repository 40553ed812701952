"""What lists and dashboards rest on: the few values of each patient that they need, kept in memory.

A trial of a thousand patients has millions of values; a list needs a few of each patient.  They are read once
in a process, and after that only of patients of whom something was written since: the record only grows, and
its rows are numbered in the order in which they were committed.  Nothing here is filtered: queries are.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from types import MappingProxyType

from django.db import connection

from flarefree.conduct.schedule import Due, Overdue, dues_of, overdue_of
from flarefree.web.clock import now
from flarefree.web.commands.endings import Followed, followed_of
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.parts import day_one_of
from flarefree.web.record.reading import Fact, Item, read_head
from flarefree.web.trial import running_trial

__all__ = ["Board", "Patient", "board_now", "warm_up"]

_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "visit": ("subject", "site", "visit", "date", "status", "void"),
        "contact": ("subject", "site", "contact", "date", "reached", "void"),
        "withdrawal": (),
        "consent": ("subject", "site", "given_on", "withdrawn_on", "extent", "void"),
        "subject": (),
        "query": (),
        "drug_flag": ("subject", "site", "status", "message"),
        "adverse_event": ("subject", "site", "is_serious", "start", "verbatim", "void"),
    }
)
"""Kinds with the attributes that lists need of them; all of them if none is named."""


@dataclass(frozen=True)
class Patient:
    """One patient's things, as far as lists need them.

    Attributes
    ----------
    subject : Item
    items : tuple of Item
        All kinds of the board, the subject too.
    results : mapping of str to int
        How many results of each measure stand.
    """

    subject: Item
    items: tuple[Item, ...]
    results: Mapping[str, int] = field(default_factory=dict)
    _overdue: dict[tuple[str, date], tuple[Overdue, ...]] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """Their number: `017-004`."""
        return self.subject.key

    @property
    def site(self) -> str:
        """Their site's code."""
        return self.subject.site

    @cached_property
    def day_one(self) -> date | None:
        """The date of randomization at the site."""
        return day_one_of(self.subject)

    @cached_property
    def followed(self) -> Followed:
        """Participation, and what took place."""
        return followed_of(self.items)

    @cached_property
    def dues(self) -> tuple[Due, ...]:
        """All that is planned; nothing before randomization."""
        if self.day_one is None:
            return ()
        return dues_of(running_trial().protocol.spec, self.day_one, self.followed.participation)

    def overdue(self, today: date) -> tuple[Overdue, ...]:
        """What is overdue on a date at the site; a visit that was marked as missed is not."""
        key = (running_trial().protocol_digest, today)
        if key not in self._overdue:
            missed = {name for name, visit in self.followed.visits.items() if visit["status"] == "missed"}
            dues = (due for due in self.dues if due.name not in missed)
            self._overdue.clear()
            self._overdue[key] = overdue_of(self.key, self.site, dues, self.followed.happened, today)
        return self._overdue[key]

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Item, ...]]:
        found: dict[str, list[Item]] = {}
        for item in self.items:
            if item["void"] is not True:
                found.setdefault(item.kind, []).append(item)
        return {kind: tuple(items) for kind, items in found.items()}

    @cached_property
    def visit_statuses(self) -> Mapping[str, int]:
        """How many visits stand in each status."""
        return Counter(str(visit["status"]) for visit in self.of_kind("visit"))

    def of_kind(self, kind: str) -> tuple[Item, ...]:
        """Things of a kind that stand."""
        return self._by_kind.get(kind, ())


@dataclass(frozen=True)
class Board:
    """All patients, in the order of their numbers.

    Attributes
    ----------
    chain : str
        Of the log that it was read from.
    seen : int
        The last row that it has read.
    digest : str
        Of the protocol that its schedules follow.
    """

    chain: str
    seen: int
    digest: str
    patients: Mapping[str, Patient]

    def of_site(self, site: str) -> Iterator[Patient]:
        """Patients of a site; of all if none is named."""
        return (one for one in self.patients.values() if not site or one.site == site)


_EMPTY = Board("", 0, "", MappingProxyType({}))
_kept = _EMPTY
_lock = threading.Lock()


def board_now() -> Board:
    """The board as the record stands."""
    global _kept
    head = read_head()
    if head is None:
        return _EMPTY
    digest = running_trial().protocol_digest
    with _lock:
        last = _last_row()
        is_new = _kept.chain != head.chain or _kept.seen > last or _kept.digest != digest
        if is_new:
            _kept = Board(head.chain, last, digest, MappingProxyType(_read()))
        elif _kept.seen < last:
            changed = _changed(_kept.seen, last)
            patients = {**_kept.patients, **(_read(changed) if changed else {})}
            _kept = Board(head.chain, last, digest, MappingProxyType(dict(sorted(patients.items()))))
        return _kept


def warm_up() -> int:
    """Read the board and lay out every schedule, at a start: the first list is then as quick as the others.

    Returns
    -------
    int
        How many patients there are.
    """
    board, when = board_now(), now()
    for patient in board.patients.values():
        patient.overdue(date_at_site(patient.site, when))
    return len(board.patients)


def _last_row() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM record_value")
        return int(cursor.fetchone()[0])


_RESULTS = ("lab", "score")


def _changed(seen: int, last: int) -> tuple[str, ...]:
    """Patients of whom something that the board shows was written since."""
    kinds = (*_NEEDED, *_RESULTS)
    marks = ", ".join(["%s"] * len(kinds))
    statement = (
        "SELECT DISTINCT t.subject FROM record_value v JOIN record_thing t ON t.id = v.thing_id "
        f"WHERE v.id > %s AND v.id <= %s AND t.subject <> '' AND t.kind IN ({marks}) ORDER BY t.subject"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (seen, last, *kinds))
        return tuple(row[0] for row in cursor.fetchall())


def _read(subjects: tuple[str, ...] = ()) -> dict[str, Patient]:
    """Patients from the record: these, or all."""
    found: dict[str, list[Item]] = {}
    for some in _parts(subjects):
        for item in _items(some):
            found.setdefault(item.subject, []).append(item)
    results = _counts(subjects)
    patients = {}
    for key, items in sorted(found.items()):
        subject = next((item for item in items if item.kind == "subject"), None)
        if subject is not None:
            patients[key] = Patient(subject, tuple(items), results.get(key, {}))
    return patients


def _parts(subjects: tuple[str, ...], size: int = 400) -> Iterator[tuple[str, ...]]:
    if not subjects:
        yield ()
    for first in range(0, len(subjects), size):
        yield subjects[first : first + size]


def _items(subjects: tuple[str, ...]) -> Iterator[Item]:
    wanted, values = [], []
    for kind, attributes in _NEEDED.items():
        values.append(kind)
        if attributes:
            wanted.append(f"(t.kind = %s AND l.attribute IN ({', '.join(['%s'] * len(attributes))}))")
            values += attributes
        else:
            wanted.append("t.kind = %s")
    where = f"({' OR '.join(wanted)}) AND t.subject <> ''"
    if subjects:
        where += f" AND t.subject IN ({', '.join(['%s'] * len(subjects))})"
        values += subjects
    statement = (
        "SELECT t.id, t.kind, t.key, t.subject, t.site, t.since, l.attribute, l.value, l.field, l.entry "
        f"FROM record_thing t JOIN record_latest l ON l.thing_id = t.id WHERE {where} ORDER BY t.since, t.id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        yield from _gathered(cursor.fetchall())


def _gathered(rows: Iterable[tuple[object, ...]]) -> Iterator[Item]:
    meant: dict[str, object] = {}  # most values stand thousands of times: a status, a visit's name
    place: tuple[object, ...] = ()
    facts: dict[str, Fact] = {}
    for row in rows:
        if row[0] != (place[0] if place else None):
            if place:
                yield _item(place, facts)
            facts, place = {}, row[:6]
        text = str(row[7])
        if text not in meant:
            meant[text] = json.loads(text)
        facts[str(row[6])] = Fact(meant[text], str(row[8]), int(str(row[9])))  # type: ignore[arg-type]
    if place:
        yield _item(place, facts)


def _item(place: tuple[object, ...], facts: dict[str, Fact]) -> Item:
    _, kind, key, subject, site, since = place
    return Item(str(kind), str(key), str(subject), str(site), MappingProxyType(facts), int(str(since)))


def _counts(subjects: tuple[str, ...]) -> dict[str, Counter[str]]:
    """On how many days a result of each measure stands, by patient: two of one day are one."""
    found: dict[str, Counter[str]] = {}
    for some in _parts(subjects):
        marks = f" AND t.subject IN ({', '.join(['%s'] * len(some))})" if some else ""
        statement = (
            "SELECT t.subject, l.value, COUNT(DISTINCT d.value) FROM record_thing t "
            "JOIN record_latest l ON l.thing_id = t.id AND l.attribute = 'measure' "
            "JOIN record_latest d ON d.thing_id = t.id AND d.attribute = 'date' "
            f"WHERE t.kind IN (%s, %s){marks} AND NOT EXISTS ({_VOID}) GROUP BY t.subject, l.value"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, (*_RESULTS, *some))
            for subject, measure, count in cursor.fetchall():
                found.setdefault(subject, Counter())[json.loads(measure)] = count
    return found


_VOID = "SELECT 1 FROM record_latest v WHERE v.thing_id = t.id AND v.attribute = 'void' AND v.value = 'true'"
