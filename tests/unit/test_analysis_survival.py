"""Time to event, components and subgroups of the small trial, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis_handmade import PATIENTS, make_derivation, stat, states, times
from flarefree.analysis import analyze

PRIMARY = """
primary:
  kind: time_to_event
  title: Time to treatment failure
  population: itt
  endpoint: failure
  at_months: [6]
  models:
    - {label: Unadjusted}
    - {label: Adjusted for age, covariates: [age]}
"""

# Ben (MMF) fails on day 100 with all eight at risk, Eve (AZA) on day 150 with 3 + 4 at risk.
ONE_EACH = dict.fromkeys(PATIENTS, (366, False)) | {"Ben": (100, True), "Eve": (150, True)}


def test_one_event_an_arm_by_hand() -> None:
    derivation = make_derivation(PRIMARY, time_to_event=times("failure", ONE_EACH, "flare"))
    result = analyze(derivation)["primary"]
    # Partial likelihood h / (4 h + 4) * 1 / (3 h + 4) is highest at h = sqrt(4 / 3).
    assert stat(result, "MMF_vs_AZA", "Unadjusted", stat="estimate") == pytest.approx(
        math.sqrt(4 / 3), rel=1e-9
    )
    # Observed less expected 1 - 1/2 - 3/7, variance 1/4 + 12/49.
    chi_square = (1 - 1 / 2 - 3 / 7) ** 2 / (1 / 4 + 12 / 49)
    assert stat(result, "MMF_vs_AZA", "log-rank", stat="statistic") == pytest.approx(chi_square)
    assert stat(result, "MMF", "events") == 1
    assert stat(result, "MMF", "censored") == 3
    assert stat(result, "MMF", "person_years", stat="value") == pytest.approx((3 * 366 + 100) / 365.25)
    assert stat(result, "AZA", "rate", stat="rate") == pytest.approx(100 * 365.25 / (3 * 366 + 150))


def test_survival_at_six_months_has_log_log_limits() -> None:
    derivation = make_derivation(PRIMARY, time_to_event=times("failure", ONE_EACH))
    result = analyze(derivation)["primary"]
    error = math.sqrt(1 / (4 * 3)) / abs(math.log(0.75))
    low, high = (100 * 0.75 ** math.exp(sign * 1.959964 * error) for sign in (1, -1))
    assert stat(result, "AZA", "survival", "6 months", "percent") == pytest.approx(75.0)
    assert stat(result, "AZA", "survival", "6 months", "conf_low") == pytest.approx(low, rel=1e-5)
    assert stat(result, "AZA", "survival", "6 months", "conf_high") == pytest.approx(high, rel=1e-5)
    assert stat(result, "AZA", "survival", "6 months", "n_at_risk") == 3


def test_cumulative_incidence_turns_the_limits_round() -> None:
    spec = PRIMARY.replace("at_months: [6]", "at_months: [6]\n  curve_shows: cumulative")
    derivation = make_derivation(spec, time_to_event=times("failure", ONE_EACH))
    result = analyze(derivation)["primary"]
    shown = [
        stat(result, "AZA", "cumulative_incidence", "6 months", s)
        for s in ("conf_low", "percent", "conf_high")
    ]
    assert shown == sorted(shown)  # type: ignore[type-var]
    assert shown[1] == pytest.approx(25.0)
    main = result.figures[0].data["main"]
    assert main.filter(group="AZA").get_column("estimate").to_list()[0] == 0.0


def test_the_first_component_is_counted_with_the_composite() -> None:
    rows = times("failure", {"Ben": (100, True), "Dan": (150, True)}, "flare")
    rows += times("failure", {"Eve": (50, True)}, "death")
    rows += times("failure", {n: (366, False) for n in PATIENTS if n not in ("Ben", "Dan", "Eve")})
    result = analyze(make_derivation(PRIMARY, time_to_event=rows))["primary"]
    assert stat(result, "MMF", "first_event", "flare") == 2
    assert stat(result, "AZA", "first_event", "death") == 1
    labels = [row.label for row in result.tables[0].rows if row.term == "first_event"]
    assert labels == ["First: Death", "First: Renal flare"]


def test_no_events_are_no_error_and_leave_a_reason() -> None:
    nobody = times("failure", dict.fromkeys(PATIENTS, (366, False)))
    result = analyze(make_derivation(PRIMARY, time_to_event=nobody))["primary"]
    assert result.status == "computed"
    assert stat(result, "MMF", "events") == 0
    assert stat(result, "AZA", "survival", "6 months", "percent") == 100.0
    assert not any(row.term in ("log-rank", "Unadjusted") for row in result.tables[0].rows)
    assert result.tables[0].footnotes[0] == "Log-rank test: Nobody had the event “Treatment failure”."


def test_everybody_censored_on_day_1() -> None:
    nobody = times("failure", dict.fromkeys(PATIENTS, (1, False)))
    result = analyze(make_derivation(PRIMARY, time_to_event=nobody))["primary"]
    assert result.status == "computed"
    assert stat(result, "MMF", "censored") == 4
    assert stat(result, "MMF", "rate", stat="rate") == 0.0


def test_one_patient() -> None:
    only = {"Ada": PATIENTS["Ada"]}
    rows = times("failure", {"Ada": (10, True)})
    result = analyze(make_derivation(PRIMARY, patients=only, time_to_event=rows))["primary"]
    assert result.status == "computed"
    assert stat(result, "MMF", "events") == 1
    assert stat(result, "AZA", "events") == 0
    assert "The reference arm, Azathioprine, has no patients." in result.tables[0].footnotes[0]


def test_an_arm_without_events_has_no_hazard_ratio_but_a_log_rank_test() -> None:
    rows = times("failure", dict.fromkeys(PATIENTS, (366, False)) | {"Eve": (9, True), "Gus": (12, True)})
    result = analyze(make_derivation(PRIMARY, time_to_event=rows))["primary"]
    assert stat(result, "MMF_vs_AZA", "Unadjusted", stat="estimate") is None
    assert stat(result, "MMF_vs_AZA", "Unadjusted", stat="p_value") is None
    assert stat(result, "MMF_vs_AZA", "log-rank", stat="p_value") is not None
    assert "Unadjusted: an arm without events leaves no estimate of the hazard ratio." in result.warnings


def test_masked_arms_have_a_curve_and_no_hazard_ratio() -> None:
    derivation = make_derivation(PRIMARY, time_to_event=times("failure", ONE_EACH))
    result = analyze(derivation, masked=True)["primary"]
    assert stat(result, "all", "events") == 2
    assert [c.key for c in result.tables[0].columns] == ["all"]
    assert result.figures[0].data["effects"].height == 0


def test_the_curve_s_frames_are_what_figures_are_drawn_from() -> None:
    derivation = make_derivation(PRIMARY, time_to_event=times("failure", ONE_EACH))
    figure = analyze(derivation)["primary"].figures[0]
    assert figure.kind == "kaplan_meier"
    mmf = figure.data["main"].filter(group="MMF")
    assert mmf.get_column("time").to_list() == pytest.approx([0, 100 / 30.4375, 366 / 30.4375])
    assert mmf.get_column("estimate").to_list() == [1.0, 0.75, 0.75]
    at_risk = figure.data["at_risk"].filter(group="MMF")
    assert at_risk.get_column("time").to_list() == [0.0, 6.0, 12.0]
    assert at_risk.get_column("n").to_list() == [4, 3, 3]
    assert figure.data["censored"].filter(group="MMF").get_column("estimate").to_list() == [0.75]
    effects = figure.data["effects"].row(0, named=True)
    assert (effects["group"], effects["p_method"]) == ("MMF_vs_AZA", "log-rank")


COMPONENTS = """
parts:
  kind: components
  title: Components
  population: itt
  endpoints: [flare, death, remission]
