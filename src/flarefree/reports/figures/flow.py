"""Participant flow, as the CONSORT statement draws it: one way down, split by arm, reasons in the boxes.

Decides sizes and places from the words.  Boxes above the split stand in the middle, those that leave the
way at its right; below it every arm has a column, and boxes of the same stage stand level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flarefree.reports.figures.drawing import (
    DOUBLE_COLUMN,
    HAIRLINE,
    LINE_HEIGHT,
    TEXT,
    Drawing,
)
from flarefree.reports.figures.frames import number_of, require_columns, rows_of, text_of
from flarefree.reports.figures.palette import INK, MUTED, PAPER, Palette
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.reports.formatting import format_count
from flarefree.results import Figure

__all__ = ["draw_flow"]

PADDING = 6.0
DOWN = 16.0  # from a box to the next
GUTTER = 12.0
STRIP = 13.0  # the stage's name at the left edge
CENTRAL = 176.0
REASON_INDENT = 8.0
WIDEST_COLUMN = 220.0

STAGES = {
    "screened": "Enrollment",
    "excluded": "Enrollment",
    "enrolled": "Enrollment",
    "randomized": "Enrollment",
    "allocated": "Allocation",
    "withdrawn": "Follow-up",
    "completed": "Follow-up",
    "analyzed": "Analysis",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the flow, with the words that stand in it."""

    id: str
    parent: str
    column: str
    head: str
    lines: tuple[str, ...]
    side: bool
    stage: str

    def words(self, width: float) -> tuple[list[str], list[str]]:
        """Heading and reasons, wrapped to a box of that width."""
        room = width - 2 * PADDING
        head = wrap_text(self.head, TEXT, room, bold=True)
        reasons = []
        for line in self.lines:
            wrapped = wrap_text(line, TEXT, room - REASON_INDENT)
            reasons += [wrapped[0], *(f"\u2002{rest}" for rest in wrapped[1:])]
        return head, reasons

    def height(self, width: float) -> float:
        """Of its box."""
        head, reasons = self.words(width)
        return (len(head) + len(reasons)) * LINE_HEIGHT + 2 * PADDING - (LINE_HEIGHT - TEXT)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a box was drawn."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Its center line."""
        return self.left + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height


def draw_flow(figure: Figure, palette: Palette) -> Drawing:
    """Draw the boxes of `main`, in their order."""
    require_columns(figure, "main", "id", "label", "n")
    nodes = [_read_node(row) for row in rows_of(figure, "main")]
    drawing = Drawing(DOUBLE_COLUMN)
    columns = list(dict.fromkeys(node.column for node in nodes if node.column))
    stages: list[tuple[str, float, float]] = []
    last, y = _draw_above(drawing, [n for n in nodes if not n.column], stages)
    if columns:
        y = _draw_columns(drawing, nodes, columns, last, y, stages, palette)
    _draw_stages(drawing, stages)
    drawing.height = y + 2
    return drawing


def _read_node(row: dict[str, Any]) -> Node:
    identity, column = text_of(row, "id"), text_of(row, "column") or text_of(row, "arm")
    given = row.get("details") if row.get("details") is not None else row.get("lines")
    lines = given.split("\n") if isinstance(given, str) else [str(line) for line in given or ()]
    n = number_of(row, "n")
    kind = identity.removesuffix(f"_{column}") if column else identity
    return Node(
        id=identity,
        parent=text_of(row, "parent"),
        column=column,
        head=text_of(row, "label") + (f" (n={format_count(n)})" if n is not None else ""),
        lines=tuple(line for line in lines if line),
        side=bool(row.get("side")),
        stage=text_of(row, "stage") or STAGES.get(kind, ""),
    )


# Above the split ---------------------------------------------------------------------------------


def _draw_above(
    drawing: Drawing, nodes: list[Node], stages: list[tuple[str, float, float]]
) -> tuple[Frame | None, float]:
    """The way down to the split; gives its last box and the lower edge of all."""
    left = STRIP + GUTTER + (DOUBLE_COLUMN - STRIP - GUTTER - CENTRAL) / 2
    last: Frame | None = None
    y = 1.0
    for node in nodes:
        if node.side and last is not None:
            y = _draw_beside(drawing, node, last, y, stages)
            continue
        if last is not None:
            y = max(y, last.bottom + DOWN)
            drawing.arrow_down(last.middle, last.bottom, y, width=HAIRLINE)
        last = _draw_box(drawing, node, left, y, CENTRAL, node.height(CENTRAL))
        stages.append((node.stage, last.top, last.bottom))
        y = last.bottom
    return last, y


