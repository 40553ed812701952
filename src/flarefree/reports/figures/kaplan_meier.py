"""Kaplan-Meier curves: steps, censoring ticks, names beside the curves, numbers at risk below.

Decides where words go: each curve is named beside it where nothing else is, and the hazard ratio stands
in the emptiest corner.  If a curve cannot be named inside the plot, all are named at its right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, tick_label, ticks_every, y_axis_room
from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    LINE_HEIGHT,
    SINGLE_COLUMN,
    TEXT,
    Box,
    Drawing,
    number,
    text_box,
)
from flarefree.reports.figures.frames import (
    Series,
    number_of,
    require_columns,
    rows_of,
    series_of,
    text_of,
)
from flarefree.reports.figures.palette import Palette
from flarefree.reports.figures.risk_table import RiskRow, draw_risk_table, read_risk_rows
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number, format_p_value
from flarefree.results import Figure

__all__ = ["draw_kaplan_meier"]

Point = tuple[float, float]

CURVE = 1.2
CENSOR_TICK = 2.4  # half of its height
BAND_OPACITY = 0.13
NAME_GAP = 2.4


@dataclass(frozen=True, slots=True)
class Curve:
    """One group's curve in its own numbers, as given: nothing is computed."""

    series: Series
    steps: tuple[Point, ...]
    band: tuple[tuple[float, float, float], ...]

    @property
    def last(self) -> Point:
        """Where it ends."""
        return self.steps[-1]


def draw_kaplan_meier(figure: Figure, palette: Palette) -> Drawing:
    """Draw the curves of `main`, the ticks of `censored` and the numbers of `at_risk`.

    `effects` gives what stands beside the curves, unless the figure has annotations of its own.
    Options: `curve_shows` (`survival` or `cumulative`), `tick_every`, `band` (draw limits), `y_max`,
    `width` (`single` or `double` column).
    """
    require_columns(figure, "main", "group", "time", "estimate")
    rises = figure.options.get("curve_shows", "survival") == "cumulative"
    curves = [_read_curve(series, rises) for series in series_of(rows_of(figure, "main"), palette.arms)]
    drawing = Drawing(SINGLE_COLUMN if figure.options.get("width") == "single" else DOUBLE_COLUMN)
    labels = {curve.series.group: curve.series.label for curve in curves}
    risk_rows = read_risk_rows(figure, labels, palette)

    named = _draw(figure, palette, drawing, curves, risk_rows, names_at_right=False)
    if not named and len(curves) > 1:
        drawing.parts.clear()
        _draw(figure, palette, drawing, curves, risk_rows, names_at_right=True)
    return drawing


def _read_curve(series: Series, rises: bool) -> Curve:
    start = 0.0 if rises else 1.0
    known = [
        (time, estimate, number_of(row, "conf_low"), number_of(row, "conf_high"))
        for row in series.rows
        if (time := number_of(row, "time")) is not None
        and (estimate := number_of(row, "estimate")) is not None
    ]
    if not known or known[0][0] > 0:
        known.insert(0, (0.0, start, start, start))
    steps = tuple((time, estimate) for time, estimate, _, _ in known)
    band = tuple((time, low, high) for time, _, low, high in known if low is not None and high is not None)
    return Curve(series, steps, band)


# Layout ------------------------------------------------------------------------------------------


def _draw(
    figure: Figure,
    palette: Palette,
    drawing: Drawing,
    curves: list[Curve],
    risk_rows: list[RiskRow],
    *,
    names_at_right: bool,
) -> bool:
    """Draw everything; False if a curve's name found no place inside the plot."""
    every = float(figure.options.get("tick_every", 6) or 6)
    longest = max((curve.last[0] for curve in curves), default=every)
    ticks = ticks_every(longest, every)
    in_percent = "%" in figure.y_label
    y_max = float(figure.options.get("y_max") or 1.0)
    y_ticks = [i * y_max / 5 for i in range(6)]
    y_labels = [
        tick_label(100 * t, [100 * t for t in y_ticks]) if in_percent else f"{t:.1f}" for t in y_ticks
    ]
    if not in_percent and y_max < 0.5:
        y_labels = [f"{t:.2f}" for t in y_ticks]

    is_narrow = drawing.width < DOUBLE_COLUMN
    right = _room_at_right(curves) if names_at_right else 12.0
    height = (drawing.width - right) * (0.56 if is_narrow else 0.38)
    left = y_axis_room(y_labels, figure.y_label, height)
    if not is_narrow:
        left = max([left, *(row.room for row in risk_rows)])
    plot = Plot(Scale(0.0, ticks[-1], left, drawing.width - right), Scale(0.0, y_max, 8.0 + height, 8.0))
    for curve in curves:
        if figure.options.get("band"):
            drawing.path(
                _band_path(curve, plot), fill=palette.of_group(curve.series.group), opacity=BAND_OPACITY
            )
    plot.draw_y_axis(drawing, y_ticks, y_labels, figure.y_label)
    baseline = plot.draw_x_axis(
        drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label or "Months"
    )
    taken = [_draw_curve(drawing, plot, curve, palette) for curve in curves]
    _draw_censored(figure, drawing, plot, palette)
    obstacles = [point for path in taken for point in path]
    boxes: list[Box] = []
    if names_at_right:
        _name_at_right(drawing, plot, curves, palette)
    else:
        boxes = _name_inside(drawing, plot, curves, taken, palette)
    _annotate(drawing, plot, annotations_of(figure), obstacles, boxes)
    drawing.height = draw_risk_table(drawing, plot, ticks, risk_rows, palette, baseline) + 4
    return names_at_right or len(boxes) == len(curves)


