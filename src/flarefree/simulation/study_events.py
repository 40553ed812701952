"""What virtual patients took, and what befell them, as tables of SDTM (EX, CM, PR, AE, CE) and decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from flarefree.simulation.adverse_events import adverse_events
from flarefree.simulation.dosing import concomitant_drugs, doses, prednisone
from flarefree.simulation.specimens import SPECIMENS
from flarefree.simulation.study_tables import dates, identified
from flarefree.simulation.virtual_trial import VirtualTrial

__all__ = ["adverse_event_rows", "clinical_events", "decisions", "exposures", "medications", "procedures"]

_DECIDED_AFTER = 28  # days from the day on which an event is known to the committee's decision


def exposures(trial: VirtualTrial) -> pl.DataFrame:
    """EX: doses of the study drugs, and of placebos."""
    spec = trial.protocol.spec
    regimens = [spec.arms[arm].regimens for arm in trial.design.arms]
    frame = trial.enrolled.ordered(doses(trial.cohort, trial.end_days, regimens), "start", "drug")
    twice = (frame.get_column("frequency") == "BID").to_numpy()
    daily = frame.get_column("dose").to_numpy()
    columns = {
        "EXTRT": frame.get_column("drug").str.to_uppercase(),
        "EXDOSE": np.where(twice, daily / 2, daily),
        "EXDOSU": frame.get_column("unit"),
        "EXDOSFRQ": frame.get_column("frequency"),
        "EXSTDTC": dates(trial, frame, "start"),
        "EXENDTC": dates(trial, frame, "end"),
    }
    return identified(trial, frame, "EX", columns)


def medications(trial: VirtualTrial) -> pl.DataFrame:
    """CM: prednisone, what else patients take, and rescue."""
    prohibited = trial.protocol.spec.dosing.prohibited
    parts = [
        prednisone(trial.cohort, trial.end_days).with_columns(
            drug=pl.lit("Prednisone"),
            drug_class=pl.lit("Glucocorticoids"),
            indication=pl.lit("Systemic lupus erythematosus"),
            frequency=pl.lit("QD"),
        ),
        concomitant_drugs(trial.cohort, trial.end_days, prohibited),
        _happened(trial, "medications").with_columns(frequency=pl.lit("QD")),
    ]
    names = ["patient", "start", "end", "drug", "drug_class", "indication", "dose", "frequency", "route"]
    whole = [
        part.with_columns(
            pl.lit("ORAL").alias("route") if "route" not in part.columns else pl.col("route")
        ).select(names)
        for part in parts
    ]
    frame = trial.enrolled.ordered(pl.concat(whole, how="vertical_relaxed"), "start", "drug", "end", "dose")
    columns = {
        "CMTRT": frame.get_column("drug").str.to_uppercase(),
        "CMDECOD": frame.get_column("drug"),
        "CMCLAS": frame.get_column("drug_class"),
        "CMINDC": frame.get_column("indication"),
        "CMDOSE": frame.get_column("dose"),
        "CMDOSU": ["mg"] * frame.height,
        "CMDOSFRQ": frame.get_column("frequency"),
        "CMROUTE": frame.get_column("route"),
        "CMSTDTC": dates(trial, frame, "start"),
        "CMENDTC": dates(trial, frame, "end"),
    }
    return identified(trial, frame, "CM", columns)


def procedures(trial: VirtualTrial) -> pl.DataFrame:
    """PR: dialysis."""
    frame = trial.enrolled.ordered(_happened(trial, "procedures"), "start", "name")
    columns = {
        "PRTRT": frame.get_column("name"),
        "PRDECOD": frame.get_column("name"),
        "PRCAT": frame.get_column("category"),
        "PRSTDTC": dates(trial, frame, "start"),
        "PRENDTC": dates(trial, frame, "end"),
    }
    return identified(trial, frame, "PR", columns)


def clinical_events(trial: VirtualTrial) -> pl.DataFrame:
    """CE: flares that an investigator suspected."""
    frame = trial.enrolled.ordered(_happened(trial, "clinical_events"), "start", "name")
    columns = {
        "CETERM": frame.get_column("name"),
        "CEDECOD": frame.get_column("name"),
        "CECAT": frame.get_column("category"),
        "CESTDTC": dates(trial, frame, "start"),
        "CEENDTC": dates(trial, frame, "end"),
    }
    return identified(trial, frame, "CE", columns)


def adverse_event_rows(trial: VirtualTrial) -> pl.DataFrame:
    """AE: adverse events, with the one for which a patient left."""
    stops = trial.reasons == "ADVERSE EVENT"
    rows = adverse_events(trial.cohort, trial.end_days, stops=stops, failed=trial.done.has_failed)
    died = trial.death_days[rows.get_column("patient").to_numpy()]
    rows = rows.filter(pl.Series((died == 0) | (rows.get_column("start").to_numpy() <= died)))
    frame = trial.enrolled.ordered(rows, "start", "term", "action", "end", "severity", "serious")
    serious, fatal = frame.get_column("serious").to_numpy(), frame.get_column("fatal").to_numpy()
    columns = {
        "AETERM": frame.get_column("term").str.to_uppercase(),
        "AEDECOD": frame.get_column("term"),
        "AEBODSYS": frame.get_column("system"),
        "AESEV": frame.get_column("severity"),
        "AESER": np.where(serious, "Y", "N"),
        "AESDTH": np.where(fatal, "Y", "N"),
        "AEACN": frame.get_column("action"),
        "AEOUT": np.where(fatal, "FATAL", "RECOVERED/RESOLVED"),
        "AESTDTC": dates(trial, frame, "start"),
        "AEENDTC": dates(trial, frame, "end"),
    }
    return identified(trial, frame, "AE", columns)


def decisions(trial: VirtualTrial) -> pl.DataFrame:
    """What the committee said of every candidate that it saw, under the endpoint that it decides on.

    What began on one day is one event, and has one decision.
    """
    question, done = trial.question, trial.done
    rows: dict[tuple[int, str, int], tuple[bool, int]] = {}
    for endpoint, plan in question.plans.items():
        for leaf in question.parts_of(endpoint) if plan.spec.adjudicated else ():
            if leaf not in done.onsets:
                continue
            onsets = done.onsets[leaf]
            for k in np.flatnonzero(done.is_seen[leaf]).tolist():
                key = int(onsets.subjects[k]), endpoint, int(onsets.days[k])
                rows[key] = bool(done.stands[leaf][k]), int(onsets.known_days[k])
    schema = {
        "patient": pl.Int32, "endpoint": pl.String, "day": pl.Int32, "is_confirmed": pl.Boolean,
        "decided": pl.Int32,
    }  # fmt: skip
    listed = [(*key, stands, known + _DECIDED_AFTER) for key, (stands, known) in rows.items()]
    frame = pl.DataFrame(listed, schema=schema, orient="row")
    frame = trial.enrolled.ordered(frame, "day", "endpoint")
    return pl.DataFrame(
        {
            "subject": trial.enrolled.subjects[frame.get_column("patient").to_numpy()].tolist(),
            "endpoint": frame.get_column("endpoint"),
            "reader": ["committee"] * frame.height,
            "is_confirmed": np.where(frame.get_column("is_confirmed").to_numpy(), "Y", "N"),
            "event_date": dates(trial, frame, "day"),
            "decided_date": dates(trial, frame, "decided"),
        },
        schema_overrides={"subject": pl.String, "event_date": pl.String, "decided_date": pl.String},
    )


def _happened(trial: VirtualTrial, table: str) -> pl.DataFrame:
    """Happenings of one table, as their specimens have them: `patient`, `start`, `end`, and their fields."""
    names = {field: None for at, fields in SPECIMENS.values() if at == table for field in fields}
    names.pop("days", None)
    rows: list[tuple[Any, ...]] = []
    for kind, happened in trial.done.happenings.items():
        at, fields = SPECIMENS[kind]
        if at != table:
            continue
        for patient, day in zip(happened.subjects.tolist(), happened.days.tolist(), strict=True):
            rows.append((patient, day, day + fields["days"] - 1, *(fields.get(name) for name in names)))
    kinds = {name: pl.Float64 if name == "dose" else pl.String for name in names}
    schema = {"patient": pl.Int32, "start": pl.Int32, "end": pl.Int32, **kinds}
    return pl.DataFrame(rows, schema=schema, orient="row")
