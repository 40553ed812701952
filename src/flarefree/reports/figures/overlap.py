"""How far two populations overlap: a love plot, measurements overlaid, and how weights are spread.

Decides the layout: a row a covariate with its means, standardized differences before and after weighting
beside them; the distributions of measurements below, three abreast; why a result is extrapolated at the foot.
"""

from __future__ import annotations

import math
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    HAIRLINE,
    LINE_HEIGHT,
    RULE,
    SINGLE_COLUMN,
    TEXT,
    Drawing,
    number,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import ARMS, INK, MUTED, PAPER, REFERENCE, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_overlap", "describe_weights", "draw_overlap", "draw_weights"]

SOURCE, TARGET, WEIGHTED = ARMS[0], REFERENCE, ARMS[1]
ROW = 13.0
LABEL_WIDTH, VALUE_WIDTH = 120.0, 52.0
FARTHEST = 2.5  # standard deviations shown; beyond, an arrow
MARK = 2.6
PANELS_ABREAST, PANEL_GAP, PANEL_HEIGHT = 3, 20.0, 52.0
WEIGHTS_HEIGHT = 120.0


def draw_overlap(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (a row a covariate) and `margins` (bins of measurements).

    Options: `source`, `target` (names of the populations), `threshold` (of a small difference).
    """
    require_columns(figure, "main", "term", "smd", "source_mean", "target_mean")
    drawing = Drawing(DOUBLE_COLUMN)
    rows = rows_of(figure, "main")
    bottom = _draw_love_plot(figure, drawing, rows)
    bottom = _draw_panels(figure, drawing, bottom + 8)
    drawing.height = _draw_foot(figure, drawing, bottom + 6, DOUBLE_COLUMN) + 2
    return drawing


# The love plot -----------------------------------------------------------------------------------


def _draw_love_plot(figure: Figure, drawing: Drawing, rows: list[dict[str, Any]]) -> float:
    has_weights = any(number_of(row, "weighted_mean") is not None for row in rows)
    columns = [
        ("source_mean", _name(figure, "source", "Source")),
        ("target_mean", _name(figure, "target", "Target")),
    ]
    if has_weights:
        columns.insert(1, ("weighted_mean", "Weighted"))
    heads = [wrap_text(head, TEXT, VALUE_WIDTH, bold=True) for _, head in columns]
    labels = [wrap_text(text_of(row, "term"), TEXT, LABEL_WIDTH) for row in rows]
    lines = max(len(head) for head in heads)
    key = _draw_key(drawing, has_weights)
    top = key + LINE_HEIGHT * lines + 4
    drawing.text(0, top - 4, "Covariate", bold=True)
    x = LABEL_WIDTH + 8
    places, y = [], top + 12
    for label in labels:
        places.append(y)
        y += ROW + LINE_HEIGHT * (len(label) - 1)
    bottom = places[-1] + 6
    for label, place in zip(labels, places, strict=True):
        drawing.lines(0, place, label)
    for (column, _), head in zip(columns, heads, strict=True):
        middle = x + VALUE_WIDTH / 2
        drawing.lines(middle, top - 4 - LINE_HEIGHT * (len(head) - 1), head, anchor="middle", bold=True)
        for row, place in zip(rows, places, strict=True):
            drawing.text(middle, place, _value_text(row, column), anchor="middle")
        x += VALUE_WIDTH + 6
    drawing.line(0, top, DOUBLE_COLUMN, top)
    plot = _love_axis(rows, x + 10, DOUBLE_COLUMN - 6, top, bottom)
    _draw_love_rules(drawing, plot, float(figure.options.get("threshold", 0.1)))
    for row, place in zip(rows, places, strict=True):
        _draw_differences(drawing, plot, row, place - TEXT * 0.3, has_weights)
    ticks = [t for t in round_ticks(plot.x.low, plot.x.high) if plot.x.low <= t <= plot.x.high]
    return plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label)


def _love_axis(rows: list[dict[str, Any]], left: float, right: float, top: float, bottom: float) -> Plot:
    """Symmetric about 0, wide enough for every difference that is not far beyond the rest."""
    values = [abs(v) for row in rows for c in ("smd", "weighted_smd") if (v := number_of(row, c)) is not None]
    widest = max([v for v in values if v <= FARTHEST], default=0.5)
    widest = FARTHEST if any(v > FARTHEST for v in values) else max(widest * 1.1, 0.25)
    ticks = round_ticks(-widest, widest)
    return Plot(Scale(ticks[0], ticks[-1], left, right), Scale(0.0, 1.0, bottom, top))


def _draw_love_rules(drawing: Drawing, plot: Plot, threshold: float) -> None:
    drawing.line(plot.x(0), plot.top + 2, plot.x(0), plot.bottom, width=HAIRLINE)
    for edge in (-threshold, threshold):
        x = plot.x(edge)
        drawing.line(x, plot.top + 2, x, plot.bottom, color=MUTED, width=HAIRLINE, dash="1.5 1.5")


def _draw_differences(drawing: Drawing, plot: Plot, row: dict[str, Any], y: float, has_weights: bool) -> None:
    before, after = number_of(row, "smd"), number_of(row, "weighted_smd")
    if before is not None and after is not None and has_weights:
        start, end = (plot.x(_within(plot, v)) for v in (before, after))
        drawing.line(start, y, end, y, color=MUTED, width=HAIRLINE)
    if before is not None:
        _draw_mark(drawing, plot, before, y, fill=PAPER, color=SOURCE)
    if after is not None and has_weights:
        _draw_mark(drawing, plot, after, y, fill=WEIGHTED, color=WEIGHTED)


def _within(plot: Plot, value: float) -> float:
    return min(max(value, plot.x.low), plot.x.high)


def _draw_mark(drawing: Drawing, plot: Plot, value: float, y: float, *, fill: str, color: str) -> None:
    x = plot.x(_within(plot, value))
    if plot.x.low <= value <= plot.x.high:
        drawing.circle(x, y, MARK, fill=fill, color=color)
        return
    side = 1 if value > 0 else -1  # beyond the axis: an arrow that says so
    drawing.polygon([(x, y), (x - side * 5, y - 2.6), (x - side * 5, y + 2.6)], fill=fill, color=color)


def _draw_key(drawing: Drawing, has_weights: bool) -> float:
    """What the marks are; gives the baseline of the words."""
    y, x = TEXT, DOUBLE_COLUMN - 6
    shown = [("before weighting", PAPER, SOURCE)] + ([("after", WEIGHTED, WEIGHTED)] if has_weights else [])
    for words, fill, color in reversed(shown):
        drawing.text(x, y, words, anchor="end")
        x -= text_width(words, TEXT) + 6
        drawing.circle(x, y - TEXT * 0.3, MARK, fill=fill, color=color)
        x -= 12
    return y + 4


def _value_text(row: dict[str, Any], column: str) -> str:
    value = number_of(row, column)
    if value is None:
        return "—"
    if row.get("is_share"):
        return f"{format_number(100 * value, 1)}%"
    sd = number_of(row, column.replace("_mean", "_sd"))
    size = max(abs(value), sd or 0.0)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return format_number(value, digits)


def _name(figure: Figure, key: str, otherwise: str) -> str:
    return str(figure.options.get(key, otherwise))


# Measurements ------------------------------------------------------------------------------------


def _draw_panels(figure: Figure, drawing: Drawing, top: float) -> float:
    """A panel a measurement; gives where they end."""
    rows = rows_of(figure, "margins")
    terms = list(dict.fromkeys(text_of(row, "term") for row in rows))
    if not terms:
        return top
    names = {"source": _name(figure, "source", "Source"), "weighted": "Weighted"}
    names["target"] = _name(figure, "target", "Target")
    groups = [g for g in names if any(text_of(row, "group") == g for row in rows)]
    top = _draw_panel_key(drawing, [(names[g], g) for g in groups], top + TEXT) + 4
    inset = PANEL_GAP / 2  # room for the outermost tick's words
    width = (DOUBLE_COLUMN - PANEL_GAP * PANELS_ABREAST) / PANELS_ABREAST
    bottom = top
    for k, term in enumerate(terms):
        if k % PANELS_ABREAST == 0:
            top = bottom + 4
        left = inset + (k % PANELS_ABREAST) * (width + PANEL_GAP)
        of = [row for row in rows if text_of(row, "term") == term]
        bottom = max(bottom, _draw_panel(drawing, term, of, left, left + width, top))
    return bottom


STYLE = {"source": (SOURCE, ""), "weighted": (WEIGHTED, "3 1.5"), "target": (TARGET, "")}


def _draw_panel_key(drawing: Drawing, shown: list[tuple[str, str]], y: float) -> float:
    x = 0.0
    for words, group in shown:
        color, dash = STYLE[group]
        drawing.line(x, y - TEXT * 0.3, x + 14, y - TEXT * 0.3, color=color, width=1.0, dash=dash)
        drawing.text(x + 18, y, words)
        x += 18 + text_width(words, TEXT) + 14
    return y


def _draw_panel(
    drawing: Drawing, term: str, rows: list[dict[str, Any]], left: float, right: float, top: float
) -> float:
    """Steps of the share of patients in each bin."""
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    tallest = max(row["share"] for row in rows)
    ticks = [t for t in round_ticks(low, high, 4) if low <= t <= high]
    plot = Plot(Scale(low, high, left, right), Scale(0.0, tallest or 1.0, top + PANEL_HEIGHT, top))
    for group, (color, dash) in STYLE.items():
        of = [row for row in rows if text_of(row, "group") == group]
        if not of:
            continue
        points = [(plot.x(of[0]["low"]), plot.bottom)]
        for row in of:
            y = plot.y(row["share"])
            points += [(plot.x(row["low"]), y), (plot.x(row["high"]), y)]
        points.append((plot.x(of[-1]["high"]), plot.bottom))
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
        if group == "target":
            drawing.path(path + "Z", fill=color, opacity=0.12)
        drawing.path(path, color=color, width=0.9, dash=dash)
    return plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], term) + 4


# Weights -----------------------------------------------------------------------------------------


def draw_weights(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main`: `n` patients with weights from `low` to `high`."""
    require_columns(figure, "main", "low", "high", "n")
    rows = rows_of(figure, "main")
    drawing = Drawing(SINGLE_COLUMN)
    y_ticks = round_ticks(0.0, max(row["n"] for row in rows), 4)
    labels = [tick_label(t, y_ticks) for t in y_ticks]
    left = y_axis_room(labels, figure.y_label, WEIGHTS_HEIGHT)
    highest = max(row["high"] for row in rows)
    x_ticks = [t for t in round_ticks(0.0, highest) if t <= highest]
    plot = Plot(
        Scale(0.0, highest, left, SINGLE_COLUMN - 4),
        Scale(0.0, y_ticks[-1], WEIGHTS_HEIGHT + 6, 6),
    )
    for row in rows:
        if row["n"]:
            x, y = plot.x(row["low"]), plot.y(row["n"])
            width = max(plot.x(row["high"]) - x - 0.6, 0.6)
            drawing.rectangle(x + 0.3, y, width, plot.bottom - y, fill=WEIGHTED)
    if highest >= 1:
        drawing.line(plot.x(1), plot.top, plot.x(1), plot.bottom, color=MUTED, width=RULE, dash="1.5 1.5")
    plot.draw_y_axis(drawing, y_ticks, labels, figure.y_label)
    bottom = plot.draw_x_axis(drawing, x_ticks, [tick_label(t, x_ticks) for t in x_ticks], figure.x_label)
    drawing.height = _draw_foot(figure, drawing, bottom + 6, SINGLE_COLUMN) + 2
    return drawing


def _draw_foot(figure: Figure, drawing: Drawing, y: float, width: float) -> float:
    """The numbers of the overlap, and in color why the result is extrapolated."""
    y += TEXT
    for words, color in [(w, INK) for w in figure.annotations] + [(w, REFERENCE) for w in figure.footnotes]:
        y = drawing.lines(0, y, wrap_text(words, TEXT, width), color=color)
    return y - LINE_HEIGHT + 2


# In words ----------------------------------------------------------------------------------------


def describe_overlap(figure: Figure) -> str:
    """Each covariate's difference in words."""
    parts = []
    for row in rows_of(figure, "main"):
        before, after = number_of(row, "smd"), number_of(row, "weighted_smd")
        words = (
            f"{text_of(row, 'term')}: {_value_text(row, 'source_mean')} and {_value_text(row, 'target_mean')}"
        )
        if before is not None:
            words += f", standardized difference {_plain(before)}"
        if after is not None:
            words += f", after weighting {_plain(after)}"
        parts.append(words)
    return "Overlap of two populations. " + ". ".join([*parts, *figure.annotations, *figure.footnotes]) + "."


def describe_weights(figure: Figure) -> str:
    """The spread of the weights in words."""
    return "Distribution of weights. " + ". ".join([*figure.annotations, *figure.footnotes]) + "."


def _plain(value: float) -> str:
    return "without bound" if math.isinf(value) else format_number(value, 2)
