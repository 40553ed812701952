"""The pages about protocols agree with the program: their examples are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flarefree.cli.protocols import app
from flarefree.errors import LanguageError
from flarefree.protocol import parse_protocol
from flarefree.protocol.language.parsing import parse_condition, parse_record_condition, parse_value
from flarefree.protocol.language.words import FACTS, FUNCTIONS, KEYWORDS, RECORD_FIELDS

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = (DOCS / "how-to" / "write-a-protocol.md").read_text("utf-8")
LANGUAGE = (DOCS / "reference" / "language.md").read_text("utf-8")


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
    assert found
    return found[1]


def test_the_smallest_protocol_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "small-trial.yaml"
    file.write_text(example(), "utf-8")
    said = CliRunner().invoke(app, ["check", str(file)]).output.strip()
    assert said in HOW_TO


def test_the_error_of_the_how_to_page_is_what_is_said() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_protocol(example().replace("baseline(upcr)", "baseline(upc)"), "small-trial.yaml")
    assert f"LanguageError: {caught.value}" in HOW_TO


def examples_of_tables(heading: str) -> list[str]:
    section = LANGUAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [example for cell in cells for example in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("sentence", examples_of_tables("Values"))
def test_values_of_the_reference_page_can_be_read(sentence: str) -> None:
    parse_value(sentence)


@pytest.mark.parametrize(
    "sentence",
    [s for s in examples_of_tables("Conditions") + examples_of_tables("Patients as a whole") if len(s) > 2],
)
def test_conditions_of_the_reference_page_can_be_read(sentence: str) -> None:
    parse_condition(sentence)


def test_every_function_fact_and_field_is_on_the_page() -> None:
    for name in (*FUNCTIONS, *FACTS):
        assert re.search(rf"`{name}\b", LANGUAGE), name
    for table, fields in RECORD_FIELDS.items():
        (row,) = re.findall(rf"^\| `{table.value}` \| (.*) \|$", LANGUAGE, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(fields)
    assert set(re.findall(r"[a-z]+", LANGUAGE)) >= KEYWORDS


@pytest.mark.parametrize(
    "test", ['status not in ("A", "B")', 'name contains any of ("A", "B")', 'name starts with "A"']
)
def test_tests_of_fields_can_be_read(test: str) -> None:
    parse_record_condition(test)
