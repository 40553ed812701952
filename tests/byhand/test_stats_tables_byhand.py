"""Tables and proportions against exact fractions: every table with the margins is written out."""

from fractions import Fraction
from itertools import product
from math import asin, comb, cos, factorial, isinf, log, pi, prod, sin, sqrt

import pytest

from flarefree import stats

EXACT = 1e-12


def hypergeometric(a, b, c, d):
    """Probability of each first cell, given the margins of [[a, b], [c, d]]."""
    row, other, column = a + b, c + d, a + c
    total = comb(row + other, column)
    low, high = max(0, column - other), min(row, column)
    return {x: Fraction(comb(row, x) * comb(other, column - x), total) for x in range(low, high + 1)}


SMALL = [table for table in product(range(4), repeat=4) if sum(table) > 0]


@pytest.mark.parametrize(
    "table", [(3, 1, 1, 3), (7, 2, 1, 9), (0, 5, 4, 3), (10, 0, 3, 8), (2, 3, 3, 2), (6, 1, 1, 6)]
)
def test_fisher_sums_tables_no_more_probable(table):
    a, b, c, d = table
    pmf = hypergeometric(*table)
    result = stats.fisher_exact([[a, b], [c, d]])
    assert result.p_value == pytest.approx(float(sum(p for p in pmf.values() if p <= pmf[a])), rel=EXACT)
    for side, keep in (("less", lambda x: x <= a), ("greater", lambda x: x >= a)):
        one_sided = stats.fisher_exact([[a, b], [c, d]], alternative=side)
        assert one_sided.p_value == pytest.approx(float(sum(p for x, p in pmf.items() if keep(x))), rel=EXACT)


def test_all_small_tables_in_one_call():
    """255 tables with cells from 0 to 3, ties between the tails included."""
    a, b, c, d = (list(column) for column in zip(*SMALL, strict=True))
    n1 = [x + y for x, y in zip(a, b, strict=True)]
    n2 = [x + y for x, y in zip(c, d, strict=True)]
    found = stats.fisher_exact_many(a, n1, c, n2)
    for p, table in zip(found, SMALL, strict=True):
        pmf = hypergeometric(*table)
        assert p == pytest.approx(float(sum(q for q in pmf.values() if q <= pmf[table[0]])), rel=EXACT)


def test_the_conditional_odds_ratio_solves_its_polynomial():
    """[[2, 1], [1, 2]]: weights 1, 9, 9, 1 over first cells 0 to 3; a mean of 2 is psi^3 = 9 psi + 2."""
    psi = stats.fisher_exact([[2, 1], [1, 2]]).estimate
    assert psi**3 == pytest.approx(9 * psi + 2, rel=EXACT)


def test_the_limits_leave_out_one_in_forty_at_each_end():
    result = stats.fisher_exact([[2, 1], [1, 2]])
    low, high = result.conf_low, result.conf_high
    total = [1 + 9 * t + 9 * t**2 + t**3 for t in (low, high)]
    assert (9 * low**2 + low**3) / total[0] == pytest.approx(1 / 40, rel=1e-10)
    assert (1 + 9 * high + 9 * high**2) / total[1] == pytest.approx(1 / 40, rel=1e-10)


def test_an_empty_corner_has_an_open_limit():
    result = stats.fisher_exact([[0, 5], [3, 4]])
    assert (result.estimate, result.conf_low) == (0.0, 0.0)
    assert 0 < result.conf_high < 10
    other = stats.fisher_exact([[3, 4], [0, 5]])
    assert isinf(other.estimate)
    assert isinf(other.conf_high)


# -- larger tables ---------------------------------------------------------------------------------------


def all_tables(rows, columns):
    """Every table of counts with these margins."""
    if len(columns) == 1:
        yield tuple((r,) for r in rows)
        return
    for first in product(*(range(r + 1) for r in rows)):
        if sum(first) == columns[0]:
            rest = [r - x for r, x in zip(rows, first, strict=True)]
            for table in all_tables(rest, columns[1:]):
                yield tuple((x, *others) for x, others in zip(first, table, strict=True))


def weight(table):
    return Fraction(1, prod(factorial(x) for row in table for x in row))


