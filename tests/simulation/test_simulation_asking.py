"""What a protocol asks of virtual patients: records by specimens, natures of events, what cannot be asked."""

from __future__ import annotations

import pytest

from flarefree.errors import DesignError, NotFoundError
from flarefree.protocol.loading import builtin_path, load_protocol, parse_protocol
from flarefree.simulation.asking import Nature, ask, primary_endpoint
from flarefree.simulation.recipes import text_of, with_definition
from flarefree.simulation.tiles import require_measures

ALMS = load_protocol("alms-maintenance")
MULTITARGET = load_protocol("multitarget-maintenance")


def meant(question, endpoint: str) -> set[str]:
    (node,) = question.plans[endpoint].dated
    return set(question.records[node])


def test_record_sentences_mean_the_happenings_that_they_describe() -> None:
    question = ask(ALMS)
    assert meant(question, "death") == {"death"}
    assert meant(question, "dialysis") == {"dialysis"}
    assert meant(question, "rescue_glucocorticoid") == {"rescue"}
    assert meant(question, "rescue_immunosuppressant") == set()
    assert meant(question, "suspected_renal_flare") == {"suspected renal flare"}
    assert meant(question, "suspected_extrarenal_flare") == {"suspected extrarenal flare"}
    assert all(kind.startswith("withdrawal: ") for kind in meant(question, "withdrawal"))
    assert len(meant(question, "withdrawal")) == 7


def test_a_sentence_changed_means_other_happenings() -> None:
    text = with_definition(
        text_of(ALMS), "rescue_plasmapheresis", 'disposition where status = "ADVERSE EVENT"'
    )
    assert meant(ask(parse_protocol(text)), "rescue_plasmapheresis") == {"withdrawal: ADVERSE EVENT"}


def test_what_an_event_says_is_read_from_its_measures() -> None:
    natures = {name: plan.nature for name, plan in ask(ALMS).plans.items() if plan.on_visits is not None}
    assert natures["proteinuric_flare"] is natures["nephritic_flare"] is Nature.ACTIVITY
    assert natures["doubling"] is natures["kidney_failure"] is Nature.FUNCTION
    assert natures["major_extrarenal_flare"] is Nature.EXTRARENAL


def test_who_is_read_by_a_committee_and_what_ends_participation() -> None:
    question = ask(ALMS)
    assert "remission_reached" not in question.read_by_committee
    assert {"proteinuric_flare", "doubling", "major_extrarenal_flare"} <= question.read_by_committee
    assert question.ways_to_fail == {
        "kidney_failure": True, "doubling": True, "proteinuric_flare": True, "nephritic_flare": True,
    }  # fmt: skip
    assert question.ending_kinds == {"death", "rescue", "dialysis"}
    assert ask(MULTITARGET).ways_to_fail == {"relapse_of_proteinuria": True, "relapse_of_creatinine": True}


def test_a_protocol_s_primary_endpoint_is_asked_unless_another_is_named() -> None:
    assert primary_endpoint(ALMS) == "treatment_failure"
    assert ask(ALMS, endpoint="renal_flare").primary == "renal_flare"
    assert ask(ALMS, endpoint="renal_flare").ends_at == "treatment_failure"
    assert set(ask(ALMS, asked=["rescue"]).asked) == {"rescue", "treatment_failure"}


def test_only_measures_that_sentences_name_are_taken() -> None:
    few = ask(ALMS, endpoint="proteinuric_flare", ends_at="proteinuric_flare", asked=[])
    assert few.measures == ("proteinuria", "upcr")
    assert ask(MULTITARGET).covariates == ("remission_status", "sex")
    assert len(ask(MULTITARGET).confirmations) == 3


def test_an_endpoint_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="renal_flare"):
        ask(ALMS, endpoint="renal_flair")


def test_a_state_has_no_time_to_it() -> None:
    with pytest.raises(DesignError, match="has no day"):
        ask(ALMS, endpoint="complete_remission")


def test_adverse_events_are_told_to_be_beyond_the_engine() -> None:
    text = with_definition(
        text_of(ALMS), "rescue_plasmapheresis", 'adverse_event where outcome contains "fatal"'
    )
    with pytest.raises(DesignError, match="adverse events"):
        ask(parse_protocol(text))


def test_a_measure_that_no_virtual_patient_has_is_refused() -> None:
    text = builtin_path("alms-maintenance").read_text("utf-8")
    text = text.replace(
        "  weight: {label: Weight",
        "  cystatin: {label: Cystatin C, unit: mg/L, tests: [CYSC]}\n  weight: {label: Weight",
    )
    text = with_definition(text, "doubling", "cystatin >= 2 * baseline(cystatin)")
    with pytest.raises(DesignError, match="no virtual patient has cystatin"):
        require_measures([ask(parse_protocol(text))])


def test_a_second_sentence_may_name_events_and_records() -> None:
    text = with_definition(
        text_of(ALMS), "late_proteinuria", "proteinuria >= 1 g/day and suspected_renal_flare"
    )
    question = ask(parse_protocol(text))
    assert question.plans["late_proteinuria"].is_second
    assert question.named_later == {"suspected_renal_flare"}
