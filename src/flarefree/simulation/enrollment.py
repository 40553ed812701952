"""Who is who in a virtual trial: centers, subject numbers in order of entry, and dates.

Nothing here looks at an arm, so no number, order or date can tell one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.simulation.baseline import Population
from flarefree.simulation.cohort import Cohort
from flarefree.studytime import DAYS_PER_MONTH

__all__ = ["Center", "Enrollment", "centers_of", "enroll"]

Ints = npt.NDArray[np.integer[Any]]

# Which countries a region's centers are in is assumed, but for China; papers name regions only.
_COUNTRIES: Mapping[str, tuple[str, ...]] = {
    "Asia": ("CHN", "MYS"),
    "Latin America": ("MEX", "ARG", "BRA"),
    "North America": ("USA", "CAN"),
    "Europe": ("GBR", "DEU", "FRA"),
    "South Africa": ("ZAF",),
    "Australia": ("AUS",),
    "China": ("CHN",),
}

_OPENS: Mapping[str, date] = {"ALMS": date(2006, 1, 25), "multitarget": date(2009, 10, 1)}
"""First day of enrollment.  ALMS: enrolled to 19 March 2007, 418 days later; the other is assumed."""
_OPENS_ELSEWHERE = date(2010, 1, 1)


@dataclass(frozen=True, slots=True)
class Center:
    """A center by its number in the cohort: its name in files, and its country (empty if not known)."""

    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Enrollment:
    """Names and dates of n virtual patients; arrays have shape (n,), by row of the cohort.

    Attributes
    ----------
    subjects : object
        `GBR01-003`: the third to enter at its center.
    ranks : int64
        Place of each in files: by center, then in order of entry.
    centers : tuple of Center
        Of each patient.
    day_one : tuple of date
        The date of study day 1.
    """

    subjects: npt.NDArray[np.object_]
    ranks: npt.NDArray[np.int64]
    centers: tuple[Center, ...]
    day_one: tuple[date, ...]

    def dates(self, patients: Ints, days: Ints) -> list[str]:
        """ISO dates of study days (there is no day 0)."""
        pairs = zip(patients.tolist(), days.tolist(), strict=True)
        return [(self.day_one[i] + timedelta(days=d - 1 if d > 0 else d)).isoformat() for i, d in pairs]

    def ordered(self, frame: pl.DataFrame, *then: str) -> pl.DataFrame:
        """Rows (with their `patient`) as files have them: by patient, then by other columns."""
        ranked = frame.with_columns(pl.Series("rank", self.ranks[frame.get_column("patient").to_numpy()]))
        return ranked.sort("rank", *then, maintain_order=True).drop("rank")


def enroll(cohort: Cohort, accrual_months: float | None = None) -> Enrollment:
    """Number the patients of a cohort of one trial, and give them dates.

    Parameters
    ----------
    cohort : Cohort
    accrual_months : float, optional
        How long enrollment takes; as long as in the population's trial without it.
    """
    centers = centers_of(cohort.population)
    entry = cohort.entry_day.astype(np.float64)
    if accrual_months is not None:
        entry = np.floor(entry * (accrual_months * DAYS_PER_MONTH / cohort.population.accrual_days))
    # Who enters on one day at one center comes in the order of a number of their own.
    luck = cohort._uniforms(4)[:, 2]
    order = np.lexsort((luck, entry, cohort.site))
    place = _places_within(cohort.site[order])
    width = max(3, len(str(int(place.max(initial=1)))))
    subjects = np.empty(len(cohort), dtype=object)
    for i, number in zip(order.tolist(), place.tolist(), strict=True):
        subjects[i] = f"{centers[cohort.site[i]].name}-{number:0{width}d}"
    ranks = np.empty(len(cohort), dtype=np.int64)
    ranks[sorted(order.tolist(), key=lambda i: str(subjects[i]))] = np.arange(len(cohort))
    opens = _OPENS.get(cohort.population.name, _OPENS_ELSEWHERE)
    return Enrollment(
        subjects,
        ranks,
        tuple(centers[site] for site in cohort.site.tolist()),
        tuple(opens + timedelta(days=int(day)) for day in entry.tolist()),
    )


def centers_of(population: Population) -> Sequence[Center]:
    """The centers of a population, in the order of their numbers."""
    found: list[Center] = []
    counts: dict[str, int] = {}
    for region, (_, count) in population.openings.items():
        countries = _COUNTRIES.get(region, ("",))
        for k in range(count):
            country = countries[k % len(countries)]
            counts[country] = counts.get(country, 0) + 1
            found.append(Center(f"{country or 'S'}{counts[country]:02d}", country))
    return found


def _places_within(sites: Ints) -> npt.NDArray[np.int64]:
    """1, 2, 3 ... within each run of one site."""
    at = np.arange(len(sites))
    begins = np.concatenate([[True], sites[1:] != sites[:-1]]) if len(sites) else np.empty(0, bool)
    return at - np.maximum.accumulate(np.where(begins, at, 0)) + 1
