"""Adjudication through commands: what the checks E1 to E7 and M3 do not tell, in single steps."""

from __future__ import annotations

import pytest

from flarefree.errors import ConductError


@pytest.fixture
def cohort(databases: None, tmp_path):
    from flarefree.web.checks.committee_trial import committee_trial

    with committee_trial(tmp_path / "trial", patients=9) as planted:
        yield planted


def test_a_text_that_could_tell_the_arm_is_held_back(cohort):
    """B8"""
    from web_committee import KEEPER, ask, queue_now, release_cases

    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.adjudication_closing import CorrectNote, SendNote
    from flarefree.web.queries.committee import board
    from flarefree.web.queries.dossiers import prepared_dossier

    release_cases()
    case = next(c for c in queue_now().cases if c.number)
    site = Actor("ines", "investigator", frozenset({case.site}))
    text = "Class IV; the patient was on tacrolimus."
    sent = ask(
        site, SendNote(subject=case.subject, title="Biopsy", on="2024-02-10", text=text), days=1
    ).result
    assert sent["is_held"] and "tacrolimus" in sent["held_for"]
    assert len(board(KEEPER).held) == 1 and "tacrolimus" not in repr(board(KEEPER))
    assert prepared_dossier(KEEPER, case.number).dossier.notes == ()
    mended = CorrectNote(note=sent["note"], text="Class IV, active lesions.", reason="drug left out")
    assert not ask(site, mended, days=2).result["is_held"]
    assert not board(KEEPER).held
    assert prepared_dossier(KEEPER, case.number).dossier.notes[0].text == "Class IV, active lesions."
    with pytest.raises(ConductError):
        ask(Actor("x", "investigator", frozenset({"99"})), mended.model_copy(update={"text": "b"}), days=3)


def test_questions_about_a_dossier_are_answered_without_telling_words(cohort):
    from web_committee import KEEPER, MEMBERS, ask, member, queue_now, release_cases

    from flarefree.web.commands.adjudication import AskAboutDossier
    from flarefree.web.commands.adjudication_keeping import AnswerAboutDossier
    from flarefree.web.queries.dossiers import dossier_page

    release_cases()
    case = next(c for c in queue_now().cases if c.number)
    one, other = case.round.assigned
    key = ask(member(one), AskAboutDossier(case=case.number, text="Is there a repeat?"), days=1).result[
        "query"
    ]
    with pytest.raises(ConductError, match="could tell the arm"):
        ask(KEEPER, AnswerAboutDossier(query=key, text="after azathioprine was stopped"), days=2)
    ask(KEEPER, AnswerAboutDossier(query=key, text="None was made."), days=2)
    assert dossier_page(member(one), case.number).questions[0].answer == "None was made."
    assert dossier_page(member(other), case.number).questions == ()
    assert set(MEMBERS) >= {one, other}


def test_leave_and_replacement_find_other_readers(cohort):
    """E3"""
    from web_committee import KEEPER, ask, judge, queue_now, release_cases

    from flarefree.conduct.adjudication.cases import CaseState
    from flarefree.web.commands.adjudication_keeping import (
        RecordConflict,
        RecordLeave,
        ReopenCase,
        ReplaceReader,
    )

    release_cases()
    case = next(c for c in queue_now().cases if c.state is CaseState.VOTING)
    leaving = case.round.assigned[0]
    ask(KEEPER, ReplaceReader(case=case.number, member=leaving, why="cannot be reached"), days=1)
    assert leaving not in queue_now().case(case.number).round.assigned
    away = next(c for c in queue_now().cases if c.state is CaseState.VOTING).round.assigned[0]
    ask(KEEPER, RecordLeave(member=away, first="2026-03-01", last="2026-03-20"), days=1)
    assert not [c for c in queue_now().cases if away in c.round.assigned]
    barred = next(c for c in queue_now().cases if c.state is CaseState.VOTING)
    ask(KEEPER, RecordConflict(member=barred.round.assigned[1], why="treats there", site=barred.site), days=2)
    assert not [
        c
        for c in queue_now().cases
        if c.site == barred.site and barred.round.assigned[1] in c.round.outstanding
    ]
    judge(days=30)
    decided = next(c for c in queue_now().suspected if c.verdict is not None)
    ask(KEEPER, ReopenCase(case=decided.number, why="a biopsy came in late"), days=31)
    again = next(c for c in queue_now().cases if c.id == decided.id)
    assert again.verdict is None and again.verdicts == (decided.verdict,)
