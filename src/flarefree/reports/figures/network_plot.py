"""Network plots: treatments on a circle, as large as they were studied, joined by the studies between them.

Names stand outside the circle, each on its own radius; the number of studies stands on every line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    LINE_HEIGHT,
    TEXT,
    Box,
    Drawing,
    knock_out,
    number,
    text_box,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, PAPER, Palette
from flarefree.reports.figures.type_widths import wrap_text
from flarefree.reports.formatting import format_count
from flarefree.results import Figure

__all__ = ["describe_network_plot", "draw_network_plot"]

RADIUS = 118.0
WIDEST = 150.0  # half-width of the ellipse that many treatments stand on
SMALLEST, LARGEST = 3.2, 13.0  # radii of treatments
THINNEST, THICKEST = 0.6, 6.5
NAME_GAP = 5.0
NAME_WIDTH = 118.0
LINE_COLOR = "#b9c2cc"


def draw_network_plot(figure: Figure, palette: Palette) -> Drawing:
    """Draw `nodes` (treatment, n_studies, n) and the lines of `main` (treatment_1, treatment_2, n_studies).

    Options: `reference`, whose disc is open.
    """
    require_columns(figure, "main", "treatment_1", "treatment_2", "n_studies")
    require_columns(figure, "nodes", "treatment", "n_studies")
    nodes, edges = rows_of(figure, "nodes"), rows_of(figure, "main")
    drawing = Drawing(DOUBLE_COLUMN)
    sizes = _sizes(nodes)
    labels = [_label_lines(node) for node in nodes]
    wide = min(max(RADIUS, 7.0 * len(nodes)), WIDEST)
    high = max(RADIUS, 8.5 * len(nodes))
    angles = [2 * math.pi * k / len(nodes) - math.pi / 2 for k in range(len(nodes))]
    places = [(DOUBLE_COLUMN / 2 + wide * math.cos(a), high * math.sin(a)) for a in angles]
    names = _apart([_name(x, y, a, r, t) for (x, y), a, r, t in zip(places, angles, sizes, labels)])
    top = min([name.top for name in names] + [y - r for (_, y), r in zip(places, sizes)]) - 4
    places = [(x, y - top) for x, y in places]
    names = [replace(name, y=name.y - top) for name in names]
    at = {text_of(node, "treatment"): place for node, place in zip(nodes, places)}
    _draw_edges(drawing, edges, at, [(x, y, r) for (x, y), r in zip(places, sizes)])
    for node, (x, y), size in zip(nodes, places, sizes):
        is_reference = text_of(node, "treatment") == figure.options.get("reference")
        color = palette.of_group(text_of(node, "treatment"))
        drawing.circle(x, y, size, fill=PAPER if is_reference else color, color=color)
    for name in names:
        drawing.lines(name.x, name.y, name.lines[:-1], anchor=name.anchor, bold=True)
        last = name.y + LINE_HEIGHT * (len(name.lines) - 1)
        drawing.text(name.x, last, name.lines[-1], anchor=name.anchor, color=MUTED)
    drawing.height = max([name.bottom for name in names] + [y + r for (_, y), r in zip(places, sizes)]) + 4
    return drawing


def _sizes(nodes: list[dict[str, Any]]) -> list[float]:
    """Radii whose discs' areas are in proportion to patients (to studies, where patients are not known)."""
    known = all(number_of(node, "n") is not None for node in nodes)
    weights = [(number_of(node, "n") if known else number_of(node, "n_studies")) or 0.0 for node in nodes]
    most = max(weights, default=1.0) or 1.0
    return [max(LARGEST * math.sqrt(weight / most), SMALLEST) for weight in weights]


def _label_lines(node: dict[str, Any]) -> list[str]:
    studies = int(number_of(node, "n_studies") or 0)
    words = f"{studies} {'study' if studies == 1 else 'studies'}"
    if (n := number_of(node, "n")) is not None:
        words = f"n = {format_count(n)}; {words}"
    return [*wrap_text(text_of(node, "treatment"), TEXT, NAME_WIDTH, bold=True), words]


@dataclass(frozen=True, slots=True)
class _Name:
    """A treatment's words: their place, the baseline of the first line, and the side of it they are on."""

    x: float
    y: float
    anchor: str
    lines: tuple[str, ...]

    @property
    def top(self) -> float:
        return self.y - TEXT * 0.75

    @property
    def bottom(self) -> float:
        return self.y + LINE_HEIGHT * (len(self.lines) - 1) + TEXT * 0.25


