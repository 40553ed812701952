"""A virtual trial as files: SDTM-shaped tables as CSV, and the `study.yaml` that labels them virtual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flarefree.protocol.schema import Protocol
from flarefree.simulation.happenings import Endings
from flarefree.simulation.measurements import Visits
from flarefree.simulation.patients import Patients

__all__ = ["STUDY_ID", "VirtualRecords", "write_study_files"]

STUDY_ID = "VIRTUAL-ALMS"
_FIRST_ENROLLED = date(2006, 1, 25)
_ENROLMENT_DAYS = 418  # 25 January 2006 to 19 March 2007
_GRADE_TEXTS = {0.0: "NEGATIVE", 1.0: "1+", 2.0: "2+", 3.0: "3+"}
_BILAG_TEXTS = {5.0: "A", 4.0: "B", 3.0: "C", 2.0: "D", 1.0: "E"}
_DRUGS = {"MMF": ("g", "BID"), "AZA": ("mg", "QD")}


@dataclass(frozen=True, slots=True)
class VirtualRecords:
    """All that a virtual trial recorded, before it is written; patients are row indices."""

    patients: Patients
    visits: Visits
    measured: pl.DataFrame
    endings: Endings
    adverse_events: pl.DataFrame
    exposures: pl.DataFrame
    prednisone: pl.DataFrame
    rescues: pl.DataFrame
    """patient, day, drug."""
    suspicions: pl.DataFrame
    """patient, day: renal flares that an investigator suspected."""
    dialyses: pl.DataFrame
    """patient, start, end."""
    decisions: pl.DataFrame
    """patient, endpoint, reader, is_confirmed, day."""


def write_study_files(folder: Path, protocol: Protocol, records: VirtualRecords, seed: int) -> None:
    """Write the study folder; the same records give the same bytes."""
    days = _Calendar(len(records.patients), seed)
    tables = {
        "dm": _demographics(protocol, records, days),
        "sv": _visits(records, days),
        "lb": _laboratory(protocol, records, days),
        "ex": _exposures(protocol, records, days),
        "ae": _adverse_events(records, days),
        "cm": _medications(records, days),
        "pr": _procedures(records, days),
        "ce": _suspicions(records, days),
        "ds": _dispositions(records, days),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.write_csv(folder / f"{name}.csv")
    _decisions(records, days).write_csv(folder / "decisions.csv")
    (folder / "study.yaml").write_text(_study_yaml(protocol.name, seed, tuple(tables)), encoding="utf-8")


class _Calendar:
    """Study days as dates: each patient's day 1 within the enrollment period of ALMS."""

    def __init__(self, n: int, seed: int) -> None:
        offsets = np.sort(np.random.default_rng([seed, 7]).integers(0, _ENROLMENT_DAYS, n))
        self._day_one = [_FIRST_ENROLLED + timedelta(days=int(o)) for o in offsets]

    def on(self, patient: npt.NDArray[np.int32], day: npt.NDArray[np.int32]) -> list[str]:
        """ISO dates of study days (which have no day 0)."""
        pairs = zip(patient.tolist(), day.tolist(), strict=True)
        return [(self._day_one[i] + timedelta(days=d - 1 if d > 0 else d)).isoformat() for i, d in pairs]

    def column(self, frame: pl.DataFrame, day: str) -> list[str]:
        """The dates of one column of study days."""
        return self.on(frame.get_column("patient").to_numpy(), frame.get_column(day).to_numpy())


def _identified(
    records: VirtualRecords, frame: pl.DataFrame, domain: str, columns: Mapping[str, object]
) -> pl.DataFrame:
    """A domain's frame: identifiers and sequence numbers first, then its own columns."""
    patient = frame.get_column("patient").to_numpy()
    out = pl.DataFrame({"USUBJID": records.patients.subject[patient], **columns})
    head = out.select(
        pl.lit(STUDY_ID).alias("STUDYID"),
        pl.lit(domain).alias("DOMAIN"),
        "USUBJID",
        (pl.int_range(pl.len()).over("USUBJID") + 1).alias(f"{domain}SEQ"),
    )
    return pl.concat([head, out.drop("USUBJID")], how="horizontal")


