"""Populations, flow, baseline and withdrawals of the small trial, counted by hand."""

from __future__ import annotations

import polars as pl
import pytest

from analysis_handmade import PATIENTS, make_derivation, stat, times, values, without_arms
from flarefree.analysis import analyze

POPULATIONS = """
who:
  kind: populations
  title: Populations
  population: itt
  of: [itt, safety]
"""


def test_a_patient_who_took_nothing_is_in_the_intention_to_treat_but_not_in_the_safety_population() -> None:
    patients = PATIENTS | {"Dan": PATIENTS["Dan"] | {"dosed": False}}
    result = analyze(make_derivation(POPULATIONS, patients=patients))["who"]
    assert stat(result, "MMF", "itt") == 4
    assert stat(result, "MMF", "safety") == 3
    assert stat(result, "MMF", "safety", stat="percent") == 75.0
    assert stat(result, "total", "safety") == 7


def test_the_safety_population_counts_patients_in_the_arm_they_took() -> None:
    patients = PATIENTS | {"Eve": PATIENTS["Eve"] | {"actual_arm": "MMF"}}
    result = analyze(make_derivation(POPULATIONS, patients=patients))["who"]
    assert (stat(result, "MMF", "itt"), stat(result, "MMF", "safety")) == (4, 5)
    assert (stat(result, "AZA", "itt"), stat(result, "AZA", "safety")) == (4, 3)


def test_masked_arms_leave_one_column_and_no_comparison() -> None:
    hidden = analyze(make_derivation(POPULATIONS), masked=True)
    assert [c.key for c in hidden["who"].tables[0].columns] == ["all", "total"]
    assert stat(hidden["who"], "all", "itt") == 8
    assert hidden.is_masked


def test_arms_are_masked_by_themselves_where_nobody_has_one() -> None:
    analysis = analyze(without_arms(make_derivation(POPULATIONS)))
    assert analysis.is_masked
    assert stat(analysis["who"], "all", "itt") == 8


def test_a_population_without_patients_says_so() -> None:
    derivation = make_derivation(POPULATIONS, patients={})
    result = analyze(derivation, masked=False)["who"]
    assert result.status == "not_computable"
    assert result.reason == "The population “Intention to treat” has no patients."


def test_every_result_keeps_the_sentence_that_asked_for_it() -> None:
    result = analyze(make_derivation(POPULATIONS))["who"]
    assert [s.text for s in result.sentences] == ["randomized", "dosed"]
    assert "populations.itt.when" in result.sentences[0].place
    assert result.sentences[0].place.startswith("small-trial.yaml:")


FLOW = """
flow: {kind: participant_flow, title: Flow, population: itt}
"""


def test_the_flow_counts_everybody_from_screening_to_analysis() -> None:
    patients = PATIENTS | {"Finn": PATIENTS["Finn"] | {"dosed": False}}
    result = analyze(make_derivation(FLOW, patients=patients))["flow"]
    assert stat(result, "total", "screened") == 9
    assert stat(result, "total", "excluded", "Screen failure") == 1
    assert (stat(result, "MMF", "allocated"), stat(result, "AZA", "allocated")) == (4, 4)
    assert (stat(result, "AZA", "received_drug"), stat(result, "AZA", "no_drug")) == (3, 1)
    assert stat(result, "AZA", "withdrawn") == 2
    assert stat(result, "AZA", "withdrawn", "Lost to follow-up") == 1
    assert (stat(result, "MMF", "completed"), stat(result, "AZA", "completed")) == (3, 2)
    assert stat(result, "AZA", "analyzed", "safety") == 3


def test_the_flow_figure_leads_from_each_box_to_the_next() -> None:
    main = analyze(make_derivation(FLOW))["flow"].figures[0].data["main"]
    parents = dict(main.select("id", "parent").iter_rows())
    assert parents["enrolled"] == "screened"
    assert parents["allocated_AZA"] == "enrolled"
    assert parents["completed_AZA"] == "allocated_AZA"
    boxes = {row["id"]: row for row in main.iter_rows(named=True)}
    assert boxes["withdrawn_AZA"]["lines"] == "Adverse event (n=1)\nLost to follow-up (n=1)"
    assert boxes["withdrawn_AZA"]["side"]


BASELINE = """
table:
  kind: baseline_table
  title: Baseline
  population: itt
  show_total: true
  variables:
    - {variable: age, show: [n, mean_sd, median_range], test: anova}
    - {variable: sex, test: chi_square}
    - {variable: region, test: fisher}
    - {variable: proteinuria, show: [geometric_mean_sd]}
    - {variable: weight_kg, show: [median_iqr]}
"""


