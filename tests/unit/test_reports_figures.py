"""Figures: what is drawn where, that words stay words, that nothing is cut off or collides."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import polars as pl
import pytest
from reports_sample import (
    ARMS,
    bars_figure,
    course_figure,
    flow_figure,
    forest_figure,
    kaplan_meier_figure,
    subject_figure,
)
from reports_sample_content import SPEC

from flarefree.errors import FlarefreeError
from flarefree.reports.figures import Palette, describe_figure, figure_data, render_figure
from flarefree.reports.figures.axes import log_ticks, round_ticks, ticks_every
from flarefree.reports.figures.drawing import DOUBLE_COLUMN, SINGLE_COLUMN, TEXT
from flarefree.reports.figures.type_widths import text_width, wrap_text
from flarefree.results import Figure

PALETTE = Palette.of(SPEC)
THREE = {"HIGH": "Xanomeline high dose", "LOW": "Xanomeline low dose", "PBO": "Placebo"}
SVG = "{http://www.w3.org/2000/svg}"

FIGURES = {
    "curves": kaplan_meier_figure(),
    "curves with limits": kaplan_meier_figure(band=True),
    "curves in one column": kaplan_meier_figure(width="single"),
    "three curves": kaplan_meier_figure({"HIGH": 0.6, "LOW": 0.68, "PBO": 0.2}, THREE),
    "curves on each other": kaplan_meier_figure({"HIGH": 0.2, "LOW": 0.2, "PBO": 0.2}, THREE),
    "one curve": kaplan_meier_figure({"MMF": 0.1}),
    "forest": forest_figure(),
    "flow": flow_figure(),
    "flow of three arms": flow_figure(THREE),
    "course": course_figure(),
    "course of three arms": course_figure(THREE),
    "bars": bars_figure(),
    "subject": subject_figure(),
}


def drawn(figure: Figure) -> ET.Element:
    return ET.fromstring(render_figure(figure, PALETTE))


def words(figure: Figure) -> list[str]:
    return ["".join(e.itertext()) for e in drawn(figure).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_wide_as_a_journals_column_and_all_its_words_are_text_of_one_size(name):
    root = drawn(FIGURES[name])
    column = SINGLE_COLUMN if "one column" in name else DOUBLE_COLUMN
    assert float(root.get("viewBox").split()[2]) == pytest.approx(column, abs=0.1)
    assert root.get("font-size") == "8"
    texts = list(root.iter(f"{SVG}text"))
    assert texts
    assert {t.get("font-size") for t in texts} == {None}


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_leaves_the_paper(name):
    root = drawn(FIGURES[name])
    _, _, width, height = (float(v) for v in root.get("viewBox").split())
    for element, dx, dy in placed_texts(root):
        text, x, y = "".join(element.itertext()), float(element.get("x")) + dx, float(element.get("y")) + dy
        wide = text_width(text, TEXT, bold=element.get("font-weight") == "700")
        before = {None: 0.0, "middle": wide / 2, "end": wide}[element.get("text-anchor")]
        if element.get("transform"):
            assert 0 <= x <= width
            assert y - wide / 2 >= -1
            assert y + wide / 2 <= height + 1
        else:
            assert x - before >= -0.6, text
            assert x - before + wide <= width + 3, text
            assert TEXT * 0.5 <= y <= height, text


@pytest.mark.parametrize("name", FIGURES)
def test_no_two_words_overlap(name):
    boxes = []
    for element, dx, dy in placed_texts(drawn(FIGURES[name])):
        if element.get("transform"):
            continue
        text = "".join(element.itertext())
        wide = text_width(text, TEXT, bold=element.get("font-weight") == "700")
        left = (
            float(element.get("x"))
            + dx
            - {None: 0.0, "middle": wide / 2, "end": wide}[element.get("text-anchor")]
        )
        boxes.append((text, left, left + wide, float(element.get("y")) + dy))
    for i, (text, left, right, y) in enumerate(boxes):
        for other, left2, right2, y2 in boxes[i + 1 :]:
            assert not (abs(y - y2) < TEXT * 0.7 and left < right2 - 0.5 and left2 < right - 0.5), (
                text,
                other,
            )


def placed_texts(element: ET.Element, dx: float = 0.0, dy: float = 0.0):
    """Every text with how far its group was moved."""
    moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform") or "")
    if moved:
        dx, dy = dx + float(moved[1]), dy + float(moved[2])
    for child in element:
        if child.tag == f"{SVG}text":
            yield child, dx, dy
        else:
            yield from placed_texts(child, dx, dy)


@pytest.mark.parametrize("name", FIGURES)
def test_two_drawings_of_a_figure_are_the_same_bytes(name):
    assert render_figure(FIGURES[name], PALETTE) == render_figure(FIGURES[name], PALETTE)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_in_words_what_it_shows(name):
    root = drawn(FIGURES[name])
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == FIGURES[name].title
    assert len(root.find(f"{SVG}desc").text) > 30


def test_words_of_patients_cannot_become_markup():
    figure = kaplan_meier_figure(
        labels={"MMF": "</text><script>alert(1)</script>", "AZA": 'a" onload="x\x00'}
    )
    svg = render_figure(replace(figure, title="Half a pair \ud800 <b>"), PALETTE)
    root = ET.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in svg
    assert root.find(f"{SVG}title").text == "Half a pair \ufffd <b>"
    assert "onload" not in {key for e in root.iter() for key in e.attrib}


# Kaplan-Meier --------------------------------------------------------------------------------------


def flat_curve(**more: object) -> Figure:
    main = pl.DataFrame(
        {"group": ["MMF"] * 2, "label": ["Mycophenolate"] * 2, "time": [6.0, 12.0], "estimate": [0.5, 0.25]}
    )
    return Figure("km", "T", "kaplan_meier", {"main": main}, x_label="Months", y_label="Share", **more)


def test_a_curve_begins_at_1_and_falls_in_steps():
    path = next(e for e in drawn(flat_curve()).iter(f"{SVG}path") if e.get("stroke") == PALETTE.arms["MMF"])
    commands = re.findall(r"[MHV][-\d. ]+", path.get("d"))
    assert [c[0] for c in commands] == ["M", "H", "V", "H", "V"]
    top, half, quarter = float(commands[0].split()[1]), float(commands[2][1:]), float(commands[4][1:])
    assert half - top == pytest.approx((quarter - top) / 1.5, abs=0.02)


def test_a_cumulative_curve_begins_at_0():
    path = next(
        e
        for e in drawn(flat_curve(options={"curve_shows": "cumulative"})).iter(f"{SVG}path")
        if e.get("stroke") == PALETTE.arms["MMF"]
    )
    bottom = float(re.findall(r"[MHV][-\d. ]+", path.get("d"))[0].split()[1])
    axis = max(
        float(e.get("y1")) for e in drawn(flat_curve()).iter(f"{SVG}line") if e.get("y1") == e.get("y2")
    )
    assert bottom == pytest.approx(axis, abs=0.05)


def test_numbers_at_risk_stand_under_their_ticks():
    root = drawn(kaplan_meier_figure())
    ticks = {e.text: float(e.get("x")) for e in root.iter(f"{SVG}text") if e.text in {"0", "6", "12", "36"}}
    numbers = {
        (e.text, round(float(e.get("x")), 2))
        for e in root.iter(f"{SVG}text")
        if e.get("text-anchor") == "middle"
    }
    assert ("116", round(ticks["0"], 2)) in numbers
    assert ("111", round(ticks["0"], 2)) in numbers


def test_curves_are_named_beside_them_in_their_color_and_there_is_no_legend_box():
    root = drawn(kaplan_meier_figure())
    for arm, label in ARMS.items():
        named = [e for e in root.iter(f"{SVG}text") if e.text == label and e.get("font-weight") == "700"]
        assert [e.get("fill") for e in named] == [PALETTE.arms[arm]]
    assert not list(root.iter(f"{SVG}rect"))


def test_what_stands_beside_curves_is_made_from_the_effects_as_given():
    effects = pl.DataFrame(
        {
            "group": ["MMF_vs_AZA"],
            "label": ["MMF v AZA"],
            "estimate": [0.4396],
            "conf_low": [0.25],
            "conf_high": [0.7702],
            "p_value": [0.0031],
            "p_method": ["log-rank"],
        }
    )
    base = flat_curve()
    figure = Figure("km", "T", "kaplan_meier", {**base.data, "effects": effects})
    assert {"Hazard ratio, 0.44 (95% CI, 0.25 to 0.77)", "P=0.003 by log-rank test"} <= set(words(figure))
    two = pl.concat([effects, effects.with_columns(label=pl.lit("Low v placebo"), p_value=pl.lit(0.00001))])
    found = words(Figure("km", "T", "kaplan_meier", {**base.data, "effects": two}))
    assert "Low v placebo: hazard ratio, 0.44 (95% CI, 0.25 to 0.77); P<0.001 by log-rank test" in " ".join(
        found
    )


def test_a_group_without_events_and_an_empty_figure_can_be_drawn():
    empty = pl.DataFrame(
        schema={"group": pl.String, "label": pl.String, "time": pl.Float64, "estimate": pl.Float64}
    )
    assert "<svg" in render_figure(Figure("e", "Empty", "kaplan_meier", {"main": empty}), PALETTE)
    flat = empty.vstack(pl.DataFrame({"group": ["MMF"], "label": ["M"], "time": [0.0], "estimate": [1.0]}))
    assert "<svg" in render_figure(Figure("f", "Flat", "kaplan_meier", {"main": flat}), PALETTE)


# Forest --------------------------------------------------------------------------------------------


def test_a_forest_row_shows_counts_rate_ratio_and_the_interactions_p():
    found = words(forest_figure())
    assert {"19/116 (7.2)", "36/111 (16.9)", "0.44\u00a0(0.25\u00a0to\u00a00.77)", "0.047", "P for"} <= set(
        found
    )
    assert "—" in found  # the subgroup without events in an arm


def test_squares_have_areas_in_proportion_to_events_and_wide_limits_end_in_arrows():
    root = drawn(forest_figure())
    sides = [float(e.get("width")) for e in root.iter(f"{SVG}rect")]
    assert len(sides) == 9  # every row with an estimate but the whole trial's, which is a diamond
    assert max(sides) / min(sides) > 1.3
    favors, clipped, diamonds = 2, 2, 1
    assert len(list(root.iter(f"{SVG}polygon"))) == favors + clipped + diamonds


def test_each_comparison_has_a_plot_of_its_two_arms():
    rows = [
        {
            "comparison": f"{arm}_vs_PBO",
            "term": "all",
            "label": "All patients",
            "is_header": False,
            "estimate": 0.5,
            "conf_low": 0.25,
            "conf_high": 1.0,
            "events_PBO": 9,
            "n_PBO": 80,
            "rate_PBO": 5.0,
            "events_HIGH": 3,
            "n_HIGH": 80,
            "rate_HIGH": 2.0,
            "events_LOW": 4,
            "n_LOW": 81,
            "rate_LOW": 2.5,
        }
        for arm in ("HIGH", "LOW")
    ]
    found = words(
        Figure(
            "f",
            "T",
            "forest",
            {"main": pl.DataFrame(rows)},
            options={
                "arms": THREE,
                "comparisons": {"HIGH_vs_PBO": "High v placebo", "LOW_vs_PBO": "Low v placebo"},
                "favors": {
                    "HIGH_vs_PBO": (THREE["HIGH"], THREE["PBO"]),
                    "LOW_vs_PBO": (THREE["LOW"], THREE["PBO"]),
                },
            },
        )
    )
    assert found.count("9/80 (5.0)") == 2
    assert found.count("3/80 (2.0)") == found.count("4/81 (2.5)") == 1
    assert {"High v placebo", "Low v placebo"} <= set(found)
    assert "Placebo better" in " ".join(found)


def test_a_difference_is_drawn_on_a_plain_axis_around_0():
    main = pl.DataFrame({"label": ["Change"], "estimate": [-1.5], "conf_low": [-3.0], "conf_high": [0.2]})
    found = words(Figure("d", "T", "forest", {"main": main}, x_label="Difference", options={"null": 0.0}))
    assert {"−3", "0", "1"} <= set(found)


# Flow, courses, bars -------------------------------------------------------------------------------


def test_boxes_of_a_stage_stand_level_in_all_arms():
    root = drawn(flow_figure(THREE))
    heads = [e for e in root.iter(f"{SVG}text") if (e.text or "").startswith("Completed")]
    assert len(heads) == 3
    assert len({e.get("y") for e in heads}) == 1


def test_a_flow_of_masked_arms_has_one_column():
    found = words(flow_figure({"all": "All patients"}))
    assert sum(text.startswith("Analyzed") for text in found) == 1


def test_details_may_be_a_list_or_lines():
    rows = {"id": ["a"], "label": ["Assessed"], "n": [3]}
    lines = Figure("f", "T", "flow", {"main": pl.DataFrame({**rows, "lines": ["One (n=1)\nTwo (n=2)"]})})
    listed = Figure(
        "f", "T", "flow", {"main": pl.DataFrame({**rows, "details": [["One (n=1)", "Two (n=2)"]]})}
    )
    assert words(lines) == words(listed) == ["Assessed (n=3)", "One (n=1)", "Two (n=2)"]


def test_arms_of_a_course_are_told_apart_without_color():
    root = drawn(course_figure())
    assert len(list(root.iter(f"{SVG}circle"))) > 60
    assert len(list(root.iter(f"{SVG}rect"))) > 60


def test_bars_are_as_high_as_their_percentages():
    root = drawn(bars_figure())
    heights = [
        float(e.get("height"))
        for e in root.iter(f"{SVG}rect")
        if e.get("fill") == PALETTE.arms["MMF"] and float(e.get("height")) > 10
    ]
    assert heights[0] / heights[2] == pytest.approx((41 / 108) / (55 / 90), rel=0.001)


def test_a_missing_column_is_named():
    with pytest.raises(FlarefreeError, match="cannot be drawn") as error:
        render_figure(Figure("k", "T", "kaplan_meier", {"main": pl.DataFrame({"time": [1.0]})}), PALETTE)
    assert error.value.expected == "group, time, estimate"


# Data, colors, axes --------------------------------------------------------------------------------


def test_the_data_of_a_figure_are_its_main_frame_with_lists_as_text():
    figure = Figure("f", "T", "flow", {"main": pl.DataFrame({"id": ["a"], "details": [["x", "y"]]})})
    assert figure_data(figure).to_dicts() == [{"id": "a", "details": "x; y"}]


def test_an_arm_has_the_protocols_color_if_it_is_one_and_ours_if_it_is_not():
    colors = {"MMF": "#123456", "AZA": 'red" onload="x'}
    spec = SPEC.model_copy(update={"report": SPEC.report.model_copy(update={"colors": colors})})
    palette = Palette.of(spec)
    assert palette.of_group("MMF") == "#123456"
    assert palette.of_group("AZA") == Palette.of(SPEC).of_group("AZA")
    assert palette.on_dark()["#123456"] == "#8899aa"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.25, 2.0, [0.25, 0.5, 1.0, 2.0]),
        (0.3, 1.5, [0.25, 0.5, 1.0, 2.0]),
        (0.03, 8, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]),
    ],
)
def test_a_log_axis_has_round_ticks_that_enclose_its_values(low, high, ticks):
    assert log_ticks(low, high) == ticks


def test_ticks_of_a_plain_axis_enclose_its_values_and_do_not_crowd():
    assert round_ticks(0.13, 0.87) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert round_ticks(5.0, 5.0)[0] < 5.0 < round_ticks(5.0, 5.0)[-1]
    assert ticks_every(35.2, 6) == [0, 6, 12, 18, 24, 30, 36]
    assert len(ticks_every(1100, 6)) <= 15


def test_lines_are_broken_at_spaces_within_their_width():
    lines = wrap_text("Mycophenolate mofetil and tacrolimus", 8.0, 80.0)
    assert " ".join(lines) == "Mycophenolate mofetil and tacrolimus"
    assert all(text_width(line, 8.0) <= 80.0 for line in lines)


def test_describing_a_figure_uses_its_given_numbers():
    assert "Mycophenolate: 0.250 at 12.0 months" in describe_figure(flat_curve())


def test_groups_stand_in_the_protocols_order_whatever_order_their_rows_have():
    figure = kaplan_meier_figure()
    backwards = replace(figure, data={name: frame.reverse() for name, frame in figure.data.items()})
    rows = [text for text in words(backwards) if text in ARMS.values()]
    assert rows[-2:] == list(ARMS.values())  # the rows of numbers at risk


def test_a_last_visit_a_few_days_late_asks_for_no_further_tick():
    assert ticks_every(36.3, 6)[-1] == 36
    assert ticks_every(38.0, 6)[-1] == 42


def test_a_word_that_all_visits_share_is_said_once():
    found = words(bars_figure())
    assert {"6", "12", "24", "36", "Month"} <= set(found)
    assert "Month 6" not in found


def test_labels_are_typeset():
    figure = replace(bars_figure(), y_label="eGFR >=90 mL/min/1.73 m2")
    assert "eGFR ≥90 mL/min/1.73 m²" in words(figure)
