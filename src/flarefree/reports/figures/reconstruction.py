"""Reconstructed curves over their digitized points, and ranges of a statistic that a table allows.

Decides how the two are told apart: points are rings in the arm's color, the spread over draws a light
band, the central curve a line on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from flarefree.reports.figures.frames import (
    Series,
    number_of,
    require_columns,
    rows_of,
    series_of,
    text_of,
)
from flarefree.reports.figures.palette import ARMS, INK, MUTED, REFERENCE, Palette
from flarefree.reports.figures.risk_table import draw_risk_table, read_risk_rows
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = [
    "describe_reconstruction",
    "describe_statistic_range",
    "draw_reconstruction",
    "draw_statistic_range",
]

CURVE = 1.0
RING = 1.3
BAND_OPACITY = 0.18
ROW_GAP = 9.0
USUAL = 7.0  # height of the box of usual values

Point = tuple[float, float]


def draw_reconstruction(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (group, time, estimate; given, low, high) and the numbers of `at_risk`.

    Groups that the palette does not know get its colors in their order, the first as the reference.
    """
    require_columns(figure, "main", "group", "time", "estimate")
    groups = series_of(rows_of(figure, "main"), palette.arms)
    palette = _with_colors(palette, [series.group for series in groups])
    drawing = Drawing(DOUBLE_COLUMN)
    longest = max((number_of(row, "time") or 0.0 for series in groups for row in series.rows), default=1.0)
    ticks = _x_ticks(figure, longest)
    y_ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    y_labels = [f"{tick:.1f}" for tick in y_ticks]
    risk_rows = read_risk_rows(figure, {series.group: series.label for series in groups}, palette)
    right = 12 + max(min(text_width(series.label, TEXT, bold=True), 110.0) for series in groups)
    height = (drawing.width - right) * 0.42
    left = max([y_axis_room(y_labels, figure.y_label, height), *(row.room for row in risk_rows)])
    plot = Plot(
        Scale(0.0, max(ticks[-1], longest), left, drawing.width - right), Scale(0.0, 1.0, 8.0 + height, 8.0)
    )
    for series in groups:
        _draw_band(drawing, plot, series, palette)
    plot.draw_y_axis(drawing, y_ticks, y_labels, figure.y_label)
    baseline = plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label)
    for series in groups:
        _draw_points(drawing, plot, series, palette)
    for series in groups:
        _draw_curve(drawing, plot, series, palette)
    _name_curves(drawing, plot, groups, palette)
    drawing.height = draw_risk_table(drawing, plot, ticks, risk_rows, palette, baseline) + 4
    return drawing


