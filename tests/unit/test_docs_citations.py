"""A work is written once, in `docs/references.bib`, and cited by its key."""

from __future__ import annotations

import re

import pytest
from docs_reading import DOCS, ROOT, script, text_of

KEY = re.compile(r"\[([a-z]+\d{4}[a-z]?)(?:[\],;])")
SECOND = re.compile(r"\[[a-z]+\d{4}[a-z]?[;,] ([a-z]+\d{4}[a-z]?)\]")  # [albert1984, konis2007]
PROTOCOL_KEY = re.compile(r"^  - key: ([a-z]+\d{4}[a-z]?)$", re.MULTILINE)
MADE_FROM_THE_BIBLIOGRAPHY = DOCS / "reference" / "literature.md"
# Its YAML names studies by keys, whose sources stand in documents.yaml of the base.
EVIDENCE = ROOT / "src" / "flarefree" / "evidence"

reference_pages = script("reference_pages")


def cited() -> dict[str, str]:
    """Every key that code, tests and pages cite, with one place where they do."""
    found: dict[str, str] = {}
    for folder, pattern in (
        ("src", "*.py"),
        ("src", "*.yaml"),
        ("tests", "*.py"),
        ("docs", "*.md"),
        (".", "README.md"),
    ):
        for path in sorted(
            (ROOT / folder).glob(pattern) if folder == "." else (ROOT / folder).rglob(pattern)
        ):
            is_of_evidence = path.suffix == ".yaml" and path.is_relative_to(EVIDENCE)
            if path == MADE_FROM_THE_BIBLIOGRAPHY or is_of_evidence:
                continue
            text = text_of(path)
            for key in (*KEY.findall(text), *SECOND.findall(text), *PROTOCOL_KEY.findall(text)):
                found.setdefault(key, str(path.relative_to(ROOT)))
    return found


def test_every_key_that_is_cited_has_its_entry() -> None:
    missing = {key: place for key, place in cited().items() if key not in reference_pages.bibliography()}
    assert not missing, "write these into docs/references.bib"


def test_every_entry_is_cited() -> None:
    assert sorted(set(reference_pages.bibliography()) - set(cited())) == []


def test_entries_are_whole_and_in_order() -> None:
    entries = reference_pages.bibliography()
    assert list(entries) == sorted(entries)
    for key, fields in entries.items():
        assert fields["title"] and fields["author"], key
        assert re.fullmatch(rf"[a-z]+{fields['year']}[a-z]?", key), key
        if "journal" in fields:
            assert fields["volume"] and fields["pages"], key


def test_a_line_that_is_no_bibtex_is_an_error(tmp_path) -> None:
    file = tmp_path / "wrong.bib"
    file.write_text("@article{cox1972,\n  title = {Regression models\n}\n")
    with pytest.raises(ValueError, match="cannot be read"):
        reference_pages.bibliography(file)


def test_works_print_as_references_do() -> None:
    entries = reference_pages.bibliography()
    assert reference_pages.work(entries["dooley2011"]) == (
        "Dooley MA, Jayne D, Ginzler EM, et al. Mycophenolate versus azathioprine as maintenance therapy "
        "for lupus nephritis. *New England Journal of Medicine* 2011;365:1886–1895."
    )
    assert reference_pages.work(entries["agresti2002"]) == (
        "Agresti A. Categorical data analysis, second edition. *Wiley* 2002."
    )
