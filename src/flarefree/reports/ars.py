"""Results as a CDISC Analysis Results Standard (ARS) reporting event, version 1.

Every table of ours is an analysis there: its method lists an operation a statistic, and every statistic
of every cell is an operation result, with the raw and the printed value as text.  Groups are the
protocol's arms, a table's other columns, and its rows.

Source: CDISC Analysis Results Standard v1.0, logical data model (`ars_ldm`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flarefree.reports.building import figure_names, program_name
from flarefree.reports.content import ReportContent
from flarefree.reports.formatting import NumberStyle, format_stat
from flarefree.reports.text import clean_text, slug
from flarefree.results import AnalysisResult, Column, Row, Stat, Table

__all__ = ["build_reporting_event", "render_ars"]

Json = dict[str, Any]

PURPOSES = {"primary": "PRIMARY OUTCOME MEASURE", "secondary": "SECONDARY OUTCOME MEASURE"}
SPONSOR_PURPOSES = {"sensitivity": "Sensitivity analysis", "safety": "Safety", "descriptive": "Descriptive"}
ARMS = "AG_ARM"
PROTOCOL = "RD_PROTOCOL"
SVG = "FT_SVG"


def render_ars(content: ReportContent) -> str:
    """The reporting event as JSON text: one line for each analysis, method, output and so on."""
    event = build_reporting_event(content)
    parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in event.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(value: Any) -> str:
    # Indented throughout, json would leave its fast encoder and take seconds over ten megabytes.
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(map(_written, value)) + "\n]"
    return _written(value)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def build_reporting_event(content: ReportContent) -> Json:
    """The reporting event; every identifier that it refers to is in it."""
    spec = content.protocol.spec
    tables = list(_tables(content))
    return {
        "id": f"RE_{slug(spec.name)}",
        "name": clean_text(f"{spec.title}: {content.study}"),
        "description": f"Made by {program_name()} from {content.protocol.path}"
        + ("; virtual patients" if content.is_virtual else ""),
        "version": 1,
        "mainListOfContents": _contents(content, tables),
        "referenceDocuments": [
            {"id": PROTOCOL, "name": spec.title, "location": content.protocol.path},
            *(
                {"id": f"RD_{slug(c.key)}", "name": c.key, "description": c.text}
                for c in spec.citations
            ),
        ],
        "terminologyExtensions": _extensions(),
        "analysisSets": [
            {"id": f"AS_{key}", "name": population.label, "label": key, "level": 1, "order": order,
             "description": population.when}
            for order, (key, population) in enumerate(spec.populations.items(), start=1)
        ],
        "analysisGroupings": [_arms(content), *(g for table in tables for g in table.groupings())],
        "methods": list({method["id"]: method for table in tables for method in [table.method()]}.values()),
        "analyses": [table.analysis(NumberStyle(spec.report.percent_digits, spec.report.significance))
                     for table in tables],
        "outputs": [*(table.output() for table in tables), *_figures(content)],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of ours with the identifiers it has in the reporting event."""

    id: str
    result: AnalysisResult
    table: Table
    content: ReportContent
    method_id: str

    @property
    def columns(self) -> list[Column]:
        """Ours: what a paper printed is no result."""
        return [column for column in self.table.columns if not column.published]

    @property
    def others(self) -> dict[str, tuple[str, str]]:
        """Columns that are no arms, by their group: its identifier and label."""
        arms = self.content.protocol.spec.arms
        groups = {column.group or column.key: column.label for column in self.columns}
        named = [(key, label) for key, label in groups.items() if key not in arms]
        return {key: (f"AG_{self.id}_C_{i}", label) for i, (key, label) in enumerate(named, start=1)}

    @property
    def statistics(self) -> list[str]:
        """Names of all its statistics, in the order in which they appear."""
        return list(dict.fromkeys(name for _, _, stats in self._cells() for name, _ in stats))

    def _cells(self) -> Iterator[tuple[int, Column, list[tuple[str, Stat]]]]:
        for number, row in enumerate(self.table.rows, start=1):
            for column in self.columns:
                cell = row.cells.get(column.key)
                if cell is not None and cell.stats:
                    yield number, column, list(cell.stats.items())

    def groupings(self) -> Iterator[Json]:
        """Its rows, and those of its columns that are no arms."""
        if self.others:
            yield {
                "id": f"AG_{self.id}_C",
                "name": "Comparisons and totals",
                "dataDriven": False,
                "groups": [
                    {"id": group, "name": clean_text(label), "label": key, "level": 1, "order": i}
                    for i, (key, (group, label)) in enumerate(self.others.items(), start=1)
                ],
            }
        yield {
            "id": f"AG_{self.id}_R",
            "name": clean_text(self.table.stub or "Rows"),
            "dataDriven": False,
            "groups": [self._row(number, row) for number, row in enumerate(self.table.rows, start=1)],
        }

    def _row(self, number: int, row: Row) -> Json:
        group: Json = {
            "id": f"AG_{self.id}_R_{number}",
            "name": clean_text(row.label) or f"Row {number}",
            "level": row.indent + 1,
            "order": number,
        }
        named = {"term": row.term, "level": row.level, "unit": row.unit, "method": row.method}
        said = "; ".join(f"{key}: {value}" for key, value in named.items() if value)
        return group | ({"description": clean_text(said)} if said else {})

    def method(self) -> Json:
        """Its method, with an operation a statistic."""
        return {
            "id": self.method_id,
            "name": self.table.method or self.result.kind.replace("_", " ").capitalize() or "Summary",
            "description": "; ".join(self.result.methods) or self.table.method or "Counts and summaries",
            "operations": [
                {
                    "id": f"{self.method_id}_{slug(name)}",
                    "name": name.replace("_", " "),
                    "label": name,
                    "order": i,
                }
                for i, name in enumerate(self.statistics, start=1)
            ],
        }

    def analysis(self, style: NumberStyle) -> Json:
        """It as an analysis, with its results."""
        spec = self.content.protocol.spec
        population = self.table.population or self.result.population
        planned = spec.analyses.get(self.result.id)
        found: Json = {
            "id": f"A_{self.id}",
            "name": clean_text(self.table.title) or self.result.title,
            "version": 1,
            "reason": {"controlledTerm": "SPECIFIED IN PROTOCOL"},
            "purpose": _purpose(planned.purpose if planned else "descriptive"),
            "methodId": self.method_id,
            "orderedGroupings": [
                {"order": i, "groupingId": grouping, "resultsByGroup": True}
                for i, grouping in enumerate(self._grouping_ids(), start=1)
            ],
            "results": list(self._results(style)),
        }
        if population in spec.populations:
            found["analysisSetId"] = f"AS_{population}"
        if endpoint := self.table.endpoint or self.result.endpoint:
            found["variable"] = endpoint
        if self.result.sentences:
            found["documentRefs"] = [_document_reference(self.result)]
        return found

    def _grouping_ids(self) -> list[str]:
        arms = self.content.protocol.spec.arms
        has_arms = any((column.group or column.key) in arms for column in self.columns)
        ids = [ARMS] if has_arms else []
        return [*ids, *([f"AG_{self.id}_C"] if self.others else []), f"AG_{self.id}_R"]

    def _results(self, style: NumberStyle) -> Iterator[Json]:
        others = self.others
        for number, column, stats in self._cells():
            key = column.group or column.key
            cell = self.table.rows[number - 1].cells[column.key]
            group = (
                {"groupingId": f"AG_{self.id}_C", "groupId": others[key][0]}
                if key in others
                else {"groupingId": ARMS, "groupId": f"{ARMS}_{slug(key)}"}
            )
            row = {"groupingId": f"AG_{self.id}_R", "groupId": f"AG_{self.id}_R_{number}"}
            for name, value in stats:
                yield {
                    "operationId": f"{self.method_id}_{slug(name)}",
                    "resultGroups": [group, row],
                    "rawValue": ""
                    if value is None
                    else clean_text(str(value))
                    if isinstance(value, str)
                    else repr(value),
                    "formattedValue": clean_text(format_stat(name, value, cell, style)),
                }

    def output(self) -> Json:
        """It as a display of the report."""
        sections = [_section("Title", f"D_{self.id}_T", [self.table.title])]
        if self.table.footnotes:
            sections.append(_section("Footnote", f"D_{self.id}_F", list(self.table.footnotes)))
        return _output(self.id, self.table.title, sections, "report.pdf", {"controlledTerm": "pdf"})


