"""Forest plots of trials: each arm's numbers, squares by weight, a diamond, the prediction interval, Q.

One row a trial, as journals print meta-analyses; subgroups under their headings; runs without or up to each
trial in the same form.  Column widths come from the words in them; the plot takes what is left.
"""

from __future__ import annotations

import math
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, log_ticks, ratio_label, round_ticks, tick_label
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, RULE, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_count, format_number, format_p_value
from flarefree.results import Figure

__all__ = ["describe_meta_forest", "draw_meta_forest"]

ROW = 12.5
GAP = 9.0
INDENT = 8.0
LABEL_WIDTH = 150.0
ARM_WIDTH = 66.0
NARROWEST_PLOT = 110.0
SMALLEST, LARGEST = 2.2, 8.5  # sides of squares; areas go with weights
MOST_SHOWN = 9999  # a limit beyond this says only that there is none
REACH = 6.0  # how far beyond the outermost estimate the axis runs for limits, as a factor

Row = dict[str, Any]
Column = tuple[list[str], list[str]]
"""Heading lines and a cell a row."""


def draw_meta_forest(figure: Figure, palette: Palette) -> Drawing:
    """Draw the rows of `main`: `kind` is trial, run, pooled, prediction or header.

    Options: `null` (1 means a log axis), `arms` (two labels), `stub`, `limits` of the axis, `favors` (two
    texts), `pooled_line` (False: no rule up from the last diamond).  `heterogeneity` has a row a group,
    printed below.
    """
    require_columns(figure, "main", "kind", "label", "estimate", "conf_low", "conf_high")
    rows = rows_of(figure, "main")
    arms, estimate, weights = _arm_columns(figure, rows), _estimate_column(figure, rows), _weights(rows)
    columns = [estimate, *weights]
    label_width = min(max((_label_width(row) for row in rows), default=60.0), LABEL_WIDTH)
    used = label_width + sum(_width(c) + GAP for c in [*arms, *columns]) + 2 * GAP
    plot_width = max(DOUBLE_COLUMN - used, NARROWEST_PLOT)
    drawing = Drawing(max(DOUBLE_COLUMN, used + NARROWEST_PLOT))

    head_lines = max((len(head) for head, _ in [*arms, *columns]), default=1)
    top = 6 + LINE_HEIGHT * head_lines
    places = _places(rows, label_width, top + 12)
    bottom = places[-1] + 7
    drawing.line(0, 0.5, drawing.width, 0.5, width=RULE)
    drawing.line(0, top, drawing.width, top, width=HAIRLINE)
    drawing.text(0, top - 4, str(figure.options.get("stub", "Trial")), bold=True)
    for row, y in zip(rows, places, strict=True):
        drawing.lines(_indent(row), y, _label_lines(row, label_width), bold=_is_bold(row))
    x = label_width + GAP
    x = _draw_columns(drawing, arms, rows, places, x, top)
    plot = _plot(figure, rows, x, x + plot_width, top, bottom)
    if figure.options.get("pooled_line", True):
        _draw_pooled_line(drawing, plot, rows, places)
    _draw_estimates(drawing, plot, rows, places, float(figure.options.get("null", 1.0)))
    _draw_columns(drawing, columns, rows, places, plot.right + 1.6 * GAP, top)
    below = _draw_axis(drawing, plot, figure)
    drawing.height = _draw_notes(drawing, figure, below + 6) + 3
    return drawing


def describe_meta_forest(figure: Figure) -> str:
    """The rows in words, for readers who do not see them."""
    rows = rows_of(figure, "main")
    cells = _estimate_column(figure, rows)[1]
    shown = [(text_of(row, "label"), cell) for row, cell in zip(rows, cells, strict=True)]
    words = "; ".join(f"{label}: {text}" for label, text in shown if text)
    notes = " ".join(_heterogeneity_text(row) for row in rows_of(figure, "heterogeneity"))
    return f"Forest plot of trials. {words}. {notes}".strip()


# Words ----------------------------------------------------------------------------------------------------


def _arm_columns(figure: Figure, rows: list[Row]) -> list[Column]:
    labels = figure.options.get("arms", ("treatment", "reference"))
    columns = []
    for arm, label in zip(("treatment", "reference"), labels, strict=True):
        cells = [_arm_text(row, arm) for row in rows]
        if any(cells):
            what = _arm_heading(rows, arm)
            columns.append(([*wrap_text(str(label), TEXT, ARM_WIDTH, bold=True), what], cells))
    return columns


def _arm_heading(rows: list[Row], arm: str) -> str:
    if any(number_of(row, f"mean_{arm}") is not None for row in rows):
        return "mean ± SD (n)"
    if any(number_of(row, f"person_time_{arm}") is not None for row in rows):
        return "events/time"
    return "events/n"


