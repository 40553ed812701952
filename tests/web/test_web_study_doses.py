"""Doses of the record as exposures of the study: steps and days, coded, the same in each arm."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest


@pytest.fixture
def trial(databases: None, tmp_path):
    """Six patients at five sites, the first with a whole course of doses."""
    from flarefree.web.checks.live_trial import live_trial, randomize

    with live_trial(tmp_path / "trial", subjects=6) as told:
        for subject in told.subjects:
            randomize(subject)
        _course(told.subjects[0])
        yield told


def _ask(command, days: float, role: str = "investigator"):
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute

    site = command.subject.partition("-")[0]
    asked = Asked(
        Actor(role, role, frozenset({site})), f"{command.name} {days}", BEGIN + timedelta(days=days, hours=2)
    )
    return execute(command, asked)


def _course(who: str) -> None:
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses import (
        EndDoses,
        InterruptDoses,
        ResumeDoses,
        SetDoseStep,
        StartDoses,
        WeighPatient,
    )

    def on(days: int):
        return BEGIN.date() + timedelta(days)

    _ask(StartDoses(subject=who, on=on(0), weight_kg="61.5"), 0)
    _ask(SetDoseStep(subject=who, on=on(10), step=1, why="ADVERSE_EVENT"), 10)
    _ask(WeighPatient(subject=who, on=on(14), weight_kg="60"), 14)
    _ask(InterruptDoses(subject=who, on=on(20), temporary=1, why="LABORATORY"), 20)
    _ask(ResumeDoses(subject=who, on=on(25), step=1), 25)
    _ask(EndDoses(subject=who, on=on(30)), 30)


def _exposures(who: str):
    from flarefree.web.study import study_of_record

    study = study_of_record()
    return study, study["exposures"].filter(pl.col("subject") == who).sort("start_day")


def test_each_step_is_a_row_with_its_days(trial):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses_standing import plan_in_force

    plan = plan_in_force(BEGIN)
    shares = [1, plan.steps[1], plan.temporary_steps[1], plan.steps[1]]
    study, rows = _exposures(trial.subjects[0])
    # A weight alone begins no row: the step is the same.
    assert rows.select("start_day", "end_day").rows() == [(1, 10), (11, 20), (21, 25), (26, 30)]
    assert rows["dose"].to_list() == [pytest.approx(float(share) * 100) for share in shares]
    assert set(rows["drug"].to_list()) == {"STUDY DRUG (CODED)"}
    dm = study["subjects"].filter(pl.col("subject") == trial.subjects[0])
    assert dm["first_dose_date"].to_list() == [BEGIN.date()]


def test_two_commands_of_one_day_are_the_last_one(trial):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses import SetDoseStep, StartDoses

    who = trial.subjects[1]
    _ask(StartDoses(subject=who, on=BEGIN.date() + timedelta(31), weight_kg="61.5"), 31)
    _ask(SetDoseStep(subject=who, on=BEGIN.date() + timedelta(31), step=1, why="INTOLERANCE"), 31.1)
    _, rows = _exposures(who)
    assert rows.select("start_day", "end_day").rows() == [(32, None)]
    assert rows["dose"][0] < 100


def test_a_kit_that_was_handed_out_is_the_exposure_where_no_dose_was_recorded(trial):
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.commands.doses import DispenseKit
    from flarefree.web.record.reading import read_thing

    for n, who in enumerate(trial.subjects[:2]):
        kit = str(read_thing("subject", who)["kit"])
        on = BEGIN.date() + timedelta(32 + n)
        _ask(DispenseKit(subject=who, kit=kit, dispensed_on=on), 32 + n, "pharmacist")
    _, dosed = _exposures(trial.subjects[0])
    _, handed = _exposures(trial.subjects[1])
    assert dosed.height == 4
    assert handed.select("start_day", "dose").rows() == [(34, None)]


def test_the_exported_file_is_read_back_and_names_no_drug(trial, tmp_path):
    from flarefree.conduct.visibility import Actor
    from flarefree.readers import read_study
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.clock import clock_set_to
    from flarefree.web.exporting import export_study

    with clock_set_to(lambda: BEGIN + timedelta(days=40)):
        export_study(Actor("mia", "data_manager"), tmp_path / "study")
    text = (tmp_path / "study" / "ex.csv").read_text("utf-8")
    header, *lines = text.strip().splitlines()
    assert {"EXDOSRGM", "EXADJ", "FFENTRY"} <= set(header.split(",")) and len(lines) == 4
    assert "TEMPORARY STEP 1" in text and "ADVERSE_EVENT" in text
    for word in ("MMF", "AZA", "cyclo", "mycophenolate", "placebo"):
        assert word.casefold() not in text.casefold()
    study = read_study(tmp_path / "study")
    _, ours = _exposures(trial.subjects[0])
    theirs = study["exposures"].sort("start_day")
    for column in ("drug", "dose", "unit", "start_day", "end_day"):
        assert theirs[column].to_list() == ours[column].to_list(), column
    assert not [f for f in study.findings if "ex." in str(f.to_dict() if hasattr(f, "to_dict") else f)]


def test_swapped_arms_give_the_same_rows(databases: None, tmp_path):
    """B7 of the export: the same course under the same lists with every arm exchanged."""
    from flarefree.conduct.checks._trial import swap_arms
    from flarefree.web.checks.live_trial import live_trial, randomize

    found, lists = [], None
    for n in range(2):
        with live_trial(tmp_path / f"trial {n}", subjects=1, lists=lists) as told:
            randomize(told.subjects[0])
            _course(told.subjects[0])
            _, rows = _exposures(told.subjects[0])
            found.append((told.lists.sha256, rows.rows()))
            lists = swap_arms(told.lists)
    (one, ours), (other, theirs) = found
    assert one != other
    assert ours == theirs and ours
