"""How participation ends: study drug, study and consent, kept apart; and where every patient stands.

A stop of the drug ends the drug: visits go on to the last one.  A stop of the study ends visits, and the
drug with them; vital status is asked on.  Withdrawal of consent ends every contact, and keeps all data that
were recorded before.  Each is an entry of its own with a reason from a closed list; an entry is corrected by
another and none is removed.  A patient is lost only after attempts were made; nobody drops out of a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from flarefree.errors import ConductError
from flarefree.protocol.schema import Protocol

__all__ = [
    "Attempt",
    "ConsentReason",
    "Ending",
    "EndingEntry",
    "Participation",
    "Standing",
    "account_for",
    "add_ending",
    "current_endings",
    "participation_of",
    "reasons_of",
]

ATTEMPTS_BEFORE_LOST = 3
"""Failed attempts on different days before a patient may be called lost; a choice of ours."""

UNHEARD_AFTER = timedelta(days=45)
"""A patient on study of whom nothing was heard for longer is pointed out: a month and half; ours."""


class Ending(StrEnum):
    """What ends."""

    DRUG = "study drug"
    STUDY = "study"
    CONSENT = "consent"
    COMPLETED = "completed the study"
    DEATH = "death"


class ConsentReason(StrEnum):
    """How far consent is withdrawn; nobody need say why."""

    ALL = "all further contact and data"
    NOT_SAID = "reason not given"


class Standing(StrEnum):
    """Where a patient stands; everybody in exactly one place."""

    ON_TREATMENT = "on study drug"
    OFF_TREATMENT = "on study without study drug"
    COMPLETED = "completed"
    WITHDRAWN = "left the study"
    LOST = "lost to follow-up"
    CONSENT_WITHDRAWN = "consent withdrawn"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to reach a patient that failed."""

    date: date
    by: str
    how: str


@dataclass(frozen=True, slots=True)
class EndingEntry:
    """One entry: what ends, from which date on, why.

    Attributes
    ----------
    id : str
    what : Ending
    date : date
        The first date without it; of death and completion, their date.
    reason : str
        One of `reasons_of`; empty for completion and death.
    attempts : tuple of Attempt
        For a patient lost to follow-up.
    supersedes : str
        Id of the entry that this one corrects; `why` says why.
    is_void : bool
        The entry that is corrected should not have been made at all.
    """

    id: str
    what: Ending
    date: date
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    supersedes: str = ""
    why: str = ""
    is_void: bool = False


LOST = "LOST TO FOLLOW-UP"
CONSENT_TERMS = ("WITHDRAWAL BY SUBJECT", "WITHDRAWAL OF CONSENT")


def reasons_of(spec: Protocol, what: Ending) -> Mapping[str, tuple[str, ...]]:
    """The closed list of reasons, in print order, each with the coded terms that the data will have.

    Withdrawal of consent is no reason to stop the drug or to leave the study: it is an entry of its own.
    Death and completion have none.
    """
    if what is Ending.CONSENT:
        return {reason.value: CONSENT_TERMS[1:] for reason in ConsentReason}
    if what in (Ending.COMPLETED, Ending.DEATH):
        return {}
    apart = {*CONSENT_TERMS, "DEATH"} | ({LOST} if what is Ending.DRUG else set())
    return {
        reason: tuple(term for term in terms if term not in apart)
        for reason, terms in spec.withdrawals.reasons.items()
        if not set(terms) <= apart
    }


def add_ending(
    spec: Protocol, entries: tuple[EndingEntry, ...], entry: EndingEntry, day_one: date, today: date
) -> tuple[EndingEntry, ...]:
    """The entries with one more; the same for one that is there already.

    Raises
    ------
    ConductError
        The reason is not one of the list; the date is before day 1 or in the future; somebody is called
        lost without attempts; it ends what has ended; or it corrects an entry that is not there.
    """
    if entry in entries:
        return entries
    if any(other.id == entry.id for other in entries):
        raise ConductError("this id was used for another entry", where="id", found=entry.id)
    _require_date(entry, day_one, today)
    _require_correction(entries, entry)
    if not entry.is_void:
        _require_reason(spec, entry)
        _require_attempts(spec, entry)
        _require_open(entries, entry)
    return (*entries, entry)