def _arm_text(row: Row, arm: str) -> str:
    events, n, mean, sd, time = (
        number_of(row, f"{name}_{arm}") for name in ("events", "n", "mean", "sd", "person_time")
    )
    if mean is not None and sd is not None:
        digits = 2 if max(abs(mean), sd) < 10 else 1
        return f"{format_number(mean, digits)} ± {format_number(sd, digits)} ({format_count(n)})"
    if events is None:
        return "" if n is None or row["kind"] != "pooled" else format_count(n)
    if time is not None:
        return f"{format_count(events)}/{format_number(time, 0 if time >= 1000 else 1)}"
    return f"{format_count(events)}/{format_count(n)}" if n is not None else format_count(events)


def _estimate_column(figure: Figure, rows: list[Row]) -> Column:
    words = figure.x_label or "Estimate (95% CI)"
    before, parenthesis, after = words.partition(" (")
    head = wrap_text(before, TEXT, 92, bold=True)
    digits = figure.options.get("digits")
    digits = _digits(rows) if digits is None else int(digits)
    return [*head, *([f"({after}"] if parenthesis else [])], [_estimate_text(row, digits) for row in rows]


def _digits(rows: list[Row]) -> int:
    """Decimals for differences, by the largest estimate."""
    values = [abs(v) for row in rows if (v := number_of(row, "estimate")) is not None and math.isfinite(v)]
    largest = max(values, default=1.0)
    return 1 if largest >= 100 else 2 if largest >= 0.5 or largest == 0 else 3


def _estimate_text(row: Row, digits: int) -> str:
    estimate, low, high = (number_of(row, name) for name in ("estimate", "conf_low", "conf_high"))
    if row["kind"] == "header":
        return ""
    limits = "" if low is None or high is None else f"({_limit(low, digits)} to {_limit(high, digits)})"
    if row["kind"] == "prediction":
        return limits
    return "—" if estimate is None else f"{format_number(estimate, digits)} {limits}".strip()


def _limit(value: float, digits: int) -> str:
    if MOST_SHOWN < value < math.inf:
        return f">{MOST_SHOWN}"
    return format_number(value, digits if abs(value) < 100 else 0)


def _weights(rows: list[Row]) -> list[Column]:
    columns: list[Column] = []
    if any(number_of(row, "weight_percent") is not None for row in rows if row["kind"] == "trial"):
        columns.append((["Weight", "(%)"], [_weight_text(row) for row in rows]))
    if any(number_of(row, "p_value") is not None for row in rows if row["kind"] == "run"):
        values = [number_of(row, "p_value") for row in rows]
        columns.append((["P value"], ["" if v is None else format_p_value(v) for v in values]))
        values = [number_of(row, "i2") for row in rows]
        columns.append((["I²", "(%)"], ["" if v is None else format_number(v, 0) for v in values]))
    return columns


def _weight_text(row: Row) -> str:
    value = number_of(row, "weight_percent")
    return "" if value is None else format_number(value, 1)


def _width(column: Column) -> float:
    head, cells = column
    heads = (text_width(line, TEXT, bold=True) for line in head)
    return max([*heads, *(text_width(cell, TEXT, bold=True) for cell in cells)], default=0.0)


def _is_bold(row: Row) -> bool:
    return row["kind"] in ("pooled", "header")


def _indent(row: Row) -> float:
    return INDENT * (number_of(row, "indent") or 0.0)


def _label_width(row: Row) -> float:
    return text_width(text_of(row, "label"), TEXT, bold=_is_bold(row)) + _indent(row) + 4


def _label_lines(row: Row, width: float) -> list[str]:
    return wrap_text(text_of(row, "label"), TEXT, width - _indent(row), bold=_is_bold(row))


def _places(rows: list[Row], width: float, first: float) -> list[float]:
    """Baselines; some air before a heading and before the first pooled row of a block."""
    places, y = [], first
    for i, row in enumerate(rows):
        before = rows[i - 1]["kind"] if i else row["kind"]
        y += (
            3.5
            if i and (row["kind"] == "header" or (row["kind"] == "pooled" and before in ("trial", "run")))
            else 0.0
        )
        places.append(y)
        y += ROW + LINE_HEIGHT * (len(_label_lines(row, width)) - 1)
    return places


def _draw_columns(
    drawing: Drawing, columns: list[Column], rows: list[Row], places: list[float], x: float, top: float
) -> float:
    for head, cells in columns:
        middle = x + _width((head, cells)) / 2
        drawing.lines(middle, top - 4 - LINE_HEIGHT * (len(head) - 1), head, anchor="middle", bold=True)
        for row, cell, y in zip(rows, cells, places, strict=True):
            drawing.text(middle, y, cell, anchor="middle", bold=_is_bold(row))
        x += _width((head, cells)) + GAP
    return x


# The plot -------------------------------------------------------------------------------------------------


