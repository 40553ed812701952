"""The demo's trial: chosen by a rule, recorded as real trials are, with three odd rows and no others."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import flarefree as ff
from flarefree.cli.app import run
from flarefree.endpoints.derivation import Derivation
from flarefree.simulation.demo_trial import draw_demo_trial, write_demo_study
from flarefree.simulation.study_files import study_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_study(tmp_path_factory.mktemp("demo") / "study")


@pytest.fixture(scope="module")
def derived(folder: Path) -> Derivation:
    return ff.derive(ff.read_study(folder))


def lines_of(folder: Path) -> list[str]:
    return (folder / "lb.csv").read_text("utf-8").splitlines()


def test_the_trial_is_the_one_of_the_registration_number(folder: Path) -> None:
    """NCT00377637: nobody looked for a trial with a pleasing result."""
    drawn = draw_demo_trial()
    assert drawn.trial == 377637 == int(ff.load_protocol("alms-maintenance").spec.registration[3:])
    assert drawn.seed == ff.simulation.simulating.DEFAULT_SEED
    said = (folder / "study.yaml").read_text("utf-8")
    assert "trial 377637 of seed 20110401" in said and "nobody in these files exists" in said


def test_its_only_findings_are_the_odd_rows_that_were_put_there(derived: Derivation) -> None:
    codes = sorted(f.code for f in derived.study.findings if f.severity != "note")
    assert codes == ["duplicate-row", "out-of-range", "unknown-unit"]
    assert len({f.subject for f in derived.study.findings if f.severity != "note"}) == 3


def test_the_slip_of_the_unit_makes_a_flare_that_mending_takes_away(
    folder: Path, derived: Derivation, tmp_path: Path
) -> None:
    (slip,) = (f for f in derived.study.findings if f.code == "out-of-range")
    day = derived.study["observations"].filter(row=slip.row, measure="creatinine").get_column("day")[0]
    flare = {"subject": slip.subject, "endpoint": "nephritic_flare", "day": day}
    assert derived.events.filter(**flare).height == 1

    whole = study_tables(draw_demo_trial())
    for name, table in whole.items():
        table.write_csv(tmp_path / f"{name}.csv")
    (tmp_path / "study.yaml").write_text((folder / "study.yaml").read_text("utf-8"), "utf-8")
    mended = ff.derive(ff.read_study(tmp_path))
    assert mended.events.filter(**flare).height == 0
    assert not [f for f in mended.study.findings if f.severity != "note"]
    # As written but for two units and one row more, after which that patient's rows have other numbers.
    differ = set(lines_of(folder)) ^ set(lines_of(tmp_path))
    assert {line.split(",")[2] for line in differ} <= {f.subject for f in derived.study.findings}
    assert len(lines_of(folder)) == len(lines_of(tmp_path)) + 1


def test_the_demo_is_the_engines_trial_but_for_what_was_not_recorded(derived: Derivation) -> None:
    """Nobody's primary result differs from the engine's, except that of the patient with the slip."""
    drawn = draw_demo_trial()
    times = drawn.outcomes.times["treatment_failure"]
    engine = pl.DataFrame(
        {"subject": drawn.enrolled.subjects.tolist(), "t": times.times, "e": times.is_event},
        schema_overrides={"subject": pl.String},
    )
    ours = derived.time_to_event.filter(endpoint="treatment_failure").join(engine, on="subject")
    differ = ours.filter((pl.col("time") != pl.col("t")) | (pl.col("is_event") != pl.col("e")))
    (slip,) = (f.subject for f in derived.study.findings if f.code == "out-of-range")
    assert ours.height == 227 and set(differ["subject"]) <= {slip}


def test_one_center_writes_other_units_and_one_value_in_a_hundred_is_missing(folder: Path) -> None:
    labs = pl.read_csv(folder / "lb.csv", infer_schema=False)
    si = labs.filter(pl.col("LBORRESU") == "umol/L")
    assert set(si["USUBJID"].str.slice(0, 5)) == {"GBR01"} and set(si["LBTESTCD"]) == {"CREAT"}
    visits = pl.read_csv(folder / "sv.csv", infer_schema=False)
    weights = pl.read_csv(folder / "vs.csv", infer_schema=False).height
    made = visits.filter(pl.col("VISIT").str.starts_with("MONTH")).height
    # Of 2,600 visits 26 weights are missing on average, SD 5; creatinine alone is taken after failures.
    assert 5 < made - weights < 60


def test_every_decision_is_about_something_that_was_seen(derived: Derivation) -> None:
    """No candidate for the committee is left open, and no decision is about nothing."""
    flares = derived.agreement.filter(pl.col("endpoint") == "renal_flare")
    (slip,) = (f.subject for f in derived.study.findings if f.code == "out-of-range")
    open_ones = flares.filter(pl.col("derived") & pl.col("committee").is_null() & (pl.col("subject") != slip))
    assert open_ones.height == 0
    assert flares.filter(pl.col("committee").is_not_null() & ~pl.col("derived")).height == 0
    assert flares.filter(~pl.col("committee")).height >= 5


def test_arms_share_patients_out_as_alms_did_and_two_make_a_trial(tmp_path: Path) -> None:
    assert draw_demo_trial().design.sizes == (116, 111)
    assert draw_demo_trial(patients=60).design.sizes == (31, 29)
    study = ff.read_study(write_demo_study(tmp_path / "two", patients=2))
    assert study["subjects"].get_column("arm").sort().to_list() == ["AZA", "MMF"]


# The command -----------------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["simulate", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_simulate_writes_a_study_that_analyze_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    words = (
        "multitarget-maintenance",
        "--study",
        str(folder),
        "--trial",
        "3",
        "--seed",
        "5",
        "--set",
        "n=30",
    )
    code, out, _ = told(capsys, *words)
    assert code == 0 and f"flarefree analyze {folder}" in out
    assert "trial 3 of seed 5" in (folder / "study.yaml").read_text("utf-8")
    with pytest.raises(SystemExit) as ended:
        run(["analyze", str(folder), "--out", str(tmp_path / "report"), "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["findings"]["error"] == 0
    assert "irtual patients" in (tmp_path / "report" / "report.html").read_text("utf-8")[:20_000]
    assert json.loads((tmp_path / "report" / "manifest.json").read_text("utf-8"))["study"]["virtual"]


def test_simulate_leaves_a_folder_with_other_files_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    code, _, err = told(capsys, "alms-maintenance", "--study", str(tmp_path))
    assert code == 2 and "holds other files" in err and "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_sentence_beside_a_study_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("alms-maintenance", "--study", str(tmp_path / "s"), "--define", "doubling=creatinine >= 2 mg/dL")
    code, _, err = told(capsys, *words)
    assert code == 2 and "flarefree protocols copy" in err
    assert not (tmp_path / "s").exists()
