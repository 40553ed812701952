"""Checks E5 to E7: controls, safety, copies and the lock."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl

from flarefree.conduct.adjudication.agreement import (
    InvestigatorWord,
    inter_rater,
    intra_rater,
    investigator_table,
    miss_rate,
)
from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState
from flarefree.conduct.adjudication.decisions import lock, safety_referrals
from flarefree.conduct.adjudication.desk import desk_case, desk_list
from flarefree.conduct.adjudication.dossier import build_dossier
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.voting import Answer
from flarefree.conduct.checks.cohort import COMMITTEE, START, Cohort, judge_all, plant_cohort
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import alms, that_is, that_refuses
from flarefree.conduct.detecting import Detection, Detector
from flarefree.records.study import Study
from flarefree.records.tables import whole_table

__all__ = ["CHECKS"]

SEED = 20_260_303


# E5 -----------------------------------------------------------------------------------------------


def _trial(quick: bool, slip: float = 0.0) -> tuple[Cohort, Study, Detection, Queue]:
    """A cohort, released in batches as patients' data come in, and judged."""
    protocol = alms()
    cohort = plant_cohort(protocol, 160 if quick else 600, SEED)
    study = cohort.planted.study()
    detection = Detector(protocol).detect(study, START)
    queue = Queue.of(protocol)
    chance = random.Random(SEED)
    patients = list(detection.subjects)
    chance.shuffle(patients)
    truth = _truth(cohort)
    step = 16
    for turn, first in enumerate(range(0, len(patients), step)):
        at = START + timedelta(days=7 * turn)
        some = set(patients[first : first + step])
        mine = Detection(
            tuple(p for p in detection.subjects if p in some),
            tuple(c for c in detection.candidates if c.subject in some),
        )
        queue = release(reconcile(queue, mine, at), detection.quiet, COMMITTEE, chance, at)
        queue = judge_all(queue, truth, chance, at, slip)
    for _ in range(3):  # controls that were confirmed are cases of their own
        at += timedelta(days=1)
        queue = judge_all(release(queue, detection.quiet, COMMITTEE, chance, at), truth, chance, at)
    return cohort, study, detection, queue


def _truth(cohort: Cohort) -> Callable[[Case], tuple[Answer, int | None]]:
    """What members see: most true events, one in three of what lacks something, one control in eight."""

    def said(case: Case) -> tuple[Answer, int | None]:
        lot = random.Random(f"{case.subject}{case.endpoint}{case.day}").random()
        if (case.subject, case.endpoint, case.day) in cohort.true:
            return (Answer.CONFIRMED, case.day) if lot < 0.85 else (Answer.REFUTED, None)
        if case.kind is CaseKind.CONTROL:
            return (Answer.CONFIRMED, case.day) if lot < 0.125 else (Answer.REFUTED, None)
        return (Answer.CONFIRMED, case.day) if lot < 0.33 else (Answer.REFUTED, None)

    return said


def _e5(quick: bool) -> Iterator[Evidence]:
    _, study, detection, queue = _trial(quick, slip=0.1)
    shown = [case for case in queue.cases if case.number]
    controls = [case for case in shown if case.kind is CaseKind.CONTROL]
    yield Evidence(
        f"share of controls among {len(shown)} cases shown",
        "at least 0.05",
        len(controls) / len(shown),
        len(controls) >= 0.05 * len(shown),
    )
    quiet = {(q.subject, q.endpoint, q.day) for q in detection.quiet}
    yield that_is(
        "controls that are not quiet periods",
        0,
        sum((c.subject, c.endpoint, c.day) not in quiet for c in controls),
    )
    protocol = alms()
    built = [(case, build_dossier(case, study, protocol)) for case in shown if case.endpoint == "renal_flare"]
    frames = {(d.question, d.definition, tuple(label for label, _ in d.patient)) for _, d in built}
    yield that_is("ways in which cases of one component are asked about", 1, len(frames))
    blank = {
        k: sum(c.kind is k and not any(v.is_asked for v in d.values) for c, d in built) for k in CaseKind
    }
    yield that_is("controls without values of the day in question", 0, blank[CaseKind.CONTROL])
    desks = [desk_case(queue, c.number, c.round.assigned[0], COMMITTEE, START) for c in shown]
    hidden = repr(queue.cases) + repr(desks) + json.dumps([dossier.to_dict() for _, dossier in built])
    yield that_is(
        "control or copy is said in any card, dossier or repr",
        False,
        "control" in hidden or "duplicate" in hidden,
    )
    for name, feature in _FORM.items():
        p = _rank_p(
            [feature(c) for c in controls],
            [
                feature(c)
                for c in shown
                if c.kind is CaseKind.SUSPECTED and c.endpoint in {k.endpoint for k in controls}
            ],
        )
        yield Evidence(f"controls differ in {name}: P", "above 0.002", p, p > 0.01 / len(_FORM))
    rate = miss_rate(queue)
    yield Evidence(
        f"miss rate {rate.confirmed}/{rate.decided}, exact limits {rate.conf_low:.4f} to {rate.conf_high:.4f}"
        if rate.conf_low is not None and rate.conf_high is not None
        else "miss rate",
        "limits around it",
        rate.rate or 0.0,
        rate.conf_low is not None and rate.conf_low <= (rate.rate or 0.0) <= (rate.conf_high or 0.0),
    )
    confirmed = [c for c in controls if any(v.answer is Answer.CONFIRMED for v in c.verdicts)]
    opened = [c for c in queue.suspected if c.rounds[0].why.startswith("an event that the rule did not find")]
    yield that_is("confirmed controls that became cases of their own", len(confirmed), len(opened))


