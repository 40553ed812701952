"""Whole studies: plain tables with a map, SDTM and ADaM without one, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from flarefree.errors import FlarefreeError, ReadError, StudyError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol
from flarefree.readers import from_frames, read_study, write_dataset_json, write_xport
from flarefree.records.findings import Finding
from flarefree.records.study import Study
from flarefree.records.tables import TABLES

Make = Callable[..., Path]
LAB = "Ana,CREAT,,1,mg/dL,2014-03-01,\n"


def found(study: Study, code: str) -> list[Finding]:
    return [finding for finding in study.findings if finding.code == code]


# Plain tables ----------------------------------------------------------------------------------------


def test_subjects_of_a_plain_table(study_folder: Make) -> None:
    study = read_study(study_folder(LAB))
    subjects = study["subjects"]
    assert (study.name, study.is_virtual) == ("readers", False)
    assert load_protocol(study.protocol).spec.name == "reading-trial"
    assert subjects["arm"].to_list() == ["MMF", "AZA", "MMF", "AZA", "MMF", "AZA"]
    assert subjects["arm_written"].to_list()[0] == "ARM A"
    assert subjects["sex"].unique().to_list() == ["F"]
    assert subjects["race"].to_list() == ["white", "white", "black", "black", "white", "white"]
    assert subjects["weight_kg"].to_list() == [61.5, 70.0, 55.0, 80.0, None, 49.0]
    assert subjects["induction"].to_list() == ["MMF", "CYC", "CYC", "MMF", "MMF", "MMF"]
    assert subjects["randomization_date"][0] == date(2014, 3, 1)
    assert not study.findings


def test_every_table_has_its_columns_and_types(study_folder: Make) -> None:
    study = read_study(study_folder(LAB))
    for name, schema in TABLES.items():
        assert dict(list(study[name].schema.items())[: len(schema)]) == schema


def test_sources_are_relative_and_digested(study_folder: Make) -> None:
    study = read_study(study_folder(LAB))
    assert [source.path for source in study.sources] == ["patients.csv", "labs.csv"]
    assert all(len(source.digest) == 64 for source in study.sources)
    assert [source.table for source in study.sources] == ["subjects", "observations"]


def test_ids_with_stray_blanks_or_case_are_matched_and_told(study_folder: Make) -> None:
    labs = "ana ,CREAT,,1,mg/dL,2014-03-01,\n BEA,CREAT,,1,mg/dL,2014-03-02,\nZoe,CREAT,,1,mg/dL,,\n"
    study = read_study(study_folder(labs))
    assert study["observations"]["subject"].to_list() == ["Ana", "Bea"]
    spelled = [(f.found, f.expected) for f in found(study, "subject-spelling")]
    assert spelled == [("'ana'", "'Ana'"), ("' BEA'", "'Bea'")]
    (unknown,) = found(study, "unknown-subject")
    assert (unknown.found, unknown.row, unknown.severity) == ("Zoe", 3, "error")


def test_a_subject_twice_without_arm_or_of_a_strange_arm(study_folder: Make) -> None:
    patients = (
        "patno,group,rand,site,sex,race,WEIGHTBL,ind\nAna,ARM A,2014-03-01,17,F,WHITE,60,mmf\n"
        "Ana,ARM A,2014-03-02,17,F,WHITE,60,mmf\nBea,,2014-03-02,17,F,WHITE,60,mmf\n"
        "Cleo,ARM C,2014-03-02,17,F,Martian,60,x\n"
    )
    study = read_study(study_folder(LAB, patients__csv=patients))
    assert study["subjects"]["subject"].to_list() == ["Ana", "Bea", "Cleo"]
    assert study["subjects"]["randomization_date"][0] == date(2014, 3, 2)  # the later row
    assert [f.row for f in found(study, "duplicate-subject")] == [1]
    assert [f.subject for f in found(study, "no-arm")] == ["Bea"]
    assert [(f.found, f.expected) for f in found(study, "unknown-arm")] == [
        ("ARM C", "MMF (Mycophenolate mofetil), AZA (Azathioprine)")
    ]
    assert [f.found for f in found(study, "unknown-level")] == ["Martian", "x"]
    assert [f.message for f in found(study, "empty-arm")] == ["no subject is in the arm AZA"]


WIDE = """\
protocol: reading-trial.yaml
missing: ["-9", NK]
dates: "%d.%m.%Y"
decimal: ","
files:
  - file: patients.csv
    table: subjects
    dates: "%Y-%m-%d"
    decimal: "."
    columns: {subject: patno, arm: group, randomization_date: rand}
  - file: visits.csv
    table: observations
    delimiter: ";"
    columns: {subject: pat, date: day}
    measures:
      CREAT: {column: crea, unit: umol/L}
      CASTS: cast
    values:
      CASTS: {1: granular, 2: "no"}