def _step_points(curve: Curve, plot: Plot) -> list[Point]:
    """Corners of the steps, on the paper."""
    corners: list[Point] = []
    for time, estimate in curve.steps:
        x, y = plot.x(time), plot.y(estimate)
        if corners:
            corners.append((x, corners[-1][1]))
        if not corners or corners[-1][1] != y:
            corners.append((x, y))
    return corners


def _draw_curve(drawing: Drawing, plot: Plot, curve: Curve, palette: Palette) -> list[Point]:
    """Draw the steps; gives points along them, close enough to keep words off the line."""
    corners = _step_points(curve, plot)
    data = f"M{number(corners[0][0])} {number(corners[0][1])}"
    for (_, y_before), (x, y) in pairwise(corners):
        data += f"H{number(x)}" if y == y_before else f"V{number(y)}"
    drawing.path(data, color=palette.of_group(curve.series.group), width=CURVE)
    return list(_along(corners, 2.0))


def _along(corners: Sequence[Point], step: float) -> Iterable[Point]:
    yield corners[0]
    for (x0, y0), (x1, y1) in pairwise(corners):
        pieces = max(int(max(abs(x1 - x0), abs(y1 - y0)) / step), 1)
        for i in range(1, pieces + 1):
            yield x0 + (x1 - x0) * i / pieces, y0 + (y1 - y0) * i / pieces


def _band_path(curve: Curve, plot: Plot) -> str:
    """The area between the limits, as steps out along the upper and back along the lower one."""
    upper: list[Point] = []
    lower: list[Point] = []
    for time, low, high in curve.band:
        x = plot.x(time)
        for side, value in ((upper, high), (lower, low)):
            if side:
                side.append((x, side[-1][1]))
            side.append((x, plot.y(value)))
    outline = [*upper, *reversed(lower)]
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in outline) + "Z" if outline else "M0 0"


def _draw_censored(figure: Figure, drawing: Drawing, plot: Plot, palette: Palette) -> None:
    for series in series_of(rows_of(figure, "censored")):
        data = ""
        for row in series.rows:
            time, estimate = number_of(row, "time"), number_of(row, "estimate")
            if time is not None and estimate is not None:
                y = plot.y(estimate)
                data += f"M{number(plot.x(time))} {number(y - CENSOR_TICK)}V{number(y + CENSOR_TICK)}"
        if data:
            drawing.path(data, color=palette.of_group(series.group), width=0.6)


# Names of curves, and annotations ----------------------------------------------------------------


def _name_inside(
    drawing: Drawing, plot: Plot, curves: list[Curve], paths: list[list[Point]], palette: Palette
) -> list[Box]:
    """Name each curve beside it: upper ones above, lower ones below, as far right as there is room."""
    by_height = sorted(range(len(curves)), key=lambda i: plot.y(curves[i].last[1]))
    points = [point for path in paths for point in path]
    boxes: list[Box] = []
    for rank, i in enumerate(by_height):
        prefers_above = rank < (len(curves) + 1) // 2
        is_outermost = rank in (0, len(curves) - 1)  # nothing else on that side to mistake it for
        reach = 60.0 if is_outermost else 22.0
        box = _place_name(plot, curves[i].series.label, paths[i], points, boxes, prefers_above, reach)
        if box is None:
            return boxes
        boxes.append(box)
        color = palette.of_group(curves[i].series.group)
        drawing.text(box.left, box.bottom - TEXT * 0.25, curves[i].series.label, bold=True, color=color)
    return boxes


def _place_name(
    plot: Plot,
    name: str,
    path: list[Point],
    points: list[Point],
    boxes: list[Box],
    above_first: bool,
    reach: float,
) -> Box | None:
    width = text_width(name, TEXT, bold=True)
    end = min(path[-1][0], plot.right - 2)
    for above in (above_first, not above_first):
        x = end - width
        while x > plot.left + 10:
            under = [y for px, y in path if x - 2 <= px <= x + width + 2]
            if under:
                baseline = (
                    min(under) - NAME_GAP - TEXT * 0.25 if above else max(under) + NAME_GAP + TEXT * 0.75
                )
                box = text_box(x, baseline, [name], bold=True)
                near = max(abs(y - (box.bottom if above else box.top)) for y in under) < (
                    reach if above == above_first else 22.0
                )
                if near and _is_free(box, plot, points, boxes, 1.5):
                    return box
            x -= 6
    return None


