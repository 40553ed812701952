"""What a protocol's analyses ask for: one class a kind, told apart by `kind`.

`flarefree.protocol.schema` gives these names too; each kind's function is in `flarefree.analysis.plan`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flarefree.protocol.schema_parts import Digits, Months, Name, Number, Part, Positive, Words

__all__ = [
    "AdverseEventGroup",
    "AdverseEvents",
    "Agreement",
    "Analysis",
    "AnalysisBase",
    "BaselineTable",
    "BaselineVariable",
    "CategoriesByVisit",
    "ChangeFromBaseline",
    "Components",
    "Course",
    "DoseByVisit",
    "Exposure",
    "LaboratoryAbnormalities",
    "LogisticMixedModel",
    "Medications",
    "MixedModel",
    "Model",
    "ParticipantFlow",
    "PopulationsTable",
    "ResponseByVisit",
    "Shifts",
    "Subgroups",
    "SubjectsBySite",
    "TimeToEvent",
    "WithdrawalsTable",
]


class AnalysisBase(Part):
    """What every analysis has."""

    title: Words
    section: Words = "Results"
    population: Name
    purpose: Literal["primary", "secondary", "sensitivity", "safety", "descriptive"] = "descriptive"


class ParticipantFlow(AnalysisBase):
    """CONSORT flow: screened, randomized, dosed, withdrawn by reason, completed, analyzed."""

    kind: Literal["participant_flow"]


class PopulationsTable(AnalysisBase):
    """How many patients each population has, by arm."""

    kind: Literal["populations"]
    of: tuple[Name, ...]


class BaselineVariable(Part):
    """One characteristic of the baseline table."""

    variable: Name
    show: tuple[
        Literal["n_percent", "mean_sd", "median_iqr", "median_range", "geometric_mean_sd", "n"], ...
    ] = ()
    test: Literal["", "anova", "chi_square", "fisher", "kruskal_wallis", "t", "wilcoxon"] = ""
    digits: Digits | None = None


class BaselineTable(AnalysisBase):
    """Table 1."""

    kind: Literal["baseline_table"]
    variables: tuple[BaselineVariable, ...]
    show_total: bool = False


class Exposure(AnalysisBase):
    """Doses taken: mean daily dose, share at 80% of target, duration, prednisone at or under its ceiling."""

    kind: Literal["exposure"]
    adherence_threshold: float = Field(0.8, gt=0, le=1, allow_inf_nan=False)
    among_events_of: Name | Literal[""] = ""
    show: tuple[Literal["daily_dose", "adherence", "duration", "prednisone", "cumulative_dose"], ...] = (
        "daily_dose",
        "adherence",
        "duration",
        "prednisone",
    )


class Model(Part):
    """A model for a hazard ratio."""

    label: Words
    type: Literal["cox", "cox_stratified", "frailty"] = "cox"
    covariates: tuple[Name, ...] = ()
    strata: tuple[Name, ...] = ()
    cluster: Name | Literal[""] = ""


class TimeToEvent(AnalysisBase):
    """Kaplan-Meier curve with numbers at risk, log-rank test, hazard ratios."""

    kind: Literal["time_to_event"]
    endpoint: Name
    conf_type: Literal["log-log", "log", "plain"] = "log-log"
    strata: tuple[Name, ...] = ()
    models: tuple[Model, ...] = ()
    at_months: tuple[Months, ...] = ()
    curve: bool = True
    curve_shows: Literal["survival", "cumulative"] = "survival"
    time_unit: Literal["months", "days", "weeks"] = "months"
    tick_every: Positive = 6
    p_value: Literal["logrank", "wald"] = "logrank"


class Components(AnalysisBase):
    """Each of several endpoints: events, hazard ratio with limits, P."""

    kind: Literal["components"]
    endpoints: tuple[Name, ...]
    p_value: Literal["logrank", "wald"] = "logrank"


class Subgroups(AnalysisBase):
    """Forest plot: events, rate per 100 person-years, hazard ratio by subgroup, interaction P."""

    kind: Literal["subgroups"]
    endpoint: Name
    by: tuple[Name, ...]
    models: tuple[Model, ...] = ()
    cumulative_at_months: Months | None = None


class WithdrawalsTable(AnalysisBase):
    """Withdrawals by reason: counts, crude rates, rates per 100 patient-years, Fisher's P."""

    kind: Literal["withdrawals"]
    rates: bool = True
    events: tuple[Name, ...] = Field((), description="Event endpoints listed with the reasons.")
    test: Literal["", "fisher"] = "fisher"
    test_reasons: tuple[str, ...] = Field((), description="Only these rows are tested; all if empty.")
    show_total: bool = False


