"""From rows to what a likelihood takes: units (arms, or independent rows of contrasts) with their numbers.

Decides which columns a likelihood needs, which studies tell nothing, and what normal distribution comes near
each unit's likelihood: samplers start from it, results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes.data import NetworkData
from flarefree.evidence.inputs import ArmRows, ContrastRows, group_codes
from flarefree.evidence.networks.connection import most_studied, place_of, require_connected, take_part
from flarefree.evidence.networks.rows import rotate
from flarefree.evidence.networks.studies import (
    Studies,
    Study,
    order_of_treatments,
    studies_of,
    without_silent,
)

__all__ = ["LINKS", "Likelihood", "Link", "read_network"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Likelihood = Literal["binomial", "poisson", "normal", "hazard"]
Link = Literal["logit", "cloglog", "log", "identity"]

LINKS: dict[str, tuple[Link, ...]] = {
    "binomial": ("logit", "cloglog"),
    "poisson": ("log",),
    "normal": ("identity",),
    "hazard": ("identity",),
}
MEASURE_OF = {"logit": "OR", "cloglog": "HR", "log": "IRR"}
NEEDED = {"binomial": ("events", "n"), "poisson": ("events", "person_time"), "normal": ("mean", "sd", "n")}


def read_network(
    rows: ArmRows | ContrastRows,
    likelihood: Likelihood,
    *,
    link: Link,
    measure: str | None,
    follow_up: str | None,
    reference: str | None,
    order: Sequence[str] | None,
    part: str | None,
    tolerance: float = 1e-3,
) -> NetworkData:
    """Units of a connected network.

    Raises
    ------
    EvidenceError
        Columns that the likelihood needs are missing; the network is not connected.
    NotFoundError
        The reference is no treatment.
    """
    if isinstance(rows, ContrastRows):
        if likelihood not in ("hazard", "normal"):
            raise EvidenceError(
                f"a {likelihood} likelihood needs arms",
                where=rows.where,
                found="contrast rows",
                expected="arm rows: study, treatment, " + ", ".join(NEEDED[likelihood]),
                try_="likelihood='hazard' (log hazard ratios) or likelihood='normal'",
            )
        kind = "HR" if likelihood == "hazard" else (measure or "MD")
        return _of_contrasts(rows, kind, reference, order, part, tolerance)
    if likelihood == "hazard":
        raise EvidenceError(
            "log hazard ratios come as contrast rows",
            where=rows.where,
            found="arm rows",
            expected="study, treatment_1, treatment_2, estimate, std_error",
            try_="likelihood='poisson' with person_time, or likelihood='binomial', link='cloglog'",
        )
    return _of_arms(rows, likelihood, link, measure, follow_up, reference, order, part)


# Arms ----------------------------------------------------------------------------------------------


def _of_arms(
    rows: ArmRows,
    likelihood: Likelihood,
    link: Link,
    measure: str | None,
    follow_up: str | None,
    reference: str | None,
    order: Sequence[str] | None,
    part: str | None,
) -> NetworkData:
    _require_columns(rows, likelihood)
    time = _follow_up(rows, follow_up)
    names, code = group_codes(rows.study)
    silent = _silent(rows, likelihood, code, len(names))
    notes = (
        (
            "left out, as studies without events (or with events alone) tell nothing of a ratio: "
            + ", ".join(names[s] for s in np.flatnonzero(silent)),
        )
        if silent.any()
        else ()
    )
    if silent.all():
        raise EvidenceError("no study has events", where=rows.where, found="0 events", expected="an event")
    found = _graph(rows, names, code, silent, notes)
    found = take_part(found, part, rows.where) if part is not None else found
    require_connected(found, rows.where)
    treatments = _ordered(found, reference, order, rows.where)
    place = {name: k for k, name in enumerate(treatments)}
    kept_names = [study.name for study in found.studies]
    index = {name: s for s, name in enumerate(kept_names)}
    used = np.array([i for i in range(len(rows)) if rows.study[i] in index], np.int64)
    study = np.array([index[rows.study[i]] for i in used], np.int64)
    treatment = np.array([place[rows.treatment[i]] for i in used], np.int64)
    by = np.lexsort((treatment, study))
    used, study, treatment = used[by], study[by], treatment[by]
    family = {"logit": "logit", "cloglog": "cloglog", "log": "poisson", "identity": "normal"}[link]
    y, size, exposure = _numbers(rows, likelihood, used, time)
    center, variance = _near_normal(family, y, size, exposure)
    totals = dict.fromkeys(treatments, 0.0)
    if not np.isnan(rows.n[used]).any():
        for i, k in zip(used, treatment):
            totals[treatments[k]] += float(rows.n[i])
    return NetworkData(
        treatments,
        tuple(kept_names),
        study,
        treatment,
        study,
        None,
        y,
        size,
        exposure,
        center,
        variance,
        tuple(treatments[k] for k in treatment),
        family,
        MEASURE_OF.get(link) or measure or "MD",
        used,
        totals if any(totals.values()) else {},
        (*found.notes, *_eventless(family, y, size, treatment, treatments)),
    )


def _require_columns(rows: ArmRows, likelihood: Likelihood) -> None:
    for column in NEEDED[likelihood]:
        absent = np.flatnonzero(np.isnan(getattr(rows, column)))
        if len(absent):
            raise EvidenceError(
                f"a {likelihood} likelihood needs {column}",
                where=rows.place(int(absent[0]), column),
                found="nothing",
                expected=" and ".join(NEEDED[likelihood]) + " in every row",
                try_=_other_likelihood(rows),
            )


def _other_likelihood(rows: ArmRows) -> str:
    fits = [
        name
        for name, columns in NEEDED.items()
        if not any(np.isnan(getattr(rows, column)).any() for column in columns)
    ]
    return " or ".join(f"likelihood={name!r}" for name in fits)


def _follow_up(rows: ArmRows, column: str | None) -> Floats:
    """Follow-up of each row for a complementary log-log link; 1 where none is asked for."""
    if column is None:
        return np.ones(len(rows))
    values = rows.person_time if column == "person_time" else rows.extra.get(column)
    if values is None:
        raise EvidenceError(
            f"there is no column {column!r}",
            where=f"{rows.where}: follow_up",
            found=", ".join(rows.extra) or "no further columns",
            expected="a column with each arm's follow-up",
        )
    try:
        time = np.array(values, dtype=float)
    except (TypeError, ValueError):
        time = np.full(len(rows), np.nan)
    bad = np.flatnonzero(~(time > 0))
    if len(bad):
        raise EvidenceError(
            "this is no follow-up",
            where=rows.place(int(bad[0]), column),
            found=str(values[int(bad[0])]),
            expected="a number above 0",
        )
    return time


def _silent(rows: ArmRows, likelihood: Likelihood, code: Ints, n_studies: int) -> NDArray[np.bool_]:
    if likelihood == "normal":
        return np.zeros(n_studies, np.bool_)
    silent = np.bincount(code, rows.events, n_studies) == 0
    if likelihood == "binomial":
        silent |= np.bincount(code, rows.n - rows.events, n_studies) == 0
    return silent


def _graph(
    rows: ArmRows, names: list[str], code: Ints, silent: NDArray[np.bool_], notes: tuple[str, ...]
) -> Studies:
    treatments = order_of_treatments(rows.treatment.tolist())
    place = {name: k for k, name in enumerate(treatments)}
    studies = []
    for s, name in enumerate(names):
        if silent[s]:
            continue
        arms = np.sort(np.array([place[t] for t in rows.treatment[code == s]], np.int64))
        studies.append(Study(name, arms, np.full(len(arms), np.nan), np.full((len(arms),) * 2, np.nan)))
    return without_silent(treatments, studies, notes)


def _ordered(
    found: Studies, reference: str | None, order: Sequence[str] | None, where: str
) -> tuple[str, ...]:
    """The reference first, others as asked for, else alphabetically."""
    known = found.treatments
    names = list(known)
    if order is not None:
        names = [known[place_of(str(name), known, "order", where)] for name in order]
        if len(set(names)) != len(names) or len(names) != len(known):
            raise EvidenceError(
                "every treatment must stand once in the order",
                where=f"{where}: order",
                found=", ".join(map(str, order)),
                expected=", ".join(known),
            )
    if reference is not None:
        first = known[place_of(reference, known, "reference", where)]
    elif order is not None:
        first = names[0]
    else:
        first = known[most_studied(found.studies, len(known))]
    return (first, *(name for name in names if name != first))


def _numbers(
    rows: ArmRows, likelihood: Likelihood, used: Ints, time: Floats
) -> tuple[Floats, Floats, Floats]:
    one = np.ones(len(used))
    match likelihood:
        case "binomial":
            return rows.events[used], rows.n[used], time[used]
        case "poisson":
            return rows.events[used], rows.person_time[used], one
        case _:
            return rows.mean[used], rows.sd[used] ** 2 / rows.n[used], one


def _near_normal(family: str, y: Floats, size: Floats, exposure: Floats) -> tuple[Floats, Floats]:
    """A normal distribution near each arm's likelihood; half an event keeps it finite."""
    match family:
        case "logit":
            return np.log((y + 0.5) / (size - y + 0.5)), 1 / (y + 0.5) + 1 / (size - y + 0.5)
        case "cloglog":
            p = (y + 0.5) / (size + 1)
            hazard = -np.log1p(-p)
            return np.log(hazard) - np.log(exposure), p / ((size + 1) * (1 - p) * hazard**2)
        case "poisson":
            return np.log((y + 0.5) / size), 1 / (y + 0.5)
        case _:
            return y, size


