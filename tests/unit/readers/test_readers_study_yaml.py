"""`study.yaml`: settings of the wrong kind are named with their line, before a file is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from flarefree.errors import StudyError
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
