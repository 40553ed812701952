"""A registry in parts gives what one derivation gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from flarefree.endpoints.derive import derive
from flarefree.endpoints.registry import derive_registry
from flarefree.errors import ReadError
from flarefree.protocol.loading import load_protocol
from flarefree.records.study import Study
from patients_on_paper import Paper

ALMS = load_protocol("alms-maintenance")


@pytest.fixture(scope="module")
def study() -> Study:
    paper = Paper(protocol="alms-maintenance")
    for i in range(23):
        p = paper.patient(f"P{i:02d}", end=300 + i)
        p.at(1, 0, upcr=0.6, proteinuria=0.5, creatinine=0.8 + i / 100)
        if i % 3:
            p.at(92, 3, upcr=1.3, proteinuria=1.1, creatinine=1.7 + i / 50).at(
                184, 6, upcr=0.5, creatinine=1.9
            )
        if i % 5 == 0:
            p.decided("committee", "renal_flare", i % 2 == 0, 100)
        if i % 7 == 0:
            p.begins("Rituximab", 40 + i, "Lupus nephritis").leaves(290)
    paper.patient("Unseen", end=10)
    return paper.study()


@pytest.mark.parametrize("part_rows", [7, 40, 10_000])
@pytest.mark.parametrize("workers", [1, 3])
def test_parts_give_what_the_whole_gives(study: Study, tmp_path: Path, part_rows: int, workers: int) -> None:
    path = tmp_path / "labs.parquet"
    study["observations"].write_parquet(path, row_group_size=16)
    without = Study(study.name, tables={k: v for k, v in study.tables.items() if k != "observations"})
    events, times = derive_registry(path, without, ALMS, part_rows=part_rows, workers=workers)
    whole = derive(study, ALMS)
    assert events.equals(whole.events)
    assert times.equals(whole.time_to_event)
    assert times.get_column("is_event").sum() > 40


def test_a_file_that_is_not_sorted_by_patient(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "labs.parquet"
    study["observations"].sort("day").write_parquet(path)
    with pytest.raises(ReadError, match="do not follow each other"):
        derive_registry(path, study, ALMS)


def test_a_file_without_a_column(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "labs.parquet"
    study["observations"].drop("value").write_parquet(path)
    with pytest.raises(ReadError, match="columns are missing"):
        derive_registry(path, study, ALMS)


def test_a_file_without_rows(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "labs.parquet"
    study["observations"].head(0).write_parquet(path)
    events, times = derive_registry(path, study, ALMS)
    assert set(times.get_column("subject")) == set(study["subjects"].get_column("subject"))
    from_records = {"withdrawal", "rescue_immunosuppressant", "renal_flare"}
    assert set(events.get_column("endpoint")) == from_records
