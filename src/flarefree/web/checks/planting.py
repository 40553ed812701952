"""Planted patients of `conduct.checks` as things of the record, for checks, tests and benchmarks.

Sites and a laboratory would have written the same, one visit at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flarefree.conduct.checks.planted import Planted

__all__ = ["Thing", "things_of"]

Thing = tuple[str, str, str, dict[str, Any]]
"""Kind, key, field of the role matrix, values by attribute."""

_MEASURES = ("LBTESTCD", "LBORRES", "LBORRESU", "LBDTC")


def things_of(planted: Planted, row: Mapping[str, Any]) -> list[Thing]:
    """What the record would hold of one planted patient."""
    name, site = row["subject"], row["site"]
    of = {"subject": name, "site": site}
    told = {
        "subject": name, "site": site, "status": "on_treatment", "sex": row["sex"], "race": row["race"],
        "age_years": f"{row['age_years']:g}", "randomized_at": str(row["randomization_date"]),
    }  # fmt: skip
    found: list[Thing] = [("subject", name, "subject.characteristics", told)]
    found.append(("dispensing", f"{name}.1", "dispensing.record", of | {"date": str(row["first_dose_date"])}))
    for n, lab in enumerate(r for r in planted.rows.get("lb", []) if r["USUBJID"] == name):
        test, value, unit, day = (lab[variable] for variable in _MEASURES)
        values = of | {"test": test, "value": value, "unit": unit, "date": day}
        found.append(("lab", f"{name}.{n}", "labs.efficacy", values))
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