@pytest.mark.parametrize(
    "table",
    [
        [[1, 2, 0], [0, 1, 3]],
        [[2, 0, 1], [1, 1, 1], [0, 3, 0]],
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        [[3, 0], [0, 3], [2, 2]],
        [[4, 1, 0, 2], [0, 2, 3, 1]],
        [[2, 2, 0], [0, 2, 2], [2, 0, 2]],
        [[1, 0, 2, 1], [0, 2, 0, 1], [1, 1, 0, 0]],
        [[5, 0, 0], [0, 4, 1], [0, 0, 0]],
    ],
)
def test_larger_tables_by_writing_all_of_them_out(table):
    rows, columns = [sum(r) for r in table], [sum(c) for c in zip(*table, strict=True)]
    weights = [weight(t) for t in all_tables(rows, columns)]
    expected = sum(w for w in weights if w <= weight(table)) / sum(weights)
    assert stats.fisher_exact(table).p_value == pytest.approx(float(expected), rel=EXACT)


# -- unconditional tests ---------------------------------------------------------------------------------


def largest(extreme, n1, n2):
    """The largest probability of a set of tables over a fine grid of the common probability."""

    def probability(p):
        return sum(
            comb(n1, x) * comb(n2, y) * p ** (x + y) * (1 - p) ** (n1 + n2 - x - y) for x, y in extreme
        )

    return max(probability(i / 20_000) for i in range(20_001))


def test_barnard_by_hand():
    """2 of 2 against 0 of 2: only that table and its mirror are as extreme, 2 p^2 (1-p)^2, at most 1/8."""
    result = stats.barnard([[2, 0], [0, 2]])
    assert result.p_value == pytest.approx(1 / 8, rel=EXACT)
    assert result.details["nuisance"] == pytest.approx(0.5, abs=1e-6)
    assert stats.fisher_exact([[2, 0], [0, 2]]).p_value == pytest.approx(1 / 3, rel=EXACT)


@pytest.mark.parametrize("table", [(4, 1, 1, 5), (3, 4, 0, 6), (5, 0, 2, 3)])
def test_barnard_and_boschloo_by_their_definitions(table):
    a, b, c, d = table
    n1, n2 = a + b, c + d

    def z_squared(x, y):
        pooled = Fraction(x + y, n1 + n2)
        if pooled in (0, 1):
            return Fraction(0)
        return (Fraction(x, n1) - Fraction(y, n2)) ** 2 / (
            pooled * (1 - pooled) * (Fraction(1, n1) + Fraction(1, n2))
        )

    def fisher(x, y):
        pmf = hypergeometric(x, n1 - x, y, n2 - y)
        return sum(p for p in pmf.values() if p <= pmf[x])

    places = list(product(range(n1 + 1), range(n2 + 1)))
    by_z = [(x, y) for x, y in places if z_squared(x, y) >= z_squared(a, c)]
    by_p = [(x, y) for x, y in places if fisher(x, y) <= fisher(a, c)]
    nested = [[a, b], [c, d]]
    assert stats.barnard(nested).p_value == pytest.approx(largest(by_z, n1, n2), rel=1e-7)
    assert stats.boschloo(nested).p_value == pytest.approx(largest(by_p, n1, n2), rel=1e-7)
    assert stats.boschloo(nested).p_value <= stats.fisher_exact(nested).p_value


# -- chi-square and strata -------------------------------------------------------------------------------


def test_chi_square_in_fractions():
    """[[8, 2], [3, 7]]: 20 * 50^2 / (10 * 10 * 11 * 9) = 500/99; corrected 20 * 40^2 / 9900 = 320/99."""
    table = [[8, 2], [3, 7]]
    assert stats.chi_square(table, correct=False).statistic == pytest.approx(500 / 99, rel=EXACT)
    assert stats.chi_square(table).statistic == pytest.approx(320 / 99, rel=EXACT)
    assert stats.chi_square(table).details["expected"].tolist() == [[5.5, 4.5], [5.5, 4.5]]


SEVEN = [[[2, 1], [1, 3]], [[1, 1], [0, 2]], [[3, 0], [1, 2]]]


