"""From a study to frames: shapes, lineage, and every kind of endpoint in a protocol of its own."""

from __future__ import annotations

import polars as pl
import pytest

from flarefree.endpoints.derivation import (
    AGREEMENT_SCHEMA,
    ASSESSABILITY_SCHEMA,
    EVENTS_SCHEMA,
    STATES_SCHEMA,
    TIME_TO_EVENT_SCHEMA,
    VALUES_SCHEMA,
    Derivation,
)
from flarefree.endpoints.derive import derive, evaluator_of
from flarefree.endpoints.equations import compute_egfr
from flarefree.errors import ProtocolError, StudyError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol, parse_protocol
from patients_on_paper import Paper, date_of

SCHEMAS = {
    "events": EVENTS_SCHEMA,
    "time_to_event": TIME_TO_EVENT_SCHEMA,
    "states": STATES_SCHEMA,
    "values": VALUES_SCHEMA,
    "assessability": ASSESSABILITY_SCHEMA,
    "agreement": AGREEMENT_SCHEMA,
}

SMALL = """\
flarefree: 1
name: small
title: A small trial of every kind of endpoint
design: {{summary: Two arms, follow_up: 12 months}}
arms: {{MMF: {{label: Mycophenolate}}, AZA: {{label: Azathioprine}}}}
reference_arm: AZA
epochs: {{later: {{label: Later, first_day: 100}}}}
schedule:
  visits:
    - {{name: Month 0, number: 0, day: 1, first_day: -28, last_day: 1}}
    - {{name: Month 3, number: 3, day: 92, first_day: 62, last_day: 137}}
    - {{name: Month 6, number: 6, day: 184, first_day: 138, last_day: 229}}
baseline: {baseline}
measures:
  creatinine: {{label: Creatinine, unit: mg/dL, tests: [CREAT, SCR]}}
  upcr: {{label: UPCR, unit: mg/mg, tests: [UPCR]}}
  casts: {{label: Casts, type: yes_no, tests: [CASTS]}}
  egfr: {{label: eGFR, unit: mL/min/1.73 m2, equation: ckd-epi-2021}}
endpoints:
{endpoints}
populations:
  all: {{label: All, when: randomized}}
  attended: {{label: Seen at month 3, when: 'randomized and attended("Month 3")'}}
  assessed: {{label: Assessed, when: assessed(creatinine)}}
"""


def small(endpoints: str, baseline: str = "{last_day: 1}") -> LoadedProtocol:
    indented = "".join(f"  {line}\n" for line in endpoints.strip().splitlines())
    return parse_protocol(SMALL.format(endpoints=indented, baseline=baseline), "small.yaml")


def days(d: Derivation, endpoint: str) -> list[tuple[str, int, bool]]:
    """(patient, day, is event) of an endpoint."""
    return (
        d.time_to_event.filter(pl.col("endpoint") == endpoint)
        .select("subject", "stop_day", "is_event")
        .rows()
    )


@pytest.fixture
def two() -> Paper:
    paper = Paper()
    paper.patient("Ana", end=300).at(1, 0, creatinine=1.0, upcr=0.5).at(92, 3, creatinine=1.0, upcr=1.5)
    paper.patient("Bea", end=300).at(1, 0, creatinine=1.0).at(92, 3, creatinine=2.5).at(
        184, 6, creatinine=2.5
    )
    return paper


# Shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["alms-maintenance", "multitarget-maintenance", "cdisc-pilot"])
def test_frames_have_their_schemas_even_without_observations(protocol: str) -> None:
    paper = Paper(protocol=protocol, arms=(next(iter(load_protocol(protocol).spec.arms)),))
    paper.patient("Ana")
    d = derive(paper.study())
    for name, schema in SCHEMAS.items():
        assert dict(getattr(d, name).schema) == schema, name


def test_frames_have_their_schemas(two: Paper) -> None:
    d = derive(two.study(), "alms-maintenance")
    for name, schema in SCHEMAS.items():
        assert dict(getattr(d, name).schema) == schema, name


def test_deriving_twice_gives_the_same_frames(two: Paper) -> None:
    first, second = (derive(two.study(), "alms-maintenance") for _ in range(2))
    for name in SCHEMAS:
        assert getattr(first, name).equals(getattr(second, name)), name


