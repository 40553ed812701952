"""The built-in protocols say what their papers say: rule by rule, each with the paper's words beside it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flarefree.protocol import LoadedProtocol, load_protocol
from flarefree.protocol.language.printing import print_node
from flarefree.protocol.schema import AdverseEvents, ChangeFromBaseline, MixedModel, Subgroups, TimeToEvent


@pytest.fixture(scope="module")
def alms() -> LoadedProtocol:
    return load_protocol("alms-maintenance")


@pytest.fixture(scope="module")
def multitarget() -> LoadedProtocol:
    return load_protocol("multitarget-maintenance")


@pytest.fixture(scope="module")
def pilot() -> LoadedProtocol:
    return load_protocol("cdisc-pilot")


def says(protocol: LoadedProtocol, endpoint: str) -> str:
    spec = protocol.spec.endpoints[endpoint]
    part = {"event": "when", "state": "state"}[spec.kind]
    return print_node(protocol.sentences[f"endpoints.{endpoint}.{part}"])


# ALMS maintenance [dooley2011] --------------------------------------------------------------------


def test_alms_visits_at_months_0_1_2_3_then_every_3_to_36(alms: LoadedProtocol) -> None:
    months = [visit.month for visit in alms.spec.schedule.visits]
    assert months == [0, 1, 2, *range(3, 37, 3)]
    assert [visit.name for visit in alms.spec.schedule.at_events] == ["Early withdrawal", "Treatment failure"]


def test_alms_windows_leave_no_day_out(alms: LoadedProtocol) -> None:
    visits = alms.spec.schedule.visits
    for before, after in pairwise(visits):
        assert before.last_day is not None
        assert after.first_day == before.last_day + 1


def test_alms_contacts(alms: LoadedProtocol) -> None:
    contacts = {contact.name: contact for contact in alms.spec.schedule.contacts}
    assert contacts["Telephone"].every_months == 1
    assert contacts["Safety follow-up"].after_last_visit == 30
    assert (contacts["Vital status"].every_months, contacts["Vital status"].until) == (12, 1096)
    assert contacts["Vital status"].of == "stopped"


def test_alms_doses(alms: LoadedProtocol) -> None:
    doses = {
        key: [(r.drug, r.target, r.minimum) for r in arm.regimens] for key, arm in alms.spec.arms.items()
    }
    assert doses["MMF"] == [("mycophenolate mofetil", "2 g/day", "1 g/day"), ("azathioprine placebo", "", "")]
    assert doses["AZA"][0] == ("azathioprine", "2 mg/kg/day", "50 mg/day")
    rules = alms.spec.dosing
    assert (rules.low_weight_kg, rules.longest_interruption) == (50, 14)
    assert rules.prednisone_ceiling == "10 mg/day"
    assert rules.needs_approval == ("ACE inhibitor", "angiotensin-receptor blocker", "NSAID")


def test_alms_randomization_and_masking(alms: LoadedProtocol) -> None:
    randomization = alms.spec.randomization
    assert randomization is not None
    assert randomization.ratio == {"MMF": 1, "AZA": 1}
    assert randomization.strata == ("induction_drug", "race", "biopsy_class")
    assert alms.spec.masking.committee_does_not_see == ("treatment assignment", "adverse-event listings")


def test_alms_treatment_failure_is_the_first_of_five(alms: LoadedProtocol) -> None:
    failure = alms.spec.endpoints["treatment_failure"]
    assert failure.first_of == ("death", "esrd", "doubling", "renal_flare", "rescue")
    assert failure.censor_at == ("withdrawal",)  # "censoring of data for patients who withdrew"


def test_alms_primary_before_the_amendment(alms: LoadedProtocol) -> None:
    broad = alms.spec.endpoints["broad_treatment_failure"]
    primary = alms.spec.endpoints["treatment_failure"]
    assert set(broad.first_of) == {*primary.first_of, "major_extrarenal_flare", "withdrawal"}
    assert [name for name, e in alms.spec.endpoints.items() if e.original_primary] == [
        "broad_treatment_failure"
    ]


def test_alms_every_component_is_adjudicated(alms: LoadedProtocol) -> None:
    adjudicated = {name for name, endpoint in alms.spec.endpoints.items() if endpoint.adjudicated}
    assert adjudicated == {
        *alms.spec.endpoints["treatment_failure"].first_of,
        "suspected_renal_flare",
        "major_extrarenal_flare",
        "suspected_extrarenal_flare",
    }


def test_alms_proteinuric_flare(alms: LoadedProtocol) -> None:
    """A doubled ratio, and 1 g/24 h where it was at most 0.5 at the end of induction, 2 g where above."""
    assert says(alms, "proteinuric_flare") == (
        "upcr >= 2 * baseline(upcr) and "
        "proteinuria >= (1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)"
    )


def test_alms_nephritic_flare(alms: LoadedProtocol) -> None:
    """Creatinine 25% above the lowest from screening to the end of induction, and one of the findings."""
    said = says(alms, "nephritic_flare")
    assert said.startswith("creatinine >= 1.25 * lowest(creatinine, during induction) and (")
    for finding in (
        "(proteinuria >= 2 * baseline(proteinuria) and proteinuria >= 2 g/day)",
        "(red_cells >= 5 /hpf and red_cells > baseline(red_cells))",
        '(dipstick_blood >= "2+" and dipstick_blood > baseline(dipstick_blood))',
        "(cellular_casts and not baseline(cellular_casts))",
    ):
        assert finding in said


def test_alms_remissions(alms: LoadedProtocol) -> None:
    assert says(alms, "complete_remission") == (
        "proteinuria < 0.5 g/day and not hematuria and not cellular_casts "
        "and creatinine <= 1.25 * baseline(creatinine)"
    )
    assert says(alms, "combined_remission") == "complete_remission and not major_extrarenal_activity"
    activity = says(alms, "major_extrarenal_activity")
    assert activity.count('= "A"') == activity.count('= "B"') == 8
    assert activity.endswith(">= 3")


def test_alms_emergent_window(alms: LoadedProtocol) -> None:
    rules = alms.spec.adverse_events
    assert (rules.starts, rules.nonserious_until, rules.nonserious_days_after) == (
        "first_dose",
        "last_visit",
        14,
    )
    assert rules.serious_until == "end"


def test_alms_sample_size(alms: LoadedProtocol) -> None:
    size = alms.spec.sample_size
    assert size is not None
    assert (size.per_arm, size.power, size.alpha, size.hazard_ratio) == (114, 0.80, 0.05, 0.475)
    assert size.assumed == {"AZA": 0.375, "MMF": 0.20}


def test_alms_equation_and_reference_ranges(alms: LoadedProtocol) -> None:
    measures = alms.spec.measures
    assert measures["egfr"].equation == "mdrd-186"
    assert measures["upcr"].normal == (0.015, 0.220)
    assert measures["creatinine"].normal == (0.49, 1.40)
    assert measures["egfr"].normal == (90, 120)
    assert measures["anti_dsdna"].normal == (None, 30)


def test_alms_primary_analysis(alms: LoadedProtocol) -> None:
    primary = alms.spec.analyses["primary"]
    assert isinstance(primary, TimeToEvent)
    assert (primary.endpoint, primary.population, primary.purpose) == ("treatment_failure", "itt", "primary")
    assert [model.covariates for model in primary.models] == [
        (),
        ("baseline_creatinine",),
        ("baseline_egfr",),
    ]
    subgroups = alms.spec.analyses["subgroups"]
    assert isinstance(subgroups, Subgroups)
    assert subgroups.by == ("induction_drug", "race", "region_group")


def test_alms_rest_of_world_is_europe_south_africa_and_australia(alms: LoadedProtocol) -> None:
    levels = alms.spec.covariates["region_group"].levels
    assert levels["Rest of world"] == ("Europe", "South Africa", "Australia")


# Multitarget maintenance [zhang2017] ----------------------------------------------------------------


def test_multitarget_visits(multitarget: LoadedProtocol) -> None:
    assert [v.month for v in multitarget.spec.schedule.visits] == [0, 1, 3, 6, 9, 12, 15, 18]


def test_multitarget_is_not_randomized_again(multitarget: LoadedProtocol) -> None:
    assert multitarget.spec.randomization is None
    assert {key: arm.planned_from_induction for key, arm in multitarget.spec.arms.items()} == {
        "MT": "Multitarget therapy",
        "AZA": "Intravenous cyclophosphamide",
    }


def test_multitarget_doses_taper_after_six_months(multitarget: LoadedProtocol) -> None:
    regimens = [(r.drug, r.target, r.from_day, r.until) for r in multitarget.spec.arms["MT"].regimens]
    assert regimens == [
        ("mycophenolate mofetil", "0.75 g/day", 1, 183),
        ("mycophenolate mofetil", "0.5 g/day", 184, 548),
        ("tacrolimus", "3 mg/day", 1, 183),
        ("tacrolimus", "2 mg/day", 184, 548),
        ("prednisone", "10 mg/day", 1, 548),
    ]
    assert multitarget.spec.dosing.trough_window == "4 to 8 ng/mL"
    assert len(multitarget.spec.dosing.interacting) == 6


def test_multitarget_remissions(multitarget: LoadedProtocol) -> None:
    assert says(multitarget, "complete_remission") == (
        "proteinuria <= 0.4 g/day and not active_sediment and albumin >= 35 g/L "
        "and creatinine <= upper_limit(creatinine)"
    )
    partial = says(multitarget, "partial_remission")
    assert "proteinuria <= 0.5 * first(proteinuria, during induction) and proteinuria < 3.5 g/day" in partial
    assert "albumin >= 30 g/L" in partial


def test_multitarget_relapse(multitarget: LoadedProtocol) -> None:
    assert multitarget.spec.endpoints["renal_relapse"].first_of == (
        "relapse_of_proteinuria",
        "relapse_of_creatinine",
    )
    protein, creatinine = (
        says(multitarget, "relapse_of_proteinuria"),
        says(multitarget, "relapse_of_creatinine"),
    )
    assert "proteinuria >= 1 g/day" in protein
    assert "change(proteinuria) >= 2 g/day" in protein
    assert (
        "(1.5 * baseline(creatinine) if baseline(creatinine) <= upper_limit(creatinine) "
        "else 1.3 * baseline(creatinine))"
    ) in creatinine
    for sentence in (protein, creatinine, says(multitarget, "extrarenal_relapse")):
        assert sentence.endswith("within 14 to 42 days)")


def test_multitarget_harm(multitarget: LoadedProtocol) -> None:
    assert says(multitarget, "leukopenia") == "white_blood_cells < 4000 /uL"
    assert says(multitarget, "liver_dysfunction") == "alt > 50 U/L or ast > 50 U/L"


def test_multitarget_analyses(multitarget: LoadedProtocol) -> None:
    analyses = multitarget.spec.analyses
    primary, course = analyses["renal_relapse"], analyses["course_model"]
    assert isinstance(primary, TimeToEvent)
    assert [(m.type, m.cluster, m.covariates) for m in primary.models] == [
        ("frailty", "site", ()),
        ("frailty", "site", ("remission_status", "baseline_proteinuria", "baseline_sledai")),
    ]
    assert primary.conf_type == "log-log"
    assert isinstance(course, MixedModel)
    assert course.formula == "value ~ baseline + arm*visit + us(visit | subject)"
    assert analyses["remission_model"].kind == "logistic_mixed_model"
    assert multitarget.spec.measures["egfr"].equation == "ckd-epi-2009"


# The CDISC pilot [sap] --------------------------------------------------------------------------------


def test_pilot_windows_are_those_of_the_plan(pilot: LoadedProtocol) -> None:
    """Section 8.2, NPI-X."""
    windows = {v.name: (v.first_day, v.last_day) for v in pilot.spec.schedule.visits if v.last_day}
    assert windows["Week 2"] == (2, 21)
    assert windows["Week 8"] == (50, 63)
    assert windows["Week 16"] == (106, 119)
    assert windows["Week 24"] == (162, 175)


def test_pilot_efficacy_tables(pilot: LoadedProtocol) -> None:
    """Section 13.1.1: week 24 for both, then weeks 8 and 16, completers, men, women, NPI-X."""
    asked = {
        name: (a.measure, a.visit, a.imputation, a.population, a.only)
        for name, a in pilot.spec.analyses.items()
        if isinstance(a, ChangeFromBaseline)
    }
    assert asked == {
        "adas_week_24": ("adas_cog", "Week 24", "locf", "efficacy", ""),
        "cibic_week_24": ("cibic", "Week 24", "locf", "efficacy", ""),
        "adas_week_8": ("adas_cog", "Week 8", "locf", "efficacy", ""),
        "cibic_week_8": ("cibic", "Week 8", "locf", "efficacy", ""),
        "adas_week_16": ("adas_cog", "Week 16", "locf", "efficacy", ""),
        "cibic_week_16": ("cibic", "Week 16", "locf", "efficacy", ""),
        "adas_completers": ("adas_cog", "Week 24", "observed", "completers_24", ""),
        "adas_male": ("adas_cog", "Week 24", "locf", "efficacy", 'sex = "M"'),
        "adas_female": ("adas_cog", "Week 24", "locf", "efficacy", 'sex = "F"'),
        "npix": ("npix_mean", "Weeks 4-24", "observed", "efficacy", ""),
    }


def test_pilot_adverse_events_count_events_as_well(pilot: LoadedProtocol) -> None:
    table = pilot.spec.analyses["adverse_events"]
    assert isinstance(table, AdverseEvents)
    assert (table.by, table.show_events, table.test) == (("body_system", "term"), True, "fisher")


# All of them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alms-maintenance", "multitarget-maintenance"])
def test_every_choice_that_a_paper_leaves_open_has_a_note(name: str) -> None:
    spec = load_protocol(name).spec
    for endpoint in ("esrd", "doubling", "active_sediment"):
        assert spec.endpoints[endpoint].note
    assert "not published" in spec.schedule.note  # visit windows


@pytest.mark.parametrize("name", ["alms-maintenance", "multitarget-maintenance", "cdisc-pilot"])
def test_every_citation_is_given(name: str) -> None:
    assert all(citation.text for citation in load_protocol(name).spec.citations)
