"""What the paper printed stands beside ours, in the same row, and never among our results."""

from __future__ import annotations

from types import MappingProxyType

from flarefree.analysis.published import beside_published
from flarefree.protocol.published import Published, PublishedCell, PublishedKey
from flarefree.results import AnalysisResult, Cell, Column, Row, Table, tidy

OURS = Cell("n_percent", {"n": 24, "percent": 20.7, "total": 116})


def result(kind: str, *rows: Row) -> AnalysisResult:
    table = Table(
        "primary", "Failure", (Column("MMF", "Mycophenolate", 116), Column("AZA", "Azathioprine", 111)), rows
    )
    return AnalysisResult("primary", "Failure", kind, "End points", tables=(table,))


def published(**cells: dict[str, str]) -> Published:
    """Cells of MMF in analysis `primary`, by their term."""
    keyed = {
        PublishedKey("primary", term, "", "", "MMF"): PublishedCell(printed, "Table 2")
        for term, printed in cells.items()
    }
    return Published("dooley2011", "Dooley 2011", MappingProxyType(keyed))


def test_a_published_number_stands_right_of_ours() -> None:
    ours = result("time_to_event", Row("Events", {"MMF": OURS, "AZA": OURS}, term="events"))
    table = beside_published(ours, published(events={"n": "19", "percent": "16.4"})).tables[0]
    assert [(c.key, c.published) for c in table.columns] == [
        ("MMF", False),
        ("MMF__published", True),
        ("AZA", False),
    ]
    assert table.rows[0].cells["MMF__published"].stats["text"] == "19 (16.4)"
    assert table.footnotes == ("As published: Dooley 2011; Table 2.",)


def test_a_table_of_which_nothing_was_printed_stays_as_it_is() -> None:
    ours = result("time_to_event", Row("Events", {"MMF": OURS}, term="events"))
    assert beside_published(ours, published(deaths={"n": "1"})).tables == ours.tables


def test_published_numbers_do_not_enter_our_results() -> None:
    ours = result("time_to_event", Row("Events", {"MMF": OURS}, term="events"))
    with_theirs = beside_published(ours, published(events={"n": "19", "percent": "16.4"}))
    assert tidy([with_theirs]).equals(tidy([ours]))


def test_a_total_is_not_taken_for_one_of_its_reasons() -> None:
    """`withdrawn` was printed as a whole; a row of one reason (a level) has nothing beside it."""
    ours = result("withdrawals", Row("Adverse event", {"MMF": OURS}, term="withdrawn", level="Adverse event"))
    assert beside_published(ours, published(withdrawn={"n": "43", "percent": "37.1"})).tables == ours.tables


def test_a_preferred_term_is_found_whatever_its_body_system() -> None:
    ours = result(
        "adverse_events", Row("Leukopenia", {"MMF": OURS}, term="Leukopenia", level="Blood disorders")
    )
    table = beside_published(ours, published(Leukopenia={"n": "0", "percent": "0"})).tables[0]
    assert table.rows[0].cells["MMF__published"].stats["text"] == "0 (0)"
