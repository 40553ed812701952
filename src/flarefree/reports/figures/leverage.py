"""Leverage plots: what each data point adds to the DIC, by its root deviance and its leverage.

Points beyond the outer curve fit badly or weigh much, and are named [spiegelhalter2002; dias2011].
"""

from __future__ import annotations

import math

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.drawing import (
    HAIRLINE,
    LINE_HEIGHT,
    SINGLE_COLUMN,
    TEXT,
    Box,
    Drawing,
    text_box,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_leverage", "draw_leverage"]

WIDTH = 1.35 * SINGLE_COLUMN
HEIGHT = 170.0
RADIUS = 2.0


def draw_leverage(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (label, root_deviance, leverage, dic).

    Options, parts in the DIC: `curves`, each drawn; `name_above`, from which points are named.
    """
    require_columns(figure, "main", "label", "root_deviance", "leverage", "dic")
    rows = rows_of(figure, "main")
    curves = [float(v) for v in figure.options.get("curves") or ()]
    roots = [v for row in rows if (v := number_of(row, "root_deviance")) is not None]
    leverages = [v for row in rows if (v := number_of(row, "leverage")) is not None]
    reach = max([abs(v) for v in roots] + [math.sqrt(c) for c in curves], default=1.0)
    x_ticks = round_ticks(-reach, reach)
    y_ticks = round_ticks(min([0.0, *leverages]), max([1.0, *leverages, *curves]))
    labels = [tick_label(tick, y_ticks) for tick in y_ticks]
    left = y_axis_room(labels, figure.y_label, HEIGHT) + 2
    drawing = Drawing(WIDTH)
    plot = Plot(
        Scale(x_ticks[0], x_ticks[-1], left, WIDTH - 6), Scale(y_ticks[0], y_ticks[-1], 6 + HEIGHT, 6)
    )
    for part in curves:
        _draw_curve(drawing, plot, part)
    taken: list[Box] = []
    named = float(figure.options.get("name_above", math.inf))
    for row in sorted(rows, key=lambda row: -(number_of(row, "dic") or 0.0)):
        root, leverage = number_of(row, "root_deviance"), number_of(row, "leverage")
        if root is None or leverage is None:
            continue
        x, y = plot.x(root), plot.y(leverage)
        drawing.circle(x, y, RADIUS, fill=INK)
        if (number_of(row, "dic") or 0.0) > named:
            _draw_name(drawing, text_of(row, "label"), x, y, taken)
    plot.draw_y_axis(drawing, y_ticks, labels, figure.y_label)
    baseline = plot.draw_x_axis(drawing, x_ticks, [tick_label(t, x_ticks) for t in x_ticks], figure.x_label)
    for note in figure.annotations:
        lines = wrap_text(note, TEXT, WIDTH, bold=True)
        baseline = drawing.lines(0, baseline + LINE_HEIGHT + 2, lines, bold=True) - LINE_HEIGHT
    drawing.height = baseline + 4
    return drawing


def _draw_curve(drawing: Drawing, plot: Plot, part: float) -> None:
    """Where root deviance squared and leverage sum to `part`."""
    end = math.sqrt(max(part - plot.y.low, 0.0))
    steps = 60
    points = [
        (plot.x(x), plot.y(part - x * x))
        for k in range(steps + 1)
        if plot.x.low <= (x := -end + 2 * end * k / steps) <= plot.x.high
    ]
    drawing.polyline(points, color=MUTED, width=HAIRLINE, dash="3 2")
    drawing.text(plot.x(0), plot.y(part) + TEXT, format_number(part, 0), anchor="middle", color=MUTED)


def _draw_name(drawing: Drawing, label: str, x: float, y: float, taken: list[Box]) -> None:
    """Beside its point, on the side with room; left out where names would overlap."""
    is_right = x + 5 + text_width(label, TEXT) < WIDTH
    at = x + 4 if is_right else x - 4
    anchor = "start" if is_right else "end"
    box = text_box(at, y + TEXT * 0.3, [label], anchor=anchor)
    if box.left < 0 or any(box.hits(other) for other in taken):
        return
    drawing.text(at, y + TEXT * 0.3, label, anchor=anchor)
    taken.append(box)


def describe_leverage(figure: Figure) -> str:
    """The points of the largest parts in words."""
    rows = sorted(rows_of(figure, "main"), key=lambda row: -(number_of(row, "dic") or 0.0))
    told = [f"{text_of(row, 'label')}: {format_number(number_of(row, 'dic') or 0.0, 2)}" for row in rows[:3]]
    return "Largest parts in the deviance information criterion: " + "; ".join(told) + "."
