"""Funnel plots: each trial's effect against its standard error, within the limits that chance would allow.

Precise trials are at the top.  Contours, where asked for, shade the places by their P value, so that missing
trials can be told from trials that are missing because they did not "reach" one.
"""

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
from flarefree.reports.figures.drawing import HAIRLINE, LINE_HEIGHT, SINGLE_COLUMN, TEXT, Drawing, number
from flarefree.reports.figures.frames import number_of, require_columns, rows_of
from flarefree.reports.figures.palette import FAINT, INK, MUTED, PAPER, Palette
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_funnel", "draw_funnel"]

WIDTH = 1.35 * SINGLE_COLUMN
HEIGHT = 190.0
RADIUS = 2.2
SHADES = ("#e6e6e6", "#cfcfcf", "#b5b5b5")


def draw_funnel(figure: Figure, palette: Palette) -> Drawing:
    """Draw the points of `main` (`effect`, `std_error` on the scale of analysis; `filled`).

    Options: `center`, `is_ratio`, `reach` (the limits' multiple of the standard error), `contours` (pairs of
    a P value and its multiple).
    """
    require_columns(figure, "main", "effect", "std_error")
    rows = rows_of(figure, "main")
    effects = [v for row in rows if (v := number_of(row, "effect")) is not None]
    errors = [v for row in rows if (v := number_of(row, "std_error")) is not None]
    is_ratio, reach = bool(figure.options.get("is_ratio")), float(figure.options.get("reach", 1.96))
    center = number_of(figure.options, "center")
    error_ticks = round_ticks(0.0, max(errors, default=1.0) * 1.04)
    labels = [tick_label(tick, error_ticks) for tick in error_ticks]
    left = y_axis_room(labels, figure.y_label, HEIGHT) + 2
    deepest = error_ticks[-1]
    x_scale, ticks = _x_scale(effects, center, reach, deepest, is_ratio, left, WIDTH - 8)
    drawing = Drawing(WIDTH)
    plot = Plot(x_scale, Scale(-deepest, 0.0, 8.0 + HEIGHT, 8.0))  # errors run down
    _draw_contours(drawing, plot, figure, deepest)
    if center is not None:
        _draw_funnel_lines(drawing, plot, center, reach, deepest)
    for row in rows:
        effect, error = number_of(row, "effect"), number_of(row, "std_error")
        if effect is not None and error is not None:
            is_filled = bool(row.get("filled"))
            drawing.circle(
                plot.x(effect), plot.y(-error), RADIUS, fill=PAPER if is_filled else INK, color=INK
            )
    plot.draw_y_axis(drawing, [-tick for tick in error_ticks], labels, figure.y_label)
    shown = [ratio_label(math.exp(tick)) if is_ratio else tick_label(tick, ticks) for tick in ticks]
    baseline = plot.draw_x_axis(drawing, ticks, shown, figure.x_label)
    drawing.height = _draw_key(drawing, plot, figure, baseline) + 4
    return drawing


def _x_scale(
    effects: list[float],
    center: float | None,
    reach: float,
    deepest: float,
    is_ratio: bool,
    left: float,
    right: float,
) -> tuple[Scale, list[float]]:
    """An axis that holds the points and the funnel's foot; ticks of ratios at doublings."""
    values = [*effects, *([center - reach * deepest, center + reach * deepest] if center is not None else [])]
    low, high = min(values, default=-1.0), max(values, default=1.0)
    if not is_ratio:
        ticks = round_ticks(low, high)
        return Scale(ticks[0], ticks[-1], left, right), ticks
    ratios = log_ticks(math.exp(max(low, -30.0)), math.exp(min(high, 30.0)))
    ticks = [math.log(ratio) for ratio in ratios]
    return Scale(ticks[0], ticks[-1], left, right), ticks


def _draw_funnel_lines(drawing: Drawing, plot: Plot, center: float, reach: float, deepest: float) -> None:
    top = plot.y(0.0)
    drawing.line(plot.x(center), top, plot.x(center), plot.y(-deepest), width=HAIRLINE, dash="1.5 1.5")
    for side in (-1.0, 1.0):
        foot = center + side * reach * deepest
        drawing.line(
            plot.x(center), top, plot.x(foot), plot.y(-deepest), color=MUTED, width=HAIRLINE, dash="3 2"
        )


def _draw_contours(drawing: Drawing, plot: Plot, figure: Figure, deepest: float) -> None:
    """Shades between the borders of P values about no difference, lightest where P is smallest."""
    pairs = sorted(figure.options.get("contours") or (), key=lambda pair: pair[0])
    for (_, multiple), shade in zip(pairs, SHADES, strict=False):
        feet = [max(min(side * multiple * deepest, plot.x.high), plot.x.low) for side in (-1, 1)]
        depths = [abs(foot) / multiple for foot in feet]  # where the border leaves the plot
        points = [(plot.x(0.0), plot.y(0.0))]
        points += [(plot.x(feet[0]), plot.y(-depths[0])), (plot.x(feet[0]), plot.y(-deepest))]
        points += [(plot.x(feet[1]), plot.y(-deepest)), (plot.x(feet[1]), plot.y(-depths[1]))]
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + "Z"
        drawing.path(path, fill=shade)


def _draw_key(drawing: Drawing, plot: Plot, figure: Figure, baseline: float) -> float:
    """What shades and open circles mean."""
    pairs = sorted(figure.options.get("contours") or (), key=lambda pair: pair[0])
    entries = [(f"P > {format_number(p, 2)}", SHADES[i]) for i, (p, _) in enumerate(pairs)]
    has_filled = any(row.get("filled") for row in rows_of(figure, "main"))
    if not entries and not has_filled:
        return baseline
    x, y = plot.left, baseline + LINE_HEIGHT + 3
    for text, shade in entries:
        drawing.rectangle(x, y - 6, 7, 7, fill=shade, color=FAINT)
        drawing.text(x + 10, y, text)
        x += 54
    if has_filled:
        drawing.circle(x + 3, y - 2.5, RADIUS, fill=PAPER, color=INK)
        drawing.text(x + 10, y, "filled in")
    return y + TEXT * 0.3


def describe_funnel(figure: Figure) -> str:
    """The points in words."""
    rows = rows_of(figure, "main")
    count = sum(1 for row in rows if not row.get("filled"))
    center = number_of(figure.options, "center")
    about = ""
    if center is not None:
        shown = math.exp(center) if figure.options.get("is_ratio") else center
        about = f" about {format_number(shown, 2)}"
    return f"Funnel plot of {count} trials{about}: effect across, standard error downwards."
