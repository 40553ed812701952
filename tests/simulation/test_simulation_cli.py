"""`flarefree simulate` as a designer meets it: table, JSON, files, settings, and clear refusals."""

from __future__ import annotations

import json

import polars as pl
import pytest

from flarefree.cli.app import run


def called(capsys, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["simulate", *words])
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


SMALL = ("alms-maintenance", "--trials", "24", "--set", "n=30", "--seed", "5", "--workers", "1")


def test_the_table_names_virtual_patients_power_and_how_it_was_computed(capsys) -> None:
    code, out, _ = called(capsys, *SMALL, "--null")
    assert code == 0
    for words in (
        "Virtual patients",
        "Power",
        "Type I error",
        "Hazard ratio",
        "* treatment_failure",
        "seed: 5",
    ):
        assert words in out, words


def test_json_has_what_others_build_on(capsys) -> None:
    code, out, _ = called(capsys, *SMALL, "--null", "--looks", "0.5", "--json")
    told = json.loads(out)
    assert code == 0
    assert 0 <= told["power"] <= 1 and 0 <= told["type_one_error"] <= 1
    assert told["power_interval"][0] <= told["power"] <= told["power_interval"][1]
    own = told["definitions"][0]
    assert own["hazard_ratio"]["MMF"]["n"] + own["no_hazard_ratio"]["MMF"] == 24
    assert {"engine", "tile", "seed", "trials", "version", "parameters", "settings"} <= set(told["how"])
    assert told["how"]["settings"] == {"n": 30}
    assert len(told["looks"]["boundaries_z"]) == 2


def test_the_same_seed_prints_the_same_and_another_does_not(capsys) -> None:
    one, two = called(capsys, *SMALL, "--json")[1], called(capsys, *SMALL, "--json")[1]
    other = called(capsys, *SMALL, "--seed", "6", "--json")[1]
    assert one == two != other


def test_files_are_written(capsys, tmp_path) -> None:
    code, _, _ = called(capsys, *SMALL, "--out", str(tmp_path / "out"))
    assert code == 0
    trials = pl.read_parquet(tmp_path / "out" / "trials.parquet")
    assert trials.height == 24
    assert {"trial", "z", "log_hr", "treatment_failure_MMF"} <= set(trials.columns)
    assert json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["trials"] == 24
    assert pl.read_csv(tmp_path / "out" / "results.csv").height > 20


def test_definitions_stand_beside_the_protocol_s_own(capsys) -> None:
    code, out, _ = called(
        capsys, *SMALL, "--define", "proteinuric_flare=upcr >= 2 * baseline(upcr)", "--endpoint",
        "treatment_failure", "--endpoint", "broad_treatment_failure",
    )  # fmt: skip
    assert code == 0
    assert "Definition (endpoint), same patients" in out
    assert "protocol (treatment_failure)" in out and "proteinuric_flare (treatment_failure)" in out
    assert "broad_treatment_failure" in out


def test_an_error_in_a_new_sentence_names_it_and_no_line_of_the_protocol_s_file(capsys) -> None:
    code, _, err = called(capsys, *SMALL, "--define", "big_flare=upcr >= 3 g/day")
    assert code == 2
    assert err.startswith("LanguageError: --define big_flare endpoints.big_flare.when: mg/mg and g/day")


def test_a_new_name_is_a_new_endpoint_that_is_tested(capsys) -> None:
    code, out, _ = called(capsys, *SMALL, "--define", "big_flare=upcr >= 3 mg/mg", "--json")
    assert code == 0
    assert [d["endpoint"] for d in json.loads(out)["definitions"]] == ["treatment_failure", "big_flare"]


def test_settings_are_listed(capsys) -> None:
    code, out, _ = called(capsys, "--settings")
    assert code == 0
    assert "committee_strictness" in out and "hazard.ARM" in out and "lam_mmf" in out
    assert len(json.loads(called(capsys, "--settings", "--json")[1])) > 40


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("alms-maintenance", "--set", "hazard.MMF=-1"), "0 to 50"),
        (("alms-maintenance", "--set", "hazard.MFM=1"), "did you mean MMF?"),
        (("alms-maintenance", "--set", "visits=0"), "no visits"),
        (("alms-maintenance", "--set", "n=0"), "1 to 100000"),
        (("alms-maintenance", "--set", "dropout=200%"), "0 to 1"),
        (("alms-maintenance", "--set", "droput=0.1"), "did you mean dropout?"),
        (("alms-maintenance", "--set", "n"), "NAME=VALUE"),
        (("alms-maintenance", "--endpoint", "treatment_failur"), "did you mean treatment_failure?"),
        (("alms-maintenance", "--endpoint", "complete_remission"), "has no day"),
        (("alms-maintenance", "--define", "x"), "NAME='SENTENCE'"),
        (("alms-maintenance", "--define", "proteinuric_flare=upcr >= 2 mg/dL"), "mg/dL"),
        (("alms-maintenance", "--looks", "0.5,0.2"), "rising"),
        (("alms-maintenance", "--looks", "0.5:wang"), "obrien-fleming"),
        (("alms-maintenance", "--analysis", "logrank"), "did you mean log-rank?"),
        (("alms-maintenance", "--trials", "0"), "1 to"),
        (("alms-maintenance", "--seed", "-1"), "0 to"),
        (("alms-maintenance", "--workers", "0"), "1 or more"),
        (("alms-maintenace",), "did you mean alms-maintenance?"),
        (("cdisc-pilot",), "hazard.placebo"),
        ((), "no protocol"),
    ],
)
def test_nonsense_is_a_clear_error(capsys, words, says) -> None:
    code, out, err = called(capsys, *words)
    assert code == 2
    assert says in err and "Traceback" not in err
    assert not out
