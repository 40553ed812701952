"""Allocation: the checks of the acceptance list, by their numbers, each with the full count."""

from __future__ import annotations

import pytest

from flarefree.conduct.checks import all_checks, run_check
from flarefree.conduct.checks.allocation import CHECKS as ALLOCATION
from flarefree.conduct.checks.lists import CHECKS as LISTS
from flarefree.conduct.checks.randomization import CHECKS as STATISTICS
from flarefree.conduct.checks.result import Check, CheckResult, Evidence

OWN = {check.number: check for check in (*ALLOCATION, *LISTS, *STATISTICS)}


def passes(number: str, least: int, quick: bool = False) -> None:
    result = run_check(OWN[number], quick=quick)
    assert not result.failures, str(result)
    assert result.passed and len(result.evidence) >= least


def test_R2_same_patient_many_clicks():
    passes("R2", 8)


def test_R6_exhaustion_is_an_error():
    passes("R6", 6)


def test_R7_gates():
    passes("R7", 24)


def test_R8_wrong_stratum():
    passes("R8", 10)


def test_R9_no_verb_takes_back():
    passes("R9", 5)


def test_R10_statistics():
    passes("R10", 190)


def test_R10_quick_count():
    passes("R10", 130, quick=True)


def test_R11_replay():
    passes("R11", 40)


def test_R12_list_integrity():
    passes("R12", 50)


def test_F_3_outage():
    passes("F-3", 11)


def test_B1_receipts_do_not_depend_on_arms():
    passes("B1", 2)


def test_F_7_gate_of_simulation():
    pytest.importorskip("cryptography")
    passes("F-7", 12)


def test_all_checks_finds_them():
    found = all_checks()
    assert {id(check) for check in OWN.values()} <= {id(check) for check in found}


def test_a_check_that_looks_at_nothing_does_not_pass():
    empty = run_check(Check("X1", "Nothing", lambda quick: []))
    assert not empty.passed and "nothing was looked at" in str(empty)


def test_one_row_that_does_not_hold_fails_the_check():
    rows = [Evidence("a", 1, 1, True), Evidence("b", 1, 2, False)]
    result = run_check(Check("X2", "Two", lambda quick: rows), clock=iter([1.0, 3.5]).__next__)
    assert not result.passed and result.failures == (rows[1],)
    assert result.seconds == 2.5 and result.to_dict()["passed"] is False
    assert "NOT b: 2 (expected 1)" in str(result)


def test_a_check_is_given_quick():
    seen = []
    run_check(Check("X3", "Quick", lambda quick: seen.append(quick) or []), quick=True)
    assert seen == [True] and isinstance(run_check(Check("X", "x", lambda q: [])), CheckResult)
