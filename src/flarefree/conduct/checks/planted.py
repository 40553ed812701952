"""Patients with planted events: written as a laboratory and a site would write them, read as any data are.

Rows go through `flarefree.readers`, so that units, corrections and visits are met as in a trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.study import Study

__all__ = ["DAY_ONE", "Patient", "Planted", "date_of"]

DAY_ONE = date(2024, 2, 1)

# Test codes and units as both built-in protocols have them.
_TESTS = {
    "upcr": ("UPCR", "mg/mg"),
    "proteinuria": ("PROT24H", "g/day"),
    "creatinine": ("CREAT", "mg/dL"),
    "red_cells": ("RBCHPF", "/hpf"),
    "white_cells": ("WBCHPF", "/hpf"),
    "dipstick_blood": ("OCCBLD", ""),
    "cellular_casts": ("CASTS", ""),
    "red_cell_casts": ("CSRBC", ""),
    "white_cell_casts": ("CSWBC", ""),
    "urinary_infection": ("UTI", ""),
    "albumin": ("ALB", "g/dL"),
    "c3": ("C3", "mg/dL"),
    "c4": ("C4", "mg/dL"),
    "anti_dsdna": ("ADSDNA", "IU/mL"),
    "platelets": ("PLAT", "10^9/L"),
    "sledai": ("SLEDAI", ""),
    "skin_erythema": ("SKINERYT", ""),
    "weight": ("WEIGHT", "kg"),
    "tacrolimus_trough": ("TACROL", "ng/mL"),
    "bilag_mucocutaneous": ("BLGMUCO", ""),
    "bilag_musculoskeletal": ("BLGMUSC", ""),
    "bilag_hematological": ("BLGHEMA", ""),
}


def date_of(day: int) -> date:
    """The calendar date of a study day."""
    return DAY_ONE + timedelta(days=day - 1 if day > 0 else day)


@dataclass
class Planted:
    """A study in the making; each table's rows are in the order in which they were entered."""

    protocol: LoadedProtocol
    arms: tuple[str, ...] = ()
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arms = self.arms or tuple(self.protocol.spec.arms)

    def add(self, table: str, **values: Any) -> None:
        """One row of a dataset."""
        self.rows.setdefault(table, []).append(values)

    def patient(self, name: str, *, site: str = "01", last_day: int = 1097, **more: str | float) -> Patient:
        """A new patient; arms in turn."""
        number = len(self.rows.get("subjects", []))
        arm = self.arms[number % len(self.arms)]
        self.add(
            "subjects", subject=name, site=site, arm=arm, actual_arm=arm, sex=more.pop("sex", "F"),
            age_years=more.pop("age", 30.0), race=more.pop("race", "WHITE"),
            randomization_date=DAY_ONE, first_dose_date=DAY_ONE, end_date=date_of(last_day), **more,
        )  # fmt: skip
        return Patient(self, name)

    def study(self) -> Study:
        """What was entered, as the readers read it."""
        from flarefree.readers import from_frames

        frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in self.rows.items()}
        return from_frames(frames, self.protocol, name="planted", is_virtual=True)


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient of a `Planted` study; every verb enters rows and gives the patient back."""

    planted: Planted
    name: str

    def at(self, day: int, units: Mapping[str, str] | None = None, /, **values: float | str) -> Patient:
        """Results of one day, by measure, in the usual units or in `units`."""
        for measure, value in values.items():
            code, unit = _TESTS[measure]
            self.planted.add(
                "lb", USUBJID=self.name, LBTESTCD=code,
                LBORRES=value if isinstance(value, str) else repr(value),
                LBORRESU=(units or {}).get(measure, unit), LBDTC=str(date_of(day)),
            )  # fmt: skip
        return self

    def is_(self, covariate: str, value: str | float) -> Patient:
        """A characteristic, in the subjects' table."""
        next(row for row in self.planted.rows["subjects"] if row["subject"] == self.name)[covariate] = value
        return self

    def dies(self, day: int) -> Patient:
        """Death."""
        row = next(row for row in self.planted.rows["subjects"] if row["subject"] == self.name)
        row.update(death_date=date_of(day), end_date=date_of(day))
        return self

    def takes(self, drug: str, day: int, indication: str, dose: float, unit: str, route: str) -> Patient:
        """A medication begun."""
        self.planted.add(
            "cm", USUBJID=self.name, CMTRT=drug, CMDECOD=drug, CMINDC=indication, CMDOSE=dose, CMDOSU=unit,
            CMROUTE=route, CMSTDTC=str(date_of(day)),
        )  # fmt: skip
        return self

    def has_procedure(self, name: str, day: int, until: int) -> Patient:
        """Dialysis, a transplantation ..."""
        self.planted.add(
            "pr",
            USUBJID=self.name,
            PRTRT=name,
            PRSTDTC=str(date_of(day)),
            PRENDTC=str(date_of(until)),
        )
        return self

    def has_event(self, name: str, day: int) -> Patient:
        """A clinical event that the investigator recorded."""
        self.planted.add("ce", USUBJID=self.name, CETERM=name, CESTDTC=str(date_of(day)))
        return self
