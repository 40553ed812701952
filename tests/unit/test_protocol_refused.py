"""Values that no trial can have: each refused with its place, what was found, and what could stand there."""

from __future__ import annotations

import pytest

from flarefree.errors import FlarefreeError
from flarefree.protocol.loading import parse_protocol

GOOD = """\
flarefree: 1
name: small-trial
title: A small trial
design: {summary: Two arms, follow_up: 12 months, planned_size: 100}
arms:
  new: {label: New drug, codes: [N]}
  old: {label: Old drug, codes: [O]}
reference_arm: old
dosing: {low_weight_kg: 50}
randomization: {ratio: {new: 1, old: 1}}
epochs: {induction: {label: Induction, first_day: -10, last_day: 1}}
schedule:
  visits:
    - {name: Month 0, number: 0, day: 1, codes: [BASELINE]}
    - {name: Month 6, number: 6, day: 184}
  at_events: [{name: Early end, codes: [EARLY]}]
baseline: {first_day: -28, last_day: 1}
covariates:
  age: {label: Age, type: number}
  age_group: {label: Age group, of: age, cut: [18, 65], cut_labels: [young, grown, old]}
  race: {label: Race, levels: {asian: [ASIAN], other: [OTHER]}}
measures:
  upcr: {label: Ratio, unit: mg/mg, tests: [UPCR], plausible: [0, 60], normal: [0, 0.2], digits: 2}
  score: {label: Score, type: grade, grades: {A: 2, B: 1}, tests: [SCORE]}
endpoints:
  flare: {label: Flare, when: upcr >= 2 * baseline(upcr), first_day: 2, last_day: 400}
populations: {itt: {label: All, when: randomized}}
sample_size: {per_arm: 50, alpha: 0.05, power: 0.8, hazard_ratio: 0.5, assumed: {new: 0.2, difference: 3}}
report: {significance: 0.05, percent_digits: 1, colors: {new: "#0b5394"}}
analyses:
  primary: {kind: time_to_event, title: T, population: itt, endpoint: flare, at_months: [12], tick_every: 6}
  doses: {kind: exposure, title: Doses, population: itt, adherence_threshold: 0.8}
"""


def refused(old: str, new: str) -> FlarefreeError:
    assert old in GOOD
    with pytest.raises(FlarefreeError) as caught:
        parse_protocol(GOOD.replace(old, new, 1), "trial.yaml")
    return caught.value


