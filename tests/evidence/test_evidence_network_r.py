"""Networks agree with metafor and with plain linear algebra in R on eight published data sets.

Expected: tests/reference/network_meta_analysis/networks.json, made by networks.R there (metafor 3.8-1, lme4,
base R).  The data are metadat's; they stand beside the checkout and are not committed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flarefree.evidence.networks import Network, network

pytestmark = pytest.mark.shared

REFERENCE = Path(__file__).parent.parent / "reference" / "network_meta_analysis" / "networks.json"
EXPECTED = json.loads(REFERENCE.read_text())
SETS = [name for name in EXPECTED if name.split("/")[-1] in ("MD", "OR", "RR")]
COLUMNS = {
    "senn2013": {"study": "study", "treatment": "treatment", "mi": "mean", "sdi": "sd", "ni": "n"},
    "hasselblad1998": {"study": "study", "trt": "treatment", "xi": "events", "ni": "n"},
    "dong2013": {"id": "study", "treatment": "treatment", "death": "events", "randomized": "n"},
    "woods2010": {"author": "study", "treatment": "treatment", "r": "events", "N": "n"},
    "dogliotti2014": {"id": "study", "treatment": "treatment", "stroke": "events", "total": "n"},
    "gurusamy2011": {"study": "study", "treatment": "treatment", "death": "events", "n": "n"},
    "linde2016": {"id": "study", "int": "treatment", "resp": "events", "n": "n"},
}


def read_set(shared: Path, name: str) -> pl.DataFrame:
    """Arm rows; arms of one treatment in one study are added up, and studies of one treatment left out."""
    frame = pl.read_csv(shared / "data" / "meta_analysis" / f"dat.{name}.csv", null_values="NA")
    if name == "franchini2012":
        return pl.concat(
            frame.select(
                study="Study",
                treatment=f"Treatment{k}",
                mean=pl.col(f"y{k}").cast(pl.Float64),
                sd=pl.col(f"sd{k}").cast(pl.Float64),
                n=pl.col(f"n{k}").cast(pl.Int64),
            )
            for k in (1, 2, 3)
        ).filter(pl.col("n").is_not_null())
    renamed = frame.select(**{new: pl.col(old) for old, new in COLUMNS[name].items()})
    renamed = renamed.with_columns(pl.col("treatment").str.strip_chars(), pl.col("study").cast(pl.String))
    if "events" in renamed.columns:
        renamed = (
            renamed.drop_nulls()
            .group_by("study", "treatment", maintain_order=True)
            .agg(pl.sum("events", "n"))
        )
    return renamed.filter(pl.len().over("study") > 1)


def fitted(shared: Path, name: str, **asked: object) -> tuple[Network, dict, list[int]]:
    """Our network, R's numbers, and where R's treatments stand among ours."""
    expected = EXPECTED[name]
    frame = read_set(shared, name.split("/")[0])
    first = expected["treatments"][0]
    found = network(frame, measure=expected["measure"], reference=first, **asked)
    assert set(found.treatments) == set(expected["treatments"])
    return found, expected, [found.treatments.index(t) for t in expected["treatments"]]


@pytest.mark.parametrize("name", SETS)
def test_common_and_random_effects_agree(shared: Path, name: str) -> None:
    """Generalized least squares with the moment estimator, multi-arm studies included."""
    found, expected, at = fitted(shared, name)
    for effects, key in ((found.common, "common"), (found.random, "random")):
        np.testing.assert_allclose(effects.estimate[at[1:], at[0]], expected[key], atol=1e-8)
        np.testing.assert_allclose(effects.std_error[at[1:], at[0]], expected[f"{key}_se"], atol=1e-8)
    covariance = found.random.covariance[np.ix_(at[1:], at[1:])]
    upper = covariance.T[np.tril_indices(len(at) - 1, -1)]  # R's upper.tri runs down the columns
    np.testing.assert_allclose(upper, expected["random_cov"], atol=1e-8)
    assert found.heterogeneity.q == pytest.approx(expected["q"], abs=1e-7)
    assert found.heterogeneity.df == expected["df"]
    assert found.tau2 == pytest.approx(expected["tau2_DL"], abs=1e-9)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_likelihood_estimates_agree_with_metafor(shared: Path, name: str, method: str) -> None:
    """tau2 by rma.mv with correlation 1/2; its optimizer stops some 1e-7 before the peak."""
    found, expected, at = fitted(shared, name, method=method)
    assert found.tau2 == pytest.approx(expected[f"tau2_{method}"], abs=1e-6)
    key = method.lower()
    np.testing.assert_allclose(found.effects[at[1:], at[0]], expected[key], atol=1e-6)
    np.testing.assert_allclose(found.std_errors[at[1:], at[0]], expected[f"{key}_se"], atol=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_design_by_treatment_parts_agree(shared: Path, name: str) -> None:
    """Q within designs, tau2 within designs, and the random-effects test between designs."""
    found, expected, _ = fitted(shared, name)
    parts = found.consistency
    assert parts.q_within == pytest.approx(expected["q_within"], abs=1e-7)
    assert parts.df_within == expected["df_within"]
    assert parts.q_between == pytest.approx(expected["q"] - expected["q_within"], abs=1e-6)
    assert parts.df_between == expected["df"] - expected["df_within"]
    if expected["tau2_within"] is not None:
        assert parts.tau2_within == pytest.approx(expected["tau2_within"], abs=1e-8)
    if expected["q_between_random"] is not None and parts.df_between:
        assert parts.q_between_random == pytest.approx(expected["q_between_random"], abs=1e-7)


@pytest.mark.parametrize("name", SETS)
def test_node_splits_agree(shared: Path, name: str) -> None:
    """Share of direct evidence, direct and indirect estimate and the P of their difference."""
    found, expected, _ = fitted(shared, name)
    ours = {(s.treatment_1, s.treatment_2): s for s in found.splits()}
    for i, j, share, direct, indirect, indirect_error, p in expected["splits"]:
        a, b = expected["treatments"][int(i) - 1], expected["treatments"][int(j) - 1]
        sign = 1.0 if (a, b) in ours else -1.0
        split = ours[(a, b) if sign > 0 else (b, a)]
        assert split.direct_share == pytest.approx(share, abs=1e-8)
        assert sign * split.direct == pytest.approx(direct, abs=1e-8)
        assert sign * split.indirect == pytest.approx(indirect, abs=1e-6)
        assert split.indirect_std_error == pytest.approx(indirect_error, abs=1e-6)
        assert split.p_value == pytest.approx(p, abs=1e-7)
    mixed = [s for s in ours.values() if not np.isnan(s.p_value)]
    assert len(mixed) == len(expected["splits"])


@pytest.mark.parametrize("name", SETS)
def test_leaving_a_study_out_agrees(shared: Path, name: str) -> None:
    """The network without R's first study, fitted anew there."""
    found, expected, at = fitted(shared, name)
    if len(expected["leave_first"]) == 1:
        pytest.skip("without that study the network falls apart")
    without = found.leave_one_out()
    k = without.studies.index(expected["first_out"])
    assert without.tau2[k] == pytest.approx(expected["leave_first"][0], abs=1e-8)
    np.testing.assert_allclose(without.estimate[k, at[1:]], expected["leave_first"][1:], atol=1e-8)