def _draw_beside(
    drawing: Drawing, node: Node, last: Frame, y: float, stages: list[tuple[str, float, float]]
) -> float:
    """A box at the right of the way, reached by a branch of it; gives where the way may go on."""
    left = last.left + last.width + 2 * GUTTER
    width = DOUBLE_COLUMN - left - 1
    height = node.height(width)
    top = max(y, last.bottom) + DOWN * 0.5
    drawing.arrow(last.middle, left, top + height / 2, width=HAIRLINE)
    _draw_box(drawing, node, left, top, width, height)
    stages.append((node.stage, top, top + height))
    return top + height + DOWN * 0.5


# Below it ----------------------------------------------------------------------------------------


def _draw_columns(
    drawing: Drawing,
    nodes: list[Node],
    columns: list[str],
    above: Frame | None,
    y: float,
    stages: list[tuple[str, float, float]],
    palette: Palette,
) -> float:
    room = DOUBLE_COLUMN - STRIP - GUTTER - 1
    width = min((room - GUTTER * (len(columns) - 1)) / len(columns), WIDEST_COLUMN)
    whole = width * len(columns) + GUTTER * (len(columns) - 1)
    start = STRIP + GUTTER + (room - whole) / 2
    lefts = {column: start + i * (width + GUTTER) for i, column in enumerate(columns)}
    levels = _levels(nodes)
    if above is not None:
        y = _draw_split(drawing, above, [left + width / 2 for left in lefts.values()], y)
    before: dict[str, Frame] = {}
    for level in levels:
        height = max(node.height(width) for node in level)
        for node in level:
            frame = _draw_box(drawing, node, lefts[node.column], y, width, height, palette)
            if node.column in before:
                drawing.arrow_down(frame.middle, before[node.column].bottom, y, width=HAIRLINE)
            before[node.column] = frame
        stages.append((level[0].stage, y, y + height))
        y += height + DOWN
    return y - DOWN


def _levels(nodes: list[Node]) -> list[list[Node]]:
    """Boxes of the arms by stage, in the order of the first arm that has them."""
    levels: dict[str, list[Node]] = {}
    for node in nodes:
        if node.column:
            levels.setdefault(node.id.removesuffix(f"_{node.column}"), []).append(node)
    return list(levels.values())


def _draw_split(drawing: Drawing, above: Frame, middles: list[float], y: float) -> float:
    """The way parts: down, across, and down to each arm; gives where the arms begin."""
    across, below = y + DOWN * 0.6, y + DOWN * 1.5
    drawing.line(above.middle, above.bottom, above.middle, across, width=HAIRLINE)
    if len(middles) > 1:
        drawing.line(middles[0], across, middles[-1], across, width=HAIRLINE)
    for middle in middles:
        drawing.arrow_down(middle, across, below, width=HAIRLINE)
    return below


def _draw_box(
    drawing: Drawing,
    node: Node,
    left: float,
    top: float,
    width: float,
    height: float,
    palette: Palette | None = None,
) -> Frame:
    drawing.rectangle(left, top, width, height, fill=PAPER, color=INK)
    if palette is not None and node.stage == "Allocation":
        drawing.rectangle(left, top, width, 2.0, fill=palette.of_group(node.column))
    head, reasons = node.words(width)
    y = top + PADDING + TEXT * 0.75
    if reasons:
        y = drawing.lines(left + PADDING, y, head, bold=True)
        drawing.lines(left + PADDING + REASON_INDENT, y, reasons)
    else:
        slack = (height - node.height(width)) / 2
        drawing.lines(left + width / 2, y + slack, head, anchor="middle", bold=True)
    return Frame(left, top, width, height)


def _draw_stages(drawing: Drawing, stages: list[tuple[str, float, float]]) -> None:
    """The name of each stage along its boxes, at the left edge."""
    spans: dict[str, tuple[float, float]] = {}
    for stage, top, bottom in stages:
        low, high = spans.get(stage, (top, bottom))
        spans[stage] = (min(low, top), max(high, bottom))
    for stage, (top, bottom) in spans.items():
        if not stage:
            continue
        needed = text_width(stage, TEXT) + 6
        lacking = max(needed - (bottom - top), 0)
        above = min(lacking / 2, max(top - 0.5, 0))  # the drawing ends above; what lacks goes below
        top, bottom = top - above, bottom + lacking - above
        drawing.line(STRIP, top, STRIP, bottom, color=MUTED, width=HAIRLINE)
        drawing.text(
            STRIP - 4.5, (top + bottom) / 2, stage, anchor="middle", italic=True, color=MUTED, turned=True
        )


def describe_flow(figure: Figure) -> str:
    """The boxes in words, for readers who do not see them."""
    nodes = [_read_node(row) for row in rows_of(figure, "main")]
    return "Participant flow. " + " ".join(
        f"{node.head}{': ' + '; '.join(node.lines) if node.lines else ''}." for node in nodes
    )
