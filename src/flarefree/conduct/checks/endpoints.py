"""Checks E1 and E2: end points are found, and cases follow the data.

The cohorts are planted, their events known; see `cohort.py`, `boundaries.py` and `planted.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from statistics import median

import polars as pl

from flarefree.conduct.adjudication.cases import Case
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.voting import Answer, seal
from flarefree.conduct.checks import boundaries
from flarefree.conduct.checks.cohort import COMMITTEE, START, plant_cohort
from flarefree.conduct.checks.planted import Planted
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import FLARE, all_decided, alms, one_patient_with, that_is
from flarefree.conduct.detecting import Candidate, Detection, Detector, Level, one_patient
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol
from flarefree.records.study import Study

__all__ = ["CHECKS"]

SEED = 20_260_302
LIMIT_SECONDS = 0.050


# E1 -----------------------------------------------------------------------------------------------


def _e1(quick: bool) -> Iterator[Evidence]:
    protocol = alms()
    cohort = plant_cohort(protocol, 150 if quick else 2000, SEED)
    study = cohort.planted.study()
    detector = Detector(protocol)
    detection = detector.detect(study, START)
    queue = reconcile(Queue.of(protocol), detection, START)
    queued = {(case.subject, case.endpoint, case.day) for case in queue.cases}
    n = len(cohort.true)
    yield Evidence(
        f"recall: true events of {n} that are in the queue",
        n,
        len(cohort.true & queued),
        n > 20 and cohort.true <= queued,
    )
    met = {(c.subject, c.endpoint, c.day) for c in detection.candidates if c.level is Level.MET}
    yield that_is("events the rule calls met that the naive way does not know", 0, len(met - cohort.true))
    yield Evidence("suspicions opened below the rule", "some", len(queued - met), len(queued - met) > 0)
    yield that_is("queue items without cited rows", 0, sum(not c.cited for c in detection.candidates))
    yield that_is(
        "queue items without rule version or time",
        0,
        sum(not _is_traced(c, protocol) for c in detection.candidates),
    )
    sample = [c for c in detection.candidates if c.level is Level.MET][:: 20 if quick else 10]
    again = sum(_is_derived_again(detector, study, candidate) for candidate in sample)
    yield that_is("items found again from their cited rows alone", len(sample), again)
    yield from _limits("alms-maintenance", boundaries.alms_limits(), boundaries.alms_baseline)
    yield from _limits(
        "multitarget-maintenance", boundaries.multitarget_limits(), boundaries.multitarget_baseline
    )
    yield _speed(detector, study, 20 if quick else 200)


def _is_traced(candidate: Candidate, protocol: LoadedProtocol) -> bool:
    rule = candidate.rule
    return rule.digest == protocol.digest and bool(rule.sentence) and candidate.found_at == START


def _is_derived_again(detector: Detector, study: Study, candidate: Candidate) -> bool:
    """The patient with no row but those that the candidate cites still has it."""
    mine = one_patient(study, candidate.subject)
    kept = dict(mine.tables)
    for name, frame in mine.tables.items():
        if name != "subjects":
            rows = {(row.file, row.row) for row in candidate.cited if row.table == name}
            places = frame.select("source", "row").iter_rows()
            kept[name] = frame.filter(
                pl.Series([(mine.sources[s].path, r) in rows for s, r in places], dtype=pl.Boolean)
            )
    found = detector.detect(replace(mine, tables=kept), START).candidates
    wanted = (candidate.endpoint, candidate.day, candidate.level)
    return any((c.endpoint, c.day, c.level) == wanted for c in found)


def _limits(name: str, limits: list[boundaries.Limit], baseline: boundaries.Plant) -> Iterator[Evidence]:
    protocol = load_protocol(name)
    planted = Planted(protocol)
    of = boundaries.plant(planted, limits, baseline=baseline)
    detection = Detector(protocol).detect(planted.study(), START)
    for patient, limit in of.items():
        found = {(c.endpoint, c.day, str(c.level)) for c in detection.candidates if c.subject == patient}
        expected = _words(limit.expected)
        yield Evidence(f"{name}: {limit.what}", expected, _words(found), found == set(limit.expected))


def _words(events: frozenset[tuple[str, int, str]] | set[tuple[str, int, str]]) -> str:
    return "; ".join(f"{e} day {d} {level}" for e, d, level in sorted(events)) or "nothing"


def _speed(detector: Detector, study: Study, n: int) -> Evidence:
    patients = study["subjects"].get_column("subject").to_list()[:n]
    detector.detect(study, START, subject=patients[0])  # kernels are compiled or read once
    seconds = []
    for patient in patients:
        begin = time.perf_counter()
        detector.detect(study, START, subject=patient)
        seconds.append(time.perf_counter() - begin)
    middle = median(seconds)
    what = f"seconds a patient, median of {n} (longest {max(seconds):.3f})"
    return Evidence(what, LIMIT_SECONDS, middle, middle < LIMIT_SECONDS)


# E2 -----------------------------------------------------------------------------------------------


def _e2(quick: bool) -> Iterator[Evidence]:
    detector = Detector(alms())
    flare, gone = one_patient_with((92, FLARE)), one_patient_with((92, FLARE), (92, {"upcr": 0.3}))
    found, lost = detector.detect(flare, START), detector.detect(gone, START + timedelta(hours=8))
    queue = reconcile(Queue.of(detector.protocol), found, START)
    yield that_is("a look at the same data changes nothing", True, reconcile(queue, found, START) == queue)

    withdrawn = reconcile(queue, lost, START + timedelta(hours=8))
    yield that_is("corrected before it was judged", "void", str(withdrawn.cases[0].state))
    back = reconcile(withdrawn, found, START + timedelta(hours=9))
    yield that_is("corrected back: open again", "waiting", str(back.cases[0].state))

    confirmed = all_decided(queue, found, Answer.CONFIRMED, 1)
    reopened = reconcile(confirmed, lost, START + timedelta(hours=8))
    case = reopened.suspected[0]
    yield that_is("confirmed, then corrected: open again", "waiting", str(case.state))
    yield that_is("its first verdict stands in its history", "confirmed", str(case.verdicts[0].answer))
    yield that_is("and none counts meanwhile", True, case.verdict is None)
    settled = all_decided(reopened, lost, Answer.REFUTED, 10, seed=2)
    case = settled.suspected[0]
    answers = [str(verdict.answer) for verdict in case.verdicts]
    yield that_is("judged again: both verdicts are kept", "confirmed, refuted", ", ".join(answers))
    yield that_is("the first round is as it was", True, case.rounds[0] == confirmed.suspected[0].rounds[0])
    yield that_is("history only grows", True, _begins_with(case, confirmed.suspected[0]))
    yield that_is(
        "and it is not opened once more", True, reconcile(settled, lost, START + timedelta(days=2)) == settled
    )

    refuted = all_decided(queue, found, Answer.REFUTED, 1)
    quiet = reconcile(refuted, lost, START + timedelta(hours=8))
    yield that_is("refuted, then corrected away: stays closed", "decided", str(quiet.suspected[0].state))
    yield that_is("which its history says", "noted", quiet.suspected[0].history[-1].what)

    late = detector.detect(
        one_patient_with((92, FLARE), (92, {"white_cells": 40.0, "dipstick_blood": 3.0})), START
    )
    yield that_is(
        "a late row that the sentence reads opens it again",
        "waiting",
        str(reconcile(confirmed, late, START).suspected[0].state),
    )
    other = detector.detect(one_patient_with((92, FLARE), (92, {"weight": 60.0})), START)
    yield that_is(
        "a late row that it does not read changes nothing",
        "decided",
        str(reconcile(confirmed, other, START).suspected[0].state),
    )
    yield from _e2_while_voting(detector, found, lost, queue)


def _e2_while_voting(
    detector: Detector, found: Detection, lost: Detection, queue: Queue
) -> Iterator[Evidence]:
    at = START + timedelta(hours=1)
    open_ = release(queue, found.quiet, COMMITTEE, random.Random(3), at)
    case = open_.suspected[0]
    voter = case.round.assigned[0]
    one = open_.cast(seal(case.number, 1, voter, at, Answer.CONFIRMED, 92))
    changed = detector.detect(one_patient_with((92, FLARE), (92, {"upcr": 1.4})), at)
    renewed = reconcile(one, changed, at).suspected[0]
    yield that_is("changed after one of two votes: a new round", 2, len(renewed.rounds))
    yield that_is("the vote that was cast is kept", 1, len(renewed.rounds[0].ballots))
    yield that_is("and spoilt, not counted", True, renewed.rounds[0].is_spoilt and not renewed.verdicts)
    yield that_is(
        "gone after one of two votes: void", "void", str(reconcile(one, lost, at).suspected[0].state)
    )


def _begins_with(case: Case, before: Case) -> bool:
    return case.history[: len(before.history)] == before.history


CHECKS = (
    Check("E1", "Every true event of a component is in the queue, with the rows that it rests on", _e1),
    Check("E2", "Late and corrected rows open and close cases; no verdict is overwritten", _e2),
)
