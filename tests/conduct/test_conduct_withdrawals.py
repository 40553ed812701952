"""Ends of participation: properties that hold whatever was recorded."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.conduct.checks.blinded_trial import alms_spec
from flarefree.conduct.schedule import dues_of
from flarefree.conduct.withdrawals import (
    Ending,
    EndingEntry,
    Participation,
    Standing,
    add_ending,
    participation_of,
    reasons_of,
)

ONE = date(2026, 1, 31)
DATES = st.none() | st.integers(0, 1400).map(lambda days: ONE + timedelta(days=days))
COURSES = st.builds(
    Participation,
    drug_ended=DATES,
    study_ended=DATES,
    consent_ended=DATES,
    completed=DATES,
    died=DATES,
    is_lost=st.booleans(),
    last_visit=DATES,
)


@settings(max_examples=80, deadline=None)
@given(COURSES)
def test_nobody_is_called_after_consent_was_withdrawn_or_death(course):
    dues = dues_of(alms_spec(), ONE, course)
    if course.silent_from is not None:
        assert all(due.due < course.silent_from for due in dues)
    if course.visits_end is not None:
        assert all(due.due < course.visits_end for due in dues if due.kind == "visit")


@settings(max_examples=60, deadline=None)
@given(COURSES)
def test_a_stop_of_the_drug_changes_no_visit(course):
    from dataclasses import replace

    with_stop, without = (
        [d for d in dues_of(alms_spec(), ONE, replace(course, drug_ended=stop)) if d.kind == "visit"]
        for stop in (ONE, None)
    )
    assert with_stop == without


def test_study_drug_stops_with_whatever_comes_first():
    course = Participation(study_ended=ONE, drug_ended=date(2026, 3, 1))
    assert course.drug_stops == ONE
    assert Participation(completed=ONE).drug_stops == date(2026, 2, 1)


def test_terms_of_reasons_are_those_that_the_analysis_reads():
    spec = alms_spec()
    for reason, terms in reasons_of(spec, Ending.STUDY).items():
        assert set(terms) <= set(spec.withdrawals.reasons[reason])


def test_a_corrected_date_counts_and_the_first_is_kept():
    spec, today = alms_spec(), date(2027, 1, 1)
    first = EndingEntry("1", Ending.DRUG, date(2026, 5, 1), "Adverse event")
    second = EndingEntry("2", Ending.DRUG, date(2026, 5, 3), "Adverse event", supersedes="1", why="a slip")
    entries = add_ending(spec, add_ending(spec, (), first, ONE, today), second, ONE, today)
    assert entries == (first, second)
    assert participation_of(spec, entries).drug_ended == date(2026, 5, 3)
    assert participation_of(spec, entries).standing is Standing.OFF_TREATMENT
