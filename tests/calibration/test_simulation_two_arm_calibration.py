"""Sample sizes and error rates of simulated two-arm trials, with Monte Carlo error.

The plan of ALMS [dooley2011]: 37.5% against 20% failing within 36 months, two-sided 5%.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from flarefree.simulation.two_arm import TwoArmTrials, simulate_two_arm

PLAN = {"control_failure": 0.375, "treatment_failure": 0.2, "horizon_months": 36.0}


def trials(n: int, number: int = 100_000, **changes: object) -> TwoArmTrials:
    return simulate_two_arm(**{"n_per_arm": n, "trials": number, "seed": 20260114, **PLAN, **changes})


def test_the_plan_of_alms_needs_102_an_arm_without_drop_out() -> None:
    """102 is the smallest number whose power cannot be told from 80%: 8 million trials gave 0.79998.

    101 falls short (0.7960) and 103 has more than enough (0.8038), by many Monte Carlo errors each.
    """
    few, enough, many = (trials(n, 400_000) for n in (101, 102, 103))
    assert few.power + 3.5 * few.power_std_error < 0.80 < many.power - 3.5 * many.power_std_error
    assert abs(enough.power - 0.80) < 3.5 * enough.power_std_error
    assert trials(102).power == pytest.approx(0.80, abs=3.5 * 0.00126)


@pytest.mark.parametrize(
    ("dropout", "power"), [(0.0, 0.843), (0.05, 0.834), (0.10, 0.824), (0.15, 0.814), (0.20, 0.804)]
)
def test_power_at_114_an_arm(dropout: float, power: float) -> None:
    """Against an earlier simulation by another program (100 000 trials, three digits): 3.5 joint errors."""
    found = trials(114, dropout=dropout)
    joint = math.sqrt(2) * found.power_std_error
    assert abs(found.power - power) <= 3.5 * joint + 0.0005


def test_drop_out_as_in_alms_takes_power_to_some_78_percent() -> None:
    """35% of azathioprine and 27% of mycophenolate."""
    assert trials(114, dropout=(0.35, 0.27)).power == pytest.approx(0.777, abs=0.006)


@pytest.mark.parametrize(
    ("n", "changes"),
    [
        (114, {}),
        (114, {"dropout": 0.2}),
        (114, {"accrual_months": 14.0, "study_months": 36.0, "dropout": 0.1}),
        (250, {"control_failure": 0.2}),
    ],
)
def test_arms_alike_are_told_apart_in_5_percent(n: int, changes: dict) -> None:
    """200 000 trials: Monte Carlo error 0.0005; the log-rank test is up to 0.001 too bold at this size."""
    setting = {**PLAN, **changes}
    found = trials(n, 200_000, **{**changes, "treatment_failure": setting["control_failure"]})
    assert abs(found.power - 0.05) <= 3.5 * 0.00049 + 0.001
    assert abs(found.power_in_favor - found.power / 2) <= 3.5 * math.sqrt(0.025 / 200_000) + 0.0003
    assert abs(found.z.mean) < 3.5 * found.z.std_error and abs(found.z.sd - 1) < 0.01
    assert abs(found.log_hazard_ratio.mean) < 3.5 * found.log_hazard_ratio.std_error


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("accrual", [0.0, 24.0])
def test_failures_have_their_expected_number(dropout: float, accrual: float) -> None:
    """Against the integral of the hazards over everybody's follow-up, by numerical quadrature."""
    found = trials(114, dropout=dropout, accrual_months=accrual)
    for arm, part in ((found.control_events, 0.375), (found.treatment_events, 0.2)):
        expected = 114 * probability(part, dropout, accrual)
        assert abs(arm.mean - expected) < 3.5 * arm.std_error
        binomial = math.sqrt(expected * (1 - expected / 114))
        assert arm.sd == pytest.approx(binomial, rel=3.5 / math.sqrt(2 * found.trials) + 0.001)


def probability(part: float, dropout: float, accrual: float) -> float:
    """That a failure is seen: its part of the hazard, times what is over by the end; mean over entries."""
    failing, dropping = -math.log1p(-part) / 36, -math.log1p(-dropout) / 36
    total = failing + dropping
    ends = 36 + accrual * (np.arange(2000) + 0.5) / 2000
    return float(np.mean(failing / total * -np.expm1(-total * ends)))


def test_hazard_ratios_lie_about_the_true_one() -> None:
    """The mean of log hazard ratios is some 1% too far from zero at this size, as is known of Cox's model."""
    found = trials(114).log_hazard_ratio
    truth = math.log(math.log(0.8) / math.log(0.625))
    assert -0.02 < found.mean - truth < 0.0
    large = trials(2000, 20_000).log_hazard_ratio
    assert abs(large.mean - truth) < 3.5 * large.std_error + 0.001
