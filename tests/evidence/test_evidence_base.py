"""The evidence base in Python: what it gives, and which numbers may stand in one analysis."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError

import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence import load_evidence
from flarefree.evidence.cells import Cell, Interval
from flarefree.evidence.schema import months_of
from flarefree.evidence.writing import printed


@pytest.fixture(scope="module")
def evidence():
    return load_evidence()


def test_flarefree_itself_stays_light() -> None:
    heavy = (
        "import sys, flarefree as ff; ff.evidence; print({'polars', 'pydantic', 'numpy'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip()
        == "set()"
    )
    assert ff.evidence.load_evidence is load_evidence


def test_the_base_is_read_once_and_cannot_be_changed(evidence) -> None:
    assert load_evidence() is evidence
    with pytest.raises(FrozenInstanceError):
        evidence.name = "mine"
    with pytest.raises(Exception, match="frozen"):
        evidence.study("dooley2011").label = "mine"
    assert repr(evidence).startswith("<Evidence that comes with flarefree: 32 studies, ")


def test_alms_is_known_with_its_arms_margins_and_judgements(evidence) -> None:
    study = evidence.study("dooley2011")
    assert study.design.rerandomized and study.registration == "NCT00377637"
    margins = evidence.baseline().filter(study="dooley2011", arm="MMF", characteristic="upcr_mg_per_mg")
    assert margins.select("mean", "sd", "n").rows() == [(0.97, 1.413, 116)]
    bias = evidence.risk_of_bias().filter(study="dooley2011", domain="randomization")
    assert bias["judgement"].item() == "low" and bias["by"].item() and bias["because"].item()
    unread = evidence.risk_of_bias().filter(study="sahin2008")
    assert set(unread["judgement"]) == {"not judged"} and len(unread) == 5


def test_the_multitarget_trial_was_not_randomized_for_maintenance(evidence) -> None:
    design = evidence.study("zhang2017").design
    assert design.randomized is False and design.rerandomized is False
    assert evidence.cohort["zhang2017"] == evidence.cohort["liu2015"] == evidence.cohort["liu2015_zhang2017"]
    assert evidence.cohort["dooley2011"] == evidence.cohort["appel2009"] != evidence.cohort["zhang2017"]


def test_rows_of_renal_flare_in_maintenance_go_straight_into_pairwise(evidence) -> None:
    rows = evidence.rows("renal_flare", phase="maintenance", treatments=["MMF", "AZA"], randomized_only=True)
    assert rows.select("study_id", "treatment", "events", "n").rows() == [
        ("dooley2011", "MMF", 15, 116), ("dooley2011", "AZA", 26, 111),
        ("houssiau2010", "MMF", 10, 53), ("houssiau2010", "AZA", 13, 52),
    ]  # fmt: skip
    pooled = ff.evidence.pairwise(rows, measure="RR", reference="AZA")
    log_rr = [math.log(15 / 116) - math.log(26 / 111), math.log(10 / 53) - math.log(13 / 52)]
    variance = [1 / 15 - 1 / 116 + 1 / 26 - 1 / 111, 1 / 10 - 1 / 53 + 1 / 13 - 1 / 52]
    common = sum(e / v for e, v in zip(log_rr, variance)) / sum(1 / v for v in variance)
    assert pooled.tau2 == pytest.approx(0, abs=1e-9)
    assert math.log(pooled.estimate) == pytest.approx(common, abs=1e-9)
    assert all("," in source for source in rows["source"])


def test_what_is_left_out_is_told_with_the_reason(evidence) -> None:
    reasons = {
        (row["study_id"], row["arm"]): row["reason"]
        for row in evidence.left_out("renal_flare", phase="maintenance").to_dicts()
    }
    assert reasons["mok2016", "MMF"] == "a percentage only"
    assert reasons["karasawa2018", "TAC"].startswith("no other arm")
    only = evidence.left_out("renal_flare", phase="maintenance", randomized_only=True)
    assert "the arms are not randomized" in only.filter(study_id="zhang2017")["reason"].to_list()


def test_reports_of_one_cohort_are_never_pooled_together(evidence) -> None:
    with pytest.raises(
        EvidenceError, match=r"zhang2017 and liu2015_zhang2017 tell of the same patients"
    ) as error:
        evidence.rows("leukopenia")
    assert "reports=" in error.value.try_
    rows = evidence.rows("leukopenia", reports=["liu2015_zhang2017"])
    assert set(rows["study_id"]) == {"liu2015_zhang2017"}
    assert "taken instead of zhang2017" in rows["note"][0]
    left = evidence.left_out("leukopenia", reports=["liu2015_zhang2017"])
    assert (
        left.filter(study_id="zhang2017")["reason"]
        .item()
        .startswith("the same patients as liu2015_zhang2017")
    )
    assert set(evidence.rows("leukopenia", phase="maintenance")["study_id"]) == {"zhang2017"}


def test_naming_two_reports_of_one_cohort_does_not_help(evidence) -> None:
    with pytest.raises(EvidenceError, match="same patients"):
        evidence.rows("leukopenia", reports=["zhang2017", "liu2015_zhang2017"])


def test_a_time_chooses_among_reports_and_a_subgroup_is_no_second_study(evidence) -> None:
    assert evidence.rows("complete_remission", time="6 mo", studies=["bao2008"])["events"].to_list() == [
        10,
        1,
    ]
    assert evidence.rows("complete_remission", studies=["bao2008"])["events"].to_list() == [13, 3]
    assert evidence.rows("renal_flare", studies=["zhang2017"])["events"].to_list() == [6, 6]


def test_where_nothing_says_which_report_to_take_nothing_is_guessed(tmp_path) -> None:
    text = STRANGER.replace("main: true, ", "")
    base = written(tmp_path, text)
    with pytest.raises(EvidenceError, match="reports renal_flare more than once") as error:
        load_evidence(base).rows("renal_flare")
    assert "12 mo" in error.value.found and "24 mo" in error.value.found


def test_derived_counts_can_be_refused(evidence) -> None:
    rows = evidence.rows("complete_remission", phase="induction", derived=False)
    assert set(rows["status"]) == {"given"} and "access2014" in set(rows["study_id"])
    assert "bao2008" not in set(rows["study_id"])


def test_means_and_rates_come_as_rows_too(evidence) -> None:
    nag = evidence.rows("urinary_nag", phase="maintenance")
    assert nag.select("mean", "sd", "n").rows() == [(5.91, 6.62, 38), (5.42, 4.6, 20)]
    years = evidence.rows("renal_flare", studies=["zhang2017"])["person_time"].to_list()
    assert years == pytest.approx([6 / 3.66 * 100, 6 / 5.34 * 100])


def test_contrasts_are_on_the_log_scale_with_the_standard_error_of_the_limits(evidence) -> None:
    row = evidence.contrasts("treatment_failure").row(0, named=True)
    assert (row["treatment_1"], row["treatment_2"], row["printed"]) == ("MMF", "AZA", "0.44 (0.25 to 0.77)")
    assert row["estimate"] == pytest.approx(math.log(0.44))
    assert row["std_error"] == pytest.approx(math.log(0.77 / 0.25) / (2 * 1.959963984540054))
    assert evidence.contrasts("renal_flare", adjusted=True)["printed"].to_list() == [
        "0.601 (0.100 to 3.605)", "0.811 (0.170 to 3.876)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "near"),
    [
        (lambda e: e.rows("renal_flair"), "renal_flare"),
        (lambda e: e.study("dooley2012"), "dooley2011"),
        (lambda e: e.rows("renal_flare", phase="maintenence"), "maintenance"),
        (lambda e: e.rows("renal_flare", treatments=["TAC+MFM"]), "TAC+MMF"),
        (lambda e: e.rows("renal_flare", studies=["zhang2018"]), "zhang2017"),
        (lambda e: e.contrasts("renal_flare", measure="RRR"), "RR"),
    ],
)
def test_a_name_that_is_not_there_brings_the_nearest_one(evidence, ask, near) -> None:
    with pytest.raises(NotFoundError) as error:
        ask(evidence)
    assert near in error.value.try_


def test_a_time_that_is_none_is_refused(evidence) -> None:
    with pytest.raises(EvidenceError, match="this is no time"):
        evidence.rows("renal_flare", time="soon")


def test_every_conflict_stands_with_its_sides_and_what_was_done(evidence) -> None:
    sides = evidence.conflicts().filter(conflict="liu2015_denominators")
    assert sides["says"].to_list() == ["14/81 and 10/81", "14/181 (7.7%) and 10/181 (5.5%) over both phases"]
    assert sides["handling"][0].startswith("read as 181")
    cell = evidence.outcomes().filter(study="liu2015", outcome="diarrhea")
    assert cell.select("events", "n", "n_printed", "n_how").rows() == [(14, 181, 81, "corrected")]


def test_frames_have_a_row_for_each_thing(evidence) -> None:
    for name in ("studies", "arms", "outcomes", "effects", "baseline", "pooled", "conflicts", "documents"):
        frame = getattr(evidence, name)()
        assert isinstance(frame, pl.DataFrame) and len(frame) == len(frame.unique()), name


# Cells ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19/116 (16.4%)", {"events": 19, "n": 116, "percent": 16.4, "how": "given"}),
        ("~83/181 (45.9%)", {"events": 83, "n": 181, "percent": 45.9, "how": "derived"}),
        ("6/116 (5.2%; 3.66 per 100)", {"events": 6, "percent": 5.2, "rate": 3.66}),
        ("0/116", {"events": 0, "n": 116, "percent": None}),
        ("43%", {"percent": 43, "how": "percent_only"}),
        ("10.6 per 100", {"rate": 10.6, "rate_per": "100 patient-years", "how": "rate_only"}),
        ("2 per 100 mo", {"rate": 2, "rate_per": "100 patient-months"}),
        ("31.8 ± 10.59", {"mean": 31.8, "sd": 10.59, "how": None}),
        ("-6.9 +/- 4.1", {"mean": -6.9, "sd": 4.1}),
        ("12 [6 to 12]", {"median": 12, "q1": 6, "q3": 12}),
    ],
)
def test_a_cell_is_read_as_papers_print_it_and_written_back(text, expected) -> None:
    cell = Cell.model_validate(text)
    for name, value in expected.items():
        found = getattr(cell, name)
        assert (float(found) if name not in ("how", "rate_per") and found is not None else found) == value, (
            name
        )
    assert Cell.model_validate(printed(cell)) == cell


def test_digits_stay_as_printed() -> None:
    assert str(Cell.model_validate("13/52 (25.0%)").percent) == "25.0"
    assert str(Interval.model_validate("0.50 (0.26 to 0.93)")) == "0.50 (0.26 to 0.93)"


def test_patient_years_of_a_rate_per_months() -> None:
    assert Cell.model_validate(
        {"events": 6, "rate": 2, "rate_per": "100 patient-months"}
    ).years == pytest.approx(25)
    assert Cell.model_validate({"events": 6, "rate": 3}).years == pytest.approx(200)


def test_times_in_months() -> None:
    assert months_of("24 wk") == pytest.approx(168 / 30.4375)
    assert months_of("median 41 mo") == 41 and months_of("3 yr") == 36 and months_of("later") is None


# A stranger's base ---------------------------------------------------------------------------------

STRANGER = """\
documents:
  petri2030: {citation: Petri 2030, kind: trial report, year: 2030}