def _tables(content: ReportContent) -> Iterator[_Table]:
    taken: set[str] = set()
    for result in content.results:
        for place, table in enumerate(result.tables):
            name = slug(table.id or result.id)
            if name in taken:
                name = f"{slug(result.id)}_{place + 1}"
            while name in taken:
                name += "_"
            taken.add(name)
            yield _Table(name, result, table, content, f"M_{name}")


def _arms(content: ReportContent) -> Json:
    return {
        "id": ARMS,
        "name": "Arm",
        "dataDriven": False,
        "groupingDataset": "ADSL",
        "groupingVariable": "TRT01P",
        "groups": [
            {
                "id": f"{ARMS}_{slug(key)}",
                "name": arm.label,
                "label": key,
                "level": 1,
                "order": order,
                "condition": {
                    "dataset": "ADSL",
                    "variable": "TRT01P",
                    "comparator": "EQ",
                    "value": [arm.label],
                },
            }
            for order, (key, arm) in enumerate(content.protocol.spec.arms.items(), start=1)
        ],
    }


def _purpose(purpose: str) -> Json:
    if purpose in PURPOSES:
        return {"controlledTerm": PURPOSES[purpose]}
    return {"sponsorTermId": f"AP_{purpose.upper()}"}


def _extensions() -> list[Json]:
    return [
        {
            "id": "TE_PURPOSE",
            "enumeration": "AnalysisPurposeEnum",
            "sponsorTerms": [
                {"id": f"AP_{key.upper()}", "submissionValue": label}
                for key, label in SPONSOR_PURPOSES.items()
            ],
        },
        {
            "id": "TE_FILE_TYPE",
            "enumeration": "OutputFileTypeEnum",
            "sponsorTerms": [{"id": SVG, "submissionValue": "svg"}],
        },
    ]


