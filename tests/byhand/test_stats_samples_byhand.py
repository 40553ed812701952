"""Ranks, means, linear models and multiplicity for a handful of patients, in fractions."""

import math
from fractions import Fraction
from itertools import combinations, product
from statistics import median

import numpy as np
import pytest

from flarefree import stats

EXACT = 1e-12


# -- ranks -----------------------------------------------------------------------------------------------


def w_statistic(x, y):
    return sum((Fraction(a > b) + Fraction(a == b, 2)) for a in x for b in y)


def rank_sum_by_hand(x, y):
    """Share of the ways to deal the values with W at most, and at least, the observed one."""
    values = [*x, *y]
    seen = w_statistic(x, y)
    ways = [
        w_statistic([values[i] for i in chosen], [v for i, v in enumerate(values) if i not in chosen])
        for chosen in combinations(range(len(values)), len(x))
    ]
    less = Fraction(sum(w <= seen for w in ways), len(ways))
    greater = Fraction(sum(w >= seen for w in ways), len(ways))
    return seen, less, greater


@pytest.mark.parametrize(
    ("x", "y", "exact"),
    [
        ([3, 8, 11], [1, 5, 9, 2], None),
        ([3, 8, 11, 4], [1, 5, 9], None),
        ([1, 2, 2, 5], [2, 3, 1], True),  # ties: the permutation distribution of midranks
        ([4, 4, 4], [4, 1, 9], True),
    ],
)
def test_rank_sum_by_dealing_the_values_in_all_ways(x, y, exact):
    seen, less, greater = rank_sum_by_hand(x, y)
    for side, p in (("less", less), ("greater", greater), ("two-sided", min(1, 2 * min(less, greater)))):
        result = stats.wilcoxon(x, y, exact=exact, alternative=side)
        assert result.statistic == float(seen)
        assert result.p_value == pytest.approx(float(p), rel=EXACT)


@pytest.mark.parametrize("x", [[1.5, -0.5, 3, 2, -1], [1, -1, 2, 2, 3, -4]])
def test_signed_rank_by_all_signs(x):
    size = [abs(v) for v in x]
    rank = [Fraction(sum(b < a for b in size)) + Fraction(sum(b == a for b in size) + 1, 2) for a in size]
    seen = sum(r for r, v in zip(rank, x, strict=True) if v > 0)
    sums = [sum(r for r, s in zip(rank, signs, strict=True) if s) for signs in product((0, 1), repeat=len(x))]
    less = Fraction(sum(v <= seen for v in sums), len(sums))
    greater = Fraction(sum(v >= seen for v in sums), len(sums))
    result = stats.signed_rank(x, exact=True)
    assert result.statistic == float(seen)
    assert result.p_value == pytest.approx(float(min(1, 2 * min(less, greater))), rel=EXACT)
    walsh = [(a + b) / 2 for i, a in enumerate(x) for b in x[i:]]
    assert result.estimate == pytest.approx(median(walsh), rel=EXACT)


def test_hodges_lehmann_limits_turn_the_test():
    """Shifting x by less than the limits keeps p above 0.05; by more, it falls to 0.05 or below."""
    x, y = [12.1, 15.3, 14.2, 18.9, 16.4], [10.5, 11.7, 13.9, 9.8, 12.6, 8.1]
    result = stats.wilcoxon(x, y)
    differences = sorted(a - b for a in x for b in y)
    assert result.estimate == pytest.approx(median(differences), rel=EXACT)
    assert {result.conf_low, result.conf_high} <= set(differences)
    for limit, inward in ((result.conf_low, 1e-6), (result.conf_high, -1e-6)):
        assert stats.wilcoxon(x, y, shift=limit + inward).p_value > 0.05
        assert stats.wilcoxon(x, y, shift=limit - inward).p_value <= 0.05


def test_the_normal_approximation_by_hand():
    """x = 1, 2, 2, 4 and y = 2, 3, 5: W = 3.5 of 12, ties of 3; variance 4*3/12 (8 - 24/42) = 52/7."""
    result = stats.wilcoxon([1, 2, 2, 4], [2, 3, 5])
    z = (3.0 - 6 + 0.5) / math.sqrt(52 / 7)
    assert w_statistic([1, 2, 2, 4], [2, 3, 5]) == 3
    assert result.statistic == 3.0
    assert result.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=EXACT)


