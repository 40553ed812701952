"""The studies of a question: who takes part, in what, with whose patients, and why others do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from flarefree.evidence.questions.gathering import Gathered
from flarefree.evidence.questions.schema import QuestionSpec
from flarefree.evidence.schema import Domain, Study

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["Bias", "StudyUsed", "reasons_by_study", "studies_used"]

PHASE_WORDS = {"refractory": "refractory disease", "not stated": "a phase that is not stated"}


@dataclass(frozen=True, slots=True)
class Bias:
    """One domain of risk of bias; `judgement` is `not judged` where nobody did."""

    domain: str
    judgement: str
    by: str
    because: str


@dataclass(frozen=True, slots=True)
class StudyUsed:
    """A study that takes part.

    Attributes
    ----------
    study, label : str
    year : int or None
    design, masking, follow_up, population, countries, registration : str
    randomized : bool or None
    n : int or None
    n_words : str
        `227 randomized`.
    treatments : tuple of str
    outcomes : tuple of str
        In which it takes part.
    documents : tuple of str
        Where its numbers are from.
    same_patients : tuple of str
        Labels of other studies of the base that tell of the same patients: never counted with it.
    how_same : str
    bias : tuple of Bias
    """

    study: str
    label: str
    year: int | None
    design: str
    randomized: bool | None
    masking: str
    follow_up: str
    population: str
    countries: str
    registration: str
    n_words: str
    treatments: tuple[str, ...]
    outcomes: tuple[str, ...]
    documents: tuple[str, ...]
    same_patients: tuple[str, ...]
    how_same: str
    bias: tuple[Bias, ...]

    @property
    def is_judged(self) -> bool:
        """Whether every domain but one at most was judged."""
        return sum(each.judgement == "not judged" for each in self.bias) <= 1

    @property
    def overall_bias(self) -> str:
        """The worst domain; `not judged` where the study was not."""
        if not self.is_judged:
            return "not judged"
        found = {each.judgement for each in self.bias}
        return next(level for level in ("high", "some concerns", "low") if level in found)


def studies_used(
    evidence: Evidence, spec: QuestionSpec, gathered: Mapping[str, Gathered]
) -> tuple[StudyUsed, ...]:
    """Every study with a row in some outcome, in the order of years."""
    outcomes: dict[str, list[str]] = {}
    documents: dict[str, dict[str, None]] = {}
    treatments: dict[str, dict[str, None]] = {}
    for name, found in gathered.items():
        for row in found.rows:
            if name not in outcomes.setdefault(row.study, []):
                outcomes[row.study].append(name)
            documents.setdefault(row.study, {})[row.document] = None
            treatments.setdefault(row.study, {})[row.treatment] = None
    used = [
        _used(evidence, key, outcomes[key], tuple(documents[key]), tuple(treatments[key])) for key in outcomes
    ]
    return tuple(sorted(used, key=lambda study: (study.year or 9999, study.label)))


def _used(
    evidence: Evidence, key: str, outcomes: list[str], documents: tuple[str, ...], treatments: tuple[str, ...]
) -> StudyUsed:
    study = evidence.content.studies[key]
    others = [
        other for other, cohort in evidence.cohort.items() if cohort == evidence.cohort[key] and other != key
    ]
    return StudyUsed(
        study=key,
        label=study.label,
        year=study.year,
        design=study.design.kind,
        randomized=study.design.randomized,
        masking=study.design.masking,
        follow_up=study.follow_up,
        population=study.population,
        countries=", ".join(study.design.countries),
        registration=study.registration,
        n_words=_size(study),
        treatments=treatments,
        outcomes=tuple(outcomes),
        documents=documents,
        same_patients=tuple(evidence.content.studies[other].label for other in others),
        how_same=_how(evidence, key, study),
        bias=tuple(_bias(study, domain) for domain in get_args(Domain)),
    )


def _size(study: Study) -> str:
    sizes = ((study.n_randomized, "randomized"), (study.n_analyzed, "analyzed"))
    return ", ".join(f"{n} {word}" for n, word in dict.fromkeys(sizes) if n is not None)


def _how(evidence: Evidence, key: str, study: Study) -> str:
    own = [f"{o.how} {evidence.content.studies[o.study].label}" for o in study.overlaps]
    theirs = [
        f"{other.label} {overlap.how} it"
        for other in evidence.content.studies.values()
        for overlap in other.overlaps
        if overlap.study == key
    ]
    return "; ".join([*own, *theirs])


def _bias(study: Study, domain: str) -> Bias:
    judged = study.risk_of_bias.get(domain)  # type: ignore[call-overload]
    if judged is None:
        return Bias(domain, "not judged", "", "")
    return Bias(domain, judged.judgement, judged.by, judged.because)


def reasons_by_study(
    evidence: Evidence, spec: QuestionSpec, gathered: Mapping[str, Gathered], used: tuple[StudyUsed, ...]
) -> tuple[tuple[str, str, str], ...]:
    """Of every study that takes no part: its key, label and why."""
    taken = {study.study for study in used}
    found = []
    for key, study in evidence.content.studies.items():
        if key in taken:
            continue
        told = {
            f"{each.reason} ({evidence.content.outcomes[name].label.lower()})": None
            for name, outcome in gathered.items()
            for each in outcome.left_out
            if each.study == key
        }
        found.append((key, study.label, "; ".join(told) or _without_numbers(evidence, key, study, spec)))
    return tuple(found)


def _without_numbers(evidence: Evidence, key: str, study: Study, spec: QuestionSpec) -> str:
    """Why a study of which no number was even looked at takes no part."""
    phases = {reported.phase for reported in evidence.reported if reported.study == key} or {study.phase}
    if spec.phase is not None and spec.phase not in phases:
        theirs = ", ".join(PHASE_WORDS.get(phase, phase) for phase in sorted(phases))
        return f"of {theirs}, not of {spec.phase}"
    return "none of the question's outcomes is reported with numbers"
