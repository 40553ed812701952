"""Bars: a share at each visit or category, arms side by side, the numbers under each bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flarefree.reports.figures.axes import Plot, Scale, round_ticks, tick_label, y_axis_room
from flarefree.reports.figures.course import draw_key
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, series_of, text_of
from flarefree.reports.figures.palette import Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_count, format_percent
from flarefree.results import Figure

__all__ = ["draw_bars"]

HEIGHT = 150.0
WIDEST_BAR = 26.0


def draw_bars(figure: Figure, palette: Palette) -> Drawing:
    """Draw `main`: `percent` (or `value`) of each `group` at each `visit` (or `category`).

    Limits, where given, are whiskers; `n` and `total` stand under each bar.
    """
    require_columns(figure, "main", "group")
    rows = rows_of(figure, "main")
    height_column = "percent" if "percent" in figure.data["main"].columns else "value"
    place_column = "visit" if "visit" in figure.data["main"].columns else "category"
    series = series_of(rows, palette.arms)
    places = list(dict.fromkeys(text_of(row, place_column) for row in rows))
    names, x_label = _without_common_word(places, figure.x_label)
    drawing = Drawing(DOUBLE_COLUMN)
    top = draw_key(drawing, tuple((s.group, s.label) for s in series), palette, 0.0, TEXT, boxes=True) + 14
    highest = max(
        [v for row in rows for c in (height_column, "conf_high") if (v := number_of(row, c)) is not None],
        default=1.0,
    )
    is_share = height_column == "percent"
    ticks = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] if is_share else round_ticks(0.0, highest)
    labels = [tick_label(tick, ticks) for tick in ticks]
    left = y_axis_room(labels, figure.y_label, HEIGHT)
    plot = Plot(
        Scale(0, max(len(places), 1), left, DOUBLE_COLUMN - 1), Scale(ticks[0], ticks[-1], top + HEIGHT, top)
    )
    plot.draw_y_axis(drawing, ticks, labels, figure.y_label)
    drawing.line(plot.left, plot.bottom, plot.right, plot.bottom, width=HAIRLINE)

    slot = plot.x(1) - plot.x(0)
    width = min(slot * 0.8 / max(len(series), 1), WIDEST_BAR)
    under = plot.bottom
    for i, (place, name) in enumerate(zip(places, names, strict=True)):
        middle = plot.x(i + 0.5)
        start = middle - width * len(series) / 2
        for j, of in enumerate(series):
            row = next((r for r in of.rows if text_of(r, place_column) == place), None)
            if row is not None:
                _draw_bar(
                    drawing, plot, row, height_column, start + j * width, width, palette.of_group(of.group)
                )
        lines = wrap_text(name, TEXT, slot - 4)
        under = max(
            under, drawing.lines(middle, plot.bottom + TEXT + 3, lines, anchor="middle") - LINE_HEIGHT
        )
    if x_label:
        under += 12.5
        drawing.text((plot.left + plot.right) / 2, under, x_label, anchor="middle", bold=True)
    drawing.height = under + 4
    return drawing


def _without_common_word(places: list[str], x_label: str) -> tuple[list[str], str]:
    """`Month 3`, `Month 6` under `Visit` as `3`, `6` under `Month`: a word that all share is said once."""
    words = [place.rsplit(" ", 1) for place in places]
    if len(places) > 1 and all(len(pair) == 2 for pair in words) and len({pair[0] for pair in words}) == 1:
        return [pair[1] for pair in words], words[0][0]
    return places, x_label


def _draw_bar(
    drawing: Drawing, plot: Plot, row: Mapping[str, Any], column: str, x: float, width: float, color: str
) -> None:
    value = number_of(row, column)
    if value is None:
        return
    y = plot.y(value)
    drawing.rectangle(x + 0.75, y, width - 1.5, plot.bottom - y, fill=color)
    low, high = number_of(row, "conf_low"), number_of(row, "conf_high")
    if low is not None and high is not None:
        middle = x + width / 2
        drawing.line(middle, plot.y(low), middle, plot.y(high))
        y = min(y, plot.y(high))
    text = format_percent(value, 0) if column == "percent" else tick_label(value, [value])
    n, total = number_of(row, "n"), number_of(row, "total")
    counts = f"{format_count(n)}/{format_count(total)}" if n is not None and total is not None else ""
    drawing.text(x + width / 2, y - 2.5, text, anchor="middle")
    if counts and text_width(counts, TEXT) <= width:
        drawing.text(x + width / 2, y - 2.5 - LINE_HEIGHT, counts, anchor="middle")


def describe_bars(figure: Figure) -> str:
    """Each bar in words, for readers who do not see them."""
    rows = rows_of(figure, "main")
    place = "visit" if "visit" in figure.data["main"].columns else "category"
    column = "percent" if "percent" in figure.data["main"].columns else "value"
    sign = "%" if column == "percent" else ""
    parts = [
        f"{text_of(row, 'label') or text_of(row, 'group')}, {text_of(row, place)}: {value:.1f}{sign}"
        for row in rows
        if (value := number_of(row, column)) is not None
    ]
    return "Bars. " + "; ".join(parts) + "."
