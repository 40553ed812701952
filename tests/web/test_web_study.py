"""The study read from the record is the study that files would give, and its rows lead back to the log."""

from __future__ import annotations

import polars as pl
import pytest

SEED = 20_260_311


@pytest.fixture
def cohort(record: None):
    from web_planting import plant_cohort_in_record

    from flarefree.conduct.checks.cohort import plant_cohort
    from flarefree.web.trial import running_trial

    planted = plant_cohort(running_trial().protocol, 24, SEED)
    plant_cohort_in_record(planted.planted)
    return planted


def _found(study):
    from flarefree.conduct.checks.cohort import START
    from flarefree.conduct.detecting import Detector
    from flarefree.web.trial import running_trial

    detection = Detector(running_trial().protocol).detect(study, START)
    return [(c.subject, c.endpoint, c.day, str(c.level), c.components) for c in detection.candidates]


def test_the_record_gives_the_events_that_the_files_give(cohort):
    from flarefree.web.study import study_of_record

    from_record, from_files = _found(study_of_record()), _found(cohort.planted.study())
    assert from_record == from_files
    assert {found[:3] for found in from_record if found[3] == "met"} >= cohort.true


def test_no_arm_is_in_the_study(cohort):
    from flarefree.web.study import study_of_record

    subjects = study_of_record()["subjects"]
    assert subjects["arm"].null_count() == subjects["actual_arm"].null_count() == subjects.height


def test_a_row_leads_back_to_the_entry_that_wrote_it(cohort):
    from web_planting import plant

    from flarefree.web.record.models import LogRow
    from flarefree.web.study import study_of_record

    name = "P-0003"
    done = plant(name, ("lab", f"{name}.1", "labs.efficacy", {"value": "3.3"}), request="correct it")
    study = study_of_record([name])
    changed = study["observations"].filter(pl.col("row") == done.entry)
    assert changed["original_value"].to_list() == ["3.3"]
    place = study.place(*changed.select("source", "row").row(0))
    assert place == f"record/lab, entry {done.entry} of the log"
    assert f"lab/{name}.1/value" in LogRow.objects.get(number=done.entry).items


def test_one_patient_is_read_as_among_all(cohort):
    from flarefree.web.study import study_of_record

    everybody, alone = _found(study_of_record()), _found(study_of_record(["P-0007"]))
    assert alone == [found for found in everybody if found[0] == "P-0007"]
    assert alone


def test_shown_troughs_are_no_values(cohort):
    from web_planting import plant

    from flarefree.web.study import study_of_record

    values = {
        "subject": "P-0001",
        "site": "02",
        "test": "TACROL",
        "value": "6.1",
        "unit": "ng/mL",
        "date": "2024-05-01",
    }
    plant("P-0001", ("lab", "sham", "labs.trough_shown", values), request="sham")
    assert "TACROL" not in study_of_record(["P-0001"])["observations"]["test"].to_list()
