"""Shifts, large changes, categories, sites and medications, on a small trial counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from analysis_handmade import PATIENTS, make_derivation, stat, values, without_arms
from flarefree.analysis import analyze
from flarefree.endpoints.derivation import Derivation
from flarefree.errors import ProtocolError

DAYS = {"Month 0": 1, "Month 6": 184, "Month 12": 366}


def laboratory(
    analyses: str, found: dict[str, tuple[float | None, ...]], *, upper: float | None = 1.2, **more: Any
) -> Derivation:
    """Creatinine of each patient at months 0, 6 and 12, limits 0.6 to `upper`."""
    rows: list[dict[str, Any]] = []
    observations: list[dict[str, Any]] = []
    for name, course in found.items():
        known = {day: v for day, v in zip(DAYS.values(), course, strict=False) if v is not None}
        for row in values("creatinine", {name: known}, "mg/dL"):
            rows.append(row | {"observation": len(observations)})
            observations.append(
                {k: row[k] for k in ("subject", "measure", "day", "visit", "value")}
                | {"lower_limit": 0.6 if upper else None, "upper_limit": upper, "source": 1, "row": 1}
            )
    return make_derivation(analyses, values=rows, tables={"observations": observations}, **more)


def shifts(more: str = "", what: str = "measures: [creatinine]") -> str:
    return f"s: {{kind: shifts, title: Shifts, population: itt, {what}{more}}}"


# Shifts --------------------------------------------------------------------------------------------

COURSES: dict[str, tuple[float | None, ...]] = {
    "Ada": (1.0, 2.0, 0.2),  # 0.2 beyond 1.5 x 1.2 = 1.8, 0.1 beyond 0.5 x 0.6 = 0.3: high
    "Ben": (1.0, 1.8, 0.3),  # at both thresholds: normal
    "Cleo": (1.9, 1.0, None),
    "Dan": (None, 1.9, None),  # no baseline: not counted
    "Eve": (1.0, 0.9, 1.0),
    "Finn": (1.0, 1.9, 0.1),  # 0.1 above, 0.2 below: low
    "Gus": (2.0, 1.9, None),
    "Hana": (1.0, None, None),  # nothing on treatment
}
THRESHOLDS = ", times_lower: 0.5, times_upper: 1.5"


def test_the_most_extreme_value_is_the_one_farthest_beyond_its_threshold() -> None:
    result = analyze(laboratory(shifts(THRESHOLDS), COURSES))["s"]
    assert stat(result, "MMF", "assessed") == 3
    assert stat(result, "MMF", "normal_to_high") == 1  # Ada
    assert stat(result, "MMF", "normal_to_normal") == 1  # Ben
    assert stat(result, "MMF", "high_to_normal") == 1  # Cleo
    assert stat(result, "MMF", "normal_to_high", stat="total") == 2
    assert stat(result, "AZA", "assessed") == 3
    assert stat(result, "AZA", "normal_to_low") == 1  # Finn
    assert stat(result, "AZA", "high_to_high", stat="percent") == 100.0  # Gus
    assert {row.term for row in result.tables[0].rows} == {
        "assessed", "normal_to_low", "normal_to_normal", "normal_to_high", "high_to_normal", "high_to_high"
    }  # fmt: skip


def test_a_threshold_is_compared_as_in_sentences() -> None:
    """1.05 is 1.5 times 0.7 on paper; floats make the product less."""
    result = analyze(laboratory(shifts(THRESHOLDS), {"Ada": (0.7, 1.05), "Eve": (0.7, 1.06)}, upper=0.7))["s"]
    assert stat(result, "MMF", "normal_to_normal") == 1
    assert stat(result, "AZA", "normal_to_high") == 1


def test_each_visit_stands_by_itself_where_asked() -> None:
    result = analyze(laboratory(shifts(THRESHOLDS + ', by_visit: true, test: ""'), COURSES))["s"]
    assert stat(result, "MMF", "normal_to_high", "Month 6") == 1  # Ada
    assert stat(result, "MMF", "normal_to_low", "Month 12") == 1  # Ada again
    assert stat(result, "MMF", "assessed", "Month 6") == 3
    assert stat(result, "MMF", "assessed", "Month 12") == 2
    assert stat(result, "AZA", "normal_to_low", "Month 12") == 1  # Finn
    assert all(column.key != "MMF_vs_AZA" for column in result.tables[0].columns)


def test_limits_that_the_laboratory_does_not_give_are_the_protocol_s() -> None:
    derivation = laboratory(shifts(), {"Ada": (1.0, 1.3), "Eve": (1.0, 1.1)}, upper=None)
    assert analyze(derivation)["s"].reason == "No patient has a status both at baseline and after day 1."
    planned = with_limits(derivation, "normal: [null, 1.2], normal_by_sex: {M: [null, 1.4]}")
    result = analyze(planned)["s"]
    assert stat(result, "MMF", "normal_to_high") == 1
    assert stat(result, "AZA", "normal_to_normal") == 1
    men = with_limits(
        laboratory(shifts(), {"Ben": (1.0, 1.3), "Finn": (1.0, 1.5)}, upper=None),
        "normal: [null, 1.2], normal_by_sex: {M: [null, 1.4]}",
    )
    assert stat(analyze(men)["s"], "MMF", "normal_to_normal") == 1
    assert stat(analyze(men)["s"], "AZA", "normal_to_high") == 1


def with_limits(derivation: Derivation, limits: str) -> Derivation:
    from dataclasses import replace

    from analysis_handmade import PROTOCOL
    from flarefree.protocol.loading import parse_protocol

    text = PROTOCOL.replace("tests: [CREAT]}", f"tests: [CREAT], {limits}}}") % ("  " + shifts())
    return replace(derivation, protocol=parse_protocol(text, "small-trial.yaml"))


def test_arms_are_compared_within_strata_of_the_baseline() -> None:
    """Two strata: normal (MMF 0 of 2 high, AZA 2 of 2) and high (MMF 1 of 2, AZA 1 of 2).

    Observed high in MMF 0 + 1, expected 1 + 1; variances 2*2*2*2/(16*3) = 1/3 each: 1 / (2/3) = 3/2.
    """
    found = {
        "Ada": (1.0, 1.0), "Ben": (1.0, 1.0), "Cleo": (1.3, 1.0), "Dan": (1.3, 1.3),
        "Eve": (1.0, 1.3), "Finn": (1.0, 1.3), "Gus": (1.3, 1.0), "Hana": (1.3, 1.3),
    }  # fmt: skip
    result = analyze(laboratory(shifts(), found))["s"]
    assert stat(result, "MMF_vs_AZA", "assessed", stat="statistic") == pytest.approx(1.5)
    assert stat(result, "MMF_vs_AZA", "assessed", stat="df") == 1
    assert stat(result, "MMF_vs_AZA", "assessed", stat="p_value") == pytest.approx(0.2206714, abs=1e-7)


def test_one_status_for_everybody_has_no_p_value_and_masked_arms_have_no_test() -> None:
    derivation = laboratory(shifts(), {"Ada": (1.0, 1.0), "Eve": (1.0, 1.1)})
    assert stat(analyze(derivation)["s"], "MMF_vs_AZA", "assessed", stat="p_value") is None
    masked = analyze(without_arms(derivation))["s"]
    assert stat(masked, "all", "normal_to_normal") == 2
    assert [column.key for column in masked.tables[0].columns] == ["all"]
    assert masked.methods == ()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("visits: [Month 6]", "shifts of what"),
        ("measures: [creatinin]", "no measure called creatinin"),
        ("endpoints: [flare]", "flare is an event, not a state"),
        ("measures: [creatinine], visits: [Month 7]", "no visit called Month 7"),
    ],
)
def test_shifts_of_what_there_is_not(what: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        make_derivation(shifts(what=what))


# Large changes -------------------------------------------------------------------------------------

CHANGES = """
labs:
  kind: laboratory_abnormalities
  title: Changes
  population: itt
  measures: [creatinine]
  abnormal: change
