"""Visits under names that the schedule does not know are placed by their days."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import flarefree as ff
from flarefree.simulation.demo_trial import write_demo_study


def renamed(folder: Path, old: str, new: str) -> Path:
    """A virtual study whose visits are called otherwise, in every file, and have no numbers."""
    study = write_demo_study(folder, patients=12, seed=8)
    for name in ("lb.csv", "vs.csv", "qs.csv", "sv.csv"):
        frame = pl.read_csv(study / name, infer_schema_length=0).drop("VISITNUM")
        frame.with_columns(pl.col("VISIT").str.replace(old, new)).write_csv(study / name)
    return study


def test_courses_are_the_same_under_other_names(tmp_path: Path) -> None:
    known, unknown = (ff.read_study(renamed(tmp_path / n, "MONTH", n)) for n in ("MONTH", "M"))
    first, second = (ff.analyze(study)["remission_by_visit"].tables[0] for study in (known, unknown))
    assert [row.label for row in second.rows] == [row.label for row in first.rows]
    found = [f for f in unknown.findings if f.code == "no-visit-known"]
    assert found and "M 0, M 1" in found[0].found
    assert not [f for f in known.findings if f.code == "no-visit-known"]


def test_one_known_name_is_enough_to_believe_the_others(tmp_path: Path) -> None:
    """Then a visit of another name is an unscheduled one, and stays out of tables by visit."""
    study = ff.read_study(renamed(tmp_path / "s", "MONTH 3$", "EXTRA"))
    values = ff.derive(study).values
    assert values.filter(pl.col("visit") == "Month 6").height
    assert not values.filter(pl.col("visit") == "Month 3").height
    assert not [f for f in study.findings if f.code == "no-visit-known"]
