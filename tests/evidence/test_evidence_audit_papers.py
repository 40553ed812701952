"""The audit of the lupus nephritis papers, from their tables as printed (tests/reference/evidence_audit/).

Each known inconsistency is found by a computation from the numbers, and the P values of the adverse-event
tables are reproduced.  Places: Dooley, N Engl J Med 2011;365:1886; Zhang, J Am Soc Nephrol 2017;28:3671 with
its supplement; Peleg, Clin J Am Soc Nephrol 2020;15:1066.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from flarefree.evidence import audit
from flarefree.evidence.auditing.two_by_two import quick_p_values

TABLES = Path(__file__).resolve().parents[1] / "reference" / "evidence_audit"


@pytest.fixture(scope="module")
def papers():
    rows = []
    for name in ("alms_maintenance", "multitarget_maintenance", "calcineurin_review"):
        with (TABLES / f"{name}.csv").open(encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    return audit(rows, where="papers")


def found(done, check, words):
    """The findings of a check whose `what` holds these words."""
    return [f for f in done.findings if f.check == check and words in f.what]


KNOWN = [
    # what the issue and the recorded inconsistencies (I01 ...) name
    ("denominator", "14/81", "likely"),  # I01
    ("denominator", "10/81", "likely"),
    ("a phase and the whole", "any infection: 91", "certain"),  # I02
    ("figure with two meanings", "91/181 is 'any adverse event'", "possible"),
    ("denominator", "368", "possible"),  # I03
    ("percentage attainable", "25.6% is not attainable over 181", "certain"),  # I04
    ("percentage attainable", "83.5% is not attainable over 181", "certain"),
    ("denominator", "4/16: 16 is the whole trial", "likely"),  # I05
    ("percentage attainable", "43% is not attainable over 19", "certain"),  # I06
    ("a phase and the whole", "doubling of serum creatinine: 1 in maintenance alone, 0", "certain"),  # I11
    ("a phase and the whole", "pneumonia: 13", "possible"),  # I12
    ("a phase and the whole", "leukopenia: 9", "possible"),  # I13
    ("figure with two meanings", "25.2% is 'adverse events' here", "likely"),  # I14
    ("risk table", "at risk falls from 21 to 17 with 6 events", "likely"),  # I15
    ("risk table", "at risk falls from 13 to 11 with 5 events", "likely"),
    ("limits against events", "HR 0.56 (0.35 to 0.89)", "likely"),  # I17
    ("figure with two meanings", "19/116 is", "possible"),  # I19
    ("same outcome in two places", "renal relapse: 5.2% here, 5.47%", "possible"),  # I20
    ("parts and whole", "the parts make 27, did not complete 18 months is 26", "certain"),  # I21
    ("same outcome in two places", "1.86 here, 1.74", "possible"),  # I22
    # not on record before
    ("percentage attainable", "79.7% is not attainable over 115", "certain"),
    ("percentage attainable", "82.6% is not attainable over 111", "certain"),
    ("percentage of its count", "60/181 is 33.15%, printed 33.2%", "possible"),
]


@pytest.mark.parametrize(("check", "words", "certainty"), KNOWN, ids=[words for _, words, _ in KNOWN])
def test_what_is_known_to_be_wrong_in_the_papers_is_found(papers, check, words, certainty):
    (finding,) = found(papers, check, words)
    assert finding.certainty == certainty
    assert finding.why and finding.because and finding.reconcile
    assert finding.row > 0 and finding.cell


def test_nothing_else_is_called_certain_or_likely(papers):
    """What is not in the list above and is still called certain or likely: the other rows of Yap's trial."""
    others = [
        f.what
        for f in papers.findings
        if f.certainty != "possible" and not any(f.check == c and w in f.what for c, w, _ in KNOWN)
    ]
    assert sorted(others) == sorted(f"{k}/16: 16 is the whole trial, not the arm" for k in (2, 1, 1))


def test_the_slip_of_the_denominator_is_reconciled_with_the_other_paper(papers):
    (finding,) = found(papers, "denominator", "14/81")
    assert "diarrhea 14/181 in Zhang 2017 supplement, Supplemental Table 5" in finding.reconcile


def test_the_infections_are_the_patients_with_any_adverse_event(papers):
    (finding,) = found(papers, "a phase and the whole", "any infection: 91")
    assert "91/181 stands as 'any adverse event' in Liu 2015 abstract" in finding.reconcile


def test_the_arms_of_the_trial_of_sixteen_follow_from_its_percentages(papers):
    """55.6% and 71.4% of 16 patients leave one split: 9 and 7."""
    (finding,) = found(papers, "denominator", "4/16")
    assert "tacrolimus: 9, MMF: 7" in finding.reconcile


