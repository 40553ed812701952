"""Findings are listed, counted and ordered; a million cost no more than a thousand."""

from __future__ import annotations

import polars as pl

from flarefree.records.findings import (
    Collector,
    Finding,
    Severity,
    findings_frame,
    in_file_order,
    list_findings,
)

FILES = ["a.csv", "b.csv"]


def rows(n: int, source: int = 0, **columns: object) -> pl.DataFrame:
    made = pl.DataFrame({"row": range(1, n + 1)}, schema={"row": pl.UInt32})
    return made.with_columns(source=pl.lit(source, pl.UInt16), **{k: pl.lit(v) for k, v in columns.items()})


def test_rows_tell_what_differs_and_arguments_what_does_not() -> None:
    odd = rows(2, subject="Ana").with_columns(found=pl.Series(["1.5", None]))
    first, second = list_findings(
        odd, "c", Severity.ERROR, "m", files=FILES, column="v", found="nothing", expected="e"
    )
    assert first == Finding("c", Severity.ERROR, "m", "a.csv", 1, "v", "Ana", "1.5", "e")
    assert second.found == "nothing"


def test_past_the_limit_the_rest_is_counted() -> None:
    findings = list_findings(rows(1000), "c", Severity.NOTE, "m", files=FILES, listed=3)
    assert [f.row for f in findings] == [1, 2, 3, 0]
    assert findings[-1].message == "and 997 more rows with this finding"
    assert sum(f.count for f in findings) == 1000


def test_a_collector_counts_over_several_calls() -> None:
    collector = Collector(FILES, listed=3)
    for _ in range(3):
        collector.list_rows(rows(2), "c", Severity.WARNING, "m")
        collector.count_rows(rows(5, found="mg"), "u", Severity.ERROR, "unit", by=("found",))
    listed = [f for f in collector.findings() if f.code == "c"]
    assert [f.row for f in listed] == [1, 1, 2, 0]
    assert sum(f.count for f in listed) == 6
    (counted,) = [f for f in collector.findings() if f.code == "u"]
    assert (counted.count, counted.row, counted.found) == (15, 1, "mg")


def test_groups_without_end_are_counted_too() -> None:
    collector = Collector(FILES, listed=2)
    odd = rows(10).with_columns(found=pl.col("row").cast(pl.String))
    collector.count_rows(odd, "u", Severity.ERROR, "unit", by=("found",))
    findings = collector.findings()
    assert [f.count for f in findings] == [1, 1, 8]


def test_the_first_row_speaks_for_its_group() -> None:
    collector = Collector(FILES)
    odd = pl.DataFrame({"source": [0, 0], "row": [7, 3], "found": ["later", "earlier"]})
    collector.count_rows(odd, "c", Severity.NOTE, "m")
    (finding,) = collector.findings()
    assert (finding.row, finding.found, finding.count) == (3, "earlier", 2)


def test_order_is_study_then_file_then_row_and_the_rest_last() -> None:
    study = Finding("s", Severity.NOTE, "m")
    whole = Finding("w", Severity.NOTE, "m", "a.csv")
    rest = Finding("r", Severity.NOTE, "and 5 more rows with this finding", "a.csv", count=5)
    first, ninth = Finding("x", Severity.NOTE, "m", "a.csv", 1), Finding("y", Severity.NOTE, "m", "a.csv", 9)
    other = Finding("z", Severity.NOTE, "m", "b.csv", 2)
    assert in_file_order([other, rest, ninth, first, whole, study], FILES) == (
        study,
        whole,
        first,
        ninth,
        rest,
        other,
    )


def test_a_frame_of_findings_has_a_row_each() -> None:
    frame = findings_frame((Finding("c", Severity.ERROR, "m", "a.csv", 1, count=2),))
    assert frame.row(0) == ("error", "c", "a.csv", 1, "", "", "", "", "m", 2)
    assert findings_frame(()).is_empty()
