"""Rankograms: for each treatment the probability of every rank, a panel a treatment, the best first."""

from __future__ import annotations

import math
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import ARMS, FAINT, MUTED, Palette
from flarefree.reports.figures.type_widths import wrap_text
from flarefree.results import Figure

__all__ = ["describe_rankogram", "draw_rankogram"]

PANEL_HEIGHT = 62.0
LEFT = 40.0
GAP = 14.0
WIDEST_PANEL = 150.0
NARROWEST_PANEL = 86.0


def draw_rankogram(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (treatment, rank, probability) in panels; `scores` (sucra, rank limits) in their titles."""
    require_columns(figure, "main", "treatment", "rank", "probability")
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(figure, "main"):
        panels.setdefault(text_of(row, "treatment"), []).append(row)
    scores = {text_of(row, "treatment"): row for row in rows_of(figure, "scores")}
    across = max(min(math.floor((DOUBLE_COLUMN - LEFT + GAP) / (NARROWEST_PANEL + GAP)), len(panels)), 1)
    across = math.ceil(len(panels) / math.ceil(len(panels) / across))  # rows of panels as even as can be
    width = min((DOUBLE_COLUMN - LEFT - GAP * (across - 1)) / across, WIDEST_PANEL)
    titles = [_title(name, scores.get(name, {}), width) for name in panels]
    drawing = Drawing(DOUBLE_COLUMN)
    y = 0.0
    for start in range(0, len(panels), across):
        here = list(panels.items())[start : start + across]
        head = max(len(lines) for lines in titles[start : start + across])
        top = y + LINE_HEIGHT * head + 5
        for k, (_, rows) in enumerate(here):
            left = LEFT + k * (width + GAP)
            drawing.lines(
                left, top - 5 - LINE_HEIGHT * (len(titles[start + k]) - 1), titles[start + k][:-1], bold=True
            )
            drawing.text(left, top - 5, titles[start + k][-1], color=MUTED)
            _draw_panel(
                drawing, rows, left, width, top, title=(figure.y_label or "Probability") if not k else ""
            )
        y = top + PANEL_HEIGHT + 24
    middle = LEFT + (across * (width + GAP) - GAP) / 2
    drawing.text(middle, y - 2, figure.x_label or "Rank", anchor="middle", bold=True)
    drawing.height = y + 4
    return drawing


def _title(name: str, score: dict[str, Any], width: float) -> list[str]:
    words = ""
    if (sucra := number_of(score, "sucra")) is not None:
        words = f"SUCRA {100 * sucra:.0f}%"
        low, high = number_of(score, "rank_low"), number_of(score, "rank_high")
        if low is not None and high is not None:
            words += f", rank {low:.0f} to {high:.0f}"
    return [*wrap_text(name, TEXT, width, bold=True), words]


def _draw_panel(
    drawing: Drawing, rows: list[dict[str, Any]], left: float, width: float, top: float, *, title: str
) -> None:
    n = len(rows)
    plot = Plot(Scale(0.5, n + 0.5, left, left + width), Scale(0.0, 1.0, top + PANEL_HEIGHT, top))
    for tick in (0.5, 1.0):
        drawing.line(left, plot.y(tick), left + width, plot.y(tick), color=FAINT, width=HAIRLINE)
    bar = width / n * 0.72
    for row in rows:
        share, rank = number_of(row, "probability") or 0.0, number_of(row, "rank") or 0.0
        if share > 0:
            height = plot.bottom - plot.y(share)
            drawing.rectangle(plot.x(rank) - bar / 2, plot.y(share), bar, height, fill=ARMS[0])
    every = max(1, math.ceil(n * 11 / width))
    ticks = [k for k in range(1, n + 1) if (k - 1) % every == 0]
    plot.draw_x_axis(drawing, [float(k) for k in ticks], [str(k) for k in ticks])
    if title:
        plot.draw_y_axis(drawing, [0.0, 0.5, 1.0], ["0", "0.5", "1"], title)


def describe_rankogram(figure: Figure) -> str:
    """The best-ranked probabilities in words."""
    shown = [
        f"{text_of(row, 'treatment')}: {100 * (number_of(row, 'probability') or 0):.0f}%"
        for row in rows_of(figure, "main")
        if number_of(row, "rank") == 1
    ]
    return "Probability of each rank. First rank: " + "; ".join(shown) + "."