"""


def test_a_wide_table_with_codes_commas_and_european_dates(study_folder: Make) -> None:
    visits = "pat;day;crea;cast\nAna;01.03.2014;88,4;1\nBea;02.03.2014;-9;2\nCleo;03.03.2014;NK;NK\n"
    study = read_study(study_folder(yaml=WIDE, visits__csv=visits))
    rows = study["observations"].select("subject", "measure", "value", "day", "row").rows()
    assert rows == [
        ("Ana", "creatinine", pytest.approx(1.0), 1, 1),
        ("Ana", "cellular_casts", 1.0, 1, 1),
        ("Bea", "cellular_casts", 0.0, 1, 2),
    ]
    assert not [f for f in study.findings if f.severity == "error"]


def test_events_days_and_doses_of_plain_tables(study_folder: Make) -> None:
    yaml = """\
protocol: reading-trial.yaml
virtual: true
files:
  - {file: patients.csv, table: subjects, columns: {subject: patno, arm: group, end_day: end}}
  - file: doses.csv
    table: exposures
    columns: {subject: id, dose: mg, frequency: freq, start_day: from, end_day: to}
    constants: {drug: MMF, unit: mg}
  - file: events.csv
    table: adverse_events
    columns: {subject: id, term: term, start_day: from, is_serious: ser}
