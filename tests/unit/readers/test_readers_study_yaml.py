"""`study.yaml`: settings of the wrong kind are named with their line, before a file is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flarefree.errors import StudyError
from flarefree.readers import read_study
from flarefree.readers.study_yaml import read_study_yaml


def described(folder: Path, *settings: str) -> Path:
    (folder / "labs.csv").write_text("id;test;value\n1;CREAT;1,5\n")
    lines = ["files:", "  - file: labs.csv", *(f"    {line}" for line in settings)]
    path = folder / "study.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("delimiter: 5", "delimiter is a text"),
        ("delimiter: [a]", "delimiter is a text"),
        ("delimiter: ''", "delimiter is a text"),
        ("delimiter: ';;'", "a delimiter is one character"),
        ("delimiter: é", "a delimiter is one character"),
        ("delimiter: '\"'", "a delimiter is one character"),
        ("encoding: 7", "encoding is a text"),
    ],
)
def test_how_a_file_is_separated_and_encoded(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(StudyError, match=said) as caught:
        read_study_yaml(described(tmp_path, setting))
    assert caught.value.where == f"study.yaml:3 files.0.{setting.split(':')[0]}"


@pytest.mark.parametrize("decimal", ["xx", "[1]", "''", "5"])
def test_a_decimal_sign_is_a_point_or_a_comma(tmp_path: Path, decimal: str) -> None:
    path = described(
        tmp_path,
        "table: observations",
        "columns: {subject: id, test: test, value: value}",
        f"decimal: {decimal}",
    )
    with pytest.raises(StudyError, match="this is no decimal sign") as caught:
        read_study_yaml(path)
    assert caught.value.where == "study.yaml:5 files.0.decimal"


def test_settings_of_the_right_kind_are_taken(tmp_path: Path) -> None:
    path = described(
        tmp_path,
        "delimiter: ';'",
        "encoding: latin-1",
        "table: observations",
        "columns: {subject: id, test: test, value: value}",
        "decimal: ','",
        "dates: '%d/%m/%Y'",
    )
    (entry,) = read_study_yaml(path).files or ()
    assert (entry.delimiter, entry.encoding) == (";", "latin-1")
    assert entry.how is not None
    assert (entry.how.decimal, entry.how.date_format) == (",", "%d/%m/%Y")


# Files that are not what study.yaml takes them for ----------------------------------------------------


def test_a_list_is_no_study_yaml(study_folder: Callable[..., Path]) -> None:
    with pytest.raises(StudyError, match="this file holds no keys and values") as caught:
        read_study(study_folder(yaml="- patients.csv\n- labs.csv\n"))
    assert caught.value.found == "a list"


def test_a_file_named_twice_is_refused_but_two_tables_of_one_file_are_not(
    study_folder: Callable[..., Path],
) -> None:
    entry = "  - {file: patients.csv, table: subjects, columns: {subject: patno, arm: group}}\n"
    with pytest.raises(StudyError, match="named twice") as caught:
        read_study(study_folder(yaml="files:\n" + entry + entry))
    assert "files.1" in caught.value.where
    visits = "  - {file: patients.csv, table: visits, columns: {subject: patno, date: rand}}\n"
    study = read_study(study_folder(yaml="files:\n" + entry + visits))
    assert (study["subjects"].height, study["visits"].height) == (6, 6)


@pytest.mark.parametrize("name", ["secret.txt", "secret.yaml", "../secret.txt"])
def test_a_file_that_is_no_protocol_is_not_quoted(study_folder: Callable[..., Path], name: str) -> None:
    folder = study_folder(yaml=f"protocol: {name}\n")
    (folder / name).write_text("root:x:0:0\npassword: hunter2\n", encoding="utf-8")
    with pytest.raises(StudyError, match="names a file that is no protocol") as caught:
        read_study(folder)
    assert caught.value.found == name
    assert "root" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
