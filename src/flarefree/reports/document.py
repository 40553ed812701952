"""The report as a document: numbered tables and figures in sections, appendices, anchors.

Plain frozen data that both renderers read: `html` through its templates, `pdf` as JSON.  Nothing is
decided twice: numbers, marks, anchors and words are the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.reports.tables.layout import PrintedTable
from flarefree.results import Sentence

__all__ = [
    "Choice",
    "Document",
    "EventGroup",
    "EventLine",
    "EventList",
    "Fact",
    "FindingGroup",
    "FindingLine",
    "Method",
    "PrintedFigure",
    "PrintedResult",
    "Section",
    "SentenceLine",
    "SourceLine",
]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the title block."""

    label: str
    value: str
    code: str = ""
    """A digest or name, set in a fixed-width face."""


@dataclass(frozen=True, slots=True)
class PrintedFigure:
    """A drawn figure with its words; `file` and `data_file` are under the output folder."""

    id: str
    number: int
    title: str
    svg: str
    description: str
    file: str
    data_file: str
    notes: tuple[str, ...] = ()
    population: str = ""


@dataclass(frozen=True, slots=True)
class PrintedResult:
    """What one analysis shows: the protocol's sentences, tables, figures, what is to be known."""

    id: str
    title: str
    purpose: str
    population: str
    sentences: tuple[Sentence, ...]
    tables: tuple[PrintedTable, ...]
    figures: tuple[PrintedFigure, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    methods: tuple[str, ...]
    state: str = ""
    """Why there is nothing to show: `Not yet computed`, `Could not be computed`; empty if there is."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report."""

    id: str
    title: str
    results: tuple[PrintedResult, ...]


@dataclass(frozen=True, slots=True)
class EventLine:
    """One patient's event: the rows it rests on, or the component's event that has them."""

    anchor: str
    subject: str
    day: str
    confirmed: str
    visit: str
    origin: str
    component: str = ""
    component_href: str = ""
    component_list: str = ""
    """The list that shows the event's rows, where it is not this one."""
    places: tuple[str, ...] = ()
    explanation: str = ""
    reason: str = ""
    outside: str = ""
    """Populations of the tables that count from here, in which the patient is not."""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """The events of one arm."""

    anchor: str
    label: str
    lines: tuple[EventLine, ...]
    left_out: int = 0
    counted: str = ""
    """How many a table counts, where that is not all: `63 of them in the safety population`."""


@dataclass(frozen=True, slots=True)
class EventList:
    """Every event of an endpoint: what a number in a table counts."""

    anchor: str
    title: str
    sentence: Sentence | None
    is_composite: bool
    groups: tuple[EventGroup, ...]
    unused: tuple[EventLine, ...] = ()
    unused_left_out: int = 0
    without: tuple[tuple[str, str], ...] = ()
    """Explained patients without the event: subject and explanation."""
    used_in: tuple[tuple[str, str], ...] = ()
    """Tables that lead here: anchor and name."""


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding, for print."""

    place: str
    column: str
    subject: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """Findings of one kind; the first of them in full."""

    code: str
    severity: str
    message: str
    count: int
    lines: tuple[FindingLine, ...]


@dataclass(frozen=True, slots=True)
class SentenceLine:
    """A sentence of the protocol, once, with the analyses that rest on it (anchor and title)."""

    anchor: str
    sentence: Sentence
    used_by: tuple[tuple[str, str], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """What the source left open, and what was chosen."""

    topic: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method, and the analyses that used it (anchor and title)."""

    text: str
    used_by: tuple[tuple[str, str], ...]
    more: int = 0
    """Further analyses that are not named."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A data file or an output, with its digest."""

    path: str
    detail: str
    digest: str


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report."""

    title: str
    language: str
    is_virtual: bool
    virtual_label: str
    lead: tuple[str, ...]
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    event_lists: tuple[EventList, ...]
    findings: tuple[FindingGroup, ...]
    findings_total: int
    sentences: tuple[SentenceLine, ...]
    choices: tuple[Choice, ...]
    methods: tuple[Method, ...]
    conventions: tuple[str, ...]
    references: tuple[str, ...]
    sources: tuple[SourceLine, ...]
    outputs: tuple[SourceLine, ...]
    program: str
    short_title: str
