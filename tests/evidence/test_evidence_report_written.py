"""The evidence report as files: links that lead somewhere, the same bytes, words escaped, pages, manifest."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import flarefree as ff
from flarefree.errors import EvidenceError, OutputError
from flarefree.evidence.reading import builtin_folder
from flarefree.reports.evidence import write_evidence_report
from flarefree.reports.evidence.building import build_evidence_document
from flarefree.reports.evidence.document import Paragraph, Part, words
from flarefree.reports.evidence.page import render_evidence_html
from flarefree.reports.evidence.paper import render_evidence_pdf
from flarefree.reports.figures import Palette

QUESTIONS = ("maintenance", "induction")
SMALL = """\
question: 1
name: small
title: A small question
ask: Which of two?
population: everybody
phase: maintenance
reference: AZA
comparators: [AZA]
interventions: [MMF]
designs: {kinds: [randomized trial], why: only these}
outcomes:
  renal_flare: {role: primary}
"""
"""Two trials, one comparison: quick to write."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("question") / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.fixture(scope="module")
def answers() -> dict[str, ff.evidence.Answer]:
    return {name: ff.evidence.answer(name) for name in QUESTIONS}


@pytest.fixture(scope="module")
def report(answers, tmp_path_factory) -> Path:
    return write_evidence_report(answers["maintenance"], tmp_path_factory.mktemp("report") / "out").folder