def _eventless(
    family: str, y: Floats, size: Floats, treatment: Ints, treatments: tuple[str, ...]
) -> list[str]:
    """Treatments that only the prior keeps finite."""
    if family == "normal":
        return []
    notes = []
    for k, name in enumerate(treatments):
        arms = treatment == k
        without, full = (y[arms] == 0).all(), family != "poisson" and (y[arms] == size[arms]).all()
        if without or full:
            told = "no arm with an event" if without else "events in all patients of all arms"
            notes.append(f"{name} has {told}: how large its effects are is for the prior to say")
    return notes


# Contrasts -----------------------------------------------------------------------------------------


def _of_contrasts(
    rows: ContrastRows,
    measure: str,
    reference: str | None,
    order: Sequence[str] | None,
    part: str | None,
    tolerance: float,
) -> NetworkData:
    found = studies_of(rows, measure, tolerance=tolerance)
    found = take_part(found, part, rows.where) if part is not None else found
    require_connected(found, rows.where)
    treatments = _ordered(found, reference, order, rows.where)
    new = np.array([treatments.index(name) for name in found.treatments], np.int64)
    studies = [_rearranged(study, new) for study in found.studies]
    sizes = [len(study.arms) for study in studies]
    first = np.concatenate([[0], np.cumsum(sizes)])
    # Arms numbered one by one: the columns of `rotate` are then its combinations of arms.
    numbered = [
        Study(s.name, np.arange(at, at + len(s.arms)), s.effect, s.variance)
        for s, at in zip(studies, first[:-1].tolist())
    ]
    independent = rotate(numbered, int(first[-1]))
    names = tuple(study.name for study in studies)
    row_of = {name: i for i, name in reversed(list(enumerate(rows.study.tolist())))}
    arm_study = np.repeat(np.arange(len(studies)), sizes)
    return NetworkData(
        treatments,
        names,
        arm_study,
        np.concatenate([study.arms for study in studies]),
        independent.study,
        independent.x,
        independent.y,
        independent.v,
        np.ones(len(independent)),
        independent.y,
        independent.v,
        _row_labels(studies, treatments),
        "normal",
        measure,
        np.array([row_of[names[s]] for s in arm_study], np.int64),
        {},
        found.notes,
    )


def _rearranged(study: Study, new: Ints) -> Study:
    arms = new[study.arms]
    by = np.argsort(arms)
    return Study(study.name, arms[by], study.effect[by], study.variance[np.ix_(by, by)])


def _row_labels(studies: Sequence[Study], treatments: tuple[str, ...]) -> tuple[str, ...]:
    labels: list[str] = []
    for study in studies:
        told = " v ".join(treatments[k] for k in reversed(study.arms.tolist()))
        m = len(study.arms)
        labels += [told] if m == 2 else [f"{told}, row {r}" for r in range(1, m)]
    return tuple(labels)
