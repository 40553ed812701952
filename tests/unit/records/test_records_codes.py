"""Every finding that the program can make has its line on the page, and no other has one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from flarefree.records.codes import CODES, codes_table

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "src" / "flarefree"
PAGE = REPOSITORY / "docs" / "reference" / "findings.md"
MAKERS = {"Finding": 0, "list_rows": 1, "count_rows": 1, "list_findings": 1}


@cache
def made_findings() -> set[tuple[str, str]]:
    """(code, severity) wherever both stand in a call that makes findings."""
    made = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(
                getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", "")
            )
            if isinstance(node, ast.Call) and name in MAKERS and len(node.args) > MAKERS[name] + 1:
                code, severity = node.args[MAKERS[name] : MAKERS[name] + 2]
                if isinstance(code, ast.Constant) and isinstance(severity, ast.Attribute):
                    made.add((code.value, severity.attr.lower()))
    return made


@cache
def words_of_the_source() -> set[str]:
    return {
        node.value
        for package in ("records", "readers", "endpoints")
        for path in (SOURCE / package).rglob("*.py")
        if path.name != "codes.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_finding_made_is_explained() -> None:
    made = made_findings()
    assert len(made) > 25
    assert {code for code, _ in made} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_explained_finding_can_be_made_with_its_severity(code: str) -> None:
    assert code in words_of_the_source()
    allowed = {str(severity) for severity in CODES[code].severities}
    assert {severity for made, severity in made_findings() if made == code} <= allowed


def test_the_page_prints_the_table() -> None:
    assert codes_table() in PAGE.read_text(encoding="utf-8")
