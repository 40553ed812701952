"""Adjudication through commands: checks E1 to E7 on the record, and what each person is kept from."""

from __future__ import annotations

import random

import pytest

from flarefree.errors import ConductError

SEED = 20_260_312
WHY = "as the rows show"


@pytest.fixture
def cohort(record: None, request: pytest.FixtureRequest):
    from web_committee import appoint, go_live
    from web_planting import plant_cohort_in_record

    from flarefree.conduct.checks.cohort import plant_cohort
    from flarefree.web.chance import lots_drawn_from
    from flarefree.web.trial import running_trial

    go_live()
    appoint()
    planted = plant_cohort(running_trial().protocol, getattr(request, "param", 9), SEED)
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


def _release(days: float = 0):
    from web_committee import KEEPER, ask

    from flarefree.web.commands.adjudication_keeping import ReleaseCases

    return ask(KEEPER, ReleaseCases(), days=days)


def _vote(number: str, name: str, answer: str, day: int | None = None, *, days: float = 1):
    from web_committee import ask, member

    from flarefree.web.commands.adjudication import CastVote

    return ask(member(name), CastVote(case=number, answer=answer, event_day=day, reason=WHY), days=days)


def _judge(*, days: float = 1, differ: set[str] = frozenset()) -> None:
    """Members vote on all that is on desks: suspected ones are confirmed, others refuted."""
    from flarefree.conduct.adjudication.cases import CaseKind, CaseState

    for case in _queue().cases:
        if case.state is not CaseState.VOTING:
            continue
        for n, name in enumerate(case.round.outstanding):
            is_event = case.kind is CaseKind.SUSPECTED and not (n == 1 and case.subject in differ)
            _vote(
                case.number,
                name,
                "confirmed" if is_event else "refuted",
                case.day if is_event else None,
                days=days,
            )


def _settle(days: float = 2) -> None:
    """The chair and the quorum decide what members differ on."""
    from web_committee import CHAIR, START, ask

    from flarefree.conduct.adjudication.cases import CaseState
    from flarefree.web.commands.adjudication import DecideTogether
    from flarefree.web.committee_people import read_committee

    for case in _queue().cases:
        if case.state is CaseState.DISAGREED:
            able = [
                m.id
                for m in read_committee(START).eligible(case.subject, case.site, case.endpoint, START.date())
            ]
            present = ["ada", *[name for name in able if name != "ada"][:2]]
            command = DecideTogether(case=case.number, answer="refuted", reason=WHY, present=present)
            ask(CHAIR, command, days=days)


def test_a_corrected_laboratory_value_opens_a_verdict_again_and_keeps_it(cohort):
    """E2"""
    from web_committee import START
    from web_planting import plant

    _release()
    _judge()
    case = next(
        c for c in _queue().suspected if c.endpoint == "renal_flare" and c.verdict is not None and c.basis
    )
    before = case.verdict
    rows = [r for r in cohort.planted.rows["lb"] if r["USUBJID"] == case.subject]
    lab = next(i for i, r in enumerate(rows) if r["LBTESTCD"] == "CREAT" and _day(r) == case.day)
    changed = {"value": f"{float(rows[lab]['LBORRES']) + 0.01:.2f}"}
    at = START.replace(month=4)
    plant(
        case.subject, ("lab", f"{case.subject}.{lab}", "labs.efficacy", changed), request="corrected", at=at
    )
    again = next(c for c in _queue().cases if c.id == case.id)
    assert again.verdict is None and again.verdicts[0] == before
    assert [line.what for line in again.history][-1] == "opened again"
    assert "entry" in again.round.why
    _release(days=40)
    shown_again = next(c for c in _queue().cases if c.id == case.id)
    assert shown_again.number not in ("", case.number)


def _day(row) -> int:
    from datetime import date

    from flarefree.conduct.checks.planted import DAY_ONE

    apart = (date.fromisoformat(row["LBDTC"]) - DAY_ONE).days
    return apart + 1 if apart >= 0 else apart


def test_a_look_that_was_lost_is_made_up_for_at_the_next_start(cohort, monkeypatch):
    """E2"""
    from web_committee import START
    from web_planting import plant

    from flarefree.web.commands import detecting

    known = {c.id for c in _queue().cases}
    with monkeypatch.context() as broken:
        broken.setattr(detecting, "after_change", lambda subject, asked: False)
        of = {"subject": "P-0002", "site": "03", "name": "SUSPECTED RENAL FLARE", "date": "2024-07-01"}
        plant("P-0002", ("clinical_event", "late", "investigator.verdict", of), request="late", at=START)
    assert {c.id for c in _queue().cases} == known
    assert detecting.repair_cases(START) == ("P-0002",)
    assert detecting.repair_cases(START) == ()
    assert {c.endpoint for c in _queue().cases if c.id not in known} == {"suspected_renal_flare"}


