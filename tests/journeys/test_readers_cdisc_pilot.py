"""The CDISC pilot, read in place: nested folders, gzip, SDTM beside ADaM, and no map."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flarefree.readers import read_study
from flarefree.records.study import Study

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def pilot(shared: Path) -> Study:
    return read_study(shared / "data" / "cdiscpilot", protocol="cdisc-pilot")


def test_subjects_and_arms_are_those_of_the_studys_report(pilot: Study) -> None:
    """254 randomized, 86 to placebo and 84 to each dose; 52 screen failures."""
    subjects = pilot["subjects"]
    assert subjects.height == 306
    assert subjects["is_screen_failure"].sum() == 52
    arms = dict(subjects.group_by("arm").len().iter_rows())
    assert arms == {"placebo": 86, "low": 84, "high": 84, None: 52}
    assert dict(subjects.group_by("actual_arm").len().iter_rows())["low"] == 96  # 12 of the high-dose group
    assert subjects.filter(pl.col("arm").is_not_null())["mmse"].null_count() == 0


def test_tables_have_the_rows_of_their_files(pilot: Study) -> None:
    heights = {name: frame.height for name, frame in pilot.tables.items() if frame.height}
    assert heights == {
        "subjects": 306,
        "observations": 59580 + 29643 + 1524 + 1040 + 2828 + 730,  # LB, VS, QS; ACTOT, NPI-X, CIBIC+ of ADaM
        "exposures": 591,
        "adverse_events": 1191,  # 961 of SDTM, 230 of ADAE alone
        "dispositions": 596,
        "visits": 3559,
        "medical_history": 1817,
    }


def test_adverse_events_that_only_adae_has_come_from_there(pilot: Study) -> None:
    files = {number: source.path for number, source in enumerate(pilot.sources)}
    by_file = {files[number]: n for number, n in pilot["adverse_events"].group_by("source").len().iter_rows()}
    assert by_file == {"sdtm_xpt/ae.xpt": 961, "adam_xpt/adae.xpt": 230}
    key = pilot["adverse_events"].select("subject", "sequence")
    assert key.n_unique() == 1191


def test_laboratory_values_are_those_of_sdtm_not_of_the_shifted_analysis_data(pilot: Study) -> None:
    """ADLBC of this copy is dated ten years later; SDTM goes before it."""
    laboratory = pilot["observations"].filter(pl.col("domain") == "LB")
    assert laboratory["date"].dt.year().max() < 2016
    assert {f.file for f in pilot.findings if f.code == "shifted-dates"} == {
        "adam_csv/adlbc.csv.gz",
        "adam_csv/adlbh.csv.gz",
    }
    creatinine = laboratory.filter(pl.col("measure") == "creatinine")
    assert creatinine["unit"].unique().to_list() == ["umol/L"]
    assert creatinine["original_unit"].unique().to_list() == ["mg/dL"]


def test_scores_of_adam_keep_their_analysis_visits_and_derivations(pilot: Study) -> None:
    totals = pilot["observations"].filter(pl.col("measure") == "adas_cog")
    assert totals.height == 1040
    carried = totals.filter(pl.col("derivation") == "LOCF")
    assert carried.height > 0
    assert set(totals["analysis_visit"].drop_nulls()) >= {"Baseline", "Week 8", "Week 16", "Week 24"}
    assert totals.filter(pl.col("is_analysis_record")).height > 0


def test_days_agree_with_those_in_the_files(pilot: Study) -> None:
    assert not [f for f in pilot.findings if f.code == "day-differs"]
    assert not [f for f in pilot.findings if f.severity == "error"]


def test_a_clean_study_is_not_buried_in_notes(pilot: Study) -> None:
    assert sum(1 for f in pilot.findings if f.severity == "note") < 40


def test_every_row_leads_back_to_its_file(pilot: Study) -> None:
    """The place of a record is where its file holds it: lb.csv.gz row 1, line 2."""
    first = pilot["observations"].filter(pl.col("domain") == "LB").row(0, named=True)
    assert pilot.place(first["source"], first["row"]) == "sdtm_csv/lb.csv.gz row 1 (line 2)"
    assert (first["subject"], first["test"], first["original_value"]) == ("01-701-1015", "ALB", "3.8")
    highest = pilot["observations"].group_by("source").agg(pl.col("row").max())
    assert all(row <= pilot.sources[source].rows for source, row in highest.iter_rows())