_FORM: dict[str, Callable[[Case], float]] = {
    "their place in the queue": lambda case: float(int(case.number)),
    "parity of the number": lambda case: float(int(case.number) % 2),
    "days told after the day in question": lambda case: float(case.last_day - case.day),
    "the first member asked": lambda case: float(ord(case.round.assigned[0][0])),
    "the length of history a member could count": lambda case: float(len(case.rounds)),
}


def _rank_p(some: list[float], others: list[float], draws: int = 2000) -> float:
    """A permutation test of the mean: two-sided P."""
    both = [*some, *others]
    observed = abs(sum(some) / len(some) - sum(both) / len(both))
    chance = random.Random(1)
    hits = 0
    for _ in range(draws):
        drawn = chance.sample(both, len(some))
        hits += abs(sum(drawn) / len(some) - sum(both) / len(both)) >= observed - 1e-12
    return (hits + 1) / (draws + 1)


# E6 -----------------------------------------------------------------------------------------------


def _e6(quick: bool) -> Iterator[Evidence]:
    _, study, _, queue = _trial(True)
    referrals = safety_referrals(queue)
    refuted = [c for c in queue.suspected for v in c.verdicts if v.answer is not Answer.CONFIRMED]
    yield Evidence(
        "negative verdicts, each referred to safety",
        len(refuted),
        len(referrals),
        len(referrals) == len(refuted) > 0,
    )
    controls = {c.subject + c.endpoint + str(c.day) for c in queue.cases if c.kind is CaseKind.CONTROL}
    yield that_is(
        "controls referred", 0, sum(r.subject + r.endpoint + str(r.day) in controls for r in referrals)
    )
    before = _everything_seen(queue, study)
    told = pl.DataFrame([{"subject": r.subject, "term": "SEPSIS", "start_day": r.day} for r in referrals])
    whole = whole_table("adverse_events", told)
    acted = replace(study, tables={**study.tables, "adverse_events": whole})
    again = reconcile(queue, Detector(alms()).detect(acted, START), START)
    yield that_is(
        "bytes that members see otherwise once safety has recorded adverse events",
        0,
        sum(a != b for a, b in zip(before, _everything_seen(again, acted), strict=False)),
    )
    words = [
        InvestigatorWord(c.subject, c.endpoint, c.day, i % 3 != 0)
        for i, c in enumerate(queue.suspected)
        if i % 5
    ]
    labels = {name: alms().spec.endpoints[name].label for name in Detector(alms()).endpoints}
    table = investigator_table(queue, words, labels)
    n = sum(
        int(cell.stats["n"] or 0)
        for row in table.rows
        for key, cell in row.cells.items()
        if key.count("_") == 1
    )
    alone = sum(int(row.cells["silent"].stats["n"] or 0) for row in table.rows)
    decided = sum(c.verdict is not None for c in queue.suspected)
    yield that_is(
        "investigator v committee: pairs and cases decided alone make all decided", decided, n + alone
    )
    yield that_is(
        "investigators' words on decided cases that are paired",
        sum(
            w.subject + w.endpoint + str(w.day)
            in {c.subject + c.endpoint + str(c.day) for c in queue.suspected if c.verdict is not None}
            for w in words
        ),
        n,
    )