def test_votes_are_sealed_and_the_chair_settles_what_differs(cohort):
    """E3"""
    from web_committee import CHAIR, ask, member

    from flarefree.conduct.adjudication.cases import CaseState
    from flarefree.web.commands.adjudication import CastVote, DecideTogether
    from flarefree.web.queries.committee import desk
    from flarefree.web.queries.seeing import see_things

    _release()
    case = next(c for c in _queue().suspected if c.state is CaseState.VOTING)
    one, other = case.round.assigned
    _vote(case.number, one, "confirmed", case.day)
    assert not see_things(member(other), "vote")
    seen = next(d for d in desk(member(other)) if d.number == case.number)
    assert (seen.state, seen.own_vote, seen.votes) == ("to vote", None, ())
    with pytest.raises(ConductError, match="once"):
        _vote(case.number, one, "refuted")
    _vote(case.number, other, "refuted")
    assert {v.member for v in next(d for d in desk(member(one)) if d.number == case.number).votes} == {
        one,
        other,
    }
    assert next(d for d in desk(CHAIR) if d.number == case.number).state == "to decide"
    stranger = next(n for n in ("ben", "cleo", "dan", "eva", "finn") if n not in case.round.assigned)
    for wrong in (
        (member(stranger), CastVote(case=case.number, answer="refuted", reason=WHY)),
        (CHAIR, CastVote(case=case.number, answer="refuted", reason=WHY)),
        (member(one), DecideTogether(case=case.number, answer="refuted", reason=WHY, present=["ada"])),
    ):
        with pytest.raises(ConductError, match=r"nothing here for you|no vote"):
            ask(*wrong, days=2)
    with pytest.raises(ConductError, match="quorum"):
        ask(CHAIR, DecideTogether(case=case.number, answer="refuted", reason=WHY, present=["ada"]), days=2)
    _settle()
    decided = _queue().case(case.number)
    assert (
        decided.verdict is not None
        and decided.verdict.by == "consensus"
        and decided.verdict.answer == "refuted"
    )


def test_who_declines_a_case_gives_it_to_another(cohort):
    """E3"""
    from web_committee import ask, member

    from flarefree.conduct.adjudication.cases import CaseState
    from flarefree.web.commands.adjudication import DeclineCase
    from flarefree.web.queries.committee import desk

    _release()
    case = next(c for c in _queue().cases if c.state is CaseState.VOTING)
    leaving = case.round.assigned[0]
    ask(member(leaving), DeclineCase(case=case.number, why="a cousin of mine"), days=1)
    after = _queue().case(case.number)
    assert leaving not in after.round.assigned and len(after.round.assigned) == 2
    assert case.number not in {d.number for d in desk(member(leaving))}


def test_nobody_gets_a_case_of_the_own_site(cohort):
    """M3"""
    from web_committee import MEMBERS, member

    from flarefree.web.queries.committee import desk
    from flarefree.web.queries.dossiers import dossier_page

    _release()
    cases = {c.number: c for c in _queue().cases if c.number}
    seen = 0
    for name, site in MEMBERS.items():
        mine = {d.number for d in desk(member(name))}
        seen += len(mine)
        assert site not in {cases[number].site for number in mine}
        for number in cases.keys() - mine:
            with pytest.raises(ConductError, match="nothing here for you"):
                dossier_page(member(name), number)
    assert seen == 2 * len(cases)


FORBIDDEN = (
    "P-0",
    "2024-",
    "control",
    "duplicate",
    "KIT",
    "tacrolimus",
    "adverse",
    "EXPOSURE",
    "arm",
    "MMF",
    "AZA",
)


