"""The report's appendices: findings, choices, sentences, methods, conventions (events: `event_lists.py`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.findings import Finding, Severity
from flarefree.reports.document import (
    Choice,
    FindingGroup,
    FindingLine,
    Method,
    SentenceLine,
)
from flarefree.results import AnalysisResult, Sentence

__all__ = ["CONVENTIONS", "group_findings", "list_choices", "list_methods", "list_sentences"]

MOST_NAMED = 4
"""Analyses that a method or sentence names as its users."""

MOST_FINDINGS = 20
"""Findings of one kind that are shown; `findings.csv` has them all."""

CONVENTIONS = (
    "Day 1 is the day of randomization and the day before it is day −1; there is no day 0.",
    "A month is 30.4375 days; a year is 365.25 days.",
    "Intervals of time are (start, stop]: open at the start, closed at the end.",
    "Dates of visits within windows count as observed, never as planned.",
    "A missing value is unknown, not absent: a sentence of the protocol is true, false or unknown.",
    "Numbers are rounded when they are printed and never before, halves away from zero; results.csv has them "
    "as they were computed.",
    "A P value is printed with two decimals from 0.01, three below it, and as <0.001 below that; with three "
    "where two would hide on which side of the significance level it lies.",
    "A percentage is never rounded onto 0 or 100 that it is not.",
    "Where a denominator differs from the N over its column, it is printed: 17/110 (15.5).",
    "A dash (—) stands for a statistic that does not exist; NE for a confidence limit that could not be "
    "estimated.",
)


# Findings ----------------------------------------------------------------------------------------


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Findings by kind, the gravest first; of each kind the first few in full."""
    kinds: dict[tuple[Severity, str], list[Finding]] = {}
    counts: dict[tuple[Severity, str], int] = {}
    for finding in findings:
        kind = (finding.severity, finding.code)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= MOST_FINDINGS:
            kinds.setdefault(kind, []).append(finding)
    gravity = [Severity.ERROR, Severity.WARNING, Severity.NOTE]
    return tuple(
        FindingGroup(
            code=code,
            severity=str(severity),
            message=shown[0].message,
            count=counts[severity, code],
            lines=tuple(_finding_line(finding) for finding in shown),
        )
        for (severity, code), shown in sorted(kinds.items(), key=lambda item: gravity.index(item[0][0]))
    )


def _finding_line(finding: Finding) -> FindingLine:
    place = f"{finding.file} row {finding.row}" if finding.file and finding.row else finding.file
    return FindingLine(place, finding.column, finding.subject, finding.found, finding.expected)


# Choices and methods -----------------------------------------------------------------------------


def list_choices(protocol: LoadedProtocol) -> tuple[Choice, ...]:
    """Every note of the protocol, and its choices, with their places in its file."""
    notes = [Choice(topic, text, protocol.place(path)) for path, topic, text in _notes(protocol.spec, "")]
    choices = [
        Choice(choice.topic, choice.choice, protocol.place(f"choices.{i}"))
        for i, choice in enumerate(protocol.spec.choices)
    ]
    return (*notes, *choices)


def _notes(part: object, path: str) -> Iterator[tuple[str, str, str]]:
    """Path, topic and text of every note below `part`."""
    if isinstance(part, BaseModel):
        note = getattr(part, "note", "")
        if note and path:
            yield path, _topic(part, path), str(note)
        elif note:
            yield "note", "Protocol", str(note)
        for name in type(part).model_fields:
            yield from _notes(getattr(part, name), f"{path}.{name}" if path else name)
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from _notes(value, f"{path}.{key}")
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for i, value in enumerate(part):
            yield from _notes(value, f"{path}.{i}")


def _topic(part: BaseModel, path: str) -> str:
    for name in ("label", "title", "name"):
        if text := getattr(part, name, ""):
            return str(text)
    return path.replace("_", " ").replace(".", ": ").capitalize()


def list_methods(results: Iterable[AnalysisResult], anchors: Mapping[str, str]) -> tuple[Method, ...]:
    """Every method that an analysis names, with the analyses that used it."""
    used: dict[str, list[tuple[str, str]]] = {}
    for result in results:
        for method in dict.fromkeys(result.methods):
            used.setdefault(method, []).append((anchors[result.id], result.title))
    return tuple(Method(text, tuple(by[:MOST_NAMED]), len(by[MOST_NAMED:])) for text, by in used.items())


def list_sentences(results: Iterable[AnalysisResult], anchors: Mapping[str, str]) -> tuple[SentenceLine, ...]:
    """Every sentence of the protocol that an analysis rests on, once, in the order of its lines."""
    used: dict[Sentence, list[tuple[str, str]]] = {}
    for result in results:
        for sentence in dict.fromkeys(result.sentences):
            used.setdefault(sentence, []).append((anchors[result.id], result.title))
    ordered = sorted(used, key=lambda sentence: _line_of(sentence.place))
    return tuple(
        SentenceLine(f"sentence-{number}", sentence, tuple(by[:MOST_NAMED]), len(by[MOST_NAMED:]))
        for number, sentence in enumerate(ordered, start=1)
        if (by := used[sentence])
    )


def _line_of(place: str) -> tuple[int, str]:
    """The line in `alms-maintenance.yaml:61 endpoints.renal_flare`; places without one come last."""
    found = re.match(r"[^ ]*:(\d+)", place)
    return (int(found[1]) if found else 10**9, place)