def test_event_index_leads_to_the_event(two: Paper) -> None:
    d = derive(two.study(), "alms-maintenance")
    seen = d.time_to_event.filter("is_event")
    assert seen.height >= 3
    for row in seen.iter_rows(named=True):
        event = d.events.row(row["event_index"], named=True)
        assert (event["subject"], event["day"], event["is_used"]) == (row["subject"], row["stop_day"], True)
    unused = d.events.filter(~pl.col("is_used"))
    assert unused.get_column("reason").null_count() == 0
    assert d.events.filter("is_used").get_column("reason").null_count() == d.events.filter("is_used").height


def test_rows_of_an_event_are_the_rows_that_made_it(two: Paper) -> None:
    d = derive(two.study(), "alms-maintenance")
    (rows,) = d.events.filter(pl.col("endpoint") == "doubling").get_column("rows").to_list()
    values = [d.study["observations"].row(r["index"], named=True) for r in rows]
    assert [(v["measure"], v["day"], v["value"]) for v in values] == [
        ("creatinine", 1, 1.0), ("creatinine", 92, 2.5), ("creatinine", 184, 2.5),
    ]  # fmt: skip
    assert {r["table"] for r in rows} == {"observations"}


def test_values_keep_baseline_row_and_method(two: Paper) -> None:
    d = derive(two.study(), "alms-maintenance")
    bea = d.values.filter((pl.col("subject") == "Bea") & pl.col("measure").is_in(["creatinine", "egfr"]))
    rows = bea.select("measure", "day", "visit", "value", "is_baseline", "baseline", "method").rows()
    expected = compute_egfr(2.5, 30, True, False, "mdrd-186")
    assert rows[:3] == [
        ("creatinine", 1, "Month 0", 1.0, True, 1.0, None),
        ("creatinine", 92, "Month 3", 2.5, False, 1.0, None),
        ("creatinine", 184, "Month 6", 2.5, False, 1.0, None),
    ]
    assert rows[4][:4] == ("egfr", 92, "Month 3", pytest.approx(expected))
    assert rows[4][6] == "MDRD (186)"
    observed = bea.filter(pl.col("measure") == "creatinine").get_column("observation").to_list()
    assert [d.study["observations"].row(i, named=True)["value"] for i in observed] == [1.0, 2.5, 2.5]


def test_who_failed_screening_has_no_endpoints() -> None:
    paper = Paper(protocol="alms-maintenance")
    paper.patient("Ana", is_screen_failure=True, arm=None).dies(5)
    paper.rows["subjects"][0]["arm"] = None
    d = derive(paper.study())
    assert d.time_to_event.height == d.events.height == d.states.height == 0
    assert d.subjects.select("in_itt", "in_safety").row(0) == (False, False)


def test_populations(two: Paper) -> None:
    two.patient("Cleo", end=10)
    d = derive(two.study(), small("death: {label: Death, when: death}"))
    assert d.subjects.select("subject", "in_all", "in_attended", "in_assessed").rows() == [
        ("Ana", True, True, True), ("Bea", True, True, True), ("Cleo", True, False, False),
    ]  # fmt: skip


# Endpoints of every kind --------------------------------------------------------------------------


def test_records_or_assessments_whichever_comes_first(two: Paper) -> None:
    """A patient on dialysis before her creatinine shows it, and one whose creatinine shows it alone."""
    two.rows["procedures"].clear()
    two.add("procedures", subject="Ana", name="dialysis", start_day=50, start_date=date_of(50))
    d = derive(two.study(), small(
        'failure: {label: F, when: (procedure where name = "dialysis") or creatinine >= 2 mg/dL}'
    ))  # fmt: skip
    assert days(d, "failure") == [("Ana", 50, True), ("Bea", 92, True)]


def test_a_record_together_with_a_value_is_read_at_the_next_assessment(two: Paper) -> None:
    """`and` joins both at one assessment: the drug has begun by then, and the ratio is up."""
    two.add("medications", subject="Ana", drug="tacrolimus", start_day=50, start_date=date_of(50))
    two.add("medications", subject="Bea", drug="tacrolimus", start_day=50, start_date=date_of(50))
    d = derive(two.study(), small("on_drug: {label: F, when: medication and upcr >= 1 mg/mg}"))
    assert days(d, "on_drug") == [("Ana", 92, True), ("Bea", 300, False)]
    (rows,) = d.events.get_column("rows").to_list()
    assert [r["table"] for r in rows] == ["observations", "medications"]


