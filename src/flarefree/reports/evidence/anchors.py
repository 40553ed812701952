"""Names of the places of an evidence report, so that whoever links and whoever is linked to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flarefree.evidence.questions.answering import Answer, OutcomeAnswer
from flarefree.reports.text import slug

__all__ = ["Places", "outcome_anchor", "row_anchor", "rows_anchor", "source_anchor", "study_anchor"]


def outcome_anchor(outcome: str) -> str:
    """The section of an outcome."""
    return f"outcome-{slug(outcome)}"


def rows_anchor(outcome: str) -> str:
    """The table of an outcome's rows."""
    return f"table-rows-{slug(outcome)}"


def row_anchor(outcome: str, study: str) -> str:
    """The rows of one study."""
    return f"row-{slug(outcome)}-{slug(study)}"


def study_anchor(study: str) -> str:
    """A study in the table of studies."""
    return f"study-{slug(study)}"


def source_anchor(document: str) -> str:
    """A document in the list of sources."""
    return f"source-{slug(document)}"


@dataclass(frozen=True)
class Places:
    """Where the numbers of an answer lead.

    Attributes
    ----------
    rests : mapping of (outcome, pair of treatments) to str
        The line that says which studies a network's number rests on.
    labels : mapping of (outcome, study label) to str
        The rows of a study by its label, as networks name it.
    """

    rests: Mapping[tuple[str, frozenset[str]], str] = field(default_factory=dict)
    labels: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Answer) -> Places:
        """All places of an answer."""
        rests: dict[tuple[str, frozenset[str]], str] = {}
        labels: dict[tuple[str, str], str] = {}
        for name, outcome in answer.outcomes.items():
            for i, pair in enumerate(_pairs(outcome), 1):
                rests[name, pair] = f"rests-{slug(name)}-{i}"
            for row in outcome.gathered.rows:
                labels[name, row.label] = row_anchor(name, row.study)
        return cls(rests, labels)

    def of_pair(self, outcome: str, one: str, other: str) -> str:
        """What a number about two treatments rests on; the outcome's rows where no line says it."""
        return self.rests.get((outcome, frozenset((one, other))), rows_anchor(outcome))

    def known(self, answer: Answer) -> frozenset[str]:
        """Anchors that cells of tables may lead to."""
        rows = {rows_anchor(name) for name in answer.outcomes}
        studies = {study_anchor(study.study) for study in answer.studies}
        documents = {source_anchor(document) for document in answer.evidence.content.documents}
        return frozenset((*self.rests.values(), *self.labels.values(), *rows, *studies, *documents))


def _pairs(outcome: OutcomeAnswer) -> list[frozenset[str]]:
    """Pairs of treatments of which there is a number, direct or by the network."""
    return list(dict.fromkeys(frozenset((n.treatment, n.against)) for n in outcome.numbers))
