"""Dates of patients that are partial or cannot be: what is taken, what is refused, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl
import pytest

from flarefree.protocol.loaded import LoadedProtocol
from flarefree.readers import from_frames
from flarefree.records.findings import Finding
from flarefree.records.study import Study

PATIENTS = ("Ana", "Bea", "Cleo", "Dora", "Eva", "Fay")
YEARS = range(2006, 2010)


def dm(**ana: str) -> pl.DataFrame:
    """Six patients randomized on 12 February 2006, seen until 2009; `ana` overwrites the first one's row."""
    row = {
        "RFSTDTC": "2006-02-12", "RFENDTC": "2009-02-12", "RFXSTDTC": "", "RFXENDTC": "", "DTHDTC": "",
        "BRTHDTC": "1970-01-01", "AGE": "36", "ARM": "AZA", "SEX": "F",
    }  # fmt: skip
    rows = [{"USUBJID": name, **row, **(ana if name == "Ana" else {})} for name in PATIENTS]
    return pl.DataFrame(rows)


def lb(ana: str = "2006-06-01", **more: str) -> pl.DataFrame:
    """A creatinine a year of each patient, and one more of Ana's on a day of choice."""
    days = [(name, f"{year}-02-12") for name in PATIENTS[1:] for year in YEARS]
    days += [("Ana", "2006-02-12"), ("Ana", ana), *more.items()]
    fixed = {"LBTESTCD": "CREAT", "LBORRES": "1", "LBORRESU": "mg/dL"}
    return pl.DataFrame([{"USUBJID": name, "LBDTC": day, **fixed} for name, day in days])


def ex(start: str = "2006-02-14", end: str = "2006-05-20") -> pl.DataFrame:
    fixed = {"EXTRT": "AZA", "EXDOSE": "100", "EXDOSU": "mg", "EXDOSFRQ": "QD"}
    return pl.DataFrame([{"USUBJID": "Ana", "EXSTDTC": start, "EXENDTC": end, **fixed}])


def ds(day: str, status: str = "COMPLETED") -> pl.DataFrame:
    fixed = {"DSCAT": "DISPOSITION EVENT", "EPOCH": "TREATMENT"}
    return pl.DataFrame([{"USUBJID": "Ana", "DSDECOD": status, "DSSTDTC": day, **fixed}])


def read(protocol: LoadedProtocol, **frames: pl.DataFrame) -> Study:
    return from_frames({"dm": dm(), "lb": lb(), **frames}, protocol)


def of_ana(study: Study) -> Mapping[str, object]:
    return study["subjects"].row(by_predicate=pl.col("subject") == "Ana", named=True)


def found(study: Study, code: str) -> list[Finding]:
    return [finding for finding in study.findings if finding.code == code]


# Dates that cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["9999-12-31", "2150-01-01", "2066-06-01", "1846-06-01", "0001-01-01"])
def test_an_impossible_result_date_is_not_used(protocol: LoadedProtocol, written: str) -> None:
    study = read(protocol, lb=lb(written))
    (finding,) = found(study, "impossible-date")
    assert (finding.severity, finding.file, finding.row) == ("error", "lb", 22)
    assert (finding.subject, finding.found) == ("Ana", written)
    assert study["observations"]["day"].max() == 1097
    odd = study["observations"].filter(pl.col("row") == 22)
    assert odd.select("date", "day", "date_text").row(0) == (None, None, None)


@pytest.mark.parametrize(
    ("column", "ours"),
    [
        ("DTHDTC", "death_date"),
        ("RFENDTC", "end_date"),
        ("RFSTDTC", "randomization_date"),
        ("RFXSTDTC", "first_dose_date"),
        ("BRTHDTC", "birth_date"),
    ],
)
@pytest.mark.parametrize("written", ["9999-12-31", "0001-01-01"])
def test_an_impossible_date_of_a_patient_is_not_used(
    protocol: LoadedProtocol, column: str, ours: str, written: str
) -> None:
    study = read(protocol, dm=dm(**{column: written}))
    assert of_ana(study)[ours] is None
    (finding,) = found(study, "impossible-date")
    assert (finding.severity, finding.row, finding.found) == ("error", 1, written)


def test_a_lonely_day_one_is_not_used_and_the_first_dose_stands_in(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFSTDTC="1966-02-12"), ex=ex())
    assert of_ana(study)["randomization_date"] == date(2006, 2, 14)
    assert [f.column for f in found(study, "impossible-date")] == ["reference_start_date"]


def test_a_disposition_in_the_year_9999_leaves_the_end_that_others_give(protocol: LoadedProtocol) -> None:
    study = read(protocol, ds=ds("9999-12-31"))
    assert of_ana(study)["end_date"] == date(2009, 2, 12)
    assert study["dispositions"].select("date", "day").row(0) == (None, None)
    assert [f.file for f in found(study, "impossible-date")] == ["ds"]


def test_long_follow_up_with_visits_on_the_way_is_used(protocol: LoadedProtocol) -> None:
    """Forty years, a visit every fifteen: no gap of twenty."""
    rows = lb("2021-06-01").vstack(lb("2036-06-01")[-1:]).vstack(lb("2046-06-01")[-1:])
    study = read(protocol, lb=rows, dm=dm(DTHDTC="2049-01-01"))
    assert not found(study, "impossible-date")
    assert of_ana(study)["death_date"] == date(2049, 1, 1)


def test_dates_of_several_patients_after_a_gap_are_used(protocol: LoadedProtocol) -> None:
    study = read(protocol, lb=lb("2036-06-01", Bea="2037-06-01"))
    assert not found(study, "impossible-date")


