"""What a question says: population, treatments, outcomes with their time, how to pool, what to set beside it.

A question is a YAML file (`maintenance.yaml`); names that it gives (treatments, outcomes, studies,
meta-analyses) are those of an evidence base, and are checked against it in `loading.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flarefree.evidence.schema import Phase, months_of

__all__ = [
    "Designs", "OutcomeAsked", "PublishedAsked", "QuestionSpec", "Sensitivity", "Strata", "Target",
    "TimeSpan", "TransportAsked",
]  # fmt: skip

Words = Annotated[str, Field(pattern=r"\S")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
DesignKind = Literal["randomized trial", "continuation of a trial", "cohort", "single arm", "not stated"]
Measure = Literal["OR", "RR", "RD", "MD", "SMD"]
Method = Literal["DL", "REML", "ML", "PM"]


class Part(BaseModel):
    """A part of a question; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeSpan(Part):
    """From when to when an outcome may have been assessed: `from: 5 mo`, `to: 13 mo`."""

    since: Words = Field(alias="from")
    until: Words = Field(alias="to")

    @model_validator(mode="after")
    def _times(self) -> TimeSpan:
        for text in (self.since, self.until):
            if months_of(text) is None:
                raise ValueError(f"{text} is no time; expected 24 wk, 18 mo or 3 yr")
        if self.months[0] > self.months[1]:
            raise ValueError(f"{self.since} is after {self.until}; expected the earlier time first")
        return self

    @property
    def months(self) -> tuple[float, float]:
        """Both ends in months."""
        return months_of(self.since) or 0.0, months_of(self.until) or 0.0

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"


class Designs(Part):
    """Which designs may answer."""

    kinds: Annotated[tuple[DesignKind, ...], Field(min_length=1)]
    why: Words


class OutcomeAsked(Part):
    """One outcome: what is compared, when, and how it is pooled.

    `show: full` prints everything that a network has; `brief` forests, league table and ranking.
    `rare` pools the counts themselves (Peto; Mantel-Haenszel in networks), without consistency and
    prediction.
    """

    role: Literal["primary", "secondary", "safety"] = "secondary"
    show: Literal["full", "brief"] = "brief"
    time: TimeSpan | None = None
    measure: Measure = "OR"
    method: Method = "REML"
    hartung_knapp: bool = False
    rare: bool = False
    reference: str = ""
    """The treatment that others are compared with; that of the question unless said."""
    equivalence: float | None = Field(default=None, gt=0)
    """Effects between this and its inverse count as none, for the worksheet."""
    smallest_effect: float | None = Field(default=None, gt=0)
    """The effect that a sequential analysis asks the information for."""
    reports: tuple[Name, ...] = ()
    """Of studies that tell of the same patients, which to take."""
    note: str = ""

    @model_validator(mode="after")
    def _ratios(self) -> OutcomeAsked:
        if self.rare and self.measure != "OR":
            raise ValueError(
                f"rare events are pooled as odds ratios; expected measure: OR, not {self.measure}"
            )
        if self.smallest_effect == 1.0 and self.measure in ("OR", "RR"):
            raise ValueError("smallest_effect: 1 is no effect; expected 0.67, say")
        return self


class Sensitivity(Part):
    """The same outcome once more, with other studies or another model."""

    name: Name
    title: Words
    randomized_only: bool = False
    derived: bool = True
    """Whether counts worked out from percentages may stand."""
    any_time: bool = False
    any_design: bool = False
    until_year: int | None = None
    without: tuple[Name, ...] = ()
    model: Literal["random", "common"] = "random"
    method: Method | None = None


class PublishedAsked(Part):
    """A published pooled result to stand beside ours.

    `lump` names our treatments that its treatments stand for (`CNI: [TAC, CsA]`).
    """

    of: Name
    treatment: Words
    against: Words
    outcome: Name
    document: str = ""
    """Where it is printed, if the base has it from several documents."""
    lump: dict[Words, Annotated[tuple[Words, ...], Field(min_length=1)]] = Field(default_factory=dict)
    because: Annotated[tuple[Words, ...], Field(min_length=1)]
    """Why ours is another number, as far as the base tells."""


class Strata(Part):
    """A subgroup of which a study prints the counts, as the value of a covariate of its patients."""

    subgroup: Words
    covariates: dict[Name, float]


class Target(Part):
    """A population to which a result is carried: proportions, with where they are from."""

    name: Words
    margins: Annotated[dict[Name, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    document: str = ""
    place: str = ""
    because: Words


class TransportAsked(Part):
    """A study's result carried to other populations, by the strata that it prints."""

    study: Name
    outcome: Name
    title: Words
    treatment: Words
    against: Words
    measure: Literal["RR", "OR", "RD"] = "RR"
    by_arm: bool = False
    strata: Annotated[tuple[Strata, ...], Field(min_length=1)]
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    because: str = ""


class QuestionSpec(Part):
    """A question that an evidence base is to answer."""

    question: Literal[1]
    """Version of this form."""
    name: Name
    title: Words
    ask: Words
    population: Words
    phase: Phase | None = None
    interventions: tuple[Words, ...] = ()
    """Treatments of the network; every one that the base has numbers of, unless said."""
    comparators: tuple[Words, ...] = ()
    reference: Words
    designs: Designs
    outcomes: Annotated[dict[Name, OutcomeAsked], Field(min_length=1)]
    sensitivity: tuple[Sensitivity, ...] = ()
    published: tuple[PublishedAsked, ...] = ()
    transport: tuple[TransportAsked, ...] = ()
    limits: tuple[Words, ...] = ()
    """What the numbers cannot say."""

    @model_validator(mode="after")
    def _one_primary(self) -> QuestionSpec:
        primary = [name for name, outcome in self.outcomes.items() if outcome.role == "primary"]
        if len(primary) != 1:
            said = ", ".join(primary) or "none"
            raise ValueError(f"outcomes with role: primary: {said}; expected exactly one")
        names = [each.name for each in self.sensitivity]
        if len(set(names)) < len(names):
            raise ValueError("two sensitivity analyses have one name; expected a name for each")
        return self

    @property
    def primary(self) -> str:
        """The outcome that the question is about first."""
        return next(name for name, outcome in self.outcomes.items() if outcome.role == "primary")

    @property
    def treatments(self) -> tuple[str, ...]:
        """Interventions and comparators; empty where every treatment may take part."""
        return tuple(dict.fromkeys((*self.interventions, *self.comparators)))

    @property
    def order(self) -> tuple[str, ...]:
        """Treatments, those that others are compared with last."""
        last = [name for name in self.comparators if name != self.reference]
        first = [name for name in self.interventions if name not in (*last, self.reference)]
        return tuple(dict.fromkeys((*first, *last, self.reference)))

    def reference_of(self, outcome: str) -> str:
        """The treatment that others are compared with."""
        return self.outcomes[outcome].reference or self.reference