def test_mantel_haenszel_in_fractions():
    """Three strata of 7, 4 and 6 patients."""
    delta = variance = R = S = Fraction(0)
    for (a, b), (c, d) in SEVEN:
        n = a + b + c + d
        delta += a - Fraction((a + b) * (a + c), n)
        variance += Fraction((a + b) * (c + d) * (a + c) * (b + d), n**2 * (n - 1))
        R += Fraction(a * d, n)
        S += Fraction(b * c, n)
    plain = stats.cochran_mantel_haenszel(SEVEN, correct=False)
    corrected = stats.cochran_mantel_haenszel(SEVEN)
    assert plain.statistic == pytest.approx(float(delta**2 / variance), rel=EXACT)
    assert corrected.statistic == pytest.approx(float((delta - Fraction(1, 2)) ** 2 / variance), rel=EXACT)
    assert plain.estimate == pytest.approx(float(R / S), rel=EXACT)


def test_robins_breslow_greenland_in_fractions():
    pr = ps_qr = qs = R = S = Fraction(0)
    for (a, b), (c, d) in SEVEN:
        n = a + b + c + d
        P, Q, r, s = Fraction(a + d, n), Fraction(b + c, n), Fraction(a * d, n), Fraction(b * c, n)
        pr, ps_qr, qs, R, S = pr + P * r, ps_qr + P * s + Q * r, qs + Q * s, R + r, S + s
    variance = pr / (2 * R**2) + ps_qr / (2 * R * S) + qs / (2 * S**2)
    result = stats.cochran_mantel_haenszel(SEVEN)
    assert result.std_error**2 == pytest.approx(float(variance), rel=EXACT)


def test_risk_difference_and_ratio_over_strata_in_fractions():
    """Mantel-Haenszel weights n1 n2 / n; Sato's and Greenland-Robins's variances."""
    above = weights = p_sum = q_sum = first = second = ratio_sum = Fraction(0)
    for (a, b), (c, d) in SEVEN:
        n1, n2 = a + b, c + d
        n = n1 + n2
        above += Fraction(a * n2 - c * n1, n)
        weights += Fraction(n1 * n2, n)
        p_sum += Fraction(n1**2 * c - n2**2 * a, n**2) + Fraction(n1 * n2 * (n2 - n1), 2 * n**2)
        q_sum += Fraction(a * d + c * b, 2 * n)
        first += Fraction(a * n2, n)
        second += Fraction(c * n1, n)
        ratio_sum += Fraction(n1 * n2 * (a + c) - a * c * n, n**2)
    others = stats.cochran_mantel_haenszel(SEVEN).others
    difference, ratio = others["risk difference"], others["risk ratio"]
    assert difference.estimate == pytest.approx(float(above / weights), rel=EXACT)
    variance = (above / weights * p_sum + q_sum) / weights**2
    assert difference.std_error**2 == pytest.approx(float(variance), rel=EXACT)
    assert ratio.estimate == pytest.approx(float(first / second), rel=EXACT)
    assert ratio.std_error**2 == pytest.approx(float(ratio_sum / (first * second)), rel=EXACT)


def test_exact_strata_by_writing_all_tables_out():
    sums = {0: Fraction(1)}
    for (a, b), (c, d) in SEVEN:
        one = hypergeometric(a, b, c, d)
        sums = {
            total: sum(sums[x] * one[total - x] for x in sums if total - x in one)
            for total in range(min(sums) + min(one), max(sums) + max(one) + 1)
        }
    seen = sums[6]
    expected = sum(p for p in sums.values() if p <= seen)
    assert stats.cochran_mantel_haenszel(SEVEN, exact=True).p_value == pytest.approx(
        float(expected), rel=EXACT
    )


