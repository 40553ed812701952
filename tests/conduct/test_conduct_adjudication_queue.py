"""Cases and their queue: what is allowed when, what data that change do, storage; by hand and at random."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flarefree.conduct.adjudication.cases import TRANSITIONS, Case, CaseKind, CaseState
from flarefree.conduct.adjudication.committee import Committee, Conflict, Member
from flarefree.conduct.adjudication.decisions import decisions_frame, lock, safety_referrals
from flarefree.conduct.adjudication.desk import desk_case, desk_list
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.adjudication.storing import queue_from_plain, queue_to_plain
from flarefree.conduct.adjudication.voting import Answer, Ballot, agreed, majority, seal
from flarefree.conduct.checks.cohort import COMMITTEE, judge_all
from flarefree.conduct.detecting import Candidate, Detection, Level, QuietPeriod, RuleVersion
from flarefree.endpoints.explanation import SourceRow
from flarefree.errors import ConductError
from flarefree.protocol.schema import AdjudicationRules

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY_ONE = {"Ana": date(2024, 2, 1), "Bea": date(2024, 2, 1)}
RULE = RuleVersion("p", "d" * 64, "flare", "upcr >= 2", "p.yaml:1")
QUIET = tuple(QuietPeriod(f"Q{n}", "04", "flare", 92, 400, "") for n in range(60))


def candidate(day: int, value: float = 2.0, level: Level = Level.MET, subject: str = "Ana") -> Candidate:
    row = SourceRow("lb row 1", "lb", 1, "observations", "UPCR", f"{value} mg/mg", value, "mg/mg", day)
    return Candidate(
        subject, "04", "flare", day, 400, None, level, ("flare",), None, "", (row,), (row,), RULE, AT
    )


def seen(*candidates: Candidate) -> Detection:
    return Detection(("Ana",), candidates)


def empty(**rules: object) -> Queue:
    return Queue(AdjudicationRules(**rules))  # type: ignore[arg-type]


def judged(queue: Queue, answer: Answer, day: int | None = None, seed: int = 1) -> Queue:
    queue = release(queue, QUIET, COMMITTEE, random.Random(seed), AT)

    def truth(case: Case) -> tuple[Answer, int | None]:
        if case.kind is CaseKind.CONTROL:
            return Answer.REFUTED, None
        return answer, (case.day if day is None else day) if answer is Answer.CONFIRMED else None

    return judge_all(queue, truth, random.Random(seed), AT)


# What is allowed ----------------------------------------------------------------------------------


def test_every_state_but_the_end_leads_somewhere_and_no_table_entry_leads_nowhere() -> None:
    assert {state for state, _ in TRANSITIONS} == set(CaseState)
    assert all(TRANSITIONS.values())


def test_nothing_leads_from_a_verdict_but_a_new_round_or_a_note() -> None:
    assert {verb for state, verb in TRANSITIONS if state is CaseState.DECIDED} == {"reopen", "note"}


@pytest.mark.parametrize("verb", ["assign", "reopen", "withdraw"])
def test_what_a_state_does_not_allow_is_refused(verb: str) -> None:
    decided = judged(reconcile(empty(), seen(candidate(92)), AT), Answer.REFUTED).suspected[0]
    acts = {
        "assign": lambda: decided.assign("1", ("ada",), AT, "keeper"),
        "withdraw": lambda: decided.withdrawn("x", AT, "keeper"),
        "reopen": lambda: reconcile(empty(), seen(candidate(92)), AT).cases[0].reopened("x", AT, "k"),
    }
    with pytest.raises(ConductError, match="does not allow"):
        acts[verb]()


def test_a_case_is_not_changed_by_its_verbs() -> None:
    queue = reconcile(empty(), seen(candidate(92)), AT)
    case = queue.cases[0]
    case.assign("1", ("ada", "eva"), AT, "keeper")
    assert case.state is CaseState.WAITING and queue.cases[0] is case


# Votes --------------------------------------------------------------------------------------------


def ballots(*said: tuple[Answer, int | None]) -> list[Ballot]:
    return [seal("1", 1, f"m{i}", AT, answer, day) for i, (answer, day) in enumerate(said)]


YES, NO, UNSURE = Answer.CONFIRMED, Answer.REFUTED, Answer.UNDECIDABLE


def test_dates_agree_within_what_the_protocol_allows_and_the_earlier_counts() -> None:
    two = ballots((YES, 99), (YES, 92))
    assert agreed(two) is None
    verdict = agreed(two, 7)
    assert verdict is not None and verdict.event_day == 92


def test_there_is_no_day_0_between_two_dates() -> None:
    verdict = agreed(ballots((YES, -1), (YES, 1)), 1)
    assert verdict is not None and verdict.event_day == -1


def test_a_majority_is_two_alike_of_three() -> None:
    verdict = majority(ballots((YES, 92), (NO, None), (YES, 92)))
    assert verdict is not None and verdict.members == ("m0", "m2")
    assert majority(ballots((YES, 92), (NO, None), (UNSURE, None))) is None
    assert majority(ballots((YES, 92), (YES, 120), (NO, None))) is None


def test_a_ballot_shows_nothing_in_its_repr() -> None:
    shown = repr(seal("1", 1, "m", AT, YES, 92, "casts", nonce="secret"))
    assert not any(part in shown for part in ("confirmed", "92", "casts", "secret"))


def test_a_confirmed_event_has_a_date_and_no_other_has_one() -> None:
    for answer, day in ((YES, None), (NO, 92), (YES, 0)):
        with pytest.raises(ConductError, match="has a date"):
            seal("1", 1, "m", AT, answer, day)


# Committee ----------------------------------------------------------------------------------------


def test_the_chair_votes_only_where_nobody_else_can() -> None:
    three = Committee((Member("c", is_chair=True), Member("a"), Member("b")))
    for seed in range(20):
        asked = three.assign(2, "Ana", "01", "flare", AT.date(), random.Random(seed), load={})
        assert set(asked) == {"a", "b"}


def test_those_with_the_fewest_open_cases_are_asked_first() -> None:
    four = Committee((Member("c", is_chair=True), Member("a"), Member("b"), Member("d")))
    asked = four.assign(2, "A", "01", "f", AT.date(), random.Random(1), load={"a": 5, "b": 1, "d": 0})
    assert asked == ("d", "b")


@pytest.mark.parametrize(
    ("conflict", "is_barred"),
    [
        (Conflict("kin", subject="Ana"), True),
        (Conflict("kin", subject="Bea"), False),
        (Conflict("author of the rule", endpoint="flare"), True),
        (Conflict("author", endpoint="death", subject="Ana"), False),
        (Conflict("employed by the sponsor"), True),
    ],
)
def test_a_conflict_bars_from_what_it_names(conflict: Conflict, is_barred: bool) -> None:
    assert bool(Member("m", conflicts=(conflict,)).barred("Ana", "01", "flare")) is is_barred


def test_the_deputy_presides_where_the_chair_may_not() -> None:
    two = Committee((Member("c", sites=("01",), is_chair=True), Member("d", is_deputy=True)))
    assert two.presiding("Ana", "01", "flare", AT.date()).id == "d"
    assert two.presiding("Ana", "02", "flare", AT.date()).id == "c"


def test_a_committee_has_one_chair_and_no_two_of_one_name() -> None:
    with pytest.raises(ConductError, match="one chair"):
        Committee((Member("a"),))
    with pytest.raises(ConductError, match="one id"):
        Committee((Member("a", is_chair=True), Member("a")))


# Data that change ---------------------------------------------------------------------------------


def test_a_date_that_moved_is_the_same_case() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), YES)
    moved = reconcile(queue, seen(candidate(95)), AT)
    (case,) = moved.suspected
    assert (case.day, case.state) == (95, CaseState.WAITING)
    assert case.verdicts[0].event_day == 92
    assert "day 92 is now day 95" in case.history[-1].said


def test_two_events_within_the_same_weeks_keep_their_own_cases() -> None:
    both = seen(candidate(62), candidate(92))
    queue = reconcile(empty(), both, AT)
    assert [case.day for case in queue.cases] == [62, 92]
    later = reconcile(queue, seen(candidate(64), candidate(92, 3.0)), AT)
    assert [case.day for case in later.cases] == [64, 92]


def test_another_patient_is_left_as_is() -> None:
    queue = reconcile(empty(), Detection(("Ana", "Bea"), (candidate(92), candidate(92, subject="Bea"))), AT)
    after = reconcile(queue, seen(), AT)
    assert [str(case.state) for case in after.cases] == ["void", "waiting"]


def test_what_was_confirmed_and_came_unconfirmed_to_met_is_judged_again() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92, level=Level.UNCONFIRMED)), AT), NO)
    borne_out = reconcile(queue, seen(candidate(92)), AT)
    assert borne_out.suspected[0].state is CaseState.WAITING
    assert "unconfirmed is now met" in borne_out.suspected[0].history[-1].said


def test_a_case_that_comes_again_has_another_number() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), YES)
    first = queue.suspected[0].number
    again = release(reconcile(queue, seen(candidate(92, 3.0)), AT), QUIET, COMMITTEE, random.Random(2), AT)
    assert again.suspected[0].number != first
    with pytest.raises(ConductError, match="no case has this number"):
        again.case(first)


days = st.lists(st.integers(2, 400), max_size=4, unique=True)
looks = st.lists(
    st.tuples(days, st.sampled_from([2.0, 3.0]), st.sampled_from(list(Level))), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(looks, st.integers(0, 1000), st.booleans())
def test_whatever_the_data_do_nothing_is_lost(
    found: list[tuple[list[int], float, Level]], seed: int, judges: bool
) -> None:
    """Histories and verdicts only grow, each candidate has one case, twice is as once, stores give back."""
    queue = empty()
    chance = random.Random(seed)
    for turn, (on, value, level) in enumerate(found):
        at = AT + timedelta(days=turn)
        detection = seen(*(candidate(day, value, level) for day in sorted(on)))
        before = {case.id: case for case in queue.cases}
        queue = reconcile(queue, detection, at)
        assert reconcile(queue, detection, at + timedelta(hours=1)) == queue
        for id_, old in before.items():
            new = next(case for case in queue.cases if case.id == id_)
            assert new.history[: len(old.history)] == old.history
            assert new.verdicts[: len(old.verdicts)] == old.verdicts
        live = [case.day for case in queue.suspected if case.level is not None]
        assert sorted(live) == sorted(on)
        if judges:
            queue = judged(queue, chance.choice([YES, NO, UNSURE]), seed=seed + turn)
            assert not any(case.is_open for case in queue.cases)
        assert queue_from_plain(json.loads(json.dumps(queue_to_plain(queue)))) == queue


def test_a_store_that_was_tampered_with_is_noticed() -> None:
    plain = queue_to_plain(judged(reconcile(empty(), seen(candidate(92)), AT), YES))
    case = next(case for case in plain["cases"] if case["kind"] == "suspected")
    case["rounds"][0]["ballots"][0]["answer"] = "refuted"
    case["rounds"][0]["ballots"][0]["event_day"] = None
    with pytest.raises(ConductError, match="does not fit its commitment"):
        queue_from_plain(plain)


# Controls and copies ------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.sampled_from([0.05, 0.1, 0.2]),
    st.integers(0, 99),
)
def test_the_share_of_controls_is_kept_at_every_batch(sizes: list[int], share: float, seed: int) -> None:
    queue = empty(control_share=share)
    quiet = tuple(QuietPeriod(f"Q{n}", "04", "flare", 92, 400, "") for n in range(200))
    for turn, size in enumerate(sizes):
        names = [f"P{turn}-{n}" for n in range(size)]
        found = Detection(tuple(names), tuple(candidate(92, subject=name) for name in names))
        queue = release(reconcile(queue, found, AT), quiet, COMMITTEE, random.Random(seed + turn), AT)
        shown = sum(b.suspected + b.controls + b.duplicates for b in queue.batches)
        assert sum(b.controls for b in queue.batches) >= share * shown - 1e-9
    drawn = [(c.subject, c.day) for c in queue.cases if c.kind is CaseKind.CONTROL]
    assert len(set(drawn)) == len(drawn)


def test_controls_that_cannot_be_drawn_are_counted() -> None:
    queue = release(reconcile(empty(), seen(candidate(92)), AT), (), COMMITTEE, random.Random(1), AT)
    assert queue.batches[0].missing_controls == 1


def test_an_open_control_near_which_something_is_found_is_withdrawn() -> None:
    queue = release(reconcile(empty(), seen(candidate(92)), AT), QUIET, COMMITTEE, random.Random(1), AT)
    control = next(case for case in queue.cases if case.kind is CaseKind.CONTROL)
    found = Detection((control.subject,), (candidate(100, subject=control.subject),))
    after = reconcile(queue, found, AT)
    assert next(c for c in after.cases if c.id == control.id).state is CaseState.VOID


def test_nothing_is_released_where_nothing_waits() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), YES)
    assert release(queue, QUIET, COMMITTEE, random.Random(1), AT) is queue


# Desk ---------------------------------------------------------------------------------------------


def test_a_member_sees_no_case_that_is_not_theirs_and_cannot_tell_it_from_none() -> None:
    queue = release(reconcile(empty(), seen(candidate(92)), AT), QUIET, COMMITTEE, random.Random(1), AT)
    case = queue.suspected[0]
    other = next(m.id for m in COMMITTEE.members if m.id not in case.round.assigned)
    with pytest.raises(ConductError) as not_mine:
        desk_case(queue, case.number, other, COMMITTEE, AT)
    with pytest.raises(ConductError) as not_there:
        desk_case(queue, "99999", other, COMMITTEE, AT)
    assert str(not_mine.value).replace(case.number, "N") == str(not_there.value).replace("99999", "N")
    assert case.number not in {card.number for card in desk_list(queue, other, COMMITTEE, AT)}


def test_at_the_meeting_both_votes_are_seen_and_after_it_the_verdict() -> None:
    queue = release(reconcile(empty(), seen(candidate(92)), AT), (), COMMITTEE, random.Random(1), AT)
    case = queue.suspected[0]
    for member, (answer, day) in zip(case.round.assigned, ((YES, 92), (NO, None)), strict=True):
        queue = queue.cast(seal(case.number, 1, member, AT, answer, day, "because"))
    card = desk_case(queue, case.number, "ada", COMMITTEE, AT)
    assert card.state == "to decide" and {vote.answer for vote in card.votes} == {YES, NO}
    present = ("ada", "eva", *(m for m in case.round.assigned if m not in ("ada", "eva")))
    queue = queue.decide_together(case.number, present, COMMITTEE, YES, 92, "casts", AT)
    done = desk_case(queue, case.number, case.round.assigned[0], COMMITTEE, AT)
    assert (done.state, done.verdict) == ("done", "confirmed, day 92")


# Decisions ----------------------------------------------------------------------------------------


def test_a_refuted_suspicion_below_the_rule_is_not_written_where_it_would_hit_another() -> None:
    """Possible on day 62, met on day 92: refuting the first must not refute the second."""
    queue = reconcile(empty(), seen(candidate(62, level=Level.POSSIBLE), candidate(92)), AT)
    queue = release(queue, (), COMMITTEE, random.Random(1), AT)

    def truth(case: Case) -> tuple[Answer, int | None]:
        return (NO, None) if case.day == 62 else (YES, 92)

    frame = decisions_frame(judge_all(queue, truth, random.Random(1), AT), DAY_ONE)
    assert frame.select("event_day", "is_confirmed").rows() == [(92, True)]


def test_what_the_analysis_would_count_otherwise_is_refused() -> None:
    """Met on day 92, undecidable; unconfirmed on day 130, confirmed: it would take the first one's place."""
    queue = reconcile(empty(), seen(candidate(92), candidate(130, level=Level.UNCONFIRMED)), AT)
    queue = release(queue, (), COMMITTEE, random.Random(1), AT)

    def truth(case: Case) -> tuple[Answer, int | None]:
        return (UNSURE, None) if case.day == 92 else (YES, 130)

    with pytest.raises(ConductError, match="would not count"):
        decisions_frame(judge_all(queue, truth, random.Random(1), AT), DAY_ONE)


