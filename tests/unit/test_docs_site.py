"""The site builds without a warning, and its contents list every page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs_reading import DOCS, ROOT, script, text_of

COLOR = re.compile(r"\x1b\[[0-9;]*m")


def listed() -> list[str]:
    """The pages that `mkdocs.yml` lists."""
    return re.findall(r"([\w/.-]+\.md)$", text_of(ROOT / "mkdocs.yml").split("\nnav:\n")[1], re.MULTILINE)


def test_the_contents_list_every_page_once() -> None:
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert sorted(listed()) == sorted(pages), "every page under docs/ has one line under nav: in mkdocs.yml"


def test_pages_begin_with_their_title_and_have_one_only() -> None:
    fenced = script("docs_examples").blocks  # raises where a fence is open or has no language
    for page in DOCS.rglob("*.md"):
        text = text_of(page)
        inside = {line for block in fenced(text) for line in block.lines}
        titles = [line for line in text.splitlines() if line.startswith("# ") and line not in inside]
        assert len(titles) == 1 and text.startswith("# "), page


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = COLOR.sub("", done.stdout + done.stderr)
    assert done.returncode == 0 and "Warning" not in said, [
        line.strip(" │╭╮[]") for line in said.splitlines() if ".md:" in line or "Warning" in line
    ]
    built = {page.relative_to(tmp_path / "site").as_posix() for page in (tmp_path / "site").rglob("*.html")}
    for page in listed():
        folder = re.sub(r"(README|index)?\.md$", "", page).rstrip("/")
        assert (f"{folder}/index.html" if folder else "index.html") in built, page


def test_a_broken_link_is_a_warning_and_fails_the_build(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text("site_name: broken\n")
    (tmp_path / "docs" / "index.md").write_text("# Broken\n\n[nowhere](nowhere.md)\n")
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0
