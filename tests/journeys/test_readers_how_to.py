"""The how-to pages do what they say: their files are written, read, and give the printed answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flarefree.cli.check import render_findings_text
from flarefree.readers import read_study
from flarefree.readers.maps import known_names
from flarefree.records.tables import TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILE = re.compile(r"^`([a-z_]+\.(?:csv|yaml))`[^\n]*:\n\n```\w+\n(.*?)```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def three_patients(tmp_path: Path) -> Path:
    page = (DOCS / "how-to" / "read-your-data.md").read_text(encoding="utf-8")
    files = FILE.findall(page)
    assert [name for name, _ in files] == ["patients.csv", "visits.csv", "deaths_and_drugs.csv", "study.yaml"]
    for name, content in files:
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_the_study_of_three_patients_is_read_as_the_page_says(three_patients: Path) -> None:
    study = read_study(three_patients)
    assert study["subjects"].select("subject", "arm", "sex").rows() == [
        ("017-004", "MMF", "F"),
        ("017-005", "AZA", "F"),
        ("018-001", "MMF", "M"),
    ]
    values = study["observations"].select("subject", "measure", "value", "day").rows()
    # 71 umol/L is 71 / 88.4 mg/dL; 132.4 mg/mmol is 132.4 x 8.84 / 1000 mg/mg
    assert values[0] == ("017-004", "creatinine", pytest.approx(0.803, abs=5e-4), 1)
    assert values[1] == ("017-004", "upcr", pytest.approx(1.170, abs=5e-4), 1)
    assert ("017-004", "red_cells", 7.5, 92) in values
    assert study["medications"].select("start_text", "start_day").rows() == [("2009-08", 151)]


def test_the_check_page_prints_what_check_prints(three_patients: Path) -> None:
    page = (DOCS / "how-to" / "check-a-study.md").read_text(encoding="utf-8").splitlines()
    printed = render_findings_text(read_study(three_patients)).splitlines()
    # Which covariates these patients lack is the built-in protocol's affair.
    lines = [line for line in printed if not line.startswith("      expected columns")]
    assert len(lines) > 20
    assert [line for line in lines if line not in page] == []


@pytest.mark.parametrize("table", TABLES)
def test_the_reference_lists_every_column_that_a_map_may_name(table: str) -> None:
    page = (DOCS / "reference" / "study-folder.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith(f"| `{table}` |")]
    listed = re.findall(r"`(\w+)`", line)[1:]
    assert listed == list(known_names(table))


def test_every_key_of_study_yaml_is_on_its_page() -> None:
    from flarefree.readers.study_yaml import _FILE_KEYS, _STUDY_KEYS

    page = (DOCS / "reference" / "study-folder.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page or f"{key}:" in page for key in (*_FILE_KEYS, *_STUDY_KEYS))
