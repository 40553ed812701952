"""From results as written to values of measures: which measure, in which unit, what number.

A result has up to two forms: standard (SDTM's --STRES*, ADaM's AVAL) and as collected (--ORRES).  The
standard one is taken where its unit becomes the measure's; else the collected one.  The other, and
the original value and unit, stay beside the value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from flarefree.readers.expectations import Expectations, texts
from flarefree.readers.factors import ASSUMED, factor_table
from flarefree.readers.maps import ColumnMap
from flarefree.readers.results import read_results
from flarefree.readers.shaping import as_text
from flarefree.records.findings import Collector, Severity
from flarefree.records.tables import OBSERVATIONS
from flarefree.units import normalize_unit

__all__ = ["derive_observations"]

_LISTED_TESTS = 5  # unknown tests of a file with CDISC's names that get a finding each
_RESULTS = ("standard_value", "standard_text", "original_value")


def derive_observations(
    shaped: pl.DataFrame,
    how: ColumnMap,
    expected: Expectations,
    findings: Collector,
    *,
    is_long: bool = False,
) -> pl.DataFrame:
    """Rows of the observations table, without their days.

    Parameters
    ----------
    shaped : DataFrame
        What `shape` gave.
    how : ColumnMap
        The file's map: its dataset is the rows' `domain`; `units` stand in where rows name none.
    expected : Expectations
        Measures with their tests, units and words.
    findings : Collector
        Takes unknown tests, unknown and missing units, results that cannot be read.
    is_long : bool
        The rows are of a table so long that text is not made for what the file holds as a number.
    """
    rows = _with_units_of_labels(_whole(shaped), how)
    rows = _with_measures(rows, expected)
    _note_unknown_tests(rows, how, expected, findings)
    rows = _with_factors(rows, expected, how)
    rows = _with_form(rows)
    rows = read_results(rows, expected, how.decimal, findings)
    return _as_table(rows, how, expected, is_long=is_long)


def _whole(shaped: pl.DataFrame) -> pl.DataFrame:
    """The columns that any file may lack, as nulls that take no room."""
    kinds = {
        "test": pl.String, "category": pl.String, "timepoint": pl.String, "specimen": pl.String,
        "standard_value": pl.Float64, "standard_text": pl.String, "standard_unit": pl.String,
        "standard_lower": pl.Float64, "standard_upper": pl.Float64,
        "original_value": pl.String, "original_unit": pl.String,
        "original_lower": pl.Float64, "original_upper": pl.Float64,
    }  # fmt: skip
    absent = [pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in shaped.columns]
    return shaped.with_columns(absent)


def _with_units_of_labels(rows: pl.DataFrame, how: ColumnMap) -> pl.DataFrame:
    """ADaM writes a parameter's unit at the end of its label: `Sodium (mmol/L)`."""
    if how.units:
        given = pl.col("test").replace_strict(dict(how.units), default=None, return_dtype=pl.String)
        rows = rows.with_columns(pl.col("original_unit").fill_null(given))
    if how.dataset != "BDS" or "test_label" not in rows.columns:
        return rows
    labels = rows["test_label"].unique().drop_nulls().to_list()
    units = {label: unit for label in labels if (unit := _unit_of_label(label))}
    in_label = pl.col("test_label").replace_strict(units, default=None, return_dtype=pl.String)
    return rows.with_columns(pl.col("standard_unit").fill_null(in_label))


def _unit_of_label(label: str) -> str | None:
    match = re.search(r"\(([^()]*(?:\([^()]*\))?[^()]*)\)\s*$", label)
    return match[1] if match and normalize_unit(match[1]) else None


# Measures --------------------------------------------------------------------------------------------