"""


def test_a_change_is_large_above_half_of_the_normal_range() -> None:
    found: dict[str, tuple[float | None, ...]] = {
        "Ada": (1.0, 1.3, 1.0),  # 0.3 is half of 1.2 - 0.6: not large
        "Ben": (1.0, 1.31, 1.0),  # rises by 0.31, falls by 0.31
        "Cleo": (1.0, None, 1.4),  # month 6 missed: 1.4 is held against month 0
        "Dan": (1.0, None, None),  # no change known
        "Eve": (None, 1.0, 0.5),  # no baseline: from month 6 on
        "Finn": (None, 1.0, None),
    }
    result = analyze(laboratory(CHANGES, found))["labs"]
    assert [stat(result, "MMF", term) for term in ("assessed", "low", "high", "abnormal")] == [3, 1, 2, 2]
    assert [stat(result, "AZA", term) for term in ("assessed", "low", "high", "abnormal")] == [1, 1, 0, 1]
    assert "more than 50% of the normal range" in result.tables[0].footnotes[0]


def test_another_share_of_the_range_and_no_range() -> None:
    found = {"Ada": (1.0, 1.3, 1.0)}
    result = analyze(laboratory(CHANGES + "  share_of_range: 0.4\n", found))["labs"]
    assert stat(result, "MMF", "abnormal") == 1
    assert analyze(laboratory(CHANGES, found, upper=None))["labs"].status == "not_computable"


def test_thresholds_of_abnormal_values() -> None:
    more = CHANGES.replace("abnormal: change", "times_lower: 0.5\n  times_upper: 1.5")
    found = {"Ada": (1.0, 1.8, 1.7), "Ben": (1.0, 1.81, 0.29), "Cleo": (9.0, 1.0, 1.0)}
    result = analyze(laboratory(more, found))["labs"]
    assert [stat(result, "MMF", term) for term in ("assessed", "low", "high", "abnormal")] == [3, 1, 1, 1]
    assert "high: above 1.5 times the upper limit" in result.tables[0].footnotes[0]


# Categories ----------------------------------------------------------------------------------------

CATEGORIES = """
c:
  kind: categories_by_visit
  title: Impression
  population: itt
  measure: trough
  visits: [Month 6, Month 12]
  imputation: locf
  categories: {Better: 1, Same: 2, Worse: 3}
  strata: [region]
