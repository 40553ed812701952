"""A small trial written down by hand: eight patients in two arms, so that every number can be counted.

MMF: Ada, Ben, Cleo, Dan; AZA: Eve, Finn, Gus, Hana; Ivo failed screening.  The derivation is given
frame by frame, so that analyses are tested without the engine that derives endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from flarefree.endpoints.derivation import (
    AGREEMENT_SCHEMA,
    ASSESSABILITY_SCHEMA,
    EVENTS_SCHEMA,
    STATES_SCHEMA,
    TIME_TO_EVENT_SCHEMA,
    VALUES_SCHEMA,
    Derivation,
)
from flarefree.endpoints.panel import Panel
from flarefree.lineage import Source
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import parse_protocol
from flarefree.records.study import Study
from flarefree.records.tables import TABLES
from flarefree.results import AnalysisResult

DAY_ONE = date(2020, 1, 1)

PROTOCOL = """
flarefree: 1
name: small-trial
title: A small trial
design: {summary: Two arms., follow_up: 12 months}
arms:
  MMF:
    label: Mycophenolate
    regimens: [{drug: mycophenolate, codes: [MMF], target: 2 g/day}]
  AZA:
    label: Azathioprine
    regimens: [{drug: azathioprine, codes: [AZA], target: 2 mg/kg/day}]
reference_arm: AZA
dosing: {prednisone_ceiling: 10 mg/day, glucocorticoids: [prednisone, methylprednisolone]}
randomization: {ratio: {MMF: 1, AZA: 1}}
schedule:
  visits:
    - {name: Month 0, number: 0, month: 0, day: 1}
    - {name: Month 6, number: 6, month: 6, day: 184, first_day: 93, last_day: 275}
    - {name: Month 12, number: 12, month: 12, day: 366, first_day: 276, last_day: 400}
covariates:
  age: {label: Age, type: number, unit: years, column: age_years}
  sex: {label: Sex, levels: {F: [F], M: [M]}}
  region: {label: Region}
  site: {label: Center}
  weight_kg: {label: Weight, type: number, unit: kg}
measures:
  proteinuria: {label: Urinary protein, unit: g/day, tests: [PROT], digits: 1}
  creatinine: {label: Creatinine, unit: mg/dL, tests: [CREAT]}
  trough: {label: Trough, unit: ng/mL, tests: [TROUGH], digits: 2}
endpoints:
  flare: {label: Renal flare, when: proteinuria >= 2 g/day}
  death: {label: Death, when: death}
  failure: {label: Treatment failure, first_of: [death, flare]}
  remission: {label: Remission, state: proteinuria < 0.5 g/day}
populations:
  itt: {label: Intention to treat, when: randomized}
  safety: {label: Safety population, when: dosed, by: actual}
withdrawals:
  completed: [COMPLETED]
  reasons: {Adverse event: [ADVERSE EVENT], Lost to follow-up: [LOST TO FOLLOW-UP]}