def test_records_within_an_epoch(two: Paper) -> None:
    for day in (50, 120):
        two.add("medications", subject="Ana", drug="tacrolimus", start_day=day, start_date=date_of(day))
    d = derive(two.study(), small("late_drug: {label: F, when: medication during later}"))
    assert days(d, "late_drug")[0] == ("Ana", 120, True)


def test_an_event_named_by_another_sentence(two: Paper) -> None:
    """Who doubled and is on high creatinine afterwards; who never doubled is not."""
    d = derive(
        two.study(),
        small("""
doubled: {label: D, when: creatinine >= 2 * baseline(creatinine)}
still_high: {label: S, when: "was(doubled) and creatinine >= 2 mg/dL"}
free: {label: Free of it, state: not doubled}
"""),
    )
    assert days(d, "still_high") == [("Ana", 300, False), ("Bea", 184, True)]
    free = d.states.filter(pl.col("subject") == "Bea").select("day", "holds").rows()
    assert free == [(1, True), (92, False), (184, False)]


def test_an_unknown_may_count_as_an_event(two: Paper) -> None:
    """`unknown: yes` is the cautious reading: Bea's ratio was never measured after day 1."""
    text = "flare: {{label: F, when: upcr >= 9 mg/mg, unknown: '{0}'}}"
    assert days(derive(two.study(), small(text.format("no"))), "flare")[1] == ("Bea", 300, False)
    assert days(derive(two.study(), small(text.format("yes"))), "flare")[1] == ("Bea", 92, True)


def test_days_before_and_after_which_nothing_counts(two: Paper) -> None:
    d = derive(
        two.study(),
        small("""
late: {label: L, when: creatinine >= 2 mg/dL, first_day: 93}
early: {label: E, when: creatinine >= 2 mg/dL, last_day: 91}
"""),
    )
    assert days(d, "late")[1] == ("Bea", 184, True)
    assert days(d, "early")[1] == ("Bea", 300, False)


def test_time_may_run_from_the_first_dose() -> None:
    paper = Paper()
    paper.patient("Ana", end=300, first_dose_day=5).at(1, 0, creatinine=1.0).at(92, 3, creatinine=2.5)
    paper.patient("Bea", end=300, first_dose_day=None)
    d = derive(paper.study(), small("high: {label: H, when: creatinine >= 2 mg/dL, origin: first_dose}"))
    assert d.time_to_event.select("subject", "start_day", "stop_day", "time").rows() == [("Ana", 5, 92, 88)]


def test_a_value_endpoint(two: Paper) -> None:
    d = derive(two.study(), small("fold: {label: Fold, value: creatinine / baseline(creatinine)}"))
    bea = d.values.filter((pl.col("measure") == "fold") & (pl.col("subject") == "Bea"))
    assert bea.select("day", "value", "is_baseline", "baseline").rows() == [
        (1, 1.0, True, 1.0), (92, 2.5, False, 1.0), (184, 2.5, False, 1.0),
    ]  # fmt: skip


def test_composites_of_composites_name_the_part_and_rest_on_its_event(two: Paper) -> None:
    two.patient("Cleo", end=80).dies(80)
    d = derive(
        two.study(),
        small("""
high: {label: H, when: creatinine >= 2 mg/dL}
proteinuric: {label: P, when: upcr >= 1 mg/mg}
flare: {label: F, first_of: [high, proteinuric]}
death: {label: D, when: death}
failure: {label: T, first_of: [death, flare]}
"""),
    )
    rows = (
        d.time_to_event.filter(pl.col("endpoint") == "failure")
        .select("subject", "component", "event_index")
        .rows()
    )
    leaves = [d.events.row(i, named=True)["endpoint"] for _, _, i in rows]
    assert [(s, c) for s, c, _ in rows] == [("Ana", "flare"), ("Bea", "flare"), ("Cleo", "death")]
    assert leaves == ["proteinuric", "high", "death"]


def test_an_episode_begins_again_only_after_it_was_over() -> None:
    paper = Paper()
    p = paper.patient("Ana", end=500)
    for day, value in ((1, 1.0), (30, 3.0), (60, None), (90, 3.0), (120, 1.0), (150, 3.0)):
        p.at(day, None, creatinine=value, upcr=0.1)
    d = derive(paper.study(), small("high: {label: H, when: creatinine >= 2 mg/dL}"))
    assert d.events.select("episode", "day", "is_used", "reason").rows() == [
        (1, 30, True, None), (2, 150, False, "later than the first"),
    ]  # fmt: skip


