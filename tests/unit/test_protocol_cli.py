"""`flarefree protocols`: list, show, check, schema; exit codes, and JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flarefree.cli.protocols import app
from flarefree.errors import ProtocolError
from flarefree.protocol.json_schema import published_json_schema
from flarefree.protocol.loading import builtin_path

runner = CliRunner()


def output(*words: str, code: int = 0) -> str:
    result = runner.invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "trial.yaml"
    text = builtin_path("alms-maintenance").read_text("utf-8")
    file.write_text(text.replace("upcr >= 2 * baseline(upcr)", "upcr >= 2 g/day", 1), "utf-8")
    return file


def test_without_a_command_it_lists() -> None:
    assert output() == output("list")
    for name in ("alms-maintenance", "multitarget-maintenance", "cdisc-pilot"):
        assert name in output("list")


def test_the_list_as_json() -> None:
    listed = json.loads(output("list", "--json"))
    assert [one["name"] for one in listed] == ["alms-maintenance", "cdisc-pilot", "multitarget-maintenance"]


def test_the_page_has_every_part() -> None:
    page = output("show", "alms-maintenance")
    for part in (
        "Design",
        "Arms and doses",
        "Schedule",
        "Endpoints",
        "Populations",
        "Analyses",
        "leaves open",
    ):
        assert part in page
    assert "upcr >= 2 * baseline(upcr)\n" in page or "upcr >= 2 * baseline(upcr) " in page
    assert "first of death, esrd, doubling, renal_flare, rescue" in page
    assert "2 mg/kg/day" in page
    assert "Note: The paper does not define it." in page


@pytest.mark.parametrize("name", ["alms-maintenance", "multitarget-maintenance", "cdisc-pilot"])
def test_every_page_is_no_wider_than_a_hundred_columns(name: str) -> None:
    assert max(len(line.rstrip()) for line in output("show", name).splitlines()) <= 100


def test_the_page_as_json() -> None:
    whole = json.loads(output("show", "multitarget-maintenance", "--json"))
    assert whole["sentences"]["endpoints.leukopenia.when"]["sentence"] == "white_blood_cells < 4000 /uL"
    assert whole["sentences"]["endpoints.leukopenia.when"]["line"] > 0
    assert whole["protocol"]["arms"]["MT"]["label"] == "Multitarget"


def test_a_good_protocol_is_fine() -> None:
    assert output("check", "alms-maintenance").startswith("alms-maintenance.yaml: fine. 2 arms, 15 visits")
    assert json.loads(output("check", "alms-maintenance", "--json"))["ok"] is True


def test_a_broken_protocol_raises_what_main_prints(broken: Path) -> None:
    result = runner.invoke(app, ["check", str(broken)])
    assert isinstance(result.exception, ProtocolError)
    assert result.exception.exit_code == 2
    assert "mg/mg and g/day cannot be compared" in str(result.exception)


def test_a_broken_protocol_as_json_exits_2(broken: Path) -> None:
    said = json.loads(output("check", str(broken), "--json", code=2))
    assert said["ok"] is False
    assert said["error"]["kind"] == "LanguageError"
    assert said["error"]["where"].startswith(f"{broken}:")
    assert "^" in said["error"]["found"]


def test_a_name_that_is_none_says_what_there_is() -> None:
    said = json.loads(output("check", "alms-maintenence", "--json", code=2))
    assert said["error"]["try"] == "did you mean alms-maintenance?"


def test_the_schema_is_the_published_one() -> None:
    assert output("schema") == published_json_schema()