"""
    study = read_study(
        study_folder(
            yaml=yaml,
            patients__csv="patno,group,end\nAna,MMF,300\nFay,AZA,200\n",
            doses__csv="id,mg,freq,from,to\nAna,1000,BID,1,180\nFay,50,fortnightly,1,90\n",
            events__csv="id,term,from,ser\nAna,Nausea,12,no\nFay,Leukopenia,-2,Y\nFay,Rash,x,perhaps\n",
        )
    )
    assert study.is_virtual
    assert study["subjects"]["end_day"].to_list() == [300, 200]
    assert study["exposures"].select("drug", "daily_dose", "unit", "end_day").rows() == [
        ("MMF", 2000.0, "mg", 180),
        ("MMF", None, "mg", 90),
    ]
    assert [f.found for f in found(study, "unknown-frequency")] == ["fortnightly"]
    assert study["adverse_events"].select("start_day", "is_serious").rows() == [
        (12, False),
        (-2, True),
        (None, None),
    ]
    assert [f.found for f in found(study, "unreadable-number")] == ["x"]
    assert [f.found for f in found(study, "unreadable-yes-no")] == ["perhaps"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("table: observations", "table: observation"), "there is no table of this name"),
        (("result", "resultt"), "does not have: resultt"),
        (("value: result", "valeu: result"), "observations have no column valeu"),
        (("value: result, ", ""), "which column holds value"),
        (("file: labs.csv", "file: lab.csv"), "no such file in the study folder"),
        (("files:", "fils:"), "fils is not a key here"),
        (("    table: observations\n", ""), "but not the table"),
        (("files:", "virtual: maybe\nfiles:"), "virtual is true or false"),
        (("files:", "dates: '%Q'\nfiles:"), "no format of dates"),
        (("protocol: reading-trial.yaml", "protocol: no-such-trial"), "no-such-trial"),
        (("files:", "files: ["), ""),
    ],
)
def test_a_study_yaml_that_is_wrong_says_where(
    study_folder: Make, change: tuple[str, str], message: str
) -> None:
    folder = study_folder(LAB)
    described = folder / "study.yaml"
    described.write_text(described.read_text().replace(*change))
    with pytest.raises(FlarefreeError) as caught:
        read_study(folder)
    assert message in str(caught.value)
    assert caught.value.where


def test_a_protocol_given_goes_before_that_of_study_yaml(
    study_folder: Make, protocol: LoadedProtocol
) -> None:
    folder = study_folder(LAB)
    described = folder / "study.yaml"
    described.write_text(
        described.read_text().replace("protocol: reading-trial.yaml", "protocol: no-such-trial")
    )
    assert read_study(folder, protocol).protocol == "reading-trial.yaml"
    beside = str(folder / "reading-trial.yaml")
    assert read_study(folder, beside).protocol == beside
    assert read_study(described, protocol.spec)["observations"]["measure"].to_list() == ["creatinine"]


def test_without_a_protocol_tests_keep_their_codes_and_units(study_folder: Make) -> None:
    folder = study_folder("Ana,CREAT,,88.4,umol/L,2014-03-01,\n")
    described = folder / "study.yaml"
    yaml = described.read_text().replace("protocol: reading-trial.yaml\n", "")
    described.write_text(yaml.replace(",\n              induction: ind", ""))
    study = read_study(folder)
    assert study.protocol == ""
    observed = study["observations"].select("measure", "test", "value", "unit").rows()
    assert observed == [(None, "CREAT", 88.4, "umol/L")]
    assert study["subjects"]["arm"].to_list()[0] == "ARM A"


# SDTM and ADaM without a map -------------------------------------------------------------------------

DM = pl.DataFrame({
    "STUDYID": ["T1"] * 3,
    "DOMAIN": ["DM"] * 3,
    "USUBJID": ["Ana", "Bea", "Zoe"],
    "RFSTDTC": ["2014-03-01", "2014-03-02", ""],
    "RFENDTC": ["2015-03-01", "2014-09-02", ""],
    "ARMCD": ["ARM A", "ARM B", "SCRNFAIL"],
    "ARM": ["Mycophenolate mofetil", "Azathioprine", "Screen Failure"],
    "ACTARM": ["Mycophenolate mofetil", "Mycophenolate mofetil", "Screen Failure"],
    "AGE": [30.0, 41.0, 50.0],
    "SEX": ["F", "M", "F"],
    "RACE": ["WHITE", "BLACK", "WHITE"],
    "DTHDTC": ["", "2014-09-02", ""],
})  # fmt: skip

LB = pl.DataFrame({
    "STUDYID": ["T1"] * 3,
    "DOMAIN": ["LB"] * 3,
    "USUBJID": ["Ana", "Ana", "Bea"],
    "LBSEQ": [1.0, 2.0, 1.0],
    "LBTESTCD": ["CREAT", "URBC", "CREAT"],
    "LBORRES": ["1.0", ">100", "120"],
    "LBORRESU": ["mg/dL", "/hpf", "umol/L"],
    "LBSTRESC": ["88.4", ">100", "120"],
    "LBSTRESN": [88.4, None, 120.0],
    "LBSTRESU": ["umol/L", "/hpf", "umol/L"],
    "LBSTNRHI": [97.24, None, None],
    "LBDTC": ["2014-03-01T08:15", "2014-03", "2014-09-30"],
    "LBDY": [1.0, None, 213.0],
})  # fmt: skip


def write_sdtm(folder: Path, **datasets: pl.DataFrame) -> Path:
    (folder / "nested" / "deep").mkdir(parents=True)
    for place, (name, frame) in enumerate(datasets.items()):
        if place % 2:
            write_dataset_json(frame, folder / "nested" / f"{name}.ndjson", name=name.upper())
        else:
            write_xport(frame, folder / "nested" / "deep" / f"{name}.xpt", name=name.upper())
    return folder


def test_sdtm_in_nested_folders_needs_no_map(tmp_path: Path, protocol: LoadedProtocol) -> None:
    study = read_study(write_sdtm(tmp_path, dm=DM, lb=LB), protocol)
    assert study.name == "T1"
    subjects = study["subjects"]
    assert subjects["arm"].to_list() == ["MMF", "AZA", None]
    assert subjects["actual_arm"].to_list() == ["MMF", "MMF", None]
    assert subjects["is_screen_failure"].to_list() == [False, False, True]
    assert subjects["end_day"].to_list() == [366, 185, None]
    assert subjects["death_day"].to_list() == [None, 185, None]
    creatinine, cells, late = study["observations"].to_dicts()
    assert (creatinine["value"], creatinine["upper_limit"]) == (pytest.approx(1.0), pytest.approx(1.1))
    assert (creatinine["original_value"], creatinine["original_unit"]) == ("1.0", "mg/dL")
    assert (cells["value"], cells["text"], cells["day"]) == (pytest.approx(100), ">100", 1)
    assert (late["domain"], late["sequence"]) == ("LB", 1)
    assert [(f.row, f.severity) for f in found(study, "day-one")] == [(1, "note")]
    assert [(f.row, f.subject, f.expected) for f in found(study, "after-death")] == [
        (3, "Bea", "2014-09-02 or earlier")
    ]


def test_the_standard_result_is_taken_where_its_unit_is_understood(protocol: LoadedProtocol) -> None:
    """Bea's standard unit is nonsense, so her result is taken as collected."""
    lb = LB.with_columns(
        LBSTRESU=pl.Series(["umol/L", "/hpf", "furlong"]), LBORRES=pl.Series(["1.0", ">100", "176.8"])
    )
    study = from_frames({"dm": DM, "lb": lb}, protocol)
    assert study["observations"]["value"].to_list()[2] == pytest.approx(2.0)
    assert not found(study, "unknown-unit")


