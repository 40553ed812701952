"""Why a patient had an endpoint, or had not: the text, the tree, and what cannot be asked."""

from __future__ import annotations

import json

import polars as pl
import pytest

from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.derive import derive
from flarefree.endpoints.explain import explain, render_text
from flarefree.errors import ProtocolError, StudyError
from patients_on_paper import Paper

QUIET = {"red_cells": 1, "dipstick_blood": 0, "cellular_casts": False}


@pytest.fixture(scope="module")
def d() -> Derivation:
    paper = Paper(protocol="alms-maintenance")
    ada = paper.patient("Ada", end=400).at(1, 0, proteinuria=0.5)
    ada.value("upcr", 1, 0.442, visit=0, original_value="50", original_unit="mg/mmol", unit="mg/mg")
    ada.at(92, 3, upcr=0.884, proteinuria=1.0)
    nora = paper.patient("Nora", end=400).at(1, 0, upcr=0.6, proteinuria=0.5)
    nora.at(92, 3, upcr=1.3, proteinuria=1.1).at(95, 3, upcr=0.7)
    zoe = paper.patient("Zoe", end=400).at(1, 0, creatinine=0.8, **QUIET).at(92, 3, creatinine=1.7)
    zoe.at(120, None, creatinine=1.2).has("procedures", 100, name="Dialysis", end_day=126)
    vera = (
        paper.patient("Vera", end=400)
        .at(1, 0, upcr=0.6, proteinuria=0.5)
        .at(92, 3, upcr=1.3, proteinuria=1.1)
    )
    vera.decided("committee", "renal_flare", False, 92)
    sara = (
        paper.patient("Sara", end=400)
        .at(1, 0, upcr=0.6, proteinuria=0.5)
        .at(92, 3, upcr=1.3, proteinuria=1.1)
    )
    sara.begins("Rituximab", 50, "Lupus nephritis")
    return derive(paper.study())


def text(d: Derivation, subject: str, endpoint: str) -> str:
    return render_text(explain(d, subject, endpoint))


def test_an_event_as_a_tree_down_to_the_rows(d: Derivation) -> None:
    """The whole page of Ada's flare, without the protocol's line and note."""
    lines = text(d, "Ada", "proteinuric_flare").splitlines()
    shown = [line for line in lines if "alms-maintenance.yaml" not in line]
    start, stop = shown.index("At day 92, Month 3:"), shown.index("Candidate events:")
    assert shown[:2] == [
        "Ada: Proteinuric renal flare (proteinuric_flare)",
        "Event on day 92 (2006-04-02), as the rule finds it.",
    ]
    assert (
        "\n".join(shown[start:stop]).rstrip()
        == """\
At day 92, Month 3:
  true  upcr >= 2 * baseline(upcr) and proteinuria >= (1 g/day if baseline(proteinuria) <= 0.5 g/day
     else 2 g/day)
  ├─ true  upcr >= 2 * baseline(upcr)
  │  ├─ upcr = 0.884 mg/mg (day 92)
  │  │       observations.csv row 3 (line 4): UPCR 0.884, day 92, visit 3
  │  └─ 2 * baseline(upcr) = 0.884 mg/mg (day 1)
  │     └─ baseline(upcr) = 0.442 mg/mg (day 1)
  │             observations.csv row 2 (line 3): UPCR 50 mg/mmol → 0.442 mg/mg, day 1, visit 0
  └─ true  proteinuria >= (1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)
     ├─ proteinuria = 1 g/day (day 92)
     │       observations.csv row 4 (line 5): PROTEINURIA 1, day 92, visit 3
     └─ (1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day) = 1 g/day
        ├─ true  baseline(proteinuria) <= 0.5 g/day
        │  └─ baseline(proteinuria) = 0.5 g/day (day 1)
        │          observations.csv row 1 (line 2): PROTEINURIA 0.5, day 1, visit 0
        └─ 1 g/day"""
    )


def test_why_not_names_the_clause_its_values_and_the_superseded_row(d: Derivation) -> None:
    shown = text(d, "Nora", "proteinuric_flare")
    assert "No event: follow-up ended on day 400." in shown
    assert (
        "day    95  Month 3      false    upcr >= 2 * baseline(upcr) (0.7 mg/mg against 1.2 mg/mg)" in shown
    )
    assert "UPCR 1.3, day 92, visit 3 (superseded)" in shown
    assert "PROTEINURIA" not in shown.split("Why not")[1]  # that clause was true, and is not to blame