def _require_date(entry: EndingEntry, day_one: date, today: date) -> None:
    if not day_one <= entry.date <= today:
        raise ConductError(
            "this date cannot be",
            where="date",
            found=entry.date.isoformat(),
            expected=f"{day_one.isoformat()} (day 1) to {today.isoformat()} (today)",
        )


def _require_correction(entries: tuple[EndingEntry, ...], entry: EndingEntry) -> None:
    current = {other.id for other in current_endings(entries)}
    if entry.supersedes and entry.supersedes not in current:
        raise ConductError(
            "there is no such entry to correct",
            where="supersedes",
            found=entry.supersedes,
            expected="a current one",
        )
    if bool(entry.supersedes) != bool(entry.why.strip()):
        what = "a correction says why" if entry.supersedes else "only a correction says why"
        raise ConductError(what, where="why", found=entry.why)
    if entry.is_void and not entry.supersedes:
        raise ConductError("only a correction voids an entry", where="is_void")


def _require_reason(spec: Protocol, entry: EndingEntry) -> None:
    known = reasons_of(spec, entry.what)
    if (entry.reason or known) and entry.reason not in known:
        raise ConductError(
            f"this is no reason of the list for the end of {entry.what.value}",
            where="reason",
            found=entry.reason or "nothing",
            expected="; ".join(known) or "none",
            try_="an entry of its own" if "onsent" in entry.reason else "",
        )


def _is_lost(spec: Protocol, entry: EndingEntry) -> bool:
    return LOST in spec.withdrawals.reasons.get(entry.reason, ())


def _require_attempts(spec: Protocol, entry: EndingEntry) -> None:
    days = {attempt.date for attempt in entry.attempts if attempt.date <= entry.date}
    if entry.what is Ending.STUDY and _is_lost(spec, entry) and len(days) < ATTEMPTS_BEFORE_LOST:
        raise ConductError(
            "a patient is lost only after attempts to reach them",
            where="attempts",
            found=f"{len(days)} on different days",
            expected=f"{ATTEMPTS_BEFORE_LOST} or more",
            try_="their relatives, their doctor, a letter; or leave them on the list of those not heard of",
        )


def _require_open(entries: tuple[EndingEntry, ...], entry: EndingEntry) -> None:
    """What has ended does not end again; leaving and completing exclude each other."""
    ended = {e.what: e for e in current_endings(entries) if e.id != entry.supersedes}
    exclusive = {Ending.STUDY: Ending.COMPLETED, Ending.COMPLETED: Ending.STUDY}
    for what in (entry.what, exclusive.get(entry.what)):
        if what is not None and what in ended:
            raise ConductError(
                f"there is an entry for this already: {what.value}",
                where="what",
                found=ended[what].date.isoformat(),
                try_=f"correct it: supersedes {ended[what].id}",
            )
    if Ending.DEATH in ended and entry.date > ended[Ending.DEATH].date:
        raise ConductError("this is after death", where="date", found=entry.date.isoformat())


def current_endings(entries: Iterable[EndingEntry]) -> tuple[EndingEntry, ...]:
    """The entries in force: neither corrected by another nor void."""
    kept = tuple(entries)
    corrected = {entry.supersedes for entry in kept}
    return tuple(entry for entry in kept if entry.id not in corrected and not entry.is_void)


