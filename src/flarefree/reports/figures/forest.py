"""Forest plots: a row a subgroup, its counts and rates by arm, a square with limits, the interaction's P.

Decides column widths from the words in them; the plot takes what is left.  Squares have areas in
proportion to events; limits beyond the axis end in arrows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, log_ticks, ratio_label, round_ticks, tick_label
from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    HAIRLINE,
    LINE_HEIGHT,
    RULE,
    TEXT,
    Drawing,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import NumberStyle, format_cell, format_count, format_number, format_p_value
from flarefree.results import Cell, Figure

__all__ = ["draw_forest"]

ROW = 13.0
GAP = 9.0
EDGE = 3.0  # right of the last column: digits of Times are wider than those that were measured
INDENT = 8.0
LABEL_WIDTH = 124.0
ARM_WIDTH = 70.0
SMALLEST, LARGEST = 2.6, 8.0  # sides of squares
NARROWEST_PLOT = 104.0
SIGNS = NumberStyle()


@dataclass(frozen=True, slots=True)
class Text:
    """A column of words: its heading, its cells, its width."""

    head: tuple[str, ...]
    cells: tuple[str, ...]
    anchor: str = "middle"

    @property
    def width(self) -> float:
        """The widest of its words."""
        heads = (text_width(line, TEXT, bold=True) for line in self.head)
        return max([*heads, *(text_width(cell, TEXT) for cell in self.cells)], default=0.0)


def draw_forest(figure: Figure, palette: Palette) -> Drawing:
    """Draw the rows of `main`; where it has a `comparison`, a plot for each, one under another.

    Options: `arms` (keys and labels), `comparisons` (keys and labels), `favors` (words left and right
    of no difference, or such a pair a comparison), `null` (the value of no difference: 1 on the log
    axis, which it implies, or 0 on a plain one), `limits` of the axis, `stub` (heading of the labels),
    `p_label`, `count_label`.  A row with `is_part` is part of the row above it, and is drawn gray.
    """
    require_columns(figure, "main", "label", "estimate")
    rows = rows_of(figure, "main")
    comparisons = list(dict.fromkeys(text_of(row, "comparison") for row in rows)) or [""]
    drawing = Drawing(DOUBLE_COLUMN)
    labels = figure.options.get("comparisons", {})
    for comparison in comparisons:
        if len(comparisons) > 1:
            drawing.height += LINE_HEIGHT + 2
            drawing.text(0, drawing.height - 4, str(labels.get(comparison, comparison)), bold=True)
        block = _draw_block(
            figure, [row for row in rows if text_of(row, "comparison") == comparison], comparison
        )
        drawing.place(block, 0, drawing.height)
        drawing.height += block.height + (10 if len(comparisons) > 1 else 0)
    return drawing


def _draw_block(figure: Figure, rows: list[dict[str, Any]], comparison: str) -> Drawing:
    """The plot of one comparison."""
    null = float(figure.options.get("null", 1.0))
    arms = _arm_columns(figure, rows, comparison)
    estimate = Text(
        tuple(_heading(figure.x_label or "Hazard ratio (95% CI)", 64)),
        tuple(_estimate_text(row) for row in rows),
    )
    p_columns = _p_columns(figure, rows)

    drawing = Drawing(DOUBLE_COLUMN)
    label_width = min(max([_label_width(row) for row in rows], default=60.0), LABEL_WIDTH)
    used = label_width + sum(c.width + GAP for c in [*arms, estimate, *p_columns]) + 2 * GAP + EDGE
    plot_width = max(DOUBLE_COLUMN - used, NARROWEST_PLOT)

    head_lines = max(len(column.head) for column in [*arms, estimate, *p_columns])
    counted = _count_heading(figure, arms)
    top = 6 + LINE_HEIGHT * (head_lines + len(counted)) + (6 if counted else 4)
    places = _row_places(rows, label_width, top + 12)
    bottom = (places[-1] if places else top) + 8

    x = _draw_labels(figure, drawing, rows, places, label_width, top)
    x = _draw_columns(drawing, arms, places, x, top)
    _draw_count_heading(drawing, counted, label_width + GAP, x - GAP)
    plot = _plot(rows, null, x + GAP * 0.5, x + GAP * 0.5 + plot_width, top, bottom, figure)
    _draw_plot(drawing, plot, rows, places, null)
    x = plot.right + GAP * 1.5
    x = _draw_columns(drawing, [estimate, *p_columns], places, x, top)
    drawing.line(0, top, DOUBLE_COLUMN, top, width=HAIRLINE)
    drawing.line(0, 0.5, DOUBLE_COLUMN, 0.5, width=RULE)
    drawing.height = _draw_axis(drawing, plot, _favors(figure, comparison), null) + 4
    return drawing


def _favors(figure: Figure, comparison: str) -> list[str]:
    """Words left and right of no difference; a bare name of an arm is completed."""
    given = figure.options.get("favors") or ()
    pair = given.get(comparison, ()) if isinstance(given, Mapping) else given
    names = set(figure.options.get("arms", {}).values())
    return [f"{words} better" if words in names else str(words) for words in pair]


# Columns of words --------------------------------------------------------------------------------


def _arm_columns(figure: Figure, rows: list[dict[str, Any]], comparison: str) -> list[Text]:
    """A column an arm that has counts, `19/116 (7.1)`; of a comparison, its two arms."""
    keys = [c.removeprefix("events_") for c in figure.data["main"].columns if c.startswith("events_")]
    compared = comparison.split("_vs_")
    if set(compared) <= set(keys):
        keys = compared
    labels = dict(figure.options.get("arms", {}))
    return [
        Text(
            tuple(wrap_text(str(labels.get(key, key)), TEXT, ARM_WIDTH, bold=True)),
            tuple(_count_text(row, key) for row in rows),
        )
        for key in keys
    ]


def _count_text(row: dict[str, Any], arm: str) -> str:
    events, n, rate = (number_of(row, f"{name}_{arm}") for name in ("events", "n", "rate"))
    if events is None:
        return ""
    text = format_count(events) + (f"/{format_count(n)}" if n is not None else "")
    return text + (f" ({format_number(rate, 1)})" if rate is not None else "")


def _estimate_text(row: dict[str, Any]) -> str:
    if row.get("is_header") and number_of(row, "estimate") is None:
        return ""
    stats = {name: number_of(row, name) for name in ("estimate", "conf_low", "conf_high")}
    return format_cell(Cell("estimate_ci", stats), SIGNS)


def _p_columns(figure: Figure, rows: list[dict[str, Any]]) -> list[Text]:
    columns = []
    for name, head in (
        ("p_value", "P value"),
        ("p_interaction", figure.options.get("p_label", "P for interaction")),
    ):
        values = [number_of(row, name) for row in rows]
        if any(value is not None for value in values):
            cells = tuple("" if value is None else format_p_value(value) for value in values)
            columns.append(Text(tuple(wrap_text(str(head), TEXT, 46, bold=True)), cells))
    return columns


def _label_width(row: dict[str, Any]) -> float:
    bold = bool(row.get("is_header"))
    return text_width(text_of(row, "label"), TEXT, bold=bold) + INDENT * (number_of(row, "indent") or 0) + 4


def _label_lines(row: dict[str, Any], width: float) -> list[str]:
    indent = INDENT * (number_of(row, "indent") or 0)
    return wrap_text(text_of(row, "label"), TEXT, width - indent, bold=bool(row.get("is_header")))


def _row_places(rows: list[dict[str, Any]], width: float, first: float) -> list[float]:
    """The baseline of each row; a heading has air above it, a long label its lines below."""
    places: list[float] = []
    y = first
    for i, row in enumerate(rows):
        y += 3.0 if row.get("is_header") and i else 0.0
        places.append(y)
        y += ROW + LINE_HEIGHT * (len(_label_lines(row, width)) - 1)
    return places


def _draw_labels(
    figure: Figure,
    drawing: Drawing,
    rows: list[dict[str, Any]],
    places: list[float],
    width: float,
    top: float,
) -> float:
    drawing.text(0, top - 4, str(figure.options.get("stub", "Subgroup")), bold=True)
    for row, y in zip(rows, places, strict=True):
        indent = INDENT * (number_of(row, "indent") or 0)
        drawing.lines(indent, y, _label_lines(row, width), bold=bool(row.get("is_header")))
    return width + GAP


def _draw_columns(
    drawing: Drawing, columns: Sequence[Text], places: list[float], x: float, top: float
) -> float:
    """Set columns from `x` on; gives where the next begins."""
    for column in columns:
        middle = x + column.width / 2
        drawing.lines(
            middle, top - 4 - LINE_HEIGHT * (len(column.head) - 1), column.head, anchor="middle", bold=True
        )
        for cell, y in zip(column.cells, places, strict=True):
            drawing.text(middle, y, cell, anchor="middle")
        x += column.width + GAP
    return x


def _heading(words: str, width: float) -> list[str]:
    """A heading in lines, broken before its parenthesis if it must be broken."""
    if text_width(words, TEXT, bold=True) <= width:
        return [words]
    before, parenthesis, after = words.partition(" (")
    parts = [before, f"({after}"] if parenthesis else [before]
    return [line for part in parts for line in wrap_text(part, TEXT, width, bold=True)]


def _count_heading(figure: Figure, arms: list[Text]) -> list[str]:
    """What the counts are: a heading over all the arms' columns."""
    if not arms:
        return []
    has_rates = any("(" in cell for column in arms for cell in column.cells)
    words = "No. of events/no. of patients" + (" (rate per 100 person-yr)" if has_rates else "")
    width = sum(column.width + GAP for column in arms) + GAP
    return _heading(str(figure.options.get("count_label", words)), width)


