"""What results of the small methods look like, and how their functions refuse what they cannot use."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from flarefree import stats
from flarefree.errors import SingularDesignError, StatsError

FAILURES = [[19, 97], [36, 75]]
TRIAL = {
    "change": [-3.0, -5.0, -1.0, -6.0, -2.0, -4.0, 1.0, 0.5],
    "arm": ["AZA", "MMF", "AZA", "MMF", "MMF", "AZA", "AZA", "MMF"],
    "site": ["n", "n", "s", "s", "n", "n", "s", "s"],
    "base": [4.0, 6.0, 3.0, 8.0, 5.0, 7.0, 2.0, np.nan],
}


# -- the face --------------------------------------------------------------------------------------------


def test_every_public_name_is_there():
    for name in stats.__all__:
        assert getattr(stats, name) is not None, name
    assert list(stats.__all__) == sorted(stats.__all__, key=lambda n: (n.islower(), n))
    assert set(dir(stats)) >= set(stats.__all__)


def test_the_fixed_names_are_public():
    """Others build on these names."""
    fixed = {
        "cochran_mantel_haenszel",
        "cox",
        "cumulative_incidence",
        "fine_gray",
        "fisher_exact",
        "gee",
        "gray",
        "incidence_rate",
        "kaplan_meier",
        "logistic_mixed",
        "logrank",
        "mmrm",
        "rmst",
    }
    assert fixed <= set(stats.__all__)


def test_importing_stats_imports_nothing_heavy():
    code = (
        "import sys, flarefree.stats;"
        "print([m for m in ('scipy', 'polars', 'numba', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_fisher_needs_no_scipy():
    code = (
        "import sys; from flarefree import stats; stats.fisher_exact([[1, 2], [3, 4]]);"
        "print('scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- how results look ------------------------------------------------------------------------------------


def test_a_test_result_is_tidy():
    tidy = stats.fisher_exact(FAILURES).tidy()
    assert tidy.columns == ["term", "estimate", "p_value", "conf_low", "conf_high"]
    assert tidy["term"].to_list() == ["odds ratio"]
    assert tidy.height == 1
    glance = stats.fisher_exact(FAILURES).glance()
    assert glance["method"].to_list() == ["Fisher's exact test"]
    assert glance["n"].to_list() == [227]
    assert glance["level"].to_list() == [0.95]
    t = stats.t_test([1.0, 2.0, 4.0], [2.0, 5.0, 7.0]).tidy()
    assert t.columns == [
        "term",
        "estimate",
        "std_error",
        "statistic",
        "df",
        "p_value",
        "conf_low",
        "conf_high",
    ]


def test_infinite_limits_stay_infinite_and_absent_figures_are_null():
    tidy = stats.fisher_exact([[5, 0], [3, 4]]).tidy()
    assert tidy["conf_high"].to_list() == [float("inf")]
    rows = stats.cochran_mantel_haenszel([FAILURES, [[3, 1], [2, 2]]]).tidy()
    assert rows["term"].to_list() == ["common odds ratio", "risk ratio", "risk difference", "homogeneity"]
    assert rows["conf_low"].to_list()[3] is None


REPR = """\
Fisher's exact test
  odds ratio  0.40971 (95% limits 0.20444 to 0.80055)
  p = 0.0054 (two-sided)
  n = 227
  two-sided p sums the probabilities of all tables no more probable than the observed one
  odds ratio: conditional maximum likelihood; limits: exact, tails of equal size"""


def test_a_result_reads_as_a_statistician_would_say_it():
    assert repr(stats.fisher_exact(FAILURES)) == REPR


def test_conventions_and_warnings_are_part_of_the_text():
    text = repr(stats.chi_square([[1, 8], [5, 3]]))
    assert "continuity correction 0.5" in text
    assert "warning: 2 of 4 expected counts are below 5" in text
    text = repr(stats.wilcoxon([1.0, 2.0, 2.0, np.nan], [2.0, 3.0, 5.0]))
    assert "normal approximation with continuity correction; variance for ties" in text
    assert "warning: 1 missing left out" in text


def test_results_cannot_be_changed():
    result = stats.fisher_exact(FAILURES)
    with pytest.raises(AttributeError):
        result.p_value = 0.01
    with pytest.raises(TypeError):
        result.details["sample_odds_ratio"] = 1.0


def test_a_linear_model_reads_well():
    model = stats.linear_model("change ~ arm + base", TRIAL)
    text = repr(model)
    assert text.startswith("Linear model: change ~ arm + base\n")
    assert "reference level of arm: AZA" in text
    assert "warning: 1 of 8 rows left out for missing values (base 1)" in text
    assert model.glance()["n_dropped"].to_list() == [1]
    assert model.tidy()["term"].to_list() == ["(Intercept)", "armMMF", "base"]
    assert "at base = 5" in repr(model.ls_means("arm"))
    assert model.ls_means("arm").tidy().columns[-1] == "arm"
    assert "Type III tests" in repr(model.tests())
    assert model.tests().tidy().columns == [
        "term",
        "statistic",
        "df",
        "p_value",
        "df_denominator",
        "sum_of_squares",
    ]


def test_a_graph_reads_well():
    result = stats.graphical([0.01, 0.2], [0.5, 0.5], [[0, 1], [1, 0]], names=["flare", "ESRD"])
    assert result.tidy()["is_rejected"].to_list() == [True, False]
    assert result.glance()["rejected"].to_list() == [1.0]
    assert "flare  0.0100      0.0200" in repr(result)


# -- linear models ---------------------------------------------------------------------------------------


def test_a_column_that_says_nothing_new_has_no_coefficient():
    data = TRIAL | {"twice": [2 * b for b in TRIAL["base"]]}
    model = stats.linear_model("change ~ arm + base + twice", data)
    plain = stats.linear_model("change ~ arm + base", TRIAL)
    assert model.aliased == ("twice",)
    assert np.isnan(model.coefficients[3])
    assert model.df_residual == plain.df_residual
    assert model.residuals == pytest.approx(plain.residuals)
    assert "determined by earlier columns, without coefficient: twice" in repr(model)
    # what the data do identify stays estimable: the difference of the arms, not a mean at another `twice`
    assert model.differences("arm").estimate == pytest.approx(plain.differences("arm").estimate)
    assert model.ls_means("arm").estimate == pytest.approx(plain.ls_means("arm").estimate)
    apart = model.ls_means("arm", at={"twice": 100.0})
    assert np.isnan(apart.estimate).all()
    assert apart.warnings


def test_a_mean_over_an_empty_cell_is_not_estimable():
    data = {
        "y": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
        "arm": ["a", "a", "b", "b", "a", "a"],
        "site": ["n", "s", "n", "n", "s", "n"],
    }
    model = stats.linear_model("y ~ arm * site", data)
    assert model.aliased == ("armb:sites",)
    means = model.ls_means(("arm", "site"))
    assert np.isnan(means.estimate).tolist() == [False, False, False, True]
    assert np.isnan(model.ls_means("arm").estimate).tolist() == [False, True]
    assert model.tests(3).warnings


def test_dose_as_a_number_is_a_slope():
    dose = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    model = stats.linear_model("y ~ dose", {"y": [0.1, -0.1, 1.2, 0.8, 2.0, 2.1], "dose": dose})
    assert model.coefficients[1] == pytest.approx(1.025)
    assert model.tests()["dose"]["df"] == 1
    factor = stats.linear_model("y ~ C(dose)", {"y": [0.1, -0.1, 1.2, 0.8, 2.0, 2.1], "dose": dose})
    assert factor.ls_means("dose").labels["dose"] == ("0", "1", "2")


def test_differences_within_levels_of_another_factor():
    data = TRIAL | {"base": [4.0, 6.0, 3.0, 8.0, 5.0, 7.0, 2.0, 1.0]}
    model = stats.linear_model("change ~ arm * site", data)
    within = model.differences("arm", within="site")
    assert within.labels["term"] == ("MMF - AZA, n", "MMF - AZA, s")
    assert within.labels["site"] == ("n", "s")
    means = dict(
        zip(
            model.ls_means(("arm", "site")).labels["term"],
            model.ls_means(("arm", "site")).estimate,
            strict=True,
        )
    )
    assert within.estimate == pytest.approx(
        [means["MMF, n"] - means["AZA, n"], means["MMF, s"] - means["AZA, s"]]
    )


def test_predictions_are_fitted_means():
    model = stats.linear_model("change ~ arm + base", TRIAL)
    fitted = model.predict(pl.DataFrame({"arm": ["MMF"], "base": [6.0]}))
    assert fitted == pytest.approx(model.coefficients @ [1, 1, 6])


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("arm ~ base", "needs a numeric response"),
        ("~ base", "needs a numeric response"),
        ("Surv(base) ~ arm", "needs a numeric response"),
        ("change ~ arm + (1 | site)", r"\(1 \| site\) has no meaning in a linear model"),
        ("change ~ strata(site)", "has no meaning in a linear model"),
    ],
)
def test_formulas_that_are_no_linear_model(formula, what):
    with pytest.raises(StatsError, match=what):
        stats.linear_model(formula, TRIAL)


def test_as_many_coefficients_as_patients():
    with pytest.raises(SingularDesignError, match="no row is left to estimate the spread"):
        stats.linear_model("y ~ x", {"y": [1.0, 2.0], "x": [0.0, 1.0]})


def test_weights_of_zero_count_as_no_row():
    kept = {name: values[:6] for name, values in TRIAL.items()}
    zero = stats.linear_model("change ~ arm", TRIAL, weights=[1] * 6 + [0, 0])
    plain = stats.linear_model("change ~ arm", kept)
    assert zero.tidy().equals(plain.tidy()) or zero.coefficients == pytest.approx(plain.coefficients)
    assert zero.df_residual == plain.df_residual
    assert zero.glance()["log_lik"][0] == pytest.approx(plain.glance()["log_lik"][0])
    with pytest.raises(StatsError, match="weights are positive"):
        stats.linear_model("change ~ arm", TRIAL, weights=[-1.0] * 8)


# -- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: stats.fisher_exact([[1, 2]]), "two at least of each"),
        (lambda: stats.fisher_exact([[1, -2], [3, 4]]), "counts must be whole numbers"),
        (lambda: stats.fisher_exact([[1.5, 2], [3, 4]]), "counts must be whole numbers"),
        (lambda: stats.fisher_exact([["a", 2], [3, 4]]), "counts must be numbers"),
        (lambda: stats.fisher_exact([[0, 0], [0, 0]]), "the table is empty"),
        (lambda: stats.fisher_exact([[1, 2], [3, 4]], odds_ratio=0), "an odds ratio is positive"),
        (lambda: stats.fisher_exact([[1, 2], [3, 4]], alternative="up"), "unknown alternative"),
        (lambda: stats.fisher_exact([[1, 2], [3, 4]], level=95), "lies between 0 and 1"),
        (lambda: stats.fisher_exact(np.ones((2, 3)), alternative="less"), "has no direction"),
        (lambda: stats.fisher_exact(np.full((6, 6), 40)), "too large to enumerate"),
        (lambda: stats.fisher_exact(np.ones((3, 3)), simulate=0), "counted from 1"),
        (lambda: stats.fisher_exact_many([5], [4], [1], [4]), "more events than patients"),
        (lambda: stats.chi_square([[0, 0], [3, 4]]), "a row or a column of the table is empty"),
        (lambda: stats.chi_square(np.ones((2, 3)), correct=True), "for 2 x 2 tables"),
        (lambda: stats.barnard([[0, 0], [3, 4]]), "a group is empty"),
        (lambda: stats.boschloo([[1, 2, 3], [3, 4, 5]]), "for 2 x 2 tables"),
        (lambda: stats.barnard([[10_000, 1], [1, 10_000]]), "too large for an unconditional test"),
        (lambda: stats.cochran_mantel_haenszel([[[1, 0], [0, 0]]]), "fewer than two patients"),
        (lambda: stats.cochran_mantel_haenszel([[[3, 4], [0, 0]]]), "no stratum says anything"),
        (
            lambda: stats.cochran_mantel_haenszel([[[1, 2], [3, 4]], [[1, 2, 3], [3, 4, 5]]]),
            "differ in shape",
        ),
        (lambda: stats.cochran_mantel_haenszel(np.ones((2, 3, 3)), exact=True), "for 2 x 2 strata"),
        (lambda: stats.breslow_day(np.ones((2, 3, 3))), "in 2 x 2 strata"),
        (lambda: stats.clopper_pearson(5, 4), "a part of the patients"),
        (lambda: stats.clopper_pearson(0, 0), "a part of the patients"),
        (lambda: stats.proportion(1, 4, method="exactly"), "unknown method"),
        (lambda: stats.proportion_difference(1, 4, 2, 4, method="exactly"), "unknown method"),
        (lambda: stats.risk_ratio(0, 4, 0, 4), "does not exist"),
        (lambda: stats.risk_ratio(1, 4, 2, 4, method="exactly"), "unknown method"),
        (lambda: stats.binomial_test(1, 4, probability=1), "lies between 0 and 1"),
        (lambda: stats.t_test([1.0], [2.0, 3.0]), "too few values"),
        (lambda: stats.t_test([2.0, 2.0, 2.0], [2.0, 2.0]), "all values are equal"),
        (lambda: stats.t_test(["a", "b"], [2.0, 2.0]), "numbers are needed"),
        (lambda: stats.t_test([1.0, np.inf], [2.0, 2.0]), "must be finite"),
        (lambda: stats.paired_t_test([1.0, 2.0], [1.0]), "pairs differ in length"),
        (lambda: stats.one_way_anova([1.0, 2.0], ["a", "a"]), "a comparison needs two groups"),
        (lambda: stats.one_way_anova([1.0, 2.0], ["a", "b"]), "no spread within the groups"),
        (
            lambda: stats.one_way_anova([1.0, 2.0, 3.0], ["a", "b", "b"], equal_variances=False),
            "spread in every group",
        ),
        (lambda: stats.one_way_anova([1.0, 2.0], ["a"]), "differ in length"),
        (lambda: stats.kruskal_wallis([1.0, 1.0], ["a", "b"]), "all values are equal"),
        (lambda: stats.signed_rank([0.0, 0.0]), "every value equals the center"),
        (lambda: stats.geometric_mean([1.0, 0.0]), "needs positive values"),
        (lambda: stats.geometric_mean_ratio([1.0, 2.0], [1.0, -1.0]), "needs positive values"),
        (lambda: stats.holm([0.1, 1.2]), "p-values lie between 0 and 1"),
        (lambda: stats.holm([0.1], alpha=0), "lies between 0 and 1"),
        (lambda: stats.holm([0.1], names=["a", "b"]), "differ in number"),
        (lambda: stats.adjust_p_values([0.1], "tukey"), "unknown adjustment"),
        (lambda: stats.graphical([0.1, 0.2], [0.7, 0.7], np.zeros((2, 2))), "sum to 1 at most"),
        (lambda: stats.graphical([0.1, 0.2], [0.5, 0.5], np.eye(2)), "none leads to itself"),
        (lambda: stats.graphical([0.1, 0.2], [0.5], np.zeros((2, 2))), "does not fit the hypotheses"),
    ],
)
def test_what_does_not_exist_is_said(call, what):
    with pytest.raises(StatsError, match=what):
        call()


def test_exact_ranks_end_at_fifty():
    """R's wilcox.test is exact below 50 values in each group."""
    x, y = np.arange(49) + 0.5, np.arange(60.0)
    assert "exact" in stats.wilcoxon(x, y[:49]).method
    assert "normal" in stats.wilcoxon(x, y[:50]).method
    assert "exact" in stats.signed_rank(x).method
    assert "normal" in stats.signed_rank(np.arange(50) + 0.5).method


