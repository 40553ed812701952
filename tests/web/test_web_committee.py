"""Adjudication through commands: checks E1 to E7 on the record, and what each person is kept from."""

from __future__ import annotations

import random

import pytest

from flarefree.errors import ConductError

SEED = 20_260_312
WHY = "as the rows show"


@pytest.fixture
def cohort(record: None):
    from web_committee import appoint, go_live
    from web_planting import plant_cohort_in_record

    from flarefree.conduct.checks.cohort import plant_cohort
    from flarefree.web.chance import lots_drawn_from
    from flarefree.web.trial import running_trial

    go_live()
    appoint()
    planted = plant_cohort(running_trial().protocol, 14, SEED)
    plant_cohort_in_record(planted.planted)
    with lots_drawn_from(random.Random(SEED)):
        yield planted


def _queue():
    from flarefree.web.committee_store import read_whole_queue

    return read_whole_queue().queue


def test_every_planted_event_is_a_case_that_cites_its_rows(cohort):
    """E1"""
    from flarefree.web.record.reading import read_things

    cases = {(c.subject, c.endpoint, c.day): c for c in _queue().suspected}
    assert cohort.true <= set(cases)
    told = {(d.subject, d["endpoint"], d["day"]): d for d in read_things("detection")}
    for event in cohort.true:
        assert "entry" in told[event]["cited"]
        assert told[event]["protocol"] and told[event]["sentence"]