def _with_colors(palette: Palette, groups: Sequence[str]) -> Palette:
    others = iter((REFERENCE, *ARMS) * (1 + len(groups) // len(ARMS)))
    return Palette({group: palette.arms.get(group) or next(others) for group in groups})


def _x_ticks(figure: Figure, longest: float) -> list[float]:
    """The risk table's times where there are at least three, else round ones."""
    times = sorted(
        {time for row in rows_of(figure, "at_risk") if (time := number_of(row, "time")) is not None}
    )
    if len(times) >= 3:
        step = max(1, -(-len(times) // 14))
        return times[::step]
    return [tick for tick in round_ticks(0.0, longest, 6) if tick <= longest * 1.001]


def _steps(points: Sequence[Point], plot: Plot) -> str:
    data = f"M{number(plot.x(points[0][0]))} {number(plot.y(points[0][1]))}"
    for (_, before), (time, value) in pairwise(points):
        data += f"H{number(plot.x(time))}"
        if value != before:
            data += f"V{number(plot.y(value))}"
    return data


def _column(series: Series, name: str) -> list[Point]:
    return [
        (time, value)
        for row in series.rows
        if (time := number_of(row, "time")) is not None and (value := number_of(row, name)) is not None
    ]


def _draw_band(drawing: Drawing, plot: Plot, series: Series, palette: Palette) -> None:
    low, high = _column(series, "low"), _column(series, "high")
    if not low or not high:
        return
    outline = [*_corners(high, plot), *reversed(_corners(low, plot))]
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in outline) + "Z"
    drawing.path(path, fill=palette.of_group(series.group), opacity=BAND_OPACITY)


def _corners(points: Sequence[Point], plot: Plot) -> list[Point]:
    corners: list[Point] = []
    for time, value in points:
        x, y = plot.x(time), plot.y(value)
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return corners


def _draw_points(drawing: Drawing, plot: Plot, series: Series, palette: Palette) -> None:
    color = palette.of_group(series.group)
    for time, value in _column(series, "given"):
        drawing.circle(plot.x(time), plot.y(value), RING, fill="none", color=color)


def _draw_curve(drawing: Drawing, plot: Plot, series: Series, palette: Palette) -> None:
    points = _column(series, "estimate")
    if points:
        drawing.path(_steps(points, plot), color=palette.of_group(series.group), width=CURVE)


def _name_curves(drawing: Drawing, plot: Plot, groups: Sequence[Series], palette: Palette) -> None:
    """Names at the right, at the height at which curves end, pushed apart where they meet."""
    ends = sorted(
        ((plot.y(points[-1][1]), series) for series in groups if (points := _column(series, "estimate"))),
        key=lambda pair: pair[0],
    )
    top = plot.top
    for y, series in ends:
        lines = wrap_text(series.label, TEXT, 110.0, bold=True)
        top = max(top, min(y + TEXT * 0.3, plot.bottom))
        color = palette.of_group(series.group)
        top = drawing.lines(plot.right + 6, top, lines, bold=True, color=color)


def describe_reconstruction(figure: Figure) -> str:
    """The figure in words, for readers who do not see it."""
    parts = []
    for series in series_of(rows_of(figure, "main")):
        points = _column(series, "estimate")
        if points:
            parts.append(f"{series.label}: {points[-1][1]:.3f} at {points[-1][0]:.1f}")
    words = " ".join(("; ".join(parts) + ".", *figure.footnotes))
    return f"Reconstructed survival curves over digitized points. {words}"


# Ranges of a statistic ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One reading of the table: the whole range, what is usual, and the middle of that."""

    lines: tuple[str, ...]
    low: float
    high: float
    usual: tuple[float, float, float] | None


def draw_statistic_range(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main`: label, low, high; usual_low, usual_median, usual_high.

    Option `printed`: a value of the publication, as an upright line through all rows.
    """
    require_columns(figure, "main", "label", "low", "high")
    drawing = Drawing(DOUBLE_COLUMN)
    room = drawing.width * 0.36
    rows = [_range_row(row, room - 36) for row in rows_of(figure, "main")]
    printed = figure.options.get("printed")
    ticks = round_ticks(0.0, max([row.high for row in rows] + ([printed] if printed else [])), 6)
    top = 16.0 if printed is not None else 4.0
    heights = [LINE_HEIGHT * max(len(row.lines), 1) + ROW_GAP for row in rows]
    bottom = top + sum(heights)
    plot = Plot(Scale(0.0, ticks[-1], room, drawing.width - 34), Scale(0.0, 1.0, bottom, top))
    if printed is not None:
        x = plot.x(float(printed))
        drawing.line(x, top - 4, x, bottom, color=REFERENCE, width=RULE)
        drawing.text(x, top - 7, f"printed {printed:g}", anchor="middle", color=REFERENCE, bold=True)
    middles = [top + sum(heights[:i]) + height / 2 for i, height in enumerate(heights)]
    for row, middle in zip(rows, middles):
        _draw_range(drawing, plot, row, middle)
    baseline = plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label)
    drawing.height = baseline + 6
    return drawing


def _range_row(row: dict[str, object], width: float) -> RangeRow:
    usual = [number_of(row, name) for name in ("usual_low", "usual_median", "usual_high")]
    known = tuple(value for value in usual if value is not None)
    return RangeRow(
        tuple(wrap_text(text_of(row, "label"), TEXT, width)),
        number_of(row, "low") or 0.0,
        number_of(row, "high") or 0.0,
        (known[0], known[1], known[2]) if len(known) == 3 else None,
    )


def _draw_range(drawing: Drawing, plot: Plot, row: RangeRow, y: float) -> None:
    drawing.lines(0, y + TEXT * 0.3 - LINE_HEIGHT * (len(row.lines) - 1) / 2, row.lines)
    left, right = plot.x(row.low), plot.x(row.high)
    drawing.line(left, y, right, y, width=RULE)
    for x in (left, right):
        drawing.line(x, y - 3, x, y + 3, width=RULE)
    drawing.text(left - 4, y + TEXT * 0.3, format_number(row.low, 2), anchor="end", color=MUTED)
    drawing.text(right + 4, y + TEXT * 0.3, format_number(row.high, 1), color=MUTED)
    if row.usual:
        low, middle, high = (plot.x(value) for value in row.usual)
        drawing.rectangle(low, y - USUAL / 2, high - low, USUAL, fill=ARMS[0], color=INK, rule=HAIRLINE)
        drawing.line(middle, y - USUAL / 2, middle, y + USUAL / 2, color="#ffffff", width=RULE)


def describe_statistic_range(figure: Figure) -> str:
    """The ranges in words."""
    printed = figure.options.get("printed")
    rows = "; ".join(
        f"{text_of(row, 'label')}: {number_of(row, 'low'):.2f} to {number_of(row, 'high'):.2f}"
        for row in rows_of(figure, "main")
    )
    return f"Ranges of a statistic. {rows}." + (f" Printed: {printed:g}." if printed is not None else "")
