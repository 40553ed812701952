"""Courses and counts as pictures: coordinates for an SVG, drawn by one template, with classes and no styles.

Takes numbers that a query gave, gives where they lie in the picture.  Nothing is computed here but places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = ["LARGE", "SMALL", "Level", "Line", "Plot", "Point", "Size", "draw_plot", "nice_ticks"]

_MOST_TICKS = 7
_APART = 13.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large a picture is, and what is left around it for words."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: int
    y_ticks: int
    is_small: bool = False


LARGE = Size(640.0, 250.0, 56.0, 118.0, 14.0, 34.0, _MOST_TICKS, 6)
SMALL = Size(300.0, 128.0, 36.0, 12.0, 12.0, 22.0, 6, 4, is_small=True)
"""One of many side by side; words beside levels stand inside."""


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
    size: Size = LARGE
    latest: str = ""
    normal: tuple[float, float] | None = None
    """Upper and lower edge of the range of normal, in the picture."""

    @property
    def width(self) -> float:
        """Of the picture."""
        return self.size.width

    @property
    def height(self) -> float:
        """Of the picture."""
        return self.size.height

    @property
    def left(self) -> float:
        """Where the axis begins."""
        return self.size.left

    @property
    def right(self) -> float:
        """Where the axis ends."""
        return self.size.width - self.size.right

    @property
    def top(self) -> float:
        """Of the drawn part."""
        return self.size.top

    @property
    def bottom(self) -> float:
        """Of the drawn part: where the axis lies."""
        return self.size.height - self.size.bottom

    @property
    def normal_height(self) -> float:
        """Of the range of normal."""
        return round(self.normal[1] - self.normal[0], 1) if self.normal else 0.0

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
    x_range: tuple[float, float] | None = None,
    normal: tuple[float | None, float | None] = (None, None),
    size: Size = LARGE,
    latest: str = "",
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
    x_range : pair of float, optional
        Shared by pictures side by side.
    normal : pair of float or None
        Range of normal, shaded.
    size : Size
    latest : str
        Said beside the title.
    """
    marks = tuple(marks)
    edges = band or ((), ())
    everything = [point for line in lines for point in line.points] + [*edges[0], *edges[1]]
    xs = [point.x for point in everything] + [x for x, _ in marks] + list(x_range or ())
    ys = [point.y for point in everything] + [level.y for level in levels]
    ys += [bound for bound in normal if bound is not None]
    x_ticks = _x_ticks(
        [*xs, *([_from_zero(min(xs), max(xs))] if size.is_small and xs else [])], x_step, size.x_ticks
    )
    y_ticks = _y_ticks(ys, size)
    x_low, x_high = min([*xs, x_ticks[0]]), max([*xs, x_ticks[-1]])
    if size.is_small and xs:
        x_low, x_high = _from_zero(min(xs), max(xs)), max(xs)

    def place(point: Point) -> Placed:
        return Placed(across(point.x), up(point.y), point.said, point.is_out)

    def across(x: float) -> float:
        span = (x_high - x_low) or 1.0
        return round(size.left + (x - x_low) / span * (size.width - size.right - size.left), 1)

    def up(y: float) -> float:
        span = (y_ticks[-1] - y_ticks[0]) or 1.0
        high = size.height - size.bottom - size.top
        return round(size.height - size.bottom - (y - y_ticks[0]) / span * high, 1)

    placed = tuple(_placed_line(line, tuple(map(place, line.points))) for line in lines if line.points)
    placed = _labels_apart(placed)
    taken = [line.label_y for line in placed if line.label]
    return Plot(
        name=name,
        title=title,
        unit=unit,
        x_label=x_label,
        lines=placed,
        levels=_placed_levels(levels, up, [] if size.is_small else taken, size),
        band=_area(tuple(map(place, edges[0])), tuple(map(place, edges[1]))),
        marks=tuple(Tick(across(x), label) for x, label in marks),
        x_ticks=tuple(Tick(across(x), _said(x)) for x in x_ticks if x_low <= x <= x_high),
        y_ticks=tuple(Tick(up(y), _said(y)) for y in y_ticks),
        said=tuple(point for line in lines for point in line.points if point.said),
        size=size,
        latest=latest,
        normal=_normal(normal, up, size),
    )


def _from_zero(low: float, high: float) -> float:
    """Day 1 begins an axis that has its zero."""
    return 0.0 if 0 < low <= 0.05 * high else low


def _x_ticks(xs: Sequence[float], step: float, most: int) -> tuple[float, ...]:
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    if not step:
        return nice_ticks(low, high if high > low else low + 1.0, most)
    return tuple(n * step for n in range(math.floor(low / step), math.ceil(high / step) + 1))


def _y_ticks(ys: Sequence[float], size: Size) -> tuple[float, ...]:
    """From zero: a change that looks large is large."""
    if len(ys) < 2:
        return 0.0, (ys or [1.0])[0] or 1.0
    low, high = min(ys), max(ys)
    return nice_ticks(min(0.0, low), high or 1.0, size.y_ticks)


def _normal(
    normal: tuple[float | None, float | None], up: Callable[[float], float], size: Size
) -> tuple[float, float] | None:
    low, high = normal
    if low is None and high is None:
        return None
    top, bottom = size.top, size.height - size.bottom
    upper = top if high is None else max(top, up(high))
    lower = bottom if low is None else min(bottom, up(low))
    return upper, lower


def _labels_apart(lines: Sequence[PlacedLine]) -> tuple[PlacedLine, ...]:
    """Words at the ends of lines at least a line's height from one another, in the order of the ends."""
    placed: dict[int, PlacedLine] = {}
    used: list[float] = []
    for n in sorted(range(len(lines)), key=lambda n: lines[n].label_y):
        line, at = lines[n], lines[n].label_y
        if line.label:
            at = max([at, *(other + _APART for other in used)])
            used.append(at)
        placed[n] = replace(line, label_y=at)
    return tuple(placed[n] for n in range(len(lines)))


def _placed_line(line: Line, dots: tuple[Placed, ...]) -> PlacedLine:
    path = "M" + " L".join(f"{dot.x:g} {dot.y:g}" for dot in dots)
    return PlacedLine(path, dots if line.has_dots else (), line.kind, line.label, dots[-1].y)


def _placed_levels(
    levels: Sequence[Level], up: Callable[[float], float], taken: list[float], size: Size
) -> tuple[PlacedLevel, ...]:
    """Labels at least 13 apart, from the top down; in a small picture just above their lines."""
    placed: list[PlacedLevel] = []
    used = list(taken)
    for level in sorted(levels, key=lambda level: (-level.y, level.label)):
        at = up(level.y)
        label_y = at - 8.0 if size.is_small else at
        while any(abs(label_y - other) < _APART for other in used):
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
