"""`answer`: a question put to an evidence base, from its file to every number that the report shows.

Gathers, pools, compares with what was published, carries to other patients and audits; each step is a module
of this package.  Begin reading at `answer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError
from flarefree.evidence.library import Evidence, load_evidence
from flarefree.evidence.questions.carrying import CarriedTo, carry
from flarefree.evidence.questions.comparing import (
    Number,
    Pooled,
    SensitivityResult,
    is_better_when_small,
    numbers_of,
    pool,
)
from flarefree.evidence.questions.gathering import Gathered, LeftOut, gather
from flarefree.evidence.questions.loading import Question, load_question, require_names
from flarefree.evidence.questions.published import Beside, set_beside
from flarefree.evidence.questions.schema import OutcomeAsked, QuestionSpec, Sensitivity
from flarefree.evidence.questions.studies import StudyUsed, reasons_by_study, studies_used

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.auditing import Audit
    from flarefree.evidence.auditing.findings import Finding
    from flarefree.evidence.networks.result import Network

__all__ = ["Answer", "OutcomeAnswer", "answer"]

MOST_TOLD = 12  # studies that an error names


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeAnswer:
    """What the base says of one outcome.

    Attributes
    ----------
    outcome, label : str
    asked : OutcomeAsked
    good : str
        Whether `more` or `fewer` events are good.
    reference : str
    gathered : Gathered
    pooled : Pooled
    sensitivity : tuple of SensitivityResult
    bayes : object or None
        A Bayesian network of the main part, where it was asked for.
    asked_at : str
    """

    outcome: str
    label: str
    asked: OutcomeAsked
    good: str
    reference: str
    gathered: Gathered
    pooled: Pooled
    order: tuple[str, ...]
    sensitivity: tuple[SensitivityResult, ...] = ()
    bayes: Any = None
    asked_at: str = ""

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """Every pooled number."""
        return numbers_of(self.outcome, self.pooled, self.order)

    def number(self, kind: str, treatment: str, against: str) -> Number | None:
        """One of them, or None."""
        key = f"{self.outcome}/{kind}/{treatment}/{against}"
        return next((number for number in self.numbers if number.key == key), None)

    @property
    def has_loops(self) -> bool:
        """Whether designs of the main part can disagree."""
        net = self.pooled.main
        return net is not None and net.rows is not None and net.consistency.df_between > 0

    @cached_property
    def worksheet(self) -> pl.DataFrame | None:
        """CINeMA's domains of every comparison of the main part; None where it has no contrasts."""
        net = self.pooled.main
        if self.asked.show != "full" or net is None or net.rows is None:
            return None
        return net.worksheet(equivalence=self.asked.equivalence)

    def __repr__(self) -> str:
        parts = len(self.pooled.networks)
        return (
            f"<{self.label}: {len(self.gathered.studies)} studies, {self.gathered.patients:,} patients, "
            f"{len(self.pooled.pairs)} direct comparisons, {parts} connected part{'s' if parts != 1 else ''}>"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """A question's answer: frozen, and complete enough to print a report from.

    Attributes
    ----------
    question : Question
    evidence : Evidence
    outcomes : mapping of str to OutcomeAnswer
    published : tuple of Beside
    carried : tuple of CarriedTo
    audit : Audit
        Of the whole base; `findings` are those of the studies used.
    studies : tuple of StudyUsed
    """

    question: Question
    evidence: Evidence
    outcomes: Mapping[str, OutcomeAnswer]
    published: tuple[Beside, ...]
    carried: tuple[CarriedTo, ...]
    audit: Audit
    studies: tuple[StudyUsed, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def spec(self) -> QuestionSpec:
        return self.question.spec

    @property
    def primary(self) -> OutcomeAnswer:
        """The outcome that the question is about first."""
        return self.outcomes[self.spec.primary]

    def outcome(self, name: str) -> OutcomeAnswer:
        """One outcome.

        Raises
        ------
        NotFoundError
            The question has no such outcome.
        """
        if name in self.outcomes:
            return self.outcomes[name]
        from flarefree.errors import NotFoundError

        raise NotFoundError("not an outcome of this question", found=name, expected=", ".join(self.outcomes))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the audit finds in the studies used and the meta-analyses set beside them."""
        used = {study.label for study in self.studies} | {beside.label for beside in self.published}
        return tuple(finding for finding in self.audit.findings if finding.study in used)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Of all outcomes, each reason once a study and source."""
        told: dict[tuple[str, str, str, str], LeftOut] = {}
        for outcome in self.outcomes.values():
            for each in outcome.gathered.left_out:
                told.setdefault((outcome.outcome, each.study, each.source, each.reason), each)
        return tuple(told.values())

    @property
    def network(self) -> Network | None:
        """The main part of the primary outcome's network."""
        return self.primary.pooled.main

    def tidy(self) -> pl.DataFrame:
        """One row a pooled number, direct or of a network, with the studies it rests on."""
        import polars as pl

        names = (
            "key", "outcome", "kind", "treatment", "against", "measure", "model", "estimate", "conf_low",
            "conf_high", "p_value", "k", "tau2",
        )  # fmt: skip
        rows = [
            {name: getattr(number, name) for name in names} | {"studies": "; ".join(number.studies)}
            for outcome in self.outcomes.values()
            for number in outcome.numbers
        ]
        texts = {"key", "outcome", "kind", "treatment", "against", "measure", "model", "studies"}
        schema = {
            n: pl.String if n in texts else pl.Int64 if n == "k" else pl.Float64 for n in (*names, "studies")
        }
        return pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))

    def rows(self) -> pl.DataFrame:
        """One row an arm that is pooled, with its place in the source and in the base."""
        import polars as pl

        from flarefree.evidence.questions.gathering import BaseRow

        names = list(BaseRow.__dataclass_fields__)
        kinds = {"year": pl.Int64, "n": pl.Int64, "events": pl.Int64, "mean": pl.Float64, "sd": pl.Float64}
        schema = {name: pl.Boolean if name == "randomized" else kinds.get(name, pl.String) for name in names}
        rows = [
            tuple(getattr(row, name) for name in names)
            for outcome in self.outcomes.values()
            for row in outcome.gathered.rows
        ]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def worksheets(self) -> pl.DataFrame:
        """CINeMA's domains of every comparison of the outcomes that are shown in full."""
        import polars as pl

        frames = [
            outcome.worksheet.select(pl.lit(name).alias("outcome"), pl.all())
            for name, outcome in self.outcomes.items()
            if outcome.worksheet is not None
        ]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame({"outcome": []})

    def league(self) -> pl.DataFrame | None:
        """The league table of the primary outcome."""
        return None if self.network is None else self.network.league()

    def ranking(self) -> pl.DataFrame | None:
        """The ranking of the primary outcome."""
        return None if self.network is None else self.network.ranking()

    def record(self) -> dict[str, Any]:
        """Inputs and numbers as plain values, with digests: what a later run compares itself with."""
        from flarefree.evidence.questions.recording import record_of

        return record_of(self)

    def since(self, earlier: Mapping[str, Any] | str | PathLike[str]) -> Any:
        """What changed since an earlier run: see `flarefree.evidence.questions.changing`."""
        from flarefree.evidence.questions.changing import changes_since
        from flarefree.evidence.questions.recording import read_record

        record = dict(earlier) if isinstance(earlier, Mapping) else read_record(Path(earlier))
        return changes_since(record, self)

    def __repr__(self) -> str:
        from flarefree.evidence.questions.printing import describe_answer

        return describe_answer(self)


