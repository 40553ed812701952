"""One virtual patient again, by its address: its course and what was measured, for plots and teaching."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from flarefree.errors import DesignError
from flarefree.simulation.cohort import NO_DAY, Cohort, draw_cohort
from flarefree.simulation.measuring import MEASURES, activity, measure
from flarefree.simulation.parameters import TREATMENTS, Parameters, Treatment
from flarefree.simulation.streams import Streams
from flarefree.studytime import month_day

if TYPE_CHECKING:
    import polars as pl

__all__ = ["draw_one", "replay"]

_WATCHED = ("proteinuria", "upcr", "creatinine", "albumin", "c3", "c4", "anti_dsdna", "red_cells")


def draw_one(
    seed: int,
    trial: int,
    patient: int,
    treatments: Sequence[str | Treatment] = ("MMF", "AZA"),
    *,
    arm: int = 0,
    parameters: Parameters | None = None,
    population: str = "ALMS",
    horizon_day: int = 1142,
    shared_patients: bool = False,
) -> Cohort:
    """Draw one patient: number `patient` (from 0) of an arm, exactly as in the trial that it belongs to.

    Raises
    ------
    DesignError
        No such treatment, arm or patient.
    """
    chosen = tuple(t if isinstance(t, Treatment) else _treatment(t) for t in treatments)
    if not 0 <= arm < len(chosen):
        raise DesignError("no such arm", where="arm", found=str(arm), expected=f"0 to {len(chosen) - 1}")
    if patient < 0:
        raise DesignError("no such patient", where="patient", found=str(patient), expected="0 or more")
    sizes = tuple(patient + 1 if a == arm else 0 for a in range(len(chosen)))
    cohort = draw_cohort(
        parameters or Parameters(),
        chosen,
        Streams(seed),
        trials=range(trial, trial + 1),
        sizes=sizes,
        population=population,
        horizon_day=horizon_day,
        shared_patients=shared_patients,
    )
    return cohort.take(np.array([patient]))


def replay(
    seed: int,
    trial: int,
    patient: int,
    treatments: Sequence[str | Treatment] = ("MMF", "AZA"),
    *,
    arm: int = 0,
    days: Iterable[int] | None = None,
    names: Iterable[str] = _WATCHED,
    parameters: Parameters | None = None,
    population: str = "ALMS",
    horizon_day: int = 1142,
    shared_patients: bool = False,
) -> pl.DataFrame:
    """One patient's course as a frame.

    Parameters
    ----------
    seed, trial, patient : int
        The address; `patient` counts from 0 within the arm.
    treatments, arm
        The trial's arms, and which of them the patient is in.
    days : iterable of int, optional
        Study days; every month from 0 to 36 without it.
    names : iterable of str
        Of `MEASURES`.

    Returns
    -------
    polars.DataFrame
        A row a day: `day`, `activity` (latent), `flares` (so far), `is_alive`, and a column a measure.

    Examples
    --------
    >>> course = replay(1, 0, 7, days=[1, 92, 184], names=["proteinuria"])
    >>> course.columns
    ['day', 'activity', 'flares', 'is_alive', 'proteinuria']
    """
    import polars as pl

    cohort = draw_one(
        seed, trial, patient, treatments, arm=arm, parameters=parameters, population=population,
        horizon_day=horizon_day, shared_patients=shared_patients,
    )  # fmt: skip
    at = np.array(list(days) if days is not None else [month_day(m) for m in range(37)], dtype=np.int32)
    values = measure(cohort, at, tuple(names))
    begun = np.floor(cohort.flares[0]) + 1
    return pl.DataFrame(
        {
            "day": at,
            "activity": activity(cohort, at)[0],
            "flares": (begun[None, :] <= at[:, None]).sum(axis=1).astype(np.int32),
            "is_alive": at < cohort.death_day[0] if cohort.death_day[0] != NO_DAY else np.ones(len(at), bool),
            **{name: value[0] for name, value in values.items()},
        }
    )


def _treatment(name: str) -> Treatment:
    if name not in TREATMENTS:
        raise DesignError(
            "no such treatment", where="treatments", found=name, expected=", ".join(sorted(TREATMENTS))
        )
    return TREATMENTS[name]


assert set(_WATCHED) <= set(MEASURES)
