"""Tables laid out for print: marks, alignment, links, notes that follow from the signs used."""

from __future__ import annotations

import pytest
from reports_sample_content import baseline_table, failure_table

from flarefree.lineage import events_anchor
from flarefree.reports.formatting import NumberStyle
from flarefree.reports.pdf.layout import SIDEWAYS, UPRIGHT, fit_table
from flarefree.reports.tables import lay_out_table
from flarefree.results import Cell, Column, Row, Table

STYLE = NumberStyle()


def lay_out(table: Table, anchors: tuple[str, ...] = ()) -> object:
    return lay_out_table(table, 1, STYLE, anchors=anchors)


def one_row(*cells: Cell, notes: tuple[str, ...] = ()) -> Table:
    columns = tuple(Column(f"c{i}", f"Column {i}") for i in range(len(cells)))
    return Table("t", "T", columns, (Row("r", {f"c{i}": c for i, c in enumerate(cells)}),), footnotes=notes)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("113 (98.3)", "113", " (98.3)"),
        ("31.8 ± 10.6", "31", ".8 ± 10.6"),
        ("−0.35", "−0", ".35"),
        ("<0.001", "<0", ".001"),
        ("10,000.5", "10,000", ".5"),
        ("1000", "1000", ""),
        ("19/116", "19", "/116"),
    ],
)
def test_a_number_is_cut_where_its_column_is_aligned(text, before, after):
    cell = lay_out(one_row(Cell("text", {"text": text}))).rows[0].cells[0]
    assert (cell.before, cell.after, cell.is_number) == (before, after, True)


def test_a_column_of_words_is_not_aligned_on_numbers():
    table = Table(
        "t",
        "T",
        (Column("a", "A"),),
        tuple(Row(w, {"a": Cell("text", {"text": w})}) for w in ("yes", "no", "3 or more")),
    )
    assert lay_out(table).columns[0].align == "center"


def test_marks_follow_the_readers_way_and_equal_notes_share_one():
    table = Table(
        "t",
        "T",
        (Column("a", "A"), Column("b", "B")),
        (
            Row(
                "1", {"a": Cell("count", {"n": 1}, note="first"), "b": Cell("count", {"n": 2}, note="second")}
            ),
            Row("2", {"a": Cell("count", {"n": 3}, note="second"), "b": Cell("count", {"n": 4})}),
        ),
        footnotes=("General.",),
    )
    printed = lay_out(table)
    assert printed.mark == "*"
    assert [[c.mark for c in row.cells] for row in printed.rows] == [["†", "‡"], ["‡", ""]]
    assert [(n.mark, n.text) for n in printed.notes] == [("*", "General."), ("†", "first"), ("‡", "second")]


def test_after_six_notes_the_marks_are_doubled():
    cells = [Cell("count", {"n": i}, note=f"note {i}") for i in range(8)]
    assert [c.mark for c in lay_out(one_row(*cells)).rows[0].cells] == [
        "*",
        "†",
        "‡",
        "§",
        "¶",
        "‖",
        "**",
        "††",
    ]


def test_signs_that_a_table_uses_are_explained_unless_it_does_so_itself():
    mean = Cell("mean_sd", {"mean": 1.0, "sd": 2.0})
    assert lay_out(one_row(mean)).notes[0].text == "Plus–minus values are means ± SD."
    assert lay_out(one_row(mean, notes=("Values are means ±SD.",))).notes[0].text == "Values are means ±SD."
    open_limit = Cell("estimate_ci", {"estimate": 2.0, "conf_low": 1.0, "conf_high": None})
    assert "NE denotes" in lay_out(one_row(open_limit)).notes[0].text
    assert lay_out(one_row(Cell("count", {"n": 1}))).notes == ()


def test_a_row_of_geometric_means_says_so_in_a_table_of_means():
    printed = lay_out(baseline_table())
    row = next(row for row in printed.rows if row.label.startswith("Serum C3"))
    note = next(note for note in printed.notes if note.mark == row.mark)
    assert note.text == "Values are geometric means ± SD."
    assert not next(row for row in printed.rows if row.label.startswith("Weight")).mark


def test_a_cell_leads_to_its_events_only_where_they_are_listed():
    there = events_anchor("proteinuric_flare", "MMF")
    rows = lay_out(failure_table(), anchors=(there,)).rows
    assert rows[1].cells[0].href == there
    assert rows[1].cells[1].href == ""  # the list of the other arm is not in this report


def test_headings_without_numbers_span_the_table_and_begin_a_group():
    printed = lay_out(baseline_table())
    assert [row.spans for row in printed.rows][:3] == [True, False, False]
    assert [group[0].label for group in printed.groups] == [
        "Sex — no. of patients (%)",
        "eGFR category (MDRD-186) — no. of patients (%)",
    ]


def test_published_columns_are_told_apart():
    assert [column.published for column in lay_out(baseline_table()).columns] == [False, False, True, True]


def test_a_table_too_wide_for_the_page_is_set_smaller_then_sideways():
    def of(n: int) -> Table:
        cell = Cell("estimate_ci", {"estimate": 10.25, "conf_low": 1.5, "conf_high": 20.25})
        columns = tuple(Column(f"c{i}", "Hazard ratio (95% CI)", 116) for i in range(n))
        return Table("t", "T", columns, (Row("A subgroup", {c.key: cell for c in columns}),))

    fitted = [fit_table(lay_out(of(n))) for n in (3, 6, 8, 9)]
    assert [(f.size, f.sideways) for f in fitted] == [(8.5, False), (6.5, False), (8.5, True), (7.5, True)]
    for f, page in zip(fitted, (UPRIGHT, UPRIGHT, SIDEWAYS, SIDEWAYS), strict=True):
        assert sum(c.width for c in f.columns) < page


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (">=90 mL/min/1.73 m2", "≥90 mL/min/1.73 m²"),
        (">= 15 to <30", "≥15 to <30"),
        ("<=0.5 g/day", "≤0.5 g/day"),
        ("Change of -5", "Change of −5"),
        ("COVID-19, 2006-01-25, ADAS-Cog (11)", "COVID-19, 2006-01-25, ADAS-Cog (11)"),
        ("white cells/mm3", "white cells/mm³"),
    ],
)
def test_labels_are_set_as_a_journal_sets_them(written, printed):
    assert lay_out(Table("t", written, (), (Row(written, {}),))).rows[0].label == printed
    assert lay_out(Table("t", written, (), ())).title == printed


def test_an_estimate_that_does_not_exist_is_no_open_limit():
    none = Cell("estimate_ci", {"estimate": None, "conf_low": 12.0, "conf_high": None})
    assert lay_out(one_row(none)).notes == ()


def test_a_published_column_beside_ours_does_not_repeat_its_label():
    ours, theirs = Column("MMF", "Mycophenolate"), Column("MMF_p", "Mycophenolate", published=True)
    apart = Table("t", "T", (ours, Column("AZA", "Azathioprine"), theirs), ())
    assert [c.repeats for c in lay_out(Table("t", "T", (ours, theirs), ())).columns] == [False, True]
    assert [c.repeats for c in lay_out(apart).columns] == [False, False, False]