def test_kruskal_wallis_in_fractions():
    """Groups 1 3 | 2 6 | 4 5 7: rank sums 4, 8, 16; H = 12/56 (8 + 32 + 256/3) - 24 = 20/7."""
    h = Fraction(12, 56) * (Fraction(16, 2) + Fraction(64, 2) + Fraction(256, 3)) - 24
    result = stats.kruskal_wallis([1, 3, 2, 6, 4, 5, 7], ["a", "a", "b", "b", "c", "c", "c"])
    assert result.statistic == pytest.approx(float(h), rel=EXACT)


# -- means -----------------------------------------------------------------------------------------------


def variance(x):
    m = Fraction(sum(x), len(x))
    return sum((v - m) ** 2 for v in x) / (len(x) - 1)


def test_t_tests_in_fractions():
    x, y = [4, 7, 9, 8], [3, 1, 5]
    difference = Fraction(28, 4) - Fraction(9, 3)
    pooled = (3 * variance(x) + 2 * variance(y)) / 5
    student = stats.t_test(x, y, equal_variances=True)
    assert student.statistic**2 == pytest.approx(
        float(difference**2 / (pooled * (Fraction(1, 4) + Fraction(1, 3)))), rel=EXACT
    )
    assert student.df == 5
    u, v = variance(x) / 4, variance(y) / 3
    welch = stats.t_test(x, y)
    assert welch.statistic**2 == pytest.approx(float(difference**2 / (u + v)), rel=EXACT)
    assert welch.df == pytest.approx(float((u + v) ** 2 / (u**2 / 3 + v**2 / 2)), rel=EXACT)