def _demographics(protocol: Protocol, records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    p, n = records.patients, len(records.patients)
    everyone = np.arange(n, dtype=np.int32)
    ones = np.ones(n, dtype=np.int32)
    died = records.endings.status == "DEATH"
    end = days.on(everyone, records.endings.day)
    arm = [protocol.arms[a].label for a in p.arm.tolist()]
    columns = {
        "STUDYID": [STUDY_ID] * n,
        "DOMAIN": ["DM"] * n,
        "USUBJID": p.subject,
        "SUBJID": p.subject,
        "RFSTDTC": days.on(everyone, ones),
        "RFENDTC": end,
        "RFXSTDTC": days.on(everyone, ones),
        "RFXENDTC": end,
        "RFPENDTC": end,
        "DTHDTC": np.where(died, end, ""),
        "SITEID": p.site,
        "AGE": p.age_years.astype(int),
        "AGEU": ["YEARS"] * n,
        "SEX": p.sex,
        "RACE": p.race,
        "ETHNIC": p.ethnicity,
        "ARMCD": p.arm,
        "ARM": arm,
        "ACTARMCD": p.arm,
        "ACTARM": arm,
        "COUNTRY": p.country,
        "REGION1": p.region,
    }
    characteristics = {
        "induction_drug": p.induction_drug,
        "biopsy_class": p.biopsy_class,
        "nephritis_years": p.nephritis_years,
        "lupus_years": p.lupus_years,
    }
    for name, values in characteristics.items():
        if name in protocol.covariates:
            columns[protocol.covariates[name].column or name] = values
    return pl.DataFrame(columns)


def _visits(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    v = records.visits
    n, k = v.day.shape
    frame = pl.DataFrame(
        {
            "patient": np.repeat(np.arange(n, dtype=np.int32), k),
            "visit": np.tile(np.arange(k, dtype=np.int32), n),
            "day": v.day.ravel(),
        }
    )
    planned = records.endings.keep_until(frame, "day")
    left_early = np.flatnonzero(~np.isin(records.endings.status, ("COMPLETED", "DEATH", "LOST TO FOLLOW-UP")))
    early = pl.DataFrame(
        {
            "patient": left_early.astype(np.int32),
            "visit": np.full(len(left_early), k, dtype=np.int32),
            "day": records.endings.day[left_early],
        }
    )
    # A patient who leaves on the day of a planned visit has that one; all others have one of their own.
    early = early.join(planned, on=["patient", "day"], how="anti", maintain_order="left")
    made = pl.concat([planned, early]).sort("patient", "day", maintain_order=True)
    return _identified(
        records, made, "SV", {**_visit_columns(records, made), "SVSTDTC": days.column(made, "day")}
    ).drop("SVSEQ")


_EARLY_WITHDRAWAL = ("Early withdrawal", 90.0)


def _visit_columns(records: VirtualRecords, frame: pl.DataFrame) -> dict[str, object]:
    index = frame.get_column("visit").to_list()
    names = (*records.visits.names, _EARLY_WITHDRAWAL[0])
    numbers = (*records.visits.numbers, _EARLY_WITHDRAWAL[1])
    return {"VISITNUM": [numbers[i] for i in index], "VISIT": [names[i].upper() for i in index]}


def _laboratory(protocol: Protocol, records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    order = {name: i for i, name in enumerate(protocol.measures)}
    day = records.visits.day
    frame = records.measured.with_columns(
        pl.Series("day", day[records.measured.get_column("patient"), records.measured.get_column("visit")]),
        pl.col("measure").replace_strict(order, return_dtype=pl.Int32).alias("order"),
    ).sort("patient", "visit", "order")
    frame = records.endings.keep_until(frame, "day")
    spec = protocol.measures
    names = frame.get_column("measure").to_list()
    return _identified(
        records,
        frame,
        "LB",
        {
            "LBTESTCD": [spec[m].tests[0] if spec[m].tests else m for m in names],
            "LBTEST": [spec[m].label for m in names],
            "LBCAT": [spec[m].category for m in names],
            "LBORRES": [
                _result(spec[m].type, m, x)
                for m, x in zip(names, frame.get_column("number").to_list(), strict=True)
            ],
            "LBORRESU": frame.get_column("unit"),
            **_visit_columns(records, frame),
            "LBDTC": days.column(frame, "day"),
        },
    )


def _result(kind: str, measure: str, number: float) -> str:
    if kind == "yes_no":
        return "PRESENT" if number else "ABSENT"
    if measure.startswith("bilag_"):
        return _BILAG_TEXTS[number]
    if kind == "grade":
        return _GRADE_TEXTS[number]
    return f"{number:g}"


def _exposures(protocol: Protocol, records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    frame = records.exposures
    arms = frame.get_column("arm").to_list()
    drug = {arm: next(r.drug for r in protocol.arms[arm].regimens if not r.is_placebo) for arm in set(arms)}
    return _identified(
        records,
        frame,
        "EX",
        {
            "EXTRT": [drug[a].upper() for a in arms],
            "EXDOSE": frame.get_column("dose"),
            "EXDOSU": [_DRUGS[a][0] for a in arms],
            "EXDOSFRQ": [_DRUGS[a][1] for a in arms],
            "EXSTDTC": days.column(frame, "start"),
            "EXENDTC": days.column(frame, "end"),
        },
    )


def _adverse_events(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    frame = records.adverse_events
    return _identified(
        records,
        frame,
        "AE",
        {
            "AETERM": frame.get_column("term").str.to_uppercase(),
            "AEDECOD": frame.get_column("term"),
            "AEBODSYS": frame.get_column("system"),
            "AESEV": frame.get_column("severity"),
            "AESER": np.where(frame.get_column("serious").to_numpy(), "Y", "N"),
            "AEACN": np.where(
                frame.get_column("stops_drug").to_numpy(), "DRUG WITHDRAWN", "DOSE NOT CHANGED"
            ),
            "AESTDTC": days.column(frame, "start"),
            "AEENDTC": days.column(frame, "end"),
        },
    )


def _medications(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    steroids = records.prednisone.with_columns(
        pl.lit("Prednisone").alias("drug"),
        pl.lit("Glucocorticoids").alias("drug_class"),
        pl.lit("Systemic lupus erythematosus").alias("indication"),
    )
    rescues = records.rescues.with_columns(
        pl.col("day").alias("start"),
        (pl.col("day") + 2).alias("end"),
        pl.lit("Rescue for worsening lupus nephritis").alias("indication"),
    ).drop("day")
    columns = ["patient", "drug", "drug_class", "indication", "dose", "start", "end"]
    frame = pl.concat([steroids.select(columns), rescues.select(columns)], how="vertical_relaxed").sort(
        "patient", "start", "drug"
    )
    return _identified(
        records,
        frame,
        "CM",
        {
            "CMTRT": frame.get_column("drug").str.to_uppercase(),
            "CMDECOD": frame.get_column("drug"),
            "CMCLAS": frame.get_column("drug_class"),
            "CMINDC": frame.get_column("indication"),
            "CMDOSE": frame.get_column("dose"),
            "CMDOSU": ["mg"] * frame.height,
            "CMDOSFRQ": ["QD"] * frame.height,
            "CMSTDTC": days.column(frame, "start"),
            "CMENDTC": days.column(frame, "end"),
        },
    )


def _procedures(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    frame = records.dialyses
    return _identified(
        records,
        frame,
        "PR",
        {
            "PRTRT": ["Hemodialysis"] * frame.height,
            "PRDECOD": ["Dialysis"] * frame.height,
            "PRSTDTC": days.column(frame, "start"),
            "PRENDTC": days.column(frame, "end"),
        },
    )


def _suspicions(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    frame = records.suspicions
    return _identified(
        records,
        frame,
        "CE",
        {
            "CETERM": ["Suspected renal flare"] * frame.height,
            "CEDECOD": ["Suspected renal flare"] * frame.height,
            "CECAT": ["SUSPECTED RENAL FLARE"] * frame.height,
            "CESTDTC": days.column(frame, "day"),
        },
    )


def _dispositions(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    n = len(records.patients)
    frame = pl.DataFrame({"patient": np.arange(n, dtype=np.int32), "day": records.endings.day})
    return _identified(
        records,
        frame,
        "DS",
        {
            "DSTERM": records.endings.status,
            "DSDECOD": records.endings.status,
            "DSCAT": ["DISPOSITION EVENT"] * n,
            "EPOCH": ["TREATMENT"] * n,
            "DSSTDTC": days.column(frame, "day"),
        },
    )


def _decisions(records: VirtualRecords, days: _Calendar) -> pl.DataFrame:
    frame = records.decisions
    patient = frame.get_column("patient").to_numpy()
    return pl.DataFrame(
        {
            "subject": records.patients.subject[patient],
            "endpoint": frame.get_column("endpoint"),
            "reader": frame.get_column("reader"),
            "is_confirmed": np.where(frame.get_column("is_confirmed").to_numpy(), "Y", "N"),
            "event_date": days.column(frame, "day"),
        }
    )


def _study_yaml(protocol: str, seed: int, tables: tuple[str, ...]) -> str:
    files = "\n".join(f"  - file: {name}.csv" for name in tables)
    return f"""\
# Virtual patients, drawn with seed {seed}; nobody in these files exists.
name: {STUDY_ID}
protocol: {protocol}
virtual: true
files:
{files}
  - file: decisions.csv
    table: decisions
    columns:
      subject: subject
      endpoint: endpoint
      reader: reader
      is_confirmed: is_confirmed
      event_date: event_date
"""
