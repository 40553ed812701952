"""Checks of a study's tables: which rows are odd, and that the others are left in peace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from flarefree.records.checking import check_events, check_observations, check_subjects, check_visits
from flarefree.records.findings import Collector
from flarefree.records.study import Study
from flarefree.records.tables import TABLES, empty_table, whole_table


def table(name: str, *records: Mapping[str, Any]) -> pl.DataFrame:
    if not records:
        return empty_table(name)
    rows = [{"source": 0, "row": number, **record} for number, record in enumerate(records, start=1)]
    schema = {column: kind for column, kind in TABLES[name].items() if any(column in row for row in rows)}
    return whole_table(name, pl.DataFrame(rows, schema=schema))


def tables(**given: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return dict(Study("s", tables=given).tables)


def codes(collector: Collector) -> list[tuple[str, int]]:
    return sorted((finding.code, finding.row) for finding in collector.findings())


SUBJECTS = table(
    "subjects",
    {
        "subject": "Ana", "birth_date": date(1980, 5, 1), "consent_date": date(2014, 2, 1),
        "randomization_date": date(2014, 3, 1), "first_dose_date": date(2014, 3, 2),
        "last_dose_date": date(2015, 1, 1), "end_date": date(2015, 2, 1), "death_date": date(2015, 3, 1),
    },
    {
        "subject": "Bea", "consent_date": date(2014, 4, 1), "randomization_date": date(2014, 3, 1),
        "first_dose_date": date(2014, 2, 27), "last_dose_date": date(2014, 2, 20),
    },
)  # fmt: skip


def test_dates_of_a_patient_must_follow_each_other() -> None:
    collector = Collector(["dm"])
    check_subjects(SUBJECTS, collector)
    assert [(f.subject, f.message) for f in collector.findings()] == [
        ("Bea", "randomization before consent"),
        ("Bea", "the first dose before randomization"),
        ("Bea", "the last dose before the first"),
    ]


def test_nothing_happens_after_death_or_before_birth_and_consent() -> None:
    observations = table(
        "observations",
        {"subject": "Ana", "date": date(2015, 3, 1)},  # the day of death itself
        {"subject": "Ana", "date": date(2015, 3, 2)},
        {"subject": "Ana", "date": date(2014, 1, 31)},
        {"subject": "Ana", "date": date(1980, 4, 30)},
        {"subject": "Ana", "date": date(2014, 1, 1), "date_text": "2014"},  # some day of 2014
    )
    history = table("medical_history", {"subject": "Ana", "date": date(2000, 1, 1)})
    collector = Collector(["f"])
    check_events(tables(subjects=SUBJECTS, observations=observations, medical_history=history), collector)
    assert codes(collector) == [
        ("after-death", 2),
        ("before-birth", 4),
        ("before-consent", 3),
        ("before-consent", 4),
    ]


def test_an_end_before_its_start_unless_the_end_is_partial() -> None:
    medications = table(
        "medications",
        {"subject": "Ana", "drug": "a", "start_date": date(2014, 3, 9), "end_date": date(2014, 3, 8)},
        {
            "subject": "Ana",
            "drug": "b",
            "start_date": date(2014, 3, 9),
            "end_date": date(2014, 3, 1),
            "end_text": "2014-03",
        },
        {"subject": "Ana", "drug": "c", "start_date": date(2014, 3, 9), "end_date": date(2014, 3, 9)},
    )
    collector = Collector(["cm"])
    check_events(tables(subjects=SUBJECTS, medications=medications), collector)
    assert codes(collector) == [("end-before-start", 1)]


def test_events_before_the_first_dose_are_counted_in_one_note() -> None:
    events = table(
        "adverse_events",
        {"subject": "Ana", "term": "a", "start_date": date(2014, 3, 1)},
        {"subject": "Ana", "term": "b", "start_date": date(2014, 2, 27)},
        {"subject": "Ana", "term": "c", "start_date": date(2014, 3, 2)},
    )
    collector = Collector(["ae"])
    check_events(tables(subjects=SUBJECTS, adverse_events=events), collector)
    (finding,) = collector.findings()
    assert (finding.code, finding.row, finding.count, finding.severity) == ("before-treatment", 1, 2, "note")


def test_the_same_record_twice_but_for_its_sequence() -> None:
    event = {"subject": "Ana", "term": "a", "start_date": date(2014, 3, 5)}
    events = table(
        "adverse_events",
        {**event, "sequence": 1},
        {**event, "sequence": 2},
        {**event, "severity": "MILD", "sequence": 3},
    )
    collector = Collector(["ae"])
    check_events(tables(subjects=SUBJECTS, adverse_events=events), collector)
    (finding,) = collector.findings()
    assert (finding.code, finding.row, finding.expected) == (
        "duplicate-row",
        2,
        "one; row 1 of ae is the same",
    )


def test_values_at_the_ends_of_what_is_plausible_are_plausible() -> None:
    values = [0.1, 25.0, 0.0999, 25.001, None]
    common = {"subject": "Ana", "measure": "creatinine"}
    observations = table(
        "observations", *({**common, "day": i + 1, "value": v} for i, v in enumerate(values))
    )
    collector = Collector(["lb"])
    check_observations(observations, {"creatinine": (0.1, 25.0), "upcr": (None, None)}, collector)
    assert codes(collector) == [("out-of-range", 3), ("out-of-range", 4)]


def test_three_results_of_one_moment_are_compared_one_with_the_next() -> None:
    result = {"subject": "Ana", "measure": "upcr", "test": "UPCR", "day": 5, "unit": "mg/mg"}
    observations = table("observations", *({**result, "value": value} for value in (1.0, 1.0, 2.0)))
    collector = Collector(["lb"])
    check_observations(observations, {}, collector)
    assert codes(collector) == [("contradictory-rows", 3), ("duplicate-row", 2)]


def test_results_of_other_visits_timepoints_or_derivations_do_not_contradict() -> None:
    result = {
        "subject": "Ana",
        "measure": "sbp",
        "test": "SYSBP",
        "day": 5,
        "timepoint": "supine",
        "value": 120.0,
    }
    observations = table(
        "observations",
        result,
        {**result, "timepoint": "standing", "value": 110.0},
        {**result, "derivation": "LOCF", "value": 111.0},
        {**result, "specimen": "urine", "value": 112.0},
        {**result, "subject": "Bea", "value": 113.0},
        {**result, "value": None},
    )
    collector = Collector(["vs"])
    check_observations(observations, {}, collector)
    assert codes(collector) == []


def test_a_result_that_cannot_be_placed_in_time() -> None:
    observations = table(
        "observations",
        {"subject": "Ana", "measure": "upcr", "test": "UPCR", "value": 1.0},
        {"subject": "Ana", "measure": "upcr", "test": "UPCR", "value": 1.0, "visit": "Month 3"},
        {"subject": "Ana", "measure": "upcr", "test": "UPCR", "value": 1.0, "day": 3},
        {"subject": "Ana", "test": "OTHER", "value": 1.0},
    )
    collector = Collector(["lb"])
    check_observations(observations, {}, collector)
    assert codes(collector) == [("no-date", 1)]


WINDOWS = pl.DataFrame(
    [
        ("month 3", 3.0, "Month 3", 78, 106),
        ("m3", 3.0, "Month 3", 78, 106),
        ("any time", 9.0, "Any time", None, None),
    ],
    schema={
        "word": pl.String,
        "number": pl.Float64,
        "name": pl.String,
        "first_day": pl.Int32,
        "last_day": pl.Int32,
    },
    orient="row",
)


def test_visits_are_found_by_any_of_their_names_or_their_number() -> None:
    visits = table(
        "visits",
        {"subject": "Ana", "visit": "M3", "day": 78},
        {"subject": "Ana", "visit": " month  3", "day": 77},
        {"subject": "Ana", "visit": "Third", "visit_number": 3.0, "day": 107},
        {"subject": "Ana", "visit": "Any time", "day": 500},
        {"subject": "Ana", "visit": "Month 3", "day": None},
        {"subject": "Ana", "visit": "Elsewhere", "day": 5},
    )
    collector = Collector(["sv"])
    check_visits(visits, WINDOWS, collector)
    assert codes(collector) == [
        ("unscheduled-visit", 6),
        ("visit-outside-window", 2),
        ("visit-outside-window", 3),
    ]


def test_a_visit_is_told_once_however_many_rows_it_has() -> None:
    rows = [{"subject": "Ana", "visit": "M3", "day": 5, "test": str(i)} for i in range(4)]
    collector = Collector(["lb"])
    check_visits(table("observations", *rows, {**rows[0], "subject": "Bea"}, rows[0]), WINDOWS, collector)
    assert codes(collector) == [("visit-outside-window", 1), ("visit-outside-window", 5)]


def test_empty_tables_have_no_findings() -> None:
    collector = Collector([])
    check_events(tables(), collector)
    check_observations(table("observations"), {}, collector)
    check_visits(table("visits"), WINDOWS, collector)
    check_subjects(table("subjects"), collector)
    assert collector.findings() == ()


def test_a_year_that_was_mistyped() -> None:
    observations = table(
        "observations", {"subject": "Ana", "day": 40_000}, {"subject": "Ana", "day": -36_525}
    )
    events = table("adverse_events", {"subject": "Ana", "term": "a", "start_day": -365_000})
    collector = Collector(["f"])
    check_events(tables(subjects=SUBJECTS, observations=observations, adverse_events=events), collector)
    assert codes(collector) == [("far-date", 1), ("far-date", 1)]
