"""A measure taken in nobody makes an answer unknown: a count of 0 is not shown as one."""

from __future__ import annotations

from pathlib import Path

import pytest

import flarefree as ff
from flarefree.analysis.run import Analysis
from flarefree.simulation.demo_trial import write_demo_study


def analysis_without(folder: Path, *tests: str) -> Analysis:
    """A virtual trial whose laboratory file lacks these tests."""
    study = write_demo_study(folder, patients=40, seed=3)
    lines = (study / "lb.csv").read_text("utf-8").splitlines(keepends=True)
    (study / "lb.csv").write_text("".join(x for x in lines if not any(f",{t}," in x for t in tests)), "utf-8")
    return ff.analyze(study)


@pytest.fixture(scope="module")
def without_dipstick(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return analysis_without(tmp_path_factory.mktemp("no-dipstick") / "s", "OCCBLD")


def test_a_remission_that_cannot_be_known_is_no_remission_of_nobody(without_dipstick: Analysis) -> None:
    """Without a dipstick hematuria can be present but never absent, and remission false but never true."""
    result = without_dipstick["remission_by_visit"]
    assert result.status == "not_computable"
    assert "nobody has a value of dipstick for blood" in result.reason
    row = next(r for r in without_dipstick["remission"].tables[0].rows if r.endpoint == "remission_reached")
    assert not row.cells


def test_what_can_still_be_found_is_shown_with_a_warning(without_dipstick: Analysis) -> None:
    primary = without_dipstick["primary"]
    assert primary.status == "computed"
    assert any("dipstick for blood" in warning for warning in primary.warnings)


def test_nothing_is_said_where_every_measure_was_taken(tmp_path: Path) -> None:
    whole = ff.analyze(write_demo_study(tmp_path / "s", patients=40, seed=3))
    assert not [w for result in whole.results for w in result.warnings if w.startswith("Nobody has a value")]


def test_patients_of_data_that_tell_only_the_planned_arm_are_counted_in_it(tmp_path: Path) -> None:
    study = write_demo_study(tmp_path / "s", patients=40, seed=3)
    rows = [line.split(",") for line in (study / "dm.csv").read_text("utf-8").splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if not name.startswith("ACTARM")]
    (study / "dm.csv").write_text("\n".join(",".join(row[i] for i in kept) for row in rows) + "\n", "utf-8")
    populations = ff.analyze(study)["populations"].tables[0]
    safety = next(row for row in populations.rows if row.term == "safety")
    assert all(safety.cells[arm].stats["n"] for arm in ("MMF", "AZA"))
