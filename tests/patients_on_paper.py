"""A study written down patient by patient: what the spec tests of endpoints are made of.

`Paper` collects named patients; each row remembers that it stands in a file of its table, in the order in
which it was written, so that lineage can be read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from flarefree.endpoints.follow_up import derive_follow_up
from flarefree.endpoints.gathering import last_days
from flarefree.endpoints.long_rows import read_rows
from flarefree.lineage import Source
from flarefree.protocol.schema import Protocol
from flarefree.records.study import Study
from flarefree.records.tables import TABLES

DAY_ONE = date(2006, 1, 1)


def date_of(day: int) -> date:
    """The calendar date of a study day."""
    return DAY_ONE + timedelta(days=day - 1 if day > 0 else day)


@dataclass
class Paper:
    """A study on paper."""

    protocol: str = ""
    arms: tuple[str, ...] = ("MMF", "AZA")
    units: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def patient(self, name: str, *, end: int = 1097, arm: str | None = None, **more: Any) -> Patient:
        """A new patient, followed to study day `end`."""
        which = self.arms[len(self.rows["subjects"]) % len(self.arms)] if arm is None else arm
        self.add(
            "subjects",
            subject=name,
            arm=which,
            actual_arm=which,
            age_years=more.pop("age", 30.0),
            sex=more.pop("sex", "F"),
            race=more.pop("race", "ASIAN"),
            is_screen_failure=more.pop("is_screen_failure", False),
            randomization_date=DAY_ONE,
            first_dose_date=DAY_ONE,
            first_dose_day=more.pop("first_dose_day", 1),
            end_day=end,
            end_date=date_of(end),
            **more,
        )
        return Patient(self, name)

    def add(self, table: str, **values: Any) -> None:
        """One row of a table."""
        place = list(TABLES).index(table)
        self.rows[table].append({**values, "source": place, "row": len(self.rows[table]) + 1})

    def study(self) -> Study:
        """What was written, as a study."""
        frames = {}
        for name, rows in self.rows.items():
            schema = dict(TABLES[name])
            extra = {key for row in rows for key in row} - set(schema)
            for key in sorted(extra):
                schema[key] = (
                    pl.Float64 if all(isinstance(r.get(key), int | float | None) for r in rows) else pl.String
                )
            frames[name] = pl.DataFrame(rows, schema=schema)
        sources = tuple(Source(f"{name}.csv", "csv", len(self.rows[name]), "0" * 64, name) for name in TABLES)
        return Study("on paper", self.protocol, frames, sources)


def follow_up(paper: Paper, spec: Protocol) -> pl.DataFrame:
    """When each patient's follow-up ended, and how."""
    study = paper.study()
    rows = read_rows(study["observations"], spec, study["subjects"].get_column("subject"))
    return derive_follow_up(study, spec, last_days(rows, study["subjects"].height))


@dataclass
class Patient:
    """One patient of a `Paper`; every verb writes rows and gives the patient back."""

    paper: Paper
    name: str

    def at(self, day: int, visit: float | str | None = None, /, **values: float | bool | None) -> Patient:
        """Values of one day, by measure; None writes a row without a result."""
        for measure, value in values.items():
            number = None if value is None else float(value)
            unit = self.paper.units.get(measure, "")
            self.value(measure, day, number, visit=visit, original_unit=unit)
        return self

    def value(
        self, measure: str, day: int | None, value: float | None, *, visit: Any = None, **more: Any
    ) -> Patient:
        """One row of observations, in detail."""
        label = {"visit_number": float(visit)} if isinstance(visit, int | float) else {"visit": visit}
        defaults: dict[str, Any] = {
            "subject": self.name,
            "measure": measure,
            "test": measure.upper(),
            "domain": "LB",
            "value": value,
            "unit": self.paper.units.get(measure, ""),
            "original_value": "" if value is None else f"{value:g}",
            "day": day,
            "date": None if day is None else date_of(day),
        }
        self.paper.add("observations", **{**defaults, **label, **more})
        return self

    def dies(self, day: int) -> Patient:
        """Death, in the subjects' table."""
        row = next(r for r in self.paper.rows["subjects"] if r["subject"] == self.name)
        row.update(death_day=day, death_date=date_of(day))
        return self

    def leaves(self, day: int, status: str = "WITHDRAWAL BY SUBJECT", reason: str | None = None) -> Patient:
        """A disposition."""
        said = {"status": status, "reason": reason, "category": "DISPOSITION EVENT"}
        self.paper.add("dispositions", subject=self.name, day=day, date=date_of(day), **said)
        return self

    def begins(self, drug: str, day: int, indication: str, **more: Any) -> Patient:
        """A concomitant medication."""
        return self.has("medications", day, drug=drug, indication=indication, **more)

    def has(self, table: str, day: int, **values: Any) -> Patient:
        """A record of any table that has a start."""
        self.paper.add(table, subject=self.name, start_day=day, start_date=date_of(day), **values)
        return self

    def decided(
        self, reader: str, endpoint: str, is_confirmed: bool | None, day: int | None = None
    ) -> Patient:
        """An adjudicated decision."""
        said = {"endpoint": endpoint, "reader": reader, "is_confirmed": is_confirmed}
        dated = {"event_day": day, "event_date": None if day is None else date_of(day)}
        self.paper.add("decisions", subject=self.name, **said, **dated)
        return self