def _draw_count_heading(drawing: Drawing, lines: list[str], left: float, right: float) -> None:
    if not lines:
        return
    for i, line in enumerate(lines):
        y = 4 + TEXT + LINE_HEIGHT * i
        drawing.text((left + right) / 2, y, line, anchor="middle", italic=True)
    rule = 6 + LINE_HEIGHT * len(lines) + 0.5
    drawing.line(left, rule, right, rule, width=HAIRLINE, color=MUTED)


# The plot ----------------------------------------------------------------------------------------


def _plot(
    rows: list[dict[str, Any]],
    null: float,
    left: float,
    right: float,
    top: float,
    bottom: float,
    figure: Figure,
) -> Plot:
    is_log = null > 0
    given = figure.options.get("limits")
    low, high = (float(v) for v in given) if given else _axis_limits(rows, null, is_log)
    return Plot(Scale(low, high, left, right, is_log), Scale(0.0, 1.0, bottom, top))


def _axis_limits(rows: list[dict[str, Any]], null: float, is_log: bool) -> tuple[float, float]:
    """Round limits that hold every estimate, and intervals unless they are far wider than the rest."""
    estimates = [v for row in rows if (v := number_of(row, "estimate")) is not None and math.isfinite(v)]
    estimates = [v for v in estimates if v > 0 or not is_log] or [null]
    lows = [v for row in rows if (v := number_of(row, "conf_low")) is not None and math.isfinite(v)]
    highs = [v for row in rows if (v := number_of(row, "conf_high")) is not None and math.isfinite(v)]
    if not is_log:
        ticks = round_ticks(min([*estimates, *lows, null]), max([*estimates, *highs, null]))
        return ticks[0], ticks[-1]
    floor, ceiling = min(*estimates, null) / 5, max(*estimates, null) * 5
    low = max(min([v for v in lows if v > 0] or [null / 2]), floor)
    high = min(max(highs or [null * 2]), ceiling)
    ticks = log_ticks(min(low, null / 2), max(high, null * 2))
    return ticks[0], ticks[-1]


