"""What is measured of virtual patients: any measures, on any days, each with its own day's error.

Looking twice, or on other days, changes nothing seen before: a value depends on the patient, the day and
the measure alone.  Values are not rounded; who writes a data file rounds them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError
from flarefree.simulation._finding_kernels import (
    measure_bilag,
    measure_hematology,
    measure_levels,
    measure_sediment,
)
from flarefree.simulation._measure_kernels import Following, measure_following
from flarefree.simulation._rounding_kernels import round_in_place
from flarefree.simulation.cohort import Cohort
from flarefree.simulation.streams import Purpose
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["MEASURES", "Report", "activity", "measure"]

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]

_SYSTEMS = (
    "constitutional",
    "mucocutaneous",
    "neuropsychiatric",
    "musculoskeletal",
    "cardiorespiratory",
    "gastrointestinal",
    "ophthalmic",
    "hematological",
)
_FOLLOWING = ("proteinuria", "upcr", "creatinine", "albumin", "c3", "c4", "anti_dsdna")
_SEDIMENT = (
    "red_cells",
    "white_cells",
    "dipstick_blood",
    "red_cell_casts",
    "white_cell_casts",
    "cellular_casts",
    "urinary_infection",
)
_BILAG = tuple(f"bilag_{system}" for system in _SYSTEMS)
_SMALL = frozenset(_BILAG + _SEDIMENT[3:])
_HEMATOLOGY = ("white_blood_cells", "platelets", "alt", "ast")
_LEVELS = ("tacrolimus_trough", "nag", "rbp", "weight")
_MANIFESTATIONS = {
    "skin_erythema": (1, (0, 1, 2, 3, 4, 5)),
    "vasculitis": (1, (6, 7)),
    "joint_pain": (3, tuple(range(8))),
    "hemolytic_anemia": (7, (0, 1, 2, 3)),
    "neurologic_symptoms": (2, tuple(range(8))),
    "myocarditis": (4, (0,)),
    "pneumonitis": (4, (1, 2)),
    "serositis": (4, (3, 4, 5, 6, 7)),
}

MEASURES: Mapping[str, str] = {
    "proteinuria": "g/day",
    "upcr": "mg/mg",
    "creatinine": "mg/dL",
    "albumin": "g/dL",
    "c3": "mg/dL",
    "c4": "mg/dL",
    "anti_dsdna": "IU/mL",
    "red_cells": "/hpf",
    "white_cells": "/hpf",
    "dipstick_blood": "",
    "red_cell_casts": "",
    "white_cell_casts": "",
    "cellular_casts": "",
    "urinary_infection": "",
    **dict.fromkeys(_BILAG, ""),
    "sledai": "",
    **dict.fromkeys(_MANIFESTATIONS, ""),
    "white_blood_cells": "10^9/L",
    "platelets": "10^9/L",
    "alt": "U/L",
    "ast": "U/L",
    "tacrolimus_trough": "ng/mL",
    "nag": "U/g",
    "rbp": "mg/L",
    "weight": "kg",
}
"""Unit of every measure that virtual patients have.  Yes/no is 1 and 0; dipsticks are 0, 0.5 (trace) and 1
to 4; BILAG grades 5 (A) to 1 (E)."""

_C3_LOW, _C4_LOW, _DSDNA_HIGH = 79.0, 16.0, 30.0


ACTIVITY = "activity"
"""What nobody measures: see `activity`."""


class Report(NamedTuple):
    """How a laboratory reports a measure.

    Attributes
    ----------
    factor : float
        From the unit of `MEASURES` to the laboratory's.
    scale : float
        The inverse of what values are rounded to; 0 where they are not.
    most : float
        The highest value reported.
    """

    factor: float = 1.0
    scale: float = 0.0
    most: float = np.inf


def measure(
    cohort: Cohort,
    days: npt.NDArray[np.integer[Any]],
    names: Iterable[str],
    *,
    until: npt.NDArray[np.integer[Any]] | None = None,
    into: MutableMapping[str, Values] | None = None,
    compact: bool = False,
    reported: Mapping[str, Report] | None = None,
) -> dict[str, Values]:
    """Measure virtual patients.

    Parameters
    ----------
    cohort : Cohort
    days : (n, v) or (v,) int
        Study days, in any order; day 1 is randomization, days below 1 lie in induction, day 0 is not.
    names : iterable of str
        Of `MEASURES`; `activity` too, which is latent.
    until : (n,) int, optional
        Last day on which each patient is seen; NaN after it.
    into : mutable mapping of str to (n, v) arrays, optional
        Room to be used again: arrays kept here under their names are written over, so an earlier answer
        that used them is lost.  Asking the system for fresh memory costs as much as measuring does.
    compact : bool
        Grades and findings as int8, an eighth of the memory to go through; `until` then cannot be given.
    reported : mapping of str to Report, optional
        How a laboratory reports each measure; `MEASURES` has the unit of what is not here.

    Returns
    -------
    dict of (n, v) float64
        In the units of `MEASURES`.

    Raises
    ------
    DesignError
        A name that no virtual patient has, or days of another shape.
    """
    asked = tuple(dict.fromkeys(names))
    assert until is None or not compact
    _require_names(tuple(name for name in asked if name != ACTIVITY))
    at = _require_days(cohort, days)
    seen = _seen(cohort, at, asked, _Room(at.shape, into, compact, dict(reported or {})))
    for name, report in (reported or {}).items():
        if name in seen and name not in _FOLLOWING + _SEDIMENT[:2]:  # those are reported as they are made
            seen[name] = _as_reported(seen[name], report)
    values = {name: seen[name] for name in asked}
    if until is not None:
        gone = at > np.asarray(until)[:, None]
        for value in values.values():
            value[gone] = np.nan
    return values


def _as_reported(values: Values, report: Report) -> Values:
    if report.scale > 0.0:
        round_in_place(values.reshape(-1), report.factor, report.scale)
    elif report.factor != 1.0:
        values = values * report.factor
    return values if report.most == np.inf else np.minimum(values, report.most, out=values)


def activity(cohort: Cohort, days: npt.NDArray[np.integer[Any]]) -> Floats:
    """Latent activity (log units of proteinuria) on study days, shape (n, v)."""
    at = _require_days(cohort, days)
    return _following(cohort, at, ("activity",), _Room(at.shape, None, False, {}))["activity"]


@dataclass(frozen=True, slots=True)
class _Room:
    """Where measurements are put: arrays of an earlier answer where they fit."""

    shape: tuple[int, ...]
    kept: MutableMapping[str, Values] | None
    compact: bool
    reported: Mapping[str, Report]

    def of(self, names: tuple[str, ...], asked: tuple[str, ...]) -> dict[str, Values]:
        """Arrays for what is asked; empty ones for the rest."""
        return {name: self._one(name) if name in asked else self._fresh(name, (0, 0)) for name in names}

    def _one(self, name: str) -> Values:
        kept = None if self.kept is None else self.kept.get(name)
        return kept if kept is not None and self._fits(name, kept) else self._fresh(name, self.shape)

    def prepare(self, names: Sequence[str]) -> None:
        """Lay out what is kept next to each other: long stretches of memory come in large pages."""
        if self.kept is None:
            return
        for kind in (np.float64, np.int8):
            own = [name for name in names if self._type(name) is kind]
            if all(name in self.kept and self._fits(name, self.kept[name]) for name in own):
                continue
            block = np.empty((len(own), *self.shape), kind)
            self.kept.update(zip(own, block, strict=True))

    def reports(self, names: Sequence[str]) -> Floats:
        """How each is reported, (names, 3)."""
        return np.array([self.reported.get(name, Report()) for name in names])

    def _fits(self, name: str, kept: Values) -> bool:
        return kept.shape == self.shape and kept.dtype == self._type(name)

    def _fresh(self, name: str, shape: tuple[int, ...]) -> Values:
        return np.empty(shape, self._type(name))

    def _type(self, name: str) -> Any:
        return np.int8 if self.compact and name in _SMALL else np.float64


def _seen(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    wanted = set(asked)
    if "sledai" in wanted:
        wanted |= {"proteinuria", "c3", "c4", "anti_dsdna", "red_cells", "white_cells", "cellular_casts"}
        wanted |= set(_BILAG) | set(_MANIFESTATIONS)
    if wanted & set(_MANIFESTATIONS):
        wanted |= {f"bilag_{_SYSTEMS[s]}" for s, _ in _MANIFESTATIONS.values()}
    room.prepare([name for name in (*MEASURES, ACTIVITY) if name in wanted and name not in _MANIFESTATIONS])
    seen: dict[str, Values] = {}
    for group, look in (
        ((*_FOLLOWING, ACTIVITY), _following),
        (_SEDIMENT, _sediment),
        (_BILAG, _bilag),
        (_HEMATOLOGY, _hematology),
        (_LEVELS, _levels),
    ):
        here = tuple(name for name in group if name in wanted)
        if here:
            seen |= look(cohort, days, here, room)
    if wanted & set(_MANIFESTATIONS):
        seen |= _manifestations(cohort, seen)
    if "sledai" in wanted:
        seen["sledai"] = _sledai(seen)
    return seen


def _flat(out: Mapping[str, Values]) -> list[Values]:
    return [value.reshape(-1) for value in out.values()]


def _key(cohort: Cohort) -> npt.NDArray[np.uint64]:
    return np.array(cohort.streams.key, dtype=np.uint64)


def _following(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    names = (*_FOLLOWING, "activity")
    out = room.of(names, asked)
    report = room.reports(_FOLLOWING)
    streams = np.array([Purpose.WANDER, Purpose.LABORATORY, Purpose.IMMUNOLOGY], dtype=np.int64)
    measure_following(
        days, cohort.trial, cohort.patient, cohort.arm, _drugs(cohort), cohort.state, cohort.first_flare,
        cohort.flares, following_numbers(cohort), streams, _key(cohort), report, *_flat(out),
    )  # fmt: skip
    return {name: out[name] for name in asked}


def _sediment(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    order = (*_SEDIMENT[:3], "red_cell_casts", "white_cell_casts", "cellular_casts", "urinary_infection")
    out = room.of(order, asked)
    p, report = cohort.parameters, room.reports(_SEDIMENT[:2])
    measure_sediment(
        days, cohort.trial, cohort.patient, cohort.state, cohort.first_flare, cohort.flares, p.casts_red,
        p.casts_white, max(p.uti, 1e-12), int(Purpose.SEDIMENT), _key(cohort), report, *_flat(out),
    )  # fmt: skip
    return {name: out[name] for name in asked}


def _bilag(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    wanted = np.array([s for s, name in enumerate(_BILAG) if name in asked], dtype=np.int64)
    out = room.of(_BILAG, asked)
    p = cohort.parameters
    measure_bilag(
        days, cohort.trial, cohort.patient, cohort.first_extrarenal, cohort.extrarenal_time,
        cohort.extrarenal_kind, p.extrarenal_days, cohort._number("bilag_b"), p.bilag_c, int(Purpose.PATIENT),
        int(Purpose.BILAG), _key(cohort), wanted, tuple(_flat(out)),
    )  # fmt: skip
    return {name: out[name] for name in asked}


def _hematology(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    out = room.of(_HEMATOLOGY, asked)
    p = cohort.parameters
    measure_hematology(
        days, cohort.trial, cohort.patient, cohort.arm, _drugs(cohort), cohort.state,
        p.cut_days, int(Purpose.PATIENT), int(Purpose.HEMATOLOGY), _key(cohort),
        *_flat(out),
    )  # fmt: skip
    return {name: out[name] for name in asked}


def _levels(
    cohort: Cohort, days: npt.NDArray[np.int32], asked: tuple[str, ...], room: _Room
) -> dict[str, Values]:
    out = room.of(_LEVELS, asked)
    weight = cohort.covariates["weight"] if "weight" in asked else np.empty(0)
    measure_levels(
        days, cohort.trial, cohort.patient, cohort.arm, _drugs(cohort), weight, int(Purpose.PATIENT),
        int(Purpose.DRUG_LEVELS), int(Purpose.IMMUNOLOGY), _key(cohort), *_flat(out),
    )  # fmt: skip
    return {name: out[name] for name in asked}


def _manifestations(cohort: Cohort, seen: Mapping[str, Values]) -> dict[str, Values]:
    """Yes/no findings outside the kidney: those of a system with a grade A or B, by the patient's kind."""
    kind = cohort._uniforms(15)[:, 0] * 8.0
    out = {}
    for name, (system, kinds) in _MANIFESTATIONS.items():
        has = np.isin(np.floor(kind), kinds)[:, None]
        out[name] = ((seen[f"bilag_{_SYSTEMS[system]}"] >= 4.0) & has).astype(float)
    return out


