"""From rows to studies: effects of a study's arms and the variances of their differences.

Decides how counts, means and rates become effects, what a zero cell does, and whether the contrasts of a
study with several arms can be those of one study.  Knows no network: `rows.py` goes on.  Begin reading at
`studies_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows, group_codes

__all__ = [
    "MEASURES",
    "RATIOS",
    "Studies",
    "Study",
    "ZeroCells",
    "order_of_treatments",
    "studies_of",
    "without_silent",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MEASURES = {
    "OR": "Odds ratio",
    "RR": "Risk ratio",
    "RD": "Risk difference",
    "HR": "Hazard ratio",
    "IRR": "Rate ratio",
    "IRD": "Rate difference",
    "MD": "Mean difference",
    "SMD": "Standardized mean difference",
    "ROM": "Ratio of means",
    "GEN": "Effect",
}
RATIOS = frozenset({"OR", "RR", "HR", "IRR", "ROM"})

ZeroCells = Literal["only0", "if0all", "all", "none"]
"""Which studies get the continuity correction: those with an empty cell; all, if one has one; all always;
none, so that studies with an empty cell drop out.  The words are those of `pairwise`."""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """One study.

    Attributes
    ----------
    name : str
    arms : (m,) int
        The treatment of each arm, as its place among the network's treatments; ascending.
    effect : (m,) float
        The arms' effects up to a constant; log scale for ratios.  Only differences mean anything.
    variance : (m, m) float
        Sampling variance of the difference between arms i and j; 0 on the diagonal.
    """

    name: str
    arms: Ints
    effect: Floats
    variance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Studies:
    """The studies of a network, and what was said about them on the way."""

    treatments: tuple[str, ...]
    studies: tuple[Study, ...]
    notes: tuple[str, ...] = ()


def studies_of(
    rows: ArmRows | ContrastRows,
    measure: str,
    *,
    zero_cells: ZeroCells = "only0",
    correction: float = 0.5,
    tolerance: float = 1e-3,
) -> Studies:
    """Studies with effects and variances on the scale of `measure`."""
    if isinstance(rows, ContrastRows):
        return _from_contrasts(rows, tolerance)
    return _from_arms(rows, measure, zero_cells, correction)


def order_of_treatments(names: Sequence[str]) -> tuple[str, ...]:
    """Treatments in alphabetical order, capitals as small letters."""
    return tuple(sorted(set(names), key=lambda name: (name.casefold(), name)))


# Arms ----------------------------------------------------------------------------------------------


def _from_arms(rows: ArmRows, measure: str, zero_cells: ZeroCells, correction: float) -> Studies:
    treatments = order_of_treatments(rows.treatment.tolist())
    place = {name: i for i, name in enumerate(treatments)}
    arm = np.array([place[name] for name in rows.treatment], np.int64)
    names, code = group_codes(rows.study)
    _require_outcome(rows, measure)
    effect, variance, told_out, notes = _arm_effects(rows, measure, code, zero_cells, correction)

    studies = []
    order = np.lexsort((arm, code))
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    for s, at in enumerate(np.split(order, starts[1:])):
        if told_out[s]:
            continue
        if measure == "SMD":
            studies.append(_standardized(rows, names[s], arm[at], at))
        else:
            v = variance[at]
            spread = v[:, None] + v[None, :]
            np.fill_diagonal(spread, 0.0)
            studies.append(Study(names[s], arm[at], effect[at], spread))
    if not studies:
        raise EvidenceError(
            "no study tells anything of this measure",
            where=rows.where,
            found="; ".join(notes) or "no study",
            try_="a risk difference, or a model that keeps such studies (method='GLMM')",
        )
    return without_silent(treatments, studies, notes)


def without_silent(treatments: tuple[str, ...], studies: Sequence[Study], notes: Sequence[str]) -> Studies:
    """Treatments that no remaining study tells anything of are taken out of the network, and named."""
    seen = np.unique(np.concatenate([study.arms for study in studies]))
    if len(seen) == len(treatments):
        return Studies(treatments, tuple(studies), tuple(notes))
    place = np.full(len(treatments), -1, np.int64)
    place[seen] = np.arange(len(seen))
    silent = ", ".join(name for name, at in zip(treatments, place) if at < 0)
    return Studies(
        tuple(treatments[i] for i in seen),
        tuple(replace(study, arms=place[study.arms]) for study in studies),
        (*notes, f"not in the network, as no study that is left has it: {silent}"),
    )


def _require_outcome(rows: ArmRows, measure: str) -> None:
    needed = {
        "OR": ("events", "n"),
        "RR": ("events", "n"),
        "RD": ("events", "n"),
        "IRR": ("events", "person_time"),
        "IRD": ("events", "person_time"),
        "MD": ("mean", "sd", "n"),
        "SMD": ("mean", "sd", "n"),
        "ROM": ("mean", "sd", "n"),
    }.get(measure)
    if needed is None:
        raise EvidenceError(
            f"arm rows give no {MEASURES[measure].lower()}",
            where=rows.where,
            expected="contrast rows: study, treatment_1, treatment_2, estimate, std_error",
        )
    for column in needed:
        absent = np.flatnonzero(np.isnan(getattr(rows, column)))
        if len(absent):
            has = [
                c
                for c in ("events", "n", "person_time", "mean", "sd")
                if not np.isnan(getattr(rows, c)).all()
            ]
            raise EvidenceError(
                f"the measure {measure} needs {column}",
                where=rows.place(int(absent[0]), column),
                found="columns with numbers: " + ", ".join(has),
                expected=" and ".join(needed),
                try_=_other_measures(has),
            )


def _other_measures(has: Sequence[str]) -> str:
    if {"mean", "sd", "n"} <= set(has):
        return "measure='MD' or measure='SMD'"
    if {"events", "n"} <= set(has):
        return "measure='OR', 'RR' or 'RD'"
    return "measure='IRR'" if {"events", "person_time"} <= set(has) else ""


def _arm_effects(
    rows: ArmRows, measure: str, code: Ints, zero_cells: ZeroCells, correction: float
) -> tuple[Floats, Floats, NDArray[np.bool_], list[str]]:
    """Effect and variance of each arm, which studies are left out, and what is to be said of it."""
    n_studies = int(code.max()) + 1
    nothing = np.zeros(n_studies, np.bool_)
    if measure in ("MD", "SMD", "ROM"):
        return *_of_means(rows, measure), nothing, []
    is_rate = measure in ("IRR", "IRD")
    is_zero = rows.events == 0
    is_full = np.zeros(len(rows), np.bool_) if is_rate else rows.events == rows.n
    touched = nothing.copy()
    np.logical_or.at(touched, code, is_zero | is_full)
    out = nothing if measure in ("RD", "IRD") else _uninformative(is_zero, is_full, code, n_studies, measure)
    everywhere = zero_cells == "all" or (zero_cells == "if0all" and bool(touched.any()))
    added = (np.ones(n_studies, np.bool_) if everywhere else touched) & ~out
    if zero_cells == "none" or correction == 0:
        added = nothing
        out = touched
    add = np.where(added[code], correction, 0.0)
    names, _ = group_codes(rows.study)
    notes = _zero_notes(names, out, added, correction, measure)
    return *_of_counts(rows, measure, add), out, notes


def _of_means(rows: ArmRows, measure: str) -> tuple[Floats, Floats]:
    if measure == "ROM":
        if (rows.mean <= 0).any():
            i = int(np.flatnonzero(rows.mean <= 0)[0])
            raise EvidenceError(
                "a ratio of means needs positive means",
                where=rows.place(i, "mean"),
                found=f"{rows.mean[i]:.10g}",
                expected="more than 0",
                try_="measure='MD' or measure='SMD'",
            )
        return np.log(rows.mean), rows.sd**2 / (rows.n * rows.mean**2)
    return rows.mean, rows.sd**2 / rows.n


def _of_counts(rows: ArmRows, measure: str, add: Floats) -> tuple[Floats, Floats]:
    """Effects and variances of arms whose cells grow by `add`; not finite where an arm gives none."""
    events, n, time = rows.events + add, rows.n + 2 * add, rows.person_time
    with np.errstate(divide="ignore", invalid="ignore"):
        match measure:
            case "OR":
                return np.log(events) - np.log(n - events), 1 / events + 1 / (n - events)
            case "RR":
                return np.log(events / n), 1 / events - 1 / n
            case "IRR":
                return np.log(events / time), 1 / events
            case "IRD":
                return events / time, events / time**2
            case _:
                return events / n, events / n * (1 - events / n) / n


def _uninformative(
    is_zero: NDArray[np.bool_], is_full: NDArray[np.bool_], code: Ints, n_studies: int, measure: str
) -> NDArray[np.bool_]:
    """Studies without events in any arm, or with nothing but events: no ratio has a likelihood there."""
    size = np.bincount(code, minlength=n_studies)
    without = np.bincount(code, is_zero, n_studies) == size
    full = np.bincount(code, is_full, n_studies) == size if measure == "OR" else np.zeros(n_studies, np.bool_)
    return np.asarray(without | full)


def _zero_notes(
    names: list[str], out: NDArray[np.bool_], added: NDArray[np.bool_], correction: float, measure: str
) -> list[str]:
    notes = []
    if out.any():
        listed = ", ".join(names[i] for i in np.flatnonzero(out))
        notes.append(f"left out, as they tell nothing of a {MEASURES[measure].lower()}: {listed}")
    if added.any():
        listed = "all studies" if added.all() else ", ".join(names[i] for i in np.flatnonzero(added))
        notes.append(f"{correction:g} added to each cell of: {listed}")
    return notes


def _standardized(rows: ArmRows, name: str, arms: Ints, at: Ints) -> Study:
    """Hedges' g with one standard deviation for all arms of the study.

    Variances and covariances by Gleser and Olkin: 1/n for each arm, and g_i g_j / 2N from the common
    standard deviation [gleser2009, eq. 19.26]; the small-sample factor is exact.
    """
    from scipy.special import gammaln

    n, mean, sd = rows.n[at], rows.mean[at], rows.sd[at]
    df = n.sum() - len(n)
    if df < 2:
        raise EvidenceError(
            "a standardized difference needs more patients",
            where=rows.place(int(at[0]), "n"),
            found=f"{n.sum():g} patients in {len(n)} arms",
            expected=f"{len(n) + 2} or more",
        )
    pooled = np.sqrt(((n - 1) * sd**2).sum() / df)
    exact = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    g = exact * mean / pooled
    difference = g[:, None] - g[None, :]
    variance = 1 / n[:, None] + 1 / n[None, :] + difference**2 / (2 * n.sum())
    np.fill_diagonal(variance, 0.0)
    return Study(name, arms, g, variance)


# Contrasts -----------------------------------------------------------------------------------------


def _from_contrasts(rows: ContrastRows, tolerance: float) -> Studies:
    treatments = order_of_treatments([*rows.treatment_1.tolist(), *rows.treatment_2.tolist()])
    place = {name: i for i, name in enumerate(treatments)}
    first = np.array([place[name] for name in rows.treatment_1], np.int64)
    second = np.array([place[name] for name in rows.treatment_2], np.int64)
    names, code = group_codes(rows.study)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    studies = [
        _study_of_contrasts(rows, names[s], at, first[at], second[at], treatments, tolerance)
        for s, at in enumerate(np.split(order, starts[1:]))
    ]
    return Studies(treatments, tuple(studies))


def _study_of_contrasts(
    rows: ContrastRows,
    name: str,
    at: Ints,
    first: Ints,
    second: Ints,
    treatments: tuple[str, ...],
    tolerance: float,
) -> Study:
    arms = np.unique(np.concatenate([first, second]))
    m = len(arms)
    _require_all_pairs(rows, name, arms, first, second, treatments)
    i, j = np.searchsorted(arms, first), np.searchsorted(arms, second)
    difference, variance = np.zeros((m, m)), np.zeros((m, m))
    difference[i, j], difference[j, i] = rows.estimate[at], -rows.estimate[at]
    variance[i, j] = variance[j, i] = rows.std_error[at] ** 2
    effect = difference.mean(axis=1)  # the least-squares arm effects of all pairs
    if m > 2:
        _require_consistent(rows, name, arms, difference, effect, treatments, tolerance)
        _require_one_study(rows, name, variance)
    return Study(name, arms, effect, variance)


def _require_all_pairs(
    rows: ContrastRows, name: str, arms: Ints, first: Ints, second: Ints, treatments: tuple[str, ...]
) -> None:
    given = {frozenset(pair) for pair in zip(first.tolist(), second.tolist())}
    wanted = [pair for pair in combinations(arms.tolist(), 2) if frozenset(pair) not in given]
    if wanted:
        missing = ", ".join(f"{treatments[a]} v {treatments[b]}" for a, b in wanted)
        raise EvidenceError(
            f"study {name} has {len(arms)} treatments and not all of their comparisons",
            where=f"{rows.where}: study {name}",
            found=f"{len(given)} of {len(given) + len(wanted)} comparisons; missing: {missing}",
            expected="every pair of a study's treatments: their standard errors tell the covariances",
            try_="add the missing rows, give arm rows, or call it several studies if it is",
        )


def _require_consistent(
    rows: ContrastRows,
    name: str,
    arms: Ints,
    difference: Floats,
    effect: Floats,
    treatments: tuple[str, ...],
    tolerance: float,
) -> None:
    gap = np.abs(difference - (effect[:, None] - effect[None, :]))
    if gap.max() > tolerance * max(1.0, float(np.abs(difference).max())):
        a, b = np.unravel_index(int(gap.argmax()), gap.shape)
        raise EvidenceError(
            f"the comparisons of study {name} do not add up",
            where=f"{rows.where}: study {name}, {treatments[arms[a]]} v {treatments[arms[b]]}, estimate",
            found=f"{difference[a, b]:.6g}",
            expected=f"near {effect[a] - effect[b]:.6g}, which the study's other comparisons imply",
            try_="check signs and rounding (logs of ratios), or raise tolerance",
        )


def _require_one_study(rows: ContrastRows, name: str, variance: Floats) -> None:
    m = len(variance)
    center = np.eye(m) - 1 / m
    values = np.linalg.eigvalsh(-0.5 * center @ variance @ center)
    if values[1] <= 1e-10 * values[-1]:
        raise EvidenceError(
            f"the standard errors of study {name} cannot belong to one study",
            where=f"{rows.where}: study {name}, column std_error",
            found=", ".join(f"{value:.6g}" for value in np.sqrt(variance[np.triu_indices(m, 1)])),
            expected="variances of differences between common arms (each below the sum of the others')",
            try_="check the standard errors; two comparisons that share no patients are two studies",
        )
