"""What the audit reads: shapes of a stranger's table, bad cells, files; and its command."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import polars as pl
import pytest

from flarefree.errors import EvidenceError
from flarefree.evidence import audit
from flarefree.evidence.auditing import read_printed_rows

WRONG = {"study": "Chan 2005", "outcome": "relapse", "arm": "AZA", "n": "19", "percent": "43"}


def same(first, second):
    """Two ways to write a table: the same rows but for their numbers."""
    one, two = read_printed_rows(first), read_printed_rows(second)
    return [(r.arm, r.n, r.events, str(r.percent), str(r.p)) for r in one] == [
        (r.arm, r.n, r.events, str(r.percent), str(r.p)) for r in two
    ]


@pytest.mark.parametrize(
    "shape",
    [
        [WRONG],
        {name: [value] for name, value in WRONG.items()},
        pl.DataFrame([WRONG]),
        pd.DataFrame([WRONG]),
        [{"Trial": "Chan 2005", "Endpoint": "relapse", "Treatment": "AZA", "N": 19, "%": "43%"}],
        [{"author": "Chan 2005", "event": "relapse", "group": "AZA", "sample size": "N = 19", "pct": 43}],
    ],
    ids=["rows", "columns", "polars", "pandas", "other names", "and others"],
)
def test_a_table_in_any_shape(shape):
    (finding,) = audit(shape).findings
    assert finding.what == "43% is not attainable over 19"
    assert (finding.study, finding.outcome, finding.arm, finding.row) == ("Chan 2005", "relapse", "AZA", 1)


LONG = [
    {"outcome": "relapse", "arm": "MMF", "n": 115, "events": 27, "percent": "23.5", "p": "0.11"},
    {"outcome": "relapse", "arm": "AZA", "n": 111, "events": 37, "percent": "33.3"},
]


@pytest.mark.parametrize(
    "wide",
    [
        {"outcome": "relapse", "mmf_n": 115, "mmf_events": 27, "mmf_percent": "23.5", "aza_n": 111,
         "aza_events": 37, "aza_percent": "33.3", "p": "0.11"},
        {"event": "relapse", "n_1": 115, "events_1": 27, "percent_1": "23.5", "n_2": 111, "events_2": 37,
         "percent_2": "33.3", "P value": "P = 0.11"},
        {"event": "relapse", "ai": 27, "n1i": 115, "percent1": "23.5", "ci": 37, "n2i": 111,
         "percent2": "33.3", "p": "0.11"},
        {"outcome": "relapse", "arm_1": "MMF", "arm_2": "AZA", "events_1": "27/115 (23.5%)",
         "events_2": "37/111 (33.3%)", "p": 0.11},
    ],
    ids=["named arms", "numbered", "metafor's letters", "cells of several numbers"],
)  # fmt: skip
def test_wide_tables_become_long_ones(wide):
    rows = read_printed_rows([wide])
    assert [(r.n, r.events, str(r.percent)) for r in rows] == [(115, 27, "23.5"), (111, 37, "33.3")]
    assert [str(r.p) for r in rows] == ["0.11", "None"]
    (value,) = audit([wide]).p_values
    assert value.reproduced_by == ("Fisher",)


def test_the_long_form_is_the_same():
    assert same(LONG, [{**row, "events": f"{row['events']}/{row['n']} ({row['percent']}%)"} for row in LONG])


def test_cells_of_several_numbers():
    (row,) = read_printed_rows(
        [{"study": "S", "mean": "31.8 ± 10.59", "estimate": "0.44 (95% CI, 0.25 to 0.77)"}]
    )
    assert (str(row.mean), str(row.sd)) == ("31.8", "10.59")
    assert (str(row.estimate), str(row.lower), str(row.upper)) == ("0.44", "0.25", "0.77")
    (row,) = read_printed_rows([{"study": "S", "mean": "31.8 (10.59)", "events": "19 (16.4)"}])
    assert (str(row.sd), row.events, str(row.percent)) == ("10.59", 19, "16.4")


def test_columns_named_for_their_ratio():
    (row,) = read_printed_rows([{"study": "S", "HR": "0.44", "lower": "0.25", "upper": "0.77"}])
    assert (row.measure, str(row.estimate)) == ("HR", "0.44")


def test_floats_are_judged_by_the_digits_they_still_have():
    """25.0 as a float may have been printed as 25 or 25.0; as text it says which."""
    assert audit([{"study": "S", "arm": "A", "n": 117, "events": 29, "percent": 25.0}]).findings == ()
    assert len(audit([{"study": "S", "arm": "A", "n": 117, "events": 29, "percent": "25.0"}]).findings) == 1


def test_blank_cells_say_nothing():
    blanks = ("", None, "—", "NA", "n/a", float("nan"), "NR")
    rows = [
        {"study": "S", "outcome": f"o{i}", "arm": "A", "n": 20, "events": b} for i, b in enumerate(blanks)
    ]
    assert [row.events for row in read_printed_rows(rows)] == [None] * len(blanks)


# Bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("events", "2.5", "whole number"), ("events", "-1", "whole number"), ("events", "three", "a number"),
        ("n", "<20", "whole number"), ("percent", "-4", "0 or more"), ("p", "1.2", "probability"),
        ("sd", "-1", "0 or more"), ("lower", "o.25", "a number"), ("level", "7", "confidence level"),
        ("rate_per", "0", "above 0"), ("whole", "perhaps", "yes or no"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_with_its_row(column, cell, expected):
    rows = [{"study": "Chan 2005", "outcome": "relapse", "arm": "MMF", "n": 20}]
    rows.append({"study": "Chan 2005", "outcome": "relapse", "arm": "AZA", "n": 20} | {column: cell})
    with pytest.raises(EvidenceError) as caught:
        audit(rows, where="my table")
    assert caught.value.where == "my table"
    assert caught.value.found.startswith(f"row 2 (Chan 2005, relapse, AZA), {column}: {cell!r} is not")
    assert expected in caught.value.found
    assert caught.value.exit_code == 2


def test_all_bad_cells_are_told_together():
    rows = [{"study": "S", "outcome": f"o{i}", "n": "x"} for i in range(15)]
    with pytest.raises(EvidenceError) as caught:
        audit(rows)
    assert caught.value.found.count("\n") == 12 and caught.value.found.endswith("and 3 more")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "empty"), ([{"color": "red"}], "columns"), (5, "no table"), ([1, 2], "row 1"),
        ({"n": [1], "events": [1, 2]}, "length"), ("there-is-none.csv", "no such file"),
        ([{"n": 1, "N": 2, "events": 1}], "one name"),
    ],
    ids=["empty", "unknown columns", "number", "no rows", "lengths", "no file", "twice"],
)  # fmt: skip
def test_what_is_no_table_is_refused(data, words):
    with pytest.raises(EvidenceError) as caught:
        audit(data)
    assert words in f"{caught.value}"


# Results ----------------------------------------------------------------------------------------------


def test_results_are_frozen_and_tidy():
    done = audit([WRONG])
    with pytest.raises(AttributeError):
        done.rows = 3
    assert done.tidy().row(0, named=True)["value"] == "43"
    assert done.coverage().filter(pl.col("examined") > 0).height > 1
    assert audit([WRONG | {"percent": "42"}]).tidy().schema == done.tidy().schema
    text = repr(done)
    assert "Certain: printed so, these numbers cannot hold" in text and "9/21" in text


def test_the_same_table_gives_the_same_text():
    assert repr(audit(LONG)) == repr(audit(LONG))


# The command ------------------------------------------------------------------------------------------


def run(*words, cwd):
    command = [sys.executable, "-m", "flarefree", "evidence", "audit", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("study,outcome,arm,n,percent\nChan 2005,relapse,AZA,19,43\nChan 2005,relapse,MMF,21,52\n")
    return file


def test_the_command_tells_findings_and_ends_with_one(table):
    done = run(table.name, cwd=table.parent)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Audit of mine.csv: 2 rows; 1 certain")


def test_the_command_writes_files_and_json(table):
    done = run(table.name, "--json", "--out", "audited", cwd=table.parent)
    content = json.loads(done.stdout)
    assert content["counts"] == {"certain": 1, "likely": 0, "possible": 0}
    folder = table.parent / "audited"
    assert json.loads((folder / "audit.json").read_text(encoding="utf-8")) == content
    assert pl.read_csv(folder / "findings.csv")["what"].to_list() == ["43% is not attainable over 19"]
    assert sorted(p.name for p in folder.iterdir()) == [
        "audit.json",
        "audit.txt",
        "findings.csv",
        "p_values.csv",
    ]


def test_a_sound_table_ends_with_zero_and_a_bad_one_with_two(table):
    table.write_text("study,outcome,arm,n,percent\nChan 2005,relapse,AZA,21,43\n")
    assert run(table.name, cwd=table.parent).returncode == 0
    table.write_text("study,outcome,arm,n,percent\nChan 2005,relapse,AZA,many,43\n")
    done = run(table.name, cwd=table.parent)
    assert done.returncode == 2
    assert "row 1 (Chan 2005, relapse, AZA), n: 'many' is not a number" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_base_as_a_table_is_read_with_what_its_cells_mean(tmp_path) -> None:
    """`randomized` may say whether, `rate_per` in words, `percent_kind` that a percentage is a model's."""
    table = tmp_path / "outcomes.csv"
    table.write_text(
        "study;randomized;outcome;treatment;n;percent;percent_kind;events;rate;rate_per;person_years\n"
        "REGENCY;yes;complete remission;OBI;135;46,4;model;;;;\n"
        "Moroni;yes;renal flare;CsA;36;;;12;8,5;100 patient-years;141\n"
        "Austin;yes;renal flare;CsA;12;;;4;2;100 patient-months;16,67\n",
        encoding="utf-8",
    )
    found = audit(table)
    assert found.findings == ()
    looked_at = {row["check"]: row["could_fail"] for row in found.coverage().to_dicts()}
    assert looked_at["rate of events and person-time"] == 2


