"""From content to document: what is numbered, in which section, with which anchors.

Order: the protocol's sections, then sections that only results name; results in their given order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from flarefree.reports.appendices import (
    CONVENTIONS,
    group_findings,
    list_choices,
    list_methods,
    list_sentences,
)
from flarefree.reports.content import ReportContent
from flarefree.reports.document import (
    Document,
    EventList,
    Fact,
    PrintedFigure,
    PrintedResult,
    Section,
    SourceLine,
)
from flarefree.reports.event_lists import event_lists
from flarefree.reports.figures import Palette, describe_figure, render_figure
from flarefree.reports.formatting import NumberStyle, format_count
from flarefree.reports.tables import PrintedTable, lay_out_table
from flarefree.reports.text import slug
from flarefree.results import AnalysisResult, Figure

__all__ = ["VIRTUAL_LABEL", "build_document", "data_digest", "figure_names", "program_name"]

VIRTUAL_LABEL = "Virtual patients: every person in this report is simulated"

STATES = {"not_yet_computed": "Not yet computed", "not_computable": "Could not be computed"}

PURPOSES = {
    "primary": "Primary analysis",
    "secondary": "Secondary analysis",
    "sensitivity": "Sensitivity analysis",
    "safety": "Safety analysis",
}


def program_name() -> str:
    """`flarefree 0.1.0`."""
    from flarefree._version import __version__

    return f"flarefree {__version__}"


def build_document(content: ReportContent, outputs: Sequence[SourceLine] = ()) -> Document:
    """Lay the whole report out.  `outputs` are the files already written, with their digests."""
    builder = _Builder(content)
    lists = event_lists(content)
    builder.anchors = {anchor for events in lists for anchor in _anchors_of(events)}
    sections = tuple(builder.section(title, results) for title, results in _by_section(content))
    spec = content.protocol.spec
    anchors = {result.id: result_anchor(result) for result in content.results}
    return Document(
        title=spec.title,
        short_title=f"{content.study}, analyzed by the protocol {spec.name}",
        language="en",
        is_virtual=content.is_virtual,
        virtual_label=VIRTUAL_LABEL,
        lead=_lead(content),
        facts=_facts(content),
        sections=sections,
        event_lists=_with_uses(lists, sections),
        findings=group_findings(content.findings),
        findings_total=len(content.findings),
        choices=list_choices(content.protocol),
        sentences=list_sentences(content.results, anchors),
        methods=list_methods(content.results, anchors),
        conventions=CONVENTIONS,
        references=tuple(citation.text for citation in spec.citations),
        sources=tuple(
            SourceLine(s.path, f"{format_count(s.rows)} rows, {s.kind}", s.digest) for s in content.sources
        ),
        outputs=tuple(outputs),
        program=program_name(),
    )


def result_anchor(result: AnalysisResult) -> str:
    """The anchor of an analysis."""
    return f"analysis-{slug(result.id)}"


def figure_names(results: Iterable[AnalysisResult]) -> dict[tuple[str, int], str]:
    """The file name of every figure, by its result and place in it; no two are the same."""
    names: dict[tuple[str, int], str] = {}
    taken: set[str] = set()
    for result in results:
        for place, figure in enumerate(result.figures):
            name = wanted = slug(figure.id)
            again = 2
            while name.lower() in taken:  # some file systems do not tell A from a
                name = f"{wanted}-{again}"
                again += 1
            taken.add(name.lower())
            names[result.id, place] = name
    return names


def data_digest(content: ReportContent) -> str:
    """One digest of all data files: of their digests and paths, in the order of paths."""
    lines = sorted(f"{source.digest}  {source.path}\n" for source in content.sources)
    return sha256("".join(lines).encode()).hexdigest()


def _by_section(content: ReportContent) -> list[tuple[str, list[AnalysisResult]]]:
    sections: dict[str, list[AnalysisResult]] = {title: [] for title in content.protocol.spec.report.sections}
    for result in content.results:
        sections.setdefault(result.section or "Results", []).append(result)
    return [(title, results) for title, results in sections.items() if results]


def _anchors_of(events: EventList) -> list[str]:
    return [events.anchor, *(group.anchor for group in events.groups)]


def _with_uses(lists: Sequence[EventList], sections: Sequence[Section]) -> tuple[EventList, ...]:
    """Each list of events with the tables that lead to it: the walk can go back, too."""
    uses: dict[str, dict[str, str]] = {}
    tables = [table for section in sections for result in section.results for table in result.tables]
    for table in tables:
        for href in dict.fromkeys(cell.href for row in table.rows for cell in row.cells if cell.href):
            uses.setdefault(href, {})[f"table-{table.id}"] = f"Table {table.number}"
    with_uses = []
    for events in lists:
        found: dict[str, str] = {}
        for anchor in _anchors_of(events):
            found |= uses.get(anchor, {})
        with_uses.append(replace(events, used_in=tuple(found.items())))
    return tuple(with_uses)


# Title block -------------------------------------------------------------------------------------


def _lead(content: ReportContent) -> tuple[str, ...]:
    spec = content.protocol.spec
    arms = ", ".join(arm.label for arm in spec.arms.values())
    design = spec.design
    parts = [design.summary, f"Groups: {arms}."]
    if design.masking:
        parts.append(f"Masking: {design.masking.rstrip('.')}.")
    return (*(part for part in parts if part), *content.notes)


def _facts(content: ReportContent) -> tuple[Fact, ...]:
    protocol = content.protocol
    counts = content.row_counts
    rows = sum(source.rows for source in content.sources)
    facts = [
        Fact("Study", content.study),
        Fact("Protocol", protocol.path, f"sha256 {protocol.digest[:16]}"),
        Fact("Registration of the protocol", protocol.spec.registration),
        Fact("Subjects", format_count(counts["subjects"]) if "subjects" in counts else ""),
        Fact("Data", _data_words(len(content.sources), rows), f"sha256 {data_digest(content)[:16]}"),
        Fact("Findings", f"{format_count(len(content.findings))} in the data"),
        Fact("Program", program_name()),
    ]
    return tuple(fact for fact in facts if fact.value)


def _data_words(files: int, rows: int) -> str:
    if not files:
        return "given in memory"
    return f"{format_count(files)} file{'s' if files != 1 else ''}, {format_count(rows)} rows"


# Results -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Builder:
    """Numbers tables and figures as they come."""

    content: ReportContent
    anchors: set[str] = field(default_factory=set)
    n_tables: int = 0
    n_figures: int = 0
    style: NumberStyle = field(init=False)
    palette: Palette = field(init=False)
    names: Mapping[tuple[str, int], str] = field(init=False)
    table_ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        report = self.content.protocol.spec.report
        self.style = NumberStyle(report.percent_digits, report.significance)
        self.palette = Palette.of(self.content.protocol.spec)
        self.names = figure_names(self.content.results)

    def section(self, title: str, results: Sequence[AnalysisResult]) -> Section:
        return Section(f"section-{slug(title)}", title, tuple(self._result(result) for result in results))

    def _result(self, result: AnalysisResult) -> PrintedResult:
        spec = self.content.protocol.spec.analyses.get(result.id)
        return PrintedResult(
            id=result_anchor(result),
            title=result.title,
            purpose=PURPOSES.get(spec.purpose, "") if spec else "",
            population=self._population(result.population),
            sentences=result.sentences,
            tables=tuple(self._table(result, place) for place in range(len(result.tables))),
            figures=tuple(self._figure(result, place) for place in range(len(result.figures))),
            warnings=result.warnings,
            notes=result.notes,
            methods=result.methods,
            state=STATES.get(result.status, ""),
            reason=result.reason,
        )

    def _population(self, name: str) -> str:
        known = self.content.protocol.spec.populations.get(name)
        return known.label if known else name

    def _table(self, result: AnalysisResult, place: int) -> PrintedTable:
        table = result.tables[place]
        self.n_tables += 1
        printed = lay_out_table(
            table,
            self.n_tables,
            self.style,
            anchors=self.anchors,
            population=self._population(table.population or result.population),
        )
        return replace(printed, id=self._table_id(table.id or result.id))

    def _table_id(self, wanted: str) -> str:
        name, again = slug(wanted), 2
        while name in self.table_ids:
            name, again = f"{slug(wanted)}-{again}", again + 1
        self.table_ids.add(name)
        return name

    def _figure(self, result: AnalysisResult, place: int) -> PrintedFigure:
        figure: Figure = result.figures[place]
        name = self.names[result.id, place]
        self.n_figures += 1
        return PrintedFigure(
            id=name,
            number=self.n_figures,
            title=figure.title,
            svg=render_figure(figure, self.palette, name=f"drawing-{name}"),
            description=describe_figure(figure),
            file=f"figures/{name}.svg",
            data_file=f"figures/{name}.csv",
            notes=figure.footnotes,
            population=self._population(figure.population or result.population),
        )
