"""What a person reads when a protocol file is wrong: each message whole, as it is printed."""

from __future__ import annotations

import pytest

from flarefree.errors import FlarefreeError
from flarefree.protocol.loading import parse_protocol

GOOD = """\
name: small-trial
title: A small trial
design: {summary: Two arms, follow_up: 12 months}
arms:
  new: {label: New drug}
  old: {label: Old drug}
reference_arm: old
epochs:
  induction: {label: Induction, last_day: 1}
schedule:
  visits:
    - {name: Month 0, number: 0, day: 1}
    - {name: Month 6, number: 6, day: 184}
measures:
  proteinuria: {label: Urinary protein, unit: g/day, tests: [UPROT]}
  upcr: {label: Ratio, unit: mg/mg, tests: [UPCR]}
endpoints:
  flare:
    label: Flare
    when: >
      upcr >= 2 * baseline(upcr)
      and proteinuria >= 1 g/day
  remission: {label: Remission, state: proteinuria <= 0.5 g/day}
  failure: {label: Failure, first_of: [flare]}
populations:
  itt: {label: All, when: randomized}
analyses:
  primary: {kind: time_to_event, title: Time to failure, population: itt, endpoint: failure}
flarefree: 1
"""


def message(old: str = "", new: str = "", text: str | None = None) -> str:
    whole = GOOD if text is None else text
    assert old in whole
    with pytest.raises(FlarefreeError) as caught:
        parse_protocol(whole.replace(old, new, 1), "trial.yaml")
    assert caught.value.exit_code == 2
    return f"{type(caught.value).__name__}: {caught.value}"


def test_the_protocol_that_is_broken_below_is_good() -> None:
    protocol = parse_protocol(GOOD, "trial.yaml")
    assert protocol.order == ("flare", "remission", "failure")


def test_grams_a_day_are_not_compared_with_a_ratio() -> None:
    assert (
        message("proteinuria >= 1 g/day", "proteinuria >= 1 mg/mg")
        == """\
LanguageError: trial.yaml:22 endpoints.flare.when: g/day and mg/mg cannot be compared: they measure \
different things (proteinuria is in g/day)
  found     upcr >= 2 * baseline(upcr) and proteinuria >= 1 mg/mg
                                                          ^^^^^^^
  expected  a value in g/day, or in a unit that becomes it"""
    )


def test_an_unknown_measure_in_a_sentence() -> None:
    assert (
        message("baseline(upcr)", "baseline(upc)")
        == """\
LanguageError: trial.yaml:21 endpoints.flare.when: there is no measure called upc
  found     upcr >= 2 * baseline(upc) and proteinuria >= 1 g/day
                                 ^^^
  expected  a measure of the protocol
  try       did you mean upcr?"""
    )


def test_a_sentence_that_does_not_end() -> None:
    assert (
        message("and proteinuria >= 1 g/day", "and (proteinuria >= 1 g/day")
        == """\
LanguageError: trial.yaml:22 endpoints.flare.when: the sentence ends too early
  found     upcr >= 2 * baseline(upcr) and (proteinuria >= 1 g/day
                                                                  ^
  expected  a closing parenthesis )"""
    )


def test_endpoints_that_define_one_another() -> None:
    broken = GOOD.replace("and proteinuria >= 1 g/day", "and not relapse").replace(
        "first_of: [flare]}", "first_of: [flare]}\n  relapse: {label: Relapse, when: was(failure)}"
    )
    assert (
        message(text=broken)
        == """\
ProtocolError: trial.yaml:18 endpoints.flare: these endpoints are defined by one another
  found     flare -> relapse -> failure -> flare
  expected  endpoints that rest on measures and records in the end"""
    )


def test_an_endpoint_that_defines_itself() -> None:
    assert (
        message("and proteinuria >= 1 g/day", "and not was(flare)")
        == """\
ProtocolError: trial.yaml:18 endpoints.flare: flare is defined by itself
  found     flare -> flare
  expected  endpoints that rest on measures and records in the end
  try       was(...) of a measure's condition instead of the endpoint's own name"""
    )


def test_an_unknown_key() -> None:
    assert (
        message("    when: >", "    whenn: >")
        == """\
ProtocolError: trial.yaml:20 endpoints.flare.whenn: whenn is not a key here
  found     "upcr >= 2 * baseline(upcr) and proteinuria >= 1 g/day"
  try       did you mean when?"""
    )


def test_an_unknown_key_far_from_any() -> None:
    assert (
        message("reference_arm: old", "reference_arm: old\nwombat: 2")
        == """\
ProtocolError: trial.yaml:8 wombat: wombat is not a key here
  found     2
  expected  one of note, flarefree, name, title, registration, condition, citations, design, arms, \
reference_arm, dosing, masking, randomization, epochs, schedule, baseline, follow_up, covariates, measures, \
endpoints, eligibility, populations, adjudication, adverse_events, withdrawals, sample_size, sources, \
analyses, report, published, choices, parameters"""
    )


def test_a_duration_that_is_none() -> None:
    assert (
        message("follow_up: 12 months", "follow_up: four weeks")
        == """\
ProtocolError: trial.yaml:3 design.follow_up: expected a duration such as "14 days" or "18 months", \
found 'four weeks'
  found     "four weeks"
  try       follow_up: 36 months"""
    )


