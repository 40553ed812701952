"""The PDF: the same words on paper, tagged, the same bytes every time, whatever the data hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reports_sample_content import sample_content

from flarefree.reports.building import VIRTUAL_LABEL, build_document
from flarefree.reports.document import Document
from flarefree.reports.pdf import render_pdf
from flarefree.reports.pdf.coverage import BOX, printable_in_pdf
from flarefree.reports.pdf.rendering import _run_in
from flarefree.results import AnalysisResult, Cell, Column, Row, Sentence, Table


@pytest.fixture(scope="module")
def document() -> Document:
    return build_document(sample_content())


@pytest.fixture(scope="module")
def pdf(document: Document) -> bytes:
    return render_pdf(document)


def pages(pdf: bytes, folder: Path) -> list[str]:
    """The text of each page, by poppler."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler) is not installed")
    (folder / "report.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-layout", str(folder / "report.pdf"), "-"], check=True, capture_output=True
    )
    return done.stdout.decode().split("\f")[:-1]


def test_two_runs_give_the_same_bytes(document, pdf):
    assert render_pdf(document) == pdf


def test_the_file_is_tagged_for_screen_readers_and_has_no_date(pdf):
    assert pdf.startswith(b"%PDF-")
    assert b"pdfuaid" in pdf
    assert b"/Lang" in pdf
    assert b"CreationDate" not in pdf
    assert not re.search(rb"xmp:CreateDate|D:20\d\d", pdf)


def test_only_fonts_that_the_engine_carries_are_used(pdf):
    fonts = set(re.findall(rb"/FontName/[A-Z]{6}\+([A-Za-z]+)", pdf)) | set(
        re.findall(rb"/BaseFont/[A-Z]{6}\+([A-Za-z]+)", pdf)
    )
    assert fonts
    assert {name for name in fonts if not name.startswith((b"Libertinus", b"DejaVu", b"NewCM"))} == set()


def test_every_page_says_that_patients_are_virtual(pdf, tmp_path):
    found = pages(pdf, tmp_path)
    assert len(found) >= 8
    assert all(VIRTUAL_LABEL in page for page in found)
    assert f"1 of {len(found)}" in found[0]


def test_a_report_of_real_patients_does_not_say_so(tmp_path):
    found = pages(render_pdf(build_document(sample_content(is_virtual=False))), tmp_path)
    assert not any("irtual" in page for page in found)


def test_a_long_table_repeats_its_heading_on_every_page(pdf, tmp_path):
    found = pages(pdf, tmp_path)
    assert sum("Event — no. of patients (%)" in page for page in found) >= 2


def test_numbers_sentences_rows_and_findings_are_on_paper(pdf, tmp_path):
    text = "\n".join(pages(pdf, tmp_path))
    wanted = (
        "0.44 (0.25 to 0.77)",
        "99 (85.3)",
        "<0.001",
        "lb.csv row 1274: UPCR 137.0 mg/mmol",
        "alms-sample.yaml:70 endpoints.treatment_failure",
        "Not yet computed",
        "unknown-unit (35)",
        "Mycophenolate mofetil better",
    )
    assert [words for words in wanted if words not in text] == []


def test_words_are_never_taken_for_commands(tmp_path):
    attack = '#panic("x") *bold* $x^2$ <label> @ref \\ // ] [ "quote" #let d = 1'
    table = Table(
        "t",
        attack,
        (Column("a", attack),),
        (Row(attack, {"a": Cell("text", {"text": attack}, note=attack)}),),
    )
    result = AnalysisResult("a", attack, "table", "Results", tables=(table,), notes=(attack,))
    content = replace(sample_content(), results=(result,), study=attack)
    text = " ".join("\n".join(pages(render_pdf(build_document(content)), tmp_path)).split())
    assert '#panic("x") *bold* $x^2$' in text


def test_what_the_fonts_lack_is_shown_as_a_box_and_the_report_says_so(tmp_path):
    text = "\n".join(pages(render_pdf(build_document(sample_content())), tmp_path))
    assert f"{BOX}{BOX}" in text
    assert "lack some characters" in text
    without = replace(sample_content(), findings=())
    assert "lack some characters" not in "\n".join(pages(render_pdf(build_document(without)), tmp_path))


def test_covered_characters_stay_and_others_become_boxes():
    assert printable_in_pdf("≥2 µmol/l − naïve “café”\u2009‖") == "≥2 µmol/l − naïve “café”\u2009‖"
    assert printable_in_pdf("头痛 x") == f"{BOX}{BOX} x"
    assert printable_in_pdf("e\u0301") == "é"


def test_marks_that_combine_into_no_glyph_do_not_stop_the_report():
    content = replace(sample_content(), results=(), study="x\u0336\u0337\u0338 q\u0361\u0489")
    assert render_pdf(build_document(content)).startswith(b"%PDF-")


def test_a_wide_table_lies_on_its_side(tmp_path):
    cell = Cell("estimate_ci", {"estimate": 10.25, "conf_low": 1.5, "conf_high": 20.25})
    columns = tuple(Column(f"c{i}", "Hazard ratio (95% CI)", 116) for i in range(8))
    table = Table("t", "Wide", columns, (Row("A subgroup", {c.key: cell for c in columns}),))
    result = AnalysisResult("a", "Wide", "table", "Results", tables=(table,))
    pdf = render_pdf(build_document(replace(sample_content(), results=(result,))))
    assert re.search(rb"/MediaBox ?\[0 0 841\.\d+ 595\.\d+\]", pdf)


def test_rows_of_an_event_are_run_in_a_file_named_once():
    places = [f"lb.csv row {n} (line {n + 1}): UPCR {n}" for n in (12, 13)] + ["dm.xpt row 4"]
    assert _run_in(places) == ["lb.csv row 12: UPCR 12", "row 13: UPCR 13", "dm.xpt row 4"]
    assert _run_in([f"lb.csv row {n}" for n in range(20)])[-1] == "and 13 more"


def test_further_sentences_are_named_and_stand_in_the_appendix(tmp_path):
    content = sample_content()
    more = tuple(
        Sentence(f"sentence number {n}", f"alms-sample.yaml:{200 + n} endpoints.e{n}.when") for n in range(9)
    )
    results = (replace(content.results[2], sentences=more), *content.results[3:])
    text = "\n".join(pages(render_pdf(build_document(replace(content, results=results))), tmp_path))
    assert "and 6 more sentences that it rests on" in text
    assert text.count("sentence number 8") == 1
    assert text.count("sentence number 1") == 2