def answer(question: str | PathLike[str] | Question, base: Any = None, *, bayes: bool = False) -> Answer:
    """Put a question to an evidence base.

    Parameters
    ----------
    question : str, path or Question
        `maintenance`, `induction`, or a YAML file (docs/how-to/answer-a-question.md).
    base : path or Evidence, optional
        The evidence that comes with flarefree, unless given.
    bayes : bool
        Fit the primary outcome's network by Bayesian methods too (extra `bayes`).

    Returns
    -------
    Answer

    Raises
    ------
    NotFoundError
        There is no such question.
    EvidenceError
        The question's file is wrong, names what the base does not have, or no study answers.
    MissingExtraError
        `bayes` without the extra.

    Examples
    --------
    >>> import flarefree as ff
    >>> found = ff.evidence.answer("maintenance")
    >>> found.primary.gathered.patients
    1119
    """
    asked = load_question(question)
    evidence = base if isinstance(base, Evidence) else load_evidence(base)
    require_names(asked, evidence)
    outcomes = {name: _answer_outcome(evidence, asked, name, bayes) for name in asked.spec.outcomes}
    _require_an_answer(evidence, asked, outcomes)
    from flarefree.evidence.auditing import audit

    return Answer(
        question=asked,
        evidence=evidence,
        outcomes=outcomes,
        published=set_beside(evidence, asked),
        carried=carry(evidence, asked),
        audit=audit(evidence),
        studies=studies_used(evidence, asked.spec, {n: o.gathered for n, o in outcomes.items()}),
    )


