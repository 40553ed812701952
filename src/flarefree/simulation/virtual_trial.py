"""One virtual ALMS-sized trial, step by step, as a study folder.

The steps: who they are; what becomes of them; what is measured; which events the protocol's own
sentences then find (the one evaluator, on the files as written); what a committee that sees the rows
says of those; who is rescued, who leaves; and the files again, ended where patients left.

A simple generator, to be replaced by the calibrated patients of a later version; what it does and does
not reproduce is in `docs/methods/virtual-alms-trial.md`.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flarefree.simulation.courses import MONTHS_BEFORE, Courses, Parameters, follow_courses
from flarefree.simulation.happenings import (
    Endings,
    adverse_events,
    exposures,
    independent_endings,
    prednisone,
)
from flarefree.simulation.measurements import measure, plan_visits
from flarefree.simulation.oddities import add_oddities
from flarefree.simulation.patients import draw_patients
from flarefree.simulation.study_files import VirtualRecords, write_study_files
from flarefree.studytime import DAYS_PER_MONTH

if TYPE_CHECKING:
    from flarefree.endpoints.derivation import Derivation
    from flarefree.protocol.loaded import LoadedProtocol

__all__ = ["write_virtual_trial"]

DEFAULT_SEED = 20111117
DEFAULT_SIZE = 227
_MONTHS = 36
_ADJUDICATED_AS = {
    "proteinuric_flare": "renal_flare",
    "nephritic_flare": "renal_flare",
    "doubling": "doubling",
}
"""Components that are found in laboratory values, and the endpoint the committee decides on."""
_TRUE_ACTIVITY = 0.3
_CONFIRMS_TRUE, _CONFIRMS_FALSE = 0.90, 0.20
_RESCUED = 0.34
_LEAVES_AFTER_FAILURE = 0.95
_FAILURE_LABELLED_ADVERSE_EVENT = 0.60
_ESRD_CREATININE_MG_DL = 5.0


def write_virtual_trial(
    folder: Path,
    *,
    protocol: LoadedProtocol | None = None,
    size: int = DEFAULT_SIZE,
    seed: int = DEFAULT_SEED,
) -> Path:
    """Write a virtual trial as a study folder that `flarefree analyze` takes.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    protocol : LoadedProtocol, optional
        `alms-maintenance` if not given; its measures' codes and units are the ones written.
    size : int
        Patients, at least 2.
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    path
        The folder.
    """
    from flarefree.protocol.loading import load_protocol

    loaded = protocol or load_protocol("alms-maintenance")
    rng = _Streams(seed)
    parameters = Parameters()
    patients = draw_patients(size, frailty_sd=parameters.omega, rng=rng.next())
    courses = follow_courses(patients, parameters, months=_MONTHS, rng=rng.next())
    visits = plan_visits(loaded.spec, size, rng.next())
    death_day = np.ceil(courses.death_month * DAYS_PER_MONTH).clip(2)
    leaving = independent_endings(patients, visits.day[:, -1], death_day, rng.next())
    records = VirtualRecords(
        patients=patients,
        visits=visits,
        measured=measure(loaded.spec, patients, courses, visits, rng.next()),
        endings=leaving,
        adverse_events=_no_rows(
            patient=pl.Int32,
            start=pl.Int64,
            end=pl.Int64,
            term=pl.String,
            system=pl.String,
            serious=pl.Boolean,
            severity=pl.String,
            stops_drug=pl.Boolean,
        ),
        exposures=exposures(patients, leaving, np.random.default_rng([seed, 1])),
        prednisone=prednisone(patients, leaving, np.random.default_rng([seed, 2])),
        rescues=_no_rows(
            patient=pl.Int32, day=pl.Int64, drug=pl.String, drug_class=pl.String, dose=pl.Float64
        ),
        suspicions=_no_rows(patient=pl.Int32, day=pl.Int64),
        dialyses=_dialyses(courses, leaving),
        decisions=_no_rows(
            patient=pl.Int32, endpoint=pl.String, reader=pl.String, is_confirmed=pl.Boolean, day=pl.Int64
        ),
    )
    candidates = _candidates(records, loaded, seed)
    adjudicated = _adjudicate(records, courses, candidates, rng.next())
    ended = _end_at_failure(adjudicated, seed, rng.next())
    write_study_files(folder, loaded.spec, add_oddities(ended, loaded.spec), seed)
    return folder


class _Streams:
    """Independent random streams, one a step, so that a change of one step does not move the others."""

    def __init__(self, seed: int) -> None:
        self._sequence = np.random.SeedSequence(seed)

    def next(self) -> np.random.Generator:
        """The next step's stream."""
        return np.random.default_rng(self._sequence.spawn(1)[0])


