"""The log as it is read: who did what when and why; and the history of one value, for who sees the value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flarefree.conduct.audit.entries import Value
from flarefree.conduct.audit.exporting import tell_who_when_why
from flarefree.conduct.visibility import Actor
from flarefree.web.queries.scopes import require_seen
from flarefree.web.queries.seeing import see_thing
from flarefree.web.record.models import LogRow
from flarefree.web.record.reading import history_of

__all__ = ["Stood", "trail", "value_history"]


@dataclass(frozen=True, slots=True)
class Stood:
    """A value that stood, and who set it when; `number` is the entry's."""

    value: Value
    who: str
    role: str
    at: str
    number: int


def trail(
    actor: Actor, *, before: int | None = None, about: str = "", limit: int = 100
) -> tuple[dict[str, str | int], ...]:
    """Entries of the log, the latest first, without values, words and hashes (A8).

    Parameters
    ----------
    before : int, optional
        Only entries with a smaller number.
    about : str
        Only entries about this: `subject/017-004`, or all that begins so.
    limit : int

    Raises
    ------
    ConductError
        The actor may not read the trail.
    """
    require_seen(actor, "audit.trail")
    # Items are not read: a visit's have hundreds of hashes, and nobody here sees one.
    rows = LogRow.objects.only("number", "content").order_by("-number")
    if before is not None:
        rows = rows.filter(number__lt=before)
    if about:
        rows = rows.filter(about__startswith=about)
    return tell_who_when_why(_Line(row.number, json.loads(row.content)) for row in rows[:limit])


@dataclass(frozen=True, slots=True)
class _Line:
    """An entry without its items."""

    number: int
    content: dict[str, Any]


def value_history(actor: Actor, kind: str, key: str, attribute: str = "value") -> tuple[Stood, ...]:
    """Every value that stood in one place, in order; empty for who does not see the one that stands now."""
    thing = see_thing(actor, kind, key)
    if thing is None or attribute not in thing.facts:
        return ()
    facts = history_of(kind, key, attribute)
    seen = tuple(fact for fact in facts if fact.field == thing.facts[attribute].field)
    rows = {row.number: row.to_entry() for row in LogRow.objects.filter(number__in={f.entry for f in seen})}
    return tuple(
        Stood(
            fact.value,
            str(rows[fact.entry].content["who"]),
            str(rows[fact.entry].content["role"]),
            str(rows[fact.entry].content["at"]),
            fact.entry,
        )
        for fact in seen
    )
