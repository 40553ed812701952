"""The report in a real browser: it opens from a file, works without a network, by keyboard and on a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium")
# Without these, Chromium's own background requests fail one after another on a machine without a network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


UNNAMED = """() => {
    const all = selector => [...document.querySelectorAll(selector)]
    const named = e => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
    return {
        tables: all('table').filter(t => !t.caption && !named(t)).length,
        headers: all('table th').filter(th => !th.scope).length,
        figures: all('figure svg').filter(
            s => s.getAttribute('role') !== 'img' || !(named(s) || s.querySelector('title'))).length,
    }
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from flarefree.cli.analyze import demo

    out = tmp_path_factory.mktemp("browser") / "report"
    demo(out=out, study=None, seed=11, patients=80, as_json=True)
    return out / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.fail("Chromium is not installed (Debian: apt install chromium); .ci/run installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def open_page(
    browser: Browser, report: Path, *, width: int = 1200, offline: bool = True
) -> tuple[Page, list[str]]:
    """The report at a width, and whatever the browser complained about or asked the network for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=offline)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            complaints.append(request.url) if not request.url.startswith(("file:", "data:")) else None
        ),
    )
    page.goto(report.as_uri())
    return page, complaints


def test_it_opens_from_a_file_and_asks_the_network_for_nothing(browser: Browser, report: Path) -> None:
    page, complaints = open_page(browser, report)
    assert "azathioprine" in page.title().lower()
    assert complaints == []


def test_the_virtual_label_is_in_sight_wherever_one_reads(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    for share in (0, 0.5, 1):
        page.evaluate("share => window.scrollTo(0, share * document.body.scrollHeight)", share)
        label = page.get_by_text("Virtual patients", exact=False).first
        box = label.bounding_box()
        assert box is not None and 0 <= box["y"] < 900, share


def test_every_link_within_the_report_leads_somewhere(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    missing = page.evaluate(
        """() => [...document.querySelectorAll('a[href^="#"]')]
            .map(a => decodeURIComponent(a.getAttribute('href').slice(1)))
            .filter(id => id && !document.getElementById(id))"""
    )
    assert missing == []


def test_ids_are_unique(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    twice = page.evaluate(
        """() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
            return ids.filter((id, i) => ids.indexOf(id) !== i) }"""
    )
    assert twice == []


def test_a_number_walks_back_to_the_rows_of_its_patients(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    cell = page.locator("table td a[href^='#events-treatment_failure']").first
    cell.click()
    heading = page.evaluate("decodeURIComponent(location.hash)")
    assert heading.startswith("#events-treatment_failure")
    body = page.locator(f"[id='{heading[1:]}']").first
    assert body.is_visible()
    assert re.search(r"\.csv row \d+", page.content())


@pytest.mark.parametrize("width", [390, 768])
def test_the_page_does_not_scroll_sideways_on_a_small_screen(
    browser: Browser, report: Path, width: int
) -> None:
    page, _ = open_page(browser, report, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_the_content_first(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    assert focused is not None and focused.startswith("#")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == focused


def test_tables_and_figures_have_words_for_those_who_cannot_see_them(browser: Browser, report: Path) -> None:
    page, _ = open_page(browser, report)
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == {"tables": 0, "headers": 0, "figures": 0}
