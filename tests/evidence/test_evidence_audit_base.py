"""The audit of the evidence base that comes with flarefree: what its editors recorded is found again."""

from __future__ import annotations

import pytest

from flarefree.evidence import audit, load_evidence
from flarefree.evidence.auditing.from_base import rows_of_base


@pytest.fixture(scope="module")
def base():
    return load_evidence()


@pytest.fixture(scope="module")
def done(base):
    return audit(base)


RECORDED = {
    "liu2015_denominators": "14/81: 81 for 181",
    "liu2015_any_infection": "any infection: 91 in induction alone",
    "liu2015_percentages": "25.6% is not attainable over 181",
    "zavada2010_percentage": "43% is not attainable over 19",
    "suspected_flare_limits": "HR 0.56 (0.35 to 0.89): limits too narrow for 25 + 40 events",
    "multitarget_creatinine_doubling": "1 in maintenance alone, 0 in induction and maintenance",
    "multitarget_risk_table": "at risk falls from 21 to 17 with 6 events",
    "multitarget_pneumonia": "13 in induction and 2 in maintenance",
    "multitarget_leukopenia": "9 in induction and maintenance, and 9 in maintenance alone",
    "zhang2017_not_completed": "the parts make 27",
    "zhang2017_relapse_rates": "5.2% here, 5.47%",
    "palmer2017_cni": "1.86 here, 1.74",
}


@pytest.mark.parametrize("conflict", RECORDED)
def test_a_recorded_conflict_is_found_from_the_numbers(done, conflict):
    assert any(RECORDED[conflict] in f.what and conflict in f.recorded for f in done.findings)


def test_the_second_contradictory_column_is_found_too(done):
    assert any("at risk falls from 13 to 11 with 5 events" in f.what for f in done.findings)


def test_denominators_of_the_whole_trial(done):
    found = [f for f in done.findings if "16 is the whole trial" in f.what]
    assert len(found) == 4 and all("tacrolimus: 9, MMF: 7" in f.reconcile for f in found)


def test_the_adverse_event_tables_are_reproduced_by_fishers_test(done):
    best = {}
    for row in done.tests().to_dicts():
        best.setdefault((row["study"], row["table"]), (row["test"], row["reproduced"], row["of"]))
    assert best["Dooley 2011 (ALMS maintenance)", "dooley2011, Table 2"] == ("Fisher", 10, 10)
    key = ("Liu 2015 and Zhang 2017, both phases", "zhang2017_supplement, Supplemental Table 5")
    assert best[key] == ("Fisher", 26, 26)


def test_the_end_points_of_alms_are_not_recomputable(done):
    silent = [p for p in done.p_values if p.verdict == "not recomputable" and p.printed == "0.07"]
    assert len(silent) == 2


def test_counts_worked_out_by_the_base_are_not_taken_for_print(base):
    """46 of 181 was worked out from 25.6%: the audit sees the percentage alone, and the printed 81."""
    rows = rows_of_base(base)
    (remission,) = [r for r in rows if str(r.percent) == "25.6" and r.study.startswith("Liu 2015 (")]
    assert (remission.n, remission.events) == (181, None)
    assert any((r.events, r.n) == (14, 81) for r in rows)


def test_patients_of_one_cohort_are_one_whatever_the_arm_is_called(base):
    rows = {(r.study, r.arm): (r.cohort, r.patients) for r in rows_of_base(base) if r.patients}
    by_study = {}
    for (study, _), key in rows.items():
        by_study.setdefault(study, set()).add(key)
    liu, zhang = (
        by_study["Liu 2015 (multitarget induction)"],
        by_study["Zhang 2017 (multitarget maintenance)"],
    )
    assert liu == zhang == by_study["Liu 2015 and Zhang 2017, both phases"]
    assert by_study["Appel 2009 (ALMS induction)"].isdisjoint(by_study["Dooley 2011 (ALMS maintenance)"])


def test_the_note_counts_the_conflicts_whose_rows_carry_a_finding(done):
    assert done.notes[0].startswith("conflicts on record about these numbers: ")
