"""Input as people have it, and options that mean nothing: read rightly or refused by name, never guessed."""

from __future__ import annotations

import math

import polars as pl
import pytest

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence import audit, log_rank_range, reconstruct, transport
from flarefree.evidence.delimited import read_delimited, read_typed
from flarefree.evidence.inputs import read_rows
from flarefree.evidence.networks import additive_network, network
from flarefree.evidence.pooling import pairwise

ROWS = [
    {"study": "Chan", "treatment": "MMF", "n": 50, "events": 5},
    {"study": "Chan", "treatment": "AZA", "n": 50, "events": 10},
    {"study": "Ming", "treatment": "MMF", "n": 60, "events": 7},
    {"study": "Ming", "treatment": "AZA", "n": 61, "events": 12},
    {"study": "Dooley", "treatment": "MMF", "n": 116, "events": 19},
    {"study": "Dooley", "treatment": "AZA", "n": 111, "events": 36},
]
CSV = "study,treatment,n,events\n" + "".join(f"{','.join(map(str, r.values()))}\n" for r in ROWS)
CONTRASTS = (
    "study;treatment_1;treatment_2;estimate;std_error\nChan;MMF;AZA;-0,69;0,51\nMing;MMF;AZA;-0,52;0,44\n"
)


def changed(i: int, **cells: object) -> list[dict]:
    return [{**row, **cells} if k == i else dict(row) for k, row in enumerate(ROWS)]


@pytest.fixture
def saved(tmp_path):
    def save(content: str | bytes, name: str = "trials.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


# Files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace(",", ", "),
        CSV.replace("\n", "\r\n"),
        CSV.encode("utf-16"),
        CSV + "\n,,,\n",
        CSV.replace("Chan", '"Chan"'),
    ],
    ids=["mark", "semicolons", "tabs", "blanks", "windows", "utf-16", "empty rows", "quoted"],
)
def test_a_csv_is_read_as_it_was_saved(saved, content) -> None:
    rows = read_rows(saved(content))
    assert rows.study.tolist() == [row["study"] for row in ROWS]
    assert rows.treatment.tolist() == [row["treatment"] for row in ROWS]
    assert rows.n.tolist() == [row["n"] for row in ROWS]


def test_a_decimal_comma_is_no_thousand(saved) -> None:
    assert read_rows(saved(CONTRASTS)).estimate.tolist() == [-0.69, -0.52]
    # One point in the file, and commas are left as they are.
    mixed = read_delimited(saved(CONTRASTS.replace("0,51", "0.51")))
    assert mixed.rows[0] == ("Chan", "MMF", "AZA", "-0,69", "0.51")


def test_numbers_of_other_columns_are_numbers_and_names_are_not(saved) -> None:
    frame = read_typed(saved("study,year,dose,site\n007,2005,1.5,a\n7,NA,2,b\n"), texts=("study",))
    assert frame["study"].to_list() == ["007", "7"]
    assert frame.schema == {"study": pl.String, "year": pl.Int64, "dose": pl.Float64, "site": pl.String}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("study,treatment,n,n,events\nA,x,5,6,1\n", "a column stands twice"),
        (CSV + "Bao,MMF,5\n", "trials.csv:8"),
        (CSV.encode("latin-1").replace(b"MMF", b"Mycoph\xe9nolate"), "no UTF-8"),
        (CSV.replace("MMF", "M\0F"), "control character"),
        (bytes(range(256)), "not text"),
        ('study,treatment\n"Chan,MMF\n', "cannot be taken apart"),
    ],
    ids=["empty", "twice", "short row", "latin-1", "null", "binary", "open quote"],
)
def test_a_damaged_file_is_refused_by_name_and_line(saved, content, words) -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows(saved(content))
    assert words in str(told.value)
    assert "trials.csv" in str(told.value)


def test_a_folder_and_a_file_that_is_not_there(tmp_path) -> None:
    for path, words in ((tmp_path, "this is a folder"), (tmp_path / "none.csv", "no such file")):
        with pytest.raises(EvidenceError, match=words):
            read_rows(path)


# Names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["MMF ", " MMF", "MMF\u00a0", "\u200bMMF", "MMF\n"])
def test_white_space_and_unseen_characters_make_no_other_treatment(written) -> None:
    assert network(changed(2, treatment=written)).treatments == ("AZA", "MMF")


