"""Formulas: what they mean, how they fail, and the arrays they become."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flarefree.errors import FormulaError, StatsError
from flarefree.stats.formula import (
    design_matrix,
    least_squares_rows,
    model_frame,
    parse_formula,
)

PATIENTS = {
    "time": [5.0, 8.0, 3.0, 12.0, 7.0, 9.0],
    "event": [1, 0, 1, 0, 1, 1],
    "arm": ["MMF", "AZA", "MMF", "AZA", "TAC", "TAC"],
    "center": [3, 1, 1, 2, 2, 3],
    "age": [30.0, 41.0, 25.0, 38.0, 52.0, 29.0],
    "female": [True, True, False, True, True, False],
}


# -- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("y~a+b", "y ~ a + b"),
        ("Surv(time,event)~arm+strata(center)", "Surv(time, event) ~ arm + strata(center)"),
        ("y ~ a*b", "y ~ a + b + a:b"),
        ("y ~ (a + b + c)**2 - a:c", "y ~ a + b + c + a:b + b:c"),
        ("y ~ a/b", "y ~ a + a:b"),
        ("y ~ a - 1", "y ~ a + 0"),
        ("y ~ 0 + a", "y ~ a + 0"),
        ("y ~ a + 0 + 1", "y ~ a"),
        ("~ a + a + a:a", "~ a"),
        ("y ~ 1", "y ~ 1"),
        ("log(y + 1) ~ I(x^2) - I(x^2) + x", "log(y + 1) ~ x"),
        ('y ~ frailty(center, distribution="gamma")', 'y ~ frailty(center, distribution = "gamma")'),
        ("y ~ a + us(visit | arm / subject)", "y ~ a + us(visit | arm / subject)"),
        ("y ~ x + (1 + x | subject)", "y ~ x + (1 + x | subject)"),
        ("`serum creatinine` ~ `x y`", "`serum creatinine` ~ `x y`"),
        ("y ~ -x + z", "y ~ z"),
    ],
)
def test_a_formula_prints_as_it_was_understood(written, printed):
    formula = parse_formula(written)
    assert str(formula) == printed
    assert str(parse_formula(printed)) == printed


def test_variables_of_a_term_stand_as_they_first_appeared():
    assert str(parse_formula("y ~ b:a + a")) == "y ~ a + b:a"
    assert str(parse_formula("y ~ a + b:a")) == "y ~ a + a:b"


def test_a_formula_is_read_once_and_equal_wherever_its_words_stand():
    assert parse_formula("y ~ arm + age") is parse_formula("y ~ arm + age")
    assert parse_formula("y  ~  arm+age").terms == parse_formula("y ~ arm + age").terms


def test_specials_are_no_terms():
    formula = parse_formula(
        "Surv(start, stop, event) ~ arm + strata(center, sex) + offset(log(py)) + cluster(id)"
        " + frailty(site, distribution='lognormal', df=3)"
    )
    assert [term.label for term in formula.terms] == ["arm"]
    assert [str(v) for v in formula.find("strata")[0].variables] == ["center", "sex"]
    assert formula.find("frailty")[0].option("distribution", "gamma") == "lognormal"
    assert formula.find("frailty")[0].option("df") == 3
    assert formula.find("frailty")[0].option("theta", 1.0) == 1.0
    assert formula.columns == ("start", "stop", "event", "arm", "center", "sex", "py", "id", "site")


@pytest.mark.parametrize("structure", ["us", "cs", "csh", "ar1", "ar1h", "toep", "toeph", "adh"])
def test_covariance_structures(structure):
    special = parse_formula(f"y ~ x + {structure}(visit | arm / subject)").find("covariance")[0]
    assert (special.name, str(special.variables[0])) == (structure, "visit")
    assert (str(special.subject), str(special.group)) == ("subject", "arm")


@pytest.mark.parametrize(
    ("formula", "what", "column"),
    [
        ("", "the formula is empty", 0),
        ("y + x", "the formula has no ~", 5),
        ("y ~ x +", "ends too early", 7),
        ("y ~ (x + z", "not closed", 4),
        ("y ~ x $ z", "no meaning", 6),
        ("y ~ x z", "cannot stand here", 6),
        ("y ~ x^z", "whole number", 6),
        ("y ~ 3", "no term of a model", 4),
        ("y ~ x > 2", "no term of a model", 6),
        ("y ~ strata(c) * x", "part of an interaction", 14),
        ("y ~ us(visit)", "needs a visit and a subject", 4),
        ("y ~ frailty(a, b)", "takes one variable", 4),
        ("y ~ frailty(a, distribution = log(2))", "must be a number or a text", 30),
    ],
)
def test_an_error_points_at_its_place(formula, what, column):
    with pytest.raises(FormulaError, match=what) as error:
        parse_formula(formula)
    lines = error.value.found.split("\n")
    assert lines == [formula, " " * column + "^"]


# -- columns ---------------------------------------------------------------------------------------------


def frames():
    lists = PATIENTS
    arrays = {name: np.array(values) for name, values in PATIENTS.items()}
    return {
        "lists": lists,
        "arrays": arrays,
        "polars": pl.DataFrame(lists),
        "lazy": pl.LazyFrame(lists),
        "categorical": pl.DataFrame(lists).with_columns(pl.col("arm").cast(pl.Enum(["AZA", "MMF", "TAC"]))),
        "pandas": pd.DataFrame(lists),
        "pandas objects": pd.DataFrame(lists).astype({"arm": object}),
        "pandas category": pd.DataFrame(lists).astype({"arm": "category"}),
        "pandas nullable": pd.DataFrame(lists).convert_dtypes(),
        "arrow": pa.table(lists),
    }


@pytest.mark.parametrize("kind", frames())
def test_every_kind_of_frame_gives_the_same_design(kind):
    design = design_matrix("Surv(time, event) ~ arm * age + female + strata(center)", frames()[kind])
    assert design.columns == (
        "(Intercept)",
        "armMMF",
        "armTAC",
        "age",
        "femaleTRUE",
        "armMMF:age",
        "armTAC:age",
    )
    arm = np.array(PATIENTS["arm"])
    age = np.array(PATIENTS["age"])
    assert np.array_equal(design.matrix[:, 1], arm == "MMF")
    assert np.array_equal(design.matrix[:, 4], PATIENTS["female"])
    assert np.array_equal(design.matrix[:, 6], (arm == "TAC") * age)
    assert np.array_equal(design.response["time"], PATIENTS["time"])
    assert np.array_equal(design.response["event"], PATIENTS["event"])
    assert design.strata.labels == ("1", "2", "3")
    assert design.strata.codes.tolist() == [2, 0, 0, 1, 1, 2]
    assert design.factors == {"arm": ("AZA", "MMF", "TAC"), "female": ("FALSE", "TRUE")}
    assert (design.n, design.n_dropped, design.dropped) == (6, 0, {})


def test_the_matrix_is_c_ordered_doubles():
    design = design_matrix("~ arm + center", PATIENTS)
    assert design.matrix.dtype == np.float64
    assert design.matrix.flags.c_contiguous


def test_a_dropped_intercept_leaves_contrasts():
    """Cox models have no intercept, yet each factor has a reference."""
    design = design_matrix("Surv(time, event) ~ arm + female", PATIENTS, drop_intercept=True)
    assert design.columns == ("armMMF", "armTAC", "femaleTRUE")
    assert [(t.label, t.start, t.stop) for t in design.terms] == [("arm", 0, 2), ("female", 2, 3)]
    # - 1 changes nothing there
    again = design_matrix("Surv(time, event) ~ arm + female - 1", PATIENTS, drop_intercept=True)
    assert np.array_equal(design.matrix, again.matrix)
    assert np.array_equal(design.matrix_for(PATIENTS), design.matrix)


@pytest.mark.parametrize("reference", ["AZA", "MMF", "TAC"])
def test_a_reference_level_can_be_chosen(reference):
    design = design_matrix(f'time ~ C(arm, ref="{reference}")', PATIENTS)
    (levels,) = design.factors.values()
    assert levels == (reference, *(a for a in ("AZA", "MMF", "TAC") if a != reference))
    assert np.array_equal(design.matrix[:, 1], np.array(PATIENTS["arm"]) == levels[1])


def test_a_number_is_a_slope_and_c_makes_it_a_factor():
    assert design_matrix("time ~ center", PATIENTS).columns == ("(Intercept)", "center")
    design = design_matrix("time ~ C(center)", PATIENTS)
    assert design.columns == ("(Intercept)", "C(center)2", "C(center)3")
    tenths = design_matrix("~ C(x)", {"x": [0.1, 10.0, 2.5, 0.1]})
    assert tenths.factors == {"C(x)": ("0.1", "2.5", "10")}  # by size, not by spelling


def test_an_enums_own_order_is_kept_and_unused_levels_go():
    visits = pl.Enum(["baseline", "week 4", "week 12", "never"])
    frame = pl.DataFrame({"visit": pl.Series(["week 12", "week 4", "baseline"], dtype=visits)})
    assert design_matrix("~ visit", frame).factors == {"visit": ("baseline", "week 4", "week 12")}


def test_a_polars_categorical_keeps_the_order_of_appearance():
    other = pl.Series(["x", "late"], dtype=pl.Categorical)  # shares its categories with the frame's column
    frame = pl.DataFrame({"visit": pl.Series(["late", "early", None, "late"], dtype=pl.Categorical)})
    assert other.len() == 2
    assert design_matrix("~ visit", frame).factors == {"visit": ("late", "early")}


def test_a_level_that_only_left_out_rows_have_is_no_level():
    data = {"y": [1.0, 2.0, np.nan, 4.0], "arm": ["AZA", "MMF", "TAC", "AZA"]}
    design = design_matrix("y ~ arm", data)
    assert design.factors == {"arm": ("AZA", "MMF")}
    assert design.columns == ("(Intercept)", "armMMF")


def test_missing_values_are_counted_by_variable():
    frame = pl.DataFrame(
        {
            "y": [1.0, None, 3.0, 4.0, 5.0],
            "arm": ["AZA", "MMF", None, "MMF", "AZA"],
            "x": [1.0, float("nan"), 3.0, 4.0, 5.0],
            "id": [1, 2, 3, None, 5],
        }
    )
    design = design_matrix("y ~ arm + x", frame, cluster="id")
    assert design.rows.tolist() == [0, 4]
    assert design.dropped == {"y": 1, "arm": 1, "x": 1, "cluster": 1}
    assert design.dropped_note() == ("3 of 5 rows left out for missing values (y 1, arm 1, x 1, cluster 1)")
    assert model_frame("y ~ arm + x", frame)["arm"].levels == ("AZA", "MMF")


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, pd.NA])
def test_a_missing_text_is_missing_in_every_spelling(missing):
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "arm": ["AZA", missing, "MMF"]})
    assert design_matrix("y ~ arm", frame).rows.tolist() == [0, 2]


def test_transformations():
    x = np.array([0.5, 1.0, 4.0])
    data = {"x": x, "z": [1.0, 2.0, 3.0]}
    design = design_matrix("~ log(x) + I(x^2) + sqrt(x) + I(x / z) + I(x > 0.7) + center(x) + scale(x)", data)
    expected = [
        np.ones(3),
        np.log(x),
        x**2,
        np.sqrt(x),
        x / data["z"],
        x > 0.7,
        x - x.mean(),
        (x - x.mean()) / x.std(ddof=1),
    ]
    assert np.allclose(design.matrix, np.column_stack(expected), rtol=0, atol=1e-15)


def test_new_data_are_centered_as_the_fit():
    design = design_matrix("~ center(x) + scale(x)", {"x": [1.0, 2.0, 6.0]})
    new = design.matrix_for({"x": [3.0]})
    assert new == pytest.approx(np.array([[1.0, 0.0, 0.0]]))


def test_a_new_level_is_an_error():
    design = design_matrix("time ~ arm", PATIENTS)
    with pytest.raises(FormulaError, match="has a level that the fit has not seen"):
        design.matrix_for({"arm": ["AZA", "CYC"]})
    with pytest.raises(StatsError, match="arm is missing in the new data"):
        design.matrix_for({"arm": ["AZA", None]})


# -- responses and specials ------------------------------------------------------------------------------


def test_responses():
    data = {
        **PATIENTS,
        "start": np.zeros(6),
        "status": ["alive", "dead", "relapse", "dead", "alive", "alive"],
    }
    plain = design_matrix("Surv(time, event) ~ 1", data)
    assert (plain.response_kind, list(plain.response)) == ("surv", ["time", "event"])
    counting = design_matrix("Surv(start, time, event) ~ 1", data)
    assert (counting.response_kind, list(counting.response)) == ("counting", ["start", "stop", "event"])
    named = design_matrix("Surv(event = event, time = time) ~ 1", data)
    assert np.array_equal(named.response["time"], PATIENTS["time"])
    compared = design_matrix('Surv(time, status == "dead") ~ 1', data)
    assert compared.response["event"].tolist() == [0, 1, 0, 1, 0, 0]
    causes = design_matrix("Surv(time, status) ~ 1", data)
    assert causes.response_levels == ("alive", "dead", "relapse")
    assert causes.response["event"].tolist() == [0, 1, 2, 1, 0, 0]
    category = design_matrix("status ~ 1", data)
    assert (category.response_kind, category.response["y"].tolist()) == ("category", [0, 1, 2, 1, 0, 0])
    assert design_matrix("female ~ 1", data).response["y"].tolist() == [1, 1, 0, 1, 1, 0]
    counts = design_matrix("cbind(event, center) ~ 1", data)
    assert list(counts.response) == ["successes", "failures"]
    assert design_matrix("~ arm", data).response_kind == "none"
    assert design_matrix("log(time) ~ 1", data).response["y"] == pytest.approx(np.log(PATIENTS["time"]))


def test_specials_become_arrays():
    data = {
        **PATIENTS,
        "subject": ["p2", "p2", "p1", "p1", "p3", "p3"],
        "visit": [12, 0, 12, 0, 12, 0],
        "py": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
    }
    design = design_matrix("time ~ age + offset(log(py)) + us(visit | arm / subject)", data)
    assert design.offset == pytest.approx(np.log(data["py"]))
    assert (design.covariance.structure, design.covariance.visit.labels) == ("us", ("0", "12"))
    assert design.covariance.visit.codes.tolist() == [1, 0, 1, 0, 1, 0]
    assert design.covariance.subject.labels == ("p1", "p2", "p3")
    assert design.covariance.group.labels == ("AZA", "MMF", "TAC")
    mixed = design_matrix("event ~ age + (1 + visit | subject)", data)
    assert mixed.random[0].columns == ("(Intercept)", "visit")
    assert mixed.random[0].matrix.tolist() == [[1, v] for v in data["visit"]]
    frail = design_matrix("Surv(time, event) ~ frailty(center) + cluster(subject)", data)
    assert frail.frailty.labels == ("1", "2", "3")
    assert frail.cluster.codes.tolist() == [1, 1, 0, 0, 2, 2]
    assert frail.columns == ("(Intercept)",)


def test_strata_of_two_variables_are_their_combinations_that_occur():
    design = design_matrix("Surv(time, event) ~ strata(center, female)", PATIENTS)
    assert design.strata.labels == ("1, FALSE", "1, TRUE", "2, TRUE", "3, FALSE", "3, TRUE")
    assert design.strata.codes.tolist() == [4, 1, 0, 2, 2, 3]
    again = design_matrix("Surv(time, event) ~ strata(center) + strata(female)", PATIENTS)
    assert np.array_equal(design.strata.codes, again.strata.codes)
    other = design_matrix("Surv(time, event) ~ strata(female, center)", PATIENTS)
    assert other.strata.labels == ("FALSE, 1", "FALSE, 3", "TRUE, 1", "TRUE, 2", "TRUE, 3")
    assert other.strata.codes.tolist() == [4, 2, 0, 3, 3, 1]


def test_weights_clusters_and_extras_stay_in_step():
    data = {**PATIENTS, "age": [30.0, np.nan, 25.0, 38.0, 52.0, 29.0], "w": [1, 2, 3, 4, 5, 6]}
    design = design_matrix(
        "time ~ age", data, weights="w", cluster=["a", "a", "b", "b", "c", "c"], extra={"who": list("uvwxyz")}
    )
    assert design.weights.tolist() == [1, 3, 4, 5, 6]
    assert design.cluster.codes.tolist() == [0, 1, 1, 2, 2]
    assert design.extra["who"].levels == ("u", "w", "x", "y", "z")


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("time ~ arn", "no column 'arn'"),
        ("time ~ lag(age)", r"no function lag\(\)"),
        ("time ~ log(arm)", "arm is text"),
        ('time ~ C(arm, ref="CYC")', "no level 'CYC'"),
        ('time ~ I(arm == "CYC")', "no level 'CYC'"),
        ("time ~ log(center - 1)", "does not exist for 2 of 6 rows, the first being row 1"),
        ("time ~ I(1 / (center - 2))", "does not exist for 2 of 6 rows"),
        ("Surv(time) ~ frailty(arm) + frailty(center)", r"only one frailty\(\)"),
        ("Surv(time, event, age, center) ~ 1", "takes a time and an event"),
        ("Surv(arm, event) ~ 1", "needs numbers"),
        ("time ~ us(center | arm) + cs(center | arm)", "only one covariance structure"),
        ("time ~ offset(arm)", "needs numbers"),
    ],
)
def test_what_cannot_be_computed(formula, what):
    with pytest.raises(FormulaError, match=what):
        design_matrix(formula, PATIENTS)


def test_a_misspelled_column_is_guessed():
    with pytest.raises(FormulaError) as error:
        design_matrix("time ~ arm + agee", PATIENTS)
    assert error.value.try_ == "age"
    assert error.value.found == "time ~ arm + agee\n             ^"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"y": [1.0, 2.0], "x": [1.0]}, "columns differ in length"),
        ({"y": [np.nan, 1.0], "x": [1.0, np.nan]}, "no row has a value"),
        ({"y": [1.0, np.inf], "x": [1.0, 2.0]}, "y is infinite in 1 rows"),
        ({"y": [1.0, 2.0], "x": ["a", 2.0]}, "mixes numbers and texts"),
        ({"y": [1.0, 2.0], "x": np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")}, "of a kind"),
        ({"y": [1.0, 2.0], "x": np.ones((2, 2))}, "one value a row"),
        ({"y": [1.0, 2.0], "x": pl.Series(["2020-01-01", "2020-01-02"]).str.to_date()}, "durations or dates"),
    ],
)
def test_data_that_no_model_takes(data, what):
    with pytest.raises(StatsError, match=what):
        design_matrix("y ~ x", data)


def test_ten_thousand_texts_are_coded_as_a_hundred_are():
    """Long columns take another road through Polars; the answer is the same."""
    arms = [None if i % 7 == 0 else ("MMF", "AZA", "TAC")[i % 3] for i in range(10_000)]
    long, short = design_matrix("~ arm", {"arm": arms}), design_matrix("~ arm", {"arm": arms[:100]})
    assert long.factors == short.factors == {"arm": ("AZA", "MMF", "TAC")}
    assert np.array_equal(long.matrix[: short.n], short.matrix)
    assert long.n_dropped == sum(arm is None for arm in arms)


# -- least-squares rows ----------------------------------------------------------------------------------


def test_least_squares_rows_average_over_other_factors_and_hold_covariates_at_means():
    design = design_matrix("time ~ arm + age + C(center)", PATIENTS)
    rows = least_squares_rows(design, "arm")
    assert rows.levels == (("AZA",), ("MMF",), ("TAC",))
    assert rows.averaged_over == ("center",)
    assert rows.covariates == {"age": pytest.approx(np.mean(PATIENTS["age"]))}
    third = pytest.approx([1, 1, 0, np.mean(PATIENTS["age"]), 1 / 3, 1 / 3])
    assert rows.matrix[1] == third


def test_least_squares_rows_of_two_factors_run_over_the_last_fastest():
    design = design_matrix("time ~ arm * female", PATIENTS)
    rows = least_squares_rows(design, ("arm", "female"))
    assert rows.levels[:3] == (("AZA", "FALSE"), ("AZA", "TRUE"), ("MMF", "FALSE"))


def test_least_squares_rows_at_a_level_and_a_value():
    design = design_matrix("time ~ arm + age + C(center)", PATIENTS)
    rows = least_squares_rows(design, "arm", at={"age": 40, "center": 2})
    assert rows.matrix[0] == pytest.approx([1, 0, 0, 40, 1, 0])


def test_least_squares_rows_with_proportional_weights():
    design = design_matrix("time ~ arm + female", PATIENTS)
    rows = least_squares_rows(design, "arm", weights="proportional")
    assert rows.matrix[0] == pytest.approx([1, 0, 0, 4 / 6])


@pytest.mark.parametrize(
    ("by", "at", "what"),
    [
        ("age", None, "'age' is not a factor of the model"),
        ("dose", None, "'dose' is not a factor"),
        ("arm", {"weight": 1.0}, "'weight' is not in the model"),
        ("arm", {"center": 9}, "center has no level '9'"),
    ],
)
def test_least_squares_rows_that_do_not_exist(by, at, what):
    design = design_matrix("time ~ arm + age + C(center)", PATIENTS)
    with pytest.raises(StatsError, match=what):
        least_squares_rows(design, by, at=at)
