"""The lists of events: as many lines as tables count, each with its rows or the way to them."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from reports_sample_content import sample_content

from flarefree.lineage import event_anchor, events_anchor
from flarefree.reports.content import REPORT_TIMES_SCHEMA, ReportContent
from flarefree.reports.document import EventGroup, EventList
from flarefree.reports.event_lists import event_lists


def lists(content: ReportContent) -> dict[str, EventList]:
    return {events.anchor: events for events in event_lists(content)}


def groups(content: ReportContent) -> dict[str, EventGroup]:
    return {group.anchor: group for events in event_lists(content) for group in events.groups}


def test_a_list_has_as_many_patients_of_the_tables_population_as_the_table_counts():
    content = sample_content()
    found = groups(content)
    checked = 0
    for result in content.results:
        for table in result.tables:
            for row in table.rows:
                for cell in row.cells.values():
                    if cell.link and cell.stats["n"] and cell.link in found:
                        inside = [line for line in found[cell.link].lines if not line.outside]
                        assert len(inside) == cell.stats["n"], cell.link
                        checked += 1
    assert checked == 5


def test_patients_outside_the_population_are_listed_and_said_to_be_so():
    group = groups(sample_content())[events_anchor("treatment_failure", "AZA")]
    outside = [line for line in group.lines if line.outside]
    assert [(line.subject, line.outside) for line in outside] == [
        ("005 <b>7</b>", "intention to treat population")
    ]
    assert group.counted == "3 of them in the intention to treat population"


def test_where_populations_are_not_known_nothing_is_said_of_them():
    group = groups(replace(sample_content(), populations={}))[events_anchor("treatment_failure", "AZA")]
    assert group.counted == ""
    assert {line.outside for line in group.lines} == {""}


def test_a_composites_line_leads_to_the_components_list_that_has_the_rows():
    line = groups(sample_content())[events_anchor("treatment_failure", "MMF")].lines[1]
    assert (line.subject, line.component) == ("017-004", "Proteinuric flare")
    assert line.component_href == event_anchor("proteinuric_flare", "017-004")
    assert line.places == ()
    there = {
        line.anchor: line
        for line in groups(sample_content())[events_anchor("proteinuric_flare", "MMF")].lines
    }
    assert there[line.component_href].places[0].startswith("lb.csv row 1274")


def times_of(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=REPORT_TIMES_SCHEMA, orient="row")


def test_an_event_that_no_list_of_its_own_shows_has_its_rows_in_the_composite():
    only = times_of(
        ("017-004", "MMF", "treatment_failure", 274, True, "proteinuric_flare", "committee", 0),
        ("021-002", "MMF", "proteinuric_flare", 400, True, "proteinuric_flare", "committee", 2),
    )
    line = groups(replace(sample_content(), times=only))[events_anchor("treatment_failure", "MMF")].lines[0]
    assert line.component_href == ""
    assert line.places[0].startswith("lb.csv row 1274")
    assert line.explanation.startswith("proteinuric_flare on day 274")


def test_a_composite_that_a_committee_decided_as_a_whole_has_its_own_event():
    content = sample_content()
    whole = content.events.head(1).with_columns(
        endpoint=pl.lit("treatment_failure"), episode=pl.lit(2, pl.Int32)
    )
    events = pl.concat([content.events, whole])
    times = times_of(("017-004", "MMF", "treatment_failure", 274, True, "treatment_failure", "committee", 8))
    line = groups(replace(content, events=events, times=times))[
        events_anchor("treatment_failure", "MMF")
    ].lines[0]
    assert line.anchor == event_anchor("treatment_failure", "017-004", 2)
    assert line.component == ""
    assert line.places


def test_an_event_without_rows_is_listed_all_the_same():
    times = times_of(("017-004", "MMF", "treatment_failure", 274, True, "proteinuric_flare", "derived", None))
    line = groups(replace(sample_content(), times=times))[events_anchor("treatment_failure", "MMF")].lines[0]
    assert (line.day, line.places) == ("274", ())


def test_without_any_time_to_an_endpoint_its_used_events_are_the_list():
    content = replace(sample_content(), times=times_of())
    found = groups(content)[events_anchor("proteinuric_flare", "MMF")]
    assert [line.subject for line in found.lines] == ["003-001", "017-004", "021-002"]


def test_events_that_no_list_counts_are_kept_with_their_reason():
    unused = lists(sample_content())[events_anchor("proteinuric_flare")].unused
    assert [(line.subject, line.day, line.reason) for line in unused] == [
        ("017-004", "600", "A later episode")
    ]
    only = times_of(("021-002", "MMF", "proteinuric_flare", 400, True, "proteinuric_flare", "committee", 2))
    rest = lists(replace(sample_content(), times=only))[events_anchor("proteinuric_flare")].unused
    assert len(rest) == 6
    assert {line.reason for line in rest} == {
        "A later episode",
        "Counts only where it is part of a composite",
    }


def without_arms(content: ReportContent) -> ReportContent:
    hidden = pl.lit(None, pl.String).alias("arm")
    events, times = content.events.with_columns(hidden), content.times.with_columns(hidden)
    return replace(content, events=events, times=times)


@pytest.mark.parametrize("masked", [False, True])
def test_no_anchor_stands_twice(masked):
    content = sample_content()
    if masked:
        hidden = pl.lit(None, pl.String).alias("arm")
        content = replace(
            content, events=content.events.with_columns(hidden), times=content.times.with_columns(hidden)
        )
    anchors = [
        anchor
        for events in event_lists(content)
        for anchor in (
            events.anchor,
            *(group.anchor for group in events.groups),
            *(line.anchor for group in events.groups for line in group.lines),
            *(line.anchor for line in events.unused),
        )
    ]
    assert len(anchors) == len(set(anchors))
    if masked:
        assert events_anchor("proteinuric_flare", "all") in anchors


def test_masked_lists_have_one_group_of_all_patients():
    hidden = pl.lit(None, pl.String).alias("arm")
    content = sample_content()
    content = replace(
        content, events=content.events.with_columns(hidden), times=content.times.with_columns(hidden)
    )
    assert {group.label for group in groups(content).values()} == {"All patients"}
