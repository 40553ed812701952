"""A network's tables, worksheet and figures: what stands where, and that it is what was computed."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.networks import Network, network
from flarefree.evidence.networks.counts.mantel_haenszel import _pool
from flarefree.reports.figures.drawing import DOUBLE_COLUMN
from flarefree.reports.figures.palette import INK, MUTED
from flarefree.reports.figures.type_widths import text_width

ROWS = [
    ("Aker", "placebo", 10, 100),
    ("Aker", "low", 14, 98),
    ("Aker", "high", 25, 101),
    ("Berg", "placebo", 7, 60),
    ("Berg", "high", 15, 63),
    ("Cole", "low", 12, 80),
    ("Cole", "high", 13, 82),
    ("Dahl", "placebo", 4, 40),
    ("Dahl", "other", 9, 41),
    ("Eide", "other", 20, 90),
    ("Eide", "high", 18, 88),
]
KINDS = ["network", "forest", "rankogram", "net_heat", "funnel", "league"]


@pytest.fixture(scope="module")
def found() -> Network:
    data = pl.DataFrame(ROWS, schema=["study", "treatment", "events", "n"], orient="row")
    return network(data, reference="placebo", tau2=0.05)


def test_tidy_has_a_row_a_pair_and_model_with_the_reference_second(found: Network) -> None:
    frame = found.tidy()
    assert frame.height == 2 * 6
    row = frame.row(
        by_predicate=(pl.col("model") == "random")
        & (pl.col("treatment_1") == "low")
        & (pl.col("treatment_2") == "placebo"),
        named=True,
    )
    assert row["estimate"] == pytest.approx(found.random["low", "placebo"])
    assert row["n_studies"] == 1
    assert "placebo" not in frame["treatment_1"]
    ratios = found.tidy(model="random", exponentiate=True)
    logs = found.tidy(model="random")
    np.testing.assert_allclose(ratios["conf_low"], np.exp(logs["conf_low"]))


def test_league_reads_from_the_better_treatment(found: Network) -> None:
    """Below the diagonal column v row, above it row v column: always the better one first."""
    league = found.league(digits=4)
    order = league["treatment"].to_list()
    assert order == found.ranking()["treatment"].to_list()
    worst, best = order[-1], order[0]
    text = league.filter(pl.col("treatment") == worst)[best].item()
    effects, i, j = found.random, found.treatments.index(best), found.treatments.index(worst)
    shown = tuple(math.exp(m[i, j]) for m in (effects.estimate, effects.conf_low, effects.conf_high))
    assert text == "{:.4f} ({:.4f} to {:.4f})".format(*shown)
    above = league.filter(pl.col("treatment") == best)[worst].item()
    direct = found.direct_evidence()
    assert above == "" or above.startswith(f"{math.exp(direct.estimate[i, j]):.4f}")
    assert league.filter(pl.col("treatment") == best)[best].item() == best


def test_ranking_follows_what_is_good(found: Network) -> None:
    """Events are bad here: placebo, with the fewest, comes first; told otherwise, it comes last."""
    assert found.ranking()["treatment"][0] == "placebo"
    data = pl.DataFrame(ROWS, schema=["study", "treatment", "events", "n"], orient="row")
    assert network(data, small_values="bad").ranking()["treatment"].to_list()[-1] == "placebo"


def test_worksheet_fills_in_what_follows_from_numbers(found: Network) -> None:
    """Imprecision by the steps of the interval; bias by contributions; the rest to be judged."""
    judged = {s.name: "high" if s.name == "Aker" else "low" for s in found.studies}
    sheet = found.worksheet(equivalence=1.25, risk_of_bias=judged)
    assert sheet.height == 6
    assert set(sheet["confidence"]) == {""}
    assert set(sheet["reporting_bias"]) == {""}
    for row in sheet.iter_rows(named=True):
        i, j = (found.treatments.index(row[f"treatment_{k}"]) for k in (1, 2))
        low, high = found.random.conf_low[i, j], found.random.conf_high[i, j]
        if found.random.estimate[i, j] < 0:
            low, high = -high, -low
        expected = "no" if low >= 0 else "some" if low >= -math.log(1.25) else "major"
        assert row["imprecision"] == f"{expected} concerns"
    shares = found.study_contributions().filter(study="Aker")
    for row in sheet.iter_rows(named=True):
        share = shares.filter(
            pl.col("treatment_1").is_in([row["treatment_1"], row["treatment_2"]])
            & pl.col("treatment_2").is_in([row["treatment_1"], row["treatment_2"]])
        )["share"].item()
        assert f"mean risk of bias by contribution {1 + 2 * share:.2f}" in row["within_study_bias_rule"]
    open_sheet = found.worksheet()
    assert set(open_sheet["imprecision"]) == {""}


def test_worksheet_of_disagreeing_evidence() -> None:
    """Direct and indirect intervals on either side of the range share no area: major concerns."""
    names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    rows = [("1", "B", "A", 1.0, 0.1), ("2", "C", "A", 0.0, 0.1), ("3", "C", "B", 1.0, 0.1)]
    wild = network(pl.DataFrame(rows, schema=names, orient="row"), measure="MD", model="common")
    sheet = wild.worksheet(equivalence=0.3)
    assert set(sheet["incoherence"]) == {"major concerns"}
    rows[2] = ("3", "C", "B", -1.0, 0.1)
    calm = network(pl.DataFrame(rows, schema=names, orient="row"), measure="MD", model="common")
    assert set(calm.worksheet(equivalence=0.3)["incoherence"]) == {"no concerns"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_drawn_the_same_each_time(found: Network, kind: str) -> None:
    one, two = (found.plot(kind)._repr_svg_() for _ in range(2))
    assert one == two
    root = ET.fromstring(one)
    words = ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    assert width > 100
    assert height > 100
    if kind in ("network", "rankogram", "league"):
        assert {"placebo", "low", "high", "other"} <= set(words)
    for shape in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(shape.attrib["cx"]) <= width
        assert 0 <= float(shape.attrib["cy"]) <= height


def test_forest_with_its_splits(found: Network) -> None:
    """A heading a treatment with the network's estimate, direct and indirect below it."""
    main = found.plot("forest", split=True).data["main"]
    heads = main.filter("is_header")
    assert set(heads["label"]) == {"low", "high", "other"}
    assert main.filter(pl.col("label").str.starts_with("direct")).height == 3
    low = heads.filter(label="low")["estimate"].item()
    assert low == pytest.approx(math.exp(found.random["low", "placebo"]))


