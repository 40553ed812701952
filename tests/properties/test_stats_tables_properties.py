"""What always holds of tables, ranks, means and models: swapping, permuting, changing units, merging."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from flarefree import stats
from flarefree.errors import StatsError

cells = st.integers(0, 40)
two_by_two = st.tuples(cells, cells, cells, cells).filter(lambda t: sum(t) > 0)
values = st.floats(-1e3, 1e3, allow_nan=False).map(lambda v: round(v, 3))
samples = st.lists(values, min_size=3, max_size=25)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=8)

close = pytest.approx
UNHURRIED = settings(deadline=None)  # the machine may be busy


def table_of(counts):
    a, b, c, d = counts
    return [[a, b], [c, d]]


@UNHURRIED
@given(two_by_two)
def test_swapping_groups_inverts_the_odds_ratio_and_keeps_p(counts):
    a, b, c, d = counts
    one, other = stats.fisher_exact([[a, b], [c, d]]), stats.fisher_exact([[c, d], [a, b]])
    assert one.p_value == close(other.p_value, rel=1e-12)
    if one.estimate is None:
        return
    swapped = (
        1 / v if 0 < v < math.inf else (math.inf if v == 0 else 0.0)
        for v in (other.estimate, other.conf_high, other.conf_low)
    )
    assert (one.estimate, one.conf_low, one.conf_high) == close(tuple(swapped), rel=1e-9)


@UNHURRIED
@given(two_by_two)
def test_fishers_p_is_unchanged_by_transposing_and_by_one_call_for_many(counts):
    a, b, c, d = counts
    p = stats.fisher_exact([[a, b], [c, d]]).p_value
    assert 0 < p <= 1
    assert stats.fisher_exact([[a, c], [b, d]]).p_value == close(p, rel=1e-12)
    assert stats.fisher_exact_many(a, a + b, c, c + d)[0] == close(p, rel=1e-12)


@UNHURRIED
@given(two_by_two)
def test_one_sided_ps_overlap_in_the_observed_table(counts):
    table = table_of(counts)
    less = stats.fisher_exact(table, alternative="less").p_value
    greater = stats.fisher_exact(table, alternative="greater").p_value
    assert less + greater >= 1 - 1e-12
    assert stats.fisher_exact(table).p_value >= min(less, greater) * (1 - 1e-12)


@UNHURRIED
@given(st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=2, max_size=4), st.randoms())
def test_larger_tables_do_not_know_the_order_of_rows_and_columns(table, random):
    assume(sum(map(sum, table)) > 0)
    p = stats.fisher_exact(table).p_value
    rows, columns = list(range(len(table))), list(range(3))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = [[table[i][j] for j in columns] for i in rows]
    assert stats.fisher_exact(shuffled).p_value == close(p, rel=1e-9)
    assert stats.fisher_exact(np.transpose(table)).p_value == close(p, rel=1e-9)


@UNHURRIED
@given(two_by_two)
def test_an_empty_column_adds_nothing(counts):
    (a, b), (c, d) = table_of(counts)
    wide = stats.fisher_exact([[a, 0, b], [c, 0, d]])
    assert wide.p_value == close(stats.fisher_exact([[a, b], [c, d]]).p_value, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(0, 12)] * 4).filter(lambda t: t[0] + t[1] > 0 and t[2] + t[3] > 0))
def test_boschloo_is_never_larger_than_fisher_and_barnard_is_a_probability(counts):
    table = table_of(counts)
    assert stats.boschloo(table).p_value <= stats.fisher_exact(table).p_value * (1 + 1e-9)
    assert 0 < stats.barnard(table).p_value <= 1


strata = st.lists(two_by_two, min_size=1, max_size=5)


@UNHURRIED
@given(strata, st.integers(0, 9), st.integers(0, 9))
def test_a_stratum_with_one_group_changes_no_test(tables, a, b):
    """Nobody in the second group: the stratum says nothing."""
    nested = [table_of(t) for t in tables]
    try:
        before = stats.cochran_mantel_haenszel(nested)
    except StatsError:
        return
    after = stats.cochran_mantel_haenszel([*nested, [[a, b], [0, 0]]])
    assert after.statistic == close(before.statistic, rel=1e-9, abs=1e-12)
    if before.estimate is not None:
        assert after.estimate == close(before.estimate, rel=1e-9)


@UNHURRIED
@given(strata)
def test_swapping_groups_in_all_strata_inverts_the_common_odds_ratio(tables):
    nested = [table_of(t) for t in tables]
    try:
        one = stats.cochran_mantel_haenszel(nested)
    except StatsError:
        return
    other = stats.cochran_mantel_haenszel([[row2, row1] for row1, row2 in nested])
    assert one.statistic == close(other.statistic, rel=1e-9, abs=1e-9)
    if one.std_error is not None:
        assert one.estimate * other.estimate == close(1, rel=1e-9)
        assert one.conf_low * other.conf_high == close(1, rel=1e-9)


@UNHURRIED
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_limits_hold_their_estimate_and_mirror(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    for method in ("newcombe", "newcombe-continuity", "miettinen-nurminen"):
        one = stats.proportion_difference(a, n, b, m, method=method)
        other = stats.proportion_difference(b, m, a, n, method=method)
        events = stats.proportion_difference(n - a, n, m - b, m, method=method)
        assert -1 <= one.conf_low <= one.estimate + 1e-12
        assert one.estimate - 1e-12 <= one.conf_high <= 1
        for mirrored in (other, events):
            assert (one.conf_low, one.conf_high) == close(
                (-mirrored.conf_high, -mirrored.conf_low), rel=1e-7, abs=1e-9
            )
    for method in ("clopper-pearson", "wilson", "wilson-continuity", "jeffreys"):
        p = stats.proportion(a, n, method=method)
        q = stats.proportion(n - a, n, method=method)
        assert 0 <= p.conf_low <= a / n <= p.conf_high <= 1
        assert p.conf_low == close(1 - q.conf_high, rel=1e-7, abs=1e-9)


@UNHURRIED
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_score_test_and_the_score_limits_agree(n, m, data):
    """Zero is outside the limits exactly where p is below 5%."""
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    result = stats.miettinen_nurminen(a, n, b, m)
    assume(abs(result.p_value - 0.05) > 1e-6)
    assert (result.p_value < 0.05) == (not result.conf_low <= 0 <= result.conf_high)
    if a + b:
        ratio = stats.risk_ratio(a, n, b, m)
        assert (not ratio.conf_low <= 1 <= ratio.conf_high) == (result.p_value < 0.05)
        if a and b:
            swapped = stats.risk_ratio(b, m, a, n)
            assert ratio.conf_low * swapped.conf_high == close(1, rel=1e-7)


@UNHURRIED
@given(samples, samples, st.randoms(), st.floats(0.1, 10).map(lambda v: round(v, 2)))
def test_order_and_unit_do_not_matter_to_ranks(x, y, random, unit):
    one = stats.wilcoxon(x, y)
    shuffled = random.sample(x, len(x))
    again = stats.wilcoxon(shuffled, y)
    assert (again.statistic, again.p_value) == close((one.statistic, one.p_value), nan_ok=True)
    assert (again.estimate, again.conf_low, again.conf_high) == (one.estimate, one.conf_low, one.conf_high)
    doubled = stats.wilcoxon([2 * v for v in x], [2 * v for v in y])  # exact in binary: ties stay ties
    assert doubled.estimate == 2 * one.estimate
    assert (doubled.statistic, doubled.p_value) == close((one.statistic, one.p_value), nan_ok=True)
    swapped = stats.wilcoxon(y, x)
    assert swapped.p_value == close(one.p_value, rel=1e-9, nan_ok=True)
    assert swapped.estimate == -one.estimate
    assert (swapped.conf_low, swapped.conf_high) == (-one.conf_high, -one.conf_low)


tied = st.lists(st.integers(0, 9), min_size=5, max_size=30)


@UNHURRIED
@given(tied, tied)
def test_limits_turn_the_normal_test_with_ties(x, y):
    """Just inside each limit p is above 5%; just outside it is not, but for the last difference."""
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    result = stats.wilcoxon(x, y, exact=False)
    ends = (min(x) - max(y), max(x) - min(y))
    for limit, inward in ((result.conf_low, 0.25), (result.conf_high, -0.25)):
        assert stats.wilcoxon(x, y, exact=False, shift=limit + inward).p_value > 0.05
        if limit not in ends:
            assert stats.wilcoxon(x, y, exact=False, shift=limit - inward).p_value <= 0.05


@UNHURRIED
@given(st.lists(st.integers(-4, 9).filter(bool), min_size=5, max_size=30))
@example([1, 1, -1, 5, 3, 5, -2])  # with the ties of sizes instead, the lower limit would be -1, not -1.5
def test_limits_turn_the_signed_rank_test_with_ties(x):
    """Values tied in size but not in sign are no longer tied once the center has moved."""
    assume(len(set(x)) > 1)
    result = stats.signed_rank(x, exact=False)
    for limit, inward in ((result.conf_low, 0.125), (result.conf_high, -0.125)):
        assert stats.signed_rank(x, exact=False, center=limit + inward).p_value > 0.05
        if limit not in (min(x), max(x)):
            assert stats.signed_rank(x, exact=False, center=limit - inward).p_value <= 0.05


@UNHURRIED
@given(samples, samples)
def test_t_tests_swap_and_shift(x, y):
    try:
        one = stats.t_test(x, y)
    except StatsError:
        return
    assume(one.std_error > 1e-6)
    other = stats.t_test(y, x)
    assert (other.statistic, other.p_value) == close((-one.statistic, one.p_value), rel=1e-9)
    moved = stats.t_test([v + 100 for v in x], [v + 100 for v in y])
    assert moved.p_value == close(one.p_value, rel=1e-6, abs=1e-12)
    inside = one.conf_low <= 0 <= one.conf_high
    assert inside == (one.p_value >= 0.05) or one.p_value == close(0.05)


@UNHURRIED
@given(samples, samples)
def test_two_groups_one_question(x, y):
    """F is the square of Student's t; Kruskal-Wallis is the square of the uncorrected rank-sum z."""
    assume(np.std(x) > 1e-3 and np.std(y) > 1e-3)
    group = ["x"] * len(x) + ["y"] * len(y)
    f = stats.one_way_anova([*x, *y], group)
    t = stats.t_test(x, y, equal_variances=True)
    assert f.statistic == close(t.statistic**2, rel=1e-6, abs=1e-9)
    assert f.p_value == close(t.p_value, rel=1e-6, abs=1e-9)
    h = stats.kruskal_wallis([*x, *y], group)
    w = stats.wilcoxon(x, y, exact=False, correct=False)
    assert h.p_value == close(w.p_value, rel=1e-7, abs=1e-12)


