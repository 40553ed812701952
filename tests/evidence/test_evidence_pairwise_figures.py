"""Figures of pooled results: their data, and that each draws with its words inside its edges."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from flarefree.errors import EvidenceError, OutputError
from flarefree.evidence.pooling import pairwise
from flarefree.reports.figures.type_widths import text_width

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "meta_analysis"


def made(*columns: str) -> list[dict]:
    names = {
        "events": ("ai", "ci"),
        "n": ("n1i", "n2i"),
        "person_time": ("t1i", "t2i"),
        "mean": ("m1i", "m2i"),
        "sd": ("sd1i", "sd2i"),
    }
    return [
        {"study": r["study"], "treatment": arm, "year": r["year"], "site": r["site"], "dose": r["dose"]}
        | {c: r[names[c][i]] for c in columns}
        for r in pl.read_csv(FOLDER / "pairwise_made.csv").iter_rows(named=True)
        for i, arm in enumerate(("mycophenolate mofetil", "azathioprine"))
    ]


def words(svg: str) -> list[tuple[float, float, str, str]]:
    """x, y, anchor and text of each word that is not turned; drawings within drawings are not used here."""
    root = ElementTree.fromstring(svg)
    found = []
    for node in root.iter("{http://www.w3.org/2000/svg}text"):
        if "transform" not in node.attrib:
            found.append(
                (
                    float(node.get("x")),
                    float(node.get("y")),
                    node.get("text-anchor", "start"),
                    node.text or "",
                )
            )
    return found


def check_inside(svg: str) -> None:
    """No word leaves the sheet."""
    width, height = (float(v) for v in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    for x, y, anchor, text in words(svg):
        size = text_width(text, 8.0)
        left = {"start": x, "middle": x - size / 2, "end": x - size}[anchor]
        assert left >= -1.0 and left + size <= width + 1.0, text
        assert 0 < y <= height, text


CALLS = {
    "counts": lambda: pairwise(made("events", "n"), hartung_knapp=True).plot(),
    "rates": lambda: pairwise(made("events", "person_time"), measure="IRR").plot(),
    "differences": lambda: pairwise(made("events", "n"), measure="RD").plot(),
    "means": lambda: pairwise(made("mean", "sd", "n"), measure="MD").plot(sort="weight"),
    "mantel_haenszel": lambda: pairwise(made("events", "n"), measure="OR", method="MH").plot(),
    "mixed": lambda: pairwise(made("events", "n"), measure="OR", method="CM.EL").plot(),
    "exact": lambda: pairwise(made("events", "n"), measure="OR", method="EXACT").plot(),
    "funnel": lambda: pairwise(made("events", "n")).plot("funnel", contours=True),
    "filled": lambda: pairwise(made("mean", "sd", "n"), measure="MD", method="common").plot(
        "funnel", filled=True
    ),
    "bubble": lambda: pairwise(made("events", "n"), moderators="dose").plot("bubble"),
    "cumulative": lambda: pairwise(made("events", "n")).plot("cumulative", order="year"),
    "leave_one_out": lambda: pairwise(made("events", "n")).plot("leave_one_out"),
    "subgroups": lambda: pairwise(made("events", "n")).plot("subgroups", by="site"),
    "sequential": lambda: pairwise(made("events", "n")).plot("sequential", effect=0.6, order="year"),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_figure_draws_within_its_sheet_and_the_same_twice(name: str) -> None:
    svg = CALLS[name]()._repr_svg_()
    check_inside(svg)
    assert svg == CALLS[name]()._repr_svg_()
    assert "nan" not in svg.lower().replace("finance", "")


def test_a_forest_holds_each_trials_counts_and_the_pooled_line() -> None:
    result = pairwise(made("events", "n"), hartung_knapp=True)
    figure = result.plot("forest")
    texts = [text for *_, text in words(figure._repr_svg_())]
    assert "12/116" in texts and "19/111" in texts  # Adams
    assert "159/1319" in texts and "221/1279" in texts  # the totals of all ten trials
    pooled = f"{result.estimate:.2f} ({result.conf_low:.2f} to {result.conf_high:.2f})"
    assert pooled in texts
    assert "Prediction interval" in texts
    assert any(text.startswith("Heterogeneity: Q = ") for text in texts)
    assert any("0.5 added to each cell" in text for text in texts)
    assert figure.data["main"].height == 12


def test_a_subgroup_forest_has_weights_of_the_whole() -> None:
    figure = pairwise(made("events", "n")).plot("subgroups", by="site")
    main = figure.data["main"]
    assert main.filter(pl.col("kind") == "trial")["weight_percent"].sum() == pytest.approx(100.0)
    subtotals = main.filter(pl.col("label") == "Subtotal")["weight_percent"]
    assert subtotals.sum() == pytest.approx(100.0)
    assert subtotals.len() == 3


def test_an_interval_beyond_the_axis_ends_in_an_arrow_and_a_limit_is_not_a_number_of_ten_digits() -> None:
    rows = {
        "study": ["Chan", "Wu", "Lee"],
        "treatment_1": ["MMF"] * 3,
        "treatment_2": ["CYC"] * 3,
        "estimate": [-0.3, 0.1, -5.0],
        "std_error": [0.2, 0.3, 2.0],
    }
    svg = pairwise(rows, measure="HR", method="HE").plot()._repr_svg_()
    assert "polygon" in svg
    assert any(">9999" in text for *_, text in words(svg))


def test_a_figure_saves_as_svg_and_html_and_nothing_else(tmp_path) -> None:
    figure = CALLS["counts"]()
    assert figure.save(tmp_path / "forest.svg").read_text().startswith("<svg")
    page = figure.save(tmp_path / "forest.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "<svg" in page
    with pytest.raises(OutputError, match=r"\.svg or \.html"):
        figure.save(tmp_path / "forest.png")
    with pytest.raises(OutputError, match="cannot be written"):
        figure.save(tmp_path / "no such folder" / "forest.svg")


def test_a_figure_that_does_not_exist_says_which_do() -> None:
    with pytest.raises(EvidenceError, match="funnel"):
        pairwise(made("events", "n")).plot("violin")
    with pytest.raises(EvidenceError, match="bubble"):
        pairwise(made("events", "n"), moderators="dose").plot("forest")
    with pytest.raises(EvidenceError, match="moderators"):
        pairwise(made("events", "n")).plot("bubble")


def test_tidy_has_a_row_a_trial_the_pooled_and_the_prediction() -> None:
    result = pairwise(made("events", "n"))
    tidy = result.tidy()
    assert tidy["kind"].to_list() == ["trial"] * 10 + ["pooled", "prediction"]
    pooled = tidy.row(10, named=True)
    assert pooled["estimate"] == pytest.approx(result.estimate)
    assert pooled["log_estimate"] == pytest.approx(math.log(result.estimate))
    assert tidy["weight_percent"][:10].sum() == pytest.approx(100.0)
    assert result.glance()["tau2"][0] == pytest.approx(result.tau2)
    assert pairwise(made("events", "n"), moderators="dose").tidy()["term"].to_list() == [
        "(Intercept)",
        "dose",
    ]


def test_a_sequential_figure_without_the_effect_to_find_says_what_to_give() -> None:
    with pytest.raises(EvidenceError) as error:
        pairwise(made("events", "n")).plot("sequential")
    assert error.value.try_ == 'plot("sequential", effect=0.8)'