def _document_reference(result: AnalysisResult) -> Json:
    places = [clean_text(sentence.place) for sentence in result.sentences]
    return {
        "referenceDocumentId": PROTOCOL,
        "pageRefs": [{"refType": "NamedDestination", "pageNames": places}],
    }


def _contents(content: ReportContent, tables: list[_Table]) -> Json:
    """What the report lists: each analysis of the protocol, with its tables and figures below."""
    names = figure_names(content.results)
    by_result: dict[str, list[_Table]] = {}
    for table in tables:
        by_result.setdefault(table.result.id, []).append(table)
    items = []
    for order, result in enumerate(content.results, start=1):
        below: list[Json] = [
            {
                "name": clean_text(t.table.title) or t.id,
                "level": 2,
                "analysisId": f"A_{t.id}",
                "outputId": f"O_{t.id}",
            }
            for t in by_result.get(result.id, [])
        ]
        below += [
            {
                "name": clean_text(figure.title) or figure.id,
                "level": 2,
                "outputId": f"O_F_{names[result.id, i]}",
            }
            for i, figure in enumerate(result.figures)
        ]
        item: Json = {"name": result.title, "level": 1, "order": order}
        if result.status != "computed":
            item["description"] = clean_text(f"{result.status.replace('_', ' ')}: {result.reason}")
        if below:
            item["sublist"] = {"listItems": [entry | {"order": i} for i, entry in enumerate(below, start=1)]}
        items.append(item)
    return {"name": "Analyses of the protocol", "contentsList": {"listItems": items}}


def _figures(content: ReportContent) -> Iterator[Json]:
    for (result_id, place), name in figure_names(content.results).items():
        result = next(r for r in content.results if r.id == result_id)
        figure = result.figures[place]
        sections = [_section("Title", f"D_F_{name}_T", [figure.title])]
        if figure.footnotes:
            sections.append(_section("Footnote", f"D_F_{name}_F", list(figure.footnotes)))
        yield _output(f"F_{name}", figure.title, sections, f"figures/{name}.svg", {"sponsorTermId": SVG})


def _section(kind: str, identity: str, texts: list[str]) -> Json:
    return {
        "sectionType": kind,
        "orderedSubSections": [
            {"order": i, "subSection": {"id": f"{identity}{i}", "text": clean_text(text)}}
            for i, text in enumerate(texts, start=1)
        ],
    }


def _output(name: str, title: str, sections: list[Json], location: str, file_type: Mapping[str, str]) -> Json:
    display = {
        "id": f"D_{name}",
        "name": name,
        "version": 1,
        "displayTitle": clean_text(title),
        "displaySections": sections,
    }
    return {
        "id": f"O_{name}",
        "name": clean_text(title) or name,
        "version": 1,
        "displays": [{"order": 1, "display": display}],
        "fileSpecifications": [{"name": location, "fileType": dict(file_type), "location": location}],
    }
