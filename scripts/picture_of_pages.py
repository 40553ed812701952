"""Pictures of the application's pages, from the virtual trial: a patient, a dossier, recruitment.

    python scripts/picture_of_pages.py [FOLDER]

makes the virtual trial in FOLDER (a new temporary one if none is named; a folder once made is used again),
serves it on a free port, acts as three of its people in a headless Chromium, and writes
`docs/images/page-patient.png`, `page-dossier.png` and `page-recruitment.png`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1280, 1000
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The virtual trial's address, while it is served."""
    command = [sys.executable, "-m", "flarefree", "serve", "--demo", "--data", str(folder), "--port", "0"]
    told = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                found = ADDRESS.search(line)
                if found:
                    yield found.group()
                    return
            raise SystemExit("the virtual trial was not served")
        finally:
            server.terminate()


def act(browser: Browser, url: str, heading: str) -> Page:
    """A page of whoever the tour's line of this heading names, where that line leads."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    page.goto(f"{url}/demo/")
    line = page.locator(".tour > li", has=page.get_by_role("heading", name=heading, exact=True))
    with page.expect_navigation():
        line.get_by_role("button").click()
    return page


def take(page: Page, name: str, height: int = HEIGHT) -> None:
    """The upper part of a page, without what it said of the last request."""
    page.reload()
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "trial"
    with served(folder) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        nurse = act(browser, url, "Enter a visit")
        nurse.locator(".crumbs a").last.click()
        nurse.wait_for_load_state()
        take(nurse, "page-patient", 1480)
        member = act(browser, url, "Vote")
        take(member, "page-dossier", 1300)
        take(act(browser, url, "Look as the sponsor"), "page-recruitment")
        browser.close()


if __name__ == "__main__":
    main()
