"""The page in a real browser: on a phone, in the dark, by keyboard, in print."""

from __future__ import annotations

import shutil

import pytest
from reports_sample_content import sample_content

from flarefree.reports import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return write_report(sample_content(), tmp_path_factory.mktemp("page") / "out").html.as_uri()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


def open_page(browser, address, width=1200, **options):
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.goto(address)
    return page


def test_nothing_is_loaded_but_the_page_and_nothing_is_complained_of(browser, address):
    page = open_page(browser, address)
    assert page.asked == [address]
    assert page.said == []


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_the_page_never_scrolls_sideways(browser, address, width):
    page = open_page(browser, address, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_decimal_points_of_a_column_stand_under_one_another(browser, address):
    page = open_page(browser, address)
    edges = page.evaluate(
        "[...document.querySelectorAll('#table-adverse_events td:nth-child(2) .b')]"
        ".map(e => Math.round(e.getBoundingClientRect().right * 10) / 10)"
    )
    assert len(edges) > 50
    assert max(edges) - min(edges) < 0.3


def test_a_click_on_a_number_leads_to_its_events(browser, address):
    page = open_page(browser, address)
    page.click("#table-treatment_failure tbody tr:nth-child(2) td:nth-child(2) a")
    assert page.url.endswith("#events-proteinuric_flare-MMF")
    top = page.evaluate("document.getElementById('events-proteinuric_flare-MMF').getBoundingClientRect().top")
    assert 0 <= top < 900


def test_the_keyboard_reaches_the_report_first(browser, address):
    page = open_page(browser, address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"


def test_the_page_is_dark_in_the_dark_and_black_on_white_in_print(browser, address):
    page = open_page(browser, address, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.body).color"
    line = "getComputedStyle(document.querySelector('#figure-treatment_failure path')).stroke"
    assert page.evaluate(paper) == "rgb(23, 24, 26)"
    assert page.evaluate(line) == "rgb(125, 179, 234)"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate(ink) == "rgb(0, 0, 0)"
    assert page.evaluate(line) == "rgb(29, 90, 150)"