def test_accents_may_be_composed_or_not() -> None:
    rows = [dict(row, treatment=row["treatment"].replace("MMF", "Céc")) for row in ROWS]
    rows[2]["treatment"] = "Ce\u0301c"
    assert network(rows).treatments == ("AZA", "Céc")


def test_two_treatments_that_differ_in_capitals_alone_are_a_slip() -> None:
    with pytest.raises(EvidenceError) as told:
        network(changed(2, treatment="mmf"))
    assert "study Ming" in str(told.value)
    assert "'mmf' and 'MMF'" in told.value.found


def test_a_study_written_otherwise_is_pointed_to() -> None:
    with pytest.raises(EvidenceError) as told:
        pairwise(changed(0, study="chan"))
    assert "there is a study 'Chan' too" in told.value.found


def test_treatments_coded_as_numbers_can_be_referred_to_as_numbers() -> None:
    rows = [dict(row, treatment={"MMF": 1, "AZA": 2}[row["treatment"]]) for row in ROWS]
    assert pairwise(rows, reference=2).log_estimate == pairwise(ROWS, reference="AZA").log_estimate
    assert network(rows, reference=1).reference == "1"
    assert network(rows, part=1).treatments == ("1", "2")
    with pytest.raises(NotFoundError):
        network(rows, reference=3)
    with pytest.raises(EvidenceError, match="no arm has this treatment"):
        pairwise(rows, reference=3)


# Cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"events": True}, "True"),
        ({"events": "10%"}, "the number of patients, not their share"),
        ({"n": "1,250"}, "1250"),
        ({"n": "50,5"}, "50.5"),
        ({"n": 10**400}, "this is no number"),
        ({"n": 1e308}, "a number of patients"),
        ({"n": [50]}, "[50]"),
        ({"events": 5.5}, "a whole number"),
    ],
)
def test_a_cell_that_is_no_count_is_named(cells, words) -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows(changed(0, **cells))
    assert "study Chan" in str(told.value)
    assert words in str(told.value)


def test_a_column_of_flags_holds_no_counts() -> None:
    frame = pl.DataFrame(ROWS).with_columns(events=pl.lit(True))
    with pytest.raises(EvidenceError, match="this is no number"):
        read_rows(frame)


def test_a_row_that_is_no_row_is_named() -> None:
    with pytest.raises(EvidenceError, match="data: row 2"):
        read_rows([ROWS[0], None])


def test_columns_that_are_almost_named_rightly() -> None:
    with pytest.raises(EvidenceError) as told:
        read_rows([{name.title(): value for name, value in row.items()} for row in ROWS])
    assert "'Study' as 'study'" in told.value.try_


# Options ---------------------------------------------------------------------------------------------

NONSENSE = [
    {"hartung_knapp": "maybe"},
    {"hartung_knapp": None},
    {"hartung_knapp": 1},
    {"conf_level": "0.95"},
    {"conf_level": None},
    {"conf_level": 1 - 1e-17},
    {"correction": "a"},
    {"correction": math.inf},
    {"correction": math.nan},
    {"correction": -1},
    {"zero_cells": "banana"},
    {"zero_cells": None},
    {"reference": ["AZA", "MMF"]},
    {"measure": 5},
    {"method": None},
]


@pytest.mark.parametrize("call", [pairwise, network])
@pytest.mark.parametrize("asked", NONSENSE, ids=str)
def test_an_option_that_means_nothing_is_refused(call, asked) -> None:
    with pytest.raises((EvidenceError, NotFoundError)) as told:
        call(ROWS, **asked)
    assert next(iter(asked)) in told.value.where


@pytest.mark.parametrize(
    "asked",
    [
        {"ad_hoc_floor": True},
        {"ad_hoc_floor": "yes", "hartung_knapp": True},
        {"moderators": 5},
        {"moderators": ["n", 5]},
    ],
    ids=str,
)
def test_options_of_pooling(asked) -> None:
    with pytest.raises(EvidenceError):
        pairwise(ROWS, **asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"zero_cells": "treatment_arm"},
        {"tolerance": "a"},
        {"tau2": True},
        {"method": "MH", "model": "common", "hartung_knapp": True},
        {"method": "NCH", "model": "common", "tau2": 0.1},
        {"method": "GLMM", "quadrature_points": 0},
        {"method": "GLMM", "quadrature_points": 2.5},
    ],
    ids=str,
)
def test_options_of_networks(asked) -> None:
    with pytest.raises(EvidenceError):
        network(ROWS, **asked)


