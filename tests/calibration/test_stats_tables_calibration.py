"""Type I error of tests and coverage of limits at the trials' sizes.

Where the outcome is a count, error and coverage are computed exactly, over all tables and a grid of
probabilities; else they are simulated, with the Monte Carlo error in the assertion (four standard errors).
Sizes are those of the maintenance trials: 116 and 111, 116 and 90 patients, 19 centers.
"""

import math

import numpy as np
import pytest

from flarefree import stats

pytestmark = pytest.mark.slow

ALMS = (116, 111)
MULTITARGET = (116, 90)
GRID = np.linspace(0.005, 0.995, 199)


def binomial(n, p):
    """Probabilities (len(p), n + 1)."""
    x = np.arange(n + 1)
    choose = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in x])
    return np.exp(choose + np.outer(np.log(p), x) + np.outer(np.log1p(-p), n - x))


def error_over_grid(rejected, n1, n2):
    """Chance of rejection at each common probability."""
    first, second = binomial(n1, GRID), binomial(n2, GRID)
    return np.einsum("gi,ij,gj->g", first, rejected, second)


def all_tables(n1, n2):
    x, y = np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij")
    return x.ravel(), y.ravel()


# -- exact -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [ALMS, MULTITARGET])
def test_fisher_keeps_its_level_and_is_conservative(sizes):
    n1, n2 = sizes
    x, y = all_tables(n1, n2)
    rejected = (stats.fisher_exact_many(x, n1, y, n2) <= 0.05).reshape(n1 + 1, n2 + 1)
    error = error_over_grid(rejected, n1, n2)
    assert error.max() <= 0.05
    assert error[GRID < 0.05].max() < 0.04  # rare events: well below


def test_the_score_test_is_near_its_level_and_chi_square_is_the_same_test():
    """Pearson's chi-square is z^2 with N; Miettinen and Nurminen's has N / (N - 1)."""
    n1, n2 = ALMS
    rejected = np.zeros((n1 + 1, n2 + 1), dtype=bool)
    for a in range(n1 + 1):
        for b in range(n2 + 1):
            rejected[a, b] = stats.miettinen_nurminen(a, n1, b, n2).p_value <= 0.05
    error = error_over_grid(rejected, n1, n2)
    inner = (GRID > 0.1) & (GRID < 0.9)
    assert error.max() <= 0.055
    assert error[inner].min() >= 0.04


@pytest.mark.parametrize("sizes", [(12, 12), (19, 36)])
def test_boschloo_keeps_its_level_and_is_less_conservative_than_fisher(sizes):
    n1, n2 = sizes
    by_fisher, by_boschloo = np.zeros((2, n1 + 1, n2 + 1), dtype=bool)
    for a in range(n1 + 1):
        for b in range(n2 + 1):
            table = [[a, n1 - a], [b, n2 - b]]
            by_fisher[a, b] = stats.fisher_exact(table).p_value <= 0.05
            by_boschloo[a, b] = stats.boschloo(table).p_value <= 0.05
    fisher, boschloo = (error_over_grid(rejected, n1, n2) for rejected in (by_fisher, by_boschloo))
    assert boschloo.max() <= 0.05
    assert (boschloo >= fisher - 1e-12).all()
    assert boschloo.mean() > fisher.mean() + 0.005


def test_barnard_keeps_its_level():
    n1, n2 = 15, 11
    rejected = np.array(
        [
            [stats.barnard([[a, n1 - a], [b, n2 - b]]).p_value <= 0.05 for b in range(n2 + 1)]
            for a in range(n1 + 1)
        ]
    )
    assert 0.03 < error_over_grid(rejected, n1, n2).max() <= 0.05


