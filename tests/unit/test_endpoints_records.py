"""Sentences about records: treatment emergence with partial dates, durations, text, what is not recorded."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from flarefree.endpoints.record_sentences import RecordReader
from flarefree.errors import ProtocolError
from flarefree.protocol.language.nodes import FieldTest, FieldTestOperator, Not, RecordTable, Text
from flarefree.protocol.language.parsing import parse_record_condition
from flarefree.protocol.loading import load_protocol
from flarefree.protocol.schema import AdverseEventRules
from flarefree.studytime import study_day
from patients_on_paper import DAY_ONE, Paper, date_of, follow_up

CONSERVATIVE = AdverseEventRules()
ALMS = AdverseEventRules(nonserious_until="last_visit", nonserious_days_after=14, serious_until="end")


def reader(paper: Paper, rules: AdverseEventRules = CONSERVATIVE) -> RecordReader:
    study = paper.study()
    return RecordReader(study, follow_up(paper, load_protocol("alms-maintenance").spec), rules)


def event(paper: Paper, *, start: str | None, term: str = "Rash", **more: object) -> None:
    """An adverse event of Ana whose start is written as in a file."""
    earliest = None if start is None else date.fromisoformat((start + "-01-01"[len(start) - 4 :])[:10])
    paper.add(
        "adverse_events",
        subject="Ana",
        term=term,
        start_text=start,
        start_date=earliest,
        start_day=None if earliest is None else study_day(earliest, DAY_ONE),
        **more,
    )


def ana(first_dose_day: int = 20) -> Paper:
    """First dose on 20 January 2006, day 20; last visit on day 92."""
    paper = Paper()
    paper.patient("Ana", first_dose_day=first_dose_day, end=92)
    paper.add("visits", subject="Ana", visit="Month 3", day=92, date=date_of(92))
    return paper


@pytest.mark.parametrize(
    ("start", "emergent", "onset"),
    [
        ("2006-01-20", True, 20),  # the day of the first dose
        ("2006-01-19", False, 19),
        ("2006-01", True, 20),  # the month of the first dose: may be after it, dated to it
        ("2005-12", False, -31),  # a month before it is clearly earlier
        ("2006-02", True, 32),  # a month after it: the first day that is possible
        ("2006", True, 20),
        ("2005", False, -365),
        (None, True, 20),  # without any date: as if on the first dose
    ],
)
def test_emergent_by_a_conservative_reading_of_partial_dates(
    start: str | None, emergent: bool, onset: int
) -> None:
    paper = ana()
    event(paper, start=start)
    row = reader(paper).table(RecordTable.ADVERSE_EVENT).row(0, named=True)
    assert (row["emergent"], row["onset_day"]) == (emergent, onset)


def test_undated_but_ended_before_the_first_dose() -> None:
    paper = ana()
    event(paper, start=None, end_day=19, end_date=date_of(19))
    assert reader(paper).table(RecordTable.ADVERSE_EVENT).get_column("emergent").to_list() == [False]


@pytest.mark.parametrize(("start", "emergent"), [("2006-01", False), ("2006-02", True), (None, False)])
def test_emergent_by_the_earliest_day(start: str | None, emergent: bool) -> None:
    paper = ana()
    event(paper, start=start)
    rules = AdverseEventRules(partial_dates="earliest")
    assert reader(paper, rules).table(RecordTable.ADVERSE_EVENT).get_column("emergent").to_list() == [
        emergent
    ]


@pytest.mark.parametrize(
    ("day", "serious", "emergent"),
    [(106, False, True), (107, False, False), (107, True, True), (2000, True, True), (107, None, False)],
)
def test_the_window_of_alms(day: int, serious: bool | None, emergent: bool) -> None:
    """Nonserious until 14 days after the last visit (day 92); serious at any time after the first dose."""
    paper = ana()
    event(paper, start=str(date_of(day)), is_serious=serious)
    assert reader(paper, ALMS).table(RecordTable.ADVERSE_EVENT).get_column("emergent").to_list() == [emergent]


def test_nothing_emerges_in_who_took_nothing() -> None:
    paper = Paper()
    paper.patient("Ana", first_dose_day=None)
    event(paper, start="2006-05-01")
    assert reader(paper).table(RecordTable.ADVERSE_EVENT).get_column("emergent").to_list() == [False]


# Tests of fields ----------------------------------------------------------------------------------


def drugs(where: str) -> list[str]:
    paper = Paper()
    p = paper.patient("Ana", end=400)
    p.begins("Prednisone ", 10, "Lupus nephritis", dose=10.0, unit="mg", end_day=20)
    p.begins("RITUXIMAB", 20, "renal flare", dose=1.0, unit="g")
    p.begins("Aspirin", 30, "", dose=None)
    found = reader(paper).select(RecordTable.MEDICATION, parse_record_condition(where))
    return found.get_column("drug").to_list()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('drug = "prednisone"', ["Prednisone "]),
        ('drug in ("aspirin", "rituximab")', ["RITUXIMAB", "Aspirin"]),
        ('drug != "aspirin"', ["Prednisone ", "RITUXIMAB"]),
        ('drug starts with "Ritu"', ["RITUXIMAB"]),
        ('indication contains any of ("nephritis", "FLARE")', ["Prednisone ", "RITUXIMAB"]),
        ("dose >= 10", ["Prednisone "]),
        ("dose > 10", []),
        ('dose >= 10 or unit = "g"', ["Prednisone ", "RITUXIMAB"]),
        (
            "duration >= 11 days",
            ["Prednisone ", "RITUXIMAB", "Aspirin"],
        ),  # 10 to 20 is 11 days, both ends counted
        ("duration >= 12 days", ["RITUXIMAB", "Aspirin"]),  # not ended: to the end of follow-up, day 400
        ("not dose >= 10", ["RITUXIMAB"]),  # an unknown dose is neither
    ],
)
def test_fields(where: str, found: list[str]) -> None:
    assert drugs(where) == found


def test_a_field_that_no_record_has() -> None:
    with pytest.raises(ProtocolError, match="no field"):
        paper = ana()
        event(paper, start="2006-03-01")
        node = FieldTest("shoe_size", FieldTestOperator.EQ, (Text("40"),))
        reader(paper).select(RecordTable.ADVERSE_EVENT, Not(node))


def test_death_is_a_record_of_the_subjects() -> None:
    paper = Paper()
    paper.patient("Ana")
    paper.patient("Bea").dies(50)
    found = reader(paper).select(RecordTable.DEATH, None)
    assert found.select("subject", "onset_day", "index").rows() == [("Bea", 50, 1)]
    assert isinstance(found, pl.DataFrame)
