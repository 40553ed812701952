"""Findings and the queries that ask about them: raised with what is odd, closed when it no longer is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from flarefree.conduct.audit.entries import Value
from flarefree.web.commands.base import Write
from flarefree.web.commands.naming import new_key
from flarefree.web.commands.parts import writes_of
from flarefree.web.forms.checking import Oddity
from flarefree.web.record.reading import Item, read_things

__all__ = ["BY_THE_SYSTEM", "closed_for", "is_open", "raised_for"]

BY_THE_SYSTEM = "system"


def raised_for(
    request: str,
    ordinal: int,
    subject: Item,
    about: str,
    oddities: Sequence[Oddity],
    today: date,
    *,
    visit: str = "",
    known: Iterable[Item] = (),
) -> tuple[Write, ...]:
    """A finding and a query for each oddity of one row that is not open already.

    Parameters
    ----------
    request, ordinal : str, int
        What names the new things; the ordinal is the row's among the request's.
    about : str
        The row: `lab/7k3f`.
    known : iterable of Item
        The patient's findings so far.
    """
    open_codes = {
        str(item["code"])
        for item in known
        if item.kind == "finding" and str(item["about"]) == about and is_open(item)
    }
    writes: list[Write] = []
    for n, oddity in enumerate(oddities):
        if oddity.code in open_codes:
            continue
        key = new_key(request, 100_000 + 10 * ordinal + n)
        shared: dict[str, Value] = {"about": about, "visit": visit or None, "raised_on": today.isoformat()}
        finding = {"code": oddity.code, "severity": "warning", "message": oddity.message, "status": "open"}
        query = {"question": oddity.question, "status": "open", "raised_by": BY_THE_SYSTEM, "finding": key}
        writes += writes_of(
            "finding", key, "findings.record", {**shared, **finding}, subject=subject, is_consequence=True
        )
        writes += writes_of(
            "query", key, "queries.record", {**shared, **query}, subject=subject, is_consequence=True
        )
    return tuple(writes)


def closed_for(
    subject: Item, about: str, still: Iterable[str], today: date, *, because: str = "the value was corrected"
) -> tuple[Write, ...]:
    """Findings of a row that hold no longer, and what the system asked about them, closed."""
    kept = set(still)
    gone = [
        item
        for item in read_things("finding", subject=subject.key)
        if str(item["about"]) == about and is_open(item) and str(item["code"]) not in kept
    ]
    queries = {item.key: item for item in read_things("query", subject=subject.key)} if gone else {}
    writes: list[Write] = []
    for finding in gone:
        told: dict[str, Value] = {"status": "closed", "closed_on": today.isoformat()}
        writes += writes_of("finding", finding.key, "findings.record", told, is_consequence=True)
        asked = queries.get(finding.key)
        if asked is not None and is_open(asked):
            closed: dict[str, Value] = {**told, "closed_by": BY_THE_SYSTEM, "closing_words": because}
            writes += writes_of("query", asked.key, "queries.record", closed, is_consequence=True)
    return tuple(writes)


def is_open(item: Item) -> bool:
    """Of a finding or a query: not closed."""
    return str(item["status"]) != "closed"