def test_limits_of_a_mean_with_two_degrees_of_freedom():
    """The t quantile has a closed form there: (2p - 1) / sqrt(2p (1 - p))."""
    p = 0.975
    t = (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    result = stats.mean([1.0, 2.0, 6.0])
    se = math.sqrt(float(variance([1, 2, 6])) / 3)
    assert result.conf_low == pytest.approx(3 - t * se, rel=1e-10)
    assert result.conf_high == pytest.approx(3 + t * se, rel=1e-10)


def test_analysis_of_variance_in_fractions():
    groups = [[1, 3], [2, 6], [4, 5, 9]]
    values = [v for g in groups for v in g]
    grand = Fraction(sum(values), 7)
    between = sum(len(g) * (Fraction(sum(g), len(g)) - grand) ** 2 for g in groups)
    within = sum((v - Fraction(sum(g), len(g))) ** 2 for g in groups for v in g)
    result = stats.one_way_anova(values, ["a"] * 2 + ["b"] * 2 + ["c"] * 3)
    assert result.statistic == pytest.approx(float((between / 2) / (within / 4)), rel=EXACT)
    assert (result.df, result.df_denominator) == (2, 4)
    # with two and four degrees of freedom the tail of F is (1 + f/2)^-2
    assert result.p_value == pytest.approx((1 + result.statistic / 2) ** -2, rel=1e-10)


def test_geometric_means_by_hand():
    """Of 1, 10, 100: 10; ratio to 2, 20, 200 is a half, whatever the spread."""
    result = stats.geometric_mean([1, 10, 100])
    assert result.estimate == pytest.approx(10, rel=EXACT)
    assert result.details["geometric_sd"] == pytest.approx(10, rel=EXACT)
    ratio = stats.geometric_mean_ratio([1, 10, 100], [2, 20, 200])
    assert ratio.estimate == pytest.approx(0.5, rel=EXACT)
    assert stats.geometric_mean([0, 3, 15], offset=1).estimate == pytest.approx(3, rel=EXACT)  # 1*4*16 = 4^3


# -- linear models ---------------------------------------------------------------------------------------


def solve(A, b):
    """Gauss's elimination in fractions."""
    n = len(A)
    rows = [[Fraction(v) for v in row] + [Fraction(t)] for row, t in zip(A, b, strict=True)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [a - rows[r][i] * c for a, c in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


SEVEN = {
    "change": [-3, -5, -1, -6, -2, -4, 1],
    "arm": ["AZA", "MMF", "AZA", "MMF", "MMF", "AZA", "AZA"],
    "site": ["n", "n", "s", "s", "n", "n", "s"],
    "base": [4, 6, 3, 8, 5, 7, 2],
}


def ancova_by_hand():
    X = [
        [1, int(a == "MMF"), int(s == "s"), b]
        for a, s, b in zip(SEVEN["arm"], SEVEN["site"], SEVEN["base"], strict=True)
    ]
    y = SEVEN["change"]
    XtX = [[sum(r[i] * r[j] for r in X) for j in range(4)] for i in range(4)]
    beta = solve(XtX, [sum(r[i] * v for r, v in zip(X, y, strict=True)) for i in range(4)])
    squares = sum(
        (v - sum(c * b for c, b in zip(r, beta, strict=True))) ** 2 for r, v in zip(X, y, strict=True)
    )
    return XtX, beta, squares / 3


def test_analysis_of_covariance_for_seven_patients():
    _, beta, s2 = ancova_by_hand()
    model = stats.linear_model("change ~ arm + site + base", SEVEN)
    assert model.coefficients == pytest.approx([float(b) for b in beta], rel=EXACT)
    assert model.residual_variance == pytest.approx(float(s2), rel=1e-11)
    assert model.df_residual == 3
    assert model.design.columns == ("(Intercept)", "armMMF", "sites", "base")


def test_least_squares_means_for_seven_patients():
    """At the mean base of 5 and half of each site: L = (1, arm, 1/2, 5); variance L (X'X)^-1 L' s^2."""
    XtX, beta, s2 = ancova_by_hand()
    means = stats.linear_model("change ~ arm + site + base", SEVEN).ls_means("arm")
    for row, arm in zip(means.rows(), (0, 1), strict=True):
        L = [Fraction(1), Fraction(arm), Fraction(1, 2), Fraction(5)]
        estimate = sum(a * b for a, b in zip(L, beta, strict=True))
        spread = sum(a * b for a, b in zip(L, solve(XtX, L), strict=True)) * s2
        assert row["estimate"] == pytest.approx(float(estimate), rel=1e-11)
        assert row["std_error"] ** 2 == pytest.approx(float(spread), rel=1e-10)
    (difference,) = stats.linear_model("change ~ arm + site + base", SEVEN).differences("arm").rows()
    assert difference["term"] == "MMF - AZA"
    assert difference["estimate"] == pytest.approx(float(beta[1]), rel=1e-11)


def test_type_three_without_interactions_is_each_terms_own_t_squared():
    model = stats.linear_model("change ~ arm + site + base", SEVEN)
    tests = model.tests(3)
    for term, row in zip(("arm", "site", "base"), model.tidy().rows(named=True)[1:], strict=True):
        assert tests[term]["statistic"] == pytest.approx(row["statistic"] ** 2, rel=1e-10)
        assert tests[term]["p_value"] == pytest.approx(row["p_value"], rel=1e-10)


def test_type_one_sums_of_squares_add_up():
    """Sequential sums and the residual make up the spread about the mean."""
    model = stats.linear_model("change ~ arm + site + base", SEVEN)
    y = SEVEN["change"]
    total = sum(v * v for v in y) - Fraction(sum(y) ** 2, 7)
    assert model.tests(1).squares.sum() + model.residual_variance * 3 == pytest.approx(
        float(total), rel=1e-11
    )
    # the first term alone: between-arm sum of squares
    mmf = [v for v, a in zip(y, SEVEN["arm"], strict=True) if a == "MMF"]
    aza = [v for v, a in zip(y, SEVEN["arm"], strict=True) if a == "AZA"]
    between = Fraction(sum(mmf) ** 2, 3) + Fraction(sum(aza) ** 2, 4) - Fraction(sum(y) ** 2, 7)
    assert model.tests(1)["arm"]["sum_of_squares"] == pytest.approx(float(between), rel=1e-11)


def test_whole_number_weights_are_repeated_patients():
    weights = [1, 2, 1, 3, 1, 2, 2]
    rows = np.repeat(np.arange(7), weights)
    repeated = {name: np.asarray(values)[rows] for name, values in SEVEN.items()}
    weighted = stats.linear_model("change ~ arm + base", SEVEN, weights=weights)
    longer = stats.linear_model("change ~ arm + base", repeated)
    assert weighted.coefficients == pytest.approx(longer.coefficients, rel=1e-10)
    assert weighted.residual_variance * 4 == pytest.approx(longer.residual_variance * 9, rel=1e-10)


# -- multiplicity ----------------------------------------------------------------------------------------


def closed_test(p, local):
    """Adjusted p-values of the closed test: for each hypothesis the largest local p over sets with it."""
    k = len(p)
    adjusted = [0.0] * k
    for size in range(1, k + 1):
        for subset in combinations(range(k), size):
            value = min(1.0, local([p[i] for i in subset], subset))
            for i in subset:
                adjusted[i] = max(adjusted[i], value)
    return adjusted


def bonferroni_local(p, _):
    return len(p) * min(p)


def simes_local(p, _):
    return min(len(p) * v / rank for rank, v in enumerate(sorted(p), 1))


LISTS = [
    [0.01, 0.04, 0.03, 0.005],
    [0.02, 0.02, 0.02],
    [0.9, 0.001, 0.049, 0.051, 0.2],
    [0.03],
    [0.5, 0.5, 0.01, 0.02, 0.03],
]


@pytest.mark.parametrize("p", LISTS)
def test_holm_is_the_closed_bonferroni_test(p):
    assert stats.holm(p).adjusted == pytest.approx(closed_test(p, bonferroni_local), rel=EXACT)


@pytest.mark.parametrize("p", LISTS)
def test_hommel_is_the_closed_simes_test(p):
    assert stats.hommel(p).adjusted == pytest.approx(closed_test(p, simes_local), rel=EXACT)


def test_hochberg_by_hand():
    """0.01, 0.03, 0.04: from the largest, 0.04, 2 * 0.03 = 0.06 held to 0.04, 3 * 0.01 = 0.03."""
    assert stats.hochberg([0.03, 0.01, 0.04]).adjusted == pytest.approx([0.04, 0.03, 0.04])
    assert stats.hochberg([0.03, 0.01, 0.04]).is_rejected.all()


def test_a_fixed_sequence_stops_at_the_first_failure():
    result = stats.fixed_sequence([0.01, 0.06, 0.001], names=["flare", "ESRD", "death"])
    assert result.adjusted.tolist() == [0.01, 0.06, 0.06]
    assert result.is_rejected.tolist() == [True, False, False]


def graph_weights(subset, weights, transitions):
    """Weights of the hypotheses of a subset, after all others are taken out one by one, in fractions."""
    w = [Fraction(v) for v in weights]
    G = [[Fraction(v) for v in row] for row in transitions]
    left = set(range(len(w)))
    for gone in [j for j in range(len(w)) if j not in subset]:
        left.discard(gone)
        new = {i: w[i] + w[gone] * G[gone][i] for i in left}
        edges = {
            (i, j): (G[i][j] + G[i][gone] * G[gone][j]) / (1 - G[i][gone] * G[gone][i])
            if i != j and G[i][gone] * G[gone][i] < 1
            else Fraction(0)
            for i in left
            for j in left
        }
        for i in left:
            w[i] = new[i]
        for (i, j), value in edges.items():
            G[i][j] = value
        w[gone] = Fraction(0)
    return [w[i] for i in subset]


HALF = Fraction(1, 2)
GRAPHS = [
    # two primary hypotheses, each passing to its secondary and to the other [bretz2009, fig. 6]
    ([HALF, HALF, 0, 0], [[0, HALF, HALF, 0], [HALF, 0, 0, HALF], [0, 1, 0, 0], [1, 0, 0, 0]]),
    # a fixed sequence
    ([1, 0, 0, 0], [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),
    # Holm's
    ([Fraction(1, 4)] * 4, [[Fraction(int(i != j), 3) for j in range(4)] for i in range(4)]),
    # fallback with unequal shares, leaving some alpha unspent
    (
        [HALF, Fraction(1, 4), Fraction(1, 8), 0],
        [[0, 1, 0, 0], [0, 0, 1, 0], [HALF, 0, 0, HALF], [0, 0, 0, 0]],
    ),
]


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(
    "p", [[0.01, 0.02, 0.015, 0.04], [0.03, 0.001, 0.2, 0.01], [0.024, 0.03, 0.001, 0.002]]
)
def test_a_graph_is_a_closed_test_of_weighted_bonferroni(graph, p):
    weights, transitions = graph

    def local(values, subset):
        shares = graph_weights(list(subset), weights, transitions)
        return min((v / float(s) if s else math.inf) for v, s in zip(values, shares, strict=True))

    result = stats.graphical(p, [float(v) for v in weights], [[float(v) for v in row] for row in transitions])
    assert result.adjusted == pytest.approx(closed_test(p, local), rel=1e-10)


def test_a_graph_of_holm_is_holm():
    p = [0.011, 0.02, 0.013]
    thirds = [[0 if i == j else 0.5 for j in range(3)] for i in range(3)]
    graph = stats.graphical(p, [1 / 3] * 3, thirds)
    assert graph.adjusted == pytest.approx(stats.holm(p).adjusted, rel=1e-10)
