"""Exact odds and rate ratios of many or large trials, whose weights no float holds, against sums of logs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

from flarefree.evidence.pooling import pairwise

TABLES = [  # events and patients of two arms: OR near 0.07, 3,000 events
    *((40, 900, 420, 900), (55, 900, 380, 901), (62, 900, 400, 880)),
    *((48, 900, 431, 870), (51, 900, 390, 905), (39, 900, 377, 910)),
]
ONE = [(250, 5000, 2500, 5000)]
ALIKE = [(300 + i % 7, 1000, 300 + i % 5, 1000) for i in range(12)]


def rows_of(tables):
    for i, (a, n1, c, n2) in enumerate(tables):
        yield {"study": f"s{i}", "treatment": "new", "n": n1, "events": a, "person_time": 1.1 * n1}
        yield {"study": f"s{i}", "treatment": "control", "n": n2, "events": c, "person_time": 0.9 * n2}


def log_choose(n, k):
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def by_sums_of_logs(tables, measure):
    """Estimate, limits and P from the distribution of the events in the first arms, all in logs."""
    logs, low, seen = np.zeros(1), 0, sum(a for a, *_ in tables)
    for a, n1, c, n2 in tables:
        m = a + c
        if measure == "OR":
            x = np.arange(max(0, m - n2), min(m, n1) + 1)
            own = log_choose(n1, x) + log_choose(n2, m - x)
        else:
            x = np.arange(m + 1)
            own = log_choose(m, x) + x * math.log(1.1 * n1 / (0.9 * n2))
        grown = np.full(len(logs) + len(x) - 1, -np.inf)
        for k, value in enumerate(own):
            grown[k : k + len(logs)] = np.logaddexp(grown[k : k + len(logs)], logs + value)
        logs, low = grown, low + int(x[0])
    support = low + np.arange(len(logs))

    def log_share(b, part):
        shifted = logs + b * support
        return logsumexp(shifted[part]) - logsumexp(shifted)

    def mean(b):
        shifted = logs + b * support
        return float(np.exp(shifted - logsumexp(shifted)) @ support)

    tail = math.log(0.025)
    null = logs - logsumexp(logs)
    return (
        brentq(lambda b: mean(b) - seen, -9, 9, xtol=1e-13),
        brentq(lambda b: log_share(b, support >= seen) - tail, -9, 9, xtol=1e-13),
        brentq(lambda b: log_share(b, support <= seen) - tail, -9, 9, xtol=1e-13),
        float(np.exp(logsumexp(null[null <= null[seen - low] + 1e-7]))),
    )


@pytest.mark.parametrize("measure", ["OR", "IRR"])
@pytest.mark.parametrize("tables", [TABLES, ONE, ALIKE], ids=["six", "one", "alike"])
def test_exact_ratios_do_not_underflow(tables, measure) -> None:
    found = pairwise(list(rows_of(tables)), measure=measure, method="EXACT")
    expected = by_sums_of_logs(tables, measure)
    assert (found.log_estimate, *found.log_limits, found.p_value) == pytest.approx(expected, abs=1e-9)


def test_five_hundred_trials_have_an_exact_odds_ratio() -> None:
    rng = np.random.default_rng(3)
    tables = [(int(a), 100, int(c), 100) for a, c in rng.binomial(100, 0.2, (500, 2))]
    exact = pairwise(list(rows_of(tables)), measure="OR", method="EXACT")
    plain = pairwise(list(rows_of(tables)), measure="OR", method="MH")
    assert exact.log_estimate == pytest.approx(plain.log_estimate, abs=1e-3)
    assert exact.log_limits == pytest.approx(plain.log_limits, abs=1e-3)
