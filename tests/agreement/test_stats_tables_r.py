"""Tables, ranks, means, linear models and multiplicity agree with R.

Expected values: tests/reference/tables/expected.csv, made by run.R there (R 4.2.2, emmeans 1.8.4.1,
car 3.1.1; versions.txt) from inputs made by make_inputs.py.  Closed forms agree to 1e-8 relative.
"""

import csv
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree import stats
from flarefree.errors import StatsError

HERE = Path(__file__).resolve().parent.parent / "reference" / "tables"
CLOSED = 1e-8


def expected():
    found = defaultdict(dict)
    with (HERE / "expected.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["case"]][row["quantity"]] = float(row["value"])
    return found


R = expected()


def parse_table(text):
    return [[int(v) for v in row.split(",")] for row in text.split(";")]


def parse_sample(text):
    return [float(v) for v in text.split(",")]


def lines(name):
    return (HERE / name).read_text().splitlines()[1:]


def same(ours, theirs, relative=CLOSED, absolute=1e-300):
    if isinstance(ours, list):
        ours = [math.nan if value is None else value for value in ours]
    assert ours == pytest.approx(theirs, rel=relative, abs=absolute, nan_ok=True)


TWO_BY_TWO = [parse_table(line) for line in lines("two_by_two.txt")]
LARGER = [parse_table(line) for line in lines("larger.txt")]
STRATA = [[parse_table(t) for t in line.split("|")] for line in lines("strata.txt")]
LARGER_STRATA = [[parse_table(t) for t in line.split("|")] for line in lines("larger_strata.txt")]
TWO_SAMPLES = [tuple(parse_sample(s) for s in line.split(" ")) for line in lines("two_samples.txt")]
PAIRS = [tuple(parse_sample(s) for s in line.split(" ")) for line in lines("pairs.txt")]
GROUPS = [[parse_sample(s) for s in line.split("|")] for line in lines("groups.txt")]


@pytest.mark.parametrize(("case", "table"), [*enumerate(TWO_BY_TWO)])
def test_fisher_of_two_by_two_tables(case, table):
    r = R[f"two_by_two/{case}"]
    result = stats.fisher_exact(table)
    same(result.p_value, r["p"])
    same(stats.fisher_exact(table, alternative="less").p_value, r["p_less"])
    same(stats.fisher_exact(table, alternative="greater").p_value, r["p_greater"])
    if "estimate" in r:
        for name in ("estimate", "conf_low", "conf_high"):
            same(getattr(result, name), r[name])
    else:
        assert result.estimate is None
        assert result.warnings


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_many_tables_at_once_give_what_one_gives(alternative):
    tables = np.array(TWO_BY_TWO)
    rows = tables.sum(axis=2)
    found = stats.fisher_exact_many(
        tables[:, 0, 0], rows[:, 0], tables[:, 1, 0], rows[:, 1], alternative=alternative
    )
    key = {"two-sided": "p", "less": "p_less", "greater": "p_greater"}[alternative]
    same(found, np.array([R[f"two_by_two/{i}"][key] for i in range(len(tables))]))


@pytest.mark.parametrize(("case", "table"), [*enumerate(TWO_BY_TWO)])
def test_chi_square_of_two_by_two_tables(case, table):
    r = R[f"two_by_two/{case}"]
    if "chisq" not in r:
        with pytest.raises(StatsError):
            stats.chi_square(table)
        return
    plain, yates = stats.chi_square(table, correct=False), stats.chi_square(table)
    # Where groups have equal shares the statistic is zero but for rounding.
    same(plain.statistic, r["chisq"], absolute=1e-12)
    same(plain.p_value, r["chisq_p"])
    same(yates.statistic, r["yates"], absolute=1e-12)
    same(yates.p_value, r["yates_p"])


@pytest.mark.parametrize(("case", "table"), [*enumerate(TWO_BY_TWO)])
def test_single_proportions(case, table):
    r = R[f"two_by_two/{case}"]
    for row, (events, others) in enumerate(table, 1):
        n = events + others
        exact, score = stats.clopper_pearson(events, n), stats.wilson(events, n)
        corrected = stats.wilson(events, n, continuity=True)
        same([exact.conf_low, exact.conf_high], [r[f"cp_low{row}"], r[f"cp_high{row}"]])
        same(
            [score.conf_low, score.conf_high], [r[f"wilson_low{row}"], r[f"wilson_high{row}"]], absolute=1e-15
        )
        if events not in (0, n) and abs(events - n / 2) >= 0.5:
            # prop.test corrects by less than a half where x is within a half of n / 2
            same(
                [corrected.conf_low, corrected.conf_high],
                [r[f"wilsoncc_low{row}"], r[f"wilsoncc_high{row}"]],
            )
        same(stats.binomial_test(events, n).p_value, r[f"binom_p{row}"])


@pytest.mark.parametrize(("case", "table"), [*enumerate(TWO_BY_TWO)])
def test_wald_limits_of_a_difference(case, table):
    (a, b), (c, d) = table
    result = stats.proportion_difference(a, a + b, c, c + d, method="wald")
    r = R[f"two_by_two/{case}"]
    same([result.conf_low, result.conf_high], [r["wald_low"], r["wald_high"]], absolute=1e-15)
    most = (1 / (a + b) + 1 / (c + d)) / 2
    if abs(result.estimate) >= most:  # below that prop.test corrects by less
        corrected = stats.proportion_difference(a, a + b, c, c + d, method="wald-continuity")
        same(corrected.conf_low, r["waldcc_low"], absolute=1e-15)


@pytest.mark.parametrize(("case", "table"), [*enumerate(TWO_BY_TWO)])
def test_sample_odds_ratio_is_that_of_a_logistic_regression(case, table):
    (a, b), (c, d) = table
    result, r = stats.odds_ratio(a, a + b, c, c + d), R[f"two_by_two/{case}"]
    if "or" not in r:
        assert (result.std_error, result.conf_low) == (None, None)
        return
    # glm's errors are those of the iteration before its last.
    ours = [result.estimate, result.std_error, result.conf_low, result.p_value]
    assert ours == pytest.approx([r["or"], r["or_se"], r["or_low"], r["or_p"]], rel=1e-6)


@pytest.mark.parametrize(("case", "table"), [*enumerate(LARGER)])
def test_larger_tables(case, table):
    r = R[f"larger/{case}"]
    # fisher.test's network merges paths whose probabilities agree to about 1e-7.
    same(stats.fisher_exact(table).p_value, r["p"], 1e-7)
    same(stats.fisher_exact(np.transpose(table)).p_value, r["p"], 1e-7)
    result = stats.chi_square(table)
    same([result.statistic, result.p_value], [r["chisq"], r["chisq_p"]])


@pytest.mark.parametrize(("case", "tables"), [*enumerate(STRATA)])
def test_cochran_mantel_haenszel(case, tables):
    r = R[f"strata/{case}"]
    for correct, suffix in ((True, "_corrected"), (False, "")):
        result = stats.cochran_mantel_haenszel(tables, correct=correct)
        ours = [result.statistic, result.p_value, result.estimate, result.conf_low, result.conf_high]
        same(ours, [r[name + suffix] for name in ("statistic", "p", "estimate", "conf_low", "conf_high")])
        one_sided = stats.cochran_mantel_haenszel(tables, correct=correct, alternative="greater")
        same(one_sided.p_value, r["p_greater" + suffix])
    exact = stats.cochran_mantel_haenszel(tables, exact=True)
    same(
        [exact.p_value, exact.estimate, exact.conf_low, exact.conf_high],
        [r["exact_p"], r["exact_estimate"], r["exact_conf_low"], r["exact_conf_high"]],
    )
    less = stats.cochran_mantel_haenszel(tables, exact=True, alternative="less")
    same(less.p_value, r["exact_p_less"])


@pytest.mark.parametrize(("case", "tables"), [*enumerate(LARGER_STRATA)])
def test_general_association_in_strata(case, tables):
    r = R[f"larger_strata/{case}"]
    result = stats.cochran_mantel_haenszel(tables)
    same([result.statistic, result.df, result.p_value], [r["statistic"], r["df"], r["p"]])


SIDES = {"two.sided": "two-sided", "less": "less", "greater": "greater"}


@pytest.mark.parametrize(("case", "samples"), [*enumerate(TWO_SAMPLES)])
def test_t_tests(case, samples):
    r = R[f"two_samples/{case}"]
    for kind, equal in (("student", True), ("welch", False)):
        for theirs, side in SIDES.items():
            t = stats.t_test(*samples, equal_variances=equal, alternative=side)
            ours = [t.statistic, t.df, t.p_value, t.conf_low, t.conf_high, t.std_error]
            same(ours, [r[f"{name}_{kind}_{theirs}"] for name in ("t", "df", "p", "low", "high", "se")])


@pytest.mark.parametrize(("case", "samples"), [*enumerate(TWO_SAMPLES)])
def test_wilcoxon(case, samples):
    """Limits are those at which R's root finder aims (its tolerance set to 1e-13)."""
    r = R[f"wilcoxon/{case}"]
    for kind, correct in (("correct", True), ("plain", False)):
        for theirs, side in SIDES.items():
            w = stats.wilcoxon(*samples, correct=correct, alternative=side)
            key = f"{kind}_{theirs}"
            same([w.statistic, w.p_value], [r[f"W_{key}"], r[f"p_{key}"]])
            same([w.conf_low, w.conf_high], [r[f"low_{key}"], r[f"high_{key}"]], absolute=1e-9)
            is_exact = "exact" in w.method
            # R's asymptotic estimate is a root of z, which may be anywhere between the middle differences.
            same(w.estimate, r[f"estimate_{key}"], CLOSED if is_exact else 0.05)


@pytest.mark.parametrize(("case", "samples"), [*enumerate(PAIRS)])
def test_pairs(case, samples):
    r = R[f"pairs/{case}"]
    t = stats.paired_t_test(*samples)
    same([t.statistic, t.p_value, t.conf_low, t.conf_high], [r["t"], r["p"], r["low"], r["high"]])
    for theirs, side in SIDES.items():
        v = stats.signed_rank(*samples, alternative=side)
        same([v.statistic, v.p_value], [r[f"V_{theirs}"], r[f"p_{theirs}"]])
        same([v.conf_low, v.conf_high], [r[f"low_{theirs}"], r[f"high_{theirs}"]], absolute=1e-9)


@pytest.mark.parametrize(("case", "samples"), [*enumerate(GROUPS)])
def test_groups(case, samples):
    r = R[f"groups/{case}"]
    values = np.concatenate(samples)
    group = np.repeat([f"g{i}" for i in range(len(samples))], [len(s) for s in samples])
    f, welch = stats.one_way_anova(values, group), stats.one_way_anova(values, group, equal_variances=False)
    kruskal = stats.kruskal_wallis(values, group)
    same([f.statistic, f.p_value, welch.statistic], [r["f"], r["p"], r["welch"]])
    same([welch.df_denominator, welch.p_value], [r["welch_df"], r["welch_p"]])
    same([kruskal.statistic, kruskal.p_value], [r["kruskal"], r["kruskal_p"]])


MODELS = {
    "ancova": ("y ~ arm + site + base", None),
    "interaction": ("y ~ arm * sex + base + site", None),
    "weighted": ("y ~ arm + site + base", "weight"),
    "dose": ("y ~ dose + site + base", None),
    "slopes": ("y ~ arm * base", None),
    "nested": ("y ~ arm:base + site", None),
    "none": ("y ~ arm + base - 1", None),
    "logs": ("y ~ arm + log(base)", None),
}
TRIAL = pl.read_csv(HERE / "trial.csv")


@pytest.mark.parametrize("name", MODELS)
def test_linear_models(name):
    formula, weights = MODELS[name]
    model, r = stats.linear_model(formula, TRIAL, weights=weights), R[f"linear/{name}"]
    terms = [key.removesuffix("|estimate") for key in r if key.endswith("|estimate") and key.count("|") == 1]
    assert sorted(terms) == sorted(model.design.columns)
    for row in model.tidy().iter_rows(named=True):
        for figure in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
            same(row[figure], r[f"{row['term']}|{figure}"])
    glance = model.glance().row(0, named=True)
    for figure in ("sigma", "r_squared", "adj_r_squared", "statistic", "log_lik", "aic", "bic"):
        same(glance[figure], r[figure])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("nested", "none")])
