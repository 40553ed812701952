"""The evidence base as one frozen value: its studies, its numbers as frames, and rows that can be pooled.

Decides which of the numbers reported may stand in one analysis: `select` takes one report of an outcome
a study, never two of one cohort, and says of every study that it leaves out why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.checking import check_base, cohorts
from flarefree.evidence.problems import suggest
from flarefree.evidence.reading import Loaded, builtin_folder, read_base
from flarefree.evidence.reported import Reported, reported_outcomes
from flarefree.evidence.schema import BaseFile, Conflict, Document, MetaAnalysis, Study

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.selecting import Selection

__all__ = ["Evidence", "evidence_of", "load_evidence"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evidence:
    """A checked evidence base.

    Attributes
    ----------
    name : str
        Where it was read from.
    content : BaseFile
        Everything in it, as its files say it.
    reported : tuple of Reported
        Every outcome of every study, with what its report and document say of it.
    cohort : mapping of str to str
        Of every study the first one that it shares patients with.
    """

    name: str
    content: BaseFile
    reported: tuple[Reported, ...]
    cohort: Mapping[str, str]
    loaded: Loaded

    def __repr__(self) -> str:
        content = self.content
        return (
            f"<Evidence {self.name}: {len(content.studies)} studies, {len(self.reported)} outcomes, "
            f"{len(content.meta_analyses)} meta-analyses, {len(content.conflicts)} conflicts>"
        )

    def study(self, study: str) -> Study:
        """One study with all that is known of it.

        Raises
        ------
        NotFoundError
            There is no such study; says which may have been meant.
        """
        return _found(study, self.content.studies, "study")

    def document(self, document: str) -> Document:
        """One source.

        Raises
        ------
        NotFoundError
            There is no such document.
        """
        return _found(document, self.content.documents, "document")

    def meta_analysis(self, name: str) -> MetaAnalysis:
        """One published meta-analysis.

        Raises
        ------
        NotFoundError
            There is no such meta-analysis.
        """
        return _found(name, self.content.meta_analyses, "meta-analysis")

    def conflict(self, name: str) -> Conflict:
        """One recorded conflict.

        Raises
        ------
        NotFoundError
            There is no such conflict.
        """
        return _found(name, self.content.conflicts, "conflict")

    def studies(self) -> pl.DataFrame:
        """A row a study: design, size, follow-up, cohort, how many outcomes."""
        from flarefree.evidence.frames import studies_frame

        return studies_frame(self)

    def arms(self) -> pl.DataFrame:
        """A row an arm: treatment, size and how it is known."""
        from flarefree.evidence.frames import arms_frame

        return arms_frame(self)

    def outcomes(self) -> pl.DataFrame:
        """A row an arm of a reported outcome: every number, its place and its status."""
        from flarefree.evidence.frames import outcomes_frame

        return outcomes_frame(self)

    def effects(self) -> pl.DataFrame:
        """A row a printed comparison of two arms: hazard ratios and the like, as printed."""
        from flarefree.evidence.frames import effects_frame

        return effects_frame(self)

    def baseline(self) -> pl.DataFrame:
        """A row a characteristic of an arm: the margins of the study's population."""
        from flarefree.evidence.frames import baseline_frame

        return baseline_frame(self)

    def risk_of_bias(self) -> pl.DataFrame:
        """A row a study and domain: judged, by whom and why; or not judged."""
        from flarefree.evidence.frames import risk_of_bias_frame

        return risk_of_bias_frame(self)

    def pooled(self) -> pl.DataFrame:
        """A row a pooled result that was published."""
        from flarefree.evidence.frames import pooled_frame

        return pooled_frame(self)

    def conflicts(self) -> pl.DataFrame:
        """A row a value of a recorded conflict: what each source says, why not both, what was done."""
        from flarefree.evidence.frames import conflicts_frame

        return conflicts_frame(self)

    def documents(self) -> pl.DataFrame:
        """A row a source: citation, kind, how much of it was read."""
        from flarefree.evidence.frames import documents_frame

        return documents_frame(self)

    def rows(
        self,
        outcome: str,
        *,
        phase: str | None = None,
        time: str | float | None = None,
        treatments: Sequence[str] | None = None,
        studies: Sequence[str] | None = None,
        reports: Sequence[str] = (),
        derived: bool = True,
        randomized_only: bool = False,
    ) -> pl.DataFrame:
        """Arm rows of one outcome, for `pairwise` and `network`.

        Parameters
        ----------
        outcome : str
            A key of the base's outcomes, `renal_flare` say.
        phase : str, optional
            `induction` or `maintenance`; every phase otherwise.
        time : str or float, optional
            `24 wk`, or months.  Otherwise the one that the base marks as main, or the only one.
        treatments, studies : sequence of str, optional
            Keep these only.
        reports : sequence of str
            Where several studies tell of the same patients: which of them to take.
        derived : bool
            Whether counts that were worked out from percentages may stand.
        randomized_only : bool
            Whether studies without randomization of these arms are left out.

        Returns
        -------
        polars.DataFrame
            `study` (label), `treatment`, `n`, `events`, `mean`, `sd`, `person_time` (years), then `study_id`,
            `arm`, `phase`, `time`, `status`, `n_how`, `randomized`, `confidence`, `source`, `note`.

        Raises
        ------
        NotFoundError
            There is no such outcome, phase, treatment or study.
        EvidenceError
            A study reports the outcome more than once and nothing says which to take, or two studies tell of
            the same patients.
        """
        from flarefree.evidence.frames import rows_frame

        options = (phase, time, treatments, studies, reports, derived, randomized_only)
        return rows_frame(self, self._selected(outcome, *options))

    def left_out(
        self,
        outcome: str,
        *,
        phase: str | None = None,
        time: str | float | None = None,
        treatments: Sequence[str] | None = None,
        studies: Sequence[str] | None = None,
        reports: Sequence[str] = (),
        derived: bool = True,
        randomized_only: bool = False,
    ) -> pl.DataFrame:
        """What `rows` with the same arguments leaves out, a row each, with the reason.

        Raises
        ------
        NotFoundError, EvidenceError
            As `rows`.
        """
        from flarefree.evidence.frames import left_out_frame

        options = (phase, time, treatments, studies, reports, derived, randomized_only)
        return left_out_frame(self, self._selected(outcome, *options))

    def contrasts(
        self, outcome: str, *, measure: str = "HR", phase: str | None = None, adjusted: bool = False
    ) -> pl.DataFrame:
        """Contrast rows of one outcome from printed estimates with limits.

        Parameters
        ----------
        outcome, phase : str
        measure : {"HR", "OR", "RR", "IRR", "RD", "MD"}
        adjusted : bool
            Take adjusted estimates instead of unadjusted ones.

        Returns
        -------
        polars.DataFrame
            `study`, `treatment_1`, `treatment_2`, `estimate` (log scale for ratios), `std_error` (from the
            width of the 95% limits), then `study_id`, `subgroup`, `printed`, `source`, `note`.
        """
        from flarefree.evidence.frames import contrasts_frame

        return contrasts_frame(self, self._outcome(outcome), measure, phase, adjusted)

    def _outcome(self, outcome: str) -> str:
        _found(outcome, self.content.outcomes, "outcome")
        return outcome

    def _selected(
        self,
        outcome: str,
        phase: str | None,
        time: str | float | None,
        treatments: Sequence[str] | None,
        studies: Sequence[str] | None,
        reports: Sequence[str],
        derived: bool,
        randomized_only: bool,
    ) -> Selection:
        from flarefree.evidence.selecting import Question, select

        for study in (*(studies or ()), *reports):
            self.study(study)
        for treatment in treatments or ():
            _found(treatment, self.content.treatments, "treatment")
        question = Question(
            self._outcome(outcome), phase, time, treatments, studies, tuple(reports), derived, randomized_only
        )
        return select(self, question)