@UNHURRIED
@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_geometric_mean_follows_its_unit(x, unit):
    one, other = stats.geometric_mean(x), stats.geometric_mean([v * unit for v in x])
    assert other.estimate == close(one.estimate * unit, rel=1e-9)
    assert other.conf_high == close(one.conf_high * unit, rel=1e-6)


@st.composite
def trials(draw):
    n = draw(st.integers(8, 30))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    arm = rng.choice(["AZA", "MMF"], n)
    site = rng.choice(["n", "s", "w"], n)
    base = rng.normal(5, 2, n).round(3)
    y = (rng.normal(0, 1, n) + (arm == "MMF") + base / 3).round(3)
    assume(len(set(arm)) == 2 and len(set(site)) == 3)
    return {"y": y, "arm": arm, "site": site, "base": base}


@UNHURRIED
@given(trials(), st.randoms())
def test_linear_models_know_neither_order_nor_unit_nor_reference(data, random):
    model = stats.linear_model("y ~ arm + site + base", data)
    assume(not model.aliased)
    places = list(range(len(data["y"])))
    random.shuffle(places)
    shuffled = stats.linear_model("y ~ arm + site + base", {k: v[places] for k, v in data.items()})
    assert shuffled.coefficients == close(model.coefficients, rel=1e-6, abs=1e-8)
    scaled = stats.linear_model("y ~ arm + site + base", data | {"base": data["base"] * 1000 + 7})
    other = stats.linear_model('y ~ C(arm, ref="MMF") + C(site, ref="w") + base', data)
    means = model.ls_means("arm")
    assert scaled.ls_means("arm").estimate == close(means.estimate, rel=1e-6, abs=1e-6)
    assert other.ls_means("arm").estimate[::-1] == close(means.estimate, rel=1e-6, abs=1e-8)
    assert other.ls_means("arm").std_error[::-1] == close(means.std_error, rel=1e-6, abs=1e-8)
    assert other.tests().statistic == close(model.tests().statistic, rel=1e-5, abs=1e-8)


