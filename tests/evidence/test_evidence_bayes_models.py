"""More models against Gibbs runs and against the figures that the TSDs print; see `test_evidence_bayes.py`.

Ten models are compiled and sampled here, which takes minutes: run on a schedule (`make calibration`).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("numpyro", reason="the extra `bayes` is not installed")

from bayes_runs import GIBBS, REFERENCE, RUN, SHORT, SMALL, SMOKE, assert_agrees, assert_same, smoking_frame

from flarefree.errors import EvidenceError
from flarefree.evidence.bayes import (
    BayesianNetwork,
    HalfNormal,
    LogNormal,
    Priors,
    bayesian_network,
    turner_prior,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoking_rows(shared: Path) -> pl.DataFrame:
    return smoking_frame(shared)


@pytest.fixture(scope="module")
def smoking(smoking_rows: pl.DataFrame) -> BayesianNetwork:
    return bayesian_network(smoking_rows, order=SMOKE, small_values="bad", **RUN)


@pytest.mark.shared
def test_unrelated_mean_effects(smoking_rows: pl.DataFrame) -> None:
    """As Gibbs, and as TSD 4 with the correction for several arms (0.34, 0.90, 1.12, 0.04, 0.61, 0.20)."""
    found = bayesian_network(smoking_rows, order=SMOKE, effects="unrelated mean effects", **RUN)
    assert_agrees(found, "smoking_unrelated")
    printed = (0.34, 0.90, 1.12, 0.04, 0.61, 0.20)
    assert found.draws.flat("d").mean(axis=0) == pytest.approx(printed, abs=0.06)
    assert np.median(found.tau) == pytest.approx(0.91, abs=0.03)
    for asked in (found.league, found.ranking, found.ranks):
        with pytest.raises(EvidenceError, match="unrelated"):
            asked()
    assert found.tidy().height == 6
    assert -found.effect("no_contact", "self_help").mean() == pytest.approx(0.34, abs=0.06)


@pytest.mark.shared
def test_common_effects_and_models_compared(smoking: BayesianNetwork, smoking_rows: pl.DataFrame) -> None:
    """Random effects predict the studies better, by DIC and by leaving studies out."""
    common = bayesian_network(smoking_rows, order=SMOKE, model="common", **RUN)
    assert_agrees(common, "smoking_common")
    assert common.dic > smoking.dic + 150
    gain, error = smoking.loo().compare(common.loo())
    assert gain > 50 and error > 0
    assert not smoking.loo().doubtful


@pytest.mark.shared
def test_bcg_by_latitude(shared: Path) -> None:
    """TSD 3: slope -0.032 (0.009), effect -0.763 (0.126) at the mean latitude, tau 0.272."""
    found = bayesian_network(bcg(shared), reference="control", covariate="latitude", **RUN)
    assert_agrees(found, "bcg_latitude")
    slope = found.slopes().row(0, named=True)
    assert (slope["mean"], slope["sd"]) == pytest.approx((-0.032, 0.009), abs=0.001)
    effect = found.effect("BCG", "control")
    assert (effect.mean(), effect.std()) == pytest.approx((-0.763, 0.126), abs=0.01)
    assert np.median(found.tau) == pytest.approx(0.272, abs=0.015)
    assert found.covariate_at == pytest.approx(33.46, abs=0.01)


@pytest.mark.shared
def test_regression_on_the_baseline(shared: Path) -> None:
    """The slope multiplies a parameter of the study: the whitening is not exact there, the posterior is."""
    found = bayesian_network(bcg(shared), reference="control", covariate="baseline", **RUN)
    assert found.converged, found.diagnostics
    expected = GIBBS["bcg_baseline"]["parameters"]
    error = dict(zip(found.diagnostics.parameters, found.diagnostics.worth.mc_error))
    assert_same(found.draws.flat("slope"), error["slope: baseline"], expected["beta"], "slope")
    assert_same(found.draws.flat("d")[:, 0], error["BCG v control"], expected["d"], "effect")
    assert_same(found.tau, error["tau"], expected["tau"], "tau")
    with pytest.raises(EvidenceError, match="baseline"):
        found.loo()


def bcg(shared: Path) -> pl.DataFrame:
    frame = pl.read_csv(shared / "data" / "meta_analysis" / "dat.bcg.csv")
    arms = [
        frame.select(
            study="trial",
            treatment=pl.lit(arm),
            events=p + "pos",
            n=pl.col(p + "pos") + pl.col(p + "neg"),
            latitude="ablat",
        )
        for arm, p in (("control", "c"), ("BCG", "t"))
    ]
    return pl.concat(arms).sort("study")


def parkinson(shared: Path) -> pl.DataFrame:
    frame = pl.read_csv(shared / "data" / "meta_analysis" / "dat.franchini2012.csv", null_values=["", "NA"])
    arms = [
        frame.select(
            study="Study",
            treatment=f"Treatment{k}",
            mean=f"y{k}",
            sd=f"sd{k}",
            n=pl.col(f"n{k}").cast(pl.Int64),
        )
        for k in (1, 2, 3)
    ]
    return pl.concat(arms).drop_nulls().sort("study")


@pytest.mark.shared
def test_means_as_arms_and_as_contrasts(shared: Path) -> None:
    """TSD 2's Parkinson example: -1.85 of pramipexole; arms and contrasts have the same posterior."""
    rows = parkinson(shared)
    arms = bayesian_network(rows, likelihood="normal", reference="Placebo", **RUN)
    assert_agrees(arms, "parkinson_random")
    assert arms.effect("Pramipexole", "Placebo").mean() == pytest.approx(-1.85, abs=0.04)
    assert arms.dic == pytest.approx(26.0, abs=0.5)
    contrasts = bayesian_network(contrasts_of(rows), likelihood="normal", reference="Placebo", **RUN)
    expected = GIBBS["parkinson_random"]["parameters"]
    error = contrasts.diagnostics.worth.mc_error
    for k in range(4):
        assert_same(contrasts.draws.flat("d")[:, k], error[k], expected[f"d[{k + 1}]"], f"contrast {k}")
    assert contrasts.fit.n_units == 8
    assert contrasts.dic == pytest.approx(12.1, abs=0.5)  # printed of the contrasts: 6.6 + 5.5
    with pytest.raises(EvidenceError, match="levels"):
        contrasts.absolute(0.0)


