"""League tables: every treatment against every other, names on the diagonal, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import FAINT, INK, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.results import Figure

__all__ = ["describe_league", "draw_league"]

PADDING = 5.0
DIAGONAL = "#e9edf2"


def draw_league(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (row, column, estimate, conf_low, conf_high, is_clear). Options: `order`, `digits`."""
    require_columns(figure, "main", "row", "column", "estimate", "conf_low", "conf_high")
    order = [str(name) for name in figure.options["order"]]
    digits = int(figure.options.get("digits", 2))
    cells = {
        (text_of(row, "row"), text_of(row, "column")): _cell_lines(row, digits)
        for row in rows_of(figure, "main")
    }
    clear = {
        (text_of(row, "row"), text_of(row, "column"))
        for row in rows_of(figure, "main")
        if row.get("is_clear")
    }
    width = _column_width(order, list(cells.values()))
    names = {name: wrap_text(name, TEXT, width - 2 * PADDING, bold=True) for name in order}
    height = LINE_HEIGHT * max(2, *(len(lines) for lines in names.values())) + 2 * PADDING
    drawing = Drawing(max(DOUBLE_COLUMN, width * len(order) + 1))
    left = (drawing.width - width * len(order)) / 2
    for r, row in enumerate(order):
        for c, column in enumerate(order):
            x, y = left + c * width, r * height + 0.5
            is_name = r == c
            if is_name:
                drawing.rectangle(x, y, width, height, fill=DIAGONAL)
            lines = names[row] if is_name else cells.get((row, column), [])
            baseline = y + height / 2 - LINE_HEIGHT * (len(lines) - 1) / 2 + TEXT * 0.3
            drawing.lines(
                x + width / 2, baseline, lines, anchor="middle", bold=is_name or (row, column) in clear
            )
    size = len(order)
    for k in range(size + 1):
        color = INK if k in (0, size) else FAINT
        drawing.line(
            left, k * height + 0.5, left + size * width, k * height + 0.5, color=color, width=HAIRLINE
        )
        drawing.line(
            left + k * width, 0.5, left + k * width, size * height + 0.5, color=color, width=HAIRLINE
        )
    drawing.height = size * height + 2
    return drawing


def _column_width(order: list[str], cells: list[list[str]]) -> float:
    """As wide as the numbers need, and wider if the sheet has room."""
    needed = max([text_width(line, TEXT, bold=True) for lines in cells for line in lines], default=40.0)
    words = max(text_width(word, TEXT, bold=True) for name in order for word in name.split())
    return max(needed + 2 * PADDING, words + 2 * PADDING, min(DOUBLE_COLUMN / len(order), 96.0))


def _cell_lines(row: Mapping[str, Any], digits: int) -> list[str]:
    estimate, low, high = (number_of(row, name) for name in ("estimate", "conf_low", "conf_high"))
    if estimate is None or low is None or high is None:
        return []
    return [_number(estimate, digits), f"({_number(low, digits)} to {_number(high, digits)})"]


def _number(value: float, digits: int) -> str:
    """Fewer decimals for large numbers: 112, 11.2, 1.12."""
    size = abs(value)
    kept = digits if size < 10 else max(digits - 1, 0) if size < 100 else max(digits - 2, 0)
    return f"{value:.{kept}f}".replace("-", "−") if size < 1e6 else f"{value:.1e}"


def describe_league(figure: Figure) -> str:
    """The order of treatments in words."""
    return "League table. Treatments, best first: " + ", ".join(map(str, figure.options["order"])) + "."
