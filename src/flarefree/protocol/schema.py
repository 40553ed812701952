"""What a trial says: the typed, frozen protocol that one YAML file holds.

Every part may carry a `note`, which says what the source leaves open and what was chosen.  Sentences
(`when`, `state`, `value`, populations) stay text here; `flarefree.protocol.loading` parses and checks
them, and gives a `LoadedProtocol` that has both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from flarefree.protocol.schema_adjudication import AdjudicationRules, DossierRules
from flarefree.protocol.schema_analyses import (
    AdverseEventGroup,
    AdverseEvents,
    Agreement,
    Analysis,
    AnalysisBase,
    BaselineTable,
    BaselineVariable,
    CategoriesByVisit,
    ChangeFromBaseline,
    Components,
    Course,
    DoseByVisit,
    Exposure,
    LaboratoryAbnormalities,
    LogisticMixedModel,
    Medications,
    MixedModel,
    Model,
    ParticipantFlow,
    PopulationsTable,
    ResponseByVisit,
    Shifts,
    Subgroups,
    SubjectsBySite,
    TimeToEvent,
    WithdrawalsTable,
)
from flarefree.protocol.schema_dosing import Contact, DoseRules, Product
from flarefree.protocol.schema_parts import (
    Color,
    Count,
    Days,
    Digits,
    Limits,
    Name,
    Number,
    Part,
    Positive,
    Share,
    SomeDays,
    StudyDay,
    Words,
)

__all__ = [
    "AdjudicationRules",
    "AdverseEventGroup",
    "AdverseEventRules",
    "AdverseEvents",
    "Agreement",
    "Analysis",
    "AnalysisBase",
    "Arm",
    "BaselineRule",
    "BaselineTable",
    "BaselineVariable",
    "CategoriesByVisit",
    "ChangeFromBaseline",
    "Citation",
    "Components",
    "Contact",
    "Course",
    "Covariate",
    "Criterion",
    "Days",
    "Design",
    "DoseByVisit",
    "DoseRules",
    "DossierRules",
    "EndpointSpec",
    "Epoch",
    "EventVisit",
    "Exposure",
    "FollowUpRule",
    "LaboratoryAbnormalities",
    "LogisticMixedModel",
    "Masking",
    "MeasureSpec",
    "Medications",
    "MixedModel",
    "Model",
    "Name",
    "OpenChoice",
    "Part",
    "ParticipantFlow",
    "Population",
    "PopulationsTable",
    "Product",
    "Protocol",
    "Randomization",
    "RandomizationScheme",
    "Regimen",
    "ReportSpec",
    "ResponseByVisit",
    "SampleSize",
    "Schedule",
    "Shifts",
    "SourcePreference",
    "Subgroups",
    "SubjectsBySite",
    "TimeToEvent",
    "Visit",
    "Withdrawals",
    "WithdrawalsTable",
]


# Identity and design -----------------------------------------------------------------------------


class Citation(Part):
    """A paper, plan or registry entry that the protocol was taken from."""

    key: Words
    text: Words


class Design(Part):
    """The trial in a few words, for readers."""

    summary: Words
    masking: str = ""
    allocation: str = ""
    follow_up: SomeDays = Field(description="Planned follow-up from day 1.")
    planned_size: Count | None = None
    eligibility: tuple[str, ...] = ()


class Criterion(Part):
    """One rule of who may enter, evaluated from what was measured at screening.

    Without a sentence it is the investigator who says whether it holds: data cannot.
    """

    label: Words
    type: Literal["inclusion", "exclusion"] = "inclusion"
    when: str = Field("", description="A sentence at screening; left out where the investigator judges.")
    within: SomeDays | None = Field(None, description="Older values do not count.")

    @property
    def is_judged(self) -> bool:
        """Whether the investigator says it."""
        return not self.when


class Regimen(Part):
    """One drug of one arm, as it is to be taken."""

    drug: Words
    codes: tuple[Words, ...] = Field((), description="How exposure records name it.")
    target: str = Field("", description="Daily target dose with unit, such as `2 g/day` or `2 mg/kg/day`.")
    minimum: str = ""
    from_day: StudyDay = 1
    until: Days | None = None
    is_placebo: bool = False


class Arm(Part):
    """A treatment group."""

    label: Words
    codes: tuple[Words, ...] = Field((), description="How the data name it, beside its key and label.")
    regimens: tuple[Regimen, ...] = ()
    planned_from_induction: str = Field(
        "", description="Induction treatment that leads here, if not randomized."
    )


class Masking(Part):
    """Who may not know the arm, and how that is kept."""

    blinded: tuple[str, ...] = ()
    method: str = ""
    committee_does_not_see: tuple[str, ...] = ()


class RandomizationScheme(Part):
    """The rule by which arms follow one another, within each stratum.

    Written for those who draw the lists: it is in no page, export or message for those who enrol patients
    (SPIRIT 2025, item 21b).
    """

    kind: Literal[
        "complete",
        "permuted_blocks",
        "efron",
        "big_stick",
        "biased_coin",
        "maximal",
        "brick_tunnel",
        "minimization",
    ]
    sizes: tuple[Count, ...] = ()
    limit: Count | None = None
    p: Annotated[float, Field(ge=0.5, le=1, allow_inf_nan=False)] | None = None
    ends_balanced: bool | None = None
    list_length: Count | None = None
    emergency_length: Annotated[int, Field(ge=0)] = 0


class Randomization(Part):
    """How patients are allocated."""

    ratio: dict[str, Count] = Field(min_length=1)
    strata: tuple[Name, ...] = ()
    method: str = ""
    center_blocked: bool = False
    analyze_strata: Literal["used", "actual"] = "used"
    scheme: RandomizationScheme | None = None


# Time --------------------------------------------------------------------------------------------


class Epoch(Part):
    """A named stretch of study days, both ends counted; an open end is left out."""

    label: Words
    first_day: StudyDay | None = None
    last_day: StudyDay | None = None


class Visit(Part):
    """A planned visit: its target day and the window in which it counts as that visit."""

    name: Words
    number: Number
    day: StudyDay
    first_day: StudyDay | None = None
    last_day: StudyDay | None = None
    codes: tuple[Words, ...] = Field((), description="How data name it, beside its name.")
    month: Number | None = None


class EventVisit(Part):
    """A visit that something brings about: early withdrawal, treatment failure."""

    name: Words
    codes: tuple[Words, ...] = Field((), description="How data name it, beside its name.")
    when: str = Field("", description="What brings it about, for readers.")


class Schedule(Part):
    """Visits, and how rows are gathered into assessments."""

    visits: tuple[Visit, ...]
    at_events: tuple[EventVisit, ...] = ()
    contacts: tuple[Contact, ...] = ()
    gather_by: tuple[Literal["visit", "window", "day"], ...] = ("visit", "window", "day")


class BaselineRule(Part):
    """Which value is the baseline: the last one at or before `last_day`, flagged ones first."""

    last_day: StudyDay = 1
    first_day: StudyDay | None = None
    prefer_flagged: bool = True
    visits: tuple[str, ...] = Field((), description="If given, only values of these visits.")


class FollowUpRule(Part):
    """When a patient's follow-up ends, if no event and no `censor_at` ended it before.

    `last_contact`: the last day on which anything is known of the patient (a visit, a value, the
    disposition, death).  `end_of_participation`: the day that the data give for the end of
    participation (`end_date` of the subjects), where they give one, whatever is known later.
    """

    ends: Literal["last_contact", "end_of_participation"] = "last_contact"


# What is observed ---------------------------------------------------------------------------------


class MeasureSpec(Part):
    """What a measure's name means: the tests it is read from, or the equation it follows."""

    label: Words
    unit: str = ""
    type: Literal["number", "yes_no", "grade", "text"] = "number"
    tests: tuple[Words, ...] = Field((), description="Test codes, most trusted first.")
    category: str = Field(
        "", description="Only records of this category, or of this planned time point within a visit."
    )
    equation: Literal["", "mdrd-186", "mdrd-175", "ckd-epi-2009", "ckd-epi-2021"] = ""
    score: Literal["", "sledai-2k", "sledai-2k-extrarenal"] = ""
    yes: tuple[Words, ...] = Field((), description="Texts that mean yes, beside Y, YES, PRESENT, POSITIVE.")
    no: tuple[Words, ...] = ()
    grades: dict[str, Number] = Field(default_factory=dict, description="Texts and the grades they mean.")
    plausible: Limits = (None, None)
    normal: Limits = (None, None)
    normal_by_sex: dict[Literal["F", "M"], Limits] = Field(default_factory=dict)
    unit_if_missing: str = Field("", description="Unit to take where a record has none (a finding is kept).")
    digits: Digits | None = None
    log_scale: bool = False


