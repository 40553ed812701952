"""From a study to a report's content: rows of events become places that a reader can open."""

from __future__ import annotations

import polars as pl
import pytest
from reports_sample_content import PROTOCOL

from flarefree.lineage import Source, event_anchor, events_anchor
from flarefree.records.findings import Finding, Severity
from flarefree.records.study import Study
from flarefree.records.tables import TABLES
from flarefree.reports.content import REPORT_EVENTS_SCHEMA, REPORT_TIMES_SCHEMA, ReportContent

UPCR = {"test": "UPCR", "original_unit": "mg/mmol"}
ROWS = pl.List(pl.Struct({"table": pl.String, "index": pl.UInt32}))


def table(name: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides=TABLES[name]).select(
        [pl.col(c) if c in rows[0] else pl.lit(None, kind).alias(c) for c, kind in TABLES[name].items()]
    )


@pytest.fixture
def study() -> Study:
    return Study(
        "sample",
        tables={
            "subjects": table(
                "subjects",
                [
                    {"subject": "anna", "arm": "MMF", "source": 0, "row": 1},
                    {"subject": "berta", "arm": "AZA", "source": 0, "row": 2},
                ],
            ),
            "observations": table(
                "observations",
                [
                    {"subject": "anna", **UPCR, "original_value": "43", "source": 1, "row": 12},
                    {"subject": "anna", **UPCR, "original_value": "132.4", "source": 1, "row": 1203},
                ],
            ),
            "medications": table(
                "medications", [{"subject": "berta", "drug": "CYCLOPHOSPHAMIDE", "source": 2, "row": 7}]
            ),
        },
        sources=(
            Source("dm.csv", "csv", 2, "aa"),
            Source("lb.csv", "csv", 2000, "bb"),
            Source("cm.xpt", "xpt", 9, "cc"),
        ),
        is_virtual=True,
    )


@pytest.fixture
def events() -> pl.DataFrame:
    def row(subject: str, rows: list[tuple[str, int]], used: bool = True) -> dict[str, object]:
        return {
            "subject": subject,
            "endpoint": "proteinuric_flare",
            "episode": 1,
            "day": 274,
            "confirmed_day": None,
            "visit": "Month 9",
            "origin": "derived",
            "is_used": used,
            "reason": None,
            "rows": [{"table": t, "index": i} for t, i in rows],
        }

    return pl.DataFrame(
        [
            row("anna", [("observations", 1), ("observations", 0)]),
            row("berta", [("medications", 0), ("observations", 0)]),
            row("berta", []),
        ],
        schema_overrides={"rows": ROWS},
    )


def test_a_row_becomes_its_file_its_number_and_what_it_says(study, events):
    content = ReportContent.of(study, PROTOCOL, (), events=events)
    assert content.events.get_column("places").to_list() == [
        ["lb.csv row 1203 (line 1204): UPCR 132.4 mg/mmol", "lb.csv row 12 (line 13): UPCR 43 mg/mmol"],
        ["cm.xpt row 7: CYCLOPHOSPHAMIDE", "lb.csv row 12 (line 13): UPCR 43 mg/mmol"],
        [],
    ]
    assert content.events.schema == pl.Schema(REPORT_EVENTS_SCHEMA)


def test_events_carry_the_arm_unless_arms_are_masked(study, events):
    assert ReportContent.of(study, PROTOCOL, (), events=events).events["arm"].to_list() == [
        "MMF",
        "AZA",
        "AZA",
    ]
    masked = ReportContent.of(study, PROTOCOL, (), events=events, masked=True)
    assert masked.events["arm"].null_count() == 3
    assert masked.events.schema == pl.Schema(REPORT_EVENTS_SCHEMA)


def test_the_rest_is_the_studys(study):
    content = ReportContent.of(study, PROTOCOL, ())
    assert (content.study, content.is_virtual, content.sources) == ("sample", True, study.sources)
    assert content.row_counts == {"subjects": 2, "observations": 2, "medications": 1}
    assert content.events.is_empty()
    assert content.times.schema == pl.Schema(REPORT_TIMES_SCHEMA)


def test_no_rows_at_all_is_no_error(study, events):
    content = ReportContent.of(study, PROTOCOL, (), events=events.head(0))
    assert content.events.schema == pl.Schema(REPORT_EVENTS_SCHEMA)


def test_two_subjects_never_share_an_anchor():
    names = ["A 1", "A_1", "A-1", "A~1", "A/1", "Å1", "A~20~1"]
    assert len({event_anchor("death", name) for name in names}) == len(names)
    assert event_anchor("death", "A", 11) != event_anchor("death", "A-1", 1)
    assert events_anchor("renal_flare", "MMF") == "events-renal_flare-MMF"


def test_findings_do_not_tell_arms_that_are_masked(study):
    """An arm written oddly, or the drug and dose of a treatment record, would tell which arm it is."""
    sources = (Source("ex.csv", "csv", 3, "0", "EX"), Source("lb.csv", "csv", 3, "1", "LB"))
    findings = (
        Finding("unknown-arm", Severity.ERROR, "no such arm", "dm.csv", 1, "arm", "anna", "MMF 2g"),
        Finding("unknown-frequency", Severity.WARNING, "how often?", "ex.csv", 1, "EXDOSFRQ", "anna", "2x"),
        Finding("out-of-range", Severity.WARNING, "hardly", "lb.csv", 1, "value", "anna", "97 mg/dL"),
    )
    odd = Study("sample", sources=sources, tables=study.tables, findings=findings)
    shown = ReportContent.of(odd, PROTOCOL, ()).findings
    masked = ReportContent.of(odd, PROTOCOL, (), masked=True).findings
    assert [f.found for f in shown] == ["MMF 2g", "2x", "97 mg/dL"]
    assert [f.found for f in masked] == ["(masked)", "(masked)", "97 mg/dL"]
    assert [(f.file, f.row, f.code) for f in masked] == [(f.file, f.row, f.code) for f in shown]
