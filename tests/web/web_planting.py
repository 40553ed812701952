"""Planted patients of `conduct.checks` written into the record, as sites and a laboratory would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from flarefree.conduct.checks.planted import Planted
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.executing import execute

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MEASURES = ["LBTESTCD", "LBORRES", "LBORRESU", "LBDTC"]
OPEN = "labs.efficacy"


class Plant(Command):
    """Values, as they are told."""

    name: ClassVar[str] = "plant"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    subject: str
    things: tuple[tuple[str, str, str, dict[str, str | int | bool | None]], ...]

    def plan(self, asked: Asked) -> Plan:
        writes = tuple(
            Write(kind, key, name, field, value, is_consequence=True)
            for kind, key, field, values in self.things
            for name, value in values.items()
        )
        return Plan(f"subject/{self.subject}", writes=writes, reason="planted")


def plant(subject: str, *things: tuple[str, str, str, Mapping[str, Any]], request: str, at: datetime = NOON):
    """Write things of a subject: (kind, key, field, values)."""
    told = tuple((kind, key, field, dict(values)) for kind, key, field, values in things)
    return execute(Plant(subject=subject, things=told), Asked(None, request, at))


def plant_cohort_in_record(planted: Planted) -> None:
    """All patients of a planted study, one entry each."""
    for row in planted.rows["subjects"]:
        name = row["subject"]
        plant(name, *things_of(planted, row), request=f"plant {name}")


def things_of(planted: Planted, row: Mapping[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What the record would hold of one planted patient."""
    name, site = row["subject"], row["site"]
    of = {"subject": name, "site": site}
    told = {
        "subject": name, "site": site, "status": "on_treatment", "sex": row["sex"], "race": row["race"],
        "age_years": f"{row['age_years']:g}", "randomized_at": str(row["randomization_date"]),
    }  # fmt: skip
    found: list[tuple[str, str, str, dict[str, Any]]] = [("subject", name, "subject.characteristics", told)]
    found.append(("dispensing", f"{name}.1", "dispensing.record", of | {"date": str(row["first_dose_date"])}))
    for n, lab in enumerate(r for r in planted.rows.get("lb", []) if r["USUBJID"] == name):
        test, value, unit, day = (lab[variable] for variable in MEASURES)
        values = of | {"test": test, "value": value, "unit": unit, "date": day}
        found.append(("lab", f"{name}.{n}", OPEN, values))
    for n, cm in enumerate(r for r in planted.rows.get("cm", []) if r["USUBJID"] == name):
        values = of | {
            "drug": cm["CMTRT"], "indication": cm["CMINDC"], "dose": f"{cm['CMDOSE']:g}",
            "unit": cm["CMDOSU"], "route": cm["CMROUTE"], "start": cm["CMSTDTC"],
        }  # fmt: skip
        found.append(("medication", f"{name}.{n}", "medications.record", values))
    for n, pr in enumerate(r for r in planted.rows.get("pr", []) if r["USUBJID"] == name):
        values = of | {"name": pr["PRTRT"], "start": pr["PRSTDTC"], "end": pr["PRENDTC"]}
        found.append(("procedure", f"{name}.{n}", "medications.record", values))
    for n, ce in enumerate(r for r in planted.rows.get("ce", []) if r["USUBJID"] == name):
        found.append(
            ("clinical_event", f"{name}.{n}", "investigator.verdict",
             of | {"name": ce["CETERM"], "date": ce["CESTDTC"]})
        )  # fmt: skip
    ends = {"what": "study", "reason": "Other", "date": str(row["end_date"])}
    if row.get("death_date"):
        dead = {"is_alive": False, "date": str(row["death_date"])}
        found.append(("vital_status", f"{name}.1", "vital_status.record", of | dead))
    else:
        found.append(
            ("withdrawal", f"{name}.1", "withdrawals.record", of | ends | {"what": "completed the study"})
        )
    return found