def _everything_seen(queue: Queue, study: Study) -> str:
    """All desks and all dossiers, as text."""
    desks = [repr(desk_list(queue, member.id, COMMITTEE, START)) for member in COMMITTEE.members]
    protocol = alms()
    dossiers = [json.dumps(build_dossier(c, study, protocol).to_dict()) for c in queue.cases[:60] if c.number]
    return "".join([*desks, *dossiers])


# E7 -----------------------------------------------------------------------------------------------


def _e7(quick: bool) -> Iterator[Evidence]:
    cohort, study, detection, queue = _trial(quick, slip=0.05)
    copies = [c for c in queue.cases if c.kind is CaseKind.DUPLICATE]
    by_id = {case.id: case for case in queue.cases}
    yield Evidence("cases shown again", "some", len(copies), len(copies) > 0)
    same = sum(
        set(c.round.assigned) == {b.member for b in by_id[c.copy_of].rounds[0].ballots[:2]} for c in copies
    )
    yield that_is("shown to those who voted before", len(copies), same)
    yield that_is("under the old number", 0, sum(c.number == by_id[c.copy_of].number for c in copies))
    cut = sum(c.last_day != by_id[c.copy_of].last_day or c.day != by_id[c.copy_of].day for c in copies)
    yield that_is("dated or cut otherwise than before", 0, cut)
    within, between = intra_rater(queue), inter_rater(queue)
    yield Evidence(
        f"kappa of {within.n} votes repeated",
        "above 0.5 (5% slips)",
        within.kappa or 0.0,
        within.kappa is not None and within.kappa > 0.5,
    )
    yield Evidence(
        f"kappa of {between.n} pairs, limits {between.conf_low or 0:.2f} to {between.conf_high or 0:.2f}",
        "above 0.5 (5% slips)",
        between.kappa or 0.0,
        between.kappa is not None and between.kappa > 0.5 and between.conf_low is not None,
    )
    yield from _e7_lock(cohort, study, detection, queue)


def _e7_lock(cohort: Cohort, study: Study, detection: Detection, queue: Queue) -> Iterator[Evidence]:
    at = START + timedelta(days=400)
    open_ = queue.reopen(queue.suspected[0].id, "to be seen again", at, "keeper")
    yield that_refuses(
        "the lock while a case is open", lambda: lock(open_, detection, cohort.day_one, at, "keeper")
    )
    fewer = replace(queue, cases=tuple(c for c in queue.cases if c.id != queue.suspected[0].id))
    yield that_refuses(
        "the lock while data are not reconciled", lambda: lock(fewer, detection, cohort.day_one, at, "keeper")
    )
    yield that_refuses(
        "the lock while safety has not acknowledged",
        lambda: lock(queue, detection, cohort.day_one, at, "keeper", referred=()),
    )
    yield that_refuses(
        "the lock while texts are held back",
        lambda: lock(queue, detection, cohort.day_one, at, "keeper", held=1),
    )
    referred = [r.case for r in safety_referrals(queue)]
    locked = lock(queue, detection, cohort.day_one, at, "keeper", referred=referred)
    yield that_is(
        "else it locks: cases decided",
        len([c for c in queue.cases if c.state is CaseState.DECIDED]),
        locked.cases,
    )
    meant = {
        (c.subject, c.endpoint, v.event_day)
        for c in queue.suspected
        if (v := c.verdict) is not None and v.event_day is not None
    }
    counted = _counted(study, locked.decisions)
    yield Evidence(
        "events that the analysis counts, of those confirmed",
        len(meant),
        len(meant & counted),
        meant <= counted,
    )
    yield that_is("events that it counts beside", 0, len(counted - meant))


def _counted(study: Study, decisions: pl.DataFrame) -> set[tuple[str, str, int]]:
    """The events of adjudicated endpoints that stand in `derive` with these decisions."""
    from flarefree.endpoints.derive import derive_arrays

    protocol = alms()
    with_decisions = replace(study, tables={**study.tables, "decisions": decisions})
    derived = derive_arrays(with_decisions, protocol)
    names = derived.evaluator.panel.subjects.tolist()
    return {
        (names[i], endpoint, day)
        for endpoint in Detector(protocol).endpoints
        for i, day in zip(
            derived.found.outcomes[endpoint].events.subjects.tolist(),
            derived.found.outcomes[endpoint].events.days.tolist(),
            strict=True,
        )
    }


CHECKS = (
    Check("E5", "Controls are among the cases, look like them, and give the miss rate", _e5),
    Check(
        "E6",
        "Negative verdicts go to safety, and nothing comes back; investigators beside the committee",
        _e6,
    ),
    Check("E7", "Copies give agreement within members; the lock asks for an empty, reconciled queue", _e7),
)