def test_the_protocol_that_is_broken_below_is_good() -> None:
    assert parse_protocol(GOOD).order == ("flare",)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("plausible: [0, 60]", "plausible: [.nan, .inf]", "trial.yaml:23 measures.upcr.plausible.0"),
        ("plausible: [0, 60]", "plausible: [0, .inf]", "trial.yaml:23 measures.upcr.plausible.1"),
        ("plausible: [0, 60]", "plausible: [60, 0]", "trial.yaml:23 measures.upcr.plausible"),
        ("normal: [0, 0.2]", "normal: [0.2, 0]", "trial.yaml:23 measures.upcr.normal"),
        ("normal: [0, 0.2]", "normal_by_sex: {F: [2, 1]}", "trial.yaml:23 measures.upcr.normal_by_sex.F"),
        ("at_months: [12]", "at_months: [-12]", "trial.yaml:31 analyses.primary.at_months.0"),
        ("at_months: [12]", "at_months: [6, 1.0e+300]", "trial.yaml:31 analyses.primary.at_months.1"),
        ("at_months: [12]", "at_months: [.nan]", "trial.yaml:31 analyses.primary.at_months.0"),
        ("tick_every: 6", "tick_every: 0", "trial.yaml:31 analyses.primary.tick_every"),
        ("threshold: 0.8", "threshold: -1", "trial.yaml:32 analyses.doses.adherence_threshold"),
        ("alpha: 0.05", "alpha: 5", "trial.yaml:28 sample_size.alpha"),
        ("power: 0.8", "power: 3", "trial.yaml:28 sample_size.power"),
        ("hazard_ratio: 0.5", "hazard_ratio: -1", "trial.yaml:28 sample_size.hazard_ratio"),
        ("per_arm: 50", "per_arm: 0", "trial.yaml:28 sample_size.per_arm"),
        ("{new: 0.2,", "{new: 20,", "trial.yaml:28 sample_size.assumed.new"),
        ("significance: 0.05", "significance: 1", "trial.yaml:29 report.significance"),
        ("percent_digits: 1", "percent_digits: 99", "trial.yaml:29 report.percent_digits"),
        ('"#0b5394"', "reddish", "trial.yaml:29 report.colors.new"),
        ("digits: 2", "digits: -1", "trial.yaml:23 measures.upcr.digits"),
        ("{new: 1, old: 1}", "{new: 0, old: -1}", "trial.yaml:10 randomization.ratio.new"),
        ("{new: 1, old: 1}", "{new: true, old: 1}", "trial.yaml:10 randomization.ratio.new"),
        ("planned_size: 100", "planned_size: -1", "trial.yaml:4 design.planned_size"),
        ("follow_up: 12 months", "follow_up: -3", "trial.yaml:4 design.follow_up"),
        ("follow_up: 12 months", "follow_up: 0 days", "trial.yaml:4 design.follow_up"),
        ("low_weight_kg: 50", "low_weight_kg: -3", "trial.yaml:9 dosing.low_weight_kg"),
        ("label: Ratio", "label: ''", "trial.yaml:23 measures.upcr.label"),
        ("label: Ratio", "label: '   '", "trial.yaml:23 measures.upcr.label"),
        ("title: A small trial", "title: ''", "trial.yaml:3 title"),
        ("cut: [18, 65]", "cut: [65, 18]", "trial.yaml:20 covariates.age_group.cut"),
        ("first_day: -10", "first_day: 10", "trial.yaml:11 epochs.induction"),
        ("first_day: -28", "first_day: 28", "trial.yaml:17 baseline"),
        ("first_day: 2", "first_day: 500", "trial.yaml:26 endpoints.flare"),
        ("day: 184", "day: 0", "trial.yaml:15 schedule.visits.1.day"),
        ("last_day: 400", "last_day: 0", "trial.yaml:26 endpoints.flare.last_day"),
        ("first_day: -10", "first_day: 0", "trial.yaml:11 epochs.induction.first_day"),
        ("last_day: 400", "last_day: 99999999999", "trial.yaml:26 endpoints.flare.last_day"),
        ("day: 184", "day: １８４", "trial.yaml:15 schedule.visits.1.day"),
        ("number: 6", "number: .inf", "trial.yaml:15 schedule.visits.1.number"),
    ],
)  # fmt: skip
def test_values_out_of_their_limits(old: str, new: str, where: str) -> None:
    error = refused(old, new)
    assert error.where == where
    assert error.found
    assert error.expected or "expected" in error.what
    assert error.try_


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("cut_labels: [young, grown, old]", "cut_labels: [young]", "covariates.age_group", "do not fit"),
        ("cut: [18, 65], ", "", "covariates.age_group.cut_labels", "labels of what"),
        ("other: [OTHER]", "other: [Asian]", "covariates.race.levels.other", "two levels have this text"),
        ("name: Month 6", "name: Month 0", "schedule.visits.0", "two visits have this name"),
        ("number: 6", "number: 0", "schedule.visits.0", "two visits have this number"),
        ("codes: [EARLY]", "codes: [Baseline]", "schedule.at_events.0", "two visits have this name or code"),
        ("codes: [O]", "codes: [n]", "arms.new", "two arms have this name"),
        ("label: Score", "label: ratio", "measures.score.label", "upcr has this label already"),
        ("ratio: {new: 1", "ratio: {newer: 1", "randomization.ratio.newer", "no arm called newer"),
        ("ratio: {new: 1, old: 1}", "ratio: {}", "randomization.ratio", "ratio is not what it should be"),
        ("codes: [N]", "codes: ['']", "arms.new.codes.0", "codes has no words"),
        ("{A: 2, B: 1}", "{A: .nan}", "measures.score.grades.A", "A is not what it should be"),
        ("when: randomized", "when: true", "populations.itt.when", "when is not what it should be"),
    ],
)
def test_parts_that_cannot_be_told_apart(old: str, new: str, where: str, said: str) -> None:
    error = refused(old, new)
    assert error.where.split(" ")[-1] == where
    assert said in error.what


def test_the_version_of_the_file_must_be_given() -> None:
    error = refused("flarefree: 1\n", "")
    assert (error.what, error.try_) == ("flarefree is missing", "flarefree: 1")


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [ls]", "!include x", "!!int abc", "!<tag:x> y", "[a, ! b]"]
)
def test_tags_are_not_used(value: str) -> None:
    error = refused("title: A small trial", f"title: {value}")
    assert (error.what, error.where) == ("tags are not used", "trial.yaml:3")
    assert error.try_


def test_an_exclamation_mark_is_no_tag() -> None:
    for title in ("'Now, !wow'", "Done! Or not !so", '"!"'):
        parse_protocol(GOOD.replace("A small trial", title, 1))


@pytest.mark.parametrize(
    "sentence", ["1 / 0 * baseline(upcr)", "upcr / (2 - 2)", "upcr / (0 * baseline(upcr))", "upcr / 0 mg/mg"]
)
def test_nothing_is_divided_by_zero(sentence: str) -> None:
    error = refused("2 * baseline(upcr)", sentence)
    assert error.what == "this divides by zero"
    assert error.where == "trial.yaml:26 endpoints.flare.when"


@pytest.mark.parametrize("sentence", ["2 * upcr / 2", "0 / 2 * upcr", "upcr / baseline(upcr) * 1 mg/mg"])
def test_other_divisions_are_fine(sentence: str) -> None:
    parse_protocol(GOOD.replace("2 * baseline(upcr)", sentence, 1))


def test_digits_of_other_scripts_are_none() -> None:
    assert "has no meaning here" in refused("2 * baseline(upcr)", "２ * baseline(upcr)").what
    assert refused("12 months", "１２ months").where == "trial.yaml:4 design.follow_up"


def test_a_day_of_a_sentence_is_within_a_hundred_years() -> None:
    error = refused("when: upcr >= 2 * baseline(upcr)", "when: upcr >= 2 after day 99999999999")
    assert error.expected == "a whole number; at most 36,525"
