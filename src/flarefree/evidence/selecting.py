"""Which reported numbers may stand together in one analysis, and why the others may not.

A study gives one report of an outcome; of studies that tell of the same patients one gives its numbers.
Where the base does not say which, nothing is guessed: the error lists the choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.problems import suggest
from flarefree.evidence.reported import Reported
from flarefree.evidence.schema import Phase, months_of

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["Question", "Selection", "require_one_of_each_cohort", "require_phase", "select"]

_SAME_TIME = 0.5  # months: 24 weeks are 5.5 months, and 6 months are another time


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the base; see `Evidence.rows`."""

    outcome: str
    phase: str | None = None
    time: str | float | None = None
    treatments: Sequence[str] | None = None
    studies: Sequence[str] | None = None
    reports: tuple[str, ...] = ()
    derived: bool = True
    randomized_only: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be pooled: of every study the report taken and its arms; and what was left out.

    Attributes
    ----------
    taken : tuple of (Reported, tuple of arms, note)
    left_out : tuple of (study, arm or "", source, reason)
    """

    taken: tuple[tuple[Reported, tuple[str, ...], str], ...]
    left_out: tuple[tuple[str, str, str, str], ...]


def select(evidence: Evidence, question: Question) -> Selection:
    """The reports that answer a question.

    Raises
    ------
    NotFoundError
        The phase or time is none.
    EvidenceError
        The base does not say which of several reports to take.
    """
    _require_question(question)
    left: list[tuple[str, str, str, str]] = []
    candidates: dict[str, list[tuple[Reported, tuple[str, ...]]]] = {}
    for reported in evidence.reported:
        if reported.outcome != question.outcome or not _is_asked_for(reported, question):
            continue
        arms, reasons = _usable_arms(evidence, reported, question)
        left += [(reported.study, arm, reported.source, why) for arm, why in reasons]
        if arms:
            candidates.setdefault(reported.study, []).append((reported, arms))
    chosen = {study: _one_of(study, found, question, left) for study, found in candidates.items()}
    notes = _one_of_each_cohort(evidence, chosen, question, left)
    taken = tuple((*chosen[study], note) for study, note in notes.items())
    return Selection(taken, tuple(left))


def require_phase(phase: str | None) -> None:
    """Nothing, or an error.

    Raises
    ------
    NotFoundError
        There is no such phase.
    """
    if phase is not None and phase not in get_args(Phase):
        raise NotFoundError(
            f"there is no phase {phase}",
            found=phase,
            expected="one of " + ", ".join(get_args(Phase)),
            try_=suggest(phase, get_args(Phase)),
        )


def _require_question(question: Question) -> None:
    require_phase(question.phase)
    if isinstance(question.time, str) and months_of(question.time) is None:
        raise EvidenceError(
            "this is no time", where="time", found=question.time, expected="24 wk, 18 mo or 3 yr, or months"
        )


def _is_asked_for(reported: Reported, question: Question) -> bool:
    """Whether a report is of this phase and of these studies, and of everybody in them."""
    if question.phase is not None and reported.phase != question.phase:
        return False
    if question.studies is not None and reported.study not in question.studies:
        return False
    return not reported.subgroup


def _usable_arms(
    evidence: Evidence, reported: Reported, question: Question
) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """The arms whose numbers can be pooled, and why the others, or the whole report, cannot."""
    study = evidence.content.studies[reported.study]
    if not reported.cells:
        return (), []
    if not reported.use:
        return (), [("", reported.note or "the base says not to use it")]
    if question.randomized_only and not study.design.randomized:
        return (), [
            ("", "the arms are not randomized" if study.design.randomized is False else "design unknown")
        ]
    if question.time is not None and not _is_time(reported, question.time):
        return (), [("", f"another time: {reported.time or 'not said'}")]
    usable, reasons = [], []
    for arm in reported.cells:
        if question.treatments is not None and study.arms[arm].treatment not in question.treatments:
            reasons.append((arm, "another treatment"))
        elif why := _why_not(reported, arm, evidence, question):
            reasons.append((arm, why))
        else:
            usable.append(arm)
    if len(usable) == 1:
        return (), [*reasons, (usable[0], "no other arm of the study has numbers to compare with")]
    return tuple(usable), reasons


def _why_not(reported: Reported, arm: str, evidence: Evidence, question: Question) -> str:
    cell = reported.cells[arm]
    n = reported.n_of(arm, evidence.content.studies[reported.study])
    if not cell.use:
        return cell.note or "the base says not to use it"
    if cell.mean is not None and cell.sd is not None:
        return "" if n is not None else "the number of patients is not known"
    if cell.events is None:
        words = {"percent_only": "a percentage only", "rate_only": "a rate only"}
        return words.get(cell.how or "", "neither a count nor a mean with its standard deviation")
    if cell.how == "derived" and not question.derived:
        return "the count is worked out from a percentage"
    return "" if n is not None else "the number of patients is not known"


def _is_time(reported: Reported, time: str | float) -> bool:
    wanted = months_of(time) if isinstance(time, str) else float(time)
    return (
        reported.months is not None
        and wanted is not None
        and abs(reported.months - wanted) <= _SAME_TIME - 1e-9
    )


def _one_of(
    study: str,
    found: list[tuple[Reported, tuple[str, ...]]],
    question: Question,
    left: list[tuple[str, str, str, str]],
) -> tuple[Reported, tuple[str, ...]]:
    """The one report of a study to take: the only one, or the one that the base marks as main."""
    mains = [each for each in found if each[0].main]
    if len(found) > 1 and len(mains) != 1:
        choices = "\n".join(f"{r.time or 'no time'}, {r.phase}: {r.source}" for r, _ in found)
        raise EvidenceError(
            f"{study} reports {question.outcome} more than once, and nothing says which to take",
            where=f"rows({question.outcome!r})",
            found=choices,
            expected="one of them",
            try_=f"time={found[0][0].time!r}, phase=..., or main: true in the base",
        )
    chosen = mains[0] if len(found) > 1 else found[0]
    left += [
        (study, "", reported.source, f"another report of it is the main one: {chosen[0].source}")
        for reported, _ in found
        if reported is not chosen[0]
    ]
    return chosen


def require_one_of_each_cohort(evidence: Evidence, studies: Sequence[str], where: str) -> None:
    """Nothing, or an error.

    Raises
    ------
    EvidenceError
        Two of the studies tell of the same patients.
    """
    first: dict[str, str] = {}
    for study in studies:
        other = first.setdefault(evidence.cohort[study], study)
        if other != study:
            raise EvidenceError(
                f"{other} and {study} tell of the same patients: they are never pooled together",
                where=where,
                expected="one of them",
                try_="phase=..., or take one study's rows",
            )


def _one_of_each_cohort(
    evidence: Evidence,
    chosen: Mapping[str, tuple[Reported, tuple[str, ...]]],
    question: Question,
    left: list[tuple[str, str, str, str]],
) -> dict[str, str]:
    """The studies to take, each with a note; of those of one cohort the one that `reports` names."""
    cohorts: dict[str, list[str]] = {}
    for study in chosen:
        cohorts.setdefault(evidence.cohort[study], []).append(study)
    notes: dict[str, str] = {}
    for members in cohorts.values():
        named = [study for study in members if study in question.reports]
        if len(members) > 1 and len(named) != 1:
            raise EvidenceError(
                f"{' and '.join(members)} tell of the same patients: they are never pooled together",
                where=f"rows({question.outcome!r})",
                found="\n".join(
                    f"{study}: {chosen[study][0].phase}, {chosen[study][0].source}" for study in members
                ),
                expected="one of them" if not named else "one of them, not several",
                try_=f"reports=[{members[0]!r}], or phase={chosen[members[0]][0].phase!r}",
            )
        kept = named[0] if len(members) > 1 else members[0]
        others = [study for study in members if study != kept]
        notes[kept] = f"taken instead of {', '.join(others)}, of the same patients" if others else ""
        left += [
            (study, "", chosen[study][0].source, f"the same patients as {kept}, which was asked for")
            for study in others
        ]
    return {study: notes[study] for study in chosen if study in notes}
