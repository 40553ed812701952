"""Checks of results: twice, contradicting each other, beyond what is plausible, without a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from flarefree.records.findings import Collector, Severity

__all__ = ["check_observations", "in_pieces", "says_something"]

_ORIGIN = ("source", "row", "subject")


def check_observations(
    observations: pl.DataFrame,
    plausible: Mapping[str, tuple[float | None, float | None]],
    findings: Collector,
) -> None:
    """Results twice, results that contradict each other, results beyond what is plausible, without a time.

    Parameters
    ----------
    observations : DataFrame
        The table.
    plausible : mapping of str to (low, high)
        Of each measure, in its unit; None where there is no such limit.
    findings : Collector
    """
    if observations.is_empty():
        return
    _check_repeats(observations, findings)
    for piece in in_pieces(observations):
        _check_plausible(piece, plausible, findings)
        _check_times(piece, findings)


_IDENTITY = (
    "subject", "measure", "test", "category", "specimen", "date", "date_text", "day", "visit", "visit_number",
    "timepoint", "analysis_visit", "derivation",
)  # fmt: skip


def _check_repeats(observations: pl.DataFrame, findings: Collector) -> None:
    """Several results of one test at one time: the same again, or contradicting each other."""
    identity = [name for name in _IDENTITY if says_something(observations, name)]
    if "day" in identity and "date_text" in identity:
        identity.remove("day")
    key = pl.concat(
        [piece.select(pl.struct(identity).hash(seed=17)) for piece in in_pieces(observations)]
    ).to_series()
    repeated = _occurs_again(key) & (observations["value"].is_not_null() | observations["text"].is_not_null())
    if not repeated.any():
        return
    needed = observations.select(*_ORIGIN, "measure", "test", "value", "text", "original_value", "unit")
    rows = needed.filter(repeated).with_columns(key=key.filter(repeated)).sort("key", "source", "row")
    rows = rows.with_columns(
        pl.col(name).shift(1).over("key").alias(f"_{name}")
        for name in ("source", "row", "subject", "value", "text", "original_value")
    ).filter(pl.col("subject") == pl.col("_subject"))
    is_same = pl.col("value").eq_missing(pl.col("_value")) & (
        pl.col("value").is_not_null() | pl.col("text").eq_missing(pl.col("_text"))
    )
    where = findings.place(pl.col("_source"), pl.col("_row"))
    result = pl.format("{} {} {}", pl.coalesce("measure", "test"), _result(""), pl.col("unit").fill_null(""))
    findings.list_rows(
        rows.filter(is_same),
        "duplicate-row",
        Severity.WARNING,
        "this result stands in the file twice",
        found=result.str.strip_chars(),
        expected=pl.format("one; {} is the same", where),
    )
    findings.list_rows(
        rows.filter(~is_same),
        "contradictory-rows",
        Severity.WARNING,
        "another result of the same test at the same time; the later row counts",
        column="value",
        found=result.str.strip_chars(),
        expected=pl.format("{}, as in {}", _result("_"), where),
    )


def _result(prefix: str) -> pl.Expr:
    """A result in words, of this row or (with a prefix) of the one before it."""
    value = pl.col(f"{prefix}value").cast(pl.String)
    return pl.coalesce(value, f"{prefix}text", f"{prefix}original_value", pl.lit("none"))


def _occurs_again(key: pl.Series) -> pl.Series:
    """Which keys occur more than once; to sort them is much faster than to hash them again."""
    ordered = np.sort(key.to_numpy())
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not again.size:
        return pl.repeat(False, len(key), dtype=pl.Boolean, eager=True)
    return key.is_in(pl.Series(again, dtype=key.dtype).implode())


def says_something(observations: pl.DataFrame, name: str) -> bool:
    """Whether a column says anything of any row."""
    return name in observations.columns and observations[name].null_count() < observations.height


def _check_plausible(
    observations: pl.DataFrame,
    plausible: Mapping[str, tuple[float | None, float | None]],
    findings: Collector,
) -> None:
    ends = observations.group_by("measure").agg(
        pl.col("value").min().alias("low"), pl.col("value").max().alias("high")
    )
    for measure, lowest, highest in ends.drop_nulls().sort("measure").iter_rows():
        low, high = plausible.get(measure, (None, None))
        if (low is None or lowest >= low) and (high is None or highest <= high):
            continue
        inside = pl.col("value").is_between(-np.inf if low is None else low, np.inf if high is None else high)
        odd = observations.filter((pl.col("measure") == measure) & ~inside)
        unit = odd["unit"][0] or ""
        findings.list_rows(
            odd,
            "out-of-range",
            Severity.WARNING,
            f"{measure} is hardly possible so",
            column="value",
            found=_written(unit),
            expected=f"{_plain(low)} to {_plain(high)} {unit}".strip(),
        )


def _written(unit: str) -> pl.Expr:
    value = pl.format(f"{{}} {unit}", pl.col("value").cast(pl.String))
    as_written = pl.format(" (written {} {})", "original_value", pl.col("original_unit").fill_null(""))
    return pl.concat_str(
        value.str.strip_chars(), as_written.str.replace(" )", ")", literal=True), ignore_nulls=True
    )


def _plain(limit: float | None) -> str:
    return "any" if limit is None else f"{limit:g}"


def _check_times(observations: pl.DataFrame, findings: Collector) -> None:
    """A result that has neither day nor visit cannot be placed in time."""
    lost = pl.col("day").is_null() & pl.col("visit").is_null() & pl.col("visit_number").is_null()
    measured = pl.col("value").is_not_null() & pl.col("measure").is_not_null()
    odd = observations.filter(lost & measured & pl.col("analysis_visit").is_null())
    findings.list_rows(
        odd.select(*_ORIGIN, found="test"),
        "no-date",
        Severity.ERROR,
        "this result has no date and no visit; not used",
        column="date",
    )


def in_pieces(rows: pl.DataFrame, size: int = 500_000) -> Iterator[pl.DataFrame]:
    """A long table in pieces, so that what is computed on the way stays small."""
    for start in range(0, max(rows.height, 1), size):
        yield rows[start : start + size]
