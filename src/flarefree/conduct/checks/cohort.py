"""A cohort with random courses, its true events found by a second, naive way; a committee that votes.

For checks E1 to E7.  The naive way reads the planted numbers, patient by patient, in plain loops: it shares
no line with the evaluator that the detector uses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from flarefree.conduct.adjudication.cases import Case, CaseState
from flarefree.conduct.adjudication.committee import Committee, Conflict, Member
from flarefree.conduct.adjudication.queue import Queue
from flarefree.conduct.adjudication.voting import Answer, seal
from flarefree.conduct.checks.planted import Patient, Planted
from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["COMMITTEE", "START", "Cohort", "judge_all", "plant_cohort"]

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
VISITS = (31, 62, 92, 184, 275, 366, 458, 549, 640, 731, 823, 914, 1005, 1097)
SITES = ("01", "02", "03", "04")

COMMITTEE = Committee(
    (
        Member("ada", is_chair=True),
        Member("ben", sites=("01",)),
        Member("cleo", sites=("02",), is_deputy=True),
        Member("dan", conflicts=(Conflict("treats a patient at this site", site="03"),)),
        Member("eva"),
        Member("finn", leave=((date(2026, 3, 1), date(2026, 3, 20)),)),
    )
)
Labs = dict[str, float]
Verdict = bool | None


@dataclass
class Cohort:
    """Planted patients, and their true events: (subject, endpoint, day)."""

    planted: Planted
    true: set[tuple[str, str, int]] = field(default_factory=set)
    day_one: dict[str, date] = field(default_factory=dict)


def plant_cohort(protocol: LoadedProtocol, patients: int, seed: int) -> Cohort:
    """Patients of `alms-maintenance` with random courses, gaps, repeats, and records of rescue and death."""
    from flarefree.conduct.checks.planted import DAY_ONE

    chance = random.Random(seed)
    cohort = Cohort(Planted(protocol))
    for number in range(1, patients + 1):
        name = f"P-{number:04d}"
        last = chance.choice(VISITS[6:])
        patient = cohort.planted.patient(name, site=SITES[number % len(SITES)], last_day=last)
        cohort.day_one[name] = DAY_ONE
        courses = _courses(chance, last)
        for day, labs in courses.items():
            patient.at(day, **labs)
        cohort.true |= {(name, endpoint, day) for endpoint, day in _naive(courses)}
        cohort.true |= {(name, endpoint, day) for endpoint, day in _records(patient, chance, last)}
    return cohort


def _courses(chance: random.Random, last: int) -> dict[int, Labs]:
    """Laboratory values by day: screening, month 0, visits, and repeats; now and then one is missing."""
    courses: dict[int, Labs] = {-60: {"creatinine": round(chance.uniform(0.7, 1.1), 2)}}
    base = {
        "upcr": round(chance.uniform(0.2, 0.6), 2),
        "proteinuria": round(chance.uniform(0.2, 0.7), 2),
        "creatinine": round(chance.uniform(0.7, 1.1), 2),
        "red_cells": float(chance.randint(0, 6)),
        "dipstick_blood": 0.0,
        "cellular_casts": 0.0,
    }
    courses[1] = dict(base)
    days = [day + chance.randint(-6, 6) for day in VISITS if day <= last - 6]
    for day in days:
        is_ill = chance.random() < 0.12
        labs = {
            "upcr": round(base["upcr"] * chance.uniform(0.6, 3.5 if is_ill else 1.6), 2),
            "proteinuria": round(base["proteinuria"] * chance.uniform(0.6, 5.0 if is_ill else 1.6), 2),
            "creatinine": round(base["creatinine"] * chance.uniform(0.9, 2.4 if is_ill else 1.2), 2),
            "red_cells": float(chance.randint(0, 12 if is_ill else 4)),
            "dipstick_blood": float(chance.choice((0, 0, 1, 2)) if is_ill else 0),
            "cellular_casts": float(is_ill and chance.random() < 0.2),
        }
        courses[day] = {name: v for name, v in labs.items() if chance.random() > 0.06}
        # A repeat fills a gap of its visit, were there one: the naive way knows no visits.
        if is_ill and chance.random() < 0.5 and "creatinine" in courses[day]:
            courses[day + chance.choice((14, 28, 29))] = {"creatinine": labs["creatinine"]}
    return dict(sorted(courses.items()))


def _records(patient: Patient, chance: random.Random, last: int) -> list[tuple[str, int]]:
    found = []
    if chance.random() < 0.1:
        day = chance.randint(20, last - 1)
        patient.takes("CYCLOPHOSPHAMIDE", day, "lupus nephritis", 750, "mg", "INTRAVENOUS")
        found.append(("rescue", day))
    if chance.random() < 0.05:
        day = chance.randint(20, last - 40)
        patient.has_procedure("HEMODIALYSIS", day, day + 27 + chance.randint(0, 10))
        found.append(("esrd", day))
    if chance.random() < 0.1:
        day = chance.randint(20, last - 1)
        patient.has_event("SUSPECTED RENAL FLARE", day)
        found.append(("suspected_renal_flare", day))
    if chance.random() < 0.03:
        patient.dies(last)
        found.append(("death", last))
    return found


# The naive way ------------------------------------------------------------------------------------


def _naive(courses: Mapping[int, Labs]) -> list[tuple[str, int]]:
    """True onsets of renal flare and of sustained doubling, as TRIALS and the protocol's notes say."""
    base = courses[1]
    lowest = min(labs["creatinine"] for day, labs in courses.items() if day <= 1)
    after = [(day, labs) for day, labs in courses.items() if day > 1]
    flares = {
        day
        for kind in (_is_proteinuric, _is_nephritic)
        for day in _onsets([(day, kind(labs, base, lowest)) for day, labs in after])
    }
    sustained = [(day, _is_sustained(after[i:], 2 * base["creatinine"])) for i, (day, _) in enumerate(after)]
    return [
        *(("renal_flare", day) for day in sorted(flares)),
        *(("doubling", day) for day in _onsets(sustained)),
    ]


