"""Networks that cannot be: each error names the study, the part or the nearest name."""

from __future__ import annotations

import math

import polars as pl
import pytest

from flarefree.errors import ConvergenceError, EvidenceError, NotFoundError
from flarefree.evidence.networks import additive_network, network


def arms(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["study", "treatment", "events", "n"], orient="row")


def contrasts(*rows: tuple[str, str, str, float, float]) -> pl.DataFrame:
    names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    return pl.DataFrame(rows, schema=names, orient="row")


TWO_PARTS = arms(
    ("Chan", "MMF", 5, 50),
    ("Chan", "AZA", 9, 51),
    ("Ming", "AZA", 4, 40),
    ("Ming", "CYC", 6, 42),
    ("Liu", "TAC", 3, 33),
    ("Liu", "LEF", 5, 31),
)


def test_a_network_in_two_parts_names_them() -> None:
    with pytest.raises(EvidenceError) as caught:
        network(TWO_PARTS)
    text = str(caught.value)
    assert "part 1: AZA, CYC, MMF" in text
    assert "part 2: LEF, TAC" in text
    assert "part=" in text


def test_one_part_can_be_taken() -> None:
    found = network(TWO_PARTS, part="TAC")
    assert found.treatments == ("LEF", "TAC")
    assert any("AZA" in note for note in found.notes)
    for method in ("NCH", "MH", "GLMM"):
        counts = network(TWO_PARTS, part="MMF", method=method, model="common")
        assert counts.treatments == ("AZA", "CYC", "MMF")


def test_an_unknown_reference_gets_the_nearest_name() -> None:
    with pytest.raises(NotFoundError) as caught:
        network(TWO_PARTS.head(4), reference="aza ")
    assert "reference='AZA'" in str(caught.value)


def test_a_study_of_one_arm() -> None:
    with pytest.raises(EvidenceError) as caught:
        network(pl.concat([TWO_PARTS.head(4), arms(("Alone", "MMF", 3, 20))]))
    assert "Alone" in str(caught.value)


def test_missing_comparisons_of_a_study_are_listed() -> None:
    with pytest.raises(EvidenceError) as caught:
        network(contrasts(("Bao", "A", "B", 0.1, 0.2), ("Bao", "A", "C", 0.3, 0.2)))
    assert "B v C" in str(caught.value)
    assert "Bao" in str(caught.value)


def test_comparisons_that_do_not_add_up() -> None:
    rows = [("Bao", "A", "B", 0.1, 0.2), ("Bao", "A", "C", 0.3, 0.2), ("Bao", "B", "C", 0.5, 0.2)]
    with pytest.raises(EvidenceError) as caught:
        network(contrasts(*rows))
    assert "add up" in str(caught.value)
    rounded = [("Bao", "A", "B", 0.1, 0.2), ("Bao", "A", "C", 0.3, 0.2), ("Bao", "B", "C", 0.2004, 0.2)]
    assert network(contrasts(*rounded), measure="MD").n_studies == 1


