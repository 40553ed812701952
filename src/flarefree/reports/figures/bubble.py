"""Bubble plots: trials' effects over a moderator, areas by weight, with the regression's line and limits."""

from __future__ import annotations

import math

from flarefree.reports.figures.axes import (
    Plot,
    Scale,
    log_ticks,
    ratio_label,
    round_ticks,
    tick_label,
    y_axis_room,
)
from flarefree.reports.figures.drawing import HAIRLINE, SINGLE_COLUMN, Drawing, number
from flarefree.reports.figures.frames import number_of, require_columns, rows_of
from flarefree.reports.figures.palette import INK, MUTED, PAPER, Palette
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_bubble", "draw_bubble"]

WIDTH, HEIGHT = 1.35 * SINGLE_COLUMN, 180.0
SMALLEST, LARGEST = 1.6, 8.0


def draw_bubble(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (x, estimate, weight_percent) and `line` (x, estimate, conf_low, conf_high)."""
    require_columns(figure, "main", "x", "estimate", "weight_percent")
    points, line = rows_of(figure, "main"), rows_of(figure, "line")
    is_ratio = bool(figure.options.get("is_ratio"))
    # limits flare out at the ends of the line: the axis follows the points and the line itself
    values = [v for row in [*points, *line] if (v := number_of(row, "estimate")) is not None]
    values.append(float(figure.options.get("null", 1.0 if is_ratio else 0.0)))
    y_ticks = log_ticks(min(values), max(values)) if is_ratio else round_ticks(min(values), max(values))
    labels = [ratio_label(t) if is_ratio else tick_label(t, y_ticks) for t in y_ticks]
    xs = [v for row in points if (v := number_of(row, "x")) is not None]
    x_ticks = round_ticks(min(xs), max(xs))
    left = y_axis_room(labels, figure.y_label, HEIGHT) + 2
    plot = Plot(
        Scale(x_ticks[0], x_ticks[-1], left, WIDTH - 8),
        Scale(y_ticks[0], y_ticks[-1], 8 + HEIGHT, 8, is_ratio),
    )
    drawing = Drawing(WIDTH)
    null = float(figure.options.get("null", 1.0))
    drawing.line(plot.left, plot.y(null), plot.right, plot.y(null), color=MUTED, width=HAIRLINE)
    for name, dash in (("conf_low", "3 2"), ("conf_high", "3 2"), ("estimate", "")):
        _draw_line(drawing, plot, [(number_of(r, "x"), number_of(r, name)) for r in line], dash)
    heaviest = max((number_of(row, "weight_percent") or 0.0 for row in points), default=1.0)
    for row in sorted(points, key=lambda row: -(number_of(row, "weight_percent") or 0.0)):
        x, y, weight = (number_of(row, name) for name in ("x", "estimate", "weight_percent"))
        if x is not None and y is not None:
            radius = SMALLEST + (LARGEST - SMALLEST) * math.sqrt((weight or 0.0) / heaviest)
            drawing.circle(plot.x(x), plot.y(y), radius, fill=PAPER, color=INK)
    plot.draw_y_axis(drawing, y_ticks, labels, figure.y_label)
    x_labels = [tick_label(tick, x_ticks) for tick in x_ticks]
    drawing.height = plot.draw_x_axis(drawing, x_ticks, x_labels, figure.x_label) + 4
    return drawing


def _draw_line(
    drawing: Drawing, plot: Plot, places: list[tuple[float | None, float | None]], dash: str
) -> None:
    """A curve, as far as it is within the plot."""
    parts, pen = [], "M"
    for x, y in places:
        if x is None or y is None or not plot.y.low <= y <= plot.y.high:
            pen = "M"
            continue
        parts.append(f"{pen}{number(plot.x(x))} {number(plot.y(y))}")
        pen = "L"
    if parts:
        drawing.path("".join(parts), color=INK, width=HAIRLINE if dash else 1.0, dash=dash)


def describe_bubble(figure: Figure) -> str:
    """The line in words."""
    line = rows_of(figure, "line")
    ends = [
        f"{format_number(number_of(row, 'estimate'), 2)} at {format_number(number_of(row, 'x'), 1)}"
        for row in (line[:1] + line[-1:])
    ]
    count = len(rows_of(figure, "main"))
    return f"Effects of {count} trials over {figure.x_label}; regression from {' to '.join(ends)}."
