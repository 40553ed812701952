"""A study's result carried to the populations that the question names, from the strata that the study prints.

The printed counts of strata are the study's patients, as far as those characteristics go; the carrying is
`flarefree.evidence.transport`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flarefree.evidence.problems import refuse
from flarefree.evidence.questions.loading import Question
from flarefree.evidence.questions.schema import Strata, Target, TransportAsked

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence
    from flarefree.evidence.populations.result import Transport
    from flarefree.evidence.reported import Reported

__all__ = ["CarriedTo", "StratumCounts", "carry"]


@dataclass(frozen=True, slots=True)
class StratumCounts:
    """The counts of one arm in one stratum, and where they are printed."""

    subgroup: str
    arm: str
    treatment: str
    events: int
    n: int
    document: str
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class CarriedTo:
    """One study's result in one target population."""

    asked: TransportAsked
    target: Target
    result: Transport
    strata: tuple[StratumCounts, ...]
    asked_at: str
    study_label: str


def carry(evidence: Evidence, question: Question) -> tuple[CarriedTo, ...]:
    """Every transport that the question asks for.

    Raises
    ------
    EvidenceError
        The study prints no counts of a stratum.
    """
    return tuple(
        carried
        for i, asked in enumerate(question.spec.transport)
        for carried in _carry_one(evidence, question, i, asked)
    )


def _carry_one(evidence: Evidence, question: Question, i: int, asked: TransportAsked) -> Sequence[CarriedTo]:
    from flarefree.evidence.populations.carrying import transport
    from flarefree.evidence.populations.population import Population

    counts, patients = [], []
    for j, stratum in enumerate(asked.strata):
        found = _counts(evidence, question, f"transport.{i}.strata.{j}", asked, stratum)
        counts += found
        patients += [row for each in found for row in _patients(each, stratum)]
    study = evidence.content.studies[asked.study]
    done = []
    for k, target in enumerate(asked.targets):
        names = [name for name in target.margins if name in asked.strata[0].covariates]
        source = Population.from_patients(patients, [_words(name) for name in names], name=study.label)
        margins = {_words(name): target.margins[name] for name in names}
        result = transport(
            source,
            Population.from_margins(margins, name=target.name),
            outcome="event",
            treatment="treatment",
            effect=asked.measure,
            experimental=asked.treatment,
            reference=asked.against,
            by_arm=asked.by_arm,
        )
        place = question.place(f"transport.{i}.targets.{k}")
        done.append(CarriedTo(asked, target, result, tuple(counts), place, study.label))
    return done


def _counts(
    evidence: Evidence, question: Question, path: str, asked: TransportAsked, stratum: Strata
) -> list[StratumCounts]:
    found = [
        _count(evidence, reported, arm)
        for reported in evidence.reported
        if (reported.study, reported.outcome, reported.subgroup)
        == (asked.study, asked.outcome, stratum.subgroup)
        for arm in reported.cells
    ]
    usable = [
        each for each in found if each is not None and each.treatment in (asked.treatment, asked.against)
    ]
    if {each.treatment for each in usable} != {asked.treatment, asked.against}:
        groups = sorted({r.subgroup for r in evidence.reported if r.study == asked.study and r.subgroup})
        refuse(
            question.source,
            (path,),
            f"{asked.study} has no counts of {asked.outcome} in this subgroup for both arms",
            found=stratum.subgroup,
            expected=", ".join(groups) or "a study that prints subgroups",
        )
    return usable


def _count(evidence: Evidence, reported: Reported, arm: str) -> StratumCounts | None:
    study, cell = evidence.content.studies[reported.study], reported.cells[arm]
    if cell.events is None or cell.n is None:
        return None
    return StratumCounts(
        subgroup=reported.subgroup,
        arm=arm,
        treatment=study.arms[arm].treatment,
        events=cell.events,
        n=cell.n,
        document=reported.document,
        place=cell.place or reported.place,
    )


def _patients(counts: StratumCounts, stratum: Strata) -> list[dict[str, Any]]:
    """A row a patient: all that is known of those in this arm and stratum."""
    covariates = {_words(name): value for name, value in stratum.covariates.items()}
    return [
        {"treatment": counts.treatment, "event": int(i < counts.events), **covariates}
        for i in range(counts.n)
    ]


def _words(name: str) -> str:
    """A covariate as figures and notes name it."""
    return name.replace("_", " ")