def _draw_plot(
    drawing: Drawing,
    plot: Plot,
    rows: list[dict[str, Any]],
    places: list[float],
    null: float,
) -> None:
    drawing.line(plot.x(null), plot.top + 2, plot.x(null), plot.bottom, width=HAIRLINE)
    events = [_events(row) for row in rows]
    most = max([e for e in events if e is not None], default=None)
    overall = next((row for row in rows if _is_overall(row)), None)
    if overall is not None and (center := number_of(overall, "estimate")) is not None:
        drawing.line(
            plot.x(center),
            plot.top + 2,
            plot.x(center),
            plot.bottom,
            color=MUTED,
            width=HAIRLINE,
            dash="1.5 1.5",
        )
    for row, y, n in zip(rows, places, events, strict=True):
        share = math.sqrt(n / most) if n is not None and most else 0.6
        _draw_interval(drawing, plot, row, y - TEXT * 0.3, SMALLEST + (LARGEST - SMALLEST) * share)


def _is_overall(row: dict[str, Any]) -> bool:
    return bool(row.get("is_overall")) or text_of(row, "term") == "all"


def _events(row: dict[str, Any]) -> float | None:
    found = [number_of(row, column) for column in row if column.startswith("events_")]
    known = [n for n in found if n is not None]
    return sum(known) if known else None


