"""Decisions laid over candidates: which event is meant, whose word counts, which date."""

from __future__ import annotations

import pytest

from flarefree.endpoints.adjudication import Decision, Origin, agreement_row, overlay

ANA = "Ana"


def says(reader: str, confirmed: bool | None, day: int | None = None, index: int = 0) -> Decision:
    return Decision(ANA, "renal_flare", Origin(reader), confirmed, day, index)


def standing(candidates: list[int], *decisions: Decision) -> list[tuple[int, str]]:
    cases, _ = overlay([(day, i) for i, day in enumerate(candidates)], decisions)
    return sorted((case.day, str(case.origin)) for case in cases if case.stands)


def reasons(candidates: list[int], *decisions: Decision) -> dict[int, str]:
    cases, _ = overlay([(day, i) for i, day in enumerate(candidates)], decisions)
    return {case.day: case.reason for case in cases if case.origin is Origin.DERIVED}


def test_nothing_decided_leaves_the_rule() -> None:
    assert standing([92, 275]) == [(92, "derived"), (275, "derived")]


def test_the_committee_dates_the_event() -> None:
    assert standing([92], says("committee", True, 85)) == [(85, "committee")]
    assert reasons([92], says("committee", True, 85)) == {92: "dated by the committee"}


def test_confirmed_on_its_own_day() -> None:
    assert standing([92], says("committee", True, 92)) == [(92, "committee")]
    assert reasons([92], says("committee", True, 92)) == {92: "decided by the committee"}


def test_confirmed_without_a_date_keeps_the_rule_s() -> None:
    assert standing([92, 275], says("committee", True)) == [(92, "committee"), (275, "derived")]


def test_a_refutation_is_about_the_nearest_candidate() -> None:
    assert standing([92, 275], says("committee", False, 280)) == [(92, "derived")]
    assert reasons([92, 275], says("committee", False, 280))[275] == "refuted by the committee"


@pytest.mark.parametrize(("apart", "left"), [(45, []), (46, [(100, "derived")])])
def test_a_decision_reaches_45_days(apart: int, left: list[tuple[int, str]]) -> None:
    assert standing([100], says("committee", False, 100 + apart)) == left


def test_two_components_of_one_day_are_one_event() -> None:
    assert standing([91, 91, 275], says("committee", False, 91)) == [(275, "derived")]
    assert standing([91, 91], says("committee", True, 100)) == [(100, "committee")]
    assert standing([91, 91], says("committee", True)) == [(91, "committee")]


def test_who_decided_where_two_components_began_together() -> None:
    for word in (True, False):
        decisions = [says("committee", word, 91)]
        cases, _ = overlay([(91, 0), (91, 1)], decisions)
        row = agreement_row(ANA, "renal_flare", cases, decisions)
        assert (row["final"], row["final_from"]) == (word, "committee")


def test_a_refutation_without_a_date_is_about_all() -> None:
    assert standing([92, 275], says("committee", False)) == []


def test_could_not_decide_leaves_the_investigator() -> None:
    decisions = (says("committee", None, 92), says("investigator", False, 92))
    assert standing([92], *decisions) == []


def test_the_committee_overrules_the_investigator() -> None:
    assert standing([92], says("investigator", False, 92), says("committee", True, 90)) == [(90, "committee")]
    assert standing([92], says("investigator", True, 95), says("committee", False, 95)) == []


def test_the_order_of_rows_does_not_matter() -> None:
    decisions = (says("committee", True, 90), says("investigator", False, 92))
    assert standing([92], *decisions) == [(90, "committee")]


def test_each_decision_takes_a_candidate_of_its_own() -> None:
    two = (says("committee", True, 90, 0), says("committee", False, 100, 1))
    assert standing([92, 98], *two) == [(90, "committee")]


def test_an_event_that_only_the_committee_saw() -> None:
    assert standing([], says("committee", True, 300)) == [(300, "committee")]


def test_confirmed_with_nothing_to_date_it_is_a_finding() -> None:
    cases, findings = overlay([], [says("committee", True)])
    assert cases == []
    assert [f.code for f in findings] == ["undated-decision"]


def test_the_line_of_the_agreement_frame() -> None:
    decisions = [says("investigator", True, 95), says("committee", False, 95)]
    cases, _ = overlay([(92, 0)], decisions)
    assert agreement_row(ANA, "renal_flare", cases, decisions) == {
        "subject": ANA,
        "endpoint": "renal_flare",
        "derived_day": 92,
        "derived": True,
        "investigator": True,
        "investigator_day": 95,
        "committee": False,
        "committee_day": None,
        "final": False,
        "final_from": "committee",
    }
