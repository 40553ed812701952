"""What the evidence base says: documents, treatments, outcomes, studies, pooled results, conflicts.

Every file of a base is one `BaseFile`, each of whose parts may be missing; all files of a folder are
read as one.  Names that one part gives another are checked in `checking.py`; cells are in `cells.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from flarefree.evidence.cells import Cell, Count, Interval, Part, Printed

__all__ = [
    "Arm", "BaseFile", "Baseline", "Conflict", "Curve", "Design", "Document", "Effect", "Judgement",
    "MetaAnalysis", "Outcome", "OutcomeWord", "Overlap", "Phase", "PooledResult", "Report", "ReviewRow",
    "ReviewTable", "Study", "Treatment", "months_of",
]  # fmt: skip

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Words = Annotated[str, Field(pattern=r"\S")]
Phase = Literal["induction", "maintenance", "induction and maintenance", "refractory", "not stated"]
Year = Annotated[Count, Field(ge=1900, le=2100)]
Confidence = Literal["high", "medium", "low"]
PValue = Annotated[str, Field(pattern=r"^(ns|[<>]?\s*[01]?\.\d+|[01]|1\.0+)$")]
"""As printed: `0.02`, `<0.01`, or `ns` where a table marks only what is significant."""

_TIME = re.compile(r"(?:median\s+|mean\s+)?(\d+(?:\.\d+)?)\s*(wk|mo|yr)")
_MONTHS = {"wk": 7 / 30.4375, "mo": 1.0, "yr": 12.0}


def months_of(time: str) -> float | None:
    """`24 wk` as months; None where the text is no such time.

    Examples
    --------
    >>> months_of("3 yr"), round(months_of("24 wk"), 2)
    (36.0, 5.52)
    """
    found = _TIME.fullmatch(time.strip())
    return float(found[1]) * _MONTHS[found[2]] if found else None


class Document(Part):
    """Where numbers were read: cited by author and year.

    `kind` says how near it is to the trial; numbers from anything but the trial's own report are second-hand.
    """

    citation: Words
    kind: Literal[
        "trial report", "supplement", "abstract", "registry", "meta-analysis", "review", "commentary", "page"
    ]
    year: Year | None = None
    doi: str = ""
    address: str = ""
    read: str = "whole"
    """How much of it was read."""


class Treatment(Part):
    """A treatment as a node of a network, and the drugs it is made of."""

    label: Words
    components: tuple[Words, ...] = ()
    also: tuple[Words, ...] = ()
    """Other names of it."""


class OutcomeWord(Part):
    """What an outcome is called, and which way is good."""

    label: Words
    domain: Literal["efficacy", "safety", "conduct"]
    good: Literal["more", "fewer", "neither"]


class Design(Part):
    """How patients came to their arms."""

    kind: Literal["randomized trial", "continuation of a trial", "cohort", "single arm", "not stated"]
    randomized: bool | None = None
    """Whether chance chose between the arms that are compared.  None: not said in what was read."""
    rerandomized: bool | None = None
    """Of a phase that follows another: whether patients were randomized anew.  None: no such phase."""
    masking: Literal["double-blind", "open", "not stated"] = "not stated"
    centers: Count | None = None
    countries: tuple[Words, ...] = ()
    note: str = ""


class Arm(Part):
    """An arm: its treatment and its size, with where the size is from."""

    treatment: Words
    label: str = ""
    regimen: str = ""
    n: Annotated[Count, Field(ge=1)] | None = None
    n_how: Literal["given", "difference", "inferred", "assumed"] = "given"
    n_safety: Annotated[Count, Field(ge=1)] | None = None
    place: str = ""
    note: str = ""


class Overlap(Part):
    """That this report tells of patients of whom another one tells too."""

    study: Words
    how: Literal["continues", "covers", "rerandomizes", "long-term follow-up of"]
    note: str = ""


class Judgement(Part):
    """One domain of risk of bias: judged, by whom and why; or not judged."""

    judgement: Literal["low", "some concerns", "high", "not judged"]
    by: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _judged_by_someone(self) -> Judgement:
        if self.judgement != "not judged" and not (self.by and self.because):
            raise ValueError("a judgement says neither by whom nor why; expected by and because")
        return self


Domain = Literal["randomization", "deviations", "missing_outcomes", "measurement", "selective_reporting"]


class Baseline(Part):
    """The margins of a population: one characteristic a row, one cell an arm."""

    document: str = ""
    place: Words
    arms: dict[str, dict[Name, Cell]]
    note: str = ""


class Effect(Part):
    """A printed comparison of two arms: the first relative to the second."""

    arms: tuple[Words, Words]
    measure: Literal["HR", "OR", "RR", "RD", "MD", "IRR"]
    estimate: Interval
    p: PValue | None = None
    model: str = ""
    adjusted: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _ratios_are_positive(self) -> Effect:
        lowest = self.estimate.value if self.estimate.lower is None else self.estimate.lower
        if self.measure in ("HR", "OR", "RR", "IRR") and lowest <= 0:
            raise ValueError(f"a {self.measure} of {self.estimate} is no ratio; expected numbers above 0")
        return self


class Curve(Part):
    """A printed risk table: how many at risk and how many events, by the columns of the table."""

    columns: str
    """What is known of the times that the columns stand for."""
    months: tuple[Printed, ...] = ()
    at_risk: dict[str, tuple[Count, ...]] = Field(default_factory=dict)
    events: dict[str, tuple[Count, ...]] = Field(default_factory=dict)
    logrank_chi2: Printed | None = None
    p: PValue | None = None


class Outcome(Part):
    """One outcome as a study reports it once."""

    outcome: Name
    label: str = ""
    """As the source names it, where that is not the outcome's own label."""
    definition: str = ""
    phase: Phase | None = None
    time: str = ""
    place: str = ""
    population: str = ""
    subgroup: str = ""
    arms: dict[str, Cell] = Field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    curve: Curve | None = None
    p: PValue | None = None
    p_test: str = ""
    main: bool = False
    """The one to take where a study reports the outcome more than once."""
    use: bool = True
    """False: kept as printed, and never pooled; `note` says why."""
    confidence: Confidence | None = None
    conflicts: tuple[str, ...] = ()
    note: str = ""


