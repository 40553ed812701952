"""Courses over visits: a small panel a measure, a line an arm, limits at every visit, numbers below.

Arms stand a little apart at each visit, so that their limits do not hide one another.  Every panel has
its own y axis; all have the same x axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    HAIRLINE,
    LINE_HEIGHT,
    RULE,
    TEXT,
    Drawing,
    number,
)
from flarefree.reports.figures.frames import Series, number_of, require_columns, rows_of, series_of, text_of
from flarefree.reports.figures.palette import INK, PAPER, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_count
from flarefree.results import Figure

__all__ = ["draw_course", "draw_key"]

PANEL_HEIGHT = 104.0
LONE_PANEL_HEIGHT = 156.0
MARK = 1.7
APART = 3.0  # between arms at a visit
CAP = 1.6
GUTTER = 22.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all panels share."""

    groups: tuple[tuple[str, str], ...]
    x_low: float
    x_high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


def draw_course(figure: Figure, palette: Palette) -> Drawing:
    """Draw the panels of `main`, two in a row (one, if there is but one).

    Options: `log` (logarithmic y axes), `show_n` (numbers under the last row; true unless said).
    """
    require_columns(figure, "main", "group", "x", "estimate")
    rows = rows_of(figure, "main")
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        panels.setdefault(text_of(row, "panel"), []).append(row)
    sheet = _sheet(rows, palette)
    drawing = Drawing(DOUBLE_COLUMN)
    drawing.height = draw_key(drawing, sheet.groups, palette, 0.0, TEXT) + 8
    across = 1 if len(panels) == 1 else 2
    width = (DOUBLE_COLUMN - GUTTER * (across - 1)) / across
    names = list(panels)
    for start in range(0, len(names), across):
        blocks = [
            _draw_panel(figure, sheet, name, panels[name], palette, width)
            for name in names[start : start + across]
        ]
        for i, block in enumerate(blocks):
            drawing.place(block, i * (width + GUTTER), drawing.height)
        drawing.height += max((block.height for block in blocks), default=0.0) + 10
    return drawing


def draw_key(
    drawing: Drawing,
    groups: tuple[tuple[str, str], ...],
    palette: Palette,
    x: float,
    y: float,
    *,
    boxes: bool = False,
) -> float:
    """Which color is which arm, in one line over the panels; gives its lower edge.

    Arms are shown as the lines with signs that they are drawn with, or as boxes.
    """
    for i, (group, label) in enumerate(groups):
        color = palette.of_group(group)
        width = 14 + text_width(label, TEXT, bold=True) + 16
        if x and x + width > drawing.width:
            x, y = 0.0, y + LINE_HEIGHT + 2
        if boxes:
            drawing.rectangle(x + 2, y - TEXT * 0.7, 7, 6.5, fill=color)
        else:
            drawing.line(x, y - TEXT * 0.3, x + 10, y - TEXT * 0.3, color=color, width=1.2)
            draw_mark(drawing, i, x + 5, y - TEXT * 0.3, color)
        drawing.text(x + 14, y, label, bold=True, color=color)
        x += width
    return y + TEXT * 0.3


def draw_mark(drawing: Drawing, place: int, x: float, y: float, color: str) -> None:
    """The sign of the first, second, ... arm, so that arms can be told apart without color."""
    match place % 4:
        case 0:
            drawing.circle(x, y, MARK, fill=color, color=PAPER)
        case 1:
            drawing.rectangle(x - MARK * 0.9, y - MARK * 0.9, MARK * 1.8, MARK * 1.8, fill=color, color=PAPER)
        case 2:
            up, side = MARK * 1.3, MARK * 1.25
            drawing.polygon(
                [(x, y - up), (x - side, y + up * 0.75), (x + side, y + up * 0.75)], fill=color, color=PAPER
            )
        case _:
            side = MARK * 1.35
            drawing.polygon(
                [(x, y - side), (x + side, y), (x, y + side), (x - side, y)], fill=color, color=PAPER
            )


def _sheet(rows: list[dict[str, Any]], palette: Palette) -> Sheet:
    groups = tuple((series.group, series.label) for series in series_of(rows, palette.arms))
    places = {x: text_of(row, "visit") for row in rows if (x := number_of(row, "x")) is not None}
    ticks = tuple(sorted(places)) or (0.0, 1.0)
    whole = all(tick == round(tick) for tick in ticks)
    labels = tuple(tick_label(tick, ticks) if whole else f"{tick:g}" for tick in ticks)
    return Sheet(groups, ticks[0], ticks[-1] if ticks[-1] > ticks[0] else ticks[0] + 1, ticks, labels)


