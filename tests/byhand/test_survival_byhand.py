"""Seven patients worked on paper, in exact fractions.

| patient | arm | day |          |      at risk just before: all, arm 1; events: all, arm 1
|---------|-----|-----|----------|
| Ada     | 0   | 2   | flare    |      day 2: 7, 3; 2, 1
| Bea     | 1   | 2   | flare    |      day 3: 4, 2; 1, 1
| Cleo    | 0   | 2   | censored |      day 4: 3, 1; 2, 0
| Dora    | 1   | 3   | flare    |      day 6: 1, 1; 1, 1
| Eva     | 0   | 4   | flare    |
| Fay     | 0   | 4   | flare    |
| Gill    | 1   | 6   | flare    |

In Cox's model arm 1 has hazard ratio theta; an offset of arm * log(theta) makes the score test of zero,
U^2 / I, and the null likelihood those of theta.
"""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np
import pytest

from flarefree.stats.survival import (
    batch_trials,
    cumulative_incidence,
    fit_cox,
    incidence_rate,
    kaplan_meier,
    logrank,
    rmst,
    win_ratio,
)
from flarefree.stats.survival.win import TimeToEvent

DAY = [2, 2, 2, 3, 4, 4, 6]
FLARE = [1, 1, 0, 1, 1, 1, 1]
ARM = [0, 1, 0, 1, 0, 0, 1]


def exactly(value: F) -> object:
    return pytest.approx(float(value), rel=1e-14)


def test_kaplan_meier_and_greenwood():
    (curve,) = kaplan_meier(DAY, FLARE).curves
    assert curve.time.tolist() == [2, 3, 4, 6]
    assert curve.n_risk.tolist() == [7, 4, 3, 1]
    assert curve.n_event.tolist() == [2, 1, 2, 1]
    assert curve.n_censor.tolist() == [1, 0, 0, 0]
    survival = [F(5, 7), F(5, 7) * F(3, 4), F(5, 7) * F(3, 4) * F(1, 3), F(0)]
    assert survival[:3] == [F(5, 7), F(15, 28), F(5, 28)]
    for found, expected in zip(curve.estimate, survival):
        assert found == exactly(expected)
    greenwood = [F(2, 35), F(2, 35) + F(1, 12), F(2, 35) + F(1, 12) + F(2, 3)]
    for found, s, g in zip(curve.std_error, survival, greenwood):
        assert found == pytest.approx(float(s) * math.sqrt(g), rel=1e-14)
    # On day 4 log S is -log(28/5); the log-log limits divide and multiply it by exp(z sqrt(g) / log S).
    factor = math.exp(1.959963984540054 * math.sqrt(greenwood[2]) / math.log(28 / 5))
    assert curve.conf_low[2] == pytest.approx((5 / 28) ** factor, rel=1e-13)
    assert curve.conf_high[2] == pytest.approx((5 / 28) ** (1 / factor), rel=1e-13)


def test_median_and_quartile():
    """The curve first reaches one half on day 4; and runs level at exactly 3/4 in the second example."""
    (curve,) = kaplan_meier(DAY, FLARE).curves
    assert curve.quantile(0.5)[0] == 4
    (level,) = kaplan_meier([1, 2, 3, 5], [1, 1, 1, 1]).curves
    assert level.quantile(0.25)[0] == 1.5
    assert level.quantile(0.5)[0] == 2.5


def test_nelson_aalen():
    (curve,) = kaplan_meier(DAY, FLARE).curves
    assert curve.cumulative_hazard[-1] == exactly(F(2, 7) + F(1, 4) + F(2, 3) + 1)
    variance = F(2, 49) + F(1, 16) + F(2, 9) + 1
    assert curve.cumulative_hazard_std_error[-1] == pytest.approx(math.sqrt(variance), rel=1e-14)


def test_restricted_mean():
    """To day 5: 2 days at 1, one at 5/7, one at 15/28, one at 5/28."""
    found = rmst(DAY, FLARE, tau=5)
    assert found.estimate[0] == exactly(2 + F(5, 7) + F(15, 28) + F(5, 28))
    to_come = [F(5, 7) + F(15, 28) + F(5, 28), F(15, 28) + F(5, 28), F(5, 28)]
    spread = [F(2, 35), F(1, 12), F(2, 3)]
    variance = sum(a * a * s for a, s in zip(to_come, spread))
    assert found.std_error[0] == pytest.approx(math.sqrt(variance), rel=1e-14)


