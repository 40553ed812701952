"""What the rules of the two trials mean, patient by patient, worked out by hand.

The expected side was worked out on paper from the sentences of the papers (TRIALS facts), not from the
program.  `docs/reference/endpoint-rules.md` prints these cases; `test_rules_page` fails if it is out of date.
"""

from __future__ import annotations

import alms_patients
import multitarget_patients
import pytest
from endpoint_rules import Case, derive_cases, observed

from flarefree.endpoints.derivation import Derivation


@pytest.fixture(scope="module")
def alms() -> Derivation:
    return derive_cases("alms-maintenance", alms_patients.CASES, ("MMF", "AZA"))


@pytest.fixture(scope="module")
def multitarget() -> Derivation:
    return derive_cases(
        "multitarget-maintenance", multitarget_patients.CASES, ("multitarget", "azathioprine")
    )


@pytest.mark.parametrize("case", alms_patients.CASES, ids=lambda case: case.patient)
def test_alms(alms: Derivation, case: Case) -> None:
    found = {asked: observed(alms, case.patient, asked) for asked in case.expects}
    assert found == case.expects, case.by_hand


@pytest.mark.parametrize("case", multitarget_patients.CASES, ids=lambda case: case.patient)
def test_multitarget(multitarget: Derivation, case: Case) -> None:
    found = {asked: observed(multitarget, case.patient, asked) for asked in case.expects}
    assert found == case.expects, case.by_hand


def test_patients_do_not_touch_one_another(alms: Derivation) -> None:
    """Each patient alone gives what she gives among the others."""
    for case in alms_patients.CASES[::7]:
        alone = derive_cases("alms-maintenance", [case], ("MMF", "AZA"))
        for asked in case.expects:
            assert observed(alone, case.patient, asked) == case.expects[asked]
