"""Which things of the record become rows of which dataset of SDTM, variable by variable.

One table for the study that is read straight from the record and for the one that is exported, so that the
two cannot differ.  Values go out as they were written; nothing that could tell an arm is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["DATASETS", "EFFICACY_KINDS", "NOT_COVARIATES", "SUBJECT_ATTRIBUTES", "DatasetOf"]


@dataclass(frozen=True, slots=True)
class DatasetOf:
    """How things of one kind become rows.

    Attributes
    ----------
    kind : str
        Of the record.
    domain : str
        `LB`.
    columns : mapping of str to tuple of str
        Variable to the attributes that may hold it, the best first.
    required : tuple of str
        Variables without which a thing is no row yet (a visit that is only planned).
    constants : mapping of str to str
        Variables that are the same in every row.
    """

    kind: str
    domain: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)


def _of(kind: str, domain: str, columns: str, required: str = "", **constants: str) -> DatasetOf:
    """A dataset's columns from lines of `VARIABLE: attribute attribute`."""
    made: dict[str, tuple[str, ...]] = {"USUBJID": ("subject",)}
    for line in filter(str.strip, columns.splitlines()):
        variable, _, attributes = line.partition(":")
        made[variable.strip()] = tuple(attributes.split())
    return DatasetOf(
        kind, domain, MappingProxyType(made), tuple(required.split()), MappingProxyType(constants)
    )


def _findings(kind: str, domain: str) -> DatasetOf:
    columns = f"""
        {domain}TESTCD: test
        {domain}ORRES: value
        {domain}ORRESU: unit
        {domain}ORNRLO: low
        {domain}ORNRHI: high
        {domain}SPEC: specimen
        {domain}CAT: category
        VISIT: visit
        {domain}TPT: timepoint
        {domain}DTC: date
        """
    return _of(kind, domain, columns, f"{domain}TESTCD {domain}ORRES")


_SPELL = """
    {d}STDTC: start begin started_on
    {d}ENDTC: end stop ended_on
    """


def _spell(domain: str) -> str:
    return _SPELL.format(d=domain)


DATASETS: tuple[DatasetOf, ...] = (
    _findings("lab", "LB"),
    _findings("measurement", "VS"),
    _findings("score", "QS"),
    _findings("biopsy", "MI"),
    _of("visit", "SV", "VISIT: visit\nSVSTDTC: date", "VISIT SVSTDTC"),
    _of(
        "medication",
        "CM",
        "CMTRT: drug name\nCMDECOD: generic coded_as drug name\nCMCLAS: drug_class class\n"
        "CMINDC: indication\nCMDOSE: dose\nCMDOSU: unit dose_unit\nCMROUTE: route\n" + _spell("CM"),
        "CMTRT",
    ),
    _of(
        "procedure",
        "PR",
        "PRTRT: name\nPRCAT: category\nPRINDC: indication\n" + _spell("PR"),
        "PRTRT",
    ),
    _of(
        "clinical_event",
        "CE",
        "CETERM: name term\nCECAT: category\nCESTDTC: date start begin\nCEENDTC: end stop",
        "CETERM",
    ),
    _of(
        "adverse_event",
        "AE",
        "AETERM: verbatim term name\nAEDECOD: preferred_term term name\nAEBODSYS: body_system\n"
        "AESEV: severity\nAESER: is_serious\nAEREL: relation related\nAEACN: action\nAEOUT: outcome\n"
        + _spell("AE"),
        "AETERM",
    ),
    _of(
        "medical_history",
        "MH",
        "MHTERM: term name\nMHCAT: category\nMHBODSYS: body_system\nMHSTDTC: date start begin",
        "MHTERM",
    ),
    # What is handed out is coded: the record knows kits and no drug.  Where a patient's doses are recorded,
    # these are the exposures (`study_doses.py`), and what was handed out is not one of its own.
    _of(
        "dispensing",
        "EX",
        "EXSTDTC: first_dose_on start date dispensed_on\nEXENDTC: last_dose_on end",
        "EXSTDTC",
        EXTRT="STUDY DRUG (CODED)",
    ),
)
"""DM, SUPPDM and DS are made of several kinds together: see `study.py`."""

EFFICACY_KINDS = frozenset(
    {
        "lab", "measurement", "score", "biopsy", "visit", "medication", "procedure", "clinical_event",
        "vital_status", "withdrawal", "consent", "medical_history",
    }
)  # fmt: skip
"""Kinds on which an adjudicated end point may rest, beside the subject itself."""

NOT_COVARIATES = frozenset(
    {
        "subject", "site", "number", "status", "screened_on", "sex", "birth_year", "race", "ethnicity",
        "kit", "randomized_at", "randomized_by", "randomized_in_error", "day_one", "age", "age_years",
        "channel", "consequence", "void",
    }
)  # fmt: skip
"""Attributes of a subject that are no characteristic of the protocol's, or are in DM itself."""

SUBJECT_ATTRIBUTES = frozenset({"sex", "birth_year", "birth_date", "age_years", "race", "void"})
"""Of a subject itself: what an equation may read.  Day 1 is not among them, as data after it come later."""