def test_tests_of_terms(name):
    formula, weights = MODELS[name]
    model, r = stats.linear_model(formula, TRIAL, weights=weights), R[f"linear/{name}"]
    three, two, one = model.tests(3), model.tests(2), model.tests(1)
    assert three.terms == tuple(key.removesuffix("|F3") for key in r if key.endswith("|F3"))
    for term in three.terms:
        same([three[term]["statistic"], three[term]["p_value"]], [r[f"{term}|F3"], r[f"{term}|p3"]])
        same([two[term]["statistic"], one[term]["statistic"]], [r[f"{term}|F2"], r[f"{term}|F1"]])


# Proportional to numbers of rows; emmeans counts a row by its weight, so "weighted" is not among these.
PROPORTIONAL = [("proportional", name) for name in ("ancova", "interaction", "slopes", "logs", "none")]
EQUAL = [("equal", name) for name in ("ancova", "interaction", "weighted", "slopes", "logs", "none")]


@pytest.mark.parametrize(("weights", "name"), EQUAL + PROPORTIONAL)
def test_least_squares_means(weights, name):
    formula, row_weights = MODELS[name]
    model, r = stats.linear_model(formula, TRIAL, weights=row_weights), R[f"linear/{name}"]
    for row in model.ls_means("arm", weights=weights).rows():
        for figure in ("estimate", "std_error", "conf_low", "conf_high"):
            same(row[figure], r[f"mean|{weights}|{row['term']}|{figure}"])
    for row in model.differences("arm", reference="AZA", weights=weights).rows():
        for figure in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            same(row[figure], r[f"difference|{weights}|{row['term']}|{figure}"])


