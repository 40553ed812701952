"""Pieces that the checks of end points share: evidence, one patient at hand, a committee that agrees."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta

from flarefree.conduct.adjudication.cases import Case, CaseKind
from flarefree.conduct.adjudication.queue import Queue
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.voting import Answer
from flarefree.conduct.checks import boundaries
from flarefree.conduct.checks.cohort import COMMITTEE, START, judge_all
from flarefree.conduct.checks.planted import Planted
from flarefree.conduct.checks.result import Evidence
from flarefree.conduct.detecting import Detection
from flarefree.errors import FlarefreeError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol
from flarefree.records.study import Study

__all__ = ["FLARE", "all_decided", "alms", "one_patient_with", "that_is", "that_refuses"]


def alms() -> LoadedProtocol:
    """The built-in protocol of most checks."""
    return load_protocol("alms-maintenance")


def that_is(what: str, expected: str | int | float | bool, found: str | int | float | bool) -> Evidence:
    """Evidence that two values are the same."""
    return Evidence(what, expected, found, found == expected)


def that_refuses(what: str, act: Callable[[], object]) -> Evidence:
    """Evidence that something is refused, with an error that says why."""
    try:
        act()
    except FlarefreeError as error:
        return Evidence(what, "refused", f"refused: {error.what}", True)
    return Evidence(what, "refused", "allowed", False)


def one_patient_with(*days: tuple[int, Mapping[str, float]], site: str = "04") -> Study:
    """One ALMS patient: calm at month 0, then these days."""
    planted = Planted(alms())
    patient = planted.patient("Q-1", site=site)
    boundaries.alms_baseline(patient)
    for day, values in days:
        patient.at(day, **values)
    return planted.study()


FLARE = {"upcr": 0.9, "proteinuria": 1.2, "creatinine": 1.0, "red_cells": 1.0, "cellular_casts": 0.0}


def all_decided(queue: Queue, detection: Detection, answer: Answer, hours: int, seed: int = 1) -> Queue:
    """The waiting cases, released and judged alike by all."""
    at = START + timedelta(hours=hours)
    chance = random.Random(seed)
    queue = release(queue, detection.quiet, COMMITTEE, chance, at)

    def truth(case: Case) -> tuple[Answer, int | None]:
        is_yes = answer is Answer.CONFIRMED and case.kind is not CaseKind.CONTROL
        return (answer, case.day) if is_yes else (Answer.REFUTED, None)

    return judge_all(queue, truth, chance, at)
