"""The evidence report as one HTML file, by the trial report's macros and style sheet.

No script, no network, no font from elsewhere; every word passes through the template engine's escaping.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flarefree.reports.evidence.document import EvidenceDocument
from flarefree.reports.figures import Palette
from flarefree.reports.figures.drawing import DOUBLE_COLUMN
from flarefree.reports.html.rendering import TEMPLATES, columns_of, template_environment

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_evidence_html", "share_of"]

_WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')
OWN = Path(__file__).parent / "templates"


def render_evidence_html(document: EvidenceDocument, palette: Palette) -> str:
    """The whole page."""
    css = (TEMPLATES / "report.css").read_text("utf-8") + (OWN / "evidence.css").read_text("utf-8")
    return (
        _environment()
        .get_template("evidence.html.j2")
        .render(
            document=document,
            css=css,
            columns_of=columns_of,
            share_of=share_of,
            dark_colors=sorted(palette.on_dark().items()),
        )
    )


def share_of(svg: str) -> float:
    """A drawing's width as a share of a journal's double column, so that all words have one size."""
    found = _WIDTH.search(svg)
    return 1.0 if found is None else round(min(float(found[1]) / DOUBLE_COLUMN, 1.0), 3)


@cache
def _environment() -> Environment:
    return template_environment(OWN, TEMPLATES)
