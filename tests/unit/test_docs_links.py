"""Links within the pages lead somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_reading import DOCS, PAGES, ROOT, anchors, name_of, prose, text_of

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def links(page: Path) -> list[str]:
    found = LINK.findall(prose(text_of(page)))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{name_of(page)} links to {link}, which is not there"
        assert target.is_relative_to(ROOT), f"{name_of(page)} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(text_of(target)), f"{name_of(page)} links to {link}: no such heading"


@pytest.mark.parametrize("page", [p for p in PAGES if DOCS in p.parents], ids=name_of)
def test_pages_of_the_site_link_only_to_what_the_site_has(page: Path) -> None:
    for link in links(page):
        path = link.partition("#")[0]
        assert not path or (page.parent / path).resolve().is_relative_to(DOCS), (name_of(page), link)


def test_links_are_found_and_code_is_not_taken_for_links() -> None:
    """Else the tests above could not fail."""
    told = prose("[a](b.md#c) and `[x](y.md)`\n```text\n[d](e.md)\n```\n![picture](f.png)\n")
    assert LINK.findall(told) == ["b.md#c", "f.png"]
    assert anchors("# One `two`: three\n```text\n# no\n```\n") == {"one-two-three"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_path_of_one_machine(page: Path) -> None:
    assert not re.search(r"/(work|root|home)/|/tmp/(?!x\b)", text_of(page))
