"""R1 to R9, R13, B4, B5 over the application's databases and processes, with reduced counts."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("number", ["R1", "R2", "R3"])
def test_races(databases: None, number: str) -> None:
    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks.races import CHECKS

    for check in CHECKS:
        if check.number == number:
            result = run_check(check, quick=True)
            print(result)
            assert result.passed, str(result)