def _sledai(seen: Mapping[str, Values]) -> Floats:
    """SLEDAI-2K of the same day's findings [gladman2002]: kidney, serology, and what is seen elsewhere."""
    score = (
        4.0 * (seen["proteinuria"] > 0.5) + 4.0 * (seen["red_cells"] > 5) + 4.0 * (seen["white_cells"] > 5)
    )
    score += 4.0 * (seen["cellular_casts"] > 0)
    score += 2.0 * ((seen["c3"] < _C3_LOW) | (seen["c4"] < _C4_LOW)) + 2.0 * (
        seen["anti_dsdna"] > _DSDNA_HIGH
    )
    score += 8.0 * (seen["vasculitis"] > 0) + 8.0 * (seen["neurologic_symptoms"] > 0)
    score += (
        4.0 * (seen["joint_pain"] > 0) + 2.0 * (seen["skin_erythema"] > 0) + 2.0 * (seen["serositis"] > 0)
    )
    return score


def _drugs(cohort: Cohort) -> Floats:
    """What each arm's drugs do to measurements, shape (arms, 4)."""
    return np.array(
        [
            [t.cni, t.cni and t.cni_before, t.stop_day - 1 if t.stop_day else 1e9, t.lowers_complement]
            for t in cohort.treatments
        ],
        dtype=float,
    )


