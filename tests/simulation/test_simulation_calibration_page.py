"""The calibration page belongs to the posterior, the targets and the hold-outs of this version."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from flarefree.simulation.calibration.hold_outs import load_hold_outs
from flarefree.simulation.calibration.posterior import load_posterior
from flarefree.simulation.calibration.targets import load_targets

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "methods" / "calibration.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibration_page", ROOT / "scripts/calibration_page.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_was_made_from_what_is_shipped(script: ModuleType) -> None:
    assert script.MADE.format(digest=script.digest()) in PAGE.read_text("utf-8"), (
        "run scripts/calibration_page.py"
    )


def test_how_the_sample_was_made_and_what_it_says_of_parameters_is_on_the_page(script: ModuleType) -> None:
    text, posterior = PAGE.read_text("utf-8"), load_posterior()
    assert script.provenance(posterior) in text
    assert script.parameters(posterior) in text


def test_every_published_number_stands_on_the_page() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    for trial in load_targets().values():
        for t in trial.targets:
            value = f"{t.value:.{t.digits}f}"
            assert any(line.startswith(f"| {t.label} | {t.arm} | {value} |") for line in lines), (t.id, t.arm)
    for held in load_hold_outs().values():
        assert any(line.startswith(f"| {held.name}: ") for line in lines)


def test_the_figures_of_the_page_are_there() -> None:
    shown = re.findall(r"\(\.\./images/(calibration-[^)]+)\)", PAGE.read_text("utf-8"))
    assert len(shown) >= 3
    for name in shown:
        assert (ROOT / "docs" / "images" / name).read_text("utf-8").startswith("<svg")
