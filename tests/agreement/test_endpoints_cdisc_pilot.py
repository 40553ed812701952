"""Time to first dermatologic event of the CDISC pilot, patient by patient, as its own ADTTE has it.

Ours is derived from the tabulations (AE, DM, EX ...) by the sentence of `cdisc-pilot.yaml`; theirs is the
study's analysis dataset `adam_xpt/adtte.xpt`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyreadstat
import pytest

from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import derive
from flarefree.endpoints.explain import explain
from flarefree.readers.study_folder import read_study

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def pilot(shared: Path) -> Derivation:
    return derive(read_study(shared / "data" / "cdiscpilot", protocol="cdisc-pilot"), "cdisc-pilot")


def test_every_patient_s_time_and_censoring(pilot: Derivation, shared: Path) -> None:
    theirs, _ = pyreadstat.read_xport(
        shared / "data" / "cdiscpilot" / "adam_xpt" / "adtte.xpt",
        output_format="polars",
        encoding="windows-1252",
    )
    expected = {
        s: (int(time), cnsr == 0) for s, time, cnsr in theirs.select("USUBJID", "AVAL", "CNSR").rows()
    }
    ours = pilot.time_to_event.filter(pl.col("endpoint") == "dermatologic_event")
    found = {s: (time, event) for s, time, event in ours.select("subject", "time", "is_event").rows()}
    assert len(expected) == 254
    assert found == expected


def test_each_event_rests_on_one_adverse_event_of_that_patient(pilot: Derivation) -> None:
    used = pilot.events.filter(pl.col("is_used") & (pl.col("endpoint") == "dermatologic_event"))
    assert used.height == 29 + 62 + 61
    for subject, rows in used.select("subject", "rows").rows():
        ((table, index),) = [(row["table"], row["index"]) for row in rows]
        assert table == "adverse_events"
        assert pilot.study[table].row(index, named=True)["subject"] == subject


def test_a_patient_without_the_event_is_told_which_records_missed(pilot: Derivation) -> None:
    """Of a patient who had adverse events, none of them dermatologic, each record says by which test."""
    had_any = set(pilot.study["adverse_events"].get_column("subject"))
    quiet = pilot.time_to_event.filter((pl.col("endpoint") == "dermatologic_event") & ~pl.col("is_event"))
    subject = next(s for s in quiet.get_column("subject") if s in had_any)
    told = explain(pilot, subject, "dermatologic_event")
    assert told.records and all(record.verdict != "true" and record.why for record in told.records)
