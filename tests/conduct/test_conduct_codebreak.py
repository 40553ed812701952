"""B9 at the level of rules, and that the check fails where the rules are broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flarefree.conduct import codebreak
from flarefree.conduct.checks import code_breaks
from flarefree.conduct.checks.code_breaks import AT, _entry, _order, _request
from flarefree.conduct.checks.result import run_check
from flarefree.conduct.codebreak import (
    Notice,
    answer_code_break,
    assess_impact,
    notices_of,
    order_code_break,
    unusual_pattern,
)
from flarefree.conduct.roles.matrix import load_matrix
from flarefree.conduct.visibility import Actor, Decision
from flarefree.errors import ConductError

(B9,) = code_breaks.CHECKS
MATRIX = load_matrix()


def test_B9_passes() -> None:
    result = run_check(B9)
    assert result.passed, str(result)


def test_B9_sees_a_notice_with_the_arm(monkeypatch) -> None:
    told: list[str] = []

    def keeping(broken, entry, *, ask_vault, at):
        answer, done = answer_code_break(broken, entry, ask_vault=ask_vault, at=at)
        told.append(answer.treatment)
        return answer, done

    def telling(broken):
        return (*notices_of(broken), *(Notice("sponsor", arm) for arm in told[-1:]))

    monkeypatch.setattr(code_breaks, "answer_code_break", keeping)
    monkeypatch.setattr(code_breaks, "notices_of", telling)
    assert not run_check(B9).passed


@pytest.mark.parametrize("part", ["_require_identity", "_require_words"])
def test_B9_sees_rules_that_are_left_out(monkeypatch, part: str) -> None:
    monkeypatch.setattr(codebreak, part, lambda _: None)
    assert not run_check(B9).passed


def test_B9_sees_a_code_that_anybody_may_break(monkeypatch) -> None:
    monkeypatch.setattr(codebreak, "decide", lambda *_: Decision(True, True))
    assert not run_check(B9).passed


def test_a_request_used_again_for_another_subject_is_refused() -> None:
    done = _order(MATRIX, _request())
    with pytest.raises(ConductError, match="something else"):
        _order(MATRIX, _request(subject="017-005"), register=[done])


def test_a_request_repeated_by_somebody_whose_role_has_ended_is_refused() -> None:
    """The first answer does not open the door for ever."""
    done = _order(MATRIX, _request())
    gone = replace(_request(), actor=Actor("u-1", "investigator", frozenset()))
    with pytest.raises(ConductError, match="no code can be broken"):
        order_code_break(MATRIX, gone, site="017", phase="live", register=[done])


def test_the_first_answer_keeps_its_time_when_it_is_given_again() -> None:
    broken = _order(MATRIX, _request())
    _, done = answer_code_break(broken, _entry(broken), ask_vault=str, at=AT + timedelta(seconds=50))
    _, again = answer_code_break(done, _entry(done), ask_vault=str, at=AT + timedelta(hours=5))
    assert again.seconds == 50.0 and not again.is_late


def test_the_explanation_is_not_in_any_notice() -> None:
    """Who writes it may know the arm, or guess it."""
    broken = _order(MATRIX, _request(explanation="surely on mycophenolate, colitis"))
    assert not [notice for notice in notices_of(broken) if "mycophenolate" in notice.text]


def test_an_impact_is_assessed_once_by_the_medical_monitor() -> None:
    broken = _order(MATRIX, _request())
    with pytest.raises(ConductError, match="medical monitor"):
        assess_impact(MATRIX, broken, Actor("u-3", "sponsor"), "None.", phase="live")
    with pytest.raises(ConductError, match="in words"):
        assess_impact(MATRIX, broken, Actor("u-3", "medical_monitor"), " ", phase="live")
    closed = assess_impact(MATRIX, broken, Actor("u-3", "medical_monitor"), "None.", phase="live")
    with pytest.raises(ConductError, match="once"):
        assess_impact(MATRIX, closed, Actor("u-4", "medical_monitor"), "Much.", phase="live")


def test_the_fourth_code_break_of_a_month_is_told_and_not_refused() -> None:
    breaks = [
        _order(MATRIX, _request(request=f"r-{i}", subject=f"017-00{i}", at=AT + timedelta(days=i),
                                identified=replace(_request().identified, at=AT + timedelta(days=i))))
        for i in range(4)
    ]  # fmt: skip
    assert unusual_pattern(breaks[:3], AT + timedelta(days=5)) == ()
    assert unusual_pattern(breaks, AT + timedelta(days=5)) == (("person u-1", 4), ("site 017", 4))
    assert unusual_pattern(breaks, AT + timedelta(days=32)) == ()
