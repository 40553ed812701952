"""An event that rests on a value which is hardly possible is shown with a word about it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import flarefree as ff
from flarefree.simulation.demo_trial import write_demo_study


def study_with_a_slip(folder: Path) -> Path:
    """A virtual trial in which one patient's ratio and protein of month 3 were written a thousandfold."""
    study = write_demo_study(folder, patients=30, seed=4)
    (study / "decisions.csv").write_text(
        "subject,endpoint,reader,is_confirmed,event_date,decided_date\n", "utf-8"
    )
    labs = pl.read_csv(study / "lb.csv", infer_schema_length=0)
    patient = labs.filter(pl.col("VISIT") == "MONTH 3").get_column("USUBJID")[0]
    slip = (
        (pl.col("USUBJID") == patient)
        & (pl.col("VISIT") == "MONTH 3")
        & pl.col("LBTESTCD").is_in(["PROTCRT", "PROTEXR"])
    )
    labs.with_columns(LBORRES=pl.when(slip).then(pl.lit("1500")).otherwise("LBORRES")).write_csv(
        study / "lb.csv"
    )
    return study


def test_a_flare_that_a_slip_of_the_pen_makes_is_told(tmp_path: Path) -> None:
    warnings = ff.analyze(study_with_a_slip(tmp_path / "s"))["renal_flare"].warnings
    told = [w for w in warnings if "hardly possible" in w]
    assert len(told) == 1
    assert "urinary protein 1500 g/day" in told[0]


def test_nothing_is_told_where_values_are_possible(tmp_path: Path) -> None:
    analysis = ff.analyze(write_demo_study(tmp_path / "s", patients=30, seed=9))
    told = [w for w in analysis["renal_flare"].warnings if "hardly possible" in w]
    flares = analysis.derivation.events.filter(pl.col("is_used") & (pl.col("endpoint") == "renal_flare"))
    assert not told or flares.height
