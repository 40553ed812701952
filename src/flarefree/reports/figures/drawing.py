"""A drawing in SVG: shapes and words at places in points, the same bytes every time.

Figures are written directly, not through a plotting library: text stays text for an art editor, every
rule has the weight we say, and nothing depends on the fonts or the clock of the machine.  Everything
that comes from patients or protocols passes through `escape`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape as _escape

from flarefree.reports.figures.palette import INK, PAPER
from flarefree.reports.figures.type_widths import text_width
from flarefree.reports.text import clean_text, typeset

__all__ = ["DOUBLE_COLUMN", "SINGLE_COLUMN", "TEXT", "Drawing", "escape", "number"]

POINTS_PER_CM = 72 / 2.54
SINGLE_COLUMN = 8.8 * POINTS_PER_CM
DOUBLE_COLUMN = 18.0 * POINTS_PER_CM

TEXT = 8.0
"""Size of all words in figures, in points; journals ask for one size throughout."""
LINE_HEIGHT = 9.6
HAIRLINE = 0.5
RULE = 0.75

FONT_FAMILY = "Libertinus Serif, Linux Libertine O, Times New Roman, Times, Liberation Serif, serif"


def escape(text: str) -> str:
    """Text as XML may hold it, in content and in attributes."""
    return _escape(clean_text(text), {'"': "&quot;", "'": "&#39;"})


def number(value: float) -> str:
    """A coordinate with at most two decimals: `12`, `12.5`, `0`."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _attributes(attributes: dict[str, object]) -> str:
    parts = []
    for name, value in attributes.items():
        if value is None:
            continue
        shown = number(value) if isinstance(value, int | float) else escape(str(value))
        parts.append(f' {name.rstrip("_").replace("_", "-")}="{shown}"')
    return "".join(parts)