def _name(x: float, y: float, angle: float, size: float, lines: list[str]) -> _Name:
    """Outside the circle, on the side its disc is on; above at the top and below at the bottom."""
    away = size + NAME_GAP
    height = LINE_HEIGHT * (len(lines) - 1)
    if abs(math.cos(angle)) < 1e-6:
        first = y - away - height - TEXT * 0.25 if math.sin(angle) < 0 else y + away + TEXT * 0.75
        return _Name(x, first, "middle", tuple(lines))
    is_right = math.cos(angle) > 0
    # names near the top and the bottom lean away from the circle
    first = y - height / 2 + TEXT * 0.3 + 0.4 * height * math.sin(angle)
    return _Name(x + (away if is_right else -away), first, "start" if is_right else "end", tuple(lines))


def _apart(names: list[_Name]) -> list[_Name]:
    """Names of one side pushed apart where they would touch, as little as that takes."""
    out = list(names)
    for side in ("start", "end"):
        at = sorted((k for k, name in enumerate(names) if name.anchor == side), key=lambda k: names[k].y)
        for _ in range(40):
            for above, below in pairwise(at):
                over = out[above].bottom + 2 - out[below].top
                if over > 0:
                    out[above] = replace(out[above], y=out[above].y - over / 2)
                    out[below] = replace(out[below], y=out[below].y + over / 2)
    return out


def _draw_edges(
    drawing: Drawing,
    edges: list[dict[str, Any]],
    at: dict[str, tuple[float, float]],
    discs: list[tuple[float, float, float]],
) -> None:
    most = max([number_of(edge, "n_studies") or 0.0 for edge in edges], default=1.0) or 1.0
    spots: list[tuple[float, float, float, float, str]] = []
    for edge in sorted(edges, key=lambda e: -(number_of(e, "n_studies") or 0.0)):
        count = number_of(edge, "n_studies") or 0.0
        (x1, y1), (x2, y2) = at[text_of(edge, "treatment_1")], at[text_of(edge, "treatment_2")]
        width = THINNEST + (THICKEST - THINNEST) * (count / most if most > 1 else 0.0)
        data = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
        drawing.path(data, color=LINE_COLOR, width=width)
        spots.append((x1, y1, x2, y2, f"{count:.0f}"))
    taken = [Box(x - r, y - r, x + r, y + r) for x, y, r in discs]
    for spot in spots:
        others = [other[:4] for other in spots if other is not spot]
        box, x, y = _free_spot(spot, taken, others)
        taken.append(box)
        knock_out(drawing, Box(box.left + 1, box.top + 1, box.right - 1, box.bottom - 1))
        drawing.text(x, y, spot[4], anchor="middle", color=INK)


Segment = tuple[float, float, float, float]


def _free_spot(
    spot: tuple[float, float, float, float, str], taken: list[Box], others: list[Segment]
) -> tuple[Box, float, float]:
    """A place along a line where its number touches no other, best where no other line passes."""
    x1, y1, x2, y2, words = spot
    places: list[tuple[int, int, Box, float, float]] = []
    for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74):
        x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
        box = text_box(x, y + TEXT * 0.3, [words], anchor="middle")
        clashes = 10 * any(box.hits(other) for other in taken)
        clashes += sum(_distance(x, y, other) < TEXT * 0.75 for other in others)
        places.append((clashes, len(places), box, x, y + TEXT * 0.3))
    _, _, box, x, y = min(places, key=lambda place: place[:2])
    return box, x, y


def _distance(x: float, y: float, segment: Segment) -> float:
    """From a point to a straight line between two points."""
    x1, y1, x2, y2 = segment
    dx, dy = x2 - x1, y2 - y1
    share = ((x - x1) * dx + (y - y1) * dy) / ((dx * dx + dy * dy) or 1.0)
    share = min(max(share, 0.0), 1.0)
    return math.hypot(x - x1 - share * dx, y - y1 - share * dy)


def describe_network_plot(figure: Figure) -> str:
    """The lines in words."""
    shown = [
        f"{text_of(e, 'treatment_1')} and {text_of(e, 'treatment_2')}: {number_of(e, 'n_studies') or 0:.0f}"
        for e in rows_of(figure, "main")
    ]
    return "Network of treatments; studies that compare " + "; ".join(shown) + "."
