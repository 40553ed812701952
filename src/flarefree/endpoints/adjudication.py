"""Decisions of investigators and of the end-points committee, laid over what was derived.

The committee's word counts where it decided, else the investigator's, else the rule's.  A decision is
about one event: the candidate nearest to its date, if within `SAME_EVENT_DAYS`; without a date it is about
all of the patient's candidates (refuted) or the first (confirmed).  Candidates of one day are one event:
where two components of a composite began together, a decision is about both.  What was confirmed happened
on the date that was decided; what was refuted is not used, and kept with that reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from flarefree.records.findings import Finding, Severity

__all__ = ["SAME_EVENT_DAYS", "Case", "Decision", "Origin", "agreement_row", "overlay", "read_decisions"]

SAME_EVENT_DAYS = 45
"""A decision and a candidate within this many days are about one event: half of the three months between
visits.  A protocol may say otherwise, as `parameters: {same_event_days: 30}`."""


class Origin(StrEnum):
    """Who says that an event happened."""

    DERIVED = "derived"
    INVESTIGATOR = "investigator"
    COMMITTEE = "committee"


@dataclass(frozen=True, slots=True)
class Decision:
    """One reader's word on a suspected event of a patient.

    `index` is the row of the study's `decisions`; `event_day` is None where none was given.
    """

    subject: str
    endpoint: str
    reader: Origin
    is_confirmed: bool | None
    event_day: int | None
    index: int


@dataclass(slots=True)
class Case:
    """A candidate as it goes through adjudication.

    Attributes
    ----------
    day : int
    origin : Origin
    place : int
        Which candidate it is, or was: -1 for an event that only a reader saw.
    decisions : list of int
        Rows of `decisions` that it rests on.
    reason : str
        Why it is not used; empty if it stands.
    """

    day: int
    origin: Origin
    place: int = -1
    decisions: list[int] = field(default_factory=list)
    reason: str = ""
    decided_by: set[Origin] = field(default_factory=set)

    @property
    def stands(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reason


def read_decisions(decisions: pl.DataFrame, endpoint: str) -> dict[str, list[Decision]]:
    """Decisions on an endpoint by patient, in order of date, undated ones last."""
    found: dict[str, list[Decision]] = {}
    frame = decisions.with_row_index("index").filter(pl.col("endpoint") == endpoint)
    frame = frame.sort("subject", "event_day", "index", nulls_last=True)
    for row in frame.select(
        "subject", "endpoint", "reader", "is_confirmed", "event_day", "index"
    ).iter_rows():
        reader = str(row[2] or "").strip().casefold()
        if reader in (Origin.INVESTIGATOR, Origin.COMMITTEE):
            found.setdefault(row[0], []).append(Decision(row[0], row[1], Origin(reader), *row[3:]))
    return found


def overlay(
    candidates: Sequence[tuple[int, int]],
    decisions: Iterable[Decision],
    same_event_days: int = SAME_EVENT_DAYS,
) -> tuple[list[Case], list[Finding]]:
    """What becomes of a patient's candidates when decisions are laid over them.

    Parameters
    ----------
    candidates : sequence of (day, place)
        What the rule found, in order of day.
    decisions : iterable of Decision
        Of both readers.
    same_event_days : int

    Returns
    -------
    cases : list of Case
        Every candidate and every event that a reader saw, those that do not stand too.
    findings : list of Finding
        Confirmed events that have no date.
    """
    cases = [Case(day, Origin.DERIVED, place) for day, place in candidates]
    findings: list[Finding] = []
    decided = list(decisions)
    for reader in (Origin.INVESTIGATOR, Origin.COMMITTEE):
        for decision in decided:
            if decision.reader is reader and decision.is_confirmed is not None:
                _lay(decision, cases, findings, same_event_days)
    return cases, findings


def _lay(decision: Decision, cases: list[Case], findings: list[Finding], same_event_days: int) -> None:
    about = _about(decision, cases, same_event_days)
    for case in about:
        case.decided_by.add(decision.reader)
    if not decision.is_confirmed:
        for case in about:
            case.reason = f"refuted by the {decision.reader}"
            case.decisions.append(decision.index)
        return
    replaced = about[0] if about else None  # of one day, the component that the composite lists first
    day = decision.event_day if decision.event_day is not None else (replaced.day if replaced else None)
    if day is None:
        findings.append(_undated(decision))
        return
    decided = Case(day, decision.reader, decided_by={decision.reader}, decisions=[decision.index])
    if replaced is not None:
        decided.place = replaced.place
        decided.decisions = [*replaced.decisions, decision.index]
        verb = "dated" if replaced.day != day else "decided"
        for case in about:
            case.reason = f"{verb} by the {decision.reader}"
    cases.append(decided)


def _about(decision: Decision, cases: list[Case], same_event_days: int) -> list[Case]:
    """The cases that a decision is about: those of one day, or all where a refutation has no date."""
    open_cases = [case for case in cases if _is_open(case, decision.reader)]
    if decision.event_day is None:
        ordered = sorted(open_cases, key=lambda case: case.day)
        return _of_one_day(ordered) if decision.is_confirmed else ordered
    near = [case for case in open_cases if _apart(case.day, decision.event_day) <= same_event_days]
    day = decision.event_day
    return _of_one_day(sorted(near, key=lambda case: (_apart(case.day, day), case.day)))


def _of_one_day(cases: list[Case]) -> list[Case]:
    """The first case and those of the same day."""
    return [case for case in cases if case.day == cases[0].day]


def _is_open(case: Case, reader: Origin) -> bool:
    """Whether a reader may still decide on it: the committee also on what the investigator refuted."""
    overrules = reader is Origin.COMMITTEE and case.reason == f"refuted by the {Origin.INVESTIGATOR}"
    return (case.stands or overrules) and reader not in case.decided_by


def _apart(a: int, b: int) -> int:
    return abs((a - 1 if a > 0 else a) - (b - 1 if b > 0 else b))


def _undated(decision: Decision) -> Finding:
    return Finding(
        "undated-decision",
        Severity.ERROR,
        f"the {decision.reader} confirmed {decision.endpoint} without a date, and nothing else dates it",
        row=decision.index + 1,
        column="event_date",
        subject=decision.subject,
        expected="the date of the event",
    )


def agreement_row(
    subject: str, endpoint: str, cases: Sequence[Case], decisions: Sequence[Decision]
) -> dict[str, Any]:
    """One patient's line of the agreement frame: what the rule, each reader, and all together say."""
    derived = [case.day for case in cases if case.origin is Origin.DERIVED]
    standing = sorted((case for case in cases if case.stands), key=lambda case: case.day)
    row: dict[str, Any] = {
        "subject": subject,
        "endpoint": endpoint,
        "derived_day": min(derived, default=None),
        "derived": bool(derived),
    }
    for reader in (Origin.INVESTIGATOR, Origin.COMMITTEE):
        said = [d for d in decisions if d.reader is reader and d.is_confirmed is not None]
        days = [case.day for case in cases if case.origin is reader]
        row[str(reader)] = None if not said else any(d.is_confirmed for d in said)
        row[f"{reader}_day"] = min(days, default=None)
    row["final"] = bool(standing)
    row["final_from"] = str(standing[0].origin) if standing else _decided_last(row)
    return row


def _decided_last(row: dict[str, Any]) -> str:
    for reader in (Origin.COMMITTEE, Origin.INVESTIGATOR):
        if row[str(reader)] is not None:
            return str(reader)
    return str(Origin.DERIVED)
