"""Reading how participation ended, and where a patient stands in the schedule; shared by several commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from flarefree.conduct.schedule import Happened
from flarefree.conduct.withdrawals import Attempt, Ending, EndingEntry, Participation, participation_of
from flarefree.errors import ConductError
from flarefree.web.commands.gates import stands
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial

__all__ = [
    "Followed",
    "attempts_of",
    "endings_from",
    "endings_of",
    "followed_of",
    "happened_from",
    "participation_from",
    "require_participating",
]

_TOOK_PLACE = frozenset({"entered", "signed", "verified"})


def endings_of(subject: str) -> tuple[EndingEntry, ...]:
    """All entries of a patient's endings, corrected ones too, from the record."""
    kinds = ("withdrawal", "consent")
    return endings_from([item for kind in kinds for item in read_things(kind, subject=subject)])


def endings_from(items: Iterable[Item]) -> tuple[EndingEntry, ...]:
    """The same from things that were read already, of one patient."""
    found = []
    for item in sorted(items, key=lambda item: item.since):
        if item.kind == "withdrawal":
            found.append(_ending(item))
        elif item.kind == "consent" and item["withdrawn_on"] and stands(item):
            when = date.fromisoformat(str(item["withdrawn_on"]))
            found.append(EndingEntry(item.key, Ending.CONSENT, when, str(item["extent"] or "")))
    return tuple(found)


def _ending(item: Item) -> EndingEntry:
    return EndingEntry(
        id=item.key,
        what=Ending(str(item["what"])),
        date=date.fromisoformat(str(item["date"])),
        reason=str(item["reason"] or ""),
        attempts=attempts_from(str(item["attempts"] or "[]")),
        supersedes=str(item["supersedes"] or ""),
        why=str(item["why"] or ""),
        is_void=item["is_void"] is True,
    )


def attempts_from(text: str) -> tuple[Attempt, ...]:
    """Attempts as an ending keeps them."""
    return tuple(Attempt(date.fromisoformat(day), by, how) for day, by, how in json.loads(text))


def attempts_of(items: Iterable[Item]) -> tuple[Attempt, ...]:
    """Contacts that were tried in vain since the patient was last reached."""
    contacts = sorted(
        (item for item in items if item.kind == "contact" and stands(item)),
        key=lambda item: (str(item["date"]), item.since),
    )
    tried: list[Attempt] = []
    for item in contacts:
        if item["reached"] is True:
            tried = []
        else:
            when = date.fromisoformat(str(item["date"]))
            tried.append(Attempt(when, str(item["by"] or ""), str(item["how"] or "")))
    return tuple(tried)


def happened_from(items: Iterable[Item]) -> tuple[Happened, ...]:
    """Visits and contacts of one patient that took place."""
    found = []
    for item in items:
        if not stands(item) or not item["date"]:
            continue
        if item.kind == "visit" and str(item["status"]) in _TOOK_PLACE:
            found.append(Happened(str(item["visit"]), date.fromisoformat(str(item["date"]))))
        elif item.kind == "contact" and item["reached"] is True and item["contact"]:
            found.append(Happened(str(item["contact"]), date.fromisoformat(str(item["date"]))))
    return tuple(found)


def participation_from(items: Iterable[Item]) -> Participation:
    """Where a patient stands, from all their things."""
    kept = tuple(items)
    spec = running_trial().protocol.spec
    visits = [
        date.fromisoformat(str(item["date"]))
        for item in kept
        if item.kind == "visit" and stands(item) and item["date"] and str(item["status"]) in _TOOK_PLACE
    ]
    return participation_of(spec, endings_from(kept), max(visits, default=None))


def require_participating(items: Iterable[Item], when: date) -> None:
    """Refuse what took place after consent or life ended; what was recorded before is kept.

    Raises
    ------
    ConductError
    """
    standing = participation_from(items)
    for ended, words in ((standing.consent_ended, "consent was withdrawn"), (standing.died, "death")):
        if ended is not None and when > ended:
            raise ConductError(
                f"this is after {words}",
                where="date",
                found=when.isoformat(),
                expected=f"{ended.isoformat()} or earlier; what was recorded before is kept",
            )


@dataclass(frozen=True)
class Followed:
    """One patient's follow-up as the schedule asks for it.

    Attributes
    ----------
    participation : Participation
    happened : tuple of Happened
    visits : mapping of str to Item
        By the visit's name.
    """

    participation: Participation
    happened: tuple[Happened, ...]
    visits: Mapping[str, Item] = field(default_factory=dict)


def followed_of(items: Iterable[Item]) -> Followed:
    """From all things of one patient."""
    kept = tuple(items)
    visits = {str(item["visit"]): item for item in kept if item.kind == "visit" and stands(item)}
    return Followed(participation_from(kept), happened_from(kept), visits)