def test_a_key_given_twice() -> None:
    assert (
        message("  old: {label: Old drug}", "  new: {label: Old drug}")
        == """\
ProtocolError: trial.yaml:6 arms.new: new is given twice
  found     new on line 5 and on line 6
  expected  each key once"""
    )


def test_an_empty_file() -> None:
    assert (
        message(text="")
        == """\
ProtocolError: trial.yaml: the file is empty
  expected  a protocol: name, title, design, arms ..."""
    )
    assert message(text="# nothing but a comment\n") == message(text="")


def test_a_file_that_is_no_yaml() -> None:
    assert (
        message("arms:", "arms: [")
        == """\
ProtocolError: trial.yaml:6: this is not YAML
  found     old: {label: Old drug}
  expected  text that YAML can read (expected ',' or ']', but got '<scalar>')
  try       close the bracket that opens here or above, and part its items by commas"""
    )


def test_a_file_that_is_a_list() -> None:
    assert (
        message(text="- one\n- two\n")
        == """\
ProtocolError: trial.yaml:1: the file is no protocol
  found     a list
  expected  keys and values: name, title, design, arms ..."""
    )


def test_a_missing_part() -> None:
    assert (
        message("title: A small trial\n", "")
        == """\
ProtocolError: trial.yaml: title is missing
  expected  the key title
  try       title: Maintenance treatment of lupus nephritis"""
    )


def test_a_kind_of_analysis_that_there_is_not() -> None:
    assert (
        message("kind: time_to_event", "kind: time_to_evnt")
        == """\
ProtocolError: trial.yaml:28 analyses.primary.kind: there is no such kind of analysis
  found     "time_to_evnt"
  expected  one of participant_flow, populations, baseline_table, exposure, time_to_event, components, \
subgroups, withdrawals, adverse_events, course, response_by_visit, change_from_baseline, dose_by_visit, \
laboratory_abnormalities, shifts, categories_by_visit, subjects_by_site, medications, \
agreement, mixed_model, logistic_mixed_model
  try       did you mean time_to_event?"""
    )


def test_a_choice_that_there_is_not() -> None:
    assert (
        message("endpoint: failure}", "endpoint: failure, conf_type: loglog}")
        == """\
ProtocolError: trial.yaml:28 analyses.primary.conf_type: conf_type has other values
  found     "loglog"
  expected  one of log-log, log, plain
  try       did you mean log-log?"""
    )


def test_an_analysis_of_an_endpoint_that_there_is_not() -> None:
    assert (
        message("endpoint: failure}", "endpoint: failures}")
        == """\
ProtocolError: trial.yaml:28 analyses.primary.endpoint: there is no endpoint called failures
  found     failures
  try       did you mean failure?"""
    )


def test_time_to_a_state() -> None:
    assert (
        message("endpoint: failure}", "endpoint: remission}")
        == """\
ProtocolError: trial.yaml:28 analyses.primary.endpoint: remission is a state, which has no date
  found     remission
  expected  an event or a composite"""
    )


def test_an_unknown_population() -> None:
    assert (
        message("population: itt", "population: safety")
        == """\
ProtocolError: trial.yaml:28 analyses.primary.population: there is no population called safety
  found     safety
  expected  one of itt"""
    )


def test_an_unknown_unit_of_a_measure() -> None:
    assert (
        message("unit: g/day", "unit: g/dday")
        == """\
ProtocolError: trial.yaml:15 measures.proteinuria.unit: this unit is not known
  found     g/dday
  try       did you mean g/day or ug/day?"""
    )


def test_a_reference_arm_that_is_none() -> None:
    assert (
        message("reference_arm: old", "reference_arm: older")
        == """\
ProtocolError: trial.yaml:7 reference_arm: there is no arm called older
  found     older
  try       did you mean old?"""
    )


def test_an_endpoint_of_two_kinds() -> None:
    assert (
        message("state: proteinuria <= 0.5 g/day", "state: proteinuria <= 0.5 g/day, when: death")
        == """\
ProtocolError: trial.yaml:23 endpoints.remission: give exactly one of when, state, first_of, value \
(found ['when', 'state'])
  found     keys and values: label, state, when"""
    )


def test_a_name_with_two_meanings() -> None:
    assert (
        message("  remission:", "  proteinuria:")
        == """\
ProtocolError: trial.yaml:23 endpoints.proteinuria: proteinuria is a name of measures already
  expected  measures, covariates and endpoints with names of their own"""
    )


def test_a_name_that_is_a_word_of_the_language() -> None:
    assert (
        message("  remission:", "  baseline:")
        == """\
ProtocolError: trial.yaml:23 endpoints.baseline: this name is a word of the endpoint language
  found     baseline"""
    )


def test_a_name_in_capitals() -> None:
    assert (
        message("  remission:", "  Remission:")
        == """\
ProtocolError: trial.yaml:23 endpoints.Remission: Remission is not such a name
  found     "Remission"
  expected  small letters, digits and _, beginning with a letter"""
    )


def test_a_visit_outside_its_own_window() -> None:
    assert (
        message("day: 184}", "day: 184, first_day: 190, last_day: 200}")
        == """\
ProtocolError: trial.yaml:13 schedule.visits.1: a visit's day is outside its window
  found     day 184, window 190 to 200"""
    )


def test_text_where_a_number_should_be() -> None:
    assert (
        message("number: 6,", "number: six,")
        == """\
ProtocolError: trial.yaml:13 schedule.visits.1.number: number is not what it should be
  found     "six"
  expected  a number
  try       number: 1"""
    )