def test_logrank():
    found = logrank(DAY, FLARE, ARM)
    assert found.expected[1] == exactly(F(6, 7) + F(1, 2) + F(2, 3) + 1)
    assert F(6, 7) + F(1, 2) + F(2, 3) + 1 == F(127, 42)
    # Hypergeometric: d (n1/n) (n0/n) (n - d) / (n - 1)
    variance = 2 * F(3, 7) * F(4, 7) * F(5, 6) + F(1, 4) + 2 * F(1, 3) * F(2, 3) * F(1, 2)
    assert variance == F(1553, 1764)
    assert found.variance[1, 1] == exactly(variance)
    assert found.statistic == exactly(F(1, 1553))
    assert found.z < 0


def test_logrank_weighted_by_the_pooled_curve():
    """rho 1: weights 1, 5/7, 15/28, 5/28 just before each day."""
    found = logrank(DAY, FLARE, ARM, rho=1)
    weights = [F(1), F(5, 7), F(15, 28), F(5, 28)]
    expected = [F(6, 7), F(1, 2), F(2, 3), F(1)]
    variances = [F(20, 49), F(1, 4), F(2, 9), F(0)]
    assert found.observed[1] == exactly(weights[0] + weights[1] + weights[3])
    assert found.expected[1] == exactly(sum(w * e for w, e in zip(weights, expected)))
    assert found.variance[1, 1] == exactly(sum(w * w * v for w, v in zip(weights, variances)))


def shares(theta: F, ties: str) -> list[tuple[F, F]]:
    """For each event (exact: each day) the mean of arm 1 among those who could have had it, and variance."""
    if ties == "breslow":
        p = [3 * theta / (4 + 3 * theta)] * 2 + [2 * theta / (2 + 2 * theta)]
        p += [theta / (2 + theta)] * 2 + [F(1)]
    else:  # Efron: of the tied deaths half is still at risk at the second
        p = [3 * theta / (4 + 3 * theta), (3 - F(1, 2)) * theta / (4 - F(1, 2) + (3 - F(1, 2)) * theta)]
        p += [2 * theta / (2 + 2 * theta), theta / (2 + theta), theta / (1 + theta), F(1)]
    return [(share, share * (1 - share)) for share in p]


@pytest.mark.parametrize(
    ("ties", "theta", "score", "information", "product"),
    [
        # the product of the risk totals, whose logarithm the likelihood subtracts
        ("breslow", 1, F(-1, 42), F(2089, 1764), 7 * 7 * 4 * 3 * 3 * 1),
        ("breslow", 2, F(-13, 15), F(541, 450), 10 * 10 * 6 * 4 * 4 * 2),
        (
            "efron",
            1,
            3 - (F(3, 7) + F(5, 12) + F(1, 2) + F(1, 3) + F(1, 2) + 1),
            F(12, 49) + F(35, 144) + F(1, 4) + F(2, 9) + F(1, 4),
            7 * 6 * 4 * 3 * 2 * 1,
        ),
        (
            "efron",
            2,
            3 - (F(3, 5) + F(10, 17) + F(2, 3) + F(1, 2) + F(2, 3) + 1),
            F(6, 25) + F(70, 289) + F(2, 9) + F(1, 4) + F(2, 9),
            10 * F(17, 2) * 6 * 4 * 3 * 2,
        ),
        # exact: on day 2 two of seven, 21 ways; on day 4 two of three
        ("exact", 1, F(-1, 42), F(1553, 1764), 21 * 4 * 3 * 1),
        # theta 2, day 2: 6 ways without arm 1, 24 with one, 12 with two; day 4: 1 without, 4 with
        (
            "exact",
            2,
            3 - (F(48, 42) + F(2, 3) + F(4, 5) + 1),
            (F(72, 42) - F(48, 42) ** 2) + F(2, 9) + F(4, 25),
            42 * 6 * 5 * 2,
        ),
    ],
)
def test_cox_score_information_and_likelihood(ties, theta, score, information, product):
    if ties != "exact":
        by_event = shares(F(theta), ties)
        assert score == 3 - sum(mean for mean, _ in by_event)
        assert information == sum(variance for _, variance in by_event)
    offset = np.array(ARM) * math.log(theta)
    found = fit_cox(DAY, FLARE, ARM, offset=offset, ties=ties)
    assert found.score.statistic == pytest.approx(float(score**2 / information), rel=1e-12)
    # three events in arm 1 add 3 log(theta); the offset is centered, which changes nothing
    assert found.loglik_null == pytest.approx(3 * math.log(theta) - math.log(product), rel=1e-13)


