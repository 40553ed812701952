"""Published numbers over the intervals that a model predicts: a row a number, on a scale of its own.

Decides the layout: what the number is at the left; its interval as a bar from -1 to 1, so that all can be
compared by eye, with the model's mean as a tick and the published number as a disc; numbers at the right.
"""

from __future__ import annotations

import math
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, RULE, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import FAINT, INK, MUTED, PAPER, Palette
from flarefree.reports.figures.type_widths import wrap_text
from flarefree.results import Figure

__all__ = ["describe_predictive", "draw_predictive"]

ROW = 11.5
LABEL_WIDTH, ARM_WIDTH, NUMBER_WIDTH, INTERVAL_WIDTH = 178.0, 26.0, 44.0, 74.0
FARTHEST = 2.0
BAR = 5.0
MARK = 2.5


def draw_predictive(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main`: a row a number.

    Columns `label`, `group` (arm), `value`, `mean`, `low`, `high`, `value_text`, `interval_text`; optional
    `is_open` (drawn as a ring: not fitted), `pit` (where to place a value whose interval has no end).
    Options: `open_label`, `filled_label`.
    """
    require_columns(figure, "main", "label", "value", "mean", "low", "high", "value_text", "interval_text")
    drawing = Drawing(DOUBLE_COLUMN)
    rows = rows_of(figure, "main")
    key = _draw_key(figure, drawing)
    top = key + 2 * LINE_HEIGHT
    _draw_heads(drawing, top - 4)
    drawing.line(0, top, DOUBLE_COLUMN, top, width=RULE)
    places, y, last = [], top + 11, ""
    for row in rows:
        label = text_of(row, "label")
        lines = wrap_text(label, TEXT, LABEL_WIDTH) if label != last else []
        drawing.lines(0, y, lines)
        places.append(y)
        y += ROW + LINE_HEIGHT * max(len(lines) - 1, 0)
        last = label
    bottom = y - 4
    left = LABEL_WIDTH + ARM_WIDTH + 6
    right = DOUBLE_COLUMN - NUMBER_WIDTH - INTERVAL_WIDTH - 10
    plot = Plot(Scale(-FARTHEST, FARTHEST, left, right), Scale(0.0, 1.0, bottom, top))
    for edge, dash in ((-1.0, "1.5 1.5"), (0.0, ""), (1.0, "1.5 1.5")):
        drawing.line(plot.x(edge), top + 2, plot.x(edge), bottom, color=FAINT, width=HAIRLINE, dash=dash)
    for row, place in zip(rows, places, strict=True):
        _draw_row(drawing, plot, row, place, palette)
    ticks = round_ticks(-FARTHEST, FARTHEST, 4)
    foot = plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label)
    drawing.height = foot + 4
    return drawing


def _draw_heads(drawing: Drawing, y: float) -> None:
    drawing.text(0, y, "Number", bold=True)
    drawing.text(DOUBLE_COLUMN - INTERVAL_WIDTH - 6, y, "Published", anchor="end", bold=True)
    drawing.text(DOUBLE_COLUMN, y, "95% predicted", anchor="end", bold=True)


def _draw_row(drawing: Drawing, plot: Plot, row: dict[str, Any], y: float, palette: Palette) -> None:
    group = text_of(row, "group")
    color = palette.of_group(group)
    drawing.text(LABEL_WIDTH + 4, y, group, color=color)
    drawing.text(DOUBLE_COLUMN - INTERVAL_WIDTH - 6, y, text_of(row, "value_text"), anchor="end")
    drawing.text(DOUBLE_COLUMN, y, text_of(row, "interval_text"), anchor="end")
    value, mean = number_of(row, "value"), number_of(row, "mean")
    low, high = number_of(row, "low"), number_of(row, "high")
    if value is None or low is None or high is None:
        return
    middle = y - TEXT * 0.3
    drawing.rectangle(
        plot.x(-1.0), middle - BAR / 2, plot.x(1.0) - plot.x(-1.0), BAR, fill=color, opacity=0.22
    )
    is_bounded = math.isfinite(low) and math.isfinite(high)
    if mean is not None and high > low and is_bounded:
        x = plot.x(_within(_placed(mean, low, high)))
        drawing.line(x, middle - BAR / 2, x, middle + BAR / 2, color=color, width=RULE)
    at = _placed(value, low, high) if is_bounded else 2.0 * (number_of(row, "pit") or 0.5) - 1.0
    x = plot.x(_within(at))
    is_open = bool(row.get("is_open"))
    if abs(at) <= FARTHEST:
        drawing.circle(x, middle, MARK, fill=PAPER if is_open else color, color=color)
        return
    side = 1 if at > 0 else -1  # beyond the axis: an arrow that says so
    drawing.polygon(
        [(x, middle), (x - side * 5, middle - 2.6), (x - side * 5, middle + 2.6)], fill=color, color=color
    )


def _placed(value: float, low: float, high: float) -> float:
    """Where a value is on a scale on which the interval runs from -1 to 1."""
    half = 0.5 * (high - low)
    if half <= 0.0:
        return 0.0 if value == low else (FARTHEST * 2 if value > low else -FARTHEST * 2)
    return (value - 0.5 * (low + high)) / half


def _within(x: float) -> float:
    return min(max(x, -FARTHEST), FARTHEST)


def _draw_key(figure: Figure, drawing: Drawing) -> float:
    """What the marks are; gives the baseline of the words."""
    y, x = TEXT, MARK
    open_ = {bool(row.get("is_open")) for row in rows_of(figure, "main")}
    for words, fill, is_open in (
        (str(figure.options.get("filled_label", "published, fitted")), INK, False),
        (str(figure.options.get("open_label", "published, not fitted")), PAPER, True),
    ):
        if is_open not in open_:
            continue
        drawing.circle(x, y - TEXT * 0.3, MARK, fill=fill, color=INK)
        drawing.text(x + 6, y, words)
        x += 120
    drawing.rectangle(x, y - TEXT * 0.3 - BAR / 2, 22, BAR, fill=MUTED, opacity=0.3)
    drawing.line(x + 11, y - TEXT * 0.3 - BAR / 2, x + 11, y - TEXT * 0.3 + BAR / 2, color=MUTED, width=RULE)
    drawing.text(x + 27, y, "predicted: 95% of trials of this size, and their mean")
    return y


def describe_predictive(figure: Figure) -> str:
    """How many of the numbers lie within, and which do not."""
    rows = rows_of(figure, "main")
    outside = [
        " ".join(filter(None, (text_of(row, "label"), text_of(row, "group"))))
        for row in rows
        if (value := number_of(row, "value")) is not None
        and (low := number_of(row, "low")) is not None
        and (high := number_of(row, "high")) is not None
        and not low <= value <= high
    ]
    words = (
        f"{len(rows) - len(outside)} of {len(rows)} published numbers lie within their predicted intervals."
    )
    return words + (f" Outside: {'; '.join(outside)}." if outside else "")
