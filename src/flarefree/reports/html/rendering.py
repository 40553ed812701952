"""The report as one HTML file: no script, no network, no font from elsewhere.

Everything from protocols and patients is escaped by the template engine; only our own drawings and
style sheet pass as they are.  A policy in the page's head forbids all loading, in case an escape is ever
forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.reports.document import Document
from flarefree.reports.figures import Palette
from flarefree.reports.tables import PrintedTable
from flarefree.reports.text import clean_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["columns_of", "render_html", "template_environment"]

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class HtmlColumn:
    """A column's heading, and the room that its numbers need on either side of their point, in ch."""

    label: str
    n: str
    published: bool
    align: str
    repeats: bool
    before: float
    after: float


def render_html(document: Document, palette: Palette) -> str:
    """The whole page."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        document=document,
        css=(TEMPLATES / "report.css").read_text("utf-8"),
        columns_of=columns_of,
        dark_colors=sorted(palette.on_dark().items()),
    )


@cache
def _environment() -> Environment:
    return template_environment(TEMPLATES)


def template_environment(*folders: Path) -> Environment:
    """Templates of these folders: everything escaped, nothing undefined passed over."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup  # our own SVG, whose words `drawing.escape` has escaped
    return environment


def _printable(value: Any) -> Any:
    """Text without what a page cannot hold; marked-up text as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return clean_text(value)
    return value


def columns_of(table: PrintedTable) -> list[HtmlColumn]:
    """Columns with the room that numbers need left and right of the place they are aligned on."""
    columns = []
    for i, column in enumerate(table.columns):
        cells = [row.cells[i] for row in table.rows if not row.spans and row.cells[i].is_number]
        before = max((_room(cell.before) for cell in cells), default=0.0)
        after = max((_room(cell.after) for cell in cells), default=0.0)
        columns.append(
            HtmlColumn(column.label, column.n, column.published, column.align, column.repeats, before, after)
        )
    return columns


_NARROW = frozenset(".,:;()[]/ \u00a0'|il")


def _room(text: str) -> float:
    """An upper bound of a number's width, in ch (the width of a digit)."""
    width = sum(
        0.25 if c == "\u2009" else 0.62 if c in _NARROW else 1.0 if c.isdigit() else 1.2 for c in text
    )
    return math.ceil(width * 10) / 10