def _answer_outcome(evidence: Evidence, question: Question, name: str, bayes: bool) -> OutcomeAnswer:
    spec = question.spec
    asked, word = spec.outcomes[name], evidence.content.outcomes[name]
    reference = spec.reference_of(name)
    gathered = gather(evidence, spec, name, asked)
    pooled = pool(gathered.rows, asked, reference, word.good, order=spec.order, sequential=True)
    again = spec.sensitivity if asked.show == "full" else ()
    found = None
    if bayes and name == spec.primary:
        from flarefree.evidence.questions.bayesian import fit_bayesian

        found = fit_bayesian(gathered.rows, pooled, asked, small_is_good=is_better_when_small(word.good))
    return OutcomeAnswer(
        outcome=name,
        label=word.label,
        asked=asked,
        good=word.good,
        reference=reference,
        gathered=gathered,
        pooled=pooled,
        order=spec.order,
        sensitivity=tuple(_once_more(evidence, question, name, how) for how in again),
        bayes=found,
        asked_at=question.place(f"outcomes.{name}"),
    )


def _once_more(evidence: Evidence, question: Question, name: str, how: Sensitivity) -> SensitivityResult:
    spec = question.spec
    asked, word = spec.outcomes[name], evidence.content.outcomes[name]
    if how.method is not None:
        asked = asked.model_copy(update={"method": how.method})
    gathered = gather(evidence, spec, name, asked, how)
    pooled = pool(gathered.rows, asked, spec.reference_of(name), word.good, model=how.model, order=spec.order)
    return SensitivityResult(how, gathered, pooled)


def _require_an_answer(evidence: Evidence, question: Question, outcomes: Mapping[str, OutcomeAnswer]) -> None:
    primary = outcomes[question.spec.primary]
    if primary.gathered.rows:
        return
    raise EvidenceError(
        f"no study of the base answers: {primary.label.lower()}",
        where=primary.asked_at,
        found="\n".join(_reasons(evidence, question, primary)) or "no studies",
        expected="counts, or means with SDs, of two arms at least"
        + (f", in a study of {question.spec.phase}" if question.spec.phase else ""),
        try_="flarefree evidence rows " + primary.outcome,
    )


def _reasons(evidence: Evidence, question: Question, outcome: OutcomeAnswer) -> Iterator[str]:
    """A line a study; first those of which a number was looked at."""
    told: dict[str, dict[str, None]] = {}
    for each in outcome.gathered.left_out:
        told.setdefault(each.label, {})[f"{each.arm} {each.reason}".strip()] = None
    for _, label, reason in reasons_by_study(evidence, question.spec, {}, ()):
        told.setdefault(label, {reason: None})
    for label, reasons in list(told.items())[:MOST_TOLD]:
        yield f"{label}: {'; '.join(reasons)}"
    if len(told) > MOST_TOLD:
        yield f"and {len(told) - MOST_TOLD} more studies"