def test_what_was_not_sustained_says_when_it_ended(d: Derivation) -> None:
    shown = text(d, "Zoe", "doubling")
    assert "false    sustained(creatinine >= 2 * baseline(creatinine), for 28 days)" in shown
    assert "(not so on day 120)" in shown


def test_a_record_that_missed_says_by_what(d: Derivation) -> None:
    shown = text(d, "Zoe", "dialysis")
    assert "false    procedures.csv row 1 (line 2): Dialysis, day 100: duration >= 28 days (27)" in shown


def test_what_the_committee_refuted_is_kept_with_its_reason(d: Derivation) -> None:
    found = explain(d, "Vera", "renal_flare")
    assert [(e.endpoint, e.day, e.is_used, e.reason) for e in found.events] == [
        ("proteinuric_flare", 92, False, "refuted by the committee")
    ]
    assert [row.place for row in found.decisions] == ["decisions.csv row 1 (line 2)"]
    assert found.conclusion == "No event: follow-up ended on day 400; candidates were found and not used."


def test_a_composite_names_what_came_first_and_what_it_pre_empted(d: Derivation) -> None:
    found = explain(d, "Sara", "treatment_failure")
    assert found.conclusion.startswith("Event on day 50 (2006-02-19), by rescue (rescue_immunosuppressant)")
    assert [(e.endpoint, e.day, e.reason) for e in found.events] == [
        ("rescue_immunosuppressant", 50, ""),
        ("proteinuric_flare", 92, "pre-empted by rescue on day 50"),
    ]
    assert [c.endpoint for c in found.components] == ["death", "esrd", "doubling", "renal_flare", "rescue"]


def test_a_state_at_every_assessment(d: Derivation) -> None:
    found = explain(d, "Zoe", "complete_remission")
    assert [(r.day, r.verdict) for r in found.readings] == [(1, "unknown"), (92, "false"), (120, "false")]
    assert found.readings[0].why == ("proteinuria < 0.5 g/day (not known)",)


def test_a_computed_value_leads_to_the_row_it_was_computed_from(d: Derivation) -> None:
    found = explain(d, "Zoe", "kidney_failure")
    comparison = found.readings[0].clause.parts[0]
    egfr = comparison.parts[0]
    assert egfr.note == "MDRD (186)"
    assert [(row.what, row.value, row.day) for row in egfr.rows] == [("CREATININE", 1.7, 92)]


def test_every_used_event_can_be_explained_and_ends_in_rows(d: Derivation) -> None:
    for subject, endpoint in d.events.filter("is_used").select("subject", "endpoint").unique().rows():
        used = [line for line in explain(d, subject, endpoint).events if line.is_used]
        assert used and all(line.rows for line in used)


def test_explanations_agree_with_the_frames(d: Derivation) -> None:
    for row in d.time_to_event.iter_rows(named=True):
        found = explain(d, row["subject"], row["endpoint"])
        assert (found.day is not None) == row["is_event"]
        assert f"day {row['stop_day']}" in found.conclusion
    states = d.states.filter(pl.col("subject") == "Nora")
    for endpoint, part in states.group_by("endpoint", maintain_order=True):
        verdicts = [r.verdict for r in explain(d, "Nora", str(endpoint[0])).readings]
        words = {True: "true", False: "false", None: "unknown"}
        assert verdicts == [words[h] for h in part.get_column("holds").to_list()]


def test_as_json(d: Derivation) -> None:
    tree = json.loads(json.dumps(explain(d, "Ada", "proteinuric_flare").to_dict()))
    leaf = tree["reading"]["clause"]["parts"][0]["parts"][0]
    assert (leaf["text"], leaf["value"], leaf["rows"][0]["row"]) == ("upcr", 0.884, 3)


def test_a_patient_or_endpoint_that_is_not_there(d: Derivation) -> None:
    with pytest.raises(StudyError) as patient:
        explain(d, "Adda", "doubling")
    assert "did you mean Ada?" in str(patient.value)
    with pytest.raises(ProtocolError) as endpoint:
        explain(d, "Ada", "proteinuric_flair")
    assert "did you mean proteinuric_flare" in str(endpoint.value)