def test_a_dossier_has_what_is_allowed_and_nothing_else(cohort):
    """E4"""
    from dataclasses import asdict
    from json import dumps

    from web_committee import START, member
    from web_planting import plant

    from flarefree.web.queries.dossiers import dossier_page
    from flarefree.web.queries.seeing import see_things

    _release()
    for case in _queue().cases:
        of = {"subject": case.subject, "site": case.site}
        key = case.id.replace("/", ".")
        event = of | {"term": "ADVERSEWORD", "start": "2024-05-01"}
        trough = of | {"test": "TACROL", "value": "6.66", "unit": "ng/mL", "date": "2024-05-01"}
        kit = of | {"kit": "KITWORD", "date": "2024-02-01"}
        plant(
            case.subject,
            ("adverse_event", f"ae.{key}", "adverse_events.record", event),
            ("lab", f"tr.{key}", "labs.trough_shown", trough),
            ("dispensing", f"k.{key}", "dispensing.record", kit),
            request=f"beside {case.id}",
            at=START,
        )
    case = next(c for c in _queue().cases if c.endpoint == "renal_flare" and c.number)
    reader = member(case.round.assigned[0])
    page = dossier_page(reader, case.number)
    told = dumps(asdict(page), default=str)
    assert not [word for word in FORBIDDEN if word.lower() in told.lower()]
    assert "6.66" not in told
    assert {s.measure for s in page.series} >= {"creatinine", "upcr"}
    creatinine = next(s for s in page.series if s.measure == "creatinine")
    assert creatinine.thresholds and any(point.is_asked for point in creatinine.points)
    assert page.clauses and all(point.day <= case.last_day for s in page.series for point in s.points)
    for item in see_things(reader):
        assert item.subject == "" or item.kind in ("protocol",)
        assert not set(item.facts) & {"subject", "site", "kind", "level", "basis", "assigned_to", "state"}
    assert {i.kind for i in see_things(reader)} <= {"case", "vote", "dossier_query"}


def test_controls_are_mixed_in_and_cannot_be_told(cohort):
    """E5"""
    from web_committee import KEEPER, member

    from flarefree.conduct.adjudication.cases import CaseKind
    from flarefree.conduct.visibility import Actor
    from flarefree.web.queries.committee import agreement, board
    from flarefree.web.queries.seeing import see_things

    _release()
    cases = [c for c in _queue().cases if c.number]
    controls = [c for c in cases if c.kind is CaseKind.CONTROL]
    assert len(controls) >= 0.05 * len(cases)
    shown = {c.number: c for c in board(KEEPER).cases}
    assert set(shown) == {c.number for c in cases}
    everything = [see_things(KEEPER), see_things(member("eva")), board(KEEPER).cases]
    for word in ("control", "suspected'", "duplicate"):
        assert word not in repr(everything)
    ones = see_things(KEEPER, "case")
    assert [c.key for c in ones] == sorted(c.key for c in ones)
    assert len({c.since for c in ones}) == 1
    assert not see_things(KEEPER, "case_file") and not see_things(KEEPER, "batch")
    _judge()
    _settle()
    found = agreement(Actor("stan", "blinded_statistician"))
    assert found.missed.decided == len(controls) and found.missed.conf_high is not None
    with pytest.raises(ConductError):
        agreement(KEEPER)


def test_negative_verdicts_go_to_safety_and_nothing_comes_back(cohort):
    """E6"""
    from web_committee import KEEPER, ask, member

    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.adjudication_closing import AcknowledgeReferral
    from flarefree.web.queries.committee import board, desk, referrals

    officer = Actor("olga", "safety_officer")
    _release()
    _judge(differ={c.subject for c in _queue().suspected[:6]})
    _settle()
    refuted = [c for c in _queue().suspected if c.verdict is not None and c.verdict.answer != "confirmed"]
    told = referrals(officer)
    assert {(r.subject, r.endpoint, r.day) for r in told} == {(c.subject, c.endpoint, c.day) for c in refuted}
    assert told and not referrals(KEEPER) and not referrals(member("eva"))
    before = repr([desk(member("eva")), board(KEEPER)])
    for referral in told:
        command = AcknowledgeReferral(referral=referral.key, outcome="reported as an adverse event")
        ask(officer, command, days=3)
    assert repr([desk(member("eva")), board(KEEPER)]) == before
    assert {r.outcome for r in referrals(officer)} == {"reported as an adverse event"}


