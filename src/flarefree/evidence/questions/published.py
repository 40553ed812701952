"""Published pooled results beside ours: the same comparison from our rows, and why the two differ.

Each published result is set beside what the base gives directly and through the network, once with the
studies that had been published by then and once with all of them.  What can be computed of the difference is
(who took part, how far apart); what cannot is said by the question.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flarefree.errors import EvidenceError
from flarefree.evidence.questions.comparing import Pooled, numbers_of, pool
from flarefree.evidence.questions.gathering import BaseRow, LeftOut, gather, lump_rows
from flarefree.evidence.questions.loading import Question
from flarefree.evidence.questions.schema import OutcomeAsked, PublishedAsked, Sensitivity
from flarefree.evidence.schema import MetaAnalysis, PooledResult

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["Beside", "OurCut", "set_beside"]


@dataclass(frozen=True, slots=True)
class OurCut:
    """Our number for a published one: from which studies, directly or through the network.

    `estimate` is NaN where our rows do not connect the two; `note` says so.
    """

    name: str
    title: str
    kind: str
    estimate: float
    conf_low: float
    conf_high: float
    k_direct: int
    patients_direct: int
    studies: tuple[str, ...]
    tau2: float = 0.0
    note: str = ""

    @property
    def exists(self) -> bool:
        return not math.isnan(self.estimate)


@dataclass(frozen=True, slots=True)
class Beside:
    """A published pooled result and ours.

    Attributes
    ----------
    label, year, kind : str
        Of the meta-analysis.
    n_studies : int or None
        That it pooled in all.
    treatment, against, outcome, outcome_label, measure, printed : str
    estimate, conf_low, conf_high : float or None
    document, place : str
    cuts : tuple of OurCut
    computed : tuple of str
        What follows from both numbers and from our rows.
    because : tuple of str
        What the question says of the difference.
    asked_at : str
        Where the question asks for it.
    """

    label: str
    year: int | None
    kind: str
    n_studies: int | None
    treatment: str
    against: str
    outcome: str
    outcome_label: str
    measure: str
    printed: str
    estimate: float
    conf_low: float | None
    conf_high: float | None
    document: str
    place: str
    cuts: tuple[OurCut, ...]
    computed: tuple[str, ...]
    because: tuple[str, ...]
    asked_at: str

    @property
    def nearest(self) -> OurCut | None:
        """Our number that is most like theirs in what it rests on: direct of their time, else by network."""
        return next((cut for cut in self.cuts if cut.exists), None)


def set_beside(evidence: Evidence, question: Question) -> tuple[Beside, ...]:
    """Every published result that the question names, beside ours.

    Raises
    ------
    EvidenceError
        The base has no such result of that meta-analysis.
    """
    return tuple(_beside(evidence, question, i, asked) for i, asked in enumerate(question.spec.published))


def _beside(evidence: Evidence, question: Question, i: int, asked: PublishedAsked) -> Beside:
    analysis = evidence.content.meta_analyses[asked.of]
    result = _result(question, i, asked, analysis)
    outcome = question.spec.outcomes.get(asked.outcome) or OutcomeAsked()
    measured = outcome.model_copy(update={"measure": result.measure, "rare": False})
    cuts: list[OurCut] = []
    later: list[str] = []
    missing: list[LeftOut] = []
    for name, title, until in _times(analysis.year):
        how = Sensitivity(name="published", title=title, until_year=until)
        found = gather(evidence, question.spec, asked.outcome, measured, how)
        rows = lump_rows(found.rows, asked.lump)
        cuts += _cuts(rows, asked, measured, evidence, question, (name, title))
        if until is None:
            later = _later(rows, asked, analysis.year)
            missing = _missing(found.left_out, {row.study for row in rows}, evidence, asked)
    estimate = float(result.estimate.value)
    low, high = result.estimate.lower, result.estimate.upper
    return Beside(
        label=analysis.label,
        year=analysis.year,
        kind=analysis.kind,
        n_studies=analysis.studies,
        treatment=asked.treatment,
        against=asked.against,
        outcome=asked.outcome,
        outcome_label=result.label or evidence.content.outcomes[asked.outcome].label,
        measure=result.measure,
        printed=str(result.estimate),
        estimate=estimate,
        conf_low=None if low is None else float(low),
        conf_high=None if high is None else float(high),
        document=result.document or analysis.document,
        place=result.place or analysis.place,
        cuts=tuple(cuts),
        computed=tuple(_computed(cuts, result, analysis, later, missing)),
        because=asked.because,
        asked_at=question.place(f"published.{i}"),
    )


def _result(question: Question, i: int, asked: PublishedAsked, analysis: MetaAnalysis) -> PooledResult:
    same = [
        result
        for result in analysis.results
        if (result.treatment, result.against, result.outcome)
        == (asked.treatment, asked.against, asked.outcome)
        and result.document == asked.document
    ]
    if same:
        return same[0]
    has = [f"{r.treatment} against {r.against}, {r.outcome}" for r in analysis.results]
    raise EvidenceError(
        f"{asked.of} has no such result in this base",
        where=question.place(f"published.{i}"),
        found=f"{asked.treatment} against {asked.against}, {asked.outcome}",
        expected="\n".join(has),
    )


def _times(year: int | None) -> list[tuple[str, str, int | None]]:
    every = ("all", "all studies", None)
    return [every] if year is None else [("then", f"studies published by {year}", year), every]


def _cuts(
    rows: Sequence[BaseRow],
    asked: PublishedAsked,
    measured: OutcomeAsked,
    evidence: Evidence,
    question: Question,
    when: tuple[str, str],
) -> Iterator[OurCut]:
    name, title = when
    good = evidence.content.outcomes[asked.outcome].good
    order = (asked.treatment, asked.against)
    pooled = pool(rows, measured, asked.against, good, order=(*_others(rows, order), *order))
    pair = next((p for p in pooled.pairs if (p.treatment, p.against) == order), None)
    if pair is None:
        nobody = f"no study of ours has {asked.treatment} and {asked.against}"
        yield OurCut(f"{name}_direct", f"Direct, {title}", "direct", *_nothing(), 0, 0, (), note=nobody)
    else:
        r = pair.random
        yield OurCut(
            f"{name}_direct",
            f"Direct, {title}",
            "direct",
            r.estimate,
            r.conf_low,
            r.conf_high,
            k_direct=r.k,
            patients_direct=pair.patients,
            studies=pair.studies,
            tau2=r.tau2,
        )
    yield _by_network(pooled, asked, order, when, pair.patients if pair else 0, pair.random.k if pair else 0)


def _by_network(
    pooled: Pooled,
    asked: PublishedAsked,
    order: tuple[str, str],
    when: tuple[str, str],
    patients: int,
    k: int,
) -> OurCut:
    name, title = when
    found = [n for n in numbers_of(asked.outcome, pooled, order) if n.kind == "network"]
    number = next((n for n in found if (n.treatment, n.against) == order), None)
    if number is None:
        note = "our studies do not connect the two"
        return OurCut(
            f"{name}_network", f"Network, {title}", "network", *_nothing(), k, patients, (), note=note
        )
    return OurCut(
        f"{name}_network",
        f"Network, {title}",
        "network",
        number.estimate,
        number.conf_low,
        number.conf_high,
        k_direct=k,
        patients_direct=patients,
        studies=number.studies,
        tau2=number.tau2,
    )


def _others(rows: Sequence[BaseRow], order: Sequence[str]) -> list[str]:
    return sorted({row.treatment for row in rows} - set(order))


def _nothing() -> tuple[float, float, float]:
    return math.nan, math.nan, math.nan


# What follows ------------------------------------------------------------------------------------------


def _later(rows: Sequence[BaseRow], asked: PublishedAsked, year: int | None) -> list[str]:
    """Studies of ours that it cannot have had."""
    found = {row.label: row.year for row in rows if row.treatment in (asked.treatment, asked.against)}
    return [label for label, when in found.items() if year is not None and when is not None and when > year]


def _missing(
    left: Sequence[LeftOut], pooled: Collection[str], evidence: Evidence, asked: PublishedAsked
) -> list[LeftOut]:
    """Studies of the base that have one of the two treatments and do not take part."""
    named = {asked.treatment: (asked.treatment,), asked.against: (asked.against,)} | dict(asked.lump)
    members = {t for names in named.values() for t in names}
    found: dict[str, LeftOut] = {}
    for each in left:
        study = evidence.content.studies[each.study]
        has = {arm.treatment for arm in study.arms.values()}
        if has & members and each.study not in pooled:
            found.setdefault(each.study, each)
    return list(found.values())


def _computed(
    cuts: Sequence[OurCut],
    result: PooledResult,
    analysis: MetaAnalysis,
    later: Sequence[str],
    missing: Sequence[LeftOut],
) -> Iterator[str]:
    cut = next((c for c in cuts if c.exists), None)
    if cut is None:
        yield "Ours does not exist: the rows of the base do not connect the two treatments."
    else:
        yield _distance(cut, result)
    direct = next((c for c in cuts if c.kind == "direct"), None)
    theirs = f"{analysis.studies} studies in all" if analysis.studies else "a number of studies not said"
    if direct is not None:
        k = direct.k_direct
        verb = {0: "no study compares", 1: "one study compares"}.get(k, f"{k} studies compare")
        ours = f"{verb} the two directly"
        who = f" ({', '.join(direct.studies)}; {direct.patients_direct} patients)" if k else ""
        yield f"Theirs: {theirs}. Ours, of its time: {ours}{who}."
    if cut is not None and cut.tau2 > 0:
        yield f"Differences between our studies (τ² {cut.tau2:.2g}) widen our limits."
    if later:
        yield f"Published after it, and so only in ours: {', '.join(later)}."
    if missing:
        told = "; ".join(f"{each.label} ({each.reason})" for each in missing)
        yield f"In the base with one of the two treatments, and not in ours: {told}."


def _distance(cut: OurCut, result: PooledResult) -> str:
    """How far ours lies from theirs, in words that follow from the numbers."""
    theirs, low, high = float(result.estimate.value), result.estimate.lower, result.estimate.upper
    covers = "cover" if cut.conf_low <= theirs <= cut.conf_high else "do not cover"
    ratio = f"Ours ({cut.title[0].lower()}{cut.title[1:]}) is {cut.estimate / theirs:.2f} times theirs"
    if low is None or high is None:
        return f"{ratio}; its limits {covers} theirs."
    side = "within" if float(low) <= cut.estimate <= float(high) else "outside"
    width = math.log(cut.conf_high / cut.conf_low) / math.log(float(high) / float(low))
    return (
        f"{ratio}, {side} their limits; our limits {covers} their estimate and are {width:.1f} times as wide "
        "on the log scale."
    )
