"""Courses and counts as pictures: coordinates for an SVG, drawn by one template, with classes and no styles.

Takes numbers that a query gave, gives where they lie in the picture.  Nothing is computed here but places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Level", "Line", "Plot", "Point", "draw_plot", "nice_ticks"]

WIDTH, HEIGHT = 640.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 118.0, 14.0, 34.0
_MOST_TICKS = 7


@dataclass(frozen=True, slots=True)
class Point:
    """One value: where, how much, how it is said, and whether it lies outside its range."""

    x: float
    y: float
    said: str = ""
    is_out: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Values joined in order; `kind` is its class: `line` or `plan`."""

    points: tuple[Point, ...]
    kind: str = "line"
    label: str = ""
    has_dots: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """A value that matters: an upper limit of normal (`limit`), a threshold of a sentence (`threshold`).

    `label` stands beside its line and is short; `note` says it in full below the picture.
    """

    y: float
    label: str
    kind: str = "limit"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A number at an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A point in the picture."""

    x: float
    y: float
    said: str
    is_out: bool


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line in the picture."""

    path: str
    dots: tuple[Placed, ...]
    kind: str
    label: str
    label_y: float


@dataclass(frozen=True, slots=True)
class PlacedLevel:
    """A level in the picture; its label is moved where two would lie on one another."""

    y: float
    label: str
    kind: str
    label_y: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, ready for the template `pages/parts/plot.html`."""

    name: str
    title: str
    unit: str
    x_label: str
    lines: tuple[PlacedLine, ...]
    levels: tuple[PlacedLevel, ...]
    band: str
    marks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    said: tuple[Point, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM

    @property
    def has_notes(self) -> bool:
        """Whether a level is to be explained below."""
        return any(level.note for level in self.levels)


def nice_ticks(low: float, high: float, most: int = _MOST_TICKS) -> tuple[float, ...]:
    """Round numbers from at most `low` to at least `high`, in steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return (low,)
    rough = span / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(n * step for n in range(first, last + 1))


def draw_plot(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    unit: str = "",
    x_label: str = "Day",
    levels: Sequence[Level] = (),
    band: tuple[tuple[Point, ...], tuple[Point, ...]] | None = None,
    marks: Iterable[tuple[float, str]] = (),
    x_step: float = 0.0,
) -> Plot:
    """Lay values out.

    Parameters
    ----------
    name : str
        Unique on its page.
    lines, levels : sequences
    band : pair of tuples of Point, optional
        Lower and upper edge of an interval, with the same x.
    marks : of (x, label)
        Upright lines, such as the day of a case.
    x_step : float
        Distance of ticks on the x axis; chosen if zero.
    """
    marks = tuple(marks)
    edges = band or ((), ())
    everything = [point for line in lines for point in line.points] + [*edges[0], *edges[1]]
    xs = [point.x for point in everything] + [x for x, _ in marks]
    ys = [point.y for point in everything] + [level.y for level in levels]
    x_ticks = _x_ticks(xs, x_step)
    y_ticks = nice_ticks(min(0.0, *ys), max(ys) or 1.0, 6) if len(ys) > 1 else (0.0, (ys or [1.0])[0] or 1.0)
    x_low, x_high = min([*xs, x_ticks[0]]), max([*xs, x_ticks[-1]])

    def place(point: Point) -> Placed:
        return Placed(across(point.x), up(point.y), point.said, point.is_out)

    def across(x: float) -> float:
        return round(LEFT + (x - x_low) / ((x_high - x_low) or 1.0) * (WIDTH - RIGHT - LEFT), 1)

    def up(y: float) -> float:
        span = (y_ticks[-1] - y_ticks[0]) or 1.0
        return round(HEIGHT - BOTTOM - (y - y_ticks[0]) / span * (HEIGHT - BOTTOM - TOP), 1)

    placed = tuple(_placed_line(line, tuple(map(place, line.points))) for line in lines if line.points)
    taken = [line.label_y for line in placed if line.label]
    return Plot(
        name=name,
        title=title,
        unit=unit,
        x_label=x_label,
        lines=placed,
        levels=_placed_levels(levels, up, taken),
        band=_area(tuple(map(place, edges[0])), tuple(map(place, edges[1]))),
        marks=tuple(Tick(across(x), label) for x, label in marks),
        x_ticks=tuple(Tick(across(x), _said(x)) for x in x_ticks if x_low <= x <= x_high),
        y_ticks=tuple(Tick(up(y), _said(y)) for y in y_ticks),
        said=tuple(point for line in lines for point in line.points if point.said),
    )


def _x_ticks(xs: Sequence[float], step: float) -> tuple[float, ...]:
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    if not step:
        return nice_ticks(low, high if high > low else low + 1.0)
    return tuple(n * step for n in range(math.floor(low / step), math.ceil(high / step) + 1))


def _placed_line(line: Line, dots: tuple[Placed, ...]) -> PlacedLine:
    path = "M" + " L".join(f"{dot.x:g} {dot.y:g}" for dot in dots)
    return PlacedLine(path, dots if line.has_dots else (), line.kind, line.label, dots[-1].y)


def _placed_levels(levels: Sequence[Level], up, taken: list[float]) -> tuple[PlacedLevel, ...]:  # type: ignore[no-untyped-def]
    """Labels at least 13 apart, from the top down."""
    placed: list[PlacedLevel] = []
    used = list(taken)
    for level in sorted(levels, key=lambda level: (-level.y, level.label)):
        at = up(level.y)
        label_y = at
        while any(abs(label_y - other) < 13 for other in used):
            label_y += 1.0
        used.append(label_y)
        placed.append(PlacedLevel(at, level.label, level.kind, label_y, level.note))
    return tuple(placed)


def _area(lower: tuple[Placed, ...], upper: tuple[Placed, ...]) -> str:
    if not lower:
        return ""
    return "M" + " L".join(f"{dot.x:g} {dot.y:g}" for dot in (*upper, *reversed(lower))) + " Z"


def _said(number: float) -> str:
    return f"{number:,.6g}".replace("-", "−")