def test_letters_of_measures_and_methods_may_be_small() -> None:
    small, large = network(ROWS, measure="or", method="reml"), network(ROWS, measure="OR", method="REML")
    assert small.measure == "OR"
    assert small.tau2 == large.tau2


def test_questions_to_a_result_that_mean_nothing() -> None:
    found, pooled = network(ROWS), pairwise(ROWS)
    for ask in (
        lambda: found.contributions(streams="foo"),
        lambda: found.effects_under("foo"),
        lambda: found.ranks(n_draws=0),
        lambda: found.ranks(seed=-1),
        lambda: found.ranks(seed="x"),
        lambda: found.league(digits=-1),
        lambda: found.worksheet(equivalence="a"),
        lambda: found.worksheet(equivalence=(0.8, 1.2, 3)),
        lambda: additive_network(ROWS, method="MH"),
        lambda: additive_network(ROWS, separator=""),
        lambda: pooled.sequential(),
        lambda: pooled.sequential(effect="a"),
    ):
        with pytest.raises(EvidenceError):
            ask()
    with pytest.raises(NotFoundError):
        found.effects_under()["TAC", "AZA"]


def test_a_word_where_the_regression_had_numbers() -> None:
    rows = [dict(row, year=2000 + i // 2) for i, row in enumerate(ROWS)]
    fit = pairwise(rows, moderators="year")
    assert math.isfinite(fit.predict(year=2001).estimate)
    with pytest.raises(EvidenceError, match="value is missing"):
        fit.predict(year="later")


# Curves, other populations, audits -------------------------------------------------------------------

POINTS = [{"time": t, "survival": 1 - 0.02 * t, "arm": arm} for arm in "AB" for t in range(0, 20, 2)]
PEOPLE = [{"arm": "new" if i % 2 else "old", "age": 30 + i % 17, "event": int(i % 5 == 0)} for i in range(80)]
TABLE = {arm: {"at_risk": [20, 15], "events": [0, 3]} for arm in "AB"}
PATIENTS = {"A": 50, "B": 50}


@pytest.mark.parametrize(
    "asked",
    [{"digitization_sd": "a"}, {"rise_tolerance": "x"}, {"rise_tolerance": -1}, {"arm": "group"}, {"arm": 5}],
    ids=str,
)
def test_options_of_reconstruction(asked) -> None:
    with pytest.raises(EvidenceError) as told:
        reconstruct(POINTS, n=PATIENTS, **asked)
    assert told.value.where == next(iter(asked))


@pytest.mark.parametrize("asked", [{"printed": "x"}, {"draws": -1}, {"draws": "x"}, {"seed": 0.5}], ids=str)
def test_options_of_the_log_rank_range(asked) -> None:
    with pytest.raises(EvidenceError) as told:
        log_rank_range(TABLE, **asked)
    assert told.value.where == next(iter(asked))


@pytest.mark.parametrize(
    "asked",
    [{"by_arm": "maybe"}, {"level": "a"}, {"seed": "x"}, {"population_factor_sd": "x"}, {"outcome": 5}],
    ids=str,
)
def test_options_of_transport(asked) -> None:
    with pytest.raises(EvidenceError):
        transport(PEOPLE, {"age": (38, 5)}, **{"outcome": "event", "treatment": "arm", **asked})


@pytest.mark.parametrize(
    "cells", [{"percent": "1e400"}, {"p": "1e-99999999"}, {"percent": "2." + "0" * 5000}], ids=["1", "2", "3"]
)
def test_a_figure_that_nobody_prints_is_no_number(cells) -> None:
    with pytest.raises(EvidenceError, match="row 1"):
        audit([{"study": "K", "n": "50", "events": "1", **cells}])


def test_columns_that_are_no_columns() -> None:
    with pytest.raises(EvidenceError, match="n: a column is no column"):
        audit({"n": 5})