def _plot(figure: Figure, rows: list[Row], left: float, right: float, top: float, bottom: float) -> Plot:
    null = float(figure.options.get("null", 1.0))
    given = figure.options.get("limits")
    low, high = (float(v) for v in given) if given else _limits(rows, null)
    return Plot(Scale(low, high, left, right, null > 0), Scale(0.0, 1.0, bottom, top))


def _limits(rows: list[Row], null: float) -> tuple[float, float]:
    """Round limits that hold every estimate, and intervals as far as they do not run away."""
    values = {name: [number_of(row, name) for row in rows] for name in ("estimate", "conf_low", "conf_high")}
    known = {
        name: [v for v in column if v is not None and math.isfinite(v)] for name, column in values.items()
    }
    if null == 0.0:
        middle = known["estimate"] or [0.0]
        span = max(max(middle), 0.0) - min(min(middle), 0.0) or max(known["conf_high"] or [1.0])
        low = max(min([*known["conf_low"], *middle, 0.0]), min(*middle, 0.0) - 1.5 * span)
        high = min(max([*known["conf_high"], *middle, 0.0]), max(*middle, 0.0) + 1.5 * span)
        ticks = round_ticks(low, high)
        return ticks[0], ticks[-1]
    middle = [v for v in known["estimate"] if v > 0] or [null]
    low = max(min([v for v in known["conf_low"] if v > 0] or [null / 2]), min(*middle, null) / REACH)
    high = min(max(known["conf_high"] or [null * 2]), max(*middle, null) * REACH)
    ticks = log_ticks(min(low, null / 1.5), max(high, null * 1.5))
    return ticks[0], ticks[-1]


def _draw_estimates(drawing: Drawing, plot: Plot, rows: list[Row], places: list[float], null: float) -> None:
    drawing.line(plot.x(null), plot.top + 2, plot.x(null), plot.bottom, width=HAIRLINE)
    heaviest = max((number_of(r, "weight_percent") or 0.0 for r in rows if r["kind"] == "trial"), default=0.0)
    for row, baseline in zip(rows, places, strict=True):
        y = baseline - TEXT * 0.3
        match row["kind"]:
            case "pooled":
                _draw_diamond(drawing, plot, row, y)
            case "prediction":
                _draw_prediction(drawing, plot, row, y)
            case "trial" | "run":
                weight = number_of(row, "weight_percent")
                share = 0.35 if weight is None or heaviest == 0 else math.sqrt(weight / heaviest)
                _draw_interval(drawing, plot, row, y, SMALLEST + (LARGEST - SMALLEST) * share)


def _draw_pooled_line(drawing: Drawing, plot: Plot, rows: list[Row], places: list[float]) -> None:
    """A dotted rule from the last pooled estimate up through the trials."""
    pooled = [(row, y) for row, y in zip(rows, places, strict=True) if row["kind"] == "pooled"]
    if not pooled:
        return
    row, y = pooled[-1]
    center = number_of(row, "estimate")
    if center is not None and plot.x.low <= center <= plot.x.high:
        x = plot.x(center)
        drawing.line(x, plot.top + 2, x, y - TEXT * 0.3, color=MUTED, width=HAIRLINE, dash="1.5 1.5")


def _draw_span(
    drawing: Drawing, plot: Plot, row: Row, from_x: float, y: float, width: float, color: str
) -> None:
    """The interval's line, with an arrow where it leaves the axis."""
    for name, edge, side in (("conf_low", plot.left, -1), ("conf_high", plot.right, 1)):
        limit = number_of(row, name)
        if limit is None:
            continue
        beyond = limit < plot.x.low if side < 0 else limit > plot.x.high
        if beyond:
            drawing.arrow(from_x, edge, y, color=color, width=width)
        else:
            drawing.line(from_x, y, plot.x(limit), y, width=width, color=color)


def _draw_interval(drawing: Drawing, plot: Plot, row: Row, y: float, side: float) -> None:
    center = number_of(row, "estimate")
    if center is None:
        return
    if not plot.x.low <= center <= plot.x.high:  # out of sight: an arrow says on which side
        edge, inner = (plot.left, plot.left + 10) if center < plot.x.low else (plot.right, plot.right - 10)
        drawing.arrow(inner, edge, y, width=RULE)
        return
    x = plot.x(center)
    _draw_span(drawing, plot, row, x, y, RULE, INK)
    drawing.rectangle(x - side / 2, y - side / 2, side, side, fill=INK)


def _draw_diamond(drawing: Drawing, plot: Plot, row: Row, y: float) -> None:
    center, low, high = (number_of(row, name) for name in ("estimate", "conf_low", "conf_high"))
    if center is None or not plot.x.low <= center <= plot.x.high:
        return
    x = plot.x(center)
    left = x - 4 if low is None else plot.x(low) if low >= plot.x.low else plot.left
    right = x + 4 if high is None else plot.x(high) if high <= plot.x.high else plot.right
    drawing.polygon([(left, y), (x, y - 4), (right, y), (x, y + 4)], fill=INK)