@dataclass(frozen=True, slots=True)
class Participation:
    """Where a patient stands, by the entries in force.

    Attributes
    ----------
    drug_ended, study_ended, consent_ended, completed, died : date or None
        Each as it was recorded.
    is_lost : bool
    last_visit : date or None
        The last one that took place.
    """

    drug_ended: date | None = None
    study_ended: date | None = None
    consent_ended: date | None = None
    completed: date | None = None
    died: date | None = None
    is_lost: bool = False
    last_visit: date | None = None

    @property
    def drug_stops(self) -> date | None:
        """First date without study drug, whichever end brings it about."""
        after_last = self.completed + timedelta(days=1) if self.completed else None
        return _first(self.drug_ended, self.study_ended, self.consent_ended, self.died, after_last)

    @property
    def visits_end(self) -> date | None:
        """First date on which no visit is due; a stop of the drug alone ends none."""
        after_last = self.completed + timedelta(days=1) if self.completed else None
        return _first(self.study_ended, self.consent_ended, self.died, after_last)

    @property
    def silent_from(self) -> date | None:
        """From when on nobody calls: consent withdrawn, or death."""
        return _first(self.consent_ended, self.died)

    @property
    def stopped_on(self) -> date | None:
        """The first stop of drug or study: vital status is asked from then on."""
        return _first(self.drug_ended, self.study_ended)

    @property
    def has_completed(self) -> bool:
        """Whether the patient came to the planned end."""
        return self.completed is not None

    @property
    def standing(self) -> Standing:
        """The one place where the patient stands; what is final and what binds most comes first."""
        if self.died:
            return Standing.DIED
        if self.consent_ended:
            return Standing.CONSENT_WITHDRAWN
        if self.completed:
            return Standing.COMPLETED
        if self.study_ended:
            return Standing.LOST if self.is_lost else Standing.WITHDRAWN
        return Standing.OFF_TREATMENT if self.drug_ended else Standing.ON_TREATMENT


def _first(*dates: date | None) -> date | None:
    return min((day for day in dates if day is not None), default=None)


def participation_of(
    spec: Protocol, entries: Iterable[EndingEntry], last_visit: date | None = None
) -> Participation:
    """Where a patient stands by the entries in force; corrected ones count no more."""
    by = {entry.what: entry for entry in current_endings(entries)}

    def on(what: Ending) -> date | None:
        return by[what].date if what in by else None

    return Participation(
        drug_ended=on(Ending.DRUG),
        study_ended=on(Ending.STUDY),
        consent_ended=on(Ending.CONSENT),
        completed=on(Ending.COMPLETED),
        died=on(Ending.DEATH),
        is_lost=Ending.STUDY in by and _is_lost(spec, by[Ending.STUDY]),
        last_visit=last_visit,
    )


@dataclass(frozen=True, slots=True)
class Account:
    """Where all randomized patients stand, and who was not heard of.

    Attributes
    ----------
    by_standing : mapping
        Every standing, with its patients in order; each patient once.
    unheard : tuple of (subject, date or None)
        On study, and last heard of on this date, too long ago; None if never.
    """

    by_standing: Mapping[Standing, tuple[str, ...]]
    unheard: tuple[tuple[str, date | None], ...]

    @property
    def total(self) -> int:
        """Patients in all."""
        return sum(len(subjects) for subjects in self.by_standing.values())


def account_for(
    randomized: Mapping[str, date],
    standings: Mapping[str, Participation],
    last_heard: Mapping[str, date],
    today: date,
) -> Account:
    """Put every randomized patient in one place.

    Parameters
    ----------
    randomized : mapping
        Subject to the date of day 1, from the allocations.
    standings : mapping
        Subject to participation, from the trial's data.
    last_heard : mapping
        Subject to the last visit or contact that succeeded.

    Raises
    ------
    ConductError
        Allocations and data differ in who is there: somebody would be lost silently.
    """
    missing, extra = sorted(set(randomized) - set(standings)), sorted(set(standings) - set(randomized))
    if missing or extra:
        raise ConductError(
            "allocations and data differ in who takes part",
            where="subjects",
            found="; ".join(
                f"{what}: {', '.join(names)}"
                for what, names in (("not in the data", missing), ("not allocated", extra))
                if names
            ),
            expected="the same patients in both",
        )
    by = {
        s: tuple(subject for subject in sorted(randomized) if standings[subject].standing is s)
        for s in Standing
    }
    following = (*by[Standing.ON_TREATMENT], *by[Standing.OFF_TREATMENT])
    silent = tuple(
        (subject, last_heard.get(subject))
        for subject in sorted(following)
        if today - last_heard.get(subject, randomized[subject]) > UNHEARD_AFTER
    )
    return Account(by, silent)