def test_breslow_day_with_the_fitted_cells_checked():
    """Each fitted table has the common odds ratio; the statistic is rebuilt from these tables."""
    result = stats.breslow_day(SEVEN, tarone=False)
    ratio = stats.cochran_mantel_haenszel(SEVEN).estimate
    statistic = total = spread = 0.0
    for (a, b), (c, d) in SEVEN:
        low, high = max(0, a - d), min(a + b, a + c)
        x = bisect(
            lambda x, m=a + b, t=a + c, d=d, a=a: log(x * (d - a + x) / ((m - x) * (t - x))) - log(ratio),
            low,
            high,
        )
        cells = (x, a + b - x, a + c - x, d - a + x)
        assert cells[0] * cells[3] / (cells[1] * cells[2]) == pytest.approx(ratio, rel=1e-9)
        statistic += (a - x) ** 2 * sum(1 / cell for cell in cells)
        total += a - x
        spread += 1 / sum(1 / cell for cell in cells)
    assert result.statistic == pytest.approx(statistic, rel=1e-8)
    assert result.df == 2
    tarone = stats.breslow_day(SEVEN)
    assert tarone.statistic == pytest.approx(statistic - total**2 / spread, rel=1e-8)
    assert tarone.statistic < result.statistic


def bisect(f, low, high):
    low, high = low + 1e-12, high - 1e-12
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return low


def test_statistics_of_larger_strata_in_fractions():
    """One stratum: general association is (n - 1)/n Pearson; correlation is (n - 1) r^2."""
    table = [[4, 2, 1], [1, 3, 5]]
    n = 16
    pearson = stats.chi_square(table).statistic
    result = stats.cochran_mantel_haenszel([table])
    assert result.statistic == pytest.approx(pearson * (n - 1) / n, rel=EXACT)
    rows = [i for i, row in enumerate(table) for count in row for _ in range(count)]
    columns = [j for row in table for j, count in enumerate(row) for _ in range(count)]
    sxy = n * sum(i * j for i, j in zip(rows, columns, strict=True)) - sum(rows) * sum(columns)
    sxx, syy = (n * sum(i * i for i in v) - sum(v) ** 2 for v in (rows, columns))
    r_squared = Fraction(sxy**2, sxx * syy)
    assert result.others["correlation"].statistic == pytest.approx(float((n - 1) * r_squared), rel=EXACT)
    # with two rows, a score for each column makes the row means' test the correlation's
    assert result.others["row mean scores"].statistic == pytest.approx(
        result.others["correlation"].statistic, rel=EXACT
    )


# -- proportions -----------------------------------------------------------------------------------------


def test_clopper_pearson_tails():
    """At each limit the tail from the observed count has probability 1/40."""
    result = stats.clopper_pearson(3, 10)
    low, high = Fraction(result.conf_low), Fraction(result.conf_high)
    above = sum(comb(10, x) * low**x * (1 - low) ** (10 - x) for x in range(3, 11))
    below = sum(comb(10, x) * high**x * (1 - high) ** (10 - x) for x in range(4))
    assert float(above) == pytest.approx(1 / 40, rel=1e-10)
    assert float(below) == pytest.approx(1 / 40, rel=1e-10)
    none = stats.clopper_pearson(0, 7)
    assert (none.conf_low, none.conf_high) == (0.0, pytest.approx(1 - (1 / 40) ** (1 / 7), rel=EXACT))


def test_wilson_limits_solve_their_quadratic():
    result = stats.wilson(3, 10)
    z = 1.959963984540054
    for p in (result.conf_low, result.conf_high):
        assert (p - 0.3) ** 2 == pytest.approx(z**2 * p * (1 - p) / 10, rel=EXACT)


def test_jeffreys_limits_leave_out_one_in_forty_by_integration():
    """With p = sin^2 u, Beta(3.5, 7.5) has density sin^6 u cos^14 u du: Simpson's rule over u."""
    result = stats.jeffreys(3, 10)

    def integral(top, steps=2000):
        h = top / steps
        values = [sin(i * h) ** 6 * cos(i * h) ** 14 for i in range(steps + 1)]
        return h / 3 * (values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2]))

    total = integral(pi / 2)
    assert integral(asin(sqrt(result.conf_low))) / total == pytest.approx(1 / 40, rel=1e-9)
    assert integral(asin(sqrt(result.conf_high))) / total == pytest.approx(39 / 40, rel=1e-9)


