"""R8: of a corrected stratum the exported study has both; the protocol says which one is analyzed."""

from __future__ import annotations

from datetime import timedelta

import pytest


@pytest.fixture
def trial(databases: None, tmp_path):
    """Three patients randomized as White; the first is really Asian."""
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN, STRATA, live_trial, randomize
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.subjects import CorrectStratum

    with live_trial(tmp_path / "trial", subjects=3) as told:
        for subject in told.subjects:
            randomize(subject)
        actual = {"induction_drug": STRATA[0][0], "race": "Asian", "biopsy_class": STRATA[0][2]}
        command = CorrectStratum(subject=told.subjects[0], actual=actual, reason="source document")
        actor = Actor("ina", "investigator", frozenset({"001"}))
        execute(command, Asked(actor, "correct", BEGIN + timedelta(hours=2)))
        yield told


def _protocol(which: str):
    from flarefree.protocol.loading import builtin_path, parse_protocol

    text = builtin_path("alms-maintenance").read_text("utf-8")
    told = text.replace(
        "  strata: [induction_drug, race, biopsy_class]\n",
        f"  strata: [induction_drug, race, biopsy_class]\n  analyze_strata: {which}\n",
    )
    assert told != text
    return parse_protocol(told, "told.yaml")


def _read(study, protocol, name: str = "race"):
    """By patient: the stratum that analyses are made in, and the characteristic."""
    from flarefree.analysis.baseline import characteristic, stratum
    from flarefree.analysis.trial import open_trial
    from flarefree.endpoints.derive import derive

    opened = open_trial(derive(study, protocol))
    cohort = opened.allocated()
    names = cohort.subjects["subject"].to_list()
    strata = dict(zip(names, stratum(opened, cohort, name).to_list(), strict=True))
    return strata, dict(zip(names, characteristic(opened, cohort, name).values.to_list(), strict=True))


@pytest.mark.parametrize(("which", "level"), [("used", "White"), ("actual", "Asian")])
def test_the_analysis_reads_the_stratum_that_the_protocol_names(trial, which, level):
    from flarefree.web.study import study_of_record

    first, *others = trial.subjects
    strata, races = _read(study_of_record(), _protocol(which))
    assert strata == {first: level, **dict.fromkeys(others, "White")}
    # What the patient is does not change with the plan: tables of characteristics tell the truth.
    assert races == {first: "Asian", **dict.fromkeys(others, "White")}


def test_the_default_is_the_stratum_used(trial):
    from flarefree.protocol.loading import load_protocol
    from flarefree.web.study import study_of_record

    protocol = load_protocol("alms-maintenance")
    assert protocol.spec.randomization.analyze_strata == "used"
    assert _read(study_of_record(), protocol)[0][trial.subjects[0]] == "White"


def test_both_are_exported_and_read_back(trial, tmp_path):
    from flarefree.conduct.visibility import Actor
    from flarefree.readers import read_study
    from flarefree.web.checks.live_trial import BEGIN
    from flarefree.web.clock import clock_set_to
    from flarefree.web.exporting import export_study

    with clock_set_to(lambda: BEGIN + timedelta(days=1)):
        export_study(Actor("mia", "data_manager"), tmp_path / "study")
    text = (tmp_path / "study" / "suppdm.csv").read_text("utf-8")
    assert "stratum.race,White" in text and "stratum_actual.race,Asian" in text
    study = read_study(tmp_path / "study")
    first = trial.subjects[0]
    for which, level in (("used", "White"), ("actual", "Asian")):
        assert _read(study, _protocol(which))[0][first] == level


def test_data_that_tell_one_stratum_have_that_one(trial):
    from dataclasses import replace

    from flarefree.web.study import study_of_record

    study = study_of_record()
    columns = [name for name in study["subjects"].columns if not name.startswith("stratum")]
    plain = replace(study, tables={**study.tables, "subjects": study["subjects"].select(columns)})
    for which in ("used", "actual"):
        assert _read(plain, _protocol(which))[0][trial.subjects[0]] == "Asian"


def test_a_stratified_test_takes_its_strata_from_there(trial, monkeypatch):
    """The log-rank test and Cox's model ask for strata, and not for characteristics."""
    from flarefree.analysis import hazards
    from flarefree.analysis.trial import open_trial
    from flarefree.endpoints.derive import derive
    from flarefree.web.study import study_of_record

    class Times:
        def __init__(self, cohort):
            self.cohort = cohort

    for which, level in (("used", "White"), ("actual", "Asian")):
        opened = open_trial(derive(study_of_record(), _protocol(which)))
        (column,) = hazards._strata(opened, Times(opened.allocated()), ["race"])
        assert level == column[opened.allocated().subjects["subject"].to_list().index(trial.subjects[0])]
