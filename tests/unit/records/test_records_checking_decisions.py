"""Checks of decisions and doses: what would pass unused, or be used though it cannot be so."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from flarefree.records.checking import check_events
from flarefree.records.checking_decisions import check_decisions
from flarefree.records.findings import Collector, Finding
from flarefree.records.study import Study
from flarefree.records.tables import TABLES, whole_table

ON_DAY_40 = {"event_date": date(2014, 4, 9), "event_day": 40}


def decisions(*records: dict[str, Any]) -> pl.DataFrame:
    common = {
        "subject": "Ana",
        "endpoint": "renal_flare",
        "reader": "committee",
        "is_confirmed": True,
        "source": 0,
    }
    rows = [{**common, **ON_DAY_40, "row": row, **record} for row, record in enumerate(records, start=1)]
    schema = {name: kind for name, kind in TABLES["decisions"].items() if name in rows[0]}
    return whole_table("decisions", pl.DataFrame(rows, schema=schema))


def found(table: pl.DataFrame) -> list[Finding]:
    collector = Collector(["decisions.csv"])
    check_decisions(table, collector)
    return list(collector.findings())


def test_nothing_is_said_of_decisions_that_are_in_order() -> None:
    table = decisions(
        {}, {"reader": " Investigator ", "is_confirmed": False}, {"subject": "Bea"}, {"endpoint": "rescue"}
    )
    assert found(table) == []
    assert found(table.clear()) == []


@pytest.mark.parametrize("reader", ["pope", "", None])
def test_a_reader_that_there_is_not(reader: str | None) -> None:
    (finding,) = found(decisions({}, {"subject": "Bea", "reader": reader}))
    assert (finding.code, finding.severity, finding.row, finding.subject) == (
        "unknown-reader",
        "error",
        2,
        "Bea",
    )
    assert finding.found == (reader or "")


def test_an_event_that_is_confirmed_and_dated_before_day_1() -> None:
    early = {"event_date": date(2014, 2, 28), "event_day": -1}
    table = decisions(early, {**early, "subject": "Bea", "is_confirmed": False}, {"subject": "Cid"})
    (finding,) = found(table)
    assert (finding.code, finding.row, finding.found) == ("event-before-day-one", 1, "2014-02-28")


def test_a_reader_who_confirms_and_refutes_one_event() -> None:
    """Two readers may differ, and so may two dates; an undecided row contradicts nothing."""
    table = decisions(
        {},
        {"reader": "investigator", "is_confirmed": False},
        {"is_confirmed": False},
        {"is_confirmed": None},
        {"event_date": date(2014, 9, 1), "event_day": 185, "is_confirmed": False},
    )
    findings = found(table)
    assert [(f.code, f.row, f.found) for f in findings] == [
        ("contradictory-decisions", 1, "renal_flare confirmed"),
        ("contradictory-decisions", 3, "renal_flare refuted"),
    ]


@pytest.mark.parametrize("name", ["exposures", "medications"])
def test_a_dose_below_zero(name: str) -> None:
    rows = [
        {"subject": "Ana", "drug": "a", "dose": d, "source": 0, "row": r}
        for r, d in enumerate((0.0, -5.0, None), 1)
    ]
    schema = {column: kind for column, kind in TABLES[name].items() if column in rows[0]}
    table = whole_table(name, pl.DataFrame(rows, schema=schema))
    collector = Collector(["ex.csv"])
    check_events(dict(Study("s", tables={name: table}).tables), collector)
    assert [(f.code, f.row, f.found, f.column) for f in collector.findings()] == [
        ("negative-dose", 2, "-5.0", "dose")
    ]
