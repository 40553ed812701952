"""What is measured at the visits of a virtual trial: true courses with error, as laboratory rows.

Every measure that the protocol names and this module knows is written under the protocol's own test
code and unit.  A few values are missing, one site reports creatinine in µmol/L, and a handful of rows
are odd on purpose (`docs/methods/virtual-alms-trial.md` lists them), so that a reader of the demo
sees what findings look like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.protocol.schema import Protocol
from flarefree.simulation.courses import MONTHS_BEFORE, Courses
from flarefree.simulation.patients import Patients
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["Visits", "measure", "plan_visits"]

Numbers = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

_INDUCTION_MONTHS = (-6, -4, -2, -1)
_MISSING_SHARE = 0.015
_SITE_IN_SI_UNITS = "GBR01"
_CREATININE_UMOL_PER_MG_DL = 88.4


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits of n patients, v each; arrays have shape (n, v), labels (v,)."""

    month: npt.NDArray[np.int64]
    names: tuple[str, ...]
    numbers: tuple[float, ...]
    day: Days
    """Study day (no day 0)."""


def plan_visits(protocol: Protocol, n: int, rng: np.random.Generator) -> Visits:
    """Induction visits, then the protocol's own schedule, each some days early or late."""
    planned = [v for v in protocol.schedule.visits if v.month is not None and v.month >= 0]
    months = np.array([*_INDUCTION_MONTHS, *(int(v.month or 0) for v in planned)])
    names = (*(f"Induction month {m + MONTHS_BEFORE}" for m in _INDUCTION_MONTHS), *(v.name for v in planned))
    numbers = (*(float(m - 10) for m in _INDUCTION_MONTHS), *(v.number for v in planned))
    target = np.round(months * DAYS_PER_MONTH)
    jitter = np.clip(np.round(rng.normal(0, 3, (n, len(months)))), -7, 7)
    jitter[:, months == 0] = -np.abs(jitter[:, months == 0]) * 0.3
    elapsed = np.round(target[None, :] + jitter).astype(np.int32)
    return Visits(months, names, numbers, np.where(elapsed >= 0, elapsed + 1, elapsed).astype(np.int32))


def measure(
    protocol: Protocol, patients: Patients, courses: Courses, visits: Visits, rng: np.random.Generator
) -> pl.DataFrame:
    """Laboratory rows, in our own columns: subject index, visit index, measure, result, unit."""
    values = _observed(patients, courses, visits, rng)
    frames = [
        _long(name, value, protocol.measures[name].unit, rng)
        for name, value in values.items()
        if name in protocol.measures and not protocol.measures[name].equation
    ]
    rows = pl.concat(frames)
    in_si_units = pl.col("patient").is_in(np.flatnonzero(patients.site == _SITE_IN_SI_UNITS).tolist())
    is_creatinine = (pl.col("measure") == "creatinine") & in_si_units
    return rows.with_columns(
        pl.when(is_creatinine)
        .then((pl.col("number") * _CREATININE_UMOL_PER_MG_DL).round(0))
        .otherwise("number")
        .alias("number"),
        pl.when(is_creatinine).then(pl.lit("umol/L")).otherwise("unit").alias("unit"),
    )