class Covariate(Part):
    """A patient's characteristic: a column of the subjects' table, or a measure's baseline value."""

    label: Words
    type: Literal["number", "category"] = "category"
    unit: str = ""
    from_measure: Name | Literal[""] = ""
    column: str = Field("", description="The column of the subjects' file, if not the covariate's name.")
    levels: dict[str, tuple[Words, ...]] = Field(
        default_factory=dict, description="Levels in order, each with the texts that mean it."
    )
    cut: tuple[Number, ...] = Field(
        (), description="Cut points that make categories of a number; each begins the category above it."
    )
    cut_labels: tuple[Words, ...] = ()
    of: Name | Literal[""] = Field("", description="The covariate that is cut or grouped.")
    when: str = Field("", description="Or a sentence at baseline: its levels are `yes` and `no`.")
    default: str = Field(
        "", description="What every patient has where the data tell it of none: all were of one kind, say."
    )


# What is asked -------------------------------------------------------------------------------------


class EndpointSpec(Part):
    """An event, a state, a composite or a value, as a sentence.

    Exactly one of `when`, `state`, `first_of`, `value` is given.  An event has a date: the first
    assessment or record after day 1 at which `when` is true.  A state holds, or not, at each
    assessment.  A composite is the first of its components, and keeps the later ones.
    """

    label: Words
    when: str = ""
    state: str = ""
    first_of: tuple[Name, ...] = ()
    value: str = ""
    unit: str = ""
    adjudicated: bool = False
    censor_at: tuple[Name, ...] = Field(
        (), description="Event endpoints that end follow-up; follow-up's own end always does."
    )
    unknown: Literal["no", "yes"] = Field("no", description="What a sentence that stays unknown counts as.")
    origin: Literal["day_1", "first_dose"] = "day_1"
    first_day: StudyDay | None = Field(
        None, description="Earliest day of an event; else day 2, 1 for records."
    )
    last_day: StudyDay | None = None
    original_primary: bool = False

    @model_validator(mode="after")
    def _has_one_kind(self) -> EndpointSpec:
        given = [k for k in ("when", "state", "first_of", "value") if getattr(self, k)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of when, state, first_of, value (found {given or 'none'})")
        return self

    @property
    def kind(self) -> Literal["event", "state", "composite", "value"]:
        """What the endpoint gives."""
        if self.when:
            return "event"
        if self.state:
            return "state"
        return "composite" if self.first_of else "value"


class Population(Part):
    """Who is analyzed: a sentence about patients, and the arm they are counted in."""

    label: Words
    when: str
    by: Literal["planned", "actual"] = "planned"


class AdverseEventRules(Part):
    """When an adverse event counts as treatment-emergent (days after the last dose or visit)."""

    starts: Literal["first_dose", "day_1"] = "first_dose"
    nonserious_until: Literal["last_visit", "last_dose", "end"] = "end"
    nonserious_days_after: int = Field(0, ge=0, le=36_525)
    serious_until: Literal["last_visit", "last_dose", "end"] = "end"
    serious_days_after: int = Field(0, ge=0, le=36_525)
    partial_dates: Literal["conservative", "earliest"] = "conservative"


class Withdrawals(Part):
    """How dispositions are read: which mean completion, and the reasons in the report's words."""

    categories: tuple[str, ...] = Field((), description="Only disposition records of these categories.")
    completed: tuple[str, ...] = ("COMPLETED",)
    screen_failure: tuple[str, ...] = ("SCREEN FAILURE",)
    reasons: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Reasons in print order, each with the coded terms, or the reasons as written, that "
        "mean it; the first that fits counts.",
    )
    completed_when: str = Field("", description="Instead: a sentence about patients (`attended(...)`).")