def test_a_study_day_that_is_not_that_of_its_date(protocol: LoadedProtocol) -> None:
    study = from_frames({"dm": DM, "lb": LB.with_columns(LBDY=pl.Series([2.0, 99.0, 213.0]))}, protocol)
    (finding,) = found(study, "day-differs")
    assert (finding.row, finding.count, finding.found, finding.expected) == (1, 1, "2", "1")
    assert study["observations"]["day"].to_list() == [1, 1, 213]


def test_a_split_domain_counts_each_record_once(protocol: LoadedProtocol) -> None:
    split = LB.slice(1).with_columns(LBSTRESN=pl.Series([None, 150.0]))
    study = from_frames({"dm": DM, "lb": LB, "lbxx": split}, protocol)
    assert study["observations"].height == 3
    assert found(study, "repeated-record")[0].count == 2
    (finding,) = found(study, "contradictory-rows")
    assert (finding.file, finding.row) == ("lbxx", 2)


def adam(test: str, label: str, value: float, **more: object) -> pl.DataFrame:
    row = {
        "STUDYID": "T1",
        "USUBJID": "Ana",
        "PARAMCD": test,
        "PARAM": label,
        "AVAL": value,
        "ADT": date(2014, 3, 1),
    }
    return pl.DataFrame([{**row, "AVISIT": "Month 0", "DTYPE": "LOCF", "ANL01FL": "Y", **more}])


def test_sdtm_goes_before_adam_measure_by_measure(protocol: LoadedProtocol) -> None:
    """Creatinine is in LB; the score is in ADaM alone, with its analysis visit and derivation."""
    frames = {
        "dm": DM,
        "lb": LB,
        "adlb": adam("CREAT", "Creatinine (umol/L)", 99.0, TRTSDT=date(2024, 3, 1)),
        "adqs": pl.concat([adam("MMSE", "A score", 23.0), adam("OTHER", "Another", 1.0)]),
    }
    study = from_frames(frames, protocol)
    assert study["observations"]["measure"].to_list() == ["creatinine", "red_cells", "creatinine", "mmse"]
    score = study["observations"].to_dicts()[-1]
    assert (score["value"], score["analysis_visit"], score["derivation"]) == (23.0, "Month 0", "LOCF")
    assert score["is_analysis_record"] and score["domain"] is None
    assert [(f.file, f.found) for f in found(study, "not-used")] == [("adlb", "CREAT"), ("adqs", "OTHER")]


def test_adam_alone_is_enough_and_its_label_names_the_unit(protocol: LoadedProtocol) -> None:
    adsl = pl.DataFrame({
        "USUBJID": ["Ana"], "TRT01P": ["ARM A"], "RANDDT": [date(2014, 2, 27)], "TRTSDT": [date(2014, 3, 1)],
        "EOSDT": [date(2014, 12, 1)], "AGE": [30.0], "WEIGHTBL": [61.0],
    })  # fmt: skip
    study = from_frames({"adsl": adsl, "adlb": adam("CREAT", "Creatinine (umol/L)", 88.4)}, protocol)
    row = study["observations"].to_dicts()[0]
    assert (row["value"], row["day"], row["original_unit"]) == (pytest.approx(1.0), 3, "umol/L")
    subject = study["subjects"].to_dicts()[0]
    assert (subject["first_dose_day"], subject["end_day"], subject["weight_kg"]) == (3, 278, 61.0)
    assert not found(study, "day-one")


def ae(dataset: str, subjects: list[str], sequences: list[float], terms: list[str]) -> pl.DataFrame:
    n = len(subjects)
    common = {"USUBJID": subjects, "AESEQ": sequences, "AEDECOD": terms, "AETERM": terms, "AESER": ["N"] * n}
    if dataset == "AE":
        return pl.DataFrame(
            {"DOMAIN": ["AE"] * n, **common, "AESTDTC": ["2014-04"] * n, "AEENDTC": ["2014-03-15"] * n}
        )
    return pl.DataFrame({**common, "ASTDT": [date(2014, 5, 1)] * n, "ASTDTF": ["D"] * n})