"""


def test_components_keep_one_row_each() -> None:
    rows = times("flare", ONE_EACH) + times("death", dict.fromkeys(PATIENTS, (366, False)))
    held = {name: {"Month 6": name in ("Ada", "Ben", "Cleo"), "Month 12": None} for name in PATIENTS}
    held["Eve"] = {"Month 0": True, "Month 6": False}
    result = analyze(make_derivation(COMPONENTS, time_to_event=rows, states=states("remission", held)))[
        "parts"
    ]
    by_endpoint = {row.endpoint: row for row in result.tables[0].rows}
    assert by_endpoint["flare"].cells["MMF_vs_AZA"].stats["estimate"] == pytest.approx(math.sqrt(4 / 3))
    assert by_endpoint["death"].cells["MMF_vs_AZA"].stats["estimate"] is None
    assert by_endpoint["death"].cells["MMF"].stats["n"] == 0
    # In remission after day 1: 3 of 4 and 0 of 4 (Eve's was at baseline); 4 + 4 of 56 tables as extreme.
    assert by_endpoint["remission"].cells["AZA"].stats["n"] == 0
    assert by_endpoint["remission"].cells["MMF_vs_AZA_p"].stats["p_value"] == pytest.approx(8 / 56)


def test_the_column_of_a_p_value_belongs_to_the_comparison_in_tidy_results() -> None:
    derivation = make_derivation(COMPONENTS, time_to_event=times("flare", ONE_EACH))
    frame = analyze(derivation).tidy().filter(stat="p_value", endpoint="flare")
    assert frame.get_column("group").to_list() == ["MMF_vs_AZA"]


SUBGROUPS = """
forest:
  kind: subgroups
  title: Subgroups
  population: itt
  endpoint: failure
  by: [region, sex]
"""


def _forest(**more: Any) -> Any:
    rows = dict.fromkeys(PATIENTS, (366, False))
    rows |= {"Ben": (100, True), "Eve": (150, True), "Cleo": (200, True), "Hana": (120, True)}
    return analyze(make_derivation(SUBGROUPS, time_to_event=times("failure", rows)), **more)["forest"]


def test_subgroups_count_their_own_patients() -> None:
    result = _forest()
    assert (stat(result, "MMF", "region", "Asia"), stat(result, "MMF", "region", "Asia", "total")) == (1, 2)
    assert stat(result, "AZA", "region", "Europe", "rate") == pytest.approx(100 * 365.25 / (366 + 120))
    # Asia: Ben first with 2 + 2 at risk, Eve then with 1 + 2: h / (2 h + 2) / (h + 2) is highest at sqrt 2.
    assert stat(result, "MMF_vs_AZA", "region", "Asia", "estimate") == pytest.approx(math.sqrt(2))
    assert stat(result, "MMF", "all", "") == 2
    assert 0 < stat(result, "MMF_vs_AZA", "region", "interaction", "p_value") < 1  # type: ignore[operator]


def test_the_forest_has_a_heading_a_covariate_and_a_line_a_level() -> None:
    main = _forest().figures[0].data["main"]
    assert main.get_column("label").to_list() == [
        "All patients",
        "Region",
        "Asia",
        "Europe",
        "Sex",
        "Female",
        "Male",
    ]
    assert main.get_column("is_header").to_list() == [False, True, False, False, True, False, False]
    assert main.row(2, named=True)["events_MMF"] == 1
    assert main.row(1, named=True)["p_interaction"] is not None


def test_a_forest_of_masked_arms_has_counts_only() -> None:
    result = _forest(masked=True)
    assert stat(result, "all", "region", "Asia") == 2
    assert result.figures[0].data["main"].height == 0
