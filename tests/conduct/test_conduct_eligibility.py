"""Eligibility by the protocol's sentences: three-valued, and only of what is known at screening."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from flarefree.conduct.eligibility import (
    Screened,
    ScreenedValue,
    criteria_of,
    judge_eligibility,
    strata_of,
)
from flarefree.errors import LanguageError, ProtocolError
from flarefree.protocol import load_protocol
from flarefree.protocol.loading import builtin_path, parse_protocol

TODAY = date(2026, 3, 31)
FACTS = {"age": 40.0, "sex": "F", "race": "White", "biopsy_class": "V only", "induction_drug": "MMF"}


def values(**told: float) -> tuple[ScreenedValue, ...]:
    return tuple(ScreenedValue(name, TODAY, value) for name, value in told.items())


@pytest.fixture(scope="module")
def alms():
    return load_protocol("alms-maintenance")


def with_rules(rules: str):
    """ALMS with other rules of eligibility."""
    text = builtin_path("alms-maintenance").read_text("utf-8")
    return parse_protocol(text[: text.index("\neligibility:")] + "\neligibility:\n" + rules, "trial.yaml")


def judged(protocol, screened: Screened, **confirmed: bool | None) -> dict[str, bool | None]:
    found = judge_eligibility(protocol, screened, confirmed)
    return {rule.name: rule.is_met for rule in found.rules}


def test_each_missing_thing_makes_its_rule_unknown(alms):
    screened = Screened(TODAY, values(creatinine=1.0), {"age": 40.0})
    assert judged(alms, screened) == {
        "age": True, "active_class": None, "response": None, "baseline_values": None,
    }  # fmt: skip
    whole = judge_eligibility(alms, screened, {})
    assert whole.is_eligible is None and [rule.name for rule in whole.open] == [
        "active_class", "response", "baseline_values",
    ]  # fmt: skip


def test_one_no_is_no_whatever_else_is_unknown(alms):
    found = judge_eligibility(alms, Screened(TODAY, (), {"age": 80.0}), {})
    assert found.is_eligible is False


def test_either_urine_measure_suffices_and_later_values_do_not_count(alms):
    screened = Screened(TODAY, values(creatinine=1.0, upcr=0.4), FACTS)
    assert judged(alms, screened)["baseline_values"] is True
    tomorrow = tuple(ScreenedValue(v.measure, TODAY + timedelta(days=1), v.value) for v in screened.values)
    assert judged(alms, Screened(TODAY, tomorrow, FACTS))["baseline_values"] is None


def test_exclusions_references_states_and_computed_measures():
    protocol = with_rules(
        "  low_egfr: {label: eGFR below 30, type: exclusion, when: egfr < 30 mL/min/1.73 m2}\n"
        "  rising: {label: Rising, type: exclusion, when: "
        '"creatinine > 1.5 * lowest(creatinine, during induction)"}\n'
        "  remission: {label: In remission, when: complete_remission}\n"
        "  liver: {label: Liver, type: exclusion, when: alt > 3 * upper_limit(alt)}\n"
    )
    before = ScreenedValue("creatinine", TODAY - timedelta(days=20), 1.0)
    now = ScreenedValue("creatinine", TODAY, 1.6)
    limit = ScreenedValue("alt", TODAY, 100.0, upper_limit=40.0)
    found = judged(protocol, Screened(TODAY, (before, now, limit), FACTS))
    assert found == {"low_egfr": True, "rising": False, "remission": None, "liver": True}
    # Without age nobody knows the eGFR.
    assert judged(protocol, Screened(TODAY, (now,), {"sex": "F", "race": "White"}))["low_egfr"] is None


def test_the_last_value_of_a_day_counts_and_the_rule_says_what_it_rests_on(alms):
    first, second = ScreenedValue("creatinine", TODAY, 0.0, "a"), ScreenedValue("creatinine", TODAY, 1.1, "b")
    screened = Screened(TODAY, (first, second, *values(upcr=0.3)), FACTS)
    (rule,) = (r for r in judge_eligibility(alms, screened, {}).rules if r.name == "baseline_values")
    assert rule.is_met and [value.id for value in rule.rests_on] == ["b", ""]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{label: x, when: death}", "not known at screening"),
        ("{label: x, when: renal_flare}", "not known at screening"),
        ('{label: x, when: medication where drug contains "a"}', "not known at screening"),
        ("{label: x, when: creatinin > 1 mg/dL}", "creatinin"),
        ("{label: x, when: creatinine > 1 g/day}", "creatinine"),
    ],
)
def test_a_sentence_that_screening_cannot_answer_is_refused(rule, words):
    with pytest.raises(LanguageError, match=words) as error:
        with_rules(f"  odd: {rule}\n")
    assert "eligibility.odd.when" in error.value.where and "^" in error.value.found


def test_within_belongs_to_a_sentence():
    with pytest.raises(ProtocolError, match="no value is read"):
        with_rules("  odd: {label: x, within: 3 days}\n")


def test_a_protocol_with_words_alone_asks_the_investigator_for_each():
    protocol = load_protocol("multitarget-maintenance")
    rules = criteria_of(protocol)
    assert len(rules) == len(protocol.spec.design.eligibility)
    assert all(rule.is_judged for rule in rules.values())
    said = dict.fromkeys(rules, True)
    screened = Screened(TODAY, (), {})
    assert judge_eligibility(protocol, screened, said).is_eligible is True
    assert judge_eligibility(protocol, screened, {**said, "rule_2": None}).is_eligible is None


def test_strata_are_levels_or_unknown(alms):
    assert strata_of(alms, Screened(TODAY, (), FACTS)) == {
        "induction_drug": "Mycophenolate mofetil", "race": "White", "biopsy_class": "V only",
    }  # fmt: skip
    other = Screened(TODAY, (), {"race": "Martian", "biopsy_class": "II"})
    assert set(strata_of(alms, other).values()) == {None}


def test_strata_of_cut_values_and_sentences():
    text = builtin_path("alms-maintenance").read_text("utf-8")
    changed = text.replace(
        "strata: [induction_drug, race, biopsy_class]", "strata: [egfr_category, sediment_at_baseline]"
    )
    protocol = parse_protocol(changed, "trial.yaml")
    screened = Screened(TODAY, values(creatinine=1.0, white_cells=6, red_cells=0, dipstick_blood=0), FACTS)
    assert strata_of(protocol, screened) == {"egfr_category": "60 to <90", "sediment_at_baseline": "yes"}
    assert strata_of(protocol, Screened(TODAY, (), FACTS)) == {
        "egfr_category": None, "sediment_at_baseline": None,
    }  # fmt: skip