def test_least_squares_means_at_a_value():
    model, r = stats.linear_model("y ~ arm * base", TRIAL), R["linear/slopes"]
    for row in model.ls_means("arm", at={"base": 2}).rows():
        same(row["estimate"], r[f"at2|{row['term']}"])


def test_adjusted_p_values():
    lists = [
        [0.01, 0.02, 0.03, 0.5, 0.02],
        [0.001, 0.001, 0.2],
        [0.04, 0.04, 0.04],
        [0.5],
        [0.011, 0.012, 0.013, 0.014, 0.9, 0.8, 0.049],
    ]
    for case, p in enumerate(lists):
        for method in ("bonferroni", "holm", "hochberg", "hommel"):
            theirs = [R[f"adjust/{case}"][f"{method}|{i}"] for i in range(len(p))]
            same(stats.adjust_p_values(p, method), np.array(theirs))


def test_every_expected_number_is_finite_or_a_limit():
    """The reference file itself: only estimates and limits may be infinite, only limits undefined."""
    for case, quantities in R.items():
        for name, value in quantities.items():
            if math.isnan(value):
                assert case == "strata/5" and name.startswith("conf_"), (case, name)
                continue
            assert math.isfinite(value) or any(w in name for w in ("low", "high", "estimate")), (case, name)
