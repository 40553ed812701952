"""Writing: fixed names, the same bytes, nothing half-done, nobody's files deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from reports_sample_content import findings, sample_content

import flarefree.reports.write as writing
from flarefree.errors import OutputError
from flarefree.readers import read_dataset_json, read_xport
from flarefree.reports import write_report
from flarefree.results import tidy

NAMES = {
    "report.html",
    "report.pdf",
    "manifest.json",
    "findings.csv",
    "results.csv",
    "ars.json",
    *(
        f"adam/{name}.{suffix}"
        for name in ("ADTTE", "ADEVENT")
        for suffix in ("parquet", "csv", "xpt", "json")
    ),
    *(
        f"figures/{name}.{suffix}"
        for name in ("participant_flow", "treatment_failure", "subgroups", "laboratory_course", "remission")
        for suffix in ("svg", "csv")
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_report(sample_content(), tmp_path_factory.mktemp("reports") / "out")


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_the_names_of_all_files_are_fixed(written):
    assert set(written.files) == NAMES == set(digests(written.folder))
    assert written.html.name == "report.html"
    assert written.pdf.exists()


def test_another_process_writes_the_same_bytes(written, tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from reports_sample_content import sample_content\n"
        "from flarefree.reports import write_report; write_report(sample_content(), Path(sys.argv[2]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    here = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", program, here, str(tmp_path / "again")], check=True, env=environment
    )
    assert digests(tmp_path / "again") == digests(written.folder)


def test_writing_is_quick(tmp_path):
    start = time.perf_counter()
    write_report(sample_content(), tmp_path / "out")
    assert time.perf_counter() - start < 5.0


def test_the_manifest_has_the_digest_of_every_other_file_and_of_what_they_came_from(written):
    manifest = json.loads((written.folder / "manifest.json").read_text("utf-8"))
    listed = {output["path"]: output["sha256"] for output in manifest["outputs"]}
    found = digests(written.folder)
    del found["manifest.json"]
    assert listed == found
    assert manifest["protocol"] == {"name": "alms-sample", "file": "alms-sample.yaml", "sha256": "ab" * 32}
    assert manifest["study"] == {"name": "sample", "virtual": True}
    assert [file["sha256"] for file in manifest["data"]["files"]] == ["cd" * 32, "ef" * 32]
    assert manifest["findings"] == len(findings())


def test_nothing_in_the_manifest_tells_of_the_machine_or_the_hour(written):
    text = (written.folder / "manifest.json").read_text("utf-8")
    assert str(written.folder) not in text
    assert "20" + time.strftime("%y") not in text.replace("sample2011", "")


def test_results_are_tidy_and_findings_complete(written):
    results = pl.read_csv(written.folder / "results.csv", infer_schema=False)
    assert results.columns == [
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
    assert results.height == tidy(sample_content().results).height
    assert pl.read_csv(written.folder / "findings.csv", infer_schema=False).height == len(findings())


def test_the_page_shows_the_very_drawing_that_is_in_the_file(written):
    page = written.html.read_text("utf-8")
    for file in (written.folder / "figures").glob("*.svg"):
        assert file.read_text("utf-8").strip() in page


def test_a_dataset_reads_equal_from_all_four_formats(written):
    folder = written.folder / "adam"
    parquet = pl.read_parquet(folder / "ADTTE.parquet")
    assert parquet.equals(sample_content().datasets["ADTTE"].frame)
    xpt = read_xport(folder / "ADTTE.xpt").frame
    assert xpt.select("USUBJID", "AVAL", "ADT").equals(parquet.select("USUBJID", "AVAL", "ADT"))
    told = read_dataset_json(folder / "ADTTE.json")
    assert told.frame.get_column("AVAL").to_list() == parquet.get_column("AVAL").to_list()
    assert pl.read_csv(folder / "ADTTE.csv").get_column("AVAL").to_list() == [274.0, 92.5]


def test_lists_become_text_and_only_the_transport_file_cuts_long_texts(written):
    folder = written.folder / "adam"
    whole = sample_content().datasets["ADEVENT"].frame.get_column("SRC")[0]
    row = pl.read_csv(folder / "ADEVENT.csv").row(0, named=True)
    assert row["ROWS"] == "lb.csv row 1; lb.csv row 2"
    assert row["SRC"] == whole
    cut = read_xport(folder / "ADEVENT.xpt").frame.get_column("SRC")[0]
    assert whole.startswith(cut)
    assert 199 <= len(cut.encode()) <= 200


# The folder ----------------------------------------------------------------------------------------


def test_an_earlier_report_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    write_report(sample_content(), out)
    fewer = replace(sample_content(), results=sample_content().results[:2])
    write_report(fewer, out)
    assert not (out / "figures" / "subgroups.svg").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    assert write_report(sample_content(), tmp_path / "out").html.exists()


@pytest.mark.parametrize("with_report", [False, True])
def test_a_folder_with_other_peoples_files_is_refused_and_untouched(tmp_path, with_report):
    out = tmp_path / "out"
    if with_report:
        write_report(sample_content(), out)
    out.mkdir(exist_ok=True)
    (out / "thesis.docx").write_text("three years of work")
    before = digests(out)
    with pytest.raises(OutputError, match="did not write") as error:
        write_report(sample_content(), out)
    assert "thesis.docx" in error.value.found
    assert digests(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_another_programs_manifest_does_not_make_a_folder_ours(tmp_path):
    (tmp_path / "manifest.json").write_text('{"program": {"name": "other"}, "outputs": []}')
    with pytest.raises(OutputError, match="did not write"):
        write_report(sample_content(), tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="is a file"):
        write_report(sample_content(), tmp_path / "out")


@pytest.mark.parametrize(
    "step", ["write_dataset", "render_ars", "render_html", "render_pdf", "render_manifest"]
)
def test_a_failure_at_any_step_leaves_nothing_that_looks_whole(tmp_path, monkeypatch, step):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk caught fire")

    monkeypatch.setattr(writing, step, fail)
    with pytest.raises(RuntimeError, match="fire"):
        write_report(sample_content(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_earlier_report(tmp_path, monkeypatch):
    write_report(sample_content(), tmp_path / "out")
    before = digests(tmp_path / "out")
    monkeypatch.setattr(
        writing, "render_pdf", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OutputError, match="cannot be written") as error:
        write_report(replace(sample_content(), study="another"), tmp_path / "out")
    assert error.value.found == "No space left on device"
    assert digests(tmp_path / "out") == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_progress_tells_every_step_in_order(tmp_path):
    told: list[tuple[str, int, int]] = []
    write_report(sample_content(), tmp_path / "out", progress=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(7))
    assert {total for _, _, total in told} == {6}


def test_names_from_outside_cannot_leave_the_folder(tmp_path):
    content = sample_content()
    figure = replace(content.results[0].figures[0], id="../../escaped")
    again = replace(content.results[0], id="again", figures=(figure,))
    hostile = replace(content, results=(replace(content.results[0], figures=(figure,)), again), datasets={})
    files = write_report(hostile, tmp_path / "out").files
    assert {f for f in files if f.endswith(".svg")} == {
        "figures/_.._escaped.svg",
        "figures/_.._escaped-2.svg",
    }
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_importing_reports_brings_in_nothing_heavy():
    heavy = ("polars", "jinja2", "typst", "matplotlib")
    program = f"import sys, flarefree.reports; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
