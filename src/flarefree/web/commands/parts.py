"""What commands of the clinical record share: whose row it is, what a name may be, where a status goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from flarefree.conduct.audit.entries import Value, read_time
from flarefree.conduct.schedule import SiteZones
from flarefree.conduct.visibility import Target, decide
from flarefree.conduct.workflow import MACHINES, Machine, possible_transitions, require_transition
from flarefree.errors import ConductError
from flarefree.web.commands.base import Asked, Write
from flarefree.web.commands.gates import date_at_site
from flarefree.web.commands.wording import FIRST_YEAR
from flarefree.web.record import models
from flarefree.web.record.reading import Item, history_of, read_thing
from flarefree.web.trial import running_trial

__all__ = [
    "NOTHING_HERE",
    "SUBJECT",
    "VISIT",
    "Day",
    "Key",
    "Line",
    "Number",
    "PartialDate",
    "Reason",
    "SubjectKey",
    "Text",
    "day_one_of",
    "earliest_of",
    "moved_to",
    "require_day",
    "require_nothing_later",
    "require_scope",
    "row_for",
    "slug_of",
    "status_of",
    "subject_for",
    "today_at",
    "writes_of",
    "zones_of",
]

NOTHING_HERE = "there is nothing here for you"
"""The words of every denial, as `conduct.visibility` has them: another site's patient does not exist."""

SUBJECT: Machine = next(machine for machine in MACHINES if machine.name == "subject")
VISIT: Machine = next(machine for machine in MACHINES if machine.name == "visit")


def _printable(text: str) -> str:
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text) or "\x7f" in text:
        raise ValueError("this text holds characters that cannot be printed")
    return text


Day = date
"""A date; fields of commands are called `date`, and would hide the type."""
SubjectKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,12}-[0-9]{3,6}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-]{1,80}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
"""One line of words."""
Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_printable)]
"""Words, or none."""
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_printable)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
"""A number as it was written, not negative."""


def _is_partial_date(text: str) -> str:
    parts = text.split("-")
    try:
        date(*(int(part) for part in (*parts, "1", "1")[:3]))
    except (ValueError, TypeError):
        raise ValueError("this is no date; expected 2026-03-14, or 2026-03, or 2026") from None
    return text


PartialDate = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"), AfterValidator(_is_partial_date)
]
"""A date of which the day, or the month too, may not be known: `2026-03-14`, `2026-03`, `2026`."""


def earliest_of(text: str) -> date:
    """The earliest day that a partial date allows, as files are read."""
    year, month, day = (*(int(part) for part in text.split("-")), 1, 1)[:3]
    return date(year, month, day)


def slug_of(name: str) -> str:
    """A visit's name as a key has it: `month-0`."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.casefold()).split())


# Whose row ----------------------------------------------------------------------------------------


def subject_for(asked: Asked, subject: str, verb: str, field: str) -> Item:
    """The patient, for somebody who may do this with their row; before any rule is told.

    A rule's words would tell that a patient of another site exists, so the matrix is asked first.

    Raises
    ------
    ConductError
        There is no such patient, or not for them: the same words.
    """
    item = read_thing("subject", subject)
    if item is None:
        raise ConductError(NOTHING_HERE)
    require_scope(asked, item.site, verb, field)
    return item


def row_for(asked: Asked, kind: str, key: str, verb: str) -> Item:
    """A row of some kind, under the same conditions; its field is that of its own values."""
    item = read_thing(kind, key)
    if item is None or not item.subject:
        raise ConductError(NOTHING_HERE)
    fields = {fact.field for name, fact in item.facts.items() if name not in {"subject", "site"}}
    for field in sorted(fields - {"findings.record"}):
        require_scope(asked, item.site, verb, field)
    return item


def require_scope(asked: Asked, site: str, verb: str, field: str) -> None:
    """Whether the asker may do this with a row of the site."""
    trial = running_trial()
    if asked.actor is None:
        return
    if not decide(trial.matrix, asked.actor, verb, field, trial.phase, Target(site)).is_allowed:
        raise ConductError(NOTHING_HERE)


# Time ---------------------------------------------------------------------------------------------


def today_at(site: str, asked: Asked) -> date:
    """The date at a site when it is asked."""
    return date_at_site(site, asked.at)


def zones_of(site: str) -> SiteZones:
    """A site's zones, with the instants at which it moved: from the log."""
    told = history_of("site", site, "zone")
    if not told:
        return SiteZones("UTC")
    rows = models.LogRow.objects.filter(number__in=[fact.entry for fact in told])
    times = {row.number: read_time(str(row.to_entry().content["at"])) for row in rows}
    moves = tuple((times[fact.entry], str(fact.value)) for fact in told[1:])
    return SiteZones(str(told[0].value), moves)


