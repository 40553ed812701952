"""From an answer to the document: which sections, in which order, with which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flarefree.evidence.questions.answering import Answer
from flarefree.evidence.questions.changing import Changes
from flarefree.evidence.questions.recording import base_digest
from flarefree.reports.building import program_name
from flarefree.reports.document import Fact, PrintedFigure
from flarefree.reports.evidence.anchors import Places
from flarefree.reports.evidence.back import methods_section, rests_section, sources_section
from flarefree.reports.evidence.beside import (
    audit_section,
    checklist_section,
    limits_section,
    published_section,
    transport_section,
)
from flarefree.reports.evidence.changes import changes_section
from flarefree.reports.evidence.document import EvidenceDocument, Section
from flarefree.reports.evidence.front import question_section, studies_section, summary_section
from flarefree.reports.evidence.numbering import Numbering
from flarefree.reports.evidence.outcomes import outcome_section
from flarefree.reports.formatting import format_count
from flarefree.results import Figure

__all__ = ["Built", "build_evidence_document"]


@dataclass(frozen=True, slots=True)
class Built:
    """The document, and its figures with their data."""

    document: EvidenceDocument
    figures: tuple[tuple[PrintedFigure, Figure], ...]


def build_evidence_document(answer: Answer, changes: Changes | None = None) -> Built:
    """Lay the whole report out."""
    places = Places.of(answer)
    numbers = Numbering(places.known(answer) | _tables_of_strata(answer))
    sections: list[Section] = []
    if changes is not None:
        sections.append(changes_section(answer, changes, places, numbers))
    sections.append(summary_section(answer, places, numbers))
    sections.append(question_section(answer, numbers))
    sections.append(studies_section(answer, numbers))
    sections += [outcome_section(answer, each, places, numbers) for each in answer.outcomes.values()]
    if answer.published:
        sections.append(published_section(answer, places, numbers))
    sections.append(transport_section(answer, numbers))
    sections.append(audit_section(answer, numbers))
    sections.append(limits_section(answer))
    sections.append(checklist_section(answer, numbers))
    sections.append(rests_section(answer, places, numbers))
    sections.append(sources_section(answer, numbers))
    sections.append(methods_section(answer, numbers))
    document = EvidenceDocument(
        title=answer.spec.title,
        short_title=answer.spec.title,
        kicker="Evidence report",
        language="en",
        lead=(answer.spec.ask,),
        facts=_facts(answer),
        sections=tuple(sections),
        outputs=(),
        program=program_name(),
    )
    return Built(document, tuple(numbers.drawn))


def _tables_of_strata(answer: Answer) -> frozenset[str]:
    return frozenset(f"table-strata-{carried.asked.study}" for carried in answer.carried)


def _facts(answer: Answer) -> tuple[Fact, ...]:
    primary = answer.primary
    patients = f"{len(primary.gathered.studies)} studies, {format_count(primary.gathered.patients)} patients"
    net = primary.pooled.main
    return (
        Fact("Question", answer.question.source.name, f"sha256 {answer.question.digest[:16]}"),
        Fact("Evidence base", base_name(answer), f"sha256 {base_digest(answer.evidence)[:16]}"),
        Fact("Primary outcome", primary.label),
        Fact("It rests on", patients),
        Fact("Network", f"{len(net.treatments)} treatments" if net is not None else "none"),
        Fact("Findings", f"{len(answer.findings)} of the audit in these studies"),
        Fact("Program", program_name()),
    )


def base_name(answer: Answer) -> str:
    """The base by its name, never by its path on this machine."""
    name = answer.evidence.name
    studies = len(answer.evidence.content.studies)
    return f"{'flarefree' if name.startswith('that comes') else Path(name).name}, {studies} studies"