class AdverseEventGroup(Part):
    """One line of an adverse-event summary: a record sentence."""

    label: Words
    where: str = ""
    indent: int = Field(0, ge=0, le=10)


class AdverseEvents(AnalysisBase):
    """Patients with adverse events, each patient once a row: by body system and term, or by group."""

    kind: Literal["adverse_events"]
    where: str = Field("emergent", description="Which events are counted, as a record sentence.")
    by: tuple[Literal["body_system", "term"], ...] = ("body_system", "term")
    groups: tuple[AdverseEventGroup, ...] = ()
    any_label: Words = "Any adverse event"
    rates: bool = False
    show_events: bool = False
    test: Literal["", "fisher"] = "fisher"
    order: Literal["alphabetical", "frequency"] = "alphabetical"


class Course(AnalysisBase):
    """Measures by visit: mean and SD or geometric mean, change from baseline, LOCF at the end, a figure."""

    kind: Literal["course"]
    measures: tuple[Name, ...]
    summary: Literal["mean", "geometric_mean", "median"] = "mean"
    visits: tuple[str, ...] = Field((), description="All of the schedule's if empty.")
    change: bool = True
    locf: bool = False
    figure: bool = True
    spread: Literal["se", "sd", "ci"] = "se"


class ResponseByVisit(AnalysisBase):
    """A state by visit: patients in it, of those assessed, compared by Fisher's test."""

    kind: Literal["response_by_visit"]
    endpoint: Name
    visits: tuple[str, ...] = ()
    test: Literal["", "fisher"] = "fisher"


class ChangeFromBaseline(AnalysisBase):
    """A measure at one visit: summaries and ANCOVA (baseline, site, treatment), LOCF or observed."""

    kind: Literal["change_from_baseline"]
    measure: Name
    visit: str
    baseline_visit: str = "Baseline"
    imputation: Literal["locf", "observed"] = "observed"
    response: Literal["change", "value"] = "change"
    factors: tuple[Name, ...] = ()
    adjust_for_baseline: bool = True
    dose: dict[str, Number] = Field(
        default_factory=dict, description="Dose of each arm, for the test of dose response."
    )
    pairwise: bool = True
    only: str = Field("", description="A sentence about patients: a subgroup.")


class DoseByVisit(AnalysisBase):
    """Dose and drug trough by visit."""

    kind: Literal["dose_by_visit"]
    drug: Words
    trough: Name | Literal[""] = ""
    arm: str = ""
    visits: tuple[str, ...] = ()


TIMES_LOWER = "A value is low if it is below this many times the lower limit of normal."
TIMES_UPPER = "A value is high if it is above this many times the upper limit of normal."


class LaboratoryAbnormalities(AnalysisBase):
    """Patients with at least one abnormal value during treatment, by test, with Fisher's P.

    Abnormal is beyond the limits of normal, or a large change since the previous scheduled visit.
    """

    kind: Literal["laboratory_abnormalities"]
    measures: tuple[Name, ...] = ()
    visits: tuple[str, ...] = Field((), description="Only values of these visits; all after day 1 if empty.")
    abnormal: Literal["range", "change"] = Field(
        "range", description="Beyond the limits, or changed by much since the previous scheduled visit."
    )
    times_lower: float = Field(1.0, ge=0, allow_inf_nan=False, description=TIMES_LOWER)
    times_upper: float = Field(1.0, gt=0, allow_inf_nan=False, description=TIMES_UPPER)
    share_of_range: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="A change is large if it is more than this share of upper limit less lower limit.",
    )


