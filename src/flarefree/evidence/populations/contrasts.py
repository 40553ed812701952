"""Published rows as contrasts with the covariances that a shared arm makes: what a meta-regression takes.

Decides how arm rows become contrasts with their study's first arm (half an event added to every arm of a
study that has an empty cell, and said so), and how several contrast rows of one study hang together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows

__all__ = ["Contrasts", "contrasts_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """One row a contrast with its study's base arm.

    Attributes
    ----------
    study : (n,) str
    treatment_1, treatment_2 : (n,) str
        Effect of the first relative to the second.
    estimate : (n,) float
    covariance : (n, n) float
        Within studies.
    row : (n,) int
        A row of the input (its place, from 0) that holds the study's covariates.
    notes : tuple of str
    """

    study: NDArray[np.object_]
    treatment_1: NDArray[np.object_]
    treatment_2: NDArray[np.object_]
    estimate: Floats
    covariance: Floats
    row: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def contrasts_of(rows: ArmRows | ContrastRows, effect: str) -> Contrasts:
    """Contrasts of published rows, on the effect's scale (log for ratios)."""
    return _of_arms(rows, effect) if isinstance(rows, ArmRows) else _of_contrasts(rows)


def _of_arms(rows: ArmRows, effect: str) -> Contrasts:
    if effect == "HR":
        raise EvidenceError(
            "arm rows hold no hazard ratio",
            where=rows.where,
            expected="contrast rows (log hazard ratio, standard error), or effect='IRR' with person_time",
        )
    found: list[tuple[str, str, str, float, int]] = []
    blocks: list[Floats] = []
    notes: list[str] = []
    for study in dict.fromkeys(rows.study.tolist()):
        members = np.flatnonzero(rows.study == study)
        values, variances, corrected = _arm_values(rows, members, effect)
        if corrected:
            notes.append(f"{study}: half an event added to each arm, as one is empty or full")
        base = members[0]
        for i in range(1, len(members)):
            first, second = str(rows.treatment[members[i]]), str(rows.treatment[base])
            found.append((study, first, second, float(values[i] - values[0]), int(base)))
        blocks.append(np.diag(variances[1:]) + variances[0])
    return _assembled(found, blocks, tuple(notes))


def _arm_values(rows: ArmRows, members: Any, effect: str) -> tuple[Floats, Floats, bool]:
    """Each arm's value on the effect's scale and its variance."""
    n, events, time = rows.n[members], rows.events[members], rows.person_time[members]
    if effect == "MD":
        _require_all(rows, members, "mean")
        return rows.mean[members], rows.sd[members] ** 2 / n, False
    needed = "person_time" if effect == "IRR" else "n"
    for column in ("events", needed):
        _require_all(rows, members, column)
    size = time if effect == "IRR" else n
    full = (events == n).any() and effect in ("OR", "RD")
    corrected = bool((events == 0).any() or full)
    r = events + 0.5 * corrected
    m = size + (1.0 * corrected if effect != "IRR" else 0.0)
    match effect:
        case "RR":
            return np.log(r / m), 1 / r - 1 / m, corrected
        case "OR":
            return np.log(r / (m - r)), 1 / r + 1 / (m - r), corrected
        case "IRR":
            return np.log(r / m), 1 / r, corrected
        case _:
            p = r / m
            return events / n, p * (1 - p) / m, corrected


def _require_all(rows: ArmRows, members: Any, column: str) -> None:
    values = getattr(rows, column)[members]
    if np.isnan(values).any():
        i = int(members[np.flatnonzero(np.isnan(values))[0]])
        raise EvidenceError(
            "nothing given", where=rows.place(i, column), found="nothing", expected="a number"
        )


def _of_contrasts(rows: ContrastRows) -> Contrasts:
    found: list[tuple[str, str, str, float, int]] = []
    blocks: list[Floats] = []
    for study in dict.fromkeys(rows.study.tolist()):
        members = np.flatnonzero(rows.study == study)
        if len(members) == 1:
            i = int(members[0])
            found.append(
                (study, str(rows.treatment_1[i]), str(rows.treatment_2[i]), float(rows.estimate[i]), i)
            )
            blocks.append(np.array([[float(rows.std_error[i]) ** 2]]))
            continue
        contrasts, block = _of_several(rows, members, study)
        found += contrasts
        blocks.append(block)
    return _assembled(found, blocks, ())


def _of_several(
    rows: ContrastRows, members: Any, study: str
) -> tuple[list[tuple[str, str, str, float, int]], Floats]:
    """All comparisons of a study's m arms: those with the first arm, covariances from the others."""
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    for i in members:
        one, two = str(rows.treatment_1[i]), str(rows.treatment_2[i])
        estimate, variance = float(rows.estimate[i]), float(rows.std_error[i]) ** 2
        pairs[one, two], pairs[two, one] = (estimate, variance), (-estimate, variance)
    arms = list(
        dict.fromkeys(t for i in members for t in (str(rows.treatment_2[i]), str(rows.treatment_1[i])))
    )
    if len(pairs) != len(arms) * (len(arms) - 1):
        raise EvidenceError(
            f"study {study} has {len(arms)} arms and not all their comparisons",
            where=rows.place(int(members[0])),
            found=f"{len(pairs) // 2} comparisons",
            expected=f"{len(arms) * (len(arms) - 1) // 2}: they say how much its contrasts share",
            try_="arm rows, or all comparisons",
        )
    base, others = arms[0], arms[1:]
    block = np.array(
        [
            [
                pairs[a, base][1] if a == b else (pairs[a, base][1] + pairs[b, base][1] - pairs[a, b][1]) / 2
                for b in others
            ]
            for a in others
        ]
    )
    return [(study, a, base, pairs[a, base][0], int(members[0])) for a in others], block


def _assembled(
    found: list[tuple[str, str, str, float, int]], blocks: list[Floats], notes: tuple[str, ...]
) -> Contrasts:
    covariance = np.zeros((len(found), len(found)))
    at = 0
    for block in blocks:
        covariance[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    study, first, second = (np.array([f[k] for f in found], dtype=object) for k in range(3))
    return Contrasts(
        study,
        first,
        second,
        estimate=np.array([f[3] for f in found]),
        covariance=covariance,
        row=np.array([f[4] for f in found]),
        notes=notes,
    )
