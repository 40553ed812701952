"""Which rows of the base answer: of every study one report of the outcome, and for all others why not.

Decides what is left out by the question's time, designs and treatments; which report of a study stands, and
that no patient counts twice, is decided in `flarefree.evidence.selecting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError
from flarefree.evidence.questions.schema import OutcomeAsked, QuestionSpec, Sensitivity
from flarefree.evidence.reported import Reported
from flarefree.evidence.selecting import Question as Selecting
from flarefree.evidence.selecting import select

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["BaseRow", "Gathered", "LeftOut", "gather", "lump_rows", "rows_for_pooling"]

PLAIN = Sensitivity(name="as_asked", title="As asked")
SAME_TIME = 0.5  # months: as in `selecting`


@dataclass(frozen=True, slots=True)
class BaseRow:
    """One arm of one study, with its place in the source and in the base.

    `source` is `peleg2020, Table 1 (second-hand)`; `base_place` is `alms.yaml:120 studies.dooley2011...`.
    """

    study: str
    label: str
    year: int | None
    outcome: str
    arm: str
    treatment: str
    n: int | None
    events: int | None
    mean: float | None
    sd: float | None
    time: str
    status: str
    n_how: str
    design: str
    randomized: bool | None
    confidence: str
    document: str
    place: str
    source: str
    base_place: str
    definition: str
    note: str

    @property
    def number(self) -> str:
        """`15/116`, or `5.9 ± 3.9 (14)`."""
        if self.events is not None:
            return f"{self.events}/{self.n}"
        return f"{self.mean:g} ± {self.sd:g} ({self.n})"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A report, or an arm of one, that does not take part, and why."""

    study: str
    label: str
    arm: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """The rows of one outcome and what was left out."""

    outcome: str
    rows: tuple[BaseRow, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def studies(self) -> tuple[str, ...]:
        """Labels of the studies, in the order of the base."""
        return tuple(dict.fromkeys(row.label for row in self.rows))

    @property
    def patients(self) -> int:
        """Of all arms together."""
        return sum(row.n or 0 for row in self.rows)


def gather(
    evidence: Evidence, spec: QuestionSpec, outcome: str, asked: OutcomeAsked, how: Sensitivity = PLAIN
) -> Gathered:
    """The rows that answer, as asked or as a sensitivity analysis asks.

    Raises
    ------
    EvidenceError
        The base does not say which of several reports to take.
    """
    question = Selecting(
        outcome,
        phase=spec.phase,
        treatments=spec.treatments or None,
        reports=asked.reports,
        derived=how.derived,
        randomized_only=how.randomized_only,
    )
    selection = select(evidence, question)
    rows: list[BaseRow] = []
    left = [
        LeftOut(study, evidence.content.studies[study].label, arm, source, reason)
        for study, arm, source, reason in selection.left_out
    ]
    for reported, arms, taken in selection.taken:
        study = evidence.content.studies[reported.study]
        if reason := _why_not(evidence, reported, spec, asked, how):
            left.append(LeftOut(reported.study, study.label, "", reported.source, reason))
        else:
            rows += _rows_of(evidence, reported, arms, taken)
    return Gathered(outcome, tuple(rows), tuple(left))


def _why_not(
    evidence: Evidence, reported: Reported, spec: QuestionSpec, asked: OutcomeAsked, how: Sensitivity
) -> str:
    study = evidence.content.studies[reported.study]
    if reported.study in how.without:
        return "left out by this analysis"
    if not how.any_design and study.design.kind not in spec.designs.kinds:
        told = "design not stated" if study.design.kind == "not stated" else f"a {study.design.kind}"
        return f"{told}: not among the designs of the question"
    if how.until_year is not None and (study.year is None or study.year > how.until_year):
        return f"published in {study.year}" if study.year else "year not known"
    if asked.time is not None and not how.any_time and not _within(reported, asked):
        return f"{reported.time or 'time not said'}: not within {asked.time}"
    return ""


def _within(reported: Reported, asked: OutcomeAsked) -> bool:
    if asked.time is None or reported.months is None:
        return False
    low, high = asked.time.months
    return low - SAME_TIME <= reported.months <= high + SAME_TIME


def _rows_of(evidence: Evidence, reported: Reported, arms: Sequence[str], taken: str) -> Iterator[BaseRow]:
    study = evidence.content.studies[reported.study]
    base_place = _place_in_base(evidence, reported)
    for arm in arms:
        cell = reported.cells[arm]
        yield BaseRow(
            study=reported.study,
            label=study.label,
            year=study.year,
            outcome=reported.outcome,
            arm=arm,
            treatment=study.arms[arm].treatment,
            n=reported.n_of(arm, study),
            events=cell.events,
            mean=None if cell.mean is None else float(cell.mean),
            sd=None if cell.sd is None else float(cell.sd),
            time=reported.time,
            status=cell.how or "",
            n_how=reported.how_n(arm, study),
            design=study.design.kind,
            randomized=study.design.randomized,
            confidence=reported.confidence,
            document=reported.document,
            place=cell.place or reported.place,
            source=reported.source,
            base_place=base_place,
            definition=reported.definition,
            note="; ".join(filter(None, (taken, cell.note, reported.note))),
        )


def _place_in_base(evidence: Evidence, reported: Reported) -> str:
    """File and line of the outcome in the base; empty for a base that was no YAML."""
    if ("studies", reported.study) not in evidence.loaded.sources:
        return ""
    left = reported.index
    for i, report in enumerate(evidence.content.studies[reported.study].reports):
        if left < len(report.outcomes):
            path = ("studies", reported.study, "reports", i, "outcomes", left)
            source = evidence.loaded.sources["studies", reported.study]
            return f"{source.name}:{source.line('.'.join(map(str, path)))}"
        left -= len(report.outcomes)
    return ""


# Rows for pooling --------------------------------------------------------------------------------------


def rows_for_pooling(rows: Sequence[BaseRow]) -> list[dict[str, Any]]:
    """Arm rows as `pairwise` and `network` take them, oldest study first."""
    ordered = sorted(rows, key=lambda row: (row.year or 9999, row.label))
    made = []
    for row in ordered:
        numbers: dict[str, Any] = {"study": row.label, "treatment": row.treatment, "n": row.n}
        if row.events is not None:
            numbers["events"] = row.events
        else:
            numbers |= {"mean": row.mean, "sd": row.sd}
        made.append(numbers | {"year": row.year or 9999})
    return made


def lump_rows(rows: Sequence[BaseRow], lump: Mapping[str, Sequence[str]]) -> tuple[BaseRow, ...]:
    """Treatments under the name that stands for them; a study's arms of one name become one arm.

    Raises
    ------
    EvidenceError
        Arms with means would have to be joined.
    """
    name_of = {treatment: name for name, treatments in lump.items() for treatment in treatments}
    found: dict[tuple[str, str], BaseRow] = {}
    for row in rows:
        named = replace(row, treatment=name_of.get(row.treatment, row.treatment))
        before = found.get((row.study, named.treatment))
        if before is None:
            found[row.study, named.treatment] = named
            continue
        if before.events is None or named.events is None or before.n is None or named.n is None:
            raise EvidenceError(
                "arms with means are not joined to one",
                where=f"lump, study {row.label}",
                found=f"{before.arm} and {row.arm}, both {named.treatment}",
            )
        joined = replace(
            before,
            arm=f"{before.arm}, {row.arm}",
            events=before.events + named.events,
            n=before.n + named.n,
        )
        found[row.study, named.treatment] = joined
    several = {
        study for study in dict.fromkeys(s for s, _ in found) if sum(1 for s, _ in found if s == study) > 1
    }
    return tuple(row for (study, _), row in found.items() if study in several)
