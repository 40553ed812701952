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

    planted = plant_cohort(running_trial().protocol, 12, SEED)
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


def _judged() -> None:
    """A committee confirms every case that the rule finds, and refutes the others."""
    import random

    from web_committee import KEEPER, appoint, ask, go_live, member

    from flarefree.conduct.adjudication.cases import CaseKind, CaseState
    from flarefree.conduct.detecting import Level
    from flarefree.web.chance import lots_drawn_from
    from flarefree.web.commands.adjudication import CastVote
    from flarefree.web.commands.adjudication_keeping import ReleaseCases
    from flarefree.web.committee_store import read_whole_queue

    appoint()
    go_live()
    with lots_drawn_from(random.Random(SEED)):
        ask(KEEPER, ReleaseCases())
    for case in read_whole_queue().queue.cases:
        for name in case.round.assigned if case.state is CaseState.VOTING else ():
            is_event = case.kind is CaseKind.SUSPECTED and case.level is Level.MET
            day = case.day + 1 if is_event else None
            said = "confirmed" if is_event else "refuted"
            ask(member(name), CastVote(case=case.number, answer=said, event_day=day, reason="so"), days=1)


LINEAGE = ("source", "row", "rows", "table", "confirmed_by")


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_exported_study_is_the_record_s_decision_by_decision(cohort, tmp_path, format):
    from web_committee import MANAGER

    from flarefree.endpoints.derive import derive
    from flarefree.readers import read_study
    from flarefree.web.committee_store import decisions_of_record
    from flarefree.web.exporting import export_study
    from flarefree.web.study import study_of_record

    _judged()
    done = export_study(MANAGER, tmp_path / "study", format=format)
    decisions = decisions_of_record()
    assert decisions.height > 5 and done.patients == 12
    ours, theirs = derive(study_of_record(decisions=decisions)), derive(read_study(tmp_path / "study"))
    assert (
        ours.study["decisions"].drop("source", "row").equals(theirs.study["decisions"].drop("source", "row"))
    )
    for name in ("events", "time_to_event"):
        one, other = getattr(ours, name), getattr(theirs, name)
        kept = [column for column in one.columns if not column.startswith(LINEAGE)]
        assert one.height > 10
        assert one.select(kept).equals(other.select(kept)), name
    again = derive(study_of_record())
    assert not again.events["day"].equals(ours.events["day"])


def test_an_export_is_logged_whole_and_without_arms(cohort, tmp_path):
    import json

    from web_committee import MANAGER, member

    from flarefree.errors import ConductError, OutputError
    from flarefree.web import exporting
    from flarefree.web.record.models import LogRow

    _judged()
    with pytest.raises(ConductError, match="nothing here for you"):
        exporting.export_study(member("eva"), tmp_path / "out" / "no")
    done = exporting.export_study(MANAGER, tmp_path / "out" / "study")
    entry = LogRow.objects.order_by("-number").first().to_entry()
    assert done.digest in str(entry.items) and entry.content["who"] == MANAGER.person
    with pytest.raises(OutputError, match="already"):
        exporting.export_study(MANAGER, tmp_path / "out" / "study")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["study"]
    written = b"".join(
        path.read_bytes() for path in (tmp_path / "out" / "study").iterdir() if path.suffix == ".csv"
    )
    for word in (b"MMF", b"AZA", b"ARM", b"is_control", b"control", b"nonce"):
        assert word not in written
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "study" / "audit.jsonl").read_text().splitlines()
    ]
    assert len(lines) == entry.number
    votes = [line for line in lines if "votes." in str(line["items"]) or "is_control" in str(line["items"])]
    assert votes == [] and any(line["content"] is None for line in lines)


def test_an_export_that_fails_leaves_nothing(cohort, tmp_path, monkeypatch):
    from web_committee import MANAGER, go_live

    from flarefree.web import exporting

    go_live()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "_write_log", full)
    with pytest.raises(OSError, match="No space"):
        exporting.export_study(MANAGER, tmp_path / "out" / "study")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_masked_review_runs_the_analysis_in_one_column(cohort):
    from flarefree.conduct.visibility import Actor
    from flarefree.errors import ConductError
    from flarefree.web.study import masked_review

    _judged()
    review = masked_review(Actor("stan", "blinded_statistician"))
    assert review.is_masked
    assert sum(result.status == "computed" for result in review.results) > 3
    with pytest.raises(ConductError):
        masked_review(Actor("ines", "investigator", frozenset({"01"})))