def test_cox_coefficient_solves_the_score_equation():
    """At the Breslow estimate the observed three events of arm 1 equal the expected ones."""
    found = fit_cox(DAY, FLARE, ARM, ties="breslow")
    theta = float(found.hr[0])
    expected = 2 * 3 * theta / (4 + 3 * theta) + 2 * theta / (2 + 2 * theta) + 2 * theta / (2 + theta) + 1
    assert expected == pytest.approx(3, rel=1e-12)
    p = [3 * theta / (4 + 3 * theta)] * 2 + [theta / (1 + theta)] + [theta / (2 + theta)] * 2
    information = sum(share * (1 - share) for share in p)
    assert found.std_error[0] == pytest.approx(1 / math.sqrt(information), rel=1e-9)


def test_martingale_and_schoenfeld_residuals_at_zero():
    """With an uninformative covariate's coefficient held at zero the hazard is Nelson and Aalen's."""
    found = fit_cox(DAY, FLARE, np.zeros((7, 0)), ties="breslow")
    hazard = {2: F(2, 7), 3: F(2, 7) + F(1, 4), 4: F(2, 7) + F(1, 4) + F(2, 3)}
    hazard[6] = hazard[4] + 1
    residuals = found.residuals("martingale")
    for day, flare, residual in zip(DAY, FLARE, residuals):
        assert residual == exactly(flare - hazard[day])
    assert residuals.sum() == pytest.approx(0, abs=1e-14)


def test_batched_trials_are_the_same():
    trials = batch_trials([DAY, DAY], [[bool(x) for x in FLARE]] * 2, ARM)
    assert trials.logrank().z ** 2 == pytest.approx([1 / 1553] * 2, rel=1e-12)
    assert trials.cox().coef == pytest.approx([fit_cox(DAY, FLARE, ARM).coef[0]] * 2, rel=1e-9)
    assert trials.kaplan_meier([3]).estimate[0] == pytest.approx(np.array([[3 / 4], [1 / 3]]))


def test_cumulative_incidence():
    """Ada, Dora and Fay flare; Bea, Eva and Gill die; Cleo is censored on day 2."""
    cause = ["flare", "death", "none", "flare", "death", "flare", "death"]
    found = cumulative_incidence(DAY, cause, censored="none")
    flare, death = found.curve("flare"), found.curve("death")
    steps = [F(1, 7), F(1, 7) + F(5, 7) * F(1, 4), F(1, 7) + F(5, 7) * F(1, 4) + F(15, 28) * F(1, 3)]
    for value, expected in zip(flare.estimate, steps):
        assert value == exactly(expected)
    assert death.estimate[-1] == exactly(F(1, 7) + F(15, 28) * F(1, 3) + F(5, 28))
    assert flare.estimate[-1] + death.estimate[-1] == pytest.approx(1, rel=1e-14)
    # Before any censoring the incidence is a binomial share: variance 1/7 * 6/7 / 7.
    assert flare.std_error[0] == pytest.approx(math.sqrt(F(6, 343)), rel=1e-14)


def test_rate_per_hundred():
    """Six flares in 23 days."""
    found = incidence_rate(sum(FLARE), sum(DAY), per=100)
    assert found.rate == exactly(F(600, 23))
    # Garwood: the lower limit mu solves P(X >= 6; mu) = 0.025
    mu = found.conf_low * 23 / 100
    tail = 1 - sum(math.exp(-mu) * mu**k / math.factorial(k) for k in range(6))
    assert tail == pytest.approx(0.025, rel=1e-9)


def test_wins():
    """Of 12 pairs: Bea beats nobody but ties with Ada; Dora and Gill as listed.

    Bea (2) against Ada (2, both flared): tie; Cleo (censored on 2): loses; Eva, Fay: loses twice.
    Dora (3): beats Ada; Cleo censored before: tie; loses to Eva and Fay.
    Gill (6): beats Ada, Eva and Fay; Cleo: tie.
    """
    found = win_ratio(ARM, [TimeToEvent(DAY, FLARE)])
    assert (found.wins, found.losses, found.ties) == (4, 5, 3)
    assert found.win_ratio == exactly(F(4, 5))
    assert found.win_odds == exactly(F(11, 13))
    assert found.net_benefit == exactly(F(-1, 12))
    # Wins (losses) of Bea, Dora, Gill: 0 (3), 1 (2), 3 (0)
    # and against Ada, Cleo, Eva, Fay: 2 (0), 0 (1), 1 (2), 1 (2)
    difference_1 = [F(-3), F(-1), F(3)]
    difference_0 = [F(2), F(-1), F(-1), F(-1)]

    def squares(values):
        mean = sum(values) / len(values)
        return sum((v - mean) ** 2 for v in values) * F(len(values), len(values) - 1)

    variance = (squares(difference_1) + squares(difference_0)) / 144
    assert found.net_benefit_error == pytest.approx(math.sqrt(variance), rel=1e-13)
