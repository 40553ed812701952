"""Take the pictures of the pages: the title, the primary figure and the primary table of the demo's report.

`.venv/bin/python scripts/picture.py` writes `docs/images/report.png` and `docs/images/table.png`.  Needs
Chromium (Debian: `apt install chromium`) and the development requirements, which `make test` installs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH = 1000  # CSS pixels: the report's text column and a margin
SCALE = 2  # device pixels a CSS pixel
COLORS = 64  # a page of text in two inks needs no more, and the file stays small

LEFT_OUT = """
nav.contents, dl.facts, .lead p + p, .skip, main > section { display: none !important; }
#section-Study_end_points { display: block !important; border: 0 !important; }
#section-Study_end_points > :not(#analysis-primary), #analysis-primary details { display: none !important; }
"""
"""What no picture shows; what they show is untouched."""

PICTURES = {
    "report.png": "#table-primary { display: none !important; }",
    "table.png": "header.title, #analysis-primary > :not(#table-primary) { display: none !important; }",
}
"""Each picture, and what it leaves out besides."""


def main() -> None:
    """Run the demo, photograph its report, keep the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "demo"
        subprocess.run([sys.executable, "-m", "flarefree", "demo", "--out", str(report)], check=True)
        for name, left_out in PICTURES.items():
            photograph(report / "report.html", LEFT_OUT + left_out, IMAGES / name)
    for name in PICTURES:
        reduce(IMAGES / name)
        sys.stdout.write(f"{name}: {(IMAGES / name).stat().st_size // 1024} kB\n")


def photograph(page: Path, left_out: str, picture: Path) -> None:
    """A picture of a report, from its top to the end of what is left of the primary result."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": WIDTH, "height": 400},
            device_scale_factor=SCALE,
            bypass_csp=True,  # the page's own policy forbids other styles than its own
        )
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.add_style_tag(content=left_out)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": tab.evaluate(BOTTOM) + 6}
        tab.screenshot(path=picture, clip=clip, full_page=True)
        browser.close()


BOTTOM = """() => Math.max(...[...document.querySelectorAll("#table-primary, #figure-primary svg")]
    .map(part => part.getBoundingClientRect().bottom))"""


def reduce(picture: Path) -> None:
    """Fewer colors, smaller file."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLORS).save(picture, optimize=True)


if __name__ == "__main__":
    main()
