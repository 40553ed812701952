"""The examples of the pages are run, and print what the pages say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
from docs_reading import DOCS, ROOT, script, text_of

import flarefree as ff

examples = script("docs_examples")

TESTED_ELSEWHERE = {
    "docs/how-to/read-your-data.md": "tests/unit/readers",
    "docs/how-to/serve-a-trial.md": "tests/web/test_web_lists_page.py",
    "docs/reference/python.md": "tests/unit/test_docs_reference.py",
}
"""Pages with Python that does not stand alone, and what tests them instead."""


FRAMES = {
    "docs/methods/linear_models.md": {
        "change": [1.2, -0.4, 0.8, 2.1, 0.3, -1.0, 0.9, 0.1, 1.7, -0.2, 0.6, 1.1],
        "arm": ["Active", "Placebo"] * 6,
        "baseline": [10.1, 9.4, 8.7, 11.0, 9.9, 10.6, 8.2, 9.1, 10.8, 9.7, 8.9, 10.3],
        "site": [1, 1, 2, 2, 3, 3, 3, 2, 2, 1, 1, 3],
    },
}
"""What a page's examples call `data`."""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    examples.make_study(folder)
    return folder


@pytest.fixture
def folder(study: Path, tmp_path: Path) -> Path:
    """A folder with the virtual study under the names that pages use."""
    for name in (examples.STUDY, examples.STUDY_OF_MAKE):
        shutil.copytree(study / examples.STUDY, tmp_path / name)
    return tmp_path


def pages_with_python() -> list[Path]:
    return [
        page
        for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
        if any(block.language == "python" for block in examples.blocks(text_of(page)))
    ]


def test_pages_name_the_patients_whom_they_mean(study: Path) -> None:
    """Else a page would say "the first with a flare" of somebody else."""
    told = json.loads(examples.PEOPLE.read_text("utf-8"))
    assert examples.people(study / examples.STUDY) == told, "run scripts/docs_examples.py"


def test_other_people_take_the_places_of_those_before() -> None:
    before = {"flare": "A-1", "flare_line": "7", "quiet": "A-2", "slip": "A-3", "slip_line": "9"}
    now = {"flare": "A-2", "flare_line": "8", "quiet": "A-3", "slip": "A-1", "slip_line": "5"}
    page = "A-1 fails, A-2 does not; sed -n -e 1p -e 7p x; sed '9s,a,b,' x; 7 of A-3"
    told = "A-2 fails, A-3 does not; sed -n -e 1p -e 8p x; sed '5s,a,b,' x; 7 of A-1"
    assert examples.with_people(page, before, now) == told


@pytest.mark.parametrize("name", [name for name in examples.PAGES if "tutorial" not in name])
def test_the_examples_of_a_page_print_what_it_says(name: str, folder: Path) -> None:
    text = text_of(ROOT / name)
    assert examples.retell(text, folder) == text, "run scripts/docs_examples.py, and read what changed"


def test_the_tutorial_can_be_followed_from_an_empty_folder(tmp_path: Path) -> None:
    text = text_of(DOCS / "tutorial" / "first-report.md")
    assert examples.makes_its_own_study(text)
    assert examples.retell(text, tmp_path) == text, "run scripts/docs_examples.py, and read what changed"


@pytest.mark.parametrize("page", pages_with_python(), ids=lambda page: page.stem)
def test_python_on_any_page_runs(page: Path, folder: Path) -> None:
    name = page.relative_to(ROOT).as_posix()
    if name in examples.PAGES:
        return  # run above, with its output
    if name in TESTED_ELSEWHERE:
        assert (ROOT / TESTED_ELSEWHERE[name]).exists()
        return
    names: dict[str, object] = {"ff": ff, "data": pl.DataFrame(FRAMES.get(name, {}))}
    for block in examples.blocks(text_of(page)):
        if block.language == "python":
            examples.run_python(block, names, folder)


def test_an_example_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    page = "```python\nx = 2\nprint(x + 2)\n```\n\n```text\n5\n```\n\n```console\n$ echo two\nthree\n```\n"
    told = examples.retell(page, tmp_path)
    assert told == page.replace("5", "4").replace("three", "two")
    assert examples.retell(told, tmp_path) == told


def test_a_command_that_fails_is_no_example(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 2"):
        examples.retell("```console\n$ flarefree analyze nowhere\n```\n", tmp_path)


def test_the_sentences_of_the_readme_are_those_of_the_protocol() -> None:
    (block,) = [b for b in examples.blocks(text_of(ROOT / "README.md")) if b.language == "yaml"]
    alms = ff.load_protocol("alms-maintenance")
    file = Path(alms.folder, alms.path).read_text(encoding="utf-8")
    told = [line.strip() for line in block.lines]
    names = [line.removesuffix(":") for line in told if re.fullmatch(r"[a-z_]+:", line)]
    assert len(names) == 3
    for name in names:
        assert name in alms.spec.endpoints
    for line in told:
        assert line in file, f"{line} is not in {alms.path}"
