"""The pilot's protocol says what the study's own analysis datasets say, row by row.

Sentences are applied here by a slow, obvious reader of records that shares no code with the engine.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat
import pytest

from flarefree.protocol import LoadedProtocol, load_protocol
from flarefree.protocol.language.nodes import And, FieldTest, FieldTestOperator, Node, Not, Or, Records, Text

pytestmark = pytest.mark.shared

ADAE = {"body_system": "AEBODSYS", "term": "AEDECOD"}


@pytest.fixture(scope="module")
def pilot() -> LoadedProtocol:
    return load_protocol("cdisc-pilot")


@pytest.fixture(scope="module")
def data(shared: Path) -> Any:
    def read(path: str) -> pl.DataFrame:
        file = shared / "data" / "cdiscpilot" / path
        for encoding in ("utf-8", "windows-1252"):
            try:
                return pyreadstat.read_xport(str(file), output_format="polars", encoding=encoding)[0]
            except UnicodeDecodeError:
                continue
        raise AssertionError(path)

    return read


def holds(node: Node, record: dict[str, Any]) -> bool:
    """What a sentence says of one record, as anybody would read it."""
    match node:
        case And(operands=parts):
            return all(holds(part, record) for part in parts)
        case Or(operands=parts):
            return any(holds(part, record) for part in parts)
        case Not(operand=part):
            return not holds(part, record)
        case FieldTest(field="emergent"):
            return record["TRTEMFL"] == "Y"
        case FieldTest(operator=operator, values=values):
            written = record[ADAE[node.field]].casefold()
            words = [value.value.casefold() for value in values if isinstance(value, Text)]
            match operator:
                case FieldTestOperator.EQ | FieldTestOperator.IN:
                    return written in words
                case FieldTestOperator.CONTAINS:
                    return any(word in written for word in words)
    raise AssertionError(node)


def dermatologic(protocol: LoadedProtocol) -> Node:
    sentence = protocol.sentences["endpoints.dermatologic_event.when"]
    assert isinstance(sentence, Records)
    assert sentence.where is not None
    return sentence.where


def test_dermatologic_events_are_the_records_that_the_study_flagged(pilot: LoadedProtocol, data: Any) -> None:
    where = dermatologic(pilot)
    records = data("adam_xpt/adae.xpt").to_dicts()
    chosen = [holds(where, record) for record in records]
    flagged = [record["CQ01NAM"] != "" and record["TRTEMFL"] == "Y" for record in records]
    assert chosen == flagged
    assert sum(chosen) == 476


def test_time_and_censoring_are_those_of_adtte(pilot: LoadedProtocol, data: Any) -> None:
    """From the first dose, day 1, to the first event, else to the day of study completion."""
    assert pilot.spec.endpoints["dermatologic_event"].origin == "first_dose"
    assert pilot.spec.follow_up.ends == "end_of_participation"
    where = dermatologic(pilot)
    first: dict[str, date] = {}
    for record in data("adam_xpt/adae.xpt").to_dicts():
        if record["ASTDT"] and holds(where, record):
            subject = record["USUBJID"]
            first[subject] = min(record["ASTDT"], first.get(subject, record["ASTDT"]))
    ends = {row["USUBJID"]: row for row in data("adam_xpt/adsl.xpt").to_dicts()}
    events: dict[str, int] = {}
    for row in data("adam_xpt/adtte.xpt").to_dicts():
        subject = ends[row["USUBJID"]]
        event = first.get(row["USUBJID"])
        stop = event if event else subject["RFENDT"]
        assert ((stop - subject["TRTSDT"]).days + 1, event is not None) == (row["AVAL"], row["CNSR"] == 0)
        events[row["TRTA"]] = events.get(row["TRTA"], 0) + (event is not None)
    assert events == {"Placebo": 29, "Xanomeline Low Dose": 62, "Xanomeline High Dose": 61}


def test_arms_are_known_by_what_the_data_call_them(pilot: LoadedProtocol, data: Any) -> None:
    words = {w.casefold(): key for key, arm in pilot.spec.arms.items() for w in (key, arm.label, *arm.codes)}
    treated = data("sdtm_xpt/dm.xpt").filter(pl.col("ARMCD") != "Scrnfail")
    sizes: dict[str, int] = {}
    for armcd, arm in treated.select("ARMCD", "ARM").iter_rows():
        assert words[armcd.casefold()] == words[arm.casefold()]
        sizes[words[arm.casefold()]] = sizes.get(words[arm.casefold()], 0) + 1
    assert sizes == {"placebo": 86, "low": 84, "high": 84}


def test_visits_are_known_by_what_the_data_call_them(pilot: LoadedProtocol, data: Any) -> None:
    schedule = pilot.spec.schedule
    planned = {v.number: {v.name.casefold(), *(c.casefold() for c in v.codes)} for v in schedule.visits}
    at_events = {c.casefold() for visit in schedule.at_events for c in visit.codes}
    for number, name in data("sdtm_xpt/sv.xpt").select("VISITNUM", "VISIT").unique().iter_rows():
        if not re.match("UNSCHEDULED", name):
            assert name.casefold() in planned.get(number, at_events)


def test_reasons_tell_entry_criteria_from_violations(pilot: LoadedProtocol, data: Any) -> None:
    reasons = pilot.spec.withdrawals.reasons
    records = data("sdtm_xpt/ds.xpt").filter(pl.col("DSCAT") == "DISPOSITION EVENT")
    counts: dict[str, int] = {}
    for status, written in records.select("DSDECOD", "DSTERM").iter_rows():
        label = next((name for name, codes in reasons.items() if {status, written} & set(codes)), status)
        counts[label] = counts.get(label, 0) + 1
    assert (counts["Protocol criteria not met"], counts["Protocol violation"]) == (3, 3)
    assert counts["Adverse event"] == 92
    assert set(counts) - set(reasons) == {"COMPLETED", "SCREEN FAILURE"}


def test_every_test_of_the_laboratory_has_the_unit_of_its_measure(
    pilot: LoadedProtocol, shared: Path
) -> None:
    """Values of SDTM's standard unit need no factor but one."""
    from flarefree.units import conversion_factor

    folder = shared / "data" / "cdiscpilot" / "sdtm_csv"
    measures = {test: m for m in pilot.spec.measures.values() for test in m.tests}
    rows = pl.read_csv(folder / "lb.csv.gz", infer_schema_length=0).select("LBTESTCD", "LBSTRESU").unique()
    for test, unit in rows.drop_nulls().iter_rows():
        if test in measures:
            factor = conversion_factor(unit, measures[test].unit, test)
            assert factor is not None, (test, unit)
            assert factor.is_identity, (test, unit)