# Which value counts -------------------------------------------------------------------------------


def test_the_flagged_baseline_goes_before_a_later_one() -> None:
    paper = Paper()
    p = paper.patient("Ana", end=100)
    p.value("creatinine", -20, 0.8, is_baseline=True).value("creatinine", 1, 1.0).value("creatinine", 90, 1.6)
    high = "high: {label: H, when: creatinine >= 2 * baseline(creatinine)}"
    assert days(derive(paper.study(), small(high)), "high") == [("Ana", 90, True)]
    unflagged = small(high, "{last_day: 1, prefer_flagged: false}")
    assert days(derive(paper.study(), unflagged), "high") == [("Ana", 100, False)]


def test_a_baseline_of_named_visits_only() -> None:
    paper = Paper()
    p = paper.patient("Ana", end=100)
    p.value("creatinine", 1, 1.0, visit=0).value("creatinine", -5, 5.0, visit="Rescreening")
    only = small("high: {label: H, when: creatinine > 9 mg/dL}", "{last_day: 1, visits: [Month 0]}")
    assert derive(paper.study(), only).values.get_column("baseline").to_list()[0] == 1.0


def test_the_most_trusted_test_of_a_visit_counts() -> None:
    """Two tests give creatinine; the protocol names CREAT first, whatever came later that day."""
    paper = Paper()
    p = paper.patient("Ana", end=100)
    p.value("creatinine", 92, 1.1, visit=3, test="CREAT").value("creatinine", 93, 9.9, visit=3, test="scr")
    d = derive(paper.study(), small("death: {label: Death, when: death}"))
    creatinine = d.values.filter(pl.col("measure") == "creatinine")
    assert creatinine.select("day", "value").rows() == [(92, 1.1)]


def test_what_others_derived_is_not_observed() -> None:
    paper = Paper()
    p = paper.patient("Ana", end=100)
    p.value("creatinine", 1, 1.0, visit=0).value("creatinine", 92, 1.0, visit=3, derivation="LOCF")
    d = derive(paper.study(), small("death: {label: Death, when: death}"))
    assert d.values.filter(pl.col("measure") == "creatinine").get_column("day").to_list() == [1]


# What cannot be done ------------------------------------------------------------------------------


def test_without_a_protocol() -> None:
    paper = Paper()
    paper.patient("Ana")
    with pytest.raises(StudyError, match="no protocol"):
        derive(paper.study())


def test_without_patients() -> None:
    with pytest.raises(StudyError, match="no patients"):
        derive(Paper(protocol="alms-maintenance").study())


def test_a_patient_who_stands_twice() -> None:
    paper = Paper(protocol="alms-maintenance")
    for name in ("Ana", "Bea", "Ana"):
        paper.patient(name)
    with pytest.raises(StudyError, match="stands twice") as refused:
        derive(paper.study())
    assert refused.value.found == "Ana"


def test_a_decision_on_what_is_not_adjudicated_is_said(two: Paper) -> None:
    two.add("decisions", subject="Bea", endpoint="kidney_failure", reader="committee", is_confirmed=True)
    d = derive(two.study(), "alms-maintenance")
    assert [(f.code, f.subject, f.found, f.file, f.row) for f in d.findings] == [
        ("unused-decision", "Bea", "kidney_failure", "decisions.csv", 1)
    ]
    assert days(d, "kidney_failure")[1] == ("Bea", 300, False)


def test_a_score_whose_descriptors_are_not_in_the_protocol(two: Paper) -> None:
    text = SMALL.format(endpoints="  death: {label: D, when: death}\n", baseline="{last_day: 1}")
    text = text.replace("  casts:", "  sledai: {label: SLEDAI, score: sledai-2k}\n  casts:")
    with pytest.raises(ProtocolError, match="SLEDAI-2K"):
        derive(two.study(), parse_protocol(text, "small.yaml"))


def test_an_evaluator_for_sentences_beside_the_endpoints(two: Paper) -> None:
    from flarefree.protocol.language.nodes import Holds

    d = derive(two.study(), "alms-maintenance")
    begun = evaluator_of(d).condition(Holds("doubling")).verdicts
    assert begun.tolist() == [0, 0, 0, 1, 1]