def contrasts_of(rows: pl.DataFrame) -> pl.DataFrame:
    out = []
    for (study,), group in rows.group_by("study", maintain_order=True):
        arms = list(group.iter_rows(named=True))
        for i, a in enumerate(arms):
            for b in arms[i + 1 :]:
                error = math.sqrt(a["sd"] ** 2 / a["n"] + b["sd"] ** 2 / b["n"])
                out.append((study, a["treatment"], b["treatment"], a["mean"] - b["mean"], error))
    names = ["study", "treatment_1", "treatment_2", "estimate", "std_error"]
    return pl.DataFrame(out, schema=names, orient="row")


def test_follow_up_by_cloglog() -> None:
    """TSD 2's diabetes example: hazard ratios with follow-up of 1 to 6 years; risks at three years."""
    found = bayesian_network(
        pl.read_csv(REFERENCE / "diabetes.csv"),
        link="cloglog",
        follow_up="years",
        order=["diuretic", "placebo", "beta blocker", "CCB", "ACE inhibitor", "ARB"],
        **RUN,
    )
    assert_agrees(found, "diabetes_random")
    assert found.measure == "HR"
    printed = (-0.29, -0.07, -0.24, -0.40, -0.47)
    assert found.coefficients[:, 1:].mean(axis=0) == pytest.approx(printed, abs=0.015)
    assert found.dic == pytest.approx(91.7, abs=1.0)
    risks = found.absolute(-4.2, 1.11**-0.5, follow_up=3.0)
    assert risks["mean"].to_list() == pytest.approx([0.065, 0.050, 0.061, 0.052, 0.045, 0.042], abs=0.004)
    assert risks["median"].to_list() == pytest.approx([0.044, 0.033, 0.041, 0.035, 0.030, 0.028], abs=0.003)


def test_person_time_by_poisson() -> None:
    """TSD 2's dietary fat example (two arms of one study added up): -0.02 (0.09), tau 0.10."""
    found = bayesian_network(
        pl.read_csv(REFERENCE / "dietary_fat.csv"), likelihood="poisson", reference="control", **RUN
    )
    assert_agrees(found, "diet_random")
    effect = found.effect("reduced fat", "control")
    assert (effect.mean(), effect.std()) == pytest.approx((-0.02, 0.09), abs=0.01)
    assert np.median(found.tau) == pytest.approx(0.10, abs=0.015)


def test_priors_are_said_and_matter() -> None:
    """With four studies tau follows its prior."""
    informative = turner_prior("cause-specific mortality, major morbidity or composite", "drug v drug")
    assert informative == LogNormal(-3.95, 1.79)
    vague = bayesian_network(SMALL, **SHORT)
    told = bayesian_network(SMALL, priors=Priors(heterogeneity=informative), **SHORT)
    half = bayesian_network(SMALL, priors=Priors(heterogeneity=HalfNormal(0.5)), **SHORT)
    assert np.median(told.tau) < np.median(half.tau) < np.median(vague.tau)
    assert np.median(told.tau) == pytest.approx(math.exp(-3.95 / 2), rel=0.35)
    assert "tau uniform(0, 5)" in repr(vague)
    assert "turner2015" in repr(told)
    assert "half-normal(SD 0.5)" in repr(half)
