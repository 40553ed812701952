"""Sequential analyses: the pooled z after each trial, between boundaries that allow for the looking."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    HAIRLINE,
    LINE_HEIGHT,
    TEXT,
    Drawing,
    knock_out,
    text_box,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import FAINT, INK, MUTED, REFERENCE, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_sequential", "draw_sequential"]

WIDTH, HEIGHT = 0.8 * DOUBLE_COLUMN, 200.0
HIGHEST_Z = 8.0  # boundaries above this are out of any trial's reach; the axis stops


def draw_sequential(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (fraction, z, boundary); option `critical` is the level without looking."""
    require_columns(figure, "main", "fraction", "z", "boundary")
    rows = rows_of(figure, "main")
    z = [v for row in rows if (v := number_of(row, "z")) is not None and math.isfinite(v)]
    tallest = min(max([abs(v) for v in z] + [4.0]) + 1.0, HIGHEST_Z)
    y_ticks = round_ticks(-tallest, tallest, 8)
    y_labels = [tick_label(tick, y_ticks) for tick in y_ticks]
    furthest = max([number_of(row, "fraction") or 0.0 for row in rows] + [1.0])
    x_ticks = round_ticks(0.0, furthest)
    left = y_axis_room(y_labels, figure.y_label, HEIGHT) + 2
    plot = Plot(
        Scale(0.0, max(furthest, x_ticks[-2] if x_ticks[-2] >= furthest else furthest), left, WIDTH - 14),
        Scale(y_ticks[0], y_ticks[-1], 8 + HEIGHT, 8),
    )
    x_ticks = [tick for tick in x_ticks if tick <= plot.x.high * (1 + 1e-9)]
    drawing = Drawing(WIDTH)
    _draw_levels(drawing, plot, figure)
    for sign in (1.0, -1.0):
        _draw_boundary(drawing, plot, rows, sign)
        _draw_boundary_ahead(drawing, plot, figure, rows, sign)
    _draw_curve(drawing, plot, rows)
    _name_crossing(drawing, plot, rows)
    plot.draw_y_axis(drawing, y_ticks, y_labels, figure.y_label)
    x_labels = [f"{format_number(100 * tick, 0)}%" for tick in x_ticks]
    baseline = plot.draw_x_axis(drawing, x_ticks, x_labels, figure.x_label)
    for note in (*figure.annotations, *figure.footnotes):
        lines = wrap_text(str(note), TEXT, WIDTH)
        baseline = drawing.lines(0, baseline + LINE_HEIGHT + 3, lines) - LINE_HEIGHT
    drawing.height = baseline + 4
    return drawing


def _draw_levels(drawing: Drawing, plot: Plot, figure: Figure) -> None:
    drawing.line(plot.left, plot.y(0.0), plot.right, plot.y(0.0), color=MUTED, width=HAIRLINE)
    critical = number_of(figure.options, "critical")
    for level in () if critical is None else (critical, -critical):
        drawing.line(
            plot.left, plot.y(level), plot.right, plot.y(level), color=MUTED, width=HAIRLINE, dash="1.5 1.5"
        )
    if plot.x.low <= 1.0 <= plot.x.high:
        drawing.line(plot.x(1.0), plot.top, plot.x(1.0), plot.bottom, color=FAINT, width=1.0)
    arms = figure.options.get("arms")
    if arms:
        for text, y in (
            (f"higher with {arms[0]}", plot.top + TEXT),
            (f"lower with {arms[0]}", plot.bottom - 4),
        ):
            drawing.text(plot.right - 3, y, text, anchor="end", color=MUTED)


def _draw_boundary(drawing: Drawing, plot: Plot, rows: list[dict[str, Any]], sign: float) -> None:
    """From look to look; where it is out of sight it comes in from the edge."""
    places = []
    for row in rows:
        fraction, level = number_of(row, "fraction"), number_of(row, "boundary")
        if fraction is None or level is None:
            continue
        places.append((min(fraction, 1.0), level))
    edge = plot.y.high
    points: list[tuple[float, float]] = []
    for (f0, b0), (f1, b1) in pairwise(places):
        if b0 > edge >= b1:
            share = (b0 - edge) / (b0 - b1) if math.isfinite(b0) else 1.0
            points.append((plot.x(f0 + share * (f1 - f0)), plot.y(sign * edge)))
        if b1 <= edge:
            points.append((plot.x(f1), plot.y(sign * b1)))
    if places and places[0][1] <= edge:
        points.insert(0, (plot.x(places[0][0]), plot.y(sign * places[0][1])))
    if points:
        drawing.polyline(points, color=REFERENCE, width=1.0)
        for x, y in points:
            drawing.circle(x, y, 1.1, fill=REFERENCE)


def _draw_boundary_ahead(
    drawing: Drawing, plot: Plot, figure: Figure, rows: list[dict[str, Any]], sign: float
) -> None:
    """From the last look on to the required information, if that were the next look: dashed."""
    final = number_of(figure.options, "final_boundary")
    fraction, level = (number_of(rows[-1], name) for name in ("fraction", "boundary"))
    if final is None or fraction is None or level is None or final > plot.y.high:
        return
    start = min(level, plot.y.high)
    drawing.line(
        plot.x(fraction), plot.y(sign * start), plot.x(1.0), plot.y(sign * final), color=REFERENCE, dash="3 2"
    )


def _draw_curve(drawing: Drawing, plot: Plot, rows: list[dict[str, Any]]) -> None:
    points = [(plot.x(0.0), plot.y(0.0))]
    for row in rows:
        fraction, z = number_of(row, "fraction"), number_of(row, "z")
        if fraction is not None and z is not None:
            level = max(min(z, plot.y.high), plot.y.low)
            points.append((plot.x(fraction), plot.y(level)))
    drawing.polyline(points, color=INK, width=1.0)
    for x, y in points[1:]:
        drawing.rectangle(x - 1.6, y - 1.6, 3.2, 3.2, fill=INK)


def _name_crossing(drawing: Drawing, plot: Plot, rows: list[dict[str, Any]]) -> None:
    """The trial with which the boundary was crossed, beside its point."""
    row = next((row for row in rows if row.get("crossed")), None)
    if row is None:
        return
    fraction, z = number_of(row, "fraction"), number_of(row, "z")
    if fraction is None or z is None:
        return
    label = text_of(row, "term")
    x, y = plot.x(fraction) + 5, plot.y(max(min(z, plot.y.high), plot.y.low)) + (9 if z < 0 else -5)
    if x + text_width(label, TEXT) > plot.right:
        x = plot.right - text_width(label, TEXT)
    knock_out(drawing, text_box(x, y, [label]))
    drawing.text(x, y, label)


def describe_sequential(figure: Figure) -> str:
    """The last look in words."""
    rows = rows_of(figure, "main")
    last = rows[-1] if rows else {}
    share = 100 * (number_of(last, "fraction") or 0.0)
    z = format_number(number_of(last, "z"), 2)
    told = " ".join(str(note) for note in figure.annotations)
    at = f"at the last, {format_number(share, 0)}% of the required information, z {z}"
    return f"z curve of {len(rows)} looks; {at}. {told}"
