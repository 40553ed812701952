"""The evidence report as a document: sections, parts, and in them tables, figures and words in order.

Plain frozen data that both renderers read.  Tables of numbers and figures are those of the trial report
(`PrintedTable`, `PrintedFigure`); tables of words, in which every cell may lead somewhere, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.reports.document import Fact, PrintedFigure, SourceLine
from flarefree.reports.tables import PrintedTable
from flarefree.results import Sentence

__all__ = [
    "Block", "EvidenceDocument", "Paragraph", "Part", "Remarks", "Run", "Section", "WordColumn", "WordRow",
    "WordTable", "words",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of words; `href` is an anchor of the report or, with `is_outside`, an address."""

    text: str
    href: str = ""
    is_outside: bool = False
    is_quiet: bool = False
    """Set in grey: a place, a remark."""


Words = tuple[Run, ...]


def words(text: str, href: str = "", *, quiet: bool = False) -> Words:
    """One run."""
    return (Run(text, href, is_quiet=quiet),) if text else ()


@dataclass(frozen=True, slots=True)
class WordColumn:
    """A column of words: its heading and its share of the width."""

    label: str
    share: float = 1.0
    is_narrow: bool = False
    """Numbers and other short cells, which do not break."""


@dataclass(frozen=True, slots=True)
class WordRow:
    """A row; one with a single cell and `is_heading` spans the table."""

    cells: tuple[Words, ...]
    anchor: str = ""
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class WordTable:
    """A table of words."""

    id: str
    number: int
    title: str
    columns: tuple[WordColumn, ...]
    rows: tuple[WordRow, ...]
    notes: tuple[str, ...] = ()
    kind: str = "words"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, in which words may lead somewhere."""

    runs: Words
    kind: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is to be known of the numbers above; warnings first."""

    notes: tuple[Words, ...]
    warnings: tuple[Words, ...] = ()
    kind: str = "remarks"


Block = WordTable | Paragraph | Remarks | PrintedTable | PrintedFigure


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a section: what the question asked, then its tables, figures and words in order."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    sentences: tuple[Sentence, ...] = ()
    meta: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report."""

    id: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class EvidenceDocument:
    """The whole report."""

    title: str
    short_title: str
    kicker: str
    language: str
    lead: tuple[str, ...]
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    outputs: tuple[SourceLine, ...]
    program: str

    def anchors(self) -> tuple[str, ...]:
        """Every place that a link may lead to."""
        found: list[str] = []
        for section in self.sections:
            found.append(section.id)
            for part in section.parts:
                found.append(part.id)
                for block in part.blocks:
                    found += _anchors(block)
        return tuple(found)

    def links(self) -> tuple[str, ...]:
        """Every anchor that something leads to."""
        found: dict[str, None] = {}
        for section in self.sections:
            for part in section.parts:
                for block in part.blocks:
                    found |= dict.fromkeys(_links(block))
        return tuple(found)


def _anchors(block: Block) -> list[str]:
    match block:
        case WordTable():
            return [f"table-{block.id}", *(row.anchor for row in block.rows if row.anchor)]
        case PrintedTable():
            return [f"table-{block.id}"]
        case PrintedFigure():
            return [f"figure-{block.id}"]
    return []


def _links(block: Block) -> list[str]:
    match block:
        case WordTable():
            runs = [run for row in block.rows for cell in row.cells for run in cell]
        case Paragraph():
            runs = list(block.runs)
        case Remarks():
            runs = [run for note in (*block.warnings, *block.notes) for run in note]
        case PrintedTable():
            return [cell.href for row in block.rows for cell in row.cells if cell.href]
        case _:
            return []
    return [run.href for run in runs if run.href and not run.is_outside]