@pytest.mark.parametrize(
    ("method", "least", "mean_low", "mean_high"),
    [
        ("clopper-pearson", 0.95, 0.955, 0.99),
        ("wilson", 0.90, 0.945, 0.958),
        ("wilson-continuity", 0.95, 0.955, 0.99),
        ("jeffreys", 0.90, 0.94, 0.958),
    ],
)
def test_coverage_of_a_proportion(method, least, mean_low, mean_high):
    n = 111
    limits = [stats.proportion(x, n, method=method) for x in range(n + 1)]
    low, high = (np.array([getattr(r, name) for r in limits]) for name in ("conf_low", "conf_high"))
    inner = GRID[(GRID > 0.03) & (GRID < 0.97)]
    held = (low <= inner[:, None]) & (inner[:, None] <= high)
    coverage = (binomial(n, inner) * held).sum(axis=1)
    assert coverage.min() >= least
    assert mean_low <= coverage.mean() <= mean_high


@pytest.mark.parametrize("method", ["newcombe", "miettinen-nurminen", "agresti-caffo"])
def test_coverage_of_a_difference(method):
    """Over pairs of probabilities: mean near 95%, nowhere below 92.5%; Wald falls below 91% somewhere."""
    n1, n2 = 30, 25
    x, y = all_tables(n1, n2)

    def coverage(method, pairs):
        limits = [
            stats.proportion_difference(int(a), n1, int(b), n2, method=method)
            for a, b in zip(x, y, strict=True)
        ]
        low, high = (np.array([getattr(r, name) for r in limits]) for name in ("conf_low", "conf_high"))
        found = []
        for p, q in pairs:
            held = ((low <= p - q + 1e-12) & (p - q <= high + 1e-12)).reshape(n1 + 1, n2 + 1)
            found.append(binomial(n1, np.array([p]))[0] @ held @ binomial(n2, np.array([q]))[0])
        return np.array(found)

    pairs = [(p, q) for p in np.arange(0.05, 0.96, 0.09) for q in np.arange(0.05, 0.96, 0.09)]
    found = coverage(method, pairs)
    assert found.min() > 0.925
    assert 0.945 < found.mean() < 0.965
    assert coverage("wald", pairs).min() < 0.91


def test_coverage_of_the_conditional_odds_ratio():
    """Exact limits: never below 95%, for any margins' chances."""
    n1, n2, ratio = 20, 17, 2.5
    for q in (0.1, 0.3, 0.6):
        p = ratio * q / (1 - q + ratio * q)
        first, second = binomial(n1, np.array([p]))[0], binomial(n2, np.array([q]))[0]
        held = 0.0
        for a in range(n1 + 1):
            for b in range(n2 + 1):
                r = stats.fisher_exact([[a, n1 - a], [b, n2 - b]])
                held += first[a] * second[b] * (r.conf_low <= ratio <= r.conf_high)
        assert held >= 0.95


# -- simulated -------------------------------------------------------------------------------------------

TRIALS = 4000


def near(share, target, *, trials=TRIALS, slack=0.0):
    """Within four Monte Carlo standard errors of the target, or within `slack` beyond that."""
    error = math.sqrt(target * (1 - target) / trials)
    return abs(share - target) <= 4 * error + slack


def test_cochran_mantel_haenszel_in_many_small_centers():
    """19 centers of 12 patients: level of the test, coverage of odds ratio and risk difference."""
    rng = np.random.default_rng(20261120)
    rejected = ratio_held = difference_held = corrected = 0
    log_odds = rng.normal(-1.0, 0.6, 19)
    for _ in range(TRIALS):
        p = 1 / (1 + np.exp(-log_odds))
        a, b = rng.binomial(6, p), rng.binomial(6, p)
        tables = np.stack([np.stack([a, 6 - a], axis=1), np.stack([b, 6 - b], axis=1)], axis=1)
        result = stats.cochran_mantel_haenszel(tables, correct=False)
        rejected += result.p_value <= 0.05
        corrected += stats.cochran_mantel_haenszel(tables).p_value <= 0.05
        ratio_held += result.conf_low <= 1 <= result.conf_high
        difference = result.others["risk difference"]
        difference_held += difference.conf_low <= 0 <= difference.conf_high
    assert near(rejected / TRIALS, 0.05, slack=0.005)
    assert corrected / TRIALS < 0.05
    assert near(ratio_held / TRIALS, 0.95, slack=0.005)
    assert near(difference_held / TRIALS, 0.95, slack=0.005)


