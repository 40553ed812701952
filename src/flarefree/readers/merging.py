"""Which file goes before which, where several hold the same records.

SDTM goes before ADaM for what SDTM holds, row by row where rows have a key (subject and sequence), and
measure by measure for observations; a protocol's `sources` may say otherwise for a table.  What is left
out is left out before it is read, so that it leaves one finding with its number of rows and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from flarefree.readers.expectations import Expectations
from flarefree.readers.maps import ColumnMap
from flarefree.readers.raw import RawTable
from flarefree.readers.shaping import shape
from flarefree.records.findings import Collector, Severity
from flarefree.records.tables import TABLES

__all__ = ["Item", "Part", "chosen_items", "concat_parts", "without_repeats"]


@dataclass(frozen=True, slots=True)
class Item:
    """A file's raw table, how it is to be read, and its number among the sources."""

    raw: RawTable
    how: ColumnMap
    source: int

    def only(self, is_kept: pl.Series) -> Item:
        """The same item with some of its rows."""
        kept = replace(
            self.raw, frame=self.raw.frame.filter(is_kept), rows=self.raw.row_numbers().filter(is_kept)
        )
        return replace(self, raw=kept)

    def keys(self, *names: str) -> pl.DataFrame:
        """Some of our columns of its rows, with their origin; nothing is noted."""
        columns = {ours: theirs for ours, theirs in self.how.columns.items() if ours in names}
        how = replace(self.how, columns=columns, constants={})
        made = shape(self.raw, how, self.source, Collector([""] * (self.source + 1)))
        absent = [pl.lit(None, pl.String).alias(name) for name in names if name not in made.columns]
        return made.with_columns(absent).with_columns(pl.col("subject").str.strip_chars())


@dataclass(frozen=True, slots=True)
class Part:
    """One file's rows of one table, read."""

    how: ColumnMap
    rows: pl.DataFrame
    file: str


def chosen_items(
    table: str, items: Sequence[Item], expected: Expectations, findings: Collector
) -> tuple[Item, ...]:
    """The items of a table with the rows of theirs that are to be read, tabulations first."""
    own = [item for item in items if not item.how.is_adam]
    analysis = [item for item in items if item.how.is_adam]
    match expected.preference(table):
        case "sdtm" if own:
            _note_all(analysis, f"the protocol takes {table} from tabulations alone", findings)
            analysis = []
        case "adam" if analysis:
            _note_all(own, f"the protocol takes {table} from analysis datasets alone", findings)
            own = []
    if not analysis:
        return tuple(own)
    if table == "observations":
        analysis = _beyond_measures(own, analysis, expected, findings)
    elif own:
        analysis = [_beyond_keys(item, own, findings) for item in analysis]
    return (*own, *analysis)


def _note_all(items: Sequence[Item], why: str, findings: Collector) -> None:
    for item in items:
        _note_unused(item.keys("subject"), f"rows not used: {why}", findings)


def _note_unused(rows: pl.DataFrame, message: str, findings: Collector, *, found: str = "") -> None:
    findings.count_rows(rows.select("source", "row"), "not-used", Severity.NOTE, message, found=found)


def _beyond_keys(item: Item, own: Sequence[Item], findings: Collector) -> Item:
    """The analysis dataset's rows that no tabulation holds, by subject and sequence."""
    key = ["subject", "sequence"]
    rows = item.keys(*key)
    held = pl.concat([o.keys(*key).select(pl.col(key).cast(pl.String)) for o in own])
    if rows["sequence"].null_count() == rows.height or held["sequence"].null_count() == held.height:
        _note_unused(rows, "rows not used: tabulations hold this table, and rows have no sequence", findings)
        return item.only(pl.repeat(False, rows.height, eager=True))
    beyond = rows.with_columns(pl.col(key).cast(pl.String)).join(
        held, on=key, how="anti", maintain_order="left"
    )
    files = ", ".join(o.raw.source.path for o in own)
    findings.count_rows(
        beyond.select("source", "row"),
        "only-in-analysis-data",
        Severity.NOTE,
        f"records that {files} does not hold, by subject and sequence; taken from here",
        found=f"{rows.height - beyond.height:,} records are in both",
    )
    return item.only(rows["row"].is_in(beyond["row"].implode()))


