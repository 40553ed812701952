"""Chains of a posterior: each parameter's course by chain, and how each chain's draws rank among all.

Chains that agree lie on one another on the left and are level on the right; a chain that stayed elsewhere
shows as a staircase.
"""

from __future__ import annotations

from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import ARMS, FAINT, MUTED, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_trace", "draw_trace"]

PANEL_HEIGHT = 44.0
GAP = 12.0
LABEL_WIDTH = 92.0
AXIS_WIDTH = 30.0
RANKS_WIDTH = 150.0
TALLEST_BAR = 2.0  # of the level height: a bar beyond is cut, and chains that far apart are told by R-hat


def draw_trace(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (parameter, chain, draw, value), `ranks` (parameter, chain, bin, n, expected), `labels`."""
    require_columns(figure, "main", "parameter", "chain", "draw", "value")
    require_columns(figure, "ranks", "parameter", "chain", "bin", "n", "expected")
    courses, ranks = _by_parameter(figure, "main"), _by_parameter(figure, "ranks")
    r_hat = {text_of(row, "parameter"): number_of(row, "r_hat") for row in rows_of(figure, "labels")}
    drawing = Drawing(DOUBLE_COLUMN)
    left = LABEL_WIDTH + AXIS_WIDTH
    right = DOUBLE_COLUMN - RANKS_WIDTH - GAP
    top = LINE_HEIGHT + 4
    drawing.text(left, LINE_HEIGHT - 2, "Course of the chains", bold=True)
    drawing.text(right + GAP, LINE_HEIGHT - 2, "Ranks by chain", bold=True)
    for parameter, rows in courses.items():
        _draw_label(drawing, parameter, r_hat.get(parameter), top)
        _draw_course(drawing, rows, left, right, top)
        _draw_ranks(drawing, ranks.get(parameter, []), right + GAP, DOUBLE_COLUMN - 2, top)
        top += PANEL_HEIGHT + GAP
    drawing.text((left + right) / 2, top + 2, figure.x_label or "Draw", anchor="middle", bold=True)
    drawing.height = top + 6
    for note in figure.annotations:
        drawing.height += LINE_HEIGHT
        drawing.lines(0, drawing.height - 3, wrap_text(note, TEXT, DOUBLE_COLUMN), bold=True)
        drawing.height += LINE_HEIGHT * (len(wrap_text(note, TEXT, DOUBLE_COLUMN)) - 1)
    return drawing


def _by_parameter(figure: Figure, frame: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(figure, frame):
        found.setdefault(text_of(row, "parameter"), []).append(row)
    return found


def _by_chain(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[float, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(number_of(row, "chain") or 0.0, []).append(row)
    return list(found.values())


def _draw_label(drawing: Drawing, parameter: str, r_hat: float | None, top: float) -> None:
    lines = wrap_text(parameter, TEXT, LABEL_WIDTH - 6, bold=True)
    y = drawing.lines(0, top + TEXT, lines, bold=True)
    if r_hat is not None:
        drawing.text(0, y, f"R-hat {format_number(r_hat, 3)}", color=MUTED)


def _draw_course(drawing: Drawing, rows: list[dict[str, Any]], left: float, right: float, top: float) -> None:
    values = [v for row in rows if (v := number_of(row, "value")) is not None]
    draws = [v for row in rows if (v := number_of(row, "draw")) is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.04 or 0.5
    plot = Plot(
        Scale(1.0, max(draws, default=2.0), left, right),
        Scale(low - margin, high + margin, top + PANEL_HEIGHT, top),
    )
    ticks = [tick for tick in round_ticks(low, high, 4) if plot.y.low <= tick <= plot.y.high]
    for tick in ticks:
        drawing.line(left, plot.y(tick), right, plot.y(tick), color=FAINT, width=HAIRLINE)
    for c, chain in enumerate(_by_chain(rows)):
        points = [
            (plot.x(draw), plot.y(value))
            for row in chain
            if (draw := number_of(row, "draw")) is not None and (value := number_of(row, "value")) is not None
        ]
        drawing.polyline(points, color=ARMS[c % len(ARMS)], width=0.35)
    plot.draw_y_axis(drawing, ticks, [tick_label(tick, ticks) for tick in ticks])


def _draw_ranks(drawing: Drawing, rows: list[dict[str, Any]], left: float, right: float, top: float) -> None:
    """A strip a chain: bars about the height that equal chains would have."""
    chains = _by_chain(rows)
    if not chains:
        return
    height = (PANEL_HEIGHT - 2.0 * (len(chains) - 1)) / len(chains)
    for c, chain in enumerate(chains):
        base = top + (c + 1) * height + 2.0 * c
        label = f"{c + 1}"
        drawing.text(left, base - height / 2 + TEXT * 0.3, label, color=MUTED)
        start = left + text_width("00", TEXT) + 3
        width = (right - start) / len(chain)
        for k, row in enumerate(chain):
            share = (number_of(row, "n") or 0.0) / (number_of(row, "expected") or 1.0)
            tall = min(share / TALLEST_BAR, 1.0) * height
            if tall > 0:
                drawing.rectangle(
                    start + k * width, base - tall, width * 0.86, tall, fill=ARMS[c % len(ARMS)]
                )
        level = base - height / TALLEST_BAR
        drawing.line(start, level, right, level, width=HAIRLINE, dash="1.5 1.5")


def describe_trace(figure: Figure) -> str:
    """R-hat of each parameter in words."""
    told = [
        f"{text_of(row, 'parameter')} {format_number(value, 3)}"
        for row in rows_of(figure, "labels")
        if (value := number_of(row, "r_hat")) is not None
    ]
    warned = " ".join(figure.annotations)
    return ("Course and ranks of the chains. R-hat: " + "; ".join(told) + ". " + warned).strip()