studies:
  petri2030:
    label: Petri 2030
    year: 2030
    phase: maintenance
    design: {kind: randomized trial, randomized: true}
    arms: {MMF: {treatment: MMF, n: 50}, AZA: {treatment: AZA, n: 52}}
    reports:
      - document: petri2030
        place: Table 2
        outcomes:
          - {outcome: renal_flare, time: 12 mo, arms: {MMF: 5/50 (10%), AZA: 8/52 (15.4%)}}
          - {outcome: renal_flare, time: 24 mo, main: true, arms: {MMF: 9/50 (18%), AZA: 14/52 (26.9%)}}
          - {outcome: death, time: 24 mo, arms: {MMF: {events: 0}, AZA: {events: 1}}}
"""


def written(folder, text):
    file = folder / "mine.yaml"
    file.write_text(text, "utf-8")
    return file


def test_a_strangers_file_uses_our_words_for_treatments_and_outcomes(tmp_path) -> None:
    base = load_evidence(written(tmp_path, STRANGER))
    assert base.rows("renal_flare")["events"].to_list() == [9, 14]
    assert base.rows("renal_flare", time=12)["events"].to_list() == [5, 8]
    assert base.rows("death").select("events", "n", "n_how").rows() == [
        (0, 50, "arm's size, given"), (1, 52, "arm's size, given"),
    ]  # fmt: skip
    assert base.studies()["second_hand"].to_list() == [False]


def test_a_folder_is_one_base(tmp_path) -> None:
    head, rest = STRANGER.split("studies:\n")
    (tmp_path / "documents.yaml").write_text(head, "utf-8")
    (tmp_path / "studies.yaml").write_text("studies:\n" + rest, "utf-8")
    (tmp_path / "notes.txt").write_text("not read", "utf-8")
    assert list(load_evidence(tmp_path).content.studies) == ["petri2030"]