def test_adverse_events_of_adam_that_sdtm_lacks(protocol: LoadedProtocol) -> None:
    """By subject and sequence; a day that ADaM imputed is taken back."""
    frames = {
        "dm": DM,
        "ae": ae("AE", ["Ana", "Bea"], [1.0, 1.0], ["NAUSEA", "RASH"]),
        "adae": ae("ADAE", ["Ana", "Ana", "Bea"], [1.0, 2.0, 1.0], ["NAUSEA", "COUGH", "RASH"]),
    }
    study = from_frames(frames, protocol)
    events = study["adverse_events"].select("subject", "term", "start_text", "start_date").rows()
    assert events == [
        ("Ana", "NAUSEA", "2014-04", date(2014, 4, 1)),
        ("Bea", "RASH", "2014-04", date(2014, 4, 1)),
        ("Ana", "COUGH", "2014-05", date(2014, 5, 1)),
    ]
    (finding,) = found(study, "only-in-analysis-data")
    assert (finding.count, finding.row, finding.severity) == (1, 2, "note")
    assert [f.subject for f in found(study, "end-before-start")] == ["Ana", "Bea"]


def test_a_protocol_may_take_a_table_from_one_standard(protocol: LoadedProtocol) -> None:
    from flarefree.protocol.schema import SourcePreference

    frames = {
        "dm": DM,
        "ae": ae("AE", ["Ana"], [1.0], ["NAUSEA"]),
        "adae": ae("ADAE", ["Ana"], [2.0], ["COUGH"]),
    }
    for use, terms in (("sdtm", ["NAUSEA"]), ("adam", ["COUGH"]), ("sdtm_then_adam", ["NAUSEA", "COUGH"])):
        preference = SourcePreference(table="adverse_events", use=use)  # type: ignore[arg-type]
        spec = protocol.spec.model_copy(update={"sources": (preference,)})
        study = from_frames(frames, spec)
        assert study["adverse_events"]["term"].to_list() == terms
        assert len(found(study, "not-used")) == (use != "sdtm_then_adam")


def test_covariates_from_supplements_and_characteristics(protocol: LoadedProtocol) -> None:
    supplement = pl.DataFrame({
        "RDOMAIN": ["DM"] * 2, "USUBJID": ["Ana", "Bea"], "QNAM": ["INDUCTION"] * 2, "QVAL": ["mmf", "IVC"],
    })  # fmt: skip
    characteristics = pl.DataFrame({
        "DOMAIN": ["SC"], "USUBJID": ["Ana"], "SCTESTCD": ["WEIGHTBL"], "SCORRES": ["62"], "SCSTRESC": ["62"],
    })  # fmt: skip
    study = from_frames({"dm": DM, "suppdm": supplement, "sc": characteristics}, protocol)
    assert study["subjects"].select("induction", "weight_kg").rows() == [
        ("MMF", 62.0),
        ("CYC", None),
        (None, None),
    ]


def test_a_covariate_that_no_file_holds_is_told(protocol: LoadedProtocol) -> None:
    study = from_frames({"dm": DM}, protocol)
    (finding,) = found(study, "missing-covariate")
    assert finding.expected == "columns WEIGHTBL, induction"
    assert study["subjects"]["induction"].null_count() == 3


def test_the_same_table_in_two_formats_is_read_once(tmp_path: Path, protocol: LoadedProtocol) -> None:
    write_xport(DM, tmp_path / "dm.xpt", name="DM")
    write_xport(LB, tmp_path / "lb.xpt", name="LB")
    write_dataset_json(LB, tmp_path / "lb.json", name="LB")
    study = read_study(tmp_path, protocol)
    assert study["observations"].height == 3
    assert [f.message for f in found(study, "file-not-read")] == ["not read: the same table as lb.json"]


def test_a_table_without_subjects_of_its_own(protocol: LoadedProtocol) -> None:
    study = from_frames({"lb": LB}, protocol)
    assert study["subjects"]["subject"].to_list() == ["Ana", "Bea"]
    assert [f.severity for f in found(study, "no-subjects")] == ["error"]


# Frames in Python ------------------------------------------------------------------------------------