def following_numbers(cohort: Cohort) -> Following:
    """The kernel's numbers: what varies between patients is what the margins leave of errors and activity."""
    p, people = cohort.parameters, cohort.population
    wander = p.sigma_o**2

    def own(total: float, *others: float) -> float:
        return float(np.sqrt(max(total**2 - sum(others), 0.0)))

    return Following(
        k_per_day=p.k_per_month / DAYS_PER_MONTH,
        tau_months=p.tau_months,
        sigma_o=p.sigma_o,
        decay=p.decay_per_month / DAYS_PER_MONTH,
        lag_rate=_apart(1.0 / p.lag_months, p.decay_per_month) / DAYS_PER_MONTH,
        lag_days=p.lag_months * DAYS_PER_MONTH,
        cni_proteinuria=p.cni_proteinuria,
        cni_creatinine=p.cni_creatinine,
        cni_fade=p.cni_fade_days,
        step_stays=p.step_stays,
        step_fade=p.step_fade_months * DAYS_PER_MONTH,
        severe_days=p.severe_months * DAYS_PER_MONTH,
        sigma_e=p.sigma_e,
        sigma_upcr=p.sigma_upcr,
        up_to_ratio=people.upcr_log[0] - people.up_log[0],
        ratio_sd=own(people.upcr_log[1], people.up_log[1] ** 2 - p.sigma_e**2, p.sigma_upcr**2),
        sigma_creatinine=p.sigma_creatinine,
        albumin_top=p.albumin_top,
        albumin_slope=p.albumin_slope,
        albumin_sd=p.albumin_sd,
        albumin_error=p.albumin_error,
        c3_mean=people.c3_log[0],
        c3_person=own(people.c3_log[1], p.c3_sd**2, p.c3_activity**2 * wander),
        c3_activity=p.c3_activity,
        c3_sd=p.c3_sd,
        c3_aza=p.aza_c3,
        c4_mean=people.c4_log[0],
        c4_person=own(people.c4_log[1], p.c4_sd**2, p.c4_activity**2 * wander),
        c4_activity=p.c4_activity,
        c4_sd=p.c4_sd,
        c4_aza=p.aza_c4,
        dsdna_mean=people.dsdna_log[0],
        dsdna_person=own(people.dsdna_log[1], p.dsdna_sd**2, p.dsdna_activity**2 * wander),
        dsdna_activity=p.dsdna_activity,
        dsdna_sd=p.dsdna_sd,
    )


def _apart(rate: float, other: float) -> float:
    """`rate`, a little away from `other`: the two exponentials of a lagged flare must differ."""
    return rate if abs(rate - other) > 1e-6 * other else other * (1.0 + 1e-6)


def _require_names(asked: tuple[str, ...]) -> None:
    for name in asked:
        if name not in MEASURES:
            near = difflib.get_close_matches(name, MEASURES, 3)
            raise DesignError(
                "no virtual patient has this measure",
                where="measures",
                found=name,
                expected="one of those that virtual patients have",
                try_=" or ".join(near) if near else ", ".join(MEASURES),
            )


def _require_days(cohort: Cohort, days: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int32]:
    at = np.asarray(days)
    if at.ndim == 1:
        at = np.broadcast_to(at, (len(cohort), len(at)))
    if at.ndim != 2 or at.shape[0] != len(cohort) or at.dtype.kind not in "iu":
        raise DesignError(
            "not days of these patients",
            where="days",
            found=f"{at.dtype} of shape {at.shape}",
            expected=f"whole numbers of shape ({len(cohort)}, visits)",
        )
    return np.ascontiguousarray(at, dtype=np.int32)