def test_plain_limits_of_a_proportion():
    """3 of 10: Wald 0.3 +- z sqrt(0.021), corrected by 1/20; Agresti-Coull about (3 + z^2/2) / (10 + z^2)."""
    z = 1.959963984540054
    wald, corrected = (
        stats.proportion(3, 10, method="wald"),
        stats.proportion(3, 10, method="wald-continuity"),
    )
    assert wald.conf_high == pytest.approx(0.3 + z * sqrt(0.021), rel=EXACT)
    assert corrected.conf_high == pytest.approx(0.35 + z * sqrt(0.021), rel=EXACT)
    assert corrected.conf_low == 0.0
    n = 10 + z**2
    center = (3 + z**2 / 2) / n
    coull = stats.proportion(3, 10, method="agresti-coull")
    assert coull.conf_low == pytest.approx(center - z * sqrt(center * (1 - center) / n), rel=EXACT)
    assert coull.conf_high == pytest.approx(center + z * sqrt(center * (1 - center) / n), rel=EXACT)


@pytest.mark.parametrize("counts", [(7, 12, 3, 15), (0, 8, 2, 9), (5, 5, 1, 6)])
def test_miettinen_nurminen_limits_by_a_naive_search(counts):
    """At each limit, the likelihood is maximized by a plain search, and the score statistic is z."""
    a, n1, b, n2 = counts
    result = stats.miettinen_nurminen(*counts)
    for d, sign in ((result.conf_low, 1), (result.conf_high, -1)):
        if abs(d) == 1:
            continue

        def log_likelihood(q, d=d):
            p = q + d
            return sum(k * log(v) for k, v in ((a, p), (n1 - a, 1 - p), (b, q), (n2 - b, 1 - q)) if k)

        low, high = max(0.0, -d) + 1e-13, min(1.0, 1 - d) - 1e-13
        for _ in range(300):
            left, right = low + (high - low) / 3, high - (high - low) / 3
            low, high = (left, high) if log_likelihood(left) < log_likelihood(right) else (low, right)
        q, p = low, low + d
        n = n1 + n2
        variance = (p * (1 - p) / n1 + q * (1 - q) / n2) * n / (n - 1)
        assert (a / n1 - b / n2 - d) / variance**0.5 == pytest.approx(sign * 1.959963984540054, rel=1e-5)


def test_agresti_caffo_adds_one_of_each():
    """3 of 8 and 1 of 10 become 4 of 10 and 2 of 12."""
    result = stats.agresti_caffo(3, 8, 1, 10)
    center = Fraction(4, 10) - Fraction(2, 12)
    assert (result.conf_low + result.conf_high) / 2 == pytest.approx(float(center), rel=EXACT)
    variance = Fraction(4, 10) * Fraction(6, 10) / 10 + Fraction(2, 12) * Fraction(10, 12) / 12
    half = (result.conf_high - result.conf_low) / 2
    assert half == pytest.approx(1.959963984540054 * float(variance) ** 0.5, rel=EXACT)
    assert result.estimate == pytest.approx(3 / 8 - 1 / 10, rel=EXACT)


def test_score_limits_of_a_ratio_solve_their_equation():
    """7 of 12 against 3 of 15: the fitted q of ratio r is the root of A q^2 + B q + C = 0."""
    a, n1, b, n2 = 7, 12, 3, 15
    result = stats.risk_ratio(a, n1, b, n2)
    for r, sign in ((result.conf_low, 1), (result.conf_high, -1)):

        def slope(q, r=r):
            return a / q - r * (n1 - a) / (1 - r * q) + b / q - (n2 - b) / (1 - q)

        low, high = 1e-12, min(1.0, 1 / r) - 1e-12
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        q, p, n = low, r * low, n1 + n2
        variance = (p * (1 - p) / n1 + r**2 * q * (1 - q) / n2) * n / (n - 1)
        assert (a / n1 - r * b / n2) / variance**0.5 == pytest.approx(sign * 1.959963984540054, rel=1e-8)


def test_binomial_test_in_fractions():
    """3 of 8 at 1/4: the counts no more probable than 3 are 0 and 3 to 8."""
    pmf = [Fraction(comb(8, x) * 3 ** (8 - x), 4**8) for x in range(9)]
    expected = sum(p for p in pmf if p <= pmf[3])
    assert stats.binomial_test(3, 8, probability=0.25).p_value == pytest.approx(float(expected), rel=EXACT)
