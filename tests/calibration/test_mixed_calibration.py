"""Error rates of repeated-measures tests at trial sizes, with Monte Carlo error: slow, on a schedule."""

from __future__ import annotations

import numpy as np
import pytest

from flarefree.errors import FlarefreeError
from flarefree.stats.mixed import logistic_mixed, mmrm, reference_based_imputation

LEVEL = 0.05


def _within_monte_carlo_error(rejections, n, *, slack=0.0, z=3.5):
    """Whether a rate of rejections is compatible with the nominal level, give or take `slack`."""
    error = z * np.sqrt(LEVEL * (1 - LEVEL) / n)
    return LEVEL - slack - error <= rejections / n <= LEVEL + slack + error


def _trial(rng, n, m, *, dropout, effect=0.0):
    lag = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    scale = 1 + 0.2 * np.arange(m)
    y = rng.multivariate_normal(np.arange(m) * 0.3, 0.7**lag * np.outer(scale, scale), size=n)
    arm = np.arange(n) % 2
    y += effect * arm[:, None] * np.arange(m) / (m - 1)
    # who was high at the last visit is likelier not to come again: missing at random
    there = np.ones((n, m), dtype=bool)
    for v in range(1, m):
        leaves = rng.uniform(size=n) < dropout * (1 + (y[:, v - 1] > 0.5))
        there[:, v] = there[:, v - 1] & ~leaves
    subject, visit = np.nonzero(there)
    labels = np.array(["A", "B"])[arm[subject]]
    return {"y": y[there], "subject": subject, "visit": [f"v{v}" for v in visit], "arm": labels}


@pytest.mark.slow
@pytest.mark.parametrize("df", ["kenward-roger", "kenward-roger-linear", "satterthwaite"])
@pytest.mark.parametrize("n", [30, 120])
def test_mmrm_rejects_at_its_level_with_dropout(n, df):
    rng = np.random.default_rng(20)
    rejected = total = 0
    for _ in range(2000):
        data = _trial(rng, n, 4, dropout=0.06)
        try:
            fit = mmrm("y ~ arm*visit + us(visit | subject)", data, df=df)
        except FlarefreeError:
            continue
        total += 1
        rejected += fit.contrasts("arm", by="visit").tidy()["p_value"][-1] < LEVEL
    assert total > 1900
    # Satterthwaite does not correct the standard error, which is too small in small trials
    assert _within_monte_carlo_error(
        rejected, total, slack=0.02 if df == "satterthwaite" and n == 30 else 0.005
    )


@pytest.mark.slow
def test_limits_of_the_last_visits_difference_cover():
    rng = np.random.default_rng(21)
    missed = total = 0
    for _ in range(2000):
        fit = mmrm("y ~ arm*visit + us(visit | subject)", _trial(rng, 60, 4, dropout=0.05, effect=0.8))
        row = fit.contrasts("arm", by="visit").tidy().row(-1, named=True)
        total += 1
        missed += not row["conf_low"] <= 0.8 <= row["conf_high"]
    assert _within_monte_carlo_error(missed, total, slack=0.005)


@pytest.mark.slow
def test_logistic_mixed_rejects_near_its_level():
    """Wald tests of 200 subjects at 4 visits; a normal test is a little off at this size."""
    rng = np.random.default_rng(22)
    rejected, n = 0, 600
    for _ in range(n):
        subject, visit = np.repeat(np.arange(200), 4), np.tile(np.arange(4), 200)
        eta = -0.8 + 0.4 * visit + 1.5 * rng.normal(size=200)[subject]
        data = {
            "y": (rng.uniform(size=800) < 1 / (1 + np.exp(-eta))).astype(int),
            "arm": subject % 2,
            "visit": [f"v{v}" for v in visit],
            "subject": subject,
        }
        fit = logistic_mixed("y ~ arm + visit + (1 | subject)", data)
        rejected += fit.tidy()["p_value"][1] < LEVEL
    assert _within_monte_carlo_error(rejected, n, slack=0.01)


@pytest.mark.slow
def test_imputation_at_random_rejects_at_its_level():
    rng = np.random.default_rng(23)
    rejected, n = 0, 500
    for i in range(n):
        result = reference_based_imputation(
            "y ~ arm*visit + us(visit | subject)",
            _trial(rng, 80, 3, dropout=0.1),
            arm="arm",
            reference="A",
            strategy="mar",
            imputations=30,
            seed=i,
        )
        rejected += result.tidy()["p_value"][-1] < LEVEL
    assert _within_monte_carlo_error(rejected, n, slack=0.01)