def test_few_patients_say_nothing_of_a_gap(protocol: LoadedProtocol) -> None:
    few = pl.col("USUBJID").is_in(["Ana", "Bea", "Cleo"])
    study = read(protocol, lb=lb("2046-06-01").filter(few), dm=dm().filter(few))
    assert not found(study, "impossible-date")


def test_what_began_long_before_the_study_is_used(protocol: LoadedProtocol) -> None:
    mh = pl.DataFrame({"USUBJID": ["Ana"], "MHTERM": ["Lupus"], "MHSTDTC": ["1931-05-01"]})
    study = read(protocol, mh=mh, dm=dm(BRTHDTC="1921-01-01", AGE="85"))
    assert not found(study, "impossible-date")
    assert study["medical_history"]["date"].to_list() == [date(1931, 5, 1)]


def test_death_and_end_before_day_one_and_birth_after_it_are_not_used(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(DTHDTC="2005-02-12", RFENDTC="2006-02-11", BRTHDTC="2006-03-01"))
    ana = of_ana(study)
    assert (ana["death_date"], ana["end_date"], ana["birth_date"]) == (None, None, None)
    assert {(f.column, f.severity) for f in found(study, "impossible-date")} == {
        ("death_date", "error"),
        ("end_date", "error"),
        ("birth_date", "error"),
    }
    assert not found(study, "dates-out-of-order")


# Partial dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "taken", "why"),
    [
        ("2006", date(2006, 6, 1), "the last day that the patient is known alive"),
        ("2006-08", date(2006, 8, 1), "the earliest that it allows"),
        ("2006-03", date(2006, 3, 31), "the latest that it allows, though the patient is known alive later"),
    ],
)
def test_a_partial_death_is_not_before_the_patient_was_last_alive(
    protocol: LoadedProtocol, written: str, taken: date, why: str
) -> None:
    study = read(protocol, dm=dm(DTHDTC=written))
    assert of_ana(study)["death_date"] == taken
    (finding,) = found(study, "date-completed")
    assert (finding.severity, finding.row, finding.found) == ("warning", 1, written)
    assert finding.expected == f"a whole date; {taken} is taken, {why}"
    assert study["subjects"]["death_date"].null_count() == 5


def test_a_partial_death_of_one_without_records_is_on_day_one(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(DTHDTC="2006"), lb=lb().filter(pl.col("USUBJID") != "Ana"))
    assert of_ana(study)["death_date"] == date(2006, 2, 12)
    assert found(study, "date-completed")[0].expected.endswith("is taken, day 1")


def test_a_disposition_of_death_completes_a_partial_death(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(DTHDTC="2006"), ds=ds("2006-09-09", "DEATH"))
    assert of_ana(study)["death_date"] == date(2006, 9, 9)
    assert found(study, "date-completed")[0].expected.endswith("as other dates of the patient say")


def test_a_disposition_of_death_is_a_death(protocol: LoadedProtocol) -> None:
    assert of_ana(read(protocol, ds=ds("2006-09-09", "DEATH")))["death_date"] == date(2006, 9, 9)


def test_a_partial_end_is_not_before_the_last_visit(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFENDTC="2006"), ds=ds("2006"))
    assert of_ana(study)["end_date"] == date(2006, 6, 1)
    assert study["dispositions"].select("date", "day").row(0) == (date(2006, 6, 1), 110)
    (finding,) = found(study, "date-completed")
    assert finding.expected.endswith("the last day with a dose, a visit or a result")


def test_a_partial_end_is_the_whole_date_that_another_column_gives(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFENDTC="2006-07-07"), ds=ds("2006"))
    assert of_ana(study)["end_date"] == date(2006, 7, 7)


def test_a_partial_last_dose_is_not_before_a_known_one(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFXENDTC="2006"), ex=ex())
    assert of_ana(study)["last_dose_date"] == date(2006, 5, 20)
    study = read(protocol, dm=dm(RFXENDTC="2006"), ex=ex(end="2006"))
    assert of_ana(study)["last_dose_date"] == date(2006, 2, 14)
    assert study["exposures"]["end_date"].to_list() == [date(2006, 2, 14)]


# Day 1 -----------------------------------------------------------------------------------------------


def test_a_whole_first_dose_stands_in_for_a_partial_day_one(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFSTDTC="2006"), ex=ex())
    assert of_ana(study)["randomization_date"] == date(2006, 2, 14)
    (finding,) = found(study, "partial-day-one")
    assert (finding.severity, finding.found) == ("warning", "2006")
    assert finding.expected == "a whole date; 2006-02-14 is taken, the first exposure"
    study = read(protocol, dm=dm(RFSTDTC="2006", RFXSTDTC="2006-02-13"), ex=ex())
    assert of_ana(study)["randomization_date"] == date(2006, 2, 13)


def test_a_partial_day_one_without_any_whole_date_is_a_warning(protocol: LoadedProtocol) -> None:
    study = read(protocol, dm=dm(RFSTDTC="2006-02"))
    assert of_ana(study)["randomization_date"] == date(2006, 2, 1)
    (finding,) = found(study, "partial-day-one")
    assert finding.severity == "warning"
    assert finding.expected == "a whole date; 2006-02-01 is taken, the earliest that it allows"


# Age -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "used"), [("-5", 36), ("999", 36), ("0", 0), ("120", 120)])
def test_an_age_that_nobody_has_is_not_used(protocol: LoadedProtocol, written: str, used: int) -> None:
    """Born on 1 January 1970, Ana is 36 on day 1."""
    study = read(protocol, dm=dm(AGE=written))
    assert of_ana(study)["age_years"] == used
    assert [f.found for f in found(study, "impossible-age")] == ([written] if used == 36 else [])