class SampleSize(Part):
    """The size calculation, as planned."""

    per_arm: Count | None = None
    test: str = ""
    alpha: Share = 0.05
    power: Share | None = None
    assumed: dict[str, Number] = Field(default_factory=dict)
    hazard_ratio: Positive | None = None


# The whole --------------------------------------------------------------------------------------


class OpenChoice(Part):
    """A choice that the source leaves open and no part above could carry as its note."""

    topic: Words
    choice: Words


class ReportSpec(Part):
    """What the report says about itself, and its order of sections."""

    sections: tuple[Words, ...] = ()
    significance: Share = 0.05
    percent_digits: Digits = 1
    colors: dict[str, Color] = Field(
        default_factory=dict, description='A color of each arm in figures, such as `"#0b5394"`.'
    )


class SourcePreference(Part):
    """Where both a tabulation (SDTM) and an analysis dataset (ADaM) hold a table."""

    table: str
    use: Literal["sdtm", "adam", "sdtm_then_adam"] = "sdtm_then_adam"


class Protocol(Part):
    """A whole trial."""

    flarefree: Literal[1] = Field(description="Version of this file format.")
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: Words
    registration: str = ""
    condition: str = ""
    citations: tuple[Citation, ...] = ()
    design: Design
    arms: dict[str, Arm]
    reference_arm: str
    dosing: DoseRules = DoseRules()
    masking: Masking = Masking()
    randomization: Randomization | None = None
    epochs: dict[Name, Epoch] = Field(default_factory=dict)
    schedule: Schedule
    baseline: BaselineRule = BaselineRule()
    follow_up: FollowUpRule = FollowUpRule()
    covariates: dict[Name, Covariate] = Field(default_factory=dict)
    measures: dict[Name, MeasureSpec] = Field(default_factory=dict)
    endpoints: dict[Name, EndpointSpec] = Field(default_factory=dict)
    eligibility: dict[Name, Criterion] = Field(default_factory=dict)
    populations: dict[Name, Population]
    adjudication: AdjudicationRules = AdjudicationRules()
    adverse_events: AdverseEventRules = AdverseEventRules()
    withdrawals: Withdrawals = Withdrawals()
    sample_size: SampleSize | None = None
    sources: tuple[SourcePreference, ...] = ()
    analyses: dict[Name, Analysis] = Field(default_factory=dict)
    report: ReportSpec = ReportSpec()
    published: str = Field("", description="The file of published results beside the protocol.")
    choices: tuple[OpenChoice, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
