"""The report's appendices: events with their rows, findings, choices, methods, conventions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from pydantic import BaseModel

from flarefree.lineage import event_anchor, events_anchor
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.records.findings import Finding, Severity
from flarefree.reports.content import ReportContent
from flarefree.reports.document import (
    Choice,
    EventGroup,
    EventLine,
    EventList,
    FindingGroup,
    FindingLine,
    Method,
    SentenceLine,
)
from flarefree.results import AnalysisResult, Sentence

__all__ = ["CONVENTIONS", "event_lists", "group_findings", "list_choices", "list_methods", "list_sentences"]

MOST_EVENTS = 1_000
"""Events of one arm that are listed; `adam/ADEVENT` has them all."""

MOST_UNUSED = 200
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


# Events ------------------------------------------------------------------------------------------


def event_lists(content: ReportContent) -> tuple[EventList, ...]:
    """A list an endpoint, in the protocol's order: composites by their components' events."""
    events = content.events.partition_by("endpoint", as_dict=True)
    times = content.times.filter("is_event").partition_by("endpoint", as_dict=True)
    known = [*content.protocol.spec.endpoints, *sorted({key[0] for key in events if key[0]})]
    episodes = _used_episodes(content.events)
    made = []
    for endpoint in dict.fromkeys(known):
        spec = content.protocol.spec.endpoints.get(endpoint)
        is_composite = bool(spec and spec.first_of)
        if is_composite and (endpoint,) in times:
            made.append(_composite(content, endpoint, times[endpoint,], episodes))
        elif (endpoint,) in events:
            made.append(_component(content, endpoint, events[endpoint,]))
    return tuple(made)


def _used_episodes(events: pl.DataFrame) -> dict[tuple[str, str], int]:
    """The episode that counts, of each patient and component."""
    used = events.filter("is_used").select("subject", "endpoint", "episode")
    return {(subject, endpoint): episode for subject, endpoint, episode in used.iter_rows()}


def _component(content: ReportContent, endpoint: str, events: pl.DataFrame) -> EventList:
    used = events.filter(pl.col("is_used")).sort("day", "subject", maintain_order=True)
    unused = events.filter(~pl.col("is_used")).sort("day", "subject", maintain_order=True)
    listed = set(used.get_column("subject").to_list())
    return EventList(
        anchor=events_anchor(endpoint),
        title=_label(content.protocol, endpoint),
        sentence=endpoint_sentence(content.protocol, endpoint),
        is_composite=False,
        groups=_groups(content, endpoint, used, lambda row: _event_line(content, row)),
        unused=tuple(_event_line(content, row) for row in unused.head(MOST_UNUSED).iter_rows(named=True)),
        unused_left_out=max(unused.height - MOST_UNUSED, 0),
        without=_without(content, endpoint, listed),
    )


def _composite(
    content: ReportContent, endpoint: str, times: pl.DataFrame, episodes: Mapping[tuple[str, str], int]
) -> EventList:
    def line(row: Mapping[str, Any]) -> EventLine:
        subject, component = row["subject"], row["component"] or endpoint
        episode = episodes.get((subject, component))
        return EventLine(
            anchor=event_anchor(endpoint, subject),
            subject=subject,
            day=_text(row["stop_day"]),
            confirmed="",
            visit="",
            origin=_text(row["origin"]),
            component=_label(content.protocol, component),
            component_href=event_anchor(component, subject, episode) if episode is not None else "",
            explanation=content.explanations.get((subject, endpoint), ""),
        )

    ordered = times.sort("stop_day", "subject", maintain_order=True)
    listed = set(ordered.get_column("subject").to_list())
    return EventList(
        anchor=events_anchor(endpoint),
        title=_label(content.protocol, endpoint),
        sentence=endpoint_sentence(content.protocol, endpoint),
        is_composite=True,
        groups=_groups(content, endpoint, ordered, line),
        without=_without(content, endpoint, listed),
    )


def _groups(content: ReportContent, endpoint: str, frame: pl.DataFrame, line: Any) -> tuple[EventGroup, ...]:
    """Lines by arm, in the protocol's order; one group of all where arms are masked."""
    by_arm = {key[0]: part for key, part in frame.partition_by("arm", as_dict=True).items()}
    labels: dict[str | None, str] = {key: arm.label for key, arm in content.protocol.spec.arms.items()}
    order = [*(arm for arm in labels if arm in by_arm), *(arm for arm in by_arm if arm not in labels)]
    return tuple(
        EventGroup(
            anchor=events_anchor(endpoint, arm or "all"),
            label=labels.get(arm, arm or "All patients"),
            lines=tuple(line(row) for row in by_arm[arm].head(MOST_EVENTS).iter_rows(named=True)),
            left_out=max(by_arm[arm].height - MOST_EVENTS, 0),
        )
        for arm in order
    )


def _event_line(content: ReportContent, row: Mapping[str, Any]) -> EventLine:
    return EventLine(
        anchor=event_anchor(row["endpoint"], row["subject"], row["episode"]),
        subject=row["subject"],
        day=_text(row["day"]),
        confirmed=_text(row["confirmed_day"]),
        visit=_text(row["visit"]),
        origin=_text(row["origin"]),
        places=tuple(row["places"] or ()),
        explanation=content.explanations.get((row["subject"], row["endpoint"]), "") if row["is_used"] else "",
        reason=_text(row["reason"]),
    )


def _without(content: ReportContent, endpoint: str, listed: set[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (subject, text)
        for (subject, of), text in content.explanations.items()
        if of == endpoint and subject not in listed
    )


def endpoint_sentence(protocol: LoadedProtocol, endpoint: str) -> Sentence | None:
    """What the protocol says the endpoint is, as it prints it."""
    spec = protocol.spec.endpoints.get(endpoint)
    if spec is None:
        return None
    if spec.first_of:
        text = "first of " + ", ".join(spec.first_of)
        if spec.censor_at:
            text += "; censored at " + ", ".join(spec.censor_at)
        return Sentence(text, protocol.place(f"endpoints.{endpoint}"))
    kind = "when" if spec.when else "state" if spec.state else "value"
    path = f"endpoints.{endpoint}.{kind}"
    if path in protocol.sentences:
        return protocol.sentence(path)
    return Sentence(" ".join(str(getattr(spec, kind)).split()), protocol.place(path))


def _label(protocol: LoadedProtocol, endpoint: str) -> str:
    spec = protocol.spec.endpoints.get(endpoint)
    return spec.label if spec else endpoint


def _text(value: object) -> str:
    return "" if value is None else str(value).replace("-", "−") if isinstance(value, int) else str(value)


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