def test_frames_with_our_columns_and_of_pandas(protocol: LoadedProtocol) -> None:
    frames: dict[str, object] = {
        "subjects": pd.DataFrame({"subject": ["Ana"], "arm": ["MMF"], "induction": ["CYC"]}),
        "observations": pl.DataFrame({
            "subject": ["Ana"], "measure": ["creatinine"], "value": [1.5], "unit": ["mg/dL"], "day": [1],
        }),
    }  # fmt: skip
    study = from_frames(frames, protocol, name="virtual", is_virtual=True)
    assert study["observations"].select("measure", "value", "day").rows() == [("creatinine", 1.5, 1)]
    assert study["subjects"].select("arm", "induction").rows() == [("MMF", "CYC")]
    assert study.place(1, 1) == "observations row 1"
    assert study.is_virtual and study.name == "virtual"


def test_frames_that_are_none(protocol: LoadedProtocol) -> None:
    with pytest.raises(StudyError, match="no frame"):
        from_frames({"subjects": [1, 2]}, protocol)
    with pytest.raises(StudyError, match="no dataset"):
        from_frames({"things": pl.DataFrame({"a": [1]})}, protocol)


# What cannot be read ---------------------------------------------------------------------------------


def test_folders_that_hold_no_study(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file or folder"):
        read_study(tmp_path / "none")
    with pytest.raises(StudyError, match="no data files"):
        read_study(tmp_path)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="no file holds data"):
        read_study(tmp_path)
    (tmp_path / "readme.txt").write_text("words")
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(StudyError, match="no file holds data"):
        read_study(tmp_path)


def test_one_file_alone(tmp_path: Path, protocol: LoadedProtocol) -> None:
    write_xport(LB, tmp_path / "lb.xpt", name="LB")
    assert read_study(tmp_path / "lb.xpt", protocol)["observations"].height == 3
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="no file holds data"):
        read_study(tmp_path / "notes.csv", protocol)


def test_a_dataset_without_its_subject_or_test(protocol: LoadedProtocol) -> None:
    with pytest.raises(StudyError, match="cannot do without") as caught:
        from_frames({"dm": DM, "lb": LB.drop("LBTESTCD")}, protocol)
    assert caught.value.expected == "LBTESTCD"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "lb.xpt",
            b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000000000000000000000000000  " + b" " * 100,
        ),
        ("lb.csv", b"USUBJID;LBTESTCD\nAna;CREAT\n"),
        ("lb.csv", b""),
        ("lb.parquet", b"PAR1 and nothing else"),
        ("lb.csv.gz", b"\x1f\x8b\x08\x00nothing"),
        ("lb.ndjson", b'{"datasetJSONVersion": "1.1.0"'),
    ],
)
def test_a_broken_file_in_a_folder_stops_reading(tmp_path: Path, name: str, content: bytes) -> None:
    write_xport(DM, tmp_path / "dm.xpt", name="DM")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read_study(tmp_path)
    assert caught.value.where.startswith(name)
    assert caught.value.exit_code == 2


def test_reports_of_flarefree_are_not_read_again(tmp_path: Path, protocol: LoadedProtocol) -> None:
    write_xport(DM, tmp_path / "dm.xpt", name="DM")
    (tmp_path / "report" / "adam").mkdir(parents=True)
    (tmp_path / "report" / "manifest.json").write_text("{}")
    write_xport(DM, tmp_path / "report" / "adam" / "dm2.xpt", name="DM2")
    assert [source.path for source in read_study(tmp_path, protocol).sources] == ["dm.xpt"]


def test_two_studies_in_one_folder_are_told(protocol: LoadedProtocol) -> None:
    study = from_frames({"dm": DM, "lb": LB}, protocol)
    assert not found(study, "several-studies")


def test_reading_twice_gives_the_same(tmp_path: Path, protocol: LoadedProtocol) -> None:
    folder = write_sdtm(tmp_path, dm=DM, lb=LB, ae=ae("AE", ["Ana"], [1.0], ["NAUSEA"]))
    first, second = read_study(folder, protocol), read_study(folder, protocol)
    assert first.findings == second.findings
    assert first.sources == second.sources
    assert all(first[name].equals(second[name]) for name in TABLES)


def test_columns_that_differ_in_case_alone_are_told(protocol: LoadedProtocol) -> None:
    study = from_frames({"dm": DM, "lb": LB.with_columns(lbtestcd=pl.lit("OTHER"))}, protocol)
    (finding,) = found(study, "same-column")
    assert (finding.severity, finding.file, finding.found) == ("warning", "lb", "LBTESTCD, lbtestcd")
