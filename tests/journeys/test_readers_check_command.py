"""`flarefree check`: a data manager points it at a folder, and reads what to mend."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from flarefree.cli.app import run
from flarefree.readers import write_xport

Command = Callable[..., tuple[int, str, str]]

PROTOCOL = """\
flarefree: 1
name: checked-trial
title: A trial for the check command
design: {summary: Two arms, follow_up: 12 months}
arms: {MMF: {label: Mycophenolate mofetil}, AZA: {label: Azathioprine}}
reference_arm: AZA
schedule: {visits: [{name: Month 0, number: 0, day: 1}]}
measures:
  creatinine: {label: Serum creatinine, unit: mg/dL, tests: [CREAT], plausible: [0.1, 25]}
endpoints: {death: {label: Death, when: death}}
populations: {itt: {label: Intention to treat, when: randomized}}
"""

STUDY = """\
protocol: trial.yaml
files:
  - {file: patients.csv, table: subjects, columns: {subject: id, arm: arm, randomization_date: rand}}
  - file: labs.csv
    table: observations
    columns: {subject: id, test: test, value: result, unit: unit, date: taken}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial.yaml").write_text(PROTOCOL)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "patients.csv").write_text("id,arm,rand\nAna,MMF,2014-03-01\nBea,AZA,2014-03-02\n")
    (tmp_path / "labs.csv").write_text("id,test,result,unit,taken\nAna,CREAT,1.1,mg/dL,2014-03-01\n")
    return tmp_path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            run(["check", *map(str, words)])
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


def with_labs(folder: Path, *lines: str) -> Path:
    (folder / "labs.csv").write_text("\n".join(["id,test,result,unit,taken", *lines]) + "\n")
    return folder


def test_nothing_to_mend(folder: Path, command: Command) -> None:
    code, text, errors = command(folder)
    assert (code, errors) == (0, "")
    assert "protocol trial.yaml" in text
    assert text.endswith("Nothing to mend.\n")


def test_notes_alone_are_nothing_to_mend(folder: Path, command: Command) -> None:
    code, text, _ = command(with_labs(folder, "Ana,CREAT,1.1,mg/dL,2014-03"))
    assert code == 0
    assert text.endswith("Nothing to mend; 1 note.\n")


def test_findings_in_words_with_their_rows(folder: Path, command: Command) -> None:
    labs = [f"Ana,CREAT,{80 + i},mg/dL,2014-03-{i + 1:02d}" for i in range(8)]
    code, text, _ = command(with_labs(folder, *labs, "Bea,CREAT,1.2,furlong,2014-03-05"))
    assert code == 1
    assert "creatinine is hardly possible so\n    value in labs.csv, 8 rows\n" in text
    assert "row 1, Ana: found 80.0 mg/dL (written 80 mg/dL); expected 0.1 to 25 mg/dL" in text
    assert "      and 3 more\n" in text
    assert text.index("unknown-unit") < text.index("out-of-range")  # errors before warnings
    assert text.endswith("Found: 1 error, 8 warnings.\n")


def test_findings_for_programs_and_for_the_browser(folder: Path, command: Command) -> None:
    with_labs(folder, "Ana,CREAT,88,mg/dL,2014-03-01", "<b>,CREAT,1,mg/dL,2014-03-01")
    code, text, _ = command(folder, "--format", "json")
    content = json.loads(text)
    assert code == 1
    assert content["counts"] == {"error": 1, "warning": 1, "note": 0}
    assert content["rows"]["observations"] == 1
    assert {f["code"] for f in content["findings"]} == {"out-of-range", "unknown-subject"}
    _, table, _ = command(folder, "--format", "csv")
    assert [row["code"] for row in csv.DictReader(table.splitlines())] == ["out-of-range", "unknown-subject"]
    _, page, _ = command(folder, "--format", "html")
    assert page.startswith("<!doctype html>")
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert "http" not in page  # self-contained


def test_files_on_request_the_same_each_time(folder: Path, command: Command, tmp_path: Path) -> None:
    with_labs(folder, "Ana,CREAT,88,mg/dL,2014-03-01")
    for name in ("one", "two"):
        command(folder, "--out", tmp_path / "out" / name)
    for file in ("findings.csv", "findings.html"):
        assert (tmp_path / "out" / "one" / file).read_bytes() == (
            tmp_path / "out" / "two" / file
        ).read_bytes()
    assert (tmp_path / "out" / "one" / "findings.csv").read_text().count("\n") == 2


def test_virtual_patients_are_called_so(folder: Path, command: Command) -> None:
    (folder / "study.yaml").write_text("virtual: true\n" + STUDY)
    assert "virtual patients" in command(folder)[1]
    assert "Virtual patients" in command(folder, "--format", "html")[1]


@pytest.mark.parametrize("kept", [0.99, 0.5, 0.01])
def test_a_truncated_transport_file_ends_with_2_and_no_traceback(
    folder: Path, command: Command, kept: float
) -> None:
    data = folder / "data"
    data.mkdir()
    write_xport(
        pl.DataFrame({"USUBJID": ["Ana"] * 500, "LBTESTCD": ["CREAT"] * 500}), data / "lb.xpt", name="LB"
    )
    content = (data / "lb.xpt").read_bytes()
    (data / "lb.xpt").write_bytes(content[: int(len(content) * kept)])
    code, text, errors = command(data)
    assert (code, text) == (2, "")
    assert errors.startswith("ReadError: lb.xpt: this SAS transport file was cut short")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("labs.csv", "id;test;result;unit;taken\nAna;CREAT;1;mg/dL;2014-03-01\n", "not separated by a comma"),
        ("labs.csv", "", "this file is empty"),
        ("labs.csv", "\x00\x01\x02", "this is no text file"),
        ("labs.csv", "id,test,result,taken\nAna,CREAT,1,2014-03-01\n", "does not have: unit"),
        ("study.yaml", "files: [", "study.yaml"),
        ("study.yaml", "", "study.yaml"),
        ("trial.yaml", "name: x", "trial.yaml"),
    ],
)
def test_what_cannot_be_read_ends_with_2(
    folder: Path, command: Command, file: str, content: str, said: str
) -> None:
    (folder / file).write_text(content)
    code, text, errors = command(folder)
    assert (code, text) == (2, "")
    assert said in errors
    assert "Traceback" not in errors


def test_a_folder_that_is_none_and_a_protocol_that_is_none(folder: Path, command: Command) -> None:
    assert command(folder / "none")[0] == 2
    code, _, errors = command(folder, "--protocol", "no-such-trial")
    assert code == 2
    assert "no-such-trial" in errors


def test_an_output_folder_that_cannot_be_written(folder: Path, command: Command) -> None:
    code, _, errors = command(folder, "--out", folder / "study.yaml" / "out")
    assert code == 2
    assert errors.startswith("OutputError")


@pytest.mark.shared
def test_the_pilot_as_it_stands(shared: Path, command: Command) -> None:
    code, text, _ = command(shared / "data" / "cdiscpilot", "--protocol", "cdisc-pilot")
    assert code == 1  # visits outside their windows
    assert "adverse events 1,191" in text
    assert "Errors" not in text
