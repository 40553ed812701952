"""Studies that allow almost nothing: every analysis of a protocol keeps its place and says why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from flarefree.analysis import Analysis, analyze
from flarefree.endpoints.derive import derive
from flarefree.lineage import Source
from flarefree.protocol.loading import load_protocol
from flarefree.records.study import Study
from flarefree.records.tables import TABLES

DAY_ONE = date(2021, 3, 1)
PROTOCOLS = ("alms-maintenance", "multitarget-maintenance", "cdisc-pilot")


def patient(name: str, arm: str | None, end: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "subject": name,
        "site": "01",
        "arm": arm,
        "actual_arm": arm,
        "age_years": 40.0,
        "sex": "F",
        "race": "ASIAN",
        "is_screen_failure": False,
        "randomization_date": DAY_ONE,
        "first_dose_date": DAY_ONE,
        "first_dose_day": 1,
        "end_date": DAY_ONE + timedelta(days=end - 1),
        "end_day": end,
        "source": 0,
        "row": 1,
    } | more


def value(subject: str, measure: str, day: int, number: float, visit: str) -> dict[str, Any]:
    when = DAY_ONE + timedelta(days=day - 1)
    return {
        "subject": subject,
        "measure": measure,
        "test": measure.upper(),
        "value": number,
        "day": day,
        "date": when,
        "visit": visit,
        "source": 0,
        "row": day,
    }


def analyzed(protocol: str, subjects: list[dict[str, Any]], **tables: list[dict[str, Any]]) -> Analysis:
    frames = {"subjects": subjects, **tables}
    study = Study(
        "AWKWARD",
        protocol,
        {name: pl.DataFrame(rows, schema=TABLES[name]) for name, rows in frames.items()},
        (Source("x.csv", "csv", 99, "0" * 64),),
    )
    return analyze(derive(study, load_protocol(protocol)))


def require_places(analysis: Analysis) -> None:
    """Every analysis of the protocol is there, and those not computed say why in a sentence."""
    assert [r.id for r in analysis.results] == list(analysis.protocol.spec.analyses)
    for result in analysis.results:
        if result.status != "computed":
            assert result.reason.endswith("."), result.id
            assert "Error" not in result.reason
            assert not result.tables
    analysis.tidy()
    assert set(analysis.datasets) == {"ADSL", "ADLB", "ADTTE", "ADAE", "ADEVENT"}


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def arms_of(protocol: str) -> list[str]:
    return list(load_protocol(protocol).spec.arms)


def test_a_study_of_screen_failures_only(protocol: str) -> None:
    nobody = {"is_screen_failure": True, "randomization_date": None, "first_dose_day": None}
    analysis = analyzed(protocol, [patient("Ivo", None, **nobody)])
    require_places(analysis)
    # Only the flow has something to say: who was screened.
    assert [r.id for r in analysis.results if r.status == "computed"] == ["flow"]


def test_one_patient_who_left_on_day_1(protocol: str) -> None:
    require_places(analyzed(protocol, [patient("Ada", arms_of(protocol)[0], end=1)]))


def test_patients_without_a_single_value(protocol: str) -> None:
    arms = arms_of(protocol)
    require_places(analyzed(protocol, [patient(f"p{i}", arms[i % len(arms)]) for i in range(6)]))


def test_an_empty_arm(protocol: str) -> None:
    arm = arms_of(protocol)[0]
    measures = ("proteinuria", "creatinine", "adas_cog", "albumin")
    rows = [
        value(f"p{i}", measure, day, 1.0 + i / 10 + day / 1000, visit)
        for i in range(5)
        for measure in measures
        for day, visit in ((1, "BASELINE"), (60, "WEEK 8"), (180, "MONTH 6"))
    ]
    require_places(analyzed(protocol, [patient(f"p{i}", arm) for i in range(5)], observations=rows))


def test_patients_without_arms_are_analyzed_masked(protocol: str) -> None:
    analysis = analyzed(protocol, [patient(f"p{i}", None) for i in range(4)])
    assert analysis.is_masked
    require_places(analysis)


def test_constant_values_leave_models_a_reason(protocol: str) -> None:
    arms = arms_of(protocol)
    measures = ("proteinuria", "creatinine", "adas_cog", "cibic", "albumin", "sledai")
    visits = ((1, "BASELINE"), (56, "WEEK 8"), (92, "MONTH 3"), (168, "WEEK 24"), (184, "MONTH 6"))
    rows = [
        value(f"p{i}", measure, day, 1.0, visit)
        for i in range(8)
        for measure in measures
        for day, visit in visits
    ]
    require_places(
        analyzed(protocol, [patient(f"p{i}", arms[i % len(arms)]) for i in range(8)], observations=rows)
    )