@pytest.mark.parametrize("key", [k for k in EXPECTED if k.startswith("glm/")])
def test_binomial_model_agrees_with_glm(shared: Path, key: str) -> None:
    """A logit with a baseline for each study: R's glm, baselines and all, in one design matrix."""
    frame = read_set(shared, key.split("/")[1])
    names = sorted(frame["treatment"].unique())
    found = network(frame, model="common", method="GLMM", reference=names[0])
    at = [found.treatments.index(name) for name in names[1:]]
    np.testing.assert_allclose(found.effects[at, found.reference_index], EXPECTED[key]["estimate"], atol=1e-7)
    np.testing.assert_allclose(found.std_errors[at, found.reference_index], EXPECTED[key]["se"], atol=1e-6)


@pytest.mark.parametrize("key", [k for k in EXPECTED if k.startswith("nch/")])
def test_conditional_likelihood_agrees_with_enumeration(shared: Path, key: str) -> None:
    """Every table of the same margins written out in R; its optimizer and differences set the tolerance."""
    frame = read_set(shared, key.split("/")[1])
    names = sorted(frame["treatment"].unique())
    found = network(frame, model="common", method="NCH", reference=names[0])
    at = [found.treatments.index(name) for name in names[1:]]
    np.testing.assert_allclose(found.effects[at, found.reference_index], EXPECTED[key]["estimate"], atol=2e-6)
    np.testing.assert_allclose(found.std_errors[at, found.reference_index], EXPECTED[key]["se"], atol=1e-4)
    assert found.likelihood.log_likelihood == pytest.approx(EXPECTED[key]["loglik"], abs=1e-8)


def test_random_logit_agrees_with_integration_and_rma_glmm(shared: Path) -> None:
    """Two treatments: the same likelihood by integrate() and optim(); rma.glmm (UM.FS) stops early."""
    frame = read_set(shared, "hasselblad1998")
    pair = ["ind_counseling", "no_contact"]
    kept = frame.filter((pl.col("treatment").is_in(pair).all().over("study")) & (pl.len().over("study") == 2))
    found = network(kept, method="GLMM", reference="no_contact", quadrature_points=25)
    exact, metafor = EXPECTED["glmm_two_integrated"], EXPECTED["glmm_two"]
    estimate = found.effects[0, 1]
    assert estimate == pytest.approx(exact["estimate"], abs=2e-6)
    assert found.std_errors[0, 1] == pytest.approx(exact["se"], abs=2e-5)
    assert found.tau2 == pytest.approx(exact["tau2"], abs=2e-5)
    assert found.likelihood.log_likelihood == pytest.approx(exact["loglik"], abs=1e-7)
    assert estimate == pytest.approx(metafor["estimate"], abs=1e-4)
    assert found.tau2 == pytest.approx(metafor["tau2"], abs=1e-3)
