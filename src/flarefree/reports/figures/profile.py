"""Profiles: things compared by several figures, a row each, a panel with its own axis for each figure."""

from __future__ import annotations

from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import ARMS, FAINT, INK, REFERENCE, Palette
from flarefree.reports.figures.type_widths import wrap_text
from flarefree.reports.formatting import format_number
from flarefree.results import Figure

__all__ = ["describe_profile", "draw_profile"]

LABEL_WIDTH = 146.0
SCORE_WIDTH = 30.0
GAP = 16.0
ROW = 13.0
MARK = 2.6


def draw_profile(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main` (label, panel, value; is_own, score): rows and panels in their order."""
    require_columns(figure, "main", "label", "panel", "value")
    rows = rows_of(figure, "main")
    panels = list(dict.fromkeys(text_of(row, "panel") for row in rows))
    labels = list(dict.fromkeys(text_of(row, "label") for row in rows))
    own = {text_of(row, "label") for row in rows if row.get("is_own")}
    scores = {text_of(row, "label"): number_of(row, "score") for row in rows}
    drawing = Drawing(DOUBLE_COLUMN)
    left = LABEL_WIDTH + (SCORE_WIDTH if any(v is not None for v in scores.values()) else 0.0) + GAP
    width = (DOUBLE_COLUMN - left - GAP * (len(panels) - 1) - 6) / max(len(panels), 1)
    heads = [wrap_text(panel, TEXT, width + GAP / 2, bold=True) for panel in panels]
    top = max(LINE_HEIGHT * max((len(head) for head in heads), default=1), LINE_HEIGHT) + 6
    drawing.text(0, top - 6, str(figure.options.get("stub", "")), bold=True)
    if left > LABEL_WIDTH + GAP:
        words = str(figure.options.get("score_label", "Score"))
        right = LABEL_WIDTH + SCORE_WIDTH
        drawing.text(right, top - 6, words, anchor="end", bold=True)
    places = _places(labels, top + 8)
    bottom = list(places.values())[-1] + ROW * 0.6 + LINE_HEIGHT * (len(_wrapped(labels[-1])) - 1)
    for label, y in places.items():
        color = REFERENCE if label in own else INK
        drawing.lines(0, y + TEXT * 0.3, _wrapped(label), color=color)
        if scores.get(label) is not None:
            right = LABEL_WIDTH + SCORE_WIDTH
            drawing.text(right, y + TEXT * 0.3, format_number(scores[label], 2), anchor="end", color=color)
    for k, (panel, head) in enumerate(zip(panels, heads, strict=True)):
        x = left + k * (width + GAP)
        drawing.lines(x, top - 6 - LINE_HEIGHT * (len(head) - 1), head, bold=True)
        of = [row for row in rows if text_of(row, "panel") == panel]
        end = _draw_panel(drawing, of, places, own, Plot(*_scales(of, x, width, top, bottom)))
    foot = end + LINE_HEIGHT + 2
    if own:
        words = str(figure.options.get("own", ""))
        drawing.circle(MARK, foot - TEXT * 0.3, MARK, fill=REFERENCE)
        drawing.text(MARK * 2 + 4, foot, words, color=REFERENCE)
        foot += LINE_HEIGHT
    for words in (*figure.annotations, *figure.footnotes):
        foot = drawing.lines(0, foot, wrap_text(words, TEXT, DOUBLE_COLUMN))
    drawing.height = foot - LINE_HEIGHT + 4
    return drawing


def _wrapped(label: str) -> list[str]:
    return wrap_text(label, TEXT, LABEL_WIDTH - 4)


def _places(labels: list[str], y: float) -> dict[str, float]:
    found = {}
    for label in labels:
        found[label] = y
        y += ROW + LINE_HEIGHT * (len(_wrapped(label)) - 1)
    return found


def _scales(
    rows: list[dict[str, Any]], left: float, width: float, top: float, bottom: float
) -> tuple[Scale, Scale]:
    values = [v for row in rows if (v := number_of(row, "value")) is not None] or [0.0]
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    return Scale(low - room, high + room, left, left + width), Scale(0.0, 1.0, bottom, top)


def _draw_panel(
    drawing: Drawing, rows: list[dict[str, Any]], places: dict[str, float], own: set[str], plot: Plot
) -> float:
    for row in rows:
        label, value = text_of(row, "label"), number_of(row, "value")
        y = places[label]
        drawing.line(plot.left, y, plot.right, y, color=FAINT, width=HAIRLINE)
        if value is not None:
            drawing.circle(plot.x(value), y, MARK, fill=REFERENCE if label in own else ARMS[0])
    ticks = next((t for about in (3, 4, 5, 6, 8) if len(t := _inside(plot.x, about)) > 1), [])
    return plot.draw_x_axis(drawing, ticks, [tick_label(t, ticks) for t in ticks])


def _inside(scale: Scale, about: int) -> list[float]:
    return [t for t in round_ticks(scale.low, scale.high, about) if scale.low <= t <= scale.high]


def describe_profile(figure: Figure) -> str:
    """Each row's figures in words."""
    told: dict[str, list[str]] = {}
    for row in rows_of(figure, "main"):
        value = number_of(row, "value")
        if value is not None:
            words = f"{text_of(row, 'panel')} {format_number(value, 1)}"
            told.setdefault(text_of(row, "label"), []).append(words)
    parts = [f"{label}: {', '.join(words)}" for label, words in told.items()]
    return ". ".join([*parts, *(note.rstrip(".") for note in figure.footnotes)]) + "."
