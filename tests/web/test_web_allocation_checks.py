"""R1 to R9, R13, B4, B5 over the application's databases and processes, with reduced counts."""

from __future__ import annotations

from importlib import import_module

import pytest

_WHERE = {
    "R1": "races",
    "R2": "races",
    "R3": "races",
    "R4": "crashes",
    "R5": "power",
    "R6": "limits",
    "R7": "limits",
    "R8": "limits",
    "R9": "limits",
    "R13": "backups",
    "B4": "canaries",
    "B5": "canaries",
    "B6": "trough_paths",
}


_SLOW = {"R1", "R3", "R4", "R5", "B5"}
"""Processes of their own, many deaths, many patients: more than a few seconds each."""


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=pytest.mark.slow) if n in _SLOW else n for n in _WHERE]
)
def test_check(databases: None, number: str) -> None:
    from flarefree.conduct.checks.result import run_check

    module = import_module(f"flarefree.web.checks.{_WHERE[number]}")
    results = [run_check(check, quick=True) for check in module.CHECKS if check.number == number]
    assert results
    for result in results:
        print(result)
        assert result.passed, str(result)
