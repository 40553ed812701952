"""A virtual trial's patients, visits and dispositions as tables of SDTM (DM, SUPPDM, SV, DS, MH)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.simulation.covariates import Covariates
from flarefree.simulation.specimens import SPECIMENS
from flarefree.simulation.virtual_trial import VirtualTrial
from flarefree.studytime import DAYS_PER_YEAR

__all__ = [
    "demographics",
    "dispositions",
    "histories",
    "identified",
    "supplemental",
    "visit_columns",
    "visits",
]

_EARLY = "Early withdrawal"
_EARLY_NUMBER = 90.0
_REASSESSMENT = "Reassessment"
_DOMAIN_OF_ITS_OWN = frozenset({"age", "sex", "race", "ethnicity", "region", "site"})
"""Characteristics that DM has variables for."""


def identified(
    trial: VirtualTrial, frame: pl.DataFrame, domain: str, columns: Mapping[str, Any]
) -> pl.DataFrame:
    """A domain's table: study, domain, subject and sequence number, then its own columns.

    `frame` has the rows' `patient`, in the order of the file; columns are of the same length.
    """
    subject = trial.enrolled.subjects[frame.get_column("patient").to_numpy()]
    out = pl.DataFrame({"USUBJID": pl.Series(subject.tolist(), dtype=pl.String), **columns})
    head = out.select(
        pl.lit(study_id(trial)).alias("STUDYID"),
        pl.lit(domain).alias("DOMAIN"),
        "USUBJID",
        (pl.int_range(pl.len()).over("USUBJID") + 1).alias(f"{domain}SEQ"),
    )
    return pl.concat([head, out.drop("USUBJID")], how="horizontal")


def study_id(trial: VirtualTrial) -> str:
    """`VIRTUAL-ALMS`."""
    return f"VIRTUAL-{trial.protocol.spec.name.removesuffix('-maintenance').upper()}"


def everyone(trial: VirtualTrial, **columns: npt.NDArray[Any]) -> pl.DataFrame:
    """One row a patient, in the order of files."""
    rows = {"patient": np.arange(len(trial.cohort), dtype=np.int32), **columns}
    return trial.enrolled.ordered(pl.DataFrame(rows))


def dates(trial: VirtualTrial, frame: pl.DataFrame, column: str) -> list[str]:
    """Dates of one column of study days."""
    return trial.enrolled.dates(frame.get_column("patient").to_numpy(), frame.get_column(column).to_numpy())


# Subjects ----------------------------------------------------------------------------------------------


def demographics(trial: VirtualTrial) -> pl.DataFrame:
    """DM: who the patients are, and the dates of their participation."""
    spec, known = trial.protocol.spec, trial.cohort.covariates
    n = len(trial.cohort)
    ones = np.ones(n, dtype=np.int32)
    frame = everyone(
        trial, one=ones, end=trial.end_days, last=trial.done.assessed_days, death=trial.death_days
    )
    rows = frame.get_column("patient").to_numpy()
    subject = trial.enrolled.subjects[rows].tolist()
    first, end = dates(trial, frame, "one"), dates(trial, frame, "end")
    died = frame.get_column("death").to_numpy() > 0
    arms = np.array(trial.design.arms)[trial.cohort.arm[rows]].tolist()
    labels = [spec.arms[arm].label for arm in arms]
    centers = [trial.enrolled.centers[i] for i in rows.tolist()]
    own = {name: known[name][rows].tolist() for name in ("sex", "race", "ethnicity", "region")}
    return pl.DataFrame(
        {
            "STUDYID": [study_id(trial)] * n,
            "DOMAIN": ["DM"] * n,
            "USUBJID": subject,
            "SUBJID": subject,
            "RFSTDTC": first,
            "RFENDTC": end,
            "RFXSTDTC": first,
            "RFXENDTC": end,
            "RFPENDTC": dates(trial, frame, "last"),
            "DTHDTC": [day if dead else "" for day, dead in zip(end, died.tolist(), strict=True)],
            "DTHFL": np.where(died, "Y", ""),
            **({"RANDDT": first} if spec.randomization is not None else {}),
            "SITEID": [center.name for center in centers],
            "AGE": known["age"][rows].astype(np.int64),
            "AGEU": ["YEARS"] * n,
            "SEX": own["sex"],
            "RACE": own["race"],
            "ETHNIC": own["ethnicity"],
            "ARMCD": arms,
            "ARM": labels,
            "ACTARMCD": arms,
            "ACTARM": labels,
            "COUNTRY": [center.country for center in centers],
            "REGION1": own["region"],
        }
    )


def supplemental(trial: VirtualTrial) -> pl.DataFrame:
    """SUPPDM: characteristics that the protocol names and DM has no variable for, in the protocol's order."""
    covariates = trial.protocol.spec.covariates
    named = [
        (spec.column or name, name, spec.label)
        for name, spec in covariates.items()
        if name in Covariates.NAMES
        and name not in _DOMAIN_OF_ITS_OWN
        and not (spec.from_measure or spec.of or spec.when)
    ]
    order = everyone(trial).get_column("patient").to_numpy()
    subjects = trial.enrolled.subjects[order].tolist()
    values = [_texts(trial.cohort.covariates[name][order]) for _, name, _ in named]
    rows = [
        (study_id(trial), "DM", subject, "", "", column.upper(), label, value[k], "CRF", "")
        for k, subject in enumerate(subjects)
        for (column, _, label), value in zip(named, values, strict=True)
    ]
    names = (
        "STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM", "QLABEL", "QVAL", "QORIG", "QEVAL"
    )  # fmt: skip
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _texts(values: npt.NDArray[Any]) -> list[str]:
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values.tolist()]


