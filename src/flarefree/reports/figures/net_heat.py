"""Net heat plots: which design drives the inconsistency of which.

Colors show how much a row's inconsistency falls (warm) or grows (cool) once the column's design is detached;
squares how much the column's direct evidence enters the row's estimate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import FAINT, INK, MUTED, PAPER, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.results import Figure

__all__ = ["describe_net_heat", "draw_net_heat"]

LABEL_WIDTH = 130.0
LARGEST_CELL = 34.0
WARM, COOL = (193, 74, 29), (29, 90, 150)  # the palette's vermilion and blue
FULL = 8.0  # [krahn2013]: colors are full at a change of 8
SQUARE = "#5c5c5c"
KEY_HEIGHT = 8.0


def draw_net_heat(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (row, column, heat, share). Options: `labels`, the contrasts of designs in their order."""
    require_columns(figure, "main", "row", "column", "heat", "share")
    labels = [str(label) for label in figure.options["labels"]]
    cells = {(text_of(row, "row"), text_of(row, "column")): row for row in rows_of(figure, "main")}
    lines = [wrap_text(label, TEXT, LABEL_WIDTH) for label in labels]
    widest = max(text_width(line, TEXT) for label in lines for line in label)
    numbers = [str(k) for k in range(1, len(labels) + 1)]
    number_width = text_width(numbers[-1], TEXT, bold=True) + 6
    left = widest + number_width + 8
    cell = min((DOUBLE_COLUMN - left - 4) / len(labels), LARGEST_CELL)
    cell = max(cell, LINE_HEIGHT * max(len(label) for label in lines)) if len(labels) < 14 else cell
    top = LINE_HEIGHT + 6

    drawing = Drawing(DOUBLE_COLUMN)
    for k, label in enumerate(lines):
        y = top + cell * (k + 0.5) + TEXT * 0.3
        drawing.lines(0, y - LINE_HEIGHT * (len(label) - 1) / 2, label)
        drawing.text(left - 5, y, numbers[k], anchor="end", bold=True)
        drawing.text(left + cell * (k + 0.5), top - 5, numbers[k], anchor="middle", bold=True)
    for r, row in enumerate(labels):
        for c, column in enumerate(labels):
            _draw_cell(drawing, cells[row, column], left + c * cell, top + r * cell, cell)
    bottom = top + cell * len(labels)
    drawing.rectangle(left, top, cell * len(labels), cell * len(labels), color=INK)
    drawing.height = _draw_key(drawing, left, bottom + 12) + 4
    return drawing


def _draw_cell(drawing: Drawing, row: Mapping[str, Any], x: float, y: float, size: float) -> None:
    heat = number_of(row, "heat")
    drawing.rectangle(
        x, y, size, size, fill=FAINT if heat is None else _color(heat), color=PAPER, rule=HAIRLINE
    )
    side = size * 0.82 * math.sqrt(min(abs(number_of(row, "share") or 0.0), 1.0))
    if side > 0.6:
        drawing.rectangle(x + (size - side) / 2, y + (size - side) / 2, side, side, fill=SQUARE, opacity=0.55)


def _color(heat: float) -> str:
    share = min(abs(heat) / FULL, 1.0)
    end = WARM if heat > 0 else COOL
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02x}" for channel in end)


def _draw_key(drawing: Drawing, x: float, y: float) -> float:
    """The scale of colors and of squares; gives the last baseline."""
    steps = 32
    width = 130.0 / steps
    for k in range(steps):
        value = -FULL + 2 * FULL * (k + 0.5) / steps
        drawing.rectangle(x + k * width, y, width + 0.1, KEY_HEIGHT, fill=_color(value))
    baseline = y + KEY_HEIGHT + TEXT + 1
    for value, words in ((-FULL, "−8"), (0.0, "0"), (FULL, "8")):
        drawing.text(x + 130 * (value + FULL) / (2 * FULL), baseline, words, anchor="middle")
    drawing.text(
        x, baseline + LINE_HEIGHT, "Inconsistency removed by detaching the column's design", color=MUTED
    )
    drawing.text(
        x,
        baseline + 2 * LINE_HEIGHT,
        "Square: share of the column's direct evidence in the row's estimate",
        color=MUTED,
    )
    return baseline + 2 * LINE_HEIGHT


def describe_net_heat(figure: Figure) -> str:
    """The hottest cells in words."""
    rows = [row for row in rows_of(figure, "main") if number_of(row, "heat") is not None]
    hottest = sorted(rows, key=lambda row: -(number_of(row, "heat") or 0.0))[:3]
    shown = [
        f"{text_of(r, 'row')} by {text_of(r, 'column')}: {number_of(r, 'heat') or 0.0:.1f}" for r in hottest
    ]
    return "Net heat plot. Most inconsistency removed: " + "; ".join(shown) + "."
