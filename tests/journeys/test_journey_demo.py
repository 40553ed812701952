"""A newcomer runs the demo: one command, and a report that says that its patients are virtual."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def flarefree(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flarefree", *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "report"
    done = flarefree("demo", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    return out


def test_the_demo_writes_every_file_under_its_fixed_name(report: Path) -> None:
    for name in ("report.html", "report.pdf", "manifest.json", "findings.csv", "results.csv", "ars.json"):
        assert (report / name).stat().st_size > 0, name
    for dataset in ("ADSL", "ADLB", "ADTTE", "ADAE", "ADEVENT"):
        for ending in ("parquet", "csv", "xpt", "json"):
            assert (report / "adam" / f"{dataset}.{ending}").is_file(), (dataset, ending)
    drawn = {p.stem for p in (report / "figures").glob("*.svg")}
    assert drawn and drawn == {p.stem for p in (report / "figures").glob("*.csv")}


def test_every_page_of_the_demo_says_that_its_patients_are_virtual(report: Path) -> None:
    assert "virtual" in (report / "report.html").read_text(encoding="utf-8")[:20_000].lower()
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler) is not installed: the page was read, the paper was not")
    pages = subprocess.run(
        ["pdftotext", "-layout", str(report / "report.pdf"), "-"], capture_output=True, text=True, check=True
    )
    assert all("virtual" in page.lower() for page in pages.stdout.split("\f") if page.strip())


def test_results_are_one_statistic_a_row(report: Path) -> None:
    with (report / "results.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = [
        "analysis",
        "endpoint",
        "population",
        "group",
        "level",
        "term",
        "stat",
        "value",
        "unit",
        "method",
    ]
    assert list(rows[0]) == columns
    failures = {
        r["group"]: r["value"]
        for r in rows
        if r["endpoint"] == "treatment_failure"
        and r["term"] == "events"
        and r["stat"] == "n"
        and r["group"] in ("MMF", "AZA")
    }
    assert set(failures) == {"MMF", "AZA"}


def test_the_manifest_has_the_digest_of_every_output(report: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    text = json.dumps(manifest)
    for path in sorted(report.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            assert hashlib.sha256(path.read_bytes()).hexdigest() in text, path


def test_two_runs_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert flarefree("demo", "--out", again).returncode == 0
    first = {p.relative_to(report): p.read_bytes() for p in sorted(report.rglob("*")) if p.is_file()}
    second = {p.relative_to(again): p.read_bytes() for p in sorted(again.rglob("*")) if p.is_file()}
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []
