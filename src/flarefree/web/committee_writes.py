"""From a queue before and after a step to the values that change: the step's writes.

All of them follow from the step and are no one's to decide apart; the command adds what it asks the role
matrix about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from flarefree.conduct.adjudication.cases import Case, CaseState
from flarefree.conduct.adjudication.committee import Committee
from flarefree.conduct.adjudication.decisions import safety_referrals
from flarefree.conduct.adjudication.queue import Batch, Queue
from flarefree.conduct.adjudication.storing import case_to_plain
from flarefree.conduct.audit.entries import Value
from flarefree.conduct.detecting import Candidate
from flarefree.errors import ConductError
from flarefree.web.commands.base import Write
from flarefree.web.commands.naming import new_key
from flarefree.web.committee_store import KEEPER, Stored, file_values, vote_key, vote_values

__all__ = ["people_of", "writes_of"]

_DESK, _QUEUE, _DECIDED, _NEGATIVE = "cases.dossier", "cases.queue", "decisions.record", "decisions.negative"
_WHOSE = "subject.number"
_CLOSED = "closed"
"""State of a showing that is over: the case was withdrawn, or comes again under another number."""


def writes_of(
    before: Stored,
    after: Queue,
    committee: Committee | None,
    request: str,
    at: datetime,
    candidates: Iterable[Candidate] = (),
) -> tuple[Write, ...]:
    """What changes in the record when the queue does.

    Parameters
    ----------
    before : Stored
    after : Queue
    committee : Committee, optional
        Says who has a say where votes differ; without one, only those who vote have.
    request : str
        Names new things.
    at : datetime
    candidates : iterable of Candidate
        What the detector found now: kept with the rounds that rest on it.
    """
    known = {case.id: case for case in before.queue.cases}
    changed = [case for case in after.cases if known.get(case.id) != case]
    keys = dict(before.keys)
    for n, case in enumerate(case for case in changed if case.id not in keys):
        keys[case.id] = new_key(f"{request}/case_file", n)
    writes = [w for case in changed for w in _file(case, known.get(case.id), keys[case.id])]
    shown = sorted((case for case in changed if case.number), key=lambda case: case.number)
    for case in shown:
        writes += _showing(case, known.get(case.id), committee, at)
    writes += [w for case in changed for w in _rests_on(case, known.get(case.id), keys[case.id], candidates)]
    writes += _referrals(before.queue, after, request)
    writes += _batches(after.batches[len(before.queue.batches) :], len(before.queue.batches))
    return tuple(writes)


# The keeper's file --------------------------------------------------------------------------------


def _file(case: Case, before: Case | None, key: str) -> Iterator[Write]:
    old = {} if before is None else {name: value for name, _, value in file_values(before)}
    for name, field, value in file_values(case):
        if name not in old or old[name] != value:
            yield Write("case_file", key, name, field, value, is_consequence=True)


def _rests_on(case: Case, before: Case | None, key: str, candidates: Iterable[Candidate]) -> Iterator[Write]:
    """The rows and the sentence that a new basis came from."""
    if not case.basis or (before is not None and before.basis == case.basis):
        return
    for found in candidates:
        if found.basis == case.basis and (found.subject, found.endpoint) == (case.subject, case.endpoint):
            told: dict[str, Value] = {
                "subject": case.subject,
                "site": case.site,
                "endpoint": found.endpoint,
                "day": found.day,
                "level": str(found.level),
                "components": " ".join(found.components),
                "protocol": found.rule.digest,
                "sentence": found.rule.sentence,
                "place": found.rule.place,
                "found_at": found.found_at.isoformat(),
                "basis": found.basis,
                "cited": _lines(row.place for row in found.cited),
                "read": _lines(row.place for row in found.read),
            }
            yield from _all("detection", f"{key}.{len(case.history)}", KEEPER, told)
            return


def _lines(places: Iterable[str]) -> str:
    return json.dumps(list(dict.fromkeys(places)), ensure_ascii=False)


# What lies on desks -------------------------------------------------------------------------------


def _showing(case: Case, before: Case | None, committee: Committee | None, at: datetime) -> Iterator[Write]:
    if before is not None and before.number and before.number != case.number:
        yield from _closed(before.number)
    is_shown = case.state in (CaseState.VOTING, CaseState.DISAGREED, CaseState.DECIDED)
    if not is_shown:
        yield from _closed(case.number)
        yield from _undone(case, before)
        return
    for ballot in case_to_plain(case)["rounds"][-1]["ballots"]:
        if before is None or vote_key(ballot) not in _votes(before):
            for name, field, value in vote_values(ballot):
                yield Write("vote", vote_key(ballot), name, field, value, is_consequence=True)
    desk: dict[str, Value] = {
        "number": case.number,
        "endpoint": case.endpoint,
        "day": case.day,
        "last_day": case.last_day,
    }
    kept: dict[str, Value] = {
        "subject": case.subject,
        "site": case.site,
        "state": str(case.state),
        "assigned_to": " ".join(people_of(case, committee, at)),
        "outstanding": " ".join(case.round.outstanding),
    }
    yield from _all("case", case.number, _DESK, desk)
    yield from _all("case", case.number, _QUEUE, kept)
    yield from _decided(case, before, committee, at)


def _votes(case: Case) -> set[str]:
    return {f"{b.case}.{b.member}" for one in case.rounds for b in one.ballots}


def _closed(number: str) -> Iterator[Write]:
    yield from _all("case", number, _QUEUE, {"state": _CLOSED, "assigned_to": "", "outstanding": ""})


def _decided(case: Case, before: Case | None, committee: Committee | None, at: datetime) -> Iterator[Write]:
    verdict = case.verdict
    if verdict is None or (before is not None and before.verdict == verdict):
        return
    told: dict[str, Value] = {
        "case": case.number,
        "endpoint": case.endpoint,
        "answer": str(verdict.answer),
        "event_day": verdict.event_day,
        "by": str(verdict.by),
        "at": verdict.at.isoformat(),
        "reason": verdict.reason,
        "assigned_to": " ".join(people_of(case, committee, at)),
        "is_in_force": True,
    }
    yield from _all("decision", case.number, _DECIDED, told)
    # Whose it is, is for those who see patients: the chair, who reads the rest, judges a case and no patient.
    yield from _all("decision", case.number, _WHOSE, {"subject": case.subject, "site": case.site})


def _undone(case: Case, before: Case | None) -> Iterator[Write]:
    """A verdict that counts no more stays as it is, and says so."""
    if before is not None and before.verdict is not None and case.verdict is None:
        yield from _all("decision", before.number, _DECIDED, {"is_in_force": False})


def people_of(case: Case, committee: Committee | None, at: datetime) -> tuple[str, ...]:
    """Who has the case on the desk: its voters, and whoever has a say where they differ or who decided."""
    people = dict.fromkeys(case.round.assigned)
    verdict = case.verdict
    if verdict is not None:
        people |= dict.fromkeys(verdict.members)
    if case.state is CaseState.DISAGREED and committee is not None:
        about = (case.subject, case.site, case.endpoint)
        people |= dict.fromkeys(m.id for m in committee.eligible(*about, at.date()))
        with suppress(ConductError):  # nobody may preside: the command that decides will say so
            people[committee.presiding(*about, at.date()).id] = None
    return tuple(people)


# Beside -------------------------------------------------------------------------------------------


def _referrals(before: Queue, after: Queue, request: str) -> Iterator[Write]:
    known = {referral.case for referral in safety_referrals(before)}
    fresh = [referral for referral in safety_referrals(after) if referral.case not in known]
    for n, one in enumerate(fresh):
        told: dict[str, Value] = {
            "case": one.case,
            "subject": one.subject,
            "site": one.site,
            "endpoint": one.endpoint,
            "day": one.day,
            "answer": str(one.answer),
            "decided_at": one.decided_at.isoformat(),
        }
        yield from _all("referral", new_key(f"{request}/referral", n), _NEGATIVE, told)


def _batches(batches: Iterable[Batch], first: int) -> Iterator[Write]:
    for n, batch in enumerate(batches, start=first + 1):
        told: dict[str, Value] = {
            "at": batch.at.isoformat(),
            "suspected": batch.suspected,
            "controls": batch.controls,
            "duplicates": batch.duplicates,
            "missing_controls": batch.missing_controls,
        }
        yield from _all("batch", f"{n:05d}", KEEPER, told)


def _all(kind: str, key: str, field: str, told: Mapping[str, Value]) -> Iterator[Write]:
    for name, value in told.items():
        yield Write(kind, key, name, field, value, is_consequence=True)
