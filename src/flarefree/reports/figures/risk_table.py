"""Numbers at risk below curves: a row a group, each number under its tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flarefree.reports.figures.axes import Plot
from flarefree.reports.figures.drawing import LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.frames import number_of, rows_of, series_of
from flarefree.reports.figures.palette import Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_count
from flarefree.results import Figure

__all__ = ["RiskRow", "draw_risk_table", "read_risk_rows"]

RISK_LABEL = 96.0  # widest name of a row of numbers at risk; longer ones take a second line


@dataclass(frozen=True, slots=True)
class RiskRow:
    """The numbers at risk of one group; `lines` is its name as it is set."""

    group: str
    lines: tuple[str, ...]
    numbers: tuple[tuple[float, float], ...]

    @property
    def room(self) -> float:
        """What it needs left of the axis: its name, and half of its first number."""
        first = format_count(self.numbers[0][1]) if self.numbers else ""
        return max(text_width(line, TEXT) for line in self.lines) + text_width(first, TEXT) / 2 + 6


def read_risk_rows(figure: Figure, labels: Mapping[str, str], palette: Palette) -> list[RiskRow]:
    """The rows of the frame `at_risk`, named as their curves are."""
    rows = []
    for series in series_of(rows_of(figure, "at_risk"), palette.arms):
        label = labels.get(series.group, series.label)
        numbers = tuple(
            (time, n)
            for row in series.rows
            if (time := number_of(row, "time")) is not None and (n := number_of(row, "n")) is not None
        )
        rows.append(RiskRow(series.group, tuple(wrap_text(label, TEXT, RISK_LABEL)), numbers))
    return rows


def draw_risk_table(
    drawing: Drawing,
    plot: Plot,
    ticks: Sequence[float],
    rows: list[RiskRow],
    palette: Palette,
    baseline: float,
) -> float:
    """Numbers under their ticks, names beside them, or above where a column is narrow."""
    if not rows:
        return baseline
    y = baseline + 14
    drawing.text(0, y, "No. at risk", bold=True)
    shown = {round(tick, 6) for tick in ticks}
    for row in rows:
        y += LINE_HEIGHT + 1
        color = palette.of_group(row.group)
        after = drawing.lines(0, y, row.lines, color=color) - LINE_HEIGHT
        if plot.left < row.room:
            after += LINE_HEIGHT
        for time, n in row.numbers:
            if round(time, 6) in shown:
                drawing.text(plot.x(time), after, format_count(n), anchor="middle")
        y = after
    return y