def _with_measures(rows: pl.DataFrame, expected: Expectations) -> pl.DataFrame:
    """`_measure`: the number of each row's measure; one past the last where the protocol knows none."""
    unknown = len(expected.names)
    keys = [
        "test",
        *(name for name in ("category", "timepoint", "specimen") if rows[name].null_count() < rows.height),
    ]
    found = [
        (*key, number)
        for key in sorted(rows.select(keys).unique().iter_rows(), key=str)
        for number in expected.measure_numbers(*key) or (unknown,)
    ]
    numbers = pl.DataFrame(
        found, schema=dict.fromkeys(keys, pl.String) | {"_measure": pl.Int32}, orient="row"
    )
    if len(found) == 1:
        return rows.with_columns(_measure=pl.lit(found[0][-1], pl.Int32))
    if numbers.select(keys).is_duplicated().any():  # a test that two measures are read from
        return rows.join(numbers, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return rows.with_columns(_looked_up(rows, numbers, keys))


def _note_unknown_tests(
    rows: pl.DataFrame, how: ColumnMap, expected: Expectations, findings: Collector
) -> None:
    if expected.protocol is None or how.is_adam:
        return
    unknown = rows.filter(pl.col("_measure") == len(expected.names))
    if unknown.is_empty():
        return
    unknown = unknown.select("source", "row", pl.col("test").fill_null("(none)").alias("found"))
    message = "the protocol has no measure of this test; its rows are kept, and not analyzed"
    distinct = unknown["found"].unique(maintain_order=True).to_list()
    known = [word for spec in expected.specs for word in spec.tests] + list(expected.names)
    if how.dataset and len(distinct) > _LISTED_TESTS:
        findings.count_rows(
            unknown.drop("found"), "unknown-test", Severity.NOTE,
            "the protocol has no measure of these tests; their rows are kept, and not analyzed",
            column="test", found=texts(distinct),
        )  # fmt: skip
        return
    severity = Severity.NOTE if how.dataset else Severity.WARNING
    findings.count_rows(
        unknown, "unknown-test", severity, message, by=("found",), column="test", expected=texts(known)
    )


# Units -----------------------------------------------------------------------------------------------


def _with_factors(rows: pl.DataFrame, expected: Expectations, how: ColumnMap) -> pl.DataFrame:
    """For both forms of a result: how its unit becomes the measure's, and whether that is certain."""
    for form in ("standard", "original"):
        rows = _joined_factors(rows, form, expected)
    return rows


def _joined_factors(rows: pl.DataFrame, form: str, expected: Expectations) -> pl.DataFrame:
    keys = ["_measure", f"{form}_unit"]
    factors = factor_table(rows.select(keys).unique(), expected).rename({
        "unit": f"{form}_unit",
        "times": f"_{form}_times",
        "over": f"_{form}_over",
        "certainty": f"_{form}_certainty",
    })  # fmt: skip
    if factors.height == 1:
        only = factors.drop(keys).row(0, named=True)
        return rows.with_columns(
            pl.lit(value, factors.schema[name]).alias(name) for name, value in only.items()
        )
    return rows.with_columns(_looked_up(rows, factors, keys))


def _looked_up(rows: pl.DataFrame, table: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The table's columns for each row; the rows' own columns are not touched, so not copied."""
    found = rows.select(keys).join(table, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return found.drop(keys)


def _with_form(rows: pl.DataFrame) -> pl.DataFrame:
    """Of the two forms of a result, the one whose unit is better known; the standard one if both are."""
    if _is_empty(rows, "standard_value") and _is_empty(rows, "standard_text"):
        names = {f"_original_{name}": f"_{name}" for name in ("times", "over", "certainty")}
        only = rows.rename(names).with_columns(_is_standard=pl.lit(False), _unit="original_unit")
        return only.drop(f"_standard_{name}" for name in ("times", "over", "certainty"))
    has_standard = pl.col("standard_value").is_not_null() | pl.col("standard_text").is_not_null()
    has_original = pl.col("original_value").is_not_null()
    standard = pl.when(has_standard).then("_standard_certainty").otherwise(-1)
    original = pl.when(has_original).then("_original_certainty").otherwise(-1)
    rows = rows.with_columns(_is_standard=has_standard & (standard >= original))

    def of_form(name: str) -> pl.Expr:
        return (
            pl.when("_is_standard").then(f"_standard_{name}").otherwise(f"_original_{name}").alias(f"_{name}")
        )

    unit = pl.when("_is_standard").then("standard_unit").otherwise("original_unit")
    made = rows.with_columns(of_form("times"), of_form("over"), of_form("certainty"), unit.alias("_unit"))
    return made.drop(
        f"_{form}_{name}" for form in ("standard", "original") for name in ("times", "over", "certainty")
    )


def _is_empty(rows: pl.DataFrame, name: str) -> bool:
    return rows[name].null_count() == rows.height


# The table -------------------------------------------------------------------------------------------


def _as_table(rows: pl.DataFrame, how: ColumnMap, expected: Expectations, *, is_long: bool) -> pl.DataFrame:
    names = pl.Series([*expected.names, None], dtype=pl.String)
    units = pl.Series([*(spec.unit for spec in expected.specs), None], dtype=pl.String)
    measure, unit = names.gather(rows["_measure"]), units.gather(rows["_measure"])
    if unit.null_count():
        written = rows["_unit"].unique().drop_nulls().to_list()
        spelled = {text: normalize_unit(text) or text for text in written}
        unit = unit.fill_null(rows["_unit"].replace_strict(spelled, default=None, return_dtype=pl.String))
    made = rows.with_columns(
        measure.alias("measure"),
        unit.alias("unit"),
        _limit("lower").alias("lower_limit"),
        _limit("upper").alias("upper_limit"),
        pl.lit(how.dataset if how.is_sdtm else None, pl.String).alias("domain"),
        *_originals(rows, is_long=is_long),
    )
    kept = [name for name in OBSERVATIONS if name in made.columns]
    return made.select(kept)


def _limit(end: str) -> pl.Expr:
    """A limit of normal in the measure's unit, from the form of the result that its value is from."""
    written = pl.when("_is_standard").then(f"standard_{end}").otherwise(f"original_{end}")
    usable = pl.col("_certainty") >= ASSUMED
    return pl.when(usable).then(written * pl.col("_times") / pl.col("_over"))


def _originals(rows: pl.DataFrame, *, is_long: bool) -> Sequence[pl.Series | pl.Expr]:
    """Value and unit as collected; where a file has only one form of a result, that one."""
    has_original = rows["original_value"].null_count() < rows.height
    name, unit = ("original_value", "original_unit") if has_original else ("standard_value", "standard_unit")
    if not has_original and rows["standard_value"].null_count() == rows.height:
        name = "standard_text"
    value = rows[name]
    if is_long and value.dtype.is_numeric():
        return [
            rows[unit].alias("original_unit")
        ]  # the number itself stands in the file, at the row's number
    return [as_text(value).alias("original_value"), rows[unit].alias("original_unit")]