def _observed(
    patients: Patients, courses: Courses, visits: Visits, rng: np.random.Generator
) -> dict[str, Numbers]:
    """Values as a laboratory would report them, shape (n, v) each."""
    at = visits.month + MONTHS_BEFORE
    shape = (len(patients), len(at))

    def error(sd: float) -> Numbers:
        return rng.normal(0, sd, shape)

    log_up = courses.log_proteinuria[:, at]
    active, casts = courses.sediment[:, at], courses.casts[:, at]
    quiet_cells = rng.poisson(1.1, shape)
    red = np.where(active, 4 + rng.poisson(9, shape), np.minimum(quiet_cells, 4)).astype(float)
    white = np.where(
        active & (rng.random(shape) < 0.7), 4 + rng.poisson(6, shape), rng.poisson(1.0, shape)
    ).astype(float)
    dipstick = np.where(
        active,
        rng.choice((1.0, 2.0, 3.0), shape, p=(0.35, 0.45, 0.2)),
        rng.choice((0.0, 1.0), shape, p=(0.9, 0.1)),
    )
    red_casts = (casts & (rng.random(shape) < 0.8)).astype(float)
    observed = {
        "proteinuria": np.round(np.exp(log_up + error(0.30)), 2).clip(0.05),
        "upcr": np.round(np.exp(log_up + error(0.28)) * 0.95, 2).clip(0.02),
        "creatinine": np.round(np.exp(courses.log_creatinine[:, at] + error(0.06)), 2),
        "red_cells": red,
        "white_cells": white,
        "dipstick_blood": dipstick,
        "red_cell_casts": red_casts,
        "cellular_casts": np.maximum(red_casts, casts.astype(float)),
        "c3": np.round(courses.c3[:, at], 0),
        "c4": np.round(courses.c4[:, at], 1),
        "anti_dsdna": np.round(courses.anti_dsdna[:, at], 0).clip(1),
        "albumin": np.round(courses.albumin[:, at], 1),
        "weight": np.round(patients.weight_kg[:, None] * np.exp(error(0.015)), 1),
        "white_blood_cells": np.round(
            np.exp(np.log(6.3) - 0.12 * (patients.arm == "AZA")[:, None] + error(0.22)), 1
        ),
        "platelets": np.round(np.exp(np.log(255) + error(0.22)), 0),
        "alt": np.round(np.exp(np.log(20) + error(0.42)), 0),
        "ast": np.round(np.exp(np.log(22) + error(0.35)), 0),
    }
    return observed | _bilag_grades(courses, at, rng)


_BILAG_SYSTEMS = (
    "constitutional",
    "mucocutaneous",
    "neuropsychiatric",
    "musculoskeletal",
    "cardiorespiratory",
    "gastrointestinal",
    "ophthalmic",
    "hematological",
)
_GRADES = {"A": 0.0, "B": 0.04, "C": 0.16, "D": 0.42, "E": 0.38}


def _bilag_grades(
    courses: Courses, at: npt.NDArray[np.int64], rng: np.random.Generator
) -> dict[str, Numbers]:
    """Extrarenal grades as numbers 5 (A) to 1 (E); an extrarenal flare is an A in one system."""
    shape = courses.extrarenal_flare[:, at].shape
    flares = _since_last_visit(courses.extrarenal_flare, at)
    system_of_flare = rng.integers(0, len(_BILAG_SYSTEMS), shape)
    grades = {}
    for i, system in enumerate(_BILAG_SYSTEMS):
        quiet = rng.choice((5.0, 4.0, 3.0, 2.0, 1.0), shape, p=tuple(_GRADES.values()))
        grades[f"bilag_{system}"] = np.where(flares & (system_of_flare == i), 5.0, quiet)
    return grades


def _since_last_visit(monthly: npt.NDArray[np.bool_], at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    seen = np.zeros((monthly.shape[0], len(at)), dtype=bool)
    previous = 0
    for j, month in enumerate(at.tolist()):
        seen[:, j] = monthly[:, previous : month + 1].any(axis=1)
        previous = month + 1
    return seen


def _long(name: str, value: Numbers, unit: str, rng: np.random.Generator) -> pl.DataFrame:
    n, v = value.shape
    frame = pl.DataFrame(
        {
            "patient": np.repeat(np.arange(n, dtype=np.int32), v),
            "visit": np.tile(np.arange(v, dtype=np.int32), n),
            "number": value.ravel(),
        }
    )
    kept = rng.random(n * v) >= _MISSING_SHARE
    return frame.filter(pl.Series(kept)).with_columns(
        pl.lit(name).alias("measure"), pl.lit(unit).alias("unit")
    )
