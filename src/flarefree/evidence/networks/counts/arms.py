"""Arms of counts by study: what all models of the counts start from, and which studies tell nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, group_codes
from flarefree.evidence.networks.studies import Studies, Study, order_of_treatments, without_silent

__all__ = ["CountStudy", "as_studies", "count_studies"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CountStudy:
    """One study: the treatment of each arm, its events, and its patients (or person-time)."""

    name: str
    arms: Ints
    events: Floats
    size: Floats


def count_studies(
    rows: object, is_rate: bool, method: str
) -> tuple[tuple[str, ...], list[CountStudy], list[str]]:
    """Treatments, studies, and notes on the studies left out."""
    if not isinstance(rows, ArmRows):
        raise EvidenceError(
            f"{method} needs counts",
            where=getattr(rows, "where", "data"),
            found="contrast rows",
            expected="arm rows: study, treatment, events and " + ("person_time" if is_rate else "n"),
            try_="method='DL' or method='REML'",
        )
    size = rows.person_time if is_rate else rows.n
    for column, values in (("events", rows.events), ("person_time" if is_rate else "n", size)):
        if np.isnan(values).any():
            raise EvidenceError(
                f"{method} needs {column}",
                where=rows.place(int(np.flatnonzero(np.isnan(values))[0]), column),
                found="nothing",
                expected="a number in every row",
            )
    treatments = order_of_treatments(rows.treatment.tolist())
    place = {name: i for i, name in enumerate(treatments)}
    arm = np.array([place[name] for name in rows.treatment], np.int64)
    names, code = group_codes(rows.study)
    studies: list[CountStudy] = []
    silent: list[CountStudy] = []
    for s, name in enumerate(names):
        at = np.flatnonzero(code == s)
        at = at[np.argsort(arm[at])]
        study = CountStudy(name, arm[at], rows.events[at], size[at])
        tells_nothing = study.events.sum() == 0 or (not is_rate and bool((study.events == study.size).all()))
        (silent if tells_nothing else studies).append(study)
    notes = []
    if silent:
        notes.append(
            "left out, as studies without events (or with events alone) tell nothing of a ratio: "
            + ", ".join(study.name for study in silent)
        )
    if not studies:
        raise EvidenceError("no study has events", where=rows.where, found="0 events", expected="an event")
    return treatments, studies, notes


def as_studies(treatments: tuple[str, ...], studies: Sequence[CountStudy], notes: Sequence[str]) -> Studies:
    """The same studies as the graph sees them; their effects are not numbers."""
    plain = tuple(
        Study(s.name, s.arms, np.full(len(s.arms), np.nan), np.full((len(s.arms),) * 2, np.nan))
        for s in studies
    )
    return without_silent(treatments, plain, notes)
