"""CDISC's names for our tables and columns: the one place where both are spoken.

Each dataset of SDTM (`SDTM`) and ADaM (`ADAM`) that flarefree reads has one entry: the table its rows go
to, and for each of our columns the variables that hold it, the best first (the first that is not empty
in a row is taken).  `--` stands for the domain's two letters.

Names on our side are columns of `flarefree.records.tables`, with these besides:

```text
date, start_date ...        fill date_text, start_text ... too, and from day 1 day, start_day ...
day, start_day ...          as the file has them; ours are checked against them
standard_value/_text/_unit  a result in the sponsor's standard unit: number, text, unit
original_value/_unit        a result as collected
standard_lower/_upper       limits of normal in the standard unit; original_lower/_upper as collected
start_imputed ...           which parts of an analysis date were made up: D, M (and D), Y (all)
arm_written, arm_code ...   what an arm is found by; reference_start_date ... what day 1 is found by
```

Sources: SDTM Implementation Guide 3.4, ADaM Implementation Guide 1.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["ADAM", "NOT_DATA", "SDTM", "DatasetMap", "sdtm_domain"]


@dataclass(frozen=True, slots=True)
class DatasetMap:
    """How one dataset's variables become our columns.

    Attributes
    ----------
    dataset : str
        `LB`, `ADAE`, or `BDS` for any dataset of ADaM's basic data structure.
    table : str
        Of `flarefree.records.tables.TABLES`.
    columns : mapping of str to tuple of str
        Our name to theirs, best first.
    required : tuple of str
        Our columns that the dataset must have for its rows to mean anything.
    """

    dataset: str
    table: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ("subject",)

    @property
    def is_adam(self) -> bool:
        """Whether it is an analysis dataset."""
        return self.dataset == "BDS" or self.dataset.startswith("AD")

    def variables(self) -> frozenset[str]:
        """Every variable that is read."""
        return frozenset(name for names in self.columns.values() for name in names)


def _map(
    dataset: str, table: str, columns: str, *, prefix: str = "", required: str = "subject"
) -> DatasetMap:
    """A dataset's map from lines of `ours: THEIRS THEIRS`."""
    made: dict[str, tuple[str, ...]] = {}
    for line in filter(str.strip, columns.splitlines()):
        ours, _, theirs = line.partition(":")
        made[ours.strip()] = tuple(theirs.replace("--", prefix or dataset).split())
    return DatasetMap(dataset, table, MappingProxyType(made), tuple(required.split()))


_SUBJECTS = """
    subject: USUBJID
    site: SITEID
    country: COUNTRY
    region: REGION REGION1
    age_years: AGE
    sex: SEX
    race: RACE
    ethnicity: ETHNIC
"""

_DM = (
    _SUBJECTS
    + """
    age_unit: AGEU
    arm_written: ARM
    arm_code: ARMCD
    actual_arm_written: ACTARM
    actual_arm_code: ACTARMCD
    arm_absent_because: ARMNRS
    birth_date: BRTHDTC
    consent_date: RFICDTC
    randomization_date: RANDDT
    reference_start_date: RFSTDTC
    reference_end_date: RFENDTC
    first_dose_date: RFXSTDTC
    last_dose_date: RFXENDTC
    participation_end_date: RFPENDTC
    death_date: DTHDTC
"""
)

_ADSL = (
    _SUBJECTS
    + """
    age_unit: AGEU
    arm_written: TRT01P ARM
    arm_code: ARMCD
    actual_arm_written: TRT01A ACTARM
    actual_arm_code: ACTARMCD
    birth_date: BRTHDT
    consent_date: RFICDT RFICDTC
    randomization_date: RANDDT
    reference_start_date: RFSTDTC TRTSDT
    reference_end_date: RFENDTC
    first_dose_date: TRTSDT
    last_dose_date: TRTEDT
    study_end_date: EOSDT RFENDT
    death_date: DTHDT DTHDTC
"""
)

_FINDINGS = """
    subject: USUBJID
    sequence: --SEQ
    test: --TESTCD
    test_label: --TEST
    category: --OBJ --CAT
    specimen: --SPEC
    standard_value: --STRESN
    standard_text: --STRESC
    standard_unit: --STRESU
    standard_lower: --STNRLO
    standard_upper: --STNRHI
    original_value: --ORRES
    original_unit: --ORRESU
    original_lower: --ORNRLO
    original_upper: --ORNRHI
    not_done: --STAT
    is_baseline: --LOBXFL --BLFL
    visit: VISIT
    visit_number: VISITNUM
    timepoint: --TPT
    date: --DTC
    day: --DY
"""

_AE = """
    subject: USUBJID
    sequence: AESEQ
    term: AEDECOD AETERM
    verbatim: AETERM
    body_system: AEBODSYS AESOC
    severity: AESEV AETOXGR
    is_serious: AESER
    relation: AEREL
    action: AEACN
    outcome: AEOUT
"""