# Visits --------------------------------------------------------------------------------------------------


def visits(trial: VirtualTrial) -> pl.DataFrame:
    """SV: assessments that were made, and a visit at an early withdrawal where the protocol has one."""
    frame = assessments(trial).select("patient", "day", "code")
    names = {visit.name for visit in trial.protocol.spec.schedule.at_events}
    if _EARLY in names:
        # A patient who leaves on the day of an assessment has that one; all others have one of their own.
        left = ~np.isin(trial.reasons, ("COMPLETED", "DEATH", "LOST TO FOLLOW-UP"))
        who = np.flatnonzero(left).astype(np.int32)
        early = pl.DataFrame({"patient": who, "day": trial.end_days[who], "code": np.full(len(who), -2)})
        early = early.with_columns(pl.col("code").cast(pl.Int32))
        early = early.join(frame, on=["patient", "day"], how="anti", maintain_order="left")
        frame = pl.concat([frame, early])
    made = trial.enrolled.ordered(frame, "day")
    columns = {**visit_columns(trial, made), "SVSTDTC": dates(trial, made, "day")}
    return identified(trial, made, "SV", columns).drop("SVSEQ")


def assessments(trial: VirtualTrial) -> pl.DataFrame:
    """Every assessment that was made: `place` in the panel, `patient`, `day`, `code`, `is_late`.

    The code is the visit's place in the protocol, or -1 where it has none.  Late ones come after the end of
    treatment: creatinine alone, where a loss of function that had begun awaits its confirmation.
    """
    panel = trial.outcomes.panel
    patient = np.repeat(np.arange(panel.n_subjects, dtype=np.int32), np.diff(panel.offsets))
    place = np.flatnonzero(panel.days <= trial.done.assessed_days[patient])
    who, days = patient[place], panel.days[place]
    late = days > trial.end_days[who]
    if late.any():
        kept = ~late | ~np.isnan(panel.columns["creatinine"].values[place])
        place, who, days, late = place[kept], who[kept], days[kept], late[kept]
    return pl.DataFrame(
        {"place": place, "patient": who, "day": days, "code": panel.visits[place], "is_late": late}
    )


def visit_columns(trial: VirtualTrial, frame: pl.DataFrame) -> dict[str, Any]:
    """VISITNUM and VISIT of rows with `day` and `code`."""
    labels: dict[tuple[int, int], tuple[float, str]] = {}
    pairs = list(zip(frame.get_column("code").to_list(), frame.get_column("day").to_list(), strict=True))
    for code, day in dict.fromkeys(pairs):
        labels[code, day] = _visit(trial, code, day)
    found = [labels[pair] for pair in pairs]
    return {"VISITNUM": [number for number, _ in found], "VISIT": [name for _, name in found]}


def _visit(trial: VirtualTrial, code: int, day: int) -> tuple[float, str]:
    planned = trial.protocol.spec.schedule.visits
    if code >= 0:
        return planned[code].number, planned[code].name.upper()
    if code == -2:
        return _EARLY_NUMBER, _EARLY.upper()
    before = max((visit for visit in planned if visit.day <= day), key=lambda v: v.day, default=None)
    number = round((before.number if before else 0.0) + 0.1, 3)
    return number, f"DAY {day}" if day in trial.design.visit_days else _reassessment(trial)


def _reassessment(trial: VirtualTrial) -> str:
    for visit in trial.protocol.spec.schedule.at_events:
        if _REASSESSMENT.lower() in visit.name.lower():
            return (visit.codes[0] if visit.codes else visit.name).upper()
    return _REASSESSMENT.upper()


# How it ended, what came before ---------------------------------------------------------------------------


def dispositions(trial: VirtualTrial) -> pl.DataFrame:
    """DS: how each patient's participation ended."""
    frame = everyone(trial, day=trial.end_days)
    status = trial.reasons[frame.get_column("patient").to_numpy()].tolist()
    category = SPECIMENS["completed"][1]["category"]
    columns = {
        "DSTERM": status,
        "DSDECOD": status,
        "DSCAT": [category] * frame.height,
        "EPOCH": ["TREATMENT"] * frame.height,
        "DSSTDTC": dates(trial, frame, "day"),
    }
    return identified(trial, frame, "DS", columns)


def histories(trial: VirtualTrial) -> pl.DataFrame:
    """MH: when lupus and its nephritis were diagnosed, to the month."""
    known, n = trial.cohort.covariates, len(trial.cohort)
    parts = [
        pl.DataFrame(
            {
                "patient": np.arange(n, dtype=np.int32),
                "term": [term] * n,
                "system": [system] * n,
                "day": -np.maximum(np.rint(known[years] * DAYS_PER_YEAR), 1).astype(np.int32),
            }
        )
        for term, system, years in (
            (
                "Systemic lupus erythematosus",
                "Musculoskeletal and connective tissue disorders",
                "lupus_years",
            ),
            ("Lupus nephritis", "Renal and urinary disorders", "nephritis_years"),
        )
    ]
    frame = trial.enrolled.ordered(pl.concat(parts), "day", "term")
    columns = {
        "MHTERM": frame.get_column("term").str.to_uppercase(),
        "MHDECOD": frame.get_column("term"),
        "MHCAT": ["PRIMARY DIAGNOSIS"] * frame.height,
        "MHBODSYS": frame.get_column("system"),
        "MHSTDTC": [date[:7] for date in dates(trial, frame, "day")],
    }
    return identified(trial, frame, "MH", columns)
