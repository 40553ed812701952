"""Weights, effects and their errors against base R, survival and metafor.

See tests/reference/transport/transport.R: weights by `optim`, errors by stacked estimating equations with
numerical derivatives (hence 1e-6 rather than the last digit), Cox models by `survival`, the network by
`metafor::rma.mv`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.populations import Population, transport
from flarefree.stats.copula import Normal

HERE = Path(__file__).parents[1] / "reference" / "transport"
COVARIATES = ["age", "proteinuria", "black"]


@pytest.fixture(scope="module")
def reference():
    return json.loads((HERE / "transport.json").read_text())


@pytest.fixture(scope="module")
def source():
    return pl.read_csv(HERE / "source.csv")


@pytest.fixture(scope="module")
def target():
    return pl.read_csv(HERE / "target.csv")


@pytest.fixture(scope="module")
def margins(target):
    """The target as a paper would print it, but to the last digit."""
    shown = {c: Normal(target[c].mean(), target[c].std()) for c in COVARIATES[:2]}
    return Population.from_margins({**shown, "black": target["black"].mean()})


def carried(source, target, **options):
    options = {"outcome": "flare", "effect": "RR", "treatment": "arm", "covariates": COVARIATES} | options
    return transport(source, target, **options).adjusted


def pair(estimated):
    return pytest.approx([estimated.estimate, estimated.std_error], abs=1e-6)


def test_maic_weights_and_effective_sample_size(source, margins, reference):
    found = transport(source, margins, outcome="flare", treatment="arm", method="maic")
    np.testing.assert_allclose(found.weights, reference["maic"]["weights"], atol=1e-6)
    assert found.overlap.ess == pytest.approx(reference["maic"]["ess"], abs=1e-6)
    assert found.means == pytest.approx(reference["maic"]["means"], abs=1e-8)


@pytest.mark.parametrize("effect", ["RR", "OR", "RD"])
@pytest.mark.parametrize(("moments", "key"), [(1, "maic"), (2, "maic_moments")])
def test_maic_effects(source, margins, reference, effect, moments, key):
    found = carried(source, margins, effect=effect, method="maic", moments=moments)
    assert reference[key]["effects"][effect] == pair(found)


def test_maic_rate_ratio(source, margins, reference):
    found = carried(source, margins, effect="IRR", outcome=("count", "years"), method="maic")
    assert reference["maic_rate"] == pair(found)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_maic_hazard_ratio(source, margins, reference, ties):
    found = carried(source, margins, effect="HR", outcome=("time", "event"), method="maic", ties=ties)
    estimate, error, fixed = reference["maic_hr"][ties]
    assert [estimate, error] == pair(found)
    assert abs(error - fixed) > 1e-3  # else the test could not tell estimated weights from fixed ones


@pytest.mark.parametrize("effect", ["RR", "OR", "RD"])
def test_inverse_odds(source, target, reference, effect):
    found = transport(source, target, outcome="flare", treatment="arm", effect=effect, method="iow")
    np.testing.assert_allclose(found.weights, reference["iow"]["weights"], atol=1e-6)
    assert reference["iow"]["effects"][effect] == pair(found.adjusted)


@pytest.mark.parametrize("effect", ["RR", "OR", "RD"])
def test_stc(source, target, reference, effect):
    found = carried(source, target, effect=effect, method="stc")
    assert reference["stc"]["effects"][effect] == pair(found)


def test_stc_rate_ratio(source, target, reference):
    found = carried(source, target, effect="IRR", outcome=("count", "years"), method="stc")
    assert reference["stc_rate"] == pair(found)


def test_stc_hazard_ratio(source, target, reference):
    found = transport(
        source,
        target,
        outcome=("time", "event"),
        treatment="arm",
        effect="HR",
        method="stc",
        ties="breslow",
        replicates=20,
    )
    assert found.adjusted.estimate == pytest.approx(reference["stc_hr"]["estimate"], abs=1e-6)
    assert found.means == pytest.approx(reference["stc_hr"]["risks"], abs=1e-6)


@pytest.mark.parametrize(("experimental", "place"), [("B", 0), ("C", 1)])
def test_network_meta_regression(reference, experimental, place):
    rows = pl.read_csv(HERE / "studies.csv")
    found = transport(rows, {"black": 0.5}, effect="OR", experimental=experimental, reference="A")
    expected = reference["nmr"]
    assert found.method == "nmr"
    # the variance is where two optimizers stopped, so it and what follows agree less closely
    assert found.details["fit"].tau2 == pytest.approx(expected["tau2"], abs=1e-5)
    assert found.adjusted.estimate == pytest.approx(expected["estimate"][place], abs=1e-5)
    assert found.adjusted.std_error == pytest.approx(expected["se"][place], abs=1e-5)
    assert found.details["fit"].slopes[0] == pytest.approx(expected["estimate"][2], abs=1e-5)
