"""Results as they are written, and the numbers they mean.

The rules for a measure that is a number (docs/reference/file-formats.md prints them for users):

- `<0.1` is the largest number below 0.1 and `>5` the smallest above 5, so that every comparison with
  0.1 or 5 themselves comes out as it would for the true value; `<=` and `>=` give the limit itself.
- `0-2` is the middle of its ends.
- `5 /hpf` carries its unit, which counts where the unit's own column is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

__all__ = ["NO_WORDS", "YES_WORDS", "are_possible", "beyond_limits", "code_texts", "read_numbers"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_UNIT = r"((?:[^\d\s<>=.,+-]|10[\^*x3691])\S*(?: \S+)*)?"
_PLAIN = rf"^({_NUMBER})\s*{_UNIT}$"
_CENSORED = rf"^(<=|>=|=<|=>|≤|≥|<|>)\s*({_NUMBER})\s*{_UNIT}$"
_RANGE = rf"^({_NUMBER})\s*(?:-|–|to)\s*({_NUMBER})\s*{_UNIT}$"

YES_WORDS = ("Y", "YES", "PRESENT", "POSITIVE", "POS", "TRUE", "DETECTED")
NO_WORDS = (
    "N",
    "NO",
    "ABSENT",
    "NEGATIVE",
    "NEG",
    "FALSE",
    "NONE",
    "NONE SEEN",
    "NOT SEEN",
    "NOT DETECTED",
    "NIL",
)


def read_numbers(text: pl.Series, *, decimal: str = ".") -> pl.DataFrame:
    """The numbers that results mean, row by row.

    Parameters
    ----------
    text : Series of String
        Results as written; null where there is none.
    decimal : str
        The decimal sign; with a comma, full stops between digits separate thousands.

    Returns
    -------
    DataFrame
        `number` (Float64; null where unreadable or nothing was written; the limit itself of a censored
        result: see `beyond_limits`), `form` (`plain`, `below`, `above`, `at_limit`, `range`, null),
        `unit` (text; null where the result names none).
    """
    trimmed = text.str.strip_chars()
    if decimal == ",":
        trimmed = trimmed.str.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True)
    number = _float(trimmed)
    form = pl.Series("form", ["plain"]).new_from_index(0, len(text))
    form = form.zip_with(number.is_not_null(), pl.Series([None], dtype=pl.String))
    unit = pl.Series("unit", [None], dtype=pl.String).new_from_index(0, len(text))
    left = trimmed.is_not_null() & number.is_null()
    if left.any():
        rest = _read_rest(trimmed.filter(left))
        positions = left.arg_true()
        number = number.scatter(positions, rest["number"])
        form = form.scatter(positions, rest["form"])
        unit = unit.scatter(positions, rest["unit"])
    return pl.DataFrame([number.alias("number"), form.alias("form"), unit.alias("unit")])


def _read_rest(text: pl.Series) -> pl.DataFrame:
    """Results that are no bare numbers; each different text is read once."""
    distinct = pl.DataFrame({"text": text.unique()})
    plain = distinct["text"].str.extract_groups(_PLAIN).struct.unnest()
    censored = distinct["text"].str.extract_groups(_CENSORED).struct.unnest()
    between = distinct["text"].str.extract_groups(_RANGE).struct.unnest()
    middle = (_float(between["1"]) + _float(between["2"])) / 2
    read = distinct.with_columns(
        number=middle.fill_null(_float(censored["2"])).fill_null(_float(plain["1"])),
        unit=pl.when(middle.is_not_null()).then(between["3"]).otherwise(censored["3"].fill_null(plain["2"])),
        form=pl.when(middle.is_not_null())
        .then(pl.lit("range"))
        .when(censored["1"].is_not_null())
        .then(censored["1"].replace_strict(_SIGNS, default="at_limit", return_dtype=pl.String))
        .when(_float(plain["1"]).is_not_null())
        .then(pl.lit("plain")),
    )
    return pl.DataFrame({"text": text}).join(read, on="text", how="left", maintain_order="left")


_TOO_LARGE = 1e60  # a square of it is a number still, and a SAS transport file holds it
_TOO_SMALL = 1e-60  # and so the inverse of it
_SIGNS = {"<": "below", ">": "above"}


def _float(text: pl.Series) -> pl.Series:
    """Finite numbers: `inf`, `nan` and 1e300 are none that a laboratory would mean."""
    number = text.cast(pl.Float64, strict=False)
    return number.zip_with(are_possible(number), pl.Series([None], dtype=pl.Float64))


def are_possible(numbers: pl.Series) -> pl.Series:
    """Which numbers anybody could mean: 0, or from 1e-60 to 1e60 either way; true where there is none.

    Beyond, squares and inverses overflow, and no format of SAS holds them.
    """
    if not numbers.dtype.is_float():
        return pl.repeat(True, len(numbers), dtype=pl.Boolean, eager=True)
    size = numbers.abs()
    in_range = (size < _TOO_LARGE) & ((size >= _TOO_SMALL) | (size == 0))
    return in_range.fill_null(True)


def beyond_limits(values: pl.Series, form: pl.Series) -> pl.Series:
    """Values, those below or above a limit moved off it by the least that a number can."""
    is_below, is_above = (form == "below").fill_null(False), (form == "above").fill_null(False)
    if not (is_below.any() or is_above.any()):
        return values
    numbers = values.fill_null(np.nan).to_numpy()
    moved = np.where(is_below.to_numpy(), np.nextafter(numbers, -np.inf), numbers)
    moved = np.where(is_above.to_numpy(), np.nextafter(numbers, np.inf), moved)
    return pl.Series(values.name, moved).fill_nan(None)


def code_texts(text: pl.Series, meanings: Mapping[str, float]) -> pl.Series:
    """The numbers that words mean (`2+` is 2); null where a text is none of the words.

    Case, and blanks around and within, do not matter.
    """
    plain = {" ".join(word.upper().split()): float(value) for word, value in meanings.items()}
    tidy = text.str.to_uppercase().str.strip_chars().str.replace_all(r"\s+", " ")
    return tidy.replace_strict(plain, default=None, return_dtype=pl.Float64)