@pytest.mark.parametrize("cohort", [24], indirect=True)
def test_copies_give_agreement_and_the_lock_waits_for_all(cohort):
    """E7"""
    from web_committee import MANAGER, START, ask
    from web_planting import plant

    from flarefree.conduct.adjudication.cases import CaseKind, CaseState
    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.adjudication_closing import (
        AcknowledgeReferral,
        CorrectNote,
        LockAdjudication,
        SendNote,
    )
    from flarefree.web.queries.committee import agreement, referrals
    from flarefree.web.record.reading import read_thing

    officer = Actor("olga", "safety_officer")
    _release()
    with pytest.raises(ConductError, match="still open"):
        ask(MANAGER, LockAdjudication(), days=1)
    _judge(differ={_queue().suspected[0].subject})
    _settle()
    late = {"subject": "P-0003", "site": "04", "name": "SUSPECTED RENAL FLARE", "date": "2024-07-01"}
    at = START.replace(month=8)
    plant("P-0003", ("clinical_event", "late", "investigator.verdict", late), request="late", at=at)
    _release(days=160)
    copies = [c for c in _queue().cases if c.kind is CaseKind.DUPLICATE]
    by_id = {c.id: c for c in _queue().cases}
    assert copies
    for copy in copies:
        assert set(copy.round.assigned) == {b.member for b in by_id[copy.copy_of].rounds[0].ballots}
        assert copy.number != by_id[copy.copy_of].number
    _judge(days=161)
    _settle(days=162)
    assert agreement(Actor("stan", "blinded_statistician")).within.n == 2 * len(copies)
    with pytest.raises(ConductError, match="safety has not acknowledged"):
        ask(MANAGER, LockAdjudication(), days=163)
    for one in referrals(officer):
        ask(officer, AcknowledgeReferral(referral=one.key, outcome="no report needed"), days=164)
    site = Actor("ines", "investigator", frozenset({"03"}))
    note = SendNote(subject="P-0002", title="Letter", on="2024-05-01", text="on azathioprine since March")
    sent = ask(site, note, days=164).result["note"]
    with pytest.raises(ConductError, match="texts are held back"):
        ask(MANAGER, LockAdjudication(), days=164)
    ask(site, CorrectNote(note=sent, text="as before", reason="the drug is left out"), days=164)
    ask(MANAGER, LockAdjudication(), days=165)
    decided = next(c for c in _queue().cases if c.state is CaseState.DECIDED)
    with pytest.raises(ConductError, match="locked"):
        _vote(decided.number, decided.round.assigned[0], "refuted", days=166)
    again = late | {"date": "2024-09-01", "subject": "P-0004", "site": "01"}
    plant(
        "P-0004", ("clinical_event", "x", "investigator.verdict", again), request="x", at=at.replace(month=9)
    )
    assert read_thing("adjudication_lock", "this")["is_in_force"] is False


def test_a_text_that_could_tell_the_arm_is_held_back(cohort):
    """B8"""
    from web_committee import KEEPER, ask

    from flarefree.conduct.visibility import Actor
    from flarefree.web.commands.adjudication_closing import CorrectNote, SendNote
    from flarefree.web.queries.committee import board
    from flarefree.web.queries.dossiers import prepared_dossier

    _release()
    case = next(c for c in _queue().cases if c.number)
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
    from web_committee import KEEPER, MEMBERS, ask, member

    from flarefree.web.commands.adjudication import AskAboutDossier
    from flarefree.web.commands.adjudication_keeping import AnswerAboutDossier
    from flarefree.web.queries.dossiers import dossier_page

    _release()
    case = next(c for c in _queue().cases if c.number)
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
    from web_committee import KEEPER, ask

    from flarefree.conduct.adjudication.cases import CaseState
    from flarefree.web.commands.adjudication_keeping import (
        RecordConflict,
        RecordLeave,
        ReopenCase,
        ReplaceReader,
    )

    _release()
    case = next(c for c in _queue().cases if c.state is CaseState.VOTING)
    leaving = case.round.assigned[0]
    ask(KEEPER, ReplaceReader(case=case.number, member=leaving, why="cannot be reached"), days=1)
    assert leaving not in _queue().case(case.number).round.assigned
    away = next(c for c in _queue().cases if c.state is CaseState.VOTING).round.assigned[0]
    ask(KEEPER, RecordLeave(member=away, first="2026-03-01", last="2026-03-20"), days=1)
    assert not [c for c in _queue().cases if away in c.round.assigned]
    barred = next(c for c in _queue().cases if c.state is CaseState.VOTING)
    ask(KEEPER, RecordConflict(member=barred.round.assigned[1], why="treats there", site=barred.site), days=2)
    assert not [
        c for c in _queue().cases if c.site == barred.site and barred.round.assigned[1] in c.round.outstanding
    ]
    _judge(days=30)
    decided = next(c for c in _queue().suspected if c.verdict is not None)
    ask(KEEPER, ReopenCase(case=decided.number, why="a biopsy came in late"), days=31)
    again = next(c for c in _queue().cases if c.id == decided.id)
    assert again.verdict is None and again.verdicts == (decided.verdict,)
