"""Exposure, compliance, prednisone and doses by visit of the small trial, worked by hand."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from analysis_handmade import make_derivation, stat, times, values
from flarefree.analysis import analyze
from flarefree.analysis.dosing import target_totals, totals_under_target
from flarefree.protocol.schema import Regimen

EXPOSURE = """
exposure:
  kind: exposure
  title: Exposure
  population: safety
  show: [daily_dose, adherence, duration, prednisone, cumulative_dose]
"""


def dose(
    subject: str, drug: str, amount: float | None, unit: str, first: int, last: int | None
) -> dict[str, Any]:
    return {
        "subject": subject,
        "drug": drug,
        "dose": amount,
        "daily_dose": amount,
        "unit": unit,
        "start_day": first,
        "end_day": last,
        "source": 0,
        "row": 1,
    }


DOSES = [
    dose("Ada", "MMF", 2.0, "g", 1, 100),
    dose("Ben", "Mycophenolate", 1500.0, "mg", 1, 100),
    # A pause of ten days; 2 g on 50 days and 1.2 g on 50: 1.6 g a day, exactly 80%.
    dose("Cleo", "MMF", 2.0, "g", 1, 50),
    dose("Cleo", "MMF", 1.2, "g", 61, 110),
    # Two records at once: 1 g on days 1 to 100 and 1 g more on the last 50.
    dose("Dan", "MMF", 1.0, "g", 1, 100),
    dose("Dan", "MMF", 1.0, "g", 51, 100),
    dose("Eve", "AZA", 100.0, "mg", 1, 366),
    dose("Finn", "AZA", 150.0, "mg", 1, 100),
    dose("Gus", "AZA", 100.0, "mg", 1, 90),
    # No end written: it lasts to the end of follow-up, day 275.
    dose("Hana", "AZA", 64.0, "mg", 1, None),
]


def test_the_mean_daily_dose_is_over_the_days_on_the_drug() -> None:
    result = analyze(make_derivation(EXPOSURE, tables={"exposures": DOSES}))["exposure"]
    # 2, 1.5, 1.6 and 150 / 100 g.
    assert stat(result, "MMF", "daily_dose", "mycophenolate", "mean") == pytest.approx(
        (2 + 1.5 + 1.6 + 1.5) / 4
    )
    assert stat(result, "AZA", "daily_dose", "azathioprine", "mean") == pytest.approx(
        (100 + 150 + 100 + 64) / 4
    )
    assert stat(result, "MMF", "cumulative_dose", "mycophenolate", "mean") == pytest.approx(
        (200 + 150 + 160 + 150) / 4
    )
    assert stat(result, "MMF", "duration", "", "mean") == pytest.approx((100 + 100 + 110 + 100) / 4)
    assert stat(result, "AZA", "duration", "", "mean") == pytest.approx((366 + 100 + 90 + 275) / 4)


def test_80_percent_exactly_is_enough_and_without_a_weight_nobody_is_judged() -> None:
    result = analyze(make_derivation(EXPOSURE, tables={"exposures": DOSES}))["exposure"]
    # Ada 100%, Ben 75%, Cleo 80%, Dan 75%.
    assert stat(result, "MMF", "adherence", "mycophenolate") == 2
    # Targets 100, 200, none and 80 mg: Eve 100%, Finn 75%, Gus unknown, Hana 80%.
    assert stat(result, "AZA", "adherence", "azathioprine") == 2
    assert stat(result, "AZA", "adherence", "azathioprine", "total") == 3
    assert any("not judged" in warning for warning in result.warnings)


def test_doses_on_days_without_a_target_are_held_against_nothing() -> None:
    """0.75 g to day 183 and 0.5 g from day 190 to day 548; a patient who goes on to day 594."""
    regimens = [
        Regimen(drug="MMF", target="0.75 g/day", until=183),
        Regimen(drug="MMF", target="0.5 g/day", from_day=190, until=548),
    ]
    # Ordinal days, from 0: half the dose to day 183, then the whole one.
    rows = [("Ana", 0, 182, 0.375), ("Ana", 183, 593, 0.5)]
    records = pl.DataFrame(rows, schema=["subject", "start", "end", "dose"], orient="row")
    weights = pl.DataFrame({"subject": ["Ana"], "weight": [None]}, schema_overrides={"weight": pl.Float64})
    asked = target_totals(records, regimens, weights)["asked"].item()
    taken = totals_under_target(records, regimens)["under_target"].item()
    assert asked == pytest.approx(183 * 0.75 + 359 * 0.5)
    assert taken == pytest.approx(183 * 0.375 + 359 * 0.5)
    assert taken / asked < 0.8 < (183 * 0.375 + 411 * 0.5) / asked


def test_doses_among_those_with_an_event() -> None:
    spec = EXPOSURE.replace("  show:", "  among_events_of: flare\n  show:")
    rows = times("flare", {"Ada": (50, True), "Ben": (366, False), "Eve": (70, True)})
    result = analyze(make_derivation(spec, tables={"exposures": DOSES}, time_to_event=rows))["exposure"]
    assert stat(result, "MMF", "daily_dose", "mycophenolate") == 1
    assert stat(result, "AZA", "daily_dose", "azathioprine", "mean") == 100.0


def test_prednisone_or_its_equivalent_under_the_ceiling_on_every_day() -> None:
    steroids = [
        dose("Ada", "prednisone", 10.0, "mg", 1, 100),  # at the ceiling
        dose("Ben", "Methylprednisolone", 10.0, "mg", 20, 30),  # 12.5 mg of prednisone
        dose("Eve", "prednisone", 5.0, "mg", 1, 50),
        dose("Eve", "prednisone", 7.5, "mg", 50, 60),  # 12.5 mg on day 50
        dose("Finn", "prednisone", 60.0, "mg", -100, -5),  # before the trial
        dose("Hana", "prednisone", 0.02, "g", 1, 2),
    ]
    medications = [{k: v for k, v in row.items() if k != "daily_dose"} for row in steroids]
    tables = {"exposures": DOSES, "medications": medications}
    result = analyze(make_derivation(EXPOSURE, tables=tables))["exposure"]
    assert stat(result, "MMF", "prednisone_at_or_under_ceiling") == 3
    assert stat(result, "AZA", "prednisone_at_or_under_ceiling") == 2


def test_without_glucocorticoids_in_the_data_the_line_is_left_out() -> None:
    result = analyze(make_derivation(EXPOSURE, tables={"exposures": DOSES}))["exposure"]
    assert not any(row.term.startswith("prednisone") for row in result.tables[0].rows)


def test_doses_are_not_shown_while_arms_are_masked() -> None:
    result = analyze(make_derivation(EXPOSURE, tables={"exposures": DOSES}), masked=True)["exposure"]
    assert result.reason == "Arms are masked: doses would tell them apart."


def test_no_doses_are_a_reason() -> None:
    result = analyze(make_derivation(EXPOSURE))["exposure"]
    assert result.reason == "The data hold no doses of the drugs of this protocol."


BY_VISIT = """
doses: {kind: dose_by_visit, title: Doses, population: itt, drug: mycophenolate, trough: trough}
"""


def test_the_dose_of_a_visit_is_the_one_taken_up_to_it() -> None:
    rows = [
        dose("Ada", "MMF", 2.0, "g", 1, 183),
        dose("Ada", "MMF", 1.0, "g", 184, 366),
        dose("Ben", "MMF", 1.0, "g", 1, 100),
    ]
    troughs = values("trough", {"Ada": {1: 4.0, 184: 6.0}, "Ben": {1: 5.0}}, "ng/mL")
    result = analyze(make_derivation(BY_VISIT, tables={"exposures": rows}, values=troughs))["doses"]
    assert [c.key for c in result.tables[0].columns] == ["MMF"]
    assert stat(result, "MMF", "dose", "Month 0", "mean") == 1.5
    assert (stat(result, "MMF", "dose", "Month 6", "mean"), stat(result, "MMF", "dose", "Month 6")) == (
        2.0,
        1,
    )
    assert stat(result, "MMF", "dose", "Month 12", "mean") == 1.0
    assert stat(result, "MMF", "trough", "Month 0", "mean") == 4.5
    assert stat(result, "MMF", "trough", "Month 12") == 0
