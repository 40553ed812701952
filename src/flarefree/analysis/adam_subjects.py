"""ADSL: one row a patient of the trial proper; and what every other dataset repeats of it."""

from __future__ import annotations

import polars as pl

from flarefree.analysis.adam import Dataset, make_dataset, short_names, yes, yes_no
from flarefree.analysis.trial import Trial
from flarefree.endpoints.follow_up import is_allocated

__all__ = ["CORE", "build_adsl", "core", "parameter_names"]

POPULATION_FLAGS = {
    "itt": "ITTFL",
    "intention_to_treat": "ITTFL",
    "intent_to_treat": "ITTFL",
    "safety": "SAFFL",
    "efficacy": "EFFFL",
    "per_protocol": "PPROTFL",
    "randomized": "RANDFL",
    "enrolled": "ENRLFL",
    "completers": "COMPLFL",
    "full_analysis": "FASFL",
}
"""CDISC's names of population flags; other populations get their own first letters and FL."""

CORE = {
    "STUDYID": "Study Identifier",
    "USUBJID": "Unique Subject Identifier",
    "SITEID": "Study Site Identifier",
    "TRTP": "Planned Treatment",
    "TRTPN": "Planned Treatment (N)",
    "TRTA": "Actual Treatment",
    "TRTAN": "Actual Treatment (N)",
}
"""Columns that open every dataset but ADSL."""

_COLUMNS = {
    "STUDYID": "Study Identifier",
    "USUBJID": "Unique Subject Identifier",
    "SUBJID": "Subject Identifier for the Study",
    "SITEID": "Study Site Identifier",
    "COUNTRY": "Country",
    "REGION1": "Geographic Region 1",
    "AGE": "Age",
    "AGEU": "Age Units",
    "SEX": "Sex",
    "RACE": "Race",
    "ETHNIC": "Ethnicity",
    "ARM": "Description of Planned Arm",
    "TRT01P": "Planned Treatment for Period 01",
    "TRT01PN": "Planned Treatment for Period 01 (N)",
    "TRT01A": "Actual Treatment for Period 01",
    "TRT01AN": "Actual Treatment for Period 01 (N)",
    "RANDDT": "Date of Randomization",
    "TRTSDT": "Date of First Exposure to Treatment",
    "TRTEDT": "Date of Last Exposure to Treatment",
    "TRTDURD": "Total Treatment Duration (Days)",
    "EOSSTT": "End of Study Status",
    "EOSDT": "End of Study Date",
    "DCSREAS": "Reason for Discontinuation from Study",
    "DTHFL": "Subject Death Flag",
    "DTHDT": "Date of Death",
    "LSTFUDY": "Last Day Known to Be Followed",
}

_REPEATED = ("age", "sex", "site", "country", "region")
"""Covariates that the columns above hold already."""

_STATUS = {"completed": "COMPLETED", "withdrawn": "DISCONTINUED", "ongoing": "ONGOING"}


def build_adsl(trial: Trial) -> Dataset:
    """One row a patient who was allocated to an arm (or enrolled, while arms are masked)."""
    flags = _population_flags(trial)
    known = trial.derivation.subjects.columns
    own = [name for name in trial.spec.covariates if name in known and name not in _REPEATED]
    extra = short_names(own, {*_COLUMNS, *flags.values()})
    patients = _patients(trial)
    frame = patients.with_columns(
        *_arms(trial, "TRT01P", "TRT01A"),
        *(yes_no(pl.col(f"in_{key}").fill_null(False)).alias(flag) for key, flag in flags.items()),
        *(pl.col(name).alias(short) for name, short in extra.items()),
    ).with_columns(**_facts(trial))
    labels = dict(_COLUMNS)
    labels |= {flag: f"{trial.spec.populations[key].label} Population Flag" for key, flag in flags.items()}
    labels |= {short: trial.spec.covariates[name].label for name, short in extra.items()}
    return make_dataset("ADSL", "Subject-Level Analysis Dataset", labels, frame, ("USUBJID",))


def _patients(trial: Trial) -> pl.DataFrame:
    """Patients of the trial proper: allocated, and no screen failure."""
    subjects = trial.derivation.subjects
    return subjects.filter(is_allocated()).sort("subject")


def _arms(trial: Trial, planned: str, actual: str) -> list[pl.Expr]:
    """Labels and numbers of the arms, planned and actual; nothing while they are masked."""
    labels = {} if trial.is_masked else {g.key: g.label for g in trial.groups}
    numbers = {key: i + 1 for i, key in enumerate(labels)}
    found = []
    for source, name in (("arm", planned), ("actual_arm", actual)):
        key = pl.col(source).cast(pl.String)
        found.append(key.replace_strict(labels, default=None, return_dtype=pl.String).alias(name))
        found.append(key.replace_strict(numbers, default=None, return_dtype=pl.Int64).alias(f"{name}N"))
    return found


def _facts(trial: Trial) -> dict[str, pl.Expr]:
    study = pl.lit(trial.study.name)
    planned = pl.lit(None, dtype=pl.String) if trial.is_masked else pl.col("arm_written")
    return {
        "STUDYID": study,
        "USUBJID": pl.col("subject"),
        "SUBJID": pl.col("subject").str.split("-").list.last(),
        "SITEID": pl.col("site"),
        "COUNTRY": pl.col("country"),
        "REGION1": pl.col("region"),
        "AGE": pl.col("age_years"),
        "AGEU": pl.when(pl.col("age_years").is_not_null()).then(pl.lit("YEARS")),
        "SEX": pl.col("sex"),
        "RACE": pl.col("race"),
        "ETHNIC": pl.col("ethnicity"),
        "ARM": planned,
        "RANDDT": pl.col("randomization_date"),
        "TRTSDT": pl.col("first_dose_date"),
        "TRTEDT": pl.col("last_dose_date"),
        "TRTDURD": (pl.col("last_dose_date") - pl.col("first_dose_date")).dt.total_days() + 1,
        "EOSSTT": pl.col("status").replace_strict(_STATUS, default=None, return_dtype=pl.String),
        "EOSDT": pl.col("end_date"),
        "DCSREAS": pl.col("reason"),
        "DTHFL": yes(pl.col("death_date").is_not_null() | pl.col("death_day").is_not_null()),
        "DTHDT": pl.col("death_date"),
        "LSTFUDY": pl.col("follow_up_end_day"),
    }


def _population_flags(trial: Trial) -> dict[str, str]:
    """The flag of each population that was derived."""
    flags: dict[str, str] = {}
    for key in trial.spec.populations:
        if f"in_{key}" in trial.derivation.subjects.columns:
            stem = POPULATION_FLAGS.get(key, key.replace("_", "").upper()[:6]).removesuffix("FL")
            flag, number = f"{stem}FL", 2
            while flag in flags.values():
                flag, number = f"{stem[:5]}{number}FL", number + 1
            flags[key] = flag
    return flags


def core(trial: Trial, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` (with `subject`) with the columns of `CORE`; rows of nobody in ADSL are left out."""
    patients = _patients(trial).select("subject", "site", "arm", "actual_arm", "randomization_date")
    return (
        frame.join(patients, on="subject", how="inner", maintain_order="left", suffix="_of_patient")
        .with_columns(*_arms(trial, "TRTP", "TRTA"))
        .with_columns(STUDYID=pl.lit(trial.study.name), USUBJID="subject", SITEID="site")
    )


def parameter_names(trial: Trial) -> dict[str, str]:
    """PARAMCD of every measure and endpoint."""
    return short_names([*trial.spec.measures, *trial.spec.endpoints])
