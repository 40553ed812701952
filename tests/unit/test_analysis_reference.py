"""The reference pages name what the code gives: every kind of analysis, statistic and dataset column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis_handmade import make_derivation, times, values
from flarefree.analysis import analyze, build_datasets
from flarefree.analysis.plan import HOMES
from flarefree.protocol import schema

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def results_page() -> str:
    return (DOCS / "results.md").read_text(encoding="utf-8")


def test_every_kind_of_analysis_has_a_home_and_its_terms_a_place_in_the_reference(results_page: str) -> None:
    kinds = {
        field.annotation.__args__[0]
        for spec in vars(schema).values()
        if isinstance(spec, type) and issubclass(spec, schema.AnalysisBase)
        for name, field in spec.model_fields.items()
        if name == "kind"
    }
    assert kinds == set(HOMES)
    headings = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^### .*$", results_page, flags=re.M))))
    assert headings == kinds


def test_every_statistic_is_explained(results_page: str) -> None:
    from test_analysis_awkward import analyzed, patient

    explained = set(re.findall(r"`(\w+)`", results_page.split("## Statistics")[1]))
    arms = ("MMF", "AZA")
    analysis = analyzed("alms-maintenance", [patient(f"p{i}", arms[i % 2]) for i in range(6)])
    small = analyze(
        make_derivation(
            "p: {kind: time_to_event, title: P, population: itt, endpoint: flare, at_months: [6]}",
            time_to_event=times("flare", {"Ada": (9, True), "Eve": (20, True)}),
        )
    )
    for found in (analysis, small):
        assert set(found.tidy().get_column("stat")) <= explained


def test_every_column_of_every_dataset_is_listed() -> None:
    page = (DOCS / "adam.md").read_text(encoding="utf-8")
    rows = values("proteinuria", {"Ada": {1: 1.0, 184: 2.0}})
    derivation = make_derivation(time_to_event=times("flare", {"Ada": (9, True)}), values=rows)
    for name, dataset in build_datasets(derivation).items():
        part = page.split(f"## {name}: ")[1].split("\n## ")[0]
        assert part.startswith(dataset.label)
        assert f"Sorted by {', '.join(dataset.keys)}." in part
        own = {"WEIGHTKG", "ITTFL", "SAFFL"}
        for column, label in dataset.labels.items():
            if column not in own:
                assert f"| `{column}` | {label} |" in part, (name, column)
