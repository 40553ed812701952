"""The lines' checks by number, with the reduced counts, as `flarefree validate --quick` runs them."""

from __future__ import annotations

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")


def run(module: str, number: str, *, quick: bool = True) -> None:
    from importlib import import_module

    from flarefree.conduct.checks.result import run_check

    checks = [c for c in import_module(f"flarefree.web.checks.{module}").CHECKS if c.number == number]
    assert checks
    for check in checks:
        result = run_check(check, quick=quick)
        print(result)
        assert result.passed, str(result)


@pytest.mark.parametrize("number", ["F-1", "F-2", "B9"])
def test_by_telephone(databases, number):
    run("telephone", number)


def test_an_outage_is_entered_and_reconciled(databases):
    run("outage", "F-3")


def test_the_trial_comes_back_from_its_disk_and_from_its_backup(databases):
    run("restoring", "F-4")


def test_a_page_a_program_and_a_telephone_ask_for_one_patient_at_once(databases):
    run("channels", "R3")


def test_an_amendment_and_an_upgrade_in_mid_trial(databases):
    run("upgrading", "F-5")
