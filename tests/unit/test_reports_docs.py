"""The reference pages name every display, every kind of figure and every file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from flarefree.results import Display, FigureKind

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


@pytest.mark.parametrize("display", get_args(Display))
def test_every_display_is_explained(display):
    assert f"`{display}`" in page("report.md")


@pytest.mark.parametrize("kind", get_args(FigureKind))
def test_every_kind_of_figure_has_a_section(kind):
    assert re.search(rf"^## {kind}$", page("figures.md"), re.M)


@pytest.mark.parametrize(
    "name",
    [
        "report.html",
        "report.pdf",
        "manifest.json",
        "results.csv",
        "ars.json",
        "findings.csv",
        "figures/NAME.svg",
    ],
)
def test_every_file_of_the_folder_is_listed(name):
    assert f"`{name}`" in page("report.md")


@pytest.mark.parametrize("name", ["report.md", "figures.md", "ars.md", "manifest.md"])
def test_links_between_pages_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+\.md)", page(name)):
        assert (REFERENCE / target).resolve().exists(), target