def _draw_panel(
    figure: Figure, sheet: Sheet, name: str, rows: list[dict[str, Any]], palette: Palette, width: float
) -> Drawing:
    drawing = Drawing(width)
    series = series_of(rows, palette.arms)
    is_log = bool(figure.options.get("log"))
    values = [
        v
        for s in series
        for c in ("estimate", "conf_low", "conf_high")
        for v in s.numbers(c)
        if v is not None
    ]
    is_log = is_log and bool(values) and min(values) > 0
    ticks = round_ticks(min(values, default=0.0), max(values, default=1.0), 4)
    labels = [tick_label(tick, ticks) for tick in ticks]
    show_n = figure.options.get("show_n", True) and any(number_of(row, "n") is not None for row in rows)
    left = max(y_axis_room(labels, ""), 30.0)
    title = wrap_text(name, TEXT, width, bold=True) if name else []
    top = drawing.lines(0, TEXT, title, bold=True) - TEXT + (5 if title else 0)
    plot = Plot(
        Scale(sheet.x_low, sheet.x_high, left + 6, width - 8),
        Scale(
            ticks[0],
            ticks[-1],
            top + (PANEL_HEIGHT if width < DOUBLE_COLUMN else LONE_PANEL_HEIGHT),
            top,
            is_log and ticks[0] > 0,
        ),
    )
    frame = Plot(Scale(0, 1, left, width - 1), plot.y)
    frame.draw_y_axis(drawing, ticks, labels)
    if ticks[0] < 0 < ticks[-1]:
        drawing.line(left, plot.y(0), width - 1, plot.y(0), width=HAIRLINE, dash="1.5 1.5")
    drawing.line(left, plot.bottom, width - 1, plot.bottom, width=HAIRLINE)
    shown = _labels_that_fit(plot, sheet)
    baseline = plot.draw_x_axis(
        drawing,
        sheet.ticks,
        [label if i in shown else "" for i, label in enumerate(sheet.labels)],
        figure.x_label,
    )
    for i, of in enumerate(series):
        offset = (i - (len(series) - 1) / 2) * APART
        place = [group for group, _ in sheet.groups].index(of.group)
        _draw_series(drawing, plot, of, offset, palette.of_group(of.group), place)
    drawing.height = (
        _draw_numbers(drawing, plot, series, palette, baseline, shown, sheet) if show_n else baseline
    )
    drawing.height += 3
    return drawing


def _labels_that_fit(plot: Plot, sheet: Sheet) -> set[int]:
    """Ticks whose labels and numbers below have room: the first and last, then from the left."""
    kept: list[int] = []
    order = [0, len(sheet.ticks) - 1, *range(1, len(sheet.ticks) - 1)]
    for i in dict.fromkeys(order):
        if all(abs(plot.x(sheet.ticks[i]) - plot.x(sheet.ticks[j])) >= 15 for j in kept):
            kept.append(i)
    return set(kept)


def _draw_series(drawing: Drawing, plot: Plot, series: Series, offset: float, color: str, sign: int) -> None:
    points, bars = [], ""
    for row in series.rows:
        x, center = number_of(row, "x"), number_of(row, "estimate")
        if x is None or center is None:
            continue
        place = plot.x(x) + offset
        points.append((place, plot.y(center)))
        low, high = number_of(row, "conf_low"), number_of(row, "conf_high")
        if low is not None and high is not None:
            bars += _bar(place, plot.y(low), plot.y(high))
    if bars:
        drawing.path(bars, color=color, width=HAIRLINE)
    drawing.polyline(points, color=color, width=RULE)
    for place, y in points:
        draw_mark(drawing, sign, place, y, color)


def _bar(x: float, low: float, high: float) -> str:
    """Limits at one visit: an upright with a cap at each end."""
    left, right = number(x - CAP), number(x + CAP)
    upright = f"M{number(x)} {number(low)}V{number(high)}"
    return upright + "".join(f"M{left} {number(end)}H{right}" for end in (low, high))


def _draw_numbers(
    drawing: Drawing,
    plot: Plot,
    series: list[Series],
    palette: Palette,
    baseline: float,
    shown: set[int],
    sheet: Sheet,
) -> float:
    """How many patients stand behind each point, a row an arm, with the arm's sign and color."""
    y = baseline + LINE_HEIGHT + 3
    drawing.text(0, y, "No.", bold=True, color=INK)
    ticks = {sheet.ticks[i] for i in shown}
    signs = {group: i for i, (group, _) in enumerate(sheet.groups)}
    for of in series:
        draw_mark(drawing, signs[of.group], 18, y - TEXT * 0.3, palette.of_group(of.group))
        for row in of.rows:
            x, n = number_of(row, "x"), number_of(row, "n")
            if x in ticks and n is not None:
                drawing.text(plot.x(x), y, format_count(n), anchor="middle", color=palette.of_group(of.group))
        y += LINE_HEIGHT
    return y - LINE_HEIGHT


def describe_course(figure: Figure) -> str:
    """What is drawn, in words, for readers who do not see it."""
    rows = rows_of(figure, "main")
    panels = dict.fromkeys(text_of(row, "panel") for row in rows)
    groups = dict.fromkeys(series.label for series in series_of(rows))
    return f"Courses of {'; '.join(p for p in panels if p) or figure.title} by visit in {', '.join(groups)}."