class Report(Part):
    """Outcomes that stand together in a source; what they share is said once."""

    document: Words
    place: Words
    phase: Phase | None = None
    time: str = ""
    population: str = ""
    p_test: str = ""
    confidence: Confidence | None = None
    use: bool = True
    note: str = ""
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]


class Study(Part):
    """A study: what was compared, in whom, and what came out, number by number with its place."""

    label: Words
    year: Year | None = None
    phase: Phase
    registration: str = ""
    design: Design
    follow_up: str = ""
    follow_up_place: str = ""
    n_randomized: Count | None = None
    n_analyzed: Count | None = None
    n_place: str = ""
    population: str = ""
    arms: Annotated[dict[Words, Arm], Field(min_length=1)]
    definitions: dict[Name, Words] = Field(default_factory=dict)
    overlaps: tuple[Overlap, ...] = ()
    risk_of_bias: dict[Domain, Judgement] = Field(default_factory=dict)
    baseline: tuple[Baseline, ...] = ()
    reports: tuple[Report, ...] = ()
    facts: dict[Name, Words] = Field(default_factory=dict)
    note: str = ""


class PooledResult(Part):
    """One pooled comparison as published."""

    treatment: Words
    against: Words
    outcome: Name
    label: str = ""
    measure: Literal["RR", "OR", "HR", "RD"]
    estimate: Interval
    document: str = ""
    place: str = ""
    conflicts: tuple[str, ...] = ()
    note: str = ""


class MetaAnalysis(Part):
    """A published meta-analysis and its pooled results."""

    label: Words
    year: Year | None = None
    kind: Literal["pairwise", "network", "Bayesian network"]
    document: Words
    place: Words
    studies: Count | None = None
    participants: Count | None = None
    confidence: Confidence | None = None
    results: Annotated[tuple[PooledResult, ...], Field(min_length=1)]
    facts: dict[Name, Words] = Field(default_factory=dict)
    note: str = ""


class Value(Part):
    """What one source says, where sources differ."""

    document: Words
    place: Words
    says: Words


class Conflict(Part):
    """Numbers or words that cannot all be right, side by side, and what was done about them."""

    about: Words
    studies: tuple[Words, ...] = ()
    values: Annotated[tuple[Value, ...], Field(min_length=1)]
    why: Words
    handling: Words
    kind: Literal["number", "meaning", "wording"]


class ReviewRow(Part):
    """A row of a review's table: which study, and how its cells are put together.

    Cells are words of our own with the base's numbers in braces: `{complete_remission.VCS.percent}`, or with
    a time, `{complete_remission@9 mo.MT.percent}`; also `{n_randomized}`, `{n_analyzed}`, `{follow_up}`.
    """

    study: Words
    cells: tuple[str, ...]


class ReviewTable(Part):
    """A table of a review, to be made again from the base."""

    document: Words
    place: Words
    title: Words
    columns: tuple[Words, ...]
    rows: tuple[ReviewRow, ...]
    note: str = ""

    @model_validator(mode="after")
    def _rows_fit(self) -> ReviewTable:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"the row of {row.study} has {len(row.cells)} cells; expected {len(self.columns)}"
                )
        return self


class BaseFile(Part):
    """One file of an evidence base."""

    documents: dict[Name, Document] = Field(default_factory=dict)
    treatments: dict[Words, Treatment] = Field(default_factory=dict)
    outcomes: dict[Name, OutcomeWord] = Field(default_factory=dict)
    studies: dict[Name, Study] = Field(default_factory=dict)
    meta_analyses: dict[Name, MetaAnalysis] = Field(default_factory=dict)
    conflicts: dict[Name, Conflict] = Field(default_factory=dict)
    review_tables: dict[Words, ReviewTable] = Field(default_factory=dict)

    def names(self) -> dict[str, tuple[str, ...]]:
        """The keys of every part, for messages and merging."""
        parts: dict[str, Any] = {part: getattr(self, part) for part in type(self).model_fields}
        return {part: tuple(values) for part, values in parts.items()}