@UNHURRIED
@given(trials())
def test_coding_does_not_change_the_fit(data):
    """With or without an intercept, with `*` or written out, the residuals are the same."""
    formulas = ("y ~ arm * site", "y ~ arm:site", "y ~ arm:site - 1", "y ~ site + arm:site", "y ~ arm / site")
    fits = [stats.linear_model(f, data) for f in formulas]
    for fit in fits[1:]:
        assert fit.residuals == close(fits[0].residuals, rel=1e-6, abs=1e-7)
        assert fit.df_residual == fits[0].df_residual


@UNHURRIED
@given(probabilities)
def test_adjustments_are_ordered(p):
    """Hommel <= Hochberg <= Holm <= Bonferroni, none below the raw p, order kept."""
    raw = np.array(p)
    hommel, hochberg, holm, bonferroni = (
        stats.adjust_p_values(p, m) for m in ("hommel", "hochberg", "holm", "bonferroni")
    )
    slack = 1e-12
    assert (hommel >= raw - slack).all()
    assert (hommel <= hochberg + slack).all()
    assert (hochberg <= holm + slack).all()
    assert (holm <= bonferroni + slack).all()
    order = np.argsort(raw, kind="stable")
    for adjusted in (hommel, hochberg, holm, bonferroni):
        assert (np.diff(adjusted[order]) >= -slack).all()


@UNHURRIED
@given(probabilities.filter(lambda p: len(p) > 1))
def test_graphs_of_known_procedures(p):
    k = len(p)
    full = [[0.0 if i == j else 1 / (k - 1) for j in range(k)] for i in range(k)]
    assert stats.graphical(p, [1 / k] * k, full).adjusted == close(
        stats.holm(p).adjusted, rel=1e-9, abs=1e-12
    )
    chain = [[1.0 if j == i + 1 else 0.0 for j in range(k)] for i in range(k)]
    sequence = stats.graphical(p, [1.0] + [0.0] * (k - 1), chain)
    assert sequence.adjusted == close(stats.fixed_sequence(p).adjusted, rel=1e-12)
