"""What the results of measures mean: numbers in the measure's unit, yes and no, grades, or words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from flarefree.readers.expectations import Expectations
from flarefree.readers.factors import ASSUMED, CERTAIN, MISSING, UNKNOWN, factor_table
from flarefree.readers.shaping import as_text
from flarefree.readers.values import (
    NO_WORDS,
    YES_WORDS,
    beyond_limits,
    code_texts,
    read_numbers,
)
from flarefree.records.findings import Collector, Severity
from flarefree.units import normalize_unit

if TYPE_CHECKING:
    from flarefree.protocol.schema import MeasureSpec

__all__ = ["read_results"]

_FORMS = {
    "below": "results below a limit of detection: the largest number below the limit is taken",
    "above": "results above a limit: the smallest number above it is taken",
    "at_limit": "results at or beyond a limit: the limit is taken",
    "range": "results that are ranges: the middle is taken",
}


def read_results(
    rows: pl.DataFrame, expected: Expectations, decimal: str, findings: Collector
) -> pl.DataFrame:
    """Add `value` (Float64, in the measure's unit) and `text` (a result that is no plain number).

    Parameters
    ----------
    rows : DataFrame
        With `_measure`, `_is_standard`, `_times`, `_over`, `_certainty`, `_unit` and both forms of results.
    expected, decimal, findings
        As in `derive_observations`.
    """
    number, text = _number_and_text(rows)
    kinds = pl.Series([spec.type for spec in expected.specs] + ["number"], dtype=pl.String)
    kind = kinds.gather(rows["_measure"])
    is_number = kind == "number"
    if is_number.all():
        return _read_numeric(rows, number, text, expected, decimal, findings)
    made = [
        _read_numeric(
            rows.filter(is_number),
            number.filter(is_number),
            text.filter(is_number),
            expected,
            decimal,
            findings,
        )
    ]
    coded = ~is_number
    of_words = rows.filter(coded)
    words = text.filter(coded).fill_null(as_text(number.filter(coded)))
    for measure in sorted(of_words["_measure"].unique().to_list()):
        here = of_words["_measure"] == measure
        made.append(
            _read_words(of_words.filter(here), words.filter(here), expected.specs[measure], decimal, findings)
        )
    return pl.concat(made, how="vertical").sort("source", "row", maintain_order=True)


def _number_and_text(rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Of the form that was chosen: the number where the file holds one as such, and the text beside it."""
    original = rows["original_value"]
    no_text = pl.lit(None, pl.String)
    if original.dtype.is_numeric():
        original_number, original_text = pl.col("original_value").cast(pl.Float64), no_text
    else:
        original_number, original_text = pl.lit(None, pl.Float64), pl.col("original_value")
    standard_text = pl.col("standard_text") if rows["standard_text"].dtype == pl.String else no_text
    chosen = rows.select(
        number=pl.when("_is_standard").then("standard_value").otherwise(original_number).fill_nan(None),
        text=pl.when("_is_standard").then(standard_text).otherwise(original_text),
    )
    return chosen["number"], chosen["text"]


def _read_numeric(
    rows: pl.DataFrame,
    number: pl.Series,
    text: pl.Series,
    expected: Expectations,
    decimal: str,
    findings: Collector,
) -> pl.DataFrame:
    """Numbers, results with signs, ranges; in the measure's unit where the written one is known."""
    left = (number.is_null() & text.is_not_null()).arg_true()
    form: pl.Series | None = None
    if len(left):
        rows, number, form = _read_texts(rows, number, text, left, expected, decimal, findings)
    _note_units(rows, number, findings)
    usable = rows["_certainty"] >= ASSUMED
    value = number.zip_with(usable, pl.Series([None], dtype=pl.Float64))
    if not (rows["_times"] == rows["_over"]).all():
        value = value * rows["_times"] / rows["_over"]
    signed: pl.Expr | pl.Series = pl.lit(None, pl.String)
    if form is not None:
        value = beyond_limits(value, form)
        _note_forms(rows, text, form, findings)
        is_no_plain = form.is_in(list(_FORMS)).fill_null(False) | (number.is_null() & text.is_not_null())
        signed = text.zip_with(is_no_plain, pl.Series([None], dtype=pl.String))
    return rows.with_columns(value.alias("value"), signed.alias("text"))


def _read_texts(
    rows: pl.DataFrame,
    number: pl.Series,
    text: pl.Series,
    left: pl.Series,
    expected: Expectations,
    decimal: str,
    findings: Collector,
) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Read the results that the file holds as text; `left` are their places."""
    read = read_numbers(text.gather(left), decimal=decimal)
    graded = _graded(rows["_measure"].gather(left), text.gather(left), expected)
    read = read.with_columns(
        number=graded.fill_null(read["number"]), unit=read["unit"].set(graded.is_not_null(), None)
    )
    rows, is_contradicted = _with_units_in_results(rows, left, read["unit"], expected)
    measured = read["number"].set(is_contradicted, None)
    number = number.scatter(left, measured)
    form = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height).scatter(left, read["form"])
    odd = measured.is_null() & (rows["_measure"].gather(left) < len(expected.names))
    if odd.any():
        unread = (
            rows[left]
            .select("source", "row", "subject", "test")
            .with_columns(text.gather(left).alias("found"))
        )
        findings.count_rows(
            unread.filter(odd), "unreadable-result", Severity.ERROR, "this result is no number; not used",
            by=("test", "found"), column="result", expected="a number, or a grade that the protocol gives",
        )  # fmt: skip
    return rows, number, form


def _graded(measure: pl.Series, text: pl.Series, expected: Expectations) -> pl.Series:
    """Words that the protocol gives a number to, for measures that are numbers."""
    made = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(text))
    for number, spec in enumerate(expected.specs):
        if spec.type == "number" and spec.grades and (here := (measure == number).arg_true()).len():
            made = made.scatter(here, code_texts(text.gather(here), spec.grades))
    return made


def _with_units_in_results(
    rows: pl.DataFrame, left: pl.Series, unit: pl.Series, expected: Expectations
) -> tuple[pl.DataFrame, pl.Series]:
    """Use the unit that a result names where its row names none; say where the two contradict each other."""
    never = pl.repeat(False, len(left), dtype=pl.Boolean, eager=True)
    if unit.null_count() == len(unit):
        return rows, never
    spelled = {
        text: normalize_unit(text)
        for text in (*unit.unique().drop_nulls(), *rows["_unit"].unique().drop_nulls())
    }
    theirs = rows["_unit"].gather(left)
    own, beside = (u.replace_strict(spelled, default=None, return_dtype=pl.String) for u in (unit, theirs))
    is_contradicted = (unit.is_not_null() & theirs.is_not_null() & (own != beside).fill_null(True)).fill_null(
        False
    )
    taken = unit.is_not_null() & theirs.is_null()
    if taken.any():
        places = left.filter(taken)
        pairs = pl.DataFrame({"_measure": rows["_measure"].gather(places), "unit": unit.filter(taken)})
        factors = pairs.join(
            factor_table(pairs.unique(), expected), on=["_measure", "unit"], how="left", maintain_order="left"
        )
        rows = rows.with_columns(
            rows["_times"].scatter(places, factors["times"]),
            rows["_over"].scatter(places, factors["over"]),
            rows["_certainty"].scatter(places, factors["certainty"]),
            rows["_unit"].scatter(places, factors["unit"]),
        )
    return rows, is_contradicted


def _note_units(rows: pl.DataFrame, number: pl.Series, findings: Collector) -> None:
    """Units that are missing, assumed or unknown, of rows that have a number."""
    if (rows["_certainty"] == CERTAIN).all():
        return
    measured = rows.filter(number.is_not_null()).select(
        "source", "row", "subject", "test", "_unit", "_certainty"
    )
    kinds = (
        (UNKNOWN, "unknown-unit", Severity.ERROR, "this unit does not become the measure's; values not used"),
        (MISSING, "missing-unit", Severity.ERROR, "no unit, and the protocol assumes none; values not used"),
        (ASSUMED, "missing-unit", Severity.WARNING, "no unit; the one that the protocol assumes is taken"),
    )
    for certainty, code, severity, message in kinds:
        odd = measured.filter(pl.col("_certainty") == certainty)
        told = odd.with_columns(
            pl.format("{}: {}", "test", pl.col("_unit").fill_null("no unit")).alias("found")
        )
        findings.count_rows(
            told.drop("_unit", "_certainty", "test"), code, severity, message, by=("found",), column="unit"
        )


def _note_forms(rows: pl.DataFrame, text: pl.Series, form: pl.Series, findings: Collector) -> None:
    for name, message in _FORMS.items():
        here = (form == name).fill_null(False)
        if here.any():
            odd = rows.select("source", "row", "test").with_columns(text.alias("found")).filter(here)
            findings.count_rows(
                odd,
                "censored-result" if name != "range" else "range-result",
                Severity.NOTE,
                message,
                by=("test",),
                column="result",
            )


def _read_words(
    rows: pl.DataFrame, text: pl.Series, spec: MeasureSpec, decimal: str, findings: Collector
) -> pl.DataFrame:
    """A measure whose results are words: yes or no, a grade, or just text."""
    if spec.type == "text":
        return rows.with_columns(pl.lit(None, pl.Float64).alias("value"), text.alias("text"))
    value = code_texts(text, _meanings(spec))
    left = (value.is_null() & text.is_not_null()).arg_true()
    if len(left):
        number = read_numbers(text.gather(left), decimal=decimal)["number"]
        if spec.type == "yes_no":
            number = (number > 0).cast(pl.Float64)
        value = value.scatter(left, number)
    odd = text.is_not_null() & value.is_null()
    if odd.any():
        expected = "yes or no" if spec.type == "yes_no" else "a grade"
        unread = rows.select("source", "row", "subject", "test").with_columns(text.alias("found")).filter(odd)
        findings.count_rows(
            unread, "unreadable-result", Severity.ERROR, f"this result is not {expected}; not used",
            by=("test", "found"), column="result", expected=", ".join(_meanings(spec)),
        )  # fmt: skip
    return rows.with_columns(value.alias("value"), text.alias("text"))


def _meanings(spec: MeasureSpec) -> dict[str, float]:
    if spec.type == "grade":
        return dict(spec.grades)
    words = {word.upper(): 1.0 for word in YES_WORDS} | {word.upper(): 0.0 for word in NO_WORDS}
    own = {word.upper(): 1.0 for word in spec.yes} | {word.upper(): 0.0 for word in spec.no}
    return words | own | {word.upper(): value for word, value in spec.grades.items()}
