"""Arm rows and contrast rows: every shape is read alike, and every unusable cell is named."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flarefree.errors import EvidenceError
from flarefree.evidence.inputs import ArmRows, ContrastRows, read_rows

ARMS = {
    "study": ["Chan", "Chan", "Dooley", "Dooley"],
    "treatment": ["MMF", "AZA", "MMF", "AZA"],
    "n": [32, 30, 116, 111],
    "events": [11, 9, 19, 36],
    "year": [2005, 2005, 2011, 2011],
}
CONTRASTS = {
    "study": ["Dooley", "Houssiau"],
    "treatment_1": ["MMF", "MMF"],
    "treatment_2": ["AZA", "AZA"],
    "estimate": [-0.82, -0.29],
    "std_error": [0.29, 0.41],
}


def records(columns: dict) -> list[dict]:
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


@pytest.mark.parametrize(
    "shape",
    [
        dict,
        records,
        pl.DataFrame,
        lambda c: pl.DataFrame(c).lazy(),
        pd.DataFrame,
        lambda c: pd.DataFrame(c).convert_dtypes(),
        lambda c: {name: np.array(values) for name, values in c.items()},
        lambda c: {name: pd.Series(values) for name, values in c.items()},
    ],
)
def test_every_shape_of_arm_rows_reads_alike(shape) -> None:
    rows = read_rows(shape(ARMS))
    assert isinstance(rows, ArmRows)
    assert rows.study.tolist() == ARMS["study"]
    assert rows.treatment.tolist() == ARMS["treatment"]
    assert rows.n.tolist() == ARMS["n"]
    assert rows.events.tolist() == ARMS["events"]
    assert np.isnan(rows.mean).all()
    assert list(rows.extra["year"]) == ARMS["year"]
    assert rows.row.tolist() == [1, 2, 3, 4]


def test_a_csv_file_is_read_and_named_in_errors(tmp_path) -> None:
    path = tmp_path / "trials.csv"
    pl.DataFrame(ARMS).write_csv(path)
    assert read_rows(path).events.tolist() == ARMS["events"]
    pl.DataFrame(ARMS | {"events": [11, 9, 19, 112]}).write_csv(path)
    with pytest.raises(
        EvidenceError, match=r"trials\.csv: study Dooley, treatment AZA \(row 4\), column events"
    ):
        read_rows(str(path))


def test_contrast_rows_are_known_by_their_two_treatments() -> None:
    rows = read_rows(CONTRASTS)
    assert isinstance(rows, ContrastRows)
    assert rows.estimate.tolist() == [-0.82, -0.29]
    assert read_rows(rows) is rows


def test_a_count_written_as_text_is_a_count_and_a_word_is_not() -> None:
    assert read_rows(ARMS | {"n": ["32", " 30", "116", "111"]}).n.tolist() == ARMS["n"]
    with pytest.raises(EvidenceError) as told:
        read_rows(ARMS | {"n": ["32", "thirty", "116", "111"]})
    assert "study Chan (row 2), column n" in str(told.value)
    assert "'thirty'" in told.value.found


@pytest.mark.parametrize(
    ("change", "place", "found"),
    [
        ({"events": [11, 9, 19, 112]}, "study Dooley, treatment AZA (row 4), column events", "112 events"),
        ({"events": [11, -1, 19, 36]}, "study Chan, treatment AZA (row 2), column events", "-1"),
        ({"events": [11, 9.5, 19, 36]}, "study Chan, treatment AZA (row 2), column events", "9.5"),
        ({"events": [11, 9, None, 36]}, "study Dooley, treatment MMF (row 3), column events", "nothing"),
        ({"n": [32, 30, 116, 0], "events": [11, 9, 19, 0]}, "treatment AZA (row 4), column n", "0"),
        ({"treatment": ["MMF", "MMF", "MMF", "AZA"]}, "study Chan, treatment MMF (row 2)", "also in row 1"),
        ({"events": [11, 9, 19, math.inf]}, "study Dooley, treatment AZA (row 4)", "inf"),
    ],
)
def test_an_unusable_cell_is_named_by_study_arm_row_and_column(change, place, found) -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows(ARMS | change)
    assert place in str(told.value)
    assert found in told.value.found


def test_all_unusable_cells_are_told_at_once() -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows(ARMS | {"events": [-1, 31, 19, None]})
    text = str(told.value)
    for arm in ("treatment MMF (row 1)", "treatment AZA (row 2)", "treatment AZA (row 4)"):
        assert arm in text


def test_a_study_with_one_arm_is_refused_by_name() -> None:
    short = {name: values[:3] for name, values in ARMS.items()}
    with pytest.raises(EvidenceError) as told:
        read_rows(short)
    assert "study Dooley" in str(told.value)
    assert "one arm (MMF)" in told.value.found


def test_events_may_exceed_patients_where_person_time_is_given() -> None:
    rows = read_rows(ARMS | {"events": [40, 9, 19, 36], "person_time": [80.0, 70.5, 300.0, 280.0]})
    assert rows.events[0] == 40


def test_a_mean_without_its_sd_is_refused() -> None:
    means = {k: ARMS[k] for k in ("study", "treatment", "n")} | {
        "mean": [1.0, 2, 3, 4],
        "sd": [1.0, None, 1, 1],
    }
    with pytest.raises(EvidenceError, match=r"Chan, treatment AZA \(row 2\), column sd"):
        read_rows(means)
    with pytest.raises(EvidenceError, match=r"\(row 3\), column sd"):
        read_rows(means | {"sd": [1.0, 1, 0, 1]})


def test_missing_columns_say_both_shapes_and_what_was_found() -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows({"study": ["Chan"], "arm": ["MMF"]})
    assert told.value.found == "study, arm"
    assert "arm rows" in told.value.expected and "contrast rows" in told.value.expected
    with pytest.raises(EvidenceError, match="no outcome"):
        read_rows({"study": ["Chan"], "treatment": ["MMF"]})
    with pytest.raises(EvidenceError, match="no column std_error"):
        read_rows({name: CONTRASTS[name] for name in CONTRASTS if name != "std_error"})


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"std_error": [0.29, None]}, "nothing"),
        ({"std_error": [0.29, 0.0]}, "0"),
        ({"estimate": [-0.82, math.nan]}, "nothing"),
        ({"treatment_1": ["MMF", "AZA"]}, "AZA against itself"),
    ],
)
def test_an_unusable_contrast_is_named(change, found) -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows(CONTRASTS | change)
    assert "study Houssiau" in str(told.value)
    assert found in told.value.found


def test_a_comparison_that_stands_twice_is_refused() -> None:
    with pytest.raises(EvidenceError, match="row 2"):
        read_rows(
            CONTRASTS
            | {"study": ["Dooley", "Dooley"], "treatment_1": ["MMF", "AZA"], "treatment_2": ["AZA", "MMF"]}
        )


def test_what_is_no_table_is_refused() -> None:
    for odd in (5, "no-such-file.csv", {"study": "Chan"}, {"study": ["a", "b"], "treatment": ["x"]}, []):
        with pytest.raises(EvidenceError):
            read_rows(odd)