def test_repr_tells_what_matters(found: Network) -> None:
    text = repr(found)
    for words in (
        "5 studies, 843 patients, 4 treatments",
        "Odds ratio, random effects",
        "v placebo",
        "between",
    ):
        assert words in text


def test_covariances_of_mantel_haenszel_odds_hold_in_sparse_strata() -> None:
    """400 networks' worth of 25 small three-arm studies: spread of the estimates against our variances."""
    rng = np.random.default_rng(11)
    n = np.array([9, 8, 10])
    estimates, spreads = [], []
    for _ in range(400):
        p = 1 / (1 + np.exp(-(rng.normal(-1.5, 0.5, 25)[:, None] + np.array([0.0, 0.5, 1.0]))))
        a = rng.binomial(n, p).astype(float)
        pooled = _pool(a, n - a)
        assert pooled is not None
        effect, covariance = pooled
        estimates.append([effect[1] - effect[0], effect[2] - effect[0]])
        contrast = np.array([[-1, 1, 0], [-1, 0, 1]])
        spreads.append(contrast @ covariance @ contrast.T)
    seen, told = np.cov(np.array(estimates).T), np.mean(spreads, axis=0)
    # 400 draws know a variance to some 7%; a wrong sign or a missing term is off by far more
    np.testing.assert_allclose(told, seen, rtol=0.22)


def test_direct_and_indirect_parts_are_gray_and_leave_room_at_the_right(found: Network) -> None:
    figure = found.plot("forest", split=True)
    main = figure.data["main"]
    assert main["is_part"].to_list() == [not head for head in main["is_header"].to_list()]
    assert figure.footnotes[0].endswith("gray: what they are made of")
    assert "gray" not in found.plot("forest").footnotes[0]
    svg = figure._repr_svg_()
    squares = re.findall(r'<rect [^>]*fill="(#[0-9a-f]+)"', svg)
    assert set(squares) == {INK, MUTED}
    # Digits of Times, to which viewers fall back, are 7% wider than those of the type that was measured.
    for x, text in re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="middle">(\d[^<]*\))<', svg):
        assert float(x) + 1.07 * text_width(text, 8.0) / 2 < DOUBLE_COLUMN