def test_baseline_characteristics_by_hand() -> None:
    start = {name: {1: value} for name, value in zip(PATIENTS, (1, 1, 4, 4, 1, 2, 4, 8), strict=True)}
    result = analyze(make_derivation(BASELINE, values=values("proteinuria", start)))["table"]
    # Ages 30, 40, 50, 60: mean 45, variance 500 / 3.
    assert stat(result, "MMF", "age", stat="mean") == 45.0
    assert stat(result, "MMF", "age", stat="sd") == pytest.approx((500 / 3) ** 0.5)
    assert (stat(result, "AZA", "age", stat="min"), stat(result, "AZA", "age", stat="max")) == (20.0, 50.0)
    # One-way analysis of variance: between 2 * 5^2 * 4 = 200 on 1, within 1000 on 6; F = 1.2.
    assert stat(result, "MMF_vs_AZA", "age", stat="statistic") == pytest.approx(1.2)
    assert stat(result, "total", "sex", "F") == 4
    # Two women of four in either arm: no difference at all.
    assert stat(result, "MMF_vs_AZA", "sex", stat="p_value") == pytest.approx(1.0)
    # Geometric means: (1 * 1 * 4 * 4)^(1/4) = 2 and (1 * 2 * 4 * 8)^(1/4) = 64^(1/4).
    assert stat(result, "MMF", "proteinuria", stat="geometric_mean") == pytest.approx(2.0)
    assert stat(result, "AZA", "proteinuria", stat="geometric_mean") == pytest.approx(64**0.25)
    # Weights 50, 60, 70, 80; Gus's is not known.
    assert stat(result, "MMF", "weight_kg", stat="median") == 65.0
    assert stat(result, "MMF", "weight_kg", stat="q1") == 57.5
    assert stat(result, "AZA", "weight_kg") == 3


def test_a_geometric_mean_with_a_zero_does_not_exist() -> None:
    start = {name: {1: 0.0 if name == "Ada" else 1.0} for name in PATIENTS}
    result = analyze(make_derivation(BASELINE, values=values("proteinuria", start)))["table"]
    assert stat(result, "MMF", "proteinuria", stat="geometric_mean") is None
    assert stat(result, "AZA", "proteinuria", stat="geometric_mean") == pytest.approx(1.0)


def test_a_characteristic_that_nobody_recorded_is_left_out_with_a_word() -> None:
    result = analyze(make_derivation(BASELINE))["table"]
    assert result.status == "computed"
    assert stat(result, "MMF", "proteinuria") == 0


WITHDRAWALS = """
out:
  kind: withdrawals
  title: Withdrawals
  population: itt
  events: [flare]
"""


def test_withdrawals_crude_and_per_100_patient_years() -> None:
    flared = {name: (90 if name in ("Gus", "Hana") else 366, name in ("Gus", "Hana")) for name in PATIENTS}
    result = analyze(make_derivation(WITHDRAWALS, time_to_event=times("flare", flared)))["out"]
    years = (366 + 366 + 90 + 275) / 365.25
    assert stat(result, "AZA", "withdrawn") == 2
    assert stat(result, "AZA", "withdrawn", stat="percent") == 50.0
    assert stat(result, "AZA", "withdrawn", stat="rate") == pytest.approx(200 / years)
    assert stat(result, "AZA", "withdrawn", stat="person_years") == pytest.approx(years)
    assert stat(result, "AZA", "event", "flare", "rate") == pytest.approx(200 / years)
    assert stat(result, "MMF", "event", "flare", "rate") == 0.0
    # Fisher, 1 of 4 and 2 of 4: tables with 3 withdrawn in all have chances 4, 24, 24, 4 of 56.
    assert stat(result, "MMF_vs_AZA", "withdrawn", stat="p_value") == pytest.approx(1.0)
    # 0 of 4 and 2 of 4: chances 6, 16, 6 of 28; the two ends are as unlikely as each other.
    assert stat(result, "MMF_vs_AZA", "event", "flare", "p_value") == pytest.approx(12 / 28)
    assert stat(result, "AZA", "follow_up", "withdrawn", "median") == pytest.approx((90 + 275) / 2 / 30.4375)


def test_only_named_reasons_are_tested() -> None:
    derivation = make_derivation(
        WITHDRAWALS.replace("events: [flare]", "test_reasons: [Completed, Adverse event]")
    )
    frame = analyze(derivation).tidy().filter(pl.col("stat") == "p_value")
    assert frame.select("term", "level").rows() == [("completed", ""), ("withdrawn", "Adverse event")]


def test_a_reason_that_the_protocol_does_not_know_keeps_its_own_words() -> None:
    patients = PATIENTS | {
        "Dan": PATIENTS["Dan"] | {"reason": "MOVED AWAY"},
        "Gus": PATIENTS["Gus"] | {"reason": None},
    }
    result = analyze(make_derivation(WITHDRAWALS, patients=patients))["out"]
    assert stat(result, "MMF", "withdrawn", "MOVED AWAY") == 1
    assert stat(result, "AZA", "withdrawn", "Reason not recorded") == 1