"""


def test_categories_are_counted_and_carried_forward() -> None:
    found = {
        "Ada": {184: 1.0, 366: 3.0}, "Ben": {184: 1.0}, "Cleo": {184: 2.0, 366: 2.0}, "Dan": {366: 3.0},
        "Eve": {184: 2.0, 366: 2.0}, "Finn": {184: 2.0, 366: 7.0}, "Gus": {184: 2.0}, "Hana": {184: 3.0},
    }  # fmt: skip
    result = analyze(make_derivation(CATEGORIES, values=values("trough", found, "")))["c"]
    assert [stat(result, "MMF", label, "Month 6") for label in ("Better", "Same", "Worse")] == [2, 1, 0]
    assert [stat(result, "MMF", label, "Month 12") for label in ("Better", "Same", "Worse")] == [1, 1, 2]
    assert stat(result, "AZA", "assessed", "Month 12") == 3
    assert result.warnings == ("Month 12: 1 value is none of the categories and left out.",)
    # Asia: Ada, Ben better; Eve, Finn the same.  Europe: Cleo the same; Gus the same, Hana worse.
    assert stat(result, "MMF_vs_AZA", "assessed", "Month 6", "df") == 2
    # By hand, of (better, same) in MMF: excess (1, -1/3 - 2/3 ...) = (1, -2/3);
    # covariance [[1/3, -1/3], [-1/3, 1/3 + 2/9]]; its inverse [[15/2, 9/2], [9/2, 9/2]].
    assert stat(result, "MMF_vs_AZA", "assessed", "Month 6", "statistic") == pytest.approx(3.5)


def test_no_value_that_is_a_category_is_a_reason() -> None:
    rows = values("trough", {"Ada": {184: 9.0}}, "")
    result = analyze(make_derivation(CATEGORIES, values=rows))["c"]
    assert result.reason == "No patient has a value that is one of the categories."


def test_two_categories_of_one_value_are_an_error() -> None:
    with pytest.raises(ProtocolError, match="two categories mean the same value"):
        make_derivation(CATEGORIES.replace("Worse: 3", "Worse: 2"))


# Sites ---------------------------------------------------------------------------------------------


def test_pooled_sites_stand_together_and_each_by_itself() -> None:
    sites = dict(zip(PATIENTS, ("01", "01", "02", "03", "01", "02", "02", "03"), strict=True))
    patients = {name: {**given, "site": sites[name]} for name, given in PATIENTS.items()}
    patients["Ada"]["dosed"] = False
    analyses = (
        "n: {kind: subjects_by_site, title: Sites, population: itt, of: [itt, safety], pooled: region}\n"
        "p: {kind: subjects_by_site, title: Sites, population: itt, of: [itt]}"
    )
    analysis = analyze(make_derivation(analyses, patients=patients))
    pooled, plain = analysis["n"], analysis["p"]
    assert stat(pooled, "MMF", "itt", "Asia") == 2  # Ada, Ben
    assert stat(pooled, "MMF", "safety", "Asia") == 1
    assert stat(pooled, "total", "itt", "Asia/01") == 3
    assert stat(pooled, "AZA", "itt", "Europe/03") == 1  # Hana
    assert stat(plain, "total", "itt", "02") == 3
    assert [row.level for row in plain.tables[0].rows if row.is_header] == ["01", "02", "03"]


# Medications ---------------------------------------------------------------------------------------


def taken(subject: str, drug: str | None, drug_class: str | None, start_day: int = 5) -> dict[str, Any]:
    return {
        "subject": subject,
        "drug": drug,
        "drug_class": drug_class,
        "start_day": start_day,
        "source": 1,
        "row": 1,
    }


MEDICINES = [
    taken("Ada", "Ibuprofen", "Pain"),
    taken("Ada", "Ibuprofen", "Pain", 90),
    taken("Ben", "Aspirin", "Pain"),
    taken("Eve", "Aspirin", "Blood"),
    taken("Eve", "Heparin", "Blood"),
    taken("Eve", "Morphine", "Pain", 300),
    taken("Hana", None, None),
    taken("Ivo", "Aspirin", "Pain"),  # failed screening
]


def medications(more: str = "") -> str:
    return f"m: {{kind: medications, title: Medications, population: itt, show_total: true{more}}}"


def test_each_patient_counts_once_a_row_and_the_most_frequent_comes_first() -> None:
    result = analyze(make_derivation(medications(), tables={"medications": MEDICINES}))["m"]
    assert stat(result, "total", "any") == 4
    assert stat(result, "MMF", "Ibuprofen", "Pain") == 1
    assert stat(result, "AZA", "Aspirin", "Blood") == 1  # in another class
    assert stat(result, "total", "any", "NOT CODED", "percent") == pytest.approx(100 / 8)
    assert [(row.level, row.term) for row in result.tables[0].rows] == [
        ("", "any"),
        ("Pain", "any"), ("Pain", "Aspirin"), ("Pain", "Ibuprofen"), ("Pain", "Morphine"),
        ("Blood", "any"), ("Blood", "Aspirin"), ("Blood", "Heparin"),
        ("NOT CODED", "any"), ("NOT CODED", "NOT CODED"),
    ]  # fmt: skip


def test_a_sentence_says_which_medications_count_and_fisher_compares_where_asked() -> None:
    more = ", where: 'drug contains \"aspirin\"', by: [drug], test: fisher"
    result = analyze(make_derivation(medications(more), tables={"medications": MEDICINES}))["m"]
    assert [row.term for row in result.tables[0].rows] == ["any", "Aspirin"]
    assert stat(result, "MMF", "Aspirin") == stat(result, "AZA", "Aspirin") == 1
    assert stat(result, "MMF_vs_AZA", "Aspirin", stat="p_value") == pytest.approx(1.0)
    assert 'contains "aspirin"' in " ".join(s.text for s in result.sentences)


def test_no_medications_are_a_reason() -> None:
    assert analyze(make_derivation(medications()))["m"].reason == "The data hold no medications."
