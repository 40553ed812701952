"""Results become values of measures: units, words, signs, and what is said of those that do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flarefree.readers import read_study
from flarefree.records.findings import Finding
from flarefree.records.study import Study

Make = Callable[..., Path]


def values(study: Study) -> list[tuple[Any, ...]]:
    return study["observations"].select("measure", "value", "unit").rows()


def found(study: Study, code: str) -> list[Finding]:
    return [finding for finding in study.findings if finding.code == code]


def test_units_become_the_protocols_and_the_original_is_kept(study_folder: Make) -> None:
    """88.4 umol/L of creatinine is 1 mg/dL, and row 1 still says 88.4 umol/L."""
    study = read_study(study_folder("Ana,CREAT,,88.4,umol/L,2014-03-01,\nAna,CREAT,,1.1,mg/dl,2014-06-01,\n"))
    first, second = study["observations"].to_dicts()
    assert (first["measure"], first["value"], first["unit"]) == ("creatinine", pytest.approx(1.0), "mg/dL")
    assert (first["original_value"], first["original_unit"]) == ("88.4", "umol/L")
    assert (second["value"], second["original_unit"]) == (1.1, "mg/dl")
    assert study.place(first["source"], first["row"]) == "labs.csv row 1 (line 2)"
    assert not study.findings


def test_category_tells_two_measures_of_one_test_apart(study_folder: Make) -> None:
    study = read_study(
        study_folder("Ana,PROT24H,URINE,500,mg/24h,2014-03-01,\nAna,PROT24H,chemistry,70,g/L,2014-03-01,\n")
    )
    assert values(study) == [("proteinuria", 0.5, "g/day"), ("serum_protein", 70.0, "g/L")]


def test_a_unit_that_is_not_the_measures_is_an_error(study_folder: Make) -> None:
    """g/L is no unit of proteinuria a day: the value is not used, and what was written stays."""
    study = read_study(
        study_folder("Ana,PROT24H,URINE,3,g/L,2014-03-01,\nBea,PROT24H,URINE,4,g/L,2014-03-02,\n")
    )
    assert study["observations"]["value"].to_list() == [None, None]
    assert study["observations"]["original_value"].to_list() == ["3", "4"]
    (finding,) = found(study, "unknown-unit")
    assert (finding.severity, finding.row, finding.count, finding.found) == ("error", 1, 2, "PROT24H: g/L")


def test_a_missing_unit(study_folder: Make) -> None:
    """Of red cells the protocol assumes one, of creatinine it does not."""
    study = read_study(study_folder("Ana,URBC,,7,,2014-03-01,\nAna,CREAT,,1.2,,2014-03-01,\n"))
    assert values(study) == [("red_cells", 7.0, "/hpf"), ("creatinine", None, "mg/dL")]
    assert {(f.severity, f.found) for f in found(study, "missing-unit")} == {
        ("warning", "URBC: no unit"),
        ("error", "CREAT: no unit"),
    }


def test_a_score_may_have_any_unit_or_none(study_folder: Make) -> None:
    study = read_study(study_folder("Ana,MMSE,,23,POINTS,2014-03-01,\nBea,MMSE,,21,,2014-03-02,\n"))
    assert study["observations"]["value"].to_list() == [23.0, 21.0]
    assert not study.findings


def test_results_beyond_a_limit_compare_as_the_truth_would(study_folder: Make) -> None:
    """`>5` is more than 5 and `<0.1` less than 0.1, after conversion too; `>=` and `<=` are the limit."""
    labs = (
        "Ana,URBC,,>5,/hpf,2014-03-01,\nAna,PROT24H,URINE,<100,mg/day,2014-03-01,\n"
        "Bea,URBC,,>= 5,/hpf,2014-03-02,\n"
    )
    study = read_study(study_folder(labs))
    above, below, at = study["observations"]["value"].to_list()
    assert above == math.nextafter(5, math.inf)
    assert below == math.nextafter(0.1, -math.inf)
    assert at == 5
    assert study["observations"]["text"].to_list() == [">5", "<100", ">= 5"]
    assert sum(f.count for f in found(study, "censored-result")) == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0-2", 1.0),
        ("5 - 10", 7.5),
        ("5 to 10", 7.5),
        ("0-2/hpf", 1.0),
        ("none seen", 0.0),
        ("NONE  SEEN", 0.0),
    ],
)
def test_ranges_and_words_of_numbers(study_folder: Make, written: str, value: float) -> None:
    study = read_study(study_folder(f"Ana,URBC,,{written},/hpf,2014-03-01,\n"))
    assert study["observations"]["value"].to_list() == [value]
    assert study["observations"]["original_value"].to_list() == [written]


def test_a_unit_within_the_result_counts_where_its_column_is_empty(study_folder: Make) -> None:
    labs = (
        "Ana,CREAT,,88.4 umol/L,,2014-03-01,\nBea,CREAT,,1.2 mg/dL,mg/dL,2014-03-02,\n"
        "Cleo,CREAT,,90 umol/L,mg/dL,2014-03-03,\n"
    )
    study = read_study(study_folder(labs))
    assert study["observations"]["value"].to_list() == [pytest.approx(1.0), 1.2, None]
    (finding,) = found(study, "unreadable-result")
    assert (finding.row, finding.found) == (3, "90 umol/L")


def test_text_that_is_no_number_is_an_error_once_for_each_text(study_folder: Make) -> None:
    study = read_study(study_folder("Ana,CREAT,,n.d.,mg/dL,2014-03-01,\nBea,CREAT,,n.d.,mg/dL,2014-03-02,\n"))
    (finding,) = found(study, "unreadable-result")
    assert (finding.count, finding.row, finding.subject, finding.found) == (2, 1, "Ana", "n.d.")


@pytest.mark.parametrize(
    ("written", "grade"),
    [("NEGATIVE", 0), ("Trace", 0.5), ("1+", 1), ("++", 2), ("3 +", None), ("4+", 4), ("2", 2)],
)
def test_grades_of_a_dipstick(study_folder: Make, written: str, grade: float | None) -> None:
    study = read_study(study_folder(f"Ana,OCCBLD,,{written},,2014-03-01,\n"))
    assert study["observations"]["value"].to_list() == [grade]
    assert len(found(study, "unreadable-result")) == (grade is None)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("Y", 1),
        ("absent", 0),
        ("Granular", 1),
        ("hyaline", 0),
        ("3", 1),
        ("0", 0),
        ("maybe", None),
        ("", None),
    ],
)
def test_yes_and_no(study_folder: Make, written: str, value: float | None) -> None:
    study = read_study(study_folder(f"Ana,CASTS,,{written},,2014-03-01,\n"))
    assert study["observations"]["value"].to_list() == [value]
    assert len(found(study, "unreadable-result")) == (written == "maybe")


def test_a_measure_that_is_text_stays_text(study_folder: Make) -> None:
    study = read_study(study_folder("Ana,BIOPSY,,Class IV-G (A),,2014-03-01,\n"))
    assert study["observations"].select("value", "text").rows() == [(None, "Class IV-G (A)")]


def test_an_unknown_test_is_kept_and_told_once(study_folder: Make) -> None:
    labs = "Ana,HGB,,12,g/dL,2014-03-01,\nAna,CREAT,,1,mg/dL,2014-03-01,\nBea,HGB,,13,g/dL,2014-03-02,\n"
    study = read_study(study_folder(labs))
    assert values(study) == [(None, 12.0, "g/dL"), ("creatinine", 1.0, "mg/dL"), (None, 13.0, "g/dL")]
    (finding,) = found(study, "unknown-test")
    assert (finding.found, finding.count, finding.row, finding.severity) == ("HGB", 2, 1, "warning")


def test_out_of_range_values_are_used_and_told(study_folder: Make) -> None:
    study = read_study(study_folder("Ana,CREAT,,88,mg/dL,2014-03-01,\nBea,CREAT,,25,mg/dL,2014-03-02,\n"))
    (finding,) = found(study, "out-of-range")
    assert (finding.row, finding.subject, finding.expected) == (1, "Ana", "0.1 to 25 mg/dL")
    assert study["observations"]["value"].to_list() == [88.0, 25.0]


def test_a_row_twice_and_a_row_that_contradicts(study_folder: Make) -> None:
    """Both rows stay: the panel lets the later one count."""
    labs = (
        "Ana,CREAT,,1.0,mg/dL,2014-03-01,\nAna,CREAT,,1.0,mg/dL,2014-03-01,\n"
        "Bea,CREAT,,1.0,mg/dL,2014-03-02,\nBea,CREAT,,1.4,mg/dL,2014-03-02,\nBea,CREAT,,1.4,mg/dL,2014-03-09,\n"
    )
    study = read_study(study_folder(labs))
    (same,) = found(study, "duplicate-row")
    assert (same.row, same.expected) == (2, "one; row 1 of labs.csv is the same")
    (apart,) = found(study, "contradictory-rows")
    assert (apart.row, apart.found, apart.expected) == (
        4,
        "creatinine 1.4 mg/dL",
        "1.0, as in row 3 of labs.csv",
    )
    assert study["observations"].height == 5


def test_two_samples_of_a_day_at_different_hours_do_not_contradict(study_folder: Make) -> None:
    labs = "Ana,CREAT,,1.0,mg/dL,2014-03-01T08:00,\nAna,CREAT,,1.4,mg/dL,2014-03-01T20:00,\n"
    assert not read_study(study_folder(labs)).findings


def test_days_are_counted_from_randomization_without_a_day_0(study_folder: Make) -> None:
    labs = "".join(
        f"Ana,CREAT,,1,mg/dL,{date},\n" for date in ("2014-02-28", "2014-03-01", "2014-03-02", "2014-04")
    )
    study = read_study(study_folder(labs))
    assert study["observations"]["day"].to_list() == [-1, 1, 2, 32]
    assert study["observations"]["date_text"].to_list()[-1] == "2014-04"
    (finding,) = found(study, "partial-date")
    assert (finding.row, finding.count, finding.severity) == (4, 1, "note")


def test_dates_that_cannot_be_read(study_folder: Make) -> None:
    study = read_study(
        study_folder("Ana,CREAT,,1,mg/dL,01/03/2014,\nBea,CREAT,,1,mg/dL,2014-02-30,Month 0\n")
    )
    assert [(f.row, f.found) for f in found(study, "unreadable-date")] == [
        (1, "01/03/2014"),
        (2, "2014-02-30"),
    ]
    assert [f.row for f in found(study, "no-date")] == [1]  # Bea's value still belongs to a visit


def test_visits_outside_their_windows(study_folder: Make) -> None:
    labs = (
        "Ana,CREAT,,1,mg/dL,2014-06-01,Month 3\nBea,CREAT,,1,mg/dL,2014-07-30,MONTH 3\n"
        "Cleo,CREAT,,1,mg/dL,2014-05-01,Month 4\nDora,CREAT,,1,mg/dL,2014-05-01,WD\n"
        "Eva,CREAT,,1,mg/dL,2014-05-01,Unscheduled\n"
    )
    study = read_study(study_folder(labs))
    (outside,) = found(study, "visit-outside-window")
    assert (outside.row, outside.found, outside.expected) == (2, "Month 3 on day 151", "day 78 to 106")
    (strange,) = found(study, "unscheduled-visit")
    assert (strange.row, strange.found) == (3, "Month 4")


def test_a_million_findings_are_listed_and_counted(study_folder: Make) -> None:
    folder = study_folder()
    n = 1_000_000
    results = pl.Series("result", [str(30 + i) for i in range(n)])
    same = {"id": "Ana", "test": "CREAT", "cat": "", "unit": "mg/dL", "taken": "2014-03-01", "visit": ""}
    rows = results.to_frame().with_columns(pl.lit(text).alias(name) for name, text in same.items())
    rows.write_csv(folder / "labs.csv")
    study = read_study(folder)
    beyond = found(study, "out-of-range")
    assert sum(f.count for f in beyond) == n
    assert len(beyond) == 501
    assert beyond[-1].message == "and 999,500 more rows with this finding"
    assert sum(f.count for f in found(study, "contradictory-rows")) == n - 1
    assert len(study.findings) < 1100
