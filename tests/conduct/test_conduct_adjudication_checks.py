"""E1 to E7 at the level of rules, by the bodies that an installed copy runs; and that they can fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flarefree.conduct import suspecting
from flarefree.conduct.adjudication import cases, dossier, queue, releasing, telling_words
from flarefree.conduct.adjudication.desk import DeskCase
from flarefree.conduct.checks import committee, dossiers, endpoints, voting
from flarefree.conduct.checks.result import run_check
from flarefree.errors import ConductError
from flarefree.protocol.loaded import LoadedProtocol

BY_NUMBER = {
    check.number: check for module in (endpoints, voting, dossiers, committee) for check in module.CHECKS
}


def test_every_number_has_its_check() -> None:
    assert sorted(BY_NUMBER) == ["E1", "E2", "E3", "E4", "E5", "E6", "E7"]


@pytest.mark.parametrize("number", BY_NUMBER)
def test_check_passes_at_its_reduced_count(number: str) -> None:
    result = run_check(BY_NUMBER[number], quick=True)
    # Seconds of a loaded machine are the benchmark's to judge.
    failures = [row for row in result.failures if not row.what.startswith("seconds a patient")]
    assert result.evidence
    assert not failures, str(result)


@pytest.mark.slow
@pytest.mark.parametrize("number", BY_NUMBER)
def test_check_passes_at_its_full_count(number: str) -> None:
    result = run_check(BY_NUMBER[number])
    assert result.passed, str(result)


# The checks can fail ------------------------------------------------------------------------------


def fails(number: str) -> bool:
    """It does not pass: evidence does not hold, or its body stops at something that cannot be."""
    try:
        return not run_check(BY_NUMBER[number], quick=True).passed
    except (ConductError, IndexError, ZeroDivisionError):
        return True


def test_E1_sees_a_detector_that_loses_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    met = suspecting.Look._met
    monkeypatch.setattr(suspecting.Look, "_met", lambda self, name: list(met(self, name))[:-1])
    assert fails("E1")


@pytest.mark.slow
def test_E1_sees_a_detector_that_looks_no_lower_than_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspecting.Look, "_suspected", lambda self, name: [])
    assert fails("E1")


def test_E2_sees_a_verdict_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    def overwriting(self: cases.Case, why: str, *_: Any) -> cases.Case:
        return replace(self, state=cases.CaseState.WAITING, rounds=(replace(self.round, verdict=None),))

    monkeypatch.setattr(cases.Case, "reopened", overwriting)
    assert fails("E2")


def test_E2_sees_corrections_that_are_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_updated", lambda case, *_: case)
    assert fails("E2")


def test_E3_sees_a_vote_that_shows_early(monkeypatch: pytest.MonkeyPatch) -> None:
    from flarefree.conduct.adjudication import desk

    seen = desk._seen

    def open_desk(case: cases.Case, *rest: Any) -> DeskCase:
        return replace(seen(case, *rest), votes=tuple(desk._vote(b) for b in case.round.ballots))

    monkeypatch.setattr(desk, "_seen", open_desk)
    assert fails("E3")


def test_E3_sees_a_member_of_the_own_site(monkeypatch: pytest.MonkeyPatch) -> None:
    from flarefree.conduct.adjudication.committee import Member

    monkeypatch.setattr(Member, "barred", lambda *_: "")
    assert fails("E3")


@pytest.mark.parametrize("leak", ["reason of disposition", "trough", "subject", "kit", "notes"])
def test_E4_sees_a_planted_leak(leak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dossier._Building._characteristics

    def leaking(self: Any) -> Any:
        yield from whole(self)
        reasons = [*self.study["dispositions"].get_column("reason").to_list(), ""]
        values = {
            "reason of disposition": reasons[0],
            "subject": self.case.subject,
            "kit": self.patient.get("kit", ""),
        }
        yield leak, str(values.get(leak, ""))

    if leak == "trough":
        kept = dossier.AllowList.of

        def with_level(protocol: LoadedProtocol, endpoint: str) -> dossier.AllowList:
            allowed = kept(protocol, endpoint)
            return replace(
                allowed, measures=(*allowed.measures, *{"tacrolimus_trough"} & {*protocol.spec.measures})
            )

        monkeypatch.setattr(dossier.AllowList, "of", staticmethod(with_level))
    elif leak == "notes":
        monkeypatch.setattr(telling_words.TellingWords, "find", lambda *_: ())
    else:
        monkeypatch.setattr(dossier._Building, "_characteristics", leaking)
    assert fails("E4")


def test_E5_sees_too_few_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releasing._Drawn, "_how_many", lambda *_: 0)
    assert fails("E5")


@pytest.mark.slow
def test_E5_sees_controls_that_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    control = releasing._Drawn._control

    def cut_short(self: Any, *rest: Any) -> cases.Case:
        case = control(self, *rest)
        return replace(case, last_day=case.day)

    monkeypatch.setattr(releasing._Drawn, "_control", cut_short)
    assert fails("E5")


@pytest.mark.slow
def test_E6_sees_content_that_flows_back(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dossier._Building._characteristics

    def telling(self: Any) -> Any:
        yield from whole(self)
        yield "events", str(self.study["adverse_events"].height)

    monkeypatch.setattr(dossier._Building, "_characteristics", telling)
    assert fails("E6")


@pytest.mark.slow
def test_E7_sees_decisions_that_the_analysis_counts_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = committee.lock

    def losing(*args: Any, **more: Any) -> Any:
        locked = lock(*args, **more)
        return replace(locked, decisions=locked.decisions.head(locked.decisions.height // 2))

    monkeypatch.setattr(committee, "lock", losing)
    assert fails("E7")