def _beyond_measures(
    own: Sequence[Item], analysis: Sequence[Item], expected: Expectations, findings: Collector
) -> list[Item]:
    """The analysis datasets' rows of measures that the protocol names and no tabulation holds."""
    held: set[int] = set()
    held_tests: set[str] = set()
    for item in own:
        for key in item.keys("subject", *_OF_MEASURE).select(_OF_MEASURE).unique().iter_rows():
            held.update(expected.measure_numbers(*key))
            held_tests.add((key[0] or "").casefold())
    kept = []
    for item in analysis:
        rows = item.keys("subject", *_OF_MEASURE)
        keys = rows.select(_OF_MEASURE).unique()
        fates = [_fate(key, held, held_tests, expected) for key in keys.iter_rows()]
        decided = keys.with_columns(fate=pl.Series(fates, dtype=pl.String))
        fate = rows.join(decided, on=_OF_MEASURE, how="left", nulls_equal=True, maintain_order="left")
        for reason, message in _REASONS.items():
            unused = fate.filter(pl.col("fate") == reason)
            _note_unused(unused, message, findings, found=_some_of(unused["test"]))
        kept.append(item.only(fate["fate"] == "read"))
    return kept


_OF_MEASURE = ["test", "category", "timepoint", "specimen"]

_REASONS = {
    "held": "rows not used: tabulations hold their measures",
    "unknown": "rows not used: the protocol has no measure of these parameters",
}


def _fate(key: tuple[str | None, ...], held: set[int], held_tests: set[str], expected: Expectations) -> str:
    test = key[0]
    numbers = expected.measure_numbers(test, *key[1:])
    if held.intersection(numbers) or (test or "").casefold() in held_tests:
        return "held"
    return "read" if numbers or expected.protocol is None else "unknown"


def _some_of(tests: pl.Series) -> str:
    distinct = sorted(tests.unique().drop_nulls())
    return ", ".join(distinct[:8]) + (f" and {len(distinct) - 8} more" if len(distinct) > 8 else "")


# Splits ----------------------------------------------------------------------------------------------

_SAME = {
    "observations": "test",
    "adverse_events": "verbatim",
    "medications": "drug",
    "dispositions": "status",
}


def without_repeats(parts: Sequence[Part], table: str, findings: Collector) -> list[Part]:
    """A domain may be split into files; a record that two of them hold is taken once."""
    kept: list[Part] = []
    for part in parts:
        rows = part.rows
        for earlier in kept:
            if part.how.dataset and earlier.how.dataset == part.how.dataset:
                rows = _not_in(rows, earlier, table, findings)
        kept.append(replace(part, rows=rows))
    return kept


def _not_in(rows: pl.DataFrame, earlier: Part, table: str, findings: Collector) -> pl.DataFrame:
    key = ["subject", "sequence", *([_SAME[table]] if table in _SAME else [])]
    if not set(key) <= set(rows.columns) or not set(key) <= set(earlier.rows.columns):
        return rows
    repeated = rows.join(earlier.rows.select(key), on=key, how="semi", maintain_order="left")
    if repeated.is_empty():
        return rows
    findings.count_rows(
        repeated.select("source", "row"),
        "repeated-record",
        Severity.NOTE,
        f"records that {earlier.file} holds too, with the same subject and sequence; taken once",
    )
    if table == "observations":
        _note_other_values(repeated, earlier, key, findings)
    return rows.join(earlier.rows.select(key), on=key, how="anti", maintain_order="left")


def _note_other_values(repeated: pl.DataFrame, earlier: Part, key: list[str], findings: Collector) -> None:
    both = repeated.join(earlier.rows.select(*key, "value"), on=key, suffix="_earlier", maintain_order="left")
    apart = (pl.col("value") - pl.col("value_earlier")).abs() > 1e-9 * pl.col("value").abs()
    odd = both.filter(apart).select("source", "row", "subject", found="value", expected="value_earlier")
    findings.list_rows(
        odd,
        "contradictory-rows",
        Severity.WARNING,
        f"{earlier.file} holds this record with another value, which is taken",
        column="value",
    )


def concat_parts(table: str, parts: Sequence[Part]) -> pl.DataFrame:
    """One table of all its parts' rows, in the order of files and rows."""
    frames = [part.rows for part in parts if not part.rows.is_empty()]
    if not frames:
        return pl.DataFrame(schema=TABLES[table])
    return pl.concat(frames, how="diagonal", rechunk=False) if len(frames) > 1 else frames[0]
