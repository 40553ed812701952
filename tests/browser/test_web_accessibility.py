"""WCAG 2.2 AA by machine, page by page and role by role: axe-core, and what it does not measure.

What no machine sees (is the wording plain, is the order sensible) was looked at on pictures.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from web_browsing import Desk, Trial

pytestmark = pytest.mark.browser
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no wheel with axe-core is here")

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

PAGES: dict[str, tuple[str, ...]] = {
    "": ("/accounts/login/", "/help/", "/nothing-here/"),
    "ines": (
        "/", "/subjects/", "/subjects/{flaring}/", "/subjects/{ready}/eligibility/",
        "/subjects/{ready}/randomize/",
        "/subjects/{flaring}/kit/", "/break-a-code/", "/code-breaks/", "/trial/", "/protocol/", "/sites/",
    ),
    "nora": (
        "/screen/", "/subjects/{new}/consent/", "/subjects/{new}/characteristics/",
        "/subjects/{quiet}/visits/month-6/",
        "/subjects/{quiet}/adverse-event/", "/subjects/{quiet}/medication/", "/subjects/{quiet}/contact/",
        "/subjects/{quiet}/stop-drug/", "/subjects/{quiet}/vital-status/",
        "/subjects/{quiet}/biopsy/", "/subjects/{quiet}/who/", "/contacts/",
    ),
    "phil": ("/subjects/{flaring}/dose/", "/subjects/{quiet}/dose/hand-out/"),
    "dana": ("/queries/", "/completeness/", "/recruitment/", "/import/", "/export/"),
    "mona": ("/site/017/",),
    "kim": ("/board/", "/board/conflict/"),
    "ben": ("/desk/",),
    "max": ("/judged-negative/",),
    "stan": ("/agreement/", "/review/"),
    "sam": ("/ceremony/", "/consent-forms/", "/consent-forms/approve/"),
    "rita": ("/log/", "/accounts-of-the-trial/"),
    "administrator": (
        "/accounts-of-the-trial/ines/", "/accounts-of-the-trial/ines/role/", "/sites/add/", "/sites/017/",
    ),
}  # fmt: skip

SIZES = {"desktop": (1280, 800, False), "phone, dark": (390, 844, True)}


@pytest.mark.parametrize("size", SIZES)
def test_every_page_passes(desk: Desk, trial: Trial, size: str):
    """No violation of any rule; one heading of the first order; nothing wider than the screen."""
    width, height, dark = SIZES[size]
    found: list[str] = []
    for person, addresses in PAGES.items():
        page = desk.sit(person, width=width, height=height, dark=dark)
        for address in addresses:
            page.goto(address.format(**trial.patients))
            found += [f"{person} {address}: {trouble}" for trouble in troubles(page, width)]
    assert found == []


def troubles(page: Page, width: int) -> list[str]:
    told = axe.Axe().run(page, options=RULES).response["violations"]
    found = [f"{one['id']} {[node['target'] for node in one['nodes']][:3]}" for one in told]
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} headings of the first order")
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append("wider than the screen")
    return found


CONTRASTS = """() => {
    const luminance = c => {
        const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const paper = e => {
        for (; e; e = e.parentElement) {
            const c = getComputedStyle(e).backgroundColor
            if (!/, 0\\)$/.test(c)) return c
        }
        return 'rgb(255, 255, 255)'
    }
    return [...document.querySelectorAll('input, select, textarea')]
        .filter(e => e.offsetParent && e.type !== 'hidden' && e.type !== 'radio' && e.type !== 'checkbox')
        .map(e => {
            const edge = getComputedStyle(e).borderTopColor
            const [one, other] = [luminance(edge), luminance(paper(e.parentElement))]
            return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
        })
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_edges_of_inputs_are_seen(desk: Desk, trial: Trial, dark: bool):
    """1.4.11: at least 3 to 1 between an input's edge and what it lies on."""
    page = desk.sit("nora", dark=dark)
    page.goto(f"/subjects/{trial.patients['quiet']}/visits/month-6/")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 30 and min(found) >= 3.0


TARGETS = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')]
    .filter(e => e.offsetParent && e.type !== 'hidden' && !e.closest('.skip, p, .hidden'))
    .map(e => ({box: e.getBoundingClientRect(), text: e.textContent.trim().slice(0, 40) || e.name}))
    .filter(({box}) => box.width && (box.height < 23.5 || box.width < 23.5)).map(({text, box}) =>
        `${text} ${box.width.toFixed(0)}x${box.height.toFixed(0)}`)"""


@pytest.mark.parametrize("width", [390, 1280])
def test_targets_are_large_enough(desk: Desk, trial: Trial, width: int):
    """2.5.8: 24 pixels each way, links within a sentence left aside."""
    page = desk.sit("ines", width=width)
    small: dict[str, Any] = {}
    for address in ("/", "/subjects/", f"/subjects/{trial.patients['flaring']}/", "/break-a-code/"):
        page.goto(address)
        found = page.evaluate(TARGETS)
        if found:
            small[address] = found
    assert small == {}


def test_focus_goes_in_order_and_is_seen_everywhere(desk: Desk, trial: Trial):
    """2.4.3, 2.4.7, 2.4.11: down the page, never lost, never hidden behind what sticks."""
    page = desk.sit("nora", width=390, height=844)
    page.goto(f"/subjects/{trial.patients['quiet']}/visits/month-6/")
    seen: list[tuple[float, bool]] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
                const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e)
                if (e === document.body) return null
                const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
                return {top: box.y + scrollY, tag: e.tagName, sticks: !!e.closest('.primary-act'),
                        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                        hidden: !(at === e || e.contains(at) || at?.contains(e))}
            }"""
        )
        if told is None:
            break
        assert told["outlined"] and not told["hidden"], told
        if not told["sticks"]:
            seen.append((told["top"], True))
    tops = [top for top, _ in seen]
    assert len(tops) > 40
    backwards = [(a, b) for a, b in pairwise(tops) if b < a - 60]
    assert len(backwards) <= 1  # from the last link of the page round to the first


def test_errors_are_tied_to_their_inputs(desk: Desk, trial: Trial):
    """3.3.1: in words, at the input, and gathered on top, where the focus is."""
    page = desk.sit("nora")
    page.goto(f"/subjects/{trial.patients['quiet']}/adverse-event/")
    with page.expect_navigation():
        page.get_by_role("button", name="Save").click()
    links = page.locator(".summary a")
    assert links.count() >= 3
    for n in range(links.count()):
        target = page.locator(f"[id='{links.nth(n).get_attribute('href')[1:]}']")  # type: ignore[index]
        told = target.get_attribute("aria-describedby") or ""
        assert any(page.locator(f"[id='{name}']").inner_text() for name in told.split() if "error" in name)
    assert page.locator(".summary").evaluate("e => e === document.activeElement")
    assert troubles(page, 1280) == []


def test_text_can_be_twice_as_large_and_the_screen_as_narrow_as_a_small_phone(desk: Desk, trial: Trial):
    """1.4.4, 1.4.10: 320 pixels, and 200 percent."""
    page = desk.sit("ines", width=320, height=640)
    for address in ("/", f"/subjects/{trial.patients['flaring']}/", "/break-a-code/", "/protocol/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 330, (address, wide)