def test_a_refuted_event_that_the_data_no_longer_have_is_not_written() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), NO)
    assert decisions_frame(queue, DAY_ONE).height == 1
    assert decisions_frame(reconcile(queue, seen(), AT), DAY_ONE).height == 0


def test_one_referral_for_each_negative_verdict() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), NO)
    queue = judged(reconcile(queue, seen(candidate(92, 3.0)), AT), NO, seed=2)
    assert [r.case for r in safety_referrals(queue)] == ["Ana/flare/1#1", "Ana/flare/1#2"]


def test_the_lock_names_what_is_open() -> None:
    queue = reconcile(empty(), seen(candidate(92)), AT)
    with pytest.raises(ConductError, match="still open") as refused:
        lock(queue, seen(candidate(92)), DAY_ONE, AT, "keeper")
    assert "Ana/flare/1" in str(refused.value)


def test_the_lock_says_when_the_data_moved_on() -> None:
    queue = judged(reconcile(empty(), seen(candidate(92)), AT), YES)
    with pytest.raises(ConductError, match="data have changed"):
        lock(queue, seen(candidate(92, 3.0)), DAY_ONE, AT, "keeper")
    locked = lock(queue, seen(candidate(92)), DAY_ONE, AT, "keeper")
    assert locked.decisions.select("subject", "event_day", "reader").rows() == [("Ana", 92, "committee")]
    assert replace(locked) == locked