def _draw_interval(drawing: Drawing, plot: Plot, row: dict[str, Any], y: float, side: float) -> None:
    center = number_of(row, "estimate")
    if center is None or not plot.x.low <= center <= plot.x.high:
        return
    low, high = number_of(row, "conf_low"), number_of(row, "conf_high")
    x = plot.x(center)
    color = MUTED if row.get("is_part") else INK
    for limit, edge, clipped in (
        (low, plot.left, low is None or low < plot.x.low),
        (high, plot.right, high is None or high > plot.x.high),
    ):
        if limit is None and (low is None) == (high is None):
            continue  # no limits at all
        if clipped or limit is None:
            drawing.arrow(x, edge, y, color=color)
        else:
            drawing.line(x, y, plot.x(limit), y, width=RULE, color=color)
    if _is_overall(row):
        _draw_diamond(drawing, plot, x, y, low, high)
    else:
        drawing.rectangle(x - side / 2, y - side / 2, side, side, fill=color)


def _draw_diamond(
    drawing: Drawing, plot: Plot, x: float, y: float, low: float | None, high: float | None
) -> None:
    left = plot.x(low) if low is not None and low >= plot.x.low else x - 4
    right = plot.x(high) if high is not None and high <= plot.x.high else x + 4
    drawing.polygon([(left, y), (x, y - 4), (right, y), (x, y + 4)], fill=INK)


def _draw_axis(drawing: Drawing, plot: Plot, favors: list[str], null: float) -> float:
    is_log = plot.x.is_log
    ticks = log_ticks(plot.x.low, plot.x.high) if is_log else round_ticks(plot.x.low, plot.x.high)
    ticks = [tick for tick in ticks if plot.x.low * 0.999 <= tick <= plot.x.high * 1.001 or not is_log]
    labels = [ratio_label(tick) if is_log else tick_label(tick, ticks) for tick in ticks]
    kept = _without_crowding(plot, ticks, labels, null)
    baseline = plot.draw_x_axis(
        drawing, ticks, [label if i in kept else "" for i, label in enumerate(labels)]
    )
    return _draw_favors(drawing, plot, favors, null, baseline + 6) if favors else baseline


def _without_crowding(plot: Plot, ticks: list[float], labels: list[str], null: float) -> set[int]:
    """Which labels to set, so that none touches another: the one of no difference first."""
    order = sorted(range(len(ticks)), key=lambda i: (abs(ticks[i] - null) > 1e-9, i))
    kept: dict[int, tuple[float, float]] = {}
    for i in order:
        half = text_width(labels[i], TEXT) / 2 + 2.5
        span = (plot.x(ticks[i]) - half, plot.x(ticks[i]) + half)
        if all(span[1] < low or span[0] > high for low, high in kept.values()):
            kept[i] = span
    return set(kept)


def _draw_favors(drawing: Drawing, plot: Plot, words: list[str], null: float, y: float) -> float:
    """`MMF better` and `AZA better`, each under an arrow away from no difference."""
    middle = plot.x(null)
    lowest = y
    for text, edge, side in ((words[0], plot.left, -1), (words[-1], plot.right, 1)):
        room = max(abs(edge - middle) + 30, 40.0)
        drawing.arrow(middle + side * 4, edge, y, color=INK, width=HAIRLINE)
        lines = wrap_text(text, TEXT, room)
        x, anchor = (middle - 5, "end") if side < 0 else (middle + 5, "start")
        lowest = max(lowest, drawing.lines(x, y + TEXT + 3, lines, anchor=anchor) - LINE_HEIGHT)
    return lowest


def describe_forest(figure: Figure) -> str:
    """The rows in words, for readers who do not see them."""
    shown = [(text_of(row, "label"), _estimate_text(row)) for row in rows_of(figure, "main")]
    return "Forest plot. " + "; ".join(f"{label}: {text}" for label, text in shown if text) + "."