def test_standard_errors_that_no_study_has() -> None:
    """The error of B v C cannot exceed the sum of the others: 0.1 + 0.1 < 0.9."""
    rows = [("Bao", "A", "B", 0.1, 0.1), ("Bao", "A", "C", 0.3, 0.1), ("Bao", "B", "C", 0.2, 0.9)]
    with pytest.raises(EvidenceError) as caught:
        network(contrasts(*rows))
    assert "cannot belong to one study" in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"measure": "XX"}, "OR, RR"),
        ({"model": "fixed"}, "random, common"),
        ({"method": "SJ"}, "REML"),
        ({"small_values": "yes"}, "good, bad"),
        ({"conf_level": 95}, "0 to 1"),
        ({"tau2": -1.0}, "0 or more"),
        ({"measure": "MD"}, "measure='OR'"),
        ({"measure": "HR"}, "contrast rows"),
        ({"method": "MH"}, "model='common'"),
        ({"method": "MH", "model": "common", "measure": "RR"}, "measure='OR'"),
        ({"method": "GLMM", "measure": "RR"}, "measure='IRR'"),
    ],
)
def test_what_is_asked_must_exist(asked: dict, words: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        network(TWO_PARTS.head(4), **asked)
    assert words in str(caught.value)


def test_counts_need_arms() -> None:
    with pytest.raises(EvidenceError) as caught:
        network(contrasts(("s", "A", "B", 0.1, 0.2)), method="GLMM")
    assert "arm rows" in str(caught.value)


def test_a_treatment_without_events_has_no_finite_odds() -> None:
    data = arms(("1", "A", 0, 30), ("1", "B", 4, 30), ("2", "B", 3, 40), ("2", "C", 5, 41))
    for method in ("NCH", "GLMM"):
        with pytest.raises(ConvergenceError):
            network(data, method=method, model="common")
    left = network(data, method="MH", model="common")
    assert left.treatments == ("B", "C")
    assert any("no odds of A" in note for note in left.notes)
    assert network(data).treatments == ("A", "B", "C")


def test_no_events_at_all() -> None:
    data = arms(("1", "A", 0, 30), ("1", "B", 0, 30))
    for method in ("DL", "GLMM"):
        with pytest.raises(EvidenceError):
            network(data, method=method)


def test_models_of_counts_have_no_contrasts() -> None:
    found = network(TWO_PARTS.head(4), method="GLMM", model="common")
    with pytest.raises(EvidenceError) as caught:
        found.splits()
    assert "method='DL'" in str(caught.value)
    with pytest.raises(EvidenceError):
        found.effects_under("random")


def test_components_that_no_study_tells_apart_have_no_number() -> None:
    """A and B come only together: their sum is known, neither of them is."""
    data = contrasts(("1", "A + B", "placebo", 1.0, 0.5), ("2", "C", "placebo", 2.0, 0.5))
    found = additive_network(data, measure="MD", inactive="placebo")
    assert found.components == ("A", "B", "C")
    assert [math.isnan(v) for v in found.estimate] == [True, True, False]
    assert found.estimate[2] == pytest.approx(2.0)
    assert found.effects["C", "A + B"] == pytest.approx(1.0)
    with pytest.raises(EvidenceError):
        additive_network(contrasts(("1", "A + B", "B + A", 1.0, 0.5)), measure="MD")


def test_an_order_must_hold_every_treatment_once() -> None:
    found = network(TWO_PARTS.head(4))
    with pytest.raises(EvidenceError):
        found.funnel(["AZA", "CYC"])
    for order in (5, "AZA", ["AZA", 5]):
        with pytest.raises(EvidenceError, match="an order is a list of treatments"):
            found.funnel(order)
    with pytest.raises(NotFoundError):
        found.league(order=["AZA", "CYC", "MNF"])


def test_worksheet_ranges_and_judgments() -> None:
    found = network(TWO_PARTS.head(4), reference="AZA")
    with pytest.raises(EvidenceError):
        found.worksheet(equivalence=(1.1, 1.3))
    with pytest.raises(NotFoundError) as caught:
        found.worksheet(risk_of_bias={"Chan": "low"})
    assert "Ming" in str(caught.value)


def test_no_net_heat_without_a_loop() -> None:
    with pytest.raises(EvidenceError):
        network(TWO_PARTS.head(4)).plot("net_heat")
    with pytest.raises(EvidenceError) as caught:
        network(TWO_PARTS.head(4)).plot("pie")
    assert "rankogram" in str(caught.value)


def test_one_study_of_two_arms_is_a_network() -> None:
    """Nothing to estimate heterogeneity from: said, not invented."""
    found = network(arms(("1", "A", 3, 30), ("1", "B", 6, 30)))
    assert math.isnan(found.heterogeneity.tau2)
    assert found.tau2 == 0.0
    assert "cannot be estimated" in repr(found)
    assert found.league().height == 2
    assert found.tidy().height == 2
