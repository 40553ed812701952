"""One patient's course: a panel a measure over study days, thresholds across, events down through all."""

from __future__ import annotations

from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, RULE, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, PAPER, REFERENCE, Palette
from flarefree.reports.figures.type_widths import text_width
from flarefree.results import Figure

__all__ = ["draw_subject_course"]

PANEL_HEIGHT = 62.0
MARK = 1.8


def draw_subject_course(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (panel, day, value), `limits` (panel, value, label) and `events` (day, label).

    A row of `main` may be `is_marked`: its point is ringed, as one of those that an event rests on.
    """
    require_columns(figure, "main", "panel", "day", "value")
    rows = rows_of(figure, "main")
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        panels.setdefault(text_of(row, "panel"), []).append(row)
    events = [
        (day, text_of(e, "label"))
        for e in rows_of(figure, "events")
        if (day := number_of(e, "day")) is not None
    ]
    days = [day for row in rows if (day := number_of(row, "day")) is not None] + [day for day, _ in events]
    ticks = round_ticks(min([*days, 0.0]), max(days, default=1.0), 8)

    drawing = Drawing(DOUBLE_COLUMN)
    scales = {name: _y_ticks(figure, name, of) for name, of in panels.items()}
    left = max([y_axis_room([tick_label(t, v) for t in v], "") for v in scales.values()], default=20.0)
    right = max(
        [text_width(text_of(limit, "label"), TEXT) + 4 for limit in rows_of(figure, "limits")], default=6.0
    )
    x = Scale(ticks[0], ticks[-1], left + 4, DOUBLE_COLUMN - right)
    top = _draw_event_names(drawing, x, events)
    first = top
    plot = Plot(x, Scale(0, 1, top, top))
    for name, of in panels.items():
        drawing.text(left + 6, top + TEXT, name, bold=True)
        plot = Plot(
            x,
            Scale(
                scales[name][0], scales[name][-1], top + LINE_HEIGHT + 4 + PANEL_HEIGHT, top + LINE_HEIGHT + 4
            ),
        )
        _draw_panel(figure, drawing, plot, name, of, scales[name], left)
        top = plot.bottom + 8
    for day, _ in events:
        drawing.line(x(day), first, x(day), plot.bottom, color=REFERENCE, width=HAIRLINE, dash="2 1.5")
    drawing.height = (
        plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks], figure.x_label or "Study day")
        + 4
    )
    return drawing


def _y_ticks(figure: Figure, panel: str, rows: list[dict[str, Any]]) -> list[float]:
    values = [v for row in rows if (v := number_of(row, "value")) is not None]
    limits = [
        v
        for row in rows_of(figure, "limits")
        if text_of(row, "panel") == panel and (v := number_of(row, "value")) is not None
    ]
    return round_ticks(min([*values, *limits], default=0.0), max([*values, *limits], default=1.0), 3)


def _draw_event_names(drawing: Drawing, x: Scale, events: list[tuple[float, str]]) -> float:
    """Names over their days, on as many lines as they need not to touch; gives where panels begin."""
    lines: list[float] = []
    placed = []
    for day, name in sorted(events):
        width = text_width(name, TEXT)
        start = min(max(x(day) - width / 2, 0.0), DOUBLE_COLUMN - width)
        line = next((i for i, end in enumerate(lines) if end + 6 < start), len(lines))
        lines[line : line + 1] = [start + width]
        placed.append((start, line, name))
    for start, line, name in placed:
        drawing.text(start, TEXT + LINE_HEIGHT * (len(lines) - 1 - line), name, color=REFERENCE)
    return TEXT + LINE_HEIGHT * max(len(lines) - 1, 0) + 4 if lines else 0.0


def _draw_panel(
    figure: Figure,
    drawing: Drawing,
    plot: Plot,
    name: str,
    rows: list[dict[str, Any]],
    ticks: list[float],
    left: float,
) -> None:
    Plot(Scale(0, 1, left, plot.right), plot.y).draw_y_axis(
        drawing, ticks, [tick_label(t, ticks) for t in ticks]
    )
    drawing.line(left, plot.bottom, plot.right, plot.bottom, width=HAIRLINE)
    for limit in rows_of(figure, "limits"):
        value = number_of(limit, "value")
        if text_of(limit, "panel") == name and value is not None:
            y = plot.y(value)
            drawing.line(left, y, plot.right, y, color=MUTED, width=HAIRLINE, dash="1.5 1.5")
            drawing.text(plot.right + 3, y + TEXT * 0.3, text_of(limit, "label"), color=MUTED)
    points = [
        (plot.x(day), plot.y(value), bool(row.get("is_marked")))
        for row in rows
        if (day := number_of(row, "day")) is not None and (value := number_of(row, "value")) is not None
    ]
    drawing.polyline([(px, py) for px, py, _ in points], color=INK, width=RULE)
    for px, py, is_marked in points:
        if is_marked:
            drawing.circle(px, py, MARK + 1.6, fill=PAPER, color=REFERENCE)
        drawing.circle(px, py, MARK, fill=INK)


def describe_subject_course(figure: Figure) -> str:
    """What is drawn, in words, for readers who do not see it."""
    panels = dict.fromkeys(text_of(row, "panel") for row in rows_of(figure, "main"))
    events = [f"{text_of(e, 'label')} on day {text_of(e, 'day')}" for e in rows_of(figure, "events")]
    return f"One patient's course of {', '.join(panels)}. " + "; ".join(events)
