"""E1 and E2 on the record with reduced counts, and the alarm of a look that broke off."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("number", ["E1", "E2"])
def test_check(databases: None, number: str) -> None:
    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks.detection import CHECKS

    (check,) = (check for check in CHECKS if check.number == number)
    result = run_check(check, quick=True)
    assert result.passed, str(result)


@pytest.fixture
def cohort(databases: None, tmp_path):
    from flarefree.web.checks.committee_trial import committee_trial

    with committee_trial(tmp_path / "trial", patients=4) as planted:
        yield planted


def _break(monkeypatch, only: str = ""):
    """The detector breaks off, for one patient or for all."""
    from flarefree.web.commands import detecting

    honest = detecting.detect_in

    def breaks(subjects, at):
        if not only or subjects is None or only in list(subjects):
            raise ValueError("tacrolimus 6.66")
        return honest(subjects, at)

    monkeypatch.setattr(detecting, "detect_in", breaks)


def _enter(subject: str, request: str, days: int = 0) -> None:
    from datetime import timedelta

    from flarefree.web.checks.committee_trial import START, plant

    row = {"subject": subject, "site": "03", "name": "SUSPECTED RENAL FLARE", "date": "2024-07-01"}
    at = START + timedelta(days=days)
    plant(subject, ("clinical_event", request, "investigator.verdict", row), request=request, at=at)


def test_the_alarm_is_on_the_data_manager_s_first_page_alone(cohort, monkeypatch):
    from web_committee import MANAGER, member

    from flarefree.conduct.visibility import Actor
    from flarefree.web.pages.views.home import _lost_looks
    from flarefree.web.queries.seeing import see_things
    from flarefree.web.record.models import LogRow

    with monkeypatch.context() as broken:
        _break(broken)
        _enter("P-0002", "late")
    (task,) = _lost_looks(MANAGER)
    assert task.text.startswith("P-0002") and "ValueError" in task.text
    assert not any("6.66" in row.items or "tacrolimus" in row.items for row in LogRow.objects.all())
    for actor in (Actor("ines", "investigator", frozenset({"03"})), member("eva"), Actor("sam", "sponsor")):
        assert not see_things(actor, "lost_look"), actor


def test_a_release_makes_up_for_it(cohort, monkeypatch):
    from web_committee import MANAGER, queue_now, release_cases

    from flarefree.web.queries.lost_looks import lost_looks

    with monkeypatch.context() as broken:
        _break(broken)
        _enter("P-0002", "late")
    assert [one.subject for one in lost_looks(MANAGER)] == ["P-0002"]
    release_cases(days=1)
    assert lost_looks(MANAGER) == ()
    assert any(c.endpoint == "suspected_renal_flare" and c.number for c in queue_now().cases)


def test_one_patient_s_data_do_not_keep_the_others_from_their_looks_at_a_start(cohort, monkeypatch):
    from datetime import timedelta

    from web_committee import MANAGER, START, queue_now

    from flarefree.web.commands.detecting import repair_cases
    from flarefree.web.queries.lost_looks import lost_looks

    with monkeypatch.context() as broken:
        _break(broken)
        for subject in ("P-0002", "P-0003"):
            _enter(subject, f"late {subject}")
    with monkeypatch.context() as broken:
        _break(broken, only="P-0002")
        assert repair_cases(START + timedelta(days=1)) == ("P-0003",)
    assert [one.subject for one in lost_looks(MANAGER)] == ["P-0002"]
    assert repair_cases(START + timedelta(days=2)) == ("P-0002",)
    assert lost_looks(MANAGER) == ()
    found = {c.subject for c in queue_now().cases if c.endpoint == "suspected_renal_flare"}
    assert found >= {"P-0002", "P-0003"}


def test_a_correction_stands_though_neither_look_nor_alarm_could_be_written(cohort, monkeypatch, caplog):
    from flarefree.web.commands import detecting
    from flarefree.web.record.reading import read_thing

    def away(*_: object) -> None:
        raise OSError("the disk went away")

    _break(monkeypatch)
    monkeypatch.setattr(detecting, "execute", away)
    _enter("P-0002", "late")
    assert read_thing("clinical_event", "late")["date"] == "2024-07-01"
    assert "nor could this be noted" in caplog.text