def test_a_decimal_comma_is_no_thousand() -> None:
    """`0,056` was once 56; `1,250` stays a thousand and more."""
    rows = [
        {"study": "A", "outcome": "x", "arm": arm, "n": "1,250", "events": "10"} for arm in ("one", "two")
    ]
    assert audit(rows).rows == 2
    with pytest.raises(EvidenceError, match="0,056"):
        audit([{**rows[0], "p": "0,056"}, rows[1]])


def test_a_column_of_hazard_ratios_says_nothing_of_rows_without_one() -> None:
    """Counts beside a column of hazard ratios have P values that can be recomputed; wrong ones are found."""
    rows = [
        {"study": "K", "outcome": "flare", "arm": "A", "n": "87", "events": "12", "p": "0.02", "HR": "0.45"},
        {"study": "K", "outcome": "flare", "arm": "B", "n": "91", "events": "25", "p": "", "HR": ""},
        {"study": "K", "outcome": "nausea", "arm": "A", "n": "87", "events": "10", "p": "0.001", "HR": ""},
        {"study": "K", "outcome": "nausea", "arm": "B", "n": "91", "events": "11", "p": "", "HR": ""},
    ]
    for row in rows[:2]:
        row["table"] = "text"
    verdicts = {row["outcome"]: row["verdict"] for row in audit(rows).p_value_table().to_dicts()}
    assert verdicts["nausea"] != "not recomputable"
    assert verdicts["flare"] == "not recomputable"
    assert any(finding.outcome == "nausea" for finding in audit(rows).findings)


@pytest.mark.parametrize(
    "name", ["Rate per 100 PY", "rate_per_100_patient_years", "Rate per 1000 person-years"]
)
def test_a_rate_whose_column_says_per_what(name) -> None:
    per = 1000 if "1000" in name else 100
    row = {"study": "K", "outcome": "relapse", "arm": "A", "events": "12", "person_years": "150.2"}
    assert audit([{**row, name: f"{per * 12 / 150.2:.1f}"}]).findings == ()
    (finding,) = audit([{**row, name: f"{per * 19 / 150.2:.1f}"}]).findings
    assert "does not follow from 12 events" in finding.what


def test_columns_that_were_not_read_are_named() -> None:
    done = audit([{"study": "K", "n": "87", "events": "12", "Percentage of them": "13.9"}])
    assert done.notes == ("columns that are none of ours, and were not read: Percentage of them",)
    assert done.notes[0] in repr(done)
