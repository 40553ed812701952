"""Courses, responses, change from baseline, laboratory and models of the small trial, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis_handmade import PATIENTS, make_derivation, stat, states, values
from flarefree.analysis import analyze

COURSE = """
course:
  kind: course
  title: Proteinuria
  population: itt
  measures: [proteinuria]
  locf: true
"""

# Day 1 is the baseline; Dan has no visit after it, Hana's month 12 is missing.
PROTEIN = {
    "Ada": {1: 2.0, 184: 1.0, 366: 0.5},
    "Ben": {1: 2.0, 184: 3.0, 366: 1.5},
    "Cleo": {1: 4.0, 184: 2.0, 366: 1.0},
    "Dan": {1: 8.0},
    "Eve": {1: 1.0, 184: 1.0, 366: 2.0},
    "Finn": {1: 1.0, 184: 2.0, 366: 4.0},
    "Hana": {1: 3.0, 184: 6.0},
}


def test_a_course_gives_means_and_changes_by_visit() -> None:
    result = analyze(make_derivation(COURSE, values=values("proteinuria", PROTEIN)))["course"]
    assert stat(result, "MMF", "value", "Baseline", "mean") == 4.0
    assert stat(result, "MMF", "value", "Month 6", "mean") == 2.0
    assert stat(result, "MMF", "change", "Month 6", "mean") == pytest.approx((-1 + 1 - 2) / 3)
    assert stat(result, "AZA", "change", "Month 12", "n") == 2
    assert stat(result, "AZA", "value", "Month 6", "sd") == pytest.approx(math.sqrt(7.0))


def test_the_last_value_after_baseline_is_carried_forward_but_never_the_baseline() -> None:
    result = analyze(make_derivation(COURSE, values=values("proteinuria", PROTEIN)))["course"]
    last = "Last visit (LOCF)"
    # AZA: Eve 2, Finn 4, Hana's month 6 value 6.  MMF: Dan has nothing after baseline and is not there.
    assert stat(result, "AZA", "value", last, "mean") == 4.0
    assert stat(result, "AZA", "change", last, "mean") == pytest.approx((1 + 3 + 3) / 3)
    assert stat(result, "MMF", "value", last, "n") == 3


def test_geometric_means_change_by_ratios() -> None:
    spec = COURSE.replace("locf: true", "summary: geometric_mean\n  spread: ci")
    result = analyze(make_derivation(spec, values=values("proteinuria", PROTEIN)))["course"]
    assert stat(result, "MMF", "value", "Month 6", "geometric_mean") == pytest.approx(6 ** (1 / 3))
    # Ratios 0.5, 1.5, 0.5.
    assert stat(result, "MMF", "ratio_to_baseline", "Month 6", "value") == pytest.approx(0.375 ** (1 / 3))
    main = result.figures[0].data["main"].filter(group="MMF", visit="Month 6").row(0, named=True)
    assert main["x"] == 6.0
    assert main["conf_low"] < main["estimate"] < main["conf_high"]
    # Limits of the mean logarithm with t(0.975, 2) = 4.302653.
    logs = [math.log(v) for v in (1, 3, 2)]
    center = sum(logs) / 3
    error = math.sqrt(sum((v - center) ** 2 for v in logs) / 2 / 3)
    assert main["conf_high"] == pytest.approx(math.exp(center + 4.302653 * error), rel=1e-6)


def test_of_two_values_of_a_visit_the_nearer_one_counts_and_the_earlier_of_equals() -> None:
    rows = values("proteinuria", {"Ada": {1: 2.0, 180: 5.0, 190: 7.0}, "Ben": {1: 2.0, 180: 5.0, 188: 9.0}})
    result = analyze(make_derivation(COURSE, values=rows))["course"]
    assert stat(result, "MMF", "value", "Month 6", "mean") == 5.0


def test_a_measure_that_nobody_has_is_not_computable() -> None:
    result = analyze(make_derivation(COURSE))["course"]
    assert result.status == "not_computable"
    assert result.reason == "The data hold none of: Urinary protein."


RESPONSE = """
remission: {kind: response_by_visit, title: Remission, population: itt, endpoint: remission}
"""


def test_responses_are_of_those_assessed() -> None:
    held: dict[str, dict[str, bool | None]] = {
        name: {"Month 6": name in ("Ada", "Ben", "Cleo", "Dan"), "Month 12": None} for name in PATIENTS
    }
    held["Hana"] = {"Month 6": None}
    result = analyze(make_derivation(RESPONSE, states=states("remission", held)))["remission"]
    assert (
        stat(result, "MMF", "in_state", "Month 6"),
        stat(result, "AZA", "in_state", "Month 6", "total"),
    ) == (4, 3)
    # 4 of 4 and 0 of 3: one table of 35.
    assert stat(result, "MMF_vs_AZA", "in_state", "Month 6", "p_value") == pytest.approx(1 / 35)
    assert not any(row.level == "Month 12" for row in result.tables[0].rows)
    assert result.figures[0].data["main"].get_column("percent").to_list() == [100.0, 0.0]


CHANGE = """
change:
  kind: change_from_baseline
  title: Change
  population: itt
  measure: proteinuria
  visit: Month 12
  baseline_visit: Month 0
  imputation: locf
  adjust_for_baseline: false
  dose: {MMF: 2, AZA: 0}
