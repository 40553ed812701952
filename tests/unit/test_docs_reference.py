"""Reference pages say what the program says: made pages are up to date, every name has its place."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from docs_reading import DOCS, ROOT, script, text_of

import flarefree
from flarefree.cli.app import COMMANDS
from flarefree.records.codes import CODES

reference_pages = script("reference_pages")
REFERENCE = DOCS / "reference"
COMMAND_LIST = list(reference_pages.walk_commands())


@pytest.mark.parametrize("name", reference_pages.pages())
def test_made_pages_are_up_to_date(name: str) -> None:
    assert text_of(REFERENCE / name) == reference_pages.pages()[name], "run scripts/reference_pages.py"


def test_every_command_has_its_section() -> None:
    sections = set(re.findall(r"^## (.*)$", text_of(REFERENCE / "commands.md"), re.MULTILINE))
    assert {command.name for command in COMMAND_LIST} == sections
    assert {f"flarefree {name}" for name in COMMANDS} <= sections


@pytest.mark.parametrize("command", COMMAND_LIST, ids=lambda command: command.name)
def test_every_option_that_help_shows_is_on_the_page(command) -> None:
    """`--help` itself is asked, by another way than the page is made."""
    done = subprocess.run(
        [sys.executable, "-m", *command.name.split(), "--help"],
        capture_output=True, text=True, check=True, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip
    shown = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*\b", done.stdout.split("Options ")[1])) - {
        "--help",
        "-h",
    }
    section = text_of(REFERENCE / "commands.md").split(f"## {command.name}\n")[1].split("\n## ")[0]
    assert shown <= set(re.findall(r"`(--?[a-z-]+)`", section))
    assert command.example in done.stdout


@pytest.mark.parametrize("command", COMMAND_LIST, ids=lambda command: command.name)
def test_the_example_of_a_command_uses_options_that_it_has(command) -> None:
    words = shlex.split(command.example.split(" > ")[0])
    assert " ".join(words[: len(command.name.split())]) == command.name or command.children
    section = text_of(REFERENCE / "commands.md")
    for option in (word for word in words if word.startswith("-")):
        assert f"`{option}`" in section, option


def test_every_public_name_has_its_line() -> None:
    page = text_of(REFERENCE / "python.md")
    for name in flarefree.__all__:
        assert f"\n## ff.{name}\n" in page, name
    for module in ("evidence", "simulation", "stats"):
        for name in getattr(flarefree, module).__all__:
            assert f"| `ff.{module}.{name}` | " in page, name
    assert not re.search(r"\| `ff\.\w+\.\w+` \|  \|", page), "a public name without a docstring"


def test_every_code_of_a_finding_has_its_line() -> None:
    page = text_of(REFERENCE / "findings.md")
    for code in CODES:
        assert f"\n| `{code}` | " in page, code


def test_the_glossary_has_no_word_twice() -> None:
    words = re.findall(r"^\| ([^|]+?) \| ", text_of(ROOT / "GLOSSARY.md"), re.MULTILINE)
    words = [word for word in words if word not in ("word", "---")]
    assert len(words) > 50 and sorted(words) == sorted(set(words))