def test_three_pairs_allow_no_95_percent_limits():
    """Of eight sign patterns two are as extreme as can be: 75% limits at most."""
    result = stats.signed_rank([1.0, 2.0, 4.0])
    assert (result.conf_low, result.conf_high) == (1.0, 4.0)
    assert result.warnings == ("so few values allow limits of 75% at most; these are they",)
    assert stats.signed_rank([1.0, 2.0, 4.0], level=0.7).warnings == ()
    assert "no limits of this level" in stats.wilcoxon([1.0, 1.0], [0.0, 1.0]).warnings[0]


# -- roads that only large data take ---------------------------------------------------------------------


def test_large_samples_find_the_same_order_statistics(monkeypatch):
    """Above five million differences they are counted, not listed; ties and both ends included."""
    from flarefree.stats import order_statistics

    rng = np.random.default_rng(7)
    x, y = rng.normal(size=300).round(2), rng.normal(size=200).round(2)
    listed = order_statistics.pairwise_differences(x, y), order_statistics.walsh_averages(x)
    monkeypatch.setattr(order_statistics, "_LISTED", 10)
    counted = order_statistics.pairwise_differences(x, y), order_statistics.walsh_averages(x)
    for one, other in zip(listed, counted, strict=True):
        assert type(one) is not type(other)
        assert one.size == other.size
        assert other.median() == pytest.approx(one.median(), abs=1e-15)
        for k in (1, 2, one.size // 3, one.size - 1, one.size):
            assert other.smallest(k) == pytest.approx(one.smallest(k), abs=1e-15)


def test_simulated_fisher_is_near_the_exact_one_and_replayable():
    """10 000 random tables: a Monte Carlo error of 0.005."""
    table = [[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]]
    first = stats.fisher_exact(table, simulate=10_000, seed=3).p_value
    assert first == stats.fisher_exact(table, simulate=10_000, seed=3).p_value
    assert first == pytest.approx(stats.fisher_exact(table).p_value, abs=0.02)


def test_exact_p_with_a_null_odds_ratio():
    """At the conditional estimate itself both one-sided ps exceed a half or nearly."""
    result = stats.fisher_exact(
        FAILURES, alternative="less", odds_ratio=stats.fisher_exact(FAILURES).conf_high
    )
    assert result.p_value == pytest.approx(0.025, rel=1e-9)