SDTM: Mapping[str, DatasetMap] = MappingProxyType({
    "DM": _map("DM", "subjects", _DM),
    "AE": _map("AE", "adverse_events", _AE + """
        start_date: AESTDTC
        start_day: AESTDY
        end_date: AEENDTC
        end_day: AEENDY
        """),
    "CM": _map("CM", "medications", """
        subject: USUBJID
        sequence: CMSEQ
        drug: CMDECOD CMTRT
        drug_class: CMCLAS
        indication: CMINDC
        dose: CMDOSE CMDOSTXT
        unit: CMDOSU
        route: CMROUTE
        start_date: CMSTDTC
        start_day: CMSTDY
        end_date: CMENDTC
        end_day: CMENDY
        """, required="subject drug"),
    "PR": _map("PR", "procedures", """
        subject: USUBJID
        sequence: PRSEQ
        name: PRDECOD PRTRT
        category: PRCAT
        indication: PRINDC
        start_date: PRSTDTC
        start_day: PRSTDY
        end_date: PRENDTC
        end_day: PRENDY
        """, required="subject name"),
    "CE": _map("CE", "clinical_events", """
        subject: USUBJID
        sequence: CESEQ
        name: CEDECOD CETERM
        category: CECAT
        start_date: CESTDTC CEDTC
        start_day: CESTDY
        end_date: CEENDTC
        end_day: CEENDY
        """, required="subject name"),
    "EX": _map("EX", "exposures", """
        subject: USUBJID
        sequence: EXSEQ
        drug: EXTRT
        dose: EXDOSE EXDOSTXT
        unit: EXDOSU
        frequency: EXDOSFRQ
        daily_dose: EXDOSTOT
        visit: VISIT
        visit_number: VISITNUM
        start_date: EXSTDTC
        start_day: EXSTDY
        end_date: EXENDTC
        end_day: EXENDY
        """, required="subject drug"),
    "DS": _map("DS", "dispositions", """
        subject: USUBJID
        sequence: DSSEQ
        category: DSCAT
        status: DSDECOD DSTERM
        reason: DSTERM
        epoch: EPOCH
        visit: VISIT
        visit_number: VISITNUM
        date: DSSTDTC DSDTC
        day: DSSTDY
        """, required="subject status"),
    "SV": _map("SV", "visits", """
        subject: USUBJID
        visit: VISIT
        visit_number: VISITNUM
        date: SVSTDTC
        day: SVSTDY
        """),
    "MH": _map("MH", "medical_history", """
        subject: USUBJID
        sequence: MHSEQ
        term: MHDECOD MHTERM
        category: MHCAT
        body_system: MHBODSYS
        date: MHSTDTC MHDTC
        day: MHSTDY
        """, required="subject term"),
    **{
        domain: _map(domain, "observations", _FINDINGS, required="subject test")
        for domain in ("LB", "VS", "QS", "MI", "FA", "RS", "EG", "UR", "PC", "IS")
    },
})  # fmt: skip
"""SDTM's domains, by their code.  SC and SUPP-- are read for covariates alone (see `readers.subjects`)."""

ADAM: Mapping[str, DatasetMap] = MappingProxyType({
    "ADSL": _map("ADSL", "subjects", _ADSL),
    "ADAE": _map("ADAE", "adverse_events", _AE + """
        start_date: ASTDT AESTDTC
        start_imputed: ASTDTF
        start_day: ASTDY
        end_date: AENDT AEENDTC
        end_imputed: AENDTF
        end_day: AENDY
        """),
    "ADCM": _map("ADCM", "medications", """
        subject: USUBJID
        sequence: CMSEQ
        drug: CMDECOD CMTRT
        drug_class: CMCLAS
        indication: CMINDC
        dose: CMDOSE
        unit: CMDOSU
        route: CMROUTE
        start_date: ASTDT CMSTDTC
        start_imputed: ASTDTF
        start_day: ASTDY
        end_date: AENDT CMENDTC
        end_imputed: AENDTF
        end_day: AENDY
        """, required="subject drug"),
    "ADMH": _map("ADMH", "medical_history", """
        subject: USUBJID
        sequence: MHSEQ
        term: MHDECOD MHTERM
        category: MHCAT
        body_system: MHBODSYS
        date: ASTDT MHSTDTC
        day: ASTDY
        """, required="subject term"),
    "BDS": _map("BDS", "observations", """
        subject: USUBJID
        sequence: ASEQ LBSEQ QSSEQ VSSEQ
        test: PARAMCD
        test_label: PARAM
        category: PARCAT1
        standard_value: AVAL
        standard_text: AVALC
        standard_unit: AVALU
        standard_lower: A1LO ANRLO
        standard_upper: A1HI ANRHI
        is_baseline: ABLFL
        visit: VISIT
        visit_number: VISITNUM
        analysis_visit: AVISIT
        is_analysis_record: ANL01FL
        derivation: DTYPE
        timepoint: ATPT
        date: ADT ADTM
        day: ADY
        """, required="subject test"),
})  # fmt: skip
"""ADaM's datasets; `BDS` is any with PARAMCD and AVAL.  ADTTE is no input: flarefree derives its own."""

NOT_DATA: Mapping[str, str] = MappingProxyType({
    "TA": "trial design", "TE": "trial design", "TI": "trial design", "TS": "trial design",
    "TV": "trial design", "TD": "trial design", "TM": "trial design", "SE": "subject elements",
    "RELREC": "links between records", "CO": "comments", "IE": "eligibility criteria",
    "DV": "protocol deviations", "ADTTE": "time to event is derived anew, not read",
})  # fmt: skip
"""Datasets that are known and not read, and why."""


def sdtm_domain(name: str) -> str | None:
    """The domain of a dataset by its name: `LB` for `LB` and for a split `LBUR`; None if there is none."""
    upper = name.upper()
    if upper in SDTM:
        return upper
    if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{1,6}", upper) and not upper.startswith(("AD", "SUPP")):
        split_of = upper[:2]
        if split_of in SDTM and SDTM[split_of].table == "observations":
            return split_of
    return None