@dataclass(slots=True)
class Drawing:
    """A sheet of `width` points, grown by what is put on it; `height` is set when it is known."""

    width: float
    height: float = 0.0
    parts: list[str] = field(default_factory=list)

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        color: str = INK,
        width: float = HAIRLINE,
        dash: str = "",
    ) -> None:
        """A straight rule."""
        self._add(
            "line",
            x1=x1,
            y1=y1,
            x2=x2,
            y2=y2,
            stroke=color,
            stroke_width=width,
            stroke_dasharray=dash or None,
        )

    def path(
        self,
        data: str,
        *,
        color: str | None = None,
        width: float | None = None,
        fill: str = "none",
        opacity: float | None = None,
        dash: str = "",
    ) -> None:
        """A path; `data` is SVG's own notation, made with `number`."""
        self._add(
            "path",
            d=data,
            fill=fill,
            fill_opacity=opacity,
            stroke=color,
            stroke_width=width if color else None,
            stroke_linejoin="miter" if color else None,
            stroke_dasharray=dash or None,
        )

    def polyline(
        self, points: Iterable[tuple[float, float]], *, color: str, width: float = 1.0, dash: str = ""
    ) -> None:
        """Straight lines from point to point."""
        joined = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add(
            "polyline",
            points=joined,
            fill="none",
            stroke=color,
            stroke_width=width,
            stroke_linejoin="round",
            stroke_dasharray=dash or None,
        )

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "none",
        color: str | None = None,
        rule: float = HAIRLINE,
        opacity: float | None = None,
    ) -> None:
        """A rectangle by its upper left corner."""
        self._add(
            "rect",
            x=x,
            y=y,
            width=width,
            height=height,
            fill=fill,
            fill_opacity=opacity,
            stroke=color,
            stroke_width=rule if color else None,
        )

    def circle(self, x: float, y: float, radius: float, *, fill: str, color: str | None = None) -> None:
        """A disc, ringed in `color` if given."""
        self._add(
            "circle", cx=x, cy=y, r=radius, fill=fill, stroke=color, stroke_width=HAIRLINE if color else None
        )

    def polygon(self, points: Sequence[tuple[float, float]], *, fill: str, color: str | None = None) -> None:
        """A closed shape."""
        joined = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add("polygon", points=joined, fill=fill, stroke=color, stroke_width=HAIRLINE if color else None)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        bold: bool = False,
        italic: bool = False,
        color: str = INK,
        size: float = TEXT,
        turned: bool = False,
    ) -> None:
        """One line of words; `y` is its baseline, and `turned` reads from bottom to top."""
        if not text:
            return
        attributes = _attributes(
            {
                "x": x,
                "y": y,
                "fill": color,
                "text_anchor": anchor if anchor != "start" else None,
                "font_weight": "700" if bold else None,
                "font_style": "italic" if italic else None,
                "font_size": size if size != TEXT else None,
                "transform": f"rotate(-90 {number(x)} {number(y)})" if turned else None,
            }
        )
        self.parts.append(f"<text{attributes}>{escape(typeset(text))}</text>")

    def lines(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        *,
        anchor: str = "start",
        bold: bool = False,
        color: str = INK,
    ) -> float:
        """Several lines of words from baseline `y` down; gives the baseline after the last."""
        for text in lines:
            self.text(x, y, text, anchor=anchor, bold=bold, color=color)
            y += LINE_HEIGHT
        return y

    def arrow(self, x1: float, x2: float, y: float, *, color: str = INK, width: float = RULE) -> None:
        """A level arrow that points at `x2`."""
        back = -3.2 if x2 > x1 else 3.2
        self.line(x1, y, x2 + back / 2, y, color=color, width=width)
        self.polygon([(x2, y), (x2 + back, y - 1.7), (x2 + back, y + 1.7)], fill=color)

    def arrow_down(self, x: float, y1: float, y2: float, *, color: str = INK, width: float = RULE) -> None:
        """An upright arrow that points down at `y2`."""
        self.line(x, y1, x, y2 - 2, color=color, width=width)
        self.polygon([(x, y2), (x - 1.8, y2 - 3.6), (x + 1.8, y2 - 3.6)], fill=color)

    def place(self, other: Drawing, x: float, y: float) -> None:
        """Put another drawing on this one, its upper left corner at `x`, `y`."""
        self.parts.append(f'<g transform="translate({number(x)} {number(y)})">')
        self.parts += other.parts
        self.parts.append("</g>")

    def render(self, *, name: str, title: str, description: str) -> str:
        """The whole file.  `name` makes its ids unique in a page that holds many figures."""
        name, title, description = escape(name), escape(title), escape(description)
        width, height = number(self.width), number(self.height)
        head = {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": f"{width}pt",
            "height": f"{height}pt",
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
            "font-family": FONT_FAMILY,
            "font-size": number(TEXT),
        }
        opening = " ".join(f'{key}="{value}"' for key, value in head.items())
        words = f'<title id="{name}-title">{title}</title>\n<desc id="{name}-desc">{description}</desc>'
        return "\n".join([f"<svg {opening}>", words, *self.parts, "</svg>", ""])

    def _add(self, tag: str, **attributes: object) -> None:
        self.parts.append(f"<{tag}{_attributes(attributes)}/>")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that something occupies."""

    left: float
    top: float
    right: float
    bottom: float

    def hits(self, other: Box) -> bool:
        """Whether the two overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, x: float, y: float, margin: float = 0.0) -> bool:
        """Whether a point lies in it, or within `margin` of it."""
        return (
            self.left - margin <= x <= self.right + margin and self.top - margin <= y <= self.bottom + margin
        )


def text_box(x: float, y: float, lines: Sequence[str], *, anchor: str = "start", bold: bool = False) -> Box:
    """What lines of words from baseline `y` down would occupy."""
    width = max((text_width(line, TEXT, bold=bold) for line in lines), default=0.0)
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    return Box(left, y - TEXT * 0.75, left + width, y + LINE_HEIGHT * (len(lines) - 1) + TEXT * 0.25)


def knock_out(drawing: Drawing, box: Box) -> None:
    """A patch of paper, so that words stay legible over a line."""
    drawing.rectangle(
        box.left - 1, box.top - 0.5, box.right - box.left + 2, box.bottom - box.top + 1, fill=PAPER
    )
