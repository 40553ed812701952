"""Adverse events and agreement of the small trial, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from analysis_handmade import PATIENTS, make_derivation, stat
from flarefree.analysis import analyze

EVENTS = """
ae:
  kind: adverse_events
  title: Adverse events
  population: safety
  where: emergent
  show_events: true
  rates: true
  any_label: Any adverse event
"""


def event(
    subject: str, term: str, system: str | None = "Infections", day: int = 10, **more: Any
) -> dict[str, Any]:
    return {
        "subject": subject,
        "term": term,
        "body_system": system,
        "start_day": day,
        "is_serious": False,
        "sequence": 1,
        "source": 2,
        "row": 1,
    } | more


ROWS = [
    event("Ada", "Zoster"),
    event("Ada", "Zoster", day=50),
    event("Ada", "Cough", "Lungs"),
    event("Ben", "Cold"),
    event("Cleo", "Zoster", day=-3),  # before the first dose: not emergent
    event("Eve", "Zoster", is_serious=True),
    event("Ivo", "Zoster"),  # failed screening
    event("Gus", "Rash", None),
]


def test_each_patient_counts_once_a_row() -> None:
    result = analyze(make_derivation(EVENTS, tables={"adverse_events": ROWS}))["ae"]
    assert stat(result, "MMF", "any") == 2
    assert stat(result, "MMF", "any", stat="events") == 4
    assert (stat(result, "MMF", "any", "Infections"), stat(result, "MMF", "any", "Infections", "events")) == (
        2,
        3,
    )
    assert (stat(result, "MMF", "Zoster", "Infections"), stat(result, "AZA", "Zoster", "Infections")) == (
        1,
        1,
    )
    assert stat(result, "MMF", "Zoster", "Infections", "events") == 2
    assert stat(result, "AZA", "any") == 2
    assert stat(result, "MMF", "any", stat="percent") == 50.0
    years = (3 * 366 + 183) / 365.25
    assert stat(result, "MMF", "any", stat="rate") == pytest.approx(200 / years)


def test_an_event_that_nobody_coded_keeps_its_place() -> None:
    result = analyze(make_derivation(EVENTS, tables={"adverse_events": ROWS}))["ae"]
    assert stat(result, "AZA", "Rash", "NOT CODED") == 1


def test_rows_stand_in_order_of_letters_or_of_frequency() -> None:
    by_letters = analyze(make_derivation(EVENTS, tables={"adverse_events": ROWS}))["ae"]
    assert [row.label for row in by_letters.tables[0].rows] == [
        "Any adverse event", "Infections", "Cold", "Zoster", "Lungs", "Cough", "NOT CODED", "Rash",
    ]  # fmt: skip
    often_first = analyze(make_derivation(EVENTS + "  order: frequency\n", tables={"adverse_events": ROWS}))[
        "ae"
    ]
    assert [row.label for row in often_first.tables[0].rows][:4] == [
        "Any adverse event",
        "Infections",
        "Zoster",
        "Cold",
    ]


def test_no_adverse_events_are_a_table_of_zeros() -> None:
    result = analyze(make_derivation(EVENTS))["ae"]
    assert result.status == "computed"
    assert [row.label for row in result.tables[0].rows] == ["Any adverse event"]
    assert stat(result, "AZA", "any") == 0
    assert stat(result, "MMF_vs_AZA", "any", stat="p_value") == pytest.approx(1.0)


def test_masked_adverse_events_are_not_compared() -> None:
    result = analyze(make_derivation(EVENTS, tables={"adverse_events": ROWS}), masked=True)["ae"]
    assert stat(result, "all", "any") == 4
    assert not any("p_value" in c.stats for row in result.tables[0].rows for c in row.cells.values())


GROUPS = """
ae:
  kind: adverse_events
  title: Adverse events
  population: safety
  groups:
    - {label: All}
    - {label: Serious, where: serious, indent: 1}
"""


def test_groups_of_adverse_events_are_sentences() -> None:
    result = analyze(make_derivation(GROUPS, tables={"adverse_events": ROWS}))["ae"]
    assert [row.label for row in result.tables[0].rows] == ["All", "Serious"]
    assert (stat(result, "MMF", "All"), stat(result, "AZA", "Serious"), stat(result, "MMF", "Serious")) == (
        2,
        1,
        0,
    )
    assert [s.text for s in result.sentences][-1] == "serious"


AGREEMENT = """
agree: {kind: agreement, title: Agreement, population: itt, endpoints: [flare]}
"""


def decision(
    subject: str, derived: bool, committee: bool | None, days: tuple[int, int] | None = None
) -> dict[str, Any]:
    return {
        "subject": subject,
        "endpoint": "flare",
        "derived": derived,
        "committee": committee,
        "final": derived if committee is None else committee,
        "final_from": "derived" if committee is None else "committee",
        "derived_day": days[0] if days else None,
        "committee_day": days[1] if days else None,
    }


def test_agreement_counts_pairs_of_sources() -> None:
    rows = [
        decision("Ada", True, True, (90, 100)),
        decision("Ben", True, True, (90, 60)),
        decision("Cleo", True, False),
        decision("Dan", False, True),
        decision("Eve", False, None),
    ]
    result = analyze(make_derivation(AGREEMENT, agreement=rows))["agree"]
    both = "derived and committee"
    assert (stat(result, "patients", "agree", both), stat(result, "patients", "agree", both, "total")) == (
        2,
        4,
    )
    assert stat(result, "patients", "yes_no", both) == 1
    assert stat(result, "patients", "no_yes", both) == 1
    assert stat(result, "patients", "days_apart", both, "value") == 20
    assert stat(result, "patients", "event", "final") == 3
    assert stat(result, "patients", "decided_by", "committee") == 4


def test_without_decisions_agreement_says_so() -> None:
    result = analyze(make_derivation(AGREEMENT, patients=PATIENTS))["agree"]
    assert result.status == "not_computable"
    assert "no decisions" in result.reason