"""


def test_change_from_baseline_by_hand() -> None:
    result = analyze(make_derivation(CHANGE, values=values("proteinuria", PROTEIN)))["change"]
    # Changes: MMF -1.5, -0.5, -3 (mean -5/3); AZA 1, 3, and Hana's 3 carried forward (mean 7/3).
    assert stat(result, "MMF", "ls_mean", "Month 12", "mean") == pytest.approx(-5 / 3)
    assert stat(result, "MMF_vs_AZA", "ls_mean_difference", "Month 12", "estimate") == pytest.approx(-4.0)
    squares = sum((x + 5 / 3) ** 2 for x in (-1.5, -0.5, -3)) + sum((x - 7 / 3) ** 2 for x in (1, 3, 3))
    error = math.sqrt(squares / 4 * 2 / 3)
    assert stat(result, "MMF_vs_AZA", "ls_mean_difference", "Month 12", "std_error") == pytest.approx(error)
    # With two doses, 0 and 2, the slope is half the difference and its test the same.
    assert stat(result, "dose_response", "dose_response", "Month 12", "estimate") == pytest.approx(-2.0)
    assert stat(result, "dose_response", "dose_response", "Month 12", "p_value") == pytest.approx(
        stat(result, "MMF_vs_AZA", "ls_mean_difference", "Month 12", "p_value")
    )
    assert result.notes[0] == "1 of 6 values at Month 12 were carried forward."


def test_observed_cases_leave_out_whom_the_visit_misses() -> None:
    spec = CHANGE.replace("imputation: locf", "imputation: observed")
    result = analyze(make_derivation(spec, values=values("proteinuria", PROTEIN)))["change"]
    assert stat(result, "AZA", "value", "Month 12") == 2


def test_a_subgroup_is_a_sentence_about_patients() -> None:
    spec = CHANGE + '  only: sex = "F"\n'
    result = analyze(make_derivation(spec, values=values("proteinuria", PROTEIN)))["change"]
    assert stat(result, "MMF", "value", "Month 12") == 2
    assert [c.n for c in result.tables[0].columns][:2] == [2, 2]


def test_an_arm_without_values_leaves_the_summaries() -> None:
    only = {name: by_day for name, by_day in PROTEIN.items() if PATIENTS[name]["arm"] == "MMF"}
    result = analyze(make_derivation(CHANGE, values=values("proteinuria", only)))["change"]
    assert result.status == "computed"
    assert stat(result, "AZA", "value", "Month 12") == 0
    assert not [row for row in result.tables[0].rows if row.term == "ls_mean_difference" and row.cells]


LABORATORY = """
labs: {kind: laboratory_abnormalities, title: Laboratory, population: safety, measures: [creatinine]}
"""


def observation(subject: str, day: int, value: float, **more: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "measure": "creatinine",
        "value": value,
        "lower_limit": 0.5,
        "upper_limit": 1.2,
        "day": day,
        "visit": "Month 6",
        "source": 1,
        "row": 1,
    } | more


def test_a_value_at_the_limit_is_normal() -> None:
    rows = [
        observation("Ada", 10, 1.2),
        observation("Ben", 10, 1.21),
        observation("Cleo", 10, 0.49),
        observation("Cleo", 20, 1.3),
        observation("Dan", 1, 9.0),  # before treatment
        observation("Eve", 10, 1.0),
        observation("Finn", 10, 9.0, upper_limit=None, lower_limit=None),  # not judged
    ]
    result = analyze(make_derivation(LABORATORY, tables={"observations": rows}))["labs"]
    assert stat(result, "MMF", "assessed") == 3
    assert stat(result, "MMF", "low") == 1
    assert stat(result, "MMF", "high") == 2
    assert stat(result, "MMF", "abnormal") == 2
    assert stat(result, "AZA", "assessed") == 1
    assert stat(result, "MMF_vs_AZA", "abnormal", stat="p_value") == pytest.approx(1.0)


def test_no_limits_of_normal_are_a_reason() -> None:
    result = analyze(make_derivation(LABORATORY))["labs"]
    assert result.reason == "No laboratory value after day 1 has limits of normal."


MODELS = """
model:
  kind: mixed_model
  title: Proteinuria
  population: itt
  measures: [proteinuria]
  formula: change ~ arm*visit
  covariance: [cs]
logistic:
  kind: logistic_mixed_model
  title: Remission
  population: itt
  endpoint: remission
  formula: response ~ arm*visit
"""


def test_a_balanced_mixed_model_has_the_means_of_its_cells() -> None:
    whole = PROTEIN | {
        "Dan": {1: 8.0, 184: 6.0, 366: 5.0},
        "Gus": {1: 1.0, 184: 2.5, 366: 1.0},
        "Hana": {1: 3.0, 184: 6.0, 366: 3.5},
    }
    result = analyze(make_derivation(MODELS, values=values("proteinuria", whole)))["model"]
    assert result.status == "computed"
    # Balanced: least-squares means are means.  MMF at month 6: -1, 1, -2, -2; AZA: 0, 1, 1.5, 3.
    assert stat(result, "MMF", "ls_mean", "Month 6", "mean") == pytest.approx(-1.0, abs=1e-6)
    assert stat(result, "MMF_vs_AZA", "ls_mean_difference", "Month 6", "estimate") == pytest.approx(
        -2.375, abs=1e-6
    )
    assert "Mixed model for repeated measures" in result.methods[0]


def test_a_model_without_data_keeps_its_place_with_a_reason() -> None:
    analysis = analyze(make_derivation(MODELS))
    assert analysis["model"].reason == "Urinary protein: the data hold no values after baseline."
    assert analysis["logistic"].reason == "No patient could be assessed for “Remission”."
    assert analyze(make_derivation(MODELS), masked=True)["model"].reason.startswith("Arms are masked")
