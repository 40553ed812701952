"""Axes: from values to places on the paper, round ticks, and the rules that carry them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flarefree.reports.figures.drawing import HAIRLINE, LINE_HEIGHT, TEXT, Drawing
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_number

__all__ = ["Plot", "Scale", "log_ticks", "round_ticks", "tick_label", "ticks_every"]

TICK = 3.0
TICK_GAP = 2.5
MOST_DOUBLINGS = 6
OVERRUN = 0.2  # of a tick's distance, that an axis may run on beyond its last tick


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` on the paper from `start` to `end`; `end` may be less (upwards)."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Ticks at 1, 2, 2.5 or 5 times a power of ten that enclose `low` and `high`."""
    if not high > low:
        low, high = (low - abs(low) * 0.1 - 0.5, high + abs(high) * 0.1 + 0.5)
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def ticks_every(high: float, every: float, most: int = 14) -> list[float]:
    """Ticks at multiples of `every` from 0 to the last that `high` needs; fewer if they would crowd.

    A last visit a few days late does not ask for another tick: the axis runs on a little instead.
    """
    every = every if every > 0 else max(high, 1.0)
    while high / every > most:
        every *= 2
    count = math.ceil(high / every - OVERRUN)
    return [float(f"{i * every:.10g}") for i in range(max(count, 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks for a ratio that enclose `low` and `high`: doublings where they suffice, else 1, 2, 5, 10."""
    first, last = math.floor(math.log2(low) + 1e-9), math.ceil(math.log2(high) - 1e-9)
    if last - first <= MOST_DOUBLINGS:
        return [2.0**i for i in range(first, last + 1)]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [float(f"{step}e{power}") for power in powers for step in steps]
    first = max(i for i, tick in enumerate(ticks) if tick <= low * (1 + 1e-9))
    last = min(i for i, tick in enumerate(ticks) if tick >= high * (1 - 1e-9))
    return ticks[first : last + 1]


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """A tick with as many decimals as all of them need."""
    digits = max((_decimals(tick) for tick in ticks), default=0)
    return format_number(value, digits)


def ratio_label(value: float) -> str:
    """A tick of a log axis: `0.25`, `1.0`, `2.0`, `16`."""
    return format_number(value, max(_decimals(value), 1 if value < 10 else 0))


def _decimals(value: float) -> int:
    text = f"{value:.10g}"
    return len(text.partition(".")[2]) if "e" not in text else 0


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle for data: `x` runs right, `y` runs up."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        """Left edge on the paper."""
        return self.x.start

    @property
    def right(self) -> float:
        """Right edge."""
        return self.x.end

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.y.end

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.y.start

    def draw_x_axis(
        self,
        drawing: Drawing,
        ticks: Sequence[float],
        labels: Sequence[str],
        title: str = "",
        *,
        gap: float = 0.0,
    ) -> float:
        """The lower axis; gives the baseline of its lowest words."""
        y = self.bottom + gap
        drawing.line(self.left, y, self.right, y, width=HAIRLINE)
        baseline = y + TICK + TICK_GAP + TEXT * 0.72
        for tick, label in zip(ticks, labels, strict=True):
            place = self.x(tick)
            drawing.line(place, y, place, y + TICK, width=HAIRLINE)
            drawing.text(place, baseline, label, anchor="middle")
        if title:
            baseline += 12.5
            drawing.text((self.left + self.right) / 2, baseline, title, anchor="middle", bold=True)
        return baseline

    def draw_y_axis(
        self,
        drawing: Drawing,
        ticks: Sequence[float],
        labels: Sequence[str],
        title: str = "",
        *,
        gap: float = 0.0,
    ) -> None:
        """The left axis, its title turned along it."""
        x = self.left - gap
        drawing.line(x, self.bottom, x, self.top, width=HAIRLINE)
        for tick, label in zip(ticks, labels, strict=True):
            place = self.y(tick)
            drawing.line(x - TICK, place, x, place, width=HAIRLINE)
            drawing.text(x - TICK - TICK_GAP, place + TEXT * 0.3, label, anchor="end")
        widest = max((text_width(label, TEXT) for label in labels), default=0.0)
        lines = wrap_text(title, TEXT, self.bottom - self.top, bold=True) if title else []
        for i, line in enumerate(reversed(lines)):
            place = x - TICK - TICK_GAP - widest - 7 - i * LINE_HEIGHT
            middle = (self.top + self.bottom) / 2
            drawing.text(place, middle, line, anchor="middle", bold=True, turned=True)


def y_axis_room(labels: Sequence[str], title: str, height: float = 200.0) -> float:
    """How much paper a left axis needs for its words, if its title runs along `height`."""
    widest = max((text_width(label, TEXT) for label in labels), default=0.0)
    lines = len(wrap_text(title, TEXT, height, bold=True)) if title else 0
    return TICK + TICK_GAP + widest + (7 + TEXT + LINE_HEIGHT * (lines - 1) if lines else 0) + 1