def day_one_of(subject: Item) -> date | None:
    """The date at the site when the patient was randomized; it stays wherever the site moves."""
    written = subject["day_one"]
    if written:
        return date.fromisoformat(str(written))
    if not subject["randomized_at"]:
        return None
    told = str(subject["randomized_at"])
    if len(told) == len("2026-01-05"):
        return date.fromisoformat(told)  # brought in from elsewhere, as a date at the site
    at = read_time(told)
    return zones_of(subject.site).date_at(at)


def require_day(asked: Asked, subject: Item, day: date, what: str = "date") -> None:
    """A date of something that took place: not in the future, not before birth.

    Raises
    ------
    ConductError
        It cannot be.
    """
    require_nothing_later(asked, subject.site, day, what)
    born = subject["birth_year"] or FIRST_YEAR
    if day.year < int(born):
        raise ConductError(
            "this is before the patient was born",
            where=what,
            found=day.isoformat(),
            expected=f"{born} or later",
            try_="correct the date, or the year of birth",
        )


def require_nothing_later(asked: Asked, site: str, day: date, what: str = "date") -> None:
    """A date that is not in the future at the site."""
    today = today_at(site, asked)
    if day > today:
        raise ConductError(
            "this date is in the future",
            where=what,
            found=day.isoformat(),
            expected=f"{today.isoformat()} (today at the site) or earlier",
        )


# Writes -------------------------------------------------------------------------------------------


def writes_of(
    kind: str,
    key: str,
    field: str,
    told: Mapping[str, Value],
    *,
    subject: Item | None = None,
    is_consequence: bool = False,
) -> tuple[Write, ...]:
    """Attributes of one thing, with the patient and site that it belongs to; what is None is left out."""
    whose: dict[str, Value] = {} if subject is None else {"subject": subject.key, "site": subject.site}
    return tuple(
        Write(kind, key, name, field, value, is_consequence)
        for name, value in {**whose, **told}.items()
        if value is not None
    )


def status_of(subject: Item) -> str:
    """Where a patient stands in the workflow's table."""
    return str(subject["status"] or SUBJECT.states[0])


def moved_to(
    asked: Asked,
    subject: Item,
    name: str,
    *,
    open_gates: Iterable[str] = (),
    reason: str = "",
    is_optional: bool = False,
) -> tuple[Write, ...]:
    """The status that a transition of the workflow's table leads to, as what follows from the command.

    Parameters
    ----------
    is_optional : bool
        Where it does not lead out of this state, nothing is written: what was recorded stands all the same.

    Raises
    ------
    ConductError
        The table refuses it.
    """
    trial, state = running_trial(), status_of(subject)
    phase = trial.phase
    if is_optional and name not in {row.name for row in possible_transitions(SUBJECT, state, phase)}:
        return ()
    status = require_transition(
        trial.matrix,
        SUBJECT,
        name,
        state=state,
        phase=phase,
        actor=asked.actor,
        target=Target(subject.site),
        open_gates=open_gates,
        reason=reason,
    )
    return (Write("subject", subject.key, "status", "subject.status", status, is_consequence=True),)