def test_percentages_of_the_small_trial_hold_in_the_other_arm(papers):
    """43% cannot be of 19; 9 of the 21 in the other arm make it, as 10 of 19 do not make the other's 52%."""
    (finding,) = found(papers, "percentage attainable", "43%")
    assert finding.reconcile.startswith("9/21, the number of patients in another arm")


def test_the_flare_interval_asks_for_more_events_than_are_printed(papers):
    """0.238 v sqrt(1/25 + 1/40) = 0.255; 68 events at least; P = 0.01 goes with the limits."""
    (finding,) = found(papers, "limits against events", "0.56")
    assert "standard error of 0.238" in finding.why and "= 0.255" in finding.why and "= 0.248" in finding.why
    assert "0.34 to 0.92" in finding.reconcile and "68 events at least" in finding.reconcile
    assert "P = 0.01 goes with the limits (0.015), not with these events (0.023)" in finding.reconcile


def test_the_other_intervals_of_the_papers_fit_their_events(papers):
    examined = {c.check: (c.examined, len(c.findings)) for c in papers.checked}
    assert examined["limits against events"] == (9, 1)
    assert examined["symmetry of limits"] == (20, 0)
    assert examined["limits against P value"] == (7, 0)


def test_every_rate_of_the_multitarget_trial_rests_on_one_person_time_an_arm(papers):
    examined = {c.check: (c.examined, len(c.findings)) for c in papers.checked}
    assert examined["one person-time an arm"][0] > 40
    assert examined["one person-time an arm"][1] == 0


# P values ---------------------------------------------------------------------------------------------


def reproduced_in(papers, study, table):
    frame = papers.tests()
    here = frame.filter((frame["study"] == study) & (frame["table"] == table))
    return {row["test"]: (row["reproduced"], row["of"]) for row in here.to_dicts()}


def test_all_ten_p_values_of_the_alms_adverse_events_are_fishers(papers):
    """Table 2 of Dooley 2011; the next best test gives two of the ten."""
    tests = reproduced_in(papers, "ALMS maintenance 2011", "Dooley 2011, Table 2")
    assert tests.pop("Fisher") == (10, 10)
    assert max(hits for hits, _ in tests.values()) == 2


def test_all_26_p_values_of_the_multitarget_supplement_are_fishers(papers):
    tests = reproduced_in(papers, "Zhang 2017", "Zhang 2017 supplement, Supplemental Table 5")
    assert tests.pop("Fisher") == (26, 26)
    # With equal arms twice the smaller tail is the sum of the smaller: but for ties the two are one test.
    assert tests.pop("Fisher doubled") == (26, 26)
    assert max(hits for hits, _ in tests.values()) < 10


def test_p_values_of_times_to_events_are_not_recomputed_from_counts(papers):
    """0.07 for ESRD (0/116 v 3/111) and doubling (1/116 v 5/111): chi-square, mid-P hit them by chance."""
    silent = {p.outcome: p for p in papers.p_values if p.verdict == "not recomputable" and "ALMS" in p.study}
    assert set(silent) == {
        "treatment failure", "renal flare", "rescue therapy", "end-stage renal disease",
        "sustained doubling of serum creatinine", "treatment failure, broader definition",
        "documented or suspected renal flare", "major extrarenal flare",
    }  # fmt: skip
    for outcome in ("end-stage renal disease", "sustained doubling of serum creatinine"):
        assert silent[outcome].printed == "0.07"
        assert "time-to-event" in silent[outcome].reason
        assert silent[outcome].reproduced_by == ()


NAMES = {
    "fisher": "Fisher", "fisher_doubled": "Fisher doubled", "chi2": "chi-square", "yates": "Yates",
    "cmh_N_1": "N-1 chi-square", "midp": "mid-P", "G": "G",
}  # fmt: skip


@pytest.mark.shared
def test_quick_p_values_are_those_of_the_seed(shared):
    """59 comparisons by seven tests each, computed independently with SciPy for the seed of the base."""
    seed = json.loads((shared / "evidence" / "seed_evidence.json").read_text(encoding="utf-8"))
    assert len(seed["p_value_recalculation"]) == 59
    for row in seed["p_value_recalculation"]:
        ours = quick_p_values(((row["e1"], row["n1"]), (row["e2"], row["n2"])))
        for theirs, name in NAMES.items():
            assert ours[name] == pytest.approx(row[theirs], rel=1e-9, abs=1e-12), (row["event"], name)
