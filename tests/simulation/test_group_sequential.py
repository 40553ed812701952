"""Boundaries of interim looks: published ones, an independent integration in R, exact special cases."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from flarefree.errors import StatsError
from flarefree.stats.group_sequential import (
    compute_boundaries,
    crossing_probabilities,
    last_boundary,
)

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "group_sequential" / "mvtnorm.json").read_text("utf-8")
)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # [reboussin2000], two-sided 0.05
        ("obrien-fleming", (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ("pocock", (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_lan_demets_boundaries_of_five_even_looks_are_the_published_ones(spending, published) -> None:
    assert compute_boundaries(FIFTHS, spending=spending).z == pytest.approx(published, abs=1.5e-4)


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien"), [(2, 2.178, 1.977), (3, 2.289, 2.004), (5, 2.413, 2.040)]
)
def test_the_classical_constants_spend_five_percent(looks, pocock, obrien) -> None:
    """[jennison2000] tables 2.1 and 2.3, to the three decimals printed."""
    fractions = [(k + 1) / looks for k in range(looks)]
    for z in ([pocock] * looks, [obrien * np.sqrt(looks / (k + 1)) for k in range(looks)]):
        upper, lower = crossing_probabilities(fractions, z)
        assert upper.sum() + lower.sum() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: case["name"])
def test_first_crossings_agree_with_the_multivariate_normal_of_r(case) -> None:
    upper, lower = crossing_probabilities(case["fractions"], case["z"], drift=case["drift"])
    assert upper == pytest.approx(case["upper"], abs=2e-6)
    assert lower == pytest.approx(case["lower"], abs=2e-6)


def test_without_an_interim_look_the_boundary_is_the_plain_one() -> None:
    for spending in ("obrien-fleming", "pocock", "haybittle-peto"):
        assert compute_boundaries([1.0], spending=spending).z[0] == pytest.approx(NormalDist().inv_cdf(0.975))


def test_all_looks_together_spend_alpha_and_no_more() -> None:
    for spending in ("obrien-fleming", "pocock", "haybittle-peto"):
        found = compute_boundaries((0.3, 0.55, 1.0), alpha=0.01, spending=spending)
        upper, lower = crossing_probabilities(found.fractions, found.z)
        assert upper.sum() + lower.sum() == pytest.approx(0.01, abs=1e-9)
        assert found.spent[-1] == pytest.approx(0.01, abs=1e-9)


def test_haybittle_and_peto_ask_three_standard_errors_before_the_end() -> None:
    found = compute_boundaries((0.5, 1.0), spending="haybittle-peto")
    assert found.z[0] == 3.0
    assert found.p[0] == pytest.approx(0.0027, abs=1e-5)


def test_the_last_boundary_given_the_others_is_that_of_the_whole_plan() -> None:
    whole = compute_boundaries((0.4, 0.7, 1.0))
    assert last_boundary((0.4, 0.7, 1.0), whole.z[:2]) == pytest.approx(whole.z[2], abs=1e-9)


def test_a_strong_drift_stops_at_the_first_look() -> None:
    upper, _ = crossing_probabilities((0.5, 1.0), (2.0, 2.0), drift=12.0)
    assert upper[0] > 0.999999


@pytest.mark.parametrize(
    "fractions", [(), (0.5,), (0.5, 0.4, 1.0), (0.0, 1.0), (-0.1, 1.0), (0.5, float("nan"), 1.0)]
)
def test_fractions_rise_to_one(fractions) -> None:
    with pytest.raises(StatsError):
        compute_boundaries(fractions)


def test_a_rule_that_is_not_there_is_refused() -> None:
    with pytest.raises(StatsError, match="obrien-fleming"):
        compute_boundaries((1.0,), spending="wang-tsiatis")
