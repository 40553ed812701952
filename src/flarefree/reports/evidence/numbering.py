"""Tables and figures as they come: numbered, laid out, drawn; what `writing` needs to write them as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flarefree.reports.document import PrintedFigure
from flarefree.reports.evidence.document import WordColumn, WordRow, WordTable
from flarefree.reports.figures import Palette, describe_figure, render_figure
from flarefree.reports.formatting import NumberStyle
from flarefree.reports.tables import PrintedTable, lay_out_table
from flarefree.reports.text import slug
from flarefree.results import Cell, Figure, Table

__all__ = ["Numbering", "estimate_cell", "text_cell"]

NO_NUMBER = {"text": "—"}


@dataclass(slots=True)
class Numbering:
    """Counts tables and figures; `anchors` are those that cells may lead to."""

    anchors: frozenset[str]
    palette: Palette = field(default_factory=Palette)
    style: NumberStyle = field(default_factory=NumberStyle)
    n_tables: int = 0
    drawn: list[tuple[PrintedFigure, Figure]] = field(default_factory=list)

    def table(self, table: Table) -> PrintedTable:
        """A table of numbers."""
        self.n_tables += 1
        printed = lay_out_table(table, self.n_tables, self.style, anchors=self.anchors)
        return replace(printed, id=slug(table.id))

    def words(
        self,
        id: str,
        title: str,
        columns: Sequence[WordColumn],
        rows: Sequence[WordRow],
        notes: Sequence[str] = (),
    ) -> WordTable:
        """A table of words."""
        self.n_tables += 1
        return WordTable(slug(id), self.n_tables, title, tuple(columns), tuple(rows), tuple(notes))

    def figure(self, figure: Figure, id: str, title: str) -> PrintedFigure:
        """A figure under another name and title: the report holds many of one kind."""
        name = slug(id)
        shown = replace(figure, id=name, title=title)
        printed = PrintedFigure(
            id=name,
            number=len(self.drawn) + 1,
            title=title,
            svg=render_figure(shown, self.palette, name=f"drawing-{name}"),
            description=describe_figure(shown),
            file=f"figures/{name}.svg",
            data_file=f"figures/{name}.csv",
            notes=_notes_below(shown),
        )
        self.drawn.append((printed, shown))
        return printed


def _notes_below(figure: Figure) -> tuple[str, ...]:
    """Footnotes; those that the drawing itself carries are not said twice."""
    return () if figure.kind in ("meta_forest", "overlap", "sequential") else figure.footnotes


def estimate_cell(estimate: float | None, low: float | None, high: float | None, link: str = "") -> Cell:
    """`0.64 (0.39 to 1.04)`; a dash where there is none."""
    if estimate is None or estimate != estimate:
        return Cell("text", NO_NUMBER)
    return Cell("estimate_ci", {"estimate": estimate, "conf_low": low, "conf_high": high}, link=link)


def text_cell(text: str, link: str = "") -> Cell:
    """Words in a table of numbers."""
    return Cell("text", {"text": text}, link=link)