def _draw_prediction(drawing: Drawing, plot: Plot, row: Row, y: float) -> None:
    low, high = number_of(row, "conf_low"), number_of(row, "conf_high")
    if low is None or high is None:
        return
    middle = plot.x(
        min(max(math.sqrt(low * high) if plot.x.is_log else (low + high) / 2, plot.x.low), plot.x.high)
    )
    _draw_span(drawing, plot, row, middle, y, 2.0, MUTED)


def _draw_axis(drawing: Drawing, plot: Plot, figure: Figure) -> float:
    """Ticks, and under them which side favors what; gives the lowest baseline."""
    is_log = plot.x.is_log
    ticks = log_ticks(plot.x.low, plot.x.high) if is_log else round_ticks(plot.x.low, plot.x.high)
    slack = 1e-9 * (plot.x.high - plot.x.low)
    ticks = [tick for tick in ticks if plot.x.low - slack <= tick <= plot.x.high + slack]
    labels = [ratio_label(tick) if is_log else tick_label(tick, ticks) for tick in ticks]
    null = float(figure.options.get("null", 1.0))
    order = sorted(range(len(ticks)), key=lambda i: (abs(ticks[i] - null) > 1e-9, i))
    taken: list[tuple[float, float]] = []
    kept = set()
    for i in order:
        half = text_width(labels[i], TEXT) / 2 + 2.5
        span = (plot.x(ticks[i]) - half, plot.x(ticks[i]) + half)
        if all(span[1] < low or span[0] > high for low, high in taken):
            taken.append(span)
            kept.add(i)
    shown = [label if i in kept else "" for i, label in enumerate(labels)]
    baseline = plot.draw_x_axis(drawing, ticks, shown)
    return _draw_sides(drawing, plot, figure, null, baseline)


def _draw_sides(drawing: Drawing, plot: Plot, figure: Figure, null: float, baseline: float) -> float:
    """`lower with MMF` and `higher with MMF`: which is better depends on the event."""
    favors = figure.options.get("favors")
    arms = figure.options.get("arms")
    if not favors and not arms:
        return baseline
    left, right = favors or tuple(
        f"{word} with {(arms or ('treatment',))[0]}" for word in ("lower", "higher")
    )
    y, middle, lowest = baseline + 6, plot.x(null), baseline
    for text, edge, side in ((str(left), plot.left, -1), (str(right), plot.right, 1)):
        lines = wrap_text(text, TEXT, max(abs(edge - middle) + 16, 44.0))
        drawing.arrow(middle + side * 4, edge, y, width=HAIRLINE)
        anchor = "end" if side < 0 else "start"
        last = drawing.lines(middle + side * 5, y + TEXT + 3, lines, anchor=anchor) - LINE_HEIGHT
        lowest = max(lowest, last)
    return lowest


# Below ----------------------------------------------------------------------------------------------------


def _draw_notes(drawing: Drawing, figure: Figure, y: float) -> float:
    words = [_heterogeneity_text(row) for row in rows_of(figure, "heterogeneity")]
    words += [str(note) for note in figure.footnotes]
    for text in words:
        if text:
            y = drawing.lines(0, y + LINE_HEIGHT, wrap_text(text, TEXT, drawing.width)) - LINE_HEIGHT
    return y


def _heterogeneity_text(row: Row) -> str:
    """`Heterogeneity: Q = 152.2, 12 df, P < 0.001; τ² = 0.31; I² = 92% (82 to 98).`"""
    q, df, p, tau2, i2, low, high = (
        number_of(row, name) for name in ("q", "q_df", "q_p_value", "tau2", "i2", "i2_low", "i2_high")
    )
    parts = []
    if q is not None and p is not None:
        shown = format_p_value(p)
        sign = "P" if shown.startswith(("<", ">")) else "P = "
        parts.append(f"Q = {format_number(q, 1)}, {format_count(df)} df, {sign}{shown}")
    if tau2 is not None:
        parts.append(f"τ² = {_significant(tau2)}")
    if i2 is not None:
        known = low is not None and high is not None
        limits = f" ({format_number(low, 0)} to {format_number(high, 0)})" if known else ""
        parts.append(f"I² = {format_number(i2, 0)}%{limits}")
    if not parts:
        return ""
    group = text_of(row, "group")
    head = group if group == "Between groups" else f"Heterogeneity{', ' if group else ''}{group}"
    return f"{head}: {'; '.join(parts)}."


def _significant(value: float) -> str:
    """Two or three significant digits."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)) - 1)
    return format_number(value, min(digits, 8))