analyses:
%s
"""

PATIENTS: dict[str, dict[str, Any]] = {
    "Ada": {"arm": "MMF", "sex": "F", "age_years": 30.0, "region": "Asia", "weight_kg": 50.0, "end": 366},
    "Ben": {"arm": "MMF", "sex": "M", "age_years": 40.0, "region": "Asia", "weight_kg": 70.0, "end": 366},
    "Cleo": {"arm": "MMF", "sex": "F", "age_years": 50.0, "region": "Europe", "weight_kg": 60.0, "end": 366},
    "Dan": {"arm": "MMF", "sex": "M", "age_years": 60.0, "region": "Europe", "weight_kg": 80.0, "end": 183,
            "status": "withdrawn", "reason": "Adverse event"},
    "Eve": {"arm": "AZA", "sex": "F", "age_years": 20.0, "region": "Asia", "weight_kg": 50.0, "end": 366},
    "Finn": {"arm": "AZA", "sex": "M", "age_years": 30.0, "region": "Asia", "weight_kg": 100.0, "end": 366},
    "Gus": {"arm": "AZA", "sex": "M", "age_years": 40.0, "region": "Europe", "weight_kg": None, "end": 90,
            "status": "withdrawn", "reason": "Lost to follow-up"},
    "Hana": {"arm": "AZA", "sex": "F", "age_years": 50.0, "region": "Europe", "weight_kg": 40.0, "end": 275,
             "status": "withdrawn", "reason": "Adverse event"},
}  # fmt: skip
"""Named patients; days followed are 366 + 366 + 366 + 183 in MMF, 366 + 366 + 90 + 275 in AZA."""

SOURCES = (
    Source("dm.csv", "csv", 9, "0" * 64, "DM"),
    Source("lb.csv", "csv", 99, "1" * 64, "LB"),
    Source("ae.csv", "csv", 99, "2" * 64, "AE"),
)


def protocol_with(analyses: str) -> LoadedProtocol:
    """The protocol with these analyses (YAML, one name a block, not indented)."""
    lines = analyses.strip("\n").splitlines() or ["{}"]
    return parse_protocol(PROTOCOL % "\n".join("  " + line for line in lines), "small-trial.yaml")


def subjects_of(
    patients: dict[str, dict[str, Any]], *, screen_failures: Sequence[str] = ("Ivo",)
) -> pl.DataFrame:
    """`Derivation.subjects` of these patients, all dosed from day 1 to their end."""
    rows = [_subject(i, name, given) for i, (name, given) in enumerate(patients.items())]
    rows += [
        {
            "subject": name,
            "is_screen_failure": True,
            "source": 0,
            "row": 90 + i,
            "in_itt": False,
            "in_safety": False,
        }
        for i, name in enumerate(screen_failures)
    ]
    schema = {
        **TABLES["subjects"],
        "weight_kg": pl.Float64,
        "age": pl.Float64,
        "follow_up_end_day": pl.Int32,
        "last_visit_day": pl.Int32,
        "status": pl.String,
        "reason": pl.String,
        "withdrawal_day": pl.Int32,
        "in_itt": pl.Boolean,
        "in_safety": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema)


def _subject(i: int, name: str, given: dict[str, Any]) -> dict[str, Any]:
    end = given["end"]
    status = given.get("status", "completed")
    dosed = given.get("dosed", True)
    return {
        "subject": name,
        "site": given.get("site", "01"),
        "arm": given["arm"],
        "arm_written": given["arm"],
        "actual_arm": given.get("actual_arm", given["arm"]),
        "is_screen_failure": False,
        "randomization_date": DAY_ONE,
        "first_dose_date": DAY_ONE if dosed else None,
        "last_dose_date": DAY_ONE + timedelta(days=end - 1) if dosed else None,
        "end_date": DAY_ONE + timedelta(days=end - 1),
        "first_dose_day": 1 if dosed else None,
        "last_dose_day": end if dosed else None,
        "end_day": end,
        "follow_up_end_day": end,
        "last_visit_day": end,
        "status": status,
        "reason": given.get("reason"),
        "withdrawal_day": end if status == "withdrawn" else None,
        "age": given["age_years"],
        "in_itt": True,
        "in_safety": dosed,
        "source": 0,
        "row": i + 1,
    } | {k: v for k, v in given.items() if k in ("sex", "age_years", "region", "weight_kg", "death_day")}


def times(endpoint: str, found: dict[str, tuple[int, bool]], component: str = "") -> list[dict[str, Any]]:
    """Rows of `time_to_event`: days and whether the event was seen, by patient."""
    return [
        {
            "subject": name,
            "endpoint": endpoint,
            "start_day": 1,
            "stop_day": days,
            "time": days,
            "is_event": event,
            "component": (component or endpoint) if event else None,
            "censored_by": None if event else "end of follow-up",
            "origin": "derived",
        }
        for name, (days, event) in found.items()
    ]


def values(measure: str, found: dict[str, dict[int, float]], unit: str = "g/day") -> list[dict[str, Any]]:
    """Rows of `values`: by patient and study day; day 1 is the baseline, visits follow the schedule."""
    rows = []
    for name, by_day in found.items():
        for day, value in sorted(by_day.items()):
            visit = "Month 0" if day <= 1 else "Month 6" if day <= 275 else "Month 12"
            rows.append(
                {
                    "subject": name,
                    "measure": measure,
                    "assessment": 0,
                    "day": day,
                    "visit": visit,
                    "visit_number": float(visit.split()[1]),
                    "value": value,
                    "unit": unit,
                    "is_baseline": day == 1,
                    "baseline": by_day.get(1),
                }
            )
    return rows


def states(endpoint: str, found: dict[str, dict[str, bool | None]]) -> list[dict[str, Any]]:
    """Rows of `states`: by patient and visit."""
    days = {"Month 0": 1, "Month 6": 184, "Month 12": 366}
    return [
        {
            "subject": name,
            "endpoint": endpoint,
            "assessment": 0,
            "day": days[visit],
            "visit": visit,
            "visit_number": float(visit.split()[1]),
            "holds": holds,
        }
        for name, by_visit in found.items()
        for visit, holds in by_visit.items()
    ]


def make_derivation(
    analyses: str = "",
    *,
    patients: dict[str, dict[str, Any]] = PATIENTS,
    tables: dict[str, list[dict[str, Any]]] | None = None,
    **frames: list[dict[str, Any]],
) -> Derivation:
    """A derivation of `patients`, with frames of `Derivation` and tables of `Study` as rows."""
    subjects = subjects_of(patients)
    schemas = {
        "events": EVENTS_SCHEMA,
        "time_to_event": TIME_TO_EVENT_SCHEMA,
        "states": STATES_SCHEMA,
        "values": VALUES_SCHEMA,
        "assessability": ASSESSABILITY_SCHEMA,
        "agreement": AGREEMENT_SCHEMA,
    }
    own = {name: pl.DataFrame(rows, schema=TABLES[name]) for name, rows in (tables or {}).items()}
    study = Study("SMALL", "small-trial", {"subjects": subjects.select(*TABLES["subjects"]), **own}, SOURCES)
    built = {name: pl.DataFrame(frames.get(name, []), schema=schema) for name, schema in schemas.items()}
    return Derivation(study, protocol_with(analyses), empty_panel(subjects), subjects, **built)


def empty_panel(subjects: pl.DataFrame) -> Panel:
    """A panel without assessments, with the covariates that sentences about patients may ask for."""
    names = subjects.get_column("subject").to_list()
    covariates: dict[str, Any] = {
        "sex": np.array(subjects.get_column("sex").to_list(), dtype=object),
        "age": subjects.get_column("age").fill_null(np.nan).to_numpy(),
    }
    empty = np.array([], dtype=np.int32)
    return Panel(
        np.array(names, dtype=object), np.zeros(len(names) + 1, dtype=np.int64), empty, empty, {}, covariates
    )


def without_arms(derivation: Derivation) -> Derivation:
    """The same derivation before the key is released: nobody has an arm."""
    nothing = pl.lit(None, dtype=pl.String)
    return replace(derivation, subjects=derivation.subjects.with_columns(arm=nothing, actual_arm=nothing))


def stat(
    result: AnalysisResult, group: str, term: str, level: str = "", stat: str = "n"
) -> float | str | None:
    """One statistic of a result, which must be there exactly once."""
    found = [
        cell.stats[stat]
        for table in result.tables
        for row in table.rows
        if row.term == term and row.level == level
        for column in table.columns
        if (column.group or column.key) == group
        for cell in [row.cells.get(column.key)]
        if cell is not None and stat in cell.stats
    ]
    assert len(found) == 1, (group, term, level, stat, found)
    return found[0]