def _onsets(verdicts: list[tuple[int, Verdict]]) -> list[int]:
    """Days on which it became true: what is not known neither begins nor ends an episode."""
    days, is_on = [], False
    for day, verdict in verdicts:
        if verdict and not is_on:
            days.append(day)
        if verdict is not None:
            is_on = verdict
    return days


def _least(value: float | None, limit: float) -> Verdict:
    return None if value is None else value >= limit * (1 - 1e-9)


def _more(value: float | None, limit: float) -> Verdict:
    return None if value is None else value > limit


def _all(*parts: Verdict) -> Verdict:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def _any(*parts: Verdict) -> Verdict:
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def _is_proteinuric(labs: Labs, base: Labs, lowest: float) -> Verdict:
    grams = 1.0 if base["proteinuria"] <= 0.5 else 2.0
    return _all(_least(labs.get("upcr"), 2 * base["upcr"]), _least(labs.get("proteinuria"), grams))


def _is_nephritic(labs: Labs, base: Labs, lowest: float) -> Verdict:
    protein, ratio = labs.get("proteinuria"), labs.get("upcr")
    cells, dipstick = labs.get("red_cells"), labs.get("dipstick_blood")
    return _all(
        _least(labs.get("creatinine"), 1.25 * lowest),
        _any(
            _all(_least(protein, 2 * base["proteinuria"]), _least(protein, 2.0)),
            _all(_least(ratio, 2 * base["upcr"]), _least(ratio, 2.0)),
            _all(_least(cells, 5), _more(cells, base["red_cells"])),
            _all(_least(dipstick, 2), _more(dipstick, base["dipstick_blood"])),
            _more(labs.get("cellular_casts"), base["cellular_casts"]),
        ),
    )


def _is_sustained(rest: list[tuple[int, Labs]], limit: float) -> Verdict:
    first = rest[0][0]
    has_gap = False
    for day, labs in rest:
        verdict = _least(labs.get("creatinine"), limit)
        if verdict is False or (verdict is None and day == first):
            return verdict
        has_gap = has_gap or verdict is None
        if day - first >= 28:
            return None if has_gap else True
    return None


# A committee that votes -----------------------------------------------------------------------------


def judge_all(
    queue: Queue,
    truth: Callable[[Case], tuple[Answer, int | None]],
    chance: random.Random,
    at: datetime,
    slip: float = 0.0,
) -> Queue:
    """Every open vote is given: as `truth` has it, or by a slip; differing votes go to the meeting.

    Parameters
    ----------
    truth : function of a case
        The answer, and the day of a confirmed event.
    slip : float
        How often a member says the contrary.
    """
    for case in queue.cases:
        if case.state is not CaseState.VOTING:
            continue
        answer, day = truth(case)
        for member in case.round.outstanding:
            said, on = answer, day
            if chance.random() < slip:
                is_yes = answer is Answer.CONFIRMED
                said, on = (Answer.REFUTED, None) if is_yes else (Answer.CONFIRMED, case.day)
            at += timedelta(minutes=1)
            queue = queue.cast(seal(case.number, case.round.number, member, at, said, on, "as I read it"))
        if queue.case(case.number).state is CaseState.DISAGREED:
            queue = _meet(queue, queue.case(case.number), answer, day, at)
    return queue


def _meet(queue: Queue, case: Case, answer: Answer, day: int | None, at: datetime) -> Queue:
    about = (case.subject, case.site, case.endpoint)
    chair = COMMITTEE.presiding(*about, at.date())
    others = [m.id for m in COMMITTEE.eligible(*about, at.date()) if m.id != chair.id]
    present = (chair.id, *others[: queue.rules.quorum - 1])
    return queue.decide_together(case.number, present, COMMITTEE, answer, day, "as the rows show", at)
