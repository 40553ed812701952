"""E3 to E7 and M3 on the record, with reduced counts: what `flarefree validate` runs."""

from __future__ import annotations

import pytest

_WHERE = {"E3": "committee", "E4": "dossiers", "E5": "committee", "E6": "committee", "E7": "committee",
          "M3": "dossiers"}  # fmt: skip


@pytest.mark.parametrize("number", list(_WHERE))
def test_check(databases: None, number: str) -> None:
    from importlib import import_module

    from flarefree.conduct.checks.result import run_check

    module = import_module(f"flarefree.web.checks.{_WHERE[number]}")
    (check,) = (check for check in module.CHECKS if check.number == number)
    result = run_check(check, quick=True)
    assert result.passed, str(result)


def test_members_who_see_a_first_vote_fail_the_check(
    databases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3, with the seal broken: a desk that shows votes before all are in."""
    from dataclasses import replace

    from flarefree.conduct.adjudication.desk import SeenVote
    from flarefree.conduct.adjudication.voting import Answer
    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks import committee
    from flarefree.web.record.reading import read_things

    honest = committee.desk

    def leaking(actor):
        cast = {item.key.partition(".")[0] for item in read_things("vote")}
        vote = (SeenVote("somebody", Answer.CONFIRMED, 92, ""),)
        return tuple(
            replace(d, votes=vote) if d.number in cast and d.state == "to vote" else d for d in honest(actor)
        )

    monkeypatch.setattr(committee, "desk", leaking)
    check = next(check for check in committee.CHECKS if check.number == "E3")
    rows = {row.what.split(" of ")[0]: row for row in run_check(check, quick=True).evidence}
    assert not rows["first votes"].holds


def test_a_dossier_that_names_the_patient_fails_the_check(
    databases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E4"""
    from dataclasses import replace

    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks import dossiers
    from flarefree.web.checks.committee_trial import queue_now

    honest = dossiers.dossier_page

    def leaking(actor, number):
        page = honest(actor, number)
        return replace(page, dossier=replace(page.dossier, question=queue_now().case(number).subject))

    monkeypatch.setattr(dossiers, "dossier_page", leaking)
    check = next(check for check in dossiers.CHECKS if check.number == "E4")
    failed = {row.what for row in run_check(check, quick=True).failures}
    assert failed == {"pages that name the patient"}