def _no_rows(**columns: type[pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(schema=columns)


def _dialyses(courses: Courses, leaving: Endings) -> pl.DataFrame:
    """Dialysis from the month in which creatinine passes 5 mg/dL, to the end of participation."""
    maintenance = courses.log_creatinine[:, MONTHS_BEFORE:]
    fails = maintenance >= np.log(_ESRD_CREATININE_MG_DL)
    start = np.where(fails.any(axis=1), np.round(fails.argmax(axis=1) * DAYS_PER_MONTH) + 10, np.inf)
    who = np.flatnonzero(start + 30 < leaving.day)
    return pl.DataFrame(
        {
            "patient": who.astype(np.int32),
            "start": start[who].astype(np.int64),
            "end": leaving.day[who].astype(np.int64),
        }
    )


def _candidates(records: VirtualRecords, protocol: LoadedProtocol, seed: int) -> pl.DataFrame:
    """First onsets that the protocol's sentences find in the rows: patient, endpoint, day."""
    from flarefree.endpoints.derive import derive
    from flarefree.readers.study_folder import read_study

    with tempfile.TemporaryDirectory() as folder:
        write_study_files(Path(folder), protocol.spec, records, seed)
        derived: Derivation = derive(read_study(Path(folder), protocol=protocol), protocol)
    index = pl.DataFrame(
        {"subject": records.patients.subject, "patient": np.arange(len(records.patients), dtype=np.int32)}
    )
    return (
        derived.events.filter(pl.col("endpoint").is_in(list(_ADJUDICATED_AS)))
        .join(index, on="subject")
        .select("patient", pl.col("endpoint").replace_strict(_ADJUDICATED_AS), pl.col("day").cast(pl.Int64))
        .unique()
        .sort("patient", "day", "endpoint")
    )


def _adjudicate(
    records: VirtualRecords, courses: Courses, candidates: pl.DataFrame, rng: np.random.Generator
) -> VirtualRecords:
    """Investigators suspect every candidate and rescue some; a committee decides on each component."""
    months = np.clip(candidates.get_column("day").to_numpy() // DAYS_PER_MONTH, 0, _MONTHS).astype(int)
    who = candidates.get_column("patient").to_numpy()
    truly_active = courses.activity[who, months + MONTHS_BEFORE] > _TRUE_ACTIVITY
    lasting = candidates.get_column("endpoint").to_numpy() == "doubling"
    confirmed = rng.random(len(who)) < np.where(truly_active | lasting, _CONFIRMS_TRUE, _CONFIRMS_FALSE)
    judged = candidates.with_columns(
        pl.Series("is_confirmed", confirmed), pl.lit("committee").alias("reader")
    )
    # The committee reads the candidates of a patient in turn, and stops at the first that it confirms:
    # a candidate without a decision would count as an event.
    confirmations = pl.col("is_confirmed").cast(pl.Int64)
    final = (
        judged.sort("patient", "endpoint", "day")
        .filter((confirmations.cum_sum() - confirmations).over("patient", "endpoint") == 0)
        .select("patient", "endpoint", "reader", "is_confirmed", "day")
    )
    suspected = (
        candidates.filter(pl.col("endpoint") == "renal_flare")
        .select("patient", "day")
        .unique(maintain_order=True)
    )
    rescued = suspected.filter(pl.Series(rng.random(suspected.height) < _RESCUED)).unique(
        "patient", keep="first", maintain_order=True
    )
    rescues = rescued.with_columns(
        (pl.col("day") + 4).alias("day"),
        pl.lit("Methylprednisolone").alias("drug"),
        pl.lit("Glucocorticoids").alias("drug_class"),
        pl.lit(500.0).alias("dose"),
    )
    return replace(records, decisions=final, suspicions=suspected, rescues=rescues)


def _end_at_failure(records: VirtualRecords, seed: int, rng: np.random.Generator) -> VirtualRecords:
    """Most patients leave within a month of treatment failure; what would have come later is not recorded."""
    n = len(records.patients)
    failure = np.full(n, np.inf)
    confirmed = records.decisions.filter("is_confirmed")
    for frame in (
        confirmed.select("patient", "day"),
        records.rescues.select("patient", "day"),
        records.dialyses.select("patient", pl.col("start").alias("day")),
    ):
        np.minimum.at(
            failure, frame.get_column("patient").to_numpy(), frame.get_column("day").to_numpy().astype(float)
        )
    leaves = (rng.random(n) < _LEAVES_AFTER_FAILURE) & (failure + 28 < records.endings.day)
    as_adverse_event = rng.random(n) < _FAILURE_LABELLED_ADVERSE_EVENT
    day = np.where(
        leaves, np.where(np.isfinite(failure), failure, 0) + rng.integers(7, 29, n), records.endings.day
    ).astype(np.int32)
    status = np.where(
        leaves, np.where(as_adverse_event, "ADVERSE EVENT", "LACK OF EFFICACY"), records.endings.status
    )
    endings = Endings(day, status)

    events = adverse_events(records.patients, endings, np.random.default_rng([seed, 3]))
    return replace(
        records,
        endings=endings,
        adverse_events=_with_what_stopped_the_drug(events, endings),
        exposures=exposures(records.patients, endings, np.random.default_rng([seed, 1])),
        prednisone=prednisone(records.patients, endings, np.random.default_rng([seed, 2])),
        rescues=endings.keep_until(records.rescues, "day"),
        suspicions=endings.keep_until(records.suspicions, "day"),
        decisions=endings.keep_until(records.decisions, "day"),
        dialyses=_cut(endings.keep_until(records.dialyses, "start"), day),
    )


def _cut(dialyses: pl.DataFrame, day: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pl.DataFrame:
    last = day[dialyses.get_column("patient").to_numpy()].astype(np.int64)
    return dialyses.with_columns(pl.Series("end", np.minimum(dialyses.get_column("end").to_numpy(), last)))


def _with_what_stopped_the_drug(events: pl.DataFrame, endings: Endings) -> pl.DataFrame:
    """Patients who leave for an adverse event have one that says so: their last, or lupus nephritis."""
    for_event = np.flatnonzero(endings.status == "ADVERSE EVENT")
    last = endings.day[for_event]
    stopping = pl.DataFrame(
        {
            "patient": for_event.astype(np.int64),
            "start": np.maximum(last.astype(np.int64) - 3, 2),
            "end": last.astype(np.int64),
            "term": ["Lupus nephritis" if i % 3 else "Leukopenia" for i in range(len(for_event))],
            "system": [
                "Renal and urinary disorders" if i % 3 else "Blood and lymphatic system disorders"
                for i in range(len(for_event))
            ],
            "serious": [i % 9 == 1 for i in range(len(for_event))],
            "severity": ["MODERATE"] * len(for_event),
            "stops_drug": [True] * len(for_event),
        }
    )
    own = events.with_columns(pl.lit(False).alias("stops_drug")).select(stopping.columns)
    return (
        pl.concat([own, stopping], how="vertical_relaxed")
        .sort("patient", "start", "term")
        .with_columns(pl.col("patient").cast(pl.Int32))
    )