class Page(HTMLParser):
    """The ids, links and texts of a page, and the cells of its tables by table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.cells: dict[str, list[tuple[str, str]]] = {}
        self._table, self._in_cell, self._href, self._text = "", False, "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
            if str(given["id"]).startswith("table-"):
                self._table = str(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
            if self._in_cell:
                self._href = str(given["href"])
        if tag == "td":
            self._in_cell, self._href, self._text = True, "", ""

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            text = self._text.strip().replace("\xa0", " ")
            self.cells.setdefault(self._table, []).append((text, self._href))
            self._in_cell = False


@pytest.fixture(scope="module")
def pages(answers) -> dict[str, Page]:
    made = {}
    for name, answer in answers.items():
        made[name] = Page(render_evidence_html(build_evidence_document(answer).document, Palette()))
    return made


# Links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_link_leads_somewhere_and_ids_are_unique(pages, name: str) -> None:
    page = pages[name]
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert len(inside) > 100
    assert inside <= set(page.ids), inside - set(page.ids)


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_pooled_number_leads_to_the_studies_it_rests_on(pages, answers, name: str) -> None:
    primary = answers[name].spec.primary
    for table in (f"table-{primary}-league-1", f"table-{primary}-direct-table", f"table-{primary}-splits"):
        numbers = [(text, href) for text, href in pages[name].cells[table] if " to " in text]
        assert len(numbers) > 5, table
        shown = [cell for cell in numbers if not cell[1].startswith("#rests-")]
        # Prediction intervals stand beside an estimate that leads there.
        assert all(re.fullmatch(r"[\d.]+ to [\d.]+", text) for text, _ in shown), table


def test_a_number_walks_back_to_study_row_and_source(answers) -> None:
    """0.64 of MMF against azathioprine, to ALMS, to 15/116, to the paper's place and the base's line."""
    document = build_evidence_document(answers["maintenance"]).document
    tables = {
        block.id: block
        for section in document.sections
        for part in section.parts
        for block in part.blocks
        if getattr(block, "kind", "") == "words"
    }
    line = next(r for r in tables["rests-on-renal_flare"].rows if r.cells[0][0].text == "MMF v AZA")
    alms = next(run for run in line.cells[1] if run.text.startswith("Dooley 2011"))
    rows = tables["rows-renal_flare"].rows
    at = next(i for i, row in enumerate(rows) if row.anchor == alms.href)
    cells = ["".join(run.text for run in cell) for cell in rows[at].cells]
    assert cells[2] == "15/116" and "dooley2011, Results, Study end points" in cells[6]
    assert cells[7].startswith("alms.yaml:")
    source = rows[at].cells[6][0].href
    assert any(row.anchor == source for row in tables["sources"].rows)


# Content ----------------------------------------------------------------------------------------------


def test_the_report_has_every_section(report: Path) -> None:
    text = (report / "report.html").read_text("utf-8")
    for title in (
        "In Short", "The Question", "Studies", "Patients Counted Once", "Risk of Bias", "Left Out, and Why",
        "Direct Comparisons", "Network", "Ranking", "Heterogeneity and Consistency", "Small-Study Effects",
        "Contributions", "Sensitivity", "Is It Enough Yet?", "Worksheet for Certainty",
        "Published Results Beside Ours", "To Other Patients", "Audit of the Printed Numbers",
        "What the Numbers Cannot Say", "Checklist", "What Each Number Rests On", "Sources", "Methods and Run",
        "Manifest",
    ):  # fmt: skip
        assert f">{title}<" in text, title
    assert "medical advice" not in text


def test_extrapolation_is_printed_where_nobody_like_the_target_was_seen(pages) -> None:
    cells = [text for text, _ in pages["maintenance"].cells["table-carried-2"]]
    assert "extrapolated" in cells
    assert "extrapolated" not in [text for text, _ in pages["maintenance"].cells["table-carried-1"]]


def test_parts_of_a_network_are_told(pages, answers) -> None:
    text = render_evidence_html(build_evidence_document(answers["induction"]).document, Palette())
    assert "The studies do not connect all treatments." in text
    assert "Part 2 has two treatments" in text


def test_figures_stand_as_files_with_their_data(report: Path) -> None:
    drawn = sorted(path.name for path in (report / "figures").glob("*.svg"))
    assert {"renal_flare-direct.svg", "renal_flare-network-1.svg", "renal_flare-rankogram-1.svg"} <= set(
        drawn
    )
    assert all((report / "figures" / name).with_suffix(".csv").exists() for name in drawn)


def test_numbers_and_rows_are_data_too(report: Path) -> None:
    numbers = pl.read_csv(report / "numbers.csv")
    (mmf,) = numbers.filter(pl.col("key") == "renal_flare/network/MMF/AZA").to_dicts()
    assert f"{mmf['estimate']:.2f}" == "0.64"
    rows = pl.read_csv(report / "rows.csv")
    assert rows.filter((pl.col("study") == "dooley2011") & (pl.col("outcome") == "renal_flare")).height == 2
    assert set(pl.read_csv(report / "worksheet.csv")["outcome"]) == {"renal_flare"}


def test_words_from_a_question_are_escaped(answers) -> None:
    document = build_evidence_document(answers["maintenance"]).document
    bad = Part(
        "bad", "<script>alert(1)</script>", (Paragraph(words("<img src=x onerror=alert(2)> \x00 \u202e")),)
    )
    section = replace(document.sections[0], parts=(bad,))
    broken = replace(document, title="<b>&", sections=(section,))
    text = render_evidence_html(broken, Palette())
    assert "<script>" not in text and "<img" not in text and "\x00" not in text and "\u202e" not in text
    assert render_evidence_pdf(broken).startswith(b"%PDF-")


# Files ------------------------------------------------------------------------------------------------


def test_the_same_answer_gives_the_same_bytes(answers, report: Path, tmp_path: Path) -> None:
    again = write_evidence_report(ff.evidence.answer("maintenance"), tmp_path / "again")
    for name in again.files:
        assert (again.folder / name).read_bytes() == (report / name).read_bytes(), name


def test_the_manifest_lists_every_file_with_its_digest(report: Path) -> None:
    manifest = json.loads((report / "manifest.json").read_text("utf-8"))
    listed = {line["path"]: line["sha256"] for line in manifest["outputs"]}
    present = {p.relative_to(report).as_posix() for p in report.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(listed) == present
    assert all(sha256((report / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())
    assert manifest["question"]["name"] == "maintenance"


def test_no_path_of_this_machine_is_in_it(small: Path, tmp_path: Path) -> None:
    base = tmp_path / "my-secret-folder"
    shutil.copytree(builtin_folder(), base)
    written = write_evidence_report(ff.evidence.answer(small, base), tmp_path / "out")
    for name in written.files:
        if not name.endswith(".pdf"):
            text = (written.folder / name).read_text("utf-8")
            assert str(tmp_path) not in text and "site-packages" not in text, name


def test_an_earlier_report_is_replaced_and_a_strangers_folder_is_not(small: Path, tmp_path: Path) -> None:
    out, answer = tmp_path / "out", ff.evidence.answer(small)
    for _ in range(2):
        write_evidence_report(answer, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        write_evidence_report(answer, out)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_living_report_begins_with_what_changed(answers, report: Path, tmp_path: Path) -> None:
    record = json.loads((report / "run.json").read_text("utf-8"))
    for row in record["inputs"]["renal_flare"]["rows"]:
        if row["study"] == "fu2022" and row["treatment"] == "LEF":
            row["events"] = 10
    for number in record["numbers"]:
        if number["key"] == "renal_flare/network/LEF/AZA":
            number["estimate"] = 0.47
    written = write_evidence_report(answers["maintenance"], tmp_path / "out", since=record)
    page = Page((written.folder / "report.html").read_text("utf-8"))
    assert page.ids.index("changes") < page.ids.index("summary")
    inputs = [text for text, _ in page.cells["table-changed-inputs"]]
    assert "LEF: events 10 → 17" in inputs
    moved = " ".join(text for text, _ in page.cells["table-moved"])
    assert "0.47" in moved and "Fu 2022 changed: 0.87" in moved
    assert json.loads((written.folder / "changes.json").read_text("utf-8"))["inputs"]
    assert not ({link[1:] for link in page.links if link.startswith("#")} - set(page.ids))


def test_the_pdf_is_tagged_has_no_date_and_says_the_same(report: Path) -> None:
    pdf = (report / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and b"pdfuaid" in pdf and b"CreationDate" not in pdf
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler) is not installed")
    done = subprocess.run(
        ["pdftotext", "-layout", str(report / "report.pdf"), "-"], check=True, capture_output=True
    )
    text = done.stdout.decode()
    for words_ in ("What Each Number Rests On", "0.64 (0.39 to 1.04)", "15/116", "alms.yaml:", "PRISMA-NMA"):
        assert words_ in text, words_


# The command ------------------------------------------------------------------------------------------


def run_command(*arguments: str) -> tuple[int, str, str]:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "flarefree", "evidence", "report", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_command_writes_and_tells(small: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    code, said, _ = run_command("--question", str(small), "--out", str(first))
    assert code == 0 and "MMF v AZA" in said and "report.html" in said
    code, said, _ = run_command("-q", str(small), "-o", str(again), "--since", str(first), "--json")
    told = json.loads(said)
    assert code == 0 and told["changes"] == {"same": True, "moved": 0}
    assert "report.pdf" in told["files"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--question", "maintenence"), "did you mean maintenance?"),
        (("--since", "nowhere"), "there is no earlier run here"),
        (("--base", "nowhere.yaml"), "there is no such file or folder of evidence"),
    ],
)
def test_the_command_refuses_without_a_traceback(tmp_path: Path, arguments, said: str) -> None:
    code, _, error = run_command(*arguments, "--out", str(tmp_path / "out"))
    assert code == 2 and said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_bayes_is_asked_of_the_public_function_only_and_lazily(monkeypatch) -> None:
    import sys
    import types

    asked = {}

    def fitted(data, **options):
        asked.update(options, rows=len(data))
        return "the posterior"

    monkeypatch.setitem(
        sys.modules, "flarefree.evidence.bayes", types.SimpleNamespace(bayesian_network=fitted)
    )
    found = ff.evidence.answer("maintenance", bayes=True)
    assert found.primary.bayes == "the posterior"
    assert asked["reference"] == "AZA" and asked["likelihood"] == "binomial" and asked["rows"] == 15
    assert asked["small_values"] == "good"


def test_bayes_of_an_outcome_that_is_no_odds_ratio_is_refused(tmp_path: Path) -> None:
    text = Path(str(builtin_folder())).parent.joinpath("questions/maintenance.yaml").read_text("utf-8")
    own = tmp_path / "maintenance.yaml"
    own.write_text(text.replace("measure: OR\n    equivalence", "measure: RR\n    equivalence", 1))
    with pytest.raises(EvidenceError, match="of counts, as odds ratios"):
        ff.evidence.answer(own, bayes=True)


class Posterior:
    """What the report reads of a Bayesian network, and no more."""

    reference, level = "AZA", 0.95

    def __init__(self, converged: bool) -> None:
        self.converged = converged

    def tidy(self, *, exponentiate: bool) -> pl.DataFrame:
        assert exponentiate
        names = ("median", "cred_low", "cred_high", "predict_low", "predict_high", "p_better", "r_hat")
        rows = [("MMF", "AZA", 0.66, 0.15, 3.9, 0.02, 19.0, 0.79, 1.001), ("CsA", "MMF", *[1.0] * 7)]
        return pl.DataFrame(rows, schema=["treatment_1", "treatment_2", *names], orient="row")

    def __str__(self) -> str:
        return "A network\n\nits table\n\npriors: tau uniform(0, 5)\nsampling: seed 1"


@pytest.mark.parametrize("converged", [True, False])
def test_the_posterior_stands_with_its_priors_and_whether_it_converged(answers, converged: bool) -> None:
    answer = answers["maintenance"]
    primary = replace(answer.primary, bayes=Posterior(converged))
    document = build_evidence_document(
        replace(answer, outcomes={**answer.outcomes, "renal_flare": primary})
    ).document
    text = render_evidence_html(document, Palette())
    page = Page(text)
    cells = page.cells["table-renal_flare-bayes-table"]
    assert cells[0] == ("0.66 (0.15 to 3.90)", cells[0][1]) and cells[0][1].startswith("#rests-renal_flare-")
    assert len(cells) == 4  # against the reference only
    assert "Priors: tau uniform(0, 5)." in text
    assert ("did not converge" in text) is not converged