def test_homogeneity_holds_its_level_with_three_large_strata():
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(TRIALS):
        tables = []
        for q in (0.2, 0.35, 0.5):
            p = 2 * q / (1 + q)
            a, b = rng.binomial(60, p), rng.binomial(60, q)
            tables.append([[a, 60 - a], [b, 60 - b]])
        rejected += stats.breslow_day(tables).p_value <= 0.05
    assert near(rejected / TRIALS, 0.05, slack=0.004)


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_welch_holds_its_level_whatever_the_variances(spread):
    rng = np.random.default_rng(5)
    rejected = held = 0
    for _ in range(TRIALS):
        t = stats.t_test(rng.normal(0, 1, 20), rng.normal(0, spread, 12))
        rejected += t.p_value <= 0.05
        held += t.conf_low <= 0 <= t.conf_high
    assert near(rejected / TRIALS, 0.05, slack=0.003)
    assert rejected + held == TRIALS


def test_wilcoxon_holds_its_level_with_ties_and_its_limits_cover_the_shift():
    rng = np.random.default_rng(7)
    rejected = covered = covered_rounded = 0
    for _ in range(TRIALS):
        x, y = rng.exponential(1, 40) + 0.5, rng.exponential(1, 55)
        w = stats.wilcoxon(x, y)
        covered += w.conf_low <= 0.5 <= w.conf_high
        x, y = x.round(1), y.round(1)
        rejected += stats.wilcoxon(x, y + 0.5).p_value <= 0.05
        w = stats.wilcoxon(x, y)
        covered_rounded += w.conf_low - 1e-9 <= 0.5 <= w.conf_high + 1e-9
    assert near(rejected / TRIALS, 0.05, slack=0.003)
    assert near(covered / TRIALS, 0.95, slack=0.003)
    assert covered_rounded >= covered  # limits are multiples of 0.1 there, and so is the shift


def test_analysis_of_covariance_holds_its_level_and_covers_its_difference():
    rng = np.random.default_rng(11)
    rejected = covered = 0
    for _ in range(TRIALS // 2):
        n = 60
        arm = np.where(rng.random(n) < 0.5, "AZA", "MMF")
        base, site = rng.normal(3, 1, n), rng.choice(["a", "b", "c"], n)
        y = 0.7 * base + 0.4 * (arm == "MMF") + rng.normal(0, 1, n)
        model = stats.linear_model("y ~ arm + site + base", {"y": y, "arm": arm, "site": site, "base": base})
        (row,) = model.differences("arm").rows()
        covered += row["conf_low"] <= 0.4 <= row["conf_high"]
        rejected += model.tests()["site"]["p_value"] <= 0.05
    assert near(covered / (TRIALS // 2), 0.95, trials=TRIALS // 2)
    assert near(rejected / (TRIALS // 2), 0.05, trials=TRIALS // 2)


@pytest.mark.parametrize("procedure", ["holm", "hochberg", "hommel", "graphical"])
def test_family_wise_error_of_four_correlated_hypotheses(procedure):
    """Two true, two false; correlation 0.5: the chance of rejecting a true one stays below 5%."""
    rng = np.random.default_rng(13)
    covariance = 0.5 * np.eye(4) + 0.5
    z = rng.multivariate_normal([0, 0, 2.5, 2.5], covariance, TRIALS)
    p = np.vectorize(lambda v: 0.5 * math.erfc(v / math.sqrt(2)))(z)
    wrong = right = 0
    for row in p:
        if procedure == "graphical":
            graph = [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]]
            result = stats.graphical(row, [0.25, 0.25, 0.25, 0.25], graph)
        else:
            result = getattr(stats, procedure)(row)
        wrong += result.is_rejected[:2].any()
        right += result.is_rejected[2:].any()
    assert wrong / TRIALS <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / TRIALS)
    assert right / TRIALS > 0.5
