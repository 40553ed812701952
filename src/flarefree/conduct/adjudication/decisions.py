"""Verdicts go out: the `decisions` table that the analysis reads, word to safety, and the lock.

The analysis lays a decision on the nearest candidate of its patient and endpoint.  Before a table leaves,
that is done here with the same code, and what comes out must be what the committee said, day by day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from flarefree.conduct.adjudication.agreement import InvestigatorWord
from flarefree.conduct.adjudication.cases import Case, CaseState
from flarefree.conduct.adjudication.queue import Queue, days_apart, reconcile
from flarefree.conduct.adjudication.voting import Answer
from flarefree.conduct.detecting import Detection, Level, require_zone
from flarefree.endpoints.adjudication import overlay, read_decisions
from flarefree.errors import ConductError
from flarefree.records.tables import TABLES

__all__ = ["AdjudicationLock", "SafetyReferral", "decisions_frame", "lock", "safety_referrals"]


def decisions_frame(
    queue: Queue, day_one: Mapping[str, date], words: Sequence[InvestigatorWord] = ()
) -> pl.DataFrame:
    """The verdicts that count now, as the study's `decisions` table.

    Parameters
    ----------
    queue : Queue
    day_one : mapping of str to date
        Each patient's day 1.
    words : sequence of InvestigatorWord
        Written beside the committee's, as the investigator's.

    Returns
    -------
    DataFrame
        Columns of `flarefree.records.tables.DECISIONS`, by patient, endpoint and day.

    Raises
    ------
    ConductError
        A verdict cannot be said in the table so that the analysis counts exactly that.

    Notes
    -----
    A refuted suspicion that the rule does not count as an event (it lacks its confirmation) is written
    only where no candidate is near that the analysis would take it for.
    """
    rows = [_row(case, day_one) for case in queue.suspected if _is_told(case, queue)]
    rows += [_word_row(word, day_one) for word in words]
    rows.sort(key=lambda row: (row["subject"], row["endpoint"], row["reader"], row["event_day"]))
    schema = {name: kind for name, kind in TABLES["decisions"].items() if name not in ("source", "row")}
    frame = pl.DataFrame([{key: row.get(key) for key in schema} for row in rows], schema=schema)
    _require_round_trip(queue, frame, words)
    return frame


def _is_told(case: Case, queue: Queue) -> bool:
    verdict = case.verdict
    if verdict is None:
        return False
    if verdict.answer is not Answer.REFUTED or case.level is Level.MET:
        return True
    near = [
        other
        for other in queue.suspected
        if (other.subject, other.endpoint) == (case.subject, case.endpoint)
        and other.level is Level.MET
        and days_apart(other.day, case.day) <= queue.same_event_days
    ]
    return case.level is not None and not near


def _row(case: Case, day_one: Mapping[str, date]) -> dict[str, Any]:
    verdict = case.verdict
    assert verdict is not None  # `_is_told`
    day = case.day if verdict.event_day is None else verdict.event_day
    said = {Answer.CONFIRMED: True, Answer.REFUTED: False, Answer.UNDECIDABLE: None}[verdict.answer]
    return {
        "subject": case.subject,
        "endpoint": case.endpoint,
        "reader": "committee",
        "is_confirmed": said,
        "event_day": day,
        "event_date": _date(day_one, case.subject, day),
        "decided_date": verdict.at.date(),
        "comment": f"case {case.id}, round {case.round.number}, by {verdict.by}",
    }


def _word_row(word: InvestigatorWord, day_one: Mapping[str, date]) -> dict[str, Any]:
    return {
        "subject": word.subject,
        "endpoint": word.endpoint,
        "reader": "investigator",
        "is_confirmed": word.is_event,
        "event_day": word.day,
        "event_date": _date(day_one, word.subject, word.day),
    }


def _date(day_one: Mapping[str, date], subject: str, day: int) -> date:
    if subject not in day_one:
        raise ConductError("the patient's day 1 is not known", where="day_one", found=subject)
    return day_one[subject] + timedelta(days=day - 1 if day > 0 else day)


def _require_round_trip(queue: Queue, frame: pl.DataFrame, words: Sequence[InvestigatorWord]) -> None:
    """Lay the table over what the rule finds, as the analysis will."""
    by_patient: dict[tuple[str, str], list[Case]] = {}
    for case in queue.suspected:
        by_patient.setdefault((case.subject, case.endpoint), []).append(case)
    spoken = {(word.subject, word.endpoint) for word in words}
    for endpoint in dict.fromkeys(endpoint for _, endpoint in by_patient):
        decided = read_decisions(frame, endpoint)
        for (subject, of), cases in by_patient.items():
            if of != endpoint or any(case.is_open for case in cases):
                continue  # an open case has no verdict yet: `lock` refuses, a draft goes without it
            met = sorted((case.day, i) for i, case in enumerate(cases) if case.level is Level.MET)
            laid, _ = overlay(met, decided.get(subject, []), queue.same_event_days)
            found = sorted({case.day for case in laid if case.stands})
            # What nobody decided stands as the rule, or the investigator, has it: that is not for us to say.
            meant = sorted(set(_meant(cases)))
            if found != meant and not ((subject, endpoint) in spoken and set(meant) <= set(found)):
                raise ConductError(
                    "the analysis would not count what the committee said",
                    where=f"{subject}, {endpoint}",
                    found=f"events on days {found}",
                    expected=f"events on days {meant}",
                    try_="open the cases of this patient again, and settle their dates",
                )


def _meant(cases: Sequence[Case]) -> list[int]:
    """Days on which events are to count: confirmed ones, and those of the rule that stayed undecided."""
    days = []
    for case in cases:
        verdict = case.verdict
        if verdict is not None and verdict.event_day is not None:
            days.append(verdict.event_day)
        elif verdict is not None and verdict.answer is Answer.UNDECIDABLE and case.level is Level.MET:
            days.append(case.day)
    return days


# Safety ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SafetyReferral:
    """Word to the medical monitor: what was suspected here was judged to be no such event.

    Then it was something else, which may have to be reported as an adverse event.  Nothing of what
    becomes of it is kept with the case: the committee cannot learn it.
    """

    case: str
    subject: str
    site: str
    endpoint: str
    day: int
    answer: Answer
    decided_at: datetime


def safety_referrals(queue: Queue) -> tuple[SafetyReferral, ...]:
    """Negative verdicts for safety: suspicions that were refuted, or could not be decided.

    One for each verdict there ever was, in the order of decisions; controls and copies give none, since
    nothing was suspected.
    """
    found = [
        SafetyReferral(
            f"{case.id}#{one.number}",
            case.subject,
            case.site,
            case.endpoint,
            case.day,
            one.verdict.answer,
            one.verdict.at,
        )
        for case in queue.suspected
        for one in case.rounds
        if one.verdict is not None and one.verdict.answer is not Answer.CONFIRMED
    ]
    return tuple(sorted(found, key=lambda referral: (referral.decided_at, referral.case)))


# The lock -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdjudicationLock:
    """Adjudication is over: by whom, when, and on what.

    `digest` is of the decisions; `cases` counts those with a verdict.
    """

    at: datetime
    who: str
    cases: int
    digest: str
    decisions: pl.DataFrame = field(compare=False, repr=False)


def lock(
    queue: Queue,
    detection: Detection,
    day_one: Mapping[str, date],
    at: datetime,
    who: str,
    *,
    words: Sequence[InvestigatorWord] = (),
    referred: Sequence[str] | None = None,
    held: int = 0,
) -> AdjudicationLock:
    """Close adjudication.

    Parameters
    ----------
    queue : Queue
    detection : Detection
        Of all patients, made just now, on the data that are to be analyzed.
    day_one, words
        As for `decisions_frame`.
    at : datetime
    who : str
    referred : sequence of str, optional
        Which referrals (`SafetyReferral.case`) safety has acknowledged; all must be, where this is given.
    held : int
        How many texts are still held back.

    Raises
    ------
    ConductError
        A case is open, the queue is behind the data, a referral or a text is pending, or the analysis
        would not count what was decided.
    """
    require_zone(at)
    _require_none("cases are still open", [case.id for case in queue.cases if case.is_open])
    after = reconcile(queue, detection, at)
    behind = {case.id for case in queue.cases} ^ {case.id for case in after.cases}
    behind |= {c.id for c, now in zip(queue.cases, after.cases, strict=False) if c.state is not now.state}
    behind |= {c.id for c in queue.suspected if _is_of_nobody(c, detection)}
    _require_none("the data have changed since the queue was reconciled", sorted(behind))
    if referred is not None:
        pending = [r.case for r in safety_referrals(queue) if r.case not in set(referred)]
        _require_none("safety has not acknowledged negative verdicts", pending)
    _require_none("texts are held back and not settled", [f"{held} of them"] if held else [])
    frame = decisions_frame(after, day_one, words)
    digest = hashlib.sha256(json.dumps(frame.rows(), default=str).encode()).hexdigest()
    decided = sum(case.state is CaseState.DECIDED for case in queue.cases)
    return AdjudicationLock(at, who, decided, digest, frame)


def _is_of_nobody(case: Case, detection: Detection) -> bool:
    return case.state is CaseState.DECIDED and case.subject not in detection.subjects


def _require_none(what: str, pending: Sequence[str]) -> None:
    if pending:
        more = f" and {len(pending) - 5} more" if len(pending) > 5 else ""
        raise ConductError(
            what, where="adjudication", found=", ".join(pending[:5]) + more, expected="none", try_=""
        )