def _is_free(box: Box, plot: Plot, points: list[Point], boxes: list[Box], margin: float) -> bool:
    inside = (
        box.left > plot.left + 2
        and box.right < plot.right + 4
        and box.top > plot.top - 6
        and box.bottom < plot.bottom - 2
    )
    return (
        inside
        and not any(box.holds(x, y, margin) for x, y in points)
        and not any(box.hits(other) for other in boxes)
    )


def _room_at_right(curves: list[Curve]) -> float:
    return 10 + max(min(text_width(curve.series.label, TEXT, bold=True), 110.0) for curve in curves)


def _name_at_right(drawing: Drawing, plot: Plot, curves: list[Curve], palette: Palette) -> None:
    """Name curves right of the plot, at the height at which they end, pushed apart where they meet."""
    wanted = sorted(((plot.y(curve.last[1]), curve) for curve in curves), key=lambda pair: pair[0])
    blocks = [(y, curve, wrap_text(curve.series.label, TEXT, 110.0, bold=True)) for y, curve in wanted]
    tops: list[float] = []
    for y, _, lines in blocks:
        top = y - len(lines) * LINE_HEIGHT / 2
        tops.append(max(top, tops[-1] + LINE_HEIGHT * len(blocks[len(tops) - 1][2]) + 1) if tops else top)
    overflow = max(tops[-1] + LINE_HEIGHT * len(blocks[-1][2]) - plot.bottom, 0.0)
    for top, (_, curve, lines) in zip(tops, blocks):
        color = palette.of_group(curve.series.group)
        drawing.lines(plot.right + 6, top - overflow + TEXT * 0.85, lines, bold=True, color=color)


def annotations_of(figure: Figure) -> tuple[str, ...]:
    """The figure's own annotations, or those that its `effects` make: hazard ratio, limits, P."""
    if figure.annotations:
        return figure.annotations
    rows = rows_of(figure, "effects")
    return tuple(line for row in rows for line in _effect_lines(row, with_name=len(rows) > 1))


def _effect_lines(row: dict[str, Any], *, with_name: bool) -> list[str]:
    estimate, low, high, p = (number_of(row, c) for c in ("estimate", "conf_low", "conf_high", "p_value"))
    words = ""
    if estimate is not None:
        words = f"{'hazard' if with_name else 'Hazard'} ratio, {format_number(estimate, 2)}"
        if low is not None and high is not None:
            words += f" (95% CI, {format_number(low, 2)} to {format_number(high, 2)})"
    test = text_of(row, "p_method")
    p_words = "" if p is None else _p_words(p) + (f" by {test} test" if test else "")
    if with_name:
        return [f"{text_of(row, 'label')}: " + "; ".join(w for w in (words, p_words) if w)]
    return [w for w in (words, p_words) if w]


def _p_words(p: float) -> str:
    text = format_p_value(p)
    return f"P{text}" if text[0] in "<>" else f"P={text}"


def _annotate(
    drawing: Drawing, plot: Plot, words: Sequence[str], points: list[Point], boxes: list[Box]
) -> None:
    """Set the annotations in a corner that no curve enters; in the emptiest if all are entered."""
    if not words:
        return
    lines = [line for text in words for line in wrap_text(text, TEXT, (plot.right - plot.left) * 0.8)]
    height = LINE_HEIGHT * (len(lines) - 1)
    bottom, top = plot.bottom - 8 - height, plot.top + TEXT
    corners = [
        (plot.left + 10, bottom, "start"),
        (plot.right - 2, top, "end"),
        (plot.right - 2, bottom, "end"),
        (plot.left + 10, top, "start"),
    ]

    def crossings(corner: tuple[float, float, str]) -> int:
        box = text_box(corner[0], corner[1], lines, anchor=corner[2])
        crossed = sum(box.holds(x, y, 4.0) for x, y in points)
        return crossed + 1000 * sum(box.hits(other) for other in boxes)

    x, y, anchor = min(corners, key=crossings)
    drawing.lines(x, y, lines, anchor=anchor)


def describe_kaplan_meier(figure: Figure) -> str:
    """The curves in words, for readers who do not see them: where each ends, as given."""
    parts = []
    for series in series_of(rows_of(figure, "main")):
        last = series.rows[-1]
        time, estimate = number_of(last, "time"), number_of(last, "estimate")
        if time is not None and estimate is not None:
            unit = (figure.x_label or "months").lower()
            parts.append(f"{series.label}: {estimate:.3f} at {time:.1f} {unit}")
    words = "; ".join([*parts, *annotations_of(figure)])
    return f"Kaplan–Meier curves. {words}."
