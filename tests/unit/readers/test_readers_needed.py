"""Data that are missing as a whole: measures that no row gives, files without rows, no patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from conftest import PROTOCOL
from flarefree.endpoints.derive import derive
from flarefree.errors import StudyError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol, parse_protocol
from flarefree.readers import from_frames, read_study
from flarefree.readers.needed import measures_needed
from flarefree.records.findings import Finding
from flarefree.records.study import Study

Make = Callable[..., Path]
ENDPOINTS = """\
endpoints:
  death: {label: Death, when: death}
  flare: {label: Flare, when: "proteinuria >= 1 g/day and not (cellular_casts is known and cellular_casts)"}
  doubling: {label: Doubling, when: creatinine >= 2 * baseline(creatinine)}
"""
NEEDING = PROTOCOL.replace("endpoints:\n  death: {label: Death, when: death}\n", ENDPOINTS)
DM = pl.DataFrame({"USUBJID": ["Ana", "Bea"], "RFSTDTC": ["2014-03-01", "2014-03-02"], "ARM": ["MMF", "AZA"]})
LB = pl.DataFrame({
    "USUBJID": ["Ana"], "LBTESTCD": ["CREAT"], "LBORRES": ["1"], "LBORRESU": ["mg/dL"],
    "LBDTC": ["2014-03-01"],
})  # fmt: skip


@pytest.fixture
def needing() -> LoadedProtocol:
    return parse_protocol(NEEDING, "needing.yaml")


def found(study: Study, code: str) -> list[Finding]:
    return [finding for finding in study.findings if finding.code == code]


def test_measures_of_sentences_are_needed_but_those_that_may_be_unknown(needing: LoadedProtocol) -> None:
    assert measures_needed(needing.spec) == {"creatinine": ("doubling",), "proteinuria": ("flare",)}


def test_an_equation_needs_creatinine() -> None:
    needed = measures_needed(load_protocol("alms-maintenance").spec)
    assert "egfr" not in needed
    assert "baseline_egfr" in needed["creatinine"]


def test_a_measure_that_no_row_gives_is_a_warning(needing: LoadedProtocol) -> None:
    (finding,) = found(from_frames({"dm": DM, "lb": LB}, needing), "missing-measure")
    assert finding.severity == "warning"
    assert (finding.found, finding.expected) == ("no proteinuria", "PROT24H, for flare")


def test_a_result_that_cannot_be_used_does_not_give_its_measure(needing: LoadedProtocol) -> None:
    study = from_frames({"dm": DM, "lb": LB.with_columns(LBORRESU=pl.lit("furlong"))}, needing)
    assert len(found(study, "missing-measure")) == 2


def test_without_laboratory_rows_every_needed_measure_is_told(needing: LoadedProtocol) -> None:
    assert len(found(from_frames({"dm": DM}, needing), "missing-measure")) == 2
    study = from_frames({"dm": DM, "lb": LB.clear()}, needing)
    assert len(found(study, "missing-measure")) == 2
    (empty,) = found(study, "empty-file")
    assert (empty.severity, empty.file, empty.expected) == ("warning", "lb", "rows of observations")


def test_nobody_need_have_had_a_procedure(needing: LoadedProtocol) -> None:
    pr = pl.DataFrame(schema={"USUBJID": pl.String, "PRTRT": pl.String, "PRSTDTC": pl.String})
    assert not found(from_frames({"dm": DM, "lb": LB, "pr": pr}, needing), "empty-file")


@pytest.mark.parametrize("patients", [{}, {"dm": DM.clear()}])
def test_nothing_is_derived_of_patients_whom_no_file_tells_of(
    needing: LoadedProtocol, patients: dict[str, pl.DataFrame]
) -> None:
    study = from_frames({**patients, "lb": LB}, needing)
    with pytest.raises(StudyError, match="no file tells who the patients are"):
        derive(study, needing)


def test_an_undated_decision_is_told_with_its_file(study_folder: Make) -> None:
    yaml = (
        "protocol: reading-trial.yaml\nfiles:\n"
        "  - {file: patients.csv, table: subjects, columns: {subject: patno, arm: group,\n"
        "     randomization_date: rand}}\n"
        "  - {file: labs.csv, table: observations, columns: {subject: id, test: test, value: result,\n"
        "     unit: unit, date: taken}}\n"
        "  - {file: said.csv, table: decisions, columns: {subject: subject, endpoint: endpoint,\n"
        "     reader: reader, is_confirmed: yes, event_date: day}}\n"
    )
    said = "subject,endpoint,reader,yes,day\nBea,doubling,committee,N,2014-04-01\nAna,doubling,committee,Y,\n"
    folder = study_folder("Ana,CREAT,,1,mg/dL,2014-03-01,\n", yaml=yaml, said__csv=said)
    adjudicated = NEEDING.replace("label: Doubling,", "label: Doubling, adjudicated: true,")
    (folder / "reading-trial.yaml").write_text(adjudicated, encoding="utf-8")
    findings = derive(read_study(folder)).findings
    (undated,) = [finding for finding in findings if finding.code == "undated-decision"]
    assert (undated.file, undated.row, undated.subject) == ("said.csv", 2, "Ana")


# Numbers that nobody can mean ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1e300, -1e300, 1e-300, float("inf")])
def test_impossible_numbers_are_refused_alike_as_text_and_as_numbers(
    needing: LoadedProtocol, number: float
) -> None:
    for column in (pl.lit(number), pl.lit(str(number))):
        study = from_frames({"dm": DM, "lb": LB.with_columns(LBORRES=column)}, needing)
        assert study["observations"]["value"].to_list() == [None]
        errors = [f for f in study.findings if f.code in ("unreadable-number", "unreadable-result")]
        assert [(f.severity, f.row) for f in errors] == [("error", 1)]
        ex = pl.DataFrame({"USUBJID": ["Ana"], "EXTRT": ["MMF"], "EXSTDTC": ["2014-03-01"]})
        study = from_frames({"dm": DM, "ex": ex.with_columns(EXDOSE=column)}, needing)
        assert study["exposures"]["dose"].to_list() == [None]
        assert [f.row for f in found(study, "unreadable-number")] == [1]
        weights = from_frames({"dm": DM.with_columns(WEIGHTBL=column)}, needing)
        assert weights["subjects"]["weight_kg"].to_list() == [None, None]
        assert len(found(weights, "unreadable-number")) == 2