def load_evidence(path: str | PathLike[str] | None = None) -> Evidence:
    """The evidence base that comes with flarefree, or a stranger's.

    Parameters
    ----------
    path : str or path, optional
        A YAML file, a folder of them, a CSV table, or a folder that `flarefree evidence export` filled.

    Returns
    -------
    Evidence

    Raises
    ------
    EvidenceError
        Something in it is wrong: file, line, study and cell, what was found, what was expected, what to try.

    Examples
    --------
    >>> from flarefree.evidence import load_evidence
    >>> load_evidence().study("dooley2011").arms["MMF"].n
    116
    """
    if path is None:
        return _builtin()
    chosen = Path(path)
    is_exported = (chosen / "outcomes.csv").is_file() and not list(chosen.glob("*.y*ml"))
    if chosen.suffix.lower() == ".csv" or is_exported:
        from flarefree.evidence.exchange import read_csv

        return read_csv(chosen)
    return evidence_of(read_base(chosen), str(path))


@lru_cache(maxsize=1)
def _builtin() -> Evidence:
    return evidence_of(read_base(builtin_folder()), "that comes with flarefree")


def evidence_of(loaded: Loaded, name: str) -> Evidence:
    """A base that was read, checked from end to end.

    Raises
    ------
    EvidenceError
        Its parts do not fit each other, or it is empty.
    """
    if not (loaded.content.studies or loaded.content.meta_analyses):
        raise EvidenceError(
            "there are no studies",
            where=name,
            expected="studies: or meta_analyses:, with one or more under it",
        )
    check_base(loaded)
    content = loaded.content
    return Evidence(
        name=name,
        content=content,
        reported=tuple(reported_outcomes(content)),
        cohort=MappingProxyType(cohorts(content)),
        loaded=loaded,
    )


def _found(name: str, known: Mapping[str, T], what: str) -> T:
    if name in known:
        return known[name]
    raise NotFoundError(
        f"there is no {what} {name} in this base",
        found=name,
        expected=", ".join(known) if len(known) <= 12 else f"one of {len(known)}",
        try_=suggest(name, known),
    )