class Shifts(AnalysisBase):
    """Patients by status at baseline and on treatment: low, normal, high; or in a state or not.

    On treatment is the most extreme value of the visits, or each visit by itself.
    """

    kind: Literal["shifts"]
    measures: tuple[Name, ...] = Field((), description="Tests, by the limits of normal.")
    endpoints: tuple[Name, ...] = Field((), description="States: who is in one at any of the visits.")
    visits: tuple[str, ...] = Field((), description="All after day 1 if empty.")
    by_visit: bool = Field(False, description="Each visit by itself; else the most extreme value of all.")
    times_lower: float = Field(1.0, ge=0, allow_inf_nan=False, description=TIMES_LOWER)
    times_upper: float = Field(1.0, gt=0, allow_inf_nan=False, description=TIMES_UPPER)
    test: Literal["", "cmh"] = Field(
        "cmh", description="Cochran-Mantel-Haenszel test of the arms, stratified by status at baseline."
    )


class CategoriesByVisit(AnalysisBase):
    """A measure with few values, as categories by visit: patients in each, compared within strata."""

    kind: Literal["categories_by_visit"]
    measure: Name
    visits: tuple[str, ...]
    categories: dict[str, Number] = Field(description="Labels in print order, and the value that each means.")
    imputation: Literal["locf", "observed"] = "observed"
    strata: tuple[Name, ...] = ()
    test: Literal["", "cmh"] = Field(
        "cmh", description="Cochran-Mantel-Haenszel test of general association."
    )


class SubjectsBySite(AnalysisBase):
    """How many patients of each population each site has, by arm; pooled sites with their members."""

    kind: Literal["subjects_by_site"]
    of: tuple[Name, ...]
    site: Name = "site"
    pooled: Name | Literal[""] = Field(
        "", description="The covariate that says with which sites one is pooled."
    )


class Medications(AnalysisBase):
    """Patients who took each drug, each patient once a row: by class and drug, most frequent first."""

    kind: Literal["medications"]
    where: str = Field("", description="Which records count, as a record sentence; all if empty.")
    by: tuple[Literal["drug_class", "drug"], ...] = ("drug_class", "drug")
    any_label: Words = "Any medication"
    test: Literal["", "fisher"] = ""
    show_total: bool = False
    order: Literal["alphabetical", "frequency"] = "frequency"


class Agreement(AnalysisBase):
    """How derived events, investigators and the committee agree."""

    kind: Literal["agreement"]
    endpoints: tuple[Name, ...]


class MixedModel(AnalysisBase):
    """Mixed model for repeated measures."""

    kind: Literal["mixed_model"]
    measures: tuple[Name, ...]
    formula: str
    covariance: tuple[str, ...] = ("us",)
    df: Literal["kenward-roger", "satterthwaite"] = "kenward-roger"
    visits: tuple[str, ...] = ()


class LogisticMixedModel(AnalysisBase):
    """Logistic mixed model for a state by visit."""

    kind: Literal["logistic_mixed_model"]
    endpoint: Name
    formula: str
    visits: tuple[str, ...] = ()


Analysis = Annotated[
    ParticipantFlow
    | PopulationsTable
    | BaselineTable
    | Exposure
    | TimeToEvent
    | Components
    | Subgroups
    | WithdrawalsTable
    | AdverseEvents
    | Course
    | ResponseByVisit
    | ChangeFromBaseline
    | DoseByVisit
    | LaboratoryAbnormalities
    | Shifts
    | CategoriesByVisit
    | SubjectsBySite
    | Medications
    | Agreement
    | MixedModel
    | LogisticMixedModel,
    Field(discriminator="kind"),
]
