"""The evidence report in a real browser: from a file, by keyboard, on a phone, in print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_browser_report import CHROMIUM, FLAGS, UNNAMED, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import flarefree as ff
    from flarefree.reports.evidence import write_evidence_report

    out = tmp_path_factory.mktemp("browser") / "evidence"
    return write_evidence_report(ff.evidence.answer("maintenance"), out).html


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.fail("Chromium is not installed (Debian: apt install chromium); .ci/run installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def test_it_opens_from_a_file_and_asks_the_network_for_nothing(browser: Browser, report: Path) -> None:
    page, complaints = open_page(browser, report)
    assert page.title() == "Maintenance therapy of lupus nephritis: evidence report"
    assert complaints == []


def test_a_number_of_the_league_walks_back_to_its_source(browser: Browser, report: Path) -> None:
    """Four clicks: the number, the study, its rows' document, and there is the citation."""
    page, _ = open_page(browser, report)
    page.locator("#table-renal_flare-league-1 tr", has_text="AZA").locator("a[href^='#rests-']").first.click()
    line = page.locator("tr:target")
    assert line.locator("a[href^='#row-renal_flare-']").count() >= 1
    line.locator("a[href^='#row-renal_flare-']").first.click()
    rows = page.locator("tr:target")
    assert rows.count() == 1 and rows.is_visible()
    rows.locator("a[href^='#source-']").first.click()
    source = page.locator("tr:target")
    box = source.bounding_box()
    assert box is not None and 0 <= box["y"] < 900
    assert source.locator("td").first.inner_text()


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_the_page_does_not_scroll_sideways(browser: Browser, report: Path, width: int) -> None:
    page, _ = open_page(browser, report, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_wider_than_a_phone_scrolls_by_itself_and_by_keyboard(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report, width=390)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('table, figure svg')]
            .filter(e => e.getBoundingClientRect().width > innerWidth)
            .filter(e => { const box = e.closest('.scroll');
                return !box || box.tabIndex !== 0 || !box.getAttribute('aria-label') }).length"""
    )
    assert wide == 0


def test_the_keyboard_reaches_the_content_first(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#report"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#report"


def test_tables_and_figures_have_words_for_those_who_cannot_see_them(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    assert page.evaluate(UNNAMED) == {"tables": 0, "headers": 0, "figures": 0}


def test_words_in_figures_have_one_size(browser: Browser, report: Path) -> None:
    """A narrow drawing is not blown up to the width of a wide one."""
    page, _ = open_page(browser, report)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('figure svg')].map(s => {
            const box = s.viewBox.baseVal; return s.getBoundingClientRect().width / box.width })"""
    )
    assert len(sizes) > 10 and max(sizes) - min(sizes) < 0.02


def test_it_is_dark_in_the_dark_and_black_on_white_in_print(browser: Browser, report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(23, 24, 26)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.skip')).display") == "none"
