"""A reader asks why: `flarefree explain` of an event, of a non-event, and of what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from flarefree.cli.app import run
from flarefree.endpoints.derive import derive
from flarefree.readers.study_folder import read_study
from flarefree.simulation.demo_trial import write_demo_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_study(tmp_path_factory.mktemp("explain") / "trial", patients=40, seed=7)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["explain", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_an_event_leads_to_the_lines_of_the_file(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every row that the explanation names is, in the file, the patient's row with that value."""
    derived = derive(read_study(study))
    flares = derived.events.filter(pl.col("is_used") & (pl.col("endpoint") == "proteinuric_flare"))
    subject = flares.get_column("subject")[0]
    code, out, _ = told(capsys, str(study), subject, "proteinuric_flare", "--json")
    assert code == 0
    tree = json.loads(out)
    (used,) = (event for event in tree["events"] if event["is_used"])
    assert len(used["rows"]) >= 4
    for row in used["rows"]:
        line = (study / row["file"]).read_text(encoding="utf-8").splitlines()[row["row"]]
        assert subject in line and row["what"] in line and row["written"].split()[0] in line


def test_a_patient_without_the_event_is_told_why_not(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    derived = derive(read_study(study))
    quiet = derived.time_to_event.filter((pl.col("endpoint") == "doubling") & ~pl.col("is_event"))
    code, out, _ = told(capsys, str(study), quiet.get_column("subject")[0], "doubling")
    assert code == 0
    assert "No event:" in out and "Why not, at each assessment after day 1:" in out
    assert "creatinine >= 2 * baseline(creatinine) (" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nobody", "doubling"), "there is no such patient"),
        (("GBR01-001", "dubling"), "did you mean doubling"),
    ],
)
def test_what_is_not_there_is_said_without_a_traceback(
    study: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], says: str
) -> None:
    subjects = read_study(study)["subjects"].get_column("subject").to_list()
    subject, endpoint = words
    code, out, err = told(capsys, str(study), subject if subject == "nobody" else subjects[0], endpoint)
    assert code == 2 and out == ""
    assert says in err and "Traceback" not in err
